"""What a Dirichlet prediction says about the votes on a galaxy."""

import numpy as np
from scipy.stats import beta, betabinom
from sklearn.utils import check_random_state

from galaxy_sklearn.galaxy_zoo._convert import convert_array
from galaxy_sklearn.galaxy_zoo._load import as_tree
from galaxy_sklearn.galaxy_zoo._tree import KINDS
from galaxy_sklearn.galaxy_zoo._votes import numbers_by_name, sum_by_question

_BLOCK = 2_000_000  # sampled values held at a time


def _require(method, kind, kinds):
    if kind not in kinds:
        known = " or ".join(map(repr, kinds))
        raise ValueError(f"VoteDistribution.{method} takes kind={known}; got {kind!r}.")


class VoteDistribution:
    """A Dirichlet distribution over the answers to each question, for each galaxy.

    Parameters
    ----------
    tree : str or DecisionTree
        A name for `galaxy_sklearn.galaxy_zoo.load_tree`, or a tree.
    concentrations : array-like of shape (n_samples, n_answers)
        Positive; the larger a question's sum, the surer its fractions.

    Raises
    ------
    ValueError
        If `concentrations` has another shape, or holds what is not positive and finite.

    Examples
    --------
    >>> from galaxy_sklearn.neural_network import VoteDistribution
    >>> votes = VoteDistribution("gz2", [[8.0, 2.0, 1.0] + 34 * [1.0]])
    >>> lower, upper = votes.interval(0.9, kind="conditional")
    >>> print(lower[0, 0].round(2), upper[0, 0].round(2))
    0.49 0.91
    """

    def __init__(self, tree, concentrations):
        self.tree = as_tree(tree)
        self.concentrations = np.asarray(concentrations, dtype=float)
        n_answers, shape = len(self.tree.answers), self.concentrations.shape
        if len(shape) != 2 or shape[1] != n_answers:
            raise ValueError(
                f"VoteDistribution takes {n_answers} concentrations for each galaxy, one an answer "
                f"of tree {self.tree.name!r}; got an array of shape {shape}."
            )
        wrong = ~((self.concentrations > 0) & np.isfinite(self.concentrations)).all(axis=1)
        if wrong.any():
            raise ValueError(
                f"VoteDistribution takes positive, finite concentrations; row "
                f"{int(wrong.argmax())} holds others."
            )

    def __len__(self):
        return len(self.concentrations)

    def _totals(self):
        """Return each question's sum of concentrations, once for each of its answers."""
        return sum_by_question(self.tree, self.concentrations)[:, self.tree.answer_question]

    def mean(self, *, kind="path"):
        """Return expected fractions, (n_samples, n_answers).

        Parameters
        ----------
        kind : {"path", "conditional"}, default="path"
            What to return; see `galaxy_sklearn.galaxy_zoo.convert_votes`.

        Raises
        ------
        ValueError
            If `kind` is unknown.
        """
        _require("mean", kind, ("path", "conditional"))
        shares = self.concentrations / self._totals()
        return convert_array(self.tree, shares, "conditional", kind)

    def interval(self, coverage=0.9, *, kind="path", n_votes=None, random_state=0):
        """Return bounds between which a fraction lies with a given probability.

        Each answer has its own bounds: below and above them lies the same probability.

        Parameters
        ----------
        coverage : float, default=0.9
            Probability between the bounds.
        kind : {"path", "conditional"}, default="path"
            Which fractions: path-weighted ones, as `VoteFractionRegressor.predict` returns, within
            the bounds of 1,000 draws, or conditional ones within exact bounds.
        n_votes : array-like, default=None
            None bounds the fraction that endlessly many volunteers would give. A number, or
            (n_samples,), bounds the observed fraction among so many: on each question (also
            (n_samples, n_questions), of a DataFrame by the questions' names) for conditional
            fractions, volunteers in all for path-weighted ones; NaN counts as 0. Published
            fractions are observed ones.
        random_state : int or RandomState instance, default=0
            Seed of the draws.

        Returns
        -------
        lower, upper : ndarray of shape (n_samples, n_answers)
            NaN for fractions of no votes.

        Raises
        ------
        ValueError
            If `coverage` is not between 0 and 1, `kind` is unknown, or `n_votes` has another
            shape or other columns, or is negative or infinite.
        """
        _require("interval", kind, ("path", "conditional"))
        if not 0 < coverage < 1:
            raise ValueError(f"VoteDistribution.interval needs 0 < coverage < 1; got {coverage!r}.")
        tails = (1 - coverage) / 2, (1 + coverage) / 2
        if kind == "path":
            return self._sampled_bounds(tails, n_votes, random_state)
        a, b = self.concentrations, self._totals() - self.concentrations
        if n_votes is None:
            return tuple(
                np.where(b > 0, beta.ppf(tail, a, np.maximum(b, 1e-12)), 1.0) for tail in tails
            )
        votes = self._votes(n_votes, by_question=True)
        some = np.maximum(votes, 1)
        bounds = (betabinom.ppf(tail, some, a, np.maximum(b, 1e-12)) / some for tail in tails)
        return tuple(np.where(votes > 0, bound, np.nan) for bound in bounds)

    def _votes(self, n_votes, *, by_question=False):
        """Return whole numbers of votes, (n_samples, 1) or (n_samples, n_answers)."""
        votes, n = numbers_by_name(self.tree, n_votes), len(self)
        shapes, wanted = [(), (1,), (n,)], f"a number or ({n},)"
        if by_question:
            n_questions = len(self.tree.questions)
            shapes += [(1, n_questions), (n, n_questions)]
            wanted = f"a number, ({n},) or ({n}, {n_questions})"
        if votes.shape not in shapes:
            raise ValueError(
                f"VoteDistribution holds {n} galaxies and got n_votes of shape {votes.shape}; it "
                f"takes {wanted}."
            )
        each = votes.ndim == 2
        votes = votes[:, self.tree.answer_question] if each else votes.reshape(-1, 1)
        if (votes < 0).any() or np.isinf(votes).any():
            raise ValueError(
                "VoteDistribution takes n_votes that are finite and not negative; None is "
                "endlessly many."
            )
        votes = np.round(np.nan_to_num(votes))
        return np.broadcast_to(votes, (n, votes.shape[1])).astype(np.int64)

    def _volunteers(self, n_votes):
        """Return whole numbers of volunteers, (n_samples,)."""
        if np.ndim(n_votes) > 1:
            raise ValueError(
                f"VoteDistribution draws from so many volunteers in all: a number or "
                f"({len(self)},); got n_votes of shape {np.shape(n_votes)}."
            )
        return self._votes(n_votes)[:, 0]

    def _sampled_bounds(self, tails, n_votes, random_state):
        random = check_random_state(random_state)
        volunteers = None if n_votes is None else self._volunteers(n_votes)
        n_draws = 1000
        step = max(1, _BLOCK // (n_draws * self.concentrations.shape[1]))
        bounds = np.empty((2, *self.concentrations.shape))
        for start in range(0, len(self), step):
            rows = slice(start, start + step)
            part = VoteDistribution(self.tree, self.concentrations[rows])
            votes = None if volunteers is None else volunteers[rows]
            draws = part.sample(n_draws, n_votes=votes, random_state=random)
            bounds[:, rows] = np.quantile(draws, tails, axis=0)
        return tuple(bounds)

    def sample(self, n_draws, *, kind="path", n_votes=None, random_state=None):
        """Draw fractions, or votes.

        Parameters
        ----------
        n_draws : int
            Draws for each galaxy.
        kind : {"path", "conditional", "counts"}, default="path"
            What to return.
        n_votes : int or array-like of shape (n_samples,), default=None
            Volunteers who vote, each following one path; None is endlessly many. Needed for
            counts.
        random_state : int, RandomState instance or None, default=None
            Seed.

        Returns
        -------
        ndarray of shape (n_draws, n_samples, n_answers)

        Raises
        ------
        ValueError
            If counts are asked for without `n_votes`; if `kind` is unknown; if `n_votes` has
            another shape, or is negative or infinite.
        """
        _require("sample", kind, KINDS)
        random = check_random_state(random_state)
        shape = (n_draws, *self.concentrations.shape)
        # The smallest double keeps 0/0 away where all draws of a question underflow.
        gammas = np.maximum(random.gamma(self.concentrations, size=shape), 1e-300)
        gammas = gammas.reshape(-1, shape[2])
        tree = self.tree
        shares = gammas / sum_by_question(tree, gammas)[:, tree.answer_question]
        given = "conditional"
        if n_votes is not None:
            volunteers = np.tile(self._volunteers(n_votes), n_draws)
            shares = self._poll(shares, volunteers, random)
            given = "counts"
        elif kind == "counts":
            raise ValueError("VoteDistribution.sample needs n_votes to draw counts.")
        return convert_array(tree, shares, given, kind).reshape(shape)

    def _poll(self, shares, volunteers, random):
        """Let volunteers walk down the tree; return their votes."""
        tree, votes = self.tree, np.empty_like(shares)
        seed = np.random.default_rng(random.randint(2**31))
        for question in tree.order:
            part, parents = tree.question_slices[question], tree.parents[question]
            asked = votes[:, parents].sum(1).astype(int) if len(parents) else volunteers
            votes[:, part] = seed.multinomial(asked, shares[:, part])
        return votes
