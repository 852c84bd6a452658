"""Networks: shapes, doors, sizes."""

import pytest
import torch
from torch.nn import Linear

from galaxy_sklearn._training.stages import Freezer, parameter_stages
from galaxy_sklearn.networks import available, build_network
from galaxy_sklearn.networks._autoencoders import build_autoencoder
from galaxy_sklearn.networks._d4 import turn
from galaxy_sklearn.networks._registry import has_published_weights

PARAMETERS = {  # name: (classes of the publication, parameters)
    "alexnet": (5, 57_024_325),
    "dieleman": (37, 42_303_237),
    "galaxy10_cnn": (10, 2_619_978),
    "galaxy10_cnn2": (10, 3_944_130),
    "galaxy10_cnn3": (10, 3_958_998),
    "galaxy10_cnn5": (10, 562_226),
    "galaxy10_cnn6": (10, 390_322),
    "galaxynet": (5, 347_437),
    "linear": (5, 61_445),
    "simple_cnn": (5, 98_325),
    "wu_encoder_cnn": (8, 32_769_096),
    "wu_simple_cnn": (8, 5_190_408),
    "wu_vgg16": (8, 165_750_600),
    "zhu_cnn7": (5, 2_440_677),
    "zhu_resnet26": (5, 55_679_429),  # table 3; not the 26.3 million of the text
}
LIGHT = [  # cheap enough to run, and how
    ("alexnet", {"input_size": 64}),
    ("dieleman", {"hidden": 16}),
    ("galaxy10_cnn", {}),
    ("galaxy10_cnn2", {"input_size": 64}),
    ("galaxy10_cnn3", {"input_size": 64}),
    ("galaxy10_cnn5", {"input_size": 64}),
    ("galaxy10_cnn6", {"input_size": 64}),
    ("galaxynet", {}),
    ("linear", {}),
    ("simple_cnn", {}),
    ("wu_encoder_cnn", {"input_size": 64}),
    ("wu_simple_cnn", {"input_size": 32}),
    ("zhu_cnn7", {}),
    ("zhu_resnet26", {"width": 0.0625}),
    ("timm/resnet18", {}),
]
LEARNT = [one for one in LIGHT if not one[0].startswith("timm/")]


def _build(name, channels=3, side=64, **params):
    torch.manual_seed(0)
    return build_network(name, channels, 5, (side, side), **params).eval()


def _images(network, n, channels=3, side=64):
    side = network.input_size or side
    return torch.rand(n, channels, side, side).to(next(network.parameters()).dtype)


def test_every_network_has_its_count():
    assert set(PARAMETERS) == set(available())
    assert {name for name, _ in LIGHT} | {"wu_vgg16"} == {*available(), "timm/resnet18"}


@pytest.mark.parametrize("name", available())
def test_number_of_parameters(name):
    classes, expected = PARAMETERS[name]
    with torch.device("meta"):
        network = build_network(name, 3, classes, (64, 64))
    assert sum(p.numel() for p in network.parameters()) == expected


def test_the_autoencoder_of_wu_has_its_counts_and_closes():
    from galaxy_sklearn.networks._wu import wu_decoder, wu_encoder

    with torch.device("meta"):
        encoder, decoder = wu_encoder(3), wu_decoder(3)
        code = encoder(torch.empty(2, 3, 256, 256))
        assert code.shape == (2, 1024, 4, 4)
        assert decoder(code).shape == (2, 3, 256, 256)
    assert sum(p.numel() for p in encoder.parameters()) == 15_726_400
    assert sum(p.numel() for p in decoder.parameters()) == 9_454_627


@pytest.mark.parametrize("orientation", range(8))
def test_galaxynet_knows_no_up_and_no_handedness(orientation):
    network = _build("galaxynet")
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    x = torch.rand(3, 3, 64, 64)
    logits = network(x)
    assert logits.std() > 1e-2
    torch.testing.assert_close(network(turn(x, orientation)), logits, rtol=1e-4, atol=1e-4)


