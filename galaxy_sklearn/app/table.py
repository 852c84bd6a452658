"""The table of predictions while it grows: locked, resumable, put in place when complete."""

import csv
import fcntl
import hashlib
import json
import os
from contextlib import contextmanager
from tempfile import TemporaryFile

import pandas as pd

from galaxy_sklearn._optional import import_optional

FIXED = ("file", "class", "confidence", "needs_review")


def table_columns(classes):
    """Return the names of the columns.

    Raises ValueError if a class is called like one of the others, or has no name.
    """
    names = [str(name) for name in classes]
    for name in names:
        if name in FIXED or not name:
            raise ValueError(
                f"the model has a class named {name!r}, which a table of predictions can't hold "
                f"beside its columns {', '.join(FIXED)}: train with another name."
            )
    return ["file", "class", "confidence", *names, "needs_review"]


def check_output(output):
    """Make the folder of `output`; raise ValueError if a table can't be written there."""
    if output.suffix not in (".csv", ".parquet"):
        raise ValueError(f"the output must end in .csv or .parquet. Got {str(output)!r}.")
    check_no_folder(output)
    if output.suffix == ".parquet":
        import_optional("pyarrow", extra="io", feature="Writing Parquet")


def check_no_folder(output):
    """Make the folder of `output`; raise ValueError if no file of that name can be written."""
    if output.is_dir():
        raise ValueError(f"the output {str(output)!r} is a folder; give the name of a file.")
    for parent in output.parents:
        if parent.exists() and not parent.is_dir():
            raise ValueError(f"the output {str(output)!r} has no folder: {str(parent)!r} is none.")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=output.parent):
            pass
    except OSError as error:
        raise ValueError(
            f"the output {str(output)!r} cannot be written: {error.strerror}."
        ) from error


def check_no_input(output, inputs):
    """Raise ValueError if `output` is one of the files that are read."""
    if not output.exists():
        return
    for name in inputs:
        if os.path.exists(name) and os.path.samefile(output, name):
            raise ValueError(
                f"the output {str(output)!r} is read too, and would be lost: give another --output."
            )


def written(name):
    """Return a file's name as a table holds it: bytes that are no UTF-8 as backslash escapes."""
    return str(name).encode("utf-8", "backslashreplace").decode()


def made_with(model_file, threshold):
    """Return what the rows of one table have in common: the model's SHA-256, the threshold."""
    with open(model_file, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"model_sha256": digest, "threshold": threshold}


@contextmanager
def opened(partial):
    """Open `partial` to append text; raise ValueError if another run holds it."""
    with open(partial, "a", newline="", encoding="utf-8") as table:
        try:
            fcntl.flock(table, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = partial.exists() and os.path.samestat(os.fstat(table.fileno()), partial.stat())
        except BlockingIOError:
            free = False
        except OSError:  # a file system without locks
            free = True
        if not free:
            raise ValueError(
                f"another run is writing {str(partial)!r}: wait for it, or give another --output."
            )
        yield table


def begin(table, partial, columns, files, common):
    """Return how many of `files` are done, with `table` ready for the rows that follow.

    A row that a kill left unfinished is cut off. Raises ValueError if the rows are of other
    files, classes or `common` than now.
    """
    stamp = partial.with_name(f"{partial.name}.json")
    done = _rows_done(partial, stamp, columns, files, common)
    if not done:
        table.truncate(0)
        stamp.write_text(json.dumps(common), encoding="utf-8")
        csv.writer(table).writerow(columns)
    return done


def _rows_done(partial, stamp, columns, files, common):
    with open(partial, "rb+") as table:
        table.truncate(table.read().rfind(b"\n") + 1)
    with open(partial, newline="", encoding="utf-8") as table:
        rows = csv.reader(table)
        same = next(rows, None) == columns
        names = [row[0] for row in rows]
    if not names:
        return 0
    if not same or names != list(files[: len(names)]):
        other = "on other files or classes"
    elif _read_stamp(stamp) != common:
        other = "with another model file or --threshold"
    else:
        return len(names)
    raise ValueError(
        f"{str(partial)!r} is of an interrupted run {other}: go on with those, or delete it "
        "(--restart does) to begin again."
    )


def _read_stamp(stamp):
    try:
        return json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def put_in_place(partial, output):
    """Make the complete `partial` the `output`; return how many rows have no class."""
    chunks = pd.read_csv(partial, chunksize=100_000, dtype=str, keep_default_na=False)
    stamp = partial.with_name(f"{partial.name}.json")
    if output.suffix == ".csv":
        failed = sum(int((chunk["confidence"] == "").sum()) for chunk in chunks)
        stamp.unlink(missing_ok=True)
        os.replace(partial, output)
        return failed
    unfinished = output.with_name(f"{output.name}.writing")
    failed = _write_parquet(chunks, unfinished)
    os.replace(unfinished, output)
    stamp.unlink(missing_ok=True)
    partial.unlink()
    return failed


def _write_parquet(chunks, path):
    pyarrow = import_optional("pyarrow", extra="io", feature="Writing Parquet")
    parquet = import_optional("pyarrow.parquet", extra="io", feature="Writing Parquet")
    failed, writer = 0, None
    for chunk in chunks:
        empty = chunk["confidence"] == ""
        failed += int(empty.sum())
        numbers = chunk.columns[2:-1]
        chunk[numbers] = chunk[numbers].replace("", "nan").astype(float)
        chunk["class"] = chunk["class"].mask(empty)
        chunk["needs_review"] = chunk["needs_review"] == "True"
        kinds = {"file": pyarrow.string(), "class": pyarrow.string()}
        kinds |= {name: pyarrow.float64() for name in numbers}
        kinds["needs_review"] = pyarrow.bool_()
        schema = pyarrow.schema(kinds.items())
        writer = writer or parquet.ParquetWriter(path, schema)
        writer.write_table(pyarrow.Table.from_pandas(chunk, schema, preserve_index=False))
    writer.close()
    return failed
