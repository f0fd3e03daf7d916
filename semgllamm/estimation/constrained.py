"""The maximum under constraints, by sequential quadratic programming.

With h(ϑ) the constraints as functions of the working parameters, A = ∂h/∂ϑ, and multipliers λ,

    W = J − Σ_j λ_j ∂²h_j/∂ϑ∂ϑ',     g + A'λ = 0,   λ_j h_j = 0,   λ_j ≥ 0 for inequalities

at the maximum (Karush 1939; Kuhn & Tucker 1951), J being the information. Each step solves for the maximum of the
quadratic with slope g and curvature W under the linearised constraints, and is shortened until it raises

    log L(ϑ) − Σ_j μ_j |violation of h_j|,   μ_j > |λ_j|.

Where only a small part of a step does so, the next ones are damped as those without constraints are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.estimation.ascent import (
    CAUTIOUS,
    DEEP,
    FRESH,
    NOISE,
    SUFFICIENT,
    Climber,
    Point,
    Stopped,
    climb,
    damping_after,
)
from semgllamm.estimation.information import SINGULAR, NullDirection
from semgllamm.estimation.optimise import Optimum, evaluated_cold, interrupted, optimum_at, over_saddles
from semgllamm.estimation.quadratic import DEPENDENT, ConstrainedStep, Tangent, constrained_step
from semgllamm.estimation.stationary import TRIES, WRONG_SIGN, settle
from semgllamm.model.constraints import Constraints
from semgllamm.model.transforms import Working

__all__ = ["Restricted", "Restrictions", "ascend_within", "restricted_covariance"]

HOLDS = 1e-10  # relative size of a violation that is none
TOUCHES = 1e-8  # and of a slack that is none
NEARLY = 1e-6  # length of what is left of a derivative that depends on others, where they hold to rounding
NEAR_BY = 1.0  # decrement from which the observed information of a closed form is the better guide
RESTARTS, WIDER = 30, 1.3  # starts of the search for parameters at which the constraints hold, ever further away
BRANCHES = 6  # starts among which the highest is taken
STEEPER = 1.5  # μ_j over |λ_j|


class Restrictions:
    """Constraints as functions h of the working parameters.

    Parameters
    ----------
    constraints : Constraints
    working : Working
        The map from working parameters to cells.

    Attributes
    ----------
    equality, bound : (m,) bool arrays
        Which are equations, and which come from ``lower()`` and ``upper()``.
    used : (m,) bool array
        Those that steps heed: all but equations that follow from others.
    """

    def __init__(self, constraints: Constraints, working: Working):
        self.constraints, self.working = constraints, working
        self.equality, self.bound = constraints.equality, constraints.bound
        self.used = np.ones(len(constraints.parts), dtype=bool)

    def __len__(self) -> int:
        return len(self.constraints.parts)

    def values(self, free: np.ndarray) -> np.ndarray:
        """h, (m,)."""
        return self.constraints.at(self.working.cells(self.working.inner(free)))[0]

    def at(self, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """h, (m,), and A, (m, p)."""
        inner = self.working.inner(free)
        values, slopes = self.constraints.at(self.working.cells(inner))
        return values, slopes @ self.working.jacobian(inner) @ self.working.K

    def curvature(self, free: np.ndarray, multipliers: np.ndarray) -> np.ndarray:
        """Σ_j λ_j ∂²h_j/∂ϑ∂ϑ', (p, p)."""
        inner = self.working.inner(free)
        cells, G = self.working.cells(inner), self.working.jacobian(inner) @ self.working.K
        bent = G.T @ self.constraints.curvature(cells, multipliers) @ G
        return bent + self.curvature_of_cells(free, multipliers)

    def curvature_of_cells(self, free: np.ndarray, multipliers: np.ndarray) -> np.ndarray:
        """The part of it that is there because the cells are not linear in the working parameters."""
        inner = self.working.inner(free)
        push = multipliers @ self.constraints.at(self.working.cells(inner))[1]
        return self.working.K.T @ self.working.curvature(inner, push) @ self.working.K

    def violation(self, values: np.ndarray) -> np.ndarray:
        """(m,) by how much each fails to hold, infinite where it is not defined."""
        failed = np.where(self.equality, np.abs(values), np.maximum(-values, 0.0))
        return np.where(np.isnan(values), np.inf, failed)

    def hold(self, free: np.ndarray, within: float = HOLDS, which: np.ndarray | slice = slice(None)) -> bool:
        """Whether every constraint holds, or those of `which`."""
        cells = self.working.cells(self.working.inner(free))
        values, slopes = self.constraints.at(cells)
        size = np.maximum(1.0, np.abs(slopes) @ np.abs(cells))
        return bool((self.violation(values) <= within * size)[which].all())

    def touching(self, values: np.ndarray, multipliers: np.ndarray) -> np.ndarray:
        """(m,) which hold as equations: all equations, and the inequalities that push or have no slack."""
        return self.equality | (multipliers > 0) | (values <= TOUCHES)

    def feasible(self, start: np.ndarray, height: Callable[[np.ndarray], float] | None = None) -> np.ndarray:
        """Parameters near `start` at which all constraints hold.

        Parameters
        ----------
        start : (p,) array
        height : callable, optional
            If given, a few are looked for, and the highest is taken: a curve may have several branches.

        Raises
        ------
        ModelError
            If none are found; it quotes the constraints that fail where they fail least.
        """
        from scipy.optimize import least_squares

        if self.hold(start):
            return start
        rng = np.random.default_rng(1)
        size = np.maximum(1.0, np.abs(start))
        # off the start, where a derivative may happen to be zero; NaN is not
        inner = self.working.inner(start + 0.1 * size * rng.uniform(0.5, 1.0, start.size))
        named = (self.constraints.at(self.working.cells(inner))[1] != 0).any(axis=0)
        moves = size * ((named @ np.abs(self.working.jacobian(inner) @ self.working.K)) != 0)
        best: tuple[float, np.ndarray] | None = None
        several: list[np.ndarray] = []
        for attempt in range(RESTARTS):
            spread = 0.1 * WIDER**attempt if attempt else 0.0
            near = start + spread * moves * rng.uniform(-1, 1, start.size)
            if not np.isfinite(self.values(near)).all():
                continue
            with np.errstate(all="ignore"):
                found = least_squares(self._failure, near, self._failure_slopes, x_scale=size, xtol=1e-15, ftol=1e-15,
                                      gtol=1e-15)  # fmt: skip
            if self.hold(found.x):
                several.append(found.x)
                if height is None or attempt >= BRANCHES:
                    break
                continue
            if several and attempt >= BRANCHES:
                break
            if best is None or found.cost < best[0]:
                best = found.cost, self.violation(self.values(found.x))
        if several:
            return several[0] if height is None else max(several, key=height)
        failed = range(len(self)) if best is None else np.flatnonzero(best[1] > TOUCHES * best[1].max())
        which = "these constraints hold together" if len(failed) > 1 else "this constraint holds"
        raise ModelError(
            f"no parameters were found at which {which}\n{self.constraints.quoted(failed)}",
            remedy="If there are some, give them as start values: start(0.5)*x.",
        )

    def leave_out_what_follows(self, free: np.ndarray) -> None:
        """Find the equations that follow from others: off the constraints their derivatives only nearly depend.

        Parameters
        ----------
        free : (p,) array
            Parameters at which all hold. What depends there and nearby too is left out.
        """
        if self.equality.sum() < 2:
            return
        rng = np.random.default_rng(2)
        try:
            nearby = self.feasible(free + 0.1 * np.maximum(1.0, np.abs(free)) * rng.uniform(-1, 1, free.size))
        except ModelError:
            return
        self.used = ~(self._dependent(free) & self._dependent(nearby))

    def _dependent(self, free: np.ndarray) -> np.ndarray:
        """(m,) equations whose derivatives are combinations of those of the equations before them."""
        A = self.at(free)[1]
        out = np.zeros(len(self), dtype=bool)
        basis = np.zeros((0, A.shape[1]))
        for j in np.flatnonzero(self.equality):
            length = np.linalg.norm(A[j])
            if length <= TOUCHES:
                continue
            rest = A[j] / length
            rest = rest - basis.T @ (basis @ rest)
            out[j] = np.linalg.norm(rest) < NEARLY
            if not out[j]:
                basis = np.vstack([basis, rest / np.linalg.norm(rest)])
        return out

    def _failure(self, free: np.ndarray) -> np.ndarray:
        values = self.values(free)
        return np.nan_to_num(np.where(self.equality, values, np.minimum(values, 0.0)), nan=1e6, posinf=1e6, neginf=-1e6)

    def _failure_slopes(self, free: np.ndarray) -> np.ndarray:
        values, slopes = self.at(free)
        failing = self.equality | (values < 0)
        return np.nan_to_num(np.where(failing[:, None], slopes, 0.0), nan=0.0, posinf=0.0, neginf=0.0)


