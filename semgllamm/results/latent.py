"""Empirical Bayes: posterior means and standard deviations of the latent variables η = μ + M u."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semgllamm.estimation.gaussian import GaussianLikelihood

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["empirical_bayes"]


def empirical_bayes(fit: Fit, level: str | None = None, se: bool = True) -> pd.DataFrame:
    """Posterior mean (and standard deviation, ``NAME.se``) of each latent variable of one level, a row a unit."""
    import pandas as pd

    wanted = _level(fit, level)
    names = [n for n, at in zip(fit.model.eta, fit.model.eta_level) if at == wanted]
    scores = _in_closed_form if isinstance(fit.likelihood, GaussianLikelihood) else _by_quadrature
    out = {}
    for name, value, variance in scores(fit, names, wanted):
        out[name] = value
        if se:
            out[f"{name}.se"] = np.sqrt(np.maximum(variance, 0.0))
    return pd.DataFrame(out, index=_unit_ids(fit, wanted))


def _in_closed_form(fit: Fit, names: list[str], level: int):
    """(name, mean, variance) of each latent variable over the units of its level."""
    likelihood = fit.likelihood
    nodes = [len(likelihood.responses) + fit.model.eta.index(name) for name in names]
    mean, variance = np.empty((fit.design.n_rows, len(nodes))), np.empty((fit.design.n_rows, len(nodes)))
    for sample, (m, v) in zip(likelihood.samples, likelihood.posterior(fit.free)):
        mean[sample.rows], variance[sample.rows] = m[:, nodes], v[:, nodes]
    first = fit.design.first_row[level]
    return zip(names, mean[first].T, variance[first].T)


def _by_quadrature(fit: Fit, names: list[str], level: int):
    """The same from the nodes of the last evaluation."""
    predictor = fit.likelihood.predictor
    inner = predictor.working.inner(fit.free)
    state = predictor.at(inner)
    # one point has no spread: three give the moments of Gaussian posteriors exactly, seven those of others closely
    least = 3 if fit.likelihood.exact else 7
    points = tuple(max(k, least) for k in fit.points)
    mean, covariance = predictor.program.posterior(
        state.lin, state.D, (*points, 1), workspace=fit.likelihood.workspace, ordinary=fit.likelihood.ordinary
    )
    tree = predictor.program.tree
    for name in names:
        mu, loading, node = predictor.latent(name, inner)
        value, variance = mu.copy(), np.zeros(len(mu))
        random = node >= 0
        if random.any():
            depth = int(tree[node[random][0], 0]) + 1
            on_path = np.empty((random.sum(), depth))
            here = node[random].copy()
            for d in range(depth - 1, -1, -1):
                on_path[:, d] = mean[here]
                here = tree[here, 1]
            weights = loading[random, :depth]
            value[random] += (weights * on_path).sum(axis=1)
            cov = covariance[node[random]][:, :depth, :depth]
            variance[random] = np.einsum("na,nab,nb->n", weights, cov, weights)
        yield name, value, variance


def _level(fit: Fit, level: str | None) -> int:
    from semgllamm.errors import ModelError

    present = sorted(set(fit.model.eta_level))
    if level is None:
        if not present:
            raise ModelError("the model has no latent variables")
        return present[0]
    if level not in fit.model.levels or fit.model.levels.index(level) not in present:
        known = ", ".join(fit.model.levels[k] for k in present)
        raise ModelError(
            f"no latent variable varies at level '{level}'", remedy=f"Levels with latent variables: {known}."
        )
    return fit.model.levels.index(level)


def _unit_ids(fit: Fit, level: int):
    frame = fit.binding.frame
    rows = fit.design.kept[fit.design.first_row[level]]
    if level == 0:
        return frame.index[rows]
    name = fit.model.levels[level]
    return fit.binding.units.ids[name][fit.binding.units.codes[name][rows]]
