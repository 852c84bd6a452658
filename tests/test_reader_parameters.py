"""Parameters of ImageReader that are as wide as those of ImageSequence, and faults in them."""

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from galaxy_sklearn.exceptions import ImageReadError
from galaxy_sklearn.images import ImageSequence
from galaxy_sklearn.preprocessing import ImageReader


@pytest.fixture
def versions(tmp_path):
    """Return the name of a FITS file with two extensions of one name."""
    planes = [fits.ImageHDU(np.full((4, 4), k, np.float32), name="SCI", ver=k) for k in (1, 2)]
    fits.HDUList([fits.PrimaryHDU(), *planes]).writeto(tmp_path / "a.fits")
    return str(tmp_path / "a.fits")


@pytest.mark.parametrize("version", [1, 2])
def test_an_extension_by_name_and_version(versions, version, tmp_path):
    reader = ImageReader(hdu=("SCI", version), cache=tmp_path / "kept")
    images = reader.fit_transform([versions])
    np.testing.assert_array_equal(images.read(), np.full((1, 4, 4, 1), version))
    same = ImageSequence.from_files([versions], hdu=("SCI", version))
    np.testing.assert_array_equal(same.read(), images.read())


def test_an_extension_that_is_not_there(versions):
    with pytest.raises(ImageReadError, match=r"it has no FITS extension \('SCI', 3\)"):
        ImageReader(hdu=("SCI", 3)).fit_transform([versions]).read()


def test_a_file_is_no_folder_for_pixels(tmp_path):
    file = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(file)
    with pytest.raises(ValueError, match=r"cache parameter of ImageReader .*folder.*a\.png'"):
        ImageReader(cache=file).fit([file])
    with pytest.raises(ValueError, match=r"cache parameter of ImageSequence .*folder.*a\.png'"):
        ImageSequence.from_files([file], cache=str(file))
    with pytest.raises(ValueError, match=r"folder parameter of ImageSequence.cache .*a\.png'"):
        ImageSequence.from_files([file]).cache(file)
