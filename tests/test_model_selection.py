"""Searches with Optuna: scikit-learn's interface, planted optima, studies that go on."""

import pickle
import re
import sys
import time

import joblib
import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier, is_regressor
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    ShuffleSplit,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline

from galaxy_sklearn import GalaxyClassifier, recipes
from galaxy_sklearn.datasets import make_galaxies, sky_groups
from galaxy_sklearn.decomposition import AutoencoderPretrainer, ContrastivePretrainer
from galaxy_sklearn.exceptions import MissingDependencyError
from galaxy_sklearn.generative import GalaxyGAN
from galaxy_sklearn.model_selection import OptunaSearchCV, search_space
from galaxy_sklearn.model_selection._spaces import _choices
from galaxy_sklearn.neural_network import VoteFractionRegressor
from galaxy_sklearn.preprocessing import CLAHE, MorphologicalOpening, Resize
from galaxy_sklearn.semi_supervised import PseudoLabelClassifier

X, Y = make_galaxies(60, image_size=32, random_state=0)
COMPLETE, FAIL = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL


class Parabola(ClassifierMixin, BaseEstimator):
    """Scores highest at x = 0.3, and needs no data; `fault` says how it fails beyond 0.5."""

    def __init__(self, x=0.9, depth=0, fault=None, seconds=0.0):
        self.x = x
        self.depth = depth
        self.fault = fault
        self.seconds = seconds

    def fit(self, X, y):
        time.sleep(self.seconds)
        if self.fault and self.x > 0.5:
            raise self.fault("too far out")
        self.classes_ = np.unique(y)
        return self

    def score(self, X, y):
        return -((self.x - 0.3) ** 2) - self.depth


SPACE = {"x": FloatDistribution(0.0, 1.0)}
ROWS, LABELS = np.zeros((20, 1)), np.arange(20) % 2


def small(**params):
    return GalaxyClassifier("simple_cnn", max_epochs=1, random_state=0, **params)


def test_it_finds_the_planted_optimum():
    search = OptunaSearchCV(Parabola(), SPACE, n_trials=40, cv=2, random_state=0)
    assert search.fit(ROWS, LABELS).best_params_["x"] == pytest.approx(0.3, abs=0.02)
    late = search.cv_results_["mean_test_score"][20:].mean()
    assert late > search.cv_results_["mean_test_score"][:10].mean()  # trials learn


def test_scores_are_those_of_cross_validation():
    model = make_pipeline(Resize(16), small())
    space = {"galaxyclassifier__learning_rate": FloatDistribution(1e-3, 1e-1, log=True)}
    search = OptunaSearchCV(model, space, n_trials=2, cv=3, random_state=0).fit(X, Y)
    best = clone(model).set_params(**search.best_params_)
    scores = cross_val_score(best, X, Y, cv=3)
    assert search.best_score_ == pytest.approx(scores.mean())
    splits = [search.cv_results_[f"split{k}_test_score"][search.best_index_] for k in range(3)]
    assert splits == pytest.approx(scores)
    assert search.study_.best_value == search.best_score_
    assert search.study_.best_trial.user_attrs["split0_test_score"] == pytest.approx(scores[0])
    assert np.array_equal(search.predict_proba(X), best.fit(X, Y).predict_proba(X))
    again = pickle.loads(pickle.dumps(search))
    assert np.array_equal(again.predict(X), search.predict(X))
    assert is_classifier(search)
    assert list(search.classes_) == sorted(set(Y))


def test_one_seed_tries_the_same_and_leaves_the_global_state():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    tried = [
        OptunaSearchCV(Parabola(), SPACE, n_trials=12, cv=2, random_state=seed)
        .fit(ROWS, LABELS)
        .cv_results_["param_x"]
        .tolist()
        for seed in (0, 0, 1)
    ]
    OptunaSearchCV(Parabola(), SPACE, n_trials=1, cv=2).fit(ROWS, LABELS)
    assert tried[0] == tried[1] != tried[2]
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_a_list_may_hold_anything():
    steps = [CLAHE(), MorphologicalOpening(), "passthrough"]
    model = make_pipeline(CLAHE(), Resize(16), small())
    space = {"clahe": steps, "resize__size": np.array([8, 16])}
    search = OptunaSearchCV(model, space, n_trials=5, cv=2, random_state=0).fit(X, Y)
    assert all(one["clahe"] in steps for one in search.cv_results_["params"])
    assert {one["resize__size"] for one in search.cv_results_["params"]} <= {8, 16}
    text = search.study_.trials[0].params["clahe"]
    assert text in {"0: CLAHE()", "1: MorphologicalOpening()", "2: passthrough"}


