"""Generated images and labels after those given, in their layout and type."""

import numpy as np
import pandas as pd

from galaxy_sklearn._validation import is_image_sequence
from galaxy_sklearn.images._sequence import ImageSequence


def with_images(X, generated):
    """Return `X`, then generated images (n, height, width, n_channels).

    Parameters
    ----------
    X : array-like, DataFrame or ImageSequence
        Images, or rows of pixels.
    generated : ndarray of shape (n, height, width, n_channels)
        May be none.

    Returns
    -------
    ndarray, DataFrame or ImageSequence
        As `X` is.
    """
    if is_image_sequence(X):
        if not len(generated):
            return X
        more = ImageSequence.from_array(_as_type(generated, X.dtype))
        return ImageSequence.concatenate([X, more])
    if isinstance(X, pd.DataFrame):
        rows = _as_type(generated, X.to_numpy().dtype).reshape(-1, X.shape[1])
        more = pd.DataFrame(rows, columns=X.columns).astype(X.dtypes)
        return pd.concat([X, more], ignore_index=True)
    X = np.asarray(X)
    more = _as_type(generated, X.dtype).reshape(-1, *X.shape[1:])
    return np.concatenate([X, more])


def with_labels(y, added):
    """Return labels (n_samples,), then those added; a Series of a Series."""
    if isinstance(y, pd.Series):
        return pd.concat([y, pd.Series(added, name=y.name, dtype=y.dtype)], ignore_index=True)
    return np.concatenate([np.asarray(y).ravel(), added])


def _as_type(images, dtype):
    """Return pixels in another type: whole numbers are rounded and kept within its range."""
    if dtype.kind == "b":
        return images >= 0.5
    if dtype.kind in "iu":
        ends = np.iinfo(dtype)
        images = images.round().clip(ends.min, ends.max)
    return images.astype(dtype, copy=False)