@dataclass(frozen=True, slots=True)
class Restricted:
    """A maximum under constraints, as seen from the constraints.

    Attributes
    ----------
    values : (m,) array
        h there: zero for equations, the slack of inequalities.
    multipliers : (m,) array
        By how much log L would rise if h_j could be lower by one.
    jacobian : (m, p) array
        Its derivatives in the working parameters.
    touching : (m,) bool array
        Equations, and inequalities without slack.
    """

    values: np.ndarray
    multipliers: np.ndarray
    jacobian: np.ndarray
    touching: np.ndarray

    def rank(self, which: np.ndarray) -> int:
        """How many of some constraints are independent of each other here."""
        if not which.any():
            return 0
        A = self.jacobian[which]
        length = np.linalg.norm(A, axis=1)
        A = A[length > 0] / length[length > 0, None]
        return int((np.linalg.svd(A, compute_uv=False) > DEPENDENT).sum()) if len(A) else 0


def ascend_within(
    restrictions: Restrictions, climber: Climber, start: np.ndarray, points: tuple[int, ...], until: float
) -> Optimum:
    """Maximise under constraints from `start` until the decrement is below `until`."""
    try:
        if climber.history:
            free = restrictions.feasible(start)
        else:
            free = restrictions.feasible(start, lambda free: climber.value(free, points))
            climber.take_side(free)
            restrictions.leave_out_what_follows(free)
            if climber.value(free, points) == -np.inf:
                # a variance alone was moved, say; steps from near the maximum without constraints move all parameters
                free = climb(climber, start, points, climber.settings.first_decrement).free

        def once(free):
            here, step = _climb(restrictions, climber, free, points, until)
            if not restrictions.hold(here.free, TOUCHES):
                restrictions.used[:] = True
                here, step = _climb(restrictions, climber, restrictions.feasible(here.free), points, until)
            settled, boundary = settle(climber, here)
            if boundary and not restrictions.hold(settled.free, TOUCHES):
                settled, boundary = here, ()
            here, way_up = _leave_saddle(restrictions, climber, settled, step.multipliers)
            return (here, step, boundary), way_up

        here, step, boundary = over_saddles(climber, free, once)
        here = evaluated_cold(climber, here)
        last = until <= climber.settings.tolerance
        return _conclude(restrictions, climber, here, step, boundary, last)
    except KeyboardInterrupt:
        return interrupted(climber)
    except Stopped as reason:
        message = reason.message
        failed = np.flatnonzero(restrictions.violation(restrictions.values(climber.here.free)) > TOUCHES)
        if len(failed):
            which = restrictions.constraints.listed(failed)
            message = f"no parameters were found at which log L is finite and these hold: {which} ({message})"
        return optimum_at(climber, climber.here, False, message, (), reason.names)


