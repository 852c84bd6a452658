"""OptunaSearchCV: scikit-learn's search with Optuna choosing what to try next."""

import warnings
from contextlib import contextmanager
from numbers import Integral
from time import monotonic

import numpy as np
from joblib import effective_n_jobs
from sklearn.exceptions import FitFailedWarning
from sklearn.utils import check_random_state

from galaxy_sklearn._optional import import_optional
from galaxy_sklearn._validation import POSITIVE, POSITIVE_INT, BaseSearchCV, HasMethods
from galaxy_sklearn.model_selection._spaces import (
    EXHAUSTED,
    asker,
    candidate_of,
    require_same_space,
    tell,
)


class OptunaSearchCV(BaseSearchCV):
    """Search parameters by cross-validation, each trial learning from those before.

    What `sklearn.model_selection.RandomizedSearchCV` is, with Optuna in the place of chance: the
    same splitters, scorers, metadata routing and attributes, for any scikit-learn estimator.

    Parameters
    ----------
    estimator : estimator
        What is cloned, given parameters and fitted: a classifier, a Pipeline, anything.
    param_distributions : dict or callable
        For each parameter, as in ``set_params``, an `optuna.distributions` object or a list of
        choices, which may be estimators; see `search_space`. Or a function that takes an Optuna
        trial and returns a dict of parameters, so that some may depend on others; it may raise
        `optuna.TrialPruned` for a combination that makes no sense, which counts as a trial.
    n_trials : int or None, default=20
        How many combinations to try; None tries until `timeout`.
    timeout : float or None, default=None
        Seconds after which no further trial starts.
    study : optuna.study.Study or None, default=None
        A study that maximises one value, to go on with: one with a sampler of the user's choice,
        or one in a database, which survives a kill and which several processes may share; but not
        the folds of an outer cross-validation, whose test parts it would have seen. Its best
        parameters so far, if `param_distributions` has them, are tried once more before the
        `n_trials`; trials that were enqueued count among those. A search ends early where the
        sampler has nothing left, as that of a grid. None begins a new one with Optuna's sampler of
        tree-structured Parzen estimators.
    scoring : str, callable, list, tuple or dict, default=None
        One score or several, as in scikit-learn; None is the estimator's own.
    n_jobs : int or None, default=None
        Fits at a time, by joblib. Trials run side by side where that is more than the folds.
    refit : bool or str, default=True
        Fit the best parameters on all data in the end. With several scores, the name of the one
        that is maximised.
    cv : int, splitter or iterable, default=None
        The folds, the same for all trials; None is five, stratified for classifiers.
    verbose : int, default=0
        1 prints a line for each trial, higher numbers also one for each fit.
    pre_dispatch : int or str, default="2*n_jobs"
        Fits handed to joblib ahead.
    random_state : int, RandomState instance or None, default=None
        Seed of the sampler of a new study. The same seed tries the same parameters if fits are
        reproducible, and no trials run side by side.
    error_score : "raise" or float
        Score of a fit that fails. NaN, the default, makes the trial a failed one of the study; a
        number counts there like any other score, also of a trial in which all fits failed.
    return_train_score : bool, default=False
        Score the training parts too.

    Attributes
    ----------
    study_ : optuna.study.Study
        All trials, for Optuna's plots and importances.
    cv_results_ : dict of str to ndarray of shape (n_trials,)
        Parameters, scores and times of this fit's trials, as in scikit-learn; not of those, told
        to `study_` alone, in which every fit of all trials that ran side by side failed.
    best_estimator_, best_params_, best_score_, best_index_, scorer_, n_splits_, refit_time_
        As in `sklearn.model_selection.RandomizedSearchCV`.

    References
    ----------
    Akiba et al. (2019), KDD, "Optuna: a next-generation hyperparameter optimization framework";
    Bergstra et al. (2011), NeurIPS, "Algorithms for hyper-parameter optimization".

    Examples
    --------
    >>> from optuna.distributions import FloatDistribution
    >>> from galaxy_sklearn import GalaxyClassifier
    >>> from galaxy_sklearn.datasets import make_galaxies
    >>> from galaxy_sklearn.model_selection import OptunaSearchCV
    >>> X, y = make_galaxies(60, image_size=32, random_state=0)
    >>> model = GalaxyClassifier("linear", max_epochs=2, random_state=0)
    >>> space = {"learning_rate": FloatDistribution(1e-3, 0.1, log=True), "augmentation": [None]}
    >>> search = OptunaSearchCV(model, space, n_trials=2, cv=2, random_state=0).fit(X, y)
    >>> sorted(search.best_params_)
    ['augmentation', 'learning_rate']
    """

    _parameter_constraints: dict = {
        **BaseSearchCV._parameter_constraints,
        "param_distributions": [dict, callable],
        "n_trials": [POSITIVE_INT, None],
        "timeout": [POSITIVE, None],
        "study": [HasMethods(["ask", "tell"]), None],
        "refit": ["boolean", str],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        n_trials=20,
        timeout=None,
        study=None,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        random_state=None,
        error_score=np.nan,
        return_train_score=False,
    ):
        super().__init__(
            estimator=estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.param_distributions = param_distributions
        self.n_trials = n_trials
        self.timeout = timeout
        self.study = study
        self.random_state = random_state

    def _run_search(self, evaluate_candidates):
        optuna = import_optional("optuna", extra="tuning", feature="OptunaSearchCV")
        ask = asker(optuna, self.param_distributions)
        self._require_lasting_folds()
        self._require_one_to_maximise()
        if self.n_trials is None and self.timeout is None:
            raise ValueError("OptunaSearchCV needs n_trials or timeout; both are None.")
        self.study_, asked = self._begin(optuna)
        at_a_time = max(1, effective_n_jobs(self.n_jobs) // self.n_splits_)
        end = np.inf if self.timeout is None else monotonic() + self.timeout
        n_left = np.inf if self.n_trials is None else self.n_trials
        failures = []
        while True:
            now = int(min(max(at_a_time - len(asked), 0), n_left))
            exhausted = self._ask_for(now, ask, asked, optuna)
            if asked:
                failure, has_ended = self._try(asked, evaluate_candidates, optuna)
                failures.append(failure)
                exhausted |= has_ended
            n_left, asked = n_left - now, []
            if not n_left or exhausted or monotonic() >= end:
                break
        if not failures:
            raise ValueError(
                "OptunaSearchCV found nothing to try: param_distributions pruned every trial."
            )
        if all(failures):
            raise failures[-1]

    def _ask_for(self, number, ask, asked, optuna):
        """Add trials and their candidates to `asked`, without those that a function pruned.

        Return whether the sampler has nothing left. If the function fails, all asked have failed.
        """
        try:
            for _ in range(number):
                trial, candidate = ask(self.study_)
                if candidate is EXHAUSTED:
                    return True
                if candidate is not None:
                    asked.append((trial, candidate))
        except BaseException:
            for trial, _ in asked:
                self._tell(trial, None, optuna.trial.TrialState.FAIL)
            raise
        return False

    def _require_lasting_folds(self):
        cv = self._checked_cv_orig
        chance = getattr(cv, "shuffle", hasattr(cv, "random_state"))
        if chance and not isinstance(cv.random_state, Integral):
            raise ValueError(
                f"OptunaSearchCV compares trials on the same folds; give {type(cv).__name__} a "
                f"random_state. Got {cv.random_state!r} instead."
            )

    def _require_one_to_maximise(self):
        several = isinstance(self.scoring, list | tuple | set | dict)
        if several and self.refit not in self.scoring:
            self._fail_to_choose(self.scoring)

    def _fail_to_choose(self, scores):
        raise ValueError(
            f"OptunaSearchCV with several scores needs refit to name the one that is maximised, "
            f"of {sorted(scores)}; got {self.refit!r}."
        )

    def _begin(self, optuna):
        """Return the study, and a list of the trial, if any, that is to be tried again."""
        if self.study is None:
            seed = self.random_state
            if seed is not None:  # without one, NumPy's global generator stays as it is
                seed = int(check_random_state(seed).randint(2**31 - 1))
            with _quiet(optuna):
                sampler = optuna.samplers.TPESampler(seed=seed)
                return optuna.create_study(direction="maximize", sampler=sampler), []
        directions = [one.name for one in self.study.directions]
        if directions != ["MAXIMIZE"]:
            raise ValueError(
                f"OptunaSearchCV needs a study that maximises one value; got one with the "
                f"directions {directions}."
            )
        require_same_space(optuna, self.study, self.param_distributions)
        if not self.study.get_trials(states=[optuna.trial.TrialState.COMPLETE]):
            return self.study, []
        best = self.study.best_trial
        candidate = candidate_of(optuna, self.param_distributions, best.params)
        return self.study, [] if candidate is None else [(_Again(optuna, best), candidate)]

    def _try(self, asked, evaluate_candidates, optuna):
        """Score some trials and tell the study.

        Return what scikit-learn said if all failed, and whether the sampler has nothing left.
        """
        trials, candidates = zip(*asked)
        scores, failure, exhausted = np.full(len(trials), np.nan), None, False
        try:
            results = evaluate_candidates(candidates)
            for place, trial in enumerate(trials, start=-len(trials)):
                scores[place] = self._score(results, place)
                for name in results:
                    if name.startswith(("split", "mean_")) and np.isfinite(results[name][place]):
                        trial.set_user_attr(name, float(results[name][place]))
        except ValueError as error:
            if self.error_score == "raise" or "fits failed" not in str(error):
                raise
            failure = error
            scores[:] = self.error_score
            warnings.warn(str(error), FitFailedWarning, stacklevel=2)
        finally:
            for trial, score in zip(trials, scores):
                failed = not np.isfinite(score)
                state = optuna.trial.TrialState.FAIL if failed else None
                exhausted |= self._tell(trial, None if failed else float(score), state)
        if self.verbose:
            self._print(trials, candidates, scores)
        return failure, exhausted

    def _tell(self, trial, score, state):
        """Tell the study a score; return whether its sampler wants to end the search."""
        if isinstance(trial, _Again):
            trial.add_to(self.study_, score, state)
            return False
        return tell(self.study_, trial, score, state)

    def _score(self, results, place):
        name = self.refit if isinstance(self.refit, str) else "score"
        name = "score" if "mean_test_score" in results else name  # the only one
        if f"mean_test_{name}" not in results:
            self._fail_to_choose(one[10:] for one in results if one.startswith("mean_test_"))
        return results[f"mean_test_{name}"][place]

    def _print(self, trials, candidates, scores):
        done = [one.value for one in self.study_.get_trials() if one.value is not None]
        best = f"{max(done):.4f}" if done else "none"
        for trial, candidate, score in zip(trials, candidates, scores):
            shown = ", ".join(f"{name}={_short(value)}" for name, value in candidate.items())
            print(f"trial {trial.number}: {score:.4f} (best {best}) with {shown}", flush=True)


class _Again:
    """A trial of the past that is tried once more, with what a new one has.

    It is added to the study when it is over, so that trials that wait there keep their turn.
    """

    number = "again"

    def __init__(self, optuna, before):
        self.optuna = optuna
        self.before = before
        self.user_attrs = {}

    def set_user_attr(self, name, value):
        self.user_attrs[name] = value

    def add_to(self, study, score, state):
        states = self.optuna.trial.TrialState
        trial = self.optuna.trial.create_trial(
            state=states.COMPLETE if state is None else state,
            value=score,
            params=self.before.params,
            distributions=self.before.distributions,
            user_attrs=self.user_attrs,
        )
        study.add_trial(trial)


def _short(value):
    return f"{value:.3g}" if isinstance(value, float) else repr(value)


@contextmanager
def _quiet(optuna):
    """Keep Optuna from announcing a study that the user did not ask to see."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
