"""Labels of every kind, and the many ways to have none."""

import numpy as np
import pandas as pd
import pytest
from self_training import some_irises
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from galaxy_sklearn.metrics import expected_calibration_error, pseudo_label_health
from galaxy_sklearn.semi_supervised import PseudoLabelClassifier

PLAIN = {"max_divergence": None, "max_iter": 10}


@pytest.fixture(scope="module")
def iris():
    return some_irises()


@pytest.mark.parametrize("names", [["a", "bb", "ccc"], [0, 5, 9], [2.0, 3.0, 4.0]])
@pytest.mark.parametrize("form", ["array", "object", "list", "series"])
def test_labels_of_any_kind(iris, names, form):
    X, y, masked = iris
    labels = np.array(names, dtype=object)[y]
    labels[masked == -1] = -1
    forms = {
        "array": lambda: np.array(labels.tolist()),
        "object": lambda: labels,
        "list": lambda: labels.tolist(),
        "series": lambda: pd.Series(labels),
    }
    model = PseudoLabelClassifier(LogisticRegression(), threshold=0.8, **PLAIN)
    model.fit(X, forms[form]())
    numbers = clone(model).fit(X, masked)
    assert model.classes_.tolist() == names
    assert set(model.predict(X).tolist()) <= set(names)
    np.testing.assert_array_equal(model.labeled_iter_, numbers.labeled_iter_)
    chosen = model.labeled_iter_ >= 0
    expected = np.array(names, dtype=object)[numbers.transduction_[chosen]]
    assert model.transduction_[chosen].tolist() == expected.tolist()
    mark = "-1" if isinstance(names[0], str) else -1
    assert set(model.transduction_[~chosen].tolist()) == {mark}
    assert len(np.unique(model.transduction_)) == 4


@pytest.mark.parametrize("names", [["a", "bb", "ccc"], [0, 5, 9], [2.0, 3.0, 4.0]])
@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        (list, None),
        (list, np.nan),
        (pd.Series, None),
        (pd.Series, np.nan),
        (lambda y: pd.Series(y, dtype=object), pd.NA),
        (lambda y: pd.Series(y, dtype="category"), None),
        (lambda y: pd.Series(y).convert_dtypes(), pd.NA),
        (lambda y: np.array(y, dtype=object), np.nan),
    ],
)
def test_missing_labels_are_those_of_unlabelled_rows(iris, names, kind, missing):
    X, y, masked = iris
    labels = [missing if code == -1 else names[code] for code in masked]
    model = PseudoLabelClassifier(LogisticRegression(), threshold=0.8, **PLAIN)
    model.fit(X, kind(labels))
    assert model.classes_.tolist() == names
    expected = clone(model).fit(X, masked)
    np.testing.assert_array_equal(model.labeled_iter_, expected.labeled_iter_)
    assert len(np.unique(model.transduction_)) == 4


def test_rows_without_any_label_are_said_to_have_none(iris):
    X = iris[0]
    model = PseudoLabelClassifier(LogisticRegression())
    with pytest.raises(ValueError, match="none of the 150 rows of X has one"):
        model.fit(X, [None] * 150)


@pytest.mark.parametrize("kind", [bool, np.uint8])
def test_labels_without_room_for_minus_one(iris, kind):
    X, y, _ = iris
    labels = (y == 2).astype(kind)
    model = PseudoLabelClassifier(LogisticRegression(), threshold=0.9, max_iter=1)
    model.fit(X[:40], labels[:40], X_unlabeled=X[40:])
    assert model.predict(X).dtype == kind
    assert set(model.transduction_.tolist()) == {0, 1, -1}


@pytest.mark.parametrize("none", [-1, None, np.nan])
def test_the_labels_of_a_fit_may_be_passed_to_the_health(none):
    given = np.array([0, 1, none, none], dtype=object)
    found = pseudo_label_health([0, 1, 1], given)
    expected = pseudo_label_health([0, 1, 1], [0, 1])
    assert found.attrs == expected.attrs
    assert found.index.tolist() == [0, 1]


@pytest.mark.parametrize("wrong", [np.nan, -0.2, 1.5])
def test_what_is_no_probability_is_named(wrong):
    proba = np.array([[0.5, 0.5], [wrong, 0.3]])
    with pytest.raises(ValueError, match="between 0 and 1; row 1 holds"):
        expected_calibration_error(["a", "b"], proba, classes=["a", "b"])
