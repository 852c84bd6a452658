"""Fetchers against a local server, with small files of the published formats."""

import gzip
import hashlib
import io
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from galaxy_sklearn.datasets import (
    _fetchers,
    fetch_efigi,
    fetch_galaxy10_decals,
    fetch_galaxy10_sdss,
    fetch_galaxy_zoo_2,
    sky_groups,
)
from galaxy_sklearn.datasets._download import RemoteFile, data_folder, fetch_file

ONCE = {"download_if_missing": True, "n_retries": 2, "delay": 0.0, "verbose": False}


class Server(ThreadingHTTPServer):
    """Serves `files`; counts requests, fails the first `failures`, may cut or ignore ranges."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.requests = {}, []
        self.failures, self.cut, self.ranges = 0, None, True

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        server, name = self.server, self.path.strip("/")
        asked = self.headers.get("Range")
        server.requests.append((name, asked))
        if server.failures:
            server.failures -= 1
            return self.send_error(503)
        if name not in server.files:
            return self.send_error(404)
        content, start = server.files[name], 0
        if asked and server.ranges:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop, server.cut = server.cut, None
        self.wfile.write(content[start:stop])
        return None


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


CONTENT = bytes(range(256)) * 5000
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def remote(server):
    server.files["data.bin"] = CONTENT
    return RemoteFile("data.bin", (server.url("data.bin"),), SHA)


def test_a_file_is_downloaded_once(server, remote, tmp_path):
    path = fetch_file(remote, tmp_path / "new", **ONCE)
    assert path.read_bytes() == CONTENT
    fetch_file(remote, tmp_path / "new", **ONCE)
    assert len(server.requests) == 1
    assert sorted(p.name for p in path.parent.iterdir()) == ["data.bin", "data.bin.sha256"]


def test_failures_are_tried_again_and_then_reported(server, remote, tmp_path):
    server.failures = 2
    assert fetch_file(remote, tmp_path, **ONCE).exists()
    server.failures = 99
    with pytest.raises(OSError, match=r"other.bin could not be downloaded. .*503"):
        fetch_file(remote._replace(name="other.bin"), tmp_path, **ONCE)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on_where_it_broke(server, remote, tmp_path, ranges):
    server.cut, server.ranges = 700_000, ranges
    assert fetch_file(remote, tmp_path, **ONCE).read_bytes() == CONTENT
    assert len(server.requests) == 2
    assert server.requests[1][1].startswith("bytes=")
    assert int(server.requests[1][1][6:-1]) <= 700_000


def test_a_part_of_an_earlier_session_is_continued(server, remote, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:1000])
    assert fetch_file(remote, tmp_path, **ONCE).read_bytes() == CONTENT
    assert server.requests == [("data.bin", "bytes=1000-")]


def test_a_complete_part_is_only_checked(server, remote, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    assert fetch_file(remote, tmp_path, **ONCE).read_bytes() == CONTENT


def test_a_wrong_hash_is_refused(remote, tmp_path):
    with pytest.raises(ValueError, match=f"SHA-256 {SHA}, and 00 was expected: deleted"):
        fetch_file(remote._replace(sha256="00"), tmp_path, **ONCE)
    assert list(tmp_path.iterdir()) == []


def test_without_a_published_hash_the_first_download_counts(server, remote, tmp_path):
    unknown = remote._replace(sha256=None)
    path = fetch_file(unknown, tmp_path, **ONCE)
    path.unlink()
    server.files["data.bin"] = b"changed"
    with pytest.raises(ValueError, match=f"and {SHA} was expected"):
        fetch_file(unknown, tmp_path, **ONCE)


def test_mirrors_are_tried_in_turn(server, remote, tmp_path):
    mirrored = remote._replace(urls=(server.url("gone.bin"), server.url("data.bin")))
    assert fetch_file(mirrored, tmp_path, **ONCE).exists()


def test_nothing_is_downloaded_unasked(remote, tmp_path):
    with pytest.raises(OSError, match="download_if_missing is False"):
        fetch_file(remote, tmp_path / "none", **(ONCE | {"download_if_missing": False}))
    assert not (tmp_path / "none").exists()


def test_the_data_folder(monkeypatch, tmp_path):
    assert data_folder(tmp_path) == tmp_path
    monkeypatch.setenv("GALAXY_SKLEARN_DATA_HOME", str(tmp_path / "home"))
    assert data_folder() == tmp_path / "home"
    monkeypatch.delenv("GALAXY_SKLEARN_DATA_HOME")
    assert data_folder().name == "galaxy_sklearn_data"


def _register(monkeypatch, server, **contents):
    registry = dict(_fetchers.REGISTRY)
    for key, content in contents.items():
        name = registry[key].name
        server.files[name] = content
        digest = hashlib.sha256(content).hexdigest()
        registry[key] = RemoteFile(name, (server.url(name),), digest)
    monkeypatch.setattr(_fetchers, "REGISTRY", registry)


def _hdf5(**columns):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, values in columns.items():
            file[name] = values
    return buffer.getvalue()


def _fetch(function, tmp_path, **params):
    return function(data_home=tmp_path, delay=0.0, verbose=False, **params)


def test_galaxy10_decals(monkeypatch, server, tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (4, 8, 8, 3), dtype=np.uint8)
    ra, dec = [10, 10 + 1 / 3600, 50, 80], [1.0, 1, 1, 1]
    content = _hdf5(images=images, ans=np.array([0, 9, 3, 3], np.uint8), ra=ra, dec=dec)
    _register(monkeypatch, server, decals=content)
    bunch = _fetch(fetch_galaxy10_decals, tmp_path)
    np.testing.assert_array_equal(np.asarray(bunch.data), images)
    assert bunch.target.tolist() == [0, 9, 3, 3]
    assert bunch.target_names[3] == "In-between Round Smooth"
    assert bunch.groups[0] == bunch.groups[1]
    assert len(set(bunch.groups)) == 3
    assert "59 sky positions" in bunch.DESCR
    assert "split by it" in fetch_galaxy10_decals.__doc__
    assert "data_home : path-like" in fetch_galaxy10_decals.__doc__
    X, y = _fetch(fetch_galaxy10_decals, tmp_path, return_X_y=True, as_frame=True)
    assert X[1].shape == (8, 8, 3)
    assert y.name == "target"
    assert len(server.requests) == 1


def test_galaxy10_sdss(monkeypatch, server, tmp_path):
    content = _hdf5(images=np.zeros((2, 6, 6, 3), np.uint8), ans=np.array([3, 1], np.uint8))
    _register(monkeypatch, server, sdss=content)
    bunch = _fetch(fetch_galaxy10_sdss, tmp_path, as_frame=True)
    assert bunch.target_names[3] == "Smooth, Cigar Shaped"
    assert bunch.frame["target"].tolist() == [3, 1]
    assert "groups" not in bunch


def _jpeg(shade):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (shade,) * 3).save(buffer, "JPEG")
    return buffer.getvalue()


def test_galaxy_zoo_2(monkeypatch, server, tmp_path):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("images/7.jpg", "images/8.jpg", "__MACOSX/images/9.jpg", "../10.jpg"):
            file.writestr(name, _jpeg(10 * int(name.split("/")[-1].split(".")[0])))
    mapping = pd.DataFrame({"objid": [17, 18, 19], "sample": "original", "asset_id": [7, 8, 9]})
    votes = pd.DataFrame({"dr7objid": [18, 17, 20], "gz2_class": ["Ei", "Sb2m", "Er"]})
    _register(
        monkeypatch,
        server,
        gz2_images=archive.getvalue(),
        gz2_mapping=mapping.to_csv(index=False).encode(),
        gz2_labels=gzip.compress(votes.to_csv(index=False).encode()),
    )
    bunch = _fetch(fetch_galaxy_zoo_2, tmp_path, as_frame=True)
    assert bunch.target.tolist() == ["Sb2m", "Ei"]
    assert bunch.frame["member"].tolist() == ["images/7.jpg", "images/8.jpg"]
    assert bunch.data[1].mean() == pytest.approx(80, abs=3)
    assert not (tmp_path / "10.jpg").exists()


def _tar(**files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


TABLE = b"""# EFIGI attributes
# 1 PGCname
# PGCname T T_inf T_sup Bar_Length
PGC0000001 -5 -5 -4 0
PGC0000002  3  2  3 0.75
PGC0000003  3  2  3 0.25
PGC0000004  9  2  3 0.25
"""


def test_efigi(monkeypatch, server, tmp_path):
    pictures = {f"efigi-1.6/png/PGC000000{n}.png": _jpeg(n * 40) for n in (1, 2, 3, 4)}
    _register(
        monkeypatch,
        server,
        efigi_images=_tar(**pictures),
        efigi_tables=_tar(**{"efigi-1.6/EFIGI_attributes.txt": TABLE}),
    )
    bunch = _fetch(fetch_efigi, tmp_path, as_frame=True)
    assert bunch.target.tolist() == [-5, 3, 3, 9]
    assert bunch.frame["hubble8"].fillna("none").tolist() == ["E", "SBb", "Sb", "none"]
    assert np.asarray(bunch.data)[:, 0, 0, 0] == pytest.approx([40, 80, 120, 160], abs=3)


@pytest.mark.parametrize("name", ["../evil.txt", "/tmp/evil.txt"])
def test_an_archive_that_would_leave_its_folder_is_refused(tmp_path, name):
    (tmp_path / "in").mkdir()
    archive = tmp_path / "in" / "evil.tgz"
    archive.write_bytes(_tar(**{name: b"evil"}))
    if name.startswith("/"):
        _fetchers.unpack(archive, tmp_path / "in")
        assert (tmp_path / "in" / "tmp" / "evil.txt").exists()
    else:
        with pytest.raises(ValueError, match="is not safe to unpack"):
            _fetchers.unpack(archive, tmp_path / "in")
    assert not (tmp_path / "evil.txt").exists()


def test_groups_across_the_zero_meridian_and_at_the_pole():
    step = 3 / 3600
    ra = [359.9999, 0.0001, 0, 180, 20, 20, 20]
    dec = [0, 0, 90 - 0.0002, 90 - 0.0002, 10, 10 + step, 10 + 2 * step]
    groups = sky_groups(ra, dec)
    assert groups[0] == groups[1]
    assert groups[2] == groups[3]
    assert groups[4] == groups[5] == groups[6]
    assert len(set(groups)) == 3
    assert len(set(sky_groups(ra, dec, radius=0.1))) == 7
