"""One row a person made one row a period: which periods, which answers, and what is refused."""

import warnings

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg

FRAME = pd.DataFrame({"who": ["a", "b", "c"], "month": [2, 3, 1], "quit": [1, 0, 1], "age": [31, 40, 25]})


def rows_of(frame, who, ends="period", event="quit"):
    mine = frame[frame["who"] == who]
    return list(zip(mine[ends], mine[event]))


def test_whole_numbers_are_periods():
    found = sg.person_periods(FRAME, time="month", event="quit", id="who")
    assert list(found.columns) == ["who", "month", "quit", "age", "period"]
    assert rows_of(found, "a") == [(1, 0), (2, 1)]
    assert rows_of(found, "b") == [(1, 0), (2, 0), (3, 0)]
    assert rows_of(found, "c") == [(1, 1)]
    assert found.age.tolist() == [31] * 2 + [40] * 3 + [25]
    assert list(found.period.cat.categories) == [1, 2, 3]


def test_the_frame_stays_as_it_is_and_rows_are_called_by_their_labels():
    frame = FRAME.drop(columns="who").set_axis([10, 20, 30])
    before = frame.copy()
    found = sg.person_periods(frame, time="month", event="quit", period="k")
    pd.testing.assert_frame_equal(frame, before)
    assert found.person.tolist() == [10, 10, 20, 20, 20, 30]
    assert found.k.tolist() == [1, 2, 1, 2, 3, 1]


@pytest.mark.parametrize(
    "time, event, expected",
    [
        (0.5, 1, [(1.0, 1)]),
        (1.0, 1, [(1.0, 1)]),
        (1.2, 1, [(1.0, 0), (2.5, 1)]),
        (2.5, 0, [(1.0, 0), (2.5, 0)]),  # the end of a period was seen
        (2.4, 0, [(1.0, 0)]),  # left within it
        (4.0, 1, [(1.0, 0), (2.5, 0), (4.0, 1)]),
        (9.0, 1, [(1.0, 0), (2.5, 0), (4.0, 0)]),  # after the last
    ],
)
def test_times_in_periods_with_ends(time, event, expected):
    frame = pd.DataFrame({"who": ["a", "b"], "t": [time, 1.0], "quit": [event, 0]})
    assert rows_of(sg.person_periods(frame, "t", "quit", periods=[1, 2.5, 4], id="who"), "a") == expected


@pytest.mark.parametrize("entry, expected", [(0, [1, 2, 3]), (1, [2, 3]), (1.5, [3]), (2, [3])])
def test_periods_before_and_at_an_entry_are_left_out(entry, expected):
    frame = pd.DataFrame({"who": ["a", "b"], "t": [3, 1], "from": [entry, 0], "quit": [1, 0]})
    found = rows_of(sg.person_periods(frame, "t", "quit", entry="from", id="who"), "a")
    assert found == [(k, float(k == 3)) for k in expected]


def test_the_likelihood_of_all_rows_is_one_over_all_that_may_happen():
    """Σ over the period of the event, and survival, of Π h^y (1 − h)^(1 − y) is 1."""
    hazard = np.array([0.2, 0.5, 0.35])
    total = 0.0
    for time, event in ((1, 1), (2, 1), (3, 1), (3, 0)):
        found = sg.person_periods({"t": [time], "y": [event]}, "t", "y", periods=[1, 2, 3])
        h = hazard[:time]
        total += np.prod(np.where(found.y == 1, h, 1 - h))
    assert total == pytest.approx(1.0)


def test_persons_without_a_whole_period_are_told():
    frame = {"t": [0.5, 3.0], "y": [0, 1]}
    with pytest.warns(sg.SemgllammWarning, match="1 person is left out, at risk in no whole period"):
        assert set(sg.person_periods(frame, "t", "y", periods=[1, 2, 3]).person) == {1}
    with pytest.raises(sg.DataError, match="nobody is at risk"), warnings.catch_warnings():
        warnings.simplefilter("error")
        sg.person_periods({"t": [0.5], "y": [0]}, "t", "y", periods=[1])


@pytest.mark.parametrize(
    "changes, arguments, message",
    [
        ({"month": [2, -3, 1]}, {}, "column 'month', row 1: -3 is no time"),
        ({"month": [2, 0, 1]}, {}, "row 1: 0 is no time"),
        ({"month": [2, np.inf, 1]}, {}, "row 1: inf is no time"),
        ({"month": [2, None, 1]}, {}, "column of times 'month' is missing in row 1"),
        ({"month": ["two", "1", "1"]}, {}, "'month' does not hold numbers"),
        ({"month": [2, 1.5, 1]}, {}, "row 1: 1.5 is no number of a period"),
        ({"quit": [1, 2, 0]}, {}, "column 'quit', row 1: 2 is neither 0 nor 1"),
        ({"quit": [1, np.nan, 0]}, {}, "column of events 'quit' is missing in row 1"),
        ({"from": [0, 3, 0]}, {"entry": "from"}, "row 1: 3 is not before the time of leaving"),
        ({"from": [0, -1, 0]}, {"entry": "from"}, "row 1: -1 is no time"),
        ({"from": [0, None, 0]}, {"entry": "from"}, "column of entries 'from' is missing in row 1"),
        ({"who": ["a", "a", "c"]}, {"id": "who"}, "person a of 'who' has more than one row"),
        ({"who": ["a", None, "c"]}, {"id": "who"}, "'who' is missing in row 1"),
        ({}, {"time": "mnth"}, "mnth"),
        ({}, {"periods": [2, 1]}, "no ascending ends of periods"),
        ({}, {"periods": [0, 1]}, "no ascending ends of periods"),
        ({}, {"periods": []}, "no ascending ends of periods"),
        ({"period": [1, 2, 3]}, {}, "have a column 'period' already"),
        ({"person": [1, 2, 3]}, {}, "have a column 'person' already"),
    ],
)
def test_what_cannot_be_is_refused(changes, arguments, message):
    with pytest.raises(sg.DataError, match=message):
        sg.person_periods(FRAME.assign(**changes), **{"time": "month", "event": "quit"} | arguments)
