"""pandas' index, from the table that holds images to the table that an estimator makes of them."""

import pandas as pd
from sklearn import get_config

from galaxy_sklearn._validation import as_given, column_of_arrays, is_image_sequence


def wants_pandas(estimator):
    """Tell whether a transformer is asked for pandas, by `set_output` or scikit-learn's config."""
    own = getattr(estimator, "_sklearn_output_config", {})
    return own.get("transform", get_config()["transform_output"]) == "pandas"


def as_table(estimator, values, X):
    """Return rows of `values` as a DataFrame if pandas is asked for and `X` has its index."""
    index = X.index if is_image_sequence(X) else _index_of(X)
    if index is None or not wants_pandas(estimator):
        return values
    return pd.DataFrame(values, index=index)


def as_images(estimator, images, X):
    """Return `images` in the layout of `X`; a column of pandas, if it is asked for, as such."""
    given = as_given(images, X)
    index = _index_of(X)
    if index is None or column_of_arrays(X) is None or not wants_pandas(estimator):
        return given
    return pd.Series(list(given), index=index)


def _index_of(X):
    return X.index if hasattr(X, "iloc") else None
