"""Random and test-time views of galaxies, in batches, on the device that trains."""

from galaxy_sklearn.augmentation._galaxy import GalaxyAugmentation
from galaxy_sklearn.augmentation._views import View, test_time_views

__all__ = ["GalaxyAugmentation", "View", "test_time_views"]
