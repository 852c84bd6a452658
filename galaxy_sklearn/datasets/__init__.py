"""Galaxies to learn from: made, fetched, or loaded from folders and tables."""

from galaxy_sklearn.datasets._fetchers import (
    fetch_efigi,
    fetch_galaxy10_decals,
    fetch_galaxy10_sdss,
    fetch_galaxy_zoo_2,
    sky_groups,
)
from galaxy_sklearn.datasets._loaders import is_image_file, load_catalog, load_image_folder
from galaxy_sklearn.datasets._make_galaxies import make_galaxies

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
