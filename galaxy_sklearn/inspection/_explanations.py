"""Which part of a galaxy decided: Grad-CAM, by regions, and saliency, by pixels."""

import textwrap

import numpy as np
import torch
from sklearn.utils import column_or_1d

from galaxy_sklearn._optional import import_optional
from galaxy_sklearn._validation import validate_images
from galaxy_sklearn.galaxy_zoo._load import as_tree
from galaxy_sklearn.inspection._fitted import as_picture, split_pipeline

_SKEW = 3  # factor by which the sides of maps may differ from those of images, for rounding


def grad_cam(estimator, X, *, target=None):
    """Return how much each part of an image speaks for a class, or for an answer.

    Parameters
    ----------
    estimator : fitted GalaxyClassifier or VoteFractionRegressor, or what ends in one
        A Pipeline, a `PseudoLabelClassifier`, a `FixMatchClassifier` or a search. The network
        must have a `cam_layer`.
    X : array-like or ImageSequence of n_samples images
        What the estimator takes; all are held in memory.
    target : label or array-like of shape (n_samples,), default=None
        What to explain, one for all or one each: a class, or an answer of the regressor by its
        name or by the number of its column; None explains the class predicted, or the answer
        predicted to get most votes, with a tree of those to its first question.

    Returns
    -------
    maps : ndarray of shape (n_samples, height, width)
        0..1, of the size of the network's view.
    views : ndarray of shape (n_samples, height, width, n_channels)
        What the network saw; 0 and 1 are the 0.5th and 99.5th percentile of each image.

    Raises
    ------
    ValueError
        If the estimator holds no fitted network that predicts classes or votes, the network has
        no convolutional layer with maps of the image to look at, there are neither one target
        nor as many as images, or a target is not among the classes or answers.

    References
    ----------
    Selvaraju et al. (2017), ICCV, eqs. 1-2.
    """
    maps, views, _ = _explain("Grad-CAM", estimator, X, target)
    return maps, views


def saliency(estimator, X, *, target=None):
    """Return how much the score of a class, or of an answer, changes with each pixel.

    Parameters
    ----------
    estimator : fitted GalaxyClassifier or VoteFractionRegressor, or what ends in one
        As in `grad_cam`, with any network.
    X : array-like or ImageSequence of n_samples images
        What the estimator takes; all are held in memory.
    target : label or array-like of shape (n_samples,), default=None
        As in `grad_cam`.

    Returns
    -------
    maps : ndarray of shape (n_samples, height, width)
        Largest of the bands' absolute gradients, over the largest of the image: 0..1, of the size
        of the network's view.
    views : ndarray of shape (n_samples, height, width, n_channels)
        What the network saw; 0 and 1 are the 0.5th and 99.5th percentile of each image.

    Raises
    ------
    ValueError
        If the estimator holds no fitted network that predicts classes or votes, there are neither
        one target nor as many as images, or a target is not among the classes or answers.

    References
    ----------
    Simonyan, Vedaldi & Zisserman (2014), ICLR workshop, section 3.
    """
    maps, views, _ = _explain("Saliency", estimator, X, target)
    return maps, views


def _explain(method, estimator, X, target):
    """Return maps, views, and for each image what is explained, to be read."""
    last, X = split_pipeline(estimator, X)
    images = np.asarray(validate_images(last, X, reset=False))
    model = last.net_.module_
    codes, titles = _targets(method, last, images, target)
    attribute = _METHODS[method](model.network)
    parts = [slice(start, start + 32) for start in range(0, len(images), 32)]
    batches = (_batch_maps(attribute, model, images[part], codes[part]) for part in parts)
    maps, views = (np.concatenate(one) for one in zip(*batches))
    highest = maps.max((1, 2), keepdims=True)
    low, high = np.percentile(views, [0.5, 99.5], axis=(1, 2, 3), keepdims=True)
    views = ((views - low) / np.maximum(high - low, 1e-12)).clip(0, 1)
    return maps / np.where(highest > 0, highest, 1), views, titles


