"""0..255 in uint8 and values in float are never mixed, whatever steps turn one into the other."""

import pickle

import numpy as np
import pytest
from PIL import Image
from sklearn.pipeline import make_pipeline
from small_networks import small

from galaxy_sklearn.exceptions import ImageReadWarning
from galaxy_sklearn.images import ImageSequence
from galaxy_sklearn.preprocessing import Flatten, ImageReader, Resize, ToFloat

SHALLOW = np.random.default_rng(0).integers(0, 256, (6, 16, 16), dtype=np.uint8)
DEEP = SHALLOW.astype(np.uint16) * 257


def save(folder, images, prefix):
    paths = [str(folder / f"{prefix}{k}.png") for k in range(len(images))]
    for path, image in zip(paths, images):
        Image.fromarray(image).save(path)
    return paths


@pytest.fixture
def shallow(tmp_path):
    return save(tmp_path, SHALLOW, "shallow")


@pytest.fixture
def deep(tmp_path):
    return save(tmp_path, DEEP, "deep")


MESSAGE = r"(row 6 .*deep0\.png'. is float32|is uint8), expected .* the first; scale pixels alike"


def reader(**params):
    return make_pipeline(ImageReader(mode=None, n_jobs=2, **params), ToFloat())


@pytest.mark.parametrize("params", [{}, {"on_error": "blank"}, {"cache": "kept"}])
def test_steps_do_not_hide_mixed_pixels(shallow, deep, params, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = reader(**params).fit_transform([*shallow, *deep[:1]])
    for read in (
        np.asarray,
        list,
        lambda images: images.in_memory().read(),
        Flatten().fit_transform,
    ):
        with pytest.raises(ValueError, match=MESSAGE):
            read(images)
    with pytest.raises(ValueError, match=MESSAGE):
        pickle.loads(pickle.dumps(images)).read()
    assert not list(tmp_path.glob("kept/*.npy"))


def test_training_refuses_mixed_pixels(shallow, deep):
    model = make_pipeline(*reader(), small(max_epochs=1))
    with pytest.raises(ValueError, match="expected (uint8|float32) like the first; scale pixels"):
        model.fit([*shallow, *deep], np.arange(12) % 2)


@pytest.mark.parametrize("kind", ["shallow", "deep"])
def test_pixels_of_one_kind_pass(request, kind):
    files = request.getfixturevalue(kind)
    scale = 255 if kind == "shallow" else 1
    expected = {"shallow": SHALLOW, "deep": DEEP}[kind].astype(np.float32) / scale
    read = np.asarray(reader().fit_transform(files))
    np.testing.assert_array_equal(read[..., 0], expected)


def test_a_blank_first_image_is_no_measure(tmp_path, deep):
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"")
    images = reader(on_error="blank").fit_transform([damaged, *deep])
    with pytest.warns(ImageReadWarning, match="1 of 7"):
        read = np.asarray(images)
    np.testing.assert_array_equal(read[1:, ..., 0], DEEP)


def test_views_of_one_kind_are_read(shallow, deep):
    images = reader().fit_transform([*shallow, *deep])
    np.testing.assert_array_equal(images[6:].read()[..., 0], DEEP)
    np.testing.assert_allclose(images[:6].read()[..., 0], SHALLOW / 255, rtol=1e-6)


@pytest.mark.parametrize("cache", [None, "kept"])
@pytest.mark.parametrize("in_memory", [False, True])
def test_parts_of_a_concatenation_are_of_one_kind(shallow, deep, cache, in_memory, tmp_path):
    cache = cache and tmp_path / cache
    parts = [ImageSequence.from_files(files, mode=None, cache=cache) for files in (shallow, deep)]
    images = ImageSequence.concatenate([part[:0] for part in parts] + parts)
    step = ToFloat().fit(SHALLOW)
    for mapped in (images.map(step), images.map(step).map(Resize(16).fit(DEEP))):
        with pytest.raises(ValueError, match=MESSAGE):
            (mapped.in_memory() if in_memory else mapped).read()
    scaled = ImageSequence.concatenate([parts[0].map(step), parts[1]]).map(step)
    np.testing.assert_array_equal(scaled.read()[6:, ..., 0], DEEP)
