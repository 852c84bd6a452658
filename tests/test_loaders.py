"""Folders and catalogues become files and labels, or a sentence that says why not."""

import gzip
import os
import sys

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy.table import Table
from PIL import Image
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.multiclass import type_of_target

from galaxy_sklearn.datasets import is_image_file, load_catalog, load_image_folder
from galaxy_sklearn.images._decode import IMAGE_SUFFIXES
from galaxy_sklearn.preprocessing import ImageReader


@pytest.fixture
def folder(tmp_path):
    for name in ("spiral/1.jpg", "spiral/deep/2.PNG", "round/3.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    (tmp_path / "round" / "notes.txt").write_text("not an image")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "4.jpg").touch()
    (tmp_path / "round" / "__MACOSX").mkdir()
    (tmp_path / "round" / "__MACOSX" / "5.jpg").touch()
    (tmp_path / "round" / "._3.jpg").touch()
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "6.jpg").touch()
    return tmp_path


def test_a_folder_a_class(folder):
    bunch = load_image_folder(folder)
    assert bunch.target.tolist() == ["round", "spiral", "spiral"]
    assert [name.rsplit("/", 1)[1] for name in bunch.data] == ["3.jpg", "1.jpg", "2.PNG"]
    assert bunch.target_names.tolist() == ["round", "spiral"]
    X, y = load_image_folder(folder, return_X_y=True)
    np.testing.assert_array_equal(X, bunch.data)
    np.testing.assert_array_equal(y, bunch.target)
    np.testing.assert_array_equal(bunch.filenames, bunch.data)
    assert bunch.frame is None
    assert "3 images in 2 classes" in bunch.DESCR


def test_a_folder_lists_every_file_that_the_reader_reads(tmp_path):
    (tmp_path / "a").mkdir()
    for suffix in (*IMAGE_SUFFIXES, ".fits.fz", ".txt", ".csv.gz"):
        (tmp_path / "a" / f"1{suffix}").touch()
    X, _ = load_image_folder(tmp_path, return_X_y=True)
    assert sorted(X) == sorted(
        str(tmp_path / "a" / f"1{end}") for end in {*IMAGE_SUFFIXES, ".fits.fz"}
    )
    assert {".fit.gz", ".fts.gz", ".fz"} < set(IMAGE_SUFFIXES)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
def test_names_that_are_not_utf8(folder):
    odd = os.fsencode(folder / "round") + b"/caf\xe9.png"
    Image.new("RGB", (4, 4)).save(folder / "a.png")
    os.rename(os.fsencode(folder / "a.png"), odd)
    X, y = load_image_folder(folder, return_X_y=True)
    assert [os.fsencode(name) for name in X].count(odd) == 1
    assert load_image_folder(folder).target.tolist() == y.tolist()
    images = ImageReader(cache=folder / ".cache").fit_transform(X)
    assert np.asarray(images).shape == (4, 4, 4, 3)


def test_a_folder_a_class_as_frame(folder):
    bunch = load_image_folder(folder, as_frame=True)
    assert list(bunch.frame.columns) == ["file", "target"]
    pd.testing.assert_series_equal(bunch.data, bunch.frame["file"])
    pd.testing.assert_series_equal(bunch.target, bunch.frame["target"])
    assert isinstance(bunch.filenames, np.ndarray)


def test_what_the_loaders_list_goes_into_a_pipeline(folder):
    model = make_pipeline(ImageReader(), FunctionTransformer(_rows), DummyClassifier())
    for as_frame in (False, True):
        X, y = load_image_folder(folder, return_X_y=True, as_frame=as_frame)
        assert model.fit(X, y).predict(X).tolist() == ["spiral"] * 3


def _rows(images):
    return np.asarray(images).reshape(len(images), -1)


def test_a_folder_without_classes_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="there is no folder"):
        load_image_folder(folder / "nothing")
    with pytest.raises(ValueError, match="no sub-folder of .* holds an image"):
        load_image_folder(folder / "round")


