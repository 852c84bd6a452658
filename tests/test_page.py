"""The page, as a user meets it: images dropped on it, classes under them."""

import io
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from shapes import CLASSES, make_shapes
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from small_networks import small
from streamlit.testing.v1 import AppTest

from galaxy_sklearn.app import page, prediction
from galaxy_sklearn.app.main import main
from galaxy_sklearn.app.prediction import Problem
from galaxy_sklearn.preprocessing import ImageReader

PAGE = Path(page.__file__)


def flatten(images):
    return np.asarray(images).reshape(len(images), -1)


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def galaxies():
    return make_shapes(60)


@pytest.fixture(scope="module")
def files(galaxies, tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    names = [str(folder / f"{k:02d}.png") for k in range(60)]
    for name, image in zip(names, galaxies[0]):
        Path(name).write_bytes(png(image))
    return names


@pytest.fixture(scope="module")
def model(files, galaxies, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "galaxies.joblib"
    classifier = small(max_epochs=30, learning_rate=0.01)
    joblib.dump(make_pipeline(ImageReader(), classifier).fit(files, galaxies[1]), path)
    return str(path)


@pytest.fixture
def shown(monkeypatch):
    """Return a function that shows the page of a model, with images dropped on it.

    Its arguments after the model are uploads: (name, bytes, kind).
    """

    def show(model, *uploads, threshold=0.6):
        monkeypatch.setattr(sys, "argv", ["page.py", model, "cpu", str(threshold)])
        app = AppTest.from_file(PAGE, default_timeout=60).run()
        assert not app.exception
        if uploads:
            app.file_uploader[0].set_value(list(uploads)).run()
            assert not app.exception
        return app

    return show


def test_an_empty_page_says_what_to_do(shown, model):
    app = shown(model)
    assert "galaxies.joblib" in app.sidebar.markdown[0].value
    assert app.sidebar.markdown[1].value == ", ".join(CLASSES)
    assert "Drop one image or many" in app.info[0].value
    assert not app.dataframe


def test_images_get_the_classes_that_the_model_gives(shown, model, files, galaxies):
    uploads = [(f"{k}.png", png(galaxies[0][k]), "image/png") for k in range(6)]
    table = shown(model, *uploads).dataframe[0].value
    expected = joblib.load(model).predict_proba(files[:6])
    np.testing.assert_allclose(table[list(CLASSES)].to_numpy(float), expected, atol=1e-6)
    assert table["file"].tolist() == [f"{k}.png" for k in range(6)]
    assert table["class"].tolist() == CLASSES[expected.argmax(1)].tolist()
    np.testing.assert_allclose(table["confidence"].astype(float), expected.max(1), atol=1e-6)


def test_the_threshold_decides_what_is_reviewed(shown, model, galaxies):
    uploads = [(f"{k}.png", png(galaxies[0][k]), "image/png") for k in range(3)]
    app = shown(model, *uploads, threshold=1.0)
    assert app.dataframe[0].value["needs_review"].all()
    assert any("3 images, 3 to review" in text.value for text in app.markdown)
    app.sidebar.slider[0].set_value(0.0).run()
    assert not app.dataframe[0].value["needs_review"].any()
    assert any("3 images, 0 to review" in text.value for text in app.markdown)


def test_files_that_are_no_galaxies_are_named_and_the_rest_goes_on(shown, model, galaxies):
    good, other = png(galaxies[0][0]), png(np.zeros((9, 9, 3), np.uint8))
    app = shown(
        model,
        ("text.png", b"no picture", "image/png"),
        ("good.png", good, "image/png"),
        ("small.png", other, "image/png"),
    )
    table = app.dataframe[0].value
    assert table["class"].notna().tolist() == [False, True, False]
    assert table["needs_review"].tolist()[::2] == [True, True]
    assert [error.value.partition(":")[0] for error in app.error] == ["text.png", "small.png"]
    assert "it is not a JPEG, PNG" in app.error[0].value
    assert app.selectbox[0].options == ["good.png"]


def test_files_without_a_class_are_named_by_reason(shown, model, galaxies):
    bad = [(f"bad{k}.png", b"no picture", "image/png") for k in range(12)]
    small = ("small.png", png(np.zeros((9, 9, 3), np.uint8)), "image/png")
    app = shown(model, *bad, small, ("good.png", png(galaxies[0][0]), "image/png"))
    first, second = (error.value for error in app.error)
    assert first.startswith("bad0.png, bad1.png, ")
    assert " bad9.png and 2 more: it is not a JPEG" in first
    assert second.startswith("small.png: ")


def test_of_many_reasons_some_are_told(monkeypatch):
    said = []
    monkeypatch.setattr(page.st, "error", said.append)
    found = [page.Problem(f"reason {k // 2}", readable=False) for k in range(22)]
    page.show_problems([f"{k}.png" for k in range(22)], found)
    assert len(said) == 9
    assert said[7] == "14.png, 15.png: reason 7"
    assert said[8] == "6 more files have no class, for other reasons each."


def test_two_images_of_one_name_are_two_galaxies(shown, model, galaxies):
    uploads = [("same.png", png(galaxies[0][k]), "image/png") for k in range(2)]
    table = shown(model, *uploads).dataframe[0].value
    assert len(table) == 2
    assert table.loc[0, "confidence"] != table.loc[1, "confidence"]


def test_each_of_one_name_can_be_looked_at(shown, model, galaxies):
    uploads = [("same.png", png(galaxies[0][k]), "image/png") for k in range(2)]
    app = shown(model, *uploads)
    assert app.selectbox[0].options == ["same.png", "same.png (2)"]
    for k in range(2):
        app.selectbox[0].select_index(k).run()
        assert app.selectbox[0].value == k


def test_numbered_names_differ():
    assert page.numbered(["a", "a (2)", "a", "b", "a"]) == ["a", "a (2)", "a (3)", "b", "a (4)"]


def test_names_are_shown_as_they_are(shown, model):
    app = shown(model, ("![x](http://e.vil/x.png) *a*.png", b"no picture", "image/png"))
    assert app.error[0].value.startswith(r"!\[x\](http://e.vil/x.png) \*a\*.png: ")
    assert page.plain("S_0 <b>$x$</b>") == r"S\_0 \<b\>\$x\$\</b\>"


@pytest.mark.parametrize("name", ["../../evil.png", "\u661f" * 100 + ".png"])
def test_any_name_is_as_good_as_another(shown, model, galaxies, name):
    app = shown(model, (name, png(galaxies[0][0]), "image/png"))
    assert app.dataframe[0].value["class"].notna().all()


def test_uploads_are_on_disk_only_while_they_are_looked_at():
    uploads = [
        SimpleNamespace(name=name, getvalue=lambda: b"pixels")
        for name in ("a.png", "a.png", "../b.FITS.GZ", "c")
    ]
    with page.on_disk(uploads) as files:
        folder = Path(files[0]).parent
        assert [Path(file).name for file in files] == ["0.png", "1.png", "2.fits.gz", "3"]
        assert all(Path(file).parent == folder for file in files)
        assert Path(files[1]).read_bytes() == b"pixels"
    assert not folder.exists()


def test_a_lone_file_that_is_no_galaxy_is_named_without_its_place(shown, model):
    app = shown(model, ("bad.png", b"no picture", "image/png"))
    assert [error.value for error in app.error] == [
        "bad.png: it is not a JPEG, PNG, TIFF, WebP or FITS image"
    ]
    assert not app.selectbox


def test_many_images_are_looked_at_part_by_part(shown, model, galaxies, monkeypatch):
    uploads = [(f"{k}.png", png(image), "image/png") for k, image in enumerate(galaxies[0])]
    expected = shown(model, *uploads).dataframe[0].value
    monkeypatch.setattr(prediction, "probabilities", in_small_parts(prediction.probabilities))
    source = PAGE.read_text().replace("_AT_ONCE = 128", "_AT_ONCE = 7")
    app = AppTest.from_string(source, default_timeout=60).run()
    app.file_uploader[0].set_value(uploads).run()
    assert not app.exception
    table = app.dataframe[0].value
    pd.testing.assert_frame_equal(table, expected, atol=1e-6)


def in_small_parts(function):
    def checked(model, files):
        assert len(files) <= 7
        return function(model, files)

    return checked


def test_images_are_looked_at_once(shown, model, galaxies):
    app = shown(model, ("a.png", png(galaxies[0][0]), "image/png"))
    before = [*app.session_state.found.values()]
    app.sidebar.slider[0].set_value(0.1).run()
    after = [*app.session_state.found.values()]
    assert len(before) == len(after) == 1
    assert after[0] is before[0]


def test_a_model_without_maps_shows_the_galaxy_itself(shown, files, galaxies, tmp_path):
    path = str(tmp_path / "plain.joblib")
    steps = ImageReader(), FunctionTransformer(flatten), GaussianNB()
    joblib.dump(make_pipeline(*steps).fit(files, galaxies[1]), path)
    app = shown(path, ("a.png", png(galaxies[0][0]), "image/png"))
    assert any("on its way to the classifier" in one.value for one in app.caption)


@pytest.mark.parametrize("names", [CLASSES, np.array([0, 3, 7]), np.array([-5.0, 1.0, 10.0])])
def test_the_table_is_the_one_that_predict_writes(files, galaxies, tmp_path, names):
    path, bad = str(tmp_path / "plain.joblib"), tmp_path / "bad.png"
    bad.touch()
    steps = ImageReader(), FunctionTransformer(flatten), GaussianNB()
    y = names[np.searchsorted(CLASSES, galaxies[1])]
    model = make_pipeline(*steps).fit(files, y)
    joblib.dump(model, path)
    given = [*files[:4], str(bad)]
    assert main(["predict", path, *given, "--output", str(tmp_path / "t.csv")]) == 0
    found = [*model.predict_proba(files[:4]), Problem("the file is empty", False)]
    table = page.as_table(given, found, names, 0.6)
    text = table.to_csv(index=False, float_format="%.6f")
    assert text.splitlines() == (tmp_path / "t.csv").read_text().splitlines()


# ------------------------------------------------------------------------ the command


def test_the_command_says_at_once_what_is_wrong(capsys, monkeypatch):
    assert main(["page", "no_such_model"]) == 1
    assert "there is no model file 'no_such_model'" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "streamlit", None)
    assert main(["page", "no_such_model"]) == 1
    assert 'pip install "galaxy_sklearn[app]"' in capsys.readouterr().err


def test_a_class_that_no_table_can_hold_is_refused_at_once(capsys, files, galaxies, tmp_path):
    path = str(tmp_path / "plain.joblib")
    y = np.where(galaxies[1] == "ring", "confidence", "other")
    steps = ImageReader(), FunctionTransformer(flatten), GaussianNB()
    joblib.dump(make_pipeline(*steps).fit(files, y), path)
    assert main(["page", path]) == 1
    assert "the model has a class named 'confidence'" in capsys.readouterr().err


def test_the_command_serves_the_page_to_this_machine_alone(model, tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    code = "import sys; from galaxy_sklearn.app.main import main; sys.exit(main(sys.argv[1:]))"
    (tmp_path / "click.py").write_text("raise SystemExit('a file of the current folder was run')")
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code, "page", model, "--port", str(port), "--no-browser"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 120
        while True:
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < deadline
            try:
                address = f"http://localhost:{port}/_stcore/health"
                with urllib.request.urlopen(address, timeout=5) as answer:
                    assert answer.read() == b"ok"
                    break
            except OSError:
                time.sleep(0.2)
        with pytest.raises(OSError, match="refused|assign|unreachable"):
            socket.create_connection(("127.0.0.2", port), timeout=5).close()
    finally:
        process.terminate()
        process.communicate(timeout=30)
