"""Inside other people's workflows: tables, threads, callbacks, failures, pickles."""

import os
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn import config_context
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.metrics import make_scorer, root_mean_squared_error
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, Checkpoint, EarlyStopping

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.datasets import make_galaxies
from galaxy_sklearn.decomposition import AutoencoderPretrainer, ContrastivePretrainer
from galaxy_sklearn.galaxy_zoo import load_tree
from galaxy_sklearn.metrics import vote_rmse
from galaxy_sklearn.neural_network import VoteFractionRegressor
from galaxy_sklearn.preprocessing import Flatten, ImageReader, Resize

X, Y = make_galaxies(40, image_size=32, random_state=0)
VOTES = np.zeros((40, 37))
VOTES[:, [0, 14, 15]] = 1


def linear(**params):
    return GalaxyClassifier("linear", **{"max_epochs": 2, "random_state": 0, **params})


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    names = [folder / f"{number}.png" for number in range(len(X))]
    for name, image in zip(names, X):
        Image.fromarray(image).save(name)
    return [str(name) for name in names]


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (linear(), Y),
        (VoteFractionRegressor("linear", max_epochs=1), VOTES),
        (AutoencoderPretrainer("linear", max_epochs=1), None),
        (ContrastivePretrainer("simple_cnn", max_epochs=1), None),
    ],
    ids=lambda one: type(one).__name__,
)
def test_embeddings_come_as_a_table_where_one_is_asked_for(model, y):
    model.set_output(transform="pandas").fit(X, y)
    table = model.transform(X[:3])
    assert isinstance(table, pd.DataFrame)
    assert table.columns.tolist() == model.get_feature_names_out().tolist()
    assert np.array_equal(table, model.set_output(transform="default").transform(X[:3]))


def test_images_stay_images_under_every_output(files):
    steps = make_pipeline(ImageReader(), Resize(16))
    with config_context(transform_output="pandas"):
        images = steps.fit_transform(files)
        rows = make_pipeline(Resize(16), Flatten()).fit_transform(X)
    assert images.shape == (40, 16, 16, 3)
    assert isinstance(rows, pd.DataFrame)
    assert rows.columns[-1] == "flatten767"
    assert isinstance(Flatten().fit(X).transform(X), np.ndarray)


def test_columns_of_files_and_numbers_make_one_table(files):
    table = pd.DataFrame({"file": files, "magnitude": np.arange(40.0)})
    embed = make_pipeline(ImageReader(), Resize(16), linear())
    columns = ColumnTransformer(
        [("image", embed, ["file"]), ("number", StandardScaler(), ["magnitude"])]
    ).set_output(transform="pandas")
    joined = columns.fit_transform(table, Y)
    assert joined.columns.tolist() == columns.get_feature_names_out().tolist()
    assert joined.columns[0] == "image__galaxyclassifier0"
    assert joined.columns[-1] == "number__magnitude"
    model = make_pipeline(columns, KNeighborsClassifier()).fit(table, Y)
    assert model.predict(table[:2]).shape == (2,)


def test_names_pass_through_unions():
    union = make_union(make_pipeline(Resize(8), Flatten()), linear(max_epochs=1)).fit(X, Y)
    names = union.get_feature_names_out()
    assert len(names) == union.transform(X).shape[1]
    assert names[0] == "pipeline__flatten0"
    assert names[-1].startswith("galaxyclassifier__galaxyclassifier")


def fitted(seed):
    model = GalaxyClassifier("simple_cnn", max_epochs=2, random_state=seed)
    return model.fit(X, Y).predict_proba(X[:5])


def test_fits_in_threads_are_those_of_one_thread():
    expected = [fitted(seed) for seed in range(4)]
    before = torch.get_rng_state().clone()
    found = joblib.Parallel(2, backend="threading")(joblib.delayed(fitted)(k) for k in range(4))
    assert np.array_equal(expected, found)
    assert torch.equal(before, torch.get_rng_state())


class Fails(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise MemoryError("no more")


@pytest.mark.parametrize(
    ("model", "y"),
    [(linear(), Y), (VoteFractionRegressor("linear", max_epochs=1), VOTES)],
    ids=["GalaxyClassifier", "VoteFractionRegressor"],
)
def test_a_fit_that_fails_is_no_fit(model, y):
    model.fit(X, y).set_params(callbacks=[Fails()])
    with pytest.raises(MemoryError, match="no more"):
        model.fit(X, y)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        model.predict(X)


def test_a_warm_start_that_fails_keeps_what_it_had():
    model = linear(warm_start=True).fit(X, Y)
    with pytest.raises(MemoryError, match="no more"):
        model.set_params(callbacks=[Fails()]).fit(X, Y)
    assert model.predict(X).shape == (40,)


def test_callbacks_of_skorch_may_stop_a_training():
    never = EarlyStopping(
        monitor="train_loss", patience=2, threshold=10, threshold_mode="abs", sink=lambda _: None
    )
    model = linear(max_epochs=20, callbacks=[never]).fit(X, Y)
    assert model.n_iter_ == 3
    assert model.predict(X).shape == (40,)


def test_callbacks_of_skorch_see_which_epoch_is_best(tmp_path):
    keeper = Checkpoint(monitor="valid_score_best", dirname=tmp_path)
    model = linear(
        max_epochs=3, early_stopping=True, validation_fraction=0.25, callbacks=[keeper]
    ).fit(X, Y)
    assert (tmp_path / "params.pt").exists()
    best = [row["valid_score_best"] for row in model.history_]
    assert best[0] is True
    assert sum(best) == len({max(model.validation_scores_[: k + 1]) for k in range(len(best))})


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"callbacks": ["x"]}, TypeError, "takes skorch callbacks; got 'x'"),
        (
            {"optimizer_params": {"momentun": 0.1}},
            ValueError,
            "no parameter 'momentun', which optimizer",
        ),
        ({"optimizer_params": {"lr": 0.1}}, ValueError, "its rate is learning_rate"),
    ],
)
def test_faults_of_settings_are_named(params, error, message):
    with pytest.raises(error, match=message):
        linear(**params).fit(X, Y)


