"""What images look like without labels: codes of galaxies, and weights for classifiers."""

from galaxy_sklearn.decomposition._autoencoder import AutoencoderPretrainer
from galaxy_sklearn.decomposition._contrastive import ContrastivePretrainer

__all__ = ["AutoencoderPretrainer", "ContrastivePretrainer"]
