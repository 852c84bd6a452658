"""scikit-learn estimators that tell galaxies apart by their shape.

Importing the package loads neither torch nor scikit-learn; a public name is imported when it is
first used.
"""

import importlib

__version__ = "0.1.0"

_PUBLIC = {
    "GalaxyClassifier": "galaxy_sklearn.neural_network",
    "ImageSequence": "galaxy_sklearn.images",
}

_SUBPACKAGES = (
    "augmentation",
    "datasets",
    "decomposition",
    "galaxy_zoo",
    "generative",
    "images",
    "inspection",
    "metrics",
    "model_selection",
    "networks",
    "neural_network",
    "preprocessing",
    "recipes",
    "semi_supervised",
)

__all__ = ["__version__", *_PUBLIC, *_SUBPACKAGES]


def __getattr__(name):
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in _SUBPACKAGES:
        return importlib.import_module(f"galaxy_sklearn.{name}")
    raise AttributeError(f"module 'galaxy_sklearn' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
