"""Rare classes filled up with galaxies that were never observed."""

import numpy as np
import pandas as pd
import pytest
from generators import tiny
from imblearn.pipeline import make_pipeline as make_imbalanced_pipeline
from shapes import CLASSES, make_shapes
from sklearn.pipeline import make_pipeline
from small_networks import small

from galaxy_sklearn import ImageSequence
from galaxy_sklearn.generative._added import with_images
from galaxy_sklearn.generative._shares import n_missing
from galaxy_sklearn.preprocessing import Resize


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(300)


@pytest.fixture(scope="module")
def unequal(shapes):
    X, y = shapes
    parts = [np.flatnonzero(y == name)[:n] for name, n in zip(CLASSES, (40, 20, 10))]
    rows = np.concatenate(parts)
    return X[rows], y[rows]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("auto", [40, 40, 40]),
        ("not majority", [40, 40, 40]),
        ("minority", [40, 20, 40]),
        ("not minority", [40, 40, 10]),
        ("all", [40, 40, 40]),
        ({"ring": 25, "long": 41}, [41, 25, 10]),
        ({}, [40, 20, 10]),
    ],
)
def test_rare_classes_are_filled_up(unequal, strategy, expected):
    X, y = unequal
    images, labels = tiny(sampling_strategy=strategy).fit_resample(X, y)
    np.testing.assert_array_equal(images[: len(X)], X)
    np.testing.assert_array_equal(labels[: len(y)], y)
    assert [(labels == name).sum() for name in CLASSES] == expected
    assert len(images) == len(labels)


def test_what_is_added_is_what_the_fitted_estimator_draws(unequal):
    X, y = unequal
    model = tiny()
    images, labels = model.fit_resample(X, y)
    np.testing.assert_array_equal(images[len(X) :], model.sample(y=labels[len(X) :])[0])


def test_the_layout_and_type_are_those_of_the_images(unequal):
    X, y = unequal
    for images in (
        X.reshape(len(X), -1),
        X[..., 0],
        X.astype(np.float32),
        X.astype(np.int16),
        X > 60,
    ):
        filled, _ = tiny().fit_resample(images, y)
        assert filled.shape == (120, *images.shape[1:])
        assert filled.dtype == images.dtype
        np.testing.assert_array_equal(filled[: len(X)], images)
        assert 0 < filled[len(X) :].mean() < filled.max()


def test_whole_numbers_are_rounded_and_kept_in_range():
    generated = np.array([[[[-0.6], [0.5001], [254.5001], [300.0]]]])
    filled = with_images(np.zeros((1, 1, 4, 1), np.uint8), generated)
    assert filled[1].ravel().tolist() == [0, 1, 255, 255]
    filled = with_images(np.zeros((1, 1, 4, 1), np.int16), generated)
    assert filled[1].ravel().tolist() == [-1, 1, 255, 300]
    filled = with_images(np.zeros((1, 1, 4, 1), bool), generated)
    assert filled[1].ravel().tolist() == [False, True, True, True]


def test_tables_stay_tables(unequal):
    X, y = unequal
    rows = pd.DataFrame(X.reshape(len(X), -1)).add_prefix("pixel")
    labels = pd.Series(y, index=np.arange(len(y)) + 7, name="type", dtype="category")
    filled, filled_labels = tiny().fit_resample(rows, labels)
    assert filled.columns.equals(rows.columns)
    assert (filled.dtypes == np.uint8).all()
    assert (filled_labels.name, filled_labels.dtype) == ("type", labels.dtype)
    arrays = tiny().fit_resample(rows.to_numpy(), y)
    np.testing.assert_array_equal(filled, arrays[0])
    np.testing.assert_array_equal(filled_labels, arrays[1])
    assert filled.index.equals(filled_labels.index)
    same, _ = tiny(sampling_strategy={}).fit_resample(rows, labels)
    pd.testing.assert_frame_equal(same, rows)
    lazy = ImageSequence.from_array(X)
    assert tiny(sampling_strategy={}).fit_resample(lazy, y)[0] is lazy


def test_a_sequence_is_filled_up_without_being_read_as_a_whole(unequal):
    X, y = unequal
    filled, labels = tiny().fit_resample(ImageSequence.from_array(X).map(Resize(8)), y)
    assert isinstance(filled, ImageSequence)
    assert filled.shape == (120, 8, 8, 3)
    whole, again = tiny().fit_resample(Resize(8).fit_transform(X), y)
    np.testing.assert_array_equal(np.asarray(filled), whole)
    np.testing.assert_array_equal(labels, again)


def test_the_smallest_of_equal_classes_is_one():
    counts = np.array([20, 10, 10])
    assert n_missing("not minority", CLASSES, counts).tolist() == [0, 0, 10]
    assert n_missing("minority", CLASSES, counts).tolist() == [0, 10, 0]


def test_labels_may_be_numbers(unequal):
    X, y = unequal
    codes = np.unique(y, return_inverse=True)[1] + 3
    assert np.bincount(tiny().fit_resample(X, codes)[1]).tolist() == [0, 0, 0, 40, 40, 40]


def test_it_stands_in_a_pipeline_of_imbalanced_learn(unequal):
    X, y = unequal
    model = make_imbalanced_pipeline(Resize(16), tiny(), small()).fit(X, y)
    assert model[1].class_counts_.tolist() == [40, 20, 10]
    assert len(model.predict(X)) == len(X)
    alone = make_pipeline(Resize(16), small()).fit(X, y)
    assert (model.predict_proba(X) != alone.predict_proba(X)).any()


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (
            {"spiral": 5},
            r"names the class 'spiral', which is not among \['long', 'ring', 'round'\]",
        ),
        ({"ring": 5}, "asks for 5 images of the class 'ring', which has 20 already"),
        ({"ring": 30.5}, "a whole number of images of the class 'ring'; got 30.5"),
        ("majority", "The 'sampling_strategy' parameter of GalaxyGAN must be"),
    ],
)
def test_wrong_strategies_are_named_before_any_training(unequal, strategy, message):
    model = tiny(sampling_strategy=strategy)
    with pytest.raises(ValueError, match=message):
        model.fit_resample(*unequal)
    assert not hasattr(model, "net_")


def test_one_class_cannot_be_filled_up(unequal):
    X, y = unequal
    with pytest.raises(ValueError, match="at least two classes"):
        tiny().fit_resample(X[:5], y[:5])
