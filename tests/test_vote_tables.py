"""Tables of votes that look like what they are not, or have names in another order."""

import numpy as np
import pandas as pd
import pytest
from planted_votes import KAGGLE, SMALL, counts, linear, path, planted

from galaxy_sklearn.galaxy_zoo import (
    check_votes,
    clean_samples,
    convert_votes,
    load_tree,
    most_likely_path,
    question_votes,
    read_votes,
    to_hubble_stage,
)
from galaxy_sklearn.metrics import vote_rmse
from galaxy_sklearn.neural_network import VoteDistribution, VoteFractionRegressor

GZ2 = load_tree("gz2")
QUESTIONS = [question.name for question in SMALL.questions]


def fractions(n=4):
    return path(SMALL, planted(n, SMALL)[1])


# ------------------------------------------------------------------ fractions as counts
@pytest.mark.parametrize("kind", ["path", "conditional"])
def test_fractions_are_no_counts(kind):
    images, conditional = planted(4, SMALL)
    shares = path(SMALL, conditional) if kind == "path" else conditional
    shares[2] = np.nan
    message = r"on question 'smooth', and row 0 has 1, .* look like fractions: kind='path' \(source"
    for call in (
        lambda: check_votes(shares, tree=SMALL, kind="counts"),
        lambda: convert_votes(shares, tree=SMALL, source="counts", target="path"),
        lambda: linear(kind="counts", loss="dirichlet_multinomial").fit(images, shares),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize(
    "votes",
    [
        [[1, 0, 0, 0, 0, 0, 0]],
        [[1, 0, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]],
        [[0.5, 0.5, 0.2, 0.3, 0.3, 0, 0]],
        [[0.5, 0.4, 0.2, 0.2, 0.2, 0, 0], [0.9, 0.7, 0.2, 0.5, 0.5, 0, 0]],
        [[0, 0, 0.5, 0.2, 0, 0, 0], [0, 0, 0.5, 0.1, 0, 0, 0]],
        [[np.nan, 0.5, 0.5, 2, 1, 1, 0], [0.5, 0.5, 0.2, 0.3, 0.3, 0, 0]],
        np.full((3, 7), np.nan),
        np.zeros((0, 7)),
    ],
)
def test_few_votes_and_weighted_ones_are_counts(votes):
    votes = np.asarray(votes, float)
    same = convert_votes(votes, tree=SMALL, source="counts", target="counts", tolerance=np.inf)
    np.testing.assert_array_equal(same, votes)


def test_fractions_of_one_volunteer_are_learned_with_a_warning():
    images, conditional = planted(40, SMALL)
    settings = {"loss": "dirichlet_multinomial", "max_epochs": 1}
    for number in (1, 0.5):
        model = linear(n_votes=number, **settings)
        with pytest.warns(UserWarning, match=rf"\(n_votes={number}\) .* far too sure") as caught:
            model.fit(images, path(SMALL, conditional))
        assert caught[0].filename == __file__
    linear(n_votes=40, **settings).fit(images, path(SMALL, conditional))
    votes = counts(SMALL, conditional, np.full(40, 30))
    model = linear(kind="counts", n_votes=1, **settings).fit(images, votes)
    assert len(model.predict_distribution(images)) == 40


# ------------------------------------------------------------------ class labels as votes
@pytest.mark.parametrize("labels", [["none", "Sb"] * 30, pd.Series(["none", "Sb"] * 30)])
def test_class_labels_are_no_votes(labels):
    images = np.random.default_rng(0).random((60, 8, 8))
    message = r"numbers in 37 columns, one an answer: could not .* GalaxyClassifier takes one class"
    with pytest.raises(ValueError, match=message):
        VoteFractionRegressor("linear").fit(images, labels)
    with pytest.raises(ValueError, match=r"array of shape \(60,\)\. GalaxyClassifier takes one"):
        VoteFractionRegressor("linear").fit(images, np.zeros(60, int))
    with pytest.raises(ValueError, match=r"got an array of shape \(2, 37, 1\)"):
        check_votes(np.zeros((2, 37, 1)), tree=KAGGLE)


# ------------------------------------------------------------------ numbers of votes by name
def test_numbers_of_votes_are_read_by_the_questions_names():
    path_fractions, number = fractions(), np.arange(1.0, 13).reshape(4, 3)
    table = pd.DataFrame(number, columns=QUESTIONS)
    kinds = {"tree": SMALL, "source": "path", "target": "counts"}
    expected = convert_votes(path_fractions, n_votes=number, **kinds)
    for one in (table, table[sorted(QUESTIONS)], table.set_axis(range(3), axis=1)):
        np.testing.assert_array_equal(convert_votes(path_fractions, n_votes=one, **kinds), expected)
    asked = question_votes(pd.DataFrame(expected, columns=SMALL.answers), tree=SMALL)
    back = convert_votes(path_fractions, n_votes=asked[asked.columns[::-1]], **kinds)
    np.testing.assert_allclose(back, expected)
    for wrong in (table.rename(columns={"arms": "bar"}), table[["arms", "smooth"]]):
        with pytest.raises(ValueError, match=r"questions of tree 'small' as its columns, smooth, "):
            convert_votes(path_fractions, n_votes=wrong, **kinds)
    column = pd.DataFrame({"total": [1.0, 2, 3, 4]})
    np.testing.assert_array_equal(
        convert_votes(path_fractions, n_votes=column, **kinds), path_fractions * column.to_numpy()
    )


@pytest.mark.parametrize("wide", [False, True])
def test_numbers_of_votes_are_read_by_the_rows_names(wide):
    votes = pd.DataFrame(fractions(), columns=SMALL.answers, index=list("abcd"))
    number = pd.Series([10.0, 20, 30, 40], index=votes.index)
    if wide:
        number = pd.DataFrame({name: number + place for place, name in enumerate(QUESTIONS)})
    kinds = {"tree": SMALL, "source": "path", "target": "counts"}
    expected = convert_votes(votes, n_votes=number.to_numpy(), **kinds)
    for one in (number, number[::-1], number.loc[list("cadb")]):
        pd.testing.assert_frame_equal(convert_votes(votes, n_votes=one, **kinds), expected)
    np.testing.assert_array_equal(
        convert_votes(votes.to_numpy(), n_votes=number[::-1], **kinds),
        convert_votes(votes.to_numpy(), n_votes=number.to_numpy()[::-1], **kinds),
    )
    for index in (list("abce"), list("abcc"), range(4)):
        with pytest.raises(ValueError, match=r"index of the votes, in any order; got .* \['a', 'b"):
            convert_votes(votes, n_votes=number.set_axis(index), **kinds)
    with pytest.raises(ValueError, match=r"index of the votes"):
        convert_votes(votes, n_votes=number[:3], **kinds)


def test_cuts_and_catalogues_read_numbers_of_votes_by_the_rows_names():
    path_fractions = fractions(2)
    votes = pd.DataFrame(path_fractions, columns=SMALL.answers, index=["a", "b"])
    scheme = {"seen": ["votes(smooth) >= 20"]}
    number = pd.Series([40.0, 10], index=["b", "a"])
    found = clean_samples(votes, scheme=scheme, tree=SMALL, n_votes=number)
    assert found.notna().to_dict() == {"a": False, "b": True}
    conditional = np.zeros((2, 37))
    conditional[:, [KAGGLE.answer_index("smooth-or-featured_smooth"), 14, 15]] = 1
    names = {"tree": KAGGLE, "catalogue": "kaggle"}
    table = pd.DataFrame(conditional, columns=KAGGLE.columns("kaggle"), index=["a", "b"])
    read = read_votes(table, kind="counts", n_votes=number, **names)
    assert read["smooth-or-featured_smooth"].to_dict() == {"a": 10, "b": 40}


def test_a_distribution_reads_numbers_of_votes_by_the_questions_names():
    distribution = VoteDistribution(SMALL, np.random.default_rng(0).uniform(1, 9, (4, 7)))
    table = pd.DataFrame(np.arange(1, 13).reshape(4, 3), columns=QUESTIONS)
    settings = {"kind": "conditional"}
    expected = distribution.interval(n_votes=table.to_numpy(), **settings)
    found = distribution.interval(n_votes=table[sorted(QUESTIONS)], **settings)
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match=r"needs the questions of tree 'small' as its columns"):
        distribution.interval(n_votes=table.rename(columns={"arms": "bar"}), **settings)


