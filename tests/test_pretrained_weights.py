"""The weights of pretrainers on their way to a classifier."""

import pickle

import numpy as np
import pytest
import torch
from pretrainers import TINY, classifier, same_encoder, state, tiny, wu
from shapes import make_shapes
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.decomposition import ContrastivePretrainer

# Encoders that nothing taught are frozen too, to compare with.
pytestmark = pytest.mark.filterwarnings("ignore:.*those are random numbers:UserWarning")


@pytest.fixture(scope="module")
def shapes():
    X, y = make_shapes(150)
    return X, y


@pytest.fixture(scope="module")
def fitted(shapes):
    return tiny(max_steps=5).fit(shapes[0])


def ways(fitted, folder):
    fitted.save_weights(folder / "encoder.safetensors")
    return {
        "frozen": FrozenEstimator(fitted),
        "unfitted": clone(fitted),
        "file": folder / "encoder.safetensors",
    }


@pytest.mark.parametrize("way", ["frozen", "unfitted", "file"])
def test_weights_arrive_to_the_bit_in_a_pipeline_clone_grid_search_and_pickle(
    fitted, shapes, tmp_path, way
):
    X, y = shapes[:2]
    short = fitted if way != "unfitted" else tiny(max_steps=3).fit(X)
    weights = short.trunk_weights()
    assert {name.partition(".")[0] for name in weights} == {"stem", "blocks", "norm"}
    pipeline = make_pipeline(classifier(pretrained=ways(short, tmp_path)[way]))
    for model in (pipeline, clone(pipeline), pickle.loads(pickle.dumps(pipeline))):
        same_encoder(model.fit(X, y)[-1], weights)
    again = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(again.predict_proba(X), pipeline.predict_proba(X))
    search = GridSearchCV(
        clone(pipeline),
        {"galaxyclassifier__learning_rate": [0.001, 0.01]},
        cv=2,
        error_score="raise",
    ).fit(X, y)
    same_encoder(search.best_estimator_[-1], weights)


def test_the_encoder_of_wu_reaches_its_classifier_whole():
    X, y = make_shapes(16, side=64)
    fitted = wu(max_steps=1, batch_size=8).fit(X)
    weights = fitted.trunk_weights()
    assert sum(tensor.numel() for tensor in weights.values()) == 15_726_400
    model = GalaxyClassifier(
        "wu_encoder_cnn",
        network_params={"input_size": 64},
        pretrained=FrozenEstimator(fitted),
        freeze="encoder",
        max_steps=1,
        batch_size=8,
    ).fit(X, y)
    same_encoder(model, weights)


def test_an_unfitted_pretrainer_is_fitted_on_a_copy_and_tuned_by_name(shapes):
    X, y = shapes[:2]
    pretrainer = tiny(max_steps=2)
    model = classifier(pretrained=pretrainer).set_params(pretrained__masking=0.5)
    model.fit(X, y)
    assert not hasattr(pretrainer, "net_")
    assert model.pretrainer_.net_.criterion_.masking == 0.5
    assert model.get_params()["pretrained__masking"] == 0.5
    search = GridSearchCV(model, {"pretrained__masking": [0.0, 0.9]}, cv=2, error_score="raise")
    best = search.fit(X, y).best_estimator_
    same_encoder(best, best.pretrainer_.trunk_weights())
    begun = classifier(pretrained=pretrainer).partial_fit(X, y, classes=np.unique(y))
    same_encoder(begun, begun.pretrainer_.trunk_weights())
    assert not hasattr(model.set_params(pretrained=None).fit(X, y), "pretrainer_")


