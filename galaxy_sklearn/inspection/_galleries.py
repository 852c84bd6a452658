"""Pictures of the galaxies themselves."""

from textwrap import fill

import cv2
import numpy as np
from sklearn.utils import check_random_state

from galaxy_sklearn._optional import import_optional
from galaxy_sklearn._validation import is_band_table, is_paths, labelled
from galaxy_sklearn.images._sequence import ImageSequence
from galaxy_sklearn.inspection._fitted import (
    as_picture,
    at_least_one,
    axes,
    check_proba,
    contrast_limits,
)
from galaxy_sklearn.inspection._steps import are_images, preparation_stages
from galaxy_sklearn.metrics._labels import known_labels

_SIDE = 1.4  # inches of one small picture
_DETAIL = 512  # pixels of its longer side that can be seen
CAPTION = 18  # letters that fit under it


class ClassCountsDisplay:
    """How many galaxies each class has.

    Parameters
    ----------
    counts : dict of str to int
        By class name, in the order to draw.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The picture.
    ax_ : matplotlib Axes
        The axes.
    """

    def __init__(self, counts):
        self.counts = counts

    @classmethod
    def from_estimator(cls, estimator, X, *, ax=None):
        """Count and draw the classes that a fitted classifier gives `X`, the largest first.

        Parameters
        ----------
        estimator : classifier
            Fitted.
        X : array-like, ImageSequence or file names, n_samples images
            What the estimator takes.
        ax : matplotlib Axes, default=None
            Where to draw; None makes new ones.

        Returns
        -------
        ClassCountsDisplay
            Drawn.
        """
        return cls.from_predictions(estimator.predict(X), ax=ax)

    @classmethod
    def from_predictions(cls, y, *, ax=None):
        """Count and draw labels, true or predicted, the largest class first.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Classes. Missing ones (None, NaN, NA) are left out.
        ax : matplotlib Axes, default=None
            Where to draw; None makes new ones.

        Returns
        -------
        ClassCountsDisplay
            Drawn.

        Raises
        ------
        ValueError
            If no galaxy has a label.
        """
        names, counts = np.unique(labelled(y)[0], return_counts=True)
        if not len(names):
            raise ValueError("ClassCountsDisplay found no galaxy that has a label.")
        order = np.argsort(-counts, kind="stable")
        return cls({str(names[k]): int(counts[k]) for k in order}).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the bars; return the display."""
        self.ax_ = axes(ax, names=self.counts)
        self.figure_ = self.ax_.figure
        places = np.arange(len(self.counts))[::-1]
        bars = self.ax_.barh(places, list(self.counts.values()))
        total = max(sum(self.counts.values()), 1)
        shares = [f"{count:,} ({count / total:.1%})" for count in self.counts.values()]
        self.ax_.bar_label(bars, shares, padding=3, fontsize="small")
        self.ax_.set_yticks(places, list(self.counts))
        self.ax_.margins(x=0.4)
        self.ax_.set(xlabel="galaxies")
        return self


class PictureRows:
    """Small pictures in rows, a caption under each.

    Bytes are drawn as they are, grey ones up to the brightest. Other numbers are stretched in each
    picture from its 0.5th to its 99.5th percentile, so that one bright star does not hide the
    rest. Images of other than one or three bands are drawn as the mean of their bands.

    Parameters
    ----------
    rows : list of (str, list of (ndarray, str))
        Title of each row, and its images (height, width[, n_channels]) with their captions.
    """

    _LIKE_THE_FIRST_ROW = False  # stretch all images of a column as the one on top

    def __init__(self, rows):
        self.rows = rows

    def plot(self):
        """Draw the pictures; return the display."""
        pyplot = import_optional("matplotlib.pyplot", extra="inspect", feature="Drawing")
        columns = max(len(images) for _, images in self.rows)
        lines = max(caption.count("\n") + 1 for _, row in self.rows for _, caption in row)
        height = _SIDE + 0.16 * lines
        self.figure_, self.axes_ = pyplot.subplots(
            len(self.rows),
            columns,
            figsize=(_SIDE * columns + 1.2, height * len(self.rows)),
            squeeze=False,
            layout="constrained",
        )
        for row, (title, images) in enumerate(self.rows):
            for column, ax in enumerate(self.axes_[row]):
                ax.set(xticks=[], yticks=[])
                ax.spines[:].set_visible(False)
                if column < len(images):
                    image, caption = images[column]
                    like = self.rows[0][1][column][0] if self._LIKE_THE_FIRST_ROW else image
                    ax.imshow(**_shown(image, like))
                    ax.set_xlabel(caption, fontsize="x-small")
            self.axes_[row, 0].set_ylabel(title, fontsize="small")
        return self


class GalleryDisplay(PictureRows):
    """Small pictures in rows, a caption under each.

    Parameters
    ----------
    rows : list of (str, list of (ndarray, str))
        Title of each row, and its images (height, width, n_channels) with their captions.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The picture.
    axes_ : ndarray of Axes, shape (n_rows, n_columns)
        Where each image is drawn.
    """

    @classmethod
    def from_labels(cls, X, y, *, ids=None, n_per_class=6, random_state=None):
        """Draw some galaxies of each class, captioned by their ids.

        Parameters
        ----------
        X : ndarray, ImageSequence or file names, n_samples images
            Only the images drawn are read. Fluxes show faint arms after a step such as
            `~galaxy_sklearn.preprocessing.AsinhStretch`.
        y : array-like of shape (n_samples,)
            Classes; each is a row. Galaxies without one (None, NaN, NA) are left out. A table of
            one column will do.
        ids : array-like of shape (n_samples,), default=None
            Captions; None numbers the galaxies.
        n_per_class : int, default=6
            Galaxies of each class.
        random_state : int, RandomState instance or None, default=None
            Seed of the choice.

        Returns
        -------
        GalleryDisplay
            Drawn.

        Raises
        ------
        ValueError
            If `y` or `ids` has another length than `X`, `y` has several columns, no galaxy has a
            label, or `n_per_class` is below 1.
        """
        at_least_one("GalleryDisplay.from_labels", n_per_class=n_per_class)
        ids = np.arange(len(y)) if ids is None else np.asarray(ids)
        same_length(X, y=y, ids=ids)
        y, kept = known_labels(y)
        known = np.flatnonzero(kept)
        rng = check_random_state(random_state)
        rows = []
        for name in np.unique(y):
            members = known[y == name]
            chosen = np.sort(rng.permutation(members)[:n_per_class])
            captions = [fill(str(one), CAPTION) for one in ids[chosen]]
            rows.append((fill(str(name), CAPTION), list(zip(read_rows(X, chosen), captions))))
        if not rows:
            raise ValueError("GalleryDisplay.from_labels found no galaxy that has a label.")
        return cls(rows).plot()

    @classmethod
    def from_steps(cls, estimator, X, *, random_state=None):
        """Draw galaxies as each step on their way to the network leaves them.

        Steps of a Pipeline are followed as long as what they return are images. Where it ends in
        a network estimator, a random view as in training follows, with one after another of what
        its `augmentation` does to that, then what `standardize` makes of it, and last the plain
        view that prediction takes, standardized too. Views are drawn on the scale of their galaxy,
        so that changes of brightness show; numbers that are no longer pixels on their own.

        Parameters
        ----------
        estimator : estimator
            A Pipeline, a network estimator, or a classifier around one. What is not fitted learns
            what it needs, such as a mean image, from `X`, and no weights are fetched for a
            network.
        X : array-like
            A few images or file names, as the estimator takes them; each is a row.
        random_state : int, RandomState instance or None, default=None
            Seed of the random views.

        Returns
        -------
        GalleryDisplay
            Drawn.

        Raises
        ------
        ValueError
            If no step returns images.
        """
        stages = preparation_stages(estimator, X, random_state)
        if not stages:
            raise ValueError("GalleryDisplay.from_steps found no step that returns images.")
        rows = [("", [(images[k], name) for name, images in stages]) for k in range(len(X))]
        return cls(rows).plot()


class MistakeGalleryDisplay(PictureRows):
    """Galaxies that were called something else, a row for each true class, the surest first.

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
    def from_estimator(cls, estimator, X, y, *, ids=None, n_per_class=6):
        """Draw what a fitted classifier takes for something else than `y`.

        Parameters
        ----------
        estimator : classifier
            Fitted, with `predict_proba`.
        X : ndarray, ImageSequence or file names, n_samples images
            What the estimator takes.
        y : array-like of shape (n_samples,)
            True classes; each that was mistaken is a row.
        ids : array-like of shape (n_samples,), default=None
            First line of the captions; None numbers the galaxies.
        n_per_class : int, default=6
            Mistakes of each class.

        Returns
        -------
        MistakeGalleryDisplay
            Drawn.

        Raises
        ------
        ValueError
            If a length differs from that of `X`, there is no mistake to show, or `n_per_class` is
            below 1.
        """
        proba, classes = estimator.predict_proba(X), estimator.classes_
        kept = {"ids": ids, "n_per_class": n_per_class}
        return cls.from_predictions(X, y, proba, classes=classes, **kept)

    @classmethod
    def from_predictions(cls, X, y_true, proba, *, classes, ids=None, n_per_class=6):
        """Draw the galaxies of each class that were called something else, the surest first.

        Parameters
        ----------
        X : ndarray, ImageSequence or file names, n_samples images
            Only the images drawn are read.
        y_true : array-like of shape (n_samples,)
            True classes; each that was mistaken is a row. Galaxies without one (None, NaN, NA) are
            left out. A table of one column will do.
        proba : array-like of shape (n_samples, n_classes)
            Predicted probabilities.
        classes : array-like of shape (n_classes,)
            Class of each column.
        ids : array-like of shape (n_samples,), default=None
            First line of the captions; None numbers the galaxies.
        n_per_class : int, default=6
            Mistakes of each class.

        Returns
        -------
        MistakeGalleryDisplay
            Drawn.

        Raises
        ------
        ValueError
            If a length or shape does not fit, a probability is NaN, `y_true` has several columns,
            there is no mistake to show, or `n_per_class` is below 1.
        """
        at_least_one("MistakeGalleryDisplay", n_per_class=n_per_class)
        classes = np.asarray(classes)
        ids = np.arange(len(y_true)) if ids is None else np.asarray(ids)
        same_length(X, y_true=y_true, ids=ids)
        proba = check_proba("MistakeGalleryDisplay", y_true, proba, classes)
        y_true, kept = known_labels(y_true)
        place, proba = np.flatnonzero(kept), proba[kept]
        called, confidence = classes[proba.argmax(1)], proba.max(1)
        rows = []
        for name in np.unique(y_true[called != y_true]):
            wrong = np.flatnonzero((y_true == name) & (called != name))
            chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:n_per_class]
            names = [fill(f"{called[k]} {confidence[k]:.0%}", CAPTION) for k in chosen]
            captions = [
                f"{fill(str(ids[place[k]]), CAPTION)}\n{text}" for k, text in zip(chosen, names)
            ]
            title = f"{fill(str(name), CAPTION)}\n({len(wrong)} mistaken)"
            rows.append((title, list(zip(read_rows(X, place[chosen]), captions))))
        if not rows:
            raise ValueError("MistakeGalleryDisplay found no mistake to show.")
        return cls(rows).plot()


