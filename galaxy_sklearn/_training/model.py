"""A network together with what happens to a batch before it."""

import torch
from torch import nn

from galaxy_sklearn.augmentation._views import central_view


class ImageModel(nn.Module):
    """Standardise a raw batch, take a view of it, run the network.

    Parameters
    ----------
    network : nn.Module
        Images in, logits out.
    mean, std : ndarray of shape (n_channels,)
        Statistics of the training pixels.
    image_size : tuple of int
        (height, width) of raw images.
    field : float
        Field of view of prediction, as a fraction of the shorter side.
    """

    def __init__(self, network, mean, std, *, image_size, field):
        super().__init__()
        self.network = network
        self.field = field
        side = network.input_size
        self.size = tuple(image_size) if side is None else (side, side)
        self.register_buffer("mean", torch.as_tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("scale", 1 / torch.as_tensor(std).view(1, -1, 1, 1))

    def standardise(self, batch, layout):
        """Return a raw batch (n, height, width, n_channels) as standardised (n, c, h, w)."""
        images = batch.permute(0, 3, 1, 2).to(self.mean.dtype)
        return ((images - self.mean) * self.scale).contiguous(memory_format=layout)

    def plain_view(self, images, scale=1.0):
        """Return the view of standardised images that prediction takes."""
        return central_view(images, self.size, self.field * scale)

    def random_view(self, images, augmentation, generator, size=None):
        """Return a random view of standardised images, or the plain one without augmentation."""
        size = size or self.size
        if augmentation is None:
            return central_view(images, size, self.field)
        return augmentation(images, size, field=self.field, generator=generator)

    def forward(self, views):
        """Return logits (n, n_classes) of views (n, n_channels, height, width)."""
        return self.network(views)
