"""Binomial responses, y successes in n trials: log f = y log F(ν) + (n − y) log(1 − F(ν)) + log C(n, y)."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from semgllamm.responses.checks import as_numbers, refuse, require_finite, require_whole
from semgllamm.responses.contract import IMPOSSIBLE, NO_OWN, Family
from semgllamm.responses.exponential_families import BINOMIAL
from semgllamm.responses.jit import kernel
from semgllamm.responses.links import (
    LATENT_VARIANCE,
    capped_exp,
    cloglog_success,
    inverse,
    log_normal_cdf,
    logistic,
    normal_cdf_terms,
    predictor_at,
)

__all__ = ["FAMILIES"]


@kernel
def value_logit(y, n, nu, tau1, tau2):
    p, q = logistic(nu)
    unlikely = y if nu < 0.0 else n - y
    logf = -unlikely * abs(nu) - n * math.log1p(math.exp(-abs(nu)))
    return logf, y * q - (n - y) * p


@kernel
def terms_logit(y, n, nu, tau1, tau2):
    logf, s = value_logit(y, n, nu, tau1, tau2)
    p, q = logistic(nu)
    w = n * p * q
    return (logf, s, w, w * (q - p)) + NO_OWN  # noqa: RUF005


@kernel
def value_probit(y, n, nu, tau1, tau2):
    logf, s = 0.0, 0.0
    if y > 0.0:
        log_p, h = log_normal_cdf(nu)
        logf += y * log_p
        s += y * h
    if y < n:
        log_q, h = log_normal_cdf(-nu)
        logf += (n - y) * log_q
        s -= (n - y) * h
    return logf, s


@kernel
def terms_probit(y, n, nu, tau1, tau2):
    logf, s, w, dw = 0.0, 0.0, 0.0, 0.0
    if y > 0.0:
        log_p, h, v, dv = normal_cdf_terms(nu)
        logf, s, w, dw = y * log_p, y * h, y * v, y * dv
    if y < n:
        log_q, h, v, dv = normal_cdf_terms(-nu)
        z = n - y
        logf, s, w, dw = logf + z * log_q, s - z * h, w + z * v, dw - z * dv
    return (logf, s, w, dw) + NO_OWN  # noqa: RUF005


@kernel
def value_cloglog(y, n, nu, tau1, tau2):
    m = (n - y) * capped_exp(nu)
    if y == 0.0:
        return -m, -m
    log_p, g, _, _ = cloglog_success(nu)
    return y * log_p - m, y * g - m


@kernel
def terms_cloglog(y, n, nu, tau1, tau2):
    m = (n - y) * capped_exp(nu)
    if y == 0.0:
        return (-m, -m, m, m) + NO_OWN  # noqa: RUF005
    log_p, g, v, dv = cloglog_success(nu)
    return (y * log_p - m, y * g - m, y * v + m, y * dv + m) + NO_OWN  # noqa: RUF005


# loglog, F(ν) = exp(−e^−ν): failures of the complementary log-log link at −ν


@kernel
def value_loglog(y, n, nu, tau1, tau2):
    logf, s = value_cloglog(n - y, n, -nu, tau1, tau2)
    return logf, -s


@kernel
def terms_loglog(y, n, nu, tau1, tau2):
    t = terms_cloglog(n - y, n, -nu, tau1, tau2)
    return (t[0], -t[1], t[2], -t[3]) + NO_OWN  # noqa: RUF005


# log, F(ν) = e^ν for ν < 0, whose effects are log relative risks


@kernel
def value_log(y, n, nu, tau1, tau2):
    if not nu < 0.0:
        return -math.inf, 0.0
    rest = -math.expm1(nu)
    return y * nu + (n - y) * math.log(rest), y - (n - y) * math.exp(nu) / rest


@kernel
def terms_log(y, n, nu, tau1, tau2):
    if not nu < 0.0:
        return IMPOSSIBLE
    rest = -math.expm1(nu)
    k = math.exp(nu) / rest
    w = (n - y) * k * (1.0 + k)
    return (y * nu + (n - y) * math.log(rest), y - (n - y) * k, w, w * (1.0 + 2.0 * k)) + NO_OWN  # noqa: RUF005


# identity, F(ν) = ν for 0 < ν < 1, whose effects are risk differences


@kernel
def value_identity(y, n, nu, tau1, tau2):
    if not (nu > 0.0 and nu < 1.0):
        return -math.inf, 0.0
    return y * math.log(nu) + (n - y) * math.log1p(-nu), y / nu - (n - y) / (1.0 - nu)


@kernel
def terms_identity(y, n, nu, tau1, tau2):
    if not (nu > 0.0 and nu < 1.0):
        return IMPOSSIBLE
    a, b = 1.0 / nu, 1.0 / (1.0 - nu)
    u, v = y * a * a, (n - y) * b * b
    logf, s = value_identity(y, n, nu, tau1, tau2)
    return (logf, s, u + v, 2.0 * (v * b - u * a)) + NO_OWN  # noqa: RUF005


KERNELS = {
    "logit": (value_logit, terms_logit),
    "probit": (value_probit, terms_probit),
    "cloglog": (value_cloglog, terms_cloglog),
    "loglog": (value_loglog, terms_loglog),
    "log": (value_log, terms_log),
    "identity": (value_identity, terms_identity),
}


def check(values, trials, column):
    successes = as_numbers(values, column)
    require_finite(successes, column)
    refuse(successes < 0, successes, column, "is negative, but binomial responses are numbers of successes")
    require_whole(successes, column, "binomial")
    seen = ~np.isnan(successes)
    n = np.broadcast_to(as_numbers(1 if trials is None else trials, column), successes.shape)
    refuse(seen & ~(np.isfinite(n) & (n == np.round(n)) & (n >= 0)), n, column, "is not a number of trials",
           "Trials are whole numbers, known wherever the response is.")
    refuse(seen & (n < successes), successes, column, "successes are more than there were trials",
           f"Name the column of trials: @trials({column}, n)." if trials is None else None)


def log_constant(y, n):
    from scipy.special import gammaln

    y, n = np.asarray(y, dtype=float), np.asarray(n, dtype=float)
    return gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1)


def mean(nu, own, link):
    return inverse(link, nu)


def probabilities(nu, own, link):
    """Of failure and of success of one trial, along the last axis."""
    p = inverse(link, nu)
    return np.stack([1 - p, p], axis=-1)


def distribution(nu, own, n, link):
    from scipy import stats

    return stats.binom(n, inverse(link, nu))


def simulate(nu, own, n, rng, link):
    return rng.binomial(np.asarray(n, dtype=int), inverse(link, nu)).astype(float)


def start(y, n, link):
    return predictor_at(link, (float(np.sum(y)) + 0.5) / (float(np.sum(n)) + 1.0)), ()


FAMILIES = tuple(
    Family(
        name="binomial", link=link, default_link="logit", beside="trials",
        residual_variance=LATENT_VARIANCE.get(link), value=value, terms=terms, check=check, log_constant=log_constant,
        mean=partial(mean, link=link), simulate=partial(simulate, link=link),
        probabilities=partial(probabilities, link=link), distribution=partial(distribution, link=link),
        exponential=BINOMIAL,
        start=None if link in LATENT_VARIANCE else partial(start, link=link),
    )
    for link, (value, terms) in KERNELS.items()
)