def restricted(restrictions: Restrictions, free: np.ndarray, multipliers: np.ndarray) -> Restricted:
    """The constraints at a maximum."""
    values, jacobian = restrictions.at(free)
    return Restricted(values, multipliers, jacobian, restrictions.touching(values, multipliers))


def tangent(restrictions: Restrictions, climber: Climber, here: Point, multipliers: np.ndarray) -> Tangent:
    """The curvature W along the constraints that hold as equations."""
    there = restricted(restrictions, here.free, multipliers)
    W = here.information - restrictions.curvature(here.free, multipliers)
    return Tangent.of(W, there.jacobian[there.touching], climber.curvature(here).scale)


def _climb(
    restrictions: Restrictions, climber: Climber, free: np.ndarray, points: tuple[int, ...], until: float
) -> tuple[Point, ConstrainedStep]:
    """Steps until the decrement is small and the constraints hold; the point carries the information."""
    likelihood = climber.likelihood
    by_louis = climber.trusts_louis(points) or (
        likelihood.exact and likelihood.has_louis and getattr(likelihood, "depth", np.inf) <= DEEP
    )
    evaluate = climber.louis if by_louis else climber.score
    # a likelihood in closed form gives the expected information where its score is large, as under constraints it is
    closed = getattr(likelihood, "information", None)
    here = climber.begin(climber.known(free, points) or evaluate(free, points))
    multipliers, penalty = np.zeros(len(restrictions)), np.zeros(len(restrictions))
    before, surveyed = np.inf, np.inf
    damping = CAUTIOUS if climber.has_feedback else 0.0
    fresh = here.information is not None
    while True:
        if here.information is None:
            here, fresh = climber.differenced(here), True
        step = _programme(restrictions, climber, here, multipliers)
        if closed is not None and step.decrement < NEAR_BY:
            here = replace(here, information=closed(here.free))
            step = _programme(restrictions, climber, here, multipliers)
        if fresh:
            surveyed = step.decrement
        multipliers = step.multipliers
        penalty = np.maximum(penalty, STEEPER * np.abs(multipliers))
        # what is left of the slope, along and off the constraints, takes the place of the score in the record
        _, A = restrictions.at(here.free)
        climber.record(replace(here, gradient=here.gradient + A.T @ multipliers), climber.curvature(here).variances,
                       step.step, step.decrement)  # fmt: skip
        climber.here = here
        if climber.arrived(step.decrement, before, until) and restrictions.hold(here.free, which=restrictions.used):
            if fresh or surveyed <= max(FRESH, until):
                return here, step
            here, before = replace(here, information=None), np.inf
            continue
        taken = step
        if damping:
            taken = _programme(restrictions, climber, here, multipliers, damping)
            penalty = np.maximum(penalty, STEEPER * np.abs(taken.multipliers))
        there = _search(restrictions, climber, here, taken, penalty, evaluate)
        if there is None:
            if not fresh or by_louis:
                # the matrix is old, or Louis' with few points, which may be no guide
                by_louis, evaluate = False, climber.score
                here, before = replace(here, information=None), np.inf
                continue
            if step.decrement <= NOISE and restrictions.hold(here.free, TOUCHES):
                return here, step
            raise Stopped("no step leads uphill within the constraints, although the gradient is not zero")
        length = np.linalg.norm(taken.step)
        damping = damping_after(damping, np.linalg.norm(there.free - here.free) / length if length else 1.0)
        fresh = by_louis
        if not by_louis:
            fast = step.decrement < 0.1 * before
            there = replace(there, information=here.information if fast or before == np.inf else None)
        here, before = there, step.decrement


