"""The way up: Newton's steps with Louis' information, BFGS on the total score where that is no guide, and differences.

    Δ = |J|⁻¹g,   ϑ ← ϑ + tΔ,   t = 1, then shorter and shorter until log L(ϑ + tΔ) ≥ log L(ϑ) + 10⁻⁴ t g'Δ.

|J|⁻¹ has the eigenvectors of J⁻¹ and positive eigenvalues, so that Δ points uphill where log L is not concave too.
Where only a small part of Δ leads uphill, because some combination of the parameters is hardly determined and log L
bends along it, the next steps are damped, Δ = (|J| + μD²)⁻¹g with D² the diagonal of |J| (Levenberg 1944; Marquardt
1963): what is hardly determined moves least. μ falls again with every whole step, and is zero at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import NamedTuple, Protocol

import numpy as np

from semgllamm.errors import EstimationError
from semgllamm.estimation.information import Curvature, differences, louis_points
from semgllamm.estimation.settings import Settings

__all__ = ["Climber", "Evaluations", "Likelihood", "Point", "Progress", "Step", "Stopped", "climb", "damping_after",
           "nearer", "updated"]  # fmt: skip

Progress = Callable[[int, float, float, float], None]

SUFFICIENT = 1e-4
NEAR = 1e-3  # decrement below which an evaluation may be the last, so its modes start from u = 0
NOISE = 1e-9  # decrement at which rounding may keep steps from making progress
SHORT, DAMPED = 0.1, 1e-3  # part of a step below which the next ones are damped, and by how much at first
CAUTIOUS = 0.1  # damping of the first steps in feedback
LATE = 1e-8  # decrement below which Newton's steps converge fast to any maximum with a regular information
SLOW, STEADILY = 0.25, 3  # ratio of decrements that is not fast, and how many in a row
INFINITE = 12.0  # a logit whose probability is 0 or 1
FAR = 0.01  # step, relative to the way so far, that is not short
# coordinates on a path up to which Louis' information of Gaussian responses, with three points, is cheaper than BFGS,
# and than differences
SHALLOW, DEEP = 2, 4
STEADY = 1e-13  # decrement from which a step changes no digit
SCORED = 1e-2  # decrement down to which steps are by the expected information, where the observed one is dear
FRESH = 1e-8  # decrement within which the information does not change in the digits that are printed


class Likelihood(Protocol):
    """What the optimiser needs to know of a likelihood.

    Attributes
    ----------
    n_free : int
        Number of working parameters.
    names : tuple of str
        Their names.
    levels : tuple of str
        The classes of quadrature rules, the lowest level first; ``points`` holds one number for each.
    signed : numpy.ndarray of bool
        Where a working parameter is a standard deviation of a random effect, or the diagonal of a Cholesky factor: log
        L does not change with its sign (and its column's).
    blocks : sequence of numpy.ndarray
        The free Cholesky factors C of covariance matrices Ψ = CC': positions of their cells in the vector of working
        parameters, lower triangular, −1 where there is none. They may be left out where they are diagonal.
    exact : bool
        Every response is Gaussian, so that one adaptive point is exact.
    depth : int
        Most coordinates on one path of the integration tree.
    has_louis : bool
        Whether Louis' information is available.

    A likelihood whose parameters have units of their own may have a method ``steps(free)``: how far to move each of
    them for differences of the score. One with ``has_expected`` offers the expected information in place of Louis', and
    the observed one, by differences of its own, as ``information(free)``. ``may_be_infinite``, (n_free,) bools, says of
    which parameters it knows what to make at infinity.
    """

    n_free: int
    names: tuple[str, ...]
    levels: tuple[str, ...]
    signed: np.ndarray
    blocks: Sequence[np.ndarray]
    exact: bool
    depth: int
    has_louis: bool

    def value(self, free: np.ndarray, points: tuple[int, ...]) -> float:
        """log L; −∞ where the parameters are impossible."""
        ...

    def score(self, free: np.ndarray, points: tuple[int, ...]) -> tuple[float, np.ndarray]:
        """log L and its total derivative, the points moving with the parameters."""
        ...

    def louis(self, free: np.ndarray, points: tuple[int, ...]) -> tuple[float, np.ndarray, np.ndarray]:
        """log L, its total derivative, and Louis' information."""
        ...

    def unit_scores(self, free: np.ndarray, points: tuple[int, ...]) -> np.ndarray:
        """The derivatives of the top-level units' log-likelihoods."""
        ...

    def cold(self) -> None:
        """Let the next evaluation search the modes from u = 0."""
        ...


class Evaluations(NamedTuple):
    """How often the likelihood was evaluated: alone, with the score, with score and information."""

    values: int = 0
    scores: int = 0
    informations: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)


