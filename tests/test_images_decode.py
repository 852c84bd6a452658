"""Every kind of image file gives the pixels that were put in, or says why not."""

import gzip
import io
import struct
import sys
import warnings
import zlib

import cv2
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from galaxy_sklearn._validation import MAX_SIDE
from galaxy_sklearn.exceptions import MissingDependencyError
from galaxy_sklearn.images import ImageSequence
from galaxy_sklearn.images._decode import UnreadableError, bands_last, decode


def colours(height=6, width=5, bands=3, dtype=np.uint8):
    """Return an image where every value differs."""
    return np.arange(height * width * bands).reshape(height, width, bands).astype(dtype)


def read(path, **options):
    return decode(str(path), str(path), **options)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "PNG", "TIFF"])
def test_lossless_formats_give_back_the_pixels(tmp_path, suffix):
    path = tmp_path / f"galaxy.{suffix}"
    Image.fromarray(colours()).save(path, lossless=True)
    np.testing.assert_array_equal(read(path), colours())
    np.testing.assert_array_equal(decode(path.read_bytes(), ""), colours())


def test_jpeg_is_what_pillow_decodes(tmp_path):
    path = tmp_path / "galaxy.jpg"
    Image.fromarray(colours(40, 30)).save(path, quality=90)
    np.testing.assert_array_equal(read(path), np.asarray(Image.open(path)))
    grey = np.asarray(Image.open(path).convert("L"))
    np.testing.assert_array_equal(read(path, mode="L"), grey[..., np.newaxis])


