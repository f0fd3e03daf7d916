"""The closed-form likelihood of Gaussian responses in nested units: incomplete rows, any number of levels, coefficients
that vary with covariates. See `integration.nested` for the recursion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from semgllamm.data.design import Design
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.errors import ModelError
from semgllamm.estimation.gaussian import GaussianLikelihood, Sample
from semgllamm.estimation.information import differences
from semgllamm.integration.gaussian import Graph, moments_of
from semgllamm.integration.nested import Nested, NestedEvaluation, nest
from semgllamm.integration.nested_information import expected_information, fits_in_memory
from semgllamm.model.matrices import Model

__all__ = ["InNestedUnits", "NestedLikelihood", "NestedSample", "has_nested_form"]


@dataclass(frozen=True)
class NestedSample(Sample):
    """The rows of one group as units within units; `moments` are those of the rows as if they were of one level.

    Attributes
    ----------
    nested : Nested
    alone : Nested
        The same with each unit as a kind of its own.
    codes : tuple of (rows,) int arrays
        The cell of `alone` of each row at each level.
    top : (units,) int array
        The independent unit, over all groups, of each unit of the highest level.
    """

    nested: Nested | None = None
    alone: Nested | None = None
    codes: tuple[np.ndarray, ...] = ()
    top: np.ndarray | None = None

    def evaluate(self, graph: Graph, parameters: np.ndarray) -> NestedEvaluation:
        return NestedEvaluation(graph, parameters, self.nested)

    def add_scores(self, evaluation: NestedEvaluation, out: np.ndarray) -> None:
        np.add.at(out, self.top, self.apart(evaluation).top_scores())

    def apart(self, evaluation: NestedEvaluation) -> NestedEvaluation:
        """The same with each unit by itself."""
        return NestedEvaluation(evaluation.graph, evaluation.parameters, self.alone)


class InNestedUnits:
    """What likelihoods of nested units do otherwise: the observed information comes from differences of the score."""

    has_louis = False
    together = None
    _observed: tuple[bytes, np.ndarray] | None = None

    @property
    def has_expected(self) -> bool:
        """Whether the units are small enough for the expected information."""
        return all(fits_in_memory(s.nested, g.n_moving) for s, g in zip(self.samples, self.graphs))

    def information(self, free, expected: bool = False) -> np.ndarray:
        """The observed or expected information about the free parameters.

        Raises
        ------
        EstimationError
            For the expected information of units that are too large.
        """
        if expected:
            return self.on_cells(sum(expected_information(here) for here in self.at(free)))
        free = np.asarray(free, dtype=float)
        key = free.tobytes()
        if self._observed is None or self._observed[0] != key:
            found = differences(lambda at: self.score(at)[1], free, self.steps(free))
            self._observed = key, found
        return self._observed[1].copy()

    def louis(self, free, points=()) -> tuple[float, np.ndarray, np.ndarray]:
        """log L, its derivative, and the expected information, by which a search makes its first steps."""
        loglik, gradient = self.score(free)
        if not np.isfinite(loglik):
            return loglik, gradient, np.full((self.n_free, self.n_free), np.nan)
        return loglik, gradient, self.information(free, expected=True)

    def on_cells(self, information: np.ndarray) -> np.ndarray:
        """Information about the free parameters from that about the cells."""
        return information if self.identity else self.K.T @ information @ self.K

    def steps(self, free: np.ndarray) -> np.ndarray:
        """A thousandth of a standard error if the other parameters were known, by the products of the units' scores."""
        squares = np.square(self.unit_scores(free)).sum(axis=0)
        return 1e-3 / np.sqrt(np.maximum(squares, 1e-20 * max(squares.max(initial=0.0), 1e-20)))


