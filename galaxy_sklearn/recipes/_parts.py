"""What the recipes are made of."""

from copy import deepcopy

from sklearn import get_config
from sklearn.pipeline import make_pipeline

from galaxy_sklearn.neural_network._classifier import GalaxyClassifier
from galaxy_sklearn.neural_network._vote_fractions import VoteFractionRegressor
from galaxy_sklearn.preprocessing._geometry import Resize
from galaxy_sklearn.preprocessing._reader import ImageReader

PLAIN = {  # what no publication of before 2024 did, and this package does by default
    "ema_decay": None,
    "schedule": "constant",
    "weight_decay": 0.0,
    "field": 1.0,
}
_PLAIN_CLASSES = PLAIN | {"label_smoothing": 0.0, "loss": "cross_entropy"}


def image_pipeline(network, size=None, /, **params):
    """Return ImageReader, Resize to `size` unless None, and a plainly trained classifier."""
    return _pipeline(GalaxyClassifier, {"network": network} | _PLAIN_CLASSES | params, size)


def vote_pipeline(network, size=None, /, **params):
    """Return ImageReader, Resize to `size` unless None, and a plainly trained vote regressor."""
    return _pipeline(VoteFractionRegressor, {"network": network} | PLAIN | params, size)


def _pipeline(estimator_class, params, size):
    nested = {name: value for name, value in params.items() if "__" in name}
    estimator = estimator_class(**{k: v for k, v in params.items() if k not in nested})
    estimator.set_params(**nested)
    resize = () if size is None else (Resize(size),)
    return make_pipeline(ImageReader(), *resize, estimator)


def replaced(training, params):
    """Return a published training in which `params` take the place of what was published.

    A number of epochs takes the place of one of steps and the other way round; another optimiser
    does not get the parameters of the published one.
    """
    training = deepcopy(training)
    if params.get("max_epochs") is not None:
        training["max_steps"] = None
    if params.get("max_steps") is not None:
        training["max_epochs"] = "auto"
    if params.get("optimizer", training["optimizer"]) != training["optimizer"]:
        training["optimizer_params"] = None
    return training | params


def take_pool(pipeline):
    """Let the `fit` of a Pipeline prepare an `X_unlabeled` and hand it on, under metadata routing.

    Without routing scikit-learn has no way to do so, and the Pipeline is returned as it is.
    """
    if get_config()["enable_metadata_routing"]:
        pipeline.transform_input = ["X_unlabeled"]
        pipeline[-1].set_fit_request(X_unlabeled=True)
    return pipeline
