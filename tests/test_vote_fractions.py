"""VoteFractionRegressor: sum rules, unknown votes, planted fractions, honest intervals."""

import io
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from planted_votes import KAGGLE, SMALL, counts, linear, mean_vote, path, planted, small, tree_head
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn._training.vote_losses import DirichletMultinomialLoss, FractionLoss
from galaxy_sklearn.galaxy_zoo import (
    Answer,
    DecisionTree,
    Question,
    check_votes,
    convert_votes,
    load_tree,
    sample_masks,
)
from galaxy_sklearn.neural_network import VoteFractionRegressor
from galaxy_sklearn.preprocessing import ImageReader


@pytest.fixture(scope="module")
def galaxies():
    X, conditional = planted(260, SMALL)
    return X[:200], conditional[:200], X[200:], conditional[200:]


@pytest.fixture(scope="module")
def fitted(galaxies):
    return small().fit(galaxies[0], path(SMALL, galaxies[1]))


# ------------------------------------------------------------------------- sum rules
@pytest.mark.parametrize("name", ["gz2", "gz2_kaggle", "gz_decals_dr5"])
@pytest.mark.parametrize("normalization", ["softmax", "divisive"])
def test_any_outputs_whatever_satisfy_every_sum_rule(name, normalization):
    tree = load_tree(name)
    head = tree_head(tree, normalization=normalization)
    scale = torch.logspace(-3, 6, 2000, dtype=torch.float64)[:, None]
    outputs = torch.randn(2000, len(tree.answers), generator=torch.manual_seed(0)) * scale
    outputs[0] = -1e6  # all rectified
    fractions = head.activation(outputs).numpy()
    assert np.isfinite(fractions).all()
    assert fractions.min() >= 0
    check_votes(fractions, tree=tree, tolerance=1e-9)
    again = path(tree, head.conditional(outputs).numpy())
    np.testing.assert_allclose(fractions, again, rtol=0, atol=1e-12)


@pytest.mark.parametrize("params", [{}, {"normalization": "divisive"}, {"tta": "d4"}])
@pytest.mark.parametrize("rate", [1e-12, 0.003, 10.0], ids=["untrained", "trained", "exploded"])
def test_all_predictions_satisfy_every_sum_rule(params, rate):
    X, conditional = planted(48, KAGGLE)
    y = path(KAGGLE, conditional)
    model = small(tree="gz2_kaggle", learning_rate=rate, max_epochs=3, **params).fit(X, y)
    check_votes(model.predict(X), tree="gz2_kaggle", tolerance=1e-6)
    conditional = model.predict(X, kind="conditional")
    check_votes(conditional, tree="gz2_kaggle", kind="conditional", tolerance=1e-6)


def test_an_overfitted_network_satisfies_every_sum_rule():
    X = planted(6, SMALL)[0]
    first = np.arange(7) == np.array([1, 3, 4])[:, None]
    y = path(SMALL, np.tile(np.float64(first.any(0)), (6, 1)))  # all volunteers agree
    y[::2] = [1, 0, 0, 0, 0, 0, 0]
    model = linear(max_epochs=200, learning_rate=0.1).fit(X, y)
    assert model.score(X, y) > -0.02
    check_votes(model.predict(X), tree=SMALL, tolerance=1e-6)


def test_the_dirichlet_satisfies_every_sum_rule(galaxies):
    votes = counts(SMALL, galaxies[1], np.full(200, 30))
    model = small(loss="dirichlet_multinomial", kind="counts", max_epochs=2, tta="d4")
    model.fit(galaxies[0], votes)
    check_votes(model.predict(galaxies[2]), tree=SMALL, tolerance=1e-6)


# -------------------------------------------------------------------- what is learned
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"loss": "rmse"},
        {"normalization": "divisive", "unnormalized_steps": 20},
        {"output": "sigmoid"},
        {"output": "identity"},
        {"loss": "dirichlet_multinomial", "n_votes": 40},
    ],
    ids=str,
)
def test_planted_fractions_are_recovered(galaxies, params):
    y_train, y_test = path(SMALL, galaxies[1]), path(SMALL, galaxies[3])
    model = small(**params).fit(galaxies[0], y_train)
    assert -model.score(galaxies[2], y_test) < 0.5 * mean_vote(y_train, y_test)


