"""The README's code runs as it stands."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_code_blocks_run_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    assert len(blocks) >= 3
    names = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    assert names["model"].score(names["X_test"], names["y_test"]) > 0.35
    assert len(names["table"]) == 100
    assert (tmp_path / "model.joblib").exists()
    assert "galaxyclassifier__learning_rate" in capsys.readouterr().out
