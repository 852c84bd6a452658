"""The cache gives the same pixels, decodes once, and never shows half an entry."""

import json
import os
import pickle
import subprocess
import sys
import textwrap
import time
import zipfile

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from galaxy_sklearn.exceptions import ImageReadWarning
from galaxy_sklearn.images import ImageSequence
from galaxy_sklearn.images import _sources as sources
from galaxy_sklearn.preprocessing import CenterCrop, ImageReader, Resize

N = 9


class Scale:
    """A step with a parameter and a fitted number, that counts its calls."""

    calls = 0

    def __init__(self, factor, fitted=0.0):
        self.factor = factor
        self.fitted_ = fitted

    def transform_images(self, images):
        type(self).calls += 1
        return images * np.float32(self.factor) + np.float32(self.fitted_)


class Corner:
    """A step that keeps the first pixels, whatever the size."""

    def transform_images(self, images):
        return images[:, :4, :4]


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 255, (N, 7, 6, 3), dtype=np.uint8)


@pytest.fixture
def paths(tmp_path, pixels):
    (tmp_path / "in").mkdir()
    for k, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / "in" / f"{k}.png")
    return [str(tmp_path / "in" / f"{k}.png") for k in range(N)]


@pytest.fixture
def decoded(monkeypatch):
    """Names of the files decoded so far."""
    names = []

    def spy(file, name, **options):
        names.append(name)
        return true_decode(file, name, **options)

    true_decode = sources.decode
    monkeypatch.setattr(sources, "decode", spy)
    return names


def entries(folder):
    return sorted(name for name in os.listdir(folder) if name.endswith(".npy"))


def test_second_call_decodes_nothing(tmp_path, paths, pixels, decoded):
    first = ImageSequence.from_files(paths).cache(tmp_path / "out")
    assert set(decoded) == set(paths)
    decoded.clear()
    second = ImageSequence.from_files(paths).cache(tmp_path / "out")
    for images in (first, second):
        assert images.dtype == np.uint8
        assert images.names == paths
        np.testing.assert_array_equal(images.read(), pixels)
        np.testing.assert_array_equal(np.concatenate(list(images.batches(4))), pixels)
    assert decoded == []
    assert len(entries(tmp_path / "out")) == 1


def test_rows_in_any_order_share_an_entry(tmp_path, paths, pixels, decoded):
    images = ImageSequence.from_files(paths)
    images.cache(tmp_path / "out")
    decoded.clear()
    order = np.array([*range(N)][::-1] * 2)
    again = images[order].cache(tmp_path / "out")
    np.testing.assert_array_equal(again.read(), pixels[order])
    assert again.names == [paths[k] for k in order]
    repeated = ImageSequence.from_files([paths[k] for k in order]).cache(tmp_path / "out")
    np.testing.assert_array_equal(repeated.read(), pixels[order])
    assert decoded == []
    np.testing.assert_array_equal(images[2:5].cache(tmp_path / "out").read(), pixels[2:5])
    assert len(entries(tmp_path / "out")) == 2


def test_every_cause_of_other_pixels_makes_another_entry(tmp_path, paths, pixels):
    out = tmp_path / "out"
    chains = [Scale(2), Scale(3), Scale(2, fitted=1.0)]
    for k, step in enumerate(chains):
        cached = ImageSequence.from_files(paths).map(step).cache(out)
        assert cached.dtype == np.float32
        expected = pixels * np.float32(step.factor) + np.float32(step.fitted_)
        np.testing.assert_array_equal(cached.read(), expected)
        assert len(entries(out)) == k + 1
    ImageSequence.from_files(paths).map(Scale(2)).map(Scale(2)).cache(out)
    ImageSequence.from_files(paths, mode="L").cache(out)
    ImageSequence.from_files(paths).cache(out)
    assert len(entries(out)) == 6
    Scale.calls = 0
    ImageSequence.from_files(paths).map(Scale(2)).cache(out)
    assert Scale.calls == 0


