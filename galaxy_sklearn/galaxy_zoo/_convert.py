"""Votes as path-weighted fractions, conditional fractions and counts, and back."""

import numpy as np

from galaxy_sklearn.galaxy_zoo._load import as_tree
from galaxy_sklearn.galaxy_zoo._votes import (
    TOLERANCE,
    checked_values,
    index_of,
    like,
    numbers_by_name,
    question_weights,
    require_kind,
    sum_by_question,
)


def _divide(tree, values, totals):
    """Divide each answer by its question's total; NaN where that is 0."""
    totals = np.where(totals > 0, totals, np.nan)
    return values / totals[:, tree.answer_question]


def _path_from_conditional(tree, conditional):
    path = np.empty_like(conditional)
    for question in tree.order:
        part, parents = tree.question_slices[question], tree.parents[question]
        if not len(parents):
            path[:, part] = conditional[:, part]
            continue
        weight = path[:, parents].sum(axis=1, keepdims=True)
        path[:, part] = np.where(weight == 0, 0.0, weight * conditional[:, part])
    return path


def _n_votes(tree, n_votes, n_samples):
    """Return `n_votes` as (n_samples, 1) or (n_samples, n_questions), checked."""
    if n_votes is None:
        raise ValueError("convert_votes needs n_votes to turn fractions into counts.")
    numbers = np.asarray(n_votes, dtype=float)
    if numbers.ndim == 0:
        numbers = np.full(n_samples, numbers)
    if numbers.ndim == 1:
        numbers = numbers[:, np.newaxis]
    if numbers.shape not in ((n_samples, 1), (n_samples, len(tree.questions))):
        raise ValueError(
            f"convert_votes takes n_votes as a number, ({n_samples},) or ({n_samples}, "
            f"{len(tree.questions)}); got shape {np.shape(n_votes)}."
        )
    if (numbers < 0).any() or np.isinf(numbers).any():
        raise ValueError("convert_votes takes n_votes that are finite and not negative.")
    return numbers


def _counts(tree, values, source, n_votes):
    numbers = _n_votes(tree, n_votes, len(values))
    if numbers.shape[1] == 1:  # volunteers, who each follow one path
        shares = values if source == "path" else _path_from_conditional(tree, values)
    else:
        shares = convert_array(tree, values, source, "conditional")
        numbers = numbers[:, tree.answer_question]
    return np.where(numbers == 0, 0.0, numbers * shares)


def convert_array(tree, values, source, target, n_votes=None):
    """Convert an array of votes; see `convert_votes`."""
    if source == target:
        return values
    if target == "counts":
        return _counts(tree, values, source, n_votes)
    if source == "counts":
        conditional = _divide(tree, values, sum_by_question(tree, values))
    elif source == "path":
        conditional = _divide(tree, values, question_weights(tree, values))
    else:
        conditional = values
    return conditional if target == "conditional" else _path_from_conditional(tree, conditional)


def convert_votes(votes, *, tree, source, target, n_votes=None, tolerance=TOLERANCE):
    r"""Turn one kind of vote into another, exactly.

    Three kinds describe a galaxy. *Conditional* fractions :math:`c_a` are the shares among those
    who were asked a question, and sum to 1 (Hart, Zoobot, GZ DECaLS). *Path* fractions
    :math:`p_a = w_q c_a` are weighted by :math:`w_q`, the share of all volunteers who were asked
    it: the sum of the path fractions of the answers that lead there, 1 for the first question
    (Kaggle). *Counts* are numbers of votes :math:`n_a`.

    Parameters
    ----------
    votes : array-like or DataFrame of shape (n_samples, n_answers)
        An array has its columns in the order of ``tree.answers``; a DataFrame may have them in
        any order, beside others, under the tree's own names or those of one of its catalogues;
        a Series is one galaxy, see `check_votes`.
    tree : str or DecisionTree
        A name for `load_tree`, or a tree. Fractions from the Kaggle file: ``"gz2_kaggle"``.
    source : {"path", "conditional", "counts"}
        What `votes` are.
    target : {"path", "conditional", "counts"}
        What to return.
    n_votes : array-like, default=None
        Needed to turn fractions into counts: volunteers, as a number or (n_samples,), each of
        whom follows one path to its end; or votes on each question, (n_samples, n_questions), as
        from `question_votes`. The columns of a DataFrame are read by the questions' names, and
        its rows, as those of a Series, by their labels where `votes` is a DataFrame too.
    tolerance : float, default=0.005
        By how much a sum of fractions may miss what it should be.

    Returns
    -------
    ndarray or DataFrame of shape (n_samples, n_answers)
        As `votes`; a DataFrame has the columns ``tree.answers`` and the rows of `votes`. An
        array of one row for a Series.
        Conditional fractions of a question that nobody was asked are NaN; on the way back, they
        are path fractions of 0. What depends on a NaN is NaN.

    Raises
    ------
    ValueError
        If the votes have a fault, as in `check_votes`; if a kind is unknown; if `n_votes` is
        missing, of another shape, negative or infinite, or has other columns or row labels.

    Notes
    -----
    Path to conditional and back changes no value by more than rounding (1e-15), even where the
    file's sums are off by its own rounding. The sums of conditional fractions are then off by more
    where few were asked: of fractions rounded to three decimals a larger `tolerance` is needed on
    the way back. Counts come back from conditional fractions with their `question_votes`.

    References
    ----------
    Dieleman, Willett & Dambre (2015), MNRAS 450, 1441, sec. 4: path-weighted fractions.
    Willett et al. (2013), MNRAS 435, 2835, sec. 3: conditional fractions.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxy_sklearn.galaxy_zoo import DecisionTree, Question, Answer, convert_votes
    >>> arms = Question("arms", (Answer("yes"), Answer("no")))
    >>> disk = Question("disk", (Answer("yes", next="arms"), Answer("no")))
    >>> tree = DecisionTree("small", (disk, arms))
    >>> convert_votes([[0.8, 0.2, 0.6, 0.2]], tree=tree, source="path", target="conditional")
    array([[0.8 , 0.2 , 0.75, 0.25]])
    """
    tree = as_tree(tree)
    require_kind("source", source)
    require_kind("target", target)
    values = checked_values(tree, votes, source, tolerance)
    if n_votes is not None:
        n_votes = numbers_by_name(tree, n_votes, index_of(votes))
    return like(votes, convert_array(tree, values, source, target, n_votes), tree.answers)


def question_votes(counts, *, tree):
    """Return how many votes each question has.

    Parameters
    ----------
    counts : array-like or DataFrame of shape (n_samples, n_answers)
        Numbers of votes; see `check_votes`.
    tree : str or DecisionTree
        A name for `load_tree`, or a tree.

    Returns
    -------
    ndarray or DataFrame of shape (n_samples, n_questions)
        Sums over the answers of each question; NaN where one is not known.

    Raises
    ------
    ValueError
        As in `check_votes`.
    """
    tree = as_tree(tree)
    values = checked_values(tree, counts, "counts", TOLERANCE)
    names = [question.name for question in tree.questions]
    return like(counts, sum_by_question(tree, values), names)