def test_sixteen_plain_layers_still_tell_images_apart():
    network = _build("wu_vgg16", input_size=32)
    with torch.no_grad():
        spread = network(torch.linspace(-2, 2, 6).view(6, 1, 1, 1).expand(6, 3, 32, 32)).std(0)
    assert spread.mean() > 0.05  # 4e-7 with PyTorch's own first weights, and no training helps


def test_dieleman_sees_sixteen_parts_with_the_centre_in_one_corner():
    network = _build("dieleman", hidden=4)
    x = torch.zeros(1, 3, 69, 69)
    x[..., 33:36, 33:36] = 1
    views = network.views(x)
    assert views.shape == (1, 16, 3, 45, 45)
    lit = views[0, :, 0] > 0.5
    for view in lit:
        rows, columns = view.nonzero(as_tuple=True)
        assert rows.min() >= 31
        assert columns.min() >= 31
    upright = torch.rand(1, 3, 69, 69)
    seen = network.views(upright)
    assert torch.equal(seen[0, 0], upright[0, :, :45, :45])
    assert torch.equal(seen[0, 2], upright[0].flip(-1)[:, :45, :45])


def test_dieleman_refuses_images_that_are_not_square():
    with pytest.raises(ValueError, match="square images; got 70 x 80"):
        build_network("dieleman", 3, 5, (70, 80), input_size=None)


@pytest.mark.parametrize(("name", "params"), LIGHT)
@pytest.mark.parametrize("channels", [1, 5])
def test_the_three_doors_agree(name, params, channels):
    network = _build(name, channels, **params)
    x = _images(network, 2, channels)
    features = network.forward_features(x)
    embedding = network.forward_head(features, pre_logits=True)
    assert embedding.shape == (2, network.n_embedding)
    logits = network(x)
    assert logits.shape == (2, 5)
    torch.testing.assert_close(network.forward_head(features), logits)


@pytest.mark.parametrize(
    ("name", "params"), [one for one in LIGHT if one[0] not in ("dieleman", "linear")]
)
def test_the_cam_layer_gives_maps_of_each_image(name, params):
    network, seen = _build(name, **params), []
    handle = network.cam_layer.register_forward_hook(lambda m, i, o: seen.append(o))
    network(_images(network, 2))
    handle.remove()
    assert seen[-1].ndim == 4
    assert len(seen[-1]) == 2


@pytest.mark.parametrize("name", ["dieleman", "linear"])
def test_networks_without_maps_of_the_image_have_no_cam_layer(name):
    assert _build(name, **dict(LIGHT)[name]).cam_layer is None


@pytest.mark.parametrize(("name", "params"), LEARNT)
def test_every_parameter_learns(name, params):
    network = _build(name, **params).train()
    (network(_images(network, 8)) - 1).square().sum().backward()
    still = [key for key, p in network.named_parameters() if not p.grad.abs().sum() > 0]
    assert not still


def test_zhu_resnet26_has_26_layers_and_halves_at_the_end_of_a_stage():
    network = _build("zhu_resnet26", width=0.0625)
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    projections = [b.project for b in network.blocks if b.project is not None]
    assert len(convolutions) - len(projections) + 1 == 26  # and the last linear layer
    assert [b.conv2.stride[0] for b in network.blocks] == [1, 2, 1, 2, 1, 2, 1, 1]
    assert network.forward_features(torch.rand(1, 3, 64, 64)).shape == (1, 128, 4, 4)


@pytest.mark.parametrize("side", [8, 17, 33, 64])
def test_any_size_from_the_smallest_on(side):
    for name in ("galaxynet", "simple_cnn"):
        assert _build(name, side=side)(torch.rand(1, 3, side, side)).isfinite().all()


SEEN = sorted({name for name, _ in LIGHT} - {"galaxynet", "linear"})


@pytest.mark.parametrize("name", SEEN)
def test_what_counts_is_the_size_that_a_network_sees(name):
    with torch.device("meta"):
        assert build_network(name, 3, 5, (4, 6), input_size=128).input_size == 128
        with pytest.raises(ValueError, match=r"takes images of at least .*; got 3 x 3"):
            build_network(name, 3, 5, (128, 128), input_size=3)


