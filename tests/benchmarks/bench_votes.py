"""Vote fractions of 3,787 galaxies of Galaxy Zoo 2, by folds, at one training time for all.

The galaxies with fractions (767 with all 37, 3,020 with 17) are split into five parts, each
predicted by what was trained on the others. RMSE counts known fractions only, as every network's
loss does. Images are cutouts of 288 of 424 pixels reduced to 128, so fields and shifts that a
publication gives in the original's pixels are taken of 288. A short trial finds how many steps fit
the time. What is trained before (`ours_five_classes` on labels, `ours_pool` without) sees no galaxy
with fractions, so one such training serves all folds.

    GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_votes.py --seconds 300
    GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_votes.py --only ours mean_vote --folds 1
"""

import argparse

import numpy as np
import pandas as pd
from bench_efigi import interval
from bench_recipes import steps_in
from galaxy_zoo import CLASSES, all_images, core_seconds, data_folder, report
from scipy.stats import betabinom
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline

from galaxy_sklearn import GalaxyClassifier, recipes
from galaxy_sklearn.augmentation import DielemanAugmentation
from galaxy_sklearn.decomposition import ContrastivePretrainer
from galaxy_sklearn.galaxy_zoo import convert_votes, load_tree
from galaxy_sklearn.neural_network import VoteFractionRegressor
from galaxy_sklearn.preprocessing import CenterCrop, Resize

TREE = load_tree("gz2_kaggle")
VOLUNTEERS = 44  # of a galaxy, on average (Willett et al. 2013)
TTA = [0.87, 1.0, 1.13]
NAMES = (
    "mean_vote",
    "extra_trees",
    "dieleman2015",
    "gomez2020_resnet50",
    "ours",
    "ours_dirichlet",
    "ours_five_classes",
    "ours_pool",
)


class MeanVote(BaseEstimator):
    """Predict the mean of the known fractions."""

    def fit(self, X, y):
        self.mean_ = np.nanmean(y, axis=0)
        return self

    def predict(self, X):
        return np.tile(self.mean_, (len(X), 1))


class PixelForest(BaseEstimator):
    """Extremely randomised trees on 16 x 16 pixels of the centre.

    Trees take no unknown targets, so each set of columns that are known together has a forest of
    its own, grown on the galaxies that have them: 17 columns on all, the other 20 on a fifth.
    """

    def __init__(self, n_estimators=200, random_state=0):
        self.n_estimators = n_estimators
        self.random_state = random_state

    def fit(self, X, y):
        self.reduce_ = make_pipeline(CenterCrop(96), Resize(16)).fit(X)
        pixels, known = self._pixels(X), ~np.isnan(y)
        sets, belongs = np.unique(known, axis=1, return_inverse=True)
        self.forests_ = []
        for number, rows in enumerate(sets.T):
            columns = np.flatnonzero(belongs.ravel() == number)
            forest = ExtraTreesRegressor(
                self.n_estimators,
                max_features="sqrt",
                min_samples_leaf=3,
                random_state=self.random_state,
            )
            self.forests_.append((columns, forest.fit(pixels[rows], y[rows][:, columns])))
        self.n_outputs_ = y.shape[1]
        return self

    def _pixels(self, X):
        return np.asarray(self.reduce_.transform(X)).reshape(len(X), -1)

    def predict(self, X):
        pixels, predicted = self._pixels(X), np.empty((len(X), self.n_outputs_))
        for columns, forest in self.forests_:
            predicted[:, columns] = forest.predict(pixels)
        return predicted


def galaxies(cache):
    """Return all images, their classes (-1 where unclear) and fractions (NaN where unknown)."""
    images, codes = all_images(cache)
    table = pd.read_csv(data_folder() / "gz2" / "labels.csv", index_col="GalaxyID")
    numbers = np.load(data_folder() / "gz2" / "images_128px.npz")["galaxy_id"]
    return images, codes, table.loc[numbers, TREE.columns("kaggle")].to_numpy(float)


