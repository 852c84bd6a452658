"""The user's own images: a folder a class, or a table of files and labels."""

import os
import re
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from galaxy_sklearn._optional import import_optional
from galaxy_sklearn.exceptions import MissingDependencyError
from galaxy_sklearn.images._decode import FITS_SUFFIXES, IMAGE_SUFFIXES
from galaxy_sklearn.images._sources import split_row_path

_EXACT = 2**53  # whole numbers from here on are not all floats
_NAMED = 5  # rows that a message names
_UNREAD_SUFFIXES = (
    *(".bmp", ".gif", ".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl"),
    *(".pbm", ".pgm", ".ppm", ".pnm", ".psd", ".svg", ".tga", ".xcf"),
)
_NUMBER = r"[+-]?((0|[1-9]\d{0,14})(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
_TRUTHS = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}
_TABBED = re.compile(r"\.(tsv|tab)(\.(gz|bz2|xz|zip|zst))?$", re.IGNORECASE)


def is_image_file(path):
    """Tell whether a file's name ends as an image's does, in any letter case.

    Parameters
    ----------
    path : path-like
        Nothing need be there. Names that begin with a dot are hidden, and no image's.

    Returns
    -------
    bool

    Examples
    --------
    >>> from galaxy_sklearn.datasets import is_image_file
    >>> is_image_file("galaxies/m51.FITS"), is_image_file("galaxies/notes.txt")
    (True, False)
    """
    path = Path(path)
    return path.name.lower().endswith(IMAGE_SUFFIXES) and not path.name.startswith(".")


def load_image_folder(folder, *, return_X_y=False, as_frame=False):
    """List the images of a folder that has one sub-folder a class.

    Nothing is read: the files go into a Pipeline that begins with `ImageReader`.

    Parameters
    ----------
    folder : path-like
        Its sub-folders are the classes; images may lie deeper inside them. Hidden files and
        folders, and Apple's ``__MACOSX``, are passed over; so are, with a warning, pictures of a
        type that is not read (BMP, GIF, ...) and sub-folders without any image.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Make `data` and `target` Series, and fill `frame`.

    Returns
    -------
    Bunch
        `data`, ndarray of str of shape (n_samples,), the files; `target`, ndarray of str, the
        sub-folder of each; `target_names`, the sorted classes; `filenames`, the files again, by
        scikit-learn's name; `frame`, with `as_frame`, a DataFrame of file and target; `DESCR`.

    Raises
    ------
    ValueError
        If the folder is missing, or holds no image in any sub-folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"load_image_folder: there is no folder {str(root)!r}.")
    found, unread, empty = _list_classes(root)
    if not found:
        raise ValueError(
            f"load_image_folder: no sub-folder of {str(root)!r} holds an image "
            f"({', '.join(IMAGE_SUFFIXES)})."
        )
    _warn_of_passed_over(unread, "pictures of a type that is not read")
    _warn_of_passed_over(empty, "class folders without any image")
    data, target = (np.asarray(column) for column in zip(*found))
    n_classes = len(set(target))
    return _as_bunch(
        data,
        target,
        pd.DataFrame({"file": data, "target": target}) if as_frame else None,
        return_X_y=return_X_y,
        as_frame=as_frame,
        description=f"{len(data)} images in {n_classes} classes below {root}.",
    )


def _list_classes(root):
    """Return (file, class) of each image, pictures of types that are not read, and empty folders.

    The last two are paths from the root.
    """
    found, unread, empty = [], [], []
    for directory in sorted(root.iterdir()):
        if not directory.is_dir() or is_hidden(directory.relative_to(root)):
            continue
        paths = [
            path
            for path in sorted(directory.rglob("*"))
            if path.is_file() and not is_hidden(path.relative_to(root))
        ]
        images = [path for path in paths if is_image_file(path)]
        found += [(str(path), directory.name) for path in images]
        unread += [path.relative_to(root) for path in paths if _is_unread(path)]
        if not images:
            empty.append(directory.relative_to(root))
    return found, unread, empty


def _is_unread(path):
    return path.name.lower().endswith(_UNREAD_SUFFIXES)


def _warn_of_passed_over(paths, what):
    if paths:
        warnings.warn(
            f"load_image_folder passes over {len(paths)} {what}, such as {str(paths[0])!r}.",
            UserWarning,
            stacklevel=3,
        )


def is_hidden(path):
    """Tell whether a path, from the folder looked into, has a hidden part or a Mac's shadow."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _as_bunch(data, target, frame, *, return_X_y, as_frame, description):
    names = None if target is None else np.unique(target[pd.notna(target)])
    filenames = data
    if as_frame:
        data = pd.Series(data, name="file")
        target = None if target is None else pd.Series(target, name="target")
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=names,
        filenames=filenames,
        frame=frame if as_frame else None,
        DESCR=description,
    )


