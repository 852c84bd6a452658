"""ImageSequence.concatenate: as numpy's, and nothing is read before it is asked for."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from galaxy_sklearn import ImageSequence
from galaxy_sklearn.preprocessing import CenterCrop


def pixels(n, seed, side=6):
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_equals_numpy_s_concatenate(sizes, random):
    arrays = [pixels(n, seed) for seed, n in enumerate(sizes)]
    images = ImageSequence.concatenate([ImageSequence.from_array(one) for one in arrays])
    whole = np.concatenate(arrays)
    assert len(images) == len(whole)
    if len(whole):
        rows = [random.randrange(len(whole)) for _ in range(7)]
        np.testing.assert_array_equal(images.read(rows), whole[rows])
        np.testing.assert_array_equal(np.asarray(images[rows][::2]), whole[rows][::2])
        np.testing.assert_array_equal(images[len(whole) - 1], whole[-1])


def test_views_chains_and_nested_parts_are_read_as_they_are():
    a, b = pixels(5, 0, side=8), pixels(4, 1)
    crop = CenterCrop(6).fit(a)
    cropped = ImageSequence.from_array(a).map(crop)[[3, 1]]
    inner = ImageSequence.concatenate([cropped, ImageSequence.from_array(b)[::-1]])
    images = ImageSequence.concatenate([inner, cropped])
    expected = np.concatenate([crop.transform(a)[[3, 1]], b[::-1], crop.transform(a)[[3, 1]]])
    np.testing.assert_array_equal(np.asarray(images), expected)
    np.testing.assert_array_equal(np.asarray(pickle.loads(pickle.dumps(images))), expected)
    assert images.names == ["row 3", "row 1", "row 3", "row 2", "row 1", "row 0", "row 3", "row 1"]
    smaller = images.map(CenterCrop(4).fit(b))[1:]
    np.testing.assert_array_equal(np.asarray(smaller), expected[1:, 1:5, 1:5])


def save(folder, images, prefix):
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{prefix}{k}.png" for k in range(len(images))]
    for path, image in zip(paths, images):
        Image.fromarray(image).save(path)
    return paths


def test_a_part_s_cache_holds_what_leaves_the_whole_chain(tmp_path):
    a, b = pixels(3, 0), pixels(2, 1)
    files = save(tmp_path / "files", a, "a")
    cached = ImageSequence.from_files(files, cache=tmp_path / "cache")
    step = CenterCrop(4).fit(a)
    for _ in range(2):
        images = ImageSequence.concatenate([cached[[2, 0]], ImageSequence.from_array(b)]).map(step)
        expected = np.concatenate([a[[2, 0]], b])[:, 1:5, 1:5]
        np.testing.assert_array_equal(np.asarray(images), expected)
    (entry,) = (tmp_path / "cache").glob("*.npy")
    assert np.load(entry).shape == (3, 4, 4, 3)


def test_the_whole_can_be_cached(tmp_path):
    a = pixels(4, 0)
    part = ImageSequence.from_array(a)
    crop = CenterCrop(4).fit(a)
    images = ImageSequence.concatenate([part.map(crop), part[:1].map(crop)])
    stored = images.cache(tmp_path)
    np.testing.assert_array_equal(np.asarray(stored), np.asarray(images))
    assert np.load(next(tmp_path.glob("*.npy"))).shape[0] == 4


def test_blank_images_are_told_by_their_row(tmp_path):
    a = pixels(2, 0)
    files = [*save(tmp_path, a, "a"), tmp_path / "lost.png"]
    lost = ImageSequence.from_files(files, on_error="blank")
    images = ImageSequence.concatenate([ImageSequence.from_array(a), lost])
    with pytest.warns(UserWarning, match="could not read 1 of 5 images"):
        read = np.asarray(images)
    np.testing.assert_array_equal(read, np.concatenate([a, a, np.zeros_like(a[:1])]))
    assert [row for row, *_ in images.failed_] == [4]
    stored = images.cache(tmp_path / "kept")
    again = ImageSequence.concatenate([stored, lost])
    for known in (images, stored, again[:5]):
        assert known.unreadable_.tolist() == [False] * 4 + [True]
    assert not again.unreadable_[5:].any()  # not read yet


def test_raises_by_default(tmp_path):
    lost = ImageSequence.from_files([tmp_path / "lost.png"])
    images = ImageSequence.concatenate([ImageSequence.from_array(pixels(2, 0)), lost])
    with pytest.raises(ValueError, match=r"cannot read row 2, '.*lost.png'"):
        np.asarray(images)


@pytest.mark.parametrize("parts", [[], [np.zeros((2, 4, 4, 3))]])
def test_takes_sequences_only(parts):
    with pytest.raises(ValueError, match=r"concatenate takes one ImageSequence or more; got"):
        ImageSequence.concatenate(parts)
