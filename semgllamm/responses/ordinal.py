"""Ordinal responses under cumulative links: f = F(b) − F(a) with a = τ1 − ν and b = τ2 − ν.

τ1 and τ2 are the thresholds below and above the answer; the lowest category has τ1 = −∞, the highest τ2 = +∞.
Thresholds out of order give f = 0.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from semgllamm.errors import DataError
from semgllamm.responses.categories import Categories
from semgllamm.responses.checks import as_numbers, require_finite, require_whole
from semgllamm.responses.contract import IMPOSSIBLE, Family
from semgllamm.responses.jit import kernel
from semgllamm.responses.links import (
    LATENT_VARIANCE,
    LOG_SQRT_2PI,
    capped_exp,
    cloglog_success,
    inverse,
    log_normal_cdf,
    logistic,
    normal_cdf_terms,
)

__all__ = ["FAMILIES", "LARGEST_NUMBER_OF_CATEGORIES", "probabilities"]

LARGEST_NUMBER_OF_CATEGORIES = 200


@kernel
def gap(tau1, tau2):
    """1 − e^−δ for δ = τ2 − τ1 > 0, the derivative of its logarithm α = 1/(e^δ − 1), and β = 1 + α; α' = −αβ."""
    rest = -math.expm1(tau1 - tau2)
    return rest, math.exp(tau1 - tau2) / rest, 1.0 / rest


# logit: f = F(b) [1 − F(a)] (1 − e^−δ)


@kernel
def log_logistic_interval(a, b, rest):
    """log f with one logarithm; no factor under it can underflow."""
    return math.log(rest / ((1.0 + math.exp(-abs(a))) * (1.0 + math.exp(-abs(b))))) - max(a, 0.0) - max(-b, 0.0)


@kernel
def value_logit(y, n, nu, tau1, tau2):
    if not tau2 > tau1:
        return -math.inf, 0.0
    a, b = tau1 - nu, tau2 - nu
    return log_logistic_interval(a, b, -math.expm1(tau1 - tau2)), logistic(a)[0] - logistic(b)[1]


@kernel
def terms_logit(y, n, nu, tau1, tau2):
    if not tau2 > tau1:
        return IMPOSSIBLE
    a, b = tau1 - nu, tau2 - nu
    rest, alpha, beta = gap(tau1, tau2)
    logf = log_logistic_interval(a, b, rest)
    lower, above = logistic(a)
    below, upper = logistic(b)
    fa, fb, ab = lower * above, below * upper, alpha * beta
    w1, w2 = fa * (above - lower), fb * (upper - below)
    return (logf, lower - upper, fa + fb, -w1 - w2, -lower - alpha, upper + alpha, fa, fb, w1, w2,
            -fa - ab, ab, -fb - ab)


# probit: the interval is reflected into the lower tail, where f = Φ(b)(1 − q), q = Φ(a)/Φ(b)
# a narrow one, c ± h, where q is close to 1, by the expansion of the integral of φ(c + t):
#     log f = log φ(c) + log 2h + h²(c² − 1)/6 + h⁴(2 − 4c² − c⁴)/180

NARROW = 0.02


@kernel
def narrow_value_probit(c, h):
    c2, h2 = c * c, h * h
    logf = (math.log(2.0 * h) - LOG_SQRT_2PI - 0.5 * c2
            + h2 * ((c2 - 1.0) / 6.0 + h2 * (2.0 - 4.0 * c2 - c2 * c2) / 180.0))
    return logf, c * (1.0 - h2 * (1.0 / 3.0 - h2 * (2.0 + c2) / 45.0))


