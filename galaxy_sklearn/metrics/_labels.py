"""Labels as every metric takes them."""

import numpy as np
from sklearn.utils import column_or_1d

from galaxy_sklearn._validation import labelled, unmasked


def known_labels(*labels):
    """Return label arrays without the rows in which one is missing, and which rows are left.

    Parameters
    ----------
    *labels : array-like of shape (n_samples,) or (n_samples, 1)
        None, NaN, NA and what is masked are missing.

    Returns
    -------
    *labels : ndarray of shape (n_known,)
        Those of the rows that are left.
    kept : ndarray of bool, shape (n_samples,)
        Which these are.

    Raises
    ------
    ValueError
        If labels have several columns.
    """
    return labelled(*(column_or_1d(np.asarray(unmasked(one), dtype=object)) for one in labels))
