"""scikit-learn's common checks on every public estimator."""

from functools import partial

import pytest
import torch
from optuna.distributions import FloatDistribution
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import (
    check_classifiers_classes,
    estimator_checks_generator,
    parametrize_with_checks,
)

from galaxy_sklearn import (
    GalaxyClassifier,
    decomposition,
    generative,
    model_selection,
    neural_network,
    semi_supervised,
)
from galaxy_sklearn.decomposition import AutoencoderPretrainer, ContrastivePretrainer
from galaxy_sklearn.generative import GalaxyGAN
from galaxy_sklearn.model_selection import OptunaSearchCV
from galaxy_sklearn.neural_network import VoteFractionRegressor
from galaxy_sklearn.semi_supervised import FixMatchClassifier, PseudoLabelClassifier


def noisy(images, size, *, field, generator):
    """Return images of any size, of one pixel too, with noise."""
    return images + torch.randn(images.shape, generator=generator)


ESTIMATORS = [
    GalaxyClassifier(
        "linear",
        augmentation=None,
        label_smoothing=0.0,
        learning_rate=0.1,
        max_epochs=60,
        random_state=0,
    ),
    PseudoLabelClassifier(LogisticRegression(max_iter=1000)),
    FixMatchClassifier(
        GalaxyClassifier(
            "linear",
            augmentation=None,
            label_smoothing=0.0,
            learning_rate=0.1,
            max_epochs=60,
            random_state=0,
        )
    ),
    VoteFractionRegressor(  # the checks regress on any numbers, which are no fractions of a tree
        "linear",
        tree=None,
        output="identity",
        augmentation=None,
        learning_rate=0.1,
        max_epochs=60,
        random_state=0,
    ),
    AutoencoderPretrainer("linear", augmentation=None, max_epochs=4, random_state=0),
    ContrastivePretrainer("linear", augmentation=noisy, max_epochs=4, random_state=0),
    GalaxyGAN(
        network_params={"input_size": 8, "width": 2},
        augmentation=noisy,
        max_steps=2,
        random_state=0,
    ),
    OptunaSearchCV(
        LogisticRegression(max_iter=1000),
        {"C": FloatDistribution(0.1, 10.0, log=True)},
        n_trials=2,
        cv=2,
        random_state=0,
        error_score="raise",
    ),
]


@pytest.mark.filterwarnings("ignore:y contains no unlabeled samples")
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # of check_cv, y infinite
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_common_checks(estimator, check):
    is_exempt = isinstance(estimator, PseudoLabelClassifier | FixMatchClassifier)
    if is_exempt and getattr(check, "func", None) is check_classifiers_classes:
        # scikit-learn exempts semi-supervised classifiers by name: to them -1 is no class.
        check = partial(check_classifiers_classes, "SelfTrainingClassifier")
    check(estimator)


def test_every_public_estimator_is_checked():
    public = {
        name
        for room in (decomposition, generative, model_selection, neural_network, semi_supervised)
        for name in room.__all__
        if isinstance(getattr(room, name), type) and issubclass(getattr(room, name), BaseEstimator)
    }
    assert public == {type(estimator).__name__ for estimator in ESTIMATORS}
    for estimator in ESTIMATORS:
        answers = ("predict", 55), ("transform", 47), ("fit", 41)  # the less it does, the fewer
        expected = next(n for name, n in answers if hasattr(estimator, name))
        assert len(list(estimator_checks_generator(estimator))) >= expected
