"""Pictures of how an estimator learned and how it groups galaxies."""

from collections.abc import Mapping

import numpy as np
from sklearn.base import is_regressor
from sklearn.decomposition import PCA

from galaxy_sklearn._optional import import_optional
from galaxy_sklearn.inspection._fitted import (
    axes,
    legend_of,
    network_estimator,
    point_style,
    split_pipeline,
)
from galaxy_sklearn.metrics._labels import known_labels

_POINTS = {  # of one epoch alone
    "training": {"marker": "o"},
    "validation": {"marker": "s", "markersize": 10, "fillstyle": "none"},
}
_MANY = 40  # different numbers; more are drawn on a scale


class TrainingCurvesDisplay:
    """Loss and score against epoch, of one model or several.

    The score is that of the validation part, such as accuracy; where it is accuracy that of the
    training part, as augmented, is drawn too. The training loss is what is minimised, with label
    smoothing, adjustment and the weights of classes; that of the validation part is the plain
    cross-entropy of the averaged weights.

    Parameters
    ----------
    histories : dict of str to list of dict
        By name of the model; one entry an epoch, with the keys ``train_loss`` and, where they
        were recorded, ``train_accuracy``, ``valid_loss`` and ``valid_score``.
    score : str, default="accuracy"
        What ``valid_score`` is.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The picture.
    axes_ : tuple of matplotlib Axes
        Of the loss and, where one was recorded, of the score.
    """

    def __init__(self, histories, *, score="accuracy"):
        self.histories = histories
        self.score = score

    @classmethod
    def from_estimator(cls, estimator, *, axes=None):
        """Draw the curves of a fitted estimator.

        Parameters
        ----------
        estimator : fitted GalaxyClassifier, or what ends in one
            Any estimator of this package with a network, also in a Pipeline, a
            `PseudoLabelClassifier`, a `FixMatchClassifier` or a search.
        axes : matplotlib Axes or array-like of them, default=None
            As in `plot`.

        Returns
        -------
        TrainingCurvesDisplay
            Drawn.

        Raises
        ------
        TypeError
            If there are several estimators; `from_estimators` takes them.
        ValueError
            If it has no training history, or there are fewer axes than panels.
        """
        if isinstance(estimator, Mapping | list | tuple):
            raise TypeError(
                f"TrainingCurvesDisplay.from_estimator takes one fitted estimator; got a "
                f"{type(estimator).__name__}: from_estimators({{name: model}}) draws several."
            )
        return cls.from_estimators({"": estimator}, axes=axes)

    @classmethod
    def from_estimators(cls, estimators, *, axes=None):
        """Draw the curves of several fitted estimators.

        Parameters
        ----------
        estimators : dict of str to estimator
            By name, such as ``{"from scratch": one, "pretrained": other}``; each as in
            `from_estimator`.
        axes : matplotlib Axes or array-like of them, default=None
            As in `plot`.

        Returns
        -------
        TrainingCurvesDisplay
            Drawn.

        Raises
        ------
        TypeError
            If the estimators are not given by name.
        ValueError
            If one has no training history, there is none, or there are fewer axes than panels.
        """
        if not isinstance(estimators, Mapping):
            raise TypeError(
                f"TrainingCurvesDisplay.from_estimators takes fitted estimators by name, {{name: "
                f"model}}; got a {type(estimators).__name__}."
            )
        histories, scores = {}, {}
        for name, estimator in estimators.items():
            last = network_estimator(estimator)
            if last is None:
                raise ValueError(
                    f"{type(estimator).__name__} has no training history of a network: fit one "
                    f"first."
                )
            histories[name] = last.history_
            scores[_score_name(last)] = None
        return cls(histories, score=" or ".join(scores)).plot(axes=axes)

    def plot(self, axes=None):
        """Draw the curves.

        Parameters
        ----------
        axes : matplotlib Axes or array-like of them, default=None
            One for each panel: the loss and, where one was recorded, the score. None makes new
            ones.

        Returns
        -------
        TrainingCurvesDisplay
            Itself.

        Raises
        ------
        ValueError
            If there is nothing to draw, or there are fewer axes than panels.
        """
        panels, own = self._panels(), axes is None
        if own:
            pyplot = import_optional("matplotlib.pyplot", extra="inspect", feature="Drawing")
            n = len(panels)
            axes = pyplot.subplots(1, n, figsize=(4.5 * n, 3.6), squeeze=False)[1][0]
            axes[0].figure.set_layout_engine("constrained")
        axes = np.ravel(axes)
        if len(axes) < len(panels):
            names = " and ".join(title for title, _ in panels)
            raise ValueError(
                f"TrainingCurvesDisplay draws {names} and needs axes for each, {len(panels)}; got "
                f"{len(axes)}."
            )
        self.axes_ = tuple(axes[: len(panels)])
        self.figure_ = self.axes_[0].figure
        drawn = [self._draw_panel(ax, *panel) for ax, panel in zip(self.axes_, panels)]
        if len(self.histories) == 1:
            for ax, lines in zip(self.axes_, drawn):
                legend_of(ax, lines, own=own)
        else:
            legend_of(self.axes_[-1], max(drawn, key=len), own=own, inside=0)
        return self

    def _panels(self):
        """Return title and keys by part of each panel that has something to draw."""
        loss = {"training": "train_loss", "validation": "valid_loss"}
        score = {"training": "train_accuracy", "validation": "valid_score"}
        recorded = {key for rows in self.histories.values() for row in rows for key in row}
        title = self.score if "valid_score" in recorded else "accuracy"
        if title != "accuracy":
            del score["training"]
        panels = [("loss", loss), (title, score)]
        panels = [panel for panel in panels if recorded.intersection(panel[1].values())]
        if not panels:
            raise ValueError(
                f"TrainingCurvesDisplay draws {', '.join([*loss.values(), *score.values()])}; "
                f"the histories have {sorted(recorded)}."
            )
        return panels

    def _draw_panel(self, ax, title, keys):
        """Draw the curves of all models, and return their lines."""
        drawn = []
        for number, (name, history) in enumerate(self.histories.items()):
            drawn += self._draw(ax, f"C{number}", name, history, keys)
        ax.set(xlabel="epoch", ylabel=title)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(alpha=0.3)
        return drawn

    @staticmethod
    def _draw(ax, colour, name, history, keys):
        drawn = []
        for part, key in keys.items():
            values = np.array([row.get(key, np.nan) for row in history], float)
            if np.isfinite(values).any():
                epochs = np.arange(1, len(values) + 1)
                style = "-" if part == "training" else "--"
                marker = {} if len(values) > 1 else _POINTS[part]
                label = f"{name}, {part}" if name else part
                drawn += ax.plot(epochs, values, style, color=colour, label=label, **marker)
        return drawn


