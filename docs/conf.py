"""How Sphinx builds the pages: `sphinx-build docs docs/_build`, with the extra `docs`."""

import galaxy_sklearn

project = "galaxy_sklearn"
version = release = galaxy_sklearn.__version__
extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
html_theme = "furo"
html_title = f"{project} {version}"
html_show_copyright = False
default_role = "py:obj"
myst_heading_anchors = 3

autosummary_ignore_module_all = False
autosummary_imported_members = True
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False


def skip_what_is_not_ours(app, what, name, member, skip, options):
    """Leave out what a class inherits from other packages, whose pages describe it."""
    function = getattr(member, "fget", member)
    return skip or not str(getattr(function, "__module__", "")).startswith(project)


def setup(app):
    app.connect("autodoc-skip-member", skip_what_is_not_ours)
