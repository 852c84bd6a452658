"""Checks and parts that several networks share."""

from numbers import Integral

import torch
from torch import nn


def check_smallest_side(name, image_size, smallest):
    """Raise ValueError if an image side is shorter than `smallest` pixels."""
    if min(image_size) < smallest:
        raise ValueError(
            f"The network {name!r} takes images of at least {smallest} x {smallest} pixels; got "
            f"{image_size[0]} x {image_size[1]}."
        )


def seen_size(image_size, input_size):
    """Return the (height, width) a network sees: `input_size` squared, or the images' own.

    Raises ValueError if `input_size` is neither None nor a whole number.
    """
    if input_size is not None and not isinstance(input_size, Integral):
        raise ValueError(
            f"input_size of a network must be one side in whole pixels, or None; got "
            f"{input_size!r}."
        )
    return tuple(image_size) if input_size is None else (input_size, input_size)


def flat_length(image_size, n_channels, halvings):
    """Return the length of flattened feature maps after some 2 x 2 poolings."""
    height, width = (side >> halvings for side in image_size)
    return n_channels * height * width


def conv_relu(fan_in, fan_out, kernel_size=3):
    """Return a convolution that keeps the image's size, and its ReLU."""
    return [
        nn.Conv2d(fan_in, fan_out, kernel_size, padding=kernel_size // 2),
        nn.ReLU(inplace=True),
    ]


def spatial_mean(x):
    """Return feature maps' means (n, channels), in float32 at least, also under autocast."""
    return x.mean((2, 3), dtype=torch.promote_types(x.dtype, torch.float32))


def dense_relu(fan_in, fan_out, dropout=0.0):
    """Return a dense layer, its ReLU and its dropout."""
    return [nn.Linear(fan_in, fan_out), nn.ReLU(inplace=True), nn.Dropout(dropout)]


class PlainNetwork(nn.Module):
    """Convolutions, then dense layers, then logits.

    Parameters
    ----------
    features : nn.Module
        Images to feature maps.
    neck : nn.Module
        Feature maps to embedding.
    n_embedding : int
        Length of the embedding.
    n_classes : int
        Number of logits.
    input_size : int or None
        Side in pixels that images are resized to; None leaves them as they are.
    """

    dtype = None

    def __init__(self, features, neck, n_embedding, n_classes, input_size):
        super().__init__()
        self.input_size = input_size
        self.n_embedding = n_embedding
        self.features = features
        self.neck = neck
        self.classifier = nn.Linear(n_embedding, n_classes)

    @property
    def cam_layer(self):
        """The last layer of the features."""
        return self.features[-1]

    def forward_features(self, x):
        """Return feature maps (n, channels, height, width)."""
        return self.features(x)

    def forward_head(self, x, pre_logits=False):
        """Return logits (n, n_classes), or the embedding (n, n_embedding)."""
        x = self.neck(x)
        return x if pre_logits else self.classifier(x)

    def forward(self, x):
        """Return logits (n, n_classes) of images (n, n_channels, height, width)."""
        return self.forward_head(self.forward_features(x))
