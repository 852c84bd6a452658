"""Galaxies made by a recipe whose parameters are known."""

from collections.abc import Iterable
from numbers import Integral, Real

import cv2
import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from galaxy_sklearn.datasets._morphology import (
    CLASS_SETS,
    SUPERSAMPLING,
    Stamp,
    add_companions,
    draw_galaxy,
    measure,
)
from galaxy_sklearn.datasets._profiles import convolve, lupton_rgb, moffat_kernel

_SKY_NOISE = 0.25  # of a typical cutout, in the unit of `lupton_rgb`
_NOISE_SCATTER = 0.3  # of its logarithm between cutouts, which are scaled to their galaxies
_SKY_LEVEL = 0.18  # left by the survey's subtraction, in the same unit
_GAIN = 0.15  # photon noise: variance over flux, both in units of the sky's
_SHARED_NOISE = 0.5  # share of the noise's variance that all bands have in common
_SEEING = (0.016, 0.030)  # FWHM of cutouts scaled to their galaxies, in sides of the frame
_GRAIN = (0.004, 0.011)  # width of the noise's correlation, in sides of the frame
_GOLDEN = 0.6180339887498949  # fractional parts of its multiples fill [0, 1) evenly

# Of the table of parameters.
_COLUMNS = (
    "class", "position_angle", "half_light_radius", "flux", "psf", "axis_ratio", "sersic_n",
    "bulge_fraction", "inclination", "pitch_angle", "n_arms", "winding", "bar_length", "bar_angle",
    "dust",
)  # fmt: skip

# Faint and bright centres, in the unit of `lupton_rgb`; and what makes types fainter or larger.
_PEAK = (35.0, 150.0)
_DIMMER = {"cigar": 0.75, "edge_on": 0.7, "spiral": 0.9, "Irr": 0.6, "Sc": 0.7, "SBc": 0.7}
_LONGER = {"cigar": 1.15, "spiral": 1.1, "edge_on": 0.85}


def galaxy_light(rng, kind, *, image_size, psf, size, neighbours):
    """Return the noiseless light of one galaxy and the truth about it.

    Parameters
    ----------
    rng : Generator
        Random numbers.
    kind : str
        Class name.
    image_size, psf, size, neighbours
        As in `make_galaxies`.

    Returns
    -------
    light : ndarray of shape (image_size, image_size, 3)
        Flux a pixel in three bands, red first, in the unit of `lupton_rgb`.
    truth : dict
        The true parameters.
    """
    truth = {"class": kind, "position_angle": rng.uniform(0, 180)}
    radius = image_size * rng.uniform(*size) * _LONGER.get(kind, 1.0)
    truth["half_light_radius"] = radius
    peak = np.exp(rng.uniform(*np.log(_PEAK))) * _DIMMER.get(kind, 1.0)
    flux = peak * radius**2
    stamp = Stamp(image_size)
    draw_galaxy(stamp, rng, truth, flux * SUPERSAMPLING**2)
    stamp.light *= np.exp(rng.normal(0, 0.05, 2) @ [[1, 0, -1], [0.2, -0.4, 0.2]]).astype(
        np.float32
    )
    measure(stamp, truth)
    add_companions(stamp, rng, neighbours, flux * SUPERSAMPLING**2)
    light = stamp.light
    truth["psf"] = fwhm = image_size * rng.uniform(*_SEEING) if psf == "auto" else psf
    if fwhm is not None:
        light = convolve(light, moffat_kernel(fwhm * SUPERSAMPLING))
    shape = (image_size, SUPERSAMPLING, image_size, SUPERSAMPLING, 3)
    return light.reshape(shape).mean((1, 3)), truth