@pytest.mark.parametrize("form", ["csv", "parquet", "frame"])
def test_a_catalogue_by_id(folder, form):
    frame = pd.DataFrame({"id": [1, 7, 3], "type": ["Sb", None, "E"], "z": [0.1, 0.2, 0.3]})
    for number in (1, 7, 3):
        Image.new("RGB", (4, 4)).save(folder / f"{number}.jpg")
    table = frame if form == "frame" else folder / f"table.{form}"
    if form == "csv":
        frame.to_csv(table, index=False)
    elif form == "parquet":
        frame.to_parquet(table)
    bunch = load_catalog(
        table, image_dir=folder, id_column="id", label_column="type", as_frame=True
    )
    assert bunch.target.tolist() == ["Sb", "E"]
    assert bunch.target_names.tolist() == ["E", "Sb"]
    assert bunch.frame["z"].tolist() == [0.1, 0.3]
    assert "1 without a label" in bunch.DESCR
    assert bunch.data.tolist() == [str(folder / "1.jpg"), str(folder / "3.jpg")]
    assert len(load_catalog(frame, image_dir=folder, id_column="id").data) == 3


def test_rows_without_a_label_can_be_kept(folder):
    frame = pd.DataFrame({"file": ["spiral/1.jpg", "round/3.jpg"], "type": ["Sb", None]})
    bunch = load_catalog(
        frame,
        image_dir=folder,
        file_column="file",
        label_column="type",
        on_unlabelled="keep",
    )
    assert bunch.target.tolist() == ["Sb", None]
    assert bunch.target_names.tolist() == ["Sb"]
    assert load_catalog(frame, image_dir=folder, file_column="file").target is None


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_identifiers_are_taken_as_they_are_written(tmp_path, form):
    names = ["0012", "587722981736120347", "1e5"]
    for name in names:
        (tmp_path / f"{name}.png").touch()
    pd.DataFrame({"id": names}).to_csv(tmp_path / "table.csv", index=False)
    pd.DataFrame({"id": names}).to_parquet(tmp_path / "table.parquet")
    found = load_catalog(
        tmp_path / f"table.{form}", image_dir=tmp_path, id_column="id", extension=".png"
    )
    assert found.data.tolist() == [str(tmp_path / f"{name}.png") for name in names]


def test_whole_numbers_that_became_floats_name_their_files(tmp_path):
    (tmp_path / "7.jpg").touch()
    frame = pd.DataFrame({"id": np.array([7], np.float32)})
    assert load_catalog(frame, image_dir=tmp_path, id_column="id").data[0].endswith("7.jpg")


def test_numbers_stay_numbers(folder):
    frame = pd.DataFrame({"file": ["spiral/1.jpg", "round/3.jpg"], "T": [3, -5]})
    X, y = load_catalog(
        frame,
        image_dir=folder,
        file_column="file",
        label_column="T",
        return_X_y=True,
        as_frame=True,
    )
    assert y.dtype.kind == "i"
    assert y.name == "target"
    assert len(X) == 2


