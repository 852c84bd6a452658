"""Row numbers, as arrays take them."""

import numpy as np


def select_rows(images, key):
    """Return the rows of the source that `key` selects among `images`; see `select_places`."""
    return images.kept_[select_places(images, key)]


def select_places(images, key):
    """Return the positions that `key` selects among `images`, not negative.

    Parameters
    ----------
    images : ImageSequence
        What is indexed.
    key : slice, mask or array-like of int
        Negative numbers count from the end.

    Returns
    -------
    ndarray of int
        Positions in `images`.

    Raises
    ------
    IndexError
        If `key` is of another kind, outside, or a mask of another length.
    """
    if isinstance(key, slice):
        return np.arange(len(images))[key]
    key = np.asarray(key)
    if key.dtype == object:
        key = np.array(key.tolist())
    if key.size == 0 and key.dtype.kind != "b":
        key = key.astype(np.intp)
    if key.ndim != 1 or key.dtype.kind not in "iub":
        raise IndexError(
            "ImageSequence is indexed by whole numbers, a slice or a mask; got "
            f"{key.dtype} of shape {key.shape}."
        )
    n = len(images)
    if key.dtype.kind == "b" and len(key) != n:
        raise IndexError(f"ImageSequence has {n} rows; the mask has {len(key)}.")
    if key.dtype.kind != "b":
        outside = key[(key < -n) | (key >= n)]
        if len(outside):
            raise IndexError(f"ImageSequence has {n} rows; row {outside[0]} does not exist.")
    return np.arange(n)[key]
