"""One image file, or its bytes, into an array (height, width, bands)."""

import gzip
import io
import os
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from galaxy_sklearn._optional import import_optional
from galaxy_sklearn._validation import MAX_SIDE
from galaxy_sklearn.exceptions import MissingDependencyError

PILLOW_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP")
PILLOW_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".webp")
FITS_SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fts.gz", ".fz")
IMAGE_SUFFIXES = PILLOW_SUFFIXES + FITS_SUFFIXES
_ENDS_EARLY = ("cannot reshape array", "buffer is too small")  # as astropy says it
_FEW_BANDS = 5
_GZIP_MAGIC = b"\x1f\x8b"
_BITS, _PHOTOMETRIC, _BANDS, _EXTRA = 258, 262, 277, 338  # tags of TIFF 6.0
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}  # grey, RGB, palette, CMYK, YCbCr, Lab
_ALPHA = (1, 2)  # kinds of extra bands
MODES = ("RGB", "L", None)
REDUCTIONS = (1, 2, 4, 8)


class UnreadableError(Exception):
    """An image cannot be read; the message is the reason, without file or row."""


def decode(file, name, *, mode="RGB", hdu=None, reduce=1):
    """Return the pixels of one image.

    JPEG, PNG, TIFF and WebP are told apart by their content; FITS by the suffix of `name`. Of
    a file with several pages the first is taken. TIFF is read as grey, RGB or CMYK, its alpha
    dropped; one of other bands is an error. The EXIF orientation is ignored: pixels come
    as they are stored.

    Parameters
    ----------
    file : str, PathLike or bytes
        Path, or the whole file.
    name : str
        File name whose suffix tells FITS from the rest, in any letter case.
    mode : {"RGB", "L", None}, default="RGB"
        Bands of 8-bit images; None keeps grey as one band and makes anything else RGB
        (transparency is dropped). FITS and 16-bit, 32-bit or float images keep their bands.
    hdu : int, str or tuple, default=None
        FITS extension by number, name or (name, version); None takes the first with an image.
    reduce : {1, 2, 4, 8}, default=1
        8-bit images become smaller by this factor, each pixel the mean of a square of them; JPEG
        does so while it is decoded. Other images keep their size.

    Returns
    -------
    ndarray of shape (height, width, n_bands)
        uint8 for 8-bit images, else float32, or float64 for 32-bit integers and doubles.

    Raises
    ------
    UnreadableError
        If the file is missing, empty, damaged, of another type, or over `MAX_SIDE` pixels a side.
    """
    try:
        if name.lower().endswith(FITS_SUFFIXES):
            return _decode_fits(file, hdu)
        try:
            return _decode_pillow(file, mode, reduce)
        except UnidentifiedImageError:
            if name.lower().endswith((".tif", ".tiff")):
                _check_tiff(_first_directory(file))
                return _decode_deep(file)
            raise
    except (UnreadableError, MissingDependencyError, MemoryError):
        raise
    except Exception as error:  # damaged files raise nearly anything
        raise UnreadableError(_reason(file, error)) from error


def as_pixels(image):
    """Return `image` as uint8 or native floating point; without loss up to double precision."""
    if image.dtype == np.uint8:
        return image
    if image.dtype.kind == "f" and image.dtype.itemsize <= 8:
        return image if image.dtype.isnative else image.astype(image.dtype.newbyteorder("="))
    if image.dtype.kind not in "iubf":
        raise UnreadableError(f"its pixels are {image.dtype}, not numbers")
    return image.astype(np.float32 if image.dtype.itemsize <= 2 else np.float64)


def check_finite(image):
    """Raise UnreadableError if an image of floating point holds NaN or infinity."""
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise UnreadableError(f"it holds {'NaN' if np.isnan(image).any() else 'infinity (inf)'}")


def check_sides(height, width):
    """Raise UnreadableError if an image has no pixels or too many."""
    if min(height, width) < 1:
        raise UnreadableError("it holds no pixels")
    if max(height, width) > MAX_SIDE:
        raise UnreadableError(f"it has {height} x {width} pixels, over {MAX_SIDE} a side")


def _reason(file, error):
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a folder, not a file"
    if isinstance(error, PermissionError):
        return "permission to read it is denied"
    if _is_empty(file):
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        what = "it is not a JPEG, PNG, TIFF, WebP or FITS image"
        return f"{what}; name a row of it as file::dataset::row" if _is_hdf5(file) else what
    first_sentence = " ".join(str(error).split()).split(". ")[0].rstrip(".")
    return first_sentence or type(error).__name__


def _is_hdf5(file):
    return not isinstance(file, bytes) and os.fspath(file).lower().endswith((".h5", ".hdf5"))


def _is_empty(file):
    if isinstance(file, bytes):
        return not file
    try:
        return os.path.getsize(file) == 0
    except (OSError, ValueError):
        return False


def _decode_pillow(file, mode, reduce):
    source = io.BytesIO(file) if isinstance(file, bytes) else file
    with Image.open(source, formats=PILLOW_FORMATS) as image:
        width, height = image.size
        check_sides(height, width)
        if image.format == "TIFF":
            _check_tiff(image.tag_v2)
        if Image.MAX_IMAGE_PIXELS and width * height > Image.MAX_IMAGE_PIXELS:
            raise UnreadableError(f"it has {height} x {width} pixels, too many to be a cutout")
        if image.mode in ("I", "F") or image.mode.startswith("I;"):
            return as_pixels(np.asarray(image))[..., np.newaxis]
        layout = str(image.tile)
        if ";16" in layout:
            image.load()  # finds a truncated file, which OpenCV would fill up
            return _decode_deep(file)[..., : 1 if "LA;16" in layout else None]
        left = _draft(image, reduce)
        image = _convert(image, mode)
        pixels = np.asarray(image.reduce(left) if left > 1 else image)
    return pixels if pixels.ndim == 3 else pixels[..., np.newaxis]


