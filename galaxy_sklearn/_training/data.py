"""Labelled images and the batches they come in."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from galaxy_sklearn._training.device import fit_for
from galaxy_sklearn._validation import is_image_sequence, require_finite

STATISTICS_SAMPLE = 4096  # images that the pixel statistics are taken from
FIELD_SAMPLE = 512  # images that the field of view is taken from
RANGE_SAMPLE = 512  # images that the range of floating-point pixels is taken from
KEPT_BYTES = 512 * 2**20  # so many pixels are kept in memory between epochs, not decoded again


def read_rows(images, rows):
    """Return `images[rows]` as an array, decoding what is not read yet."""
    if is_image_sequence(images):
        return images.read(rows)
    return images[rows]


def read_readable(images, rows):
    """Return `images[rows]` as an array, without blanks in place of what could not be read."""
    block = np.asarray(read_rows(images, rows))
    return block[~images[rows].unreadable_] if is_image_sequence(images) else block


def decode_once(images):
    """Return images that are to be read in every epoch, kept in memory if they are few."""
    return images.in_memory() if is_image_sequence(images) and fits_memory(images) else images


def fits_memory(images):
    """Tell whether an ImageSequence has few enough pixels to be kept in memory."""
    return math.prod(images.shape) * images.dtype.itemsize <= KEPT_BYTES


def to_tensor(batch, device):
    """Return an array as a tensor on `device`; memory that must not be written to is copied."""
    batch = np.require(batch, requirements=["C", "W"])
    return fit_for(device, torch.from_numpy(batch)).to(device, non_blocking=True)


@dataclass(eq=False)
class LabelledImages(Dataset):
    """Images with one target and one weight each.

    Parameters
    ----------
    images : ndarray or ImageSequence of shape (n, height, width, n_channels)
        Raw pixels; a sequence is decoded in the first epoch only, unless it is large.
    targets : ndarray of shape (n, ...)
        What the loss compares with.
    weights : ndarray of shape (n,)
        Weight of each image in the loss.
    """

    images: object
    targets: np.ndarray
    weights: np.ndarray

    def __post_init__(self):
        self.images = decode_once(self.images)

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, rows):
        return self.images[rows], (self.targets[rows], self.weights[rows])

    def batch(self, rows, name):
        """Return ``(images, (targets, weights))`` of `rows` as tensors."""
        images = np.ascontiguousarray(read_rows(self.images, rows))
        require_finite(name, images, rows, self.images)
        targets = torch.from_numpy(self.targets[rows])
        weights = torch.from_numpy(self.weights[rows])
        return torch.from_numpy(images), (targets, weights)


def split_evenly(n_samples, batch_size):
    """Return batch bounds: equal parts of about `batch_size`, none smaller, none dropped."""
    n_batches = max(1, n_samples // batch_size)
    return np.linspace(0, n_samples, n_batches + 1).round().astype(int)


class ShuffledBatches:
    """Iterate over a data set once in a fresh order, reading one batch ahead.

    Parameters
    ----------
    dataset : LabelledImages
        What to iterate over.
    batch_size : int
        About how many images a batch holds.
    seed : int
        Seed of the order.
    name : str
        Class name for messages.
    limit : int, default=None
        Batches at most.
    """

    def __init__(self, dataset, batch_size, seed, name, limit=None):
        self.dataset = dataset
        self.seed = seed
        self.name = name
        self.bounds = split_evenly(len(dataset), batch_size)[: None if limit is None else limit + 1]

    def __len__(self):
        return len(self.bounds) - 1

    def __iter__(self):
        order = np.random.default_rng(self.seed).permutation(len(self.dataset))
        parts = [order[start:stop] for start, stop in zip(self.bounds, self.bounds[1:])]
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(self.dataset.batch, parts[0], self.name)
            for part in parts[1:]:
                batch, ahead = ahead.result(), pool.submit(self.dataset.batch, part, self.name)
                yield batch
            yield ahead.result()


def pixel_statistics(images, weights):
    """Return the weighted mean and standard deviation of each band, float64 (n_channels,).

    At most `STATISTICS_SAMPLE` images spread evenly over the set are read; blanks in place of
    files that could not be read do not count. A band without contrast gets a deviation of 1.
    """
    rows = np.flatnonzero(weights > 0)
    if len(rows) > STATISTICS_SAMPLE:
        rows = rows[np.linspace(0, len(rows) - 1, STATISTICS_SAMPLE).round().astype(int)]
    shares = weights[rows] / weights[rows].sum()
    mean, square, lost = 0.0, 0.0, 0.0
    for start in range(0, len(rows), 64):
        part = slice(start, start + 64)
        block = np.asarray(read_rows(images, rows[part]), dtype=np.float64)
        if is_image_sequence(images):
            blank = images[rows[part]].unreadable_
            lost += shares[part][blank].sum()
            shares[part][blank] = 0
        mean = mean + shares[part] @ block.mean((1, 2))
        square = square + shares[part] @ (block**2).mean((1, 2))
    if 0 < lost < 1:
        mean, square = mean / (1 - lost), square / (1 - lost)
    variance = np.maximum(square - mean**2, 0)
    flat = variance <= 1e-12 * np.maximum(square, np.finfo(np.float64).tiny)
    return mean, np.where(flat, 1.0, np.sqrt(variance))


def field_of_view(images):
    """Return how much of the frame galaxies need, a fraction of its shorter side.

    The median of up to `FIELD_SAMPLE` images, each less the median of its own border, is a mean
    galaxy without its neighbours. The square that holds 90 % of its light, 1.6 times over, is the
    field: 0.74 for cutouts of 288 pixels of the Sloan survey scaled by Galaxy Zoo, 1 for the
    cutouts of EFIGI, which their galaxies fill. 1 where none of them could be read.
    """
    rows = np.linspace(0, len(images) - 1, min(FIELD_SAMPLE, len(images))).round().astype(int)
    parts = np.array_split(np.unique(rows), -(-len(rows) // 64))
    blocks = [read_readable(images, part) for part in parts]
    grey = np.concatenate([block.mean(-1, dtype=np.float32) for block in blocks])
    if not len(grey):
        return 1.0
    border = [grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]]
    background = np.median(np.concatenate(border, axis=1), axis=1)
    light = np.maximum(np.median(grey - background[:, None, None], axis=0), 0)
    if not light.any():
        return 1.0
    height, width = light.shape
    y, x = np.abs(np.arange(height) - (height - 1) / 2), np.abs(np.arange(width) - (width - 1) / 2)
    distance = np.maximum(y[:, None], x[None, :]).ravel()
    order = np.argsort(distance, kind="stable")
    cumulated = np.cumsum(light.ravel()[order])
    reach = distance[order][np.searchsorted(cumulated, 0.9 * cumulated[-1])]
    return float(np.clip(1.6 * reach / (min(height, width) / 2), 0.3, 1.0))


def pixel_range(images):
    """Return the lowest and the highest value of each band, two arrays (n_channels,).

    Of uint8 pixels 0 and 255; of others those of up to `RANGE_SAMPLE` images, blanks in place of
    unreadable ones left out unless there is nothing else.
    """
    if images.dtype == np.uint8:
        return np.zeros(images.shape[-1]), np.full(images.shape[-1], 255.0)
    rows = np.linspace(0, len(images) - 1, min(len(images), RANGE_SAMPLE)).astype(int)
    blocks = [read_readable(images, [row]) for row in rows]
    blocks = [block for block in blocks if len(block)] or [np.zeros((1, *images.shape[1:]))]
    low = np.min([block.min((0, 1, 2)) for block in blocks], axis=0)
    high = np.max([block.max((0, 1, 2)) for block in blocks], axis=0)
    return low.astype(np.float64), high.astype(np.float64)


def as_given_kind(images, kind):
    """Return float64 pixels as those of training were: uint8, rounded, or as they are."""
    return images.clip(0, 255).round().astype(np.uint8) if kind == "uint8" else images
