"""Random and test-time views of galaxies, in batches, on the device that trains."""

from galaxy_sklearn.augmentation._dieleman import DielemanAugmentation, colour_components
from galaxy_sklearn.augmentation._galaxy import GalaxyAugmentation
from galaxy_sklearn.augmentation._guo import RotateZoomContrast
from galaxy_sklearn.augmentation._strong import StrongAugmentation
from galaxy_sklearn.augmentation._survey import SurveyDegradation
from galaxy_sklearn.augmentation._views import MultiScaleCrop, RotatedViews, View, prediction_views
from galaxy_sklearn.augmentation._zhu import ColourJitter, ScaleJitterCrop

__all__ = [
    "ColourJitter",
    "DielemanAugmentation",
    "GalaxyAugmentation",
    "MultiScaleCrop",
    "RotateZoomContrast",
    "RotatedViews",
    "ScaleJitterCrop",
    "StrongAugmentation",
    "SurveyDegradation",
    "View",
    "colour_components",
    "prediction_views",
]
