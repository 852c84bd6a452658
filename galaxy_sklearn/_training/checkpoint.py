"""Checkpoints that survive a kill at any moment."""

import functools
import hashlib
import inspect
import os
import tempfile
import time
import warnings
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import CodeType, FunctionType, MethodType

import numpy as np
import torch
from sklearn.base import BaseEstimator
from skorch.callbacks import Callback, LRScheduler, ParamMapper

from galaxy_sklearn._training.data import fits_memory, read_rows
from galaxy_sklearn._validation import is_image_sequence
from galaxy_sklearn.images._cache import identity_digest

_HASHED_AT_ONCE = 256  # images
_PLAIN = (bool, int, float, complex, str, bytes, np.ndarray, np.generic)
_LIBRARIES = {"builtins", "abc", "typing", "torch", "timm", "sklearn", "skorch", "numpy"}
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
    digest.update(digest_of(dataset).encode())
    return digest.hexdigest()[:16]


def digest_of(dataset):
    """Return 16 hexadecimal digits that stand for labelled images, targets and weights."""
    digest = hashlib.sha256(np.ascontiguousarray(dataset.targets))
    digest.update(np.ascontiguousarray(dataset.weights))
    digest.update(images_digest(dataset.images).encode())
    return digest.hexdigest()[:16]


def describe_callbacks(callbacks):
    """Return a text for the callbacks that take part in the training by skorch's own means.

    Those are what sees each gradient (`on_grad_computed`), `LRScheduler` and what freezes or
    initialises parameters. All others are taken for watching, reporting or stopping.
    """
    alone = [one[1] if isinstance(one, tuple) else one for one in callbacks or ()]
    return describe([[type(one).__qualname__, _settings(one)] for one in alone if _takes_part(one)])


def _takes_part(callback):
    on_gradients = type(callback).on_grad_computed is not Callback.on_grad_computed
    return on_gradients or isinstance(callback, LRScheduler | ParamMapper)


def _settings(callback):
    """Return a callback's parameters, without what it remembers of a training."""
    takes = inspect.signature(type(callback)).parameters
    passes_on = any(one.kind is one.VAR_KEYWORD for one in takes.values())  # as LRScheduler does
    return {
        name: value
        for name, value in vars(callback).items()
        if name in takes or (passes_on and not name.endswith("_"))
    }


def describe(value):
    """Return a text that is the same in every process, of functions and objects too."""
    if isinstance(value, dict):
        return describe([[name, value[name]] for name in sorted(value, key=repr)])
    if isinstance(value, list | tuple):
        return f"[{', '.join(describe(one) for one in value)}]"
    if isinstance(value, np.ndarray) and value.dtype != object:  # which is abbreviated too
        content = hashlib.sha256(np.ascontiguousarray(value)).hexdigest()[:16]
        return f"array({value.shape}, {value.dtype}, {content})"
    if isinstance(value, FunctionType):
        return _function(value, ())
    if isinstance(value, type):
        return _class(value, ())
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
        return f"{type(value).__qualname__}{describe(_state(value))}"
    return repr(value)


def _state(value):
    """Return the attributes of an object, those in slots too."""
    names = [name for kind in type(value).__mro__ for name in _slots(kind) if hasattr(value, name)]
    return {name: getattr(value, name) for name in names} | getattr(value, "__dict__", {})


def _slots(kind):
    slots = vars(kind).get("__slots__", ())
    slots = [slots] if isinstance(slots, str) else slots
    return [name for name in slots if not name.startswith("__")]


def _function(value, seen):
    """Describe a function: its code, and what it closes over or reads of its module."""
    cells = [cell.cell_contents for cell in value.__closure__ or ()]
    cells = [one.__qualname__ if isinstance(one, type) else one for one in cells]  # for super()
    read = [
        [name, _global(value.__globals__[name], (*seen, value))]
        for name in sorted(_names(value.__code__))
        if name in value.__globals__
    ]
    parts = [_code(value.__code__), value.__defaults__, value.__kwdefaults__, cells, read]
    return f"{value.__qualname__}{describe(parts)}"


def _class(value, seen):
    """Describe a class: its methods and plain attributes, and those that it has from its bases."""
    parts = []
    for kind in value.__mro__:
        if kind.__module__.partition(".")[0] in _LIBRARIES:
            continue
        for name, member in sorted(vars(kind).items()):
            member = getattr(member, "__func__", getattr(member, "fget", member))
            if isinstance(member, FunctionType):
                parts.append(_function(member, (*seen, value)))
            elif isinstance(member, _PLAIN) and not name.startswith("__"):
                parts.append([name, member])
    return f"{value.__qualname__}{describe(parts)}"


def _global(value, seen):
    """Describe what a function reads: plain data, functions and classes beside it whole.

    Of all else the name.
    """
    is_new = isinstance(value, FunctionType | type) and value not in seen
    if is_new and value.__module__ == seen[0].__module__:
        return _class(value, seen) if isinstance(value, type) else _function(value, seen)
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, list | tuple):
        return describe([_global(one, seen) for one in value])
    if isinstance(value, _PLAIN):
        return describe(value)
    return getattr(value, "__qualname__", type(value).__qualname__)


def _names(code):
    inner = [_names(one) for one in code.co_consts if isinstance(one, CodeType)]
    return set(code.co_names).union(*inner)


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
        """Return the saved state on the CPU, or None if there is none that can be read."""
        for partial in self.path.parent.glob(f"{self.path.stem}.*.partial"):
            if time.time() - partial.stat().st_mtime > _STALE:  # of a fit that was killed
                partial.unlink(missing_ok=True)
        if not self.path.exists():
            return None
        try:
            return torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception as error:  # by where the file breaks off: EOFError, RuntimeError, ...
            warnings.warn(
                f"The checkpoint {str(self.path)!r} is damaged ({type(error).__name__}); the fit "
                f"begins anew and replaces it.",
                UserWarning,
                stacklevel=2,
            )
            return None
