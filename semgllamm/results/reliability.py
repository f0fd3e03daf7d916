"""Reliability and validity of the items of factors.

Of k items with sample covariances s_ij (or correlations: alpha_standardized), and of a factor of variance φ with
loadings λ_i and residual covariances θ_ij of its items,

    alpha   k/(k − 1) (1 − Σ s_ii / Σ s_ij)                                        (Cronbach 1951)
    omega   (Σ λ_i)²φ / ((Σ λ_i)²φ + Σ θ_ij)                                       (McDonald 1999; Raykov 2001)
    ave     Σ λ_i²φ / (Σ λ_i²φ + Σ θ_ii), of standardised items                   (Fornell & Larcker 1981)
            ave_unstandardized: of the items as they are
    HTMT    mean r between the items of two factors / √(mean r within the one · mean r within the other)
                                                                      (Henseler, Ringle & Sarstedt 2015)

An item that loads on several factors counts for each of them. The s_ij are moments of the saturated model: the sample's
own where rows are complete, their maximum likelihood estimates where not; with two levels, where S is the sum of a part
within clusters and one between, those of the factor's level, as are φ and θ_ij (Geldhof, Preacher & Zyphur 2014).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.model.lower import level_index
from semgllamm.results.moments import blocks, saturated_of
from semgllamm.results.standardized import Scales, closed_form_of, scales_of

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.estimation.gaussian import Sample
    from semgllamm.results.fit import Fit

__all__ = ["heterotrait_monotrait", "reliability"]


def _items(fit: Fit, scales: Scales) -> dict[str, list[str]]:
    """The observed items of each factor of a block; factors of factors have none."""
    observed = set(fit.likelihood.responses)
    out: dict[str, list[str]] = {}
    for name in scales.roles.latents:
        items = [
            r.rhs for r in fit.diagram.parameters
            if r.op == "=~" and r.lhs == name and r.group == scales.group and r.rhs in observed and (r.free or r.fixed)
            and level_index(r.level, fit.model.levels) == scales.level
        ]  # fmt: skip
        if items:
            out[name] = items
    return out


def _sample_covariances(fit: Fit) -> dict[tuple[int, int], np.ndarray]:
    """Covariances of the responses by group (from 1) and level.

    NaN where a response has no part at the level, where two responses are never seen together, and if the saturated
    model of incomplete rows has no maximum.
    """
    likelihood = fit.likelihood
    one = likelihood.n_levels == 1
    if one and all(sample.moments.complete for sample in likelihood.samples):
        return {(g, 0): _of_complete(sample) for g, sample in enumerate(likelihood.samples, start=1)}
    names = likelihood.responses
    nothing = np.full((len(names),) * 2, np.nan)
    if not np.isfinite(saturated_of(fit).maximum[1]):
        return {key: nothing for key in scales_of(fit)}
    out = {}
    for block in blocks(fit):
        at = [names.index(name) for name in block.names[: block.n_y]]
        S = nothing.copy()
        S[np.ix_(at, at)] = block.sample_cov[: block.n_y, : block.n_y]
        if one:
            moments = likelihood.samples[block.group].moments
            S[np.einsum("k,kpq->pq", moments.n, moments.both) == 0] = np.nan
        out[block.group + 1, block.level] = S
    return out


def _of_complete(sample: Sample) -> np.ndarray:
    weight = np.ones(len(sample.y)) if sample.weight is None else sample.weight
    y = sample.y - (weight @ sample.y) / weight.sum()
    return (y.T * weight) @ y / weight.sum()


def _correlations(S: np.ndarray) -> np.ndarray:
    """NaN where a variance is not positive, as it can be between clusters."""
    variance = np.diag(S)
    deviation = np.sqrt(np.where(variance > 0, variance, np.nan))
    return S / np.outer(deviation, deviation)


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
    samples = _sample_covariances(fit)
    rows, index = [], []
    for (group, level), scales in scales_of(fit).items():
        items_of = _items(fit, scales)
        if not items_of:
            continue
        S = samples[group, level]
        B, _, _ = scales.graph.matrices(fit._cells)
        Theta = _residuals(fit, scales)
        for factor, items in items_of.items():
            at = [place[name] for name in items]
            loading, phi = B[at, scales.node[factor]], scales.total[scales.node[factor], scales.node[factor]]
            theta, spread = Theta[np.ix_(at, at)], np.diag(scales.total)[at]
            common = loading.sum() ** 2 * phi
            explained, left = loading**2 * phi, np.diag(theta)
            s = S[np.ix_(at, at)]
            both = _alpha(s), _alpha(_correlations(s))
            ave = (explained / spread).sum() / ((explained + left) / spread).sum()
            index.append(factor)
            rows.append((group, fit.model.levels[level] if level else "", *both, common / (common + theta.sum()), ave,
                         explained.sum() / (explained + left).sum()))  # fmt: skip
    if not rows:
        raise ModelError("the model has no factors with observed items")
    columns = ["group", "level", "alpha", "alpha_standardized", "omega", "ave", "ave_unstandardized"]
    return pd.DataFrame(rows, columns=columns, index=pd.Index(index, name="factor"))


def heterotrait_monotrait(fit: Fit, group: int = 1, level: str | int | None = None) -> pd.DataFrame:
    """The ratios of every pair of factors, 1 on the diagonal; see `Fit.htmt`."""
    import pandas as pd

    likelihood = closed_form_of(fit, "heterotrait-monotrait ratios are")
    if not 1 <= group <= len(likelihood.samples):
        raise ModelError(f"there is no group {group}", remedy=f"Groups count from 1 to {len(likelihood.samples)}.")
    at_level = level_index(None if level is None else str(level), fit.model.levels)
    scales = scales_of(fit).get((group, at_level))
    if scales is None:
        raise ModelError(f"the model has no variables at level '{level}'")
    R = _correlations(_sample_covariances(fit)[group, at_level])
    items = _items(fit, scales)
    few = [name for name, its in items.items() if len(its) < 2]
    if few or len(items) < 2:
        what = f"{few[0]} has one item" if few else "there are fewer than two factors"
        raise ModelError(f"heterotrait-monotrait ratios compare factors of several items: {what}")
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
