"""VoteFractionRegressor: an image network that predicts how volunteers vote."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from galaxy_sklearn._validation import (
    NON_NEGATIVE,
    NON_NEGATIVE_INT,
    POSITIVE,
    StrOptions,
    fit_context,
    validate_images,
    validate_sample_weight,
)
from galaxy_sklearn.galaxy_zoo._samples import clean_samples, kind_of
from galaxy_sklearn.galaxy_zoo._tree import KINDS, DecisionTree
from galaxy_sklearn.metrics._votes import vote_rmse
from galaxy_sklearn.neural_network._classifier import GalaxyClassifier
from galaxy_sklearn.neural_network._embedding import ImageNetEstimator
from galaxy_sklearn.neural_network._held_out import check_groups, split_rows
from galaxy_sklearn.neural_network._scoring import fractions_score, outputs_and_loss
from galaxy_sklearn.neural_network._vote_distribution import VoteDistribution
from galaxy_sklearn.neural_network._vote_targets import (
    DIRICHLET,
    as_fractions,
    check_options,
    conditional_shares,
    has_distribution,
    has_tree,
    loss_targets,
    read_targets,
    require_normalized_steps,
    target_statistics,
    tree_of,
    vote_loss,
)

_OF_CLASSES = {"loss", "adjustment", "label_smoothing", "class_weight"}


class VoteFractionRegressor(RegressorMixin, ImageNetEstimator):
    """Predict the fractions of Galaxy Zoo's volunteers who would give each answer.

    Predictions obey the decision tree: the answers to a question sum to the share of volunteers
    who are asked it. Votes that are not known (NaN) teach nothing and do no harm. What is said of
    a parameter in `GalaxyClassifier` holds here too.

    Parameters
    ----------
    network : str or callable, default="galaxynet"
        Name of the network, or what makes one of your own.
    tree : str, DecisionTree or None, default="gz2_kaggle"
        A name for `galaxy_sklearn.galaxy_zoo.load_tree`, or a tree. The default is that of Galaxy
        Zoo 2 as the Kaggle Galaxy Challenge has it, where the answers to question 6 sum to 1;
        ``"gz2"`` is that of all other tables. None takes `y` as any table of numbers, for
        `output` ``"sigmoid"`` or ``"identity"``.
    kind : {"path", "conditional", "counts"}, default="path"
        What `y` holds, see `galaxy_sklearn.galaxy_zoo.convert_votes`; with a tree only.
    output : {"tree", "sigmoid", "identity"}, default="tree"
        ``"tree"``: every prediction satisfies every sum rule. ``"sigmoid"``: each fraction by
        itself, in (0, 1). ``"identity"``: any numbers, learned in units of their scatter.
    normalization : {"softmax", "divisive"}, default="softmax"
        How ``output="tree"`` makes the answers to a question sum to 1: by softmax, or, as
        Dieleman et al. (2015) did, by rectifying the outputs and dividing by their sum.
    unnormalized_steps : int, default=0
        Optimiser steps at the start in which divisive outputs, clipped to [0, 1], are compared
        without having been divided: a question whose outputs are all rectified to 0 would not
        learn. Dieleman et al. took 625.
    loss : {"mse", "rmse", "dirichlet_multinomial"}, default="mse"
        Mean square error of the path-weighted fractions over the known entries of a batch, or its
        root; or the negative log-likelihood of the numbers of votes, with which
        `predict_distribution` tells how sure a prediction is.
    n_votes : float, default=None
        Volunteers for each galaxy (about 40 in Galaxy Zoo 2), to turn fractions into votes for
        ``loss="dirichlet_multinomial"``; not needed with ``kind="counts"``.
    tolerance : float, default=0.005
        By how much the sums in `y` may miss what they should be.
    network_params : dict, default=None
        Keyword arguments of the network; each is also a parameter ``network__<name>``.
    pretrained : bool, path-like or estimator, default=None
        What to start from; a fitted `GalaxyClassifier` inside `sklearn.frozen.FrozenEstimator`
        lends all but its last layer.
    image_shape : tuple of int, default=None
        Shape that 2-D rows of pixels are folded to.
    field : float or "auto", default="auto"
        Central part of the frame that the network looks at.
    augmentation : "galaxy", callable or None, default="galaxy"
        Random views in training.
    standardize : {"training", "image"}, transformer or None, default="training"
        What takes the scale out of pixels.
    tta : None, "d4", float, list of these, MultiScaleCrop or RotatedViews, default=None
        Views that prediction averages over; averages keep the sum rules.
    optimizer : {"auto", "muon", "adamw", "adam", "sgd"} or class, default="auto"
        Optimiser of the network's weights.
    optimizer_params : dict, default=None
        Further keyword arguments of the optimiser; each is also a parameter
        ``optimizer__<name>``.
    learning_rate : float or "auto", default="auto"
        Highest learning rate; ``"auto"`` is 0.006 with Muon and 0.003 else.
    schedule : {"onecycle", "cosine", "constant"} or callable, default="onecycle"
        Course of the learning rate over the training.
    weight_decay : float, default=0.05
        Decay of all weights but biases and normalisation factors.
    freeze : {"backbone", "encoder", "gradual"} or int, default=None
        What stays as it is.
    layer_decay : float, default=1.0
        Learning rate of a stage over that of the next one towards the output.
    max_epochs : int or "auto", default="auto"
        Passes over the training set.
    max_steps : int, default=None
        Optimiser steps to stop after, in place of `max_epochs`.
    batch_size : int or "auto", default="auto"
        About how many images make a step.
    ema_decay : float or None, default=0.998
        Decay of the moving average of the weights that is kept in the end; None keeps the last.
    early_stopping : bool, default=False
        Set part of the training set aside, stop when its score no longer grows, and keep the
        weights of the best epoch.
    scoring : str or callable, default=None
        Score for `early_stopping`; None is negative RMSE over what is known. Those of
        scikit-learn need `y` without NaN. Fractions are path-weighted.
    validation_fraction : float, default=0.1
        Part set aside under `early_stopping`.
    n_iter_no_change : int, default=10
        Epochs without a better score before stopping.
    n_restarts : int, default=1
        Train as often, from different seeds, and keep the best run.
    warm_start : bool, default=False
        Let `fit` start from the weights of the previous fit.
    checkpoint_dir : path-like, default=None
        Folder in which `fit` saves its state after every epoch; with a number for `random_state`
        it goes on from there after a kill.
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
        Seed of everything random; see `GalaxyClassifier`.

    Attributes
    ----------
    answers_ : list of str or None
        Names of the columns of a prediction: the tree's answers, or the columns of `y` if that
        was a DataFrame.
    n_outputs_ : int
        Number of those columns.
    n_features_in_, image_shape_, pixel_kind_, field_, pretrainer_, n_iter_, loss_curve_, \
