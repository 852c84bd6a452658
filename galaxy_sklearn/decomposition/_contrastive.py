"""ContrastivePretrainer: embeddings that know a galaxy by any of its views."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from galaxy_sklearn._training.unlabelled import ContrastiveLoss, ContrastiveNet
from galaxy_sklearn._validation import POSITIVE, POSITIVE_INT, StrOptions
from galaxy_sklearn.decomposition._base import Pretrainer
from galaxy_sklearn.networks._projected import Projected
from galaxy_sklearn.networks._registry import build_network


class ContrastivePretrainer(Pretrainer):
    """Learn to recognise galaxies from any view, from images without labels (SimCLR).

    Two random views of each image of a batch are to be more alike than those of different
    images. What of a galaxy survives zoom, rotation, noise and change of colour is its form, so
    that embeddings serve other estimators, and the weights a classifier, as those of
    `AutoencoderPretrainer` do::

        GalaxyClassifier(pretrained=FrozenEstimator(fitted_pretrainer))
        GalaxyClassifier(pretrained=ContrastivePretrainer())  # fitted first, on the X of fit
        fitted_pretrainer.save_weights("encoder.safetensors")
        GalaxyClassifier(pretrained="encoder.safetensors")

    Parameters
    ----------
    network : str, default="galaxynet"
        Name of the network: one of `galaxy_sklearn.networks.available()`, or ``"timm/<model>"``
        for any model of timm. All but its last layer is trained.
    network_params : dict, default=None
        Keyword arguments of the network; each is also a parameter ``network__<name>``.
    temperature : float, default=0.5
        What the cosines between views are divided by: the lower, the more the most similar of
        the other galaxies count.
    n_projection : int, default=128
        Numbers that views are compared by in training.
    image_shape : tuple of int, default=None
        Shape that 2-D rows of pixels are folded to.
    field : float or "auto", default="auto"
        Central part of the frame that the network looks at, see `GalaxyClassifier`.
    augmentation : "galaxy" or callable, default="galaxy"
        Random views in training, see `galaxy_sklearn.augmentation.GalaxyAugmentation`; or any
        other, such as `StrongAugmentation` there, which is further out.
    optimizer : {"adamw", "adam", "muon", "sgd"}, default="adamw"
        Optimiser of the network's weights.
    optimizer_params : dict, default=None
        Further keyword arguments of the optimiser; each is also a parameter
        ``optimizer__<name>``.
    learning_rate : float, default=0.003
        Highest learning rate.
    schedule : {"onecycle", "cosine", "constant"} or callable, default="onecycle"
        Course of the learning rate over the training.
    weight_decay : float, default=0.05
        Decay of all weights but biases and normalisation factors.
    max_epochs : int or "auto", default="auto"
        Passes over the training set. ``"auto"`` counts steps instead: about 900 up to 2,000
        images, and growing with the square root of the number of images beyond.
    max_steps : int, default=None
        Optimiser steps to stop after, in place of `max_epochs`.
    batch_size : int or "auto", default="auto"
        About how many images make a step: those that a galaxy is told apart from.
    ema_decay : float or None, default=0.998
        Decay of the moving average of the weights that is kept in the end; None keeps the last.
    warm_start : bool, default=False
        Let `fit` start from the weights of the previous fit.
    checkpoint_dir : path-like, default=None
        Folder in which `fit` saves its state after every epoch, and goes on from after a kill, with
        the same number for `random_state`.
    device : str, default="auto"
        ``"auto"`` is CUDA, then MPS, then the CPU; or any name PyTorch knows.
    precision : {"auto", "float32", "bf16", "float64"}, default="auto"
        ``"auto"`` is bfloat16 where the hardware multiplies it natively, else float32.
    compile : bool, default=False
        Compile the network for training.
    callbacks : list, default=None
        Further skorch callbacks.
    verbose : int, default=0
        1 shows progress bars.
    random_state : int, RandomState instance or None, default=None
        Seed of everything random; two fits with one seed and as many threads are identical on
        one machine (the workers of joblib have fewer).

    Attributes
    ----------
    n_features_in_ : int
        Values in one image.
    image_shape_ : tuple of int
        (height, width, n_channels) of the training images.
    pixel_kind_ : {"uint8", "float"}
        Kind of pixels seen in `fit`.
    field_ : float
        Part of the frame that the network looks at.
    n_iter_ : int
        Epochs run.
    loss_curve_ : list of float
        Mean training loss of each epoch.
    history_ : list of dict
        All that was recorded in each epoch.
    net_ : skorch.NeuralNet
        The trained net.

    References
    ----------
    Chen et al. (2020), ICML, "A simple framework for contrastive learning of visual
    representations". Hayat et al. (2021), ApJL 911, L33: the same on galaxies.

    Examples
    --------
    >>> from galaxy_sklearn.datasets import make_galaxies
    >>> from galaxy_sklearn.decomposition import ContrastivePretrainer
    >>> X, _ = make_galaxies(60, image_size=32, random_state=0)
    >>> model = ContrastivePretrainer(max_steps=3, random_state=0).fit(X)
    >>> model.transform(X).shape
    (60, 32)
    """

    _parameter_constraints: dict = Pretrainer._parameter_constraints | {
        "temperature": [POSITIVE],
        "n_projection": [POSITIVE_INT],
        "augmentation": [StrOptions({"galaxy"}), callable],
    }

    def __init__(
        self,
        network="galaxynet",
        *,
        network_params=None,
        temperature=0.5,
        n_projection=128,
        image_shape=None,
        field="auto",
        augmentation="galaxy",
        optimizer="adamw",
        optimizer_params=None,
        learning_rate=0.003,
        schedule="onecycle",
        weight_decay=0.05,
        max_epochs="auto",
        max_steps=None,
        batch_size="auto",
        ema_decay=0.998,
        warm_start=False,
        checkpoint_dir=None,
        device="auto",
        precision="auto",
        compile=False,
        callbacks=None,
        verbose=0,
        random_state=None,
    ):
        self.network = network
        self.network_params = network_params
        self.temperature = temperature
        self.n_projection = n_projection
        self.image_shape = image_shape
        self.field = field
        self.augmentation = augmentation
        self.optimizer = optimizer
        self.optimizer_params = optimizer_params
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.max_steps = max_steps
        self.batch_size = batch_size
        self.ema_decay = ema_decay
        self.warm_start = warm_start
        self.checkpoint_dir = checkpoint_dir
        self.device = device
        self.precision = precision
        self.compile = compile
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    def _net_class(self):
        return ContrastiveNet, {}

    def _make_network(self, *sizes, **params):
        return Projected(build_network(self.network, *sizes, **params), self.n_projection)

    def _make_criterion(self):
        return ContrastiveLoss(self.temperature)

    def _train(self, dataset, n_outputs, **settings):
        self._require_pairs(dataset)
        super()._train(dataset, n_outputs, **settings)

    def _train_further(self, dataset, n_outputs):
        self._require_pairs(dataset)
        super()._train_further(dataset, n_outputs)

    def _require_pairs(self, dataset):
        if min(len(dataset), self._batch_size(len(dataset))) < 2:
            raise ValueError(
                f"ContrastivePretrainer tells the images of a batch apart, and needs more than 1 "
                f"sample in it; got {len(dataset)} images and batch_size={self.batch_size!r}."
            )

    def score(self, X, y=None):
        """Return the negative contrastive loss; nearer to 0 is better.

        Parameters
        ----------
        X : array-like or ImageSequence
            Images of the shape and pixel kind seen in `fit`.
        y : ignored
            For pipelines.

        Returns
        -------
        float
            Mean over the images. Each, in two views that are always the same, is told apart from
            127 others of `X`; from fewer, which is easier, in a set of fewer than 128.

        Raises
        ------
        ValueError
            If there are fewer than two images; if they have another shape or pixel kind, or hold
            NaN or infinity.
        """
        check_is_fitted(self)
        net, before, losses = self.net_.place(self._device()), None, []
        for batch in self._checked_batches(X):
            n = len(batch)
            if before is not None:  # so that the last batch is as hard as the others
                batch = np.concatenate([before[n:], batch])
            losses.append(net.apply(lambda net, images: net.losses(images), batch)[-n:])
            before = batch
        if len(before) < 2:
            raise ValueError(
                "ContrastivePretrainer.score tells images apart, and needs more than 1 sample."
            )
        return -float(np.concatenate(losses).mean())