def same_length(X, **others):
    """Raise ValueError if there are not as many of each of `others`, by name, as images `X`."""
    for name, values in others.items():
        if len(values) != len(X):
            raise ValueError(f"Got {len(X)} images, but {len(values)} of {name}.")


def read_rows(X, rows):
    """Return the images of `rows`, an ndarray; no other is read.

    Raises ValueError if `X` is neither images nor names of image files.
    """
    if is_paths(X) or is_band_table(X):
        X = ImageSequence.from_files(X)
    if not are_images(X):
        raise ValueError(f"A gallery needs images or file names; got {type(X).__name__}.")
    return np.asarray(X[rows])


def _shown(image, like):
    """Return an image (height, width[, n_channels]) as `imshow` takes it.

    Numbers are stretched to `contrast_limits` of the image `like`; bytes from 0 to the largest, in
    colour not at all.
    """
    image, like = (_reduced(as_picture(one)) for one in (image, like))
    whole = image.dtype == np.uint8
    low, high = (0, like.max()) if whole else contrast_limits(like)
    high = high if high > low else low + 1
    if image.shape[-1] == 3:
        if whole:
            return {"X": image}
        return {"X": np.nan_to_num((image - low) / (high - low), nan=0.5).clip(0, 1)}
    image = np.nan_to_num(image, nan=(low + high) / 2)  # what is not known is grey
    return {"X": image[..., 0], "cmap": "gray", "vmin": low, "vmax": high}


def _reduced(image):
    """Return an image (height, width, 1 or 3), without detail that a small picture cannot show."""
    height, width = image.shape[:2]
    part = _DETAIL / max(height, width)
    if part >= 1:
        return image
    size = max(1, round(width * part)), max(1, round(height * part))
    image = image if image.dtype == np.uint8 else image.astype(np.float32)
    reduced = cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)
    return reduced.reshape(*reduced.shape[:2], -1)
