"""Image files at the head of a Pipeline."""

import os
from numbers import Integral, Real

from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from galaxy_sklearn._validation import (
    Interval,
    Options,
    StrOptions,
    fit_context,
    is_image_sequence,
    validate_images,
)
from galaxy_sklearn.exceptions import ImageReadError
from galaxy_sklearn.images._cache import require_folder
from galaxy_sklearn.images._decode import REDUCTIONS
from galaxy_sklearn.images._paths import file_names
from galaxy_sklearn.images._sequence import ImageSequence
from galaxy_sklearn.images._sources import split_row_path
from galaxy_sklearn.preprocessing._base import ImagesOutMixin
from galaxy_sklearn.preprocessing._columns import as_images


class ImageReader(ImagesOutMixin, BaseEstimator):
    """Turn file names into images that are read when needed.

    Nothing is decoded here: `transform` returns an `ImageSequence`, which the following steps
    extend and the estimator at the end reads in batches, by threads, so a quarter of a million
    files need the memory of one batch. A table whose columns have the files of a band each, as
    surveys deliver them, makes images of so many bands, in the columns' order. X that already
    holds images passes through, checked, so the same Pipeline takes files and arrays.

    Parameters
    ----------
    mode : {"RGB", "L", None}, default="RGB"
        Bands of 8-bit images: three, one, or None for grey as one band and all else as RGB.
        FITS, HDF5 and 16-bit, 32-bit or float images keep their bands.
    hdu : int, str or tuple, default=None
        FITS extension by number, name or (name, version), such as ``("SCI", 1)``; None takes the
        first that holds an image.
    reduce : {1, 2, 4, 8}, default=1
        8-bit images become smaller by this factor, each pixel the mean of a square of them. JPEG
        does so while it is decoded: with 4 in a third of the time. Sizes in the following steps
        are those of the smaller image. FITS, HDF5 and deep images keep their size.
    fill_nan : float, default=None
        Finite value put in place of NaN in the float images of files, such as 0.0 for masked
        pixels of sky-subtracted FITS. None leaves NaN: a file that holds some, or infinity,
        counts as one that cannot be read, unless `CenterCrop` directly after cuts them away.
    on_error : {"raise", "skip", "blank"}, default="raise"
        What becomes of a file that cannot be read. "raise": ImageReadError with file, reason
        and row; missing files are found in `fit` and `transform`, before any is decoded.
        "blank": an image of zeros, with one warning: rows stay aligned with y. "skip": all files
        are tried at once and the sequence is shortened, with a warning; index y by its `kept_`.
        A Pipeline cannot shorten y, so there use "blank"; nor does "skip" leave out what a later
        step refuses for NaN.
    cache : str or PathLike, default=None
        Folder for decoded pixels. They are stored when first read, after the steps that
        follow in the Pipeline (so small images if one of them crops or resizes), and
        found again as long as files and steps stay the same.
    n_jobs : int, default=None
        Threads that decode; None is every core.
    verbose : int, default=0
        Above 0, a progress bar shows the filling of `cache`.

    Attributes
    ----------
    failed_ : list of (row, file, reason)
        Files of the last `transform` that could not be read; filled while they are read.
    n_features_in_ : int
        Columns of file names, else values in an image.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, if X is a DataFrame with string columns.
    """

    _parameter_constraints: dict = {
        "mode": [StrOptions({"RGB", "L"}), None],
        "hdu": [Integral, str, tuple, None],
        "reduce": [Options(Integral, set(REDUCTIONS))],
        "fill_nan": [Interval(Real, None, None, closed="neither"), None],
        "on_error": [StrOptions({"raise", "skip", "blank"})],
        "cache": [str, os.PathLike, None],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        mode="RGB",
        *,
        hdu=None,
        reduce=1,
        fill_nan=None,
        on_error="raise",
        cache=None,
        n_jobs=None,
        verbose=0,
    ):
        self.mode = mode
        self.hdu = hdu
        self.reduce = reduce
        self.fill_nan = fill_nan
        self.on_error = on_error
        self.cache = cache
        self.n_jobs = n_jobs
        self.verbose = verbose

    @fit_context
    def fit(self, X, y=None):
        """Check `X`; there is nothing to learn.

        Parameters
        ----------
        X : array-like of str or PathLike, shape (n_samples,) or (n_samples, n_columns)
            File names (list, array, Series or one column), HDF5 rows written
            ``"file.h5::dataset::row"``, or images as an array, rows of pixels or ImageSequence.
            Several columns have the files of one band each.
        y : None
            Ignored.

        Returns
        -------
        self : ImageReader
            Ready to read.

        Raises
        ------
        ImageReadError
            If a file does not exist and `on_error` is "raise".
        ValueError
            If a row holds no file name, or images hold NaN or infinity; if `cache` is a file.
        """
        require_folder("ImageReader", "cache", self.cache)
        paths = self._paths(X)
        if paths is None:
            validate_images(self, X, reset=True)
        else:
            self._check_files(paths)
            self._forget_images()
            self.n_features_in_ = _n_columns(paths)
            if hasattr(X, "columns"):
                validate_data(self, X, skip_check_array=True)
        self.failed_ = []
        return self

    def transform(self, X):
        """Return the images of `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, n_columns), or images
            As in `fit`.

        Returns
        -------
        ImageSequence or ndarray
            A sequence for file names or a sequence; images in the layout they came in.

        Raises
        ------
        ImageReadError
            If a file does not exist and `on_error` is "raise".
        ValueError
            As in `fit`, or if there are other columns than there.
        """
        check_is_fitted(self)
        paths = self._paths(X)
        if paths is None:
            return self._pass_through(X)
        if hasattr(X, "columns") and hasattr(self, "feature_names_in_"):
            validate_data(self, X, reset=False, skip_check_array=True)
        self._check_columns(paths)
        self._check_files(paths)
        images = ImageSequence.from_files(
            X,
            mode=self.mode,
            hdu=self.hdu,
            reduce=self.reduce,
            fill_nan=self.fill_nan,
            on_error=self.on_error,
            n_jobs=self.n_jobs,
            cache=self.cache,
            verbose=self.verbose,
        )
        self.failed_ = images.failed_
        return images

    @staticmethod
    def _paths(X):
        """Return the file names of `X`, or None if it holds images."""
        paths = file_names("ImageReader", X)
        if paths == []:
            raise ValueError("ImageReader needs at least one file name or image; X is empty.")
        return paths

    def _pass_through(self, X):
        fitted_on_images = hasattr(self, "image_shape_")
        checker = self if fitted_on_images else clone(self)
        images = validate_images(checker, X, reset=not fitted_on_images, any_size=True)
        return images if is_image_sequence(images) else as_images(self, images, X)

    def _check_columns(self, paths):
        if hasattr(self, "image_shape_") or _n_columns(paths) == self.n_features_in_:
            return
        raise ValueError(
            f"ImageReader was fitted on {self.n_features_in_} columns of file names, each a band, "
            f"and got {_n_columns(paths)}."
        )

    def _forget_images(self):
        for name in ("image_shape_", "pixel_kind_", "feature_names_in_"):
            self.__dict__.pop(name, None)

    def _check_files(self, paths):
        if self.on_error != "raise":
            return
        lost = [(row, path) for row, path in _each(paths) if not _exists(path)]
        if lost:
            row, path = lost[0][0], os.fspath(lost[0][1])
            what = "a folder, not a file" if os.path.isdir(path) else "no such file"
            n_rows = len({row for row, _ in lost})
            more = f" (and {n_rows - 1} more rows)" if n_rows > 1 else ""
            raise ImageReadError(
                f"ImageReader cannot read row {row}, {path!r}: there is {what}{more}."
            )


def _n_columns(paths):
    return len(paths[0]) if isinstance(paths[0], tuple) else 1


def _each(paths):
    """Yield row and file name, of tables each file of a row."""
    for row, entry in enumerate(paths):
        for path in entry if isinstance(entry, tuple) else (entry,):
            yield row, path


def _exists(path):
    path = os.fspath(path)
    row = split_row_path(path) if "::" in path else None
    return os.path.isfile(path if row is None else row[0])