def test_training_starts_from_the_mean_vote(galaxies):
    y = path(SMALL, galaxies[1])
    mean = y.mean(0)
    for params in ({}, {"normalization": "divisive"}, {"output": "sigmoid"}):
        model = linear(max_epochs=1, learning_rate=1e-9, **params).fit(galaxies[0], y)
        np.testing.assert_allclose(model.predict(galaxies[2]) - mean, 0, atol=0.03)


def test_kinds_of_votes_teach_the_same(galaxies):
    X, conditional = galaxies[:2]
    votes = counts(SMALL, conditional, np.full(200, 1_000_000))
    shares = convert_votes(votes, tree=SMALL, source="counts", target="conditional")
    kinds = {"path": path(SMALL, shares), "conditional": shares, "counts": votes}
    predicted = [linear(kind=k, max_epochs=4).fit(X, y).predict(X) for k, y in kinds.items()]
    np.testing.assert_allclose(predicted[1], predicted[0], atol=1e-9)
    np.testing.assert_allclose(predicted[2], predicted[0], atol=1e-9)


def test_score_is_the_rmse_over_known_entries(fitted, galaxies):
    y = path(SMALL, galaxies[3]).copy()
    y[::2, 4:] = np.nan
    errors = fitted.predict(galaxies[2]) - y
    assert fitted.score(galaxies[2], y) == pytest.approx(-np.sqrt(np.nanmean(errors**2)))
    weights = np.r_[np.ones(30), np.zeros(30)]
    some = fitted.score(galaxies[2], y, sample_weight=weights)
    assert some == pytest.approx(-np.sqrt(np.nanmean(errors[:30] ** 2)))


def test_early_stopping_keeps_the_epoch_of_the_lowest_rmse(galaxies):
    y = path(SMALL, galaxies[1])
    model = small(early_stopping=True, n_iter_no_change=2, max_epochs=30, learning_rate=0.03)
    model.fit(galaxies[0], y)
    assert len(model.validation_scores_) == model.n_iter_
    held_out = np.random.RandomState(0).permutation(200)[:20]
    best = max(model.validation_scores_)
    assert model.score(galaxies[0][held_out], y[held_out]) == pytest.approx(best, abs=1e-4)
    assert model.n_iter_ == 30 or best not in model.validation_scores_[-2:]


def test_early_stopping_goes_by_any_score(galaxies):
    y = path(SMALL, galaxies[1])
    kept = {"early_stopping": True, "max_epochs": 3}
    model = small(**kept, scoring="neg_mean_absolute_error").fit(galaxies[0], y)
    held_out = np.random.RandomState(0).permutation(200)[:20]
    error = abs(model.predict(galaxies[0][held_out]) - y[held_out]).mean()
    assert max(model.validation_scores_) == pytest.approx(-error, abs=1e-4)
    y = y.copy()
    y[::3, 4:] = np.nan
    with pytest.raises(ValueError, match="takes no unknown votes, and . of 20 images set aside"):
        small(**kept, scoring="r2").fit(galaxies[0], y)
    seen = small(**kept, scoring=lambda model, X, y: np.isnan(y).mean()).fit(galaxies[0], y)
    assert set(seen.validation_scores_) == {np.isnan(y[held_out]).mean()}


# ------------------------------------------------------------------- unknown votes
def losses():
    head = tree_head(SMALL)
    return {
        "mse": FractionLoss(head, root=False, unit=np.ones(7)),
        "rmse": FractionLoss(head, root=True, unit=np.ones(7)),
        "dirichlet_multinomial": DirichletMultinomialLoss(head),
    }


