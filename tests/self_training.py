"""Self-training on shapes: estimators that its tests share."""

import numpy as np
from PIL import Image
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.decomposition import AutoencoderPretrainer
from galaxy_sklearn.semi_supervised import PseudoLabelClassifier


def some_irises():
    """Return shuffled irises, their classes, and these with all but the first 20 unlabelled."""
    X, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = X[order], y[order]
    masked = y.copy()
    masked[20:] = -1
    return X, y, masked


def linear(**params):
    """Return a linear network without random views."""
    defaults = {"augmentation": None, "max_epochs": 30, "learning_rate": 0.02, "random_state": 0}
    return GalaxyClassifier(**({"network": "linear"} | defaults | params))


def flatten(X):
    """Return images as rows of values in [0, 1]."""
    X = np.asarray(X)
    return X.reshape(len(X), -1) / 255.0


def flat():
    """Return logistic regression on pixels."""
    return make_pipeline(FunctionTransformer(flatten), LogisticRegression(max_iter=300))


def self_training(estimator, **params):
    """Return two rounds above a fixed threshold, with no limit to what they do."""
    defaults = {"threshold": 0.6, "max_divergence": None, "max_iter": 2, "random_state": 0}
    return PseudoLabelClassifier(estimator, **(defaults | params))


def outcome(model):
    """Return which labels came when, comparable."""
    return model.transduction_.tolist(), model.labeled_iter_.tolist()


def write_files(images, folder):
    """Write images as PNG files; return their names."""
    paths = [str(folder / f"{k:03d}.png") for k in range(len(images))]
    for path, image in zip(paths, images):
        Image.fromarray(image).save(path)
    return paths


class Watched(AutoencoderPretrainer):
    """Notes what it is fitted on."""

    seen = []

    def fit(self, X, y=None):
        """Note, then fit."""
        self.seen.append(np.asarray(X))
        return super().fit(X, y)
