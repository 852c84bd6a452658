"""Standardising each image: the unit of float images has no part in it, uint8 is TensorFlow's."""

import math

import numpy as np
import pytest
import torch
from small_networks import small

from galaxy_sklearn._training.model import whiten, whiten_floats
from galaxy_sklearn.images import ImageSequence
from galaxy_sklearn.preprocessing import Standardize

FLUX = np.random.default_rng(0).normal(1, 0.3, (6, 20, 18, 3))
UNITS = [1e-30, 1e-3, 1.0, 1e9]


def whitened(images):
    """Return what a network sees of float images."""
    views = torch.from_numpy(images).permute(0, 3, 1, 2)
    return whiten_floats(views).permute(0, 2, 3, 1).numpy()


def standardized(images):
    return Standardize().fit_transform(images)


@pytest.mark.parametrize("function", [standardized, whitened])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("unit", UNITS)
def test_the_unit_does_not_matter(function, dtype, unit):
    found = function((FLUX * unit).astype(dtype))
    np.testing.assert_allclose(found, function(FLUX), atol=1e-5)
    np.testing.assert_allclose(found.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(found.std((1, 2, 3)), 1, rtol=1e-5)
    assert found.dtype == dtype


@pytest.mark.parametrize("function", [standardized, whitened])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("level", [0.0, 0.1, -7e-21, 1e6 + 0.3, 1e30])
def test_an_image_without_contrast_becomes_zeros(function, dtype, level):
    images = np.full((3, 20, 18, 3), level, dtype)
    images[1, ::2] = np.nextafter(images[1, ::2], dtype(np.inf))  # no more than rounding
    if level == 0:
        images[1] = 0
    np.testing.assert_array_equal(function(images), 0)


@pytest.mark.parametrize("function", [standardized, whitened])
def test_faint_contrast_on_a_bright_sky_is_kept(function):
    images = (1e4 + FLUX).astype(np.float32)
    np.testing.assert_allclose(function(images).std((1, 2, 3)), 1, rtol=1e-3)


@pytest.mark.parametrize("contrast", [0, 1, 200])
def test_uint8_has_the_floor_of_tensorflow(contrast):
    images = np.full((4, 20, 18, 3), 9, np.uint8)
    images[:, 5, 5, 0] += np.uint8(contrast)
    floor = 1 / math.sqrt(images[0].size)
    exact = images.astype(np.float64)
    mean, deviation = exact.mean((1, 2, 3))[0], exact.std((1, 2, 3))[0]
    expected = (exact - mean) / max(deviation, floor)
    np.testing.assert_allclose(standardized(images), expected, atol=1e-5)
    assert deviation < floor or contrast == 200
    views = torch.from_numpy(exact / 255).permute(0, 3, 1, 2)
    expected = (exact - mean) / 255 / max(deviation / 255, floor)
    np.testing.assert_allclose(whiten(views).permute(0, 2, 3, 1), expected, atol=1e-12)


@pytest.mark.parametrize("lazy", [False, True])
def test_a_network_is_the_same_in_every_unit(lazy):
    y = np.arange(6) % 2
    take = ImageSequence.from_array if lazy else np.asarray
    params = {"standardize": "image", "precision": "float32", "max_epochs": 2}
    expected = small(**params).fit(take(FLUX), y).predict_proba(take(FLUX))
    faint = FLUX / 1024
    found = small(**params).fit(take(faint), y).predict_proba(take(faint))
    np.testing.assert_allclose(found, expected, rtol=1e-4)
