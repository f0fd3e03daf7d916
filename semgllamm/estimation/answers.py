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
from semgllamm.estimation.nominal_answers import NominalAnswers
from semgllamm.integration.collapse import mix
from semgllamm.integration.grid import AXES, IN_NU, IN_TAU1, IN_TAU2, NONE
from semgllamm.model.matrices import OWN_MATRICES, Model

__all__ = ["JOINT", "Bound", "axes_of", "bind"]

PREDICTORS = ("alpha", "rho")  # of own parameters
JOINT = -1  # code of an answer with several linear predictors
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
    nominal : NominalAnswers, optional
        The utilities of answers to nominal items, whose code is `JOINT`.
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
    nominal: NominalAnswers | None = None

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


def bind(model: Model, design: Design, axes: tuple[str, ...]) -> Bound | None:
    """The answers of a design; None where they are too many, or a response has no table."""
    place = {name: k for k, name in enumerate(axes)}
    present = {block.response.name for block in design.blocks}
    items: dict[str, list] = {}
    for response in model.responses:
        if response.name in present:
            items.setdefault(response.answer or response.name, []).append(response)
    if any(name == response.name for name, found in items.items() for response in found if response.answer):
        return None  # choices in long form
    supports: list[tuple[int, ...]] = [(a,) for a in range(AXES)]
    of_item, keys = {}, {}
    by_name = [_cells_by_response(group) for group in model.groups]
    for name, found in items.items():
        loads = {
            place[c.column] for r in found for g in by_name for c in g["Lambda"].get(r.name, ()) if c.column in place
        }
        if not loads:
            return None
        support = tuple(sorted(loads))
        if support not in supports:
            supports.append(support)
        of_item[name] = supports.index(support)
        keys[name] = [key for r in found for key in _columns(r, by_name, place)]
    first, columns = {}, [0] * len(supports)
    for name in items:
        s = of_item[name]
        first[name] = columns[s]
        columns[s] += len(keys[name])
    numbers = [[np.full(n, -1, dtype=np.int64) for n in columns] for _ in model.groups]
    widest = max((len(k) for k in keys.values()), default=1)
    order = {name: k for k, name in enumerate(sorted(items, key=of_item.__getitem__))}
    rows = np.full((len(items), design.n_rows), -1, dtype=np.int64)
    limit = max(FEW, sum(len(b.rows) for b in design.blocks) // ENOUGH)
    table, utilities = _Table(widest), _Table(widest)
    joint: dict[tuple[str, int], list] = {}
    for block in design.blocks:
        name, g = block.response.name, block.group
        if block.response.family.is_joint:
            if block.repeats:
                return None
            joint.setdefault((block.response.answer, g), []).append(block)
            continue
        cells = {matrix: found.get(name, ()) for matrix, found in by_name[g].items()}
        covariates = _covariates(cells, design, block.rows)
        which, example = _distinct([block.y, block.trials, block.offset, *covariates.values()], limit)
        if which is None or len(table.code) + len(example) > limit:
            return None
        rows[order[name], block.rows] = len(table.code) + which
        own = _own(block, cells)
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
            elif key[0] == "tau" and key[1] in own.all_thresholds:
                numbers[g][of_item[name]][first[name] + l] = own.all_thresholds[key[1]]
    chosen, begin, nominal = [], [0], []
    for (name, g), blocks in joint.items():
        by_block = [{matrix: found.get(b.response.name, ()) for matrix, found in by_name[g].items()} for b in blocks]
        covariates = {}
        for cells in by_block:
            covariates |= _covariates(cells, design, blocks[0].rows)
        choice = np.stack([b.y for b in blocks]).argmax(axis=0).astype(float)
        which, example = _distinct([choice, *(b.offset for b in blocks), *covariates.values()], limit)
        if which is None or len(table.code) + len(example) > limit:
            return None
        rows[order[name], blocks[0].rows] = len(table.code) + which
        for k in example:
            at = {"1": 1.0} | {c: float(x[k]) for c, x in covariates.items()}
            nominal.append(len(table.code))
            chosen.append(int(choice[k]))
            table.add_joint(of_item[name], first[name], len(keys[name]))
            for block, cells in zip(blocks, by_block):
                utilities.add(block, 0.0, 0.0, float(block.offset[k]), of_item[name], first[name], keys[name], cells,
                              _Own((None, None), (0.0, 0.0), {}), at, place)  # fmt: skip
            begin.append(len(utilities.code))
        own = numbers[g][of_item[name]][first[name] : first[name] + len(keys[name])]
        own[:] = np.array(utilities.number[begin[-2] :])[:, : len(keys[name])].max(axis=0)
        for r in range(len(table.code) - len(example), len(table.code)):
            table.number[r][: len(keys[name])] = list(own)
    if not len(table.code):
        return None
    found = None
    if nominal:
        found = NominalAnswers(
            as_int(nominal), as_int(begin), as_int(chosen), as_int(utilities.kind), np.array(utilities.factor),
            as_int(utilities.axis), as_int(utilities.number), np.array(utilities.base), utilities.entries,
            np.array(utilities.slope, dtype=float),
        )  # fmt: skip
    return Bound(
        supports, as_int(table.code), np.array(table.data), as_int(table.support), as_int(table.column),
        as_int(table.kind), np.array(table.factor), as_int(table.axis), as_int(table.number), np.array(table.base),
        table.entries, np.array(table.slope, dtype=float), columns, numbers, np.ascontiguousarray(rows.T), found,
    )  # fmt: skip


def as_int(x) -> np.ndarray:
    """Whole numbers of a list."""
    return np.array(x, dtype=np.int64)


def _covariates(cells, design: Design, rows: np.ndarray) -> dict[str, np.ndarray]:
    """What the answers of these rows depend on beside latent variables."""
    out = {c.column: design.column(c.column)[rows] for c in cells["beta"] if c.column != "1"}
    out |= {c.times: design.column(c.times)[rows] for c in cells["Lambda"] if c.times}
    for kind in PREDICTORS:
        out |= {c.column: design.column(c.column)[rows] for c in cells[kind] if c.column != "1"}
    return out


def _cells_by_response(group) -> dict[str, dict[str, list]]:
    """The cells of β, Λ, Θ, κ, and of predictors of own parameters, of each response."""
    out: dict[str, dict[str, list]] = {m: {} for m in ("beta", "Lambda", "Theta", "kappa", *PREDICTORS)}
    for matrix, found in out.items():
        for cell in getattr(group, matrix):
            found.setdefault(cell.row, []).append(cell)
    return out


def _columns(item, by_name, place) -> list[tuple]:
    """What the parameters of a response are, over all groups: ("f", covariate), ("d", axis, covariate), ("tau", name,
    …); and the response."""
    out: dict[tuple, None] = {}
    for g in by_name:
        out |= {("f", c.column, item.name): None for c in g["beta"].get(item.name, ()) if c.is_free}
    for g in by_name:
        for c in g["Lambda"].get(item.name, ()):
            if c.is_free and c.column in place:
                out[("d", place[c.column], c.times, item.name)] = None
    for g in by_name:
        for matrix in ("kappa", "Theta"):
            out |= {("tau", c.column, item.name): None for c in g[matrix].get(item.name, ()) if c.is_free}
        for which, kind in enumerate(item.family.predictors):
            cells = g[OWN_MATRICES.get(kind, kind)].get(item.name, ())
            out |= {("tau", c.column, which, item.name): None for c in cells if c.is_free}
    return list(out)


@dataclass
class _Own:
    """τ1 and τ2 of a block: the cell of each that is free, its value if not; or their linear predictors."""

    cells: tuple
    constant: tuple[float, float]
    all_thresholds: dict[str, int]
    linear: tuple = ()


def _own(block, cells) -> _Own | None:
    family = block.response.family
    written = [cells[OWN_MATRICES.get(kind, kind)] for kind in family.predictors]
    if family.thresholds and cells["alpha"]:
        return None  # the scale of a latent response
    if family.own == 0:
        return _Own((None, None), (0.0, 0.0), {})
    if any(written) or (family.predictors and not family.has_residual):
        linear = tuple((which, c) for which, found in enumerate(written) for c in found)
        return _Own((None, None), (0.0, 0.0), {}, linear)
    if family.has_residual:
        theta = next((c for c in cells["Theta"] if c.column == block.response.name), None)
        if theta is None or (not theta.is_free and theta.value <= 0):
            return None
        if theta.is_free:
            return _Own((theta, None), (0.0, 0.0), {theta.column: theta.number})
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

        name = block.response.name
        for c in cells["beta"]:
            enter(("f", c.column, name), c, 0, at[c.column], IN_NU)
        for c in cells["Lambda"]:
            if c.column in place:
                a = place[c.column]
                enter(("d", a, c.times, name), c, 1 + a, at[c.times] if c.times else 1.0, IN_NU, a)
        for which, c in enumerate(own.cells):
            if c is not None:
                enter(("tau", c.column, name), c, 4 + which, 1.0, (IN_TAU1, IN_TAU2)[which])
        for which, c in own.linear:
            enter(("tau", c.column, which, name), c, 4 + which, at[c.column], (IN_TAU1, IN_TAU2)[which])
        self._append(
            block.response.family.code, (y, trials), support, column, kind, factor, axis, number, base
        )  # fmt: skip

    def add_joint(self, support: int, column: int, width: int) -> None:
        """An answer whose density and derivatives are found from utilities."""
        L = self.widest
        kind = [IN_NU] * width + [-1] * (L - width)
        self._append(JOINT, (0.0, 0.0), support, column, kind, [0.0] * L, [-1] * L, [-1] * L, [0.0] * 6)

    def _append(self, code, data, support, column, kind, factor, axis, number, base) -> None:
        self.code.append(code)
        self.data.append(data)
        self.support.append(support)
        self.column.append(column)
        self.kind.append(kind)
        self.factor.append(factor)
        self.axis.append(axis)
        self.number.append(number)
        self.base.append(base)

    @property
    def entries(self) -> np.ndarray:
        """Row, column and parameter of what is added to `base`, (3, entries)."""
        return as_int(self.moving).reshape(-1, 3).T.copy()


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
