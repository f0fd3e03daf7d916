"""Wide items as tables: the different answers of a design, and how their densities depend on the parameters.

An answer to item j is a row of a table over the latent variables that the item loads on, its support,

    log f(y | ν, τ),      ν = Σ_c β_c x_c + offset + Σ_m λ_m z_m η_m,

and two units share a row if they are of one group and have the same answer, trials, offset and covariates of the item.
A parameter that occurs in ν or τ is a column of the item.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semgllamm.data.design import Design
from semgllamm.integration.collapse import mix
from semgllamm.integration.grid import AXES, IN_NU, IN_TAU1, IN_TAU2, NONE
from semgllamm.model.matrices import Model
from semgllamm.model.transforms import LOG_VARIANCE, Working

__all__ = ["Bound", "axes_of", "bind"]

ENOUGH = 4  # cells that share an answer, on average, from which tables pay
FEWEST = 4  # values that are searched one by one
FEW = 64  # answers that may be different whatever the number of cells


@dataclass
class Bound:
    """A design as answers.

    Attributes
    ----------
    supports : list of tuple of int
        Sets of axes; the first three are (0,), (1,), (2,).
    code, data : (R,) and (R, 2) arrays
        Family, and y and trials, of each answer.
    support, column : (R,) int arrays
        Its support, and its first column among those of the support.
    kind, factor, axis, number : (R, L) arrays
        Of each of its columns: what it is the derivative in, ∂ν/∂(parameter) but for η, the axis whose η multiplies it
        (−1 for none), and the parameter (−1 for none).
    base : (R, 6) array
        f, the three d, τ1 and τ2 as far as they are constant.
    moving : (3, entries) int array, slope : (entries,) array
        Answer, column of `base` and parameter of what is added, and the factor.
    columns : list of int
        Number of items' columns of each support.
    numbers : (groups, supports) list of int arrays
        The parameter of each of these columns in each group, −1 for none.
    rows : (n_rows, items) int array
        The answers of each row of the design, −1 where missing.
    """

    supports: list[tuple[int, ...]]
    code: np.ndarray
    data: np.ndarray
    support: np.ndarray
    column: np.ndarray
    kind: np.ndarray
    factor: np.ndarray
    axis: np.ndarray
    number: np.ndarray
    base: np.ndarray
    moving: np.ndarray
    slope: np.ndarray
    columns: list[int]
    numbers: list[list[np.ndarray]]
    rows: np.ndarray

    def predictor(self, values: np.ndarray) -> np.ndarray:
        """f, d and τ of each answer, (R, 6)."""
        out = self.base.copy()
        row, column, number = self.moving
        np.add.at(out, (row, column), self.slope * values[number])
        return out

    def signatures(self) -> np.ndarray:
        """A hash (n_rows,) of all answers of each row."""
        words = np.append(mix(np.arange(1, len(self.code) + 1, dtype=np.uint64)), np.uint64(0))
        return words[self.rows].sum(axis=1)


def axes_of(model: Model) -> tuple[str, ...]:
    """The latent variables that responses load on, in the model's order."""
    loaded = {c.column for group in model.groups for c in group.Lambda if c.is_free or c.value != 0.0}
    return tuple(name for name in model.eta if name in loaded)


