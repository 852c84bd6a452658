"""Images whose bands lie in files of their own."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from PIL import Image
from sklearn.pipeline import make_pipeline

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.exceptions import ImageReadError, ImageReadWarning, PseudoLabelWarning
from galaxy_sklearn.images import ImageSequence
from galaxy_sklearn.inspection import GalleryDisplay
from galaxy_sklearn.preprocessing import CenterCrop, ImageReader, Resize
from galaxy_sklearn.semi_supervised import PseudoLabelClassifier

BANDS = ["g", "r", "i"]
FLUX = np.random.default_rng(0).normal(10, 3, (12, 20, 20, 3)).astype(np.float32)
LABELS = np.arange(12) % 2


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bands")
    names = {
        band: [str(folder / f"{row}-{band}.fits") for row in range(len(FLUX))] for band in BANDS
    }
    for k, band in enumerate(BANDS):
        for row, name in enumerate(names[band]):
            fits.PrimaryHDU(FLUX[row, :, :, k]).writeto(name)
    return pd.DataFrame(names, index=np.arange(50, 62))


@pytest.mark.parametrize("form", ["table", "array", "lists", "tuples"])
def test_columns_become_bands_in_their_order(table, form):
    X = {
        "table": table,
        "array": table.to_numpy(),
        "lists": table.to_numpy().tolist(),
        "tuples": [tuple(row) for row in table.to_numpy()],
    }[form]
    reader = ImageReader().fit(X)
    assert reader.n_features_in_ == 3
    images = reader.transform(X)
    np.testing.assert_array_equal(np.asarray(images), FLUX)
    np.testing.assert_array_equal(np.asarray(ImageSequence.from_files(X)), FLUX)
    if form == "table":
        assert images.index.tolist() == table.index.tolist()
        assert reader.feature_names_in_.tolist() == BANDS
        assert images.names[1] == " + ".join(table.iloc[1])


def test_they_pass_pipelines_caches_and_pickles(table, tmp_path):
    steps = make_pipeline(ImageReader(cache=tmp_path), CenterCrop(16), Resize(8))
    images = steps.fit_transform(table)
    expected = make_pipeline(CenterCrop(16), Resize(8)).fit_transform(FLUX)
    np.testing.assert_allclose(np.asarray(images), expected, rtol=1e-6)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(images)).read(), images.read())
    model = make_pipeline(*steps, GalaxyClassifier("linear", max_steps=2, random_state=0))
    model.fit(table, LABELS)
    assert model[-1].image_shape_ == (8, 8, 3)
    np.testing.assert_array_equal(model.predict(table[:3]), model[-1].predict(images[:3]))


def test_a_file_that_changes_is_read_anew_through_a_cache(table, tmp_path):
    changed = table.iloc[:2].copy()
    copy = tmp_path / "copy.fits"
    copy.write_bytes(Path(changed["r"].iloc[0]).read_bytes())
    changed.iloc[0, 1] = str(copy)
    reader = ImageReader(cache=tmp_path / "cache").fit(changed)
    np.testing.assert_array_equal(np.asarray(reader.transform(changed)), FLUX[:2])
    fits.PrimaryHDU(-FLUX[0, :, :, 1]).writeto(copy, overwrite=True)
    again = np.asarray(reader.transform(changed))
    np.testing.assert_array_equal(again[0, :, :, 1], -FLUX[0, :, :, 1])
    np.testing.assert_array_equal(again[1], FLUX[1])


def test_grey_pictures_are_bands_too(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (2, 9, 9), dtype=np.uint8)
    files = [[str(tmp_path / f"{k}.png") for k in range(2)]]
    for name, one in zip(files[0], pixels):
        Image.fromarray(one).save(name)
    images = np.asarray(ImageReader().fit_transform(files))
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images[0], np.moveaxis(pixels, 0, -1))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((20, 21), np.float32), "its bands differ: .* has 20 x 20 pixels of float.*x 21"),
        (np.zeros((20, 20), np.uint8), "its bands differ"),
        (np.zeros((2, 20, 20), np.float32), "odd.fits' has 2 bands, where each column is one"),
    ],
)
def test_bands_that_do_not_go_together_are_told(table, tmp_path, pixels, message):
    odd = table.copy()
    odd.iloc[3, 2] = str(tmp_path / "odd.fits")
    fits.PrimaryHDU(pixels).writeto(odd.iloc[3, 2])
    images = ImageReader().fit_transform(odd)
    with pytest.raises(ImageReadError, match=message):
        np.asarray(images)
    with pytest.warns(UserWarning, match="1 of 12"):
        blank = np.asarray(ImageReader(on_error="blank").fit_transform(odd))
    assert not blank[3].any()
    np.testing.assert_array_equal(blank[4:], FLUX[4:])


def test_lost_files_and_holes_are_named(table):
    lost = table.copy()
    lost.iloc[4, 1] = "lost.fits"
    with pytest.raises(ImageReadError, match=r"row 4, 'lost.fits': there is no such file\."):
        ImageReader().fit(lost)
    lost.iloc[4, 1] = None
    with pytest.raises(ValueError, match="file name in every row; row 4 holds nan"):
        ImageReader().fit(lost)


def test_the_columns_are_those_of_the_fit(table):
    reader = ImageReader().fit(table.to_numpy())
    with pytest.raises(ValueError, match="fitted on 3 columns of file names, .* and got 2"):
        reader.transform(table.to_numpy()[:, :2])
    with pytest.raises(ValueError, match="feature names should match"):
        ImageReader().fit(table).transform(table[["r", "g", "i"]])


def test_pools_of_band_tables_know_copies_and_blanks(table, tmp_path):
    pool = table.iloc[6:].copy()
    for band in BANDS:  # a copy of the first labelled galaxy
        copy = tmp_path / f"copy-{band}.fits"
        copy.write_bytes(Path(table[band].iloc[0]).read_bytes())
        pool.iloc[2, BANDS.index(band)] = str(copy)
    pool.iloc[4, 0] = str(tmp_path / "missing.fits")
    base = make_pipeline(
        ImageReader(on_error="blank"), GalaxyClassifier("linear", max_steps=2, random_state=0)
    )
    model = PseudoLabelClassifier(
        base, threshold=0.0, max_iter=1, validation_fraction=None, max_divergence=None
    )
    model.set_params(exclude_duplicates=True)
    unread = pytest.warns(ImageReadWarning, match="could not read 1 of 6")
    unlabelled = pytest.warns(PseudoLabelWarning, match="row 4 of X_unlabeled")
    with unread, unlabelled:
        model.fit(table.iloc[:6], LABELS[:6], X_unlabeled=pool)
    assert sorted(model.excluded_) == [8, 10]
    assert (model.labeled_iter_[[6, 7, 9, 11]] == 1).all()
    assert model.predict(table).shape == (12,)


def test_tables_of_names_are_known_for_what_they_are(table):
    with pytest.raises(
        TypeError, match=r"takes images, not file names: put ImageReader\(\) before"
    ):
        GalaxyClassifier("linear").fit(table, LABELS)
    display = GalleryDisplay.from_labels(table, LABELS)
    assert display.figure_.axes
