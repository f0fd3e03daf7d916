"""How the independent units of a survey were drawn: strata, and the shares of these that were drawn.

In stratum h, n_h primary sampling units are drawn of N_h. The cross product of their scores, of which that of
`estimation.robust` is a sum, is

    B = Σ_h (1 − n_h/N_h) n_h/(n_h − 1) Σ_i (s_hi − s̄_h)(s_hi − s̄_h)'                    (Binder 1983, section 3)

Of further stages only that the first one has units with units in them is used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.data import columns
from semgllamm.errors import DataError

if TYPE_CHECKING:
    from semgllamm.data.binding import Binding
    from semgllamm.data.design import Design

__all__ = ["Strata", "with_strata"]


@dataclass(frozen=True)
class Strata:
    """The strata of the rows of a design.

    Attributes
    ----------
    of_row : (n_rows,) int array
    labels : tuple of str
    drawn : (strata,) array
        The share of its primary sampling units that was drawn in each, 0 of a population without end.
    unit : (n_rows,) int array
        The primary sampling unit of each row.
    alike : (n_rows,) array
        How many primary sampling units that of each row stands for.
    notes : tuple of str
    """

    of_row: np.ndarray
    labels: tuple[str, ...]
    drawn: np.ndarray
    unit: np.ndarray
    alike: np.ndarray
    notes: tuple[str, ...] = ()


def with_strata(
    design: Design, binding: Binding, level: int, strata: str | None, fpc: str | None, splits: bool
) -> Design:
    """The design with the strata of its rows.

    Parameters
    ----------
    design : Design
    binding : Binding
    level : int
        Of the primary sampling units.
    strata : str, optional
        Column of strata; without it there is one.
    fpc : str, optional
        Column with the number of primary sampling units in the population of the stratum, or, where none is above 1,
        the share of them that was drawn.
    splits : bool
        Whether units with one name in two strata are two units; else they are an error.

    Raises
    ------
    DataError
        For missing strata, a stratum with a single unit of which not all were drawn, units in several strata, and
        populations that vary within a stratum, or are smaller than what was drawn of them.
    """
    name, codes = binding.levels[level], design.codes[level]
    if level == 0 and binding.choices is not None:
        codes = np.unique(binding.choices.case[design.kept], return_inverse=True)[1].ravel()
    of_row, labels = np.zeros(design.n_rows, dtype=np.int64), ("",)
    if strata is not None:
        values = columns.column(binding.frame, strata, "strata").iloc[design.kept]
        if values.isna().any():
            raise DataError(f"strata '{strata}' has {int(values.isna().sum())} missing values",
                            remedy="Leave those rows out first.")
        of_row, found = values.factorize()
        labels = tuple(map(str, found))
    notes = []
    of_unit = of_row[np.unique(codes, return_index=True)[1]]
    odd = np.flatnonzero(of_unit[codes] != of_row)
    if odd.size:
        unit = int(codes[odd[0]])
        where = ", ".join(labels[k] for k in np.unique(of_row[codes == unit]))
        what = binding.units.label(name, int(binding.units.codes[name][design.kept[odd[0]]])) if level else "a case"
        if not splits:
            raise DataError(f"{what} lies in several strata of '{strata}': {where}",
                            remedy="What shares latent variables is one unit: name those of each stratum apart.")
        notes.append(f"units of '{name}' with one name in several strata are different ones ({what}: {where})")
        codes = np.unique(of_row * (codes.max() + 1) + codes, return_inverse=True)[1].ravel()
    first = np.unique(codes, return_index=True)[1]
    alike = design.weights.repeats(level, design.codes, np.arange(design.n_rows))
    counts = np.bincount(of_row[first], alike[first], minlength=len(labels))
    drawn = np.zeros(len(labels))
    if fpc is not None:
        drawn = _shares(columns.population(binding.frame, fpc)[design.kept], of_row, labels, counts, fpc, strata)
    alone = np.flatnonzero((counts < 2) & (drawn < 1))
    if alone.size:
        where = f"stratum '{labels[alone[0]]}' of '{strata}' has" if strata is not None else "there is"
        raise DataError(
            f"{where} a single unit of '{name}': nothing is known of how units vary there",
            remedy="Join it with a similar stratum; if it is all there was to draw, say so by fpc=.",
        )
    return replace(design, strata=Strata(of_row, labels, drawn, codes, alike, tuple(notes)))


def _shares(
    values: np.ndarray, of_row: np.ndarray, labels: tuple[str, ...], counts: np.ndarray, fpc: str, strata: str | None
) -> np.ndarray:
    """The share of its units that was drawn in each stratum."""
    one = np.empty(len(labels))
    one[of_row] = values
    odd = np.flatnonzero(one[of_row] != values)
    if odd.size:
        where = f"stratum '{labels[of_row[odd[0]]]}' of '{strata}'" if strata is not None else "the data"
        remedy = "A stratum has one population." if strata is not None else "Name the strata in strata=."
        raise DataError(f"fpc '{fpc}' varies within {where}", remedy=remedy)
    if (one <= 1).all():
        return one
    for label, n, N in zip(labels, counts, one):
        if n > N:
            where = f"stratum '{label}' of '{strata}'" if strata is not None else "the data"
            raise DataError(
                f"fpc '{fpc}' says {N:g} units are in the population, and {n:g} are in {where}",
                remedy="All values are numbers of units, or all are shares between 0 and 1.",
            )
    return counts / one
