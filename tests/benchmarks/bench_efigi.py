"""Few galaxies, EFIGI's Hubble types: the default and the networks of Wu (2022) in equal time.

Stratified five-fold, images enlarged from 88 to 128 pixels. A short trial finds how many steps a
second a network takes here; the training is as many as fit the time.

    GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_efigi.py --minutes 3
    GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_efigi.py --target esi --only default
"""

import argparse

import numpy as np
import pandas as pd
from bench_recipes import steps_in
from galaxy_zoo import core_seconds, data_folder, report
from sklearn.base import clone
from sklearn.metrics import accuracy_score, recall_score
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline

from galaxy_sklearn import GalaxyClassifier, recipes
from galaxy_sklearn.preprocessing import ImageReader, Resize

TARGETS = ("hubble8", "esi", "esi_of_wu")
WU = ("wu2022_simple_cnn", "wu2022_vgg16", "wu2022_resnet18", "wu2022_inception_v3")
TTA = ["d4", 0.87, 1.0, 1.13]


def read_table():
    """Return EFIGI's table and an array of the images, enlarged to 128 pixels."""
    folder = data_folder() / "efigi"
    table = pd.read_csv(folder / "labels.csv")
    files = [str(folder / "images" / f"{name}.jpg") for name in table["PGCname"]]
    return table, np.asarray(make_pipeline(ImageReader(), Resize(128)).fit_transform(files))


def labelled_rows(table, target):
    """Return rows and classes of the galaxies that have a class of `target`, and twenty splits.

    ``"esi_of_wu"`` is the definition of Wu (2022), in which S is the stage 5 alone. The splits are
    five folds, four times.
    """
    labels = table["esi" if target == "esi_of_wu" else target]
    known = labels.notna()
    if target == "esi_of_wu":
        known &= (labels != "S") | (table["T"] == 5)
    labels = labels[known].to_numpy(dtype=str)
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=4, random_state=0)
    return np.flatnonzero(known), labels, list(folds.split(labels, labels))


def attributes(table):
    """Return the stage and the other attributes of all galaxies, NaN where they are not known."""
    names = [name.removesuffix("_inf") for name in table.columns if name.endswith("_inf")]
    values = table[names].to_numpy(float)
    absent = values == -1  # a stage can be -1
    absent[:, names.index("T")] = False
    return np.where(absent, np.nan, values)


def interval(values, bootstraps=10_000, seed=0):
    """Return the 95 % bootstrap interval of a mean over folds."""
    draws = np.random.default_rng(seed).choice(values, (bootstraps, len(values))).mean(1)
    return [round(float(edge), 4) for edge in np.quantile(draws, [0.025, 0.975])]


def entrants():
    """Return the classifiers by name."""
    models = {name: getattr(recipes, name)()[-1] for name in WU}
    return {"default": GalaxyClassifier(tta=TTA)} | models


def one_fold(model, images, labels, split, minutes):
    """Return accuracy, macro recall, seconds and the recall of each class after a training."""
    train, test = split
    if minutes is not None:
        model.set_params(max_steps=steps_in(60 * minutes, model, images[train], labels[train]))
    start = core_seconds()
    model.fit(images[train], labels[train])
    seconds = core_seconds() - start
    predicted = model.predict(images[test])
    recalls = recall_score(labels[test], predicted, labels=model.classes_, average=None)
    return [accuracy_score(labels[test], predicted), recalls.mean(), seconds, *recalls]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="hubble8", choices=TARGETS)
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--minutes", type=float, default=None, help="each model's own length else")
    parser.add_argument("--only", nargs="+", default=None, help="names; all without it")
    options = parser.parse_args()
    table, images = read_table()
    known, labels, splits = labelled_rows(table, options.target)
    images = images[known]
    models = entrants()
    for name in options.only or models:
        rows = []
        for fold in options.folds:
            model = clone(models[name]).set_params(random_state=fold)
            row = one_fold(model, images, labels, splits[fold], options.minutes)
            rows.append(row)
            print(f"{name}, fold {fold}: accuracy {row[0]:.4f}, macro {row[1]:.4f}", flush=True)
        rows = np.array(rows)
        mean = rows.mean(0)
        report(
            f"{name}_on_{options.target}",
            galaxies=len(images),
            folds=options.folds,
            accuracy=float(mean[0]),
            accuracy_interval=interval(rows[:, 0]),
            macro_recall=float(mean[1]),
            macro_recall_interval=interval(rows[:, 1]),
            seconds_per_fit=float(mean[2]),
            **{f"recall_{one}": float(r) for one, r in zip(np.unique(labels), mean[3:])},
        )


if __name__ == "__main__":
    main()