@pytest.mark.parametrize("name", ["mse", "rmse", "dirichlet_multinomial"])
def test_unknown_targets_give_no_gradient(name):
    loss = losses()[name]
    X, conditional = planted(12, SMALL)
    y = torch.from_numpy(path(SMALL, conditional) * (20 if name.startswith("d") else 1))
    outputs = torch.randn(12, 7, generator=torch.manual_seed(1)).double().requires_grad_()
    holes = y.clone()
    holes[:, 4:] = torch.nan  # the last question
    holes[9:] = torch.nan  # the last galaxies
    value = loss(outputs, holes, torch.ones(12))
    (gradient,) = torch.autograd.grad(value, outputs)
    assert torch.isfinite(gradient).all()
    assert (gradient[:9, :4] != 0).all()
    assert (gradient[9:] == 0).all()
    assert (gradient[:, 4:] == 0).all()
    few = outputs.detach()[:9].requires_grad_()
    (alone,) = torch.autograd.grad(loss(few, holes[:9], torch.ones(9)), few)
    torch.testing.assert_close(alone, gradient[:9])


@pytest.mark.parametrize("loss", ["mse", "rmse", "dirichlet_multinomial"])
def test_a_galaxy_without_known_votes_is_as_if_it_were_not_there(galaxies, loss):
    X, y = galaxies[0][:60], path(SMALL, galaxies[1])[:60].copy()
    y[40:] = np.nan
    model = linear(loss=loss, n_votes=30, max_epochs=5)
    with_them = model.fit(X, y).predict(X)
    np.testing.assert_array_equal(with_them, model.fit(X[:40], y[:40]).predict(X))


def test_a_question_never_answered_does_not_disturb_the_others(galaxies):
    X, y = galaxies[0], path(SMALL, galaxies[1])
    holes = y.copy()
    holes[:, 4:] = np.nan
    tree = DecisionTree(
        "cut", (SMALL.questions[0], Question("edge-on", (Answer("yes"), Answer("no"))))
    )
    full = linear(max_epochs=5).fit(X, holes).predict(X)
    cut = linear(max_epochs=5, tree=tree).fit(X, y[:, :4]).predict(X)
    np.testing.assert_allclose(full[:, :4], cut, atol=1e-12)


def test_half_the_votes_unknown_still_teach(galaxies):
    y = path(SMALL, galaxies[1]).copy()
    y[np.random.default_rng(0).random(y.shape) < 0.5] = np.nan
    y_test = path(SMALL, galaxies[3])
    model = small().fit(galaxies[0], y)
    assert -model.score(galaxies[2], y_test) < 0.6 * mean_vote(y, y_test)


# ------------------------------------------------------------------ divisive outputs
def test_divisive_shares_are_rectified_outputs_over_their_sum():
    head = tree_head(SMALL, normalization="divisive")
    outputs = torch.tensor([[0.7, -9, 0.1, 0.3, -1, -2, -3]], dtype=torch.float64)
    shares = head.conditional(outputs)[0].numpy()
    third = 1 / 3  # where all are rectified, equal shares
    np.testing.assert_allclose(shares, [1, 0, 0.4, 0.6, third, third, third])


def test_the_first_steps_compare_outputs_that_are_not_divided():
    head = tree_head(SMALL, normalization="divisive", unnormalized_steps=2).train()
    outputs = torch.full((1, 7), 0.3, dtype=torch.float64)
    outputs[0, 0] = 5
    for _ in range(2):
        np.testing.assert_allclose(head(outputs)[0], [1] + 6 * [0.6])
    check_votes(head(outputs).numpy(), tree=SMALL, tolerance=1e-9)
    head = tree_head(SMALL, normalization="divisive", unnormalized_steps=2).eval()
    check_votes(head(outputs).numpy(), tree=SMALL, tolerance=1e-9)


class KilledInEpoch(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) > self.epoch:
            raise InterruptedError("killed")


def test_a_killed_fit_knows_how_many_steps_were_not_divided(galaxies, tmp_path):
    X, y = galaxies[0], path(SMALL, galaxies[1])
    divisive = small(normalization="divisive", unnormalized_steps=18, max_epochs=4)
    expected = divisive.fit(X, y).predict(X)
    divisive.set_params(checkpoint_dir=tmp_path, callbacks=[KilledInEpoch(2)])
    with pytest.raises(InterruptedError, match="killed"):
        divisive.fit(X, y)
    resumed = divisive.set_params(callbacks=None).fit(X, y)
    np.testing.assert_array_equal(resumed.predict(X), expected)


