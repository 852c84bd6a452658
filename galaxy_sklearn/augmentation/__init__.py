"""Random and test-time views of galaxies, in batches, on the device that trains."""

from galaxy_sklearn.augmentation._galaxy import GalaxyAugmentation
from galaxy_sklearn.augmentation._guo import RotateZoomContrast
from galaxy_sklearn.augmentation._strong import StrongAugmentation
from galaxy_sklearn.augmentation._views import MultiScaleCrop, View, prediction_views
from galaxy_sklearn.augmentation._zhu import ColourJitter, ScaleJitterCrop

__all__ = [
    "ColourJitter",
    "GalaxyAugmentation",
    "MultiScaleCrop",
    "RotateZoomContrast",
    "ScaleJitterCrop",
    "StrongAugmentation",
    "View",
    "prediction_views",
]
