"""Download a file once: mirrors, resume, retries, a hash, a progress bar.

Pooch fetches into a temporary file that it throws away when the connection ends; sets of some
gigabytes need to go on where they broke, so only its hashing serves here.
"""

import contextlib
import fcntl
import os
import time
from numbers import Integral, Real
from pathlib import Path
from typing import NamedTuple

import pooch
import requests
from tqdm.auto import tqdm

_BLOCK = 1 << 16  # bytes written at a time, and lost at most when the connection ends
_TIMEOUT = 30.0  # seconds without an answer
_TRANSIENT = (408, 425, 429)  # of the 4xx answers, those worth asking again


class RemoteFile(NamedTuple):
    """A file on the web.

    Parameters
    ----------
    name : str
        Name on disk.
    urls : tuple of str
        Where it is; tried in this order.
    sha256 : str, default=None
        Its hash; None where its publisher gives none. Then the hash of the first download is kept
        beside the file, and later downloads must equal it.
    """

    name: str
    urls: tuple
    sha256: str | None = None


class _WrongHashError(Exception):
    """A complete file is not the expected one."""


def data_folder(data_home=None):
    """Return the folder of downloaded data; it is not made here.

    Parameters
    ----------
    data_home : path-like, default=None
        None is the environment variable ``GALAXY_SKLEARN_DATA_HOME``, else
        ``~/galaxy_sklearn_data``.
    """
    home = data_home or os.environ.get("GALAXY_SKLEARN_DATA_HOME") or "~/galaxy_sklearn_data"
    return Path(home).expanduser()


