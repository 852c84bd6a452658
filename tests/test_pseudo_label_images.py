"""PseudoLabelClassifier on images: every form of X, views that agree, scikit-learn's world."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from self_training import flat, linear, outcome, self_training, write_files
from shapes import make_shapes
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from galaxy_sklearn import GalaxyClassifier, ImageSequence
from galaxy_sklearn.datasets import make_galaxies
from galaxy_sklearn.preprocessing import CenterCrop, ImageReader
from galaxy_sklearn.semi_supervised import FixMatchClassifier, PseudoLabelClassifier
from galaxy_sklearn.semi_supervised._views import VIEWS

N = 30  # labelled


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(150)


@pytest.fixture(scope="module")
def files(shapes, tmp_path_factory):
    return write_files(shapes[0], tmp_path_factory.mktemp("shapes"))


# Every form of X


@pytest.mark.parametrize("pool", ["array", "sequence", "paths"])
@pytest.mark.parametrize("given", ["array", "sequence", "paths"])
def test_every_form_of_images_gives_the_same_labels(shapes, files, given, pool):
    X, y = shapes
    forms = {
        "array": lambda rows: X[rows],
        "sequence": lambda rows: ImageSequence.from_array(X)[rows],
        "paths": lambda rows: files[rows],
    }
    base = make_pipeline(ImageReader(), CenterCrop(12), flat())
    model, expected = self_training(base), self_training(base)
    expected.fit(X[:N], y[:N], X_unlabeled=X[N:])
    first, rest = slice(0, N), slice(N, None)
    model.fit(forms[given](first), y[first], X_unlabeled=forms[pool](rest))
    assert outcome(model) == outcome(expected)
    assert (expected.labeled_iter_ > 0).sum() > 60
    np.testing.assert_allclose(model.predict_proba(X), expected.predict_proba(X))


@pytest.mark.parametrize(
    "column",
    [
        lambda paths: np.array(paths),
        lambda paths: np.array(paths)[:, None],
        lambda paths: pd.Series(paths),
        lambda paths: pd.DataFrame({"file": paths}),
    ],
)
def test_file_names_of_every_kind(shapes, files, column):
    y = shapes[1]
    model = self_training(make_pipeline(ImageReader(), flat()))
    expected = clone(model).fit(files[:N], y[:N], X_unlabeled=files[N:])
    names = column(files)
    model.fit(names[:N], y[:N], X_unlabeled=names[N:])
    assert outcome(model) == outcome(expected)
    np.testing.assert_array_equal(model.predict(names), expected.predict(files))


def test_galaxies_teach_a_network(shapes):
    X, y = shapes
    model = self_training(linear(), threshold=0.7).fit(X[:N], y[:N], X_unlabeled=X[N:])
    chosen = model.labeled_iter_ > 0
    assert chosen.sum() > 40
    assert (model.transduction_ == y)[chosen].mean() > 0.9
    masked = np.where(np.arange(len(y)) < N, y.astype(object), -1)
    together = clone(model).fit(ImageSequence.from_array(X), masked)
    assert outcome(together) == outcome(model)
    assert model.n_features_in_ == X[0].size


def test_a_network_goes_on_learning_under_warm_start(shapes):
    X, y = shapes
    model = self_training(linear(max_epochs=5), warm_start=True, max_iter=1)
    model.fit(X[:N], y[:N], X_unlabeled=X[N:])
    fresh = clone(model).set_params(warm_start=False).fit(X[:N], y[:N], X_unlabeled=X[N:])
    np.testing.assert_array_equal(model.transduction_, fresh.transduction_)  # one first round
    losses = [one.estimator_.loss_curve_[0] for one in (model, fresh)]
    assert losses[0] < losses[1]  # it starts where the first round ended


def test_made_galaxies_of_five_classes():
    X, y = make_galaxies(80, image_size=16, random_state=0)
    model = self_training(linear(), criterion="quota", threshold=0.3, max_divergence=0.2)
    model.fit(X[:50], y[:50], X_unlabeled=X[50:])
    assert set(model.predict(X)) <= set(y)
    assert all(entry["divergence"] <= 0.2 for entry in model.history_)


# Views that agree


def test_views_keep_shape_and_type_and_see_the_same_galaxy():
    rng = np.random.default_rng(0)
    for shape in [(3, 17, 12, 3), (2, 8, 8, 1), (2, 9, 9), (1, 8, 10, 5)]:
        for dtype in (np.uint8, np.float32, np.float64):
            images = rng.integers(0, 255, shape).astype(dtype)
            for view in VIEWS:
                seen = view.transform_images(images)
                assert seen.shape == images.shape
                assert seen.dtype == images.dtype
    y, x = np.indices((41, 41)) - 20
    disk = (255.0 * (np.hypot(x, y) < 10))[None, ..., None]
    areas = [(view.transform_images(disk) > 127).sum() for view in VIEWS]
    for view, area in zip(VIEWS, areas):
        assert area == pytest.approx(areas[0] / view.field**2, rel=0.06)


@pytest.mark.parametrize("lazy", [False, True])
def test_agreement_keeps_out_what_changes_with_the_view(shapes, lazy):
    X, y = shapes
    lopsided = X[:40].copy()
    lopsided[:, :, :8] = X[np.flatnonzero(y == "ring")[:40]][:, :, :8]
    lopsided[:, :, 8:] = X[np.flatnonzero(y == "long")[:40]][:, :, 8:]
    pool = np.concatenate([X[N:], lopsided])
    pool = ImageSequence.from_array(pool) if lazy else pool
    model = self_training(linear(), threshold=0.0, criterion="agreement", max_iter=1)
    model.fit(X[:N], y[:N], X_unlabeled=pool)
    chosen = model.labeled_iter_[N:] > 0
    right = model.transduction_[N : len(X)] == y[N:]
    assert chosen[: len(right)].mean() > chosen[len(right) :].mean()
    plain = clone(model).set_params(criterion="threshold")
    plain.fit(X[:N], y[:N], X_unlabeled=pool)
    first = plain.transduction_[N : len(X)] == y[N:]
    assert right[chosen[: len(right)]].mean() >= first.mean()
    assert not chosen.all()
    for view in VIEWS:  # what was chosen is named alike in every view by the first model
        seen = view.transform_images(np.asarray(pool)[chosen])
        named = linear().fit(X[:N], y[:N]).predict(seen)
        np.testing.assert_array_equal(named, model.transduction_[N:][chosen])


def test_agreement_looks_where_the_classifier_stands(shapes, files):
    X, y = shapes
    params = {"criterion": "agreement", "threshold": "auto", "target_precision": 0.9}
    base = self_training(make_pipeline(ImageReader(), CenterCrop(14), linear()), **params)
    by_name = clone(base).fit(files[:N], y[:N], X_unlabeled=files[N:])
    by_pixels = clone(base).fit(X[:N], y[:N], X_unlabeled=X[N:])
    assert outcome(by_name) == outcome(by_pixels)


class NeverTrained(LogisticRegression):
    """Fails if it is trained."""

    def fit(self, X, y, sample_weight=None):
        raise AssertionError


def test_agreement_needs_images_and_says_so_before_the_first_training():
    X, y = load_iris(return_X_y=True)
    model = self_training(NeverTrained(), criterion="agreement")
    with pytest.raises(ValueError, match=r"needs images.*got ndarray of shape \(75, 4\)"):
        model.fit(X[::2], y[::2], X_unlabeled=X[1::2])


# scikit-learn's world


def test_clone_pickle_and_two_fits_agree(shapes):
    X, y = shapes
    model = self_training(linear(max_epochs=3), threshold="auto", target_precision=0.6)
    model.fit(X[:60], y[:60], X_unlabeled=X[60:])
    again = clone(model).fit(X[:60], y[:60], X_unlabeled=X[60:])
    stored = pickle.loads(pickle.dumps(model))
    for other in (again, stored):
        assert outcome(other) == outcome(model)
        np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("routing", [False, True])
def test_grid_search_with_a_pool(shapes, routing):
    X, y = shapes
    with sklearn.config_context(enable_metadata_routing=routing):
        model = self_training(flat())
        if routing:
            model.set_fit_request(X_unlabeled=True)
        grid = {"threshold": [0.4, 0.99], "estimator__logisticregression__C": [1e-6, 1.0]}
        search = GridSearchCV(model, grid, cv=2, error_score="raise")
        search.fit(X[:N], y[:N], X_unlabeled=ImageSequence.from_array(X[N:]))
    assert search.best_score_ > 0.8
    assert search.best_params_["estimator__logisticregression__C"] == 1.0
    assert len(search.best_estimator_.transduction_) == len(X)
    assert (search.best_estimator_.labeled_iter_[N:] > 0).any()


class Counting(PseudoLabelClassifier):
    """Notes how many images its pools hold."""

    pools = []

    def fit(self, X, y, X_unlabeled=None):
        self.pools.append(len(X_unlabeled))
        return super().fit(X, y, X_unlabeled=X_unlabeled)


def test_scikit_learn_cuts_a_pool_as_long_as_x_and_no_other(shapes, monkeypatch):
    X, y = shapes
    monkeypatch.setattr(Counting, "pools", [])
    model = Counting(flat(), threshold=0.6, max_iter=0)
    for pool in (X[N : 2 * N], X[N : 2 * N - 1], X[N:]):
        cross_val_score(model, X[:N], y[:N], params={"X_unlabeled": pool}, cv=2)
    assert Counting.pools == [N // 2, N // 2, N - 1, N - 1, 150 - N, 150 - N]


def test_sparse_rows_and_data_frames():
    X, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = X[order], y[order]
    model = self_training(KNeighborsClassifier(9, algorithm="brute"))
    expected = clone(model).fit(X[:N], y[:N], X_unlabeled=X[N:])
    for kind in (sp.csr_matrix, sp.coo_array):
        sparse = clone(model).fit(kind(X[:N]), y[:N], X_unlabeled=kind(X[N:]))
        assert outcome(sparse) == outcome(expected)
    frame = pd.DataFrame(X, columns=list("abcd"))
    framed = clone(model).fit(frame[:N], y[:N], X_unlabeled=frame[N:])
    assert outcome(framed) == outcome(expected)
    assert framed.feature_names_in_.tolist() == list("abcd")
    with pytest.raises(ValueError, match="feature names should match"):
        clone(model).fit(frame[:N], y[:N], X_unlabeled=frame[N:].rename(columns={"a": "z"}))


# What it refuses


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"threshold": 1.0}, "threshold.*parameter of PseudoLabelClassifier"),
        ({"criterion": "best"}, "criterion.*parameter of PseudoLabelClassifier"),
        ({"max_divergence": 0.0}, "max_divergence.*parameter of PseudoLabelClassifier"),
        ({"target_precision": 1.1}, "target_precision.*parameter of PseudoLabelClassifier"),
        ({"threshold": "auto", "validation_fraction": None}, "needs a validation_fraction"),
        ({"relabel": True, "max_iter": None}, "may change labels for ever"),
    ],
)
def test_refuses_parameters(shapes, params, message):
    X, y = shapes
    with pytest.raises(ValueError, match=message):
        self_training(flat(), **params).fit(X[:N], y[:N], X_unlabeled=X[N:])


def test_refuses_data_that_do_not_fit(shapes):
    X, y = shapes
    model = self_training(flat())
    with pytest.raises(ValueError, match=r"same kind: got rows of ndarray of shape \(16, 16, 3\)"):
        model.fit(X[:N], y[:N], X_unlabeled=X[N:, :12])
    with pytest.raises(ValueError, match="30 rows in X and 29 labels in y"):
        model.fit(X[:N], y[: N - 1])
    with pytest.raises(ValueError, match="none of the 30 rows of X has one"):
        model.fit(X[:N], np.full(N, -1))
    with pytest.raises(ValueError, match="only one class: 'ring'"):
        model.fit(X[:N], np.where(y[:N] == "ring", "ring", "-1"))
    with pytest.raises(ValueError, match="X has 3 features"):
        self_training(LogisticRegression()).fit(
            np.eye(4), [0, 1, 0, 1], X_unlabeled=np.zeros((2, 3))
        )
    with pytest.raises(ValueError, match="each class has one only"):
        self_training(flat(), threshold="auto").fit(X[:3], y[:3], X_unlabeled=X[3:])


def test_an_empty_pool_is_no_pool(shapes):
    X, y = shapes
    with pytest.warns(UserWarning, match="y contains no unlabeled samples"):
        model = self_training(flat()).fit(X[:N], y[:N], X_unlabeled=X[:0])
    assert model.termination_condition_ == "all_labeled"
    assert model.n_fits_ == 1
    with pytest.warns(UserWarning, match="k_best is larger than the amount of unlabeled"):
        self_training(flat(), criterion="k_best").fit(X[:N], y[:N], X_unlabeled=X[N : N + 5])


@pytest.mark.parametrize("params", [{"mode": "L"}, {"reduce": 2}])
def test_files_beside_a_sequence_are_read_as_the_pipeline_reads_them(shapes, files, params):
    X, y = shapes
    base = make_pipeline(ImageReader(**params), flat())
    expected = self_training(base).fit(files[:N], y[:N], X_unlabeled=files[N:])
    pool = ImageSequence.from_files(files[N:], **params)
    model = self_training(base).fit(files[:N], y[:N], X_unlabeled=pool)
    assert outcome(model) == outcome(expected)
    np.testing.assert_allclose(model.predict_proba(files), expected.predict_proba(files))


def test_a_column_of_files_and_a_list_of_them_are_of_one_kind(shapes, files):
    y = shapes[1]
    base = make_pipeline(ImageReader(), flat())
    expected = self_training(base).fit(files[:N], y[:N], X_unlabeled=files[N:])
    column = pd.DataFrame({"file": files[:N]})
    model = self_training(base).fit(column, y[:N], X_unlabeled=list(files[N:]))
    assert outcome(model) == outcome(expected)


@pytest.mark.parametrize("meta", [self_training, FixMatchClassifier])
def test_channels_first_are_refused_as_by_the_classifier(shapes, meta):
    X, y = shapes[0].transpose(0, 3, 1, 2), shapes[1]
    with pytest.raises(ValueError, match="looks like channels first"):
        meta(linear(max_epochs=1)).fit(X[:N], y[:N], X_unlabeled=X[N:])


@pytest.mark.parametrize("soft_labels", [False, True])
def test_guessed_labels_do_not_stop_training_early(shapes, monkeypatch, soft_labels):
    X, y = shapes
    X = X.copy()
    X[:60, 0, 0] = 255  # a mark of what has a label
    X[60:, 0, 0] = 0
    sets = []
    validator = GalaxyClassifier._validator

    def watched(self, dataset):
        sets.append(np.asarray(dataset.images)[:, 0, 0, 0])
        return validator(self, dataset)

    monkeypatch.setattr(GalaxyClassifier, "_validator", watched)
    base = linear(early_stopping=True, max_epochs=3)
    model = self_training(base, soft_labels=soft_labels, threshold=0.4)
    model.fit(X[:60], y[:60], X_unlabeled=X[60:])
    assert (model.labeled_iter_ > 0).sum() > 50
    assert len(sets) >= 2
    assert all(len(one) == 6 and (one == 255).all() for one in sets)
