"""How like real galaxies those of a GalaxyGAN are, and what they do for a classifier.

    GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_gan.py distance --steps 3600
    GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_gan.py fill --labels 500

`distance`: five classes of Galaxy Zoo 2; a GAN learns one half of the training part, a default
classifier the other half. The classifier's embeddings of 2,548 generated galaxies are compared with
those of the test tenth, which neither has seen; as a floor, those of as many galaxies that the
GAN learned from. `taken_for_their_class` is the classifier's recall of the generated galaxies, for
the test tenth its accuracy. `nearest` is the median distance of generated galaxies from the nearest
one learned, over that of the test galaxies: far below 1 means copies.

`fill`: so many labelled galaxies in the shares of the survey, the default classifier with and
without classes filled up by generated ones; scores on the test tenth.
"""

import argparse
from time import process_time

import numpy as np
from galaxy_zoo import labelled_split, report
from sklearn.metrics import recall_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.generative import GalaxyGAN, frechet_distance, kernel_distance

CONFIGURATIONS = {
    "default": {},
    "published": {
        "network__width": 64,
        "learning_rate": 0.0002,
        "symmetric": False,
        "augmentation": None,
        "ema_decay": None,
    },
    "hinge": {"loss": "hinge"},
    "spectral": {"loss": "hinge", "network__normalization": "spectral"},
}


def gan(name, options):
    """Return a GAN by the name of its configuration."""
    model = GalaxyGAN(max_steps=options.steps, batch_size=64, random_state=options.seed, verbose=1)
    model.set_params(network__input_size=options.side)
    if options.width:
        model.set_params(network__width=options.width)
    if options.learning_rate:
        model.set_params(learning_rate=options.learning_rate)
    return model.set_params(**CONFIGURATIONS[name])


def distance(options):
    """Report distances between generated and real galaxies."""
    train, test, labels, test_labels = labelled_split(options.cache)
    for_gan, for_classifier = train_test_split(
        np.arange(len(labels)), test_size=0.5, stratify=labels, random_state=options.seed
    )
    judge = GalaxyClassifier(max_steps=options.judge_steps, random_state=0, verbose=1)
    judge.fit(train[for_classifier], labels[for_classifier])
    real = judge.transform(test)
    learned = judge.transform(train[for_gan])
    neighbours = NearestNeighbors(n_neighbors=1).fit(learned)
    usual = np.median(neighbours.kneighbors(real)[0])
    report(
        "real galaxies",
        frechet=frechet_distance(real, learned[: len(real)]),
        kernel=kernel_distance(real, learned[: len(real)]),
        taken_for_their_class=judge.score(test, test_labels),
        nearest=1.0,
    )
    for name in options.only:
        start = process_time()
        model = gan(name, options).fit(train[for_gan], labels[for_gan])
        seconds = process_time() - start
        images, classes = model.sample(len(real))
        generated = judge.transform(images)
        report(
            name,
            seed=options.seed,
            steps=options.steps,
            seconds=round(seconds),
            frechet=frechet_distance(real, generated),
            kernel=kernel_distance(real, generated),
            taken_for_their_class=judge.score(images, classes),
            nearest=float(np.median(neighbours.kneighbors(generated)[0]) / usual),
        )


def fill(options):
    """Report what filling up rare classes does to a classifier."""
    train, test, labels, test_labels = labelled_split(options.cache)
    rows, _ = train_test_split(
        np.arange(len(labels)),
        train_size=options.labels,
        stratify=labels,
        random_state=options.seed,
    )
    X, y = train[rows], labels[rows]
    for name in ("labels alone", *options.only):
        images, classes = (
            (X, y) if name == "labels alone" else gan(name, options).fit_resample(X, y)
        )
        model = GalaxyClassifier(
            max_steps=options.judge_steps, random_state=options.seed, verbose=1
        )
        predicted = model.fit(images, classes).predict(test)
        recalls = recall_score(test_labels, predicted, average=None)
        report(
            name,
            seed=options.seed,
            labels=options.labels,
            trained_on=len(classes),
            accuracy=float(np.mean(predicted == test_labels)),
            macro_recall=float(recalls.mean()),
            lowest_recall=float(recalls.min()),
        )


def main():
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["distance", "fill"])
    parser.add_argument("--only", nargs="+", default=["default"], choices=list(CONFIGURATIONS))
    parser.add_argument("--steps", type=int, default=3600)
    parser.add_argument("--judge-steps", type=int, default=400)
    parser.add_argument("--labels", type=int, default=500)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--width", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", default="galaxy-zoo-cache")
    options = parser.parse_args()
    {"distance": distance, "fill": fill}[options.what](options)


if __name__ == "__main__":
    main()
