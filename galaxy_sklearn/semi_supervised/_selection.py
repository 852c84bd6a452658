"""Which guesses become labels: temperature, threshold, and the four criteria."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from galaxy_sklearn.metrics._pseudo_label_health import class_divergence

_LOG_TEMPERATURE = (np.log(0.1), np.log(10.0))
_TINY = 1e-12
_PARTS = 100  # that held-out guesses are divided into, to be judged by the others' threshold


def scale(proba, temperature):
    """Return probabilities (n_samples, n_classes) cooled or heated: softmax(log p / T)."""
    if temperature == 1:
        return proba
    return softmax(np.log(np.maximum(proba, _TINY)) / temperature, axis=1)


def fit_temperature(proba, codes):
    """Return the temperature in [0.1, 10] of the least log-loss.

    Parameters
    ----------
    proba : ndarray of shape (n_samples, n_classes)
        Predicted for images that the model was not trained on.
    codes : ndarray of int, shape (n_samples,)
        True column of each.

    References
    ----------
    Guo et al. (2017), "On calibration of modern neural networks", section 4.2.
    """
    rows = np.arange(len(codes))

    def loss(log_temperature):
        scaled = scale(proba, np.exp(log_temperature))
        return -np.log(np.maximum(scaled[rows, codes], _TINY)).mean()

    return float(np.exp(minimize_scalar(loss, bounds=_LOG_TEMPERATURE, method="bounded").x))


def lowest_threshold(confidence, right, target_precision):
    """Return the number above which confidences are right often enough, as low as it can be.

    Parameters
    ----------
    confidence : ndarray of shape (n_samples,)
        Of guesses on a hold-out set.
    right : ndarray of bool, shape (n_samples,)
        Whether each guess is right.
    target_precision : float
        Share of right ones wanted among all guesses above the threshold.

    Returns
    -------
    float
        Just below the confidence of a hold-out guess; infinity if no threshold will do.
    """
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence = confidence[order]
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    last_of_equals = np.append(sorted_confidence[1:] < sorted_confidence[:-1], True)
    reached = np.flatnonzero(last_of_equals[: len(order)] & (precision >= target_precision))
    if len(reached) == 0:
        return np.inf
    return float(np.nextafter(sorted_confidence[reached[-1]], -np.inf))


def chosen_unseen(confidence, right, target_precision):
    """Tell which guesses lie above a threshold that the others gave.

    The precision of the guesses that chose a threshold is the target or better however few they
    are. What this chooses may fall short of it, as new guesses may. Parameters are those of
    `lowest_threshold`; more than `_PARTS` guesses are left out in so many parts.

    Returns
    -------
    ndarray of bool, shape (n_samples,)
    """
    part = np.arange(len(confidence)) % _PARTS
    chosen = np.zeros(len(confidence), dtype=bool)
    for one in np.unique(part):
        own = part == one
        threshold = lowest_threshold(confidence[~own], right[~own], target_precision)
        chosen[own] = confidence[own] > threshold
    return chosen


def choose(criterion, guess, candidates, *, threshold, k_best, prior, max_divergence):
    """Return the positions, rising, of the guesses that become labels.

    Parameters
    ----------
    criterion : {"threshold", "k_best", "quota", "agreement"}
        As in `PseudoLabelClassifier`.
    guess : tuple of three ndarrays of shape (n_samples,)
        Class code and confidence of each guess, and which is surer where confidences are equal.
    candidates : ndarray of bool, shape (n_samples,)
        Which of them may be chosen.
    threshold, k_best, max_divergence
        As in `PseudoLabelClassifier`.
    prior : ndarray of shape (n_classes,)
        Class shares that a quota follows.
    """
    codes, confidence, surer = guess
    if criterion == "k_best":
        positions = np.flatnonzero(candidates)
        return np.sort(positions[_best(confidence[positions], k_best)])
    chosen = np.flatnonzero(candidates & (confidence > threshold))
    if criterion != "quota":
        return chosen
    quotas = class_quotas(np.bincount(codes[chosen], minlength=len(prior)), prior, max_divergence)
    kept = []
    for code, quota in enumerate(quotas):
        members = chosen[codes[chosen] == code]
        order = np.lexsort((-surer[members], -confidence[members]))
        kept.append(members[order[:quota]])
    return np.sort(np.concatenate(kept))


def _best(confidence, n):
    """Return where the `n` largest are; ties fall as in scikit-learn."""
    if n >= len(confidence):
        return np.arange(len(confidence))
    return np.argpartition(-confidence, n)[:n]


def class_quotas(available, prior, max_divergence):
    """Return how many of each class to take so that their shares stay close to `prior`.

    Class k gives ``min(available_k, floor(n prior_k))``, where n is the largest number whose
    missing part s = sum_k max(0, prior_k - available_k / n) keeps -log(1 - s) within
    `max_divergence`: every share is then at most exp(max_divergence) times its prior, and so
    their divergence is at most `max_divergence`, often well below.

    Parameters
    ----------
    available : ndarray of int, shape (n_classes,)
        Candidates of each class.
    prior : ndarray of shape (n_classes,)
        Shares wanted.
    max_divergence : float or None
        Divergence allowed, in nats; None allows none, so that the scarcest class decides.

    Returns
    -------
    ndarray of int, shape (n_classes,)
        All zero where no number keeps within the bound.
    """
    missing_allowed = -np.expm1(-(max_divergence or 0.0))

    def fits(n):
        return np.maximum(0, prior - available / n).sum() <= missing_allowed + 1e-12

    low, high = 0, int(np.ceil(available.sum() / max(_TINY, 1 - missing_allowed))) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    quotas = np.minimum(available, np.floor(low * prior + 1e-9).astype(int))
    too_few = max_divergence is not None and class_divergence(quotas, prior) > max_divergence
    return np.zeros_like(quotas) if too_few else quotas
