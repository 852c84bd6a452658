"""Several sequences as one."""

import numpy as np

from galaxy_sklearn.images._cache import _fingerprint


class ConcatenatedSource:
    """The images of several sequences, one after the other.

    Parameters
    ----------
    parts : sequence of ImageSequence
        Each read through its own chain and cache.
    """

    def __init__(self, parts):
        self.parts = list(parts)
        self._ends = np.cumsum([len(part) for part in self.parts])
        self._chain_keys = None

    def __len__(self):
        return int(self._ends[-1])

    def _find(self, i):
        """Return the number of the part that holds row `i`, and the place there."""
        number = int(np.searchsorted(self._ends, i, side="right"))
        return number, int(i) - int(self._ends[number]) + len(self.parts[number])

    @property
    def unreadable(self):
        """Which images the parts know to be blanks, bool (n,)."""
        return np.concatenate([part.unreadable_ for part in self.parts])

    def map(self, step):
        """Return the same with one more step in the chain of each part."""
        return ConcatenatedSource([part.map(step) for part in self.parts])

    def in_memory(self):
        """Return the same with each part kept in memory once it is decoded."""
        return ConcatenatedSource([part.in_memory() for part in self.parts])

    def name(self, i):
        """Return the name that row `i` has in its part."""
        number, place = self._find(i)
        part = self.parts[number]
        return part.source.name(part.source_row(place))

    def identity(self, i):
        """Return the identity of row `i` in its part, and what its chain does."""
        if self._chain_keys is None:
            self._chain_keys = [_fingerprint(part.chain) for part in self.parts]
        number, place = self._find(i)
        part = self.parts[number]
        return (part.source.identity(part.source_row(place)), self._chain_keys[number])

    def read(self, i):
        """Return the image of row `i`."""
        number, place = self._find(i)
        return self.parts[number].read_through(place)
