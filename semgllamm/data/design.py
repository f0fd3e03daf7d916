"""Model + data: the cells (a unit's answer on one response), their covariates, and the units they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.data import columns
from semgllamm.data.binding import Binding
from semgllamm.data.choices import explode
from semgllamm.data.classes import known_classes
from semgllamm.data.composites import differing_case
from semgllamm.data.survey import Strata
from semgllamm.data.weights import Weights, read_weights, scaled
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.errors import DataError, ModelError
from semgllamm.model.matrices import Model, Response
from semgllamm.model.missing_covariates import integrable, summable

if TYPE_CHECKING:
    from semgllamm.data.replicates import ReplicateWeights

__all__ = ["CellBlock", "Design", "design", "holes", "notes_of_holes", "notes_of_lost_rows", "parted",
           "values_to_sum"]  # fmt: skip

LACKING = "missing covariate: "  # before the names of covariates for which rows are left out


@dataclass(frozen=True)
class CellBlock:
    """The cells of one response in one group (and, for an ordered response, one answer, or one outcome of a step).

    `rows` holds a row of the design for each cell, by which covariates and units are looked up; `around` are the
    numbers of the thresholds below and above, −1 where there is none; a block that `repeats` holds further cells of
    rows that have one in an earlier block.
    """

    response: Response
    group: int
    category: int
    around: tuple[int, int]
    rows: np.ndarray
    y: np.ndarray
    trials: np.ndarray
    offset: np.ndarray
    repeats: bool = False
    # of alternatives: which choice each belongs to, unique within the answer, and a row of the case that made it
    choice: np.ndarray | None = None
    case: np.ndarray | None = None
    # of composite links: the weight of each row in the mean of its case
    weight: np.ndarray | None = None
    # of answers that are summed over classes at each point: the unit whose classes they are, and the pattern of these
    unit: np.ndarray | None = None
    part: int = -1
    n_parts: np.ndarray | None = None  # in how many patterns the unit may be

    @property
    def constant(self) -> np.ndarray:
        """What the logarithm of each density has beside the parameters."""
        constant = np.asarray(self.response.family.log_constant(self.y, self.trials), dtype=float)
        if self.weight is not None:
            # once a case
            constant[np.setdiff1d(np.arange(len(constant)), np.unique(self.choice, return_index=True)[1])] = 0.0
        # each part of a sum has it, and it stands before the sum
        return constant if self.n_parts is None else constant / self.n_parts


@dataclass(frozen=True)
class Design:
    """The data as the likelihood sees them.

    Attributes
    ----------
    n_rows : int
        Rows kept, sorted by cluster.
    kept : (n_rows,) array
        Their positions in the user's frame.
    codes : tuple of (n_rows,) arrays
        Unit of each row at each level, lowest (the row itself) first.
    first_row : tuple of arrays
        A row of each unit of each level.
    left_out : tuple of (reason, count)
    known : dict of str to (n_rows,) array
        The number of the class of each row's unit where it is known, −1 where not, by categorical latent variable.
    given : tuple of float
        For each group the log-likelihood of covariates that have a density, but are conditioned on.
    held : int
        How many of the moments are those of such covariates.
    weights : Weights
        Of the units of each level.
    strata : Strata, optional
        In which the independent units were drawn.
    replicates : ReplicateWeights, optional
        In place of the sampling weights, one after the other.
    """

    n_rows: int
    n_total: int
    kept: np.ndarray
    codes: tuple[np.ndarray, ...]
    first_row: tuple[np.ndarray, ...]
    blocks: tuple[CellBlock, ...]
    columns: Mapping[str, np.ndarray]
    left_out: tuple[tuple[str, int], ...]
    group_of: np.ndarray | None = None
    given: tuple[float, ...] = ()
    held: int = 0
    known: Mapping[str, np.ndarray] = field(default_factory=dict)
    weights: Weights = field(default_factory=lambda: Weights({}, {}))
    strata: Strata | None = None
    replicates: ReplicateWeights | None = None

    def column(self, name: str) -> np.ndarray:
        """A covariate over the rows; "1" is the constant, products are written ``a:b``."""
        if name == "1":
            return np.ones(self.n_rows)
        if name in self.columns:
            return self.columns[name]
        out = np.ones(self.n_rows)
        for part in name.split(":"):
            out = out * self.columns[part]
        return out

    def height_of(self, name: str, levels: int) -> int:
        """The highest of the lowest `levels` levels in whose units a covariate is constant."""
        column, height = self.column(name), 0
        for level in range(1, levels):
            if not (column[self.first_row[level]][self.codes[level]] == column).all():
                break
            height = level
        return height

    @property
    def response_counts(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for block in self.blocks:
            if not block.repeats:
                rows = block.rows if block.case is None else np.unique(block.case)
                level = block.response.level
                count = int(self.weights.repeats(level, self.codes, rows).sum())
                counts[block.response.name] = counts.get(block.response.name, 0) + count
        return counts

    @property
    def n_answers(self) -> int:
        """Rows, or cases where every response is a choice in long form; with frequencies, all that they stand for."""
        if all(block.response.answer == block.response.name for block in self.blocks):
            cases = np.unique(np.concatenate([block.case for block in self.blocks]))
            return int(self.weights.repeats(0, self.codes, cases).sum())
        return self.counted[0]

    @property
    def unit_counts(self) -> tuple[int, ...]:
        return tuple(len(rows) for rows in self.first_row)

    @property
    def counted(self) -> tuple[int, ...]:
        """The units of each level that those of the data stand for."""
        return tuple(int(self.repeats(level).sum()) for level in range(len(self.first_row)))

    def repeats(self, level: int) -> np.ndarray:
        """How many units each of a level stands for, (units,)."""
        return self.weights.repeats(level, self.codes, self.first_row[level])

    def weight(self, low: int, high: int, rows: np.ndarray) -> np.ndarray:
        """The product of the weights of the units of levels low, …, high − 1 that hold each of `rows`."""
        return self.weights.between(low, high, self.codes, rows)


def design(
    model: Model, diagram: PathDiagram, binding: Binding, missing: str = "ml", joint: bool = False,
    weights_scaling: str = "raw",
) -> Design:
    """Bind a lowered model to the data.

    Parameters
    ----------
    missing : {"ml", "listwise"}
    joint : bool
        The responses have a joint density: one that causes another is no covariate, and may be missing.
    weights_scaling : {"raw", "size", "effective"}
        Of sampling weights within the units of the next higher level.

    Raises
    ------
    DataError
        If a covariate varies within the units of the level at which it is used, or no row is left.
    """
    frame = binding.frame
    n = len(frame)
    choices = binding.choices
    order: slice | np.ndarray = slice(None)
    if choices is not None:
        # the rows of a case are together
        order = np.lexsort((choices.case, *(binding.units.codes[level] for level in binding.levels[1:2])))
    elif len(binding.levels) > 1:
        order = np.argsort(binding.units.codes[binding.levels[1]], kind="stable")
    position = np.arange(n)[order]
    used = _covariates_by_level(model)
    if joint:
        used = {level: names.difference(r.name for r in model.responses) for level, names in used.items()}
    values: dict[str, np.ndarray] = {}
    for name in sorted({part for names in used.values() for whole in names for part in _parts(whole)}):
        base = name.split("[")[0] if name.split("[")[0] in binding.dummies else name
        if name in values:
            continue
        array, names = columns.covariate(frame, base)
        if base in binding.values and names != (base,):
            names = _as_a_number(base, names)
        for k, label in enumerate(names):
            values[label] = array[:, k]
    for level, names in used.items():
        if level > 0:
            for part in {part for whole in names for part in _parts(whole)}:
                where = binding.levels[level]
                values[part] = columns.unit_value(values[part], binding.units, where, part)[binding.units.codes[where]]
    values = {name: array[order] for name, array in values.items()}
    roles = {(role.kind, role.target): role for role in diagram.columns}
    offsets = {}
    for response in binding.responses:
        total = 0.0
        for kind, read in (("offset", columns.offset), ("exposure", columns.exposure)):
            role = roles.get((kind, response.name))
            if role is not None:
                total = total + read(frame, role.column)[order]
        offsets[response.name] = total
    hole = _patterns_of_holes(model, binding)[order]
    summed = [variable.name for variable in model.classes if variable.summed]
    for name in (*frozenset().union(*model.holes), *summed):
        values[name] = np.nan_to_num(values[name])  # never looked up where it is missing
    missing_by_column = {name: np.isnan(array) for name, array in values.items()}
    weights = read_weights(diagram, binding)
    alike = np.ones(n) if weights.count is None else weights.count[order]
    none = np.zeros(n, dtype=bool) if weights.zero is None else weights.zero[order]
    lost = np.zeros(n, dtype=bool)
    for array in missing_by_column.values():
        lost |= array
    for total in offsets.values():
        lost |= np.isnan(total)
    left_out = []
    case = None if choices is None else choices.case[order]
    if case is not None:
        # without one of its alternatives a choice would be another one
        lost = np.bincount(case[lost], minlength=len(choices.ids))[case] > 0
    lost &= ~none
    if lost.any():
        guilty = [name for name, array in missing_by_column.items() if array.any()]
        why = LACKING + ", ".join(guilty) if guilty else "missing offset"
        left_out.append((why, int(alike[lost].sum())))
    if none.any():
        left_out.append(("weight of 0", int(none.sum())))
    lost |= none
    answers = {name: array[order] for name, array in binding.values.items()}
    beside = {name: array[order] for name, array in binding.beside.items()}
    unanswered = np.zeros(n, dtype=np.int64)
    for array in answers.values():
        unanswered += np.isnan(array)
    nothing = ~lost & (unanswered == len(answers)) if answers else np.zeros(n, dtype=bool)
    if missing == "listwise":
        incomplete = ~lost & (unanswered > 0)
        if incomplete.any():
            left_out.append(("listwise deletion of missing responses", int(alike[incomplete].sum())))
        lost |= incomplete
    elif nothing.any():
        left_out.append(("no response", int(alike[nothing].sum())))
        lost |= nothing
    # no copies where all rows stay
    keep = np.flatnonzero(~lost) if lost.any() else slice(None)
    kept = position[keep]
    if kept.size == 0:
        reasons = ", ".join(f"{count} with {reason}" for reason, count in left_out)
        raise DataError(f"none of the {n} rows is left: {reasons}",
                        remedy="Leave covariates out that are often missing, or give them a model: x ~ 1.")
    kept_codes, first_row = [np.arange(kept.size)], [np.arange(kept.size)]
    for level in binding.levels[1:]:
        _, first, inverse = np.unique(binding.units.codes[level][kept], return_index=True, return_inverse=True)
        kept_codes.append(inverse.ravel().astype(np.int64))
        first_row.append(first.astype(np.int64))
    values = {name: array[keep] for name, array in values.items()}
    group_of = binding.group_codes[kept] if binding.group_codes is not None else np.zeros(kept.size, np.int64)
    group_of = group_of * len(model.holes) + hole[keep]
    blocks = []
    one, gapless = np.ones(kept.size), not unanswered[keep].any()
    if case is not None:
        _alternatives_differ(model, binding, values, case[keep], group_of)
        _answers_are_one(model, binding, values, case[keep])
    for group in range(len(binding.group_labels) * len(model.holes)):
        here = group_of == group
        members = np.flatnonzero(here)
        for response in binding.responses:
            y, offset = answers[response.name][keep], np.broadcast_to(offsets[response.name], n)[keep]
            trials, rows = one, members if gapless else np.flatnonzero(here & ~np.isnan(y))
            if response.name in beside:
                trials = beside[response.name][keep]
                rows = rows[~np.isnan(trials[rows])]
            if response.answer == response.name and not response.family.is_composite:
                blocks.append(_alternatives(response, group, rows, y, case[keep], offset))
                continue
            if response.answer == response.name:
                weight = binding.weights[response.name][order][keep]
                blocks.append(_summed(response, group, rows, y, trials, case[keep], offset, weight))
                continue
            if response.family.thresholds == "all":
                trials = np.full(kept.size, response.categories - 1.0)
            if response.level > 0:
                _, first, inverse = np.unique(kept_codes[response.level][rows], return_index=True, return_inverse=True)
                for varies in (column[rows] != column[rows[first]][inverse] for column in (trials, offset)):
                    if varies.any():
                        raise _second_column_varies(diagram, binding, response, kept[rows[np.argmax(varies)]])
                rows = rows[first]
            _refuse_unobserved(model, response, group, y[rows], binding)
            for category, around, mine, repeats in parted(response, y, rows):
                if mine.size == 0:
                    continue
                at = mine if mine.size < kept.size else slice(None)
                answer = mine if response.answer else None
                blocks.append(
                    CellBlock(
                        response, group, category, around, mine, y[at], trials[at], offset[at], repeats, answer, answer
                    )
                )
    known = {
        variable.name: known_classes(frame, variable, binding.units, binding.levels)[kept]
        for variable in model.classes if variable.known is not None
    }  # fmt: skip
    known |= {name: np.nan_to_num(binding.values[name][kept], nan=-1).astype(np.int64) for name in summed}
    total = int(np.where(none, 1, alike).sum())
    return Design(
        kept.size, total, kept, tuple(kept_codes), tuple(first_row), tuple(blocks), values, tuple(left_out), group_of,
        known=known, weights=scaled(weights, kept, kept_codes, first_row, weights_scaling),
    )  # fmt: skip


def _as_a_number(name: str, dummies: tuple[str, ...]) -> tuple[str, ...]:
    """The column of a categorical response that explains others: that of its answers 0 and 1.

    Raises
    ------
    DataError
        If it has more than two levels.
    """
    if len(dummies) > 1:
        raise DataError(f"'{name}' explains others and is a response with {len(dummies) + 1} levels, not a number",
                        remedy=f"Convert it, as with data['{name}'].cat.codes, or leave it a covariate alone.")
    return (name,)


def holes(model: Model, binding: Binding) -> tuple[frozenset[str], ...]:
    """The patterns of missing covariates that have a model, that without any first."""
    names = integrable(model)
    if not names:
        return (frozenset(),)
    others = [array for name, array in binding.values.items() if name not in names]
    useful = ~np.all([np.isnan(array) for array in others], axis=0) if others else np.zeros(len(binding.frame), bool)
    missing = np.column_stack([np.isnan(binding.values[name]) for name in names])
    found = np.unique(missing[useful], axis=0)
    patterns = {frozenset(name for name, absent in zip(names, row) if absent) for row in found}
    return (frozenset(), *sorted(patterns - {frozenset()}, key=lambda p: (len(p), sorted(p))))


def values_to_sum(model: Model, binding: Binding) -> tuple[str, ...]:
    """The categorical covariates that have a model and are missing somewhere."""
    return tuple(name for name in summable(model) if np.isnan(binding.values[name]).any())


def notes_of_holes(model: Model, binding: Binding) -> list[str]:
    """What the report says of covariates that are integrated out."""
    summed = (variable.name for variable in model.classes if variable.summed)
    names = [*sorted(frozenset().union(*model.holes)), *summed]
    counts = [f"{name} in {int(np.isnan(binding.values[name]).sum())} rows" for name in names]
    return [
        f"missing covariates are integrated (summed) out: {', '.join(counts)}; their density counts where they are "
        "seen, so the log-likelihood does not compare with that of complete rows"
    ]


def notes_of_lost_rows(binding: Binding, design: Design) -> list[str]:
    """What would keep rows that are left out because a covariate is missing: the line that gives it a model."""
    found = [(why.removeprefix(LACKING), n) for why, n in design.left_out if why.startswith(LACKING)]
    frame, lines = binding.frame, []
    modelled = {response.name for response in binding.responses}
    names = found[0][0].split(", ") if found else []
    for name in (name for name in names if name not in modelled):
        values = frame[name].dropna().to_numpy() if name in frame.columns else np.zeros(0)
        if not len(values) or values.dtype.kind not in "fiub":
            continue
        units = (binding.units.codes[level] for level in binding.levels[1:])
        seen = frame[name].notna().to_numpy()
        if any(len(np.unique(np.c_[codes[seen], values], axis=0)) == len(np.unique(codes[seen])) for codes in units):
            continue  # a covariate of clusters
        binary = np.isin(values, (0, 1)).all()
        lines.append(f"{name} ~ 1" + "  @family(bernoulli(logit))" * bool(binary))
    notes = [
        f"where '{name}' is missing it is neither integrated nor summed out: only Gaussian, binary and ordinal "
        "covariates of rows are"
        for name in names if name in modelled
    ]  # fmt: skip
    if not lines:
        return notes
    return [
        *notes,
        f"{found[0][1]} rows lack a covariate; a line that gives it a model would keep them "
        f"(with what predicts it in place of 1): {'; '.join(lines)}"
    ]


def _patterns_of_holes(model: Model, binding: Binding) -> np.ndarray:
    """The number of the pattern of missing covariates of each row of the frame."""
    out = np.zeros(len(binding.frame), dtype=np.int64)
    names = sorted(frozenset().union(*model.holes))
    for number, pattern in enumerate(model.holes):
        if number:
            match = [np.isnan(binding.values[name]) == (name in pattern) for name in names]
            out[np.all(match, axis=0)] = number
    return out


def _second_column_varies(diagram: PathDiagram, binding: Binding, response: Response, row: int) -> DataError:
    """Rows of a unit with one answer disagree on its event, trials or offset, and none of them is the right one."""
    level = binding.levels[response.level]
    unit = binding.units.codes[level][row]
    rows = (binding.units.codes[level] == unit) & ~np.isnan(binding.values[response.name])
    for role in diagram.columns:
        if role.target != response.name or role.column is None:
            continue
        column = binding.frame[role.column].to_numpy(dtype=float)[rows]
        found = np.unique(column[~np.isnan(column)])
        if len(found) > 1:
            break
    where = binding.units.label(level, unit)
    remedy = f"Give each {level} one value in all its rows"
    if role.kind == "event":
        remedy += f": data.groupby('{level}')['{role.column}'].transform('max')"
    shown = ", ".join(f"{value:g}" for value in found[:4])
    return DataError(
        f"'{response.name}' is one answer of each '{level}', but '{role.column}' varies within {where}: {shown}",
        text=diagram.text, span=role.span, remedy=remedy + ".",
    )


def _alternatives_differ(model: Model, binding: Binding, values, case: np.ndarray, group_of: np.ndarray) -> None:
    """Refuse what is the same for all alternatives of a case: no choice depends on it.

    Raises
    ------
    ModelError, DataError
    """
    choices, level = binding.choices, dict(zip(model.eta, model.eta_level))
    last = np.full(len(choices.ids), -1, dtype=np.int64)
    last[case] = np.arange(len(case))
    if (group_of[last[case]] != group_of).any():
        raise DataError(f"a case of '{choices.column}' lies in two groups")

    def differs(name: str | None) -> bool:
        if name in (None, "1"):
            return False
        x = np.prod([values[part] for part in _parts(name)], axis=0)
        return bool((x[last[case]] != x).any())

    for group in model.groups:
        for cell in (*group.beta, *group.Lambda):
            response = model.response(cell.row)
            if response.answer != cell.row:
                continue
            latent = cell.column in level
            if latent and level[cell.column] == 0:
                raise ModelError(
                    f"'{cell.column}' varies over rows, but an answer '{cell.row}' is a case, which has several",
                    remedy=f"Define it in a block @level({choices.column}), or at a level above.",
                )
            if not response.family.is_composite and not differs(cell.times if latent else cell.column):
                what = cell.column if cell.times is None else f"{cell.column}:{cell.times}"
                what = "the intercept" if what == "1" else f"'{what}'"
                remedy = f"What differs between alternatives is its product with them, {choices.alternative}:..."
                if cell.column == "1":
                    remedy = f"Constants of the alternatives are {cell.row} ~ {choices.alternative}."
                raise ModelError(f"{what} is the same for all alternatives of each case, and has no effect on "
                                 f"'{cell.row}'", remedy=remedy)


def _answers_are_one(model: Model, binding: Binding, values, case: np.ndarray) -> None:
    """Refuse own parameters of a composite link that differ between the rows of a case, and residual covariances.

    Raises
    ------
    ModelError, DataError
    """
    for group in model.groups:
        for cell in group.Theta:
            if cell.row != cell.column and (cell.is_free or cell.value != 0.0):
                for name in (cell.row, cell.column):
                    if model.response(name).family.is_composite:
                        raise ModelError(f"the residual of '{name}', which has @composite, covaries with no other",
                                         remedy="Let both load on a factor instead.")  # fmt: skip
        for cell in group.auxiliary():
            family = model.response(cell.row).family
            if cell.column == "1" or not family.is_composite or "dispersion" not in family.predictors:
                continue
            odd = differing_case(case, np.prod([values[part] for part in _parts(cell.column)], axis=0))
            if odd >= 0:
                raise DataError(
                    f"'{cell.column}' in @dispersion of '{cell.row}' differs between the rows of case "
                    f"{binding.choices.ids[odd]}", remedy="A case is one response, with one dispersion.",
                )  # fmt: skip


def _summed(response: Response, group: int, rows, y, trials, case, offset, weight) -> CellBlock:
    """The cells of a composite link: rows that add up to the mean of their case."""
    first = np.full(case.max(initial=-1) + 1, -1, dtype=np.int64)
    first[case[rows][::-1]] = rows[::-1]
    return CellBlock(
        response, group, 0, (-1, -1), rows, y[rows], trials[rows], offset[rows], False, case[rows], first[case[rows]],
        weight[rows],
    )  # fmt: skip


def _alternatives(response: Response, group: int, rows, y, case, offset) -> CellBlock:
    """The cells of a response in long form; a ranking is several choices."""
    if response.family.name == "ranking":
        at, chosen, choice = explode(y[rows], case[rows])
        rows = rows[at]
    else:
        chosen, choice = y[rows], case[rows]
    first = np.full(case.max(initial=-1) + 1, -1, dtype=np.int64)
    first[case[rows][::-1]] = rows[::-1]
    return CellBlock(
        response, group, 0, (-1, -1), rows, chosen, np.ones(len(rows)), offset[rows], False, choice, first[case[rows]]
    )


def _refuse_unobserved(model: Model, response: Response, group: int, y: np.ndarray, binding: Binding) -> None:
    """A category that nobody in a group chose leaves its thresholds without a maximum, unless others share them."""
    unobserved = [k for k in range(response.categories) if not (y == k).any()]
    if not unobserved:
        return
    own = group * len(model.patterns)  # patterns of classes and holes are not in one model
    thresholds = model.groups[own].thresholds(response.name)
    elsewhere = {c.number for g, other in enumerate(model.groups) for c in other.kappa
                 if (g // len(model.patterns), c.row) != (group, response.name)}  # fmt: skip
    for k in unobserved:
        alone = [c for c in thresholds[max(k - 1, 0) : k + 1] if c.is_free and c.number not in elsewhere]
        if alone:
            label = binding.labels[response.name][k]
            where, remedy = "in the rows that are used", "Join it with a neighbour"
            if len(model.group_labels) > 1:
                where = f"in group '{binding.group_labels[group // len(model.holes)]}'"
                remedy += ", or let the groups share thresholds: group_equal='thresholds'"
            raise DataError(
                f"category {label} of response '{response.name}' does not occur {where}, and its threshold "
                f"{alone[0].column} has no estimate there", remedy=remedy + ".",
            )  # fmt: skip


def parted(response: Response, y: np.ndarray, rows: np.ndarray):
    """(category, thresholds around it, rows, whether they have cells already) of each block of a response's cells.

    An answer in steps has a cell for each step k that could be taken, y ≥ k: it stops there, below threshold k, or goes
    on, above it.
    """
    if not response.categories:
        yield 0, (-1, -1), rows, False
    elif response.family.thresholds == "steps":
        for k in range(response.categories - 1):
            yield k, (-1, k), rows[y[rows] == k], k > 0
            yield k, (k, -1), rows[y[rows] > k], k > 0
    else:
        top = response.categories - 1
        for k in range(response.categories):
            yield k, (k - 1, k if k < top else -1), rows[y[rows] == k], False


def _parts(name: str) -> list[str]:
    return [part for part in name.split(":") if part != "1"]


def _covariates_by_level(model: Model) -> dict[int, set[str]]:
    """The covariates that enter at each level (of the response or latent variable that they predict)."""
    response_level = {response.name: response.level for response in model.responses}
    latent_level = dict(zip(model.eta, model.eta_level))
    used: dict[int, set[str]] = {}
    class_level = {variable.name: variable.level for variable in model.classes}
    logits = tuple(f"{name}[" for name in class_level)
    for group in model.groups:
        for cell in group.membership:
            name = cell.times if cell.column in latent_level else cell.column
            if name and name != "1" and not name.startswith(logits):
                used.setdefault(class_level[cell.row.rpartition("[")[0]], set()).add(name)
        named = [(cell, cell.column) for cell in (*group.beta, *group.auxiliary())]
        named += [(cell, cell.times) for cell in (*group.Lambda, *group.kappa)]
        for cell, name in named:
            if name and name != "1":
                used.setdefault(response_level[cell.row], set()).add(name)
        for cell in (*group.Gamma, *group.B):
            name = cell.times if cell in group.B else cell.column
            if name and name != "1":
                used.setdefault(latent_level[cell.row], set()).add(name)
    return used
