"""Layers that know no up and no handedness: equivariant to the eight symmetries of the square.

A feature map holds each feature in eight orientations, channels ordered (orientation, feature).
Turning or mirroring the image turns or mirrors the maps and permutes the orientations, exactly;
the mean over orientations and positions does not change at all (Cohen & Welling 2016, ICML,
"Group equivariant convolutional networks": the group p4m).
"""

import torch
from torch import nn
from torch.nn import functional as F

from galaxy_sklearn.networks._layers import spatial_mean

N_ORIENTATIONS = 8


def turn(images, orientation):
    """Return images (..., height, width) under one of the eight symmetries, 0 for none.

    Orientations 4 to 7 are mirrored first; then all are rotated by `orientation` % 4 quarters.
    """
    mirrored = images.flip(-1) if orientation >= 4 else images
    return torch.rot90(mirrored, orientation % 4, (-2, -1))


def _relative_orientations():
    """Return the table of the orientation h as seen from g, (8, 8)."""
    corner = torch.arange(9).view(3, 3)  # no two of its eight orientations are alike
    seen = {tuple(turn(corner, g).flatten().tolist()): g for g in range(N_ORIENTATIONS)}

    def product(g, h):
        return seen[tuple(turn(turn(corner, h), g).flatten().tolist())]

    inverse = [
        next(h for h in range(N_ORIENTATIONS) if product(g, h) == 0) for g in range(N_ORIENTATIONS)
    ]
    return [[product(inverse[g], h) for h in range(N_ORIENTATIONS)] for g in range(N_ORIENTATIONS)]


_RELATIVE = _relative_orientations()


def _placement(kernel_size, n_inputs):
    """Return the 0/1 matrix that copies a filter's taps into its eight orientations.

    A matrix, because its product is much faster to differentiate than an indexed copy.
    """
    n_taps = kernel_size**2
    taps = torch.arange(n_taps).view(kernel_size, kernel_size)
    sources = torch.stack(
        [
            turn(taps, g).flatten() + (_RELATIVE[g][h] * n_taps if n_inputs > 1 else 0)
            for g in range(N_ORIENTATIONS)
            for h in range(n_inputs)
        ]
    ).flatten()
    matrix = torch.zeros(n_inputs * n_taps, len(sources))
    matrix[sources, torch.arange(len(sources))] = 1
    return matrix


class D4Conv2d(nn.Module):
    """Convolution with each filter in eight orientations.

    Parameters
    ----------
    fan_in : int
        Features that come in; with `lift`, the bands of an image.
    fan_out : int
        Features that go out, each in eight orientations.
    kernel_size : int
        Side of the filters in pixels.
    stride : int, default=1
        Step; keeps equivariance where kernel, stride and padding leave no pixel at an edge out.
    padding : int, default=0
        Zeros around the image.
    lift : bool, default=False
        The input is an image, without orientations.
    """

    def __init__(self, fan_in, fan_out, kernel_size, *, stride=1, padding=0, lift=False):
        super().__init__()
        self.n_inputs = 1 if lift else N_ORIENTATIONS
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        n_taps = self.n_inputs * kernel_size**2
        self.weight = nn.Parameter(torch.empty(fan_out, fan_in, n_taps))
        fan = N_ORIENTATIONS * fan_out * kernel_size**2
        nn.init.normal_(self.weight, std=(2 / fan) ** 0.5)
        self.register_buffer("placement", _placement(kernel_size, self.n_inputs), persistent=False)

    def __getstate__(self):
        """Leave the placement out: it is most of the bytes, and follows from the rest."""
        buffers = {name: one for name, one in self._buffers.items() if name != "placement"}
        return {**self.__dict__, "_buffers": buffers}

    def __setstate__(self, state):
        super().__setstate__(state)
        placement = _placement(self.kernel_size, self.n_inputs).to(self.weight)
        self.register_buffer("placement", placement, persistent=False)

    def filters(self):
        """Return the filters in all orientations, (8 fan_out, n_inputs fan_in, k, k)."""
        fan_out, fan_in, n_taps = self.weight.shape
        turned = self.weight.view(fan_out * fan_in, n_taps) @ self.placement
        turned = turned.view(fan_out, fan_in, N_ORIENTATIONS, self.n_inputs, -1)
        turned = turned.permute(2, 0, 3, 1, 4)
        side = self.kernel_size
        return turned.reshape(N_ORIENTATIONS * fan_out, self.n_inputs * fan_in, side, side)

    def forward(self, x):
        """Return feature maps (n, 8 fan_out, height, width)."""
        filters = self.filters().contiguous(memory_format=torch.channels_last)
        return F.conv2d(x, filters, stride=self.stride, padding=self.padding)


class D4BatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation that treats the eight orientations of a feature alike.

    In training each orientation takes the statistics of its own batch, which is faster; the
    averages kept for prediction are shared.
    """

    def forward(self, x):
        """Return normalised feature maps of the same shape."""
        mean, var = (s.repeat(N_ORIENTATIONS) for s in (self.running_mean, self.running_var))
        weight, bias = self.weight.repeat(N_ORIENTATIONS), self.bias.repeat(N_ORIENTATIONS)
        y = F.batch_norm(x, mean, var, weight, bias, self.training, self.momentum, self.eps)
        if self.training:
            with torch.no_grad():
                self.running_mean.copy_(mean.view(N_ORIENTATIONS, -1).mean(0))
                self.running_var.copy_(var.view(N_ORIENTATIONS, -1).mean(0))
        return y


def orientation_mean(x):
    """Return the invariants (n, features) of feature maps (n, 8 features, height, width)."""
    return spatial_mean(x).unflatten(1, (N_ORIENTATIONS, -1)).mean(1)
