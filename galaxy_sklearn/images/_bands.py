"""Images whose bands lie in files of their own."""

import numpy as np

from galaxy_sklearn.images._decode import UnreadableError


class BandsSource:
    """Images of several bands, each band of each image in a file.

    Parameters
    ----------
    bands : sequence of FileSource
        One a band, of the same number of images, each of which has one band.
    """

    def __init__(self, bands):
        self.bands = list(bands)

    def __len__(self):
        return len(self.bands[0])

    def name(self, i):
        """Return the names of the files of row `i`."""
        return " + ".join(band.name(i) for band in self.bands)

    def identity(self, i):
        """Return what the files of row `i` are known by."""
        return tuple(band.identity(i) for band in self.bands)

    def read(self, i):
        """Return the image of row `i`, its bands in the order of the sources.

        Raises UnreadableError if a file cannot be read, has more than one band, or is of another
        size or kind than the first.
        """
        images = [self._read(band, i) for band in self.bands]
        kinds = {(image.shape, image.dtype.kind): band for image, band in zip(images, self.bands)}
        if len(kinds) > 1:
            (first, one), (other, two) = list(kinds.items())[:2]
            raise UnreadableError(
                f"its bands differ: {one.name(i)!r} has {_in_words(first)}, {two.name(i)!r} "
                f"{_in_words(other)}"
            )
        return np.concatenate(images, axis=2)

    @staticmethod
    def _read(band, i):
        try:
            image = band.read(i)
        except UnreadableError as error:
            raise UnreadableError(f"{band.name(i)!r}: {error}") from error
        if image.shape[2] != 1:
            raise UnreadableError(
                f"{band.name(i)!r} has {image.shape[2]} bands, where each column is one band"
            )
        return image


def _in_words(kind):
    (height, width, _), values = kind
    return f"{height} x {width} pixels of {'floats' if values == 'f' else 'bytes'}"
