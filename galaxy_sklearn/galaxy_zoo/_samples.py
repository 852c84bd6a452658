"""Clean samples: galaxies on which the volunteers agree."""

import operator
import re
from collections.abc import Mapping
from functools import cache

import numpy as np
import pandas as pd

from galaxy_sklearn.galaxy_zoo._convert import convert_array
from galaxy_sklearn.galaxy_zoo._load import as_tree, resource
from galaxy_sklearn.galaxy_zoo._votes import (
    TOLERANCE,
    checked_values,
    index_of,
    numbers_by_name,
    sum_by_question,
)

_COMPARE = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}
_ROUNDING = {">=": -1e-9, ">": 1e-9, "<=": 1e-9, "<": -1e-9}  # of fractions that equal the cut
_CUT = re.compile(r"^(?P<what>.+?)\s*(?P<sign>>=|<=|>|<)\s*(?P<value>[0-9.eE+-]+)$")


@cache
def _published():
    return resource("schemes")


def scheme_names():
    """Return the names of the published schemes of cuts, sorted list of str."""
    return sorted(_published())


def _scheme(scheme):
    """Return kind, classes and shared cuts of a scheme, by name or from a dict of classes."""
    if isinstance(scheme, str):
        if scheme not in _published():
            raise ValueError(f"There is no scheme {scheme!r} of cuts, only {scheme_names()}.")
        found = _published()[scheme]
        return found["kind"], found["classes"], found.get("where", {})
    if not isinstance(scheme, Mapping):
        raise TypeError(f"A scheme of cuts needs a name or a dict; got a {type(scheme).__name__}.")
    if not scheme:
        raise ValueError("A scheme of cuts needs at least one class; got an empty one.")
    for name, cuts in scheme.items():
        _check_cuts(name, cuts)
    return None, dict(scheme), {}


def _check_cuts(name, cuts):
    """Raise TypeError or ValueError if the cuts of a class are no list of at least one text."""
    if isinstance(cuts, str):
        raise TypeError(f"The cuts of class {name!r} must be a list; got the text {cuts!r}.")
    if not isinstance(cuts, list | tuple):
        raise TypeError(f"The cuts of class {name!r} must be a list; got {cuts!r}.")
    if not cuts:
        raise ValueError(f"Class {name!r} needs at least one cut; got an empty list.")
    for cut in cuts:
        if not isinstance(cut, str):
            raise TypeError(f"The cuts of class {name!r} must be texts; got {cut!r}.")


def _volunteers(n_votes, n_samples):
    """Return `n_votes` as floats (n_samples, 1), checked."""
    numbers = np.asarray(n_votes, dtype=float)
    if numbers.shape not in ((), (n_samples,), (n_samples, 1)):
        raise ValueError(
            f"Cuts take n_votes as a number or ({n_samples},); got shape {numbers.shape}."
        )
    if (numbers < 0).any():
        raise ValueError("Cuts take n_votes that are not negative.")
    return np.broadcast_to(numbers.reshape(-1, 1), (n_samples, 1))


def kind_of(scheme):
    """Return the kind of fractions that a scheme is written for; None for one of one's own."""
    return _scheme(scheme)[0]


def _expand(cuts, where):
    """Replace the names of shared cuts by the cuts."""
    for cut in cuts:
        if cut in where:
            yield from _expand(where[cut], where)
        else:
            yield cut


class _Cutter:
    """Holds the fractions, and the votes on each question where they are known."""

    def __init__(self, tree, values, kind, wanted, n_votes):
        self.tree = tree
        self.fractions = convert_array(tree, values, kind, wanted)
        self.votes = None
        if kind == "counts":
            self.votes = sum_by_question(tree, values)
        elif n_votes is not None:
            asked = sum_by_question(tree, convert_array(tree, values, kind, "path"))
            volunteers = _volunteers(n_votes, len(asked))
            self.votes = np.multiply(asked, volunteers, out=asked.copy(), where=asked > 0)

    def cut(self, text):
        match = _CUT.match(text)
        try:
            value = float(match["value"])
        except (TypeError, ValueError):
            raise ValueError(
                f"A cut reads 'answer >= 0.5', 'answer + answer > 0.5' or 'votes(question) >= 20'; "
                f"got {text!r}."
            ) from None
        with np.errstate(invalid="ignore"):
            limit = value + _ROUNDING[match["sign"]]
            return _COMPARE[match["sign"]](self._quantity(match["what"]), limit)

    def _quantity(self, what):
        if what.startswith("votes(") and what.endswith(")"):
            question = self.tree.question_index(what[6:-1])
            if self.votes is None:
                raise ValueError(f"The cut on {what} needs votes of kind='counts', or n_votes.")
            return self.votes[:, question]
        answers = [self.tree.answer_index(name) for name in re.split(r"\s+\+\s+", what)]
        return self.fractions[:, answers].sum(axis=1)


