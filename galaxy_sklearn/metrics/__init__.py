"""What a classifier is worth: shares with intervals, both averages, calibration."""

from galaxy_sklearn.metrics._calibration import expected_calibration_error, reliability_curve
from galaxy_sklearn.metrics._classification import (
    classification_summary,
    summarize_confusion_matrix,
    wilson_interval,
)

__all__ = [
    "classification_summary",
    "expected_calibration_error",
    "reliability_curve",
    "summarize_confusion_matrix",
    "wilson_interval",
]
