"""Inverse Gaussian responses: with v = 1/μ and τ the log dispersion (var y = e^τ μ³),

    log f = −½ [τ + e^−τ (yv − 1)²/y] − ½ log 2π − (3/2) log y

(Tweedie 1957). The default link is the logarithm, under which means stay positive whatever the latent variables do;
R's and statsmodels' canonical link 1/μ² is ``inversegaussian(inverse_square)``, under which log f is concave.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from semgllamm.responses.contract import IMPOSSIBLE, Family
from semgllamm.responses.exponential_families import INVERSE_GAUSSIAN
from semgllamm.responses.gamma import check_positive
from semgllamm.responses.jit import kernel
from semgllamm.responses.links import LOG_SQRT_2PI, capped_exp
from semgllamm.responses.mean_links import (
    IDENTITY,
    INVERSE_SQUARE,
    log_mean,
    mean_of,
    predictor_of,
    through,
    value_through,
)

__all__ = ["FAMILIES"]


@kernel
def value_log(y, n, nu, tau1, tau2):
    precision, v = capped_exp(-tau1), capped_exp(-nu)
    r = y * v - 1.0
    return -0.5 * (tau1 + precision * r * r / y), precision * v * r


@kernel
def terms_log(y, n, nu, tau1, tau2):
    precision, v = capped_exp(-tau1), capped_exp(-nu)
    r = y * v - 1.0
    half_square = 0.5 * precision * r * r / y
    s, w = precision * v * r, precision * v * (r + y * v)
    dw = -precision * v * (4.0 * y * v - 1.0)
    return -0.5 * tau1 - half_square, s, w, dw, half_square - 0.5, 0.0, -s, 0.0, -w, 0.0, -half_square, 0.0, 0.0


@kernel
def value_reciprocal(y, n, nu, tau1, tau2):
    if not nu > 0.0:
        return -math.inf, 0.0
    precision, r = capped_exp(-tau1), y * nu - 1.0
    return -0.5 * (tau1 + precision * r * r / y), -precision * r


@kernel
def terms_reciprocal(y, n, nu, tau1, tau2):
    if not nu > 0.0:
        return IMPOSSIBLE
    precision, r = capped_exp(-tau1), y * nu - 1.0
    half_square, s, w = 0.5 * precision * r * r / y, -precision * r, precision * y
    return -0.5 * tau1 - half_square, s, w, 0.0, half_square - 0.5, 0.0, -s, 0.0, -w, 0.0, -half_square, 0.0, 0.0


def _linked(link):
    """The kernels under a link that has means for ν > 0 only."""

    @kernel
    def value(y, n, nu, tau1, tau2):
        theta, d1, _, _ = log_mean(link, nu)
        return value_through(value_log(y, n, theta, tau1, tau2), d1)

    @kernel
    def terms(y, n, nu, tau1, tau2):
        theta, d1, d2, d3 = log_mean(link, nu)
        return through(terms_log(y, n, theta, tau1, tau2), d1, d2, d3)

    return value, terms


KERNELS = {
    "log": (value_log, terms_log),
    "reciprocal": (value_reciprocal, terms_reciprocal),
    "identity": _linked(IDENTITY),
    "inverse_square": _linked(INVERSE_SQUARE),
}


def check(values, trials, column):
    check_positive(values, column, "inversegaussian")


def log_constant(y, n):
    return -LOG_SQRT_2PI - 1.5 * np.log(y)


def mean(nu, own, link):
    return mean_of(link, nu)


def distribution(nu, own, n, link):
    from scipy import stats

    mu, rate = mean_of(link, nu), np.exp(-np.asarray(own))
    return stats.invgauss(mu / rate, scale=rate)


def simulate(nu, own, n, rng, link):
    return rng.wald(mean_of(link, nu), np.exp(-np.asarray(own)))


def start(y, n, link):
    average = float(np.mean(y))
    return predictor_of(link, average), (math.log(max(float(np.mean(1 / y)) - 1 / average, 1e-6)),)


FAMILIES = tuple(
    Family(
        name="inversegaussian", link=link, default_link="log", own=1, predictors=("dispersion",),
        dispersion="dispersion", log_concave=link in ("reciprocal", "inverse_square"), value=value, terms=terms,
        check=check, log_constant=log_constant, mean=partial(mean, link=link), simulate=partial(simulate, link=link),
        distribution=partial(distribution, link=link), exponential=INVERSE_GAUSSIAN,
        start=partial(start, link=link),
    )
    for link, (value, terms) in KERNELS.items()
)
