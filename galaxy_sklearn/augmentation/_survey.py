"""The same galaxy as a coarser survey, or the same survey from further away, would show it."""

import math

import numpy as np
import torch
from torch.nn import functional as F

from galaxy_sklearn._values import ValueObject
from galaxy_sklearn.augmentation._checks import SHARE, check_numbers, check_ranges
from galaxy_sklearn.augmentation._warp import warp

_MATTER = 0.3  # density of matter in a flat universe, in units of the critical one
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_FWHM = 2 * math.sqrt(2 * math.log(2))  # of a Gaussian with deviation 1
_MAD = 1.4826  # deviation of a Gaussian over its median absolute deviation


def angular_distance(redshift):
    r"""Return the angular diameter distance in units of c / H0.

    :math:`d_A = (1 + z)^{-1} \int_0^z dz' / \sqrt{0.3 (1 + z')^3 + 0.7}`: a flat universe with a
    cosmological constant.

    Parameters
    ----------
    redshift : Tensor
        Redshifts z, at least 0.

    Returns
    -------
    Tensor
        Of the same shape.
    """
    nodes, weights = (torch.as_tensor(part).to(redshift) for part in (_NODES, _WEIGHTS))
    inner = redshift[..., None] / 2 * (nodes + 1)
    rate = torch.sqrt(_MATTER * (1 + inner) ** 3 + 1 - _MATTER)
    return redshift / 2 * (weights / rate).sum(-1) / (1 + redshift)


def blur(images, sigma, radius):
    """Return images, each convolved with a round Gaussian of its own.

    Parameters
    ----------
    images : Tensor of shape (n, n_channels, height, width)
        Pixels.
    sigma : Tensor of shape (n,)
        Deviation in pixels; 0 leaves an image as it is.
    radius : int
        The kernel ends so many pixels from its middle.

    Returns
    -------
    blurred : Tensor of shape (n, n_channels, height, width)
        Beyond the frame lies what lies on its edge.
    left : Tensor of shape (n,)
        Factor by which the deviation of white noise has fallen.
    """
    n, bands = images.shape[:2]
    steps = torch.arange(-radius, radius + 1, device=images.device)
    kernel = torch.exp(-0.5 * (steps / sigma.clamp(min=1e-3)[:, None]) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)
    weight = kernel.to(images.dtype).repeat_interleave(bands, 0)
    planes = F.pad(images.reshape(n * bands, *images.shape[2:])[None], 4 * [radius], "replicate")
    planes = F.conv2d(planes, weight[:, None, None, :], groups=n * bands)
    planes = F.conv2d(planes, weight[:, None, :, None], groups=n * bands)
    return planes[0].reshape(images.shape), (kernel**2).sum(1)


