"""Plain PyTorch networks: sizes in, logits out.

Every network is an `nn.Module` built as ``Network(n_channels, n_classes, image_size, ...)`` with

- `input_size`: the side in pixels that images are resized to, None for "as they come";
- `n_embedding`: length of the vector that `forward_head(x, pre_logits=True)` returns;
- `forward_features(x)`, `forward_head(x, pre_logits=False)`, and `forward`, one after the other;
- `cam_layer`: the module whose output Grad-CAM weighs, None where there is none.
"""

from galaxy_sklearn.networks._alexnet import AlexNet
from galaxy_sklearn.networks._dieleman import Dieleman
from galaxy_sklearn.networks._galaxy10 import (
    Galaxy10CNN,
    Galaxy10CNN2,
    Galaxy10CNN3,
    Galaxy10CNN5,
    Galaxy10CNN6,
)
from galaxy_sklearn.networks._galaxynet import GalaxyNet
from galaxy_sklearn.networks._linear import Linear
from galaxy_sklearn.networks._registry import available, build_network
from galaxy_sklearn.networks._simple_cnn import SimpleCNN
from galaxy_sklearn.networks._timm import TimmNetwork
from galaxy_sklearn.networks._wu import WuEncoderCNN, WuSimpleCNN, WuVGG16
from galaxy_sklearn.networks._zhu_cnn7 import ZhuCNN7
from galaxy_sklearn.networks._zhu_resnet import ZhuResNet26

__all__ = [
    "AlexNet",
    "Dieleman",
    "Galaxy10CNN",
    "Galaxy10CNN2",
    "Galaxy10CNN3",
    "Galaxy10CNN5",
    "Galaxy10CNN6",
    "GalaxyNet",
    "Linear",
    "SimpleCNN",
    "TimmNetwork",
    "WuEncoderCNN",
    "WuSimpleCNN",
    "WuVGG16",
    "ZhuCNN7",
    "ZhuResNet26",
    "available",
    "build_network",
]
