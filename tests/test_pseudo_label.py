"""PseudoLabelClassifier: scikit-learn's self-training where they overlap, and what it adds."""

import numpy as np
import pytest
from self_training import some_irises
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_blobs
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
)
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import LinearSVC

from galaxy_sklearn.exceptions import PseudoLabelWarning
from galaxy_sklearn.semi_supervised import PseudoLabelClassifier

PLAIN = {"max_divergence": None, "max_iter": 10}


@pytest.fixture(scope="module")
def iris():
    return some_irises()


class Confirmer(ClassifierMixin, BaseEstimator):
    """Nearest mean, whose confidence in a class grows with the class's share by `bias`."""

    def __init__(self, bias=8.0):
        self.bias = bias

    def fit(self, X, y):
        self.classes_, counts = np.unique(y, return_counts=True)
        self.centers_ = np.array([X[y == k].mean(0) for k in self.classes_])
        self.bias_ = self.bias * counts / counts.sum()
        return self

    def predict_proba(self, X):
        distance = ((X[:, None] - self.centers_) ** 2).sum(2)
        logits = self.bias_ - distance
        proba = np.exp(logits - logits.max(1, keepdims=True))
        return proba / proba.sum(1, keepdims=True)


# Two routes that agree


@pytest.mark.parametrize("base", [LogisticRegression(), KNeighborsClassifier(3), GaussianNB()])
@pytest.mark.parametrize(
    "params",
    [
        {"threshold": 0.75},
        {"threshold": 0.95, "max_iter": 2},
        {"threshold": 0.0},
        {"threshold": 0.999, "max_iter": 1},
        {"criterion": "k_best", "k_best": 7, "max_iter": 4},
        {"criterion": "k_best", "k_best": 30, "max_iter": None},
        {"threshold": 0.75, "max_iter": 0},
    ],
)
def test_agrees_with_scikit_learn(iris, base, params):
    X, _, masked = iris
    theirs = SelfTrainingClassifier(base, **{"max_iter": 10, **params}).fit(X, masked)
    ours = PseudoLabelClassifier(base, **(PLAIN | {"threshold": 0.75} | params)).fit(X, masked)
    np.testing.assert_array_equal(ours.transduction_, theirs.transduction_)
    np.testing.assert_array_equal(ours.labeled_iter_, theirs.labeled_iter_)
    assert ours.termination_condition_ == theirs.termination_condition_
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X))


def test_a_pool_is_the_same_as_rows_without_labels(iris):
    X, _, masked = iris
    model = PseudoLabelClassifier(LogisticRegression(), threshold=0.8, **PLAIN)
    together, apart = clone(model).fit(X, masked), clone(model)
    apart.fit(X[:30], masked[:30], X_unlabeled=X[30:])
    np.testing.assert_array_equal(together.transduction_, apart.transduction_)
    np.testing.assert_array_equal(together.labeled_iter_, apart.labeled_iter_)
    np.testing.assert_allclose(together.predict_proba(X), apart.predict_proba(X))


class Untrained(LinearSVC):
    """Has no probabilities, and must not be trained."""

    def fit(self, X, y):
        raise AssertionError


def test_an_estimator_without_probabilities_is_refused_before_training(iris):
    X, _, masked = iris
    for base in (Untrained(), make_pipeline(StandardScaler(), Untrained())):
        with pytest.raises(ValueError, match="predict_proba; Untrained has none"):
            PseudoLabelClassifier(base, threshold=0.9).fit(X, masked)
    stack = StackingClassifier([("tree", GaussianNB())], cv=2)  # makes its last step in fit
    PseudoLabelClassifier(stack, threshold=0.9, max_iter=1).fit(X, masked)


# Criteria and ends


def test_min_new_labels_ends_it_and_changes_nothing(iris):
    X, _, masked = iris
    model = PseudoLabelClassifier(LogisticRegression(), threshold=0.85, max_divergence=None)
    free = clone(model).fit(X, masked)
    added = [entry["n_added"] for entry in free.history_]
    assert added[0] > added[1] > 0
    bound = clone(model).set_params(min_new_labels=added[1] + 1).fit(X, masked)
    assert bound.termination_condition_ == "no_change"
    assert bound.n_iter_ == 2
    assert [entry["outcome"] for entry in bound.history_] == ["accepted", "no_change"]
    assert bound.labeled_iter_.max() == 1
    assert bound.n_fits_ == 2


