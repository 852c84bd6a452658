"""The default classifier on few galaxies: EFIGI's Hubble types, by stratified folds.

GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_efigi.py --target hubble8 --repeats 1
"""

import argparse
from time import perf_counter

import numpy as np
import pandas as pd
from galaxy_zoo import data_folder, report
from sklearn.metrics import accuracy_score, recall_score
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.preprocessing import ImageReader


def labelled_files(target):
    """Return file names and classes of the galaxies that have a class of `target`."""
    folder = data_folder() / "efigi"
    table = pd.read_csv(folder / "labels.csv")
    table = table[table[target].notna()]
    files = [str(folder / "images" / f"{name}.jpg") for name in table["PGCname"]]
    return np.array(files, dtype=object), table[target].to_numpy(dtype=str)


def interval(values, bootstraps=10_000, seed=0):
    """Return the 95 % bootstrap interval of a mean over folds."""
    draws = np.random.default_rng(seed).choice(values, (bootstraps, len(values))).mean(1)
    return [round(float(edge), 4) for edge in np.quantile(draws, [0.025, 0.975])]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="hubble8", choices=["hubble8", "esi"])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--network", default="galaxynet")
    parser.add_argument("--tta", nargs="*", default=["d4"])
    options = parser.parse_args()
    files, labels = labelled_files(options.target)
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=options.repeats, random_state=0)
    classes, rows = np.unique(labels), []
    for k, (train, test) in enumerate(folds.split(files, labels)):
        model = make_pipeline(
            ImageReader(),
            GalaxyClassifier(options.network, tta=options.tta or None, random_state=k),
        )
        start = perf_counter()
        model.fit(files[train], labels[train])
        seconds = perf_counter() - start
        predicted = model.predict(files[test])
        recalls = recall_score(labels[test], predicted, labels=classes, average=None)
        rows.append([accuracy_score(labels[test], predicted), recalls.mean(), seconds, *recalls])
        print(f"fold {k}: accuracy {rows[-1][0]:.4f}, macro recall {rows[-1][1]:.4f}", flush=True)
    rows = np.array(rows)
    mean = rows.mean(0)
    report(
        f"efigi_{options.target}",
        network=options.network,
        galaxies=len(files),
        folds=len(rows),
        tta=options.tta,
        accuracy=float(mean[0]),
        accuracy_interval=interval(rows[:, 0]),
        macro_recall=float(mean[1]),
        macro_recall_interval=interval(rows[:, 1]),
        seconds_per_fit=float(mean[2]),
        **{f"recall_{name}": float(r) for name, r in zip(classes, mean[3:])},
    )


if __name__ == "__main__":
    main()
