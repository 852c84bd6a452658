"""The augmentation of Guo et al. (2023): rotation, zoom and contrast, black outside the frame."""

import math

import torch

from galaxy_sklearn._validation import POSITIVE
from galaxy_sklearn._values import ValueObject
from galaxy_sklearn.augmentation._checks import check_ranges
from galaxy_sklearn.augmentation._warp import warp
from galaxy_sklearn.augmentation._zhu import ColourJitter


class RotateZoomContrast(ValueObject):
    """Rotate by any angle, zoom, change the contrast; what lies outside the frame is black.

    Parameters
    ----------
    zoom : tuple of float, default=(0.8, 1.2)
        Range of the field seen, relative to the field that prediction sees. Not published.
    contrast : tuple of float, default=(0.8, 1.2)
        Range of the factor on the distance to each band's mean. Not published.

    Raises
    ------
    ValueError
        If a range is not two rising numbers, of `zoom` above 0, of `contrast` at least 0.

    References
    ----------
    Guo, Hsu & Hu (2023): "random rotation, amplification and contrast", filled with 0.
    """

    def __init__(self, *, zoom=(0.8, 1.2), contrast=(0.8, 1.2)):
        check_ranges(self, POSITIVE, zoom=zoom)
        check_ranges(self, contrast=contrast)
        self.zoom = zoom
        self.contrast = contrast

    def __call__(self, images, size, *, field, generator):
        """Return one random view of each image.

        Parameters
        ----------
        images : Tensor of shape (n, n_channels, height, width)
            Pixels in [0, 1].
        size : tuple of int
            (height, width) of the views in pixels.
        field : float
            Field that prediction sees, as a fraction of the shorter side.
        generator : torch.Generator
            On the device of `images`.

        Returns
        -------
        Tensor of shape (n, n_channels, *size)
        """
        n, device = len(images), images.device
        angle, zoom = torch.rand(2, n, generator=generator, device=device)
        still = torch.zeros_like(angle)
        views = warp(
            images,
            size,
            zoom=field * (self.zoom[0] + (self.zoom[1] - self.zoom[0]) * zoom),
            angle=2 * math.pi * angle,
            mirror=still + 1,
            shift_x=still,
            shift_y=still,
            fill="zeros",
        )
        return ColourJitter(contrast=self.contrast)(views, generator)
