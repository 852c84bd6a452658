"""What crops, sizes, contrast and conversions do to images."""

import threading

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from galaxy_sklearn.images import ImageSequence
from galaxy_sklearn.preprocessing import (
    CLAHE,
    CenterCrop,
    Flatten,
    GrayScale,
    MorphologicalOpening,
    Resize,
    Standardize,
    ToFloat,
)

DTYPES = st.sampled_from([np.uint8, np.float32, np.float64])
SIDES = st.integers(1, 24)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


# CenterCrop


@given(sides=st.tuples(SIDES, SIDES), size=st.tuples(SIDES, SIDES))
def test_the_odd_pixel_goes_at_the_bottom_right(sides, size):
    image = np.arange(np.prod(sides), dtype=np.float64).reshape(1, *sides, 1)
    cut = CenterCrop(size, pad="constant").fit_transform(image + 1)
    assert cut.shape == (1, *size, 1)
    start = [max(0, old - new) // 2 for old, new in zip(sides, size)]
    before = [max(0, new - old) // 2 for old, new in zip(sides, size)]
    kept = image[0, start[0] :, start[1] :, 0][: size[0], : size[1]] + 1
    there = cut[0, before[0] :, before[1] :, 0][: kept.shape[0], : kept.shape[1]]
    np.testing.assert_array_equal(there, kept)
    assert np.count_nonzero(cut) == kept.size


@given(sides=st.tuples(SIDES, SIDES), more=st.tuples(SIDES, SIDES), dtype=DTYPES)
@pytest.mark.parametrize("pad", ["constant", "reflect"])
def test_cropping_undoes_padding(sides, more, dtype, pad):
    image = noise(2, *sides, 3).astype(dtype)
    padded = CenterCrop((sides[0] + more[0], sides[1] + more[1]), pad=pad).fit_transform(image)
    np.testing.assert_array_equal(CenterCrop(sides).fit_transform(padded), image)


def test_crop_rules():
    image = np.arange(25.0).reshape(1, 5, 5)
    np.testing.assert_array_equal(CenterCrop(2).fit_transform(image)[0], [[6, 7], [11, 12]])
    assert CenterCrop().fit_transform(noise(2, 7, 4, 3)).shape == (2, 4, 4, 3)
    reflected = CenterCrop(3, pad="reflect").fit_transform(np.arange(4.0).reshape(1, 2, 2))[0]
    np.testing.assert_array_equal(reflected, [[0, 1, 0], [2, 3, 2], [0, 1, 0]])
    mixed = CenterCrop((7, 3), pad="constant").fit_transform(np.ones((1, 5, 5)))
    np.testing.assert_array_equal(mixed[0].sum(axis=1), [0, 3, 3, 3, 3, 3, 0])


# Resize


@settings(deadline=None)
@given(
    old=st.tuples(SIDES, SIDES),
    new=st.tuples(SIDES, SIDES),
    n_bands=st.sampled_from([1, 3, 4, 5, 9]),
    dtype=DTYPES,
    interpolation=st.sampled_from(["area", "cubic"]),
)
def test_bands_are_resized_each_for_itself(old, new, n_bands, dtype, interpolation):
    images = noise(2, *old, n_bands).astype(dtype)
    resized = Resize(new, interpolation=interpolation).fit_transform(images)
    assert resized.shape == (2, *new, n_bands)
    assert resized.dtype == dtype
    for k in range(n_bands):
        alone = Resize(new, interpolation=interpolation).fit_transform(images[..., k : k + 1])
        tolerance = 1 if dtype == np.uint8 else 1e-3
        np.testing.assert_allclose(
            resized[..., k : k + 1].astype(float), alone, rtol=1e-5, atol=tolerance
        )
    if dtype == np.uint8:
        exact = Resize(new, interpolation=interpolation).fit_transform(images.astype(np.float64))
        np.testing.assert_allclose(resized, np.clip(exact, 0, 255), atol=0.5 + 1e-3)


def area_means(image, side):
    """Average over exact areas by matrices of overlaps, in float64."""

    def overlaps(old):
        edges = np.arange(side + 1) * old / side
        low = np.maximum(edges[:-1, None], np.arange(old))
        high = np.minimum(edges[1:, None], np.arange(1, old + 1))
        return np.maximum(high - low, 0) * side / old

    return np.einsum("ih,jw,hwc->ijc", overlaps(image.shape[0]), overlaps(image.shape[1]), image)


@settings(deadline=None)
@given(old=st.tuples(st.integers(8, 60), st.integers(8, 60)), side=st.integers(1, 8), dtype=DTYPES)
def test_shrinking_averages_areas_and_keeps_the_mean(old, side, dtype):
    images = noise(1, *old, 5).astype(dtype)
    small = Resize(side).fit_transform(images)[0]
    exact = area_means(images[0], side)
    tolerance = 0.5 + 1e-3 if dtype == np.uint8 else 1e-3
    np.testing.assert_allclose(small, exact, rtol=0, atol=tolerance)
    np.testing.assert_allclose(exact.mean(), images.mean(dtype=np.float64), rtol=1e-12)
    if dtype != np.uint8:
        np.testing.assert_allclose(small.mean(), images.mean(), rtol=1e-5)


def test_fine_structure_goes_grey():
    checkers = (np.indices((64, 64)).sum(axis=0) % 2 * 254).astype(np.uint8)[None, ..., None]
    assert set(np.unique(Resize(32).fit_transform(checkers))) == {127}
    assert np.ptp(Resize(24).fit_transform(checkers).astype(int)) < 254 / 5
    columns = np.arange(256)
    for period in (2, 4, 8):
        wave = np.broadcast_to(np.sin(2 * np.pi * (columns + 0.3) / period), (1, 256, 256))
        assert np.abs(Resize(32).fit_transform(wave.copy())).max() < 1e-6
    wave = np.broadcast_to(np.sin(2 * np.pi * columns / 5.3), (1, 256, 256))
    assert np.abs(Resize(32).fit_transform(wave.copy())).max() < 0.25
    assert np.abs(wave[:, ::8, ::8]).max() > 0.9  # what skipping pixels would leave


def test_one_side_shrinks_while_the_other_grows():
    stripes = np.tile([0.0, 1.0], 32)[None, None, :, None].repeat(8, axis=1)
    for interpolation in ("area", "cubic"):
        changed = Resize((32, 16), interpolation=interpolation).fit_transform(stripes)
        np.testing.assert_allclose(changed, 0.5, atol=1e-6)


def test_growing_interpolates():
    ramp = np.arange(8.0)[None, None, :, None].repeat(8, axis=1)
    for interpolation, tolerance in (("area", 1e-6), ("cubic", 0.2)):
        grown = Resize(32, interpolation=interpolation).fit_transform(ramp)[0, 5, 2:-2, 0]
        np.testing.assert_allclose(grown, (np.arange(2, 30) + 0.5) / 4 - 0.5, atol=tolerance)
    spot = np.zeros((1, 9, 9), np.uint8)
    spot[0, 4, 4] = 255
    cubic = Resize(36, interpolation="cubic").fit_transform(spot)
    assert cubic.min() == 0
    assert cubic.max() > Resize(36).fit_transform(spot).max() * 0.9


# CLAHE


def plain_clahe(image, clip_limit=2.0, tiles=(8, 8)):
    clahe = cv2.createCLAHE(clip_limit, tiles)
    if image.shape[2] != 3:
        return np.dstack(
            [clahe.apply(np.ascontiguousarray(band)) for band in np.moveaxis(image, 2, 0)]
        )
    lightness, a, b = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2LAB))
    return cv2.cvtColor(cv2.merge([clahe.apply(lightness), a, b]), cv2.COLOR_LAB2RGB)