def _as_frame(table):
    """Return a table of any library as pandas', or None of a path. Raises TypeError of all else."""
    if isinstance(table, str | os.PathLike):
        return None
    if isinstance(table, pd.DataFrame):
        return table.reset_index(drop=True)
    if hasattr(table, "colnames"):
        return _without_vectors(table)
    columns = getattr(table, "columns", None)
    if isinstance(columns, list) and all(isinstance(name, str) for name in columns):  # polars
        return pd.DataFrame({name: np.asarray(table[name]) for name in columns})
    raise TypeError(
        f"load_catalog takes the path of a table, or a table of pandas, polars or astropy; got a "
        f"{type(table).__name__}: pandas.DataFrame(...) may make one of it."
    )


def _read_table(table, text_column, label_column):
    """Return a DataFrame; names of files and identifiers stay as they are written."""
    frame = _as_frame(table)
    if frame is not None:
        return frame
    path = Path(table)
    if not path.is_file():
        raise ValueError(f"load_catalog: there is no file {str(path)!r}.")
    try:
        if path.name.lower().endswith(FITS_SUFFIXES):
            return _read_fits_table(path)
        if path.suffix.lower() in (".parquet", ".pq"):
            return pd.read_parquet(path)
        return _read_csv(path, text_column, label_column)
    except MissingDependencyError:
        raise
    except ImportError as error:
        raise MissingDependencyError(
            "Reading Parquet needs the package 'pyarrow', which is not installed: pip install "
            '"galaxy_sklearn[io]".'
        ) from error
    except (ValueError, OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise ValueError(f"load_catalog cannot read {str(path)!r} as a table: {error}") from error


def _read_csv(path, text_column, label_column):
    texts = {name: str for name in (text_column, label_column) if name is not None}
    separator = "\t" if _TABBED.search(path.name) else ","
    frame = pd.read_csv(path, sep=separator, dtype=texts, low_memory=False)
    if label_column != text_column and label_column in frame:
        frame[label_column] = _as_written(frame[label_column])
    return frame


def _as_written(labels):
    """Return a column of texts as numbers, or as truths, if all texts are how these are written.

    Those that begin with needless zeros, or have more digits than floats keep, are names.
    """
    labels = _stripped(labels)
    known = labels.dropna()
    if known.empty:
        return labels
    if known.str.fullmatch(_NUMBER).all():
        return pd.to_numeric(labels)
    return labels.map(_TRUTHS) if known.isin(list(_TRUTHS)).all() else labels


def _read_fits_table(path):
    """Return the first table of a FITS file without its columns of vectors."""
    astropy = import_optional("astropy.table", extra="io", feature="Reading FITS tables")
    return _without_vectors(astropy.Table.read(path, format="fits"))


def _without_vectors(table):
    """Return a table of astropy as pandas', without its columns of vectors."""
    table = table[[name for name in table.colnames if table[name].ndim == 1]]
    table.convert_bytestring_to_unicode()
    return table.to_pandas()


def _column(frame, name, role):
    if name not in frame:
        raise ValueError(
            f"load_catalog: the table has no column {name!r} for the {role}; it has "
            f"{', '.join(map(str, frame.columns[:20]))}.{_hint_at_separator(frame)}"
        )
    if frame[name].ndim == 2:
        raise ValueError(f"load_catalog: the table has more than one column {name!r}.")
    return frame[name]


def _hint_at_separator(frame):
    """Return a sentence on a table whose only column's name looks like several; else no text."""
    name = str(frame.columns[0]) if len(frame.columns) == 1 else ""
    separator = next((one for one in "\t;|" if one in name), None)
    if separator is None:
        return ""
    return (
        f" Its columns look separated by {separator!r}: give "
        f"pandas.read_csv(path, sep={separator!r}), the table itself."
    )


def _exact_below(column):
    """Return from which whole number on the floats of a column are not all of them."""
    dtype = getattr(column.dtype, "numpy_dtype", column.dtype)
    is_float = isinstance(dtype, np.dtype) and dtype.kind == "f"
    return 2 ** (np.finfo(dtype).nmant + 1) if is_float else _EXACT


def _as_name(value, exact_below):
    """Return an identifier as it is written: bytes as text, a float that is whole without ".0".

    Raises ValueError for a float that may have lost digits.
    """
    value = _as_text(value)
    if not isinstance(value, float | np.floating) or not value.is_integer():
        return str(value)
    if abs(value) >= exact_below:
        raise ValueError(
            f"load_catalog: the identifier {int(value)} is a floating-point number, too long for "
            f"one to be exact: read the column as text or as whole numbers."
        )
    return str(int(value))


def _as_text(value):
    return value.decode() if isinstance(value, bytes) else value


def _files(frame, image_dir, file_column, id_column, extension):
    column = _column(frame, file_column or id_column, "files" if file_column else "ids")
    empty = column.isna()
    if empty.any():
        raise ValueError(
            f"load_catalog: the column {column.name!r} is empty in row {int(np.argmax(empty))}."
        )
    ending = "" if file_column else extension
    root = Path(image_dir) if image_dir is not None else Path()
    limit = _exact_below(column)
    return [root / f"{_as_name(name, limit)}{ending}" for name in column]


def _is_there(path):
    row = split_row_path(str(path))
    return Path(row[0]).is_file() if row else path.is_file()


def _present(files, rows, on_missing):
    there = np.array([_is_there(path) for path in files])
    if on_missing == "keep":
        return np.ones_like(there)
    if there.all():
        return there
    missing = np.flatnonzero(~there)
    named = ", ".join(f"{files[at]} (row {rows[at]})" for at in missing[:_NAMED])
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
    on_unlabelled="drop",
    return_X_y=False,
    as_frame=False,
):
    """Join a table of galaxies with the files of their images.

    Nothing is read but the table: the files go into a Pipeline that begins with `ImageReader`.

    Parameters
    ----------
    table : path-like, or table of pandas, polars or astropy
        CSV (also compressed), Parquet or FITS file, or the table itself. Files that end in
        ``.tsv`` or ``.tab`` are separated by tabs. Of a FITS file the first table is taken.
        Columns of vectors are left out of FITS files and astropy's tables.
    image_dir : path-like, default=None
        Folder that file names start from; None is the current one.
    file_column : str, default=None
        Column of file names.
    id_column : str, default=None
        Column of identifiers, in place of `file_column`: the file is the identifier, as it is
        written in the table, and `extension`.
    label_column : str, default=None
        Column of labels; None has no target. Spaces around a text are no part of the label.
        Labels of a CSV file become numbers only if all are written as such: 01 stays a text.
    extension : str, default=".jpg"
        Ending of the files under `id_column`.
    on_missing : {"raise", "drop", "keep"}, default="raise"
        What to do about files that are not there; ``"drop"`` leaves their rows out and warns,
        ``"keep"`` leaves them to what reads the files.
    on_unlabelled : {"drop", "keep"}, default="drop"
        What to do about rows with an empty label: leave them out, or keep them with the label
        None, as a pool for semi-supervised learning. Empty is what pandas reads as such in a
        file: nothing, ``NA``, ``nan``, ``null``, ``None``.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Make `data` and `target` Series, and fill `frame`.

    Returns
    -------
    Bunch
        `data`, ndarray of str of shape (n_samples,), the files; `target`, ndarray of labels, or
        None; `target_names`, the sorted labels; `filenames`, the files again, by scikit-learn's
        name; `frame`, with `as_frame`, the table's rows that are kept; `DESCR`, with the numbers
        of rows left out. Labels that are whole numbers stay so where a cell is empty.

    Raises
    ------
    TypeError
        If `table` is neither a path nor a table.
    ValueError
        If the table can't be read or a column is missing, not one of `file_column` and
        `id_column` is given, a name is empty, no row is left, labels are of kinds that have no
        order such as text and numbers, or files are missing (the first are named with their
        rows).
    """
    for name, value, known in (
        ("on_missing", on_missing, ("raise", "drop", "keep")),
        ("on_unlabelled", on_unlabelled, ("drop", "keep")),
    ):
        if value not in known:
            raise ValueError(f"load_catalog: {name} must be one of {known}. Got {value!r}.")
    if (file_column is None) == (id_column is None):
        raise ValueError("load_catalog needs either file_column or id_column.")
    whole = _read_table(table, file_column or id_column, label_column)
    if label_column is not None:
        labels = _stripped(_column(whole, label_column, "labels"))
        whole = whole.copy(deep=False)
        whole[label_column] = labels
    frame = whole
    if label_column is not None and on_unlabelled == "drop":
        frame = frame[frame[label_column].notna()]
    if frame.empty:
        what = "row" if whole.empty else f"row with a label in {label_column!r}"
        raise ValueError(f"load_catalog: the table has no {what}.")
    files = _files(frame, image_dir, file_column, id_column, extension)
    there = _present(files, frame.index, on_missing)
    frame = frame[there].reset_index(drop=True)
    data = np.asarray([str(path) for path, kept in zip(files, there) if kept])
    return _as_bunch(
        data,
        None if label_column is None else _labels(frame, whole, label_column),
        frame,
        return_X_y=return_X_y,
        as_frame=as_frame,
        description=f"{len(data)} images of a catalogue of {len(whole)} rows: "
        f"{len(whole) - len(files)} without a label and {len(files) - len(data)} without a file "
        "are left out.",
    )


