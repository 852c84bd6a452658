"""Rows of chunked HDF5 datasets: the same as of any array, and read in runs."""

import os
import pickle

import h5py
import numpy as np
import pytest

from galaxy_sklearn.exceptions import ImageReadWarning
from galaxy_sklearn.images import ImageSequence, _hdf5
from galaxy_sklearn.preprocessing import ToFloat

N = 50
PIXELS = np.random.default_rng(0).integers(0, 256, (N, 12, 10, 3), dtype=np.uint8)
ROW_BYTES = PIXELS[0].nbytes
LAYOUTS = {
    "contiguous": {},
    "one row a chunk": {"chunks": (1, 12, 10, 3)},
    "few rows": {"chunks": (4, 5, 10, 2), "compression": "gzip"},
    "more rows than fit": {"chunks": (17, 4, 4, 1), "compression": "gzip"},
    "more rows than there are": {"chunks": (64, 4, 4, 1), "maxshape": (None, 12, 10, 3)},
}


def write(path, **layout):
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=PIXELS, **layout)
    return path


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(_hdf5, "BLOCK_BYTES", 6 * ROW_BYTES)
    monkeypatch.setattr(_hdf5, "KEPT_BYTES", 12 * ROW_BYTES)


@pytest.fixture
def read_alone(monkeypatch):
    """Return the list of rows that were read by themselves."""
    rows, true = [], _hdf5.read_hdf5_row
    monkeypatch.setattr(
        _hdf5, "read_hdf5_row", lambda file, name, row: rows.append(row) or true(file, name, row)
    )
    return rows


@pytest.mark.parametrize("layout", list(LAYOUTS))
@pytest.mark.parametrize("n_jobs", [1, 4])
def test_rows_are_those_of_the_array(tmp_path, layout, n_jobs, small_blocks):
    path = write(tmp_path / "a.h5", **LAYOUTS[layout])
    images = ImageSequence.from_hdf5(path, "images", n_jobs=n_jobs)
    np.testing.assert_array_equal(np.concatenate(list(images.batches(7))), PIXELS)
    np.testing.assert_array_equal(images.read(), PIXELS)
    order = np.random.default_rng(1).permutation(np.repeat(np.arange(N), 2))
    np.testing.assert_array_equal(images.read(order), PIXELS[order])
    np.testing.assert_array_equal([images[int(row)] for row in order], PIXELS[order])
    np.testing.assert_array_equal(images.cache(tmp_path / "kept").read(), PIXELS)
    twin = pickle.loads(pickle.dumps(images))
    np.testing.assert_array_equal(twin[::-3].read(), PIXELS[::-3])


@pytest.mark.parametrize("mapped", [False, True])
def test_runs_are_read_in_order(tmp_path, read_alone, mapped):
    path = write(tmp_path / "a.h5", chunks=(10, 4, 4, 1), compression="gzip")
    images = ImageSequence.from_hdf5(path, "images", n_jobs=1)
    images = images.map(ToFloat().fit(PIXELS)) if mapped else images
    list(images.batches(8))
    assert read_alone == [0, 10, 20, 30, 40]  # one tells nothing of the next


def test_rows_far_apart_are_read_alone(tmp_path, read_alone, small_blocks):
    path = write(tmp_path / "a.h5", chunks=(5, 12, 10, 3), compression="gzip")
    images = ImageSequence.from_hdf5(path, "images", n_jobs=1)
    assert images.shape == PIXELS.shape  # by reading row 0
    rows = [*range(5, N, 5), *range(6, N, 5)]
    images.read(rows)
    assert read_alone == [0, *rows]


def test_pixels_that_were_read_may_be_written_to(tmp_path):
    path = write(tmp_path / "a.h5", chunks=(10, 12, 10, 3))
    images = ImageSequence.from_hdf5(path, "images")
    for row in (0, 1, 1):
        images[row][...] = 0
    np.testing.assert_array_equal(images[:3].read(), PIXELS[:3])


def test_only_what_is_damaged_is_blank(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=PIXELS, chunks=(10, 12, 10, 3), compression="gzip")
        chunk = file["images"].id.get_chunk_info(1)
    with open(path, "r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(bytes(chunk.size))
    images = ImageSequence.from_hdf5(path, "images", on_error="blank")
    with pytest.warns(ImageReadWarning, match="could not read 10 of 50 images"):
        pixels = images.read()
    assert images.unreadable_.tolist() == [10 <= row < 20 for row in range(N)]
    np.testing.assert_array_equal(pixels[~images.unreadable_], PIXELS[~images.unreadable_])


def test_a_file_put_in_the_place_of_another_is_read_anew(tmp_path):
    path = write(tmp_path / "a.h5", chunks=(10, 12, 10, 3))
    images = ImageSequence.from_hdf5(path, "images")
    images.read()
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("images", data=255 - PIXELS[:40], chunks=(8, 12, 10, 3))
    os.replace(tmp_path / "b.h5", path)
    np.testing.assert_array_equal(images[:40].read(), 255 - PIXELS[:40])
    with pytest.raises(ValueError, match="has 40 rows, none numbered 45"):
        images[45]
