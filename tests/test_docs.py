"""The code of the documents runs as it stands."""

import re
from pathlib import Path

import pytest

from galaxy_sklearn import recipes

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"```python\n(.*?)```", re.S)
WITH_CODE = [path for path in sorted(DOCS.glob("*.md")) if BLOCK.search(path.read_text())]


@pytest.mark.parametrize("path", WITH_CODE, ids=lambda path: path.name)
def test_the_code_blocks_run_in_order(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in BLOCK.findall(path.read_text()):
        exec(compile(block, str(path), "exec"), names)
    assert any(not name.startswith("__") for name in names)


def test_every_recipe_is_in_its_document_with_its_number():
    lines = (DOCS / "recipes.md").read_text().replace("`, `", "`, `galaxy10_cnn").splitlines()
    for name, row in recipes.available().iterrows():
        line = next(line for line in lines if re.search(rf"\| .*`{name}[`(]", line))
        if name == "zhu2019_baseline":
            continue  # five networks, a range
        share = 1 if row["metric"] == "RMSE" else 100
        published = f"{share * row['published']:.4g}".rstrip("0").rstrip(".")
        assert re.search(rf"\b{published}", line), name
