"""An ImageSequence is the array of its images, read when asked."""

import pickle
import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.model_selection import KFold, StratifiedShuffleSplit, train_test_split
from sklearn.utils import _safe_indexing, check_consistent_length, indexable, resample, shuffle

from galaxy_sklearn.exceptions import ImageReadError, ImageReadWarning
from galaxy_sklearn.images import ImageSequence

N, SHAPE = 11, (6, 5, 3)


class Add:
    """A step that adds a number."""

    def __init__(self, amount):
        self.amount = amount

    def transform_images(self, images):
        return images + np.asarray(self.amount, images.dtype)


class Corner:
    """A step that keeps the first pixels, whatever the size."""

    def transform_images(self, images):
        return images[:, :4, :4]


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 255, (N, *SHAPE), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pixels):
    """The pixels as PNG files, in a zip, in HDF5 and as .npy."""
    folder = tmp_path_factory.mktemp("images")
    for k, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{k:02}.png")
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("__MACOSX/._00.png", "rubbish")
        archive.writestr("sub/.hidden.png", "rubbish")
        archive.writestr("readme.txt", "text")
        for k in range(N):
            archive.write(folder / f"{k:02}.png", f"sub/{k:02}.png")
    with h5py.File(folder / "all.h5", "w") as file:
        file["images"] = pixels
        file["flat"] = np.zeros(3)
    np.save(folder / "all.npy", pixels)
    return folder


def paths_in(folder):
    return sorted(folder.glob("*.png"))


def make(kind, folder):
    """Return the images by one of the routes."""
    files = paths_in(folder)
    if kind == "files":
        return ImageSequence.from_files(files)
    if kind == "hdf5 paths":
        return ImageSequence.from_files([f"{folder}/all.h5::images::{k}" for k in range(N)])
    if kind == "hdf5":
        return ImageSequence.from_hdf5(folder / "all.h5", "images")
    if kind == "zip":
        return ImageSequence.from_zip(folder / "all.zip")
    if kind == "encoded":
        data = [np.fromfile(file, np.uint8) for file in files]
        offsets = np.cumsum([0, *map(len, data)])
        return ImageSequence.from_encoded(np.concatenate(data), offsets)
    if kind == "memmap":
        return ImageSequence.from_array(np.load(folder / "all.npy", mmap_mode="r"))
    if kind == "chained":
        return ImageSequence.from_files(files).map(Add(3)).map(Add(253))
    return ImageSequence.from_array(np.load(folder / "all.npy"))


KINDS = ["files", "hdf5 paths", "hdf5", "zip", "encoded", "memmap", "array", "chained"]


@pytest.fixture(params=KINDS)
def images(request, folder):
    return make(request.param, folder)


def test_every_source_gives_the_same_images(images, pixels):
    assert len(images) == N
    assert images.ndim == 4
    assert images.shape == pixels.shape
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(np.asarray(images), pixels)
    np.testing.assert_array_equal(np.asarray(images, dtype=np.float32), pixels.astype("f4"))
    np.testing.assert_array_equal(list(images), pixels)
    np.testing.assert_array_equal(images.read([4, 4, -1], n_jobs=1), pixels[[4, 4, -1]])
    for size in (1, 4, 100):
        batches = list(images.batches(size))
        assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
        np.testing.assert_array_equal(np.concatenate(batches), pixels)


def test_read_pixels_belong_to_the_reader(images, pixels):
    for batch in images.batches(4):
        batch[...] = 0
    images.read()[...] = 0
    images[1][...] = 0
    images.read(slice(2, 5))[...] = 0
    np.testing.assert_array_equal(images.read(), pixels)


def test_batches_that_are_kept_are_never_overwritten(images, pixels):
    kept = [batch[1:, :2] for batch in images.batches(2)]
    for k, part in enumerate(kept):
        np.testing.assert_array_equal(part, pixels[2 * k : 2 * k + 2][1:, :2])


def test_pickle_gives_the_same_images(images, pixels):
    list(images.batches(4))
    twin = pickle.loads(pickle.dumps(images[::-2]))
    np.testing.assert_array_equal(twin.read(), pixels[::-2])


