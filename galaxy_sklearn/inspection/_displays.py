"""Pictures of how an estimator learned and how it groups galaxies."""

import numpy as np
from sklearn.decomposition import PCA

from galaxy_sklearn._optional import import_optional
from galaxy_sklearn.inspection._fitted import axes, split_pipeline


class TrainingCurvesDisplay:
    """Loss and accuracy against epoch, of one model or several.

    Parameters
    ----------
    histories : dict of str to list of dict
        By name of the model; one entry an epoch, with the keys ``train_loss``,
        ``train_accuracy`` and, where a part was held out, ``valid_loss`` and ``valid_score``.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The picture.
    axes_ : tuple of two matplotlib Axes
        Of the loss and of the accuracy.
    """

    _PANELS = (("loss", "train_loss", "valid_loss"), ("accuracy", "train_accuracy", "valid_score"))

    def __init__(self, histories):
        self.histories = histories

    @classmethod
    def from_estimator(cls, estimator, *, axes=None):
        """Draw the curves of a fitted estimator, or of the last step of a Pipeline.

        Raises ValueError if it has no training history.
        """
        return cls.from_estimators({"": estimator}, axes=axes)

    @classmethod
    def from_estimators(cls, estimators, *, axes=None):
        """Draw the curves of several fitted estimators, given by name.

        Raises ValueError if one has no training history.
        """
        histories = {}
        for name, estimator in estimators.items():
            last = estimator[-1] if hasattr(estimator, "steps") else estimator
            if not hasattr(last, "history_"):
                raise ValueError(f"{type(last).__name__} has no training history: fit it first.")
            histories[name] = last.history_
        return cls(histories).plot(axes=axes)

    def plot(self, axes=None):
        """Draw the curves into two axes, new ones by default; return the display."""
        if axes is None:
            pyplot = import_optional("matplotlib.pyplot", extra="inspect", feature="Drawing")
            axes = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")[1]
        self.axes_ = tuple(axes)
        self.figure_ = self.axes_[0].figure
        for ax, (title, *keys) in zip(self.axes_, self._PANELS):
            for number, (name, history) in enumerate(self.histories.items()):
                self._draw(ax, f"C{number}", name, history, keys)
            ax.set(xlabel="epoch", ylabel=title)
            ax.xaxis.get_major_locator().set_params(integer=True)
            ax.grid(alpha=0.3)
            if ax.get_legend_handles_labels()[0]:
                ax.legend(fontsize="small")
        return self

    @staticmethod
    def _draw(ax, colour, name, history, keys):
        for key, part, style in zip(keys, ("training", "validation"), ("-", "--")):
            values = np.array([row.get(key, np.nan) for row in history], float)
            if np.isfinite(values).any():
                epochs = np.arange(1, len(values) + 1)
                marker = "o" if len(values) == 1 else None
                label = f"{name}, {part}" if name else part
                ax.plot(epochs, values, style, color=colour, label=label, marker=marker)


class EmbeddingDisplay:
    """A map of galaxies on which alike ones lie close.

    Parameters
    ----------
    positions : ndarray of shape (n_samples, 2)
        Where each galaxy lies.
    labels : array-like of shape (n_samples,)
        What to colour it by.
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
        estimator : fitted GalaxyClassifier, or Pipeline ending in one
            Makes the embeddings.
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
            If the estimator holds no fitted network.
        """
        last, images = split_pipeline(estimator, X)
        reducer = PCA(2) if reducer is None else reducer
        positions = reducer.fit_transform(last.transform(images))
        return cls(positions, labels, method=type(reducer).__name__).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the map; return the display."""
        self.ax_ = axes(ax)
        self.figure_ = self.ax_.figure
        labels = np.asarray(self.labels)
        for number, name in enumerate(np.unique(labels)):
            x, y = self.positions[labels == name].T
            self.ax_.scatter(x, y, s=12, alpha=0.7, color=f"C{number}", label=str(name))
        self.ax_.set(title=f"{self.method} of the embeddings", xticks=[], yticks=[])
        self.ax_.legend(fontsize="small")
        return self
