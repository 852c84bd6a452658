"""Reach the network inside a fitted Pipeline, and what all pictures need."""

import numpy as np
from sklearn.pipeline import Pipeline

from galaxy_sklearn._optional import import_optional

_INNER = ("estimator_", "best_estimator_")  # of what learns from a pool, and of a search


def split_pipeline(estimator, X):
    """Return the network estimator at the end of `estimator`, and `X` as it arrives there.

    Goes through Pipelines, classifiers around another one, and searches for the best one. Raises
    ValueError if there is no fitted network at the end.
    """
    last = require_network(estimator)
    for step in _unwrapped(estimator)[:-1]:
        X = step.transform(X)
    return last, X


def require_network(estimator):
    """Return the fitted network estimator at the end of `estimator`; ValueError without one."""
    last = network_estimator(estimator)
    if last is None:
        raise ValueError(
            f"{type(estimator).__name__} holds no fitted network: fit a GalaxyClassifier, or what "
            f"ends in one, first."
        )
    return last


def network_estimator(estimator):
    """Return the fitted network estimator at the end of `estimator`, or None."""
    last = _unwrapped(estimator)[-1]
    return last if hasattr(last, "net_") else None


def _unwrapped(estimator):
    """Return the transformers inside a fitted estimator, and the estimator that they end in."""
    steps = []
    while not hasattr(estimator, "net_"):
        inner = [getattr(estimator, name) for name in _INNER if hasattr(estimator, name)]
        if inner:
            estimator = inner[0]
        elif isinstance(estimator, Pipeline):
            steps += [step for _, step in estimator.steps[:-1] if step not in (None, "passthrough")]
            estimator = estimator.steps[-1][1]
        else:
            break
    return [*steps, estimator]


def check_proba(name, y_true, proba, classes):
    """Return probabilities as an array; raise ValueError if they do not fit labels and classes."""
    proba = np.asarray(proba, float)
    if proba.shape != (len(y_true), len(classes)):
        raise ValueError(
            f"{name} takes one row of {len(classes)} probabilities a sample, of {len(y_true)} "
            f"samples; got {proba.shape}."
        )
    return proba


def at_least_one(name, **counts):
    """Raise ValueError if one of `counts`, by its parameter, is below 1."""
    for parameter, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} needs {parameter} of at least 1; got {count!r}.")


def axes(ax, *, n_rows=0, n_columns=0):
    """Return the given axes or new ones, larger where so many names have to stand at them."""
    if ax is not None:
        return ax
    pyplot = import_optional("matplotlib.pyplot", extra="inspect", feature="Drawing")
    size = max(6.4, 0.3 * n_columns + 2), max(4.8, 0.26 * n_rows + 1.5)
    return pyplot.subplots(figsize=size, layout="constrained")[1]


def line_style(number):
    """Return colour and dashes in which the curve of a class differs from 39 others."""
    return {"color": f"C{number % 10}", "linestyle": ("-", "--", ":", "-.")[number // 10 % 4]}


def outside(ax, n_names):
    """Put the legend of many names beside the axes, in columns, without crushing them."""
    if n_names <= 10:
        return ax.legend(fontsize="small", loc="best")
    columns = -(-n_names // 20)
    legend = ax.legend(
        fontsize="x-small", loc="upper left", bbox_to_anchor=(1.01, 1), ncols=columns
    )
    legend.set_in_layout(n_names <= 40)
    return legend
