"""Intraclass correlations: of the (latent) responses of two rows of the same unit,

    ρ_l = Σ_{k ≥ l} ψ_k / (Σ_k ψ_k + θ),

ψ_k the variances of random intercepts at the levels, the residual variance θ being that of the link where there is
none: π²/3 (logit), 1 (probit), π²/6 (cloglog). Standard errors are by the delta method.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from semgllamm.results.fit import Fit

__all__ = ["intraclass_correlations"]


def intraclass_correlations(fit: Fit) -> list[tuple[str, str, float, float]]:
    """(response, level, value, standard error) where a response has random intercepts and nothing else."""
    model = fit.model
    out = []
    for response in model.responses:
        group = model.groups[0]
        loads = [c for c in group.Lambda if c.row == response.name]
        names = [c.column for c in loads]
        simple = all(not c.is_free and c.value == 1.0 and c.times is None for c in loads)
        causes = [c for c in group.B if c.row in names]
        bent = any(c.row in (response.name, *names) for c in group.products)
        if not loads or not simple or causes or bent or len(model.groups) > 1 or len(set(names)) < len(names):
            continue
        levels = [model.eta_level[model.eta.index(name)] for name in names]
        if min(levels) <= response.level or len(set(levels)) < len(levels):
            continue
        residual = response.family.residual_variance
        theta = next((c for c in group.Theta if c.row == c.column == response.name), None)
        scaled = residual is not None and any(c.row == response.name for c in group.alpha)
        if scaled or (residual is None and theta is None):
            continue
        cells = {c.row: c for c in group.Psi if c.row == c.column}

        def ratio(values, level, names=names, levels=levels, residual=residual, theta=theta, cells=cells):
            variances = [cells[name].at(values) for name in names]
            rest = residual if residual is not None else theta.at(values)
            return sum(v for v, at in zip(variances, levels) if at >= level) / (sum(variances) + rest)

        for level in sorted(set(levels)):
            value = ratio(fit._cells, level)
            slope = _slope(lambda v, level=level: ratio(v, level), fit._cells)
            used = slope != 0
            variance = slope[used] @ fit._vcov_cells[np.ix_(used, used)] @ slope[used]
            out.append((response.name, model.levels[level], float(value), float(np.sqrt(variance))))
    return out


def _slope(function, at: np.ndarray) -> np.ndarray:
    out = np.zeros(len(at))
    for k in range(len(at)):
        h = 1e-6 * max(1.0, abs(at[k]))
        up, down = at.copy(), at.copy()
        up[k] += h
        down[k] -= h
        out[k] = (function(up) - function(down)) / (2 * h)
    return out
