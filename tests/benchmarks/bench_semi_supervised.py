"""What a pool without labels is worth, on EFIGI's Hubble types and on five-class Galaxy Zoo 2.

The pool of EFIGI is the 30,615 cutouts of Galaxy Zoo 2, of which the central 94 of 128 pixels are
taken, so that galaxies fill the frame as they do in EFIGI. `--steps` is the length of each
training; self-training repeats it every round.

    GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_semi_supervised.py efigi --folds 0 1
    GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_semi_supervised.py few --labels 20 100
    GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_semi_supervised.py shift --labels 100

On EFIGI `attributes` has more labels than the others: the stage and the other attributes of all
galaxies outside the test fold, which begin its trunk; `five_classes` has those of Galaxy Zoo 2;
`surveys` has all of these and the vote fractions, and is the mean of three networks.
`attributes_mean` is the mean of three that begin as `attributes` does; all are reported.

`few` has so many labels a class, or all that a class has. `shift` takes a pool whose class shares
are those of the labelled galaxies, and one of the same size in which the commonest class is the
rarest, and so on.

`wu2022_vgg16`, `wu2022_self_training` and `wu2022_autoencoder_cnn` are the recipes with their own
networks, on images of `--side` pixels.
"""

import argparse
from time import perf_counter

import numpy as np
from bench_efigi import TARGETS, TTA, attributes, labelled_rows, read_table
from bench_votes import galaxies as galaxies_with_votes
from galaxy_zoo import CLASSES, labelled_split, report
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline

from galaxy_sklearn import GalaxyClassifier, recipes
from galaxy_sklearn.decomposition import AutoencoderPretrainer, ContrastivePretrainer
from galaxy_sklearn.metrics import expected_calibration_error
from galaxy_sklearn.neural_network import VoteFractionRegressor
from galaxy_sklearn.preprocessing import CenterCrop, Resize
from galaxy_sklearn.semi_supervised import FixMatchClassifier, PseudoLabelClassifier


