"""Rows of HDF5 datasets, of chunked ones many at a time: for each row HDF5 unpacks whole chunks."""

import contextlib
import math
import os
import threading
from collections import OrderedDict, deque

import numpy as np

from galaxy_sklearn._optional import import_optional
from galaxy_sklearn.images._decode import UnreadableError, as_pixels, check_sides

KEPT_BYTES = 64 << 20  # of one dataset
BLOCK_BYTES = KEPT_BYTES // 4


def as_image(pixels):
    """Return one stored row as (h, w, c)."""
    if pixels.ndim == 2:
        pixels = pixels[..., np.newaxis]
    if pixels.ndim != 3:
        raise UnreadableError(f"a row of shape {pixels.shape} is not (height, width, channels)")
    check_sides(*pixels.shape[:2])
    return as_pixels(pixels)


def open_hdf5(path):
    """Return the open h5py.File of `path`."""
    h5py = import_optional("h5py", extra="io", feature="Reading HDF5 files")
    if not os.path.isfile(path):
        raise UnreadableError("there is no such HDF5 file")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise UnreadableError("it is not a readable HDF5 file") from error


def read_hdf5_row(file, dataset, row):
    """Return row `row` of the named dataset as an image."""
    try:
        rows = file[dataset]
        if not 0 <= row < len(rows):
            raise UnreadableError(f"dataset {dataset!r} has {len(rows)} rows, none numbered {row}")
        return as_image(np.asarray(rows[row]))
    except (KeyError, OSError, TypeError) as error:
        raise UnreadableError(" ".join(str(error).split()).strip("'\".")) from error


class Hdf5Rows:
    """Rows of a dataset in an open file.

    Of a chunked dataset a run of rows is read as soon as two of them are asked for, one soon after
    the other, and kept for the rest of them: rows at random are read one by one.

    Parameters
    ----------
    path : str
        HDF5 file.
    dataset : str
        Name of the dataset.
    """

    def __init__(self, path, dataset):
        self._file = open_hdf5(path)
        self._name = dataset
        rows = self._file.get(dataset)
        self._per_chunk = (getattr(rows, "chunks", None) or (1,))[0]
        if self._per_chunk > 1:
            per_row = max(1, math.prod(rows.shape[1:]) * rows.dtype.itemsize)
            self._per_block = max(1, min(self._per_chunk, BLOCK_BYTES // per_row))
            most = max(1, KEPT_BYTES // (self._per_block * per_row))
            self._blocks, self._asked = OrderedDict(), deque(maxlen=most)
        self._lock = threading.Lock()

    def read(self, row):
        """Return row `row` as an image."""
        if self._per_chunk > 1:
            with contextlib.suppress(OSError, IndexError):  # of the row alone, if it is at fault
                pixels = self._from_block(row)
                if pixels is not None:
                    return as_image(pixels)
        return read_hdf5_row(self._file, self._name, row)

    def _from_block(self, row):
        """Return a copy of a row, or None if it is the first of its block to be asked for.

        Blocks start with a chunk, or within one where chunks are large, and end with it.
        """
        chunk = row - row % self._per_chunk
        start = row - (row - chunk) % self._per_block
        with self._lock:
            if start not in self._blocks:
                if start not in self._asked:
                    self._asked.append(start)
                    return None
                while len(self._blocks) >= self._asked.maxlen:
                    self._blocks.popitem(last=False)
                stop = min(start + self._per_block, chunk + self._per_chunk)
                self._blocks[start] = self._file[self._name][start:stop]
            self._blocks.move_to_end(start)
            return self._blocks[start][row - start].copy()
