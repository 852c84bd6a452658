"""Warps and views: what they must not change, and what they must."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes import make_shapes

from galaxy_sklearn import GalaxyClassifier, augmentation
from galaxy_sklearn.augmentation import (
    ColourJitter,
    DielemanAugmentation,
    GalaxyAugmentation,
    MultiScaleCrop,
    RotatedViews,
    RotateZoomContrast,
    ScaleJitterCrop,
    StrongAugmentation,
    SurveyDegradation,
    View,
    prediction_views,
)
from galaxy_sklearn.augmentation._views import central_view
from galaxy_sklearn.augmentation._warp import warp
from galaxy_sklearn.neural_network import StepDecay

VALUES = [
    (ColourJitter(hue=0.1), ColourJitter(hue=0.2)),
    (DielemanAugmentation(zoom=1.2), DielemanAugmentation()),
    (GalaxyAugmentation(zoom=(0.9, 1.1)), GalaxyAugmentation()),
    (MultiScaleCrop([180, 200]), MultiScaleCrop([180, 220])),
    (RotateZoomContrast(zoom=(0.9, 1.1)), RotateZoomContrast()),
    (RotatedViews(4, mirror=False), RotatedViews(4)),
    (ScaleJitterCrop((170, 200)), ScaleJitterCrop()),
    (StepDecay([0.5], factor=0.2), StepDecay([0.5])),
    (StrongAugmentation(), GalaxyAugmentation()),
    (SurveyDegradation(share=0.2), SurveyDegradation()),
]


def _plain(n, **changes):
    values = {"zoom": 1.0, "angle": 0.0, "mirror": 1.0, "shift_x": 0.0, "shift_y": 0.0} | changes
    return {name: torch.full((n,), value) for name, value in values.items()}


@pytest.fixture
def images():
    return torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_the_identity_changes_nothing(images):
    torch.testing.assert_close(warp(images, (16, 16), **_plain(4)), images, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_quarter_turn_is_exact(images, turns):
    turned = warp(images, (16, 16), **_plain(4, angle=turns * math.pi / 2))
    exact = [torch.rot90(images, k, (2, 3)) for k in (turns, -turns)]
    assert min(float((turned - other).abs().max()) for other in exact) < 1e-4


def test_a_mirror_is_exact(images):
    mirrored = warp(images, (16, 16), **_plain(4, mirror=-1.0))
    torch.testing.assert_close(mirrored, images.flip(3), atol=1e-5, rtol=1e-5)


def test_a_zoom_of_one_half_sees_the_central_half(images):
    smooth = torch.nn.functional.avg_pool2d(images, 5, 1, 2)
    seen = warp(smooth, (8, 8), **_plain(4, zoom=0.5))
    torch.testing.assert_close(seen, smooth[:, :, 4:12, 4:12], atol=1e-5, rtol=1e-5)


def test_a_shift_moves_the_centre():
    image = torch.zeros(1, 1, 17, 17)
    image[0, 0, 8, 12] = 1
    moved = warp(image, (17, 17), **_plain(1, shift_x=4 / 17))
    assert moved[0, 0].flatten().argmax() == 8 * 17 + 8


def test_wide_images_keep_their_shapes():
    y, x = np.indices((20, 60))
    disk = ((x - 29.5) ** 2 + (y - 9.5) ** 2 < 36).astype(np.float32)
    seen = warp(torch.from_numpy(disk)[None, None], (40, 40), **_plain(1, angle=0.7))[0, 0] > 0.5
    rows, columns = torch.where(seen)
    assert abs(int(rows.max() - rows.min()) - int(columns.max() - columns.min())) <= 1
    assert int(rows.max() - rows.min()) == pytest.approx(24, abs=2)


@settings(deadline=None, max_examples=25)
@given(
    zoom=st.floats(0.5, 1.2),
    size=st.integers(4, 24),
    height=st.integers(6, 24),
    width=st.integers(6, 24),
    seed=st.integers(0, 99),
)
def test_views_stay_within_the_range_of_the_image(zoom, size, height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(2, 2, height, width, generator=generator)
    augmentation = GalaxyAugmentation(zoom=(zoom, zoom), contrast=0, colour=0)
    views = augmentation(images, (size, size), field=0.8, generator=generator)
    assert views.shape == (2, 2, size, size)
    assert views.min() >= images.min() - 1e-5
    assert views.max() <= images.max() + 1e-5


def test_the_generator_decides_and_the_global_state_does_not(images):
    def view(seed):
        generator = torch.Generator().manual_seed(seed)
        return GalaxyAugmentation()(images, (16, 16), field=1.0, generator=generator)

    state = torch.get_rng_state()
    assert torch.equal(view(1), view(1))
    assert not torch.equal(view(1), view(2))
    assert torch.equal(state, torch.get_rng_state())


def test_every_image_gets_its_own_view(images):
    same = images[:1].repeat(4, 1, 1, 1)
    views = GalaxyAugmentation()(same, (16, 16), field=1.0, generator=torch.Generator())
    assert all(not torch.equal(views[0], other) for other in views[1:])


def test_without_anything_to_vary_the_plain_view_is_left(images):
    still = GalaxyAugmentation(
        zoom=(1, 1), rotate=False, mirror=False, shift=0, contrast=0, colour=0
    )
    views = still(images, (12, 12), field=0.75, generator=torch.Generator())
    torch.testing.assert_close(views, central_view(images, (12, 12), 0.75), atol=1e-5, rtol=1e-5)


def test_the_eight_views_are_the_symmetries_of_the_square(images):
    views = prediction_views("d4")
    assert len(views) == 8
    turned = torch.stack([view.turn(images) for view in views])
    for once in views:
        again = torch.stack([view.turn(once.turn(images)) for view in views])
        torch.testing.assert_close(again.sort(0).values, turned.sort(0).values)


def test_scales_and_symmetries_combine():
    assert prediction_views(None) == [View()]
    assert [v.scale for v in prediction_views([0.9, 1.1])] == [0.9, 1.1]
    assert len(prediction_views(["d4", 0.9, 1.1])) == 16


def test_angles_turn_as_quarter_turns_do(images):
    for turns in range(4):
        turned = central_view(images, (12, 12), 0.75, angle=90 * turns)
        exact = View(quarter_turns=turns).turn(central_view(images, (12, 12), 0.75))
        torch.testing.assert_close(turned, exact, atol=1e-5, rtol=1e-5)


def test_rotated_views_of_four_angles_are_the_symmetries_of_the_square(images):
    views = prediction_views(RotatedViews(4))
    seen = [view.turn(central_view(images, (16, 16), 1.0, view.angle)) for view in views]
    exact = [view.turn(images) for view in prediction_views("d4")]
    for one in exact:
        assert min((one - other).abs().max() for other in seen) < 1e-5
    assert len(seen) == len(exact)


def test_the_views_of_the_challenge_s_winner():
    views = prediction_views(RotatedViews(10, fields=(1 / 1.2, 1.0, 1.2)))
    assert len(set(views)) == 60
    assert {view.angle for view in views} == {36.0 * number for number in range(10)}
    np.testing.assert_allclose(sorted({view.scale for view in views}), [1 / 1.2, 1, 1.2])
    assert sum(view.mirror for view in views) == 30
    assert len(prediction_views(RotatedViews(3, fields=[0.9], mirror=False))) == 3
    for wrong in ({"n_angles": 0}, {"fields": []}, {"fields": [0.0]}, {"fields": 1.0}):
        with pytest.raises(ValueError, match="RotatedViews needs at least one angle and positive"):
            RotatedViews(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"n_angles": 2.5}, {"n_angles": "a"}, {"fields": (1, math.nan)}, {"fields": [math.inf]}],
)
def test_angles_are_counted_and_fields_finite(wrong):
    with pytest.raises(ValueError, match="RotatedViews needs at least one angle and positive"):
        RotatedViews(**wrong)
    views = RotatedViews(np.int64(3), fields=np.array([0.9, 1], np.float32), mirror=False).views()
    assert len(views) == 6
    assert {type(view.scale) for view in views} == {float}


@pytest.mark.parametrize("sizes", [220, "220", [], [180, 0], [180, -200], None, [math.nan]])
def test_crops_have_positive_sizes(sizes):
    with pytest.raises(
        ValueError, match=r"MultiScaleCrop needs positive sizes such as \[180, 200\]"
    ):
        MultiScaleCrop(sizes)


@pytest.mark.parametrize("central", [0, -0.8, 1.5, math.nan, "a"])
def test_a_part_of_a_crop_is_no_more_than_the_crop(central):
    with pytest.raises(ValueError, match=f"above 0 and at most 1; got {central!r}"):
        MultiScaleCrop([180], central=central)
    assert MultiScaleCrop(np.array([180]), central=1).scales(180, 1.0) == [1]


@pytest.mark.parametrize(
    "sizes", [200, "ab", (170,), (170, 200, 240), (240, 170), (0, 9), (1, 9.5)]
)
def test_random_crops_have_two_sizes(sizes):
    with pytest.raises(ValueError, match=r"ScaleJitterCrop needs sizes=\(smallest, largest\)"):
        ScaleJitterCrop(sizes)
    assert ScaleJitterCrop([200, 200]).sizes == [200, 200]


@pytest.mark.parametrize(("resize", "crop"), [(64, 80), (80, 0), (80, 64.5), (80, "64")])
def test_a_random_crop_is_no_larger_than_what_it_is_of(resize, crop):
    with pytest.raises(
        ValueError, match=f"crop of 1 to resize={resize} whole pixels; got crop={crop!r}"
    ):
        ScaleJitterCrop(resize=resize, crop=crop)
    assert ScaleJitterCrop(resize=64, crop=64).crop == 64


@pytest.mark.parametrize(
    ("tta", "fields"),
    [
        (np.float32(0.5), [0.5]),
        (np.float64(0.9), [0.9]),
        (np.int64(1), [1.0]),
        (np.array([1, 2]), [1.0, 2.0]),
        ([np.float32(0.5), 2], [0.5, 2.0]),
    ],
    ids=repr,
)
def test_numbers_of_any_type_are_fields(tta, fields):
    assert prediction_views(tta) == [View(field) for field in fields]


@pytest.mark.parametrize(
    "tta",
    ["d8", ["d4", "x"], [0.0], [-1], [True], [math.nan], math.inf, ["d4", math.nan], object()],
    ids=repr,
)
def test_other_views_are_refused(tta):
    with pytest.raises(ValueError, match='tta must be None, "d4", positive fields'):
        prediction_views(tta)


@pytest.mark.parametrize(
    ("kind", "params", "message"),
    [
        (GalaxyAugmentation, {"zoom": 0.9}, "zoom to be two rising numbers.*; got 0.9"),
        (GalaxyAugmentation, {"zoom": (0, 0)}, r"zoom to be two rising .*; got \(0, 0\)"),
        (GalaxyAugmentation, {"zoom": (1.3, 0.7)}, r"zoom to be two .*; got \(1.3, 0.7\)"),
        (GalaxyAugmentation, {"zoom": {0.7, 1.3}}, "zoom to be two rising numbers"),
        (GalaxyAugmentation, {"fill": "wrap"}, "fill to be one of .*zeros; got 'wrap'"),
        (GalaxyAugmentation, {"shift": -1}, "shift to be a float .*; got -1"),
        (GalaxyAugmentation, {"contrast": None}, "contrast to be a float .*; got None"),
        (StrongAugmentation, {"zoom": 1}, "zoom to be two rising numbers.*; got 1"),
        (StrongAugmentation, {"blur": 5}, r"blur to be .* \[0.0, 1.0\]; got 5"),
        (StrongAugmentation, {"blank": -1}, r"blank to be .* \[0.0, 1.0\]; got -1"),
        (StrongAugmentation, {"noise": math.inf}, "noise to be a float .*; got inf"),
        (RotateZoomContrast, {"zoom": 1.2}, "zoom to be two rising numbers.*; got 1.2"),
        (RotateZoomContrast, {"contrast": "ab"}, "contrast to be two rising .*; got 'ab'"),
        (ColourJitter, {"contrast": 1.2}, "contrast to be two rising numbers.*; got 1.2"),
        (ColourJitter, {"hue": "red"}, "hue to be a float .*; got 'red'"),
        (ScaleJitterCrop, {"contrast": 1.2}, "contrast to be two rising numbers.*; got 1.2"),
        (ScaleJitterCrop, {"brightness": -1}, "brightness to be a float .*; got -1"),
    ],
)
def test_parameters_are_checked_before_training_begins(kind, params, message):
    with pytest.raises(ValueError, match=f"{kind.__name__} needs {message}"):
        kind(**params)


def test_nothing_to_vary_is_a_range_too():
    still = {"shift": 0, "contrast": 0.0, "colour": np.float32(0)}
    assert StrongAugmentation(zoom=[1, 1], blur=0, noise=0, blank=1, **still).zoom == [1, 1]
    assert RotateZoomContrast(zoom=np.array([0.8, 1.2])).zoom[1] == 1.2
    assert ColourJitter(contrast=(1.0, 1.0), saturation=(0, 0)).saturation == (0, 0)


@pytest.mark.parametrize(("value", "other"), VALUES, ids=lambda value: type(value).__name__)
def test_values_are_equal_by_their_parameters_and_shown_as_their_calls(value, other):
    names = vars(augmentation) | {"StepDecay": StepDecay}
    for again in (
        copy.deepcopy(value),
        pickle.loads(pickle.dumps(value)),
        eval(repr(value), names),
    ):
        assert again == value
        assert repr(again) == repr(value)
    assert other != value
    assert value != repr(value)
    with pytest.raises(TypeError, match="unhashable"):
        hash(value)


def test_values_that_hold_arrays_are_equal_too():
    components = np.eye(3)
    one = DielemanAugmentation(components=components)
    assert one == DielemanAugmentation(components=components.copy())
    assert one != DielemanAugmentation()
    assert one != DielemanAugmentation(components=2 * components)
    assert RotateZoomContrast(zoom=np.array([0.8, 1.2])) == RotateZoomContrast(zoom=(0.8, 1.2))


def test_equal_colour_jitters_see_the_same(images):
    jitter = ColourJitter(brightness=0.1, contrast=(0.5, 1.5), hue=0.2)
    again = ColourJitter(**vars(jitter))
    seen = [one(images, torch.Generator().manual_seed(1)) for one in (jitter, again)]
    assert torch.equal(*seen)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_views_that_keep_the_sides_are_the_same_where_these_are_equal(turns, mirror):
    images = torch.rand(2, 3, 16, 16)
    view = View(quarter_turns=turns, mirror=mirror, angle=30.0)
    exact = view.turn(central_view(images, (16, 16), 0.6, view.angle))
    kept = view.keeping_sides((16, 20))
    resampled = kept.turn(central_view(images, (16, 16), 0.6, kept.angle))
    torch.testing.assert_close(resampled, exact, atol=1e-5, rtol=0)
    assert view.keeping_sides((16, 16)) == view


def test_the_square_s_symmetries_of_images_that_are_none():
    X, y = make_shapes(60)
    model = GalaxyClassifier("linear", augmentation=None, max_epochs=20, random_state=0)
    model.fit(X[:, :, 2:-2], y)
    plain = model.predict_proba(X[:, :, 2:-2])
    turned = model.set_params(tta="d4").predict_proba(X[:, :, 2:-2])
    by_angle = model.set_params(tta=RotatedViews(4)).predict_proba(X[:, :, 2:-2])
    np.testing.assert_allclose(turned, by_angle, atol=1e-3)
    assert np.abs(turned - plain).max() > 1e-3
