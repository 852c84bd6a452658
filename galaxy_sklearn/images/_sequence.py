"""Images that are not read yet, and behave like an array of them."""

import copy
import os
from collections import deque

import numpy as np

from galaxy_sklearn.exceptions import ImageReadError
from galaxy_sklearn.images._buffers import Buffers
from galaxy_sklearn.images._cache import cached_images
from galaxy_sklearn.images._concatenated import ConcatenatedSource
from galaxy_sklearn.images._constructors import Constructors
from galaxy_sklearn.images._decode import UnreadableError, check_finite
from galaxy_sklearn.images._failures import FailureLog
from galaxy_sklearn.images._fill import FillNan
from galaxy_sklearn.images._kinds import require_kind
from galaxy_sklearn.images._memory import MemorySource
from galaxy_sklearn.images._rows import select_places, select_rows
from galaxy_sklearn.images._sources import ArraySource
from galaxy_sklearn.images._threads import Workers, n_threads

ON_ERROR = ("raise", "skip", "blank")
_ITERATED_AT_ONCE = 32
_BATCHES_AHEAD = 1  # queued behind the one waited for, so that no thread idles


class ImageSequence(Constructors):
    """Images not read yet: an array (n, height, width, n_channels) whose pixels come when asked.

    It holds where the images are (a source) and the chain of steps that each passes on its way.
    ``len``, ``shape``, ``dtype`` and indexing are those of an array, so every scikit-learn
    splitter takes it. A slice, mask or array of rows gives another ImageSequence, which costs
    its row numbers only; one number gives the pixels of that image. Make one with `from_files`,
    `from_array`, `from_hdf5`, `from_zip` or `from_encoded`.

    Parameters
    ----------
    source : object
        Has ``len``, ``read(i)``, ``name(i)`` and ``identity(i)``.
    on_error : {"raise", "skip", "blank"}, default="raise"
        What becomes of an image that cannot be read. "raise": ImageReadError with file, reason
        and row. "blank": an image of zeros takes its place, so rows stay aligned with y; one
        warning gives the count. "skip": every image is tried now and the sequence is shortened;
        index y by `kept_`. In a Pipeline, where y cannot follow, use "blank". NaN or infinity
        that a later step refuses is an ImageReadError under "skip".
    n_jobs : int, default=None
        Threads that decode; None is every core.

    Attributes
    ----------
    failed_ : list of (row, file, reason)
        Images that could not be read so far; rows count in the source. Shared with the views
        and maps of this sequence, and filled while images are read.
    kept_ : ndarray of int, shape (n,)
        Row in the source of each image.
    index : pandas.Index of shape (n,) or None
        That of the table which the images came from; tables made of them have it too.
    unreadable_ : ndarray of bool, shape (n,)
        Which of these images are blanks in place of what could not be read, as far as they were
        read; of `cache` too.
    """

    is_image_sequence = True
    ndim = 4
    index = None
    _source_dtype = None  # of the first image before the chain, once known

    def __init__(self, source, *, on_error="raise", n_jobs=None):
        if on_error not in ON_ERROR:
            raise ValueError(
                f"The on_error parameter of ImageSequence must be one of {ON_ERROR}. "
                f"Got {on_error!r} instead."
            )
        n_threads(n_jobs)
        self.source = source
        self.chain = ()
        self.on_error = on_error
        self.n_jobs = n_jobs
        self._index = None  # rows of the source; None is all of them
        self._spec = None  # shape and dtype of one image, once known
        self._log = FailureLog()
        self._lazy_cache = None
        self._stored_view = None
        if on_error == "skip":
            self._skip_unreadable()

    # What makes it look like an array

    def __len__(self):
        return len(self.source) if self._index is None else len(self._index)

    @property
    def shape(self):
        """(n, height, width, n_channels); the first readable image is read to find it."""
        return (len(self), *self._known_spec()[0])

    @property
    def dtype(self):
        """Type of the pixels; found together with `shape`."""
        return self._known_spec()[1]

    def __getitem__(self, key):
        if isinstance(key, tuple):
            if len(key) != 2 or key[1] is not Ellipsis:
                raise IndexError(
                    "ImageSequence is indexed by rows only, as X[rows] or X[rows, ...]; got "
                    f"{len(key)} indices: use np.asarray(X) for pixels."
                )
            key = key[0]
        if isinstance(key, int | np.integer) and not isinstance(key, bool | np.bool_):
            return self._one(select_rows(self, [key])[0])
        places = select_places(self, key)
        index = None if self.index is None else self.index[places]
        return self._derived(_index=self.kept_[places], _spec=self._free_spec(), index=index)

    def __iter__(self):
        for batch in self.batches(_ITERATED_AT_ONCE):
            yield from batch

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("ImageSequence cannot become an array without a copy: it must decode.")
        pixels = self.read()
        return pixels if dtype is None else pixels.astype(dtype, copy=False)

    def __repr__(self):
        sides = "not read yet" if self._spec is None else self._spec[0]
        chain = "".join(f", {step!r}" for step in self.chain)
        return f"ImageSequence(n={len(self)}, image={sides}, {type(self.source).__name__}{chain})"

    def __getstate__(self):
        return {**self.__dict__, "_stored_view": None}

    # What is known about the images

    @property
    def failed_(self):
        """List of (row, file, reason) of images that could not be read so far."""
        return self._log.entries

    @property
    def kept_(self):
        """Row in the source of each image, (n,)."""
        return np.arange(len(self)) if self._index is None else self._index

    @property
    def unreadable_(self):
        """Which images could not be read so far, bool (n,)."""
        known = getattr(self.source, "unreadable", None)
        if known is not None and not isinstance(self.source, ConcatenatedSource):
            return known[self.kept_]  # a cache, whose log has rows of what was cached
        failed = np.isin(self.kept_, [row for row, *_ in self.failed_])
        return failed if known is None else failed | known[self.kept_]

    @property
    def names(self):
        """File name, or ``"archive::member"``, of each image."""
        return [self.source.name(row) for row in self.kept_]

    # Reading

    def map(self, step):
        """Return these images with one more step at the end of the chain.

        Parameters
        ----------
        step : object
            Picklable, with ``transform_images(images)`` taking (n, h, w, c) and returning the
            same number of images; called on one image at a time, in the decoding threads. Where
            it has ``finite_only = True``, an image with NaN or infinity counts as unreadable
            there: the steps of `preprocessing` are such, but for `CenterCrop`.

        Returns
        -------
        ImageSequence
            New, not read yet; this one stays as it is.
        """
        if isinstance(self.source, ConcatenatedSource):  # so that each part keeps its cache
            return self._derived(source=self.source.map(step))
        lazy = self._lazy_cache and self._lazy_cache.afresh()
        return self._derived(chain=(*self.chain, step), _lazy_cache=lazy)

    def fill_nan(self, value):
        """Return these images with a number in place of NaN, as masked pixels of a survey are.

        Infinity stays, and so does NaN that an earlier step refuses.

        Parameters
        ----------
        value : float
            Finite.

        Returns
        -------
        ImageSequence
            New, not read yet; images of whole numbers stay as they are.

        Raises
        ------
        ValueError
            If `value` is not finite.
        """
        if not np.isfinite(value):
            raise ValueError(
                "The fill_nan parameter of ImageSequence must be a finite number or None. "
                f"Got {value!r} instead."
            )
        return self.map(FillNan(value))

    def read(self, rows=None, *, n_jobs=None):
        """Return the pixels of the images at `rows`, decoded by threads.

        Parameters
        ----------
        rows : slice, mask or array-like of int, default=None
            Positions in this sequence, in any order, repeats allowed; None is all.
        n_jobs : int, default=None
            Threads; None takes the sequence's own `n_jobs`.

        Returns
        -------
        ndarray of shape (n_rows, height, width, n_channels)
            A fresh array.

        Raises
        ------
        ImageReadError
            If an image cannot be read and `on_error` is not "blank".
        ValueError
            If an image has another shape or kind of pixels (uint8 or float) than the first, or
            values that its type cannot hold.
        """
        images = self._stored()
        rows = images.kept_ if rows is None else select_rows(images, rows)
        with Workers(self.n_jobs if n_jobs is None else n_jobs) as workers:
            pixels = images._read(rows, workers)
        images._warn()
        return pixels

    def read_through(self, place):
        """Return the image at `place` through cache and chain.

        Raises UnreadableError if it cannot be read.
        """
        images = self._stored()
        return images.decode(images.source_row(place))

    def decode(self, row):
        """Return the image at `row` of the source, through the chain.

        Raises UnreadableError if it cannot be read, ValueError if it enters the chain with another
        kind of pixels than the first.
        """
        image = self.source.read(row)
        if not self.chain:
            return image
        require_kind(image.dtype, self._source_dtype, row, self.source.name(row))
        done = self._through_chain(image, row)
        if self._source_dtype is None:
            self._source_dtype = image.dtype
        return done

    def source_row(self, place):
        """Return the row in the source of the image at `place`."""
        return int(place if self._index is None else self._index[place])

    def batches(self, batch_size):
        """Yield all images in order, `batch_size` at a time, the next decoded meanwhile.

        Parameters
        ----------
        batch_size : int
            Images in a batch; the last may hold fewer.

        Yields
        ------
        ndarray of shape (batch_size, height, width, n_channels)
        """
        if batch_size < 1:
            raise ValueError(f"ImageSequence.batches needs a batch_size above 0; got {batch_size}.")
        images = self._stored()
        yield from images._pass(batch_size)
        images._warn()

    def cache(self, folder, *, verbose=0, n_jobs=None):
        """Return the same images as a memory map, decoded once into `folder`.

        A second call with the same files (path, size, times of change) and the same chain
        (class, parameters, fitted state) finds the pixels there and decodes nothing. The file
        appears whole or not at all, so a killed run and two runs at once do no harm.

        Parameters
        ----------
        folder : str or PathLike
            Made if missing; ValueError if it is a file. It may be deleted, only time is lost.
        verbose : int, default=0
            Above 0, a progress bar is shown while images are decoded.
        n_jobs : int, default=None
            Threads; None takes the sequence's own `n_jobs`.

        Returns
        -------
        ImageSequence
            Over a read-only memory map; uint8 stays uint8, float32 stays float32.
        """
        n_jobs = self.n_jobs if n_jobs is None else n_jobs
        source = self._derived(_lazy_cache=None, _log=FailureLog(), n_jobs=n_jobs)
        array, names, positions, failures = cached_images(source, os.fspath(folder), verbose)
        self._log.add(failures)
        source._log.add(failures)
        unreadable = np.zeros(len(array), dtype=bool)
        unreadable[positions] = source.unreadable_
        stored = ImageSequence(ArraySource(array, names, unreadable))
        stored._index, stored._log, stored.n_jobs = positions, self._log, self.n_jobs
        stored.index = self.index
        self._warn()
        return stored

    def in_memory(self):
        """Return the same images, each decoded when it is first read and then kept in memory.

        Returns
        -------
        ImageSequence
            Nothing is read yet. What lies in arrays, mapped ones too, is not kept again.
        """
        images = self._stored()
        if isinstance(images.source, ConcatenatedSource):
            return images._derived(source=images.source.in_memory())
        if hasattr(images.source, "read_many"):
            return self
        return images._derived(source=MemorySource(images), chain=())

    def _derived(self, **changes):
        images = copy.copy(self)
        images._spec = images._source_dtype = None
        images.__dict__.update(changes)
        return images

    def _stored(self):
        """Return the images to read from: the lazy cache's where there is one."""
        if self._lazy_cache is None:
            return self
        if self._stored_view is None:
            self._stored_view = self._lazy_cache.view(self)
        return self._stored_view

    def _free_spec(self):
        """Return shape and dtype where the source knows them without reading."""
        return None if self.chain else getattr(self.source, "spec", None)

    def _known_spec(self):
        if self._spec is None:
            self._spec = self._free_spec() or self._probe()
        return self._spec

    def _probe(self):
        """Read the first readable image, of these or else of the whole source."""
        if len(self.source) == 0:
            raise ValueError("ImageSequence is empty: without an image there is no shape.")
        failures = []
        for rows in (self.kept_, range(len(self.source))):
            for row in rows:
                image, failure = self._try(row)
                if failure is None:
                    return image.shape, image.dtype
                failures.append(failure)
        self._log.add(failures)
        row, file, reason = failures[0]
        raise ImageReadError(
            f"ImageSequence could read none of {len(self.source)} images; the first is row {row} "
            f"({file!r}: {reason})."
        )

    def _read(self, rows, workers):
        """Return the images of source `rows`."""
        if self._read_many is not None:
            return self._read_many(rows, np.empty)
        pixels, fill = self._filler(rows, np.empty)
        self._account(workers.run(fill, len(rows)))
        return pixels

    def _start(self, rows, workers, empty):
        """Begin to read source `rows`; return what waits for them."""
        if self._read_many is not None:
            return workers.start_one(self._read_many, rows, empty).result
        pixels, fill = self._filler(rows, empty)
        futures = workers.start(fill, len(rows))

        def finish():
            self._account(future.result() for future in futures)
            return pixels

        return finish

    def _pass(self, batch_size):
        """Yield all images like `batches`, without the warning."""
        rows, empty, started = self.kept_, Buffers().empty, deque()
        with Workers(self.n_jobs) as workers:
            for start in range(0, len(rows), batch_size):
                started.append(self._start(rows[start : start + batch_size], workers, empty))
                if len(started) > _BATCHES_AHEAD:
                    yield started.popleft()()
            while started:
                yield started.popleft()()

    @property
    def _read_many(self):
        return None if self.chain else getattr(self.source, "read_many", None)

    def _filler(self, rows, empty):
        """Return room for the images of `rows`, and the function that fills a part of it."""
        shape, dtype = self._known_spec()
        pixels = empty((len(rows), *shape), dtype)

        def fill(start, stop):
            return [self._place(pixels, k, rows[k]) for k in range(start, stop)]

        return pixels, fill

    def _account(self, parts):
        self._log.add([failure for part in parts for failure in part if failure])

    def _one(self, row):
        image, failure = self._try(row)
        if failure is None:
            return np.require(image, requirements="W")
        self._log.add([failure])
        self._warn()
        return np.zeros(*self._known_spec())

    def _place(self, pixels, k, row):
        image, failure = self._try(row)
        if failure is not None:
            pixels[k] = 0
            return failure
        if image.shape != pixels.shape[1:] or image.dtype.kind != pixels.dtype.kind:
            same = image.shape == pixels.shape[1:]
            raise ValueError(
                f"ImageSequence holds images of different kinds: row {row} "
                f"({self.source.name(row)!r}) is {image.dtype} of shape {image.shape}, expected "
                f"{pixels.dtype} of shape {pixels.shape[1:]} like the first; "
                f"{'scale pixels alike' if same else 'crop or resize'} first."
            )
        try:
            with np.errstate(over="raise"):
                pixels[k] = image
        except FloatingPointError as error:
            raise ValueError(
                f"ImageSequence holds images of {pixels.dtype}, like the first; row {row} "
                f"({self.source.name(row)!r}) is {image.dtype}, with values too large for that."
            ) from error
        return None

    def _try(self, row):
        """Return (image, None), or (None, failure) where `on_error` lets it pass."""
        row = int(row)
        try:
            return self.decode(row), None
        except UnreadableError as error:
            if self.on_error == "blank":
                return None, (row, self.source.name(row), str(error))
            raise ImageReadError(
                f"ImageSequence cannot read row {row}, {self.source.name(row)!r}: {error}."
            ) from error

    def _through_chain(self, image, row):
        try:
            for step in self.chain:
                if getattr(step, "finite_only", False):
                    check_finite(image)
                image = step.transform_images(image[np.newaxis])[0]
        except UnreadableError:
            raise
        except Exception as error:
            error.add_note(f"This was row {row} of an ImageSequence, {self.source.name(row)!r}.")
            raise
        return image

    def _skip_unreadable(self):
        def failures_of(start, stop):
            return [self._failure(row) for row in range(start, stop)]

        n = len(self.source)
        with Workers(self.n_jobs) as workers:
            failures = [one for part in workers.run(failures_of, n) for one in part]
        self._index = np.flatnonzero([one is None for one in failures])
        self._log.add([one for one in failures if one])
        self._log.warn_once(n, "left them out: index y by kept_")

    def _failure(self, row):
        try:
            self.source.read(row)
        except UnreadableError as error:
            return (row, self.source.name(row), str(error))
        return None

    def _warn(self):
        self._log.warn_once(len(self.source), "put blank images in their place")
