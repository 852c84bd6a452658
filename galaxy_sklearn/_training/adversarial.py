"""Two networks against each other: one generates images, one tells them from real ones."""

import torch
from torch import nn
from torch.nn import functional as F

from galaxy_sklearn._training.data import to_tensor
from galaxy_sklearn._training.unlabelled import UnlabelledNet
from galaxy_sklearn.networks._d4 import turn

_PLAYERS = ("discriminator", "generator")  # in the order of their steps


class AdversarialLoss(nn.Module):
    """What each of two networks loses by the other's success.

    Parameters
    ----------
    kind : {"bce", "hinge"}
        Binary cross-entropy, in which the generator maximises the probability that its images
        look real (Goodfellow et al. 2014, section 3); or hinge (Lim & Ye 2017, section 3).
    """

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def discriminator(self, real, generated):
        """Return the discriminator's loss, a scalar, of logits of real and of generated images."""
        lose = F.softplus if self.kind == "bce" else lambda logits: F.relu(1 + logits)
        return lose(-real).mean() + lose(generated).mean()

    def generator(self, generated):
        """Return the generator's loss, a scalar, of logits of its images."""
        return F.softplus(-generated).mean() if self.kind == "bce" else -generated.mean()


class AdversarialNet(UnlabelledNet):
    """A net of a generator and a discriminator that step in turn.

    The discriminator sees the same augmentation of real and of generated images, so that the
    generator learns the images as they are (Zhao et al. 2020, NeurIPS, "Differentiable
    augmentation").

    Parameters
    ----------
    *args
        As in `TrainingNet`.
    symmetric : bool
        Turn and mirror the real images at random, but not the generated ones.
    **kwargs
        As in `TrainingNet`.
    """

    def __init__(self, *args, symmetric, **kwargs):
        self.symmetric = symmetric
        super().__init__(*args, **kwargs)

    def start_epoch(self, epoch, seed):
        """Restart the randomness of an epoch, and the counts of its record."""
        super().start_epoch(epoch, seed)
        self.totals = {}

    def settle(self, dataset):
        """Leave batch normalisation as it is: the generator has no images to take it from."""

    def learn_from(self, batch, **fit_params):
        """Let both players take a step; return the loss of the generator and its logits."""
        for self.player in _PLAYERS:
            step = super().learn_from(batch, **fit_params)
        return step

    def compute_loss(self, images, targets, weights):
        """Return the loss of the player whose turn it is, and logits of generated images."""
        to_learn = self.player == "discriminator"
        self.module_.network.discriminator.requires_grad_(to_learn)
        classes = targets.to(images.dtype)
        with torch.set_grad_enabled(not to_learn):
            views = self._augmented(self._generated(classes))
        logits = self._logits(views, classes)
        if not to_learn:
            return self.criterion_.generator(logits), logits
        real = self._logits(self._augmented(self._turned(self._resized(images))), classes)
        loss = self.criterion_.discriminator(real, logits)
        self._count(len(images), loss, real, logits)
        return loss, logits

    def _generated(self, classes):
        network = self.module_.network
        shape = (len(classes), network.code_size)
        codes = torch.randn(shape, generator=self.generator, device=self.device)
        with self.autocast():
            return network.generate(codes.to(classes.dtype), classes)

    def _logits(self, views, classes):
        with self.autocast():
            logits = self.module_.network(views, classes)
        return logits if logits.dtype == torch.float64 else logits.float()

    def _augmented(self, views):
        if self.augmentation is not None:
            size = tuple(views.shape[2:])
            views = self.augmentation(views, size, field=1.0, generator=self.generator)
        return views.contiguous(memory_format=self.layout)

    def _turned(self, images):
        """Return images under random symmetries of their frame, a square or a rectangle."""
        if not self.symmetric:
            return images
        height, width = self.module_.frame
        drawn = torch.randint(8, (len(images),), generator=self.generator, device=self.device)
        drawn = drawn if height == width else drawn // 2 * 2
        turned = torch.empty_like(images)
        for orientation in range(8):
            chosen = drawn == orientation
            turned[chosen] = turn(images[chosen], orientation)
        return turned

    def _resized(self, images):
        size = self.module_.size
        if tuple(images.shape[2:]) == size:
            return images
        return F.interpolate(images, size, mode="bilinear", antialias=True)

    def _count(self, n, loss, real, generated):
        found = {
            "discriminator_loss": loss.detach(),
            "real_recognised": (real > 0).float().mean(),
            "generated_recognised": (generated <= 0).float().mean(),
        }
        for name, value in found.items():
            self.totals[name] = self.totals.get(name, 0.0) + n * value

    def epoch_records(self):
        """Return the discriminator's loss, and the shares of images that it recognised."""
        return {name: float(total) / self.seen for name, total in self.totals.items()}

    def sample(self, codes, classes):
        """Return raw pixels (n, height, width, n_channels) of noise and one-hot classes, float64.

        Both are arrays of float32.
        """

        def generate(net, part):
            module = net.module_
            inputs = (to_tensor(one, net.device).to(module.mean.dtype) for one in part)
            images = module.network.generate(*inputs)
            if module.frame != module.size:
                images = F.interpolate(images, module.frame, mode="bilinear", antialias=True)
            return module.raw_pixels(images)

        return self.apply(generate, (codes, classes))

    def __getstate__(self):
        return super().__getstate__() | {"totals": {}}
