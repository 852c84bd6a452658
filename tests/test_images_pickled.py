"""A pickled sequence knows its files by size and time of change: no cache by pickles is stale."""

import os
import pickle
import zipfile

import h5py
import joblib
import numpy as np
import pytest
from PIL import Image
from sklearn.pipeline import make_pipeline

from galaxy_sklearn.images import ImageSequence
from galaxy_sklearn.preprocessing import Flatten, ImageReader, Standardize


def write(folder, level):
    """Write four images of one level as files, in a zip, in HDF5 and as .npy."""
    pixels = (
        np.full((4, 8, 8, 3), level, np.uint8) + np.arange(4, dtype=np.uint8)[:, None, None, None]
    )
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        for number, image in enumerate(pixels):
            path = folder / f"{number}.png"
            Image.fromarray(image).save(path)
            archive.write(path, path.name)
    with h5py.File(folder / "all.h5", "w") as file:
        file["images"] = pixels
    temporary = folder / "new.npy"
    np.save(temporary, pixels)
    os.replace(temporary, folder / "all.npy")
    return [str(folder / f"{number}.png") for number in range(4)]


MAKERS = {
    "files": lambda folder: ImageSequence.from_files(sorted(folder.glob("*.png"))),
    "rows": lambda folder: ImageSequence.from_files([f"{folder}/all.h5::images::1"]),
    "hdf5": lambda folder: ImageSequence.from_hdf5(folder / "all.h5", "images"),
    "zip": lambda folder: ImageSequence.from_zip(folder / "all.zip"),
    "memmap": lambda folder: ImageSequence.from_array(np.load(folder / "all.npy", mmap_mode="r")),
    "concatenated": lambda folder: ImageSequence.concatenate([MAKERS["zip"](folder)[:2]]),
    "in memory": lambda folder: MAKERS["files"](folder).in_memory(),
}


@pytest.mark.parametrize("kind", list(MAKERS))
def test_a_pickle_changes_with_the_files(tmp_path, kind):
    write(tmp_path, 10)
    images = MAKERS[kind](tmp_path)
    before = joblib.hash(images)
    assert joblib.hash(images) == joblib.hash(pickle.loads(pickle.dumps(images))) == before
    write(tmp_path, 90)
    assert joblib.hash(images) != before
    assert joblib.hash(MAKERS[kind](tmp_path)) != before


@pytest.mark.parametrize("name", ["lost.png", "no\0name.png", "lost.h5::images::3"])
def test_lost_files_are_pickled(tmp_path, name):
    images = ImageSequence.from_files([tmp_path / name], on_error="blank")
    assert pickle.loads(pickle.dumps(images)).names == images.names


def test_a_lost_archive_is_pickled(tmp_path):
    write(tmp_path, 10)
    images = MAKERS["zip"](tmp_path)
    (tmp_path / "all.zip").unlink()
    assert len(pickle.loads(pickle.dumps(images))) == 4


def features(files, memory):
    steps = (ImageReader(), Standardize("training"), Flatten(), "passthrough")
    pipeline = make_pipeline(*steps, memory=str(memory))
    return pipeline.fit(files), pipeline.fit_transform(files)


def test_a_pipeline_with_memory_sees_new_pixels(tmp_path):
    for level in (10, 90, 10):
        files = write(tmp_path, level)
        pipeline, values = features(files, tmp_path / "memory")
        np.testing.assert_allclose(pipeline[1].mean_, level + 1.5)
        expected = (np.arange(4) - 1.5) / np.std(np.arange(4))
        np.testing.assert_allclose(values, np.tile(expected[:, None], 8 * 8 * 3), rtol=1e-6)


def test_a_pipeline_with_memory_remembers(tmp_path, monkeypatch):
    files = write(tmp_path, 10)
    first, expected = features(files, tmp_path / "memory")
    monkeypatch.setattr(Standardize, "_learn", None)  # fails if called
    again, values = features(files, tmp_path / "memory")
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(again[1].mean_, first[1].mean_)
