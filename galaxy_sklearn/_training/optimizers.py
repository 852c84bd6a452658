"""Optimisers by name, and Muon for convolutions."""

import inspect

import torch

_POLYNOMIAL = (3.4445, -4.7750, 2.0315)  # of Newton-Schulz, tuned for speed by Jordan et al.
_ITERATIONS = 5


def orthogonalise(matrix):
    """Return about the nearest matrix whose singular values are all alike, near 1.

    Parameters
    ----------
    matrix : Tensor of shape (rows, columns)
        Any matrix; zero stays zero.

    Returns
    -------
    Tensor of shape (rows, columns)
        Singular values between about 0.7 and 1.2.
    """
    a, b, c = _POLYNOMIAL
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum for convolution filters, AdamW for all else.

    Each update of a filter bank is replaced by the nearest matrix (outputs, inputs times taps)
    with equal singular values, so that rare directions learn as fast as common ones, and scaled
    to the size that AdamW's updates have: one learning rate and weight decay serve both.

    Parameters
    ----------
    params : iterable
        Parameters or groups of them; those of three and more dimensions are filter banks.
    lr : float, default=1e-3
        Learning rate.
    weight_decay : float, default=0.01
        Decoupled, as in AdamW.
    momentum : float, default=0.95
        Of the filters, with Nesterov's look ahead.
    betas : tuple of float, default=(0.9, 0.99)
        Of AdamW.
    eps : float, default=1e-8
        Of AdamW.
    fused : bool, default=False
        Taken for compatibility with torch's optimisers; nothing is fused.

    References
    ----------
    Jordan et al. (2024), "Muon: an optimizer for hidden layers in neural networks".
    Liu et al. (2025), arXiv:2502.16982, eq. 4: the scale 0.2 sqrt(max(rows, columns)).
    Loshchilov & Hutter (2019), ICLR: AdamW.
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        weight_decay=0.01,
        momentum=0.95,
        betas=(0.9, 0.99),
        eps=1e-8,
        *,
        fused=False,
    ):
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "betas": betas,
            "eps": eps,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        """Take one step; return what the closure returned, or None."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                state = self.state[parameter]
                if parameter.ndim > 2:
                    update = self._filter_update(parameter.grad, state, group)
                else:
                    update = self._adam_update(parameter.grad, state, group)
                parameter.add_(update, alpha=-group["lr"])
        return loss

    @staticmethod
    def _filter_update(gradient, state, group):
        if not state:
            state["momentum"] = torch.zeros_like(gradient)
        state["momentum"].lerp_(gradient, 1 - group["momentum"])
        ahead = gradient.lerp(state["momentum"], group["momentum"])
        matrix = orthogonalise(ahead.reshape(len(ahead), -1))
        return 0.2 * max(matrix.shape) ** 0.5 * matrix.view(gradient.shape)

    @staticmethod
    def _adam_update(gradient, state, group):
        if not state:
            state["step"] = torch.tensor(0.0)
            state["mean"] = torch.zeros_like(gradient)
            state["square"] = torch.zeros_like(gradient)
        first, second = group["betas"]
        state["step"] += 1
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].lerp_(gradient.square(), 1 - second)
        n = state["step"].item()
        root = (state["square"] / (1 - second**n)).sqrt_().add_(group["eps"])
        return state["mean"] / (1 - first**n) / root


OPTIMIZERS = {
    "muon": Muon,
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
}


def parameters_of(optimiser):
    """Return the names that an optimiser's class takes, or None if it passes any on."""
    takes = inspect.signature(optimiser).parameters
    return None if any(one.kind is one.VAR_KEYWORD for one in takes.values()) else list(takes)
