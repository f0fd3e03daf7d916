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

from semgllamm.errors import EstimationError
from semgllamm.estimation.gaussian import GaussianLikelihood, MomentLikelihood, Sample
from semgllamm.estimation.nested import NestedLikelihood
from semgllamm.estimation.optimise import maximise
from semgllamm.integration.gaussian import COVARIANCE, REGRESSION, Cells, Evaluation, Graph

__all__ = ["MomentModel", "independence", "saturated"]


@dataclass(eq=False)
class MomentModel(MomentLikelihood):
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
        constant = likelihood.inner(np.zeros(likelihood.n_free))
        return cls(
            likelihood.graphs, likelihood.samples, likelihood.K, constant, np.asarray(free), likelihood.units
        )  # fmt: skip

    @property
    def n_free(self) -> int:
        return self.K.shape[1]

    @property
    def names(self) -> tuple[str, ...]:
        """The moments have numbers."""
        return tuple(f"moment {k}" for k in range(1, self.n_free + 1))

    @property
    def signed(self) -> np.ndarray:
        return np.zeros(self.n_free, dtype=bool)

    def inner(self, free: np.ndarray) -> np.ndarray:
        return self.c + self.K @ free

    @cached_property
    def maximum(self) -> tuple[np.ndarray, float]:
        """The estimates and the log-likelihood there."""
        return self.maximise()

    def maximise(self) -> tuple[np.ndarray, float]:
        """The maximum, searched from `start`.

        Returns
        -------
        free : (n,) array
        loglik : float
            NaN if no maximum was reached.
        """
        if self.closed:
            return self.start, self.value(self.start)
        try:
            found = maximise(self, self.start, ())
        except EstimationError:
            return self.start, np.nan
        return np.asarray(found.free), found.loglik if found.convergence.converged else np.nan


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
