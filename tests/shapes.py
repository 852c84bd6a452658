"""Tiny images with a known answer: round blobs, long blobs and rings."""

import numpy as np
from PIL import Image

CLASSES = np.array(["long", "ring", "round"])


def make_shapes(n_samples, side=16, seed=0):
    """Return uint8 images (n, side, side, 3) and their class names."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n_samples) % 3
    y, x = np.indices((side, side)) - (side - 1) / 2
    angle = rng.uniform(0, np.pi, n_samples)[:, None, None]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    radius = np.hypot(x, y) / side
    long = np.exp(-((along / (0.3 * side)) ** 2) - (across / (0.08 * side)) ** 2)
    ring = np.exp(-(((radius - 0.3) / 0.06) ** 2))[None].repeat(n_samples, 0)
    round_ = np.exp(-((radius / 0.2) ** 2))[None].repeat(n_samples, 0)
    images = np.choose(labels[:, None, None], [long, ring, round_])[..., None] * [200, 180, 160]
    images = images + rng.normal(20, 8, (n_samples, side, side, 3))
    return images.clip(0, 255).astype(np.uint8), CLASSES[labels]


def save_shapes(root, n):
    """Write `n` images into `root`, in a folder a class; return `root`."""
    for number, (image, label) in enumerate(zip(*make_shapes(n))):
        (root / label).mkdir(exist_ok=True)
        Image.fromarray(image).save(root / label / f"{number:03d}.png")
    return root
