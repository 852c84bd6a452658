"""Losses over a batch with one weight an image."""

import torch
from torch import nn
from torch.nn import functional as F


class ClassificationLoss(nn.Module):
    """Weighted cross-entropy with label smoothing and logit adjustment.

    Parameters
    ----------
    label_smoothing : float
        Share of each target spread over all classes.
    class_weight : ndarray of shape (n_classes,)
        Factor on the loss of each class.
    adjustment : ndarray of shape (n_classes,)
        Added to the logits in training only: `tau` times the logarithm of the class shares makes
        prediction favour rare classes.
    function : callable, default=None
        Called with the logits and the class numbers, returns the loss of each image; None is
        cross-entropy.

    Raises
    ------
    ValueError
        If `function` returns anything but one number an image.

    References
    ----------
    Menon et al. (2021), ICLR, eq. 10: the logit-adjusted loss.
    """

    def __init__(self, label_smoothing, class_weight, adjustment, function=None):
        super().__init__()
        self.function = function
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weight", torch.as_tensor(class_weight))
        self.register_buffer("adjustment", torch.as_tensor(adjustment))

    def forward(self, logits, codes, weights):
        """Return the mean over the batch of weight times loss, a scalar.

        Parameters
        ----------
        logits : Tensor of shape (n, n_classes)
            Raw outputs.
        codes : Tensor of shape (n,)
            Class numbers.
        weights : Tensor of shape (n,)
            Weight of each image, 1 on average over the training set.
        """
        losses = self._losses(logits + self.adjustment.to(logits.dtype), codes)
        weights = weights * self.class_weight[codes]
        return (losses * weights.to(losses.dtype)).mean()

    def _losses(self, logits, codes):
        if self.function is None:
            settings = {"label_smoothing": self.label_smoothing, "reduction": "none"}
            return F.cross_entropy(logits, codes, **settings)
        losses = self.function(logits, codes)
        if losses.shape != codes.shape:
            raise ValueError(
                f"A loss of one's own must return one number an image, such as with "
                f"reduction='none'; got shape {tuple(losses.shape)} for {len(codes)} images."
            )
        return losses

    @staticmethod
    def activation(logits):
        """Return the probability of each class."""
        return torch.softmax(logits, dim=1)
