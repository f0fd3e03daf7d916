"""Binomial responses, y successes in n trials: log f = y log F(ν) + (n − y) log(1 − F(ν)) + log C(n, y)."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from semgllamm.responses.checks import as_numbers, refuse, require_finite, require_whole
from semgllamm.responses.contract import NO_OWN, Family
from semgllamm.responses.jit import kernel
from semgllamm.responses.links import (
    LATENT_VARIANCE,
    capped_exp,
    cloglog_success,
    inverse,
    log_normal_cdf,
    logistic,
    normal_cdf_terms,
)

__all__ = ["CLOGLOG", "FAMILIES", "LOGIT", "PROBIT"]

LOGIT, PROBIT, CLOGLOG = 1, 2, 3


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


KERNELS = {
    "logit": (LOGIT, value_logit, terms_logit),
    "probit": (PROBIT, value_probit, terms_probit),
    "cloglog": (CLOGLOG, value_cloglog, terms_cloglog),
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


def simulate(nu, own, n, rng, link):
    return rng.binomial(np.asarray(n, dtype=int), inverse(link, nu)).astype(float)


FAMILIES = tuple(
    Family(
        name="binomial", link=link, default_link="logit", code=code, own=0, has_residual=False,
        residual_variance=LATENT_VARIANCE[link], value=value, terms=terms, check=check, log_constant=log_constant,
        mean=partial(mean, link=link), simulate=partial(simulate, link=link),
    )
    for link, (code, value, terms) in KERNELS.items()
)
