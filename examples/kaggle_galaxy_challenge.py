"""Train on the folder of Kaggle's Galaxy Challenge and write a submission.

    python examples/kaggle_galaxy_challenge.py FOLDER --cache decoded --checkpoint-dir state

FOLDER is what the competition's archives unpack to: images_training_rev1/<GalaxyID>.jpg,
images_test_rev1/<GalaxyID>.jpg and training_solutions_rev1.csv. Without FOLDER, a small one of the
same form is made of generated galaxies, and votes made up for them. Images are read in batches, by
threads, so memory stays bounded whatever their number.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.pipeline import make_pipeline

from galaxy_sklearn.datasets import make_galaxies
from galaxy_sklearn.galaxy_zoo import check_votes, convert_votes, load_tree
from galaxy_sklearn.neural_network import VoteFractionRegressor
from galaxy_sklearn.preprocessing import CenterCrop, ImageReader, Resize

TREE = load_tree("gz2_kaggle")
SOLUTIONS, TRAINING, TEST = (
    "training_solutions_rev1.csv",
    "images_training_rev1",
    "images_test_rev1",
)
LIKELY = {  # what most volunteers answer, by the class of a generated galaxy
    "round": ["smooth-or-featured_smooth", "how-rounded_round"],
    "in_between": ["smooth-or-featured_smooth", "how-rounded_in-between"],
    "cigar": ["smooth-or-featured_smooth", "how-rounded_cigar"],
    "edge_on": ["smooth-or-featured_featured-or-disk", "disk-edge-on_yes"],
    "spiral": ["smooth-or-featured_featured-or-disk", "disk-edge-on_no", "has-spiral-arms_yes"],
}


def make_folder(folder, *, n_training=32, n_test=8):
    """Fill `folder` with generated galaxies as Kaggle's is with real ones."""
    images, classes = make_galaxies(n_training + n_test, image_size=424, random_state=0)
    for number, image in enumerate(images):
        part = folder / (TRAINING if number < n_training else TEST)
        part.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(part / f"{100_000 + number}.jpg")
    table = pd.DataFrame(made_up_votes(classes[:n_training]), columns=TREE.columns("kaggle"))
    table.insert(0, "GalaxyID", np.arange(n_training) + 100_000)
    table.to_csv(folder / SOLUTIONS, index=False)


def made_up_votes(classes):
    """Return path-weighted fractions (n, 37) of volunteers who mostly see what there is."""
    rng = np.random.default_rng(0)
    weights = 0.5 + 9.5 * np.array([np.isin(TREE.answers, LIKELY[name]) for name in classes])
    shares = rng.gamma(weights)
    for answers in TREE.question_slices:
        shares[:, answers] /= shares[:, answers].sum(axis=1, keepdims=True)
    return convert_votes(shares, tree=TREE, source="conditional", target="path")


def training_set(folder, limit):
    """Return files and their table of fractions, by GalaxyID."""
    votes = pd.read_csv(folder / SOLUTIONS, index_col="GalaxyID").iloc[:limit]
    return [folder / TRAINING / f"{galaxy}.jpg" for galaxy in votes.index], votes


def test_set(folder, limit):
    """Return files and GalaxyIDs, in the order of these."""
    galaxies = sorted(int(file.stem) for file in (folder / TEST).glob("*.jpg"))[:limit]
    if not galaxies:
        raise SystemExit(f"There are no .jpg files in {folder / TEST}.")
    return [folder / TEST / f"{galaxy}.jpg" for galaxy in galaxies], galaxies


def train(files, votes, options):
    """Return a fitted Pipeline: image files in, fractions out."""
    model = make_pipeline(
        ImageReader(cache=options.cache, verbose=1),
        CenterCrop(288),  # of 424 pixels; what lies around belongs to other galaxies
        Resize(128),
        VoteFractionRegressor(
            max_epochs=options.epochs or "auto",
            checkpoint_dir=options.checkpoint_dir,
            random_state=0,
            verbose=1,
        ),
    )
    return model.fit(files, votes)


def submission(model, files, galaxies, columns):
    """Return the predicted fractions as the table that Kaggle takes."""
    model.set_params(imagereader__cache=None)  # each test image is read once
    table = pd.DataFrame(model.predict(files), columns=TREE.columns("kaggle"))
    check_votes(table, tree=TREE, tolerance=1e-6)
    table = table[list(columns)]
    table.insert(0, "GalaxyID", galaxies)
    return table


def run(folder, options):
    """Train, predict and write the submission."""
    files, votes = training_set(folder, options.limit)
    model = train(files, votes, options)
    table = submission(model, *test_set(folder, options.limit), votes.columns)
    table.to_csv(options.output, index=False, float_format="%.8f")
    loss = model[-1].loss_curve_[-1]
    print(f"RMSE of the last epoch's random views: {loss**0.5:.4f}")
    print(f"{len(table)} galaxies x {len(votes.columns)} answers written to {options.output}")


def main(arguments=None):
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="Kaggle's; generated without it")
    parser.add_argument("--output", type=Path, default=Path("submission.csv"))
    parser.add_argument("--epochs", type=int, default=None, help="default: the regressor's own")
    parser.add_argument("--checkpoint-dir", default=None, help="resume from here after a kill")
    parser.add_argument("--cache", default=None, help="folder for decoded training images (3 GB)")
    parser.add_argument("--limit", type=int, default=None, help="use only so many images of each")
    options = parser.parse_args(arguments)
    if options.folder:
        run(options.folder, options)
        return
    options.epochs = options.epochs or 3
    with tempfile.TemporaryDirectory() as folder:
        make_folder(Path(folder))
        run(Path(folder), options)


if __name__ == "__main__":
    main()
