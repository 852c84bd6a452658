"""Any model of timm as a network."""

import difflib
import inspect
import sys
from itertools import groupby
from numbers import Integral

import timm
import torch
from timm.models import adapt_input_conv, group_parameters
from torch import nn

from galaxy_sklearn.networks._layers import check_smallest_side, dense_relu, seen_size

_FILTERS = ("checkpoint_filter_fn", "_filter_torchvision_pretrained", "_filter_fn")


def _record(model):
    """Return what timm knows of the weights of a model; None if it has no such model, or tag."""
    try:
        return timm.get_pretrained_cfg(model, allow_unregistered=True)
    except RuntimeError:  # the model has no such tag
        return None


def _own_size(model, size):
    """Return what makes a transformer for images of another size than it was published for."""
    config = _record(model)
    return {"img_size": size} if config is not None and config.fixed_input_size else {}


def _published_at(model):
    """Return where timm looks for the weights of a model, in words."""
    config = _record(model)
    repository = config.hf_hub_id if config is not None else model.partition(":")[2]
    if repository:
        return f"the repository {repository} of the Hugging Face Hub"
    return config.url if config is not None and config.url else "anywhere"


def _is_known(model):
    """Tell whether timm has a model of that name and tag, or looks for it elsewhere."""
    return ":" in model or _record(model) is not None


