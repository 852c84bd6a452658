"""What the classifiers that learn from a pool have in common."""

import warnings

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import column_or_1d, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from galaxy_sklearn._validation import (
    encode_labels,
    is_band_table,
    is_paths,
    missing_labels,
    num_samples,
    require_channels_last,
    require_finite,
)
from galaxy_sklearn.exceptions import PseudoLabelWarning
from galaxy_sklearn.semi_supervised._samples import Samples, as_rows, as_sequence, fingerprints
from galaxy_sklearn.semi_supervised._steps import has_transformers, reader_of, reads_sequences

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")


def _estimator_has(method):
    def check(self):
        getattr(getattr(self, "estimator_", self.estimator), method)
        return True

    return check


def _plain(labels):
    """Return labels of an object array that are all numbers as an array of numbers."""
    plain = np.array(labels.tolist()) if labels.dtype == object else labels
    return plain if plain.dtype.kind in "biuf" else labels


class PoolClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """A classifier around another one, which is fitted as `estimator_`."""

    _passing_on = METHODS

    def _validate_rows(self, X, *, reset):
        if reset:
            for name in ("n_features_in_", "feature_names_in_"):
                self.__dict__.pop(name, None)
        if X is None:
            raise ValueError(f"{type(self).__name__} needs X; got None.")
        X = as_rows(X)
        if is_paths(X):
            return X
        reader = reader_of(self.estimator)
        if reader is not None and reader.on_error != "skip" and is_band_table(X):
            X = clone(reader).fit_transform(X)
        if getattr(X, "ndim", None) == 2:
            validate_data(self, X, reset=reset, skip_check_array=True)
        if not reads_sequences(self.estimator):
            return X
        require_channels_last(type(self).__name__, getattr(X, "shape", ()))
        lazy = as_sequence(X)
        return X if lazy is None else lazy

    def _validate_pool(self, pool, name="X_unlabeled"):
        pool = as_rows(pool)
        if num_samples(pool) == 0:
            return None
        if _are_pixels(pool) and reads_sequences(self.estimator):
            require_finite(type(self).__name__, pool, of=name)
        return self._validate_rows(pool, reset=False)

    def _samples(self, X, X_unlabeled):
        """Return the rows of both, checked; forget what an earlier fit left.

        So that a fit that fails leaves no estimator under the classes of another.
        """
        self.__dict__.pop("estimator_", None)
        rows = self._validate_rows(X, reset=True)
        pool = None if X_unlabeled is None else self._validate_pool(X_unlabeled)
        self._check_files(rows, pool)
        if pool is not None:
            rows, pool = self._alike(rows, pool)
        return Samples(rows, pool, any_size=has_transformers(self.estimator))

    def _check_files(self, *sets):
        """Raise ImageReadError if the estimator would miss a file, before anything is trained.

        ValueError if its reader would leave out rows.
        """
        reader = reader_of(self.estimator)
        if reader is not None and reader.on_error == "skip":
            raise ValueError(
                f'{type(self).__name__} cannot tell labels apart after ImageReader(on_error="skip")'
                f': on_error="blank" gives files that cannot be read no label.'
            )
        for one in sets:
            if reader is not None and one is not None and is_paths(one):
                clone(reader).fit(one)

    def _alike(self, *sets):
        """Return sets of rows, file names beside images read as the estimator itself reads them."""
        names = [is_paths(one) for one in sets]
        if all(names) and len({one.ndim for one in sets}) > 1:
            return [np.asarray(one, dtype=object).ravel() for one in sets]
        reader = reader_of(self.estimator)
        if all(names) or reader is None:
            return sets
        return [clone(reader).fit_transform(one) if name else one for one, name in zip(sets, names)]

    def _given_labels(self, y, n_samples):
        """Return which rows have a label, and these labels."""
        if y is None:
            encode_labels(self, None, 0)
        missing = missing_labels(y)
        y = column_or_1d(np.asarray(y, dtype=object) if missing.any() else y, warn=True)
        name = type(self).__name__
        if len(y) != n_samples:
            raise ValueError(f"{name} got {n_samples} rows in X and {len(y)} labels in y.")
        labelled = ~missing
        labelled[labelled] = [one not in (-1, "-1") for one in y[labelled].tolist()]
        if not labelled.any():
            raise ValueError(
                f"{name} needs labels of at least two classes; none of the {len(y)} rows of X has "
                f"one."
            )
        return labelled, _plain(y[labelled])

    def _find_excluded(self, samples, labelled, X_exclude):
        """Return the rows without a label that must not be learned from."""
        exclude = None if X_exclude is None else self._validate_pool(X_exclude, "X_exclude")
        if exclude is not None:
            _, exclude = self._alike(samples.X, exclude)
            samples.require_comparable(exclude)
        elif not self.exclude_duplicates:
            return np.array([], dtype=int)
        digests = fingerprints(samples.X)
        if samples.pool is not None:
            digests += fingerprints(samples.pool)
        forbidden = set() if exclude is None else set(fingerprints(exclude))
        self._warn_of_leaks([row for row in labelled if digests[row] in forbidden])
        if self.exclude_duplicates:
            forbidden |= {digests[row] for row in labelled}
        open_rows = np.setdiff1d(np.arange(len(samples)), labelled)
        excluded = np.array([row for row in open_rows if digests[row] in forbidden], dtype=int)
        if 0 < len(open_rows) == len(excluded):
            self._warn_of_an_empty_pool(len(excluded))
        return excluded

    def _warn_of_an_empty_pool(self, n_excluded):
        warnings.warn(
            f"{type(self).__name__} learns from the labels alone: all {n_excluded} images without "
            f"one were left out, as images of X_exclude or duplicates of labelled ones.",
            PseudoLabelWarning,
            stacklevel=5,
        )

    def _warn_of_leaks(self, rows):
        if rows:
            warnings.warn(
                f"{type(self).__name__} learns from {len(rows)} labelled images that X_exclude "
                f"holds too, row {rows[0]} of X the first of them: their labels stand.",
                PseudoLabelWarning,
                stacklevel=5,
            )

    def get_metadata_routing(self):
        """Return the router: predictions, and `fit` if it can, pass on what the estimator wants."""
        mapping = MethodMapping()
        for method in self._passing_on:
            mapping.add(caller=method, callee=method)
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(estimator=self.estimator, method_mapping=mapping)

    def _ask(self, method, X, params):
        check_is_fitted(self, "estimator_")
        X = self._validate_rows(X, reset=False)
        if params:
            params = process_routing(self, method, **params).estimator[method]
        return getattr(self.estimator_, method)(X, **params)

    @available_if(_estimator_has("predict"))
    def predict(self, X, **params):
        """Return the class that the estimator gives each row, shape (n_samples,).

        Parameters
        ----------
        X : array-like, ImageSequence, sparse matrix or file names
            What the estimator takes.
        **params : dict
            For the estimator's method, under metadata routing.
        """
        return self._ask("predict", X, params)

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X, **params):
        """Return the estimator's probabilities, shape (n_samples, n_classes).

        They are not rescaled by the temperature of the rounds. Parameters as in `predict`.
        """
        return self._ask("predict_proba", X, params)

    @available_if(_estimator_has("predict_log_proba"))
    def predict_log_proba(self, X, **params):
        """Return the logarithm of `predict_proba`; parameters as in `predict`."""
        return self._ask("predict_log_proba", X, params)

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X, **params):
        """Return the estimator's decision function; parameters as in `predict`."""
        return self._ask("decision_function", X, params)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = get_tags(self.estimator).input_tags.sparse
        return tags


def _are_pixels(rows):
    """Tell whether rows are images in memory, which are looked at before the first training."""
    in_memory = isinstance(rows, np.ndarray) and not isinstance(rows, np.memmap)
    return in_memory and rows.ndim in (3, 4)