def test_choices_that_are_equal_and_not_the_same_are_told_apart():
    assert _choices("verbose", [False, 0]) == {"0: False": False, "1: 0": 0}
    assert [type(one) for one in _choices("C", [1, 1.0, True]).values()] == [int, float, bool]
    assert _choices("verbose", [0, 1, 1]) == {0: 0, 1: 1}


def test_parameters_may_depend_on_others():
    def space(trial):
        params = {"x": trial.suggest_float("x", 0, 1)}
        if params["x"] > 0.5:
            params["depth"] = trial.suggest_int("depth", 1, 3)
        return params

    search = OptunaSearchCV(Parabola(), space, n_trials=10, cv=2, random_state=0)
    tried = search.fit(ROWS, LABELS).cv_results_["params"]
    assert {"depth" in one for one in tried} == {True, False}
    assert all(("depth" in one) == (one["x"] > 0.5) for one in tried)
    assert search.best_estimator_.depth == 0


def test_a_study_in_a_database_goes_on(tmp_path):
    def study():
        url = f"sqlite:///{tmp_path / 'trials.db'}"
        return optuna.create_study(
            study_name="x", storage=url, direction="maximize", load_if_exists=True
        )

    first = OptunaSearchCV(Parabola(), SPACE, n_trials=8, cv=2, study=study()).fit(ROWS, LABELS)
    second = OptunaSearchCV(Parabola(), SPACE, n_trials=3, cv=2, study=study()).fit(ROWS, LABELS)
    assert len(study().trials) == 12  # the best of the first once more
    assert second.cv_results_["params"][0] == first.best_params_
    assert second.best_score_ >= first.best_score_
    assert len(second.cv_results_["params"]) == 4
    elsewhere = {**SPACE, "x": FloatDistribution(-9.0, -8.0)}
    third = OptunaSearchCV(Parabola(), elsewhere, n_trials=2, cv=2, study=study())
    third.fit(ROWS, LABELS)
    assert all(one["x"] <= -8 for one in third.cv_results_["params"])
    assert len(third.cv_results_["params"]) == 2


def test_choices_have_the_same_names_in_every_process():
    names = [list(_choices("augmentation", [None, lambda images: images])) for _ in range(2)]
    assert names[0] == names[1] == ["0: None", names[0][1]]
    assert " at 0x" not in names[0][1]


def test_groups_reach_the_splitter_and_weights_the_estimator():
    rng = np.random.default_rng(0)
    groups = sky_groups(rng.uniform(0, 0.01, 40), np.zeros(40), radius=2)
    rows, labels = rng.normal(size=(40, 3)), np.arange(40) % 2
    space = {"C": FloatDistribution(0.1, 1.0)}
    search = OptunaSearchCV(LogisticRegression(), space, n_trials=1, cv=GroupKFold(4))
    search.fit(rows, labels, groups=groups)
    expected = cross_val_score(
        search.best_estimator_, rows, labels, cv=GroupKFold(4), groups=groups
    )
    assert search.best_score_ == pytest.approx(expected.mean())
    weights = rng.uniform(size=40)
    weighted = clone(search).set_params(cv=4).fit(rows, labels, sample_weight=weights)
    alone = clone(weighted.best_estimator_).fit(rows, labels, sample_weight=weights)
    assert weighted.best_estimator_.coef_ == pytest.approx(alone.coef_)


def test_several_scores():
    space = {"learning_rate": [0.01, 0.03]}
    search = OptunaSearchCV(
        small(),
        space,
        n_trials=2,
        cv=2,
        scoring=["accuracy", "balanced_accuracy"],
        refit="balanced_accuracy",
        return_train_score=True,
        random_state=0,
    ).fit(X, Y)
    assert search.best_score_ == search.cv_results_["mean_test_balanced_accuracy"].max()
    assert search.study_.best_value == search.best_score_
    assert "mean_train_accuracy" in search.cv_results_


def test_votes_with_unknown_fractions():
    votes = np.zeros((60, 37))
    votes[:, [0, 14, 15]] = 1
    votes[::2, 20:] = np.nan
    model = VoteFractionRegressor("simple_cnn", max_epochs=1, random_state=0)
    search = OptunaSearchCV(model, {"learning_rate": [0.01]}, n_trials=1, cv=2).fit(X, votes)
    assert is_regressor(search)
    assert -1 < search.best_score_ < 0
    assert search.predict(X[:2]).shape == (2, 37)


def test_a_pool_reaches_every_fit():
    base = PseudoLabelClassifier(small(), threshold=0.2, max_iter=1, max_divergence=None)
    search = OptunaSearchCV(base, {"threshold": [0.2]}, n_trials=1, cv=2)
    search.fit(X[:40], Y[:40], X_unlabeled=X[40:])
    assert len(search.best_estimator_.transduction_) == 60


