"""NaN and infinity in float images: refused by the steps, cut away, or filled."""

import pickle
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy.io import fits
from sklearn.pipeline import make_pipeline

from galaxy_sklearn._training.data import pixel_statistics
from galaxy_sklearn.exceptions import ImageReadError, ImageReadWarning
from galaxy_sklearn.images import ImageSequence
from galaxy_sklearn.preprocessing import (
    CLAHE,
    AsinhStretch,
    CenterCrop,
    Flatten,
    ImageReader,
    MorphologicalOpening,
    PercentileStretch,
    Resize,
    Standardize,
)

STEPS = [
    AsinhStretch(),
    PercentileStretch(),
    PercentileStretch(per="training"),
    CLAHE(),
    CLAHE(data_range=(0, 2)),
    MorphologicalOpening(),
    Standardize(),
    Standardize("training"),
    Resize(6),
]
each_step = pytest.mark.parametrize("step", STEPS, ids=str)


@pytest.fixture
def write(tmp_path):
    """Return a function that writes four FITS files, row 2 with `value` at `place`."""

    def write(value, place=(6, 6)):
        images = np.random.default_rng(0).random((4, 12, 12)).astype(np.float32)
        images[(2, *place)] = value
        names = [str(tmp_path / f"{k}.fits") for k in range(4)]
        for name, image in zip(names, images):
            fits.writeto(name, image, overwrite=True)
        return names

    return write


@each_step
@pytest.mark.parametrize(
    ("value", "word"), [(np.nan, "NaN"), (np.inf, r"infinity \(inf\)"), (-np.inf, "infinity")]
)
def test_a_step_refuses_them_with_file_and_row(write, step, value, word):
    names = write(value)
    good = [names[0], names[1], names[3]]
    fitted = make_pipeline(ImageReader(), step).fit(good)
    with pytest.raises(ImageReadError, match=rf"row 2, '.*2\.fits': it holds {word}"):
        np.asarray(fitted.transform(names))
    np.testing.assert_array_equal(
        np.asarray(fitted.transform(names)[[0, 1, 3]]), np.asarray(fitted.transform(good))
    )


@each_step
def test_they_become_blank_where_asked_in_fit_too(write, step):
    names = write(np.nan)
    pipeline = make_pipeline(ImageReader(on_error="blank"), step)
    with pytest.warns(ImageReadWarning):
        images = np.asarray(pipeline.fit(names).transform(names))
    assert np.isfinite(images).all()
    assert not images[2].any()
    assert images[1].any()
    good = [names[0], names[1], names[3]]
    expected = make_pipeline(ImageReader(), step).fit(good)
    np.testing.assert_array_equal(images[[0, 1, 3]], np.asarray(expected.transform(good)))


class Brighter:
    """A step that makes even of blanks something else."""

    def transform_images(self, images):
        return images + np.float32(1)


