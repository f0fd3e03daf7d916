"""Choices and rankings in long form: a row for each alternative of each case.

A choice is 1 for the alternative chosen and 0 for the others. A ranking gives ranks 1, 2, ..., m to m alternatives;
the others, without a rank, stand below all of these. It is m choices, each among what is left,

    P(ranking) = Π_s exp(ν_(s)) / Σ_{a not ranked before s} exp(ν_a)        (Plackett 1975; Chapman & Staelin 1982).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.data import columns
from semgllamm.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


__all__ = ["UNRANKED", "Choices", "answers_of_cases", "explode", "read_cases", "with_categorical_alternatives"]

UNRANKED = np.inf


@dataclass(frozen=True)
class Choices:
    """Which rows are one answer: a choice, a ranking, or a composite link.

    Attributes
    ----------
    column : str
        The column of cases.
    case : (n_rows,) int array
    ids : array
        What the column calls each case.
    alternative : str
        The column of alternatives, "" if there are none.
    """

    column: str
    case: np.ndarray
    ids: np.ndarray
    alternative: str = ""


def with_categorical_alternatives(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """The frame with the alternatives as categories, whose dummies are constants, if they are numbers."""
    import pandas as pd

    values = columns.column(frame, column, "column of alternatives")
    if isinstance(values.dtype, pd.CategoricalDtype) or values.dtype == object:
        return frame
    return frame.assign(**{column: values.astype("category")})


def read_cases(
    frame: pd.DataFrame, name: str, case: str, alternative: str | None, lowest: tuple[str, np.ndarray] | None
) -> Choices:
    """The cases of a response.

    Parameters
    ----------
    alternative : str or None
        The column of alternatives, if the rows are such.
    lowest : (str, (n,) array) or None
        The lowest cluster column and the unit of each row: a case lies in one unit.

    Raises
    ------
    DataError
        If a case or an alternative is missing, an alternative is listed twice, or a case is in two units.
    """
    import pandas as pd

    ids = columns.column(frame, case, "column of cases")
    needed = {case: ids}
    if alternative is not None:
        needed[alternative] = columns.column(frame, alternative, "column of alternatives")
    for what, values in needed.items():
        if values.isna().any():
            row = frame.index[int(np.argmax(values.isna().to_numpy()))]
            of = "an alternative" if alternative is not None else "a part"
            raise DataError(f"column '{what}' is missing in row {row}, which is {of} of '{name}'",
                            remedy="Leave that row out, or fill the column.")
    codes, known = pd.factorize(ids, sort=True)
    listed = needed.get(alternative)
    if listed is not None and (twice := _listed_twice(codes, listed)).any():
        row = int(np.argmax(twice))
        raise DataError(f"case {ids.iloc[row]} of '{name}' lists the alternative {listed.iloc[row]} twice",
                        remedy=f"Each row of a case, '{case}', is an alternative of its own, '{alternative}'.")
    if lowest is not None:
        cluster, unit = lowest
        first = np.full(len(known), -1, dtype=np.int64)
        first[codes[::-1]] = unit[::-1]
        if (first[codes] != unit).any():
            row = int(np.argmax(first[codes] != unit))
            raise DataError(f"case {ids.iloc[row]} of '{name}' lies in more than one '{cluster}'",
                            remedy=f"Number the cases so that each value of '{case}' is one answer.")
    return Choices(case, codes.astype(np.int64), np.asarray(known), alternative or "")


def _listed_twice(codes: np.ndarray, listed: pd.Series) -> np.ndarray:
    import pandas as pd

    return pd.DataFrame({"case": codes, "alternative": listed.to_numpy()}).duplicated().to_numpy()


def answers_of_cases(frame: pd.DataFrame, name: str, choices: Choices, ranking: bool) -> np.ndarray:
    """The answers by rows: 0 and 1, or ranks, `UNRANKED` for alternatives below; NaN where the case has no answer.

    Raises
    ------
    DataError
        If a case has no or several chosen alternatives, a choice is neither 0 nor 1, or ranks are tied or missing.
    """
    case, n = choices.case, len(choices.ids)
    y = columns.response(frame, name, "ranking" if ranking else "bernoulli", declared=True)[0]
    seen = np.bincount(case[~np.isnan(y)], minlength=n)
    if ranking:
        _check_ranks(frame, name, choices, y)
        return np.where(np.isnan(y) & (seen > 0)[case], UNRANKED, y)
    odd = ~np.isnan(y) & (y != 0) & (y != 1)
    if odd.any():
        row = int(np.argmax(odd))
        raise DataError(f"choice '{name}', row {frame.index[row]}: {y[row]:g} is neither 0 nor 1",
                        remedy=f"1 is the chosen alternative; ranks are @family({name}, ranking).")
    size = np.bincount(case, minlength=n)
    partly = np.flatnonzero((seen > 0) & (seen < size))
    if partly.size:
        raise DataError(f"case {choices.ids[partly[0]]} of '{name}' has {size[partly[0]] - seen[partly[0]]} of its "
                        f"{size[partly[0]]} alternatives missing", remedy="Fill them with 0 or 1, or leave all empty.")
    chosen = np.bincount(case[y == 1], minlength=n)
    wrong = np.flatnonzero((seen > 0) & (chosen != 1))
    if wrong.size:
        count = int(chosen[wrong[0]])
        others = len(wrong) - 1
        more = f" (and {others} more such case{'s' * (others > 1)})" if others else ""
        raise DataError(f"case {choices.ids[wrong[0]]} of '{name}' has {count or 'no'} chosen "
                        f"alternative{'s' * (count > 1)}{more}",
                        remedy="A case has one alternative with 1, and 0 for the others.")
    return y


def _check_ranks(frame: pd.DataFrame, name: str, choices: Choices, y: np.ndarray) -> None:
    odd = ~np.isnan(y) & ((y < 1) | (y % 1 > 0))
    if odd.any():
        row = int(np.argmax(odd))
        raise DataError(f"ranking '{name}', row {frame.index[row]}: {y[row]:g} is no rank",
                        remedy="Ranks are 1, 2, ... from the best; alternatives without a rank are left empty.")
    ranked = np.flatnonzero(~np.isnan(y))
    order = ranked[np.lexsort((y[ranked], choices.case[ranked]))]
    case, rank = choices.case[order], y[order]
    first = np.diff(case, prepend=-1) > 0
    before = np.where(first, 0.0, np.concatenate([[0.0], rank[:-1]]))
    for wrong, what, remedy in (
        (rank == before, "ties at rank", "Ties cannot be ranked: leave both empty if they are the last ones."),
        (rank > before + 1, "has no rank", "Ranks run from 1 without a gap; those below the last one are left empty."),
    ):
        if wrong.any():
            at = int(np.argmax(wrong))
            value = rank[at] if what.startswith("ties") else before[at] + 1
            raise DataError(f"case {choices.ids[case[at]]} of '{name}' {what} {value:g}", remedy=remedy)


def explode(y: np.ndarray, case: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The choices that rankings are: (place of the row, 1 if it is chosen, number of the choice) of each alternative.

    Parameters
    ----------
    y : (n,) array
        Ranks, `UNRANKED` for alternatives below.
    case : (n,) int array
    """
    _, code, size = np.unique(case, return_inverse=True, return_counts=True)
    code = code.ravel()
    last = int(np.max(y, initial=0.0, where=np.isfinite(y)))
    ranked = np.bincount(code[np.isfinite(y)], minlength=len(size))
    places, chosen, number = [], [], []
    for s in range(1, last + 1):
        # the last of all alternatives is no choice
        there = (y >= s) & (ranked >= s)[code] & (size > s)[code]
        at = np.flatnonzero(there)
        places.append(at)
        chosen.append((y[at] == s).astype(float))
        number.append(code[at] * last + s - 1)
    at, chosen, number = (np.concatenate(parts) for parts in (places, chosen, number))
    order = np.lexsort((at, number))
    return at[order], chosen[order], number[order]
