"""Displays draw what was counted, and read no more images than they show."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, roc_auc_score
from sklearn.pipeline import make_pipeline

from galaxy_sklearn import GalaxyClassifier, recipes
from galaxy_sklearn.augmentation import RotateZoomContrast
from galaxy_sklearn.datasets import make_galaxies
from galaxy_sklearn.images import ImageSequence
from galaxy_sklearn.inspection import (
    ClassAccuracyDisplay,
    ClassCountsDisplay,
    ConfusionMatrixDisplay,
    EmbeddingDisplay,
    GalleryDisplay,
    MistakeGalleryDisplay,
    ReliabilityDisplay,
    RocCurvesDisplay,
)
from galaxy_sklearn.metrics import classification_summary, expected_calibration_error
from galaxy_sklearn.preprocessing import (
    CLAHE,
    CenterCrop,
    GrayScale,
    ImageReader,
    MorphologicalOpening,
)

NAMES = np.array(["cigar", "edge-on with bulge", "spiral"])


@pytest.fixture(autouse=True)
def _no_windows():
    mpl.use("Agg")
    yield
    mpl.pyplot.close("all")


@pytest.fixture(scope="module")
def predicted():
    rng = np.random.default_rng(0)
    true = rng.choice(NAMES, 300, p=[0.1, 0.3, 0.6])
    proba = rng.dirichlet([1, 1, 1], 300)
    proba[np.arange(300), np.searchsorted(NAMES, true)] += 0.8
    return true, proba / proba.sum(1, keepdims=True)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (30, 12, 10, 3)).astype(np.uint8)


def test_confusion_matrix_rows_are_true(predicted):
    true, proba = predicted
    called = NAMES[proba.argmax(1)]
    display = ConfusionMatrixDisplay.from_predictions(true, called)
    expected = confusion_matrix(true, called)
    drawn = np.array([int(text.get_text()) for text in display.ax_.texts]).reshape(3, 3)
    np.testing.assert_array_equal(drawn, expected)
    assert display.ax_.get_ylabel() == "true class"
    assert [t.get_text() for t in display.ax_.get_yticklabels()] == NAMES.tolist()


def test_confusion_matrix_takes_the_order_of_labels():
    display = ConfusionMatrixDisplay.from_predictions([1, 2], [2, 2], labels=[2, 1])
    np.testing.assert_array_equal(display.matrix, [[1, 0], [1, 0]])


def test_from_estimator_is_from_predictions():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), np.repeat(["a", "b"], 30)
    model = LogisticRegression().fit(X + (y == "b")[:, None], y)
    proba = model.predict_proba(X)
    both = [
        ConfusionMatrixDisplay.from_estimator(model, X, y).matrix,
        ConfusionMatrixDisplay.from_predictions(y, model.predict(X)).matrix,
    ]
    np.testing.assert_array_equal(*both)
    roc = RocCurvesDisplay.from_estimator(model, X, y)
    assert roc.auc_["b"] == pytest.approx(roc_auc_score(y == "b", proba[:, 1]))
    assert roc.auc_["a"] == pytest.approx(roc.auc_["b"])
    error = ReliabilityDisplay.from_estimator(model, X, y, n_bins=15).error_
    assert error == pytest.approx(expected_calibration_error(y, proba, classes=["a", "b"]))
    summary = ClassAccuracyDisplay.from_estimator(model, X, y).summary
    assert summary.equals(classification_summary(y, model.predict(X)))
    turned = {"labels": ["b", "a"], "display_labels": ["B", "A"]}
    display = ConfusionMatrixDisplay.from_estimator(model, X, y, **turned)
    np.testing.assert_array_equal(display.matrix, both[0][::-1, ::-1])
    assert display.ax_.get_xticklabels()[0].get_text() == "B"
    summary = ClassAccuracyDisplay.from_estimator(model, X, y, labels=["b", "a"]).summary
    assert summary.index.tolist()[:2] == ["b", "a"]


def test_class_accuracy_draws_the_intervals(predicted):
    true, proba = predicted
    display = ClassAccuracyDisplay.from_predictions(true, NAMES[proba.argmax(1)])
    bars = display.ax_.collections[0].get_segments()
    low = display.summary["recall_low"].iloc[:3]
    np.testing.assert_allclose([bar[0, 0] for bar in bars], low)
    assert display.ax_.get_yticklabels()[0].get_text().startswith("cigar (")


def test_roc_curves_agree_with_scikit_learn(predicted):
    true, proba = predicted
    display = RocCurvesDisplay.from_predictions(true, proba, classes=NAMES)
    expected = roc_auc_score(true, proba, multi_class="ovr", average="macro")
    assert display.macro_auc_ == pytest.approx(expected)
    assert len(display.ax_.lines) == 4


def test_roc_curves_leave_out_classes_that_do_not_occur(predicted):
    true, proba = predicted
    some = true != "cigar"
    display = RocCurvesDisplay.from_predictions(true[some], proba[some], classes=NAMES)
    assert list(display.auc_) == ["edge-on with bulge", "spiral"]
    with pytest.raises(ValueError, match="at least two classes"):
        RocCurvesDisplay.from_predictions(["cigar"] * 300, proba, classes=NAMES)


def test_class_counts_begin_with_the_largest():
    labels = ["b", "a", "b", "c", "c", "c"]
    display = ClassCountsDisplay.from_predictions(labels)
    assert display.counts == {"c": 3, "b": 2, "a": 1}
    assert [bar.get_width() for bar in display.ax_.patches] == [3, 2, 1]
    model = DummyClassifier().fit(np.zeros((6, 1)), labels)
    assert ClassCountsDisplay.from_estimator(model, np.zeros((4, 1))).counts == {"c": 4}


class _Counting:
    """Counts the images that pass."""

    def __init__(self):
        self.seen = 0

    def transform_images(self, images):
        self.seen += len(images)
        return images


def test_a_gallery_reads_only_what_it_shows(images):
    counter = _Counting()
    sequence = ImageSequence.from_array(images).map(counter)
    sequence.shape  # noqa: B018 - one image is read to learn the shape
    before = counter.seen
    y = np.repeat(["a", "b"], 15)
    display = GalleryDisplay.from_labels(
        sequence, y, ids=np.arange(100, 130), n_per_class=2, random_state=0
    )
    assert counter.seen - before == 4 + 2  # and one for the shape of each class's images
    assert display.axes_.shape == (2, 2)
    shown = int(display.axes_[1, 0].get_xlabel()) - 100
    assert y[shown] == "b"
    np.testing.assert_array_equal(display.axes_[1, 0].images[0].get_array(), images[shown])


def test_mistakes_come_surest_first(images):
    classes = np.array(["a", "b"])
    y = np.array(["a"] * 15 + ["b"] * 15)
    proba = np.tile([0.9, 0.1], (30, 1))
    proba[20] = [0.99, 0.01]
    display = MistakeGalleryDisplay.from_predictions(
        images, y, proba, classes=classes, n_per_class=3
    )
    assert display.axes_.shape == (1, 3)
    assert display.axes_[0, 0].get_xlabel() == "20\na 99%"
    assert "b\n(15 mistaken)" in display.axes_[0, 0].get_ylabel()
    with pytest.raises(ValueError, match="no mistake to show"):
        MistakeGalleryDisplay.from_predictions(images[:15], y[:15], proba[:15], classes=classes)
    with pytest.raises(ValueError, match="Got 30 images, but 29 of y_true"):
        MistakeGalleryDisplay.from_predictions(images, y[1:], proba, classes=classes)
    with pytest.raises(ValueError, match="one row of 3 probabilities a sample, of 30 samples; got"):
        MistakeGalleryDisplay.from_predictions(images, y, proba, classes=["a", "b", "c"])


def test_mistakes_of_an_estimator(images):
    y = np.array(["a"] * 20 + ["b"] * 10)
    model = DummyClassifier().fit(images, y)
    display = MistakeGalleryDisplay.from_estimator(model, images, y, ids=range(100, 130))
    assert "b\n(10 mistaken)" in display.axes_[0, 0].get_ylabel()
    assert display.axes_[0, 0].get_xlabel() == "120\na 67%"


def test_the_strip_follows_each_step(images, tmp_path):
    from PIL import Image

    files = [str(tmp_path / f"{k}.png") for k in range(2)]
    for file, image in zip(files, images):
        Image.fromarray(image).save(file)
    pipeline = make_pipeline(ImageReader(), CenterCrop(8), GrayScale(), DummyClassifier())
    pipeline.fit(files, [0, 1])
    display = GalleryDisplay.from_steps(pipeline, files)
    assert display.axes_.shape == (2, 3)
    names = [ax.get_xlabel() for ax in display.axes_[0]]
    assert names == ["imagereader", "centercrop", "grayscale"]
    assert display.axes_[0, 1].images[0].get_array().shape == (8, 8, 3)
    unfitted = clone(pipeline[:-1])
    again = GalleryDisplay.from_steps(unfitted, files)
    for row, other in zip(display.axes_, again.axes_):
        for ax, bx in zip(row, other):
            np.testing.assert_array_equal(ax.images[0].get_array(), bx.images[0].get_array())
    features = make_pipeline(LogisticRegression()).fit(images.reshape(30, -1), [0, 1] * 15)
    with pytest.raises(ValueError, match="no step that returns images"):
        GalleryDisplay.from_steps(features, images.reshape(30, -1))


def captions(display):
    return [ax.get_xlabel() for ax in display.axes_[0]]


def test_the_strip_goes_on_inside_the_recipe_of_zhu():
    X, _ = make_galaxies(2, image_size=260, random_state=0)
    display = GalleryDisplay.from_steps(recipes.zhu2019(), X, random_state=0)
    assert captions(display) == [
        "input",
        "imagereader",
        "training\nrandom view\n(ScaleJitterCrop)",
        "training\n+ brightness",
        "training\n+ contrast",
        "training\n+ saturation",
        "training\n+ hue",
        "training\nstandardize=\n'image'",
        "prediction\nplain view\nstandardize=\n'image'",
    ]
    pictures = [ax.images[0].get_array() for ax in display.axes_[0]]
    assert [picture.shape[0] for picture in pictures] == [260, 260] + 7 * [64]
    again = GalleryDisplay.from_steps(recipes.zhu2019(), X, random_state=0)
    np.testing.assert_array_equal(
        again.axes_[1, 6].images[0].get_array(), display.axes_[1, 6].images[0].get_array()
    )


def test_the_strip_shows_guo_s_order_and_what_the_network_gets():
    X, _ = make_galaxies(2, image_size=64, random_state=0)
    model = recipes.guo2023_densenet201(augmentation=None, pretrained=False)
    model.set_params(resize__size=48)
    display = GalleryDisplay.from_steps(model, X)
    both = "training and prediction\n"
    steps = ["input", "imagereader", "resize", f"{both}plain view", f"{both}clahe"]
    assert captions(display) == [*steps, f"{both}morphologicalopening"]
    seen = [ax.images[0].get_array() for ax in display.axes_[1]]
    np.testing.assert_array_equal(seen[3], seen[2])
    clahe = CLAHE(2.0, tile_grid_size=(8, 8)).fit(seen[2][np.newaxis])
    np.testing.assert_array_equal(seen[4], clahe.transform(seen[2][np.newaxis])[0])
    opening = MorphologicalOpening(3).fit(seen[4][np.newaxis])
    np.testing.assert_array_equal(seen[5], opening.transform(seen[4][np.newaxis])[0])


def test_classes_that_are_unknown_are_named_and_none_is_left_out(predicted):
    true, proba = predicted
    with pytest.raises(ValueError, match="the class 'spiral' occurs, but is not among the labels"):
        ConfusionMatrixDisplay.from_predictions(true, true, labels=NAMES[:2])
    with pytest.raises(ValueError, match="RocCurvesDisplay takes one row of 3 probabilities"):
        RocCurvesDisplay.from_predictions(true, proba[:, :2], classes=NAMES)
    for display in (RocCurvesDisplay, ReliabilityDisplay):
        with pytest.raises(ValueError, match="the class 'spiral' occurs, but is not among the cl"):
            display.from_predictions(true, proba[:, :2], classes=NAMES[:2])
    for display in (ConfusionMatrixDisplay, ClassAccuracyDisplay):
        with pytest.raises(ValueError, match=r"named once; got .*'spiral', 'spiral'\]"):
            display.from_predictions(true, true, labels=[*NAMES, "spiral"])


def test_labels_may_be_a_column_of_a_table(predicted):
    true, proba = predicted
    called, column = NAMES[proba.argmax(1)], pd.DataFrame({"class": true})
    for display, fact in ((ConfusionMatrixDisplay, "matrix"), (ClassAccuracyDisplay, "summary")):
        drawn = getattr(display.from_predictions(column, called), fact)
        np.testing.assert_array_equal(drawn, getattr(display.from_predictions(true, called), fact))


@pytest.mark.parametrize("n_per_class", [0, -1])
def test_a_gallery_shows_at_least_one_galaxy_of_a_class(images, n_per_class):
    y, proba = ["a", "b"] * 15, np.tile([0.9, 0.1], (30, 1))
    with pytest.raises(ValueError, match=f"n_per_class of at least 1; got {n_per_class}"):
        GalleryDisplay.from_labels(images, y, n_per_class=n_per_class)
    with pytest.raises(ValueError, match=f"n_per_class of at least 1; got {n_per_class}"):
        MistakeGalleryDisplay.from_predictions(
            images, y, proba, classes=["a", "b"], n_per_class=n_per_class
        )


def test_galaxies_without_a_class_are_in_no_picture(predicted):
    true, proba = predicted
    some, known = true.astype(object), np.arange(300) % 7 > 0
    some[~known] = None
    images = np.arange(300, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 4, 4, 3), np.uint8)
    for display, fact in ((RocCurvesDisplay, "auc_"), (ReliabilityDisplay, "error_")):
        drawn = display.from_predictions(some, proba, classes=NAMES)
        expected = display.from_predictions(true[known], proba[known], classes=NAMES)
        assert getattr(drawn, fact) == getattr(expected, fact)
    ids = np.arange(300)
    drawn = MistakeGalleryDisplay.from_predictions(images, some, proba, classes=NAMES)
    expected = MistakeGalleryDisplay.from_predictions(
        images[known], true[known], proba[known], classes=NAMES, ids=ids[known]
    )
    for (title, row), (other, others) in zip(drawn.rows, expected.rows, strict=True):
        assert title == other
        assert [caption for _, caption in row] == [caption for _, caption in others]
        np.testing.assert_array_equal([one for one, _ in row], [one for one, _ in others])
    with pytest.raises(ValueError, match="no galaxy that has a label"):
        GalleryDisplay.from_labels(images, [None] * 300)


def test_galleries_and_maps_take_a_column_of_a_table(images):
    y, proba = np.array(["a", "b"] * 15), np.tile([0.9, 0.1], (30, 1))
    column = pd.DataFrame({"class": y})
    settings = {"n_per_class": 3, "random_state": 0}
    drawn = GalleryDisplay.from_labels(images, column, **settings)
    assert captions(drawn) == captions(GalleryDisplay.from_labels(images, y, **settings))
    settings = {"classes": ["a", "b"], "n_per_class": 3}
    drawn = MistakeGalleryDisplay.from_predictions(images, column, proba, **settings)
    expected = MistakeGalleryDisplay.from_predictions(images, y, proba, **settings)
    assert captions(drawn) == captions(expected)
    positions = np.random.default_rng(0).normal(size=(30, 2))
    display = EmbeddingDisplay(positions, column, method="PCA").plot()
    assert [t.get_text() for t in display.ax_.get_legend().get_texts()] == ["a", "b"]
    np.testing.assert_array_equal(display.ax_.collections[1].get_offsets(), positions[1::2])
    with pytest.raises(ValueError, match="should be a 1d array"):
        GalleryDisplay.from_labels(images, np.column_stack([y, y]))


@pytest.mark.parametrize("shape", [(6, 3), (6, 1), (6,)])
def test_a_map_has_two_dimensions(shape):
    display = EmbeddingDisplay(np.zeros(shape), list("ababab"), method="PCA")
    with pytest.raises(ValueError, match=r"positions of shape \(n_samples, 2\); got \(6"):
        display.plot()


def test_class_accuracy_draws_classes_called_as_the_averages_are():
    true, called = ["macro average", "E", "E"], ["macro average", "E", "macro average"]
    display = ClassAccuracyDisplay.from_predictions(true, called)
    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert names == ["E (2)", "macro average (1)"]
    with pytest.raises(ValueError, match="needs galaxies whose class is known and predicted"):
        ClassAccuracyDisplay.from_predictions([], [])


def test_many_whole_numbers_are_a_scale():
    positions = np.random.default_rng(0).normal(size=(60, 2))
    display = EmbeddingDisplay(positions, np.arange(60), method="PCA").plot()
    assert len(display.figure_.axes) == 2
    assert len(display.ax_.collections) == 1


def test_the_strip_takes_ranges_from_a_list(images):
    augmentation = RotateZoomContrast(contrast=[0.8, 1.2])
    model = GalaxyClassifier("simple_cnn", augmentation=augmentation)
    as_tuple = RotateZoomContrast(contrast=(0.8, 1.2))
    drawn, expected = (
        GalleryDisplay.from_steps(one, images[:2], random_state=0)
        for one in (model, GalaxyClassifier("simple_cnn", augmentation=as_tuple))
    )
    for (_, row), (_, others) in zip(drawn.rows, expected.rows, strict=True):
        np.testing.assert_array_equal([one for one, _ in row], [one for one, _ in others])
