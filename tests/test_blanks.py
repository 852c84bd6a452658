"""Blanks in place of files that could not be read do not count where images are measured."""

import numpy as np
import pytest
from PIL import Image

from galaxy_sklearn._training.data import field_of_view, pixel_range
from galaxy_sklearn.exceptions import ImageReadWarning
from galaxy_sklearn.images import ImageSequence
from galaxy_sklearn.preprocessing import ToFloat


@pytest.fixture
def files(tmp_path):
    y, x = np.indices((32, 32)) - 15.5
    light = 60 + 150 * np.exp(-(x**2 + y**2) / 40)
    image = np.repeat(light[..., None], 3, axis=2).astype(np.uint8)
    files = [str(tmp_path / f"{number}.png") for number in range(5)]
    for number, file in enumerate(files):
        Image.fromarray(image + number).save(file)
    return files


def with_lost(files):
    lost = [f"{file}.lost.png" for file in files]
    return ImageSequence.from_files([*lost, "lost.png", *files], on_error="blank")


def test_the_field_is_that_of_the_galaxies_there_are(files):
    expected = field_of_view(ImageSequence.from_files(files))
    assert expected < 1
    with pytest.warns(ImageReadWarning):
        assert field_of_view(with_lost(files)) == expected
    with pytest.warns(ImageReadWarning):
        assert field_of_view(with_lost(files)[[0, 1, 6, 7]][:2]) == 1.0


def test_the_range_is_that_of_the_galaxies_there_are(files):
    expected = pixel_range(ToFloat().fit_transform(ImageSequence.from_files(files)))
    assert expected[0].min() > 0.2
    with pytest.warns(ImageReadWarning):
        found = pixel_range(ToFloat().fit_transform(with_lost(files)))
    np.testing.assert_array_equal(found, expected)
    with pytest.warns(ImageReadWarning):
        low, high = pixel_range(ToFloat().fit_transform(with_lost(files))[:2])
    assert not low.any()
    assert not high.any()