@pytest.mark.parametrize("cached", [False, True])
def test_a_network_s_standardisation_leaves_blanks_out(write, cached, tmp_path):
    names = write(0.5)
    Path(names[2]).unlink()
    cache = tmp_path / "kept" if cached else None
    images = ImageReader(on_error="blank", cache=cache).fit_transform(names)
    with pytest.warns(ImageReadWarning):
        found = pixel_statistics(images, np.array([1.0, 2.0, 3.0, 4.0]))
    good = ImageReader().fit_transform([names[0], names[1], names[3]])
    np.testing.assert_allclose(found, pixel_statistics(good, np.array([1.0, 2.0, 4.0])), rtol=1e-9)
    later = images.cache(tmp_path / "stored").map(Brighter())
    shifted = pixel_statistics(later, np.array([1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_allclose(shifted, [found[0] + 1, found[1]], rtol=1e-6)


@pytest.mark.parametrize("step", [AsinhStretch(), CLAHE(), PercentileStretch()], ids=str)
def test_a_border_that_is_cut_away_may_hold_them(write, step):
    names = write(np.nan, (0, slice(None)))
    images = make_pipeline(ImageReader(), CenterCrop(8), step).fit_transform(names)
    assert np.isfinite(np.asarray(images)).all()
    with pytest.raises(ImageReadError, match="row 2, .* it holds NaN"):
        np.asarray(make_pipeline(ImageReader(), PercentileStretch()).fit_transform(names))


def test_steps_of_others_get_what_is_there(write):
    class Fill:
        def transform_images(self, images):
            return np.nan_to_num(images, nan=7.0)

    images = ImageSequence.from_files(write(np.nan)).map(Fill())
    assert images[2][6, 6, 0] == 7


@pytest.mark.parametrize("cached", [False, True])
def test_nan_is_filled_where_asked(write, tmp_path, cached):
    names = write(np.nan)
    cache = str(tmp_path / "cache") if cached else None
    for fill in (0.0, 0.5):  # the second is not found in the cache of the first
        reader = ImageReader(fill_nan=fill, cache=cache)
        images = reader.fit_transform(names)
        assert images[2][6, 6, 0] == fill
        assert images.dtype == np.float32
        rows = make_pipeline(reader, PercentileStretch(), Flatten()).fit_transform(names)
        assert np.isfinite(np.asarray(rows)).all()


def test_infinity_is_not_filled(write):
    images = make_pipeline(ImageReader(fill_nan=0), PercentileStretch()).fit_transform(
        write(np.inf)
    )
    with pytest.raises(ImageReadError, match="row 2, .* it holds infinity"):
        np.asarray(images)


def test_nan_in_hdf5_rows_is_filled(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = np.full((2, 4, 4), np.nan)
    images = ImageReader(fill_nan=3).fit_transform([f"{tmp_path / 'a.h5'}::images::1"])
    np.testing.assert_array_equal(np.asarray(images), np.full((1, 4, 4, 1), 3.0))


def test_nan_is_filled_in_any_sequence(write, tmp_path):
    names = write(np.nan)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in names:
            archive.write(name, Path(name).name)
    pixels = np.asarray(ImageReader().fit_transform(names))
    filled = np.nan_to_num(pixels, nan=2.0)
    for images in (
        ImageSequence.from_zip(tmp_path / "a.zip"),
        ImageSequence.from_array(pixels),
        ImageSequence.concatenate([ImageSequence.from_files(names)]),
        ImageSequence.from_files(names, on_error="skip"),
    ):
        assert np.isnan(images[2]).any()
        lazily = images.fill_nan(2.0)
        np.testing.assert_array_equal(np.asarray(lazily), filled)
        assert lazily.dtype == np.float32
        np.testing.assert_array_equal(np.asarray(pickle.loads(pickle.dumps(lazily))), filled)
    assert "FillNan(2.0)" in repr(lazily)


def test_whole_numbers_have_nothing_to_fill():
    pixels = np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3)
    images = ImageSequence.from_array(pixels).fill_nan(0.5)
    np.testing.assert_array_equal(np.asarray(images), pixels)
    assert images.dtype == np.uint8


@pytest.mark.parametrize("fill", [np.nan, np.inf])
def test_nan_is_filled_by_finite_numbers_only(write, fill):
    with pytest.raises(ValueError, match="fill_nan parameter of ImageSequence must be a finite"):
        ImageSequence.from_files(write(0), fill_nan=fill)
    with pytest.raises(ValueError, match="'fill_nan' parameter of ImageReader must be"):
        ImageReader(fill_nan=fill).fit(write(0))


def test_skip_tries_files_not_steps(write):
    images = ImageReader(on_error="skip").fit_transform(write(np.nan))
    assert len(images) == 4
    with pytest.raises(ImageReadError, match="row 2, .* it holds NaN"):
        np.asarray(PercentileStretch().fit(images).transform(images))


@pytest.mark.filterwarnings("ignore::galaxy_sklearn.exceptions.ImageReadWarning")
def test_they_are_refused_in_caches_memory_and_parts_of_a_whole(write, tmp_path):
    names, step = write(np.nan), PercentileStretch()
    blank = ImageReader(on_error="blank", cache=tmp_path / "cache").fit_transform(names)
    whole = ImageSequence.concatenate([blank, blank.in_memory()])
    for images in (blank, blank.in_memory(), whole):
        stretched = step.fit(images).transform(images)
        for _ in range(2):  # the second time from the cache
            assert not np.asarray(stretched)[2].any()
            assert np.asarray(stretched)[3].any()
            stretched = step.transform(images)
    assert blank.failed_ == [(2, names[2], "it holds NaN")]
