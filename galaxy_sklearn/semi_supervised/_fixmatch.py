"""FixMatchClassifier: labelled images and a pool in every step of training."""

import warnings
from numbers import Real

import numpy as np
from sklearn.base import clone

from galaxy_sklearn._training.consistency import ConsistencyNet
from galaxy_sklearn._training.data import decode_once
from galaxy_sklearn._validation import (
    NON_NEGATIVE,
    POSITIVE_INT,
    HasMethods,
    Interval,
    StrOptions,
    fit_context,
    safe_indexing,
    validate_images,
    validate_sample_weight,
)
from galaxy_sklearn.augmentation._strong import StrongAugmentation
from galaxy_sklearn.neural_network._classifier import GalaxyClassifier
from galaxy_sklearn.semi_supervised._base import PoolClassifier
from galaxy_sklearn.semi_supervised._steps import has_unfitted_pretrainer, unpack


class FixMatchClassifier(PoolClassifier):
    """Train a network to name distorted images of a pool as it names them undistorted.

    Each step takes labelled images and images of the pool. The averaged weights name the latter
    from an ordinary random view; where they are sure, the network must give the same name to a
    strongly distorted view. Nothing is labelled for good, so that early errors wash out, which
    rounds of self-training (`PseudoLabelClassifier`) write down.

    Parameters
    ----------
    estimator : GalaxyClassifier or Pipeline that ends in one
        What is trained. It is cloned. An unfitted pretrainer in its `pretrained` is fitted on the
        pool first. Its ``max_epochs="auto"`` counts the pool too: about 900 steps up to 2,000
        images, and growing with the cube root of their number beyond.
    threshold : float, default=0.9
        Probability from which on a name counts.
    unlabeled_weight : float, default=1.0
        Weight of the loss on the pool against that on the labelled images.
    ratio : int, default=2
        Images of the pool in a step for each labelled one.
    distribution_alignment : {"pool", "labels"} or None, default="pool"
        Class shares that the guesses are aligned to. ``"labels"``: on the average over the pool,
        classes get the shares of the labels, which the pool must then have. ``"pool"``: those that
        the pool seems to have, found along with the guesses (Saerens et al. 2002); probabilities
        still hold for the shares of the labels. None takes guesses as they are.
    strong_augmentation : "strong" or callable, default="strong"
        Distortion of the pool's images; see `galaxy_sklearn.augmentation.StrongAugmentation`.
    exclude_duplicates : bool, default=False
        Leave out images of the pool whose content is also that of a labelled one; files count by
        their pixels. All are read once for it.

    Attributes
    ----------
    estimator_ : estimator
        Fitted.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    history_ : list of dict
        That of the network, with "unlabeled_share": the part of the pool's images in an epoch
        whose name counted; and under ``distribution_alignment="pool"`` with "pool_shares": the
        class shares that the pool seems to have, drawn to those of the labels by a tenth.
    excluded_ : ndarray of int
        Rows of X, then of `X_unlabeled`, left out as duplicates or as images of `X_exclude`.
    n_features_in_ : int
        Features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X is a DataFrame with string columns.

    References
    ----------
    Sohn et al. (2020), NeurIPS, "FixMatch", eq. 4; Berthelot et al. (2020), ICLR, "ReMixMatch",
    section 3.1: distribution alignment; Saerens, Latinne & Decaestecker (2002), Neural Computation
    14, 21: class shares by expectation maximisation; Tarvainen & Valpola (2017), NeurIPS: averaged
    weights as the teacher.

    Examples
    --------
    >>> from galaxy_sklearn import GalaxyClassifier
    >>> from galaxy_sklearn.datasets import make_galaxies
    >>> from galaxy_sklearn.semi_supervised import FixMatchClassifier
    >>> X, y = make_galaxies(60, image_size=16, random_state=0)
    >>> base = GalaxyClassifier("linear", max_epochs=2, random_state=0)
    >>> model = FixMatchClassifier(base).fit(X[:40], y[:40], X_unlabeled=X[40:])
    >>> model.predict(X[:3]).shape
    (3,)
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods("fit")],
        "threshold": [Interval(Real, 0, 1, closed="left")],
        "unlabeled_weight": [NON_NEGATIVE],
        "ratio": [POSITIVE_INT],
        "distribution_alignment": [StrOptions({"pool", "labels"}), None],
        "strong_augmentation": [StrOptions({"strong"}), callable],
        "exclude_duplicates": ["boolean"],
    }

    def __init__(
        self,
        estimator,
        *,
        threshold=0.9,
        unlabeled_weight=1.0,
        ratio=2,
        distribution_alignment="pool",
        strong_augmentation="strong",
        exclude_duplicates=False,
    ):
        self.estimator = estimator
        self.threshold = threshold
        self.unlabeled_weight = unlabeled_weight
        self.ratio = ratio
        self.distribution_alignment = distribution_alignment
        self.strong_augmentation = strong_augmentation
        self.exclude_duplicates = exclude_duplicates

    @fit_context
    def fit(self, X, y, X_unlabeled=None, X_exclude=None, sample_weight=None):
        """Train on the labels and on the pool together.

        Parameters
        ----------
        X : array-like, ImageSequence or file names, n_samples rows
            What the estimator takes.
        y : array-like of shape (n_samples,)
            Labels; -1, also among strings, None or NaN for unlabelled rows, which then belong to
            the pool.
        X_unlabeled : the same as X, n_unlabeled rows, default=None
            Images without labels. They are read in batches; an ImageSequence is never held, nor,
            behind transformers of this package only, a memmap of images. Those of one value in
            all pixels, which a file that could not be read leaves, teach nothing.
        X_exclude : the same as X, default=None
            Images that must never be learned from, such as a test set: images of the same content
            are left out of the pool, and a `PseudoLabelWarning` tells of labelled ones. File names
            stand for their pixels, whatever X is.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each labelled image in its loss.

        Returns
        -------
        self : FixMatchClassifier

        Raises
        ------
        ValueError
            If the estimator is no GalaxyClassifier and ends in none; if fewer than two classes are
            labelled; if X and y differ in length, X and X_unlabeled in kind of pixels, or in size
            with nothing before the classifier, or X_exclude in either from both.
        ImageReadError
            If a file does not exist, which is found before anything is trained, or cannot be read,
            and the estimator's ImageReader has ``on_error="raise"``.
        """
        samples = self._samples(X, X_unlabeled)
        rows = samples.X
        labelled, labels = self._given_labels(y, samples.n_given)
        weights = validate_sample_weight(self, sample_weight, samples.n_given)[labelled]
        known = np.flatnonzero(labelled)
        self.excluded_ = self._find_excluded(samples, known, X_exclude)
        estimator = clone(self.estimator)
        steps, classifier = self._unpack(estimator)
        images = safe_indexing(rows, known) if len(known) < len(labelled) else rows
        for step in steps:
            images = step.fit(images, labels).transform(images)
        unlabelled, extra = self._unlabelled(samples, known), {}
        if unlabelled is None:
            if len(self.excluded_) == 0:
                warnings.warn("y contains no unlabeled samples", UserWarning, stacklevel=2)
        else:
            for step in steps:
                unlabelled = step.transform(unlabelled)
            classifier._special_net = self._net(classifier, images, unlabelled, labels, weights)
            if has_unfitted_pretrainer(classifier):
                extra["X_unlabeled"] = unlabelled
        try:
            classifier.fit(images, labels, sample_weight=weights, **extra)
        finally:
            classifier._special_net = None
        self.estimator_ = estimator
        self.classes_ = classifier.classes_
        self.history_ = classifier.history_
        if not hasattr(self, "n_features_in_"):
            self.n_features_in_ = estimator.n_features_in_
        return self

    def _unpack(self, estimator):
        """Return the transformers of an estimator in order, and the GalaxyClassifier at its end."""
        steps, last, _ = unpack(estimator)
        if not isinstance(last, GalaxyClassifier):
            raise ValueError(
                f"FixMatchClassifier trains a GalaxyClassifier, or a Pipeline that ends in one; "
                f"got {type(last).__name__}."
            )
        return steps, last

    def _unlabelled(self, samples, known):
        """Return all rows to learn from without a label, or None."""
        if len(known) == samples.n_given and len(self.excluded_) == 0:
            return samples.pool
        rows = np.setdiff1d(np.arange(len(samples)), np.concatenate([known, self.excluded_]))
        return samples.take(rows) if len(rows) else None

    def _net(self, classifier, images, unlabelled, labels, weights):
        validate_images(classifier, images, reset=True)
        pool = validate_images(classifier, unlabelled, reset=False)
        _, codes = np.unique(labels, return_inverse=True)
        shares = np.bincount(codes, weights=weights)
        strong = self.strong_augmentation
        return ConsistencyNet, {
            "pool": decode_once(pool),
            "strong": StrongAugmentation() if strong == "strong" else strong,
            "ratio": self.ratio,
            "threshold": self.threshold,
            "unlabeled_weight": self.unlabeled_weight,
            "prior": shares / shares.sum(),
            "alignment": self.distribution_alignment,
        }
