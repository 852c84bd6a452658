"""Brightness stretches: many decades of flux on one scale from 0 to 1."""

from numbers import Real

import numpy as np

from galaxy_sklearn._validation import POSITIVE, Interval, StrOptions
from galaxy_sklearn.preprocessing._base import (
    ImageTransformer,
    float_type,
    map_images,
    sample_pixels,
)

_WHITE_QUANTILE = 0.999
_MAD_TO_SIGMA = 1.4826  # of a normal distribution


class AsinhStretch(ImageTransformer):
    r"""Bring faint arms and a bright bulge onto one scale, colours kept.

    With the intensity :math:`I`, the mean over the bands of the flux above black, each band
    :math:`b` becomes :math:`b\,f(I)/I`, where

    .. math:: f(I) = \sinh^{-1}(I/\beta) / \sinh^{-1}(M/\beta)

    is nearly linear below the softening :math:`\beta` and logarithmic above it, and 1 at the white
    level :math:`M`. All bands get the same factor, so a blue arm stays blue however bright. White
    and softening are learned from the training images: a test image never sets its own scale.

    Parameters
    ----------
    softening : float, default=None
        Flux above black at which the curve bends, in the unit of X. None learns the noise of
        the sky: 1.4826 times the median absolute deviation of the intensity.
    white : float, default=None
        Flux that becomes 1, in the unit of X. None learns the 99.9th percentile of the intensity.
    black : float, default=0.0
        Flux that becomes 0, in the unit of X: the level of the sky.
    clip : bool, default=True
        True as in the paper: flux below black becomes 0, intensity above white becomes white,
        and a pixel with a band above 1 is scaled down as a whole. False keeps the curve on both
        sides, so negative flux (noise around the sky) gives negative values.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, n_channels) of the images where X holds rows of
        pixels; None guesses a square.

    Attributes
    ----------
    softening_ : float
        Flux at which the curve bends, in the unit of X.
    white_ : float
        Flux that becomes 1, in the unit of X.
    image_shape_ : tuple of int
        (height, width, n_channels) of the training images.
    n_features_in_ : int
        Values in a training image.

    Notes
    -----
    White and softening come from about four million pixels of up to 1,000 training images, so that
    any number of them can be learned from in bounded memory.

    References
    ----------
    Lupton et al. (2004), PASP 116, 133, section 2: the mapping and its colours.
    """

    _parameter_constraints: dict = {
        **ImageTransformer._parameter_constraints,
        "softening": [POSITIVE, None],
        "white": [Interval(Real, None, None, closed="neither"), None],
        "black": [Interval(Real, None, None, closed="neither")],
        "clip": ["boolean"],
    }

    def __init__(self, softening=None, *, white=None, black=0.0, clip=True, image_shape=None):
        self.softening = softening
        self.white = white
        self.black = black
        self.clip = clip
        self.image_shape = image_shape

    def _learn(self, images):
        intensity = None
        if self.white is None or self.softening is None:
            pixels = sample_pixels("AsinhStretch", images)
            intensity = pixels.mean(axis=1, dtype=np.float64) - self.black
        self.white_ = float(self._white_of(intensity) if self.white is None else self.white)
        if self.white_ <= self.black:
            raise ValueError(
                f"The white level of AsinhStretch must lie above black={self.black:g}. Got "
                f"white={self.white_:g} instead."
            )
        self.softening_ = float(self.softening or self._noise_of(intensity))

    def _white_of(self, intensity):
        height = np.quantile(intensity, _WHITE_QUANTILE)
        height = height if height > 0 else intensity.max()
        if height <= 0:
            raise ValueError(
                f"AsinhStretch found no white level: no pixel of X lies above black={self.black:g}."
            )
        return self.black + height

    def _noise_of(self, intensity):
        deviation = np.abs(intensity - np.median(intensity))
        noise = _MAD_TO_SIGMA * np.median(deviation)
        return noise or 1e-3 * (self.white_ - self.black)  # an empty sky has no noise

    def transform_images(self, images):
        """Return the stretched images.

        Parameters
        ----------
        images : ndarray of shape (n, h, w, c)
            Flux; uint8 or floating point.

        Returns
        -------
        ndarray of shape (n, h, w, c)
            float64 for float64, else float32; 0 at black, 1 at white.
        """
        return map_images(self._stretch, images)

    def _stretch(self, image):
        number = float_type(image).type
        softening = number(self.softening_)
        top = np.arcsinh(number((self.white_ - self.black) / self.softening_))
        flux = image.astype(number) - number(self.black)
        intensity = flux.mean(axis=2, keepdims=True)
        curve = np.arcsinh(intensity / softening) / top
        if self.clip:
            np.clip(curve, 0, 1, out=curve)
        if image.shape[2] == 1:
            return curve
        at_zero = 0 if self.clip else 1 / (softening * top)  # the paper's rule; the limit
        factor = np.full_like(curve, at_zero)
        np.divide(curve, intensity, out=factor, where=intensity != 0)
        flux *= factor
        if self.clip:
            np.maximum(flux, 0, out=flux)
            flux /= np.maximum(flux.max(axis=2, keepdims=True), 1)
        return flux


