"""What self-training does with a pool: never held, without copies, taught to pretrainers."""

import shutil
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from PIL import Image
from self_training import Watched, flat, flatten, linear, outcome, self_training, write_files
from shapes import make_shapes
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from galaxy_sklearn import GalaxyClassifier, ImageSequence
from galaxy_sklearn.decomposition import AutoencoderPretrainer
from galaxy_sklearn.exceptions import ImageReadError, PseudoLabelWarning
from galaxy_sklearn.images._sources import ArraySource
from galaxy_sklearn.preprocessing import CenterCrop, ImageReader, Resize
from galaxy_sklearn.semi_supervised import FixMatchClassifier, PseudoLabelClassifier

N = 30  # labelled


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(150)


@pytest.fixture(scope="module")
def files(shapes, tmp_path_factory):
    return write_files(shapes[0], tmp_path_factory.mktemp("shapes"))


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


def test_a_pool_that_is_left_out_as_a_whole_says_so(shapes):
    X, y = shapes
    for wrapper in (self_training(flat(), threshold=0.0), FixMatchClassifier(linear(max_epochs=1))):
        message = f"{type(wrapper).__name__} learns from the labels alone: all 10 images without"
        with pytest.warns(PseudoLabelWarning, match=message):
            wrapper.fit(X[:N], y[:N], X_unlabeled=X[N : N + 10], X_exclude=X[N:])
        assert wrapper.excluded_.tolist() == list(range(N, N + 10))
        if hasattr(wrapper, "transduction_"):
            assert (wrapper.transduction_[N:] == "-1").all()
            assert (wrapper.termination_condition_, wrapper.n_iter_) == ("no_change", 1)


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

    def excluded(rows):
        with pytest.warns(PseudoLabelWarning, match="learns from 62 labelled images .* row 0 of X"):
            return clone(model).fit(X, masked, X_exclude=rows).excluded_.tolist()

    expected = excluded(X[::5])
    assert len(expected) > 20
    for kind in (sp.csr_array, np.asfortranarray, lambda X: X.astype(np.int8)):
        assert excluded(kind(X[::5])) == expected


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


def test_a_pretrainer_gets_rows_of_pixels_as_the_classifier_folds_them(shapes):
    bands = np.concatenate([shapes[0], shapes[0][..., :1]], axis=-1)  # 1,024 values: 32 x 32 grey?
    rows, y = bands.reshape(150, -1), shapes[1]
    pretrainer = AutoencoderPretrainer(max_steps=1)
    base = GalaxyClassifier(image_shape=(16, 16, 4), pretrained=pretrainer, max_steps=1)
    model = self_training(base, max_iter=1).fit(rows[:N], y[:N], X_unlabeled=rows[N:])
    assert model.estimator_.image_shape_ == (16, 16, 4)


# Files that cannot be read


@pytest.fixture
def broken(files, tmp_path):
    """Two files of a pool that are no images, one of them missing."""
    path = tmp_path / "broken.png"
    path.write_bytes(b"no image")
    return [str(path), str(tmp_path / "missing.png")]


@pytest.mark.parametrize("params", [{}, {"criterion": "agreement"}, {"relabel": True}])
@pytest.mark.parametrize("given", ["paths", "cached paths", "sequence", "cached sequence"])
@pytest.mark.filterwarnings("ignore:ImageSequence could not read")
def test_what_cannot_be_read_gets_no_label(shapes, files, broken, tmp_path, given, params):
    _, y = shapes
    pool = np.array([*files[N:60], broken[0], *files[60:90], broken[1]])
    cache = tmp_path / "kept" if given == "cached paths" else None
    reader = ImageReader(on_error="blank", cache=cache)
    if "sequence" in given:
        pool = ImageSequence.from_files(pool, on_error="blank")
        pool = pool.cache(tmp_path / "kept") if "cached" in given else pool
    model = self_training(make_pipeline(reader, linear()), threshold=0.0, batch_size=25, **params)
    with pytest.warns(PseudoLabelWarning, match="no label to 2 images .* row 30 of X_unlabeled"):
        model.fit(files[:N], y[:N], X_unlabeled=pool)
    assert model.excluded_.tolist() == [60, 91]
    assert (model.labeled_iter_[[60, 91]] == -1).all()
    assert (np.delete(model.labeled_iter_, [60, 91]) >= 0).sum() >= 60
    assert max(entry["n_pseudo_labels"] for entry in model.history_) <= 60


@pytest.mark.filterwarnings("ignore:ImageSequence could not read")
def test_a_pool_of_which_nothing_can_be_read_labels_nothing(shapes, files, broken):
    _, y = shapes
    images = ImageSequence.from_files([*files[:N], *broken], on_error="blank")
    model = self_training(linear(max_epochs=1), threshold=0.0)
    with pytest.warns(PseudoLabelWarning, match="row 30 of X the first"):
        model.fit(images, [*y[:N], -1, -1])
    assert model.excluded_.tolist() == [30, 31]
    assert model.history_[-1]["n_added"] == 0


@pytest.mark.parametrize("where", ["X", "X_unlabeled"])
def test_a_missing_file_is_found_before_anything_is_trained(shapes, files, where, monkeypatch):
    _, y = shapes
    monkeypatch.setattr(GalaxyClassifier, "fit", None)
    rows = {"X": files[:N], "X_unlabeled": files[N:60]}
    rows[where] = [*rows[where][:-1], "missing.png"]
    base = make_pipeline(ImageReader(), linear())
    for model in (self_training(base), FixMatchClassifier(base)):
        with pytest.raises(ImageReadError, match="row 29, 'missing.png': there is no such file"):
            model.fit(y=y[:N], **rows)


@pytest.mark.parametrize("wrapper", [PseudoLabelClassifier, FixMatchClassifier])
def test_files_of_several_sizes_are_compared_by_their_pixels(shapes, tmp_path, wrapper):
    X, y = shapes
    files = []
    for number, image in enumerate(X[:60]):
        side = 24 if number % 2 else 32
        Image.fromarray(image).resize((side, side)).save(tmp_path / f"{number}.png")
        files.append(str(tmp_path / f"{number}.png"))
    copies = [str(tmp_path / f"copy_{number}.png") for number in (0, 1, 40, 41)]
    for copy, number in zip(copies, (0, 1, 40, 41)):
        shutil.copy(files[number], copy)
    network = linear(max_epochs=1)
    model = wrapper(make_pipeline(ImageReader(), Resize(16), network), exclude_duplicates=True)
    model.fit(files[:20], y[:20], X_unlabeled=files[20:] + copies[:2], X_exclude=copies[2:])
    assert model.excluded_.tolist() == [40, 41, 60, 61]
