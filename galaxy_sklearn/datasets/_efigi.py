"""EFIGI: nearby galaxies staged along the Hubble sequence by astronomers."""

import gzip
import tarfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from galaxy_sklearn.datasets._download import discard, locked
from galaxy_sklearn.datasets._registry import as_bunch, fetch
from galaxy_sklearn.images._sequence import ImageSequence

STAGE_NAMES = (
    "cE", "E", "cD", "S0-", "S0", "S0+", "S0/a", "Sa", "Sab",
    "Sb", "Sbc", "Sc", "Scd", "Sd", "Sdm", "Sm", "Im", "dE",
)  # fmt: skip
"""Names of the stages T = -6 to 11: Baillard et al. (2011), table 1."""

_NEEDED = ("PGCname", "T", "T_inf", "T_sup", "Bar_Length")
_HUBBLE_8 = {-5: "E", -3: "S0", -2: "S0", -1: "S0", 1: "Sa", 3: "Sb", 5: "Sc"}

_DESCR = """\
EFIGI, version 1.6.2: 4,458 nearby galaxies of the Sloan Digital Sky Survey (DR4), 255 x 255
pixels in the bands g, r and i, with the Hubble stage T and 16 attributes, each with its bounds.

Baillard et al. (2011), A&A 532, A74, https://www.astromatic.net/projects/efigi/"""


def unpack(archive, folder):
    """Unpack a tar archive once, without Apple's copies; nothing may leave `folder`.

    Another process that wants the same waits.

    Raises
    ------
    ValueError
        If the archive can't be read, or a member has an absolute path, a ``..``, or is neither a
        plain file nor a folder.
    """
    with locked(folder):
        done = Path(folder) / f"{Path(archive).name}.unpacked"
        stamp = str(Path(archive).stat().st_mtime_ns)
        if not done.exists() or done.read_text() != stamp:
            _extract(archive, folder)
            done.write_text(stamp)


def _extract(archive, folder):
    try:
        with tarfile.open(archive) as file:
            file.extractall(folder, members=_safe_members(file), filter="data")
    except (tarfile.ReadError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{archive} is not a readable tar archive{discard(archive)}") from error
    except tarfile.FilterError as error:
        raise ValueError(f"{archive} is not safe to unpack: {error}") from error


def _safe_members(file):
    members = file.getmembers()
    for member in members:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
            raise ValueError(f"{file.name} is not safe to unpack: it holds {member.name!r}.")
    return [
        member
        for member in members
        if "__MACOSX" not in member.name and not PurePosixPath(member.name).name.startswith("._")
    ]


def _read_attributes(folder, archive):
    """Return the table of attributes; -1 is "undetermined" there, except for the stage T."""
    file = next(folder.rglob("EFIGI_attributes.txt"), None)
    if file is None:
        raise ValueError(f"{archive} holds no EFIGI_attributes.txt{discard(archive)}")
    try:
        frame = pd.read_csv(file, sep=r"\s+", comment="#")
    except ValueError as error:
        raise ValueError(f"{file} is not a readable table{discard(archive)}") from error
    missing = [name for name in _NEEDED if name not in frame]
    if missing:
        raise ValueError(f"{file} has no column {missing[0]!r}{discard(archive)}")
    attributes = frame.columns.drop(list(_NEEDED[:4]))
    frame[attributes] = frame[attributes].astype(float).where(frame[attributes] != -1)
    return frame


def hubble_types(stage, bar_length):
    """Return the Hubble type of each stage T and Bar_Length, None where there is none."""
    names = []
    for t, length in zip(stage, bar_length):
        name = _HUBBLE_8.get(int(t))
        spiral = name in ("Sa", "Sb", "Sc")
        names.append(f"SB{name[1]}" if spiral and length >= 0.5 else name)
    return names


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
        `data`, `ImageSequence` of shape (n_samples, 255, 255, 3), uint8, read when needed;
        `target`, ndarray of int of shape (n_samples,), the Hubble stage T from -6 to 11;
        `target_names`, the names of the stages that occur, rising; `frame`, with `as_frame`, a
        DataFrame of PGCname, T, the 16 attributes from 0 to 1 with their bounds (NaN where
        undetermined), and hubble8; `filename`; `DESCR`.

    Raises
    ------
    OSError
        If the data are missing and may not be downloaded, or the download fails.
    ValueError
        If a file is not the one expected.

    Notes
    -----
    ``hubble8`` in `frame`: E (T = -5), S0 (T = -3 to -1), Sa, Sb, Sc (T = 1, 3, 5), SBa, SBb, SBc
    (the same with a Bar_Length of 0.5 or more), None elsewhere. No hash of these files is
    published: that of the first download is kept beside each, and later ones must equal it.

    References
    ----------
    Baillard et al. (2011), A&A 532, A74. https://www.astromatic.net/projects/efigi/
    """
    options = {
        "download_if_missing": download_if_missing,
        "n_retries": n_retries,
        "delay": delay,
        "verbose": verbose,
    }
    images, tables = (
        fetch(key, data_home, "efigi", options) for key in ("efigi_images", "efigi_tables")
    )
    folder = images.parent
    for archive in (images, tables):
        unpack(archive, folder)
    found = {path.stem: str(path) for path in sorted(folder.rglob("png/*.png"))}
    frame = _read_attributes(folder, tables)
    frame = frame[frame["PGCname"].isin(list(found))].reset_index(drop=True)
    if frame.empty:
        raise ValueError(
            f"fetch_efigi: no png/ image of {images} is in the table of {tables}; delete the "
            f"folder {folder}, so that the next call fetches both again."
        )
    frame["hubble8"] = hubble_types(frame["T"], frame["Bar_Length"])
    target = frame["T"].to_numpy(dtype=np.int64)
    return as_bunch(
        ImageSequence.from_files(frame["PGCname"].map(found).tolist()),
        target,
        frame,
        return_X_y=return_X_y,
        as_frame=as_frame,
        target_names=np.asarray([STAGE_NAMES[t + 6] for t in np.unique(target)]),
        filename=str(images),
        DESCR=_DESCR,
    )
