"""A fit that is killed goes on and ends with the same model."""

import functools
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from shapes import make_shapes
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, EpochTimer, GradientNormClipping, LRScheduler

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn._training import data
from galaxy_sklearn._training.checkpoint import describe, describe_callbacks, images_digest
from galaxy_sklearn.decomposition import ContrastivePretrainer
from galaxy_sklearn.galaxy_zoo import load_tree
from galaxy_sklearn.images import ImageSequence
from galaxy_sklearn.neural_network._held_out import split_rows
from galaxy_sklearn.preprocessing import Resize

FIT = """
import sys
sys.path.insert(0, {tests!r})
from shapes import make_shapes
from galaxy_sklearn import GalaxyClassifier
X, y = make_shapes(240)
GalaxyClassifier("simple_cnn", **{params!r}, checkpoint_dir={folder!r}).fit(X, y)
"""
PARAMS = {"max_epochs": 40, "batch_size": 16, "random_state": 3, "early_stopping": True}
PARAMS |= {"n_iter_no_change": 40}


def _weights(model):
    return model.net_.module_.state_dict()


def _kill_during_fit(folder, n_kills):
    for _ in range(n_kills):
        code = FIT.format(tests=str(Path(__file__).parent), params=PARAMS, folder=str(folder))
        process = subprocess.Popen([sys.executable, "-c", code])
        known = {p.stat().st_mtime_ns for p in folder.glob("fit-*.pt")}
        deadline = time.monotonic() + 120
        while {p.stat().st_mtime_ns for p in folder.glob("fit-*.pt")} <= known:
            assert process.poll() is None, "the fit ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_a_killed_fit_ends_with_the_same_model(tmp_path):
    X, y = make_shapes(240)
    expected = GalaxyClassifier("simple_cnn", **PARAMS).fit(X, y)
    _kill_during_fit(tmp_path, 2)
    state = torch.load(next(tmp_path.glob("fit-*.pt")), weights_only=True)
    assert 0 < state["epoch"] < 40
    resumed = GalaxyClassifier("simple_cnn", **PARAMS, checkpoint_dir=tmp_path).fit(X, y)
    assert resumed.n_iter_ == expected.n_iter_
    np.testing.assert_array_equal(resumed.loss_curve_, expected.loss_curve_)
    for name, tensor in _weights(expected).items():
        assert torch.equal(tensor, _weights(resumed)[name]), name


def test_other_data_or_parameters_do_not_go_on_from_a_checkpoint(tmp_path):
    X, y = make_shapes(60)
    params = {"max_epochs": 1, "random_state": 0, "checkpoint_dir": tmp_path}
    GalaxyClassifier("simple_cnn", **params).fit(X, y)
    GalaxyClassifier("simple_cnn", **params).fit(255 - X, y)
    GalaxyClassifier("simple_cnn", **params, label_smoothing=0.2).fit(X, y)
    assert len(list(tmp_path.glob("fit-*.pt"))) == 3
    GalaxyClassifier("simple_cnn", **params, verbose=1).fit(X, y)
    assert len(list(tmp_path.glob("fit-*.pt"))) == 3


def test_each_fold_has_its_own_checkpoint(tmp_path):
    y = np.sort(np.arange(300) % 5)  # folds of equal targets, with few images that differ
    X = np.random.default_rng(0).normal(size=(300, 6, 6, 1))
    model = GalaxyClassifier("linear", max_epochs=1, random_state=0, checkpoint_dir=tmp_path)
    for train, _ in StratifiedKFold(10).split(X, y):
        model.fit(X[train], y[train])
    assert len(list(tmp_path.glob("fit-*.pt"))) == 10


@pytest.mark.parametrize("kept_bytes", [0, data.KEPT_BYTES])
def test_every_image_of_a_sequence_counts(tmp_path, monkeypatch, kept_bytes):
    monkeypatch.setattr(data, "KEPT_BYTES", kept_bytes)
    X, _ = make_shapes(40)
    files = [tmp_path / f"{row}.png" for row in range(40)]
    for file, image in zip(files, X):
        Image.fromarray(image).save(file)
    images = ImageSequence.from_files(files)
    digest = images_digest(images)
    assert digest == images_digest(ImageSequence.from_files(files))
    assert digest != images_digest(images.map(Resize(8).fit(X)))
    assert digest != images_digest(images[np.r_[1, 0, 2:40]])
    Image.fromarray(255 - X[7]).save(files[7])
    assert digest != images_digest(ImageSequence.from_files(files))