class Entrants:
    """Fits by name, on labelled images and a pool.

    Parameters
    ----------
    pool : ndarray or ImageSequence
        Images without labels.
    steps : int or None
        Optimiser steps of a training; None is the classifier's own choice.
    steps_before : int or None, default=None
        Those of what goes before.
    side : int, default=64
        Side in pixels of what the network sees.
    adjustment : float or None, default=None
        Adjustment of the loss to equal recalls; None is 0.8 for what begins with attributes, else
        the classifier's own.
    steps_survey : int or None, default=None
        Those of the training on Galaxy Zoo 2 that goes before what goes before, for `surveys`.
    compiled : bool, default=False
        Compile the networks.

    Attributes
    ----------
    classes : tuple
        Images of Galaxy Zoo 2 and their classes, -1 where there is none, for `five_classes`.
    votes : ndarray
        Vote fractions of the pool, NaN where they are not known, for `surveys`.
    catalogue : tuple
        EFIGI's images outside the test fold, and their attributes, for `attributes`.
    """

    def __init__(
        self,
        pool,
        steps,
        steps_before=None,
        side=64,
        *,
        adjustment=None,
        steps_survey=None,
        compiled=False,
    ):
        self.pool = pool
        self.steps = steps
        self.steps_before = steps_before
        self.adjustment = adjustment
        self.steps_survey = steps_survey
        self.compiled = compiled
        self.network_params = {"input_size": side}
        self.pretrained = {}

    def classifier(self, seed, tta=TTA, **params):
        """Return an unfitted default classifier."""
        if self.adjustment is not None:
            params["adjustment"] = self.adjustment
        return GalaxyClassifier(
            network_params=self.network_params,
            max_steps=self.steps,
            tta=tta,
            compile=self.compiled,
            random_state=seed,
            **params,
        )

    def supervised(self, X, y, seed):
        """Return the default, fitted on the labels alone."""
        return self.classifier(seed).fit(X, y)

    def fixmatch(self, X, y, seed):
        """Return a network that learned from labels and pool in every step."""
        return FixMatchClassifier(self.classifier(seed)).fit(X, y, X_unlabeled=self.pool)

    def self_training(self, X, y, seed):
        """Return a network that labelled the pool in rounds, by quotas of the classes."""
        model = PseudoLabelClassifier(self.classifier(seed), criterion="quota", max_iter=2)
        return model.fit(X, y, X_unlabeled=self.pool)

    def self_training_of_wu(self, X, y, seed):
        """Return the default network with Wu's rule: a fixed 0.35 and nothing looked after.

        It guesses from one view, as his do, and is evaluated with as many as all others.
        """
        model = PseudoLabelClassifier(
            self.classifier(seed, tta=None, warm_start=True),
            threshold=0.35,
            min_new_labels=10,
            max_divergence=None,
            max_iter=2,
            warm_start=True,
        )
        model.fit(X, y, X_unlabeled=self.pool)
        model.estimator_.set_params(tta=TTA)
        return model

    def wu2022_vgg16(self, X, y, seed):
        """Return the VGG-16 of Wu (2022), fitted on the labels alone."""
        return recipes.wu2022_vgg16(**self.length_of(seed)).fit(X, y)

    def wu2022_self_training(self, X, y, seed):
        """Return that VGG-16 after two rounds on the pool."""
        model = recipes.wu2022_self_training(max_iter=2, **self.length_of(seed))
        return model.fit(X, y, X_unlabeled=self.pool)

    def wu2022_autoencoder_cnn(self, X, y, seed):
        """Return the CNN of Wu (2022), begun with the encoder of its autoencoder of the pool."""
        model = recipes.wu2022_autoencoder_cnn(**self.length_of(seed))
        autoencoder = model[-1].pretrained.set_params(
            network_params=self.network_params, max_steps=self.steps_before, random_state=seed
        )
        encoder = self.frozen(autoencoder, self.pool)
        return model.set_params(galaxyclassifier__pretrained=encoder).fit(X, y)

    def length_of(self, seed):
        """Return the parameters of a recipe that say how large and how long."""
        sizes = {"network_params": self.network_params, "max_steps": self.steps}
        return sizes | {"random_state": seed}

    def autoencoder(self, X, y, seed):
        """Return the default, begun with the encoder of an autoencoder of the pool."""
        encoder = self.encoder(AutoencoderPretrainer)
        return self.classifier(seed, pretrained=encoder).fit(X, y)

    def contrastive(self, X, y, seed):
        """Return the default, begun with what contrasting the pool's images taught."""
        encoder = self.encoder(ContrastivePretrainer)
        return self.classifier(seed, pretrained=encoder).fit(X, y)

    def contrastive_fixmatch(self, X, y, seed):
        """Return `fixmatch`, begun as `contrastive` is."""
        classifier = self.classifier(seed, pretrained=self.encoder(ContrastivePretrainer))
        return FixMatchClassifier(classifier).fit(X, y, X_unlabeled=self.pool)

    def five_classes(self, X, y, seed):
        """Return the default, begun with what the five classes of Galaxy Zoo 2 taught."""
        return self.classifier(seed, pretrained=self.trunk()).fit(X, y)

    def attributes(self, X, y, seed):
        """Return the default, begun with what EFIGI's attributes taught, for equal recalls."""
        source = self.attribute_regressor(seed)
        return self.begun_with(source, seed).fit(X, y)

    def attributes_mean(self, X, y, seed):
        """Return the mean of three networks that began as `attributes` does."""
        return self.mean_begun_with(self.attribute_regressor(seed), seed).fit(X, y)

    def attributes_fixmatch(self, X, y, seed):
        """Return `fixmatch`, begun as `attributes` is."""
        classifier = self.begun_with(self.attribute_regressor(seed), seed)
        return FixMatchClassifier(classifier).fit(X, y, X_unlabeled=self.pool)

    def surveys(self, X, y, seed):
        """Return the mean of three networks that began with votes and classes, then attributes."""
        source = self.attribute_regressor(seed, self.survey_regressor())
        return self.mean_begun_with(source, seed).fit(X, y)

    def begun_with(self, source, seed):
        """Return an unfitted classifier that begins with what `source` learned."""
        return self.classifier(seed, pretrained=source, adjustment=0.8)

    def mean_begun_with(self, source, seed):
        """Return the unfitted mean of three of them."""
        members = [(str(run), self.begun_with(source, 100 * run + seed)) for run in range(3)]
        return VotingClassifier(members, voting="soft")

    def attribute_regressor(self, seed, pretrained=None):
        """Return a regressor of the attributes of all galaxies outside the test fold."""
        key = VoteFractionRegressor, seed, pretrained is None
        if key not in self.pretrained:
            model = self.regressor(self.steps_before, seed, pretrained=pretrained)
            self.pretrained[key] = self.frozen(model, *self.catalogue)
        return self.pretrained[key]

    def survey_regressor(self):
        """Return a regressor of the pool's vote fractions and classes, fitted once for all."""
        if "survey" not in self.pretrained:
            codes = self.classes[1]
            one_hot = (codes[:, None] == np.arange(len(CLASSES))).astype(float)
            one_hot[codes < 0] = np.nan
            model = self.regressor(self.steps_survey, 0)
            self.pretrained["survey"] = self.frozen(model, self.pool, np.c_[self.votes, one_hot])
        return self.pretrained["survey"]

    def regressor(self, steps, seed, **params):
        """Return an unfitted regressor of any table of numbers."""
        return VoteFractionRegressor(
            tree=None,
            output="identity",
            network_params=self.network_params,
            max_steps=steps,
            compile=self.compiled,
            random_state=seed,
            **params,
        )

    @staticmethod
    def frozen(model, *data):
        """Return a model fitted on `data`, frozen; report how long it took."""
        start = perf_counter()
        model.fit(*data)
        seconds = perf_counter() - start
        report(type(model).__name__, seconds=seconds, loss=model.loss_curve_[-1])
        return FrozenEstimator(model)

    def trunk(self):
        """Return a classifier of the five classes, fitted once for all folds."""
        if GalaxyClassifier not in self.pretrained:
            X, y = self.classes
            known = np.flatnonzero(y >= 0)
            model = GalaxyClassifier(max_steps=self.steps_before, random_state=0)
            self.pretrained[GalaxyClassifier] = self.frozen(model, X[known], y[known])
        return self.pretrained[GalaxyClassifier]

    def encoder(self, pretrainer):
        """Return a pretrainer fitted on the pool, once for all folds and numbers of labels."""
        if pretrainer not in self.pretrained:
            model = pretrainer(max_steps=self.steps_before, compile=self.compiled, random_state=0)
            self.pretrained[pretrainer] = self.frozen(model, self.pool)
        return self.pretrained[pretrainer]


