"""Maximum likelihood: from start values to a maximum, with a record of how it was reached or why it was not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from semgllamm.estimation.ascent import Climber, Evaluations, Likelihood, Point, Progress, Step, Stopped, climb
from semgllamm.estimation.information import NullDirection
from semgllamm.estimation.settings import Settings
from semgllamm.estimation.stationary import WRONG_SIGN, leave_saddle, leave_zero, settle, with_positive_diagonals

__all__ = ["Convergence", "Evaluations", "Likelihood", "Optimum", "Step", "ascend", "begin", "evaluated_cold",
           "interrupted", "maximise", "optimum_at", "over_saddles"]  # fmt: skip

SADDLES = 10  # most saddle points that one fit leaves


@dataclass(frozen=True, slots=True)
class Convergence:
    """The story of a fit.

    Parameters
    ----------
    converged : bool
    message : str
        How the fit ended, in a sentence.
    iterations : int
    evaluations : Evaluations
        Evaluations of the likelihood alone, with the score, and with the information.
    loglik : float
    gradient : float
        max |g_i| SE_i, the gradient in units of 1/SE.
    decrement : float
        g'J⁻¹g: twice the rise of log L that one more step promises.
    negative : int
        Eigenvalues of the information with the wrong sign.
    boundary : tuple of str
        Working parameters whose estimate is zero, on the boundary.
    culprits : tuple of str
        Working parameters to blame if the fit has not converged.
    saddles : int
        Saddle points that were left on the way.
    history : tuple of Step
    elapsed : float
        Seconds.
    active : tuple of str
        Inequality constraints and bounds without slack.
    """

    converged: bool
    message: str
    iterations: int
    evaluations: Evaluations
    loglik: float
    gradient: float
    decrement: float
    negative: int
    boundary: tuple[str, ...]
    culprits: tuple[str, ...]
    saddles: int
    history: tuple[Step, ...]
    elapsed: float
    active: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Optimum:
    """Where a fit ended.

    Parameters
    ----------
    free : numpy.ndarray
        Working parameters.
    loglik : float
    gradient : numpy.ndarray
        Total score.
    information : numpy.ndarray or None
        Information there; None if the fit was stopped before it was known.
    by_louis : bool
        Whether `information` is Louis', not differences of the score.
    points : tuple of int
        Quadrature points a level, the lowest first.
    convergence : Convergence
    multipliers : numpy.ndarray, optional
        Of the constraints that are no linear equations, if there are some.
    """

    free: np.ndarray
    loglik: float
    gradient: np.ndarray
    information: np.ndarray | None
    by_louis: bool
    points: tuple[int, ...]
    convergence: Convergence
    multipliers: np.ndarray | None = None


def maximise(
    likelihood: Likelihood,
    start: np.ndarray,
    points: tuple[int, ...],
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Optimum:
    """Maximise the log-likelihood with fixed numbers of quadrature points.

    Parameters
    ----------
    likelihood : Likelihood
    start : numpy.ndarray
        Start values of the working parameters.
    points : tuple of int
        Points a level, the lowest first.
    settings : Settings, optional
    progress : callable, optional
        Called as ``progress(iteration, loglik, gradient, elapsed)`` after every step.

    Returns
    -------
    Optimum
        Unconverged, with a message that names the parameters involved, when there is no maximum to be found; the best
        point so far when the fit is interrupted.

    Raises
    ------
    EstimationError
        If the log-likelihood is not finite at the start values.
    """
    settings = settings or Settings()
    climber, start = begin(likelihood, start, settings, progress)
    return ascend(climber, start, tuple(points), settings.tolerance)


def begin(
    likelihood: Likelihood, start: np.ndarray, settings: Settings, progress: Progress | None
) -> tuple[Climber, np.ndarray]:
    """A climber, and start values at which no standard deviation is zero."""
    start = leave_zero(np.asarray(start, dtype=float), likelihood.signed, settings.away_from_zero)
    return Climber(likelihood, start, settings, progress), start


def ascend(climber: Climber, start: np.ndarray, points: tuple[int, ...], until: float) -> Optimum:
    """Maximise from `start` until the decrement is below `until`; a climber that was on its way before goes on."""
    try:
        free = start if climber.history else _first_points(climber, start, points, until)

        def once(free):
            here, boundary = settle(climber, climb(climber, free, points, until))
            here, way_up = leave_saddle(climber, here)
            return (here, boundary), way_up

        here, boundary = over_saddles(climber, free, once)
        return _conclude(climber, evaluated_cold(climber, here), boundary, last=until <= climber.settings.tolerance)
    except KeyboardInterrupt:
        return interrupted(climber)
    except Stopped as reason:
        return optimum_at(climber, climber.here, False, reason.message, (), reason.names)


def over_saddles(
    climber: Climber, free: np.ndarray, once: Callable[[np.ndarray], tuple[Any, np.ndarray | None]]
) -> Any:
    """Climb, and climb again from every saddle point, until there is no way up.

    Parameters
    ----------
    climber : Climber
    free : (p,) array
    once : callable
        Climbs from parameters; returns what was reached, and the parameters from which to go on or None.

    Returns
    -------
    what the last climb reached
    """
    left = climber.saddles
    while True:
        reached, way_up = once(free)
        if way_up is None:
            return reached
        free = way_up
        climber.saddles += 1
        climber.near = False
        if climber.saddles > left + SADDLES:
            raise Stopped(f"the fit came to more than {SADDLES} saddle points one after another")


def interrupted(climber: Climber) -> Optimum:
    """The best point so far of a fit that the user has stopped."""
    return optimum_at(climber, climber.here, False, "interrupted; this is the best point so far", (), ())


def _first_points(climber: Climber, free: np.ndarray, points: tuple[int, ...], until: float) -> np.ndarray:
    """Most of the way with few points, if that is much cheaper."""
    if getattr(climber.likelihood, "shared", False):
        return free
    few = tuple(min(k, first) for k, first in zip(points, climber.settings.start_points(len(points))))
    if not climber.trusts_louis(points) or np.prod(points, dtype=float) < 2 * np.prod(few, dtype=float):
        return free
    return climb(climber, free, few, max(until, climber.settings.first_decrement)).free


def evaluated_cold(climber: Climber, here: Point) -> Point:
    """The same point with the modes found from u = 0, so that its digits do not depend on the way there."""
    if here.cold:
        return here
    climber.near = True
    again = climber.score(here.free, here.points)
    return replace(here, loglik=again.loglik, gradient=again.gradient, cold=True)


def _conclude(climber: Climber, here: Point, boundary: tuple[str, ...], last: bool) -> Optimum:
    names = climber.likelihood.names
    curvature = climber.curvature(here)
    inside = np.array([name not in boundary for name in names], dtype=bool)
    wrong = [k for k in curvature.below(WRONG_SIGN) if np.max(np.abs(curvature.vectors[inside, k]), initial=0.0) > 0.1]
    if wrong and last:
        directions = [NullDirection.of(curvature.vectors[:, k], names, curvature.values[k]) for k in wrong]
        culprits = tuple(dict.fromkeys(name for d in directions for name in d.names))
        message = f"the log-likelihood has no maximum here: {'; '.join(map(str, directions))}"
        return optimum_at(climber, here, False, message, boundary, culprits)
    message = "converged"
    if boundary:
        message += f", with {', '.join(boundary)} on the boundary"
    return optimum_at(climber, here, True, message, boundary, ())


def optimum_at(
    climber: Climber, here: Point, converged: bool, message: str, boundary: tuple[str, ...], culprits: tuple[str, ...]
) -> Optimum:
    """The end of a fit at a point, with its record."""
    here = with_positive_diagonals(climber, here)
    climber.turn(here)
    gradient = decrement = np.nan
    negative = 0
    if here.information is not None and here.possible:
        curvature = climber.curvature(here)
        gradient = float(np.max(np.abs(here.gradient) * np.sqrt(curvature.variances), initial=0.0))
        decrement = float(here.gradient @ curvature.solve(here.gradient))
        negative = curvature.below(WRONG_SIGN).size
    elif climber.history:
        gradient, decrement = climber.history[-1].gradient, climber.history[-1].decrement
    free = here.free.copy()
    free.setflags(write=False)
    convergence = Convergence(
        converged=converged,
        message=message,
        iterations=len(climber.history),
        evaluations=climber.evaluations,
        loglik=here.loglik,
        gradient=gradient,
        decrement=decrement,
        negative=negative,
        boundary=boundary,
        culprits=culprits,
        saddles=climber.saddles,
        history=tuple(climber.history),
        elapsed=climber.elapsed,
    )
    return Optimum(free, here.loglik, here.gradient, here.information, here.by_louis, here.points, convergence)
