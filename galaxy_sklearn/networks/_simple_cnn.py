"""A small convolutional network for small images and quick tries."""

from torch import nn

from galaxy_sklearn.networks._layers import check_smallest_side, seen_size, spatial_mean


class SimpleCNN(nn.Module):
    """Four 3x3 convolutions with batch normalisation, halved after each, then averaged.

    Parameters
    ----------
    n_channels : int
        Bands of the images.
    n_classes : int
        Number of logits.
    image_size : tuple of int
        (height, width) in pixels; what the network sees of them is at least 8 x 8.
    width : int, default=16
        Channels after the first convolution; doubled by each further one.
    dropout : float, default=0.0
        Dropout before the last layer.
    input_size : int, default=None
        Side in pixels that images are resized to; None leaves them as they are.

    Raises
    ------
    ValueError
        If the network sees less than it needs, or `input_size` is no whole number.
    """

    dtype = None

    def __init__(
        self, n_channels, n_classes, image_size, *, width=16, dropout=0.0, input_size=None
    ):
        super().__init__()
        check_smallest_side("simple_cnn", seen_size(image_size, input_size), 8)
        self.input_size = input_size
        widths = [n_channels, width, 2 * width, 4 * width, 8 * width]
        self.stages = nn.Sequential(
            *(self._stage(fan_in, fan_out) for fan_in, fan_out in zip(widths, widths[1:]))
        )
        self.n_embedding = widths[-1]
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(widths[-1], n_classes)

    @staticmethod
    def _stage(fan_in, fan_out):
        return nn.Sequential(
            nn.Conv2d(fan_in, fan_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(fan_out),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2, ceil_mode=True),
        )

    @property
    def cam_layer(self):
        """The last convolutional stage."""
        return self.stages[-1]

    def forward_features(self, x):
        """Return feature maps (n, 8 * width, height / 16, width / 16)."""
        return self.stages(x)

    def forward_head(self, x, pre_logits=False):
        """Return logits (n, n_classes), or the embedding (n, n_embedding)."""
        x = spatial_mean(x)
        return x if pre_logits else self.classifier(self.dropout(x))

    def forward(self, x):
        """Return logits (n, n_classes) of images (n, n_channels, height, width)."""
        return self.forward_head(self.forward_features(x))
