"""Fitting the estimator on labels of two kinds, and asking it for more."""

import inspect
from dataclasses import dataclass, fields

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter
from tqdm.auto import tqdm

from galaxy_sklearn._validation import is_image_sequence, is_paths, num_samples, safe_indexing
from galaxy_sklearn.semi_supervised._steps import (
    has_unfitted_pretrainer,
    reader_of,
    unpack,
    with_fitted_pretrainer,
)
from galaxy_sklearn.semi_supervised._views import require_images, views_of

NAME = "PseudoLabelClassifier"
_ADDED = {"n_estimators", "max_bins"}  # parameters of forests and of boosting
_LEAST_SHARE = 0.05  # of a soft label; smaller ones would cost a row each and teach nothing


def weight_parameter(estimator, *, routed):
    """Return the name under which `estimator.fit` takes sample weights, or None."""
    _, last, prefix = unpack(estimator)
    if not (has_fit_parameter(last, "sample_weight") or _passes_on(last.fit)):
        return None
    return "sample_weight" if routed else f"{prefix}sample_weight"


def _passes_on(method):
    """Tell whether a method takes any keywords, as those of searches and ensembles do."""
    kinds = [one.kind for one in inspect.signature(method).parameters.values()]
    return inspect.Parameter.VAR_KEYWORD in kinds


def keep_learning(estimator):
    """Make `estimator.fit` go on from what it learned before.

    Raises ValueError if it has no such parameter.
    """
    _, last, prefix = unpack(estimator)
    known = set(last.get_params(deep=False))
    if "warm_start" not in known:
        raise ValueError(
            f"{NAME}(warm_start=True) needs an estimator with a warm_start parameter; "
            f"{type(last).__name__} has none."
        )
    if known & _ADDED:
        raise ValueError(
            f"{NAME}(warm_start=True) needs an estimator that goes on with the same model; the "
            f"warm_start of {type(last).__name__} adds members and trains none again."
        )
    return estimator.set_params(**{f"{prefix}warm_start": True})


@dataclass(frozen=True)
class Labels:
    """What each row is taken for.

    Parameters
    ----------
    codes : ndarray of int, shape (n_rows,)
        Position among the classes; -1 is unlabelled.
    since : ndarray of int, shape (n_rows,)
        Round in which it was labelled; 0 is given, -1 unlabelled.
    confidence : ndarray of shape (n_rows,)
        Of the guess; 1 for given labels, NaN for none.
    proba : ndarray of shape (n_rows, n_classes) or None
        Of the guesses, where labels are soft.
    """

    codes: np.ndarray
    since: np.ndarray
    confidence: np.ndarray
    proba: np.ndarray | None = None

    @classmethod
    def given(cls, codes, n_soft):
        """Return the labels before the first round, with room for `n_soft` soft classes."""
        labelled = codes >= 0
        proba = np.zeros((len(codes), n_soft), np.float32) if n_soft else None
        return cls(codes, np.where(labelled, 0, -1), np.where(labelled, 1.0, np.nan), proba)

    def counts(self, n_classes):
        """Return how many pseudo-labels each class has, shape (n_classes,)."""
        return np.bincount(self.codes[self.since > 0], minlength=n_classes)


@dataclass(frozen=True)
class Guess:
    """What a model says about some rows: class, confidence, and whether its views agree.

    `unread` tells for which of them it saw a blank image in place of a file, `surer` in which
    order they come where a low temperature has made confidences equal.
    """

    rows: np.ndarray
    proba: np.ndarray
    agreed: np.ndarray
    unread: np.ndarray
    surer: np.ndarray

    def of_readable(self):
        """Return the same without the rows that could not be read."""
        kept = ~self.unread
        return Guess(*(getattr(self, field.name)[kept] for field in fields(self)))

    @property
    def codes(self):
        """Column of the most probable class, shape (n_rows,)."""
        return self.proba.argmax(1)

    @property
    def confidence(self):
        """Its probability, shape (n_rows,)."""
        return self.proba.max(1)


