"""The rounds of self-training: guess, choose, look at what was chosen, train again."""

import warnings
from dataclasses import replace

import numpy as np
from sklearn.utils import check_random_state

from galaxy_sklearn.exceptions import PseudoLabelWarning
from galaxy_sklearn.metrics._classification import wilson_interval
from galaxy_sklearn.metrics._pseudo_label_health import amplification, class_divergence
from galaxy_sklearn.semi_supervised._selection import (
    choose,
    chosen_unseen,
    fit_temperature,
    lowest_threshold,
    scale,
)
from galaxy_sklearn.semi_supervised._trainer import NAME, Labels

_TRACE = 1e-9  # share of a class whose labels have no weight
_ENOUGH = 10  # pseudo-labels a class, before their shares are judged


def hold_out(codes, fraction, random_state):
    """Return rows set aside, rising: `fraction` of each class, one at least, never all of it.

    Raises ValueError if every class has one row only.
    """
    rng = check_random_state(random_state)
    parts = []
    for code in range(codes.max() + 1):
        members = rng.permutation(np.flatnonzero(codes == code))
        n = min(max(1, round(fraction * len(members))), len(members) - 1)
        parts.append(members[:n])
    rows = np.sort(np.concatenate(parts))
    if len(rows) == 0:
        raise ValueError(
            f"{NAME} cannot set labels aside to measure precision: each class has one only. Give "
            f"a number as threshold and validation_fraction=None."
        )
    return rows


