"""How far clusters are classes."""

from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix
from sklearn.utils import check_consistent_length

from galaxy_sklearn.metrics._labels import known_labels


def cluster_accuracy(y_true, clusters):
    """Return the accuracy of clusters under the best assignment of clusters to classes.

    Each cluster is given one class, and no class two clusters, so that most galaxies are right
    (the Hungarian algorithm). Chance is below it: of eight classes drawn at random far more than
    an eighth is right under the best assignment. `sklearn.metrics.adjusted_rand_score` and
    `adjusted_mutual_info_score` are corrected for that.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True classes; like `clusters`, a table of one column will do. Galaxies without one (None,
        NaN, NA) are left out.
    clusters : array-like of shape (n_samples,)
        Cluster of each, under any name.

    Returns
    -------
    float
        Between 0 and 1. Galaxies in a cluster without a class are wrong.

    Raises
    ------
    ValueError
        If the lengths differ, either has several columns, or no galaxy has a class.

    References
    ----------
    Kuhn (1955), Naval Research Logistics Quarterly 2, 83. Wu (2022), experiments 5 and 6, prints
    11.43 % for eight classes, which is less than any best assignment can give, and as a share of 80
    galaxies impossible: it is 8 of 70.

    Examples
    --------
    >>> from galaxy_sklearn.metrics import cluster_accuracy
    >>> cluster_accuracy(["E", "E", "S", "S"], [1, 1, 0, 1])
    0.75
    """
    check_consistent_length(y_true, clusters)
    y_true, clusters, _ = known_labels(y_true, clusters)
    if not len(y_true):
        raise ValueError("cluster_accuracy needs galaxies whose class is known; all are missing.")
    counts = contingency_matrix(y_true, clusters)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / counts.sum())
