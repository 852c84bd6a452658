"""Dieleman's augmentation and the degraded survey: each does what its formula says."""

import math
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone

from galaxy_sklearn.augmentation import (
    DielemanAugmentation,
    GalaxyAugmentation,
    SurveyDegradation,
    colour_components,
)
from galaxy_sklearn.augmentation._survey import angular_distance, blur
from galaxy_sklearn.augmentation._views import central_view
from galaxy_sklearn.neural_network import VoteFractionRegressor


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def gaussian(side, sigma, n=1, bands=3, peak=1.0, sky=0.0):
    y, x = np.indices((side, side)) - (side - 1) / 2
    image = sky + peak * np.exp(-(x**2 + y**2) / (2 * sigma**2))
    return torch.from_numpy(np.tile(image, (n, bands, 1, 1)).astype(np.float32))


def moments(images):
    """Return the centres and widths along x and y, of images (n, 1, side, side), in pixels."""
    light = images[:, 0].double().clamp(min=0)
    places = torch.arange(images.shape[-1]) - (images.shape[-1] - 1) / 2
    total = light.sum((1, 2))
    x = (light.sum(1) * places).sum(1) / total
    y = (light.sum(2) * places).sum(1) / total
    width = torch.sqrt((light.sum(1) * places**2).sum(1) / total - x**2)
    return x.numpy(), y.numpy(), width.numpy()


# --------------------------------------------------------------------------- Dieleman
def test_zooms_are_even_in_their_logarithm():
    images = gaussian(60, 4.0, n=2000, bands=1)
    still = DielemanAugmentation(shift=0, colour=0, components=[[1.0]])
    width = moments(still(images, (60, 60), field=0.6, generator=generator()))[2]
    logs = np.log(0.6 * width / 4.0) / math.log(1.3)
    assert np.abs(logs).max() <= 1.02
    np.testing.assert_allclose(np.quantile(logs, [0.25, 0.5, 0.75]), [-0.5, 0, 0.5], atol=0.06)


@pytest.mark.parametrize(("side", "frame"), [(106, 424.0), (72, 288.0)])
def test_shifts_are_of_four_pixels_of_the_original_image(side, frame):
    images = gaussian(side, 3.0, n=1000, bands=1)
    moved = DielemanAugmentation(zoom=1, colour=0, frame=frame, components=[[1.0]])
    x, y, _ = moments(moved(images, (side, side), field=1.0, generator=generator()))
    for shift in (x, y):  # a quarter of the original's resolution: one pixel here
        assert 0.9 < np.abs(shift).max() < 1.45  # rotation may turn one axis into both
        assert np.abs(shift.mean()) < 0.1


def test_rotations_and_mirrors_are_all_there():
    image = torch.zeros(1, 1, 33, 33)
    image[..., 16, 26] = 1.0  # to the right
    image[..., 21, 16] = 0.5  # and, fainter, below
    turned = DielemanAugmentation(zoom=1, shift=0, colour=0, components=[[1.0]])
    views = turned(image.repeat(1000, 1, 1, 1), (33, 33), field=1.0, generator=generator())
    places = torch.arange(33) - 16.0
    near = (places[:, None] ** 2 + places**2) < 7.5**2
    far = views[:, 0] * ~near
    fx, fy = ((far.sum(a) * places).sum(1) for a in (1, 2))
    close = views[:, 0] * near
    cx, cy = ((close.sum(a) * places).sum(1) for a in (1, 2))
    angle = torch.atan2(fy, fx)
    counted = torch.histc(angle, 8, -math.pi, math.pi)
    assert counted.min() > 80
    mirrored = (fx * cy - fy * cx) < 0
    assert 0.44 < mirrored.float().mean() < 0.56


def test_colours_change_along_the_given_component():
    images = torch.rand(4000, 3, 8, 8, generator=generator(1))
    same = DielemanAugmentation(zoom=1, shift=0)
    plain = DielemanAugmentation(zoom=1, shift=0, colour=0)
    change = same(images, (8, 8), field=1.0, generator=generator()) - plain(
        images, (8, 8), field=1.0, generator=generator()
    )
    added = change.mean((2, 3)).double()
    torch.testing.assert_close(
        change - change.mean((2, 3), keepdim=True), 0 * change, atol=1e-6, rtol=0
    )
    published = torch.tensor([-0.0148366, -0.01253134, -0.01040762], dtype=torch.float64)
    torch.testing.assert_close(added.std(0), 0.5 * published.abs(), rtol=0.05, atol=0)
    along = added @ published / (added.norm(dim=1) * published.norm())
    torch.testing.assert_close(
        along.abs(), torch.ones(4000, dtype=torch.float64), atol=1e-3, rtol=0
    )


def test_components_are_found_in_the_pixels():
    direction = torch.tensor([0.6, 0.0, 0.8])
    strength = 0.3 * torch.randn(200, 1, 8, 8, generator=generator())
    images = 0.5 + strength * direction[:, None, None]
    images = images + 0.01 * torch.randn(images.shape, generator=generator(1))
    first = colour_components(images)[0]
    expected = 0.09 * direction
    torch.testing.assert_close(first * first.sum().sign(), expected, atol=4e-3, rtol=0)
    fitted = DielemanAugmentation(components=None)
    assert fitted(images, (8, 8), field=1.0, generator=generator()).shape == images.shape


