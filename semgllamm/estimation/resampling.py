"""Estimates from samples of the sample.

    ordinary       units drawn with replacement                                           (Efron 1979)
    parametric     responses drawn from the fitted model, given the covariates
    Bollen–Stine   units drawn from rows turned so that the fitted model holds,
                   y* = Σ^½S^−½(y − Π_s x) + Πx                                           (Bollen & Stine 1992)

Of Gaussian models with linear constraints a drawn sample is a count of each unit, and its moments are sums with those
counts; other models are bound to the rows that are drawn, with the quadrature points of the original. Every fit starts
from the estimates of the original. Each draw has its own seed, so that the result does not depend on how the work is
divided.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from types import ModuleType

import numpy as np

from semgllamm.data.design import Design
from semgllamm.errors import DataError, EstimationError, ModelError
from semgllamm.estimation.automatic import ascend_from
from semgllamm.estimation.benchmarks import MomentModel, saturated
from semgllamm.estimation.constrained import Restrictions
from semgllamm.estimation.drawing import (
    answered_by,
    design_of,
    independent_level,
    rows_taken,
    simulated,
    units_drawn,
    written_out,
)
from semgllamm.estimation.gaussian import GaussianLikelihood, Sample
from semgllamm.estimation.grid import shared_grid
from semgllamm.estimation.inner_classes import InnerClasses, sums_inside
from semgllamm.estimation.least_squares import LeastSquares
from semgllamm.estimation.likelihood import Likelihood
from semgllamm.estimation.mixture import MixtureLikelihood
from semgllamm.estimation.nested import NestedLikelihood
from semgllamm.estimation.predictor import Predictor
from semgllamm.estimation.settings import Settings
from semgllamm.estimation.unseen import SeenLikelihood
from semgllamm.integration.tree import Tree
from semgllamm.model.constraints import Constraints
from semgllamm.model.matrices import Model
from semgllamm.model.transforms import Working

__all__ = ["KINDS", "Draws", "Refit", "likelihood_ratios", "of_units_apart", "over_seeds", "replicated_estimates",
           "resampled_estimates", "usable_cores"]  # fmt: skip

KINDS = ("ordinary", "parametric", "bollen.stine")
BATCHES = 20  # of draws, to each worker
WORTH = 25  # draws for which another process is worth its start


@dataclass(frozen=True, slots=True)
class Draws:
    """Estimates of the drawn samples.

    Attributes
    ----------
    free : (n, n_free) array
        NaN where a fit failed.
    statistic : (n,) array
        The chi-square of each draw, for Bollen and Stine's p-value; NaN otherwise.
    """

    free: np.ndarray
    statistic: np.ndarray


@dataclass(frozen=True)
class Task:
    """What a worker needs: the model, the saturated one if chi-squares are wanted, and how to draw."""

    model: MomentModel
    benchmark: MomentModel | None
    kind: str
    wishart: bool

    def one(self, seed: np.random.SeedSequence) -> tuple[np.ndarray, float]:
        rng = np.random.default_rng(seed)
        samples = self._drawn(rng)
        free, loglik = replace(self.model, samples=samples).maximise()
        if not np.isfinite(loglik):
            return np.full(len(free), np.nan), np.nan
        if self.benchmark is None:
            return free, np.nan
        return free, 2 * (_closed_saturated(samples) - loglik)

    def _drawn(self, rng: np.random.Generator) -> tuple[Sample, ...]:
        model = self.model
        if self.kind == "parametric":
            evaluations = model.at(model.start)
            return tuple(_simulated(s, e, rng, self.wishart) for s, e in zip(model.samples, evaluations))
        out = []
        for sample in model.samples:
            units, code = np.unique(sample.unit, return_inverse=True)
            counts = np.bincount(rng.integers(0, len(units), len(units)), minlength=len(units))
            out.append(_counted(sample, counts[code].astype(float), self.wishart))
        return tuple(out)

    def many(self, seeds: list[np.random.SeedSequence]) -> list[tuple[np.ndarray, float]]:
        return [self.one(seed) for seed in seeds]


@dataclass(frozen=True)
class Refit:
    """What a worker needs of any model: how its likelihood is bound to a design, and how designs are drawn.

    Attributes
    ----------
    model, design, working, tree : the objects of the walk
        No tree for a closed form.
    objective : str
        "ML", "nested" for that of nested units, "mixture", or the kind of least squares.
    divisor : str
    ordinary, shared : bool
        Of quadrature: ordinary points, and those of a shared grid.
    free : (n_free,) array
    points : tuple of int
    constraints : Constraints or None
    level : int
        Of the independent units.
    kind : {"ordinary", "parametric"}
    """

    model: Model
    design: Design
    working: Working
    tree: Tree | None
    objective: str
    divisor: str
    ordinary: bool
    shared: bool
    free: np.ndarray
    points: tuple[int, ...]
    constraints: Constraints | None
    level: int
    kind: str

    @classmethod
    def of(cls, likelihood, free, points, constraints, level: int, kind: str) -> Refit:
        if isinstance(likelihood, SeenLikelihood):
            raise EstimationError("no bootstrap samples are drawn of units that were seen (@unseen)",
                                  remedy="Use se='robust' for standard errors that rest on the sample.")  # fmt: skip
        closed = isinstance(likelihood, GaussianLikelihood)
        owner = likelihood if closed else likelihood.predictor
        objective = "nested" if isinstance(likelihood, NestedLikelihood) else getattr(likelihood, "kind", "ML")
        return cls(
            _model(likelihood), design_of(likelihood), likelihood.working, None if closed else owner.tree,
            "mixture" if isinstance(likelihood, MixtureLikelihood | InnerClasses) else objective,
            likelihood.divisor if closed else "normal", likelihood.ordinary, getattr(likelihood, "shared", False),
            np.asarray(free), tuple(points), constraints, level, kind,
        )  # fmt: skip

    def likelihood(self, design: Design, collapse: bool = True) -> GaussianLikelihood | Likelihood:
        """The likelihood of a design."""
        working = self.working
        if self.shared and collapse:
            found = shared_grid(self.model, working, design, 1)
            if found is None:
                raise EstimationError("a drawn sample has no shared grid")
            return found
        if self.objective == "mixture":
            kind = InnerClasses if sums_inside(self.model, self.tree) else MixtureLikelihood
            return kind(self.model, working, self.tree, design, self.ordinary, 1, collapse)
        if self.tree is not None:
            predictor = Predictor(self.model, working, self.tree, design, collapse)
            return Likelihood(predictor, self.ordinary, threads=1)
        if self.objective == "nested":
            return NestedLikelihood(self.model, design, (working.K, working.c))
        if self.objective != "ML":
            return LeastSquares(self.objective, self.model, design, (working.K, working.c))
        weights = design.weight(0, len(design.codes), design.first_row[0]) if design.weights else None
        return GaussianLikelihood(self.model, design, (working.K, working.c), weights, self.divisor)

    def many(self, seeds: list[np.random.SeedSequence]) -> list[tuple[np.ndarray, float]]:
        source = self.likelihood(self.design, collapse=False) if self.kind == "parametric" else None
        return [self._one(seed, source) for seed in seeds]

    def one(self, seed: np.random.SeedSequence) -> tuple[np.ndarray, float]:
        return self.many([seed])[0]

    def _one(self, seed, source) -> tuple[np.ndarray, float]:
        rng = np.random.default_rng(seed)
        if source is None:
            design = units_drawn(self.design, self.level, rng, len(self.model.holes))
        else:
            design = simulated(source, self.free, rng)
        return self.fitted(design)[0], np.nan

    def fitted(self, design: Design) -> tuple[np.ndarray, float]:
        """The estimates and log L of a drawn design, NaN where there is no maximum."""
        nothing = np.full(len(self.free), np.nan), np.nan
        try:
            likelihood = self.likelihood(design)
            restrictions = None if self.constraints is None else Restrictions(self.constraints, likelihood.working)
            points = self.points or (1,) * len(likelihood.levels)
            found = ascend_from(likelihood, self.free, points, Settings(threads=1), restrictions)
        except (EstimationError, ModelError, DataError, np.linalg.LinAlgError):
            return nothing
        return (np.asarray(found.free), found.loglik) if found.convergence.converged else nothing


def resampled_estimates(
    likelihood: GaussianLikelihood | Likelihood, free: np.ndarray, n: int, kind: str = "ordinary", seed=None,
    workers: int | None = None, progress=None, points: tuple[int, ...] = (), constraints: Constraints | None = None,
    clustered: bool = False,
) -> Draws:  # fmt: skip
    """Fit `n` drawn samples.

    Parameters
    ----------
    free : (n_free,) array
        The estimates.
    kind : str
        One of `KINDS`.
    seed : int, optional
    workers : int, optional
        Processes, by default as many as there are usable cores and work for; the result does not depend on it.
    progress : callable, optional
        Called as ``progress(done, failed, n)``.
    points : tuple of int
        Quadrature points a level.
    constraints : Constraints, optional
        Of the cells, beside linear equations.
    clustered : bool
        Rows of a model of one level lie in clusters: these are drawn.

    Raises
    ------
    EstimationError
        For a kind that the data do not allow.
    """
    _check(likelihood, kind)
    likelihood = of_units_apart(likelihood, free, points, constraints)
    unweighted = not likelihood.design.weights
    plain = type(likelihood) is GaussianLikelihood and constraints is None and not clustered and unweighted
    if kind == "bollen.stine" and not plain:
        raise EstimationError(
            "kind='bollen.stine' is for maximum likelihood of independent rows with linear constraints",
            remedy="Use kind='ordinary'.",
        )
    if not plain or (kind == "parametric" and likelihood.n_levels > 1):
        task: Task | Refit = Refit.of(
            likelihood, free, points, constraints, independent_level(likelihood, clustered), kind
        )  # fmt: skip
    else:
        model = MomentModel.of(likelihood, free)
        benchmark = None
        if kind == "bollen.stine":
            benchmark = saturated(likelihood, free)
            model = replace(model, samples=_turned(model, free))
        # a worker needs no rows of a design
        task = Task(model, benchmark, kind, likelihood.divisor == "wishart")
    found = over_seeds(task, n, seed, workers, progress)
    return Draws(np.array([f for f, _ in found]).reshape(n, -1), np.array([s for _, s in found]))


@dataclass(frozen=True)
class Replicated:
    """What a worker needs to fit the data under each of their replicate weights."""

    refit: Refit

    def many(self, numbers: list[int]) -> list[tuple[np.ndarray, float]]:
        return [self._one(r) for r in numbers]

    def _one(self, r: int) -> tuple[np.ndarray, float]:
        design = self.refit.design
        replicates = design.replicates
        # what has no weight has no part in it
        rows = np.flatnonzero(replicates.of_row[r] > 0)
        there = rows_taken(design, rows, [np.zeros(len(rows), dtype=np.int64)] * len(design.codes))
        return self.refit.fitted(replicates.weighted(there, rows, r))


def replicated_estimates(
    likelihood: GaussianLikelihood | Likelihood, free: np.ndarray, points: tuple[int, ...] = (),
    constraints: Constraints | None = None, workers: int | None = None,
) -> np.ndarray:  # fmt: skip
    """The estimates under each of the replicate weights of the design, each from those of all data.

    Parameters
    ----------
    free, points, constraints, workers
        As of `resampled_estimates`.

    Returns
    -------
    (R, n_free) array
        NaN where there is no maximum.
    """
    refit = Refit.of(likelihood, free, points, constraints, 0, "ordinary")
    numbers = list(range(len(refit.design.replicates.of_row)))
    return np.array([found for found, _ in _over(Replicated(refit), numbers, workers, None)])


@dataclass(frozen=True)
class Pair:
    """Two models of the same rows, the first of which draws the samples.

    Attributes
    ----------
    order : (p,) int array
        Where the responses of the second are among those of the first.
    """

    small: MomentModel
    large: MomentModel
    order: np.ndarray
    wishart: bool

    def one(self, seed: np.random.SeedSequence) -> tuple[np.ndarray, float]:
        rng = np.random.default_rng(seed)
        evaluations = self.small.at(self.small.start)
        drawn = [_simulated(s, e, rng, self.wishart) for s, e in zip(self.small.samples, evaluations)]
        again = [
            _counted(replace(s, y=d.y[:, self.order]), np.ones(len(s.y)), self.wishart)
            for s, d in zip(self.large.samples, drawn)
        ]
        low = replace(self.small, samples=tuple(drawn)).maximise()[1]
        high = replace(self.large, samples=tuple(again)).maximise()[1]
        return np.zeros(1), 2 * (high - low)

    def many(self, seeds: list[np.random.SeedSequence]) -> list[tuple[np.ndarray, float]]:
        return [self.one(seed) for seed in seeds]


@dataclass(frozen=True)
class RefittedPair:
    """The same of any two models: the designs of both get what the first one draws."""

    small: Refit
    large: Refit

    def many(self, seeds: list[np.random.SeedSequence]) -> list[tuple[np.ndarray, float]]:
        source = self.small.likelihood(self.small.design, collapse=False)
        return [self._one(seed, source) for seed in seeds]

    def _one(self, seed: np.random.SeedSequence, source) -> tuple[np.ndarray, float]:
        small, large = self.small, self.large
        design = simulated(source, small.free, np.random.default_rng(seed))
        low = small.fitted(design)[1]
        high = large.fitted(answered_by(design, large.design, large.model, large.tree is None))[1]
        return np.zeros(1), 2 * (high - low)


def likelihood_ratios(
    small: GaussianLikelihood | Likelihood, small_free: np.ndarray, large: GaussianLikelihood | Likelihood,
    large_free: np.ndarray, n: int, seed=None, workers: int | None = None,
    points: tuple[tuple[int, ...], tuple[int, ...]] = ((), ()),
    constraints: tuple[Constraints | None, Constraints | None] = (None, None),
) -> np.ndarray:  # fmt: skip
    """2 (log L₁ − log L₀) of `n` samples of the smaller model, (n,); NaN where a fit failed.

    Parameters
    ----------
    small_free, large_free : (n_free,) arrays
        The estimates.
    points, constraints : pairs
        Of the smaller and the larger model, as of `resampled_estimates`.

    Raises
    ------
    EstimationError
        For sampling weights, or models without the same responses.
    """
    for likelihood in (small, large):
        _check(likelihood, "parametric")
    small = of_units_apart(small, small_free, points[0], constraints[0])
    large = of_units_apart(large, large_free, points[1], constraints[1])
    names = [{r.name for r in _model(likelihood).responses} for likelihood in (small, large)]
    if names[0] != names[1]:
        raise EstimationError("the models do not have the same responses")
    if all(_is_plain(likelihood) for likelihood in (small, large)) and constraints == (None, None):
        order = np.array([small.responses.index(name) for name in large.responses])
        pair: Pair | RefittedPair = Pair(
            MomentModel.of(small, small_free), MomentModel.of(large, large_free), order, small.divisor == "wishart"
        )  # fmt: skip
    else:
        pair = RefittedPair(*(
            Refit.of(likelihood, free, p, c, independent_level(likelihood), "parametric")
            for likelihood, free, p, c in zip((small, large), (small_free, large_free), points, constraints)
        ))  # fmt: skip
    return np.array([statistic for _, statistic in over_seeds(pair, n, seed, workers, None)])


def of_units_apart(likelihood, free: np.ndarray, points: tuple[int, ...], constraints: Constraints | None):
    """The likelihood with units that are alike written out: they are drawn one by one."""
    if not likelihood.design.weights.frequency:
        return likelihood
    bound = Refit.of(likelihood, free, points, constraints, 0, "ordinary")
    return bound.likelihood(written_out(bound.design))


def _model(likelihood: GaussianLikelihood | Likelihood) -> Model:
    return likelihood.model if isinstance(likelihood, GaussianLikelihood) else likelihood.predictor.whole


def _is_plain(likelihood) -> bool:
    """Whether samples are moments: maximum likelihood in closed form, of one level."""
    return type(likelihood) is GaussianLikelihood and likelihood.n_levels == 1


def usable_cores() -> int:
    """Cores on which this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def over_seeds(
    task: Task | Refit | Pair | RefittedPair, n: int, seed, workers: int | None, progress
) -> list[tuple[np.ndarray, float]]:  # fmt: skip
    """What `task.many` finds for `n` seeds, in one process or several."""
    return _over(task, np.random.SeedSequence(seed).spawn(n), workers, progress)


