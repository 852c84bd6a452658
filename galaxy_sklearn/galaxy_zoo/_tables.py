"""Published tables of votes: one quantity read, columns named anew."""

import numpy as np
import pandas as pd

from galaxy_sklearn.galaxy_zoo._convert import convert_array
from galaxy_sklearn.galaxy_zoo._load import as_tree
from galaxy_sklearn.galaxy_zoo._votes import (
    TOLERANCE,
    as_pandas,
    index_of,
    numbers_by_name,
    require_consistent,
    require_kind,
    sum_by_question,
    take_columns,
    values_of,
)


def read_votes(
    table, *, tree, catalogue, quantity="fraction", kind=None, n_votes=None, tolerance=TOLERANCE
):
    """Take one quantity of all answers from a published table of votes.

    Parameters
    ----------
    table : DataFrame
        The catalogue as published; other columns are passed over.
    tree : str or DecisionTree
        A name for `load_tree`, or a tree.
    catalogue : str
        Whose column names the table has: ``"kaggle"`` (path fractions), ``"hart16"`` (conditional
        fractions and counts of Hart et al. 2016), ``"zoobot"`` (galaxy-datasets),
        ``"walmsley2022"`` (GZ DECaLS), ``"walmsley2023"`` (GZ DESI).
    quantity : str, default="fraction"
        ``"fraction"`` is raw; ``"weighted_fraction"`` (hart16) weighs volunteers by how well they
        agree; ``"debiased"`` (hart16, walmsley2022) is corrected for what distance hides;
        ``"count"`` and ``"weight"`` (hart16) are votes and weighted votes.
    kind : {"path", "conditional", "counts"}, default=None
        What to return; None is what the catalogue holds.
    n_votes : array-like, default=None
        Number of votes where fractions become counts; see `convert_votes`.
    tolerance : float, default=0.005
        By how much a sum of fractions may miss what it should be.

    Returns
    -------
    DataFrame of shape (n_samples, n_answers)
        Columns ``tree.answers``, rows as in `table`. NaN for answers that the catalogue lacks
        (Zoobot: what is odd), and for conditional fractions of a question that nobody was asked,
        for which Hart et al. print 0 at each answer.

    Raises
    ------
    ValueError
        If the tree has no such catalogue or quantity, or as in `check_votes`.

    References
    ----------
    Willett et al. (2013), MNRAS 435, 2835, sec. 3: weighting and debiasing.
    Hart et al. (2016), MNRAS 461, 3663: the debiasing now in use.
    """
    tree = as_tree(tree)
    held = tree.quantity(catalogue, quantity)[1]
    require_kind("kind", kind or held)
    names, index = tree.columns(catalogue, quantity=quantity), index_of(table)
    table = as_pandas(table)
    values = take_columns(tree, table, names)
    if held == "conditional":
        unasked = sum_by_question(tree, np.abs(values)) == 0
        values[unasked[:, tree.answer_question]] = np.nan
    require_consistent(tree, table, values, names, held, tolerance)
    if n_votes is not None:
        n_votes = numbers_by_name(tree, n_votes, index)
    converted = convert_array(tree, values, held, kind or held, n_votes)
    return pd.DataFrame(converted, index=table.index, columns=tree.answers)


def rename_votes(votes, *, tree, catalogue, quantity=None, drop=False):
    """Give the columns of a table of votes the names that a catalogue has for them.

    Parameters
    ----------
    votes : DataFrame or array-like of shape (n_samples, n_answers)
        Under any names of the tree; see `check_votes`.
    tree : str or DecisionTree
        A name for `load_tree`, or a tree.
    catalogue : str
        ``"tree"``, or a catalogue of the tree such as ``"kaggle"``.
    quantity : str, default=None
        Adds the catalogue's suffix for what is held, such as ``"_debiased"``; None adds none.
    drop : bool, default=False
        Leave out answers that the catalogue lacks instead of raising.

    Returns
    -------
    DataFrame
        The same numbers, columns in the order of ``tree.answers``. They are not converted.

    Raises
    ------
    ValueError
        If the tree has no such catalogue or quantity, a column is missing, or the catalogue
        lacks an answer for which there are votes.
    """
    tree = as_tree(tree)
    values, _ = values_of(tree, votes)
    names = tree.columns(catalogue, quantity=quantity)
    lacking = np.array([name is None for name in names])
    lost = lacking & ~np.isnan(values).all(axis=0)
    if lost.any() and not drop:
        answer = tree.answers[int(np.flatnonzero(lost)[0])]
        raise ValueError(
            f"rename_votes: catalogue {catalogue!r} has no column for {answer!r}; drop=True "
            f"leaves it out."
        )
    index = index_of(votes)
    kept = [name for name in names if name is not None]
    return pd.DataFrame(values[:, ~lacking], index=index, columns=kept)
