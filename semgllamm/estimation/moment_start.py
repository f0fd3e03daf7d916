"""Start values of Gaussian models from the covariances S of the responses, without iteration.

With r the weighted sum of a factor's other standardised measures, a loading is cov(y, r) over that of the marker (a
method of instruments; Hägglund 1982). Given the loadings Λ, with M = Λ(Λ'Λ)⁻¹ and S − Θ for S without what is residual,

    cov η = M'(S − Θ)M,   cov(y, η) = SM,

and each regression is the one of these covariances: b = C_cc⁻¹C_cr, c the causes of r.
"""

from __future__ import annotations

import numpy as np

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.estimation.gaussian import GaussianLikelihood
from semgllamm.integration.gaussian import Moments
from semgllamm.model.matrices import Cell, Matrices

__all__ = ["moment_start_values"]

LEAST, MOST = 0.1, 0.9  # shares of a variance that are taken for residual
DISTINCT = 0.1  # least eigenvalue of the correlations of factors


def moment_start_values(likelihood: GaussianLikelihood, diagram: PathDiagram) -> np.ndarray:
    """Free parameters of a Gaussian model to start from, (n_free,)."""
    model = likelihood.model
    cells = np.zeros(model.n_parameters)
    levels = [*((r.name, r.level) for r in model.responses), *zip(model.eta, model.eta_level)]
    for group, sample, covariates in zip(model.groups, likelihood.samples, likelihood.covariates):
        names = (*likelihood.responses, *covariates)
        covariances, mean = _pooled(sample.moments, len(covariates))
        used = sorted({at for _, at in levels})
        if len(covariances) < len(used):
            # where levels are not told apart, each has its share
            covariances = [covariances[0] / len(used)] * len(used)
        for level, covariance in zip(used, covariances):
            own = {name for name, at in levels if at == level}
            _fill(cells, group, names, own, len(likelihood.responses), covariance, mean)
    for row, number in zip(diagram.parameters, model.rows):
        if number >= 0 and row.start is not None:
            cells[number] = row.start
    return cells if likelihood.identity else likelihood.working.free_from_inner(cells)


