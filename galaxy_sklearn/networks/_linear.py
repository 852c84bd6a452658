"""Softmax regression on pixels: the honest baseline."""

import math

import torch
from torch import nn


class Linear(nn.Module):
    """One logit a class, linear in the pixels (multinomial logistic regression).

    Parameters
    ----------
    n_channels : int
        Bands of the images.
    n_classes : int
        Number of logits.
    image_size : tuple of int
        (height, width) in pixels.
    """

    input_size = None
    cam_layer = None
    dtype = torch.float64  # exact sums cost nothing here, and single images equal batches

    def __init__(self, n_channels, n_classes, image_size):
        super().__init__()
        self.n_embedding = n_channels * math.prod(image_size)
        self.classifier = nn.Linear(self.n_embedding, n_classes)
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward_features(self, x):
        """Return the pixels, (n, n_pixels)."""
        return x.flatten(1)

    def forward_head(self, x, pre_logits=False):
        """Return logits (n, n_classes), or `x` itself."""
        return x if pre_logits else self.classifier(x)

    def forward(self, x):
        """Return logits (n, n_classes) of images (n, n_channels, height, width)."""
        return self.forward_head(self.forward_features(x))