@pytest.mark.parametrize("name", SEEN)
@pytest.mark.parametrize("size", ["64", (64, 64), 64.0])
def test_the_size_that_a_network_sees_is_one_whole_number(name, size):
    with pytest.raises(ValueError, match="input_size of a network must be one side in whole"):
        _build(name, input_size=size)


@pytest.mark.parametrize("params", [{"depth": 0}, {"depth": -1}, {"width": 0}, {"width": -2}])
def test_zhu_resnet26_needs_blocks_and_channels(params):
    with pytest.raises(ValueError, match="'zhu_resnet26' needs depth of at least 1, and width"):
        _build("zhu_resnet26", **params)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnet18", " Did you mean 'timm/resnet18'?"),
        ("galaxynett", " Did you mean 'galaxynet'?"),
        ("zzz", '"timm/<model>" for any model of timm.'),
    ],
)
def test_a_network_that_there_is_not(name, hint):
    for ask in (has_published_weights, _build):
        with pytest.raises(ValueError, match=f"There is no network '{name}'") as caught:
            ask(name)
        assert str(caught.value).endswith(hint)


@pytest.mark.parametrize(("name", "smallest"), [("galaxynet", 8), ("simple_cnn", 8)])
def test_smaller_images_are_refused(name, smallest):
    with pytest.raises(ValueError, match=f"at least {smallest} x {smallest} pixels; got 7 x 7"):
        _build(name, side=7)


def test_a_missing_last_layer_is_the_only_one_forgiven():
    from galaxy_sklearn._training.pretrained import fresh_names, load_trunk

    network = _build("simple_cnn")
    weights = dict(network.state_dict())
    assert fresh_names(network) == {"classifier.weight", "classifier.bias"}
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


NO_TENSORS = {
    "text": b"junk",
    "pickle": b"\x80\x02junk",
    "empty": b"",
    "archive": b"PK\x03\x04junk",
    "page": b"<!DOCTYPE html><html></html>",
    "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n",
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(50),
}


@pytest.mark.parametrize("kind", [*NO_TENSORS, "module"])
def test_a_file_that_holds_no_tensors_is_named_and_no_unsafe_way_out_is_offered(tmp_path, kind):
    from galaxy_sklearn._training.pretrained import read_weights

    path = tmp_path / f"{kind}.pth"
    if kind == "module":
        torch.save(Linear(2, 2), path)
    else:
        path.write_bytes(NO_TENSORS[kind])
    with pytest.raises(ValueError, match=f"{kind}.pth' is not a readable weights file: ") as caught:
        read_weights(path)
    assert "torch.save(model.state_dict(), path)" in str(caught.value)
    assert "weights_only" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_folder_that_is_missing_is_named_before_weights_are_written(tmp_path):
    from galaxy_sklearn._training.pretrained import save_trunk

    path = tmp_path / "nowhere" / "encoder.safetensors"
    with pytest.raises(
        FileNotFoundError, match="encoder.safetensors.* there is no folder .*nowhere"
    ):
        save_trunk({"weight": torch.zeros(2)}, path)
    assert not path.parent.exists()


# timm with a published head

HEADS = [  # model, units, classes, trainable parameters with a frozen backbone, all of them
    ("densenet201", (1024,), 10, 96_349_194, 114_442_122),  # Guo et al. (2023)
    ("vgg19", (512,), 10, 12_850_698, 32_875_082),
    ("resnet18", None, 8, 4_104, 11_180_616),  # Wu (2022)
    ("resnet50", None, 37, 75_813, 23_583_845),  # Gomez-Munoz (2020)
]


@pytest.mark.parametrize(("model", "units", "classes", "trainable", "everything"), HEADS)
def test_published_heads_on_timm(model, units, classes, trainable, everything):
    network = build_network(f"timm/{model}", 3, classes, (64, 64), head_units=units, input_size=224)
    Freezer(network, "backbone").start_epoch(0)
    counts = [(p.numel(), p.requires_grad) for p in network.parameters()]
    assert sum(n for n, _ in counts) == everything
    assert sum(n for n, learns in counts if learns) == trainable


