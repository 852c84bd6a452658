"""The step that puts a number in place of NaN."""

import numpy as np


class FillNan:
    """A step that puts `value` in place of NaN in images of floating point.

    Parameters
    ----------
    value : float
        Finite.
    """

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return f"FillNan({self.value})"

    def transform_images(self, images):
        """Return the `images`, (n, h, w, c), without NaN."""
        if images.dtype.kind != "f":
            return images
        return np.where(np.isnan(images), images.dtype.type(self.value), images)
