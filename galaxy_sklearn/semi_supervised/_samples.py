"""The rows of X and of the pool under one numbering, whatever they are made of."""

import hashlib

import numpy as np
import pandas as pd
import scipy.sparse as sp

from galaxy_sklearn._validation import is_image_sequence, is_paths, num_samples, safe_indexing
from galaxy_sklearn.exceptions import ImageReadError
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


def _content(X):
    """Return what equal rows have in common: of images, and files of them, pixels and sides."""
    images = as_sequence(X)
    if images is None:
        return (f"rows of shape {tuple(X.shape[1:])}",)
    height, width, bands = images.shape[1:]
    pixels = "uint8" if images.dtype == np.uint8 else "float"
    return f"{bands} bands of {pixels} pixels", f"{height} x {width}"


def _require_alike(X, pool, any_size):
    given, pool = _content(X), _content(pool)
    part = slice(1) if any_size else slice(None)
    if given[part] != pool[part]:
        raise ValueError(
            "Labelled images and pool must match, X and X_unlabeled of the same kind: got "
            f"{' of '.join(given)} and {' of '.join(pool)}."
        )


class Samples:
    """Rows of X, then rows of the pool.

    Parameters
    ----------
    X : array-like, ImageSequence, sparse matrix or file names
        What `as_rows` returns.
    pool : the same, default=None
        Never held as a whole: only the rows asked for are read.
    any_size : bool, default=False
        Let the images of sequences differ in height and width.

    Raises ValueError if their rows are of different kinds.
    """

    def __init__(self, X, pool=None, *, any_size=False):
        if pool is not None:
            stack(safe_indexing(X, [0]), safe_indexing(pool, [0]))
            if not (is_paths(X) or is_paths(pool)):
                _require_alike(X, pool, any_size)
        self.X = X
        self.pool = pool
        self.n_given = num_samples(X)

    def require_comparable(self, exclude):
        """Raise ValueError if no row of `exclude` could be equal to any of these."""
        part = slice(1) if is_paths(exclude) else slice(None)  # files may differ in size
        got = _content(exclude)
        own = [_content(one) for one in (self.X, self.pool) if one is not None]
        if got[part] not in [one[part] for one in own]:
            raise ValueError(
                "X_exclude must have the shape and the kind of pixels of X or X_unlabeled, or "
                f"nothing of it could be found there: got {' of '.join(got)}, and in X "
                f"{' of '.join(own[0])}."
            )

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
        """Yield `rows`, rising, at most `batch_size` at a time; no batch crosses into the pool.

        Batches are even: a last one of few files might hold none that can be read.
        """
        for part, source in zip(self._split(rows), (self.X, self.pool)):
            if len(part):
                for block in np.array_split(part, -(-len(part) // batch_size)):
                    yield safe_indexing(source, block)

    def _split(self, rows):
        first_pooled = np.searchsorted(rows, self.n_given)
        return rows[:first_pooled], rows[first_pooled:] - self.n_given


def fingerprints(X):
    """Return the digest of each row's content, a list of bytes; images are read in batches.

    File names stand for their pixels, so that a file and its copy are the same; files may differ in
    size. Floats of images are compared in single precision, numbers of tables in double.
    """
    images = as_sequence(X)
    if images is not None:
        blocks = _file_blocks(X) if is_paths(X) else images.batches(_HASHED_AT_ONCE)
        blocks = (_comparable(block, np.float32) for block in blocks)
    else:
        starts = range(0, X.shape[0], _HASHED_AT_ONCE)
        blocks = (_numbers(X[start : start + _HASHED_AT_ONCE]) for start in starts)
    return [_digest(row) for block in blocks for row in block]


def _file_blocks(names):
    """Yield the pixels of files, those of one kind together."""
    names = np.asarray(names, dtype=object).ravel()
    for start in range(0, len(names), _HASHED_AT_ONCE):
        part = names[start : start + _HASHED_AT_ONCE]
        try:
            yield np.asarray(as_sequence(part))
        except ValueError:  # of several sizes, or none can be read
            yield from map(_one_file, part)


def _one_file(name):
    """Return the pixels of a file as a block; one that cannot be read is a single black pixel."""
    try:
        return np.asarray(as_sequence(np.array([name], dtype=object)))
    except ImageReadError:
        return np.zeros((1, 1, 1, 1), np.uint8)


def _numbers(rows):
    block = rows.toarray() if sp.issparse(rows) else np.asarray(rows)
    return _comparable(block, np.float64) if block.dtype.kind in "biuf" else block


def _comparable(block, kind):
    """Return numbers, uint8 pixels apart, in one type and with one zero."""
    if kind == np.float32 and block.dtype == np.uint8:
        return block
    return block.astype(kind) + kind(0)


def _digest(row):
    numbers = row.dtype.kind in "uf"
    content = np.ascontiguousarray(row).tobytes() if numbers else repr(row.tolist()).encode()
    return hashlib.blake2b(repr(row.shape).encode() + content, digest_size=16).digest()