def test_history_counts_what_happened(iris):
    X, _, masked = iris
    model = PseudoLabelClassifier(LogisticRegression(), threshold=0.9, **PLAIN).fit(X, masked)
    prior = np.bincount(masked[:20]) / 20
    for entry in model.history_:
        upto = (model.labeled_iter_ > 0) & (model.labeled_iter_ <= entry["round"])
        counts = np.bincount(model.transduction_[upto], minlength=3)
        new = np.bincount(model.transduction_[model.labeled_iter_ == entry["round"]], minlength=3)
        assert list(entry["added"].values()) == new.tolist()
        assert entry["n_added"] == new.sum()
        assert list(entry["pseudo_labels"].values()) == counts.tolist()
        share = counts / counts.sum()
        np.testing.assert_allclose(list(entry["amplification"].values()), share / prior)
        expected = sum(p * np.log(p / q) for p, q in zip(share, prior) if p > 0)
        assert entry["divergence"] == pytest.approx(expected)
    rows = model.labeled_iter_ > 0
    assert (model.confidence_[rows] > 0.9).all()
    assert np.isnan(model.confidence_[model.labeled_iter_ < 0]).all()
    assert (model.confidence_[model.labeled_iter_ == 0] == 1).all()


@pytest.mark.parametrize("max_divergence", [None, 0.02, 0.2])
def test_quota_keeps_the_class_shares(max_divergence):
    X, y = make_blobs(600, centers=[[0, 0], [3, 0], [0, 3]], random_state=0)
    prior = np.array([0.5, 0.3, 0.2])
    labelled = np.concatenate([np.flatnonzero(y == k)[: int(40 * prior[k])] for k in range(3)])
    pool = np.setdiff1d(np.flatnonzero(y != 0)[::2], labelled)  # hardly any of the largest class
    pool = np.concatenate([pool, np.setdiff1d(np.flatnonzero(y == 0)[:60], labelled)])
    model = PseudoLabelClassifier(
        LogisticRegression(), criterion="quota", threshold=0.7, max_divergence=max_divergence
    ).fit(X[labelled], y[labelled], X_unlabeled=X[pool])
    assert model.history_[0]["n_added"] > 20
    for entry in model.history_:
        assert entry["divergence"] <= (max_divergence or 0.002)
        limit = np.exp(max_divergence or 0.0) * 1.1
        assert max(entry["amplification"].values()) <= limit
    assert model.termination_condition_ != "collapse"


def test_relabel_takes_mistakes_back():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(-1, 0.5, 200), rng.normal(1, 0.5, 200)])[:, None]
    y = np.repeat([0, 1], 200)
    masked = np.full(400, -1)
    masked[[0, 1, 200, 201]] = y[[0, 1, 200, 201]]
    X[[0, 1, 200, 201], 0] = [-2.4, -2.2, 0.0, 0.2]  # lopsided labels: the border starts off
    model = PseudoLabelClassifier(
        Confirmer(bias=0), threshold=0.6, max_divergence=None, max_iter=20
    )
    fixed, free = clone(model).fit(X, masked), clone(model).set_params(relabel=True).fit(X, masked)
    assert sum(entry["n_taken_back"] for entry in fixed.history_) == 0
    assert sum(entry["n_taken_back"] for entry in free.history_) > 0
    wrong = [(one.transduction_ != y)[one.labeled_iter_ > 0].mean() for one in (fixed, free)]
    assert wrong[0] > 0.1
    assert wrong[1] < 0.03
    assert (free.labeled_iter_[masked >= 0] == 0).all()


def test_relabelled_labels_are_those_of_the_last_model(iris):
    X, _, masked = iris
    model = PseudoLabelClassifier(
        LogisticRegression(), threshold=0.8, relabel=True, max_iter=30, max_divergence=None
    ).fit(X, masked)
    assert model.termination_condition_ in ("no_change", "all_labeled")
    assert model.n_iter_ < 30
    proba = model.predict_proba(X[20:])
    sure = proba.max(1) > 0.8
    np.testing.assert_array_equal(model.labeled_iter_[20:] > 0, sure)
    np.testing.assert_array_equal(model.transduction_[20:][sure], proba.argmax(1)[sure])


def test_relabel_with_k_best_grows_by_k_best(iris):
    X, _, masked = iris
    model = PseudoLabelClassifier(
        LogisticRegression(), criterion="k_best", relabel=True, max_iter=4, max_divergence=None
    ).fit(X, masked)
    assert [entry["n_pseudo_labels"] for entry in model.history_] == [10, 20, 30, 40]


def test_warm_start_goes_on_with_one_estimator(iris):
    X, _, masked = iris
    base = SGDClassifier(loss="log_loss", max_iter=5, tol=None, random_state=0)
    model = PseudoLabelClassifier(
        make_pipeline(StandardScaler(), base), threshold=0.9, max_iter=2, warm_start=True
    ).fit(X, masked)
    assert model.n_fits_ == 3
    assert model.estimator_[-1].t_ > 20 * 5 + 1 + 20 * 5  # steps of all three fits
    assert base.warm_start is False
    with pytest.raises(ValueError, match="GaussianNB has none"):
        PseudoLabelClassifier(GaussianNB(), threshold=0.9, warm_start=True).fit(X, masked)


