"""Transformers of images, the same on arrays and, lazily, on sequences of files."""

from galaxy_sklearn.preprocessing._contrast import CLAHE, MorphologicalOpening
from galaxy_sklearn.preprocessing._convert import Flatten, GrayScale, ToFloat
from galaxy_sklearn.preprocessing._geometry import CenterCrop, Resize
from galaxy_sklearn.preprocessing._reader import ImageReader
from galaxy_sklearn.preprocessing._standardize import Standardize
from galaxy_sklearn.preprocessing._stretch import AsinhStretch, PercentileStretch

__all__ = [
    "CLAHE",
    "AsinhStretch",
    "CenterCrop",
    "Flatten",
    "GrayScale",
    "ImageReader",
    "MorphologicalOpening",
    "PercentileStretch",
    "Resize",
    "Standardize",
    "ToFloat",
]
