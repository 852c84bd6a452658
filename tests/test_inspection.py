"""Explanations point at what was planted, and leave the estimator as it was."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.inspection import (
    EmbeddingDisplay,
    FeatureMapsDisplay,
    FiltersDisplay,
    GradCamDisplay,
    SaliencyDisplay,
    TrainingCurvesDisplay,
    feature_maps,
    grad_cam,
    saliency,
)
from galaxy_sklearn.neural_network import VoteFractionRegressor
from galaxy_sklearn.preprocessing import CenterCrop
from galaxy_sklearn.semi_supervised import PseudoLabelClassifier


@pytest.fixture(autouse=True)
def _no_windows():
    mpl.use("Agg")
    yield
    mpl.pyplot.close("all")


@pytest.fixture(scope="module")
def corners():
    """Images whose class is whether the upper left corner holds a bright spot."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 60, (120, 32, 32, 3)).astype(np.uint8)
    y = np.where(np.arange(120) % 2, "spot", "empty")
    X[y == "spot", 4:10, 4:10] = 255
    return X, y


@pytest.fixture(scope="module")
def fitted(corners):
    model = GalaxyClassifier(
        "simple_cnn", augmentation=None, max_epochs=8, ema_decay=0.8, random_state=0
    )
    return model.fit(*corners)


def test_grad_cam_points_at_the_spot(fitted, corners):
    X, y = corners
    assert fitted.score(X, y) == 1
    maps, views = grad_cam(fitted, X[y == "spot"][:8], target="spot")
    assert maps.shape == (8, 32, 32)
    assert views.shape == (8, 32, 32, 3)
    assert maps.min() >= 0
    assert maps.max() == 1
    assert maps[:, :16, :16].mean() > 2 * maps[:, 16:, 16:].mean()


def test_saliency_points_at_the_spot_and_is_the_gradient(fitted, corners):
    X, y = corners
    spots = X[y == "spot"][:8]
    maps, views = saliency(fitted, spots, target="spot")
    assert maps.shape == (8, 32, 32)
    assert views.shape == (8, 32, 32, 3)
    np.testing.assert_array_equal(maps.max((1, 2)), 1)
    assert maps[:, :16, :16].mean() > 1.5 * maps[:, 16:, 16:].mean()
    model = fitted.net_.module_
    raw = torch.from_numpy(spots[:1])
    seen = model.plain_view(model.standardise(raw, torch.contiguous_format)).requires_grad_()
    logits = model.network(seen)
    (slopes,) = torch.autograd.grad(logits[0, fitted.classes_.tolist().index("spot")], seen)
    expected = slopes.abs().amax(1)[0]
    np.testing.assert_allclose(maps[0], expected / expected.max(), rtol=1e-4, atol=1e-6)
    display = SaliencyDisplay.from_estimator(fitted, spots[:2])
    assert display.axes_.shape == (2, 2)
    linear = GalaxyClassifier("linear", augmentation=None, max_epochs=1).fit(X, y)
    assert saliency(linear, X[:2])[0].shape == (2, 32, 32)


def test_feature_maps_of_a_network_with_views_are_those_of_the_first(corners):
    X, y = corners[0][:12], corners[1][:12]
    model = GalaxyClassifier("dieleman", network_params={"hidden": 4}, max_steps=1).fit(X, y)
    maps = feature_maps(model, X[:2], layers=["convolutions.0"])["convolutions.0"]
    inner = model.net_.module_
    views = inner.plain_view(inner.standardise(torch.from_numpy(X[:2]), torch.contiguous_format))
    with torch.inference_mode():
        expected = inner.network.convolutions[0](inner.network.views(views)[:, 0])
    np.testing.assert_allclose(maps.transpose(0, 3, 1, 2), expected, rtol=0, atol=1e-5)
    assert FeatureMapsDisplay.from_estimator(model, X[:1], n_maps=2).axes_.shape == (4, 3)


