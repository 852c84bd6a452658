"""Galaxies made by a recipe whose parameters are known."""

from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from galaxy_sklearn.datasets._profiles import (
    arm_contrast,
    bar,
    convolve,
    edge_on_disk,
    lupton_rgb,
    moffat_kernel,
    sersic,
)

CLASS_SETS = {
    "galaxy_zoo_2": ("round", "in_between", "cigar", "edge_on", "spiral"),
    "hubble": ("E", "S0", "Sa", "Sb", "Sc", "SBa", "SBb", "SBc", "Irr"),
}

_SUPERSAMPLING = 2
_SKY_NOISE = 0.6  # of a typical cutout, in the unit of `lupton_rgb`
_GOLDEN = 0.6180339887498949  # fractional parts of its multiples fill [0, 1) evenly

# Relative fluxes in i, r, g: what makes bulges yellow and arms blue.
_OLD = np.array([1.28, 1.02, 0.70])
_DISK = np.array([1.05, 1.00, 0.92])
_YOUNG = np.array([0.80, 0.97, 1.25])

# type: (bulge fraction, pitch angle in degrees, barred, arm strength)
_SPIRALS = {
    "Sa": ((0.35, 0.55), (6, 12), False, 0.5),
    "Sb": ((0.18, 0.32), (12, 20), False, 0.8),
    "Sc": ((0.03, 0.12), (20, 32), False, 1.0),
    "SBa": ((0.30, 0.45), (6, 12), True, 0.5),
    "SBb": ((0.15, 0.28), (12, 20), True, 0.8),
    "SBc": ((0.03, 0.10), (20, 32), True, 1.0),
}
_SMOOTH = {  # type: (axis ratio, Sersic index)
    "round": ((0.87, 1.0), (2.0, 5.0)),
    "in_between": ((0.50, 0.78), (1.5, 4.5)),
    "cigar": ((0.18, 0.33), (1.0, 2.5)),
    "E": ((0.45, 1.0), (3.0, 5.5)),
}


class _Stamp:
    """Coordinates of one supersampled frame about its centre, and the light on it."""

    def __init__(self, side):
        self.side = side * _SUPERSAMPLING
        offsets = np.arange(self.side) - (self.side - 1) / 2
        self.x, self.y = np.meshgrid(offsets, -offsets)  # y grows upwards
        self.light = np.zeros((self.side, self.side, 3), np.float32)

    def turned(self, angle, centre=(0.0, 0.0)):
        """Return coordinates along and across an axis at `angle` (radians) about `centre`."""
        x, y = self.x - centre[0], self.y - centre[1]
        cos, sin = np.cos(angle), np.sin(angle)
        return x * cos + y * sin, y * cos - x * sin

    def add(self, profile, flux, colour):
        """Add a component of a total `flux` in the mean of the bands."""
        self.light += (flux * profile[..., None] * colour).astype(np.float32)


def _smooth(stamp, rng, truth, flux):
    (low, high), index = _SMOOTH[truth["class"]]
    truth["axis_ratio"] = q = rng.uniform(low, high)
    truth["sersic_n"] = n = rng.uniform(*index)
    along, across = stamp.turned(np.deg2rad(truth["position_angle"]))
    radius = np.sqrt(along**2 * q + across**2 / q)
    colour = _OLD + rng.uniform(-0.1, 0.25) * (_DISK - _OLD)
    stamp.add(sersic(radius, truth["half_light_radius"] * _SUPERSAMPLING, n), flux, colour)


def _edge_on(stamp, rng, truth, flux):
    reach = truth["half_light_radius"] * _SUPERSAMPLING
    length, height = 0.75 * reach, 0.75 * reach * rng.uniform(0.08, 0.2)
    truth["bulge_fraction"] = bulge = rng.uniform(0, 0.4) * (rng.random() < 0.7)
    truth["axis_ratio"], truth["inclination"] = height / length, 90.0
    along, across = stamp.turned(np.deg2rad(truth["position_angle"]))
    stamp.add(edge_on_disk(along, across, length, height), flux * (1 - bulge), _DISK)
    if bulge:
        radius = np.sqrt(along**2 * 0.7 + across**2 / 0.7)
        stamp.add(sersic(radius, 0.35 * reach, rng.uniform(1.5, 3)), flux * bulge, _OLD)
    truth["dust"] = depth = rng.uniform(0.6, 2.0) if rng.random() < 0.6 else 0.0
    thickness = np.minimum(np.abs(across) / (0.35 * height), 50)
    lane = np.exp(-np.abs(along) / (1.3 * length)) / np.cosh(thickness) ** 2
    stamp.light *= np.exp(-depth * lane[..., None] * [0.75, 1.0, 1.35]).astype(np.float32)


