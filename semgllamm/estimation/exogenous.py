"""Exogenous covariates that have a part at each level, and so a density, and are conditioned on all the same.

The moments of all covariates are held at the values that they have in the unrestricted model, in which all variables
covary freely at each level, as Rosseel (2012) does. Of the log-likelihood that of the covariates with rows or clusters
for their only level is taken off; that of the parted ones, whose parts are not observed, stays in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from semgllamm.data.design import Design
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.parts import Parameter
from semgllamm.errors import EstimationError
from semgllamm.estimation.gaussian import GaussianLikelihood
from semgllamm.estimation.maximum import maximum_likelihood
from semgllamm.estimation.settings import Request, Settings
from semgllamm.model.lower import lower
from semgllamm.model.matrices import Model

__all__ = ["condition"]


def condition(
    diagram: PathDiagram, model: Model, design: Design, covariates: Sequence[str]
) -> tuple[PathDiagram, Model, Design]:
    """Hold the moments of covariates at those of the unrestricted model.

    Parameters
    ----------
    diagram : PathDiagram
        Completed, with free moments of the covariates.
    model, design : Model, Design
        Of this diagram, with the covariates among the responses.
    covariates : sequence of str

    Returns
    -------
    diagram, model, design
        The moments' rows are marked as exogenous, their cells are fixed, and the design has the log-likelihood of the
        covariates of one level in `given` and the number of moments in `held`.

    Raises
    ------
    EstimationError
        If the unrestricted model has no maximum.
    """
    values = _unrestricted(diagram, model, design)
    own = [k for k, row in enumerate(diagram.parameters) if _is_moment(row, covariates)]
    held = list(diagram.parameters)
    for k in own:
        held[k] = replace(held[k], free=False, fixed=values.get(_key(held[k]), held[k].fixed))
    model = lower(replace(diagram, parameters=tuple(held)), model.levels, model.responses, model.group_labels)
    for k in own:
        held[k] = replace(held[k], exogenous=True)
    given = tuple(_given(diagram, design, covariates, g) for g in range(len(model.groups)))
    count = sum(_key(held[k]) in values for k in own)
    return replace(diagram, parameters=tuple(held)), model, replace(design, given=given, held=count)


def _is_moment(row: Parameter, covariates: Sequence[str]) -> bool:
    ends = {row.lhs} if row.op == "~1" else {row.lhs, row.rhs}
    return row.op in ("~~", "~1") and row.source == "default" and ends <= set(covariates)


def _key(row: Parameter) -> tuple:
    return row.op, frozenset((row.lhs, row.rhs)), row.group, row.level


def _levels_of(diagram: PathDiagram, name: str, group: int) -> list[str | None]:
    """The levels at which a variable is named, the lowest first."""
    levels = {row.level for row in diagram.parameters if row.group == group and name in (row.lhs, row.rhs)}
    return sorted(levels, key=diagram.height)


def _unrestricted(diagram: PathDiagram, model: Model, design: Design) -> dict[tuple, float]:
    """The moments of all variables at each level, where they are as free as can be."""
    rows = []
    for group in range(1, len(model.groups) + 1):
        at = {r.name: _levels_of(diagram, r.name, group) for r in model.responses}
        for level in dict.fromkeys(level for levels in at.values() for level in levels):
            names = [name for name, levels in at.items() if level in levels]
            for k, name in enumerate(names):
                rows += [Parameter(name, "~~", other, group=group, level=level) for other in names[k:]]
                if level == at[name][-1]:
                    rows.append(Parameter(name, "~1", "", group=group, level=level))
    free = replace(diagram, parameters=tuple(rows), paths=(), constraints=(), definitions=())
    saturated = lower(free, model.levels, model.responses, model.group_labels)
    likelihood = GaussianLikelihood(saturated, design)
    found = maximum_likelihood(likelihood, free, None, Settings(), Request())
    if not found["convergence"].converged:
        names = ", ".join(r.name for r in model.responses)
        raise EstimationError(f"the unrestricted moments of {names} have no maximum: {found['convergence'].message}")
    cells = likelihood.working.inner(found["free"])
    return {_key(row): float(cells[number]) for row, number in zip(rows, saturated.rows)}


def _given(diagram: PathDiagram, design: Design, covariates: Sequence[str], group: int) -> float:
    """log L of the covariates of one level at its maximum, −½ n (p log 2π + log|S| + p) for each level."""
    by_level: dict[str | None, list[np.ndarray]] = {}
    for block in design.blocks:
        if block.group == group and block.response.name in covariates:
            levels = _levels_of(diagram, block.response.name, group + 1)
            if len(levels) == 1:
                by_level.setdefault(levels[0], []).append(block.y)
    total = 0.0
    for values in by_level.values():
        Z = np.stack(values, axis=1)
        n, p = Z.shape
        S = np.atleast_2d(np.cov(Z.T, bias=True))
        total += -0.5 * n * (p * np.log(2 * np.pi) + np.linalg.slogdet(S)[1] + p)
    return total
