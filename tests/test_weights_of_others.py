"""Where a network's first weights come from: files, other libraries, pretrainers."""

import re
from urllib.error import URLError

import pytest
import sklearn
import timm
import torch
from safetensors.torch import save_file
from shapes import make_shapes
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from small_networks import small, weights
from timm.layers import resample_abs_pos_embed
from torchvision import models

from galaxy_sklearn import GalaxyClassifier, ImageSequence
from galaxy_sklearn._training.pretrained import fill_from_file
from galaxy_sklearn.decomposition import AutoencoderPretrainer
from galaxy_sklearn.networks import build_network
from galaxy_sklearn.preprocessing import Resize


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(120, side=32)


# Weights of others


@pytest.fixture(scope="module")
def timm_weights(tmp_path_factory):
    torch.manual_seed(5)
    state = timm.create_model("resnet18", num_classes=1000).state_dict()
    folder = tmp_path_factory.mktemp("weights")
    save_file(state, folder / "resnet18.safetensors")
    torch.save({"state_dict": state}, folder / "resnet18.pth")
    return folder, state


@pytest.mark.parametrize("ending", ["safetensors", "pth"])
@pytest.mark.parametrize("head", [None, (16,)])
def test_a_file_of_timm_s_weights_fills_the_backbone(shapes, timm_weights, ending, head):
    X, y = shapes
    folder, state = timm_weights
    model = GalaxyClassifier(
        "timm/resnet18",
        network_params={"head_units": head, "head_pooling": "average"},
        pretrained=folder / f"resnet18.{ending}",
        freeze="backbone",
        max_epochs=1,
        random_state=0,
        ema_decay=None,
    ).fit(X, y)
    own = weights(model)
    for name, tensor in state.items():
        if not name.startswith("fc."):
            assert torch.equal(own[f"model.{name}"], tensor), name


def test_weights_for_three_bands_serve_one_band(shapes, timm_weights):
    X, y = shapes
    folder, state = timm_weights
    model = GalaxyClassifier(
        "timm/resnet18",
        pretrained=folder / "resnet18.safetensors",
        freeze="backbone",
        max_epochs=1,
        ema_decay=None,
    ).fit(X[..., :1], y)
    first = weights(model)["model.conv1.weight"]
    torch.testing.assert_close(first, state["conv1.weight"].sum(1, keepdim=True))


def test_a_file_of_torchvision_s_alexnet_fills_ours(tmp_path):
    torch.manual_seed(1)
    published = models.alexnet(num_classes=7)
    torch.save(published.state_dict(), tmp_path / "alexnet.pth")
    network = build_network("alexnet", 3, 7, (64, 64))
    fill_from_file(network, tmp_path / "alexnet.pth")
    images = torch.randn(2, 3, 224, 224)
    torch.testing.assert_close(network.eval()(images), published.eval()(images))
    grey = build_network("alexnet", 1, 5, (64, 64))
    fill_from_file(grey, tmp_path / "alexnet.pth")
    first = published.features[0].weight.sum(1, keepdim=True)
    torch.testing.assert_close(grey.features[0].weight, first)


@pytest.mark.parametrize("n_channels", [1, 3, 5])
def test_alexnet_s_published_weights_fit_any_number_of_bands(tmp_path, monkeypatch, n_channels):
    state = models.alexnet().state_dict()
    torch.save(state, tmp_path / "alexnet.pth")
    monkeypatch.setattr(models._api, "load_state_dict_from_url", lambda *a, **k: state)
    own = build_network("alexnet", n_channels, 5, (64, 64), pretrained=True)
    filled = build_network("alexnet", n_channels, 5, (64, 64))
    fill_from_file(filled, tmp_path / "alexnet.pth")
    first, expected = own.features[0], filled.features[0]
    assert first.weight.shape == (64, n_channels, 11, 11)
    assert torch.equal(first.weight, expected.weight)
    assert torch.equal(first.bias, expected.bias)
    if n_channels == 3:
        assert torch.equal(first.weight, state["features.0.weight"])


def _as_published(state):
    """Return weights by the names in torchvision's files, which are older than the models."""
    return {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", name): tensor
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked")
    }


@pytest.mark.parametrize(("model", "last"), [("densenet121", "classifier"), ("vgg11", "head.fc")])
def test_a_file_of_torchvision_s_fills_the_model_of_timm(tmp_path, model, last):
    torch.manual_seed(1)
    published = getattr(models, model)(num_classes=7).eval()
    torch.save(_as_published(published.state_dict()), tmp_path / "weights.pth")
    network = build_network(f"timm/{model}", 3, 7, (224, 224)).eval()
    fill_from_file(network, tmp_path / "weights.pth")
    ends = list(network.model.get_submodule(last).parameters()), list(published.parameters())[-2:]
    with torch.no_grad():
        for own, theirs in zip(*ends):  # which is never filled
            own.copy_(theirs)
        images = torch.randn(2, 3, 224, 224)
        torch.testing.assert_close(network(images), published(images))


