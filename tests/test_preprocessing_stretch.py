"""Brightness stretches: curves, colours, and levels that only the training images set."""

import numpy as np
import pytest
from astropy.visualization import LuptonAsinhStretch
from astropy.visualization.lupton_rgb import RGBImageMappingLupton
from hypothesis import given, settings
from hypothesis import strategies as st

from galaxy_sklearn.images import ImageSequence
from galaxy_sklearn.preprocessing import AsinhStretch, PercentileStretch
from galaxy_sklearn.preprocessing._base import sample_pixels


def sky(*shape, noise=0.01, seed=0):
    """Return flux of noise around 0 with a bright galaxy in the middle."""
    rows, columns = np.indices(shape[1:3])
    radius = np.hypot(rows - shape[1] / 2, columns - shape[2] / 2)
    flux = np.exp(-radius / 3)[None, ..., None] * np.linspace(0.5, 2, shape[3])
    return flux + np.random.default_rng(seed).normal(0, noise, shape)


@pytest.mark.parametrize("stretch", [0.05, 0.5])
@pytest.mark.parametrize("Q", [2, 8])
def test_colours_are_those_of_astropy(stretch, Q):
    images = sky(2, 32, 32, 3) * 3
    mapping = RGBImageMappingLupton(stretch=LuptonAsinhStretch(stretch, Q))
    softening = stretch / Q
    white = softening * np.sinh(np.arcsinh(0.1 * Q) / 0.1)  # where astropy's curve reaches 1
    fitted = AsinhStretch(softening, white=white).fit(images)
    for image, stretched in zip(images, fitted.transform(images)):
        expected = mapping.make_rgb_image(*np.moveaxis(image, 2, 0), output_dtype=np.float64)
        np.testing.assert_allclose(stretched, expected, atol=1e-9)


def test_one_band_follows_the_curve():
    flux = np.array([-1.0, 0, 0.02, 1, 10, 50]).reshape(1, 2, 3)
    fitted = AsinhStretch(0.02, white=10).fit(flux)
    curve = np.arcsinh(flux / 0.02) / np.arcsinh(10 / 0.02)
    np.testing.assert_allclose(fitted.transform(flux), np.clip(curve, 0, 1), rtol=1e-12)
    fitted.set_params(clip=False)
    np.testing.assert_allclose(fitted.transform(flux), curve, rtol=1e-12)
    np.testing.assert_allclose(fitted.transform(-flux), -curve, rtol=1e-12)
    lifted = AsinhStretch(0.02, white=13, black=3).fit(flux + 3)
    np.testing.assert_allclose(lifted.transform(flux + 3), np.clip(curve, 0, 1), atol=1e-9)