def test_feature_maps_are_what_the_layers_give(fitted, corners):
    X, _ = corners
    maps = feature_maps(fitted, X[:40])
    network = fitted.net_.module_.network
    model = fitted.net_.module_
    first, layer = next(
        (name, one) for name, one in network.named_modules() if isinstance(one, torch.nn.Conv2d)
    )
    assert next(iter(maps)) == first
    views = model.plain_view(model.standardise(torch.from_numpy(X[:40]), torch.contiguous_format))
    with torch.no_grad():
        expected = layer(views).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(maps[first], expected, rtol=1e-4, atol=1e-4)
    assert list(feature_maps(fitted, X[:2], layers=[first])) == [first]
    display = FeatureMapsDisplay.from_estimator(fitted, X[:2], n_maps=3)
    assert display.axes_.shape == (2 * min(len(maps), 5), 4)
    assert display.rows[0][0] == first
    shown = int(display.axes_[0, 1].get_xlabel())
    assert maps[first][0, :, :, shown].std() > 0
    with pytest.raises(ValueError, match="SimpleCNN has no layer 'nothing'; its first conv"):
        feature_maps(fitted, X[:2], layers=["nothing"])
    with pytest.raises(ValueError, match="layer 'classifier' gives no maps"):
        feature_maps(fitted, X[:2], layers=["classifier"])
    linear = GalaxyClassifier("linear", augmentation=None, max_epochs=1).fit(*corners)
    for draw in (feature_maps, FeatureMapsDisplay.from_estimator):
        with pytest.raises(ValueError, match="Linear has no convolution"):
            draw(linear, X[:2])


@pytest.mark.parametrize("network", ["simple_cnn", "galaxynet"])
def test_filters_are_the_weights(corners, network):
    X, y = corners
    model = GalaxyClassifier(network, max_steps=1, random_state=0).fit(X, y)
    display = FiltersDisplay.from_estimator(model, n_filters=5)
    assert display.axes_.shape == (2, 5)
    parts = dict(model.net_.module_.network.named_modules())
    layer = parts[display.axes_[0, 0].get_ylabel()]
    weights = (layer.filters() if hasattr(layer, "filters") else layer.weight).detach().numpy()
    number = int(display.axes_[0, 0].get_xlabel())
    shown = np.asarray(display.rows[0][1][0][0], float).transpose(2, 0, 1) - 127.5
    own = weights[number] / np.abs(weights[number]).max()
    np.testing.assert_allclose(shown / 127.5, own, atol=0.01)
    linear = GalaxyClassifier("linear", augmentation=None, max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="wider than a pixel; Linear does not have any"):
        FiltersDisplay.from_estimator(linear)


def test_explaining_changes_nothing(fitted, corners):
    X, _ = corners
    before = fitted.predict_proba(X)
    hooks = sum(len(m._forward_hooks) for m in fitted.net_.module_.modules())
    grad_cam(fitted, X[:4])
    saliency(fitted, X[:4])
    feature_maps(fitted, X[:4])
    assert sum(len(m._forward_hooks) for m in fitted.net_.module_.modules()) == hooks
    assert all(p.grad is None for p in fitted.net_.module_.parameters())
    np.testing.assert_array_equal(fitted.predict_proba(X), before)


def test_the_view_of_a_galaxy_does_not_depend_on_the_others(fitted, corners):
    X, _ = corners
    dim = X[:2] // 20
    _, alone = grad_cam(fitted, dim[:1])
    _, among = grad_cam(fitted, np.concatenate([dim[:1], X[:3]]))
    np.testing.assert_allclose(alone[0], among[0], atol=1e-5)
    assert alone[0].max() == 1


def test_pipelines_are_explained_from_raw_images(corners):
    X, y = corners
    model = make_pipeline(
        CenterCrop(28), GalaxyClassifier("simple_cnn", max_epochs=1, random_state=0)
    ).fit(X, y)
    maps, _ = grad_cam(model, X[:3])
    assert maps.shape == (3, 28, 28)
    display = GradCamDisplay.from_estimator(model, X[:3])
    assert display.axes_.shape == (2, 3)
    assert TrainingCurvesDisplay.from_estimator(model).axes_[0].get_xlabel() == "epoch"


def test_curves_show_what_was_recorded(fitted, corners):
    model = clone(fitted).set_params(early_stopping=True, max_epochs=2).fit(*corners)
    display = TrainingCurvesDisplay.from_estimator(model)
    loss, accuracy = ({line.get_label(): line for line in ax.lines} for ax in display.axes_)
    assert set(loss) == set(accuracy) == {"training", "validation"}
    np.testing.assert_allclose(loss["training"].get_ydata(), model.loss_curve_)
    np.testing.assert_allclose(accuracy["validation"].get_ydata(), model.validation_scores_)


