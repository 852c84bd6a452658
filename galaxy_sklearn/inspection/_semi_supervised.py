"""Pictures of what was learned from images without labels."""

from textwrap import fill

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from galaxy_sklearn._optional import import_optional
from galaxy_sklearn._validation import num_samples, safe_indexing
from galaxy_sklearn.inspection._fitted import at_least_one, axes
from galaxy_sklearn.inspection._galleries import CAPTION, PictureRows, read_rows, same_length

_NAMED_ROUNDS = 10  # in a legend


class PseudoLabelFlowDisplay:
    """How many labels each class got in each round of self-training.

    A class has a bar, with a piece for each round, as long as what the round added; under
    `relabel` later rounds may take some back. Rounds that were not kept are hatched. The number
    is what stands in the end, and in brackets by how many times the class's share of them is its
    share of the given labels.

    Parameters
    ----------
    history : list of dict
        `history_` of a fitted `PseudoLabelClassifier`.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The picture.
    ax_ : matplotlib Axes
        The axes.
    """

    def __init__(self, history):
        self.history = history

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the rounds of a fitted `PseudoLabelClassifier`.

        Raises ValueError if it has no rounds to draw, NotFittedError if it is not fitted.
        """
        check_is_fitted(estimator)
        history = getattr(estimator, "history_", [])
        if not history or "added" not in history[0]:
            raise ValueError(f"{type(estimator).__name__} has no rounds of self-training to draw.")
        return cls(history).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the bars; return the display. Raises ValueError if there are no rounds."""
        if not self.history:
            raise ValueError("PseudoLabelFlowDisplay needs at least one round to draw.")
        names = list(self.history[0]["added"])
        self.ax_ = axes(ax, names=names)
        self.figure_ = self.ax_.figure
        places = np.arange(len(names))[::-1]
        ends = np.zeros(len(names))
        ticker = import_optional("matplotlib.ticker", extra="inspect", feature="Drawing")
        colours = self._colours()
        for entry, colour in zip(self.history, colours):
            self._draw_round(entry, colour, places, ends)
            ends += list(entry["added"].values())
        for place, end, text in zip(places, ends, self._numbers(names)):
            self.ax_.annotate(
                text, (end, place), (3, 0), textcoords="offset points", va="center", fontsize=8
            )
        self.ax_.set_yticks(places, [str(name) for name in names])
        self.ax_.set(xlim=(0, 1.4 * max(ends.max(), 1)), ylim=(-0.6, len(names) - 0.4))
        self.ax_.xaxis.set_major_locator(ticker.MaxNLocator(5, integer=True))
        self.ax_.xaxis.set_major_formatter("{x:,.0f}")
        self.ax_.set(xlabel="pseudo-labels")
        self.ax_.set_title(self._title(), fontsize="medium")
        if self.ax_.get_legend_handles_labels()[0]:
            beside = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if ax is None else {}
            self.ax_.legend(fontsize="small", **beside)
        return self

    def _draw_round(self, entry, colour, places, starts):
        widths = np.array(list(entry["added"].values()))
        if not widths.any():
            return
        number, step = entry["round"], -(-len(self.history) // _NAMED_ROUNDS)
        kept = entry["outcome"] == "accepted"
        label = f"round {number}" if kept else f"round {number}, not kept"
        style = {"color": colour} if kept else {"facecolor": "none", "hatch": "///"}
        edge = {} if kept else {"edgecolor": "0.4"}
        named = not kept or (number - 1) % step == 0
        label = label if named else None
        self.ax_.barh(places, widths, left=starts, label=label, **style, **edge)

    def _colours(self):
        colormaps = import_optional("matplotlib", extra="inspect", feature="Drawing").colormaps
        return colormaps["viridis"](np.linspace(0.1, 0.9, len(self.history)))

    def _kept(self):
        return [entry for entry in self.history if entry["outcome"] == "accepted"]

    def _numbers(self, names):
        """Return what is written beside each bar."""
        if not self._kept():
            return ["0"] * len(names)
        last = self._kept()[-1]
        counts, growth = last["pseudo_labels"], last["amplification"]
        return [f"{counts[name]:,} ({growth[name]:.1f} x)" for name in names]

    def _title(self):
        kept, last = self._kept(), self.history[-1]
        total, divergence = 0, 0.0
        if kept:
            total, divergence = kept[-1]["n_pseudo_labels"], kept[-1]["divergence"]
        title = f"{total:,} pseudo-labels, divergence {divergence:.2f}"
        if last["outcome"] == "collapse":
            title += f"\nround {last['round']} rolled back at {last['divergence']:.2f}"
        return title


class PseudoLabelGalleryDisplay(PictureRows):
    """Images that a classifier labelled itself, a row for each class, the surest first.

    Parameters
    ----------
    rows : list of (str, list of (ndarray, str))
        Title of each row, and its images (height, width[, n_channels]) with their captions.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The picture.
    axes_ : ndarray of Axes, shape (n_rows, n_columns)
        Where each image is drawn.
    """

    @classmethod
    def from_estimator(cls, estimator, X_unlabeled, *, n_per_class=6):
        """Draw images of the pool with what a fitted `PseudoLabelClassifier` takes them for.

        Parameters
        ----------
        estimator : PseudoLabelClassifier
            Fitted.
        X_unlabeled : ndarray, ImageSequence or file names
            The pool it was fitted with; or X, if rows of X without a label were the pool. Only
            the images drawn are read.
        n_per_class : int, default=6
            Images of each class, from the surest to the least sure in equal steps.

        Returns
        -------
        PseudoLabelGalleryDisplay
            Drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If it holds no pseudo-labels, or was fitted with another number of images; if
            `n_per_class` is below 1.
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "confidence_"):
            raise ValueError(f"{type(estimator).__name__} holds no pseudo-labels to draw.")
        n_rows = len(estimator.transduction_)
        n_pool = estimator.n_unlabeled_ or n_rows
        if num_samples(X_unlabeled) != n_pool:
            raise ValueError(
                f"PseudoLabelGalleryDisplay needs the {n_pool} images that "
                f"{type(estimator).__name__} was fitted with; got {num_samples(X_unlabeled)}."
            )
        return cls.from_predictions(
            X_unlabeled,
            estimator.transduction_[n_rows - n_pool :],
            estimator.confidence_[n_rows - n_pool :],
            estimator.labeled_iter_[n_rows - n_pool :],
            n_per_class=n_per_class,
        )

    @classmethod
    def from_predictions(cls, X_unlabeled, labels, confidence, rounds, *, n_per_class=6):
        """Draw images with their pseudo-labels.

        Parameters
        ----------
        X_unlabeled : ndarray, ImageSequence or file names, n_samples images
            Only the images drawn are read.
        labels : array-like of shape (n_samples,)
            Classes; each is a row.
        confidence : array-like of shape (n_samples,)
            Probability of each.
        rounds : array-like of int, shape (n_samples,)
            Round in which each was labelled; images of 0 (given labels) and -1 (none) are left
            out.
        n_per_class : int, default=6
            Images of each class, from the surest to the least sure in equal steps.

        Returns
        -------
        PseudoLabelGalleryDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the lengths differ, there is no pseudo-label, or `n_per_class` is below 1.
        """
        at_least_one("PseudoLabelGalleryDisplay", n_per_class=n_per_class)
        labels, confidence, rounds = (np.asarray(one) for one in (labels, confidence, rounds))
        same_length(X_unlabeled, labels=labels, confidence=confidence, rounds=rounds)
        rows = []
        for name in np.unique(labels[rounds > 0]):
            members = np.flatnonzero((labels == name) & (rounds > 0))
            members = members[np.argsort(-confidence[members], kind="stable")]
            steps = np.linspace(0, len(members) - 1, min(n_per_class, len(members)))
            chosen = members[steps.round().astype(int)]
            captions = [f"{confidence[k]:.1%}\nround {rounds[k]}" for k in chosen]
            title = f"{fill(str(name), CAPTION)}\n({len(members):,} labels)"
            rows.append((title, list(zip(read_rows(X_unlabeled, chosen), captions))))
        if not rows:
            raise ValueError("PseudoLabelGalleryDisplay found no pseudo-label to draw.")
        return cls(rows).plot()


class ReconstructionDisplay(PictureRows):
    """Images above what a model makes of them, with the error below.

    Both are drawn in the brightness scale of the image.

    Parameters
    ----------
    rows : list of (str, list of (ndarray, str))
        Title of each row, and its images (height, width[, n_channels]) with their captions.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The picture.
    axes_ : ndarray of Axes, shape (2, n_images)
        Where images and reconstructions are drawn; one row where there are no reconstructions.
    """

    _LIKE_THE_FIRST_ROW = True

    @classmethod
    def from_estimator(cls, estimator, X, *, n_images=8):
        """Draw the first images as a fitted model restores them.

        Parameters
        ----------
        estimator : transformer, or Pipeline that ends in one
            Fitted. Its `inverse_transform` restores what its `transform` makes of an image, and
            `reconstruction_error` says how badly; it may have one of these only. Of a Pipeline
            that can't be inverted as a whole, such as one that reads files, the last step is
            asked, and shown with the images that it gets.
        X : array-like, ImageSequence or file names
            What the estimator takes. No more than `n_images` are read.
        n_images : int, default=8
            Images to draw.

        Returns
        -------
        ReconstructionDisplay
            Drawn. Without `reconstruction_error` errors are those of `from_predictions`.

        Raises
        ------
        ValueError
            If the estimator neither restores images nor has an error for them; if what it gets
            are no images, or what it restores has another size.
        """
        X = safe_indexing(X, np.arange(min(n_images, num_samples(X))))
        if isinstance(estimator, Pipeline) and not hasattr(estimator, "inverse_transform"):
            X = estimator[:-1].transform(X) if len(estimator) > 1 else X
            estimator = estimator[-1]
        restored = errors = None
        if hasattr(estimator, "inverse_transform"):
            restored = estimator.inverse_transform(estimator.transform(X))
        if hasattr(estimator, "reconstruction_error"):
            errors = estimator.reconstruction_error(X)
        if restored is None and errors is None:
            raise ValueError(
                f"ReconstructionDisplay needs an estimator with inverse_transform or "
                f"reconstruction_error; {type(estimator).__name__} has neither."
            )
        return cls.from_predictions(X, restored, errors)

    @classmethod
    def from_predictions(cls, images, reconstructions, errors=None):
        """Draw images and what became of them.

        Parameters
        ----------
        images : ndarray, ImageSequence or file names, n_images images
            All are drawn.
        reconstructions : array-like of as many values, or None
            In the shape of the images or one row each; None draws the images alone.
        errors : array-like of shape (n_images,), default=None
            Written below; None is the root of the mean squared difference of the pixels.

        Returns
        -------
        ReconstructionDisplay
            Drawn.

        Raises
        ------
        ValueError
            If there are no images, the lengths or sizes differ, or there are neither
            reconstructions nor errors.
        """
        if num_samples(images) == 0:
            raise ValueError("ReconstructionDisplay needs at least one image to draw.")
        images = read_rows(images, slice(None))
        rows = [("image", images)]
        if reconstructions is not None:
            rows.append(("reconstruction", _shaped_like(images, reconstructions)))
        elif errors is None:
            raise ValueError("ReconstructionDisplay needs reconstructions or errors; got neither.")
        if errors is None:
            with np.errstate(invalid="ignore"):  # infinity less infinity
                difference = rows[1][1].astype(float) - images
            errors = np.sqrt((difference**2).mean(axis=tuple(range(1, images.ndim))))
        same_length(images, errors=errors)
        captions = [f"error {error:.3g}" for error in errors]
        blank = [""] * len(images)
        drawn = [(title, list(zip(stack, blank))) for title, stack in rows[:-1]]
        title, stack = rows[-1]
        return cls([*drawn, (title, list(zip(stack, captions)))]).plot()


def _shaped_like(images, reconstructions):
    """Return reconstructions in the shape of images, and as bytes where images are bytes."""
    reconstructions = np.asarray(reconstructions)
    if reconstructions.size != images.size or len(reconstructions) != len(images):
        raise ValueError(
            f"ReconstructionDisplay needs reconstructions of the images' shape {images.shape}; "
            f"got {reconstructions.shape}."
        )
    reconstructions = reconstructions.reshape(images.shape)
    if images.dtype == np.uint8 and reconstructions.dtype != np.uint8:
        return reconstructions.clip(0, 255).round().astype(np.uint8)
    return reconstructions
