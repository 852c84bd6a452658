"""Pictures of how an estimator learned and how it groups galaxies."""

import numpy as np
from sklearn.decomposition import PCA

from galaxy_sklearn.inspection._fitted import axes, split_pipeline


class TrainingCurvesDisplay:
    """Loss and accuracy against epoch.

    Parameters
    ----------
    history : list of dict
        One entry an epoch, with the keys ``train_loss``, ``train_accuracy`` and, where a part was
        held out, ``valid_loss`` and ``valid_score``.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The picture.
    ax_ : matplotlib Axes
        The axes of the loss; those of the accuracy are `accuracy_ax_`.
    """

    _CURVES = (
        ("train_loss", "loss, training", "C0", "-"),
        ("valid_loss", "loss, validation", "C0", "--"),
        ("train_accuracy", "accuracy, training", "C1", "-"),
        ("valid_score", "accuracy, validation", "C1", "--"),
    )

    def __init__(self, history):
        self.history = history

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the curves of a fitted estimator, or of the last step of a Pipeline.

        Raises ValueError if it has no training history.
        """
        last = estimator[-1] if hasattr(estimator, "steps") else estimator
        if not hasattr(last, "history_"):
            raise ValueError(f"{type(last).__name__} has no training history: fit it first.")
        return cls(last.history_).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the curves; return the display."""
        self.ax_ = axes(ax)
        self.figure_ = self.ax_.figure
        self.accuracy_ax_ = self.ax_.twinx()
        lines = []
        for key, label, colour, style in self._CURVES:
            values = [row.get(key, np.nan) for row in self.history]
            if np.isfinite(values).any():
                where = self.ax_ if key.endswith("loss") else self.accuracy_ax_
                epochs = np.arange(1, len(values) + 1)
                lines += where.plot(epochs, values, style, color=colour, label=label)
        self.ax_.set(xlabel="epoch", ylabel="loss")
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        self.accuracy_ax_.set(ylabel="accuracy", ylim=(None, 1))
        self.ax_.legend(handles=lines, loc="center right", fontsize="small")
        return self


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
