"""The network that won the Galaxy Challenge: sixteen views of one galaxy, one set of filters."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from galaxy_sklearn.networks._layers import check_smallest_side, seen_size

_PART = 45 / 69  # side of a part, as a fraction of the image
_VIEWS = 16
_SMALLEST = 69


class _Maxout(nn.Module):
    """Dense layer that keeps the larger of each pair of units."""

    def __init__(self, fan_in, fan_out):
        super().__init__()
        self.linear = nn.Linear(fan_in, 2 * fan_out)

    def forward(self, x):
        return self.linear(x).unflatten(1, (-1, 2)).amax(2)


class Dieleman(nn.Module):
    """The best single network of Dieleman, Willett & Dambre (2015).

    The image, upright and turned by 45 degrees, each as it is and mirrored, is cut into four
    overlapping parts of 45 pixels, turned so that the galaxy's centre lies in the same corner:
    sixteen views that pass the same convolutions. Their features together enter two dense maxout
    layers. What the turned image shows beyond the frame is mirrored at its edge; the publication
    had a larger image to turn.

    Parameters
    ----------
    n_channels : int
        Bands of the images.
    n_classes : int
        Number of logits.
    image_size : tuple of int
        (height, width) in pixels; what the network sees of them is at least 69 x 69, square.
    hidden : int, default=2048
        Units of each of the two dense layers, after maxout.
    dropout : float, default=0.5
        Dropout before each dense layer.
    input_size : int, default=69
        Side in pixels that images are resized to; None leaves them as they are.

    Raises
    ------
    ValueError
        If the network sees less than it needs, or what is not square, or `input_size` is no whole
        number.

    References
    ----------
    Dieleman, Willett & Dambre (2015), MNRAS 450, 1441, sections 6 and 7.
    """

    cam_layer = None  # its maps are of sixteen turned parts, none of the whole image
    dtype = None

    def __init__(
        self, n_channels, n_classes, image_size, *, hidden=2048, dropout=0.5, input_size=69
    ):
        super().__init__()
        height, width = seen_size(image_size, input_size)
        check_smallest_side("dieleman", (height, width), _SMALLEST)
        if height != width:
            raise ValueError(f"The network 'dieleman' takes square images; got {height} x {width}.")
        self.input_size = input_size
        self.part = round(_PART * height)
        self.convolutions = nn.Sequential(
            *self._convolution(n_channels, 32, 6),
            nn.MaxPool2d(2),
            *self._convolution(32, 64, 5),
            nn.MaxPool2d(2),
            *self._convolution(64, 128, 3),
            *self._convolution(128, 128, 3),
            nn.MaxPool2d(2),
        )
        side = (((self.part - 5) // 2 - 4) // 2 - 4) // 2
        self.n_embedding = hidden
        self.dense = nn.Sequential(
            nn.Dropout(dropout),
            _Maxout(_VIEWS * 128 * side**2, hidden),
            nn.Dropout(dropout),
            _Maxout(hidden, hidden),
            nn.Dropout(dropout),
        )
        self.classifier = nn.Linear(hidden, n_classes)

    @staticmethod
    def _convolution(fan_in, fan_out, kernel_size):
        return nn.Conv2d(fan_in, fan_out, kernel_size), nn.ReLU(inplace=True)

    def views(self, x):
        """Return the sixteen views (n, 16, n_channels, part, part) of images."""
        turned = torch.stack([x, _turned_45(x)], 1)
        both = torch.cat([turned, turned.flip(-1)], 1)
        parts = [
            torch.rot90(both, quarter, (-2, -1))[..., : self.part, : self.part]
            for quarter in range(4)
        ]
        return torch.cat(parts, 1)

    def forward_features(self, x):
        """Return feature maps (16 n, 128, side, side), the views of an image after each other."""
        return self.convolutions(self.views(x).flatten(0, 1))

    def forward_head(self, x, pre_logits=False):
        """Return logits (n, n_classes), or the embedding (n, n_embedding)."""
        x = self.dense(x.reshape(len(x) // _VIEWS, -1))
        return x if pre_logits else self.classifier(x)

    def forward(self, x):
        """Return logits (n, n_classes) of images (n, n_channels, height, width)."""
        return self.forward_head(self.forward_features(x))


def _turned_45(x):
    """Return images turned by 45 degrees about their centre."""
    half = math.sqrt(0.5)
    turn = x.new_tensor([[half, -half, 0], [half, half, 0]]).expand(len(x), 2, 3)
    grid = F.affine_grid(turn, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
