"""Modification indices: the score test of one fixed cell at a time.

With s and I the score and the expected information about the free cells b and one further cell a, and K the directions
that the constraints leave,

    mi = s_a² / V,   epc = s_a / V,   V = I_aa − I_ab K (K'I_bb K)⁻¹ K' I_ba

(Sörbom 1989); of least squares s and I are those of half the weighted squares. All candidates are cells of one
extended model, so that s and I are computed once. The candidates are lavaan's (Rosseel 2012), of each group and level:
cells that the text fixes, cross loadings, covariances of the residuals of indicators, covariances of latent variables,
regressions among the variables of equations, and intercepts, in so far as they are not free. Those about which the data
say nothing (V = 0) are left out. In the recursion over nested units covariates are not explained, and where I does not
fit into memory the observed information stands for it.

Of fits by integration I is the observed information of the working parameters ϑ of the extended model, or the outer
product of the units' scores, and with D a basis of the directions in which the constraints hold and no candidate moves
and d one in which a alone moves, by 1,

    V = d'Id − d'ID (D'ID)⁻¹ D'Id,   and  d's − d'ID (D'ID)⁻¹ D's  in place of s_a.

Their candidates are the fixed cells, cross loadings, covariances among latent variables and among residuals of Gaussian
responses of one level, and direct effects of covariates on indicators: uniform differential item functioning. A
variance of 0 is no candidate, as log L has no slope in a standard deviation of 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.diagram.parts import Parameter
from semgllamm.errors import ModelError
from semgllamm.estimation.extended import Extended
from semgllamm.estimation.gaussian import GaussianLikelihood
from semgllamm.estimation.nested import NestedLikelihood
from semgllamm.results.standardized import Roles, closed_form_of, scales_of
from semgllamm.results.wider import by_expectation

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["given_covariate", "modification_indices"]

# the least information of a row (or cluster) about a cell that is tested: lavaan's, so that the same rows are listed
LEAST = float(np.finfo(float).eps ** (1 / 3))
SHARE = 1e-3  # of the information about a cell that nothing else must have, or there is none
OPERATORS = ("=~", "~~", "~", "~1")


def candidates(roles: Roles, has_means: bool) -> list[tuple[str, str, str]]:
    """(lhs, op, rhs) of the cells of a block that might be free, in lavaan's order."""
    y, equations = roles.endogenous, roles.in_equations
    latents = tuple(name for name in roles.latents if name not in roles.composites)
    out = [(f, "=~", name) for f in latents for name in y if name not in equations]
    indicators = [name for name in y if name in roles.indicators]
    for names in (indicators, roles.exogenous, latents):
        out += [(name, "~~", other) for k, name in enumerate(names) for other in names[k:]]
    for lhs in equations:
        for rhs in equations:
            if lhs != rhs and not (lhs in roles.indicators and rhs in latents):
                out.append((lhs, "~", rhs))
    if has_means:
        out += [(name, "~1", "") for name in (*y, *roles.exogenous, *latents)]
    return out


def _key(lhs: str, op: str, rhs: str) -> tuple:
    return op, tuple(sorted((lhs, rhs))) if op == "~~" else (lhs, rhs)


def _further_cells(fit: Fit) -> list[Parameter]:
    """A row for each candidate that is not free."""
    out = []
    rows = list(zip(fit.diagram.parameters, fit.model.rows))
    for (group, level), scales in scales_of(fit).items():
        name = next((r.level for r in fit.diagram.parameters if _in_block(fit, r, group, level)), None)
        free = {
            _key(row.lhs, row.op, row.rhs) for row, number in rows if number >= 0 and _in_block(fit, row, group, level)
        }
        proposed = candidates(scales.roles, fit.likelihood.has_means)
        known = {_key(*row) for row in proposed}
        fixed = [
            (row.lhs, row.op, row.rhs) for row, number in rows
            if number < 0 and row.op in OPERATORS and _in_block(fit, row, group, level)
            and _key(row.lhs, row.op, row.rhs) not in known
        ]  # fmt: skip
        # the weights of a composite are its regressions
        formed = {(row.lhs, row.rhs) for row, _ in rows if row.op == "<~" and _in_block(fit, row, group, level)}
        for lhs, op, rhs in (*fixed, *proposed):
            if _key(lhs, op, rhs) not in free and not (op == "~" and (lhs, rhs) in formed):
                out.append(Parameter(lhs, op, rhs, group=group, level=name, label=f".further{len(out)}."))
    return out


def _in_block(fit: Fit, row: Parameter, group: int, level: int) -> bool:
    from semgllamm.model.lower import level_index

    return row.group == group and level_index(row.level, fit.model.levels) == level


def units_of(fit: Fit) -> int:
    """How many independent units the information is divided by: rows, or clusters of two levels."""
    return fit.design.counted[fit.likelihood.n_levels - 1]


