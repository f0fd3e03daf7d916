"""Censored normal responses (tobit), identity link: y* ~ N(ν, e^τ) is seen, or only known to lie between two ends.

n is the other end: n = y for an answer seen, −∞ or +∞ where y* is below or above y (Tobin 1958), else the second end of
the interval from y. With u = e^{−τ/2} and t = u (c − ν) for an end c,

    log f = −½ [τ + u² (y − ν)²] − ½ log 2π,      log Φ(t),      log Φ(−t),      log [Φ(t₂) − Φ(t₁)].
"""

from __future__ import annotations

import math

import numpy as np

from semgllamm.responses import gaussian, ordinal
from semgllamm.responses.checks import as_numbers, refuse
from semgllamm.responses.contract import Family
from semgllamm.responses.jit import kernel
from semgllamm.responses.links import LOG_SQRT_2PI, capped_exp, log_normal_cdf, normal_cdf_terms

__all__ = ["FAMILIES"]


@kernel
def value(y, n, nu, tau1, tau2):
    if n == y:
        return gaussian.value(y, n, nu, tau1, tau2)
    u = capped_exp(-0.5 * tau1)
    if math.isinf(n):
        # side is 1 below y, −1 above
        side = -1.0 if n > 0.0 else 1.0
        logf, h = log_normal_cdf(side * u * (y - nu))
        return logf, -side * u * h
    logf, s = ordinal.value_probit(1.0, 1.0, 0.0, u * (min(y, n) - nu), u * (max(y, n) - nu))
    return logf, u * s


@kernel
def terms(y, n, nu, tau1, tau2):
    if n == y:
        return gaussian.terms(y, n, nu, tau1, tau2)
    u = capped_exp(-0.5 * tau1)
    if math.isinf(n):
        side = -1.0 if n > 0.0 else 1.0
        t = side * u * (y - nu)
        logf, h, v, dv = normal_cdf_terms(t)
        u1 = side * u
        return (logf, -u1 * h, u * u * v, -u1 * u * u * dv, -0.5 * t * h, 0.0, 0.5 * u1 * (h - t * v), 0.0,
                -u * u * (v + 0.5 * t * dv), 0.0, 0.25 * t * (h - t * v), 0.0, 0.0)
    t1, t2 = u * (min(y, n) - nu), u * (max(y, n) - nu)
    logf, s, w, dw, g1, g2, s1, s2, w1, w2, h11, h12, h22 = ordinal.terms_probit(1.0, 1.0, 0.0, t1, t2)
    return (logf, u * s, u * u * w, u * u * u * dw, -0.5 * (t1 * g1 + t2 * g2), 0.0, -0.5 * u * (s + t1 * s1 + t2 * s2),
            0.0, -u * u * (w + 0.5 * (t1 * w1 + t2 * w2)), 0.0,
            0.25 * (t1 * g1 + t2 * g2 + t1 * t1 * h11 + 2.0 * t1 * t2 * h12 + t2 * t2 * h22), 0.0, 0.0)


def check(values, ends, column):
    answers = as_numbers(values, column)
    refuse(np.isinf(answers), answers, column, "is not finite",
           f"Leave an end empty (NaN) where it is open, and name the other: @interval({column}, upper).")


def log_constant(y, n):
    return np.where(np.asarray(n) == np.asarray(y), -LOG_SQRT_2PI, 0.0)


def start(y, n):
    inside = np.isfinite(n)
    middle = np.where(inside, 0.5 * (y + np.where(inside, n, 0.0)), y)
    return float(np.mean(middle)), (math.log(max(float(np.var(middle)), 1e-6)),)


FAMILIES = (
    Family(
        name="censored", link="identity", default_link="identity", own=1, predictors=("dispersion",),
        dispersion="residual variance", beside="interval", has_residual=True, value=value, terms=terms, check=check,
        log_constant=log_constant, mean=gaussian.mean, simulate=gaussian.simulate, distribution=gaussian.distribution,
        start=start,
    ),
)
