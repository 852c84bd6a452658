"""ImageReader at the head of a Pipeline, in the hands of scikit-learn's meta-estimators."""

import pickle
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from PIL import Image
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_predict,
    cross_val_score,
    permutation_test_score,
    train_test_split,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from galaxy_sklearn.exceptions import ImageReadError, ImageReadWarning
from galaxy_sklearn.images import ImageSequence
from galaxy_sklearn.preprocessing import Flatten, ImageReader, ToFloat

N = 24


@parametrize_with_checks([ImageReader()])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def galaxies():
    """Bright and dark noise: easy to tell apart."""
    rng = np.random.default_rng(0)
    y = np.array(["dark", "bright"])[np.arange(N) % 2]
    pixels = rng.integers(0, 90, (N, 4, 4, 3)) + 150 * (y == "bright")[:, None, None, None]
    return pixels.astype(np.uint8), y


@pytest.fixture(scope="module")
def paths(tmp_path_factory, galaxies):
    folder = tmp_path_factory.mktemp("galaxies")
    names = [str(folder / f"{k:02}.png") for k in range(N)]
    for name, image in zip(names, galaxies[0]):
        Image.fromarray(image).save(name)
    return names


def forms(paths):
    """Return every way to hand over file names."""
    column = np.array(paths)[:, np.newaxis]
    return {
        "list": paths,
        "tuple": tuple(paths),
        "Path": [Path(path) for path in paths],
        "str (n,)": np.array(paths),
        "str (n, 1)": column,
        "object (n,)": np.array(paths, dtype=object),
        "object (n, 1)": column.astype(object),
        "list of lists": [[path] for path in paths],
        "StringDType": np.array(paths, dtype=np.dtypes.StringDType()),
        "Series": pd.Series(paths, index=range(100, 100 + len(paths))),
        "object Series": pd.Series(paths, dtype=object),
        "Index": pd.Index(paths),
        "DataFrame": pd.DataFrame({"file": paths}),
    }


@pytest.mark.parametrize("form", list(forms(["a"])))
def test_every_form_of_file_names(paths, galaxies, form):
    reader = ImageReader().fit(forms(paths)[form])
    images = reader.transform(forms(paths)[form])
    assert isinstance(images, ImageSequence)
    assert reader.n_features_in_ == 1
    assert images.names == paths
    np.testing.assert_array_equal(images.read(), galaxies[0])


def test_options_reach_the_decoder(paths, galaxies, tmp_path):
    grey = ImageReader(mode="L").fit_transform(paths)
    assert grey.shape == (N, 4, 4, 1)
    planes = fits.HDUList(
        [fits.PrimaryHDU(), fits.ImageHDU(np.ones((3, 3))), fits.ImageHDU(np.zeros((5, 5)))]
    )
    planes.writeto(tmp_path / "a.fits")
    assert ImageReader(hdu=2).fit_transform([tmp_path / "a.fits"]).shape == (1, 5, 5, 1)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = galaxies[0]
    rows = [f"{tmp_path}/a.h5::images::{k}" for k in (5, 2)]
    np.testing.assert_array_equal(ImageReader().fit_transform(rows).read(), galaxies[0][[5, 2]])


def test_images_pass_through(paths, galaxies):
    pixels = galaxies[0]
    sequence = ImageSequence.from_files(paths)
    reader = ImageReader().fit(pixels)
    assert reader.n_features_in_ == 48
    assert reader.transform(pixels) is pixels or np.shares_memory(reader.transform(pixels), pixels)
    assert reader.transform(sequence) is sequence
    rows = pixels.reshape(N, -1)
    assert ImageReader().fit_transform(rows).shape == rows.shape
    assert ImageReader().fit_transform(pixels[..., 0]).shape == (N, 4, 4)
    with pytest.raises(ValueError, match=r"fitted on images of shape \(4, 4, 3\)"):
        reader.transform(pixels[:, 1:])
    with pytest.raises(ValueError, match="row 2 of X holds NaN"):
        ImageReader().fit(np.where(np.arange(N)[:, None] == 2, np.nan, rows.astype(float)))


