"""PseudoLabelClassifier on images: every form of X, pools that are never held, duplicates."""

import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from PIL import Image
from shapes import make_shapes
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from galaxy_sklearn import GalaxyClassifier, ImageSequence
from galaxy_sklearn.datasets import make_galaxies
from galaxy_sklearn.decomposition import AutoencoderPretrainer
from galaxy_sklearn.images._sources import ArraySource
from galaxy_sklearn.preprocessing import CenterCrop, ImageReader, Resize
from galaxy_sklearn.semi_supervised import PseudoLabelClassifier
from galaxy_sklearn.semi_supervised._views import VIEWS

N = 30  # labelled


def linear(**params):
    defaults = {"augmentation": None, "max_epochs": 30, "learning_rate": 0.02, "random_state": 0}
    return GalaxyClassifier(**({"network": "linear"} | defaults | params))


def flatten(X):
    X = np.asarray(X)
    return X.reshape(len(X), -1) / 255.0


def flat():
    return make_pipeline(FunctionTransformer(flatten), LogisticRegression(max_iter=300))


def self_training(estimator, **params):
    defaults = {"threshold": 0.6, "max_divergence": None, "max_iter": 2, "random_state": 0}
    return PseudoLabelClassifier(estimator, **(defaults | params))


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(150)


@pytest.fixture(scope="module")
def files(shapes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes")
    paths = [str(folder / f"{k:03d}.png") for k in range(len(shapes[0]))]
    for path, image in zip(paths, shapes[0]):
        Image.fromarray(image).save(path)
    return paths


def outcome(model):
    return model.transduction_.tolist(), model.labeled_iter_.tolist()


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
    if (given == "paths") != (pool == "paths") and "array" in (given, pool):
        with pytest.raises(ValueError, match="X and X_unlabeled of the same kind"):
            model.fit(forms[given](first), y[first], X_unlabeled=forms[pool](rest))
        return
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


def test_agreement_needs_images():
    X, y = load_iris(return_X_y=True)
    model = self_training(LogisticRegression(max_iter=500), criterion="agreement")
    with pytest.raises(ValueError, match=r"needs images.*got ndarray of shape \(75, 4\)"):
        model.fit(X[::2], y[::2], X_unlabeled=X[1::2])


# A pool is never held


class CountingSource(ArraySource):
    """Rows made when asked for, that count how many are read at once and in all."""

    def __init__(self, array, n):
        super().__init__(array)
        self.n, self.at_once, self.total = n, [], 0

    def __len__(self):
        return self.n

    def read_many(self, rows, empty):
        """Count, then read."""
        self.at_once.append(len(rows))
        return super().read_many(np.asarray(rows) % len(self.array), empty)

    def read(self, i):
        """Count, then read."""
        self.total += 1
        return super().read(i % len(self.array))


def test_a_pool_is_read_in_batches_and_never_held(shapes, monkeypatch):
    X, y = shapes
    source = CountingSource(X, 2000)
    read = []
    original = ImageSequence._filler

    def filler(self, rows, empty):
        read.append(len(rows))
        return original(self, rows, empty)

    monkeypatch.setattr(ImageSequence, "_filler", filler)
    monkeypatch.setattr(ImageSequence, "__array__", None)  # nobody may ask for all pixels
    model = self_training(linear(max_epochs=1), threshold=0.0, batch_size=256, max_iter=1)
    model.fit(X[:N], y[:N], X_unlabeled=ImageSequence(source))
    assert (model.labeled_iter_ > 0).sum() == 2000
    assert max(source.at_once + read) <= 256
    assert sum(source.at_once) == 2000  # each was guessed once
    assert source.total + N >= 2000  # and trained on, one batch at a time


def test_a_quarter_million_rows_cost_their_numbers_only(shapes):
    class Cheap(LogisticRegression):
        def fit(self, X, y):
            return super().fit(flatten(X[:60]), y[:60])

        def predict_proba(self, X):
            assert len(X) <= 1024
            return np.tile([0.2, 0.2, 0.6], (len(X), 1))

    X, y = shapes
    pool = ImageSequence(CountingSource(X, 243_434))
    model = self_training(Cheap(max_iter=500), threshold=0.5, max_iter=1)
    tracemalloc.start()
    model.fit(X[:N], y[:N], X_unlabeled=pool)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (model.labeled_iter_ > 0).sum() == 243_434
    assert peak < 80e6  # 187 MB of pixels, 243,434 rows
    assert pool.source.total < 100


# Duplicates


@pytest.mark.parametrize("kind", ["array", "sequence", "paths"])
def test_duplicates_of_labelled_and_excluded_images_get_no_label(shapes, files, tmp_path, kind):
    X, y = shapes
    forms = {"array": X, "sequence": ImageSequence.from_array(X), "paths": np.array(files)}
    images = forms[kind]
    rows = np.concatenate([np.arange(N, 100), [0, 7]])  # two of them are labelled
    base = make_pipeline(ImageReader(), flat())
    plain = self_training(base, threshold=0.0)
    model = clone(plain).set_params(exclude_duplicates=True)
    model.fit(images[:N], y[:N], X_unlabeled=images[rows], X_exclude=images[90:])
    assert model.excluded_.tolist() == [*range(90, 100), 100, 101]
    assert (model.labeled_iter_[model.excluded_] == -1).all()
    assert (model.labeled_iter_[:90] >= 0).all()
    assert model.termination_condition_ == "all_labeled"
    plain.fit(images[:N], y[:N], X_unlabeled=images[rows], X_exclude=images[90:])
    assert plain.excluded_.tolist() == list(range(90, 100))
    assert clone(plain).fit(images[:N], y[:N], X_unlabeled=images[rows]).excluded_.size == 0


def test_duplicates_in_plain_features():
    X, y = load_iris(return_X_y=True)
    masked = np.where(np.arange(len(y)) % 2 == 0, y, -1)
    model = self_training(LogisticRegression(max_iter=500), exclude_duplicates=True)
    for kind in (np.asarray, sp.csr_array, pd.DataFrame):
        model.fit(kind(X), masked)
        given = {tuple(row) for row in X[::2]}
        twice = [k for k in range(1, len(X), 2) if tuple(X[k]) in given]
        assert model.excluded_.tolist() == twice
        assert twice


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16])
@pytest.mark.parametrize("images", [True, False])
def test_copies_are_found_in_another_type_of_the_same_numbers(shapes, kind, images):
    X, y = shapes
    X = X.astype(float) if images else X.reshape(len(X), -1) / 1.0
    model = self_training(flat()).fit(
        X[:N], y[:N], X_unlabeled=X[N:], X_exclude=X[90:].astype(kind)
    )
    assert model.excluded_.tolist() == list(range(90, 150))


