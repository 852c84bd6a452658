"""Row numbers, as arrays take them, and names of rows, as tables have them."""

import numpy as np


class IndexMixin:
    """Remembers the index of the table that the images came from."""

    _source_index = None  # one entry for each row of the source

    @property
    def index(self):
        """Entry of each image in the pandas table it came from, a pandas Index (n,), or None.

        Tables that estimators make of these images have it too.
        """
        return None if self._source_index is None else self._source_index[self.kept_]


def index_of_rows(index, positions, n_rows):
    """Return the index of the rows of an array in which `index` has its entries at `positions`."""
    if index is None:
        return None
    order = np.zeros(n_rows, dtype=np.intp)
    order[positions] = np.arange(len(index))
    return index[order]


def select_rows(images, key):
    """Return the rows of the source that `key` selects among `images`.

    Parameters
    ----------
    images : ImageSequence
        What is indexed.
    key : slice, mask or array-like of int
        Negative numbers count from the end.

    Returns
    -------
    ndarray of int
        Rows in the source.

    Raises
    ------
    IndexError
        If `key` is of another kind, outside, or a mask of another length.
    """
    if isinstance(key, slice):
        return images.kept_[key]
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
    return images.kept_[key]