@pytest.mark.parametrize("on_unlabelled", ["drop", "keep"])
def test_whole_labels_stay_whole_beside_an_empty_cell(folder, on_unlabelled):
    (folder / "t.csv").write_text("file,T\nspiral/1.jpg,3\nround/3.jpg,-5\nspiral/deep/2.PNG,\n")
    names = {"image_dir": folder, "file_column": "file", "label_column": "T"}
    bunch = load_catalog(folder / "t.csv", on_unlabelled=on_unlabelled, **names)
    expected = [3, -5, None][: 2 if on_unlabelled == "drop" else 3]
    assert bunch.target.tolist() == expected
    assert [type(label) for label in bunch.target.tolist()[:2]] == [int, int]
    assert [str(name) for name in bunch.target_names] == ["-5", "3"]
    assert (bunch.target.dtype.kind == "i") == (on_unlabelled == "drop")


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (pd.Series([True, False, None], dtype=object), "b"),
        (pd.Series([4, 2, None], dtype=object), "i"),
        (pd.Categorical([4, 2, None]), "i"),
        (pd.Categorical([4, 2, 4]), "i"),
        (pd.Categorical([True, False, None]), "b"),
        (pd.Categorical(["Sb", "E", None]), "U"),
        (["Sb", "E", None], "U"),
    ],
)
def test_labels_are_of_a_type_that_classifiers_take(labels, kind):
    frame = pd.DataFrame({"file": ["a.jpg", "b.jpg", "c.jpg"], "type": labels})
    names = {"file_column": "file", "label_column": "type", "on_missing": "keep"}
    bunch = load_catalog(frame, **names)
    assert bunch.target.tolist() == [label for label in labels if pd.notna(label)]
    assert bunch.target.dtype.kind == kind
    assert bunch.target_names.tolist() == sorted(set(bunch.target.tolist()))
    assert type_of_target(bunch.target) == "binary"
    kept = load_catalog(frame, on_unlabelled="keep", **names).target
    assert kept.tolist() == [label if pd.notna(label) else None for label in labels]


def test_truths_of_a_file_with_an_empty_cell_can_be_learned(tmp_path):
    (tmp_path / "t.csv").write_text("file,barred\na.jpg,True\nb.jpg,False\nc.jpg,\n")
    X, y = load_catalog(
        tmp_path / "t.csv",
        file_column="file",
        label_column="barred",
        on_missing="keep",
        return_X_y=True,
    )
    assert DummyClassifier().fit(X[:, None], y).classes_.tolist() == [False, True]


@pytest.mark.parametrize("on_unlabelled", ["drop", "keep"])
def test_labels_without_an_order_are_refused(on_unlabelled):
    frame = pd.DataFrame({"file": ["a", "b", "c"], "type": ["Sb", 2, None]})
    with pytest.raises(ValueError, match="labels in 'type' have no order; .* types int, str"):
        load_catalog(
            frame,
            file_column="file",
            label_column="type",
            on_missing="keep",
            on_unlabelled=on_unlabelled,
        )


def test_labels_with_a_fraction_stay_floats(folder):
    frame = pd.DataFrame({"file": ["spiral/1.jpg", "round/3.jpg", "x"], "T": [3.5, -5, np.nan]})
    bunch = load_catalog(frame, image_dir=folder, file_column="file", label_column="T")
    assert bunch.target.tolist() == [3.5, -5.0]


def test_bytes_are_read_as_text(folder):
    frame = pd.DataFrame({"file": [b"spiral/1.jpg", b"round/3.jpg"], "type": [b"Sb", b"E"]})
    names = {"image_dir": folder, "label_column": "type"}
    bunch = load_catalog(frame, file_column="file", **names)
    assert bunch.data.tolist() == [str(folder / "spiral/1.jpg"), str(folder / "round/3.jpg")]
    assert bunch.target.tolist() == ["Sb", "E"]
    frame["file"] = [b"spiral/1", b"round/3"]
    assert load_catalog(frame, id_column="file", **names).data.tolist() == bunch.data.tolist()


