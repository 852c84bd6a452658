"""The five hand-built CNNs of Messaoudi et al. for Galaxy10 DECaLS."""

from torch import nn

from galaxy_sklearn.networks._layers import (
    PlainNetwork,
    check_smallest_side,
    conv_relu,
    dense_relu,
    flat_length,
    seen_size,
)


class Galaxy10CNN(PlainNetwork):
    """The final model of Messaoudi et al.: four wide convolutions, 2,619,978 parameters.

    Each convolution is followed by ReLU and a 2 x 2 pooling, each dense layer by ReLU and
    dropout. Activations and dropout rate are not published; the input of 64 x 64 and the kernels
    follow from the printed parameter counts.

    Parameters
    ----------
    n_channels : int
        Bands of the images.
    n_classes : int
        Number of logits.
    image_size : tuple of int
        (height, width) in pixels; what the network sees of them is at least 16 x 16.
    dropout : float, default=0.5
        Dropout after each dense layer.
    input_size : int, default=64
        Side in pixels that images are resized to; None leaves them as they are.

    Raises
    ------
    ValueError
        If the network sees less than it needs, or `input_size` is no whole number.
    """

    _name = "galaxy10_cnn"
    _convolutions = ((32, 3), (64, 3), (128, 3), (256, 3))  # channels, kernel
    _dense = (512, 256)

    def __init__(self, n_channels, n_classes, image_size, *, dropout=0.5, input_size=64):
        size = seen_size(image_size, input_size)
        halvings = len(self._convolutions)
        check_smallest_side(self._name, size, 2**halvings)
        layers, fan_in = [], n_channels
        for fan_out, kernel_size in self._convolutions:
            layers += [*conv_relu(fan_in, fan_out, kernel_size), nn.MaxPool2d(2)]
            fan_in = fan_out
        first, second = self._dense
        neck = nn.Sequential(
            nn.Flatten(),
            *dense_relu(flat_length(size, fan_in, halvings), first, dropout),
            *dense_relu(first, second, dropout),
        )
        super().__init__(nn.Sequential(*layers), neck, second, n_classes, input_size)


class _SmallGalaxy10CNN(Galaxy10CNN):
    _dense = (120, 84)

    def __init__(self, n_channels, n_classes, image_size, *, dropout=0.0, input_size=256):
        super().__init__(n_channels, n_classes, image_size, dropout=dropout, input_size=input_size)


class Galaxy10CNN2(_SmallGalaxy10CNN):
    """Model 1 of Messaoudi et al.: two convolutions, 3,944,130 parameters for ten classes.

    Parameters
    ----------
    n_channels : int
        Bands of the images.
    n_classes : int
        Number of logits.
    image_size : tuple of int
        (height, width) in pixels; what the network sees of them is at least 4 x 4.
    dropout : float, default=0.0
        Dropout after each dense layer; none is published.
    input_size : int, default=256
        Side in pixels that images are resized to; None leaves them as they are.

    Raises
    ------
    ValueError
        If the network sees less than it needs, or `input_size` is no whole number.
    """

    _name = "galaxy10_cnn2"
    _convolutions = ((3, 5), (8, 5))


class Galaxy10CNN3(_SmallGalaxy10CNN):
    """Model 2 of Messaoudi et al.: three convolutions, 3,958,998 parameters for ten classes.

    Parameters
    ----------
    n_channels : int
        Bands of the images.
    n_classes : int
        Number of logits.
    image_size : tuple of int
        (height, width) in pixels; what the network sees of them is at least 8 x 8.
    dropout : float, default=0.0
        Dropout after each dense layer; none is published.
    input_size : int, default=256
        Side in pixels that images are resized to; None leaves them as they are.

    Raises
    ------
    ValueError
        If the network sees less than it needs, or `input_size` is no whole number.
    """

    _name = "galaxy10_cnn3"
    _convolutions = ((6, 5), (16, 5), (32, 5))


class Galaxy10CNN5(_SmallGalaxy10CNN):
    """Model 3 of Messaoudi et al.: five convolutions, 562,226 parameters for ten classes.

    The table is cut off on the page: the first kernel and the dense layers are those of model 4.

    Parameters
    ----------
    n_channels : int
        Bands of the images.
    n_classes : int
        Number of logits.
    image_size : tuple of int
        (height, width) in pixels; what the network sees of them is at least 32 x 32.
    dropout : float, default=0.0
        Dropout after each dense layer; none is published.
    input_size : int, default=256
        Side in pixels that images are resized to; None leaves them as they are.

    Raises
    ------
    ValueError
        If the network sees less than it needs, or `input_size` is no whole number.
    """

    _name = "galaxy10_cnn5"
    _convolutions = ((3, 5), (8, 3), (16, 5), (32, 3), (64, 5))


class Galaxy10CNN6(_SmallGalaxy10CNN):
    """Model 4 of Messaoudi et al.: six convolutions, 390,322 parameters for ten classes.

    Parameters
    ----------
    n_channels : int
        Bands of the images.
    n_classes : int
        Number of logits.
    image_size : tuple of int
        (height, width) in pixels; what the network sees of them is at least 64 x 64.
    dropout : float, default=0.0
        Dropout after each dense layer; none is published.
    input_size : int, default=256
        Side in pixels that images are resized to; None leaves them as they are.

    Raises
    ------
    ValueError
        If the network sees less than it needs, or `input_size` is no whole number.
    """

    _name = "galaxy10_cnn6"
    _convolutions = (*Galaxy10CNN5._convolutions, (128, 3))