def test_copies_in_a_table_are_found_in_any_kind_of_table():
    X, y = load_iris(return_X_y=True)
    X = np.round(X)
    model = self_training(LogisticRegression(max_iter=500), max_iter=1)
    masked = np.where(np.arange(len(y)) % 2 == 0, y, -1)
    expected = clone(model).fit(X, masked, X_exclude=X[::5]).excluded_.tolist()
    assert len(expected) > 20
    for kind in (sp.csr_array, np.asfortranarray, lambda X: X.astype(np.int8)):
        assert clone(model).fit(X, masked, X_exclude=kind(X[::5])).excluded_.tolist() == expected


def test_images_that_cannot_be_compared_are_refused(shapes, files):
    X, y = shapes
    model = self_training(make_pipeline(ImageReader(), flat()))
    sequence = ImageSequence.from_array(X.astype(np.float32))
    for images in (X, ImageSequence.from_array(X), files):
        first, pool = images[:N], images[N:]
        for exclude, got in (
            (X[90:].astype(float), "3 bands of float pixels of 16 x 16"),
            (sequence[90:], "3 bands of float pixels of 16 x 16"),
            (X[90:, 1:], "3 bands of uint8 pixels of 15 x 16"),
            (X[90:].mean(-1), "1 bands of float pixels of 16 x 16"),
            (X[90:].reshape(60, -1), r"rows of shape \(768,\)"),
        ):
            with pytest.raises(ValueError, match=f"X_exclude must .* got {got}, and in X 3 bands"):
                model.fit(first, y[:N], X_unlabeled=pool, X_exclude=exclude)
    table = self_training(LogisticRegression())
    with pytest.raises(ValueError, match="X has 3 features"):
        table.fit(np.eye(4), [0, 1, 0, -1], X_exclude=np.zeros((2, 3)))


@pytest.mark.parametrize("given", ["array", "sequence", "paths"])
@pytest.mark.parametrize("excluded", ["array", "sequence", "paths"])
def test_any_form_of_images_finds_any_other(shapes, files, given, excluded):
    X, y = shapes
    forms = {"array": X, "sequence": ImageSequence.from_array(X), "paths": np.array(files)}
    model = self_training(make_pipeline(ImageReader(), flat()), max_iter=0)
    images = forms[given]
    model.fit(images[:N], y[:N], X_unlabeled=images[N:], X_exclude=forms[excluded][90:])
    assert model.excluded_.tolist() == list(range(90, 150))
    model.fit(images[:N], y[:N], X_unlabeled=images[N:], X_exclude=forms[excluded][:0])
    assert model.excluded_.size == 0