def test_components_of_other_bands_are_refused():
    with pytest.raises(ValueError, match=r"shape \(1, 3\) and got images of 1 bands"):
        DielemanAugmentation()(torch.rand(2, 1, 8, 8), (8, 8), field=1.0, generator=generator())


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"zoom": 0}, r"zoom to be a float in the range \(0.0, inf\); got 0"),
        ({"zoom": -1}, "zoom to be .*; got -1"),
        ({"frame": 0}, "frame to be .*; got 0"),
        ({"shift": -1}, r"shift to be a float in the range \[0.0, inf\); got -1"),
        ({"colour": None}, "colour to be .*; got None"),
    ],
)
def test_what_cannot_be_drawn_is_refused_at_once(params, message):
    with pytest.raises(ValueError, match=f"DielemanAugmentation needs {message}"):
        DielemanAugmentation(**params)


@pytest.mark.parametrize(
    "augmentation", [GalaxyAugmentation(), DielemanAugmentation(), SurveyDegradation()], ids=repr
)
def test_views_keep_the_precision_of_the_images(augmentation):
    images = torch.rand(3, 3, 20, 20, generator=generator())
    double = augmentation(images.double(), (16, 16), field=1.0, generator=generator())
    assert double.dtype == torch.float64
    single = augmentation(images, (16, 16), field=1.0, generator=generator())
    torch.testing.assert_close(double.float(), single, atol=1e-3, rtol=0)


# ---------------------------------------------------------------------------- survey
def only(**changes):
    """Return a degradation that does nothing but what is asked for, to every image."""
    none = {
        "redshift": 0.1,
        "new_redshift": (0.1, 0.1),
        "resolution": (1, 1),
        "signal_to_noise": (1, 1),
        "share": 1.0,
    }
    return SurveyDegradation(**(none | changes))


def test_angular_distance_is_that_of_a_flat_universe():
    z = torch.tensor([1e-4, 0.1, 0.5, 1.0, 2.0], dtype=torch.float64)
    # Comoving distances of flat LCDM with 30 % matter, c / H0, by a fine sum.
    fine = np.linspace(0, 2, 200_001)
    rate = 1 / np.sqrt(0.3 * (1 + fine) ** 3 + 0.7)
    total = np.concatenate([[0], np.cumsum((rate[1:] + rate[:-1]) / 2 * np.diff(fine))])
    expected = np.interp(z.numpy(), fine, total) / (1 + z.numpy())
    np.testing.assert_allclose(angular_distance(z).numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("new", [0.2, 0.4])
def test_surface_brightness_falls_with_the_fourth_power(new):
    images = gaussian(64, 5.0, sky=3.0)
    dim, _ = only(new_redshift=(new, new), psf=0.0).degrade(images, generator())
    expected = ((1 + new) / 1.1) ** -4
    torch.testing.assert_close(dim - 3, (images - 3) * expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("new", [0.1, 0.2])
@pytest.mark.parametrize("resolution", [1.5, 2.0])
def test_the_point_spread_function_grows_by_what_is_stated(new, resolution):
    fwhm = 0.05 * 80
    star = gaussian(80, fwhm / 2.3548)
    coarse = only(new_redshift=(new, new), resolution=(resolution, resolution), psf=0.05)
    seen, shrink = coarse.degrade(star, generator())
    width = moments(seen)[2][0] * 2.3548
    assert width == pytest.approx(fwhm * resolution * float(shrink[0]), rel=0.02)
    ratio = angular_distance(torch.tensor(new)) / angular_distance(torch.tensor(0.1))
    assert float(shrink[0]) == pytest.approx(float(ratio))
    dimming = ((1 + new) / 1.1) ** -4
    assert float(seen.sum()) == pytest.approx(float(star.sum()) * dimming, rel=1e-3)


@pytest.mark.parametrize("changes", [{}, {"new_redshift": (0.2, 0.2)}, {"resolution": (2, 2)}])
@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.25])
def test_the_sky_s_noise_grows_by_what_is_stated(changes, ratio):
    sky = 5 + 0.2 * torch.randn(30, 2, 64, 64, generator=generator(2))
    noisy, _ = only(signal_to_noise=(ratio, ratio), psf=0.04, **changes).degrade(sky, generator())
    assert float(noisy.std()) == pytest.approx(0.2 / ratio, rel=0.06)
    assert float(noisy.mean()) == pytest.approx(5, abs=0.03)


