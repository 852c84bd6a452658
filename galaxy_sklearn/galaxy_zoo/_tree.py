"""The decision tree: questions, answers, what leads where, and plain index arrays."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

KINDS = ("path", "conditional", "counts")


@dataclass(frozen=True)
class Answer:
    """One answer to a question.

    Parameters
    ----------
    name : str
        Short name, such as ``"featured-or-disk"``.
    text : str, default=""
        Words for a picture; empty uses `name`.
    next : str, default=None
        Name of the question asked next; None ends the classification.
    columns : dict of str to str, default=None
        Column name, without the suffix of a quantity, by catalogue that lists its columns.
    """

    name: str
    text: str = ""
    next: str | None = None
    columns: dict | None = field(default=None, hash=False)


@dataclass(frozen=True)
class Question:
    """One question and its answers.

    Parameters
    ----------
    name : str
        Short name, such as ``"disk-edge-on"``.
    answers : tuple of Answer
        In the order of the published catalogue.
    text : str, default=""
        The question in words; empty uses `name`.
    """

    name: str
    answers: tuple
    text: str = ""


@dataclass(frozen=True, repr=False)
class DecisionTree:
    """A Galaxy Zoo decision tree: what volunteers are asked, and what each answer leads to.

    A question may have several ways in. They are stored as each answer's next question; from
    these follow the shortest sets of answers that lead to a question, `parents`: where every
    answer to a question leads on to the same place, the ways into that question stand for them.
    The path weight of a question (the share of volunteers asked it) is the sum of the
    path-weighted fractions of its parents, and those of its own answers sum to it.

    Parameters
    ----------
    name : str
        Name for `load_tree` and for messages.
    questions : tuple of Question
        The first is asked of everybody; each other one must be some answer's next.
    title : str, default=""
        Name of the survey.
    source : str, default=""
        Where the tree was published.
    always_asked : tuple of str, default=()
        Questions that count as asked of everybody (path weight 1) whatever leads to them: in the
        Kaggle file, ``"something-odd"``.
    catalogues : dict, default=None
        By name: ``columns``, a template such as ``"{question}_{answer}"`` (also
        ``{question_number}``, ``{answer_number}``) or ``"listed"`` for those of each `Answer`;
        ``quantities``, the suffix and kind of each; ``lacks``, questions it leaves out.

    Raises
    ------
    ValueError
        If there is no question, one has no answers, a name is used twice, `always_asked` is a
        text, or a question is unknown, never asked, or leads back to itself.

    Examples
    --------
    >>> from galaxy_sklearn.galaxy_zoo import load_tree
    >>> tree = load_tree("gz2")
    >>> len(tree.questions), len(tree.answers)
    (11, 37)
    >>> tree.parents[tree.question_index("something-odd")]  # smooth, or features or disk
    array([0, 1])
    """

    name: str
    questions: tuple
    title: str = ""
    source: str = ""
    always_asked: tuple = ()
    catalogues: dict | None = field(default=None, hash=False)

    def __post_init__(self):
        self._check_parts()
        self._check_names()
        reached = {answer.next for question in self.questions for answer in question.answers}
        roots = {self.questions[0].name, *self.always_asked}
        for question in self.questions:
            if question.name not in reached | roots:
                self._fail(f"question {question.name!r} is never asked")
        _ = self.order  # finds circles

    def __repr__(self):
        return (
            f"DecisionTree({self.name!r}, {len(self.questions)} questions, "
            f"{len(self.answers)} answers)"
        )

    def _fail(self, what):
        raise ValueError(f"DecisionTree {self.name!r}: {what}.")

    def _check_parts(self):
        if not len(self.questions):
            self._fail("there is no question")
        for question in self.questions:
            if not len(question.answers):
                self._fail(f"question {question.name!r} has no answers")
        if isinstance(self.always_asked, str):
            self._fail(f"always_asked needs a tuple of names; got the text {self.always_asked!r}")

    def _check_names(self):
        names = [question.name for question in self.questions]
        nexts = [answer.next for question in self.questions for answer in question.answers]
        for name in (*filter(None, nexts), *self.always_asked):
            if name not in names:
                self._fail(f"there is no question {name!r}")
        for kind, given in (("question", names), ("answer", self.answers)):
            for name in given:
                if given.count(name) > 1:
                    self._fail(f"two are named {kind} {name!r}")

    # ------------------------------------------------------------------ names
    @cached_property
    def answers(self):
        """Names of all answers, list of str such as ``"disk-edge-on_yes"``, in column order."""
        return [f"{q.name}_{answer.name}" for q in self.questions for answer in q.answers]

    def question_index(self, name):
        """Return the position of a question. Raises ValueError if there is none of the name."""
        for index, question in enumerate(self.questions):
            if question.name == name:
                return index
        return self._fail(f"there is no question {name!r}")

    def answer_index(self, name):
        """Return the column of an answer. Raises ValueError if there is none of the name."""
        if name not in self.answers:
            self._fail(f"there is no answer {name!r}")
        return self.answers.index(name)

    def columns(self, catalogue, *, quantity=None):
        """Return the name of each answer's column in a published catalogue.

        Parameters
        ----------
        catalogue : str
            ``"tree"`` (the names in `answers`), or one of the tree: ``"kaggle"``, ``"hart16"``,
            ``"zoobot"``, ``"walmsley2022"`` (GZ DECaLS), ``"walmsley2023"`` (GZ DESI).
        quantity : str, default=None
            What the column holds: ``"fraction"``, ``"debiased"``, ``"count"``, ... as far as the
            catalogue has it. None is the name without a suffix.

        Returns
        -------
        list of str or None
            One for each answer; None where the catalogue lacks it.

        Raises
        ------
        ValueError
            If the tree has no such catalogue, or the catalogue no such quantity.
        """
        if catalogue == "tree":
            return list(self.answers)
        schema = self._catalogue(catalogue)
        suffix = "" if quantity is None else self.quantity(catalogue, quantity)[0]
        names = []
        for number, question in enumerate(self.questions, 1):
            for place, answer in enumerate(question.answers, 1):
                if question.name in schema.get("lacks", ()):
                    names.append(None)
                elif schema["columns"] == "listed":
                    names.append(answer.columns[catalogue] + suffix)
                else:
                    stem = schema["columns"].format(
                        question=question.name,
                        answer=answer.name,
                        question_number=number,
                        answer_number=place,
                    )
                    names.append(stem + suffix)
        return names

    def quantity(self, catalogue, quantity):
        """Return the suffix and the kind (path, conditional, counts) of a catalogue's quantity.

        Raises ValueError if the tree has no such catalogue, or the catalogue no such quantity.
        """
        quantities = self._catalogue(catalogue)["quantities"]
        if quantity not in quantities:
            self._fail(
                f"catalogue {catalogue!r} has no quantity {quantity!r}, only {sorted(quantities)}"
            )
        return tuple(quantities[quantity])

    def _catalogue(self, catalogue):
        known = self.catalogues or {}
        if catalogue not in known:
            self._fail(f"there is no catalogue {catalogue!r}, only {sorted(known)}")
        return known[catalogue]

    # ------------------------------------------------------------------ arrays
    @cached_property
    def question_slices(self):
        """Columns of each question's answers: tuple of slice, (n_questions,)."""
        stops = np.cumsum([len(question.answers) for question in self.questions]).tolist()
        return tuple(slice(start, stop) for start, stop in zip([0, *stops], stops))

    @cached_property
    def answer_question(self):
        """Question of each answer: ndarray of int, (n_answers,)."""
        sizes = [len(question.answers) for question in self.questions]
        return np.repeat(np.arange(len(sizes)), sizes)

    @cached_property
    def next_question(self):
        """Question each answer leads to, -1 at an end: ndarray of int, (n_answers,)."""
        index = {question.name: place for place, question in enumerate(self.questions)}
        nexts = [answer.next for question in self.questions for answer in question.answers]
        return np.array([-1 if name is None else index[name] for name in nexts])

    @cached_property
    def order(self):
        """Questions sorted so that each follows all that lead to it: ndarray, (n_questions,)."""
        waiting, done = list(range(len(self.questions))), []
        while waiting:
            open_ = {self.next_question[answer] for q in waiting for answer in self._range(q)}
            ready = [q for q in waiting if q not in open_]
            if not ready:
                self._fail(f"question {self.questions[waiting[0]].name!r} leads back to itself")
            done.append(ready[0])
            waiting.remove(ready[0])
        return np.array(done)

    def _range(self, question):
        return range(self.question_slices[question].start, self.question_slices[question].stop)

    @cached_property
    def roots(self):
        """1 for each question asked of everybody, else 0: ndarray of float, (n_questions,)."""
        everybody = {self.questions[0].name, *self.always_asked}
        return np.array([float(question.name in everybody) for question in self.questions])

    @cached_property
    def parents(self):
        """Answers that lead to each question: tuple of ndarray of int, (n_questions,).

        Empty for a question asked of everybody. Their path-weighted fractions sum to the path
        weight of the question.
        """
        parents = []
        for question in range(len(self.questions)):
            ways = set() if self.roots[question] else self._ways_in(question)
            parents.append(np.array(sorted(ways), dtype=int))
        return tuple(parents)

    def _ways_in(self, question):
        """Return the answers leading to a question, whole questions replaced by their ways in."""
        ways = set(np.flatnonzero(self.next_question == question).tolist())
        for earlier in self.order[::-1]:
            answers = set(self._range(earlier))
            if answers <= ways and not self.roots[earlier]:
                ways = ways - answers | set(np.flatnonzero(self.next_question == earlier).tolist())
        return ways

    @cached_property
    def parent_matrix(self):
        """1 where an answer (column) is a parent of a question (row), else 0: ndarray of float.

        The path weights of all questions follow from conditional fractions `c` without a loop
        over questions, in any array library::

            weight = roots                                     # broadcast to (n, n_questions)
            for _ in range(tree.depth):
                path = c * weight[:, tree.answer_question]     # (n, n_answers)
                weight = roots + path @ tree.parent_matrix.T
            path = c * weight[:, tree.answer_question]
        """
        matrix = np.zeros((len(self.questions), len(self.answers)))
        for question, parents in enumerate(self.parents):
            matrix[question, parents] = 1.0
        return matrix

    @cached_property
    def levels(self):
        """Steps from a question asked of everybody, by parents: ndarray of int, (n_questions,)."""
        levels = np.zeros(len(self.questions), dtype=int)
        for question in self.order:
            if len(self.parents[question]):
                levels[question] = 1 + levels[self.answer_question[self.parents[question]]].max()
        return levels

    @property
    def depth(self):
        """Largest of `levels`, int."""
        return int(self.levels.max())
