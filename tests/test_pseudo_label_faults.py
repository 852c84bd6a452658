"""PseudoLabelClassifier: what is wrong is said before the first training, and told apart."""

from pathlib import Path

import numpy as np
import pytest
from self_training import linear, self_training, write_files
from shapes import make_shapes
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils._param_validation import InvalidParameterError

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.exceptions import ImageReadError, ImageReadWarning, PseudoLabelWarning
from galaxy_sklearn.preprocessing import ImageReader
from galaxy_sklearn.semi_supervised import FixMatchClassifier, PseudoLabelClassifier

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(60)


@pytest.fixture
def untrained(monkeypatch):
    """Fail the test if a GalaxyClassifier is trained."""

    def train(self, *args, **kwargs):
        pytest.fail("something was trained before the fault was found")

    monkeypatch.setattr(GalaxyClassifier, "_train", train)


@pytest.mark.parametrize("wrapper", [PseudoLabelClassifier, FixMatchClassifier])
@pytest.mark.parametrize(
    "params",
    [{"freeze": "bakbone"}, {"loss": "focal"}, {"learning_rate": -1.0}, {"n_restarts": 0}],
    ids=str,
)
def test_parameters_of_the_estimator_inside_are_checked(shapes, untrained, wrapper, params):
    X, y = shapes
    model = wrapper(linear(max_epochs=1).set_params(**params))
    with pytest.raises(InvalidParameterError, match=f"'{next(iter(params))}' parameter"):
        model.fit(X[:20], y[:20], X_unlabeled=X[20:])


def test_parameters_of_any_estimator_inside_are_checked():
    X, y = RNG.normal(size=(20, 2)), np.arange(20) % 2
    with pytest.raises(InvalidParameterError, match="'C' parameter of LogisticRegression"):
        PseudoLabelClassifier(LogisticRegression(C=-1), threshold=0.9).fit(X, y, X_unlabeled=X)


def test_pixels_of_the_pool_that_are_not_finite_are_found_first(shapes, untrained):
    X, y = shapes[0] / 255, shapes[1]
    pool = X[20:].copy()
    pool[7, 3, 3] = np.nan
    for wrapper in (PseudoLabelClassifier, FixMatchClassifier):
        with pytest.raises(ValueError, match="row 7 of X_unlabeled holds NaN"):
            wrapper(linear(max_epochs=1)).fit(X[:20], y[:20], X_unlabeled=pool)
        with pytest.raises(ValueError, match="row 7 of X_exclude holds NaN"):
            wrapper(linear(max_epochs=1)).fit(X[:20], y[:20], X_unlabeled=X, X_exclude=pool)


AROUND = {
    "alone": lambda model: model,
    "calibrated": lambda model: CalibratedClassifierCV(model, cv=2),
    "searched": lambda model: GridSearchCV(model, {"galaxyclassifier__max_epochs": [2]}, cv=2),
    "voting": lambda model: VotingClassifier([("one", model), ("two", model)], voting="soft"),
}


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_files_that_cannot_be_read_get_no_label(shapes, tmp_path, around):
    X, y = shapes
    files = write_files(X, tmp_path)
    broken = [str(tmp_path / f"broken{k}.png") for k in range(3)]
    for file in broken:
        Path(file).write_bytes(b"no picture")
    model = around(make_pipeline(ImageReader(on_error="blank"), linear(max_epochs=2)))
    model = self_training(model, threshold=0.1, max_iter=1)
    left_out = pytest.warns(PseudoLabelWarning, match="gives no label to 3 images")
    with pytest.warns(ImageReadWarning), left_out:
        model.fit(files[:40], y[:40], X_unlabeled=[*broken, *files[40:]])
    np.testing.assert_array_equal(model.excluded_, [40, 41, 42])
    np.testing.assert_array_equal(np.flatnonzero(model.transduction_ == "-1"), [40, 41, 42])


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_files_that_are_not_there_are_found_first(shapes, tmp_path, untrained, around):
    files = write_files(shapes[0], tmp_path)
    model = self_training(around(make_pipeline(ImageReader(), linear(max_epochs=2))))
    with pytest.raises(ImageReadError, match=r"none\.png"):
        model.fit(files, shapes[1], X_unlabeled=[*files, str(tmp_path / "none.png")])


@pytest.mark.parametrize("wrapper", [PseudoLabelClassifier, FixMatchClassifier])
def test_a_fit_that_fails_leaves_no_estimator_under_other_classes(shapes, wrapper):
    X, y = shapes
    model = wrapper(linear(max_epochs=1)).fit(X[:40], y[:40], X_unlabeled=X[40:])
    with pytest.raises(ValueError, match="X_exclude must have"):
        model.fit(X[:40], y[:40] == y[0], X_unlabeled=X[40:], X_exclude=X[:3] / 255)
    with pytest.raises(NotFittedError):
        model.predict(X)


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_a_reader_that_leaves_out_rows_is_refused_first(shapes, untrained, around):
    model = around(make_pipeline(ImageReader(on_error="skip"), linear(max_epochs=1)))
    with pytest.raises(ValueError, match='on_error="skip".*: on_error="blank" gives files'):
        PseudoLabelClassifier(model).fit(shapes[0], shapes[1], X_unlabeled=shapes[0])