@settings(deadline=None, max_examples=40)
@given(
    sides=st.tuples(st.integers(8, 70), st.integers(8, 70)),
    n_bands=st.sampled_from([1, 2, 3, 5]),
    clip_limit=st.floats(0.5, 40),
    tiles=st.tuples(st.integers(1, 8), st.integers(1, 8)),
)
def test_clahe_is_that_of_opencv_to_the_bit(sides, n_bands, clip_limit, tiles):
    images = noise(3, *sides, n_bands) // 3
    expected = [plain_clahe(image, clip_limit, tiles) for image in images]
    transformer = CLAHE(clip_limit, tile_grid_size=tiles)
    np.testing.assert_array_equal(transformer.fit_transform(images), expected)
    floats = ToFloat().fit_transform(images)
    np.testing.assert_array_equal(
        transformer.fit_transform(floats), ToFloat().fit_transform(np.array(expected))
    )


def test_clahe_in_many_threads_at_once():
    images = noise(12, 256, 256, 3)
    expected = np.array([plain_clahe(image) for image in images])
    n_threads = cv2.getNumThreads()
    results = {}

    def work(k):
        results[k] = CLAHE().fit_transform(images)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        np.testing.assert_array_equal(results[k], expected)
    assert cv2.getNumThreads() == n_threads