# ----------------------------------------------------------------------- tables of y
def test_columns_come_in_any_order_and_any_catalogue_s_names():
    X, conditional = planted(40, KAGGLE)
    y = path(KAGGLE, conditional)
    shuffled = np.random.default_rng(0).permutation(37)
    expected = linear(tree="gz2_kaggle", max_epochs=2).fit(X, y).predict(X)
    for catalogue in ("tree", "kaggle", "hart16"):
        table = pd.DataFrame(y, columns=KAGGLE.columns(catalogue)).iloc[:, shuffled]
        table.insert(0, "GalaxyID", range(100, 140))
        model = linear(tree="gz2_kaggle", max_epochs=2).fit(X, table)
        np.testing.assert_array_equal(model.predict(X), expected)
        assert model.answers_ == KAGGLE.answers
        assert model.score(X, table) == model.score(X, y)


def test_any_table_of_fractions_does_without_a_tree():
    X, conditional = planted(60, SMALL)
    table = pd.DataFrame(conditional[:, [0, 2]], columns=["smooth", "edge_on"])
    model = linear(tree=None, output="sigmoid").fit(X, table)
    assert model.answers_ == ["smooth", "edge_on"]
    assert model.predict(X).shape == (60, 2)
    one = linear(tree=None, output="sigmoid").fit(X, table["smooth"])
    assert one.predict(X).shape == (60,)
    assert one.predict(X).min() > 0
    assert one.predict(X).max() < 1


@pytest.mark.parametrize("params", [{"tree": SMALL}, {"tree": None, "output": "sigmoid"}])
def test_the_layout_of_y_in_memory_does_not_matter(params):
    X, conditional = planted(40, SMALL)
    y = path(SMALL, conditional)
    models = [
        linear(**params, max_epochs=2).fit(X, one)
        for one in (
            np.ascontiguousarray(y),
            np.asfortranarray(y),
            pd.DataFrame(y, columns=SMALL.answers),
        )
    ]
    for model in models[1:]:
        np.testing.assert_array_equal(model.predict(X), models[0].predict(X))


def test_columns_of_any_table_are_known_by_their_names():
    X, conditional = planted(60, SMALL)
    table = pd.DataFrame(conditional[:, [0, 2]], columns=["smooth", "edge_on"])
    model = linear(tree=None, output="sigmoid").fit(X, table)
    assert model.score(X, table) == model.score(X, table[["edge_on", "smooth"]])
    with pytest.raises(ValueError, match="fitted on the columns .'smooth', 'edge_on'. of y"):
        model.score(X, table.rename(columns={"smooth": "odd"}))


def test_predicted_classes_are_those_of_clean_samples(galaxies):
    X, conditional = planted(60, KAGGLE)
    for params in ({}, {"output": "sigmoid"}):
        model = linear(tree="gz2_kaggle", max_epochs=30, **params).fit(X, path(KAGGLE, conditional))
        scheme = {
            "smooth": ["smooth-or-featured_smooth >= 0.469"],
            "not": ["smooth-or-featured_smooth < 0.469"],
        }
        classes = model.predict_class(X, scheme=scheme)
        smooth = model.predict(X)[:, 0] >= 0.469
        assert 0 < smooth.sum() < 60
        np.testing.assert_array_equal(classes == "smooth", smooth)
        known = {"round", "in_between", "cigar", "edge_on", "spiral"}
        assert set(model.predict_class(X).dropna()) <= known


def test_conditional_fractions_of_free_outputs_sum_to_one(galaxies):
    X, conditional, X_test, _ = galaxies
    model = small(output="sigmoid", max_steps=20).fit(X, path(SMALL, conditional))
    predicted = model.predict(X_test, kind="conditional")
    check_votes(predicted, tree=SMALL, kind="conditional", tolerance=1e-6)
    first, means = SMALL.question_slices[1], model.predict(X_test)
    expected = means[:, first] / means[:, first].sum(1, keepdims=True)
    np.testing.assert_allclose(predicted[:, first], expected, rtol=1e-5)


