"""DCGAN: a network that paints galaxies from noise, and one that tells them from real ones."""

import math
from numbers import Integral

import torch
from torch import nn
from torch.nn import functional as F

from galaxy_sklearn.networks._registry import construct

_SMALLEST = 4  # side in pixels of the first maps
_WIDEST = 8  # maps grow to at most so many times the width
_STD = 0.02  # of the first weights (Radford et al. 2016, section 4)


def _widths(width, side):
    """Return the number of maps of each stage, from the one next to the pixels inwards."""
    n_stages = int(math.log2(side // _SMALLEST))
    return [width * min(2**stage, _WIDEST) for stage in range(n_stages)]


def _initialise(module):
    """Draw first weights as published: filters around 0, factors of normalisation around 1."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0, _STD)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1, _STD)


class _Spectral:
    """Divide a layer's weights by their largest singular value (Miyato et al. 2018, eq. 8).

    A step of the power iteration is taken in each pass of training. PyTorch's own parametrization
    cannot be pickled.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        rows = self.weight.shape[0]
        self.register_buffer("left", F.normalize(torch.randn(rows), dim=0))

    def bounded_weight(self):
        """Return the weights, divided."""
        with torch.autocast(self.weight.device.type, enabled=False):
            matrix = self.weight.flatten(1)
            with torch.no_grad():
                right = F.normalize(matrix.T @ self.left, dim=0)
                left = F.normalize(matrix @ right, dim=0)
                if self.training:
                    self.left.copy_(left)
            return self.weight / (left @ matrix @ right)


class SpectralConv2d(_Spectral, nn.Conv2d):
    """A convolution whose weights have no singular value over 1."""

    def forward(self, x):
        """Return the maps."""
        return self._conv_forward(x, self.bounded_weight(), self.bias)


class SpectralLinear(_Spectral, nn.Linear):
    """A dense layer whose weights have no singular value over 1."""

    def forward(self, x):
        """Return the outputs."""
        return F.linear(x, self.bounded_weight(), self.bias)


class Generator(nn.Module):
    """Noise, and a class where there are any, to an image of numbers between -1 and 1.

    The last layer computes in the precision of its weights: an image needs more than the eight bits
    of bfloat16.

    Parameters
    ----------
    n_channels : int
        Bands of the images.
    n_inputs : int
        Numbers that an image is made of: noise, then one for each class.
    width : int
        Maps of the stage before the last.
    side : int
        Side of the images in pixels.
    """

    def __init__(self, n_channels, n_inputs, width, side):
        super().__init__()
        widths = _widths(width, side)
        layers = [nn.ConvTranspose2d(n_inputs, widths[-1], _SMALLEST, bias=False)]
        for fan_in, fan_out in zip(widths[::-1], [*widths[-2::-1], n_channels]):
            layers += [
                nn.BatchNorm2d(fan_in),
                nn.ReLU(inplace=True),
                nn.ConvTranspose2d(fan_in, fan_out, 4, stride=2, padding=1, bias=False),
            ]
        self.layers = nn.Sequential(*layers[:-1])
        self.last = layers[-1]
        _initialise(self)

    def forward(self, x):
        """Return images (n, n_channels, side, side) of inputs (n, n_inputs)."""
        maps = self.layers(x[:, :, None, None])
        with torch.autocast(maps.device.type, enabled=False):
            return torch.tanh(self.last(maps.to(self.last.weight.dtype)))


class Discriminator(nn.Module):
    """Images to one number each: how real they look, for their class where there are any.

    Classes take part by projection (Miyato & Koyama 2018, eq. 3): what the last maps hold is
    compared with a learned direction of the class.

    Parameters
    ----------
    n_channels : int
        Bands of the images.
    n_classes : int
        Classes; 0 for images without.
    width : int
        Maps of the first stage.
    side : int
        Side of the images in pixels.
    normalization : {"batch", "spectral"}
        How layers are kept in bounds.
    """

    def __init__(self, n_channels, n_classes, width, side, normalization):
        super().__init__()
        by_batch = normalization == "batch"
        conv, dense = (nn.Conv2d, nn.Linear) if by_batch else (SpectralConv2d, SpectralLinear)
        widths = _widths(width, side)
        layers = []
        for fan_in, fan_out in zip([n_channels, *widths], widths):
            layers.append(conv(fan_in, fan_out, 4, stride=2, padding=1, bias=not by_batch))
            if by_batch and fan_in != n_channels:
                layers.append(nn.BatchNorm2d(fan_out))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.features = nn.Sequential(*layers)
        self.last = conv(widths[-1], 1, _SMALLEST, bias=not by_batch)
        self.directions = dense(n_classes, widths[-1], bias=False) if n_classes else None
        _initialise(self)

    def forward(self, x, classes):
        """Return logits (n,) of images and their classes (n, n_classes), one-hot."""
        maps = self.features(x)
        logits = self.last(maps).flatten()
        if self.directions is None:
            return logits
        return logits + (self.directions(classes) * maps.sum((2, 3))).sum(1)


class DCGAN(nn.Module):
    """Deep convolutional generative adversarial network (Radford et al. 2016), figure 1.

    At 64 pixels, three bands and the published width of 64, without classes: 3,576,704 parameters
    generate and 2,765,568 tell real from generated.

    Parameters
    ----------
    n_channels : int
        Bands of the images.
    n_classes : int
        Classes that images are generated by; 0 for none.
    image_size : tuple of int
        (height, width) in pixels of the frames; any.
    code_size : int, default=100
        Numbers of noise that an image is made of.
    width : int, default=32
        Maps next to the pixels, 64 as published; eight times as many at most further in.
    normalization : {"batch", "spectral"}, default="batch"
        Of the network that tells real from generated: batch normalisation, as published, or
        spectral normalisation (Miyato et al. 2018).
    input_size : int, default=64
        Side in pixels of the images that are generated, a power of two from 8 on; frames are
        resized to it and back.
    """

    dtype = None

    def __init__(
        self,
        n_channels,
        n_classes,
        image_size,
        *,
        code_size=100,
        width=32,
        normalization="batch",
        input_size=64,
    ):
        super().__init__()
        for name, value in (("code_size", code_size), ("width", width)):
            if not isinstance(value, Integral) or value < 1:
                raise ValueError(
                    f"{name} of the network 'dcgan' must be a whole number from 1 on; got "
                    f"{value!r}."
                )
        if (
            not isinstance(input_size, Integral)
            or input_size < 2 * _SMALLEST
            or input_size & (input_size - 1)
        ):
            raise ValueError(
                f"The network 'dcgan' generates images whose side is a power of two, 8 pixels or "
                f"more; got input_size={input_size}."
            )
        if normalization not in ("batch", "spectral"):
            raise ValueError(
                f"normalization of the network 'dcgan' must be 'batch' or 'spectral'; got "
                f"{normalization!r}."
            )
        self.input_size = input_size
        self.code_size = code_size
        self.generator = Generator(n_channels, code_size + n_classes, width, input_size)
        self.discriminator = Discriminator(n_channels, n_classes, width, input_size, normalization)
        self.register_buffer("low", torch.zeros(1, n_channels, 1, 1))
        self.register_buffer("span", torch.ones(1, n_channels, 1, 1))

    def set_range(self, low, high):
        """Say which standardised pixels of each band, (n_channels,), -1 and 1 stand for."""
        self.low.copy_(torch.as_tensor(low).view_as(self.low))
        self.span.copy_(torch.as_tensor(high).view_as(self.low) - self.low)

    def generate(self, codes, classes):
        """Return standardised images of noise (n, code_size) and one-hot classes."""
        return self.low + self.span * (self.generator(torch.cat([codes, classes], 1)) + 1) / 2

    def forward(self, x, classes):
        """Return logits (n,): how real standardised images look for their class."""
        return self.discriminator(x, classes)


_GENERATIVE = {"dcgan": DCGAN}


def build_generative(name, n_channels, n_classes, image_size, **params):
    """Return a new generative network; raise ValueError if there is none of that name."""
    return construct(name, _GENERATIVE[name], n_channels, n_classes, image_size, **params)
