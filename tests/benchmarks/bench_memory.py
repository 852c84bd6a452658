"""Peak anonymous memory of fit, predict and a round of pseudo-labels, above the import baseline.

GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_memory.py
"""

import argparse
import re
import threading
from pathlib import Path
from time import perf_counter

import numpy as np
from galaxy_zoo import all_images, report

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.semi_supervised import PseudoLabelClassifier

POOL = 243_434  # unlabelled galaxies of Wu 2022
FIGURES = ("fit", "predict", "round")


def anonymous_bytes():
    """Return this process's resident anonymous memory (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) * 1024


class Peak:
    """The highest anonymous memory during a block, sampled every 5 ms."""

    def __enter__(self):
        self.done, self.bytes = threading.Event(), anonymous_bytes()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self):
        while not self.done.wait(0.005):
            self.bytes = max(self.bytes, anonymous_bytes())

    def __exit__(self, *error):
        self.done.set()
        self.thread.join()


def measure(figure, function, baseline, **facts):
    """Call a function and report its time and memory."""
    start = perf_counter()
    with Peak() as peak:
        function()
    gigabytes, seconds = (peak.bytes - baseline) / 1e9, perf_counter() - start
    report(f"{figure}_anonymous_gigabytes", value=gigabytes, goal=1.0, seconds=seconds, **facts)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", default="galaxy-zoo-cache")
    parser.add_argument("--fit", type=int, default=30_000, help="images to fit on")
    parser.add_argument("--predict", type=int, default=POOL, help="images to predict")
    parser.add_argument("--labels", type=int, default=2_000, help="of a round of pseudo-labels")
    parser.add_argument("--only", nargs="+", choices=FIGURES, default=FIGURES)
    options = parser.parse_args()
    baseline = anonymous_bytes()
    images, codes = all_images(options.cache)
    pool = images[np.arange(options.predict) % len(images)]
    model = GalaxyClassifier(max_epochs=1, random_state=0, verbose=1)
    if {"fit", "predict"} & set(options.only):
        X, y = images[: options.fit], codes[: options.fit]
        measure("fit", lambda: model.fit(X, y), baseline, images=options.fit)
    if "predict" in options.only:
        measure("predict", lambda: model.predict(pool), baseline, images=options.predict)
    if "round" in options.only:
        known = np.flatnonzero(codes >= 0)[: options.labels]
        model.set_params(max_steps=200)
        rounds = PseudoLabelClassifier(model, max_iter=1, refit=False, random_state=0)
        X, y = images[known], codes[known]

        def one_round():
            rounds.fit(X, y, X_unlabeled=pool)

        facts = {"images": options.predict, "labels": options.labels, "steps": model.max_steps}
        measure("round", one_round, baseline, **facts)


if __name__ == "__main__":
    main()
