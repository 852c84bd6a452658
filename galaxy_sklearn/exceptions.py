"""Warnings and errors that the package raises beside Python's own."""


class ImageReadError(ValueError):
    """An image file could not be read; the message names file, reason and row."""


class ImageReadWarning(UserWarning):
    """Some image files could not be read and were skipped or replaced by blank images."""


class DivergenceError(ValueError):
    """A training cannot go on, or ended with a network that cannot compute: numbers overflow."""


class MissingDependencyError(ImportError):
    """A feature needs an optional package; the message names the extra to install."""


class PseudoLabelWarning(UserWarning):
    """Self-training stopped or chose nothing because its own labels could not be trusted."""
