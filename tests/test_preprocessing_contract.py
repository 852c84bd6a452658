"""Every transformer keeps scikit-learn's contract."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from galaxy_sklearn.preprocessing import (
    CLAHE,
    AsinhStretch,
    CenterCrop,
    Flatten,
    GrayScale,
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


@parametrize_with_checks(TRANSFORMERS)
def test_scikit_learn_contract(estimator, check):
    check(estimator)
