"""Does a confidence of 90 % come true in 90 of 100 cases?"""

from numbers import Integral

import numpy as np
import pandas as pd

from galaxy_sklearn.galaxy_zoo._votes import as_pandas, is_named
from galaxy_sklearn.metrics._labels import known_labels

_SUM_TOLERANCE = 1e-3


def reliability_curve(y_true, proba, *, classes, n_bins=15):
    """Return accuracy against confidence, in bins of equal width.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True classes; samples without one (None, NaN, NA) are left out.
    proba : array-like of shape (n_samples, n_classes)
        Predicted probabilities; each row sums to 1. A DataFrame whose columns have names is read
        by those of the classes.
    classes : array-like of shape (n_classes,)
        Class of each column.
    n_bins : int, default=15
        Bins between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        One row for each bin that is not empty: confidence (mean highest probability), accuracy,
        count.

    Raises
    ------
    ValueError
        If the shapes do not fit, there are no samples or bins, a row holds no probabilities or
        sums to other than 1 within 0.001, columns have other names than `classes`, or a class
        occurs that is not among them.
    """
    classes = np.asarray(classes)
    proba = np.asarray(_by_class(proba, classes), float)
    if proba.shape != (len(y_true), len(classes)) or not len(y_true):
        raise ValueError(
            f"reliability_curve takes one row of {len(classes)} probabilities a sample, of "
            f"{len(y_true)} samples; got {proba.shape}."
        )
    wrong = ~((proba >= 0) & (proba <= 1 + 1e-6)).all(axis=1)  # NaN too
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"reliability_curve takes probabilities between 0 and 1; row {row} holds "
            f"{proba[row].tolist()}."
        )
    if not isinstance(n_bins, Integral) or n_bins < 1:
        raise ValueError(f"reliability_curve needs a whole number of bins; got {n_bins!r}.")
    y_true, kept = known_labels(y_true)
    if not len(y_true):
        raise ValueError("reliability_curve needs samples whose class is known; all are missing.")
    unknown = np.setdiff1d(y_true, classes)
    if len(unknown):
        raise ValueError(
            f"reliability_curve: the class {unknown.tolist()[0]!r} occurs, but is not among the "
            f"classes {classes.tolist()}."
        )
    sums = proba.sum(axis=1)
    wrong = np.abs(sums - 1) > _SUM_TOLERANCE
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"reliability_curve takes probabilities that sum to 1 over the classes; those of row "
            f"{row} sum to {sums[row]:.6g}."
        )
    proba = proba[kept]
    confidence = proba.max(1)
    frame = pd.DataFrame(
        {
            "bin": np.minimum((confidence * n_bins).astype(int), n_bins - 1),
            "confidence": confidence,
            "accuracy": classes[proba.argmax(1)] == y_true,
        }
    )
    groups = frame.groupby("bin")
    return groups.mean().assign(count=groups.size()).reset_index(drop=True)


def _by_class(proba, classes):
    """Return a table of probabilities with its columns in the order of classes, if it has names."""
    proba = as_pandas(proba)
    if not is_named(getattr(proba, "columns", ())):
        return proba
    names, found = [str(name) for name in classes.tolist()], list(map(str, proba.columns))
    if sorted(found) != sorted(names):
        raise ValueError(
            f"reliability_curve takes a table with the classes {names} as its columns; got "
            f"{found}: an array goes by their order."
        )
    return proba if found == names else proba.set_axis(found, axis=1)[names]


def expected_calibration_error(y_true, proba, *, classes, n_bins=15):
    """Return the mean distance between confidence and accuracy.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True classes; samples without one (None, NaN, NA) are left out.
    proba : array-like of shape (n_samples, n_classes)
        Predicted probabilities, as for `reliability_curve`.
    classes : array-like of shape (n_classes,)
        Class of each column.
    n_bins : int, default=15
        Bins between 0 and 1.

    Returns
    -------
    float
        Between 0 (calibrated) and 1.

    Raises
    ------
    ValueError
        As `reliability_curve`.

    References
    ----------
    Guo et al. (2017), ICML, "On calibration of modern neural networks", equation 3.
    """
    curve = reliability_curve(y_true, proba, classes=classes, n_bins=n_bins)
    distance = (curve["confidence"] - curve["accuracy"]).abs()
    return float(np.average(distance, weights=curve["count"]))
