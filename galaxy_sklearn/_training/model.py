"""A network together with what happens to a batch before it."""

import numpy as np
import torch
from torch import nn

from galaxy_sklearn.augmentation._views import central_view
from galaxy_sklearn.augmentation._warp import warp


def whiten(views):
    """Return each view (n_channels, height, width) with mean 0 and deviation 1.

    A deviation below 1 / sqrt(n_pixels n_channels) counts as that, as in TensorFlow's
    `per_image_standardization`.
    """
    values = views.flatten(1)
    mean = values.mean(1)[:, None, None, None]
    deviation = values.std(1, unbiased=False).clamp_min(values.shape[1] ** -0.5)
    return (views - mean) / deviation[:, None, None, None]


class AppliedTransformer:
    """Run a transformer of images on batches of views.

    Parameters
    ----------
    transformer : transformer
        Takes and returns images, channels last.
    as_uint8 : bool
        Views hold uint8 pixels divided by 255; the transformer gets them back as they were.
    """

    def __init__(self, transformer, *, as_uint8):
        self.transformer = transformer
        self.as_uint8 = as_uint8

    def __call__(self, views):
        """Return views (n, n_channels, height, width) after the transformer, uint8 by 255."""
        images = views.permute(0, 2, 3, 1).cpu().float().numpy()
        if self.as_uint8:
            images = (images.clip(0, 1) * 255).round().astype(np.uint8)
        done = np.asarray(self.transformer.transform(images))
        result = torch.from_numpy(done).to(views.device).permute(0, 3, 1, 2).to(views.dtype)
        return result / 255 if done.dtype == np.uint8 else result


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
    finish : callable, default=None
        What is done to each batch of views last, in training and prediction alike.
    """

    def __init__(self, network, mean, std, *, image_size, field, finish=None):
        super().__init__()
        self.network = network
        self.field = field
        self.finish = finish
        side = network.input_size
        self.frame = tuple(image_size)
        self.size = self.frame if side is None else (side, side)
        self.register_buffer("mean", torch.as_tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("scale", 1 / torch.as_tensor(std).view(1, -1, 1, 1))

    def standardise(self, batch, layout):
        """Return a raw batch (n, height, width, n_channels) as standardised (n, c, h, w)."""
        images = batch.permute(0, 3, 1, 2).to(self.mean.dtype)
        return ((images - self.mean) * self.scale).contiguous(memory_format=layout)

    def standardised_range(self, ends):
        """Return raw pixel values (n_channels,) as standardised ones, a list of such."""
        ends = [torch.as_tensor(end).to(self.mean).view_as(self.mean) for end in ends]
        return [((end - self.mean) * self.scale).flatten() for end in ends]

    def raw_pixels(self, images):
        """Return standardised images as raw (n, height, width, n_channels)."""
        return (images / self.scale + self.mean).permute(0, 2, 3, 1)

    def plain_view(self, images, scale=1.0, angle=0.0):
        """Return the view of standardised images that prediction takes."""
        return self._finished(central_view(images, self.size, self.field * scale, angle))

    def random_view(self, images, augmentation, generator):
        """Return a random view of standardised images, or the plain one without augmentation."""
        if augmentation is None:
            return self.plain_view(images)
        views = augmentation(images, self.size, field=self.field, generator=generator)
        return self._finished(views)

    def whole_frame(self, views):
        """Return standardised images of the frame that `plain_view` took views of, 0 around."""
        frame, field = self.frame, self.field
        if field == 1 and tuple(views.shape[2:]) == frame:
            return views
        covered = field == 1 and frame[0] * views.shape[3] == frame[1] * views.shape[2]
        zero = views.new_zeros(len(views))
        return warp(
            views,
            frame,
            zoom=zero + 1 / field,
            angle=zero,
            mirror=zero + 1,
            shift_x=zero,
            shift_y=zero,
            fill="border" if covered else "zeros",
        )

    def _finished(self, views):
        return views if self.finish is None else self.finish(views)

    def forward(self, views):
        """Return logits (n, n_classes) of views (n, n_channels, height, width)."""
        return self.network(views)