def _first_directory(file):
    """Return the tags of a TIFF's first page."""
    with io.BytesIO(file) if isinstance(file, bytes) else open(file, "rb") as stream:
        header = stream.read(8)
        if header[2:4] in (b"+\0", b"\0+"):  # a BigTIFF
            header += stream.read(8)
        try:
            tags = ImageFileDirectory_v2(header)
        except SyntaxError as error:
            raise UnidentifiedImageError from error
        stream.seek(tags.next)
        tags.load(stream)
    return tags


def _check_tiff(tags):
    """Raise UnreadableError if a TIFF has bands that Pillow and OpenCV leave out or mix up."""
    bands, extra = tags.get(_BANDS, 1), tags.get(_EXTRA, ())
    colours = _COLOURS.get(tags.get(_PHOTOMETRIC, 1), bands)
    alpha = colours < 4 and (tuple(extra) in {(kind,) for kind in _ALPHA} or not extra)
    if bands != colours and not (alpha and bands == colours + 1):
        bits = max(tags.get(_BITS, (1,)))
        raise UnreadableError(
            f"it is a TIFF of {bands} bands of {bits} bits, not grey, RGB or CMYK: FITS and HDF5 "
            f"hold any number of bands"
        )


def _draft(image, reduce):
    """Let the decoder reduce the image as far as it can; return the factor that is left."""
    before = image.size
    image.draft(None, tuple(max(1, side // reduce) for side in before))
    done = next(factor for factor in REDUCTIONS if -(-max(before) // factor) == max(image.size))
    return reduce // done


def _decode_deep(file):
    """Read by OpenCV what Pillow cannot or cuts to 8 bits: deep colour, doubles."""
    data = file if isinstance(file, bytes) else Path(file).read_bytes()
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise UnidentifiedImageError
    check_sides(*pixels.shape[:2])
    if pixels.ndim == 2:
        pixels = pixels[..., np.newaxis]
    elif pixels.shape[-1] in (3, 4):  # BGR, BGRA
        pixels = np.ascontiguousarray(pixels[..., 2::-1])
    return as_pixels(pixels)


def _convert(image, mode):
    if mode is None:
        mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    if image.mode == mode:
        return image
    if image.mode in ("P", "PA") and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert(mode)


def _decode_fits(file, hdu):
    fits = import_optional("astropy.io.fits", extra="io", feature="Reading FITS files")
    source = io.BytesIO(file) if isinstance(file, bytes) else os.fspath(file)
    if isinstance(file, bytes) and file.startswith(_GZIP_MAGIC):
        source = gzip.GzipFile(fileobj=source)
    with fits.open(source, memmap=False) as hdus:
        unit = _choose_hdu(hdus, hdu)
        shape = [side for side in unit.shape if side > 1] or [1]
        check_sides(1, max(shape))
        return as_pixels(bands_last(_fits_pixels(unit)))


def _fits_pixels(unit):
    blank = unit.header.get("BLANK")
    try:
        pixels = np.asarray(unit.data)
    except (ValueError, TypeError) as error:
        if str(error).startswith(_ENDS_EARLY):
            raise UnreadableError("the FITS file is truncated: its pixels end early") from error
        raise
    if not isinstance(blank, int) or pixels.dtype.kind != "u":
        return pixels  # astropy has made NaN of the blanks of signed integers
    is_blank = pixels == blank + unit.header.get("BZERO", 0)
    if not is_blank.any():
        return pixels
    number = np.float32 if pixels.dtype.itemsize <= 2 else np.float64
    return np.where(is_blank, np.nan, pixels.astype(number))


def _choose_hdu(hdus, wanted):
    if wanted is None:
        for unit in hdus:
            if unit.is_image and len(unit.shape) >= 2:
                return unit
        raise UnreadableError("none of its FITS extensions holds an image")
    try:
        unit = hdus[wanted]
    except (KeyError, IndexError) as error:
        raise UnreadableError(f"it has no FITS extension {wanted!r}") from error
    if not unit.is_image or len(unit.shape) < 2:
        raise UnreadableError(f"its FITS extension {wanted!r} holds no image")
    return unit


def bands_last(cube):
    """Return an image (height, width, bands) from a FITS array.

    A FITS cube is (bands, height, width), but some writers put the bands last: so is a last axis
    read that is shorter than the others, of at most five, or behind a square image. Leading axes
    of length 1 are dropped.
    """
    while cube.ndim > 3 and cube.shape[0] == 1:
        cube = cube[0]
    if cube.ndim == 2:
        return cube[..., np.newaxis]
    if cube.ndim != 3:
        raise UnreadableError(f"its FITS array has {cube.ndim} dimensions, not 2 or 3")
    height, width, last = cube.shape
    are_last = last < min(height, width) and (last <= _FEW_BANDS or height == width)
    return np.ascontiguousarray(cube if are_last else np.moveaxis(cube, 0, -1))