def test_curves_of_several_models_are_named(fitted, corners):
    short = clone(fitted).set_params(max_epochs=1).fit(*corners)
    display = TrainingCurvesDisplay.from_estimators({"long": fitted, "short": short})
    labels = [line.get_label() for line in display.axes_[1].lines]
    assert labels == ["long, training", "short, training"]
    with pytest.raises(ValueError, match="GalaxyClassifier has no training history"):
        TrainingCurvesDisplay.from_estimators({"long": fitted, "none": GalaxyClassifier()})


def test_curves_of_several_models_are_given_by_name(fitted):
    with pytest.raises(TypeError, match=r"estimators by name, \{name: model\}; got a list"):
        TrainingCurvesDisplay.from_estimators([fitted, fitted])
    for several in ({"one": fitted}, [fitted]):
        with pytest.raises(TypeError, match=r"from_estimators\(\{name: model\}\) draws several"):
            TrainingCurvesDisplay.from_estimator(several)


def test_curves_have_axes_each(fitted):
    _, (left, right) = mpl.pyplot.subplots(1, 2)
    assert TrainingCurvesDisplay.from_estimator(fitted, axes=(left, right)).axes_ == (left, right)
    with pytest.raises(
        ValueError, match=r"draws loss and accuracy and needs axes for each, 2; got 1"
    ):
        TrainingCurvesDisplay.from_estimator(fitted, axes=left)
    alone = TrainingCurvesDisplay({"": [{"train_loss": 1.0}, {"train_loss": 0.5}]}).plot(axes=right)
    assert alone.axes_ == (right,)


def test_the_score_is_drawn_under_its_name(fitted, corners):
    X, y = corners
    model = clone(fitted).set_params(early_stopping=True, max_epochs=1, scoring="neg_log_loss")
    display = TrainingCurvesDisplay.from_estimator(model.fit(X, y))
    assert display.axes_[1].get_ylabel() == "neg_log_loss"
    assert [line.get_label() for line in display.axes_[1].lines] == ["validation"]
    votes = np.linspace(0, 1, len(X))
    regressor = VoteFractionRegressor(
        "linear", tree=None, output="sigmoid", early_stopping=True, max_epochs=2, random_state=0
    ).fit(X, votes)
    display = TrainingCurvesDisplay.from_estimator(regressor)
    assert display.axes_[1].get_ylabel() == "negative RMSE"
    last = regressor.history_[-1]
    assert last["valid_loss"] == pytest.approx(last["valid_score"] ** 2, rel=1e-4)
    with pytest.raises(ValueError, match=r"the histories have \['epoch'\]"):
        TrainingCurvesDisplay({"": [{"epoch": 1}]}).plot()


def test_what_learns_from_a_pool_is_looked_into(corners):
    X, y = corners
    network = GalaxyClassifier("simple_cnn", augmentation=None, max_epochs=1, random_state=0)
    model = PseudoLabelClassifier(make_pipeline(CenterCrop(28), network), threshold=0.9, max_iter=1)
    model.fit(X[:60], y[:60], X_unlabeled=X[60:])
    maps, views = grad_cam(model, X[:3], target="spot")
    inner = model.estimator_
    expected = grad_cam(inner, X[:3], target="spot")
    np.testing.assert_array_equal(maps, expected[0])
    np.testing.assert_array_equal(views, expected[1])
    assert len(TrainingCurvesDisplay.from_estimator(model).axes_[0].lines) == 1
    assert len(EmbeddingDisplay.from_estimator(model, X[:20], y[:20]).positions) == 20


def test_an_answer_of_the_volunteers_is_explained(corners):
    X, y = corners
    table = pd.DataFrame({"plain": 1.0 * (y == "empty"), "spotted": 1.0 * (y == "spot")})
    model = VoteFractionRegressor(
        "simple_cnn",
        tree=None,
        output="sigmoid",
        augmentation=None,
        max_epochs=8,
        ema_decay=0.8,
        random_state=0,
    ).fit(X, table)
    spots = X[y == "spot"][:8]
    maps, _ = grad_cam(model, spots, target="spotted")
    assert maps[:, :16, :16].mean() > 2 * maps[:, 16:, 16:].mean()
    np.testing.assert_array_equal(grad_cam(model, spots, target=1)[0], maps)
    with pytest.raises(ValueError, match="'ring' is not among the answers"):
        grad_cam(model, spots, target="ring")


