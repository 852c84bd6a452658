"""Calibration takes probabilities, and reads tables of them by their classes' names."""

import numpy as np
import pandas as pd
import pytest

from galaxy_sklearn.metrics import expected_calibration_error, reliability_curve

PROBA = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
TRUE = ["a", "b", "a"]


@pytest.mark.parametrize("score", [reliability_curve, expected_calibration_error])
def test_probabilities_sum_to_one(score):
    with pytest.raises(ValueError, match=r"sum to 1 over the classes; those of row 1 sum to 0\.22"):
        score(["a", "b"], [[0.1, 0.9], [0.02, 0.2]], classes=["a", "b"])
    with pytest.raises(ValueError, match=r"row 0 sum to 1\.6"):
        score(["a"], [[0.8, 0.8]], classes=["a", "b"])


def test_rounded_probabilities_sum_to_one_nearly_enough():
    rounded = [[0.333, 0.333, 0.333]]
    curve = reliability_curve(["a"], np.add(rounded, 1e-5), classes=["a", "b", "c"])
    assert curve["accuracy"].tolist() == [1.0]
    single = expected_calibration_error(TRUE, PROBA.astype(np.float16), classes=["a", "b"])
    assert single == pytest.approx(
        expected_calibration_error(TRUE, PROBA, classes=["a", "b"]), abs=1e-3
    )


@pytest.mark.parametrize("classes", [["a", "b"], [0, 1]])
def test_a_table_of_probabilities_is_read_by_the_classes_names(classes):
    true = [classes[0], classes[1], classes[0]]
    expected = expected_calibration_error(true, PROBA, classes=classes)
    names = [str(name) for name in classes]
    table = pd.DataFrame(PROBA, columns=names)
    for one in (table, table[names[::-1]], pd.DataFrame(PROBA)):
        assert expected_calibration_error(true, one, classes=classes) == expected
    for wrong in (table.set_axis([names[0], "c"], axis=1), table.assign(c=0.0)):
        with pytest.raises(ValueError, match=r"with the classes \[.*\] as its columns; got \["):
            reliability_curve(true, wrong, classes=classes)
