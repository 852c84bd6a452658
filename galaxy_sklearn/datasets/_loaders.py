"""The user's own images: a folder a class, or a table of files and labels."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

IMAGE_ENDINGS = (
    ".jpg",
    ".jpeg",
    ".png",
    ".tif",
    ".tiff",
    ".webp",
    ".fits",
    ".fit",
    ".fts",
    ".fits.gz",
)
_NAMED = 5  # rows that a message names


def is_image_file(path):
    """Tell whether a file's name ends as an image's does, in any letter case."""
    return path.name.lower().endswith(IMAGE_ENDINGS) and not path.name.startswith(".")


def load_image_folder(folder, *, return_X_y=False):
    """List the images of a folder that has one sub-folder a class.

    Nothing is read: the files go into a Pipeline that begins with `ImageReader`.

    Parameters
    ----------
    folder : path-like
        Its sub-folders are the classes; images may lie deeper inside them.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        `data`, ndarray of str of shape (n_samples,), the files; `target`, ndarray of str, the
        sub-folder of each; `target_names`, the sorted classes; `DESCR`.

    Raises
    ------
    ValueError
        If the folder is missing, or holds no image in any sub-folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"load_image_folder: there is no folder {str(root)!r}.")
    classes = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))
    found = [
        (str(path), directory.name)
        for directory in classes
        for path in sorted(directory.rglob("*"))
        if path.is_file() and is_image_file(path)
    ]
    if not found:
        raise ValueError(
            f"load_image_folder: no sub-folder of {str(root)!r} holds an image "
            f"({', '.join(IMAGE_ENDINGS)})."
        )
    data, target = (np.asarray(column) for column in zip(*found))
    if return_X_y:
        return data, target
    names = np.unique(target)
    return Bunch(
        data=data,
        target=target,
        target_names=names,
        DESCR=f"{len(data)} images in {len(names)} classes below {root}.",
    )


def _read_table(table):
    if isinstance(table, pd.DataFrame):
        return table.reset_index(drop=True)
    path = Path(table)
    if not path.is_file():
        raise ValueError(f"load_catalog: there is no file {str(path)!r}.")
    if path.suffix.lower() in (".parquet", ".pq"):
        return pd.read_parquet(path)
    return pd.read_csv(path)


def _column(frame, name, role):
    if name not in frame:
        raise ValueError(
            f"load_catalog: the table has no column {name!r} for the {role}; it has "
            f"{', '.join(map(str, frame.columns[:20]))}."
        )
    return frame[name]


def _files(frame, image_dir, file_column, id_column, extension):
    if (file_column is None) == (id_column is None):
        raise ValueError("load_catalog needs either file_column or id_column.")
    column = _column(frame, file_column or id_column, "files" if file_column else "ids")
    empty = column.isna()
    if empty.any():
        raise ValueError(
            f"load_catalog: the column {column.name!r} is empty in row {int(np.argmax(empty))}."
        )
    ending = "" if file_column else extension
    root = Path(image_dir) if image_dir is not None else Path()
    return [root / f"{name}{ending}" for name in column]


def _present(files, on_missing):
    there = np.array([path.is_file() for path in files])
    if there.all():
        return there
    missing = np.flatnonzero(~there)
    named = ", ".join(f"{files[row]} (row {row})" for row in missing[:_NAMED])
    more = ", ..." if len(missing) > _NAMED else ""
    sentence = f"load_catalog: {len(missing)} of {len(files)} files are missing: {named}{more}"
    if on_missing == "raise" or not there.any():
        raise ValueError(sentence)
    warnings.warn(f"{sentence}; their rows are dropped.", UserWarning, stacklevel=3)
    return there


def load_catalog(
    table,
    *,
    image_dir=None,
    file_column=None,
    id_column=None,
    label_column=None,
    extension=".jpg",
    on_missing="raise",
    return_X_y=False,
):
    """Join a table of galaxies with the files of their images.

    Nothing is read but the table: the files go into a Pipeline that begins with `ImageReader`.

    Parameters
    ----------
    table : path-like or DataFrame
        CSV or Parquet file, or the table itself.
    image_dir : path-like, default=None
        Folder that file names start from; None is the current one.
    file_column : str, default=None
        Column of file names.
    id_column : str, default=None
        Column of identifiers, in place of `file_column`: the file is the identifier and
        `extension`.
    label_column : str, default=None
        Column of labels; rows with an empty label are left out. None keeps all rows and has no
        target.
    extension : str, default=".jpg"
        Ending of the files under `id_column`.
    on_missing : {"raise", "drop"}, default="raise"
        What to do about files that are not there; ``"drop"`` leaves their rows out and warns.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        `data`, ndarray of str of shape (n_samples,), the files; `target`, ndarray of labels, or
        None; `target_names`; `frame`, the table's rows that are kept; `DESCR`.

    Raises
    ------
    ValueError
        If the table or a column is missing, a name is empty, no row is left, or files are missing
        (the first are named with their rows).
    """
    if on_missing not in ("raise", "drop"):
        raise ValueError(f"load_catalog: on_missing must be 'raise' or 'drop'. Got {on_missing!r}.")
    frame = _read_table(table)
    if label_column is not None:
        frame = frame[_column(frame, label_column, "labels").notna()].reset_index(drop=True)
    if frame.empty:
        raise ValueError("load_catalog: the table has no row with a label.")
    files = _files(frame, image_dir, file_column, id_column, extension)
    there = _present(files, on_missing)
    frame = frame[there].reset_index(drop=True)
    data = np.asarray([str(path) for path, kept in zip(files, there) if kept])
    target = None if label_column is None else frame[label_column].to_numpy()
    if return_X_y:
        return data, target
    names = None if target is None else np.unique(target)
    return Bunch(
        data=data,
        target=target,
        target_names=names,
        frame=frame,
        DESCR=f"{len(data)} images of a catalogue of {len(there)} rows.",
    )
