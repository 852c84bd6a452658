"""Pictures of galaxies that were never observed."""

from textwrap import fill

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from galaxy_sklearn._validation import labelled
from galaxy_sklearn.inspection._fitted import at_least_one
from galaxy_sklearn.inspection._galleries import CAPTION, PictureRows, read_rows, same_length


class GeneratedDisplay(PictureRows):
    """Real galaxies of each class above generated ones.

    Parameters
    ----------
    rows : list of (str, list of (ndarray, str))
        Title of each row, and its images (height, width, n_channels) with their captions.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The picture.
    axes_ : ndarray of Axes, shape (n_rows, n_columns)
        Where each image is drawn.

    References
    ----------
    Messaoudi, Bouazza, Meribai & Khoudja (student report on Galaxy10): generated beside real
    images.
    """

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, n_per_class=6, random_state=None):
        """Draw some galaxies of each class, and below as many that the estimator generates.

        Parameters
        ----------
        estimator : estimator
            Fitted, with a `sample` as that of `GalaxyGAN`.
        X : ndarray or ImageSequence of n_samples images
            Real galaxies; only the images drawn are read.
        y : array-like of shape (n_samples,), default=None
            Their classes; None draws all as one, and the estimator's classes as it gives them.
            Galaxies without one (None, NaN, NA) are left out.
        n_per_class : int, default=6
            Galaxies in each row.
        random_state : int, RandomState instance or None, default=None
            Seed of the choice, and of what is generated.

        Returns
        -------
        GeneratedDisplay
            Drawn.

        Raises
        ------
        ValueError
            If `estimator` has no `sample`; if `y` has another length than `X`, names a class that
            the estimator does not know, or has no label at all; if `n_per_class` is below 1.
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "sample"):
            raise ValueError(
                f"GeneratedDisplay takes an estimator that has a sample, such as GalaxyGAN; "
                f"{type(estimator).__name__} has none."
            )
        at_least_one("GeneratedDisplay", n_per_class=n_per_class)
        rng = check_random_state(random_state)
        rows = []
        for label, members in _members(X, y):
            chosen = np.sort(rng.permutation(members)[:n_per_class])
            of_class = {} if label is None else {"y": np.full(n_per_class, label)}
            generated, _ = estimator.sample(n_per_class, **of_class, random_state=rng)
            name = "" if label is None else f"{label}, "
            for kind, images in (("real", read_rows(X, chosen)), ("generated", generated)):
                rows.append((fill(name + kind, CAPTION), [(image, "") for image in images]))
        if not rows:
            raise ValueError("GeneratedDisplay found no galaxy that has a label.")
        return cls(rows).plot()


def _members(X, y):
    """Yield each class and its rows; None and all rows where there are no labels."""
    if y is None:
        yield None, np.arange(len(X))
        return
    same_length(X, y=y)
    y, kept = labelled(y)
    for label in np.unique(y):
        yield label, np.flatnonzero(kept)[y == label]
