"""How fast images are decoded and read back: one JSON line a figure.

Run as ``GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_images.py [--quick]``. The two
routes of a ratio run by turns, best of N.
"""

import argparse
import json
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
from PIL import Image
from sklearn.pipeline import make_pipeline

from galaxy_sklearn.preprocessing import CenterCrop, ImageReader, Resize

BATCH = 128


def bare_pillow(paths):
    """Decode with Pillow and a thread pool, nothing else."""

    def read(path):
        return np.asarray(Image.open(path).convert("RGB"))

    with ThreadPoolExecutor(joblib.cpu_count()) as pool:
        return sum(image.shape[0] > 0 for image in pool.map(read, paths))


def image_reader(paths):
    """Decode through ImageReader, batch by batch."""
    return pass_over(ImageReader().fit_transform(paths))


def pass_over(images):
    """Read all batches."""
    return sum(len(batch) for batch in images.batches(BATCH))


def best_rates(routes, n_images, rounds):
    """Return images/s of each route, the best of `rounds`, run by turns."""
    best = dict.fromkeys(routes, 0.0)
    for _ in range(rounds):
        for name, route in routes.items():
            start = time.perf_counter()
            n_read = route()
            best[name] = max(best[name], n_images / (time.perf_counter() - start))
            assert n_read == n_images, f"{name} read {n_read} of {n_images} images"
    return best


def report(name, value, goal, **more):
    """Print one figure."""
    figure = {"name": name, "value": round(value, 3), "goal": goal, **more}
    print(json.dumps(figure), flush=True)


def main():
    """Measure the ratios. At 424 px a cached pass is as fast as memory is copied."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="256 files, two rounds")
    quick = parser.parse_args().quick
    folder = Path(os.environ["GALAXY_SKLEARN_DATA"]) / "gz2" / "original_424px"
    paths = sorted(str(path) for path in folder.glob("*.jpg"))[: 256 if quick else None]
    images = ImageReader().fit_transform(paths)
    small = make_pipeline(ImageReader(), CenterCrop(288), Resize(128)).fit_transform(paths)
    with tempfile.TemporaryDirectory() as folder:
        stored, stored_small = images.cache(folder), small.cache(folder)
        routes = {
            "bare_pillow": lambda: bare_pillow(paths),
            "image_reader": lambda: image_reader(paths),
            "image_reader_128px": lambda: pass_over(small),
            "cached_424px": lambda: pass_over(stored),
            "cached_128px": lambda: pass_over(stored_small),
        }
        rates = best_rates(routes, len(paths), 2 if quick else 5)
    setting = {
        "images_per_s": {name: round(rate) for name, rate in rates.items()},
        "n_images": len(paths),
        "cores": joblib.cpu_count(),
    }
    decode = rates["image_reader"] / rates["bare_pillow"]
    report("decode_424px_jpeg_vs_bare_pillow_pool", decode, 0.9, **setting)
    small = rates["cached_128px"] / rates["image_reader_128px"]
    report("cached_pass_vs_decoding_pass_crop_288_to_128px", small, 20, **setting)
    large = rates["cached_424px"] / rates["image_reader"]
    memory = rates["cached_424px"] * 424 * 424 * 3 / 1e9
    report("cached_pass_vs_decoding_pass_424px", large, None, gigabytes_per_s=round(memory, 1))


if __name__ == "__main__":
    main()