# The threshold that is found


def blurred_blobs(n, seed):
    centers = [[0, 0], [2.2, 0], [0, 2.2]]
    return make_blobs(n, centers=centers, cluster_std=1.0, random_state=seed)


@pytest.mark.parametrize("target", [0.9, 0.97])
@pytest.mark.parametrize("criterion", ["threshold", "quota"])
def test_target_precision_is_reached_in_the_pool(target, criterion):
    X, y = blurred_blobs(5000, 0)
    model = PseudoLabelClassifier(
        LogisticRegression(),
        criterion=criterion,
        target_precision=target,
        validation_fraction=0.5,
        max_iter=1,
        random_state=0,
    ).fit(X[:1500], y[:1500], X_unlabeled=X[1500:])
    chosen = model.labeled_iter_[1500:] == 1
    right = (model.transduction_ == y)[1500:]
    assert right.mean() < 0.85  # without a threshold it is not reached
    assert right[chosen].mean() > target - 0.015
    assert chosen.mean() > 0.2
    entry = model.history_[0]
    assert entry["precision"] == pytest.approx(target, abs=0.015)
    lower, upper = entry["precision_interval"]
    assert lower < entry["precision"] < upper
    assert entry["n_checked"] > 100
    if criterion == "threshold":
        assert right[chosen].mean() < target + 0.03  # and no lower than need be


def test_the_precision_of_few_held_out_labels_is_no_promise():
    claimed, kept, promised = [], [], []
    for seed in range(20):
        X, y = blurred_blobs(2120, seed)
        model = PseudoLabelClassifier(
            LogisticRegression(), max_iter=1, max_divergence=None, random_state=seed
        ).fit(X[:120], y[:120], X_unlabeled=X[120:])
        entry, chosen = model.history_[0], model.labeled_iter_ == 1
        if entry["n_checked"] and chosen.any():
            claimed.append(entry["precision"])
            kept.append((model.transduction_ == y)[chosen].mean())
            lower, upper = entry["precision_interval"]
            promised.append(lower <= kept[-1] <= upper)
    assert len(kept) >= 10
    assert np.mean(kept) < 0.95  # what the held-out labels above their own threshold would say
    assert np.mean(claimed) == pytest.approx(np.mean(kept), abs=0.08)
    assert np.mean(promised) >= 0.7


def test_a_handful_of_labels_is_no_collapse():
    X, y = make_blobs(580, centers=8, center_box=(-20, 20), random_state=0)
    base = LogisticRegression(max_iter=5000)
    model = PseudoLabelClassifier(base, criterion="k_best", max_iter=5)
    model.fit(X[:80], y[:80], X_unlabeled=X[80:])
    assert model.termination_condition_ == "max_iter"
    assert (model.labeled_iter_[80:] > 0).sum() == 50


@pytest.mark.parametrize(
    "forest", [RandomForestClassifier(3), HistGradientBoostingClassifier(max_iter=3)]
)
def test_a_warm_start_that_only_adds_trees_is_refused(forest):
    X, y = blurred_blobs(60, 0)
    model = PseudoLabelClassifier(forest, threshold=0.5, warm_start=True)
    with pytest.raises(ValueError, match="adds members and trains none again"):
        model.fit(X[:40], y[:40], X_unlabeled=X[40:])


def test_temperature_undoes_false_confidence():
    class Boaster(LogisticRegression):
        """Three times as sure as it should be."""

        def predict_proba(self, X):
            proba = super().predict_proba(X) ** 3
            return proba / proba.sum(1, keepdims=True)

    X, y = blurred_blobs(4000, 1)
    honest, boastful = (
        PseudoLabelClassifier(base, validation_fraction=0.5, max_iter=1, random_state=0).fit(
            X[:2000], y[:2000], X_unlabeled=X[2000:]
        )
        for base in (LogisticRegression(), Boaster())
    )
    ratio = boastful.history_[0]["temperature"] / honest.history_[0]["temperature"]
    assert ratio == pytest.approx(3, rel=0.02)
    np.testing.assert_array_equal(honest.transduction_, boastful.transduction_)
    np.testing.assert_allclose(honest.confidence_, boastful.confidence_, rtol=0.02)


