"""Weights that a network starts from."""

import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file


def read_weights(path):
    """Return the tensors of a weights file by name, on the CPU.

    Parameters
    ----------
    path : path-like
        ``.safetensors``, or anything `torch.load` opens with ``weights_only=True``.

    Raises
    ------
    ValueError
        If the file is missing or holds no plain table of tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"There is no weights file {str(path)!r}.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{str(path)!r} is not a readable weights file: {reason}") from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise ValueError(f"{str(path)!r} holds no table of weights by layer name.")
    return state


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
        If any layer before the last is missing or differs in shape; the first one is named.
    """
    if hasattr(network, "adapt_weights"):
        weights = network.adapt_weights(weights)
    own = network.state_dict()
    fresh = fresh_names(network)
    for name, tensor in own.items():
        given = weights.get(name)
        if given is not None and given.shape == tensor.shape:
            own[name] = given
        elif name not in fresh:
            got = "is missing" if given is None else f"has shape {tuple(given.shape)}"
            raise ValueError(
                f"The weights of {source} do not fit the network: layer {name!r} {got}, and "
                f"shape {tuple(tensor.shape)} is needed."
            )
    network.load_state_dict(own)


def fresh_names(network):
    """Return the names of the tensors that may start afresh: the last linear layer's, or more."""
    if hasattr(network, "fresh_layers"):
        return {name for name in network.state_dict() if name.startswith(network.fresh_layers)}
    linear = [
        name for name, module in network.named_modules() if isinstance(module, torch.nn.Linear)
    ]
    return {f"{linear[-1]}.weight", f"{linear[-1]}.bias"} if linear else set()
