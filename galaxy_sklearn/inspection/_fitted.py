"""Reach the network inside a fitted Pipeline, and what all pictures need."""

import numpy as np
from sklearn.pipeline import Pipeline

from galaxy_sklearn._optional import import_optional

_INNER = ("estimator_", "best_estimator_")  # of what learns from a pool, and of a search
_DASHES = ("-", "--", ":", "-.")
_MARKERS = "os^D"
_LETTER = 0.65  # width of a digit in units of the font size


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
    if np.isnan(proba).any():
        row = int(np.flatnonzero(np.isnan(proba).any(1))[0])
        raise ValueError(f"{name} needs probabilities; row {row} has NaN.")
    return proba


def as_picture(image):
    """Return an image (height, width[, n_channels]) with one band or three: else their mean."""
    image = image if image.ndim == 3 else image[..., np.newaxis]
    return image if image.shape[-1] in (1, 3) else image.mean(-1, keepdims=True)


def contrast_limits(image):
    """Return the numbers drawn black and white: percentiles, for a bright star hides the rest."""
    finite = image[np.isfinite(image)]
    return tuple(np.percentile(finite, [0.5, 99.5])) if finite.size else (0.0, 0.0)


def at_least_one(name, **counts):
    """Raise ValueError if one of `counts`, by its parameter, is below 1."""
    for parameter, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} needs {parameter} of at least 1; got {count!r}.")


def axes(ax, *, n_rows=0, n_columns=0, cell=0.3, names=()):
    """Return the given axes or new ones, larger where so many names have to stand at them.

    Columns are `cell` inches wide; `names` stand beside the rows.
    """
    if ax is not None:
        return ax
    pyplot = import_optional("matplotlib.pyplot", extra="inspect", feature="Drawing")
    longest = max((len(str(name)) for name in names), default=0)
    width = max(6.4, cell * n_columns + 2) + 0.09 * max(0, longest - 20)
    size = width, max(4.8, 0.26 * max(n_rows, len(names)) + 1.5)
    return pyplot.subplots(figsize=size, layout="constrained")[1]


def line_style(number):
    """Return colour and dashes in which the curve of a class differs from 39 others.

    Neighbours differ in both, for readers who do not tell the colours apart.
    """
    return {"color": f"C{number % 10}", "linestyle": _DASHES[_second(number)]}


def point_style(number):
    """Return colour and marker in which the points of a class differ from 39 others."""
    return {"color": f"C{number % 10}", "marker": _MARKERS[_second(number)]}


def _second(number):
    return (number % 10 + number // 10) % 4


def legend_of(ax, drawn, *, own, inside=6):
    """Put a legend into the axes, or one of many names beside them, in columns.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw it.
    drawn : list of matplotlib Artist
        What has a label.
    own : bool
        The figure was made for these axes: it grows by the legend beside them.
    inside : int, default=6
        So many names stand in the axes.
    """
    if len(drawn) <= inside:
        return ax.legend(handles=drawn, fontsize="small", loc="best")
    columns = -(-len(drawn) // 20)
    size = "small" if len(drawn) <= 10 else "x-small"
    place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1)}
    legend = ax.legend(handles=drawn, fontsize=size, ncols=columns, **place)
    if own:
        width = legend.get_window_extent().width / ax.figure.dpi
        ax.figure.set_figwidth(ax.figure.get_figwidth() + width)
        if ax.get_aspect() != "auto":  # square axes do not give way
            ax.set_anchor("W")
            ax.figure.draw_without_rendering()
            ax.figure.set_figwidth(legend.get_window_extent().x1 / ax.figure.dpi + 0.1)
    else:
        legend.set_in_layout(len(drawn) <= 40)  # more would crush the axes
    return legend


def fitted_size(ax, n_columns, n_letters):
    """Return the font size in points at which `n_letters` fit a column of an image in `ax`."""
    figure = ax.get_figure(root=True)
    figure.draw_without_rendering()  # lays the axes out
    width = ax.get_window_extent().width / figure.dpi * 72 / n_columns
    return min(10.0, 0.9 * width / (_LETTER * max(n_letters, 1)))
