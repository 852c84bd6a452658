"""The networks of Wu (2022): simple CNN, VGG-16 variant, and the CNN on an encoder."""

from torch import nn

from galaxy_sklearn.networks._layers import (
    PlainNetwork,
    check_smallest_side,
    conv_relu,
    dense_relu,
    flat_length,
    seen_size,
)

_VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
_ENCODER = (32, 64, 128, 256, 512, 1024)


class WuSimpleCNN(PlainNetwork):
    """The simple CNN of Wu (2022), table 2: 5,190,408 parameters for eight classes.

    The text counts six convolutions, the table shows five and cannot get from 512 to 256 channels
    in its last pooling; a sixth convolution and a global average satisfy both. The dropout rate
    is not published.

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
    input_size : int, default=256
        Side in pixels that images are resized to; None leaves them as they are.

    Raises
    ------
    ValueError
        If the network sees less than it needs, or `input_size` is no whole number.
    """

    def __init__(self, n_channels, n_classes, image_size, *, dropout=0.5, input_size=256):
        check_smallest_side("wu_simple_cnn", seen_size(image_size, input_size), 16)
        layers, fan_in = [], n_channels
        for fan_out in (64, 128, 256, 512):
            layers += [*conv_relu(fan_in, fan_out), nn.MaxPool2d(2)]
            fan_in = fan_out
        features = nn.Sequential(*layers, *conv_relu(512, 512), *conv_relu(512, 256))
        neck = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            *dense_relu(256, 256, dropout),
            *dense_relu(256, 128, dropout),
        )
        super().__init__(features, neck, 128, n_classes, input_size)


class WuVGG16(PlainNetwork):
    """The VGG-16 variant of Wu (2022), table 3: 165,750,600 parameters for eight classes.

    Without batch normalisation and without pretrained weights; the feature maps are flattened as
    they are. The dropout rate is not published, nor are the first weights: they are those of He et
    al. (2015). PyTorch's own let all images look alike after sixteen layers, and the published
    weight decay then takes the weights to zero.

    Parameters
    ----------
    n_channels : int
        Bands of the images.
    n_classes : int
        Number of logits.
    image_size : tuple of int
        (height, width) in pixels; what the network sees of them is at least 32 x 32.
    dropout : float, default=0.5
        Dropout after each dense layer.
    input_size : int, default=256
        Side in pixels that images are resized to; None leaves them as they are.

    Raises
    ------
    ValueError
        If the network sees less than it needs, or `input_size` is no whole number.
    """

    def __init__(self, n_channels, n_classes, image_size, *, dropout=0.5, input_size=256):
        size = seen_size(image_size, input_size)
        check_smallest_side("wu_vgg16", size, 32)
        layers, fan_in = [], n_channels
        for stage in _VGG16:
            for fan_out in stage:
                layers += conv_relu(fan_in, fan_out)
                fan_in = fan_out
            layers.append(nn.MaxPool2d(2))
        neck = nn.Sequential(
            nn.Flatten(),
            *dense_relu(flat_length(size, 512, 5), 4096, dropout),
            *dense_relu(4096, 4096, dropout),
        )
        super().__init__(nn.Sequential(*layers), neck, 4096, n_classes, input_size)
        for module in [*self.features, *self.neck]:
            if hasattr(module, "weight"):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)


def wu_encoder(n_channels):
    """Return the encoder of Wu (2022), table 4: 15,726,400 parameters for three bands.

    Seven 3 x 3 convolutions with ReLU, a 2 x 2 pooling after each but the last; 256 x 256 pixels
    become 4 x 4 x 1024.
    """
    layers, fan_in = [], n_channels
    for fan_out in _ENCODER:
        layers += [*conv_relu(fan_in, fan_out), nn.MaxPool2d(2)]
        fan_in = fan_out
    return nn.Sequential(*layers, *conv_relu(1024, 1024))


def wu_decoder(n_channels):
    """Return the decoder of Wu (2022), table 5: 9,454,627 parameters for three bands.

    Transposed convolutions whose kernels equal their strides, 4, 4, 2 and 2, which the publication
    leaves open, as it does the sigmoid at the end.
    """
    layers = []
    for fan_in, fan_out, factor in ((1024, 512, 4), (512, 128, 4), (128, 32, 2)):
        layers += [nn.ConvTranspose2d(fan_in, fan_out, factor, factor), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.ConvTranspose2d(32, n_channels, 2, 2), nn.Sigmoid())


class WuEncoderCNN(PlainNetwork):
    """The CNN on an encoder of Wu (2022), table 16: 32,769,096 parameters for eight classes.

    Its `features` are the encoder of the autoencoder (table 4), so the whole encoder's weights
    carry over; the publication says once "the last layer" and elsewhere "the autoencoder".

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

    def __init__(self, n_channels, n_classes, image_size, *, dropout=0.0, input_size=256):
        size = seen_size(image_size, input_size)
        check_smallest_side("wu_encoder_cnn", size, 64)
        neck = nn.Sequential(
            nn.Flatten(),
            *dense_relu(flat_length(size, 1024, 6), 1024, dropout),
            *dense_relu(1024, 256, dropout),
        )
        super().__init__(wu_encoder(n_channels), neck, 256, n_classes, input_size)
