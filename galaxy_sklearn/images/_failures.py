"""The account of files that could not be read."""

import threading
import warnings

from galaxy_sklearn.exceptions import ImageReadWarning


class FailureLog:
    """Rows that could not be read, shared by a sequence, its views and its maps.

    Attributes
    ----------
    entries : list of (row, file, reason)
        In the order found; each row once.
    """

    def __init__(self):
        self.entries = []
        self._warned = False
        self._lock = threading.Lock()

    def __getstate__(self):
        return {"entries": self.entries, "_warned": self._warned}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def add(self, failures):
        """Remember those not yet known."""
        with self._lock:
            known = {entry[0] for entry in self.entries}
            self.entries.extend(f for f in dict.fromkeys(failures) if f[0] not in known)

    def warn_once(self, n_images, fate):
        """Warn about the entries, once in the life of the log."""
        with self._lock:
            if self._warned or not self.entries:
                return
            self._warned = True
            row, file, reason = self.entries[0]
        warnings.warn(
            f"ImageSequence could not read {len(self.entries)} of {n_images} images and {fate}; "
            f"the first is row {row} ({file!r}: {reason}); failed_ lists every one.",
            ImageReadWarning,
            stacklevel=4,
        )
