"""Files that are written as a whole or not at all."""

import os
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path):
    """Give the name of a file beside `path` that takes its place once it is written.

    Parameters
    ----------
    path : path-like
        What is to be written, or to be written anew.

    Yields
    ------
    Path
        In the same folder. If the block fails, it is removed, and what lies under `path` stays.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"{str(path)!r} cannot be written: there is no folder {str(path.parent)!r}."
        )
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
