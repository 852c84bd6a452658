"""What to search: proposals for this package's estimators, and how trials draw from them."""

import re
import warnings
from functools import partial
from numbers import Real

import numpy as np

from galaxy_sklearn._optional import import_optional
from galaxy_sklearn.preprocessing import CLAHE, MorphologicalOpening

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
EXHAUSTED = object()
_PLAIN = (type(None), bool, int, float, str)  # what Optuna stores as a choice


def search_space(estimator):
    """Propose what to search around a model: learning, regularisation and contrast.

    Numbers are searched around what the model has, so that a published learning rate stays in
    reach; what a model does not use is left out. Add to the dict, or take from it, at will.

    Parameters
    ----------
    estimator : estimator
        A `GalaxyClassifier` or `VoteFractionRegressor`, or a Pipeline or meta-estimator with such
        inside.

    Returns
    -------
    dict
        Distributions by parameter name, for `OptunaSearchCV`: learning rate and weight decay (on
        a logarithmic scale), label smoothing, `adjustment` where the loss has one, `field` of
        ``"galaxynet"``, `layer_decay` where the network begins with other weights; clip limit and
        tiles of `CLAHE`, size of `MorphologicalOpening`.

    Raises
    ------
    MissingDependencyError
        If Optuna is not installed.
    TypeError
        If it is no estimator.
    ValueError
        If there is nothing in the estimator that this function knows.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from galaxy_sklearn import GalaxyClassifier
    >>> from galaxy_sklearn.model_selection import search_space
    >>> from galaxy_sklearn.preprocessing import MorphologicalOpening
    >>> model = make_pipeline(MorphologicalOpening(), GalaxyClassifier("simple_cnn"))
    >>> sorted(search_space(model))[:2]
    ['galaxyclassifier__adjustment', 'galaxyclassifier__label_smoothing']
    """
    optuna = import_optional("optuna", extra="tuning", feature="search_space")
    space = {}
    for prefix, part in _parts(estimator):
        for name, distribution in _proposals(optuna.distributions, part).items():
            space[prefix + name] = distribution
    if not space:
        raise ValueError(
            f"search_space found no image network and no contrast step in "
            f"{type(estimator).__name__}."
        )
    return space


def _parts(estimator):
    """Yield prefixes and estimators, but for what `pretrained` holds."""
    if not hasattr(estimator, "get_params") or isinstance(estimator, type):
        raise TypeError(f"search_space takes an estimator; got {estimator!r}.")
    yield "", estimator
    for name, value in estimator.get_params(deep=True).items():
        is_estimator = hasattr(value, "get_params") and not isinstance(value, type)
        if is_estimator and "pretrained" not in name.split("__"):
            yield f"{name}__", value


def _proposals(distributions, part):
    between, whole = distributions.FloatDistribution, distributions.IntDistribution
    own = part.get_params(deep=False)
    if {"network", "optimizer", "learning_rate"} <= set(own):
        return _training_space(between, own)
    if isinstance(part, CLAHE):
        tiles = [(4, 4), (8, 8), (16, 16)]
        return {"clip_limit": between(0.5, 8.0, log=True), "tile_grid_size": tiles}
    if isinstance(part, MorphologicalOpening):
        return {"size": whole(1, 7, step=2)}
    return {}


def _training_space(between, own):
    rate = own["learning_rate"] if isinstance(own["learning_rate"], Real) else 0.005
    space = {"learning_rate": between(rate / 5, rate * 5, log=True)}
    if own.get("weight_decay") and "weight_decay" not in (own.get("optimizer_params") or {}):
        space["weight_decay"] = between(own["weight_decay"] / 10, own["weight_decay"] * 5, log=True)
    if "label_smoothing" in own:
        space["label_smoothing"] = between(0.0, 0.15)
    if own.get("loss") == "logit_adjusted":
        space["adjustment"] = between(0.0, 1.0)
    if own["network"] == "galaxynet":
        space["field"] = between(0.5, 1.0)
    if own.get("pretrained") or (own.get("network_params") or {}).get("pretrained"):
        space["layer_decay"] = between(0.5, 1.0)
    return space


