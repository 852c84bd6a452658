"""File names in all the forms they come in."""

import os
from collections.abc import Collection, Iterator, Set

import numpy as np

from galaxy_sklearn._validation import is_image_sequence

_NAME = str | bytes | os.PathLike


def file_names(taker, X):
    """Return the file names of `X` as a list, or None if X holds something, but no text.

    Of a table of several columns, each a band, a list of tuples.

    Parameters
    ----------
    taker : str
        Who takes them, for messages.
    X : collection of str, bytes or PathLike, or table of such columns
        Or anything else.

    Raises
    ------
    TypeError
        If they have no order.
    ValueError
        If there is a single name, or a row has none.
    """
    if is_image_sequence(X):
        return None
    if isinstance(X, _NAME):
        raise ValueError(
            f"{taker} takes a list or column of file names; got the single name {X!r}."
        )
    if isinstance(X, Set | Iterator | dict) and not hasattr(X, "shape"):
        raise TypeError(
            f"{taker} takes a list or column of file names, in order; got a {type(X).__name__}."
        )
    X = X.to_numpy() if hasattr(X, "to_numpy") else X
    if isinstance(X, Collection) and not hasattr(X, "shape"):
        X = list(X)
        if X and _is_row_of_names(X[0]):
            X = np.array(X, dtype=object)
    if isinstance(X, list | np.ndarray) and len(X) == 0:
        return []
    names = _text(X)
    for row, entry in enumerate(names or ()):
        for name in entry if isinstance(entry, tuple) else (entry,):
            if not isinstance(name, _NAME) or not os.fspath(name):
                raise ValueError(
                    f"{taker} takes a file name in every row; row {row} holds {name!r}."
                )
    return names and [_decoded(entry) for entry in names]


def _decoded(entry):
    if isinstance(entry, tuple):
        return tuple(_decoded(name) for name in entry)
    return os.fsdecode(entry) if isinstance(entry, bytes) else entry


def _is_row_of_names(row):
    return isinstance(row, list | tuple | np.ndarray) and len(row) and isinstance(row[0], _NAME)


def _text(X):
    """Return what a list or a table holds, row by row, or None if none of it is text."""
    names = X
    if isinstance(X, np.ndarray):
        if X.dtype.kind not in "OSUT" or X.ndim > 2:
            return None
        names = X.astype(object).ravel().tolist()
    if not isinstance(names, list) or not any(isinstance(one, _NAME) for one in names):
        return None
    if isinstance(X, np.ndarray) and X.ndim == 2 and X.shape[1] != 1:
        return [tuple(row) for row in X.astype(object).tolist()]
    return names
