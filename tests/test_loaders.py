"""Folders and catalogues become files and labels, or a sentence that says why not."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from galaxy_sklearn.datasets import load_catalog, load_image_folder


@pytest.fixture
def folder(tmp_path):
    for name in ("spiral/1.jpg", "spiral/deep/2.PNG", "round/3.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    (tmp_path / "round" / "notes.txt").write_text("not an image")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "4.jpg").touch()
    return tmp_path


def test_a_folder_a_class(folder):
    bunch = load_image_folder(folder)
    assert bunch.target.tolist() == ["round", "spiral", "spiral"]
    assert [name.rsplit("/", 1)[1] for name in bunch.data] == ["3.jpg", "1.jpg", "2.PNG"]
    assert bunch.target_names.tolist() == ["round", "spiral"]
    X, y = load_image_folder(folder, return_X_y=True)
    np.testing.assert_array_equal(X, bunch.data)
    np.testing.assert_array_equal(y, bunch.target)


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
    bunch = load_catalog(table, image_dir=folder, id_column="id", label_column="type")
    assert bunch.target.tolist() == ["Sb", "E"]
    assert bunch.frame["z"].tolist() == [0.1, 0.3]
    assert bunch.data.tolist() == [str(folder / "1.jpg"), str(folder / "3.jpg")]
    assert len(load_catalog(frame, image_dir=folder, id_column="id").data) == 3


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
        ({"file_column": "file", "label_column": "type"}, "no row with a label"),
        ({"file_column": "type"}, "column 'type' is empty in row 0"),
        ({"file_column": "file", "on_missing": "x"}, "must be 'raise' or 'drop'"),
    ],
)
def test_faults_of_a_catalogue_are_named(params, message):
    frame = pd.DataFrame({"file": ["a.jpg"], "type": [None]})
    with pytest.raises(ValueError, match=message):
        load_catalog(frame, **params)
    with pytest.raises(ValueError, match="there is no file"):
        load_catalog("no_such_table.csv", id_column="id")


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
