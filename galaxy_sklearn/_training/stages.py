"""The stages of a network from input to output: which are frozen, and how fast each learns."""

from torch import nn

_CONTAINERS = {"features", "convolutions", "stages", "blocks"}
_HEAD = {"neck", "dense", "classifier"}


def parameter_stages(network):
    """Return the names of a network's parameters by stage, from the input on; the head is last.

    Parameters
    ----------
    network : nn.Module
        One of this package; a network may know its own stages (`parameter_stages`).

    Returns
    -------
    list of list of str
    """
    if hasattr(network, "parameter_stages"):
        return network.parameter_stages()
    stages, head = [], []
    for name, child in network.named_children():
        if name in _HEAD:
            head += _names(child, name)
        elif name in _CONTAINERS:
            for key, part in child.named_children():
                _append(stages, part, f"{name}.{key}")
        else:
            _append(stages, child, name)
    return [*stages, head]


def _names(module, prefix):
    return [f"{prefix}.{name}" for name, _ in module.named_parameters()]


def _append(stages, module, prefix):
    """Add a module as a stage; norms and other vectors belong to the stage before."""
    names = _names(module, prefix)
    if stages and all(parameter.ndim < 2 for parameter in module.parameters()):
        stages[-1] += names
    elif names:
        stages.append(names)


class Freezer:
    """Keep a part of a network as it is while the rest is trained.

    Parameters
    ----------
    network : nn.Module
        Its parameters are switched.
    freeze : {"backbone", "encoder", "gradual"}, int or None
        The first two, which are the same, leave only the head to be trained. ``"gradual"`` does so
        in the first epoch and lets one more stage learn in each further one, from the output on.
        A number freezes as many stages from the input on, all but as many if it is negative.

    Raises
    ------
    ValueError
        If `freeze` is a boolean, or leaves no stage to be trained.
    """

    def __init__(self, network, freeze):
        self.network = network
        self.freeze = freeze
        self.stages = parameter_stages(network)
        self.resting = []
        self._check()

    def _check(self):
        if self.freeze is None or isinstance(self.freeze, str):
            return
        if isinstance(self.freeze, bool):
            raise ValueError(
                f"freeze={self.freeze} is no number of stages: 'backbone' freezes all but the last "
                f"layers, and None freezes nothing."
            )
        most = len(self.stages) - 1
        if not -most <= self.freeze <= most:
            raise ValueError(
                f"freeze={self.freeze} is more than the {len(self.stages)} stages of "
                f"{type(self.network).__name__} allow: at most {most}, or at least {-most}."
            )

    def start_epoch(self, epoch):
        """Freeze what rests in `epoch`, counted from 0."""
        frozen = {name for stage in self.stages[: self._n_frozen(epoch)] for name in stage}
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(name not in frozen)
        self.resting = [
            module
            for module in self.network.modules()
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)
            and not any(parameter.requires_grad for parameter in module.parameters())
        ]

    def _n_frozen(self, epoch):
        if self.freeze is None:
            return 0
        if isinstance(self.freeze, str):
            thawed = epoch if self.freeze == "gradual" else 0
            return max(0, len(self.stages) - 1 - thawed)
        return self.freeze if self.freeze >= 0 else len(self.stages) + self.freeze

    def rest(self):
        """Put frozen batch normalisation into evaluation mode: its statistics stay."""
        for module in self.resting:
            module.eval()


def stage_rates(network, learning_rate, layer_decay):
    """Return the learning rate of each parameter by name, lower from the output to the input."""
    stages = parameter_stages(network)
    return {
        name: learning_rate * layer_decay ** (len(stages) - 1 - place)
        for place, stage in enumerate(stages)
        for name in stage
    }
