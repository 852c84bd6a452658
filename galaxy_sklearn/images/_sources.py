"""Where images come from: files, arrays, HDF5 rows, zip members, packed bytes.

Each source is small and picklable, and has ``len``, ``read(i)`` -> ndarray (h, w, c),
``name(i)`` for messages and tables, and ``identity(i)``, which changes when the pixels may have.
"""

import hashlib
import math
import mmap
import os
import threading
import zipfile
from functools import partial
from time import monotonic

import numpy as np

from galaxy_sklearn.images._decode import IMAGE_SUFFIXES, UnreadableError, decode
from galaxy_sklearn.images._hdf5 import Hdf5Rows, open_hdf5, read_hdf5_row

_NEW_FOR = 20  # times the seconds that asking for all files took
MAX_MEMBER_BYTES = 1 << 30  # a zip member that unpacks to more is no cutout


def file_identity(path):
    """Return (absolute path, size in bytes, mtime and ctime in ns); None for a missing file's.

    The ctime tells of a file that was put in the place of another with its size and mtime.
    """
    path = os.path.abspath(path)
    try:
        stat = os.stat(path)
    except (OSError, ValueError):
        return (path, None, None, None)
    return (path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def files_digest(paths):
    """Return a text that changes when one of the files may have; each path is asked about once."""
    known = []
    for path in dict.fromkeys(paths):
        try:
            stat = os.stat(path)
        except (OSError, ValueError):
            known += (-1, -1, -1)
        else:
            known += (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    return hashlib.blake2b(np.array(known, dtype=np.int64), digest_size=16).hexdigest()


class PickledDigest:
    """A digest of files for pickles, by which a cache of pickles sees that they have changed.

    Asking for 200,000 files takes seconds, and a search pickles its images for every fit: within
    twenty times what it took the answer counts as new.
    """

    def __init__(self):
        self.text, self.until = None, -math.inf

    def of(self, paths):
        """Return the digest of `paths`, always the same ones."""
        start = monotonic()
        if start > self.until:
            self.text = files_digest(paths)
            end = monotonic()
            self.until = end + _NEW_FOR * (end - start)
        return self.text


def split_row_path(path):
    """Return (file, dataset, row) of ``"file.h5::dataset::row"``, or None for a plain path."""
    parts = path.rsplit("::", 2)
    if len(parts) == 3 and parts[2].isdecimal():
        return parts[0], parts[1], int(parts[2])
    return None


def file_of(path):
    """Return the file that a path names, or the HDF5 file of ``"file.h5::dataset::row"``."""
    row = split_row_path(path) if "::" in path else None
    return path if row is None else row[0]


class FileSource:
    """Image files, or rows of HDF5 files written ``"file.h5::dataset::row"``.

    Parameters
    ----------
    paths : sequence of str or PathLike
        File names, from the working directory of now if they are relative.
    mode, hdu, reduce
        As in `decode`.
    """

    def __init__(self, paths, *, mode="RGB", hdu=None, reduce=1):
        self.paths = [os.fspath(path) for path in paths]
        self.folder = os.getcwd()
        self.mode = mode
        self.hdu = hdu
        self.reduce = reduce
        self._digest = PickledDigest()

    def __len__(self):
        return len(self.paths)

    def name(self, i):
        """Return the path as given."""
        return self.paths[i]

    def identity(self, i):
        """Return path, size, mtime and how the file is decoded."""
        path = self._path(i)
        row = split_row_path(path)
        if row is None:
            return (*file_identity(path), self.mode, self.hdu, self.reduce)
        return (*file_identity(row[0]), *row[1:])

    def read(self, i):
        """Return the image of file `i`."""
        path = self._path(i)
        row = split_row_path(path) if "::" in path else None
        if row is None:
            return decode(path, path, mode=self.mode, hdu=self.hdu, reduce=self.reduce)
        with open_hdf5(row[0]) as file:
            return read_hdf5_row(file, *row[1:])

    def __getstate__(self):
        """Return the attributes and what tells, to a cache by pickles, that a file has changed."""
        files = self._digest.of(file_of(self._path(i)) for i in range(len(self)))
        return {**self.__dict__, "_digest": None, "files": files}

    def __setstate__(self, state):
        self.__dict__.update(state, _digest=PickledDigest())

    def _path(self, i):
        return os.path.join(self.folder, self.paths[i])


class _PerProcess:
    """A file opened when first needed, anew in each process and if it changed; never pickled."""

    def __init__(self, function, path):
        self.function = function
        self.path = os.path.abspath(path)
        self._reset()

    def _reset(self):
        self._owner = self._handle = None
        self._lock = threading.Lock()

    def get(self):
        with self._lock:
            owner = os.getpid(), file_identity(self.path)
            if self._owner != owner:
                self._handle, self._owner = self.function(self.path), owner
            return self._handle

    def __getstate__(self):
        files = files_digest([self.path])  # tells, to a cache by pickles, that it has changed
        return {"function": self.function, "path": self.path, "files": files}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._reset()


class Hdf5Source:
    """Rows of an HDF5 dataset of shape (n, h, w) or (n, h, w, c).

    Parameters
    ----------
    file : str or PathLike
        HDF5 file.
    dataset : str
        Name of the dataset, such as ``"images"``.
    """

    def __init__(self, file, dataset):
        self.file = os.fspath(file)
        self.dataset = dataset
        self._open = _PerProcess(partial(Hdf5Rows, dataset=dataset), self.file)
        try:
            with open_hdf5(self.file) as opened:
                self._shape = opened[dataset].shape
        except (KeyError, AttributeError) as error:
            raise UnreadableError(f"it has no dataset {dataset!r}") from error
        if len(self._shape) not in (3, 4):
            raise UnreadableError(
                f"dataset {dataset!r} has shape {self._shape}, not (n, height, width, channels)"
            )

    def __len__(self):
        return self._shape[0]

    def name(self, i):
        """Return ``"file.h5::dataset::row"``."""
        return f"{self.file}::{self.dataset}::{i}"

    def identity(self, i):
        """Return file, dataset and row."""
        return (*file_identity(self._open.path), self.dataset, int(i))

    def read(self, i):
        """Return row `i`."""
        return self._open.get().read(int(i))


class ZipSource:
    """Image members of a zip file.

    Parameters
    ----------
    file : str or PathLike
        Zip file.
    members : sequence of str, default=None
        Names of members; None takes every image, in the order of the archive, but for the
        ``__MACOSX`` copies.
    mode, hdu
        As in `decode`.
    """

    def __init__(self, file, members=None, *, mode="RGB", hdu=None):
        self.file = os.fspath(file)
        self.mode = mode
        self.hdu = hdu
        self._open = _PerProcess(open_zip, self.file)
        if isinstance(members, str):
            raise TypeError(f"members is a list of names; got the single name {members!r}.")
        with open_zip(self.file) as archive:
            names = archive.namelist()
        if members is None:
            members = [name for name in names if _is_image_member(name)]
        self.members = list(members)

    def __len__(self):
        return len(self.members)

    def name(self, i):
        """Return ``"file.zip::member"``."""
        return f"{self.file}::{self.members[i]}"

    def identity(self, i):
        """Return file, member and how it is decoded."""
        return (*file_identity(self._open.path), self.members[i], self.mode, self.hdu)

    def read(self, i):
        """Return the image of member `i`."""
        archive, member = self._open.get(), self.members[i]
        try:
            info = archive.getinfo(member)
            if info.file_size > MAX_MEMBER_BYTES:
                raise UnreadableError(f"it unpacks to {info.file_size} bytes, too many")
            data = archive.read(info)
        except KeyError as error:
            raise UnreadableError("the zip file has no such member") from error
        except (UnreadableError, MemoryError):
            raise
        except Exception as error:  # damaged or encrypted members raise nearly anything
            raise UnreadableError(str(error).rstrip(".")) from error
        return decode(data, member, mode=self.mode, hdu=self.hdu)


def open_zip(path):
    """Return the open ZipFile of `path`."""
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise UnreadableError("there is no such zip file") from error
    except (OSError, zipfile.BadZipFile) as error:
        raise UnreadableError("it is not a readable zip file") from error


def _is_image_member(name):
    hidden = name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")
    return not hidden and name.lower().endswith(IMAGE_SUFFIXES)


def memmap_spec(array):
    """Return what `np.memmap` needs to map `array` again, or None if no file lies behind it."""
    root = array
    while root is not None and not (
        isinstance(root, np.memmap) and isinstance(root.base, mmap.mmap)
    ):
        root = getattr(root, "base", None)
    if root is None or root.filename is None or root.mode == "c":
        return None
    if not array.flags.c_contiguous:
        return None
    skipped = array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    return {
        "filename": os.fspath(root.filename),
        "dtype": array.dtype,
        "mode": "r",
        "offset": root.offset + skipped,
        "shape": array.shape,
    }


class PickledByPath:
    """Array attributes that map a file are pickled as its path and mapped again."""

    def __getstate__(self):
        """Return the attributes, memory maps as what maps them again, and a digest of the files."""
        state, maps = dict(self.__dict__), {}
        for key, value in self.__dict__.items():
            spec = memmap_spec(value) if isinstance(value, np.ndarray) else None
            if spec is not None:
                maps[key] = spec
                del state[key]
        return state, maps, files_digest(spec["filename"] for spec in maps.values())

    def __setstate__(self, state):
        """Map the files again."""
        self.__dict__.update(state[0])
        for key, spec in state[1].items():
            setattr(self, key, np.memmap(**spec))


def _as_many(names, n):
    """Return names as a list of `n`, in their order; None as it is."""
    if names is None:
        return None
    names = list(names)
    if len(names) != n:
        raise ValueError(f"ImageSequence takes a name an image; got {len(names)} for {n} images.")
    return names


class ArraySource(PickledByPath):
    """Rows of an array or memmap.

    Parameters
    ----------
    array : ndarray of shape (n, h, w) or (n, h, w, c)
        Pixels; whole numbers other than uint8 are read as float64.
    names : sequence of str, default=None
        Name of each row; None numbers them.
    unreadable : ndarray of bool, shape (n,), default=None
        Which rows are blanks in place of images that could not be read; None is not known.
    """

    def __init__(self, array, names=None, unreadable=None):
        if array.ndim not in (3, 4) or 0 in array.shape[1:] or array.dtype.kind not in "iufb":
            raise ValueError(
                "ImageSequence takes an array of numbers (n_samples, height, width, n_channels) "
                f"or (n_samples, height, width); got {array.dtype} of shape {array.shape}."
            )
        self.array = array if array.ndim == 4 else array[..., np.newaxis]
        self.names = _as_many(names, len(array))
        self.unreadable = unreadable

    def __len__(self):
        return len(self.array)

    @property
    def spec(self):
        """Shape and dtype of each image."""
        return self.array.shape[1:], self._pixel_dtype()

    def _pixel_dtype(self):
        dtype = self.array.dtype
        if dtype == np.uint8 or (dtype.kind == "f" and dtype.itemsize <= 8):
            return dtype.newbyteorder("=")
        return np.dtype(np.float64)

    def name(self, i):
        """Return the name of row `i`."""
        return f"row {i}" if self.names is None else self.names[i]

    def identity(self, i):
        """Return file and row, or for an array that may be written to the digest of the pixels."""
        spec = memmap_spec(self.array)
        if spec is None or self.array.flags.writeable:  # a file whose mtime tells of no change
            digest = hashlib.blake2b(np.ascontiguousarray(self.array[i]), digest_size=16)
            return (digest.hexdigest(), str(self.array.dtype), self.array.shape[1:])
        layout = (spec["offset"], str(spec["dtype"]), spec["shape"][1:])
        return (*file_identity(spec["filename"]), *layout, int(i))

    def read(self, i):
        """Return a copy of row `i`."""
        return np.array(self.array[i], dtype=self._pixel_dtype())

    def read_many(self, rows, empty):
        """Return the images of `rows` in an array made by ``empty(shape, dtype)``."""
        pixels = empty((len(rows), *self.array.shape[1:]), self._pixel_dtype())
        if pixels.dtype != self.array.dtype:
            pixels[...] = self.array[rows]
            return pixels
        return np.take(self.array, rows, axis=0, out=pixels, mode="clip")  # clip: no second copy


class EncodedSource(PickledByPath):
    """JPEG, PNG, TIFF or WebP files packed end to end in one array of bytes.

    Parameters
    ----------
    data : ndarray of uint8
        All files.
    offsets : array-like of int, shape (n + 1,)
        File i is ``data[offsets[i]:offsets[i + 1]]``.
    names : sequence of str, default=None
        Name of each file; None numbers them.
    mode : {"RGB", "L", None}, default="RGB"
        As in `decode`.
    """

    def __init__(self, data, offsets, names=None, *, mode="RGB"):
        self.data = np.asanyarray(data)
        self.offsets = np.asarray(offsets)
        self.mode = mode
        ordered = self.offsets.ndim == 1 and self.offsets.dtype.kind in "iu" and len(self.offsets)
        if (
            self.data.dtype != np.uint8
            or self.data.ndim != 1
            or not ordered
            or np.any(self.offsets[1:] < self.offsets[:-1])
            or not 0 <= self.offsets[0] <= self.offsets[-1] <= len(self.data)
        ):
            raise ValueError(
                "ImageSequence.from_encoded takes a uint8 array of bytes and n + 1 rising offsets "
                f"into it; got {self.data.dtype} of shape {self.data.shape} and offsets of shape "
                f"{self.offsets.shape}."
            )
        self.names = _as_many(names, len(self))

    def __len__(self):
        return len(self.offsets) - 1

    def name(self, i):
        """Return the name of file `i`."""
        return f"row {i}" if self.names is None else str(self.names[i])

    def identity(self, i):
        """Return the digest of the file."""
        return (hashlib.blake2b(self._bytes(i), digest_size=16).hexdigest(), self.mode)

    def read(self, i):
        """Return the image of file `i`."""
        return decode(self._bytes(i), "", mode=self.mode)

    def _bytes(self, i):
        return self.data[self.offsets[i] : self.offsets[i + 1]].tobytes()
