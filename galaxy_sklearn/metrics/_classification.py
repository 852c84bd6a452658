"""Precision, recall and F1 of each class, with macro and weighted averages side by side."""

from numbers import Real

import numpy as np
import pandas as pd
from scipy.special import ndtri
from sklearn.utils import check_consistent_length
from sklearn.utils.multiclass import unique_labels

from galaxy_sklearn.metrics._labels import known_labels

_SCORES = ["precision", "recall", "f1-score"]


def wilson_interval(successes, n, *, confidence=0.95):
    """Return the Wilson interval of a share.

    Parameters
    ----------
    successes : int or array-like of int
        How many of `n`.
    n : int or array-like of int
        Out of how many; nothing is known about a share of none, so 0 gives (0, 1).
    confidence : float, default=0.95
        Coverage, between 0 and 1.

    Returns
    -------
    low, high : float or ndarray
        The interval's ends.

    Raises
    ------
    ValueError
        If there are more successes than trials, a negative count, or `confidence` is out of range.

    References
    ----------
    Wilson (1927), J. Am. Stat. Assoc. 22, 209.

    Examples
    --------
    >>> low, high = wilson_interval(2742, 2880)
    >>> print(f"{low:.3f} to {high:.3f}")
    0.944 to 0.959
    """
    if not 0 < confidence < 1:
        raise ValueError(f"The confidence of wilson_interval lies in (0, 1); got {confidence!r}.")
    successes, n = np.broadcast_arrays(*(np.asarray(x, float) for x in (successes, n)))
    if (successes < 0).any() or (successes > n).any():
        raise ValueError("wilson_interval takes 0 <= successes <= n.")
    z = ndtri(0.5 + confidence / 2)
    total = n + z * z
    centre = (successes + z * z / 2) / total
    with np.errstate(divide="ignore", invalid="ignore"):
        half = z * np.sqrt(successes * (n - successes) / n + z * z / 4) / total
    half = np.where(n == 0, 0.5, half)
    low, high = np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
    return (low.item(), high.item()) if low.ndim == 0 else (low, high)


def summarize_confusion_matrix(matrix, labels=None):
    """Return the scores that follow from a confusion matrix, rows true.

    Parameters
    ----------
    matrix : array-like or DataFrame of shape (n_classes, n_classes)
        Counts; row i, column j counts galaxies of class i that were called j.
    labels : array-like of shape (n_classes,), default=None
        Class names; None takes those of the rows of a DataFrame, or numbers them.

    Returns
    -------
    pandas.DataFrame
        A row for each class, then "macro average" (each class counts alike) and "weighted
        average" (each galaxy counts alike), the last two rows whatever the classes are called.
        Columns: precision, recall, f1-score, recall_low and recall_high (its 95 % Wilson interval;
        none for the averages), support. In `attrs`: "accuracy" and "accuracy_interval". A share
        of no galaxies is 0.

    Raises
    ------
    ValueError
        If the matrix is not square, holds what is no count, has not as many rows as labels, or,
        as a DataFrame, has its columns in another order than its rows.

    Examples
    --------
    >>> table = summarize_confusion_matrix([[3, 1], [0, 2]], ["E", "S"])
    >>> table.loc["E", "recall"]
    np.float64(0.75)
    """
    if isinstance(matrix, pd.DataFrame):
        rows, columns = matrix.index.tolist(), matrix.columns.tolist()
        if rows != columns and set(rows) == set(columns):
            raise ValueError(
                f"A confusion matrix has its columns in the order of its rows; got {columns} and "
                f"{rows}."
            )
        labels = matrix.index if labels is None else labels
    matrix = _counts(matrix)
    labels = np.arange(len(matrix)) if labels is None else np.asarray(labels)
    if len(labels) != len(matrix):
        raise ValueError(f"Got {len(labels)} labels for {len(matrix)} classes.")
    right, support, called = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
    low, high = wilson_interval(right, support)
    table = pd.DataFrame(
        {
            "precision": _share(right, called),
            "recall": _share(right, support),
            "f1-score": _share(2 * right, called + support),
            "recall_low": low,
            "recall_high": high,
            "support": support,
        },
        index=pd.Index(labels, name="class", dtype=object),
    )
    total = int(support.sum())
    table = pd.concat([table, _averages(table)])
    hits = int(right.sum())
    table.attrs["accuracy"] = hits / total if total else 0.0
    table.attrs["accuracy_interval"] = wilson_interval(hits, total)
    return table


def classification_summary(y_true, y_pred, *, labels=None):
    """Return precision, recall and F1 of each class and both their averages.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True classes; like `y_pred`, a table of one column will do.
    y_pred : array-like of shape (n_samples,)
        Predicted classes. Samples that lack either (None, NaN, NA) are left out.
    labels : array-like of shape (n_classes,), default=None
        Classes in the order wanted; None is all that occur, sorted.

    Returns
    -------
    pandas.DataFrame
        As `summarize_confusion_matrix` returns.

    Raises
    ------
    ValueError
        If the lengths differ, either has several columns, no sample has both, a label that occurs
        is not among `labels`, or these name one twice.

    Examples
    --------
    >>> table = classification_summary(["E", "E", "S"], ["E", "S", "S"])
    >>> table.loc["macro average", "recall"]
    np.float64(0.75)
    """
    check_consistent_length(y_true, y_pred)
    y_true, y_pred, _ = known_labels(y_true, y_pred)
    if not len(y_true):
        raise ValueError(
            "classification_summary needs galaxies whose class is known and predicted; got none."
        )
    occurring = unique_labels(y_true, y_pred)
    labels = occurring if labels is None else np.asarray(labels)
    if len(np.unique(labels)) < len(labels):
        raise ValueError(f"Each of the labels is named once; got {labels.tolist()}.")
    missing = np.setdiff1d(occurring, labels)
    if len(missing):
        raise ValueError(f"The label {missing.tolist()[0]!r} occurs, but is not among labels.")
    place, n = pd.Index(_as_number(labels)), len(labels)
    rows, columns = (place.get_indexer(_as_number(y)) for y in (y_true, y_pred))
    cells = n * rows + columns
    return summarize_confusion_matrix(np.bincount(cells, minlength=n * n).reshape(n, n), labels)


def _as_number(labels):
    """Return True and False as 1 and 0, which they equal, and all other labels as they are."""
    return labels.astype(int) if labels.dtype == bool else labels


def _counts(matrix):
    """Return a confusion matrix as an array of int; raise ValueError if it is none."""
    try:
        matrix = np.asarray(matrix)
    except ValueError as error:
        raise ValueError("A confusion matrix is square; got rows of unequal length.") from error
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"A confusion matrix is square; got shape {matrix.shape}.")
    for one in matrix.ravel().tolist():
        if not isinstance(one, Real) or not one >= 0 or one % 1:
            raise ValueError(f"A confusion matrix holds counts; got {one!r}.")
    return matrix.astype(int)


def _averages(table):
    """Return the rows of averages below those of the classes, one of which may share a name."""
    support = table["support"].to_numpy()
    weights = {"macro average": np.ones(len(table)), "weighted average": support}
    means = [
        (table[_SCORES].T * weight).sum(axis=1) / max(weight.sum(), 1)
        for weight in weights.values()
    ]
    averages = pd.DataFrame(means, index=pd.Index(weights, name=table.index.name, dtype=object))
    return averages.assign(support=support.sum())


def _share(part, whole):
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
