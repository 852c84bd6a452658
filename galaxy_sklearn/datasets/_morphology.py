"""The types of galaxies, each drawn from its parts onto a frame."""

import cv2
import numpy as np
from scipy.optimize import brentq

from galaxy_sklearn.datasets._profiles import (
    EDGE_ON_HALF,
    arm_contrast,
    bar,
    edge_on_disk,
    light_within,
    sersic,
)

CLASS_SETS = {
    "galaxy_zoo_2": ("round", "in_between", "cigar", "edge_on", "spiral"),
    "hubble": ("E", "S0", "Sa", "Sb", "Sc", "SBa", "SBb", "SBc", "Irr"),
}

SUPERSAMPLING = 2
_BIN = 0.125  # width of the rings that light is counted in, in supersampled pixels
_CENTRE = 4  # pixels each way about a centre that are integrated, not sampled
_SUBPIXELS = (np.arange(6) - 2.5) / 6

# Relative fluxes in i, r, g: what makes bulges yellow and arms blue.
_OLD = np.array([1.26, 1.03, 0.68])
_DISK = np.array([1.10, 1.00, 0.85])
_YOUNG = np.array([0.98, 0.92, 1.14])
_BLUE = np.array([0.84, 0.92, 1.26])  # of late types

# type: (bulge fraction, pitch angle in degrees, barred, share of the disk's light in its arms)
_SPIRALS = {
    "Sa": ((0.30, 0.50), (6, 12), False, 0.45),
    "Sb": ((0.15, 0.28), (12, 20), False, 0.70),
    "Sc": ((0.02, 0.10), (20, 32), False, 0.85),
    "SBa": ((0.25, 0.40), (6, 12), True, 0.45),
    "SBb": ((0.10, 0.22), (12, 20), True, 0.70),
    "SBc": ((0.02, 0.08), (20, 32), True, 0.85),
}
_SMOOTH = {  # type: (axis ratio, Sersic index)
    "round": ((0.87, 1.0), (1.5, 5.0)),
    "in_between": ((0.50, 0.78), (1.0, 4.5)),
    "cigar": ((0.24, 0.40), (0.8, 2.0)),
    "E": ((0.45, 1.0), (3.0, 5.5)),
}
_BULGE_SIZE = 0.22  # half-light radius of a bulge in that of its disk
_BULGE_ROUNDNESS = 0.75  # a bulge is seen no flatter than this


class Stamp:
    """Coordinates of one supersampled frame about its centre, and the light on it.

    Parameters
    ----------
    side : int
        Of the frame, in image pixels.
    """

    def __init__(self, side):
        self.side = side * SUPERSAMPLING
        offsets = (np.arange(self.side) - (self.side - 1) / 2).astype(np.float32)
        self.x, self.y = np.meshgrid(offsets, -offsets)  # y grows upwards
        self.light = np.zeros((self.side, self.side, 3), np.float32)

    def add(self, profile, flux, colour):
        """Add a component of a total `flux` in the mean of the bands."""
        self.light += profile[..., None] * (flux * np.asarray(colour) / np.mean(colour)).astype(
            np.float32
        )

    def axes(self, angle, axis_ratio=1.0, centre=(0.0, 0.0)):
        """Return coordinates along and across an axis at `angle` (degrees), the latter stretched.

        So a circle in these coordinates is an ellipse of `axis_ratio` on the frame.
        """
        return _turn(self.x - centre[0], self.y - centre[1], angle, axis_ratio)

    def ellipse(self, profile, angle=0.0, axis_ratio=1.0, centre=(0.0, 0.0)):
        """Return a radial `profile` flattened to `axis_ratio`, its flux kept.

        Pixels about the centre, where a cusp would be missed, are integrated.
        """
        values = profile(np.hypot(*self.axes(angle, axis_ratio, centre)))
        column, row = (int(c + self.side / 2) for c in (centre[0], -centre[1]))
        rows, columns = (slice(max(0, at - _CENTRE), max(0, at + _CENTRE)) for at in (row, column))
        if values[rows, columns].size:
            x = self.x[rows, columns, None, None] - centre[0] + _SUBPIXELS
            y = self.y[rows, columns, None, None] - centre[1] + _SUBPIXELS[:, None]
            fine = profile(np.maximum(np.hypot(*_turn(x, y, angle, axis_ratio)), 1 / 12))
            values[rows, columns] = fine.mean((2, 3))
        return values / axis_ratio

    def texture(self, rng, scale):
        """Return smooth noise of mean 0 and unit scatter that changes over `scale` pixels."""
        cells = int(np.clip(np.ceil(self.side / scale), 4, self.side))
        coarse = rng.standard_normal((cells, cells)).astype(np.float32)
        field = cv2.resize(coarse, (self.side, self.side), interpolation=cv2.INTER_CUBIC)
        return (field - field.mean()) / field.std()


