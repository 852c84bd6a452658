"""The published networks and the default, in equal time, on the five Galaxy Zoo 2 classes.

The images are cutouts of 288 of the survey's 424 pixels, reduced to 128, so all sizes that a
publication gives in pixels are scaled by 128 / 288. Two trials, short and less short, find how many
steps a second a network takes here; the training is as many as fit the time, and learning rates
drop at the same shares of it as in the publication. What begins with ImageNet's weights in its
publication begins from scratch here, and is not stopped early.

    GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_recipes.py --minutes 30
    GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_recipes.py --minutes 2 --only zhu2019
"""

import argparse

import numpy as np
from bench_accuracy import score
from galaxy_zoo import core_seconds, labelled_split, report
from sklearn.base import clone
from skorch.callbacks import Callback

from galaxy_sklearn import GalaxyClassifier, recipes
from galaxy_sklearn.augmentation import MultiScaleCrop, ScaleJitterCrop
from galaxy_sklearn.neural_network import StepDecay

SCALE = 128 / 288
ZHU = {
    "augmentation": ScaleJitterCrop((round(170 * SCALE), round(240 * SCALE))),
    "tta": MultiScaleCrop([round(size * SCALE) for size in (180, 200, 220, 240)]),
    "field": 0.8 * 220 / 288,
    "schedule": StepDecay([30 / 72, 60 / 72]),
}
RIVALS = ("alexnet", "dieleman", "inception_v3", "resnet50", "vgg16")
FROM_SCRATCH = {"pretrained": False, "early_stopping": False}
TRIAL_STEPS = 6
TRIAL_SHARE = 0.04  # of the time, for a second trial
TRIAL_IMAGES = 1024  # enough for the batches that bigger sets have


def entrants():
    """Return the classifiers by name."""
    models = {"default": GalaxyClassifier(tta=[0.87, 1.0, 1.13])}
    models["zhu2019"] = recipes.zhu2019(**ZHU)[-1]
    for name in RIVALS:
        models[f"zhu2019_baseline({name})"] = recipes.zhu2019_baseline(name, **ZHU)[-1]
    models["wu2022_simple_cnn"] = recipes.wu2022_simple_cnn()[-1]
    for name in ("galaxy10_cnn", *(f"galaxy10_cnn{n}" for n in (2, 3, 5, 6))):
        models[name] = getattr(recipes, name)()[-1]
    for name in ("mobilenet", "mobilenet_v2", "resnet50", "vgg16"):
        models[f"galaxy10_transfer({name})"] = recipes.galaxy10_transfer(name, **FROM_SCRATCH)[-1]
    for name in ("guo2023_densenet201", "guo2023_vgg19"):
        models[name] = getattr(recipes, name)(**FROM_SCRATCH)[-1]
    return models


class StepClock(Callback):
    """Write down when each step ends."""

    def __init__(self):
        self.ends = []

    def on_batch_end(self, net, **kwargs):
        """Take the time."""
        self.ends.append(core_seconds())


def steps_in(seconds, model, X, y):
    """Return how many steps `model` takes in a time, by a short trial and by a longer one."""
    a_step = seconds_a_step(TRIAL_STEPS, model, X, y)
    longer = int(TRIAL_SHARE * seconds / a_step)
    if longer > TRIAL_STEPS:
        a_step = seconds_a_step(longer, model, X, y)
    return max(1, int(seconds / a_step))


def seconds_a_step(n_steps, model, X, y):
    """Return the median time of a step in the second half of a short training."""
    clock = StepClock()
    trial = clone(model).set_params(max_steps=n_steps, callbacks=[clock])
    if "unnormalized_steps" in trial.get_params():
        trial.set_params(unnormalized_steps=0)
    trial.fit(X[:TRIAL_IMAGES], y[:TRIAL_IMAGES])
    return float(np.median(np.diff(trial.callbacks[0].ends)[n_steps // 2 - 1 :]))


def run(name, model, parts, seconds, seed, batch_size=128):
    """Train for about `seconds` and report on the test part."""
    X_train, X_test, y_train, y_test = parts
    model = clone(model).set_params(random_state=seed, batch_size=batch_size)
    model.set_params(max_steps=steps_in(seconds, model, X_train, y_train))
    start = core_seconds()
    model.fit(X_train, y_train)
    spent = core_seconds() - start
    network = model.net_.module_.network
    report(
        name,
        seed=seed,
        minutes=spent / 60,
        steps=model.max_steps,
        images_per_second=model.max_steps * batch_size / spent,
        parameters=sum(p.numel() for p in network.parameters()),
        **score(model, X_test, y_test),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", default="galaxy-zoo-cache")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="*", default=None, help="names; all without it")
    options = parser.parse_args()
    parts = labelled_split(options.cache)
    models = entrants()
    for name in options.only or models:
        for seed in options.seeds:
            run(name, models[name], parts, 60 * options.minutes, seed, options.batch_size)


if __name__ == "__main__":
    main()