def has_nested_form(model: Model, design: Design, diagram: PathDiagram) -> bool:
    """Whether all is Gaussian and linear, in units that lie within one group each, and have no weights.

    Models with random terms are left to the engine, where the variance of a random effect ends at zero.
    """
    linear = all(r.family.is_linear for r in model.responses)
    if design.weights or diagram.random_terms or not model.responses or not linear:
        return False
    if any(group.alpha or group.products for group in model.groups):
        return False
    heights = {*model.eta_level, *(r.level for r in model.responses)}
    if min(heights) or not any(r.level == 0 for r in model.responses):
        return False
    for code, first in zip(design.codes[1 : max(heights) + 1], design.first_row[1:]):
        if not (design.group_of[first][code] == design.group_of).all():
            return False
    return True


class NestedLikelihood(InNestedUnits, GaussianLikelihood):
    """log L(free) of a Gaussian model in nested units, and its score; the information comes from differences of it.

    Parameters
    ----------
    model, design, constraint
        As of `GaussianLikelihood`.
    """

    def __init__(self, model: Model, design: Design, constraint=None):
        self.times = tuple(dict.fromkeys(c.times for g in model.groups for c in (*g.Lambda, *g.B) if c.times))
        super().__init__(model, design, constraint)

    def _times(self, g: int) -> np.ndarray:
        """For each cell of the group's graph the column of z that it is multiplied with, −1 if none."""
        group = self.model.groups[g]
        varying = [self.times.index(c.times) if c.times else -1 for c in (*group.Lambda, *group.B)]
        rest = len(self.graphs[g].cells.kind) - len(varying)
        return np.array(varying + [-1] * rest)

    def _height_of(self, name: str) -> int:
        """The highest level at which coefficients are multiplied with a covariate."""
        height = {r.name: r.level for r in self.model.responses} | dict(zip(self.model.eta, self.model.eta_level))
        return max(height[c.row] for g in self.model.groups for c in (*g.Lambda, *g.B) if c.times == name)

    def _sample(self, g: int, weight) -> NestedSample:
        model, design = self.model, self.design
        rows, y, x = self._rows(g)
        if not self.has_means:
            raise ModelError("models of several levels need means", remedy="Use meanstructure=True.")
        height = [*(r.level for r in model.responses), *model.eta_level]
        p = len(self.responses)
        levels = range(self.n_levels)
        nodes = [np.flatnonzero(np.array(height) == level) for level in levels]
        responses = [np.flatnonzero(np.array(height[:p]) == level) for level in levels]
        codes = [np.unique(design.codes[level][rows], return_inverse=True)[1].ravel() for level in levels]
        z = np.stack([design.column(name)[rows] for name in self.times] or [np.zeros(len(rows))], axis=1)
        z_level = np.array([self._height_of(name) for name in self.times] or [0])
        times = self._times(g)
        arguments = (nodes, responses, y, x, z, z_level, codes, times)
        nested = nest(*arguments)
        summary, pattern = moments_of(y, x, None, True)
        given = design.given[g] if design.given else 0.0
        summary = replace(summary, constant=-given)
        top = np.unique(design.codes[self.n_levels - 1][rows])
        alone = nest(*arguments, together=False)
        found = tuple(stratum.unit[code] for stratum, code in zip(alone.strata, codes))
        order = np.empty(len(top), np.int64)
        order[alone.strata[-1].unit] = top
        return NestedSample(y, x, pattern, rows, design.codes[self.n_levels - 1][rows], summary,
                            nested=nested, alone=alone, codes=found, top=order)  # fmt: skip

    def posterior(self, free) -> list[tuple[np.ndarray, np.ndarray]]:
        """As of `GaussianLikelihood`."""
        out = []
        for here, sample in zip(self.at(free), self.samples):
            mean, variance = np.zeros((len(sample.rows), here.graph.v)), np.zeros((len(sample.rows), here.graph.v))
            apart = sample.apart(here)
            for level, (stratum, code) in enumerate(zip(sample.alone.strata, sample.codes)):
                value, spread = apart.nodes(level)
                mean[:, stratum.nodes], variance[:, stratum.nodes] = value[code], spread[code]
            out.append((mean, variance))
        return out
