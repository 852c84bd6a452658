"""Files of published data sets that hold other things than expected, or labels of no image."""

import io
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from galaxy_sklearn.datasets import fetch_efigi, fetch_galaxy10_decals, fetch_galaxy_zoo_2
from galaxy_sklearn.datasets._download import locked


def _fetch(function, data_home, **params):
    return function(data_home=data_home, download_if_missing=False, verbose=False, **params)


def _picture():
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"ans": None}, "has no labels 'ans'"),
        ({"images": None}, "has no 'images'"),
        ({"ans": [1, 2, 10]}, "has labels 'ans' that are no whole numbers from 0 to 9"),
        ({"ans": [1, 2, -1]}, "has labels 'ans' that are no whole numbers from 0 to 9"),
        ({"ans": [1.0, 2.0, 3.0]}, "has labels 'ans' that are no whole numbers from 0 to 9"),
        ({"ans": np.eye(3, 10, dtype=int)}, "has labels 'ans' that are no whole .*"),
        ({"ans": [1, 2]}, "has 3 images and 2 values of 'ans'"),
        ({"ra": [1.0, 2.0]}, "has 3 images and 2 values of 'ra'"),
    ],
)
def test_other_contents_than_galaxy10_s_are_named(tmp_path, changes, complaint):
    columns = {"images": np.zeros((3, 4, 4, 3), np.uint8), "ans": [0, 1, 2]} | changes
    file = tmp_path / "galaxy10" / "Galaxy10_DECals.h5"
    file.parent.mkdir()
    with h5py.File(file, "w") as table:
        for name, values in columns.items():
            if values is not None:
                table[name] = values
    with pytest.raises(ValueError, match=f"Galaxy10_DECals.h5 {complaint}; .* so it stays"):
        _fetch(fetch_galaxy10_decals, tmp_path)
    (file.parent / "Galaxy10_DECals.h5.sha256").touch()
    with pytest.raises(ValueError, match="it and its hash are deleted"):
        _fetch(fetch_galaxy10_decals, tmp_path)
    assert list(file.parent.iterdir()) == []


@pytest.fixture
def zoo(tmp_path):
    """A folder with two images of Galaxy Zoo 2 and their table."""
    folder = tmp_path / "galaxy_zoo_2"
    folder.mkdir()
    with zipfile.ZipFile(folder / "images_gz2.zip", "w") as file:
        for number in (7, 8):
            file.writestr(f"images/{number}.jpg", _picture())
    mapping = "objid,sample,asset_id\n17,original,7\n18,original,8\n"
    (folder / "gz2_filename_mapping.csv").write_text(mapping)
    return tmp_path


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("objid,gz2_class\n27,Ei\n", "has no gz2_class for any of the 2 images of .*images_gz2"),
        ("objid,gz2_class\n17,\n", "has no gz2_class for any of the 2 images of .*images_gz2"),
        ("objid,gz2_class\nJ17,Ei\n", "needs whole numbers in the column 'objid'; got "),
        ("objid,gz2_class\n17,Ei\n,Sb\n", "needs whole numbers in the column 'objid'; got float"),
        ("objid,dr7objid,gz2_class\n17,17,Ei\n", "has both a column 'objid' and a column 'dr7"),
        ("dr7objid,gz2_class\n17,Ei\n18,Sb\n17,Sc\n", "has objid 17 more than once"),
    ],
)
def test_labels_that_fit_no_image_are_named(zoo, table, complaint):
    own = zoo / "own.csv"
    own.write_text(table)
    for as_frame in (False, True):
        with pytest.raises(
            ValueError, match=f"fetch_galaxy_zoo_2: the table .*own.csv {complaint}"
        ):
            _fetch(fetch_galaxy_zoo_2, zoo, labels=own, as_frame=as_frame)
    assert own.exists()


@pytest.mark.parametrize("labels", ["lost.csv", "objid.csv"])
def test_own_labels_are_read_before_anything_is_fetched(tmp_path, labels):
    (tmp_path / "objid.csv").write_text("objid\n17\n")
    with pytest.raises((FileNotFoundError, ValueError), match="lost.csv|has no column 'gz2_class'"):
        _fetch(fetch_galaxy_zoo_2, tmp_path / "nothing", labels=tmp_path / labels)


