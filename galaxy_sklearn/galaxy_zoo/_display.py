"""The decision tree as a picture, with a galaxy's fractions on it."""

import textwrap

import numpy as np

from galaxy_sklearn._optional import import_optional
from galaxy_sklearn.galaxy_zoo._convert import convert_array
from galaxy_sklearn.galaxy_zoo._load import as_tree
from galaxy_sklearn.galaxy_zoo._paths import chosen_answers
from galaxy_sklearn.galaxy_zoo._votes import TOLERANCE, checked_values, question_weights

# Lengths in inches.
_WIDTH, _GAP, _SPACE = 2.75, 0.95, 0.24
_ROW, _LINE, _PAD = 0.225, 0.185, 0.09
_LABEL, _PERCENT = 1.18, 0.42
_MARGIN, _TITLE = 0.2, 0.5

_INK, _FAINT, _PATH = "#1d2740", "#8b94a7", "#d9622b"
_BAR, _EDGE, _PALE, _RAIL = "#9fb3d6", "#b9c5dc", "#dde3ee", "#edf0f6"


class _Card:
    """A question with its answers: where it is drawn, and where lines meet it."""

    def __init__(self, question, level):
        self.lines = textwrap.wrap(question.text or question.name, 34)
        self.question, self.left = question, _MARGIN + level * (_WIDTH + _GAP)
        self.top = 0.0

    @property
    def head(self):
        return _PAD + _LINE * (len(self.lines) + 1)  # one line for who was asked

    @property
    def height(self):
        return self.head + _ROW * len(self.question.answers) + _PAD

    @property
    def entry(self):
        return self.left, self.top - _PAD - _LINE * len(self.lines) / 2

    def answer_y(self, place):
        return self.top - self.head - _ROW * (place + 0.5)


def _place(cards, tree):
    """Set the top of each card: by level, near what leads to it, none over another."""
    columns = [np.flatnonzero(tree.levels == level) for level in range(tree.depth + 1)]
    full = max(sum(cards[q].height + _SPACE for q in column) - _SPACE for column in columns)
    for column in columns:
        wish = {q: _wish(cards, tree, q, full) for q in column}
        column = sorted(column, key=lambda q: (-wish[q], q))
        floor = full
        for question in column:
            cards[question].top = min(floor, wish[question] + cards[question].height / 2)
            floor = cards[question].top - cards[question].height - _SPACE
        missed = [wish[q] - cards[q].top + cards[q].height / 2 for q in column]
        rise = min(np.mean(missed), full - cards[column[0]].top)
        for question in column:
            cards[question].top += rise
        _lift(cards, column)
    return full


def _wish(cards, tree, question, full):
    """Return the height at which the middle of a card would best lie: its lowest parent's."""
    parents = tree.parents[question]
    if not len(parents):
        return full * (0.45 if question == 0 else 0.1)
    owners = tree.answer_question[parents]
    first = [tree.question_slices[owner].start for owner in owners]
    return min(cards[q].answer_y(a - start) for q, a, start in zip(owners, parents, first))


def _lift(cards, column):
    """Push cards that hang below the picture up, and those above them."""
    bottom = 0.0
    for question in column[::-1]:
        card = cards[question]
        card.top = max(card.top, bottom + card.height)
        bottom = card.top + _SPACE


