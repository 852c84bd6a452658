"""Image networks as scikit-learn estimators."""

from galaxy_sklearn._training.schedules import StepDecay
from galaxy_sklearn.neural_network._classifier import GalaxyClassifier
from galaxy_sklearn.neural_network._vote_distribution import VoteDistribution
from galaxy_sklearn.neural_network._vote_fractions import VoteFractionRegressor

__all__ = ["GalaxyClassifier", "StepDecay", "VoteDistribution", "VoteFractionRegressor"]
