"""GalaxyClassifier: what it learns, what it promises, what it refuses."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from shapes import make_shapes
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline

from galaxy_sklearn import GalaxyClassifier, ImageSequence
from galaxy_sklearn.decomposition import ContrastivePretrainer


def small(**params):
    defaults = {"max_epochs": 6, "batch_size": 16, "ema_decay": 0.8, "random_state": 0}
    network = params.pop("network", "simple_cnn")
    return GalaxyClassifier(network, **(defaults | params))


@pytest.fixture(scope="module")
def shapes():
    X, y = make_shapes(240)
    return X[:150], y[:150], X[150:], y[150:]


@pytest.fixture(scope="module")
def fitted(shapes):
    return small().fit(*shapes[:2])


def test_learns_planted_shapes(fitted, shapes):
    assert fitted.score(*shapes[2:]) > 0.95


def test_galaxynet_learns_planted_shapes(shapes):
    model = small(network="galaxynet", network_params={"input_size": 16, "widths": (8, 16, 32)})
    model.set_params(network__depths=(1, 1, 1), max_epochs=10, learning_rate=0.01)
    assert model.fit(*shapes[:2]).score(*shapes[2:]) > 0.9


def test_probabilities_are_probabilities(fitted, shapes):
    proba = fitted.predict_proba(shapes[2])
    np.testing.assert_allclose(proba.sum(1), 1)
    assert proba.shape == (90, 3)
    assert proba.min() >= 0
    np.testing.assert_array_equal(fitted.classes_[proba.argmax(1)], fitted.predict(shapes[2]))
    np.testing.assert_allclose(np.exp(fitted.decision_function(shapes[2])), proba)


@pytest.mark.parametrize(
    "names",
    [[0, 5, 9], ["a", "bb", "ccc"], [-1.0, 0.0, 2.0], pd.Series(["E", "S0", "Sa"]).tolist()],
)
def test_labels_of_any_kind_come_back(shapes, names):
    X, y = shapes[:2]
    labels = np.asarray(names)[np.searchsorted(np.unique(y), y)]
    model = small(max_epochs=1).fit(X, labels)
    assert set(model.predict(X)) <= set(labels)
    np.testing.assert_array_equal(model.classes_, np.unique(labels))


def test_two_classes_of_booleans(shapes):
    X, y = shapes[:2]
    model = small().fit(X, y == "ring")
    assert model.classes_.dtype == bool
    decision = model.decision_function(X)
    assert decision.shape == (len(X),)
    np.testing.assert_array_equal(decision > 0, model.predict(X))


def test_rows_images_and_sequences_give_the_same_model(shapes):
    X, y = shapes[:2]
    images = small(max_epochs=2).fit(X, y)
    rows = small(max_epochs=2, image_shape=(16, 16, 3)).fit(X.reshape(len(X), -1), y)
    lazy = small(max_epochs=2).fit(ImageSequence.from_array(X), y)
    expected = images.predict_proba(X)
    np.testing.assert_array_equal(expected, rows.predict_proba(X.reshape(len(X), -1)))
    np.testing.assert_array_equal(expected, lazy.predict_proba(ImageSequence.from_array(X)))
    np.testing.assert_array_equal(expected, lazy.predict_proba(X))


def test_square_rows_are_folded_unasked(shapes):
    grey = shapes[0][..., 0]
    model = small(max_epochs=1).fit(grey.reshape(len(grey), -1), shapes[1])
    assert model.image_shape_ == (16, 16, 1)


def test_two_fits_are_identical_and_leave_the_global_state_alone(shapes):
    np.random.seed(7)  # noqa: NPY002
    torch.manual_seed(7)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    first, second = (small(max_epochs=2).fit(*shapes[:2]) for _ in range(2))
    np.testing.assert_array_equal(before[0], np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(before[1], torch.get_rng_state())
    np.testing.assert_array_equal(first.predict_proba(shapes[2]), second.predict_proba(shapes[2]))
    other = small(max_epochs=2, random_state=1).fit(*shapes[:2])
    assert np.abs(other.predict_proba(shapes[2]) - first.predict_proba(shapes[2])).max() > 1e-4


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((2, 16, 20, 3), np.uint8), r"fitted on images of shape \(16, 16, 3\)"),
        (np.zeros((2, 16, 16, 1), np.uint8), r"got images of shape \(16, 16, 1\)"),
        (np.zeros((2, 16, 16), np.uint8), r"got images of shape \(16, 16, 1\)"),
        (np.zeros((2, 16, 16, 3)), r"fitted on uint8 pixels and got float64 pixels"),
        (np.zeros((2, 10), np.uint8), r"X has 10 features, but GalaxyClassifier is expecting 768"),
        (np.zeros((0, 16, 16, 3), np.uint8), r"0 sample"),
    ],
)
def test_predict_refuses_other_images(fitted, X, message):
    with pytest.raises(ValueError, match=message):
        fitted.predict(X)


def _images(n=4, side=16):
    return np.random.default_rng(0).random((n, side, side, 3))


def _with(value):
    X = _images()
    X[2, 3, 3, 1] = value
    return X


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        (_with(np.nan), list("abab"), ValueError, r"finite pixel values only: row 2 .* NaN"),
        (_with(-np.inf), list("abab"), ValueError, r"row 2 of X holds infinity \(inf\)"),
        (_images()[:0], [], ValueError, r"0 sample"),
        (_images(), list("aaaa"), ValueError, r"at least two classes; y holds only one class: .*a"),
        (_images(), list("ababa"), ValueError, r"got 4 images in X and 5 labels in y"),
        (_images(), None, ValueError, r"requires y to be passed"),
        (_images(side=1), list("abab"), ValueError, r"at least 8 x 8 pixels; got 1 x 1"),
        (np.zeros((2, 2, 30_000, 1)), list("ab"), ValueError, r"at most 16384 pixels a side"),
        (["a.jpg", "b.jpg"], list("ab"), TypeError, r"put ImageReader\(\) before it"),
        (np.zeros((2, 3, 4, 5, 6)), list("ab"), ValueError, r"got an array of 5 dimensions"),
    ],
)
def test_fit_refuses_in_one_sentence(X, y, error, message):
    with pytest.raises(error, match=message) as caught:
        small().fit(X, y)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"network": "galaxynett"}, r"no network 'galaxynett'.*Did you mean 'galaxynet'"),
        (
            {"network_params": {"depth": 3}},
            r"'simple_cnn' has no parameter 'depth'; it takes width",
        ),
        ({"network": "timm/no_such_net"}, r"timm could not make the model 'no_such_net'"),
        ({"max_epochs": 0}, r"'max_epochs' parameter of GalaxyClassifier must be"),
        ({"tta": "d5"}, r"The 'tta' parameter of GalaxyClassifier must be"),
        ({"tta": ["d4", -1.0]}, r"tta must be None"),
        ({"device": "abacus"}, r"The device 'abacus' cannot be used here"),
        ({"pretrained": True}, r"no published weights for 'simple_cnn'"),
        ({"pretrained": "no_such.pth"}, r"no weights file 'no_such.pth'"),
        ({"image_shape": (16, 0)}, r"image_shape parameter of GalaxyClassifier must be"),
        ({"image_shape": (8, 8, 3)}, r"given image_shape=\(8, 8, 3\), but X holds"),
        ({"class_weight": {"nothing": 1}}, r"nothing"),
        ({"class_weight": {"ring": -1.0}}, r"class weights >= 0; got -1.0 for 'ring'"),
    ],
)
def test_wrong_parameters_are_named(shapes, params, message):
    if params.get("network", "").startswith("timm/"):
        params = params | {"network_params": {"input_size": 32}}
    with pytest.raises(ValueError, match=message):
        small(**params).fit(*shapes[:2])


def test_early_stopping_needs_two_of_each_class():
    with pytest.raises(ValueError, match="cannot set aside 10% of 3 images with every class"):
        small(early_stopping=True).fit(_images(3), ["a", "b", "c"])


def test_one_image_a_class_is_enough_without_a_validation_part():
    model = small(max_epochs=1).fit(_images(3), ["a", "b", "c"])
    assert model.predict_proba(_images(3)).shape == (3, 3)


def test_early_stopping_keeps_the_best_epoch(shapes):
    X, y = shapes[:2]
    model = small(early_stopping=True, validation_fraction=0.3, n_iter_no_change=3, max_epochs=60)
    model.fit(X, y)
    scores = model.validation_scores_
    best = int(np.argmax(scores))
    assert model.n_iter_ == len(scores) < 60
    assert model.n_iter_ - 1 - best == 3
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(y))
    _, held_out = train_test_split(rows, test_size=0.3, stratify=y, random_state=0)
    assert model.score(X[held_out], y[held_out]) == pytest.approx(scores[best])


def test_images_without_weight_teach_nothing(shapes):
    X, y = shapes[:2]
    wrong = y.copy()
    wrong[75:] = np.roll(np.unique(y), 1)[np.searchsorted(np.unique(y), y[75:])]
    weight = np.r_[np.ones(75), np.zeros(75)]
    model = small(max_epochs=12).fit(X, wrong, sample_weight=weight)
    assert model.score(X, y) > 0.9


def test_logit_adjustment_favours_the_rare_class():
    rng = np.random.default_rng(0)
    X = np.r_[rng.normal(0, 1, (500, 4)), rng.normal(1, 1, (25, 4))]
    y = np.r_[np.zeros(500), np.ones(25)]
    common = {"network": "linear", "augmentation": None, "max_epochs": 60, "learning_rate": 0.05}
    plain = small(**common, loss="cross_entropy").fit(X, y)
    adjusted = small(**common, adjustment=1.0).fit(X, y)
    balanced = small(**common, loss="cross_entropy", class_weight="balanced").fit(X, y)
    recall = [m.predict(X)[500:].mean() for m in (plain, adjusted, balanced)]
    assert recall[0] < 0.5
    assert min(recall[1:]) > 0.7


def test_extended_precision_is_read_as_double(shapes):
    X, y = shapes[0][:60] / 255, shapes[1][:60]
    model = small(max_epochs=1).fit(X.astype(np.longdouble), y)
    expected = small(max_epochs=1).fit(X, y).predict_proba(X)
    lazy = ImageSequence.from_array(X.astype(np.longdouble))
    np.testing.assert_array_equal(model.predict_proba(lazy), expected)


def test_partial_fit_learns_and_keeps_what_fit_learned(fitted, shapes):
    X, y, X_test, y_test = shapes
    model = small(learning_rate=0.05)
    with pytest.raises(ValueError, match="needs classes in its first call"):
        model.partial_fit(X, y)
    model.partial_fit(X[y != "ring"], y[y != "ring"], classes=np.unique(y))
    for _ in range(10):
        model.partial_fit(X, y)
    assert model.n_iter_ == 11
    assert model.score(X_test, y_test) > 0.9
    further = pickle.loads(pickle.dumps(fitted)).partial_fit(X, y)
    assert further.score(X_test, y_test) > 0.9
    with pytest.raises(ValueError, match="label 'star', which is not among the classes"):
        further.partial_fit(X[:2], ["star", "ring"])


def test_warm_start_goes_on_and_a_plain_fit_forgets(shapes):
    X, y = shapes[:2]
    model = small(max_epochs=8, warm_start=True).fit(X, y)
    first_loss = model.loss_curve_[0]
    model.fit(X, y)
    assert model.loss_curve_[0] < 0.7 * first_loss
    model.set_params(warm_start=False).fit(X, y)
    assert model.loss_curve_[0] == first_loss
    with pytest.raises(ValueError, match=r"warm_start=True\) was fitted on the classes"):
        model.set_params(warm_start=True).fit(X[:2], ["a", "b"])
    pretrainer = ContrastivePretrainer("simple_cnn", max_steps=1)
    model.set_params(pretrained=pretrainer).fit(X, y)  # which comes too late to begin with
    with pytest.raises(ValueError, match=r"warm_start=True\) cannot go on with another network"):
        model.set_params(pretrained=None, network="linear").fit(X, y)


def test_weights_of_classes_may_name_one_that_a_fold_lacks(shapes):
    X, y = shapes[:2]
    two = y != "ring"
    weights = {"ring": 5.0, "long": 1.0, "round": 2.0}
    with_ring, without = (
        small(max_epochs=1, class_weight=one).fit(X[two], y[two]).predict_proba(X)
        for one in (weights, {"long": 1.0, "round": 2.0})
    )
    np.testing.assert_array_equal(with_ring, without)


@pytest.mark.parametrize("turned", [lambda X: np.rot90(X, 1, (1, 2)), lambda X: X[:, :, ::-1]])
def test_d4_views_make_prediction_exactly_symmetric(fitted, shapes, turned):
    model = pickle.loads(pickle.dumps(fitted)).set_params(tta="d4", precision="float32")
    X = shapes[2]
    np.testing.assert_allclose(
        model.predict_proba(X), model.predict_proba(turned(X)), rtol=0, atol=2e-2
    )
    plain = model.set_params(tta=None)
    gap = np.abs(plain.predict_proba(X) - plain.predict_proba(turned(X))).max()
    assert gap > 0


def test_nested_parameters_are_tuned_by_grid_search(shapes):
    X, y = shapes[:2]
    search = GridSearchCV(
        make_pipeline(small(max_epochs=4)),
        {"galaxyclassifier__network__width": [8, 16], "galaxyclassifier__max_epochs": [1, 8]},
        cv=2,
        error_score="raise",
    ).fit(X, y)
    assert search.best_params_["galaxyclassifier__max_epochs"] == 8
    width = search.best_params_["galaxyclassifier__network__width"]
    assert search.best_estimator_[-1].network_params == {"width": width}
    assert search.best_estimator_[-1].get_params()["network__width"] == width


def test_works_inside_meta_estimators(shapes):
    X, y = shapes[:2]
    predicted = cross_val_predict(small(), X, y, cv=2)
    assert (predicted == y).mean() > 0.8
    calibrated = CalibratedClassifierCV(small(max_epochs=2), cv=2).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(1), 1)


def test_embeddings_feed_other_estimators(fitted, shapes):
    X, y, X_test, y_test = shapes
    head = make_pipeline(FrozenEstimator(fitted), LogisticRegression()).fit(X, y)
    assert head.score(X_test, y_test) > 0.9
    assert fitted.transform(X).shape == (len(X), 128)
    assert list(fitted.get_feature_names_out()[:2]) == ["galaxyclassifier0", "galaxyclassifier1"]


def test_pickle_and_save_keep_the_predictions(fitted, shapes, tmp_path):
    expected = fitted.predict_proba(shapes[2])
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict_proba(shapes[2]), expected)
    fitted.save(tmp_path / "model.joblib")
    loaded = GalaxyClassifier.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(loaded.predict_proba(shapes[2]), expected)
    assert [p.name for p in tmp_path.iterdir()] == ["model.joblib"]
    with pytest.raises(FileNotFoundError, match="'.*model.joblib' cannot be .* no folder '.*lost'"):
        fitted.save(tmp_path / "lost" / "model.joblib")
    weights = sum(t.numel() * 4 for t in fitted.net_.module_.state_dict().values())
    assert len(pickle.dumps(fitted)) < 1.5 * weights + 50_000


def test_load_refuses_another_object(tmp_path):
    import joblib

    joblib.dump({"not": "a model"}, tmp_path / "other")
    with pytest.raises(ValueError, match="holds a dict, not a GalaxyClassifier"):
        GalaxyClassifier.load(tmp_path / "other")


def test_load_says_what_is_damaged(fitted, tmp_path):
    fitted.save(tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes()
    for name, part in (("empty", b""), ("text", b"hello"), ("half", content[: len(content) // 2])):
        (tmp_path / name).write_bytes(part)
        with pytest.raises(ValueError, match=f"{name}' cannot be opened as a GalaxyClassifier"):
            GalaxyClassifier.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        GalaxyClassifier.load(tmp_path / "none")


def test_weights_come_from_a_file_or_a_fitted_estimator(fitted, shapes, tmp_path):
    X, y = shapes[:2]
    network = fitted.net_.module_.network
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    from_file = small(pretrained=tmp_path / "weights.pth", max_epochs=1, learning_rate=1e-9)
    frozen = small(pretrained=FrozenEstimator(fitted), max_epochs=1, learning_rate=1e-9)
    for model in (from_file, clone(frozen)):
        model.fit(X, y)
        new = model.net_.module_.network.stages[0][0].weight
        torch.testing.assert_close(new, network.stages[0][0].weight, atol=1e-6, rtol=0)
    two_classes = clone(frozen).fit(X, y == "ring")
    assert two_classes.predict_proba(X).shape[1] == 2
    with pytest.raises(ValueError, match=r"layer 'stages.0.0.weight' has shape \(16, 3, 3, 3\)"):
        clone(frozen).set_params(network__width=8).fit(X, y)


def test_sample_weight_is_routed(shapes):
    X, y = shapes[:2]
    with sklearn.config_context(enable_metadata_routing=True):
        model = make_pipeline(small(max_epochs=1).set_fit_request(sample_weight=True))
        model.fit(X, y, sample_weight=np.ones(len(y)))
    expected = small(max_epochs=1).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


def test_the_number_of_epochs_follows_from_the_number_of_steps():
    model = GalaxyClassifier()
    epochs, steps = zip(*(model._length(n) for n in (300, 2000, 23_000, 300_000)))
    assert steps[0] == pytest.approx(steps[1], rel=0.1)
    assert steps[1] < steps[2] < steps[3]
    assert epochs[0] > epochs[2] > epochs[3]


def test_user_callbacks_are_called_after_the_validation(shapes):
    from skorch.callbacks import Callback

    rows = []

    class Reader(Callback):
        def on_epoch_end(self, net, **kwargs):
            rows.append(dict(net.history[-1]))

    callbacks = [Reader()]
    model = small(max_epochs=3, early_stopping=True, callbacks=callbacks).fit(*shapes[:2])
    assert [row["valid_score"] for row in rows] == model.validation_scores_
    assert [row["train_loss"] for row in rows] == model.loss_curve_
    assert all(0 <= row["train_accuracy"] <= 1 for row in rows)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_made_on_cuda_opened_on_the_cpu(shapes, tmp_path):
    X, y, X_test, y_test = shapes
    model = small(device="cuda", precision="float32").fit(X, y)
    expected = model.predict_proba(X_test)
    model.save(tmp_path / "model")
    loaded = GalaxyClassifier.load(tmp_path / "model").set_params(device="cpu")
    assert next(loaded.net_.module_.parameters()).device.type == "cpu"
    np.testing.assert_allclose(loaded.predict_proba(X_test), expected, atol=1e-3)


def test_masked_labels_are_missing_ones(shapes):
    X, y, *_ = shapes
    masked = np.ma.array(y, mask=np.arange(len(y)) == 3)
    with pytest.raises(ValueError, match="a label for each image; row 3 of y has none"):
        GalaxyClassifier("linear", max_steps=1).fit(X, masked)
    weights = np.ma.array(np.ones(len(y)), mask=np.arange(len(y)) == 3)
    with pytest.raises(ValueError, match="takes no masked sample_weight"):
        GalaxyClassifier("linear", max_steps=1).fit(X, y, sample_weight=weights)


def test_a_column_of_arrays_is_a_stack_of_images(shapes):
    X, y, *_ = shapes
    column = pd.Series(list(X), index=range(5, 5 + len(X)))
    model = GalaxyClassifier("linear", max_steps=2, random_state=0)
    expected = model.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(model.fit(column, y).predict_proba(column), expected)
    column.iloc[1] = column.iloc[1][:5]
    with pytest.raises(ValueError, match="takes images of one shape; got"):
        model.fit(column, y)


def test_the_default_precision_of_torch_is_left_alone_and_does_not_matter(shapes):
    X, y, *_ = shapes
    model = GalaxyClassifier("simple_cnn", max_steps=2, random_state=0)
    expected = model.fit(X, y).predict_proba(X)
    torch.set_default_dtype(torch.float64)
    try:
        found = model.fit(X, y).predict_proba(X)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_allclose(found, expected, atol=1e-6)
