"""The skorch net that an estimator holds."""

import copy
from contextlib import contextmanager, nullcontext

import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer, PassthroughScoring

from galaxy_sklearn._training.data import ShuffledBatches, to_tensor
from galaxy_sklearn._training.device import fit_for, memory_format
from galaxy_sklearn._training.schedules import rate_factor
from galaxy_sklearn._training.stages import Freezer
from galaxy_sklearn._training.statistics import relearn_statistics

_FEW_STEPS = 300  # in which running averages of batch normalisation lag behind the weights
_SETTLING_BATCHES = 8  # that the averages are taken from then
PARTIAL_FIT_RATE = 0.1  # of the highest learning rate: a fresh optimiser at full rate would forget


class AveragedWeights:
    """Exponential moving average of a module's weights and batch statistics.

    Parameters
    ----------
    module : nn.Module
        The module that is trained.
    decay : float
        Share of the old average that a step keeps; less during the first steps.
    """

    def __init__(self, module, decay):
        self.decay = decay
        self.steps = 0
        self.names = _averaged_names(module)
        self.average = [tensor.detach().clone() for tensor in self._tensors(module)]

    def _tensors(self, module):
        state = module.state_dict()
        return [state[name] for name in self.names]

    @torch.no_grad()
    def update(self, module):
        """Move the average one step towards the module's weights."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.average, self._tensors(module), 1 - decay)

    @torch.no_grad()
    def swap(self, module):
        """Exchange the average and the module's weights."""
        for mine, theirs in zip(self.average, self._tensors(module)):
            kept = theirs.clone()
            theirs.copy_(mine)
            mine.copy_(kept)

    def state_dict(self):
        """Return all that a resumed fit needs."""
        return {"steps": self.steps, "average": self.average}

    def load_state_dict(self, state):
        """Take up the state of an earlier fit."""
        self.steps = state["steps"]
        for mine, theirs in zip(self.average, state["average"]):
            mine.copy_(theirs)


def _averaged_names(module):
    """Return the names of a module's tensors of floats, each once, without masks of infinity."""
    named, seen = [], set()
    for name, tensor in module.state_dict().items():
        if not tensor.is_floating_point() or tensor.data_ptr() in seen:
            continue
        seen.add(tensor.data_ptr())
        if tensor.isfinite().all():
            named.append(name)
    return named


