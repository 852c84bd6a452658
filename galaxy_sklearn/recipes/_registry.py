"""The table of recipes."""

import inspect

import pandas as pd

_RECIPES = []


def recipe(*, source, task, metric, published):
    """Register a function as a recipe.

    Parameters
    ----------
    source : str
        Publication.
    task : str
        What it was trained to tell apart.
    metric : str
        What `published` counts.
    published : float
        The reported number; NaN where none was reported.

    Returns
    -------
    callable
        Decorator that returns the function unchanged.
    """

    def register(function):
        _RECIPES.append(
            {
                "recipe": function.__name__,
                "source": source,
                "task": task,
                "metric": metric,
                "published": published,
                "summary": inspect.getdoc(function).partition("\n")[0],
            }
        )
        return function

    return register


def available():
    """Return the table of all recipes.

    Returns
    -------
    DataFrame
        One row a recipe, by name, with the columns "source", "task", "metric", "published" (the
        reported number) and "summary".

    Examples
    --------
    >>> from galaxy_sklearn import recipes
    >>> recipes.available().loc["zhu2019", "published"]
    np.float64(0.952083)
    """
    return pd.DataFrame(_RECIPES).set_index("recipe").sort_index()