def _grad_cam_of(network):
    """Return what gives maps (n, 1, height, width) of views and targets."""
    layer = getattr(network, "cam_layer", None)
    if layer is None:
        raise ValueError(
            f"Grad-CAM needs a convolutional network with maps of the whole image; "
            f"{type(network).__name__} has none."
        )
    attr = import_optional("captum.attr", extra="inspect", feature="Grad-CAM")
    explainer = attr.LayerGradCam(network, layer)

    def attribute(seen, codes):
        heat = explainer.attribute(seen, target=codes, relu_attributions=True)
        if not _are_maps_of(heat, seen):
            raise ValueError(
                f"Grad-CAM needs one feature map an image, laid out as the image is; that of "
                f"{type(network).__name__} has shape {tuple(heat.shape)} for images "
                f"{tuple(seen.shape)}, as the tokens of a transformer do."
            )
        return heat

    return attribute


def _saliency_of(network):
    """Return what gives maps (n, 1, height, width) of views and targets."""
    attr = import_optional("captum.attr", extra="inspect", feature="Saliency")
    explainer = attr.Saliency(network)

    def attribute(seen, codes):
        slopes = explainer.attribute(seen.requires_grad_(), target=codes, abs=True)
        return slopes.amax(1, keepdim=True)

    return attribute


_METHODS = {"Grad-CAM": _grad_cam_of, "Saliency": _saliency_of}


def _targets(method, last, images, target):
    """Return the number of the output to explain for each image, and what it is and says."""
    if hasattr(last, "classes_"):
        predicted, names, form = last.predict_proba(images), last.classes_.tolist(), ".0%"
    elif hasattr(last, "n_outputs_"):
        predicted, form = last.predict(images).reshape(len(images), -1), ".2f"
        names = list(last.answers_ or range(last.n_outputs_))
    else:
        raise ValueError(
            f"{method} explains classes or votes; {type(last).__name__} predicts neither."
        )
    if target is None:
        codes = predicted[:, _first_question(last)].argmax(1)
    else:
        known = {name: code for code, name in enumerate(names)}
        if not hasattr(last, "classes_"):
            known = {code: code for code in range(len(names))} | known
        wanted = _one_each(method, target, len(images))
        unknown = [one for one in wanted if one not in known]
        if unknown:
            what = "classes" if hasattr(last, "classes_") else "answers"
            raise ValueError(f"{method}: {unknown[0]!r} is not among the {what} {names}.")
        codes = np.array([known[one] for one in wanted])
    values = predicted[np.arange(len(images)), codes]
    titles = [
        f"{textwrap.fill(str(names[code]), 18)}\n{value:{form}}"
        for code, value in zip(codes, values)
    ]
    return codes, titles


def _first_question(last):
    """Return the columns that one answer is chosen from: with a tree, to what all are asked."""
    tree = getattr(last, "tree", None)
    return slice(None) if tree is None else as_tree(tree).question_slices[0]


def _one_each(method, target, n_images):
    """Return targets, one for all or one each, as a list of one for each image."""
    wanted = np.asarray(target, dtype=object)
    wanted = wanted.reshape(1) if wanted.ndim == 0 else column_or_1d(wanted)
    if len(wanted) not in (1, n_images):
        raise ValueError(
            f"{method} needs one target for all images, or one for each of {n_images}; got "
            f"{len(wanted)}."
        )
    return np.broadcast_to(wanted, n_images).tolist()


def _batch_maps(attribute, model, images, codes):
    """Return maps and views of one batch."""
    device = model.mean.device
    raw = torch.from_numpy(np.ascontiguousarray(images)).to(device)
    seen = model.plain_view(model.standardise(raw, torch.contiguous_format))
    codes = torch.from_numpy(codes).to(device)
    heat = attribute(seen, codes).detach().float()
    heat = torch.nn.functional.interpolate(
        heat, seen.shape[2:], mode="bilinear", align_corners=False
    )
    return heat[:, 0].cpu().numpy(), seen.detach().cpu().numpy().transpose(0, 2, 3, 1)