def _turn(x, y, angle, axis_ratio):
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    return x * cos + y * sin, (y * cos - x * sin) / axis_ratio


def _smooth(stamp, rng, truth, flux):
    shape, index = _SMOOTH[truth["class"]]
    truth["axis_ratio"] = q = rng.uniform(*shape)
    truth["sersic_n"] = n = rng.uniform(*index)
    reach = truth["half_light_radius"] * SUPERSAMPLING
    light = stamp.ellipse(lambda r: sersic(r, reach, n), truth["position_angle"], q)
    bluest = 1.6 if truth["class"] == "cigar" else 1.0  # most cigars are disks
    stamp.add(light, flux, _OLD + bluest * rng.uniform(0, 1) ** 2 * (_YOUNG - _OLD) * 0.6)


def _edge_on(stamp, rng, truth, flux):
    length = truth["half_light_radius"] * SUPERSAMPLING / EDGE_ON_HALF
    height = length * rng.uniform(0.18, 0.42)
    truth["bulge_fraction"] = bulge = rng.uniform(0.05, 0.4) if rng.random() < 0.7 else 0.0
    truth["axis_ratio"], truth["inclination"] = height / length, 90.0
    along, across = stamp.axes(truth["position_angle"])
    disk = edge_on_disk(along, across, length, height)
    stamp.add(disk, flux * (1 - bulge), _DISK + rng.uniform(-0.7, 0.9) * (_OLD - _DISK))
    if bulge:
        size, n = rng.uniform(0.35, 0.6) * length, rng.uniform(1.0, 2.5)
        profile = stamp.ellipse(lambda r: sersic(r, size, n), truth["position_angle"], 0.7)
        stamp.add(profile, flux * bulge, _OLD)
    truth["dust"] = depth = rng.uniform(0.5, 2.0) if rng.random() < 0.6 else 0.0
    thickness = np.minimum(np.abs(across) / (0.35 * height), 50)
    lane = np.exp(-np.abs(along) / (1.3 * length)) / np.cosh(thickness) ** 2
    stamp.light *= np.exp(-depth * lane[..., None] * [0.75, 1.0, 1.35]).astype(np.float32)


def half_light_radius(bulge, index, bar_share, bar_length):
    """Return the radius that holds half the light of a bulge, disk and bar, in that of the disk.

    Parameters
    ----------
    bulge, bar_share : float
        Shares of the light.
    index : float
        Sersic index of the bulge.
    bar_length : float
        Half length of the bar in half-light radii of the disk.
    """

    def missing(radius):
        in_bar = min(1.0, radius / (0.9 * bar_length)) if bar_share else 0.0
        return (
            bulge * light_within(radius, _BULGE_SIZE, index)
            + bar_share * in_bar
            + (1 - bulge - bar_share) * light_within(radius, 1.0, 1.0)
            - 0.5
        )

    return brentq(missing, 1e-3, 2.0)


