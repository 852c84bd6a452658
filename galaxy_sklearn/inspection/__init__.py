"""Look into a fitted estimator: how it learned, how well it does, where it looks."""

from galaxy_sklearn.inspection._displays import EmbeddingDisplay, TrainingCurvesDisplay
from galaxy_sklearn.inspection._galleries import (
    ClassCountsDisplay,
    GalleryDisplay,
    MistakeGalleryDisplay,
)
from galaxy_sklearn.inspection._grad_cam import GradCamDisplay, grad_cam
from galaxy_sklearn.inspection._scores import (
    ClassAccuracyDisplay,
    ConfusionMatrixDisplay,
    ReliabilityDisplay,
    RocCurvesDisplay,
)
from galaxy_sklearn.inspection._semi_supervised import (
    PseudoLabelFlowDisplay,
    PseudoLabelGalleryDisplay,
    ReconstructionDisplay,
)

__all__ = [
    "ClassAccuracyDisplay",
    "ClassCountsDisplay",
    "ConfusionMatrixDisplay",
    "EmbeddingDisplay",
    "GalleryDisplay",
    "GradCamDisplay",
    "MistakeGalleryDisplay",
    "PseudoLabelFlowDisplay",
    "PseudoLabelGalleryDisplay",
    "ReconstructionDisplay",
    "ReliabilityDisplay",
    "RocCurvesDisplay",
    "TrainingCurvesDisplay",
    "grad_cam",
]