class DecisionTreeDisplay:
    """A decision tree with a galaxy's votes on it.

    Each card is a question, with the share of volunteers who were asked it; its bars are the
    conditional fractions of the answers. Lines are as wide as the share of volunteers who went
    that way. The most likely path is in colour; what nobody was asked is grey.

    Parameters
    ----------
    tree : DecisionTree
        The tree.
    conditional : ndarray of shape (n_answers,)
        Conditional fractions; NaN where nobody was asked.
    path : ndarray of shape (n_answers,)
        Path-weighted fractions.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The picture.
    ax_ : matplotlib Axes
        The axes; one unit is an inch.
    """

    def __init__(self, tree, conditional, path):
        self.tree = tree
        self.conditional = np.asarray(conditional, dtype=float)
        self.path = np.asarray(path, dtype=float)

    @classmethod
    def from_votes(
        cls, votes, *, tree, kind="path", image=None, title=None, ax=None, tolerance=TOLERANCE
    ):
        """Draw a tree with the votes of one galaxy.

        Parameters
        ----------
        votes : array-like, Series or DataFrame of one row
            See `check_votes`.
        tree : str or DecisionTree
            A name for `load_tree`, or a tree.
        kind : {"path", "conditional", "counts"}, default="path"
            What the votes are; see `convert_votes`.
        image : array-like of shape (height, width, 3) or (height, width), default=None
            The galaxy, to be shown in the corner.
        title : str, default=None
            None is the title of the tree.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure of the right size.
        tolerance : float, default=0.005
            By how much a sum of fractions may miss what it should be.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        ValueError
            If there is more than one galaxy, or the votes have a fault, as in `check_votes`.
        """
        tree = as_tree(tree)
        values = checked_values(tree, votes, kind, tolerance)
        if len(values) != 1:
            raise ValueError(f"DecisionTreeDisplay draws one galaxy; got votes on {len(values)}.")
        conditional = convert_array(tree, values, kind, "conditional")[0]
        path = convert_array(tree, values, kind, "path")[0]
        return cls(tree, conditional, path).plot(image=image, title=title, ax=ax)

    def plot(self, *, image=None, title=None, ax=None):
        """Draw the tree; return the display. See `from_votes`."""
        tree = self.tree
        cards = [_Card(q, level) for q, level in zip(tree.questions, tree.levels)]
        height = _place(cards, tree)
        self.ax_ = self._axes(ax, height)
        self.figure_ = self.ax_.figure
        self._weights = question_weights(tree, self.path[np.newaxis])[0]
        chosen = chosen_answers(tree, self.conditional[np.newaxis])[0]
        starts = np.array([part.start for part in tree.question_slices])
        self._taken = set((starts + chosen)[chosen >= 0].tolist())
        for question in range(len(cards)):
            self._draw_ways_in(cards, question)
        for question, card in enumerate(cards):
            self._draw_card(card, question)
        self._text(
            _MARGIN, height + 0.2, title or tree.title or tree.name,
            fontsize=13, weight="bold", color=_INK, va="bottom",
        )  # fmt: skip
        self._draw_legend(height)
        if image is not None:
            self._draw_image(cards[0], np.asarray(image), height)
        return self

    def _axes(self, ax, height):
        width = 2 * _MARGIN + (self.tree.depth + 1) * (_WIDTH + _GAP) - _GAP
        if ax is None:
            pyplot = import_optional("matplotlib.pyplot", extra="inspect", feature="Drawing")
            figure = pyplot.figure(figsize=(width, height + _TITLE + _MARGIN))
            ax = figure.add_axes((0, 0, 1, 1))
        ax.set(xlim=(0, width), ylim=(-_MARGIN, height + _TITLE), aspect="equal")
        ax.axis("off")
        figure = ax.get_figure(root=True)
        figure.draw_without_rendering()  # lays the axes out
        self._inch = ax.get_window_extent().width / figure.dpi / width
        return ax

    def _draw_ways_in(self, cards, question):
        tree = self.tree
        for answer in tree.parents[question]:
            owner = tree.answer_question[answer]
            card = cards[owner]
            start = (
                card.left + _WIDTH,
                card.answer_y(answer - tree.question_slices[owner].start),
            )
            part = tree.question_slices[question]
            taken = answer in self._taken and not self._taken.isdisjoint(
                range(part.start, part.stop)
            )
            share = np.nan_to_num(self.path[answer])
            self._draw_line(start, cards[question].entry, share, taken)

    def _draw_line(self, start, end, share, taken):
        patches = import_optional("matplotlib.patches", extra="inspect", feature="Drawing")
        paths = import_optional("matplotlib.path", extra="inspect", feature="Drawing")
        bend = 0.55 * (end[0] - start[0])
        corners = [start, (start[0] + bend, start[1]), (end[0] - bend, end[1]), end]
        colour = _PATH if taken else _EDGE if share > 0 else _PALE
        self.ax_.add_patch(
            patches.PathPatch(
                paths.Path(corners, [1, 4, 4, 4]),
                facecolor="none",
                edgecolor=colour,
                linewidth=self._inch * (1 + 9 * share),
                alpha=0.75 if taken else 1.0,
                capstyle="butt",
                zorder=2 if taken else 1,
            )
        )

    def _draw_card(self, card, question):
        patches = import_optional("matplotlib.patches", extra="inspect", feature="Drawing")
        weight, part = self._weights[question], self.tree.question_slices[question]
        on_path = not self._taken.isdisjoint(range(part.start, part.stop))
        self.ax_.add_patch(
            patches.FancyBboxPatch(
                (card.left, card.top - card.height),
                _WIDTH,
                card.height,
                boxstyle="round,pad=0,rounding_size=0.08",
                facecolor="white",
                edgecolor=_PATH if on_path else _PALE if weight == 0 else _EDGE,
                linewidth=self._inch * (1.4 if on_path else 0.9),
                zorder=3,
            )
        )
        ink = _FAINT if weight == 0 else _INK
        x = card.left + _PAD
        for number, line in enumerate(card.lines):
            y = card.top - _PAD - _LINE * (number + 0.5)
            self._text(x, y, line, color=ink, weight="bold", fontsize=9)
        self._text(
            x, card.top - _PAD - _LINE * (len(card.lines) + 0.5), _asked(weight),
            color=_FAINT, fontsize=7.5,
        )  # fmt: skip
        for place, answer in enumerate(card.question.answers):
            self._draw_answer(card, card.answer_y(place), answer, part.start + place, ink)

    def _draw_answer(self, card, y, answer, column, ink):
        patches = import_optional("matplotlib.patches", extra="inspect", feature="Drawing")
        share, taken = self.conditional[column], column in self._taken
        weight = "bold" if taken else "normal"
        self._text(
            card.left + _PAD, y, answer.text or answer.name,
            color=_PATH if taken else ink, weight=weight, fontsize=8.5,
        )  # fmt: skip
        left, length = card.left + _PAD + _LABEL, _WIDTH - 2 * _PAD - _LABEL - _PERCENT
        for size, colour in ((1.0, _RAIL), (np.nan_to_num(share), _PATH if taken else _BAR)):
            self.ax_.add_patch(
                patches.Rectangle(
                    (left, y - 0.055), length * min(size, 1.0), 0.11, color=colour, lw=0, zorder=4
                )
            )
        self._text(
            card.left + _WIDTH - _PAD, y, "–" if np.isnan(share) else f"{share:.0%}",
            color=_FAINT if np.isnan(share) else ink, weight=weight, fontsize=8.5, ha="right",
        )  # fmt: skip

    def _text(self, x, y, text, *, fontsize, va="center", **style):
        self.ax_.text(x, y, text, fontsize=self._inch * fontsize, va=va, zorder=5, **style)

    def _draw_legend(self, height):
        right = self.ax_.get_xlim()[1] - _MARGIN
        self._text(
            right, height + 0.3, "bars: share of those asked    lines: share of all volunteers    "
            "colour: most likely path", color=_FAINT, fontsize=8, ha="right",
        )  # fmt: skip

    def _draw_image(self, top_card, image, height):
        """Show the galaxy above the first question."""
        side = min(_WIDTH, height - top_card.top - _SPACE)
        limits = self.ax_.get_xlim(), self.ax_.get_ylim()
        self.ax_.imshow(
            image, extent=(_MARGIN, _MARGIN + side, height - side, height), cmap="gray", zorder=3
        )
        self.ax_.set(xlim=limits[0], ylim=limits[1], aspect="equal")


def _asked(weight):
    if np.isnan(weight):
        return "not known how many were asked"
    if weight == 0:
        return "nobody was asked"
    return "everybody was asked" if weight > 0.9995 else f"asked of {weight:.0%}"
