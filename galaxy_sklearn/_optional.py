"""Import an optional package, or say which extra brings it and what for."""

import importlib

from galaxy_sklearn.exceptions import MissingDependencyError


def import_optional(module, *, extra, feature):
    """Return the imported `module`.

    Parameters
    ----------
    module : str
        Dotted name of the module.
    extra : str
        The extra of this package that installs it, such as ``"io"``.
    feature : str
        What needs it, as the subject of a sentence: ``"Reading FITS files"``.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    MissingDependencyError
        If the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        raise MissingDependencyError(
            f"{feature} needs the package {package!r}, which is not installed: "
            f'pip install "galaxy_sklearn[{extra}]".'
        ) from error
