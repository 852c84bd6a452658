"""What the loaders pass over, take for a number, or cannot take."""

import gzip
import warnings

import numpy as np
import pandas as pd
import pytest
from astropy.table import MaskedColumn, Table
from PIL import Image

from galaxy_sklearn.datasets import is_image_file, load_catalog, load_image_folder
from galaxy_sklearn.preprocessing import ImageReader


def save(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), "red").save(path, format="jpeg")


# ------------------------------------------------------------------ folders
@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JFIF"])
def test_jpeg_has_more_than_two_names(tmp_path, suffix):
    save(tmp_path / "a" / f"x{suffix}")
    X, y = load_image_folder(tmp_path, return_X_y=True)
    assert y.tolist() == ["a"]
    assert is_image_file(X[0])
    np.testing.assert_array_equal(np.asarray(ImageReader().fit_transform(X))[0, 0, 0], [254, 0, 0])


def test_pictures_that_are_not_read_are_counted(tmp_path):
    for name in ("a/1.jpg", "a/deep/2.BMP", "b/3.gif", "b/4.png", "b/notes.txt", "b/.5.bmp"):
        save(tmp_path / name)
    message = r"passes over 2 pictures of a type that is not read, such as 'a.deep.2\.BMP'\."
    with pytest.warns(UserWarning, match=message) as caught:
        bunch = load_image_folder(tmp_path)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert bunch.target.tolist() == ["a", "b"]


def test_class_folders_without_images_are_counted(tmp_path):
    save(tmp_path / "a" / "1.jpg")
    for name in ("empty", "text/deep", ".hidden", "__MACOSX"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "text" / "notes.txt").touch()
    with pytest.warns(UserWarning, match="over 2 class folders without any image, such as 'empty'"):
        bunch = load_image_folder(tmp_path)
    assert bunch.target_names.tolist() == ["a"]
    (tmp_path / "a" / "1.jpg").rename(tmp_path / "a" / "1.bmp")
    with warnings.catch_warnings(action="error"), pytest.raises(ValueError, match="no sub-folder"):
        load_image_folder(tmp_path)


# ------------------------------------------------------------------ labels of a CSV file
@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["01", "02", "03"], ["01", "02", "03"]),
        (["1", "02", ""], ["1", "02", None]),
        (["00", "0", "1"], ["00", "0", "1"]),
        (["1", "2", "3"], [1, 2, 3]),
        (["0", "-5", "+3"], [0, -5, 3]),
        (["1", "", "3"], [1, None, 3]),
        ([" 1", "2 ", " "], [1, 2, None]),
        ([" 01", "2 ", "NA"], ["01", "2", None]),
        (["0.30", "-5", "1e-05"], [0.3, -5.0, 1e-5]),
        (["0.5", "", ".25"], [0.5, None, 0.25]),
        (["007.5", "1", "2"], ["007.5", "1", "2"]),
        (["587722981736120347", "1", ""], ["587722981736120347", "1", None]),
        (["True", "False", "True"], [True, False, True]),
        (["true", "", "false"], [True, None, False]),
        (["True", "1", "0"], ["True", "1", "0"]),
        (["1", "Sb", "E"], ["1", "Sb", "E"]),
        (["", "", ""], [None, None, None]),
    ],
)
def test_labels_are_numbers_only_if_they_are_written_so(tmp_path, texts, expected):
    lines = (f'{place}.jpg,"{text}"' for place, text in enumerate(texts))
    (tmp_path / "t.csv").write_text("\n".join(["file,label", *lines, ""]))
    names = {"file_column": "file", "label_column": "label", "on_missing": "keep"}
    found = load_catalog(tmp_path / "t.csv", on_unlabelled="keep", **names).target.tolist()
    assert found == expected
    assert [type(one) for one in found] == [type(one) for one in expected]


def test_a_column_of_names_that_is_the_label_too_stays_text(tmp_path):
    (tmp_path / "t.csv").write_text("id,z\n12,0.5\n13,0.25\n")
    found = load_catalog(
        tmp_path / "t.csv", id_column="id", label_column="id", on_missing="keep", as_frame=True
    )
    assert found.target.tolist() == ["12", "13"]
    assert found.frame["z"].tolist() == [0.5, 0.25]


# ------------------------------------------------------------------ tables of other kinds
def test_a_table_of_astropy_is_a_catalogue():
    table = Table(
        {
            "id": np.array([b"007", b"8", b"9"]),
            "T": MaskedColumn([3, -5, 0], mask=[False, False, True]),
            "flux": np.ones((3, 5)),
        }
    )
    names = {"id_column": "id", "label_column": "T", "on_missing": "keep"}
    found = load_catalog(table, **names)
    assert found.data.tolist() == ["007.jpg", "8.jpg"]
    assert found.target.tolist() == [3, -5]
    kept = load_catalog(table, on_unlabelled="keep", **names)
    assert kept.target.tolist() == [3, -5, None]
    assert table["id"].dtype.kind == "S"  # as it was
    assert table.colnames == ["id", "T", "flux"]


def test_a_table_of_polars_is_a_catalogue():
    polars = pytest.importorskip("polars")
    table = polars.DataFrame({"file": ["a.jpg", "b.jpg", "c.jpg"], "type": ["Sb", None, "E"]})
    found = load_catalog(table, file_column="file", label_column="type", on_missing="keep")
    assert found.data.tolist() == ["a.jpg", "c.jpg"]
    assert found.target.tolist() == ["Sb", "E"]


@pytest.mark.parametrize("table", [{"file": ["a.jpg"]}, [["a.jpg"]], None, 3])
def test_what_is_no_table_is_named(table):
    message = f"a table of pandas, polars or astropy; got a {type(table).__name__}: pandas.Data"
    with pytest.raises(TypeError, match=message):
        load_catalog(table, file_column="file")


@pytest.mark.parametrize("name", ["t.tsv", "t.TAB", "t.tsv.gz"])
def test_tabs_separate_the_columns_of_a_tsv_file(tmp_path, name):
    content = b"file\ttype\na, b.jpg\tSb\nc.jpg\tE\n"
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    found = load_catalog(
        tmp_path / name, file_column="file", label_column="type", on_missing="keep"
    )
    assert found.data.tolist() == ["a, b.jpg", "c.jpg"]
    assert found.target.tolist() == ["Sb", "E"]
    (tmp_path / f"{name}.csv").write_bytes(b"file,type\na.jpg,Sb\n")
    assert load_catalog(tmp_path / f"{name}.csv", file_column="file", on_missing="keep").data.size


@pytest.mark.parametrize("separator", ["\t", ";", "|"])
def test_other_separators_are_pointed_to(tmp_path, separator):
    path = tmp_path / "t.csv"
    path.write_text(f"file{separator}type\na.jpg{separator}Sb\n")
    with pytest.raises(ValueError, match="no column 'type' for the") as caught:
        load_catalog(path, file_column="file", label_column="type", on_missing="keep")
    assert f"look separated by {separator!r}: give pandas.read_csv(path, sep=" in str(caught.value)
    table = pd.read_csv(path, sep=separator)
    found = load_catalog(table, file_column="file", label_column="type", on_missing="keep")
    assert found.target.tolist() == ["Sb"]
    with pytest.raises(ValueError, match=r"it has file, type\.$"):
        load_catalog(table, file_column="name")