restart_scores_, history_, net_
        As in `GalaxyClassifier`.
    validation_scores_ : list of float
        Score after each epoch, negative RMSE by default; empty without `early_stopping`.

    References
    ----------
    Dieleman, Willett & Dambre (2015), MNRAS 450, 1441: sum rules in the network, divisive
    normalisation. Walmsley et al. (2022), MNRAS 509, 3966: the Dirichlet-multinomial loss.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxy_sklearn.galaxy_zoo import check_votes
    >>> from galaxy_sklearn.neural_network import VoteFractionRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.random((40, 16, 16, 3))
    >>> y = np.zeros((40, 37))
    >>> y[:, [0, 14, 15]] = 1  # smooth, nothing odd, round
    >>> model = VoteFractionRegressor("linear", max_epochs=2, random_state=0).fit(X, y)
    >>> check_votes(model.predict(X), tree="gz2_kaggle", tolerance=1e-6)
    """

    __metadata_request__fit = {"groups": False}
    _parameter_constraints: dict = {
        **{
            k: v for k, v in GalaxyClassifier._parameter_constraints.items() if k not in _OF_CLASSES
        },
        "tree": [str, DecisionTree, None],
        "kind": [StrOptions(set(KINDS))],
        "output": [StrOptions({"tree", "sigmoid", "identity"})],
        "normalization": [StrOptions({"softmax", "divisive"})],
        "unnormalized_steps": [NON_NEGATIVE_INT],
        "loss": [StrOptions({"mse", "rmse", DIRICHLET})],
        "n_votes": [POSITIVE, None],
        "tolerance": [NON_NEGATIVE],
    }

    def __init__(
        self,
        network="galaxynet",
        *,
        tree="gz2_kaggle",
        kind="path",
        output="tree",
        normalization="softmax",
        unnormalized_steps=0,
        loss="mse",
        n_votes=None,
        tolerance=0.005,
        network_params=None,
        pretrained=None,
        image_shape=None,
        field="auto",
        augmentation="galaxy",
        standardize="training",
        tta=None,
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
        self.tree = tree
        self.kind = kind
        self.output = output
        self.normalization = normalization
        self.unnormalized_steps = unnormalized_steps
        self.loss = loss
        self.n_votes = n_votes
        self.tolerance = tolerance
        self.network_params = network_params
        self.pretrained = pretrained
        self.image_shape = image_shape
        self.field = field
        self.augmentation = augmentation
        self.standardize = standardize
        self.tta = tta
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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = self.tree is None
        tags.regressor_tags.poor_score = True  # the score is a negative RMSE and no R^2
        return tags

    @fit_context
    def fit(self, X, y, sample_weight=None, X_unlabeled=None, groups=None):
        """Train a fresh network; a second call forgets the first, unless `warm_start`.

        Parameters
        ----------
        X : array-like or ImageSequence
            Images (n_samples, height, width, n_channels), (n_samples, height, width), or rows of
            pixels (n_samples, n_pixels); uint8 0..255 or finite floating-point values.
        y : array-like or DataFrame of shape (n_samples, n_answers)
            Votes of the given `kind`, NaN where not known. An array has its columns in the order
            of ``tree.answers``; a DataFrame may have them in any order, beside others, under the
            names of any of the tree's catalogues. Without a tree, any table, or (n_samples,).
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each image in the loss; None weighs all alike.
        X_unlabeled : array-like or ImageSequence, default=None
            Images without votes that an unfitted pretrainer in `pretrained` is fitted on, in
            place of X. A Pipeline prepares them too if its ``transform_input`` names them.
        groups : array-like of shape (n_samples,), default=None
            What each image belongs to, such as `galaxy_sklearn.datasets.sky_groups`, under
            `early_stopping`: no group is then both trained on and held out.

        Returns
        -------
        self : VoteFractionRegressor

        Raises
        ------
        TypeError
            If X holds file names, or `tree` is no tree.
        ValueError
            If X is empty, holds NaN or infinity, or does not fit y; if y has a fault, as in
            `galaxy_sklearn.galaxy_zoo.check_votes`, or nothing in it is known; if parameters are
            out of range or contradict each other; if X_unlabeled is given without an unfitted
            pretrainer.
        """
        again = self._goes_on()
        images, rows, targets, weights = self._prepare(X, y, sample_weight, reset=not again)
        groups = check_groups(self, groups, len(images))
        training, held_out = self._split(rows, weights, groups)
        if held_out is not None:
            held_out = self._dataset(images, targets, weights, held_out)
        dataset = self._dataset(images, targets, weights, training)
        require_normalized_steps(self, self._length(len(dataset))[1])
        self._train(dataset, self.n_outputs_, held_out=held_out, X_unlabeled=X_unlabeled)
        return self

    @fit_context
    def partial_fit(self, X, y, sample_weight=None):
        """Take one pass over some images, at a tenth of the learning rate.

        Parameters, errors and what is returned are those of `fit`.
        """
        first = not hasattr(self, "net_")
        images, rows, targets, weights = self._prepare(X, y, sample_weight, reset=first)
        self._train_further(self._dataset(images, targets, weights, rows), self.n_outputs_)
        return self

    def _prepare(self, X, y, sample_weight, *, reset):
        """Return images, the rows with a known target, targets and weights."""
        check_options(self)
        images = validate_images(self, X, reset=reset)
        values = read_targets(self, y, len(images), reset=reset)
        weights = validate_sample_weight(self, sample_weight, len(images))
        rows, targets = loss_targets(self, values, weights)
        if reset:
            self._target_mean, self._target_scale = target_statistics(targets, weights)
        return images, rows, targets, weights

    def _split(self, rows, weights, groups):
        if not self.early_stopping:
            return rows, None
        return split_rows(self, rows[weights[rows] > 0], groups=groups)

    def _validator(self, dataset):
        kind = "counts" if self.loss == DIRICHLET else "path"
        truth = as_fractions(self, dataset.targets, kind)
        fractions_score(self.scoring, np.nan_to_num(truth), truth, dataset.weights)  # can it be?

        def validate(net):
            outputs, loss = outputs_and_loss(net, dataset, self._batches(dataset.images))
            score = fractions_score(self.scoring, self._means(outputs), truth, dataset.weights)
            return {"valid_loss": loss, "valid_score": score}

        return validate

    def _make_criterion(self):
        return vote_loss(self, self._target_mean, self._target_scale)

    def _means(self, outputs):
        """Return the fractions that the network's averaged outputs stand for."""
        is_dirichlet = self.loss == DIRICHLET
        return VoteDistribution(tree_of(self), outputs).mean() if is_dirichlet else outputs

    def predict(self, X, *, kind="path"):
        """Return the fractions of volunteers expected to give each answer.

        Parameters
        ----------
        X : array-like or ImageSequence
            Images of the shape and pixel kind seen in `fit`.
        kind : {"path", "conditional"}, default="path"
            Path-weighted fractions, of all volunteers, or conditional ones, of those asked the
            question; see `galaxy_sklearn.galaxy_zoo.convert_votes`. With a tree only. Outputs
            that keep no sum rules are divided by their sum over the question.

        Returns
        -------
        ndarray of shape (n_samples, n_answers)
            In the order of `answers_`, averaged over the views of `tta`; whatever the kind of `y`
            in `fit`. Without a tree, of the shape of `y`. `score`, which searches take by default,
            turns `y` into that; scorers with a name compare with `y` as it stands, and need
            path-weighted fractions in this order.

        Raises
        ------
        ValueError
            If the images have another shape or pixel kind, or hold NaN or infinity; if `kind` is
            unknown.
        """
        if kind not in ("path", "conditional") or (kind != "path" and self.tree is None):
            raise ValueError(
                f"VoteFractionRegressor.predict takes kind='path' or, with a tree, 'conditional'; "
                f"got {kind!r}."
            )
        means = self._means(self._outputs(X))
        if self._flat_targets:
            return means[:, 0]
        return means if kind == "path" else conditional_shares(self, means)

    @available_if(has_tree)
    def predict_class(self, X, scheme="zhu2019"):
        """Give a class to the galaxies on which the volunteers are expected to agree.

        Parameters
        ----------
        X : array-like or ImageSequence
            Images of the shape and pixel kind seen in `fit`.
        scheme : str or dict, default="zhu2019"
            Cuts on the predicted fractions, see `galaxy_sklearn.galaxy_zoo.clean_samples`. Those
            on numbers of votes hold: a prediction is for endlessly many volunteers.

        Returns
        -------
        Series of categories, (n_samples,)
            Missing for galaxies that pass the cuts of no class or of more than one.

        Raises
        ------
        AttributeError
            If there is no tree.
        TypeError, ValueError
            As in `clean_samples` and `predict`.
        """
        settings = {"scheme": scheme, "kind": kind_of(scheme) or "path", "tree": tree_of(self)}
        votes = np.clip(self.predict(X, kind=settings["kind"]), 0, None)
        return clean_samples(votes, **settings, n_votes=np.inf, tolerance=np.inf)

    @available_if(has_distribution)
    def predict_distribution(self, X):
        """Return how sure the prediction is, under ``loss="dirichlet_multinomial"``.

        Parameters
        ----------
        X : array-like or ImageSequence
            Images of the shape and pixel kind seen in `fit`.

        Returns
        -------
        VoteDistribution
            Its `concentrations` have shape (n_samples, n_answers); ``interval(0.9)`` returns
            bounds for each fraction.

        Raises
        ------
        AttributeError
            If the loss is another.
        """
        return VoteDistribution(tree_of(self), self._outputs(X))

    def score(self, X, y, sample_weight=None):
        """Return the negative RMSE over the known entries of `y`; nearer to 0 is better.

        Parameters
        ----------
        X : array-like or ImageSequence
            Images of the shape and pixel kind seen in `fit`.
        y : array-like or DataFrame of shape (n_samples, n_answers)
            Votes of the given `kind`, as in `fit`. They are compared as path-weighted fractions.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each image.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            As in `fit` and `predict`.
        """
        check_is_fitted(self)
        means = self._means(self._outputs(X))
        values = read_targets(self, y, len(means), reset=False)
        weights = validate_sample_weight(self, sample_weight, len(means))
        loss_targets(self, values, weights)
        return -vote_rmse(as_fractions(self, values), means, sample_weight=weights)
