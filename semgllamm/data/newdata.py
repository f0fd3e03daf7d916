"""Rows to predict for: covariates coded as they were in the fit, and the units of the fit that each row belongs to.

Each row becomes a unit of its own at every level of the new design, whose cells hold no answers but places for them;
`Targets.unit` says which of the fitted units it belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.data import columns
from semgllamm.data.binding import Binding
from semgllamm.data.design import CellBlock, Design, _covariates_by_level, _parts
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.errors import DataError
from semgllamm.model.matrices import Model

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Targets", "fitted_rows", "new_rows"]


@dataclass(frozen=True)
class Targets:
    """Rows to predict for.

    Attributes
    ----------
    design : Design
        A cell for each row and response; each row is a unit of every level.
    unit : tuple of (n_rows,) int arrays
        The fitted unit of each row at each level, lowest first; −1 for a new unit.
    usable : (n_rows,) bool array
        False where a covariate is missing.
    index : Index
        Labels of the rows.
    """

    design: Design
    unit: tuple[np.ndarray, ...]
    usable: np.ndarray
    index: pd.Index


def fitted_rows(model: Model, diagram: PathDiagram, binding: Binding, design: Design) -> Targets:
    """All rows of the data of a fit, those among them that it could not use."""
    unit = [_place(len(binding.frame), design.kept, design.codes[0])]
    for level, codes in zip(binding.levels[1:], design.codes[1:]):
        of_row = binding.units.codes[level]
        unit.append(_place(binding.units.counts[level], of_row[design.kept], codes)[of_row])
    group = np.zeros(len(binding.frame), dtype=np.int64) if binding.group_codes is None else binding.group_codes
    return _targets(model, diagram, binding, binding.frame, tuple(unit), group)


def new_rows(
    model: Model, diagram: PathDiagram, binding: Binding, design: Design, frame: pd.DataFrame, new: str = "prior"
) -> Targets:
    """Rows of another table.

    Parameters
    ----------
    frame : DataFrame
        Units are known by the columns of clusters; where one is not there, all its units are new.
    new : {"prior", "refuse"}
        Whether a unit that the fit has not seen is one more of the population, or an error.

    Raises
    ------
    DataError
        For missing columns, unknown levels of a covariate, unknown groups, and unknown units if they are refused.
    """
    unit = [np.full(len(frame), -1, dtype=np.int64)]
    for level, codes in zip(binding.levels[1:], design.codes[1:]):
        of_row = binding.units.codes[level]
        place = _place(binding.units.counts[level], of_row[design.kept], codes)
        found = _known_units(frame, binding, level)
        unit.append(np.where(found >= 0, place[found], -1))
    for k in range(1, len(unit) - 1):
        above = binding.levels[k + 1]
        holder = np.empty(len(design.first_row[k]), dtype=np.int64)
        holder[design.codes[k]] = design.codes[k + 1]
        held_by = np.where(unit[k] >= 0, holder[unit[k]], -1)
        if above not in frame.columns:
            unit[k + 1] = held_by
        elsewhere = (unit[k] >= 0) & (held_by != unit[k + 1])
        if elsewhere.any():
            row = int(np.argmax(elsewhere))
            here, there = (frame[name].iloc[row] for name in (binding.levels[k], above))
            raise DataError(f"row {frame.index[row]} puts {binding.levels[k]} {here} into {above} {there}, but in the "
                            f"data of the fit it lies in another {above}", remedy="Give new units new identifiers.")
    for level, known in zip(binding.levels[1:], unit[1:]):
        if new == "refuse" and (known < 0).any():
            row = int(np.argmax(known < 0))
            what = f"the {level} {frame[level].iloc[row]!r}" if level in frame.columns else f"no {level}"
            raise DataError(f"row {frame.index[row]} has {what}, which is not in the data of the fit",
                            remedy="Use new='prior' to predict for new units.")
    return _targets(model, diagram, binding, frame, tuple(unit), _groups(frame, binding))


def _place(count: int, of_row: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The design's number of each unit of the data, −1 for those that were left out."""
    out = np.full(count, -1, dtype=np.int64)
    out[of_row] = codes
    return out


def _known_units(frame: pd.DataFrame, binding: Binding, level: str) -> np.ndarray:
    import pandas as pd

    ids = binding.units.ids[level]
    names = list(ids.names)
    if any(name not in frame.columns for name in names):
        return np.full(len(frame), -1, dtype=np.int64)
    wanted = [frame[name] for name in names]
    wanted = [w.astype(w.cat.categories.dtype) if isinstance(w.dtype, pd.CategoricalDtype) else w for w in wanted]
    if len(names) == 1:
        return ids.get_indexer(pd.Index(wanted[0])).astype(np.int64)
    return ids.get_indexer(pd.MultiIndex.from_arrays(wanted, names=names)).astype(np.int64)


def _groups(frame: pd.DataFrame, binding: Binding) -> np.ndarray:
    if binding.group is None:
        return np.zeros(len(frame), dtype=np.int64)
    values = columns.column(frame, binding.group, "group column").astype(str)
    labels = list(binding.group_labels)
    codes = np.array([labels.index(value) if value in labels else -1 for value in values], dtype=np.int64)
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        raise DataError(f"group column '{binding.group}', row {frame.index[row]}: {values.iloc[row]!r} is no group of "
                        "the fit", remedy=f"Its groups: {', '.join(labels)}.")
    return codes


