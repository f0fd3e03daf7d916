"""Weights of units: what ``@weight`` and ``@frequency`` name, read, checked and scaled.

With w_u the weight of unit u, the log-likelihood of a unit of a higher level counts those of the units in it w_u times:

    log L = Σ w_top log F_top,    F_n = ∫ φ Π f^{w_i} Π F_c^{w_c}                  (Rabe-Hesketh & Skrondal 2006, eq. 6)

A frequency says how many units are alike, and L is that of all of them. A sampling weight is one over the probability
of a unit's selection, given that of the unit that holds it; L is a pseudo-likelihood then, and the estimates of
variances depend on the scale of the weights within units (section 4.2 of the same): with n units in a higher one,

    size       w n / Σ w,           they add up to the number of units,
    effective  w Σ w / Σ w²,        they add up to the effective number (Σ w)² / Σ w².
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from semgllamm.data import columns
from semgllamm.data.binding import Binding
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.parts import ColumnRole
from semgllamm.errors import DataError, ModelError

__all__ = ["RowWeights", "Weights", "read_weights", "scaled"]


@dataclass(frozen=True)
class RowWeights:
    """Weights of the units that the rows of the data frame belong to, by level.

    Attributes
    ----------
    sampling, frequency : dict of int to (n,) array
        By index of level; the weight of each row's unit.
    """

    sampling: dict[int, np.ndarray]
    frequency: dict[int, np.ndarray]

    @property
    def count(self) -> np.ndarray | None:
        """How many rows each row stands for, (n,); None if each is one."""
        return np.prod(list(self.frequency.values()), axis=0) if self.frequency else None

    @property
    def zero(self) -> np.ndarray | None:
        """Rows that stand for nothing, or lie in units that do, (n,) bool; None without weights."""
        found = [*self.sampling.values(), *self.frequency.values()]
        return np.any([w == 0 for w in found], axis=0) if found else None


@dataclass(frozen=True)
class Weights:
    """Weights of the units of a design, by level.

    Attributes
    ----------
    sampling, frequency : dict of int to (units,) array
        By index of level; levels without weights are not there.
    """

    sampling: dict[int, np.ndarray]
    frequency: dict[int, np.ndarray]

    def __bool__(self) -> bool:
        return bool(self.sampling or self.frequency)

    @property
    def levels(self) -> tuple[int, ...]:
        return tuple(sorted({*self.sampling, *self.frequency}))

    def between(self, low: int, high: int, codes, rows: np.ndarray) -> np.ndarray:
        """The product of the weights of the units of the levels low, …, high − 1 that hold each of `rows`."""
        out = np.ones(len(rows))
        for found in (self.sampling, self.frequency):
            for level, weight in found.items():
                if low <= level < high:
                    out *= weight[codes[level][rows]]
        return out

    def tiled(self, times: int) -> Weights:
        """Those of the same units several times, one after the other."""
        return Weights(*({k: np.tile(w, times) for k, w in found.items()} for found in (self.sampling, self.frequency)))

    def repeats(self, level: int, codes, rows: np.ndarray) -> np.ndarray:
        """How many units of a level each of those that hold `rows` stands for."""
        return Weights({}, self.frequency).between(level, len(codes), codes, rows)


def read_weights(diagram: PathDiagram, binding: Binding) -> RowWeights:
    """Read the columns of ``@weight`` and ``@frequency``.

    Raises
    ------
    ModelError
        For a level that is not there, or has two columns of one kind.
    DataError
        For weights that are missing, negative, no numbers, or vary within a unit; for frequencies that are no whole
        numbers.
    """
    out = RowWeights({}, {})
    for role in diagram.columns:
        if role.kind not in ("weight", "frequency"):
            continue
        found = out.sampling if role.kind == "weight" else out.frequency
        level = _level(diagram, binding, role)
        if level in found:
            raise ModelError(f"'{role.target}' has two columns of @{role.kind}", text=diagram.text, span=role.span)
        values = columns.unit_weights(binding.frame, role.column, whole=role.kind == "frequency")
        _check_constant(diagram, binding, role, level, values)
        found[level] = values
    return out


def _level(diagram: PathDiagram, binding: Binding, role: ColumnRole) -> int:
    if role.target in binding.levels:
        return binding.levels.index(role.target)
    if binding.choices is not None and role.target == binding.choices.column:
        return 0
    near = get_close_matches(role.target, binding.levels, n=1)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    raise ModelError(
        f"@{role.kind} is of units of '{role.target}', which is no level", text=diagram.text, span=role.span,
        remedy=f"{hint}Levels: {', '.join(binding.levels)}.",
    )  # fmt: skip


def _check_constant(diagram, binding: Binding, role: ColumnRole, level: int, values: np.ndarray) -> None:
    """A unit has one weight, and so has a case of several rows."""
    if level > 0:
        unit, name = binding.units.codes[binding.levels[level]], binding.levels[level]
    elif binding.choices is not None:
        unit, name = binding.choices.case, binding.choices.column
    else:
        return
    one = np.empty(int(unit.max(initial=-1)) + 1)
    one[unit] = values
    odd = np.flatnonzero(one[unit] != values)
    if odd.size:
        k = int(unit[odd[0]])
        where = binding.units.label(name, k) if level > 0 else f"{name} {binding.choices.ids[k]}"
        shown = ", ".join(f"{x:g}" for x in np.unique(values[unit == k])[:4])
        below = f"@{role.kind}(row, {role.column})"
        raise DataError(
            f"@{role.kind} column '{role.column}' varies within {where}: {shown}", text=diagram.text, span=role.span,
            remedy=f"A unit of '{name}' has one weight; a weight of the rows in it is {below}.",
        )  # fmt: skip


def scaled(rows: RowWeights, kept: np.ndarray, codes, first_row, scaling: str = "raw") -> Weights:
    """The weights of the units of a design.

    Parameters
    ----------
    rows : RowWeights
    kept : (n_rows,) int array
        The rows of the frame that the design has.
    codes, first_row : sequence of int arrays
        As of `Design`.
    scaling : {"raw", "size", "effective"}
        How sampling weights are scaled within the units of the next higher level; those of the highest are not.

    Returns
    -------
    Weights

    Raises
    ------
    ModelError
        If there is nothing to scale.
    """
    frequency = {level: w[kept][first_row[level]] for level, w in rows.frequency.items()}
    sampling = {level: w[kept][first_row[level]] for level, w in rows.sampling.items()}
    if scaling == "raw":
        return Weights(sampling, frequency)
    below = [level for level in sampling if level < len(codes) - 1]
    if not below:
        raise ModelError(
            f"weights_scaling='{scaling}' has nothing to scale: no units within others have sampling weights",
            remedy="Leave it out; weights of the highest level are used as they are.",
        )
    for level in below:
        w = sampling[level]
        f = frequency.get(level, np.ones(len(w)))
        above = codes[level + 1][first_row[level]]
        total = np.bincount(above, f * w)
        by = np.bincount(above, f) / total if scaling == "size" else total / np.bincount(above, f * w * w)
        sampling[level] = w * by[above]
    return Weights(sampling, frequency)