@pytest.mark.parametrize("reduce", [2, 4, 8])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_reduced_pixels_are_means_of_squares(tmp_path, suffix, reduce):
    y, x = np.mgrid[:64, :48]
    smooth = (128 + 100 * np.sin(x / 9) * np.cos(y / 11)).astype(np.uint8)
    image = np.stack([smooth, smooth // 2, 255 - smooth], -1)
    Image.fromarray(image).save(tmp_path / f"a.{suffix}", quality=98, subsampling=0)
    squares = image.reshape(64 // reduce, reduce, 48 // reduce, reduce, 3)
    found = read(tmp_path / f"a.{suffix}", reduce=reduce)
    np.testing.assert_allclose(found, squares.mean((1, 3)), atol=4)


@given(
    sides=st.tuples(st.integers(1, 70), st.integers(1, 70)), reduce=st.sampled_from([1, 2, 4, 8])
)
def test_reduced_sides_do_not_depend_on_the_format(sides, reduce):
    for suffix in ("JPEG", "PNG"):
        file = io.BytesIO()
        Image.new("RGB", sides).save(file, suffix)
        pixels = decode(file.getvalue(), "", reduce=reduce)
        assert pixels.shape == (-(-sides[1] // reduce), -(-sides[0] // reduce), 3)


def test_a_cache_tells_reductions_apart(tmp_path):
    Image.fromarray(colours(16, 16)).save(tmp_path / "a.png")
    whole, half = (
        ImageSequence.from_files([tmp_path / "a.png"], reduce=reduce, cache=tmp_path / "cache")
        for reduce in (1, 2)
    )
    assert np.asarray(whole).shape == (1, 16, 16, 3)
    assert np.asarray(half).shape == (1, 8, 8, 3)
    with pytest.raises(ValueError, match=r"reduce parameter .* one of \(1, 2, 4, 8\). Got 3"):
        ImageSequence.from_files([tmp_path / "a.png"], reduce=3)


@pytest.mark.parametrize(
    ("stored", "bands"),
    [("1", 1), ("L", 1), ("LA", 1), ("P", 3), ("RGB", 3), ("RGBA", 3), ("CMYK", 3)],
)
def test_mode_none_keeps_grey_and_makes_the_rest_rgb(tmp_path, stored, bands):
    path = tmp_path / ("a.tif" if stored == "CMYK" else "a.png")
    Image.fromarray(colours(8, 8)).convert(stored).save(path)
    assert read(path, mode=None).shape == (8, 8, bands)
    assert read(path).shape == (8, 8, 3)
    assert read(path, mode="L").shape == (8, 8, 1)


def test_transparency_of_a_palette_is_dropped_in_silence(tmp_path):
    image = Image.fromarray(colours(8, 8)).convert("P")
    image.save(tmp_path / "a.png", transparency=bytes(100))
    assert read(tmp_path / "a.png").dtype == np.uint8


def test_exif_orientation_is_ignored(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a viewer would turn it by 90 degrees
    Image.fromarray(colours()).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read(tmp_path / "a.png"), colours())


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("mode", ["RGB", "L", None])
def test_16_bits_become_float32_without_loss(tmp_path, name, bands, mode):
    deep = colours(bands=bands, dtype=np.uint16) * 700 + 3
    cv2.imwrite(str(tmp_path / name), deep[..., ::-1])
    pixels = read(tmp_path / name, mode=mode)
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels, deep)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bands", [1, 3])
def test_float_tiff_keeps_its_numbers(tmp_path, dtype, bands):
    flux = colours(bands=bands, dtype=dtype) / 7 - 2
    cv2.imwrite(str(tmp_path / "a.tif"), flux[..., ::-1])
    pixels = read(tmp_path / "a.tif")
    assert pixels.dtype == dtype
    np.testing.assert_array_equal(pixels, flux)


@pytest.mark.parametrize("suffix", ["fits", "fit", "fts", "FITS", "fits.gz", "Fit.GZ", "fts.gz"])
def test_fits_in_any_spelling(tmp_path, suffix):
    flux = colours(bands=1, dtype=np.float32)[..., 0] - 3
    file = io.BytesIO()
    fits.PrimaryHDU(flux).writeto(file)
    data = gzip.compress(file.getvalue()) if suffix.lower().endswith("gz") else file.getvalue()
    path = tmp_path / f"galaxy.{suffix}"
    path.write_bytes(data)
    for pixels in (read(path), decode(data, path.name)):
        assert pixels.dtype == np.dtype("=f4")
        np.testing.assert_array_equal(pixels[..., 0], flux)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [(">f4", "f4"), (">f8", "f8"), ("i2", "f4"), ("i4", "f8"), ("u2", "f4"), ("u1", "u1")],
)
def test_fits_pixel_types(tmp_path, stored, expected):
    fits.writeto(tmp_path / "a.fits", colours(bands=1, dtype=stored)[..., 0])
    pixels = read(tmp_path / "a.fits")
    assert pixels.dtype == np.dtype(expected)
    np.testing.assert_array_equal(pixels, colours(bands=1))


@pytest.mark.parametrize("stored", [np.uint8, np.int16, np.uint16, np.uint32])
def test_blank_pixels_of_fits_are_not_numbers(tmp_path, stored):
    values = np.arange(16, dtype=stored).reshape(4, 4) + stored(100)
    unit = fits.PrimaryHDU(values)
    unit.header["BLANK"] = 105 - int(unit.header.get("BZERO", 0))
    unit.writeto(tmp_path / "a.fits")
    pixels = read(tmp_path / "a.fits")[..., 0]
    expected = values.astype(float)
    expected[1, 1] = np.nan
    np.testing.assert_array_equal(pixels, expected)
    assert pixels.dtype == (np.float64 if stored == np.uint32 else np.float32)


@pytest.mark.filterwarnings("ignore:Invalid value for 'BLANK'")
@pytest.mark.parametrize("blank", [200, "none"])
def test_a_blank_that_no_pixel_has_changes_nothing(tmp_path, blank):
    unit = fits.PrimaryHDU(np.arange(16, dtype=np.uint16).reshape(4, 4))
    unit.header["BLANK"] = blank
    unit.writeto(tmp_path / "a.fits")
    np.testing.assert_array_equal(read(tmp_path / "a.fits")[..., 0], np.arange(16).reshape(4, 4))


def test_fits_extension_by_number_name_or_the_first_with_an_image(tmp_path):
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1])])
    science = fits.ImageHDU(np.full((4, 5), 2.0), name="SCI")
    packed = fits.CompImageHDU(np.full((6, 7), 3.0, np.float32), name="WHT")
    fits.HDUList([fits.PrimaryHDU(), table, science, packed]).writeto(tmp_path / "a.fits")
    assert read(tmp_path / "a.fits").shape == (4, 5, 1)
    assert read(tmp_path / "a.fits", hdu=2)[0, 0, 0] == 2
    np.testing.assert_allclose(read(tmp_path / "a.fits", hdu="wht"), np.full((6, 7, 1), 3.0))
    for wanted, reason in [
        (1, "holds no image"),
        ("RMS", "no FITS extension 'RMS'"),
        (9, "no FITS"),
    ]:
        with pytest.raises(UnreadableError, match=reason):
            read(tmp_path / "a.fits", hdu=wanted)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "b.fits")
    with pytest.raises(UnreadableError, match="none of its FITS extensions"):
        read(tmp_path / "b.fits")


