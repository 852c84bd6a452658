"""Training on labelled images and a pool at once: FixMatch."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch.nn import functional as F

from galaxy_sklearn._training.data import read_rows
from galaxy_sklearn._training.device import fit_for
from galaxy_sklearn._training.net import TrainingNet
from galaxy_sklearn._validation import require_finite

_SHARES_DECAY = 0.99  # of the running class shares of the guesses
_PRIOR_SHARE = 0.1  # of the labels' in what the pool's class shares are taken to be


class ConsistencyNet(TrainingNet):
    """A net that also learns to name distorted images of a pool as it names the plain ones.

    Parameters
    ----------
    module, **kwargs
        As in `TrainingNet`.
    pool : ndarray or ImageSequence of shape (n, height, width, n_channels)
        Images without labels, read in batches.
    strong : callable
        Augmentation of the images that the network is to name.
    ratio : int
        Images of the pool in a step, for each labelled one.
    threshold : float
        Probability from which on the name of the plain image counts.
    unlabeled_weight : float
        Weight of this loss against that of the labelled images.
    prior : ndarray of shape (n_classes,)
        Class shares of the labelled images.
    alignment : {"labels", "pool"} or None
        Class shares that the names are aligned to: `prior`, those that the pool seems to have, or
        none.
    """

    def __init__(
        self,
        module,
        *,
        pool,
        strong,
        ratio,
        threshold,
        unlabeled_weight,
        prior,
        alignment,
        **kwargs,
    ):
        self.pool = pool
        self.strong = strong
        self.ratio = ratio
        self.threshold = threshold
        self.unlabeled_weight = unlabeled_weight
        self.prior = prior
        self.alignment = alignment
        super().__init__(module, **kwargs)

    def prepare(self, n_steps):
        """Initialise for a run of `n_steps` optimiser steps, or of unknown length where None."""
        shares = torch.as_tensor(self.prior, dtype=torch.float32)
        if self.alignment == "labels":
            shares = torch.full_like(shares, 1 / len(shares))
        self.module.register_buffer("guess_shares", shares)
        super().prepare(n_steps)
        self.executor = ThreadPoolExecutor(1)
        self.ahead = None
        return self

    def settle(self, dataset):
        """Leave batch normalisation as it is: the labelled images alone are few."""

    def start_epoch(self, epoch, seed):
        """Freeze what rests in an epoch, and restart all its randomness from `seed`."""
        super().start_epoch(epoch, seed)
        self.rows = np.random.default_rng([seed, 1])
        self.ahead = None
        self.n_guessed = self.n_used = 0

    def epoch_records(self):
        """Return what else is recorded: the part of the pool that counted, and its classes."""
        records = {"unlabeled_share": float(self.n_used) / max(self.n_guessed, 1)}
        if self.alignment == "pool":
            records["pool_shares"] = self._pool_shares().tolist()
        return records

    def _read(self, rows):
        images = np.ascontiguousarray(read_rows(self.pool, rows))
        require_finite(self.owner, images, rows, self.pool)
        return torch.from_numpy(images)

    def _pool_batch(self, n_images):
        """Return a random batch of the pool, standardised; the next one is read meanwhile."""

        def draw():
            rows = self.rows.integers(len(self.pool), size=n_images * self.ratio)
            return self.executor.submit(self._read, np.sort(rows))

        batch = fit_for(self.device, (self.ahead or draw()).result()).to(self.device)
        self.ahead = draw()
        return _with_content(self.module_.standardise(batch, self.layout))

    @torch.no_grad()
    def _guess(self, images):
        """Return classes of plain images by the averaged weights, and whether each is sure."""
        views = self.random_views(images)
        with self.averaged_weights(), self.autocast():
            self.module_.eval()
            logits = self.module_(views).float()
        self._set_training(True)
        self.freezer.rest()
        proba = self._align(torch.softmax(logits + self.criterion_.adjustment.float(), 1))
        confidence, codes = proba.max(1)
        return codes, confidence >= self.threshold

    def _align(self, proba):
        """Return probabilities under the shares that are aligned to, and learn these."""
        shares, prior = self.module_.guess_shares, self._prior()
        if self.alignment is None:
            return proba
        if self.alignment == "labels":
            shares.lerp_(proba.mean(0), 1 - _SHARES_DECAY)
            return F.normalize(proba * (prior / shares.clamp_min(1e-12)), p=1, dim=1)
        proba = F.normalize(proba * self._pool_ratio(), p=1, dim=1)
        shares.lerp_(proba.mean(0), 1 - _SHARES_DECAY)
        return proba

    def _prior(self):
        return torch.as_tensor(self.prior).to(self.module_.guess_shares)

    def _pool_shares(self):
        return torch.lerp(self.module_.guess_shares, self._prior(), _PRIOR_SHARE)

    def _pool_ratio(self):
        """Return shares in the pool over those that are learned; 1 for classes without weight.

        What is learned are the shares of the labels, times the weights of their classes.
        """
        learned = F.normalize(self._prior() * self.criterion_.class_weight.float(), p=1, dim=0)
        return torch.where(learned > 0, self._pool_shares() / learned.clamp_min(1e-12), 1.0)

    def _shift(self):
        """Return what turns logits for labelled images into logits for the pool's."""
        if self.alignment != "pool":
            return self.criterion_.adjustment
        return self.criterion_.adjustment + torch.log(self._pool_ratio())

    def compute_loss(self, images, targets, weights):
        """Return the loss of both kinds of images, and the outputs of the labelled ones."""
        if self.pool is None:  # further passes after the fit: the pool is not kept
            return super().compute_loss(images, targets, weights)
        pool = self._pool_batch(len(images))
        codes, sure = self._guess(pool)
        with torch.no_grad():
            distorted = self.module_.random_view(pool, self.strong, self.generator)
        views = torch.cat([self.random_views(images), distorted])
        with self.autocast():
            outputs = self.forward_views(views.contiguous(memory_format=self.layout))
        outputs = outputs if outputs.dtype == torch.float64 else outputs.float()
        labelled, unlabelled = outputs[: len(images)], outputs[len(images) :]
        adjusted = unlabelled + self._shift().to(unlabelled.dtype)
        losses = F.cross_entropy(adjusted, codes, reduction="none")
        self.n_guessed += len(sure)
        self.n_used += sure.sum()
        consistency = (losses * sure).mean()
        supervised = self.criterion_(labelled, targets, weights)
        return supervised + self.unlabeled_weight * consistency, labelled

    def finish(self):
        """Keep the averaged weights and drop all that only training needs."""
        super().finish()
        del self.module_.guess_shares
        self.executor.shutdown()
        self.pool = self.executor = self.ahead = self.rows = None
        return self


def _with_content(images):
    """Return as many images (n, n_channels, height, width), blank ones replaced by others."""
    pixels = images.flatten(2)
    varied = torch.nonzero((pixels.amax(2) > pixels.amin(2)).any(1)).flatten()
    if len(varied) in (0, len(images)):
        return images
    return images[varied[torch.arange(len(images), device=images.device) % len(varied)]]
