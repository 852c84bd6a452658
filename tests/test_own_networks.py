"""Networks, losses and optimisers that users bring along."""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from shapes import make_shapes
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from torch import nn

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn._training.checkpoint import describe
from galaxy_sklearn.inspection import GradCamDisplay
from galaxy_sklearn.networks import build_network
from galaxy_sklearn.neural_network import VoteFractionRegressor
from galaxy_sklearn.semi_supervised import FixMatchClassifier

X, Y = make_shapes(60)


class Small(nn.Module):
    def __init__(self, n_channels, n_classes, image_size, width=8, probabilities=False):
        super().__init__()
        self.seen = image_size
        self.body = nn.Sequential(
            nn.Conv2d(n_channels, width, 3, stride=2),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.out = nn.Linear(2 * width, n_classes)
        self.probabilities = probabilities

    def forward(self, x):
        x = self.out(self.body(x))
        return x.softmax(1) if self.probabilities else x


def lazy(n_channels, n_classes, image_size):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(20), nn.ReLU(), nn.LazyLinear(n_classes))


def convolutional(n_channels, n_classes, image_size):
    return nn.Sequential(nn.Conv2d(n_channels, n_classes, 5), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def focal(logits, codes):
    losses = nn.functional.cross_entropy(logits, codes, reduction="none")
    return (1 - torch.exp(-losses)) ** 2 * losses


def own(network=Small, **params):
    return GalaxyClassifier(network, **{"max_steps": 4, "random_state": 0, **params})


@pytest.mark.parametrize(
    ("network", "n_embedding"), [(Small, 16), (lazy, 20), (convolutional, len(set(Y)))]
)
def test_a_network_of_one_s_own_is_trained_embeds_and_pickles(network, n_embedding):
    model = own(network, max_steps=40).fit(X, Y)
    loaded = pickle.loads(pickle.dumps(model))
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert model.transform(X).shape == (len(X), n_embedding)
    assert model.loss_curve_[-1] < model.loss_curve_[0]


def test_its_embedding_is_what_the_last_layer_sees():
    model = own(max_steps=2).fit(X, Y)
    network = model.net_.module_.network
    layer = network.model.out
    weight, bias = (one.detach().double().numpy() for one in (layer.weight, layer.bias))
    logits = model.transform(X) @ weight.T + bias
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-3)


def test_its_parameters_are_searched_and_its_images_resized():
    model = own(network_params={"input_size": 16, "width": 4}, max_steps=1)
    search = GridSearchCV(model, {"network__width": [4, 6]}, cv=2, error_score="raise").fit(X, Y)
    network = search.best_estimator_.net_.module_.network
    assert network.model.seen == (16, 16)
    assert network.n_embedding == 2 * search.best_params_["network__width"]


def test_it_lends_its_weights_and_its_stages_are_known(tmp_path):
    first = own().fit(X, Y)
    two = np.where(Y[0] == Y, "one", "other")
    params = {"freeze": "backbone", "layer_decay": 0.5}
    model = own(pretrained=FrozenEstimator(first), **params).fit(X, two)
    given, taken = (one.net_.module_.network.model for one in (first, model))
    assert torch.equal(given.body[0].weight, taken.body[0].weight)
    assert given.out.weight.shape != taken.out.weight.shape
    stages = taken_stages = model.net_.module_.network.parameter_stages()
    assert len(stages) == 4
    assert taken_stages[-1] == ["model.out.weight", "model.out.bias"]
    torch.save(given.state_dict(), tmp_path / "own.pth")
    from_file = own(pretrained=tmp_path / "own.pth", **params).fit(X, two)
    assert torch.equal(from_file.net_.module_.network.model.body[3].weight, taken.body[3].weight)


def test_it_works_in_every_estimator_that_takes_a_classifier():
    pool = FixMatchClassifier(own(max_steps=1)).fit(X, Y, X_unlabeled=X)
    assert pool.predict(X).shape == Y.shape
    votes = np.zeros((len(X), 37))
    votes[:, [0, 14, 15]] = 1
    regressor = VoteFractionRegressor(Small, max_steps=1, random_state=0).fit(X, votes)
    assert regressor.predict(X[:2]).shape == (2, 37)
    display = GradCamDisplay.from_estimator(own(max_steps=1).fit(X, Y), X[:2])
    assert display.figure_.axes


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"network": Small(1, 2, (8, 8))}, TypeError, "takes what makes a network"),
        ({"network": lambda *sizes: 3}, TypeError, "must return a torch.nn.Module; got 3"),
        ({"network": lambda *sizes: nn.Linear(3, 3)}, ValueError, "cannot take images of"),
        ({"network": lambda c, k, size: nn.Conv2d(c, k, 3)}, ValueError, "logits an image"),
        ({"network_params": {"probabilities": True}}, ValueError, "seems to end in a softmax"),
        ({"network_params": {"wdth": 3}}, ValueError, "no parameter 'wdth'; it takes width"),
        ({"pretrained": True}, ValueError, "no published weights"),
        ({"optimizer": int}, TypeError, "takes a subclass of torch.optim.Optimizer"),
        ({"loss": nn.functional.cross_entropy}, ValueError, "must return one number an image"),
    ],
)
def test_what_does_not_fit_is_told(params, error, message):
    with pytest.raises(error, match=message):
        own(**params).fit(X, Y)


