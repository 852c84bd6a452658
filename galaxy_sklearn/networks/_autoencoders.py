"""Autoencoders: the trunk of a classifier as encoder, and a decoder back to pixels."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from galaxy_sklearn.networks._d4 import N_ORIENTATIONS, D4BatchNorm2d, D4Conv2d
from galaxy_sklearn.networks._galaxynet import DEPTHS, GalaxyNet
from galaxy_sklearn.networks._layers import check_smallest_side, seen_size
from galaxy_sklearn.networks._registry import construct
from galaxy_sklearn.networks._wu import wu_decoder, wu_encoder


class Autoencoder(nn.Module):
    """An encoder, a decoder, and the range of the pixels between them.

    Parameters
    ----------
    trunk : nn.Module
        Encoder, with `forward_features` and the names of a classifier's layers.
    decoder : nn.Module
        Feature maps to pixels.
    n_channels : int
        Bands of the images.
    image_size : tuple of int
        (height, width) in pixels.
    input_size : int or None
        Side in pixels that images are resized to; None leaves them as they are.
    bounded : bool, default=False
        The decoder returns numbers from 0 to 1, which `set_range` gives a meaning.
    """

    dtype = None

    def __init__(self, trunk, decoder, n_channels, image_size, input_size, *, bounded=False):
        super().__init__()
        self.trunk = trunk
        self.decoder = decoder
        self.input_size = input_size
        self.bounded = bounded
        self.register_buffer("low", torch.zeros(1, n_channels, 1, 1))
        self.register_buffer("span", torch.ones(1, n_channels, 1, 1))
        size = seen_size(image_size, input_size)
        with torch.no_grad():
            pixel = next(trunk.parameters())
            blank = torch.zeros(1, n_channels, *size, dtype=pixel.dtype, device=pixel.device)
            code = trunk.eval().forward_features(blank)
            self.code_shape = tuple(code.shape[1:])
            self.n_pooled = trunk.pool(code).shape[1]
        trunk.train()
        self.n_embedding = math.prod(self.code_shape)

    def set_range(self, low, high):
        """Say which standardised pixels of each band, (n_channels,), a bounded decoder spans."""
        self.low.copy_(torch.as_tensor(low).view_as(self.low))
        self.span.copy_(torch.as_tensor(high).view_as(self.low) - self.low)

    def forward_features(self, x):
        """Return the code (n, *code_shape) of images (n, n_channels, height, width)."""
        return self.trunk.forward_features(x)

    def forward_head(self, x, pre_logits=False):
        """Return the images of a code, or the code in one row for each image."""
        return x.flatten(1) if pre_logits else self.decode(x)

    def pool(self, code):
        """Return the mean of a code over positions, (n, n_pooled)."""
        return self.trunk.pool(code)

    def decode(self, code):
        """Return standardised images (n, n_channels, height, width) of a code."""
        return self.low + self.span * self.decoder(code).to(self.low.dtype)

    def forward(self, x):
        """Return the reconstruction of standardised images, of their shape."""
        return self.decode(self.forward_features(x))


class _WuTrunk(nn.Module):
    """The encoder of Wu (2022), named as in `WuEncoderCNN`."""

    def __init__(self, n_channels):
        super().__init__()
        self.features = wu_encoder(n_channels)

    def forward_features(self, x):
        return self.features(x)

    @staticmethod
    def pool(code):
        return code.mean((2, 3))


class WuAutoencoder(Autoencoder):
    """The autoencoder of Wu (2022): 15,726,400 parameters encode, 9,454,627 decode three bands.

    Its encoder's weights fit the network ``"wu_encoder_cnn"``.

    Parameters
    ----------
    n_channels : int
        Bands of the images.
    image_size : tuple of int
        (height, width) in pixels.
    input_size : int, default=256
        Side in pixels that images are resized to, a multiple of 64; None leaves them as they are.
    """

    def __init__(self, n_channels, image_size, *, input_size=256):
        size = seen_size(image_size, input_size)
        if any(side % 64 or not side for side in size):
            raise ValueError(
                f"The network 'wu_autoencoder' takes images whose sides are multiples of 64 "
                f"pixels; got {size[0]} x {size[1]}."
            )
        trunk, decoder = _WuTrunk(n_channels), wu_decoder(n_channels)
        super().__init__(trunk, decoder, n_channels, image_size, input_size, bounded=True)


class _GalaxyNetTrunk(GalaxyNet):
    """All of `GalaxyNet` but its last layer."""

    def __init__(self, n_channels, image_size, **params):
        super().__init__(n_channels, 1, image_size, **params)
        del self.classifier

    def pool(self, code):
        return self.forward_head(code, pre_logits=True)


class _D4Decoder(nn.Module):
    """Double the maps and halve their features, stage by stage, equivariantly.

    The last maps hold each band in eight orientations; their mean is an image that turns with the
    galaxy.
    """

    def __init__(self, widths, sizes, n_channels):
        super().__init__()
        self.sizes = sizes
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        for fan_in, fan_out in zip(widths, widths[1:]):
            self.convs.append(D4Conv2d(fan_in, fan_out, 3, padding=1))
            self.norms.append(D4BatchNorm2d(fan_out))
        self.relu = nn.ReLU(inplace=True)
        self.last = D4Conv2d(widths[-1], n_channels, 5, padding=2)
        self.bias = nn.Parameter(torch.zeros(n_channels, 1, 1))
        nn.init.normal_(self.last.weight, std=0.01)

    def forward(self, x):
        for conv, norm, size in zip(self.convs, self.norms, self.sizes):
            x = F.interpolate(self.relu(norm(conv(x))), size)
        return self.last(x).unflatten(1, (N_ORIENTATIONS, -1)).mean(1) + self.bias


class GalaxyNetAutoencoder(Autoencoder):
    """`GalaxyNet` without its last layer, and a small decoder: a galaxy has no up and no hand.

    Encoder and decoder are equivariant to the eight symmetries of the square: the reconstruction
    of a turned galaxy is the turned reconstruction.

    Parameters
    ----------
    n_channels : int
        Bands of the images.
    image_size : tuple of int
        (height, width) of the images in pixels; at least 8 x 8.
    widths : sequence of int, default=(4, 8, 16, 32)
        As in `GalaxyNet`; the decoder takes them back.
    depths : sequence of int, default=(1, 2, 2, 2)
        As in `GalaxyNet`.
    input_size : int, default=64
        Side in pixels that images are resized to; None leaves them as they are.

    Raises
    ------
    ValueError
        As in `GalaxyNet`.
    """

    def __init__(
        self,
        n_channels,
        image_size,
        *,
        widths=(4, 8, 16, 32),
        depths=DEPTHS,
        input_size=64,
    ):
        size = seen_size(image_size, input_size)
        check_smallest_side("galaxynet", size, 8)
        trunk = _GalaxyNetTrunk(
            n_channels, image_size, widths=widths, depths=depths, input_size=input_size
        )
        sizes = [size, tuple(side // 2 for side in size)]
        for _ in widths[1:]:
            sizes.append(tuple(-(-side // 2) for side in sizes[-1]))
        decoder = _D4Decoder([*widths[::-1], widths[0]], sizes[-2::-1], n_channels)
        super().__init__(trunk, decoder, n_channels, image_size, input_size)


class _LinearTrunk(nn.Module):
    def __init__(self, n_pixels, code_size):
        super().__init__()
        self.encoder = nn.Linear(n_pixels, code_size)

    def forward_features(self, x):
        return self.encoder(x.flatten(1))

    @staticmethod
    def pool(code):
        return code


class LinearAutoencoder(Autoencoder):
    """One linear layer to a code and one back: the principal components, the honest baseline.

    Parameters
    ----------
    n_channels : int
        Bands of the images.
    image_size : tuple of int
        (height, width) in pixels.
    code_size : int, default=32
        Length of the code.

    References
    ----------
    Baldi & Hornik (1989), Neural Networks 2, 53: its optimum spans the principal components.
    """

    dtype = torch.float64  # as in `Linear`

    def __init__(self, n_channels, image_size, *, code_size=32):
        shape = (n_channels, *image_size)
        trunk = _LinearTrunk(math.prod(shape), code_size)
        decoder = nn.Sequential(nn.Linear(code_size, math.prod(shape)), nn.Unflatten(1, shape))
        super().__init__(trunk, decoder, n_channels, image_size, None)


_AUTOENCODERS = {
    "galaxynet": GalaxyNetAutoencoder,
    "linear": LinearAutoencoder,
    "wu_autoencoder": WuAutoencoder,
}


def build_autoencoder(name, n_channels, image_size, **params):
    """Return a new autoencoder.

    Parameters
    ----------
    name : {"galaxynet", "linear", "wu_autoencoder"}
        Which.
    n_channels : int
        Bands of the images.
    image_size : tuple of int
        (height, width) of the images in pixels.
    **params
        The network's own keyword parameters.

    Returns
    -------
    Autoencoder

    Raises
    ------
    ValueError
        If there is none of that name, it has no such parameter, or the images do not fit it.
    """
    if name not in _AUTOENCODERS:
        raise ValueError(
            f"There is no autoencoder {name!r}: the names are {', '.join(_AUTOENCODERS)}."
        )
    return construct(name, _AUTOENCODERS[name], n_channels, image_size, **params)
