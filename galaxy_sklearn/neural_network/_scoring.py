"""Any score of scikit-learn on predictions that are already there."""

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import check_scoring

from galaxy_sklearn.augmentation._views import prediction_views
from galaxy_sklearn.metrics._votes import vote_rmse
from galaxy_sklearn.neural_network._decisions import DecisionsMixin


class KnownPredictions(DecisionsMixin, ClassifierMixin, BaseEstimator):
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


class KnownFractions(RegressorMixin, BaseEstimator):
    """A regressor whose predictions for one set of images are known.

    Parameters
    ----------
    fractions : ndarray of shape (n_samples, n_answers)
        Predicted fractions.
    """

    def __init__(self, fractions):
        self.fractions = fractions

    def fit(self, X, y):
        """Do nothing: all is known."""
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        """Return the known predictions, shape (n_samples, n_answers)."""
        return self.fractions


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


def require_scoring(scoring, classes, codes, weights):
    """Raise ValueError, before anything is trained, if a score cannot be taken of such labels.

    Parameters are those of `validation_score`; the predictions tried are right ones.
    """
    try:
        validation_score(scoring, classes, np.eye(len(classes))[codes], codes, weights)
    except ValueError as error:
        raise ValueError(
            f"scoring={scoring!r} cannot be taken of the labels set aside: {error}"
        ) from error


def fractions_score(scoring, predicted, truth, weights):
    """Return a score of predicted fractions; more is better.

    Parameters
    ----------
    scoring : str, callable or None
        A name or scorer of scikit-learn; None is negative RMSE over what is known.
    predicted, truth : ndarray of shape (n_samples, n_answers)
        Fractions; NaN in `truth` where not known.
    weights : ndarray of shape (n_samples,)
        Weight of each image; only RMSE takes them.

    Raises
    ------
    ValueError
        If a score of scikit-learn is named and some of `truth` is not known.
    """
    if scoring is None:
        return -vote_rmse(truth, predicted, sample_weight=weights)
    if isinstance(scoring, str) and np.isnan(truth).any():
        raise ValueError(
            f"scoring={scoring!r} takes no unknown votes, and {np.isnan(truth).any(axis=1).sum()} "
            f"of {len(truth)} images set aside have some; take None, or a callable (estimator, X, "
            f"y) that knows what to do with NaN."
        )
    known = KnownFractions(predicted)
    return check_scoring(known, scoring)(known, np.arange(len(truth)), truth)


def outputs_and_loss(net, dataset, batches):
    """Return a net's outputs for the plain views of some images, and what training lowers.

    Parameters
    ----------
    net : TrainingNet
        Being trained.
    dataset : LabelledImages
        Whose targets and weights the loss takes.
    batches : iterable of ndarray
        Its raw images.

    Returns
    -------
    outputs : ndarray of shape (n_samples, n_outputs)
        As `TrainingNet.outputs` returns them.
    loss : float
        The criterion's, over all samples at once.
    """
    views, raw = prediction_views(None), []
    with net.module_.register_forward_hook(lambda *call: raw.append(call[2].cpu().double())):
        outputs = [net.outputs(batch, views) for batch in batches]
    targets, weights = torch.from_numpy(dataset.targets), torch.from_numpy(dataset.weights)
    with torch.inference_mode():
        loss = net.criterion_.eval()(torch.cat(raw), targets, weights)
    return np.concatenate(outputs), float(loss)
