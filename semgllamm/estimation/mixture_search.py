"""The search for the maximum of a mixture, whose likelihood has several: many starts, steps of EM, then Newton.

A start is a division of the units, p_j(h), from which an M-step finds parameters. In turn the units are cut into
classes along a random direction through their answers; gathered around k of them by k-means (Lloyd 1982), distances
being of standardised answers, or of answers rotated and scaled to be uncorrelated (as before the partitions of Scrucca
& Raftery 2015); and divided at random. EM goes on with one Newton step for the M-step (Lange 1995),

    θ ← θ + I_c⁻¹ ∂Σ p (F + log π),      I_c the information that there were if classes were known,

which the way up of `semgllamm.estimation.ascent` ends. Classes without names of their own are then ordered by size.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock
from time import perf_counter
from typing import NamedTuple

import numpy as np

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.errors import EstimationError
from semgllamm.estimation.ascent import updated
from semgllamm.estimation.automatic import ascend_from
from semgllamm.estimation.identification import identification
from semgllamm.estimation.information import Curvature
from semgllamm.estimation.mixture import Members, MixtureLikelihood
from semgllamm.estimation.predictor import State
from semgllamm.estimation.settings import Settings
from semgllamm.estimation.start import start_values

__all__ = ["Search", "search"]

GRADIENT_STEPS, DIFFERENCE = 30, 1e-4  # of the same without an information
M_STEPS = 6  # Newton's steps from the start values to a division of the units
EM_STEPS, SLOW = 60, 1e-3  # of EM, and the rise of log L below which Newton takes over
HALVINGS = 12
DIVISIONS = ("direction", "means", "uncorrelated", "random")
LLOYD = 20  # steps of k-means
DEGENERATE = 1e-6  # least variance of a class, in shares of all units' variance, at which log L has a bound
CLEAR = 0.9  # probability of the class that a start puts a unit in
SAME = 1e-3  # log-likelihoods that are one local maximum
CLOSE = 0.02  # log-likelihoods of each unit on the way to one
ROUGH = 1e-6  # decrement at which a local maximum is told
NOTHING, MOST_NODES = 1e-8, 1000  # a singular value of scores that is zero, and nodes of a unit to look for one
PATIENCE = 60  # steps of one start


@dataclass(frozen=True)
class Search:
    """What the starts found.

    Attributes
    ----------
    n_starts : int
    loglik : tuple of float
        The local maxima, the best first.
    reached : tuple of int
        How many starts came to each.
    failed : int
        Starts that came to none.
    """

    n_starts: int
    loglik: tuple[float, ...]
    reached: tuple[int, ...]
    failed: int

    def __str__(self) -> str:
        """How many starts reached the best, and what the others reached."""
        starts = f"{self.reached[0]} of {self.n_starts} starts reached the best log-likelihood, {self.loglik[0]:.3f}"
        others = [f"{value:.3f} ({count})" for value, count in zip(self.loglik[1:6], self.reached[1:6])]
        more = len(self.loglik) - 6
        if others:
            starts += f"; local maxima: {', '.join(others)}" + (f" and {more} more" if more > 0 else "")
        if self.failed:
            starts += f"; {self.failed} came to none"
        return starts


def search(
    likelihood: MixtureLikelihood, diagram: PathDiagram, settings: Settings, n_starts: int,
    points: tuple[int, ...] | None = None, progress: Callable | None = None, begin: dict[str, float] | None = None,
) -> tuple[np.ndarray, Search]:  # fmt: skip
    """Parameters at the best of the local maxima that the starts lead to, classes in order, and what was found.

    Raises
    ------
    EstimationError
        If the model is not identified, or no start leads to a maximum.
    """
    start = start_values(likelihood.predictor, diagram)
    if points is None:
        points = settings.start_points(len(likelihood.levels))
        points = (1,) * len(points) if likelihood.exact else points
    _check_identified(likelihood, start, points)
    answers = [_answers(likelihood, level) for level in likelihood.heights]
    climb = _Climb(likelihood, points, replace(settings, tolerance=ROUGH, iterations=PATIENCE), n_starts, progress)

    # classes that are divided at random begin alike, at a saddle that is slow to leave where covariances are free
    kinds = DIVISIONS[:-1] if likelihood.predictor.whitening else DIVISIONS

    def from_division(k: int) -> _Maximum | None:
        own = likelihood.beside()
        members = divide(own, np.random.default_rng([settings.seed, k]), answers, kinds[k % len(kinds)])
        return climb.up(own, m_step(own, start, members, points))

    workers = min(likelihood.workspace.threads, n_starts)
    found = starts_of(workers, from_division, n_starts)
    given = [start] if _has_starts(diagram) else []
    if begin is not None:
        working, names = likelihood.working, likelihood.model.names
        cells = working.cells(working.inner(start))
        cells = np.array([begin.get(name, value) for name, value in zip(names, cells)])
        given.append(working.free_from_inner(working.inner_from_cells(cells)))
    found += [climb.up(likelihood, free) for free in given]
    known = climb.maxima(found)
    if not known:
        raise EstimationError("none of the starts of the mixture came to a maximum", remedy="Try fewer classes.")
    known.sort(key=lambda one: -one.loglik)
    total, counts = n_starts + len(given), tuple(one.count for one in known)
    found = Search(total, tuple(one.loglik for one in known), counts, total - sum(counts))
    return _in_order(likelihood, diagram, start, known[0].free, points), found


def starts_of(workers: int, function: Callable[[int], _Maximum | None], n_starts: int) -> list[_Maximum | None]:
    """What comes of each start, on so many threads; a start knows nothing of the others, so that neither do results."""
    if workers < 2:
        return [function(k) for k in range(n_starts)]
    with ThreadPoolExecutor(workers, thread_name_prefix="semgllamm-start") as pool:
        running = [pool.submit(function, k) for k in range(n_starts)]
        try:
            return [one.result() for one in running]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@dataclass
class _Maximum:
    loglik: float
    free: np.ndarray
    units: np.ndarray  # the log-likelihoods of the units, whatever the order of classes
    count: int = 0

    def leads_to(self, other: _Maximum) -> bool:
        """Count another that is on its way to this one."""
        near = other.loglik <= self.loglik + SAME and np.abs(other.units - self.units).max() < CLOSE
        self.count += near
        return near


def _check_identified(likelihood: MixtureLikelihood, start: np.ndarray, points: tuple[int, ...]) -> None:
    """Refuse a model with more parameters than the answers can tell apart, before it is fitted."""
    distinct, p = likelihood.mixing.levels[-1].n, likelihood.n_free
    if not likelihood.levels and distinct < p:
        raise EstimationError(
            f"the model is not identified: it has {p} parameters, and there are {distinct} different patterns of "
            "answers",
            remedy="Use fewer classes, more items, or hold parameters fast or equal.",
        )
    if max(points, default=1) ** likelihood.depth > MOST_NODES or not likelihood.has_louis:
        return
    found = identification(
        likelihood, start, max(points, default=1), max(points, default=1), scores=likelihood.distinct_scores
    )
    said = [direction for direction in found.directions if direction.value < NOTHING]
    if said:
        raise EstimationError(
            f"the model is not identified: {said[0]}", remedy="Use fewer classes, more items, or fix some of them."
        )


def _has_starts(diagram: PathDiagram) -> bool:
    return any(row.klass and row.free and row.start is not None for row in diagram.parameters)


# ---- divisions


def _answers(likelihood: MixtureLikelihood, level: int) -> np.ndarray:
    """The answers of the units of a level, standardised, (units, responses); 0 where there are none."""
    design = likelihood.design
    n = len(design.first_row[level])
    sums: dict[str, list[np.ndarray]] = {}
    for block in design.blocks:
        if block.repeats:
            continue
        total, count = sums.setdefault(block.response.name, [np.zeros(n), np.zeros(n)])
        unit = design.codes[level][block.rows]
        np.add.at(total, unit, block.y)
        np.add.at(count, unit, 1.0)
    columns = []
    for total, count in sums.values():
        with np.errstate(invalid="ignore"):
            mean = total / count
        spread = np.nanstd(mean)
        columns.append(np.nan_to_num((mean - np.nanmean(mean)) / (spread if spread > 0 else 1.0)))
    table = np.column_stack(columns) if columns else np.zeros((n, 1))
    a = likelihood.heights.index(level)
    return table[np.unique(likelihood.kept_of(a), return_index=True)[1]]


def divide(
    likelihood: MixtureLikelihood, rng: np.random.Generator, answers: list[np.ndarray], kind: str
) -> Members:  # fmt: skip
    """A division of the units by their answers, of one of the `DIVISIONS`."""
    model, mixing = likelihood.model, likelihood.mixing
    shares = []
    for a, (level, classes, here) in enumerate(zip(mixing.levels, likelihood.class_of, likelihood.heights)):
        share = np.ones((level.n, level.width))
        for v, variable in enumerate(model.classes):
            if variable.level != here:
                continue
            K = len(variable.classes)
            if kind == "random":
                r = rng.dirichlet(np.ones(K), level.n)
            else:
                table = answers[a] if kind != "uncorrelated" else _uncorrelated(answers[a])
                cut = _cut if kind == "direction" else _gathered
                r = np.full((level.n, K), (1 - CLEAR) / max(K - 1, 1))
                r[np.arange(level.n), rng.permutation(K)[cut(table, K, rng)]] = CLEAR
            share *= r[:, classes[:, v]]
        share *= np.isfinite(likelihood.memberships[a].known)
        by_unit = share.reshape(level.n, level.above, level.own)
        total = by_unit.sum(axis=2, keepdims=True)
        shares.append((by_unit / np.where(total > 0, total, 1.0)).reshape(level.n, level.width))
    posterior = mixing.down(shares)
    return Members(shares, posterior, mixing.component_weights(posterior))


def _cut(table: np.ndarray, K: int, rng: np.random.Generator) -> np.ndarray:
    """A class of each unit, (n,): intervals along a random direction."""
    along = table @ rng.normal(size=table.shape[1]) + 1e-6 * rng.normal(size=len(table))
    return np.searchsorted(np.quantile(along, np.sort(rng.dirichlet(np.full(K, 4.0)).cumsum()[:-1])), along)


def _gathered(table: np.ndarray, K: int, rng: np.random.Generator) -> np.ndarray:
    """A class of each unit, (n,): k-means from units drawn far from each other (Arthur & Vassilvitskii 2007)."""
    centres = table[rng.integers(len(table))][None]
    while len(centres) < K:
        far = _distances(table, centres).min(axis=1) + 1e-12
        centres = np.vstack([centres, table[rng.choice(len(table), p=far / far.sum())]])
    nearest = None
    for _ in range(LLOYD):
        before, nearest = nearest, _distances(table, centres).argmin(axis=1)
        if before is not None and (before == nearest).all():
            break
        count = np.bincount(nearest, minlength=K)
        sums = np.column_stack([np.bincount(nearest, x, K) for x in table.T])
        centres = np.where(count[:, None] > 0, sums / np.maximum(count, 1)[:, None], centres)
    return nearest


def _distances(table: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return np.column_stack([((table - centre) ** 2).sum(axis=1) for centre in centres])


def _uncorrelated(table: np.ndarray) -> np.ndarray:
    """Principal components of one variance."""
    U, size, _ = np.linalg.svd(table - table.mean(axis=0), full_matrices=False)
    return U[:, size > 1e-8 * size.max(initial=0.0)] * np.sqrt(len(table)) if size.any() else table


# ---- the way up


class _Climb:
    """The way from parameters to a local maximum, in two parts: EM, which starts go on their own, and the rest, which
    is gone once for all that are on the same way.

    Parameters
    ----------
    likelihood : MixtureLikelihood
    points : tuple of int
    settings : Settings
        Of the second part.
    n_starts : int
    progress : callable, optional
        Told of every start that has ended its first part.
    """

    def __init__(self, likelihood, points, settings, n_starts, progress):
        self.likelihood, self.points, self.settings = likelihood, points, settings
        self.n_starts, self.progress = n_starts, progress
        self.begun, self.done, self.best, self.lock = perf_counter(), 0, -np.inf, Lock()

    def up(self, likelihood: MixtureLikelihood, free: np.ndarray | None) -> _Maximum | None:
        """Where EM leads, or the maximum itself where there is no EM."""
        found = None
        if free is not None and likelihood.has_louis:
            ended = em(likelihood, free, self.points)
            if ended is not None and not _degenerate(likelihood, ended[0]):
                found = _Maximum(ended[1], ended[0], ended[2].loglik)
        elif free is not None:
            found = self._ascended(likelihood, free)
        with self.lock:
            self.done += 1
            self.best = self.best if found is None else max(self.best, found.loglik)
            if self.progress is not None and np.isfinite(self.best) and self.done <= self.n_starts:
                self.progress(self.done, self.best, np.nan, perf_counter() - self.begun)
        return found

    def _ascended(self, likelihood: MixtureLikelihood, free: np.ndarray) -> _Maximum | None:
        try:
            optimum = ascend_from(likelihood, free, self.points, self.settings)
        except (EstimationError, np.linalg.LinAlgError):
            return None
        if _degenerate(likelihood, optimum.free):
            return None
        _, loglik, members = likelihood.expectation(optimum.free, self.points)
        return None if members is None else _Maximum(loglik, optimum.free, members.loglik)

    def maxima(self, found: list[_Maximum | None]) -> list[_Maximum]:
        """The local maxima, each with the number of those that lead there; the highest first, the others follow it."""
        known: list[_Maximum] = []
        for one in sorted((x for x in found if x is not None), key=lambda x: -x.loglik):
            if any(other.leads_to(one) for other in known):
                continue
            if self.likelihood.has_louis:
                self.likelihood.cold()
                one = self._ascended(self.likelihood, one.free)
                if one is None:
                    continue
            for other in known:
                if abs(one.loglik - other.loglik) < SAME:
                    other.count += 1
                    break
            else:
                one.count = 1
                known.append(one)
        return known


def _degenerate(likelihood: MixtureLikelihood, free: np.ndarray) -> bool:
    """Whether the residuals of some class have no variance in some direction: there log L has no bound (Day 1969)."""
    model = likelihood.model
    cells = likelihood.working.cells(likelihood.working.inner(free))
    if not np.isfinite(cells).all():
        return True
    for group in model.groups:
        names = [cell.row for cell in group.Theta if cell.row == cell.column and cell.is_free]
        place = {name: k for k, name in enumerate(names)}
        Theta = np.zeros((len(names), len(names)))
        for cell in group.Theta:
            if cell.row in place and cell.column in place:
                a, b = place[cell.row], place[cell.column]
                Theta[a, b] = Theta[b, a] = cell.at(cells)
        spread = np.array([likelihood.spread.get(name, 1.0) for name in names])
        if names and np.linalg.eigvalsh(Theta / np.outer(spread, spread))[0] < DEGENERATE:
            return True
    return False


def m_step(
    likelihood: MixtureLikelihood, free: np.ndarray, members: Members, points: tuple[int, ...], steps: int = M_STEPS
) -> np.ndarray | None:
    """The maximum, nearly, of Σ p (F + log π) with the posterior probabilities held; None if there is none."""
    if not likelihood.has_louis:
        return _m_step_by_gradients(likelihood, free, members, points)
    state, value = likelihood.expected(free, members, points)
    if not np.isfinite(value):
        return None
    for _ in range(steps):
        gradient, information = likelihood.complete(state, members, points)
        if not (np.isfinite(gradient).all() and np.isfinite(information).all()):
            return None
        step = Curvature(information, likelihood.blocks).solve(gradient)
        found = _uphill(likelihood, free, step, members, points, value)
        if found is None:
            return free
        free, state, reached = found
        rise, value = reached - value, reached
        if rise < SLOW:
            break
    return free


def _uphill(likelihood, free, step, members, points, value) -> tuple[np.ndarray, State, float] | None:
    """The first of ever shorter steps that does not lower Σ p (F + log π): parameters, predictors, value."""
    for k in range(HALVINGS):
        trial = free + 0.5**k * step
        state, reached = likelihood.expected(trial, members, points)
        if reached >= value:
            return trial, state, reached
    return None


def _m_step_by_gradients(likelihood, free, members, points) -> np.ndarray | None:
    """The same by quasi-Newton steps from the information of differences."""
    state, value = likelihood.expected(free, members, points)
    if not np.isfinite(value):
        return None

    def slope(x: np.ndarray) -> np.ndarray:
        return likelihood.score_given(likelihood.expected(x, members, points)[0], members, points)

    gradient = likelihood.score_given(state, members, points)
    h = DIFFERENCE * np.eye(len(free))
    information = -np.array([slope(free + e) - slope(free - e) for e in h]) / (2 * DIFFERENCE)
    if not (np.isfinite(gradient).all() and np.isfinite(information).all()):
        return None
    H = Curvature((information + information.T) / 2, likelihood.blocks).inverse(floor=1e-2)
    for _ in range(GRADIENT_STEPS):
        found = _uphill(likelihood, free, H @ gradient, members, points, value)
        if found is None:
            return free
        trial, there, reached = found
        new = likelihood.score_given(there, members, points)
        if not np.isfinite(new).all():
            return free
        H = updated(H, trial - free, gradient - new)
        rise, free, value, gradient = reached - value, trial, reached, new
        if rise < SLOW:
            break
    return free


class _Place(NamedTuple):
    """Parameters of a mixture, and what its expectation gives there."""

    free: np.ndarray
    state: State
    loglik: float
    members: Members | None


def em(
    likelihood: MixtureLikelihood, free: np.ndarray, points: tuple[int, ...]
) -> tuple[np.ndarray, float, Members] | None:
    """Steps of EM until they are slow: parameters, log L and posterior probabilities; None if there are none.

    Every two steps r and r + v are prolonged to ϑ + 2αr + α²v with α = |r|/|v|, if that is uphill of both (Varadhan &
    Roland 2008, SQUAREM's third step length); lengths are by the information of the complete data.
    """
    here = _Place(free, *likelihood.expectation(free, points))
    if not np.isfinite(here.loglik):
        return None
    for _ in range(EM_STEPS // 2):
        way = [here]
        for _ in range(2):
            found = _em_step(likelihood, way[-1], points)
            if found is None:
                return None
            there, metric = found
            way.append(there)
            if there.loglik - way[-2].loglik < SLOW:
                return there.free, there.loglik, there.members
        here = _prolonged(likelihood, way, metric, points)
    return here.free, here.loglik, here.members


def _em_step(likelihood, here: _Place, points) -> tuple[_Place, np.ndarray] | None:
    """One step of Newton's for the complete data, as short as it must be to lead uphill, and the information."""
    gradient, information = likelihood.complete(here.state, here.members, points)
    if not (np.isfinite(gradient).all() and np.isfinite(information).all()):
        return None
    step = Curvature(information, likelihood.blocks).solve(gradient)
    for k in range(HALVINGS):
        free = here.free + 0.5**k * step
        there = _Place(free, *likelihood.expectation(free, points))
        if there.loglik >= here.loglik:
            return there, information
    return here, information


def _prolonged(likelihood, way: list[_Place], metric: np.ndarray, points) -> _Place:
    """What lies ahead of two steps, or where they ended."""
    r = way[1].free - way[0].free
    v = way[2].free - way[1].free - r
    bend = v @ metric @ v
    alpha = np.sqrt(max(r @ metric @ r, 0.0) / bend) if bend > 0 else 1.0
    if not alpha > 1.0:
        return way[2]
    free = way[0].free + 2 * alpha * r + alpha**2 * v
    ahead = _Place(free, *likelihood.expectation(free, points))
    return ahead if ahead.loglik >= way[2].loglik else way[2]


# ---- the order of classes


def named_variables(diagram: PathDiagram) -> set[str]:
    """Categorical variables whose classes have a meaning: by a block, a name, a label, a value or known members."""
    out = {declared.names[0] for declared in diagram.latents if declared.known or not _numbers(declared.classes)}
    out |= {path.block.klass[0] for path in diagram.paths if path.block.klass is not None}
    for row in diagram.parameters:
        if row.klass and (row.label or row.start is not None or (row.source == "user" and not row.free)):
            out |= {name for name, _ in row.klass}
    return out


def _numbers(classes: tuple[str, ...]) -> bool:
    return classes == tuple(str(k) for k in range(1, len(classes) + 1))


def _locations(model, v: int, cells: np.ndarray) -> np.ndarray:
    """The mass points of a free distribution, in its first group and of its first latent variable."""
    variable = model.classes[v]
    out = np.zeros(len(variable.classes))
    for pattern, group in zip(model.patterns, model.groups):
        for cell in group.Gamma:
            if (cell.row, cell.column) == (variable.masses_of[0], "1"):
                out[pattern[v]] = cell.at(cells)
    return out


def _in_order(likelihood, diagram, start, free, points) -> np.ndarray:
    """The same maximum with mass points ascending, and other classes without names in descending order of size."""
    model = likelihood.model
    named = named_variables(diagram)
    _, members = likelihood.members(free, points)
    cells = likelihood.working.cells(likelihood.working.inner(free))
    order = {}
    for a, level in enumerate(likelihood.heights):
        p, w = members.posterior[a], likelihood.mixing.unit_weights()[a]
        for v, variable in enumerate(model.classes):
            if variable.level == level and variable.masses_of:
                order[v] = np.argsort(_locations(model, v, cells), kind="stable")
            elif variable.level == level and variable.name not in named:
                size = np.array([
                    (w[:, None] * p[:, likelihood.class_of[a][:, v] == k]).sum() for k in range(len(variable.classes))
                ])  # fmt: skip
                order[v] = np.argsort(-size, kind="stable")
    if all((np.diff(o) > 0).all() for o in order.values()):
        return free
    shares = []
    for level, share, classes in zip(likelihood.mixing.levels, members.shares, likelihood.class_of):
        moved = classes.copy()
        for v, o in order.items():
            known = classes[:, v] >= 0
            moved[known, v] = o[classes[known, v]]
        place = {tuple(row): h for h, row in enumerate(classes)}
        shares.append(share[:, [place[tuple(row)] for row in moved]])
        assert shares[-1].shape == (level.n, level.width)
    posterior = likelihood.mixing.down(shares)
    turned = Members(shares, posterior, likelihood.mixing.component_weights(posterior))
    found = m_step(likelihood, start, turned, points, steps=4 * M_STEPS)
    return free if found is None else found
