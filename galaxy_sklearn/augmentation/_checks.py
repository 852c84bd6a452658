"""The ranges of what augmentations take, held against them when they are made."""

from collections.abc import Sequence
from numbers import Real

import numpy as np

from galaxy_sklearn._validation import NON_NEGATIVE, Interval

SHARE = Interval(Real, 0, 1, closed="both")


def check_numbers(owner, interval=NON_NEGATIVE, **values):
    """Raise ValueError if a parameter is no number of an interval.

    Parameters
    ----------
    owner : object
        Its class name goes into the message.
    interval : Interval, default=NON_NEGATIVE
        Where all of `values` have to lie; NaN and infinity lie in none.
    **values : float
        By the name of their parameter.
    """
    for name, value in values.items():
        if not interval.is_satisfied_by(value):
            raise ValueError(
                f"{type(owner).__name__} needs {name} to be {interval}; got {value!r}."
            )


def check_ranges(owner, interval=NON_NEGATIVE, **values):
    """Raise ValueError if a parameter is not two numbers of an interval, the smaller first.

    Parameters
    ----------
    owner : object
        Its class name goes into the message.
    interval : Interval, default=NON_NEGATIVE
        Where both numbers have to lie.
    **values : sequence of two float
        By the name of their parameter; the two may be equal.
    """
    for name, value in values.items():
        pair = isinstance(value, Sequence | np.ndarray) and len(value) == 2
        if not (pair and all(map(interval.is_satisfied_by, value)) and value[0] <= value[1]):
            raise ValueError(
                f"{type(owner).__name__} needs {name} to be two rising numbers, each {interval}; "
                f"got {value!r}."
            )