@pytest.mark.parametrize(
    "dtype", [object, "string", "category", pd.ArrowDtype(pa.string())], ids=str
)
def test_spaces_around_a_label_are_no_part_of_it(folder, dtype):
    frame = pd.DataFrame({"file": ["spiral/1.jpg", "round/3.jpg", "spiral/deep/2.PNG"]})
    frame["type"] = pd.Series(["Sb ", " Sb", " "], dtype=dtype)
    before = frame.copy()
    names = {"image_dir": folder, "file_column": "file", "label_column": "type"}
    assert load_catalog(frame, **names).target.tolist() == ["Sb", "Sb"]
    kept = load_catalog(frame, on_unlabelled="keep", **names)
    assert kept.target.tolist() == ["Sb", "Sb", None]
    kept = load_catalog(frame, on_unlabelled="keep", as_frame=True, **names)
    assert kept.target.isna().tolist() == [False, False, True]
    assert kept.frame["type"].tolist()[:2] == ["Sb", "Sb"]
    pd.testing.assert_frame_equal(frame, before)
    frame["type"] = pd.Series(["Sb", "E", "Sb"], dtype=dtype)
    whole = load_catalog(frame, as_frame=True, **names).frame
    assert whole["type"].dtype == frame["type"].dtype


@pytest.mark.parametrize("name", ["t.fits", "t.FIT", "t.fits.gz"])
def test_a_fits_table_is_a_catalogue(folder, name):
    table = Table({"id": ["1", "3"], "T": [3, -5], "type": ["Sb", "E"], "flux": np.ones((2, 5))})
    table.write(folder / "table.fits")
    data = (folder / "table.fits").read_bytes()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    for sub in ("spiral/1.jpg", "round/3.jpg"):
        Image.new("RGB", (4, 4)).save(folder / sub.rsplit("/", 1)[1])
    for label, expected in (("T", [3, -5]), ("type", ["Sb", "E"])):
        X, y = load_catalog(
            folder / name, image_dir=folder, id_column="id", label_column=label, return_X_y=True
        )
        assert X.tolist() == [str(folder / "1.jpg"), str(folder / "3.jpg")]
        assert y.tolist() == expected
    (folder / name).write_bytes(b"no table")
    with pytest.raises(ValueError, match="cannot read '.*' as a table"):
        load_catalog(folder / name, id_column="id")


def test_missing_files_are_named_or_dropped_with_a_warning(folder):
    frame = pd.DataFrame({"file": ["spiral/1.jpg", "no.jpg"], "type": ["a", "b"]})
    with pytest.raises(ValueError, match=r"1 of 2 files are missing: .*no.jpg \(row 1\)"):
        load_catalog(frame, image_dir=folder, file_column="file")
    with pytest.warns(UserWarning, match="1 of 2 files are missing"):
        bunch = load_catalog(frame, image_dir=folder, file_column="file", on_missing="drop")
    assert len(bunch.data) == 1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"id_column": "no"}, "no column 'no' for the ids; it has file, type"),
        ({}, "either file_column or id_column"),
        ({"file_column": "file", "id_column": "file"}, "either file_column or id_column"),
        ({"file_column": "file", "label_column": "type"}, "no row with a label in 'type'"),
        ({"file_column": "file", "label_column": "class"}, "no column 'class' for the labels"),
        ({"file_column": "file", "on_unlabelled": "x"}, "on_unlabelled must be one of"),
        ({"file_column": "type"}, "column 'type' is empty in row 0"),
        ({"file_column": "file", "on_missing": "x"}, "on_missing must be one of .* Got 'x'"),
    ],
)
def test_faults_of_a_catalogue_are_named(params, message):
    frame = pd.DataFrame({"file": ["a.jpg"], "type": [None]})
    with pytest.raises(ValueError, match=message):
        load_catalog(frame, **params)
    with pytest.raises(ValueError, match="there is no file"):
        load_catalog("no_such_table.csv", id_column="id")


def test_a_row_is_counted_in_the_table_not_in_what_is_left(folder):
    frame = pd.DataFrame({"file": ["spiral/1.jpg", "no.jpg"], "type": [None, "b"]})
    with pytest.raises(ValueError, match=r"no.jpg \(row 1\)"):
        load_catalog(frame, image_dir=folder, file_column="file", label_column="type")


