"""Tables of every kind become the same DataFrame, and the user's own is left alone."""

import numpy as np
import pandas as pd
import pytest

from semgllamm.data.frames import column, to_frame
from semgllamm.errors import DataError

FRAME = pd.DataFrame({"y": [1.0, 2.0, 3.0], "site": ["a", "b", "a"]})


class Interchanged:
    """A table that speaks the interchange protocol and nothing else."""

    def __init__(self, frame):
        self.frame = frame

    def __dataframe__(self, *args, **kwargs):
        return self.frame.__dataframe__(*args, **kwargs)


class Foreign(Interchanged):
    def to_pandas(self):
        return self.frame


class Broken(Interchanged):
    def to_pandas(self):
        raise RuntimeError("needs another library")


@pytest.mark.filterwarnings("ignore:.*Interchange Protocol is deprecated")
@pytest.mark.parametrize(
    "data", [FRAME, Interchanged(FRAME), Foreign(FRAME), {"y": [1.0, 2.0, 3.0], "site": ["a", "b", "a"]}]
)
def test_every_kind_of_table_gives_the_same_frame(data):
    found = to_frame(data)
    assert list(found.columns) == ["y", "site"]
    assert found["y"].tolist() == [1, 2, 3]
    assert found["site"].tolist() == ["a", "b", "a"]


def test_series_in_a_mapping_correspond_by_position():
    shifted = pd.Series([1.0, 2.0], index=[7, 8])
    assert to_frame({"y": shifted, "x": np.array([5, 6])})["y"].tolist() == [1, 2]


def test_numbers_as_names_become_text_without_touching_the_original():
    original = pd.DataFrame({0: [1.0], 1: [2.0]})
    assert list(to_frame(original).columns) == ["0", "1"]
    assert list(original.columns) == [0, 1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1, 2, 3], "type list cannot be read as a table"),
        (np.zeros((2, 2)), "type ndarray cannot be read"),
        (pd.DataFrame({"y": []}), "no rows"),
        (pd.DataFrame([[1, 2]], columns=["y", "y"]), "several columns are called 'y'"),
        (pd.DataFrame([[1, 2]], columns=["1", 1]), "several columns are called '1'"),
        (pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])), "MultiIndex"),
        ({"y": [1, 2], "x": [1, 2, 3]}, "column 'x' has 3 values, but column 'y' has 2"),
        ({"y": np.zeros((2, 2))}, "column 'y' has 2 dimensions"),
        (Broken(FRAME), "needs another library"),
    ],
)
def test_what_is_no_table_is_refused(data, message):
    with pytest.raises(DataError, match=message):
        to_frame(data)


@pytest.mark.parametrize(
    ("asked", "offered"), [("Site", "site"), ("sites", "site"), ("Y", "y"), ("nothing", "y, site")]
)
def test_an_unknown_column_offers_near_names(asked, offered):
    with pytest.raises(DataError, match=f"covariate '{asked}' is not in the data") as caught:
        column(FRAME, asked, "covariate")
    assert offered in caught.value.remedy
