"""Any score of scikit-learn on predictions that are already there."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import check_scoring


class KnownPredictions(ClassifierMixin, BaseEstimator):
    """A classifier whose probabilities for one set of images are known.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Labels, sorted.
    proba : ndarray of shape (n_samples, n_classes)
        Their probabilities.
    """

    def __init__(self, classes, proba):
        self.classes = classes
        self.proba = proba

    def fit(self, X, y):
        """Do nothing: all is known."""
        return self

    def __sklearn_is_fitted__(self):
        return True

    @property
    def classes_(self):
        """The labels, sorted."""
        return self.classes

    def predict_proba(self, X):
        """Return the known probabilities, shape (n_samples, n_classes)."""
        return self.proba

    def predict(self, X):
        """Return the most probable label of each image, shape (n_samples,)."""
        return self.classes[self.proba.argmax(1)]

    def decision_function(self, X):
        """Return log-probabilities, or log-odds (n_samples,) of two classes."""
        logs = np.log(np.maximum(self.proba, np.finfo(float).tiny))
        return logs if len(self.classes) > 2 else logs[:, 1] - logs[:, 0]


def validation_score(scoring, classes, proba, codes, weights):
    """Return a score of predictions; more is better.

    Parameters
    ----------
    scoring : str, callable or None
        A name or scorer of scikit-learn; None is accuracy.
    classes : ndarray of shape (n_classes,)
        Labels, sorted.
    proba : ndarray of shape (n_samples, n_classes)
        Predicted probabilities.
    codes : ndarray of int, shape (n_samples,)
        Positions of the true labels.
    weights : ndarray of shape (n_samples,)
        Weight of each image; only accuracy takes them.
    """
    if scoring is None:
        return np.average(proba.argmax(1) == codes, weights=weights)
    known = KnownPredictions(classes, proba)
    return check_scoring(known, scoring)(known, codes, classes[codes])