def test_leaving_batches_early_is_harmless(images, pixels):
    np.testing.assert_array_equal(next(iter(images.batches(2))), pixels[:2])
    np.testing.assert_array_equal(images[3], pixels[3])


rows = st.one_of(
    st.slices(N),
    st.lists(st.integers(-N, N - 1)),
    st.lists(st.booleans(), min_size=N, max_size=N),
    st.integers(-N, N - 1),
)


@settings(deadline=None, max_examples=60)
@given(key=rows, second=st.slices(4), as_array=st.booleans())
def test_indexing_equals_that_of_an_array(key, second, as_array):
    pixels = np.arange(N * 4, dtype=np.uint8).reshape(N, 2, 2, 1)
    images = ImageSequence.from_array(pixels)
    if isinstance(key, list):
        key = np.array(key, dtype=bool if key and isinstance(key[0], bool) else np.intp)
        key = key if as_array else key.tolist()
    expected = pixels[key if key != [] else slice(0)] if isinstance(key, list) else pixels[key]
    np.testing.assert_array_equal(np.asarray(images[key]), expected)
    np.testing.assert_array_equal(np.asarray(images[key, ...]), expected)
    if not isinstance(key, int):
        np.testing.assert_array_equal(np.asarray(images[key][second]), expected[second])
        np.testing.assert_array_equal(images.read(key), expected)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ((0, 1), "by rows only"),
        ((0, ..., 1), "by rows only"),
        ([0.5], "whole numbers"),
        ([[1]], "whole numbers"),
        ("a", "whole numbers"),
        (N, "row 11 does not exist"),
        ([0, -N - 1], "row -12 does not exist"),
        ([True], "the mask has 1"),
    ],
)
def test_wrong_indices_are_named(folder, key, message):
    with pytest.raises(IndexError, match=message):
        make("files", folder)[key]


def test_a_quarter_million_rows_cost_their_numbers_only(folder):
    images = make("memmap", folder)
    many = images[np.arange(243_434) % N]
    assert many.shape == (243_434, *SHAPE)
    assert len(pickle.dumps(many)) < 243_434 * 8 + 2_000
    assert len(pickle.dumps(images)) < 2_000
    np.testing.assert_array_equal(many[243_433], images[(243_433) % N])


def test_scikit_learn_takes_it_for_an_array(images, pixels):
    y = np.arange(N) % 2
    check_consistent_length(images, y)
    assert indexable(images, y)[0] is images
    np.testing.assert_array_equal(_safe_indexing(images, 3), pixels[3])
    for key in ([1, 2], np.arange(4), y.astype(bool), slice(2, 6)):
        np.testing.assert_array_equal(np.asarray(_safe_indexing(images, key)), pixels[key])
    for split in (KFold(3), StratifiedShuffleSplit(2, random_state=0)):
        for train, test in split.split(images, y):
            np.testing.assert_array_equal(images[train].read(), pixels[train])
            assert len(images[test]) == len(test)
    train, test = train_test_split(images, random_state=0)
    expected = train_test_split(pixels, random_state=0)
    np.testing.assert_array_equal(train.read(), expected[0])
    np.testing.assert_array_equal(test.read(), expected[1])
    np.testing.assert_array_equal(
        shuffle(images, random_state=1).read(), shuffle(pixels, random_state=1)
    )
    np.testing.assert_array_equal(
        resample(images, random_state=1).read(), resample(pixels, random_state=1)
    )


def test_map_leaves_the_original_and_works_on_each_size(folder, tmp_path, pixels):
    images = make("files", folder)
    np.testing.assert_array_equal(images.map(Corner()).read(), pixels[:, :4, :4])
    assert images.shape == pixels.shape
    Image.new("RGB", (40, 30)).save(tmp_path / "large.png")
    mixed = ImageSequence.from_files([*paths_in(folder), tmp_path / "large.png"])
    assert mixed.map(Corner()).read().shape == (N + 1, 4, 4, 3)
    expected = r"row 11 .*large\.png.*uint8 of shape \(30, 40, 3\), expected uint8 .*\(6, 5, 3\)"
    with pytest.raises(ValueError, match=expected):
        mixed.read()
    with pytest.raises(ValueError, match=expected):
        list(mixed.batches(3))
    assert mixed[11].shape == (30, 40, 3)


