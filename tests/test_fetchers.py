"""Fetchers against a local server, with small files of the published formats."""

import gzip
import hashlib
import io
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from galaxy_sklearn.datasets import (
    _efigi,
    _galaxy_zoo_2,
    _registry,
    fetch_efigi,
    fetch_galaxy10_decals,
    fetch_galaxy10_sdss,
    fetch_galaxy_zoo_2,
)
from galaxy_sklearn.datasets._download import RemoteFile, data_folder, fetch_file

ONCE = {"download_if_missing": True, "n_retries": 2, "delay": 0.0, "verbose": False}

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


def test_a_wrong_hash_is_refused_without_asking_again(server, remote, tmp_path):
    with pytest.raises(ValueError, match=f"data.bin is not the .* SHA-256 {SHA} instead of 00"):
        fetch_file(remote._replace(sha256="00"), tmp_path, **ONCE)
    assert list(tmp_path.iterdir()) == []
    assert len(server.requests) == 1


def test_a_mirror_stands_in_for_a_changed_file(server, remote, tmp_path):
    server.files["changed.bin"] = b"changed"
    mirrored = remote._replace(urls=(server.url("changed.bin"), server.url("data.bin")))
    assert fetch_file(mirrored, tmp_path, **ONCE).read_bytes() == CONTENT


@pytest.mark.parametrize("part", [b"x" * 1000, b"x" * len(CONTENT), CONTENT + b"x"])
def test_a_spoilt_part_is_fetched_afresh(remote, tmp_path, part):
    (tmp_path / "data.bin.part").write_bytes(part)
    assert fetch_file(remote, tmp_path, **ONCE).read_bytes() == CONTENT


def test_a_part_that_is_too_long_is_not_taken_for_the_file(remote, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(CONTENT + b"x")
    path = fetch_file(remote._replace(sha256=None), tmp_path, **ONCE)
    assert path.read_bytes() == CONTENT


def test_a_file_cut_short_each_time_is_an_error_that_keeps_the_part(server, remote, tmp_path):
    server.cut = 500_000
    with pytest.raises(OSError, match="could not be downloaded"):
        fetch_file(remote, tmp_path, **(ONCE | {"n_retries": 0}))
    part = (tmp_path / "data.bin.part").read_bytes()
    assert 400_000 < len(part) <= 500_000
    assert part == CONTENT[: len(part)]


def test_what_is_not_there_is_not_asked_for_twice(server, remote, tmp_path):
    gone = remote._replace(urls=(server.url("gone.bin"), server.url("lost.bin")))
    with pytest.raises(OSError, match=r"gone.bin: 404 .*; .*lost.bin: 404"):
        fetch_file(gone, tmp_path, **ONCE)
    assert len(server.requests) == 2


def test_a_full_disk_is_no_reason_to_ask_again(monkeypatch, server, remote, tmp_path):
    (tmp_path / "data.bin.part").mkdir()
    with pytest.raises(IsADirectoryError, match="data.bin.part"):
        fetch_file(remote, tmp_path, **ONCE)
    assert len(server.requests) == 1


def test_two_at_once_download_once(server, remote, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: fetch_file(remote, tmp_path, **ONCE), range(4)))
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert len(server.requests) == 1


def test_the_progress_bar_goes_on_from_the_part(remote, tmp_path, capsys):
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:640_000])
    fetch_file(remote, tmp_path, **(ONCE | {"verbose": True}))
    shown = capsys.readouterr().err
    assert "data.bin:" in shown
    assert "50%" in shown
    assert "100%" in shown


@pytest.mark.parametrize(("name", "value"), [("n_retries", -1), ("n_retries", 1.5), ("delay", -1)])
def test_senseless_options_are_refused(remote, tmp_path, name, value):
    with pytest.raises(ValueError, match=f"{name} must be .* Got {value}"):
        fetch_file(remote, tmp_path, **(ONCE | {name: value}))


