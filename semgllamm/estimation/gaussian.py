"""The closed-form likelihood of a Gaussian model bound to data, behind the interface of `Likelihood`.

Its free parameters are the cells themselves, without bounds: a variance may be negative as long as the covariance
matrix of the responses is positive definite.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from semgllamm.data.design import Design
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.errors import DataError
from semgllamm.integration.complete import CompleteEvaluation, CompleteRows, complete_rows
from semgllamm.integration.gaussian import (
    COVARIANCE,
    PATH,
    REGRESSION,
    Cells,
    Evaluation,
    Graph,
    Moments,
    moments_of,
)
from semgllamm.model.matrices import FIXED, Matrices, Model
from semgllamm.model.transforms import CELL, Working

__all__ = [
    "GaussianLikelihood", "MomentLikelihood", "Sample", "has_closed_form", "has_saturated", "is_gaussian",
    "scores_of_units",
]  # fmt: skip

NEAR = 1.0  # decrement below which the observed information is Newton's matrix


@dataclass(frozen=True)
class Sample:
    """The rows of one group, and their moments.

    Attributes
    ----------
    y : (n, p) array
        Responses in the order of the model, NaN where missing; in clusters, the rows' deviations from their cluster's
        mean (NaN for the responses of clusters), then the clusters' means.
    x : (n, m) array
        Covariates, the constant last if there is a mean structure.
    pattern : (n,) int array
        The pattern of the moments that a row belongs to.
    rows : (r,) int array
        The group's rows of the design.
    unit : (n,) int array
        The independent unit, over all groups, that a row belongs to.
    share : (n,) array or None
        How much of log|Σ| is a row's.
    weight : (n,) array or None
    """

    y: np.ndarray
    x: np.ndarray
    pattern: np.ndarray
    rows: np.ndarray
    unit: np.ndarray
    moments: Moments
    share: np.ndarray | None = None
    weight: np.ndarray | None = None

    def evaluate(self, graph: Graph, parameters: np.ndarray) -> Evaluation:
        """The likelihood of the rows at one parameter vector.

        Raises
        ------
        LinAlgError
        """
        return graph.at(parameters, self.moments)

    def add_scores(self, evaluation: Evaluation, out: np.ndarray) -> None:
        """Add the derivatives of the units' log-likelihoods in all parameters to `out`, (units, q)."""
        parts = evaluation.row_scores(self.y, self.x, self.pattern, self.share)
        if self.weight is not None:
            parts = parts * self.weight[:, None]
        np.add.at(out, self.unit, parts)


def is_gaussian(model: Model) -> bool:
    """Whether the responses have a joint normal density with the same coefficients in every row."""
    varying = (cell.times is not None for group in model.groups for cell in (*group.Lambda, *group.B))
    dispersed = any(group.alpha or group.products for group in model.groups)
    linear = all(r.family.is_linear and not r.answer for r in model.responses)
    return linear and bool(model.responses) and not any(varying) and not dispersed


def has_closed_form(model: Model, design: Design, diagram: PathDiagram) -> bool:
    """Whether all is Gaussian and linear with constant coefficients, in rows of one level or in complete clusters.

    Models with random terms are left to the engine, where the variance of a random effect ends at zero.
    """
    if not is_gaussian(model) or diagram.random_terms:
        return False
    used = {*model.eta_level, *(r.level for r in model.responses)}
    if used == {min(used)}:
        return min(used) == 0
    if design.weights:
        return False
    if used != {0, 1}:
        return False
    low = [r.name for r in model.responses if r.level == 0]
    high = [r.name for r in model.responses if r.level == 1]
    rows, units = design.n_rows, design.unit_counts[1]
    counts = design.response_counts
    if any(counts.get(name, 0) != rows for name in low) or any(counts.get(name, 0) != units for name in high):
        return False
    # a cluster lies in one group
    first = design.group_of[design.first_row[1]]
    return bool((first[design.codes[1]] == design.group_of).all())


