"""What the galaxy-sklearn command writes when it trains, and where."""

import shutil
from types import SimpleNamespace

import joblib
import pandas as pd
import pytest
from PIL import Image
from shapes import CLASSES, make_shapes, save_shapes

from galaxy_sklearn.app import commands
from galaxy_sklearn.app.main import main

TRAIN = ["--network", "simple_cnn", "--epochs", "3", "--resize", "16", "--no-progress"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_shapes(tmp_path_factory.mktemp("images"), 90)


def count_of_rows(data, demo, tmp_path):
    table = tmp_path / "table.csv"
    arguments = [str(demo / "model.joblib"), str(data), "--output", str(table), "--no-progress"]
    assert main(["predict", *arguments]) == 0
    return len(pd.read_csv(table))


def test_what_the_demo_wrote_is_no_class(folder, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(folder, data)
    short = [*TRAIN, "--epochs", "1"]
    for output in ("first", f"{CLASSES[0]}/second", "third"):
        arguments = ["--data", str(data), "--output", str(data / output)]
        assert main(["demo", *arguments, *short]) == 0
        assert list(joblib.load(data / output / "model.joblib").classes_) == list(CLASSES)
        assert count_of_rows(data, data / output, tmp_path) == 90
    for name in CLASSES:
        shutil.rmtree(data / name)
    assert main(["train", str(data), "--output", str(tmp_path / "m.joblib"), *TRAIN]) == 1
    assert "but what the demo wrote" in capsys.readouterr().err


def test_a_demo_without_data_leaves_nothing(tmp_path):
    output = tmp_path / "demo"
    assert main(["demo", "--data", str(tmp_path / "lost"), "--output", str(output)]) == 1
    assert not output.exists()


def test_training_writes_over_none_of_its_images(folder, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(folder, data)
    image = sorted(data.rglob("*.png"))[0]
    before = image.read_bytes()
    assert main(["train", str(data), "--output", str(image), *TRAIN]) == 1
    assert "is read too, and would be lost" in capsys.readouterr().err
    assert image.read_bytes() == before


def test_an_error_of_the_device_is_one_sentence(folder, tmp_path, monkeypatch, capsys):
    arguments = ["train", str(folder), *TRAIN, "--output", str(tmp_path / "m.joblib")]
    assert main([*arguments, "--device", "meta"]) == 1
    assert "'meta' cannot be used here: it holds no numbers" in capsys.readouterr().err

    def full(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(commands, "_fit_and_report", full)
    assert main(arguments) == 1
    assert capsys.readouterr().err == "galaxy-sklearn train: out of memory\n"


def test_the_demo_leaves_what_it_promises(folder, tmp_path, capsys):
    output = tmp_path / "demo"
    assert main(["demo", "--data", str(folder), "--output", str(output), *TRAIN]) == 0
    listed = {p.name for p in output.iterdir()} - {"cache", ".galaxy-sklearn-demo"}
    assert listed == {
        "model.joblib",
        "predictions.csv",
        "training_curves.png",
        "confusion_matrix.png",
        "embedding.png",
        "grad_cam.png",
    }
    assert "precision" in capsys.readouterr().out
    for picture in output.glob("*.png"):
        with Image.open(picture) as image:
            assert min(image.size) > 200


def test_each_demo_has_images_of_its_own(tmp_path, monkeypatch):
    for seed in (0, 1):
        shapes = make_shapes(9 + seed)
        shapes = shapes[0][seed:], shapes[1][seed:]  # other classes for the same numbers
        monkeypatch.setattr(commands, "make_galaxies", lambda n, shapes=shapes, **_: shapes)
        options = SimpleNamespace(quick=True, seed=seed)
        files, labels = commands._generated_images(tmp_path, options)
        assert len(files) == len(labels) == 9
