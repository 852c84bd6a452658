"""Learning from images alone: what codes hold, and how weights reach a classifier."""

import pickle

import numpy as np
import pytest
import torch
from pretrainers import TINY, classifier, contrastive, same_encoder, state, tiny, wu
from shapes import make_shapes
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.random_projection import GaussianRandomProjection

from galaxy_sklearn import ImageSequence
from galaxy_sklearn._training.unlabelled import (
    ContrastiveLoss,
    ReconstructionLoss,
    hide_at_random,
    hide_in_turn,
)
from galaxy_sklearn.decomposition import AutoencoderPretrainer, ContrastivePretrainer
from galaxy_sklearn.networks._autoencoders import build_autoencoder


@pytest.fixture(scope="module")
def shapes():
    X, y = make_shapes(240)
    return X[:150], y[:150], X[150:], y[150:]


@pytest.fixture(scope="module")
def fitted(shapes):
    return tiny(max_steps=150).fit(shapes[0])


@pytest.fixture(scope="module")
def masked(shapes):
    return tiny(max_steps=150, masking=0.5).fit(shapes[0])


@pytest.fixture(scope="module")
def wu_fitted():
    return wu(max_steps=12, batch_size=8, max_epochs=12).fit(make_shapes(24, side=64)[0])


def mean_image_error(train, test):
    """Return the error of the mean training image, in the units of `reconstruction_error`."""
    difference = (test - train.mean(0)) / train.std((0, 1, 2))
    return (difference**2).mean()


# ------------------------------------------------------------------ reconstruction


def test_galaxynet_restores_better_than_the_mean_image(fitted, shapes):
    X, _, X_test, _ = shapes
    assert fitted.loss_curve_[-1] < 0.3 * fitted.loss_curve_[0]
    error = fitted.reconstruction_error(X_test)
    assert error.shape == (90,)
    assert error.mean() < 0.25 * mean_image_error(X, X_test)
    assert fitted.score(X_test) == -error.mean()


def test_the_autoencoder_of_wu_learns(wu_fitted):
    X = make_shapes(24, side=64)[0]
    assert wu_fitted.loss_curve_[-1] < 0.5 * wu_fitted.loss_curve_[0]
    assert wu_fitted.code_shape_ == (1024, 1, 1)
    assert wu_fitted.transform(X).shape == (24, 1024)
    assert wu_fitted.reconstruction_error(X).mean() < 0.5 * wu_fitted.loss_curve_[0]


def test_the_error_is_that_of_the_restored_image(fitted, shapes):
    X = shapes[0].astype(np.float64)
    model = tiny(max_steps=5).fit(X)
    restored = model.inverse_transform(model.transform(X))
    assert restored.shape == X.shape
    expected = (((restored - X) / X.std((0, 1, 2))) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(model.reconstruction_error(X), expected, rtol=1e-3)


def test_the_linear_autoencoder_finds_the_principal_components():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 64)) + rng.normal(0, 0.1, (300, 64))
    model = AutoencoderPretrainer(
        "linear",
        network_params={"code_size": 3},
        augmentation=None,
        weight_decay=0,
        max_steps=1500,
        learning_rate=0.01,
        random_state=0,
    ).fit(X)
    pca = PCA(3).fit(X)
    best = ((pca.inverse_transform(pca.transform(X)) - X) ** 2).mean()
    restored = model.inverse_transform(model.transform(X)).reshape(X.shape)
    assert ((restored - X) ** 2).mean() < 1.05 * best


def make_blobs(n):
    """Return noisy round blobs of equal light, anywhere, and the logarithms of their radii."""
    rng = np.random.default_rng(0)
    radius = rng.uniform(1.3, 4, n)
    x0, y0 = rng.uniform(-2.5, 2.5, (2, n, 1, 1))
    y, x = np.indices((16, 16)) - 7.5
    light = np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * radius[:, None, None] ** 2))
    light *= 5000 / light.sum((1, 2), keepdims=True)
    images = light[..., None] + rng.normal(40, 15, (n, 16, 16, 3))
    return images.clip(0, 255).astype(np.uint8), np.log(radius)


