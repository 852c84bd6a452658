"""Finding good parameters by cross-validation."""

from galaxy_sklearn.model_selection._search import OptunaSearchCV
from galaxy_sklearn.model_selection._spaces import search_space

__all__ = ["OptunaSearchCV", "search_space"]
