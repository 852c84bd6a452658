"""How many images of each class are to be generated."""

from numbers import Integral

import numpy as np

STRATEGIES = ("auto", "not majority", "not minority", "minority", "all")


def n_missing(strategy, classes, counts):
    """Return how many images each class lacks, (n_classes,).

    Parameters
    ----------
    strategy : str or dict
        See `GalaxyGAN`.
    classes : ndarray of shape (n_classes,)
        Labels.
    counts : ndarray of shape (n_classes,)
        Images of each.

    Raises
    ------
    ValueError
        If a dict names a class that is not there, or asks for fewer images than there are, or for
        what is no whole number.
    """
    wanted = _named(strategy, counts) if isinstance(strategy, str) else counts.copy()
    if not isinstance(strategy, str):
        places = {label: place for place, label in enumerate(classes.tolist())}
        for label, count in strategy.items():
            if label not in places:
                raise ValueError(
                    f"sampling_strategy names the class {label!r}, which is not among "
                    f"{classes.tolist()}."
                )
            if not isinstance(count, Integral):
                raise ValueError(
                    f"sampling_strategy needs a whole number of images of the class {label!r}; got "
                    f"{count!r}."
                )
            wanted[places[label]] = count
    missing = wanted - counts
    if (missing < 0).any():
        worst = int(missing.argmin())
        label = classes.tolist()[worst]
        raise ValueError(
            f"sampling_strategy asks for {wanted[worst]} images of the class {label!r}, which has "
            f"{counts[worst]} already."
        )
    return missing


def _named(strategy, counts):
    is_filled = {
        "auto": counts < counts.max(),
        "not majority": counts < counts.max(),
        "not minority": np.arange(len(counts)) != counts.argmin(),
        "minority": np.arange(len(counts)) == counts.argmin(),
        "all": np.ones(len(counts), bool),
    }[strategy]
    return np.where(is_filled, counts.max(), counts)
