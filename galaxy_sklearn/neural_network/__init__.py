"""Image networks as scikit-learn estimators."""

from galaxy_sklearn._training.schedules import StepDecay
from galaxy_sklearn.neural_network._classifier import GalaxyClassifier

__all__ = ["GalaxyClassifier", "StepDecay"]
