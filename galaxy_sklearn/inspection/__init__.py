"""Look into a fitted estimator: how it learned, how well it does, where it looks."""

from galaxy_sklearn.inspection._activations import (
    FeatureMapsDisplay,
    FiltersDisplay,
    feature_maps,
)
from galaxy_sklearn.inspection._displays import EmbeddingDisplay, TrainingCurvesDisplay
from galaxy_sklearn.inspection._explanations import (
    GradCamDisplay,
    SaliencyDisplay,
    grad_cam,
    saliency,
)
from galaxy_sklearn.inspection._galleries import (
    ClassCountsDisplay,
    GalleryDisplay,
    MistakeGalleryDisplay,
)
from galaxy_sklearn.inspection._generated import GeneratedDisplay
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
    "FeatureMapsDisplay",
    "FiltersDisplay",
    "GalleryDisplay",
    "GeneratedDisplay",
    "GradCamDisplay",
    "MistakeGalleryDisplay",
    "PseudoLabelFlowDisplay",
    "PseudoLabelGalleryDisplay",
    "ReconstructionDisplay",
    "ReliabilityDisplay",
    "RocCurvesDisplay",
    "SaliencyDisplay",
    "TrainingCurvesDisplay",
    "feature_maps",
    "grad_cam",
    "saliency",
]
