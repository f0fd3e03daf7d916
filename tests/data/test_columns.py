"""Columns are read as numbers, or refused with the column, the row and the value."""

import numpy as np
import pandas as pd
import pytest

from semgllamm.data.columns import (
    coding,
    constant_within,
    covariate,
    covariate_levels,
    exposure,
    offset,
    response,
    response_level,
    trials,
    unit_value,
)
from semgllamm.data.units import nest
from semgllamm.errors import DataError

nan = np.nan
FRAME = pd.DataFrame(
    {
        "y": [1.5, 2.0, nan, 4.0],
        "truth": [True, False, True, True],
        "maybe": np.array([True, None, False, True], dtype=object),
        "answer": pd.Categorical(["N", "Y", None, "Y"]),
        "grade": pd.Categorical(["lo", "hi", "mid", "lo"], ["lo", "mid", "hi", "top"], ordered=True),
        "colour": pd.Categorical(["red", "blue", "green", "red"]),
        "site": ["b", "a", "c", None],
        "code": pd.array([1, 3, None, 7], dtype="Int64"),
        "two": [1, 2, 1, 2],
        "infinite": [1, np.inf, 2, 3],
        "constant": [7.0, 7, 7, 7],
        "zero": [0, 0, 0, 0],
        "empty": [nan] * 4,
        "text": ["1", "2", "3", "4"],
        "mixed": np.array([1, 2, "x", 4], dtype=object),
        "yesno": ["yes", "no", "no", "yes"],
        "date": pd.date_range("2020-01-01", periods=4),
        "time": pd.to_timedelta([1, 2, 3, 4], unit="D"),
        "half": [1, 1.5, 2, 3],
    },
    index=list("pqrs"),
)


def same(found, expected):
    np.testing.assert_array_equal(found, np.array(expected, dtype=float))


@pytest.mark.parametrize(
    ("name", "family", "values", "labels"),
    [
        ("y", "gaussian", [1.5, 2, nan, 4], None),
        ("truth", "bernoulli", [1, 0, 1, 1], ("False", "True")),
        ("maybe", "bernoulli", [1, nan, 0, 1], ("False", "True")),
        ("answer", "bernoulli", [0, 1, nan, 1], ("N", "Y")),
        ("answer", "ordinal", [0, 1, nan, 1], ("N", "Y")),
        ("maybe", "ordinal", [1, nan, 0, 1], ("False", "True")),
        ("grade", "ordinal", [0, 2, 1, 0], ("lo", "mid", "hi")),
        ("colour", "multinomial", [2, 0, 1, 2], ("blue", "green", "red")),
        ("code", "ordinal", [0, 1, nan, 2], ("1", "3", "7")),
        ("code", "poisson", [1, 3, nan, 7], None),
    ],
)
def test_responses_as_numbers(name, family, values, labels):
    found, _, found_labels = response(FRAME, name, family)
    same(found, values)
    assert found_labels == labels


@pytest.mark.parametrize(
    ("name", "family", "message"),
    [
        ("nothing", "gaussian", "response 'nothing' is not in the data"),
        ("site", "gaussian", "response 'site', row p: 'b' is not a number"),
        ("mixed", "gaussian", "response 'mixed', row r: 'x' is not a number"),
        ("text", "gaussian", "row p: '1' is text, not a number"),
        ("infinite", "poisson", "response 'infinite', row q: inf is infinite"),
        ("empty", "gaussian", "'empty' is missing in every row"),
        ("constant", "gaussian", "'constant' is constant: every row has 7"),
        ("constant", "ordinal", "'constant' is constant"),
        ("half", "ordinal", "response 'half', row q: 1.5 is not a category"),
        ("grade", "gaussian", "'grade' is categorical with 4 levels"),
        ("colour", "ordinal", "its categories have no order"),
        ("date", "gaussian", "'date' holds dates"),
        ("time", "gaussian", "'time' holds lengths of time"),
    ],
)
def test_impossible_responses_are_refused(name, family, message):
    with pytest.raises(DataError, match=message):
        response(FRAME, name, family)


def test_a_two_valued_text_is_told_how_to_become_an_answer():
    with pytest.raises(DataError) as caught:
        response(FRAME, "yesno", "bernoulli")
    assert "data['yesno'].astype('category')" in caught.value.remedy