# ------------------------------------------------------------------ predictions by name
def test_tables_of_truth_and_prediction_are_compared_by_name():
    truth, predicted = pd.DataFrame({"a": [0.0], "b": [1.0]}), pd.DataFrame({"b": [1.0], "a": [0]})
    assert vote_rmse(truth, predicted) == 0
    found = vote_rmse(truth, predicted + [0.5, 0], multioutput="raw_values")
    np.testing.assert_array_equal(found, [0.5, 0])  # in the order of the prediction
    assert vote_rmse(truth, predicted.to_numpy()) == 1
    assert vote_rmse(truth, predicted.set_axis([0, 1], axis=1)) == 1
    for other in (predicted.set_axis(["b", "c"], axis=1), predicted[["a"]]):
        with pytest.raises(ValueError, match=r"the same columns; got .* and \['a', 'b'\]: tree="):
            vote_rmse(truth, other)
    twice = truth.set_axis(["a", "a"], axis=1)
    assert vote_rmse(twice, twice) == 0
    with pytest.raises(ValueError, match="the same columns"):
        vote_rmse(twice, predicted)


# ------------------------------------------------------------------ paths through what is known
@pytest.mark.parametrize(
    ("known", "taken"),
    [
        ({0: 0.1}, None),
        ({0: 0.5}, None),
        ({0: 0.51}, "smooth"),
        ({0: 0.4, 1: 0.3}, "smooth"),
        ({0: 0.35, 1: 0.3}, None),
        ({1: 0.4, 2: 0.4}, "featured-or-disk"),
        ({0: 0.4, 1: 0.4, 2: 0.2}, "smooth"),
    ],
)
def test_a_path_follows_no_answer_that_an_unknown_one_could_beat(known, taken):
    votes = np.full((1, 37), np.nan)
    votes[0, list(known)] = list(known.values())
    found = most_likely_path(votes, tree="gz2")["smooth-or-featured"]
    assert found.isna().item() if taken is None else found.tolist() == [taken]


def test_numbers_beside_unknown_ones_decide_nothing():
    votes = np.full((1, 37), np.nan)
    votes[0, 0] = 30
    assert most_likely_path(votes, tree="gz2", kind="counts").isna().all(axis=None)


def test_a_hubble_stage_needs_no_more_of_the_bulge_than_its_formula():
    places = [GZ2.answer_index(f"bulge-size_{size}") for size in ("no", "obvious", "dominant")]
    votes = np.full((2, 37), np.nan)
    votes[:, :9] = [0, 1, 0, 0, 1, 0, 1, 0, 1]  # a disk from above, no bar, no arms
    votes[:, places] = [0.2, 0.3, 0.1]
    votes[1, places[2]] = np.nan
    expected = 4.63 + 4.17 * 0.2 - 2.27 * 0.3 - 8.38 * 0.1
    np.testing.assert_allclose(to_hubble_stage(votes, tree=GZ2), [expected, np.nan])
    path_taken = most_likely_path(votes, tree=GZ2)
    assert path_taken["has-spiral-arms"].tolist() == ["no", "no"]
    assert path_taken["bulge-size"].isna().all()
