"""Poisson counts, log link: log f = yν − μ − log y!, with μ = exp(ν)."""

from __future__ import annotations

import numpy as np

from semgllamm.responses.checks import as_numbers, refuse, require_finite, require_whole
from semgllamm.responses.contract import NO_OWN, Family
from semgllamm.responses.jit import kernel
from semgllamm.responses.links import capped_exp

__all__ = ["CODE", "FAMILIES"]

CODE = 4


@kernel
def value(y, n, nu, tau1, tau2):
    mu = capped_exp(nu)
    return y * nu - mu, y - mu


@kernel
def terms(y, n, nu, tau1, tau2):
    mu = capped_exp(nu)
    return (y * nu - mu, y - mu, mu, mu) + NO_OWN  # noqa: RUF005 (numba adds tuples, it does not unpack them)


def check(values, trials, column):
    counts = as_numbers(values, column)
    require_finite(counts, column)
    refuse(counts < 0, counts, column, "is negative, but poisson responses are counts 0, 1, 2, ...")
    require_whole(counts, column, "poisson")


def log_constant(y, n):
    from scipy.special import gammaln

    return -gammaln(np.asarray(y) + 1.0)


def mean(nu, own):
    return np.exp(nu)


def simulate(nu, own, n, rng):
    return rng.poisson(np.exp(nu)).astype(float)


FAMILIES = (
    Family(
        name="poisson", link="log", default_link="log", code=CODE, own=0, has_residual=False,
        residual_variance=None, value=value, terms=terms, check=check, log_constant=log_constant, mean=mean,
        simulate=simulate,
    ),
)
