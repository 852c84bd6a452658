"""Wu (2022): Hubble types of EFIGI."""

from galaxy_sklearn.decomposition._autoencoder import AutoencoderPretrainer
from galaxy_sklearn.recipes._parts import PLAIN, image_pipeline, replaced, take_pool
from galaxy_sklearn.recipes._registry import recipe
from galaxy_sklearn.semi_supervised._pseudo_label import PseudoLabelClassifier

_SOURCE = "Wu (2022), Taiwan International Science Fair"
_EIGHT = {"source": _SOURCE, "task": "eight Hubble types of EFIGI", "metric": "macro recall"}
_TRAINING = {
    "augmentation": None,
    "optimizer": "adam",
    "learning_rate": 3e-4,
    "batch_size": 32,
    "max_epochs": 30,
}
_WHERE = ("device", "precision", "verbose")  # of both trainings


def _pipeline(network, params, **own):
    return image_pipeline(network, 256, **replaced(_TRAINING | own, params))


@recipe(**_EIGHT, published=0.36)
def wu2022_simple_cnn(**params):
    """Return the simple CNN of Wu (2022), experiments 1 and 2.

    Published: images of 256 x 256 pixels (255 in one sentence), Adam, 3e-4, batches of 32, no
    weight decay.
    Filled in: a sixth convolution and a global average where table 2 cannot be built, dropout
    0.5, 30 epochs, no augmentation, standardised pixels.
    Reported: macro recall 36 % on eight types; 92.8 % on E, S and I (S being Sc alone), which its
    own counts (92 of 100 right) give as 92.0 % macro recall, one class being misprinted. All that
    it calls average accuracy is macro recall; its formulae of precision and recall are swapped.

    Parameters
    ----------
    **params
        Parameters of the `GalaxyClassifier` at the end that replace the published ones.

    Returns
    -------
    Pipeline
        `ImageReader`, `Resize`, `GalaxyClassifier`: image files or arrays in, classes out.
    """
    return _pipeline("wu_simple_cnn", params)


@recipe(**_EIGHT, published=0.4125)
def wu2022_vgg16(**params):
    """Return the VGG-16 variant of Wu (2022), experiments 3 and 4.

    Published: as `wu2022_simple_cnn`, with weight decay 8e-4 (in Adam's gradient, of all but biases
    here).
    Filled in: dropout 0.5, first weights of He et al. (2015), 30 epochs, no augmentation,
    standardised pixels.
    Reported: macro recall 41.25 % on eight types, 87.9 % on E, S and I.

    Parameters
    ----------
    **params
        Parameters of the `GalaxyClassifier` at the end that replace the published ones.

    Returns
    -------
    Pipeline
        As `wu2022_simple_cnn`.
    """
    return _pipeline("wu_vgg16", params, weight_decay=8e-4)


@recipe(**_EIGHT, published=0.245)
def wu2022_resnet18(**params):
    """Return the ResNet-18 of Wu (2022), experiment 9, from scratch.

    Published: as `wu2022_simple_cnn`; over-fitting from the third epoch on.
    Filled in: torchvision's first weights, 30 epochs, no augmentation, standardised pixels.
    Reported: macro recall 24.5 %. The "68 hidden layers" are the number of PyTorch modules.

    Parameters
    ----------
    **params
        Parameters of the `GalaxyClassifier` at the end that replace the published ones.

    Returns
    -------
    Pipeline
        As `wu2022_simple_cnn`.
    """
    own = {"model_params": {"zero_init_last": False}}
    return _pipeline("timm/resnet18", params, network_params=own)


@recipe(**_EIGHT, published=0.3325)
def wu2022_inception_v3(**params):
    """Return the Inception v3 of Wu (2022), experiment 9, from scratch.

    Published: as `wu2022_simple_cnn`; over-fitting from the sixth epoch on.
    Filled in: torchvision's dropout of 0.5, no auxiliary output, 30 epochs, no augmentation,
    standardised pixels.
    Reported: macro recall 33.25 %.

    Parameters
    ----------
    **params
        Parameters of the `GalaxyClassifier` at the end that replace the published ones.

    Returns
    -------
    Pipeline
        As `wu2022_simple_cnn`.
    """
    return _pipeline("timm/inception_v3", params, network_params={"dropout": 0.5})


@recipe(**_EIGHT, published=0.495)
def wu2022_self_training(*, threshold=0.35, max_iter=5, **params):
    """Return the self-training of Wu (2022), experiment 7: a VGG-16 that labels a pool itself.

    Published: the network of `wu2022_vgg16`, its weight decay raised to 0.01; all images of the
    pool whose highest probability exceeds 0.35 get that class; the same network is trained further
    on both; five rounds, or until a round adds fewer than ten. No balance, calibration or held-out
    check.
    Filled in: as in `wu2022_vgg16`, 30 epochs a round, the raised decay in the first training too.
    Reported: macro recall 49.5 % (53.1 % accuracy) on 145 images that also chose the epoch; 92.5 %
    of the 1,263 pseudo-labels (1,258 in the abstracts) fell into two of the eight types.

    Parameters
    ----------
    threshold : float, default=0.35
        Confidence above which a label is kept.
    max_iter : int, default=5
        Rounds at most.
    **params
        Parameters of the `GalaxyClassifier` inside that replace the published ones.

    Returns
    -------
    PseudoLabelClassifier
        Its `fit` takes `X_unlabeled`.
    """
    return PseudoLabelClassifier(
        wu2022_vgg16(**({"weight_decay": 0.01} | params)),
        threshold=threshold,
        max_iter=max_iter,
        min_new_labels=10,
        max_divergence=None,
        warm_start=True,
    )


@recipe(**_EIGHT, published=0.5412)
def wu2022_autoencoder_cnn(*, pretrained=None, **params):
    """Return the CNN on an autoencoder's encoder of Wu (2022), experiment 8.

    Published: seven convolutions in the encoder, upsampling by 4, 4, 2, 2 in the decoder; the
    encoder's weights are copied and all is trained further with weight decay 0.01, on the labels
    and the pseudo-labels of experiment 7 (`wu2022_self_training`: fit this recipe on the rows whose
    `labeled_iter_` is not -1, with their `transduction_`). Filled in: mean squared error in units
    of each band's deviation, a sigmoid at the end, kernels equal to strides, the whole encoder
    copied where the publication once says "the last layer", 30 epochs for each of the two trainings
    (``galaxyclassifier__pretrained__max_epochs`` is the first's).
    Reported: macro recall 54.12 % (56.6 % accuracy), with a 95 % interval of 48 to 64 % for the
    accuracy on 145 images that also chose the epoch. The abstract has it rise "from 12.87 %", which
    is the gain over `wu2022_vgg16` in points.

    Parameters
    ----------
    pretrained : AutoencoderPretrainer, FrozenEstimator or path-like, default=None
        The autoencoder. None is that of the publication, fitted first: on the X of `fit`, or on
        its ``X_unlabeled``, if metadata routing was enabled when the recipe was made
        (``sklearn.set_config(enable_metadata_routing=True)``): a Pipeline hands a pool on under
        it alone.
    **params
        Parameters of the `GalaxyClassifier` at the end that replace the published ones.

    Returns
    -------
    Pipeline
        As `wu2022_simple_cnn`.
    """
    if pretrained is None:
        where = {name: params[name] for name in _WHERE if name in params}
        pretrained = AutoencoderPretrainer("wu_autoencoder", **(PLAIN | _TRAINING | where))
    params = {"pretrained": pretrained} | params
    return take_pool(_pipeline("wu_encoder_cnn", params, weight_decay=0.01))
