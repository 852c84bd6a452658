"""Accuracy of the default classifier on the five Galaxy Zoo 2 classes.

The test tenth is held out by a fixed seed and never used to choose anything.

    GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_accuracy.py --seeds 0 1 2
"""

import argparse
from time import perf_counter

from galaxy_zoo import CLASSES, labelled_split, report
from sklearn.metrics import log_loss, recall_score

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.metrics import wilson_interval


def score(model, X_test, y_test):
    """Return accuracy and recalls on the test part."""
    proba = model.predict_proba(X_test)
    predicted = model.classes_[proba.argmax(1)]
    accuracy = float((predicted == y_test).mean())
    recalls = recall_score(y_test, predicted, labels=CLASSES, average=None)
    return {
        "accuracy": accuracy,
        "interval": wilson_interval(int((predicted == y_test).sum()), len(y_test)),
        "macro_recall": float(recalls.mean()),
        **{f"recall_{name}": float(r) for name, r in zip(CLASSES, recalls)},
        "log_loss": float(log_loss(y_test, proba, labels=model.classes_)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", default="galaxy-zoo-cache")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=None, help="default: the classifier's own")
    parser.add_argument("--network", default="galaxynet")
    parser.add_argument("--widths", type=int, nargs="+", default=None, help="of galaxynet's stages")
    parser.add_argument("--tta", nargs="*", default=["0.87", "1.0", "1.13"])
    options = parser.parse_args()
    X_train, X_test, y_train, y_test = labelled_split(options.cache)
    tta = [view if view == "d4" else float(view) for view in options.tta] or None
    params = {"widths": options.widths} if options.widths else None
    for seed in options.seeds:
        model = GalaxyClassifier(
            options.network,
            network_params=params,
            max_epochs=options.epochs or "auto",
            random_state=seed,
            verbose=1,
        )
        start = perf_counter()
        model.fit(X_train, y_train)
        seconds = perf_counter() - start
        for views in (None, tta):
            scores = score(model.set_params(tta=views), X_test, y_test)
            report(
                "galaxy_zoo_2_five_classes",
                network=options.network,
                widths=options.widths,
                seed=seed,
                epochs=model.n_iter_,
                seconds=round(seconds, 1),
                field=model.field_,
                tta=views,
                **scores,
            )


if __name__ == "__main__":
    main()
