"""Galaxies to learn from: made, fetched, or loaded from folders and tables."""

from galaxy_sklearn.datasets._efigi import fetch_efigi
from galaxy_sklearn.datasets._galaxy10 import fetch_galaxy10_decals, fetch_galaxy10_sdss
from galaxy_sklearn.datasets._galaxy_zoo_2 import fetch_galaxy_zoo_2
from galaxy_sklearn.datasets._loaders import is_image_file, load_catalog, load_image_folder
from galaxy_sklearn.datasets._make_galaxies import make_galaxies
from galaxy_sklearn.datasets._sky import sky_groups

__all__ = [
    "fetch_efigi",
    "fetch_galaxy10_decals",
    "fetch_galaxy10_sdss",
    "fetch_galaxy_zoo_2",
    "is_image_file",
    "load_catalog",
    "load_image_folder",
    "make_galaxies",
    "sky_groups",
]
