"""What a user may write for `quadrature` and `settings`, and what is said to a mistake."""

from __future__ import annotations

import numpy as np
import pytest

from semgllamm.errors import EstimationError
from semgllamm.estimation.settings import Adaptive, Ordinary, Settings, parse_quadrature

LEVELS = ("row", "school")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("auto", Adaptive(None)),
        ("laplace", Adaptive((1, 1))),
        (Adaptive(), Adaptive(None)),
        (Adaptive(points=15), Adaptive((15, 15))),
        (Adaptive(points=np.int64(9)), Adaptive((9, 9))),
        (Adaptive(points={"school": 7, "row": 15}), Adaptive((15, 7))),
        (Adaptive(points=[15, 7]), Adaptive((15, 7))),
        (Ordinary(points=12), Ordinary((12, 12))),
    ],
)
def test_choices(value, expected):
    assert parse_quadrature(value, LEVELS) == expected


def test_no_level_needs_no_points():
    assert parse_quadrature("laplace", ()) == Adaptive(())


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("lapalce", ["'lapalce'", "Did you mean 'laplace'?"]),
        (15, ["15", "Adaptive(points=15)"]),
        (Adaptive(points={"row": 15, "shcool": 7}), ["'shcool'", "Did you mean 'school'?", "row, school"]),
        (Adaptive(points={"row": 15}), ["'school'", "every level"]),
        (Adaptive(points=[15, 7, 5]), ["3 numbers", "2 levels", "'row', 'school'"]),
        (Adaptive(points=0), ["0 quadrature points", "1 or more"]),
        (Ordinary(points={"row": 15, "school": -1}), ["level 'school' has -1"]),
        (Adaptive(points=7.5), ["7.5"]),
        (Adaptive(points=True), ["True"]),
        (Adaptive(points="15"), ["'15'"]),
    ],
)
def test_mistakes(value, said):
    with pytest.raises(EstimationError) as error:
        parse_quadrature(value, LEVELS)
    for words in said:
        assert words in str(error.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tolerance": 0}, "'tolerance' is 0"),
        ({"iterations": -1}, "'iterations' is -1"),
        ({"threads": 0}, "'threads' is 0"),
        ({"first_points": (7,)}, "'first_points' is (7,)"),
        ({"first_points": (7, 0)}, "0 quadrature points"),
        ({"tolerence": 1e-8}, "Did you mean 'tolerance'?"),
    ],
)
def test_settings_are_checked(changes, said):
    with pytest.raises(EstimationError) as error:
        Settings().with_(**changes)
    assert said in str(error.value)


def test_settings_can_be_changed_one_by_one():
    assert Settings().with_(threads=2) == Settings(threads=2)
    assert Settings().start_points(3) == (7, 3, 3)