def _over(task, items: list, workers: int | None, progress) -> list[tuple[np.ndarray, float]]:
    n = len(items)
    workers = max(1, min(usable_cores(), n // WORTH)) if workers is None else min(workers, n)
    size = max(1, -(-n // (BATCHES * workers)))
    batches = [items[k : k + size] for k in range(0, n, size)]
    found: list[tuple[np.ndarray, float]] = []

    def add(part):
        found.extend(part)
        if progress is not None:
            progress(len(found), sum(not np.isfinite(free).all() for free, _ in found), n)

    if workers == 1:
        for batch in batches:
            add(task.many(batch))
        return found
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        with _without_script():
            parts = pool.map(task.many, batches)
        for part in parts:
            add(part)
    return found


@contextmanager
def _without_script() -> Iterator[None]:
    """Start processes that do not run the user's script again: they need nothing of it, and it may have no guard."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _check(likelihood: GaussianLikelihood | Likelihood, kind: str) -> None:
    if any(variable.summed for variable in _model(likelihood).classes):
        raise EstimationError(
            "no bootstrap samples are drawn of models that sum over missing covariates yet",
            remedy="Use se='robust' for standard errors that rest on the sample.",
        )
    if likelihood.design.strata is not None:
        raise EstimationError("bootstrap samples are drawn without strata", remedy="Use se='robust'.")
    if likelihood.design.weights.sampling and kind != "ordinary":
        raise EstimationError(
            f"kind='{kind}' is not for sampling weights: a model does not say how units were selected",
            remedy="Use kind='ordinary', which draws units with their weights.",
        )
    if not isinstance(likelihood, GaussianLikelihood):
        return
    if kind == "bollen.stine" and likelihood.divisor != "normal":
        raise EstimationError("kind='bollen.stine' is for likelihood='normal'")
    complete = all(s.moments.complete for s in likelihood.samples)
    if kind == "bollen.stine" and not (complete and likelihood.n_levels == 1):
        raise EstimationError("kind='bollen.stine' needs complete data of one level", remedy="Use kind='ordinary'.")


def _counted(sample: Sample, counts: np.ndarray, wishart: bool) -> Sample:
    """The sample with each row so often."""
    moments = sample.moments
    seen = ~np.isnan(sample.y)
    z = np.concatenate([np.where(seen, sample.y - moments.shift_y, 0.0), sample.x - moments.shift_x], axis=1)
    if sample.share is not None:
        # deviations from means of clusters have no shift
        inside = sample.share < 1
        z[inside] += np.where(
            np.concatenate([seen, np.ones_like(sample.x, dtype=bool)], axis=1)[inside],
            np.concatenate([moments.shift_y, moments.shift_x]), 0.0,
        )  # fmt: skip
    p, k = sample.y.shape[1], len(moments.n)
    share = np.ones(len(z)) if sample.share is None else sample.share
    n, M = np.zeros(k), np.zeros((k, z.shape[1], z.shape[1]))
    for pattern in range(k):
        mine = (sample.pattern == pattern) & (counts > 0)
        w, here = counts[mine], z[mine]
        n[pattern] = w @ share[mine]
        if n[pattern] > 0:
            M[pattern] = (here.T * w) @ here / n[pattern]
            if not moments.has_means:
                mean = w @ here / n[pattern]
                M[pattern] -= np.outer(mean, mean)
    if wishart:
        last = M[:, -1, -1].copy()
        M *= (n / (n - 1))[:, None, None]
        if moments.has_means:
            M[:, -1, -1] = last
    return replace(sample, moments=replace(moments, n=n, yy=M[:, :p, :p], yx=M[:, :p, p:], xx=M[:, p:, p:]))


def _simulated(sample: Sample, here, rng: np.random.Generator, wishart: bool) -> Sample:
    """The sample with responses drawn from the model, missing where they were."""
    half = np.linalg.cholesky(here.Sigma[0])
    y = sample.x @ here.Pi.T + rng.standard_normal(sample.y.shape) @ half.T
    drawn = replace(sample, y=np.where(np.isnan(sample.y), np.nan, y))
    return _counted(drawn, np.ones(len(y)), wishart)


def _turned(model: MomentModel, free: np.ndarray) -> tuple[Sample, ...]:
    out = []
    for sample, here in zip(model.samples, model.at(free)):
        moments = sample.moments
        z, left = sample.x - moments.shift_x, sample.y - moments.shift_y
        fitted = np.zeros_like(left)
        if z.shape[1]:
            fitted = z @ np.linalg.solve(moments.xx[0], moments.yx[0].T)
        left = left - fitted
        S = left.T @ left / len(left)
        turn = _root(here.Sigma[0]) @ _root(S, -0.5)
        out.append(replace(sample, y=left @ turn.T + sample.x @ here.Pi.T))
    return tuple(out)


def _root(matrix: np.ndarray, power: float = 0.5) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values**power) @ vectors.T


def _closed_saturated(samples) -> float:
    """The saturated model's log-likelihood of complete samples."""
    total = 0.0
    for sample in samples:
        moments = sample.moments
        yy, yx, xx = moments.yy[0], moments.yx[0], moments.xx[0]
        S = yy - yx @ np.linalg.solve(xx, yx.T) if xx.shape[0] else yy
        sign, log_det = np.linalg.slogdet(S)
        if sign <= 0:
            return np.nan
        p = len(S)
        total -= 0.5 * moments.n[0] * (p * np.log(2 * np.pi) + log_det + p)
    return total
