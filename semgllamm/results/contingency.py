"""The fit of items to their contingency table: Pearson's X², G², and M2 of its univariate and bivariate margins.

    X² = N Σ_r (p_r − π_r)² / π_r,     G² = 2N Σ_r p_r log(p_r / π_r),     df = cells − 1 − q,

over all answer patterns r, and with p₂, π₂ the proportions P(y_i = k) and P(y_i = k, y_j = l), k, l ≥ 1, observed and
expected, Ξ₂ = the covariance of √N p₂ and Δ₂ = ∂π₂/∂θ' (Maydeu-Olivares & Joe 2006, equations 2.6 and 3.8),

    M2 = N (p₂ − π₂)' [Ξ₂⁻¹ − Ξ₂⁻¹Δ₂(Δ₂'Ξ₂⁻¹Δ₂)⁻¹Δ₂'Ξ₂⁻¹] (p₂ − π₂),     df = rank Ξ₂ − rank Δ₂:

with L the root of Ξ₂ this is what of L⁻¹√N(p₂ − π₂) is orthogonal to L⁻¹Δ₂. The margins are those of all categories,
not of sums of codes. RMSEA2 = √max(0, (M2 − df) / (N df)) and SRMSR, the root mean square of differences of
product-moment correlations of codes, follow Maydeu-Olivares & Joe (2014); CFI2 compares with M2 of independent items.
Expected proportions are integrals over the latent variables by the trapezoidal rule.

G groups have a table each: X² and G² are sums over them, on G fewer degrees of freedom than there are cells, and M2 is
of the margins of all, with Ξ₂ in blocks and the rows of Δ₂ and p₂ − π₂ times √N_g. RMSEA2 is then multiplied by √G, and
SRMSR is an average over the units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import DataError, ModelError
from semgllamm.results.items import ItemModel, answers, item_model, log_probabilities, one_hot, whole

if TYPE_CHECKING:
    from semgllamm.results.fit import Fit

__all__ = ["Margins", "complete_answers", "contingency_fit", "differences", "expected_correlations", "margins", "nodes",
           "pattern_probabilities", "tabulated"]  # fmt: skip

RULES = {1: (8.0, 0.1), 2: (7.0, 0.25), 3: (6.0, 0.5)}  # reach and distance of nodes by number of latent variables
MOST_MARGINS = 4000
STEP = 1e-4  # of differences in parameters
RANK = 1e-7
AT_ONCE = 500  # patterns


def nodes(items: ItemModel) -> tuple[np.ndarray, np.ndarray]:
    """Values of the latent variables (Q, K) and their weights.

    Raises
    ------
    ModelError
        For more than three latent variables.
    """
    K = len(items.latents)
    if K not in RULES:
        raise ModelError(f"expected proportions are integrals over up to three latent variables, not {K}")
    reach, distance = RULES[K]
    z = np.arange(-reach, reach + distance / 2, distance)
    z = np.stack([axis.ravel() for axis in np.meshgrid(*[z] * K, indexing="ij")], axis=1)
    weight = np.exp(-0.5 * (z**2).sum(axis=1))
    value, vectors = np.linalg.eigh(items.covariance)
    return items.mean + z @ (vectors * np.sqrt(np.maximum(value, 0.0))).T, weight / weight.sum()


def complete_answers(fit: Fit, items: ItemModel, what: str) -> np.ndarray:
    """Category codes (n, items).

    Raises
    ------
    DataError
        Where an answer is missing.
    """
    codes = answers(fit, items)
    if np.isnan(codes).any():
        raise DataError(f"{what} need complete rows; {int(np.isnan(codes).any(axis=1).sum())} rows are not",
                        remedy="Fit with missing='listwise'.")
    return codes.astype(np.int64)


def pattern_probabilities(items: ItemModel, codes: np.ndarray) -> np.ndarray:
    """P(y) of each answer pattern, a row of `codes`."""
    theta, weight = nodes(items)
    table = log_probabilities(items, theta)
    parts = [np.exp(one_hot(items, codes[k : k + AT_ONCE]) @ table) @ weight for k in range(0, len(codes), AT_ONCE)]
    return np.concatenate(parts)


@dataclass(frozen=True)
class Margins:
    """Univariate and bivariate proportions of categories from the second on.

    Attributes
    ----------
    first, second : (s,) int arrays
        The categories, counted over all items, that a proportion is of; `second` is −1 in univariate ones.
    item : (categories,) int array
        The item of each category.
    """

    first: np.ndarray
    second: np.ndarray
    item: np.ndarray

    def of(self, x: np.ndarray) -> np.ndarray:
        """Products (n, s) of the categories' columns in x, (n, categories)."""
        return x[:, self.first] * np.where(self.second >= 0, x[:, self.second], 1.0)

    def covariance(self, p: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Ξ₂ of items that are independent given nodes, with probabilities p (Q, categories) of weights (Q,)."""
        u = self.of(p)
        mean = weight @ u
        out = u.T @ (weight[:, None] * u)
        for i in range(self.item.max() + 1):
            # products with an item in common: it counts once, if its category is the same
            is_first, is_second = self.item[self.first] == i, (self.second >= 0) & (self.item[self.second] == i)
            mine = np.flatnonzero(is_first | is_second)
            own = np.where(is_first, self.first, self.second)[mine]
            other = np.where(is_first, self.second, self.first)[mine]
            rest = np.where(other >= 0, p[:, other], 1.0)
            for category in np.unique(own):
                here = np.flatnonzero(own == category)
                block = rest[:, here].T @ ((weight * p[:, category])[:, None] * rest[:, here])
                out[np.ix_(mine[here], mine[here])] = block
                out[np.ix_(mine[here], mine[own != category])] = 0.0
        # the same two items: both categories are the same, or it cannot be
        pair = np.where(self.second >= 0, self.item[self.first] * (self.item.max() + 1) + self.item[self.second], -1)
        for number in np.unique(pair[pair >= 0]):
            mine = np.flatnonzero(pair == number)
            out[np.ix_(mine, mine)] = np.diag(mean[mine])
        return out - np.outer(mean, mean)


def margins(items: ItemModel) -> Margins:
    """The margins that M2 is of."""
    item = np.repeat(np.arange(len(items.items)), [i.n_categories for i in items.items])
    start = np.searchsorted(item, item)
    later = np.flatnonzero(np.arange(len(item)) > start)
    a, b = np.triu_indices(len(later), 1)
    a, b = later[a], later[b]
    apart = item[a] != item[b]
    first = np.concatenate([later, a[apart]])
    second = np.concatenate([np.full(len(later), -1), b[apart]])
    return Margins(first, second, item)


def _orthogonal_part(e: np.ndarray, Xi: np.ndarray, Delta: np.ndarray) -> tuple[float, int]:
    """(Ξ⁻¹ − Ξ⁻¹Δ(Δ'Ξ⁻¹Δ)⁻¹Δ'Ξ⁻¹) around e, and its rank.

    Directions in which Ξ has no variance, as with expected proportions of zero, tell nothing and are left out.
    """
    value, vectors = np.linalg.eigh(Xi)
    known = value > 1e-12 * value[-1]
    root = vectors[:, known] / np.sqrt(value[known])
    x, D = root.T @ e, root.T @ Delta
    size = np.linalg.norm(D, axis=0)
    D = D[:, size > 0] / size[size > 0]
    left, singular, _ = np.linalg.svd(D, full_matrices=False)
    left = left[:, singular > RANK * singular.max(initial=0.0)]
    df = int(known.sum()) - left.shape[1]
    x = x - left @ (left.T @ x)
    return (float(x @ x) if df else 0.0), df


def contingency_fit(fit: Fit) -> dict[str, float]:
    """Statistics of the contingency table, by name.

    Raises
    ------
    ModelError, DataError
        As `semgllamm.results.items.whole`; for incomplete rows, more than three latent variables, constraints that are
        not linear, and tables of too many margins.
    """
    from scipy.stats import chi2

    what = "tests of the contingency table"
    whole(fit, what, several=True)
    if fit._restricted is not None:
        raise ModelError(f"{what} are not available with inequalities, bounds and nonlinear constraints")
    models = [item_model(fit, g) for g in range(len(fit.model.groups))]
    every = complete_answers(fit, models[0], what)
    codes = [every[fit.design.group_of == g] for g in range(len(models))]
    x2 = g2 = patterns = cells = 0.0
    for items, mine in zip(models, codes):
        n = len(mine)
        found, count = np.unique(mine, axis=0, return_counts=True)
        share, expected = count / n, pattern_probabilities(items, found)
        x2 += n * (((share - expected) ** 2 / expected).sum() + max(1.0 - expected.sum(), 0.0))
        g2 += 2 * n * (share * np.log(share / expected)).sum()
        patterns += len(found)
        cells += float(np.prod([float(item.n_categories) for item in items.items]))
    df = cells - len(models) - fit.npar
    out = {"n": float(len(every)), "patterns": float(patterns), "cells": cells}
    for name, value in (("x2", x2), ("g2", g2)):
        out |= {name: value, f"{name}.df": df, f"{name}.pvalue": float(chi2.sf(value, df)) if df > 0 else np.nan}
    return out | _limited_information(fit, models, codes)


def _limited_information(fit: Fit, models: list[ItemModel], codes: list[np.ndarray]) -> dict[str, float]:
    """M2 and what follows from it."""
    from scipy.linalg import block_diag
    from scipy.stats import chi2

    from semgllamm.results.fit_measures import rmsea

    parts = [margins(items) for items in models]
    s = sum(len(part.first) for part in parts)
    if s > MOST_MARGINS:
        raise ModelError(f"M2 is of {s} univariate and bivariate proportions, more than {MOST_MARGINS}")
    working, n = fit._working, sum(map(len, codes))
    root = [np.sqrt(len(mine)) for mine in codes]
    tables = [tabulated(items) for items in models]
    left, alone = [], []
    for items, part, mine, (_, p, weight) in zip(models, parts, codes, tables):
        observed = one_hot(items, mine.astype(float))
        chunks = [part.of(observed[k : k + AT_ONCE]).sum(axis=0) for k in range(0, len(mine), AT_ONCE)]
        alone.append(observed.mean(axis=0))
        left.append((sum(chunks) / len(mine), weight @ part.of(p)))

    def expected(free: np.ndarray) -> np.ndarray:
        cells = working.cells(working.inner(free))
        found = [tabulated(item_model(fit, g, cells)) for g in range(len(models))]
        return np.concatenate([r * (w @ part.of(p)) for r, part, (_, p, w) in zip(root, parts, found)])

    Xi = block_diag(*(part.covariance(p, weight) for part, (_, p, weight) in zip(parts, tables)))
    e = np.concatenate([r * (seen - wanted) for r, (seen, wanted) in zip(root, left)])
    m2, df = _orthogonal_part(e, Xi, differences(expected, np.asarray(fit.free, dtype=float)))
    none = none_df = 0.0
    for r, part, shares, (seen, _) in zip(root, parts, alone, left):
        at, independent = _independent(part, shares)
        stat, its_df = _orthogonal_part(
            r * (seen - independent(at)), part.covariance(shares[None], np.ones(1)), differences(independent, at)
        )
        none, none_df = none + stat, none_df + its_df
    close = rmsea(m2, df, n, len(models))
    worse = max(none - none_df, m2 - df, 0.0)
    srmsr = [_srmsr(items, mine, p, weight) for items, mine, (_, p, weight) in zip(models, codes, tables)]
    return {
        "m2": m2, "m2.df": float(df), "m2.pvalue": float(chi2.sf(m2, df)) if df > 0 else np.nan,
        "rmsea2": close["rmsea"], "rmsea2.ci.lower": close["rmsea.ci.lower"],
        "rmsea2.ci.upper": close["rmsea.ci.upper"], "cfi2": 1.0 - max(m2 - df, 0.0) / worse if worse > 0 else 1.0,
        "srmsr": float(np.average(srmsr, weights=[len(mine) for mine in codes])),
    }  # fmt: skip


def _independent(part: Margins, shares: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Observed univariate proportions, and what margins of independent items they make."""
    inside = np.flatnonzero(part.second < 0)

    def independent(free: np.ndarray) -> np.ndarray:
        q = np.zeros(len(shares))
        q[part.first[inside]] = free
        return part.of(q[None])[0]

    return shares[part.first[inside]], independent


def tabulated(items: ItemModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes, the probabilities of all categories there, and weights."""
    theta, weight = nodes(items)
    return theta, np.concatenate([item.probabilities(theta) for item in items.items], axis=1), weight


def differences(f, at: np.ndarray) -> np.ndarray:
    """Central differences, (values, parameters)."""
    columns = []
    for k in range(len(at)):
        h = np.zeros(len(at))
        h[k] = STEP * max(1.0, abs(at[k]))
        columns.append((f(at + h) - f(at - h)) / (2 * h[k]))
    return np.stack(columns, axis=1)


def _srmsr(items: ItemModel, codes: np.ndarray, p: np.ndarray, weight: np.ndarray) -> float:
    """NaN with nominal items, whose codes have no order."""
    if any(item.family.is_joint for item in items.items) or len(items.items) < 2:
        return np.nan
    off = np.triu_indices(len(items.items), 1)
    gap = np.corrcoef(codes.T)[off] - expected_correlations(items, p, weight)[off]
    return float(np.sqrt((gap**2).mean()))


def expected_correlations(items: ItemModel, p: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Product-moment correlations of the codes by the model, (items, items)."""
    edges = np.cumsum([0, *(item.n_categories for item in items.items)])
    scores = [np.arange(item.n_categories) for item in items.items]
    mean = np.stack([p[:, a:b] @ x for a, b, x in zip(edges[:-1], edges[1:], scores)], axis=1)
    square = np.stack([p[:, a:b] @ x**2 for a, b, x in zip(edges[:-1], edges[1:], scores)], axis=1)
    covariance = mean.T @ (weight[:, None] * mean)
    np.fill_diagonal(covariance, weight @ square)
    covariance -= np.outer(weight @ mean, weight @ mean)
    sd = np.sqrt(np.diag(covariance))
    return covariance / np.outer(sd, sd)