@pytest.mark.parametrize("step", [linear(), Resize(8)], ids=["classifier", "transformer"])
def test_channels_first_are_refused(step):
    with pytest.raises(ValueError, match=r"channels last; got shape \(40, 3, 32, 32\)"):
        step.fit(X.transpose(0, 3, 1, 2), Y)


def test_file_names_as_bytes_are_read(files):
    expected = np.asarray(ImageReader().fit_transform(files))
    for names in (np.array(files).astype("S"), [os.fsencode(name) for name in files]):
        assert np.array_equal(ImageReader().fit_transform(names), expected)


@pytest.mark.parametrize("kind", [set, iter, lambda names: dict.fromkeys(names)])
def test_names_without_order_are_refused(files, kind):
    with pytest.raises(TypeError, match="a list or column of file names, in order"):
        ImageReader().fit(kind(files))


@pytest.mark.parametrize("nothing", [[], (), np.empty(0, object), pd.Series([], dtype=object)])
def test_nothing_to_read_is_one_sentence(files, nothing):
    with pytest.raises(ValueError, match="ImageReader needs at least one file name or image"):
        ImageReader().fit(nothing)
    with pytest.raises(ValueError, match="ImageReader needs at least one file name or image"):
        make_pipeline(ImageReader(), Resize(8), linear()).fit(files, Y).predict(nothing)


def test_a_pickle_is_little_more_than_its_weights():
    model = GalaxyClassifier(max_steps=1, random_state=0).fit(X, Y)
    n_weights = sum(one.numel() for one in model.net_.module_.parameters())
    data = pickle.dumps(model)
    assert len(data) < 4 * n_weights + 100_000
    assert np.array_equal(pickle.loads(data).predict_proba(X), model.predict_proba(X))


def test_the_error_of_votes_is_over_what_is_known():
    rng = np.random.default_rng(0)
    truth, predicted, weights = rng.random((50, 3)), rng.random((50, 3)), rng.random(50)
    flat = root_mean_squared_error(truth.ravel(), predicted.ravel())
    assert vote_rmse(truth, predicted) == pytest.approx(flat)
    assert vote_rmse(truth[:, 0], predicted[:, 0], sample_weight=weights) == pytest.approx(
        root_mean_squared_error(truth[:, 0], predicted[:, 0], sample_weight=weights)
    )
    truth[rng.random((50, 3)) < 0.3] = np.nan
    known = ~np.isnan(truth)
    assert vote_rmse(truth, predicted) == pytest.approx(
        root_mean_squared_error(truth[known], predicted[known])
    )
    truth[:, 2] = np.nan
    each = vote_rmse(truth, predicted, multioutput="raw_values")
    assert each[0] == pytest.approx(vote_rmse(truth[:, 0], predicted[:, 0]))
    assert np.isnan(each[2])


def test_the_error_of_votes_is_a_scorer():
    votes = VOTES.copy()
    votes[::2, 30:] = np.nan
    model = VoteFractionRegressor("linear", max_epochs=1, random_state=0)
    scorer = make_scorer(vote_rmse, greater_is_better=False)
    found = cross_val_score(model, X, votes, cv=2, scoring=scorer)
    assert found == pytest.approx(cross_val_score(model, X, votes, cv=2))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (([[1.0]], [[1.0, 2.0]]), "of the shape of y_true"),
        (([[1.0], [2.0]], [[1.0], [np.nan]]), "row 1 of y_pred holds NaN"),
        (([[np.nan]], [[1.0]]), "nothing in y_true is known"),
    ],
)
def test_faults_in_votes_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        vote_rmse(*given)


def test_other_faults_of_the_vote_error_are_named():
    with pytest.raises(ValueError, match="one weight a sample, of 1"):
        vote_rmse([1.0], [1.0], sample_weight=[1.0, 2.0])
    with pytest.raises(ValueError, match="'pooled' or 'raw_values'; got 'mean'"):
        vote_rmse([1.0], [1.0], multioutput="mean")


