"""The trees that come with the package."""

import json
from functools import cache
from importlib.resources import files

from galaxy_sklearn.galaxy_zoo._tree import Answer, DecisionTree, Question

_FILES = ("gz2", "gz_decals_dr12", "gz_decals_dr5")


def resource(name):
    """Return the contents of a JSON file of the package."""
    file = files("galaxy_sklearn.galaxy_zoo") / "data" / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8"))


@cache
def _schemas():
    """Return every tree's schema by name, variants beside the tree that they change."""
    schemas = {}
    for name in _FILES:
        schema = resource(name)
        for variant, changes in schema.pop("variants").items():
            schemas[variant] = schema | changes
        schemas[name] = schema
    return schemas


def _question(schema):
    answers = []
    for answer in schema["answers"]:
        basic = {key: answer[key] for key in ("name", "text", "next")}
        columns = {key: value for key, value in answer.items() if key not in basic}
        answers.append(Answer(**basic, columns=columns))
    return Question(schema["name"], tuple(answers), schema["text"])


def tree_names():
    """Return the names that `load_tree` knows, sorted list of str."""
    return sorted(_schemas())


@cache
def load_tree(name):
    """Return a published Galaxy Zoo decision tree.

    Parameters
    ----------
    name : {"gz2", "gz2_kaggle", "gz_decals_dr12", "gz_decals_dr5", "gz_decals_dr8", "gz_desi"}
        ``"gz2"``: Galaxy Zoo 2, 11 questions, 37 answers. ``"gz2_kaggle"``: the same as the
        Kaggle Galaxy Challenge file has it, with question 6 ("is there anything odd?") counted
        as asked of everybody, so that its answers sum to 1 and not to 1 - Class1.3.
        ``"gz_decals_dr12"``: GZD-1 and GZD-2, 10 questions, 30 answers. ``"gz_decals_dr5"``:
        GZD-5, 10 questions, 34 answers. ``"gz_decals_dr8"`` and ``"gz_desi"``: the same questions
        under the column names of the later releases.

    Returns
    -------
    DecisionTree
        The same object at every call.

    Raises
    ------
    ValueError
        If there is no tree of that name.

    Notes
    -----
    Answers, next questions and column names are those of the publications; the words shown in
    pictures are shortened. The question of GZ DECaLS on rare features, of which a volunteer may
    tick several, has no vote fractions and is left out, as it is in the catalogues. Zoobot's own
    table of dependencies is simpler: it lets the question on merging (GZ DECaLS), or on
    anything odd (GZ2), be asked of artifacts too, and GZ2's questions on bars, arms and bulges
    of edge-on disks.

    References
    ----------
    Willett et al. (2013), MNRAS 435, 2835, fig. 1: the tree of Galaxy Zoo 2.
    Hart et al. (2016), MNRAS 461, 3663: its catalogue with new debiasing.
    Walmsley et al. (2022), MNRAS 509, 3966, sec. 3.2: the trees of GZ DECaLS.
    Walmsley et al. (2023), MNRAS 526, 4768: GZ DESI.

    Examples
    --------
    >>> from galaxy_sklearn.galaxy_zoo import load_tree
    >>> load_tree("gz2").columns("kaggle")[:3]
    ['Class1.1', 'Class1.2', 'Class1.3']
    """
    schemas = _schemas()
    if name not in schemas:
        raise ValueError(f"load_tree has no tree {name!r}, only {sorted(schemas)}.")
    schema = schemas[name]
    return DecisionTree(
        name=name,
        questions=tuple(_question(question) for question in schema["questions"]),
        title=schema["title"],
        source=schema["source"],
        always_asked=tuple(schema.get("always_asked", ())),
        catalogues=schema["catalogues"],
    )


def as_tree(tree):
    """Return `tree`, loaded if it is a name; raise TypeError if it is neither."""
    if isinstance(tree, str):
        return load_tree(tree)
    if not isinstance(tree, DecisionTree):
        raise TypeError(f"tree must be a DecisionTree or the name of one; got {type(tree)}.")
    return tree
