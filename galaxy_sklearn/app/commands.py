"""What the sub-commands do."""

import os
import sys
import warnings
from pathlib import Path

import joblib
import numpy as np
from PIL import Image
from sklearn.metrics import classification_report, confusion_matrix, recall_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from galaxy_sklearn._files import written_whole
from galaxy_sklearn._optional import import_optional
from galaxy_sklearn.app.prediction import (
    DEMO_MARK,
    image_reader,
    list_images,
    load_model,
    not_of_demo,
    predict_files,
)
from galaxy_sklearn.app.table import (
    check_no_folder,
    check_no_input,
    check_output,
    table_columns,
)
from galaxy_sklearn.datasets import load_catalog, load_image_folder, make_galaxies
from galaxy_sklearn.exceptions import ImageReadWarning
from galaxy_sklearn.inspection import (
    ConfusionMatrixDisplay,
    EmbeddingDisplay,
    GradCamDisplay,
    TrainingCurvesDisplay,
)
from galaxy_sklearn.metrics import wilson_interval
from galaxy_sklearn.neural_network import GalaxyClassifier
from galaxy_sklearn.preprocessing import CenterCrop, ImageReader, Resize

CATALOGUES = (".csv", ".csv.gz", ".csv.bz2", ".csv.xz", ".csv.zip", ".parquet", ".pq")


def load_labelled(options):
    """Return files and labels of the data that the command line names."""
    path = Path(options.data)
    if path.is_dir():
        return _labelled_folder(path)
    if not path.exists():
        raise ValueError(f"there is no file or folder {str(path)!r}.")
    if options.label_column is None:
        raise ValueError("a catalogue needs --label-column, and --file-column or --id-column.")
    return _catalogue(path, options, options.label_column)


def _labelled_folder(folder):
    files, labels = load_image_folder(folder, return_X_y=True)
    kept = not_of_demo(files, folder)
    if not kept.any():
        raise ValueError(f"there is nothing in {str(folder)!r} but what the demo wrote.")
    return files[kept], labels[kept]


def load_files(options):
    """Return the image files that the command line names, or the one catalogue it names holds."""
    catalogues = [
        name
        for name in options.images
        if name.lower().endswith(CATALOGUES) and Path(name).is_file()
    ]
    if not catalogues:
        if options.file_column or options.id_column or options.image_dir:
            raise ValueError(
                "--file-column, --id-column and --image-dir are for a catalogue: "
                f"{', '.join(options.images)} is none ({', '.join(CATALOGUES)})."
            )
        return list_images(options.images)
    if len(options.images) > 1:
        raise ValueError(f"the catalogue {catalogues[0]!r} must be given alone.")
    if options.file_column is None and options.id_column is None:
        raise ValueError("a catalogue needs --file-column or --id-column.")
    return _catalogue(catalogues[0], options, None, on_missing="keep")[0]


def _catalogue(path, options, label_column, on_missing="raise"):
    return load_catalog(
        path,
        image_dir=options.image_dir,
        file_column=options.file_column,
        id_column=options.id_column,
        label_column=label_column,
        on_missing=on_missing,
        return_X_y=True,
    )


def build_pipeline(options, cache):
    """Return the unfitted Pipeline that the command line describes."""
    steps = [ImageReader(cache=cache)]
    if options.crop is not None:
        steps.append(CenterCrop(options.crop))
    steps.append(Resize(128 if options.resize is None else options.resize))
    classifier = GalaxyClassifier(
        options.network,
        max_epochs="auto" if options.epochs is None else options.epochs,
        device=options.device,
        verbose=int(not options.no_progress),
        random_state=options.seed,
    )
    return make_pipeline(*steps, classifier)


def save_model(model, path):
    """Write a fitted Pipeline without its cache, as a whole or not at all."""
    image_reader(model).set_params(cache=None)
    with written_whole(path) as partial:
        joblib.dump(model, partial, compress=3)


def _split(files, labels, options):
    try:
        return train_test_split(
            files, labels, test_size=options.test_size, stratify=labels, random_state=options.seed
        )
    except ValueError as error:
        raise ValueError(
            f"cannot hold out {options.test_size:.0%} of the images: {error}"
        ) from None


def _rehearse(options, files, labels):
    """Train one step on two images: wrong settings are found before all images are decoded."""
    _, firsts = np.unique(labels, return_index=True)
    rows = firsts[:2]
    model = build_pipeline(options, None)
    model[-1].set_params(max_steps=1, verbose=0)
    model.fit(np.asarray(files)[rows], np.asarray(labels)[rows])


def _fit_and_report(options, files, labels, cache):
    _rehearse(options, files, labels)
    parts = _split(files, labels, options)
    train_files, test_files, train_labels, test_labels = parts
    print(f"training on {len(train_files)} images, {len(test_files)} held out", flush=True)
    model = build_pipeline(options, cache).fit(train_files, train_labels)
    model[-1].set_params(verbose=0)
    predicted = model.predict(test_files)
    print(classification_report(test_labels, predicted, zero_division=0))
    return model, test_files, test_labels, predicted


def train(options):
    """Train on labelled images, print the report on the part held out, save the model."""
    check_no_folder(Path(options.output))
    check_no_input(Path(options.output), [options.data])
    files, labels = load_labelled(options)
    check_no_input(Path(options.output), files)
    cache = Path(options.output).with_name(f"{Path(options.output).name}.cache")
    model, *_ = _fit_and_report(options, files, labels, cache)
    save_model(model, options.output)
    print(f"saved {options.output}")
    print(f"kept the decoded images in {cache}, for the next training on them; delete it at will")