@settings(deadline=None)
@given(
    colour=st.lists(st.floats(0.01, 1), min_size=2, max_size=6),
    brightness=st.floats(1e-6, 1e6),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_ratios_of_bands_stay(colour, brightness, dtype):
    image = (np.array(colour) * brightness).astype(dtype).reshape(1, 1, 1, -1)
    result = AsinhStretch(0.1, white=100.0).fit_transform(image)[0, 0, 0]
    assert result.dtype == dtype
    assert 0 < result.max() <= 1 + 1e-6
    np.testing.assert_allclose(result / result.max(), np.array(colour) / max(colour), rtol=1e-4)
    intensity = np.mean(colour) * brightness
    if result.max() < 0.999:
        expected = np.arcsinh(intensity / 0.1) / np.arcsinh(1000)
        np.testing.assert_allclose(result.mean(), expected, rtol=1e-4)


def test_negative_flux():
    images = np.array([[-1.0, -1, 2], [-3, 1, 1], [0, 0, 0]]).reshape(1, 1, 3, 3)
    clipped = AsinhStretch(1, white=10).fit_transform(images)[0, 0]
    np.testing.assert_array_equal(clipped, 0)  # intensities of 0, below 0, and 0
    signed = AsinhStretch(1, white=10, clip=False).fit_transform(images)[0, 0]
    np.testing.assert_allclose(signed[0], images[0, 0, 0] / np.arcsinh(10), rtol=1e-12)
    assert (np.sign(signed) == np.sign(images[0, 0])).all()
    assert np.isfinite(AsinhStretch().fit_transform(sky(4, 16, 16, 3))).all()


def test_white_and_softening_are_learned_from_training_images_only():
    training = sky(20, 96, 96, 2)
    fitted = AsinhStretch().fit(training)
    assert fitted.softening_ == pytest.approx(0.01 / np.sqrt(2), rel=0.25)
    intensity = training.mean(axis=-1)
    assert fitted.white_ == pytest.approx(np.quantile(intensity, 0.999), rel=1e-12)
    star = training[:2].copy()
    star[0, 5, 5] = 1e5
    np.testing.assert_array_equal(fitted.transform(star)[1], fitted.transform(training)[1])
    faint = training * 1e-3  # beside a bright star, as space telescopes see it
    faint[:, 40:44, 40:44] = 1.0
    assert AsinhStretch().fit(faint).softening_ == pytest.approx(1e-5 / np.sqrt(2), rel=0.25)
    noiseless = AsinhStretch().fit(np.maximum(sky(4, 40, 40, 1, noise=0) - 0.1, 0))
    assert noiseless.softening_ == pytest.approx(noiseless.white_ / 1000)


def test_float32_flux_stays_float32():
    images = sky(3, 16, 16, 3)
    exact = AsinhStretch(0.01, white=2.0).fit_transform(images)
    short = AsinhStretch(0.01, white=2.0).fit_transform(images.astype(np.float32))
    assert short.dtype == np.float32
    np.testing.assert_allclose(short, exact, atol=1e-4)


def test_the_sample_is_bounded_and_the_same_from_a_sequence(monkeypatch):
    monkeypatch.setattr("galaxy_sklearn.preprocessing._base._SAMPLE_PIXELS", 20_000)
    monkeypatch.setattr("galaxy_sklearn.preprocessing._base._SAMPLE_IMAGES", 50)
    monkeypatch.setattr("galaxy_sklearn.preprocessing._base._BLOCK_VALUES", 10_000)
    images = sky(300, 30, 30, 2).astype(np.float32)
    sequence = ImageSequence.from_array(images)
    by_array = sample_pixels("Test", images)
    assert by_array.shape == (20_000, 2)
    np.testing.assert_array_equal(by_array, sample_pixels("Test", sequence))
    monkeypatch.undo()
    whole = sample_pixels("Test", images)
    assert len(whole) == 300 * 30 * 30
    np.testing.assert_allclose(by_array.mean(axis=0), whole.mean(axis=0), rtol=0.05)
    np.testing.assert_allclose(np.quantile(by_array, 0.99), np.quantile(whole, 0.99), rtol=0.1)


# PercentileStretch


@settings(deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12), st.integers(1, 5)),
    lower=st.floats(0, 50),
    upper=st.floats(51, 100),
    dtype=st.sampled_from([np.uint8, np.float32, np.float64]),
)
def test_percentiles_become_0_and_1(shape, lower, upper, dtype):
    images = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    result = PercentileStretch(lower, upper=upper).fit_transform(images)
    assert result.dtype == (np.float64 if dtype == np.float64 else np.float32)
    for image, stretched in zip(images, result):
        low, high = np.percentile(image, [lower, upper])
        if high > low + 1e-3:
            expected = np.clip((image - low) / (high - low), 0, 1)
            np.testing.assert_allclose(stretched, expected, atol=1e-3)
        assert 0 <= stretched.min() <= stretched.max() <= 1


def test_an_image_sets_its_own_scale_unless_told_otherwise():
    images = sky(6, 32, 32, 3)
    images[0] *= 100
    own = PercentileStretch().fit(images)
    np.testing.assert_allclose(own.transform(images)[0], own.transform(images / 100)[0], atol=1e-9)
    shared = PercentileStretch(5, upper=95, per="training").fit(images)
    np.testing.assert_allclose(shared.levels_, np.percentile(images, [5, 95]), rtol=1e-12)
    assert shared.transform(images)[0].std() > shared.transform(images)[1].std()


def test_a_flat_image_is_dark_but_for_what_stands_out():
    flat = np.full((1, 10, 10), 7, np.uint8)
    np.testing.assert_array_equal(PercentileStretch().fit_transform(flat), 0)
    image = np.full((1, 40, 40), 7.0)
    image[0, 3, 3] = 9
    result = PercentileStretch().fit_transform(image)
    assert result[0, 3, 3] == 1
    assert result.sum() == 1


def test_real_flux(real_data):
    paths = sorted((real_data / "hst_fits").rglob("*.fits"))
    flux = ImageSequence.from_files(paths)
    fitted = AsinhStretch().fit(flux)
    assert 0.002 < fitted.softening_ < 0.02  # the noise of single cutouts is 0.003 to 0.016
    pictures = fitted.transform(flux).read()
    assert pictures.dtype == np.float32
    assert pictures.min() == 0
    assert pictures.max() == 1
    assert np.median(pictures) < 0.15
    assert (np.quantile(pictures, 0.99, axis=(1, 2, 3)) > 0.25).all()
