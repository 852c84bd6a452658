"""Images that are decoded once."""

import numpy as np

from galaxy_sklearn.images._cache import _fingerprint


class MemorySource:
    """The images of a source after some steps, each kept from its first reading on.

    Parameters
    ----------
    images : ImageSequence
        Its source and chain are used, whatever rows it selects.
    """

    def __init__(self, images):
        self._images = images
        self._kept = {}
        self._chain_key = None

    def __len__(self):
        return len(self._images.source)

    def name(self, i):
        """Return the name of row `i`."""
        return self._images.source.name(i)

    def identity(self, i):
        """Return the identity of row `i`, and what the steps do."""
        if self._chain_key is None:
            self._chain_key = _fingerprint(self._images.chain)
        return (self._images.source.identity(i), self._chain_key)

    def read(self, i):
        """Return the image of row `i`, which is not to be written to."""
        if i not in self._kept:
            image = np.array(self._images.decode(i))  # no view of a larger one
            image.flags.writeable = False
            self._kept[i] = image
        return self._kept[i]
