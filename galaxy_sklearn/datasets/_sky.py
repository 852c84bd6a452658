"""Galaxies that lie together on the sky."""

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import BallTree

from galaxy_sklearn._validation import unmasked


def sky_groups(ra, dec, *, radius=5.0):
    """Number galaxies so that those within `radius` of each other share a number.

    Parameters
    ----------
    ra, dec : array-like of shape (n_samples,)
        Right ascension and declination in degrees.
    radius : float, default=5.0
        In arcseconds. Chains of neighbours are one group.

    Returns
    -------
    ndarray of int of shape (n_samples,)
        Group numbers from 0, to be passed as `groups` to a group-aware splitter.

    Raises
    ------
    ValueError
        If `ra` and `dec` are not equally many finite numbers (what is masked is none), a
        declination is beyond 90 degrees, or `radius` is negative.

    Examples
    --------
    >>> from galaxy_sklearn.datasets import sky_groups
    >>> sky_groups([10.0, 10.0005, 359.9999], [0.0, 0.0, 0.0]).tolist()
    [0, 0, 1]
    """
    ra, dec = (np.asarray(unmasked(one), dtype=float) for one in (ra, dec))
    if ra.ndim != 1 or ra.shape != dec.shape or not np.isfinite([ra, dec]).all():
        raise ValueError(
            f"sky_groups takes as many finite right ascensions as declinations; got shapes "
            f"{ra.shape} and {dec.shape}."
        )
    if len(dec) and np.abs(dec).max() > 90:
        raise ValueError(f"sky_groups: declination {dec[np.abs(dec).argmax()]} is beyond 90.")
    if not radius >= 0:
        raise ValueError(f"sky_groups: radius must not be negative. Got {radius!r} instead.")
    if not len(ra):
        return np.empty(0, dtype=np.intp)
    positions = np.deg2rad(np.column_stack([dec, ra]))
    tree = BallTree(positions, metric="haversine")
    close = tree.query_radius(positions, np.deg2rad(radius / 3600))
    starts = np.repeat(np.arange(len(close)), [len(others) for others in close])
    shape = (len(close), len(close))
    links = csr_matrix((np.ones(len(starts)), (starts, np.concatenate(close))), shape=shape)
    return connected_components(links, directed=False)[1].astype(np.intp)