def test_clahe_raises_the_contrast_of_faint_arms_within_its_limit():
    rng = np.random.default_rng(0)
    faint = (20 + 4 * np.indices((64, 64)).sum(axis=0) / 126 + rng.normal(0, 1, (64, 64))).round()
    faint = np.clip(faint, 0, 255).astype(np.uint8)[None, ..., None]
    results = [
        CLAHE(limit, tile_grid_size=(2, 2)).fit_transform(faint) for limit in (1.0, 4.0, 40.0)
    ]
    gains = [result.std() / faint.std() for result in results]
    assert 0.5 < gains[0] < 2 < gains[1] < gains[2]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("sides", [(1, 1), (1, 2), (2, 2), (1, 10), (7, 9), (40, 3)])
@pytest.mark.parametrize("n_bands", [1, 3])
def test_clahe_takes_one_tile_where_pixels_are_few(dtype, sides, n_bands):
    images = noise(4, *sides, n_bands)
    tiles = tuple(8 if side >= 8 else 1 for side in sides[::-1])
    expected = [plain_clahe(image, 2.0, tiles).reshape(image.shape) for image in images]
    if dtype != np.uint8:
        images, expected = ToFloat().fit_transform(images), np.float32(expected) / 255
    np.testing.assert_array_equal(CLAHE().fit_transform(images), expected)


def test_clahe_ranges_of_float_images():
    unit = noise(5, 32, 32, 1) / 255
    assert CLAHE().fit(unit * 0.7 + 0.1).data_range_ == (0, 1)
    flux = unit * 700 - 50
    fitted = CLAHE().fit(flux)
    assert fitted.data_range_ == (flux.min(), flux.max())
    np.testing.assert_allclose(
        fitted.transform(flux), CLAHE().fit_transform(unit) * 700 - 50, rtol=1e-9
    )
    beyond = np.where(flux == flux.max(), 1e9, flux)
    np.testing.assert_array_equal(fitted.transform(beyond), fitted.transform(flux))
    blank = CLAHE().fit_transform(np.full((2, 16, 16), 7.0))
    np.testing.assert_array_equal(blank, np.full((2, 16, 16), blank[0, 0, 0]))
    strict = CLAHE(data_range=(-50, 650)).fit(flux)
    with pytest.raises(ValueError, match=r"data_range=\(-50, 650\) and got -50 to 1e\+09") as error:
        strict.transform(ImageSequence.from_array(beyond)).read()
    assert "row 0" in error.value.__notes__[0]


# MorphologicalOpening


