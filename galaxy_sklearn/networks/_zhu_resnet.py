"""The 26-layer wide pre-activation residual network of Zhu et al. (2019)."""

from torch import nn

from galaxy_sklearn.networks._layers import check_smallest_side, seen_size, spatial_mean

_STAGES = ((64, 64, 256), (128, 128, 512), (256, 256, 1024), (512, 512, 2048))


class _Bottleneck(nn.Module):
    """x + W3 s(W2 s(W1 s(x))), s = batch normalisation and ReLU (equation 8)."""

    def __init__(self, fan_in, widths, stride, dropout):
        super().__init__()
        first, second, fan_out = widths
        self.norm1 = nn.BatchNorm2d(fan_in)
        self.conv1 = nn.Conv2d(fan_in, first, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(first)
        self.conv2 = nn.Conv2d(first, second, 3, stride=stride, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(second)
        self.dropout = nn.Dropout(dropout)
        self.conv3 = nn.Conv2d(second, fan_out, 1)
        self.relu = nn.ReLU(inplace=True)
        self.subsample = nn.MaxPool2d(1, stride) if stride > 1 else nn.Identity()
        self.project = nn.Conv2d(fan_in, fan_out, 1, stride) if fan_in != fan_out else None

    def forward(self, x):
        h = self.relu(self.norm1(x))
        shortcut = self.subsample(x) if self.project is None else self.project(h)
        h = self.conv2(self.relu(self.norm2(self.conv1(h))))
        return shortcut + self.conv3(self.dropout(self.relu(self.norm3(h))))


class ZhuResNet26(nn.Module):
    """The network of Zhu et al. (2019), table 3: 55,679,429 parameters for five classes.

    The publication states 26.3 million parameters; its own table and the released code give
    55,679,429, which is what is built. A keep probability of 0.8 is the reading taken of its
    "dropout probability value 0.8".

    Parameters
    ----------
    n_channels : int
        Bands of the images.
    n_classes : int
        Number of logits.
    image_size : tuple of int
        (height, width) in pixels; what the network sees of them is at least 16 x 16.
    width : float, default=2
        Factor k on the channels of all residual blocks.
    depth : int, default=2
        Residual blocks N in each of the four stages.
    dropout : float, default=0.2
        Dropout after the 3 x 3 convolution of each block.
    input_size : int, default=64
        Side in pixels that images are resized to; None leaves them as they are.

    Raises
    ------
    ValueError
        If the network sees less than it needs, `input_size` is no whole number, or `depth` or
        `width` leaves a stage without blocks or a block without channels.

    References
    ----------
    Zhu et al. (2019), Ap&SS 364, 55, table 3 and equation 8; what the table leaves open (biases,
    projections, strides) follows the released code, but for the decay of batch normalisation's
    averages, which is PyTorch's 0.9 in place of 0.997.
    """

    dtype = None

    def __init__(
        self, n_channels, n_classes, image_size, *, width=2, depth=2, dropout=0.2, input_size=64
    ):
        super().__init__()
        check_smallest_side("zhu_resnet26", seen_size(image_size, input_size), 16)
        if depth < 1 or round(width * _STAGES[0][0]) < 1:
            raise ValueError(
                f"The network 'zhu_resnet26' needs depth of at least 1, and width of at least "
                f"1 / 64; got depth={depth!r} and width={width!r}."
            )
        self.input_size = input_size
        self.stem = nn.Sequential(nn.ZeroPad2d((2, 3, 2, 3)), nn.Conv2d(n_channels, 64, 6))
        self.pool = nn.MaxPool2d(2)
        blocks, fan_in = [], 64
        for stage in range(len(_STAGES)):
            widths = [round(width * channels) for channels in _STAGES[stage]]
            for block in range(depth):
                halves = block == depth - 1 and stage < len(_STAGES) - 1
                blocks.append(_Bottleneck(fan_in, widths, 2 if halves else 1, dropout))
                fan_in = widths[-1]
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(fan_in)
        self.relu = nn.ReLU(inplace=True)
        self.n_embedding = fan_in
        self.classifier = nn.Linear(fan_in, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @property
    def cam_layer(self):
        """The last feature maps after their activation."""
        return self.relu

    def forward_features(self, x):
        """Return feature maps (n, 2048 width, height / 16, width / 16)."""
        return self.relu(self.norm(self.blocks(self.pool(self.stem(x)))))

    def forward_head(self, x, pre_logits=False):
        """Return logits (n, n_classes), or the embedding (n, n_embedding)."""
        x = spatial_mean(x)
        return x if pre_logits else self.classifier(x)

    def forward(self, x):
        """Return logits (n, n_classes) of images (n, n_channels, height, width)."""
        return self.forward_head(self.forward_features(x))
