"""Pictures of how well a classifier does, from an estimator or from its predictions."""

import numpy as np
from sklearn.metrics import auc, confusion_matrix, roc_curve
from sklearn.preprocessing import label_binarize
from sklearn.utils import check_consistent_length
from sklearn.utils.multiclass import unique_labels

from galaxy_sklearn._validation import labelled
from galaxy_sklearn.inspection._fitted import (
    axes,
    check_proba,
    fitted_size,
    legend_of,
    line_style,
)
from galaxy_sklearn.metrics import classification_summary, reliability_curve

_DARK = 0.6  # share of a row above which its number is drawn in white


class ConfusionMatrixDisplay:
    """Counts of true against predicted classes: rows are true.

    Cells are shaded by their share of the row, so that rare classes are seen as well; shares, by
    themselves.

    Parameters
    ----------
    matrix : ndarray of shape (n_classes, n_classes)
        Row i, column j: galaxies of class i that were called j, their weight, or a share.
    labels : array-like of shape (n_classes,)
        Class names.
    normalize : {None, "true", "pred", "all"}, default=None
        What `matrix` holds shares of: nothing (it counts), rows, columns or all.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The picture.
    ax_ : matplotlib Axes
        The axes.
    """

    def __init__(self, matrix, labels, *, normalize=None):
        self.matrix = np.asarray(matrix)
        self.labels = labels
        self.normalize = normalize

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        labels=None,
        sample_weight=None,
        normalize=None,
        display_labels=None,
        ax=None,
    ):
        """Predict `X` with a fitted classifier and draw the result against `y`.

        Parameters
        ----------
        estimator : classifier
            Fitted.
        X : array-like, ImageSequence or file names, n_samples images
            What the estimator takes.
        y : array-like of shape (n_samples,)
            True classes.
        labels : array-like of shape (n_classes,), default=None
            Classes in the order wanted; None is all that the estimator knows, in its order.
        sample_weight, normalize, display_labels, ax
            As in `from_predictions`.

        Returns
        -------
        ConfusionMatrixDisplay
            Drawn.

        Raises
        ------
        ValueError
            As `from_predictions`.
        """
        labels = estimator.classes_ if labels is None else labels
        kept = {"sample_weight": sample_weight, "normalize": normalize, "ax": ax}
        kept |= {"labels": labels, "display_labels": display_labels}
        return cls.from_predictions(y, estimator.predict(X), **kept)

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_pred,
        *,
        labels=None,
        sample_weight=None,
        normalize=None,
        display_labels=None,
        ax=None,
    ):
        """Draw predictions against the truth.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True classes.
        y_pred : array-like of shape (n_samples,)
            Predicted classes. Galaxies that lack either (None, NaN, NA) are left out.
        labels : array-like of shape (n_classes,), default=None
            Classes in the order wanted; None is all that occur, sorted.
        sample_weight : array-like of shape (n_samples,), default=None
            What each galaxy counts; None is 1.
        normalize : {None, "true", "pred", "all"}, default=None
            Draw counts, or shares of each true class (its row), of each predicted one, or of all.
        display_labels : array-like of shape (n_classes,), default=None
            Names to draw in place of `labels`, in their order.
        ax : matplotlib Axes, default=None
            Where to draw; None makes new ones.

        Returns
        -------
        ConfusionMatrixDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the lengths differ, a class occurs that is not among `labels`, these name one twice,
            `display_labels` are not as many, or `normalize` is unknown.
        """
        check_consistent_length(y_true, y_pred, sample_weight)
        y_true, y_pred, kept = labelled(y_true, y_pred)
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight)[kept]
        occurring = unique_labels(y_true, y_pred)
        labels = occurring if labels is None else np.asarray(labels)
        if len(np.unique(labels)) < len(labels):
            raise ValueError(
                f"ConfusionMatrixDisplay: each of the labels is named once; got {labels.tolist()}."
            )
        missing = np.setdiff1d(occurring, labels)
        if len(missing):
            raise ValueError(
                f"ConfusionMatrixDisplay: the class {missing.tolist()[0]!r} occurs, but is not "
                f"among the labels {labels.tolist()}."
            )
        names = labels if display_labels is None else display_labels
        if len(names) != len(labels):
            raise ValueError(
                f"ConfusionMatrixDisplay needs a display label for each of {len(labels)} classes; "
                f"got {len(names)}."
            )
        matrix = confusion_matrix(
            y_true, y_pred, labels=labels, sample_weight=sample_weight, normalize=normalize
        )
        return cls(matrix, names, normalize=normalize).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the matrix; return the display."""
        n, form = len(self.labels), "d" if self.matrix.dtype.kind in "iu" else ".3g"
        texts = [f"{value:{'.2f' if self.normalize else form}}" for value in self.matrix.ravel()]
        letters = max(map(len, texts), default=1)
        cell = 0.06 * letters + 0.12  # inches
        self.ax_ = axes(ax, n_rows=n * max(1, cell / 0.26), n_columns=n, cell=max(0.3, cell))
        self.figure_ = self.ax_.figure
        shares = self._shares()
        self.ax_.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        names = [str(label) for label in self.labels]
        self.ax_.set_xticks(range(n), names, rotation=45, ha="right", rotation_mode="anchor")
        self.ax_.set_yticks(range(n), names)
        self.ax_.set(xlabel="predicted class", ylabel="true class")
        style = {"ha": "center", "va": "center", "fontsize": fitted_size(self.ax_, n, letters)}
        for (row, column), share in np.ndenumerate(shares):
            colour = "white" if share > _DARK else "black"
            self.ax_.text(column, row, texts[row * n + column], color=colour, **style)
        return self

    def _shares(self):
        """Return what each cell is shaded by, 0 to 1."""
        if self.normalize == "all":
            return self.matrix / max(self.matrix.max(), np.finfo(float).tiny)
        if self.normalize:
            return self.matrix
        rows = self.matrix.sum(1, keepdims=True)
        return self.matrix / np.where(rows > 0, rows, 1)


class ClassAccuracyDisplay:
    """Share of each class that was found, with 95 % Wilson intervals.

    Parameters
    ----------
    summary : pandas.DataFrame
        As `galaxy_sklearn.metrics.classification_summary` returns.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The picture.
    ax_ : matplotlib Axes
        The axes.
    """

    def __init__(self, summary):
        self.summary = summary

    @classmethod
    def from_estimator(cls, estimator, X, y, *, labels=None, ax=None):
        """Predict `X` with a fitted classifier and draw the result against `y`.

        Parameters
        ----------
        estimator : classifier
            Fitted.
        X : array-like, ImageSequence or file names, n_samples images
            What the estimator takes.
        y : array-like of shape (n_samples,)
            True classes.
        labels : array-like of shape (n_classes,), default=None
            Classes in the order wanted; None is all that the estimator knows, in its order.
        ax : matplotlib Axes, default=None
            Where to draw; None makes new ones.

        Returns
        -------
        ClassAccuracyDisplay
            Drawn.

        Raises
        ------
        ValueError
            As `from_predictions`.
        """
        labels = estimator.classes_ if labels is None else labels
        return cls.from_predictions(y, estimator.predict(X), labels=labels, ax=ax)

    @classmethod
    def from_predictions(cls, y_true, y_pred, *, labels=None, ax=None):
        """Draw predictions against the truth.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True classes.
        y_pred : array-like of shape (n_samples,)
            Predicted classes. Galaxies that lack either (None, NaN, NA) are left out.
        labels : array-like of shape (n_classes,), default=None
            Classes in the order wanted; None is all that occur, sorted.
        ax : matplotlib Axes, default=None
            Where to draw; None makes new ones.

        Returns
        -------
        ClassAccuracyDisplay
            Drawn. Classes without a galaxy have no point, and no part in the mean of classes.

        Raises
        ------
        ValueError
            As `galaxy_sklearn.metrics.classification_summary`.
        """
        return cls(classification_summary(y_true, y_pred, labels=labels)).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the shares; return the display."""
        rows = self.summary.iloc[:-2]
        self.ax_ = axes(ax, names=rows.index)
        self.figure_ = self.ax_.figure
        some = rows["support"] > 0  # a class without galaxies has no share, and no part in a mean
        places = np.arange(len(rows))[::-1]
        errors = [rows["recall"] - rows["recall_low"], rows["recall_high"] - rows["recall"]]
        errors = np.clip(errors, 0, 1)[:, some]
        self.ax_.errorbar(rows["recall"][some], places[some], xerr=errors, fmt="o", capsize=3)
        macro = rows["recall"][some].mean()
        overall = self.summary.attrs["accuracy"]
        self.ax_.axvline(macro, color="C1", linestyle="--", label=f"mean of classes {macro:.3f}")
        self.ax_.axvline(overall, color="C2", linestyle=":", label=f"all galaxies {overall:.3f}")
        names = [f"{name} ({n})" for name, n in zip(rows.index, rows["support"])]
        self.ax_.set_yticks(places, names)
        self.ax_.set(xlabel="share found, 95 % interval", xlim=(None, 1.01))
        self.ax_.grid(axis="x", alpha=0.3)
        self.ax_.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
        return self


