"""What an ImageSequence is made of: names in any ordered form, numbers that fit, no masks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from galaxy_sklearn.images import ImageSequence
from galaxy_sklearn.preprocessing import Resize


@pytest.mark.parametrize("paths", ["a.png", b"a.png", Path("a.png"), [Path("a.png"), None], [""]])
def test_names_that_are_none_are_refused_at_once(paths):
    with pytest.raises(ValueError, match="from_files takes .* (single name|in every row)"):
        ImageSequence.from_files(paths)


def test_names_come_in_any_ordered_form(tmp_path):
    names = [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    table = pd.DataFrame({"file": names})
    forms = [tuple(names), table, table["file"], table.to_numpy(), dict(enumerate(names)).values()]
    forms += [[Path(name) for name in names], [name.encode() for name in names]]
    for form in forms:
        assert list(map(str, ImageSequence.from_files(form).names)) == names
    for form in (set(names), iter(names), 3, np.zeros((2, 4, 4))):
        with pytest.raises(TypeError, match="ImageSequence.from_files takes"):
            ImageSequence.from_files(form)


def test_values_too_large_for_the_first_image_s_type_are_refused(tmp_path):
    files = [str(tmp_path / f"{k}.fits") for k in range(3)]
    for file, dtype, value in zip(files, ("f4", "f8", "f8"), (1.0, 2.0, 1e200)):
        fits.writeto(file, np.full((4, 4), value, dtype))
    assert ImageSequence.from_files(files[:2]).read().dtype == np.float32
    with pytest.raises(ValueError, match="row 2 .*2.fits'. is float64, with values too large"):
        ImageSequence.from_files(files).read()


def test_masked_pixels_are_refused():
    pixels = np.ma.masked_less(np.arange(48.0).reshape(3, 4, 4), 2)
    with pytest.raises(ValueError, match="from_array takes no masked pixels; got 2"):
        ImageSequence.from_array(pixels)
    assert type(ImageSequence.from_array(pixels[1:]).read()) is np.ndarray
    with pytest.raises(ValueError, match="Resize takes no masked pixels; got 2"):
        Resize(2).fit(pixels)
