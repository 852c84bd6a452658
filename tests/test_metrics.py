"""Metrics, held against scikit-learn, printed tables and planted calibration."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from galaxy_sklearn.metrics import (
    classification_summary,
    cluster_accuracy,
    expected_calibration_error,
    pseudo_label_health,
    reliability_curve,
    summarize_confusion_matrix,
    vote_rmse,
    wilson_interval,
)

CLASSES = ["round", "in_between", "cigar", "edge_on", "spiral"]
ZHU_TABLE_5 = [
    [815, 21, 0, 0, 10],
    [29, 762, 0, 0, 17],
    [0, 4, 34, 18, 2],
    [0, 3, 12, 368, 5],
    [4, 7, 1, 5, 763],
]
ZHU_TABLE_4 = {  # precision, recall, F1 as printed
    "round": (0.9611, 0.9634, 0.9622),
    "in_between": (0.9561, 0.9431, 0.9495),
    "cigar": (0.7234, 0.5862, 0.6476),
    "edge_on": (0.9412, 0.9485, 0.9448),
    "spiral": (0.9573, 0.9782, 0.9677),
    "weighted average": (0.9512, 0.9521, 0.9515),
}


def test_zhu_s_printed_scores_follow_from_the_printed_matrix():
    """Rows are true (the caption says columns), and the averages are weighted, not macro."""
    table = summarize_confusion_matrix(ZHU_TABLE_5, CLASSES)
    for name, printed in ZHU_TABLE_4.items():
        found = table.loc[name, ["precision", "recall", "f1-score"]].to_numpy(float)
        np.testing.assert_allclose(found, printed, atol=5.1e-5)
    macro = table.loc["macro average", ["precision", "recall", "f1-score"]].to_numpy(float)
    np.testing.assert_allclose(macro, [0.9078, 0.8839, 0.8944], atol=5.1e-5)


def test_zhu_s_accuracy_counts_one_galaxy_twice():
    """95.2083 % is 2742 of 2880; the test set holds 2879, of which it would be 95.2414 %."""
    table = summarize_confusion_matrix(ZHU_TABLE_5, CLASSES)
    assert table.loc["macro average", "support"] == 2880
    assert round(100 * table.attrs["accuracy"], 4) == 95.2083
    assert round(100 * 2742 / 2879, 4) == 95.2414
    low, high = table.attrs["accuracy_interval"]
    assert (round(100 * low, 1), round(100 * high, 1)) == (94.4, 95.9)
    cigar = table.loc["cigar", ["recall_low", "recall_high"]].to_numpy(float)
    np.testing.assert_allclose(100 * cigar, [45.8, 70.4], atol=0.05)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1))
def test_scores_are_scikit_learn_s(pairs):
    true, predicted = (np.array(side) for side in zip(*pairs))
    table = classification_summary(true, predicted)
    names = table.index[:-2].tolist()
    expected = precision_recall_fscore_support(true, predicted, labels=names, zero_division=0)
    found = table.iloc[:-2][["precision", "recall", "f1-score", "support"]].to_numpy(float)
    np.testing.assert_allclose(found.T, expected)
    for average in ("macro", "weighted"):
        expected = precision_recall_fscore_support(
            true, predicted, labels=names, average=average, zero_division=0
        )[:3]
        row = table.loc[f"{average} average", ["precision", "recall", "f1-score"]]
        np.testing.assert_allclose(row.to_numpy(float), expected)
    assert table.attrs["accuracy"] == pytest.approx(accuracy_score(true, predicted))


def test_labels_give_the_order_and_must_be_complete():
    table = classification_summary([1, 2, 2], [2, 2, 2], labels=[2, 1, 7])
    assert table.index.tolist() == [2, 1, 7, "macro average", "weighted average"]
    assert table["support"].tolist() == [2, 1, 0, 3, 3]
    with pytest.raises(ValueError, match="The label 2 occurs, but is not among labels"):
        classification_summary([1, 2], [1, 1], labels=[1])
    with pytest.raises(ValueError, match=r"named once; got \[1, 1, 2\]"):
        classification_summary([1, 2], [1, 1], labels=[1, 1, 2])


def test_true_and_false_are_one_and_zero():
    numbers, words = [0, 1, 1, 0], [False, True, False, False]
    expected = classification_summary(numbers, [int(one) for one in words]).to_numpy()
    for pair in [(numbers, words), (np.array(numbers, bool), np.array(words, int))]:
        np.testing.assert_array_equal(classification_summary(*pair), expected)
        for labels in ([0, 1], [False, True]):
            np.testing.assert_array_equal(classification_summary(*pair, labels=labels), expected)


def test_classes_may_be_called_as_the_averages_are():
    names = ["macro average", "weighted average"]
    table = summarize_confusion_matrix([[3, 1], [0, 2]], names)
    expected = summarize_confusion_matrix([[3, 1], [0, 2]], ["E", "S"])
    np.testing.assert_array_equal(table.to_numpy(), expected.to_numpy())
    assert table.index.tolist() == 2 * names
    assert table.dtypes.equals(expected.dtypes)
    assert table.index.name == "class"


@pytest.mark.parametrize(("true", "called"), [([], []), ([None], ["a"]), (["a"], [np.nan])])
def test_no_galaxies_have_no_scores(true, called):
    for labels in (None, ["a", "b"]):
        with pytest.raises(ValueError, match="needs galaxies whose class is known and predicted"):
            classification_summary(true, called, labels=labels)


@pytest.mark.parametrize(
    ("matrix", "labels", "match"),
    [
        ([[1, 2]], None, "is square; got shape"),
        ([[1, 2], [3]], None, "is square; got rows of unequal length"),
        ([1, 2], None, r"is square; got shape \(2,\)"),
        ([[1, -2], [0, 1]], None, "holds counts; got -2"),
        ([[0.5, 0.5], [0, 1]], None, "holds counts; got 0.5"),
        ([[np.nan, 0], [0, 1]], None, "holds counts; got nan"),
        ([[np.inf, 0], [0, 1]], None, "holds counts; got inf"),
        ([["1", "0"], ["0", "1"]], None, "holds counts; got '1'"),
        ([[None, 0], [0, 1]], None, "holds counts; got None"),
        ([[1, 2], [0, 1]], ["a"], "Got 1 labels for 2 classes"),
    ],
)
def test_what_is_no_confusion_matrix(matrix, labels, match):
    with pytest.raises(ValueError, match=match):
        summarize_confusion_matrix(matrix, labels)


def test_a_confusion_matrix_may_have_its_own_names():
    table = pd.DataFrame([[3, 1], [0, 2]], index=["E", "S"], columns=["E", "S"])
    expected = summarize_confusion_matrix(table.to_numpy(), ["E", "S"])
    pd.testing.assert_frame_equal(summarize_confusion_matrix(table), expected)
    predicted = table.set_axis(["as E", "as S"], axis=1)
    pd.testing.assert_frame_equal(summarize_confusion_matrix(predicted), expected)
    with pytest.raises(ValueError, match=r"order of its rows; got \['S', 'E'\] and \['E', 'S'\]"):
        summarize_confusion_matrix(table[["S", "E"]])


def test_a_confusion_matrix_may_be_a_list_or_a_tuple():
    expected = summarize_confusion_matrix(np.array([[815, 21], [29, 762]]))
    for matrix in ([[815, 21], [29, 762]], ((815.0, 21), (29, 762))):
        pd.testing.assert_frame_equal(summarize_confusion_matrix(matrix), expected)
    assert expected.index.tolist()[:2] == [0, 1]
    assert expected.loc[0, "recall"] == 815 / 836


def test_labels_may_be_a_column_but_not_several():
    true, called = ["E", None, "S", "E"], np.array(["E", "S", "E", "E"])
    expected = classification_summary(true, called)
    column = pd.DataFrame({"class": true})
    pd.testing.assert_frame_equal(classification_summary(column, called[:, None]), expected)
    proba = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
    pd.testing.assert_frame_equal(
        reliability_curve(column, proba, classes=["E", "S"]),
        reliability_curve(true, proba, classes=["E", "S"]),
    )
    with pytest.raises(ValueError, match="should be a 1d array"):
        classification_summary(np.column_stack([called, called]), called)


@pytest.mark.parametrize("score", [reliability_curve, expected_calibration_error])
def test_calibration_knows_its_classes(score):
    with pytest.raises(ValueError, match=r"class 'irr' occurs, but is not among .*\['a', 'b'\]"):
        score(["a", "irr", "b"], np.full((3, 2), 0.5), classes=["a", "b"])
    with pytest.raises(ValueError, match="class 1 occurs"):
        score([1, 2, None], np.full((3, 2), 0.5), classes=["1", "2"])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_galaxies_without_a_class_are_left_out(missing):
    proba = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
    some, kept = ["E", missing, "S", "E"], [0, 2, 3]
    known, called = ["E", "S", "E"], np.array(["E", "S", "E", "E"])
    error = expected_calibration_error(some, proba, classes=["E", "S"])
    assert error == expected_calibration_error(known, proba[kept], classes=["E", "S"])
    pd.testing.assert_frame_equal(
        classification_summary(some, called), classification_summary(known, called[kept])
    )
    with pytest.raises(ValueError, match="needs samples whose class is known"):
        reliability_curve([missing] * 4, proba, classes=["E", "S"])


@given(st.integers(1, 500), st.floats(0, 1), st.sampled_from([0.68, 0.95, 0.99]))
def test_wilson_interval_is_scipy_s(n, share, confidence):
    successes = round(share * n)
    expected = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    np.testing.assert_allclose(
        wilson_interval(successes, n, confidence=confidence), expected, atol=1e-12
    )


def test_wilson_interval_of_nothing_and_of_many():
    assert wilson_interval(0, 0) == (0.0, 1.0)
    low, high = wilson_interval([0, 5], [0, 10])
    assert low[0] == 0
    assert high[0] == 1
    assert 0 < low[1] < 0.5 < high[1] < 1
    with pytest.raises(ValueError, match="0 <= successes <= n"):
        wilson_interval(3, 2)
    with pytest.raises(ValueError, match=r"lies in \(0, 1\); got 95"):
        wilson_interval(1, 2, confidence=95)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 5))
def test_cluster_accuracy_is_the_best_assignment(seed, n_classes, n_clusters):
    rng = np.random.default_rng(seed)
    true, clusters = rng.integers(n_classes, size=30), rng.integers(n_clusters, size=30)
    side = max(n_classes, n_clusters)
    best = max(
        np.mean(np.array(names)[clusters] == true) for names in itertools.permutations(range(side))
    )
    assert cluster_accuracy(true, clusters) == pytest.approx(best)
    assert cluster_accuracy(true.astype(str), -true) == 1


def test_cluster_accuracy_leaves_out_what_has_no_class():
    assert cluster_accuracy(["E", None, "S", "S"], [0, 0, 1, 0]) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="needs galaxies whose class is known"):
        cluster_accuracy([None, None], [0, 1])


def test_clusters_may_be_a_column_but_not_several():
    true, clusters = pd.DataFrame({"class": ["E", None, "S", "S"]}), np.array([[0], [0], [1], [0]])
    assert cluster_accuracy(true, clusters) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="should be a 1d array"):
        cluster_accuracy(np.hstack([clusters, clusters]), clusters)


@pytest.mark.parametrize(
    ("truth", "weights", "message"),
    [
        ([[0.5], [0.1]], [1.0, -2.0], "weights that are finite and not negative"),
        ([[0.5], [0.1]], [1.0, np.nan], "weights that are finite and not negative"),
        ([[0.5], [0.1]], [1.0, np.inf], "weights that are finite and not negative"),
        ([[0.5], [np.inf]], None, "row 1 of y_true holds infinity"),
        ([0.5, -np.inf], None, "row 1 of y_true holds infinity"),
        ([], None, r"needs at least one fraction; got shape \(0,\)"),
        (np.ones((0, 37)), None, r"needs at least one fraction; got shape \(0, 37\)"),
        (np.ones((2, 0)), None, r"needs at least one fraction; got shape \(2, 0\)"),
    ],
)
def test_votes_and_weights_that_give_no_error(truth, weights, message):
    with pytest.raises(ValueError, match=message):
        vote_rmse(truth, np.zeros(np.shape(truth)), sample_weight=weights)


def test_calibration_error_of_planted_overconfidence():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 200_000)
    proba = np.column_stack([confidence, 1 - confidence])
    true = np.where(rng.random(len(confidence)) < confidence, "a", "b")
    assert expected_calibration_error(true, proba, classes=["a", "b"]) < 0.01
    less_often = np.where(rng.random(len(confidence)) < confidence - 0.2, "a", "b")
    error = expected_calibration_error(less_often, proba, classes=["a", "b"])
    assert error == pytest.approx(0.2, abs=0.01)


def test_reliability_curve_counts_everything_once():
    proba = np.array([[1.0, 0.0], [0.95, 0.05], [0.55, 0.45]])
    curve = reliability_curve(["a", "b", "a"], proba, classes=["a", "b"])
    assert curve["count"].tolist() == [1, 2]
    np.testing.assert_allclose(curve["accuracy"], [1, 0.5])
    np.testing.assert_allclose(curve["confidence"], [0.55, 0.975])
    with pytest.raises(ValueError, match=r"of 2 samples; got \(3, 2\)"):
        reliability_curve(["a", "b"], proba, classes=["a", "b"])
    for n_bins in (1.5, float("nan")):
        with pytest.raises(ValueError, match=f"a whole number of bins; got {n_bins}"):
            reliability_curve(["a"], [[1.0]], classes=["a"], n_bins=n_bins)
    with pytest.raises(ValueError, match="a whole number of bins; got 0"):
        reliability_curve(["a", "b", "a"], proba, classes=["a", "b"], n_bins=0)


def test_pseudo_labels_whose_truth_is_not_known_have_no_part_in_the_precision():
    health = pseudo_label_health(["E", "S", "S", -1], ["E", "S"], ["E", None, "E", "S"])
    assert health.attrs["precision"] == 0.5
    assert health["precision"].tolist() == [1.0, 0.0]
    health = pseudo_label_health(["E", "E", "S"], ["E", "S"], pd.array(["E", pd.NA, pd.NA]))
    assert health.attrs["precision"] == 1.0
    np.testing.assert_array_equal(health["precision"], [1.0, np.nan])
    assert pseudo_label_health([1.0, -1], [1, 2], [1, 2]).attrs["precision"] == 1.0


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_a_pseudo_label_that_is_missing_is_minus_one(missing):
    for labels in (["E", "S", missing], pd.Series(["E", "S", missing], dtype="string")):
        with pytest.raises(ValueError, match="needs -1 where a row has no pseudo-label; row 2"):
            pseudo_label_health(labels, ["E", "S"])


def test_what_is_masked_is_missing():
    y = np.ma.array(["E", "S", "0"], mask=[False, False, True])
    assert classification_summary(y, y).index.tolist()[:2] == ["E", "S"]


def test_a_masked_prediction_is_none():
    masked = np.ma.array([[0.5], [0.1]], mask=[[False], [True]])
    with pytest.raises(ValueError, match="row 1 of y_pred holds NaN"):
        vote_rmse([[0.5], [1.0]], masked)