class MomentLikelihood(ABC):
    """log L of Gaussian graphs bound to samples, cells = c + K free: what the models and their benchmarks share.

    Attributes
    ----------
    graphs : tuple of Graph
        One a group.
    samples : tuple of Sample
    K : (cells, n_free) array
    identity : bool
        K = I and c = 0.
    units : int
        Independent units.
    """

    times: tuple[str, ...] = ()  # covariates that coefficients are multiplied with
    levels: tuple[str, ...] = ()
    exact, ordinary, has_louis, depth = True, False, True, 0
    blocks: tuple = ()
    identity = False
    evaluations = 0
    _last: tuple[bytes, list[Evaluation]] | None = None
    _last_together: tuple[bytes, CompleteEvaluation] | None = None

    @cached_property
    def together(self) -> CompleteRows | None:
        """All groups at once, where their rows are complete and of one level."""
        return complete_rows(self.graphs, [sample.moments for sample in self.samples])

    @abstractmethod
    def inner(self, free: np.ndarray) -> np.ndarray:
        """The cells, c + K free."""

    def cold(self) -> None:  # noqa: B027 (complete as it is)
        """There is nothing to forget."""

    def at(self, free: np.ndarray) -> list[Evaluation]:
        """The evaluation of each group.

        Raises
        ------
        LinAlgError
            Where Σ is not positive definite or I − B singular.
        """
        key = np.asarray(free, dtype=float).tobytes()
        if self._last is None or self._last[0] != key:
            self.evaluations += 1
            inner = self.inner(np.asarray(free, dtype=float))
            self._last = key, [s.evaluate(graph, inner) for graph, s in zip(self.graphs, self.samples)]
        return self._last[1]

    def _at_once(self, free) -> CompleteEvaluation:
        """The evaluation of all groups together.

        Raises
        ------
        LinAlgError
            As by `at`.
        """
        key = np.asarray(free, dtype=float).tobytes()
        if self._last_together is None or self._last_together[0] != key:
            self.evaluations += 1
            self._last_together = key, self.together.at(self.inner(np.asarray(free, dtype=float)))
        return self._last_together[1]

    def side(self, free) -> tuple[bool, ...]:
        """Whether det(I − B) is positive, for each group with feedback; it is where nothing causes itself.

        Where it is negative B has a real eigenvalue above one, and the feedback never comes to rest (Bentler & Freeman
        1983), so that a fit does not pass through I − B that is singular, where log L is −∞.
        """
        if self.times or not any(graph.has_feedback for graph in self.graphs):
            return ()
        inner = self.inner(np.asarray(free, dtype=float))
        return tuple(graph.orientation(inner) > 0 for graph in self.graphs if graph.has_feedback)

    def value(self, free, points=()) -> float:
        """log L; −inf where the covariance matrix of the responses is not positive definite."""
        try:
            if self.together is not None:
                return self._at_once(free).loglik
            return sum(here.loglik for here in self.at(free))
        except np.linalg.LinAlgError:
            return -np.inf

    def score(self, free, points=()) -> tuple[float, np.ndarray]:
        """log L and its derivative."""
        try:
            if self.together is not None:
                here = self._at_once(free)
                return here.loglik, self._to_free(here.derivatives[0])
            here = self.at(free)
        except np.linalg.LinAlgError:
            return -np.inf, np.full(self.n_free, np.nan)
        return sum(e.loglik for e in here), self._to_free(sum(e.score() for e in here))

    def information(self, free, expected: bool = False) -> np.ndarray:
        """The observed or expected information about the free parameters."""
        if self.together is not None:
            here = self._at_once(free)
            total = here.expected if expected else here.derivatives[1]
        else:
            total = sum(e.information(expected) for e in self.at(free))
        return total if self.identity else self.K.T @ total @ self.K

    def louis(self, free, points=()) -> tuple[float, np.ndarray, np.ndarray]:
        """log L, its derivative, and Newton's matrix: the expected information far from the maximum, near it the
        observed one."""
        loglik, gradient = self.score(free)
        if not np.isfinite(loglik):
            return loglik, gradient, np.full((self.n_free, self.n_free), np.nan)
        observed = self.information(free)
        try:
            half = np.linalg.cholesky(observed)
            near = np.square(np.linalg.solve(half, gradient)).sum() < NEAR
        except np.linalg.LinAlgError:
            near = False
        return loglik, gradient, observed if near else self.information(free, expected=True)

    def unit_scores(self, free, points=()) -> np.ndarray:
        """The derivatives of the independent units' log-likelihoods, times their weights, (units, n_free)."""
        return self.on_free(scores_of_units(self.at(free), self.samples, self.units))

    def on_free(self, slopes: np.ndarray) -> np.ndarray:
        """Derivatives in the free parameters from those in the cells, on the last axis."""
        return slopes if self.identity else slopes @ self.K

    def _to_free(self, slope: np.ndarray) -> np.ndarray:
        return slope if self.identity else self.K.T @ slope


