"""Reliability and validity of the items of factors.

Of k items with sample covariances s_ij (or correlations: alpha_standardized), and of a factor of variance φ with
loadings λ_i and residual covariances θ_ij of its items,

    alpha   k/(k − 1) (1 − Σ s_ii / Σ s_ij)                                        (Cronbach 1951)
    omega   (Σ λ_i)²φ / ((Σ λ_i)²φ + Σ θ_ij)                                       (McDonald 1999; Raykov 2001)
    ave     Σ λ_i²φ / (Σ λ_i²φ + Σ θ_ii), of standardised items                   (Fornell & Larcker 1981)
            ave_unstandardized: of the items as they are
    HTMT    mean r between the items of two factors / √(mean r within the one · mean r within the other)
                                                                      (Henseler, Ringle & Sarstedt 2015)

An item that loads on several factors counts for each of them. Of two levels the residual covariances and φ are those of
the factor's level; alpha and HTMT, which are of the sample, need complete rows of one level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.results.standardized import Scales, closed_form_of, scales_of

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["heterotrait_monotrait", "reliability"]


def _items(fit: Fit, scales: Scales) -> dict[str, list[str]]:
    """The observed items of each factor of a block; factors of factors have none."""
    observed = set(fit.likelihood.responses)
    out: dict[str, list[str]] = {}
    for name in scales.roles.latents:
        rows = [r for r in fit.diagram.parameters if r.op == "=~" and r.lhs == name and r.group == scales.group]
        items = [r.rhs for r in rows if r.rhs in observed and (r.free or r.fixed)]
        if items:
            out[name] = items
    return out


def _sample_covariance(fit: Fit, group: int) -> np.ndarray | None:
    """Covariances of the responses of a group; None for incomplete rows and for clusters."""
    sample = fit.likelihood.samples[group - 1]
    if fit.likelihood.n_levels > 1 or not sample.moments.complete:
        return None
    weight = np.ones(len(sample.y)) if sample.weight is None else sample.weight
    y = sample.y - (weight @ sample.y) / weight.sum()
    return (y.T * weight) @ y / weight.sum()


def _alpha(S: np.ndarray) -> float:
    k = len(S)
    return k / (k - 1) * (1 - np.trace(S) / S.sum()) if k > 1 else np.nan


def _residuals(fit: Fit, scales: Scales) -> np.ndarray:
    """Covariances of the responses given all latent variables, at the level of the block."""
    p = len(fit.likelihood.responses)
    kept = [*range(p), *(p + k for k, name in enumerate(fit.model.eta) if name in fit.model.hidden)]
    B, _, _ = scales.graph.matrices(fit._cells)
    A = np.linalg.inv(np.eye(len(kept)) - B[np.ix_(kept, kept)])[:p]
    return A @ scales.residual[np.ix_(kept, kept)] @ A.T


def reliability(fit: Fit) -> pd.DataFrame:
    """The table of coefficients; see `Fit.reliability`."""
    import pandas as pd

    likelihood = closed_form_of(fit, "coefficients of reliability are")
    place = {name: k for k, name in enumerate(likelihood.responses)}
    rows, index = [], []
    for (group, level), scales in scales_of(fit).items():
        S = _sample_covariance(fit, group)
        items_of = _items(fit, scales)
        if not items_of:
            continue
        B, _, _ = scales.graph.matrices(fit._cells)
        Theta = _residuals(fit, scales)
        for factor, items in items_of.items():
            at = [place[name] for name in items]
            loading, phi = B[at, scales.node[factor]], scales.total[scales.node[factor], scales.node[factor]]
            theta, spread = Theta[np.ix_(at, at)], np.diag(scales.total)[at]
            common = loading.sum() ** 2 * phi
            explained, left = loading**2 * phi, np.diag(theta)
            both = (np.nan, np.nan)
            if S is not None:
                s = S[np.ix_(at, at)]
                d = np.sqrt(np.diag(s))
                both = _alpha(s), _alpha(s / np.outer(d, d))
            ave = (explained / spread).sum() / ((explained + left) / spread).sum()
            index.append(factor)
            rows.append((group, fit.model.levels[level] if level else "", *both, common / (common + theta.sum()), ave,
                         explained.sum() / (explained + left).sum()))  # fmt: skip
    if not rows:
        raise ModelError("the model has no factors with observed items")
    columns = ["group", "level", "alpha", "alpha_standardized", "omega", "ave", "ave_unstandardized"]
    return pd.DataFrame(rows, columns=columns, index=pd.Index(index, name="factor"))


def heterotrait_monotrait(fit: Fit, group: int = 1) -> pd.DataFrame:
    """The ratios of every pair of factors, 1 on the diagonal."""
    import pandas as pd

    likelihood = closed_form_of(fit, "heterotrait-monotrait ratios are")
    if not 1 <= group <= len(likelihood.samples):
        raise ModelError(f"there is no group {group}", remedy=f"Groups count from 1 to {len(likelihood.samples)}.")
    S = _sample_covariance(fit, group)
    if S is None:
        raise ModelError("heterotrait-monotrait ratios need complete rows of one level")
    items = _items(fit, scales_of(fit)[group, 0])
    few = [name for name, its in items.items() if len(its) < 2]
    if few or len(items) < 2:
        what = f"{few[0]} has one item" if few else "there are fewer than two factors"
        raise ModelError(f"heterotrait-monotrait ratios compare factors of several items: {what}")
    d = np.sqrt(np.diag(S))
    R = S / np.outer(d, d)
    place = {name: k for k, name in enumerate(likelihood.responses)}
    at = {factor: [place[name] for name in its] for factor, its in items.items()}
    within = {f: R[np.ix_(k, k)][np.tril_indices(len(k), -1)].mean() for f, k in at.items()}
    out = pd.DataFrame(np.eye(len(at)), index=list(at), columns=list(at))
    for f in at:
        for g in at:
            if f != g:
                product = within[f] * within[g]
                out.loc[f, g] = R[np.ix_(at[f], at[g])].mean() / np.sqrt(product) if product > 0 else np.nan
    return out
