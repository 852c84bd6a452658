"""GalaxyClassifier: an image network as a scikit-learn classifier."""

import os
from numbers import Integral, Real

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import get_scorer_names

from galaxy_sklearn._training.device import PRECISIONS, fit_for
from galaxy_sklearn._training.losses import ClassificationLoss
from galaxy_sklearn._training.optimizers import OPTIMIZERS
from galaxy_sklearn._training.schedules import SCHEDULES
from galaxy_sklearn._validation import (
    FRACTION,
    NON_NEGATIVE,
    POSITIVE,
    POSITIVE_INT,
    HasMethods,
    Interval,
    StrOptions,
    encode_labels,
    fit_context,
    validate_images,
    validate_sample_weight,
)
from galaxy_sklearn.augmentation._views import MultiScaleCrop, RotatedViews, prediction_views
from galaxy_sklearn.neural_network._class_weights import weights_of_classes
from galaxy_sklearn.neural_network._decisions import DecisionsMixin
from galaxy_sklearn.neural_network._embedding import ImageNetEstimator
from galaxy_sklearn.neural_network._held_out import check_groups, split_rows
from galaxy_sklearn.neural_network._scoring import require_scoring, validation_score


class GalaxyClassifier(DecisionsMixin, ClassifierMixin, ImageNetEstimator):
    """Tell galaxies apart by their images.

    The defaults are the recipe that did best on real galaxies (see ``docs/benchmarks.md``): a
    user who tunes nothing gets it, with 300 images as with 300,000.

    Parameters
    ----------
    network : str or callable, default="galaxynet"
        Name of the network: one of `galaxy_sklearn.networks.available()`, or ``"timm/<model>"``
        for any model of timm. Or the class of a `torch.nn.Module`, or a function that returns one,
        called as ``network(n_channels, n_classes, (height, width), **network_params)``: images
        (n, n_channels, height, width) in, logits (n, n_classes) out.
    network_params : dict, default=None
        Keyword arguments of the network; each is also a parameter ``network__<name>``.
    pretrained : bool, path-like or estimator, default=None
        What to start from: True for timm's published weights, a weights file (``.safetensors`` or
        ``.pth``), or a fitted estimator of this package inside
        `sklearn.frozen.FrozenEstimator`. The last layer starts afresh where the classes differ. A
        pretrainer of `galaxy_sklearn.decomposition` that is not frozen is fitted first, on the
        images that the classifier trains on. All of a pretrainer's encoder is copied, and all that
        comes after it starts afresh.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, n_channels) that 2-D rows of pixels are folded to. None
        reads a row as a square grey image, a square RGB image, or one line of pixels, whichever
        fits first.
    field : float or "auto", default="auto"
        Central part of the frame that the network looks at, as a fraction of the shorter side;
        training rotates what lies around it into view. ``"auto"`` measures on the training images
        how far their galaxies reach, where the network resizes (``"galaxynet"``), and is 1 where
        it does not.
    augmentation : "galaxy", callable or None, default="galaxy"
        Random views in training, see `galaxy_sklearn.augmentation.GalaxyAugmentation`; None
        trains on the images as they are.
    standardize : {"training", "image"}, transformer or None, default="training"
        ``"training"`` takes the mean of the training pixels out and divides by their deviation.
        ``"image"`` does so for each view by its own (uint8 divided by 255 first). A transformer
        that keeps the shape of images, as ``make_pipeline(CLAHE(), MorphologicalOpening())`` does,
        is applied to each view instead, after the augmentation and in prediction, and learns from
        up to 1,000 plain views; uint8 pixels it gets as uint8, the network divided by 255. None
        leaves pixels as they are (uint8 divided by 255).
    tta : None, "d4", float, list of these, MultiScaleCrop or RotatedViews, default=None
        Views that prediction averages over: the eight rotations and mirror images, fields of
        view relative to the plain one, or both (``["d4", 0.9, 1.1]``). ``"galaxynet"`` gives the
        same answer for all eight, so that only fields of view change it. Or a
        `galaxy_sklearn.augmentation.MultiScaleCrop` or `RotatedViews`.
    loss : {"cross_entropy", "logit_adjusted"} or callable, default="logit_adjusted"
        ``"logit_adjusted"`` is cross-entropy that helps rare classes: `adjustment` times the
        logarithm of the class shares is added to the logits in training (Menon et al. 2021). Or
        what returns the losses (n,) of logits (n, n_classes) and class numbers (n,).
    adjustment : float, default=0.4
        Strength of ``loss="logit_adjusted"``: 0 aims at accuracy alone, 1 at equal recall of all
        classes. Probabilities shift towards rare classes by as much; calibrate where that matters.
    label_smoothing : float, default=0.05
        Share of each target spread over all classes, by the losses that have names.
    class_weight : dict or "balanced", default=None
        Weight of each class in the loss.
    optimizer : {"auto", "muon", "adamw", "adam", "sgd"} or class, default="auto"
        Optimiser of the network's weights. ``"muon"`` makes the updates of convolutions orthogonal
        (Jordan et al. 2024), which took two thirds of AdamW's epochs to the same loss; all else it
        treats as AdamW does. ``"auto"`` is that for up to 4 million parameters, and AdamW beyond,
        where it would take too long on a CPU. Or a subclass of `torch.optim.Optimizer`.
    optimizer_params : dict, default=None
        Further keyword arguments of the optimiser; each is also a parameter
        ``optimizer__<name>``.
    learning_rate : float or "auto", default="auto"
        Highest learning rate; ``"auto"`` is 0.006 with Muon and 0.003 else.
    schedule : {"onecycle", "cosine", "constant"} or callable, default="onecycle"
        Course of the learning rate over the training; or what returns its factor for (step,
        n_steps), such as `StepDecay`.
    weight_decay : float, default=0.05
        Decay of all weights but biases and normalisation factors.
    freeze : {"backbone", "encoder", "gradual"} or int, default=None
        What stays as it is: ``"backbone"``, or ``"encoder"``, which is the same, all but the last
        layers; ``"gradual"`` also, in the first epoch, and one stage less in each further one. A
        number freezes as many stages from the input on, or all but as many if negative.
    layer_decay : float, default=1.0
        Learning rate of a stage over that of the next one towards the output.
    max_epochs : int or "auto", default="auto"
        Passes over the training set. ``"auto"`` counts steps instead: about 900 up to 2,000
        images, and growing with the square root of the number of images beyond.
    max_steps : int, default=None
        Optimiser steps to stop after, in place of `max_epochs`.
    batch_size : int or "auto", default="auto"
        About how many images make a step; the set is cut into equal parts and none is dropped.
        ``"auto"`` is 128, and an eighth of a small training set, but at least 32.
    ema_decay : float or None, default=0.998
        Decay of the moving average of the weights that is kept in the end; None keeps the last.
    early_stopping : bool, default=False
        Set part of the training set aside, stop when its score no longer grows, and keep the
        weights of the best epoch.
    scoring : str or callable, default=None
        Score for `early_stopping`, any of scikit-learn's; None is accuracy.
    validation_fraction : float, default=0.1
        Part set aside under `early_stopping`, with equal class shares; see `groups` in `fit`.
    n_iter_no_change : int, default=10
        Epochs without a better score before stopping.
    n_restarts : int, default=1
        Train as often, from different seeds, and keep the run with the best score under
        `early_stopping`, else with the lowest training loss of its last epoch.
    warm_start : bool, default=False
        Let `fit` start from the weights of the previous fit.
    checkpoint_dir : path-like, default=None
        Folder in which `fit` saves its state after every epoch. The same fit on the same data,
        with the same number for `random_state`, goes on from there after a kill, and ends with the
        same model. Callbacks begin afresh then, and may be others unless they see gradients.
    device : str, default="auto"
        ``"auto"`` is CUDA, then MPS, then the CPU; or any name PyTorch knows.
    precision : {"auto", "float32", "bf16", "float64"}, default="auto"
        ``"auto"`` is bfloat16 where the hardware multiplies it natively, else float32.
    compile : bool, default=False
        Compile the network for training.
    callbacks : list, default=None
        Further skorch callbacks, such as `EarlyStopping` or Optuna's pruning: at the end of an
        epoch its `history_` row is there. The learning rate is the `schedule`'s, not theirs.
    verbose : int, default=0
        1 shows progress bars.
    random_state : int, RandomState instance or None, default=None
        Seed of everything random; two fits with one seed and as many threads are identical on
        one machine (the workers of joblib have fewer). The global generators of NumPy and PyTorch
        are never touched. Fits in threads of one process wait for each other; processes, such as
        joblib's, run side by side.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_features_in_ : int
        Values in one image.
    image_shape_ : tuple of int
        (height, width, n_channels) of the training images.
    pixel_kind_ : {"uint8", "float"}
        Kind of pixels seen in `fit`.
    field_ : float
        Part of the frame that the network looks at.
    pretrainer_ : estimator
        The fitted copy of `pretrained`, where that was to be fitted first.
    n_iter_ : int
        Epochs run.
    loss_curve_ : list of float
        Mean training loss of each epoch.
    validation_scores_ : list of float
        Validation score of each epoch; empty without `early_stopping`.
    restart_scores_ : list of float
        What the runs of `n_restarts` were compared by; -inf for one that diverged.
    history_ : list of dict
        All that was recorded in each epoch.
    net_ : skorch.NeuralNet
        The trained net.

    Examples
    --------
    >>> from galaxy_sklearn import GalaxyClassifier
    >>> from galaxy_sklearn.datasets import make_galaxies
    >>> X, y = make_galaxies(60, image_size=32, random_state=0)
    >>> model = GalaxyClassifier("simple_cnn", max_epochs=2, random_state=0).fit(X, y)
    >>> model.predict_proba(X[:3]).shape
    (3, 5)
    """

    __metadata_request__fit = {"groups": False}
    _parameter_constraints: dict = {
        "network": [str, callable],
        "network_params": [dict, None],
        "pretrained": ["boolean", str, os.PathLike, HasMethods("fit"), None],
        "image_shape": ["array-like", None],
        "field": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="right")],
        "augmentation": [StrOptions({"galaxy"}), callable, None],
        "standardize": [StrOptions({"training", "image"}), HasMethods("transform"), None],
        "tta": [StrOptions({"d4"}), POSITIVE, list, tuple, MultiScaleCrop, RotatedViews, None],
        "loss": [StrOptions({"cross_entropy", "logit_adjusted"}), callable],
        "adjustment": [NON_NEGATIVE],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "optimizer": [StrOptions({"auto", *OPTIMIZERS}), type],
        "optimizer_params": [dict, None],
        "learning_rate": [POSITIVE, StrOptions({"auto"})],
        "schedule": [StrOptions(set(SCHEDULES)), callable],
        "weight_decay": [NON_NEGATIVE],
        "freeze": [StrOptions({"backbone", "encoder", "gradual"}), Integral, None],
        "layer_decay": [Interval(Real, 0, 1, closed="right")],
        "max_epochs": [POSITIVE_INT, StrOptions({"auto"})],
        "max_steps": [POSITIVE_INT, None],
        "batch_size": [POSITIVE_INT, StrOptions({"auto"})],
        "ema_decay": [FRACTION, None],
        "early_stopping": ["boolean"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "validation_fraction": [FRACTION],
        "n_iter_no_change": [POSITIVE_INT],
        "n_restarts": [POSITIVE_INT],
        "warm_start": ["boolean"],
        "checkpoint_dir": [str, os.PathLike, None],
        "device": [str],
        "precision": [StrOptions({"auto", *PRECISIONS})],
        "compile": ["boolean"],
        "callbacks": [list, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        network="galaxynet",
        *,
        network_params=None,
        pretrained=None,
        image_shape=None,
        field="auto",
        augmentation="galaxy",
        standardize="training",
        tta=None,
        loss="logit_adjusted",
        adjustment=0.4,
        label_smoothing=0.05,
        class_weight=None,
        optimizer="auto",
        optimizer_params=None,
        learning_rate="auto",
        schedule="onecycle",
        weight_decay=0.05,
        freeze=None,
        layer_decay=1.0,
        max_epochs="auto",
        max_steps=None,
        batch_size="auto",
        ema_decay=0.998,
        early_stopping=False,
        scoring=None,
        validation_fraction=0.1,
        n_iter_no_change=10,
        n_restarts=1,
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
        self.pretrained = pretrained
        self.image_shape = image_shape
        self.field = field
        self.augmentation = augmentation
        self.standardize = standardize
        self.tta = tta
        self.loss = loss
        self.adjustment = adjustment
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.optimizer = optimizer
        self.optimizer_params = optimizer_params
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.freeze = freeze
        self.layer_decay = layer_decay
        self.max_epochs = max_epochs
        self.max_steps = max_steps
        self.batch_size = batch_size
        self.ema_decay = ema_decay
        self.early_stopping = early_stopping
        self.scoring = scoring
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.n_restarts = n_restarts
        self.warm_start = warm_start
        self.checkpoint_dir = checkpoint_dir
        self.device = device
        self.precision = precision
        self.compile = compile
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    @fit_context
    def fit(self, X, y, sample_weight=None, X_unlabeled=None, groups=None):
        """Train a fresh network; a second call forgets the first, unless `warm_start`.

        Parameters
        ----------
        X : array-like or ImageSequence
            Images (n_samples, height, width, n_channels), (n_samples, height, width), or rows of
            pixels (n_samples, n_pixels); uint8 0..255 or finite floating-point values.
        y : array-like of shape (n_samples,)
            Class names or numbers; at least two must differ.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each image in the loss; None weighs all alike.
        X_unlabeled : array-like or ImageSequence, default=None
            Images without labels that an unfitted pretrainer in `pretrained` is fitted on, in
            place of X. A Pipeline prepares them too if its ``transform_input`` names them.
        groups : array-like of shape (n_samples,), default=None
            What each image belongs to, such as `galaxy_sklearn.datasets.sky_groups`, under
            `early_stopping`: no group is then both trained on and held out.

        Returns
        -------
        self : GalaxyClassifier

        Raises
        ------
        TypeError
            If X holds file names.
        ValueError
            If X is empty, holds NaN or infinity, or does not fit y; if fewer than two classes
            have weight; if a parameter is out of range; if the network does not take such images;
            if X_unlabeled is given without an unfitted pretrainer.
        """
        again = self._goes_on()
        images = validate_images(self, X, reset=not again)
        classes, codes = encode_labels(self, y, len(images))
        weights = validate_sample_weight(self, sample_weight, len(images))
        if again and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"GalaxyClassifier(warm_start=True) was fitted on the classes "
                f"{self.classes_.tolist()} and got {classes.tolist()}."
            )
        self.classes_ = classes
        shares = self._shares_of_classes(codes, weights)
        if np.count_nonzero(shares) < 2:
            raise ValueError(
                "GalaxyClassifier needs at least two classes; sample_weight leaves only one class."
            )
        self._weigh_classes(shares)
        training, held_out = self._split(codes, weights, check_groups(self, groups, len(images)))
        dataset = self._dataset(images, codes, weights, training)
        if held_out is not None:
            held_out = self._dataset(images, codes, weights, held_out)
        self._train(dataset, len(classes), held_out=held_out, X_unlabeled=X_unlabeled)
        return self

    @fit_context
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Take one pass over some images, at a tenth of the learning rate.

        Optimiser, learning rate and batch size are those of the first call, or of the last `fit`.
        The class shares that loss and `class_weight` go by are of all images seen so far.

        Parameters
        ----------
        X : array-like or ImageSequence
            Images, as in `fit`.
        y : array-like of shape (n_samples,)
            Labels among `classes`.
        classes : array-like of shape (n_classes,), default=None
            All labels there will ever be; needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each image in the loss.

        Returns
        -------
        self : GalaxyClassifier

        Raises
        ------
        ValueError
            If the first call has no `classes`, or `y` holds a label that is not among them.
        """
        first = not hasattr(self, "net_")
        images = validate_images(self, X, reset=first)
        if first:
            if classes is None:
                raise ValueError("GalaxyClassifier.partial_fit needs classes in its first call.")
            self.classes_, _ = encode_labels(self, classes, len(classes))
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"GalaxyClassifier.partial_fit was begun with the classes "
                f"{self.classes_.tolist()} and got {np.unique(classes).tolist()}."
            )
        codes = self._codes(y, len(images))
        weights = validate_sample_weight(self, sample_weight, len(images))
        shares = self._shares_of_classes(codes, weights)
        self._weigh_classes(shares if first else getattr(self, "_shares", 0) + shares)
        if not first:
            device = self._device()
            self.net_.place(device).criterion_ = fit_for(device, self._make_criterion()).to(device)
        self._train_further(self._dataset(images, codes, weights, slice(None)), len(self.classes_))
        return self

    def _codes(self, y, n_samples):
        present, codes = encode_labels(self, y, n_samples, fewest=1)
        unknown = np.setdiff1d(present, self.classes_)
        if len(unknown):
            raise ValueError(
                f"GalaxyClassifier got the label {unknown.tolist()[0]!r}, which is not among "
                f"the classes {self.classes_.tolist()}."
            )
        return np.searchsorted(self.classes_, present)[codes]

    def _shares_of_classes(self, codes, weights):
        return np.bincount(codes, weights=weights, minlength=len(self.classes_))

    def _weigh_classes(self, shares):
        """Take the sums of the sample weights of each class for prior and weights in the loss."""
        self._shares = shares
        self._prior = np.maximum(shares, shares[shares > 0].min()) / shares.sum()
        self._class_weight = weights_of_classes(self.class_weight, self.classes_, shares)

    def _split(self, codes, weights, groups):
        """Return rows to train on and rows held out, or None; rows without weight are neither.

        Rows whose label a PseudoLabelClassifier guessed are not held out.
        """
        if not self.early_stopping:
            return slice(None), None
        rows, guessed = np.flatnonzero(weights), getattr(self, "_guessed", None)
        never_held_out = []
        if guessed is not None:
            never_held_out, rows = rows[guessed[rows]], rows[~guessed[rows]]
        training, held_out = split_rows(self, rows, codes=codes, groups=groups)
        if groups is not None and len(never_held_out):
            apart = ~np.isin(groups[never_held_out], groups[held_out])
            never_held_out = never_held_out[apart]
        return np.r_[training, never_held_out].astype(int), held_out

    def _validator(self, dataset):
        views = prediction_views(None)
        require_scoring(self.scoring, self.classes_, dataset.targets, dataset.weights)

        def validate(net):
            batches = self._batches(dataset.images)
            proba = np.concatenate([net.outputs(batch, views) for batch in batches])
            chosen = proba[np.arange(len(proba)), dataset.targets]
            return {
                "valid_loss": -np.average(
                    np.log(np.maximum(chosen, 1e-12)), weights=dataset.weights
                ),
                "valid_score": validation_score(
                    self.scoring, self.classes_, proba, dataset.targets, dataset.weights
                ),
            }

        return validate

    def _make_criterion(self):
        strength = self.adjustment if self.loss == "logit_adjusted" else 0.0
        adjustment = strength * np.log(self._prior)
        function = self.loss if callable(self.loss) else None
        smoothing = float(self.label_smoothing)
        return ClassificationLoss(smoothing, self._class_weight, adjustment, function)

    def predict_proba(self, X):
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like or ImageSequence
            Images of the shape and pixel kind seen in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`; rows sum to 1. Averaged over the views of `tta`.

        Raises
        ------
        ValueError
            If the images have another shape or pixel kind, or hold NaN or infinity.
        """
        return self._outputs(X)
