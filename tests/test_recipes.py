"""The published systems: what they are made of, and that they run on image files."""

import re

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from galaxy_sklearn import GalaxyClassifier, ImageSequence, recipes
from galaxy_sklearn.augmentation import (
    DielemanAugmentation,
    MultiScaleCrop,
    RotatedViews,
    ScaleJitterCrop,
)
from galaxy_sklearn.datasets import make_galaxies
from galaxy_sklearn.galaxy_zoo import check_votes
from galaxy_sklearn.neural_network import StepDecay, VoteFractionRegressor
from galaxy_sklearn.preprocessing import CLAHE, MorphologicalOpening, Resize
from galaxy_sklearn.semi_supervised import PseudoLabelClassifier

NAMES = sorted(set(recipes.__all__) - {"available"})
NEEDS_WEIGHTS = {
    "galaxy10_transfer",
    "gomez2020_resnet50",
    "guo2023_densenet201",
    "guo2023_vgg19",
}
OF_VOTES = {"dieleman2015", "gomez2020_resnet50"}
SMALL = {  # resized to, then what makes the network cheap enough to run
    "dieleman2015": (None, {"hidden": 8}),
    "galaxy10_cnn": (64, {}),
    "galaxy10_cnn2": (64, {"input_size": 64}),
    "galaxy10_cnn3": (64, {"input_size": 64}),
    "galaxy10_cnn5": (64, {"input_size": 64}),
    "galaxy10_cnn6": (64, {"input_size": 64}),
    "galaxy10_transfer": (32, {"head_units": (8,)}),
    "gomez2020_resnet50": (32, {}),
    "guo2023_densenet201": (32, {"head_units": (8,)}),
    "guo2023_vgg19": (32, {"head_units": (8,)}),
    "wu2022_autoencoder_cnn": (64, {"input_size": 64}),
    "wu2022_inception_v3": (80, {}),
    "wu2022_resnet18": (32, {}),
    "wu2022_self_training": (32, {"input_size": 32}),
    "wu2022_simple_cnn": (32, {"input_size": 32}),
    "wu2022_vgg16": (32, {"input_size": 32}),
    "zhu2019": (None, {"width": 0.0625}),
    "zhu2019_baseline": (None, {"input_size": 64}),
}


def build(name, **params):
    extra = {"pretrained": False} if name in NEEDS_WEIGHTS else {}
    return getattr(recipes, name)(**(extra | params))


def pipeline_of(model):
    return model.estimator if isinstance(model, PseudoLabelClassifier) else model


def votes(classes):
    """Return fractions (n, 37) of volunteers who agree that a galaxy is round, or a disk."""
    table = np.zeros((len(classes), 37))
    smooth = np.isin(classes, ["round", "in_between", "cigar"])
    table[smooth] = np.eye(37)[[0, 14, 15]].sum(0)
    table[~smooth] = np.eye(37)[[1, 3, 14, 25]].sum(0)
    return table


@pytest.fixture(scope="module")
def galaxies():
    return make_galaxies(20, image_size=64, random_state=0)


@pytest.fixture(scope="module")
def large_galaxies():
    return make_galaxies(20, image_size=244, random_state=0)


def test_the_table_lists_every_recipe():
    table = recipes.available()
    assert table.index.tolist() == NAMES == sorted(SMALL)
    assert table["published"].between(0, 1).all()
    assert table.loc["zhu2019", "published"] == pytest.approx(2742 / 2880, abs=1e-6)
    assert (table["summary"].str.len() > 20).all()


@pytest.mark.parametrize("name", NAMES)
def test_recipes_are_clonable_and_state_their_source(name):
    model = build(name)
    assert clone(model).get_params().keys() == model.get_params().keys()
    doc = getattr(recipes, name).__doc__
    source = recipes.available().loc[name, "source"]
    for word in ("Published", "illed in", "Reported", re.split("[ ,]", source)[0]):
        assert word in doc, word
    if name != "wu2022_self_training":
        expected = VoteFractionRegressor if name in OF_VOTES else GalaxyClassifier
        assert isinstance(model[-1], expected)


