"""The likelihood of wide items on a grid that all persons share, behind the interface of `Likelihood`.

    log L = constant + Σ_i w_i log L_i,                                                       (integration/grid.py)
    score      = Σ_i w_i E_i[s],
    information = −Σ_i w_i (E_i[∂s] + E_i[ss'] − E_i[s] E_i[s]')                              (Louis 1982)

with s the score of the complete data, exact for the grid in use. The nodes stay where they are while parameters move;
they reach ±7 prior standard deviations, so that moving them would change nothing but rounding. `points` counts them on
the axis that has most, and thereby sets the step of all axes, in prior standard deviations.

With σ_i the root of the smallest eigenvalue of a unit's posterior covariance, in these units, the error of the
log-likelihood is bounded by Σ_i 2 dim exp(−2π²σ_i²/h²), as if posteriors were normal. Points are chosen by that bound,
and then checked by half as many again, as those of any other rule.
"""

from __future__ import annotations

import os
from functools import cached_property
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np

from semgllamm.data.design import Design
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.estimation.answer_pairs import ItemsOfAxis
from semgllamm.estimation.answers import JOINT, Bound, axes_of, bind
from semgllamm.estimation.axis_products import squares_of_axis
from semgllamm.estimation.feedback import Feedback
from semgllamm.estimation.item_start import item_start_values
from semgllamm.estimation.latent_distribution import Distribution, LatentDistribution, Totals
from semgllamm.estimation.likelihood import Likelihood
from semgllamm.estimation.one_axis import Linear, Total, one_axis
from semgllamm.estimation.predictor import Predictor, hash_columns, plan_tree
from semgllamm.estimation.start import start_values
from semgllamm.integration import grid, patterns
from semgllamm.integration.collapse import mix
from semgllamm.integration.grid import AXES, Answers, Axes, Prior, Supports, Tables, Units
from semgllamm.integration.program import threads_of
from semgllamm.model.matrices import Model
from semgllamm.model.transforms import LOG_VARIANCE, Working
from semgllamm.responses import registry
from semgllamm.responses.contract import Family

__all__ = ["GridLikelihood", "shared_grid"]

REACH = 7.0  # prior standard deviations from the outermost means to the ends of the grid
MOST = (0, 1001, 201, 81)  # points of one axis, by number of axes, beyond which tables cost more than they save
FIRST = 31  # points by which the posteriors at start values are told
LEAST = (0, 41, 31, 25)  # points by number of axes, whatever the posteriors: steep items are not normal densities
CAUTION = 1e-2  # the part of the target that the bound is to be below
NARROWEST = 0.7  # prior standard deviation, in steps, below which the sum over nodes is none of the integral
COARSE = 1.3  # step in posterior standard deviations of the sharpest unit, on the way to the maximum
PARTS = 8  # ranges of units whose sums are added up in order, whatever the number of threads
ASYMPTOTES = {"guessing", "ceiling"}  # run off to where nodes that stay in place have no answer
WORTH_A_THREAD = 20_000
MOST_ROOM = 2e7  # numbers that a thread may need


def shared_grid(model: Model, working: Working, design: Design, threads: int | None = None) -> GridLikelihood | None:
    """The likelihood on a shared grid, None where there is none or it would not pay.

    There is one for one to three latent variables that all responses load on, at the level of the rows, with answers
    that are few: at most one in four cells may differ from all others of its item and group, covariates of the item
    included. Products of latent variables, residual covariances, asymptotes, scales of latent responses, thresholds
    that depend on covariates or are all in one density, choices in long form, effects of latent variables that depend
    on covariates, covariates that are integrated out, and densities with feedback are left to the recursion.
    """
    axes = axes_of(model)
    rows_only = not any(model.eta_level) and all(r.level == 0 for r in model.responses)
    if not 1 <= len(axes) <= AXES or not rows_only or not all(_tabulated(r.family) for r in model.responses):
        return None
    for group in model.groups:
        if group.products or any(c.times for c in group.kappa) or group.guessing or group.ceiling:
            return None
        crossed = any(c.row != c.column and (c.is_free or c.value != 0.0) for c in group.Theta)
        if crossed or group.Omega or any(c.times for c in group.B):
            return None
    if Feedback(model, design) or len(model.holes) > 1:
        return None
    bound = bind(model, design, axes)
    return None if bound is None else GridLikelihood(model, working, design, axes, bound, threads)


def _tabulated(family: Family) -> bool:
    """Whether an answer's probability is a function of one latent vector, by parameters that tables have."""
    if family.is_joint:
        return family.name == "multinomial" and not family.is_composite
    return family.own in (0, 1, 2) and family.thresholds in ("", "around") and not ASYMPTOTES & {*family.predictors}


def _starts_plainly(family: Family) -> bool:
    """Whether margins and correlations of answers tell where to start."""
    return family.has_residual or not family.predictors or bool(family.thresholds)


class Setting(NamedTuple):
    """The grid with its tables, and the distributions of η, at one parameter vector."""

    values: np.ndarray
    distributions: list[Distribution]
    priors: list[Prior]
    axes: Axes
    supports: Supports
    answers: Answers
    tables: Tables


