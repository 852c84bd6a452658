"""One bilinear sampling of a batch: zoom, rotation, mirror, shift and resize together."""

import torch
from torch.nn import functional as F


def warp(images, size, *, zoom, angle, mirror, shift_x, shift_y, fill="reflection"):
    """Return `images` seen through one affine map each, resampled once.

    Parameters
    ----------
    images : Tensor of shape (n, n_channels, height, width)
        Floating point pixels.
    size : tuple of int
        (height, width) of the result in pixels.
    zoom : Tensor of shape (n,)
        Side of the field seen, as a fraction of the shorter side of the image.
    angle : Tensor of shape (n,)
        Rotation in radians.
    mirror : Tensor of shape (n,)
        1, or -1 for a mirrored image.
    shift_x, shift_y : Tensor of shape (n,)
        Shift of the centre, as a fraction of the shorter side.
    fill : {"reflection", "border", "zeros"}, default="reflection"
        What lies outside the frame.

    Returns
    -------
    Tensor of shape (n, n_channels, *size)
    """
    height, width = images.shape[2:]
    side, out = min(height, width), min(size)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    across_x, across_y = side / width, side / height
    aspect_x, aspect_y = size[1] / out, size[0] / out
    theta = torch.stack(
        [
            torch.stack([cos * mirror * aspect_x, -sin * aspect_y, 2 * shift_x], 1) * across_x,
            torch.stack([sin * mirror * aspect_x, cos * aspect_y, 2 * shift_y], 1) * across_y,
        ],
        dim=1,
    )
    theta = theta.to(images.dtype)
    grid = F.affine_grid(theta, (len(images), images.shape[1], *size), align_corners=False)
    return F.grid_sample(images, grid, padding_mode=fill, align_corners=False)