def asker(optuna, space):
    """Return what asks a study for a trial, and returns it with parameters from the space.

    If a function of the user's prunes the trial, it is told so, and None or, where the sampler has
    nothing left, EXHAUSTED stands in the place of parameters.
    """
    if callable(space):
        return partial(_ask_function, optuna, space)
    if not space:
        raise ValueError("OptunaSearchCV got an empty param_distributions.")
    drawn = distributions_of(optuna, space)

    def ask(study):
        trial = study.ask(drawn)
        return trial, _without_texts(space, trial.params)

    return ask


def _without_texts(space, params):
    """Return a trial's parameters with the members of lists in the place of their texts."""
    return {
        name: _choices(name, space[name])[value] if _is_list(space[name]) else value
        for name, value in params.items()
    }


def candidate_of(optuna, space, params):
    """Return what `set_params` takes for a trial's parameters, or None if a space lacks them."""
    try:
        if callable(space):
            return _fixed_candidate(optuna, space, params)
        drawn = distributions_of(optuna, space)
        optuna.trial.create_trial(params=params, distributions=drawn, value=0.0)
    except Exception:  # whatever a function of the user's makes of another's parameters
        return None
    return _without_texts(space, params)


def _fixed_candidate(optuna, space, params):
    trial = optuna.trial.FixedTrial(params)
    with warnings.catch_warnings(action="error"):  # of parameters out of range
        candidate = space(trial)
    return candidate if set(trial.params) == set(params) else None


def distributions_of(optuna, space):
    """Return a space, a dict of distributions and lists, as a dict of distributions."""
    drawn = {}
    for name, values in space.items():
        if _is_list(values):
            values = optuna.distributions.CategoricalDistribution(list(_choices(name, values)))
        if not isinstance(values, optuna.distributions.BaseDistribution):
            raise TypeError(
                f"OptunaSearchCV takes lists and optuna.distributions objects; got {values!r} for "
                f"{name!r}."
            )
        drawn[name] = values
    return drawn


def require_same_space(optuna, study, space):
    """Raise ValueError if a study's trials drew a parameter in a way that Optuna cannot go on."""
    drawn = {} if callable(space) else distributions_of(optuna, space)
    for trial in study.get_trials(deepcopy=False):
        for name, before in trial.distributions.items():
            now = drawn.get(name, before)
            choices = getattr(before, "choices", None), getattr(now, "choices", None)
            if type(now) is not type(before) or choices[0] != choices[1]:
                raise ValueError(
                    f"OptunaSearchCV cannot go on with a study in which {name!r} was drawn from "
                    f"{before}; got {now}: give the parameter as it was, or begin a new study."
                )


def _ask_function(optuna, space, study):
    trial = study.ask()
    try:
        params = space(trial)
        if not isinstance(params, dict):
            raise TypeError(
                f"OptunaSearchCV needs a param_distributions function that returns a dict of "
                f"parameters; got {params!r}."
            )
    except optuna.TrialPruned:
        exhausted = tell(study, trial, None, optuna.trial.TrialState.PRUNED)
        return trial, EXHAUSTED if exhausted else None
    except BaseException:
        tell(study, trial, None, optuna.trial.TrialState.FAIL)
        raise
    return trial, params


def tell(study, trial, score, state):
    """Tell a study what became of a trial; return whether its sampler wants to end the search."""
    try:
        study.tell(trial, score, state=state)
    except RuntimeError as error:  # the trial is stored by then
        if "Study.stop" not in str(error):
            raise
        return True
    return False


def _is_list(values):
    return isinstance(values, list | tuple | np.ndarray)


def _choices(name, values):
    """Return the values by what Optuna keeps of them: themselves, or their text."""
    values = list(values.tolist() if isinstance(values, np.ndarray) else values)
    if not values:
        raise ValueError(f"OptunaSearchCV got an empty list for {name!r}.")
    if all(isinstance(one, _PLAIN) for one in values):
        themselves = {one: one for one in values}
        if len(themselves) == len(set(map(repr, values))):  # unless 0 stands beside False
            return themselves
    texts = (_ADDRESS.sub("", str(one)) for one in values)  # the same in every process
    return {f"{number}: {text}": one for number, (text, one) in enumerate(zip(texts, values))}
