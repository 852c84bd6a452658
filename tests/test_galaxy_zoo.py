"""The published trees, what follows from them, clean samples and the picture."""

import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.preprocessing import FunctionTransformer

from galaxy_sklearn.exceptions import MissingDependencyError
from galaxy_sklearn.galaxy_zoo import (
    Answer,
    DecisionTree,
    DecisionTreeDisplay,
    Question,
    clean_samples,
    convert_votes,
    load_tree,
    most_likely_path,
    sample_masks,
    scheme_names,
    to_hubble_stage,
    tree_names,
)

GZ2 = load_tree("gz2")
KAGGLE = load_tree("gz2_kaggle")
DR5 = load_tree("gz_decals_dr5")


# ---------------------------------------------------------------------- trees
def _parents(tree, question, catalogue="tree"):
    names = tree.columns(catalogue)
    return [names[parent] for parent in tree.parents[tree.question_index(question)]]


def test_galaxy_zoo_2_has_11_questions_and_37_answers():
    assert [len(q.answers) for q in GZ2.questions] == [3, 2, 2, 2, 4, 2, 3, 7, 3, 3, 6]
    # Dieleman et al. (2015), sec. 4, and the sum rules of the Kaggle file.
    rules = [[], ["1.2"], ["2.2"], ["2.2"], ["2.2"], ["1.1", "1.2"], ["1.1"], ["6.1"], ["2.1"]]
    rules += [["4.1"], ["4.1"]]
    for question, rule in zip(GZ2.questions, rules, strict=True):
        found = _parents(GZ2, question.name, "kaggle")
        assert found == [f"Class{number}" for number in rule], question.name
    assert _parents(KAGGLE, "something-odd") == []
    assert _parents(KAGGLE, "odd-feature") == ["something-odd_yes"]


def test_columns_of_the_catalogues_of_galaxy_zoo_2():
    assert GZ2.columns("kaggle")[-1] == "Class11.6"
    assert GZ2.columns("hart16", quantity="debiased")[36] == (
        "t11_arms_number_a37_cant_tell_debiased"
    )
    assert GZ2.columns("hart16")[24] == "t08_odd_feature_a38_dust_lane"
    assert GZ2.columns("hart16")[35] == "t11_arms_number_a36_more_than_4"
    assert GZ2.columns("zoobot")[1] == "smooth-or-featured-gz2_featured-or-disk"
    assert GZ2.columns("zoobot").count(None) == 7
    assert all(len(set(GZ2.columns(name))) == 37 for name in ("tree", "kaggle", "hart16"))


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("gz_decals_dr12", [3, 2, 2, 2, 3, 3, 3, 3, 5, 4]),
        ("gz_decals_dr5", [3, 2, 2, 3, 5, 3, 3, 3, 6, 4]),
    ],
)
def test_the_trees_of_gz_decals(name, sizes):
    tree = load_tree(name)
    assert [len(q.answers) for q in tree.questions] == sizes
    assert _parents(tree, "merging") == [
        "smooth-or-featured_smooth",
        "smooth-or-featured_featured-or-disk",
    ]
    assert _parents(tree, "bulge-size") == ["disk-edge-on_no"]
    assert _parents(tree, "edge-on-bulge") == ["disk-edge-on_yes"]
    assert _parents(tree, "spiral-arm-count") == ["has-spiral-arms_yes"]


def test_later_releases_have_their_own_column_names():
    assert DR5.columns("zoobot")[7] == "bar-dr5_strong"
    assert load_tree("gz_decals_dr8").columns("zoobot")[7] == "bar-dr8_strong"
    assert load_tree("gz_decals_dr12").columns("zoobot")[7] == "bar-dr12_yes"
    assert DR5.columns("walmsley2022", quantity="debiased")[7] == "bar_strong_debiased"
    desi = load_tree("gz_desi")
    assert desi.columns("walmsley2023", quantity="fraction")[7] == "bar_strong_fraction"
    assert desi.questions == DR5.questions


