"""Poisson counts: log f = yθ − μ − log y!, with θ = log μ; under the log link θ = ν."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from semgllamm.responses.checks import as_numbers, refuse, require_finite, require_whole
from semgllamm.responses.contract import IMPOSSIBLE, NO_OWN, Family
from semgllamm.responses.exponential_families import POISSON
from semgllamm.responses.jit import kernel
from semgllamm.responses.links import capped_exp
from semgllamm.responses.mean_links import IDENTITY, log_mean, mean_of, predictor_of, through, value_through

__all__ = ["FAMILIES", "check_counts"]


@kernel
def value_log(y, n, nu, tau1, tau2):
    mu = capped_exp(nu)
    return y * nu - mu, y - mu


@kernel
def terms_log(y, n, nu, tau1, tau2):
    mu = capped_exp(nu)
    return (y * nu - mu, y - mu, mu, mu) + NO_OWN  # noqa: RUF005 (numba adds tuples, it does not unpack them)


@kernel
def value_identity(y, n, nu, tau1, tau2):
    theta, d1, _, _ = log_mean(IDENTITY, nu)
    return value_through(value_log(y, n, theta, tau1, tau2), d1)


@kernel
def terms_identity(y, n, nu, tau1, tau2):
    theta, d1, d2, d3 = log_mean(IDENTITY, nu)
    return through(terms_log(y, n, theta, tau1, tau2), d1, d2, d3)


@kernel
def value_sqrt(y, n, nu, tau1, tau2):
    if not nu > 0.0:
        return -math.inf, 0.0
    return 2.0 * y * math.log(nu) - nu * nu, 2.0 * (y / nu - nu)


@kernel
def terms_sqrt(y, n, nu, tau1, tau2):
    if not nu > 0.0:
        return IMPOSSIBLE
    z = 1.0 / nu
    w = 2.0 * y * z * z
    return (2.0 * y * math.log(nu) - nu * nu, 2.0 * (y * z - nu), w + 2.0, -2.0 * w * z) + NO_OWN  # noqa: RUF005


KERNELS = {
    "log": (value_log, terms_log),
    "identity": (value_identity, terms_identity),
    "sqrt": (value_sqrt, terms_sqrt),
}


def check_counts(values, column, family):
    """Refuse what are no counts."""
    counts = as_numbers(values, column)
    require_finite(counts, column)
    refuse(counts < 0, counts, column, f"is negative, but {family} responses are counts 0, 1, 2, ...")
    require_whole(counts, column, family)


def check(values, trials, column):
    check_counts(values, column, "poisson")


def log_constant(y, n):
    from scipy.special import gammaln

    return -gammaln(np.asarray(y) + 1.0)


def mean(nu, own, link):
    return mean_of(link, nu)


def distribution(nu, own, n, link):
    from scipy import stats

    return stats.poisson(mean_of(link, nu))


def simulate(nu, own, n, rng, link):
    return rng.poisson(mean_of(link, nu)).astype(float)


def start(y, n, link):
    return predictor_of(link, max(float(np.mean(y)), 0.1)), ()


FAMILIES = tuple(
    Family(
        name="poisson", link=link, default_link="log", value=value, terms=terms, check=check,
        log_constant=log_constant, mean=partial(mean, link=link), simulate=partial(simulate, link=link),
        distribution=partial(distribution, link=link), exponential=POISSON,
        start=None if link == "log" else partial(start, link=link),
    )
    for link, (value, terms) in KERNELS.items()
)
