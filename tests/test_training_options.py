"""How a network is trained: schedules, lengths, restarts, frozen parts, finishing of views."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from shapes import make_shapes
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import f1_score, make_scorer
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback
from small_networks import small, weights

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn._training.device import fit_for
from galaxy_sklearn._training.losses import ClassificationLoss
from galaxy_sklearn._training.model import whiten
from galaxy_sklearn._training.optimizers import Muon, orthogonalise
from galaxy_sklearn.augmentation import (
    ColourJitter,
    MultiScaleCrop,
    RotatedViews,
    RotateZoomContrast,
    ScaleJitterCrop,
)
from galaxy_sklearn.exceptions import DivergenceError
from galaxy_sklearn.inspection import GalleryDisplay
from galaxy_sklearn.neural_network import StepDecay
from galaxy_sklearn.preprocessing import (
    CLAHE,
    GrayScale,
    MorphologicalOpening,
    Resize,
    Standardize,
)


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(120, side=32)


class Untouched(Callback):
    def on_train_begin(self, net, **kwargs):
        raise AssertionError("training has begun")


def learning_rates(model, X, y):
    seen = []

    class Watch:
        def __call__(self, step, n_steps):
            seen.append((step, n_steps))
            return 1.0

    model.set_params(schedule=Watch()).fit(X, y)
    return seen


# The course and the length of training


def test_steps_of_the_published_schedule():
    schedule = StepDecay([30_000, 60_000])
    rates = [0.1 * schedule(step, 72_000) for step in (0, 29_999, 30_000, 59_999, 60_000, 71_999)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert StepDecay([0.5], factor=0.5)(50, 100) == 0.5
    assert StepDecay([0.5], factor=0.5)(49, 100) == 1
    assert clone(small(schedule=schedule)).schedule == schedule
    with pytest.raises(ValueError, match=r"StepDecay needs positive milestones; got \[0\]"):
        StepDecay([0])
    with pytest.raises(ValueError, match="StepDecay needs positive milestones; got 30000"):
        StepDecay(30_000)


@pytest.mark.parametrize("max_steps", [1, 3, 4, 7])
def test_training_stops_at_the_very_step(shapes, max_steps):
    X, y = shapes
    model = small(max_steps=max_steps, batch_size=30)  # four steps an epoch
    seen = learning_rates(model, X, y)
    assert seen == [(step, max_steps) for step in range(max_steps)]
    assert model.n_iter_ == math.ceil(max_steps / 4)
    assert 0 <= model.history_[-1]["train_accuracy"] <= 1


def test_the_best_of_several_runs_is_kept(shapes):
    X, y = shapes
    common = {"early_stopping": True, "validation_fraction": 0.3, "scoring": "neg_log_loss"}
    model = small(n_restarts=3, **common).fit(X, y)
    assert len(set(model.restart_scores_)) > 1
    assert max(model.validation_scores_) == max(model.restart_scores_)
    again = small(n_restarts=3, **common).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))
    losses = small(n_restarts=2).fit(X, y)
    assert -losses.loss_curve_[-1] == pytest.approx(max(losses.restart_scores_))


def explodes_in_run(number):
    """Return a schedule that makes the run of this number diverge."""
    run, last = 0, 1

    def schedule(step, n_steps):
        nonlocal run, last
        run, last = run + (step < last), step
        return 1e30 if run == number else 1.0

    return schedule


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_run_that_diverges_is_left_out_of_several(shapes, number):
    X, y = shapes
    params = {"optimizer": "sgd", "max_epochs": 3, "batch_size": len(X)}
    model = small(**params, n_restarts=3, schedule=explodes_in_run(number))
    with pytest.warns(ConvergenceWarning, match=f"Run {number} of n_restarts=3 is left out: .*nan"):
        model.fit(X, y)
    assert np.isneginf(model.restart_scores_).tolist() == [k == number for k in (1, 2, 3)]
    assert -model.loss_curve_[-1] == pytest.approx(max(model.restart_scores_))


def test_all_runs_that_diverge_are_an_error(shapes):
    model = small(optimizer="sgd", learning_rate=1e20, max_epochs=5, n_restarts=2)
    with pytest.warns(ConvergenceWarning, match="Run 1"), pytest.raises(DivergenceError):
        model.fit(*shapes)
    assert not hasattr(model, "net_")


@pytest.mark.parametrize(
    ("scoring", "message"),
    [
        ("accuarcy", "The 'scoring' parameter of GalaxyClassifier must be"),
        ("f1", "Target is multiclass but average='binary'"),
        (make_scorer(f1_score), "Target is multiclass but average='binary'"),
    ],
)
def test_a_score_that_cannot_be_is_refused_before_training(shapes, monkeypatch, scoring, message):
    monkeypatch.setattr(GalaxyClassifier, "_run", None)
    with pytest.raises(ValueError, match=message):
        small(early_stopping=True, validation_fraction=0.3, scoring=scoring).fit(*shapes)


def test_early_stopping_follows_any_score(shapes):
    X, y = shapes
    common = {"early_stopping": True, "validation_fraction": 0.3}
    loss = small(scoring="neg_log_loss", **common).fit(X, y)
    recorded = [-row["valid_loss"] for row in loss.history_]
    assert loss.validation_scores_ == pytest.approx(recorded, rel=1e-6)
    rare = make_scorer(f1_score, labels=["ring"], average="macro", zero_division=0.0)
    assert 0 <= small(scoring=rare, **common).fit(X, y).validation_scores_[-1] <= 1
    for name in ("balanced_accuracy", "roc_auc_ovr", "f1_macro"):
        assert np.isfinite(small(scoring=name, **common).fit(X, y).validation_scores_).all()


def test_early_stopping_says_that_no_score_was_a_number(shapes):
    with pytest.raises(ValueError, match="found no epoch to keep: the validation score was never"):
        small(early_stopping=True, scoring=lambda *args: np.nan).fit(*shapes)


def test_a_loss_that_is_no_number_ends_the_training(shapes):
    X, y = shapes
    model = small(optimizer="sgd", learning_rate=1e20, max_epochs=5)
    with pytest.raises(ValueError, match="training loss is (nan|inf) in epoch .* learning_rate"):
        model.fit(X, y)


def test_images_without_weight_are_not_held_out(shapes):
    X, y = shapes
    some = np.arange(len(X)) < 60
    common = {"early_stopping": True, "batch_size": 20, "random_state": 2}
    model = small(**common).fit(X, y, sample_weight=some.astype(float))
    alone = small(**common).fit(X[some], y[some])
    np.testing.assert_array_equal(model.predict_proba(X), alone.predict_proba(X))


def test_nothing_of_double_precision_goes_to_a_device_without_it():
    loss = ClassificationLoss(0.1, np.ones(3), np.zeros(3))
    tensors = [torch.zeros(2, dtype=kind) for kind in (torch.float64, torch.uint8, torch.int64)]
    kinds = [fit_for("mps", one).dtype for one in tensors]
    assert kinds == [torch.float32, torch.uint8, torch.int64]
    assert {one.dtype for one in fit_for("cpu", loss).buffers()} == {torch.float64}
    assert {one.dtype for one in fit_for("mps", loss).buffers()} == {torch.float32}


# Optimisers


@pytest.mark.parametrize("shape", [(8, 30), (30, 8), (16, 16)])
def test_orthogonalising_evens_the_singular_values_and_keeps_the_directions(shape):
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(matrix))
    assert values.min() > 0.6
    assert values.max() < 1.3
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    nearest = u @ v
    found = orthogonalise(matrix)
    assert torch.nn.functional.cosine_similarity(found.flatten(), nearest.flatten(), dim=0) > 0.97
    assert not orthogonalise(torch.zeros(shape)).any()


def test_muon_is_adamw_where_there_are_no_filters():
    start = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    ours, theirs = (start.clone().requires_grad_() for _ in range(2))
    settings = {"lr": 0.1, "weight_decay": 0.3, "betas": (0.9, 0.99)}
    muon, adamw = Muon([ours], **settings), torch.optim.AdamW([theirs], **settings)
    for step in range(5):
        for parameter, optimizer in ((ours, muon), (theirs, adamw)):
            optimizer.zero_grad()
            (parameter.sin() * (step + 1)).sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_optimizer_params_have_the_last_word(shapes):
    model = small(optimizer_params={"weight_decay": 0.3, "betas": (0.8, 0.9)}).fit(*shapes)
    decays = {group["weight_decay"] for group in model.net_.optimizer_.param_groups}
    assert decays == {0.3, 0.0}  # none of biases


def test_muon_learns_and_resumes(shapes, tmp_path):
    X, y = shapes
    model = small(optimizer="muon", max_epochs=12, learning_rate=0.01).fit(X, y)
    assert model.score(X, y) > 0.9
    whole = small(optimizer="muon", checkpoint_dir=tmp_path).fit(X, y)
    again = small(optimizer="muon", checkpoint_dir=tmp_path).fit(X, y)
    np.testing.assert_array_equal(whole.predict_proba(X), again.predict_proba(X))


# Frozen and slow parts


def test_a_frozen_backbone_stays_to_the_bit(shapes):
    X, y = shapes
    first = small(ema_decay=None).fit(X, y)
    path_free = small(freeze="backbone", warm_start=True, ema_decay=None)
    with pytest.warns(UserWarning, match="random numbers"):
        path_free.fit(X, y)
    before = weights(path_free)
    path_free.fit(X, y)
    after = weights(path_free)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"classifier.weight", "classifier.bias"}
    assert {k for k, v in weights(first).items() if not torch.equal(v, before[k])} - changed


@pytest.mark.parametrize("freeze", ["encoder", "backbone", 2, -1])
def test_to_freeze_random_weights_is_worth_a_warning(shapes, freeze):
    X, y = shapes
    with pytest.warns(UserWarning, match=r"freeze=.* without `pretrained` those are random num"):
        small(freeze=freeze).fit(X, y)
    with pytest.warns(UserWarning, match=r"freeze=.* without `pretrained` those are random num"):
        small(freeze=freeze).partial_fit(X, y, classes=np.unique(y))


def test_gradual_unfreezing_reaches_the_first_stage_last(shapes):
    X, y = shapes
    common = {"warm_start": True, "freeze": "gradual", "ema_decay": None}
    model = small(max_epochs=1, **common).fit(X, y)
    start = weights(model)
    n_stages = 5
    model.set_params(max_epochs=n_stages - 1).fit(X, y)
    late = weights(model)
    assert torch.equal(start["stem.weight"], late["stem.weight"])
    assert not torch.equal(start["blocks.1.conv1.weight"], late["blocks.1.conv1.weight"])


def test_layer_decay_slows_the_early_stages(shapes):
    X, y = shapes
    model = small(layer_decay=0.5, learning_rate=0.01).fit(X, y)
    groups = model._parameter_groups(model.net_.module_, 0.01)
    rates = {name.removeprefix("network."): settings["lr"] for name, settings in groups}
    assert rates["classifier.weight"] == pytest.approx(0.01)
    assert rates["stem.weight"] == pytest.approx(0.01 * 0.5 ** (len(set(rates.values())) - 1))
    held = {group["initial_lr"] for group in model.net_.optimizer_.param_groups}
    assert set(rates.values()) <= held


# What is done to views last


def test_whitening_is_tensorflow_s():
    images = np.random.default_rng(0).random((3, 5, 6, 3)).astype(np.float32)
    images[2] = 0.25  # no contrast at all
    flat = images.reshape(3, -1)
    deviation = np.maximum(flat.std(1), 1 / math.sqrt(flat.shape[1]))
    expected = (flat - flat.mean(1, keepdims=True)) / deviation[:, None]
    found = whiten(torch.from_numpy(images).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    np.testing.assert_allclose(found.reshape(3, -1), expected, atol=1e-6)


def test_whitened_views_do_not_know_brightness_and_contrast(shapes):
    X, y = shapes
    X = X // 2
    model = small(standardize="image", precision="float32", field=1.0).fit(X, y)
    np.testing.assert_allclose(
        model.predict_proba(X * 2 + 1), model.predict_proba(X), rtol=0, atol=0.02
    )
    plain = small(precision="float32", field=1.0).fit(X, y)
    moved = np.abs(plain.predict_proba(X * 2 + 1) - plain.predict_proba(X))
    assert moved.max() > 0.02


def test_a_transformer_sees_what_prediction_sees(shapes):
    X, y = shapes
    steps = make_pipeline(CLAHE(clip_limit=2.0), MorphologicalOpening(size=3))
    common = {"augmentation": None, "field": 1.0, "network": "linear", "network_params": None}
    inside = small(standardize=steps, **common).fit(X, y)
    before = clone(steps).fit_transform(X)
    outside = small(standardize=make_pipeline("passthrough"), **common).fit(before, y)
    np.testing.assert_array_equal(inside.predict_proba(X), outside.predict_proba(before))
    assert clone(inside).standardize is not steps


@pytest.mark.parametrize("scale", [1, 255])
def test_a_transformer_gets_views_of_the_size_that_the_network_takes(shapes, scale):
    X, y = shapes
    steps = make_pipeline(CLAHE(), Standardize())
    params = {"network_params": {"input_size": 24}, "max_epochs": 1, "random_state": 0}
    model = GalaxyClassifier("simple_cnn", standardize=steps, **params).fit(X / scale, y)
    assert model.net_.module_.finish.transformer[0].image_shape_ == (24, 24, 3)
    assert model.predict_proba(X[:3] / scale).shape == (3, len(model.classes_))
    GalleryDisplay.from_steps(GalaxyClassifier(standardize=steps), X[:2])


def test_a_transformer_learns_from_all_rows_that_have_weight():
    X = np.zeros((200, 8, 8, 1))
    X[150:] = np.random.default_rng(0).random((50, 8, 8, 1))
    y, weights = np.repeat([0, 1, 2], [150, 40, 10]), np.repeat([1.0, 1.0, 0.0], [150, 40, 10])
    model = GalaxyClassifier(
        "linear", standardize=Standardize(per="training"), field=1.0, max_steps=1
    )
    learned = model.fit(X, y, sample_weight=weights).net_.module_.finish.transformer
    np.testing.assert_allclose(learned.mean_, X[:190].mean((0, 1, 2)), rtol=1e-5)


@pytest.mark.parametrize("step", [GrayScale(), Resize(8)])
def test_a_transformer_that_changes_the_shape_of_images_is_refused(shapes, step):
    model = small(standardize=step, callbacks=[Untouched()])
    with pytest.raises(ValueError, match=r"transformer that keeps the shape of images: .* makes"):
        model.fit(*shapes)


# Published augmentations


def test_scale_jitter_crops_are_crops():
    rows, columns = np.mgrid[:240, :240]
    image = np.stack([rows, columns, rows * 0], -1)[None] / 240.0
    images = torch.from_numpy(image).permute(0, 3, 1, 2).float().repeat(400, 1, 1, 1)
    plain = ScaleJitterCrop(brightness=0, contrast=(1, 1), saturation=(1, 1), hue=0)
    views = plain(images, (64, 64), field=1.0, generator=torch.Generator().manual_seed(0))
    assert views.shape == (400, 3, 64, 64)
    span = (views[:, :2].amax((2, 3)) - views[:, :2].amin((2, 3))) * 240 * 64 / 63
    torch.testing.assert_close(span[:, 0], span[:, 1], rtol=1e-3, atol=1e-2)  # quarter turns only
    assert 170 * 0.8 - 0.5 < span.min() < 175 * 0.8
    assert 235 * 0.8 < span.max() < 240 * 0.8 + 0.5
    centre = views[:, :2].mean((2, 3)) * 240 + 0.5
    assert (centre - 120).abs().max() <= 240 * 8 / 80 + 0.6
    assert (centre - 120).abs().max() > 10
    with pytest.raises(ValueError, match="takes crops of up to 240 pixels; .* has 100"):
        plain(images[:, :, :100], (64, 64), field=1.0, generator=torch.Generator())


def test_colour_jitter_moves_what_it_says():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(50, 3, 8, 8, generator=generator)
    grey = images.mean((1, 2, 3))
    brighter = ColourJitter(brightness=0.2)(images, generator) - images
    assert brighter.flatten(1).std(1).max() < 1e-6
    assert 0.15 < brighter.abs().max() <= 0.2
    hue = ColourJitter(hue=0.5)(images, generator)
    torch.testing.assert_close(hue.mean((1, 2, 3)), grey)
    assert (hue - images).abs().max() > 0.1
    pale = ColourJitter(saturation=(0, 0))(images, generator)
    assert pale.std(1).max() < 1e-6
    one_band = images[:, :1]
    torch.testing.assert_close(
        ColourJitter(saturation=(0, 0), hue=0.5)(one_band, generator), one_band
    )


def test_a_third_of_a_turn_changes_red_to_green():
    from galaxy_sklearn.augmentation._zhu import rotate_hue

    red = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
    green = rotate_hue(red, torch.tensor([1 / 3])).flatten()
    torch.testing.assert_close(green, torch.tensor([0.0, 1, 0]), atol=1e-6, rtol=0)


def test_rotation_zoom_contrast_is_black_outside():
    images = torch.ones(20, 3, 32, 32)
    augment = RotateZoomContrast(zoom=(1.5, 1.5), contrast=(1, 1))
    views = augment(images, (32, 32), field=1.0, generator=torch.Generator().manual_seed(0))
    assert views[:, :, 0, 0].abs().max() == 0
    assert views[:, :, 16, 16].min() == 1


def test_multi_scale_crop_is_the_mean_of_its_scales(shapes):
    X, y = shapes
    large = np.stack([np.asarray(Image.fromarray(image).resize((250, 250))) for image in X[:6]])
    model = small(
        network="simple_cnn", network_params=None, image_shape=(250, 250, 3), max_epochs=1
    )
    model.fit(large, y[:6])
    sizes = [180, 200, 220, 240]
    single = [model.set_params(tta=MultiScaleCrop([size])).predict_proba(large) for size in sizes]
    every = model.set_params(tta=MultiScaleCrop(sizes)).predict_proba(large)
    np.testing.assert_allclose(every, np.mean(single, axis=0), atol=1e-12)
    half = model.set_params(tta=MultiScaleCrop([200], central=0.625)).predict_proba(large)
    relative = model.set_params(tta=0.5 / model.field_).predict_proba(large)
    np.testing.assert_allclose(half, relative, atol=1e-12)
    with pytest.raises(ValueError, match="crops of up to 400 pixels; .* has 250"):
        model.set_params(tta=MultiScaleCrop([400])).predict_proba(large)
    with pytest.raises(ValueError, match="MultiScaleCrop needs positive sizes"):
        MultiScaleCrop([])


def test_crops_larger_than_the_images_are_refused_before_training(shapes):
    model = small(tta=MultiScaleCrop([30, 40]), callbacks=[Untouched()])
    with pytest.raises(ValueError, match="crops of up to 40 pixels; the images' shorter side has"):
        model.fit(*shapes)
    with pytest.raises(ValueError, match="crops of up to 40 pixels"):
        model.partial_fit(*shapes, classes=np.unique(shapes[1]))


def test_rotated_views_are_the_mean_of_turned_images(shapes):
    X, y = shapes
    model = small(network="linear", network_params=None, augmentation=None).fit(X, y)
    turned = [np.rot90(X, turns, (1, 2)) for turns in range(4)]
    by_hand = np.mean([model.predict_proba(images) for images in turned], axis=0)
    model.set_params(tta=RotatedViews(4, mirror=False))
    np.testing.assert_allclose(model.predict_proba(X), by_hand, atol=1e-5)


def test_pixels_stay_as_they_are_without_standardisation(shapes):
    X, y = shapes
    seen = []

    class Watch:
        def __call__(self, images, size, *, field, generator):
            seen.append(images)
            return images

    model = small(standardize=None, augmentation=Watch(), max_epochs=1).fit(X, y)
    seen = torch.cat(seen)[: len(X)].sum((1, 2, 3)).sort().values  # in the one epoch
    expected = torch.from_numpy(X / 255).sum((1, 2, 3)).float().sort().values
    torch.testing.assert_close(seen, expected)
    assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.parametrize(
    ("network", "params", "optimizer", "rate"),
    [
        ("galaxynet", {}, Muon, 0.006),
        ("galaxynet", {"optimizer": "sgd"}, torch.optim.SGD, 0.003),
        ("galaxynet", {"learning_rate": 0.5}, Muon, 0.5),
        ("timm/resnet18", {}, torch.optim.AdamW, 0.003),
    ],
)
def test_the_optimizer_follows_from_the_size_of_the_network(
    shapes, network, params, optimizer, rate
):
    X, y = shapes
    network_params = {"input_size": 16} if network == "galaxynet" else None
    model = small(network=network, network_params=network_params, max_steps=1, **params).fit(X, y)
    assert type(model.net_.optimizer_) is optimizer
    assert model.net_.optimizer_.param_groups[-1]["initial_lr"] == rate
