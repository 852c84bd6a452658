"""Published data sets of galaxy images, downloaded once and read lazily."""

import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import BallTree
from sklearn.utils import Bunch

from galaxy_sklearn._optional import import_optional
from galaxy_sklearn.datasets._download import RemoteFile, data_folder, fetch_file
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
HUBBLE_STAGES = {-5: "E", -3: "S0", -2: "S0", -1: "S0", 1: "Sa", 3: "Sb", 5: "Sc"}


def _zenodo(record, name):
    return (
        f"https://zenodo.org/records/{record}/files/{name}?download=1",
        f"https://zenodo.org/api/records/{record}/files/{name}/content",
    )


REGISTRY = {
    "decals": RemoteFile(
        "Galaxy10_DECals.h5",
        _zenodo(10845026, "Galaxy10_DECals.h5"),
        "19aefc477c41bb7f77ff07599a6b82a038dc042f889a111b0d4d98bb755c1571",
    ),
    "sdss": RemoteFile(
        "Galaxy10.h5",
        _zenodo(10844811, "Galaxy10.h5"),
        "969a6b1cefcc36e09fffa86febd2f699a4aa19b837ba0427f01b0bc6ded458af",
    ),
    # No hash is published for the files below.
    "gz2_images": RemoteFile("images_gz2.zip", _zenodo(3565489, "images_gz2.zip")),
    "gz2_mapping": RemoteFile(
        "gz2_filename_mapping.csv", _zenodo(3565489, "gz2_filename_mapping.csv")
    ),
    "gz2_labels": RemoteFile(
        "gz2_hart16.csv.gz", ("https://gz2hart.s3.amazonaws.com/gz2_hart16.csv.gz",)
    ),
    "efigi_images": RemoteFile(
        "efigi_png_gri-1.6.tgz",
        ("https://www.astromatic.net/download/efigi/efigi_png_gri-1.6.tgz",),
    ),
    "efigi_tables": RemoteFile(
        "efigi_tables-1.6.2.tgz",
        ("https://www.astromatic.net/download/efigi/efigi_tables-1.6.2.tgz",),
    ),
}

_PARAMETERS = """
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
        Make `target` a Series, and add `frame`, a DataFrame of all that is known of each galaxy.
        The images stay an `ImageSequence`.
    n_retries : int, default=3
        How often a failed download is tried again; a part that came is kept and continued.
    delay : float, default=1.0
        Seconds between tries.
    verbose : bool, default=True
        Show a progress bar.

    Returns
    -------
    Bunch
        `data`, `ImageSequence` of shape (n_samples, height, width, 3), uint8, read when needed;
        `target`, ndarray of shape (n_samples,); `target_names`; `filename`; `DESCR`; and what the
        notes below name.

    Raises
    ------
    OSError
        If the data are missing and may not be downloaded, or the download fails.
    ValueError
        If a file has the wrong hash.
"""


def _documented(function):
    function.__doc__ = function.__doc__.replace("\n    PARAMETERS\n", _PARAMETERS)
    return function


def _fetch(key, data_home, folder, options):
    return fetch_file(REGISTRY[key], data_folder(data_home) / folder, **options)


def _options(download_if_missing, n_retries, delay, verbose):
    return {
        "download_if_missing": download_if_missing,
        "n_retries": n_retries,
        "delay": delay,
        "verbose": verbose,
    }


def _bunch(data, target, frame, *, return_X_y, as_frame, **more):
    if as_frame:
        target = pd.Series(target, name="target")
    if return_X_y:
        return data, target
    if as_frame:
        more["frame"] = frame
    return Bunch(data=data, target=target, **more)


