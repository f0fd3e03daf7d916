"""Gaussian responses, identity link: log f = −½[τ + (y − ν)² e^−τ] − ½ log 2π, with τ the log residual variance."""

from __future__ import annotations

import numpy as np

from semgllamm.responses.checks import as_numbers, require_finite
from semgllamm.responses.contract import Family
from semgllamm.responses.exponential_families import NORMAL
from semgllamm.responses.jit import kernel
from semgllamm.responses.links import LOG_SQRT_2PI, capped_exp

__all__ = ["FAMILIES"]


@kernel
def value(y, n, nu, tau1, tau2):
    precision = capped_exp(-tau1)
    r = y - nu
    return -0.5 * (tau1 + r * r * precision), r * precision


@kernel
def terms(y, n, nu, tau1, tau2):
    precision = capped_exp(-tau1)
    r = y - nu
    s = r * precision
    half_square = 0.5 * r * s
    logf = -0.5 * tau1 - half_square
    return logf, s, precision, 0.0, half_square - 0.5, 0.0, -s, 0.0, -precision, 0.0, -half_square, 0.0, 0.0


def check(values, trials, column):
    require_finite(as_numbers(values, column), column)


def log_constant(y, n):
    return np.full(np.shape(y), -LOG_SQRT_2PI)


def mean(nu, own):
    return np.asarray(nu, dtype=float)


def distribution(nu, own, n):
    from scipy import stats

    return stats.norm(nu, np.exp(0.5 * np.asarray(own)))


def simulate(nu, own, n, rng):
    return rng.normal(nu, np.exp(0.5 * np.asarray(own)))


FAMILIES = (
    Family(
        name="gaussian", link="identity", default_link="identity", own=1, predictors=("dispersion",),
        dispersion="residual variance", has_residual=True, value=value, terms=terms, check=check,
        log_constant=log_constant, mean=mean, simulate=simulate, distribution=distribution,
        exponential=NORMAL,
    ),
)
