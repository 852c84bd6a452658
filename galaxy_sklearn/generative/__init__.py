"""Galaxies that were never observed: generate them, and measure how like the real ones they are."""

from galaxy_sklearn.generative._distances import frechet_distance, kernel_distance
from galaxy_sklearn.generative._gan import GalaxyGAN

__all__ = ["GalaxyGAN", "frechet_distance", "kernel_distance"]