def _targets(model, diagram, binding, frame, unit, group) -> Targets:
    n = len(frame)
    names = {part for names in _covariates_by_level(model).values() for whole in names for part in _parts(whole)}
    values = _coded(frame, binding, sorted(names))
    usable = np.ones(n, dtype=bool)
    # covariates with a model of their own may be missing, in the patterns of the fit
    holes = sorted(frozenset().union(*model.holes))
    hole = np.full(n, -1, dtype=np.int64)
    for number, pattern in enumerate(model.holes):
        hole[np.all([np.isnan(values[name]) == (name in pattern) for name in holes], axis=0)] = number
    usable &= hole >= 0
    group = group * len(model.holes) + np.maximum(hole, 0)
    values |= {name: np.nan_to_num(values[name]) for name in holes}
    for name, array in values.items():
        usable &= ~np.isnan(array)
        values[name] = np.where(np.isnan(array), 0.0, array)
    rows = np.arange(n)
    case = _cases(frame, binding)
    blocks = []
    for response in binding.responses:
        offset = np.zeros(n)
        for role in diagram.columns:
            if role.target == response.name and role.kind in ("offset", "exposure"):
                offset = offset + getattr(columns, role.kind)(frame, role.column)
        usable &= ~np.isnan(offset)
        offset = np.nan_to_num(offset)
        category = response.categories > 0 or bool(response.answer)
        trials = response.categories - 1.0 if response.family.thresholds == "all" else 1.0
        around = (-1, 0) if response.categories else (-1, -1)
        in_long_form = bool(response.answer) and response.answer == response.name
        for g in range(len(model.groups)):
            mine = rows[group == g]
            if not mine.size or response.name in model.holes[g % len(model.holes)]:
                continue
            choice = case[mine] if in_long_form else np.arange(len(mine)) if response.answer else None
            first = None
            if choice is not None:
                _, at, choice = np.unique(choice, return_index=True, return_inverse=True)
                choice = choice.ravel()
                first = mine[at][choice]
            blocks.append(
                CellBlock(
                    response, g, 0, around, mine, np.full(len(mine), 0.0 if category else 0.5),
                    np.full(len(mine), trials), offset[mine], False, choice, first,
                )
            )  # fmt: skip
    levels = len(model.levels)
    design = Design(n, n, rows, (rows,) * levels, (rows,) * levels, tuple(blocks), values, (), group)
    return Targets(design, unit, usable, frame.index)


def _cases(frame: pd.DataFrame, binding: Binding) -> np.ndarray | None:
    """The case of each row, where responses are choices in long form."""
    import pandas as pd

    if binding.choices is None:
        return None
    return pd.factorize(columns.column(frame, binding.choices.column, "column of cases"))[0].astype(np.int64)


def _coded(frame: pd.DataFrame, binding: Binding, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Each covariate as numbers; dummies are those of the fit."""
    out = {}
    for name in names:
        base = name.split("[")[0]
        if base not in binding.dummies:
            array, found = columns.covariate(frame, name)
            if found != (name,) and not (name in binding.values and len(found) == 1):
                raise DataError(f"covariate '{name}' is categorical, but was a number in the data of the fit",
                                remedy=f"Convert it: pd.to_numeric(data['{name}']).")
            out[name] = array[:, 0]
            continue
        if name in out:
            continue
        first, *_ = _first_level(binding, base)
        labels = (first, *binding.dummies[base])
        codes = _codes(frame, base, labels)
        for k, label in enumerate(labels[1:], start=1):
            out[f"{base}[{label}]"] = np.where(codes < 0, np.nan, codes == k)
    return out


def _first_level(binding: Binding, name: str) -> tuple[str, ...]:
    found = columns.levels(binding.frame, name)
    return tuple(label for label in found if label not in binding.dummies[name])


def _codes(frame: pd.DataFrame, name: str, labels: Sequence[str]) -> np.ndarray:
    """Which of the labels each row has, −1 where it has none."""
    values = columns.column(frame, name, "covariate")
    missing = values.isna().to_numpy()
    written = [f"{v:g}" if isinstance(v, float) else str(v) for v in values]
    place = {label: k for k, label in enumerate(labels)}
    codes = np.array([-1 if lost else place.get(w, -2) for w, lost in zip(written, missing)], dtype=np.int64)
    if (codes == -2).any():
        row = int(np.argmax(codes == -2))
        raise DataError(
            f"covariate '{name}', row {frame.index[row]}: level {written[row]!r} is not in the data of the fit",
            remedy=f"Its levels: {', '.join(labels)}.",
        )
    return codes


def coded_levels(binding: Binding, diagram: PathDiagram) -> dict[str, tuple[str, ...]]:
    """The levels of each covariate that is a column of the data, the first without a dummy; () of numbers."""
    out = {}
    for whole in diagram.covariates:
        for name in whole.split(":"):
            if name in binding.dummies:
                out[name] = (*_first_level(binding, name), *binding.dummies[name])
            elif name in binding.frame.columns:
                out[name] = ()
    return out


def with_covariate(design: Design, name: str, labels: Sequence[str], value: str | np.ndarray) -> Design:
    """The design with a covariate at other values: a level in all rows, or an array of numbers."""
    changed = {name: value} if not labels else {
        f"{name}[{label}]": np.full(design.n_rows, float(label == value)) for label in labels[1:]
    }
    return replace(design, columns={**design.columns, **changed})
