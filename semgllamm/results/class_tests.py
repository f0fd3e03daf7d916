"""Tests of fits with different numbers of classes, and of fits that are not nested.

With s_f, s_g the scores of the independent units in the larger model f (p parameters) and the smaller g (q), B their
sums of products and V the inverses of the observed informations, 2 LR = 2 (log L_f − log L_g) is distributed as
Σ λ_i χ²_1, λ the p + q eigenvalues of (Vuong 1989, theorem 3.3)

    W = [ B_ff V_f    B_fg V_g ]
        [−B_gf V_f   −B_gg V_g ],

which Lo, Mendell and Rubin (2001) use for numbers of classes; their statistic adjusted to converge faster,

    2 LR / (1 + 1/((p − q) log n)),

is held against the same distribution. Jeffries (2003) shows that the conditions of the theorem fail
where mixtures are nested: take the p-values as rough, or draw them (McLachlan 1987).

Of fits that are not nested, with d_j the difference of the log-likelihoods of unit j (Vuong 1989, theorem 5.1),

    z = Σ d_j / (n^½ sd(d)) ~ N(0, 1) where both are equally far from the truth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.estimation.inner_classes import InnerClasses, refused
from semgllamm.estimation.mixture import MixtureLikelihood
from semgllamm.estimation.mixture_bootstrap import ratios_of_classes
from semgllamm.estimation.resampling import Refit, of_units_apart
from semgllamm.results.tests import covariance_of_kind

if TYPE_CHECKING:
    from semgllamm.results.fit import Fit

__all__ = ["classes_differ", "classes_drawn", "survival_of_weighted_sum", "vuong", "vuong_lo_mendell_rubin"]

NEGLIGIBLE = 1e-8  # share of the largest weight
NODES, MOST_PIECES = 20, 20_000  # of the integral


def classes_differ(one: Fit, other: Fit) -> bool:
    """Whether two fits do not have the same classes, so that one lies on a boundary of the other."""
    return [(v.name, len(v.classes)) for v in one.model.classes] != [
        (v.name, len(v.classes)) for v in other.model.classes
    ]


def classes_drawn(large: Fit, small: Fit, n: int, n_starts: int, seed, workers: int | None) -> np.ndarray:
    """Likelihood ratios in samples of the smaller fit; NaN where one could not be fitted.

    Raises
    ------
    ModelError
        If the larger fit has no classes, or samples of the smaller cannot be drawn.
    """
    if isinstance(large.likelihood, InnerClasses):
        raise refused(large.likelihood, "bootstrap samples are")
    if not isinstance(large.likelihood, MixtureLikelihood):
        raise ModelError("the fit with more parameters has no classes")
    for fit in (large, small):
        if fit._restricted is not None:
            raise ModelError("the bootstrap of classes is for fits with linear constraints only")
    refits = []
    for fit in (small, large):
        apart = of_units_apart(fit.likelihood, fit.free, fit.points, None)
        refits.append(Refit.of(apart, fit.free, fit.points, None, 0, "parametric"))
    return ratios_of_classes(*refits, large.diagram, n, n_starts, seed, workers)


def vuong_lo_mendell_rubin(large: Fit, small: Fit) -> tuple[float, float, float]:
    """The p-value of 2 LR, the adjusted statistic, and its p-value.

    Raises
    ------
    ModelError
        If the fits do not have the same independent units, or one has no inverse information.
    """
    scores = [fit.likelihood.unit_scores(fit.free, fit.points) for fit in (large, small)]
    if len(scores[0]) != len(scores[1]):
        raise ModelError("the fits do not have the same independent units")
    V = [covariance_of_kind(fit, "observed") for fit in (large, small)]
    if any(one is None or not np.isfinite(one).all() for one in V):
        raise ModelError(
            "an information matrix is singular, or estimates lie on a boundary: the weights of the test are not known",
            remedy="Use method='bootstrap'.",
        )
    s = np.concatenate([scores[0], -scores[1]], axis=1)
    p, q = (one.shape[1] for one in scores)
    alike = large.design.repeats(large.likelihood.unit_level)
    B = s.T @ (np.concatenate(scores, axis=1) / alike[:, None])
    W = B @ np.block([[V[0], np.zeros((p, q))], [np.zeros((q, p)), V[1]]])
    weights = np.linalg.eigvals(W).real
    statistic = 2 * (large.loglik - small.loglik)
    adjusted = statistic / (1 + 1 / ((p - q) * np.log(alike.sum())))
    return survival_of_weighted_sum(statistic, weights), adjusted, survival_of_weighted_sum(adjusted, weights)


def survival_of_weighted_sum(x: float, weights: np.ndarray) -> float:
    """P(Σ λ_i χ²_1 > x), by Imhof's (1961, equation 3.2) integral.

    1/2 + 1/π ∫₀^∞ sin θ(u) / (u ρ(u)) du,  θ = ½ Σ atan(λ_i u) − ½ x u,  ρ = Π (1 + λ_i² u²)^¼; right to about 1e-7.
    """
    live = weights[np.abs(weights) > NEGLIGIBLE * np.abs(weights).max()]
    scale = np.abs(live).max()
    live, x = live / scale, x / scale
    z, w = np.polynomial.legendre.leggauss(NODES)
    # pieces of at most a turn of sin θ
    width, at, total = 2 * np.pi / max(abs(x), np.abs(live).sum(), 1.0), 0.0, 0.0
    for _ in range(MOST_PIECES):
        u = at + width * (z + 1) / 2
        lu = np.outer(u, live)
        theta = 0.5 * np.arctan(lu).sum(axis=1) - 0.5 * x * u
        total += width / 2 * (w @ (np.sin(theta) / (u * np.exp(0.25 * np.log1p(lu**2).sum(axis=1)))))
        at += width
        if np.exp(-0.25 * np.log1p((live * at) ** 2).sum()) < 1e-9:
            break
    return float(np.clip(0.5 + total / np.pi, 0.0, 1.0))


def vuong(one: Fit, other: Fit) -> float:
    """z, positive where the first is nearer to the truth.

    Raises
    ------
    ModelError
        If a fit has no classes, the units are not the same, or the fits tell no unit apart.
    """
    units = []
    for fit in (one, other):
        likelihood = fit.likelihood
        if isinstance(likelihood, InnerClasses):
            raise refused(likelihood, "Vuong's test is")
        if not isinstance(likelihood, MixtureLikelihood):
            raise ModelError("Vuong's test is for fits with classes")
        _, members = likelihood.members(fit.free, fit.points)
        units.append(members.loglik[likelihood.kept_of(len(likelihood.heights) - 1)])
    if len(units[0]) != len(units[1]):
        raise ModelError("the fits do not have the same independent units")
    d = units[0] - units[1]
    alike = one.design.repeats(one.likelihood.unit_level)
    n = alike.sum()
    deviation = np.sqrt(alike @ (d - alike @ d / n) ** 2 / n)
    if deviation < 1e-8:
        raise ModelError("the two fits are the same distribution: there is nothing to tell apart")
    return float(alike @ d / (np.sqrt(n) * deviation))