def test_predictions_have_the_populations_of_galaxy_zoo_decals():
    tree = load_tree("gz_decals_dr5")
    X, conditional = planted(60, tree)
    model = linear(tree=tree, max_epochs=2).fit(X, path(tree, conditional))
    votes = np.clip(model.predict(X), 0, None)
    masks = sample_masks(votes, scheme="walmsley2022", tree=tree, n_votes=np.inf, tolerance=1)
    expected = masks.columns.to_numpy()[masks.to_numpy().argmax(1)]
    classes = model.predict_class(X, scheme="walmsley2022")
    one = (masks.sum(axis=1) == 1).to_numpy()
    np.testing.assert_array_equal(classes[one], expected[one])
    assert classes[~one].isna().all()


@pytest.mark.parametrize(
    ("params", "change", "message"),
    [
        ({"tree": None}, None, r'VoteFractionRegressor\(output="tree"\) needs a tree'),
        ({"tree": "gz3"}, None, "load_tree has no tree 'gz3'"),
        ({"loss": "dirichlet_multinomial"}, None, 'needs kind="counts", or n_votes'),
        (
            {"loss": "dirichlet_multinomial", "kind": "counts", "normalization": "divisive"},
            None,
            'needs output="tree" and normalization="softmax"',
        ),
        ({"kind": "shares"}, None, "'kind' parameter of VoteFractionRegressor must be"),
        ({}, lambda y: y[:, :5], "need 7 columns"),
        ({}, lambda y: y[:50], "got 60 images in X and 50 rows in y"),
        ({}, lambda y: y * 0.9, "must sum to 1 within 0.005"),
        ({}, lambda y: -y, "must be between 0 and 1: row 0"),
        ({}, lambda y: y * np.nan, "needs a known target that has weight"),
        (
            {"tree": None, "output": "sigmoid"},
            lambda y: y + 0.5,
            r'takes fractions between 0 and 1 in y: row \d+, column \d+ holds 1.*identity',
        ),
        ({"early_stopping": True, "validation_fraction": 0.999}, None, "cannot set aside"),
    ],
)  # fmt: skip
def test_faults_are_named(galaxies, params, change, message):
    X, y = galaxies[0][:60], path(SMALL, galaxies[1])[:60]
    with pytest.raises(ValueError, match=message):
        linear(**params).fit(X, y if change is None else change(y))


def test_what_needs_a_tree_or_the_dirichlet_says_so(fitted, galaxies):
    assert not hasattr(fitted, "predict_distribution")
    with pytest.raises(AttributeError, match="has no attribute") as caught:
        fitted.predict_distribution(galaxies[2])
    assert "needs loss='dirichlet_multinomial'" in str(caught.value.__cause__)
    with pytest.raises(AttributeError, match="has no attribute") as caught:
        VoteFractionRegressor(tree=None).predict_class(galaxies[2])
    assert "predict_class needs a tree" in str(caught.value.__cause__)
    with pytest.raises(ValueError, match="takes kind='path' or, with a tree, 'cond.* got 'counts'"):
        fitted.predict(galaxies[2], kind="counts")
    with pytest.raises(ValueError, match="with a tree, 'conditional'; got 'conditional'"):
        VoteFractionRegressor(tree=None).predict(galaxies[2], kind="conditional")


# -------------------------------------------------------------- in scikit-learn's world
def test_clone_pickle_and_save_keep_the_predictions(fitted, galaxies, tmp_path):
    expected = fitted.predict(galaxies[2])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(galaxies[2]), expected)
    fitted.save(tmp_path / "model.joblib")
    loaded = VoteFractionRegressor.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(loaded.predict(galaxies[2]), expected)
    again = clone(fitted).fit(galaxies[0], path(SMALL, galaxies[1]))
    np.testing.assert_array_equal(again.predict(galaxies[2]), expected)


def test_grid_search_tunes_it_on_a_table_with_holes():
    X, conditional = planted(60, KAGGLE)
    y = pd.DataFrame(path(KAGGLE, conditional), columns=KAGGLE.columns("kaggle"))
    y.iloc[::3, 5:] = np.nan
    search = GridSearchCV(
        linear(tree="gz2_kaggle", max_epochs=5),
        {"learning_rate": [1e-9, 0.01], "output": ["tree", "sigmoid"]},
        cv=2,
        error_score="raise",
    )
    search.fit(X, y)
    assert search.best_params_["learning_rate"] == 0.01
    assert search.best_score_ < 0


