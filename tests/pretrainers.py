"""Tiny pretrainers, and what their tests share."""

import torch

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.decomposition import AutoencoderPretrainer, ContrastivePretrainer

TINY = {"input_size": 16, "widths": (4, 8), "depths": (1, 1)}
COMMON = {"batch_size": 16, "ema_decay": 0.9, "random_state": 0, "field": 1.0}


def tiny(**params):
    """Return an autoencoder of the default kind."""
    defaults = {"network_params": TINY, "max_steps": 20, "learning_rate": 0.01}
    return AutoencoderPretrainer(**(COMMON | defaults | params))


def wu(**params):
    """Return the autoencoder of Wu for images of 64 pixels."""
    defaults = {"network_params": {"input_size": 64}, "max_steps": 2, "learning_rate": 1e-3}
    return AutoencoderPretrainer("wu_autoencoder", **(COMMON | defaults | params))


def contrastive(**params):
    """Return a contrastive pretrainer."""
    defaults = {"network_params": {"width": 8}, "max_steps": 10, "learning_rate": 0.01}
    return ContrastivePretrainer("simple_cnn", **(COMMON | defaults | params))


def classifier(**params):
    """Return a classifier that takes the weights of `tiny` and leaves them as they are."""
    defaults = {"network_params": TINY, "max_epochs": 1, "freeze": "encoder"}
    return GalaxyClassifier(**({"random_state": 0, "batch_size": 16} | defaults | params))


def state(model):
    """Return the tensors of a fitted estimator's network."""
    return model.net_.module_.network.state_dict()


def same_encoder(model, weights):
    """Assert that a fitted estimator's network holds `weights` to the bit."""
    own = state(model)
    assert weights
    assert all(torch.equal(own[name], tensor) for name, tensor in weights.items())
