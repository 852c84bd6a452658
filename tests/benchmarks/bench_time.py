"""Accuracy against training time on the five Galaxy Zoo 2 classes, two networks cut alike.

The default classifier is fitted with 1, 2, 4, ... epochs, each a whole one-cycle run. The network
and schedule of Zhu et al. (2019) (SGD with Nesterov momentum, batch 128, learning rate 0.1, which
their first 30,000 steps keep) see as many images as they manage in the same time.

    GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_time.py --epochs 1 2 4 8
    GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_time.py --seconds 120 600
"""

import argparse
from time import perf_counter

from bench_accuracy import score
from galaxy_zoo import labelled_split, report

from galaxy_sklearn import GalaxyClassifier

ZHU = {
    "network": "zhu_resnet26",
    "optimizer": "sgd",
    "optimizer_params": {"momentum": 0.9, "nesterov": True},
    "learning_rate": 0.1,
    "schedule": "constant",
    "weight_decay": 1e-4,
    "batch_size": 128,
    "loss": "cross_entropy",
    "label_smoothing": 0.0,
    "ema_decay": None,
    "max_epochs": 1,
    "random_state": 0,
}
TRIAL = 512  # images to find the rate of a network with


def run(name, parts, tta, rows=None, **params):
    """Fit on the first `rows` training images and report accuracy on the test part."""
    X_train, X_test, y_train, y_test = parts
    model = GalaxyClassifier(**params)
    start = perf_counter()
    model.fit(X_train[:rows], y_train[:rows])
    seconds = perf_counter() - start
    scores = score(model.set_params(tta=tta), X_test, y_test)
    images = model.n_iter_ * len(y_train[:rows])
    report(name, seconds=round(seconds, 1), images_seen=images, tta=tta, **scores)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", default="galaxy-zoo-cache")
    parser.add_argument("--epochs", type=int, nargs="*", default=[])
    parser.add_argument("--seconds", type=float, nargs="*", default=[])
    options = parser.parse_args()
    parts = labelled_split(options.cache)
    for epochs in options.epochs:
        run("default", parts, ["d4"], max_epochs=epochs, random_state=0)
    for budget in options.seconds:
        start = perf_counter()
        GalaxyClassifier(**ZHU).fit(parts[0][:TRIAL], parts[2][:TRIAL])
        rate = TRIAL / (perf_counter() - start)
        rows = min(len(parts[2]), int(rate * budget))
        run("zhu2019_cut", parts, None, rows=rows, **ZHU)


if __name__ == "__main__":
    main()
