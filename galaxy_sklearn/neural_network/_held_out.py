"""Which images are set aside to validate each epoch."""

from numbers import Integral

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold, train_test_split
from sklearn.utils.validation import column_or_1d


def split_rows(estimator, rows, *, codes=None, groups=None):
    """Return rows to train on, and rows held out for early stopping.

    Parameters
    ----------
    estimator : GalaxyClassifier or VoteFractionRegressor
        Whose `validation_fraction` and `random_state` are taken.
    rows : ndarray of int
        What there is to share out.
    codes : ndarray of int of shape (n_samples,), default=None
        Class of each image, to have the same shares in both parts.
    groups : array-like of shape (n_samples,), default=None
        Images of one group stay in one part; the fraction is then met as nearly as folds of whole
        groups do.

    Raises
    ------
    ValueError
        If `groups` has another length, or there are too few images or groups.
    """
    name, fraction = type(estimator).__name__, estimator.validation_fraction
    seed = estimator.random_state if isinstance(estimator.random_state, Integral) else 0
    strata = None if codes is None else codes[rows]
    try:
        if groups is None:
            return train_test_split(rows, test_size=fraction, stratify=strata, random_state=seed)
        places = _whole_groups(fraction, seed, strata, groups[rows])
    except ValueError as error:
        classes = "" if codes is None else " with every class in both parts"
        raise ValueError(
            f"{name}(early_stopping=True) cannot set aside {fraction:.0%} of {len(rows)} "
            f"images{classes}: {error}"
        ) from error
    return tuple(rows[one] for one in places)


def _whole_groups(fraction, seed, strata, groups):
    if strata is None:
        splitter = GroupShuffleSplit(1, test_size=fraction, random_state=seed)
        return next(splitter.split(groups, groups=groups))
    n_groups, smaller = len(np.unique(groups)), min(fraction, 1 - fraction)
    if n_groups < 2:
        raise ValueError("there is only one group.")
    n_folds = min(max(2, round(1 / smaller)), n_groups)
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    folds = list(splitter.split(groups, strata, groups))
    if fraction > smaller:
        folds = [fold[::-1] for fold in folds]
    whole = [fold for fold in folds if all(_has_all(strata, part) for part in fold)]
    if not whole:
        raise ValueError("whole groups leave a class out of one part.")
    return min(whole, key=lambda fold: abs(len(fold[1]) - fraction * len(groups)))


def _has_all(strata, part):
    return len(np.unique(strata[part])) == len(np.unique(strata))


def check_groups(estimator, groups, n_samples):
    """Return `groups` as an array of one label an image, or None.

    Raises ValueError if there is another number of them.
    """
    if groups is None:
        return None
    groups = column_or_1d(groups, warn=True)
    if len(groups) != n_samples:
        name = type(estimator).__name__
        raise ValueError(f"{name} got {n_samples} images in X and {len(groups)} groups.")
    return groups