def test_a_trial_that_fails_is_no_end():
    model = Parabola(fault=ValueError)
    search = OptunaSearchCV(model, SPACE, n_trials=10, cv=2, random_state=1)
    with pytest.warns(FitFailedWarning, match="too far out"):
        search.fit(ROWS, LABELS)
    trials = search.study_.trials
    assert {trial.state for trial in trials} == {COMPLETE, FAIL}
    assert all((trial.state == FAIL) == (trial.params["x"] > 0.5) for trial in trials)
    tried = [trial.params for trial in trials if trial.state == COMPLETE]
    assert search.cv_results_["params"] == tried


def test_a_number_for_failures_is_a_score_in_the_study():
    model = Parabola(fault=ValueError)
    search = OptunaSearchCV(model, SPACE, n_trials=10, cv=2, random_state=1, error_score=-9.0)
    with pytest.warns(FitFailedWarning, match="too far out"):
        search.fit(ROWS, LABELS)
    trials = search.study_.trials
    assert {trial.state for trial in trials} == {COMPLETE}
    assert all((trial.value == -9) == (trial.params["x"] > 0.5) for trial in trials)


def test_only_failures_are_an_error():
    model, space = Parabola(fault=ValueError), {"x": FloatDistribution(0.6, 1.0)}
    search = OptunaSearchCV(model, space, n_trials=2, cv=2)
    with (
        pytest.warns(FitFailedWarning, match="too far out"),
        pytest.raises(ValueError, match="All the 2 fits failed"),
    ):
        search.fit(ROWS, LABELS)


@pytest.mark.parametrize("fault", [KeyboardInterrupt, ValueError])
def test_what_ends_the_search_leaves_no_trial_running(fault):
    study = optuna.create_study(direction="maximize")
    model = Parabola(fault=fault)
    search = OptunaSearchCV(model, SPACE, n_trials=30, cv=2, study=study, error_score="raise")
    with pytest.raises(fault, match="too far out"):
        search.fit(ROWS, LABELS)
    states = [trial.state for trial in study.trials]
    assert states[-1] == FAIL
    assert set(states[:-1]) <= {COMPLETE}


def test_a_space_that_fails_leaves_no_trial_running():
    study = optuna.create_study(direction="maximize")
    search = OptunaSearchCV(Parabola(), lambda trial: 1 / 0, cv=2, study=study)
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        search.fit(ROWS, LABELS)
    assert [trial.state for trial in study.trials] == [FAIL]


@pytest.mark.parametrize("now", [[1.0, 3.0], FloatDistribution(0, 2)])
@pytest.mark.parametrize("n_jobs", [1, 4])
def test_a_study_of_another_space_is_refused(now, n_jobs):
    study = optuna.create_study(direction="maximize")
    search = OptunaSearchCV(Parabola(), {"x": [0.0, 0.25]}, n_trials=1, cv=2, study=study)
    search.fit(ROWS, LABELS)
    search.set_params(param_distributions={"x": now}, n_jobs=n_jobs)
    with pytest.raises(ValueError, match="cannot go on with a study in which 'x' was drawn from"):
        search.fit(ROWS, LABELS)
    assert [trial.state for trial in study.trials] == [COMPLETE]


def test_what_is_maximised_is_known_before_the_first_fit(monkeypatch):
    scoring = ["accuracy", "precision"]
    search = OptunaSearchCV(Parabola(), SPACE, n_trials=1, cv=2, refit=False, scoring=scoring)
    monkeypatch.setattr(search, "_try", None)
    with pytest.raises(ValueError, match="needs refit to name .* of .'accuracy', 'precision'."):
        search.fit(ROWS, LABELS)


def test_one_score_needs_no_name():
    search = OptunaSearchCV(Parabola(), SPACE, n_trials=2, cv=2, refit="score", random_state=0)
    assert search.fit(ROWS, LABELS).best_params_ == search.study_.best_params


def test_no_trial_starts_after_the_timeout():
    search = OptunaSearchCV(
        Parabola(seconds=0.05), SPACE, n_trials=None, timeout=0.5, cv=2, random_state=0
    ).fit(ROWS, LABELS)
    assert 1 <= len(search.study_.trials) <= 6
    once = clone(search).set_params(timeout=1e-9).fit(ROWS, LABELS)
    assert len(once.study_.trials) == 1


def test_trials_run_side_by_side():
    search = OptunaSearchCV(Parabola(), SPACE, n_trials=5, cv=2, n_jobs=4, random_state=0)
    with joblib.parallel_backend("threading"):
        search.fit(ROWS, LABELS)
    assert len(search.cv_results_["params"]) == 5
    assert [trial.state for trial in search.study_.trials] == [COMPLETE] * 5