def test_codes_hold_the_planted_radius_that_projections_of_pixels_do_not():
    X, radius = make_blobs(300)
    rows = X.reshape(300, -1)
    codes = tiny(max_steps=60, pooling="mean").fit(X[:200]).transform(X)
    found = [
        make_pipeline(StandardScaler(), LinearRegression())
        .fit(features[:200], radius[:200])
        .score(features[200:], radius[200:])
        for features in (
            codes,
            GaussianRandomProjection(8, random_state=0).fit_transform(rows),
            PCA(8, random_state=0).fit(rows[:200]).transform(rows),
        )
    ]
    assert codes.shape == (300, 8)
    assert found[0] > 0.95
    assert found[1] < 0.6
    assert found[2] < 0.85


def test_what_is_unlike_the_rest_is_restored_worse(fitted, shapes):
    X = shapes[2]
    odd = X.copy()
    odd[:, 2:5, 2:5] = [0, 255, 0]
    assert np.median(fitted.reconstruction_error(odd)) > fitted.reconstruction_error(X).max()


@pytest.mark.parametrize("turned", [lambda X: np.rot90(X, 1, (1, 2)), lambda X: X[:, :, ::-1]])
def test_galaxynet_restores_a_turned_image_turned(fitted, shapes, turned):
    X = shapes[2]
    model = pickle.loads(pickle.dumps(fitted)).set_params(precision="float32")
    model.net_.dtype = torch.float32
    restored = model.inverse_transform(model.transform(X)).astype(int)
    assert np.abs(model.inverse_transform(model.transform(turned(X))) - turned(restored)).max() <= 1
    errors = model.reconstruction_error(X), model.reconstruction_error(turned(X))
    np.testing.assert_allclose(*errors, rtol=1e-3)
    model.set_params(pooling="mean")
    np.testing.assert_allclose(model.transform(X), model.transform(turned(X)), atol=1e-4)


# -------------------------------------------------------------- denoising, masking


def test_denoising_takes_noise_out(fitted, shapes):
    X, _, X_test, _ = shapes
    model = tiny(max_steps=150, denoising=1.5).fit(X)
    noise = np.random.default_rng(1).normal(0, 1.5 * X.std(), X_test.shape)
    noisy = (X_test + noise).clip(0, 255).astype(np.uint8)
    errors = [
        ((m.inverse_transform(m.transform(noisy)) / 1.0 - X_test) ** 2).mean()
        for m in (model, fitted)
    ]
    assert errors[0] < 0.9 * errors[1]
    assert errors[0] < 0.1 * ((noisy / 1.0 - X_test) ** 2).mean()


def test_masking_fills_in_what_is_hidden(fitted, masked, shapes):
    X, _, X_test, _ = shapes
    ignorant = pickle.loads(pickle.dumps(fitted))
    ignorant.net_.criterion_.masking = 0.5
    assert masked.score(X_test) > 0.6 * ignorant.score(X_test)
    assert -masked.score(X_test) < 0.5 * mean_image_error(X, X_test)
    assert masked.score(X_test) == masked.score(X_test)


