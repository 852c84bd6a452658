"""A network that is trained to recognise views of one image."""

from torch import nn


class Projected(nn.Module):
    """A network up to its embedding, and a projection that only the training uses.

    Parameters
    ----------
    trunk : nn.Module
        Any network of this package; its last layer is not used.
    n_projection : int
        Numbers that views are compared by.

    References
    ----------
    Chen et al. (2020), ICML, "A simple framework for contrastive learning of visual
    representations", section 4.2: comparing a projection leaves more in the embedding.
    """

    def __init__(self, trunk, n_projection):
        super().__init__()
        self.trunk = trunk
        self.dtype = trunk.dtype
        self.input_size = trunk.input_size
        self.n_embedding = trunk.n_embedding
        self.projection = nn.Sequential(
            nn.Linear(self.n_embedding, self.n_embedding),
            nn.BatchNorm1d(self.n_embedding),
            nn.ReLU(inplace=True),
            nn.Linear(self.n_embedding, n_projection, bias=False),
        )

    def forward_features(self, x):
        """Return the trunk's feature maps."""
        return self.trunk.forward_features(x)

    def forward_head(self, x, pre_logits=False):
        """Return projections (n, n_projection), or the embedding (n, n_embedding)."""
        x = self.trunk.forward_head(x, pre_logits=True)
        return x if pre_logits else self.projection(x)

    def forward(self, x):
        """Return projections (n, n_projection) of images (n, n_channels, height, width)."""
        return self.forward_head(self.forward_features(x))