def test_warnings():
    assert "only the values 1 and 2 and is treated as gaussian" in response(FRAME, "two")[1][0]
    assert response(FRAME, "two", declared=True)[1] == ()
    assert "its intercept has no finite estimate" in response(FRAME, "zero", "poisson")[1][0]
    assert "1 of the declared categories" in response(FRAME, "grade", "ordinal")[1][0]


def test_reading_leaves_the_frame_as_it_was():
    before = FRAME.copy(deep=True)
    found, _, _ = response(FRAME, "code", "ordinal")
    found[:] = 99
    for name in ("y", "site", "truth", "site:grade:y"):
        covariate(FRAME, name)[0][:] = 99
    pd.testing.assert_frame_equal(FRAME, before)


def test_numeric_covariates():
    for name, expected in (("y", [1.5, 2, nan, 4]), ("truth", [1, 0, 1, 1]), ("code", [1, 3, nan, 7])):
        values, names = covariate(FRAME, name)
        same(values[:, 0], expected)
        assert names == (name,) and covariate_levels(FRAME, name) == ()


def test_categorical_covariates_become_dummies():
    values, names = covariate(FRAME, "site")
    assert names == ("site[b]", "site[c]") and covariate_levels(FRAME, "site") == ("b", "c")
    same(values, [[1, 0], [0, 0], [0, 1], [nan, nan]])
    assert covariate(FRAME, "grade")[1] == ("grade[mid]", "grade[hi]")


def test_products_of_covariates():
    values, names = covariate(FRAME, "truth:site:code")
    assert names == ("truth:site[b]:code", "truth:site[c]:code")
    same(values, [[1, 0], [0, 0], [nan, nan], [nan, nan]])
    values, names = covariate(FRAME, "colour:grade")
    assert names == ("colour[green]:grade[mid]", "colour[green]:grade[hi]", "colour[red]:grade[mid]",
                     "colour[red]:grade[hi]")
    same(values[2], [1, 0, 0, 0])


def test_a_column_whose_name_has_a_colon_is_itself():
    values, names = covariate(pd.DataFrame({"a:b": [5.0, 6.0]}), "a:b")
    same(values, [[5], [6]])
    assert names == ("a:b",)


@pytest.mark.parametrize(
    ("name", "message"),
    [("infinite", "row q: inf is infinite"), ("date", "holds dates"), ("y:nothing", "covariate 'nothing'")],
)
def test_impossible_covariates_are_refused(name, message):
    with pytest.raises(DataError, match=message):
        covariate(FRAME, name)


def test_a_categorical_covariate_with_one_level_is_refused():
    with pytest.raises(DataError, match="'g' has the single level a"):
        covariate(pd.DataFrame({"g": ["a", "a"]}), "g")


def test_known_parts():
    same(offset(FRAME, "y"), [1.5, 2, nan, 4])
    np.testing.assert_allclose(exposure(FRAME, "two"), np.log([1, 2, 1, 2]))
    same(trials(FRAME, "two"), [1, 2, 1, 2])
    same(trials(FRAME, 5), [5] * 4)
    with pytest.raises(DataError, match="exposure 'zero', row p: 0 is not positive"):
        exposure(FRAME, "zero")
    with pytest.raises(DataError, match="column of trials 'site', row p"):
        trials(FRAME, "site")


CLUSTERED = pd.DataFrame({"school": ["a", "a", "a", "b", "b"], "class": [1, 1, 2, 3, 4]})


def test_values_of_units():
    units = nest(CLUSTERED, ["class", "school"])
    same(unit_value(np.array([5, nan, 5, nan, nan]), units, "school", "size"), [5, nan])
    with pytest.raises(DataError, match="column 'size' is used at level 'school' but varies within school a: 5, 6"):
        unit_value(np.array([5, 5, 6, 7, 7.0]), units, "school", "size")


def test_the_level_of_a_response_is_the_highest_within_which_it_is_constant():
    units = nest(CLUSTERED, ["class", "school"])
    by_school, by_class, by_row = np.array([1, nan, 1, 2, 2]), np.array([1.0, 1, 2, 3, 4]), np.array([1.0, 2, 3, 4, 5])
    assert response_level(by_school, units) == "school"
    assert response_level(by_class, units) == "class"
    assert response_level(by_row, units) is None
    assert response_level(by_school, units, highest="class") == "class"
    assert constant_within(by_class, units.codes["class"]) and not constant_within(by_row, units.codes["class"])


def test_a_coding_in_words():
    assert coding("immun", ("N", "Y")) == "immun: N = 0, Y = 1"
