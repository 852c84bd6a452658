"""Nets that learn from images alone: autoencoders and contrastive learning."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from galaxy_sklearn._training.data import to_tensor
from galaxy_sklearn._training.net import TrainingNet

GRID = 8  # patches along a side


def grid_of(size):
    """Return the rows and columns of patches of images (height, width), each a pixel or more."""
    return tuple(min(GRID, side) for side in size)


def n_hidden(share, n_patches):
    """Return how many of the patches are hidden for a share of them."""
    return max(1, min(n_patches - 1, round(share * n_patches)))


def as_pixels(hidden, size):
    """Return patches (n, n_patches) of bools as masks (n, 1, height, width)."""
    grid = hidden.view(-1, 1, *grid_of(size)).float()
    return F.interpolate(grid, size) > 0.5


def hide_at_random(n_images, share, size, generator, device):
    """Return masks (n, 1, height, width), True on exactly as many random patches in each image."""
    n_patches = math.prod(grid_of(size))
    chance = torch.rand(n_images, n_patches, generator=generator, device=device)
    return as_pixels(chance.argsort(1).argsort(1) < n_hidden(share, n_patches), size)


def hide_in_turn(share, size, device):
    """Yield masks (1, 1, height, width), as dense as in training, that hide each patch once."""
    n_patches = math.prod(grid_of(size))
    at_once = n_hidden(share, n_patches)
    order = np.random.default_rng(0).permutation(n_patches)
    for start in range(0, n_patches, at_once):
        hidden = torch.zeros(n_patches, dtype=torch.bool)
        hidden[order[np.arange(start, start + at_once) % n_patches]] = True
        yield as_pixels(hidden.to(device), size)


class ReconstructionLoss(nn.Module):
    """Mean squared error against the clean image, in units of each band's deviation.

    Parameters
    ----------
    denoising : float
        Deviation of the noise added to what the encoder sees, in the same units.
    masking : float
        Share of patches that the encoder does not see; the loss is taken on these alone.

    References
    ----------
    Vincent et al. (2008), ICML: denoising autoencoders. He et al. (2022), CVPR: masked
    autoencoders. Xie et al. (2022), CVPR, "SimMIM": blank patches of whole images, which a
    convolutional network can take.
    """

    def __init__(self, denoising, masking):
        super().__init__()
        self.denoising = denoising
        self.masking = masking

    def corrupt(self, views, generator):
        """Return what the encoder gets to see of views, and masks of what it does not, or None."""
        seen, hidden = views, None
        if self.denoising:
            noise = torch.randn(views.shape, generator=generator, device=views.device)
            seen = seen + self.denoising * noise.to(views.dtype)
        if self.masking:
            size = views.shape[2:]
            hidden = hide_at_random(len(views), self.masking, size, generator, views.device)
            seen = seen.masked_fill(hidden, 0)
        return seen, hidden

    def forward(self, outputs, views, hidden, weights):
        """Return the mean over the batch of weight times error, a scalar."""
        losses = mean_error(outputs, views, hidden)
        return (losses * weights.to(losses.dtype)).mean()


def mean_error(outputs, views, hidden=None):
    """Return the mean squared error of each image (n,), over hidden pixels where given."""
    square = (outputs - views).square()
    if hidden is None:
        return square.mean((1, 2, 3))
    return (square * hidden).sum((1, 2, 3)) / (hidden.sum((1, 2, 3)) * views.shape[1])


class ContrastiveLoss(nn.Module):
    """NT-Xent: find an image's other view among all views of a batch.

    Parameters
    ----------
    temperature : float
        What cosines are divided by.

    References
    ----------
    Chen et al. (2020), ICML, eq. 1.
    """

    def __init__(self, temperature):
        super().__init__()
        self.temperature = temperature

    def forward(self, first, second, weights):
        """Return the mean over two views (n, n_projection) each of weight times loss."""
        losses = self.losses(first, second)
        return (losses * weights.to(losses.dtype)).mean()

    def losses(self, first, second):
        """Return the loss of each image (n,), of two views (n, n_projection) each."""
        n = len(first)
        z = F.normalize(torch.cat([first, second]), dim=1)
        cosines = z @ z.T / self.temperature
        cosines = cosines.masked_fill(torch.eye(2 * n, dtype=torch.bool, device=z.device), -1e9)
        partners = torch.arange(2 * n, device=z.device).roll(n)
        return F.cross_entropy(cosines, partners, reduction="none").view(2, n).mean(0)


class UnlabelledNet(TrainingNet):
    """A net that learns from images alone; parameters as in `TrainingNet`."""

    def views(self, batch):
        """Return a raw batch (n, height, width, n_channels) as prediction sees it."""
        images = self.module_.standardise(to_tensor(batch, self.device), self.layout)
        return self.module_.plain_view(images).contiguous(memory_format=self.layout)

    @torch.inference_mode()
    def apply(self, function, batch):
        """Return ``function(net, batch)``, a Tensor, as a float64 array, in evaluation mode."""
        self.module_.eval()
        with self.autocast():
            return function(self, batch).cpu().double().numpy()


class AutoencoderNet(UnlabelledNet):
    """A net of an `Autoencoder`; parameters as in `TrainingNet`."""

    def compute_loss(self, images, targets, weights):
        """Return the loss of a standardised batch, and its reconstruction."""
        views = self.random_views(images)
        seen, hidden = self.criterion_.corrupt(views, self.generator)
        with self.autocast():
            outputs = self.forward_views(seen.contiguous(memory_format=self.layout))
        return self.criterion_(outputs, views, hidden, weights), outputs

    def codes(self, batch, *, pooled=False):
        """Return the codes of a raw batch, (n, n_embedding) or (n, n_pooled)."""
        network = self.module_.network
        code = network.forward_features(self.views(batch))
        return network.pool(code) if pooled else code.flatten(1)

    def images(self, codes):
        """Return raw pixels (n, height, width, n_channels) of codes, a float64 array."""
        network = self.module_.network
        codes = to_tensor(codes, self.device).to(self.module_.mean.dtype)
        code = codes.view(-1, *network.code_shape).contiguous()
        return self.module_.raw_pixels(self.module_.whole_frame(network.decode(code)))

    def errors(self, batch):
        """Return the mean squared error of each image of a raw batch, (n,).

        With masking it is that of the hidden patches, each having been hidden in turn.
        """
        views, network, masking = self.views(batch), self.module_.network, self.criterion_.masking
        if not masking:
            return mean_error(network(views), views)
        total = count = 0
        for hidden in hide_in_turn(masking, views.shape[2:], views.device):
            seen = views.masked_fill(hidden, 0).contiguous(memory_format=self.layout)
            total = total + mean_error(network(seen), views, hidden) * hidden.sum()
            count = count + hidden.sum()
        return total / count


class ContrastiveNet(UnlabelledNet):
    """A net of a `Projected` network; parameters as in `TrainingNet`."""

    def compute_loss(self, images, targets, weights):
        """Return the loss of two random views of a standardised batch, and their projections."""
        views = torch.cat([self.random_views(images), self.random_views(images)])
        with self.autocast():
            outputs = self.forward_views(views.contiguous(memory_format=self.layout))
        outputs = outputs if outputs.dtype == torch.float64 else outputs.float()
        return self.criterion_(*outputs.chunk(2), weights), outputs

    def losses(self, batch):
        """Return the loss of each image of a raw batch, of two views drawn from a fixed seed."""
        generator = torch.Generator(self.device).manual_seed(0)
        images = self.module_.standardise(to_tensor(batch, self.device), self.layout)
        views = [
            self.module_.random_view(images, self.augmentation, generator).contiguous(
                memory_format=self.layout
            )
            for _ in range(2)
        ]
        outputs = self.module_.network(torch.cat(views))
        outputs = outputs if outputs.dtype == torch.float64 else outputs.float()
        return self.criterion_.losses(*outputs.chunk(2))
