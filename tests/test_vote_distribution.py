"""VoteDistribution and the Dirichlet-multinomial loss: honest intervals, the right likelihood."""

import numpy as np
import pytest
import torch
from planted_votes import SMALL, counts, path, planted, small, tree_head
from scipy.special import gammaln
from scipy.stats import dirichlet_multinomial

from galaxy_sklearn._training.vote_losses import DirichletMultinomialLoss
from galaxy_sklearn.galaxy_zoo import check_votes, convert_votes
from galaxy_sklearn.neural_network import VoteDistribution


def simulated(seed, n=400):
    """Return concentrations, conditional fractions drawn from them, and votes on those."""
    rng = np.random.default_rng(seed)
    concentrations = np.exp(rng.uniform(-0.5, 3, (n, 7)))
    gammas = rng.gamma(concentrations)
    conditional = np.hstack(
        [gammas[:, p] / gammas[:, p].sum(1, keepdims=True) for p in SMALL.question_slices]
    )
    volunteers = rng.integers(0, 60, n)
    return concentrations, conditional, volunteers, counts(SMALL, conditional, volunteers, seed)


def covered(bounds, truth):
    known = ~np.isnan(truth) & ~np.isnan(bounds[0])
    inside = (bounds[0] - 1e-12 <= truth) & (truth <= bounds[1] + 1e-12)
    return inside[known].mean()


@pytest.mark.parametrize("coverage", [0.5, 0.9])
@pytest.mark.parametrize("kind", ["conditional", "path"])
def test_intervals_cover_true_fractions_as_often_as_stated(coverage, kind):
    concentrations, conditional, _, _ = simulated(1)
    bounds = VoteDistribution(SMALL, concentrations).interval(coverage, kind=kind)
    truth = conditional if kind == "conditional" else path(SMALL, conditional)
    assert covered(bounds, truth) == pytest.approx(coverage, abs=0.03)


def test_intervals_cover_votes_at_least_as_often_as_stated():
    concentrations, _, volunteers, votes = simulated(2)
    shares = convert_votes(votes, tree=SMALL, source="counts", target="conditional")
    asked = np.add.reduceat(votes, [0, 2, 4], axis=1)
    distribution = VoteDistribution(SMALL, concentrations)
    exact = covered(distribution.interval(0.9, kind="conditional", n_votes=asked), shares)
    assert 0.89 < exact < 0.97  # votes are whole numbers: no interval covers 0.9 of them exactly
    drawn = distribution.interval(0.9, kind="path", n_votes=volunteers)
    rows = volunteers > 0
    fractions = votes[rows] / volunteers[rows, None]
    assert 0.87 < covered([bound[rows] for bound in drawn], fractions) < 0.98
    narrow = covered(distribution.interval(0.9, kind="conditional"), shares)
    assert narrow < exact  # the votes scatter about the fraction that all would give


def test_samples_agree_with_the_mean_and_the_sum_rules():
    distribution = VoteDistribution(SMALL, simulated(3, n=5)[0])
    fractions = distribution.sample(4000, random_state=0)
    check_votes(fractions.reshape(-1, 7), tree=SMALL, tolerance=1e-9)
    np.testing.assert_allclose(fractions.mean(0), distribution.mean(), atol=0.02)
    votes = distribution.sample(4000, kind="counts", n_votes=[50] * 5, random_state=0)
    np.testing.assert_array_equal(votes[..., :2].sum(2), 50)
    np.testing.assert_allclose(votes.mean(0) / 50, distribution.mean(), atol=0.02)


def test_bounds_hold_for_what_is_predicted():
    distribution = VoteDistribution(SMALL, simulated(3, n=50)[0])
    lower, upper = distribution.interval(0.999)
    assert ((lower <= distribution.mean()) & (distribution.mean() <= upper)).all()


def test_the_dirichlet_learns_how_sure_it_can_be():
    rng = np.random.default_rng(5)
    X, conditional = planted(600, SMALL, seed=7)
    truth = np.empty_like(conditional)  # volunteers scatter about what the image shows
    for part in SMALL.question_slices:
        gammas = rng.gamma(np.maximum(12 * conditional[:, part], 1e-3))
        truth[:, part] = gammas / gammas.sum(1, keepdims=True)
    votes = counts(SMALL, truth, rng.integers(5, 60, 600))
    votes[::7, 4:] = np.nan
    model = small(loss="dirichlet_multinomial", kind="counts", augmentation=None)
    model.fit(X[:400], votes[:400])
    distribution = model.predict_distribution(X[400:])
    np.testing.assert_allclose(distribution.mean(), model.predict(X[400:]))
    bounds = distribution.interval(0.9, kind="conditional")
    assert covered(bounds, truth[400:]) == pytest.approx(0.9, abs=0.05)


