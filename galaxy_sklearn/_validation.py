"""The one gate: images, labels, weights and parameters enter the package here.

scikit-learn's private tools are imported in this file alone, so that a release of scikit-learn
can break one module and not all of them.
"""

import math
import os
from numbers import Integral, Real

import numpy as np
from sklearn.base import _fit_context
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import _safe_indexing
from sklearn.utils._missing import is_pandas_na, is_scalar_nan
from sklearn.utils._param_validation import (
    HasMethods,
    Hidden,
    Interval,
    Options,
    StrOptions,
)
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    _check_y,
    _num_samples,
    check_array,
    column_or_1d,
    validate_data,
)

__all__ = [
    "FRACTION",
    "MAX_SIDE",
    "NON_NEGATIVE",
    "NON_NEGATIVE_INT",
    "POSITIVE",
    "POSITIVE_INT",
    "BaseSearchCV",
    "HasMethods",
    "Hidden",
    "Interval",
    "Options",
    "StrOptions",
    "as_given",
    "column_of_arrays",
    "encode_labels",
    "fit_context",
    "is_band_table",
    "is_image_sequence",
    "is_paths",
    "missing_labels",
    "num_samples",
    "require_finite",
    "safe_indexing",
    "validate_image_shape",
    "validate_images",
    "validate_sample_weight",
]

num_samples = _num_samples
safe_indexing = _safe_indexing

fit_context = _fit_context(prefer_skip_nested_validation=False)

POSITIVE = Interval(Real, 0, None, closed="neither")
NON_NEGATIVE = Interval(Real, 0, None, closed="left")
POSITIVE_INT = Interval(Integral, 1, None, closed="left")
NON_NEGATIVE_INT = Interval(Integral, 0, None, closed="left")
FRACTION = Interval(Real, 0, 1, closed="neither")

MAX_SIDE = 16_384
"""Longest side of an image in pixels; OpenCV's warps stop at 32,767."""

_TURNED = (
    "ImageSequence.from_array(np.moveaxis(pixels, 1, -1)) turns an array or what an HDF5 dataset "
    "holds, dataset[:]"
)
_FINITE_BLOCK = 1 << 24  # pixels tested at a time, so that a memmap is never copied whole


def is_image_sequence(X):
    """Tell whether `X` is an `ImageSequence` (by protocol: this module imports nothing)."""
    return getattr(X, "is_image_sequence", False) is True


def is_paths(X):
    """Tell whether `X` holds file names: a list, Series, (n,) or (n, 1) array, or column."""
    if is_image_sequence(X) or isinstance(X, str | os.PathLike):
        return False
    if hasattr(X, "to_numpy"):
        X = X.to_numpy()
    if isinstance(X, np.ndarray) and X.dtype.kind not in "OUST":
        return False
    try:
        first = next(iter(X), None)
    except (TypeError, NotImplementedError):  # some sparse formats have no rows
        return False
    if isinstance(first, np.ndarray | list | tuple) and len(first) == 1:
        first = first[0]
    return isinstance(first, str | os.PathLike)


def is_band_table(X):
    """Tell whether `X` is a table of several columns of file names, by its first row."""
    if is_image_sequence(X) or getattr(X, "ndim", None) != 2 or X.shape[1] < 2 or len(X) == 0:
        return False
    first = X.iloc[0] if hasattr(X, "iloc") else X[0]
    return all(isinstance(name, str | os.PathLike) for name in first)


