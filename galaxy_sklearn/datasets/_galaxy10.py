"""Galaxy10: ten classes of galaxies in one HDF5 file, of either survey."""

import numpy as np
import pandas as pd

from galaxy_sklearn._optional import import_optional
from galaxy_sklearn.datasets._download import discard
from galaxy_sklearn.datasets._registry import as_bunch, fetch
from galaxy_sklearn.datasets._sky import sky_groups
from galaxy_sklearn.images._sequence import ImageSequence

DECALS_NAMES = (
    "Disturbed",
    "Merging",
    "Round Smooth",
    "In-between Round Smooth",
    "Cigar Shaped Smooth",
    "Barred Spiral",
    "Unbarred Tight Spiral",
    "Unbarred Loose Spiral",
    "Edge-on without Bulge",
    "Edge-on with Bulge",
)
SDSS_NAMES = (
    "Disk, Face-on, No Spiral",
    "Smooth, Completely Round",
    "Smooth, In-between Round",
    "Smooth, Cigar Shaped",
    "Disk, Edge-on, Rounded Bulge",
    "Disk, Edge-on, Boxy Bulge",
    "Disk, Edge-on, No Bulge",
    "Disk, Face-on, Tight Spiral",
    "Disk, Face-on, Medium Spiral",
    "Disk, Face-on, Loose Spiral",
)

_DECALS_DESCR = """\
Galaxy10 DECaLS: 17,736 galaxies of 256 x 256 pixels in the bands g, r and z, ten classes.

Images: DESI Legacy Imaging Surveys. Labels: votes of Galaxy Zoo (Lintott et al. 2008, 2011;
Walmsley et al. 2021). Put together by Leung & Bovy, https://zenodo.org/records/10845026

59 sky positions are in the set twice, each time with two different labels. `groups` numbers
galaxies so that those within 5 arcseconds share a number; split by it."""

_SDSS_DESCR = """\
Galaxy10 SDSS: 21,785 galaxies of 69 x 69 pixels in the bands g, r and i, ten classes.

Images: Sloan Digital Sky Survey. Labels: votes of Galaxy Zoo 2 (Willett et al. 2013). Put
together by Leung & Bovy, https://zenodo.org/records/10844811

The class numbers mean other things than those of Galaxy10 DECaLS."""

_COLUMNS = ("ans", "ra", "dec", "redshift", "pxscale")


def _read_columns(file, n_classes):
    h5py = import_optional("h5py", extra="io", feature="Reading Galaxy10")
    try:
        with h5py.File(file, "r") as table:
            n_images = len(table["images"]) if "images" in table else 0
            columns = {name: table[name][:] for name in _COLUMNS if name in table}
    except OSError as error:
        if type(error) is not OSError:  # permission, a lock
            raise
        raise ValueError(f"{file} is not a readable HDF5 file{discard(file)}") from error
    fault = _fault(columns, n_images, n_classes)
    if fault:
        raise ValueError(f"{file} {fault}{discard(file)}")
    return pd.DataFrame(columns).rename(columns={"ans": "target"}).astype({"target": np.int64})


def _fault(columns, n_images, n_classes):
    """Return what is wrong with the contents of a file, or None."""
    if n_images == 0:
        return "has no 'images'"
    if "ans" not in columns:
        return "has no labels 'ans'"
    for name, values in columns.items():
        if len(values) != n_images:
            return f"has {n_images} images and {len(values)} values of {name!r}"
    labels = columns["ans"]
    whole = labels.ndim == 1 and labels.dtype.kind in "iu"
    if not (whole and labels.min() >= 0 and labels.max() < n_classes):
        return f"has labels 'ans' that are no whole numbers from 0 to {n_classes - 1}"
    return None


def _galaxy10(file, names, description, *, return_X_y, as_frame):
    frame = _read_columns(file, len(names))
    frame["class"] = np.asarray(names)[frame["target"]]
    more = {"groups": sky_groups(frame["ra"], frame["dec"])} if {"ra", "dec"} <= set(frame) else {}
    return as_bunch(
        ImageSequence.from_hdf5(file, "images"),
        frame["target"].to_numpy(copy=True),
        frame,
        return_X_y=return_X_y,
        as_frame=as_frame,
        target_names=np.asarray(names),
        filename=str(file),
        DESCR=description,
        **more,
    )