def test_labels_that_all_have_no_weight_are_refused_first():
    X, y = RNG.normal(size=(20, 2)), np.repeat([0, 1, -1, -1], 5)
    with pytest.raises(ValueError, match="zeros only for the labelled rows"):
        PseudoLabelClassifier(LogisticRegression()).fit(X, y, sample_weight=(y < 0).astype(float))


class Fickle(ClassifierMixin, BaseEstimator):
    """Tells two classes apart until it has seen fifty labels; then everything is the first."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.fickle_ = len(y) > 50
        return self

    def predict_proba(self, X):
        first = np.ones(len(X), bool) if self.fickle_ else X[:, 0] < 0
        return np.where(first[:, None], [0.9, 0.1], [0.1, 0.9])


def test_a_collapse_keeps_its_name_where_labels_may_be_taken_back():
    X, pool = RNG.normal(size=(20, 2)), RNG.normal(size=(200, 2))
    model = PseudoLabelClassifier(Fickle(), threshold=0.35, relabel=True, max_iter=4)
    with pytest.warns(PseudoLabelWarning, match="rolled back round 2"):
        model.fit(X, X[:, 0] > 0, X_unlabeled=pool)
    assert [entry["outcome"] for entry in model.history_] == ["accepted", "collapse"]
    assert model.termination_condition_ == "collapse"
    assert (model.labeled_iter_ >= 0).all()  # those of round 1 stand


class Certain(ClassifierMixin, BaseEstimator):
    """Never wrong, the surer the further from the middle."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        second = 0.5 + 0.4999 * np.sign(X[:, 0]) * (0.99 + 0.01 * np.abs(X[:, 0]))
        return np.stack([1 - second, second], axis=1)


def test_a_quota_takes_the_surest_where_the_temperature_makes_them_equal():
    X, pool = RNG.uniform(-1, 1, (60, 1)), RNG.uniform(-0.5, 1, (400, 1))
    model = PseudoLabelClassifier(
        Certain(), criterion="quota", max_divergence=None, max_iter=1, random_state=0
    ).fit(X, X[:, 0] > 0, X_unlabeled=pool)
    assert model.history_[0]["temperature"] < 0.2
    assert (model.confidence_[60:] == 1).sum() > 50
    second = pool[:, 0] > 0
    chosen = second & (model.labeled_iter_[60:] > 0)
    assert 50 < chosen.sum() < second.sum()
    assert pool[chosen].min() > pool[second & ~chosen].max()


def test_an_empty_quota_says_so():
    X, y = np.arange(40.0)[:, np.newaxis] - 20, np.repeat([False, True], 20)
    model = PseudoLabelClassifier(
        Certain(), criterion="quota", threshold=0.6, max_divergence=None, max_iter=1
    )
    message = r"round 1: 9 guesses are above the threshold, but 0 of them are of class False, too"
    with pytest.warns(PseudoLabelWarning, match=message):
        model.fit(X, y, X_unlabeled=np.arange(1.0, 10)[:, np.newaxis])
    assert model.history_[0]["n_added"] == 0


def test_soft_labels_of_many_classes_keep_their_largest_share():
    X, y = RNG.normal(size=(100, 3)), np.arange(100) % 25
    model = PseudoLabelClassifier(
        LogisticRegression(C=1e-4),
        criterion="k_best",
        soft_labels=True,
        max_iter=1,
        max_divergence=None,
    ).fit(X, y, X_unlabeled=RNG.normal(size=(50, 3)))
    assert (model.labeled_iter_ == 1).sum() == 10


def test_a_warm_start_keeps_its_field_of_view():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, (40, 32, 32, 1)).astype(np.uint8)
    y = np.arange(40) % 2
    pool = np.zeros((40, 32, 32, 1), np.uint8)
    pool[:, 14:18, 14:18] = 255  # galaxies that fill an eighth of the frame
    params = {"network_params": {"input_size": 16, "widths": (4,)}, "max_steps": 2}
    inner = GalaxyClassifier(**params, random_state=0)
    model = PseudoLabelClassifier(inner, threshold=0.0, max_iter=1, max_divergence=None)
    labels = inner.fit(X, y).field_
    mixed = model.fit(X, y, X_unlabeled=pool).estimator_.field_
    assert mixed < labels
    warm = model.set_params(warm_start=True).fit(X, y, X_unlabeled=pool)
    assert warm.n_fits_ == 2
    assert warm.estimator_.field_ == labels
