"""PseudoLabelClassifier: self-training for images and for pools of any size."""

import warnings
from numbers import Real

import numpy as np
from sklearn import get_config
from sklearn.utils.metadata_routing import process_routing

from galaxy_sklearn._validation import (
    FRACTION,
    NON_NEGATIVE_INT,
    POSITIVE,
    POSITIVE_INT,
    HasMethods,
    Interval,
    StrOptions,
    encode_labels,
    fit_context,
    validate_sample_weight,
)
from galaxy_sklearn.semi_supervised._base import METHODS, PoolClassifier
from galaxy_sklearn.semi_supervised._rounds import SelfTraining
from galaxy_sklearn.semi_supervised._trainer import Trainer, needs_weights


class PseudoLabelClassifier(PoolClassifier):
    """Let a classifier label images itself, in rounds, and learn from the labels it is sure of.

    scikit-learn's `SelfTrainingClassifier` for images: the same names and, with a number as
    `threshold` and ``max_divergence=None``, the same labels. It also takes a pool of images that
    are read in batches and never held; finds the threshold at which labels are right often
    enough; and looks after each round whether the class shares still are those of the labels,
    because a classifier that believes itself soon believes in one class.

    Parameters
    ----------
    estimator : estimator
        Any classifier with `fit` and `predict_proba`, or a Pipeline that ends in one. It is
        cloned. An unfitted pretrainer in the `pretrained` of a GalaxyClassifier is fitted once,
        before the rounds, on all that may get a label. What labels the pool is a
        GalaxyClassifier's moving average of the weights (its `ema_decay`): a mean teacher. Its
        `early_stopping` goes by given labels alone, that of other estimators by pseudo-labels too.
    threshold : float or "auto", default="auto"
        Confidence (probability of the most probable class) above which a label is kept.
        ``"auto"`` finds it in each round on labels that are held out: the lowest at which
        `target_precision` of the guesses above it are right, after temperature scaling. Few
        held-out labels show little: see "precision" in `history_`. Ignored by
        ``criterion="k_best"``.
    target_precision : float, default=0.95
        Share of right labels that ``threshold="auto"`` asks for, on the held-out ones.
    criterion : {"threshold", "k_best", "quota", "agreement"}, default="threshold"
        Which guesses become labels. ``"threshold"``: all above `threshold`. ``"k_best"``: the
        `k_best` of highest confidence. ``"quota"``: of those above `threshold` the best of each
        class, in numbers that follow the class shares of the labels, as many as `max_divergence`
        allows. ``"agreement"``: those for whose image, its mirror image, its half turn and two
        other fields of view the classifier names one class, with a mean confidence above
        `threshold`; needs images.
    k_best : int, default=10
        Labels a round under ``criterion="k_best"``; with `relabel` it is k_best more each round.
    max_iter : int or None, default=5
        Rounds at most; None goes on until another end is reached.
    min_new_labels : int, default=1
        A round that would change fewer labels changes none and is the last.
    max_divergence : float or None, default=0.5
        Kullback-Leibler divergence, in nats, of the class shares of all pseudo-labels to those
        of the given labels. A round above it is rolled back, with a `PseudoLabelWarning`, and is
        the last. Judged from 10 pseudo-labels a class on, and less what chance alone gives,
        (n_classes - 1) / (2 n_pseudo_labels). None lets all pass; quotas then have the shares of
        the labels exactly, so that the scarcest class decides how many there are.
    warm_start : bool, default=False
        Train the same estimator further in each round; it needs a `warm_start` parameter of its
        own that goes on with the same model, not one that adds trees. False trains a fresh clone
        in each round.
    relabel : bool, default=False
        Guess all rows without a given label afresh in each round, so that earlier pseudo-labels
        change or are taken back.
    soft_labels : bool, default=False
        Train on the probabilities of a guess instead of its class: the row stands once for each
        class of at least 5 %, weighted by the class's probability, which is the loss of soft
        targets. The estimator must take sample weights.
    pseudo_label_weight : float, default=1.0
        Weight of a pseudo-label, against 1 of a given one. Other than 1, the estimator must take
        sample weights.
    validation_fraction : float, "auto" or None, default="auto"
        Part of each class's labels held out in the rounds, for ``threshold="auto"`` and the
        precision in `history_`; none of weight 0, and the others count alike there. ``"auto"`` is
        0.2 where the threshold is found on it, else None: nothing.
    refit : bool, default=True
        Train once more in the end, with the labels held out.
    exclude_duplicates : bool, default=False
        Never label rows whose content is also that of a labelled one; files count by their
        pixels. All rows are read once for it.
    batch_size : int, default=1024
        Rows that the estimator is asked about at once; one of this package reads an
        ImageSequence in smaller batches still.
    verbose : int, default=0
        1 shows progress bars and a line for each round.
    random_state : int, RandomState instance or None, default=None
        Seed of the choice of held-out labels. The estimator has its own.

    Attributes
    ----------
    estimator_ : estimator
        Fitted on the given labels and the pseudo-labels of the last round.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    transduction_ : ndarray of shape (n_samples + n_unlabeled,)
        Label of each row of X, then of `X_unlabeled`; for none -1, or ``"-1"`` where labels are
        strings.
    labeled_iter_ : ndarray of int, shape (n_samples + n_unlabeled,)
        Round in which each was labelled; 0 for given labels, -1 for none.
    confidence_ : ndarray of shape (n_samples + n_unlabeled,)
        Confidence of each pseudo-label; 1 for given labels, NaN for none.
    n_unlabeled_ : int
        Rows of `X_unlabeled`.
    excluded_ : ndarray of int
        Rows left out as duplicates, as images of `X_exclude`, or because their files could not be
        read.
    n_iter_ : int
        Rounds run, a last one that changed nothing or found nothing to label included.
    n_fits_ : int
        How often the estimator was fitted.
    termination_condition_ : {"max_iter", "no_change", "all_labeled", "collapse"}
        Why it ended. ``"collapse"``: `max_divergence`.
    history_ : list of dict
        For each round: "round", "threshold", "temperature", "precision" (share of right ones
        among "n_checked" held-out images that the rule of this round chooses; under
        ``threshold="auto"`` by the threshold that the other held-out images give, which errs low,
        by up to three points with 100 of them; under ``criterion="quota"`` among all above the
        threshold, of which the quota takes the surest), its "precision_interval" (95 %, Wilson;
        under ``"auto"`` it holds the truth somewhat less often), "coverage" (that part of the
        held-out ones), "validation_score" (accuracy on all held-out ones), "n_added",
        "n_taken_back", "n_pseudo_labels"; "added", "pseudo_labels" and "amplification" (share of
        the pseudo-labels over share of the given labels) by class; "divergence"; and "outcome":
        "accepted", "no_change" or "collapse". Precision, coverage and score are NaN where
        nothing is held out.
    n_features_in_ : int
        Features seen in `fit`, where X has two dimensions or the estimator knows.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X is a DataFrame with string columns.

    References
    ----------
    Yarowsky (1995), ACL 33, 189: self-training. Guo et al. (2017), arXiv:1706.04599, section 4.2:
    temperature scaling.

    Examples
    --------
    >>> from galaxy_sklearn import GalaxyClassifier
    >>> from galaxy_sklearn.datasets import make_galaxies
    >>> from galaxy_sklearn.semi_supervised import PseudoLabelClassifier
    >>> X, y = make_galaxies(60, image_size=16, random_state=0)
    >>> base = GalaxyClassifier("linear", max_epochs=5, random_state=0)
    >>> model = PseudoLabelClassifier(base, threshold=0.5, criterion="quota", max_iter=1)
    >>> model.fit(X[:40], y[:40], X_unlabeled=X[40:]).transduction_.shape
    (60,)
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods("fit")],
        "threshold": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
        "target_precision": [Interval(Real, 0, 1, closed="right")],
        "criterion": [StrOptions({"threshold", "k_best", "quota", "agreement"})],
        "k_best": [POSITIVE_INT],
        "max_iter": [NON_NEGATIVE_INT, None],
        "min_new_labels": [POSITIVE_INT],
        "max_divergence": [POSITIVE, None],
        "warm_start": ["boolean"],
        "relabel": ["boolean"],
        "soft_labels": ["boolean"],
        "pseudo_label_weight": [POSITIVE],
        "validation_fraction": [StrOptions({"auto"}), FRACTION, None],
        "refit": ["boolean"],
        "exclude_duplicates": ["boolean"],
        "batch_size": [POSITIVE_INT],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    _passing_on = ("fit", *METHODS)

    def __init__(
        self,
        estimator,
        *,
        threshold="auto",
        target_precision=0.95,
        criterion="threshold",
        k_best=10,
        max_iter=5,
        min_new_labels=1,
        max_divergence=0.5,
        warm_start=False,
        relabel=False,
        soft_labels=False,
        pseudo_label_weight=1.0,
        validation_fraction="auto",
        refit=True,
        exclude_duplicates=False,
        batch_size=1024,
        verbose=0,
        random_state=None,
    ):
        self.estimator = estimator
        self.threshold = threshold
        self.target_precision = target_precision
        self.criterion = criterion
        self.k_best = k_best
        self.max_iter = max_iter
        self.min_new_labels = min_new_labels
        self.max_divergence = max_divergence
        self.warm_start = warm_start
        self.relabel = relabel
        self.soft_labels = soft_labels
        self.pseudo_label_weight = pseudo_label_weight
        self.validation_fraction = validation_fraction
        self.refit = refit
        self.exclude_duplicates = exclude_duplicates
        self.batch_size = batch_size
        self.verbose = verbose
        self.random_state = random_state

    @fit_context
    def fit(self, X, y, X_unlabeled=None, X_exclude=None, sample_weight=None, **params):
        """Train on the labels, then in rounds on the estimator's own.

        Parameters
        ----------
        X : array-like, ImageSequence, sparse matrix or file names, n_samples rows
            What the estimator takes.
        y : array-like of shape (n_samples,)
            Labels; -1, also among strings (``"-1"`` in an array of text), None or NaN for
            unlabelled rows.
        X_unlabeled : the same as X, n_unlabeled rows, default=None
            A pool without labels. It is read in batches; an ImageSequence is never held as a
            whole, nor is a memmap of images where all steps of the estimator are this package's.
            For other estimators the chosen rows of an array are copied.
        X_exclude : the same as X, default=None
            Images that must never be learned from, such as a test set: rows of the same content
            get no label, and a `PseudoLabelWarning` tells of those that were given one. File names
            stand for their pixels, whatever X is.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row; rows of the pool get the mean weight of the labelled ones.
        **params : dict
            More for the estimator's `fit`, under metadata routing only; arrays of length
            n_samples are cut to the rows trained on.

        Returns
        -------
        self : PseudoLabelClassifier

        Raises
        ------
        ValueError
            If fewer than two classes are labelled; if X and y differ in length, X and X_unlabeled
            in kind of pixels, or in size with nothing before the classifier, or X_exclude in
            either from both; if the estimator has no `predict_proba` or lacks what a parameter
            needs (sample weights, warm_start); if there are too few labels to hold some out.
        ImageReadError
            If a file does not exist, which is found before the first training, or cannot be read,
            and the estimator's ImageReader has ``on_error="raise"``.
        """
        samples = self._samples(X, X_unlabeled)
        codes = self._encode(y, samples)
        weights = self._row_weights(sample_weight, codes, samples)
        trainer = Trainer(self, samples, self.classes_, weights, self._route(weights, params))
        usable = codes < 0
        excluded = self._find_excluded(samples, np.flatnonzero(codes >= 0), X_exclude)
        usable[excluded] = False
        self._warn_if_idle(codes)
        training = SelfTraining(self, trainer, codes, usable)
        trainer.pretrain(codes, np.flatnonzero(usable))
        training.run()
        self.excluded_ = np.unique(np.concatenate([excluded, *training.unread]))
        self._keep(training)
        return self

    def _encode(self, y, samples):
        """Return the class code of each row of all samples; -1 is unlabelled."""
        labelled, labels = self._given_labels(y, samples.n_given)
        self.classes_, known = encode_labels(self, labels, labelled.sum())
        codes = np.full(len(samples), -1)
        codes[np.flatnonzero(labelled)] = known
        return codes

    def _row_weights(self, sample_weight, codes, samples):
        if sample_weight is None:
            return None
        given = validate_sample_weight(self, sample_weight, samples.n_given)
        labelled = given[codes[: len(given)] >= 0]
        if not labelled.any():
            raise ValueError(
                "PseudoLabelClassifier got sample_weight of zeros only for the labelled rows."
            )
        weights = np.full(len(samples), labelled.mean())
        weights[: len(given)] = given
        return weights

    def _route(self, weights, params):
        if not get_config()["enable_metadata_routing"]:
            if params:
                raise ValueError(
                    f"PseudoLabelClassifier.fit passes {sorted(params)} on under metadata routing "
                    f"only: sklearn.set_config(enable_metadata_routing=True)."
                )
            return None
        if needs_weights(self, weights):
            params["sample_weight"] = True  # the rows of each round get theirs
        return dict(process_routing(self, "fit", **params).estimator.fit)

    def _warn_if_idle(self, codes):
        if self.relabel and self.max_iter is None:
            raise ValueError(
                "PseudoLabelClassifier(relabel=True) may change labels for ever: give a max_iter."
            )
        n_unlabelled = int((codes < 0).sum())
        if n_unlabelled == 0:
            warnings.warn("y contains no unlabeled samples", UserWarning, stacklevel=3)
        elif self.criterion == "k_best" and self.k_best > n_unlabelled:
            warnings.warn(
                "k_best is larger than the amount of unlabeled samples. All unlabeled samples "
                "will be labeled in the first iteration",
                UserWarning,
                stacklevel=3,
            )

    def _keep(self, training):
        labels = training.labels
        self.estimator_ = training.trainer.model
        self.n_fits_ = training.trainer.n_fits
        self.history_ = training.history
        self.n_iter_ = training.n_iter
        self.termination_condition_ = training.end
        self.n_unlabeled_ = len(labels.codes) - training.trainer.samples.n_given
        self.labeled_iter_ = labels.since
        self.confidence_ = labels.confidence
        kind = self.classes_.dtype.kind
        names = self.classes_.astype({"b": object, "u": np.int64}.get(kind, self.classes_.dtype))
        self.transduction_ = np.append(names, "-1" if kind in "UO" else -1)[labels.codes]
        if not hasattr(self, "n_features_in_") and hasattr(self.estimator_, "n_features_in_"):
            self.n_features_in_ = self.estimator_.n_features_in_
