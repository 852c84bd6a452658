"""What stands inside the estimator that learns from a pool: its Pipeline, its network."""

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from galaxy_sklearn._training.pretrained import is_pretrainer
from galaxy_sklearn._training.seeding import draw_seed
from galaxy_sklearn._validation import validate_images
from galaxy_sklearn.neural_network._classifier import GalaxyClassifier
from galaxy_sklearn.neural_network._embedding import ImageNetEstimator
from galaxy_sklearn.preprocessing._base import ImageTransformer
from galaxy_sklearn.preprocessing._reader import ImageReader

_INNER = (
    *("best_estimator_", "estimator_", "calibrated_classifiers_", "estimators_"),
    *("estimator", "estimators"),
)


def unpack(estimator):
    """Return the transformers of nested Pipelines, the last step, and its parameters' prefix."""
    transformers, prefix = [], ""
    while hasattr(estimator, "steps"):
        transformers += _transformers(estimator.steps[:-1])
        name, estimator = estimator.steps[-1]
        prefix = f"{prefix}{name}__"
    return transformers, estimator, prefix


def _transformers(steps):
    return [step for _, step in steps if step is not None and step != "passthrough"]


def has_transformers(estimator):
    """Tell whether X passes through something before the last step sees it."""
    return len(unpack(estimator)[0]) > 0


def reader_of(estimator):
    """Return the ImageReader at the head of a Pipeline, or None.

    Also of one inside a search, a calibration or an ensemble; of a fitted one, if there is one.
    """
    transformers, last, _ = unpack(estimator)
    if transformers:
        return transformers[0] if isinstance(transformers[0], ImageReader) else None
    return next(filter(None, map(reader_of, _inside(last))), None)


def _inside(estimator):
    """Yield the estimators that another is made of, fitted ones first."""
    for name in _INNER:
        inner = getattr(estimator, name, ())
        for one in inner if isinstance(inner, list | tuple | np.ndarray) else [inner]:
            yield one[1] if isinstance(one, tuple) else one


def reads_sequences(estimator):
    """Tell whether an estimator is this package's in all its steps, and reads by the batch."""
    transformers, last, _ = unpack(estimator)
    return isinstance(last, ImageNetEstimator) and all(map(_maps_sequences, transformers))


def _maps_sequences(step):
    if hasattr(step, "steps"):
        return all(map(_maps_sequences, _transformers(step.steps)))
    return isinstance(step, ImageTransformer | ImageReader)


def has_unfitted_pretrainer(estimator):
    """Tell whether a network stands at the end whose pretrainer is to be fitted first."""
    last = unpack(estimator)[1]
    return isinstance(last, GalaxyClassifier) and is_pretrainer(last.pretrained)


def with_fitted_pretrainer(estimator, images, labels, pool):
    """Return an unfitted clone whose pretrainer was fitted on a pool, and is frozen.

    Parameters
    ----------
    estimator : estimator
        One that `has_unfitted_pretrainer`.
    images, labels : n_samples rows and array of shape (n_samples,)
        What the transformers before the network are fitted on.
    pool : the same as images
        What the transformers hand to the pretrainer.
    """
    estimator = clone(estimator)
    transformers, last, _ = unpack(estimator)
    for step in transformers:
        images = step.fit(images, labels).transform(images)
        pool = step.transform(pool)
    validate_images(last, images, reset=True)
    pool = validate_images(last, pool, reset=False)
    last._fit_pretrainer(pool, draw_seed(last.random_state))
    last.set_params(pretrained=FrozenEstimator(last.pretrainer_))
    return clone(estimator)