def sky_noise(rng, light, noise):
    """Return noise for `light`: of the sky and its photons, grainy, partly shared by the bands.

    Its standard deviation where there is no light is `noise` times that of a typical cutout.
    """
    height, width, n_bands = light.shape
    field = rng.standard_normal((height, width, n_bands + 1), dtype=np.float32)
    reach = height * rng.uniform(*_GRAIN)
    kernel = cv2.getGaussianKernel(2 * int(np.ceil(3 * reach)) + 1, reach).astype(np.float32)
    grainy = cv2.sepFilter2D(field, cv2.CV_32F, kernel, kernel) / (kernel**2).sum()
    mixed = np.sqrt(_SHARED_NOISE) * grainy[..., :1] + np.sqrt(1 - _SHARED_NOISE) * grainy[..., 1:]
    return _SKY_NOISE * noise * mixed * np.sqrt(1 + _GAIN * np.maximum(light, 0) / _SKY_NOISE)


def _render(rng, kind, noise, **options):
    light, truth = galaxy_light(rng, kind, **options)
    noise *= np.exp(rng.normal(0, _NOISE_SCATTER))
    rgb = lupton_rgb(light + sky_noise(rng, light, noise) + _SKY_LEVEL)
    return (rgb.clip(0, 1) * 255).round().astype(np.uint8), truth


def _class_names(classes):
    if isinstance(classes, str):
        if classes not in CLASS_SETS:
            raise ValueError(
                f"make_galaxies knows the class sets {', '.join(CLASS_SETS)}; got {classes!r}."
            )
        return CLASS_SETS[classes]
    known = [name for names in CLASS_SETS.values() for name in names]
    if not isinstance(classes, Iterable):
        raise ValueError(
            f"make_galaxies takes as classes one of the sets {', '.join(CLASS_SETS)} or a sequence "
            f"of class names; got {classes!r}."
        )
    names = list(classes)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(
            f"make_galaxies makes the classes {', '.join(known)}; got "
            f"{unknown[0] if unknown else names!r}."
        )
    return tuple(names)


def _check(n_samples, image_size, noise, psf, size, neighbours, weights, n_classes):
    def whole(value, least):
        return isinstance(value, Integral) and not isinstance(value, bool) and value >= least

    def number(value, least=0.0):
        return isinstance(value, Real) and least <= value < np.inf

    def shares(values):
        values = np.asarray(values)
        fits = values.shape == (n_classes,) and values.dtype.kind in "iuf"
        return fits and np.isfinite(values).all() and values.min() >= 0 < values.sum()

    pair = np.shape(size) == (2,) and all(map(number, size))
    rules = [
        (whole(n_samples, 1), "n_samples must be a whole number of at least 1", n_samples),
        (whole(image_size, 8), "image_size must be a whole number of at least 8", image_size),
        (number(noise), "noise must not be negative", noise),
        (
            psf is None or (psf == "auto" if isinstance(psf, str) else number(psf) and psf > 0),
            "psf must be 'auto', a positive number of pixels or None",
            psf,
        ),
        (pair and 0 < size[0] <= size[1] < 0.5, "size must be two rising shares below 0.5", size),
        (number(neighbours), "neighbours must not be negative", neighbours),
        (
            weights is None or shares(weights),
            f"weights must be {n_classes} non-negative shares",
            weights,
        ),
    ]
    for holds, sentence, value in rules:
        if not holds:
            raise ValueError(f"make_galaxies: {sentence}. Got {value!r} instead.")


