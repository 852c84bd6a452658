"""Every transformer keeps scikit-learn's contract, on arrays and on sequences alike."""

import pickle

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from galaxy_sklearn import preprocessing
from galaxy_sklearn.images import ImageSequence
from galaxy_sklearn.preprocessing import (
    CLAHE,
    AsinhStretch,
    CenterCrop,
    Flatten,
    GrayScale,
    ImageReader,
    MorphologicalOpening,
    PercentileStretch,
    Resize,
    Standardize,
    ToFloat,
)

TRANSFORMERS = [
    CLAHE(),
    CLAHE(40.0, tile_grid_size=(2, 1), data_range=(-1e3, 1e3)),
    AsinhStretch(),
    AsinhStretch(0.1, white=5.0, black=-1.0, clip=False),
    CenterCrop(),
    CenterCrop(3, pad="constant"),
    CenterCrop((2, 5), pad="reflect"),
    Flatten(),
    GrayScale(),
    MorphologicalOpening(),
    MorphologicalOpening(2, shape="rectangle"),
    PercentileStretch(),
    PercentileStretch(0, upper=90, per="training"),
    Resize(4),
    Resize((1, 3), interpolation="cubic"),
    Standardize(),
    Standardize("training"),
    ToFloat(),
]
IMAGE_STEPS = [step for step in TRANSFORMERS if not isinstance(step, Flatten)]
each_transformer = pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
each_image_step = pytest.mark.parametrize("transformer", IMAGE_STEPS, ids=repr)


def make_images(shape, dtype, seed=0):
    """Return noise from 1 to 255, or from 0 to 1 in float."""
    pixels = np.random.default_rng(seed).integers(1, 256, shape)
    return pixels.astype(dtype) if np.dtype(dtype).kind == "u" else (pixels / 255).astype(dtype)


@parametrize_with_checks(TRANSFORMERS)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_every_public_transformer_is_checked():
    listed = {type(transformer).__name__ for transformer in TRANSFORMERS}
    assert listed | {"ImageReader"} == set(preprocessing.__all__)
    for transformer in TRANSFORMERS:
        assert len(list(estimator_checks_generator(transformer))) >= 46


@settings(deadline=None, max_examples=25)
@given(
    shape=st.tuples(
        st.integers(1, 5), st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3, 5])
    ),
    dtype=st.sampled_from([np.uint8, np.float32, np.float64]),
    seed=st.integers(0, 99),
)
def test_a_sequence_gives_the_bits_of_the_array(shape, dtype, seed):
    images = make_images(shape, dtype, seed)
    kept = images.copy()
    sequence = ImageSequence.from_array(images)
    for transformer in TRANSFORMERS:
        by_array = clone(transformer).fit(images).transform(images)
        by_sequence = clone(transformer).fit(sequence).transform(sequence)
        assert isinstance(by_sequence, ImageSequence) != isinstance(transformer, Flatten)
        assert by_sequence.dtype == by_array.dtype
        np.testing.assert_array_equal(np.asarray(by_sequence), by_array)
    np.testing.assert_array_equal(images, kept)


@each_transformer
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_memory_layout_and_batch_do_not_show(transformer, dtype):
    images = make_images((40, 96, 90, 3), dtype)  # large enough for threads
    fitted = clone(transformer).fit(images)
    expected = fitted.transform(images)
    np.testing.assert_array_equal(fitted.transform(np.asfortranarray(images)), expected)
    doubled = np.repeat(images, 2, axis=2)[:, :, ::2]
    np.testing.assert_array_equal(fitted.transform(doubled), expected)
    np.testing.assert_array_equal(fitted.transform(images[7:8])[0], expected[7])


@each_transformer
def test_rows_and_flat_images_give_the_same(transformer):
    images = make_images((6, 5, 4, 3), np.float32)
    expected = clone(transformer).fit_transform(images)
    rows = clone(transformer).set_params(image_shape=(5, 4, 3))
    np.testing.assert_array_equal(
        rows.fit_transform(images.reshape(6, -1)), expected.reshape(6, -1)
    )
    grey = images[..., 0]
    expected = clone(transformer).fit_transform(grey[..., np.newaxis])
    actual = clone(transformer).fit_transform(grey)
    np.testing.assert_array_equal(actual.reshape(expected.shape), expected)
    assert actual.ndim == (2 if isinstance(transformer, Flatten) else 3)


@each_transformer
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8", ">f8", "g", "u1", "i4", "?"])
def test_every_number_type_is_taken(transformer, dtype):
    images = (make_images((4, 9, 9, 3), np.float64) * 200).astype(dtype)
    result = clone(transformer).fit_transform(images)
    sequence = clone(transformer).fit_transform(ImageSequence.from_array(images))
    np.testing.assert_array_equal(np.asarray(sequence), result)
    assert np.isfinite(result).all()