IMAGENET = [  # model, parameters with 1,000 classes as its publication or first library gives them
    ("vgg16", {}, 138_357_544),
    ("vgg19", {}, 143_667_240),
    ("resnet18", {}, 11_689_512),
    ("resnet50", {}, 25_557_032),
    ("resnetv2_50", {}, 25_549_352),  # without the biases of the convolutions
    ("inception_v3", {"aux_logits": True}, 27_161_264),
    ("inception_v3", {}, 23_834_568),
    ("densenet201", {}, 20_013_928),
    ("mobilenetv1_100", {}, 4_231_976),
    ("mobilenetv2_100", {}, 3_504_872),
]


@pytest.mark.parametrize(("model", "params", "everything"), IMAGENET)
def test_models_of_timm_are_the_published_ones(model, params, everything):
    with torch.device("meta"):
        network = build_network(f"timm/{model}", 3, 1000, (299, 299), model_params=params)
    assert sum(p.numel() for p in network.parameters()) == everything


@pytest.mark.parametrize(("name", "params"), LIGHT)
def test_stages_hold_every_parameter_once(name, params):
    network = _build(name, **params)
    stages = parameter_stages(network)
    names = [name for stage in stages for name in stage]
    assert sorted(names) == sorted(name for name, _ in network.named_parameters())
    last = [name for name, _ in network.named_parameters()][-1]
    assert last in stages[-1]
    assert all(stages)


def test_a_head_has_its_embedding_and_its_pooling():
    network = _build("timm/resnet18", head_units=(24, 12), head_pooling="average", dropout=0.3)
    x = _images(network, 2)
    embedding = network.forward_head(network.forward_features(x), pre_logits=True)
    assert embedding.shape == (2, 12) == (2, network.n_embedding)
    assert network(x).shape == (2, 5)
    with pytest.raises(ValueError, match="head_pooling of a timm network must be"):
        _build("timm/resnet18", head_units=(8,), head_pooling="max")


TINY_VIT = {"depth": 2, "embed_dim": 48, "num_heads": 2}
TINY_SWIN = {"window_size": 2, "depths": (1, 1, 1, 1), "embed_dim": 24}
FORMS = {  # of feature maps: tokens, channels last, channels first
    "vit_tiny_patch16_224": ({"model_params": TINY_VIT}, 48),
    "swin_tiny_patch4_window7_224": ({"model_params": TINY_SWIN}, 192),
    "mobilenetv3_small_050": ({}, 1024),  # whose embedding is wider than its feature maps
}


@pytest.mark.parametrize("model", FORMS)
def test_models_of_timm_take_any_size_know_their_embedding_and_average_over_positions(model):
    params, n_embedding = FORMS[model]
    network = _build(f"timm/{model}", **params)
    x = _images(network, 2)
    embedding = network.forward_head(network.forward_features(x), pre_logits=True)
    assert embedding.shape == (2, n_embedding) == (2, network.n_embedding)
    network = _build(f"timm/{model}", **params, head_units=(8,), head_pooling="average")
    maps = network.forward_features(x)
    positions = {"vit": 1, "swin": (1, 2)}.get(model.partition("_")[0], (2, 3))
    pooled = network.neck[: next(i for i, m in enumerate(network.neck) if m.__class__ is Linear)]
    torch.testing.assert_close(pooled(maps), maps.mean(positions))
    assert network(x).shape == (2, 5)


@pytest.mark.parametrize("model", ["pit_ti_224", "rdnet_tiny"])
def test_models_that_timm_has_no_stages_for_get_them_by_their_outermost_parts(model):
    network = _build(f"timm/{model}")
    stages = network.parameter_stages()
    names = [name for stage in stages for name in stage]
    assert sorted(names) == sorted(name for name, _ in network.named_parameters())
    assert len(stages) > 2
    assert {name.split(".")[1] for name in stages[-1]} == {"head"}


@pytest.mark.parametrize("model", ["densenet121", "resnetv2_18", "convnext_atto"])
def test_a_last_normalisation_is_no_stage_of_its_own(model):
    network = _build(f"timm/{model}")
    for stage in network.parameter_stages()[:-1]:
        assert max(network.get_parameter(name).ndim for name in stage) > 1