def test_it_says_what_it_tries(capfd):
    OptunaSearchCV(Parabola(), SPACE, n_trials=2, cv=2, random_state=0).fit(ROWS, LABELS)
    assert capfd.readouterr() == ("", "")
    OptunaSearchCV(Parabola(), SPACE, n_trials=2, cv=2, random_state=0, verbose=1).fit(ROWS, LABELS)
    out, err = capfd.readouterr()
    assert re.search(r"^trial 1: -0\.\d{4} \(best -0\.\d{4}\) with x=0\.\d+$", out, re.M)
    assert err == ""


def wrong_direction():
    return optuna.create_study(direction="minimize")


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"param_distributions": {}}, ValueError, "empty param_distributions"),
        ({"param_distributions": {"x": []}}, ValueError, "empty list for 'x'"),
        ({"param_distributions": {"x": 3}}, TypeError, "got 3 for 'x'"),
        (
            {"param_distributions": lambda trial: 3},
            TypeError,
            "returns a dict of parameters; got 3",
        ),
        ({"param_distributions": {"y": [1]}}, ValueError, "Invalid parameter 'y'"),
        ({"n_trials": None}, ValueError, "needs n_trials or timeout"),
        ({"n_trials": 0}, ValueError, "'n_trials' parameter of OptunaSearchCV"),
        ({"cv": KFold(2, shuffle=True)}, ValueError, "give KFold a random_state"),
        ({"cv": ShuffleSplit(2)}, ValueError, "give ShuffleSplit a random_state"),
        ({"study": wrong_direction()}, ValueError, "maximises one value; got .*MINIMIZE"),
        ({"study": "x.db"}, ValueError, "'study' parameter of OptunaSearchCV"),
    ],
)
def test_faults_are_named(params, error, message):
    search = OptunaSearchCV(Parabola(), SPACE, n_trials=2, cv=2).set_params(**params)
    with pytest.raises(error, match=message):
        search.fit(ROWS, LABELS)


@pytest.mark.parametrize("refit", [True, False])
def test_several_scores_need_one_to_follow(refit):
    scoring = ["accuracy", "balanced_accuracy"]
    search = OptunaSearchCV(small(), {"adjustment": [0.0]}, scoring=scoring, refit=refit, cv=2)
    with pytest.raises(ValueError, match="refit"):
        search.fit(X, Y)


def test_lasting_folds_are_accepted():
    for cv in (KFold(2, shuffle=True, random_state=0), ShuffleSplit(2, random_state=0), 2):
        search = OptunaSearchCV(Parabola(), SPACE, n_trials=1, cv=cv).fit(ROWS, LABELS)
        assert search.n_splits_ == 2


def test_a_missing_optuna_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingDependencyError, match=r"galaxy_sklearn\[tuning\]"):
        OptunaSearchCV(Parabola(), {"x": [1]}).fit(ROWS, LABELS)
    with pytest.raises(MissingDependencyError, match=r"search_space needs"):
        search_space(small())


def test_a_space_is_around_what_the_model_has():
    space = search_space(make_pipeline(CLAHE(), GalaxyClassifier()))
    assert space["galaxyclassifier__adjustment"] == FloatDistribution(0.0, 1.0)
    assert space["galaxyclassifier__field"] == FloatDistribution(0.5, 1.0)
    assert "galaxyclassifier__layer_decay" not in space
    assert space["clahe__tile_grid_size"] == [(4, 4), (8, 8), (16, 16)]
    assert search_space(MorphologicalOpening()) == {"size": IntDistribution(1, 7, step=2)}
    plain = search_space(small(loss="cross_entropy", weight_decay=0.0, learning_rate=0.1))
    assert set(plain) == {"learning_rate", "label_smoothing"}
    assert plain["learning_rate"] == FloatDistribution(0.02, 0.5, log=True)
    with pytest.raises(ValueError, match="no image network and no contrast step in Ridge"):
        search_space(Ridge())
    with pytest.raises(TypeError, match="search_space takes an estimator; got 'a'"):
        search_space("a")
    for other in (AutoencoderPretrainer(), ContrastivePretrainer(), GalaxyGAN()):
        assert "learning_rate" in search_space(other)


NAMES = [name for name in recipes.available().index if name != "zhu2019_baseline"]


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_takes_what_its_space_proposes(name):
    model = getattr(recipes, name)()
    space = search_space(model)
    assert not any("pretrained" in one for one in space)
    trial = optuna.trial.FixedTrial({})
    values = {}
    for one, distribution in space.items():
        if isinstance(distribution, list):
            distribution = CategoricalDistribution([0])
            values[one] = space[one][0]
        else:
            values[one] = distribution.low
        assert isinstance(distribution, optuna.distributions.BaseDistribution)
    assert trial.params == {}
    model.set_params(**values)
    assert {one: model.get_params()[one] for one in values} == values
