"""The augmentation of Zhu et al. (2019): crops of many scales, quarter turns, colour jitter."""

import math
from numbers import Integral

import torch

from galaxy_sklearn._values import ValueObject
from galaxy_sklearn.augmentation._checks import check_numbers, check_ranges
from galaxy_sklearn.augmentation._warp import warp

_GREY = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)


def _are_limits(sizes):
    """Tell whether sizes are two positive whole numbers, the smaller first."""
    if isinstance(sizes, str) or not hasattr(sizes, "__len__") or len(sizes) != 2:
        return False
    return all(isinstance(size, Integral) for size in sizes) and 0 < sizes[0] <= sizes[1]


def rotate_hue(images, turns):
    """Return RGB images with every hue turned, brightness and grey pixels unchanged.

    Parameters
    ----------
    images : Tensor of shape (n, 3, height, width)
        Red, green, blue.
    turns : Tensor of shape (n,)
        Angle about the grey axis, in full turns.

    Returns
    -------
    Tensor of shape (n, 3, height, width)
    """
    angle = 2 * math.pi * turns
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None] / math.sqrt(3)
    identity = torch.eye(3, device=images.device, dtype=images.dtype)
    cross = identity.roll(1, 0) - identity.roll(-1, 0)
    matrix = cos * identity + sin * cross + (1 - cos) / 3
    return torch.einsum("nij,njhw->nihw", matrix, images)


class ColourJitter(ValueObject):
    """Change brightness, contrast, saturation and hue, each image by its own amounts.

    What `ScaleJitterCrop` and others end with, and a part for an augmentation of your own; by
    itself it takes no view of an image, which the `augmentation` of a classifier has to. Saturation
    and hue need three bands; others are left as they are.

    Parameters
    ----------
    brightness : float, default=0.0
        Largest value added to all pixels, either way; pixels lie in [0, 1].
    contrast : tuple of float, default=(1.0, 1.0)
        Range of the factor on the distance to each band's mean.
    saturation : tuple of float, default=(1.0, 1.0)
        Range of the factor on the distance to grey.
    hue : float, default=0.0
        Largest turn of the hue, either way, in full turns.

    Raises
    ------
    ValueError
        If `brightness` or `hue` is no number of at least 0, or `contrast` or `saturation` not two
        rising ones.
    """

    def __init__(self, *, brightness=0.0, contrast=(1.0, 1.0), saturation=(1.0, 1.0), hue=0.0):
        check_numbers(self, brightness=brightness, hue=hue)
        check_ranges(self, contrast=contrast, saturation=saturation)
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue

    def __call__(self, images, generator):
        """Return jittered images of the same shape, each drawn from `generator`."""

        def uniform(low, high):
            drawn = torch.rand(len(images), generator=generator, device=images.device)
            return low + (high - low) * drawn

        def each(low, high):
            return uniform(low, high)[:, None, None, None]

        images = images + each(-self.brightness, self.brightness)
        mean = images.mean((2, 3), keepdim=True)
        images = mean + (images - mean) * each(*self.contrast)
        if images.shape[1] != 3:
            return images
        grey = torch.einsum("c,nchw->nhw", images.new_tensor(_GREY), images)[:, None]
        images = grey + (images - grey) * each(*self.saturation)
        return rotate_hue(images, uniform(-self.hue, self.hue)) if self.hue else images


class ScaleJitterCrop(ValueObject):
    """Crop S x S pixels, S random for each image; resize; crop at random; turn; mirror; jitter.

    One resampling does the work of the published chain: crop the central S x S pixels, resize
    them to `resize`, take a random `crop` of that.

    Parameters
    ----------
    sizes : sequence of two int, default=(170, 240)
        Smallest and largest S, in pixels of the raw image.
    resize : int, default=80
        Side that a crop is resized to, in pixels.
    crop : int, default=64
        Side of the random part taken of that, in pixels; at most `resize`.
    brightness : float, default=0.247
        Largest value added to all pixels (in [0, 1]), either way; 63 / 255.
    contrast : tuple of float, default=(0.2, 1.8)
        Range of the factor on the distance to each band's mean.
    saturation : tuple of float, default=(0.5, 1.5)
        Range of the factor on the distance to grey. Not published.
    hue : float, default=0.1
        Largest turn of the hue, either way, in full turns. Not published.

    Raises
    ------
    ValueError
        If `sizes`, or `crop` and `resize`, are no two positive whole numbers, the smaller first,
        `brightness` or `hue` is no number of at least 0, or `contrast` or `saturation` not two
        rising ones.

    References
    ----------
    Zhu et al. (2019), Ap&SS 364, 55, section 3.2. The ranges of brightness and contrast are those
    of the released code, which draws S once for all images and leaves saturation and hue out; here
    all four are as in the text.
    """

    def __init__(
        self,
        sizes=(170, 240),
        *,
        resize=80,
        crop=64,
        brightness=0.247,
        contrast=(0.2, 1.8),
        saturation=(0.5, 1.5),
        hue=0.1,
    ):
        if not _are_limits(sizes):
            raise ValueError(
                f"ScaleJitterCrop needs sizes=(smallest, largest) in whole pixels; got {sizes!r}."
            )
        if not _are_limits((crop, resize)):
            raise ValueError(
                f"ScaleJitterCrop needs a crop of 1 to resize={resize!r} whole pixels; got "
                f"crop={crop!r}."
            )
        check_numbers(self, brightness=brightness, hue=hue)
        check_ranges(self, contrast=contrast, saturation=saturation)
        self.sizes = sizes
        self.resize = resize
        self.crop = crop
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue

    def __call__(self, images, size, *, field, generator):
        """Return one random view of each image.

        Parameters
        ----------
        images : Tensor of shape (n, n_channels, height, width)
            Pixels in [0, 1].
        size : tuple of int
            (height, width) of the views in pixels.
        field : float
            Not used: `sizes` are absolute.
        generator : torch.Generator
            On the device of `images`.

        Returns
        -------
        Tensor of shape (n, n_channels, *size)

        Raises
        ------
        ValueError
            If the images are smaller than the largest crop.
        """
        side = min(images.shape[2:])
        if side < self.sizes[1]:
            raise ValueError(
                f"ScaleJitterCrop takes crops of up to {self.sizes[1]} pixels; the images' "
                f"shorter side has {side}."
            )
        n, device = len(images), images.device

        def integers(low, high):
            return torch.randint(low, high + 1, (n,), generator=generator, device=device)

        seen = integers(*self.sizes) / side  # of the shorter side
        room = self.resize - self.crop
        shift_x, shift_y = (seen * (integers(0, room) - room / 2) / self.resize for _ in range(2))
        views = warp(
            images,
            size,
            zoom=seen * self.crop / self.resize,
            angle=integers(0, 3) * (math.pi / 2),
            mirror=1.0 - 2.0 * integers(0, 1),
            shift_x=shift_x,
            shift_y=shift_y,
        )
        jitter = ColourJitter(
            brightness=self.brightness,
            contrast=self.contrast,
            saturation=self.saturation,
            hue=self.hue,
        )
        return jitter(views, generator)
