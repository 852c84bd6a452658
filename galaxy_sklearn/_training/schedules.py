"""The learning rate over a fit, as a factor on its highest value."""

import math
from collections.abc import Iterable

from galaxy_sklearn._values import ValueObject


def one_cycle(progress, warm_up=0.15):
    """Return the learning-rate factor: linear up over `warm_up`, then half a cosine to zero."""
    if progress < warm_up:
        return max(progress / warm_up, 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


SCHEDULES = {
    "onecycle": one_cycle,
    "cosine": lambda progress: 0.5 * (1 + math.cos(math.pi * progress)),
    "constant": lambda progress: 1.0,
}


class StepDecay(ValueObject):
    """Multiply the learning rate by a factor at certain steps.

    Parameters
    ----------
    milestones : sequence of int or float
        Optimiser steps at which the rate drops; floats below 1 are shares of the whole training.
    factor : float, default=0.1
        What the rate is multiplied by at each.

    Raises
    ------
    ValueError
        If `milestones` is no sequence, or one is not positive.

    Examples
    --------
    >>> from galaxy_sklearn.neural_network import StepDecay
    >>> schedule = StepDecay([30_000, 60_000])  # Zhu et al. (2019)
    >>> [round(schedule(step, 72_000), 2) for step in (0, 30_000, 71_999)]
    [1.0, 0.1, 0.01]
    """

    def __init__(self, milestones, *, factor=0.1):
        if not isinstance(milestones, Iterable) or not all(one > 0 for one in milestones):
            raise ValueError(
                f"StepDecay needs positive milestones; got {milestones!r}, where [30_000, 60_000] "
                f"would do."
            )
        self.milestones = tuple(milestones)
        self.factor = factor

    def __repr__(self):
        return f"StepDecay({list(self.milestones)}, factor={self.factor})"

    def __call__(self, step, n_steps):
        """Return the factor at `step` of `n_steps`."""
        passed = [
            step >= (milestone * n_steps if milestone < 1 else milestone)
            for milestone in self.milestones
        ]
        return self.factor ** sum(passed)


def rate_factor(schedule, step, n_steps):
    """Return the learning-rate factor of a schedule, by name or callable, at one step."""
    if callable(schedule):
        return schedule(step, n_steps)
    return SCHEDULES[schedule](step / n_steps)
