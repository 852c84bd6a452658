"""Where the published data sets are, and the form in which all are handed out."""

import pandas as pd
from sklearn.utils import Bunch

from galaxy_sklearn.datasets._download import RemoteFile, data_folder, fetch_file


def _zenodo(record, name):
    return (
        f"https://zenodo.org/records/{record}/files/{name}?download=1",
        f"https://zenodo.org/api/records/{record}/files/{name}/content",
    )


REGISTRY = {
    "decals": RemoteFile(
        "Galaxy10_DECals.h5",
        _zenodo(10845026, "Galaxy10_DECals.h5"),
        "19aefc477c41bb7f77ff07599a6b82a038dc042f889a111b0d4d98bb755c1571",
    ),
    "sdss": RemoteFile(
        "Galaxy10.h5",
        _zenodo(10844811, "Galaxy10.h5"),
        "969a6b1cefcc36e09fffa86febd2f699a4aa19b837ba0427f01b0bc6ded458af",
    ),
    # No hash is known for the files below: that of the first download is kept beside each.
    "gz2_images": RemoteFile("images_gz2.zip", _zenodo(3565489, "images_gz2.zip")),
    "gz2_mapping": RemoteFile(
        "gz2_filename_mapping.csv", _zenodo(3565489, "gz2_filename_mapping.csv")
    ),
    "gz2_labels": RemoteFile(
        "gz2_hart16.csv.gz", ("https://gz2hart.s3.amazonaws.com/gz2_hart16.csv.gz",)
    ),
    "efigi_images": RemoteFile(
        "efigi_png_gri-1.6.tgz",
        ("https://www.astromatic.net/download/efigi/efigi_png_gri-1.6.tgz",),
    ),
    "efigi_tables": RemoteFile(
        "efigi_tables-1.6.2.tgz",
        ("https://www.astromatic.net/download/efigi/efigi_tables-1.6.2.tgz",),
    ),
}


def fetch(key, data_home, folder, options):
    """Return the path of a file of the registry, downloaded if need be.

    Parameters
    ----------
    key : str
        In `REGISTRY`.
    data_home : path-like or None
        As the user gave it.
    folder : str
        Inside it.
    options : dict
        download_if_missing, n_retries, delay and verbose of `fetch_file`.
    """
    return fetch_file(REGISTRY[key], data_folder(data_home) / folder, **options)


def as_bunch(data, target, frame, *, return_X_y, as_frame, **more):
    """Return a data set as scikit-learn's loaders do.

    Parameters
    ----------
    data : ImageSequence or ndarray
        The images.
    target : ndarray
        Their labels.
    frame : DataFrame
        All that is known of each; handed out with `as_frame`.
    return_X_y, as_frame : bool
        As the user gave them.
    **more
        Further entries of the Bunch.
    """
    if as_frame:
        target = pd.Series(target, name="target")
    if return_X_y:
        return data, target
    return Bunch(data=data, target=target, frame=frame if as_frame else None, **more)
