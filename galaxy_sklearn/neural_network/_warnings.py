"""What a training tells its user before and while it runs."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from galaxy_sklearn._training.data import read_readable

_GLANCE = 16  # images looked at


class WarningsMixin:
    """Warn of parameters and images that make a network learn something else than was meant."""

    def _warn_of_lost_checkpoints(self):
        if self.checkpoint_dir is not None and self.random_state is None:
            warnings.warn(
                f"{type(self).__name__} with a checkpoint_dir goes on with the same fit only, and "
                f"without a random_state no two fits are the same: give a number.",
                UserWarning,
                stacklevel=5,
            )

    def _warn_of_frozen_chance(self):
        params = self.network_params or {}
        begins_with_weights = self.pretrained or params.get("pretrained")
        if self.freeze not in (None, 0, "gradual") and not begins_with_weights:
            warnings.warn(
                f"{type(self).__name__}(freeze={self.freeze!r}) keeps layers as they are, and "
                f"without `pretrained` those are random numbers.",
                UserWarning,
                stacklevel=5,
            )

    def _warn_of_divergence(self, error):
        warnings.warn(
            f"Run {len(self.restart_scores_) + 1} of n_restarts={self.n_restarts} is left out: "
            f"{error}",
            ConvergenceWarning,
            stacklevel=4,
        )

    def _warn_of_idle_epochs(self, n_samples):
        if self.max_steps is None or self.max_epochs == "auto":
            return
        if self.max_steps > self.max_epochs * self._n_steps(n_samples):
            warnings.warn(
                f"{type(self).__name__} trains for max_steps={self.max_steps}, and its "
                f"max_epochs={self.max_epochs}, which are fewer, count for nothing: "
                f"max_steps=None trains for those.",
                UserWarning,
                stacklevel=5,
            )

    def _warn_of_bytes(self, dataset):
        """Warn if floats are bytes that were not divided by 255, and nothing rescales them."""
        images = dataset.images
        if self.standardize is not None or images.dtype.kind != "f":
            return
        pixels = read_readable(images, np.flatnonzero(dataset.weights > 0)[:_GLANCE])
        are_bytes = pixels.size and pixels.min() >= 0 and 1 < pixels.max() <= 255
        if are_bytes and np.array_equal(pixels, np.round(pixels)):
            warnings.warn(
                f"The images of {type(self).__name__} are whole numbers up to "
                f"{pixels.max():.0f}, kept as floats. With standardize=None uint8 images are "
                f"divided by 255 and floats are not: give uint8, or divide them.",
                UserWarning,
                stacklevel=5,
            )
