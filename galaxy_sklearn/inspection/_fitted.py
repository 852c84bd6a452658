"""Reach the network inside a fitted Pipeline."""

import numpy as np
from sklearn.pipeline import Pipeline

from galaxy_sklearn._optional import import_optional


def split_pipeline(estimator, X):
    """Return the network estimator at the end of `estimator`, and `X` as it arrives there.

    Raises ValueError if the last step holds no fitted network.
    """
    last = estimator
    if isinstance(estimator, Pipeline):
        last = estimator[-1]
        X = estimator[:-1].transform(X) if len(estimator) > 1 else X
    if not hasattr(last, "net_"):
        raise ValueError(
            f"{type(last).__name__} holds no fitted network: fit a GalaxyClassifier, or a Pipeline "
            f"that ends in one, first."
        )
    return last, np.asarray(X)


def axes(ax):
    """Return the given axes or new ones."""
    if ax is not None:
        return ax
    pyplot = import_optional("matplotlib.pyplot", extra="inspect", feature="Drawing")
    return pyplot.subplots(layout="constrained")[1]
