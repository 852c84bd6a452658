"""Pictures of what real tables hold: missing labels, many classes, NaN pixels, empty classes."""

import numpy as np
import pandas as pd
import pytest

from galaxy_sklearn.inspection import (
    ClassAccuracyDisplay,
    ClassCountsDisplay,
    ConfusionMatrixDisplay,
    EmbeddingDisplay,
    GalleryDisplay,
    MistakeGalleryDisplay,
    RocCurvesDisplay,
)

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
CATEGORIES = pd.Series(pd.Categorical.from_codes([0, 1, -1, 0, 1, -1], ["round", "spiral"]))
MISSING = [
    CATEGORIES,
    np.array(["round", "spiral", None, "round", "spiral", None], dtype=object),
    np.array(["round", "spiral", np.nan, "round", "spiral", pd.NA], dtype=object),
]


@pytest.fixture(autouse=True)
def _close():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    yield
    pyplot.close("all")


@pytest.mark.parametrize("y", MISSING, ids=["categories", "None", "NaN"])
def test_galaxies_without_a_class_are_left_out(y):
    assert ClassCountsDisplay.from_predictions(y).counts == {"round": 2, "spiral": 2}
    rows = GalleryDisplay.from_labels(IMAGES, y).rows
    assert [(name, [caption for _, caption in row]) for name, row in rows] == [
        ("round", ["0", "3"]),
        ("spiral", ["1", "4"]),
    ]
    assert ConfusionMatrixDisplay.from_predictions(y, y).matrix.tolist() == [[2, 0], [0, 2]]
    assert ClassAccuracyDisplay.from_predictions(y, y).summary["support"].tolist() == [2, 2, 4, 4]
    shown = EmbeddingDisplay(RNG.normal(size=(6, 2)), y, method="x").plot().ax_
    assert [len(one.get_offsets()) for one in shown.collections] == [2, 2]


def test_integers_stay_integers():
    matrix = ConfusionMatrixDisplay.from_predictions([0, 1, 1], [0, 1, 0], labels=[1, 0]).matrix
    assert matrix.tolist() == [[1, 1], [0, 1]]


def test_thirty_seven_classes_are_told_apart():
    names = [f"class {k}" for k in range(37)]
    y = np.repeat(names, 3)
    proba = RNG.dirichlet(np.ones(37), len(y))
    curves = RocCurvesDisplay.from_predictions(y, proba, classes=names)
    styles = {(line.get_color(), line.get_linestyle()) for line in curves.ax_.lines[:37]}
    assert len(styles) == 37
    curves.figure_.draw_without_rendering()
    box = curves.ax_.get_window_extent()
    assert min(box.width, box.height) > 250  # pixels
    points = EmbeddingDisplay(RNG.normal(size=(len(y), 2)), y, method="x").plot().ax_.collections
    looks = {(*one.get_facecolor()[0], one.get_paths()[0].vertices.tobytes()) for one in points}
    assert len(looks) == 37
    matrix = ConfusionMatrixDisplay.from_predictions(y, y)
    assert matrix.figure_.get_figwidth() > 10


def test_numbers_get_a_scale():
    numbers = RNG.normal(size=100)
    numbers[3] = np.nan
    display = EmbeddingDisplay(RNG.normal(size=(100, 2)), numbers, method="x").plot()
    assert len(display.figure_.axes) == 2
    assert len(display.ax_.collections[0].get_offsets()) == 99


def test_a_class_without_galaxies_has_no_point_and_no_part_in_the_mean():
    y, predicted = ["a", "a", "b", "b"], ["a", "a", "b", "a"]
    display = ClassAccuracyDisplay.from_predictions(y, predicted, labels=["a", "b", "c"])
    points = display.ax_.lines[0].get_xdata()
    assert points.tolist() == [1.0, 0.5]
    assert "mean of classes 0.750" in display.ax_.get_legend().get_texts()[0].get_text()


def test_curves_refuse_classes_they_do_not_know():
    with pytest.raises(ValueError, match="the class 'Spiral' occurs, but is not among"):
        RocCurvesDisplay.from_predictions(
            ["a", "b", "Spiral"], np.full((3, 2), 0.5), classes=["a", "b"]
        )


@pytest.mark.parametrize("n_channels", [1, 3])
def test_pixels_that_are_not_known_do_not_blank_the_rest(n_channels):
    images = RNG.normal(size=(2, 8, 8, n_channels))
    images[0, 0, 0], images[1] = np.nan, np.nan
    display = GalleryDisplay.from_labels(images, ["a", "b"])
    first = np.ma.getdata(display.axes_[0, 0].images[0].get_array())
    assert np.isfinite(first).all()
    assert np.ptp(first) > 0
    assert np.isfinite(np.ma.getdata(display.axes_[1, 0].images[0].get_array())).all()


def test_long_names_are_wrapped():
    names = ["In-between Round Smooth", "Unbarred Loose Spiral"]
    proba = np.array([[0.1, 0.9], [0.8, 0.2]])
    rows = MistakeGalleryDisplay.from_predictions(IMAGES[:2], names, proba, classes=names).rows
    lines = [
        line for title, row in rows for text in (title, row[0][1]) for line in text.split("\n")
    ]
    assert max(map(len, lines)) <= 18


def test_labels_of_another_length_are_named():
    with pytest.raises(ValueError, match="takes a label an image; got 2 and 6"):
        EmbeddingDisplay.from_estimator(None, IMAGES, ["a", "b"])