def _own_schedule(factor):
    def schedule(step, n_steps):
        return factor * (1 - step / n_steps)

    return schedule


class _OwnViews:
    def __init__(self, noise):
        self.noise = noise

    def __call__(self, images, size, *, field, generator):
        return images


def test_functions_and_objects_of_one_s_own_are_known_again():
    first, again, other = _own_schedule(1.0), _own_schedule(1.0), _own_schedule(0.5)
    assert describe(first) == describe(again) != describe(other)
    assert describe(lambda step: step) != describe(lambda step: -step)
    assert describe(_OwnViews(1)) == describe(_OwnViews(1)) != describe(_OwnViews(2))
    steps = [Resize(size) for size in range(64, 128)]
    texts = [describe(make_pipeline(*steps, last)) for last in (Resize(3), Resize(4))]
    assert texts[0] != texts[1]  # scikit-learn's own text of a long pipeline leaves most of it out
    first, again, other = (functools.partial(_own_schedule, one) for one in (1.0, 1.0, 0.5))
    assert describe(first) == describe(again) != describe(other)
    method = _OwnViews(1).__call__
    assert describe(method) == describe(_OwnViews(1).__call__) != describe(_OwnViews(2).__call__)
    trees = [load_tree("gz2"), load_tree("gz2")]
    other = replace(trees[0], always_asked=("something-odd",))
    assert repr(other) == repr(trees[0]) == "DecisionTree('gz2', 11 questions, 37 answers)"
    assert trees[0].answers  # which a tree remembers
    assert describe(trees[0]) == describe(trees[1]) != describe(other)
    for text in (describe(first), *texts, describe(_OwnViews(1)), describe(method)):
        assert " at 0x" not in text


class _Slotted:
    __slots__ = ("factor",)

    def __init__(self, factor):
        self.factor = factor


def _half(step):
    return step / 2


def _read_from_the_module(step):
    return _half(step) * FACTOR if step else _read_from_the_module(step - 1)


class _Linked:
    def __init__(self):
        self.other = self


FACTOR = 1.0


def test_what_functions_read_and_objects_hold_counts_in_whole(monkeypatch):
    assert describe(_Slotted(1)) == describe(_Slotted(1)) != describe(_Slotted(2))
    table = np.zeros(5000)
    other = table.copy()
    other[2500] = 1
    assert describe(table) == describe(table.copy()) != describe(other)
    before = describe(_read_from_the_module)
    assert before == describe(_read_from_the_module)
    monkeypatch.setitem(globals(), "FACTOR", 0.5)
    after = describe(_read_from_the_module)
    assert after != before
    monkeypatch.setitem(globals(), "_half", lambda step: step / 3)
    assert describe(_read_from_the_module) != after
    tables = [describe(_read_from_the_module)]
    for rate in (0.5, 0.25):
        monkeypatch.setitem(globals(), "FACTOR", {"rates": [rate], "of": _Linked()})
        tables.append(describe(_read_from_the_module))
    assert len(set(tables)) == 3


def test_a_fit_with_a_function_of_one_s_own_goes_on(tmp_path):
    X, y = make_shapes(60)
    for _ in range(2):
        GalaxyClassifier(
            "simple_cnn",
            schedule=_own_schedule(1.0),
            max_epochs=1,
            random_state=0,
            checkpoint_dir=tmp_path,
        ).fit(X, y)
    assert len(list(tmp_path.glob("fit-*.pt"))) == 1


def test_a_pretrainer_s_training_goes_on_too(tmp_path):
    X, y = make_shapes(40)
    pretrained = ContrastivePretrainer("simple_cnn", max_steps=1)
    params = {"max_steps": 1, "random_state": 0, "checkpoint_dir": tmp_path}
    for _ in range(2):
        GalaxyClassifier("simple_cnn", pretrained=pretrained, **params).fit(X, y)
        assert len(list(tmp_path.glob("fit-*.pt"))) == 2
    assert pretrained.checkpoint_dir is None


