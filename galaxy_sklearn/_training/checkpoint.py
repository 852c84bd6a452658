"""Checkpoints that survive a kill at any moment."""

import functools
import hashlib
import os
import tempfile
import time
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import CodeType, FunctionType, MethodType

import numpy as np
import torch
from sklearn.base import BaseEstimator

from galaxy_sklearn._training.data import fits_memory, read_rows
from galaxy_sklearn._validation import is_image_sequence
from galaxy_sklearn.images._cache import identity_digest

_HASHED_AT_ONCE = 256  # images
_STALE = 3600  # seconds that no save takes


def fingerprint(params, dataset):
    """Return a name for one fit: what is trained, and on what.

    Parameters
    ----------
    params : dict
        Everything that the result depends on.
    dataset : LabelledImages
        Hashed whole; of images that are not kept in memory, what their files are known by.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name in sorted(params):
        digest.update(f"{name}={describe(params[name])};".encode())
    digest.update(np.ascontiguousarray(dataset.targets))
    digest.update(np.ascontiguousarray(dataset.weights))
    digest.update(images_digest(dataset.images).encode())
    return digest.hexdigest()[:16]


def describe(value):
    """Return a text that is the same in every process, of functions and objects too."""
    if isinstance(value, dict):
        return describe([[name, value[name]] for name in sorted(value, key=repr)])
    if isinstance(value, list | tuple):
        return f"[{', '.join(describe(one) for one in value)}]"
    if isinstance(value, FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        return f"{value.__qualname__}{describe([_code(value.__code__), value.__defaults__, cells])}"
    if isinstance(value, MethodType):
        return describe([value.__func__, value.__self__])
    if isinstance(value, functools.partial):
        return f"partial{describe([value.func, value.args, value.keywords])}"
    if isinstance(value, BaseEstimator):  # which abbreviates itself
        return f"{type(value).__qualname__}{describe(value.get_params(deep=False))}"
    if is_dataclass(value) and not isinstance(value, type):  # so may this
        state = {field.name: getattr(value, field.name) for field in fields(value)}
        return f"{type(value).__qualname__}{describe(state)}"
    if type(value).__repr__ is object.__repr__:
        return f"{type(value).__qualname__}{describe(getattr(value, '__dict__', {}))}"
    return repr(value)


def _code(code):
    """Return what a function does, without where it stands."""
    constants = [_code(one) if isinstance(one, CodeType) else one for one in code.co_consts]
    return [code.co_code, code.co_names, constants]


def images_digest(images):
    """Return 16 hexadecimal digits that stand for images: for every pixel, or for every file.

    A few images would not do: folds of a cross-validation may have those and all targets in common.
    """
    digest = hashlib.sha256(repr((tuple(images.shape), str(images.dtype))).encode())
    if is_image_sequence(images) and not fits_memory(images):
        digest.update(identity_digest(images).encode())
        return digest.hexdigest()[:16]
    for start in range(0, len(images), _HASHED_AT_ONCE):
        rows = np.arange(start, min(start + _HASHED_AT_ONCE, len(images)))
        digest.update(np.ascontiguousarray(read_rows(images, rows)))
    return digest.hexdigest()[:16]


def weights_digest(module):
    """Return 16 hexadecimal digits that stand for all tensors of a module."""
    digest = hashlib.sha256()
    for tensor in module.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().numpy())
    return digest.hexdigest()[:16]


class Checkpoint:
    """The newest state of one fit in a folder, replaced as a whole after every epoch.

    Parameters
    ----------
    folder : path-like
        Made if it is not there. Several fits may share it.
    name : str
        Fingerprint of the fit.
    """

    def __init__(self, folder, name):
        self.path = Path(folder) / f"fit-{name}.pt"

    def save(self, state):
        """Write `state`; a kill leaves the old checkpoint or the new one, never a part."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(".partial", f"{self.path.stem}.", self.path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, self.path)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise

    def load(self):
        """Return the saved state on the CPU, or None if there is none."""
        for partial in self.path.parent.glob(f"{self.path.stem}.*.partial"):
            if time.time() - partial.stat().st_mtime > _STALE:  # of a fit that was killed
                partial.unlink(missing_ok=True)
        if not self.path.exists():
            return None
        return torch.load(self.path, map_location="cpu", weights_only=True)
