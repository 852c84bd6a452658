"""Votes: three kinds of the same thing, exact there and back; faults by name and row."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galaxy_sklearn.galaxy_zoo import (
    Answer,
    DecisionTree,
    Question,
    check_votes,
    clean_samples,
    convert_votes,
    load_tree,
    most_likely_path,
    question_votes,
    read_votes,
    rename_votes,
)
from galaxy_sklearn.galaxy_zoo._votes import values_of

KAGGLE = load_tree("gz2_kaggle")
GZ2 = load_tree("gz2")
EXACT = {"rtol": 0, "atol": 1e-9}


@st.composite
def trees(draw):
    """Trees of up to six questions, each led to by at least one earlier answer."""
    n_questions = draw(st.integers(1, 6))
    sizes = [draw(st.integers(1, 4)) for _ in range(n_questions)]
    nexts = [
        [draw(st.sampled_from([None, *range(q + 1, n_questions)])) for _ in range(size)]
        for q, size in enumerate(sizes)
    ]
    for question in range(1, n_questions):
        if not any(question in answers for answers in nexts[:question]):
            earlier = draw(st.integers(0, question - 1))
            nexts[earlier].append(question)
    questions = [
        Question(
            f"q{q}", tuple(Answer(f"a{i}", next=None if n is None else f"q{n}") for i, n in row)
        )
        for q, row in enumerate(list(enumerate(answers)) for answers in nexts)
    ]
    try:
        return DecisionTree("random", tuple(questions))
    except ValueError:  # an added answer cannot make a circle, so this must not happen
        raise AssertionError("the generator made a broken tree") from None


def random_conditional(tree, rng, n_samples=5, *, zeros=0.3):
    parts = []
    for question in tree.questions:
        votes = rng.gamma(1.0, size=(n_samples, len(question.answers)))
        votes[rng.random(votes.shape) < zeros] = 0.0
        votes[votes.sum(axis=1) == 0, 0] = 1.0
        parts.append(votes / votes.sum(axis=1, keepdims=True))
    return np.hstack(parts)


def walk(tree, conditional, rng, n_volunteers):
    """Let volunteers answer one by one; return how often each answer was given."""
    counts = np.zeros(len(tree.answers))
    for _ in range(n_volunteers):
        question = 0
        while question >= 0:
            part = tree.question_slices[question]
            answer = rng.choice(np.arange(part.start, part.stop), p=conditional[part])
            counts[answer] += 1
            question = tree.next_question[answer]
    return counts


@given(tree=trees(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_path_fractions_are_shares_of_the_volunteers(tree, seed):
    rng = np.random.default_rng(seed)
    counts = walk(tree, random_conditional(tree, rng, 1)[0], rng, 40)[np.newaxis]
    path = convert_votes(counts, tree=tree, source="counts", target="path")
    np.testing.assert_allclose(path, counts / 40, **EXACT)
    back = convert_votes(path, tree=tree, source="path", target="counts", n_votes=40)
    np.testing.assert_allclose(back, counts, **EXACT)


@given(tree=trees(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_conversions_come_back(tree, seed):
    rng = np.random.default_rng(seed)
    path = convert_votes(
        random_conditional(tree, rng), tree=tree, source="conditional", target="path"
    )
    conditional = convert_votes(path, tree=tree, source="path", target="conditional")
    again = convert_votes(conditional, tree=tree, source="conditional", target="path")
    np.testing.assert_allclose(again, path, **EXACT)
    check_votes(path, tree=tree, tolerance=1e-9)
    check_votes(conditional, tree=tree, kind="conditional", tolerance=1e-9)
    n_votes = rng.integers(0, 30, size=(len(path), len(tree.questions)))
    counts = convert_votes(path, tree=tree, source="path", target="counts", n_votes=n_votes)
    known = ~np.isnan(counts)
    totals = question_votes(np.nan_to_num(counts), tree=tree)
    assert known.any()
    shares = convert_votes(np.nan_to_num(counts), tree=tree, source="counts", target="conditional")
    there = convert_votes(shares, tree=tree, source="conditional", target="counts", n_votes=totals)
    np.testing.assert_allclose(there[known], counts[known], **EXACT)


@given(tree=trees(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_the_arrays_give_the_path_fractions_without_a_loop_over_questions(tree, seed):
    conditional = random_conditional(tree, np.random.default_rng(seed))
    weight = np.broadcast_to(tree.roots, (len(conditional), len(tree.questions)))
    for _ in range(tree.depth):
        weight = tree.roots + (conditional * weight[:, tree.answer_question]) @ tree.parent_matrix.T
    path = convert_votes(conditional, tree=tree, source="conditional", target="path")
    np.testing.assert_allclose(conditional * weight[:, tree.answer_question], path, **EXACT)


@pytest.mark.parametrize("tree", [GZ2, KAGGLE], ids=lambda tree: tree.name)
def test_the_kaggle_rule_differs_in_question_6_alone(tree):
    conditional = random_conditional(tree, np.random.default_rng(0), 50)
    path = convert_votes(conditional, tree=tree, source="conditional", target="path")
    table = pd.DataFrame(path, columns=tree.columns("kaggle"))
    asked = table["Class1.1"] + table["Class1.2"] if tree is GZ2 else 1.0
    sums = table["Class6.1"] + table["Class6.2"]
    np.testing.assert_allclose(sums, asked, **EXACT)
    odd = table[[f"Class8.{number}" for number in range(1, 8)]].sum(axis=1)
    np.testing.assert_allclose(odd, table["Class6.1"], **EXACT)
    arms = table[[f"Class11.{number}" for number in range(1, 7)]].sum(axis=1)
    np.testing.assert_allclose(arms, table["Class4.1"], **EXACT)


def test_what_nobody_was_asked_is_undefined_and_comes_back_as_nothing():
    path = np.zeros((1, 37))
    path[0, [KAGGLE.answer_index("smooth-or-featured_smooth")]] = 1
    path[0, KAGGLE.answer_index("how-rounded_round")] = 1
    path[0, KAGGLE.answer_index("something-odd_no")] = 1
    conditional = convert_votes(path, tree=KAGGLE, source="path", target="conditional")
    asked = [0, 1, 2, *range(13, 18)]
    assert np.flatnonzero(~np.isnan(conditional[0])).tolist() == asked
    back = convert_votes(conditional, tree=KAGGLE, source="conditional", target="path")
    np.testing.assert_array_equal(back, path)


def test_what_depends_on_an_unknown_is_unknown():
    path = convert_votes(
        random_conditional(KAGGLE, np.random.default_rng(1), 1, zeros=0),
        tree=KAGGLE,
        source="conditional",
        target="path",
    )
    bars = KAGGLE.question_slices[KAGGLE.question_index("bar")]
    arms = KAGGLE.question_slices[KAGGLE.question_index("spiral-arm-count")]
    path[0, KAGGLE.answer_index("has-spiral-arms_yes")] = np.nan
    conditional = convert_votes(path, tree=KAGGLE, source="path", target="conditional")
    assert np.isnan(conditional[0, arms]).all()
    assert not np.isnan(conditional[0, bars]).any()


@pytest.fixture(scope="module")
def full_rows(real_data):
    table = pd.read_csv(real_data / "gz2" / "labels.csv")
    return table[table["n_fractions"] == 37]


def test_every_full_row_of_the_kaggle_file_comes_back(full_rows):
    raw = full_rows[KAGGLE.columns("kaggle")].to_numpy()
    assert len(raw) > 700
    conditional = convert_votes(full_rows, tree=KAGGLE, source="path", target="conditional")
    back = convert_votes(conditional, tree=KAGGLE, source="conditional", target="path")
    assert back.index.equals(full_rows.index)
    np.testing.assert_allclose(back.to_numpy(), raw, **EXACT)
    counts = convert_votes(full_rows, tree=KAGGLE, source="path", target="counts", n_votes=44)
    np.testing.assert_allclose(counts.to_numpy() / 44, raw, **EXACT)


def test_the_kaggle_file_meets_its_own_rules_and_not_the_tree_s(full_rows):
    check_votes(full_rows, tree=KAGGLE, tolerance=2e-6)
    with pytest.raises(ValueError, match=r"'something-odd' of tree 'gz2' must sum to Class1\.1"):
        check_votes(full_rows, tree=GZ2)
    conditional = convert_votes(full_rows, tree=KAGGLE, source="path", target="conditional")
    mended = convert_votes(conditional, tree=GZ2, source="conditional", target="path")
    check_votes(mended, tree=GZ2, tolerance=2e-6)


def test_rows_with_17_fractions_pass(real_data):
    table = pd.read_csv(real_data / "gz2" / "labels.csv")
    table = table[table["n_fractions"] == 17]
    check_votes(table, tree=KAGGLE, tolerance=2e-6)
    path = convert_votes(
        convert_votes(table, tree=KAGGLE, source="path", target="conditional"),
        tree=KAGGLE,
        source="conditional",
        target="path",
    )
    known = table[KAGGLE.columns("kaggle")].to_numpy()
    np.testing.assert_allclose(path.to_numpy()[~np.isnan(known)], known[~np.isnan(known)], **EXACT)


def galaxies(n_samples=3, index=None):
    path = convert_votes(
        random_conditional(KAGGLE, np.random.default_rng(2), n_samples, zeros=0),
        tree=KAGGLE,
        source="conditional",
        target="path",
    )
    return pd.DataFrame(path, columns=KAGGLE.columns("kaggle"), index=index)


def test_the_order_of_columns_and_other_columns_do_not_matter():
    table = galaxies()
    shuffled = table[table.columns[::-1]].assign(GalaxyID=7, name="x")
    wanted = convert_votes(table.to_numpy(), tree=KAGGLE, source="path", target="conditional")
    got = convert_votes(shuffled, tree=KAGGLE, source="path", target="conditional")
    assert list(got.columns) == KAGGLE.answers
    np.testing.assert_array_equal(got.to_numpy(), wanted)


def test_a_series_is_one_galaxy_read_by_its_names():
    table = galaxies(2, index=["M31", "M33"]).assign(note="x")
    row, back = table.iloc[1], {"tree": KAGGLE, "source": "path", "target": "counts", "n_votes": 40}
    counts = convert_votes(table, **back)
    for one in (row, row[::-1], row.sort_index()):
        np.testing.assert_array_equal(convert_votes(one, **back), counts.to_numpy()[1:])
    renamed = rename_votes(row[::-1], tree=KAGGLE, catalogue="kaggle")
    np.testing.assert_array_equal(renamed.to_numpy(), table.drop(columns="note").to_numpy()[1:])
    bare = pd.Series(table.to_numpy()[1, :-1].astype(float))
    for index in (range(37), range(5, 42), np.arange(37)[::-1]):
        got = convert_votes(bare.set_axis(index), **back)
        np.testing.assert_array_equal(got, counts.to_numpy()[1:])
    with pytest.raises(ValueError, match=r"between 0 and 1: row 0 \('M33'\), column 'Class2\.2'"):
        check_votes(row.replace({row["Class2.2"]: -0.1}), tree=KAGGLE)
    with pytest.raises(ValueError, match=r"no column 'Class7\.2'"):
        check_votes(row.drop("Class7.2"), tree=KAGGLE)
    with pytest.raises(ValueError, match=r"37 columns, one an answer; got an array of shape"):
        check_votes(bare[:5], tree=KAGGLE)


def test_the_layout_of_an_array_does_not_matter():
    table = galaxies()
    columns_first = np.asfortranarray(table.to_numpy())
    values, _ = values_of(KAGGLE, columns_first)
    assert values.flags.c_contiguous
    np.testing.assert_array_equal(values, values_of(KAGGLE, table)[0])


def test_faults_are_named():
    table = galaxies(index=["M31", "M33", "M51"])
    with pytest.raises(ValueError, match=r"no column 'Class7\.2' \(tree 'gz2_kaggle', question"):
        check_votes(table.drop(columns="Class7.2"), tree=KAGGLE)
    broken = table.copy()
    broken.iloc[1, 4] = -0.1
    with pytest.raises(
        ValueError, match=r"between 0 and 1: row 1 \('M33'\), column 'Class2\.2' holds -0\.1"
    ):
        check_votes(broken, tree=KAGGLE)
    broken = table.copy()
    broken.iloc[2, 0] += 0.02
    with pytest.raises(
        ValueError,
        match=r"'smooth-or-featured'.* must sum to 1 within 0\.005: row 2 \('M51'\), columns "
        r"'Class1\.1' to 'Class1\.3' sum to 1\.02\.",
    ):
        check_votes(broken, tree=KAGGLE)
    check_votes(broken, tree=KAGGLE, tolerance=0.03)
    broken = table.reset_index(drop=True)
    broken.loc[1, "Class3.1"] += 0.02
    with pytest.raises(ValueError, match=r"'bar' .* must sum to Class2\.2 = .*: row 1, columns"):
        check_votes(broken, tree=KAGGLE)
    broken = table.astype(object)
    broken.iloc[1, 0] = "many"
    with pytest.raises(
        ValueError, match=r"must be numbers: row 1 \('M33'\), column 'Class1\.1' holds 'many'"
    ):
        check_votes(broken, tree=KAGGLE)
    with pytest.raises(ValueError, match=r"more than one column 'Class1\.1'"):
        check_votes(pd.concat([table, table[["Class1.1"]]], axis=1), tree=KAGGLE)
    with pytest.raises(
        ValueError, match=r"37 columns, one an answer; got an array of shape \(3, 5\)"
    ):
        check_votes(np.zeros((3, 5)), tree=KAGGLE)
    with pytest.raises(ValueError, match=r"kind of votes must be one of .* Got 'raw' instead"):
        check_votes(table, tree=KAGGLE, kind="raw")


def test_faults_of_counts_are_named():
    counts = np.ones((2, 37))
    check_votes(counts, tree=GZ2, kind="counts")
    counts[1, 3] = np.inf
    with pytest.raises(
        ValueError, match=r"finite and not negative: row 1, column 'disk-edge-on_yes' holds inf"
    ):
        check_votes(counts, tree=GZ2, kind="counts")
    path = galaxies()
    with pytest.raises(ValueError, match="needs n_votes"):
        convert_votes(path, tree=KAGGLE, source="path", target="counts")
    with pytest.raises(ValueError, match=r"a number, \(3,\) or \(3, 11\); got shape \(2,\)"):
        convert_votes(path, tree=KAGGLE, source="path", target="counts", n_votes=[1, 2])
    with pytest.raises(ValueError, match="finite and not negative"):
        convert_votes(path, tree=KAGGLE, source="path", target="counts", n_votes=-1)


def hart_table():
    """A galaxy asked the first question by ten, of whom eight go on, and all say edge-on."""
    counts = pd.Series(0.0, index=GZ2.columns("hart16"))
    counts["t01_smooth_or_features_a01_smooth"] = 2
    counts["t01_smooth_or_features_a02_features_or_disk"] = 8
    counts["t02_edgeon_a04_yes"] = 8
    counts["t09_bulge_shape_a25_rounded"] = 8
    counts["t07_rounded_a16_completely_round"] = 2
    counts["t06_odd_a15_no"] = 10
    totals = question_votes(counts.to_frame().T, tree=GZ2).to_numpy()[:, GZ2.answer_question]
    fraction = np.divide(counts.to_numpy(), totals[0], where=totals[0] > 0, out=np.zeros(37))
    numbers = counts.add_suffix("_count").to_frame().T
    fractions = pd.Series(fraction, counts.index).add_suffix("_debiased").to_frame().T
    return pd.concat([numbers, fractions], axis=1)


def test_hart_s_catalogue_is_read():
    table = hart_table()
    counts = read_votes(table, tree="gz2", catalogue="hart16", quantity="count")
    debiased = read_votes(table, tree="gz2", catalogue="hart16", quantity="debiased")
    assert list(counts.columns) == list(debiased.columns) == GZ2.answers
    assert debiased["bar_yes"].isna().all()  # printed as 0, but nobody was asked
    path = read_votes(table, tree="gz2", catalogue="hart16", quantity="debiased", kind="path")
    np.testing.assert_allclose(path.to_numpy(), counts.to_numpy() / 10, **EXACT)
    with pytest.raises(ValueError, match="no quantity 'weights', only"):
        read_votes(table, tree="gz2", catalogue="hart16", quantity="weights")
    with pytest.raises(ValueError, match="The kind of votes must be one of"):
        read_votes(table, tree="gz2", catalogue="hart16", quantity="count", kind="shares")
    with pytest.raises(ValueError, match="no column 't01_smooth_or_features_a01_smooth_fraction'"):
        read_votes(table, tree="gz2", catalogue="hart16")
    with pytest.raises(
        ValueError, match="columns of catalogue 'hart16' for count, debiased: read_"
    ):
        check_votes(table, tree="gz2", kind="conditional")


def test_faults_are_named_by_the_columns_of_the_table_that_is_read():
    table = hart_table().set_axis(["J1430"])
    table["t03_bar_a06_bar_debiased"] = -0.5
    message = r"row 0 \('J1430'\), column 't03_bar_a06_bar_debiased' holds -0\.5"
    with pytest.raises(ValueError, match=message):
        read_votes(table, tree="gz2", catalogue="hart16", quantity="debiased")
    table["t03_bar_a06_bar_debiased"] = 0.5
    message = "columns 't03_bar_a06_bar_debiased' to 't03_bar_a07_no_bar_debiased' sum to 0.5"
    with pytest.raises(ValueError, match=message):
        read_votes(table, tree="gz2", catalogue="hart16", quantity="debiased")


def test_names_of_one_catalogue_become_those_of_another():
    table = galaxies()
    hart = rename_votes(table, tree=KAGGLE, catalogue="hart16", quantity="debiased")
    assert hart.columns[0] == "t01_smooth_or_features_a01_smooth_debiased"
    bare = rename_votes(table, tree=KAGGLE, catalogue="hart16")
    pd.testing.assert_frame_equal(rename_votes(bare, tree=KAGGLE, catalogue="kaggle"), table)
    with pytest.raises(ValueError, match="'zoobot' has no column for 'odd-feature_ring'"):
        rename_votes(table, tree=KAGGLE, catalogue="zoobot")
    zoobot = rename_votes(table, tree=KAGGLE, catalogue="zoobot", drop=True)
    assert zoobot.shape == (3, 30)
    back = rename_votes(zoobot, tree=KAGGLE, catalogue="kaggle")
    assert back.filter(like="Class8").isna().all(axis=None)
    assert back["Class11.6"].equals(table["Class11.6"])


def test_schemes_without_classes_or_lists_are_refused():
    votes = np.full((1, 37), 0.5)
    with pytest.raises(ValueError, match="needs at least one class; got an empty one"):
        clean_samples(votes, scheme={}, tree="gz2", tolerance=np.inf)
    with pytest.raises(TypeError, match="class 'ring' must be a list; got the text"):
        clean_samples(votes, scheme={"ring": "x >= 0.5"}, tree="gz2", tolerance=np.inf)


def test_fractions_that_were_rounded_come_back_with_more_tolerance(full_rows):
    path = full_rows[KAGGLE.columns("kaggle")].to_numpy().round(3)
    conditional = convert_votes(path, tree=KAGGLE, source="path", target="conditional")
    settings = {"tree": KAGGLE, "source": "conditional", "target": "path"}
    with pytest.raises(ValueError, match="must sum to 1 within 0.005"):
        convert_votes(conditional, **settings)
    np.testing.assert_allclose(
        convert_votes(conditional, tolerance=1.0, **settings), path, atol=1e-12
    )


def test_a_fault_in_a_list_of_votes_is_named():
    votes = [[0.5, 0.4, 0.0, *[0.0] * 34]]
    with pytest.raises(ValueError, match="must sum to 1 within 0.005: row 0, columns"):
        check_votes(votes, tree="gz2", kind="conditional")


@pytest.mark.parametrize("library", ["polars", "astropy.table"])
def test_tables_of_other_libraries_are_read_by_name(library):
    module = pytest.importorskip(library)
    tree = load_tree("gz2_kaggle")
    votes = np.zeros((3, len(tree.answers)))
    votes[:, [0, 14, 15]] = 1
    frame = pd.DataFrame(votes, columns=tree.answers)[tree.answers[::-1]]
    columns = {name: frame[name].to_numpy() for name in frame}
    table = module.Table(columns) if library == "astropy.table" else module.DataFrame(columns)
    found, expected = (most_likely_path(one, tree=tree) for one in (table, frame))
    pd.testing.assert_frame_equal(found, expected)
    kinds = {"tree": tree, "source": "path", "target": "conditional"}
    found, expected = (convert_votes(one, **kinds) for one in (table, frame))
    pd.testing.assert_frame_equal(found, expected)
    frame.iloc[1, 3] = 7.0
    columns = {name: frame[name].to_numpy() for name in frame}
    table = module.Table(columns) if library == "astropy.table" else module.DataFrame(columns)
    with pytest.raises(ValueError, match="row 1"):
        check_votes(table, tree=tree)


def test_masked_votes_are_not_known():
    tree = load_tree("gz2_kaggle")
    votes = np.zeros((2, len(tree.answers)))
    votes[:, [0, 14, 15]] = 1
    masked = np.ma.array(votes, mask=False)
    masked[1] = np.ma.masked
    holes = votes.copy()
    holes[1] = np.nan
    kinds = {"tree": tree, "source": "path", "target": "conditional"}
    found, expected = (convert_votes(one, **kinds) for one in (masked, holes))
    np.testing.assert_array_equal(found, expected)