@pytest.mark.parametrize("name", tree_names())
def test_the_arrays_of_a_tree_agree(name):
    tree = load_tree(name)
    assert load_tree(name) is tree
    for question, part in enumerate(tree.question_slices):
        assert set(tree.answer_question[part]) == {question}
        np.testing.assert_array_equal(
            np.flatnonzero(tree.parent_matrix[question]), tree.parents[question]
        )
        assert bool(tree.roots[question]) == (len(tree.parents[question]) == 0)
        assert all(
            tree.levels[tree.answer_question[parent]] < tree.levels[question]
            for parent in tree.parents[question]
        )
    places = {question: place for place, question in enumerate(tree.order)}
    for answer, question in enumerate(tree.next_question):
        assert question < 0 or places[question] > places[tree.answer_question[answer]]
    assert tree.depth == 3
    again = pickle.loads(pickle.dumps(tree))
    assert again == tree
    assert hash(again) == hash(tree)


def test_a_tree_is_a_parameter_that_can_be_cloned():
    copy = clone(FunctionTransformer(kw_args={"tree": GZ2}))
    assert copy.kw_args["tree"] == GZ2


def test_broken_trees_are_refused():
    yes, no = Answer("yes", next="b"), Answer("no")
    with pytest.raises(ValueError, match="'t': there is no question 'b'"):
        DecisionTree("t", (Question("a", (yes, no)),))
    with pytest.raises(ValueError, match="question 'b' is never asked"):
        DecisionTree("t", (Question("a", (no,)), Question("b", (no,))))
    with pytest.raises(ValueError, match="question 'a' leads back to itself"):
        DecisionTree("t", (Question("a", (yes,)), Question("b", (Answer("c", next="a"),))))
    with pytest.raises(ValueError, match="two are named answer 'a_no'"):
        DecisionTree("t", (Question("a", (no, no)),))
    with pytest.raises(ValueError, match="two are named question 'a'"):
        DecisionTree("t", (Question("a", (no,)), Question("a", (no,))))
    with pytest.raises(ValueError, match="'t': there is no question"):
        DecisionTree("t", ())
    with pytest.raises(ValueError, match="question 'b' has no answers"):
        DecisionTree("t", (Question("a", (yes, no)), Question("b", ())))
    with pytest.raises(ValueError, match="always_asked needs a tuple of names; got the text 'a'"):
        DecisionTree("t", (Question("a", (no,)),), always_asked="a")


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="no tree 'gz3', only"):
        load_tree("gz3")
    with pytest.raises(ValueError, match="no catalogue 'kagle', only"):
        GZ2.columns("kagle")
    with pytest.raises(ValueError, match="no answer 'bar_strong'"):
        GZ2.answer_index("bar_strong")
    with pytest.raises(ValueError, match="no question 'bars'"):
        GZ2.question_index("bars")
    with pytest.raises(TypeError, match="a DecisionTree or the name of one"):
        to_hubble_stage(np.zeros((1, 37)), tree=3)


# -------------------------------------------------------------- paths, stages
def unanimous(tree, *answers):
    """Conditional fractions of a galaxy of whose path all volunteers agree."""
    votes = np.full((1, len(tree.answers)), np.nan)
    for answer in answers:
        column = tree.answer_index(answer)
        votes[0, tree.question_slices[tree.answer_question[column]]] = 0
        votes[0, column] = 1
    return votes


SPIRAL = (
    "smooth-or-featured_featured-or-disk",
    "disk-edge-on_no",
    "bar_yes",
    "has-spiral-arms_yes",
    "spiral-winding_tight",
    "spiral-arm-count_2",
    "bulge-size_obvious",
    "something-odd_yes",
    "odd-feature_ring",
)
EDGE_ON = (
    "smooth-or-featured_featured-or-disk",
    "disk-edge-on_yes",
    "bulge-shape_boxy",
    "something-odd_no",
)


