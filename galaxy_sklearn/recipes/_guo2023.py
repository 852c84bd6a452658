"""Guo, Hsu & Hu (2023): Galaxy10 DECaLS after CLAHE and opening."""

from sklearn.pipeline import make_pipeline

from galaxy_sklearn.augmentation._guo import RotateZoomContrast
from galaxy_sklearn.preprocessing._contrast import CLAHE, MorphologicalOpening
from galaxy_sklearn.recipes._parts import image_pipeline, replaced
from galaxy_sklearn.recipes._registry import recipe

_TEN = {
    "source": "Guo, Hsu & Hu (2023), course report",
    "task": "ten classes of Galaxy10 DECaLS",
    "metric": "accuracy",
}


def _pipeline(network, units, params):
    defaults = {
        "network_params": {"head_units": (units,), "dropout": 0.3},
        "augmentation": RotateZoomContrast(),
        "standardize": make_pipeline(CLAHE(2.0, tile_grid_size=(8, 8)), MorphologicalOpening(3)),
        "optimizer": "adam",
        "learning_rate": 1e-4,
        "batch_size": 32,
        "max_epochs": 50,
        "early_stopping": True,
        "n_iter_no_change": 20,
    }
    return image_pipeline(network, 224, **replaced(defaults, params))


@recipe(**_TEN, published=0.7847)
def guo2023_densenet201(*, pretrained=True, **params):
    """Return the DenseNet-201 of Guo, Hsu & Hu (2023), trained as a whole.

    Published: resize, augment (rotation, zoom, contrast; black outside), CLAHE, morphological
    opening, [0, 1]; ImageNet's weights, Flatten, 1024 units, dropout 0.3; Adam, batches of 32, at
    most 50 epochs, class weights "balanced", the epoch of best validation accuracy with a
    patience of 20.
    Filled in: 224 x 224 pixels, CLAHE with clip limit 2 and 8 x 8 tiles on the lightness, an
    ellipse of 3 x 3 pixels, zoom and contrast by up to 20 %, 1e-4, a tenth to validate on; uint8
    images are divided by 255, floats are expected in [0, 1]; the weights that timm names first. The
    report augments its validation set too, which costs it five points; here it is as it is.
    Reported: test accuracy 78.47 %, validation 73.13 %; frozen and without class weights 47.51 %.

    Parameters
    ----------
    pretrained : bool or path-like, default=True
        ImageNet's weights, downloaded or from a file; False starts from scratch.
    **params
        Parameters of the `GalaxyClassifier` at the end that replace the published ones.

    Returns
    -------
    Pipeline
        `ImageReader`, `Resize`, `GalaxyClassifier`: image files or arrays in, classes out.
    """
    defaults = {"pretrained": pretrained or None, "class_weight": "balanced"}
    return _pipeline("timm/densenet201", 1024, defaults | params)


@recipe(**(_TEN | {"metric": "validation accuracy"}), published=0.291)
def guo2023_vgg19(*, pretrained=True, **params):
    """Return the VGG-19 of Guo, Hsu & Hu (2023), frozen but for its dense layers.

    Published: as `guo2023_densenet201`, frozen, without class weights; 12,850,698 trainable
    parameters, which are 512 units at 224 x 224 pixels and no other reading.
    Filled in: as there. Reported: validation accuracy 29.1 %.

    Parameters
    ----------
    pretrained : bool or path-like, default=True
        ImageNet's weights, downloaded or from a file; False trains all from scratch.
    **params
        Parameters of the `GalaxyClassifier` at the end that replace the published ones.

    Returns
    -------
    Pipeline
        As `guo2023_densenet201`.
    """
    defaults = {"pretrained": pretrained or None, "freeze": "backbone" if pretrained else None}
    return _pipeline("timm/vgg19", 512, defaults | params)
