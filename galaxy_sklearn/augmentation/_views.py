"""The views of a galaxy that prediction averages over."""

import math
from numbers import Integral, Real
from typing import NamedTuple

import torch

from galaxy_sklearn._values import ValueObject
from galaxy_sklearn.augmentation._warp import warp


class View(NamedTuple):
    """One deterministic view: a field of view, a rotation, a symmetry of the square.

    Parameters
    ----------
    scale : float, default=1.0
        Field seen, relative to the field of plain prediction.
    quarter_turns : int, default=0
        Rotation in units of 90 degrees.
    mirror : bool, default=False
        Mirror left and right before that rotation.
    angle : float, default=0.0
        Rotation in degrees before both, in the same direction; the image is resampled for it.
    """

    scale: float = 1.0
    quarter_turns: int = 0
    mirror: bool = False
    angle: float = 0.0

    def keeping_sides(self, size):
        """Return the view that leaves images of (height, width) so: quarter turns are resampled."""
        if size[0] == size[1] or self.quarter_turns % 2 == 0:
            return self
        angle = -90.0 * self.quarter_turns if self.mirror else 90.0 * self.quarter_turns
        return self._replace(angle=self.angle + angle, quarter_turns=0)

    def turn(self, images):
        """Return `images` (n, n_channels, height, width) mirrored and quarter-turned, exactly."""
        if self.mirror:
            images = images.flip(3)
        return torch.rot90(images, self.quarter_turns, (2, 3)) if self.quarter_turns else images


def _is_positive(value):
    """Tell whether a value is a positive, finite number."""
    return isinstance(value, Real) and not isinstance(value, bool) and 0 < value < math.inf


def _are_positive(values):
    """Tell whether values are a sequence of positive, finite numbers, of one at least."""
    try:
        return len(values) > 0 and all(map(_is_positive, values))
    except TypeError:
        return False


class MultiScaleCrop(ValueObject):
    """Views of central crops of several sizes in pixels, for `tta`.

    Each crop is resized, and the network sees the central part of that: Zhu's crops of Q pixels
    become 80 pixels wide, of which the central 64 are kept.

    Parameters
    ----------
    sizes : sequence of int
        Sides of the crops, in pixels of the raw image.
    central : float, default=0.8
        Part of each crop that is seen, above 0 and at most 1.

    Raises
    ------
    ValueError
        If `sizes` is no sequence of positive, finite numbers, or `central` is out of range.

    References
    ----------
    Zhu et al. (2019), Ap&SS 364, 55, section 4.2: Q = 180, 200, 220, 240.
    """

    def __init__(self, sizes, *, central=0.8):
        if not _are_positive(sizes):
            raise ValueError(
                f"MultiScaleCrop needs positive sizes such as [180, 200]; got {sizes!r}."
            )
        if not (isinstance(central, Real) and 0 < central <= 1):
            raise ValueError(
                f"MultiScaleCrop needs central, the part seen, above 0 and at most 1; got "
                f"{central!r}."
            )
        self.sizes = tuple(sizes)
        self.central = central

    def __repr__(self):
        return f"MultiScaleCrop({list(self.sizes)}, central={self.central})"

    def scales(self, side, field):
        """Return the fields of view relative to `field`, for images of `side` pixels.

        Raises ValueError if a crop is larger than the images.
        """
        if max(self.sizes) > side:
            raise ValueError(
                f"MultiScaleCrop takes crops of up to {max(self.sizes)} pixels; the images' "
                f"shorter side has {side}."
            )
        return [size * self.central / side / field for size in self.sizes]


