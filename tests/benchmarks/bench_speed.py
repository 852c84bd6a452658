"""Training and prediction rates as ratios: this package, a bare loop, and plain skorch.

GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_speed.py
"""

import argparse
from time import perf_counter

import numpy as np
import torch
from galaxy_zoo import labelled_split, report
from skorch import NeuralNetClassifier
from torchvision.transforms import v2

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn._training.device import resolve_precision
from galaxy_sklearn._training.model import ImageModel
from galaxy_sklearn.augmentation import GalaxyAugmentation
from galaxy_sklearn.networks import GalaxyNet

BATCH = 128


def bare_model(images):
    """Return the default network with the classifier's own normalisation and view."""
    mean, std = images[:512].mean((0, 1, 2)), images[:512].std((0, 1, 2))
    model = ImageModel(GalaxyNet(3, 5, (128, 128)), mean, std, image_size=(128, 128), field=0.74)
    return model.to(dtype=torch.float32, memory_format=torch.channels_last)


def autocast():
    """Return the precision that the classifier would choose here."""
    dtype = resolve_precision("auto", torch.device("cpu"))
    return torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16)


def bare_epoch(model, optimizer, average, images, codes):
    """Train one epoch by hand; return images a second."""
    augmentation, generator = GalaxyAugmentation(), torch.Generator().manual_seed(0)
    model.train()
    start = perf_counter()
    for rows in torch.randperm(len(images)).split(BATCH):
        batch = torch.from_numpy(images[rows.numpy()])
        with torch.no_grad():
            raw = model.standardise(batch, torch.channels_last)
            views = augmentation(raw, (64, 64), field=0.74, generator=generator)
            views = views.contiguous(memory_format=torch.channels_last)
        with autocast():
            logits = model(views)
        loss = torch.nn.functional.cross_entropy(logits.float(), codes[rows], label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        with torch.no_grad():
            state = [t for t in model.state_dict().values() if t.is_floating_point()]
            torch._foreach_lerp_(average, state, 0.002)
    return len(images) / (perf_counter() - start)


class Augmented(torch.utils.data.Dataset):
    """Images augmented one by one by torchvision, as a plain skorch user would."""

    def __init__(self, images, codes):
        self.images, self.codes = images, codes
        self.transform = v2.Compose(
            [
                v2.ToImage(),
                v2.RandomAffine(180, translate=(0.04, 0.04), scale=(0.75, 1.3)),
                v2.RandomHorizontalFlip(),
                v2.CenterCrop(94),
                v2.Resize(64, antialias=True),
                v2.ColorJitter(0.2, 0.2, 0.1),
                v2.ToDtype(torch.float32, scale=True),
            ]
        )

    def __len__(self):
        return len(self.images)

    def __getitem__(self, row):
        return self.transform(self.images[row]), self.codes[row]


def skorch_epoch(images, codes):
    """Train one epoch with plain skorch; return images a second."""
    net = NeuralNetClassifier(
        GalaxyNet,
        module__n_channels=3,
        module__n_classes=5,
        module__image_size=(64, 64),
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        batch_size=BATCH,
        max_epochs=1,
        train_split=None,
        verbose=0,
    ).initialize()
    start = perf_counter()
    net.partial_fit(Augmented(images, codes))
    return len(images) / (perf_counter() - start)


def our_epoch(images, labels, *, compiled=False):
    """Train; return images a second of the only epoch, or of the one after compiling."""
    model = GalaxyClassifier(
        max_epochs=1 + compiled, batch_size=BATCH, compile=compiled, random_state=0
    )
    return model.fit(images, labels).history_[-1]["images_per_second"]


def training(images, labels, rounds):
    codes = torch.from_numpy(np.unique(labels, return_inverse=True)[1])
    bare = bare_model(images)
    optimizer = torch.optim.AdamW(bare.parameters(), lr=1e-3, fused=True)
    average = [t.clone() for t in bare.state_dict().values() if t.is_floating_point()]
    rates = {"ours": [], "bare": [], "skorch": [], "compiled": []}
    for _ in range(rounds):
        rates["ours"].append(our_epoch(images, labels))
        rates["compiled"].append(our_epoch(images, labels, compiled=True))
        rates["bare"].append(bare_epoch(bare, optimizer, average, images, codes))
        rates["skorch"].append(skorch_epoch(images[:1024], codes[:1024]))
    best = {name: max(values) for name, values in rates.items()}
    for other, goal in (("bare", 0.97), ("skorch", 2.0)):
        report(
            f"training_rate_over_{other}",
            value=best["ours"] / best[other],
            goal=goal,
            ours=best["ours"],
            other=best[other],
        )
    report(
        "training_rate_compiled_over_not",
        value=best["compiled"] / best["ours"],
        compiled=best["compiled"],
        ours=best["ours"],
    )


def prediction(images, labels, rounds):
    model = GalaxyClassifier(max_epochs=1, tta=None, random_state=0).fit(images[:256], labels[:256])
    net = model.net_.module_.eval()
    rates = {"ours": [], "bare": []}
    for _ in range(rounds):
        start = perf_counter()
        model.predict_proba(images)
        rates["ours"].append(len(images) / (perf_counter() - start))
        start = perf_counter()
        with torch.inference_mode(), autocast():
            for first in range(0, len(images), BATCH):
                raw = torch.from_numpy(images[first : first + BATCH])
                views = net.plain_view(net.standardise(raw, torch.channels_last))
                net(views.contiguous(memory_format=torch.channels_last)).float().softmax(1)
        rates["bare"].append(len(images) / (perf_counter() - start))
    ours, bare = max(rates["ours"]), max(rates["bare"])
    report("prediction_rate_over_bare", value=ours / bare, goal=0.95, ours=ours, other=bare)


def linearity(images, labels, rounds, sizes):
    seconds = {n: [] for n in sizes}
    for _ in range(rounds):
        for n in sizes:
            rows = np.arange(n) % len(images)
            seconds[n].append(1 / our_epoch(images[rows], labels[rows]))
    best = {n: min(values) for n, values in seconds.items()}
    spread = max(best.values()) / min(best.values())
    report(
        "seconds_per_image_epoch_largest_over_smallest",
        value=spread,
        goal=1.1,
        **{f"n_{n}": f"{value:.3e}" for n, value in best.items()},
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", default="galaxy-zoo-cache")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 4000, 16000])
    options = parser.parse_args()
    X, _, y, _ = labelled_split(options.cache)
    images = np.asarray(X[:2048])
    training(images, y[:2048], options.rounds)
    prediction(images, y[:2048], options.rounds)
    linearity(images, y[:2048], max(1, options.rounds // 2), options.sizes)


if __name__ == "__main__":
    main()
