"""What batch normalisation takes the statistics of a feature to be in prediction."""

from torch.nn.modules.batchnorm import _BatchNorm


def relearn_statistics(network, forward, batches, *, resting=()):
    """Make the averages of batch normalisation the mean over some batches, at the weights as are.

    Parameters
    ----------
    network : nn.Module
        Its averages are replaced; it is in evaluation mode afterwards.
    forward : callable
        Runs the network on a batch.
    batches : iterable
        What it is run on.
    resting : collection of nn.Module
        Batch normalisations that keep theirs.
    """
    network.eval()
    norms = [
        module
        for module in network.modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats and module not in resting
    ]
    own = [module.momentum for module in norms]
    for module in norms:
        module.train()
    try:
        for number, batch in enumerate(batches if norms else (), start=1):
            for module in norms:
                module.momentum = 1 / number
            forward(batch)
    finally:
        for module, momentum in zip(norms, own):
            module.momentum = momentum
        network.eval()
