"""What leaving out a unit would do to the estimates: one Newton step of the log-likelihood without it.

With s_j and H_j the score and information of unit j at the estimates, Σ s_j = 0 and H = Σ H_j,

    θ̂_(j) ≈ θ̂ − Δ_j,    Δ_j = (H − H_j)⁻¹ s_j,      Cook's distance  D_j = Δ_j' H Δ_j / p

(Cook 1986; Pregibon 1981). H_j is the derivative of the units' scores, by central differences. Changes that are
reported are those of the parameters' values at θ̂ − Δ_j, in standard errors: dfbetas (Belsley, Kuh & Welsch 1980).
Scores have the weights of their units; of those that are alike one is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.estimation.drawing import independent_level

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["influence"]

STEP = 1e-3  # of differences, in standard errors


def influence(fit: Fit) -> pd.DataFrame:
    """Cook's distances and dfbetas, a row a unit; see `Fit.influence`."""
    import pandas as pd

    from semgllamm.results.latent import unit_ids

    fit.binding.need_rows("influences of units")
    if fit.request.objective != "ML":
        raise ModelError("influences of units are for estimates of maximum likelihood")
    if fit.model.classes:
        raise ModelError(f"influences of units are not available in models with {fit.model.what_is_summed} yet")
    if fit._restricted is not None:
        raise ModelError("influences of units are not available with nonlinear or inequality constraints")
    if fit._vcov_free is None:
        raise ModelError("this fit has no standard errors", remedy="Fit with se='standard'.")
    known = np.flatnonzero(~np.isnan(np.diag(fit._vcov_free)))
    steps, H = _steps(fit, known)
    inner_of, cells_of = fit.likelihood.working.inner, fit.likelihood.working.cells
    without = np.stack([cells_of(inner_of(free)) for free in np.asarray(fit.free) - steps])
    with np.errstate(invalid="ignore", divide="ignore"):
        change = (fit._cells - without) / np.sqrt(np.diag(fit._vcov_cells))
    cook = np.einsum("ja,ab,jb->j", steps[:, known], H, steps[:, known]) / len(known)
    level = independent_level(fit.likelihood, fit.request.clustered)
    out = pd.DataFrame(change, columns=list(fit.model.names), index=unit_ids(fit, level))
    out.insert(0, "cook", cook)
    return out


def _steps(fit: Fit, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Δ of each unit, (units, n_free), and H of the parameters `known`; those on their boundary stay there."""
    free = np.array(fit.free, dtype=float)
    scores, alike = _unit_scores(fit, free), _alike(fit)
    H_j = np.empty((len(scores), len(known), len(known)))
    size = np.sqrt(np.diag(fit._vcov_free))
    for a, k in enumerate(known):
        h = STEP * size[k]
        sides = []
        for sign in (1.0, -1.0):
            moved = free.copy()
            moved[k] += sign * h
            sides.append(_unit_scores(fit, moved)[:, known])
        H_j[:, :, a] = -(sides[0] - sides[1]) / (2 * h)
    H_j = 0.5 * (H_j + np.swapaxes(H_j, 1, 2))
    H = H_j.sum(axis=0)
    scores, H_j = scores / alike[:, None], H_j / alike[:, None, None]
    steps = np.zeros_like(scores)
    steps[:, known] = np.linalg.solve(H - H_j, scores[:, known, None])[..., 0]
    return steps, H


def _alike(fit: Fit) -> np.ndarray:
    """How many independent units each stands for."""
    top = len(fit.design.codes) - 1 if fit.request.clustered else fit.likelihood.unit_level
    return fit.design.repeats(top).astype(float)


def _unit_scores(fit: Fit, free: np.ndarray) -> np.ndarray:
    scores = fit.likelihood.unit_scores(free, fit.points)
    if not fit.request.clustered:
        return scores
    # units that the model does not name, within clusters
    code = fit.design.codes[-1][fit.design.first_row[fit.likelihood.unit_level]]
    out = np.zeros((len(fit.design.first_row[-1]), scores.shape[1]))
    np.add.at(out, code, scores)
    return out