def bind(model: Model, working: Working, design: Design, axes: tuple[str, ...]) -> Bound | None:
    """The answers of a design; None where they are too many, or a response has no table."""
    place = {name: k for k, name in enumerate(axes)}
    items = [r for r in model.responses if any(b.response.name == r.name for b in design.blocks)]
    supports: list[tuple[int, ...]] = [(a,) for a in range(AXES)]
    of_item, keys = {}, {}
    by_name = [_cells_by_response(group) for group in model.groups]
    for item in items:
        loads = {place[c.column] for g in by_name for c in g["Lambda"].get(item.name, ()) if c.column in place}
        if not loads:
            return None
        support = tuple(sorted(loads))
        if support not in supports:
            supports.append(support)
        of_item[item.name] = supports.index(support)
        keys[item.name] = _columns(item, by_name, place)
    first, columns = {}, [0] * len(supports)
    for item in items:
        s = of_item[item.name]
        first[item.name] = columns[s]
        columns[s] += len(keys[item.name])
    numbers = [[np.full(n, -1, dtype=np.int64) for n in columns] for _ in model.groups]
    widest = max((len(k) for k in keys.values()), default=1)
    order = {item.name: k for k, item in enumerate(sorted(items, key=lambda item: of_item[item.name]))}
    rows = np.full((len(items), design.n_rows), -1, dtype=np.int64)
    limit = max(FEW, sum(len(b.rows) for b in design.blocks) // ENOUGH)
    table = _Table(widest)
    for block in design.blocks:
        name, g = block.response.name, block.group
        cells = {matrix: found.get(name, ()) for matrix, found in by_name[g].items()}
        covariates = {c.column: design.column(c.column)[block.rows] for c in cells["beta"] if c.column != "1"}
        covariates |= {c.times: design.column(c.times)[block.rows] for c in cells["Lambda"] if c.times}
        which, example = _distinct([block.y, block.trials, block.offset, *covariates.values()], limit)
        if which is None or len(table.code) + len(example) > limit:
            return None
        rows[order[name], block.rows] = len(table.code) + which
        own = _own(block, cells, working)
        if own is None:
            return None
        for k in example:
            at = {"1": 1.0} | {c: float(x[k]) for c, x in covariates.items()}
            table.add(block, float(block.y[k]), float(block.trials[k]), float(block.offset[k]), of_item[name],
                      first[name], keys[name], cells, own, at, place)  # fmt: skip
        for l, key in enumerate(keys[name]):
            number = table.number[-1][l]
            if number >= 0:
                numbers[g][of_item[name]][first[name] + l] = number
            elif own is not None and key[0] == "tau" and key[1] in own.all_thresholds:
                numbers[g][of_item[name]][first[name] + l] = own.all_thresholds[key[1]]
    if not len(table.code):
        return None
    as_int = lambda x: np.array(x, dtype=np.int64)  # noqa: E731
    return Bound(
        supports, as_int(table.code), np.array(table.data), as_int(table.support), as_int(table.column),
        as_int(table.kind), np.array(table.factor), as_int(table.axis), as_int(table.number), np.array(table.base),
        as_int(table.moving).reshape(-1, 3).T.copy(), np.array(table.slope, dtype=float), columns, numbers,
        np.ascontiguousarray(rows.T),
    )  # fmt: skip


def _cells_by_response(group) -> dict[str, dict[str, list]]:
    """The cells of β, Λ, Θ and κ of each response."""
    out: dict[str, dict[str, list]] = {"beta": {}, "Lambda": {}, "Theta": {}, "kappa": {}}
    for matrix, found in out.items():
        for cell in getattr(group, matrix):
            found.setdefault(cell.row, []).append(cell)
    return out


def _columns(item, by_name, place) -> list[tuple]:
    """What the parameters of an item are, over all groups: ("f", covariate), ("d", axis, covariate), ("tau", name)."""
    out: dict[tuple, None] = {}
    for g in by_name:
        out |= {("f", c.column): None for c in g["beta"].get(item.name, ()) if c.is_free}
    for g in by_name:
        for c in g["Lambda"].get(item.name, ()):
            if c.is_free and c.column in place:
                out[("d", place[c.column], c.times)] = None
    for g in by_name:
        matrix = "kappa" if item.family.own == 2 else "Theta"
        out |= {("tau", c.column): None for c in g[matrix].get(item.name, ()) if c.is_free and item.family.own}
    return list(out)


@dataclass
class _Own:
    """τ1 and τ2 of a block: the cell of each that is free, its value if not."""

    cells: tuple
    constant: tuple[float, float]
    all_thresholds: dict[str, int]


def _own(block, cells, working) -> _Own | None:
    family = block.response.family
    if family.own == 0:
        return _Own((None, None), (0.0, 0.0), {})
    if family.own == 1:
        theta = next((c for c in cells["Theta"] if c.column == block.response.name), None)
        if theta is None or (not theta.is_free and theta.value <= 0):
            return None
        if theta.is_free:
            natural = working.kind[theta.number] != LOG_VARIANCE
            return None if natural else _Own((theta, None), (0.0, 0.0), {theta.column: theta.number})
        return _Own((None, None), (float(np.log(theta.value)), 0.0), {})
    kappa = sorted(cells["kappa"], key=lambda c: int(c.column[1:]))
    k = block.category
    around = (kappa[k - 1] if k > 0 else None, kappa[k] if k < len(kappa) else None)
    constant = tuple(
        edge if c is None else (0.0 if c.is_free else c.value) for c, edge in zip(around, (-np.inf, np.inf))
    )
    free = tuple(c if c is not None and c.is_free else None for c in around)
    return _Own(free, constant, {c.column: c.number for c in kappa if c.is_free})


class _Table:
    """The answers, one after the other."""

    def __init__(self, widest: int):
        self.widest = widest
        self.code, self.data, self.support, self.column = [], [], [], []
        self.kind, self.factor, self.axis, self.number = [], [], [], []
        self.base, self.moving, self.slope = [], [], []

    def add(self, block, y, trials, offset, support, column, keys, cells, own, at, place) -> None:
        r, L = len(self.code), self.widest
        kind, axis, number = [-1] * L, [-1] * L, [-1] * L
        kind[: len(keys)] = [NONE] * len(keys)
        factor = [0.0] * L
        base = [offset, 0.0, 0.0, 0.0, *own.constant]

        def enter(key, cell, column, size, what, along=-1):
            if not cell.is_free:
                base[column] += cell.value * size
                return
            self.moving.append((r, column, cell.number))
            self.slope.append(size)
            l = keys.index(key)
            kind[l], factor[l], axis[l], number[l] = what, size, along, cell.number

        for c in cells["beta"]:
            enter(("f", c.column), c, 0, at[c.column], IN_NU)
        for c in cells["Lambda"]:
            if c.column in place:
                a = place[c.column]
                enter(("d", a, c.times), c, 1 + a, at[c.times] if c.times else 1.0, IN_NU, a)
        for which, c in enumerate(own.cells):
            if c is not None:
                enter(("tau", c.column), c, 4 + which, 1.0, (IN_TAU1, IN_TAU2)[which])
        self.code.append(block.response.family.code)
        self.data.append((y, trials))
        self.support.append(support)
        self.column.append(column)
        self.kind.append(kind)
        self.factor.append(factor)
        self.axis.append(axis)
        self.number.append(number)
        self.base.append(base)


def _distinct(columns: list[np.ndarray], limit: int) -> tuple[np.ndarray | None, np.ndarray]:
    """Which of the different rows each row is, and a first example of each; None if they are more than `limit`."""
    n = len(columns[0])
    code = np.zeros(n, dtype=np.int64)
    count = 1
    for x in columns:
        if x[0] == x[-1] and (x == x[0]).all():
            continue
        whole = x.astype(np.int64)
        lowest = int(whole.min())
        if (whole == x).all() and int(whole.max()) - lowest < limit:
            seen = np.bincount(whole - lowest)
            value = (np.cumsum(seen > 0) - 1)[whole - lowest]
            k = int((seen > 0).sum())
        else:
            words, value = np.unique(x, return_inverse=True)
            k = len(words)
        if k > limit:
            return None, np.zeros(0, dtype=np.int64)
        code, count = (value, k) if count == 1 else (code * k + value, count * k)
        if count > n:
            words, code = np.unique(code, return_inverse=True)
            count = len(words)
            if count > limit:
                return None, np.zeros(0, dtype=np.int64)
    if count <= FEWEST:
        example = np.array([np.argmax(code == k) for k in range(count)], dtype=np.int64)
        seen = code[example] == np.arange(count)
    else:
        example = np.full(count, -1, dtype=np.int64)
        example[code[::-1]] = np.arange(n - 1, -1, -1)
        seen = example >= 0
    if not seen.all():
        code, example = (np.cumsum(seen) - 1)[code], example[seen]
    return code, example