@pytest.mark.parametrize("answers", [SPIRAL, EDGE_ON])
def test_the_most_likely_path_is_the_one_all_took(answers):
    path = most_likely_path(unanimous(GZ2, *answers), tree=GZ2, kind="conditional").iloc[0]
    taken = [f"{question}_{answer}" for question, answer in path.dropna().items()]
    assert taken == list(answers)  # in the order in which they were asked


def test_the_most_likely_path_ends_where_votes_are_unknown():
    votes = unanimous(GZ2, *SPIRAL[:3])
    path = most_likely_path(votes, tree=GZ2, kind="conditional").iloc[0]
    assert path.dropna().tolist() == ["featured-or-disk", "no", "yes"]
    nothing = most_likely_path(np.full((1, 37), np.nan), tree=GZ2)
    assert nothing.isna().all(axis=None)


def test_the_most_likely_path_follows_the_answer_before_and_not_the_most_votes():
    votes = unanimous(GZ2, *SPIRAL, "how-rounded_round")
    votes[0, :3] = [0.5, 0.4, 0.1]
    path = most_likely_path(votes, tree=GZ2, kind="conditional").iloc[0]
    assert path["smooth-or-featured"] == "smooth"
    assert path["how-rounded"] == "round"
    assert pd.isna(path["disk-edge-on"])


def test_the_most_likely_path_of_a_series_goes_by_its_names():
    row = kaggle_row(**{**SMOOTH, "c7_1": 0.2, "c7_2": 0.4}).iloc[0]
    expected = most_likely_path(row.to_frame().T, tree=KAGGLE)
    assert expected["how-rounded"].tolist() == ["in-between"]
    for one in (row, row[::-1], 40 * row[::-1]):
        kind = "path" if one.max() <= 1 else "counts"
        found = most_likely_path(one, tree=KAGGLE, kind=kind)
        pd.testing.assert_frame_equal(found.set_axis(expected.index), expected)


@pytest.mark.parametrize(
    ("bulge", "stage"), [("no", 8.80), ("just-noticeable", 4.63), ("obvious", 2.36),
                         ("dominant", -3.75)]
)  # fmt: skip
def test_hubble_stage_of_willett_2013(bulge, stage):
    votes = unanimous(GZ2, *SPIRAL[:6], f"bulge-size_{bulge}", "something-odd_no")
    found = to_hubble_stage(votes, tree=GZ2, kind="conditional")
    np.testing.assert_allclose(found, [stage], atol=1e-9)


def test_hubble_stage_is_for_oblique_disks_of_galaxy_zoo_2():
    edge_on = to_hubble_stage(unanimous(GZ2, *EDGE_ON), tree=GZ2, kind="conditional")
    assert np.isnan(edge_on).all()
    with pytest.raises(ValueError, match="none for tree 'gz_decals_dr5'"):
        to_hubble_stage(np.zeros((1, 34)), tree="gz_decals_dr5", kind="counts")


# -------------------------------------------------------------- clean samples
def kaggle_row(**fractions):
    row = pd.DataFrame(0.0, index=["g"], columns=KAGGLE.columns("kaggle"))
    for name, value in fractions.items():
        row["Class" + name[1:].replace("_", ".")] = value
    row["Class6.2"] = 1.0
    return row


SMOOTH = {"c1_1": 0.6, "c1_2": 0.4, "c2_1": 0.4, "c9_1": 0.4}
DISK = {"c1_2": 1.0, "c2_2": 0.8, "c2_1": 0.2, "c9_1": 0.2, "c3_2": 0.8, "c5_2": 0.8}


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({**SMOOTH, "c7_1": 0.5, "c7_2": 0.1}, "round"),
        ({**SMOOTH, "c7_1": 0.1, "c7_2": 0.5}, "in_between"),
        ({**SMOOTH, "c7_1": 0.1, "c7_3": 0.5}, "cigar"),
        ({**SMOOTH, "c7_1": 0.499, "c7_2": 0.101}, None),
        ({"c1_2": 1.0, "c2_1": 1.0, "c9_3": 1.0}, "edge_on"),
        ({**DISK, "c4_1": 0.619, "c10_1": 0.619, "c11_2": 0.619, "c4_2": 0.181}, "spiral"),
        ({**DISK, "c4_1": 0.618, "c10_1": 0.618, "c11_2": 0.618, "c4_2": 0.182}, None),
    ],
)
def test_the_cuts_of_zhu_2019(row, name):
    found = clean_samples(kaggle_row(**row))
    assert found.index.tolist() == ["g"]
    assert found.cat.categories.tolist() == ["round", "in_between", "cigar", "edge_on", "spiral"]
    assert found.isna().all() if name is None else found.tolist() == [name]


