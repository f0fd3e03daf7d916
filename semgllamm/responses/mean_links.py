"""Links of responses with a positive mean: θ = log μ as a function of ν, through which the kernels of a family go.

    log  θ = ν      reciprocal  μ = 1/ν      identity  μ = ν      inverse_square  μ = ν^−½      sqrt  μ = ν²

Under all but the log link a mean exists for ν > 0 only; elsewhere log f = −∞.
"""

from __future__ import annotations

import math

import numpy as np

from semgllamm.responses.contract import IMPOSSIBLE
from semgllamm.responses.jit import kernel

__all__ = [
    "IDENTITY",
    "INVERSE_SQUARE",
    "RECIPROCAL",
    "SQRT",
    "log_mean",
    "mean_of",
    "predictor_of",
    "through",
    "value_through",
]

RECIPROCAL, IDENTITY, INVERSE_SQUARE, SQRT = range(4)


@kernel
def log_mean(link, nu):
    """θ = log μ and its three derivatives in ν; NaN for derivatives where there is no mean."""
    if not nu > 0.0:
        return 0.0, math.nan, math.nan, math.nan
    z = 1.0 / nu
    if link == RECIPROCAL:
        return -math.log(nu), -z, z * z, -2.0 * z * z * z
    if link == IDENTITY:
        return math.log(nu), z, -z * z, 2.0 * z * z * z
    if link == SQRT:
        return 2.0 * math.log(nu), 2.0 * z, -2.0 * z * z, 4.0 * z * z * z
    return -0.5 * math.log(nu), -0.5 * z, 0.5 * z * z, -z * z * z


@kernel
def value_through(value, d1):
    """log f and its derivative in ν, from those in θ and the derivative of θ."""
    if d1 != d1:
        return -math.inf, 0.0
    return value[0], value[1] * d1


@kernel
def through(terms, d1, d2, d3):
    """The terms in ν of a family whose `terms` are in θ, from the derivatives of θ (the chain rule)."""
    if d1 != d1:
        return IMPOSSIBLE
    logf, s, w, dw, g1, g2, s1, s2, w1, w2, h11, h12, h22 = terms
    d11 = d1 * d1
    return (logf, s * d1, w * d11 - s * d2, dw * d11 * d1 + 3.0 * w * d1 * d2 - s * d3, g1, g2, s1 * d1, s2 * d1,
            w1 * d11 - s1 * d2, w2 * d11 - s2 * d2, h11, h12, h22)


def mean_of(link: str, nu: np.ndarray) -> np.ndarray:
    """μ, elementwise; NaN where there is none."""
    nu = np.asarray(nu, dtype=float)
    if link == "log":
        return np.exp(nu)
    nu = np.where(nu > 0, nu, np.nan)
    return {"identity": nu, "reciprocal": 1 / nu, "inverse_square": nu**-0.5, "sqrt": nu**2}[link]


def predictor_of(link: str, mean: float) -> float:
    """ν at a mean."""
    predictors = {
        "log": math.log(mean), "identity": mean, "reciprocal": 1 / mean, "inverse_square": mean**-2,
        "sqrt": math.sqrt(mean),
    }  # fmt: skip
    return predictors[link]
