"""Peak anonymous memory of fit and predict over cached images, above the import baseline.

GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_memory.py
"""

import argparse
import re
import threading
from pathlib import Path

import numpy as np
from galaxy_zoo import all_images, report

from galaxy_sklearn import GalaxyClassifier

POOL = 243_434  # unlabelled galaxies of Wu 2022


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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", default="galaxy-zoo-cache")
    parser.add_argument("--fit", type=int, default=30_000, help="images to fit on")
    parser.add_argument("--predict", type=int, default=POOL, help="images to predict")
    options = parser.parse_args()
    baseline = anonymous_bytes()
    images, codes = all_images(options.cache)
    model = GalaxyClassifier(max_epochs=1, random_state=0, verbose=1)
    with Peak() as peak:
        model.fit(images[: options.fit], codes[: options.fit])
    gigabytes = (peak.bytes - baseline) / 1e9
    report("fit_anonymous_gigabytes", value=gigabytes, goal=1.0, images=options.fit)
    pool = images[np.arange(options.predict) % len(images)]
    with Peak() as peak:
        model.predict(pool)
    gigabytes = (peak.bytes - baseline) / 1e9
    report("predict_anonymous_gigabytes", value=gigabytes, goal=1.0, images=options.predict)


if __name__ == "__main__":
    main()
