"""Threads for decoding: Pillow, OpenCV and HDF5 let go of the interpreter while they work."""

from concurrent.futures import ThreadPoolExecutor
from numbers import Integral

import joblib


def n_threads(n_jobs):
    """Return how many threads to use; None means every core this process may run on.

    Negative numbers count back from all cores, as in joblib: -1 is all, -2 all but one.
    """
    if n_jobs is None:
        return joblib.cpu_count()
    if not isinstance(n_jobs, Integral) or isinstance(n_jobs, bool) or n_jobs == 0:
        raise ValueError(f"n_jobs must be None or a whole number other than 0; got {n_jobs!r}.")
    return max(1, n_jobs if n_jobs > 0 else joblib.cpu_count() + 1 + n_jobs)


class Workers:
    """Threads that share out rows.

    Parameters
    ----------
    n_jobs : int, default=None
        Number of threads; None is every core.
    """

    def __init__(self, n_jobs=None):
        self.count = n_threads(n_jobs)
        self._pool = ThreadPoolExecutor(self.count)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._pool.shutdown(cancel_futures=True)

    def start_one(self, function, *args):
        """Begin one call; return its future."""
        return self._pool.submit(function, *args)

    def start(self, function, n):
        """Begin ``function(start, stop)`` over parts of ``range(n)``; return futures in order."""
        step = max(1, n // (4 * self.count))
        return [
            self._pool.submit(function, start, min(start + step, n)) for start in range(0, n, step)
        ]

    def run(self, function, n):
        """Return what ``function(start, stop)`` gives for parts of ``range(n)``, in order.

        A single thread or row is served by the caller's own thread.
        """
        if min(self.count, n) == 1:
            return [function(0, n)]
        return [future.result() for future in self.start(function, n)]
