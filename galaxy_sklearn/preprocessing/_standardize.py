"""Zero mean and unit variance."""

import math

import numpy as np
from sklearn.utils.validation import check_is_fitted

from galaxy_sklearn._validation import StrOptions, fit_context, validate_images
from galaxy_sklearn.preprocessing._base import ImageTransformer, blocks, float_type, map_images


class Standardize(ImageTransformer):
    """Give images zero mean and unit variance.

    ``per="image"`` takes each image by itself, all bands together: ``(x - mean) / std``, so that
    exposure no longer matters. A float image may be in any unit; one whose deviation is no more
    than rounding becomes zeros. For uint8 it is ``(x - mean) / max(std, 1 / sqrt(n))`` with n the
    values in the image, as TensorFlow's ``tf.image.per_image_standardization``.
    ``per="training"`` takes mean and deviation of each band over all training images, read in
    batches of bounded memory; brightness and colour stay comparable between images.

    Parameters
    ----------
    per : {"image", "training"}, default="image"
        Whose mean and standard deviation.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, n_channels) of the images where X holds rows of
        pixels; None guesses a square.

    Attributes
    ----------
    mean_ : ndarray of shape (n_channels,)
        Mean of each band, in the unit of X; only with ``per="training"``, like the next three.
    var_ : ndarray of shape (n_channels,)
        Variance of each band.
    scale_ : ndarray of shape (n_channels,)
        Its root; 1 for a constant band.
    n_pixels_seen_ : int
        Pixels of one band that were learned from.
    image_shape_ : tuple of int
        (height, width, n_channels) of the training images.
    n_features_in_ : int
        Values in a training image.

    References
    ----------
    Chan, Golub & LeVeque (1983), The American Statistician 37, 242: the merging of variances.
    """

    _parameter_constraints: dict = {
        **ImageTransformer._parameter_constraints,
        "per": [StrOptions({"image", "training"})],
    }

    def __init__(self, per="image", *, image_shape=None):
        self.per = per
        self.image_shape = image_shape

    def _learn(self, images):
        self._forget()
        self._learn_more(images)

    @fit_context
    def partial_fit(self, X, y=None):
        """Learn from more images; after all parts the result is that of `fit` on the whole.

        Parameters
        ----------
        X : array-like or ImageSequence
            As in `fit`; the same shape in every call.
        y : None
            Ignored.

        Returns
        -------
        self : Standardize
            Fitted on all images so far.
        """
        images = validate_images(self, X, reset=not hasattr(self, "n_features_in_"), any_size=True)
        self._learn_more(images)
        return self

    def _forget(self):
        for name in ("mean_", "var_", "scale_", "n_pixels_seen_"):
            self.__dict__.pop(name, None)

    def _learn_more(self, images):
        if self.per == "image":
            return
        n, mean, var = (getattr(self, name, 0.0) for name in ("n_pixels_seen_", "mean_", "var_"))
        total = var * n
        for block in blocks("Standardize", images):
            n, mean, total = _merge((n, mean, total), _moments(block))
        self.n_pixels_seen_ = int(n)
        self.mean_ = mean
        self.var_ = total / n
        self.scale_ = _scale_of(mean, self.var_, n)

    def transform_images(self, images):
        """Return the standardized images.

        Parameters
        ----------
        images : ndarray of shape (n, h, w, c)
            uint8 or floating point.

        Returns
        -------
        ndarray of shape (n, h, w, c)
            float64 for float64, else float32.

        Raises
        ------
        ValueError
            If ``per="training"`` and the number of bands is another than in `fit`.
        """
        if self.per == "image":
            return map_images(_standardize, images)
        check_is_fitted(self, "mean_")
        if images.shape[-1] != len(self.mean_):
            raise ValueError(
                f"Standardize learned from images of {len(self.mean_)} bands and got one of "
                f"{images.shape[-1]}."
            )
        number = float_type(images)
        centred = images.astype(number) - self.mean_.astype(number)
        centred /= self.scale_.astype(number)
        return centred


def _moments(images):
    """Return count, mean and sum of squared deviations of each band, in float64."""
    bands = images.reshape(-1, images.shape[-1]).T.astype(np.float64, order="C")
    mean = bands.mean(axis=1, keepdims=True)
    bands -= mean
    return bands.shape[1], mean[:, 0], np.einsum("ij,ij->i", bands, bands)


def _merge(one, other):
    """Return the moments of two sets of pixels taken together."""
    (n, mean, total), (more, its_mean, its_total) = one, other
    both, shift = n + more, its_mean - mean
    return both, mean + shift * (more / both), total + its_total + shift**2 * (n * more / both)


def _scale_of(mean, var, n):
    """Return standard deviations, 1 where they are no more than rounding of the mean."""
    rounding = n * np.finfo(np.float64).eps * var + (n * np.finfo(np.float64).eps * mean) ** 2
    return np.where(var <= rounding, 1.0, np.sqrt(var))


def _standardize(image):
    number = float_type(image).type
    values = image.astype(np.float64)
    if image.dtype != np.uint8:
        values /= np.abs(values).max() or 1.0  # so that squares of any unit are numbers
    centred = values - values.mean()
    deviation = math.sqrt(np.mean(np.square(centred)))
    if image.dtype == np.uint8:
        deviation = max(deviation, 1 / math.sqrt(image.size))
    elif deviation <= 8 * np.finfo(image.dtype).eps:  # rounding
        deviation = math.inf
    return (centred / deviation).astype(number)
