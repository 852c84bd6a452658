"""What the layers of a network learned to look for, and what they make of a galaxy."""

import numpy as np
import torch

from galaxy_sklearn._validation import validate_images
from galaxy_sklearn.inspection._fitted import at_least_one, require_network, split_pipeline
from galaxy_sklearn.inspection._galleries import PictureRows

_AT_ONCE = 32  # images
_DRAWN = 5  # layers


def feature_maps(estimator, X, *, layers=None):
    """Return what the layers of a network make of images.

    Parameters
    ----------
    estimator : fitted GalaxyClassifier or VoteFractionRegressor, or what ends in one
        Any estimator of this package with a network, also in a Pipeline, a
        `PseudoLabelClassifier`, a `FixMatchClassifier` or a search.
    X : array-like or ImageSequence of n_samples images
        What the estimator takes; a few, for all their maps are held in memory.
    layers : sequence of str, default=None
        Names of the network's layers, as its `named_modules` has them, such as
        ``"features.0"``; None is every convolution.

    Returns
    -------
    dict of str to ndarray of shape (n_samples, height, width, n_maps)
        By layer, from the first on: its output, before the activation function that follows. Of
        ``"dieleman"``, which looks at sixteen views of an image, that for the first.

    Raises
    ------
    ValueError
        If the estimator holds no fitted network, a layer is not in it, or one gives no maps; if
        `layers` is None and there is no convolution, or is empty or a text.

    References
    ----------
    Zhu et al. (2019), Ap&SS 364, 55: activations of the network ``"zhu_cnn7"`` for three galaxies.
    """
    maps, _ = _maps_and_views(estimator, X, layers)
    return maps


def _maps_and_views(estimator, X, layers):
    last, X = split_pipeline(estimator, X)
    images = np.asarray(validate_images(last, X, reset=False))
    model = last.net_.module_
    names = _all_convolutions(model.network) if layers is None else _named(layers)
    kept = {name: [] for name in names}
    hooks = [
        _layer(model.network, name).register_forward_hook(_keeper(kept[name])) for name in kept
    ]
    views = []
    try:
        with torch.inference_mode():
            for start in range(0, len(images), _AT_ONCE):
                block = np.ascontiguousarray(images[start : start + _AT_ONCE])
                raw = torch.from_numpy(block).to(model.mean.device)
                seen = model.plain_view(model.standardise(raw, torch.contiguous_format))
                model.network(seen)
                views.append(seen.cpu().numpy().transpose(0, 2, 3, 1))
    finally:
        for hook in hooks:
            hook.remove()
    return {name: _joined(name, parts, len(images)) for name, parts in kept.items()}, views


def convolutions(network):
    """Return name and module of each convolution of a network, from the first on."""
    return [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Conv2d) or hasattr(module, "filters")
    ]


def _all_convolutions(network):
    names = [name for name, _ in convolutions(network)]
    if not names:
        raise ValueError(f"{type(network).__name__} has no convolution: name its layers.")
    return names


def _named(layers):
    """Return names of layers as a list; raise ValueError without any, and for a bare name."""
    if isinstance(layers, str):
        raise ValueError(f"layers needs a list of names; got the text {layers!r}: [{layers!r}].")
    names = list(layers)
    if not names:
        raise ValueError("layers needs at least one name; got none.")
    return names


def _layer(network, name):
    modules = dict(network.named_modules())
    if name not in modules:
        known = ", ".join(one for one, _ in convolutions(network)[:3])
        raise ValueError(
            f"{type(network).__name__} has no layer {name!r}; its first convolutions are {known}."
        )
    return modules[name]


def _keeper(parts):
    def keep(module, inputs, output):
        parts.append(output.float().cpu().clone())  # which the next layer may write over

    return keep


def _joined(name, parts, n_images):
    maps = torch.cat(parts) if parts else torch.empty(0)
    n_views, rest = divmod(len(maps), n_images)
    if maps.ndim != 4 or rest or not n_views:
        raise ValueError(
            f"The layer {name!r} gives no maps (n_samples, n_maps, height, width) of the images; "
            f"got shape {tuple(maps.shape)}."
        )
    return maps[::n_views].numpy().transpose(0, 2, 3, 1)