def test_a_stop_by_a_callback_holds_for_fits_with_callbacks_alone(tmp_path):
    class Stop(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise KeyboardInterrupt  # as skorch's EarlyStopping does

    X, y = make_shapes(60)
    params = {"max_epochs": 4, "random_state": 0}
    model = GalaxyClassifier("linear", **params, checkpoint_dir=tmp_path, callbacks=[Stop()])
    assert model.fit(X, y).n_iter_ == 1
    assert model.fit(X, y).n_iter_ == 1  # it is over, and not begun anew
    gone_on = model.set_params(callbacks=None).fit(X, y)
    assert gone_on.n_iter_ == 4
    expected = GalaxyClassifier("linear", **params).fit(X, y)
    np.testing.assert_array_equal(gone_on.predict_proba(X), expected.predict_proba(X))


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    X, y = make_shapes(12)
    with pytest.raises(OSError, match="file"):
        GalaxyClassifier(
            "simple_cnn", max_epochs=1, checkpoint_dir=tmp_path / "file", random_state=0
        ).fit(X, y)


def test_checkpoints_of_no_seed_are_warned_of(tmp_path):
    X, y = make_shapes(20)
    model = GalaxyClassifier("linear", max_steps=1, checkpoint_dir=tmp_path)
    with pytest.warns(UserWarning, match="without a random_state no two fits are the same") as told:
        model.fit(X, y)
    assert told[0].filename == __file__


def test_callbacks_that_take_part_begin_another_fit(tmp_path):
    X, y = make_shapes(60)

    def weights(*callbacks):
        params = {"max_steps": 3, "random_state": 0, "checkpoint_dir": tmp_path}
        return _weights(GalaxyClassifier("linear", **params, callbacks=list(callbacks)).fit(X, y))

    plain = weights()
    assert all(torch.equal(a, b) for a, b in zip(plain.values(), weights(EpochTimer()).values()))
    assert len(list(tmp_path.glob("fit-*.pt"))) == 1
    clipped = weights(GradientNormClipping(1e-9))
    assert not torch.equal(plain["network.classifier.weight"], clipped["network.classifier.weight"])
    weights(("clip", GradientNormClipping(1e-9)))
    assert len(list(tmp_path.glob("fit-*.pt"))) == 2
    weights(GradientNormClipping(1.0))
    assert len(list(tmp_path.glob("fit-*.pt"))) == 3


def test_schedulers_are_known_by_all_their_settings():
    fast, slow = (
        LRScheduler("StepLR", step_size=1, gamma=0.1),
        LRScheduler("StepLR", step_size=9, gamma=0.1),
    )
    assert describe_callbacks([fast]) == describe_callbacks([("rate", fast)])
    assert describe_callbacks([fast]) != describe_callbacks([slow])


def test_other_images_held_out_begin_another_fit(tmp_path):
    X, y = make_shapes(60)
    params = {"early_stopping": True, "validation_fraction": 0.2, "max_steps": 3, "random_state": 0}
    model = GalaxyClassifier("simple_cnn", **params, checkpoint_dir=tmp_path).fit(X, y)
    codes = np.searchsorted(model.classes_, y)
    _, held_out = split_rows(model, np.arange(60), codes=codes)
    changed = X.copy()
    changed[held_out] = 255 - changed[held_out]
    again = GalaxyClassifier("simple_cnn", **params, checkpoint_dir=tmp_path).fit(changed, y)
    expected = GalaxyClassifier("simple_cnn", **params).fit(changed, y)
    assert again.history_[0]["valid_loss"] == expected.history_[0]["valid_loss"]
    assert again.history_[0]["valid_loss"] != model.history_[0]["valid_loss"]


def test_a_damaged_checkpoint_is_replaced(tmp_path):
    X, y = make_shapes(60)
    model = GalaxyClassifier("linear", max_steps=2, random_state=0, checkpoint_dir=tmp_path)
    expected = model.fit(X, y).predict_proba(X)
    (file,) = tmp_path.glob("fit-*.pt")
    whole = file.read_bytes()
    file.write_bytes(whole[:40])
    with pytest.warns(UserWarning, match=f"{file.name}' is damaged .*begins anew"):
        model.fit(X, y)
    assert np.array_equal(model.predict_proba(X), expected)
    assert len(file.read_bytes()) == len(whole)
