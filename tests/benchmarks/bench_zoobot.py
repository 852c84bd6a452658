"""Training and prediction rates from JPEG files, beside zoobot, with the same network.

zoobot needs an environment of its own:

    python -m venv zoobot-env && zoobot-env/bin/pip install zoobot galaxy-datasets timm
    GALAXY_SKLEARN_DATA=... python tests/benchmarks/bench_zoobot.py zoobot-env/bin/python

Both train timm's resnet18 at 64 x 64 on the same 1,750 files of 424 x 424 and then predict them.
zoobot augments nothing here (its fastest view); this package does all it does by default. Rates
count everything from files to fitted weights, and from files to a table, without start-up. A third
side is the network alone, in bfloat16, on one batch that is there already: what no package can
pass on the machine.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

EPOCHS = 3
SIDE = 64
BATCH = 128
WORKERS = 2


def read_catalogue(folder):
    """Return file names and class codes of the files that have a class."""
    import pandas as pd

    table = pd.read_csv(Path(folder) / "gz2" / "labels.csv", low_memory=False)
    files = {path.stem: str(path) for path in Path(folder).glob("gz2/original_424px/*.jpg")}
    table = table.assign(file_loc=table["GalaxyID"].astype(str).map(files))
    table = table[table["file_loc"].notna()]
    codes, _ = pd.factorize(table["class5"].fillna("none"), sort=True)
    return pd.DataFrame(
        {
            "id_str": table["GalaxyID"].astype(str).to_numpy(),
            "file_loc": table["file_loc"].to_numpy(),
            "label": codes,
        }
    )


def zoobot_rates(folder):
    """Return images a second of zoobot in training and prediction."""
    import lightning
    import timm
    from galaxy_datasets.pytorch.galaxy_datamodule import CatalogDataModule
    from galaxy_datasets.transforms import fast_view_config, get_galaxy_transform
    from zoobot.pytorch.predictions import predict_on_catalog
    from zoobot.pytorch.training import finetune

    catalogue = read_catalogue(folder)
    view = fast_view_config()
    view.output_size = SIDE
    transform = get_galaxy_transform(view)
    hardware = {"batch_size": BATCH, "num_workers": WORKERS}
    quiet = {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
    }
    encoder = timm.create_model("resnet18", num_classes=0)
    classes = int(catalogue["label"].max()) + 1
    model = finetune.FinetuneableZoobotClassifier(
        num_classes=classes, encoder=encoder, training_mode="full", prog_bar=False
    )
    data = CatalogDataModule(
        label_cols=["label"],
        train_catalog=catalogue,
        val_catalog=catalogue[:1],
        train_transform=transform,
        test_transform=transform,
        **hardware,
    )
    trainer = lightning.Trainer(
        max_epochs=EPOCHS, limit_val_batches=0, num_sanity_val_steps=0, **quiet
    )
    start = perf_counter()
    trainer.fit(model, data)
    training = EPOCHS * len(catalogue) / (perf_counter() - start)
    with tempfile.TemporaryDirectory() as out:
        start = perf_counter()
        predict_on_catalog.predict(
            catalogue,
            model,
            save_loc=str(Path(out) / "predictions.csv"),
            label_cols=[str(k) for k in range(classes)],
            inference_transform=transform,
            datamodule_kwargs=hardware,
            trainer_kwargs=quiet,
        )
        prediction = len(catalogue) / (perf_counter() - start)
    return {"training": training, "prediction": prediction}


def our_rates(folder):
    """Return images a second of this package in training and prediction."""
    from sklearn.pipeline import make_pipeline

    from galaxy_sklearn import GalaxyClassifier
    from galaxy_sklearn.preprocessing import ImageReader, Resize

    catalogue = read_catalogue(folder)
    model = make_pipeline(
        ImageReader(reduce=4),
        Resize(SIDE),
        GalaxyClassifier("timm/resnet18", max_epochs=EPOCHS, batch_size=BATCH, random_state=0),
    )
    start = perf_counter()
    model.fit(catalogue["file_loc"], catalogue["label"])
    training = EPOCHS * len(catalogue) / (perf_counter() - start)
    start = perf_counter()
    model.predict_proba(catalogue["file_loc"])
    return {"training": training, "prediction": len(catalogue) / (perf_counter() - start)}


def bare_rates(folder):
    """Return images a second of the network alone, without files, augmentation or averages."""
    import timm
    import torch

    network = timm.create_model("resnet18", num_classes=6).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), fused=True)
    images = torch.randn(BATCH, 3, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    codes = torch.randint(6, (BATCH,))

    def train():
        with torch.autocast("cpu", torch.bfloat16):
            loss = torch.nn.functional.cross_entropy(network(images), codes)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    def predict():
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            network(images)

    rates = {"training": best_rate(train)}
    network.eval()
    return rates | {"prediction": best_rate(predict)}


def best_rate(step, steps=10, rounds=3):
    """Return images a second of a step, the best of some rounds."""
    step()
    seconds = []
    for _ in range(rounds):
        start = perf_counter()
        for _ in range(steps):
            step()
        seconds.append(perf_counter() - start)
    return steps * BATCH / min(seconds)


SIDES = {"ours": our_rates, "zoobot": zoobot_rates, "bare": bare_rates}


def measure(side, python, folder):
    """Return the rates of one side, measured in a process of its own."""
    command = [python, __file__, python, "--side", side]
    environment = {**os.environ, "GALAXY_SKLEARN_DATA": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{side} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", help="interpreter of the environment that holds zoobot")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        rates = SIDES[options.side](os.environ["GALAXY_SKLEARN_DATA"])
        print(json.dumps(rates))
        return
    from galaxy_zoo import data_folder, report

    pythons = {"ours": sys.executable, "zoobot": options.python, "bare": sys.executable}
    runs = {side: [] for side in SIDES}
    for _ in range(options.rounds):
        for side, python in pythons.items():
            runs[side].append(measure(side, python, data_folder()))
    for figure, goal in (("training", 2.0), ("prediction", 3.0)):
        rates = {side: max(run[figure] for run in runs[side]) for side in SIDES}
        value = rates["ours"] / rates["zoobot"]
        report(f"{figure}_rate_over_zoobot", value=value, goal=goal, **rates)


if __name__ == "__main__":
    main()