def entrants(names, images, codes, rows, seconds):
    """Yield names and unfitted models; `rows` of the images may serve to train some before."""
    ours = VoteFractionRegressor(tta=TTA)
    dieleman = recipes.dieleman2015(
        field=207 / 288, augmentation=DielemanAugmentation(frame=288.0)
    )[-1]
    makers = {
        "mean_vote": MeanVote,
        "extra_trees": PixelForest,
        "dieleman2015": lambda: dieleman,
        "gomez2020_resnet50": lambda: recipes.gomez2020_resnet50(pretrained=False)[-1],
        "ours": lambda: ours,
        "ours_dirichlet": lambda: clone(ours).set_params(
            loss="dirichlet_multinomial", n_votes=VOLUNTEERS
        ),
        "ours_five_classes": lambda: clone(ours).set_params(
            pretrained=FrozenEstimator(five_classes(images, codes, rows, seconds))
        ),
        "ours_pool": lambda: clone(ours).set_params(
            pretrained=FrozenEstimator(pool(images, codes, rows, seconds))
        ),
    }
    for name in names:
        yield name, makers[name]()


def five_classes(images, codes, rows, seconds):
    """Return a classifier trained on the rows that have a class."""
    rows = rows[codes[rows] >= 0]
    labels = np.asarray(CLASSES)[codes[rows]]
    X, model = images[rows], GalaxyClassifier(random_state=0)
    return in_time(model, X, labels, seconds).fit(X, labels)


def pool(images, codes, rows, seconds):
    """Return an encoder trained on the rows; it takes labels as all do, and ignores them."""
    X, model = images[rows], ContrastivePretrainer(random_state=0)
    return in_time(model, X, codes[rows], seconds).fit(X)


