"""GalaxyNet: this package's own small residual network."""

from torch import nn

from galaxy_sklearn.networks._d4 import D4BatchNorm2d, D4Conv2d, orientation_mean
from galaxy_sklearn.networks._layers import check_smallest_side, seen_size

DEPTHS = (1, 2, 2, 2)


class _Block(nn.Module):
    """Pre-activation residual block; a stride is taken by averaging, so nothing aliases."""

    def __init__(self, fan_in, fan_out, stride):
        super().__init__()
        self.norm1 = D4BatchNorm2d(fan_in)
        self.pool = nn.AvgPool2d(2, ceil_mode=True) if stride > 1 else nn.Identity()
        self.conv1 = D4Conv2d(fan_in, fan_out, 3, padding=1)
        self.norm2 = D4BatchNorm2d(fan_out)
        self.conv2 = D4Conv2d(fan_out, fan_out, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.project = D4Conv2d(fan_in, fan_out, 1) if fan_in != fan_out else None

    def forward(self, x):
        h = self.pool(self.relu(self.norm1(x)))
        x = self.pool(x) if self.project is None else self.project(h)
        return x + self.conv2(self.relu(self.norm2(self.conv1(h))))


class GalaxyNet(nn.Module):
    """A residual network to which a galaxy has no up and no handedness.

    All its layers are equivariant to the eight symmetries of the square, so that the logits of a
    square image do not change when it is turned by quarters or mirrored: exactly, where the side
    is a multiple of 16 pixels. It learns a form in one orientation and knows it in eight, with an
    eighth of the parameters.

    Parameters
    ----------
    n_channels : int
        Bands of the images.
    n_classes : int
        Number of logits.
    image_size : tuple of int
        (height, width) of the images in pixels, and what the network sees of them: at least
        8 x 8.
    widths : sequence of int, default=(4, 8, 16, 32)
        Features of each stage, each in eight orientations; each stage after the first halves the
        image.
    depths : sequence of int, default=(1, 2, 2, 2)
        Residual blocks of each stage; of the default, as many as there are widths.
    dropout : float, default=0.0
        Dropout before the last layer.
    input_size : int, default=64
        Side in pixels that images are resized to; None leaves them as they are.

    Raises
    ------
    ValueError
        If images are smaller, or `widths` and `depths` differ in length.

    References
    ----------
    Cohen & Welling (2016), ICML, "Group equivariant convolutional networks"; He et al. (2016),
    ECCV, "Identity mappings in deep residual networks".
    """

    dtype = None

    def __init__(
        self,
        n_channels,
        n_classes,
        image_size,
        *,
        widths=(4, 8, 16, 32),
        depths=DEPTHS,
        dropout=0.0,
        input_size=64,
    ):
        super().__init__()
        check_smallest_side("galaxynet", image_size, 8)
        check_smallest_side("galaxynet", seen_size(image_size, input_size), 8)
        if tuple(depths) == DEPTHS:
            depths = depths[: len(widths)]
        if len(widths) != len(depths) or len(widths) == 0:
            raise ValueError(
                f"galaxynet needs a width and a depth for each stage; got {len(widths)} widths and "
                f"{len(depths)} depths."
            )
        self.input_size = input_size
        self.stem = D4Conv2d(n_channels, widths[0], 6, stride=2, padding=2, lift=True)
        blocks, fan_in = [], widths[0]
        for stage, (width, depth) in enumerate(zip(widths, depths)):
            for block in range(depth):
                blocks.append(_Block(fan_in, width, 2 if stage and not block else 1))
                fan_in = width
        self.blocks = nn.Sequential(*blocks)
        self.norm = D4BatchNorm2d(fan_in)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout)
        self.n_embedding = fan_in
        self.classifier = nn.Linear(fan_in, n_classes)

    @property
    def cam_layer(self):
        """The last feature maps after their activation."""
        return self.relu

    def forward_features(self, x):
        """Return feature maps (n, 8 widths[-1], height / 16, width / 16)."""
        return self.relu(self.norm(self.blocks(self.stem(x))))

    def forward_head(self, x, pre_logits=False):
        """Return logits (n, n_classes), or the embedding (n, n_embedding)."""
        x = orientation_mean(x)
        return x if pre_logits else self.classifier(self.dropout(x))

    def forward(self, x):
        """Return logits (n, n_classes) of images (n, n_channels, height, width)."""
        return self.forward_head(self.forward_features(x))
