"""Zhu et al. (2019): five classes of Galaxy Zoo 2."""

from galaxy_sklearn._training.schedules import StepDecay
from galaxy_sklearn.augmentation._views import MultiScaleCrop
from galaxy_sklearn.augmentation._zhu import ScaleJitterCrop
from galaxy_sklearn.recipes._parts import image_pipeline, replaced
from galaxy_sklearn.recipes._registry import recipe

_SOURCE = "Zhu et al. (2019), Ap&SS 364, 55"
_TRAINING = {
    "augmentation": ScaleJitterCrop((170, 240), resize=80, crop=64),
    "standardize": "image",
    "tta": MultiScaleCrop([180, 200, 220, 240]),
    "field": 0.8 * 220 / 424,
    "optimizer": "sgd",
    "optimizer_params": {"momentum": 0.9, "nesterov": True},
    "learning_rate": 0.1,
    "schedule": StepDecay([30 / 72, 60 / 72]),
    "max_steps": 72_000,
    "batch_size": 128,
    "weight_decay": 1e-4,
}
_RIVALS = {  # network, its parameters, what differs in training
    "dieleman": ("dieleman", {}, {"learning_rate": 0.01}),
    "alexnet": ("alexnet", {"input_size": 64}, {"learning_rate": 0.01}),
    "vgg16": (
        "timm/vgg16",
        {"input_size": 64, "head_units": (4096, 4096), "dropout": 0.5},
        {"learning_rate": 0.01},
    ),
    "inception_v3": ("timm/inception_v3", {"input_size": 80, "dropout": 0.5}, {}),
    "resnet50": ("timm/resnetv2_50", {"input_size": 64}, {}),
}


@recipe(source=_SOURCE, task="five classes of Galaxy Zoo 2", metric="accuracy", published=0.952083)
def zhu2019(**params):
    """Return the 26-layer wide pre-activation residual network of Zhu et al. (2019).

    Published: crops of S x S pixels, S uniform in [170, 240] per image, resized to 80, a random 64
    of them, quarter turns, flips, jitter of brightness, contrast, saturation and hue, whitening
    per image; SGD with Nesterov momentum 0.9, batches of 128, a rate of 0.1 divided by 10 after
    30,000 and 60,000 of 72,000 steps (shares of `max_steps` here), weight decay 1e-4, He
    initialisation; prediction on crops of 180, 200, 220 and 240 pixels. Images of 424 x 424
    pixels, as the Galaxy Zoo challenge has.

    Filled in: the ranges of the jitter (brightness and contrast from the released code); a keep
    probability of 0.8 where "dropout probability value 0.8" is written; the network of table 3 and
    of the released code, which has 55.7 million parameters where the text says 26.3; running
    averages in batch normalisation, of PyTorch's decay, where the released code predicts with the
    statistics of each batch; the mean over the four crops, where the publication takes the best of
    them on the test set.

    Reported: 95.2083 %, which is 2742 of 2880 and not of the 2,879 galaxies of the test set, the
    best of ten runs and four crops chosen on the test set (its conclusion calls it an average);
    94.6875 % on the mean over runs. Table 5, the confusion matrix, has the true classes in its
    rows, as the recalls of table 4 show, and not in its columns, as it says.

    Parameters
    ----------
    **params
        Parameters of the `GalaxyClassifier` at the end that replace the published ones;
        `max_epochs` replaces the published number of steps.

    Returns
    -------
    Pipeline
        `ImageReader`, then `GalaxyClassifier`: image files or arrays in, classes out.

    Examples
    --------
    >>> from galaxy_sklearn import recipes
    >>> model = recipes.zhu2019(max_steps=1000, random_state=0)
    >>> model[-1].network
    'zhu_resnet26'
    """
    return image_pipeline("zhu_resnet26", **replaced(_TRAINING, params))


@recipe(source=_SOURCE, task="five classes of Galaxy Zoo 2", metric="accuracy", published=0.946875)
def zhu2019_baseline(name="resnet50", **params):
    """Return one of the five rivals that Zhu et al. (2019) trained in the same way.

    Published: the training of `zhu2019`.

    Reported (tables 6 and 7; mean over ten runs, best of them, both chosen on the test set):
    Dieleman 93.8800 and 94.6528 %, AlexNet 91.8230 and 92.2569, VGG-16 93.1336 and 93.6458,
    Inception v3 94.2014 and 94.5139, pre-activation ResNet-50 94.0972 and 94.6875 %.

    Filled in: the input is 64 pixels as for the authors' own network, 80 for Inception v3, which
    can take no less than 75, and 69 for Dieleman's; a rate of 0.01 instead of 0.1 for the three
    networks without batch normalisation, which diverge otherwise; dropout 0.5 in Inception v3, as
    in AlexNet and VGG-16, and no auxiliary output; first weights of He et al. (2015) in the
    convolutions of VGG-16 and ResNet-50 alone: PyTorch's own in AlexNet, Dieleman's network and the
    dense layers of VGG-16, and timm's in Inception v3.

    Parameters
    ----------
    name : {"alexnet", "dieleman", "inception_v3", "resnet50", "vgg16"}, default="resnet50"
        Which one.
    **params
        Parameters of the `GalaxyClassifier` at the end that replace the published ones.

    Returns
    -------
    Pipeline
        As `zhu2019`.

    Raises
    ------
    ValueError
        If there is no such rival.
    """
    if name not in list(_RIVALS):
        raise ValueError(f"zhu2019_baseline knows {', '.join(sorted(_RIVALS))}; got {name!r}.")
    network, network_params, training = _RIVALS[name]
    training = {"network_params": dict(network_params)} | _TRAINING | training
    return image_pipeline(network, **replaced(training, params))