@kernel
def narrow_terms_probit(c, h):
    c2, h2 = c * c, h * h
    logf, s = narrow_value_probit(c, h)
    # derivatives of log f in c and h
    in_h = 1.0 / h + h * ((c2 - 1.0) / 3.0 + h2 * (2.0 - 4.0 * c2 - c2 * c2) / 45.0)
    in_cc = -1.0 + h2 * (1.0 / 3.0 - h2 * (2.0 + 3.0 * c2) / 45.0)
    in_ch = h * c * (2.0 / 3.0 - 4.0 / 45.0 * h2 * (2.0 + c2))
    in_hh = -1.0 / h2 + (c2 - 1.0) / 3.0 + h2 * (2.0 - 4.0 * c2 - c2 * c2) / 15.0
    in_ccc = -2.0 / 15.0 * h2 * h2 * c
    in_cch = h * (2.0 / 3.0 - 4.0 / 45.0 * h2 * (2.0 + 3.0 * c2))
    # ν = −c, and the thresholds are c ∓ h
    return (logf, s, -in_cc, in_ccc, 0.5 * (-s - in_h), 0.5 * (-s + in_h),
            0.5 * (in_ch - in_cc), -0.5 * (in_ch + in_cc), 0.5 * (in_cch - in_ccc), -0.5 * (in_cch + in_ccc),
            0.25 * (in_cc - 2.0 * in_ch + in_hh), 0.25 * (in_cc - in_hh), 0.25 * (in_cc + 2.0 * in_ch + in_hh))


@kernel
def value_probit(y, n, nu, tau1, tau2):
    if not tau2 > tau1:
        return -math.inf, 0.0
    c, h = 0.5 * (tau1 + tau2) - nu, 0.5 * (tau2 - tau1)
    if h * max(1.0, abs(c)) < NARROW:
        return narrow_value_probit(c, h)
    a, b, sign = tau1 - nu, tau2 - nu, 1.0
    if a + b > 0.0:
        a, b, sign = -b, -a, -1.0
    logf, s = log_normal_cdf(b)
    if a > -math.inf:
        log_cdf, h = log_normal_cdf(a)
        log_q = log_cdf - logf
        k = math.exp(log_q) / -math.expm1(log_q)
        logf += math.log(-math.expm1(log_q))
        s += k * (s - h)
    return logf, -sign * s


@kernel
def terms_probit(y, n, nu, tau1, tau2):
    if not tau2 > tau1:
        return IMPOSSIBLE
    c, h = 0.5 * (tau1 + tau2) - nu, 0.5 * (tau2 - tau1)
    if h * max(1.0, abs(c)) < NARROW:
        return narrow_terms_probit(c, h)
    a, b, reflected = tau1 - nu, tau2 - nu, False
    if a + b > 0.0:
        a, b, reflected = -b, -a, True
    logf, hb, vb, dvb = normal_cdf_terms(b)
    k, ha, va, dva = 0.0, 0.0, 0.0, 0.0
    if a > -math.inf:
        log_cdf, ha, va, dva = normal_cdf_terms(a)
        log_q = log_cdf - logf
        k = math.exp(log_q) / -math.expm1(log_q)
        logf += math.log(-math.expm1(log_q))
    # log f = log Φ(b) + M(log q), M(x) = log(1 − eˣ): M' = −k, M'' = −k(1 + k), M''' = −k(1 + k)(1 + 2k)
    k2 = k * (1.0 + k)
    k3 = k2 * (1.0 + 2.0 * k)
    d = ha - hb
    ga, gb = -k * ha, (1.0 + k) * hb
    haa, hab, hbb = k * va - k2 * ha * ha, k2 * ha * hb, -(1.0 + k) * vb - k2 * hb * hb
    s = -hb + k * d
    w = vb - k * (va - vb) + k2 * d * d
    wa = -k * dva - k2 * ha * (va - vb) - 2.0 * k2 * d * va + k3 * ha * d * d
    wb = (1.0 + k) * dvb + k2 * hb * (va - vb) + 2.0 * k2 * d * vb - k3 * hb * d * d
    sa, sb = -haa - hab, -hab - hbb
    if reflected:
        return logf, -s, w, wa + wb, -gb, -ga, sb, sa, -wb, -wa, hbb, hab, haa
    return logf, s, w, -wa - wb, ga, gb, sa, sb, wa, wb, haa, hab, hbb


