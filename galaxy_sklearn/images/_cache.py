"""Decoded pixels kept in a folder, so that files are decoded once.

An entry is ``<key>.npy`` (images in the order of their identities) beside ``<key>.json`` (what
could not be read). Both appear by renaming, the pixels last: an entry with pixels is complete.
"""

import contextlib
import hashlib
import json
import os
import threading
import time
import uuid

import joblib
import numpy as np

CACHE_VERSION = 3
_BATCH_BYTES = 32 << 20
_STALE_SECONDS = 86_400


def require_folder(name, parameter, folder):
    """Raise ValueError if a folder for pixels is a file; None and a new one pass."""
    if folder is not None and os.path.exists(folder) and not os.path.isdir(folder):
        raise ValueError(
            f"The {parameter} parameter of {name} must be a folder. Got the file "
            f"{os.fspath(folder)!r} instead."
        )


def cached_images(images, folder, verbose):
    """Decode `images` into `folder` unless they lie there.

    Parameters
    ----------
    images : ImageSequence
        What to store; an image that occurs twice is stored once.
    folder : str
        Made if missing; ValueError if it is a file.
    verbose : int
        Above 0, show a progress bar.

    Returns
    -------
    array : memmap of shape (n_distinct, height, width, n_channels)
        Stored pixels, read-only.
    names : list of str
        Name of each stored image.
    positions : ndarray of int, shape (n,)
        Place in `array` of each image.
    failures : list of (row, file, reason)
        Images stored blank, rows as in the source of `images`.
    """
    require_folder("ImageSequence.cache", "folder", folder)
    order, positions, key = _arrange(images)
    path = os.path.join(folder, key)
    found = _load(path)
    if found is None:
        os.makedirs(folder, exist_ok=True)
        _remove_stale(folder)
        _store(images, order, path, verbose)
        found = _load(path)
    array, failed = found
    reasons, name = dict(failed), images.source.name
    failures = [
        (int(row), name(row), reasons[k])
        for row, k in zip(images.kept_, positions.tolist())
        if k in reasons
    ]
    return array, [name(row) for row in images.kept_[order]], positions, failures


def _arrange(images):
    """Return one place of each distinct image, each image's entry, and the key of the whole."""
    rows, inverse = np.unique(images.kept_, return_inverse=True)
    tokens = [repr(images.source.identity(row)) for row in rows]
    place = {token: k for k, token in enumerate(sorted(set(tokens)))}
    row_entry = np.array([place[token] for token in tokens], dtype=np.intp)
    positions = row_entry[inverse]
    order = np.empty(len(place), dtype=np.intp)
    order[positions[::-1]] = np.arange(len(positions))[::-1]  # the first of equals
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{CACHE_VERSION}|{images.on_error}|{_fingerprint(images.chain)}".encode())
    for token in place:
        digest.update(token.encode() + b"\n")
    return order, positions, digest.hexdigest()


def identity_digest(images):
    """Return a text that changes when the pixels of an ImageSequence may have, or their order."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{images.on_error}|{_fingerprint(images.chain)}".encode())
    for row in images.kept_:
        digest.update(repr(images.source.identity(row)).encode() + b"\n")
    return digest.hexdigest()


def _fingerprint(chain):
    def state(step):
        return type(step).__module__, type(step).__qualname__, getattr(step, "__dict__", step)

    return joblib.hash([state(step) for step in chain])


def _load(path):
    try:
        array = np.load(path + ".npy", mmap_mode="r")
        with open(path + ".json", encoding="utf-8") as file:
            return array, json.load(file)["failed"]
    except (OSError, ValueError, EOFError, KeyError):
        return None


def _store(images, order, path, verbose):
    temporary = f"{path}.{uuid.uuid4().hex}.tmp"
    try:
        with open(temporary, "wb") as file:
            failed = _write_pixels(images[order], order, file, verbose)
            file.flush()
            os.fsync(file.fileno())
        _write_json(path + ".json", {"version": CACHE_VERSION, "failed": failed})
        os.replace(temporary, path + ".npy")
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)


def _write_pixels(images, order, file, verbose):
    """Write an .npy file batch by batch; return [entry, reason] of the blank images."""
    shape, dtype = images.shape, images.dtype
    header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    per_image = max(1, int(np.prod(shape[1:])) * dtype.itemsize)
    with _progress(len(images), verbose) as bar:
        for batch in images._pass(max(1, min(256, _BATCH_BYTES // per_image))):
            file.write(memoryview(np.ascontiguousarray(batch)).cast("B"))
            bar.update(len(batch))
    entry = {int(row): k for k, row in enumerate(images.kept_)}
    return [[entry[row], reason] for row, _, reason in images.failed_ if row in entry]


def _write_json(path, content):
    temporary = f"{path}.{uuid.uuid4().hex}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(content, file)
    os.replace(temporary, path)


def _remove_stale(folder):
    """Remove what killed runs left behind a day ago or earlier."""
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):
            if entry.name.endswith(".tmp") and time.time() - entry.stat().st_mtime > _STALE_SECONDS:
                os.remove(entry.path)


class _NoBar:
    def update(self, n):
        """Show nothing."""


def _progress(total, verbose):
    if not verbose:
        return contextlib.nullcontext(_NoBar())
    from tqdm import tqdm

    return tqdm(total=total, desc="Decoding images", unit="image")


class LazyCache:
    """A cache that is filled when images are first read, after the whole chain.

    Parameters
    ----------
    folder : str
        Where pixels are kept.
    rows : ndarray of int or None
        Rising rows of the source to store; None is all.
    verbose : int
        Above 0, show a progress bar.
    """

    def __init__(self, folder, rows, verbose):
        self.folder = folder
        self.rows = rows
        self.verbose = verbose
        self._images = None
        self._lock = threading.Lock()

    def __getstate__(self):
        return {**self.__dict__, "_lock": None, "_images": None}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def afresh(self):
        """Return the same for another chain."""
        return LazyCache(self.folder, self.rows, self.verbose)

    def view(self, images):
        """Return `images` as a view of the cache, filled if need be."""
        with self._lock:
            if self._images is None:
                everything = images._derived(_index=self.rows, _lazy_cache=None)
                self._images = everything.cache(self.folder, verbose=self.verbose)
        wanted = images.kept_
        return self._images[wanted if self.rows is None else np.searchsorted(self.rows, wanted)]