def fetch_galaxy10_decals(
    *,
    data_home=None,
    download_if_missing=True,
    return_X_y=False,
    as_frame=False,
    n_retries=3,
    delay=1.0,
    verbose=True,
):
    """Fetch Galaxy10 DECaLS: 17,736 galaxies of 256 x 256 pixels in ten classes (2.7 GB).

    Parameters
    ----------
    data_home : path-like, default=None
        Where data sets are kept; None is the environment variable ``GALAXY_SKLEARN_DATA_HOME``,
        else ``~/galaxy_sklearn_data``.
    download_if_missing : bool, default=True
        If False, raise OSError where the data are not on disk.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Make `target` a Series, and fill `frame`. The images stay an `ImageSequence`.
    n_retries : int, default=3
        How often a failed download is tried again at each address; what came is continued.
    delay : float, default=1.0
        Seconds between tries.
    verbose : bool, default=True
        Show a progress bar.

    Returns
    -------
    Bunch
        `data`, `ImageSequence` of shape (17736, 256, 256, 3), uint8, read when needed; `target`,
        ndarray of int of shape (17736,), places in `target_names`; `groups`, ndarray of int, see
        below; `frame`, with `as_frame`, a DataFrame of target, class, ra and dec (degrees),
        redshift and pxscale (arcseconds a pixel); `filename`; `DESCR`.

    Raises
    ------
    OSError
        If the data are missing and may not be downloaded, or the download fails.
    ValueError
        If a file is not the one expected.
    MissingDependencyError
        If h5py is not installed.

    Notes
    -----
    59 sky positions are in the set twice, each time with two different labels: `groups` numbers
    galaxies so that those within 5 arcseconds share a number; split by it
    (`StratifiedGroupKFold`), or a galaxy may be on both sides.

    References
    ----------
    Leung & Bovy (2019), MNRAS 483, 3255; Walmsley et al. (2022), MNRAS 509, 3966.
    https://zenodo.org/records/10845026
    """
    options = {
        "download_if_missing": download_if_missing,
        "n_retries": n_retries,
        "delay": delay,
        "verbose": verbose,
    }
    file = fetch("decals", data_home, "galaxy10", options)
    return _galaxy10(file, DECALS_NAMES, _DECALS_DESCR, return_X_y=return_X_y, as_frame=as_frame)


def fetch_galaxy10_sdss(
    *,
    data_home=None,
    download_if_missing=True,
    return_X_y=False,
    as_frame=False,
    n_retries=3,
    delay=1.0,
    verbose=True,
):
    """Fetch Galaxy10 SDSS: 21,785 galaxies of 69 x 69 pixels in ten classes (200 MB).

    The class numbers mean other things than those of Galaxy10 DECaLS.

    Parameters
    ----------
    data_home : path-like, default=None
        Where data sets are kept; None is the environment variable ``GALAXY_SKLEARN_DATA_HOME``,
        else ``~/galaxy_sklearn_data``.
    download_if_missing : bool, default=True
        If False, raise OSError where the data are not on disk.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Make `target` a Series, and fill `frame`. The images stay an `ImageSequence`.
    n_retries : int, default=3
        How often a failed download is tried again at each address; what came is continued.
    delay : float, default=1.0
        Seconds between tries.
    verbose : bool, default=True
        Show a progress bar.

    Returns
    -------
    Bunch
        `data`, `ImageSequence` of shape (21785, 69, 69, 3), uint8, read when needed; `target`,
        ndarray of int of shape (21785,), places in `target_names`; `frame`, with `as_frame`, a
        DataFrame of target and class; `filename`; `DESCR`.

    Raises
    ------
    OSError
        If the data are missing and may not be downloaded, or the download fails.
    ValueError
        If a file is not the one expected.
    MissingDependencyError
        If h5py is not installed.

    References
    ----------
    Leung & Bovy (2019), MNRAS 483, 3255; Willett et al. (2013), MNRAS 435, 2835.
    https://zenodo.org/records/10844811
    """
    options = {
        "download_if_missing": download_if_missing,
        "n_retries": n_retries,
        "delay": delay,
        "verbose": verbose,
    }
    file = fetch("sdss", data_home, "galaxy10", options)
    return _galaxy10(file, SDSS_NAMES, _SDSS_DESCR, return_X_y=return_X_y, as_frame=as_frame)