class SurveyDegradation(ValueObject):
    r"""Show galaxies as they would look further away, or in a survey of lower quality.

    A network that learns from near galaxies also sees far ones, whose faint arms are lost, and a
    survey only holds far galaxies that are bright (Malmquist bias). Each image gets its own draw:

    - **Distance.** From redshift :math:`z_0` to :math:`z`, surface brightness falls by
      :math:`((1 + z) / (1 + z_0))^{-4}`, and angular size by :math:`q = d_A(z) / d_A(z_0)` with the
      angular diameter distance of a flat universe with 30 % matter. Changes of colour with
      redshift (K-correction) and the galaxies' evolution are left out.
    - **Resolution.** The point spread function keeps its angular size, times a factor :math:`r` for
      a coarser survey: seen at the galaxy's size, its width grows from :math:`F` to :math:`F q r`.
      The image is convolved with a Gaussian of FWHM :math:`F \sqrt{(q r)^2 - 1}`.
    - **Signal to noise.** White noise is added until the sky's deviation is :math:`1/s` of what it
      was before, whatever dimming and blurring have left of it. So the signal to noise of a
      galaxy's surface falls by :math:`s ((1 + z) / (1 + z_0))^{-4}`.

    Level and noise of the sky are median and median absolute deviation of the frame's border, by
    band. All holds for pixels that are linear in flux, and roughly for stretched ones.

    Parameters
    ----------
    redshift : float, default=0.08
        Redshift :math:`z_0` of the galaxies as they are.
    new_redshift : tuple of float, default=(0.08, 0.25)
        Range of :math:`z`; the defaults are about the middle and the end of Galaxy Zoo 2.
    resolution : tuple of float, default=(1.0, 1.5)
        Range of :math:`r`, at least 1.
    signal_to_noise : tuple of float, default=(0.5, 1.0)
        Range of :math:`s`, at most 1.
    psf : float, default=0.015
        Width (FWHM) :math:`F` of the images' point spread function, as a fraction of the shorter
        side; at least 0.
    scaled : bool, default=True
        Frames are cut to their galaxy's size, as in Galaxy Zoo, so that a galaxy keeps its size in
        the frame; False shrinks it by :math:`q`.
    share : float, default=0.5
        Part of the images that are degraded, from 0 to 1.
    augmentation : callable, default=None
        Random views taken of the degraded images, such as `GalaxyAugmentation`; None takes the
        view that prediction sees.

    Raises
    ------
    ValueError
        If a range is not two rising numbers, `psf` or `share` is out of range, galaxies would come
        nearer, or images become sharper or cleaner.

    References
    ----------
    Tolman (1930), PNAS 16, 511: the fourth power. Gomez-Munoz (2020) asks for augmentation by
    observational resolution and Malmquist bias.
    """

    def __init__(
        self,
        *,
        redshift=0.08,
        new_redshift=(0.08, 0.25),
        resolution=(1.0, 1.5),
        signal_to_noise=(0.5, 1.0),
        psf=0.015,
        scaled=True,
        share=0.5,
        augmentation=None,
    ):
        check_numbers(self, redshift=redshift, psf=psf)
        check_numbers(self, SHARE, share=share)
        check_ranges(
            self,
            new_redshift=new_redshift,
            resolution=resolution,
            signal_to_noise=signal_to_noise,
        )
        if not 0 < redshift <= min(new_redshift):
            raise ValueError(
                f"SurveyDegradation needs 0 < redshift <= new_redshift; got {redshift} and "
                f"{new_redshift}."
            )
        if min(resolution) < 1 or not 0 < min(signal_to_noise) <= max(signal_to_noise) <= 1:
            raise ValueError(
                f"SurveyDegradation needs resolution >= 1 and 0 < signal_to_noise <= 1; got "
                f"{resolution} and {signal_to_noise}."
            )
        self.redshift = redshift
        self.new_redshift = new_redshift
        self.resolution = resolution
        self.signal_to_noise = signal_to_noise
        self.psf = psf
        self.scaled = scaled
        self.share = share
        self.augmentation = augmentation

    def __call__(self, images, size, *, field, generator):
        """Return one view of each image, part of them degraded.

        Parameters
        ----------
        images : Tensor of shape (n, n_channels, height, width)
            Pixels in any linear unit.
        size : tuple of int
            (height, width) of the views in pixels.
        field : float
            Field that prediction sees, as a fraction of the shorter side.
        generator : torch.Generator
            On the device of `images`.

        Returns
        -------
        Tensor of shape (n, n_channels, *size)
        """
        images, shrink = self.degrade(images, generator)
        field = field * (torch.ones_like(shrink) if self.scaled else shrink)
        if self.augmentation is not None:
            return self.augmentation(images, size, field=field, generator=generator)
        still = torch.zeros_like(field)
        return warp(
            images, size, zoom=field, angle=still, mirror=still + 1, shift_x=still, shift_y=still
        )

    def degrade(self, images, generator):
        """Return degraded images at the size they had, and how much smaller galaxies look.

        Parameters
        ----------
        images : Tensor of shape (n, n_channels, height, width)
            Pixels in any linear unit.
        generator : torch.Generator
            On the device of `images`.

        Returns
        -------
        degraded : Tensor of shape (n, n_channels, height, width)
            Galaxies keep their size.
        shrink : Tensor of shape (n,)
            The ratio :math:`q` of angular diameter distances, 1 for images left as they are.
        """
        n, device = len(images), images.device
        chosen = torch.rand(n, generator=generator, device=device) < self.share

        def uniform(low, high):
            drawn = low + (high - low) * torch.rand(n, generator=generator, device=device)
            return drawn.clamp(low, high)

        start = torch.tensor(float(self.redshift), device=device)
        new = torch.where(chosen, uniform(*self.new_redshift), start)
        shrink = angular_distance(new) / angular_distance(start)
        coarser = torch.where(chosen, uniform(*self.resolution), 1.0) * shrink
        cleaner = torch.where(chosen, uniform(*self.signal_to_noise), 1.0)
        dimming = ((1 + new) / (1 + start)) ** -4
        sky, noise = sky_statistics(images)
        width = self.psf * min(images.shape[2:]) / _FWHM
        sigma = width * torch.sqrt((coarser**2 - 1).clamp(min=0))
        light, left = blur(images - sky, sigma, self._radius(width))
        missing = torch.sqrt((cleaner**-2 - (dimming * left) ** 2).clamp(min=0))
        grain = torch.randn(images.shape, generator=generator, device=device).to(images)
        dimming, missing = (part.to(images)[:, None, None, None] for part in (dimming, missing))
        return sky + light * dimming + noise * missing * grain, shrink

    def _radius(self, width):
        """Return how far the widest kernel reaches, in pixels."""
        ends = torch.tensor([self.redshift, *self.new_redshift], dtype=torch.float64)
        distances = angular_distance(ends)
        coarsest = max(self.resolution) * float(distances.max() / distances[0])
        return max(1, math.ceil(3 * width * math.sqrt(max(coarsest**2 - 1, 0))))


def sky_statistics(images):
    """Return level and noise of each image's border by band, both (n, n_channels, 1, 1)."""
    edges = [images[:, :, 0], images[:, :, -1], images[:, :, :, 0], images[:, :, :, -1]]
    border = torch.cat(edges, 2)
    level = border.median(2, keepdim=True).values
    spread = (border - level).abs().median(2, keepdim=True).values
    return level[..., None], _MAD * spread[..., None]