def in_time(model, X, y, seconds):
    """Return the model with as many steps as fit about so many seconds."""
    steps = steps_in(seconds, model, X, y)
    if "unnormalized_steps" in model.get_params():  # at most a twentieth of a short training
        model.set_params(unnormalized_steps=min(model.unnormalized_steps, steps // 20))
    return model.set_params(max_steps=steps)


def rmse(predicted, truth):
    """Return the root mean square error over what is known."""
    return float(np.sqrt(np.nanmean((predicted - truth) ** 2)))


def scores(predicted, truth):
    """Return RMSE in all, on galaxies with all fractions and by question, and the sum rules."""
    whole = ~np.isnan(truth).any(axis=1)
    figures = {"rmse": rmse(predicted, truth), "rmse_all_37": rmse(predicted[whole], truth[whole])}
    asked = TREE.roots + predicted @ TREE.parent_matrix.T
    errors = np.empty_like(asked)
    for number, answers in enumerate(TREE.question_slices):
        figures[f"rmse_question_{number + 1}"] = rmse(predicted[:, answers], truth[:, answers])
        errors[:, number] = abs(predicted[:, answers].sum(axis=1) - asked[:, number])
    return figures | {"obey_sum_rules": float((errors.max(axis=1) <= 1e-6).mean())}


def coverage(distribution, truth):
    """Return the shares of known fractions that lie in the 90 % intervals of so many votes.

    Votes are whole numbers, so even true intervals hold more than 90 %: `..._if_true` says how
    many. Published fractions are weighted by volunteer, and taken to the nearest vote here.
    """
    asked = TREE.roots + np.nan_to_num(truth) @ TREE.parent_matrix.T
    n_votes = np.round(VOLUNTEERS * asked)
    bounds = distribution.interval(0.9, kind="conditional", n_votes=n_votes)
    shares = convert_votes(truth, tree=TREE, source="path", target="conditional")
    n_asked = n_votes[:, TREE.answer_question]
    true = mass(distribution, *bounds, n_asked)[~np.isnan(shares)]
    figures = {
        "conditional": inside(shares, *bounds, n_asked),
        "conditional_if_true": np.nanmean(true),
    }
    bounds = distribution.interval(0.9, kind="path", n_votes=VOLUNTEERS)
    figures["path"] = inside(truth, *bounds, VOLUNTEERS)
    draws = distribution.sample(20, n_votes=VOLUNTEERS, random_state=1)
    draws[:, np.isnan(truth)] = np.nan
    figures["path_if_true"] = np.mean([inside(draw, *bounds, VOLUNTEERS) for draw in draws])
    return {f"coverage_{name}": float(share) for name, share in figures.items()}


def mass(distribution, lower, upper, n_votes):
    """Return the probability that a prediction gives to what lies between bounds."""
    a = distribution.concentrations
    totals = np.stack([a[:, answers].sum(axis=1) for answers in TREE.question_slices], axis=1)
    votes = betabinom(n_votes, a, totals[:, TREE.answer_question] - a)
    return votes.cdf(np.round(upper * n_votes)) - votes.cdf(np.round(lower * n_votes) - 1)


def inside(fractions, lower, upper, n_votes):
    """Return the share of known fractions, to the nearest vote, between their bounds."""
    nearest = np.round(fractions * n_votes) / np.maximum(n_votes, 1)
    known = ~np.isnan(fractions) & ~np.isnan(lower)
    return ((nearest >= lower - 1e-9) & (nearest <= upper + 1e-9))[known].mean()


def run(name, model, parts, *, seconds, fold):
    """Train on one part, report on the other, and return the figures."""
    X_train, X_test, y_train, y_test = parts
    model = clone(model)
    if hasattr(model, "max_steps"):
        in_time(model.set_params(random_state=fold), X_train, y_train, seconds)
    start = core_seconds()
    model.fit(X_train, y_train)
    trained = core_seconds()
    figures = scores(model.predict(X_test), y_test)
    if hasattr(model, "predict_distribution"):
        figures |= coverage(model.predict_distribution(X_test), y_test)
    figures["seconds"] = trained - start
    figures["seconds_to_predict"] = core_seconds() - trained
    report(name, fold=fold, steps=getattr(model, "max_steps", None), **figures)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", default="galaxy-zoo-cache")
    parser.add_argument("--seconds", type=float, default=300.0, help="training time of a network")
    parser.add_argument("--before", type=float, default=None, help="seconds of training before")
    parser.add_argument("--repeats", type=int, default=1, help="of the five folds")
    parser.add_argument("--folds", type=int, nargs="+", default=None, help="numbers; default all")
    parser.add_argument("--limit", type=int, default=None, help="galaxies, for trying it out")
    parser.add_argument("--only", nargs="*", choices=NAMES, default=NAMES)
    options = parser.parse_args()
    images, codes, votes = galaxies(options.cache)
    n_known = (~np.isnan(votes)).sum(axis=1)
    shuffle = np.random.default_rng(0).permutation
    rows, others = shuffle(np.flatnonzero(n_known)), shuffle(np.flatnonzero(n_known == 0))
    rows, others = rows[: options.limit], others[: options.limit]
    splitter = RepeatedStratifiedKFold(n_splits=5, n_repeats=options.repeats, random_state=0)
    folds = dict(enumerate(splitter.split(rows, n_known[rows])))
    folds = {number: folds[number] for number in options.folds or folds}
    before = options.before or options.seconds
    for name, model in entrants(options.only, images, codes, others, before):
        results = []
        for fold, (train, test) in folds.items():
            train, test = rows[train], rows[test]
            parts = images[train], images[test], votes[train], votes[test]
            results.append(run(name, model, parts, seconds=options.seconds, fold=fold))
        means = {key: float(np.mean([one[key] for one in results])) for key in results[0]}
        errors = [one["rmse"] for one in results]
        report(f"{name}_mean", folds=list(folds), rmse_interval=interval(errors), **means)


if __name__ == "__main__":
    main()
