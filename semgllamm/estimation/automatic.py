"""How many quadrature points are enough: the step that Newton would take with half as many again.

Let g_K be the total score with K points at ϑ, close to the maximum, and g' and log L' score and log-likelihood with
⌈1.5 K⌉ points at one level alone. With J the information the maximum moves by Δ and the log-likelihood there by δ,

    Δ = J⁻¹(g' − g_K),   δ = log L' − log L_K + ½(‖g'‖² − ‖g_K‖²),   ‖g‖² = g'J⁻¹g.

The sums over levels are the errors that the points leave. While they are too large, the points of the levels that
matter rise, and the fit goes on from ϑ + J⁻¹g_K + ΣΔ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semgllamm.errors import EstimationError
from semgllamm.estimation.ascent import Climber, Likelihood, Progress, nearer
from semgllamm.estimation.constrained import Restrictions, ascend_within, tangent
from semgllamm.estimation.information import Curvature, observed
from semgllamm.estimation.optimise import Optimum, ascend, begin, interrupted
from semgllamm.estimation.quadratic import Tangent
from semgllamm.estimation.settings import Settings

__all__ = ["RemainingError", "Solution", "ascend_from", "estimate", "finer_grid", "more_points", "remaining_error"]

FAR = 100  # targets by which one level misses its own
ROUGH = 0.1  # decrement down to which a coarse grid is used
PLACINGS = 20  # how often a grid with a given number of points is placed anew
STILL = 1e-12  # squared distance, in standard errors, that is no move
CLOSE = 1e-2  # decrement at which the error of the points can be told


@dataclass(frozen=True, slots=True)
class RemainingError:
    """What the quadrature points leave to be desired.

    Parameters
    ----------
    shift : numpy.ndarray
        Estimated distance from the estimates to those with infinitely many points, in standard errors, with its sign.
    loglik : float
        The same for the log-likelihood.
    by_level : tuple of float
        Contribution of each level, the lowest first: the larger of its |shift| and its change of the log-likelihood.
    target : float
        What it was to be below.
    """

    shift: np.ndarray
    loglik: float
    by_level: tuple[float, ...]
    target: float

    @property
    def estimates(self) -> float:
        """Largest |shift|, in standard errors."""
        return float(np.max(np.abs(self.shift), initial=0.0))

    @property
    def met(self) -> bool:
        """Whether both sums are below the target."""
        return self.estimates <= self.target and abs(self.loglik) <= self.target


@dataclass(frozen=True, slots=True)
class Solution:
    """A maximum with the information there and what the quadrature points leave to be desired.

    Parameters
    ----------
    optimum : Optimum
    information : numpy.ndarray or None
        Observed information: Louis' where the points meet the target, else differences of the total score. None if the
        fit did not converge.
    error : RemainingError or None
        None if the fit did not converge.
    """

    optimum: Optimum
    information: np.ndarray | None
    error: RemainingError | None


def more_points(points: int) -> int:
    """⌈1.5 K⌉."""
    return -(-3 * points // 2)


def finer_grid(points: int) -> int:
    """⌈1.25 K⌉: errors of equal steps fall so fast that these nearly have none where K points have little."""
    return -(-5 * points // 4)


def remaining_error(
    climber: Climber, optimum: Optimum, restrictions: Restrictions | None = None
) -> tuple[RemainingError, np.ndarray]:
    """The error that the points of a fit leave, and where more points are expected to take the estimates.

    Under constraints J⁻¹ is the inverse along those that hold as equations.
    """
    likelihood, points = climber.likelihood, optimum.points
    p, target = likelihood.n_free, climber.settings.target
    if likelihood.exact or not points:
        return RemainingError(np.zeros(p), 0.0, (0.0,) * len(points), target), optimum.free
    curvature: Curvature | Tangent = Curvature(optimum.information, climber.blocks)
    if restrictions is not None:
        curvature = tangent(restrictions, climber, optimum, optimum.multipliers)
    se = np.sqrt(curvature.variances)
    se = np.where(se > 0, se, np.inf)  # a parameter that constraints hold fast does not move
    left = optimum.gradient @ curvature.solve(optimum.gradient)
    shift, rise, by_level = np.zeros(p), 0.0, []
    for level, least in enumerate(climber.settings.start_points(len(points))):
        more = finer_grid(points[level]) if getattr(likelihood, "shared", False) else more_points(points[level])
        finer = (*points[:level], max(more, least), *points[level + 1 :])
        there = climber.score(optimum.free, finer)
        if not there.possible:
            shift, rise = np.full(p, np.nan), np.nan
            by_level.append(np.inf)
            continue
        own = curvature.solve(there.gradient - optimum.gradient)
        gain = there.loglik - optimum.loglik + 0.5 * (there.gradient @ curvature.solve(there.gradient) - left)
        by_level.append(float(max(np.max(np.abs(own) / se, initial=0.0), abs(gain))))
        shift += own
        rise += gain
    further = optimum.free + curvature.solve(optimum.gradient) + shift
    return RemainingError(shift / se, float(rise), tuple(by_level), target), further


def raised(points: tuple[int, ...], error: RemainingError, largest: int) -> tuple[int, ...]:
    """Points with ⌈1.5 K⌉ at the level that contributes most, and wherever a level alone is beyond the target.

    Half as many points again cut the error by ten or more, so a level that is far beyond the target needs two rises.
    As many as before where `largest` has been reached everywhere that matters.
    """
    top = int(np.argmax(error.by_level))
    finer = list(points)
    for level, own in enumerate(error.by_level):
        if level == top or own > error.target:
            rise = more_points(points[level])
            rise = more_points(rise) if FAR * error.target < own < np.inf else rise
            finer[level] = min(rise, max(points[level], largest))
    return tuple(finer)


def estimate(
    likelihood: Likelihood,
    start: np.ndarray,
    points: tuple[int, ...] | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
    restrictions: Restrictions | None = None,
) -> Solution:
    """Maximise the log-likelihood and say how good the quadrature is.

    Parameters
    ----------
    likelihood : Likelihood
    start : numpy.ndarray
        Start values of the working parameters.
    points : tuple of int, optional
        Points a level, the lowest first. None raises them until the remaining error is below ``settings.target``.
    settings : Settings, optional
    progress : callable, optional
        Called as ``progress(iteration, loglik, gradient, elapsed)`` after every step.
    restrictions : Restrictions, optional
        Constraints under which the log-likelihood is maximised.

    Returns
    -------
    Solution
    """
    settings = settings or Settings()
    climber, start = begin(likelihood, start, settings, progress)
    if points is None and likelihood.exact:
        points = (1,) * len(likelihood.levels)
    try:
        if points is None and getattr(likelihood, "shared", False):
            optimum, error = _with_a_fine_grid(climber, start, restrictions)
        elif points is None and likelihood.levels:
            optimum, error = _with_enough_points(climber, start, restrictions)
        else:
            ascent = _with_a_given_grid if getattr(likelihood, "shared", False) else _ascend
            optimum = ascent(climber, start, tuple(points or ()), settings.tolerance, restrictions)
            error = remaining_error(climber, optimum, restrictions)[0] if optimum.convergence.converged else None
        return Solution(optimum, _information(climber, optimum, error), error)
    except KeyboardInterrupt:
        return Solution(interrupted(climber), None, None)


def ascend_from(
    likelihood: Likelihood, start: np.ndarray, points: tuple[int, ...], settings: Settings,
    restrictions: Restrictions | None = None,
) -> Optimum:  # fmt: skip
    """The maximum with given points, with or without constraints, and nothing about the quadrature."""
    climber, start = begin(likelihood, start, settings, None)
    return _ascend(climber, start, tuple(points), settings.tolerance, restrictions)


def _ascend(climber: Climber, free: np.ndarray, points: tuple[int, ...], until: float, restrictions) -> Optimum:
    if restrictions is None:
        return ascend(climber, free, points, until)
    return ascend_within(restrictions, climber, free, points, until)


def _with_a_given_grid(
    climber: Climber, free: np.ndarray, points: tuple[int, ...], until: float, restrictions: Restrictions | None
) -> Optimum:
    """The maximum on a grid that is placed where the maximum is: where a grid with enough points leads first, and
    then where the given number of points led, until nothing moves."""
    likelihood = climber.likelihood
    likelihood.place(free)
    enough = likelihood.coarse_points(free)
    if enough > points:
        # few points in the wrong place may have no maximum
        optimum = _ascend(climber, free, enough, CLOSE, restrictions)
        if not optimum.convergence.converged:
            return optimum
        free = optimum.free
        likelihood.place(free)
    optimum = _ascend(climber, free, points, until, restrictions)
    for _ in range(PLACINGS):
        if not optimum.convergence.converged:
            return optimum
        before = optimum
        likelihood.place(before.free)
        climber.forget()
        optimum = _ascend(climber, before.free, points, until, restrictions)
        moved = optimum.free - before.free
        if moved @ before.information @ moved < STILL:
            break
    return optimum


def _with_enough_points(
    climber: Climber, free: np.ndarray, restrictions: Restrictions | None
) -> tuple[Optimum, RemainingError | None]:
    settings = climber.settings
    first = settings.start_points(len(climber.likelihood.levels))
    optimum = _ascend(climber, free, first, CLOSE, restrictions)
    while optimum.convergence.converged:
        error, further = remaining_error(climber, optimum, restrictions)
        finer = raised(optimum.points, error, settings.max_points)
        if not error.met and finer != optimum.points:
            optimum = _go_on(climber, further, optimum.free, finer, restrictions)
            continue
        rough = optimum
        optimum = _ascend(climber, rough.free, rough.points, settings.tolerance, restrictions)
        moved = optimum.free - rough.free
        # the last steps are short, and the error stands, unless they left a false zero
        if not optimum.convergence.converged or moved @ optimum.information @ moved < 10 * CLOSE:
            return optimum, error if optimum.convergence.converged else None
    return optimum, None


def _with_a_fine_grid(
    climber: Climber, free: np.ndarray, restrictions: Restrictions | None
) -> tuple[Optimum, RemainingError | None]:
    """Most of the way on a coarse grid, the rest on one whose step fits the posteriors found there."""
    likelihood, settings = climber.likelihood, climber.settings
    rough = _ascend(climber, free, likelihood.coarse_points(free), ROUGH, restrictions)
    if not rough.convergence.converged:
        return rough, None
    points = likelihood.fine_points(rough.free, rough.points, settings.target)
    while True:
        near = rough.free
        if restrictions is None:
            near = nearer(climber, rough.free, rough.gradient, rough.information, points)
        optimum = _ascend(climber, near, points, settings.tolerance, restrictions)
        if not optimum.convergence.converged:
            return optimum, None
        error, _ = remaining_error(climber, optimum, restrictions)
        if error.met or points[0] >= likelihood.most_points:
            return optimum, error
        rough, points = optimum, (min(finer_grid(points[0]), likelihood.most_points),)


def _go_on(climber: Climber, further: np.ndarray, free: np.ndarray, points: tuple[int, ...], restrictions) -> Optimum:
    try:
        return _ascend(climber, further, points, CLOSE, restrictions)
    except EstimationError:  # the predicted estimates are impossible
        return _ascend(climber, free, points, CLOSE, restrictions)


def _information(climber: Climber, optimum: Optimum, error: RemainingError | None) -> np.ndarray | None:
    if error is None or not optimum.by_louis or error.met:
        return None if error is None else optimum.information
    return observed(climber.likelihood, optimum.free, optimum.points, met=False)