def _pooled(moments: Moments, k: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Covariances of responses and k covariates over all patterns, pairwise, one matrix a level, and their means."""
    seen = np.concatenate([moments.seen, np.ones((len(moments.n), k), dtype=bool)], axis=1).astype(float)
    yx, xx = moments.yx[:, :, :k], moments.xx[:, :k, :k]
    products = np.concatenate(
        [np.concatenate([moments.yy, yx], axis=2), np.concatenate([yx.swapaxes(1, 2), xx], axis=2)], axis=1
    )

    def pooled(some) -> np.ndarray:
        together = (moments.n[some] * seen[some].T) @ seen[some]
        return np.tensordot(moments.n[some], products[some], 1) / np.maximum(together, 1.0)

    mean = np.concatenate([moments.shift_y, moments.shift_x[:k]])
    if moments.scale.shape[1] == 1:
        return [pooled(slice(None))], mean
    inside = moments.scale[:, 1] == 0
    means = pooled(~inside)
    within = pooled(inside) if inside.any() else 0.5 * means
    share = moments.n[~inside] @ moments.scale[~inside, 0] / moments.n[~inside].sum()
    between = means - share * within
    np.fill_diagonal(between, np.maximum(np.diag(between), LEAST * np.diag(means)))
    return [within, between], mean


def _fill(
    cells: np.ndarray, group: Matrices, names: tuple[str, ...], own: set[str], p: int, covariance: np.ndarray,
    mean: np.ndarray,
) -> None:  # fmt: skip
    """Start values of one group and level, whose variables are `own`; `names` are p responses, and covariates."""
    place = {name: k for k, name in enumerate(names)}
    measures: dict[str, list[Cell]] = {}
    for cell in group.Lambda:
        if cell.column in own:
            measures.setdefault(cell.column, []).append(cell)
    several = {cell.row for mine in measures.values() if len(mine) > 1 for cell in mine}
    # what stands for the residual of a measure of others
    lone = {mine[0].row: name for name, mine in measures.items() if len(mine) == 1 and mine[0].row in several}
    factors = tuple(name for name in measures if name not in lone.values())
    Lam, variances = np.zeros((p, len(factors))), np.ones(len(factors))
    held = {cell.row: cell.value for cell in group.Psi if cell.row == cell.column and not cell.is_free}
    structure = [cell for cell in (*group.beta, *group.B, *group.Gamma) if cell.row in own]
    regressed = {cell.row for cell in structure if cell.column != "1"}
    for k, name in enumerate(factors):
        at = [place[cell.row] for cell in measures[name]]
        loadings, variances[k] = _measured(measures[name], at, covariance)
        if held.get(name, 0) > 0 and name not in regressed and all(cell.is_free for cell in measures[name]):
            loadings, variances[k] = loadings * np.sqrt(variances[k] / held[name]), held[name]
        Lam[at, k] += loadings
        for cell, value in zip(measures[name], loadings):
            if cell.is_free:
                cells[cell.number] = value
    joint = _with_factors(covariance, Lam, variances)
    whole, r = np.diag(joint), len(names)
    place |= {name: r + k for k, name in enumerate(factors)}
    left = whole.copy()
    left[:p] -= ((Lam @ joint[r:, r:]) * Lam).sum(axis=1)
    for row in _in_causal_order(structure) & place.keys():
        if place[row] >= p or not Lam[place[row]].any():
            mine = [cell for cell in structure if cell.row == row and cell.column in place]
            left[place[row]] = _regress(cells, place[row], mine, [place[cell.column] for cell in mine], joint)
    left = np.clip(left, LEAST * whole, whole)
    variance = {name: left[k] for name, k in place.items()} | {name: left[place[y]] for y, name in lone.items()}
    _higher_factors(cells, group, set(measures), variance)
    for cell in (*group.Theta, *group.Psi):
        if cell.is_free and cell.row in own:
            if cell.row == cell.column:
                cells[cell.number] = variance.get(cell.row, 1.0)
            elif {cell.row, cell.column} <= set(factors) - regressed:
                cells[cell.number] = joint[place[cell.row], place[cell.column]]
    for cell in group.beta:
        if cell.is_free and cell.column == "1" and cell.row in own:
            causes = [c for c in group.beta if c.row == cell.row and c.column in names]
            cells[cell.number] = mean[place[cell.row]] - sum(c.at(cells) * mean[place[c.column]] for c in causes)
    _means_of_factors(cells, group, place, factors, regressed, Lam, mean)


def _means_of_factors(cells, group: Matrices, place, factors, regressed, Lam: np.ndarray, mean: np.ndarray) -> None:
    """Free means of factors that nothing explains, where intercepts of measures are held: Λμ = ȳ − ν, least squares."""
    free = {cell.row: cell.number for cell in group.Gamma if cell.column == "1" and cell.is_free}
    at = [k for k, name in enumerate(factors) if name in free and name not in regressed]
    written = {cell.row: cell for cell in group.beta if cell.column == "1"}
    responses = [name for name, k in place.items() if k < len(Lam) and Lam[k].any()]
    held = [name for name in responses if name not in written or not written[name].is_free]
    if not at or not held:
        return
    rows = [place[name] for name in held]
    level = mean[rows] - [written[name].value if name in written else 0.0 for name in held]
    mu = np.linalg.lstsq(Lam[np.ix_(rows, at)], level, rcond=None)[0]
    for k, value in zip(at, mu):
        cells[free[factors[k]]] = value
    for name in set(responses) - set(held):
        cells[written[name].number] -= Lam[place[name], at] @ mu


def _measured(mine: list[Cell], at: list[int], covariance: np.ndarray) -> tuple[np.ndarray, float]:
    """The loadings of one factor's measures, the fixed one that sets its scale among them, and its variance."""
    S = covariance[np.ix_(at, at)]
    deviation = np.sqrt(np.maximum(np.diag(S), 1e-12))
    R = S / np.outer(deviation, deviation)
    off = R - np.diag(np.diag(R))
    vector = np.linalg.eigh(R)[1][:, -1]
    vector = vector if vector.sum() >= 0 else -vector
    along = off @ vector
    along = np.where(np.abs(along) < 0.1, np.where(vector < 0, -0.1, 0.1), along) * deviation
    # in units of the marker, else in those of the first measure
    marker = next((k for k, cell in enumerate(mine) if not cell.is_free and cell.value != 0.0), None)
    first, unit = (0, deviation[0]) if marker is None else (marker, mine[marker].value)
    along = along / along[first] * unit
    loadings = np.array([along[k] if cell.is_free else cell.value for k, cell in enumerate(mine)])
    # by the covariances of different measures, λ_i λ_j φ
    squares = np.outer(loadings, loadings)
    np.fill_diagonal(squares, 0.0)
    variance = (squares * S).sum() / max((squares**2).sum(), 1e-12)
    whole = S[first, first] / max(loadings[first] ** 2, 1e-12)
    return loadings, float(np.clip(variance, LEAST * whole, MOST * whole))


def _with_factors(covariance: np.ndarray, Lam: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Covariances of all variables and the factors, whose correlations stay away from 1."""
    p, f = Lam.shape
    M = np.zeros((len(covariance), f))
    M[:p] = np.linalg.lstsq(Lam.T, np.eye(f), rcond=None)[0] if f else 0.0
    crossed = covariance @ M
    scale = np.sqrt(variances)
    R = (M.T @ crossed) / np.outer(scale, scale)
    np.fill_diagonal(R, 1.0)
    lowest = np.linalg.eigvalsh(R)[0] if f else 1.0
    shrink = 1.0 if lowest >= DISTINCT else (1 - DISTINCT) / (1 - lowest)
    R = shrink * R + (1 - shrink) * np.eye(f)
    return np.block([[covariance, crossed], [crossed.T, R * np.outer(scale, scale)]])


def _regress(cells: np.ndarray, row: int, mine: list[Cell], causes: list[int], joint: np.ndarray) -> float:
    """Fill in the free coefficients of one equation; the variance that it leaves over."""
    free = [k for k, cell in enumerate(mine) if cell.is_free]
    value = np.array([cell.value for cell in mine])
    value[free] = 0.0
    C, to_row = joint[np.ix_(causes, causes)], joint[causes, row]
    value[free] = np.linalg.lstsq(C[np.ix_(free, free)], (to_row - C @ value)[free], rcond=1e-6)[0]
    for k in free:
        cells[mine[k].number] = value[k]
    return float(joint[row, row] - 2 * value @ to_row + value @ C @ value)


def _in_causal_order(structure: list[Cell]) -> set[str]:
    """The variables that are not on a loop of paths, or behind one, where regressions mislead."""
    causes: dict[str, set[str]] = {}
    for cell in structure:
        if cell.column != "1":
            causes.setdefault(cell.row, set()).add(cell.column)
    done: set[str] = set()
    while True:
        next_ones = {row for row in causes.keys() - done if causes[row] & causes.keys() <= done}
        if not next_ones:
            return done
        done |= next_ones


def _higher_factors(cells: np.ndarray, group: Matrices, measured: set[str], variance: dict[str, float]) -> None:
    """Factors whose measures are factors have the variance 1, and explain half of each."""
    for cell in group.B:
        if cell.column not in measured and cell.row in measured:
            if cell.is_free:
                cells[cell.number] = np.sqrt(variance[cell.row])
            variance[cell.row] *= 0.5
