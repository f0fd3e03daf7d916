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

    z = Σ d_j / (n^½ ω̂) ~ N(0, 1) where both are equally far from the truth,   ω̂² = var(d),

unless they are the same distribution, where nω̂² is distributed as Σ λ_i² χ²_1 (theorem 4.1 and section 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.estimation.drawing import independent_level
from semgllamm.estimation.inner_classes import InnerClasses, refused
from semgllamm.estimation.mixture import MixtureLikelihood
from semgllamm.estimation.mixture_bootstrap import ratios_of_classes
from semgllamm.estimation.resampling import Refit, of_units_apart
from semgllamm.estimation.unit_logliks import unit_logliks
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
    weights, n = _weights(large, small)
    statistic = 2 * (large.loglik - small.loglik)
    p, q = large.likelihood.n_free, small.likelihood.n_free
    adjusted = statistic / (1 + 1 / ((p - q) * np.log(n)))
    return survival_of_weighted_sum(statistic, weights), adjusted, survival_of_weighted_sum(adjusted, weights)


def _weights(one: Fit, other: Fit) -> tuple[np.ndarray, float]:
    """λ, the eigenvalues of W, and the number of independent units."""
    places = _independent_units(one, other)
    scores = []
    for fit, place in zip((one, other), places):
        # scores are of the units of the likelihood, which may lie in clusters that the model does not name
        design, low = fit.design, independent_level(fit.likelihood)
        high = _level_of(fit)
        own = fit.likelihood.unit_scores(fit.free, fit.points)
        scores.append(_added_up(own, place[design.codes[high][design.first_row[low]]]))
    V = [covariance_of_kind(fit, "observed") for fit in (one, other)]
    if any(matrix is None or not np.isfinite(matrix).all() for matrix in V):
        raise ModelError(
            "an information matrix is singular, or estimates lie on a boundary: the weights of the test are not known",
            remedy="Use method='bootstrap'.",
        )
    coarse = min((one, other), key=lambda fit: len(fit.design.first_row[_level_of(fit)]))
    s = np.concatenate([scores[0], -scores[1]], axis=1)
    p, q = (matrix.shape[1] for matrix in scores)
    alike = coarse.design.repeats(_level_of(coarse))
    B = s.T @ (np.concatenate(scores, axis=1) / alike[:, None])
    W = B @ np.block([[V[0], np.zeros((p, q))], [np.zeros((q, p)), V[1]]])
    return np.linalg.eigvals(W).real, float(alike.sum())


def _level_of(fit: Fit) -> int:
    """The level of the independent units of a fit."""
    return independent_level(fit.likelihood, fit.request.clustered)


def _independent_units(*fits: Fit) -> list[np.ndarray]:
    """The independent units of each fit as numbers of those that are independent in all.

    Raises
    ------
    ModelError
        If the fits use other rows, or their units are not nested.
    """
    levels = [_level_of(fit) for fit in fits]
    counts = [len(fit.design.first_row[level]) for fit, level in zip(fits, levels)]
    k = int(np.argmin(counts))
    design = fits[k].design
    unit = np.full(max(int(fit.design.kept.max()) for fit in fits) + 1, -1)
    unit[design.kept] = design.codes[levels[k]]
    out = []
    for fit, level in zip(fits, levels):
        rows, own = unit[fit.design.kept], fit.design.codes[level]
        place = rows[fit.design.first_row[level]]
        if (rows < 0).any() or (place[own] != rows).any():
            raise ModelError("the fits do not have the same rows in the same independent units, nor nested ones",
                             remedy="Name the same clusters in both.")  # fmt: skip
        out.append(place)
    return out


def _added_up(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Sums over units, (units, …), of values that belong to the units `place`."""
    out = np.zeros((int(place.max()) + 1, *values.shape[1:]))
    np.add.at(out, place, values)
    return out


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


def vuong(one: Fit, other: Fit) -> tuple[float, float, float]:
    """z, positive where the first is nearer to the truth, ω̂², and the p-value of ω² = 0.

    Raises
    ------
    ModelError
        If the fits do not share independent units or have no log-likelihoods of units, or tell no unit apart.
    """
    for fit in (one, other):
        if isinstance(fit.likelihood, InnerClasses):
            raise refused(fit.likelihood, "Vuong's test is")
    units = []
    for fit, place in zip((one, other), _independent_units(one, other)):
        units.append(_added_up(unit_logliks(fit.likelihood, fit.free, fit.points, _level_of(fit)), place))
    d = units[0] - units[1]
    if d.std() < 1e-8:
        raise ModelError("the two fits are the same distribution: there is nothing to tell apart")
    try:
        p = survival_of_weighted_sum(len(d) * d.var(), _weights(one, other)[0] ** 2)
    except ModelError:  # estimates on a boundary
        p = np.nan
    return float(d.sum() / (np.sqrt(len(d)) * d.std())), float(d.var()), p
