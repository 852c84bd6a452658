"""Pictures of what real tables hold: missing labels, many classes, NaN pixels, empty classes."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from sklearn.metrics import confusion_matrix

from galaxy_sklearn.inspection import (
    ClassAccuracyDisplay,
    ClassCountsDisplay,
    ConfusionMatrixDisplay,
    EmbeddingDisplay,
    GalleryDisplay,
    MistakeGalleryDisplay,
    PseudoLabelFlowDisplay,
    PseudoLabelGalleryDisplay,
    ReconstructionDisplay,
    ReliabilityDisplay,
    RocCurvesDisplay,
    TrainingCurvesDisplay,
)
from galaxy_sklearn.inspection._galleries import PictureRows
from galaxy_sklearn.metrics import classification_summary, expected_calibration_error

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
    yield
    plt.close("all")


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
    with pytest.raises(ValueError, match="needs two images or more; got 1"):
        EmbeddingDisplay.from_estimator(None, IMAGES[:1], ["a"])
    with pytest.raises(ValueError, match="takes a label an image; got 2 and 6"):
        EmbeddingDisplay.from_estimator(None, IMAGES, ["a", "b"])
    with pytest.raises(ValueError, match="takes a label an image; got 0 and 6"):
        EmbeddingDisplay.from_estimator(None, IMAGES, None)


GALAXY10 = [
    *("Disturbed", "Merging", "Round Smooth", "In-between Round Smooth", "Cigar Shaped Smooth"),
    *("Barred Spiral", "Unbarred Tight Spiral", "Unbarred Loose Spiral"),
    *("Edge-on without Bulge", "Edge-on with Bulge"),
]


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("count", [7, 12_751, 243_434])
def test_counts_fit_their_cells(count, own):
    ax = None if own else plt.subplots(figsize=(5, 4), layout="constrained")[1]
    display = ConfusionMatrixDisplay(np.full((10, 10), count), GALAXY10).plot(ax=ax)
    display.figure_.draw_without_rendering()
    cell = display.ax_.get_window_extent().width / 10
    assert display.ax_.texts[0].get_text() == str(count)
    assert 0 < max(text.get_window_extent().width for text in display.ax_.texts) <= cell


@pytest.mark.parametrize("normalize", [None, "true", "pred", "all"])
def test_shares_and_weights_are_those_of_scikit_learn(normalize):
    true, called = RNG.choice(["a", "b", "c"], (2, 60))
    settings = {"normalize": normalize, "sample_weight": RNG.uniform(size=60)}
    display = ConfusionMatrixDisplay.from_predictions(
        true, called, display_labels=["A", "B", "C"], **settings
    )
    expected = confusion_matrix(true, called, **settings)
    np.testing.assert_allclose(display.matrix, expected)
    drawn = [float(text.get_text()) for text in display.ax_.texts]
    np.testing.assert_allclose(drawn, expected.ravel(), rtol=0.005, atol=0.005)
    assert [one.get_text() for one in display.ax_.get_xticklabels()] == ["A", "B", "C"]
    assert float(display.ax_.images[0].get_array().max()) <= 1
    with pytest.raises(ValueError, match="a display label for each of 3 classes; got 2"):
        ConfusionMatrixDisplay.from_predictions(true, called, display_labels=["A", "B"])


def test_weights_stay_with_their_galaxies_where_labels_are_missing():
    true, called = ["a", None, "b"], ["a", "a", "a"]
    weights = [1.0, 10.0, 100.0]
    display = ConfusionMatrixDisplay.from_predictions(true, called, sample_weight=weights)
    assert display.matrix.tolist() == [[1, 0], [100, 0]]


def test_neighbouring_classes_differ_in_more_than_colour():
    names = [f"class {k}" for k in range(5)]
    y = np.repeat(names, 4)
    proba = RNG.dirichlet(np.ones(5), len(y))
    lines = RocCurvesDisplay.from_predictions(y, proba, classes=names).ax_.lines[:5]
    assert all(a.get_linestyle() != b.get_linestyle() for a, b in zip(lines, lines[1:]))
    points = EmbeddingDisplay(RNG.normal(size=(20, 2)), y, method="x").plot().ax_.collections
    shapes = [one.get_paths()[0].vertices.tobytes() for one in points]
    assert all(a != b for a, b in zip(shapes, shapes[1:]))


@pytest.mark.parametrize("n_classes", [5, 45])
def test_the_legend_of_a_map_stands_beside_it_in_the_figure(n_classes):
    y = np.repeat([f"class {k}" for k in range(n_classes)], 2)
    display = EmbeddingDisplay(RNG.normal(size=(len(y), 2)), y, method="x").plot()
    display.figure_.draw_without_rendering()
    legend, axes = display.ax_.get_legend().get_window_extent(), display.ax_.get_window_extent()
    assert axes.x1 <= legend.x0 < legend.x1 <= display.figure_.bbox.x1
    assert axes.width > 300  # pixels


def test_curves_of_several_models_share_a_legend_beside_them():
    history = [{"train_loss": 2 - k, "valid_loss": 2.5 - k, "valid_score": k} for k in range(2)]
    one = TrainingCurvesDisplay({"": history}).plot()
    assert [len(ax.get_legend().get_texts()) for ax in one.axes_] == [2, 1]
    several = TrainingCurvesDisplay({"scratch": history, "pretrained": history}).plot()
    assert several.axes_[0].get_legend() is None
    legend = several.axes_[1].get_legend()
    assert len(legend.get_texts()) == 4
    several.figure_.draw_without_rendering()
    assert several.axes_[1].get_window_extent().x1 <= legend.get_window_extent().x0


def test_shares_of_few_galaxies_are_numbers_not_classes():
    shares = pd.Series([0.25, 0.5, 0.75], name="redshift")
    display = EmbeddingDisplay(RNG.normal(size=(3, 2)), shares, method="x").plot()
    assert display.figure_.axes[1].get_ylabel() == "redshift"
    classes = EmbeddingDisplay(RNG.normal(size=(3, 2)), shares.round(), method="x").plot()
    assert len(classes.ax_.get_legend().get_texts()) == 2


def test_a_star_does_not_hide_the_galaxy():
    flux = RNG.normal(100, 1, (1, 64, 64, 1))
    flux[0, 20:40, 20:40] += 20
    flux[0, 5, 5] = 1e6
    shown = GalleryDisplay.from_labels(flux, ["a"]).axes_[0, 0].images[0]
    low, high = shown.get_clim()
    assert low < 110
    assert 115 < high < 140


def test_other_numbers_of_bands_are_drawn_as_their_mean():
    images = RNG.uniform(size=(1, 8, 8, 5))
    images[..., 0] = 0
    shown = GalleryDisplay.from_labels(images, ["a"]).axes_[0, 0].images[0]
    np.testing.assert_allclose(shown.get_array(), images[0].mean(-1))


def test_long_ids_are_wrapped():
    ids = ["a/path/of/more/than/eighteen/letters.fits"]
    rows = GalleryDisplay.from_labels(IMAGES[:1], ["a"], ids=ids).rows
    assert max(map(len, rows[0][1][0][1].split("\n"))) <= 18


def test_probabilities_that_are_not_known_are_refused():
    proba = np.array([[0.1, 0.9], [np.nan, np.nan]])
    with pytest.raises(ValueError, match="MistakeGalleryDisplay needs .*; row 1 has NaN"):
        MistakeGalleryDisplay.from_predictions(IMAGES[:2], ["a", "b"], proba, classes=["a", "b"])


def test_a_picture_of_nothing_is_refused():
    with pytest.raises(ValueError, match="ClassCountsDisplay found no galaxy that has a label"):
        ClassCountsDisplay.from_predictions([None, None])
    with pytest.raises(ValueError, match="EmbeddingDisplay found no galaxy that has a label"):
        EmbeddingDisplay(np.zeros((2, 2)), [None, None], method="x").plot()


def test_the_picture_has_the_calibration_error_of_the_metric():
    proba = RNG.dirichlet(np.ones(3), 200)
    y = np.array(["a", "b", "c"])[proba.argmax(1)]
    error = ReliabilityDisplay.from_predictions(y, proba, classes=["a", "b", "c"]).error_
    assert error == pytest.approx(expected_calibration_error(y, proba, classes=["a", "b", "c"]))


LONG = [f"completely round smooth elliptical galaxy number {k}" for k in range(9)]
MANY = [f"Class{k}.1" for k in range(37)]


def flow(names, n_rounds=2, each=1_234_567):
    """Return a history of self-training in which every round adds as many of each class."""
    share = dict.fromkeys(names, each)
    common = {"added": share, "outcome": "accepted", "divergence": 0.1}
    return [
        common
        | {"round": k + 1, "n_pseudo_labels": (k + 1) * each * len(names)}
        | {"pseudo_labels": dict.fromkeys(names, (k + 1) * each)}
        | {"amplification": dict.fromkeys(names, 1.0)}
        for k in range(n_rounds)
    ]


def shown_labels(axis):
    low, high = sorted(axis.get_view_interval())
    ticks = zip(axis.get_ticklocs(), axis.get_ticklabels())
    return [label for place, label in ticks if low <= place <= high]


def curves_of(names):
    return RocCurvesDisplay({name: (np.array([0, 1]), np.array([0, 1])) for name in names})


def accuracy_of(names):
    return ClassAccuracyDisplay(classification_summary(names * 3, names * 3))


@pytest.mark.parametrize("names", [LONG, LONG[:3], MANY], ids=["long", "few", "many"])
@pytest.mark.parametrize(
    "display",
    [
        lambda names: PseudoLabelFlowDisplay(flow(names)),
        lambda names: ClassCountsDisplay(dict.fromkeys(names, 123_456)),
        accuracy_of,
        curves_of,
    ],
    ids=["flow", "counts", "accuracy", "roc"],
)
def test_many_and_long_names_stand_in_the_figure_and_apart(display, names):
    drawn = display(names).plot()
    drawn.figure_.canvas.draw()
    frame = drawn.figure_.bbox.padded(1)
    rows, columns = shown_labels(drawn.ax_.yaxis), shown_labels(drawn.ax_.xaxis)
    boxes = [text.get_window_extent() for text in [*drawn.ax_.texts, *rows, *columns]]
    boxes += [drawn.ax_.get_legend().get_window_extent()] if drawn.ax_.get_legend() else []
    for box in boxes:
        assert frame.x0 <= box.x0
        assert frame.y0 <= box.y0
        assert box.x1 <= frame.x1
        assert box.y1 <= frame.y1
    for labels in (rows, columns):
        places = [text.get_window_extent() for text in labels]
        assert not any(a.overlaps(b) for a, b in zip(places, places[1:]))
    inner = drawn.ax_.get_window_extent().padded(1)
    assert all(text.get_window_extent().x1 <= inner.x1 for text in drawn.ax_.texts)


def test_rounds_that_added_nothing_have_rows_all_the_same():
    entry = flow(["round", "spiral"], 1, each=0)[0]
    display = PseudoLabelFlowDisplay([entry | {"outcome": "no_change"}]).plot()
    assert display.ax_.get_ylim() == (-0.6, 1.6)
    assert [text.get_text() for text in display.ax_.texts] == ["0", "0"]
    with pytest.raises(ValueError, match="PseudoLabelFlowDisplay needs at least one round"):
        PseudoLabelFlowDisplay([]).plot()


def test_the_legend_of_rounds_stays_in_axes_that_are_given():
    figure, axes = plt.subplots(1, 2)
    PseudoLabelFlowDisplay(flow(["round", "spiral"])).plot(ax=axes[0])
    figure.canvas.draw()
    legend = axes[0].get_legend().get_window_extent()
    assert legend.x1 <= axes[0].get_window_extent().x1


def test_the_parts_of_a_single_epoch_differ():
    display = TrainingCurvesDisplay({"": [{"train_loss": 2.0, "valid_loss": 3.0}]}).plot()
    training, validation = display.axes_[0].lines
    assert training.get_marker() != validation.get_marker()


def test_names_of_pseudo_labels_are_wrapped():
    X = np.zeros((4, 8, 8, 3), np.uint8)
    labels, rounds = np.array(LONG[:2] * 2), np.ones(4, int)
    display = PseudoLabelGalleryDisplay.from_predictions(X, labels, np.full(4, 0.9), rounds)
    titles = [ax.get_ylabel() for ax in display.axes_[:, 0]]
    assert all(len(line) <= 18 for title in titles for line in title.split("\n"))


@pytest.mark.parametrize("shape", [(3000, 2000, 3), (600, 900, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_large_pictures_are_reduced(shape, dtype):
    image = np.zeros(shape, dtype)
    image[: shape[0] // 2] = 1 if dtype is not np.uint8 else 200
    drawn = PictureRows([("", [(image, "")])]).plot().axes_[0, 0].images[0].get_array()
    assert max(drawn.shape[:2]) == 512
    assert drawn.shape[0] / drawn.shape[1] == pytest.approx(shape[0] / shape[1], abs=0.01)
    assert drawn[:100].mean() > 10 * drawn[-100:].mean()
    assert PictureRows([("", [(image[:9, :9], "")])]).plot().axes_[0, 0].images[0].get_size() == (
        9,
        9,
    )


def test_reconstructions_of_nothing_and_of_infinity():
    X = np.full((2, 8, 8, 1), np.inf, np.float32)
    assert ReconstructionDisplay.from_predictions(X, X).axes_.shape == (2, 2)
    with pytest.raises(ValueError, match="ReconstructionDisplay needs at least one image"):
        ReconstructionDisplay.from_predictions(X[:0], X[:0])
