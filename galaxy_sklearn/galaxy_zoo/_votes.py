"""Tables of votes: read by their columns' names, checked, converted, named anew."""

import numpy as np
import pandas as pd

from galaxy_sklearn._validation import unmasked
from galaxy_sklearn.galaxy_zoo._load import as_tree
from galaxy_sklearn.galaxy_zoo._tree import KINDS

TOLERANCE = 0.005
"""Of a sum of fractions: what rounding seven of them to three decimals can do, and some."""

_FOR_LABELS = "GalaxyClassifier takes one class label a galaxy."


def require_kind(name, kind):
    """Raise ValueError if `kind` is not path, conditional or counts."""
    if kind not in KINDS:
        raise ValueError(f"The {name} of votes must be one of {KINDS}. Got {kind!r} instead.")


def _names_in(tree, table):
    """Return the columns of a table that hold the answers, in whichever catalogue's names."""
    present = set(table.columns)
    candidates = [tree.columns(name) for name in ("tree", *(tree.catalogues or ()))]
    best = max(candidates, key=lambda names: len(present.intersection(filter(None, names))))
    if not present.intersection(best):
        _point_to_quantities(tree, present)
    return best


def _point_to_quantities(tree, present):
    """Raise ValueError if a table has a catalogue's columns with their suffixes."""
    for catalogue, schema in (tree.catalogues or {}).items():
        held = [
            quantity
            for quantity in schema["quantities"]
            if present.intersection(filter(None, tree.columns(catalogue, quantity=quantity)))
        ]
        if held:
            raise ValueError(
                f"The table has the columns of catalogue {catalogue!r} for {', '.join(held)}: "
                f"read_votes(table, tree={tree.name!r}, catalogue={catalogue!r}, "
                f"quantity={held[0]!r}) takes one of these."
            )


def take_columns(tree, table, names):
    """Return the columns `names` of a table as floats; NaN for names that are None."""
    values = np.full((len(table), len(names)), np.nan)
    for place, name in enumerate(names):
        if name is None:
            continue
        if name not in table.columns:
            question = tree.questions[tree.answer_question[place]]
            raise ValueError(
                f"The table of votes has no column {name!r} (tree {tree.name!r}, question "
                f"{question.name!r}); a column of NaN stands for votes that are not known."
            )
        column = table[name]
        if column.ndim > 1:
            raise ValueError(f"The table of votes has more than one column {name!r}.")
        values[:, place] = _as_floats(column, name)
    return values


def _as_floats(column, name):
    values = pd.to_numeric(column, errors="coerce").to_numpy(float, na_value=np.nan)
    wrong = np.isnan(values) & column.notna().to_numpy()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"Votes must be numbers: {_row_text(column, row)}, column {name!r} holds "
            f"{column.iloc[row]!r}."
        )
    return values


def _row_text(table, row):
    """Name a row, by its label too where the table has labels of its own."""
    named = isinstance(table, pd.DataFrame | pd.Series) and not isinstance(
        table.index, pd.RangeIndex
    )
    return f"row {row} ({table.index[row : row + 1].tolist()[0]!r})" if named else f"row {row}"


def is_named(labels):
    """Tell whether any of the labels of columns or rows is a text."""
    return any(isinstance(label, str) for label in labels)


def index_of(table):
    """Return the index of a DataFrame of pandas, which names the galaxies; None of all else."""
    return table.index if isinstance(table, pd.DataFrame) else None


def as_pandas(table):
    """Return a table of another library, polars or astropy, as pandas'; what is masked is NaN."""
    if not hasattr(table, "columns") or isinstance(table, pd.DataFrame):
        return table
    names = getattr(table, "colnames", table.columns)
    return pd.DataFrame({name: np.asarray(unmasked(table[name])) for name in names})


def _as_rows(votes):
    """Return a Series, which is one galaxy, as a table by its names or as an array without."""
    votes = as_pandas(votes)
    if not (hasattr(votes, "to_frame") and hasattr(votes, "index")):
        return votes
    return votes.to_frame().T if is_named(votes.index) else votes.to_numpy()


def values_of(tree, votes):
    """Return votes as a float array (n_samples, n_answers), and the names of their columns."""
    votes = _as_rows(votes)
    if hasattr(votes, "columns"):
        names = _names_in(tree, votes)
        return take_columns(tree, votes, names), names
    n_answers = len(tree.answers)
    try:
        values = np.array(unmasked(votes), dtype=float, order="C")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Votes on tree {tree.name!r} are numbers in {n_answers} columns, one an answer: "
            f"{error}. {_FOR_LABELS}"
        ) from error
    if values.ndim not in (1, 2) or values.shape[-1] != n_answers:
        raise ValueError(
            f"Votes on tree {tree.name!r} need {n_answers} columns, one an answer; got an "
            f"array of shape {values.shape}. {_FOR_LABELS}"
        )
    return values.reshape(-1, n_answers), tree.answers


def numbers_by_name(tree, n_votes, index=None):
    """Return numbers of votes as an array: in the order of questions, and of an index of votes.

    A table whose columns have names needs those of all questions, unless it has one column. A
    Series or DataFrame of pandas needs the labels of `index`, in any order, where there is one.
    """
    labels = n_votes.index if isinstance(n_votes, pd.DataFrame | pd.Series) else None
    numbers = as_pandas(n_votes)
    if hasattr(numbers, "columns") and numbers.shape[1] > 1 and is_named(numbers.columns):
        names, found = [question.name for question in tree.questions], list(numbers.columns)
        if sorted(map(str, found)) != sorted(names):
            raise ValueError(
                f"A table of n_votes needs the questions of tree {tree.name!r} as its columns, "
                f"{', '.join(names)}; got {', '.join(map(str, found))}."
            )
        numbers = numbers[names]
    if labels is None or index is None or labels.equals(index):
        return np.asarray(unmasked(numbers), dtype=float)
    rows = labels.get_indexer(index) if labels.is_unique else np.array([-1])
    if len(labels) != len(index) or not index.is_unique or (rows < 0).any():
        raise ValueError(
            f"n_votes needs the index of the votes, in any order; got {labels[:3].tolist()}, ... "
            f"for {index[:3].tolist()}, ...: n_votes.to_numpy() takes it row by row."
        )
    return np.asarray(numbers, dtype=float)[rows]


