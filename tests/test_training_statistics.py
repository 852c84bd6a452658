"""Batch normalisation after few steps: its averages are those of the weights that are kept."""

import numpy as np
import pytest
import torch
from shapes import make_shapes
from sklearn.frozen import FrozenEstimator

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn._training.net import TrainingNet
from galaxy_sklearn._training.statistics import relearn_statistics
from galaxy_sklearn.decomposition import AutoencoderPretrainer


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(240)


@pytest.fixture
def unsettled(monkeypatch):
    """Return a function that fits without taking the averages anew."""

    def fit(model, *data):
        with monkeypatch.context() as patch:
            patch.setattr(TrainingNet, "settle", lambda self, dataset: None)
            return model.fit(*data)

    return fit


def network(**params):
    defaults = {
        "network_params": {"input_size": 16, "widths": (8, 16)},
        "precision": "float32",
        "random_state": 0,
        "max_steps": 12,
    }
    return GalaxyClassifier(**(defaults | params))


def test_the_mean_over_batches_replaces_the_averages():
    layers = torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2, affine=False))
    layers.append(torch.nn.BatchNorm1d(2, track_running_stats=False))
    batches = [torch.randn(6, 2) + k for k in range(3)]
    kept = layers[1].running_mean.clone()
    relearn_statistics(layers, layers, batches, resting=[layers[1]])
    expected = torch.stack([batch.mean(0) for batch in batches]).mean(0)
    torch.testing.assert_close(layers[0].running_mean, expected)
    expected = torch.stack([batch.var(0) for batch in batches]).mean(0)
    torch.testing.assert_close(layers[0].running_var, expected)
    torch.testing.assert_close(layers[1].running_mean, kept)
    assert not any(module.training for module in layers)
    assert layers[0].momentum == layers[1].momentum == 0.1


def test_short_trainings_predict_as_they_learned(shapes, unsettled):
    X, y = shapes
    with_it, without = [], []
    for seed in range(3):
        with_it.append(network(random_state=seed).fit(X, y).score(X, y))
        without.append(unsettled(network(random_state=seed), X, y).score(X, y))
    assert np.mean(with_it) > np.mean(without) + 0.05


def test_long_trainings_stay_as_they_are(shapes, unsettled, monkeypatch):
    X, y = shapes
    monkeypatch.setattr("galaxy_sklearn._training.net._FEW_STEPS", 12)
    expected = unsettled(network(), X, y).predict_proba(X)
    np.testing.assert_array_equal(network().fit(X, y).predict_proba(X), expected)
    shorter = network(max_steps=11)
    assert (shorter.fit(X, y).predict_proba(X) != unsettled(shorter, X, y).predict_proba(X)).any()


def test_the_first_epochs_are_validated_with_them(shapes, unsettled):
    X, y = shapes
    options = {"early_stopping": True, "max_steps": None, "max_epochs": 3}
    fitted = network(**options).fit(X, y)
    losses = [row["valid_loss"] for row in fitted.history_]
    before = [row["valid_loss"] for row in unsettled(network(**options), X, y).history_]
    assert np.mean(losses) < np.mean(before)
    trained = [row["train_loss"] for row in fitted.history_]
    assert trained == [row["train_loss"] for row in unsettled(network(**options), X, y).history_]


def test_frozen_averages_stay(shapes):
    X, y = shapes
    first = network().fit(X, y)
    frozen = network(pretrained=FrozenEstimator(first), freeze="backbone", max_steps=3).fit(X, y)
    old, new = (model.net_.module_.network.state_dict() for model in (first, frozen))
    assert sum(name.endswith("running_var") for name in old) > 2
    for name in old:
        if "running" in name:
            torch.testing.assert_close(old[name], new[name])


def test_a_finished_fit_is_taken_up_with_frozen_averages(shapes, tmp_path):
    X, y = shapes
    first = FrozenEstimator(network().fit(X, y))
    model = network(pretrained=first, freeze="backbone", max_steps=3, checkpoint_dir=tmp_path)
    expected = model.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(model.fit(X, y).predict_proba(X), expected)


def test_errors_of_a_short_autoencoder_are_those_it_learned_with(shapes):
    model = AutoencoderPretrainer(max_steps=12, random_state=0).fit(shapes[0])
    assert -model.score(shapes[0]) < 2 * model.loss_curve_[-1]