class TrainingNet(NeuralNet):
    """A skorch net for batches of raw images: augmentation, autocast, schedule, averaging.

    Parameters
    ----------
    module : ImageModel
        What is trained, in place.
    criterion : nn.Module
        Called with (outputs, targets, weights); its `activation` turns outputs into predictions.
    owner : str
        Class name for messages.
    dtype : torch.dtype
        Precision to compute in; bfloat16 means autocast over float32 weights.
    augmentation : callable or None
        Random views, see `GalaxyAugmentation`.
    schedule : str or callable
        A key of `SCHEDULES`, or what returns a factor for (step, n_steps).
    freeze : str or None
        See `Freezer`.
    ema_decay : float or None
        Decay of the averaged weights; None trains without averaging.
    seed : int
        All randomness of training follows from it and the epoch.
    compiled : bool
        Compile the network for training.
    **kwargs
        Passed to `skorch.NeuralNet`.
    """

    def __init__(
        self,
        module,
        *,
        criterion,
        owner,
        dtype,
        augmentation,
        schedule="onecycle",
        freeze=None,
        ema_decay=None,
        seed=0,
        compiled=False,
        **kwargs,
    ):
        self.owner = owner
        self.dtype = dtype
        self.augmentation = augmentation
        self.schedule = schedule
        self.freeze = freeze
        self.ema_decay = ema_decay
        self.seed = seed
        self.compiled = compiled
        super().__init__(module, criterion=criterion, train_split=None, **kwargs)

    @property
    def _default_callbacks(self):
        return [
            ("epoch_timer", EpochTimer()),
            ("train_loss", PassthroughScoring(name="train_loss", on_train=True)),
        ]

    def prepare(self, n_steps):
        """Initialise for a run of `n_steps` optimiser steps, or of unknown length where None."""
        self.initialize()
        self.n_steps = n_steps
        self.step_count = 0
        self.epoch_seed = self.seed
        self.generator = torch.Generator(self.device)
        network = self.module_.network
        self.forward_views = (torch.compile(network) if self.compiled else network).__call__
        self.hits = self.seen = 0
        self.record, self.asked_to_stop = None, False
        self.freezer = Freezer(network, self.freeze)
        self.averaged = (
            None
            if self.ema_decay is None or n_steps is None
            else AveragedWeights(self.module_, self.ema_decay)
        )
        return self

    def start_epoch(self, epoch, seed):
        """Freeze what rests in an epoch, and restart all its randomness from `seed`."""
        self.freezer.start_epoch(epoch)
        torch.manual_seed(seed)
        self.generator.manual_seed(seed)
        self.epoch_seed = seed
        self.hits = self.seen = 0

    def notify(self, method_name, **cb_kwargs):
        """Call the callbacks; at the end of an epoch they find its record, and may stop it all."""
        if method_name != "on_epoch_end":
            super().notify(method_name, **cb_kwargs)
            return
        if self.record is not None:
            self.record()
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt:  # what skorch's EarlyStopping raises
            self.asked_to_stop = True

    def epoch_records(self):
        """Return what else is recorded of an epoch, a dict of floats."""
        return {}

    def get_iterator(self, dataset, training=False):
        """Return the shuffled batches of this epoch."""
        n_left = None if self.n_steps is None else self.n_steps - self.step_count
        return ShuffledBatches(dataset, self.batch_size, self.epoch_seed, self.owner, n_left)

    def autocast(self):
        """Return the context in which the module computes."""
        if self.dtype == torch.bfloat16:
            return torch.autocast(torch.device(self.device).type, torch.bfloat16)
        return nullcontext()

    @property
    def layout(self):
        """Memory layout of the images."""
        return memory_format(torch.device(self.device), self.dtype, self.module_.network)

    def set_learning_rate(self):
        """Set the learning rate of the step to come."""
        if self.n_steps is None:
            factor = PARTIAL_FIT_RATE
        else:
            factor = rate_factor(self.schedule, self.step_count, self.n_steps)
        for group in self.optimizer_.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor

    def train_step_single(self, batch, **fit_params):
        """Return loss and outputs of one batch after computing the gradients."""
        self._set_training(True)
        self.freezer.rest()
        images, targets, weights = (
            fit_for(self.device, part).to(self.device, non_blocking=True)
            for part in (batch[0], *batch[1])
        )
        images = self.standardised(images)
        loss, outputs = self.compute_loss(images, targets, weights)
        loss.backward()
        return {"loss": loss.detach(), "y_pred": outputs.detach()}

    @torch.no_grad()
    def standardised(self, images):
        """Return a raw batch on the device as the augmentation takes it."""
        return self.module_.standardise(images, self.layout)

    @torch.no_grad()
    def random_views(self, images, generator=None):
        """Return one random view of each standardised image."""
        generator = self.generator if generator is None else generator
        views = self.module_.random_view(images, self.augmentation, generator)
        return views.contiguous(memory_format=self.layout)

    def compute_loss(self, images, targets, weights):
        """Return the loss of a standardised batch, and the network's outputs."""
        views = self.random_views(images)
        with self.autocast():
            outputs = self.forward_views(views)
        outputs = outputs if outputs.dtype == torch.float64 else outputs.float()
        return self.criterion_(outputs, targets, weights), outputs

    def train_step(self, batch, **fit_params):
        """Learn from a batch and move the averaged weights along."""
        self.set_learning_rate()
        step = self.learn_from(batch, **fit_params)
        self.step_count += 1
        if self.averaged is not None:
            self.averaged.update(self.module_)
        targets = batch[1][0]
        self.seen += len(targets)
        if targets.ndim == 1:
            self.hits += (step["y_pred"].argmax(1) == targets.to(self.device)).sum()
        return step

    def learn_from(self, batch, **fit_params):
        """Take one optimiser step on a batch; return its loss and outputs."""
        return super().train_step(batch, **fit_params)

    @contextmanager
    def averaged_weights(self):
        """Hold the averaged weights in the module during the block."""
        if self.averaged is None:
            yield
            return
        self.averaged.swap(self.module_)
        try:
            yield
        finally:
            self.averaged.swap(self.module_)

    @torch.no_grad()
    def settle(self, dataset):
        """Let batch normalisation, after few steps, take its averages at the weights as they are.

        Weights move fast then, and running averages are of the features of earlier ones.
        """
        if not 0 < self.step_count < _FEW_STEPS:
            return
        n_batches = min(_SETTLING_BATCHES, self.step_count)
        batches = ShuffledBatches(dataset, self.batch_size, self.seed, self.owner, n_batches)
        generator = torch.Generator(self.device).manual_seed(self.seed)

        def forward(batch):
            images = fit_for(self.device, batch[0]).to(self.device, non_blocking=True)
            views = self.random_views(self.standardised(images), generator)
            with self.autocast():
                self.module_.network(views)

        relearn_statistics(self.module_.network, forward, batches, resting=self.freezer.resting)

    def finish(self):
        """Keep the averaged weights and drop all that only training needs."""
        if self.averaged is not None:
            self.averaged.swap(self.module_)
        self.averaged = None
        self.generator = None
        self.forward_views = None
        self.freezer = None
        self.record = None
        self.hits = self.seen = 0
        self.module_.eval()
        self.optimizer_.state.clear()
        self.optimizer_.zero_grad(set_to_none=True)
        return self

    def __getstate__(self):
        return (
            super().__getstate__()
            | {"module": None, "generator": None, "forward_views": None}
            | {"freezer": None, "record": None}
        )

    def __setstate__(self, state):
        super().__setstate__(state)
        self.module = self.module_  # one object before pickling, and one after

    def resume_training(self):
        """Make a finished net ready for further passes at a constant learning rate."""
        if self.generator is None:
            self.generator = torch.Generator(self.device)
            self.forward_views = self.module_.network.__call__
            self.freezer = Freezer(self.module_.network, self.freeze)
            self.n_steps = None
        return self

    def place(self, device):
        """Move the net to `device`, for prediction or pickling."""
        if torch.device(self.device) != device:
            self.device = str(device)
            fit_for(device, self.module_).to(device)
            fit_for(device, self.criterion_).to(device)
        return self

    def on_cpu(self):
        """Return the net itself if it is on the CPU, else a copy there."""
        if torch.device(self.device).type == "cpu":
            return self
        return copy.deepcopy(self).place(torch.device("cpu"))

    @torch.inference_mode()
    def outputs(self, batch, views, *, embed=False):
        """Return outputs for a raw batch, averaged over `views`, float64.

        Parameters
        ----------
        batch : ndarray of shape (n, height, width, n_channels)
            Raw pixels.
        views : sequence of View
            What to average over.
        embed : bool, default=False
            Average embeddings instead of predictions.

        Returns
        -------
        ndarray of shape (n, n_outputs)
        """
        self.module_.eval()
        images = self.module_.standardise(to_tensor(batch, self.device), self.layout)
        total, seen, drawn = 0, None, None
        for view in (view.keeping_sides(self.module_.size) for view in views):
            if (view.scale, view.angle) != drawn:
                drawn = view.scale, view.angle
                seen = self.module_.plain_view(images, *drawn)
            turned = view.turn(seen).contiguous(memory_format=self.layout)
            with self.autocast():
                total = total + self._output(turned, embed)
        return (total / len(views)).cpu().numpy()

    def _output(self, views, embed):
        network = self.module_.network
        if embed:
            features = network.forward_head(network.forward_features(views), pre_logits=True)
            return features.cpu().double()
        return self.criterion_.activation(self.module_(views).cpu().double())
