"""Images that are decoded once and then kept in memory."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image
from small_networks import small

from galaxy_sklearn._training import data
from galaxy_sklearn.exceptions import ImageReadWarning
from galaxy_sklearn.images import ImageSequence
from galaxy_sklearn.preprocessing import CenterCrop
from galaxy_sklearn.semi_supervised import FixMatchClassifier


class Count:
    """A step that counts the images it sees by their first pixel."""

    def __init__(self):
        self.seen = Counter()

    def transform_images(self, images):
        self.seen.update(images[:, 0, 0, 0].tolist())
        return images


@pytest.fixture
def pixels():
    pixels = np.random.default_rng(0).integers(0, 255, (40, 16, 16, 3), dtype=np.uint8)
    pixels[:, 0, 0, 0] = np.arange(40)
    return pixels


@pytest.fixture
def count():
    return Count()


@pytest.fixture
def files(tmp_path, pixels):
    for k, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f"{k:02}.png")
    return sorted(tmp_path.glob("*.png"))


@pytest.fixture
def images(files, count):
    return ImageSequence.from_files(files, n_jobs=1).map(count)  # so that no two decode one


LABELS = np.arange(40) % 2


def test_each_image_is_decoded_once(images, pixels, count):
    kept = images.in_memory()
    assert not count.seen
    np.testing.assert_array_equal(kept[30:].read(), pixels[30:])
    np.testing.assert_array_equal(np.concatenate(list(kept.batches(7))), pixels)
    np.testing.assert_array_equal(kept.read([3, 3, 1]), pixels[[3, 3, 1]])
    assert set(count.seen.values()) == {1}


def test_a_view_keeps_its_rows_and_takes_further_steps(images, pixels, count):
    kept = images[::2].in_memory()
    np.testing.assert_array_equal(kept.read(), pixels[::2])
    assert set(count.seen) == set(range(0, 40, 2))
    np.testing.assert_array_equal(kept.map(CenterCrop(4)).read(), pixels[::2, 6:10, 6:10])
    assert kept.names == images[::2].names


def test_what_was_read_may_be_written_to(images, pixels):
    kept = images.in_memory()
    for image in (kept[0], kept.read([0])[0]):
        image[...] = 0
    np.testing.assert_array_equal(kept[0], pixels[0])


def test_arrays_are_not_kept_twice(pixels):
    for plain in (ImageSequence.from_array(pixels), ImageSequence.from_array(pixels).map(Count())):
        assert plain.in_memory() is plain


def test_parts_are_kept_that_are_decoded(images, pixels, count):
    again = Count()
    both = ImageSequence.concatenate([images, ImageSequence.from_array(pixels).map(again)])
    kept = both.in_memory()
    for _ in range(2):
        np.testing.assert_array_equal(kept.read(), np.concatenate([pixels, pixels]))
    assert set(count.seen.values()) == {1}
    assert set(again.seen.values()) == {2}


def test_unreadable_images_stay_blank(files, pixels):
    files[0].write_bytes(b"")
    kept = ImageSequence.from_files(files[:3], on_error="blank").in_memory()
    with pytest.warns(ImageReadWarning, match="1 of 3 images"):
        first = kept.read()
    np.testing.assert_array_equal(first, [np.zeros((16, 16, 3)), *pixels[1:3]])
    np.testing.assert_array_equal(kept.read(), first)
    assert [row for row, _, _ in kept.failed_] == [0]


def test_training_decodes_once_and_learns_the_same(images, pixels, count):
    lazy = small(max_epochs=3).fit(images, LABELS)
    assert set(count.seen.values()) <= {1, 2}  # the first is looked at for its shape too
    assert sum(count.seen.values()) <= len(images) + 2
    whole = small(max_epochs=3).fit(pixels, LABELS)
    np.testing.assert_array_equal(lazy.predict_proba(pixels), whole.predict_proba(pixels))


def test_a_pool_is_decoded_once(images, count):
    model = FixMatchClassifier(small(max_epochs=3))
    model.fit(images[:10], LABELS[:10], X_unlabeled=images[10:])
    assert sum(count.seen.values()) <= len(images) + 3


def test_large_sets_are_decoded_in_every_epoch(images, count, monkeypatch):
    monkeypatch.setattr(data, "KEPT_BYTES", 40 * 16 * 16 * 3 - 1)
    small(max_epochs=3).fit(images, LABELS)
    assert sum(count.seen.values()) >= 3 * len(images)
