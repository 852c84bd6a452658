"""The five Galaxy Zoo 2 classes, as every benchmark here takes them."""

import json
import os
from pathlib import Path
from time import process_time

import joblib
import numpy as np
from sklearn.model_selection import train_test_split

from galaxy_sklearn.images import ImageSequence

CLASSES = ("round", "in_between", "cigar", "edge_on", "spiral")
SPLIT_SEED = 0


def data_folder():
    """Return the folder of real galaxies, or end with a sentence."""
    folder = os.environ.get("GALAXY_SKLEARN_DATA")
    if not folder:
        raise SystemExit("GALAXY_SKLEARN_DATA is not set: there are no real galaxies to train on.")
    return Path(folder)


def all_images(cache):
    """Return the 30,615 images as an `ImageSequence` decoded once into `cache`, and class ids."""
    packed = np.load(data_folder() / "gz2" / "images_128px.npz")
    sequence = ImageSequence.from_encoded(packed["jpeg"], packed["offset"])
    return sequence.cache(cache, verbose=1), packed["class5_id"]


def labelled_split(cache):
    """Return X_train, X_test, y_train, y_test: 25,475 galaxies, a stratified tenth to test on."""
    images, codes = all_images(cache)
    rows = np.flatnonzero(codes >= 0)
    train, test = train_test_split(
        rows, test_size=0.1, stratify=codes[rows], random_state=SPLIT_SEED
    )
    names = np.asarray(CLASSES)
    return images[train], images[test], names[codes[train]], names[codes[test]]


def core_seconds():
    """Return processor time over cores, a clock that stops while other work is on them."""
    return process_time() / joblib.cpu_count()


def report(name, **figures):
    """Print one JSON line."""
    print(json.dumps({"name": name, **{k: _rounded(v) for k, v in figures.items()}}), flush=True)


def _rounded(value):
    if isinstance(value, tuple):
        return [_rounded(one) for one in value]
    return round(value, 4) if isinstance(value, float) else value
