"""The published systems as Pipelines, ready for `fit`, a search, or a change of one part."""

from galaxy_sklearn.recipes._dieleman2015 import dieleman2015
from galaxy_sklearn.recipes._galaxy10 import (
    galaxy10_cnn,
    galaxy10_cnn2,
    galaxy10_cnn3,
    galaxy10_cnn5,
    galaxy10_cnn6,
    galaxy10_transfer,
)
from galaxy_sklearn.recipes._gomez2020 import gomez2020_resnet50
from galaxy_sklearn.recipes._guo2023 import guo2023_densenet201, guo2023_vgg19
from galaxy_sklearn.recipes._registry import available
from galaxy_sklearn.recipes._wu2022 import (
    wu2022_autoencoder_cnn,
    wu2022_inception_v3,
    wu2022_resnet18,
    wu2022_self_training,
    wu2022_simple_cnn,
    wu2022_vgg16,
)
from galaxy_sklearn.recipes._zhu2019 import zhu2019, zhu2019_baseline

__all__ = [
    "available",
    "dieleman2015",
    "galaxy10_cnn",
    "galaxy10_cnn2",
    "galaxy10_cnn3",
    "galaxy10_cnn5",
    "galaxy10_cnn6",
    "galaxy10_transfer",
    "gomez2020_resnet50",
    "guo2023_densenet201",
    "guo2023_vgg19",
    "wu2022_autoencoder_cnn",
    "wu2022_inception_v3",
    "wu2022_resnet18",
    "wu2022_self_training",
    "wu2022_simple_cnn",
    "wu2022_vgg16",
    "zhu2019",
    "zhu2019_baseline",
]