def test_an_unreachable_precision_is_said_and_leaves_the_labels():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 2)), rng.integers(0, 2, 200)
    model = PseudoLabelClassifier(LogisticRegression(), target_precision=1.0, random_state=1)
    with pytest.warns(PseudoLabelWarning, match="no threshold reaches target_precision=1.0"):
        model.fit(X, y, X_unlabeled=rng.normal(size=(300, 2)))
    assert model.termination_condition_ == "no_change"
    assert (model.labeled_iter_[200:] == -1).all()
    plain = LogisticRegression().fit(X, y)  # the labels held out are given back
    np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize("max_iter", [1, 2, 3])
def test_held_out_labels_are_never_trained_on_before_the_end(iris, max_iter):
    X, _, masked = iris
    seen = []

    class Watcher(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            seen.append(len(X))
            return super().fit(X, y)

    model = PseudoLabelClassifier(
        Watcher(max_iter=1000),
        threshold=0.5,
        max_iter=1,
        validation_fraction=0.25,
        max_divergence=None,
        random_state=0,
    )
    model.fit(X, masked)
    n_pseudo = (model.labeled_iter_ > 0).sum()
    held_out = 20 - seen[0]
    assert held_out in (4, 5, 6)
    counts = [entry["n_pseudo_labels"] for entry in model.history_]
    assert n_pseudo == counts[-1] > 10
    between = [20 - held_out + count for count in counts[:-1]]  # the last round's is not asked
    assert seen == [20 - held_out, *between, 20 + n_pseudo]
    assert model.n_fits_ == len(seen)
    model.set_params(refit=False).fit(X, masked)
    assert model.n_fits_ == 1 + len(counts)
    assert 0 <= model.history_[0]["precision"] <= 1


# Collapse


def collapsing():
    """Labels of three equal classes, and a pool that is nearly all noise on one side."""
    X, y = make_blobs(60, centers=[[0, 0], [6, 0], [0, 6]], random_state=0)
    rng = np.random.default_rng(0)
    healthy = make_blobs(90, centers=[[0, 0], [6, 0], [0, 6]], random_state=1)[0]
    creeping = np.c_[rng.normal(7, 1, 900), rng.normal(-1, 1, 900)]
    return X, y, healthy, creeping


@pytest.mark.parametrize("warm_start", [False, True])
def test_a_collapse_is_caught_and_rolled_back(warm_start):
    X, y, healthy, creeping = collapsing()
    base = LogisticRegression()
    model = PseudoLabelClassifier(base, threshold=0.9, warm_start=warm_start)
    pool = np.concatenate([healthy, creeping])
    with pytest.warns(PseudoLabelWarning, match=r"rolled back round 1.*towards 1, 2\.\d times"):
        model.fit(X, y, X_unlabeled=pool)
    assert model.termination_condition_ == "collapse"
    assert (model.labeled_iter_[60:] == -1).all()
    assert model.n_fits_ == 1
    assert model.history_[-1]["outcome"] == "collapse"
    np.testing.assert_allclose(model.predict_proba(X), base.fit(X, y).predict_proba(X))
    unguarded = clone(model).set_params(max_divergence=None).fit(X, y, X_unlabeled=pool)
    assert (unguarded.labeled_iter_[60:] == 1).mean() > 0.9
    model.fit(X, y, X_unlabeled=healthy)
    assert model.termination_condition_ != "collapse"
    assert (model.labeled_iter_[60:] > 0).mean() > 0.9


def test_confirmation_that_feeds_on_itself_is_rolled_back_to_the_last_healthy_round():
    X, y = make_blobs(1200, centers=[[-0.9, 0], [0.9, 0]], cluster_std=0.9, random_state=0)
    masked = np.full(len(y), -1)
    rows = np.concatenate([np.flatnonzero(y == 0)[:22], np.flatnonzero(y == 1)[:18]])
    masked[rows] = y[rows]
    free = PseudoLabelClassifier(Confirmer(), threshold=0.9, max_divergence=None, max_iter=12)
    free.fit(X, masked)
    growth = [entry["divergence"] for entry in free.history_]
    assert growth[-1] > 3 * growth[0]  # it feeds on itself
    limit = (growth[0] + growth[-1]) / 2
    model = clone(free).set_params(max_divergence=limit)
    with pytest.warns(PseudoLabelWarning, match="rolled back round"):
        model.fit(X, masked)
    last = model.n_iter_ - 1
    assert model.termination_condition_ == "collapse"
    assert last >= 1
    assert model.labeled_iter_.max() == last
    kept = free.labeled_iter_ <= last
    np.testing.assert_array_equal(model.transduction_[kept], free.transduction_[kept])
    assert all(entry["divergence"] <= limit for entry in model.history_[:-1])
    healthy = clone(free).set_params(max_iter=last).fit(X, masked)
    np.testing.assert_allclose(model.predict_proba(X), healthy.predict_proba(X))