def test_the_likelihood_is_that_of_scipy():
    loss = DirichletMultinomialLoss(tree_head(SMALL))
    votes = np.array([[7, 3, 1, 2, 0, 2, 0], [5, 0, 0, 0, 0, 0, 0]])
    outputs = torch.randn(2, 7, generator=torch.manual_seed(0)).double()
    concentrations = loss.activation(outputs).numpy()
    value, constant, asked = 0.0, 0.0, 0
    for row, alpha in zip(votes, concentrations):
        for part in SMALL.question_slices:
            if row[part].sum():
                value -= dirichlet_multinomial.logpmf(row[part], alpha[part], row[part].sum())
                constant += _log_orders(row[part])
                asked += 1
    got = float(loss(outputs, torch.from_numpy(votes), torch.ones(2)))
    assert got == pytest.approx((value + constant) / asked)


def _log_orders(votes):
    """Return the logarithm of the number of orders in which the votes can come."""
    return gammaln(votes.sum() + 1) - gammaln(votes + 1).sum()


def test_distributions_refuse_in_one_sentence():
    distribution = VoteDistribution(SMALL, np.ones((3, 7)))
    with pytest.raises(ValueError, match=r"0 < coverage < 1; got 1.5"):
        distribution.interval(1.5)
    with pytest.raises(ValueError, match=r"holds 3 galaxies and got n_votes of shape \(2,\)"):
        distribution.interval(n_votes=[10, 10])
    with pytest.raises(ValueError, match="takes kind='path' or 'conditional'; got 'counts'"):
        distribution.interval(kind="counts")
    each = np.full((3, len(SMALL.questions)), 9)
    with pytest.raises(ValueError, match=r"volunteers in all.*got n_votes of shape \(3, \d\)"):
        distribution.interval(kind="path", n_votes=each)
    lower, _ = distribution.interval(kind="conditional", n_votes=[5, np.nan, 5])
    assert np.isnan(lower).all(axis=1).tolist() == [False, True, False]
    with pytest.raises(ValueError, match="needs n_votes to draw counts"):
        distribution.sample(2, kind="counts")


@pytest.mark.parametrize(
    ("concentrations", "message"),
    [
        (np.ones((2, 3)), r"takes 37 concentrations for each galaxy.*shape \(2, 3\)"),
        (np.ones(37), r"shape \(37,\)"),
        (np.vstack([np.ones(37), np.zeros(37)]), "positive, finite concentrations; row 1"),
        (np.full((1, 37), np.nan), "positive, finite concentrations; row 0"),
    ],
)
def test_faulty_concentrations_are_named(concentrations, message):
    with pytest.raises(ValueError, match=message):
        VoteDistribution("gz2", concentrations)


def test_kinds_and_numbers_that_there_are_not():
    votes = VoteDistribution("gz2", np.ones((2, 37)))
    for ask in (votes.mean, lambda kind: votes.sample(2, kind=kind)):
        with pytest.raises(ValueError, match="kind='path' or 'conditional'.*got 'Conditional'"):
            ask(kind="Conditional")
    for number in (-5, np.inf):
        for kind in ("path", "conditional"):
            with pytest.raises(ValueError, match="n_votes that are finite and not negative"):
                votes.interval(0.9, kind=kind, n_votes=number)


@pytest.mark.parametrize(("n_galaxies", "n_numbers"), [(5, 4), (3, 5)])
def test_each_galaxy_has_a_number_of_votes(monkeypatch, n_galaxies, n_numbers):
    monkeypatch.setattr("galaxy_sklearn.neural_network._vote_distribution._BLOCK", 3 * 7 * 1000)
    votes = VoteDistribution(SMALL, np.ones((n_galaxies, 7)))  # sampled three at a time
    message = rf"holds {n_galaxies} galaxies and got n_votes of shape \({n_numbers},\); it takes"
    with pytest.raises(ValueError, match=message):
        votes.interval(n_votes=np.full(n_numbers, 40))
    expected = votes.interval(n_votes=np.full(n_galaxies, 40))
    for number in (40, [40]):
        np.testing.assert_array_equal(votes.interval(n_votes=number), expected)


def test_each_question_has_a_number_of_votes():
    few = VoteDistribution("gz2", np.ones((3, 37)))
    for shape in [(3, 37), (3, 5), (2, 11), (3, 11, 2)]:
        with pytest.raises(ValueError, match=r"takes a number, \(3,\) or \(3, 11\)"):
            few.interval(kind="conditional", n_votes=np.full(shape, 9))
    expected = few.interval(kind="conditional", n_votes=9)
    for shape in [(3,), (1, 11), (3, 11)]:
        found = few.interval(kind="conditional", n_votes=np.full(shape, 9))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", ["path", "conditional"])
@pytest.mark.parametrize("n_votes", [None, 40, []])
def test_no_galaxies_have_no_bounds(kind, n_votes):
    lower, upper = VoteDistribution("gz2", np.ones((0, 37))).interval(kind=kind, n_votes=n_votes)
    assert lower.shape == upper.shape == (0, 37)