@pytest.mark.parametrize(("share", "patches"), [(0.75, 48), (0.5, 32), (0.001, 1), (0.999, 63)])
def test_exactly_the_share_is_hidden(share, patches):
    generator = torch.Generator().manual_seed(0)
    masks = hide_at_random(5, share, (16, 24), generator, "cpu")
    assert masks.shape == (5, 1, 16, 24)
    assert (masks.sum((1, 2, 3)) == patches * 2 * 3).all()
    assert (masks[0] != masks[1]).any() or patches == 63
    turns = list(hide_in_turn(share, (16, 24), "cpu"))
    assert all(mask.sum() == patches * 2 * 3 for mask in turns)
    assert torch.stack(turns).any(0).all()
    assert len(turns) == -(-64 // patches)


@pytest.mark.parametrize("size", [(1, 50), (5, 6), (1, 1)])
def test_small_images_have_fewer_patches_none_of_them_empty(size):
    generator = torch.Generator().manual_seed(0)
    for share in (0.02, 0.5, 0.9):
        masks = hide_at_random(20, share, size, generator, "cpu")
        assert (masks.sum((1, 2, 3)) >= 1).all()
        assert torch.stack(list(hide_in_turn(share, size, "cpu"))).any(0).all()


def test_the_loss_counts_hidden_patches_alone_and_the_encoder_sees_none_of_them():
    loss, generator = ReconstructionLoss(0.0, 0.5), torch.Generator().manual_seed(0)
    views = torch.randn(4, 3, 16, 16, generator=generator)
    seen, hidden = loss.corrupt(views, generator)
    assert (seen[hidden.expand_as(seen)] == 0).all()
    assert torch.equal(seen[~hidden.expand_as(seen)], views[~hidden.expand_as(seen)])
    outputs = torch.randn(views.shape, generator=generator)
    expected = (outputs - views).square()[hidden.expand_as(views)].mean()
    torch.testing.assert_close(loss(outputs, views, hidden, torch.ones(4)), expected)
    other = torch.where(hidden, outputs, 100.0)
    torch.testing.assert_close(loss(other, views, hidden, torch.ones(4)), expected)
    first = torch.tensor([4.0, 0, 0, 0])
    one = (outputs - views).square()[:1][hidden[:1].expand(1, 3, 16, 16)].mean()
    torch.testing.assert_close(loss(outputs, views, hidden, first), one)


def test_noise_has_the_deviation_asked_for():
    loss, generator = ReconstructionLoss(0.5, 0.0), torch.Generator().manual_seed(0)
    views = torch.randn(8, 3, 32, 32, generator=generator)
    seen, hidden = loss.corrupt(views, generator)
    assert hidden is None
    assert float((seen - views).std()) == pytest.approx(0.5, rel=0.02)


def test_options_work_with_the_autoencoder_of_wu():
    X = make_shapes(16, side=64)[0]
    codes = [
        wu(denoising=noise, masking=share, max_steps=1).fit(X).transform(X)
        for noise, share in ((0.5, 0.0), (0.0, 0.5), (0.5, 0.5))
    ]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(codes[first] - codes[second]).max() > 0


# ------------------------------------------------------------------ networks, frames


def test_numbers_of_parameters():
    with torch.device("meta"):
        network = build_autoencoder("wu_autoencoder", 3, (300, 200))
        ours = build_autoencoder("galaxynet", 3, (64, 64))
    counts = [sum(p.numel() for p in part.parameters()) for part in (network.trunk, network)]
    assert counts == [15_726_400, 15_726_400 + 9_454_627]
    assert network.code_shape == (1024, 4, 4)
    counts = [sum(p.numel() for p in part.parameters()) for part in (ours.trunk, ours.decoder)]
    assert counts == [347_437 - 165, 52_003]


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (40, 30)])
@pytest.mark.parametrize("input_size", [16, 17, None])
def test_images_of_any_frame_come_back_in_it(size, input_size):
    X = np.random.default_rng(0).integers(0, 256, (8, *size, 2)).astype(np.uint8)
    model = tiny(network_params=TINY | {"input_size": input_size}, max_steps=1).fit(X)
    restored = model.inverse_transform(model.transform(X))
    assert restored.shape == X.shape
    assert restored.dtype == np.uint8


def test_outside_of_the_field_all_is_mean(shapes):
    X = shapes[0]
    model = tiny(field=0.5, max_steps=1).fit(X)
    restored = model.inverse_transform(model.transform(X))
    mean = X.mean((0, 1, 2)).round()
    assert (restored[:, :3] == mean).all()
    assert (restored[:, :, -3:] == mean).all()
    assert (restored[:, 6:10, 6:10] != mean).any()


def test_a_bounded_decoder_spans_the_pixels_seen_in_each_band():
    X = make_shapes(16, side=64)[0] * 40.0 - 3000
    lowest, highest = X.min((0, 1, 2)), X.max((0, 1, 2))
    assert len(set(highest)) == 3
    model = wu(max_steps=1).fit(X)
    network, net = model.net_.module_.network, model.net_.module_
    low = network.low / net.scale + net.mean
    high = (network.low + network.span) / net.scale + net.mean
    np.testing.assert_allclose(low.flatten(), lowest, rtol=1e-4)
    np.testing.assert_allclose(high.flatten(), highest, rtol=1e-4)
    restored = model.inverse_transform(100 * model.transform(X))
    assert (lowest - 1 <= restored.min((0, 1, 2))).all()
    assert (restored.max((0, 1, 2)) <= highest + 1).all()