@pytest.mark.parametrize("name", NAMES)
def test_recipes_run_on_galaxies(name, galaxies, large_galaxies):
    size, network = SMALL[name]
    X, y = large_galaxies if size is None else galaxies
    model = build(name, max_steps=1, batch_size=8, device="cpu", random_state=0)
    pipeline = pipeline_of(model)
    if size is not None:
        pipeline.set_params(resize__size=size)
    pipeline[-1].set_params(**{f"network__{k}": v for k, v in network.items()})
    pipeline[-1].set_params(validation_fraction=0.25)
    if name in OF_VOTES:
        assert model.fit(X, votes(y)).predict(X[:3]).shape == (3, 37)
        return
    if name == "wu2022_autoencoder_cnn":
        pipeline[-1].pretrained.set_params(max_steps=1, network__input_size=64)
    fit_params = {"X_unlabeled": X[:5]} if isinstance(model, PseudoLabelClassifier) else {}
    if fit_params:
        model.set_params(max_iter=1)
    proba = model.fit(X, y, **fit_params).predict_proba(X[:3])
    assert proba.shape == (3, 5)
    np.testing.assert_allclose(proba.sum(1), 1)


@pytest.mark.parametrize("rival", ["alexnet", "dieleman", "inception_v3", "resnet50", "vgg16"])
def test_every_rival_of_zhu(rival):
    model = recipes.zhu2019_baseline(rival)
    assert model[-1].augmentation == recipes.zhu2019()[-1].augmentation
    assert model[-1].max_steps == 72_000
    with pytest.raises(ValueError, match="zhu2019_baseline knows alexnet, .*; got 'lenet'"):
        recipes.zhu2019_baseline("lenet")
    with pytest.raises(ValueError, match=r"zhu2019_baseline knows alexnet, .*; got \[\]"):
        recipes.zhu2019_baseline([])


def test_recipes_share_nothing_and_take_another_network():
    model = recipes.zhu2019(network="simple_cnn", max_steps=5)
    assert (model[-1].network, model[-1].max_steps) == ("simple_cnn", 5)
    model[-1].augmentation.crop = 1
    model[-1].optimizer_params["momentum"] = 0.0
    assert recipes.zhu2019()[-1].augmentation.crop == 64
    assert recipes.zhu2019_baseline()[-1].optimizer_params["momentum"] == 0.9
    recipes.dieleman2015()[-1].augmentation.zoom = 1.0
    assert recipes.dieleman2015()[-1].augmentation == DielemanAugmentation()


@pytest.mark.parametrize("name", ["zhu2019", "wu2022_self_training", "gomez2020_resnet50"])
def test_recipes_take_nested_parameters(name):
    last = pipeline_of(build(name, optimizer__eps=1e-6))[-1]
    assert last.get_params()["optimizer__eps"] == 1e-6
    with pytest.raises(ValueError, match="Invalid parameter 'pace'"):
        build(name, pace__width=1)


def test_epochs_and_steps_take_each_others_place():
    assert recipes.zhu2019(max_epochs=3)[-1].max_steps is None
    assert recipes.guo2023_vgg19(max_steps=9)[-1].max_epochs == "auto"
    both = recipes.wu2022_vgg16(max_steps=9, max_epochs=2)[-1]
    assert (both.max_steps, both.max_epochs) == (9, 2)


def test_another_optimiser_does_not_get_the_published_ones_parameters(galaxies):
    model = recipes.zhu2019(optimizer="adamw", network="linear", augmentation=None, max_steps=1)
    assert model[-1].optimizer_params is None
    model[-1].set_params(tta=None).fit(*galaxies)
    assert recipes.zhu2019(optimizer="sgd")[-1].optimizer_params == {
        "momentum": 0.9,
        "nesterov": True,
    }
    nested = recipes.dieleman2015().set_params(votefractionregressor__optimizer="adamw")
    assert nested[-1].optimizer_params == {"momentum": 0.9, "nesterov": True}