def test_a_step_that_fails_names_the_file(folder):
    images = make("files", folder).map(Add([1, 2]))
    with pytest.raises(ValueError, match="broadcast") as caught:
        images.read([2])
    assert "row 0" in caught.value.__notes__[0]
    assert "00.png" in caught.value.__notes__[0]


def test_mixed_pixel_types_are_refused(folder, tmp_path):
    Image.fromarray(np.ones(SHAPE[:2], np.float32)).save(tmp_path / "flux.tif")
    images = ImageSequence.from_files([paths_in(folder)[0], tmp_path / "flux.tif"], mode="L")
    with pytest.raises(ValueError, match=r"row 1 .*flux\.tif.* is float32 .*expected uint8"):
        images.read()


def test_no_pixels_are_read_before_they_are_needed(tmp_path):
    images = ImageSequence.from_files([tmp_path / "none.png"])[[0, 0]].map(Corner())
    assert len(images) == 2
    assert "not read yet" in repr(images)
    assert images.names == [str(tmp_path / "none.png")] * 2


def test_repr_tells_size_source_and_chain(folder):
    images = make("files", folder).map(Corner())
    assert images.shape == (N, 4, 4, 3)
    assert repr(images).startswith("ImageSequence(n=11, image=(4, 4, 3), FileSource, <")


def test_names(folder):
    assert make("zip", folder)[[1]].names == [f"{folder}/all.zip::sub/01.png"]
    assert make("hdf5", folder)[[1]].names == [f"{folder}/all.h5::images::1"]
    assert make("array", folder)[[1]].names == ["row 1"]
    assert ImageSequence.from_array(np.zeros((2, 3, 3)), names=["a", "b"])[1:].names == ["b"]


# Files that cannot be read


@pytest.fixture
def damaged(folder, tmp_path):
    """Return paths where rows 0, 4 and 7 cannot be read."""
    paths = [str(path) for path in paths_in(folder)]
    whole = (folder / "04.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").touch()
    paths[0], paths[4], paths[7] = (
        str(tmp_path / name) for name in ("none.png", "cut.png", "empty.png")
    )
    return paths


FAULTS = {0: "no such file", 4: "truncated", 7: "the file is empty"}


def check_failures(failed, paths):
    assert [row for row, _, _ in sorted(failed)] == list(FAULTS)
    for row, file, reason in failed:
        assert file == paths[row]
        assert FAULTS[row] in reason


def test_raise_names_row_file_and_reason(damaged):
    images = ImageSequence.from_files(damaged)
    message = r"row 0, '.*none\.png': there is no such file\.$"
    with pytest.raises(ImageReadError, match=message):
        images.shape  # noqa: B018
    with pytest.raises(ImageReadError, match=r"row 4, '.*cut\.png': .*truncated"):
        images[3:6].read()
    with pytest.raises(ImageReadError, match=r"row 7, '.*empty\.png': the file is empty"):
        list(images[5:].batches(2))
    assert images[5].shape == SHAPE


def test_blank_keeps_the_rows_and_warns_once(damaged, pixels):
    images = ImageSequence.from_files(damaged, on_error="blank")
    expected = pixels.copy()
    expected[list(FAULTS)] = 0
    with pytest.warns(ImageReadWarning, match=r"3 of 11 images and put blank.*row 0 ") as caught:
        np.testing.assert_array_equal(images.read(), expected)
    assert len(caught) == 1
    np.testing.assert_array_equal(images.read(), expected)
    np.testing.assert_array_equal(np.concatenate(list(images.batches(2))), expected)
    check_failures(images.failed_, damaged)


def test_blank_counts_a_whole_pass_of_batches(damaged):
    images = ImageSequence.from_files(damaged, on_error="blank").map(Corner())
    with pytest.warns(ImageReadWarning, match="3 of 11"):
        assert sum(len(batch) for batch in images.batches(2)) == N
    check_failures(images.failed_, damaged)


def test_blank_of_one_image_takes_its_shape_from_the_others(damaged):
    images = ImageSequence.from_files(damaged, on_error="blank")
    with pytest.warns(ImageReadWarning, match="1 of 11"):
        assert not images[[4]].read().any()
    assert images[4].shape == SHAPE
    assert [row for row, _, _ in images.failed_] == [4]


