"""Messaoudi et al.: ten classes of Galaxy10 DECaLS."""

from galaxy_sklearn.augmentation._galaxy import GalaxyAugmentation
from galaxy_sklearn.recipes._parts import image_pipeline, replaced
from galaxy_sklearn.recipes._registry import recipe

_SOURCE = "Messaoudi, Bouazza, Meribai & Khoudja, student report"
_TEN = {"source": _SOURCE, "task": "ten classes of Galaxy10 DECaLS", "metric": "accuracy"}
_TRAINING = {"optimizer": "adam", "learning_rate": 1e-3, "batch_size": 64, "max_epochs": 20}
_BACKBONES = {  # in timm; stages that stay frozen under transfer
    "vgg16": ("timm/vgg16", -2),
    "resnet50": ("timm/resnet50", "backbone"),
    "mobilenet": ("timm/mobilenetv1_100", "backbone"),
    "mobilenet_v2": ("timm/mobilenetv2_100", "backbone"),
}


@recipe(**_TEN, published=0.73)
def galaxy10_cnn(**params):
    """Return the final CNN of Messaoudi et al.: four wide convolutions on 64 x 64 pixels.

    Published: images resized to 64 x 64 pixels, augmented; 20 epochs; a stratified split of 80 to
    20. Filled in: ReLU, dropout 0.5; rotation, mirror images and a zoom of 0.9 to 1.1;
    standardised pixels; Adam, 1e-3, batches of 64.
    Reported: accuracy 73 % (72.9 % from its own table), macro F1 68 %, recall 8 % of "Disturbed".
    The report names the classes of Galaxy10 SDSS, but its numbers are those of Galaxy10 DECaLS.

    Parameters
    ----------
    **params
        Parameters of the `GalaxyClassifier` at the end that replace the published ones.

    Returns
    -------
    Pipeline
        `ImageReader`, `Resize`, `GalaxyClassifier`: image files or arrays in, classes out.
    """
    augmentation = GalaxyAugmentation(zoom=(0.9, 1.1), shift=0.0, contrast=0.0, colour=0.0)
    defaults = _TRAINING | {"augmentation": augmentation}
    return image_pipeline("galaxy10_cnn", 64, **replaced(defaults, params))


def _small(n_layers, params):
    defaults = _TRAINING | {"augmentation": None}
    return image_pipeline(f"galaxy10_cnn{n_layers}", 256, **replaced(defaults, params))


@recipe(**_TEN, published=0.41)
def galaxy10_cnn2(**params):
    """Return the first CNN of Messaoudi et al.: two convolutions on 256 x 256 pixels.

    Published: 20 epochs, and kernel sizes by the printed parameter count. Filled in: Adam, 1e-3,
    batches of 64, ReLU, standardised pixels. Reported: accuracy 41 %.

    Parameters
    ----------
    **params
        Parameters of the `GalaxyClassifier` at the end that replace the published ones.

    Returns
    -------
    Pipeline
        As `galaxy10_cnn`.
    """
    return _small(2, params)


@recipe(**_TEN, published=0.45)
def galaxy10_cnn3(**params):
    """Return the second CNN of Messaoudi et al.: three convolutions on 256 x 256 pixels.

    Published and filled in as `galaxy10_cnn2`. Reported: accuracy 45 % (and weighted recall 43 %,
    which is the same quantity).

    Parameters
    ----------
    **params
        Parameters of the `GalaxyClassifier` at the end that replace the published ones.

    Returns
    -------
    Pipeline
        As `galaxy10_cnn`.
    """
    return _small(3, params)


@recipe(**_TEN, published=0.55)
def galaxy10_cnn5(**params):
    """Return the third CNN of Messaoudi et al.: five convolutions on 256 x 256 pixels.

    Published and filled in as `galaxy10_cnn2`. Reported: accuracy 55 %.

    Parameters
    ----------
    **params
        Parameters of the `GalaxyClassifier` at the end that replace the published ones.

    Returns
    -------
    Pipeline
        As `galaxy10_cnn`.
    """
    return _small(5, params)


@recipe(**_TEN, published=0.65)
def galaxy10_cnn6(**params):
    """Return the fourth CNN of Messaoudi et al.: six convolutions on 256 x 256 pixels.

    Published and filled in as `galaxy10_cnn2`. Reported: accuracy 65 %.

    Parameters
    ----------
    **params
        Parameters of the `GalaxyClassifier` at the end that replace the published ones.

    Returns
    -------
    Pipeline
        As `galaxy10_cnn`.
    """
    return _small(6, params)


@recipe(**_TEN, published=0.56)
def galaxy10_transfer(backbone="vgg16", pretrained=True, **params):
    """Return a standard network of Messaoudi et al., from ImageNet's weights or from scratch.

    Published: early stopping; with VGG-16 the last convolution and three dense layers are trained.
    Filled in: dense layers of 512 and 256 units with ReLU and dropout 0.5, as in the final CNN;
    the whole backbone frozen for the other networks; Adam, 1e-4, batches of 32, at most 20 epochs,
    a tenth of the images to stop on and a patience of 3 epochs, images of 224 x 224 pixels,
    standardised by the mean and deviation of the training images in place of ImageNet's; the
    weights that timm names first (longer trained than Keras's but for VGG-16).
    Reported (accuracy from scratch, then with transfer): VGG-16 15 and 56 %, ResNet-50 50 and 46,
    MobileNet 59 and 47, MobileNet v2 10 and 36 %; 15 % is the share of the largest class.

    Parameters
    ----------
    backbone : {"mobilenet", "mobilenet_v2", "resnet50", "vgg16"}, default="vgg16"
        Which one.
    pretrained : bool or path-like, default=True
        Start from ImageNet's weights, downloaded or from a file, and freeze; False trains all
        from scratch.
    **params
        Parameters of the `GalaxyClassifier` at the end that replace these.

    Returns
    -------
    Pipeline
        As `galaxy10_cnn`.

    Raises
    ------
    ValueError
        If there is no such backbone.
    """
    if backbone not in list(_BACKBONES):
        raise ValueError(
            f"galaxy10_transfer knows {', '.join(sorted(_BACKBONES))}; got {backbone!r}."
        )
    network, freeze = _BACKBONES[backbone]
    pooling = "flatten" if backbone == "vgg16" else "average"
    defaults = _TRAINING | {
        "network_params": {"head_units": (512, 256), "head_pooling": pooling, "dropout": 0.5},
        "pretrained": pretrained or None,
        "freeze": freeze if pretrained else None,
        "augmentation": None,
        "learning_rate": 1e-4,
        "batch_size": 32,
        "early_stopping": True,
        "n_iter_no_change": 3,
    }
    return image_pipeline(network, 224, **replaced(defaults, params))