class FeatureMapsDisplay(PictureRows):
    """Galaxies, and beside each what the layers of a network make of it.

    Parameters
    ----------
    rows : list of (str, list of (ndarray, str))
        Title of each row, and its images (height, width[, n_channels]) with their captions.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The picture.
    axes_ : ndarray of Axes, shape (n_rows, n_columns)
        Where each image is drawn.
    """

    @classmethod
    def from_estimator(cls, estimator, X, *, layers=None, n_maps=8):
        """Draw the maps of each layer that differ most from place to place.

        Parameters
        ----------
        estimator : fitted GalaxyClassifier or VoteFractionRegressor, or what ends in one
            See `feature_maps`.
        X : array-like or ImageSequence of n_samples images
            A few; each has a row for each layer.
        layers : sequence of str, default=None
            See `feature_maps`; None is the first convolution, the last, and up to three between.
        n_maps : int, default=8
            Maps of each layer, the same for all images; the number of each stands below.

        Returns
        -------
        FeatureMapsDisplay
            Drawn. What the network sees of the galaxy stands first in a row; each picture is
            stretched on its own.

        Raises
        ------
        ValueError
            As `feature_maps`; if `n_maps` is below 1.
        """
        at_least_one("FeatureMapsDisplay", n_maps=n_maps)
        if layers is None:
            names = _all_convolutions(require_network(estimator).net_.module_.network)
            places = np.linspace(0, len(names) - 1, min(len(names), _DRAWN))
            layers = [names[place] for place in places.round().astype(int)]
        maps, views = _maps_and_views(estimator, X, layers)
        rows = []
        for k, view in enumerate(np.concatenate(views)):
            for name, stack in maps.items():
                liveliest = np.argsort(-stack.std((1, 2)).mean(0), kind="stable")[:n_maps]
                shown = [(stack[k, :, :, one], str(one)) for one in sorted(liveliest)]
                rows.append((name, [(view, f"galaxy {k}"), *shown]))
        return cls(rows).plot()


class FiltersDisplay(PictureRows):
    """The filters of a network's convolutions, a row for each layer.

    Parameters
    ----------
    rows : list of (str, list of (ndarray, str))
        Title of each row, and its images (height, width[, n_channels]) with their captions.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The picture.
    axes_ : ndarray of Axes, shape (n_rows, n_columns)
        Where each filter is drawn.
    """

    @classmethod
    def from_estimator(cls, estimator, *, layers=None, n_filters=12):
        """Draw the filters with the largest weights of each layer.

        Parameters
        ----------
        estimator : fitted GalaxyClassifier or VoteFractionRegressor, or what ends in one
            See `feature_maps`.
        layers : sequence of str, default=None
            Names of convolutions; None is the first two that are wider than a pixel.
        n_filters : int, default=12
            Filters of each layer; the number of each stands below.

        Returns
        -------
        FiltersDisplay
            Drawn. Filters of three bands are in colour; of more inputs that one is shown to which
            the filter gives the largest weights, and its number follows. 0 is mid-grey.

        Raises
        ------
        ValueError
            If the estimator holds no fitted network, a layer is no convolution that is wider
            than a pixel, `layers` is empty or a text, or `n_filters` is below 1.

        References
        ----------
        Zhu et al. (2019), Ap&SS 364, 55: filters of the first and of a deeper layer.
        """
        at_least_one("FiltersDisplay", n_filters=n_filters)
        network = require_network(estimator).net_.module_.network
        wide = {name: one for name, one in convolutions(network) if _filters(one).shape[-1] > 1}
        names = list(wide)[:2] if layers is None else _named(layers)
        unknown = [name for name in names if name not in wide]
        if unknown or not names:
            what = repr(unknown[0]) if unknown else "any"
            raise ValueError(
                f"FiltersDisplay needs convolutions wider than a pixel; {type(network).__name__} "
                f"does not have {what}, but {list(wide)[:3]}."
            )
        return cls([(name, _pictures(_filters(wide[name]), n_filters)) for name in names]).plot()


def _filters(module):
    """Return the filters of a convolution (n_filters, n_inputs, height, width)."""
    with torch.no_grad():
        weights = module.filters() if hasattr(module, "filters") else module.weight
        return weights.float().cpu().numpy()


def _pictures(filters, n):
    """Return pictures (height, width[, 3]) of the `n` largest filters, 0..255 around 128."""
    sizes = np.square(filters).sum((2, 3))
    pictures = []
    for one in np.sort(np.argsort(-sizes.sum(1), kind="stable")[:n]):
        if filters.shape[1] == 3:
            values, caption = filters[one].transpose(1, 2, 0), str(one)
        else:
            source = int(sizes[one].argmax())
            values = filters[one, source][..., np.newaxis].repeat(3, -1)
            caption = f"{one} of {source}"
        grey = 127.5 + 127.5 * values / max(np.abs(values).max(), 1e-12)
        pictures.append((grey.round().astype(np.uint8), caption))
    return pictures