def test_one_pipeline_takes_files_and_arrays(paths, galaxies):
    pixels, y = galaxies
    model = make_pipeline(ImageReader(), Flatten(), KNeighborsClassifier(1))
    by_files = model.fit(paths, y).predict_proba(pixels)
    by_array = model.fit(pixels, y).predict_proba(paths)
    np.testing.assert_array_equal(by_files, by_array)
    again = ImageReader().fit(pixels).fit(paths)
    assert again.n_features_in_ == 1
    assert not hasattr(again, "image_shape_")


@pytest.mark.parametrize("on_error", ["raise", "blank", "skip"])
def test_a_column_with_holes_is_refused(paths, on_error):
    for hole in (np.nan, None, "", pd.NA):
        for X in (
            pd.Series([hole, *paths]),
            [*paths[:2], hole],
            pd.DataFrame({"file": [hole, *paths]}),
        ):
            row = 2 if isinstance(X, list) else 0
            with pytest.raises(ValueError, match=f"file name in every row; row {row} holds"):
                ImageReader(on_error=on_error).fit(X)


def test_other_things_are_refused(paths):
    with pytest.raises(ValueError, match="got the single name"):
        ImageReader().fit(paths[0])
    with pytest.raises(ImageReadError, match="has 3 bands, where each column is one band"):
        np.asarray(ImageReader().fit_transform(pd.DataFrame({"a": paths, "b": paths})))
    with pytest.raises(ValueError, match="The 'mode' parameter of ImageReader must be"):
        ImageReader(mode="BGR").fit(paths)


def test_lost_files_are_named_before_any_is_decoded(paths, tmp_path):
    broken = tmp_path / "broken.png"
    broken.touch()
    lost = [str(broken), *paths, str(tmp_path / "lost.png"), str(tmp_path / "too.png")]
    with pytest.raises(ImageReadError, match=r"row 25, '.*lost\.png': .*no such file.*1 more"):
        ImageReader().fit(lost)
    reader = ImageReader().fit(paths)
    with pytest.raises(ImageReadError, match=r"row 25, '.*lost\.png'"):
        reader.transform(lost)
    with pytest.raises(ImageReadError, match="row 0, .*: there is a folder, not a file"):
        reader.transform([tmp_path])
    with pytest.raises(ImageReadError, match=r"row 0, '.*none\.h5::images::3'"):
        reader.transform([f"{tmp_path}/none.h5::images::3"])
    with pytest.raises(ImageReadError, match=r"row 0, '.*broken\.png': the file is empty"):
        reader.transform([str(broken), *paths]).read()


def test_blank_keeps_a_pipeline_aligned(paths, galaxies, tmp_path):
    holed = [*paths[:3], str(tmp_path / "lost.png"), *paths[4:]]
    model = make_pipeline(ImageReader(on_error="blank"), Flatten(), KNeighborsClassifier(1))
    with pytest.warns(ImageReadWarning, match="1 of 24 images and put blank"):
        model.fit(holed, galaxies[1])
    assert model[0].failed_ == [(3, holed[3], "there is no such file")]
    assert model.predict(paths).shape == (N,)
    assert model[0].failed_ == []


def test_skip_tells_which_rows_stay(paths, galaxies, tmp_path):
    reader = ImageReader(on_error="skip").fit(paths)
    with pytest.warns(ImageReadWarning, match="1 of 25 images and left them out"):
        images = reader.transform([str(tmp_path / "lost.png"), *paths])
    np.testing.assert_array_equal(images.kept_, np.arange(1, N + 1))
    np.testing.assert_array_equal(images.read(), galaxies[0])
    assert [row for row, _, _ in reader.failed_] == [0]


def test_cache_serves_a_pipeline(paths, galaxies, tmp_path):
    out = tmp_path / "out"
    plain = make_pipeline(ImageReader(), Flatten(), KNeighborsClassifier(3))
    cached = clone(plain).set_params(imagereader__cache=out)
    expected = plain.fit(paths, galaxies[1]).predict_proba(paths)
    for _ in range(2):
        np.testing.assert_array_equal(cached.fit(paths, galaxies[1]).predict_proba(paths), expected)
    assert len(list(out.glob("*.npy"))) == 1
    rows = ImageReader(cache=str(out)).fit_transform(paths).map(_Half())
    np.testing.assert_array_equal(rows.read(), galaxies[0][:, ::2, ::2])
    assert sorted(np.load(path).shape for path in out.glob("*.npy")) == [
        (N, 2, 2, 3),
        (N, 4, 4, 3),
    ]