class Sums(NamedTuple):
    """What a sweep over the units leaves."""

    F: np.ndarray  # (n,) log L of each
    counts: np.ndarray  # (parts, T) of the answers
    mean: np.ndarray  # (n, 3) E[e]
    second: np.ndarray  # (n, 3, 3) E[ee']
    kept: np.ndarray  # (n, 3, most) posterior of each axis
    window: np.ndarray  # (n, 3, 2) where it is not negligible
    x: np.ndarray  # (n, columns) E[x]
    cross: np.ndarray  # (groups, parts, columns, columns) Σ w E[xx']
    covariance: np.ndarray | None = None  # (groups, columns, columns) Σ w cov(x), where products of matrices tell it


class GridLikelihood(Likelihood):
    """log L(free) on a shared grid, its derivative, and Louis' information, all exact for the grid.

    Parameters
    ----------
    model, working, design : the objects of the walk
    axes : tuple of str
        The latent variables that items load on.
    bound : Bound
        The design as answers.
    threads : int, optional

    Attributes
    ----------
    As those of `Likelihood`, and

    axes : tuple of str
    unit_of_row : (n_rows,) int array
        The unit that stands for each row of the design, identical ones being kept once.
    """

    shared = True

    def __init__(
        self, model: Model, working: Working, design: Design, axes: tuple[str, ...], bound: Bound,
        threads: int | None = None,
    ):  # fmt: skip
        self.model, self.working, self.design, self.axes, self.bound = model, working, design, axes, bound
        self.n_free, self.names, self.K = working.n_free, working.names, working.K
        self.identity = bool(self.K.shape[0] == self.K.shape[1] and np.array_equal(self.K, np.eye(len(self.K))))
        self.levels = (model.levels[0],)
        self.signed = working.signed()
        self.exact, self.ordinary, self.has_louis, self.depth = False, False, True, len(axes)
        self.blocks = self._cholesky_blocks()
        self.spheres = [at for _, _, at in working.spheres()]
        self.threads = threads or os.cpu_count() or 1
        self.evaluations = 0
        self.logs = working.kind == LOG_VARIANCE
        self.natural = np.zeros(len(self.logs), dtype=bool)
        self.natural[[c.number for group in model.groups for c in group.Theta if c.is_free]] = True
        self.natural &= ~self.logs
        names = {c.column for g in model.groups for c in g.Gamma if c.column != "1"}
        self.covariates = tuple(sorted(names))
        self.latent = [LatentDistribution(g, model.eta, axes, self.covariates) for g in model.groups]
        self.row_weight = design.weight(0, len(design.codes), np.arange(design.n_rows))
        self.constant = float(sum(b.constant @ self.row_weight[b.rows] for b in design.blocks))
        self._collapse()
        self._lay_out()
        self.alone = one_axis(self.units, self.ranges, self.columns_of_item, self.start) if len(axes) == 1 else None
        self._items: dict[tuple[int, int], ItemsOfAxis] = {}
        self._placed: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._start: np.ndarray | None = None
        self._placed_at: np.ndarray | None = None
        self._grids: dict[int, tuple] = {}
        self._last: tuple | None = None

    @cached_property
    def predictor(self) -> Predictor:
        """The same model bound to the recursion's arrays, which draw samples."""
        return Predictor(self.model, self.working, plan_tree(self.model, self.design), self.design)

    # ---- binding -------------------------------------------------------------------------------------------------

    def _collapse(self) -> None:
        """Identical rows once, those of a group together, and within it those with like sums of answers."""
        design = self.design
        w = np.stack([np.ones(design.n_rows), *(design.column(c) for c in self.covariates)], axis=1)
        word = self.bound.signatures() + mix(design.group_of.astype(np.uint64))
        if self.covariates:
            word = mix(word) ^ hash_columns(w)[:, 0]
        _, first, unit = np.unique(word, return_index=True, return_inverse=True)
        weight = np.bincount(unit.ravel(), self.row_weight)
        order = np.lexsort((self.bound.rows[first].sum(axis=1), design.group_of[first]))
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        self.unit_of_row = place[unit.ravel()]
        first = first[order]
        self.units = Units(np.ascontiguousarray(self.bound.rows[first]), weight[order], w[first])
        self.n_units = len(first)
        group = design.group_of[first]
        self.ranges = [tuple(np.searchsorted(group, (g, g + 1))) for g in range(len(self.model.groups))]

    def _lay_out(self) -> None:
        """Supports and columns: those of items, then those of the distribution of η."""
        P, supports = len(self.axes), list(self.bound.supports)
        items = [n > 0 or bool((self.bound.support == s).any()) for s, n in enumerate(self.bound.columns)]
        pairs = list(combinations(range(P), 2))
        supports += [pair for pair in pairs if pair not in supports]
        items += [False] * (len(supports) - len(items))
        own = [*self.bound.columns, *([0] * (len(supports) - len(self.bound.columns)))]
        prior = [0] * len(supports)
        for a in range(P):
            prior[a] = self.units.covariates.shape[1] + 1
        for pair in pairs:
            prior[supports.index(pair)] = 1
        self.supports, self.items, self.pairs = supports, np.array(items), pairs
        self.n_own = own
        self.first_column = np.concatenate([[0], np.cumsum(np.array(own) + prior)])
        answer = self.bound.rows.max(axis=0)
        self.width = (self.bound.kind >= 0).sum(axis=1)
        self.start = np.cumsum(self.width) - self.width
        self.support_of_item = self.bound.support[answer]
        begin = self.bound.column[answer]
        self.columns_of_item = [slice(int(b), int(b + n)) for b, n in zip(begin, self.width[answer])]

    def _rows_of_columns(self, group: int, here: Distribution) -> tuple[np.ndarray, np.ndarray]:
        """(columns, q): the complete-data score of a unit of the group in the columns; and what is constant in it."""
        q, first = self.model.n_parameters, self.first_column
        out = np.zeros((first[-1], q))
        for s, numbers in enumerate(self.bound.numbers[group]):
            at = np.flatnonzero(numbers >= 0)
            out[first[s] + at, numbers[at]] = 1.0
        single, pair, constant = self.latent[group].coefficients(here, q)
        for a, form in enumerate(single):
            out[first[a] + self.n_own[a] : first[a + 1]] = form
        for ab, form in pair.items():
            out[first[self.supports.index(ab) + 1] - 1] = form
        return out, constant

    def start_values(self, diagram: PathDiagram) -> np.ndarray:
        """Free parameters to start from; those of the first diagram that is asked about are kept."""
        if self._start is None:
            plain = all(not r.family.is_joint and _starts_plainly(r.family) for r in self.model.responses)
            found = item_start_values(self, diagram) if plain else start_values(self.predictor, diagram)
            self._start = found
        return self._start

    # ---- the grid ------------------------------------------------------------------------------------------------

    def _values(self, free) -> np.ndarray:
        """The cells, but logarithms of residual variances."""
        inner = self.working.inner(np.asarray(free, dtype=float))
        values = self.working.cells(inner)
        values[self.logs] = inner[self.logs]
        if self.natural.any():
            with np.errstate(invalid="ignore", divide="ignore"):
                values[self.natural] = np.log(values[self.natural])
        return values

    def _distributions(self, values: np.ndarray) -> list[Distribution] | None:
        try:
            found = [latent.at(values) for latent in self.latent]
        except np.linalg.LinAlgError:
            return None
        finite = all(np.isfinite(d.M).all() and np.isfinite(d.Sigma).all() for d in found)
        return found if finite else None

    def _means(self, found: list[Distribution]) -> np.ndarray:
        mean = np.zeros((self.n_units, AXES))
        for (lo, hi), here in zip(self.ranges, found):
            mean[lo:hi, : len(self.axes)] = self.units.covariates[lo:hi] @ here.M.T
        return mean

    def place(self, free) -> None:
        """Let the grid reach as far as the distribution of the latent variables does at these parameters."""
        if self._placed_at is not None and np.array_equal(self._placed_at, free):
            return
        found = self._distributions(self._values(free))
        if found is None:
            raise np.linalg.LinAlgError("the covariance matrix of the latent variables is not positive definite")
        mean = self._means(found)
        P = len(self.axes)
        sd = np.array([np.sqrt(np.diag(here.Sigma)) for here in found])
        seen = [k for k, (lo, hi) in enumerate(self.ranges) if hi > lo]
        low = np.min([mean[slice(*self.ranges[k]), :P].min(axis=0) - REACH * sd[k] for k in seen], axis=0)
        high = np.max([mean[slice(*self.ranges[k]), :P].max(axis=0) + REACH * sd[k] for k in seen], axis=0)
        self._placed = low, high, np.sqrt((sd[seen] ** 2).mean(axis=0))
        self._grids, self._last, self._placed_at = {}, None, np.array(free, dtype=float)

    @property
    def placed_at(self) -> np.ndarray | None:
        """The parameters at which the grid was placed."""
        return self._placed_at

    def points_for(self, step: float) -> int:
        """Number of points on the longest axis for a step in prior standard deviations."""
        low, high, scale = self._placed
        return max(2, int(np.ceil(np.max((high - low) / scale) / step)) + 1)

    def coarse_points(self, free) -> tuple[int]:
        """Points on the way to the maximum, for the posteriors at `free`."""
        self.place(free)
        points = FIRST
        sharpest = float(self.sharpness(free, (points,)).min())
        return (min(max(self.points_for(COARSE * sharpest), LEAST[len(self.axes)]), self.most_points),)

    def fine_points(self, free, points: tuple[int], target: float) -> tuple[int]:
        """Points whose error is well below the target, for the posteriors at `free`."""
        sharpness = self.sharpness(free, points)
        self.place(free)
        points = self.points_for(self.step_for(sharpness, CAUTION * target))
        return (min(max(points, LEAST[len(self.axes)]), self.most_points),)

    def reaches(self, free) -> bool:
        """Whether a grid that is fine enough at `free` has tables of a reasonable size."""
        try:
            self.place(free)
        except np.linalg.LinAlgError:
            return False
        sharpness = self.sharpness(free, (FIRST,))
        if not np.isfinite(sharpness).all() or sharpness.min() <= 0:
            return False
        points = self.points_for(sharpness.min())
        return points <= self.most_points and self.room_needed(points) <= MOST_ROOM

    @property
    def most_points(self) -> int:
        return MOST[len(self.axes)]

    def _grid(self, points: int):
        """The nodes and the arrays of tables of so many points."""
        if points in self._grids:
            return self._grids[points]
        low, high, scale = self._placed
        P, bound = len(self.axes), self.bound
        step = np.max((high - low) / scale) / (points - 1) * scale
        size = np.ones(AXES, dtype=np.int64)
        size[:P] = np.ceil((high - low) / step - 1e-9).astype(np.int64) + 1
        eta = np.zeros((AXES, size.max()))
        for a in range(P):
            eta[a, : size[a]] = 0.5 * (low[a] + high[a]) + step[a] * (np.arange(size[a]) - 0.5 * (size[a] - 1))
        axes = Axes(size, eta)
        S = len(self.supports)
        has, stride, cells = np.zeros((S, AXES), np.int64), np.zeros((S, AXES), np.int64), np.ones(S, np.int64)
        for s, support in enumerate(self.supports):
            for a in reversed(support):
                has[s, a], stride[s, a] = 1, cells[s]
                cells[s] *= size[a]
        supports = Supports(has, stride, self.first_column, self.items)
        length = cells[bound.support]
        width = (bound.kind >= 0).sum(axis=1)
        at, slot = np.cumsum(length) - length, np.cumsum(length * width) - length * width
        alone = bound.code != JOINT
        terms = np.zeros(len(bound.code), dtype=np.int64)
        terms[alone] = registry.addresses(np.unique(bound.code[alone]))[1][bound.code[alone]]
        answers = Answers(terms, bound.data, bound.support, at, slot, self.first_column[bound.support]
                          + bound.column, bound.kind, bound.factor, bound.axis)  # fmt: skip
        T = int(length.sum())
        tables = Tables(
            np.zeros(T), np.zeros((len(at), AXES, size.max())), np.zeros(T), np.zeros((T, 6)),
            np.zeros(int((length * width).sum())),
        )  # fmt: skip
        # two at a time: those in use, and those that check them
        self._grids = dict([*self._grids.items()][-1:])
        self._grids[points] = axes, supports, answers, tables, float(np.log(step).sum())
        return self._grids[points]

    def _resolves(self, found: list[Distribution], axes: Axes) -> bool:
        """Whether the steps are short enough for the distributions, so that nothing falls between nodes."""
        P = len(self.axes)
        step = axes.eta[:P, 1] - axes.eta[:P, 0]
        least = min(np.linalg.eigvalsh(here.Sigma / np.outer(step, step))[0] for here in found)
        return bool(least > NARROWEST**2)

    def room_needed(self, points: int) -> float:
        """Numbers that a thread needs for products of columns."""
        low, high, scale = self._placed
        size = (high - low) / scale / np.max((high - low) / scale) * points
        width = np.diff(self.first_column)
        return float(sum(np.prod(size[list(s)]) * n for s, n in zip(self.supports, width) if n))

    def cold(self) -> None:
        """Nothing is remembered but the place of the grid."""

    def side(self, free) -> tuple[bool, ...]:
        """No response is its own cause here."""
        return ()

    # ---- evaluation ----------------------------------------------------------------------------------------------

    def _at(self, free, points) -> Setting | None:
        """The tables and the distribution at `free`; None where these are impossible."""
        self.evaluations += 1
        if self._placed is None:
            self.place(free)
        values = self._values(free)
        found = self._distributions(values)
        if found is None:
            return None
        axes, supports, answers, tables, log_step = self._grid(int(points[0]))
        if not self._resolves(found, axes):
            return None
        grid.tabulate(axes, supports, answers, self.bound.predictor(values), tables)
        if self.bound.nominal is not None:
            self.bound.nominal.tabulate(axes, supports, answers, values, self.width, tables)
        if self.alone is None:
            grid.top_of_rows(axes, supports, answers, tables)
        P, mean = len(self.axes), self._means(found)
        priors = []
        for here in found:
            precision, variance = np.zeros((AXES, AXES)), np.ones(AXES)
            precision[:P, :P], variance[:P] = here.precision, np.diag(here.Sigma)
            constant = log_step + 0.5 * here.log_det - 0.5 * P * np.log(2 * np.pi)
            priors.append(Prior(mean, precision, variance, float(constant)))
        return Setting(values, found, priors, axes, supports, answers, tables)

    def _sweep(self, free, points, task: str) -> tuple[Setting, Sums] | None:
        """The sums over units that a task needs: "value", "score", "means" or "products"."""
        at = self._at(free, points)
        if at is None:
            return None
        if self.alone is not None:
            return self._sweep_by_patterns(free, points, at, task)
        n, most, C = self.n_units, at.axes.eta.shape[1], int(self.first_column[-1])
        across = len(self.axes) > 1 and task in ("means", "products")
        products = across and task == "products"
        keeps = n if task in ("means", "products") else 0
        sums = Sums(
            np.full(n, -np.inf), np.zeros((PARTS if task != "value" else 1, len(at.tables.log))), np.zeros((n, AXES)),
            np.zeros((n, AXES, AXES)), np.zeros((keeps, AXES, most)), np.zeros((keeps, AXES, 2), np.int64),
            np.zeros((keeps, C)), np.zeros((len(self.ranges), PARTS, *((C, C) if products else (1, 1)))),
        )  # fmt: skip

        def run(lo, hi, g, part):
            room = grid.room(at.axes, at.supports, across)
            shared = (lo, hi, at.axes, at.supports, at.answers, at.tables, self.units, at.priors[g], room)
            counts = sums.counts[part if task != "value" else 0]
            where = (sums.F, counts, sums.mean, sums.second, sums.kept, sums.window)
            if across:
                grid.cross_units(*shared, products, *where, sums.x, sums.cross[g, part])
            else:
                grid.sweep_units(*shared, task != "value", *where)

        self._run(run)
        if not np.isfinite(sums.F).all():
            return None
        if task != "value":
            self._last = np.array(free, dtype=float), tuple(points), sums.mean, sums.second
        return at, sums

    def _columns_of_axis(self, at: Setting, a: int) -> np.ndarray:
        """The derivatives of all answers (…, Q), those of answer r from `start[r]` on; 0 unless they have this axis
        alone."""
        Q, columns = int(at.axes.size[a]), at.tables.columns
        if self.alone is not None and (self.width == self.width[0]).all():
            return columns.reshape(len(self.width), Q, -1).transpose(0, 2, 1).reshape(-1, Q)
        out = np.zeros((int(self.width.sum()), Q))
        for r in np.flatnonzero(self.bound.support == a):
            k, first, slot = self.width[r], self.start[r], at.answers.slot[r]
            out[first : first + k] = columns[slot : slot + Q * k].reshape(Q, k).T
        return out

    def _sweep_by_patterns(self, free, points, at: Setting, task: str) -> tuple[Setting, Sums] | None:
        """As `_sweep`, of one axis."""
        Q, n, C, R = int(at.axes.size[0]), self.n_units, int(self.first_column[-1]), len(self.bound.code)
        log, eta = at.tables.log.reshape(R, Q), at.axes.eta[0, :Q]
        live = [g for g, group in enumerate(self.alone) if group is not None]
        if any(self.alone[g].impossible(log) for g in live):
            return None
        patterned = {g: self.alone[g].patterned(log) for g in live}
        means = [prior.mean[lo:hi, 0] for prior, (lo, hi) in zip(at.priors, self.ranges)]
        linear: list[Linear | None] = [None] * len(self.ranges)
        if task == "products":
            columns = self._columns_of_axis(at, 0)
            for g in live:
                linear[g] = self.alone[g].linear(columns, eta, means[g])
        whole = task == "products" and all(linear[g] is not None for g in live)
        if not whole:
            linear = [None] * len(self.ranges)
        keeps = n if task in ("means", "products") and not whole else 0
        wanted = n if task != "value" else 0
        sums = Sums(
            np.full(n, -np.inf), np.zeros((1, R * Q)), np.zeros((n, AXES)), np.zeros((n, AXES, AXES)),
            np.zeros((keeps, AXES, Q)), np.zeros((keeps, AXES, 2), np.int64), np.zeros((keeps, C)), np.zeros(0),
            np.zeros((len(self.ranges), C, C)) if whole else None,
        )  # fmt: skip
        first, second = np.zeros(wanted), np.zeros(wanted)
        kept, window = np.zeros((keeps, Q)), np.zeros((keeps, 2), np.int64)
        totals = {(g, part): self.alone[g].room(Q, linear[g]) for g in live for part in range(PARTS)}

        def run(lo, hi, g, part):
            start, stop = self.ranges[g]
            own, prior = slice(start, stop), at.priors[g]
            self.alone[g].sweep(
                lo - start, hi - start, patterned[g], eta, means[g], prior.precision[0, 0], prior.constant, sums.F[own],
                first[own], second[own], totals[g, part], linear[g], kept[own], window[own],
            )  # fmt: skip

        self._run(run)
        if not np.isfinite(sums.F).all():
            return None
        if task == "value":
            return at, sums
        sums.mean[:, 0], sums.second[:, 0, 0] = first, second
        if keeps:
            sums.kept[:, 0], sums.window[:, 0] = kept, window
        for g in live:
            total = Total(*(sum(parts) for parts in zip(*(totals[g, part] for part in range(PARTS)))))
            sums.counts[0] += self.alone[g].counts(total.counts).ravel()
            if whole:
                own = slice(*self.ranges[g])
                variance = second[own] - first[own] ** 2
                sums.covariance[g] = self.alone[g].covariance(total, linear[g], variance)
        self._last = np.array(free, dtype=float), tuple(points), sums.mean, sums.second
        return at, sums

    def _fill_block(self, total, first: int, n_own: int, items, with_e, with_ee, powers, lo: int, hi: int) -> None:
        """The products of an axis' columns: those of items, e w, e²; `powers` are E[e²], E[e³], E[e⁴]."""
        weight, w = self.units.weight[lo:hi], self.units.covariates[lo:hi]
        two, three, four = (weight * power for power in powers)
        size = n_own + w.shape[1] + 1
        block = total[first : first + size, first : first + size]
        block[:n_own, :n_own] = items
        block[:n_own, n_own:-1], block[:n_own, -1] = with_e, with_ee
        block[n_own:-1, n_own:-1] = (two[:, None] * w).T @ w
        block[n_own:-1, -1] = three @ w
        block[-1, -1] = four.sum()
        block[n_own:, :n_own] = block[:n_own, n_own:].T
        block[-1, n_own:-1] = block[n_own:-1, -1]

    def _run(self, task) -> None:
        """Call task(lo, hi, group, part) over ranges of the units of each group."""
        self._share([(g, lo, hi) for g, (lo, hi) in enumerate(self.ranges)], PARTS, task)

    def _share(self, ranges, parts: int, task) -> None:
        """The same, for some ranges (group, first, last) of units, each cut in parts."""
        tasks = []
        for g, lo, hi in ranges:
            cuts = np.unique(np.linspace(lo, hi, parts + 1).astype(int))
            tasks += [(int(a), int(b), g, part) for part, (a, b) in enumerate(pairwise(cuts))]
        work = self.n_units * self.units.code.shape[1] * (20 ** len(self.axes)) / 20
        threads_of(min(self.threads, int(work / WORTH_A_THREAD)), task, tasks)

    def _loglik(self, F) -> float:
        return self.constant + float(self.units.weight @ F)

    def value(self, free, points) -> float:
        """log L, every constant included; −inf outside the parameter space."""
        found = self._sweep(free, points, "value")
        return -np.inf if found is None else self._loglik(found[1].F)

    def score(self, free, points) -> tuple[float, np.ndarray]:
        """log L and its derivative for the grid in use."""
        found = self._sweep(free, points, "score")
        if found is None:
            return -np.inf, np.full(self.n_free, np.nan)
        gradient, _ = self._derivatives(*found, False)
        return self._loglik(found[1].F), self._to_free(self._to_inner(free, gradient))

    def _to_inner(self, free, gradient: np.ndarray) -> np.ndarray:
        return self._jacobian(free).T @ gradient

    def _jacobian(self, free) -> np.ndarray:
        J = self.working.jacobian(self.working.inner(np.asarray(free, dtype=float)))
        J[self.logs, self.logs] = 1.0
        J[self.natural] *= np.exp(-self._values(free)[self.natural])[:, None]
        return J

    def _totals(self, average, second) -> list[Totals]:
        """The sufficient statistics of the distribution of η, a group."""
        P, out = len(self.axes), []
        for lo, hi in self.ranges:
            w = self.units.covariates[lo:hi]
            weighted = self.units.weight[lo:hi, None] * w
            ee = np.tensordot(self.units.weight[lo:hi], second[lo:hi, :P, :P], 1)
            out.append(Totals(self.units.weight[lo:hi].sum(), weighted.T @ w, average[lo:hi, :P].T @ weighted, ee))
        return out

    def _derivatives(self, at: Setting, sums: Sums, twice: bool):
        """Gradient (q,) in the values and, `twice`, Σ w E[∂s]."""
        R, L = self.bound.number.shape
        q = self.model.n_parameters
        slope, bend = np.zeros((R, L)), np.zeros((R, L, L) if twice else (0, L, L))
        grid.add_rows(at.axes, at.supports, at.answers, at.tables, sums.counts.sum(axis=0), slope, bend)
        number = self.bound.number
        free = number >= 0
        gradient = np.zeros(q)
        np.add.at(gradient, number[free], slope[free])
        hessian = np.zeros((q, q)) if twice else None
        for latent, here, totals in zip(self.latent, at.distributions, self._totals(sums.mean, sums.second)):
            gradient += latent.gradient(here, totals, q)
            if twice:
                hessian += latent.hessian(at.values, here, totals)
        if twice and self.bound.nominal is not None:
            counts = sums.counts.sum(axis=0)
            self.bound.nominal.curvature(at.axes, at.supports, at.answers, at.values, counts, hessian)
        if twice:
            r, l, m = np.nonzero(bend)
            np.add.at(hessian, (number[r, l], number[r, m]), bend[r, l, m])
            off = l != m
            r, l, m = r[off], l[off], m[off]
            np.add.at(hessian, (number[r, m], number[r, l]), bend[r, l, m])
        return gradient, hessian

    @cached_property
    def code_of_axis(self) -> list[np.ndarray]:
        """The answers of all units to the items that load on each axis alone."""
        return [
            np.ascontiguousarray(self.units.code[:, self.support_of_item == a]) for a in range(len(self.axes))
        ]  # fmt: skip

    def _items_of(self, a: int, g: int) -> ItemsOfAxis:
        """The answers of a group to the items that load on axis a alone."""
        if self.alone is not None:
            return self.alone[g].items
        if (a, g) not in self._items:
            place = [self.columns_of_item[j] for j in np.flatnonzero(self.support_of_item == a)]
            code = self.code_of_axis[a][slice(*self.ranges[g])]
            self._items[a, g] = ItemsOfAxis(code, place, len(self.bound.code))
        return self._items[a, g]

    def _one_axis(self, at: Setting, sums: Sums, products: bool) -> np.ndarray | None:
        """Fill in x̄ of the columns of single axes; Σ w E[xx'] of each axis with itself, a group, with `products`."""
        C, w = int(self.first_column[-1]), self.units.covariates
        total = np.zeros((len(self.ranges), C, C)) if products else None
        for a in range(len(self.axes)):
            n_own, first, Q = self.n_own[a], int(self.first_column[a]), int(at.axes.size[a])
            columns = self._columns_of_axis(at, a)
            tables = [columns[s : s + k] for s, k in zip(self.start, self.width)]
            kept, window = np.ascontiguousarray(sums.kept[:, a, :Q]), np.ascontiguousarray(sums.window[:, a])
            mu = np.ascontiguousarray(at.priors[0].mean[:, a])
            e = at.axes.eta[a, None, :Q] - mu[:, None]
            powers = self._powers(kept, e, 4 if products else 2)
            later = slice(first + n_own, first + n_own + w.shape[1] + 1)
            sums.x[:, later] = np.column_stack([powers[0][:, None] * w, powers[1]])
            if products:
                squares = [self._squares(at, sums, a, g, tables, kept, window) for g in range(len(self.ranges))]
            more = 2 if products and not self.even else 0
            means = np.zeros((more + 1, self.n_units, n_own))

            def run(lo, hi, g, part, a=a, more=more, kept=kept, window=window, columns=columns, means=means, mu=mu):
                patterns.take_means(lo, hi, self.code_of_axis[a], columns, self.start, self.width, self.bound.column,
                                    kept, window, at.axes.eta[a], mu, more, means)  # fmt: skip

            self._run(run)
            sums.x[:, first : first + n_own] = means[0]
            if not products:
                continue
            for g, (lo, hi) in enumerate(self.ranges):
                if hi == lo:
                    continue
                weight = self.units.weight[lo:hi]
                if more:
                    by_e, by_ee = means[1, lo:hi].T @ (weight[:, None] * w[lo:hi]), weight @ means[2, lo:hi]
                else:
                    by_e, by_ee = self._with_e(at, sums, a, g, tables, e[lo])
                self._fill_block(total[g], first, n_own, squares[g], by_e, by_ee,
                                 [power[lo:hi] for power in powers[1:]], lo, hi)  # fmt: skip
        return total

    @cached_property
    def even(self) -> bool:
        """Whether all units of a group have one mean of η."""
        w = self.units.covariates
        return all(bool((w[lo:hi] == w[lo:hi][:1]).all()) for lo, hi in self.ranges)

    def _with_e(self, at: Setting, sums: Sums, a: int, g: int, tables, e: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Σ w E[x e] w_i' and Σ w E[x e²] of the items' columns of axis a in a group whose units have one mean of η."""
        one, two = np.zeros(self.n_own[a]), np.zeros(self.n_own[a])
        counts = sums.counts.sum(axis=0)
        for r in self.answers_of[a, g]:
            own = slice(self.bound.column[r], self.bound.column[r] + self.width[r])
            n = counts[at.answers.at[r] : at.answers.at[r] + len(e)]
            one[own] += tables[r] @ (n * e)
            two[own] += tables[r] @ (n * e * e)
        return np.outer(one, self.units.covariates[self.ranges[g][0]]), two

    @cached_property
    def answers_of(self) -> dict[tuple[int, int], np.ndarray]:
        """The answers of each group to the items that load on each axis alone."""
        out = {}
        for a, code in enumerate(self.code_of_axis):
            for g, (lo, hi) in enumerate(self.ranges):
                seen = np.bincount(code[lo:hi].ravel() + 1, minlength=1) > 0
                seen[0] = False
                out[a, g] = np.flatnonzero(seen) - 1
        return out

    def _squares(self, at: Setting, sums: Sums, a: int, g: int, tables, kept, window) -> np.ndarray:
        """Σ w E[xx'] of the items' columns of axis a in a group."""
        lo, hi = self.ranges[g]
        n_own = self.n_own[a]
        if hi == lo or n_own == 0:
            return np.zeros((n_own, n_own))
        items = self._items_of(a, g)
        if items.pairs_have_room(kept.shape[1]):

            def share(task, parts):
                self._share([(g, lo, hi)], parts, lambda begin, end, _, part: task(begin - lo, end - lo, part))

            return items.squares(tables, self.units.weight[lo:hi], kept[lo:hi], window[lo:hi], share)
        parts = np.zeros((PARTS, n_own, n_own))

        def multiply(begin, end, _, part):
            parts[part] = squares_of_axis(at, sums, self.units, begin, end, a, n_own)

        self._share([(g, lo, hi)], PARTS, multiply)
        return parts.sum(axis=0)

    def _covariances(self, at: Setting, sums: Sums) -> np.ndarray:
        """Σ w cov(x) (groups, columns, columns) from the sums that a sweep leaves."""
        out = self._one_axis(at, sums, True)
        if len(self.axes) > 1:
            others = np.triu(sums.cross.sum(axis=1))
            out += others + np.swapaxes(np.triu(others, 1), 1, 2)
        for g, (lo, hi) in enumerate(self.ranges):
            out[g] -= (self.units.weight[lo:hi, None] * sums.x[lo:hi]).T @ sums.x[lo:hi]
        return out

    @staticmethod
    def _powers(p: np.ndarray, e: np.ndarray, highest: int) -> list[np.ndarray]:
        """E[e], E[e²], … of each unit."""
        out = []
        for _ in range(highest):
            p = p * e
            out.append(p.sum(axis=1))
        return out

    def unit_scores(self, free, points) -> np.ndarray:
        """Scores of the rows of the design, times their weights, (n_rows, n_free)."""
        found = self._sweep(free, points, "means")
        if found is None:
            return np.full((1, self.n_free), np.nan)
        at, sums = found
        self._one_axis(at, sums, False)
        scores = np.empty((self.n_units, self.n_free))
        J = self._jacobian(free) @ self.K
        for g, ((lo, hi), here) in enumerate(zip(self.ranges, at.distributions)):
            form, constant = self._rows_of_columns(g, here)
            scores[lo:hi] = (sums.x[lo:hi] @ form + constant) @ J
        return scores[self.unit_of_row] * self.row_weight[:, None]

    @property
    def unit_level(self) -> int:
        return 0

    def louis(self, free, points) -> tuple[float, np.ndarray, np.ndarray]:
        """log L, its derivative and the observed information, exact for the grid in use."""
        found = self._sweep(free, points, "products")
        if found is None:
            return -np.inf, np.full(self.n_free, np.nan), np.full((self.n_free, self.n_free), np.nan)
        at, sums = found
        gradient, hessian = self._derivatives(at, sums, True)
        covariances = self._covariances(at, sums) if sums.covariance is None else sums.covariance
        information = -hessian
        for g, here in enumerate(at.distributions):
            form, _ = self._rows_of_columns(g, here)
            information -= form.T @ covariances[g] @ form
        J = self._jacobian(free)
        bent = np.where(self.logs, 0.0, gradient)
        bent[self.natural] *= np.exp(-at.values[self.natural])
        inner = self.working.inner(np.asarray(free, dtype=float))
        information = J.T @ information @ J - self.working.curvature(inner, bent)
        along = J[self.natural]
        information += along.T @ (gradient[self.natural, None] * along)
        return self._loglik(sums.F), self._to_free(J.T @ gradient), self.K.T @ information @ self.K

    # ---- posterior -----------------------------------------------------------------------------------------------

    def posterior(self, free, points) -> tuple[np.ndarray, np.ndarray]:
        """Posterior means (n_rows, n_eta) and covariances (n_rows, n_eta, n_eta) of all latent variables."""
        at, sums = self._sweep(free, points, "score")
        P, n_eta = len(self.axes), len(self.model.eta)
        mean, covariance = np.zeros((self.n_units, n_eta)), np.zeros((self.n_units, n_eta, n_eta))
        for (lo, hi), here, latent in zip(self.ranges, at.distributions, self.latent):
            e = sums.mean[lo:hi, :P]
            spread = sums.second[lo:hi, :P, :P] - e[:, :, None] * e[:, None, :]
            G = here.all_Sigma[:, latent.at_axes] @ here.precision
            mean[lo:hi] = self.units.covariates[lo:hi] @ here.all_M.T + e @ G.T
            covariance[lo:hi] = here.all_Sigma - G @ here.Sigma @ G.T + G @ spread @ G.T
        return mean[self.unit_of_row], covariance[self.unit_of_row]

    def sharpness(self, free, points) -> np.ndarray:
        """σ_i: root of the smallest eigenvalue of the posterior covariance, in the units of the step, of each unit."""
        last = self._last
        known = last is not None and last[1] == tuple(points) and np.array_equal(last[0], free)
        if not known and self._sweep(free, points, "score") is None:
            return np.full(self.n_units, np.nan)
        _, _, mean, second = self._last
        P, (_, _, scale) = len(self.axes), self._placed
        e = mean[:, :P]
        spread = (second[:, :P, :P] - e[:, :, None] * e[:, None, :]) / np.outer(scale, scale)
        least = spread[:, 0, 0] if P == 1 else np.linalg.eigvalsh(spread)[:, 0]
        return np.sqrt(np.maximum(least, 0.0))

    def step_for(self, sharpness: np.ndarray, error: float) -> float:
        """The step at which Σ w 2 dim exp(−2π²σ²/h²) is `error`, by bisection of its logarithm."""
        low, high = 1e-3 * sharpness.min(), 10.0 * sharpness.max()
        for _ in range(30):
            h = np.sqrt(low * high)
            bound = 2 * len(self.axes) * (self.units.weight @ np.exp(-2 * (np.pi * sharpness / h) ** 2))
            low, high = (h, high) if bound <= error else (low, h)
        return float(low)
