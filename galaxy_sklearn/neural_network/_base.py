"""What every estimator that trains a network has in common."""

import math
import os
import warnings

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from galaxy_sklearn._training.checkpoint import (
    Checkpoint,
    describe,
    describe_callbacks,
    digest_of,
    fingerprint,
    images_digest,
    weights_digest,
)
from galaxy_sklearn._training.data import (
    LabelledImages,
    field_of_view,
    split_evenly,
)
from galaxy_sklearn._training.device import (
    fit_for,
    memory_format,
    resolve_device,
    resolve_precision,
)
from galaxy_sklearn._training.loop import (
    BestEpoch,
    EpochLoop,
    plain_history,
    require_finite_loss,
    require_finite_weights,
)
from galaxy_sklearn._training.model import image_model
from galaxy_sklearn._training.net import TrainingNet
from galaxy_sklearn._training.optimizers import OPTIMIZERS, parameters_of
from galaxy_sklearn._training.pretrained import (
    fill_from_estimator,
    fill_from_file,
    fill_from_module,
    is_pretrainer,
    load_whole_trunk,
    trunk_of,
)
from galaxy_sklearn._training.seeding import draw_seed, epoch_seed, forked_torch
from galaxy_sklearn._training.stages import Freezer, stage_rates
from galaxy_sklearn._validation import is_image_sequence, require_finite, validate_images
from galaxy_sklearn.augmentation._galaxy import GalaxyAugmentation
from galaxy_sklearn.augmentation._views import prediction_views
from galaxy_sklearn.exceptions import DivergenceError
from galaxy_sklearn.networks._registry import build_network, has_published_weights
from galaxy_sklearn.neural_network._nested_params import NestedParamsMixin
from galaxy_sklearn.neural_network._saved import SavedMixin
from galaxy_sklearn.neural_network._warnings import WarningsMixin

PREDICTION_BATCH = 128
MUON_PARAMETERS = 4_000_000  # beyond, orthogonal updates take as long as the gradients on a CPU
_NOT_IN_FINGERPRINT = {"verbose", "checkpoint_dir", "device", "tta"}
_NOT_IN_FINGERPRINT |= {"warm_start", "pooling", "sampling_strategy"}