def test_a_model_of_one_size_says_which():
    message = "timm/efficientformer_l1 cannot take .* 64 x 64 pixels .*'input_size': 224} resizes"
    with pytest.raises(ValueError, match=message):
        _build("timm/efficientformer_l1")
    assert _build("timm/inception_next_atto")  # no Inception, for all its name


def test_a_tag_or_a_model_that_timm_does_not_have_is_a_value_error():
    message = r"make the model 'resnet18.foo' \(RuntimeError: .*Did you mean 'resnet18\.\w+'\?$"
    for pretrained in (False, True):
        with pytest.raises(ValueError, match=message):
            _build("timm/resnet18.foo", pretrained=pretrained)
        with pytest.raises(ValueError, match=r"model 'resnt18' .* Did you mean 'resnet18'\?$"):
            _build("timm/resnt18", pretrained=pretrained)


@pytest.mark.parametrize("units", [8, (8,), [8]])
def test_a_head_of_one_layer_is_a_number_too(units):
    network = _build("timm/resnet18", head_units=units, head_pooling="average")
    assert network.n_embedding == 8
    assert sum(isinstance(layer, Linear) for layer in network.neck) == 1


@pytest.mark.parametrize("units", ["1024", 0, (8, 0), (8.5,), 8.0])
def test_what_are_no_units_of_a_head(units):
    with pytest.raises(ValueError, match="head_units of a timm network must be positive whole"):
        _build("timm/resnet18", head_units=units)


def test_a_parameter_that_timm_networks_do_not_have_is_named():
    with pytest.raises(ValueError, match="'timm/resnet10t' has no parameter 'width'; it takes"):
        build_network("timm/resnet10t", 3, 5, (64, 64), width=3)


@pytest.mark.parametrize(("name", "params"), LIGHT)
def test_every_network_computes_in_double_precision(name, params):
    network = _build(name, **params).double()
    assert network(_images(network, 2)).dtype == torch.float64


@pytest.mark.parametrize("freeze", ["gradual", 2, -3])
def test_freezing_by_stages(freeze):
    network = _build("galaxynet")
    freezer = Freezer(network, freeze)
    n_stages = len(freezer.stages)
    frozen = []
    for epoch in range(n_stages):
        freezer.start_epoch(epoch)
        learns = {name: p.requires_grad for name, p in network.named_parameters()}
        by_stage = [{learns[name] for name in stage} for stage in freezer.stages]
        assert all(len(one) == 1 for one in by_stage)
        frozen.append(sum(one == {False} for one in by_stage))
        assert by_stage == sorted(by_stage, key=lambda one: one == {True})  # from the input on
    expected = {"gradual": list(range(n_stages - 1, -1, -1)), 2: [2] * n_stages}
    assert frozen == expected.get(freeze, [n_stages - 3] * n_stages)


@pytest.mark.parametrize(
    ("freeze", "message"),
    [
        (True, "freeze=True is no number of stages: 'backbone' freezes all"),
        (50, "freeze=50 is more than the 9 stages of GalaxyNet allow: at most 8, or at least -8"),
        (-9, "freeze=-9 is more than"),
    ],
)
def test_freezing_what_is_no_part_of_the_network(freeze, message):
    with pytest.raises(ValueError, match=message):
        Freezer(_build("galaxynet"), freeze)


@pytest.mark.parametrize(
    ("widths", "depths"), [((2, 2, 2), (1, 1)), ((2,), (1, 1)), ((2,) * 5, (1, 2, 2, 2)), ((), ())]
)
def test_galaxynet_wants_a_depth_for_each_width(widths, depths):
    params = {"widths": widths, "depths": depths}
    message = f"got {len(widths)} widths and {len(depths)} depths"
    with pytest.raises(ValueError, match=message):
        _build("galaxynet", **params)
    with pytest.raises(ValueError, match=message):
        build_autoencoder("galaxynet", 3, (64, 64), **params)


def test_galaxynet_takes_any_widths():
    network = _build("galaxynet", widths=(2, 2, 2), depths=(1, 1, 2))
    assert network(_images(network, 2)).shape == (2, 5)
