"""Negative binomial counts of both variance functions.

`nbinom2`, var y = μ + μ²/k, with τ = log k the log size, x = log μ − τ and p = e^x/(1 + e^x):

    log f = log [k (k + 1) ⋯ (k + y − 1)] + yx − (y + k) log(1 + e^x) − log y!

`nbinom1`, var y = μ (1 + φ), with τ = log φ and r = μ/φ:

    log f = log [r (r + 1) ⋯ (r + y − 1)] − r log(1 + φ) − y log(1 + 1/φ) − log y!

(Hardin & Hilbe 2018, ch. 13.) Their limits k → ∞ and φ → 0 are the Poisson distribution.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from semgllamm.responses.contract import Family
from semgllamm.responses.gamma_functions import log_rising
from semgllamm.responses.jit import kernel
from semgllamm.responses.links import capped_exp, logistic, softplus
from semgllamm.responses.mean_links import IDENTITY, SQRT, log_mean, mean_of, predictor_of, through, value_through
from semgllamm.responses.poisson import check_counts, log_constant

__all__ = ["FAMILIES", "moments", "terms_log_1", "terms_log_2", "value_log_1", "value_log_2"]


@kernel
def value_log_2(y, n, nu, tau1, tau2):
    k, x = capped_exp(tau1), nu - tau1
    rising, _, _, _ = log_rising(y, k, tau1)
    p, q = logistic(x)
    return rising + y * x - (y + k) * softplus(x), y * q - k * p


@kernel
def terms_log_2(y, n, nu, tau1, tau2):
    k, x = capped_exp(tau1), nu - tau1
    rising, b1, b2, _ = log_rising(y, k, tau1)
    p, q = logistic(x)
    soft = softplus(x)
    s, w = y * q - k * p, (y + k) * p * q
    s1 = p * s
    return (rising + y * x - (y + k) * soft, s, w, w * (q - p), b1 - k * soft - s, 0.0, s1, 0.0,
            k * p * q - w * (q - p), 0.0, b2 - k * soft + k * p - s1, 0.0, 0.0)


@kernel
def value_log_1(y, n, nu, tau1, tau2):
    r = capped_exp(nu - tau1)
    rising, b1, _, _ = log_rising(y, r, nu - tau1)
    c = softplus(tau1)
    return rising - r * c - y * softplus(-tau1), b1 - r * c


@kernel
def terms_log_1(y, n, nu, tau1, tau2):
    r = capped_exp(nu - tau1)
    rising, b1, b2, b3 = log_rising(y, r, nu - tau1)
    c = softplus(tau1)
    p, q = logistic(tau1)
    s, w = b1 - r * c, r * c - b2
    return (rising - r * c - y * softplus(-tau1), s, w, r * c - b3, y * q - s - r * p, 0.0, w - r * p, 0.0,
            b3 - r * c + r * p, 0.0, r * p * (2.0 - q) - w - y * p * q, 0.0, 0.0)


def _linked(link, variance):
    """The kernels under a link that has means for ν > 0 only, of the variance function 1 or 2."""

    @kernel
    def value(y, n, nu, tau1, tau2):
        theta, d1, _, _ = log_mean(link, nu)
        if variance == 2:
            return value_through(value_log_2(y, n, theta, tau1, tau2), d1)
        return value_through(value_log_1(y, n, theta, tau1, tau2), d1)

    @kernel
    def terms(y, n, nu, tau1, tau2):
        theta, d1, d2, d3 = log_mean(link, nu)
        if variance == 2:
            return through(terms_log_2(y, n, theta, tau1, tau2), d1, d2, d3)
        return through(terms_log_1(y, n, theta, tau1, tau2), d1, d2, d3)

    return value, terms


KERNELS = {
    ("nbinom2", "log"): (value_log_2, terms_log_2),
    ("nbinom2", "identity"): _linked(IDENTITY, 2),
    ("nbinom2", "sqrt"): _linked(SQRT, 2),
    ("nbinom1", "log"): (value_log_1, terms_log_1),
    ("nbinom1", "identity"): _linked(IDENTITY, 1),
}
CONCAVE = (("nbinom2", "log"), ("nbinom1", "identity"))


def check(values, trials, column, name):
    check_counts(values, column, name)


def mean(nu, own, link):
    return mean_of(link, nu)


def size_of(name: str, mu: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """The number of failures k that the count stops at (mean over odds)."""
    return np.broadcast_to(np.exp(tau), np.shape(mu)) if name == "nbinom2" else mu * np.exp(-np.asarray(tau))


def distribution(nu, own, n, link, name):
    from scipy import stats

    mu = mean_of(link, nu)
    k = size_of(name, mu, own)
    return stats.nbinom(k, k / (k + mu))


def simulate(nu, own, n, rng, link, name):
    mu = mean_of(link, nu)
    k = size_of(name, mu, own)
    return rng.poisson(rng.gamma(k, mu / k)).astype(float)


def moments(y: np.ndarray, name: str) -> tuple[float, float]:
    """Mean, and τ by the moments; close to Poisson where the variance is not larger than the mean."""
    average = max(float(np.mean(y)), 0.1)
    excess = max(float(np.var(y)) / average - 1.0, 0.1)
    return average, math.log(average / excess if name == "nbinom2" else excess)


def start(y, n, link, name):
    average, tau = moments(y, name)
    return predictor_of(link, average), (tau,)


FAMILIES = tuple(
    Family(
        name=name, link=link, default_link="log", own=1, predictors=("dispersion",),
        dispersion="size" if name == "nbinom2" else "overdispersion", log_concave=(name, link) in CONCAVE, value=value,
        terms=terms, check=partial(check, name=name), log_constant=log_constant, mean=partial(mean, link=link),
        simulate=partial(simulate, link=link, name=name), distribution=partial(distribution, link=link, name=name),
        start=partial(start, link=link, name=name),
    )
    for (name, link), (value, terms) in KERNELS.items()
)