def test_losses_and_optimisers_of_one_s_own_make_a_difference():
    plain = own(loss="cross_entropy", label_smoothing=0, optimizer="adamw").fit(X, Y)
    focused = own(loss=focal, optimizer="adamw").fit(X, Y)
    assert focused.loss_curve_[0] < 0.9 * plain.loss_curve_[0]
    params = {"loss": "cross_entropy", "label_smoothing": 0, "optimizer": torch.optim.AdamW}
    same = own(**params).fit(X, Y)
    np.testing.assert_array_equal(same.predict_proba(X), plain.predict_proba(X))
    rprop = own(optimizer=torch.optim.Rprop, optimizer_params={"etas": (0.4, 1.1)}).fit(X, Y)
    assert type(rprop.net_.optimizer_) is torch.optim.Rprop


def test_a_checkpoint_knows_a_network_by_its_code(tmp_path):
    def changed():
        class Small(nn.Module):
            def __init__(self, n_channels, n_classes, image_size):
                super().__init__()
                self.out = nn.LazyLinear(n_classes)

            def forward(self, x):
                return self.out(x.flatten(1))

        return Small

    assert describe(Small) == describe(Small)
    assert describe(Small) != describe(changed())
    for _ in range(2):
        own(max_steps=1, checkpoint_dir=tmp_path).fit(X, Y)
    assert len(list(tmp_path.glob("fit-*.pt"))) == 1


class Viewed(nn.Module):
    def __init__(self, n_channels, n_classes, image_size):
        super().__init__()
        self.convolution = nn.Conv2d(n_channels, 8, 3, padding=1)
        self.same = self.convolution if n_channels == 8 else nn.Conv2d(8, 8, 3, padding=1)
        self.once_more = self.same
        self.out = nn.Linear(8 * image_size[0] * image_size[1], n_classes)
        self.register_buffer("mask", torch.full((4, 4), -torch.inf).triu(1))

    def forward(self, x):
        x = self.once_more(self.same(self.convolution(x).relu()).relu()).relu()
        return self.out(input=x.view(len(x), -1))


class ViewedOnce(Viewed):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        del self.once_more

    def forward(self, x):
        x = self.same(self.same(self.convolution(x).relu()).relu()).relu()
        return self.out(x.view(len(x), -1))


def test_views_masks_keywords_and_shared_layers():
    model = own(Viewed, max_steps=6).fit(X, Y)
    assert model.transform(X).shape == (60, 8 * 16 * 16)
    once = own(ViewedOnce, max_steps=6).fit(X, Y)
    np.testing.assert_allclose(model.predict_proba(X), once.predict_proba(X), rtol=1e-5)


def test_threads_have_their_own_embeddings():
    model = own(max_steps=1).fit(X, Y)
    parts = [X[:8], X[8:16]]
    expected = [model.transform(part) for part in parts]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(model.transform, parts * 20))
    finally:
        sys.setswitchinterval(before)
    for number, one in enumerate(found):
        np.testing.assert_allclose(one, expected[number % 2], rtol=1e-5)


class Wrapped(nn.Module):
    def __init__(self, *sizes):
        super().__init__()
        self.model = Small(*sizes)

    def forward(self, x):
        return self.model(x)


def test_a_wrapped_network_s_own_file_is_read(tmp_path):
    network = own(Wrapped, max_steps=1).fit(X, Y).net_.module_.network.model
    torch.save(network.state_dict(), tmp_path / "wrapped.pth")
    params = {"pretrained": tmp_path / "wrapped.pth", "freeze": "backbone"}
    model = own(Wrapped, max_steps=1, **params).fit(X, Y)
    taken = model.net_.module_.network.model.state_dict()
    assert torch.equal(taken["model.body.0.weight"], network.state_dict()["model.body.0.weight"])
    again = own(Wrapped, max_steps=1, pretrained=FrozenEstimator(model)).fit(X, Y)
    assert again.predict(X).shape == Y.shape


@pytest.mark.filterwarnings("ignore:GalaxyClassifier.freeze")
@pytest.mark.parametrize("freeze", ["backbone", "gradual"])
def test_without_a_last_linear_the_last_stage_is_the_head(freeze):
    def two(n_channels, n_classes, image_size):
        return nn.Sequential(
            nn.Conv2d(n_channels, 4, 3),
            nn.ReLU(),
            nn.Conv2d(4, n_classes, 3),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )

    model = own(two, freeze=freeze, max_steps=1).fit(X, Y)
    stages = model.net_.module_.network.parameter_stages()
    assert stages == [["model.0.weight", "model.0.bias"], ["model.2.weight", "model.2.bias"]]


def test_an_optimiser_that_passes_its_parameters_on_gets_them():
    class Mine(torch.optim.AdamW):
        def __init__(self, params, **settings):
            super().__init__(params, **settings)

    model = own(optimizer=Mine, weight_decay=0.3, optimizer_params={"betas": (0.7, 0.9)}).fit(X, Y)
    group = model.net_.optimizer_.param_groups[-1]
    assert group["weight_decay"] == 0.3
    assert group["betas"] == (0.7, 0.9)


def test_a_checkpoint_knows_defaults_attributes_bases_and_functions():
    def networks(slope=0.1, drop=0.0, factor=1.0):
        class Base(nn.Module):
            SLOPE = slope

            def __init__(self, n_channels, n_classes, size, drop=drop):
                super().__init__()

            def forward(self, x):
                return helper(x)

        def helper(x):
            return x * factor

        class Derived(Base):
            pass

        return Derived

    assert describe(networks()) == describe(networks())
    others = [networks(slope=0.2), networks(drop=0.5), networks(factor=2.0)]
    assert len({describe(one) for one in [networks(), *others]}) == 4


def test_build_network_takes_one_too():
    network = build_network(Small, 3, 4, (20, 20), width=5)
    assert network(torch.zeros(2, 3, 20, 20)).shape == (2, 4)
    assert network.n_embedding == 10
