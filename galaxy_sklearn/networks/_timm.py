"""Any model of timm as a network."""

import timm
from torch import nn

from galaxy_sklearn.networks._layers import check_smallest_side


class TimmNetwork(nn.Module):
    """A model of timm with a fresh last layer.

    Parameters
    ----------
    n_channels : int
        Bands of the images; timm sums or repeats the first layer's weights to fit.
    n_classes : int
        Number of logits.
    image_size : tuple of int
        (height, width) in pixels; at least 32 x 32 unless `input_size` is given.
    model : str
        Name in timm, such as ``"resnet18"``, or a model on the Hugging Face Hub, such as
        ``"hf_hub:mwalmsley/zoobot-encoder-convnext_nano"``.
    pretrained : bool, default=False
        Start from the library's published weights (downloaded once).
    input_size : int, default=None
        Side in pixels that images are resized to; None leaves them as they are.
    dropout : float, default=0.0
        Dropout before the last layer.
    model_params : dict, default=None
        Further keyword arguments for `timm.create_model`.

    Raises
    ------
    ValueError
        If timm has no such model, or its weights can't be had.
    """

    dtype = None

    def __init__(
        self,
        n_channels,
        n_classes,
        image_size,
        *,
        model,
        pretrained=False,
        input_size=None,
        dropout=0.0,
        model_params=None,
    ):
        super().__init__()
        if input_size is None:
            check_smallest_side(f"timm/{model}", image_size, 32)
        self.input_size = input_size
        self.model = self._create(
            model,
            pretrained,
            in_chans=n_channels,
            num_classes=n_classes,
            drop_rate=dropout,
            **(model_params or {}),
        )
        self.n_embedding = self.model.num_features

    @staticmethod
    def _create(model, pretrained, **kwargs):
        try:
            return timm.create_model(model, pretrained=pretrained, **kwargs)
        except Exception as error:
            tried = "with its published weights " if pretrained else ""
            raise ValueError(
                f"timm could not make the model {model!r} {tried}({type(error).__name__}: {error})"
            ) from error

    @property
    def cam_layer(self):
        """The module named last in timm's feature table, or None."""
        table = getattr(self.model, "feature_info", None)
        if not table:
            return None
        entries = table.info if hasattr(table, "info") else table
        return self.model.get_submodule(entries[-1]["module"])

    def forward_features(self, x):
        """Return timm's feature maps."""
        return self.model.forward_features(x)

    def forward_head(self, x, pre_logits=False):
        """Return logits (n, n_classes), or the embedding (n, n_embedding)."""
        return self.model.forward_head(x, pre_logits=pre_logits)

    def forward(self, x):
        """Return logits (n, n_classes) of images (n, n_channels, height, width)."""
        return self.model(x)
