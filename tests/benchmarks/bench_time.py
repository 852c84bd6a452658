"""Accuracy against training time on the five Galaxy Zoo 2 classes.

The default classifier is fitted with 1, 2, 4, ... epochs, each a whole one-cycle run; for what
published networks reach in the same time see `bench_recipes.py`.

    GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_time.py --epochs 1 2 4 8
"""

import argparse
from time import perf_counter

from bench_accuracy import score
from galaxy_zoo import labelled_split, report

from galaxy_sklearn import GalaxyClassifier


def run(parts, epochs):
    """Fit for some epochs and report time and accuracy on the test part."""
    X_train, X_test, y_train, y_test = parts
    model = GalaxyClassifier(max_epochs=epochs, random_state=0)
    start = perf_counter()
    model.fit(X_train, y_train)
    seconds = perf_counter() - start
    scores = score(model, X_test, y_test)
    report("default", epochs=epochs, seconds=round(seconds, 1), **scores)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", default="galaxy-zoo-cache")
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 2, 4])
    options = parser.parse_args()
    parts = labelled_split(options.cache)
    for epochs in options.epochs:
        run(parts, epochs)


if __name__ == "__main__":
    main()
