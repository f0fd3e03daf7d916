"""Gamma responses: with a = e^−τ the shape, τ the log dispersion (var y = e^τ μ²), and q = log(y/μ),

    log f = a (q − e^q) + a log a − log Γ(a) − log y.

The default link is the logarithm: under it, log f is concave whatever the latent variables do, and means stay positive.
The canonical link of R and statsmodels is ``gamma(reciprocal)``.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from semgllamm.responses.checks import as_numbers, refuse, require_finite
from semgllamm.responses.contract import Family
from semgllamm.responses.exponential_families import GAMMA
from semgllamm.responses.gamma_functions import polygamma
from semgllamm.responses.jit import kernel
from semgllamm.responses.links import capped_exp
from semgllamm.responses.mean_links import (
    IDENTITY,
    INVERSE_SQUARE,
    RECIPROCAL,
    log_mean,
    mean_of,
    predictor_of,
    through,
    value_through,
)

__all__ = ["FAMILIES", "check_positive"]


@kernel
def value_log(y, n, nu, tau1, tau2):
    a = capped_exp(-tau1)
    q = math.log(y) - nu
    e = capped_exp(q)
    return a * (q - e + math.log(a)) - math.lgamma(a), a * (e - 1.0)


@kernel
def terms_log(y, n, nu, tau1, tau2):
    a = capped_exp(-tau1)
    q = math.log(y) - nu
    e = capped_exp(q)
    psi, psi1, _ = polygamma(a)
    level = q - e + math.log(a)
    s, w = a * (e - 1.0), a * e
    g = -a * (level + 1.0 - psi)
    return a * level - math.lgamma(a), s, w, -w, g, 0.0, -s, 0.0, -w, 0.0, a - a * a * psi1 - g, 0.0, 0.0


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
    "reciprocal": _linked(RECIPROCAL),
    "identity": _linked(IDENTITY),
    "inverse_square": _linked(INVERSE_SQUARE),
}


def check_positive(values, column, family):
    """Refuse what is not a positive number."""
    numbers = as_numbers(values, column)
    require_finite(numbers, column)
    refuse(numbers <= 0, numbers, column, f"is not positive, as {family} requires")


def check(values, trials, column):
    check_positive(values, column, "gamma")


def log_constant(y, n):
    return -np.log(y)


def mean(nu, own, link):
    return mean_of(link, nu)


def distribution(nu, own, n, link):
    from scipy import stats

    dispersion = np.exp(own)
    return stats.gamma(1 / dispersion, scale=dispersion * mean_of(link, nu))


def simulate(nu, own, n, rng, link):
    dispersion = np.exp(own)
    return rng.gamma(1 / dispersion, dispersion * mean_of(link, nu))


def start(y, n, link):
    average = float(np.mean(y))
    return predictor_of(link, average), (math.log(max(float(np.var(y)) / average**2, 1e-4)),)


FAMILIES = tuple(
    Family(
        name="gamma", link=link, default_link="log", own=1, predictors=("dispersion",),
        dispersion="dispersion 1/shape", log_concave=link in ("log", "reciprocal"), value=value, terms=terms,
        check=check, log_constant=log_constant, mean=partial(mean, link=link), simulate=partial(simulate, link=link),
        distribution=partial(distribution, link=link), exponential=GAMMA, start=partial(start, link=link),
    )
    for link, (value, terms) in KERNELS.items()
)
