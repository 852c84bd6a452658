"""Generated galaxies have the structure they claim to have."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galaxy_sklearn.datasets import make_galaxies
from galaxy_sklearn.datasets._make_galaxies import CLASS_SETS
from galaxy_sklearn.datasets._profiles import (
    arm_contrast,
    edge_on_disk,
    lupton_rgb,
    moffat_kernel,
    sersic,
)

SILENT = {"noise": 0, "neighbours": 0, "psf": None, "random_state": 0}


def _grid(half):
    offsets = np.arange(-half, half + 1.0)
    x, y = np.meshgrid(offsets, offsets)
    return x, y


@pytest.mark.parametrize("index", [0.5, 1.0, 2.5, 4.0])
def test_half_of_the_light_lies_within_the_half_light_radius(index):
    radius = np.linspace(0, 4000, 400_001)
    flux = sersic(radius, 20.0, index) * 2 * np.pi * radius * (radius[1] - radius[0])
    assert flux.sum() == pytest.approx(1, abs=2e-3)
    assert flux[radius <= 20].sum() == pytest.approx(0.5, abs=2e-3)


def test_an_edge_on_disk_holds_all_its_light():
    x, y = _grid(300)
    assert edge_on_disk(x, y, 20.0, 6.0).sum() == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize("pitch", [8.0, 15.0, 30.0])
@pytest.mark.parametrize("n_arms", [2, 3])
def test_arms_wind_with_their_pitch_angle(pitch, n_arms):
    angle = np.linspace(-np.pi, np.pi, 721)[:-1]
    radii = np.geomspace(20, 60, 40)
    phases = []
    for radius in radii:
        contrast = arm_contrast(
            np.full_like(angle, radius),
            angle,
            n_arms=n_arms,
            pitch_angle=pitch,
            phase=0.3,
            inner_radius=10.0,
        )
        assert (contrast > 0).all()
        phases.append(np.angle(np.sum(contrast * np.exp(-1j * n_arms * angle))))
    turns = -np.unwrap(phases) / n_arms
    slope = np.polyfit(np.log(radii), turns, 1)[0]
    assert np.rad2deg(np.arctan(1 / slope)) == pytest.approx(pitch, rel=0.02)


def test_the_point_spread_function_has_its_width():
    kernel = moffat_kernel(6.0)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    row = kernel[len(kernel) // 2] / kernel.max()
    centre = len(row) // 2
    assert row[centre + 3] == pytest.approx(0.5, abs=1e-3)


def test_colour_does_not_depend_on_brightness():
    bands = np.array([[[3.0, 2.0, 1.0]]])
    faint, bright = lupton_rgb(bands), lupton_rgb(4 * bands)
    np.testing.assert_allclose(bright / bright.max(), faint / faint.max())
    assert bright.max() > faint.max()


def _moments(image):
    light = image.astype(float).mean(2)
    light = np.maximum(light - np.median(light) - 2, 0)
    y, x = np.indices(light.shape)
    x, y = x - np.average(x, weights=light), -(y - np.average(y, weights=light))
    xx, yy, xy = (np.average(v, weights=light) for v in (x * x, y * y, x * y))
    values, vectors = np.linalg.eigh([[xx, xy], [xy, yy]])
    angle = np.rad2deg(np.arctan2(vectors[1, 1], vectors[0, 1])) % 180
    return np.sqrt(values[0] / values[1]), angle


@pytest.mark.parametrize("kind", ["in_between", "cigar"])
def test_moments_recover_axis_ratio_and_position_angle(kind):
    images, _, truth = make_galaxies(
        12, image_size=96, classes=[kind], size=(0.06, 0.08), return_parameters=True, **SILENT
    )
    measured = np.array([_moments(image) for image in images])
    np.testing.assert_allclose(measured[:, 0], truth["axis_ratio"], atol=0.1)
    gap = np.abs(measured[:, 1] - truth["position_angle"])
    assert np.minimum(gap, 180 - gap).max() < 4


def test_classes_differ_as_their_names_say():
    _, labels, truth = make_galaxies(400, image_size=16, return_parameters=True, random_state=1)
    ratio = truth.groupby(labels)["axis_ratio"]
    assert ratio.min()["round"] > ratio.max()["in_between"] > ratio.max()["cigar"]
    assert truth["n_arms"].notna().eq(labels == "spiral").all()
    assert truth["dust"].notna().eq(labels == "edge_on").all()


def test_pitch_angles_and_bulges_grow_along_the_hubble_sequence():
    _, labels, truth = make_galaxies(
        600, image_size=16, classes="hubble", return_parameters=True, random_state=0
    )
    mean = truth.groupby(labels)[["pitch_angle", "bulge_fraction"]].mean()
    for types in (["Sa", "Sb", "Sc"], ["SBa", "SBb", "SBc"]):
        assert mean.loc[types, "pitch_angle"].is_monotonic_increasing
        assert mean.loc[types, "bulge_fraction"].is_monotonic_decreasing
    barred = truth["bar_length"].notna()
    assert set(labels[barred]) == {"SBa", "SBb", "SBc"}


def test_ellipticals_are_redder_than_spiral_disks():
    images, labels = make_galaxies(
        60, image_size=32, classes=["E", "Sc"], size=(0.1, 0.14), **SILENT
    )
    centre = images[:, 8:24, 8:24].astype(float).sum((1, 2))
    redness = centre[:, 0] / centre[:, 2]
    assert redness[labels == "E"].min() > redness[labels == "Sc"].mean()


def test_shares_follow_the_weights():
    _, labels = make_galaxies(500, image_size=8, weights=[5, 1, 1, 1, 2], random_state=3)
    share = {name: (labels == name).mean() for name in CLASS_SETS["galaxy_zoo_2"]}
    assert share["round"] == pytest.approx(0.5, abs=0.01)
    assert share["spiral"] == pytest.approx(0.2, abs=0.01)


def test_noise_is_as_strong_as_asked():
    def scatter(noise):
        images, _ = make_galaxies(4, noise=noise, neighbours=0, random_state=0)
        return images[:, :8, :8].astype(float).std()

    assert scatter(0.0) < 0.5 < scatter(0.5) < scatter(1.0) < scatter(2.0)


def test_the_first_galaxies_do_not_depend_on_the_number():
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    few, few_labels = make_galaxies(3, image_size=16, random_state=2)
    many, many_labels = make_galaxies(9, image_size=16, random_state=2)
    np.testing.assert_array_equal(few, many[:3])
    np.testing.assert_array_equal(few_labels, many_labels[:3])
    assert not np.array_equal(few, make_galaxies(3, image_size=16, random_state=4)[0])
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@settings(deadline=None, max_examples=15)
@given(
    n=st.integers(1, 4),
    side=st.integers(8, 40),
    classes=st.sampled_from(sorted({n for names in CLASS_SETS.values() for n in names})),
    psf=st.one_of(st.none(), st.floats(0.5, 4)),
    noise=st.floats(0, 3),
    seed=st.integers(0, 50),
)
def test_any_sensible_request_gives_images(n, side, classes, psf, noise, seed):
    images, labels = make_galaxies(
        n, image_size=side, classes=[classes], psf=psf, noise=noise, random_state=seed
    )
    assert images.shape == (n, side, side, 3)
    assert images.dtype == np.uint8
    assert set(labels) == {classes}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_samples": 0}, "n_samples must be a whole number of at least 1. Got 0"),
        ({"image_size": 4}, "image_size must be a whole number of at least 8. Got 4"),
        ({"classes": "hubbel"}, "knows the class sets galaxy_zoo_2, hubble; got 'hubbel'"),
        ({"classes": ["E", "Sd"]}, "makes the classes .* got 'Sd'"),
        ({"noise": -1}, "noise must not be negative"),
        ({"psf": 0}, "psf must be a positive number of pixels or None"),
        ({"size": (0.3, 0.2)}, "size must be two growing fractions"),
        ({"weights": [1, 2]}, "weights must be 5 non-negative shares"),
    ],
)
def test_nonsense_is_refused(params, message):
    with pytest.raises(ValueError, match=message):
        make_galaxies(**params)
