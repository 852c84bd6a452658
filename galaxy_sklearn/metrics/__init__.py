"""What a classifier is worth: shares with intervals, both averages, calibration."""

from galaxy_sklearn.metrics._calibration import expected_calibration_error, reliability_curve
from galaxy_sklearn.metrics._classification import (
    classification_summary,
    summarize_confusion_matrix,
    wilson_interval,
)
from galaxy_sklearn.metrics._clusters import cluster_accuracy
from galaxy_sklearn.metrics._pseudo_label_health import pseudo_label_health
from galaxy_sklearn.metrics._votes import vote_rmse

__all__ = [
    "classification_summary",
    "cluster_accuracy",
    "expected_calibration_error",
    "pseudo_label_health",
    "reliability_curve",
    "summarize_confusion_matrix",
    "vote_rmse",
    "wilson_interval",
]