def test_cube_bands_go_last():
    assert bands_last(np.zeros((5, 30, 20))).shape == (30, 20, 5)
    assert bands_last(np.zeros((30, 20, 3))).shape == (30, 20, 3)
    assert bands_last(np.zeros((1, 1, 3, 30, 20))).shape == (30, 20, 3)
    assert bands_last(np.zeros((30, 20, 24))).shape == (20, 24, 30)  # of a spectrograph
    assert bands_last(np.zeros((30, 24, 20))).shape == (24, 20, 30)
    assert bands_last(np.zeros((30, 30, 12))).shape == (30, 30, 12)
    cube = np.arange(27).reshape(3, 3, 3)
    np.testing.assert_array_equal(bands_last(cube)[..., 0], cube[0])
    with pytest.raises(UnreadableError, match="4 dimensions, not 2 or 3"):
        bands_last(np.zeros((2, 3, 30, 20)))


def write_tiff(path, pixels, photometric, extra=()):
    """Write an uncompressed TIFF; `extra` are the kinds of bands beyond the colours."""
    height, width, bands = pixels.shape
    shorts = {258: [8 * pixels.itemsize] * bands, 259: [1], 262: [photometric], 277: [bands]}
    shorts |= {338: list(extra), 339: [{"u": 1, "f": 3}[pixels.dtype.kind]] * bands}
    longs = {256: width, 257: height, 273: 8, 278: height, 279: pixels.nbytes}
    tags = sorted({**{tag: v for tag, v in shorts.items() if v}, **longs}.items())
    place, entries, tail = 8 + pixels.nbytes, b"", b""
    for tag, value in tags:
        if tag in longs:
            entries += struct.pack("<HHII", tag, 4, 1, value)
            continue
        data = struct.pack(f"<{len(value)}H", *value)
        if len(data) > 4:
            at = place + 2 + 12 * len(tags) + 4 + len(tail)
            tail, data = tail + data, struct.pack("<I", at)
        entries += struct.pack("<HHI", tag, 3, len(value)) + data.ljust(4, b"\0")
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    path.write_bytes(b"II*\0" + struct.pack("<I", place) + pixels.tobytes() + directory + tail)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(("photometric", "bands", "extra"), [(1, 1, ()), (2, 3, ()), (2, 4, (2,))])
def test_tiff_is_grey_or_colour(tmp_path, dtype, photometric, bands, extra):
    pixels = colours(bands=bands, dtype=dtype)
    write_tiff(tmp_path / "a.tif", pixels, photometric, extra)
    np.testing.assert_array_equal(read(tmp_path / "a.tif", mode=None), pixels[..., :3])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(
    ("photometric", "bands", "extra"),
    [(1, 2, (0,)), (1, 3, (0, 0)), (1, 5, (0,) * 4), (2, 4, (0,)), (2, 5, (0, 0)), (2, 5, (2, 0))],
)
def test_a_tiff_of_other_bands_is_refused(tmp_path, dtype, photometric, bands, extra):
    write_tiff(tmp_path / "a.tif", colours(bands=bands, dtype=dtype), photometric, extra)
    with pytest.raises(UnreadableError, match=f"it is a TIFF of {bands} bands of .* FITS and HDF5"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("mode", ["L", None])
def test_deep_grey_with_alpha_is_one_band(tmp_path, mode):
    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    pixels = (900 * colours(bands=2, dtype=int)).astype(">u2")
    header = struct.pack(">IIBBBBB", 5, 6, 16, 4, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    np.testing.assert_array_equal(read(tmp_path / "a.png", mode=mode), pixels[..., :1])


def test_a_bare_hdf5_file_is_told_how_its_rows_are_named(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99))
    with pytest.raises(UnreadableError, match="name a row of it as file::dataset::row"):
        read(tmp_path / "a.h5")


def test_reasons_for_unreadable_files(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "empty.fits").touch()
    (tmp_path / "empty.tif").touch()
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "text.fits").write_text("not an image")
    (tmp_path / "image.gif").write_bytes(b"GIF89a")
    reasons = {
        "nowhere.jpg": "no such file",
        "nowhere.fits": "no such file",
        "empty.jpg/inside.jpg": "no such file",
        "": "it is a folder",
        "empty.jpg": "the file is empty",
        "empty.fits": "the file is empty",
        "empty.tif": "the file is empty",
        "text.jpg": "not a JPEG, PNG, TIFF, WebP or FITS image",
        "text.fits": "does not appear to be a valid FITS file",
        "image.gif": "not a JPEG",
    }
    for name, reason in reasons.items():
        with pytest.raises(UnreadableError, match=reason):
            read(tmp_path / name)
    with pytest.raises(UnreadableError, match="the file is empty"):
        decode(b"", "")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_truncated_images_are_refused(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnreadableError, match=r"\w"):
        read(path)