def _disk(stamp, rng, truth, flux, *, bulge, pitch=None, barred=False, strength=0.0):
    reach = truth["half_light_radius"] * _SUPERSAMPLING
    truth["bulge_fraction"] = bulge
    truth["inclination"] = inclination = np.rad2deg(np.arccos(rng.uniform(0.5, 1.0)))
    truth["axis_ratio"] = q = np.cos(np.deg2rad(inclination))
    along, across = stamp.turned(np.deg2rad(truth["position_angle"]))
    across = across / q
    radius, angle = np.hypot(along, across), np.arctan2(across, along)
    disk = sersic(radius, 1.15 * reach, 1.0) / q
    bar_flux, start = 0.0, 0.45 * reach
    if barred:
        truth["bar_length"] = length = rng.uniform(0.5, 0.85) * truth["half_light_radius"]
        start, bar_flux = length * _SUPERSAMPLING, rng.uniform(0.12, 0.22)
        phase = rng.uniform(0, np.pi)
        u = along * np.cos(phase) + across * np.sin(phase)
        v = across * np.cos(phase) - along * np.sin(phase)
        stamp.add(bar(u, v, start, 0.28 * start) / q, flux * bar_flux, _OLD)
    stamp.add(disk, flux * (1 - bulge - bar_flux) * (1 - 0.6 * strength), _DISK)
    if strength:
        truth["pitch_angle"] = rng.uniform(*pitch)
        truth["n_arms"] = n_arms = int(rng.choice([2, 3, 4], p=[0.7, 0.2, 0.1]))
        arms = disk * arm_contrast(
            radius,
            angle,
            n_arms=n_arms,
            pitch_angle=truth["pitch_angle"],
            phase=phase if barred else rng.uniform(0, np.pi),
            inner_radius=start,
        )
        stamp.add(arms, flux * (1 - bulge - bar_flux) * 0.6 * strength, _YOUNG)
    radius = np.sqrt(along**2 + (across * q / max(q, 0.75)) ** 2)
    stamp.add(sersic(radius, 0.3 * reach, rng.uniform(1.5, 3.5)), flux * bulge, _OLD)


def _irregular(stamp, rng, truth, flux):
    reach = truth["half_light_radius"] * _SUPERSAMPLING
    truth["axis_ratio"] = q = rng.uniform(0.4, 0.9)
    angle = np.deg2rad(truth["position_angle"])
    along, across = stamp.turned(angle, centre=rng.normal(0, 0.2 * reach, 2))
    stamp.add(sersic(np.sqrt(along**2 * q + across**2 / q), reach, 1.0), 0.6 * flux, _DISK)
    for share in rng.dirichlet(np.ones(rng.integers(4, 10))):
        along, across = stamp.turned(angle, centre=rng.normal(0, 0.7 * reach, 2))
        knot = sersic(np.hypot(along, across), rng.uniform(0.1, 0.3) * reach, 1.0)
        stamp.add(knot, 0.4 * flux * share, _YOUNG)


def _draw(stamp, rng, truth, flux):
    kind = truth["class"]
    if kind in _SMOOTH:
        _smooth(stamp, rng, truth, flux)
    elif kind == "edge_on":
        _edge_on(stamp, rng, truth, flux)
    elif kind == "Irr":
        _irregular(stamp, rng, truth, flux)
    elif kind == "S0":
        _disk(stamp, rng, truth, flux, bulge=rng.uniform(0.4, 0.7))
    else:
        options = list(_SPIRALS) if kind == "spiral" else [kind]
        bulge, pitch, barred, strength = _SPIRALS[options[rng.integers(len(options))]]
        strength = strength if kind != "spiral" else max(strength, 0.75)
        pitch = pitch if kind != "spiral" else (8, 32)
        _disk(
            stamp,
            rng,
            truth,
            flux,
            bulge=rng.uniform(*bulge),
            pitch=pitch,
            barred=barred,
            strength=strength,
        )