def predict(options):
    """Write a table of predictions, going on where an interrupted run stopped."""
    check_output(Path(options.output))
    check_no_input(Path(options.output), [options.model, *options.images])
    model = load_model(options.model, options.device, proba=True)
    files = load_files(options)
    failed, reason = predict_files(
        model,
        files,
        options.output,
        model_file=options.model,
        threshold=options.threshold,
        restart=options.restart,
        progress=not options.no_progress,
    )
    print(f"wrote {options.output}: {len(files)} images, {failed} of them without a class")
    if reason:
        print(f"the first without a class is {reason}")
    if failed == len(files):
        raise ValueError("none of the images could be read.")


def _comparable(labels, predicted):
    """Return both as they are, or both as text if one holds numbers and the other none."""
    if (labels.dtype.kind in "biuf") == (predicted.dtype.kind in "biuf"):
        return labels, predicted
    return _as_text(labels), _as_text(predicted)


def _as_text(values):
    return np.array([str(int(v) if isinstance(v, float) and v.is_integer() else v) for v in values])


def _predicted(model, files, labels):
    """Return labels and predictions of the files that could be read; say how many could not.

    That any may be left out is for the model to say, whose ImageReader raises an error else.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImageReadWarning)
        predicted = model.predict(files)
    failed = image_reader(model).failed_
    if failed:
        _, file, reason = failed[0]
        print(f"left out {len(failed)} of {len(files)} images; the first is {file!r}: {reason}")
    if len(failed) == len(files):
        raise ValueError("none of the images could be read.")
    read = np.setdiff1d(np.arange(len(files)), [row for row, _, _ in failed])
    return labels[read], predicted[read]


def evaluate(options):
    """Print how well a saved model does on labelled images."""
    model = load_model(options.model, options.device)
    files, labels = load_labelled(options)
    labels, classes = _comparable(np.asarray(labels), model.classes_)
    if not np.isin(labels, classes).any():
        raise ValueError(
            f"the model knows none of the labels: they are {np.unique(labels).tolist()}, and its "
            f"classes {classes.tolist()}."
        )
    labels, predicted = _comparable(*_predicted(model, files, labels))
    right = int((predicted == labels).sum())
    low, high = wilson_interval(right, len(labels))
    print(classification_report(labels, predicted, zero_division=0))
    print(f"accuracy          {right / len(labels):.4f}  (95 % interval {low:.4f} to {high:.4f})")
    occurring = np.unique(labels)
    balanced = recall_score(labels, predicted, labels=occurring, average="macro")
    print(f"balanced accuracy {balanced:.4f}")
    names = np.unique(np.concatenate([labels, predicted]))
    print(f"confusion matrix, rows are true: {', '.join(map(str, names))}")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A single label was found")
        print(confusion_matrix(labels, predicted, labels=names))


def _generated_images(root, options):
    n = 300 if options.quick else 2000
    folder = root / f"images-{n}-seed{options.seed}"
    images, labels = make_galaxies(n, image_size=64, random_state=options.seed)
    for number, (image, label) in enumerate(zip(images, labels)):
        target = folder / label
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target / f"{number:05d}.png")
    return load_image_folder(folder, return_X_y=True)


def _draw(model, files, labels, predicted, folder):
    pyplot = import_optional("matplotlib.pyplot", extra="inspect", feature="The demo's pictures")
    pyplot.switch_backend("Agg")
    rows = [int(np.flatnonzero(labels == name)[0]) for name in np.unique(labels)]
    pictures = {
        "training_curves.png": TrainingCurvesDisplay.from_estimator(model),
        "confusion_matrix.png": ConfusionMatrixDisplay.from_predictions(labels, predicted),
        "embedding.png": EmbeddingDisplay.from_estimator(model, files, labels),
    }
    if model[-1].net_.module_.network.cam_layer is not None:
        pictures["grad_cam.png"] = GradCamDisplay.from_estimator(model, files[rows])
    for name, display in pictures.items():
        display.figure_.savefig(folder / name, dpi=120, bbox_inches="tight")
        pyplot.close(display.figure_)
    return list(pictures)


def _begin_demo(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DEMO_MARK).touch()


def demo(options):
    """Train, report, and leave a folder with the model, a table and the pictures."""
    folder = Path(options.output)
    if options.data is None:
        _begin_demo(folder)
        print("making galaxies", flush=True)
        files, labels = _generated_images(folder, options)
        options.resize = 64 if options.resize is None else options.resize
        if options.epochs is None:
            options.epochs = 20 if options.quick else 30
    else:
        files, labels = load_labelled(options)
        _begin_demo(folder)
    model, files, labels, predicted = _fit_and_report(options, files, labels, folder / "cache")
    save_model(model, folder / "model.joblib")
    predict_files(
        model,
        files,
        folder / "predictions.csv",
        model_file=folder / "model.joblib",
        threshold=0.6,
        restart=True,
        progress=False,
    )
    names = ["model.joblib", "predictions.csv", *_draw(model, files, labels, predicted, folder)]
    print(f"in {folder}:", *names, sep="\n  ")


def page(options):
    """Show a page in the browser that classifies the images dropped on it, until interrupted."""
    import_optional("streamlit", extra="app", feature="The page")
    table_columns(load_model(options.model, options.device, proba=True).classes_)
    settings = {
        "server.address": options.address,
        "server.port": options.port,
        "server.headless": str(options.no_browser).lower(),
        "server.showEmailPrompt": "false",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
    }
    script = str(Path(__file__).with_name("page.py"))
    command = [sys.executable, "-P", "-m", "streamlit", "run", script]  # -P: not the current folder
    command += [f"--{name}={value}" for name, value in settings.items()]
    command += ["--", options.model, options.device, str(options.threshold)]
    sys.stdout.flush()
    os.execv(sys.executable, command)  # so that signals reach the server itself
