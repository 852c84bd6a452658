"""Threads for decoding: Pillow, OpenCV and HDF5 let go of the interpreter while they work."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import joblib


def n_threads(n_jobs):
    """Return how many threads to use; None means every core this process may run on.

    Negative numbers count back from all cores, as in joblib: -1 is all, -2 all but one.
    """
    if n_jobs is None:
        return joblib.cpu_count()
    if n_jobs == 0:
        raise ValueError("n_jobs must be None or a whole number other than 0; got 0.")
    return max(1, n_jobs if n_jobs > 0 else joblib.cpu_count() + 1 + n_jobs)


class Workers:
    """Threads that share out rows; with one thread the caller's own does the work.

    Parameters
    ----------
    n_jobs : int, default=None
        Number of threads; None is every core.
    """

    def __init__(self, n_jobs=None):
        self.count = n_threads(n_jobs)
        self._stack = contextlib.ExitStack()
        self._pool = None

    def __enter__(self):
        if self.count > 1:
            self._pool = self._stack.enter_context(ThreadPoolExecutor(self.count))
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def run(self, function, n):
        """Call ``function(start, stop)`` over parts of ``range(n)``; return results in order."""
        if self._pool is None or n < 2:
            return [function(0, n)] if n else []
        step = max(1, n // (8 * self.count))
        starts = range(0, n, step)
        stops = (min(start + step, n) for start in starts)
        return list(self._pool.map(function, starts, stops))
