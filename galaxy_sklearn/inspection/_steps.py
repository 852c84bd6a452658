"""What becomes of an image on its way to the network."""

import copy

import numpy as np
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from galaxy_sklearn._training.model import AppliedTransformer
from galaxy_sklearn._validation import is_image_sequence, validate_images
from galaxy_sklearn.augmentation._views import central_view
from galaxy_sklearn.inspection._fitted import contrast_limits
from galaxy_sklearn.neural_network._embedding import ImageNetEstimator

_INNER = ("estimator_", "best_estimator_", "estimator")
_AFTER_THE_VIEW = (
    *("brightness", "contrast", "saturation", "hue", "colour"),
    *("blur", "noise", "blank"),
)  # what augmentations do to a view, in their order


def are_images(X):
    """Tell whether `X` is an ImageSequence or an array (n, height, width[, n_channels])."""
    return is_image_sequence(X) or (isinstance(X, np.ndarray) and X.ndim in (3, 4))


def preparation_stages(estimator, X, random_state):
    """Return images as each step up to the network leaves them.

    Parameters
    ----------
    estimator : estimator
        A Pipeline, or what may be in one. Steps that are not fitted are fitted on `X`.
    X : array-like
        What the estimator takes.
    random_state : int, RandomState instance or None
        Seed of the random views.

    Returns
    -------
    list of (str, ndarray of shape (n_samples, height, width[, n_channels]))
        Title and images of each stage.
    """
    stages = [("input", np.asarray(X))] if are_images(X) else []
    for name, step in _steps(type(estimator).__name__.lower(), estimator):
        if isinstance(step, ImageNetEstimator):
            return stages + _network_stages(step, X, random_state)
        if not hasattr(step, "transform") or hasattr(step, "predict"):
            break
        X = _fitted(step, X).transform(X)
        if not are_images(X):
            break
        stages.append((name, np.asarray(X)))
    return stages


def _steps(name, step):
    """Yield name and estimator of each step, those of inner Pipelines and classifiers too."""
    if isinstance(step, Pipeline):
        for one in step.steps:
            yield from _steps(*one)
    elif hasattr(step, "estimator") and hasattr(step, "predict"):
        inner = next(getattr(step, one) for one in _INNER if hasattr(step, one))
        yield from _steps(name, inner)
    elif step not in (None, "passthrough"):
        yield name, step


def _fitted(step, X):
    """Return a transformer, or a clone fitted on `X` if it is not fitted."""
    try:
        check_is_fitted(step)
    except NotFittedError:
        return clone(step).fit(X)
    return step


@torch.no_grad()
def _network_stages(estimator, X, random_state):
    """Return title and images of what a network estimator does before its network."""
    estimator, model = _prepared(estimator, X)
    images = np.ascontiguousarray(validate_images(estimator, X, reset=False))
    show = _Pictures(model, images, estimator.standardize)
    raw = model.standardise(torch.from_numpy(images).to(model.mean.device), torch.contiguous_format)
    plain = central_view(raw, model.size, model.field)
    augmentation = estimator._augmentation()
    if augmentation is None:
        both = "training and prediction\n"
        return [(f"{both}plain view", show.pixels(plain)), *show.standardized(plain, both)]
    seed = check_random_state(random_state).randint(2**31 - 1)
    stages = []
    for title, step in _augmentation_steps(augmentation):
        generator = torch.Generator(raw.device).manual_seed(seed)
        views = step(raw, model.size, field=model.field, generator=generator)
        stages.append((f"training\n{title}", show.pixels(views)))
    stages += show.standardized(views, "training\n")
    title, seen = [("", show.pixels(plain)), *show.standardized(plain, "")][-1]
    return [*stages, (f"prediction\nplain view\n{title}".strip(), seen)]


def _prepared(estimator, X):
    """Return a network estimator that knows the images, and its model.

    One that is not fitted learns what it can from `X`, and its network gets no weights.
    """
    if hasattr(estimator, "net_"):
        return estimator, estimator.net_.module_
    estimator = clone(estimator)
    images = validate_images(estimator, X, reset=True)
    height, width, channels = estimator.image_shape_
    with torch.device("meta"):
        params = estimator.network_params or {}
        network = estimator._make_network(channels, 2, (height, width), **params)
    field = estimator._field(network, images)
    return estimator, estimator._image_model(network, images, np.ones(len(images)), field).float()


def _augmentation_steps(augmentation):
    """Yield title and callable of an augmentation, with more and more of what it does.

    All draw the same from the same seed; the last one is the augmentation itself.
    """
    name = getattr(augmentation, "__name__", type(augmentation).__name__)
    parts = []
    if type(augmentation).__module__.startswith("galaxy_sklearn.augmentation."):
        given = {part: vars(augmentation).get(part) for part in _AFTER_THE_VIEW}
        parts = [part for part, value in given.items() if value and _does_something(value)]
    for n_parts in range(len(parts) + 1):
        step = copy.copy(augmentation)
        for part in parts[n_parts:]:
            setattr(step, part, _neutral(getattr(step, part)))
        yield (f"+ {parts[n_parts - 1]}" if n_parts else f"random view\n({name})"), step


def _does_something(value):
    return value is not None and not np.array_equal(value, _neutral(value))


def _neutral(value):
    """Return the value of a parameter like `value` that changes nothing."""
    return 0.0 if np.isscalar(value) else (1.0, 1.0)


class _Pictures:
    """Turn views on their way to the network into images to look at."""

    def __init__(self, model, images, standardize):
        self.model = model
        self.standardize = standardize
        whole = images.dtype == np.uint8
        self.low, self.high = (0, 255) if whole else (images.min(), images.max())
        limits = [(0, 255) if whole else contrast_limits(image) for image in images]
        self.limits = torch.tensor(limits, dtype=torch.float32, device=model.mean.device)

    def pixels(self, views):
        """Return views as uint8, all of a galaxy on its scale."""
        values = views / self.model.scale + self.model.mean
        low, high = self.limits.T[..., None, None, None]
        shares = (values - low) / (high - low).clamp_min(1e-12)
        return _channels_last((shares.clip(0, 1) * 255).round().to(torch.uint8))

    def standardized(self, views, prefix):
        """Return title and images of each step of `standardize`."""
        finish = self.model.finish
        if self.standardize in (None, "training", "image") or finish is None:
            done = views if finish is None else finish(views)
            title = f"{prefix}standardize=\n{self.standardize!r}"
            return [] if self.standardize is None else [(title, _channels_last(done))]
        whole = finish.transformer
        parts = {type(whole).__name__.lower(): whole}
        if isinstance(whole, Pipeline):
            parts = {name: whole[: k + 1] for k, (name, _) in enumerate(whole.steps)}
        return [
            (prefix + name, self._kept(AppliedTransformer(part, as_uint8=finish.as_uint8)(views)))
            for name, part in parts.items()
        ]

    def _kept(self, views):
        """Return views on the scale of all, or as they are where they have left it."""
        values = views / self.model.scale
        inside = self.low <= values.min() and values.max() <= self.high
        return self.pixels(views) if inside else _channels_last(views)


def _channels_last(views):
    return views.permute(0, 2, 3, 1).cpu().numpy()
