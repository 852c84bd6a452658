"""scikit-learn's common checks on every public estimator."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from galaxy_sklearn import GalaxyClassifier

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
