"""Gaussian responses: log f = −½[τ + (y − μ)² e^−τ] − ½ log 2π, with τ the log residual variance.

Under the identity link μ = ν. Under log and reciprocal, as in R's `glm`, normal residuals stand around a positive mean,
μ = e^ν or 1/ν, as in exponential growth and the Michaelis-Menten curve (McCullagh & Nelder 1989, ch. 2); the answers
themselves may be negative. With r = y − μ,

    log   s = μr e^−τ,   w = μ (μ − r) e^−τ,   dw = μ (3μ − r) e^−τ:

negative curvature where an answer is more than twice its mean.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from semgllamm.errors import DataError
from semgllamm.responses.checks import as_numbers, require_finite
from semgllamm.responses.contract import Family
from semgllamm.responses.exponential_families import NORMAL
from semgllamm.responses.jit import kernel
from semgllamm.responses.links import LOG_SQRT_2PI, capped_exp
from semgllamm.responses.mean_links import RECIPROCAL, log_mean, mean_of, predictor_of, through, value_through

__all__ = ["FAMILIES"]


@kernel
def value(y, n, nu, tau1, tau2):
    precision = capped_exp(-tau1)
    r = y - nu
    return -0.5 * (tau1 + r * r * precision), r * precision


@kernel
def terms(y, n, nu, tau1, tau2):
    precision = capped_exp(-tau1)
    r = y - nu
    s = r * precision
    half_square = 0.5 * r * s
    logf = -0.5 * tau1 - half_square
    return logf, s, precision, 0.0, half_square - 0.5, 0.0, -s, 0.0, -precision, 0.0, -half_square, 0.0, 0.0


@kernel
def value_log(y, n, nu, tau1, tau2):
    precision, mu = capped_exp(-tau1), capped_exp(nu)
    r = y - mu
    return -0.5 * (tau1 + r * r * precision), mu * r * precision


@kernel
def terms_log(y, n, nu, tau1, tau2):
    precision, mu = capped_exp(-tau1), capped_exp(nu)
    r = y - mu
    half_square = 0.5 * r * r * precision
    weight = mu * precision
    s, w, dw = weight * r, weight * (2.0 * mu - y), weight * (4.0 * mu - y)
    return -0.5 * tau1 - half_square, s, w, dw, half_square - 0.5, 0.0, -s, 0.0, -w, 0.0, -half_square, 0.0, 0.0


@kernel
def value_reciprocal(y, n, nu, tau1, tau2):
    theta, d1, _, _ = log_mean(RECIPROCAL, nu)
    return value_through(value_log(y, n, theta, tau1, tau2), d1)


@kernel
def terms_reciprocal(y, n, nu, tau1, tau2):
    theta, d1, d2, d3 = log_mean(RECIPROCAL, nu)
    return through(terms_log(y, n, theta, tau1, tau2), d1, d2, d3)


def check(values, trials, column):
    require_finite(as_numbers(values, column), column)


def check_linked(values, trials, column, link):
    answers = as_numbers(values, column)
    require_finite(answers, column)
    seen = answers[~np.isnan(answers)]
    if seen.size and seen.max() <= 0:
        raise DataError(
            f"column '{column}' has no positive value, but means are positive under gaussian({link})",
            remedy=f"Change the sign of {column}.",
        )


def log_constant(y, n):
    return np.full(np.shape(y), -LOG_SQRT_2PI)


def mean(nu, own):
    return np.asarray(nu, dtype=float)


def distribution(nu, own, n):
    from scipy import stats

    return stats.norm(nu, np.exp(0.5 * np.asarray(own)))


def mean_linked(nu, own, link):
    return mean_of(link, nu)


def distribution_linked(nu, own, n, link):
    return distribution(mean_of(link, nu), own, n)


def simulate(nu, own, n, rng):
    return rng.normal(nu, np.exp(0.5 * np.asarray(own)))


def simulate_linked(nu, own, n, rng, link):
    return simulate(mean_of(link, nu), own, n, rng)


def start(y, n, link):
    variance = max(float(np.var(y)), 1e-8)
    return predictor_of(link, max(float(np.mean(y)), 0.1 * math.sqrt(variance))), (math.log(variance),)


def _linked(link, value, terms) -> Family:
    return Family(
        name="gaussian", link=link, default_link="identity", own=1, predictors=("dispersion",),
        dispersion="residual variance", has_residual=True, log_concave=False, value=value, terms=terms,
        check=partial(check_linked, link=link), log_constant=log_constant, mean=partial(mean_linked, link=link),
        simulate=partial(simulate_linked, link=link), distribution=partial(distribution_linked, link=link),
        exponential=NORMAL, start=partial(start, link=link),
    )  # fmt: skip


FAMILIES = (
    Family(
        name="gaussian", link="identity", default_link="identity", own=1, predictors=("dispersion",),
        dispersion="residual variance", has_residual=True, value=value, terms=terms, check=check,
        log_constant=log_constant, mean=mean, simulate=simulate, distribution=distribution,
        exponential=NORMAL,
    ),
    _linked("log", value_log, terms_log),
    _linked("reciprocal", value_reciprocal, terms_reciprocal),
)