def _alike(model):
    """Return a hint at the name that is most like one that timm does not have, or nothing."""
    names = timm.list_models()
    if timm.is_model(model):  # but for its tag
        names = timm.list_pretrained(f"{model.partition('.')[0]}.*")
    close = difflib.get_close_matches(model, names, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _units(head_units):
    """Return the units of each dense layer of a head; raise ValueError if they are none."""
    units = (head_units,) if isinstance(head_units, Integral) else head_units
    if not isinstance(units, str) and hasattr(units, "__len__"):
        whole = [one for one in units if isinstance(one, Integral) and one > 0]
        if len(whole) == len(units):
            return tuple(whole)
    raise ValueError(
        f"head_units of a timm network must be positive whole numbers such as (1024,), one for "
        f"each dense layer; got {head_units!r}."
    )


def _in_a_line(error):
    """Return what went wrong without its further lines."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}".rstrip(".: ")


class ChannelsFirst(nn.Module):
    """Turn tokens (n, ..., n_channels) into maps (n, n_channels, n_tokens, 1)."""

    def forward(self, x):
        """Return the maps."""
        return x.flatten(1, -2).transpose(1, 2).unsqueeze(3)


class TimmNetwork(nn.Module):
    """A model of timm with a fresh last layer, or with the head of a publication.

    Parameters
    ----------
    n_channels : int
        Bands of the images; timm sums or repeats the first layer's weights to fit.
    n_classes : int
        Number of logits.
    image_size : tuple of int
        (height, width) in pixels; what the model sees of them is at least 32 x 32, 75 x 75 for
        Inception.
    model : str
        Name in timm, such as ``"resnet18"``, or a model on the Hugging Face Hub, such as
        ``"hf_hub:mwalmsley/zoobot-encoder-convnext_nano"``.
    pretrained : bool, default=False
        Start from the library's published weights (downloaded once).
    input_size : int, default=None
        Side in pixels that images are resized to; None leaves them as they are.
    head_units : int or sequence of int, default=None
        Dense layers with ReLU between the feature maps and the logits, in place of timm's head:
        ``(1024,)`` is the head of Guo et al. (2023).
    head_pooling : {"flatten", "average"}, default="flatten"
        How feature maps, or a transformer's tokens, enter these dense layers.
    dropout : float, default=0.0
        Dropout before the last layer, and after each dense layer of `head_units`.
    model_params : dict, default=None
        Further keyword arguments for `timm.create_model`.

    Raises
    ------
    ValueError
        If timm has no such model, its weights can't be had, it cannot take images of this size,
        or `input_size`, `head_units` or `head_pooling` is no such thing.
    """

    dtype = None

    def __init__(
        self,
        n_channels,
        n_classes,
        image_size,
        *,
        model,
        pretrained=False,
        input_size=None,
        head_units=None,
        head_pooling="flatten",
        dropout=0.0,
        model_params=None,
    ):
        super().__init__()
        self.input_size = input_size
        own_head = head_units is not None
        units = _units(head_units) if own_head else ()
        if head_pooling not in ("flatten", "average"):
            raise ValueError(
                f"head_pooling of a timm network must be 'flatten' or 'average'; got "
                f"{head_pooling!r}."
            )
        size = seen_size(image_size, input_size)
        inception = model.startswith(("inception_v", "inception_resnet"))
        check_smallest_side(f"timm/{model}", size, 75 if inception else 32)
        self.model = self._create(
            model,
            pretrained,
            in_chans=n_channels,
            num_classes=0 if own_head else n_classes,
            drop_rate=0.0 if own_head else dropout,
            **(_own_size(model, size) | (model_params or {})),
        )
        self.neck = self.classifier = None
        self.n_embedding = getattr(self.model, "head_hidden_size", self.model.num_features)
        if own_head and hasattr(self.model, "pre_logits"):
            self.model.pre_logits = nn.Identity()  # the dense layers of VGG
        maps = self._try(model, (n_channels, *size))
        if own_head:
            self._add_head(maps, n_classes, units, head_pooling, dropout)

    def _try(self, name, size):
        """Return the feature maps of an empty image; raise ValueError if it does not fit."""
        self.model.eval()
        try:
            with torch.no_grad():
                maps = self.model.forward_features(torch.zeros(1, *size))
        except (RuntimeError, AssertionError, ValueError) as error:
            own = self.model.pretrained_cfg["input_size"][-1]
            raise ValueError(
                f"timm/{name} cannot take images of {size[1]} x {size[2]} pixels "
                f"({_in_a_line(error)}); network_params={{'input_size': {own}}} resizes them to "
                f"its own size."
            ) from error
        self.model.train()
        return maps

    def _add_head(self, maps, n_classes, units, pooling, dropout):
        layers, fan_in = [], maps[0].numel()
        if pooling == "average":
            fan_in = self.model.num_features
            is_last = maps.ndim == 3 or maps.shape[1] != fan_in  # transformers' tokens
            layers = [*([ChannelsFirst()] if is_last else []), nn.AdaptiveAvgPool2d(1)]
        layers.append(nn.Flatten())
        for fan_out in units:
            layers += dense_relu(fan_in, fan_out, dropout)
            fan_in = fan_out
        self.neck = nn.Sequential(*layers)
        self.n_embedding = fan_in
        self.classifier = nn.Linear(fan_in, n_classes)

    @staticmethod
    def _create(model, pretrained, **kwargs):
        try:
            return timm.create_model(model, pretrained=pretrained, **kwargs)
        except Exception as error:
            reason = _in_a_line(error)
            if not pretrained or not _is_known(model):
                hint = "" if _is_known(model) else _alike(model)
                raise ValueError(
                    f"timm could not make the model {model!r} ({reason}).{hint}"
                ) from error
            raise ValueError(
                f"timm could not get the published weights of {model!r} from "
                f"{_published_at(model)} ({reason}); pretrained='file.safetensors' takes a copy of "
                f"them."
            ) from error

    @property
    def cam_layer(self):
        """The module named last in timm's feature table, or None."""
        table = getattr(self.model, "feature_info", None)
        if not table:
            return None
        entries = table.info if hasattr(table, "info") else table
        return self.model.get_submodule(entries[-1]["module"])

    def forward_features(self, x):
        """Return timm's feature maps."""
        return self.model.forward_features(x)

    def forward_head(self, x, pre_logits=False):
        """Return logits (n, n_classes), or the embedding (n, n_embedding)."""
        if self.neck is None:
            return self.model.forward_head(x, pre_logits=pre_logits)
        x = self.neck(x)
        return x if pre_logits else self.classifier(x)

    def forward(self, x):
        """Return logits (n, n_classes) of images (n, n_channels, height, width)."""
        return self.forward_head(self.forward_features(x))

    @property
    def fresh_layers(self):
        """Prefixes of the layers that published weights do not fill."""
        if self.neck is not None:
            return ("neck.", "classifier.")
        names = self.model.pretrained_cfg.get("classifier") or ()
        names = (names,) if isinstance(names, str) else names
        return tuple(f"model.{name}." for name in names)

    def parameter_stages(self):
        """Return the names of the parameters by stage, from the input on; the head is last."""
        stages = []
        for group in self._groups():
            stage = [name for name in group if not self._is_fresh(name)]
            if stages and all(self.get_parameter(name).ndim == 1 for name in stage):
                stages[-1] += stage  # a normalisation after the last block is no stage
            elif stage:
                stages.append(stage)
        head = [name for name, _ in self.named_parameters() if self._is_fresh(name)]
        return [*stages, head]

    def _groups(self):
        """Return the names of the parameters as timm groups them, else by outermost module."""
        try:
            groups = group_parameters(self.model, self.model.group_matcher(coarse=True))
        except (AttributeError, AssertionError):  # not every family of timm has groups
            names = [name for name, _ in self.named_parameters()]
            return [list(group) for _, group in groupby(names, lambda name: name.split(".")[1])]
        return [[f"model.{name}" for name in groups[key]] for key in sorted(groups)]

    def _is_fresh(self, name):
        return name.startswith(self.fresh_layers)

    def _renamed(self, weights):
        family = sys.modules[type(self.model).__module__]
        adapt = next((vars(family)[name] for name in _FILTERS if name in vars(family)), None)
        if adapt is None:
            return weights
        takes_model = len(inspect.signature(adapt).parameters) > 1
        return adapt(weights, self.model) if takes_model else adapt(weights)

    def adapt_weights(self, weights):
        """Return weights as timm publishes them, by this network's names, for its bands and size.

        timm's own filter for the family of models renames what older files, and torchvision's,
        hold and resamples the positions of a transformer.
        """
        if any(name.startswith("model.") for name in weights):
            return weights
        weights = self._renamed(weights)
        weights = {f"model.{name}": tensor for name, tensor in weights.items()}
        first = self.model.pretrained_cfg.get("first_conv")
        for name in (first,) if isinstance(first, str) else first or ():
            key = f"model.{name}.weight"
            if key in weights:
                n_channels = self.get_parameter(key).shape[1]
                weights[key] = adapt_input_conv(n_channels, weights[key])
        return weights