def test_a_pipeline_reads_files(galaxies, tmp_path):
    files = []
    for number, image in enumerate(galaxies[0][:40, ..., 0]):
        files.append(str(tmp_path / f"{number}.png"))
        Image.fromarray((np.clip(image, 0, 1) * 255).astype(np.uint8)).save(files[-1])
    y = path(SMALL, galaxies[1])[:40].copy()
    y[3] = np.nan
    model = make_pipeline(ImageReader(), linear()).fit(files, y)
    assert -model.score(files, y) < mean_vote(y, y)
    check_votes(model.predict(files), tree=SMALL, tolerance=1e-6)


def test_it_starts_from_a_fitted_classifier_and_feeds_other_estimators(galaxies):
    X, conditional = galaxies[:2]
    classifier = GalaxyClassifier("simple_cnn", max_epochs=2, random_state=0)
    classifier.fit(X, conditional[:, 0] > 0.5)
    y = path(SMALL, conditional)
    model = small(pretrained=FrozenEstimator(classifier), freeze="backbone", max_epochs=1)
    model.fit(X, y)
    trunk = model.net_.module_.network.state_dict()
    theirs = classifier.net_.module_.network.state_dict()
    first = next(name for name in trunk if name.endswith("weight"))
    torch.testing.assert_close(trunk[first], theirs[first])
    embedding = model.transform(X)
    assert embedding.shape == (200, len(model.get_feature_names_out()))
    assert Ridge().fit(embedding, conditional[:, 0]).score(embedding, conditional[:, 0]) > 0.5


def test_partial_fit_and_warm_start_go_on(galaxies):
    X, y = galaxies[0], path(SMALL, galaxies[1])
    model = linear(warm_start=True, max_epochs=3, learning_rate=0.001).fit(X, y)
    before = model.score(X, y)
    assert model.fit(X, y).score(X, y) > before
    after = model.score(X, y)
    for _ in range(5):
        model.partial_fit(X, y)
    assert model.score(X, y) > after
    with pytest.raises(ValueError, match="was fitted on 7 columns in y and got 37"):
        model.set_params(tree="gz2_kaggle").fit(X[:48], path(KAGGLE, planted(48, KAGGLE)[1]))


def test_images_without_weight_teach_nothing(galaxies):
    X, y = galaxies[0][:60], path(SMALL, galaxies[1])[:60]
    wrong = np.concatenate([y, y[::-1]])
    weights = np.r_[np.ones(60), np.zeros(60)]
    weighted = linear(max_epochs=5).fit(np.concatenate([X, X]), wrong, sample_weight=weights)
    plain = linear(max_epochs=5).fit(X, y)
    np.testing.assert_allclose(weighted.predict(X), plain.predict(X), atol=1e-9)


# ------------------------------------------------------------------------- real data
def test_real_votes_are_predicted_better_than_by_their_mean(real_data):
    table = pd.read_csv(real_data / "gz2" / "labels.csv")
    with np.load(real_data / "gz2" / "images_128px.npz") as packed:
        jpeg, offset = packed["jpeg"], packed["offset"]
    rows = np.flatnonzero(table["n_fractions"] > 0)
    rows = np.random.default_rng(0).permutation(rows)[:300]
    assert set(table["n_fractions"].iloc[rows]) == {17, 37}
    X = np.stack([decode(jpeg[offset[row] : offset[row + 1]]) for row in rows])
    y = table[KAGGLE.columns("kaggle")].iloc[rows]
    model = VoteFractionRegressor("simple_cnn", max_epochs=8, batch_size=16, random_state=0)
    model.fit(X[:200], y[:200])
    check_votes(model.predict(X[200:]), tree="gz2_kaggle", tolerance=1e-6)
    baseline = mean_vote(y[:200].to_numpy(), y[200:].to_numpy())
    assert -model.score(X[200:], y[200:]) < 0.9 * baseline


def decode(data):
    image = Image.open(io.BytesIO(data.tobytes()))
    return np.asarray(image.crop((16, 16, 112, 112)).resize((64, 64)))