def test_maps_that_are_none_of_the_image_are_refused(corners):
    X, y = corners
    tiny = {"model_params": {"depth": 1, "embed_dim": 48, "num_heads": 2}}
    vit = GalaxyClassifier("timm/vit_tiny_patch16_224", network_params=tiny, max_steps=1)
    with pytest.raises(ValueError, match="as the tokens of a transformer do"):
        grad_cam(vit.fit(X, y), X[:2])
    parts = GalaxyClassifier("dieleman", network_params={"hidden": 8}, max_steps=1, batch_size=8)
    with pytest.raises(ValueError, match="maps of the whole image; Dieleman has none"):
        grad_cam(parts.fit(X[:8], y[:8]), X[:2])


def test_the_map_keeps_classes_apart(fitted, corners):
    X, y = corners
    display = EmbeddingDisplay.from_estimator(fitted, X, y)
    centres = [display.positions[y == name].mean(0) for name in ("empty", "spot")]
    spread = max(display.positions[y == name].std() for name in ("empty", "spot"))
    assert np.linalg.norm(centres[0] - centres[1]) > spread
    assert [t.get_text() for t in display.ax_.get_legend().get_texts()] == ["empty", "spot"]


def test_what_cannot_be_explained_is_said(fitted, corners):
    X, y = corners
    with pytest.raises(ValueError, match="'ghost' is not among the classes"):
        grad_cam(fitted, X[:2], target="ghost")
    with pytest.raises(ValueError, match="holds no fitted network"):
        grad_cam(GalaxyClassifier(), X[:2])
    with pytest.raises(ValueError, match="has no training history"):
        TrainingCurvesDisplay.from_estimator(GalaxyClassifier())
    linear = GalaxyClassifier("linear", augmentation=None, max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="Linear has none"):
        grad_cam(linear, X[:2])


@pytest.mark.parametrize("explain", [grad_cam, saliency])
def test_targets_are_one_for_all_or_one_each(fitted, corners, explain):
    X, y = corners
    maps, _ = explain(fitted, X[:3], target=y[:3])
    np.testing.assert_array_equal(explain(fitted, X[:3], target=pd.DataFrame(y[:3]))[0], maps)
    with pytest.raises(ValueError, match="one target for all images, or one for each of 3; got 2"):
        explain(fitted, X[:3], target=["spot", "empty"])
    with pytest.raises(ValueError, match="should be a 1d array"):
        explain(fitted, X[:3], target=np.tile(y[:3, None], 2))


def test_answers_are_named_and_numbered_side_by_side(corners):
    X, y = corners
    table = pd.DataFrame({"plain": 1.0 * (y == "empty"), "spotted": 1.0 * (y == "spot")})
    model = VoteFractionRegressor(
        "simple_cnn", tree=None, output="sigmoid", max_steps=1, random_state=0
    ).fit(X[:8], table[:8])
    expected, _ = saliency(model, X[:3], target=["spotted", "plain", "spotted"])
    np.testing.assert_array_equal(saliency(model, X[:3], target=["spotted", 0, 1])[0], expected)


@pytest.mark.parametrize("number", [0, -1])
def test_at_least_one_map_and_filter_is_drawn(fitted, corners, number):
    with pytest.raises(ValueError, match=f"needs n_maps of at least 1; got {number}"):
        FeatureMapsDisplay.from_estimator(fitted, corners[0][:1], n_maps=number)
    with pytest.raises(ValueError, match=f"needs n_filters of at least 1; got {number}"):
        FiltersDisplay.from_estimator(fitted, n_filters=number)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "layers needs at least one name; got none"),
        ("features.0", "layers needs a list of names; got the text 'features.0'"),
    ],
)
def test_layers_are_a_list_of_names(fitted, corners, layers, message):
    X = corners[0][:1]
    for draw in (
        lambda: feature_maps(fitted, X, layers=layers),
        lambda: FeatureMapsDisplay.from_estimator(fitted, X, layers=layers),
        lambda: FiltersDisplay.from_estimator(fitted, layers=layers),
    ):
        with pytest.raises(ValueError, match=message):
            draw()
