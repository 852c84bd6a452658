"""AutoencoderPretrainer: galaxies as short codes, and weights for a classifier."""

from numbers import Real

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted

from galaxy_sklearn._training.data import as_given_kind, pixel_range
from galaxy_sklearn._training.unlabelled import AutoencoderNet, ReconstructionLoss
from galaxy_sklearn._validation import NON_NEGATIVE, Interval, StrOptions
from galaxy_sklearn.decomposition._base import Pretrainer
from galaxy_sklearn.networks._autoencoders import build_autoencoder
from galaxy_sklearn.neural_network._base import PREDICTION_BATCH


def _keeps_positions(estimator):
    if estimator.pooling is not None:
        raise AttributeError(
            "AutoencoderPretrainer.inverse_transform needs pooling=None: pooled codes have lost "
            "where things are."
        )
    return True


class AutoencoderPretrainer(Pretrainer):
    """Learn to compress galaxies and restore them, from images without labels.

    `transform` gives codes, `inverse_transform` images of codes, `reconstruction_error` how badly
    an image is restored, which is large for what is unlike the rest. The encoder, but that of
    ``"linear"``, is the trunk of a classifier, which takes its weights in three ways::

        GalaxyClassifier(pretrained=FrozenEstimator(fitted_pretrainer))
        GalaxyClassifier(pretrained=AutoencoderPretrainer())  # fitted first, on the X of fit
        fitted_pretrainer.save_weights("encoder.safetensors")
        GalaxyClassifier(pretrained="encoder.safetensors")

    Parameters
    ----------
    network : {"galaxynet", "wu_autoencoder", "linear"}, default="galaxynet"
        ``"galaxynet"``: the trunk of the default classifier and a decoder as small; the
        reconstruction of a turned galaxy is the turned reconstruction. ``"wu_autoencoder"``: that
        of Wu (2022), whose encoder fits the classifier's network ``"wu_encoder_cnn"``; the
        publication used Adam and a learning rate of 3e-4, and so should you. ``"linear"``:
        principal components, the honest baseline for codes and reconstructions.
    network_params : dict, default=None
        Keyword arguments of the network; each is also a parameter ``network__<name>``:
        ``widths``, ``depths`` and ``input_size`` of ``"galaxynet"``, ``input_size`` of
        ``"wu_autoencoder"``, ``code_size`` (32) of ``"linear"``.
    pooling : {"mean"}, default=None
        None: `transform` returns the whole code of an image in one row, which
        `inverse_transform` takes. ``"mean"``: its mean over positions, with ``"galaxynet"`` also
        over orientations, so that it does not change when the galaxy is turned by quarters or
        mirrored.
    denoising : float, default=0.0
        Deviation of the noise added to what the encoder sees in training, in units of the
        deviation of the training pixels; it learns to take the noise out.
    masking : float, default=0.0
        Share of the image that is hidden from the encoder in training, below 1: blank patches of
        an eighth of its side. It learns to fill them in, and the loss counts nothing else.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, n_channels) that 2-D rows of pixels are folded to. None
        reads a row as a square grey image, a square RGB image, or one line of pixels, whichever
        fits first.
    field : float or "auto", default="auto"
        Central part of the frame that the network looks at, see `GalaxyClassifier`.
    augmentation : "galaxy", callable or None, default="galaxy"
        Random views in training, see `galaxy_sklearn.augmentation.GalaxyAugmentation`; None
        trains on the images as they are.
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
        About how many images make a step.
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
    code_shape_ : tuple of int
        (n_maps, height, width) of a code before it is put in one row; (code_size,) of
        ``"linear"``.
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
    Wu (2022), Taiwan International Science Fair, tables 4 and 5. Vincent et al. (2008), ICML:
    denoising. He et al. (2022), CVPR, and Xie et al. (2022), CVPR: masking.

    Examples
    --------
    >>> from galaxy_sklearn.datasets import make_galaxies
    >>> from galaxy_sklearn.decomposition import AutoencoderPretrainer
    >>> X, _ = make_galaxies(60, image_size=32, random_state=0)
    >>> model = AutoencoderPretrainer(pooling="mean", max_steps=3, random_state=0).fit(X)
    >>> model.transform(X).shape
    (60, 32)
    """

    _parameter_constraints: dict = Pretrainer._parameter_constraints | {
        "pooling": [StrOptions({"mean"}), None],
        "denoising": [NON_NEGATIVE],
        "masking": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        network="galaxynet",
        *,
        network_params=None,
        pooling=None,
        denoising=0.0,
        masking=0.0,
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
        self.pooling = pooling
        self.denoising = denoising
        self.masking = masking
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

    # ----------------------------------------------------------------- training
    def _net_class(self):
        return AutoencoderNet, {}

    def _make_network(self, n_channels, n_outputs, image_size, **params):
        return build_autoencoder(self.network, n_channels, image_size, **params)

    def _build_model(self, images, weights, n_outputs, start=None):
        model, dtype = super()._build_model(images, weights, n_outputs, start)
        if model.network.bounded:
            model.network.set_range(*model.standardised_range(pixel_range(images)))
        return model, dtype

    def _make_criterion(self):
        return ReconstructionLoss(self.denoising, self.masking)

    def _keep(self, net):
        super()._keep(net)
        self.code_shape_ = net.module_.network.code_shape

    # --------------------------------------------------------------- prediction
    def transform(self, X):
        """Return the codes of images.

        Parameters
        ----------
        X : array-like or ImageSequence
            Images of the shape and pixel kind seen in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_code)
            Under `pooling` None, prod(`code_shape_`) numbers each: with the default network 32 kB
            an image. Pool the codes of large sets.

        Raises
        ------
        ValueError
            If the images have another shape or pixel kind, or hold NaN or infinity.
        """
        pooled = self.pooling is not None
        return np.concatenate(self._by_batch(lambda net, b: net.codes(b, pooled=pooled), X))

    @available_if(_keeps_positions)
    def inverse_transform(self, X):
        """Return the images that codes stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_code)
            Codes as `transform` returns them.

        Returns
        -------
        ndarray of shape (n_samples, height, width, n_channels)
            Of the shape and pixel kind seen in `fit`, uint8 or float64. What lies outside the
            `field_` that the network looks at has the mean value of the training pixels.

        Raises
        ------
        AttributeError
            If `pooling` is not None.
        ValueError
            If the codes have another length, or hold NaN or infinity.
        """
        check_is_fitted(self)
        codes = check_array(X, dtype="numeric")
        if codes.shape[1] != self._n_features_out:
            raise ValueError(
                f"AutoencoderPretrainer.inverse_transform takes codes of {self._n_features_out} "
                f"numbers each; got {codes.shape[1]}."
            )
        net = self.net_.place(self._device())
        parts = []
        for start in range(0, len(codes), PREDICTION_BATCH):
            images = net.apply(lambda net, part: net.images(part), codes[start:][:PREDICTION_BATCH])
            parts.append(as_given_kind(images, self.pixel_kind_))
        return np.concatenate(parts)

    def reconstruction_error(self, X):
        """Return how badly each image is restored: how unlike those seen in `fit` it is.

        Parameters
        ----------
        X : array-like or ImageSequence
            Images of the shape and pixel kind seen in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Mean squared error over the view that the network has of the image, in units of the
            variance of each band's training pixels: 1 is about that of a blank image. With
            `masking` that of patches that the network did not see, each having been hidden in turn.

        Raises
        ------
        ValueError
            If the images have another shape or pixel kind, or hold NaN or infinity.
        """
        return np.concatenate(self._by_batch(lambda net, batch: net.errors(batch), X))

    def score(self, X, y=None):
        """Return the negative mean of `reconstruction_error`; nearer to 0 is better.

        Parameters
        ----------
        X : array-like or ImageSequence
            Images of the shape and pixel kind seen in `fit`.
        y : ignored
            For pipelines.

        Returns
        -------
        float
        """
        return -float(self.reconstruction_error(X).mean())

    @property
    def _n_features_out(self):
        network = self.net_.module_.network
        return network.n_embedding if self.pooling is None else network.n_pooled