# A pretrainer learns from the pool


class Watched(AutoencoderPretrainer):
    """Notes what it is fitted on."""

    seen = []

    def fit(self, X, y=None):
        self.seen.append(np.asarray(X))
        return super().fit(X, y)


def pretraining():
    sizes = {"network": "galaxynet", "network_params": {"widths": (2, 4), "input_size": 12}}
    pretrainer = Watched(**sizes, max_epochs=1, augmentation=None)
    return linear(**sizes, max_epochs=2, pretrained=pretrainer)


@pytest.mark.parametrize("piped", [False, True])
def test_a_pretrainer_is_fitted_once_on_all_that_may_be_learned_from(shapes, monkeypatch, piped):
    X, y = shapes
    monkeypatch.setattr(Watched, "seen", [])
    base = make_pipeline(CenterCrop(12), pretraining()) if piped else pretraining()
    model = self_training(base, threshold=0.0)
    model.fit(X[:N], y[:N], X_unlabeled=X[N:], X_exclude=X[140:])
    assert model.n_fits_ > 1
    assert len(Watched.seen) == 1
    pool = X[N:140, 2:14, 2:14] if piped else X[N:140]
    np.testing.assert_array_equal(Watched.seen[0], pool)
    last = model.estimator_[-1] if piped else model.estimator_
    assert isinstance(last.pretrained, FrozenEstimator)
    fitted = base[-1].pretrained if piped else base.pretrained
    assert not hasattr(fitted, "net_")
    again = clone(model).fit(X[:N], y[:N], X_unlabeled=X[N:], X_exclude=X[140:])
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_without_a_pool_the_pretrainer_learns_from_the_labelled(shapes, monkeypatch):
    X, y = shapes
    monkeypatch.setattr(Watched, "seen", [])
    with pytest.warns(UserWarning, match="y contains no unlabeled samples"):
        self_training(pretraining()).fit(X[:N], y[:N])
    np.testing.assert_array_equal(Watched.seen[0], X[:N])


# Arrays are not copied either


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize("where", ["pool", "rows"])
def test_a_mapped_pool_is_never_copied(tmp_path, where, piped):
    X, y = make_shapes(60, side=32)
    pool = np.lib.format.open_memmap(tmp_path / "pool.npy", "w+", np.uint8, (3000, *X[0].shape))
    pool[:] = np.resize(X, pool.shape)
    network = linear(max_epochs=1, batch_size=64)
    base = make_pipeline(CenterCrop(24), network) if piped else network
    model = self_training(base, threshold=0.0, max_iter=1)
    labels = np.full(len(pool), "-1", dtype="<U5")
    labels[:60] = y
    tracemalloc.start()
    if where == "pool":
        model.fit(X, y, X_unlabeled=pool)
    else:
        model.fit(pool, labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert model.termination_condition_ == "all_labeled"
    assert peak < pool.nbytes / 2


def test_an_array_of_images_gives_what_a_sequence_of_them_gives(shapes):
    X, y = shapes
    base = make_pipeline(CenterCrop(12), linear(max_epochs=5))
    model = self_training(base, exclude_duplicates=True)
    model.fit(X[:N], y[:N], X_unlabeled=X[N:])
    lazy = ImageSequence.from_array(X)
    other = clone(model).fit(lazy[:N], y[:N], X_unlabeled=lazy[N:])
    assert outcome(model) == outcome(other)
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(lazy))


def test_a_pool_of_another_size_passes_where_it_is_resized(shapes):
    X, y = shapes
    larger = np.kron(X, np.ones((1, 2, 2, 1), np.uint8))
    model = self_training(make_pipeline(Resize(16), linear()), threshold=0.7)
    model.fit(X[:N], y[:N], X_unlabeled=larger[N:], X_exclude=larger[140:])
    plain = clone(model).fit(X[:N], y[:N], X_unlabeled=X[N:], X_exclude=X[140:])
    assert outcome(model) == outcome(plain)
    assert model.excluded_.tolist() == list(range(140, 150))
    np.testing.assert_array_equal(model.predict(larger), plain.predict(X))
    with pytest.raises(ValueError, match="uint8 pixels of 16 x 16 and .* uint8 pixels of 32 x 32"):
        self_training(linear()).fit(X[:N], y[:N], X_unlabeled=larger)
    with pytest.raises(ValueError, match="bands of uint8 pixels of .* bands of float pixels"):
        clone(model).fit(X[:N], y[:N], X_unlabeled=larger / 255)


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