@pytest.fixture(scope="module")
def labelled(real_data):
    table = pd.read_csv(real_data / "gz2" / "labels.csv")
    return table[table["n_fractions"] == 37]


def test_zhu_s_text_gives_the_labels_of_real_galaxies(labelled):
    found = clean_samples(labelled)
    np.testing.assert_array_equal(found.cat.codes, labelled["class5_id"])
    named = found.astype(object).where(found.notna(), "none")
    assert named.tolist() == labelled["class5"].tolist()


def test_zhu_s_printed_table_leaves_no_spiral(labelled):
    text, table = clean_samples(labelled), clean_samples(labelled, scheme="zhu2019_table")
    assert (text == "spiral").sum() > 100
    assert (table == "spiral").sum() == 0
    assert text[text != "spiral"].equals(table[text != "spiral"])
    strict = clean_samples(labelled, scheme="zhu2019_strict")
    assert (text[strict.notna()] == strict[strict.notna()]).all()
    assert (strict == "round").sum() < (text == "round").sum()


def test_only_known_votes_make_a_class():
    row = kaggle_row(**{**SMOOTH, "c7_1": 0.6})
    row.loc[:, KAGGLE.columns("kaggle")[20:]] = np.nan
    assert clean_samples(row).tolist() == ["round"]
    row["Class7.1"] = np.nan
    assert clean_samples(row).isna().all()


def test_cuts_of_one_s_own():
    row = kaggle_row(**{**SMOOTH, "c7_1": 0.3, "c7_2": 0.3})
    scheme = {
        "smooth": ["how-rounded_round + how-rounded_in-between > 0.59"],
        "disk": ["smooth-or-featured_smooth <= 0.5"],
    }
    assert clean_samples(row, scheme=scheme).tolist() == ["smooth"]
    both = {"a": ["smooth-or-featured_smooth > 0.1"], "b": ["smooth-or-featured_smooth > 0.2"]}
    assert clean_samples(row, scheme=both).isna().all()
    assert sample_masks(row, scheme=both).all(axis=None)
    with pytest.raises(ValueError, match="A cut reads .* got 'how-rounded_round = 1'"):
        clean_samples(row, scheme={"a": ["how-rounded_round = 1"]})
    with pytest.raises(ValueError, match=r"A cut reads .* got 'how-rounded_round > 1\.e\.'"):
        clean_samples(row, scheme={"a": ["how-rounded_round > 1.e."]})
    with pytest.raises(ValueError, match="no answer 'ring'"):
        clean_samples(row, scheme={"a": ["ring > 0.5"]})
    with pytest.raises(ValueError, match=r"votes\(bar\) needs votes of kind='counts'"):
        clean_samples(row, scheme={"a": ["votes(bar) >= 20"]})
    with pytest.raises(ValueError, match="no scheme 'zhu' of cuts, only"):
        clean_samples(row, scheme="zhu")
    assert scheme_names() == ["walmsley2022", "zhu2019", "zhu2019_strict", "zhu2019_table"]