def test_the_standard_networks_of_wu_are_torchvisions(galaxies):
    X, y = galaxies
    options = {"max_steps": 1, "batch_size": 8, "device": "cpu", "learning_rate": 1e-9}
    resnet = recipes.wu2022_resnet18(**options)[-1].fit(X, y)
    state = resnet.net_.module_.state_dict()
    scales = [tensor.numpy() for name, tensor in state.items() if name.endswith("bn2.weight")]
    np.testing.assert_allclose(np.concatenate(scales), 1, atol=1e-6)
    inception = build("wu2022_inception_v3")[-1]
    rival = recipes.zhu2019_baseline("inception_v3")[-1]
    assert inception.network_params["dropout"] == rival.network_params["dropout"] == 0.5


def test_zhu_is_to_the_letter():
    classifier = recipes.zhu2019()[-1]
    expected = {
        "network": "zhu_resnet26",
        "optimizer": "sgd",
        "optimizer_params": {"momentum": 0.9, "nesterov": True},
        "learning_rate": 0.1,
        "schedule": StepDecay([30 / 72, 60 / 72], factor=0.1),
        "max_steps": 72_000,
        "batch_size": 128,
        "weight_decay": 1e-4,
        "augmentation": ScaleJitterCrop((170, 240), resize=80, crop=64),
        "standardize": "image",
        "tta": MultiScaleCrop([180, 200, 220, 240]),
        "ema_decay": None,
        "label_smoothing": 0.0,
        "loss": "cross_entropy",
    }
    params = classifier.get_params(deep=False)
    assert {name: params[name] for name in expected} == expected
    rates = [classifier.schedule(step, 72_000) for step in (29_999, 30_000, 59_999, 60_000)]
    np.testing.assert_allclose(rates, [1, 0.1, 0.1, 0.01])


def test_shortened_recipes_keep_the_shares_of_their_training():
    classifier = recipes.zhu2019(max_steps=720)[-1]
    np.testing.assert_allclose(
        [classifier.schedule(s, 720) for s in (299, 300, 600)], [1, 0.1, 0.01]
    )
    assert recipes.dieleman2015(max_steps=500)[-1].unnormalized_steps == 25
    assert recipes.dieleman2015(max_steps=500, unnormalized_steps=7)[-1].unnormalized_steps == 7
    model = recipes.dieleman2015(unnormalized_steps=3, max_steps=3)
    X = np.zeros((8, 64, 64, 3))
    with pytest.raises(ValueError, match="unnormalized_steps=3 leaves none of the 3 steps"):
        model.fit(X, votes(["round"] * 8))


def test_dieleman_is_to_the_letter(large_galaxies):
    regressor = recipes.dieleman2015()[-1]
    expected = {
        "network": "dieleman",
        "tree": "gz2_kaggle",
        "output": "tree",
        "normalization": "divisive",
        "unnormalized_steps": 625,
        "loss": "mse",
        "augmentation": DielemanAugmentation(zoom=1.3, shift=4.0, frame=424.0, colour=0.5),
        "tta": RotatedViews(10, fields=(1 / 1.2, 1.0, 1.2)),
        "optimizer": "sgd",
        "optimizer_params": {"momentum": 0.9, "nesterov": True},
        "max_steps": 1_562_500,
        "batch_size": 16,
        "weight_decay": 0.0,
        "ema_decay": None,
    }
    params = regressor.get_params(deep=False)
    assert {name: params[name] for name in expected} == expected
    steps = [0, 1800 * 625 - 1, 1800 * 625, 2300 * 625 - 1, 2300 * 625]
    rates = [regressor.learning_rate * regressor.schedule(step, 1_562_500) for step in steps]
    np.testing.assert_allclose(rates, [0.04, 0.04, 0.004, 0.004, 0.0004])
    assert regressor.field * 424 == pytest.approx(207)
    X, y = large_galaxies
    model = recipes.dieleman2015(max_steps=2, unnormalized_steps=1, network_params={"hidden": 8})
    model.set_params(votefractionregressor__tta=None).fit(X, votes(y))
    check_votes(model.predict(X), tree="gz2_kaggle", tolerance=1e-6)


def test_gomez_has_the_published_number_of_parameters(galaxies):
    X, y = galaxies
    model = recipes.gomez2020_resnet50(pretrained=False, max_steps=1, validation_fraction=0.25)
    model.set_params(resize__size=32).fit(X, votes(y))
    network = model[-1].net_.module_.network
    assert sum(p.numel() for p in network.parameters()) == 23_583_845
    assert recipes.gomez2020_resnet50()[-1].pretrained is True
    table = recipes.available()
    assert table.loc["gomez2020_resnet50", "published"] == round(0.0091**0.5, 4)
    assert (table.loc[sorted(OF_VOTES), "metric"] == "RMSE").all()


