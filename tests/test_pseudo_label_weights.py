"""PseudoLabelClassifier: weights and other metadata follow their rows."""

import numpy as np
import pytest
import sklearn
from self_training import some_irises
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_blobs
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from galaxy_sklearn.semi_supervised import PseudoLabelClassifier


@pytest.fixture(scope="module")
def iris():
    return some_irises()


class WeightWatcher(ClassifierMixin, BaseEstimator):
    """Remembers what it was trained on."""

    def fit(self, X, y, sample_weight=None, origin=None):
        self.seen_ = (X, y, sample_weight, origin)
        self.classes_ = np.unique(y)
        self.inner_ = LogisticRegression(max_iter=2000).fit(X, y, sample_weight)
        return self

    def predict_proba(self, X):
        return self.inner_.predict_proba(X)


def test_weights_follow_their_rows(iris):
    X, _, masked = iris
    weights = np.arange(1.0, len(X) + 1)
    model = PseudoLabelClassifier(WeightWatcher(), threshold=0.9, pseudo_label_weight=0.5)
    model.fit(X, masked, sample_weight=weights)
    rows = np.flatnonzero(model.labeled_iter_ >= 0)
    assert 20 < len(rows) < len(X)
    seen, labels, seen_weights, _ = model.estimator_.seen_
    np.testing.assert_array_equal(seen, X[rows])
    np.testing.assert_array_equal(labels, model.transduction_[rows])
    factor = np.where(model.labeled_iter_[rows] > 0, 0.5, 1.0)
    np.testing.assert_allclose(seen_weights, weights[rows] * factor)


def test_rows_of_the_pool_weigh_like_the_mean_label(iris):
    X, _, masked = iris
    weights = np.linspace(10, 30, 20)
    model = PseudoLabelClassifier(WeightWatcher(), threshold=0.9, max_iter=1)
    model.fit(X[:20], masked[:20], X_unlabeled=X[20:], sample_weight=weights)
    seen_weights = model.estimator_.seen_[2]
    np.testing.assert_allclose(seen_weights[:20], weights)
    np.testing.assert_allclose(seen_weights[20:], 20)


def test_a_row_without_weight_is_as_if_it_were_not_there():
    X, y = make_blobs(400, centers=3, n_features=3, random_state=0)
    y[100:] = -1
    wrong = np.arange(400) < 40
    y[wrong] = np.random.default_rng(0).permutation(y[wrong])
    model = PseudoLabelClassifier(LogisticRegression(), max_iter=2, random_state=0)
    weighted = clone(model).fit(X, y, sample_weight=np.where(wrong, 0.0, 1.0))
    y[wrong] = -1
    without = clone(model).fit(X[~wrong], y[~wrong])
    assert (without.labeled_iter_ > 0).sum() > 200
    np.testing.assert_array_equal(weighted.transduction_[~wrong], without.transduction_)
    assert weighted.history_[0]["divergence"] == pytest.approx(without.history_[0]["divergence"])


def test_weights_pass_through_what_takes_any_keyword(iris):
    X, _, masked = iris
    base = LogisticRegression(max_iter=500)
    voting = VotingClassifier([("only", base)], voting="soft")
    first, second = (
        PseudoLabelClassifier(one, threshold=0.6, soft_labels=True, pseudo_label_weight=0.5)
        .fit(X, masked)
        .predict_proba(X)
        for one in (base, voting)
    )
    np.testing.assert_allclose(first, second)


def test_weights_reach_the_end_of_a_pipeline(iris):
    X, _, masked = iris
    inner = make_pipeline(StandardScaler(), WeightWatcher())
    model = PseudoLabelClassifier(make_pipeline(StandardScaler(), inner), threshold=0.9)
    model.fit(X, masked, sample_weight=np.arange(1.0, len(X) + 1))
    watcher = model.estimator_[-1][-1]
    np.testing.assert_allclose(watcher.seen_[2], np.flatnonzero(model.labeled_iter_ >= 0) + 1.0)


def test_an_estimator_without_weights_gets_none(iris):
    X, _, masked = iris
    base = KNeighborsClassifier(3)
    assert PseudoLabelClassifier(base, threshold=0.9).fit(X, masked).n_iter_ >= 1
    for params in ({"pseudo_label_weight": 0.5}, {"soft_labels": True}):
        with pytest.raises(ValueError, match="KNeighborsClassifier does not"):
            PseudoLabelClassifier(base, threshold=0.9, **params).fit(X, masked)
    with pytest.raises(ValueError, match="takes sample_weight"):
        PseudoLabelClassifier(base).fit(X, masked, sample_weight=np.ones(len(X)))


def test_soft_labels_are_the_loss_of_soft_targets(iris):
    X, _, masked = iris
    model = PseudoLabelClassifier(
        WeightWatcher(), threshold=0.4, soft_labels=True, max_iter=1, pseudo_label_weight=0.5
    )
    model.fit(X, masked)
    first = LogisticRegression().fit(X[:20], masked[:20])
    proba = first.predict_proba(X[20:])
    proba = np.where(proba < 0.05, 0, proba)
    proba /= proba.sum(1, keepdims=True)
    seen, labels, weights, _ = model.estimator_.seen_
    np.testing.assert_allclose(weights[:20], 1)
    rows = np.flatnonzero(model.labeled_iter_ == 1)
    expected = proba[rows - 20]
    np.testing.assert_allclose(weights[20:], 0.5 * expected[expected > 0], rtol=1e-5)
    np.testing.assert_array_equal(labels[20:], np.nonzero(expected)[1])
    np.testing.assert_array_equal(seen[20:], X[rows[np.nonzero(expected)[0]]])


def test_metadata_is_routed_and_cut(iris):
    X, _, masked = iris
    origin = np.array([f"row {k}" for k in range(len(X))])
    with sklearn.config_context(enable_metadata_routing=True):
        base = WeightWatcher().set_fit_request(sample_weight=True, origin=True)
        model = PseudoLabelClassifier(base, threshold=0.9, max_divergence=None, max_iter=1)
        model.fit(X, masked, origin=origin, sample_weight=np.arange(1.0, len(X) + 1))
        rows = np.flatnonzero(model.labeled_iter_ >= 0)
        np.testing.assert_array_equal(model.estimator_.seen_[3], origin[rows])
        np.testing.assert_allclose(model.estimator_.seen_[2], rows + 1.0)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, base)
        piped = PseudoLabelClassifier(pipeline, threshold=0.9, max_divergence=None, max_iter=1)
        piped.fit(X, masked, origin=origin, sample_weight=np.arange(1.0, len(X) + 1))
        rows = np.flatnonzero(piped.labeled_iter_ >= 0)
        np.testing.assert_allclose(piped.estimator_[-1].seen_[2], rows + 1.0)
        with pytest.raises(ValueError, match="has no origin for the rows of X_unlabeled"):
            model.fit(X[:20], masked[:20], X_unlabeled=X[20:], origin=origin[:20])
        silent = PseudoLabelClassifier(
            WeightWatcher(), pseudo_label_weight=0.5, threshold=0.9, max_divergence=None
        )
        with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"):
            silent.fit(X, masked)
    with pytest.raises(ValueError, match=r"passes \['origin'\] on under metadata routing only"):
        model.fit(X, masked, origin=origin)
