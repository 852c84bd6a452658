"""Checks and layers that several networks share."""


def check_smallest_side(name, image_size, smallest):
    """Raise ValueError if an image side is shorter than `smallest` pixels."""
    if min(image_size) < smallest:
        raise ValueError(
            f"The network {name!r} takes images of at least {smallest} x {smallest} pixels; got "
            f"{image_size[0]} x {image_size[1]}."
        )
