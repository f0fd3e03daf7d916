"""Differential item functioning: items whose parameters differ between groups on a common scale.

Of a fit to several groups whose anchor items have the same parameters in all of them, h holds the slopes, intercepts
less thresholds, and logits of asymptotes of an item in each further group less those in the first. With J = ∂h/∂θ' and
V the covariance matrix of the estimates, Lord's (1980) statistic is h'(JVJ')⁻¹h, χ² of rank JVJ' degrees of freedom;
the scale of the latent variable is estimated along with the items, by the anchors. How much a difference matters is
told in points of the item's score,

    signed = ∫ [E_g(y | θ) − E_1(y | θ)] φ_g(θ) dθ,       unsigned = ∫ |E_g(y | θ) − E_1(y | θ)| φ_g(θ) dθ,

over the distribution of group g, the population values of Meade's (2010) SIDS and UIDS. Likelihood ratios, scores and
searches for anchors are in `semgllamm.results.item_screens`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.results.contingency import differences, nodes
from semgllamm.results.item_fit import moments_of_codes
from semgllamm.results.items import Item, ItemModel, item_model, one_dimension

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["differential_items"]

SAME = 1e-9  # a derivative of a difference that cannot change
RANK = 1e-10


def differential_items(
    fit: Fit, method: str = "wald", items=None, anchors=None, purify: bool = False, adjust: str | None = None,
    alpha: float = 0.05,
) -> pd.DataFrame:  # fmt: skip
    """Lord's tests of the items that may differ, or a screen; see `Fit.dif`."""
    from semgllamm.results.item_screens import ADJUSTMENTS, METHODS, adjusted, screen

    if method not in METHODS:
        raise ModelError(f"dif method '{method}' is unknown", remedy=f"Use {', '.join(map(repr, METHODS))}.")
    if adjust not in ADJUSTMENTS:
        raise ModelError(f"adjust='{adjust}' is unknown", remedy="Use 'holm', 'bh' or None.")
    if not 0 < alpha < 1:
        raise ModelError(f"alpha lies between 0 and 1, and is {alpha}")
    if method == "wald" and items is None and anchors is None and not purify:
        table = _lords_tests(fit)
        if len(table):
            if adjust is not None:
                table.insert(5, "padj", adjusted(table["pvalue"].to_numpy(), adjust))
            return table
    return screen(fit, method, items, anchors, purify, alpha, adjust)


def _lords_tests(fit: Fit) -> pd.DataFrame:
    """Lord's test of each item that may differ, and the differences in score; columns as `Fit.dif` says.

    Raises
    ------
    ModelError
        For one group, without anchors, without standard errors, and as `semgllamm.results.items.item_model`.
    """
    import pandas as pd
    from scipy.stats import chi2

    labels = fit.model.group_labels
    if len(labels) < 2:
        raise ModelError("differential items are of several groups", remedy="Fit with group='COLUMN'.")
    V = fit._vcov_free
    if V is None:
        raise ModelError("this fit has no standard errors", remedy="Fit with se='standard'.")
    working = fit._working

    def at(free: np.ndarray) -> list[ItemModel]:
        cells = working.cells(working.inner(free))
        return [item_model(fit, g, cells) for g in range(len(labels))]

    def gaps(free: np.ndarray) -> np.ndarray:
        return np.concatenate([gap for *_, gap in _gaps(at(free))])

    here = at(fit.free)
    for items in here:
        one_dimension(items, "differential items")
    found = _gaps(here)
    owner = np.repeat(np.arange(len(found)), [len(gap) for *_, gap in found])
    J, h = differences(gaps, np.asarray(fit.free, dtype=float)), gaps(fit.free)
    may_differ = (np.abs(J) > SAME).any(axis=1) | (np.abs(h) > SAME)
    known = ~np.isnan(np.diag(V))
    names = [item.name for item in here[0].items]
    anchors = [name for name in names
               if not any(may_differ[owner == k].any() for k, (_, i, _) in enumerate(found) if names[i] == name)]
    if not anchors:
        raise ModelError(
            "no item has the same parameters in all groups, so that there is no common scale to compare the others on",
            remedy="Fit with group_equal=('loadings', 'thresholds', 'intercepts') and the items in question in "
                   "group_partial.",
        )  # fmt: skip
    rows = []
    for k, (g, i, _) in enumerate(found):
        mine = np.flatnonzero((owner == k) & may_differ)
        if not len(mine):
            continue
        lost = (np.abs(J[mine][:, ~known]) > SAME).any()
        part = J[mine][:, known]
        stat, df = (np.nan, len(mine)) if lost else _wald(h[mine], part @ V[np.ix_(known, known)] @ part.T)
        signed, unsigned = _in_points(here[0].items[i], here[g])
        rows.append({
            "item": names[i], "group": labels[g], "stat": stat, "df": df, "pvalue": float(chi2.sf(stat, df)),
            "signed": signed, "unsigned": unsigned,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=["item", "group", "stat", "df", "pvalue", "signed", "unsigned"])


def _gaps(models: list[ItemModel]) -> list[tuple[int, int, np.ndarray]]:
    """(group, item, its parameters less those in the first group)."""
    out = []
    for g, items in enumerate(models[1:], start=1):
        for i, (first, item) in enumerate(zip(models[0].items, items.items, strict=True)):
            if item.name != first.name or item.n_categories != first.n_categories:
                raise ModelError(f"'{item.name}' and '{first.name}' are not the same item in all groups")
            out.append((g, i, _parameters(item) - _parameters(first)))
    return out


def _parameters(item: Item) -> np.ndarray:
    if item.family.is_joint:
        return np.concatenate([(item.slopes[1:] - item.slopes[0]).ravel(), item.intercept[1:] - item.intercept[0]])
    if item.family.thresholds:
        return np.concatenate([item.slopes[0], item.intercept - item.own])
    return np.concatenate([item.slopes[0], item.intercept, item.own])


def _wald(h: np.ndarray, covariance: np.ndarray) -> tuple[float, int]:
    value, vectors = np.linalg.eigh(covariance)
    keep = value > RANK * value[-1]
    along = vectors[:, keep].T @ h
    return float((along**2 / value[keep]).sum()), int(keep.sum())


def _in_points(first: Item, items: ItemModel) -> tuple[float, float]:
    """Signed and unsigned differences of the expected score; NaN of nominal items."""
    if first.family.is_joint:
        return np.nan, np.nan
    theta, weight = nodes(items)
    item = next(item for item in items.items if item.name == first.name)
    gap = moments_of_codes(item.probabilities(theta))[0] - moments_of_codes(first.probabilities(theta))[0]
    return float(weight @ gap), float(weight @ np.abs(gap))
