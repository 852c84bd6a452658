"""What follows from probabilities."""

import numpy as np


class DecisionsMixin:
    """Labels, logarithms and decisions of a classifier that has `classes_` and `predict_proba`."""

    def predict(self, X):
        """Return the most probable class of each image, shape (n_samples,)."""
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(axis=1)]

    def predict_log_proba(self, X):
        """Return the logarithm of `predict_proba`, shape (n_samples, n_classes)."""
        return np.log(np.maximum(self.predict_proba(X), np.finfo(np.float64).tiny))

    def decision_function(self, X):
        """Return log-probabilities (n_samples, n_classes), or log-odds (n_samples,) of two."""
        log_proba = self.predict_log_proba(X)
        return log_proba if len(self.classes_) > 2 else log_proba[:, 1] - log_proba[:, 0]
