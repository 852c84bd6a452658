"""Accuracy against training time on the five Galaxy Zoo 2 classes.

The default classifier is fitted with some numbers of steps, each a whole one-cycle run (179 steps
are an epoch); for what published networks reach in the same time see `bench_recipes.py`.

    GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_time.py --steps 179 358 600
"""

import argparse
from time import perf_counter

from bench_accuracy import score
from galaxy_zoo import labelled_split, report

from galaxy_sklearn import GalaxyClassifier


def run(parts, steps):
    """Fit for some steps of 128 images and report time and accuracy on the test part."""
    X_train, X_test, y_train, y_test = parts
    model = GalaxyClassifier(max_steps=steps, random_state=0)
    start = perf_counter()
    model.fit(X_train, y_train)
    seconds = perf_counter() - start
    for tta in (None, [0.87, 1.0, 1.13]):
        scores = score(model.set_params(tta=tta), X_test, y_test)
        report("default", steps=steps, seconds=round(seconds, 1), tta=tta, **scores)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", default="galaxy-zoo-cache")
    parser.add_argument("--steps", type=int, nargs="+", default=[179, 358, 600])
    options = parser.parse_args()
    parts = labelled_split(options.cache)
    for steps in options.steps:
        run(parts, steps)


if __name__ == "__main__":
    main()