def test_without_a_published_hash_the_first_download_counts(server, remote, tmp_path):
    unknown = remote._replace(sha256=None)
    path = fetch_file(unknown, tmp_path, **ONCE)
    path.unlink()
    server.files["data.bin"] = b"changed"
    with pytest.raises(ValueError, match=f"instead of {SHA}: .*delete .*data.bin.sha256"):
        fetch_file(unknown, tmp_path, **ONCE)
    path.with_name("data.bin.sha256").unlink()
    assert fetch_file(unknown, tmp_path, **ONCE).read_bytes() == b"changed"


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
    registry = dict(_registry.REGISTRY)
    for key, content in contents.items():
        name = registry[key].name
        server.files[name] = content
        digest = hashlib.sha256(content).hexdigest()
        registry[key] = RemoteFile(name, (server.url(name),), digest)
    monkeypatch.setattr(_registry, "REGISTRY", registry)


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
    assert bunch.frame is None
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
    assert bunch.frame["class"].tolist() == ["Smooth, Cigar Shaped", "Smooth, Completely Round"]
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
    votes = pd.DataFrame(
        {
            "dr7objid": [18, 17, 20],
            "gz2_class": ["Ei", "Sb2m", "Er"],
            "ra": [0.0, 360.0, 9.0],
            "dec": 1.0,
        }
    )
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
    assert bunch.groups.tolist() == [0, 0]
    assert bunch.target_names.tolist() == ["Ei", "Sb2m"]
    assert not (tmp_path / "10.jpg").exists()
    own = tmp_path / "own.csv"
    pd.DataFrame({"objid": [18], "gz2_class": ["A"]}).to_csv(own, index=False)
    X, y = _fetch(fetch_galaxy_zoo_2, tmp_path, labels=own, return_X_y=True)
    assert y.tolist() == ["A"]
    assert len(X) == 1
    pd.DataFrame({"objid": [18]}).to_csv(own, index=False)
    with pytest.raises(ValueError, match="has no column 'gz2_class'"):
        _fetch(fetch_galaxy_zoo_2, tmp_path, labels=own)


