"""Images whose channels come first, or that are a single one, are told from stacks of images."""

import h5py
import numpy as np
import pytest

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.images import ImageSequence
from galaxy_sklearn.preprocessing import ImageReader, Resize

CHANNELS_FIRST = np.random.default_rng(0).random((20, 3, 24, 24))


@pytest.fixture(params=["array", "hdf5", "rows of hdf5", "chained"])
def channels_first(request, tmp_path):
    with h5py.File(tmp_path / "cf.h5", "w") as file:
        file["i"] = CHANNELS_FIRST
    if request.param == "hdf5":
        return ImageSequence.from_hdf5(tmp_path / "cf.h5", "i")
    if request.param == "rows of hdf5":
        return ImageReader().fit_transform([f"{tmp_path}/cf.h5::i::{row}" for row in range(20)])
    images = ImageSequence.from_array(CHANNELS_FIRST)
    return images.fill_nan(0.0) if request.param == "chained" else images


@pytest.mark.parametrize("step", [Resize(8), GalaxyClassifier("linear", max_epochs=1)])
def test_channels_first_are_refused_in_a_sequence(channels_first, step):
    message = r"got shape \(20, 3, 24, 24\), which looks like channels first: .*np.moveaxis"
    with pytest.raises(ValueError, match=message):
        step.fit(channels_first, np.arange(20) % 2)


def test_what_the_message_advises_is_taken(channels_first):
    turned = ImageSequence.from_array(np.moveaxis(np.asarray(channels_first), 1, -1))
    assert Resize(8).fit_transform(turned).shape == (20, 8, 8, 3)


def test_a_sequence_read_later_is_held_to_the_same():
    step = Resize(8).fit(np.zeros((2, 24, 24, 24)))
    with pytest.raises(ValueError, match="looks like channels first"):
        step.transform(ImageSequence.from_array(CHANNELS_FIRST))


@pytest.mark.parametrize("bands", [3, 4])
@pytest.mark.parametrize(
    "take",
    [
        Resize(8).fit_transform,
        ImageReader().fit,
        ImageSequence.from_array,
        lambda image: GalaxyClassifier("linear").fit(image, np.arange(40) % 2),
    ],
)
def test_a_single_image_is_no_stack(take, bands):
    image = np.zeros((40, 32, bands), np.uint8)
    with pytest.raises(ValueError, match=r"looks like one image: X\[np.newaxis\] is a stack"):
        take(image)
    assert len(ImageSequence.from_array(image[np.newaxis])) == 1
    assert Resize(2).fit_transform(image[..., np.newaxis]).shape == (40, 2, 2, 1)


@pytest.mark.parametrize("shape", [(40, 32, 2), (40, 32, 5), (40, 15, 3), (15, 40, 3)])
def test_narrow_grey_images_are_taken(shape):
    assert Resize(2).fit_transform(np.zeros(shape)).shape == (shape[0], 2, 2)
    assert len(ImageSequence.from_array(np.zeros(shape))) == shape[0]
