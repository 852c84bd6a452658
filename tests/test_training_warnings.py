"""What a training warns of: parameters without effect, and images of another range than meant."""

import warnings

import numpy as np
import pytest

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.datasets import make_galaxies
from galaxy_sklearn.decomposition import AutoencoderPretrainer
from galaxy_sklearn.preprocessing import Standardize


@pytest.fixture(scope="module")
def galaxies():
    return make_galaxies(20, image_size=16, random_state=0)


def classifier(**params):
    return GalaxyClassifier("linear", augmentation=None, random_state=0, **params)


def test_epochs_that_more_steps_replace(galaxies):
    message = r"GalaxyClassifier trains for max_steps=3, and its max_epochs=2, which are fewer"
    with pytest.warns(UserWarning, match=message):
        model = classifier(max_steps=3, max_epochs=2).fit(*galaxies)
    assert len(model.history_) == 3
    with pytest.warns(UserWarning, match="AutoencoderPretrainer trains for max_steps=2"):
        AutoencoderPretrainer(max_steps=2, max_epochs=1, random_state=0).fit(galaxies[0])


def test_no_warning_of_epochs_that_steps_cut_short(galaxies):
    assert len(classifier(max_steps=2, max_epochs=2).fit(*galaxies).history_) == 2
    assert len(classifier(max_steps=1, max_epochs=30).fit(*galaxies).history_) == 1


def test_bytes_as_floats(galaxies):
    X, y = galaxies
    model = classifier(standardize=None, max_steps=1)
    with pytest.warns(UserWarning, match=f"whole numbers up to {X[:16].max()}, kept as floats"):
        model.fit(X.astype(np.float32), y)


def test_no_warning_of_pixels_that_are_meant_so(galaxies):
    X, y = galaxies
    fluxes = X.astype(np.float32) * 1.7
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        classifier(standardize=None, max_steps=1).fit(X, y)
        classifier(standardize=None, max_steps=1).fit(X / np.float32(255), y)
        classifier(standardize=None, max_steps=1).fit(fluxes, y)
        classifier(standardize=None, max_steps=1).fit((X > 30).astype(np.float32), y)
        classifier(standardize=Standardize(), max_steps=1).fit(X.astype(np.float32), y)
        classifier(standardize="image", max_steps=1).fit(X.astype(np.float32), y)
        classifier(max_steps=1).fit(X.astype(np.float32), y)
    assert not said
