"""Scores of one latent variable of categorical items: modes, maximum and weighted likelihood, and plausible values.

With ℓ(θ) = Σ_i log P_i(y_i | θ) of the answers that were given, and the prior N(μ, σ²), whose mean covariates may
predict,

    mode         ℓ' − (θ − μ)/σ² = 0,     variance 1 / (1/σ² − ℓ'')
    ml           ℓ' = 0,                  variance 1 / −ℓ''
    wle          ℓ' + J / 2I = 0,         variance 1 / I,     I = ΣΣ_k P_k'² / P_k,  J = ΣΣ_k P_k' P_k'' / P_k
                 (Warm 1989, equations 9 and 12)
    plausible    draws from φ((θ − μ)/σ) exp ℓ(θ) on a grid, of which the density is linear between the nodes
                 (Mislevy 1991, at the estimates of the parameters)

Roots are sought where the left-hand side falls through 0 between nodes of a grid; of several the one of the highest
value of the function that is maximised counts, and it is none if that is higher at an end of the grid, 20 σ out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.results.items import (
    ItemModel,
    answers,
    item_model,
    log_probabilities,
    one_dimension,
    one_hot,
    trait_means,
    whole,
)

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["density_grid", "of_items", "plausible_values", "score_reliability", "trait_scores"]

REACH = {"mode": 10.0, "ml": 20.0, "wle": 20.0}  # of the grid, in prior standard deviations
SPACING = 0.1
FLAT = 1e-9  # a slope that is none, per prior standard deviation
ROWS = 10_000  # at once


def trait_scores(fit: Fit, kind: str, se: bool = True) -> pd.DataFrame:
    """Scores of a kind and their standard errors, a row a unit.

    Raises
    ------
    ModelError
        As `semgllamm.results.items.whole`, and for several latent variables.
    """
    import pandas as pd

    value, error = np.full((2, fit.design.n_rows), np.nan)
    name = ""
    for items, rows, codes, mean in _groups(fit):
        name = items.latents[0]
        found, inverse = np.unique(np.column_stack([codes, mean]), axis=0, return_inverse=True)
        parts = [_scores(items, kind, found[k : k + ROWS, :-1], found[k : k + ROWS, -1])
                 for k in range(0, len(found), ROWS)]  # fmt: skip
        score, spread = np.concatenate(parts, axis=1)
        value[rows], error[rows] = score[inverse.ravel()], spread[inverse.ravel()]
    out = {name: value, f"{name}.se": error} if se else {name: value}
    return pd.DataFrame(out, index=_index(fit))


def _index(fit: Fit):
    from semgllamm.results.latent import unit_ids

    return unit_ids(fit, 0)


def _groups(fit: Fit) -> Iterator[tuple[ItemModel, np.ndarray, np.ndarray, np.ndarray]]:
    """Items, rows, answers and prior means of each group."""
    first = whole(fit, "scores of items", given=True)
    one_dimension(first, "scores of this kind")
    codes, mean = answers(fit, first), trait_means(fit, first)[:, 0]
    for g in range(len(fit.model.groups)):
        rows = np.flatnonzero(fit.design.group_of == g)
        yield item_model(fit, g), rows, codes[rows], mean[rows]


# ------------------------------------------------------------------------------------------------- estimates


def _scores(items: ItemModel, kind: str, codes: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores and standard errors of different answers."""
    sd, reach = items.sd, REACH[kind]
    low, high = mean.min() - reach * sd, mean.max() + reach * sd
    grid = np.linspace(low, high, int(np.ceil((high - low) / (SPACING * sd))) + 1)
    slope = _on_grid(items, kind, codes, mean, grid)
    height = np.zeros_like(slope)
    height[:, 1:] = np.cumsum(0.5 * (slope[:, 1:] + slope[:, :-1]) * np.diff(grid), axis=1)
    falls = (slope[:, :-1] * sd > FLAT) & (slope[:, 1:] * sd < -FLAT)
    peak = np.where(falls, np.maximum(height[:, :-1], height[:, 1:]), -np.inf)
    at = np.argmax(peak, axis=1)
    there = np.arange(len(codes))
    ends = np.maximum(height[:, 0], height[:, -1])
    known = falls.any(axis=1) & (peak[there, at] > ends + FLAT)
    value, error = np.full((2, len(codes)), np.nan)
    if known.any():
        mine = np.flatnonzero(known)
        value[mine] = _root(
            lambda theta, some: _slope(items, kind, codes[mine[some]], mean[mine[some]], theta),
            grid[at[mine]], grid[at[mine] + 1], 1e-9 * sd,
        )  # fmt: skip
        error[mine] = _slope(items, kind, codes[mine], mean[mine], value[mine])[1] ** -0.5
    return value, error


