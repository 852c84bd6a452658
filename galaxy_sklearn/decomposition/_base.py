"""What the estimators that learn from images alone have in common."""

import os
from numbers import Real

import numpy as np
from sklearn.utils.validation import check_is_fitted

from galaxy_sklearn._training.data import LabelledImages
from galaxy_sklearn._training.device import PRECISIONS
from galaxy_sklearn._training.optimizers import OPTIMIZERS
from galaxy_sklearn._training.pretrained import save_trunk, trunk_of
from galaxy_sklearn._training.schedules import SCHEDULES
from galaxy_sklearn._validation import (
    FRACTION,
    NON_NEGATIVE,
    POSITIVE,
    POSITIVE_INT,
    Interval,
    StrOptions,
    fit_context,
    validate_images,
)
from galaxy_sklearn.neural_network._embedding import ImageNetEstimator


class Pretrainer(ImageNetEstimator):
    """Train a network on images without labels; subclasses say what it learns from them.

    A subclass defines `_make_network`, `_make_criterion`, `_net_class` and the public methods
    beyond those here.
    """

    _parameter_constraints: dict = {
        "network": [str],
        "network_params": [dict, None],
        "image_shape": ["array-like", None],
        "field": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="right")],
        "augmentation": [StrOptions({"galaxy"}), callable, None],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "optimizer_params": [dict, None],
        "learning_rate": [POSITIVE],
        "schedule": [StrOptions(set(SCHEDULES)), callable],
        "weight_decay": [NON_NEGATIVE],
        "max_epochs": [POSITIVE_INT, StrOptions({"auto"})],
        "max_steps": [POSITIVE_INT, None],
        "batch_size": [POSITIVE_INT, StrOptions({"auto"})],
        "ema_decay": [FRACTION, None],
        "warm_start": ["boolean"],
        "checkpoint_dir": [str, os.PathLike, None],
        "device": [str],
        "precision": [StrOptions({"auto", *PRECISIONS})],
        "compile": ["boolean"],
        "callbacks": [list, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    @fit_context
    def fit(self, X, y=None):
        """Train a fresh network; a second call forgets the first, unless `warm_start`.

        Parameters
        ----------
        X : array-like or ImageSequence
            Images (n_samples, height, width, n_channels), (n_samples, height, width), or rows of
            pixels (n_samples, n_pixels); uint8 0..255 or finite floating-point values. An
            `ImageSequence` is read in batches and never held as a whole.
        y : ignored
            For pipelines.

        Returns
        -------
        self : estimator

        Raises
        ------
        TypeError
            If X holds file names.
        ValueError
            If X is empty or holds NaN or infinity; if a parameter is out of range; if the network
            does not take such images.
        """
        again = self._goes_on()
        images = validate_images(self, X, reset=not again)
        self._train(_unlabelled(images), 1)
        return self

    @fit_context
    def partial_fit(self, X, y=None):
        """Take one pass over some images, at a tenth of the learning rate.

        Parameters
        ----------
        X : array-like or ImageSequence
            Images, as in `fit`.
        y : ignored
            For pipelines.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            As in `fit`; if the images differ in shape or pixel kind from those of the first call.
        """
        images = validate_images(self, X, reset=not hasattr(self, "net_"))
        self._train_further(_unlabelled(images), 1)
        return self

    def _by_batch(self, function, X):
        """Return ``function(net, batch)`` of the batches of `X`, a list of arrays."""
        check_is_fitted(self)
        net = self.net_.place(self._device())
        return [net.apply(function, batch) for batch in self._checked_batches(X)]

    def trunk_weights(self):
        """Return the encoder's tensors by the names that a classifier's network gives them.

        Returns
        -------
        dict of str to Tensor
            All of it fits `GalaxyClassifier` with the same network, which takes it as
            ``pretrained=FrozenEstimator(fitted)``.
        """
        check_is_fitted(self)
        return trunk_of(self.net_.module_.network)

    def save_weights(self, path):
        """Write the encoder's weights to a file that a classifier takes as ``pretrained=path``.

        Parameters
        ----------
        path : path-like
            Ends in ``.safetensors``; written as a whole or not at all. Safe to open, unlike what
            `save` writes, and nothing but the encoder.

        Raises
        ------
        NotFittedError
            If nothing is fitted yet.
        ValueError
            If the name ends otherwise.
        FileNotFoundError
            If there is no such folder.
        """
        save_trunk(self.trunk_weights(), path)


def _unlabelled(images):
    n = len(images)
    return LabelledImages(images, np.empty((n, 0)), np.ones(n))
