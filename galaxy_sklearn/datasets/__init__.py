"""Galaxies to learn from: made, or loaded from folders and tables."""

from galaxy_sklearn.datasets._loaders import is_image_file, load_catalog, load_image_folder
from galaxy_sklearn.datasets._make_galaxies import make_galaxies

__all__ = ["is_image_file", "load_catalog", "load_image_folder", "make_galaxies"]