def _tar(**files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


TABLE = b"""# EFIGI_attributes.txt version 1.6.2 :
#    PGC_name              PGC name
#    T                     EFIGI morphological type
#
PGCname\tT\tT_inf\tT_sup\tArm_Strength\tBar_Length
PGC0000001\t-5\t-5\t-4\t0\t0
PGC0000002\t3\t2\t3\t0.25\t0.75
PGC0000003\t3\t-1\t3\t-1\t-1
PGC0000004\t9\t2\t3\t0.25\t0.25
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
    assert bunch.target_names.tolist() == ["E", "Sb", "Sm"]
    assert bunch.frame["T_inf"].tolist() == [-5, 2, -1, 2]
    assert bunch.frame["Arm_Strength"].isna().tolist() == [False, False, True, False]
    bunch.target[0] = 7  # as arrays of scikit-learn's loaders are
    assert bunch.frame["hubble8"].fillna("none").tolist() == ["E", "SBb", "Sb", "none"]
    assert np.asarray(bunch.data)[:, 0, 0, 0] == pytest.approx([40, 80, 120, 160], abs=3)


@pytest.mark.parametrize("name", ["../evil.txt", "/tmp/evil.txt", "a/../../evil.txt"])
def test_an_archive_that_would_leave_its_folder_is_refused(tmp_path, name):
    (tmp_path / "in").mkdir()
    archive = tmp_path / "in" / "evil.tgz"
    archive.write_bytes(_tar(**{"good.txt": b"good", name: b"evil"}))
    with pytest.raises(ValueError, match="is not safe to unpack: it holds .*evil.txt"):
        _efigi.unpack(archive, tmp_path / "in")
    assert [path.name for path in tmp_path.rglob("*.txt")] == []


def test_an_archive_with_links_is_refused(tmp_path):
    with tarfile.open(tmp_path / "links.tgz", "w:gz") as file:
        entry = tarfile.TarInfo("link")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(entry)
    with pytest.raises(ValueError, match="is not safe to unpack: it holds 'link'"):
        _efigi.unpack(tmp_path / "links.tgz", tmp_path)


def test_apples_copies_are_not_unpacked_and_nothing_is_twice(tmp_path):
    archive = tmp_path / "a.tgz"
    archive.write_bytes(_tar(**{"__MACOSX/x.txt": b"", "._y.txt": b"", "z.txt": b"z"}))
    _efigi.unpack(archive, tmp_path)
    assert [path.name for path in tmp_path.rglob("*.txt")] == ["z.txt"]
    (tmp_path / "z.txt").unlink()
    _efigi.unpack(archive, tmp_path)
    assert not (tmp_path / "z.txt").exists()


def test_broken_archives_are_named(monkeypatch, server, tmp_path):
    broken = dict.fromkeys(["decals", "gz2_images", "efigi_images"], b"not an archive")
    _register(monkeypatch, server, **broken, gz2_mapping=b"", efigi_tables=b"")
    own = tmp_path / "own.csv"
    own.write_text("objid,gz2_class\n17,Ei\n")
    for function, what in (
        (fetch_galaxy10_decals, "HDF5 file"),
        (fetch_galaxy_zoo_2, "zip archive"),
        (fetch_efigi, "tar archive"),
    ):
        deleted = f"is not a readable {what}; it and its hash are deleted"
        with pytest.raises(ValueError, match=deleted):
            _fetch(function, tmp_path, **({"labels": own} if "zoo" in function.__name__ else {}))


PAGE = b"<!DOCTYPE html>\n<html><body>Sorry, we are being repaired,\nback soon</body></html>\n"


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ("gz2_images", "is not a readable zip archive"),
        ("gz2_mapping", "(is not a readable table|has no column 'asset_id')"),
        ("gz2_labels", "is not a readable table"),
    ],
)
def test_a_web_page_in_place_of_a_file_is_fetched_anew(
    monkeypatch, server, tmp_path, key, complaint
):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("images/7.jpg", _jpeg(70))
    good = {
        "gz2_images": archive.getvalue(),
        "gz2_mapping": b"objid,sample,asset_id\n17,original,7\n",
        "gz2_labels": gzip.compress(b"dr7objid,gz2_class\n17,Ei\n"),
    }
    _register(monkeypatch, server, **good)
    unpublished = {one: _registry.REGISTRY[one]._replace(sha256=None) for one in good}
    monkeypatch.setattr(_registry, "REGISTRY", unpublished)
    name = unpublished[key].name
    server.files[name] = PAGE
    with pytest.raises(ValueError, match=f"{name} {complaint}; it and its hash are deleted"):
        _fetch(fetch_galaxy_zoo_2, tmp_path)
    assert not list(tmp_path.rglob(f"{name}*"))
    server.files[name] = good[key]
    assert _fetch(fetch_galaxy_zoo_2, tmp_path).target.tolist() == ["Ei"]


def test_what_was_not_downloaded_is_not_deleted(tmp_path):
    own = tmp_path / "own.csv.gz"
    own.write_bytes(b"not zipped")
    with pytest.raises(ValueError, match="own.csv.gz is not a readable table; it was not downlo"):
        _galaxy_zoo_2._read_votes(own, everything=True)
    archive = tmp_path / "own.tgz"
    archive.write_bytes(PAGE)
    with pytest.raises(ValueError, match="own.tgz is not a readable tar archive; .* so it stays"):
        _efigi.unpack(archive, tmp_path)
    assert own.exists()
    assert archive.exists()


def test_every_published_file_has_an_address_and_zenodo_two():
    for remote in _registry.REGISTRY.values():
        assert all(url.startswith("https://") for url in remote.urls)
        assert len(remote.urls) == (2 if "zenodo" in remote.urls[0] else 1)
        assert remote.sha256 is None or len(remote.sha256) == 64
