"""Networks that train in a moment, for tests."""

from galaxy_sklearn import GalaxyClassifier


def small(**params):
    """Return a classifier of 16 x 16 pixels and few filters."""
    defaults = {
        "max_epochs": 2,
        "random_state": 0,
        "network_params": {"widths": (2, 4), "input_size": 16},
    }
    return GalaxyClassifier(**(defaults | params))


def weights(model):
    """Return a copy of a fitted classifier's weights by name."""
    return {k: v.clone() for k, v in model.net_.module_.network.state_dict().items()}
