"""Log-likelihoods from the model's definition, by the trapezoidal rule on a dense grid, in plain NumPy.

A unit draws its latent variables η ~ N(0, Ψ) given those of the units above it; given η its responses, and the units
below it, are independent. The grid is equally spaced in η itself, ±7 prior standard deviations, and sees neither
a Cholesky factor, nor an integration tree, nor a posterior mode. Each test writes its model as responses and units.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import expit, logsumexp, ndtr

# log f of one response, given every latent variable of its unit and then those of the units above, lowest first
Response = Callable[..., np.ndarray]

INVERSE_LINK = {
    "logit": expit, "probit": ndtr, "cloglog": lambda nu: -np.expm1(-np.exp(nu)),
    "loglog": lambda nu: np.exp(-np.exp(-nu)),
    "log": np.exp, "identity": lambda nu: nu, "reciprocal": lambda nu: 1 / nu, "inverse_square": lambda nu: nu**-0.5,
    "sqrt": np.square,
}  # fmt: skip


@dataclass(frozen=True)
class Unit:
    """A unit of some level: the covariance matrix of its latent variables, its own responses, the units below it."""

    Psi: np.ndarray
    responses: Sequence[Response] = ()
    units: Sequence["Unit"] = ()


def log_likelihood(units: Sequence[Unit], size: int = 41) -> float:
    return float(sum(log_integral(unit, (), size) for unit in units))


def log_integral(unit: Unit, above: tuple[np.ndarray, ...], size: int, half_width: float = 7.0) -> np.ndarray:
    """log ∫ f(all responses of the unit | η, above) N(η; 0, Ψ) dη, an array over the grid of the units above."""
    Psi = np.atleast_2d(unit.Psi)
    sd = np.sqrt(np.diag(Psi))
    dims, outer = len(sd), above[0].ndim if above else 0
    t = np.linspace(-half_width, half_width, size)
    axes = [s * t.reshape((1,) * (outer + k) + (size,) + (1,) * (dims - k - 1)) for k, s in enumerate(sd)]
    above = tuple(eta.reshape(eta.shape + (1,) * dims) for eta in above)
    grid = np.stack(np.broadcast_arrays(*axes), axis=-1).reshape((size,) * dims + (dims,))
    total = stats.multivariate_normal(np.zeros(dims), Psi).logpdf(grid.reshape(-1, dims)).reshape((size,) * dims)
    total = np.broadcast_to(total + dims * np.log(t[1] - t[0]) + np.log(sd).sum(), _shape(above, axes)).copy()
    for response in unit.responses:
        total += response(*axes, *above)
    for below in unit.units:
        total += log_integral(below, (*axes, *above), size)
    return logsumexp(total, axis=tuple(range(outer, outer + dims)))


def _shape(above, axes):
    return np.broadcast_shapes(*(eta.shape for eta in (*above, *axes)))


def weibull(y, scale, shape, seen):
    f = stats.weibull_min(shape, scale=scale)
    return f.logpdf(y) if seen else f.logsf(y)


# log f by the mean, or scale, and the dispersion
DENSITY = {
    "poisson": lambda y, mu, d, n: stats.poisson.logpmf(y, mu),
    "gamma": lambda y, mu, d, n: stats.gamma.logpdf(y, 1 / d, scale=mu * d),
    "inversegaussian": lambda y, mu, d, n: stats.invgauss.logpdf(y, mu * d, scale=1 / d),
    "nbinom1": lambda y, mu, d, n: stats.nbinom.logpmf(y, mu / d, 1 / (1 + d)),
    "nbinom2": lambda y, mu, d, n: stats.nbinom.logpmf(y, d, d / (d + mu)),
    "beta": lambda y, mu, d, n: stats.beta.logpdf(y, mu * d, (1 - mu) * d),
    "exponential": lambda y, mu, d, n: weibull(y, mu, 1.0, n),
    "weibull": weibull,
}


def log_density(
    family: str, y: float, nu, trials: float = 1, theta: float = 1.0, kappa: Sequence[float] = (),
    dispersion: float = 0.0, inflation: float = 0.0, guessing: float = -np.inf, ceiling: float = np.inf,
):  # fmt: skip
    """log f(y | ν) with every constant; θ the Gaussian variance, κ the thresholds of categories 0, 1, …, the dispersion
    a logarithm, the inflation and the asymptotes logits; `trials` also tells whether an event was seen."""
    name, _, link = family.rstrip(")").partition("(")
    if name == "gaussian":
        return stats.norm.logpdf(y, INVERSE_LINK[link or "identity"](nu), np.sqrt(theta))
    F = INVERSE_LINK[link.partition(",")[0] or "log"]
    if name in DENSITY:
        with np.errstate(all="ignore"):
            found = DENSITY[name](y, F(nu), np.exp(dispersion), trials)
        # there is no such mean, or it has reached an end and answers elsewhere are impossible
        return np.where(np.isnan(found), -np.inf, found)
    if name == "censored":
        sd = np.sqrt(theta)
        return stats.norm.logpdf(y, nu, sd) if y > 0 else stats.norm.logcdf((0 - nu) / sd)
    if name.startswith(("zi", "hurdle")):
        counts, pi = name.removeprefix("zi").removeprefix("hurdle"), expit(inflation)
        log_f, log_none = (DENSITY[counts](k, F(nu), np.exp(dispersion), trials) for k in (y, 0))
        if name.startswith("zi"):
            return np.logaddexp(np.log(pi) if y == 0 else -np.inf, np.log1p(-pi) + log_f)
        if y == 0:
            return np.log(pi) + 0 * nu
        return np.log1p(-pi) + log_f - np.log(-np.expm1(log_none))
    if name.startswith(("bernoulli", "binomial")) and name not in ("bernoulli", "binomial"):
        p = expit(guessing) + (expit(ceiling) - expit(guessing)) * F(nu)
        return stats.binom.logpmf(y, trials, p)
    if name in ("bernoulli", "binomial"):
        found = stats.binom.logpmf(y, trials, F(nu))
        return np.where(np.isnan(found), -np.inf, found)
    if name == "sequential":
        there = kappa[: int(y) + 1]
        with np.errstate(divide="ignore"):
            return sum(np.log(F(k - nu) if place == y else 1 - F(k - nu)) for place, k in enumerate(there))
    if name == "adjacent":
        logs = [k * nu - np.sum(kappa[:k]) for k in range(len(kappa) + 1)]
        return logs[int(y)] - logsumexp(np.stack(np.broadcast_arrays(*logs)), axis=0)
    edges = np.array([-np.inf, *kappa, np.inf])
    with np.errstate(divide="ignore"):  # the tails of the grid underflow
        return np.log(F(edges[int(y) + 1] - nu) - F(edges[int(y)] - nu))
