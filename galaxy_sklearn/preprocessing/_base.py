"""What every image transformer has in common."""

import copy

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from galaxy_sklearn._validation import (
    fit_context,
    is_image_sequence,
    require_finite,
    validate_images,
)
from galaxy_sklearn.images._threads import Workers
from galaxy_sklearn.preprocessing._columns import as_images

_WORTH_A_THREAD = 1 << 12  # values in an image; below, handing it to a thread costs more
_BLOCK_VALUES = 1 << 21  # values read at a time while learning
_SAMPLE_IMAGES = 1000
_SAMPLE_PIXELS = 1 << 22


class ImagesOutMixin(TransformerMixin, auto_wrap_output_keys=None):
    """What comes out are images, of which `set_output` makes no table of pixels."""

    def __init_subclass__(cls, auto_wrap_output_keys=None, **kwargs):
        super().__init_subclass__(auto_wrap_output_keys=auto_wrap_output_keys, **kwargs)

    def set_output(self, *, transform=None):
        """Choose what becomes of a column of images; else images stay images.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            Under "pandas" a Series of arrays stays one, with its index. Steps that make a table
            of images obey the rest; None leaves it as it is.

        Returns
        -------
        self : estimator
        """
        if transform is not None:
            config = getattr(self, "_sklearn_output_config", {})
            self._sklearn_output_config = {**config, "transform": transform}
        return self

    def get_feature_names_out(self, input_features=None):
        """Return None: images have no columns, and the step that makes some names them.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Ignored.

        Returns
        -------
        None
        """
        return


class ImageTransformer(ImagesOutMixin, BaseEstimator):
    """Base of the transformers: the same result on arrays and, lazily, on sequences.

    A subclass gives `transform_images`, and `_learn` where it checks its parameters against the
    images or learns from them. Each image is transformed for itself, so that neither batch nor
    layout shows in the result.
    """

    _parameter_constraints: dict = {"image_shape": [tuple, list, None]}
    finite_only = True  # see ImageSequence.map

    @fit_context
    def fit(self, X, y=None):
        """Check `X`, and learn from it what the class description names.

        Parameters
        ----------
        X : array-like or ImageSequence
            Images (n_samples, height, width, n_channels) or (n_samples, height, width), or rows
            of pixels (n_samples, n_pixels); uint8 or finite floating point.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        TypeError
            If X holds file names or is sparse.
        ValueError
            If X is empty, has another rank, NaN or infinity, or a parameter does not fit it.
        """
        self._learn(validate_images(self, X, reset=True))
        return self

    def transform(self, X):
        """Return the transformed images.

        Parameters
        ----------
        X : array-like or ImageSequence
            As in `fit`. An array has the fitted shape; the images of a sequence may have any
            height and width.

        Returns
        -------
        ndarray or ImageSequence
            For a sequence a sequence, not read yet; else an array in the layout of `X`: rows for
            rows, (n, h, w) for (n, h, w) as long as one band comes out. A Series of arrays where
            `X` is one and `set_output` asks for pandas.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        ValueError
            If X has another shape or pixel type than in `fit`, or NaN or infinity; those in the
            images of a sequence are found when it is read, as an ImageReadError or, under its
            ``on_error="blank"``, a blank image. `CenterCrop` lets them pass in a sequence.
        """
        check_is_fitted(self)
        images = validate_images(self, X, reset=False, any_size=True)
        if is_image_sequence(images):
            step = copy.copy(self)
            vars(step).pop("_parent_callback_ctx", None)  # a Pipeline's, of one call alone
            return images.map(step)
        return as_images(self, self.transform_images(images), X)

    def transform_images(self, images):
        """Return the transformed `images`, (n, h, w, c); what a sequence calls on each image."""
        raise NotImplementedError

    def _learn(self, images):
        """Check parameters against `images` or learn from them; nothing by default."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def map_images(function, images):
    """Return ``function(image)`` of each image, stacked; threads share out the larger ones.

    Parameters
    ----------
    function : callable
        Takes an image (h, w, c), contiguous, of uint8, float32 or float64; safe in threads.
    images : ndarray of shape (n, h, w, c)
        At least one.
    """
    dtype = images.dtype if images.dtype == np.uint8 else float_type(images)

    def at(k):
        return function(np.ascontiguousarray(images[k], dtype=dtype))

    first = at(0)
    if len(images) == 1:  # as a sequence asks, image by image
        return first[np.newaxis].copy()
    results = np.empty((len(images), *first.shape), first.dtype)
    results[0] = first

    def fill(start, stop):
        for k in range(start + 1, stop + 1):
            results[k] = at(k)

    with Workers(None if first.size + images[0].size > 2 * _WORTH_A_THREAD else 1) as workers:
        workers.run(fill, len(images) - 1)
    return results


def float_type(images):
    """Return the type in which the values of `images` are computed: float32, or float64."""
    small = images.dtype == np.uint8 or images.dtype.itemsize <= 4
    return np.dtype(np.float32 if small else np.float64)


class _Finite:
    """A step that changes nothing and refuses NaN and infinity."""

    finite_only = True

    def transform_images(self, images):
        return images


def blocks(name, images):
    """Yield `images`, array or sequence, in parts of bounded size, finite and contiguous.

    Blanks in place of images that could not be read are left out.
    """
    size = max(1, _BLOCK_VALUES // int(np.prod(images.shape[1:])))
    if is_image_sequence(images):
        if images.on_error == "blank":
            images = images.map(_Finite())
        start = 0
        for batch in images.batches(size):
            rows = range(start, start + len(batch))
            require_finite(name, batch, rows, images)
            kept = ~images[rows].unreadable_
            if kept.any():
                yield batch if kept.all() else batch[kept]
            start += len(batch)
    else:
        for start in range(0, len(images), size):
            yield np.ascontiguousarray(images[start : start + size])


def sample_pixels(name, images):
    """Return about four million pixels of up to a thousand images, (n_pixels, n_channels).

    All pixels where there are fewer; else the same number from images at equal steps, at places
    drawn by a fixed seed. Memory stays bounded, and an array and a sequence give the same.
    """
    if len(images) > _SAMPLE_IMAGES:
        rows = np.linspace(0, len(images) - 1, _SAMPLE_IMAGES).astype(int)
        images = images[rows]
    n_pixels = images.shape[1] * images.shape[2]
    wanted = max(1, _SAMPLE_PIXELS // len(images))
    rng = np.random.default_rng(0)
    parts = []
    for block in blocks(name, images):
        pixels = block.reshape(len(block), n_pixels, -1)
        if wanted < n_pixels:
            places = rng.integers(0, n_pixels, (len(block), wanted, 1))
            pixels = np.take_along_axis(pixels, places, axis=1)
        parts.append(pixels.reshape(-1, pixels.shape[-1]))
    return np.concatenate(parts)
