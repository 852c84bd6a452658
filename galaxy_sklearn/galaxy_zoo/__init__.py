"""The Galaxy Zoo decision trees: questions, sum rules, tables of votes, clean samples."""

from galaxy_sklearn.galaxy_zoo._convert import convert_votes, question_votes
from galaxy_sklearn.galaxy_zoo._display import DecisionTreeDisplay
from galaxy_sklearn.galaxy_zoo._load import load_tree, tree_names
from galaxy_sklearn.galaxy_zoo._paths import most_likely_path, to_hubble_stage
from galaxy_sklearn.galaxy_zoo._samples import clean_samples, sample_masks, scheme_names
from galaxy_sklearn.galaxy_zoo._tables import read_votes, rename_votes
from galaxy_sklearn.galaxy_zoo._tree import Answer, DecisionTree, Question
from galaxy_sklearn.galaxy_zoo._votes import check_votes

__all__ = [
    "Answer",
    "DecisionTree",
    "DecisionTreeDisplay",
    "Question",
    "check_votes",
    "clean_samples",
    "convert_votes",
    "load_tree",
    "most_likely_path",
    "question_votes",
    "read_votes",
    "rename_votes",
    "sample_masks",
    "scheme_names",
    "to_hubble_stage",
    "tree_names",
]