def rows_counted(fit: Fit) -> float:
    """What score statistics are multiplied by: lavaan counts n rows where the Wishart likelihood counts n − 1."""
    samples = fit.likelihood.samples
    if fit.likelihood.divisor != "wishart":
        return 1.0
    return sum(len(sample.rows) for sample in samples) / sum(float(sample.moments.n.sum()) for sample in samples)


def given_covariate(likelihood: GaussianLikelihood, row: Parameter) -> str | None:
    """The covariate that a row would explain, where covariates are given: in the recursion over nested units."""
    if not isinstance(likelihood, NestedLikelihood):
        return None
    explained = {row.lhs, row.rhs} if row.op in ("~~", "=~") else {row.lhs}
    return next((name for names in likelihood.covariates for name in names if name in explained), None)


def modification_indices(
    fit: Fit, sort: bool = False, minimum: float = 0.0, op: str | Sequence[str] | None = None,
    information: str | None = None,
) -> pd.DataFrame:  # fmt: skip
    """The table of modification indices; see `Fit.modification_indices`."""
    wanted = OPERATORS if op is None else (op,) if isinstance(op, str) else tuple(op)
    if unknown := [name for name in wanted if name not in OPERATORS]:
        raise ModelError(f"no modification index has the operator '{unknown[0]}'", remedy=f"One of {OPERATORS}.")
    table = _by_expectation(fit, wanted) if by_expectation(fit, information) else _opened(fit, wanted, information)
    table = table[table.mi >= minimum].reset_index(drop=True)
    return table.sort_values("mi", ascending=False, kind="stable", ignore_index=True) if sort else table


def _by_expectation(fit: Fit, wanted: tuple[str, ...]) -> pd.DataFrame:
    """The table of a closed form, by the expected information."""
    import pandas as pd

    likelihood = closed_form_of(fit, "modification indices are")
    further = [row for row in _further_cells(fit) if not given_covariate(likelihood, row)]
    columns = ["lhs", "op", "rhs", "group", "level", "mi", "epc", "sepc.lv", "sepc.all", "sepc.nox"]
    if not further:
        return pd.DataFrame(columns=columns)
    extended = Extended(likelihood, fit.diagram, fit._cells, further)
    score, information = extended.score(), extended.information()
    q, new = fit.model.n_parameters, extended.extra_numbers
    K, cross = likelihood.K, information[:q, new]
    inverse, null, _ = fit._inverse(K.T @ information[:q, :q] @ K)
    if null:
        inverse = np.linalg.pinv(K.T @ information[:q, :q] @ K, hermitian=True)
    # parameters at their bounds are held there
    inner = np.nan_to_num(inverse) @ (K.T @ cross)
    V = information[new, new] - ((K.T @ cross) * inner).sum(axis=0)
    units, counted = units_of(fit), rows_counted(fit)
    rows = []
    for row, s, v in zip(further, score[new], V):
        if v / units < LEAST or row.op not in wanted:
            continue
        mi, epc = counted * s * s / v, s / v
        standardised = [_standardised(fit, row, epc, kind) for kind in ("std.lv", "std.all", "std.nox")]
        rows.append((row.lhs, row.op, row.rhs, row.group, row.level or "", mi, epc, *standardised))
    return pd.DataFrame(rows, columns=columns)


