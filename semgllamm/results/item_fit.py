"""How each item fits: S-X² of its curve over sum scores, and mean squared residuals.

Of the units with sum score k, N_k in number, a share O_kz gave answer z to item i. With S_k(θ) the probability of the
score, and S*_k(θ) that of the other items' (Lord & Wingersky 1984),

    E_kz = ∫ P_iz S*_{k−z} φ / ∫ S_k φ,        S-X² = Σ_k N_k Σ_z (O_kz − E_kz)² / E_kz

(Orlando & Thissen 2000, equations 3 and 5; Kang & Chen 2008 for several categories), over all scores but the lowest and
the highest. Scores, and then categories, are joined with their neighbours where fewer than one answer is expected. The
degrees of freedom are the number of free cells less m_i, the parameters of the curve that other items do not share:
rank J − rank J₋ᵢ with J the derivatives of all items' parameters. Several groups have a table each, and an item whose
parameters are those of another group has none of its own there.

With residuals of the codes, r = y − E(y | θ̂), and V = var(y | θ̂), θ̂ the posterior mean: outfit = mean r²/V, and
infit = Σr² / ΣV (Wright & Masters 1982).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.results.contingency import complete_answers, differences, nodes
from semgllamm.results.items import ItemModel, item_model, one_dimension, whole

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["item_fit", "moments_of_codes", "own_parameters", "score_probabilities"]

LEAST = 1.0  # expected answers in a cell
RANK = 1e-6


def item_fit(fit: Fit) -> pd.DataFrame:
    """S-X², infit and outfit, a row an item.

    Raises
    ------
    ModelError, DataError
        As `semgllamm.results.items.whole`; for several latent variables, nominal items and incomplete rows.
    """
    import pandas as pd

    first = whole(fit, "tests of items", several=True)
    one_dimension(first, "tests of items by sum scores")
    refuse_nominal(first, "sum scores")
    codes = complete_answers(fit, first, "tests of items by sum scores")
    theta = fit.latent(se=False)[list(first.latents)].to_numpy()
    labels, out = fit.model.group_labels, []
    for g, label in enumerate(labels):
        mine = fit.design.group_of == g
        for row in _of_group(fit, g, codes[mine], theta[mine]):
            out.append({"item": row.pop("item"), **({"group": label} if len(labels) > 1 else {}), **row})
    return pd.DataFrame(out)


def _of_group(fit: Fit, g: int, codes: np.ndarray, theta: np.ndarray) -> list[dict]:
    """A row for each item in one group."""
    from scipy.stats import chi2

    items = item_model(fit, g)
    number = own_parameters(fit, items, g)
    at, weight = nodes(items)
    p = [item.probabilities(at) for item in items.items]
    score = codes.sum(axis=1)
    top = sum(item.n_categories - 1 for item in items.items)
    how_many = np.bincount(score, minlength=top + 1)
    total = weight @ score_probabilities(p)
    out = []
    for i, item in enumerate(items.items):
        rest = score_probabilities(p[:i] + p[i + 1 :])
        K = item.n_categories
        expected = np.zeros((top + 1, K))
        for z in range(K):
            expected[z : z + rest.shape[1], z] = weight @ (p[i][:, z, None] * rest)
        expected *= (how_many / total)[:, None]
        observed = np.zeros((top + 1, K))
        np.add.at(observed, (score, codes[:, i]), 1.0)
        stat, cells = _pearson(observed[1:top], expected[1:top])
        df = cells - number[i]
        mean, variance = moments_of_codes(item.probabilities(theta))
        r2 = (codes[:, i] - mean) ** 2
        out.append({
            "item": item.name, "s_x2": stat, "df": df, "pvalue": float(chi2.sf(stat, df)) if df > 0 else np.nan,
            "infit": r2.sum() / variance.sum(), "outfit": (r2 / variance).mean(),
        })  # fmt: skip
    return out


def refuse_nominal(items: ItemModel, what: str) -> None:
    """Refuse items whose codes have no order.

    Raises
    ------
    ModelError
    """
    for item in items.items:
        if item.family.is_joint:
            raise ModelError(f"{what} need ordered answers; those of '{item.name}' are nominal")


def moments_of_codes(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the code 0, 1, … whose probabilities lie along the last axis."""
    codes = np.arange(p.shape[-1])
    mean = p @ codes
    return mean, (p * (codes - mean[..., None]) ** 2).sum(axis=-1)


def score_probabilities(p: list[np.ndarray]) -> np.ndarray:
    """The distribution of the sum score given nodes, (Q, scores), of items with probabilities (Q, categories) each."""
    out = np.ones((len(p[0]) if p else 1, 1))
    for one in p:
        new = np.zeros((len(one), out.shape[1] + one.shape[1] - 1))
        for z in range(one.shape[1]):
            new[:, z : z + out.shape[1]] += one[:, z, None] * out
        out = new
    return out


def own_parameters(fit: Fit, items: ItemModel, group: int = 0) -> list[int]:
    """How many parameters of each item's curve in a group are not those of others, or of other groups."""
    working = fit._working
    size = [len(x) for x in items.natural()]
    groups = [group, *(g for g in range(len(fit.model.groups)) if g != group)]

    def natural(free: np.ndarray) -> np.ndarray:
        cells = working.cells(working.inner(free))
        return np.concatenate([x for g in groups for x in item_model(fit, g, cells).natural()])

    J = differences(natural, np.asarray(fit.free, dtype=float))
    owner = np.full(len(J), -1)
    owner[: sum(size)] = np.repeat(np.arange(len(size)), size)
    rank = _rank(J)
    return [rank - _rank(J[owner != i]) for i in range(len(size))]


def _rank(J: np.ndarray) -> int:
    return int(np.linalg.matrix_rank(J, tol=RANK * np.abs(J).max())) if J.size else 0


def _pearson(observed: np.ndarray, expected: np.ndarray) -> tuple[float, int]:
    """X² and free cells of a table of scores by categories, after neighbours are joined."""
    stat, free = 0.0, 0
    for o, e in _joined_scores(observed, expected):
        o, e = _joined_categories(o, e)
        stat += float(((o - e) ** 2 / e).sum())
        free += len(e) - 1
    return stat, free


def _joined_scores(observed: np.ndarray, expected: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows of the table, with neighbours together until two categories are left."""
    rows: list[tuple[np.ndarray, np.ndarray]] = []
    o, e = np.zeros(observed.shape[1]), np.zeros(observed.shape[1])
    for one, other in zip(observed, expected):
        o, e = o + one, e + other
        if len(_joined_categories(o, e)[1]) > 1:
            rows.append((o, e))
            o, e = np.zeros_like(o), np.zeros_like(e)
    if e.sum() > 0 and rows:
        rows[-1] = rows[-1][0] + o, rows[-1][1] + e
    return rows


def _joined_categories(o: np.ndarray, e: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Categories, with neighbours together until each has an expected answer."""
    groups: list[list[float]] = []
    seen, wanted = 0.0, 0.0
    for one, other in zip(o, e):
        seen, wanted = seen + one, wanted + other
        if wanted >= LEAST:
            groups.append([seen, wanted])
            seen, wanted = 0.0, 0.0
    if groups:
        groups[-1][0] += seen
        groups[-1][1] += wanted
    joined = np.array(groups).reshape(-1, 2)
    return joined[:, 0], joined[:, 1]
