"""The views of a galaxy that prediction averages over."""

from typing import NamedTuple

import torch

from galaxy_sklearn.augmentation._warp import warp


class View(NamedTuple):
    """One deterministic view: a field of view and one of the eight symmetries of the square.

    Parameters
    ----------
    scale : float, default=1.0
        Field seen, relative to the field of plain prediction.
    quarter_turns : int, default=0
        Rotation in units of 90 degrees.
    mirror : bool, default=False
        Mirror left and right before the rotation.
    """

    scale: float = 1.0
    quarter_turns: int = 0
    mirror: bool = False

    def turn(self, images):
        """Return `images` (n, n_channels, height, width) mirrored and rotated, exactly."""
        if self.mirror:
            images = images.flip(3)
        return torch.rot90(images, self.quarter_turns, (2, 3)) if self.quarter_turns else images


_D4 = tuple((turns, mirror) for mirror in (False, True) for turns in range(4))


def test_time_views(tta):
    """Return the views that `tta` asks for.

    Parameters
    ----------
    tta : None, "d4", float, or sequence of these
        None is the plain view; ``"d4"`` the eight rotations by 90 degrees and mirror images;
        numbers are fields of view relative to the plain one. ``["d4", 0.9, 1.1]`` is both: all
        sixteen combinations.

    Returns
    -------
    list of View

    Raises
    ------
    ValueError
        If an entry is neither ``"d4"`` nor a positive number.
    """
    entries = [] if tta is None else [tta] if isinstance(tta, str | float | int) else list(tta)
    scales = [entry for entry in entries if not isinstance(entry, str)]
    if any(entry != "d4" for entry in entries if isinstance(entry, str)) or any(
        isinstance(scale, bool) or not isinstance(scale, float | int) or scale <= 0
        for scale in scales
    ):
        raise ValueError(
            f'tta must be None, "d4", positive fields of view such as [0.9, 1.1], or both in one '
            f"list. Got {tta!r} instead."
        )
    symmetries = _D4 if "d4" in entries else _D4[:1]
    return [View(float(s), turns, mirror) for s in scales or [1.0] for turns, mirror in symmetries]


test_time_views.__test__ = False  # the name is not a test's


def central_view(images, size, field):
    """Return the central `field` of each image (a fraction of its shorter side) at `size`."""
    if field == 1 and tuple(size) == tuple(images.shape[2:]):
        return images
    n = len(images)
    constant = images.new_full((n,), field)
    zero = torch.zeros_like(constant)
    return warp(
        images,
        size,
        zoom=constant,
        angle=zero,
        mirror=torch.ones_like(zero),
        shift_x=zero,
        shift_y=zero,
    )
