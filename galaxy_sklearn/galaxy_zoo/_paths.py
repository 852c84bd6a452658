"""What a galaxy most likely is: the path most volunteers take, and the Hubble stage."""

import numpy as np
import pandas as pd

from galaxy_sklearn.galaxy_zoo._convert import convert_array
from galaxy_sklearn.galaxy_zoo._load import as_tree
from galaxy_sklearn.galaxy_zoo._votes import TOLERANCE, checked_values, index_of

# Willett et al. (2013), eq. 19.
_STAGE = {"bulge-size_no": 4.17, "bulge-size_obvious": -2.27, "bulge-size_dominant": -8.38}
_STAGE_AT_0 = 4.63


def chosen_answers(tree, conditional):
    """Return the place of the answer taken at each question, -1 off the path.

    An ndarray of int, (n_samples, n_questions).
    """
    return _walk(tree, conditional)[0]


def _walk(tree, conditional):
    """Return the chosen answers, and whether the path comes to each question."""
    chosen = np.full((len(conditional), len(tree.questions)), -1)
    asked = np.zeros(chosen.shape, dtype=bool)
    asked[:, 0] = True
    for question in tree.order:
        part = tree.question_slices[question]
        rows = np.flatnonzero(asked[:, question] & _is_decided(conditional[:, part]))
        best = np.nan_to_num(conditional[rows, part], nan=-1.0).argmax(axis=1)
        chosen[rows, question] = best
        nexts = tree.next_question[part.start + best]
        asked[rows[nexts >= 0], nexts[nexts >= 0]] = True
    return chosen, asked


def _is_decided(shares):
    """Tell in which rows no answer that is not known can have more votes than the known ones."""
    unknown = np.isnan(shares)
    known = np.where(unknown, 0.0, shares)
    largest, left = known.max(axis=1), 1 - known.sum(axis=1)
    return ~unknown.any(axis=1) | (~unknown.all(axis=1) & (largest > left))


def most_likely_path(votes, *, tree, kind="path", tolerance=TOLERANCE):
    """Follow at each question the answer with most votes.

    Parameters
    ----------
    votes : array-like or DataFrame of shape (n_samples, n_answers)
        See `check_votes`.
    tree : str or DecisionTree
        A name for `load_tree`, or a tree.
    kind : {"path", "conditional", "counts"}, default="path"
        What the votes are; see `convert_votes`.
    tolerance : float, default=0.005
        By how much a sum of fractions may miss what it should be.

    Returns
    -------
    DataFrame of categories of shape (n_samples, n_questions)
        The name of the answer at each question on the path, missing off it; columns in the order
        in which the questions are asked. Of two answers with the same votes, the first. A path
        ends early where the votes on the next question are not known, or so many of them are not
        that another answer could have the most.

    Raises
    ------
    ValueError
        If the votes have a fault, as in `check_votes`.

    References
    ----------
    Willett et al. (2013), MNRAS 435, 2835, appendix A: the rule behind their `gz2_class`.
    """
    tree = as_tree(tree)
    values = checked_values(tree, votes, kind, tolerance)
    chosen = chosen_answers(tree, convert_array(tree, values, kind, "conditional"))
    columns = {}
    for place in tree.order:
        question = tree.questions[place]
        names = [answer.name for answer in question.answers]
        columns[question.name] = pd.Categorical.from_codes(chosen[:, place], names)
    return pd.DataFrame(columns, index=index_of(votes))


def to_hubble_stage(votes, *, tree, kind="path", tolerance=TOLERANCE):
    r"""Estimate the Hubble stage T of disk galaxies from the prominence of their bulges.

    :math:`T = 4.63 + 4.17 p_\mathrm{no} - 2.27 p_\mathrm{obvious} - 8.38 p_\mathrm{dominant}`,
    with conditional fractions of the answers on the bulge of a disk that is not edge-on: 8.8 if
    all see none, 4.6 for a just noticeable bulge, 2.4 for an obvious and -3.8 for a dominant one.

    Parameters
    ----------
    votes : array-like or DataFrame of shape (n_samples, n_answers)
        See `check_votes`. The rule was fitted to debiased fractions.
    tree : str or DecisionTree
        A name for `load_tree`, or a tree: one of Galaxy Zoo 2. No rule is published for others.
    kind : {"path", "conditional", "counts"}, default="path"
        What the votes are; see `convert_votes`.
    tolerance : float, default=0.005
        By how much a sum of fractions may miss what it should be.

    Returns
    -------
    ndarray or Series of float of shape (n_samples,)
        T on the scale of de Vaucouleurs (-5 elliptical, 0 S0/a, 10 irregular). NaN for a galaxy
        whose most likely path does not come to the question on the bulge: smooth, edge-on, or
        no galaxy.

    Raises
    ------
    ValueError
        If no rule is published for the tree, or the votes have a fault, as in `check_votes`.

    References
    ----------
    Willett et al. (2013), MNRAS 435, 2835, eq. 19, fitted to the types of Nair & Abraham (2010).
    Where NaN is given is the choice of this package.
    """
    tree = as_tree(tree)
    if not set(_STAGE) <= set(tree.answers):
        raise ValueError(
            f"to_hubble_stage knows a published rule for Galaxy Zoo 2 only, none for tree "
            f"{tree.name!r}."
        )
    values = checked_values(tree, votes, kind, tolerance)
    conditional = convert_array(tree, values, kind, "conditional")
    stage = np.full(len(values), _STAGE_AT_0)
    for answer, slope in _STAGE.items():
        stage += slope * conditional[:, tree.answer_index(answer)]
    _, asked = _walk(tree, conditional)
    stage = np.where(asked[:, tree.question_index("bulge-size")], stage, np.nan)
    return pd.Series(stage, index=index_of(votes)) if hasattr(votes, "columns") else stage