class PercentileStretch(ImageTransformer):
    """Spread each image, or all of them alike, between its dark and its bright pixels.

    The percentile `lower` of the pixel values becomes 0 and `upper` becomes 1; what lies outside
    is clipped. Percentiles are taken over all bands together, so colours stay.

    Parameters
    ----------
    lower : float, default=1.0
        Percentile that becomes 0, from 0 to 100.
    upper : float, default=99.5
        Percentile that becomes 1, above `lower`.
    per : {"image", "training"}, default="image"
        Whose percentiles: each image's own, or those of the training images for all, which
        keeps one galaxy brighter than another.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, n_channels) of the images where X holds rows of
        pixels; None guesses a square.

    Attributes
    ----------
    levels_ : tuple of float
        Values that become 0 and 1, in the unit of X; only with ``per="training"``, from about four
        million pixels of up to 1,000 images.
    image_shape_ : tuple of int
        (height, width, n_channels) of the training images.
    n_features_in_ : int
        Values in a training image.
    """

    _parameter_constraints: dict = {
        **ImageTransformer._parameter_constraints,
        "lower": [Interval(Real, 0, 100, closed="both")],
        "upper": [Interval(Real, 0, 100, closed="both")],
        "per": [StrOptions({"image", "training"})],
    }

    def __init__(self, lower=1.0, *, upper=99.5, per="image", image_shape=None):
        self.lower = lower
        self.upper = upper
        self.per = per
        self.image_shape = image_shape

    def _learn(self, images):
        if self.lower >= self.upper:
            raise ValueError(
                "The lower percentile of PercentileStretch must lie below the upper. Got "
                f"lower={self.lower} and upper={self.upper} instead."
            )
        if self.per == "training":
            low, high = self._levels_of(sample_pixels("PercentileStretch", images))
            self.levels_ = float(low), float(high)

    def _levels_of(self, values):
        return np.percentile(values, [self.lower, self.upper])

    def transform_images(self, images):
        """Return the stretched images.

        Parameters
        ----------
        images : ndarray of shape (n, h, w, c)
            uint8 or floating point.

        Returns
        -------
        ndarray of shape (n, h, w, c)
            float64 for float64, else float32, from 0 to 1. An image whose two levels are one
            becomes 0 up to that level and 1 above it.
        """
        return map_images(self._stretch, images)

    def _stretch(self, image):
        number = float_type(image).type
        low, high = self._levels_of(image) if self.per == "image" else self.levels_
        if number(high) <= number(low):
            return (image > low).astype(number)
        shifted = image.astype(number) - number(low)
        shifted /= number(high) - number(low)
        return np.clip(shifted, 0, 1, out=shifted)