def test_a_changed_file_is_decoded_again(tmp_path, paths, pixels):
    out = tmp_path / "out"
    ImageSequence.from_files(paths).cache(out)
    Image.fromarray(255 - pixels[3]).save(paths[3])
    stat = os.stat(paths[3])
    os.utime(paths[3], ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    fresh = ImageSequence.from_files(paths).cache(out)
    np.testing.assert_array_equal(fresh[3], 255 - pixels[3])


def test_arrays_and_packed_bytes_are_known_by_content(tmp_path, pixels):
    out = tmp_path / "out"
    for array in (pixels, pixels.copy(), pixels + np.uint8(1)):
        cached = ImageSequence.from_array(array).map(Scale(1)).cache(out)
        np.testing.assert_array_equal(cached.read(), array)
    assert len(entries(out)) == 2
    np.save(tmp_path / "a.npy", pixels)
    mapped = ImageSequence.from_array(np.load(tmp_path / "a.npy", mmap_mode="r"))
    np.testing.assert_array_equal(mapped.cache(out)[::2].cache(out).read(), pixels[::2])


def test_blank_images_are_told_of_again(tmp_path, paths):
    with open(paths[2], "wb"), open(paths[5], "wb"):
        pass
    paths.append(paths[2])
    for _ in range(2):
        images = ImageSequence.from_files(paths, on_error="blank")
        with pytest.warns(ImageReadWarning, match="3 of 10 images"):
            cached = images.cache(tmp_path / "out")
        assert sorted(row for row, _, _ in cached.failed_) == [2, 5, 9]
        assert images.failed_ == cached.failed_
        assert {reason for _, _, reason in cached.failed_} == {"the file is empty"}
        assert not cached[[2, 5, 9]].read().any()
        again = cached.map(Corner()).cache(tmp_path / "again")
        for known in (images, cached, cached[::-1][::-1], again):
            assert np.flatnonzero(known.unreadable_).tolist() == [2, 5, 9]
        assert cached[5:].unreadable_.tolist() == [True, False, False, False, True]
    assert len(entries(tmp_path / "out")) == 1


def test_a_failed_run_leaves_nothing(tmp_path, paths):
    class Fail:
        def transform_images(self, images):
            raise RuntimeError("no more")

    images = ImageSequence.from_files(paths)
    images.shape  # noqa: B018
    broken = images.map(Fail())
    broken._spec = images._spec
    with pytest.raises(RuntimeError, match="no more"):
        broken.cache(tmp_path / "out")
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("damage", ["cut", "no json", "bad json"])
def test_a_damaged_entry_is_made_anew(tmp_path, paths, pixels, damage):
    out = tmp_path / "out"
    ImageSequence.from_files(paths).cache(out)
    entry = out / entries(out)[0]
    if damage == "cut":
        entry.write_bytes(entry.read_bytes()[:-10])
    elif damage == "no json":
        entry.with_suffix(".json").unlink()
    else:
        entry.with_suffix(".json").write_text("{")
    np.testing.assert_array_equal(ImageSequence.from_files(paths).cache(out).read(), pixels)
    assert json.loads(entry.with_suffix(".json").read_text())["failed"] == []


def test_stale_leftovers_go_and_fresh_ones_stay(tmp_path, paths):
    out = tmp_path / "out"
    out.mkdir()
    for name, age in [("old.tmp", 2 * 86_400), ("new.tmp", 60), ("old.txt", 2 * 86_400)]:
        (out / name).touch()
        os.utime(out / name, (time.time() - age,) * 2)
    ImageSequence.from_files(paths).cache(out)
    assert {"new.tmp", "old.txt"} <= set(os.listdir(out))
    assert "old.tmp" not in os.listdir(out)


def test_pickled_cached_images_hold_the_path_only(tmp_path, paths, pixels):
    cached = ImageSequence.from_files(paths).cache(tmp_path / "out")
    dump = pickle.dumps(cached)
    assert len(dump) < 2_000 + sum(map(len, paths))
    np.testing.assert_array_equal(pickle.loads(dump).read(), pixels)


def test_bar_is_shown_when_asked(tmp_path, paths, capsys):
    ImageSequence.from_files(paths).cache(tmp_path / "out", verbose=0)
    assert capsys.readouterr().err == ""
    ImageSequence.from_files(paths).cache(tmp_path / "other", verbose=1)
    assert f"{N}/{N}" in capsys.readouterr().err


def test_filled_at_first_reading_after_the_whole_chain(tmp_path, paths, pixels, decoded):
    out = tmp_path / "out"
    large = Image.new("RGB", (40, 30))
    large.save(tmp_path / "large.png")

    all_paths = [*paths, str(tmp_path / "large.png")]
    images = ImageSequence.from_files(all_paths, cache=out).map(Corner())
    assert images.shape == (N + 1, 4, 4, 3)
    assert not out.exists()
    np.testing.assert_array_equal(images[3:5].read(), pixels[3:5, :4, :4])
    assert len(entries(out)) == 1
    decoded.clear()
    np.testing.assert_array_equal(images[::-1].read()[1:], pixels[::-1, :4, :4])
    assert sum(len(batch) for batch in images.batches(3)) == N + 1
    twin = pickle.loads(pickle.dumps(images))
    np.testing.assert_array_equal(twin[:N].read(), pixels[:, :4, :4])
    assert decoded == []
    assert twin.names == all_paths


def test_pipelines_find_what_others_decoded(tmp_path, paths, decoded):
    pipe = make_pipeline(ImageReader(cache=tmp_path / "out"), Resize(4), CenterCrop(2))
    expected = np.asarray(pipe.fit_transform(paths))
    decoded.clear()
    np.testing.assert_array_equal(clone(pipe).fit_transform(paths), expected)
    np.testing.assert_array_equal(pipe.transform(paths), expected)
    assert len(entries(tmp_path / "out")) == 1
    assert set(decoded) <= {paths[0]}  # one is looked at for its size


def test_kept_rows_are_the_ones_stored(tmp_path, paths, pixels):
    with open(paths[0], "wb"):
        pass
    with pytest.warns(ImageReadWarning, match="left them out"):
        images = ImageSequence.from_files(paths, on_error="skip", cache=tmp_path / "out")
    np.testing.assert_array_equal(images[[7, 0]].read(), pixels[[8, 1]])
    np.testing.assert_array_equal(images.kept_, np.arange(1, N))


WRITER = """
    import os, sys, time
    import numpy as np
    from galaxy_sklearn.images import ImageSequence

    class Slow:
        def __reduce__(self):
            return Slow, ()
        def transform_images(self, images):
            time.sleep(0.02)
            return images

    paths = sorted(os.path.join(sys.argv[1], name) for name in os.listdir(sys.argv[1]))
    print("ready", flush=True)
    images = ImageSequence.from_files(paths, n_jobs=1).map(Slow()).cache(sys.argv[2])
    print(int(np.asarray(images, dtype=np.int64).sum()), flush=True)
"""


def start_writer(paths, out):
    command = [sys.executable, "-c", textwrap.dedent(WRITER), os.path.dirname(paths[0]), str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def result_of(writer):
    """Return the sum a writer prints; its pipe is read by lines, for the first may be buffered."""
    with writer.stdout as lines:
        total = int(lines.readline())
    assert writer.wait(60) == 0
    return total


def test_two_processes_at_once(tmp_path, paths, pixels):
    writers = [start_writer(paths, tmp_path / "out") for _ in range(2)]
    sums = [result_of(writer) for writer in writers]
    assert sums == [pixels.sum(dtype=np.int64)] * 2
    assert [name.rpartition(".")[2] for name in sorted(os.listdir(tmp_path / "out"))] == [
        "json",
        "npy",
    ]


def test_killed_while_writing(tmp_path, paths, pixels):
    out = tmp_path / "out"
    killed = start_writer(paths, out)
    deadline = time.monotonic() + 60
    while not (out.exists() and os.listdir(out)) and time.monotonic() < deadline:
        time.sleep(0.002)
    killed.kill()
    killed.wait()
    killed.stdout.close()
    assert entries(out) == []
    again = start_writer(paths, out)
    assert result_of(again) == pixels.sum(dtype=np.int64)
    assert len(entries(out)) == 1


def test_a_file_put_in_the_place_of_another_is_decoded_again(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (2, 8, 8, 3)).astype(np.uint8)
    file, other = tmp_path / "a.tiff", tmp_path / "b.tiff"  # of one size
    Image.fromarray(images[0]).save(file)
    Image.fromarray(images[1]).save(other)
    stat = os.stat(file)
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (
        ImageSequence.from_files([file]).cache(tmp_path / "cache")[0].tolist() == images[0].tolist()
    )
    os.replace(other, file)
    assert os.stat(file).st_mtime_ns == stat.st_mtime_ns
    assert (
        ImageSequence.from_files([file]).cache(tmp_path / "cache")[0].tolist() == images[1].tolist()
    )


def test_an_archive_put_in_the_place_of_an_open_one_is_opened_again(tmp_path):
    images = np.zeros((2, 8, 8, 3), np.uint8)
    images[1] = 200
    for name, image in zip("ab", images):
        Image.fromarray(image).save(tmp_path / "0.png")
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.write(tmp_path / "0.png", "0.png")
    sequence = ImageSequence.from_zip(tmp_path / "a.zip")
    assert sequence.read().max() == 0
    os.replace(tmp_path / "b.zip", tmp_path / "a.zip")
    assert sequence.cache(tmp_path / "cache")[0].min() == 200
    assert sequence.read().min() == 200


def test_a_map_that_may_be_written_to_is_known_by_its_pixels(tmp_path):
    pixels = np.lib.format.open_memmap(tmp_path / "m.npy", "w+", np.uint8, (3, 4, 4, 3))
    sequence = ImageSequence.from_array(pixels)
    for value in (1, 7):
        pixels[:] = value
        assert sequence.cache(tmp_path / "cache")[0].max() == value


def test_a_repaired_file_has_not_failed_in_the_cache(tmp_path):
    image = np.full((8, 8, 3), 200, np.uint8)
    files = [tmp_path / "0.png", tmp_path / "later.png"]
    Image.fromarray(image).save(files[0])
    sequence = ImageSequence.from_files(files, on_error="blank")
    with pytest.warns(ImageReadWarning, match="could not read 1 of 2"):
        sequence.read()
    Image.fromarray(image).save(files[1])
    sequence.cache(tmp_path / "cache")
    again = ImageSequence.from_files(files, on_error="blank").cache(tmp_path / "cache")
    assert again.read().min() == 200
    assert again.failed_ == []