# cloglog, F(x) = 1 − exp(−eˣ): f = exp(−e^a) (1 − exp(−m)) with m = e^b − e^a = e^b (1 − e^−δ)


@kernel
def value_cloglog(y, n, nu, tau1, tau2):
    if not tau2 > tau1:
        return -math.inf, 0.0
    ea = capped_exp(tau1 - nu)
    logf, g, _, _ = cloglog_success(tau2 - nu + math.log(-math.expm1(tau1 - tau2)))
    return logf - ea, ea - g


@kernel
def terms_cloglog(y, n, nu, tau1, tau2):
    if not tau2 > tau1:
        return IMPOSSIBLE
    rest, alpha, beta = gap(tau1, tau2)
    ea = capped_exp(tau1 - nu)
    logf, g, v, dv = cloglog_success(tau2 - nu + math.log(rest))
    w1, w2 = ea - alpha * dv, beta * dv
    ab = alpha * beta
    return (logf - ea, ea - g, ea + v, -w1 - w2, -ea - alpha * g, beta * g, ea - alpha * v, beta * v, w1, w2,
            -ea - alpha * alpha * v - ab * g, ab * (v + g), -beta * beta * v - ab * g)


# loglog: the complementary log-log link, turned round


@kernel
def value_loglog(y, n, nu, tau1, tau2):
    logf, s = value_cloglog(y, n, -nu, -tau2, -tau1)
    return logf, -s


@kernel
def terms_loglog(y, n, nu, tau1, tau2):
    logf, s, w, dw, g1, g2, s1, s2, w1, w2, h11, h12, h22 = terms_cloglog(y, n, -nu, -tau2, -tau1)
    return logf, -s, w, -dw, -g2, -g1, s2, s1, -w2, -w1, h22, h12, h11


KERNELS = {
    "logit": (value_logit, terms_logit),
    "probit": (value_probit, terms_probit),
    "cloglog": (value_cloglog, terms_cloglog),
    "loglog": (value_loglog, terms_loglog),
}


def check(values, trials, column, family="ordinal"):
    codes = as_numbers(values, column)
    require_finite(codes, column)
    require_whole(codes, column, family)
    number = len(np.unique(codes[~np.isnan(codes)]))
    if number > LARGEST_NUMBER_OF_CATEGORIES:
        raise DataError(
            f"column '{column}' has {number} categories, more than the {LARGEST_NUMBER_OF_CATEGORIES} that an "
            "ordered response may have",
            remedy="Join categories, or treat the response as gaussian.",
        )


def log_constant(y, n):
    return np.zeros(np.shape(y))


def probabilities(nu, thresholds, link):
    """P(y = k | ν) for k = 0, ..., K − 1 along the last axis; `thresholds` holds K − 1 along its last axis."""
    at_most = inverse(link, np.asarray(thresholds) - np.asarray(nu, dtype=float)[..., None])
    edge = np.zeros((*at_most.shape[:-1], 1))
    return np.diff(np.concatenate([edge, at_most, edge + 1.0], axis=-1), axis=-1)


def mean(nu, own, link):
    """The expected category code."""
    p = probabilities(nu, own, link)
    return p @ np.arange(p.shape[-1])


def distribution(nu, own, n, link):
    return Categories(probabilities(nu, own, link))


def simulate(nu, own, n, rng, link):
    at_most = inverse(link, np.asarray(own) - np.asarray(nu, dtype=float)[..., None])
    return (rng.random(np.shape(nu))[..., None] > at_most).sum(axis=-1).astype(float)


FAMILIES = tuple(
    Family(
        name="ordinal", link=link, default_link="logit", own=2, thresholds="around",
        residual_variance=LATENT_VARIANCE[link], value=value, terms=terms, check=check, log_constant=log_constant,
        mean=partial(mean, link=link), simulate=partial(simulate, link=link),
        probabilities=partial(probabilities, link=link), distribution=partial(distribution, link=link),
    )
    for link, (value, terms) in KERNELS.items()
)
