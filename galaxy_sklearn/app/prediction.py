"""Predictions for any number of files, in bounded memory, resumable."""

import csv
import warnings
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from galaxy_sklearn.app.table import (
    begin,
    made_with,
    opened,
    put_in_place,
    table_columns,
    written,
)
from galaxy_sklearn.datasets import is_image_file
from galaxy_sklearn.datasets._loaders import is_hidden
from galaxy_sklearn.exceptions import ImageReadError, ImageReadWarning
from galaxy_sklearn.preprocessing import ImageReader

CHUNK = 512  # files between two writes


def list_images(names):
    """Return the image files that `names` are or, for folders, hold.

    Raises ValueError if a name is neither, or no image is found.
    """
    files = []
    for name in map(Path, names):
        if name.is_dir():
            files += sorted(
                path
                for path in name.rglob("*")
                if is_image_file(path) and path.is_file() and not is_hidden(path.relative_to(name))
            )
        elif name.exists():
            files.append(name)
        else:
            raise ValueError(f"there is no file or folder {str(name)!r}.")
    if not files:
        raise ValueError(f"there is no image in {', '.join(map(str, names))}.")
    return np.asarray([str(file) for file in files])


def image_reader(model):
    """Return the step of a Pipeline that reads files; ValueError if it has none."""
    for step in model.named_steps.values():
        if isinstance(step, ImageReader):
            return step
    raise ValueError("the model has no ImageReader among its steps: it takes arrays, not files.")


def predict_files(model, files, output, *, model_file, threshold, restart, progress):
    """Write file, class, confidence, all probabilities and needs_review for each file.

    Rows are appended to ``<output>.partial`` and put in place when complete; a run that was
    stopped goes on after the last whole row. A file that cannot be read, or is of another kind
    than the model's images, gets an empty class, and needs review.

    Parameters
    ----------
    model : Pipeline
        Fitted; its `ImageReader` is told to leave unreadable files blank.
    files : ndarray of str of shape (n_files,)
        What to predict.
    output : path-like
        ``.csv`` or ``.parquet``.
    model_file : path-like
        Where `model` was read from; another model's rows are never mixed with its own.
    threshold : float
        Review below this confidence.
    restart : bool
        Forget an interrupted run.
    progress : bool
        Show a progress bar.

    Returns
    -------
    failed : int
        Number of files without a class.
    reason : str
        Why the first of those met in this run has none; empty if none was met.

    Raises
    ------
    ValueError
        If another run writes `output`; if an interrupted run was about other files or classes,
        another model or threshold; if no file at the start is of the kind that the model was
        fitted on; if a class is called like another column.
    """
    output = Path(output)
    partial = output.with_name(f"{output.name}.partial")
    columns = table_columns(model.classes_)
    common = made_with(model_file, threshold)
    image_reader(model).set_params(on_error="blank", cache=None)
    problems = []
    with opened(partial) as table:
        if restart:
            table.truncate(0)
        done = begin(table, partial, columns, [written(file) for file in files], common)
        with tqdm(total=len(files), initial=done, unit="image", disable=not progress) as bar:
            for start in range(done, len(files), CHUNK):
                chunk = files[start : start + CHUNK]
                rows = _rows(model, chunk, threshold, problems)
                if start == 0:
                    _check_fit(rows, problems)
                csv.writer(table).writerows(rows)
                table.flush()
                bar.update(len(chunk))
        table.flush()
        failed = put_in_place(partial, output)
    return failed, problems[0][0] if problems else ""


def _rows(model, files, threshold, problems):
    """Return a row for each file, halving what fails as a whole down to the files at fault."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImageReadWarning)
            proba = model.predict_proba(files)
    except ValueError as error:
        if len(files) == 1:
            readable = not isinstance(error, ImageReadError)
            problems.append((f"{str(files[0])!r}: {error}", readable))
            return [_empty_row(files[0], model)]
        half = len(files) // 2
        return [
            *_rows(model, files[:half], threshold, problems),
            *_rows(model, files[half:], threshold, problems),
        ]
    failed = {row: reason for row, _, reason in image_reader(model).failed_}
    problems += [(f"{str(files[row])!r}: {failed[row]}", False) for row in sorted(failed)]
    return [
        _empty_row(file, model) if row in failed else _row(file, shares, model, threshold)
        for row, (file, shares) in enumerate(zip(files, proba))
    ]


def _row(file, shares, model, threshold):
    best = int(shares.argmax())
    numbers = [f"{share:.6f}" for share in shares]
    review = bool(shares[best] < threshold)
    return [written(file), model.classes_[best], numbers[best], *numbers, review]


def _empty_row(file, model):
    return [written(file), "", "", *[""] * len(model.classes_), True]


def _check_fit(rows, problems):
    """Raise ValueError if no file got a class though some could be read."""
    unfit = [reason for reason, readable in problems if readable]
    if unfit and all(row[2] == "" for row in rows):
        raise ValueError(f"the model takes none of the first {len(rows)} files; {unfit[0]}")