@pytest.mark.filterwarnings("ignore:File may have been truncated")
def test_truncated_fits_is_refused(tmp_path):
    fits.writeto(tmp_path / "a.fits", np.ones((90, 90)))
    data = (tmp_path / "a.fits").read_bytes()
    (tmp_path / "b.fits").write_bytes(data[:20_000])
    with pytest.raises(UnreadableError, match="the FITS file is truncated"):
        read(tmp_path / "b.fits")
    for cut in (data[:20_000], gzip.compress(data[:20_000])):
        with pytest.raises(UnreadableError, match="the FITS file is truncated"):
            decode(cut, "b.fits")


@pytest.mark.parametrize("name", ["a.fits.fz", "a.fit.fz", "a.FZ"])
def test_tile_compressed_fits_by_its_own_suffix(tmp_path, name):
    flux = colours(40, 50, bands=1, dtype=np.int16)[..., 0]
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(flux)]).writeto(tmp_path / "a.fits")
    (tmp_path / "a.fits").rename(tmp_path / name)
    np.testing.assert_array_equal(read(tmp_path / name)[..., 0], flux)


def test_giants_are_refused_before_they_are_decoded(tmp_path):
    Image.new("L", (30_000, 2)).save(tmp_path / "wide.png")
    fits.writeto(tmp_path / "wide.fits", np.zeros((2, MAX_SIDE + 1), np.uint8))
    for name in ("wide.png", "wide.fits"):
        with pytest.raises(UnreadableError, match=f"over {MAX_SIDE} a side"):
            read(tmp_path / name)
    Image.new("1", (MAX_SIDE, MAX_SIDE)).save(tmp_path / "bomb.png")
    with pytest.raises(UnreadableError, match="decompression bomb"):
        read(tmp_path / "bomb.png")
    Image.new("1", (10_000, 10_000)).save(tmp_path / "big.png")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UnreadableError, match="too many to be a cutout"):
            read(tmp_path / "big.png")


def encoded(suffix):
    file = io.BytesIO()
    if suffix == "fits":
        fits.PrimaryHDU(colours(bands=1, dtype=np.float32)[..., 0]).writeto(file)
    else:
        Image.fromarray(colours(16, 16)).save(file, format={"jpg": "jpeg"}.get(suffix, suffix))
    return file.getvalue()


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), suffix=st.sampled_from(["jpg", "png", "webp", "tiff", "fits"]))
def test_damaged_bytes_give_pixels_or_one_reason(data, suffix):
    whole = bytearray(encoded(suffix))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    try:
        pixels = decode(bytes(whole[:cut] if cut % 3 == 0 else whole), f"a.{suffix}")
    except UnreadableError:
        return
    assert pixels.ndim == 3
    assert pixels.dtype.kind in "uf"
    assert pixels.size


def test_a_missing_extra_is_named_and_never_blanked(tmp_path, monkeypatch):
    fits.writeto(tmp_path / "a.fits", np.ones((3, 3)))
    images = ImageSequence.from_files([tmp_path / "a.fits"], on_error="blank")
    monkeypatch.setitem(sys.modules, "astropy.io.fits", None)
    with pytest.raises(MissingDependencyError, match=r"Reading FITS files .*galaxy_sklearn\[io\]"):
        images.read()


def test_real_fits_and_jpegs(real_data):
    for path in sorted((real_data / "hst_fits" / "images").iterdir()):
        pixels = read(path)
        np.testing.assert_array_equal(pixels[..., 0], fits.getdata(path))
    for path in sorted((real_data / "efigi" / "images").iterdir())[:20]:
        np.testing.assert_array_equal(read(path), np.asarray(Image.open(path).convert("RGB")))