def test_own_labels_are_a_file(tmp_path):
    with pytest.raises(TypeError, match="the name of a CSV or Parquet table as labels; got DataF"):
        _fetch(fetch_galaxy_zoo_2, tmp_path, labels=pd.DataFrame({"objid": [17]}))


def test_labels_without_a_position_have_no_groups(zoo):
    own = zoo / "own.csv"
    own.write_text("objid,gz2_class,ra\n17,E,1.5\n18,NA,2.5\n")
    bunch = _fetch(fetch_galaxy_zoo_2, zoo, labels=own)
    assert bunch.target.tolist() == ["E"]
    assert "groups" not in bunch


def test_positions_are_for_all_or_none(zoo):
    own = zoo / "own.csv"
    own.write_text("objid,gz2_class,ra,dec\n17,E,1.5,0\n18,S,,0\n")
    with pytest.raises(ValueError, match="own.csv has no ra and dec for objid 18; leave out both"):
        _fetch(fetch_galaxy_zoo_2, zoo, labels=own)


def test_an_archive_without_images_is_named(zoo):
    (zoo / "own.csv").write_text("objid,gz2_class\n17,Ei\n")
    with zipfile.ZipFile(zoo / "galaxy_zoo_2" / "images_gz2.zip", "w") as file:
        file.writestr("readme.txt", "nothing here")
    with pytest.raises(ValueError, match="any of the 0 images of .*images_gz2.zip that are in"):
        _fetch(fetch_galaxy_zoo_2, zoo, labels=zoo / "own.csv")


ATTRIBUTES = b"PGCname T T_inf T_sup Bar_Length\nPGC0000001 3 2 4 0.5\n"


def _efigi(tmp_path, picture, table, content):
    """Write the two archives of EFIGI, with one member each."""
    (tmp_path / "efigi").mkdir(exist_ok=True)
    for archive, name, pixels_or_rows in (
        ("efigi_png_gri-1.6.tgz", picture, _picture()),
        ("efigi_tables-1.6.2.tgz", table, content),
    ):
        with tarfile.open(tmp_path / "efigi" / archive, "w:gz") as file:
            entry = tarfile.TarInfo(f"efigi-1.6/{name}")
            entry.size = len(pixels_or_rows)
            file.addfile(entry, io.BytesIO(pixels_or_rows))


def test_efigi_without_the_colour_images_is_named(tmp_path):
    _efigi(tmp_path, "jpg/PGC0000001.png", "EFIGI_attributes.txt", ATTRIBUTES)
    with pytest.raises(ValueError, match="no png/ image of .*efigi_png_gri-1.6.tgz is in the tab"):
        _fetch(fetch_efigi, tmp_path)


@pytest.mark.parametrize(
    ("name", "table", "complaint"),
    [
        ("readme.txt", ATTRIBUTES, "tgz holds no EFIGI_attributes.txt"),
        ("EFIGI_attributes.txt", b"", "is not a readable table"),
        ("EFIGI_attributes.txt", b"PGC T T_inf T_sup\n1 3 2 4\n", "has no column 'PGCname'"),
    ],
)
def test_another_table_than_efigi_s_is_named_and_fetched_anew(tmp_path, name, table, complaint):
    _efigi(tmp_path, "png/PGC0000001.png", name, table)
    archive = tmp_path / "efigi" / "efigi_tables-1.6.2.tgz"
    archive.with_name(f"{archive.name}.sha256").touch()
    with pytest.raises(ValueError, match=f"{complaint}; it and its hash are deleted"):
        _fetch(fetch_efigi, tmp_path)
    assert not archive.exists()
    _efigi(tmp_path, "png/PGC0000001.png", "EFIGI_attributes.txt", ATTRIBUTES)
    assert _fetch(fetch_efigi, tmp_path).target.tolist() == [3]


def test_processes_that_unpack_one_archive_wait_for_each_other(tmp_path):
    _efigi(tmp_path, "png/PGC0000001.png", "EFIGI_attributes.txt", ATTRIBUTES)
    mark = tmp_path / "efigi" / "efigi_png_gri-1.6.tgz.unpacked"
    with ThreadPoolExecutor(1) as pool:
        with locked(tmp_path / "efigi"):
            fetched = pool.submit(_fetch, fetch_efigi, tmp_path)
            with pytest.raises(TimeoutError):
                fetched.result(timeout=0.5)
            assert not mark.exists()
        assert fetched.result(timeout=60).target.tolist() == [3]
    assert mark.exists()
