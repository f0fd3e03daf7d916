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
        None for the identity.
    c : (cells,) array
    start : (free,) array
    units : int
        Independent units.
    closed : bool
        The start is the maximum.
    """

    graphs: tuple[Graph, ...]
    samples: tuple[Sample, ...]
    K: np.ndarray | None
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
        return len(self.start)

    @property
    def names(self) -> tuple[str, ...]:
        """The moments have numbers."""
        return tuple(f"moment {k}" for k in range(1, self.n_free + 1))

    @property
    def signed(self) -> np.ndarray:
        return np.zeros(self.n_free, dtype=bool)

    def inner(self, free: np.ndarray) -> np.ndarray:
        return free if self.identity else self.c + self.K @ free

    @property
    def identity(self) -> bool:
        return self.K is None

    @property
    def at_maximum(self) -> list[Evaluation]:
        """The evaluation of each group at the estimates."""
        return self.at(self.maximum[0])

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
            return self.start, sum(here.loglik for here in self.at(self.start))
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
    p, levels = len(likelihood.responses), likelihood.n_levels
    joint = np.isin(likelihood.responses, together)
    wanted = np.tril(full | np.eye(p, dtype=bool) | np.outer(joint, joint))
    # means and variances are those of the values that are seen; other moments only where rows are complete
    separate = not full and not joint.any()
    closed = levels == 1 and (separate or all(sample.moments.complete for sample in likelihood.samples))
    graphs, starts, count = [], [], 0
    for graph, sample, here in zip(likelihood.graphs, likelihood.samples, likelihood.at(free)):
        varies = _varying(likelihood, graph, here)
        Pi, S = _regressed(sample, full) if closed else _implied(here, full)
        parts = []
        for level in range(levels):
            i, j = np.nonzero(wanted & np.outer(varies[level], varies[level]))
            parts.append((np.full(len(i), COVARIANCE), i, j, np.full(len(i), level)))
            starts.append(S[level][i, j])
        constant = graph.m - 1 if likelihood.has_means else -1
        for column in range(graph.m):
            i = np.arange(p)
            if column != constant:
                # a response has slopes on the covariates of the levels at which it varies
                i = i[full & varies[0 if levels == 1 or _within(sample, column) else 1]]
            none = np.zeros(len(i), dtype=np.int64)
            parts.append((none + REGRESSION, i, none + column, none))
            starts.append(Pi[i, column])
        kind, row, column, level = (np.concatenate(part) for part in zip(*parts))
        cells = Cells(kind, row, column, level, count + np.arange(len(row)), np.zeros(len(row)))
        graphs.append((cells, graph.m))
        count += len(row)
    units = likelihood.design.unit_counts[levels - 1]
    return MomentModel(
        tuple(Graph(cells, p, p, m, levels, count) for cells, m in graphs), likelihood.samples, None, np.zeros(count),
        np.concatenate(starts), units, closed,
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


def _regressed(sample: Sample, full: bool) -> tuple[np.ndarray, np.ndarray]:
    """Π (p, m) and Σ (1, p, p) of the regression of complete responses on the covariates, in the covariates' own units;
    without the slopes the means and covariances of the responses, pairwise."""
    moments = sample.moments
    n = moments.n[:, None, None]
    S = (n * moments.yy).sum(axis=0) / np.maximum((n * moments.both).sum(axis=0), 1.0)
    Pi = np.zeros(moments.yx.shape[1:])
    if full and Pi.size:
        Pi = np.linalg.solve(moments.xx[0], moments.yx[0].T).T
        S = S - Pi @ moments.yx[0].T
    if moments.has_means:
        Pi[:, -1] += moments.shift_y - Pi[:, :-1] @ moments.shift_x[:-1]
    return Pi, S[None]


def _implied(here: Evaluation, full: bool) -> tuple[np.ndarray, np.ndarray]:
    """Π and Σ, one a level, of the model that is tested; without the slopes Π has the means of the responses."""
    p, moments = here.graph.p, here.moments
    S = here.graph.matrices(here.parameters)[1]
    Pi = here.Pi.copy()
    if not full and moments.has_means:
        Pi[:, -1] += Pi[:, :-1] @ moments.shift_x[:-1]
    return Pi, here.E[:p] @ S @ here.E[:p].T
