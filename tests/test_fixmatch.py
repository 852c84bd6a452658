"""FixMatchClassifier: a pool teaches, is never held, and may be anything images may be."""

import pickle
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from self_training import Watched
from shapes import make_shapes
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from galaxy_sklearn import GalaxyClassifier, ImageSequence
from galaxy_sklearn._training.consistency import ConsistencyNet
from galaxy_sklearn.augmentation import StrongAugmentation
from galaxy_sklearn.exceptions import PseudoLabelWarning
from galaxy_sklearn.preprocessing import CenterCrop, ImageReader, Resize
from galaxy_sklearn.semi_supervised import FixMatchClassifier

N = 6  # labelled


def network(**params):
    defaults = {
        "network_params": {"input_size": 16, "widths": (4, 8)},
        "batch_size": 32,
        "max_steps": 100,
        "optimizer": "adamw",
        "learning_rate": 0.01,
        "random_state": 0,
        "ema_decay": 0.9,
        "precision": "float32",  # bfloat16 trains another network on each kind of processor
    }
    return GalaxyClassifier(**(defaults | params))


def quick(**params):
    return FixMatchClassifier(network(max_steps=3), **params)


def noisy_shapes(deviation):
    X, y = make_shapes(400)
    noise = np.random.default_rng(1).normal(0, deviation, X.shape)
    return (X + noise).clip(0, 255).astype(np.uint8), y


@pytest.fixture(scope="module")
def shapes():
    return noisy_shapes(110)


def learned(images, labels, *, pool=None, **params):
    """Return a network trained on the first N shapes, with the pool's help if there is one."""
    if pool is None:
        return network(**params).fit(images[:N], labels[:N])
    model = FixMatchClassifier(network(**params), threshold=0.8)
    return model.fit(images[:N], labels[:N], X_unlabeled=pool)


def test_a_pool_is_worth_labels(shapes):
    X, y = shapes
    alone, together = (
        np.mean([learned(X, y, pool=pool, random_state=n).score(X[300:], y[300:]) for n in (0, 1)])
        for pool in (None, X[N:300])
    )
    assert together > alone + 0.1


def test_more_of_the_pool_counts_as_training_goes_on(shapes):
    X, y = shapes
    model = learned(X, y, pool=X[N:300], max_steps=240)
    shares = [row["unlabeled_share"] for row in model.history_]
    assert np.mean(shares[-20:]) > 0.5 > np.mean(shares[:20])


def test_without_weight_the_pool_teaches_nothing_and_unsure_names_do_not_count(shapes):
    X, y = shapes
    unsure = FixMatchClassifier(network(max_steps=4, ema_decay=None), threshold=1 - 1e-12)
    fitted = unsure.fit(X[:60], y[:60], X_unlabeled=X[60:200])
    assert all(row["unlabeled_share"] == 0 for row in fitted.history_)


@pytest.mark.parametrize("kind", ["array", "sequence", "rows"])
def test_every_form_of_the_pool_gives_the_same_model(shapes, kind):
    X, y = shapes
    pool = X[N:100]
    expected = quick().fit(X[:N], y[:N], X_unlabeled=pool).predict_proba(X[:5])
    if kind == "rows":
        labels = np.concatenate([y[:N], np.full(len(pool), "-1")])
        model = quick().fit(X[:100], labels)
    else:
        pool = pool if kind == "array" else ImageSequence.from_array(pool)
        model = quick().fit(X[:N], y[:N], X_unlabeled=pool)
    np.testing.assert_array_equal(model.predict_proba(X[:5]), expected)


def test_files_in_a_pipeline(shapes, tmp_path):
    from PIL import Image

    X, y = shapes
    paths = [str(tmp_path / f"{k}.png") for k in range(60)]
    for path, image in zip(paths, X):
        Image.fromarray(image).save(path)
    pipeline = make_pipeline(ImageReader(), Resize(24), network(max_steps=3))
    model = FixMatchClassifier(pipeline).fit(paths[:N], y[:N], X_unlabeled=paths[N:])
    assert model.predict_proba(paths[:4]).shape == (4, 3)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(paths), model.predict(paths))