def test_a_table_of_votes_in_any_order_is_scored_by_name():
    names = load_tree("gz2_kaggle").answers
    table = pd.DataFrame(VOTES, columns=names)[names[::-1]].assign(GalaxyID=range(len(VOTES)))
    model = VoteFractionRegressor("linear", max_epochs=1, random_state=0)
    scorer = make_scorer(vote_rmse, greater_is_better=False, tree="gz2_kaggle")
    found = cross_val_score(model, X, table, cv=2, scoring=scorer)
    assert found == pytest.approx(cross_val_score(model, X, VOTES, cv=2))
    assert vote_rmse(table, table.drop(columns="GalaxyID"), tree="gz2_kaggle") == 0
    assert vote_rmse(VOTES, pd.DataFrame(VOTES), tree="gz2_kaggle") == 0
    assert vote_rmse(table.iloc[0], VOTES[0], tree="gz2_kaggle") == 0
    masked = np.ma.array(VOTES, mask=VOTES > 2)
    masked[0, 0] = np.ma.masked
    holes = VOTES.copy()
    holes[0, 0] = np.nan
    guess = np.full(VOTES.shape, 0.3)
    assert vote_rmse(masked, guess) == vote_rmse(holes, guess)
    assert vote_rmse(masked, guess, tree="gz2_kaggle") == vote_rmse(holes, guess)


def shuffled(column):
    table = pd.DataFrame({"image": column, "row": np.arange(40.0)}, index=np.arange(100, 140))
    return table.sample(frac=1, random_state=0)


@pytest.mark.parametrize("chosen", ["image", ["image"]], ids=["column", "table"])
@pytest.mark.parametrize("kind", ["arrays", "files", "cached"])
def test_rows_of_a_shuffled_table_stay_together(kind, chosen, files, tmp_path):
    table = shuffled(list(X) if kind == "arrays" else files)
    steps = [] if kind == "arrays" else [ImageReader(cache=tmp_path if kind == "cached" else None)]
    embed = make_pipeline(*steps, Resize(8), Flatten())
    columns = ColumnTransformer([("image", embed, chosen), ("row", "passthrough", ["row"])])
    joined = columns.set_output(transform="pandas").fit_transform(table, Y)
    assert joined.index.tolist() == table.index.tolist()
    rows = joined["row__row"].astype(int)
    expected = make_pipeline(Resize(8), Flatten()).fit_transform(X)[rows]
    np.testing.assert_array_equal(joined.drop(columns="row__row"), expected)
    later = columns.transform(table[5:8])
    assert later.index.tolist() == table.index[5:8].tolist()


def test_embeddings_of_a_shuffled_table_are_cross_validated():
    table = shuffled([255 * (image > 40) for image in X])
    columns = ColumnTransformer(
        [("image", make_pipeline(Resize(8), linear()), "image"), ("row", "passthrough", ["row"])]
    )
    model = make_pipeline(columns.set_output(transform="pandas"), KNeighborsClassifier(1))
    labels = table["row"] > 20  # which the rows tell, if they are with their images
    scores = cross_val_score(model, table, labels, cv=4, error_score="raise")
    assert scores.mean() > 0.8


def test_a_column_of_images_stays_one_for_pandas_alone():
    column = shuffled(list(X))["image"]
    step = Resize(8).fit(column)
    assert step.transform(column).shape == (40, 8, 8, 3)
    with config_context(transform_output="pandas"):
        made = step.transform(column)
    assert isinstance(made, pd.Series)
    assert made.index.tolist() == column.index.tolist()
    np.testing.assert_array_equal(np.stack(made), step.transform(column))
    union = make_union(make_pipeline(Resize(8), Flatten()), make_pipeline(Resize(4), Flatten()))
    assert union.set_output(transform="pandas").fit_transform(column).index.equals(column.index)


def test_an_index_follows_slices_steps_and_caches(files, tmp_path):
    table = shuffled(files)
    images = ImageReader().fit_transform(table["image"])
    assert images.index.equals(table.index)
    assert ImageReader().fit_transform(files).index is None
    part = images.map(Resize(8).fit(X))[[3, 1, 3]]
    assert part.index.tolist() == table.index[[3, 1, 3]].tolist()
    stored = part.cache(tmp_path)
    assert stored.index.tolist() == part.index.tolist()
    twice = pd.Series([*files[:2], files[0]], index=list("abc"))
    assert ImageReader().fit_transform(twice).cache(tmp_path).index.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(stored.read(), part.read())
    assert pickle.loads(pickle.dumps(part)).index.equals(part.index)
    model = linear(max_steps=1).fit(X, Y).set_output(transform="pandas")
    assert model.transform(images[:4]).index.tolist() == table.index[:4].tolist()


def test_names_do_not_depend_on_the_column_that_holds_the_images():
    table = pd.DataFrame({"image": list(X), "row": np.arange(40.0)})
    columns = ColumnTransformer([("image", linear(), "image"), ("row", "passthrough", ["row"])])
    names = columns.fit(table, Y).get_feature_names_out().tolist()
    assert names[0] == "image__galaxyclassifier0"
    assert names[-1] == "row__row"
    model = linear().fit(table[["image"]], Y)
    assert model.predict(table[["image"]]).shape == (40,)
    assert len(model.get_feature_names_out(["image"])) == len(names) - 1
