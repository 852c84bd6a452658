"""Weights that a network starts from."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from galaxy_sklearn._files import written_whole

_COUNTER = ".num_batches_tracked"  # which files from before PyTorch 0.4.1 do not have
_TRUNK_MARK = "galaxy_sklearn_encoder"  # in the metadata of files that `save_trunk` writes


def read_weights(path):
    """Return the tensors of a weights file by name, on the CPU.

    Parameters
    ----------
    path : path-like
        ``.safetensors``, or anything `torch.load` opens with ``weights_only=True``.

    Raises
    ------
    ValueError
        If the file is missing, damaged, or holds anything but a plain table of tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"There is no weights file {str(path)!r}.")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(f"{str(path)!r} is not a readable weights file: {reason}") from error
    state = _load_tensors(path)
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise ValueError(f"{str(path)!r} holds no table of weights by layer name.")
    return state


def _load_tensors(path):
    """Return what `torch.save` wrote; ValueError if that is more than tensors.

    Torch's own messages are left out: they advise to run whatever code the file holds.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception:  # by what the bytes are taken for: UnpicklingError, struct.error, ...
        raise ValueError(
            f"{str(path)!r} is not a readable weights file: it is damaged, or no file of tensors "
            f"alone, as torch.save(model.state_dict(), path) writes."
        ) from None


def save_trunk(weights, path):
    """Write an encoder's weights to a file, as a whole or not at all.

    Parameters
    ----------
    weights : dict of str to Tensor
        By layer name.
    path : path-like
        Ends in ``.safetensors``.

    Raises
    ------
    ValueError
        If the name ends otherwise.
    FileNotFoundError
        If there is no such folder.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"Weights are saved to .safetensors files; got {path.name!r}.")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    order = {_TRUNK_MARK: json.dumps(list(tensors))}  # the file itself sorts them otherwise
    with written_whole(path) as partial:
        save_file(tensors, partial, metadata=order)


def trunk_layers(path):
    """Return the names of the layers in a readable file of `save_trunk`; of any other, None."""
    if Path(path).suffix != ".safetensors":
        return None
    with safe_open(path, framework="pt") as file:
        names = (file.metadata() or {}).get(_TRUNK_MARK)
    return None if names is None else json.loads(names)


def trunk_of(network):
    """Return the weights of a pretrainer's network that a classifier takes, by layer name."""
    trunk = network.trunk
    last = fresh_names(trunk) if hasattr(trunk, "classifier") else ()
    return {name: t for name, t in trunk.state_dict().items() if name not in last}


def is_pretrainer(source):
    """Tell whether `source` is an estimator to be fitted first, for its encoder's weights."""
    return hasattr(source, "trunk_weights") and not isinstance(source, FrozenEstimator)


def fill_from_file(network, path):
    """Copy the weights of a file into `network`; errors as in `read_weights` and `load_trunk`."""
    weights, source = read_weights(path), repr(str(path))
    names = trunk_layers(path)
    if names is None:
        load_trunk(network, weights, source)
    else:
        load_whole_trunk(network, {name: weights[name] for name in names}, source)


def fill_from_estimator(network, source):
    """Copy the weights of a fitted estimator, frozen or not, into `network`."""
    check_is_fitted(
        source,
        msg="The pretrained %(name)s is not fitted; a FrozenEstimator around a fitted one keeps "
        "its weights when it is cloned, as searches do.",
    )
    fitted = getattr(source, "estimator", source)
    name = f"the fitted {type(fitted).__name__}"
    if not hasattr(fitted, "net_"):
        raise ValueError(
            f"Weights come from a fitted classifier, regressor or pretrainer of this package; got "
            f"a {type(fitted).__name__}. Of a Pipeline, give the last step."
        )
    if hasattr(fitted, "trunk_weights"):
        load_whole_trunk(network, fitted.trunk_weights(), name)
    else:
        load_trunk(network, fitted.net_.module_.network.state_dict(), name)


def fill_from_module(model, start, name):
    """Copy all that another module learned into `model`; ValueError if that is another network."""
    try:
        model.load_state_dict(start.state_dict())
    except RuntimeError as error:
        raise ValueError(
            f"{name}(warm_start=True) cannot go on with another network than it was fitted with: "
            f"{str(error).splitlines()[1].strip()}"
        ) from error


def load_whole_trunk(network, weights, source):
    """Copy all of an encoder's `weights` into `network`; all that comes after it stays fresh.

    Parameters
    ----------
    network : nn.Module
        Filled in place.
    weights : dict of str to Tensor
        By layer name.
    source : str
        Where the weights come from, for messages.

    Raises
    ------
    ValueError
        If `network` lacks one of the layers, has it in another shape, or has one more among
        them; the first one is named.
    """
    if not weights:
        raise ValueError(f"There are no weights before the last layer of {source}.")
    own, misfit = network.state_dict(), f"The weights of {source} do not fit the network: layer"
    for name, tensor in weights.items():
        if name not in own or own[name].shape != tensor.shape:
            has = f"has shape {tuple(own[name].shape)} there" if name in own else "is not in it"
            raise ValueError(f"{misfit} {name!r}, of shape {tuple(tensor.shape)}, {has}.")
    names = list(own)
    for name in names[: names.index(list(weights)[-1])]:
        if name not in weights:
            raise ValueError(f"{misfit} {name!r} of the network is missing.")
    network.load_state_dict(own | dict(weights))


def load_trunk(network, weights, source):
    """Copy `weights` into `network`; the last layer stays fresh if its shape differs.

    Parameters
    ----------
    network : nn.Module
        Filled in place.
    weights : dict of str to Tensor
        By layer name.
    source : str
        Where the weights come from, for messages.

    Raises
    ------
    ValueError
        If any layer before the last is missing or differs in shape; the first one is named. If
        there is nothing to copy.
    """
    if hasattr(network, "adapt_weights"):
        weights = network.adapt_weights(weights)
    own = network.state_dict()
    fresh, copied = fresh_names(network), 0
    for name, tensor in own.items():
        given = weights.get(name)
        if given is not None and given.shape == tensor.shape:
            own[name] = given
            copied += tensor.ndim > 1
        elif name not in fresh and not name.endswith(_COUNTER):
            got = "is missing" if given is None else f"has shape {tuple(given.shape)}"
            raise ValueError(
                f"The weights of {source} do not fit the network: layer {name!r} {got}, and "
                f"shape {tuple(tensor.shape)} is needed."
            )
    if not copied:
        raise ValueError(f"The weights of {source} do not fit the network: no layer is the same.")
    network.load_state_dict(own)


def fresh_names(network):
    """Return the names of the tensors that may start afresh: the last linear layer's, or more."""
    if hasattr(network, "fresh_layers"):
        return {name for name in network.state_dict() if name.startswith(network.fresh_layers)}
    linear = [
        name for name, module in network.named_modules() if isinstance(module, torch.nn.Linear)
    ]
    return {f"{linear[-1]}.weight", f"{linear[-1]}.bias"} if linear else set()