def health(model, truth):
    """Return what a fitted PseudoLabelClassifier's last accepted round looked like.

    `truth` has the classes of the pool where they are known after all.
    """
    rounds = [row for row in getattr(model, "history_", []) if row.get("outcome") == "accepted"]
    if not rounds:
        return {}
    last = rounds[-1]
    return {
        "pseudo_labels": last["n_pseudo_labels"],
        "precision_on_held_out": last["precision"],
        "checked": last["n_checked"],
        "precision_in_pool": None if truth is None else in_pool(model, truth),
        "divergence": last["divergence"],
        "amplification": max(last["amplification"].values()),
        "ended": model.termination_condition_,
    }


def in_pool(model, truth):
    """Return the share of the pool's pseudo-labels that are right."""
    labelled = model.labeled_iter_[-len(truth) :] > 0
    return float((model.transduction_[-len(truth) :] == truth)[labelled].mean())


def evaluate(name, model, X, y, seconds, truth=None, **facts):
    """Report accuracy, recalls and calibration of a fitted model."""
    proba = model.predict_proba(X)
    predicted = model.classes_[proba.argmax(1)]
    recalls = recall_score(y, predicted, labels=model.classes_, average=None)
    report(
        name,
        **facts,
        seconds=round(seconds, 1),
        accuracy=float((predicted == y).mean()),
        macro_recall=float(recalls.mean()),
        lowest_recall=float(recalls.min()),
        calibration_error=float(expected_calibration_error(y, proba, classes=model.classes_)),
        **{f"recall_{one}": float(recall) for one, recall in zip(model.classes_, recalls)},
        **health(model, truth),
    )


def efigi(options):
    table, galaxies = read_table()
    known, labels, folds = labelled_rows(table, options.target)
    y = np.empty(len(table), dtype=labels.dtype)
    y[known] = labels
    images, codes, votes = galaxies_with_votes(options.cache)
    pool = make_pipeline(CenterCrop(94), Resize(128)).fit_transform(images)
    pool = pool.cache(f"{options.cache}-efigi-pool", verbose=1)
    if options.pool is not None:
        pool = pool[np.random.default_rng(0).choice(len(pool), options.pool, replace=False)]
    entrants = Entrants(
        pool,
        options.steps,
        options.steps_before,
        options.side,
        adjustment=options.adjustment,
        steps_survey=options.steps_survey,
        compiled=options.compile,
    )
    entrants.classes, entrants.votes = (images, codes), votes
    for fold in options.folds:
        train, test = (known[part] for part in folds[fold])
        others = np.setdiff1d(np.arange(len(table)), test)
        entrants.catalogue = galaxies[others], attributes(table)[others]
        for name in options.only:
            start = perf_counter()
            model = getattr(entrants, name)(galaxies[train], y[train], fold)
            seconds = perf_counter() - start
            facts = {"fold": fold, "task": options.target, "side": options.side}
            evaluate(name, model, galaxies[test], y[test], seconds, **facts)
            for member in getattr(model, "estimators_", []):  # of a VotingClassifier
                codes = model.le_.transform(y[test])
                evaluate(f"{name}_member", member, galaxies[test], codes, seconds, **facts)


