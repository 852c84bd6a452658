"""Several sequences as one."""

import numpy as np

from galaxy_sklearn.images._cache import _fingerprint
from galaxy_sklearn.images._kinds import require_kind


class ConcatenatedSource:
    """The images of several sequences, one after the other.

    Parameters
    ----------
    parts : sequence of ImageSequence
        Each read through its own chain and cache.
    given : list of ImageSequence, default=None
        The parts without the steps that were mapped on to all of them; None where none was.
    """

    def __init__(self, parts, given=None):
        self.parts = list(parts)
        self._given = given
        self._dtypes, self._first_dtype = {}, None  # of those parts, by number
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
        given = self.parts if self._given is None else self._given
        return ConcatenatedSource([part.map(step) for part in self.parts], given)

    def in_memory(self):
        """Return the same with each part kept in memory once it is decoded."""
        return ConcatenatedSource([part.in_memory() for part in self.parts], self._given)

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
        """Return the image of row `i`.

        Raises ValueError if its part has another kind of pixels than the first that was read.
        """
        number, place = self._find(i)
        image = self.parts[number].read_through(place)
        if self._given is not None:
            require_kind(self._given_dtype(number, place), self._first_dtype, int(i), self.name(i))
        return image

    def _given_dtype(self, number, place):
        """Return the type of the pixels of a part before steps were mapped on to all."""
        if number not in self._dtypes:
            part = self._given[number]
            self._dtypes[number] = part.decode(part.source_row(place)).dtype
        if self._first_dtype is None:
            self._first_dtype = self._dtypes[number]
        return self._dtypes[number]
