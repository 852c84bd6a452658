"""The epochs of a fit: resume, validate, stop early, restore the best."""

import math
from dataclasses import dataclass, field
from time import perf_counter

import torch
from tqdm.auto import tqdm

from galaxy_sklearn._training.seeding import epoch_seed
from galaxy_sklearn.exceptions import DivergenceError


@dataclass
class BestEpoch:
    """The best validation score so far and the weights that reached it.

    Parameters
    ----------
    patience : int
        Stop after this many epochs in a row without a better score.
    """

    patience: int
    score: float = -float("inf")
    epoch: int = -1
    weights: dict = field(default_factory=dict)

    def update(self, epoch, score, module):
        """Take in an epoch's score; tell whether training should stop."""
        if score > self.score:
            self.score, self.epoch = score, epoch
            self.weights = {
                name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()
            }
        return epoch - self.epoch >= self.patience


def plain_history(net):
    """Return what was recorded in each epoch as plain Python numbers, without the batches."""
    return [
        {k: getattr(v, "item", lambda v=v: v)() for k, v in row.items() if k != "batches"}
        for row in net.history
    ]


def require_finite_loss(net, epoch):
    """Raise DivergenceError if the loss of the last epoch, of this number from 0, is not finite."""
    loss = net.history[-1]["train_loss"]
    if not math.isfinite(loss):
        _diverge(net, f"the training loss is {loss} in epoch {epoch + 1}")


def require_finite_weights(net):
    """Raise DivergenceError if the last step, whose loss nothing tells, left weights not finite."""
    statistics = [one for name, one in net.module_.named_buffers() if "running_" in name]
    if not all(tensor.isfinite().all() for tensor in [*net.module_.parameters(), *statistics]):
        _diverge(net, "its weights are no longer finite after the last step")


def _diverge(net, what):
    raise DivergenceError(
        f"{net.owner} cannot go on: {what}. Lower learning_rate, or look for extreme pixel values."
    )


class EpochLoop:
    """Train a net for some epochs.

    Parameters
    ----------
    net : TrainingNet
        Prepared; trained in place.
    dataset : LabelledImages
        What it is trained on.
    n_epochs : int
        How many epochs at most.
    validate : callable, default=None
        Called with the net after each epoch, its averaged weights in place; returns a dict with
        the key ``"valid_score"`` and others to record.
    best : BestEpoch, default=None
        Given, training stops early and the best epoch's weights are restored.
    checkpoint : Checkpoint, default=None
        Where to save after each epoch, and to go on from.
    verbose : int, default=0
        1 shows a progress bar.
    """

    def __init__(
        self, net, dataset, n_epochs, *, validate=None, best=None, checkpoint=None, verbose=0
    ):
        self.net = net
        self.dataset = dataset
        self.n_epochs = n_epochs
        self.validate = validate
        self.best = best
        self.checkpoint = checkpoint
        self.verbose = verbose

    def run(self):
        """Train; return the number of epochs run, those before a resume included."""
        epoch, stopped = self._resume()
        self.net.notify("on_train_begin", X=self.dataset, y=None)
        with tqdm(
            total=self.n_epochs,
            initial=epoch,
            desc=f"{self.net.owner}: training",
            unit="epoch",
            disable=not self.verbose,
        ) as bar:
            while epoch < self.n_epochs and not (stopped or self.net.asked_to_stop):
                stopped = self._one_epoch(epoch)
                epoch += 1
                if self.checkpoint is not None:
                    self.checkpoint.save(self._state(epoch, stopped))
                bar.set_postfix(self._postfix(), refresh=False)
                bar.update()
        self.net.notify("on_train_end", X=self.dataset, y=None)
        if self.best is not None:
            if not self.best.weights:
                raise ValueError(
                    f"{self.net.owner}(early_stopping=True) found no epoch to keep: the validation "
                    f"score was never a finite number."
                )
            self.net.averaged = None
            self.net.module_.load_state_dict(self.best.weights)
        else:
            with self.net.averaged_weights():
                self.net.settle(self.dataset)
        require_finite_weights(self.net)
        self.net.finish()
        return epoch

    def _one_epoch(self, epoch):
        start, stopped = perf_counter(), False

        def record():
            nonlocal stopped
            self.net.history.record("images_per_second", self.net.seen / (perf_counter() - start))
            stopped = self._record(epoch)

        self.net.start_epoch(epoch, epoch_seed(self.net.seed, epoch))
        self.net.record = record
        self.net.fit_loop(self.dataset, epochs=1)
        require_finite_loss(self.net, epoch)
        return stopped

    def _record(self, epoch):
        """Write down what the epoch was like, and tell whether training should stop."""
        if self.dataset.targets.ndim == 1:
            self.net.history.record("train_accuracy", float(self.net.hits) / self.net.seen)
        for name, value in self.net.epoch_records().items():
            self.net.history.record(name, value)
        if self.validate is None:
            return False
        with self.net.averaged_weights():
            self.net.settle(self.dataset)
            scores = self.validate(self.net)
            for name, value in scores.items():
                self.net.history.record(name, float(value))
            if self.best is None:
                return False
            stop = self.best.update(epoch, scores["valid_score"], self.net.module_)
            self.net.history.record("valid_score_best", self.best.epoch == epoch)
            return stop

    def _postfix(self):
        last = self.net.history[-1]
        names = {"train_loss": "loss", "valid_score": "validation"}
        shown = {names[key]: f"{last[key]:.3f}" for key in names if key in last}
        return shown | {"images/s": f"{last['images_per_second']:.0f}"}

    def _state(self, epoch, stopped):
        net = self.net
        state = {
            "epoch": epoch,
            "stopped": stopped,
            "asked_to_stop": self.net.asked_to_stop,
            "module": net.module_.state_dict(),
            "criterion": net.criterion_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "step_count": net.step_count,
            "history": plain_history(net),
        }
        if net.averaged is not None:
            state["averaged"] = net.averaged.state_dict()
        if self.best is not None:
            state["best"] = {
                "score": float(self.best.score),
                "epoch": self.best.epoch,
                "weights": self.best.weights,
            }
        return state

    def _resume(self):
        state = None if self.checkpoint is None else self.checkpoint.load()
        if state is None:
            return 0, False
        net = self.net
        with torch.no_grad():
            net.module_.load_state_dict(state["module"])
            net.criterion_.load_state_dict(state["criterion"])
        net.optimizer_.load_state_dict(state["optimizer"])
        net.step_count = state["step_count"]
        net.freezer.start_epoch(state["epoch"] - 1)
        for row in state["history"]:
            net.history.new_epoch()
            net.history.record("epoch", row["epoch"])
            for name, value in row.items():
                net.history.record(name, value)
        if net.averaged is not None:
            net.averaged.load_state_dict(state["averaged"])
        if self.best is not None:
            for name, value in state["best"].items():
                setattr(self.best, name, value)
        net.asked_to_stop = state.get("asked_to_stop", False) and bool(net.callbacks)
        return state["epoch"], state["stopped"]
