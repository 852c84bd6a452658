"""The random view of a galaxy that training sees."""

import math

import torch

from galaxy_sklearn._validation import POSITIVE
from galaxy_sklearn._values import ValueObject
from galaxy_sklearn.augmentation._checks import check_numbers, check_ranges
from galaxy_sklearn.augmentation._warp import warp

_FILLS = ("reflection", "border", "zeros")


class GalaxyAugmentation(ValueObject):
    """Random zoom, rotation, mirror and shift in one resampling, then brightness and colour.

    A galaxy has no up and no handedness, so every rotation and mirror image is as likely as the
    one observed. All is drawn per image, on the device of the batch, from the generator passed.

    Parameters
    ----------
    zoom : tuple of float, default=(0.75, 1.3)
        Range of the field seen, relative to the field that prediction sees; above 0.
    rotate : bool, default=True
        Rotate by any angle.
    mirror : bool, default=True
        Mirror every second image.
    shift : float, default=0.04
        Largest shift of the centre along each axis, as a fraction of the shorter side.
    contrast : float, default=0.2
        Largest relative change of contrast, common to all bands.
    colour : float, default=0.1
        Largest relative change of each band's contrast, and largest offset of each band in units
        of the training set's standard deviation.
    fill : {"reflection", "border", "zeros"}, default="reflection"
        What lies outside the frame.

    Raises
    ------
    ValueError
        If `zoom` is not two rising numbers above 0, `shift`, `contrast` or `colour` is no number
        of at least 0, or `fill` is unknown.

    References
    ----------
    Dieleman, Willett & Dambre (2015), MNRAS 450, 1441, section 6.3: one affine resampling
    instead of several.
    """

    def __init__(
        self,
        *,
        zoom=(0.75, 1.3),
        rotate=True,
        mirror=True,
        shift=0.04,
        contrast=0.2,
        colour=0.1,
        fill="reflection",
    ):
        check_ranges(self, POSITIVE, zoom=zoom)
        check_numbers(self, shift=shift, contrast=contrast, colour=colour)
        if not isinstance(fill, str) or fill not in _FILLS:
            raise ValueError(
                f"{type(self).__name__} needs fill to be one of {', '.join(_FILLS)}; got {fill!r}."
            )
        self.zoom = zoom
        self.rotate = rotate
        self.mirror = mirror
        self.shift = shift
        self.contrast = contrast
        self.colour = colour
        self.fill = fill

    def __call__(self, images, size, *, field, generator):
        """Return one random view of each image.

        Parameters
        ----------
        images : Tensor of shape (n, n_channels, height, width)
            Standardised pixels.
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
        n, device = len(images), images.device

        def uniform(low, high, *shape):
            return low + (high - low) * torch.rand(
                *(shape or (n,)), generator=generator, device=device
            )

        views = warp(
            images,
            size,
            zoom=field * uniform(*self.zoom),
            angle=uniform(0, 2 * math.pi if self.rotate else 0),
            mirror=1 - 2 * (uniform(0, 1) < 0.5 * self.mirror).float(),
            shift_x=uniform(-self.shift, self.shift),
            shift_y=uniform(-self.shift, self.shift),
            fill=self.fill,
        )
        return self._photometry(views, uniform)

    def _photometry(self, views, uniform):
        if not (self.contrast or self.colour):
            return views
        n, bands = views.shape[:2]
        gain = 1 + uniform(-self.contrast, self.contrast, n, 1, 1, 1)
        gain = gain + uniform(-self.colour, self.colour, n, bands, 1, 1)
        return torch.addcmul(uniform(-self.colour, self.colour, n, bands, 1, 1), views, gain)