def _opened(fit: Fit, wanted: tuple[str, ...], information: str | None) -> pd.DataFrame:
    """The table by the observed information or the outer product of scores."""
    import pandas as pd

    from semgllamm.results.wider import in_force, null_space, wider

    columns = ["lhs", "op", "rhs", "group", "level", "class", "mi", "epc", "information"]
    closed = isinstance(fit.likelihood, GaussianLikelihood)
    if closed:
        known = {response.name for response in fit.model.responses} | set(fit.model.eta)
        further = [row for row in _further_cells(fit) if row.lhs in known and (row.rhs in known or row.op != "~~")]
    else:
        further = _cells_of_engine(fit)
    if not further:
        return pd.DataFrame(columns=columns)
    found = wider(fit, information, further)
    q, new = fit.model.n_parameters, found.extra_numbers
    held = in_force(fit)
    held = np.hstack([held, np.zeros((len(held), found.model.n_parameters - q))])
    equations = np.vstack([held, np.eye(found.model.n_parameters)[new]]) @ found.chain
    D = null_space(equations)
    alone = np.linalg.pinv(equations)[:, len(held) :]
    units = len(fit.design.first_row[_top(fit)])

    def about(I: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The slopes s, V, and whether the data say something of each candidate that they say of nothing else."""
        freely = alone - D @ (np.linalg.pinv(D.T @ I @ D, hermitian=True) @ (D.T @ (I @ alone)))
        V, own = (np.einsum("pa,pb,ba->a", d, I, d) for d in (freely, alone))
        least = np.maximum(SHARE * np.abs(own), LEAST * units)
        return freely.T @ found.score, V, least < V

    s, V, told = about(found.information)
    kind = np.where(told, found.kind, "").astype(object)
    if found.otherwise is not None and not told.all():
        other = about(found.otherwise())
        instead = ~told & other[2]
        kind[instead] = "first.order"
        s, V = np.where(instead, other[0], s), np.where(instead, other[1], V)
    rows = []
    for row, slope, v, which in zip(further, s, V, kind):
        if row.op in wanted and which:
            klass = ", ".join(f"{name}={k}" for name, k in row.klass)
            where = row.lhs, row.op, row.rhs, row.group, row.level or "", klass
            rows.append((*where, found.counted * slope**2 / v, slope / v, which))
    return pd.DataFrame(rows, columns=columns)


def _top(fit: Fit) -> int:
    return fit.likelihood.n_levels - 1 if isinstance(fit.likelihood, GaussianLikelihood) else fit.likelihood.unit_level


def _cells_of_engine(fit: Fit) -> list[Parameter]:
    """A row for each candidate of a fit by integration."""
    from semgllamm.model.lower import level_index

    levels, model = fit.model.levels, fit.model
    rows = [(row, number) for row, number in zip(fit.diagram.parameters, model.rows) if not row.exogenous]

    def place(row: Parameter) -> tuple:
        return (_key(row.lhs, row.op, row.rhs), row.group, level_index(row.level, levels))

    vary = {  # what has a disturbance of its own
        (row.lhs, row.group) for row, number in rows
        if row.op == "~~" and row.lhs == row.rhs and (number >= 0 or row.fixed)
    }  # fmt: skip
    there = {place(row) for row, _ in rows if not (row.op == "~~" and row.fixed == 0.0)}
    out: list[Parameter] = []

    def propose(row: Parameter) -> None:
        out.append(replace(row, label=f".further{len(out)}.", fixed=None, free=True))

    for row, number in rows:
        if number >= 0 or row.op not in OPERATORS or row.fixed is None:
            continue
        if row.source == "random" or (row.op == "=~" and not row.rhs):
            continue
        if row.op == "~~" and not (row.fixed and row.lhs == row.rhs and row.lhs in model.eta):
            continue
        propose(row)
    height = dict(zip(model.eta, model.eta_level))
    response = {r.name: r for r in model.responses}
    for g in range(1, model.n_groups + 1):
        own = [row for row, _ in rows if row.group == g]
        factors = list(dict.fromkeys(row.lhs for row in own if row.op == "=~" and row.rhs))
        items = list(dict.fromkeys(row.rhs for row in own if row.op == "=~" and row.rhs in response))
        level_of = {row.rhs: row.level for row in own if row.op == "=~"}
        covariates = list(dict.fromkeys(
            row.rhs for row in own if row.op == "~" and row.rhs not in response and row.rhs not in height
            and ":" not in row.rhs
        ))  # fmt: skip
        new = [
            Parameter(f, "=~", y, group=g, level=next(row.level for row in own if (row.lhs, row.op) == (f, "=~")))
            for f in factors for y in items if height[f] >= response[y].level
        ]  # fmt: skip
        varying = [name for name in model.eta if (name, g) in vary]
        new += [
            Parameter(a, "~~", b, group=g, level=next(row.level for row in own if row.op == "~~" and row.lhs == a))
            for k, a in enumerate(varying) for b in varying[k + 1 :] if height[a] == height[b]
        ]  # fmt: skip
        linear = [y for y in items if response[y].family.has_residual]
        new += [
            Parameter(a, "~~", b, group=g, level=next(row.level for row in own if (row.lhs, row.op) == (a, "~~")))
            for k, a in enumerate(linear) for b in linear[k + 1 :]
            if response[a].level == response[b].level and (a, g) in vary and (b, g) in vary
        ]  # fmt: skip
        new += [Parameter(y, "~", x, group=g, level=level_of[y]) for y in items for x in covariates]
        for row in new:
            if place(row) not in there:
                there.add(place(row))
                propose(row)
    return out


def _standardised(fit: Fit, row: Parameter, epc: float, kind: str) -> float:
    """The change in units of standard deviations at the estimates; of a variance, its standardised present value."""
    from semgllamm.model.lower import level_index

    scales = scales_of(fit)[row.group, level_index(row.level, fit.model.levels)]
    factor, _ = scales.factor(row.lhs, row.op, row.rhs, kind)
    if row.op == "~~" and row.lhs == row.rhs:
        present = 0.0 if row.lhs in scales.roles.exogenous else scales.residual_variance(row.lhs)[0]
        return 0.0 if not abs(present) > 1e-8 else float(np.sign(epc) * abs(present) * factor)
    return float(epc * factor)
