"""Residuals of answers, given the latent variables or averaged over them.

    Pearson     (y − μ) / √var(y | ν)
    deviance    sign(y − μ) √(d(y, μ)/φ)             (McCullagh & Nelder 1989, section 2.4)
    Anscombe    of `responses/exponential_families.py`, over √φ
    quantile    Φ⁻¹(v),  v uniform between P(Y < y) and P(Y ≤ y)      (Dunn & Smyth 1996)

Given the data each is its posterior mean, as in gllapred. Averaged over the population, the Pearson residual has the
marginal mean and variance, and a quantile residual the marginal distribution function: then, whatever the latent
variables are, it is standard normal where the model holds, but for the estimation of parameters. A censored answer is
known to lie beyond (or between) its ends, and v is uniform over what that leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.estimation.class_averages import averaged_over_classes, pattern_weights
from semgllamm.estimation.conditional import answers_of, by_pattern
from semgllamm.estimation.products import depends_on_products
from semgllamm.estimation.unseen import SeenLikelihood
from semgllamm.results.predictions import asked

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["KINDS", "case_residuals", "latent_residuals"]

KINDS = ("pearson", "deviance", "anscombe", "quantile")


def case_residuals(
    fit: Fit, kind: str, latent: str | None = None, seed: int | None = None, responses=None
) -> pd.DataFrame:
    """Residuals, a row for each row of the data and a column a response; NaN where it has no answer.

    Parameters
    ----------
    kind : {"pearson", "deviance", "anscombe", "quantile"}
    latent : {"eb", "zero", "marginal"}, optional
        By default "eb", and "marginal" for quantile residuals.
    seed : int, optional
        Of the randomness of quantile residuals of counts and categories.
    responses : str or sequence of str, optional

    Raises
    ------
    ModelError
        Where a family has no such residual.
    """
    import pandas as pd

    from semgllamm.data.newdata import fitted_rows

    fit.binding.need_rows("residuals")
    latent = latent or ("marginal" if kind == "quantile" else "eb")
    if latent not in ("eb", "zero", "marginal"):
        raise ModelError(f"residuals have no latent={latent!r}", remedy="Use 'eb', 'zero' or 'marginal'.")
    if latent == "marginal" and kind in ("deviance", "anscombe"):
        raise ModelError(f"{kind} residuals are given the latent variables", remedy="Use latent='eb' or 'zero'.")
    if latent == "marginal" and isinstance(fit.likelihood, SeenLikelihood):
        raise ModelError("the answers of units that were seen do not have the distribution of the population of all",
                         remedy="Residuals given the latent variables are latent='eb'.")
    targets = fitted_rows(fit.model, fit.diagram, fit.binding, fit.design)
    n = len(targets.index)
    population = latent == "marginal"
    question = asked(fit, "marginal" if population else "mean", "eb" if population else latent, None, responses, n)
    engine = fit._engine
    bound = engine.bound_to(targets.design)
    inner = engine.inner(np.asarray(fit.free, dtype=float))
    state = bound.before_whitening(inner)
    posterior = engine.posterior(inner) if question.over.posterior and bound.n_u else None
    rng = np.random.default_rng(seed)
    unit, weights = engine.units(targets.unit), None
    if engine.mixture is not None:
        given = frozenset(range(len(fit.model.levels))) & question.over.posterior
        weights = pattern_weights(engine, fit.free, targets.design, targets.unit, given, {})
    columns: dict[str, np.ndarray] = {}
    for answers in by_pattern(answers_of(bound, state), engine.patterns):
        answer = answers[0]
        response = answer.responses[0]
        if question.responses is not None and not {response.name, response.answer} & set(question.responses):
            continue
        _refuse(response, kind)
        y, beside = _answers(fit, response.name, answer.rows[:, 0])
        seen = ~np.isnan(y) & targets.usable[answer.rows[:, 0]]
        if response.family.beside != "interval":
            seen &= ~np.isnan(beside)
        column = columns.setdefault(response.name, np.full(n, np.nan))
        if not seen.any():
            continue
        some = tuple(one.of(seen) for one in answers)
        y, beside = y[seen], beside[seen]

        def mean_of(h, some=some):
            return averaged_over_classes(engine, some, unit, posterior, question.over, h, weights)[0]

        residual = {"pearson": _pearson, "quantile": _quantile}.get(kind, _of_exponential_family)
        column[some[0].rows[:, 0]] = residual(response.family, y, beside, mean_of, kind, population, rng)
    return pd.DataFrame(columns, index=targets.index)


def _answers(fit: Fit, name: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """y and the second column; 1 where there is none."""
    y = np.asarray(fit.binding.values[name], dtype=float)[rows]
    beside = fit.binding.beside.get(name)
    return y, np.ones(len(y)) if beside is None else np.asarray(beside, dtype=float)[rows]


def _refuse(response, kind: str) -> None:
    family = response.family
    lacking = family.exponential is None if kind in ("deviance", "anscombe") else family.distribution is None
    if lacking:
        raise ModelError(f"'{response.name}', which is {family.name}, has no {kind} residuals",
                         remedy="Name other responses, or use kind='quantile'." if not family.is_joint else
                         "Name other responses.")


def _trials(family, beside: np.ndarray) -> np.ndarray:
    return beside if family.beside == "trials" else np.ones(len(beside))


def _uncensored(family, y: np.ndarray, beside: np.ndarray) -> np.ndarray:
    return beside == {"event": 1.0, "interval": y}[family.beside] if family.beside in ("event", "interval") else y == y


def _pearson(family, y, beside, mean_of, kind, population, rng):
    n = _trials(family, beside)

    def moments(nu, own, at):
        found = family.distribution(nu, own, n[at][:, None])
        mean, variance = (np.broadcast_to(x, nu.shape) for x in (found.mean(), found.var()))
        if population:
            return np.stack([mean, mean**2 + variance], axis=-1)
        return (y[at][:, None] - mean) / np.sqrt(variance)

    found = mean_of(moments)
    mean = found[:, 0]
    if population:
        # the variance of y, that of its mean over the latent variables among it
        mean = (y - mean) / np.sqrt(found[:, 1] - mean**2)
    return np.where(_uncensored(family, y, beside), mean, np.nan)


def _of_exponential_family(family, y, beside, mean_of, kind, population, rng):
    n = _trials(family, beside)
    share = y / n

    def residual(nu, own, at):
        mu = family.mean(nu, own)
        phi = np.exp(own) if family.predictors[:1] == ("dispersion",) else 1.0
        at = at[:, None]
        if kind == "anscombe":
            found = family.exponential.anscombe(share[at], mu, n[at])
        else:
            deviance = np.maximum(family.exponential.deviance(share[at], mu, n[at]), 0.0)
            found = np.sign(share[at] - mu) * np.sqrt(deviance)
        return found / np.sqrt(phi)

    return np.where(_uncensored(family, y, beside), mean_of(residual)[:, 0], np.nan)


def _quantile(family, y, beside, mean_of, kind, population, rng):
    from scipy.special import ndtri

    n = _trials(family, beside)
    lo, hi = y, y
    if family.beside == "interval":
        lo, hi = np.minimum(y, beside), np.maximum(y, beside)
    elif family.beside == "event":
        hi = np.where(beside == 1, y, np.inf)

    def shares(nu, own, at):
        found = family.distribution(nu, own, n[at][:, None])
        ends = [np.broadcast_to(found.cdf(x[at][:, None]), nu.shape) for x in (lo, hi)]
        if hasattr(found, "pmf"):
            ends[0] = ends[0] - found.pmf(lo[at][:, None])
        return np.stack(ends, axis=-1)

    below, up_to = mean_of(shares).T
    v = below + (up_to - below) * rng.random(len(y))
    return ndtri(np.clip(v, np.finfo(float).tiny, 1 - np.finfo(float).epsneg))


def latent_residuals(fit: Fit, level=None) -> pd.DataFrame:
    """Empirical Bayes residuals of the latent variables over their sampling standard deviations, a row a unit.

    E(η − μ | y) / √(var η − var(η | y)), the latter the standard deviation of the former over repeated samples
    (Skrondal & Rabe-Hesketh 2009, section 3.2): exactly for Gaussian models, on average for others.
    """
    import pandas as pd

    from semgllamm.results.latent import _level, unit_ids

    if fit.model.classes:
        raise ModelError("with classes latent variables are not normal: there is nothing to compare them with",
                         remedy="Use residuals of the answers: fit.residuals('quantile').")
    wanted = _level(fit, level)
    names = [name for name, at in zip(fit.model.eta, fit.model.eta_level) if at == wanted]
    bent = [name for name in names if depends_on_products(fit.model, name)]
    if bent:
        raise ModelError(f"{', '.join(bent)} depends on products of latent variables, and has no normal distribution "
                         "to be compared with", remedy="Use residuals of the answers: fit.residuals('quantile').")
    engine = fit._engine
    inner = engine.inner(np.asarray(fit.free, dtype=float))
    posterior = engine.posterior(inner)
    predictor = engine.predictor
    out = {}
    for name, at in zip(fit.model.eta, fit.model.eta_level):
        if at != wanted or not fit.model.varies(name):
            continue
        mean, loading, node = predictor.latent(name, inner)
        value, variance = np.full(len(mean), np.nan), np.full(len(mean), np.nan)
        there = np.flatnonzero(node >= 0)
        w, u = posterior.path(node[there])
        part = np.einsum("na,ans->ns", loading[there, : len(u)], u)
        value[there] = (w * part).sum(axis=1)
        variance[there] = (w * part**2).sum(axis=1) - value[there] ** 2
        prior = (loading**2).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            out[name] = value / np.sqrt(prior - variance)
    return pd.DataFrame(out, index=unit_ids(fit, wanted))
