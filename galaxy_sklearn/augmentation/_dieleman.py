"""The augmentation of the Galaxy Challenge's winner: one warp, then noise along a colour."""

import math

import torch

from galaxy_sklearn._validation import POSITIVE
from galaxy_sklearn._values import ValueObject
from galaxy_sklearn.augmentation._checks import check_numbers
from galaxy_sklearn.augmentation._warp import warp

# The first principal component of the challenge's colours times its eigenvalue, as released.
_COLOUR = ((-0.0148366, -0.01253134, -0.01040762),)


def colour_components(images):
    """Return the principal components of the colours of pixels, each times its eigenvalue.

    Parameters
    ----------
    images : Tensor of shape (n, n_channels, height, width)
        Pixels in [0, 1], or any other unit: that of the result is its square.

    Returns
    -------
    Tensor of shape (n_channels, n_channels)
        One component a row, the strongest first; signs are arbitrary.

    References
    ----------
    Krizhevsky, Sutskever & Hinton (2012), NeurIPS, section 4.1.
    """
    pixels = images.movedim(1, 0).flatten(1)
    values, vectors = torch.linalg.eigh(torch.cov(pixels).reshape(len(pixels), -1))
    return (vectors * values).flip(1).T


class DielemanAugmentation(ValueObject):
    """Rotate by any angle, mirror, zoom and shift in one resampling; then change the colour.

    Parameters
    ----------
    zoom : float, default=1.3
        Largest zoom; its logarithm is drawn evenly, so that ``1 / zoom`` is the smallest.
    shift : float, default=4.0
        Largest shift along each axis, in pixels of `frame`.
    frame : float, default=424.0
        Shorter side of the images given, in the pixels in which `shift` is counted. The
        publication's 4 pixels are those of the original 424 x 424 images, not of the 69 x 69 that
        the network sees, where they are 4/3: its released code shifts before it reduces. Images
        cut to 288 of those pixels need ``frame=288``, however much they were reduced.
    colour : float, default=0.5
        Standard deviation of the noise along each component of the colours.
    components : array-like of shape (n_components, n_channels), default=((-0.0148366, \
-0.01253134, -0.01040762),)
        What a deviation of 1 adds to the bands. The default is that of the released code, for red,
        green and blue in [0, 1]. None takes all of each training batch, see `colour_components`.

    Raises
    ------
    ValueError
        If `zoom` or `frame` is no number above 0, or `shift` or `colour` none of at least 0.

    References
    ----------
    Dieleman, Willett & Dambre (2015), MNRAS 450, 1441, section 6.3, and their released code, which
    also clips pixels to [0, 1] in the end; here they are left as they are.
    """

    def __init__(self, *, zoom=1.3, shift=4.0, frame=424.0, colour=0.5, components=_COLOUR):
        check_numbers(self, POSITIVE, zoom=zoom, frame=frame)
        check_numbers(self, shift=shift, colour=colour)
        self.zoom = zoom
        self.shift = shift
        self.frame = frame
        self.colour = colour
        self.components = components

    def __call__(self, images, size, *, field, generator):
        """Return one random view of each image.

        Parameters
        ----------
        images : Tensor of shape (n, n_channels, height, width)
            Pixels in [0, 1] (``standardize=None``) for the default `components`.
        size : tuple of int
            (height, width) of the views in pixels.
        field : float
            Field that prediction sees, as a fraction of the shorter side.
        generator : torch.Generator
            On the device of `images`.

        Returns
        -------
        Tensor of shape (n, n_channels, *size)

        Raises
        ------
        ValueError
            If `components` are of another number of bands.
        """
        n, device = len(images), images.device

        def uniform(low, high):
            return low + (high - low) * torch.rand(n, generator=generator, device=device)

        reach, shift = math.log(self.zoom), self.shift / self.frame
        views = warp(
            images,
            size,
            zoom=field * torch.exp(uniform(-reach, reach)),
            angle=uniform(0, 2 * math.pi),
            mirror=1 - 2 * (uniform(0, 1) < 0.5).float(),
            shift_x=uniform(-shift, shift),
            shift_y=uniform(-shift, shift),
        )
        components = self._components(images)
        drawn = torch.randn(n, len(components), generator=generator, device=device)
        return views + (self.colour * drawn.to(components) @ components)[:, :, None, None]

    def _components(self, images):
        if self.components is None:
            return colour_components(images)
        components = torch.as_tensor(self.components, dtype=images.dtype, device=images.device)
        if components.ndim != 2 or components.shape[1] != images.shape[1]:
            raise ValueError(
                f"DielemanAugmentation has colour components of shape {tuple(components.shape)} "
                f"and got images of {images.shape[1]} bands; components=None finds them itself."
            )
        return components
