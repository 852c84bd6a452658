"""Predictions for any number of files, in bounded memory, resumable."""

import csv
import itertools
import warnings
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
from sklearn.pipeline import Pipeline
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
from galaxy_sklearn.neural_network._base import NetEstimator
from galaxy_sklearn.preprocessing import ImageReader

CHUNK = 512  # files between two writes
DEMO_MARK = ".galaxy-sklearn-demo"  # in a folder that `demo` wrote, whose pictures are no galaxies


def not_of_demo(files, folder):
    """Tell which files are in no folder below `folder` that `demo` wrote, bool (n_files,)."""
    written_by_demo = {mark.parent for mark in Path(folder).rglob(DEMO_MARK)} - {Path(folder)}
    return np.array([written_by_demo.isdisjoint(Path(file).parents) for file in files], dtype=bool)


def list_images(names):
    """Return the image files that `names` are or, for folders, hold; each once.

    What `demo` wrote below such a folder is left out.

    Raises ValueError if a name is neither, or no image is found.
    """
    files = []
    for name in map(Path, names):
        if name.is_dir():
            found = sorted(
                path
                for path in name.rglob("*")
                if is_image_file(path) and path.is_file() and not is_hidden(path.relative_to(name))
            )
            files += itertools.compress(found, not_of_demo(found, name))
        elif name.exists():
            files.append(name)
        else:
            raise ValueError(f"there is no file or folder {str(name)!r}.")
    if not files:
        raise ValueError(f"there is no image in {', '.join(map(repr, map(str, names)))}.")
    return np.asarray(list(dict.fromkeys(map(str, files))))


def load_model(path, device, *, proba=False):
    """Return a saved Pipeline, set to a device; ValueError if it is none, or reads no files.

    Also if there is no such device, and with `proba` if it gives no probabilities.
    """
    if not Path(path).is_file():
        raise ValueError(f"there is no model file {path!r}.")
    try:
        model = joblib.load(path)
    except Exception as error:
        raise ValueError(
            f"{path!r} cannot be opened as a model ({type(error).__name__}: {error})."
        ) from error
    if not (isinstance(model, Pipeline) and hasattr(model, "classes_")):
        raise ValueError(f"{path!r} holds no fitted Pipeline, but a {type(model).__name__}.")
    for step in model.named_steps.values():
        known = step.get_params() if hasattr(step, "get_params") else {}
        chosen = {"device": device, "verbose": 0}
        step.set_params(**{name: value for name, value in chosen.items() if name in known})
        if isinstance(step, NetEstimator):
            step._device()  # before anything is written
    image_reader(model)
    if proba and not hasattr(model, "predict_proba"):
        raise ValueError(f"{path!r} ends in a step that gives no probabilities.")
    return model


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
                if start == done:
                    _check_fit(rows, problems)
                csv.writer(table).writerows(rows)
                table.flush()
                bar.update(len(chunk))
        table.flush()
        failed = put_in_place(partial, output)
    return failed, problems[0][0] if problems else ""


class Problem(NamedTuple):
    """Why a file has no class.

    Parameters
    ----------
    reason : str
        In words, without the file.
    readable : bool
        The file could be read, but the model takes no such image.
    """

    reason: str
    readable: bool


def probabilities(model, files):
    """Return for each file its probabilities (n_classes,), or a Problem.

    The model's `ImageReader` has to leave unreadable files blank. What fails as a whole is halved
    down to the files at fault.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImageReadWarning)
            proba = model.predict_proba(files)
    except ValueError as error:
        if len(files) == 1:
            failed = image_reader(model).failed_
            readable = not (failed or isinstance(error, ImageReadError))
            return [Problem(failed[0][2] if failed else str(error), readable)]
        half = len(files) // 2
        return [*probabilities(model, files[:half]), *probabilities(model, files[half:])]
    failed = {row: Problem(reason, False) for row, _, reason in image_reader(model).failed_}
    return [failed.get(row, shares) for row, shares in enumerate(proba)]


def _rows(model, files, threshold, problems):
    """Return the table's row of each file; add to `problems` what each without a class has."""
    rows = []
    for file, found in zip(files, probabilities(model, files)):
        if isinstance(found, Problem):
            problems.append((f"{str(file)!r}: {found.reason}", found.readable))
            rows.append(_empty_row(file, model))
        else:
            rows.append(_row(file, found, model, threshold))
    return rows


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
