"""Implied and sample moments of Gaussian models, block by block, and what lies between them.

A block is a group or, with two levels, a level of a group. Its moments are those of responses y and covariates x,

    cov = ( Σ + ΠS_xxΠ'  ΠS_xx )      mean = (Πx̄, x̄),
          (    S_xxΠ'      S_xx  )

of the model, and of the saturated model for the sample: with complete rows these are the sample's own. With two levels
x are the covariates of a level, and of the mean of a response with a part at each level only the sum is identified: Πx̄
is the part within, Πx̄ and the intercept the part between, which is the whole mean where rows have no covariates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.estimation.benchmarks import MomentModel, saturated
from semgllamm.estimation.gaussian import GaussianLikelihood, Sample
from semgllamm.integration.gaussian import Evaluation
from semgllamm.results.standardized import closed_form_of

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["Block", "blocks", "implied", "residuals", "sample_moments", "saturated_of"]

KINDS = ("raw", "cor", "cor.bentler", "normalized", "standardized")
EXACT = 1e-6  # a difference below this, in units of standard deviations, is none


@dataclass(frozen=True)
class Block:
    """Moments of one group and level: by the model and by the saturated model.

    Attributes
    ----------
    names : tuple of str
        Responses, then covariates.
    n : float
        Rows, or clusters, of the block.
    n_y : int
        Responses among the names.
    model_cov, sample_cov : (k, k) arrays
    model_mean, sample_mean : (k,) arrays
        None without a mean structure.
    """

    label: str
    group: int
    level: int
    names: tuple[str, ...]
    n: float
    n_y: int
    model_cov: np.ndarray
    sample_cov: np.ndarray
    model_mean: np.ndarray | None
    sample_mean: np.ndarray | None


def saturated_of(fit: Fit) -> MomentModel:
    """The saturated model of a fit's data, made once."""
    if fit._saturated is None:
        fit._saturated = saturated(fit.likelihood, fit.free)
    return fit._saturated


def blocks(fit: Fit, what: str = "moments are") -> list[Block]:
    """The blocks of a fit in closed form.

    Raises
    ------
    ModelError
        For fits by quadrature, whose responses have no such moments.
    """
    likelihood = closed_form_of(fit, what)
    here = likelihood.at(fit.free)
    there = saturated_of(fit).at_maximum
    out = []
    for g, (sample, model, free) in enumerate(zip(likelihood.samples, here, there)):
        label = fit.model.group_labels[g]
        if likelihood.n_levels == 1:
            out.append(_plain_block(likelihood, g, label, sample, model, free))
        else:
            out += _level_blocks(likelihood, g, label, sample, model, free, fit.model.levels)
    return out


def _joined(Sigma, Pi, xx, mean_x):
    """(cov, mean) of responses and covariates."""
    to_x = Pi @ xx
    cov = np.block([[Sigma + to_x @ Pi.T, to_x], [to_x.T, xx]])
    return cov, None if mean_x is None else mean_x


def _plain_block(likelihood: GaussianLikelihood, g, label, sample: Sample, model, free) -> Block:
    moments, p = sample.moments, len(likelihood.responses)
    names = (*likelihood.responses, *likelihood.covariates[g])
    k = len(names) - p
    xx = np.einsum("o,oab->ab", moments.n, moments.xx[:, :k, :k]) / moments.n.sum()
    covs, means = [], []
    for e in (model, free):
        Pi = e.Pi[:, :k]
        covs.append(_joined(e.Sigma[0], Pi, xx, None)[0])
        x = moments.shift_x[:k]
        means.append(np.concatenate([Pi @ x + e.Pi[:, -1], x]) if moments.has_means else None)
    return Block(label, g, 0, names, float(moments.n.sum()), p, *covs, *means)


def _level_blocks(
    likelihood: GaussianLikelihood, g, label, sample: Sample, model: Evaluation, free: Evaluation, levels: Sequence[str]
) -> list[Block]:
    """A block a level: the responses' parts of that level, and the covariates that are constant in its units only."""
    p, design, names_x = len(likelihood.responses), likelihood.design, np.array(likelihood.covariates[g], dtype=object)
    heights = np.array([design.height_of(name, likelihood.n_levels) for name in names_x], dtype=int)
    own = np.array([response.level for response in likelihood.model.responses])
    out = []
    for at in range(likelihood.n_levels):
        _, first = np.unique(design.codes[at][sample.rows], return_index=True)
        use_y, use_x = own <= at, heights == at
        values = [design.column(name)[sample.rows][first] for name in names_x[use_x]]
        values = np.stack(values, axis=1) if values else np.zeros((len(first), 0))
        mean_x = values.mean(axis=0)
        xx = np.cov(values.T, bias=True).reshape(use_x.sum(), use_x.sum())
        covs, means = [], []
        for e in (model, free):
            S = e.graph.matrices(e.parameters)[1][at]
            Sigma = (e.E @ S @ e.E.T)[:p, :p][np.ix_(use_y, use_y)]
            Pi = e.Pi[use_y][:, : len(names_x)][:, use_x]
            covs.append(_joined(Sigma, Pi, xx, None)[0])
            constant = e.Pi[use_y, -1] if at == likelihood.n_levels - 1 else 0.0
            means.append(np.concatenate([Pi @ mean_x + constant, mean_x]))
        present = np.diag(covs[1]) > 1e-12
        names = (*np.array(likelihood.responses)[use_y], *names_x[use_x])
        names = tuple(str(name) for name, there in zip(names, present) if there)
        n_y = int(present[: use_y.sum()].sum())
        covs = [c[np.ix_(present, present)] for c in covs]
        means = [m[present] for m in means]
        if not names:
            continue
        title = levels[at] if at else "within"
        title = f"{label}.{title}" if label else title
        out.append(Block(title, g, at, names, float(len(first)), n_y, *covs, *means))
    return out