def sky_groups(ra, dec, *, radius=5.0):
    """Number galaxies so that those within `radius` of each other share a number.

    Parameters
    ----------
    ra, dec : array-like of shape (n_samples,)
        Right ascension and declination in degrees.
    radius : float, default=5.0
        In arcseconds. Chains of neighbours are one group.

    Returns
    -------
    ndarray of shape (n_samples,)
        Group numbers, to be passed as `groups` to a group-aware splitter.
    """
    positions = np.deg2rad(np.column_stack([dec, ra]).astype(float))
    tree = BallTree(positions, metric="haversine")
    close = tree.query_radius(positions, np.deg2rad(radius / 3600))
    starts = np.repeat(np.arange(len(close)), [len(others) for others in close])
    shape = (len(close), len(close))
    links = csr_matrix((np.ones(len(starts)), (starts, np.concatenate(close))), shape=shape)
    return connected_components(links, directed=False)[1]


def _read_hdf5(file, names):
    h5py = import_optional("h5py", extra="io", feature="Reading Galaxy10")
    with h5py.File(file, "r") as table:
        return pd.DataFrame({name: table[name][:] for name in names if name in table})


def _galaxy10(key, names, description, data_home, *, return_X_y, as_frame, options):
    file = _fetch(key, data_home, "galaxy10", options)
    frame = _read_hdf5(file, ["ans", "ra", "dec", "redshift", "pxscale"])
    frame = frame.rename(columns={"ans": "target"})
    more = {"groups": sky_groups(frame["ra"], frame["dec"])} if "ra" in frame else {}
    return _bunch(
        ImageSequence.from_hdf5(file, "images"),
        frame["target"].to_numpy().astype(np.int64),
        frame,
        return_X_y=return_X_y,
        as_frame=as_frame,
        target_names=np.asarray(names),
        filename=str(file),
        DESCR=description,
        **more,
    )


@_documented
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

    PARAMETERS
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
    return _galaxy10(
        "decals",
        DECALS_NAMES,
        "Galaxy10 DECaLS (Leung & Bovy): DESI Legacy Imaging Surveys, Galaxy Zoo labels. 59 sky "
        "positions occur twice with different labels: split by `groups`.",
        data_home,
        return_X_y=return_X_y,
        as_frame=as_frame,
        options=_options(download_if_missing, n_retries, delay, verbose),
    )


