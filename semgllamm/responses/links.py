"""Inverse links and their derivatives, shared by the families.

All but log and identity are a distribution function F of the latent response's residual. What binary responses need is
log F(ν) and log(1 − F(ν)) with three derivatives each, relative accuracy kept in both tails.
"""

from __future__ import annotations

import math

import numpy as np

from semgllamm.responses.jit import kernel

__all__ = [
    "LATENT_VARIANCE",
    "LOG_SQRT_2PI",
    "SHARES",
    "capped_exp",
    "cloglog_success",
    "inverse",
    "log_normal_cdf",
    "logistic",
    "normal_cdf_terms",
    "predictor_at",
    "softplus",
    "success_terms",
]

# variance of the latent response's residual
LATENT_VARIANCE = {"logit": math.pi**2 / 3, "probit": 1.0, "cloglog": math.pi**2 / 6, "loglog": math.pi**2 / 6}

LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
SQRT_HALF = math.sqrt(0.5)


def inverse(link: str, nu: np.ndarray) -> np.ndarray:
    """F(ν), elementwise on arrays; NaN where it is no probability."""
    from scipy.special import expit, ndtr

    nu = np.asarray(nu, dtype=float)
    if link == "logit":
        return expit(nu)
    if link == "probit":
        return ndtr(nu)
    if link == "loglog":
        return np.exp(-np.exp(np.minimum(-nu, 300.0)))
    if link == "log":
        return np.where(nu < 0, np.exp(np.minimum(nu, 0.0)), np.nan)
    if link == "identity":
        return np.where((nu > 0) & (nu < 1), nu, np.nan)
    return -np.expm1(-np.exp(np.minimum(nu, 300.0)))


def predictor_at(link: str, p: float) -> float:
    """ν at a probability."""
    from scipy.special import ndtri

    inverses = {
        "logit": lambda: math.log(p / (1 - p)),
        "probit": lambda: float(ndtri(p)),
        "cloglog": lambda: math.log(-math.log1p(-p)),
        "loglog": lambda: -math.log(-math.log(p)),
        "log": lambda: math.log(p),
        "identity": lambda: p,
    }
    return inverses[link]()


@kernel
def capped_exp(x):
    """exp(x), level from 300 on, so that an astray Newton step gives large numbers and no infinite ones."""
    return math.exp(min(x, 300.0))


@kernel
def logistic(x):
    """F(x) and 1 − F(x) of the logistic distribution, each to full relative accuracy."""
    e = math.exp(-abs(x))
    large, small = 1.0 / (1.0 + e), e / (1.0 + e)
    if x > 0.0:
        return large, small
    return small, large


@kernel
def softplus(x):
    """log(1 + eˣ)."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


# below this the normal distribution function is taken from its continued fraction
NORMAL_TAIL = -6.0


@kernel
def mills_fractions(z):
    """K1, K2 and K3 of the continued fraction φ(z)/Φ(−z) = z + K1, K_j = j / (z + K_{j+1}), for z in the tail."""
    k = 0.0
    for j in range(40, 3, -1):
        k = j / (z + k)
    k3 = 3.0 / (z + k)
    k2 = 2.0 / (z + k3)
    return 1.0 / (z + k2), k2, k3


@kernel
def log_normal_cdf(x):
    """log Φ(x) and its derivative, the hazard h = φ(x)/Φ(x)."""
    if x < NORMAL_TAIL:
        h = mills_fractions(-x)[0] - x
        return -0.5 * x * x - LOG_SQRT_2PI - math.log(h), h
    density = math.exp(-0.5 * x * x - LOG_SQRT_2PI)
    if x > 0.0:
        upper = 0.5 * math.erfc(x * SQRT_HALF)
        return math.log1p(-upper), density / (1.0 - upper)
    lower = 0.5 * math.erfc(-x * SQRT_HALF)
    return math.log(lower), density / lower


@kernel
def normal_cdf_terms(x):
    """log Φ(x), its derivative h, ω = −h' = h(x + h), and ω' = h(1 − ω) − ω(x + h).

    In the tail x + h = K1 and 1 − ω = K1 (K2 − K1), so that nothing cancels.
    """
    logf, h = log_normal_cdf(x)
    if x < NORMAL_TAIL:
        k1, k2, k3 = mills_fractions(-x)
        return logf, h, h * k1, h * k1 * k1 * k2 * (k2 - k3)
    r = x + h
    w = h * r
    return logf, h, w, h * (1.0 - w) - w * r


@kernel
def cloglog_success(x):
    """log(1 − exp(−m)) with m = eˣ, and in x its first derivative g, −second, and the derivative of that.

    g = m/(eᵐ − 1) generates the Bernoulli numbers; c = g + m − 1 is their sum from B₂ on.
    """
    m = capped_exp(x)
    if m < 0.25:
        t = m * m
        c = 0.5 * m + t * (1 / 12 - t * (1 / 720 - t * (1 / 30240 - t * (1 / 1209600 - t / 47900160))))
        g = 1.0 - m + c
        logf = x - m - math.log1p(c - m)
    else:
        e = math.exp(-m)
        g = m * e / (1.0 - e)
        c = g + m - 1.0
        logf = math.log1p(-e)
    return logf, g, g * c, g * (m - c * (c + g))


LOGIT, PROBIT, CLOGLOG, LOGLOG = range(4)
SHARES = {"logit": LOGIT, "probit": PROBIT, "cloglog": CLOGLOG, "loglog": LOGLOG}


@kernel
def success_terms(link, nu):
    """log F(ν) and log(1 − F(ν)), each with its first derivative, minus its second, and the derivative of that."""
    if link == LOGIT:
        p, q = logistic(nu)
        v = p * q
        return -softplus(-nu), q, v, v * (q - p), -softplus(nu), -p, v, v * (q - p)
    if link == PROBIT:
        log_p, h, v, dv = normal_cdf_terms(nu)
        log_q, k, u, du = normal_cdf_terms(-nu)
        return log_p, h, v, dv, log_q, -k, u, -du
    x = nu if link == CLOGLOG else -nu
    log_p, g, v, dv = cloglog_success(x)
    m = capped_exp(x)
    if link == CLOGLOG:
        return log_p, g, v, dv, -m, -m, m, m
    return -m, m, m, -m, log_p, -g, v, -dv