def test_blank_needs_one_readable_image(damaged):
    images = ImageSequence.from_files([damaged[0], damaged[4]], on_error="blank")
    with pytest.raises(ImageReadError, match="none of 2 images; the first is row 0"):
        images.read()


def test_skip_shortens_and_says_which_rows_are_left(damaged, pixels):
    with pytest.warns(ImageReadWarning, match="3 of 11 images and left them out: index y by kept_"):
        images = ImageSequence.from_files(damaged, on_error="skip")
    kept = np.delete(np.arange(N), list(FAULTS))
    np.testing.assert_array_equal(images.kept_, kept)
    np.testing.assert_array_equal(images.read(), pixels[kept])
    np.testing.assert_array_equal(images[1:3].kept_, kept[1:3])
    check_failures(images.failed_, damaged)


def test_a_log_of_failures_survives_pickling(damaged):
    images = ImageSequence.from_files(damaged, on_error="blank")
    with pytest.warns(ImageReadWarning, match="3 of 11"):
        images.read()
    twin = pickle.loads(pickle.dumps(images))
    twin.read()
    check_failures(twin.failed_, damaged)


def test_containers_that_cannot_be_opened(folder):
    cases = [
        (ImageSequence.from_zip, (folder / "none.zip",), "there is no such zip file"),
        (ImageSequence.from_zip, (folder / "00.png",), "not a readable zip"),
        (ImageSequence.from_hdf5, (folder / "none.h5", "images"), "there is no such HDF5 file"),
        (ImageSequence.from_hdf5, (folder / "00.png", "images"), "not a readable HDF5"),
        (ImageSequence.from_hdf5, (folder / "all.h5", "other"), "no dataset 'other'"),
        (ImageSequence.from_hdf5, (folder / "all.h5", "flat"), r"shape \(3,\)"),
    ]
    for method, arguments, reason in cases:
        with pytest.raises(ImageReadError, match=reason):
            method(*arguments)


def test_rows_and_members_that_do_not_exist(folder):
    paths = [f"{folder}/all.h5::images::0", f"{folder}/all.h5::images::99"]
    with pytest.raises(ImageReadError, match="row 1, .*has 11 rows, none numbered 99"):
        ImageSequence.from_files(paths).read()
    for path, reason in {
        f"{folder}/all.h5::other::0": "other",
        f"{folder}/none.h5::images::0": "no such HDF5 file",
        f"{folder}/all.h5::flat::0": "not .height, width, channels",
    }.items():
        with pytest.raises(ImageReadError, match=reason):
            ImageSequence.from_files([path])[0]
    with pytest.raises(ImageReadError, match="the zip file has no such member"):
        ImageSequence.from_zip(folder / "all.zip", ["other.png"])[0]
    with pytest.raises(ImageReadError, match="no such zip file"):
        ImageSequence.from_zip(folder / "lost.zip", ["other.png"])


def test_wrong_arguments():
    with pytest.raises(ValueError, match="mode parameter of ImageSequence .* Got 'BGR'"):
        ImageSequence.from_files([], mode="BGR")
    with pytest.raises(ValueError, match="on_error parameter of ImageSequence .* Got 'ignore'"):
        ImageSequence.from_files([], on_error="ignore")
    with pytest.raises(ValueError, match="ImageSequence is empty"):
        ImageSequence.from_files([]).shape  # noqa: B018
    with pytest.raises(ValueError, match=r"got float64 of shape \(3, 4\)"):
        ImageSequence.from_array(np.zeros((3, 4)))
    with pytest.raises(ValueError, match="batch_size above 0; got 0"):
        list(ImageSequence.from_array(np.zeros((3, 4, 4))).batches(0))
    for n_jobs in (0, 1.5, "2", True):
        with pytest.raises(ValueError, match=f"whole number other than 0; got {n_jobs!r}"):
            ImageSequence.from_array(np.zeros((3, 4, 4)), n_jobs=n_jobs)
    with pytest.raises(ValueError, match=r"n \+ 1 rising offsets"):
        ImageSequence.from_encoded(np.zeros(9, np.uint8), [3, 2])
    with pytest.raises(IndexError, match="has 3 rows; the mask has 0"):
        ImageSequence.from_array(np.zeros((3, 4, 4)))[np.zeros(0, dtype=bool)]
    with pytest.raises(TypeError, match="a list of names; got the single name 'a.png'"):
        ImageSequence.from_zip("a.zip", "a.png")
    with pytest.raises(ValueError, match="reduce parameter of ImageSequence .* Got 2.0"):
        ImageSequence.from_files([], reduce=2.0)
    with pytest.raises(ValueError, match="without a copy"):
        np.array(ImageSequence.from_array(np.zeros((3, 4, 4))), copy=False)