def test_a_search_tunes_it_with_a_pool(shapes):
    X, y = shapes
    grid = {"threshold": [0.5, 0.9], "estimator__learning_rate": [0.01]}
    search = GridSearchCV(quick(), grid, cv=2, error_score="raise")
    search.fit(X[:30], y[:30], X_unlabeled=X[30:90])
    assert search.best_estimator_.history_


def test_two_fits_agree_and_a_resumed_one_too(shapes, tmp_path):
    X, y = shapes
    model = FixMatchClassifier(network(max_epochs=4, max_steps=None, checkpoint_dir=tmp_path))
    fit = {"X": X[:80], "y": y[:80], "X_unlabeled": X[80:200]}
    whole = clone(model).set_params(estimator__checkpoint_dir=None).fit(**fit)
    stopped = {"epochs": 0}

    class Stop(ConsistencyNet):
        def start_epoch(self, epoch, seed):
            if epoch == 2:
                raise KeyboardInterrupt
            stopped["epochs"] += 1
            super().start_epoch(epoch, seed)

    def interrupted(self, *args):
        return Stop, FixMatchClassifier._net(self, *args)[1]

    broken = clone(model)
    broken._net = interrupted.__get__(broken)
    with pytest.raises(KeyboardInterrupt):
        broken.fit(**fit)
    assert stopped["epochs"] == 2
    resumed = clone(model).fit(**fit)
    np.testing.assert_array_equal(whole.predict_proba(X[:20]), resumed.predict_proba(X[:20]))


def test_a_checkpoint_of_another_pool_or_threshold_is_not_taken_up(shapes, tmp_path):
    X, y = shapes
    common = {"max_epochs": 1, "max_steps": None, "checkpoint_dir": tmp_path}
    network(**common).fit(X[:40], y[:40])
    for pool, threshold in ((X[40:80], 0.9), (X[40:80], 0.1), (X[80:120], 0.1)):
        model = FixMatchClassifier(network(**common), threshold=threshold)
        model.fit(X[:40], y[:40], X_unlabeled=pool)
    assert len(list(tmp_path.iterdir())) == 4


def test_the_fitted_estimator_learns_further_without_the_pool(shapes):
    X, y = shapes
    model = pickle.loads(pickle.dumps(quick().fit(X[:40], y[:40], X_unlabeled=X[40:80])))
    before = model.predict_proba(X[:5])
    model.estimator_.partial_fit(X[:40], y[:40])
    assert np.abs(model.predict_proba(X[:5]) - before).max() > 0


def test_alignment_keeps_the_names_from_collapsing_into_one_class():
    X, y = noisy_shapes(160)
    pool = X[N:300][y[N:300] != "ring"]
    rings = []
    for alignment in ("labels", None):
        model = FixMatchClassifier(network(), threshold=0.0, distribution_alignment=alignment)
        model.fit(X[:N], y[:N], X_unlabeled=pool)
        rings.append((model.predict(pool) == "ring").mean())
    assert rings[0] < 1 / 3 < rings[1]


