"""The page that `galaxy-sklearn page` shows: images in, classes out. Streamlit runs this file."""

import re
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

import numpy as np
import pandas as pd
import streamlit as st

from galaxy_sklearn._optional import import_optional
from galaxy_sklearn.app.prediction import Problem, image_reader, load_model, probabilities
from galaxy_sklearn.app.table import table_columns
from galaxy_sklearn.images._decode import IMAGE_SUFFIXES
from galaxy_sklearn.inspection import GalleryDisplay, GradCamDisplay

_AT_ONCE = 128  # images between two signs of life
_REASONS, _NAMED = 8, 10  # that are told why files have no class, and files named with each
_KINDS = sorted({suffix.rpartition(".")[2] for suffix in IMAGE_SUFFIXES})


@st.cache_resource(show_spinner="Opening the model")
def opened(path, device):
    """Return the model, ready for files that cannot be read, and a lock: visitors share it."""
    model = load_model(path, device, proba=True)
    image_reader(model).set_params(on_error="blank", cache=None)
    return model, Lock()


@contextmanager
def on_disk(uploads):
    """Hold uploads in files, under names of their own, as long as they are looked at."""
    with TemporaryDirectory(prefix="galaxy-sklearn-") as folder:
        files = []
        for number, upload in enumerate(uploads):
            endings = (one for one in IMAGE_SUFFIXES if upload.name.lower().endswith(one))
            files.append(Path(folder) / f"{number}{max(endings, key=len, default='')}")
            files[-1].write_bytes(upload.getvalue())
        yield np.asarray([str(file) for file in files])


def predicted(model, lock, uploads):
    """Return what was found for each upload, predicting those that are new."""
    found = st.session_state.setdefault("found", {})
    new = [upload for upload in uploads if upload.file_id not in found]
    if new:
        bar = st.progress(0.0)
        for start in range(0, len(new), _AT_ONCE):
            bar.progress(start / len(new), f"Looking at galaxy {start + 1} of {len(new)}")
            part = new[start : start + _AT_ONCE]
            with lock, on_disk(part) as files:
                found.update(zip([one.file_id for one in part], probabilities(model, files)))
        bar.empty()
    return [found[upload.file_id] for upload in uploads]


def plain(text):
    """Return a text so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_\[\]$<>~#|])", r"\\\1", str(text))


def numbered(names):
    """Return names of which none is like another: repeated ones get a number."""
    counts, seen = {}, {}
    for name in names:
        label = name
        while label in seen:
            counts[name] = counts.get(name, 1) + 1
            label = f"{name} ({counts[name]})"
        seen[label] = None
    return list(seen)


def as_table(names, found, classes, threshold):
    """Return the table that `galaxy-sklearn predict` writes, empty where there is no class."""
    rows = []
    for name, shares in zip(names, found):
        if isinstance(shares, Problem):
            rows.append([name, None, None, *[None] * len(classes), True])
            continue
        best = int(shares.argmax())
        rows.append(
            [name, str(classes[best]), shares[best], *shares, bool(shares[best] < threshold)]
        )
    return pd.DataFrame(rows, columns=table_columns(classes))


def show_table(table):
    """Show the table, and offer it as a file."""
    shares = {name: _share_column() for name in table.columns[2:-1]}
    order = ["file", "class", "confidence", "needs_review", *table.columns[3:-1]]
    st.dataframe(table, column_config=shares, column_order=order, hide_index=True)
    text = table.to_csv(index=False, float_format="%.6f")
    st.download_button("Download as CSV", text, "predictions.csv", "text/csv")


def _share_column():
    return st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)


def show_one(model, files, shares):
    """Show the galaxy of the one file, where the network looks, and each class's probability."""
    left, right = st.columns(2)
    order = np.argsort(-shares)
    names = [str(name) for name in model.classes_[order]]
    right.dataframe(
        pd.DataFrame({"class": names, "probability": shares[order]}),
        column_config={"probability": _share_column()},
        hide_index=True,
    )
    try:
        display = GradCamDisplay.from_estimator(model, files)
        left.caption("The galaxy as the network sees it, and where it looks")
    except ValueError:  # nothing to explain, or no maps to do it by
        display = GalleryDisplay.from_steps(model, files)
        left.caption("The galaxy on its way to the classifier")
    left.pyplot(display.figure_, width="content")
    import_optional("matplotlib.pyplot", extra="inspect", feature="Drawing").close(display.figure_)


def show_problems(names, found):
    """Name the files that have no class, those of one reason together."""
    reasons = {}
    for name, one in zip(names, found):
        if isinstance(one, Problem):
            reasons.setdefault(one.reason, []).append(name)
    for reason, files in list(reasons.items())[:_REASONS]:
        more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
        st.error(f"{', '.join(map(plain, files[:_NAMED]))}{more}: {plain(reason)}")
    others = sum(map(len, list(reasons.values())[_REASONS:]))
    if others:
        st.error(f"{others} more files have no class, for other reasons each.")


def main(path, device, threshold):
    """Draw the page."""
    st.set_page_config("galaxy-sklearn", page_icon="\N{MILKY WAY}", layout="wide")
    model, lock = opened(path, device)
    st.title("What galaxies are these?")
    with st.sidebar:
        st.subheader("Model")
        st.write(f"{plain(Path(path).name)} tells {len(model.classes_)} classes apart:")
        st.write(", ".join(map(plain, model.classes_)))
        threshold = st.slider("Review below this confidence", 0.0, 1.0, float(threshold), 0.01)
    uploads = st.file_uploader(
        "Images, or FITS cutouts, one galaxy each", _KINDS, accept_multiple_files=True
    )
    if not uploads:
        st.info("Drop one image or many here.")
        return
    found = predicted(model, lock, uploads)
    names = [upload.name for upload in uploads]
    table = as_table(names, found, model.classes_, threshold)
    to_review = int(table["needs_review"].sum())
    st.write(f"{len(table)} images, {to_review} to review")
    show_problems(names, found)
    show_table(table)
    good = [k for k, one in enumerate(found) if not isinstance(one, Problem)]
    if good:
        chosen = st.selectbox("Look at", good, format_func=numbered(names).__getitem__)
        with lock, on_disk([uploads[chosen]]) as files:
            show_one(model, files, found[chosen])


if __name__ == "__main__":
    main(*sys.argv[1:])
