"""Look into a fitted estimator: where it looks, how it learned, how it groups galaxies."""

from galaxy_sklearn.inspection._displays import EmbeddingDisplay, TrainingCurvesDisplay
from galaxy_sklearn.inspection._grad_cam import GradCamDisplay, grad_cam

__all__ = ["EmbeddingDisplay", "GradCamDisplay", "TrainingCurvesDisplay", "grad_cam"]