def _add_companions(stamp, rng, mean_number, brightness):
    """Scatter stars and small galaxies over the outer frame."""
    for _ in range(rng.poisson(mean_number)):
        distance, angle = stamp.side * rng.uniform(0.24, 0.6), rng.uniform(0, 2 * np.pi)
        centre = distance * np.cos(angle), distance * np.sin(angle)
        flux = brightness * 10 ** rng.uniform(-2.2, -0.6)
        along, across = stamp.turned(rng.uniform(0, np.pi), centre)
        tint = rng.choice(3)
        colour = (_OLD, _DISK, _YOUNG)[tint] + rng.normal(0, 0.1, 3)
        if rng.random() < 0.5:
            stamp.add(np.exp(-(along**2 + across**2) / 0.72) / 2.26, flux, colour)
        else:
            q = rng.uniform(0.4, 1)
            radius = np.sqrt(along**2 * q + across**2 / q)
            stamp.add(sersic(radius, stamp.side * rng.uniform(0.008, 0.025), 1.5), flux, colour)


def _render(rng, kind, *, image_size, noise, kernel, size, neighbours):
    low, high = size
    truth = {"class": kind, "position_angle": rng.uniform(0, 180)}
    longer = {"cigar": 1.4, "edge_on": 1.25}.get(kind, 1.25 if kind not in _SMOOTH else 1.0)
    truth["half_light_radius"] = image_size * rng.uniform(low, high) * longer
    area = truth["half_light_radius"] ** 2 * _SUPERSAMPLING**2
    peak = np.exp(rng.uniform(np.log(25), np.log(130)))
    peak *= {"cigar": 0.5, "edge_on": 0.35, "spiral": 0.7}.get(kind, 1.0)
    flux = truth["flux"] = peak * area
    stamp = _Stamp(image_size)
    _draw(stamp, rng, truth, flux)
    _add_companions(stamp, rng, neighbours, flux)
    light = convolve(stamp.light, kernel) if kernel is not None else stamp.light
    light = light.reshape(image_size, _SUPERSAMPLING, image_size, _SUPERSAMPLING, 3).mean((1, 3))
    sky = rng.normal(0, 1, light.shape) * np.sqrt(1 + np.maximum(light, 0) * 0.15)
    rgb = lupton_rgb(light + _SKY_NOISE * noise * sky + 0.2)
    return (rgb.clip(0, 1) * 255).round().astype(np.uint8), truth


def _class_names(classes):
    if isinstance(classes, str):
        if classes not in CLASS_SETS:
            raise ValueError(
                f"make_galaxies knows the class sets {', '.join(CLASS_SETS)}; got {classes!r}."
            )
        return CLASS_SETS[classes]
    known = [name for names in CLASS_SETS.values() for name in names]
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
        return isinstance(value, Integral) and value >= least

    low, high = size
    rules = [
        (whole(n_samples, 1), "n_samples must be a whole number of at least 1", n_samples),
        (whole(image_size, 8), "image_size must be a whole number of at least 8", image_size),
        (noise >= 0, "noise must not be negative", noise),
        (psf is None or psf > 0, "psf must be a positive number of pixels or None", psf),
        (0 < low <= high < 0.5, "size must be two growing fractions below 0.5", size),
        (neighbours >= 0, "neighbours must not be negative", neighbours),
        (
            weights is None or (len(weights) == n_classes and min(weights) >= 0 < sum(weights)),
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
    psf=1.5,
    size=(0.05, 0.11),
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
    psf : float or None, default=1.5
        Full width at half maximum of the point spread function in pixels; None leaves it out.
    size : tuple of float, default=(0.05, 0.11)
        Range of the half-light radius as a fraction of `image_size`; disks reach further.
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
        Only with `return_parameters`: class, position_angle (degrees, counter-clockwise from the
        horizontal), half_light_radius (pixels), flux, axis_ratio, sersic_n, bulge_fraction,
        inclination (degrees), pitch_angle (degrees), n_arms, bar_length (pixels), dust (optical
        depth); NaN where a galaxy has no such part.

    Raises
    ------
    ValueError
        If a class is unknown or a parameter is out of range.

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
    kernel = None if psf is None else moffat_kernel(psf * _SUPERSAMPLING)
    images = np.empty((n_samples, image_size, image_size, 3), np.uint8)
    truths = []
    for number, kind in enumerate(kinds):
        images[number], truth = _render(
            np.random.default_rng([seed, number]),
            names[kind],
            image_size=image_size,
            noise=noise,
            kernel=kernel,
            size=size,
            neighbours=neighbours,
        )
        truths.append(truth)
    labels = np.asarray(names)[kinds]
    return (images, labels, pd.DataFrame(truths)) if return_parameters else (images, labels)
