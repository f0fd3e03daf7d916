"""The saturated and the independence model of Gaussian responses in nested units.

Each response has a part of its own at every level at which it varies under the model that is tested,

    y = Πx + u_0 + u_1 + … ,   cov u_l = S_l,

with S_l free, or diagonal under independence. They are models of `integration.nested` and found by the same steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from semgllamm.estimation.benchmarks import MomentModel
from semgllamm.estimation.nested import InNestedUnits, NestedLikelihood, NestedSample
from semgllamm.integration.gaussian import COVARIANCE, PATH, REGRESSION, Cells, Graph
from semgllamm.integration.nested import NestedEvaluation

__all__ = ["NestedMomentModel", "nested_benchmark"]

VARIES = 1e-12  # a smaller variance is none


@dataclass(eq=False)
class NestedMomentModel(InNestedUnits, MomentModel):
    """A Gaussian model of nested units as its graphs and samples alone."""


def nested_benchmark(
    likelihood: NestedLikelihood, free: np.ndarray, full: bool, together: Sequence[str] = ()
) -> NestedMomentModel:
    """The saturated model if `full`, else that of independence, but for the covariances of the responses `together`.

    Parameters
    ----------
    free : (n_free,) array
        Parameters of the model that is tested, by which it is seen at which levels its responses vary.
    """
    joint = {likelihood.responses.index(name) for name in together}
    tables, samples, starts, count = [], [], [], 0
    for g, (here, sample) in enumerate(zip(likelihood.at(free), likelihood.samples)):
        parts, heights, varies = _parts(likelihood, here)
        rows = [(PATH, i, node, 0, -1, 1.0) for (i, level), node in parts.items() if node != i]
        moments = sample.moments
        spread = np.einsum("k,kii->i", moments.n, moments.yy) / np.maximum(moments.n @ moments.seen, 1.0)

        found: list[tuple] = []  # kind, row, column, level and start of the free cells
        for level in range(likelihood.n_levels):
            there = np.flatnonzero(varies[level])
            for i in there:
                for j in there[there <= i]:
                    if full or i == j or {i, j} <= joint:
                        ends = parts[i, level], parts[j, level]
                        value = max(spread[i], 1e-6) / varies[:, i].sum() if i == j else 0.0
                        found.append((COVARIANCE, max(ends), min(ends), level, value))
        for column, name in enumerate(likelihood.covariates[g]):
            at = likelihood.design.height_of(name, likelihood.n_levels)
            found += [(REGRESSION, i, column, 0, 0.0) for i in np.flatnonzero(varies[at]) if full]
        constant = sample.x.shape[1] - 1
        found += [(REGRESSION, i, constant, 0, float(mean)) for i, mean in enumerate(moments.shift_y)]
        rows += [(*cell[:4], count + k, 0.0) for k, cell in enumerate(found)]
        starts += [cell[4] for cell in found]
        count += len(found)
        tables.append((rows, len(heights)))
        samples.append(_with_nodes(sample, heights, len(rows)))
    graphs = []
    for (rows, v), sample in zip(tables, samples):
        kind, row, column, level, number, value = (np.array(part) for part in zip(*rows))
        cells = Cells(kind, row, column, level, number, value.astype(float))
        graphs.append(Graph(cells, v, len(likelihood.responses), sample.x.shape[1], likelihood.n_levels, count))
    units = likelihood.design.unit_counts[likelihood.n_levels - 1]
    return NestedMomentModel(
        tuple(graphs), tuple(samples), np.eye(count), np.zeros(count), np.array(starts), units
    )


def _parts(likelihood: NestedLikelihood, here: NestedEvaluation):
    """The node of each response's part at each level, (response, level) -> node; the level of each node; and
    (levels, p): where a response varies."""
    p = len(likelihood.responses)
    Ey = here.E[:p]
    spread = np.einsum("pa,lab,pb->lp", Ey, here.S, Ey)
    own = [r.level for r in likelihood.model.responses]
    varies = (np.abs(spread) > VARIES) & (np.arange(likelihood.n_levels)[:, None] >= np.array(own))
    parts, heights = {(i, own[i]): i for i in range(p)}, list(own)
    for level in range(likelihood.n_levels):
        for i in np.flatnonzero(varies[level]):
            if level > own[i]:
                parts[i, level] = len(heights)
                heights.append(level)
    return parts, np.array(heights), varies


def _with_nodes(sample: NestedSample, heights: np.ndarray, cells: int) -> NestedSample:
    """The same units with the nodes of another graph."""

    def changed(nested):
        strata = (replace(s, nodes=np.flatnonzero(heights == k)) for k, s in enumerate(nested.strata))
        return replace(nested, strata=tuple(strata), times=np.full(cells, -1))

    return replace(sample, nested=changed(sample.nested), alone=changed(sample.alone))