def _programme(
    restrictions, climber: Climber, here: Point, multipliers: np.ndarray, damping: float = 0.0
) -> ConstrainedStep:  # fmt: skip
    """The step from here, with the multipliers of the step before in the curvature."""
    values, A = restrictions.at(here.free)
    W = here.information - restrictions.curvature(here.free, multipliers)
    if not (np.isfinite(values).all() and np.isfinite(A).all() and np.isfinite(W).all()):
        bad = np.flatnonzero(~np.isfinite(values) | ~np.isfinite(A).all(axis=1))
        raise Stopped(f"constraints cannot be differentiated: {restrictions.constraints.listed(bad)}")
    scale = climber.curvature(here).scale
    used = restrictions.used
    step = constrained_step(here.gradient, W, scale, values[used], A[used], restrictions.equality[used], damping)
    if step is None:
        failed = np.flatnonzero(restrictions.violation(values) > 0)
        which = failed if len(failed) else range(len(restrictions))
        raise Stopped(f"no step leads to where all constraints hold: {restrictions.constraints.listed(which)}")
    multipliers = np.zeros(len(restrictions))
    multipliers[used] = step.multipliers
    return replace(step, multipliers=multipliers)


def _search(restrictions, climber: Climber, here: Point, step, penalty: np.ndarray, evaluate) -> Point | None:
    """The first point on ϑ + td with a merit that is high enough; the full step also bent to the constraints."""
    settings, d = climber.settings, step.step
    values, A = restrictions.at(here.free)
    violated = penalty @ restrictions.violation(values)
    merit = here.loglik - violated
    promised = max(here.gradient @ d + violated, SUFFICIENT * step.decrement)
    size = np.maximum(1.0, np.abs(here.free)) * settings.longest_step
    longest = np.max(np.abs(d) / size, initial=0.0)
    t = 1.0 if longest <= 1.0 else 1.0 / longest
    slack = 1e-12 * (1.0 + abs(here.loglik))

    def lost(free) -> float:
        failed = restrictions.violation(restrictions.values(free))
        return np.inf if np.isinf(failed).any() else float(penalty @ failed)

    def tried(free, t, there=None) -> Point | None:
        cost = lost(free)
        if cost == np.inf:
            return None
        loglik = there.loglik if there is not None else climber.value(free, here.points)
        if not loglik - cost >= merit + SUFFICIENT * t * promised - slack:
            return None
        there = there or evaluate(free, here.points)
        return there if there.possible else None

    for halving in range(settings.halvings):
        free = here.free + t * d
        found = tried(free, t, evaluate(free, here.points) if halving == 0 and lost(free) < np.inf else None)
        if found is None and t == 1.0:
            scale = climber.curvature(here).scale
            held = restrictions.touching(values + A @ d, step.multipliers)
            bent = free + _back(restrictions.values(free)[held], A[held], scale)
            found = tried(bent, t) if np.isfinite(bent).all() else None
        if found is not None:
            return found
        t *= 0.5 if halving < 3 else 0.25
    return None