# ----------------------------------------------------------------------- contrastive


def test_the_contrastive_loss_is_that_of_the_paper():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 5, 4))
    z = np.concatenate([first, second])
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    similar = np.exp(z @ z.T / 0.3)
    expected = np.mean(
        [-np.log(similar[i, (i + 5) % 10] / (similar[i].sum() - similar[i, i])) for i in range(10)]
    )
    loss = ContrastiveLoss(0.3)(torch.tensor(first), torch.tensor(second), torch.ones(5))
    assert float(loss) == pytest.approx(expected)


def test_contrastive_embeddings_know_the_form(shapes):
    X, y, X_test, y_test = shapes
    model = contrastive(max_steps=100).fit(X)
    assert -model.score(X_test) < 0.9 * np.log(2 * 90 - 1)
    assert model.score(X_test) == model.score(X_test)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    many = np.concatenate([X_test, X_test])
    assert model.score(many[:129]) == pytest.approx(model.score(many[:128]), rel=0.02)
    with pytest.raises(ValueError, match="needs more than 1 sample"):
        model.score(X_test[:1])
    for few, params in ((X[:1], {}), (X, {"batch_size": 1})):
        with pytest.raises(ValueError, match="needs more than 1 sample in it"):
            contrastive(**params).partial_fit(few)
    ours = probe.fit(model.transform(X), y).score(model.transform(X_test), y_test)
    assert ours > 0.9
    assert not hasattr(model, "inverse_transform")


# -------------------------------------------------------------------------- the contract


class Stop(Exception):
    """Ends a fit."""


class StopAt:
    """A skorch callback that ends the fit in some epoch."""

    def __new__(cls, epoch):
        from skorch.callbacks import Callback

        class Ending(Callback):
            def on_epoch_begin(self, net, **kwargs):
                if len(net.history) == epoch + 1:
                    raise Stop

        return Ending()


@pytest.mark.parametrize("make", [tiny, contrastive], ids=["autoencoder", "contrastive"])
def test_a_fit_that_was_ended_goes_on_to_the_same_weights(shapes, tmp_path, make):
    X = shapes[0][:64]
    params = {"max_steps": None, "max_epochs": 4}
    if make is tiny:
        params |= {"masking": 0.5, "denoising": 0.1}
    expected = make(**params).fit(X)
    with pytest.raises(Stop):
        make(**params, checkpoint_dir=tmp_path, callbacks=[StopAt(2)]).fit(X)
    resumed = make(**params, checkpoint_dir=tmp_path).fit(X)
    assert len(list(tmp_path.glob("fit-*.pt"))) == 1
    assert resumed.n_iter_ == 4
    assert resumed.loss_curve_ == expected.loss_curve_
    same_encoder(resumed, state(expected))


def test_a_fit_from_other_weights_does_not_go_on_from_a_checkpoint(shapes, tmp_path):
    X, y = shapes[0][:48], shapes[1][:48]
    for seed in (0, 1):
        start = FrozenEstimator(tiny(max_steps=1, random_state=seed).fit(X))
        model = classifier(pretrained=start, checkpoint_dir=tmp_path).fit(X, y)
        same_encoder(model, start.trunk_weights())
    assert len(list(tmp_path.glob("fit-*.pt"))) == 2
    warm = tiny(max_steps=20, warm_start=True, checkpoint_dir=tmp_path).fit(X)
    first = warm.loss_curve_[-1]
    assert warm.fit(X).loss_curve_[-1] < first


