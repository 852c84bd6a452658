"""The code of the documents runs as it stands."""

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from planted_votes import KAGGLE, path, planted

import galaxy_sklearn
from galaxy_sklearn import recipes
from galaxy_sklearn.galaxy_zoo import rename_votes

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"```python\n(.*?)```", re.S)
WITH_CODE = [path for path in sorted(DOCS.glob("*.md")) if BLOCK.search(path.read_text())]


def write_catalogues(folder):
    """Write small tables under the names and columns of the published ones."""
    _, conditional = planted(40, KAGGLE)
    ids = pd.Index(range(100_008, 100_048), name="GalaxyID")
    kaggle = pd.DataFrame(path(KAGGLE, conditional), columns=KAGGLE.columns("kaggle"), index=ids)
    kaggle.to_csv(folder / "training_solutions_rev1.csv")
    hart = rename_votes(conditional, tree="gz2", catalogue="hart16", quantity="debiased")
    hart.to_csv(folder / "gz2_hart16.csv", index=False)


@pytest.mark.parametrize("document", WITH_CODE, ids=lambda document: document.name)
def test_the_code_blocks_run_in_order(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_catalogues(tmp_path)
    names = {}
    for block in BLOCK.findall(document.read_text()):
        exec(compile(block, str(document), "exec"), names)
    assert any(not name.startswith("__") for name in names)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Return the folder of the built pages, which no warning accompanied."""
    folder = tmp_path_factory.mktemp("pages")
    built = shutil.ignore_patterns("_build", "api")
    shutil.copytree(DOCS, folder / "docs", ignore=built)
    shutil.copy(DOCS.parent / "README.md", folder)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", "pages"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=800)
    assert run.returncode == 0, run.stderr
    return folder / "pages"


@pytest.mark.timeout(900)
def test_every_public_name_has_a_page(pages):
    for package in galaxy_sklearn._SUBPACKAGES:
        text = (pages / "api" / f"galaxy_sklearn.{package}.html").read_text()
        for name in importlib.import_module(f"galaxy_sklearn.{package}").__all__:
            assert f'href="galaxy_sklearn.{package}.{name}.html' in text
            assert (pages / "api" / f"galaxy_sklearn.{package}.{name}.html").exists()


@pytest.mark.timeout(900)
def test_a_page_has_the_methods_that_are_ours(pages):
    text = (pages / "api" / "galaxy_sklearn.neural_network.GalaxyClassifier.html").read_text()
    for method in ("fit", "partial_fit", "predict_proba", "transform", "save"):
        assert f'id="galaxy_sklearn.neural_network.GalaxyClassifier.{method}"' in text
    assert "GalaxyClassifier.get_metadata_routing" not in text


@pytest.mark.timeout(900)
def test_every_guide_is_in_the_menu(pages):
    menu = (pages / "index.html").read_text()
    for document in DOCS.glob("*.md"):
        assert document.stem == "index" or f'href="{document.stem}.html"' in menu


def test_every_recipe_is_in_its_document_with_its_number():
    lines = (DOCS / "recipes.md").read_text().replace("`, `", "`, `galaxy10_cnn").splitlines()
    for name, row in recipes.available().iterrows():
        line = next(line for line in lines if re.search(rf"\| .*`{name}[`(]", line))
        if name == "zhu2019_baseline":
            continue  # five networks, a range
        share = 1 if row["metric"] == "RMSE" else 100
        published = f"{share * row['published']:.4g}".rstrip("0").rstrip(".")
        assert re.search(rf"\b{published}", line), name
