"""Pictures of self-training and of reconstructions show what the data say."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from shapes import make_shapes
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from galaxy_sklearn import ImageSequence
from galaxy_sklearn.inspection import (
    PseudoLabelFlowDisplay,
    PseudoLabelGalleryDisplay,
    ReconstructionDisplay,
)
from galaxy_sklearn.semi_supervised import PseudoLabelClassifier


@pytest.fixture(autouse=True)
def _close():
    mpl.use("Agg")
    yield
    plt.close("all")


def flatten(X):
    X = np.asarray(X)
    return X.reshape(len(X), -1) / 255.0


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(120)


@pytest.fixture(scope="module")
def fitted(shapes):
    X, y = shapes
    base = make_pipeline(FunctionTransformer(flatten), LogisticRegression(max_iter=300))
    model = PseudoLabelClassifier(base, criterion="k_best", k_best=30, max_iter=2)
    return model.set_params(max_divergence=None).fit(X[:30], y[:30], X_unlabeled=X[30:])


def test_bars_are_what_the_rounds_added(fitted):
    display = PseudoLabelFlowDisplay.from_estimator(fitted)
    drawn = [list(container) for container in display.ax_.containers]
    assert len(drawn) == len(fitted.history_) == 2
    starts = np.zeros(3)
    for entry, bars in zip(fitted.history_, drawn):
        added = np.array(list(entry["added"].values()))
        assert [bar.get_width() for bar in bars] == added.tolist()
        assert [bar.get_x() for bar in bars] == starts.tolist()
        starts += added
    labels = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert labels == fitted.classes_.tolist()
    assert "60 pseudo-labels" in display.ax_.get_title()


def test_a_round_that_was_rolled_back_is_hatched(fitted):
    history = [dict(fitted.history_[0]), dict(fitted.history_[1], outcome="collapse")]
    display = PseudoLabelFlowDisplay(history).plot()
    hatches = [container[0].get_hatch() for container in display.ax_.containers]
    assert hatches[0] is None
    assert hatches[1]
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["round 1", "round 2, not kept"]
    assert "round 2 rolled back" in display.ax_.get_title()


def test_the_gallery_runs_from_the_surest_to_the_least_sure(fitted, shapes):
    X, _ = shapes
    display = PseudoLabelGalleryDisplay.from_estimator(fitted, X[30:], n_per_class=3)
    assert display.axes_.shape == (3, 3)
    pool = slice(30, None)
    codes, confidence = fitted.transduction_[pool], fitted.confidence_[pool]
    for name, axes in zip(fitted.classes_, display.axes_):
        members = np.flatnonzero(codes == name)
        best, worst = members[confidence[members].argmax()], members[confidence[members].argmin()]
        for ax, row in ((axes[0], best), (axes[2], worst)):
            np.testing.assert_array_equal(ax.images[0].get_array(), X[30 + row])
            assert f"{confidence[row]:.1%}" in ax.get_xlabel() + ax.get_title()
        assert name in axes[0].get_ylabel()


def test_the_gallery_reads_only_what_it_shows(fitted, shapes):
    X, _ = shapes
    direct = PseudoLabelGalleryDisplay.from_estimator(fitted, X[30:], n_per_class=2)
    lazy = ImageSequence.from_array(X[30:])
    through = PseudoLabelGalleryDisplay.from_predictions(
        lazy,
        fitted.transduction_[30:],
        fitted.confidence_[30:],
        fitted.labeled_iter_[30:],
        n_per_class=2,
    )
    for one, other in zip(direct.axes_.ravel(), through.axes_.ravel()):
        np.testing.assert_array_equal(one.images[0].get_array(), other.images[0].get_array())


def test_reconstructions_stand_below_their_images(shapes):
    X, _ = shapes
    rows = flatten(X)
    pca = PCA(5, random_state=0).fit(rows)
    restored = pca.inverse_transform(pca.transform(rows[:4])) * 255
    display = ReconstructionDisplay.from_predictions(X[:4], restored)
    assert display.axes_.shape == (2, 4)
    expected = restored.reshape(4, *X.shape[1:]).clip(0, 255).round().astype(np.uint8)
    for k in range(4):
        np.testing.assert_array_equal(display.axes_[0, k].images[0].get_array(), X[k])
        np.testing.assert_array_equal(display.axes_[1, k].images[0].get_array(), expected[k])
        error = np.sqrt(np.mean((expected[k].astype(float) - X[k]) ** 2))
        caption = display.axes_[1, k].get_xlabel() + display.axes_[1, k].get_title()
        assert f"error {error:.3g}" in caption


def test_what_they_refuse(fitted, shapes):
    X, _ = shapes
    with pytest.raises(ValueError, match="has no rounds of self-training to draw"):
        PseudoLabelFlowDisplay.from_estimator(PCA(2).fit(flatten(X)))
    with pytest.raises(ValueError, match="needs the 90 images .*; got 10"):
        PseudoLabelGalleryDisplay.from_estimator(fitted, X[:10])
    with pytest.raises(ValueError, match="found no pseudo-label to draw"):
        PseudoLabelGalleryDisplay.from_predictions(X[:2], ["a", "b"], [1, 1], [0, 0])
    with pytest.raises(ValueError, match="n_per_class of at least 1; got 0"):
        PseudoLabelGalleryDisplay.from_estimator(fitted, X[30:], n_per_class=0)
    with pytest.raises(ValueError, match="has neither"):
        ReconstructionDisplay.from_estimator(LogisticRegression(), X)
    with pytest.raises(ValueError, match="needs reconstructions of the images' shape"):
        ReconstructionDisplay.from_predictions(X[:3], np.zeros((3, 5)))