def sample_masks(
    votes,
    *,
    scheme="zhu2019",
    tree="gz2_kaggle",
    kind="path",
    n_votes=None,
    tolerance=TOLERANCE,
):
    """Tell for each galaxy and class whether it passes the cuts of the class.

    Parameters
    ----------
    votes : array-like or DataFrame of shape (n_samples, n_answers)
        See `check_votes`.
    scheme : str or dict of str to list of str, default="zhu2019"
        A published scheme, see `clean_samples`, or for each class the cuts that must all hold,
        such as ``{"ring": ["odd-feature_ring >= 0.5", "votes(odd-feature) >= 10"]}``. Answers
        have the names in ``tree.answers``; ``a + b`` adds two; ``votes(question)`` needs counts, or
        `n_votes`.
        Fractions of a dict are path fractions if `kind` is ``"path"``, else conditional ones.
    tree : str or DecisionTree, default="gz2_kaggle"
        A name for `load_tree`, or a tree.
    kind : {"path", "conditional", "counts"}, default="path"
        What the votes are; they are converted to what the scheme is written for.
    n_votes : float or array-like of shape (n_samples,), default=None
        Volunteers for each galaxy, for cuts on numbers of votes where `votes` are fractions;
        infinity lets these cuts hold wherever anybody is asked.
    tolerance : float, default=0.005
        By how much a sum of fractions may miss what it should be.

    Returns
    -------
    DataFrame of bool of shape (n_samples, n_classes)
        Rows as in `votes`. A cut on a fraction or a number of votes that is not known does not
        hold. Fractions within 1e-9 of a cut, from counts such as 15 of 30, are equal to it.

    Raises
    ------
    TypeError
        If the scheme is neither a name nor a dict, or the cuts of a class are no list of str.
    ValueError
        If there is no such scheme, a class has no cuts, a cut cannot be read, the tree has no such
        answer or question, a cut needs counts, `n_votes` has another shape or other row labels or
        is negative, or the votes have a fault, as in `check_votes`.
    """
    tree = as_tree(tree)
    written_for, classes, where = _scheme(scheme)
    values = checked_values(tree, votes, kind, tolerance)
    wanted = written_for or ("path" if kind == "path" else "conditional")
    if n_votes is not None:
        n_votes = numbers_by_name(tree, n_votes, index_of(votes))
    cutter = _Cutter(tree, values, kind, wanted, n_votes)
    masks = {
        name: np.all([cutter.cut(text) for text in _expand(cuts, where)], axis=0)
        for name, cuts in classes.items()
    }
    return pd.DataFrame(masks, index=index_of(votes))


def clean_samples(
    votes,
    *,
    scheme="zhu2019",
    tree="gz2_kaggle",
    kind="path",
    n_votes=None,
    tolerance=TOLERANCE,
):
    """Give a class to the galaxies on which the volunteers agree, and none to the others.

    Parameters
    ----------
    votes : array-like or DataFrame of shape (n_samples, n_answers)
        See `check_votes`; the Kaggle file as it is will do.
    scheme : str or dict of str to list of str, default="zhu2019"
        - ``"zhu2019"``: round, in_between, cigar, edge_on, spiral, by the text of the paper.
        - ``"zhu2019_table"``: as its table 1 is printed, with f_smooth >= 0.469 for spirals where
          the text has f_features/disk >= 0.430. No galaxy can pass that: path fractions would
          need f_smooth + f_edge-on,no >= 1.184.
        - ``"zhu2019_strict"``: 0.8 for the three smooth classes, which the authors relaxed to 0.5.
        - ``"walmsley2022"``: the populations of table 2, for ``tree="gz_decals_dr5"`` and counts,
          or fractions and `n_votes`. They overlap, so that `sample_masks` tells more.

        Or cuts of your own; see `sample_masks`.
    tree : str or DecisionTree, default="gz2_kaggle"
        A name for `load_tree`, or a tree.
    kind : {"path", "conditional", "counts"}, default="path"
        What the votes are; they are converted to what the scheme is written for.
    n_votes : float or array-like of shape (n_samples,), default=None
        Volunteers for each galaxy, for cuts on numbers of votes where `votes` are fractions;
        infinity lets these cuts hold wherever anybody is asked.
    tolerance : float, default=0.005
        By how much a sum of fractions may miss what it should be.

    Returns
    -------
    Series of categories, (n_samples,)
        Rows as in `votes`. Missing (code -1) for galaxies that pass the cuts of no class or of
        more than one.

    Raises
    ------
    TypeError, ValueError
        As in `sample_masks`.

    Notes
    -----
    The paper does not say whether its fractions are path-weighted or conditional: read as path
    fractions they give the published classes of all 767 fully known galaxies at hand, read as
    conditional ones of 561.

    References
    ----------
    Zhu et al. (2019), Ap&SS 364, 55, sec. 2.2 and table 1.
    Walmsley et al. (2022), MNRAS 509, 3966, table 2.
    """
    masks = sample_masks(
        votes, scheme=scheme, tree=tree, kind=kind, n_votes=n_votes, tolerance=tolerance
    )
    passed = masks.to_numpy(dtype=bool)
    codes = np.where(passed.sum(axis=1) == 1, passed.argmax(axis=1), -1)
    return pd.Series(pd.Categorical.from_codes(codes, list(masks.columns)), index=masks.index)
