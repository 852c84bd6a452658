"""Whether labels that a model gave itself keep the class shares, and are right."""

import numpy as np
import pandas as pd
from sklearn.utils import check_consistent_length

from galaxy_sklearn._validation import missing_labels, unmasked
from galaxy_sklearn.metrics._classification import wilson_interval


def pseudo_label_health(y_pseudo, y_labeled, y_true=None):
    """Return class shares of pseudo-labels against those of the given labels.

    Self-training that feeds on its own mistakes shows it here first: the class it likes grows
    (amplification above 1), the others starve, the divergence rises.

    Parameters
    ----------
    y_pseudo : array-like of shape (n_pseudo,)
        Labels that a model gave; -1 is none, so that `transduction_` of a pool can be passed.
    y_labeled : array-like of shape (n_labeled,)
        Labels given by people; -1, None and NaN are none, so that the y of `fit` can be passed.
    y_true : array-like of shape (n_pseudo,), default=None
        What the galaxies of `y_pseudo` truly are; None, NaN and NA, where that is not known, have
        no part in the precision.

    Returns
    -------
    pandas.DataFrame
        A row for each class. Columns: labeled, pseudo (counts), prior, share (of the labelled
        and of the pseudo-labels), amplification (share over prior), and, if `y_true` is given,
        precision (share of right ones, NaN where no truth is known). In `attrs`: "divergence"
        (Kullback-Leibler, of the shares to the prior, in nats; 0 without pseudo-labels) and
        "max_amplification"; with `y_true` also "precision" and its "precision_interval" (95 %,
        Wilson).

    Raises
    ------
    ValueError
        If the lengths differ, there are no labels, or a pseudo-label is of a class without one,
        or is missing.

    Examples
    --------
    >>> health = pseudo_label_health(["E", "S", "S", "S"], ["E", "S"])
    >>> print(health.loc["S", "amplification"], round(health.attrs["divergence"], 3))
    1.5 0.131
    """
    missing = missing_labels(y_pseudo)
    y_pseudo, y_labeled = np.asarray(y_pseudo), _labels_only(y_labeled)
    classes, labeled = np.unique(y_labeled, return_counts=True)
    if len(classes) == 0:
        raise ValueError("pseudo_label_health needs at least one label in y_labeled.")
    if missing.any():
        raise ValueError(
            f"pseudo_label_health needs -1 where a row has no pseudo-label; row {missing.argmax()} "
            f"of y_pseudo lacks one."
        )
    given = np.array([one not in (-1, "-1") for one in y_pseudo.tolist()], dtype=bool)
    codes = pd.Index(classes).get_indexer(y_pseudo[given])
    if (codes < 0).any():
        raise ValueError(
            f"pseudo_label_health got the pseudo-label {y_pseudo[given][codes < 0][0]!r}, which "
            f"is not among the classes {classes.tolist()}."
        )
    table = _shares(classes, labeled, np.bincount(codes, minlength=len(classes)))
    if y_true is not None:
        check_consistent_length(y_pseudo, y_true)
        known = ~missing_labels(y_true)
        rows = given & known
        truth = np.asarray(unmasked(y_true), dtype=object)[rows]
        right = (y_pseudo[rows].astype(object) == truth).astype(bool)
        _add_precision(table, codes[known[given]], right)
    return table


def _labels_only(y):
    """Return the labels that are one, as `PseudoLabelClassifier` reads them."""
    missing = missing_labels(y)
    y = np.asarray(y, dtype=object)[~missing] if missing.any() else np.asarray(y)
    given = [one not in (-1, "-1") for one in y.tolist()]
    return y[np.array(given, dtype=bool)]


def class_divergence(counts, prior):
    """Return the Kullback-Leibler divergence of the shares of `counts` to `prior`, in nats.

    Parameters
    ----------
    counts : ndarray of shape (n_classes,)
        How often each class occurs; 0 in all gives a divergence of 0.
    prior : ndarray of shape (n_classes,)
        Shares expected, all above 0.
    """
    if counts.sum() == 0:
        return 0.0
    counted = counts > 0
    shares = counts[counted] / counts.sum()
    return float((shares * np.log(shares / prior[counted])).sum())


def amplification(counts, prior):
    """Return the share of each class among `counts` over its `prior`; 1 where nothing is counted.

    Parameters are those of `class_divergence`.
    """
    return np.ones(len(prior)) if counts.sum() == 0 else counts / counts.sum() / prior


def _shares(classes, labeled, pseudo):
    prior = labeled / labeled.sum()
    growth = amplification(pseudo, prior)
    table = pd.DataFrame(
        {
            "labeled": labeled,
            "pseudo": pseudo,
            "prior": prior,
            "share": growth * prior if pseudo.sum() else np.zeros(len(prior)),
            "amplification": growth,
        },
        index=pd.Index(classes, name="class", dtype=object),
    )
    table.attrs["divergence"] = class_divergence(pseudo, prior)
    table.attrs["max_amplification"] = float(growth.max())
    return table


def _add_precision(table, codes, right):
    hits, known = (np.bincount(one, minlength=len(table)) for one in (codes[right], codes))
    table["precision"] = hits / np.where(known > 0, known, np.nan)
    n = len(right)
    table.attrs["precision"] = right.mean().item() if n else float("nan")
    table.attrs["precision_interval"] = wilson_interval(int(right.sum()), n)