def test_one_seed_is_enough_for_the_pretrainer_too(shapes):
    X, y = shapes[:2]
    model = classifier(pretrained=tiny(max_steps=2, random_state=None))
    first, second = (clone(model).fit(X, y).predict_proba(X[:9]) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_checkpoint_after_another_pool_is_not_taken_up(shapes, tmp_path):
    X, y = shapes[:2]
    for pool in (None, X[:20], X[20:40]):
        model = classifier(pretrained=tiny(max_steps=2), checkpoint_dir=tmp_path)
        model.fit(X, y, X_unlabeled=pool)
    assert len(list(tmp_path.iterdir())) == 2 * 3  # of the pretrainer and of the classifier


def test_weights_of_which_none_is_taken_are_refused(shapes):
    X, y = shapes[:2]
    other = FrozenEstimator(classifier().fit(X, y))
    with pytest.raises(ValueError, match="do not fit the network: no layer is the same"):
        classifier(network="linear", network_params=None, pretrained=other).fit(X, y)


def test_no_weights_are_asked_for_by_false(shapes):
    X, y = shapes[:2]
    fits = [classifier(pretrained=value).fit(X, y) for value in (False, None)]
    np.testing.assert_array_equal(*(fit.predict_proba(X[:9]) for fit in fits))


def test_other_estimators_have_no_weights_to_give(shapes):
    X, y = shapes[:2]
    other = FrozenEstimator(make_pipeline(classifier().fit(X, y)))
    with pytest.raises(ValueError, match="Weights come from a fitted.*got a Pipeline.*last step"):
        classifier(pretrained=other).fit(X, y)


def test_an_encoder_that_saw_unlabelled_images_needs_few_labels():
    X, y = make_shapes(240)
    X = (X + np.random.default_rng(0).normal(0, 90, X.shape)).clip(0, 255).astype(np.uint8)
    model = tiny(max_steps=150).fit(X)
    scores = [
        classifier(pretrained=source, max_epochs=40, learning_rate=0.05)
        .fit(X[:15], y[:15])
        .score(X[100:], y[100:])
        for source in (FrozenEstimator(model), None)
    ]
    assert scores[0] > 0.9
    assert scores[0] > scores[1] + 0.1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"network_params": TINY | {"widths": (8, 8)}}, r"layer 'stem.weight', of shape \(4, 3, "),
        (
            {"network_params": TINY | {"depths": (1, 2)}},
            r"layer 'blocks.2.norm1.weight' of the network is missing",
        ),
        ({"network_params": TINY | {"widths": (4, 16)}}, r"layer 'blocks.1.conv1.weight', of sh"),
        ({"network": "simple_cnn", "network_params": {}}, r"layer 'stem.weight', .* is not in it"),
    ],
)
@pytest.mark.parametrize("way", ["frozen", "file"])
def test_the_first_layer_that_differs_is_named(fitted, shapes, tmp_path, params, message, way):
    model = classifier(pretrained=ways(fitted, tmp_path)[way], **params)
    with pytest.raises(ValueError, match=message) as caught:
        model.fit(*shapes[:2])
    assert "\n" not in str(caught.value)
    assert ("the fitted AutoencoderPretrainer" if way == "frozen" else "encoder.safetensors") in (
        str(caught.value)
    )


@pytest.mark.parametrize(
    ("network", "params"),
    [("galaxynet", TINY), ("timm/resnet18", {"input_size": 32}), ("wu_simple_cnn", {})],
)
def test_contrastive_weights_fit_any_network(shapes, network, params):
    X, y = shapes[0][:8], shapes[1][:8]
    params = {"input_size": 16} | params
    model = ContrastivePretrainer(network, network_params=params, max_steps=1, batch_size=8)
    model.fit(X)
    frozen = FrozenEstimator(model)
    labelled = classifier(network=network, network_params=params, pretrained=frozen).fit(X, y)
    given, got = model.trunk_weights(), state(labelled)
    last = set(got) - set(given)
    assert last
    assert {name.rpartition(".")[0] for name in last} <= {"classifier", "model.fc"}
    for name, parameter in labelled.net_.module_.network.named_parameters():
        if not parameter.requires_grad:
            assert torch.equal(given[name], got[name]), name


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"network": "simple_cnn", "network_params": None}, "do not fit the network: layer 'stem"),
        ({"network_params": TINY | {"widths": (8, 16)}}, "do not fit the network"),
        ({"network": "nonsense"}, "nonsense"),
        ({"optimizer_params": {"typo": 1}}, "has no parameter 'typo'"),
        ({"freeze": 99}, "freeze"),
    ],
    ids=str,
)
def test_what_would_not_fit_is_found_before_the_pretrainer_is_trained(
    shapes, monkeypatch, params, message
):
    monkeypatch.setattr(ContrastivePretrainer, "fit", lambda *a: pytest.fail("it was trained"))
    pretrainer = ContrastivePretrainer(network_params=TINY, max_steps=2)
    with pytest.raises(ValueError, match=message):
        classifier(pretrained=pretrainer).set_params(**params).fit(*shapes[:2])