def _disk(stamp, rng, truth, flux, *, bulge, pitch=None, barred=False, in_arms=0.0):
    truth["bulge_fraction"], truth["sersic_n"] = bulge, rng.uniform(1.2, 3.0)
    q = rng.uniform(0.5, 1.0)
    truth["axis_ratio"], truth["inclination"] = q, np.rad2deg(np.arccos(q))
    bar_share, bar_length = (rng.uniform(0.10, 0.2), rng.uniform(0.45, 0.7)) if barred else (0, 0)
    size = truth["half_light_radius"] * SUPERSAMPLING
    size /= half_light_radius(bulge, truth["sersic_n"], bar_share, bar_length)
    angle, disk_flux = truth["position_angle"], flux * (1 - bulge - bar_share)
    disk = stamp.ellipse(lambda r: sersic(r, size, 1.0), angle, q)
    phase = rng.uniform(0, 180)
    along, across = stamp.axes(angle, q)
    if barred:
        length = bar_length * size
        truth["bar_length"], truth["bar_angle"] = length / SUPERSAMPLING, phase
        u, v = _turn(along, across, phase, 1.0)
        stamp.add(bar(u, v, length, 0.3 * length) / q, flux * bar_share, _OLD)
    stamp.add(disk, disk_flux * (1 - in_arms), _DISK)
    if in_arms:
        truth["pitch_angle"] = rng.uniform(*pitch)
        truth["n_arms"] = int(rng.choice([2, 3, 4], p=[0.7, 0.2, 0.1]))
        start = bar_length * size if barred else 0.4 * size
        truth["winding"] = int(rng.choice([1, -1]))
        _arms(stamp, rng, truth, (along, across), phase, start, disk, disk_flux * in_arms)
    profile = stamp.ellipse(
        lambda r: sersic(r, _BULGE_SIZE * size, truth["sersic_n"]), angle, max(q, _BULGE_ROUNDNESS)
    )
    stamp.add(profile, flux * bulge, _OLD)


def _arms(stamp, rng, truth, plane, phase, start, disk, flux):
    """Add to a disk the light of its arms: wavering, lopsided and patchy."""
    along, across = plane
    radius, angle = np.hypot(along, across), np.arctan2(across, along)
    waver = rng.uniform(0.05, 0.25) * stamp.texture(rng, 2.5 * start)
    arms = disk * arm_contrast(
        radius,
        angle + waver,
        n_arms=truth["n_arms"],
        pitch_angle=truth["pitch_angle"],
        phase=np.deg2rad(phase),
        inner_radius=start,
        winding=truth["winding"],
        sharpness=rng.uniform(0.8, 2.0),
    )
    arms *= 1 + rng.uniform(0, 0.4) * np.cos(angle - rng.uniform(0, 2 * np.pi))
    patches = rng.uniform(0.2, 0.6) * stamp.texture(rng, 0.6 * start)
    arms *= np.exp(patches + 0.3 * stamp.texture(rng, 0.25 * start))
    late = truth["pitch_angle"] > 20
    stamp.add(arms * (disk.sum() / arms.sum()), flux, _BLUE if late else _YOUNG)


def _irregular(stamp, rng, truth, flux):
    reach = truth["half_light_radius"] * SUPERSAMPLING
    truth["axis_ratio"] = q = rng.uniform(0.4, 0.9)
    angle = truth["position_angle"]
    body = stamp.ellipse(
        lambda r: sersic(r, 1.1 * reach, 0.8), angle, q, centre=rng.normal(0, 0.15 * reach, 2)
    )
    patchy = body * np.exp(0.35 * stamp.texture(rng, 0.6 * reach))
    stamp.add(patchy * (body.sum() / patchy.sum()), 0.65 * flux, (_DISK + _BLUE) / 2)
    for share in rng.dirichlet(np.ones(rng.integers(4, 10))):
        size = rng.uniform(0.1, 0.35) * reach
        knot = stamp.ellipse(
            lambda r, size=size: sersic(r, size, 1.0), centre=rng.normal(0, 0.6 * reach, 2)
        )
        stamp.add(knot, 0.35 * flux * share, _BLUE)