class NetEstimator(NestedParamsMixin, SavedMixin, WarningsMixin, BaseEstimator):
    """Build and train a network on images; subclasses say what it is trained for.

    A subclass defines `_make_criterion()` and the public methods. What is not among its parameters
    is as the attributes here say.
    """

    pretrained = None
    field = 1.0
    standardize = "training"
    tta = None
    freeze = None
    layer_decay = 1.0
    early_stopping = False
    n_iter_no_change = 1
    n_restarts = 1

    def __sklearn_is_fitted__(self):
        return hasattr(self, "net_")

    def _goes_on(self):
        """Tell whether `fit` begins with the last one's weights; if not, forget that one.

        So that a fit that fails leaves no network under the classes of another.
        """
        if self.warm_start and hasattr(self, "net_"):
            return True
        self.__dict__.pop("net_", None)
        return False

    def _device(self):
        return resolve_device(self.device)

    def _augmentation(self):
        return GalaxyAugmentation() if self.augmentation == "galaxy" else self.augmentation

    def _batch_size(self, n_samples):
        """Return `batch_size`, or one that gives a small set several steps an epoch."""
        if self.batch_size != "auto":
            return self.batch_size
        return min(PREDICTION_BATCH, max(32, n_samples // 8))

    def _n_steps(self, n_samples):
        """Return the number of steps in an epoch."""
        return len(split_evenly(n_samples, self._batch_size(n_samples))) - 1

    def _length(self, n_samples):
        """Return the number of epochs and of optimiser steps in a fit.

        Epochs are `max_epochs`, or as many as give a small set enough steps and a big one few.
        """
        an_epoch = self._n_steps(n_samples)
        if self.max_steps is not None:
            return math.ceil(self.max_steps / an_epoch), self.max_steps
        n_epochs = self.max_epochs
        if n_epochs == "auto":
            n_epochs = max(4, round(self._auto_steps(n_samples) / an_epoch))
        return n_epochs, n_epochs * an_epoch

    def _auto_steps(self, n_samples):
        """Return 900, growing with the square root of the number of images beyond 2,000.

        A pool that takes part in every step counts too, by the cube root.
        """
        _, settings = self._net_class()
        n_all = n_samples + len(settings.get("pool", ()))
        return 900 * max(1.0, math.sqrt(n_samples / 2000), math.cbrt(n_all / 2000))

    def _build_model(self, images, weights, n_outputs, start=None):
        params = dict(self.network_params or {})
        if self.pretrained is True and start is None:
            if not has_published_weights(self.network):
                raise ValueError(
                    f"{type(self).__name__}(pretrained=True) needs 'alexnet' or a network of "
                    f"timm: there are no published weights for {self.network!r}."
                )
            params["pretrained"] = True
        height, width, channels = self.image_shape_
        network = self._make_network(channels, n_outputs, (height, width), **params)
        if start is None:
            self._load_pretrained(network)
        keeps_field = start is not None and self.field == "auto"
        field = start.field if keeps_field else self._field(network, images)
        model = self._image_model(network, images, weights, field)
        dtype = resolve_precision(self.precision, self._device(), network.dtype)
        if start is not None:
            fill_from_module(model, start, type(self).__name__)
        layout = memory_format(self._device(), dtype, network)
        stored = torch.float64 if dtype == torch.float64 else torch.float32
        return model.to(dtype=stored, memory_format=layout), dtype

    def _make_network(self, *sizes, **params):
        return build_network(self.network, *sizes, **params)

    def _image_model(self, network, images, weights, field):
        return image_model(
            network,
            images,
            weights,
            standardize=self.standardize,
            owner=type(self).__name__,
            image_size=self.image_shape_[:2],
            field=field,
        )

    def _field(self, network, images):
        if self.field != "auto":
            return float(self.field)
        return 1.0 if network.input_size is None else field_of_view(images)

    def _fit_pretrainer(self, images, seed, pool=None):
        """Fit what `pretrained` says is to be fitted first: on the pool if there is one."""
        self.__dict__.pop("pretrainer_", None)  # of an earlier fit
        if not is_pretrainer(self.pretrained):
            return
        if hasattr(self.pretrained, "net_"):
            warnings.warn(
                f"{type(self).__name__} fits its pretrained {type(self.pretrained).__name__} "
                f"again; a FrozenEstimator around it keeps the weights that it has.",
                UserWarning,
                stacklevel=2,
            )
        pretrainer = clone(self.pretrained)
        if pretrainer.random_state is None:
            pretrainer.set_params(random_state=seed)
        if pretrainer.checkpoint_dir is None:
            pretrainer.set_params(checkpoint_dir=self.checkpoint_dir)
        self._check_trunk(pretrainer)
        self.pretrainer_ = pretrainer.fit(images if pool is None else pool)
        unnamed = pool is None or self.checkpoint_dir is None
        self._pool_digest = None if unnamed else images_digest(pool)

    def _check_trunk(self, pretrainer):
        """Raise ValueError if the weights of a pretrainer, once fitted, would not fit."""
        height, width, channels = self.image_shape_
        with torch.device("meta"):
            own, source = (
                one._make_network(channels, 2, (height, width), **(one.network_params or {}))
                for one in (self, pretrainer)
            )
        load_whole_trunk(own, trunk_of(source), f"the fitted {type(pretrainer).__name__}")
        Freezer(own, self.freeze)
        self._check_settings(self._optimiser(own)[0])

    def _validate_pool(self, X_unlabeled):
        """Return the pool for an unfitted pretrainer, checked, or None."""
        if X_unlabeled is None:
            return None
        if not is_pretrainer(self.pretrained):
            name = type(self).__name__
            raise ValueError(
                f"{name}.fit takes X_unlabeled for an unfitted pretrainer, and got "
                f"pretrained={self.pretrained!r}; to learn from a pool otherwise put the {name} "
                f"into a PseudoLabelClassifier or FixMatchClassifier."
            )
        return validate_images(self, X_unlabeled, reset=False)

    def _load_pretrained(self, network):
        if self.pretrained is None or isinstance(self.pretrained, bool):
            return
        source = self.pretrainer_ if is_pretrainer(self.pretrained) else self.pretrained
        if isinstance(source, str | os.PathLike):
            fill_from_file(network, source)
        else:
            fill_from_estimator(network, source)

    def _build_net(self, images, weights, n_outputs, seed, start=None):
        """Return a net that begins with the weights of `start`, another's module, if given."""
        model, dtype = self._build_model(images, weights, n_outputs, start)
        device = self._device()
        net_class, net_params = self._net_class()
        optimiser, rate = self._optimiser(model)
        self._check_settings(optimiser)
        settings = self._optimizer_settings() | {"fused": device.type != "mps"}
        if isinstance(self.optimizer, type):
            takes = parameters_of(optimiser) or {"weight_decay"}
            settings = {name: value for name, value in settings.items() if name in takes}
        settings |= self.optimizer_params or {}
        return net_class(
            model,
            **net_params,
            criterion=fit_for(device, self._make_criterion()),
            owner=type(self).__name__,
            dtype=dtype,
            augmentation=self._augmentation(),
            schedule=self.schedule,
            freeze=self.freeze,
            ema_decay=self.ema_decay,
            seed=seed,
            compiled=self.compile,
            optimizer=optimiser,
            optimizer__param_groups=self._parameter_groups(model, rate),
            **{f"optimizer__{name}": value for name, value in settings.items()},
            lr=rate,
            batch_size=self._batch_size(len(images)),
            device=str(device),
            callbacks=self.callbacks,
            verbose=0,
        )

    def _optimizer_settings(self):
        """Return what the optimiser gets unless `optimizer_params` says otherwise."""
        return {"weight_decay": self.weight_decay}

    def _check_settings(self, optimiser):
        name = type(self).__name__
        given = self.optimizer_params or {}
        known = sorted(set(parameters_of(optimiser) or given) - {"params", "lr"})
        for unknown in set(given) - set(known):
            raise ValueError(
                f"The optimizer {optimiser.__name__} of {name} has no parameter {unknown!r}, which "
                f"optimizer_params holds; it takes {', '.join(known)}, and its rate is "
                f"learning_rate. optimizer_params=None leaves all as they are."
            )
        for one in self.callbacks or ():
            if not hasattr(one[1] if isinstance(one, tuple) else one, "on_epoch_end"):
                raise TypeError(f"{name} takes skorch callbacks; got {one!r}.")

    def _optimiser(self, model):
        """Return the optimiser's class and its highest learning rate, for a model."""
        name, rate = self.optimizer, self.learning_rate
        if isinstance(name, type):
            if not issubclass(name, torch.optim.Optimizer):
                raise TypeError(
                    f"{type(self).__name__} takes a subclass of torch.optim.Optimizer as its "
                    f"optimizer; got {name!r}."
                )
            return name, 0.003 if rate == "auto" else rate
        if name == "auto":
            n_parameters = sum(parameter.numel() for parameter in model.parameters())
            name = "muon" if n_parameters <= MUON_PARAMETERS else "adamw"
        if rate == "auto":
            rate = 0.006 if name == "muon" else 0.003
        return OPTIMIZERS[name], rate

    def _net_class(self):
        """Return the class of the net, and what it takes beyond what all do."""
        return getattr(self, "_special_net", None) or (TrainingNet, {})

    def _parameter_groups(self, model, rate):
        """Return skorch's groups of the parameters that are not treated as most are."""
        rates = stage_rates(model.network, rate, self.layer_decay)
        groups = []
        for name, parameter in model.named_parameters():
            settings = {} if parameter.ndim > 1 else {"weight_decay": 0.0}
            if self.layer_decay != 1:
                settings["lr"] = rates[name.removeprefix("network.")]
            if settings:
                groups.append((name, settings))
        return groups

    def _check_views(self):
        """Raise ValueError if `tta` asks for what images of this size cannot give."""
        prediction_views(self.tta, side=min(self.image_shape_[:2]))

    def _dataset(self, images, targets, weights, rows):
        """Return some rows for training, weights 1 on average."""
        if not isinstance(rows, slice) and not np.array_equal(rows, np.arange(len(images))):
            images = images[rows]
        weights = weights[rows]
        return LabelledImages(images, targets[rows], weights / weights.mean())

    def _train(self, dataset, n_outputs, *, held_out=None, X_unlabeled=None):
        """Train on `dataset`, from `n_restarts` seeds, and keep the best run.

        What is `held_out`, labelled images too, is for the validation of each epoch.
        """
        self._check_views()
        validate = None if held_out is None else self._validator(held_out)
        self._held_out_digest = None
        if held_out is not None and self.checkpoint_dir is not None:
            self._held_out_digest = digest_of(held_out)
        pool = self._validate_pool(X_unlabeled)
        self._warn_of_lost_checkpoints()
        self._warn_of_idle_epochs(len(dataset))
        self._warn_of_bytes(dataset)
        seed = draw_seed(self.random_state)
        earlier = getattr(self, "net_", None) if self.warm_start else None
        self._check_standardize(earlier)
        if earlier is None:
            self._warn_of_frozen_chance()
            self._fit_pretrainer(dataset.images, seed, pool)
        seeds = [seed, *(epoch_seed(seed, run) for run in range(1, self.n_restarts))]
        self.restart_scores_, best = [], None
        for run_seed in seeds:
            try:
                net, n_epochs, score = self._run(dataset, n_outputs, validate, run_seed, earlier)
            except DivergenceError as error:
                if best is None and run_seed == seeds[-1]:
                    raise
                self._warn_of_divergence(error)
                score = -math.inf
            else:
                if best is None or score > best:
                    best, self.n_iter_ = score, n_epochs
                    self._keep(net)
            self.restart_scores_.append(score)

    def _check_standardize(self, earlier):
        """Raise ValueError if `earlier`, to be trained further, saw pixels in another way."""
        now = describe(self.standardize)
        before = getattr(self, "_standardized", now)
        if earlier is not None and now != before:
            raise ValueError(
                f"{type(self).__name__}(warm_start=True) goes on with a network that was trained "
                f"under standardize={before}; got {now}."
            )
        self._standardized = now

    def _run(self, dataset, n_outputs, validate, seed, earlier):
        """Train a fresh net, or `earlier` again; return it, its epochs and its score."""
        n_epochs, n_steps = self._length(len(dataset))
        with forked_torch(self._device()):
            torch.manual_seed(seed)
            start = None if earlier is None else earlier.module_
            net = self._build_net(dataset.images, dataset.weights, n_outputs, seed, start)
            net.prepare(n_steps)
            loop = EpochLoop(
                net,
                dataset,
                n_epochs,
                validate=validate,
                best=BestEpoch(self.n_iter_no_change) if self.early_stopping else None,
                checkpoint=self._checkpoint(dataset, seed, net, earlier),
                verbose=self.verbose,
            )
            n_epochs = loop.run()
        score = -net.history[-1]["train_loss"] if loop.best is None else loop.best.score
        return net, n_epochs, float(score)

    def _keep(self, net):
        self.net_ = net
        self.field_ = net.module_.field
        self.history_ = plain_history(net)
        self.loss_curve_ = [row["train_loss"] for row in self.history_]
        self.validation_scores_ = [
            row["valid_score"] for row in self.history_ if "valid_score" in row
        ]
        for row in net.history:
            row["batches"] = []

    def _checkpoint(self, dataset, seed, net, earlier):
        if self.checkpoint_dir is None:
            return None
        params = self.get_params(deep=False)
        params = {k: v for k, v in params.items() if k not in _NOT_IN_FINGERPRINT}
        params |= {"random_state": seed, "class": type(self).__name__}
        params |= {"held_out": self._held_out_digest}
        params |= {"callbacks": describe_callbacks(params.get("callbacks"))}
        _, settings = self._net_class()
        params |= settings
        if "pool" in settings:
            params["pool"] = images_digest(settings["pool"])
        elif is_pretrainer(self.pretrained) and earlier is None:
            params["pool"] = self._pool_digest
        is_given = self.pretrained is not None and not is_pretrainer(self.pretrained)
        if is_given or earlier is not None:  # parameters do not tell which weights these are
            params["start"] = weights_digest(net.module)
        return Checkpoint(self.checkpoint_dir, fingerprint(params, dataset))

    def _train_further(self, dataset, n_outputs):
        """Take one pass over `dataset` at a tenth of the learning rate."""
        device = self._device()
        with forked_torch(device):
            if not hasattr(self, "net_"):
                self._check_views()
                self._warn_of_frozen_chance()
                seed = draw_seed(self.random_state)
                self._fit_pretrainer(dataset.images, seed)
                torch.manual_seed(seed)
                net = self._build_net(dataset.images, dataset.weights, n_outputs, seed)
                net.prepare(None)
                self.n_iter_ = 0
            else:
                net = self.net_.place(device).resume_training()
            net.start_epoch(self.n_iter_, epoch_seed(net.seed, self.n_iter_))
            net.fit_loop(dataset, epochs=1)
            self._require_finite(net)
            net.module_.eval()
        self.n_iter_ += 1
        self._keep(net)

    def _require_finite(self, net):
        """Raise DivergenceError, and forget the network, if a pass has ruined it."""
        try:
            require_finite_loss(net, self.n_iter_)
            require_finite_weights(net)
        except DivergenceError:
            self.__dict__.pop("net_", None)
            raise

    def _outputs(self, X, *, embed=False):
        """Return averaged outputs for `X`, float64 (n_samples, n_outputs)."""
        check_is_fitted(self)
        net = self.net_.place(self._device())
        side = min(self.image_shape_[:2])
        views = prediction_views(self.tta, side=side, field=self.field_)
        batches = self._checked_batches(X)
        outputs = np.concatenate([net.outputs(batch, views, embed=embed) for batch in batches])
        if not np.isfinite(outputs).all():
            raise DivergenceError(
                f"{type(self).__name__} predicts what is not finite: its training ended with "
                f"weights too large to compute with. Fit again with a lower learning_rate."
            )
        return outputs

    def _checked_batches(self, X):
        """Yield the images of `X` in batches, with a progress bar."""
        images, row = validate_images(self, X, reset=False), 0
        with tqdm(
            total=len(images),
            desc=f"{type(self).__name__}: predicting",
            unit="image",
            disable=not self.verbose,
        ) as bar:
            for batch in self._batches(images):
                rows = range(row, row + len(batch))
                require_finite(type(self).__name__, batch, rows, images)
                yield batch
                row += len(batch)
                bar.update(len(batch))

    def _batches(self, images):
        if is_image_sequence(images):
            yield from images.batches(PREDICTION_BATCH)
            return
        for start in range(0, len(images), PREDICTION_BATCH):
            yield images[start : start + PREDICTION_BATCH]