def test_a_transformer_s_positions_are_resampled_to_another_size(tmp_path):
    tiny = {"depth": 1, "embed_dim": 48, "num_heads": 2}
    published = timm.create_model("vit_tiny_patch16_224", num_classes=10, **tiny)
    save_file(published.state_dict(), tmp_path / "vit.safetensors")
    network = build_network("timm/vit_tiny_patch16_224", 3, 5, (96, 96), model_params=tiny)
    fill_from_file(network, tmp_path / "vit.safetensors")
    expected = resample_abs_pos_embed(published.pos_embed, new_size=(6, 6))
    assert expected.shape == (1, 37, 48)
    torch.testing.assert_close(network.model.pos_embed, expected)
    assert torch.equal(network.model.norm.weight, published.norm.weight)


def test_the_first_layer_that_differs_is_named(shapes, timm_weights, tmp_path):
    X, y = shapes
    _, state = timm_weights
    lacking = {name: tensor for name, tensor in state.items() if "layer2.0.conv1" not in name}
    save_file(lacking, tmp_path / "lacking.safetensors")
    model = GalaxyClassifier("timm/resnet18", pretrained=tmp_path / "lacking.safetensors")
    with pytest.raises(ValueError, match=r"layer 'model.layer2.0.conv1.weight' is missing"):
        model.fit(X, y)


def test_offline_timm_s_sentence_says_what_was_tried_and_what_helps(shapes, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no route.\nMany more words.")

    monkeypatch.setattr(timm.models._builder, "load_pretrained", refuse)
    expected = (
        r"the published weights of 'resnet18' from the repository timm/resnet18\S+ of the Hugging "
        r"Face Hub \(OSError: no route\); pretrained='file.safetensors' takes a copy of them\.$"
    )
    with pytest.raises(ValueError, match=expected):
        GalaxyClassifier("timm/resnet18", pretrained=True).fit(*shapes)


def test_a_fitted_pretrainer_is_kept_only_in_a_frozen_estimator(shapes):
    X, y = shapes
    pretrainer = AutoencoderPretrainer(network_params={"widths": (2, 4)}, max_steps=1).fit(X)
    model = small(pretrained=pretrainer, max_steps=1)
    with pytest.warns(UserWarning, match="fits its pretrained AutoencoderPretrainer again; a Fro"):
        model.fit(X, y)
    classifier = small(max_steps=1).fit(X, y)
    again = clone(small(pretrained=classifier, max_steps=1))
    with pytest.raises(NotFittedError, match="pretrained GalaxyClassifier is not fitted; a Frozen"):
        again.fit(X, y)


def test_offline_the_sentence_says_what_was_tried(shapes, monkeypatch):
    def refuse(*args, **kwargs):
        raise URLError("no route to host")

    monkeypatch.setattr(models._api, "load_state_dict_from_url", refuse)
    X, y = shapes
    model = GalaxyClassifier("alexnet", pretrained=True, max_epochs=1)
    message = r"weights, from https://.*no route to host.*; pretrained='file.pth' takes a copy of"
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    with pytest.raises(ValueError, match=r"no network 'resnet18'.* Did you mean 'timm/resnet18'\?"):
        GalaxyClassifier("resnet18", pretrained=True).fit(X, y)
    with pytest.raises(ValueError, match="needs 'alexnet' or a network of timm"):
        small(pretrained=True).fit(X, y)


# A pretrainer that is fitted on a pool


def pretrained_on(pool_or_none, X, y):
    encoder = AutoencoderPretrainer(
        network_params={"input_size": 16, "widths": (2, 4)}, max_steps=3, random_state=0
    )
    model = small(pretrained=encoder, freeze="encoder", max_epochs=1)
    return model.fit(X, y, X_unlabeled=pool_or_none), encoder


def test_an_unfitted_pretrainer_learns_from_the_pool(shapes):
    X, y = shapes
    pool = ImageSequence.from_array(X[40:])
    model, encoder = pretrained_on(pool, X[:40], y[:40])
    expected = clone(encoder).fit(X[40:]).trunk_weights()
    assert expected
    own = weights(model)
    assert all(torch.equal(own[name], tensor) for name, tensor in expected.items())
    alone, _ = pretrained_on(None, X[:40], y[:40])
    assert any(not torch.equal(weights(alone)[name], tensor) for name, tensor in expected.items())
    assert not hasattr(model, "_pool")


def test_a_pipeline_prepares_the_pool_too(shapes):
    X, y = shapes
    with sklearn.config_context(enable_metadata_routing=True):
        encoder = AutoencoderPretrainer(
            network_params={"input_size": 16, "widths": (2, 4)}, max_steps=2, random_state=0
        )
        classifier = small(pretrained=encoder, max_epochs=1).set_fit_request(X_unlabeled=True)
        model = Pipeline(
            [("resize", Resize(16)), ("classify", classifier)], transform_input=["X_unlabeled"]
        )
        model.fit(X[:40], y[:40], X_unlabeled=X[40:])
    assert model[-1].pretrainer_.image_shape_ == (16, 16, 3)


def test_a_pool_without_a_pretrainer_is_refused(shapes):
    X, y = shapes
    with pytest.raises(ValueError, match="takes X_unlabeled for an unfitted pretrainer.*None"):
        small().fit(X, y, X_unlabeled=X)