def _on_grid(items: ItemModel, kind: str, codes: np.ndarray, mean: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """The function whose root is sought, (n, nodes)."""
    parts = items.slopes_in_theta(grid)
    slopes = [np.divide(d1, p, out=np.zeros_like(p), where=p > 0) for p, d1, _ in parts]
    I = np.stack([(d1 * one).sum(axis=1) for (_, d1, _), one in zip(parts, slopes)])
    J = np.stack([(d2 * one).sum(axis=1) for (_, _, d2), one in zip(parts, slopes)])
    out = one_hot(items, codes) @ np.concatenate(slopes, axis=1).T
    if kind == "mode":
        return out - (grid - mean[:, None]) / items.sd**2
    if kind == "wle":
        given = (~np.isnan(codes)).astype(float)
        I, J = given @ I, given @ J
        out += np.where(I > FLAT**2, J / (2 * np.maximum(I, FLAT**2)), 0.0)
    return out


def _slope(items: ItemModel, kind: str, codes: np.ndarray, mean: np.ndarray, theta: np.ndarray):
    """The same at one θ for each row, and what is one over the variance."""
    first, second, I, J = np.zeros((4, len(theta)))
    for k, (p, d1, d2) in enumerate(items.slopes_in_theta(theta)):
        given = ~np.isnan(codes[:, k])
        answer = np.where(given, codes[:, k], 0.0).astype(np.int64)[:, None]
        # categories too unlikely for a number tell nothing
        one, two = (np.divide(x, p, out=np.zeros_like(p), where=p > 0) for x in (d1, d2))
        a1, a2 = (np.take_along_axis(x, answer, axis=1)[:, 0] for x in (one, two))
        first += np.where(given, a1, 0.0)
        second += np.where(given, a2 - a1**2, 0.0)
        I += np.where(given, (d1 * one).sum(axis=1), 0.0)
        J += np.where(given, (d2 * one).sum(axis=1), 0.0)
    if kind == "mode":
        return first - (theta - mean) / items.sd**2, 1 / items.sd**2 - second
    if kind == "wle":
        return first + J / (2 * np.maximum(I, FLAT**2)), I
    return first, -second


def _root(f: Callable, a: np.ndarray, b: np.ndarray, tolerance: float) -> np.ndarray:
    """Where f falls through 0 between a and b, for each element: Newton's steps, or halves where they leave (a, b).

    `f` gives its value and about minus its derivative.
    """
    a, b = a.copy(), b.copy()
    x = 0.5 * (a + b)
    todo = np.arange(len(a))
    for step in range(120):
        value, fall = f(x[todo], todo)
        up = value > 0
        a[todo[up]], b[todo[~up]] = x[todo[up]], x[todo[~up]]
        with np.errstate(divide="ignore", invalid="ignore"):
            new = x[todo] + value / fall
        outside = ~((new > a[todo]) & (new < b[todo])) | (step % 10 == 9)
        new = np.where(outside, 0.5 * (a[todo] + b[todo]), new)
        moved = np.abs(new - x[todo])
        x[todo] = new
        todo = todo[moved > tolerance]
        if not len(todo):
            break
    return x


# ------------------------------------------------------------------------------------------------- draws


def density_grid(items: ItemModel, mean: np.ndarray) -> np.ndarray:
    """Nodes that cover the prior of all means, close enough for the narrowest posterior."""
    low, high = mean.min() - 7 * items.sd, mean.max() + 7 * items.sd
    most = items.information(np.linspace(low, high, 101)).sum(axis=1).max()
    spacing = min(items.sd / 15, 0.2 / np.sqrt(most + items.sd**-2))
    return np.linspace(low, high, int(np.ceil((high - low) / spacing)) + 1)


def plausible_values(fit: Fit, n: int, seed: int | None) -> pd.DataFrame:
    """Draws from the posterior of each row; the arguments are those of `Fit.latent`.

    Raises
    ------
    ModelError
        As `trait_scores`, and for numbers of draws below 1.
    """
    import pandas as pd

    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ModelError(f"the number of plausible values is a whole number from 1, not {n!r}")
    rng = np.random.default_rng(seed)
    out = np.empty((n, fit.design.n_rows))
    name = ""
    for items, rows, codes, mean in _groups(fit):
        name = items.latents[0]
        grid = density_grid(items, mean)
        table = log_probabilities(items, grid[:, None])
        for k in range(0, len(rows), ROWS):
            mine = slice(k, k + ROWS)
            log = one_hot(items, codes[mine]) @ table - 0.5 * ((grid - mean[mine, None]) / items.sd) ** 2
            out[:, rows[mine]] = _draws(log, grid, n, rng)
    index = _index(fit)
    if n > 1:
        index = pd.MultiIndex.from_product([range(1, n + 1), index], names=["draw", index.name])
    return pd.DataFrame({name: out.ravel()}, index=index)


def _draws(log: np.ndarray, grid: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, rows) draws from densities (rows, nodes) that are linear between the nodes, of equal distances h.

    Within a cell of height g0 on the left and g1 on the right, tg0 + t²(g1 − g0)/2 of its area g0/2 + g1/2 lie in the
    first share t.
    """
    g = np.exp(log - log.max(axis=1, keepdims=True))
    area = np.cumsum(0.5 * (g[:, :-1] + g[:, 1:]), axis=1)
    out = np.empty((n, len(g)))
    start = np.arange(len(g)) * g.shape[1]
    # all rows in one sorted sequence, so that one search finds the cells of all
    whole_areas = np.concatenate([[0.0], np.cumsum(area[:, -1])])
    steps = (area + whole_areas[:-1, None]).ravel()
    for k in range(n):
        u = rng.random(len(g)) * area[:, -1]
        cell = np.searchsorted(steps, u + whole_areas[:-1], side="right") - np.arange(len(g)) * area.shape[1]
        cell = np.clip(cell, 0, area.shape[1] - 1)
        below = np.where(cell > 0, area[np.arange(len(g)), np.maximum(cell - 1, 0)], 0.0)
        g0, g1 = g.ravel()[start + cell], g.ravel()[start + cell + 1]
        v = np.clip(u - below, 0.0, 0.5 * (g0 + g1))
        t = 2 * v / np.maximum(g0 + np.sqrt(np.maximum(g0**2 + 2 * v * (g1 - g0), 0.0)), 1e-300)
        out[k] = grid[cell] + np.clip(t, 0.0, 1.0) * (grid[1] - grid[0])
    return out


# ------------------------------------------------------------------------------------------------- reliability


def of_items(fit: Fit) -> bool:
    """Whether a fit is of categorical items of one latent variable of the rows alone."""
    try:
        return len(whole(fit, "scores of items", given=True).latents) == 1
    except ModelError:
        return False


def score_reliability(fit: Fit, level: str | int | None = None) -> pd.DataFrame:
    """Empirical and marginal reliability; columns as `Fit.score_reliability` says.

    Marginal reliability is ∫ I/(I + 1/σ²) φ, with I/(I + 1/σ²) that of a score at θ.
    """
    import pandas as pd

    scores = fit.latent(level=level)
    names = [name for name in scores.columns if not name.endswith(".se")]
    rows = []
    for name in names:
        spread, error = np.var(scores[name], ddof=1), np.mean(scores[f"{name}.se"] ** 2)
        rows.append({"latent": name, "empirical": spread / (spread + error), "marginal": np.nan})
    try:
        items = whole(fit, "marginal reliabilities")
    except ModelError:
        items = None
    if items is not None and len(items.latents) == 1:
        z = np.linspace(-8.0, 8.0, 401)
        weight = np.exp(-0.5 * z**2) / np.exp(-0.5 * z**2).sum()
        information = items.information(items.mean[0] + items.sd * z).sum(axis=1)
        for row in rows:
            if row["latent"] == items.latents[0]:
                row["marginal"] = weight @ (information / (information + items.sd**-2))
    return pd.DataFrame(rows)
