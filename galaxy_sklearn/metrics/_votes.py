"""How far predicted vote fractions are from the counted ones."""

import numpy as np

from galaxy_sklearn._validation import unmasked
from galaxy_sklearn.galaxy_zoo._load import as_tree
from galaxy_sklearn.galaxy_zoo._votes import as_pandas, is_named, values_of


def vote_rmse(y_true, y_pred, *, sample_weight=None, multioutput="pooled", tree=None):
    """Return the root mean square error over the vote fractions that are known.

    The score of the Galaxy Zoo challenge, where every fraction of every galaxy counts the same;
    for a search, ``make_scorer(vote_rmse, greater_is_better=False, tree="gz2_kaggle")``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, n_answers) or (n_samples,)
        Fractions, NaN or masked where not known.
    y_pred : array-like of the same shape
        Predicted fractions. With a `tree`, a DataFrame whose columns have names is read by them.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each galaxy; None weighs all alike.
    multioutput : {"pooled", "raw_values"}, default="pooled"
        One number over all fractions, or one for each answer: NaN where nothing is known.
    tree : str or DecisionTree, default=None
        Reads a DataFrame of `y_true` by the names of its columns, in any order and beside others,
        as `VoteFractionRegressor.fit` does, and a Series as one galaxy. None takes the columns in
        the order of those of `y_pred`, by their names where both have some.

    Returns
    -------
    float or ndarray of shape (n_answers,)

    Raises
    ------
    ValueError
        If the shapes do not fit, or without a `tree` the names of columns; if there are no
        fractions, a prediction is NaN, a fraction in `y_true` or a weight is infinite, a weight is
        negative or NaN, nothing in `y_true` is known, or `multioutput` is another word.

    Examples
    --------
    >>> from galaxy_sklearn.metrics import vote_rmse
    >>> vote_rmse([[0.5, float("nan")], [1.0, 0.2]], [[0.5, 0.9], [1.0, 0.5]])
    0.17320508075688773
    """
    y_true, y_pred = as_pandas(y_true), as_pandas(y_pred)
    if tree is None:
        truth = np.asarray(unmasked(_in_order(y_true, y_pred)), float)
    else:
        truth = values_of(as_tree(tree), y_true)[0]
    predicted = _predictions(y_pred, tree)
    if tree is not None and predicted.ndim == 1 and len(truth) == 1:
        predicted = predicted[np.newaxis]
    if truth.shape != predicted.shape or truth.ndim not in (1, 2):
        raise ValueError(
            f"vote_rmse takes predictions of the shape of y_true, (n_samples, n_answers); got "
            f"{predicted.shape} and {truth.shape}."
        )
    if not truth.size:
        raise ValueError(f"vote_rmse needs at least one fraction; got shape {truth.shape}.")
    _refuse(np.isnan(predicted), "y_pred holds NaN")
    _refuse(np.isinf(truth), "y_true holds infinity")
    if multioutput not in ("pooled", "raw_values"):
        raise ValueError(
            f"vote_rmse takes multioutput='pooled' or 'raw_values'; got {multioutput!r}."
        )
    truth, predicted = truth.reshape(len(truth), -1), predicted.reshape(len(truth), -1)
    weights = np.ones(len(truth)) if sample_weight is None else np.asarray(sample_weight, float)
    if weights.shape != (len(truth),):
        raise ValueError(
            f"vote_rmse takes one weight a sample, of {len(truth)}; got shape {weights.shape}."
        )
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError("vote_rmse takes weights that are finite and not negative.")
    shares = np.where(np.isnan(truth), 0.0, weights[:, np.newaxis])
    if not shares.sum() > 0:
        raise ValueError("vote_rmse: nothing in y_true is known and has weight.")
    squares = shares * np.where(np.isnan(truth), 0.0, predicted - truth) ** 2
    if multioutput == "pooled":
        return float(np.sqrt(squares.sum() / shares.sum()))
    totals = np.where(shares.sum(axis=0) > 0, shares.sum(axis=0), np.nan)
    return np.sqrt(squares.sum(axis=0) / totals)


def _in_order(y_true, y_pred):
    """Return a table of `y_true` with its columns in the order of `y_pred`, if both have names."""
    true, predicted = (list(getattr(table, "columns", ())) for table in (y_true, y_pred))
    if true == predicted or not (is_named(true) and is_named(predicted)):
        return y_true
    if len(set(true)) < len(true) or set(true) != set(predicted) or len(true) != len(predicted):
        raise ValueError(
            f"vote_rmse takes tables with the same columns; got {predicted} and {true}: tree= "
            f"knows the names of catalogues, and arrays go by their order."
        )
    return y_true[predicted]


def _predictions(y_pred, tree):
    names = getattr(y_pred, "columns", ())
    if tree is not None and is_named(names):
        return values_of(as_tree(tree), y_pred)[0]
    return np.asarray(unmasked(y_pred), float)


def _refuse(wrong, what):
    """Raise ValueError if any value is wrong, naming the first such row."""
    if wrong.any():
        raise ValueError(f"vote_rmse: row {int(np.argwhere(wrong)[0, 0])} of {what}.")
