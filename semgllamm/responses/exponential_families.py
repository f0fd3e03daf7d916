"""Exponential dispersion families by their variance functions, var y = φ V(μ)/n: deviances and Anscombe's residuals.

    deviance    d(y, μ) = 2n ∫_μ^y (y − t)/V(t) dt
    Anscombe    √n [A(y) − A(μ)] / [A'(μ) √V(μ)],   A(x) = ∫ V(t)^{−1/3} dt

(McCullagh & Nelder 1989, sections 2.3 and 2.4; Anscombe 1953), for y per trial and φ = 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["BINOMIAL", "GAMMA", "INVERSE_GAUSSIAN", "NORMAL", "POISSON", "ExponentialFamily"]


class ExponentialFamily(NamedTuple):
    """Functions (y, mu, n) of arrays that broadcast: the deviance, and Anscombe's residual."""

    deviance: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    anscombe: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def _log_ratio(y, mu):
    """y log(y/μ), 0 at y = 0."""
    from scipy.special import xlogy

    return xlogy(y, np.where(y > 0, y, 1.0) / np.where(y > 0, mu, 1.0))


def _binomial_anscombe(y, mu, n):
    from scipy.special import beta, betainc

    third = 2.0 / 3.0
    scale = beta(third, third)
    return np.sqrt(n) * scale * (betainc(third, third, y) - betainc(third, third, mu)) / (mu * (1 - mu)) ** (1 / 6)


def _normal_deviance(y, mu, n):
    return n * (y - mu) ** 2


def _normal_anscombe(y, mu, n):
    return np.sqrt(n) * (y - mu)


def _binomial_deviance(y, mu, n):
    return 2 * n * (_log_ratio(y, mu) + _log_ratio(1 - y, 1 - mu))


def _poisson_deviance(y, mu, n):
    return 2 * (_log_ratio(y, mu) - (y - mu))


def _poisson_anscombe(y, mu, n):
    return 1.5 * (np.cbrt(y) ** 2 - np.cbrt(mu) ** 2) / mu ** (1 / 6)


def _gamma_deviance(y, mu, n):
    return 2 * ((y - mu) / mu - np.log(y / mu))


def _gamma_anscombe(y, mu, n):
    return 3 * (np.cbrt(y / mu) - 1)


def _inverse_gaussian_deviance(y, mu, n):
    return (y - mu) ** 2 / (mu**2 * y)


def _inverse_gaussian_anscombe(y, mu, n):
    return (np.log(y) - np.log(mu)) / np.sqrt(mu)


NORMAL = ExponentialFamily(_normal_deviance, _normal_anscombe)
BINOMIAL = ExponentialFamily(_binomial_deviance, _binomial_anscombe)
POISSON = ExponentialFamily(_poisson_deviance, _poisson_anscombe)
GAMMA = ExponentialFamily(_gamma_deviance, _gamma_anscombe)
INVERSE_GAUSSIAN = ExponentialFamily(_inverse_gaussian_deviance, _inverse_gaussian_anscombe)
