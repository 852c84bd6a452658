"""Searches that go on with a study: other spaces, waiting trials, samplers that end, pruning."""

import numpy as np
import optuna
import pytest
from optuna.distributions import IntDistribution
from sklearn.datasets import make_classification
from sklearn.tree import DecisionTreeClassifier

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.model_selection import OptunaSearchCV, search_space

X, Y = make_classification(80, random_state=0)
TREE = DecisionTreeClassifier(random_state=0)
GRID = {"max_depth": [1, 2, 3], "criterion": ["gini", "entropy"]}


def between(low, high, **params):
    return lambda trial: {"max_depth": trial.suggest_int("max_depth", low, high, **params)}


def new_study(sampler=None):
    sampler = optuna.samplers.RandomSampler(seed=0) if sampler is None else sampler
    return optuna.create_study(direction="maximize", sampler=sampler)


def searched(space, study, n_trials=2, **params):
    return OptunaSearchCV(TREE, space, n_trials=n_trials, cv=2, study=study, **params).fit(X, Y)


def depths(search):
    return [params["max_depth"] for params in search.cv_results_["params"]]


@pytest.mark.parametrize(
    ("space", "known"),
    [
        (between(1, 5), True),
        (between(5, 8), False),
        (between(2, 8, step=2), False),
        ({"max_depth": IntDistribution(1, 5)}, True),
        ({"max_depth": IntDistribution(5, 8)}, False),
        ({"max_depth": IntDistribution(2, 8, step=2)}, False),
        (lambda trial: {"max_depth": trial.suggest_int("depth", 1, 8)}, False),
        (lambda trial: {"max_depth": 3 + trial.number * trial.study.user_attrs["no"]}, False),
    ],
)
def test_the_best_so_far_is_tried_again_only_where_the_space_has_it(space, known):
    study = new_study()
    study.set_user_attr("no", 0)
    study.add_trial(
        optuna.trial.create_trial(
            params={"max_depth": 3}, distributions={"max_depth": IntDistribution(1, 8)}, value=0.9
        )
    )
    search = searched(space, study)
    assert len(depths(search)) == 2 + known
    if known:
        assert depths(search)[0] == 3
        again = study.trials[1]
        assert again.params == {"max_depth": 3}
        assert again.value == search.cv_results_["mean_test_score"][0]
        assert again.user_attrs["mean_test_score"] == again.value
    states = {trial.state.name for trial in study.trials}
    assert states == {"COMPLETE"}


def test_trials_that_wait_keep_their_turn():
    study = new_study()
    searched(between(1, 8), study)
    best = study.best_params["max_depth"]
    for depth in (4, 6):
        study.enqueue_trial({"max_depth": depth})
    assert depths(searched(between(1, 8), study, n_trials=1)) == [best, 4]
    assert [trial.state.name for trial in study.trials].count("WAITING") == 1
    assert depths(searched(between(1, 8), study, n_trials=1))[1:] == [6]


@pytest.mark.filterwarnings("ignore:BruteForceSampler is experimental")
@pytest.mark.parametrize("n_jobs", [None, 4])
@pytest.mark.parametrize("name", ["grid", "brute force"])
def test_a_sampler_that_has_nothing_left_ends_the_search(name, n_jobs):
    samplers = optuna.samplers
    study = new_study(
        samplers.GridSampler(GRID) if name == "grid" else samplers.BruteForceSampler()
    )
    search = searched(GRID, study, n_trials=20, n_jobs=n_jobs)
    tried = {(params["max_depth"], params["criterion"]) for params in search.cv_results_["params"]}
    assert len(tried) == 6
    assert len(study.trials) < 10
    assert search.best_estimator_.get_params()["max_depth"] == search.best_params_["max_depth"]


def test_a_function_may_prune_what_makes_no_sense():
    def deep(trial):
        depth = trial.suggest_int("depth", 1, 8)
        if depth < 6:
            raise optuna.TrialPruned
        return {"max_depth": depth}

    search = OptunaSearchCV(TREE, deep, n_trials=8, cv=2, random_state=0).fit(X, Y)
    states = [trial.state.name for trial in search.study_.trials]
    assert len(states) == 8
    assert set(states) == {"PRUNED", "COMPLETE"}
    assert len(depths(search)) == states.count("COMPLETE")
    assert min(depths(search)) >= 6


def test_a_function_that_prunes_all_is_an_error():
    def none(trial):
        raise optuna.TrialPruned

    study = new_study()
    with pytest.raises(ValueError, match="found nothing to try: .* pruned every trial"):
        searched(none, study, n_trials=3)
    assert [trial.state.name for trial in study.trials] == ["PRUNED"] * 3


@pytest.mark.parametrize(
    ("params", "there", "missing"),
    [
        ({}, "weight_decay", "layer_decay"),
        ({"optimizer_params": {"weight_decay": 0.0}}, "learning_rate", "weight_decay"),
        ({"network_params": {"pretrained": True}}, "layer_decay", "field"),
    ],
)
def test_a_space_has_what_the_model_uses(params, there, missing):
    space = search_space(GalaxyClassifier("timm/resnet18", **params))
    assert there in space
    assert missing not in space


def test_an_again_tried_failure_is_told_too():
    study = new_study()
    searched(between(1, 3), study, n_trials=1)

    class Fails(DecisionTreeClassifier):
        def fit(self, X, y, **params):
            raise ValueError("never")

    search = OptunaSearchCV(Fails(), between(1, 3), n_trials=1, cv=2, study=study)
    with pytest.warns(Warning, match="fits failed"), pytest.raises(ValueError, match="fits failed"):
        search.fit(X, Y)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "FAIL"]
    assert np.isfinite(study.best_value)


def test_the_last_of_a_grid_may_be_pruned():
    def most(trial):
        depth = trial.suggest_int("max_depth", 1, 3)
        if depth == 1:
            raise optuna.TrialPruned
        return {"max_depth": depth}

    for seed in range(3):
        grid = optuna.samplers.GridSampler({"max_depth": [1, 2, 3]}, seed=seed)
        search = searched(most, new_study(grid), n_trials=10)
        assert sorted(depths(search)) == [2, 3]


def test_a_function_that_fails_leaves_no_trial_running():
    def third(trial):
        if trial.number == 2:
            raise KeyError("third")
        return {"max_depth": trial.suggest_int("max_depth", 1, 3)}

    study = new_study()
    with pytest.raises(KeyError, match="third"):
        searched(third, study, n_trials=8, n_jobs=4)
    states = [trial.state.name for trial in study.trials]
    assert states[-1] == "FAIL"
    assert "RUNNING" not in states
