"""scikit-learn's common checks on every public estimator."""

from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from galaxy_sklearn import GalaxyClassifier, neural_network

ESTIMATORS = [
    GalaxyClassifier(
        "linear",
        augmentation=None,
        label_smoothing=0.0,
        learning_rate=0.1,
        max_epochs=60,
        random_state=0,
    ),
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_common_checks(estimator, check):
    check(estimator)


def test_every_public_estimator_is_checked():
    public = {
        name
        for name in neural_network.__all__
        if issubclass(getattr(neural_network, name), BaseEstimator)
    }
    assert public == {type(estimator).__name__ for estimator in ESTIMATORS}
    for estimator in ESTIMATORS:
        assert len(list(estimator_checks_generator(estimator))) >= 55