@each_transformer
def test_what_is_not_like_the_training_images_is_refused(transformer):
    images = make_images((6, 8, 8, 3), np.float32)
    name = type(transformer).__name__
    fitted = clone(transformer).fit(images)
    with pytest.raises(ValueError, match=rf"{name} was fitted on images of shape \(8, 8, 3\)"):
        fitted.transform(images[:, :6])
    with pytest.raises(ValueError, match=rf"{name} was fitted on images of shape \(8, 8, 3\)"):
        fitted.transform(ImageSequence.from_array(images[..., :1]))
    with pytest.raises(ValueError, match=f"{name} was fitted on float pixels and got uint8"):
        fitted.transform((images * 255).astype(np.uint8))
    with pytest.raises(ValueError, match=f"{name} was fitted on float pixels and got uint8"):
        fitted.transform(ImageSequence.from_array((images * 255).astype(np.uint8)))
    images[4, 1, 1, 0] = np.nan
    for method in (fitted.transform, clone(transformer).fit):
        with pytest.raises(ValueError, match=f"{name} .*row 4 of X holds NaN"):
            method(images)
    with pytest.raises(TypeError, match=f"{name} takes images, not file names"):
        fitted.fit(["a.jpg", "b.jpg"])
    with pytest.raises(ValueError, match=f"{name} needs at least one image"):
        fitted.fit(ImageSequence.from_array(images[:0]))


@pytest.mark.parametrize(
    "learner", [AsinhStretch(), Standardize("training"), PercentileStretch(per="training"), CLAHE()]
)
def test_learning_from_a_sequence_refuses_nan_with_its_row(learner):
    images = make_images((6, 8, 8, 1), np.float32)
    images[5, 0, 0, 0] = np.inf
    with pytest.raises(ValueError, match="row 5 holds infinity"):
        learner.fit(ImageSequence.from_array(images))


@each_image_step
def test_files_of_many_sizes(transformer, tmp_path):
    images = [make_images((1, 20 + 3 * k, 24 - 2 * k, 3), np.uint8, k)[0] for k in range(4)]
    paths = [str(tmp_path / f"{k}.png") for k in range(4)]
    for path, image in zip(paths, images):
        Image.fromarray(image).save(path)
    if getattr(transformer, "per", "image") == "training" or isinstance(transformer, AsinhStretch):
        fitted = clone(transformer).fit(images[0][np.newaxis])
    else:
        fitted = clone(transformer).fit(ImageSequence.from_files(paths))
    sequence = fitted.transform(ImageSequence.from_files(paths[::-1]))
    for k, image in enumerate(images[::-1]):
        np.testing.assert_array_equal(
            sequence[k], fitted.transform_images(image[np.newaxis])[0], strict=True
        )


def test_fit_reads_one_image_at_most(tmp_path):
    (tmp_path / "0.png").write_bytes(cv2.imencode(".png", np.ones((9, 9, 3)))[1].tobytes())
    paths = [str(tmp_path / "0.png"), *(str(tmp_path / f"lost{k}.png") for k in range(5))]
    first = [CLAHE(), CenterCrop(4), Flatten(), GrayScale(), MorphologicalOpening()]
    for transformer in [*first, Resize(4), PercentileStretch(), Standardize(), ToFloat()]:
        fitted = transformer.fit(ImageSequence.from_files(paths))
        assert fitted.image_shape_ == (9, 9, 3)  # of the one file there is


@each_image_step
def test_a_sequence_keeps_the_state_it_was_made_with(transformer):
    images = make_images((5, 8, 8, 3), np.float64)
    fitted = clone(transformer).fit(images)
    expected, sequence = (
        fitted.transform(images),
        fitted.transform(ImageSequence.from_array(images)),
    )
    fitted.fit(images[:2] * 3 + 1)
    np.testing.assert_array_equal(sequence.read(), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(sequence)).read(), expected)


@each_transformer
def test_clone_pickle_and_repr(transformer):
    images = make_images((5, 8, 8, 3), np.float32)
    fitted = clone(transformer)
    assert fitted.fit(images) is fitted
    assert eval(repr(transformer)).get_params() == fitted.get_params()
    twin = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(twin.transform(images), fitted.transform(images))
    np.testing.assert_array_equal(clone(fitted).fit_transform(images), fitted.transform(images))


