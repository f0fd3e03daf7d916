"""Composite links in long form: the rows of a case are summed to the mean of one response.

The value of a case stands in one of its rows, or in several or all of them, where it is the same; each row has a
weight, 1 if no column holds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semgllamm.data import columns
from semgllamm.data.choices import Choices
from semgllamm.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["answers_of_sums", "differing_case", "weights_of_rows"]


def answers_of_sums(name: str, cases: Choices, y: np.ndarray) -> np.ndarray:
    """The value of each row's case, NaN where none of its rows has one.

    Parameters
    ----------
    name : str
        The response.
    cases : Choices
    y : (n_rows,) array
        NaN where a row has no value.

    Raises
    ------
    DataError
        If the rows of a case have different values.
    """
    value = np.full(len(cases.ids), np.nan)
    seen = np.flatnonzero(~np.isnan(y))[::-1]
    value[cases.case[seen]] = y[seen]
    of_case = value[cases.case]
    wrong = ~np.isnan(y) & (y != of_case)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"case {cases.ids[cases.case[row]]} of '{name}' has the values {of_case[row]:g} and {y[row]:g}",
            remedy="A case is one response, whose value stands in one of its rows or in all of them.",
        )
    return of_case


def weights_of_rows(frame: pd.DataFrame, name: str, cases: Choices, column: str | None) -> np.ndarray:
    """The weight of each row in the mean of its case.

    Raises
    ------
    DataError
        If a weight is missing, negative or infinite, or all weights of a case are 0.
    """
    if column is None:
        return np.ones(len(frame))
    weights = columns.weights_of_components(frame, column)
    total = np.bincount(cases.case, weights=weights, minlength=len(cases.ids))
    if (total == 0.0).any():
        raise DataError(f"all weights '{column}' of case {cases.ids[int(np.argmax(total == 0.0))]} of '{name}' are 0",
                        remedy="Its mean would be 0: leave the case out.")  # fmt: skip
    return weights


def differing_case(case: np.ndarray, values: np.ndarray) -> int:
    """A case whose rows have different values, −1 if there is none."""
    last = np.full(int(case.max(initial=-1)) + 1, -1, dtype=np.int64)
    last[case] = np.arange(len(case))
    other = values[last[case]]
    wrong = (values != other) & ~(np.isnan(values) & np.isnan(other))
    return int(case[np.argmax(wrong)]) if wrong.any() else -1
