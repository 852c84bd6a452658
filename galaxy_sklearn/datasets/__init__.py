"""Galaxies to learn from: made, loaded from folders and tables."""

from galaxy_sklearn.datasets._make_galaxies import make_galaxies

__all__ = ["make_galaxies"]