def _are_maps_of(heat, seen):
    if heat.ndim != 4 or len(heat) != len(seen):
        return False
    height, width = (map_side / side for map_side, side in zip(heat.shape[2:], seen.shape[2:]))
    return 1 / _SKEW < height / width < _SKEW


class ExplanationDisplay:
    """Galaxies above what decided; subclasses say how that is found.

    Parameters
    ----------
    maps : ndarray of shape (n_samples, height, width)
        0..1.
    views : ndarray of shape (n_samples, height, width, n_channels)
        0..1.
    titles : sequence of str, default=None
        One above each galaxy.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The picture.
    axes_ : ndarray of matplotlib Axes
        Two rows: galaxies, and maps.
    """

    _METHOD = None
    _OPACITY = 1.0  # of the maps over the galaxies

    def __init__(self, maps, views, *, titles=None):
        self.maps = maps
        self.views = views
        self.titles = titles

    @classmethod
    def from_estimator(cls, estimator, X, *, target=None):
        """Explain what a fitted estimator predicts, and draw it.

        Parameters
        ----------
        estimator : fitted GalaxyClassifier or VoteFractionRegressor, or what ends in one
            A Pipeline, a `PseudoLabelClassifier`, a `FixMatchClassifier` or a search. For Grad-CAM
            the network must have a `cam_layer`.
        X : array-like or ImageSequence of n_samples images
            What the estimator takes; all are held in memory, and drawn.
        target : label or array-like of shape (n_samples,), default=None
            What to explain, one for all or one each: a class, or an answer of the regressor by its
            name or by the number of its column; None explains what is predicted.

        Returns
        -------
        GradCamDisplay or SaliencyDisplay
            Drawn. Above each galaxy stand the class or answer explained and its predicted share.

        Raises
        ------
        ValueError
            As `grad_cam` or `saliency`.
        """
        maps, views, titles = _explain(cls._METHOD, estimator, X, target)
        return cls(maps, views, titles=titles).plot()

    def plot(self):
        """Draw the panel; return the display."""
        pyplot = import_optional("matplotlib.pyplot", extra="inspect", feature="Drawing")
        n = len(self.maps)
        self.figure_, self.axes_ = pyplot.subplots(
            2, n, figsize=(max(1.5 * n, 2.6), 3.6), squeeze=False, layout="constrained"
        )
        for column, (heat, view) in enumerate(zip(self.maps, self.views)):
            for row in (0, 1):
                self.axes_[row, column].imshow(as_picture(view), cmap="gray", vmin=0, vmax=1)
                self.axes_[row, column].set_axis_off()
            scale = {"cmap": "inferno", "vmin": 0, "vmax": 1}
            shown = self.axes_[1, column].imshow(heat, alpha=self._OPACITY, **scale)
            if self.titles is not None:
                self.axes_[0, column].set_title(self.titles[column], fontsize=8)
        self.figure_.colorbar(shown, ax=self.axes_[:, -1], label="weight", shrink=0.8)
        return self


class GradCamDisplay(ExplanationDisplay):
    """Galaxies with the parts that decided drawn over them, by `grad_cam`; see that.

    Parameters
    ----------
    maps : ndarray of shape (n_samples, height, width)
        From `grad_cam`.
    views : ndarray of shape (n_samples, height, width, n_channels)
        From `grad_cam`.
    titles : sequence of str, default=None
        One above each galaxy.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The picture.
    axes_ : ndarray of matplotlib Axes
        Two rows: galaxies, and galaxies with maps.
    """

    _METHOD = "Grad-CAM"
    _OPACITY = 0.55


class SaliencyDisplay(ExplanationDisplay):
    """Galaxies above the pixels that decided, by `saliency`; see that.

    Parameters
    ----------
    maps : ndarray of shape (n_samples, height, width)
        From `saliency`.
    views : ndarray of shape (n_samples, height, width, n_channels)
        From `saliency`.
    titles : sequence of str, default=None
        One above each galaxy.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The picture.
    axes_ : ndarray of matplotlib Axes
        Two rows: galaxies, and maps.
    """

    _METHOD = "Saliency"
