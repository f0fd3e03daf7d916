"""Survival in discrete time as rows of 0 and 1.

A person is at risk in the periods k = 1, 2, …, each from the end of the one before to its own, and has the event in one
of them with hazard h_k. Period k is a row with the answer 1 if the event came in it and 0 if it was survived, so that

    f(event in k) = h_k Π_{j<k} (1 − h_j),     S(k) = Π_{j≤k} (1 − h_j)

are likelihoods of independent answers 0 and 1 (Allison 1982; Singer & Willett 1993). With h = 1 − exp(−e^ν) they are
those of proportional hazards in continuous time, of which only the period is known (Prentice & Gloeckler 1978).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from semgllamm.data.frames import column, to_frame
from semgllamm.errors import DataError, SemgllammWarning

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["person_periods"]


def person_periods(
    data: Any, time: str, event: str, periods: Sequence[float] | None = None, entry: str | None = None,
    id: str | None = None, period: str = "period",
) -> pd.DataFrame:  # fmt: skip
    """One row a person made one row for each period at risk, for models of the hazard.

    Parameters
    ----------
    data : DataFrame or other table
        One row a person.
    time : str
        The column of times, of the event or of leaving.
    event : str
        The column that holds 1 where the event was seen, and 0 where the time is that of leaving.
    periods : sequence of float, optional
        Ends of the periods, ascending; the first begins at 0, and who is left after the last has survived it. Without
        them times are whole numbers, and each number is a period.
    entry : str, optional
        The column of times from which persons were under observation, 0 where from the beginning: earlier periods are
        left out (left truncation).
    id : str, optional
        The column of persons. Without it one is made, `person`, of the row labels.
    period : str
        What the new column of periods is to be called.

    Returns
    -------
    DataFrame
        The columns of `data`, with 0 or 1 for each period in the column `event`, the column of persons, and the
        periods, called by their ends, as a category. A period that is not seen whole, because someone enters or leaves
        within it without the event, is left out: nothing is known of it as a whole.

    Raises
    ------
    DataError
        If a column is not there or has missing values, times are not positive or not finite, events are neither 0 nor
        1, someone enters at the time of the event or later, a person has two rows, or `periods` do not ascend.

    Warns
    -----
    SemgllammWarning
        If persons are left without any period.

    Examples
    --------
    >>> import semgllamm as sg
    >>> rows = sg.person_periods({"month": [2, 3], "quit": [1, 0], "age": [31, 40]}, time="month", event="quit")
    >>> rows[["person", "period", "quit", "age"]].to_numpy().tolist()
    [[0, 1, 0, 31], [0, 2, 1, 31], [1, 1, 0, 40], [1, 2, 0, 40], [1, 3, 0, 40]]
    """
    import pandas as pd

    frame = to_frame(data)
    t, seen = _numbers(frame, time, "column of times"), _numbers(frame, event, "column of events")
    _refuse(frame, time, t, ~np.isfinite(t) | (t <= 0), "is no time", "Times are positive and finite.")
    _refuse(frame, event, seen, (seen != 0) & (seen != 1), "is neither 0 nor 1",
            "1: the event was seen; 0: the time is that of leaving.")
    begin = np.zeros(len(frame)) if entry is None else _numbers(frame, entry, "column of entries")
    if entry is not None:
        _refuse(frame, entry, begin, ~(begin >= 0), "is no time", "Entries are 0 or later.")
        _refuse(frame, entry, begin, begin >= t, "is not before the time of leaving",
                f"A person is at risk from '{entry}' to '{time}'.")
    if id is not None:
        _check_persons(frame, id)
    new = [period] if id is not None else [period, "person"]
    for name in new:
        if name in frame.columns:
            remedy = "Name another with period=." if name == period else "Name it with id=, or rename it."
            raise DataError(f"the data have a column '{name}' already", remedy=remedy)
    ends = _whole_ends(frame, time, t) if periods is None else _checked_ends(periods)

    # periods begin at `first`; the one of the event is the last, else the last that was seen whole
    first = np.searchsorted(np.concatenate([[0.0], ends[:-1]]), begin, side="left")
    within = np.searchsorted(ends, t, side="left")
    whole = np.searchsorted(ends, t, side="right")
    happens = (seen == 1) & (within < len(ends))
    number = np.maximum(np.where(happens, within + 1, np.minimum(whole, len(ends))) - first, 0)
    if not number.any():
        raise DataError("nobody is at risk through a whole period", remedy="Make the periods shorter.")
    if (number == 0).any():
        count = int((number == 0).sum())
        warnings.warn(
            f"{count} person{'s are' if count > 1 else ' is'} left out, at risk in no whole period",
            SemgllammWarning, stacklevel=2,
        )  # fmt: skip
    person = np.repeat(np.arange(len(frame)), number)
    k = np.arange(len(person)) - np.repeat(np.cumsum(number) - number, number) + first[person]
    out = frame.iloc[person].reset_index(drop=True)
    labels = ends.astype(int) if (ends == np.round(ends)).all() else ends
    out = out.assign(**{
        event: (happens[person] & (k == within[person])).astype(int),
        period: pd.Categorical.from_codes(k, categories=list(labels)).remove_unused_categories(),
    })  # fmt: skip
    return out if id is not None else out.assign(person=frame.index.to_numpy()[person])


def _numbers(frame: pd.DataFrame, name: str, role: str) -> np.ndarray:
    values = column(frame, name, role)
    missing = values.isna().to_numpy()
    if missing.any():
        row = frame.index[int(np.argmax(missing))]
        raise DataError(f"{role} '{name}' is missing in row {row}", remedy="Fill it, or leave the person out.")
    try:
        return values.to_numpy(dtype=float)
    except (TypeError, ValueError):
        raise DataError(f"{role} '{name}' does not hold numbers", remedy="Make numbers of it.") from None


def _refuse(frame: pd.DataFrame, name: str, values: np.ndarray, wrong: np.ndarray, reason: str, remedy: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"column '{name}', row {frame.index[row]}: {values[row]:g} {reason}", remedy=remedy)


def _check_persons(frame: pd.DataFrame, id: str) -> None:
    persons = column(frame, id, "column of persons")
    if persons.isna().any():
        row = frame.index[int(np.argmax(persons.isna().to_numpy()))]
        raise DataError(f"column of persons '{id}' is missing in row {row}", remedy="Fill it, or leave the row out.")
    twice = persons.duplicated().to_numpy()
    if twice.any():
        raise DataError(f"person {persons.iloc[int(np.argmax(twice))]} of '{id}' has more than one row",
                        remedy="The data have one row a person: rows of periods are made of it.")


def _whole_ends(frame: pd.DataFrame, time: str, t: np.ndarray) -> np.ndarray:
    _refuse(frame, time, t, t != np.round(t), "is no number of a period",
            "Give the ends of the periods: periods=[1, 2, 5].")
    return np.arange(1.0, t.max() + 1.0)


def _checked_ends(periods: Sequence[float]) -> np.ndarray:
    ends = np.atleast_1d(np.asarray(periods, dtype=float))
    if ends.ndim != 1 or not ends.size or not np.isfinite(ends).all() or (np.diff(ends, prepend=0.0) <= 0).any():
        raise DataError(f"periods={list(np.ravel(ends))} are no ascending ends of periods after 0",
                        remedy="Write them as in periods=[1, 2, 5].")
    return ends
