"""Local contrast and the removal of small sources, by OpenCV."""

import cv2
import numpy as np

from galaxy_sklearn._validation import POSITIVE, POSITIVE_INT, StrOptions
from galaxy_sklearn.preprocessing._base import ImageTransformer, blocks, map_images

_SHAPES = {
    "ellipse": cv2.MORPH_ELLIPSE,
    "rectangle": cv2.MORPH_RECT,
    "cross": cv2.MORPH_CROSS,
}


class CLAHE(ImageTransformer):
    """Raise local contrast, so that faint arms show beside a bright bulge.

    Contrast limited adaptive histogram equalisation of OpenCV: brightness is equalised in tiles,
    no gray level gaining more than `clip_limit` times, and the tiles are blended. Images of three
    bands are taken as RGB and only their lightness (L of CIELAB) changes; others are equalised
    band by band. On `uint8` the result is that of `cv2.createCLAHE` to the bit.

    Float images pass in 256 levels between the two ends of `data_range`, as their `uint8`
    counterparts do, since in finer levels hardly two pixels of a tile share one and the limit
    would not bind. So stretch flux first (`AsinhStretch`).

    Parameters
    ----------
    clip_limit : float, default=2.0
        Highest gain in contrast; 1 changes next to nothing, 40 is nearly unlimited. OpenCV counts
        in whole pixels, so in tiles of n pixels the limit is never below 256 / n.
    tile_grid_size : (int, int), default=(8, 8)
        Tiles across and down, in the order of OpenCV. Along a side with fewer pixels than tiles
        there is one tile.
    data_range : (float, float), default=None
        Black and white level of float images; a pixel outside is an error. None learns them in
        `fit`: (0, 1) if the training pixels lie in it, else their smallest and largest value;
        pixels outside are then set to the nearer one. Of no effect on `uint8`.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, n_channels) of the images where X holds rows of
        pixels; None guesses a square.

    Attributes
    ----------
    data_range_ : tuple of float
        Black and white level of the pixels.
    image_shape_ : tuple of int
        (height, width, n_channels) of the training images.
    n_features_in_ : int
        Values in a training image.

    References
    ----------
    Zuiderveld (1994), Graphics Gems IV, 474: contrast limited adaptive histogram equalization.
    """

    _parameter_constraints: dict = {
        **ImageTransformer._parameter_constraints,
        "clip_limit": [POSITIVE],
        "tile_grid_size": [tuple, list],
        "data_range": [tuple, list, None],
    }

    def __init__(self, clip_limit=2.0, *, tile_grid_size=(8, 8), data_range=None, image_shape=None):
        self.clip_limit = clip_limit
        self.tile_grid_size = tile_grid_size
        self.data_range = data_range
        self.image_shape = image_shape

    def _learn(self, images):
        self._check_tiles()
        if self.data_range is not None:
            self.data_range_ = self._given_range()
        elif self.pixel_kind_ == "uint8":
            self.data_range_ = (0.0, 255.0)
        else:
            self.data_range_ = self._range_of(images)

    def _check_tiles(self):
        tiles = tuple(self.tile_grid_size)
        if len(tiles) != 2 or not all(isinstance(n, int | np.integer) and n >= 1 for n in tiles):
            raise ValueError(
                "The tile_grid_size parameter of CLAHE must be two whole numbers above 0. "
                f"Got {self.tile_grid_size!r} instead."
            )

    def _given_range(self):
        low, high = self.data_range if len(self.data_range) == 2 else (0, 0)
        if not (np.isfinite([low, high]).all() and low < high):
            raise ValueError(
                "The data_range parameter of CLAHE must be two rising finite numbers. "
                f"Got {self.data_range!r} instead."
            )
        return float(low), float(high)

    @staticmethod
    def _range_of(images):
        ends = [(part.min(), part.max()) for part in blocks("CLAHE", images)]
        low, high = float(min(ends)[0]), float(max(high for _, high in ends))
        return (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)

    def transform_images(self, images):
        """Return the images with local contrast.

        Parameters
        ----------
        images : ndarray of shape (n, h, w, c)
            uint8 or floating point.

        Returns
        -------
        ndarray of shape (n, h, w, c)
            uint8, float32 or float64 like the images, between the same black and white.

        Raises
        ------
        ValueError
            If a float pixel lies outside the `data_range` given.
        """
        return map_images(self._equalise, images)

    def _equalise(self, image):
        if image.dtype == np.uint8:
            return self._equalise_bytes(image)
        low, high = self.data_range_
        if self.data_range is not None and not (low <= image.min() and image.max() <= high):
            raise ValueError(
                f"CLAHE was told that float pixels lie in data_range=({low:g}, {high:g}) and got "
                f"{image.min():g} to {image.max():g}."
            )
        span = (high - low) or 1.0
        levels = np.rint((np.clip(image, low, high) - low) * (255 / span)).astype(np.uint8)
        return (self._equalise_bytes(levels) / image.dtype.type(255)) * span + low

    def _equalise_bytes(self, image):
        across, down = self.tile_grid_size
        height, width, n_bands = image.shape
        tiles = (across if width >= across else 1, down if height >= down else 1)
        clahe = cv2.createCLAHE(float(self.clip_limit), tiles)  # one object a thread: it has state
        if n_bands != 3:
            bands = [clahe.apply(image[..., k]) for k in range(n_bands)]
            return bands[0][..., np.newaxis] if n_bands == 1 else np.stack(bands, axis=-1)
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
        cv2.insertChannel(clahe.apply(cv2.extractChannel(lab, 0)), lab, 0)
        return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


class MorphologicalOpening(ImageTransformer):
    """Remove stars and hot pixels that are smaller than a shape, and keep what is larger.

    Erosion, then dilation, each band by itself: whatever the shape fits into stays, the rest sinks
    to the brightness around it. No pixel gets brighter, and a second opening changes nothing.

    Parameters
    ----------
    size : int, default=3
        Height and width of the shape in pixels.
    shape : {"ellipse", "rectangle", "cross"}, default="ellipse"
        Shape; an ellipse of 3 pixels is a cross.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, n_channels) of the images where X holds rows of
        pixels; None guesses a square.

    Attributes
    ----------
    image_shape_ : tuple of int
        (height, width, n_channels) of the training images.
    n_features_in_ : int
        Values in a training image.

    References
    ----------
    Serra (1982), Image Analysis and Mathematical Morphology, chapter II.
    """

    _parameter_constraints: dict = {
        **ImageTransformer._parameter_constraints,
        "size": [POSITIVE_INT],
        "shape": [StrOptions(set(_SHAPES))],
    }

    def __init__(self, size=3, *, shape="ellipse", image_shape=None):
        self.size = size
        self.shape = shape
        self.image_shape = image_shape

    def transform_images(self, images):
        """Return the opened images.

        Parameters
        ----------
        images : ndarray of shape (n, h, w, c)
            uint8 or floating point.

        Returns
        -------
        ndarray of shape (n, h, w, c)
            uint8, float32 or float64 like the images.
        """
        return map_images(self._open, images)

    def _open(self, image):
        element = cv2.getStructuringElement(_SHAPES[self.shape], (self.size, self.size))
        anchor = self.size // 2
        # The dilation mirrors the erosion, else a shape of even size would move the image.
        mirrored = self.size - 1 - anchor
        eroded = cv2.erode(image, element, anchor=(anchor, anchor))
        opened = cv2.dilate(eroded, element[::-1, ::-1].copy(), anchor=(mirrored, mirrored))
        return opened.reshape(image.shape)
