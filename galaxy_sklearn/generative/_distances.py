"""How far apart two sets of images are, by their embeddings."""

import numpy as np
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.utils.validation import check_array


def _pair(X, Y):
    """Return two sets of embeddings, checked."""
    X, Y = (check_array(one, dtype=np.float64, ensure_min_samples=2) for one in (X, Y))
    if X.shape[1] != Y.shape[1]:
        raise ValueError(
            f"The embeddings differ in length: {X.shape[1]} and {Y.shape[1]} numbers; both must "
            f"come from one estimator."
        )
    return X, Y


def frechet_distance(X, Y, *, ddof=1):
    r"""Return the Fréchet distance between two sets of embeddings.

    With means :math:`\mu` and covariances :math:`\Sigma`,

    .. math:: \lVert\mu_x - \mu_y\rVert^2
              + \mathrm{Tr}\left(\Sigma_x + \Sigma_y - 2 (\Sigma_x\Sigma_y)^{1/2}\right),

    the squared Wasserstein distance of normal distributions. On embeddings of Inception v3 it is
    the "FID"; embeddings of a classifier of galaxies know better what makes a galaxy. Numbers
    compare only between sets of the same sizes embedded by the same estimator: the distance of two
    samples of one distribution is not 0, and larger the fewer images there are.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples, n_embedding)
        Embeddings of real and of generated images, such as `GalaxyClassifier.transform` returns.
    ddof : {0, 1}, default=1
        Covariances divide by n_samples - ddof: 1 as is usual, 0 as printed in Messaoudi et al.

    Returns
    -------
    float
        0 for equal means and covariances.

    Raises
    ------
    ValueError
        If the embeddings differ in length, hold NaN or infinity, or are fewer than two.

    References
    ----------
    Heusel et al. (2017), NeurIPS, eq. 6. Dowson & Landau (1982), J. Multivariate Anal. 12, 450.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxy_sklearn.generative import frechet_distance
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> round(frechet_distance(X, X + 1), 6)
    4.0
    """
    if ddof not in (0, 1):
        raise ValueError(f"ddof must be 0 or 1; got {ddof!r}.")
    X, Y = _pair(X, Y)
    shift = X.mean(axis=0) - Y.mean(axis=0)
    of_x, of_y = (np.atleast_2d(np.cov(one, rowvar=False, ddof=ddof)) for one in (X, Y))
    values, vectors = np.linalg.eigh(of_x)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ of_y @ root).clip(0)).sum()
    return float(max(0.0, shift @ shift + np.trace(of_x) + np.trace(of_y) - 2 * shared))


def kernel_distance(X, Y):
    r"""Return the kernel distance between two sets of embeddings, unbiased.

    The squared maximum mean discrepancy with the kernel
    :math:`k(a, b) = (a \cdot b / d + 1)^3` of embeddings of length :math:`d`. Unlike
    `frechet_distance` its expectation is 0 for two samples of one distribution, however few; it
    can be slightly negative.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples, n_embedding)
        Embeddings of real and of generated images; n_samples squared numbers are held in memory.

    Returns
    -------
    float
        The lower, the more alike.

    Raises
    ------
    ValueError
        If the embeddings differ in length, hold NaN or infinity, or are fewer than two.

    References
    ----------
    Binkowski et al. (2018), ICLR, "Demystifying MMD GANs", section 4. Gretton et al. (2012), JMLR
    13, 723, eq. 3.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxy_sklearn.generative import kernel_distance
    >>> rng = np.random.default_rng(0)
    >>> X, Y = rng.normal(size=(2, 500, 4))
    >>> bool(abs(kernel_distance(X, Y)) < 0.05 < kernel_distance(X, Y + 1))
    True
    """
    X, Y = _pair(X, Y)
    within = sum(_mean_of_pairs(polynomial_kernel(one)) for one in (X, Y))
    return float(within - 2 * polynomial_kernel(X, Y).mean())


def _mean_of_pairs(kernel):
    """Return the mean of a kernel matrix without its diagonal."""
    n = len(kernel)
    return (kernel.sum() - np.trace(kernel)) / (n * (n - 1))