class RocCurvesDisplay:
    """One curve a class: true against false positives, that class against the rest.

    Parameters
    ----------
    curves : dict of str to (ndarray, ndarray)
        False and true positive rates by class name.

    Attributes
    ----------
    auc_ : dict of str to float
        Area under each curve.
    macro_auc_ : float
        Their mean.
    figure_ : matplotlib Figure
        The picture.
    ax_ : matplotlib Axes
        The axes.
    """

    def __init__(self, curves):
        self.curves = curves
        self.auc_ = {name: float(auc(*rates)) for name, rates in curves.items()}
        self.macro_auc_ = float(np.mean(list(self.auc_.values())))

    @classmethod
    def from_estimator(cls, estimator, X, y, *, ax=None):
        """Draw the probabilities that a fitted classifier gives `X` against the truth `y`.

        Parameters
        ----------
        estimator : classifier
            Fitted, with `predict_proba`.
        X : array-like, ImageSequence or file names, n_samples images
            What the estimator takes.
        y : array-like of shape (n_samples,)
            True classes.
        ax : matplotlib Axes, default=None
            Where to draw; None makes new ones.

        Returns
        -------
        RocCurvesDisplay
            Drawn.

        Raises
        ------
        ValueError
            As `from_predictions`, with the classes that the estimator knows.
        """
        return cls.from_predictions(
            y, estimator.predict_proba(X), classes=estimator.classes_, ax=ax
        )

    @classmethod
    def from_predictions(cls, y_true, proba, *, classes, ax=None):
        """Draw probabilities against the truth.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True classes. Galaxies without one (None, NaN, NA) are left out.
        proba : array-like of shape (n_samples, n_classes)
            Predicted probabilities.
        classes : array-like of shape (n_classes,)
            Class of each column.
        ax : matplotlib Axes, default=None
            Where to draw; None makes new ones.

        Returns
        -------
        RocCurvesDisplay
            Drawn. Classes that do not occur in `y_true`, or that are all of it, have no curve.

        Raises
        ------
        ValueError
            If no class has a curve, one occurs that is not among `classes`, or `proba` has another
            shape.
        """
        classes = np.asarray(classes)
        proba = check_proba("RocCurvesDisplay", y_true, proba, classes)
        y_true, kept = labelled(y_true)
        proba = proba[kept]
        unknown = np.setdiff1d(y_true, classes)
        if len(unknown):
            raise ValueError(
                f"RocCurvesDisplay: the class {unknown.tolist()[0]!r} occurs, but is not among the "
                f"classes {classes.tolist()}."
            )
        truth = label_binarize(y_true, classes=classes)
        if len(classes) == 2:
            truth = np.hstack([1 - truth, truth])
        curves = {
            str(name): roc_curve(truth[:, k], proba[:, k])[:2]
            for k, name in enumerate(classes)
            if 0 < truth[:, k].sum() < len(truth)
        }
        if not curves:
            raise ValueError("RocCurvesDisplay needs at least two classes in y_true.")
        return cls(curves).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the curves; return the display."""
        n = len(self.curves)
        self.ax_ = axes(ax, n_rows=min(n, 20))
        self.figure_ = self.ax_.figure
        drawn = []
        for number, (name, rates) in enumerate(self.curves.items()):
            label = f"{name} (AUC {self.auc_[name]:.4f})"
            drawn += self.ax_.plot(*rates, **line_style(number), label=label)
        self.ax_.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle=":")
        self.ax_.set(xlabel="false positive rate", ylabel="true positive rate", aspect="equal")
        self.ax_.set_title(f"one class against the rest, mean AUC {self.macro_auc_:.4f}")
        legend_of(self.ax_, drawn, own=ax is None)
        return self


class ReliabilityDisplay:
    """Accuracy against confidence; on the diagonal a classifier knows what it knows.

    Parameters
    ----------
    curve : pandas.DataFrame
        As `galaxy_sklearn.metrics.reliability_curve` returns.

    Attributes
    ----------
    error_ : float
        Expected calibration error over the bins drawn.
    figure_ : matplotlib Figure
        The picture.
    ax_ : matplotlib Axes
        The axes.
    """

    def __init__(self, curve):
        self.curve = curve
        distance = (curve["confidence"] - curve["accuracy"]).abs()
        self.error_ = float(np.average(distance, weights=curve["count"]))

    @classmethod
    def from_estimator(cls, estimator, X, y, *, n_bins=15, ax=None):
        """Draw the probabilities that a fitted classifier gives `X` against the truth `y`.

        Parameters
        ----------
        estimator : classifier
            Fitted, with `predict_proba`.
        X : array-like, ImageSequence or file names, n_samples images
            What the estimator takes.
        y : array-like of shape (n_samples,)
            True classes.
        n_bins : int, default=15
            Bins between 0 and 1.
        ax : matplotlib Axes, default=None
            Where to draw; None makes new ones.

        Returns
        -------
        ReliabilityDisplay
            Drawn.

        Raises
        ------
        ValueError
            As `from_predictions`, with the classes that the estimator knows.
        """
        proba, classes = estimator.predict_proba(X), estimator.classes_
        return cls.from_predictions(y, proba, classes=classes, n_bins=n_bins, ax=ax)

    @classmethod
    def from_predictions(cls, y_true, proba, *, classes, n_bins=15, ax=None):
        """Draw probabilities against the truth.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True classes. Galaxies without one (None, NaN, NA) are left out.
        proba : array-like of shape (n_samples, n_classes)
            Predicted probabilities.
        classes : array-like of shape (n_classes,)
            Class of each column.
        n_bins : int, default=15
            Bins between 0 and 1.
        ax : matplotlib Axes, default=None
            Where to draw; None makes new ones.

        Returns
        -------
        ReliabilityDisplay
            Drawn.

        Raises
        ------
        ValueError
            As `galaxy_sklearn.metrics.reliability_curve`.
        """
        return cls(reliability_curve(y_true, proba, classes=classes, n_bins=n_bins)).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the curve; return the display."""
        self.ax_ = axes(ax)
        self.figure_ = self.ax_.figure
        area = 20 + 200 * self.curve["count"] / self.curve["count"].sum()
        self.ax_.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle=":")
        self.ax_.plot(self.curve["confidence"], self.curve["accuracy"], alpha=0.5)
        self.ax_.scatter(self.curve["confidence"], self.curve["accuracy"], s=area)
        self.ax_.set(xlabel="confidence", ylabel="accuracy", aspect="equal")
        self.ax_.set_title(f"calibration error {self.error_:.3f}; areas: galaxies in a bin")
        return self