def fetch_file(remote, folder, *, download_if_missing, n_retries, delay, verbose):
    """Return the path of `remote` in `folder`, downloaded if need be.

    What arrived of a broken download stays in ``<name>.part`` and is continued, in this session
    or a later one, where a hash will tell or the server says that the file is still the same.
    Processes that want files of one folder wait for each other.

    Raises
    ------
    OSError
        If the file is not there and may not be downloaded, or no address gave it.
    ValueError
        If what came has another hash, or `n_retries` or `delay` is out of range.
    """
    if not (isinstance(n_retries, Integral) and n_retries >= 0):
        raise ValueError(f"n_retries must be a whole number of at least 0. Got {n_retries!r}.")
    if not (isinstance(delay, Real) and delay >= 0):
        raise ValueError(f"delay must be a non-negative number of seconds. Got {delay!r}.")
    path = Path(folder) / remote.name
    if path.exists():
        return path
    if not download_if_missing:
        raise OSError(f"{path} is not there, and download_if_missing is False.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent):
        if not path.exists():
            _download(remote, path, n_retries, delay, verbose)
    return path


def discard(path):
    """Delete a download that is not what it should be, with its hash; return what was done.

    What has no hash beside it was put there by somebody else and stays.

    Parameters
    ----------
    path : path-like
        Of the file.

    Returns
    -------
    str
        End of the sentence that says what is wrong with the file.
    """
    sidecar = _sidecar(Path(path))
    if not sidecar.exists():
        return "; it was not downloaded by this package, so it stays: replace or delete it."
    Path(path).unlink(missing_ok=True)
    sidecar.unlink()
    return "; it and its hash are deleted, so that the next call fetches it again."


def _sidecar(path):
    return path.with_name(f"{path.name}.sha256")


@contextlib.contextmanager
def locked(folder):
    """Hold the folder against other processes, where its file system knows locks."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _download(remote, path, n_retries, delay, verbose):
    part = path.with_name(f"{path.name}.part")
    sidecar = _sidecar(path)
    known = remote.sha256 or (sidecar.read_text().strip() if sidecar.exists() else None)
    failures = {}
    for url in remote.urls:
        for attempt in range(n_retries + 1):
            if attempt:
                time.sleep(delay)
            continued = part.exists()
            try:
                _continue_download(url, part, verbose, checked=known is not None)
                digest = _require_hash(part, known)
            except _WrongHashError as error:
                failures[url] = error
                if not continued:  # as published there: asking again won't help
                    break
            except requests.RequestException as error:
                failures[url] = error
                if _is_final(error):
                    break
            else:
                sidecar.write_text(f"{digest}\n")
                _version_file(part).unlink(missing_ok=True)
                os.replace(part, path)
                return
    _report(remote, failures, sidecar)


def _is_final(error):
    status = getattr(error.response, "status_code", None)
    return status is not None and 400 <= status < 500 and status not in _TRANSIENT


def _report(remote, failures, sidecar):
    what = "; ".join(f"{url}: {error}" for url, error in failures.items())
    if isinstance(list(failures.values())[-1], _WrongHashError):
        advice = "" if remote.sha256 else f" If its publisher changed it, delete {sidecar}."
        raise ValueError(f"{remote.name} is not the file that was expected. {what}.{advice}")
    raise OSError(f"{remote.name} could not be downloaded. {what}")


def _continue_download(url, part, verbose, *, checked):
    """Fetch what `part` lacks; start again where the server can't continue.

    So too where the file there may be another by now, unless a hash is `checked` in the end.

    Raises requests.RequestException if the transfer fails or ends early; OSErrors of the local
    disk are passed on.
    """
    have = part.stat().st_size if part.exists() else 0
    version = _version_of(part, url)
    if not (checked or version):
        have = 0
    headers = {"Accept-Encoding": "identity"}  # else lengths would be those of zipped bytes
    if have:
        headers["Range"] = f"bytes={have}-"
    if have and version:
        headers["If-Range"] = version
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        if have and answer.status_code == requests.codes.requested_range_not_satisfiable:
            if answer.headers.get("Content-Range", "").strip() == f"bytes */{have}":
                return  # all of it is here
            part.unlink()
            raise requests.ConnectionError("the file is shorter than what was here of it")
        answer.raise_for_status()
        if have and not _continues(answer, have):
            have = 0
        if not have:
            part.unlink(missing_ok=True)
            _note_version(part, url, answer)
        _write(answer, part, have, verbose)


def _version_file(part):
    return part.with_name(f"{part.name}.version")


def _note_version(part, url, answer):
    """Write down which version of the file at `url` the part is of, if the server says so."""
    tag = answer.headers.get("ETag", "")
    version = tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")  # W/ is weak
    _version_file(part).write_text(f"{url}\n{version}\n", encoding="utf-8")


def _version_of(part, url):
    """Return what `_note_version` wrote down; None where that is nothing, or of another url."""
    file = _version_file(part)
    noted = file.read_text(encoding="utf-8").split("\n") if file.exists() else []
    return noted[1] or None if len(noted) == 3 and noted[0] == url else None


def _continues(answer, have):
    """Tell whether an answer goes on at byte `have`."""
    if answer.status_code != requests.codes.partial_content:
        return False
    return answer.headers.get("Content-Range", f"bytes {have}-").startswith(f"bytes {have}-")


def _write(answer, part, have, verbose):
    length = answer.headers.get("Content-Length")
    total = None if length is None else have + int(length)
    bar = tqdm(
        total=total,
        initial=have,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        desc=part.stem,
        disable=not verbose,
    )
    with open(part, "ab" if have else "wb") as file, bar:
        for block in answer.iter_content(_BLOCK):
            file.write(block)
            bar.update(len(block))
    size = part.stat().st_size
    if total is not None and size < total:
        raise requests.ConnectionError(f"the connection ended after {size} of {total} bytes")


def _require_hash(part, known):
    """Return the SHA-256 of `part`; one that is not `known` is deleted."""
    digest = pooch.file_hash(str(part), alg="sha256")
    if known is not None and digest != known:
        part.unlink()
        _version_file(part).unlink(missing_ok=True)
        raise _WrongHashError(f"SHA-256 {digest} instead of {known}: deleted")
    return digest
