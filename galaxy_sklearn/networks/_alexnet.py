"""AlexNet, from torchvision."""

from timm.models import adapt_input_conv
from torch import nn
from torchvision.models import AlexNet_Weights
from torchvision.models import alexnet as build_alexnet

from galaxy_sklearn.networks._layers import PlainNetwork, check_smallest_side, seen_size

_DENSE = {"1": "neck.3", "4": "neck.6", "6": "classifier"}  # torchvision's classifier


class AlexNet(PlainNetwork):
    """torchvision's AlexNet with a fresh last layer: 57,024,325 parameters for five classes.

    Parameters
    ----------
    n_channels : int
        Bands of the images; published weights of the first layer are summed or repeated to fit.
    n_classes : int
        Number of logits.
    image_size : tuple of int
        (height, width) in pixels; what the network sees of them is at least 63 x 63.
    dropout : float, default=0.5
        Dropout before the two hidden dense layers.
    input_size : int, default=224
        Side in pixels that images are resized to; None leaves them as they are.
    pretrained : bool, default=False
        Start from torchvision's ImageNet weights (downloaded once).

    Raises
    ------
    ValueError
        If the weights can't be had, the network sees less than it needs, or `input_size` is no
        whole number.

    References
    ----------
    Krizhevsky (2014), arXiv:1404.5997, which torchvision follows.
    """

    def __init__(
        self,
        n_channels,
        n_classes,
        image_size,
        *,
        dropout=0.5,
        input_size=224,
        pretrained=False,
    ):
        check_smallest_side("alexnet", seen_size(image_size, input_size), 63)
        model = self._create(pretrained, dropout)
        if n_channels != 3:
            first = nn.Conv2d(n_channels, 64, 11, stride=4, padding=2)
            if pretrained:
                state = model.features[0].state_dict()
                first.load_state_dict(
                    state | {"weight": adapt_input_conv(n_channels, state["weight"])}
                )
            model.features[0] = first
        neck = nn.Sequential(model.avgpool, nn.Flatten(), *model.classifier[:-1])
        super().__init__(model.features, neck, 4096, n_classes, input_size)

    def adapt_weights(self, weights):
        """Return torchvision's weights by this network's names, and for its bands."""
        if "classifier.6.weight" not in weights:
            return weights
        renamed = {}
        for name, tensor in weights.items():
            part, *rest = name.split(".")
            new = _DENSE[rest[0]] if part == "classifier" else f"{part}.{rest[0]}"
            renamed[f"{new}.{rest[1]}"] = tensor
        first = "features.0.weight"
        renamed[first] = adapt_input_conv(self.features[0].in_channels, renamed[first])
        return renamed

    @staticmethod
    def _create(pretrained, dropout):
        weights = AlexNet_Weights.IMAGENET1K_V1 if pretrained else None
        try:
            return build_alexnet(weights=weights, dropout=dropout)
        except OSError as error:
            raise ValueError(
                f"torchvision could not make alexnet with its published weights, from "
                f"{weights.url} ({type(error).__name__}: {error}); pretrained='file.pth' takes a "
                f"copy of them."
            ) from error
