"""Tiny GANs, and what their tests share."""

from galaxy_sklearn.generative import GalaxyGAN


def tiny(**params):
    """Return a GAN of 16 x 16 pixels and few filters."""
    defaults = {
        "network_params": {"input_size": 16, "width": 8},
        "max_steps": 2,
        "batch_size": 32,
        "learning_rate": 0.002,
        "ema_decay": 0.98,
        "random_state": 0,
    }
    return GalaxyGAN(**(defaults | params))


def state(model):
    return {k: v.clone() for k, v in model.net_.module_.network.state_dict().items()}


def flat(images):
    return images.reshape(len(images), -1) / 255