def _back(values: np.ndarray, A: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The shortest way back to h = 0, in scaled parameters."""
    return np.linalg.lstsq(A / scale, -values, rcond=1e-9)[0] / scale


def _leave_saddle(
    restrictions, climber: Climber, here: Point, multipliers: np.ndarray
) -> tuple[Point, np.ndarray | None]:
    """Higher parameters along the constraints, in a direction where log L curves upwards; None where there are none."""
    free = _higher(restrictions, climber, here, multipliers)
    if free is None and here.by_louis and _lowest(restrictions, climber, here, multipliers) < WRONG_SIGN:
        here = climber.differenced(here)
        free = _higher(restrictions, climber, here, multipliers)
    return here, free


def _lowest(restrictions, climber: Climber, here: Point, multipliers: np.ndarray) -> float:
    return float(tangent(restrictions, climber, here, multipliers).values.min(initial=1.0))


def _higher(restrictions, climber: Climber, here: Point, multipliers: np.ndarray) -> np.ndarray | None:
    along = tangent(restrictions, climber, here, multipliers)
    slack = 1e-9 * (1.0 + abs(here.loglik))
    for k in np.flatnonzero(along.values < WRONG_SIGN):
        way = along.basis[:, k] / np.sqrt(abs(along.values[k]))
        for direction in (way, -way):
            for halving in range(TRIES):
                free = _returned(restrictions, here.free + direction / 2**halving, along.scale)
                if free is not None and climber.value(free, here.points) > here.loglik + slack:
                    return free
    return None


def _returned(restrictions: Restrictions, free: np.ndarray, scale: np.ndarray) -> np.ndarray | None:
    """A point brought back to the constraints; None if that fails."""
    for _ in range(TRIES):
        if restrictions.hold(free):
            return free
        values, A = restrictions.at(free)
        failing = restrictions.violation(values) > 0
        if not np.isfinite(values).all() or not np.isfinite(A).all():
            return None
        free = free + _back(values[failing], A[failing], scale)
    return None


def _conclude(restrictions, climber: Climber, here: Point, step, boundary: tuple[str, ...], last: bool) -> Optimum:
    names = climber.likelihood.names
    along = tangent(restrictions, climber, here, step.multipliers)
    there = restricted(restrictions, here.free, step.multipliers)
    inside = np.array([name not in boundary for name in names], dtype=bool)
    upwards = np.flatnonzero(along.values < WRONG_SIGN)
    scaled = along.basis * along.scale[:, None]
    wrong = [k for k in upwards if np.max(np.abs(scaled[inside, k]), initial=0.0) > 0.1]
    converged, culprits, message = True, (), "converged"
    if wrong and last:
        directions = [NullDirection.of(scaled[:, k], names, along.values[k]) for k in wrong]
        culprits = tuple(dict.fromkeys(name for d in directions for name in d.names))
        message = f"the log-likelihood has no maximum here: {'; '.join(map(str, directions))}"
        converged = False
    active = tuple(
        part.text
        for part, is_active in zip(restrictions.constraints.parts, there.touching, strict=True)
        if is_active and not part.equality
    )
    if converged and boundary:
        message += f", with {', '.join(boundary)} on the boundary (zero)"
    if converged and active:
        message += f", with no slack in {', '.join(active)}"
    residual = here.gradient + there.jacobian.T @ step.multipliers
    found = optimum_at(climber, here, converged, message, boundary, culprits)
    convergence = replace(
        found.convergence,
        gradient=float(np.max(np.abs(residual) * np.sqrt(along.variances), initial=0.0)),
        decrement=float(step.decrement),
        negative=len(upwards),
        active=active,
    )
    return replace(found, convergence=convergence, multipliers=step.multipliers)


def restricted_covariance(
    information: np.ndarray,
    scale: np.ndarray,
    names: Sequence[str],
    boundary: Sequence[str],
    restrictions: Restrictions,
    free: np.ndarray,
    multipliers: np.ndarray,
) -> tuple[np.ndarray, tuple[NullDirection, ...], bool]:
    """The covariance matrix of estimates that obey equations and inequalities without slack.

    V = Z (Z'IZ)⁻¹ Z', Z a basis of the directions that leave those constraints as they are (Aitchison & Silvey 1958),
    I the information of the cells. As lavaan does, an inequality without slack counts as an equation, and a parameter
    at its bound as any other.

    Parameters
    ----------
    information : (p, p) array
        Observed information of the working parameters.
    scale : (p,) array
        Roots of its diagonal.
    names : sequence of str
    boundary : sequence of str
        Standard deviations at zero; their rows and columns are NaN.
    restrictions : Restrictions
    free, multipliers : (p,) and (m,) arrays
        The maximum.

    Returns
    -------
    vcov : (p, p) array
        All NaN when the information is singular or indefinite.
    problems : tuple of NullDirection
    held : bool
        Whether bounds had to be held for the information to be positive definite.
    """
    there = restricted(restrictions, free, multipliers)
    matrix = information - restrictions.curvature_of_cells(free, multipliers)
    inside = np.array([name not in boundary for name in names], dtype=bool)
    kept = [name for name in names if name not in boundary]
    vcov = np.full(information.shape, np.nan)
    problems: tuple[NullDirection, ...] = ()
    for held in (False, True):
        fast = there.touching & (~restrictions.bound | held)
        A = there.jacobian[fast][:, inside]
        along = Tangent.of(matrix[np.ix_(inside, inside)], A, scale[inside])
        problems = tuple(
            NullDirection.of(along.basis[:, k] * scale[inside], kept, value)
            for k, value in enumerate(along.values)
            if value < SINGULAR * along.values[-1]
        )
        if not problems:
            vcov[np.ix_(inside, inside)] = along.inverse
            return vcov, (), held
        if not (there.touching & restrictions.bound).any():
            break
    return vcov, problems, False
