"""Networks that learn from one part of the data after another, and those that diverge."""

import numpy as np
import pytest
from shapes import make_shapes
from sklearn.exceptions import NotFittedError

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.exceptions import DivergenceError
from galaxy_sklearn.neural_network import VoteFractionRegressor

X, Y = make_shapes(60)
RUINOUS = {"learning_rate": 1e30, "optimizer": "sgd", "random_state": 0}


def passes(number, model, *data, **params):
    for _ in range(number):
        model.partial_fit(*data, **params)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_class_shares_are_those_of_all_parts(class_weight):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (400, 8, 8, 1)).astype(np.uint8)
    labels = rng.integers(0, 2, 400)
    params = {"loss": "cross_entropy"} if class_weight else {"adjustment": 1.0}
    model = GalaxyClassifier(
        "linear", augmentation=None, class_weight=class_weight, random_state=0, **params
    )
    model.partial_fit(noise[:50], np.r_[np.zeros(49, int), 1], classes=[0, 1])
    before = model.net_.criterion_.class_weight.clone()
    for _ in range(3):
        model.partial_fit(noise, labels)
    shares = np.bincount(labels, minlength=2) * 3 + [49, 1]
    criterion = model.net_.criterion_
    if class_weight:
        expected = shares.sum() / (2 * shares)
        np.testing.assert_allclose(criterion.class_weight.numpy(), expected)
        assert before.max() > 20
    else:
        np.testing.assert_allclose(criterion.adjustment.numpy(), np.log(shares / shares.sum()))


def test_a_fit_s_shares_are_the_beginning():
    model = GalaxyClassifier("linear", adjustment=1.0, max_steps=1, random_state=0).fit(X, Y)
    model.partial_fit(X[Y == "ring"], Y[Y == "ring"])
    shares = np.array([20, 40, 20])
    adjustment = model.net_.criterion_.adjustment.numpy()
    np.testing.assert_allclose(adjustment, np.log(shares / 80))


def test_a_network_without_shares_counts_from_now_on():
    model = GalaxyClassifier("linear", adjustment=1.0, max_steps=1, random_state=0).fit(X, Y)
    del model._shares  # as in a pickle of before
    model.partial_fit(X, Y)
    np.testing.assert_allclose(model.net_.criterion_.adjustment.numpy(), np.log([1 / 3] * 3))


def test_passes_that_diverge_are_an_error_and_leave_no_network():
    model = GalaxyClassifier("simple_cnn", **RUINOUS)
    with pytest.raises(DivergenceError, match="GalaxyClassifier cannot go on: .* learning_rate"):
        passes(3, model, X, Y, classes=np.unique(Y))
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.set_params(learning_rate=0.01).partial_fit(X, Y, classes=np.unique(Y))
    assert np.isfinite(model.predict_proba(X)).all()


ONE_STEP = {"schedule": "constant", "ema_decay": None, "max_steps": 1}


def test_a_last_step_that_diverges_is_an_error():
    model = GalaxyClassifier("simple_cnn", **RUINOUS | {"learning_rate": 1e36}, **ONE_STEP)
    with pytest.raises(DivergenceError, match="weights are no longer finite after the last step"):
        model.fit(X, Y)
    with pytest.raises(NotFittedError):
        model.predict(X)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "score"])
def test_weights_too_large_to_compute_with_predict_nothing(method):
    model = GalaxyClassifier("simple_cnn", max_steps=1, random_state=0).fit(X, Y)
    model.net_.module_.network.classifier.weight.data.fill_(3e38)  # finite, and their sums are not
    with pytest.raises(DivergenceError, match="GalaxyClassifier predicts what is not finite"):
        getattr(model, method)(*(X, Y)[: 1 + (method == "score")])


def test_votes_that_diverge_are_an_error_too():
    votes = np.zeros((60, 37))
    votes[:, [0, 14, 15]] = 1
    model = VoteFractionRegressor("simple_cnn", output="identity", **RUINOUS)
    with pytest.raises(DivergenceError, match="VoteFractionRegressor cannot go on"):
        passes(4, model, X, votes)


@pytest.mark.parametrize(("before", "now"), [("image", "training"), ("training", None)])
def test_a_warm_start_keeps_how_pixels_are_standardised(before, now):
    model = GalaxyClassifier("linear", standardize=before, max_steps=1, warm_start=True)
    model.fit(X, Y)
    with pytest.raises(ValueError, match=f"standardize={before!r}; got {now!r}"):
        model.set_params(standardize=now).fit(X, Y)
    again = model.set_params(standardize=before).fit(X, Y)
    fresh = model.set_params(standardize=now, warm_start=False).fit(X, Y)
    assert again is fresh
    assert fresh.n_iter_ == 1


def test_a_class_weight_that_is_no_number_is_told():
    weights = {"long": None, "ring": 1, "round": 1}
    with pytest.raises(ValueError, match="needs class weights >= 0; got None for 'long'"):
        GalaxyClassifier("linear", class_weight=weights).fit(X, Y)


def test_a_score_that_labels_have_not_is_named():
    model = GalaxyClassifier("linear", early_stopping=True, scoring="r2")
    with pytest.raises(ValueError, match="scoring='r2' cannot be taken of the labels"):
        model.fit(X, Y)
