"""The page, as a user meets it: images dropped on it, classes under them."""

import gc
import io
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

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


def test_two_images_of_one_name_are_two_galaxies(shown, model, galaxies):
    uploads = [("same.png", png(galaxies[0][k]), "image/png") for k in range(2)]
    table = shown(model, *uploads).dataframe[0].value
    assert len(table) == 2
    assert table.loc[0, "confidence"] != table.loc[1, "confidence"]


def test_a_name_cannot_leave_the_folder_of_the_session(shown, model, galaxies):
    app = shown(model, ("../../evil.png", png(galaxies[0][0]), "image/png"))
    folder = app.session_state.visit.folder
    assert [path.name for path in folder.rglob("*.png")] == ["evil.png"]
    assert not (folder.parent / "evil.png").exists()


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
    before = [*app.session_state.visit.found.values()]
    app.sidebar.slider[0].set_value(0.1).run()
    after = [*app.session_state.visit.found.values()]
    assert len(before) == len(after) == 1
    assert after[0] is before[0]


def test_what_was_dropped_is_gone_with_the_visitor():
    visit = page.Visit()
    (visit.folder / "a.png").touch()
    folder = visit.folder
    del visit
    gc.collect()
    assert not folder.exists()


def test_a_model_without_maps_shows_the_galaxy_itself(shown, files, galaxies, tmp_path):
    path = str(tmp_path / "plain.joblib")
    steps = ImageReader(), FunctionTransformer(flatten), GaussianNB()
    joblib.dump(make_pipeline(*steps).fit(files, galaxies[1]), path)
    app = shown(path, ("a.png", png(galaxies[0][0]), "image/png"))
    assert any("on its way to the classifier" in one.value for one in app.caption)


def test_the_table_is_the_one_that_predict_writes(model, files, tmp_path):
    assert main(["predict", model, *files[:4], "--output", str(tmp_path / "t.csv")]) == 0
    written = pd.read_csv(tmp_path / "t.csv")
    proba = joblib.load(model).predict_proba(files[:4])
    table = page.as_table(files[:4], list(proba), CLASSES, 0.6)
    (tmp_path / "page.csv").write_text(table.to_csv(index=False, float_format="%.6f"))
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "page.csv"), written, atol=2e-6)
    empty = page.as_table(["x"], [Problem("no", False)], CLASSES, 0.6)
    assert empty["needs_review"].tolist() == [True]
    assert empty["confidence"].isna().all()


# ------------------------------------------------------------------------ the command


def test_the_command_says_at_once_what_is_wrong(capsys, monkeypatch):
    assert main(["page", "no_such_model"]) == 1
    assert "there is no model file 'no_such_model'" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "streamlit", None)
    assert main(["page", "no_such_model"]) == 1
    assert 'pip install "galaxy_sklearn[app]"' in capsys.readouterr().err


def test_the_command_serves_the_page_to_this_machine_alone(model):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    code = "import sys; from galaxy_sklearn.app.main import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "page", model, "--port", str(port), "--no-browser"],
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
    finally:
        process.terminate()
        process.communicate(timeout=30)
