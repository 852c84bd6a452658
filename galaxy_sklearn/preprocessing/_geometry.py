"""Cutting out the centre of images and changing their size."""

import cv2
import numpy as np

from galaxy_sklearn._validation import MAX_SIDE, POSITIVE_INT, StrOptions
from galaxy_sklearn.preprocessing._base import ImageTransformer, map_images

_GROW = {"area": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}
_BANDS_AT_ONCE = 4  # what OpenCV takes as one pixel


class CenterCrop(ImageTransformer):
    """Keep the centre of each image, where the galaxy is.

    Where an odd number of rows or columns goes, the odd one goes at the bottom or the right; so
    it does where padding adds them, and cropping undoes padding.

    Parameters
    ----------
    size : int or (int, int), default=None
        Side, or (height, width), to keep, in pixels of the incoming image. None keeps the
        largest square.
    pad : {"error", "constant", "reflect"}, default="error"
        What becomes of an image smaller than `size`: an error, a margin of zeros, or a margin
        that mirrors the image about its outermost pixels.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, n_channels) of the images where X holds rows of
        pixels; None guesses a square.

    Attributes
    ----------
    image_shape_ : tuple of int
        (height, width, n_channels) of the training images.
    n_features_in_ : int
        Values in a training image.
    """

    _parameter_constraints: dict = {
        **ImageTransformer._parameter_constraints,
        "size": [POSITIVE_INT, tuple, list, None],
        "pad": [StrOptions({"error", "constant", "reflect"})],
    }

    def __init__(self, size=None, *, pad="error", image_shape=None):
        self.size = size
        self.pad = pad
        self.image_shape = image_shape

    finite_only = False  # NaN at the border may be what is cut away

    def _learn(self, images):
        self._target(images.shape)

    def _target(self, shape):
        """Return the (height, width) that stay of images of `shape`, (n, h, w, c)."""
        if self.size is None:
            return (min(shape[1:3]),) * 2
        sides = as_sides("CenterCrop", self.size)
        if self.pad == "error" and (sides[0] > shape[1] or sides[1] > shape[2]):
            raise ValueError(
                f"CenterCrop cannot cut {sides[0]} x {sides[1]} pixels (height x width) out of "
                f"images of {shape[1]} x {shape[2]}: take a smaller size, or "
                'pad="constant" or "reflect".'
            )
        return sides

    def transform_images(self, images):
        """Return the centres.

        Parameters
        ----------
        images : ndarray of shape (n, h, w, c)
            Any pixel type.

        Returns
        -------
        ndarray of shape (n, height, width, c)
            Same pixel type.

        Raises
        ------
        ValueError
            If the images are smaller than `size` and `pad` is "error".
        """
        sides = self._target(images.shape)
        if sides == images.shape[1:3]:
            return images
        cut, margins = [slice(None)], [(0, 0)]
        for old, new in zip(images.shape[1:3], sides):
            start, before = max(0, old - new) // 2, max(0, new - old) // 2
            cut.append(slice(start, start + min(old, new)))
            margins.append((before, max(0, new - old) - before))
        centre = images[tuple(cut)]
        if max(margins) == (0, 0):
            return np.ascontiguousarray(centre)
        return np.pad(centre, [*margins, (0, 0)], mode=self.pad)


class Resize(ImageTransformer):
    """Change the height and width of images without moire.

    Where an image shrinks, each new pixel is the mean over the area it covers (OpenCV's
    INTER_AREA): fine structure blurs instead of aliasing, and the mean brightness stays. Where it
    grows, pixels are interpolated. The aspect ratio is not kept: crop first.

    Parameters
    ----------
    size : int or (int, int), default=128
        New side, or (height, width), in pixels.
    interpolation : {"area", "cubic"}, default="area"
        How images grow: "area" interpolates linearly, "cubic" cubically, which is sharper and may
        leave the range of the values (uint8 is clipped). Images shrink by area in both cases.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, n_channels) of the images where X holds rows of
        pixels; None guesses a square.

    Attributes
    ----------
    image_shape_ : tuple of int
        (height, width, n_channels) of the training images.
    n_features_in_ : int
        Values in a training image.
    """

    _parameter_constraints: dict = {
        **ImageTransformer._parameter_constraints,
        "size": [POSITIVE_INT, tuple, list],
        "interpolation": [StrOptions(set(_GROW))],
    }

    def __init__(self, size=128, *, interpolation="area", image_shape=None):
        self.size = size
        self.interpolation = interpolation
        self.image_shape = image_shape

    def _learn(self, images):
        as_sides("Resize", self.size)

    def transform_images(self, images):
        """Return the images in the new size.

        Parameters
        ----------
        images : ndarray of shape (n, h, w, c)
            uint8 or floating point.

        Returns
        -------
        ndarray of shape (n, height, width, c)
            uint8 (rounded), float32 or float64 like the images.
        """
        if images.shape[1:3] == as_sides("Resize", self.size):
            return images
        return map_images(self._resize, images)

    def _resize(self, image):
        groups = range(0, image.shape[2], _BANDS_AT_ONCE)
        parts = [self._resize_bands(image[..., k : k + _BANDS_AT_ONCE]) for k in groups]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)

    def _resize_bands(self, bands):
        height, width = as_sides("Resize", self.size)
        pixels = np.ascontiguousarray(bands)
        shrunk = min(bands.shape[0], height), min(bands.shape[1], width)
        grows = shrunk != (height, width)
        rounds = grows and bands.dtype == np.uint8
        if rounds:
            pixels = pixels.astype(np.float32)  # OpenCV's own bytes are off by one here and there
        if shrunk != bands.shape[:2]:
            pixels = cv2.resize(pixels, shrunk[::-1], interpolation=cv2.INTER_AREA)
        if grows:
            pixels = cv2.resize(pixels, (width, height), interpolation=_GROW[self.interpolation])
        if rounds:
            pixels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
        return pixels.reshape(height, width, bands.shape[2])


def as_sides(name, size):
    """Return `size` as (height, width).

    Raises ValueError if it is not one or two whole numbers of pixels from 1 to `MAX_SIDE`.
    """
    try:
        sides = (size, size) if np.ndim(size) == 0 else tuple(size)
        whole = tuple(int(side) for side in sides)
        valid = len(whole) == 2 and whole == sides and 1 <= min(whole) <= max(whole) <= MAX_SIDE
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise ValueError(
            f"The size parameter of {name} must be one or two (height, width) whole numbers of "
            f"pixels, at most {MAX_SIDE}. Got {size!r} instead."
        )
    return whole