@_documented
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

    PARAMETERS
    References
    ----------
    Leung & Bovy (2019), MNRAS 483, 3255. https://zenodo.org/records/10844811
    """
    return _galaxy10(
        "sdss",
        SDSS_NAMES,
        "Galaxy10 SDSS (Leung & Bovy): Sloan Digital Sky Survey, Galaxy Zoo 2 labels.",
        data_home,
        return_X_y=return_X_y,
        as_frame=as_frame,
        options=_options(download_if_missing, n_retries, delay, verbose),
    )


@_documented
def fetch_galaxy_zoo_2(
    *,
    data_home=None,
    download_if_missing=True,
    return_X_y=False,
    as_frame=False,
    n_retries=3,
    delay=1.0,
    verbose=True,
):
    """Fetch Galaxy Zoo 2: some 240,000 galaxies of 424 x 424 pixels with votes (3.4 GB).

    PARAMETERS
    Notes
    -----
    `target` is the column ``gz2_class`` of Hart et al. (2016); `frame` has all vote fractions.
    The images stay in their zip archive and are read from there. Galaxies without an image or
    without votes are left out.

    References
    ----------
    Willett et al. (2013), MNRAS 435, 2835; Hart et al. (2016), MNRAS 461, 3663.
    https://zenodo.org/records/3565489
    """
    options = _options(download_if_missing, n_retries, delay, verbose)
    images, mapping, labels = (
        _fetch(key, data_home, "galaxy_zoo_2", options)
        for key in ("gz2_images", "gz2_mapping", "gz2_labels")
    )
    members = pd.DataFrame({"member": _image_members(images)})
    members["asset_id"] = members["member"].map(lambda name: int(Path(name).stem))
    votes = pd.read_csv(labels).rename(columns={"dr7objid": "objid"})
    frame = pd.read_csv(mapping).merge(members, on="asset_id").merge(votes, on="objid")
    return _bunch(
        ImageSequence.from_zip(images, frame["member"].tolist()),
        frame["gz2_class"].to_numpy(),
        frame,
        return_X_y=return_X_y,
        as_frame=as_frame,
        target_names=np.unique(frame["gz2_class"].astype(str)),
        filename=str(images),
        DESCR="Galaxy Zoo 2 (Willett et al. 2013; debiased votes of Hart et al. 2016), SDSS DR7.",
    )


def _image_members(archive):
    with zipfile.ZipFile(archive) as file:
        return [
            name
            for name in file.namelist()
            if name.lower().endswith(".jpg")
            and not name.startswith(("__MACOSX", "/"))
            and ".." not in Path(name).parts
            and Path(name).stem.isdigit()
        ]


@_documented
def fetch_efigi(
    *,
    data_home=None,
    download_if_missing=True,
    return_X_y=False,
    as_frame=False,
    n_retries=3,
    delay=1.0,
    verbose=True,
):
    """Fetch EFIGI: 4,458 nearby galaxies of 255 x 255 pixels with Hubble stages and attributes.

    PARAMETERS
    Notes
    -----
    `target` is the Hubble stage T, -6 to 11. With `as_frame`, `frame` has every attribute with its
    bounds, and ``hubble8``: E (T = -5), S0 (T = -3 to -1), Sa, Sb, Sc (T = 1, 3, 5), SBa, SBb, SBc
    (the same with a Bar_Length of 0.5 or more), empty elsewhere.

    References
    ----------
    Baillard et al. (2011), A&A 532, A74. https://www.astromatic.net/projects/efigi/
    """
    options = _options(download_if_missing, n_retries, delay, verbose)
    images, tables = (
        _fetch(key, data_home, "efigi", options) for key in ("efigi_images", "efigi_tables")
    )
    folder = images.parent
    for archive in (images, tables):
        unpack(archive, folder)
    frame = _read_attributes(next(folder.rglob("EFIGI_attributes.txt")))
    found = {path.stem: str(path) for path in sorted(folder.rglob("png/*.png"))}
    frame = frame[frame["PGCname"].isin(list(found))].reset_index(drop=True)
    frame["hubble8"] = hubble_types(frame["T"], frame["Bar_Length"])
    return _bunch(
        ImageSequence.from_files(frame["PGCname"].map(found).tolist()),
        frame["T"].to_numpy(),
        frame,
        return_X_y=return_X_y,
        as_frame=as_frame,
        target_names=np.unique(frame["T"]),
        filename=str(images),
        DESCR="EFIGI (Baillard et al. 2011), catalogue version 1.6.2, imaging SDSS DR4.",
    )


def unpack(archive, folder):
    """Unpack a tar archive once; a member that would leave `folder` is refused.

    Raises
    ------
    ValueError
        If a member has an absolute path, a ``..``, or is no plain file.
    """
    done = Path(folder) / f"{Path(archive).name}.unpacked"
    if done.exists():
        return
    with tarfile.open(archive) as file:
        try:
            file.extractall(folder, filter="data")
        except tarfile.FilterError as error:
            raise ValueError(f"{archive} is not safe to unpack: {error}") from error
    done.touch()


def _read_attributes(file):
    lines = Path(file).read_text().splitlines()
    header = next(line for line in lines if line.lstrip("# ").startswith("PGCname"))
    columns = header.lstrip("# ").split()
    rows = [line.split() for line in lines if line.startswith("PGC") and line != header]
    frame = pd.DataFrame(rows, columns=columns)
    numbers = frame.columns.drop("PGCname")
    frame[numbers] = frame[numbers].apply(pd.to_numeric)
    return frame.astype({"T": int})


def hubble_types(stage, bar_length):
    """Return the Hubble type of each stage T and Bar_Length, None where there is none."""
    names = []
    for t, length in zip(stage, bar_length):
        name = HUBBLE_STAGES.get(int(t))
        spiral = name in ("Sa", "Sb", "Sc")
        names.append(f"SB{name[1]}" if spiral and length >= 0.5 else name)
    return names
