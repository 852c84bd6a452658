"""Download a file once: mirrors, resume, retries, a hash, a progress bar."""

import os
import time
from pathlib import Path
from typing import NamedTuple

import pooch
import requests
from tqdm.auto import tqdm

_BLOCK = 1 << 18  # bytes written at a time
_TIMEOUT = 30.0  # seconds without an answer


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

    Raises
    ------
    OSError
        If it is not there and may not be downloaded, or no address gave it.
    ValueError
        If what came has another hash.
    """
    path = Path(folder) / remote.name
    if path.exists():
        return path
    if not download_if_missing:
        raise OSError(f"{path} is not there, and download_if_missing is False.")
    path.parent.mkdir(parents=True, exist_ok=True)
    sidecar = path.with_name(f"{path.name}.sha256")
    known = remote.sha256 or (sidecar.read_text().strip() if sidecar.exists() else None)
    part = path.with_name(f"{path.name}.part")
    failures = []
    for url in remote.urls:
        for attempt in range(n_retries + 1):
            if attempt:
                time.sleep(delay)
            try:
                _continue_download(url, part, verbose)
                return _accept(part, path, known, sidecar, url)
            except (requests.RequestException, OSError) as error:
                failures.append(f"{url}: {error}")
    raise OSError(f"{remote.name} could not be downloaded. {failures[-1]}")


def _continue_download(url, part, verbose):
    """Fetch what `part` lacks; start again where the server can't continue."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        if have and answer.status_code == requests.codes.requested_range_not_satisfiable:
            return  # all of it is here, or the hash will tell
        answer.raise_for_status()
        if answer.status_code != requests.codes.partial_content:
            have = 0
        length = answer.headers.get("Content-Length")
        total = None if length is None else have + int(length)
        with (
            open(part, "ab" if have else "wb") as file,
            tqdm(
                total=total,
                initial=have,
                unit="B",
                unit_scale=True,
                desc=part.stem,
                disable=not verbose,
            ) as bar,
        ):
            for block in answer.iter_content(_BLOCK):
                file.write(block)
                bar.update(len(block))
    if total is not None and part.stat().st_size < total:
        raise OSError(f"the connection ended after {part.stat().st_size} of {total} bytes")


def _accept(part, path, known, sidecar, url):
    digest = pooch.file_hash(str(part), alg="sha256")
    if known is not None and digest != known:
        part.unlink()
        raise ValueError(
            f"{url} gave a file with the SHA-256 {digest}, and {known} was expected: deleted."
        )
    sidecar.write_text(f"{digest}\n")
    os.replace(part, path)
    return path
