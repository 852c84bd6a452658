"""Galaxy Zoo 2: images in a zip archive, votes in a table."""

import os
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from galaxy_sklearn.datasets._download import discard
from galaxy_sklearn.datasets._registry import as_bunch, fetch
from galaxy_sklearn.datasets._sky import sky_groups
from galaxy_sklearn.images._sequence import ImageSequence

_DESCR = """\
Galaxy Zoo 2: galaxies of the Sloan Digital Sky Survey (DR7), 424 x 424 pixels, scaled to the size
of each, with the votes of volunteers on 11 questions.

Images: Willett et al. (2013), https://zenodo.org/records/3565489. Votes, corrected for what
redshift hides: Hart et al. (2016), https://data.galaxyzoo.org"""

_NEEDED = {"dr7objid", "objid", "gz2_class", "ra", "dec"}


def _image_members(archive):
    """Return member and asset_id of the images in a zip archive, without Apple's copies.

    They are read inside the archive, so that no name can lead out of a folder; names that would
    are left out all the same.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            names = file.namelist()
    except zipfile.BadZipFile as error:
        raise ValueError(f"{archive} is not a readable zip archive{discard(archive)}") from error
    rows = []
    for name in names:
        path = PurePosixPath(name)
        outside = path.is_absolute() or ".." in path.parts or "__MACOSX" in path.parts
        if not outside and path.suffix.lower() == ".jpg" and path.stem.isdecimal():
            rows.append((name, int(path.stem)))
    return pd.DataFrame(rows, columns=["member", "asset_id"])


def _read_votes(file, *, everything):
    """Return the table of labels; its 200 columns of votes only where `everything` is wanted."""
    usecols = None if everything else _NEEDED.__contains__
    table = _read_table(file, ("gz2_class", "objid"), usecols=usecols)
    return table[table["gz2_class"].notna()]


def _own_votes(labels, *, everything):
    """Return the user's own table, in which each galaxy has to be once."""
    if not isinstance(labels, str | os.PathLike):
        raise TypeError(
            f"fetch_galaxy_zoo_2 takes the name of a CSV or Parquet table as labels; got "
            f"{type(labels).__name__}."
        )
    votes = _read_votes(labels, everything=everything)
    again = votes["objid"].duplicated()
    if again.any():
        raise ValueError(
            f"fetch_galaxy_zoo_2: the table {labels} has objid {votes['objid'][again].iloc[0]} "
            f"more than once."
        )
    return votes


def _read_table(file, needed, **options):
    """Return a table with the columns `needed`, or raise ValueError with the name of its file."""
    try:
        if Path(file).suffix in (".parquet", ".pq"):
            table = pd.read_parquet(file)
        else:
            table = pd.read_csv(file, **options)
    except (FileNotFoundError, PermissionError):
        raise
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ValueError(f"{file} is not a readable table{discard(file)}") from error
    fault = _fault(table, needed)
    if fault:
        raise ValueError(f"fetch_galaxy_zoo_2: the table {file} {fault}{discard(file)}")
    return table.rename(columns={"dr7objid": "objid"})


def _fault(table, needed):
    """Return what keeps a table from being joined by its identifiers, or None."""
    if {"objid", "dr7objid"} <= set(table):
        return "has both a column 'objid' and a column 'dr7objid'"
    table = table.rename(columns={"dr7objid": "objid"})
    missing = [name for name in needed if name not in table]
    if missing:
        return f"has no column {missing[0]!r}"
    for name in ("objid", "asset_id"):
        if name in needed and not pd.api.types.is_integer_dtype(table[name]):
            return f"needs whole numbers in the column {name!r}; got {table[name].dtype}"
    return None


