"""Times until an event, exponential and Weibull, with right censoring: n is 1 where the event was seen, 0 where the
time is that of leaving.

Exponential with mean μ, θ = log μ:    log f = −nθ − y e^−θ.

Weibull with scale e^ν and shape k = e^τ (an accelerated failure time: e^β multiplies time), z = k (log y − ν):

    log f = n (τ + z) − e^z − n log y

(Kalbfleisch & Prentice 2002, ch. 2).
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from semgllamm.responses.checks import as_numbers, refuse, require_finite
from semgllamm.responses.contract import IMPOSSIBLE, NO_OWN, Family
from semgllamm.responses.exponential_families import GAMMA
from semgllamm.responses.jit import kernel
from semgllamm.responses.links import capped_exp
from semgllamm.responses.mean_links import IDENTITY, log_mean, mean_of, predictor_of, through, value_through

__all__ = ["FAMILIES"]


@kernel
def value_log(y, n, nu, tau1, tau2):
    hazard = y * capped_exp(-nu)
    return -n * nu - hazard, hazard - n


@kernel
def terms_log(y, n, nu, tau1, tau2):
    hazard = y * capped_exp(-nu)
    return (-n * nu - hazard, hazard - n, hazard, -hazard) + NO_OWN  # noqa: RUF005


@kernel
def value_reciprocal(y, n, nu, tau1, tau2):
    if not nu > 0.0:
        return -math.inf, 0.0
    return n * math.log(nu) - y * nu, n / nu - y


@kernel
def terms_reciprocal(y, n, nu, tau1, tau2):
    if not nu > 0.0:
        return IMPOSSIBLE
    z = 1.0 / nu
    w = n * z * z
    return (n * math.log(nu) - y * nu, n * z - y, w, -2.0 * w * z) + NO_OWN  # noqa: RUF005


@kernel
def value_identity(y, n, nu, tau1, tau2):
    theta, d1, _, _ = log_mean(IDENTITY, nu)
    return value_through(value_log(y, n, theta, tau1, tau2), d1)


@kernel
def terms_identity(y, n, nu, tau1, tau2):
    theta, d1, d2, d3 = log_mean(IDENTITY, nu)
    return through(terms_log(y, n, theta, tau1, tau2), d1, d2, d3)


@kernel
def value_weibull(y, n, nu, tau1, tau2):
    k = capped_exp(tau1)
    z = k * (math.log(y) - nu)
    e = capped_exp(z)
    return n * (tau1 + z) - e, k * (e - n)


@kernel
def terms_weibull(y, n, nu, tau1, tau2):
    k = capped_exp(tau1)
    z = k * (math.log(y) - nu)
    e = capped_exp(z)
    s, w = k * (e - n), k * k * e
    return (n * (tau1 + z) - e, s, w, -k * w, n * (1.0 + z) - z * e, 0.0, s + k * z * e, 0.0, w * (2.0 + z), 0.0,
            n * z - z * e - z * z * e, 0.0, 0.0)


KERNELS = {
    ("exponential", "log"): (value_log, terms_log),
    ("exponential", "reciprocal"): (value_reciprocal, terms_reciprocal),
    ("exponential", "identity"): (value_identity, terms_identity),
    ("weibull", "log"): (value_weibull, terms_weibull),
}


def check(values, events, column, name):
    times = as_numbers(values, column)
    require_finite(times, column)
    refuse(times <= 0, times, column, f"is not positive, as the times of {name} responses are")
    if events is not None:
        seen = np.broadcast_to(as_numbers(events, column), times.shape)
        refuse(~np.isnan(times) & (seen != 0) & (seen != 1), seen, column,
               "is neither 0 nor 1 in the column of events", "1: the event was seen; 0: the time is censored.")


def log_constant(y, n):
    return np.zeros(np.shape(y))


def log_constant_weibull(y, n):
    return -n * np.log(y)


def mean(nu, own, link):
    return mean_of(link, nu)


def mean_weibull(nu, own):
    from scipy.special import gamma

    return np.exp(nu) * gamma(1 + np.exp(-np.asarray(own)))


def distribution(nu, own, n, link):
    from scipy import stats

    return stats.expon(scale=mean_of(link, nu))


def distribution_weibull(nu, own, n):
    from scipy import stats

    return stats.weibull_min(np.exp(own), scale=np.exp(nu))


def simulate(nu, own, n, rng, link):
    return rng.exponential(mean_of(link, nu))


def simulate_weibull(nu, own, n, rng):
    return np.exp(nu) * rng.weibull(np.exp(own), np.shape(nu))


def start(y, n, link):
    return predictor_of(link, float(np.sum(y)) / max(float(np.sum(n)), 0.5)), ()


def start_weibull(y, n):
    return math.log(float(np.sum(y)) / max(float(np.sum(n)), 0.5)), (0.0,)


def _family(name, link, value, terms) -> Family:
    common = {"name": name, "link": link, "default_link": "log", "beside": "event", "value": value, "terms": terms,
              "check": partial(check, name=name), "log_concave": link != "identity"}
    if name == "weibull":
        return Family(**common, own=1, predictors=("dispersion",), dispersion="shape",
                      log_constant=log_constant_weibull, mean=mean_weibull, simulate=simulate_weibull,
                      distribution=distribution_weibull, start=start_weibull)
    return Family(**common, log_constant=log_constant, mean=partial(mean, link=link),
                  simulate=partial(simulate, link=link), distribution=partial(distribution, link=link),
                  exponential=GAMMA, start=partial(start, link=link))


FAMILIES = tuple(_family(*names, *kernels) for names, kernels in KERNELS.items())