class GaussianLikelihood(MomentLikelihood):
    """log L(free) of a Gaussian model in closed form, its score, and its information.

    Parameters
    ----------
    model : Model
    design : Design
    constraint : (K, c), optional
        Linear equality constraints, cells = c + K free.
    weight : (n_rows,) array, optional
        Weights of the rows.
    divisor : {"normal", "wishart"}
        Whether covariances are divided by n, or by n − 1; then their standard errors have n − 1 for n as well.

    Attributes
    ----------
    samples : tuple of Sample
    graphs : tuple of Graph
        One a group.
    working : Working
        The map from free parameters to cells, which is affine.
    has_means : bool
    """

    def __init__(
        self, model: Model, design: Design, constraint=None, weight: np.ndarray | None = None, divisor: str = "normal"
    ):
        self.model, self.design, self.divisor = model, design, divisor
        q = model.n_parameters
        K, c, names = np.eye(q), np.zeros(q), model.names
        if constraint is not None:
            K, c = constraint
            names = tuple(model.names[np.flatnonzero(column)[0]] for column in K.T)
        self.working = Working(np.full(q, CELL), tuple(() for _ in model.groups), K, c, names)
        self.K, self.n_free, self.names = K, K.shape[1], names
        self.identity = constraint is None
        self.signed = np.zeros(self.n_free, dtype=bool)
        self.has_means = any(cell.column == "1" for g in model.groups for cell in (*g.beta, *g.Gamma))
        self.responses = tuple(r.name for r in model.responses)
        self.covariates = tuple(_covariates(group, set(self.responses)) for group in model.groups)
        self.n_levels = 1 + max((*model.eta_level, *(r.level for r in model.responses)))
        self.graphs = tuple(self._graph(g) for g in range(len(model.groups)))
        self.samples = tuple(self._sample(g, weight) for g in range(len(model.groups)))

    # ---- binding -------------------------------------------------------------------------------------------------

    def _graph(self, g: int) -> Graph:
        model, group = self.model, self.model.groups[g]
        nodes = {name: k for k, name in enumerate((*self.responses, *model.eta))}
        place = {name: k for k, name in enumerate(self.covariates[g])}
        if self.has_means:
            place["1"] = len(place)
        height = [*(r.level for r in model.responses), *model.eta_level]
        found = []

        def add(kind, cell, row, column):
            level = height[row] if kind == COVARIANCE and self.n_levels > 1 else 0
            found.append((kind, row, column, level, cell.number, cell.value if cell.number == FIXED else 0.0))

        for cell in (*group.Lambda, *group.B):
            add(PATH, cell, nodes[cell.row], nodes[cell.column])
        for cell in (*group.beta, *group.Gamma):
            if cell.column in nodes:
                add(PATH, cell, nodes[cell.row], nodes[cell.column])
            else:
                add(REGRESSION, cell, nodes[cell.row], place[cell.column])
        for cell in (*group.Psi, *group.Theta, *group.Omega):
            ends = nodes[cell.row], nodes[cell.column]
            add(COVARIANCE, cell, max(ends), min(ends))
        kind, row, column, level, number, value = (np.array(part) for part in zip(*found))
        cells = Cells(kind, row, column, level, number, value.astype(float))
        m = len(place)
        return Graph(cells, len(nodes), len(self.responses), m, self.n_levels, model.n_parameters)

    def _rows(self, g: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The group's rows of the design, y and x."""
        design = self.design
        rows = np.flatnonzero(design.group_of == g)
        if not len(rows):
            raise DataError(
                f"group '{self.model.group_labels[g]}' has no complete row", remedy="Use missing='ml', or leave it out."
            )
        place = np.full(design.n_rows, -1)
        place[rows] = np.arange(len(rows))
        # a column a response: stored by columns, which are filled one by one
        y = np.full((len(self.responses), len(rows)), np.nan).T
        for block in design.blocks:
            if block.group == g:
                at = slice(None) if len(block.rows) == len(rows) else place[block.rows]
                y[at, self.responses.index(block.response.name)] = block.y - block.offset
        columns = [design.column(name)[rows] for name in self.covariates[g]]
        if self.has_means:
            columns.append(np.ones(len(rows)))
        return rows, y, np.stack(columns, axis=1) if columns else np.zeros((len(rows), 0))

    def _sample(self, g: int, weight) -> Sample:
        rows, y, x = self._rows(g)
        w = None if weight is None else weight[rows]
        if self.n_levels > 1:
            if self.divisor == "wishart":
                raise DataError("likelihood='wishart' is for rows of one level", remedy="Use likelihood='normal'.")
            sample = self._clusters(y, x, rows)
            given = self.design.given[g] if self.design.given else 0.0
            return replace(sample, moments=replace(sample.moments, constant=sample.moments.constant - given))
        if not self.has_means:
            total = np.ones(len(rows)) if w is None else w
            y = y - (total @ y) / total.sum()
            x = x - (total @ x) / total.sum()
        moments, pattern = moments_of(y, x, w, self.has_means)
        if self.divisor == "wishart":
            moments = self._unbiased(moments, len(rows))
        return Sample(y, x, pattern, rows, rows, moments, weight=w)

    def _unbiased(self, moments: Moments, n: int) -> Moments:
        """Covariances divided by n − 1; what is a mean stays."""
        if n < 2:
            raise DataError("likelihood='wishart' needs two rows or more in each group")
        if not moments.complete:
            raise DataError(
                "likelihood='wishart' is for complete rows", remedy="Use missing='listwise', or likelihood='normal'."
            )
        ratio = n / (n - 1)
        xx = moments.xx * ratio
        if self.has_means:
            xx[:, -1, -1] = 1.0
        return replace(moments, yy=moments.yy * ratio, yx=moments.yx * ratio, xx=xx)

    def _clusters(self, y, x, rows) -> Sample:
        """Deviations from the clusters' means as one pattern, and the means as one for each size of a cluster."""
        units, code = np.unique(self.design.codes[1][rows], return_inverse=True)
        size = np.bincount(code)
        low = np.array([r.level for r in self.model.responses]) == 0
        sums = np.zeros((len(units), y.shape[1]))
        np.add.at(sums, code, np.nan_to_num(y))
        mean_y = sums / np.where(low, size[:, None], 1)
        mean_x = np.zeros((len(units), x.shape[1]))
        np.add.at(mean_x, code, x)
        mean_x /= size[:, None]
        inside, inside_x = y - mean_y[code], x - mean_x[code]
        inside[:, ~low] = np.nan
        sizes, which = np.unique(size, return_inverse=True)
        k, p, m = 1 + len(sizes), y.shape[1], x.shape[1]
        n = np.concatenate([[len(y) - len(units)], np.bincount(which)]).astype(float)
        shift_y, shift_x = mean_y.mean(axis=0), mean_x.mean(axis=0)
        shift_x[-1] = 0.0
        M = np.zeros((k, p + m, p + m))
        z = np.concatenate([np.nan_to_num(inside), inside_x], axis=1)
        if n[0]:
            M[0] = z.T @ z / n[0]
        z = np.concatenate([mean_y - shift_y, mean_x - shift_x], axis=1)
        for j in range(len(sizes)):
            M[1 + j] = z[which == j].T @ z[which == j] / n[1 + j]
        scale = np.stack([np.r_[1.0, 1 / sizes], np.r_[0.0, np.ones(len(sizes))]], axis=1)
        seen = np.ones((k, p), dtype=bool)
        seen[0] = low
        constant = -0.5 * low.sum() * float(np.log(size).sum())
        moments = Moments(n, seen, scale, M[:, :p, :p], M[:, :p, p:], M[:, p:, p:], shift_y, shift_x, True, constant)
        if not n[0]:
            keep = slice(1, None)
            moments = replace(
                moments, n=n[keep], seen=seen[keep], scale=scale[keep], yy=moments.yy[keep], yx=moments.yx[keep],
                xx=moments.xx[keep],
            )  # fmt: skip
        pattern = np.concatenate([np.zeros(len(y), np.int64), which + (1 if n[0] else 0)])
        share = np.concatenate([1 - 1 / size[code], np.ones(len(units))])
        return Sample(
            np.concatenate([inside, mean_y]), np.concatenate([inside_x, mean_x]), pattern, rows,
            np.concatenate([units[code], units]), moments, share,
        )  # fmt: skip

    # ---- evaluation ----------------------------------------------------------------------------------------------

    def inner(self, free: np.ndarray) -> np.ndarray:
        """The cells."""
        return self.working.inner(free)

    @property
    def units(self) -> int:
        """Independent units."""
        return self.design.unit_counts[self.n_levels - 1]

    @property
    def unit_level(self) -> int:
        """The level of the independent units."""
        return self.n_levels - 1

    def standard(self, free, expected: bool = False) -> np.ndarray:
        """The information that gives the standard errors: under Wishart's likelihood, of rows less one a group."""
        total = self.information(free, expected)
        if self.divisor == "normal":
            return total
        rows = sum(len(sample.rows) for sample in self.samples)
        return total * (rows - len(self.samples)) / rows

    def posterior(self, free) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each group the means of all nodes (responses, then latent variables) given the data, of each of its rows,
        and their variances, both (rows, nodes)."""
        out = []
        for here, sample in zip(self.at(free), self.samples):
            mean, covariance = here.posterior(sample.y, sample.x, sample.pattern)
            variance = np.diagonal(covariance, axis1=1, axis2=2)[sample.pattern]
            if sample.share is not None:
                # a row's node is its deviation from the cluster's mean, and that mean
                r = len(sample.rows)
                cluster = r + np.searchsorted(sample.unit[r:], sample.unit[:r])
                mean = mean[:r] + mean[cluster]
                variance = variance[:r] * sample.share[:r, None] + variance[cluster]
            out.append((mean, variance))
        return out


def has_saturated(likelihood) -> bool:
    """Whether there is a saturated model to compare with: the closed form, with the same coefficients in every row."""
    return isinstance(likelihood, GaussianLikelihood) and not likelihood.times


def scores_of_units(here: Sequence[Evaluation], samples: Sequence[Sample], units: int) -> np.ndarray:
    """The derivatives of the units' log-likelihoods in all parameters, (units, q), from each group's evaluation."""
    out = np.zeros((units, here[0].graph.q))
    for evaluation, sample in zip(here, samples):
        sample.add_scores(evaluation, out)
    return out


def _covariates(group: Matrices, responses: set[str]) -> tuple[str, ...]:
    """Columns that a group's regressions condition on, the constant aside."""
    names = (cell.column for cell in (*group.beta, *group.Gamma))
    return tuple(dict.fromkeys(name for name in names if name != "1" and name not in responses))
