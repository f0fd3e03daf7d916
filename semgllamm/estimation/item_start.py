"""Start values of models of wide items on a shared grid, from the margins and covariances of the answers.

The answers of a factor's items are scored by their values. With r the correlation of an item with the first principal
direction of the rest, its latent response y* has loading r/(1 − r²)^½ in units of its own residual, an approximation in
the manner of Lord and Novick (1968, chapter 16); thresholds and intercepts are those of the margins, times
(1 + λ²ψ)^½ in the same units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semgllamm.diagram.diagram import PathDiagram

if TYPE_CHECKING:
    from semgllamm.estimation.grid import GridLikelihood

__all__ = ["item_start_values"]

UNIT = {"logit": 1.7, "probit": 1.0, "cloglog": 1.3}  # standard deviation of a latent residual, about
STRONGEST = 0.85


def item_start_values(likelihood: GridLikelihood, diagram: PathDiagram) -> np.ndarray:
    """Free parameters to start from, (n_free,)."""
    model, working = likelihood.model, likelihood.working
    scores = _scores(likelihood)
    values = np.zeros(model.n_parameters)
    for g, group in enumerate(model.groups):
        strength, variance = {}, {}
        for name in dict.fromkeys(c.column for c in group.Lambda):
            cells = [c for c in group.Lambda if c.column == name and c.times is None]
            found = _strengths(likelihood, scores, [c.row for c in cells])
            marker = next((k for k, c in enumerate(cells) if not c.is_free and c.value != 0.0), None)
            if marker is not None and found[marker] * cells[marker].value < 0:
                found = -found
            sd = _deviation(group, name)
            if sd is None:
                # the marker's loading is given, so that the factor takes its strength
                sd = 1.0 if marker is None else max(abs(found[marker] / cells[marker].value), 0.3)
            variance[name] = sd**2
            for cell, size in zip(cells, found):
                if cell.is_free:
                    values[cell.number] = size / sd
                    strength[cell.row] = strength.get(cell.row, 0.0) + size**2
                else:
                    strength[cell.row] = strength.get(cell.row, 0.0) + cell.value**2 * variance[name]
        measured = {c.column for c in group.Lambda}
        _structure(group, variance, measured, values)
        _locations(likelihood, g, strength, values)
    inner = working.inner_from_cells(values)
    cells = working.cells(inner)
    for row, number in zip(diagram.parameters, model.rows):
        if number >= 0 and row.start is not None:
            cells[number] = row.start
    return working.free_from_inner(working.inner_from_cells(cells))


def _scores(likelihood: GridLikelihood):
    """The place of each item, and the correlations of the answers over the rows that have both."""
    design = likelihood.design
    place = {r.name: k for k, r in enumerate(likelihood.model.responses)}
    y = np.full((len(place), design.n_rows), np.nan)
    for block in design.blocks:
        rate = block.y / block.trials if block.response.family.beside == "trials" else block.y
        y[place[block.response.name], block.rows] = np.log1p(rate) if _counts(block.response.family) else rate
    seen = ~np.isnan(y)
    if seen.all():
        y -= y.mean(axis=1, keepdims=True)
        n, together = design.n_rows, float(design.n_rows)
    else:
        n = np.maximum(seen.sum(axis=1), 1)
        y = np.where(seen, y, 0.0)
        y = np.where(seen, y - (y.sum(axis=1) / n)[:, None], 0.0)
        together = np.maximum(seen.astype(float) @ seen.T, 1.0)
    products = y @ y.T
    spread = np.sqrt(np.diag(products) / n)
    spread = np.where(spread > 0, spread, 1.0)
    return place, products / together / np.outer(spread, spread)


def _counts(family) -> bool:
    return family.link == "log"


def _strengths(likelihood, scores, names) -> np.ndarray:
    """Loadings of the items of a factor of variance one, in units of ν, from the correlations of their scores."""
    place, R = scores
    at = [place[name] for name in names]
    R = R[np.ix_(at, at)].copy()
    k = len(at)
    unit = np.array([UNIT.get(likelihood.model.response(name).family.link, 0.7) for name in names])
    if k < 3:
        sign = np.sign(R[0]) if k else np.ones(0)
        return np.where(sign == 0, 1.0, sign) * 0.6 * unit
    # communalities by iteration from the largest correlations (principal factors)
    np.fill_diagonal(R, np.abs(R - np.eye(k)).max(axis=1))
    largest, vectors = np.linalg.eigh(R)
    largest, direction = largest[-1], vectors[:, -1]
    for _ in range(10):
        loading = direction * np.sqrt(max(largest, 1e-4))
        np.fill_diagonal(R, np.clip(loading**2, 0.01, STRONGEST**2))
        for _ in range(3):
            # the diagonal changes little, and the direction with it
            further = R @ direction
            largest = np.linalg.norm(further)
            direction = further / largest
    loading *= 1.0 if loading.sum() >= 0 else -1.0
    # a correlation of coarse scores is below that of latent responses
    r = np.clip(1.2 * loading, -STRONGEST, STRONGEST)
    r = np.where(np.abs(r) < 0.1, np.where(r < 0, -0.1, 0.1), r)
    return unit * r / np.sqrt(1 - r * r)


def _deviation(group, name) -> float | None:
    """The standard deviation of a latent variable whose variance is fixed."""
    for c in group.Psi:
        if c.row == name == c.column and not c.is_free:
            return float(np.sqrt(c.value)) if c.value > 0 else None
    return None


def _structure(group, variance, measured, values) -> None:
    """Ψ and B: disturbances of half the variance where a latent variable has causes, no regressions yet."""
    caused = {c.row for c in group.B}
    for cell in group.B:
        if cell.is_free and cell.column not in measured and cell.row in variance:
            values[cell.number] = 0.7 * np.sqrt(variance[cell.row])
    for cell in group.Psi:
        if cell.is_free and cell.row == cell.column:
            values[cell.number] = variance.get(cell.row, 1.0) * (0.6 if cell.row in caused else 1.0)
        elif cell.is_free and {cell.row, cell.column} <= measured:
            values[cell.number] = 0.3 * np.sqrt(variance.get(cell.row, 1.0) * variance.get(cell.column, 1.0))


def _locations(likelihood, g, strength, values) -> None:
    """Intercepts and thresholds by the margins of the group."""
    from scipy.special import ndtri

    model, group = likelihood.model, likelihood.model.groups[g]
    quantile = {
        "logit": lambda p: np.log(p / (1 - p)),
        "probit": ndtri,
        "cloglog": lambda p: np.log(-np.log1p(-p)),
    }
    blocks: dict[str, list] = {}
    for block in likelihood.design.blocks:
        if block.group == g:
            blocks.setdefault(block.response.name, []).append(block)
    kappa: dict[str, list] = {}
    for cell in group.kappa:
        kappa.setdefault(cell.row, []).append(cell)
    intercept = {c.row: c for c in group.beta if c.column == "1" and c.is_free}
    for response in model.responses:
        family, mine = response.family, blocks.get(response.name, [])
        if not mine:
            continue
        inflate = np.sqrt(1 + strength.get(response.name, 0.0) / UNIT.get(family.link, 1.0) ** 2)
        total = sum(len(b.rows) for b in mine)
        if response.categories:
            found = {b.category: len(b.rows) for b in mine}
            below = 0
            for k, cell in enumerate(sorted(kappa.get(response.name, ()), key=lambda c: int(c.column[1:]))):
                below += found.get(k, 0)
                p = min(max(below / total, 0.5 / total), 1 - 0.5 / total)
                if cell.is_free:
                    values[cell.number] = inflate * quantile[family.link](p)
        elif response.name in intercept:
            y = sum(b.y.sum() for b in mine)
            n = sum(b.trials.sum() for b in mine)
            if family.link in quantile:
                p = min(max(y / n, 0.5 / n), 1 - 0.5 / n)
                values[intercept[response.name].number] = inflate * quantile[family.link](p)
            elif family.link == "log":
                rate = max(y, 0.5) / n
                values[intercept[response.name].number] = np.log(rate) - 0.5 * strength.get(response.name, 0.0)
            else:
                values[intercept[response.name].number] = y / n
