"""Networks: shapes, doors, sizes."""

import pytest
import torch

from galaxy_sklearn.networks import available, build_network

PARAMETERS = {
    "galaxynet": 2_778_405,
    "linear": 61_445,
    "simple_cnn": 98_325,
    "zhu_resnet26": 55_679_429,  # Zhu et al. (2019), table 3; not the 26.3 million of its text
}


def _build(name, channels=3, side=64, **params):
    torch.manual_seed(0)
    return build_network(name, channels, 5, (side, side), **params).eval()


def test_every_network_has_its_count():
    assert set(PARAMETERS) == set(available())


@pytest.mark.parametrize("name", available())
def test_number_of_parameters(name):
    assert sum(p.numel() for p in _build(name).parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", [*available(), "timm/resnet18"])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_the_three_doors_agree(name, channels):
    network = _build(name, channels)
    x = torch.rand(2, channels, 64, 64).to(next(network.parameters()).dtype)
    features = network.forward_features(x)
    embedding = network.forward_head(features, pre_logits=True)
    assert embedding.shape == (2, network.n_embedding)
    logits = network(x)
    assert logits.shape == (2, 5)
    torch.testing.assert_close(network.forward_head(features), logits)


@pytest.mark.parametrize("name", ["galaxynet", "simple_cnn", "timm/resnet18"])
def test_the_cam_layer_gives_feature_maps(name):
    network, seen = _build(name), []
    handle = network.cam_layer.register_forward_hook(lambda m, i, o: seen.append(o))
    network(torch.rand(2, 3, 64, 64))
    handle.remove()
    assert seen[-1].ndim == 4
    assert seen[-1].shape[0] == 2


def test_zhu_resnet26_has_26_layers_and_halves_at_the_end_of_a_stage():
    network = _build("zhu_resnet26", width=0.0625)
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    projections = [b.project for b in network.blocks if b.project is not None]
    assert len(convolutions) - len(projections) + 1 == 26  # and the last linear layer
    assert [b.conv2.stride[0] for b in network.blocks] == [1, 2, 1, 2, 1, 2, 1, 1]
    assert network.forward_features(torch.rand(1, 3, 64, 64)).shape == (1, 128, 4, 4)


def test_every_parameter_of_zhu_resnet26_learns():
    network = _build("zhu_resnet26", width=0.0625).train()
    network(torch.rand(2, 3, 32, 32)).square().sum().backward()
    assert not [name for name, p in network.named_parameters() if not p.grad.abs().sum() > 0]


@pytest.mark.parametrize("side", [8, 17, 33, 64])
def test_any_size_from_the_smallest_on(side):
    for name in ("galaxynet", "simple_cnn"):
        assert _build(name, side=side)(torch.rand(1, 3, side, side)).isfinite().all()


@pytest.mark.parametrize(("name", "smallest"), [("galaxynet", 8), ("simple_cnn", 8)])
def test_smaller_images_are_refused(name, smallest):
    with pytest.raises(ValueError, match=f"at least {smallest} x {smallest} pixels; got 7 x 7"):
        _build(name, side=7)


def test_a_missing_last_layer_is_the_only_one_forgiven():
    from galaxy_sklearn._training.pretrained import last_layer_names, load_trunk

    network = _build("simple_cnn")
    weights = dict(network.state_dict())
    assert last_layer_names(network) == {"classifier.weight", "classifier.bias"}
    del weights["classifier.weight"]
    load_trunk(network, weights, "a test")
    del weights["stages.1.0.weight"]
    with pytest.raises(ValueError, match=r"weights of a test .* layer 'stages.1.0.weight' is miss"):
        load_trunk(network, weights, "a test")


def test_safetensors_and_broken_files(tmp_path):
    from safetensors.torch import save_file

    from galaxy_sklearn._training.pretrained import read_weights

    network = _build("simple_cnn")
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    read = read_weights(tmp_path / "w.safetensors")
    assert torch.equal(read["classifier.weight"], network.classifier.weight)
    for name in ("broken.pth", "broken.safetensors"):
        (tmp_path / name).write_bytes(b"not weights at all")
        with pytest.raises(ValueError, match="not a readable weights file"):
            read_weights(tmp_path / name)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="no table of weights"):
        read_weights(tmp_path / "list.pth")
