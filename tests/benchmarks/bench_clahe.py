"""How fast CLAHE is beside OpenCV on one thread: one JSON line a figure.

Run as ``python tests/benchmarks/bench_clahe.py [--quick]``. The routes run by turns, best of N,
on noise of 256 x 256 pixels; a ratio of 1 means that all cores work as one does.
"""

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor

import cv2
import joblib
import numpy as np

from galaxy_sklearn.images import ImageSequence
from galaxy_sklearn.preprocessing import CLAHE

GOAL = 0.95


def equalise(images, results):
    """Fill `results` with OpenCV alone, one image after the other."""
    clahe = cv2.createCLAHE(2.0, (8, 8))
    for k, image in enumerate(images):
        if image.shape[2] == 1:
            results[k, ..., 0] = clahe.apply(image)
        else:
            lightness, a, b = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2LAB))
            lab = cv2.merge([clahe.apply(lightness), a, b])
            results[k] = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def opencv(images):
    """Equalise with OpenCV alone on one thread."""
    results = np.empty_like(images)
    n_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        equalise(images, results)
    finally:
        cv2.setNumThreads(n_threads)
    return results


def opencv_on_threads(images):
    """Equalise with OpenCV alone, each core a part: what the machine gives."""
    results = np.empty_like(images)
    parts = [slice(k, k + 64) for k in range(0, len(images), 64)]
    n_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with ThreadPoolExecutor(joblib.cpu_count()) as pool:
            list(pool.map(lambda part: equalise(images[part], results[part]), parts))
    finally:
        cv2.setNumThreads(n_threads)
    return results


def on_array(images):
    """Equalise through the transformer."""
    return CLAHE().fit_transform(images)


def on_sequence(images):
    """Equalise lazily, batch by batch."""
    sequence = CLAHE().fit_transform(ImageSequence.from_array(images))
    batches = sequence.batches(128)
    first = next(batches)
    for _ in batches:
        pass
    return first


def best_rates(images, rounds):
    """Return images/s of each route, the best of `rounds`, run by turns."""
    best = {}
    expected = opencv(images[:32])
    for _ in range(rounds):
        for route in (opencv, opencv_on_threads, on_array, on_sequence):
            start = time.perf_counter()
            results = route(images)
            rate = len(images) / (time.perf_counter() - start)
            best[route.__name__] = max(best.get(route.__name__, 0.0), rate)
            np.testing.assert_array_equal(results[:32], expected)
    return best


def main():
    """Measure RGB and grey images, as an array and lazily."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200 images, three rounds")
    quick = parser.parse_args().quick
    n_images, rounds = (200, 3) if quick else (1000, 10)
    cores = joblib.cpu_count()
    for n_bands, kind in ((3, "rgb"), (1, "grey")):
        shape = (n_images, 256, 256, n_bands)
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        rates = best_rates(images, rounds)
        setting = {
            "images_per_s": {name: round(rate) for name, rate in rates.items()},
            "n_images": n_images,
            "cores": cores,
        }
        for route in ("opencv_on_threads", "on_array", "on_sequence"):
            ratio = rates[route] / (cores * rates["opencv"])
            name = f"clahe_{kind}_256px_{route}_vs_cores_x_opencv_on_one_thread"
            figure = {"name": name, "value": round(ratio, 3), "goal": GOAL, **setting}
            print(json.dumps(figure), flush=True)


if __name__ == "__main__":
    main()