class Step(NamedTuple):
    """One line of the history of a fit; `gradient` is max |g_i| SE_i."""

    iteration: int
    points: tuple[int, ...]
    loglik: float
    gradient: float
    decrement: float


@dataclass(frozen=True, slots=True)
class Point:
    """A place on the log-likelihood: its height, slope, and curvature where known (by Louis or by differences)."""

    free: np.ndarray
    points: tuple[int, ...]
    loglik: float
    gradient: np.ndarray
    information: np.ndarray | None = None
    by_louis: bool = False
    cold: bool = False

    @property
    def possible(self) -> bool:
        """Whether log L and its derivatives are finite."""
        matrix = 0.0 if self.information is None else self.information
        return bool(np.isfinite(self.loglik) and np.isfinite(self.gradient).all() and np.isfinite(matrix).all())


class Stopped(Exception):
    """A fit ends before it has converged; `names` are the parameters to blame."""

    def __init__(self, message: str, names: tuple[str, ...] = ()):
        super().__init__(message)
        self.message, self.names = message, names


class Climber:
    """Evaluates the likelihood, and remembers where the fit stands and what it has cost.

    Parameters
    ----------
    likelihood : Likelihood
    start : numpy.ndarray
        Start values.
    settings : Settings
    progress : callable, optional
        Called as ``progress(iteration, loglik, gradient, elapsed)`` after every step.
    """

    def __init__(self, likelihood: Likelihood, start: np.ndarray, settings: Settings, progress: Progress | None = None):
        self.likelihood, self.settings, self.progress = likelihood, settings, progress
        self.blocks: Sequence[np.ndarray] = likelihood.blocks
        self.evaluations = Evaluations()
        self.history: list[Step] = []
        self.here = Point(start, (0,) * len(likelihood.levels), np.nan, np.full(start.size, np.nan))
        self.saddles = 0
        self._entered: Point | None = None
        self._spectrum: tuple[np.ndarray, Curvature] | None = None
        self.near = False
        self.started = perf_counter()
        self._baseline: tuple[np.ndarray, np.ndarray] | None = None
        self._decrements: list[float] = []
        self._side = self._side_of(start)

    def _side_of(self, free: np.ndarray):
        side = getattr(self.likelihood, "side", None)
        return () if side is None else side(free)

    @property
    def has_feedback(self) -> bool:
        """Whether some variables are among their own causes."""
        return bool(self._side)

    def take_side(self, free: np.ndarray) -> None:
        """Stay on the side of other parameters than the start."""
        self._side = self._side_of(free)

    def stays(self, free: np.ndarray) -> bool:
        """Whether parameters lie on the same side of a singular I − B as the start; a step does not leap over it."""
        return not self._side or self._side_of(free) == self._side

    @property
    def lone(self) -> np.ndarray:
        """Where a working parameter is a standard deviation by itself."""
        alone = self.likelihood.signed.copy()
        for block in self.blocks:
            alone[block[block >= 0]] = False
        return alone

    @property
    def elapsed(self) -> float:
        """Seconds since the fit began."""
        return perf_counter() - self.started

    @property
    def _fresh(self) -> bool:
        """Whether an evaluation owes nothing to those before it."""
        return self.near or getattr(self.likelihood, "shared", False)

    def _ready(self) -> None:
        if self.near:
            self.likelihood.cold()

    def value(self, free: np.ndarray, points: tuple[int, ...]) -> float:
        """log L, −∞ for anything that is not a number."""
        if not self.stays(free):
            return -np.inf
        self.evaluations = self.evaluations._replace(values=self.evaluations.values + 1)
        loglik = self.likelihood.value(free, points)
        return float(loglik) if np.isfinite(loglik) else -np.inf

    def score(self, free: np.ndarray, points: tuple[int, ...]) -> Point:
        """The point at `free`, without information."""
        if not self.stays(free):
            return self._nowhere(free, points)
        self._ready()
        self.evaluations = self.evaluations._replace(scores=self.evaluations.scores + 1)
        loglik, gradient = self.likelihood.score(free, points)
        return Point(free, points, float(loglik), gradient, cold=self._fresh)

    def louis(self, free: np.ndarray, points: tuple[int, ...]) -> Point:
        """The point at `free` with Louis' information."""
        if not self.stays(free):
            return self._nowhere(free, points)
        self._ready()
        self.evaluations = self.evaluations._replace(informations=self.evaluations.informations + 1)
        loglik, gradient, information = self.likelihood.louis(free, louis_points(self.likelihood, points))
        return Point(free, points, float(loglik), gradient, information, by_louis=True, cold=self._fresh)

    def _nowhere(self, free: np.ndarray, points: tuple[int, ...]) -> Point:
        return Point(free, points, -np.inf, np.full(free.size, np.nan))

    def differenced(self, here: Point) -> Point:
        """The same point with the information from differences of the total score."""
        if self.has_expected:
            before = self.likelihood.evaluations
            information = self.likelihood.information(here.free)
            scores = self.evaluations.scores + self.likelihood.evaluations - before
            self.evaluations = self.evaluations._replace(scores=scores)
            return self._checked(here, information)

        def gradient(free):
            self.evaluations = self.evaluations._replace(scores=self.evaluations.scores + 1)
            loglik, slope = self.likelihood.score(free, here.points)
            return slope if np.isfinite(loglik) else np.full(free.size, np.nan)

        steps = getattr(self.likelihood, "steps", None)
        return self._checked(here, differences(gradient, here.free, None if steps is None else steps(here.free)))

    def _checked(self, here: Point, information: np.ndarray) -> Point:
        if not np.isfinite(information).all():
            bad = np.flatnonzero(~np.isfinite(information).all(axis=1))
            names = tuple(self.likelihood.names[i] for i in bad)
            raise Stopped(f"the log-likelihood cannot be differentiated in {', '.join(names)}", names)
        return replace(here, information=information, by_louis=False)

    def surveyed(self, here: Point) -> Point:
        """The same point with exact information, the cheapest way."""
        if self.likelihood.exact and self.likelihood.has_louis and self._depth <= DEEP:
            return self.louis(here.free, here.points)
        return self.differenced(here)

    @property
    def has_expected(self) -> bool:
        """Whether the expected information guides the first steps."""
        return getattr(self.likelihood, "has_expected", False)

    @property
    def _depth(self) -> float:
        return getattr(self.likelihood, "depth", np.inf)

    def curvature(self, here: Point) -> Curvature:
        """The spectrum of the information at a point."""
        if self._spectrum is None or self._spectrum[0] is not here.information:
            self._spectrum = here.information, Curvature(here.information, self.blocks)
        return self._spectrum[1]

    def trusts_louis(self, points: tuple[int, ...]) -> bool:
        """Whether Louis' information at so many points can be Newton's matrix."""
        if self.likelihood.exact and self._depth <= SHALLOW:
            points = (np.inf,) * len(points)
        enough = all(k >= least for k, least in zip(points, self.settings.start_points(len(points))))
        return self.likelihood.has_louis and enough

    def known(self, free: np.ndarray, points: tuple[int, ...]) -> Point | None:
        """The point where the last climb ended with Louis' information, if it is this one."""
        same = self.here.by_louis and self.here.points == points and np.array_equal(self.here.free, free)
        return self.here if same else None

    def forget(self) -> None:
        """The likelihood is not what it was: no point is known."""
        self.here = replace(self.here, by_louis=False)
        self._entered = None

    def begin(self, here: Point) -> Point:
        """Check the first point of a climb."""
        if not here.possible:
            raise EstimationError(
                "the log-likelihood, or its derivative, is not finite at the start values",
                remedy="Give other start values, or rescale the variables.",
            )
        self._baseline, self._decrements = None, []
        self.here = here
        return here

    def turn(self, here: Point) -> None:
        """Go on from another of the points that are equal but for signs."""
        self.here = self._entered = here

    def record(self, here: Point, variances: np.ndarray, step: np.ndarray, decrement: float) -> None:
        """Enter a step into the history, tell of it, and stop a fit that takes too long or runs off."""
        again = self._entered is not None and here.free is self._entered.free and here.points == self._entered.points
        self.here = self._entered = here
        self.near = decrement < NEAR
        # a better matrix at the same point has the better decrement
        self._decrements = [*(self._decrements[:-1] if again else self._decrements), decrement][-STEADILY - 1 :]
        self._stop_if_it_runs_off(here, variances, step, decrement)
        if again:
            return
        slope = float(np.max(np.abs(here.gradient) * np.sqrt(variances), initial=0.0))
        entry = Step(len(self.history) + 1, here.points, here.loglik, slope, float(decrement))
        self.history.append(entry)
        if self.progress is not None:
            self.progress(entry.iteration, entry.loglik, slope, self.elapsed)
        if entry.iteration > self.settings.iterations:
            if self._running_off(here, variances, step).any():
                raise self._ran_off(
                    here, variances, f"found in {self.settings.iterations} iterations",
                    "; if there is one far away, allow more with Settings(iterations=...)",
                )  # fmt: skip
            steep = np.abs(here.gradient) * np.sqrt(variances)
            names = tuple(self.likelihood.names[i] for i in np.argsort(-steep, kind="stable")[:3])
            raise Stopped(
                f"no maximum after {self.settings.iterations} iterations: the gradient is largest in "
                f"{', '.join(names)}; allow more with Settings(iterations=...), or simplify the model",
                names,
            )

    def _stop_if_it_runs_off(self, here, variances, step, decrement) -> None:
        # A tenth of a log-likelihood unit below a maximum its standard errors are mostly the final ones. If they go on
        # growing while the parameter moves away from zero, the maximum may be at infinity (perfect separation). Then
        # log L rises to it like −exp(−ϑ) or −1/ϑ: the decrement falls by e⁻¹ to ⅔ in each step of Newton's, and the
        # steps do not get shorter. On a flat and winding ridge standard errors grow too, but the last steps are short.
        if decrement > self.settings.first_decrement:
            return
        if self._baseline is None:
            self._baseline = here.free, variances
            return
        if decrement < LATE and self._crawls():
            strides = np.abs(step) > FAR * np.abs(here.free - self._baseline[0])
            if (strides & self._running_off(here, variances, step)).any():
                raise self._ran_off(here, variances)

    def _running_off(self, here: Point, variances: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Which parameters move away from zero while the information about them vanishes."""
        if self._baseline is None:
            return np.zeros(here.free.size, dtype=bool)
        then, variances_then = self._baseline
        away = (here.free * step > 0) & (np.abs(here.free - then) > 0.3 * np.sqrt(variances_then))
        # a mixture may have its maximum there, and reports it
        there = (np.abs(here.free) > INFINITE) & getattr(self.likelihood, "may_be_infinite", False)
        return away & (variances > 1e3 * variances_then) & ~there

    def _ran_off(self, here: Point, variances: np.ndarray, searched: str = "", hope: str = "") -> Stopped:
        growth = variances / self._baseline[1]
        culprits = np.flatnonzero(growth > 1e2)
        names = tuple(self.likelihood.names[i] for i in culprits[np.argsort(-growth[culprits], kind="stable")])
        where = ", ".join(f"{n} ({here.free[self.likelihood.names.index(n)]:.3g})" for n in names)
        return Stopped(
            f"no finite maximum{' ' * bool(searched)}{searched}: {where} still "
            f"{'moves' if len(names) == 1 else 'move'} away while the information "
            f"about {'it' if len(names) == 1 else 'them'} vanishes, as under perfect separation, or "
            f"a variance that goes to zero or infinity{hope}",
            names,
        )

    def _crawls(self) -> bool:
        """Whether the last decrements have fallen slowly, one like the other."""
        last = np.array(self._decrements)
        return last.size > STEADILY and bool((last[1:] > SLOW * last[:-1]).all())

    def arrived(self, decrement: float, before: float, until: float) -> bool:
        """Whether the decrement is small enough, or so small that rounding keeps it from falling."""
        return decrement <= until or (decrement <= NOISE and decrement > 0.5 * before)

    def search(self, here: Point, step: np.ndarray, decrement: float, evaluate) -> Point | None:
        """The first point on ϑ + tΔ that is high enough; None if there is none."""
        size = np.maximum(1.0, np.abs(here.free)) * self.settings.longest_step
        longest = np.max(np.abs(step) / size, initial=0.0)
        t = 1.0 if longest <= 1.0 else 1.0 / longest
        slack = 1e-12 * (1.0 + abs(here.loglik))
        for halving in range(self.settings.halvings):
            free = here.free + t * step
            needed = here.loglik + SUFFICIENT * t * decrement - slack
            there = evaluate(free, here.points) if halving == 0 else None
            loglik = there.loglik if there is not None else self.value(free, here.points)
            if loglik >= needed:
                there = there or evaluate(free, here.points)
                if there.possible:
                    return there
            t *= _shorter(t * decrement, loglik - here.loglik)
        return None


def _shorter(promised: float, gained: float) -> float:
    """Where the parabola through the slope and the failed step has its top, kept between a tenth and a half."""
    if not np.isfinite(gained):
        return 0.5
    return float(np.clip(0.5 * promised / max(promised - gained, 1e-300), 0.1, 0.5))


def climb(climber: Climber, free: np.ndarray, points: tuple[int, ...], until: float) -> Point:
    """Go up from `free` until the decrement is below `until`; the point that is reached carries the information."""
    if climber.trusts_louis(points):
        here, arrived = newton(climber, free, points, until)
        if arrived:
            return here
    elif climber.has_expected:
        here, arrived = newton(climber, free, points, max(until, SCORED))
        if not arrived:
            here = bfgs(climber, here.free, points, max(until, NOISE))
    else:
        here = bfgs(climber, free, points, max(until, NOISE))
    return polish(climber, here, until)


def newton(climber: Climber, free: np.ndarray, points: tuple[int, ...], until: float) -> tuple[Point, bool]:
    """Newton's steps with Louis' information; False if they lead nowhere."""
    here = climber.begin(climber.known(free, points) or climber.louis(free, points))
    # where nothing causes itself yet, the paths of a feedback cannot be told apart from what its ends share
    before, damping = np.inf, CAUTIOUS if climber.has_feedback else 0.0
    while True:
        curvature = climber.curvature(here)
        step = curvature.solve(here.gradient)
        decrement = float(here.gradient @ step)
        climber.record(here, curvature.variances, step, decrement)
        if climber.arrived(decrement, before, until):
            return here, True
        if damping:
            step = curvature.solve(here.gradient, damping)
        there = climber.search(here, step, float(here.gradient @ step), climber.louis)
        if there is None:
            return here, False
        length = np.linalg.norm(step)
        part = np.linalg.norm(there.free - here.free) / length if length else 1.0
        damping = damping_after(damping, part)
        here, before = there, decrement


def damping_after(damping: float, part: float) -> float:
    """μ after a step of which a part led uphill."""
    if part < SHORT:
        return max(DAMPED, 10 * damping)
    if part < 1.0 - 1e-9:
        return damping
    return damping / 10 if damping > DAMPED else 0.0


def bfgs(climber: Climber, free: np.ndarray, points: tuple[int, ...], until: float) -> Point:
    """Quasi-Newton steps on the total score, from the metric that Louis' (here, nearly the complete data's) offers."""
    here = climber.begin(climber.score(free, points))
    H = _metric(climber, here)
    fresh, before = True, np.inf
    while True:
        step = H @ here.gradient
        decrement = float(here.gradient @ step)
        climber.record(here, np.diag(H), step, decrement)
        if climber.arrived(decrement, before, until):
            return here
        there = climber.search(here, step, decrement, climber.score)
        if there is None:
            if fresh:
                return here
            H, fresh, before = _metric(climber, here), True, np.inf
            continue
        H = updated(H, there.free - here.free, here.gradient - there.gradient)
        here, fresh, before = there, False, decrement


def _metric(climber: Climber, here: Point) -> np.ndarray:
    if climber.likelihood.has_louis:
        guess = climber.louis(here.free, here.points)
        if guess.possible:
            return climber.curvature(guess).inverse(floor=1e-2)
    return climber.curvature(climber.differenced(here)).inverse(floor=1e-2)


def updated(H: np.ndarray, s: np.ndarray, y: np.ndarray) -> np.ndarray:
    """H⁺ = (I − sy'/s'y) H (I − ys'/s'y) + ss'/s'y; as it was where log L curves upwards along s."""
    sy = s @ y
    if sy <= 1e-10 * np.sqrt((s @ s) * (y @ y)):
        return H
    Hy = H @ y
    return H + np.outer(s, s) * (1 + y @ Hy / sy) / sy - (np.outer(Hy, s) + np.outer(s, Hy)) / sy


def nearer(
    climber: Climber, free: np.ndarray, gradient: np.ndarray, information: np.ndarray, points: tuple[int, ...]
) -> np.ndarray:
    """Newton's steps with a matrix that was found with other points, and the gradient there, as long as each leaves a
    hundredth of the decrement; the last is taken unseen if what the one before it left says that it ends the way."""
    curvature = Curvature(information, climber.blocks)
    best, before = free, np.inf
    free = free + curvature.solve(gradient)
    while True:
        here = climber.score(free, points)
        if not here.possible:
            return best
        step = curvature.solve(here.gradient)
        decrement = float(here.gradient @ step)
        if decrement >= before:
            return best
        if decrement >= 0.01 * before or decrement < STEADY:
            return free
        best, free = free, here.free + step
        if decrement**2 < STEADY * before < np.inf:
            return free
        before = decrement


def polish(climber: Climber, here: Point, until: float) -> Point:
    """Newton's steps with the exact information, each matrix used as long as it makes good progress."""
    while True:
        here = climber.surveyed(here)
        curvature = climber.curvature(here)
        step = curvature.solve(here.gradient)
        decrement = at_matrix = float(here.gradient @ step)
        climber.record(here, curvature.variances, step, decrement)
        before = np.inf
        while not climber.arrived(decrement, before, until) and decrement < 0.1 * before:
            there = climber.search(here, step, decrement, climber.score)
            if there is None:
                if decrement <= NOISE:
                    return here
                raise Stopped("no step leads uphill, although the gradient is not zero")
            here = replace(there, information=here.information, by_louis=here.by_louis)
            step = curvature.solve(here.gradient)
            before, decrement = decrement, float(here.gradient @ step)
            climber.record(here, curvature.variances, step, decrement)
        if climber.arrived(decrement, before, until) and at_matrix <= max(FRESH, until):
            return here