class RotatedViews(ValueObject):
    """Views turned by evenly spaced angles, at several fields of view and mirrored, for `tta`.

    Parameters
    ----------
    n_angles : int, default=10
        Rotations, 360 / `n_angles` degrees apart.
    fields : sequence of float, default=(1.0,)
        Fields of view relative to the plain one.
    mirror : bool, default=True
        Take the mirror image of each too.

    Raises
    ------
    ValueError
        If `n_angles` is no whole number of at least 1, there is no field, or a field is not
        positive and finite.

    References
    ----------
    Dieleman, Willett & Dambre (2015), MNRAS 450, 1441: ten rotations, zooms of 1 / 1.2, 1 and 1.2
    and mirror images, 60 views in all.

    Examples
    --------
    >>> from galaxy_sklearn.augmentation import RotatedViews, prediction_views
    >>> len(prediction_views(RotatedViews(10, fields=(1 / 1.2, 1.0, 1.2))))
    60
    """

    def __init__(self, n_angles=10, *, fields=(1.0,), mirror=True):
        counted = isinstance(n_angles, Integral) and n_angles >= 1
        if not counted or not _are_positive(fields):
            raise ValueError(
                f"RotatedViews needs at least one angle and positive fields; got {n_angles!r} and "
                f"{fields!r}."
            )
        self.n_angles = n_angles
        self.fields = tuple(fields)
        self.mirror = mirror

    def __repr__(self):
        return f"RotatedViews({self.n_angles}, fields={self.fields}, mirror={self.mirror})"

    def views(self):
        """Return the views, each next to its mirror image."""
        return [
            View(float(field), mirror=mirror, angle=360 * number / self.n_angles)
            for field in self.fields
            for number in range(self.n_angles)
            for mirror in ((False, True) if self.mirror else (False,))
        ]


_D4 = tuple((turns, mirror) for mirror in (False, True) for turns in range(4))


def _entries(tta):
    """Return the entries of `tta`, one that is no sequence as the only one."""
    if tta is None:
        return []
    if isinstance(tta, str):
        return [tta]
    try:
        return list(tta)
    except TypeError:
        return [tta]


def prediction_views(tta, *, side=None, field=1.0):
    """Return the views that `tta` asks for.

    Parameters
    ----------
    tta : None, "d4", float, MultiScaleCrop, RotatedViews, or sequence of the first three
        None is the plain view; ``"d4"`` the eight rotations by 90 degrees and mirror images;
        numbers are fields of view relative to the plain one. ``["d4", 0.9, 1.1]`` is both: all
        sixteen combinations.
    side : int, default=None
        Shorter side of the raw images in pixels, for `MultiScaleCrop`; None is not known yet.
    field : float, default=1.0
        Field of the plain view, a fraction of `side`, for `MultiScaleCrop`.

    Returns
    -------
    list of View

    Raises
    ------
    ValueError
        If an entry is neither ``"d4"`` nor a positive, finite number.
    """
    if isinstance(tta, RotatedViews):
        return tta.views()
    if isinstance(tta, MultiScaleCrop):
        tta = tta.scales(side, field) if side else None
    entries = _entries(tta)
    scales = [entry for entry in entries if not isinstance(entry, str)]
    named = [entry for entry in entries if isinstance(entry, str)]
    if any(name != "d4" for name in named) or not all(map(_is_positive, scales)):
        raise ValueError(
            f'tta must be None, "d4", positive fields of view such as [0.9, 1.1], both in one '
            f"list, a MultiScaleCrop or RotatedViews. Got {tta!r} instead."
        )
    symmetries = _D4 if named else _D4[:1]
    return [View(float(s), turns, mirror) for s in scales or [1.0] for turns, mirror in symmetries]


def central_view(images, size, field, angle=0.0):
    """Return the central `field` of each image (a fraction of its shorter side) at `size`.

    `angle` turns the galaxies, in degrees, in the direction of `torch.rot90`.
    """
    if field == 1 and angle == 0 and tuple(size) == tuple(images.shape[2:]):
        return images
    n = len(images)
    constant = images.new_full((n,), field)
    zero = torch.zeros_like(constant)
    return warp(
        images,
        size,
        zoom=constant,
        angle=zero + math.radians(angle),
        mirror=torch.ones_like(zero),
        shift_x=zero,
        shift_y=zero,
    )