class Trainer:
    """Fits the estimator on some rows, and asks it about others.

    Parameters
    ----------
    params : PseudoLabelClassifier
        Its parameters.
    samples : Samples
        All rows.
    classes : ndarray of shape (n_classes,)
        Labels by code.
    weights : ndarray of shape (n_rows,) or None
        Weight of each row; None where none were given.
    routed : dict or None
        What else `estimator.fit` gets under metadata routing; None without it.
    """

    def __init__(self, params, samples, classes, weights, routed):
        self.params = params
        self.estimator = params.estimator
        self.samples = samples
        self.classes = classes
        self.routed = routed
        self.weighted = needs_weights(params, weights)
        self.weights = np.ones(len(samples)) if weights is None else weights
        self.model = None
        self.n_fits = 0
        self._check_probabilities()
        self._check_weights()
        self._check_routed()
        self._check_views()

    def _check_probabilities(self):
        last = unpack(self.estimator)[1]
        made_in_fit = getattr(last, "final_estimator", last) is None  # of a StackingClassifier
        if not (hasattr(self.estimator, "predict_proba") or made_in_fit):
            raise ValueError(
                f"{NAME} needs an estimator with predict_proba; {type(last).__name__} has none: "
                f"put it into a CalibratedClassifierCV."
            )

    def _check_weights(self):
        routed = self.routed is not None
        self.weight_name = weight_parameter(self.estimator, routed=routed)
        known = self.weight_name is not None and (not routed or "sample_weight" in self.routed)
        if self.weighted and not known:
            raise ValueError(
                f"{NAME} needs an estimator whose fit takes sample_weight, for weights, "
                f"soft_labels and a pseudo_label_weight other than 1; "
                f"{type(unpack(self.estimator)[1]).__name__} does not, or it was not "
                f"requested."
            )

    def _check_routed(self):
        """Raise ValueError if something is routed that has a value for each row of X alone."""
        for name, value in (self.routed or {}).items():
            of_rows = name != "sample_weight" and _has_a_value_each(value, self.samples.n_given)
            if of_rows and self.samples.pool is not None:
                raise ValueError(f"{NAME} has no {name} for the rows of X_unlabeled.")

    def _check_views(self):
        """Raise ValueError if views are to agree and the estimator itself is given no images."""
        if self.params.criterion == "agreement" and not hasattr(self.estimator, "steps"):
            require_images(self.samples.X)

    def pretrain(self, codes, rows):
        """Fit the pretrainer of a network, if it is to be fitted, on `rows` for all rounds."""
        if len(rows) == 0 or not has_unfitted_pretrainer(self.estimator):
            return
        known = np.flatnonzero(codes >= 0)
        images, labels = self.samples.take(known), self.classes[codes[known]]
        pool = self.samples.take(rows)
        self.estimator = with_fitted_pretrainer(self.estimator, images, labels, pool)

    def fit(self, labels, rows):
        """Return the estimator trained on `rows`, rising: fresh, or further under `warm_start`."""
        rows, codes, weights = self._training_set(labels, rows)
        if self.model is None or not self.params.warm_start:
            model = clone(self.estimator)
            self.model = keep_learning(model) if self.params.warm_start else model
        fit_params = self._routed_rows(rows)
        if self.weighted:
            fit_params[self.weight_name] = weights
        last = unpack(self.model)[1]
        last._guessed = labels.since[rows] > 0  # which a GalaxyClassifier does not stop early by
        try:
            self.model.fit(self.samples.take(rows), self.classes[codes], **fit_params)
        finally:
            del last._guessed
        self.n_fits += 1
        return self.model

    def _training_set(self, labels, rows):
        """Return rows, codes and weights; a row of a soft label stands once for each class."""
        weights = self.weights[rows]
        guessed = labels.since[rows] > 0
        weights = np.where(guessed, weights * self.params.pseudo_label_weight, weights)
        if not self.params.soft_labels or not guessed.any():
            return rows, labels.codes[rows], weights
        shares = np.zeros((len(rows), len(self.classes)))
        shares[np.arange(len(rows)), labels.codes[rows]] = 1
        shares[guessed] = labels.proba[rows[guessed]]
        shares[(shares < _LEAST_SHARE) & (shares < shares.max(1, keepdims=True))] = 0
        shares /= shares.sum(1, keepdims=True)
        place, codes = np.nonzero(shares)
        return rows[place], codes, weights[place] * shares[place, codes]

    def _routed_rows(self, rows):
        params, n = {}, self.samples.n_given
        for name, value in (self.routed or {}).items():
            if name == "sample_weight":
                continue
            if _has_a_value_each(value, n):
                value = safe_indexing(value, rows)
            params[name] = value
        return params

    def guess(self, rows):
        """Return what the model says about `rows`, asked in batches."""
        probas, agreed, unread = [], [], []
        ask = self._ask_views if self.params.criterion == "agreement" else self._ask
        with tqdm(
            total=len(rows), desc=NAME, unit="row", disable=not self.params.verbose
        ) as progress:
            for batch in self.samples.batches(rows, self.params.batch_size):
                proba, agree = ask(batch)
                probas.append(proba)
                agreed.append(agree)
                unread.append(_unread(batch, self.model))
                progress.update(len(proba))
        proba, agreed, unread = map(np.concatenate, (probas, agreed, unread))
        return Guess(rows, proba, agreed, unread, surer=proba.max(1))

    def _ask(self, X):
        proba = self.model.predict_proba(X)
        return proba, np.ones(len(proba), dtype=bool)

    def _ask_views(self, X):
        last = self.model
        while hasattr(last, "steps"):
            X, last = last[:-1].transform(X) if len(last.steps) > 1 else X, last[-1]
        probas = [last.predict_proba(view) for view in views_of(X)]
        codes = np.array([proba.argmax(1) for proba in probas])
        return np.mean(probas, axis=0), (codes == codes[0]).all(axis=0)


def _unread(batch, model):
    """Tell which rows of a batch the model has just seen as blanks in place of their files."""
    if is_image_sequence(batch):
        return batch.unreadable_
    reader = reader_of(model) if is_paths(batch) else None
    failed = [] if reader is None else [row for row, *_ in reader.failed_]
    return np.isin(np.arange(num_samples(batch)), failed)


def needs_weights(params, weights):
    """Tell whether the estimator must be given sample weights."""
    return weights is not None or params.soft_labels or params.pseudo_label_weight != 1


def _has_a_value_each(value, n):
    countable = hasattr(value, "__len__") and not isinstance(value, str | dict)
    return countable and num_samples(value) == n
