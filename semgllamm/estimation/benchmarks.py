"""The saturated and the independence model of Gaussian data, on the same moments as the model that is tested.

Given the covariates x of a group, the saturated model has every element of Π and of Σ free, at both levels where
there are two; the independence model the means and variances only. Both are graphs without latent variables, so
that their log-likelihood, score, information and scores of units are those of `integration.gaussian`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semgllamm.estimation.gaussian import GaussianLikelihood, Sample, scores_of_units
from semgllamm.estimation.nested import NestedLikelihood
from semgllamm.integration.gaussian import COVARIANCE, REGRESSION, Cells, Evaluation, Graph

__all__ = ["MomentModel", "independence", "saturated"]

STEPS = 200
NEAR = 1.0  # decrement of the expected information below which the observed one is Newton's matrix
ENOUGH = 1e-13  # decrement at which a maximum is reached


@dataclass(frozen=True)
class MomentModel:
    """A Gaussian model as its graphs and samples alone, cells = c + K free.

    Attributes
    ----------
    graphs : tuple of Graph
        One a group.
    samples : tuple of Sample
    K : (cells, free) array
    c : (cells,) array
    start : (free,) array
    units : int
        Independent units.
    closed : bool
        The start is the maximum: complete rows of one level.
    """

    graphs: tuple[Graph, ...]
    samples: tuple[Sample, ...]
    K: np.ndarray
    c: np.ndarray
    start: np.ndarray
    units: int
    closed: bool = False

    @classmethod
    def of(cls, likelihood: GaussianLikelihood, free: np.ndarray) -> MomentModel:
        """The model of a likelihood, to start from `free`."""
        units = likelihood.design.unit_counts[likelihood.n_levels - 1]
        working = likelihood.working
        constant = working.inner(np.zeros(likelihood.n_free))
        return cls(likelihood.graphs, likelihood.samples, likelihood.K, constant, np.asarray(free), units)

    def at(self, free: np.ndarray) -> list[Evaluation]:
        inner = self.c + self.K @ free
        return [sample.evaluate(graph, inner) for graph, sample in zip(self.graphs, self.samples)]

    def information(self, free: np.ndarray, expected: bool = False) -> np.ndarray:
        return self.K.T @ sum(e.information(expected) for e in self.at(free)) @ self.K

    def unit_scores(self, free: np.ndarray) -> np.ndarray:
        """(units, free)."""
        return scores_of_units(self.at(free), self.samples, self.units) @ self.K

    @cached_property
    def maximum(self) -> tuple[np.ndarray, float]:
        """The estimates and the log-likelihood there."""
        return self.maximise()

    def maximise(self) -> tuple[np.ndarray, float]:
        """Newton's steps from `start`, by the expected information as long as they are long.

        Returns
        -------
        free : (n,) array
        loglik : float
            NaN if no maximum was reached.
        """
        free = self.start
        try:
            here = self.at(free)
        except np.linalg.LinAlgError:
            return free, np.nan
        loglik = sum(e.loglik for e in here)
        if self.closed:
            return free, loglik
        for _ in range(STEPS):
            gradient = self.K.T @ sum(e.score() for e in here)
            step, decrement = self._step(here, gradient)
            if step is None:
                return free, np.nan
            if decrement < ENOUGH * max(1.0, abs(loglik) * 1e-4):
                return free, loglik
            size = 1.0
            while True:
                try:
                    there = self.at(free + size * step)
                    value = sum(e.loglik for e in there)
                except np.linalg.LinAlgError:
                    value = -np.inf
                if value >= loglik - 1e-12 * abs(loglik):
                    break
                size /= 2
                if size < 1e-10:
                    return free, loglik if decrement < 1e-9 else np.nan
            free, here, loglik = free + size * step, there, value
        return free, np.nan

    def _step(self, here: Sequence[Evaluation], gradient: np.ndarray) -> tuple[np.ndarray | None, float]:
        expected = self.K.T @ sum(e.information(True) for e in here) @ self.K
        try:
            step = np.linalg.solve(expected, gradient)
            decrement = float(gradient @ step)
            if decrement < NEAR:
                observed = self.K.T @ sum(e.information() for e in here) @ self.K
                half = np.linalg.cholesky(observed)
                step = np.linalg.solve(half.T, np.linalg.solve(half, gradient))
                decrement = float(gradient @ step)
        except np.linalg.LinAlgError:
            # what is never observed together has no covariance
            step = np.linalg.lstsq(expected, gradient, rcond=1e-10)[0]
            decrement = float(gradient @ step)
        return (step, decrement) if np.isfinite(step).all() else (None, np.nan)


def saturated(likelihood: GaussianLikelihood, free: np.ndarray) -> MomentModel:
    """The model with all means, slopes, variances and covariances, of the responses at the levels where they vary.

    Parameters
    ----------
    free : (n_free,) array
        Parameters of the model that is tested, by which it is seen at which levels its responses vary.
    """
    return _without_latents(likelihood, free, full=True)


def independence(likelihood: GaussianLikelihood, free: np.ndarray, together: Sequence[str] = ()) -> MomentModel:
    """The model with means and variances only, and the covariances of the responses `together`."""
    return _without_latents(likelihood, free, full=False, together=together)


def _without_latents(
    likelihood: GaussianLikelihood, free: np.ndarray, full: bool, together: Sequence[str] = ()
) -> MomentModel:
    if isinstance(likelihood, NestedLikelihood):
        from semgllamm.estimation.nested_benchmarks import nested_benchmark

        return nested_benchmark(likelihood, free, full, together)
    joint = {likelihood.responses.index(name) for name in together}
    p, levels = len(likelihood.responses), likelihood.n_levels
    tables, starts, count = [], [], 0
    for graph, sample, here in zip(likelihood.graphs, likelihood.samples, likelihood.at(free)):
        varies = _varying(likelihood, graph, here)
        rows, start = [], []
        closed = sample.moments.complete and levels == 1
        Pi, S = _regressed(sample) if closed else (None, None)
        for level in range(levels):
            for i in np.flatnonzero(varies[level]):
                for j in np.flatnonzero(varies[level][: i + 1]):
                    if not (full or i == j or {i, j} <= joint):
                        continue
                    rows.append((COVARIANCE, i, j, level))
                    if closed:
                        start.append(S[i, j] if full else sample.moments.yy[0, i, j])
                    else:
                        start.append(_pooled_variance(sample, i) / varies[:, i].sum() if i == j else 0.0)
        m = graph.m
        constant = m - 1 if likelihood.has_means else -1
        for column in range(m):
            if column != constant and not full:
                continue
            for i in range(p):
                # a response has slopes on the covariates of the levels at which it varies
                if column != constant and levels > 1 and not varies[0 if _within(sample, column) else 1, i]:
                    continue
                rows.append((REGRESSION, i, column, 0))
                if closed and full:
                    start.append(Pi[i, column])
                else:
                    start.append(sample.moments.shift_y[i] if column == constant else 0.0)
        tables.append((rows, count))
        starts += start
        count += len(rows)
    graphs = []
    for graph, (rows, offset) in zip(likelihood.graphs, tables):
        kind, row, column, level = (np.array(part, dtype=np.int64) for part in zip(*rows))
        cells = Cells(kind, row, column, level, offset + np.arange(len(rows)), np.zeros(len(rows)))
        graphs.append(Graph(cells, p, p, graph.m, levels, count))
    units = likelihood.design.unit_counts[levels - 1]
    complete = levels == 1 and all(sample.moments.complete for sample in likelihood.samples)
    return MomentModel(
        tuple(graphs), likelihood.samples, np.eye(count), np.zeros(count), np.array(starts), units, complete
    )  # fmt: skip


def _varying(likelihood: GaussianLikelihood, graph: Graph, here: Evaluation) -> np.ndarray:
    """(levels, p): whether a response has variance at a level under the model."""
    p = graph.p
    if likelihood.n_levels == 1:
        return np.ones((1, p), dtype=bool)
    S = graph.matrices(here.parameters)[1]
    spread = np.einsum("pa,lab,pb->lp", here.E[:p], S, here.E[:p])
    low = np.array([r.level for r in likelihood.model.responses]) == 0
    return (np.abs(spread) > 1e-12) & np.stack([low, np.ones(p, dtype=bool)])


def _within(sample: Sample, column: int) -> bool:
    """Whether a covariate varies within clusters."""
    inside = sample.share < 1 if sample.share is not None else np.zeros(len(sample.x), dtype=bool)
    return bool(np.abs(sample.x[inside, column]).max(initial=0.0) > 1e-9)


def _regressed(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Π and Σ of the regression of complete responses on the covariates, in the covariates' own units."""
    moments = sample.moments
    if not moments.xx.shape[1]:
        return np.zeros((moments.yy.shape[1], 0)), moments.yy[0]
    Pi = np.linalg.solve(moments.xx[0], moments.yx[0].T).T
    S = moments.yy[0] - Pi @ moments.yx[0].T
    if moments.has_means:
        Pi = Pi.copy()
        Pi[:, -1] += moments.shift_y - Pi[:, :-1] @ moments.shift_x[:-1]
    return Pi, S


def _pooled_variance(sample: Sample, i: int) -> float:
    moments = sample.moments
    seen = moments.n @ moments.seen[:, i]
    return max(float(moments.n @ moments.yy[:, i, i] / max(seen, 1.0)), 1e-6)