def test_unreadable_tables_are_named(tmp_path):
    for name in ("empty.csv", "broken.parquet"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(ValueError, match=f"cannot read .*{name}"):
            load_catalog(tmp_path / name, id_column="id")
    with pytest.raises(ValueError, match="the table has no row\\."):
        load_catalog(pd.DataFrame({"id": []}), id_column="id")


def test_broken_compressed_tables_are_named(tmp_path):
    whole = gzip.compress(b"id\n" + b"".join(b"%d\n" % n for n in range(3000)), mtime=0)
    spoilt = whole[:100] + bytes(100) + whole[200:]
    broken = {"cut.csv.gz": whole[:-200], "spoilt.csv.gz": spoilt, "cut.csv.zip": b"PK"}
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"cannot read .*{name}' as a table"):
            load_catalog(tmp_path / name, id_column="id")


def test_names_of_images_are_told_from_others(tmp_path):
    assert is_image_file("a/b.PNG")
    assert is_image_file(tmp_path / "b.fits.gz")
    assert not is_image_file("a/.b.png")
    assert not is_image_file("a.png/b.txt")


@pytest.mark.parametrize("name", ["plain", "with space", "ünï", "a.b.c", "a'b"])
def test_odd_names(tmp_path, name):
    (tmp_path / "data" / name).mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "data" / name / f"{name}.jpg")
    X, y = load_image_folder(tmp_path / "data", return_X_y=True)
    assert y.tolist() == [name]
    assert X[0].endswith(f"{name}.jpg")


def test_real_catalogues(real_data):
    efigi = load_catalog(
        real_data / "efigi" / "labels.csv",
        image_dir=real_data / "efigi" / "images",
        id_column="PGCname",
        label_column="hubble8",
    )
    assert len(efigi.data) == 1564
    with pytest.warns(UserWarning, match="files are missing"):
        gz2 = load_catalog(
            real_data / "gz2" / "labels.csv",
            image_dir=real_data / "gz2" / "original_424px",
            id_column="GalaxyID",
            label_column="class5",
            on_missing="drop",
        )
    assert len(gz2.data) == 1750


def test_identifiers_that_lost_digits_are_refused(tmp_path):
    table = pd.DataFrame({"id": np.array([587722981742084096 + 5]).astype(float), "label": ["a"]})
    with pytest.raises(ValueError, match="identifier 58772298174208.* read the column as text"):
        load_catalog(table, id_column="id", label_column="label", image_dir=tmp_path)


def test_rows_of_hdf5_files_are_there_if_the_file_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = np.arange(5 * 8 * 8, dtype=np.uint8).reshape(5, 8, 8)
    with h5py.File("a.h5", "w") as file:
        file["group/images"] = images
    table = pd.DataFrame(
        {"file": [f"a.h5::group/images::{row}" for row in (3, 1)], "class": [1, 0]}
    )
    found = load_catalog(table, file_column="file", label_column="class")
    read = np.asarray(ImageReader(mode=None).fit_transform(found.data))
    np.testing.assert_array_equal(read[..., 0], images[[3, 1]])
    table.loc[0, "file"] = "b.h5::group/images::3"
    with pytest.raises(ValueError, match=r"1 of 2 files are missing: b\.h5::group/images::3"):
        load_catalog(table, file_column="file")


@pytest.mark.parametrize("dtype", ["float32", "Float32"])
def test_identifiers_of_single_precision_are_exact_to_fewer_digits(dtype):
    ids = pd.DataFrame({"id": pd.array([2**24 - 1, 8], dtype)})
    found = load_catalog(ids, id_column="id", on_missing="keep").data
    assert found.tolist() == ["16777215.jpg", "8.jpg"]
    with pytest.raises(ValueError, match="too long for one to be exact"):
        load_catalog(ids + 1, id_column="id", on_missing="keep")


def test_a_column_that_is_there_twice_is_refused():
    table = pd.DataFrame([["a.png", "b.png", "x"]], columns=["file", "file", "class"])
    with pytest.raises(ValueError, match="more than one column 'file'"):
        load_catalog(table, file_column="file")