def test_galaxies_shrink_only_in_frames_of_fixed_scale():
    galaxy = gaussian(80, 5.0)
    far = {"new_redshift": (0.2, 0.2), "psf": 0.0}
    kept = only(**far)(galaxy, (80, 80), field=0.5, generator=generator())
    assert moments(kept)[2][0] == pytest.approx(5.0 / 0.5, rel=0.02)
    smaller = only(**far, scaled=False)(galaxy, (80, 80), field=0.5, generator=generator())
    ratio = float(angular_distance(torch.tensor(0.2)) / angular_distance(torch.tensor(0.1)))
    assert ratio > 1.5
    assert moments(smaller)[2][0] == pytest.approx(5.0 / 0.5 / ratio, rel=0.02)


def test_images_that_are_not_chosen_stay_as_they_are():
    images = torch.rand(400, 3, 16, 16, generator=generator(3))
    views = SurveyDegradation(share=0.3)(images, (12, 12), field=0.75, generator=generator())
    plain = central_view(images, (12, 12), 0.75)
    same = (views - plain).abs().amax((1, 2, 3)) < 1e-4
    assert 0.6 < same.float().mean() < 0.8
    nothing = SurveyDegradation(share=0.0)(images, (12, 12), field=0.75, generator=generator())
    torch.testing.assert_close(nothing, plain, atol=1e-4, rtol=0)


def test_it_comes_before_another_augmentation():
    images = gaussian(32, 4.0, n=3, sky=1.0)
    still = GalaxyAugmentation(
        zoom=(1, 1), rotate=False, mirror=False, shift=0, contrast=0, colour=0
    )
    alone = only(new_redshift=(0.3, 0.3), scaled=False)
    both = only(new_redshift=(0.3, 0.3), scaled=False, augmentation=still)
    torch.testing.assert_close(
        both(images, (24, 24), field=0.9, generator=generator()),
        alone(images, (24, 24), field=0.9, generator=generator()),
        atol=1e-5,
        rtol=1e-5,
    )
    for inner in (GalaxyAugmentation(), DielemanAugmentation()):
        seen = SurveyDegradation(augmentation=inner)(
            images, (24, 24), field=0.9, generator=generator()
        )
        assert seen.shape == (3, 3, 24, 24)
        assert torch.isfinite(seen).all()


def test_a_blur_of_nothing_changes_nothing():
    images = torch.rand(2, 3, 9, 9)
    blurred, left = blur(images, torch.zeros(2), 4)
    torch.testing.assert_close(blurred, images)
    torch.testing.assert_close(left, torch.ones(2))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"redshift": 0.2, "new_redshift": (0.1, 0.3)}, "needs 0 < redshift <= new_redshift"),
        ({"redshift": 0.0}, "needs 0 < redshift <= new_redshift"),
        ({"resolution": (0.5, 2)}, "needs resolution >= 1"),
        ({"signal_to_noise": (0.5, 2)}, "0 < signal_to_noise <= 1"),
    ],
)
def test_nothing_becomes_nearer_sharper_or_cleaner(params, message):
    with pytest.raises(ValueError, match=message):
        SurveyDegradation(**params)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"new_redshift": (0.25, 0.08)}, r"new_redshift .* two rising .*got \(0.25, 0.08\)"),
        ({"resolution": (1.5, 1.0)}, r"resolution .* two rising numbers.*got \(1.5, 1.0\)"),
        ({"signal_to_noise": (1.0, 0.5)}, r"signal_to_noise .* rising .*got \(1.0, 0.5\)"),
        ({"new_redshift": 0.2}, "new_redshift to be two rising numbers.*got 0.2"),
        ({"resolution": (1, np.nan)}, r"resolution to be two rising numbers.*got \(1, nan\)"),
        ({"psf": -1}, r"psf to be a float in the range \[0.0, inf\); got -1"),
        ({"share": 2}, r"share to be a float in the range \[0.0, 1.0\]; got 2"),
        ({"share": -1}, r"share to be a float in the range \[0.0, 1.0\]; got -1"),
        ({"redshift": "near"}, "redshift to be a float in the range .*; got 'near'"),
    ],
)
def test_ranges_rise_and_shares_are_shares(params, message):
    with pytest.raises(ValueError, match=f"SurveyDegradation needs {message}"):
        SurveyDegradation(**params)


@pytest.mark.parametrize("params", [{"psf": 0}, {"share": 0}, {"share": 1}])
def test_the_ends_of_the_ranges_are_allowed(params):
    images = gaussian(16, 2.0)
    views = SurveyDegradation(**params)(images, (12, 12), field=0.75, generator=generator())
    assert torch.isfinite(views).all()


@pytest.mark.parametrize(
    "augmentation",
    [
        DielemanAugmentation(components=None),
        SurveyDegradation(),
        SurveyDegradation(augmentation=GalaxyAugmentation()),
    ],
    ids=["dieleman", "survey", "both"],
)
def test_networks_train_on_them(augmentation):
    assert pickle.loads(pickle.dumps(augmentation)) == augmentation
    X, y = np.random.default_rng(0).random((32, 12, 12, 3)), np.linspace(0, 1, 32)
    model = VoteFractionRegressor(
        "simple_cnn", tree=None, output="sigmoid", augmentation=augmentation, max_epochs=1
    )
    assert clone(model).augmentation == augmentation
    assert np.isfinite(model.fit(X, y).predict(X)).all()
