"""Known classes, and the cells of a design once for each pattern of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.data import columns
from semgllamm.data.frames import column
from semgllamm.errors import DataError, ModelError
from semgllamm.model.matrices import ClassVariable, Model

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.data.design import CellBlock, Design
    from semgllamm.data.units import Units

__all__ = ["in_parts", "in_patterns", "known_classes"]


def known_classes(frame: pd.DataFrame, variable: ClassVariable, units: Units, levels: Sequence[str]) -> np.ndarray:
    """The number of each row's class where the column of known classes has one, −1 where it is missing.

    Raises
    ------
    DataError
        For a value that is no class, a class that no unit is known to have while others are, or a value that varies
        within a unit.
    """
    values = column(frame, variable.known, "column of known classes")
    seen = ~values.isna().to_numpy()
    called = {name: k for k, name in enumerate(variable.classes)}
    called |= {str(k + 1): k for k in range(len(variable.classes))}
    number = np.full(len(frame), np.nan)
    for row in np.flatnonzero(seen):
        value = values.iloc[row]
        text = f"{value:g}" if isinstance(value, int | float | np.number) else str(value)
        if text not in called:
            names = ", ".join(variable.classes)
            remedy = f"Write 1 to {len(variable.classes)}, or a name of a class ({names}); leave others missing."
            raise DataError(f"column '{variable.known}', row {frame.index[row]}: '{text}' is no class of "
                            f"'{variable.name}'", remedy=remedy)  # fmt: skip
        number[row] = called[text]
    if variable.level > 0:
        level = levels[variable.level]
        number = columns.unit_value(number, units, level, variable.known)[units.codes[level]]
    if seen.all() and len(np.unique(number)) < len(variable.classes):
        absent = [name for k, name in enumerate(variable.classes) if not (number == k).any()]
        raise DataError(
            f"every class of '{variable.name}' is known, and nobody is in class {', '.join(absent)}",
            remedy="Leave the class out, or the class of some units missing.",
        )
    return np.where(np.isnan(number), -1, number).astype(np.int64)


def in_patterns(design: Design, model: Model) -> Design:
    """The design with all rows once for each pattern of classes, as groups of their own.

    Row r is row p n + r in pattern p, unit j of a level with J units is p J + j, and group g is g P + p.
    """
    P, n = len(model.patterns), design.n_rows
    if P == 1:
        return design
    codes, first_row = [], []
    for code, first in zip(design.codes, design.first_row):
        codes.append(np.concatenate([code + p * len(first) for p in range(P)]))
        first_row.append(np.concatenate([first + p * n for p in range(P)]))

    def moved(block: CellBlock, p: int) -> CellBlock:
        choices = 0 if block.choice is None else int(block.choice.max(initial=-1)) + 1
        return replace(
            block, group=block.group * P + p, rows=block.rows + p * n,
            choice=None if block.choice is None else block.choice + p * choices,
            case=None if block.case is None else block.case + p * n,
        )  # fmt: skip

    columns_of = {name: np.tile(values, P) for name, values in design.columns.items()}
    blocks = [moved(block, p) for block in design.blocks for p in range(P)]
    for v, variable in enumerate(model.classes):
        if variable.summed:
            missing = np.flatnonzero(design.known[variable.name] < 0)
            for p, pattern in enumerate(model.patterns):
                columns_of[variable.name][missing + p * n] = pattern[v]
            blocks = [
                _with_value(block, model.patterns[block.group % P][v], missing + block.group % P * n, design, P)
                if block.response.name == variable.name else block
                for block in blocks
            ]  # fmt: skip
    return replace(
        design, n_rows=P * n, codes=tuple(codes), first_row=tuple(first_row),
        blocks=tuple(blocks), columns=columns_of,
        group_of=np.concatenate([design.group_of * P + p for p in range(P)]), weights=design.weights.tiled(P),
    )  # fmt: skip


def _with_value(block: CellBlock, value: int, missing: np.ndarray, design: Design, patterns: int) -> CellBlock:
    """A block of a covariate that is summed over, with the rows that lack it where it is about the pattern's value."""
    mine = missing[design.group_of[missing % design.n_rows] == block.group // patterns]
    if not mine.size or (block.response.categories and block.category != value):
        return block
    if np.any(block.offset):
        raise ModelError(f"'{block.response.name}' is missing in some rows and has an offset: it cannot be summed over")
    rows = np.concatenate([block.rows, mine])
    order = np.argsort(rows, kind="stable")
    extra = np.ones(mine.size)
    return replace(
        block, rows=rows[order], y=np.concatenate([block.y, value * extra])[order],
        trials=np.concatenate([block.trials, extra])[order], offset=np.zeros(len(rows)),
    )  # fmt: skip


def in_parts(design: Design, model: Model) -> Design:
    """The design with the answers of units once for each pattern of classes that they may be in, below other units.

    As `in_patterns`, with the units above the classes as they are. A unit whose covariates are all seen has no classes
    to sum over; of other units the answers of all patterns are one, and the probabilities of classes belong to it.
    """
    P, n, level = len(model.patterns), design.n_rows, max(variable.level for variable in model.classes)
    whole = in_patterns(design, model)
    above = range(level + 1, len(design.codes))
    codes = (*whole.codes[: level + 1], *(np.tile(design.codes[a], P) for a in above))
    first_row = (*whole.first_row[: level + 1], *(design.first_row[a] for a in above))
    possible = np.ones((n, P), dtype=bool)
    for v, variable in enumerate(model.classes):
        known = design.known.get(variable.name)
        if known is not None:
            classes = np.array([pattern[v] for pattern in model.patterns])
            possible &= (known[:, None] < 0) | (known[:, None] == classes)
    summed = ~np.all([variable.summed for variable in model.classes]) | (possible.sum(axis=1) > 1)
    blocks = []
    for block in whole.blocks:
        p = block.group % P
        row = block.rows - p * n
        if block.response.level > level:
            blocks += [block] if p == 0 else []
            continue
        for is_summed in (False, True):
            some = possible[row, p] & (summed[row] == is_summed)
            if not some.any():
                continue
            here = _some(block, some)
            if is_summed:
                unit = design.codes[level][row[some]]
                here = replace(here, unit=unit, part=p, n_parts=possible[row[some]].sum(axis=1))
            blocks.append(here)
    return replace(whole, codes=codes, first_row=first_row, blocks=(*blocks, *_memberships(design, model, possible)),
                   columns=whole.columns | _indicators(design, model))  # fmt: skip


def _some(block: CellBlock, some: np.ndarray) -> CellBlock:
    """The block with some of its cells."""
    arrays = ("rows", "y", "trials", "offset", "choice", "case", "weight")
    found = {name: getattr(block, name) for name in arrays}
    return replace(block, **{name: None if array is None else array[some] for name, array in found.items()})


def _memberships(design: Design, model: Model, possible: np.ndarray) -> list[CellBlock]:
    """The choices between classes in each part: a cell for each class, 1 in that of the part's pattern."""
    from semgllamm.data.design import CellBlock

    P, n = len(model.patterns), design.n_rows
    out = []
    for g in range(len(model.group_labels) * P):
        p = g % P
        for v, variable in enumerate(model.classes):
            rows = design.first_row[variable.level]
            rows = rows[(design.group_of[rows] == g // P) & possible[rows, p]]
            if variable.summed or not rows.size:
                continue
            unit = design.codes[variable.level][rows]
            for k, name in enumerate(variable.classes):
                response = model.response(f"{variable.name}[{name}]")
                y = np.full(rows.size, float(model.patterns[p][v] == k))
                out.append(
                    CellBlock(response, g, 0, (-1, -1), rows + p * n, y, np.zeros(rows.size), np.zeros(rows.size),
                              choice=unit, case=rows + p * n, unit=unit, part=p)
                )  # fmt: skip
    return out


def _indicators(design: Design, model: Model) -> dict[str, np.ndarray]:
    """The classes of the rows of each pattern, as covariates of other classes."""
    return {
        f"{variable.name}[{name}]": np.repeat([float(pattern[v] == k) for pattern in model.patterns], design.n_rows)
        for v, variable in enumerate(model.classes) if not variable.summed
        for k, name in enumerate(variable.classes)
    }  # fmt: skip