def test_the_class_shares_of_the_pool_are_found(shapes):
    X, y = shapes
    names, labelled = np.unique(y), np.arange(60)
    of_one = np.flatnonzero(y == names[0])
    of_one = of_one[of_one >= 60]
    others = np.setdiff1d(np.arange(60, 400), of_one)[: len(of_one) // 4]
    rows = np.concatenate([of_one, others])
    truth = [(y[rows] == name).mean() for name in names]
    model = FixMatchClassifier(network(max_steps=250), threshold=0.8)
    model.fit(X[labelled], y[labelled], X_unlabeled=X[rows])
    found = model.history_[-1]["pool_shares"]
    prior = [(y[labelled] == name).mean() for name in names]
    assert sum(found) == pytest.approx(1, abs=1e-5)
    assert truth[0] > 0.75
    assert abs(found[0] - (0.9 * truth[0] + 0.1 * prior[0])) < 0.1


def test_strong_distortions_are_stronger(shapes):
    images = torch.rand(30, 3, 16, 16)
    views = [
        augment(images, (16, 16), field=1.0, generator=torch.Generator().manual_seed(0))
        for augment in (StrongAugmentation(blur=0, noise=0, blank=0), StrongAugmentation())
    ]
    changed = (views[0] != views[1]).float().mean((1, 2, 3))
    assert changed.min() > 0.5
    blank = StrongAugmentation(blur=0, noise=0, blank=1.0)
    view = blank(images + 1, (16, 16), field=1.0, generator=torch.Generator().manual_seed(0))
    share = (view == 0).all(1).float().mean((1, 2))
    assert 0.2 < share.max() <= 1


def test_a_pretrainer_is_fitted_once_on_the_pool(shapes, monkeypatch):
    X, y = shapes
    monkeypatch.setattr(Watched, "seen", [])
    sizes = {"network_params": {"widths": (2, 4), "input_size": 12}}
    pretrainer = Watched("galaxynet", **sizes, max_epochs=1, augmentation=None)
    pipeline = make_pipeline(CenterCrop(12), network(**sizes, pretrained=pretrainer, max_steps=3))
    labels = np.append(y[:N], ["-1"] * 10)
    FixMatchClassifier(pipeline).fit(X[: N + 10], labels, X_unlabeled=X[N + 10 : 60])
    assert len(Watched.seen) == 1
    np.testing.assert_array_equal(Watched.seen[0], X[N:60, 2:14, 2:14])


@pytest.mark.parametrize("missing", [None, np.nan])
def test_missing_labels_are_those_of_the_pool(shapes, missing):
    X, y = shapes
    labels = [*y[:N], *[missing] * 94]
    model = quick().fit(X[:100], labels)
    expected = quick().fit(X[:N], y[:N], X_unlabeled=X[N:100])
    np.testing.assert_array_equal(model.predict_proba(X[:9]), expected.predict_proba(X[:9]))
    for kind in (list, pd.Series, lambda y: np.array(y, dtype=object)):
        with pytest.raises(ValueError, match="GalaxyClassifier .* row 6 of y has none.* label -1"):
            network().fit(X[:100], kind(labels))


@pytest.mark.parametrize("where", ["pool", "rows"])
def test_a_mapped_pool_is_never_copied(tmp_path, where):
    X, y = make_shapes(60, side=32)
    pool = np.lib.format.open_memmap(tmp_path / "pool.npy", "w+", np.uint8, (3000, *X[0].shape))
    pool[:] = np.resize(X, pool.shape)
    labels = np.full(len(pool), "-1", dtype="<U5")
    labels[:60] = y
    base = make_pipeline(CenterCrop(24), GalaxyClassifier("linear", max_steps=2, random_state=0))
    model = FixMatchClassifier(base)
    tracemalloc.start()
    if where == "pool":
        model.fit(X, y, X_unlabeled=pool)
    else:
        model.fit(pool, labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < pool.nbytes / 2


def test_a_pool_of_another_size_passes_where_it_is_resized(shapes):
    X, y = shapes
    larger = np.kron(X, np.ones((1, 2, 2, 1), np.uint8))
    model = FixMatchClassifier(make_pipeline(ImageReader(), Resize(16), network(max_steps=3)))
    proba = model.fit(X[:N], y[:N], X_unlabeled=larger[N:100]).predict_proba(larger[:5])
    expected = clone(model).fit(X[:N], y[:N], X_unlabeled=X[N:100]).predict_proba(X[:5])
    np.testing.assert_array_equal(proba, expected)


def test_what_it_refuses(shapes):
    X, y = shapes
    with pytest.raises(ValueError, match="trains a GalaxyClassifier.*got LogisticRegression"):
        FixMatchClassifier(LogisticRegression()).fit(X[:N], y[:N], X_unlabeled=X[N:])
    with pytest.raises(ValueError, match="of the same kind"):
        quick().fit(X[:N], y[:N], X_unlabeled=X[N:20, :8])
    with pytest.raises(ValueError, match="needs at least two classes"):
        quick().fit(X[:N], ["ring"] * N, X_unlabeled=X[N:])
    with pytest.raises(ValueError, match="6 rows in X and 5 labels"):
        quick().fit(X[:N], y[: N - 1], X_unlabeled=X[N:])
    with pytest.warns(UserWarning, match="y contains no unlabeled samples"):
        model = quick().fit(X[:N], y[:N])
    with pytest.raises(TypeError, match="got unexpected argument"):
        model.predict(X, foo=1)


def test_a_pipeline_counts_the_features_that_it_is_given(shapes):
    X, y = shapes
    base = make_pipeline(Resize(8), network(max_steps=1))
    model = FixMatchClassifier(base).fit(X[:N], y[:N], X_unlabeled=X[N:])
    assert model.n_features_in_ == X[0].size


@pytest.mark.parametrize("alignment", ["pool", "labels", None])
def test_a_class_without_weight_does_no_harm(alignment):
    X, y = make_shapes(60, seed=3)
    weights = np.where(y == y[0], 0.0, 1.0)
    model = quick(distribution_alignment=alignment)
    model.fit(X[:30], y[:30], X_unlabeled=X[30:], sample_weight=weights[:30])
    assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.parametrize(("n_pool", "steps"), [(100, 900), (15_960, 1800)])
def test_automatic_length_grows_with_the_pool(n_pool, steps):
    network = GalaxyClassifier(batch_size=40)
    network._special_net = ConsistencyNet, {"pool": np.zeros((n_pool, 1, 1, 1))}
    assert network._length(40) == (steps, steps)  # epochs, and steps


def test_blank_images_of_a_pool_teach_nothing(shapes, tmp_path):
    X, y = shapes
    seen = []

    def look(images, size, **settings):
        seen.append(images)
        return StrongAugmentation()(images, size, **settings)

    pool = np.concatenate([np.zeros_like(X[:30]), X[N:20]])
    quick(strong_augmentation=look).fit(X[:N], y[:N], X_unlabeled=pool)
    for images in seen:
        assert len(images) == 2 * N
        assert (images.amax((1, 2, 3)) > images.amin((1, 2, 3))).all()


def test_copies_of_labelled_and_of_excluded_images_leave_the_pool(shapes):
    X, y = shapes
    model = quick(exclude_duplicates=True)
    model.fit(X[:N], y[:N], X_unlabeled=X[: N + 20], X_exclude=X[N + 10 : 60])
    assert model.excluded_.tolist() == [*range(N, 2 * N), *range(2 * N + 10, 2 * N + 20)]
    expected = quick().fit(X[:N], y[:N], X_unlabeled=X[N : N + 10])
    assert expected.excluded_.size == 0
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    with pytest.warns(PseudoLabelWarning, match="FixMatchClassifier learns from 2 labelled images"):
        quick().fit(X[:N], y[:N], X_unlabeled=X[N:20], X_exclude=X[4:6])


def test_a_pool_of_copies_alone_is_no_pool(shapes):
    X, y = shapes
    with pytest.warns(PseudoLabelWarning, match="all 6 images without one were left out"):
        quick(exclude_duplicates=True).fit(X[:N], y[:N], X_unlabeled=X[:N])


@pytest.mark.parametrize("class_weight", [[1.0, 1.0], [0.55, 5.0]])
def test_guesses_are_turned_from_the_shares_that_are_learned_to_the_pools(class_weight):
    weight, prior, pool = map(torch.tensor, (class_weight, [0.9, 0.1], [0.7, 0.3]))
    net = SimpleNamespace(
        criterion_=SimpleNamespace(class_weight=weight.double()),
        _prior=lambda: prior,
        _pool_shares=lambda: pool,
    )
    likelihood = torch.tensor([[0.2, 0.5], [0.9, 0.3]])

    def posterior(shares):
        return torch.nn.functional.normalize(likelihood * shares, p=1, dim=1)

    learned = posterior(prior * weight)  # what the weighted loss of the labels leads to
    turned = torch.nn.functional.normalize(learned * ConsistencyNet._pool_ratio(net), p=1, dim=1)
    torch.testing.assert_close(turned, posterior(pool))
