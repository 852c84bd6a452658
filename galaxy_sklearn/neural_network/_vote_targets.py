"""The targets of VoteFractionRegressor: read by name, checked, and the loss that compares them."""

import warnings

import numpy as np
from sklearn.utils.validation import check_array

from galaxy_sklearn._training.vote_losses import (
    DirichletMultinomialLoss,
    FractionLoss,
    LinearHead,
    SigmoidHead,
    TreeHead,
)
from galaxy_sklearn._validation import unmasked
from galaxy_sklearn.galaxy_zoo._convert import convert_array
from galaxy_sklearn.galaxy_zoo._load import as_tree
from galaxy_sklearn.galaxy_zoo._votes import as_pandas, checked_values, sum_by_question

DIRICHLET = "dirichlet_multinomial"
_SURE = 0.01  # a start nearer to 0 or 1 than this would hold its answer there


def tree_of(estimator):
    """Return the estimator's tree, or None."""
    return None if estimator.tree is None else as_tree(estimator.tree)


def has_tree(estimator):
    """Tell that there is a tree, or raise AttributeError."""
    if estimator.tree is None:
        raise AttributeError("VoteFractionRegressor.predict_class needs a tree.")
    return True


def has_distribution(estimator):
    """Tell that the loss gives a distribution, or raise AttributeError."""
    if estimator.loss != DIRICHLET:
        raise AttributeError(
            f"VoteFractionRegressor.predict_distribution needs loss={DIRICHLET!r}."
        )
    return True


def check_options(estimator):
    """Raise ValueError if parameters contradict each other."""
    name, tree = type(estimator).__name__, tree_of(estimator)
    if estimator.output == "tree" and tree is None:
        raise ValueError(f'{name}(output="tree") needs a tree; tree is None.')
    if estimator.loss != DIRICHLET:
        return
    if estimator.output != "tree" or estimator.normalization != "softmax":
        raise ValueError(
            f'{name}(loss={DIRICHLET!r}) needs output="tree" and normalization="softmax"; got '
            f"{estimator.output!r} and {estimator.normalization!r}."
        )
    if estimator.kind != "counts" and estimator.n_votes is None:
        raise ValueError(
            f'{name}(loss={DIRICHLET!r}) needs kind="counts", or n_votes to turn fractions into '
            f"votes."
        )
    if estimator.kind != "counts" and estimator.n_votes <= 1:
        warnings.warn(
            f"{name}(n_votes={estimator.n_votes!r}) takes a galaxy's fractions for the vote of one "
            f"volunteer, which tells nothing of how far volunteers differ: its distributions are "
            f"far too sure. Give the number of volunteers, about 40 in Galaxy Zoo 2.",
            UserWarning,
            stacklevel=5,
        )


def read_targets(estimator, y, n_samples, *, reset):
    """Return `y` as checked floats (n_samples, n_outputs), of the kind given.

    Sets `answers_`, `n_outputs_` and `flat_targets` (whether y has one dimension) on the estimator
    when `reset`, and holds the number of columns against them otherwise.
    """
    name, tree = type(estimator).__name__, tree_of(estimator)
    if y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None.")
    if tree is not None:
        values, answers = checked_values(tree, y, estimator.kind, estimator.tolerance), tree.answers
        flat = False
    else:
        values, answers, flat = _read_table(estimator, y if reset else _as_fitted(estimator, y))
    if len(values) != n_samples:
        raise ValueError(f"{name} got {n_samples} images in X and {len(values)} rows in y.")
    if reset:
        estimator.answers_, estimator.n_outputs_ = answers, values.shape[1]
        estimator._flat_targets = flat
    elif values.shape[1] != estimator.n_outputs_:
        raise ValueError(
            f"{name} was fitted on {estimator.n_outputs_} columns in y and got {values.shape[1]}."
        )
    return values


def _as_fitted(estimator, y):
    """Return a table with its columns in the order of those in `fit`, if both have names."""
    answers = estimator.answers_
    if answers is None or not hasattr(y, "columns") or list(y.columns) == answers:
        return y
    if sorted(map(str, y.columns)) != sorted(map(str, answers)):
        raise ValueError(
            f"{type(estimator).__name__} was fitted on the columns {answers} of y and got "
            f"{list(y.columns)}."
        )
    return y[answers]


