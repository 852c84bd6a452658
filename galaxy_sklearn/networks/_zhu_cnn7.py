"""The small CNN whose filters and feature maps Zhu et al. (2019) show."""

from torch import nn

from galaxy_sklearn.networks._layers import (
    PlainNetwork,
    check_smallest_side,
    dense_relu,
    flat_length,
    seen_size,
)


def _convolution(fan_in, fan_out, kernel_size):
    before = (kernel_size - 1) // 2
    after = kernel_size - 1 - before
    return [
        nn.ZeroPad2d((before, after, before, after)),
        nn.Conv2d(fan_in, fan_out, kernel_size),
        nn.ReLU(inplace=True),
    ]


class ZhuCNN7(PlainNetwork):
    """Four convolutions (6 x 6, 5 x 5, 3 x 3, 3 x 3) and three dense layers.

    Published are the convolutions and the poolings after the first, second and fourth; the widths
    of the dense layers and the dropout rate are filled in.

    Parameters
    ----------
    n_channels : int
        Bands of the images.
    n_classes : int
        Number of logits.
    image_size : tuple of int
        (height, width) in pixels; what the network sees of them is at least 8 x 8.
    hidden : int, default=256
        Units of the first two dense layers.
    dropout : float, default=0.5
        Dropout after each of them.
    input_size : int, default=64
        Side in pixels that images are resized to; None leaves them as they are.

    Raises
    ------
    ValueError
        If the network sees less than it needs, or `input_size` is no whole number.

    References
    ----------
    Zhu et al. (2019), Ap&SS 364, 55, section on visualisation.
    """

    def __init__(
        self, n_channels, n_classes, image_size, *, hidden=256, dropout=0.5, input_size=64
    ):
        size = seen_size(image_size, input_size)
        check_smallest_side("zhu_cnn7", size, 8)
        features = nn.Sequential(
            *_convolution(n_channels, 32, 6),
            nn.MaxPool2d(2),
            *_convolution(32, 64, 5),
            nn.MaxPool2d(2),
            *_convolution(64, 128, 3),
            *_convolution(128, 128, 3),
            nn.MaxPool2d(2),
        )
        neck = nn.Sequential(
            nn.Flatten(),
            *dense_relu(flat_length(size, 128, 3), hidden, dropout),
            *dense_relu(hidden, hidden, dropout),
        )
        super().__init__(features, neck, hidden, n_classes, input_size)
