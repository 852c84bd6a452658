"""How much each class counts in the loss."""

from numbers import Real

import numpy as np


def weights_of_classes(class_weight, classes, shares):
    """Return the weight of each class, (n_classes,).

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        As in scikit-learn.
    classes : ndarray of shape (n_classes,)
        The labels.
    shares : ndarray of shape (n_classes,)
        Sum of the sample weights of each class.

    Raises
    ------
    ValueError
        If a label is not among the classes, or a weight is no number, negative or infinite.
    """
    weights, present = np.ones(len(classes)), shares > 0
    if class_weight == "balanced":
        weights[present] = shares.sum() / (present.sum() * shares[present])
    elif class_weight is not None:
        for label, weight in class_weight.items():
            if label not in classes:
                if set(classes.tolist()) <= set(class_weight):
                    continue  # a class that a fold lacks
                raise ValueError(
                    f"GalaxyClassifier got a class_weight for {label!r}, which is not among "
                    f"the classes {classes.tolist()}."
                )
            if not isinstance(weight, Real) or not 0 <= weight < np.inf:
                got = f"{weight!r} for {label!r}"
                raise ValueError(f"GalaxyClassifier needs class weights >= 0; got {got}.")
            weights[np.searchsorted(classes, label)] = weight
    return weights
