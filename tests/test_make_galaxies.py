"""Generated galaxies have the structure they claim to have."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galaxy_sklearn.datasets import make_galaxies
from galaxy_sklearn.datasets._make_galaxies import _LONGER, galaxy_light, sky_noise
from galaxy_sklearn.datasets._morphology import CLASS_SETS, Stamp
from galaxy_sklearn.datasets._profiles import (
    EDGE_ON_HALF,
    arm_contrast,
    bar,
    edge_on_disk,
    light_within,
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
    assert flux[radius <= 35].sum() == pytest.approx(light_within(35.0, 20.0, index), abs=3e-3)


@pytest.mark.parametrize("index", [1.0, 4.0])
def test_a_cusp_keeps_its_light_on_coarse_pixels(index):
    centre = 3.3, -8.1
    profile = Stamp(64).ellipse(lambda r: sersic(r, 2.0, index), 30.0, 0.6, centre)
    expected = light_within(np.array([60.0]), 2.0, index)[0]
    assert profile.sum() == pytest.approx(expected, rel=0.02)


def test_a_bar_holds_all_its_light():
    assert bar(*_grid(100), 30.0, 8.0).sum() == pytest.approx(1, abs=1e-3)


def test_an_edge_on_disk_holds_all_its_light():
    x, y = _grid(300)
    disk = edge_on_disk(x, y, 20.0, 6.0)
    assert disk.sum() == pytest.approx(1, abs=5e-3)
    half = disk[np.abs(x) <= 20 * EDGE_ON_HALF].sum()
    assert half == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("pitch", [8.0, 15.0, 30.0])
@pytest.mark.parametrize(("n_arms", "winding"), [(2, 1), (3, 1), (2, -1)])
def test_arms_wind_with_their_pitch_angle(pitch, n_arms, winding):
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
            winding=winding,
        )
        assert (contrast > 0).all()
        phases.append(np.angle(np.sum(contrast * np.exp(-1j * n_arms * angle))))
    turns = -np.unwrap(phases) / n_arms
    slope = np.polyfit(np.log(radii), turns, 1)[0]
    assert np.rad2deg(np.arctan(winding / slope)) == pytest.approx(pitch, rel=0.02)


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


def _lights(kind, n, *, image_size=128, size=(0.07, 0.08)):
    """Noiseless, unblurred light of `n` galaxies alone in their frames, and their truths."""
    return [
        galaxy_light(
            np.random.default_rng(seed),
            kind,
            image_size=image_size,
            psf=None,
            size=size,
            neighbours=0,
        )
        for seed in range(n)
    ]


def _disk_plane(light, truth):
    """Coordinates of the pixels in the plane of the galaxy, in pixels."""
    half = (len(light) - 1) / 2
    x, y = np.meshgrid(np.arange(-half, half + 1), -np.arange(-half, half + 1))
    angle = np.deg2rad(truth["position_angle"])
    along = x * np.cos(angle) + y * np.sin(angle)
    return along, (y * np.cos(angle) - x * np.sin(angle)) / truth["axis_ratio"]


@pytest.mark.parametrize("kind", sorted({name for names in CLASS_SETS.values() for name in names}))
def test_half_of_a_galaxy_lies_within_its_half_light_radius(kind):
    for light, truth in _lights(kind, 6):
        along, across = _disk_plane(light, truth)
        radius = np.abs(along) if kind == "edge_on" else np.hypot(along, across)
        inside = radius <= truth["half_light_radius"]
        share = light.mean(2)[inside].sum() / truth["flux"]
        assert share == pytest.approx(0.5, abs=0.05), (kind, truth)


@pytest.mark.parametrize("kind", ["cigar", "S0", "Sb", "SBc", "edge_on", "Irr"])
def test_the_light_adds_up_to_the_flux(kind):
    for light, truth in _lights(kind, 4, size=(0.05, 0.06)):
        assert light.mean(2).sum() == pytest.approx(truth["flux"], rel=1e-3)


@pytest.mark.parametrize("kind", ["round", "cigar", "E", "S0", "Sb", "Sc"])
def test_sizes_are_near_those_asked_for(kind):
    for _, truth in _lights(kind, 6, size=(0.06, 0.06)):
        longer = _LONGER.get(kind, 1.0)
        assert truth["half_light_radius"] == pytest.approx(0.06 * longer * 128, rel=0.15), truth


def test_a_companion_is_no_light_of_the_galaxy():
    truths = [
        galaxy_light(
            np.random.default_rng(1), "Sc", image_size=64, psf=None, size=(0.1, 0.1), neighbours=n
        )[1]
        for n in (0, 20)
    ]
    for name in ("flux", "half_light_radius"):
        assert truths[0][name] == truths[1][name]


def test_arms_turn_either_way_and_it_is_told():
    _, labels, truth = make_galaxies(
        300, image_size=16, classes="hubble", return_parameters=True, random_state=0
    )
    assert truth["winding"].notna().equals(truth["n_arms"].notna())
    windings = truth["winding"].dropna()
    assert set(windings) == {1, -1}
    assert 0.4 < (windings == 1).mean() < 0.6


def test_the_table_has_all_its_columns_whatever_the_classes():
    tables = [
        make_galaxies(5, image_size=16, classes=classes, return_parameters=True)[2]
        for classes in (["E", "round"], ["SBb", "edge_on"], "hubble")
    ]
    for table in tables:
        assert list(table.columns) == list(tables[0].columns)
        assert set(re.findall(r"[a-z_]+", make_galaxies.__doc__)) >= set(table.columns)
    assert tables[0][["pitch_angle", "winding", "dust", "bar_length"]].isna().all(axis=None)


def test_more_bulge_means_more_light_in_the_middle():
    lights = [pair for kind in ("Sa", "Sb", "Sc") for pair in _lights(kind, 12)]
    planted = [truth["bulge_fraction"] for _, truth in lights]
    middle = []
    for light, truth in lights:
        near = np.hypot(*_disk_plane(light, truth)) <= 0.3 * truth["half_light_radius"]
        middle.append(light.mean(2)[near].sum() / truth["flux"])
    assert np.corrcoef(planted, middle)[0, 1] > 0.8


@pytest.mark.parametrize("kind", ["Sb", "Sc"])
def test_the_phase_of_the_arms_recovers_the_pitch_angle(kind):
    errors = []
    for light, truth in _lights(kind, 24, image_size=160, size=(0.1, 0.11)):
        along, across = _disk_plane(light, truth)
        radius, angle = np.hypot(along, across), np.arctan2(across, along)
        radii = truth["half_light_radius"] * np.geomspace(0.9, 2.2, 12)
        phases, n_arms = [], truth["n_arms"]
        for inner, outer in zip(radii[:-1], radii[1:]):
            ring = (radius >= inner) & (radius < outer)
            wave = np.exp(-1j * n_arms * angle[ring])
            phases.append(np.angle(np.sum(light[..., 2][ring] * wave)))
        turns = -np.unwrap(phases) / n_arms
        slope = np.polyfit(np.log(radii[:-1] * radii[1:]) / 2, turns, 1)[0]
        pitch = np.rad2deg(np.arctan(truth["winding"] / slope))
        errors.append(pitch / truth["pitch_angle"] - 1)
    assert np.median(np.abs(errors)) < 0.1
    assert abs(np.median(errors)) < 0.08


def test_bars_lie_at_their_angle():
    errors = []
    for light, truth in _lights("SBc", 12, image_size=160, size=(0.1, 0.11)):
        along, across = _disk_plane(light, truth)
        inside = np.hypot(along, across) <= 0.9 * truth["bar_length"]
        tensor = np.cov(along[inside], across[inside], aweights=light[..., 0][inside])
        major = np.linalg.eigh(tensor)[1][:, 1]
        gap = np.rad2deg(np.arctan2(major[1], major[0])) - truth["bar_angle"]
        errors.append(abs((gap + 90) % 180 - 90))
    assert np.median(errors) < 5


def test_the_blur_has_the_width_that_is_asked_and_told():
    options = {"image_size": 96, "size": (0.001, 0.001), "neighbours": 0}
    light, truth = galaxy_light(np.random.default_rng(0), "round", psf=9.0, **options)
    bright = light.mean(2) >= light.mean(2).max() / 2
    assert 2 * np.sqrt(bright.sum() / np.pi) == pytest.approx(9.0, rel=0.1)
    assert truth["psf"] == 9.0
    _, truth = galaxy_light(np.random.default_rng(0), "round", psf="auto", **options)
    assert 0.016 * 96 <= truth["psf"] <= 0.030 * 96


def test_noise_grows_with_light_and_knows_its_level():
    rng = np.random.default_rng(0)
    dark = sky_noise(rng, np.zeros((256, 256, 3), np.float32), 1.0)
    bright = sky_noise(rng, np.full((256, 256, 3), 20.0, np.float32), 1.0)
    assert dark.std() == pytest.approx(0.25, rel=0.1)
    assert bright.std() == pytest.approx(0.25 * np.sqrt(1 + 0.15 * 20 / 0.25), rel=0.1)
    assert not sky_noise(rng, np.zeros((8, 8, 3), np.float32), 0.0).any()


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
        images, _ = make_galaxies(8, noise=noise, neighbours=0, size=(0.05, 0.05), random_state=0)
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
        ({"n_samples": True}, "n_samples must be a whole number of at least 1. Got True"),
        ({"image_size": 4}, "image_size must be a whole number of at least 8. Got 4"),
        ({"classes": "hubbel"}, "knows the class sets galaxy_zoo_2, hubble; got 'hubbel'"),
        ({"classes": ["E", "Sd"]}, "makes the classes .* got 'Sd'"),
        ({"classes": 5}, "one of the sets galaxy_zoo_2, hubble or a sequence .*; got 5"),
        ({"classes": None}, "or a sequence of class names; got None"),
        ({"classes": []}, r"makes the classes .* got \[\]"),
        ({"noise": -1}, "noise must not be negative"),
        ({"psf": 0}, "psf must be 'auto', a positive number of pixels or None. Got 0"),
        ({"psf": "wide"}, "psf must be 'auto', .* Got 'wide'"),
        ({"noise": "much"}, "noise must not be negative. Got 'much'"),
        ({"size": (0.3, 0.2)}, "size must be two rising shares below 0.5"),
        ({"size": 0.1}, "size must be two rising shares below 0.5. Got 0.1"),
        ({"weights": [1, 1, 1, 1, np.nan]}, "weights must be 5 non-negative shares"),
        ({"weights": [1, 2]}, "weights must be 5 non-negative shares"),
    ],
)
def test_nonsense_is_refused(params, message):
    with pytest.raises(ValueError, match=message):
        make_galaxies(**params)
