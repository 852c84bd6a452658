"""Randomness that leaves the caller's generators alone."""

import os
import threading
from contextlib import contextmanager

import numpy as np
import torch
from sklearn.utils import check_random_state


def draw_seed(random_state):
    """Return a seed drawn from `random_state`, an int in [0, 2**31)."""
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    return int(check_random_state(random_state).randint(2**31 - 1))


class _Turn:
    """Whose turn it is in this process; a forked child starts with nobody's."""

    lock = threading.RLock()

    @classmethod
    def reset(cls):
        cls.lock = threading.RLock()


os.register_at_fork(after_in_child=_Turn.reset)


@contextmanager
def forked_torch(device):
    """Give the block its own global torch generators, and single precision by default.

    Both are the process's, so threads take turns: else each would draw the other's numbers. The
    caller's come back unchanged.
    """
    cuda = [device] if device.type == "cuda" else []
    with _Turn.lock, torch.random.fork_rng(devices=cuda):
        dtype = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)


def epoch_seed(seed, epoch):
    """Return the seed of one epoch; a resumed fit needs nothing but these two numbers."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
