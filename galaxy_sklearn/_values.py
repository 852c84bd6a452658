"""Objects that are what their parameters say: augmentations, sets of views, schedules."""

import numpy as np


class ValueObject:
    """Shown as the call that makes it, and equal to another of its class with equal attributes.

    So the parameters of two estimators can be compared, and those of a fit with those of the
    checkpoint it goes on from. Not hashable, for attributes may be changed.
    """

    def __repr__(self):
        values = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({values})"

    def __eq__(self, other):
        if type(other) is not type(self):
            return NotImplemented
        return all(map(_are_equal, vars(self).values(), vars(other).values()))

    __hash__ = None


def _are_equal(one, other):
    if hasattr(one, "__array__") or hasattr(other, "__array__"):
        return np.array_equal(one, other)
    return one == other