@settings(deadline=None)
@given(
    sides=st.tuples(SIDES, SIDES),
    n_bands=st.sampled_from([1, 3, 5]),
    size=st.integers(1, 9),
    shape=st.sampled_from(["ellipse", "rectangle", "cross"]),
    dtype=DTYPES,
)
def test_opening_never_brightens_and_needs_no_second_time(sides, n_bands, size, shape, dtype):
    images = noise(2, *sides, n_bands).astype(dtype)
    opening = MorphologicalOpening(size, shape=shape).fit(images)
    opened = opening.transform(images)
    assert opened.dtype == dtype
    assert (opened <= images).all()
    np.testing.assert_array_equal(opening.transform(opened), opened)
    brighter = images + np.asarray(images < 255, dtype)
    assert (opening.transform(brighter) >= opened).all()


@pytest.mark.parametrize("shape", ["ellipse", "rectangle", "cross"])
def test_opening_removes_a_star_and_keeps_a_galaxy(shape):
    rows, columns = np.indices((64, 64))
    galaxy = np.where(np.hypot(rows - 40, columns - 40) < 15, 200, 10).astype(np.uint8)
    image = galaxy.copy()
    image[10, 10] = image[10, 11] = 255
    opened = MorphologicalOpening(5, shape=shape).fit_transform(image[None])[0]
    np.testing.assert_array_equal(opened[:20, :20], 10)
    kept = np.count_nonzero(opened == 200) / np.count_nonzero(galaxy == 200)
    assert kept > 0.93
    square = np.zeros((1, 32, 32))
    square[0, 8:20, 5:25] = 1
    for size in (2, 3, 4, 5):
        opening = MorphologicalOpening(size, shape="rectangle")
        np.testing.assert_array_equal(opening.fit_transform(square), square)


# Standardize


@settings(deadline=None)
@given(shape=st.tuples(st.integers(1, 4), SIDES, SIDES, st.sampled_from([1, 3, 5])), dtype=DTYPES)
def test_standardize_per_image_follows_the_formula(shape, dtype):
    images = noise(*shape).astype(dtype)
    images[0] = 7
    result = Standardize().fit_transform(images)
    for image, standardized in zip(images.astype(np.float64), result):
        expected = (image - image.mean()) / max(image.std(), 1 / np.sqrt(image.size))
        np.testing.assert_allclose(standardized, expected, atol=1e-5)
    np.testing.assert_array_equal(result[0], 0)
    assert result.dtype == (np.float64 if dtype == np.float64 else np.float32)


def test_standardize_per_training_set_learns_each_band():
    images = noise(70, 200, 30, 3) * np.array([1.0, 1e-6, 1e6]) + np.array([0, 5.0, 1e9])
    fitted = Standardize("training").fit(images)
    np.testing.assert_allclose(fitted.mean_, images.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(fitted.var_, images.var(axis=(0, 1, 2)), rtol=1e-6)
    result = fitted.transform(images)
    np.testing.assert_allclose(result.mean(axis=(0, 1, 2)), 0, atol=1e-7)
    np.testing.assert_allclose(result.std(axis=(0, 1, 2)), 1, rtol=1e-6)
    parts = Standardize("training")
    for k in (0, 1, 25):
        parts.partial_fit(images[{0: slice(1), 1: slice(1, 25), 25: slice(25, 70)}[k]])
    np.testing.assert_allclose(parts.mean_, fitted.mean_, rtol=1e-12)
    np.testing.assert_allclose(parts.var_, fitted.var_, rtol=1e-9)
    assert parts.n_pixels_seen_ == fitted.n_pixels_seen_ == 70 * 200 * 30
    assert fitted.fit(images[:2]).n_pixels_seen_ == 2 * 200 * 30
    lazily = Standardize("training").partial_fit(ImageSequence.from_array(images[:5]))
    np.testing.assert_array_equal(lazily.mean_, Standardize("training").fit(images[:5]).mean_)


@pytest.mark.parametrize("level", [0.0, 0.1, 1e6 + 0.3])
def test_a_constant_band_becomes_zero(level):
    images = np.full((50, 40, 40, 2), level)
    images[..., 1] = noise(50, 40, 40)
    fitted = Standardize("training").fit(images)
    assert fitted.scale_[0] == 1
    np.testing.assert_allclose(fitted.transform(images)[..., 0], 0, atol=1e-11 * level)


def test_standardize_refuses_another_number_of_bands_late_in_a_sequence():
    fitted = Standardize("training").fit(noise(3, 4, 4, 3))
    with pytest.raises(ValueError, match="learned from images of 3 bands and got one of 1"):
        fitted.transform_images(noise(1, 4, 4, 1))


# GrayScale, ToFloat, Flatten


def test_luma_is_that_of_pillow_for_every_colour():
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 52, 3)
    images = np.concatenate([colours, noise(*colours.shape)])
    expected = [np.asarray(Image.fromarray(image).convert("L")) for image in images]
    grey = GrayScale().fit_transform(images)
    np.testing.assert_array_equal(grey[..., 0], expected)
    floats = GrayScale().fit_transform(ToFloat().fit_transform(images))
    np.testing.assert_allclose(floats * 255, grey, atol=0.51)


