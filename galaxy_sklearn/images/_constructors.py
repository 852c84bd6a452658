"""The ways to make an ImageSequence."""

import os
from numbers import Integral

import numpy as np

from galaxy_sklearn._validation import require_many, require_unmasked
from galaxy_sklearn.exceptions import ImageReadError
from galaxy_sklearn.images._bands import BandsSource
from galaxy_sklearn.images._cache import LazyCache, require_folder
from galaxy_sklearn.images._concatenated import ConcatenatedSource
from galaxy_sklearn.images._decode import MODES, REDUCTIONS, UnreadableError
from galaxy_sklearn.images._paths import file_names
from galaxy_sklearn.images._sources import (
    ArraySource,
    EncodedSource,
    FileSource,
    Hdf5Source,
    ZipSource,
)


class Constructors:
    """The class methods of ImageSequence that make one from files, arrays or archives."""

    @classmethod
    def from_files(
        cls,
        paths,
        *,
        mode="RGB",
        hdu=None,
        reduce=1,
        fill_nan=None,
        on_error="raise",
        n_jobs=None,
        cache=None,
        verbose=0,
    ):
        """Return the images of files, one each.

        Parameters
        ----------
        paths : collection of str or PathLike, in order
            JPEG, PNG, TIFF, WebP or FITS files, or HDF5 rows as ``"file.h5::dataset::row"``; a
            list, array, Series or one column, whose index is kept; or several columns, each with
            the files of one band. Of a file with several pages the first is read. TIFF is grey,
            RGB or CMYK; FITS and HDF5 hold any number of bands.
        mode : {"RGB", "L", None}, default="RGB"
            Bands of 8-bit images; None keeps grey as one band and makes the rest RGB. FITS,
            HDF5 and 16-bit, 32-bit or float images keep their bands. EXIF orientation is ignored.
        hdu : int, str or tuple, default=None
            FITS extension by number, name or (name, version); None takes the first with an image.
        reduce : {1, 2, 4, 8}, default=1
            8-bit images become smaller by this factor, each pixel the mean of a square of them;
            JPEG does so while it is decoded, in less time. Other images keep their size.
        fill_nan : float, default=None
            Finite value put in place of NaN, as by the method of this name; None leaves NaN.
        on_error : {"raise", "skip", "blank"}, default="raise"
            What becomes of an image that cannot be read; see `ImageSequence`.
        n_jobs : int, default=None
            Threads that decode; None is every core.
        cache : str or PathLike, default=None
            Folder; when first read, all images pass the chain once into it, as by `cache`.
        verbose : int, default=0
            Above 0, a progress bar shows the filling of `cache`.

        Returns
        -------
        ImageSequence
            Not read yet.

        Raises
        ------
        TypeError
            If `paths` are no file names, or in no order.
        ValueError
            If there is a single name, or a row has none; if a parameter is out of range, or
            `cache` a file.
        """
        _check_mode(mode)
        if reduce not in REDUCTIONS or not isinstance(reduce, Integral):
            raise ValueError(
                f"The reduce parameter of ImageSequence must be one of {REDUCTIONS}. "
                f"Got {reduce!r} instead."
            )
        require_folder("ImageSequence", "cache", cache)
        names = file_names("ImageSequence.from_files", paths)
        if names is None:
            raise TypeError(
                f"ImageSequence.from_files takes file names; got a {type(paths).__name__} of none."
            )
        if names and isinstance(names[0], tuple):
            settings = {"mode": None if mode == "RGB" else mode, "hdu": hdu, "reduce": reduce}
            source = BandsSource([FileSource(column, **settings) for column in zip(*names)])
        else:
            source = FileSource(names, mode=mode, hdu=hdu, reduce=reduce)
        images = cls(source, on_error=on_error, n_jobs=n_jobs)
        images.index = paths.index[images.kept_] if hasattr(paths, "iloc") else None
        if fill_nan is not None:
            images = images.fill_nan(fill_nan)
        if cache is not None:
            images._lazy_cache = LazyCache(os.path.abspath(cache), images._index, verbose)
        return images

    @classmethod
    def from_array(cls, array, *, names=None, n_jobs=None):
        """Return the images of an array or memmap, which is not copied.

        A memmap is pickled as the path of its file; an array in memory with its pixels.

        Parameters
        ----------
        array : ndarray of shape (n, height, width, n_channels) or (n, height, width)
            Pixels; whole numbers other than uint8 are read as float64.
        names : sequence of str, default=None
            Name of each image; None numbers them.
        n_jobs : int, default=None
            Threads that decode; None is every core.

        Returns
        -------
        ImageSequence
            Not read yet.

        Raises
        ------
        ValueError
            If `array` has another rank, holds no pixels or no numbers, or pixels are masked; if
            it looks like a single colour image, (height, width, 3) or (height, width, 4).
        """
        if not isinstance(array, np.memmap):
            require_unmasked("ImageSequence.from_array", array)
            array = np.asarray(array)
        require_many("ImageSequence.from_array", array.shape)
        return cls(ArraySource(array, names), n_jobs=n_jobs)

    @classmethod
    def from_hdf5(cls, file, dataset, *, on_error="raise", n_jobs=None):
        """Return the rows of an HDF5 dataset.

        Parameters
        ----------
        file : str or PathLike
            HDF5 file.
        dataset : str
            Name of a dataset of shape (n, height, width, n_channels) or (n, height, width).
        on_error : {"raise", "skip", "blank"}, default="raise"
            What becomes of an image that cannot be read; see `ImageSequence`.
        n_jobs : int, default=None
            Threads that decode; None is every core.

        Returns
        -------
        ImageSequence
            Not read yet.

        Raises
        ------
        ImageReadError
            If the file or the dataset cannot be read.
        """
        source = _open_source("from_hdf5", Hdf5Source, file, dataset)
        return cls(source, on_error=on_error, n_jobs=n_jobs)

    @classmethod
    def from_zip(cls, file, members=None, *, mode="RGB", hdu=None, on_error="raise", n_jobs=None):
        """Return the images in a zip file.

        Parameters
        ----------
        file : str or PathLike
            Zip file.
        members : sequence of str, default=None
            Names of members; None takes every image, in the order of the archive.
        mode : {"RGB", "L", None}, default="RGB"
            Bands of 8-bit images; None keeps grey as one band and makes the rest RGB. FITS,
            HDF5 and 16-bit, 32-bit or float images keep their bands. EXIF orientation is ignored.
        hdu : int, str or tuple, default=None
            FITS extension by number, name or (name, version); None takes the first with an image.
        on_error : {"raise", "skip", "blank"}, default="raise"
            What becomes of an image that cannot be read; see `ImageSequence`.
        n_jobs : int, default=None
            Threads that decode; None is every core.

        Returns
        -------
        ImageSequence
            Not read yet.

        Raises
        ------
        ImageReadError
            If the archive cannot be read.
        """
        _check_mode(mode)
        source = _open_source("from_zip", ZipSource, file, members, mode=mode, hdu=hdu)
        return cls(source, on_error=on_error, n_jobs=n_jobs)

    @classmethod
    def from_encoded(cls, data, offsets, *, names=None, mode="RGB", on_error="raise", n_jobs=None):
        """Return images whose files lie end to end in memory.

        Parameters
        ----------
        data : ndarray of uint8
            JPEG, PNG, TIFF or WebP files.
        offsets : array-like of int, shape (n + 1,)
            File i is ``data[offsets[i]:offsets[i + 1]]``.
        names : sequence of str, default=None
            Name of each file; None numbers them.
        mode : {"RGB", "L", None}, default="RGB"
            Bands of 8-bit images; None keeps grey as one band and makes the rest RGB. FITS,
            HDF5 and 16-bit, 32-bit or float images keep their bands. EXIF orientation is ignored.
        on_error : {"raise", "skip", "blank"}, default="raise"
            What becomes of an image that cannot be read; see `ImageSequence`.
        n_jobs : int, default=None
            Threads that decode; None is every core.

        Returns
        -------
        ImageSequence
            Not read yet.

        Raises
        ------
        ValueError
            If `data` are no bytes or `offsets` do not rise within them.
        """
        _check_mode(mode)
        return cls(EncodedSource(data, offsets, names, mode=mode), on_error=on_error, n_jobs=n_jobs)

    @classmethod
    def concatenate(cls, sequences, *, n_jobs=None):
        """Return the images of several sequences, one after the other.

        Nothing is read or copied. Each part keeps its chain and its cache, and `map` adds to the
        chain of every part.

        Parameters
        ----------
        sequences : sequence of ImageSequence
            At least one. One with ``on_error="blank"`` lets the images of all be blank.
        n_jobs : int, default=None
            Threads that decode; None is every core.

        Returns
        -------
        ImageSequence
            Not read yet.

        Raises
        ------
        ValueError
            If there is no sequence, or one is no ImageSequence.
        """
        parts = list(sequences)
        wrong = [type(part).__name__ for part in parts if not isinstance(part, cls)]
        if wrong or not parts:
            raise ValueError(
                "ImageSequence.concatenate takes one ImageSequence or more; got "
                f"{wrong[0] if wrong else 'none'}."
            )
        blank = any(part.on_error == "blank" for part in parts)
        source = ConcatenatedSource(parts)
        return cls(source, on_error="blank" if blank else "raise", n_jobs=n_jobs)


def _check_mode(mode):
    if mode not in MODES:
        raise ValueError(
            f"The mode parameter of ImageSequence must be one of {MODES}. Got {mode!r} instead."
        )


def _open_source(method, source, file, *args, **options):
    try:
        return source(file, *args, **options)
    except UnreadableError as error:
        raise ImageReadError(
            f"ImageSequence.{method} cannot read {os.fspath(file)!r}: {error}."
        ) from error
