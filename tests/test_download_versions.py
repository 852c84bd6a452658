"""A download that broke goes on with the same version of the file, or begins again."""

import pytest

from galaxy_sklearn.datasets._download import RemoteFile, fetch_file

ONCE = {"download_if_missing": True, "delay": 0.0, "verbose": False}
OLD, NEW = b"old" * 300_000, b"new" * 300_000
TAG, DATE = ("ETag", '"1"'), ("Last-Modified", "Mon, 02 Nov 2026 10:00:00 GMT")


@pytest.fixture
def broken(server, tmp_path):
    """Return a function that breaks a download of `OLD`, and what it was of."""

    def begin(version):
        remote = RemoteFile("data.bin", (server.url("data.bin"),))
        server.files["data.bin"], server.version, server.cut = OLD, version, 500_000
        with pytest.raises(OSError, match="could not be downloaded"):
            fetch_file(remote, tmp_path, n_retries=0, **ONCE)
        assert 0 < (tmp_path / "data.bin.part").stat().st_size <= 500_000
        server.requests.clear()
        return remote

    return begin


@pytest.mark.parametrize("version", [TAG, DATE])
def test_the_same_file_is_continued(server, broken, tmp_path, version):
    remote = broken(version)
    assert fetch_file(remote, tmp_path, n_retries=0, **ONCE).read_bytes() == OLD
    assert server.requests[0][1].startswith("bytes=")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.bin", "data.bin.sha256"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (TAG, ("ETag", '"2"')),
        (DATE, ("Last-Modified", "Tue, 03 Nov 2026 10:00:00 GMT")),
        (("ETag", 'W/"1"'), ("ETag", 'W/"1"')),  # a weak tag promises nothing of bytes
        (TAG, ()),
        ((), ()),
    ],
)
def test_another_file_is_fetched_from_its_beginning(server, broken, tmp_path, before, after):
    remote = broken(before)
    server.files["data.bin"], server.version = NEW, after
    assert fetch_file(remote, tmp_path, n_retries=0, **ONCE).read_bytes() == NEW


def test_a_mirror_does_not_continue_what_another_began(server, broken, tmp_path):
    remote = broken(TAG)
    server.files["mirror.bin"] = NEW
    mirrored = remote._replace(urls=(server.url("gone.bin"), server.url("mirror.bin")))
    assert fetch_file(mirrored, tmp_path, n_retries=0, **ONCE).read_bytes() == NEW


def test_parts_of_no_known_version_are_continued_where_a_hash_tells(server, broken, tmp_path):
    remote = broken(())
    path = fetch_file(remote, tmp_path, n_retries=0, **ONCE)
    path.unlink()
    (tmp_path / "data.bin.part").write_bytes(OLD[:1000])
    fetch_file(remote, tmp_path, n_retries=0, **ONCE)
    assert server.requests[-1][1] == "bytes=1000-"
