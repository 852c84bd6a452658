"""A network together with what happens to a batch before it."""

import math

import numpy as np
import torch
from sklearn.base import clone
from torch import nn

from galaxy_sklearn._training.data import pixel_statistics, read_readable
from galaxy_sklearn.augmentation._views import central_view
from galaxy_sklearn.augmentation._warp import warp

_VIEWS = 1000  # that a transformer learns from
_VIEW_VALUES = 1 << 26  # in all of them, but for the first 64
_AT_ONCE = 64


def whiten(views):
    """Return each view (n_channels, height, width) of uint8 / 255 with mean 0 and deviation 1.

    A deviation below 1 / sqrt(n_pixels n_channels) counts as that, as in TensorFlow's
    `per_image_standardization`.
    """
    values = views.flatten(1)
    mean = values.mean(1)[:, None, None, None]
    deviation = values.std(1, unbiased=False).clamp_min(values.shape[1] ** -0.5)
    return (views - mean) / deviation[:, None, None, None]


def whiten_floats(views):
    """Return each view (n_channels, height, width) in any unit with mean 0 and deviation 1.

    One whose deviation is no more than rounding becomes zeros.
    """
    image = (1, 2, 3)
    largest = views.abs().amax(image, keepdim=True)
    values = views / torch.where(largest > 0, largest, 1)
    deviation = values.std(image, unbiased=False, keepdim=True)
    deviation = torch.where(deviation > 8 * torch.finfo(values.dtype).eps, deviation, torch.inf)
    return (values - values.mean(image, keepdim=True)) / deviation


def as_images(views, *, as_uint8):
    """Return views (n, n_channels, height, width) as an array, channels last.

    Of float32, or, if they are uint8 pixels divided by 255, as those.
    """
    images = views.permute(0, 2, 3, 1).cpu().float().numpy()
    return (images.clip(0, 1) * 255).round().astype(np.uint8) if as_uint8 else images


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
        done = np.asarray(self.transformer.transform(as_images(views, as_uint8=self.as_uint8)))
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


def image_model(network, images, weights, *, standardize, owner, **size):
    """Return the model of a network, knowing the pixels of the training images.

    Parameters
    ----------
    network : nn.Module
        Images in, logits out.
    images : ndarray or ImageSequence of shape (n, height, width, n_channels)
        Raw pixels.
    weights : ndarray of shape (n,)
        Images without weight have no part.
    standardize : {"training", "image"}, transformer or None
        As in `GalaxyClassifier`.
    owner : str
        Class name for messages.
    **size
        `image_size` and `field` of the `ImageModel`.

    Raises ValueError if a transformer does not keep the shape of images.
    """
    if isinstance(standardize, str) and standardize == "training":
        return ImageModel(network, *pixel_statistics(images, weights), **size)
    as_uint8 = images.dtype == np.uint8
    mean, scale = np.zeros(images.shape[3]), 255.0 if as_uint8 else 1.0
    if isinstance(standardize, str) and not as_uint8:  # the unit that augmentations count in
        scale = math.sqrt(np.mean(pixel_statistics(images, weights)[1] ** 2))
    model = ImageModel(network, mean, mean + scale, **size)
    if isinstance(standardize, str):
        model.finish = whiten if as_uint8 else whiten_floats
    elif standardize is not None:
        views = _training_views(model, images, weights, as_uint8=as_uint8)
        transformer = clone(standardize).fit(views)
        _require_same_shape(transformer, views[:1], owner)
        model.finish = AppliedTransformer(transformer, as_uint8=as_uint8)
    return model


def _training_views(model, images, weights, *, as_uint8):
    """Return what a transformer learns from: plain views, spread evenly over the images.

    Blanks in place of files that could not be read are left out.
    """
    rows = np.flatnonzero(weights > 0)
    most = max(_AT_ONCE, _VIEW_VALUES // (images.shape[3] * math.prod(model.size)))
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _VIEWS, most)).round().astype(int)]
    views = []
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        block = np.ascontiguousarray(read_readable(images, part))
        if len(block):
            batch = model.standardise(torch.from_numpy(block), torch.contiguous_format)
            views.append(as_images(model.plain_view(batch), as_uint8=as_uint8))
    return np.concatenate(views)


def _require_same_shape(transformer, images, owner):
    done = np.shape(transformer.transform(images))
    if done != images.shape:
        raise ValueError(
            f"{owner}(standardize=...) takes a transformer that keeps the shape of images: "
            f"{type(transformer).__name__} makes {done[1:]} of {images.shape[1:]} (height, width, "
            f"n_channels). Such a step goes before the {owner} in a Pipeline."
        )
