"""Predictions for any number of files, in bounded memory, resumable."""

import csv
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from galaxy_sklearn._optional import import_optional
from galaxy_sklearn.datasets import is_image_file
from galaxy_sklearn.exceptions import ImageReadError, ImageReadWarning

CHUNK = 512  # files between two writes


def list_images(names):
    """Return the image files that `names` are or, for folders, hold.

    Raises ValueError if a name is neither, or no image is found.
    """
    files = []
    for name in map(Path, names):
        if name.is_dir():
            files += sorted(p for p in name.rglob("*") if p.is_file() and is_image_file(p))
        elif name.exists():
            files.append(name)
        else:
            raise ValueError(f"there is no file or folder {str(name)!r}.")
    if not files:
        raise ValueError(f"there is no image in {', '.join(map(str, names))}.")
    return np.asarray([str(file) for file in files])


def predict_files(model, files, output, *, threshold, restart, progress):
    """Write file, class, confidence, all probabilities and needs_review for each file.

    Rows are appended to ``<output>.partial`` and put in place when complete; a run that was
    stopped goes on after the last whole row. A file that cannot be read gets an empty class, and
    needs review.

    Parameters
    ----------
    model : Pipeline
        Fitted; its `ImageReader` is told to leave unreadable files blank.
    files : ndarray of str of shape (n_files,)
        What to predict.
    output : path-like
        ``.csv`` or ``.parquet``.
    threshold : float
        Review below this confidence.
    restart : bool
        Forget an interrupted run.
    progress : bool
        Show a progress bar.

    Returns
    -------
    int
        Number of unreadable files.

    Raises
    ------
    ValueError
        If `output` ends in neither, or an interrupted run was about other files or classes.
    """
    output = Path(output)
    if output.suffix not in (".csv", ".parquet"):
        raise ValueError(f"the output must end in .csv or .parquet. Got {str(output)!r}.")
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f"{output.name}.partial")
    columns = ["file", "class", "confidence", *map(str, model.classes_), "needs_review"]
    if restart:
        partial.unlink(missing_ok=True)
    done = _rows_done(partial, columns, files)
    for name, step in model.named_steps.items():
        if hasattr(step, "failed_") or name == "imagereader":
            step.set_params(on_error="blank", cache=None)
    with (
        open(partial, "a", newline="", encoding="utf-8") as table,
        tqdm(total=len(files), initial=done, unit="image", disable=not progress) as bar,
    ):
        writer = csv.writer(table)
        if table.tell() == 0:
            writer.writerow(columns)
        for start in range(done, len(files), CHUNK):
            chunk = files[start : start + CHUNK]
            writer.writerows(_rows(model, chunk, threshold))
            table.flush()
            bar.update(len(chunk))
    return _put_in_place(partial, output)


def _rows_done(partial, columns, files):
    """Return how many files are done, after cutting off a row that a kill left unfinished."""
    if not partial.exists():
        return 0
    with open(partial, "rb+") as table:
        content = table.read()
        whole = content.rfind(b"\n") + 1
        table.truncate(whole)
    if not whole:
        return 0
    with open(partial, newline="", encoding="utf-8") as table:
        rows = csv.reader(table)
        same = next(rows) == columns
        names = [row[0] for row in rows]
    if not same or names != list(files[: len(names)]):
        raise ValueError(
            f"{str(partial)!r} is of an interrupted run on other files or with another model: "
            f"go on with those, or use --restart."
        )
    return len(names)


def _rows(model, files, threshold):
    failed = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImageReadWarning)
        try:
            proba = model.predict_proba(files)
            failed = {row for row, *_ in model.named_steps["imagereader"].failed_}
        except ImageReadError:
            if len(files) > 1:
                half = len(files) // 2
                return [
                    *_rows(model, files[:half], threshold),
                    *_rows(model, files[half:], threshold),
                ]
            proba, failed = np.zeros((1, len(model.classes_))), {0}
    rows = []
    for row, (file, shares) in enumerate(zip(files, proba)):
        if row in failed:
            rows.append([file, "", "", *[""] * len(shares), True])
            continue
        best = int(shares.argmax())
        numbers = [f"{share:.6f}" for share in shares]
        review = bool(shares[best] < threshold)
        rows.append([file, model.classes_[best], numbers[best], *numbers, review])
    return rows


def _put_in_place(partial, output):
    failed = 0
    chunks = pd.read_csv(partial, chunksize=100_000, dtype={"file": str, "class": str})
    if output.suffix == ".csv":
        failed = sum(int(chunk["class"].isna().sum()) for chunk in chunks)
        os.replace(partial, output)
        return failed
    pyarrow = import_optional("pyarrow", extra="io", feature="Writing Parquet")
    parquet = import_optional("pyarrow.parquet", extra="io", feature="Writing Parquet")
    written, writer = output.with_name(f"{output.name}.writing"), None
    for chunk in chunks:
        failed += int(chunk["class"].isna().sum())
        numbers = chunk.columns[2:-1]
        chunk[numbers] = chunk[numbers].astype(float)
        table = pyarrow.Table.from_pandas(chunk, preserve_index=False)
        writer = writer or parquet.ParquetWriter(written, table.schema)
        writer.write_table(table.cast(writer.schema))
    writer.close()
    os.replace(written, output)
    partial.unlink()
    return failed
