"""What a response family is: the kernels that the engine calls, and what Python needs to know around them.

Response i has the linear predictor ν_i and up to two parameters of its own, τ1 and τ2 (a log variance, the two
thresholds around an ordinal answer). With log f(y | ν, τ1, τ2), up to terms free of parameters, a family supplies two
scalar kernels

    value(y, n, nu, tau1, tau2) -> (logf, s)
    terms(y, n, nu, tau1, tau2) -> (logf, s, w, dw, g1, g2, s1, s2, w1, w2, h11, h12, h22)

    s  =  ∂ log f / ∂ν        g_k  = ∂ log f / ∂τ_k
    w  = −∂² log f / ∂ν²      s_k  = ∂² log f / ∂ν ∂τ_k
    dw =  ∂w / ∂ν             w_k  = ∂w / ∂τ_k           h_kl = ∂² log f / ∂τ_k ∂τ_l

that hold one response, have no loops over data, and stay finite for ν in both tails; where a link has no mean,
log f = −∞ and the rest is 0. `n` is a second column of the data where a family needs one: the number of trials, whether
an event was seen, the other end of an interval. A family ignores the arguments it does not use, and ends its terms with
`NO_OWN` if it has no own parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from semgllamm.responses.exponential_families import ExponentialFamily

__all__ = ["IMPOSSIBLE", "MANY", "NO_OWN", "Family"]

# g1, g2, s1, s2, w1, w2, h11, h12, h22 of a family without own parameters
NO_OWN = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

# terms where a link has no mean
IMPOSSIBLE = (-math.inf, 0.0, 0.0, 0.0) + NO_OWN  # noqa: RUF005 (numba adds tuples, it does not unpack them)

# own parameters of a family that has as many as the response has thresholds
MANY = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One family of responses under one link.

    Parameters
    ----------
    name, link : str
        As written in a model: ``@family(y, binomial(probit))``.
    default_link : str
        The link of the family when none is written.
    code : int
        What the engine knows its kernels by; the registry gives it, and families with the same kernels share it.
    own : int
        Number of own parameters per response: 0, 1 (τ1), 2 (τ1 and τ2), or MANY (one for each threshold; the kernels
        then are of the first two).
    predictors : tuple of str
        What each own parameter is, if it has a linear predictor: "dispersion" (a logarithm), "inflation" (a logit).
    dispersion : str
        What is called so: ``@dispersion(y ~ 1)`` is the logarithm of this.
    thresholds : str
        How the thresholds κ of an ordered answer enter: "around" (τ1 and τ2 are those below and above it), "steps"
        (each step that could be taken is a response of its own, with the step's threshold above or below), "all"
        (each is in every answer's density), "" (there are none).
    beside : str or None
        The directive that names the second column: "trials", "event" or "interval".
    has_residual : bool
        Whether the response has a residual variance (and may have residual covariances).
    residual_variance : float or None
        Variance of the latent response's residual, for intraclass correlations and standardised solutions;
        None where there is no latent response.
    log_concave : bool
        Whether log f is concave in ν: w >= 0 everywhere.
    is_joint : bool
        Whether an answer has several linear predictors, a cell for each alternative, that share one probability. Its
        kernels see the rest of the answer through τ1, and NumPy's functions below have the alternatives along the last
        axis (`multinomial`).
    is_composite : bool
        Whether the mean of an answer is a sum over its rows: its kernels then are functions of that mean (`composite`).
    value, terms : kernels
        As above.
    check : callable (values, trials, column) -> None
        Raise DataError with the column and the first impossible row; NaN is a missing response.
    log_constant : callable (y, n) -> array
        The terms of log f that are free of parameters.
    mean : callable (nu, own) -> array
        E(y | ν), per trial where there are trials; NaN where the link has none. `own` is τ1 of families with one own
        parameter, (τ1, τ2) along the last axis of those with two, all thresholds of ordinal ones, else None.
    probabilities : callable (nu, own) -> array, optional
        P(y = k | ν) of the categories k along the last axis, for families of categories (of each trial where there are
        trials); `own` as in `mean`.
    distribution : callable (nu, own, n) -> object, optional
        The distribution of y given ν, with `mean()`, `var()`, `cdf(y)` and, if it is discrete, `pmf(y)` as SciPy's have
        them (of numbers of successes where there are trials); events are seen, and nothing is censored.
    exponential : ExponentialFamily, optional
        If y (per trial) has an exponential dispersion family's distribution with the mean of `mean`; φ is 1, or e^τ1 of
        families with a dispersion.
    simulate : callable (nu, own, n, rng) -> array
        Draws of y, one for each element of `nu`; `own` as in `mean`. Events are seen, and nothing is censored.
    start : callable (y, n) -> (ν, own), optional
        Where to start: a predictor at which the responses have their mean, and the own parameters by their moments, a
        tuple. Without one, at 0.
    """

    name: str
    link: str
    default_link: str
    code: int = -1
    own: int = 0
    predictors: tuple[str, ...] = ()
    dispersion: str = ""
    thresholds: str = ""
    beside: str | None = None
    has_residual: bool = False
    residual_variance: float | None = None
    log_concave: bool = True
    is_joint: bool = False
    is_composite: bool = False
    value: Callable
    terms: Callable
    check: Callable[[np.ndarray, np.ndarray | None, str], None]
    log_constant: Callable[[np.ndarray, np.ndarray], np.ndarray]
    mean: Callable[[np.ndarray, np.ndarray | None], np.ndarray]
    simulate: Callable[[np.ndarray, np.ndarray | None, np.ndarray, np.random.Generator], np.ndarray]
    start: Callable[[np.ndarray, np.ndarray], tuple[float, tuple[float, ...]]] | None = None
    probabilities: Callable[[np.ndarray, np.ndarray | None], np.ndarray] | None = None
    distribution: Callable[[np.ndarray, np.ndarray | None, np.ndarray], object] | None = None
    exponential: ExponentialFamily | None = None

    @property
    def is_linear(self) -> bool:
        """Whether the response is its linear predictor and a normal residual, both seen whole."""
        return (self.name, self.link) == ("gaussian", "identity")
