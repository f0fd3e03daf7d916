"""Composite links: a mean that is a sum over linear predictors, μ = Σ_a c_a h(ν_a)  (Thompson & Baker 1981).

The rows of a case have a linear predictor each, and h is the inverse of the family's link. As a function of its mean
the density is that of the same family under the identity link, so its kernels are those: of a binomial response with
1 − μ in the place of τ1, which keeps the digits where μ is near 1. What joins the rows is the engine's
(integration/composites.py); this is h and its derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import numpy as np

from semgllamm.responses.contract import IMPOSSIBLE, NO_OWN, Family
from semgllamm.responses.jit import kernel
from semgllamm.responses.links import LOG_SQRT_2PI, capped_exp, logistic

__all__ = ["LINKS", "composites", "inverse_terms"]

IDENTITY, LOG, LOGIT, PROBIT, CLOGLOG, LOGLOG, RECIPROCAL, INVERSE_SQUARE = range(8)
LINKS = {
    "identity": IDENTITY, "log": LOG, "logit": LOGIT, "probit": PROBIT, "cloglog": CLOGLOG, "loglog": LOGLOG,
    "reciprocal": RECIPROCAL, "inverse_square": INVERSE_SQUARE,
}  # fmt: skip
SHARES = ("bernoulli", "binomial")
# families whose identity link is the mean itself
SUMMED = ("gaussian", *SHARES, "poisson", "nbinom1", "nbinom2", "gamma", "inversegaussian")


@kernel
def inverse_terms(link, nu):
    """h(ν), 1 − h(ν), and three derivatives of h; NaN where the link has no mean."""
    if link == LOG:
        mu = capped_exp(nu)
        return mu, -math.expm1(min(nu, 300.0)), mu, mu, mu
    if link == LOGIT:
        p, q = logistic(nu)
        v = p * q
        return p, q, v, v * (q - p), v * (1.0 - 6.0 * v)
    if link == PROBIT:
        density = math.exp(-0.5 * nu * nu - LOG_SQRT_2PI)
        p, q = 0.5 * math.erfc(-nu * math.sqrt(0.5)), 0.5 * math.erfc(nu * math.sqrt(0.5))
        return p, q, density, -nu * density, (nu * nu - 1.0) * density
    if link in (CLOGLOG, LOGLOG):
        m = capped_exp(nu if link == CLOGLOG else -nu)
        e = math.exp(-m)
        d1, d3 = m * e, m * e * (1.0 - 3.0 * m + m * m)
        if link == CLOGLOG:
            return -math.expm1(-m), e, d1, d1 * (1.0 - m), d3
        return e, -math.expm1(-m), d1, d1 * (m - 1.0), d3
    if link == IDENTITY:
        return nu, 1.0 - nu, 1.0, 0.0, 0.0
    if not nu > 0.0:
        return math.nan, math.nan, math.nan, math.nan, math.nan
    z = 1.0 / nu
    if link == RECIPROCAL:
        return z, 1.0 - z, -z * z, 2.0 * z * z * z, -6.0 * z * z * z * z
    h = math.sqrt(z)
    return h, 1.0 - h, -0.5 * h * z, 0.75 * h * z * z, -1.875 * h * z * z * z


@kernel
def value_of_shares(y, n, mu, rest, tau2):
    if not (mu > 0.0 and rest > 0.0):
        return -math.inf, 0.0
    return y * math.log(mu) + (n - y) * math.log(rest), y / mu - (n - y) / rest


@kernel
def terms_of_shares(y, n, mu, rest, tau2):
    if not (mu > 0.0 and rest > 0.0):
        return IMPOSSIBLE
    a, b = 1.0 / mu, 1.0 / rest
    u, v = y * a * a, (n - y) * b * b
    logf = y * math.log(mu) + (n - y) * math.log(rest)
    return (logf, y * a - (n - y) * b, u + v, 2.0 * (v * b - u * a)) + NO_OWN  # noqa: RUF005


def mean(nu, own, link):
    """h(ν) of each row; the mean of a case is their weighted sum."""
    nu = np.asarray(nu, dtype=float)
    return np.array([inverse_terms(LINKS[link], x)[0] for x in nu.ravel()]).reshape(nu.shape)


def composites(families: Iterable[Family], first: int) -> tuple[Family, ...]:
    """The families of responses whose mean is a sum, with codes from `first` on.

    Parameters
    ----------
    families : iterable of Family
        Those of single rows.
    first : int
    """
    families = tuple(families)
    plain = {(f.name, f.link): f for f in families if f.name in SUMMED}
    codes: dict[tuple, int] = {}
    out = []
    for (name, link), family in plain.items():
        base = plain[name, "identity"]
        kernels = (value_of_shares, terms_of_shares) if name in SHARES else (base.value, base.terms)
        code = codes.setdefault(kernels, first + len(codes))
        out.append(
            replace(
                family, code=code, is_joint=True, is_composite=True, log_concave=False, residual_variance=None,
                value=kernels[0], terms=kernels[1], mean=partial(mean, link=link),
                probabilities=None, distribution=None, exponential=None,
            )
        )  # fmt: skip
    return tuple(out)
