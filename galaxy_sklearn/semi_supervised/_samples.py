"""The rows of X and of the pool under one numbering, whatever they are made of."""

import hashlib

import numpy as np
import pandas as pd
import scipy.sparse as sp

from galaxy_sklearn._validation import is_image_sequence, is_paths, num_samples, safe_indexing
from galaxy_sklearn.images._sequence import ImageSequence

_HASHED_AT_ONCE = 64


def as_rows(X):
    """Return `X` as something that can be indexed by rows; nothing is read or copied if it can."""
    if is_image_sequence(X) or hasattr(X, "iloc"):
        return X
    if sp.issparse(X):
        return X.tocsr()
    return np.asarray(X, dtype=object) if is_paths(X) else np.asanyarray(X)


def as_sequence(X):
    """Return images or file names as an ImageSequence, or None if `X` is neither."""
    if is_image_sequence(X):
        return X
    if is_paths(X):
        return ImageSequence.from_files(np.asarray(X, dtype=object).ravel(), on_error="blank")
    if isinstance(X, np.ndarray) and X.ndim in (3, 4):
        return ImageSequence.from_array(X)
    return None


def stack(first, second):
    """Return the rows of two sets as one; those of an ImageSequence stay unread.

    Raises ValueError if their rows are of different kinds.
    """
    if is_image_sequence(first) or is_image_sequence(second):
        parts = [as_sequence(first), as_sequence(second)]
        if None not in parts:
            return ImageSequence.concatenate(parts, n_jobs=_n_jobs(first, second))
    elif hasattr(first, "iloc") and type(first) is type(second):
        return pd.concat([first, second], ignore_index=True)
    elif sp.issparse(first) and sp.issparse(second):
        return sp.vstack([first, second], format="csr")
    else:
        first, second = np.asarray(first), np.asarray(second)
        if first.shape[1:] == second.shape[1:]:
            return np.concatenate([first, second])
    raise ValueError(
        "Labelled images and pool must match, X and X_unlabeled of the same kind: got rows of "
        f"{_kind(first)} and of {_kind(second)}."
    )


def _n_jobs(*sets):
    return next((one.n_jobs for one in sets if is_image_sequence(one)), None)


def _kind(X):
    return f"{type(X).__name__} of shape {tuple(X.shape[1:])}"


class Samples:
    """Rows of X, then rows of the pool.

    Parameters
    ----------
    X : array-like, ImageSequence, sparse matrix or file names
        What `as_rows` returns.
    pool : the same, default=None
        Never held as a whole: only the rows asked for are read.

    Raises ValueError if their rows are of different kinds.
    """

    def __init__(self, X, pool=None):
        if pool is not None:
            stack(safe_indexing(X, [0]), safe_indexing(pool, [0]))
        self.X = X
        self.pool = pool
        self.n_given = num_samples(X)

    def __len__(self):
        return self.n_given + (0 if self.pool is None else num_samples(self.pool))

    def take(self, rows):
        """Return `rows`, rising; repeats are allowed."""
        given, pooled = self._split(rows)
        if len(pooled) == 0:
            return safe_indexing(self.X, given)
        if len(given) == 0:
            return safe_indexing(self.pool, pooled)
        return stack(safe_indexing(self.X, given), safe_indexing(self.pool, pooled))

    def batches(self, rows, batch_size):
        """Yield `rows`, rising, at most `batch_size` at a time; no batch crosses into the pool."""
        for part, source in zip(self._split(rows), (self.X, self.pool)):
            for start in range(0, len(part), batch_size):
                yield safe_indexing(source, part[start : start + batch_size])

    def _split(self, rows):
        first_pooled = np.searchsorted(rows, self.n_given)
        return rows[:first_pooled], rows[first_pooled:] - self.n_given


def fingerprints(X):
    """Return the digest of each row's content, a list of bytes; images are read in batches.

    File names stand for their pixels, so that a file and its copy are the same.
    """
    images = as_sequence(X)
    if images is not None:
        blocks = images.batches(_HASHED_AT_ONCE)
    elif sp.issparse(X):
        starts = range(0, X.shape[0], _HASHED_AT_ONCE)
        blocks = (X[start : start + _HASHED_AT_ONCE].toarray() for start in starts)
    else:
        blocks = [np.asarray(X)]
    return [_digest(row) for block in blocks for row in block]


def _digest(row):
    content = repr(row.tolist()) if row.dtype == object else np.ascontiguousarray(row).data
    content = content.encode() if isinstance(content, str) else content
    return hashlib.blake2b(content, digest_size=16).digest()