def test_array_numbers_are_those_of_the_gate():
    for dtype, expected in [("u1", "u1"), ("i2", "f8"), (">f4", "f4"), ("f2", "f2"), ("?", "f8")]:
        images = ImageSequence.from_array(np.ones((2, 3, 3), dtype))
        assert images.dtype == images.read().dtype == images[0].dtype == np.dtype(expected)
        assert images.dtype.isnative


def test_memmap_views_are_pickled_by_path(tmp_path):
    pixels = np.arange(10 * 64 * 64, dtype=np.float32).reshape(10, 64, 64, 1)
    np.save(tmp_path / "a.npy", pixels)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    for view in (mapped[3:7], np.asarray(mapped)[3:7]):
        dump = pickle.dumps(ImageSequence.from_array(view))
        assert len(dump) < 2_000
        np.testing.assert_array_equal(pickle.loads(dump).read(), pixels[3:7])
    strided = pickle.dumps(ImageSequence.from_array(mapped[::2]))
    np.testing.assert_array_equal(pickle.loads(strided).read(), pixels[::2])


def test_reading_a_memmap_keeps_memory_bounded(tmp_path):
    status = "/proc/self/status"
    pixels = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (3000, 128, 128, 3))
    pixels[::100] = 1
    pixels.flush()
    del pixels

    def anonymous():
        with open(status) as file:
            return next(int(line.split()[1]) for line in file if line.startswith("RssAnon")) * 1024

    images = ImageSequence.from_array(np.load(tmp_path / "a.npy", mmap_mode="r"))
    try:
        before = anonymous()
    except (OSError, StopIteration):
        pytest.skip("this system does not tell anonymous memory (RssAnon)")
    peak, total = before, 0
    for batch in images[np.arange(6000) % 3000].batches(64):
        total += int(batch[:, 0, 0, 0].sum())
        peak = max(peak, anonymous())
    assert total == 60
    assert peak - before < 8 * 64 * 128 * 128 * 3


def test_real_packed_jpegs(real_data):
    packed = np.load(real_data / "gz2" / "images_128px.npz")
    ids = packed["galaxy_id"].astype(str)
    images = ImageSequence.from_encoded(packed["jpeg"], packed["offset"], names=ids)
    assert images.shape == (len(ids), 128, 128, 3)
    first = ids[0]
    assert images[0].shape == (128, 128, 3)
    assert images.names[0] == first


def test_relative_names_start_where_the_sequence_was_made(tmp_path, monkeypatch):
    for number, folder in enumerate(("a", "b")):
        (tmp_path / folder).mkdir()
        pixels = np.full((4, 4, 3), 100 * number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / folder / "0.png")
    monkeypatch.chdir(tmp_path / "a")
    images = ImageSequence.from_files(["0.png"])
    monkeypatch.chdir(tmp_path / "b")
    assert images.read().max() == 0
    assert pickle.loads(pickle.dumps(images)).read().max() == 0
    assert images.names == ["0.png"]
    assert ImageSequence.from_files(["0.png"]).read().min() == 100


def test_names_keep_their_order_whatever_their_index():
    names = pd.Series(list("abc"), index=[2, 0, 1])
    pixels = np.zeros((3, 4, 4, 3), np.uint8)
    assert ImageSequence.from_array(pixels, names=names).names == ["a", "b", "c"]
    with pytest.raises(ValueError, match="a name an image; got 2 for 3 images"):
        ImageSequence.from_array(pixels, names=["a", "b"])
