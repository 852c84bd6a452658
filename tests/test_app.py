"""The galaxy-sklearn command, as a user meets it."""

import builtins
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from shapes import CLASSES, make_shapes, save_shapes
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.app import prediction
from galaxy_sklearn.app.main import main
from galaxy_sklearn.preprocessing import ImageReader


def flatten(images):
    return np.asarray(images).reshape(len(images), -1)


TRAIN = ["--network", "simple_cnn", "--epochs", "3", "--resize", "16", "--no-progress"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_shapes(tmp_path_factory.mktemp("images"), 90)


@pytest.fixture(scope="module")
def model(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.joblib"
    assert main(["train", str(folder), *TRAIN, "--output", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def fits_folder(tmp_path_factory):
    pytest.importorskip("astropy")
    root = tmp_path_factory.mktemp("fits")
    images, labels = make_shapes(9)
    for number, (image, label) in enumerate(zip(images, labels)):
        (root / label).mkdir(exist_ok=True)
        write_fits(root / label / f"{number}.fits", image[..., 0])
    return root


@pytest.fixture(scope="module")
def fits_model(fits_folder, tmp_path_factory):
    files = sorted(map(str, fits_folder.rglob("*.fits")))
    pipeline = make_pipeline(ImageReader(), GalaxyClassifier("simple_cnn", max_epochs=1))
    pipeline.fit(files, [Path(file).parent.name for file in files])
    path = tmp_path_factory.mktemp("model") / "fits.joblib"
    joblib.dump(pipeline, path)
    return path


def write_fits(path, pixels):
    from astropy.io import fits

    fits.writeto(path, pixels.astype(np.float32))


def test_help_is_quick_and_light():
    code = (
        "import sys; from galaxy_sklearn.app import main; main.build_parser().format_help();"
        "print([m for m in ('torch', 'sklearn', 'numpy') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predictt"], "invalid choice: 'predictt'"),
        (["predict", "model", "images", "--threshold", "7"], "must be from 0 to 1, got 7"),
        (["predict", "model", "images", "--threshold", "nan"], "must be from 0 to 1, got nan"),
        (["predict", "model", "images", "--threshold", "x"], "must be from 0 to 1, got x"),
        (["page", "model", "--port", "65536"], "whole number from 0 to 65535, got 65536"),
    ],
)
def test_wrong_usage_is_two(capsys, arguments, message):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert message in capsys.readouterr().err


def test_an_interrupt_while_starting_is_one_line(monkeypatch, capsys):
    real = builtins.__import__

    def interrupted(name, *arguments, **options):
        if name == "galaxy_sklearn.app":
            raise KeyboardInterrupt
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", interrupted)
    assert main(["train", "anywhere"]) == 130
    assert capsys.readouterr().err == "galaxy-sklearn: interrupted\n"


def test_train_says_what_it_keeps(folder, tmp_path, capsys):
    saved = tmp_path / "model.joblib"
    assert main(["train", str(folder), *TRAIN, "--epochs", "1", "--output", str(saved)]) == 0
    cache = tmp_path / "model.joblib.cache"
    assert sorted(tmp_path.iterdir()) == [saved, cache]
    assert f"kept the decoded images in {cache}" in capsys.readouterr().out


def test_train_saves_a_pipeline_for_any_place(model, folder):
    pipeline = joblib.load(model)
    assert pipeline.classes_.tolist() == CLASSES.tolist()
    assert pipeline.named_steps["imagereader"].cache is None
    files = sorted(map(str, folder.rglob("*.png")))[:4]
    assert pipeline.predict_proba(files).shape == (4, 3)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_predict_writes_the_table(model, folder, tmp_path, ending, capsys):
    output = tmp_path / f"table.{ending}"
    arguments = [str(model), str(folder), "--output", str(output), "--no-progress"]
    assert main(["predict", *arguments, "--threshold", "0.9"]) == 0
    table = pd.read_csv(output) if ending == "csv" else pd.read_parquet(output)
    assert list(table) == ["file", "class", "confidence", *CLASSES, "needs_review"]
    assert len(table) == 90
    np.testing.assert_allclose(table[list(CLASSES)].sum(axis=1), 1, atol=1e-5)
    assert (table["needs_review"] == (table["confidence"] < 0.9)).all()
    expected = joblib.load(model).predict_proba(table["file"])
    np.testing.assert_allclose(table[list(CLASSES)], expected, atol=2e-2)
    assert list(tmp_path.iterdir()) == [output]
    assert "90 images, 0 of them without a class" in capsys.readouterr().out


def test_predict_lists_what_it_cannot_read(model, folder, tmp_path, capsys):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8 not a whole image")
    output = tmp_path / "table.csv"
    files = [str(broken), str(folder / "ring")]
    assert main(["predict", str(model), *files, "--output", str(output), "--no-progress"]) == 0
    table = pd.read_csv(output)
    assert table["class"].isna().tolist() == [True] + [False] * 30
    assert bool(table.loc[0, "needs_review"])
    assert main(["predict", str(model), str(broken), "--output", str(output)]) == 1
    assert "none of the images could be read" in capsys.readouterr().err
    assert pd.read_csv(output)["class"].isna().all()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_predict_writes_names_of_any_bytes(model, folder, tmp_path, suffix):
    good = sorted(folder.rglob("*.png"))[:3]
    odd = [os.fsdecode(os.fsencode(tmp_path) + name) for name in (b"/ngc\xff.png", b"/\xe9.png")]
    try:
        shutil.copy(good[0], odd[0])
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    Path(odd[1]).write_bytes(b"no image")
    output = tmp_path / f"table.{suffix}"
    arguments = ["predict", str(model), *odd, *map(str, good), "--output", str(output)]
    assert main([*arguments, "--no-progress"]) == 0
    table = pd.read_csv(output) if suffix == "csv" else pd.read_parquet(output)
    names = [f"{tmp_path}/ngc\\udcff.png", f"{tmp_path}/\\udce9.png", *map(str, good)]
    assert table["file"].tolist() == names
    assert table["class"].isna().tolist() == [False, True, False, False, False]


@pytest.mark.parametrize("fault", ["nan", "size", "type", "unreadable"])
def test_predict_goes_on_past_a_file_of_another_kind(
    fits_model, fits_folder, tmp_path, capsys, fault
):
    odd = tmp_path / ("odd.png" if fault == "type" else "odd.fits")
    pixels = np.full((20 if fault == "size" else 16, 16), 9.0)
    pixels[3, 4] = np.nan if fault == "nan" else 9
    if fault == "type":
        Image.fromarray(np.zeros((16, 16), np.uint8)).save(odd)
    elif fault == "unreadable":
        odd.write_bytes(b"SIMPLE")
    else:
        write_fits(odd, pixels)
    output = tmp_path / "table.csv"
    arguments = ["--output", str(output), "--no-progress"]
    assert main(["predict", str(fits_model), str(odd), str(fits_folder), *arguments]) == 0
    table = pd.read_csv(output)
    assert table["class"].isna().tolist() == [True] + [False] * 9
    assert table["needs_review"][0]
    shown = capsys.readouterr().out
    assert "10 images, 1 of them without a class" in shown
    assert f"the first without a class is {str(odd)!r}: " in shown


def test_predict_stops_where_the_model_does_not_fit(fits_model, folder, tmp_path, capsys):
    output = tmp_path / "table.csv"
    arguments = ["--output", str(output), "--no-progress"]
    assert main(["predict", str(fits_model), str(folder), *arguments]) == 1
    error = capsys.readouterr().err
    assert "the model takes none of the first 90 files; " in error
    assert str(sorted(folder.rglob("*.png"))[0]) in error
    assert not output.exists()


def test_train_names_the_file_it_stumbles_over(fits_folder, tmp_path, capsys):
    root = tmp_path / "images"
    shutil.copytree(fits_folder, root)
    for name in CLASSES:
        write_fits(root / name / "nan.fits", np.full((16, 16), np.nan))
    arguments = [*TRAIN, "--test-size", "0.25", "--output", str(tmp_path / "model.joblib")]
    assert main(["train", str(root), *arguments]) == 1
    assert "nan.fits" in capsys.readouterr().err


def test_two_runs_never_share_a_table(model, folder, tmp_path, capsys):
    output, partial = tmp_path / "table.csv", tmp_path / "table.csv.partial"
    arguments = ["predict", str(model), str(folder), "--output", str(output), "--no-progress"]
    with open(partial, "a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        for more in ([], ["--restart"]):
            assert main([*arguments, *more]) == 1
            assert "another run is writing" in capsys.readouterr().err
    assert partial.read_bytes() == b""
    assert main(arguments) == 0
    assert list(tmp_path.iterdir()) == [output]


def test_a_resumed_table_has_one_model_and_threshold(model, folder, tmp_path, monkeypatch, capsys):
    output, partial = tmp_path / "table.csv", tmp_path / "table.csv.partial"
    other = tmp_path / "other.joblib"
    joblib.dump(joblib.load(model), other, compress=1)
    arguments = [str(folder), "--output", str(output), "--no-progress"]
    rows = prediction._rows
    monkeypatch.setattr(prediction, "CHUNK", 20)
    calls = iter(range(9))

    def interrupted(*arguments):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return rows(*arguments)

    monkeypatch.setattr(prediction, "_rows", interrupted)
    assert main(["predict", str(model), *arguments]) == 130
    before = partial.read_bytes()
    for changed in ([str(other), *arguments], [str(model), *arguments, "--threshold", "0.7"]):
        assert main(["predict", *changed]) == 1
        error = capsys.readouterr().err
        assert f"{str(partial)!r} is of an interrupted run with another model file" in error
        assert "delete it" in error
    assert partial.read_bytes() == before
    assert main(["predict", str(model), *arguments]) == 0
    assert not list(tmp_path.glob("*.partial*"))


def test_predict_goes_on_where_it_was_stopped(model, folder, tmp_path, monkeypatch):
    output, partial = tmp_path / "table.csv", tmp_path / "table.csv.partial"
    arguments = ["predict", str(model), str(folder), "--output", str(output), "--no-progress"]
    monkeypatch.setattr(prediction, "CHUNK", 20)
    rows, asked = prediction._rows, []

    def interrupted(model, files, threshold, problems):
        asked.append(len(files))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return rows(model, files, threshold, problems)

    monkeypatch.setattr(prediction, "_rows", interrupted)
    assert main(arguments) == 130
    assert not output.exists()
    with open(partial, "ab") as table:
        table.write(b"half a ro")
    assert main(arguments) == 0
    assert sum(asked) == 3 * 20 + 50
    table = pd.read_csv(output)
    assert table["file"].is_unique
    assert len(table) == 90

    partial.write_text("another,table\n1,2\n")
    before = partial.read_bytes()
    assert main([*arguments, "--restart", "--device", "nodevice"]) == 1
    assert partial.read_bytes() == before
    assert main(arguments) == 1
    assert main([*arguments, "--restart"]) == 0


@pytest.mark.parametrize(
    "wrong",
    [("--network", "nonet"), ("--device", "nodevice"), ("--epochs", "0"), ("--resize", "0")],
)
def test_wrong_settings_are_found_before_anything_is_decoded(folder, tmp_path, capsys, wrong):
    output = tmp_path / "model.joblib"
    assert main(["train", str(folder), "--output", str(output), "--no-progress", *wrong]) == 1
    assert "training on" not in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def dummy(path, labels):
    """Save a Pipeline that knows no device and answers with the shares of its labels."""
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path.with_suffix(".png"))
    files = [str(path.with_suffix(".png"))] * len(labels)
    flat = FunctionTransformer(flatten)
    steps = [("images", ImageReader()), ("flat", flat), ("last", DummyClassifier())]
    joblib.dump(Pipeline(steps).fit(files, labels), path)
    return files[0]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("name", ["NA", "null", "nan"])
def test_any_pipeline_and_names_like_missing_values(tmp_path, capsys, name, ending):
    image = dummy(tmp_path / "m.joblib", [name, name, "ring"])
    output = tmp_path / f"table.{ending}"
    arguments = ["--output", str(output), "--no-progress"]
    assert main(["predict", str(tmp_path / "m.joblib"), image, *arguments]) == 0
    assert "1 images, 0 of them without a class" in capsys.readouterr().out
    whole = {"keep_default_na": False}
    table = pd.read_csv(output, **whole) if ending == "csv" else pd.read_parquet(output)
    assert table["class"].tolist() == [name]


@pytest.mark.parametrize("name", ["file", "class", "confidence", "needs_review"])
def test_a_class_is_not_named_like_a_column(tmp_path, capsys, name):
    image = dummy(tmp_path / "m.joblib", [name, "ring"])
    output = tmp_path / "table.csv"
    assert main(["predict", str(tmp_path / "m.joblib"), image, "--output", str(output)]) == 1
    assert f"the model has a class named {name!r}" in capsys.readouterr().err
    assert not list(tmp_path.glob("table*"))


@pytest.mark.parametrize("labels", [[1, 1, 0], [1.0, 1.0, 0.0]])
def test_evaluate_compares_numbers_with_folders(tmp_path, capsys, labels):
    image = dummy(tmp_path / "m.joblib", labels)
    for name in ("0", "1"):
        (tmp_path / "images" / name).mkdir(parents=True)
        shutil.copy(image, tmp_path / "images" / name)
    assert main(["evaluate", str(tmp_path / "m.joblib"), str(tmp_path / "images")]) == 0
    assert "accuracy          0.5000" in capsys.readouterr().out


def test_evaluate_reports(model, folder, capsys):
    assert main(["evaluate", str(model), str(folder), "--no-progress"]) == 0
    shown = capsys.readouterr().out
    assert "95 % interval" in shown
    assert "confusion matrix, rows are true: long, ring, round" in shown


def test_evaluate_refuses_labels_of_another_kind(model, folder, tmp_path, capsys):
    (tmp_path / "one" / CLASSES[0]).mkdir(parents=True)
    shutil.copy(sorted(folder.rglob("*.png"))[0], tmp_path / "one" / CLASSES[0])
    assert main(["evaluate", str(model), str(tmp_path / "one"), "--no-progress"]) == 0
    assert not capsys.readouterr().err
    (tmp_path / "others" / "S0").mkdir(parents=True)
    shutil.copy(sorted(folder.rglob("*.png"))[0], tmp_path / "others" / "S0")
    assert main(["evaluate", str(model), str(tmp_path / "others"), "--no-progress"]) == 1
    error = capsys.readouterr().err
    assert "the model knows none of the labels: they are ['S0'], and its classes ['long'," in error


def test_evaluate_leaves_out_what_a_model_may_leave_blank(model, folder, tmp_path, capsys):
    some = tmp_path / "some"
    shutil.copytree(folder, some)
    files = sorted(some.rglob("*.png"))
    for file in files[:2]:
        file.write_bytes(b"no image")
    pipeline = joblib.load(model)
    pipeline[0].set_params(on_error="blank")
    joblib.dump(pipeline, tmp_path / "blank.joblib")
    assert main(["evaluate", str(tmp_path / "blank.joblib"), str(some), "--no-progress"]) == 0
    shown = capsys.readouterr().out
    assert f"left out 2 of {len(files)} images; the first is {str(files[0])!r}" in shown
    assert f" {len(files) - 2}\n" in shown
    assert main(["evaluate", str(model), str(some), "--no-progress"]) == 1


def test_predict_gives_a_missing_file_a_row_and_hidden_ones_none(model, folder, tmp_path, capsys):
    there = sorted(folder.rglob("*.png"))[0]
    (tmp_path / "table.csv").write_text(f"file\n{there}\nlost.png\n")
    output = str(tmp_path / "out.csv")
    arguments = ["predict", str(model), str(tmp_path / "table.csv"), "--file-column", "file"]
    assert main([*arguments, "--output", output, "--no-progress"]) == 0
    table = pd.read_csv(output)
    assert table["class"].isna().tolist() == [False, True]
    assert "2 images, 1 of them without a class" in capsys.readouterr().out
    some = tmp_path / "some"
    for place in ("a", ".ipynb_checkpoints", "__MACOSX"):
        (some / place).mkdir(parents=True)
        shutil.copy(there, some / place / "0.png")
    assert main(["predict", str(model), str(some), "--output", output, "--no-progress"]) == 0
    assert pd.read_csv(output)["file"].tolist() == [str(some / "a" / "0.png")]


def test_evaluate_takes_a_catalogue(model, folder, tmp_path, capsys):
    files = sorted(folder.rglob("*.png"))
    frame = pd.DataFrame({"name": [str(f) for f in files], "type": [f.parent.name for f in files]})
    frame.to_csv(tmp_path / "table.csv")
    catalogue = [str(tmp_path / "table.csv"), "--file-column", "name", "--label-column", "type"]
    assert main(["evaluate", str(model), *catalogue, "--no-progress"]) == 0
    output = ["--output", str(tmp_path / "predicted.csv"), "--no-progress"]
    assert main(["predict", str(model), *catalogue[:3], *output]) == 0
    assert pd.read_csv(tmp_path / "predicted.csv")["file"].tolist() == frame["name"].tolist()
    assert main(["evaluate", str(model), catalogue[0], "--no-progress"]) == 1
    assert "a catalogue needs --label-column" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "no_model", "."], "there is no model file 'no_model'"),
        (["predict", "{model}", "no_image.jpg"], "there is no file or folder 'no_image.jpg'"),
        (["predict", "{model}", "{empty}"], "there is no image in"),
        (["predict", "{broken}", "."], "cannot be opened as a model"),
        (["predict", "{model}", "{folder}", "--output", "x.txt"], "must end in .csv or .parquet"),
        (["train", "no_folder"], "there is no file or folder 'no_folder'"),
        (["evaluate", "{model}", "no_folder"], "there is no file or folder 'no_folder'"),
        (["predict", "{model}", "no.csv"], "there is no file or folder 'no.csv'"),
        (["predict", "{model}", "{rows}"], "a catalogue needs --file-column or --id-column"),
        (["predict", "{model}", "{rows}", "{folder}"], "must be given alone"),
        (["predict", "{model}", "{folder}", "--id-column", "id"], "are for a catalogue"),
        (
            ["predict", "{model}", "{rows}", "--file-column", "file", "--output", "{rows}"],
            "is read too, and would be lost",
        ),
        (["train", "{rows}", "--output", "{rows}"], "is read too, and would be lost"),
        (["predict", "{model}", "{folder}", "--output", "{empty}"], "must end in .csv or"),
        (["predict", "{model}", "{folder}", "--output", "{table}"], "is a folder; give the name"),
        (["train", "{folder}", "--output", "{empty}"], "is a folder; give the name of a file"),
        (["train", "{empty}"], "no sub-folder of"),
        (["predict", "{model}", "{folder}", "--output", "{rows}/out.csv"], "rows.csv' is none."),
        (["predict", "{model}", "{folder}", "--output", "/proc/out.csv"], "cannot be written: "),
        (["train", "{folder}", "--output", "/proc/new/m.joblib"], "cannot be written: "),
        (["train", "{folder}", "--network", "nonet"], "There is no network 'nonet'"),
        (["train", "{folder}", "--test-size", "0.001"], "cannot hold out 0%"),
    ],
)
def test_failures_are_one_sentence(model, folder, tmp_path, capsys, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").write_bytes(b"not a pickle")
    (tmp_path / "rows.csv").write_text("file\na.png\n")
    (tmp_path / "table.csv").mkdir()
    places = {"model": model, "folder": folder, "empty": tmp_path / "empty"}
    places |= {"broken": tmp_path / "broken", "table": tmp_path / "table.csv"}
    places["rows"] = tmp_path / "rows.csv"
    given = "--output" in arguments or arguments[0] == "evaluate"
    output = [] if given else ["--output", str(tmp_path / "out.csv")]
    assert main([*(a.format(**places) for a in arguments), *output, "--no-progress"]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_a_file_named_twice_is_one_row(model, folder, tmp_path):
    output = tmp_path / "out.csv"
    arguments = [str(model), str(folder), str(folder / CLASSES[0]), "--output", str(output)]
    assert main(["predict", *arguments, "--no-progress"]) == 0
    assert pd.read_csv(output)["file"].tolist() == sorted(map(str, folder.rglob("*.png")))
