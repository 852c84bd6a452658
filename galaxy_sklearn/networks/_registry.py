"""Networks by name."""

import difflib
import inspect

import timm
from torch import nn

from galaxy_sklearn.networks._alexnet import AlexNet
from galaxy_sklearn.networks._dieleman import Dieleman
from galaxy_sklearn.networks._galaxy10 import (
    Galaxy10CNN,
    Galaxy10CNN2,
    Galaxy10CNN3,
    Galaxy10CNN5,
    Galaxy10CNN6,
)
from galaxy_sklearn.networks._galaxynet import GalaxyNet
from galaxy_sklearn.networks._linear import Linear
from galaxy_sklearn.networks._own import OwnNetwork
from galaxy_sklearn.networks._simple_cnn import SimpleCNN
from galaxy_sklearn.networks._timm import TimmNetwork
from galaxy_sklearn.networks._wu import WuEncoderCNN, WuSimpleCNN, WuVGG16
from galaxy_sklearn.networks._zhu_cnn7 import ZhuCNN7
from galaxy_sklearn.networks._zhu_resnet import ZhuResNet26

_NETWORKS = {
    "alexnet": AlexNet,
    "dieleman": Dieleman,
    "galaxy10_cnn": Galaxy10CNN,
    "galaxy10_cnn2": Galaxy10CNN2,
    "galaxy10_cnn3": Galaxy10CNN3,
    "galaxy10_cnn5": Galaxy10CNN5,
    "galaxy10_cnn6": Galaxy10CNN6,
    "galaxynet": GalaxyNet,
    "linear": Linear,
    "simple_cnn": SimpleCNN,
    "wu_encoder_cnn": WuEncoderCNN,
    "wu_simple_cnn": WuSimpleCNN,
    "wu_vgg16": WuVGG16,
    "zhu_cnn7": ZhuCNN7,
    "zhu_resnet26": ZhuResNet26,
}
_TIMM = "timm/"


def available():
    """Return the names of this package's own networks, sorted."""
    return sorted(_NETWORKS)


def has_published_weights(name):
    """Tell whether a network can be built with ``pretrained=True``.

    Raises ValueError if there is no network of that name.
    """
    return "pretrained" in inspect.signature(_network(name)).parameters


def build_network(name, n_channels, n_classes, image_size, **params):
    """Return a new network.

    Parameters
    ----------
    name : str or callable
        One of `available()`, or ``"timm/<model>"`` for any model of timm; or what makes a network
        of your own, called as ``name(n_channels, n_classes, image_size, **params)``.
    n_channels : int
        Bands of the images.
    n_classes : int
        Number of logits.
    image_size : tuple of int
        (height, width) of the images in pixels.
    **params
        The network's own keyword parameters; `input_size` too for one of your own.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    TypeError
        If a network is given, and not what makes one, or something else is made.
    ValueError
        If there is no network of that name, it has no such parameter, the images are too small, or
        it makes no logits of them.
    """
    if not isinstance(name, str):
        return _own(name, n_channels, n_classes, image_size, **params)
    if name.startswith(_TIMM):
        params["model"] = name.removeprefix(_TIMM)
    return construct(name, _network(name), n_channels, n_classes, image_size, **params)


def _own(make, *sizes, **params):
    if isinstance(make, nn.Module):
        raise TypeError(
            f"network takes what makes a network, for each fit a fresh one: the class "
            f"{type(make).__name__}, or a function; got a network itself."
        )
    given = {name: value for name, value in params.items() if name != "input_size"}
    _require_known(getattr(make, "__qualname__", repr(make)), make, sizes, given)
    return OwnNetwork(*sizes, make=make, **params)


def _network(name):
    """Return the class of a network; raise ValueError if there is none of that name."""
    if not isinstance(name, str):
        return name
    if name.startswith(_TIMM):
        return TimmNetwork
    if name in _NETWORKS:
        return _NETWORKS[name]
    close = difflib.get_close_matches(name, _NETWORKS, n=1)
    if timm.is_model(name):
        close = [_TIMM + name]
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(
        f"There is no network {name!r}: the names are {', '.join(available())}, and "
        f'"timm/<model>" for any model of timm.{hint}'
    )


def construct(name, network, *sizes, **params):
    """Return ``network(*sizes, **params)``; ValueError if it has no such parameter."""
    _require_known(name, network, sizes, params)
    return network(*sizes, **params)


def _require_known(name, network, sizes, params):
    takes = inspect.signature(network).parameters
    known = list(takes)[len(sizes) :]
    unknown = sorted(set(params) - set(known))
    if unknown and not any(one.kind is one.VAR_KEYWORD for one in takes.values()):
        raise ValueError(
            f"The network {name!r} has no parameter {unknown[0]!r}; it takes "
            f"{', '.join(known) or 'none'}."
        )
