"""Learning from galaxies that nobody has labelled."""

from galaxy_sklearn.semi_supervised._fixmatch import FixMatchClassifier
from galaxy_sklearn.semi_supervised._pseudo_label import PseudoLabelClassifier

__all__ = ["FixMatchClassifier", "PseudoLabelClassifier"]