def make_galaxies(
    n_samples=100,
    *,
    image_size=64,
    classes="galaxy_zoo_2",
    weights=None,
    noise=1.0,
    psf="auto",
    size=(0.075, 0.125),
    neighbours=2.0,
    return_parameters=False,
    random_state=None,
):
    """Make colour images of galaxies whose true shapes are known.

    Bulges, disks and ellipticals are Sersic profiles, edge-on disks have a sech^2 height and a
    dust lane, arms are logarithmic spirals, bars are flat-topped; old light is yellow and young
    light blue. Stars and small galaxies lie around. A Moffat function blurs all, sky and photon
    noise are added, and the three bands become colours as in the cutouts of the Sloan survey.

    Parameters
    ----------
    n_samples : int, default=100
        Number of galaxies.
    image_size : int, default=64
        Side of the square images in pixels; at least 8.
    classes : str or sequence of str, default="galaxy_zoo_2"
        ``"galaxy_zoo_2"`` (round, in_between, cigar, edge_on, spiral), ``"hubble"`` (E, S0, Sa,
        Sb, Sc, SBa, SBb, SBc, Irr), or any of these names.
    weights : sequence of float, default=None
        Share of each class; None makes them equally frequent. The shares of any long run of
        galaxies keep to them closely.
    noise : float, default=1.0
        Noise relative to that of a typical cutout; 0 makes noiseless images.
    psf : float, "auto" or None, default="auto"
        Full width at half maximum of the point spread function in pixels; ``"auto"`` draws it
        for each image from 1.6 to 3 % of `image_size`, as in cutouts that are scaled to their
        galaxies; None leaves it out.
    size : tuple of float, default=(0.075, 0.125)
        Range of the profile's half-light radius as a fraction of `image_size`; spirals and
        cigars get 10 to 15 % more, edge-on disks 15 % less, as in the survey's cutouts. The one
        that is measured in the frame differs: the frame cuts the wings of ellipticals, which takes
        up to a quarter off, and bulges, bars, arms, knots and dust move light (of edge-on disks
        down to half of it).
    neighbours : float, default=2.0
        Mean number of stars and small galaxies in a frame.
    return_parameters : bool, default=False
        Return the true parameters too.
    random_state : int, RandomState instance or None, default=None
        Seed. The first galaxies of a longer run are those of a shorter one.

    Returns
    -------
    images : ndarray of shape (n_samples, image_size, image_size, 3), uint8
        Red, green and blue.
    labels : ndarray of shape (n_samples,)
        Class names.
    parameters : DataFrame of n_samples rows
        Only with `return_parameters`; NaN where a galaxy has no such part. class;
        position_angle, degrees counter-clockwise from the horizontal; half_light_radius, pixels
        along the major axis to the ellipse of axis_ratio about the centre that holds half of the
        light (of an edge-on disk: to the line that does); flux, mean of the bands before the
        stretch, both measured on the galaxy alone in its frame, before the blur; psf, pixels;
        axis_ratio,
        minor over major (of an edge-on disk: scale height over scale length); sersic_n, of an
        elliptical or a bulge; bulge_fraction; inclination, degrees from face-on; pitch_angle,
        degrees; n_arms; winding, 1 if the arms turn counter-clockwise on their way out and -1 if
        clockwise; bar_length, half of the whole in pixels, and bar_angle, degrees from the
        major axis, both in the plane of the disk; dust, optical depth of the lane.

    Raises
    ------
    ValueError
        If `classes` is neither a set nor a sequence, a class is unknown, or a parameter is out of
        range.

    Examples
    --------
    >>> from galaxy_sklearn.datasets import make_galaxies
    >>> images, labels = make_galaxies(5, image_size=32, random_state=0)
    >>> images.shape
    (5, 32, 32, 3)
    """
    names = _class_names(classes)
    _check(n_samples, image_size, noise, psf, size, neighbours, weights, len(names))
    seed = check_random_state(random_state).randint(2**31 - 1)
    shares = np.cumsum(np.ones(len(names)) if weights is None else np.asarray(weights, float))
    position = (np.random.default_rng(seed).random() + np.arange(n_samples) * _GOLDEN) % 1
    kinds = np.searchsorted(shares / shares[-1], position, side="right")
    images = np.empty((n_samples, image_size, image_size, 3), np.uint8)
    truths = []
    for number, kind in enumerate(kinds):
        images[number], truth = _render(
            np.random.default_rng([seed, number]),
            names[kind],
            noise,
            image_size=image_size,
            psf=psf,
            size=size,
            neighbours=neighbours,
        )
        truths.append(truth)
    labels = np.asarray(names)[kinds]
    if not return_parameters:
        return images, labels
    return images, labels, pd.DataFrame(truths, columns=_COLUMNS)
