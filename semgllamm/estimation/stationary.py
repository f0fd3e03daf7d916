"""False and true zeros of standard deviations, and other places where a gradient of zero means no maximum.

log L is even in the standard deviation σ of a random effect, so σ = 0 is always stationary. With ∂²log L/∂σ² < 0 there
the estimate is 0, on the boundary; otherwise the data ask for more variance, and the way out is the eigenvector of the
information with the wrong sign.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from semgllamm.estimation.ascent import Climber, Point
from semgllamm.model.transforms import EQUATOR

__all__ = ["leave_saddle", "leave_zero", "settle", "with_positive_diagonals"]

WRONG_SIGN = -1e-6  # a scaled eigenvalue of the information below it is negative, not rounding
AT_ZERO = 1e-6  # twice the fall of log L between a standard deviation and zero, below which it is zero
TRIES = 12


def leave_zero(free: np.ndarray, signed: np.ndarray, size: float) -> np.ndarray:
    """A start at which no standard deviation is zero."""
    return np.where(signed & (np.abs(free) < 1e-8), size, free)


def settle(climber: Climber, here: Point) -> tuple[Point, tuple[str, ...]]:
    """Put what has converged to the boundary there: standard deviations of zero, correlations of 1; names them."""
    here, zeros = _settle_zeros(climber, here)
    here, correlations = _settle_spheres(climber, here)
    return here, (*zeros, *correlations)


def _settle_spheres(climber: Climber, here: Point) -> tuple[Point, tuple[str, ...]]:
    """Put rows of Cholesky factors of fixed length that have converged to a zero on the diagonal there.

    Where the row has one coordinate this is a correlation of 1 or −1, and is named; else more than one is involved.
    """
    spheres = getattr(climber.likelihood, "spheres", ())
    near = []
    for k, at in enumerate(spheres):
        x = here.free[at]
        n = np.linalg.norm(x)
        if n > 0:
            off = n / EQUATOR - 1
            gap = EQUATOR * (off - 2 * np.round(off / 2))
            if x @ here.information[np.ix_(at, at)] @ x / n**2 * gap**2 <= AT_ZERO and abs(gap) < 0.1:
                near.append(k)
    if not near:
        return here, ()
    there = _put(climber, here, climber.likelihood.on_equator(here.free, near))
    if there is None:
        return here, ()
    return there, tuple(climber.likelihood.names[spheres[k][0]] for k in near if spheres[k].size == 1)


def _settle_zeros(climber: Climber, here: Point) -> tuple[Point, tuple[str, ...]]:
    """Put standard deviations that have converged to zero there; names what then lies on the boundary.

    A zero diagonal cell of a Cholesky factor takes its column along; what was in the column goes to the diagonal below.
    """
    information = np.abs(np.diag(here.information))
    zero = climber.likelihood.signed & (information * here.free**2 <= AT_ZERO)
    if not zero.any():
        return here, ()
    free = np.where(zero, 0.0, here.free)
    for block in climber.blocks:
        free = _zero_columns(free, block, zero)
        zero |= (free == 0.0) & _in_zero_columns(block, zero)
    there = _put(climber, here, free)
    if there is None:
        return here, ()
    return there, tuple(name for name, is_zero in zip(climber.likelihood.names, zero) if is_zero)


def _put(climber: Climber, here: Point, free: np.ndarray) -> Point | None:
    """The point at `free`, on the boundary, if it is as good as the one nearby."""
    there = climber.louis(free, here.points) if here.by_louis else climber.score(free, here.points)
    if not there.possible or there.loglik < here.loglik - AT_ZERO:
        return None
    if not here.by_louis:
        there = climber.surveyed(there)
    if climber.curvature(there).below(WRONG_SIGN).size and not climber.curvature(here).below(WRONG_SIGN).size:
        return None
    climber.here = there
    return there


def _zero_columns(free: np.ndarray, block: np.ndarray, zero: np.ndarray) -> np.ndarray:
    """The Cholesky factor of the same Ψ with a column of zeros for every zero pivot."""
    pivots = np.array([block[k, k] >= 0 and zero[block[k, k]] for k in range(len(block))])
    below = np.array([any(block[r, k] >= 0 for r in range(k + 1, len(block))) for k in range(len(block))])
    if not (pivots & below).any():
        return free
    C = np.where(block >= 0, free[block], 0.0)
    rest = C @ C.T
    out = free.copy()
    for k in range(len(block)):
        pivot = rest[k, k]
        column = np.zeros(len(block)) if pivots[k] or pivot <= 0.0 else rest[:, k] / np.sqrt(pivot)
        rest = rest - np.outer(column, column)
        for r in range(k, len(block)):
            if block[r, k] >= 0:
                out[block[r, k]] = column[r]
    return out


def _in_zero_columns(block: np.ndarray, zero: np.ndarray) -> np.ndarray:
    inside = np.zeros(zero.size, dtype=bool)
    for k in range(len(block)):
        if block[k, k] >= 0 and zero[block[k, k]]:
            cells = block[k:, k]
            inside[cells[cells >= 0]] = True
    return inside


def leave_saddle(climber: Climber, here: Point) -> tuple[Point, np.ndarray | None]:
    """Higher parameters along an eigenvector of the wrong sign, or None where there are none.

    Louis' information is no better than the points, so where it shows no way up the point comes back with
    differences of the score in its place.
    """
    free = _higher(climber, here)
    if free is None and here.by_louis and climber.curvature(here).below(WRONG_SIGN).size:
        here = climber.differenced(here)
        free = _higher(climber, here)
    return here, free


def _higher(climber: Climber, here: Point) -> np.ndarray | None:
    curvature = climber.curvature(here)
    slack = 1e-9 * (1.0 + abs(here.loglik))
    for k in curvature.below(WRONG_SIGN):
        direction = curvature.direction(k)
        if here.gradient @ direction < 0:
            direction = -direction
        for way in (direction, -direction):
            found = _step_out(climber, here, way * _length(climber, here, way, curvature.values[k]), slack)
            if found is not None:
                return found
    return None


def _length(climber: Climber, here: Point, direction: np.ndarray, eigenvalue: float) -> float:
    """To standard deviations of .1 where they are zero, else to where curvature alone raises log L by one half."""
    length = 1.0 / np.sqrt(abs(eigenvalue))
    small = climber.settings.away_from_zero
    zero = climber.likelihood.signed & (np.abs(here.free) < small)
    reach = np.max(np.abs(direction[zero]), initial=0.0)
    largest = np.max(np.abs(direction))
    return small / reach if reach > 0.1 * largest else length


def _step_out(climber: Climber, here: Point, step: np.ndarray, slack: float) -> np.ndarray | None:
    """Halve until log L rises, then double as long as it goes on rising."""
    for _ in range(TRIES):
        best = climber.value(here.free + step, here.points)
        if best > here.loglik + slack:
            break
        step = step / 2
    else:
        return None
    while True:
        further = climber.value(here.free + 2 * step, here.points)
        if further <= best + slack:
            return here.free + step
        step, best = 2 * step, further


def with_positive_diagonals(climber: Climber, here: Point) -> Point:
    """The same point with the signs of whole columns turned so that the diagonals of Cholesky factors are positive."""
    sign = np.where(climber.lone & (here.free < 0), -1.0, 1.0)
    for block in climber.blocks:
        for k in range(len(block)):
            if block[k, k] >= 0 and here.free[block[k, k]] < 0:
                cells = block[k:, k]
                sign[cells[cells >= 0]] = -1.0
    if (sign > 0).all():
        return here
    information = None if here.information is None else here.information * np.outer(sign, sign)
    return replace(here, free=here.free * sign, gradient=here.gradient * sign, information=information)