@pytest.mark.parametrize("n_bands", [1, 2, 4, 5, 9])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_grey_of_other_bands_is_their_mean(n_bands, dtype):
    images = noise(3, 6, 5, n_bands).astype(dtype)
    grey = GrayScale().fit_transform(images)
    assert grey.dtype == dtype
    exact = images.mean(axis=-1, keepdims=True, dtype=np.float64)
    np.testing.assert_allclose(grey, exact, rtol=1e-5, atol=0.5 if dtype == np.uint8 else 0)
    chosen = GrayScale([0] * (n_bands - 1) + [3]).fit_transform(images)
    np.testing.assert_array_equal(chosen, images[..., -1:])


def test_to_float():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    scaled = ToFloat().fit_transform(levels)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled.ravel(), np.arange(256, dtype=np.float32) / 255)
    for dtype in (np.float32, np.float64):
        np.testing.assert_array_equal(
            ToFloat().fit_transform(levels.astype(dtype)), levels.astype(dtype), strict=True
        )


def test_flatten_undoes_folding():
    images = noise(4, 3, 2, 5)
    rows = Flatten().fit_transform(images)
    np.testing.assert_array_equal(rows, images.reshape(4, 30))
    np.testing.assert_array_equal(Flatten(image_shape=(3, 2, 5)).fit_transform(rows), rows)
    fitted = Flatten().fit(ImageSequence.from_array(images))
    with pytest.raises(ValueError, match=r"Flatten was fitted on images of shape \(3, 2, 5\)"):
        fitted.transform(ImageSequence.from_array(images[:, :2]))


def test_the_range_of_clahe_is_that_of_every_image():
    X = np.random.default_rng(0).random((1500, 8, 8, 1), dtype=np.float32)
    X[2, 3, 3] = 30
    lazy = CLAHE().fit(ImageSequence.from_array(X)).data_range_
    assert lazy == CLAHE().fit(X).data_range_ == (float(X.min()), 30.0)


def test_images_of_several_shapes_are_told_apart():
    ragged = [np.zeros((8, 8, 3)), np.zeros((8, 8, 3)), np.zeros((8, 9, 3))]
    with pytest.raises(ValueError, match=r"of one shape; got \(8, 8, 3\) and \(8, 9, 3\)"):
        Resize(4).fit_transform(ragged)


@pytest.mark.parametrize("bands", [1, 2, 3, 4, 5])
def test_bands_in_front_are_refused(bands):
    with pytest.raises(ValueError, match="looks like channels first"):
        Resize(8).fit_transform(np.zeros((2, bands, 32, 32)))
