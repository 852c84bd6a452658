"""Galaxies whose votes can be read off their images, for tests."""

import numpy as np

from galaxy_sklearn._training.vote_losses import TreeHead
from galaxy_sklearn.galaxy_zoo import Answer, DecisionTree, Question, convert_votes, load_tree
from galaxy_sklearn.neural_network import VoteFractionRegressor

SIDE = 16
KAGGLE = load_tree("gz2_kaggle")
SMALL = DecisionTree(
    "small",
    (
        Question("smooth", (Answer("yes"), Answer("no", next="edge-on"))),
        Question("edge-on", (Answer("yes"), Answer("no", next="arms"))),
        Question("arms", (Answer("one"), Answer("two"), Answer("many"))),
    ),
)


def planted(n, tree, seed=0):
    """Return images and conditional fractions that can be read off them.

    Brightness of the disk, its length and a ring's brightness each set one question's votes.
    """
    rng = np.random.default_rng(seed)
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    a, b, c = rng.uniform(0, 1, (3, n, 1, 1))
    radius2 = x**2 / (1 + 3 * b) ** 2 + y**2
    disk = (0.3 + 0.7 * a) * np.exp(-radius2 / 4)
    ring = 0.5 * c * np.exp(-((np.hypot(x, y) - 6) ** 2))
    images = disk + ring + rng.normal(0, 0.02, (n, SIDE, SIDE))
    a, b, c = a[:, 0, 0], b[:, 0, 0], c[:, 0, 0]
    parts = []
    for number, question in enumerate(tree.questions):
        size = len(question.answers)
        sign = np.linspace(-3, 3, size)
        logits = sign * ((a, b, c)[number % 3][:, None] - 0.5) * 2
        parts.append(np.exp(logits) / np.exp(logits).sum(1, keepdims=True))
    return np.float32(images[..., None]), np.hstack(parts)


def path(tree, conditional):
    return convert_votes(conditional, tree=tree, source="conditional", target="path")


def small(network="simple_cnn", **params):
    defaults = {"tree": SMALL, "max_epochs": 12, "batch_size": 16, "ema_decay": 0.8}
    return VoteFractionRegressor(network, **(defaults | {"random_state": 0} | params))


def linear(**params):
    """A fit in full batches, in float64 and without augmentation."""
    defaults = {"augmentation": None, "batch_size": 1000, "learning_rate": 0.01, "ema_decay": None}
    return small("linear", **(defaults | params))


def counts(tree, conditional, volunteers, seed=0):
    """Let volunteers walk down the tree."""
    rng = np.random.default_rng(seed)
    votes = np.zeros_like(conditional)
    for question in tree.order:
        part, parents = tree.question_slices[question], tree.parents[question]
        asked = votes[:, parents].sum(1).astype(int) if len(parents) else volunteers
        votes[:, part] = rng.multinomial(asked, conditional[:, part])
    return votes


def mean_vote(y_train, y_test):
    return np.sqrt(np.nanmean((y_test - np.nanmean(y_train, 0)) ** 2))


def tree_head(tree, **params):
    start = np.full(len(tree.answers), 0.3)
    arrays = (tree.answer_question, tree.parent_matrix, tree.roots, tree.depth)
    return TreeHead(*arrays, start=start, **params)
