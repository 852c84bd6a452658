"""The example for Kaggle's Galaxy Challenge: a folder of its form in, a valid submission out."""

import importlib.util
from argparse import Namespace
from pathlib import Path

import pandas as pd
import pytest

from galaxy_sklearn.galaxy_zoo import check_votes, load_tree
from galaxy_sklearn.images import ImageSequence

FILE = Path(__file__).parents[1] / "examples" / "kaggle_galaxy_challenge.py"
COLUMNS = list(load_tree("gz2_kaggle").columns("kaggle"))


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("kaggle_galaxy_challenge", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generated(example, tmp_path_factory):
    folder = tmp_path_factory.mktemp("generated")
    example.make_folder(folder, n_training=10, n_test=4)
    return folder


@pytest.fixture(scope="module")
def real(real_data, example, tmp_path_factory):
    """Forty real galaxies to train on and twenty to predict, as Kaggle would give them."""
    folder, files = tmp_path_factory.mktemp("real"), real_data / "gz2" / "original_424px"
    table = pd.read_csv(real_data / "gz2" / "labels.csv")
    table = table[table["n_fractions"] == 37]
    table = table[[(files / f"{galaxy}.jpg").exists() for galaxy in table["GalaxyID"]]].iloc[:60]
    assert len(table) == 60
    for part, rows in ((example.TRAINING, table[:40]), (example.TEST, table[40:])):
        (folder / part).mkdir()
        for galaxy in rows["GalaxyID"]:
            (folder / part / f"{galaxy}.jpg").symlink_to(files / f"{galaxy}.jpg")
    table[:40][["GalaxyID", *COLUMNS]].to_csv(folder / example.SOLUTIONS, index=False)
    return folder


def options(**changes):
    defaults = {"cache": None, "checkpoint_dir": None, "epochs": 1, "limit": None}
    return Namespace(**(defaults | changes))


@pytest.mark.parametrize("name", ["generated", "real"])
def test_the_submission_is_what_kaggle_takes(name, request, example, tmp_path):
    folder, output = request.getfixturevalue(name), tmp_path / "submission.csv"
    example.main([str(folder), "--epochs", "1", "--output", str(output)])
    table = pd.read_csv(output)
    header = pd.read_csv(folder / example.SOLUTIONS, nrows=0).columns
    assert table.columns.tolist() == header.tolist() == ["GalaxyID", *COLUMNS]
    test_files = (folder / example.TEST).iterdir()
    assert table["GalaxyID"].tolist() == sorted(int(file.stem) for file in test_files)
    assert table[COLUMNS].to_numpy().min() >= 0
    check_votes(table, tree="gz2_kaggle", tolerance=1e-6)


def test_the_order_of_columns_is_the_training_file_s(example, generated, tmp_path):
    for part in (example.TRAINING, example.TEST):
        (tmp_path / part).symlink_to(generated / part)
    votes = pd.read_csv(generated / example.SOLUTIONS)
    turned = ["GalaxyID", *COLUMNS[::-1]]
    votes[turned].to_csv(tmp_path / example.SOLUTIONS, index=False)
    tables = []
    for folder in (generated, tmp_path):
        output = tmp_path / f"{len(tables)}.csv"
        example.main([str(folder), "--epochs", "1", "--limit", "8", "--output", str(output)])
        tables.append(pd.read_csv(output))
    assert tables[1].columns.tolist() == turned
    pd.testing.assert_frame_equal(tables[1][tables[0].columns], tables[0])
    assert len(tables[0]) == 4


def test_images_are_never_all_in_memory(example, generated, tmp_path):
    files, votes = example.training_set(generated, 8)
    assert len(files) == len(votes) == 8
    cache = tmp_path / "decoded"
    model = example.train(files, votes, options(cache=cache, checkpoint_dir=tmp_path / "state"))
    test_files, galaxies = example.test_set(generated, 2)
    filled = sorted(cache.rglob("*"))
    assert filled
    table = example.submission(model, test_files, galaxies, votes.columns)
    assert len(table) == 2
    assert isinstance(model[:-1].transform(test_files), ImageSequence)
    assert sorted(cache.rglob("*")) == filled  # the test images are not stored


def test_a_folder_without_test_images_is_named(example, tmp_path):
    with pytest.raises(SystemExit, match=r"There are no \.jpg files in .*images_test_rev1"):
        example.test_set(tmp_path, None)


def test_votes_made_up_for_galaxies_follow_their_classes(example):
    classes = ["round", "in_between", "cigar", "edge_on", "spiral"] * 20
    table = pd.DataFrame(example.made_up_votes(classes), columns=COLUMNS)
    check_votes(table, tree="gz2_kaggle", tolerance=1e-9)
    means = table.groupby(classes).mean()
    assert means["Class7.1"].idxmax() == "round"
    assert means["Class7.3"].idxmax() == "cigar"
    assert means["Class2.1"].idxmax() == "edge_on"
    assert means["Class4.1"].idxmax() == "spiral"