@pytest.mark.parametrize("make", [tiny, contrastive], ids=["autoencoder", "contrastive"])
def test_copies_give_the_same_codes(shapes, tmp_path, make):
    X, _, X_test, _ = shapes
    model = make().fit(X)
    codes = model.transform(X_test)
    np.testing.assert_array_equal(clone(model).fit(X).transform(X_test), codes)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).transform(X_test), codes)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(type(model).load(tmp_path / "model").transform(X_test), codes)
    rows = make(image_shape=(16, 16, 3)).fit(X.reshape(len(X), -1))
    np.testing.assert_array_equal(rows.transform(X_test.reshape(90, -1)), codes)
    names = model.get_feature_names_out()
    assert len(names) == codes.shape[1]
    assert names[1] == f"{type(model).__name__.lower()}1"


@pytest.mark.parametrize("make", [tiny, contrastive], ids=["autoencoder", "contrastive"])
def test_partial_fit_and_warm_start_go_on(shapes, make):
    X = shapes[0]
    model = make(learning_rate=0.05)
    scores = [model.partial_fit(X).score(X) for _ in range(6)]
    assert model.n_iter_ == 6
    assert scores[-1] > scores[0]
    warm = make(warm_start=True, max_steps=40).fit(X)
    first = warm.loss_curve_[0]
    assert warm.fit(X).loss_curve_[0] < first


def test_a_sequence_is_read_in_batches_alone(shapes, monkeypatch):
    X = np.concatenate([shapes[0], shapes[2]])
    sizes, read = [], ImageSequence.read

    def counting(self, rows):
        sizes.append(len(rows))
        return read(self, rows)

    monkeypatch.setattr(ImageSequence, "read", counting)
    monkeypatch.setattr(ImageSequence, "__array__", None)
    pool = ImageSequence.from_array(X)
    for make in (tiny, contrastive):
        model = make(max_steps=None, max_epochs=2, field="auto").fit(pool)
        codes = model.transform(pool)
        monkeypatch.undo()
        np.testing.assert_array_equal(codes, model.transform(X))
        monkeypatch.setattr(ImageSequence, "read", counting)
    assert len(sizes) > 50
    assert max(sizes) <= 128


def test_float_and_readonly_pixels(shapes):
    X = shapes[0] / 255.0
    X.setflags(write=False)
    model = tiny(max_steps=2).fit(X)
    restored = model.inverse_transform(model.transform(X))
    assert restored.dtype == np.float64
    assert model.pixel_kind_ == "float"
    with pytest.raises(ValueError, match="fitted on float pixels and got uint8"):
        model.transform(shapes[0])


def test_what_is_refused(fitted, shapes, tmp_path):
    X, y = shapes[:2]
    pooled = pickle.loads(pickle.dumps(fitted)).set_params(pooling="mean")
    with pytest.raises(AttributeError, match="has no attribute 'inverse_transform'"):
        pooled.inverse_transform(pooled.transform(X))
    with pytest.raises(ValueError, match=r"inverse_transform takes codes of 1024 numbers each; go"):
        fitted.inverse_transform(np.zeros((2, 5)))
    with pytest.raises(ValueError, match=r"saved to .safetensors files; got 'weights.pth'"):
        fitted.save_weights(tmp_path / "weights.pth")
    with pytest.raises(NotFittedError, match="not fitted yet"):
        tiny().save_weights(tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match=r"no autoencoder 'simple_cnn': the names are galaxynet"):
        tiny(network="simple_cnn").fit(X)
    with pytest.raises(ValueError, match=r"'galaxynet' has no parameter 'dropout'; it takes width"):
        tiny(network_params={"dropout": 0.1}).fit(X)
    with pytest.raises(ValueError, match="sides are multiples of 64 pixels; got 16 x 16"):
        wu(network_params={"input_size": None}).fit(X)
    with pytest.raises(ValueError, match=r"The 'masking' parameter of AutoencoderPretrainer must"):
        tiny(masking=1.0).fit(X)
    with pytest.raises(ValueError, match="'augmentation' parameter of ContrastivePretrainer must"):
        contrastive(augmentation=None).fit(X)
    lone = ContrastivePretrainer("linear", augmentation=lambda x, *_, **__: x, max_steps=1).fit(X)
    with pytest.raises(ValueError, match=r"no weights before the last layer of the fitted Contr"):
        classifier(network="linear", network_params={}, pretrained=FrozenEstimator(lone)).fit(X, y)