def require_finite(name, images, rows=None, source=None, *, of="X"):
    """Raise ValueError if `images` hold a NaN or an infinity, naming the first such row.

    Parameters
    ----------
    name : str
        Class name for the message.
    images : ndarray of shape (n_samples, ...)
        Any dtype; integers pass at once.
    rows : sequence of int, default=None
        Row numbers of the images in `source`; None counts from 0.
    source : ndarray or ImageSequence, default=None
        What they were taken from. A sequence knows what its images are called: the file, or the
        row of the array that it was made from.
    of : str, default="X"
        What `images` are called.
    """
    if images.dtype.kind != "f":
        return
    step = max(1, _FINITE_BLOCK // max(1, math.prod(images.shape[1:])))
    for start in range(0, len(images), step):
        block = images[start : start + step].reshape(-1, math.prod(images.shape[1:]))
        bad = ~np.isfinite(block)
        if bad.any():
            first = int(np.flatnonzero(bad.any(axis=1))[0])
            what = "NaN" if np.isnan(block[first]).any() else "infinity (inf)"
            row = start + first if rows is None else rows[start + first]
            place = f"row {row} of {of}"
            if is_image_sequence(source):
                place = source.source.name(source.source_row(row))
            raise ValueError(f"{name} takes finite pixel values only: {place} holds {what}.")


def validate_image_shape(name, image_shape):
    """Return `image_shape` as (height, width, n_channels) of ints.

    Raises ValueError if it is not two or three positive whole numbers.
    """
    try:
        shape = tuple(int(side) for side in image_shape)
        valid = len(shape) in (2, 3) and min(shape) >= 1 and shape == tuple(image_shape)
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise ValueError(
            f"The image_shape parameter of {name} must be (height, width) or (height, width, "
            f"n_channels) in whole pixels. Got {image_shape!r} instead."
        )
    return shape if len(shape) == 3 else (*shape, 1)


def _guess_image_shape(n_values):
    """Read a row as a square grey image, else as a square RGB one, else as one line of pixels."""
    for channels in (1, 3):
        side = math.isqrt(n_values // channels)
        if side * side * channels == n_values:
            return (side, side, channels)
    return (1, n_values, 1)


def _fold_rows(estimator, X, *, reset):
    name = type(estimator).__name__
    X = validate_data(estimator, X, reset=reset, dtype="numeric", ensure_all_finite=False)
    if not reset:
        return X.reshape(len(X), *estimator.image_shape_)
    if getattr(estimator, "image_shape", None) is None:
        shape = _guess_image_shape(X.shape[1])
    else:
        shape = validate_image_shape(name, estimator.image_shape)
    if math.prod(shape) != X.shape[1]:
        raise ValueError(
            f"{name} cannot fold rows of {X.shape[1]} values into image_shape={shape}, "
            f"which holds {math.prod(shape)}."
        )
    return X.reshape(len(X), *shape)


def require_channels_last(name, shape, remedy="X.transpose(0, 2, 3, 1) turns them"):
    """Raise ValueError if images of such a shape have their channels first, by all appearance."""
    if len(shape) == 4 and 1 <= shape[1] <= 5 and min(shape[2:]) >= 16:
        raise ValueError(
            f"{name} takes images with their channels last; got shape {shape}, which looks like "
            f"channels first: {remedy}."
        )


def require_many(name, shape):
    """Raise ValueError if an array of such a shape is a single colour image, by all appearance."""
    if len(shape) == 3 and shape[2] in (3, 4) and min(shape[:2]) >= 16:
        raise ValueError(
            f"{name} takes many images; got shape {shape}, which looks like one image: "
            f"X[np.newaxis] is a stack of it alone, X[..., np.newaxis] one of grey images."
        )


def require_unmasked(name, X):
    """Raise ValueError if pixels of `X` are masked, which only a masked array would remember."""
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(
            f"{name} takes no masked pixels; got {np.ma.count_masked(X)}: "
            f"X.astype(float).filled(value) puts a number in their place."
        )


def _check_stack(name, X):
    X = check_array(X, dtype="numeric", ensure_2d=False, allow_nd=True, ensure_all_finite=False)
    if X.ndim not in (3, 4):
        raise ValueError(
            f"{name} takes images as (n_samples, height, width, n_channels), (n_samples, height, "
            f"width) or rows of pixels; got an array of {X.ndim} dimensions, shape {X.shape}."
        )
    require_channels_last(name, X.shape)
    require_many(name, X.shape)
    if min(X.shape) == 0:
        raise ValueError(f"{name} got images without pixels: X has shape {X.shape}.")
    if max(X.shape[1:3]) > MAX_SIDE:
        raise ValueError(
            f"{name} takes images of at most {MAX_SIDE} pixels a side; got "
            f"{X.shape[1]} x {X.shape[2]}: cut the galaxies out first."
        )
    return X if X.ndim == 4 else X[..., np.newaxis]


def _pixel_kind(dtype):
    return "uint8" if dtype == np.uint8 else "float"


def _remember_or_compare(estimator, images, *, reset, rows, any_size=False):
    name = type(estimator).__name__
    shape, kind = tuple(images.shape[1:]), _pixel_kind(images.dtype)
    if reset:
        wanted = getattr(estimator, "image_shape", None)
        if wanted is not None and validate_image_shape(name, wanted) != shape:
            raise ValueError(
                f"{name} was given image_shape={validate_image_shape(name, wanted)}, but X holds "
                f"images of shape {shape}."
            )
        estimator.n_features_in_ = math.prod(shape)
        estimator.image_shape_ = shape
        estimator.pixel_kind_ = kind
        if not rows and hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
        return
    compared = slice(2, 3) if any_size else slice(3)
    if shape[compared] != estimator.image_shape_[compared]:
        raise ValueError(
            f"{name} was fitted on images of shape {estimator.image_shape_} (height, width, "
            f"channels) and got images of shape {shape}."
        )
    if kind != estimator.pixel_kind_:
        raise ValueError(
            f"{name} was fitted on {estimator.pixel_kind_} pixels and got {images.dtype} pixels: "
            f"0..255 in uint8 and values in float are different scales."
        )


def validate_images(estimator, X, *, reset, any_size=False):
    """Return `X` as images, checked; numbers keep their memory where they can.

    Sets `n_features_in_` (height * width * channels), `image_shape_` and `pixel_kind_` on the
    estimator when `reset`, and holds X against them otherwise. Rows of pixels are folded to the
    estimator's `image_shape` parameter; where that is None or missing, to a square grey image, a
    square RGB image, or one line of pixels, whichever fits first.

    Parameters
    ----------
    estimator : BaseEstimator
        Its class name goes into every message.
    X : array-like or ImageSequence
        (n_samples, height, width, n_channels), (n_samples, height, width) or
        (n_samples, n_pixels), or one column of arrays, each an image. An `ImageSequence` is
        returned as it is, not read.
    reset : bool
        True in `fit`.
    any_size : bool, default=False
        True lets an ImageSequence differ from the fitted height and width, not in its bands.

    Returns
    -------
    ndarray or ImageSequence
        (n_samples, height, width, n_channels); uint8 or floating point.

    Raises
    ------
    TypeError
        If X holds file names or is sparse.
    ValueError
        If X is empty, has the wrong rank, shape or pixel kind, or holds NaN or infinity.
    """
    name = type(estimator).__name__
    if is_image_sequence(X):
        if len(X) == 0:
            raise ValueError(f"{name} needs at least one image; the ImageSequence is empty.")
        require_channels_last(name, X.shape, _TURNED)
        _remember_or_compare(estimator, X, reset=reset, rows=False, any_size=any_size)
        return X
    if is_paths(X) or is_band_table(X):
        raise TypeError(
            f"{name} takes images, not file names: put ImageReader() before it in a Pipeline."
        )
    column = column_of_arrays(X)
    X = X if column is None else column
    require_unmasked(name, X)
    rows = hasattr(X, "columns") or _ndim(name, X) < 3
    images = _fold_rows(estimator, X, reset=reset) if rows else _check_stack(name, X)
    is_float = images.dtype.kind == "f" and images.dtype.itemsize <= 8
    if images.dtype != np.uint8 and not is_float:  # no network computes in more
        images = images.astype(np.float64)
    if not images.dtype.isnative:
        images = images.astype(images.dtype.newbyteorder("="))
    require_finite(name, images)
    _remember_or_compare(estimator, images, reset=reset, rows=rows)
    return images


def column_of_arrays(X):
    """Return the images in `X` as a list, if it is a column whose every entry is one, else None.

    A column is a Series, an array of objects, or a table of one column.
    """
    if getattr(X, "ndim", None) == 2 and X.shape[1] == 1:
        X = X.iloc[:, 0] if hasattr(X, "iloc") else X[:, 0]
    is_column = getattr(X, "ndim", None) == 1 and X.dtype == object and len(X) > 0
    return list(X) if is_column and np.ndim(next(iter(X))) > 1 else None


def _ndim(name, X):
    """Return the number of dimensions; np.ndim would ask X's own array function."""
    if hasattr(X, "ndim"):
        return X.ndim
    try:
        return np.asarray(X).ndim
    except ValueError as error:
        sizes = list(dict.fromkeys(np.shape(one) for one in X))
        if len(sizes) < 2:
            raise
        raise ValueError(
            f"{name} takes images of one shape; got {sizes[0]} and {sizes[1]}: crop or resize them "
            f"to one, as the transformers of preprocessing do with image files."
        ) from error


def as_given(images, X):
    """Return `images` in the layout of `X`: rows for rows, (n, h, w) for (n, h, w)."""
    column = column_of_arrays(X)
    if column is not None:
        ndim = 1 + np.ndim(column[0])
    else:
        ndim = 2 if hasattr(X, "columns") else _ndim("X", X)
    if ndim == 2:
        return images.reshape(len(images), -1)
    if ndim == 3 and images.shape[-1] == 1:
        return images[..., 0]
    return images


def unmasked(values):
    """Return what is masked in a masked array as None, and anything else as it is."""
    if not isinstance(values, np.ma.MaskedArray):
        return values
    plain = np.array(values, dtype=object)
    plain[np.ma.getmaskarray(values)] = None
    return plain


def missing_labels(y):
    """Tell which labels are None, NaN, pandas' NA or masked, shape (n_samples,) of bool.

    Look before `y` becomes an array of text, in which NaN is a word.
    """
    labels = np.asarray(unmasked(y), dtype=object).ravel().tolist()
    return np.array(
        [one is None or is_scalar_nan(one) or is_pandas_na(one) for one in labels], dtype=bool
    )


def labelled(*labels):
    """Return label arrays without the rows in which one is missing, and which rows are left.

    Missing are None, NaN, pandas' NA, as `clean_samples` marks galaxies without a class, and what a
    masked array masks.
    """
    kept = ~np.any([missing_labels(one) for one in labels], axis=0)
    return *(_plain(np.asarray(one, dtype=object)[kept], one) for one in labels), kept


def _plain(values, given):
    """Return objects as the type they had, or the one they have in common."""
    dtype = getattr(given, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return values.astype(dtype)
    return np.array(values.tolist())


def encode_labels(estimator, y, n_samples, fewest=2):
    """Return the sorted classes of `y` and each label's position among them.

    Raises ValueError if y is None, lacks a label, is not one class label a sample, has another
    length than X, or names fewer than `fewest` classes.
    """
    name = type(estimator).__name__
    if y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None.")
    missing = missing_labels(y)
    if missing.any():
        raise ValueError(
            f"{name} needs a label for each image; row {missing.argmax()} of y has none: leave "
            f"such rows out, or give them the label -1 in a classifier of semi_supervised."
        )
    y = column_or_1d(y, warn=True)
    _check_y(y, estimator=estimator)
    if len(y) != n_samples:
        raise ValueError(f"{name} got {n_samples} images in X and {len(y)} labels in y.")
    check_classification_targets(y)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < fewest:
        raise ValueError(
            f"{name} needs at least two classes; y holds only one class: {classes.tolist()[0]!r}."
        )
    return classes, codes


def validate_sample_weight(estimator, sample_weight, n_samples):
    """Return `sample_weight` as float64 (n_samples,), ones where None.

    Raises ValueError if it has another length, is negative, masked, not finite, or all zero.
    """
    if np.ma.is_masked(sample_weight):
        raise ValueError(
            f"{type(estimator).__name__} takes no masked sample_weight: sample_weight.filled(0) "
            f"leaves those rows out."
        )
    weight = _check_sample_weight(
        sample_weight, np.empty((n_samples, 1)), dtype=np.float64, ensure_non_negative=True
    )
    if not weight.any():
        raise ValueError(f"{type(estimator).__name__} got sample_weight of zeros only.")
    return weight