class _Half:
    def transform_images(self, images):
        return images[:, ::2, ::2]


def test_clone_and_pickle(paths, galaxies):
    reader = ImageReader(mode="L", on_error="blank", n_jobs=2).fit(paths)
    twin = pickle.loads(pickle.dumps(reader))
    assert twin.get_params() == clone(reader).get_params() == reader.get_params()
    np.testing.assert_array_equal(twin.transform(paths).read(), reader.transform(paths).read())


# Meta-estimators, on files as (n,) and (n, 1), beside the same on pixels


@pytest.fixture(params=["list", "str (n, 1)", "object (n, 1)", "Series", "DataFrame"])
def files(request, paths):
    return forms(paths)[request.param]


def pipeline():
    return make_pipeline(ImageReader(), ToFloat(), Flatten(), LogisticRegression())


def test_cross_validation(files, galaxies):
    pixels, y = galaxies
    by_files = cross_val_predict(pipeline(), files, y, cv=3, method="predict_proba")
    by_pixels = cross_val_predict(pipeline(), pixels, y, cv=3, method="predict_proba")
    np.testing.assert_array_equal(by_files, by_pixels)
    assert cross_val_score(pipeline(), files, y, cv=3, error_score="raise").mean() == 1
    score, _, p_value = permutation_test_score(
        pipeline(), files, y, cv=3, n_permutations=9, random_state=0
    )
    assert score == 1
    assert p_value == pytest.approx(0.1)


def test_grid_search_over_the_reader(files, galaxies):
    grid = {"imagereader__mode": ["RGB", "L"], "logisticregression__C": [1e-9, 1.0]}
    search = GridSearchCV(pipeline(), grid, cv=3, error_score="raise").fit(files, galaxies[1])
    assert search.best_score_ == 1
    assert search.score(files, galaxies[1]) == 1


@pytest.mark.parametrize("meta", ["bagging", "calibrated", "voting", "stacking"])
def test_meta_estimators(files, galaxies, meta):
    model = {
        "bagging": lambda: BaggingClassifier(pipeline(), n_estimators=3, random_state=0),
        "calibrated": lambda: CalibratedClassifierCV(pipeline(), cv=3, ensemble=False),
        "voting": lambda: VotingClassifier([("a", pipeline()), ("b", pipeline())], voting="soft"),
        "stacking": lambda: StackingClassifier([("a", pipeline())], cv=3),
    }[meta]()
    if meta == "bagging" and np.ndim(files) == 1:
        pytest.skip("BaggingClassifier takes two-dimensional X: file names as an (n, 1) column")
    predicted = model.fit(files, galaxies[1]).predict(files)
    np.testing.assert_array_equal(predicted, galaxies[1])


def test_meta_estimators_take_the_sequence_itself(paths, galaxies):
    images, y = ImageReader().fit_transform(paths), galaxies[1]
    model = make_pipeline(ToFloat(), Flatten(), LogisticRegression())
    train, test, y_train, y_test = train_test_split(images, y, stratify=y, random_state=0)
    assert model.fit(train, y_train).score(test, y_test) == 1
    assert cross_val_score(model, images, y, cv=3, n_jobs=2, error_score="raise").mean() == 1
    calibrated = CalibratedClassifierCV(model, cv=3).fit(images, y)
    np.testing.assert_array_equal(calibrated.predict(images), y)


def test_real_files(real_data):
    paths = sorted((real_data / "gz2" / "original_424px").glob("*.jpg"))[:16]
    images = ImageReader().fit_transform(paths)
    assert images.shape == (16, 424, 424, 3)
    for path, image in zip(paths, images):
        np.testing.assert_array_equal(image, np.asarray(Image.open(path).convert("RGB")))


def test_columns_have_the_names_seen_in_fit(paths):
    reader = ImageReader().fit(pd.DataFrame({"file": paths}))
    assert reader.feature_names_in_.tolist() == ["file"]
    assert len(reader.transform(pd.DataFrame({"file": paths}))) == len(paths)
    assert len(reader.transform(paths)) == len(paths)
    with pytest.raises(ValueError, match="feature names should match those that were passed"):
        reader.transform(pd.DataFrame({"other": paths}))
    assert not hasattr(reader.fit(paths), "feature_names_in_")
    assert len(reader.transform(pd.DataFrame({"any": paths}))) == len(paths)
