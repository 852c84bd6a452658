"""Pixels of one kind: 0..255 in uint8, or values in floating point."""


def require_kind(dtype, first, row, name):
    """Raise ValueError if an image has pixels of another kind than the first; None is unknown."""
    if first is not None and dtype.kind != first.kind:
        raise ValueError(
            f"ImageSequence holds images of different kinds: row {row} ({name!r}) is {dtype}, "
            f"expected {first} like the first; scale pixels alike first."
        )
