"""Tune a Pipeline on image files with Optuna, in a study on disk that a second run goes on with.

Files are decoded once for all trials; galaxies that lie together on the sky stay in one fold.
"""

from tempfile import TemporaryDirectory

import numpy as np
import optuna
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.datasets import make_galaxies, sky_groups
from galaxy_sklearn.model_selection import OptunaSearchCV, search_space
from galaxy_sklearn.preprocessing import ImageReader, Resize


def write_files(folder):
    """Return image files, their classes, and groups of neighbours on the sky."""
    images, labels = make_galaxies(240, image_size=64, random_state=0)
    files = [f"{folder}/{number}.png" for number in range(len(images))]
    for file, image in zip(files, images):
        Image.fromarray(image).save(file)
    ra, dec = np.random.default_rng(0).uniform(0, 0.1, (2, len(files)))
    return files, labels, sky_groups(ra + 150, dec + 2, radius=10)


def search(folder, files, labels, groups, n_trials):
    """Return a fitted search, which adds trials to the study in the folder."""
    model = make_pipeline(
        ImageReader(cache=f"{folder}/decoded"),
        Resize(32),
        GalaxyClassifier("simple_cnn", max_epochs=4, random_state=0),
    )
    study = optuna.create_study(
        study_name="galaxies",
        storage=f"sqlite:///{folder}/trials.db",
        direction="maximize",
        load_if_exists=True,
    )
    space = search_space(model) | {"galaxyclassifier__network__width": [8, 16, 32]}
    tuned = OptunaSearchCV(
        model, space, n_trials=n_trials, cv=StratifiedGroupKFold(2), study=study, verbose=1
    )
    return tuned.fit(files, labels, groups=groups)


with TemporaryDirectory() as folder:
    files, labels, groups = write_files(folder)
    search(folder, files, labels, groups, n_trials=4)
    tuned = search(folder, files, labels, groups, n_trials=3)  # begins with the best of the first
    print(f"{len(tuned.study_.trials)} trials, the best with {tuned.best_score_:.3f} accuracy:")
    for name, value in tuned.best_params_.items():
        print(f"  {name} = {value:.3g}")