def _labelled_images(images, mapping, votes, labels):
    """Return the table of the images that have a class, with their votes.

    Parameters
    ----------
    images, mapping : path-like
        The archive, and the table of its images.
    votes : DataFrame
        Of the file `labels`.
    labels : path-like
        For messages.

    Raises
    ------
    ValueError
        If a file is not the one expected, or no image has a class.
    """
    frame = _image_members(images).merge(_read_table(mapping, ("asset_id", "objid")), on="asset_id")
    joined = frame.merge(votes, on="objid", suffixes=("", "_votes"))
    if joined.empty:
        raise ValueError(
            f"fetch_galaxy_zoo_2: the table {labels} has no gz2_class for any of the "
            f"{len(frame)} images of {images} that are in {mapping}."
        )
    return joined


def _groups(frame, labels):
    """Return the groups of galaxies near to each other, where there are positions."""
    if not {"ra", "dec"} <= set(frame):
        return {}
    nowhere = ~np.isfinite(frame[["ra", "dec"]].astype(float)).all(axis=1)
    if nowhere.any():
        raise ValueError(
            f"fetch_galaxy_zoo_2: the table {labels} has no ra and dec for objid "
            f"{frame['objid'][nowhere].iloc[0]}; leave out both columns, or neither."
        )
    return {"groups": sky_groups(frame["ra"], frame["dec"])}


def fetch_galaxy_zoo_2(
    *,
    data_home=None,
    download_if_missing=True,
    return_X_y=False,
    as_frame=False,
    labels=None,
    n_retries=3,
    delay=1.0,
    verbose=True,
):
    """Fetch Galaxy Zoo 2: some 240,000 galaxies of 424 x 424 pixels with votes (3.4 GB).

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
    labels : path-like, default=None
        CSV or Parquet table to be used in place of that of Hart et al. (2016), with the columns
        ``dr7objid`` or ``objid``, whole numbers, each once, and ``gz2_class``, in which pandas'
        words for what is missing, such as "NA" and "None", are no class; with ``ra`` and
        ``dec``, degrees, there are `groups`. It is read before anything is downloaded.
    n_retries : int, default=3
        How often a failed download is tried again at each address; what came is continued.
    delay : float, default=1.0
        Seconds between tries.
    verbose : bool, default=True
        Show a progress bar.

    Returns
    -------
    Bunch
        `data`, `ImageSequence` of shape (n_samples, 424, 424, 3), uint8, read from the archive
        when needed; `target`, ndarray of str of shape (n_samples,), the column ``gz2_class``;
        `target_names`, its sorted values; `groups`, ndarray of int, equal for galaxies within 5
        arcseconds; `frame`, with `as_frame`, a DataFrame of objid, sample, asset_id, member (of
        the archive) and every column of the votes; `filename`; `DESCR`.

    Raises
    ------
    OSError
        If the data are missing and may not be downloaded, or the download fails.
    TypeError
        If `labels` is no name of a file.
    ValueError
        If a file is not the one expected, or `labels` names a galaxy twice or none that has an
        image, or gives some galaxies no position and others one.

    Notes
    -----
    Galaxies without an image or without votes are left out. No hash of these files is published:
    that of the first download is kept beside each, and later ones must equal it.

    References
    ----------
    Willett et al. (2013), MNRAS 435, 2835; Hart et al. (2016), MNRAS 461, 3663.
    https://zenodo.org/records/3565489
    """
    options = {
        "download_if_missing": download_if_missing,
        "n_retries": n_retries,
        "delay": delay,
        "verbose": verbose,
    }
    votes = None if labels is None else _own_votes(labels, everything=as_frame)
    images, mapping = (
        fetch(key, data_home, "galaxy_zoo_2", options) for key in ("gz2_images", "gz2_mapping")
    )
    if votes is None:
        labels = fetch("gz2_labels", data_home, "galaxy_zoo_2", options)
        votes = _read_votes(labels, everything=as_frame)
    frame = _labelled_images(images, mapping, votes, labels)
    target = frame["gz2_class"].to_numpy(dtype=str)
    return as_bunch(
        ImageSequence.from_zip(images, frame["member"].tolist()),
        target,
        frame,
        return_X_y=return_X_y,
        as_frame=as_frame,
        target_names=np.unique(target),
        filename=str(images),
        DESCR=_DESCR,
        **_groups(frame, labels),
    )