def choose(y, per_class, rng):
    """Return random rows, so many of each class by name, or all that it has; sorted."""
    rows = []
    for one, number in per_class.items():
        candidates = np.flatnonzero(y == one)
        rows.append(rng.choice(candidates, min(number, len(candidates)), replace=False))
    return np.sort(np.concatenate(rows))


def compare(options, entrants, data, truth, **facts):
    """Fit and report all entrants; `data` is X, y, and X and y to test on."""
    X, y, X_test, y_test = data
    for name in options.only:
        start = perf_counter()
        model = getattr(entrants, name)(X, y, facts["seed"])
        evaluate(name, model, X_test, y_test, perf_counter() - start, truth, **facts)


def few(options):
    X, X_test, y, y_test = labelled_split(options.cache)
    steps = options.steps, options.steps_before
    entrants = Entrants(X, *steps, compiled=options.compile)  # unlabelled, all of them
    for n_labels in options.labels:
        for seed in options.folds:
            known = choose(y, dict.fromkeys(np.unique(y), n_labels), np.random.default_rng(seed))
            data = X[known], y[known], X_test, y_test
            compare(options, entrants, data, y, seed=seed, labels=n_labels, in_all=len(known))


def shift(options):
    X, X_test, y, y_test = labelled_split(options.cache)
    names, counts = np.unique(y, return_counts=True)
    order = names[np.argsort(counts)]
    steps = options.steps, options.steps_before
    shares = np.sort(counts) / counts.sum()
    for n_labels in options.labels:
        for seed in options.folds:
            rng = np.random.default_rng(seed)
            n_labelled = 5 * n_labels
            known = choose(y, dict(zip(order, np.ceil(n_labelled * shares).astype(int))), rng)
            left = np.setdiff1d(np.arange(len(y)), known)
            rarest = (y[left] == order[0]).sum()
            size = rarest / shares[-1]  # of the pool in which the rarest class is the commonest
            for pool_name in options.pools:
                of_class = shares if pool_name == "matched" else shares[::-1]
                per_class = dict(zip(order, np.floor(size * of_class).astype(int)))
                rows = left[choose(y[left], per_class, np.random.default_rng(seed))]
                entrants = Entrants(X[rows], *steps, compiled=options.compile)
                data = X[known], y[known], X_test, y_test
                facts = {"seed": seed, "labels": len(known), "pool": pool_name}
                compare(options, entrants, data, y[rows], **facts, pool_size=len(rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=["efigi", "few", "shift"])
    parser.add_argument("--cache", default="galaxy-zoo-cache")
    parser.add_argument("--target", default="hubble8", choices=TARGETS)
    parser.add_argument("--folds", type=int, nargs="+", default=[0], help="of EFIGI, or seeds")
    parser.add_argument("--labels", type=int, nargs="+", default=[20, 100, 500])
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--steps-before", type=int, default=None, help="of what goes before")
    parser.add_argument("--pool", type=int, default=None, help="so many of EFIGI's pool")
    pools = ["matched", "reversed"]
    parser.add_argument("--pools", nargs="+", choices=pools, default=pools, help="of shift")
    parser.add_argument("--steps-survey", type=int, default=None, help="of surveys, before that")
    parser.add_argument("--compile", action="store_true", help="compile the networks")
    parser.add_argument(
        "--adjustment", type=float, default=None, help="of the default; its own, or 0.8, else"
    )
    parser.add_argument("--side", type=int, default=64, help="of EFIGI's images in the network")
    parser.add_argument("--only", nargs="+", default=["supervised", "fixmatch", "self_training"])
    options = parser.parse_args()
    {"efigi": efigi, "few": few, "shift": shift}[options.task](options)


if __name__ == "__main__":
    main()