def _frames(found: list[Block], cov, mean) -> dict[str, dict[str, pd.DataFrame | pd.Series]]:
    import pandas as pd

    out = {}
    for number, (block, c, m) in enumerate(zip(found, cov, mean), start=1):
        names = list(block.names)
        here = {"cov": pd.DataFrame(c, index=names, columns=names)}
        if m is not None:
            here["mean"] = pd.Series(m, index=names)
        out[block.label or str(number)] = here
    return out


def implied(fit: Fit) -> dict:
    """Moments by the model; see `Fit.implied`."""
    found = blocks(fit, "implied moments are")
    return _frames(found, [b.model_cov for b in found], [b.model_mean for b in found])


def sample_moments(fit: Fit) -> dict:
    """Moments by the saturated model; see `Fit.sample_moments`."""
    found = blocks(fit, "sample moments are")
    return _frames(found, [b.sample_cov for b in found], [b.sample_mean for b in found])


def correlations(block: Block) -> tuple[np.ndarray, np.ndarray | None]:
    """Differences of the correlations, and of the means in units of their standard deviations (Bollen 1989)."""
    s, m = np.sqrt(np.diag(block.sample_cov)), np.sqrt(np.diag(block.model_cov))
    cov = block.sample_cov / np.outer(s, s) - block.model_cov / np.outer(m, m)
    mean = None if block.model_mean is None else block.sample_mean / s - block.model_mean / m
    return cov, mean


def standardized_differences(block: Block) -> tuple[np.ndarray, np.ndarray | None]:
    """Differences in units of the sample's standard deviations (Bentler 1995)."""
    s = np.sqrt(np.diag(block.sample_cov))
    mean = None if block.model_mean is None else (block.sample_mean - block.model_mean) / s
    return (block.sample_cov - block.model_cov) / np.outer(s, s), mean


def residuals(fit: Fit, kind: str = "raw") -> dict:
    """Differences between sample and model; see `Fit.residuals`."""
    if kind not in KINDS:
        from difflib import get_close_matches

        near = get_close_matches(str(kind), KINDS, n=1)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        raise ModelError(f"there are no residuals of kind '{kind}'", remedy=f"{hint}Kinds: {', '.join(KINDS)}.")
    found = blocks(fit, "residuals are")
    if kind in ("normalized", "standardized"):
        return _frames(found, *_in_standard_errors(fit, found, kind))
    cov, mean = [], []
    for block in found:
        raw_mean = None if block.model_mean is None else block.sample_mean - block.model_mean
        if kind == "raw":
            c, m = block.sample_cov - block.model_cov, raw_mean
        elif kind == "cor":
            c, m = correlations(block)[0], standardized_differences(block)[1]
        else:
            c, m = standardized_differences(block)
        cov.append(c)
        mean.append(m)
    return _frames(found, cov, mean)


def _in_standard_errors(fit: Fit, found: list[Block], kind: str):
    """Differences over their standard errors: those of the sample's moments ("normalized"), or less what the estimates
    of the model explain of them ("standardized"; Hausman 1978)."""
    from semgllamm.results.residual_errors import variances_of_residuals

    if fit.likelihood.n_levels > 1:
        raise ModelError(f"{kind} residuals need rows of one level", remedy='Use kind="cor" or kind="cor.bentler".')
    cov, mean = [], []
    for block, variance in zip(found, variances_of_residuals(fit, saturated_of(fit), found, kind)):
        S, has_means = block.sample_cov, block.model_mean is not None
        i, j = np.tril_indices(len(S))
        gap, spread = (S - block.model_cov)[i, j], S[i, i] * S[j, j]
        if has_means:
            gap = np.concatenate([gap, block.sample_mean - block.model_mean])
            spread = np.concatenate([spread, np.diag(S)])
        # moments that the model fits exactly do not vary
        moves = np.abs(gap) > EXACT * np.sqrt(spread)
        with np.errstate(invalid="ignore", divide="ignore"):
            known = np.where(variance * block.n > 1e-10 * spread, variance, np.nan)
            scaled = np.where(moves, gap / np.sqrt(known), 0.0)
        out = np.zeros_like(S)
        out[i, j] = out[j, i] = scaled[: len(i)]
        cov.append(out)
        mean.append(scaled[len(i) :] if has_means else None)
    return cov, mean