def draw_galaxy(stamp, rng, truth, flux):
    """Draw a galaxy of ``truth["class"]`` onto `stamp` and complete `truth`.

    Parameters
    ----------
    stamp : Stamp
        An empty frame.
    rng : Generator
        Random numbers.
    truth : dict
        Holds class, position_angle (degrees) and half_light_radius (image pixels), which bars,
        arms, knots and dust may change: `measure` tells what came of it.
    flux : float
        Of the whole galaxy, in the mean of the bands, a supersampled pixel.
    """
    kind = truth["class"]
    if kind in _SMOOTH:
        _smooth(stamp, rng, truth, flux)
    elif kind == "edge_on":
        _edge_on(stamp, rng, truth, flux)
    elif kind == "Irr":
        _irregular(stamp, rng, truth, flux)
    elif kind == "S0":
        _disk(stamp, rng, truth, flux, bulge=rng.uniform(0.35, 0.6))
    else:
        options = list(_SPIRALS) if kind == "spiral" else [kind]
        bulge, pitch, barred, in_arms = _SPIRALS[options[rng.integers(len(options))]]
        if kind == "spiral":  # volunteers see arms where they stand out
            pitch, in_arms = (8, 32), max(in_arms, 0.7)
        bulge = rng.uniform(*bulge)
        _disk(stamp, rng, truth, flux, bulge=bulge, pitch=pitch, barred=barred, in_arms=in_arms)


def measure(stamp, truth):
    """Write into `truth` the flux and the half-light radius of what is drawn on `stamp`.

    Parameters
    ----------
    stamp : Stamp
        Frame with the galaxy alone.
    truth : dict
        Of `draw_galaxy`; flux becomes that of the frame in the mean of the bands, a pixel of
        the image, and half_light_radius is in pixels of the image.
    """
    along, across = stamp.axes(truth["position_angle"], truth["axis_ratio"])
    radius = np.abs(along) if truth["class"] == "edge_on" else np.hypot(along, across)
    bins = (radius / _BIN).astype(np.intp)
    within = np.cumsum(np.bincount(bins.ravel(), stamp.light.mean(2).ravel()))
    at = int(np.searchsorted(within, within[-1] / 2))
    before = within[at - 1] if at else 0.0
    reached = at + (within[-1] / 2 - before) / (within[at] - before)
    truth["flux"] = within[-1] / SUPERSAMPLING**2
    truth["half_light_radius"] = reached * _BIN / SUPERSAMPLING


def add_companions(stamp, rng, mean_number, brightness):
    """Scatter stars and small galaxies over the outer frame.

    Parameters
    ----------
    stamp : Stamp
        Frame with the galaxy.
    rng : Generator
        Random numbers.
    mean_number : float
        Of companions.
    brightness : float
        Flux that bright companions approach.
    """
    for _ in range(rng.poisson(mean_number)):
        distance, angle = stamp.side * rng.uniform(0.22, 0.65), rng.uniform(0, 2 * np.pi)
        centre = distance * np.cos(angle), distance * np.sin(angle)
        flux = brightness * 10 ** rng.uniform(-2.6, -0.7)
        colour = (_OLD, _DISK, _YOUNG)[rng.choice(3)] + rng.normal(0, 0.15, 3)
        if rng.random() < 0.5:
            size, n, q = 0.6, 0.5, 1.0  # a star, before the point spread function
        else:
            size, n, q = stamp.side * rng.uniform(0.006, 0.02), 1.5, rng.uniform(0.4, 1)
        profile = stamp.ellipse(
            lambda r, size=size, n=n: sersic(r, size, n), rng.uniform(0, 180), q, centre
        )
        stamp.add(profile, flux, np.maximum(colour, 0.1))