def _score_name(estimator):
    """Return what a network estimator's `valid_score` is."""
    scoring = getattr(estimator, "scoring", None)
    if scoring is None:
        return "negative RMSE" if is_regressor(estimator) else "accuracy"
    function = getattr(scoring, "_score_func", scoring)  # of what make_scorer returns
    return scoring if isinstance(scoring, str) else getattr(function, "__name__", "score")


class EmbeddingDisplay:
    """A map of galaxies on which alike ones lie close.

    Parameters
    ----------
    positions : ndarray of shape (n_samples, 2)
        Where each galaxy lies.
    labels : array-like of shape (n_samples,)
        What to colour it by: classes, or numbers, which get a scale where there are many or some
        are not whole; a Series gives it its name. Galaxies without a label (None, NaN, NA) are
        left out. A table of one column will do.
    method : str
        How the map was made, for the title.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The picture.
    ax_ : matplotlib Axes
        The axes.
    """

    def __init__(self, positions, labels, *, method):
        self.positions = positions
        self.labels = labels
        self.method = method

    @classmethod
    def from_estimator(cls, estimator, X, labels, *, reducer=None, ax=None):
        """Embed images with a fitted estimator and draw them on a plane.

        Parameters
        ----------
        estimator : fitted GalaxyClassifier, or what ends in one
            Makes the embeddings; any estimator of this package with a network, also in a
            Pipeline, a `PseudoLabelClassifier`, a `FixMatchClassifier` or a search.
        X : array-like or ImageSequence of n_samples images
            What the estimator takes.
        labels : array-like of shape (n_samples,)
            What to colour by.
        reducer : transformer, default=None
            Reduces embeddings to two dimensions, such as `umap.UMAP()`; None is
            `sklearn.decomposition.PCA(2)`.
        ax : matplotlib Axes, default=None
            Where to draw; None makes new ones.

        Raises
        ------
        ValueError
            If the estimator holds no fitted network, there are not as many labels as images,
            fewer than two, or the reducer does not give two dimensions.
        """
        n_labels = 0 if labels is None else len(labels)
        if n_labels != len(X):
            raise ValueError(
                f"EmbeddingDisplay takes a label an image; got {n_labels} and {len(X)}."
            )
        if reducer is None and len(X) < 2:
            raise ValueError(f"EmbeddingDisplay needs two images or more; got {len(X)}.")
        last, images = split_pipeline(estimator, X)
        reducer = PCA(2) if reducer is None else reducer
        positions = reducer.fit_transform(last.transform(images))
        return cls(positions, labels, method=type(reducer).__name__).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the map; return the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes new ones.

        Returns
        -------
        EmbeddingDisplay
            Itself.

        Raises
        ------
        ValueError
            If the positions do not have two columns, or the labels several, or all are missing.
        """
        positions = np.asarray(self.positions)
        if positions.ndim != 2 or positions.shape[1] != 2:
            raise ValueError(
                f"EmbeddingDisplay needs positions of shape (n_samples, 2); got {positions.shape}."
            )
        labels, kept = known_labels(self.labels)
        if not len(labels):
            raise ValueError("EmbeddingDisplay found no galaxy that has a label.")
        self.ax_ = axes(ax)
        self.figure_ = self.ax_.figure
        self.ax_.set(title=f"{self.method} of the embeddings", xticks=[], yticks=[])
        self.ax_.set(xlabel=f"{self.method} 1", ylabel=f"{self.method} 2")
        points, names = positions[kept], np.unique(labels)
        if _is_measured(labels, names):
            drawn = self.ax_.scatter(*points.T, s=12, alpha=0.7, c=labels)
            self.figure_.colorbar(drawn, ax=self.ax_, label=getattr(self.labels, "name", None))
            return self
        drawn = []
        for number, name in enumerate(names):
            style = {"s": 12, "alpha": 0.7, "label": str(name), **point_style(number)}
            drawn.append(self.ax_.scatter(*points[labels == name].T, **style))
        legend_of(self.ax_, drawn, own=ax is None, inside=0)
        return self


def _is_measured(labels, names):
    """Tell whether labels are numbers on a scale, not classes."""
    kind = labels.dtype.kind
    return kind in "iuf" and (len(names) > _MANY or bool((names != np.round(names)).any()))
