"""Surface brightness of the parts of a galaxy, on a grid of pixels."""

import cv2
import numpy as np
from scipy.special import gamma, gammainc, gammaincinv, k1


def sersic(radius, half_light_radius, index):
    """Return a Sersic profile of total flux 1 for axis ratio 1.

    Parameters
    ----------
    radius : ndarray
        Elliptical radius in pixels.
    half_light_radius : float
        Radius that holds half of the light, in pixels.
    index : float
        Sersic index n; 1 is an exponential disk, 4 a de Vaucouleurs bulge.

    Returns
    -------
    ndarray
        Flux a square pixel, shaped like `radius`.

    References
    ----------
    Ciotti & Bertin (1999), A&A 352, 447, eqs. 1-4; b_n solved exactly.
    """
    b = gammaincinv(2 * index, 0.5)
    total = (
        2 * np.pi * index * half_light_radius**2 * np.exp(b) * b ** (-2 * index) * gamma(2 * index)
    )
    return np.exp(-b * ((radius / half_light_radius) ** (1 / index) - 1)) / total


def edge_on_disk(along, across, scale_length, scale_height):
    """Return an exponential disk seen from its side, total flux 1.

    References
    ----------
    van der Kruit & Searle (1981), A&A 95, 105, eq. 5: R/h K1(R/h) sech^2(z/z0).
    """
    r = np.maximum(np.abs(along) / scale_length, 1e-4)
    vertical = 1 / np.cosh(np.minimum(np.abs(across) / scale_height, 50)) ** 2
    return r * k1(r) * vertical / (2 * np.pi * scale_length * scale_height)


def light_within(radius, half_light_radius, index):
    """Return the share of a Sersic profile's light inside `radius`.

    References
    ----------
    Graham & Driver (2005), PASA 22, 118, eqs. 2 and 5.
    """
    b = gammaincinv(2 * index, 0.5)
    return gammainc(2 * index, b * (radius / half_light_radius) ** (1 / index))


EDGE_ON_HALF = 0.9413
"""Distance along an edge-on disk, in scale lengths, inside which half of its light lies."""


def arm_contrast(
    radius, angle, *, n_arms, pitch_angle, phase, inner_radius, winding=1, sharpness=2.5
):
    """Return the factor by which logarithmic spiral arms brighten a disk; it is positive.

    A crest follows r = inner_radius * exp(winding * (angle - phase) * tan(pitch_angle)).

    Parameters
    ----------
    radius, angle : ndarray
        Polar coordinates in the plane of the disk, in pixels and radians.
    n_arms : int
        Number of arms.
    pitch_angle : float
        In degrees: small is tightly wound.
    phase : float
        Angle of the first crest at `inner_radius`, in radians.
    inner_radius : float
        Where the arms begin, in pixels.
    winding : {1, -1}, default=1
        1 if the angle of a crest grows outwards, -1 if it falls.
    sharpness : float, default=2.5
        How narrow the crests are.
    """
    turned = np.log(np.maximum(radius, 0.3) / inner_radius) / np.tan(np.deg2rad(pitch_angle))
    crest = np.exp(sharpness * (np.cos(n_arms * (angle - phase - winding * turned)) - 1))
    begun = 1 / (1 + np.exp(-(radius - inner_radius) / (0.15 * inner_radius)))
    return 1 + begun * (crest / np.exp(sharpness * -0.72) - 1)


def bar(along, across, length, width):
    """Return a flat-topped bar of total flux 1; `length` and `width` are half of the whole."""
    shape = np.exp(-((np.abs(along) / length) ** 2.5 + (np.abs(across) / width) ** 2))
    return shape / (4 * gamma(1.4) * gamma(1.5) * length * width)


def moffat_kernel(fwhm, beta=3.0):
    """Return a Moffat point spread function that sums to 1, cut at four times its FWHM.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum in pixels.
    beta : float, default=3.0
        Strength of the wings.
    """
    reach = int(np.ceil(2 * fwhm)) * 2
    offsets = np.arange(-reach, reach + 1)
    width = fwhm / (2 * np.sqrt(2 ** (1 / beta) - 1))
    kernel = (1 + (offsets[:, None] ** 2 + offsets**2) / width**2) ** -beta
    return (kernel / kernel.sum()).astype(np.float32)


def convolve(image, kernel):
    """Return `image` (height, width, n_bands) blurred by `kernel`, its borders reflected."""
    return cv2.filter2D(image, cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT)


def lupton_rgb(bands, *, softening=8.0, stretch=24.0):
    """Return colours 0..1 from fluxes in three bands, red first, in units of the sky noise.

    References
    ----------
    Lupton et al. (2004), PASP 116, 133: the mean intensity is stretched by asinh, and all bands
    are scaled alike, so that colour does not depend on brightness.
    """
    intensity = np.maximum(bands.mean(axis=2, keepdims=True), 1e-3)
    stretched = np.arcsinh(softening * intensity / stretch) / np.arcsinh(softening * 6)
    rgb = bands * (stretched / intensity)
    return rgb / np.maximum(rgb.max(axis=2, keepdims=True), 1)