def test_a_fraction_that_equals_a_cut_is_not_at_the_mercy_of_rounding():
    signs = {"at least": ">=", "more": ">", "at most": "<=", "less": "<"}
    scheme = {name: [f"how-rounded_round {sign} 0.5"] for name, sign in signs.items()}
    rows = []
    for volunteers in range(20, 62, 2):
        for smooth in range(volunteers // 2, volunteers + 1):
            row = np.zeros(37)
            row[0], row[1] = smooth, volunteers - smooth
            part = KAGGLE.question_slices[KAGGLE.question_index("how-rounded")]
            row[part.start], row[part.start + 1] = volunteers // 2, smooth - volunteers // 2
            rows.append(row)
    path = convert_votes(rows, tree=KAGGLE, source="counts", target="path")
    assert (path[:, KAGGLE.answer_index("how-rounded_round")] < 0.5).any()  # by 1e-16
    masks = sample_masks(path, scheme=scheme, kind="path")
    assert masks["at least"].all()
    assert masks["at most"].all()
    assert not masks[["more", "less"]].any(axis=None)


@pytest.mark.parametrize(
    ("scheme", "error", "message"),
    [
        (["how-rounded_round >= 1"], TypeError, "needs a name or a dict; got a list"),
        (None, TypeError, "needs a name or a dict; got a NoneType"),
        ({}, ValueError, "at least one class; got an empty one"),
        ({"a": []}, ValueError, "'a' needs at least one cut; got an empty list"),
        ({"a": "how-rounded_round >= 1"}, TypeError, "must be a list; got the text"),
        ({"a": None}, TypeError, "cuts of class 'a' must be a list; got None"),
        ({"a": [5]}, TypeError, "cuts of class 'a' must be texts; got 5"),
    ],
)
def test_schemes_that_are_none(scheme, error, message):
    for select in (clean_samples, sample_masks):
        with pytest.raises(error, match=message):
            select(np.zeros((2, 37)), scheme=scheme, tolerance=1)


def test_numbers_of_volunteers_are_checked():
    path = np.zeros((3, 37))
    path[:, [1, 14]] = 1  # all see a disk, and nothing odd
    select = {"scheme": {"few": ["votes(something-odd) <= 40"]}, "tolerance": 1}
    assert sample_masks(path, n_votes=[40, 41, np.nan], **select)["few"].tolist() == [1, 0, 0]
    assert sample_masks(path, n_votes=pd.Series([1, 2, np.inf]), **select)["few"].sum() == 2
    with pytest.raises(ValueError, match=r"n_votes as a number or \(3,\); got shape \(2,\)"):
        sample_masks(path, n_votes=[1, 2], **select)
    with pytest.raises(ValueError, match="n_votes that are not negative"):
        clean_samples(path, n_votes=-1, **select)


def test_unknown_votes_pass_no_cut_on_their_number():
    scheme = {"few": ["votes(bar) < 5"]}
    votes = np.full((1, 37), np.nan)
    for settings in ({"kind": "counts"}, {"kind": "path", "n_votes": 40}):
        assert not sample_masks(votes, scheme=scheme, **settings).any(axis=None)


def test_the_populations_of_walmsley_2022_need_enough_votes():
    counts = np.zeros((2, 34))
    for answer, n in {
        "smooth-or-featured_featured-or-disk": 30,
        "disk-edge-on_no": 30,
        "bar_strong": 27,
        "bar_no": 3,
        "has-spiral-arms_no": 30,
        "bulge-size_small": 30,
        "merging_none": 30,
    }.items():
        counts[:, DR5.answer_index(answer)] = n
    counts[1] /= 2  # fifteen votes are too few for bars and arms
    masks = sample_masks(counts, scheme="walmsley2022", tree=DR5, kind="counts")
    disk = {"featured_disk", "disk", "not_edge_on_disk"}
    assert set(masks.columns[masks.iloc[0]]) == disk | {"strong_bar", "any_bar", "no_spiral_arms"}
    assert set(masks.columns[masks.iloc[1]]) == disk
    shares = convert_votes(counts, tree=DR5, source="counts", target="path")
    for n_votes in ([30, 15], np.array([30, 15])):
        again = sample_masks(shares, scheme="walmsley2022", tree=DR5, n_votes=n_votes)
        pd.testing.assert_frame_equal(again, masks)
    endless = sample_masks(shares, scheme="walmsley2022", tree=DR5, n_votes=np.inf)
    assert endless.iloc[1].tolist() == masks.iloc[0].tolist()
    with pytest.raises(ValueError, match=r"needs votes of kind='counts'"):
        sample_masks(np.full((1, 34), np.nan), scheme="walmsley2022", tree=DR5)


# ----------------------------------------------------------------- the picture
@pytest.fixture
def pyplot():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    yield pyplot
    pyplot.close("all")


def _within(box, other):
    return other.contains(box.x0, box.y0) and other.contains(box.x1, box.y1)


@pytest.mark.parametrize("size", [None, (8, 5)])
@pytest.mark.parametrize("name", tree_names())
def test_the_picture_shows_every_answer_and_no_card_overlaps(pyplot, name, size):
    tree = load_tree(name)
    even = np.concatenate([np.full(len(q.answers), 1 / len(q.answers)) for q in tree.questions])
    ax = None if size is None else pyplot.subplots(figsize=size, dpi=300)[1]
    display = DecisionTreeDisplay.from_votes(even, tree=tree, kind="conditional", ax=ax)
    texts = [text.get_text() for text in display.ax_.texts]
    for question in tree.questions:
        for answer in question.answers:
            assert answer.text in texts
    assert texts.count("33%") == 3 * sum(len(q.answers) == 3 for q in tree.questions)
    cards = [p for p in display.ax_.patches if type(p).__name__ == "FancyBboxPatch"]
    boxes = [card.get_window_extent() for card in cards]
    assert len(boxes) == len(tree.questions)
    picture = display.ax_.get_window_extent()
    for place, box in enumerate(boxes):
        assert _within(box, picture)
        assert box.count_overlaps(boxes[:place]) == 0
    renderer = display.figure_.canvas.get_renderer()
    for text in display.ax_.texts:
        extent = text.get_window_extent(renderer)
        homes = [box for box in boxes if box.contains(extent.x0, extent.y0)] or [picture]
        assert _within(extent, homes[0]), text.get_text()


def test_the_picture_marks_the_path_and_what_nobody_was_asked(pyplot):
    votes = unanimous(GZ2, *EDGE_ON)
    image = np.zeros((8, 8, 3), np.uint8)
    display = DecisionTreeDisplay.from_votes(
        votes, tree=GZ2, kind="conditional", image=image, title="NGC 4565"
    )
    texts = {text.get_text(): text for text in display.ax_.texts}
    assert "NGC 4565" in texts
    assert texts["boxy"].get_weight() == "bold"
    assert texts["tight"].get_weight() == "normal"
    words = [text.get_text() for text in display.ax_.texts]
    assert words.count("everybody was asked") == 4
    assert words.count("nobody was asked") == 7
    assert len(display.ax_.images) == 1


def test_the_picture_takes_a_row_of_a_table_and_one_galaxy_only(pyplot):
    row = kaggle_row(**{**SMOOTH, "c7_1": 0.6})
    _, ax = pyplot.subplots()
    assert DecisionTreeDisplay.from_votes(row.iloc[0], tree=KAGGLE, ax=ax).ax_ is ax
    bare = pd.Series(row[KAGGLE.columns("kaggle")].to_numpy()[0])
    drawn = DecisionTreeDisplay.from_votes(bare, tree=KAGGLE)
    np.testing.assert_array_equal(drawn.path, bare)
    noted = row.assign(note="x").iloc[0][::-1]
    np.testing.assert_array_equal(DecisionTreeDisplay.from_votes(noted, tree=KAGGLE).path, bare)
    with pytest.raises(ValueError, match="draws one galaxy; got votes on 2"):
        DecisionTreeDisplay.from_votes(pd.concat([row, row]), tree=KAGGLE)


def test_the_picture_needs_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingDependencyError, match=r"Drawing needs .*galaxy_sklearn\[inspect\]"):
        DecisionTreeDisplay.from_votes(kaggle_row(c1_1=1.0, c7_1=1.0), tree=KAGGLE)
