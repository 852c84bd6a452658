"""The house: imports run one way, importing is light, documented defaults are true."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import galaxy_sklearn

ROOT = Path(galaxy_sklearn.__file__).parent

BASE = {"_files", "_validation", "_optional", "_values", "exceptions"}
DATA = {"images", "datasets", "preprocessing", "galaxy_zoo"}
MAY_IMPORT = {
    "exceptions": set(),
    "_files": set(),
    "_optional": {"exceptions"},
    "_validation": set(),
    "_values": set(),
    "images": BASE,
    "datasets": BASE | {"images"},
    "preprocessing": BASE | {"images"},
    "galaxy_zoo": BASE,
    "networks": BASE,
    "augmentation": BASE,
    "metrics": BASE | {"galaxy_zoo"},
    "model_selection": BASE | {"preprocessing"},
    "inspection": BASE | DATA | {"metrics", "_training", "augmentation", "neural_network"},
    "_training": BASE | DATA | {"networks", "augmentation"},
    "neural_network": BASE | DATA | {"metrics", "_training", "networks", "augmentation"},
    "decomposition": BASE | DATA | {"_training", "networks", "augmentation", "neural_network"},
    "generative": BASE | DATA | {"_training", "networks", "augmentation", "neural_network"},
    "semi_supervised": BASE | DATA | {"metrics", "_training", "augmentation", "neural_network"},
    "recipes": BASE
    | DATA
    | {"_training", "augmentation", "decomposition", "neural_network", "semi_supervised"},
    "app": BASE | DATA | {"inspection", "metrics", "neural_network"},
}
NEVER = {
    "images": {"torch", "skorch", "timm"},
    "datasets": {"torch", "skorch", "timm"},
    "preprocessing": {"torch", "skorch", "timm"},
    "metrics": {"torch", "skorch", "timm"},
    "galaxy_zoo": {"torch", "skorch", "timm"},
    "networks": {"sklearn", "skorch"},
    "augmentation": {"sklearn", "skorch", "timm"},
    "neural_network": {"skorch"},
    "decomposition": {"torch", "skorch", "timm"},
    "generative": {"torch", "skorch", "timm"},
    "inspection": {"skorch"},
    "model_selection": {"torch", "skorch", "timm"},
    "semi_supervised": {"torch", "skorch", "timm"},
    "recipes": {"torch", "skorch", "timm"},
    "app": {"skorch"},
}


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def _modules():
    return [path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"]


def _room(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def test_every_room_is_in_the_table():
    assert {_room(path) for path in _modules()} <= set(MAY_IMPORT)


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path):
    room = _room(path)
    for name in _imports(path):
        first, _, rest = name.partition(".")
        if first == "galaxy_sklearn":
            other = rest.partition(".")[0]
            assert other == room or other in MAY_IMPORT[room], f"{path} imports {name}"
        assert first not in NEVER.get(room, set()), f"{path} imports {name}"


def _fresh(code):
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_importing_the_package_loads_neither_torch_nor_sklearn():
    loaded = _fresh(
        "import sys, galaxy_sklearn; galaxy_sklearn.__version__; dir(galaxy_sklearn);"
        "print([m for m in ('torch', 'sklearn', 'numpy', 'skorch') if m in sys.modules])"
    )
    assert loaded == "[]"


def test_data_rooms_load_no_torch():
    loaded = _fresh(
        "import sys, galaxy_sklearn.images, galaxy_sklearn.preprocessing, galaxy_sklearn.datasets,"
        "galaxy_sklearn.metrics, galaxy_sklearn.galaxy_zoo;"
        "print('torch' in sys.modules)"
    )
    assert loaded == "False"


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="has no attribute 'GalaxyClasifier'"):
        _ = galaxy_sklearn.GalaxyClasifier


def _public():
    for name in galaxy_sklearn._SUBPACKAGES:
        module = importlib.import_module(f"galaxy_sklearn.{name}")
        for public in module.__all__:
            yield pytest.param(getattr(module, public), id=f"{name}.{public}")


@pytest.mark.parametrize("thing", list(_public()))
def test_documented_defaults_are_the_signature_s(thing):
    if not callable(thing):
        pytest.skip("not a class or function")
    doc = inspect.getdoc(thing)
    assert doc, f"{thing} has no docstring"
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}\n|\Z)", doc, re.S | re.M)
    documented = dict(
        re.findall(
            r"^(\w+(?:, \w+)*) : [^\n]*?(?:\n  [^\n]*?)??default=([^\n]+)$", section[1], re.M
        )
        if section
        else []
    )
    for name, parameter in inspect.signature(thing).parameters.items():
        if name in documented and parameter.default is not inspect.Parameter.empty:
            shown = documented[name].strip()
            assert ast.literal_eval(shown) == parameter.default, f"{name} of {thing}: {shown}"


def test_error_messages_of_missing_extras_name_the_extra():
    from galaxy_sklearn._optional import import_optional
    from galaxy_sklearn.exceptions import MissingDependencyError

    with pytest.raises(MissingDependencyError, match=r'Flying needs .*pip install "galaxy_sklearn'):
        import_optional("no_such_module", extra="io", feature="Flying")
