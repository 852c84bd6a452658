"""GalaxyGAN: new galaxies like those seen, and more of the rare ones."""

import os
from numbers import Integral

import numpy as np
from sklearn.utils.validation import check_is_fitted

from galaxy_sklearn._training.adversarial import AdversarialLoss, AdversarialNet
from galaxy_sklearn._training.data import LabelledImages, as_given_kind, pixel_range
from galaxy_sklearn._training.device import PRECISIONS
from galaxy_sklearn._training.optimizers import OPTIMIZERS
from galaxy_sklearn._training.schedules import SCHEDULES
from galaxy_sklearn._training.seeding import draw_seed
from galaxy_sklearn._validation import (
    FRACTION,
    POSITIVE,
    POSITIVE_INT,
    StrOptions,
    encode_labels,
    fit_context,
    validate_images,
)
from galaxy_sklearn.augmentation._galaxy import GalaxyAugmentation
from galaxy_sklearn.generative._added import with_images, with_labels
from galaxy_sklearn.generative._shares import STRATEGIES, n_missing
from galaxy_sklearn.networks._dcgan import build_generative
from galaxy_sklearn.neural_network._base import PREDICTION_BATCH, NetEstimator


class GalaxyGAN(NetEstimator):
    """Learn to generate galaxies, of a class where there are labels, from two networks at odds.

    One network makes images of noise, another tells them from real ones, and each learns from
    the other. `sample` draws new galaxies; `fit_resample` fills up rare classes with them, as the
    samplers of imbalanced-learn do, so that it may stand in a Pipeline of that library. Generated
    galaxies look like those seen, and hold no more knowledge: Messaoudi et al. found no gain in
    accuracy. Measure before you train on them.

    Parameters
    ----------
    network : {"dcgan"}, default="dcgan"
        Deep convolutional networks of Radford et al. (2016).
    network_params : dict, default=None
        Keyword arguments of the network, each also a parameter ``network__<name>``:
        ``code_size=100``, numbers of noise; ``width=32``, maps next to the pixels, 64 as
        published; ``input_size=64``, side in pixels that is generated, a power of two, and resized
        to the frame; ``normalization="batch"``, or ``"spectral"``.
    loss : {"bce", "hinge"}, default="bce"
        Binary cross-entropy, as published, or hinge.
    sampling_strategy : str or dict, default="auto"
        Which classes `fit_resample` fills up to the size of the largest: ``"not majority"``, the
        same as ``"auto"``, ``"minority"`` (the smallest alone), ``"not minority"`` or ``"all"``;
        or how many images each class shall have, a dict.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, n_channels) that 2-D rows of pixels are folded to. None
        reads a row as a square grey image, a square RGB image, or one line of pixels, whichever
        fits first.
    symmetric : bool, default=True
        Turn the real images by quarters and mirror them at random: a galaxy has no up and no
        hand, so that eight are seen of each. Frames that are no squares are turned by halves.
    augmentation : "galaxy", callable or None, default="galaxy"
        Random views that the discriminator sees of real and generated images alike: it learns
        less by heart, and the generator still learns the images as they are. ``"galaxy"`` is the
        zoom, shift and colour of `galaxy_sklearn.augmentation.GalaxyAugmentation`, but no
        rotation, under which a generator that knows one position angle looks as good as one that
        knows all. None shows images as they are, as published.
    optimizer : {"adam", "adamw", "muon", "sgd"}, default="adam"
        Optimiser of both networks.
    optimizer_params : dict, default=None
        Further keyword arguments of the optimiser, each also a parameter ``optimizer__<name>``;
        the ``betas`` of Adam are (0.5, 0.999) unless given.
    learning_rate : float, default=0.001
        Highest learning rate; 0.0002 as published.
    schedule : {"onecycle", "cosine", "constant"} or callable, default="constant"
        Course of the learning rate over the training.
    max_epochs : int or "auto", default="auto"
        Passes over the training set. ``"auto"`` counts steps instead: about 3,600 up to 2,000
        images, and growing with the square root of the number of images beyond.
    max_steps : int, default=None
        Steps of each network to stop after, in place of `max_epochs`.
    batch_size : int or "auto", default="auto"
        About how many images make a step.
    ema_decay : float or None, default=0.998
        Decay of the moving average of the weights that generates in the end; None keeps the last,
        as published.
    warm_start : bool, default=False
        Let `fit` start from the weights of the previous fit.
    checkpoint_dir : path-like, default=None
        Folder in which `fit` saves its state after every epoch, and goes on from after a kill, with
        the same number for `random_state`.
    device : str, default="auto"
        ``"auto"`` is CUDA, then MPS, then the CPU; or any name PyTorch knows.
    precision : {"auto", "float32", "bf16", "float64"}, default="auto"
        ``"auto"`` is bfloat16 where the hardware multiplies it natively, else float32.
    callbacks : list, default=None
        Further skorch callbacks.
    verbose : int, default=0
        1 shows progress bars.
    random_state : int, RandomState instance or None, default=None
        Seed of everything random in `fit`, and of `sample` unless it is told otherwise.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels that galaxies are generated by; there after a fit with labels alone.
    class_counts_ : ndarray of shape (n_classes,)
        Images of each class in `fit`; there after a fit with labels alone.
    n_features_in_ : int
        Values in one image.
    image_shape_ : tuple of int
        (height, width, n_channels) of the training images, and of the generated ones.
    pixel_kind_ : {"uint8", "float"}
        Kind of pixels seen in `fit`.
    n_iter_ : int
        Epochs run.
    loss_curve_ : list of float
        Mean loss of the generator in each epoch; that it does not fall is no fault.
    history_ : list of dict
        All that was recorded in each epoch: also ``discriminator_loss``, and the shares of real
        and of generated images that the discriminator recognised.
    net_ : skorch.NeuralNet
        The trained net.

    References
    ----------
    Goodfellow et al. (2014), NeurIPS. Radford et al. (2016), ICLR: the networks. Mirza & Osindero
    (2014), arXiv:1411.1784, and Miyato & Koyama (2018), ICLR: classes. Zhao et al. (2020),
    NeurIPS: augmentation. Messaoudi, Bouazza, Meribai & Khoudja (student report on Galaxy10): a
    convolutional GAN for rare classes whose layers, size and loss are not published.

    Examples
    --------
    >>> from galaxy_sklearn.datasets import make_galaxies
    >>> from galaxy_sklearn.generative import GalaxyGAN
    >>> X, y = make_galaxies(60, image_size=32, random_state=0)
    >>> gan = GalaxyGAN(network_params={"width": 4, "input_size": 16}, max_steps=3, random_state=0)
    >>> galaxies, labels = gan.fit(X, y).sample(5)
    >>> galaxies.shape, labels.shape
    ((5, 32, 32, 3), (5,))
    """

    weight_decay = 0.0
    compile = False

    _parameter_constraints: dict = {
        "network": [StrOptions({"dcgan"})],
        "network_params": [dict, None],
        "loss": [StrOptions({"bce", "hinge"})],
        "sampling_strategy": [StrOptions(set(STRATEGIES)), dict],
        "image_shape": ["array-like", None],
        "symmetric": ["boolean"],
        "augmentation": [StrOptions({"galaxy"}), callable, None],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "optimizer_params": [dict, None],
        "learning_rate": [POSITIVE],
        "schedule": [StrOptions(set(SCHEDULES)), callable],
        "max_epochs": [POSITIVE_INT, StrOptions({"auto"})],
        "max_steps": [POSITIVE_INT, None],
        "batch_size": [POSITIVE_INT, StrOptions({"auto"})],
        "ema_decay": [FRACTION, None],
        "warm_start": ["boolean"],
        "checkpoint_dir": [str, os.PathLike, None],
        "device": [str],
        "precision": [StrOptions({"auto", *PRECISIONS})],
        "callbacks": [list, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        network="dcgan",
        *,
        network_params=None,
        loss="bce",
        sampling_strategy="auto",
        image_shape=None,
        symmetric=True,
        augmentation="galaxy",
        optimizer="adam",
        optimizer_params=None,
        learning_rate=0.001,
        schedule="constant",
        max_epochs="auto",
        max_steps=None,
        batch_size="auto",
        ema_decay=0.998,
        warm_start=False,
        checkpoint_dir=None,
        device="auto",
        precision="auto",
        callbacks=None,
        verbose=0,
        random_state=None,
    ):
        self.network = network
        self.network_params = network_params
        self.loss = loss
        self.sampling_strategy = sampling_strategy
        self.image_shape = image_shape
        self.symmetric = symmetric
        self.augmentation = augmentation
        self.optimizer = optimizer
        self.optimizer_params = optimizer_params
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.max_epochs = max_epochs
        self.max_steps = max_steps
        self.batch_size = batch_size
        self.ema_decay = ema_decay
        self.warm_start = warm_start
        self.checkpoint_dir = checkpoint_dir
        self.device = device
        self.precision = precision
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    # ----------------------------------------------------------------- training
    @fit_context
    def fit(self, X, y=None):
        """Train two fresh networks; a second call forgets the first, unless `warm_start`.

        Parameters
        ----------
        X : array-like or ImageSequence
            Images (n_samples, height, width, n_channels), (n_samples, height, width), or rows of
            pixels (n_samples, n_pixels); uint8 0..255 or finite floating-point values. An
            `ImageSequence` is read in batches and never held as a whole.
        y : array-like of shape (n_samples,), default=None
            Class names or numbers, to generate galaxies of a class; None learns them all as one.

        Returns
        -------
        self : GalaxyGAN

        Raises
        ------
        TypeError
            If X holds file names.
        ValueError
            If X is empty, holds NaN or infinity, or does not fit y; if a parameter is out of range;
            if under `warm_start` the classes are others than before.
        """
        again = self._goes_on()
        images = validate_images(self, X, reset=not again)
        classes, targets = self._one_hot_labels(y, len(images))
        before = getattr(self, "classes_", None)
        if again and not np.array_equal(classes, before):
            raise ValueError(
                f"GalaxyGAN(warm_start=True) was fitted on the classes {_listed(before)} and got "
                f"{_listed(classes)}."
            )
        dataset = LabelledImages(images, targets, np.ones(len(images)))
        self._train(dataset, targets.shape[1])
        self._keep_classes(classes, targets)
        return self

    def _one_hot_labels(self, y, n_samples):
        """Return the classes and each image's, (n_samples, n_classes); None and no columns."""
        if y is None:
            return None, np.empty((n_samples, 0), np.float32)
        classes, codes = encode_labels(self, y, n_samples, fewest=1)
        return classes, np.eye(len(classes), dtype=np.float32)[codes]

    def _keep_classes(self, classes, targets):
        for name in ("classes_", "class_counts_"):
            self.__dict__.pop(name, None)
        if classes is not None:
            self.classes_ = classes
            self.class_counts_ = targets.sum(axis=0).astype(int)

    def _net_class(self):
        return AdversarialNet, {"symmetric": self.symmetric}

    def _augmentation(self):
        if self.augmentation == "galaxy":
            return GalaxyAugmentation(rotate=False, mirror=False)
        return self.augmentation

    def _make_network(self, n_channels, n_outputs, image_size, **params):
        return build_generative(self.network, n_channels, n_outputs, image_size, **params)

    def _build_model(self, images, weights, n_outputs, start=None):
        model, dtype = super()._build_model(images, weights, n_outputs, start)
        if start is None:
            model.network.set_range(*model.standardised_range(pixel_range(images)))
        return model, dtype

    def _make_criterion(self):
        return AdversarialLoss(self.loss)

    def _optimizer_settings(self):
        of_adam = {"betas": (0.5, 0.999)} if self.optimizer in ("adam", "adamw") else {}
        return super()._optimizer_settings() | of_adam

    def _auto_steps(self, n_samples):
        return 4 * super()._auto_steps(n_samples)

    # --------------------------------------------------------------- generation
    def sample(self, n_samples=1, y=None, *, random_state=None):
        """Generate galaxies.

        Parameters
        ----------
        n_samples : int, default=1
            How many, unless `y` says.
        y : array-like of shape (n_samples,) or label, default=None
            Class of each, or of all `n_samples`. None draws classes in the shares that they had in
            `fit`.
        random_state : int, RandomState instance or None, default=None
            Seed of the noise; None takes the parameter of the estimator, and with a number there
            returns the same galaxies in each call.

        Returns
        -------
        X : ndarray of shape (n_samples, height, width, n_channels)
            Of the shape and pixel kind seen in `fit`, uint8 or float64.
        y : ndarray of shape (n_samples,) or None
            Their classes; None after a fit without labels.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        ValueError
            If `n_samples` is no positive whole number, or `y` names a class that is not among
            `classes_`.
        """
        check_is_fitted(self)
        n_samples = len(y) if np.ndim(y) else n_samples
        whole = isinstance(n_samples, Integral) and not isinstance(n_samples, bool)
        if not whole or n_samples < 1:
            raise ValueError(f"GalaxyGAN.sample draws one galaxy or more; got {n_samples!r}.")
        seed = self.random_state if random_state is None else random_state
        rng = np.random.RandomState(draw_seed(seed))
        labels = self._labels_to_draw(n_samples, y, rng)
        classes = np.empty((n_samples, 0), np.float32)
        if labels is not None:
            classes = (labels[:, np.newaxis] == self.classes_).astype(np.float32)
        net = self.net_.place(self._device())
        shape = (n_samples, net.module_.network.code_size)
        codes = rng.standard_normal(shape).astype(np.float32)
        parts = []
        for start in range(0, n_samples, PREDICTION_BATCH):
            part = slice(start, start + PREDICTION_BATCH)
            images = net.sample(codes[part], classes[part])
            parts.append(as_given_kind(images, self.pixel_kind_))
        return np.concatenate(parts), labels

    def _labels_to_draw(self, n_samples, y, rng):
        if not hasattr(self, "classes_"):
            if y is not None:
                raise ValueError(
                    "GalaxyGAN.sample takes no y: it was fitted without labels, and knows no "
                    "classes."
                )
            return None
        if y is None:
            shares = self.class_counts_ / self.class_counts_.sum()
            return rng.choice(self.classes_, n_samples, p=shares)
        labels = np.full(n_samples, y) if np.ndim(y) == 0 else np.asarray(y).ravel()
        known = set(self.classes_.tolist())
        unknown = [label for label in labels.tolist() if label not in known]
        if unknown:
            raise ValueError(
                f"GalaxyGAN.sample got the label {unknown[0]!r}, which is not among the classes "
                f"{self.classes_.tolist()}."
            )
        return labels

    @fit_context
    def fit_resample(self, X, y):
        """Learn the images of all classes, and add generated ones to those that have few.

        Parameters
        ----------
        X : array-like or ImageSequence
            Images, as in `fit`.
        y : array-like of shape (n_samples,)
            Class names or numbers; at least two must differ.

        Returns
        -------
        X_resampled : ndarray, DataFrame or ImageSequence
            `X`, then the generated galaxies; of the layout and type of `X`. To a sequence they are
            added in memory, and `X` itself is still not read.
        y_resampled : ndarray or Series
            Their labels.

        Raises
        ------
        ValueError
            As in `fit`; if y holds one class alone, or `sampling_strategy` does not fit y.
        """
        classes, codes = encode_labels(self, y, len(X))
        missing = n_missing(self.sampling_strategy, classes, np.bincount(codes))
        self.fit(X, y)
        added = np.repeat(classes, missing)
        generated = self.sample(y=added)[0] if len(added) else np.empty((0, *self.image_shape_))
        return with_images(X, generated), with_labels(y, added)


def _listed(classes):
    return "none" if classes is None else classes.tolist()
