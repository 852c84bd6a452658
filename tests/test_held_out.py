"""What is set aside for early stopping, by groups too."""

import numpy as np
import pytest
from shapes import make_shapes
from sklearn import config_context
from sklearn.model_selection import GroupKFold, cross_validate

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.neural_network import VoteFractionRegressor
from galaxy_sklearn.neural_network._held_out import split_rows
from galaxy_sklearn.semi_supervised import PseudoLabelClassifier

X, Y = make_shapes(60)
VOTES = np.zeros((60, 37))
VOTES[:, [0, 14, 15]] = 1
PARAMS = {"early_stopping": True, "validation_fraction": 0.3, "random_state": 0}


def linear(**params):
    return GalaxyClassifier("linear", augmentation=None, **{**PARAMS, "max_steps": 2, **params})


@pytest.mark.parametrize("codes", [np.arange(60) % 2, None], ids=["stratified", "not"])
@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5])
def test_groups_stay_whole(codes, fraction):
    groups = np.repeat(np.arange(30), 2)[np.random.default_rng(0).permutation(60)]
    model = linear(validation_fraction=fraction)
    rows = np.arange(5, 60)
    training, held_out = split_rows(model, rows, codes=codes, groups=groups)
    assert sorted([*training, *held_out]) == rows.tolist()
    assert not set(groups[training]) & set(groups[held_out])
    assert len(held_out) == pytest.approx(fraction * len(rows), abs=6)
    if codes is not None:
        assert codes[held_out].mean() == pytest.approx(0.5, abs=0.2)


def test_twins_on_both_sides_flatter_and_groups_do_not():
    rng = np.random.default_rng(0)
    noise = np.repeat(rng.integers(0, 255, (100, 12, 12, 1)).astype(np.uint8), 2, axis=0)
    labels = np.repeat(rng.integers(0, 2, 100), 2)
    model = linear(max_steps=40, label_smoothing=0, ema_decay=None)
    flattered = model.fit(noise, labels).validation_scores_
    honest = model.fit(noise, labels, groups=np.repeat(np.arange(100), 2)).validation_scores_
    assert max(flattered) > 0.7 > 0.65 > max(honest)


def test_the_fold_that_serves_is_taken():
    groups = np.repeat(np.arange(10), 12)
    codes = np.tile([0, 1, 2], 40)
    codes[groups == 0] = 0  # alone it would leave classes out
    for seed in range(3):
        model = linear(validation_fraction=0.1, random_state=seed)
        training, held_out = split_rows(model, np.arange(120), codes=codes, groups=groups)
        assert len(held_out) == 12
        assert set(codes[training]) == set(codes[held_out]) == {0, 1, 2}


@pytest.mark.parametrize(("fraction", "expected"), [(0.1, 15), (0.9, 45)])
def test_few_groups_and_large_fractions(fraction, expected):
    groups, codes = np.repeat(np.arange(4), 15), np.arange(60) % 3
    model = linear(validation_fraction=fraction)
    training, held_out = split_rows(model, np.arange(60), codes=codes, groups=groups)
    assert len(held_out) == expected
    assert len(training) == 60 - expected


def test_guessed_twins_of_what_is_held_out_are_left_out():
    seen = []

    class Spy(GalaxyClassifier):
        def _split(self, codes, weights, groups):
            rows = super()._split(codes, weights, groups)
            seen.append([set(groups[part]) for part in rows])
            return rows

    groups = np.arange(60) % 30
    labels = np.where(np.arange(60) < 30, Y, "-1").astype(object)
    labels[30:] = -1
    with config_context(enable_metadata_routing=True):
        spy = Spy("linear", augmentation=None, max_steps=1, **PARAMS).set_fit_request(groups=True)
        model = PseudoLabelClassifier(
            spy, threshold=0.0, max_iter=1, validation_fraction=None, max_divergence=None
        )
        model.fit(X, labels, groups=groups)
    assert (model.labeled_iter_ > 0).any()
    assert len(seen) >= 2
    assert all(not training & held_out for training, held_out in seen)


def test_votes_take_groups_too():
    model = VoteFractionRegressor("linear", max_steps=2, **PARAMS)
    model.fit(X, VOTES, groups=np.arange(60) // 2)
    assert len(model.validation_scores_) > 0


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.arange(59), "GalaxyClassifier got 60 images in X and 59 groups"),
        (np.zeros(60), r"cannot set aside 30% of 60 images with every class in both parts"),
        (Y, "whole groups leave a class out of one part"),
    ],
)
def test_groups_that_do_not_serve_are_told(groups, message):
    with pytest.raises(ValueError, match=message):
        linear().fit(X, Y, groups=groups)


def test_groups_of_an_outer_splitter_pass_and_are_routed_if_asked_for():
    groups, seen = np.arange(60) // 2, []
    params = {"cv": GroupKFold(2), "params": {"groups": groups}, "error_score": "raise"}
    with config_context(enable_metadata_routing=True):
        scores = cross_validate(linear(), X, Y, **params)
        assert len(scores["test_score"]) == 2

        class Spy(GalaxyClassifier):
            def _split(self, codes, weights, groups):
                seen.append(groups)
                return super()._split(codes, weights, groups)

        spy = Spy("linear", augmentation=None, max_steps=1, **PARAMS).set_fit_request(groups=True)
        cross_validate(spy, X, Y, **params)
    assert [len(set(one)) for one in seen] == [15, 15]