def like(votes, values, names):
    """Return `values` as a DataFrame with the rows of `votes` if that is one, else as they are."""
    if hasattr(votes, "columns"):
        return pd.DataFrame(values, index=index_of(votes), columns=names)
    return values


def sum_by_question(tree, values):
    """Return the sum over each question's answers, (n_samples, n_questions)."""
    return np.add.reduceat(values, [part.start for part in tree.question_slices], axis=1)


def question_weights(tree, path):
    """Return the share of volunteers asked each question, (n_samples, n_questions)."""
    weights = np.empty((len(path), len(tree.questions)))
    for question, parents in enumerate(tree.parents):
        weights[:, question] = path[:, parents].sum(axis=1) if len(parents) else 1.0
    return weights


def _check_range(tree, votes, values, names, kind, tolerance):
    high = np.inf if kind == "counts" else 1 + tolerance
    with np.errstate(invalid="ignore"):
        bad = (values < 0) | (values > high) | np.isinf(values)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        label = names[column] or tree.answers[column]
        wanted = "finite and not negative" if kind == "counts" else "between 0 and 1"
        raise ValueError(
            f"Votes ({kind}) must be {wanted}: {_row_text(votes, row)}, column {label!r} holds "
            f"{float(values[row, column])!r}."
        )


def _refuse_fractions(tree, values):
    """Raise ValueError if counts are fractions by all appearance: none above 1, few whole."""
    totals = np.nansum(values[:, tree.question_slices[0]], axis=1)
    broken = (values % 1 > 0).any(axis=1) & (totals > 0)
    if broken.sum() < 2 or totals.max() > 1 + TOLERANCE or np.nanmax(values) > 1 + TOLERANCE:
        return
    row = int(broken.argmax())
    raise ValueError(
        f"Votes (counts) must be numbers of votes: no row has more than one on question "
        f"{tree.questions[0].name!r}, and row {row} has {totals[row]:.6g}, not all of them whole. "
        f"These look like fractions: kind='path' (source='path' in convert_votes), and n_votes= "
        f"for the number of volunteers."
    )


def _check_sums(tree, votes, values, names, kind, tolerance):
    sums = sum_by_question(tree, values)
    wanted = np.ones_like(sums) if kind == "conditional" else question_weights(tree, values)
    with np.errstate(invalid="ignore"):
        bad = np.abs(sums - wanted) > tolerance
    if not bad.any():
        return
    row, question = np.argwhere(bad)[0]
    parts = tree.question_slices[question]
    labels = [name or answer for name, answer in zip(names, tree.answers)]
    parents = tree.parents[question] if kind == "path" else ()
    due = " + ".join(labels[parent] for parent in parents)
    raise ValueError(
        f"Votes ({kind}) on question {tree.questions[question].name!r} of tree {tree.name!r} must "
        f"sum to {f'{due} = ' if due else ''}{wanted[row, question]:.6g} within {tolerance:g}: "
        f"{_row_text(votes, row)}, columns {labels[parts.start]!r} to {labels[parts.stop - 1]!r} "
        f"sum to {sums[row, question]:.6g}."
    )


def checked_values(tree, votes, kind, tolerance):
    """Return `values_of` votes after all checks."""
    require_kind("kind", kind)
    votes = _as_rows(votes)
    values, names = values_of(tree, votes)
    require_consistent(tree, votes, values, names, kind, tolerance)
    return values


def require_consistent(tree, votes, values, names, kind, tolerance):
    """Raise ValueError at the first of `values` out of range, or sum that is off.

    The message names rows as `votes` does, and columns as `names`.
    """
    _check_range(tree, votes, values, names, kind, tolerance)
    if kind == "counts":
        _refuse_fractions(tree, values)
    else:
        _check_sums(tree, votes, values, names, kind, tolerance)


def check_votes(votes, *, tree, kind="path", tolerance=TOLERANCE):
    """Raise ValueError at the first fault in a table of votes, naming row and column.

    Parameters
    ----------
    votes : array-like or DataFrame of shape (n_samples, n_answers)
        An array has its columns in the order of ``tree.answers``; a DataFrame may have them in
        any order, beside others, under the tree's own names or those of one of its catalogues.
        A Series is one galaxy: a row of such a DataFrame, or as an array where its index holds
        no text. NaN is a vote that is not known and passes.
    tree : str or DecisionTree
        A name for `load_tree`, or a tree.
    kind : {"path", "conditional", "counts"}, default="path"
        What the votes are; see `convert_votes`.
    tolerance : float, default=0.005
        By how much the fractions of a question may miss the sum they should have.

    Raises
    ------
    ValueError
        If a column is missing or holds no numbers, a value is negative, infinite or, being a
        fraction, above 1 + `tolerance`, or a question whose fractions are all known has another
        sum than that of the answers that lead to it (path) or 1 (conditional). The message
        names the row, and its label where the DataFrame's index is not just row numbers.
        If counts look like fractions: several rows are not whole, and no row has more than one
        vote on the first question. If votes are no numbers, or have other columns.
    """
    checked_values(as_tree(tree), votes, kind, tolerance)