def _stripped(labels):
    """Return a column with no spaces around its texts; what was nothing but spaces is empty."""
    if pd.api.types.is_numeric_dtype(labels.dtype):
        return labels
    texts = [_as_text(value) for value in labels]
    stripped = [value.strip() or None if isinstance(value, str) else value for value in texts]
    if all(one is other for one, other in zip(texts, stripped)):
        return labels
    dtype = object if isinstance(labels.dtype, pd.CategoricalDtype) else labels.dtype
    return pd.Series(stripped, index=labels.index, dtype=dtype)


def _labels(frame, whole, name):
    """Return labels as an array: of the one kind that all have, else objects, None where empty.

    An empty cell in `whole`, the table before rows were left out, makes pandas read whole numbers
    as floats; they become integers again.
    """
    column = frame[name]
    if column.dtype.kind == "f" and whole[name].isna().any() and _all_whole(column.dropna()):
        column = column.astype("Int64")
    if column.notna().all() and column.dtype.kind in "biuf":
        return column.to_numpy()
    known = column.notna().to_numpy()
    labels = column.astype(object).where(known, None)
    labels = np.fromiter(map(_as_text, labels), object, len(labels))
    _require_order(labels[known], name)
    return _of_one_kind(labels) if known.all() else labels


def _require_order(labels, name):
    try:
        np.unique(labels)
    except TypeError as error:
        kinds = sorted({type(label).__name__ for label in labels})
        raise ValueError(
            f"load_catalog: the labels in {name!r} have no order; they are of the types "
            f"{', '.join(kinds)}."
        ) from error


def _of_one_kind(labels):
    """Return objects as an array of truths, whole numbers or texts if all are such."""
    kinds = {np.dtype(type(label)).kind for label in labels}
    if len(kinds) != 1 or not kinds <= set("biuU"):
        return labels
    plain = np.array(labels.tolist())
    return plain if plain.dtype.kind in kinds else labels


def _all_whole(numbers):
    return bool(len(numbers)) and (numbers.abs() < _EXACT).all() and (numbers % 1 == 0).all()
