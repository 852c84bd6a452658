"""A network of the user's own."""

from itertools import groupby
from threading import get_ident

import torch
from torch import nn

from galaxy_sklearn.networks._layers import seen_size

_TRIED = 2  # images of zeros


class OwnNetwork(nn.Module):
    """Any module of PyTorch that turns images into logits, with what this package asks of one.

    The embedding is what the last `torch.nn.Linear` is given, where the logits come from one;
    else the logits themselves.

    Parameters
    ----------
    n_channels : int
        Bands of the images.
    n_classes : int
        Number of logits.
    image_size : tuple of int
        (height, width) in pixels.
    make : callable
        Called as ``make(n_channels, n_classes, size, **params)``, with the (height, width) of what
        the network sees; returns a new module.
    input_size : int, default=None
        Side in pixels that images are resized to; None leaves them as they are.
    **params
        Further keyword arguments for `make`.

    Raises
    ------
    TypeError
        If `make` returns no module.
    ValueError
        If the module does not turn images (n, n_channels, height, width) into logits
        (n, n_classes), or gives probabilities.
    """

    dtype = None
    any_layout = False  # `view` is for contiguous tensors alone

    def __init__(self, n_channels, n_classes, image_size, *, make, input_size=None, **params):
        super().__init__()
        size = seen_size(image_size, input_size)
        self.input_size = input_size
        self.model = make(n_channels, n_classes, size, **params)
        self.name = getattr(make, "__qualname__", repr(make))
        if not isinstance(self.model, nn.Module):
            raise TypeError(
                f"The network {self.name} must return a torch.nn.Module; got {self.model!r}."
            )
        self.head, self.n_embedding = self._try((n_channels, *size), n_classes)

    def _try(self, size, n_classes):
        """Return the name of the layer that gives the logits, or None, and the embedding's length.

        Lazy layers find out their sizes.
        """
        calls, handles = [], []
        for name, module in self.model.named_modules():
            if isinstance(module, nn.Linear):
                hook = self._recorder(name, calls)
                handles.append(module.register_forward_hook(hook))
        self.model.eval()
        try:
            with torch.no_grad():
                logits = self.model(torch.zeros(_TRIED, *size))
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(
                f"The network {self.name} cannot take images of {size[0]} bands and "
                f"{size[1]} x {size[2]} pixels: {reason}."
            ) from error
        finally:
            self.model.train()
            for handle in handles:
                handle.remove()
        self._check(logits, n_classes)
        for name, fan_in, output in calls[-1:]:
            if output is logits:
                return name, fan_in
        return None, n_classes

    @staticmethod
    def _recorder(name, calls):
        return lambda module, given, output: calls.append((name, module.in_features, output))

    def _check(self, logits, n_classes):
        shape = tuple(getattr(logits, "shape", ()))
        if shape != (_TRIED, n_classes):
            raise ValueError(
                f"The network {self.name} must return {n_classes} logits an image; it made "
                f"{shape or type(logits).__name__} of {_TRIED} images."
            )
        sums = logits.sum(1)
        if not logits.is_meta and (logits >= 0).all() and torch.allclose(sums, sums.new_ones(())):
            raise ValueError(
                f"The network {self.name} seems to end in a softmax: it must return logits, "
                f"which the loss takes."
            )

    @property
    def cam_layer(self):
        """The last convolution, or None."""
        layers = [one for one in self.model.modules() if isinstance(one, nn.Conv2d)]
        return layers[-1] if layers else None

    def forward_features(self, x):
        """Return the images as they are: only the module knows where its features end."""
        return x

    def forward_head(self, x, pre_logits=False):
        """Return logits (n, n_classes), or the embedding (n, n_embedding)."""
        if not pre_logits or self.head is None:
            return self.model(x)
        seen, thread = [], get_ident()

        def remember(module, given, named):
            if get_ident() == thread:  # others may be predicting too
                seen.append(given[0] if given else named["input"])

        layer = self.model.get_submodule(self.head)
        handle = layer.register_forward_pre_hook(remember, with_kwargs=True)
        try:
            self.model(x)
        finally:
            handle.remove()
        return seen[-1]

    def forward(self, x):
        """Return logits (n, n_classes) of images (n, n_channels, height, width)."""
        return self.model(x)

    @property
    def fresh_layers(self):
        """Prefixes of the layers that start afresh where the classes differ."""
        return () if self.head is None else (f"model.{self.head}." if self.head else "model.",)

    def parameter_stages(self):
        """Return the names of the parameters by stage, from the input on; the head is last."""
        names = [name for name, _ in self.named_parameters()]
        head = [name for name in names if name.startswith(self.fresh_layers)]
        rest = [name for name in names if name not in head]
        deepest = max((name.count(".") for name in rest), default=0)
        for depth in range(2, deepest + 1):
            stages = _grouped(rest, depth)
            if len(stages) > 1:
                return [*stages, head] if head else stages
        return [rest, head] if head else [rest]

    def adapt_weights(self, weights):
        """Return weights that the module itself saved by this network's names."""
        own = self.model.state_dict()
        if any(name in own for name in weights):
            return {f"model.{name}": tensor for name, tensor in weights.items()}
        return weights


def _grouped(names, depth):
    """Return names in lists of those whose first parts, so many, are the same."""
    return [list(part) for _, part in groupby(names, lambda name: name.split(".")[:depth])]
