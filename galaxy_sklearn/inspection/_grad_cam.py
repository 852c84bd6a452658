"""Grad-CAM: which part of a galaxy decided."""

import numpy as np
import torch

from galaxy_sklearn._optional import import_optional
from galaxy_sklearn.inspection._fitted import split_pipeline


def grad_cam(estimator, X, *, target=None):
    """Return how much each part of an image speaks for a class.

    Parameters
    ----------
    estimator : fitted GalaxyClassifier, or Pipeline ending in one
        Its network must have a `cam_layer`.
    X : array-like or ImageSequence of n_samples images
        What the estimator takes; all are held in memory.
    target : label or array-like of shape (n_samples,), default=None
        Class to explain, one for all or one each; None explains the predicted class.

    Returns
    -------
    maps : ndarray of shape (n_samples, height, width)
        0..1, of the size of the network's view.
    views : ndarray of shape (n_samples, height, width, n_channels)
        What the network saw, 0..1.

    Raises
    ------
    ValueError
        If the estimator holds no fitted network, the network has no convolutional layer to look
        at, or a target is not among the classes.

    References
    ----------
    Selvaraju et al. (2017), ICCV, eqs. 1-2.
    """
    attr = import_optional("captum.attr", extra="inspect", feature="Grad-CAM")
    last, images = split_pipeline(estimator, X)
    model = last.net_.module_
    if model.network.cam_layer is None:
        raise ValueError(
            f"Grad-CAM needs a convolutional network; {type(model.network).__name__} has none."
        )
    labels = last.predict(images) if target is None else np.broadcast_to(target, len(images))
    unknown = np.setdiff1d(labels, last.classes_)
    if len(unknown):
        raise ValueError(
            f"Grad-CAM: {unknown.tolist()[0]!r} is not among the classes {last.classes_.tolist()}."
        )
    codes = torch.from_numpy(np.searchsorted(last.classes_, labels))
    device = model.mean.device
    explainer = attr.LayerGradCam(model.network, model.network.cam_layer)
    maps, views = [], []
    for start in range(0, len(images), 32):
        raw = torch.from_numpy(np.ascontiguousarray(images[start : start + 32])).to(device)
        seen = model.plain_view(model.standardise(raw, torch.contiguous_format))
        heat = explainer.attribute(
            seen, target=codes[start : start + 32].to(device), relu_attributions=True
        )
        heat = torch.nn.functional.interpolate(
            heat.detach().float(), seen.shape[2:], mode="bilinear", align_corners=False
        )
        maps.append(heat[:, 0].cpu().numpy())
        views.append(seen.detach().cpu().numpy().transpose(0, 2, 3, 1))
    maps, views = np.concatenate(maps), np.concatenate(views)
    highest = maps.max((1, 2), keepdims=True)
    low, high = np.percentile(views, [0.5, 99.8])
    views = ((views - low) / max(high - low, 1e-12)).clip(0, 1)
    return maps / np.where(highest > 0, highest, 1), views


class GradCamDisplay:
    """Galaxies with the parts that decided drawn over them.

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

    def __init__(self, maps, views, *, titles=None):
        self.maps = maps
        self.views = views
        self.titles = titles

    @classmethod
    def from_estimator(cls, estimator, X, *, target=None):
        """Explain and draw; see `grad_cam` for the parameters and errors."""
        maps, views = grad_cam(estimator, X, target=target)
        proba = np.asarray(estimator.predict_proba(X))
        names = np.asarray(estimator.classes_)[proba.argmax(1)]
        titles = [f"{name}\n{share:.0%}" for name, share in zip(names, proba.max(1))]
        return cls(maps, views, titles=titles).plot()

    def plot(self):
        """Draw the panel; return the display."""
        pyplot = import_optional("matplotlib.pyplot", extra="inspect", feature="Drawing")
        n = len(self.maps)
        self.figure_, self.axes_ = pyplot.subplots(
            2, n, figsize=(1.5 * n, 3.6), squeeze=False, layout="constrained"
        )
        for column, (heat, view) in enumerate(zip(self.maps, self.views)):
            picture = view if view.shape[-1] == 3 else view[..., :1].repeat(3, -1)
            for row in (0, 1):
                self.axes_[row, column].imshow(picture)
                self.axes_[row, column].set_axis_off()
            shown = self.axes_[1, column].imshow(heat, cmap="inferno", alpha=0.55, vmin=0, vmax=1)
            if self.titles is not None:
                self.axes_[0, column].set_title(self.titles[column], fontsize=8)
        self.figure_.colorbar(shown, ax=self.axes_[:, -1], label="weight", shrink=0.8)
        return self