def _read_table(estimator, y):
    y = as_pandas(y)
    answers = list(y.columns) if hasattr(y, "columns") else None
    values = check_array(
        unmasked(y),
        ensure_2d=False,
        dtype=np.float64,
        order="C",
        ensure_all_finite="allow-nan",
        input_name="y",
    )
    flat = values.ndim == 1
    values = values.reshape(len(values), -1)
    with np.errstate(invalid="ignore"):
        bad = (values < 0) | (values > 1)
    if estimator.output == "sigmoid" and bad.any():
        row, column = np.argwhere(bad)[0]
        raise ValueError(
            f'{type(estimator).__name__}(output="sigmoid") takes fractions between 0 and 1 in y: '
            f"row {row}, column {column} holds {float(values[row, column])!r}; "
            f'output="identity" takes any numbers.'
        )
    return values, answers, flat


def require_normalized_steps(estimator, n_steps):
    """Raise ValueError if no step of training would be left to normalised outputs."""
    if 0 < n_steps <= estimator.unnormalized_steps:
        raise ValueError(
            f"{type(estimator).__name__}: unnormalized_steps={estimator.unnormalized_steps} leaves "
            f"none of the {n_steps} steps of training to normalised outputs, which it predicts "
            f"with."
        )


def as_fractions(estimator, values, kind=None):
    """Return targets as what `predict` returns: path-weighted fractions, where there is a tree."""
    tree = tree_of(estimator)
    return values if tree is None else convert_array(tree, values, kind or estimator.kind, "path")


def conditional_shares(estimator, means):
    """Return predicted path fractions, which need not keep the sum rules, as conditional ones."""
    source = "path" if estimator.output == "tree" else "counts"  # of any sum
    return convert_array(tree_of(estimator), np.clip(means, 0, None), source, "conditional")


def loss_targets(estimator, values, weights):
    """Return the rows in which anything is known, and what the loss compares with.

    Raises ValueError if nothing that has weight is known.
    """
    if estimator.loss == DIRICHLET:
        tree = tree_of(estimator)
        targets = convert_array(tree, values, estimator.kind, "counts", estimator.n_votes)
        known = (np.nan_to_num(sum_by_question(tree, targets)) > 0).any(axis=1)
    else:
        targets = as_fractions(estimator, values)
        known = ~np.isnan(targets).all(axis=1)
    if not (known & (weights > 0)).any():
        raise ValueError(
            f"{type(estimator).__name__} needs a known target that has weight: y contains NaN or "
            f"no votes wherever sample_weight is not 0."
        )
    return np.flatnonzero(known), targets


def target_statistics(targets, weights):
    """Return the weighted mean and deviation of each column's known targets, (n_outputs,)."""
    shares = np.where(np.isnan(targets), 0.0, weights[:, np.newaxis])
    total = np.maximum(shares.sum(axis=0), np.finfo(float).tiny)
    filled = np.nan_to_num(targets)
    mean = (shares * filled).sum(axis=0) / total
    variance = (shares * (filled - mean) ** 2).sum(axis=0) / total
    flat = variance <= 1e-12 * np.maximum(mean**2, np.finfo(float).tiny)
    return mean, np.where(flat, 1.0, np.sqrt(variance))


def vote_loss(estimator, mean, scale):
    """Return the loss that an estimator's parameters ask for; outputs of 0 mean `mean`."""
    if estimator.loss == DIRICHLET:
        return DirichletMultinomialLoss(_tree_head(estimator, mean))
    unit = np.ones(len(mean))
    if estimator.output == "tree":
        head = _tree_head(estimator, mean)
    elif estimator.output == "sigmoid":
        head = SigmoidHead(np.clip(mean, _SURE, 1 - _SURE))
    else:
        head, unit = LinearHead(mean, scale), scale
    return FractionLoss(head, root=estimator.loss == "rmse", unit=unit)


def _tree_head(estimator, mean):
    tree = tree_of(estimator)
    sums = sum_by_question(tree, mean[np.newaxis])[0, tree.answer_question]
    return TreeHead(
        tree.answer_question,
        tree.parent_matrix,
        tree.roots,
        tree.depth,
        start=np.clip(mean / np.where(sums > 0, sums, 1.0), _SURE, None),
        normalization=estimator.normalization,
        unnormalized_steps=estimator.unnormalized_steps,
    )