class SelfTraining:
    """Runs the rounds.

    Parameters
    ----------
    params : PseudoLabelClassifier
        Its parameters.
    trainer : Trainer
        Fits and asks.
    codes : ndarray of int, shape (n_rows,)
        Given labels; -1 is unlabelled.
    usable : ndarray of bool, shape (n_rows,)
        Rows that may get a label.

    Attributes
    ----------
    labels, history, n_iter, end
        What came of it.
    all_left_out : bool
        Whether there were rows without a label, and none that may get one.
    unread : list of ndarray of int
        Rows found to be unreadable, by round; they get no label.
    """

    def __init__(self, params, trainer, codes, usable):
        self.params = params
        self.trainer = trainer
        self.usable = usable
        self.n_classes = len(trainer.classes)
        self.labels = Labels.given(codes, self.n_classes if params.soft_labels else 0)
        known = np.flatnonzero(codes >= 0)
        shares = np.bincount(codes[known], trainer.weights[known], minlength=self.n_classes)
        self.prior = np.maximum(shares, _TRACE * shares.sum()) / shares.sum()
        self.held_out = self._hold_out(np.where(trainer.weights > 0, codes, -1))
        self.history = []
        self.unread = []
        self.n_iter = 0
        self.end = None
        self.all_left_out = bool((codes < 0).any()) and not usable.any()

    @property
    def automatic(self):
        """Whether the threshold is found on held-out labels."""
        return self.params.threshold == "auto" and self.params.criterion != "k_best"

    def _hold_out(self, codes):
        fraction = self.params.validation_fraction
        if fraction == "auto":
            fraction = 0.2 if self.automatic else None
        if self.automatic and fraction is None:
            raise ValueError(
                f'{NAME}(threshold="auto") needs a validation_fraction; got None. Or give a '
                f"number as threshold."
            )
        if fraction is None or not self.usable.any() or self.params.max_iter == 0:
            return np.array([], dtype=int)
        return hold_out(codes, fraction, self.params.random_state)

    def _open_rows(self):
        wanted = self.labels.since != 0 if self.params.relabel else self.labels.since < 0
        return np.flatnonzero(wanted & self.usable)

    def _fit(self, *, everything=False):
        training = self.labels.codes >= 0
        if not everything:
            training[self.held_out] = False
        self.trainer.fit(self.labels, np.flatnonzero(training))

    def run(self):
        """Train in rounds until one of the ends is reached."""
        self._fit()
        if self.params.max_iter != 0 and len(self._open_rows()) == 0:
            self.n_iter = 1  # the round that finds nothing to label
        while self.end is None:
            if len(self._open_rows()) == 0:
                self.end = "no_change" if self.all_left_out else "all_labeled"
            elif self.n_iter == self.params.max_iter:
                self.end = "max_iter"
            else:
                self.n_iter += 1
                self._round()
        done = not (self.usable & (self.labels.codes < 0)).any()
        if self.end != "collapse" and done and not self.all_left_out:
            self.end = "all_labeled"
        elif self.n_iter == self.params.max_iter and self.end == "no_change":
            self.end = "max_iter"  # scikit-learn's word for it
        if self._refits:
            self._fit(everything=True)

    @property
    def _refits(self):
        """Whether the held-out labels are trained on in the end."""
        return len(self.held_out) > 0 and self.params.refit

    def _is_over(self):
        return self.n_iter == self.params.max_iter or len(self._open_rows()) == 0

    def _round(self):
        guess = self._leave_out_unread(self.trainer.guess(self._open_rows()))
        guess, audit, held_out = self._calibrate(guess)
        threshold = audit["threshold"]
        positions = self._choose(guess, threshold)
        nothing_yet = not (self.labels.since > 0).any() and len(positions) == 0
        if self.params.criterion == "quota" and nothing_yet:
            self._warn_of_empty_quota(guess, threshold)
        if self.params.criterion == "k_best":
            threshold = guess.confidence[positions].min() if len(positions) else np.inf
            audit["threshold"] = float(threshold)
        proposal = self._propose(guess, positions)
        entry = {"round": self.n_iter, **audit, **self._precision(held_out, threshold)}
        entry |= self._shares(proposal)
        self.history.append(entry)
        entry["outcome"] = self._judge(entry)
        self._say(entry)
        if entry["outcome"] == "accepted":
            self.labels = proposal
            if self.params.warm_start or not (self._refits and self._is_over()):
                self._fit()  # or else a fresh model would be replaced before it is asked
        else:
            self.end = entry["outcome"]

    def _leave_out_unread(self, guess):
        rows = guess.rows[guess.unread]
        if len(rows) == 0:
            return guess
        self.unread.append(rows)
        self.usable[rows] = False
        first, n_given = rows[0], self.trainer.samples.n_given
        where = f"{first} of X" if first < n_given else f"{first - n_given} of X_unlabeled"
        warnings.warn(
            f"{NAME} gives no label to {len(rows)} images that could not be read, row {where} the "
            f"first of them.",
            PseudoLabelWarning,
            stacklevel=2,
        )
        return guess.of_readable()

    def _calibrate(self, guess):
        """Return the guess at its temperature, what was found, and the guess on the hold-out."""
        audit = {"threshold": self.params.threshold, "temperature": 1.0}
        if self.params.criterion == "k_best":
            audit["threshold"] = -np.inf
        if len(self.held_out) == 0:
            return guess, audit, None
        held_out = self.trainer.guess(self.held_out)
        if not self.automatic:
            return guess, audit, held_out
        truth = self.labels.codes[self.held_out]
        temperature = fit_temperature(held_out.proba, truth)
        guess, held_out = (
            replace(one, proba=scale(one.proba, temperature)) for one in (guess, held_out)
        )
        audit["temperature"] = temperature
        audit["threshold"] = lowest_threshold(
            held_out.confidence[held_out.agreed],
            (held_out.codes == truth)[held_out.agreed],
            self.params.target_precision,
        )
        return guess, audit, held_out

    def _choose(self, guess, threshold):
        k_best = self.params.k_best * (self.n_iter if self.params.relabel else 1)
        return choose(
            self.params.criterion,
            (guess.codes, guess.confidence, guess.surer),
            guess.agreed,
            threshold=threshold,
            k_best=k_best,
            prior=self.prior,
            max_divergence=self.params.max_divergence,
        )

    def _propose(self, guess, positions):
        """Return the labels that this round would leave."""
        old = self.labels
        codes, since, confidence = old.codes.copy(), old.since.copy(), old.confidence.copy()
        proba = None if old.proba is None else old.proba.copy()
        codes[guess.rows], since[guess.rows], confidence[guess.rows] = -1, -1, np.nan
        rows = guess.rows[positions]
        codes[rows] = guess.codes[positions]
        since[rows] = np.where(old.codes[rows] == codes[rows], old.since[rows], self.n_iter)
        confidence[rows] = guess.confidence[positions]
        if proba is not None:
            proba[rows] = guess.proba[positions]
        return Labels(codes, since, confidence, proba)

    def _precision(self, held_out, threshold):
        """Return how right the chosen ones of the hold-out are, by the rule of this round."""
        nothing = {"precision": np.nan, "precision_interval": (np.nan, np.nan), "n_checked": 0}
        if held_out is None:
            return nothing | {"coverage": np.nan, "validation_score": np.nan}
        right = held_out.codes == self.labels.codes[self.held_out]
        above = np.greater_equal if self.params.criterion == "k_best" else np.greater
        chosen = held_out.agreed & above(held_out.confidence, threshold)
        scores = {"coverage": float(chosen.mean()), "validation_score": float(right.mean())}
        if self.automatic:
            agreed, target = held_out.agreed, self.params.target_precision
            chosen[agreed] = chosen_unseen(held_out.confidence[agreed], right[agreed], target)
        n, hits = int(chosen.sum()), int(right[chosen].sum())
        if n == 0:
            return nothing | scores
        interval = wilson_interval(hits, n)
        checked = {"precision": hits / n, "precision_interval": interval, "n_checked": n}
        return checked | scores

    def _shares(self, proposal):
        """Return what is new in a proposal, and the class shares of all its pseudo-labels."""
        new = (proposal.codes >= 0) & (proposal.codes != self.labels.codes)
        counts = proposal.counts(self.n_classes)
        added = np.bincount(proposal.codes[new], minlength=self.n_classes)
        return {
            "n_added": int(new.sum()),
            "n_taken_back": int(((self.labels.codes >= 0) & (proposal.codes < 0)).sum()),
            "n_pseudo_labels": int(counts.sum()),
            "added": self._by_class(added),
            "pseudo_labels": self._by_class(counts),
            "divergence": class_divergence(counts, self.prior),
            "amplification": self._by_class(amplification(counts, self.prior)),
        }

    def _by_class(self, values):
        return dict(zip(self.trainer.classes.tolist(), values.tolist()))

    def _judge(self, entry):
        limit = self.params.max_divergence
        if entry["n_added"] + entry["n_taken_back"] < self.params.min_new_labels:
            if np.isinf(entry["threshold"]) and self.params.criterion != "k_best":
                self._warn_unreached(entry)
            return "no_change"
        n = entry["n_pseudo_labels"]
        by_chance = (self.n_classes - 1) / (2 * max(n, 1))  # of a fair draw of so many
        many = n >= _ENOUGH * self.n_classes
        if limit is not None and many and entry["divergence"] - by_chance > limit:
            self._warn_collapse(entry)
            return "collapse"
        return "accepted"

    def _warn_unreached(self, entry):
        warnings.warn(
            f"{NAME} chose no pseudo-label in round {entry['round']}: on {len(self.held_out)} "
            f"held-out images no threshold reaches target_precision="
            f"{self.params.target_precision}; their accuracy is {entry['validation_score']:.2f}.",
            PseudoLabelWarning,
            stacklevel=2,
        )

    def _warn_of_empty_quota(self, guess, threshold):
        sure = guess.agreed & (guess.confidence > threshold)
        if sure.any():
            counts = np.bincount(guess.codes[sure], minlength=self.n_classes)
            scarcest = np.argmin(counts / self.prior)
            warnings.warn(
                f"{NAME} chose no pseudo-label in round {self.n_iter}: {sure.sum()} guesses are "
                f"above the threshold, but {counts[scarcest]} of them are of class "
                f"{self.trainer.classes.tolist()[scarcest]!r}, too few for quotas within "
                f"max_divergence={self.params.max_divergence}.",
                PseudoLabelWarning,
                stacklevel=2,
            )

    def _warn_collapse(self, entry):
        growth = entry["amplification"]
        worst = max(growth, key=growth.get)
        warnings.warn(
            f"{NAME} stopped and rolled back round {entry['round']}: its pseudo-labels collapse "
            f"towards {worst!r}, {growth[worst]:.1f} times its share of the labels. Their "
            f"divergence of {entry['divergence']:.2f} is above max_divergence="
            f"{self.params.max_divergence}; the labels of round {entry['round'] - 1} stand. "
            f'criterion="quota" keeps the class shares.',
            PseudoLabelWarning,
            stacklevel=2,
        )

    def _say(self, entry):
        if self.params.verbose:
            print(
                f"Round {entry['round']}: {entry['n_added']} new labels, "
                f"{entry['n_pseudo_labels']} in all, divergence {entry['divergence']:.3f}, "
                f"precision {entry['precision']:.3f} on {entry['n_checked']}: {entry['outcome']}"
            )
