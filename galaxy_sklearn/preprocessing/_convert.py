"""Other forms of the same images: grey, float, rows."""

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils.validation import check_is_fitted

from galaxy_sklearn._validation import validate_images
from galaxy_sklearn.preprocessing._base import ImagesOutMixin, ImageTransformer, float_type
from galaxy_sklearn.preprocessing._columns import as_table

_LUMA = (0.299, 0.587, 0.114)
_LUMA_16_BIT = (19595, 38470, 7471)  # the same times 65536, rounded to that sum


class GrayScale(ImageTransformer):
    """Make one band of many.

    Parameters
    ----------
    weights : sequence of float, default=None
        Weight of each band, not negative; they are divided by their sum. None takes
        0.299 R + 0.587 G + 0.114 B (the luma of ITU-R BT.601) for three bands, on `uint8` with
        the result of Pillow's ``convert("L")``, and the mean for any other number.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, n_channels) of the images where X holds rows of
        pixels; None guesses a square.

    Attributes
    ----------
    image_shape_ : tuple of int
        (height, width, n_channels) of the training images.
    n_features_in_ : int
        Values in a training image.

    References
    ----------
    ITU-R Recommendation BT.601-7, section 2.5.1.
    """

    _parameter_constraints: dict = {
        **ImageTransformer._parameter_constraints,
        "weights": ["array-like", None],
    }

    def __init__(self, weights=None, *, image_shape=None):
        self.weights = weights
        self.image_shape = image_shape

    def _learn(self, images):
        self._weights_for(images.shape[-1])

    def _weights_for(self, n_bands):
        if self.weights is None:
            return np.array(_LUMA if n_bands == 3 else [1 / n_bands] * n_bands)
        weights = np.asarray(self.weights, dtype=np.float64)
        if weights.shape != (n_bands,) or weights.min() < 0 or not 0 < weights.sum() < np.inf:
            raise ValueError(
                "The weights parameter of GrayScale must be one number for each band, none "
                f"negative and not all zero. Got {self.weights!r} for images of {n_bands} bands."
            )
        return weights / weights.sum()

    def transform_images(self, images):
        """Return the grey images.

        Parameters
        ----------
        images : ndarray of shape (n, h, w, c)
            uint8 or floating point.

        Returns
        -------
        ndarray of shape (n, h, w, 1)
            uint8 (rounded), float32 or float64 like the images.
        """
        weights = self._weights_for(images.shape[-1])
        if images.dtype != np.uint8:
            return _weighted(images, weights.astype(float_type(images)))
        if self.weights is None and images.shape[-1] == 3:
            sums = _weighted(images, np.array(_LUMA_16_BIT, dtype=np.uint32))
            return ((sums + (1 << 15)) >> 16).astype(np.uint8)
        return np.rint(_weighted(images, weights)).astype(np.uint8)


def _weighted(images, weights):
    """Return the weighted sum over the bands, added in their order."""
    total = images[..., :1] * weights[0]
    for k in range(1, len(weights)):
        total += images[..., k : k + 1] * weights[k]
    return total


class ToFloat(ImageTransformer):
    """Turn 0..255 in `uint8` into 0..1 in float32; float images pass unchanged.

    Whole numbers of other types have no known white: they pass as float64, unscaled.

    Parameters
    ----------
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

    def __init__(self, *, image_shape=None):
        self.image_shape = image_shape

    def transform_images(self, images):
        """Return float images.

        Parameters
        ----------
        images : ndarray of shape (n, h, w, c)
            uint8 or floating point.

        Returns
        -------
        ndarray of shape (n, h, w, c)
            float32 for uint8, else the images themselves.
        """
        if images.dtype != np.uint8:
            return images
        scaled = images.astype(np.float32)
        scaled /= 255
        return scaled


class Flatten(
    ClassNamePrefixFeaturesOutMixin, ImageTransformer, auto_wrap_output_keys=("transform",)
):
    """Lay images out as rows of pixels, so that any scikit-learn classifier can follow.

    This is where a sequence ends: all its images are read and stay in memory.

    Parameters
    ----------
    image_shape : tuple of int, default=None
        (height, width) or (height, width, n_channels) of the images where X holds rows of
        pixels, which pass unchanged.

    Attributes
    ----------
    image_shape_ : tuple of int
        (height, width, n_channels) of the training images.
    n_features_in_ : int
        Values in a training image.
    """

    def __init__(self, *, image_shape=None):
        self.image_shape = image_shape

    @property
    def _n_features_out(self):
        return self.n_features_in_

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns: flatten0, flatten1, ...

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Ignored: the columns are values of an image, whatever the column of images is called.

        Returns
        -------
        ndarray of str
        """
        return super().get_feature_names_out()

    def set_output(self, *, transform=None):
        """Choose the table that `transform` returns.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            As in scikit-learn; None leaves it as it is.

        Returns
        -------
        self : Flatten
        """
        return super(ImagesOutMixin, self).set_output(transform=transform)

    def transform(self, X):
        """Return rows of pixels.

        Parameters
        ----------
        X : array-like or ImageSequence
            Images of the fitted shape; the images of a sequence are read.

        Returns
        -------
        ndarray of shape (n_samples, height * width * n_channels)
            Same pixel type.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        ValueError
            If X has another shape or pixel type than in `fit`, or NaN or infinity.
        """
        check_is_fitted(self)
        images = np.asarray(validate_images(self, X, reset=False))
        return as_table(self, self.transform_images(images).reshape(len(images), -1), X)

    def transform_images(self, images):
        """Return `images` as (n, 1, 1, n_values): a row of pixels is an image of one pixel.

        Parameters
        ----------
        images : ndarray of shape (n, h, w, c)
            Any pixel type.

        Returns
        -------
        ndarray of shape (n, 1, 1, h * w * c)
            Same pixel type.
        """
        return images.reshape(len(images), 1, 1, -1)