@pytest.mark.parametrize("name", NAMES)
def test_recipes_have_no_size(name):
    with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
        build(name, size=128)


@pytest.mark.parametrize("name", ["zhu2019", "zhu2019_baseline", "dieleman2015"])
def test_epochs_take_the_place_of_published_steps(name):
    model = getattr(recipes, name)
    assert (model(max_epochs=5)[-1].max_epochs, model(max_epochs=5)[-1].max_steps) == (5, None)
    assert model(max_epochs=5, max_steps=700)[-1].max_steps == 700
    assert model()[-1].max_steps >= 72_000


def test_transfer_takes_its_weights_in_the_second_place():
    expected = recipes.galaxy10_transfer("resnet50", pretrained=False)[-1].get_params(deep=False)
    model = recipes.galaxy10_transfer("resnet50", False)
    assert model[-1].get_params(deep=False) == expected
    assert (model[-1].pretrained, model[-1].freeze) == (None, None)


def test_the_table_says_what_was_validated():
    metrics = recipes.available()["metric"]
    assert metrics["guo2023_vgg19"] == "validation accuracy"
    assert metrics["guo2023_densenet201"] == "accuracy"


def test_guo_does_things_in_guo_s_order():
    classifier = recipes.guo2023_densenet201()[-1]
    assert [type(step) for _, step in classifier.standardize.steps] == [CLAHE, MorphologicalOpening]
    assert classifier.class_weight == "balanced"
    assert (classifier.early_stopping, classifier.n_iter_no_change) == (True, 20)
    assert classifier.pretrained is True
    assert recipes.guo2023_vgg19()[-1].freeze == "backbone"
    assert recipes.guo2023_vgg19(pretrained=False)[-1].freeze is None


def test_a_recipe_is_a_start_for_a_search(galaxies):
    X, y = galaxies
    model = recipes.galaxy10_cnn(max_epochs=1, random_state=0)
    grid = {"resize__size": [32, 64], "galaxyclassifier__network__dropout": [0.0]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 2
    with pytest.raises(ValueError, match="galaxy10_transfer knows mobilenet, .*got 'lenet'"):
        recipes.galaxy10_transfer("lenet")
    with pytest.raises(ValueError, match=r"galaxy10_transfer knows mobilenet, .*got \['vgg16'\]"):
        recipes.galaxy10_transfer(["vgg16"])


def test_wu_continues_the_same_network_with_fixed_threshold():
    model = recipes.wu2022_self_training()
    assert (model.threshold, model.max_iter, model.min_new_labels) == (0.35, 5, 10)
    assert model.warm_start
    assert model.max_divergence is None
    assert model.estimator[-1].weight_decay == 0.01


def test_wu_s_autoencoder_learns_from_a_pool_of_another_size(galaxies):
    X, y = galaxies
    pool = make_galaxies(12, image_size=48, random_state=1)[0]
    with config_context(enable_metadata_routing=True):
        model = recipes.wu2022_autoencoder_cnn(max_steps=1, batch_size=8, random_state=0)
        model.set_params(resize__size=64, galaxyclassifier__network__input_size=64)
        model[-1].pretrained.set_params(max_steps=1, network__input_size=64)
        model.fit(X, y, X_unlabeled=ImageSequence.from_array(pool))
    seen = model[-1].pretrainer_.net_.module_
    prepared = Resize(64).fit_transform(pool) / 1.0
    np.testing.assert_allclose(seen.mean.ravel(), prepared.mean((0, 1, 2)), rtol=1e-4)


def test_both_trainings_of_wu_s_autoencoder_run_on_one_device():
    classifier = recipes.wu2022_autoencoder_cnn(device="cpu", max_epochs=1)[-1]
    assert classifier.device == classifier.pretrained.device == "cpu"
    assert (classifier.max_epochs, classifier.pretrained.max_epochs) == (1, 30)