def test_a_cached_chain_of_all(tmp_path):
    images = make_images((12, 40, 36, 3), np.uint8)
    steps = make_pipeline(
        ImageReader(),
        CenterCrop(32),
        MorphologicalOpening(),
        CLAHE(),
        Resize(16),
        ToFloat(),
        AsinhStretch(),
        PercentileStretch(),
        Standardize("training"),
    )
    expected = steps.fit_transform(images)
    assert expected.shape == (12, 16, 16, 3)
    sequence = clone(steps).fit_transform(ImageSequence.from_array(images))
    np.testing.assert_array_equal(sequence.cache(tmp_path).read(), expected)
    np.testing.assert_array_equal(np.concatenate(list(sequence.batches(5))), expected)


@pytest.mark.parametrize("as_sequence", [False, True])
def test_grid_search_over_a_pipeline(as_sequence):
    rng = np.random.default_rng(0)
    y = np.array(["round", "flat"])[np.arange(60) % 2]
    rows, columns = np.mgrid[-8:8, -8:8] + 0.5
    width = np.where(y == "round", 3.0, 1.0)[:, None, None]
    discs = 200 * np.exp(-(rows**2 / (2 * width**2) + columns**2 / 18))
    images = (discs + rng.uniform(0, 40, discs.shape)).astype(np.uint8)[..., np.newaxis]
    X = ImageSequence.from_array(images) if as_sequence else images
    model = make_pipeline(
        CenterCrop(12), CLAHE(), Resize(6), ToFloat(), Flatten(), LogisticRegression()
    )
    grid = {
        "centercrop__size": [12, 16],
        "clahe__clip_limit": [1.0, 2.0],
        "clahe__tile_grid_size": [(1, 1)],
        "logisticregression__C": [1e-9, 10.0],
    }
    search = GridSearchCV(model, grid, cv=3, error_score="raise").fit(X, y)
    assert search.best_params_["logisticregression__C"] == 10
    assert search.best_score_ > 0.95
    assert search.score(X, y) == 1


@pytest.mark.parametrize(
    ("transformer", "message"),
    [
        (CenterCrop(9), r"CenterCrop cannot cut 9 x 9 pixels .* out of images of 8 x 8"),
        (CenterCrop((8, 9)), r"CenterCrop cannot cut 8 x 9 pixels .* out of images of 8 x 8"),
        (CenterCrop((3, 3, 3)), "size parameter of CenterCrop must be .*Got"),
        (CenterCrop(0), "'size' parameter of CenterCrop must be"),
        (CenterCrop(4, pad="edge"), "'pad' parameter of CenterCrop must be"),
        (Resize((3.5, 2)), "size parameter of Resize must be"),
        (Resize(20_000), "size parameter of Resize must be .* at most 16384"),
        (Resize(4, interpolation="best"), "'interpolation' parameter of Resize must be"),
        (CLAHE(0), "'clip_limit' parameter of CLAHE must be"),
        (CLAHE(tile_grid_size=(8, 0)), "tile_grid_size parameter of CLAHE must be two"),
        (CLAHE(tile_grid_size=(8.0, 8)), "tile_grid_size parameter of CLAHE must be two"),
        (CLAHE(data_range=(1, 0)), "data_range parameter of CLAHE must be two rising"),
        (CLAHE(data_range=(0, 0.5)), r"float pixels lie in data_range=\(0, 0.5\) and got .* to 1"),
        (MorphologicalOpening(0), "'size' parameter of MorphologicalOpening must be"),
        (MorphologicalOpening(shape="disk"), "'shape' parameter of MorphologicalOpening must be"),
        (AsinhStretch(0), "'softening' parameter of AsinhStretch must be"),
        (AsinhStretch(white=1, black=2), "white level of AsinhStretch must lie above black=2"),
        (AsinhStretch(black=2.0), "found no white level: no pixel of X lies above black=2"),
        (PercentileStretch(99.5), "lower percentile of PercentileStretch must lie below"),
        (PercentileStretch(-1), "'lower' parameter of PercentileStretch must be"),
        (Standardize("set"), "'per' parameter of Standardize must be"),
        (GrayScale((1, 1)), "weights parameter of GrayScale .* for images of 3 bands"),
        (GrayScale((1, 1, -1)), "weights parameter of GrayScale .* none negative"),
        (ToFloat(image_shape=(4, 4)), r"given image_shape=\(4, 4, 1\), but X holds .*\(8, 8, 3\)"),
    ],
    ids=repr,
)
def test_wrong_parameters(transformer, message):
    images = make_images((3, 8, 8, 3), np.float64)
    with pytest.raises(ValueError, match=message):
        transformer.fit(images).transform(images)


def test_the_contact_sheet_of_real_galaxies_is_the_same_lazily(real_data):
    paths = sorted((real_data / "gz2" / "original_424px").glob("*.jpg"))[:6]
    files = ImageSequence.from_files(paths)
    for step in IMAGE_STEPS:
        sequence = clone(step).fit_transform(files)
        np.testing.assert_array_equal(sequence.read(), clone(step).fit_transform(files.read()))
