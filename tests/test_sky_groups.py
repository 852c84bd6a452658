"""Galaxies near to each other on the sky share a number."""

import numpy as np
import pytest

from galaxy_sklearn.datasets import sky_groups


def test_groups_across_the_zero_meridian_and_at_the_pole():
    step = 3 / 3600
    ra = [359.9999, 0.0001, 0, 180, 20, 20, 20]
    dec = [0, 0, 90 - 0.0002, 90 - 0.0002, 10, 10 + step, 10 + 2 * step]
    groups = sky_groups(ra, dec)
    assert groups[0] == groups[1]
    assert groups[2] == groups[3]
    assert groups[4] == groups[5] == groups[6]
    assert len(set(groups)) == 3
    assert len(set(sky_groups(ra, dec, radius=0.1))) == 7


def test_groups_agree_with_distances_by_vectors():
    rng = np.random.default_rng(0)
    ra, dec = rng.uniform(359.99, 360.01, 200) % 360, rng.uniform(-0.01, 0.01, 200)
    a, d = np.deg2rad(ra), np.deg2rad(dec)
    xyz = np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=1)
    chord = np.linalg.norm(xyz[:, None] - xyz, axis=2)
    close = 2 * np.arcsin(chord / 2) <= np.deg2rad(10 / 3600)
    groups = sky_groups(ra, dec, radius=10.0)
    assert (groups[:, None] == groups)[close].all()
    linked = np.linalg.matrix_power(close.astype(float), 200) > 0
    np.testing.assert_array_equal(groups[:, None] == groups, linked)


@pytest.mark.parametrize(
    ("ra", "dec", "params", "message"),
    [
        ([1, 2], [1], {}, r"got shapes \(2,\) and \(1,\)"),
        ([np.nan], [1], {}, "finite right ascensions"),
        (np.ma.masked_array([1.0, 2.0], [False, True]), [1, 2], {}, "finite right ascensions"),
        ([1], [91], {}, "declination 91.0 is beyond 90"),
        ([1], [1], {"radius": -1}, "radius must not be negative. Got -1"),
    ],
)
def test_senseless_positions_are_refused(ra, dec, params, message):
    with pytest.raises(ValueError, match=message):
        sky_groups(ra, dec, **params)


def test_no_position_is_no_group():
    assert sky_groups([], []).shape == (0,)
