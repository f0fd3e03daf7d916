"""A fitted Gaussian model with further cells, at the estimates of the model without them.

Score tests and modification indices ask what the likelihood would do if a cell that is fixed were free: its slope at
the estimates and the information about all cells at once (Rao 1948; Sörbom 1989). The further cells start at what they
are, so that nothing but their slopes is added. So that covariates can take part (x ~ y, x ~~ x), they become nodes of
the graph, with their sample moments fixed: the score in cells of the model is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.parts import Parameter
from semgllamm.errors import EstimationError
from semgllamm.estimation.gaussian import GaussianLikelihood
from semgllamm.estimation.least_squares import LeastSquares
from semgllamm.estimation.nested import NestedLikelihood
from semgllamm.estimation.weight_matrices import sample_moments
from semgllamm.integration.gaussian import COVARIANCE, PATH, REGRESSION, Cells, Evaluation, Graph, Moments
from semgllamm.model.lower import lower
from semgllamm.model.matrices import FIXED, Model, Response

__all__ = ["Extended"]


class Extended:
    """The score of log L and its expected information with more cells free.

    Parameters
    ----------
    likelihood : GaussianLikelihood
    diagram : PathDiagram
        Completed.
    cells : (q,) array
        The estimates.
    extra : sequence of Parameter
        The further cells, each with a label of its own.
    apart : bool
        Whether each free row of the diagram is a parameter by itself, whatever it shares a label with.

    Attributes
    ----------
    model : Model
        Its parameters are those of the model, in their order, and then the further ones; with `apart` a row each.
    """

    def __init__(
        self, likelihood: GaussianLikelihood, diagram: PathDiagram, cells: np.ndarray, extra: Sequence[Parameter] = (),
        apart: bool = False,
    ):  # fmt: skip
        self.likelihood = likelihood
        original = likelihood.model
        kept = [(row, number) for row, number in zip(diagram.parameters, original.rows) if not row.exogenous]
        rows = [row for row, _ in kept]
        if apart:
            rows = [replace(row, label=f".row{k}.") if number >= 0 else row for k, (row, number) in enumerate(kept)]
        responses = (*original.responses, *self._covariate_responses())
        model = lower(
            replace(diagram, parameters=(*rows, *extra)), original.levels, responses, original.group_labels
        )  # fmt: skip
        self.model = model
        n = model.n_parameters
        values = np.zeros(n)
        for (_, number), new in zip(kept, model.rows):
            if new >= 0:
                values[new] = cells[number]
        self.row_numbers = model.rows[: len(kept)]
        self.extra_numbers = np.array(model.rows[len(kept) :], dtype=int)
        self.nested = NestedLikelihood(model, likelihood.design) if isinstance(likelihood, NestedLikelihood) else None
        self._values = values
        if self.nested is not None:
            return
        try:
            self.evaluations = [self._graph(g, n).at(values, self._moments(g)) for g in range(len(model.groups))]
        except np.linalg.LinAlgError:
            raise EstimationError(
                "the covariance matrix of responses and covariates is singular", remedy="Is a covariate constant?"
            ) from None

    def score(self) -> np.ndarray:
        """∂ log L, or of least squares −½ ∂ Σ (n_g − 1) F_g, (n,)."""
        if self.nested is not None:
            return self.nested.score(self._values)[1]
        if isinstance(self.likelihood, LeastSquares):
            return sum(n * D.T @ V @ left for n, D, V, left in self._weighted())
        return sum(e.score() for e in self.evaluations)

    def information(self) -> np.ndarray:
        """The expected information about all cells, (n, n).

        Of rows of one level the moments among covariates are given, not observed: only moments that involve a response
        inform about a cell. Of nested units with too many units between rows and the highest level it is the observed
        information.
        """
        if self.nested is not None:
            return self.nested.information(self._values, expected=self.nested.has_expected)
        if isinstance(self.likelihood, LeastSquares):
            return sum(n * D.T @ V @ D for n, D, V, _ in self._weighted())
        out = np.zeros((self.model.n_parameters, self.model.n_parameters))
        for g, here in enumerate(self.evaluations):
            part = here.information(expected=True)
            if self.likelihood.n_levels == 1 and self.likelihood.covariates[g]:
                _without_given_moments(part, here, len(self.likelihood.responses))
            out += part
        return out

    def _weighted(self):
        """n − 1, Δ, V and s − σ of each group, of the moments that involve a response."""
        likelihood, p = self.likelihood, len(self.likelihood.responses)
        for e, old, V, n in zip(self.evaluations, likelihood.samples, likelihood.weights, likelihood.counts):
            row, column = np.tril_indices(e.graph.p)
            of_pair = np.zeros((e.graph.p, e.graph.p), dtype=int)
            of_pair[row, column] = np.arange(len(row))
            kept = [of_pair[np.tril_indices(p)], of_pair[p:, :p].T.ravel()]
            if likelihood.has_means:
                kept.append(len(row) + np.arange(p))
            kept = np.concatenate(kept)
            left = sample_moments(old.moments) - e.implied()[kept]
            yield n, e.jacobian()[kept], V, left

    def _covariate_responses(self) -> list[Response]:
        if isinstance(self.likelihood, NestedLikelihood):
            return []  # the recursion is given the covariates
        like = self.likelihood.model.responses[0]
        names = dict.fromkeys(name for names in self.likelihood.covariates for name in names)
        return [Response(name, like.family, 1 if self._between(name) else 0) for name in names]

    def _between(self, name: str) -> bool:
        """Whether a covariate is one of clusters: constant within each."""
        likelihood = self.likelihood
        if likelihood.n_levels == 1:
            return False
        column, design = likelihood.design.column(name), likelihood.design
        return bool((column[design.first_row[1]][design.codes[1]] == column).all())

    def _moments(self, g: int) -> Moments:
        """The moments with the covariates among the responses."""
        old = self.likelihood.samples[g].moments
        m = old.xx.shape[1] - old.has_means
        if not m:
            return old
        k = len(old.n)
        seen = np.ones((k, m), dtype=bool)
        between = np.array([self._between(name) for name in self.likelihood.covariates[g]])
        if self.likelihood.n_levels > 1:
            inside = old.scale[:, 1] == 0
            seen[np.ix_(inside, between)] = False
        yx, xx = old.yx[:, :, :m], old.xx[:, :m, :m]
        yy = np.concatenate([
            np.concatenate([old.yy, yx], axis=2), np.concatenate([yx.swapaxes(1, 2), xx], axis=2)
        ], axis=1)  # fmt: skip
        both = np.concatenate([old.seen, seen], axis=1)
        constant = np.concatenate([old.yx[:, :, m:], old.xx[:, :m, m:]], axis=1)
        return replace(
            old, seen=both, yy=yy * (both[:, :, None] & both[:, None, :]), yx=constant * both[:, :, None],
            xx=old.xx[:, m:, m:], shift_y=np.concatenate([old.shift_y, old.shift_x[:m]]), shift_x=old.shift_x[m:],
        )  # fmt: skip

    def _graph(self, g: int, n_parameters: int) -> Graph:
        likelihood, model = self.likelihood, self.model
        group, x = model.groups[g], likelihood.covariates[g]
        nodes = {name: k for k, name in enumerate((*likelihood.responses, *x, *model.eta))}
        found: list[tuple[int, int, int, int, int, float]] = []
        for cell in (*group.beta, *group.Gamma, *group.Lambda, *group.B):
            if cell.row not in nodes:
                continue
            if cell.column == "1":
                found.append((REGRESSION, nodes[cell.row], 0, 0, cell.number, cell.value))
            else:
                found.append((PATH, nodes[cell.row], nodes[cell.column], 0, cell.number, cell.value))
        for cell in (*group.Psi, *group.Theta, *group.Omega):
            if cell.row in nodes and cell.column in nodes:
                ends = nodes[cell.row], nodes[cell.column]
                found.append((COVARIANCE, max(ends), min(ends), self._level(cell.row), cell.number, cell.value))
        found += self._fixed_moments(g, nodes)
        kind, row, column, level, number, value = (np.array(part) for part in zip(*found))
        cells = Cells(kind, row, column, level, number, value.astype(float))
        p = len(likelihood.responses) + len(x)
        return Graph(cells, len(nodes), p, int(likelihood.has_means), likelihood.n_levels, n_parameters)

    def _level(self, name: str) -> int:
        if self.likelihood.n_levels == 1:
            return 0
        model: Model = self.model
        return model.eta_level[model.eta.index(name)] if name in model.eta else model.response(name).level

    def _fixed_moments(self, g: int, nodes: dict[str, int]):
        """The means and covariances of the covariates, of rows or of clusters."""
        likelihood = self.likelihood
        sample, design = likelihood.samples[g], likelihood.design
        for level in range(likelihood.n_levels):
            names = [name for name in likelihood.covariates[g] if self._level(name) == level]
            if not names:
                continue
            rows = sample.rows
            weight = np.ones(len(rows)) if sample.weight is None else sample.weight
            if level:
                _, first = np.unique(design.codes[level][rows], return_index=True)
                rows, weight = rows[first], weight[first]
            x = np.stack([design.column(name)[rows] for name in names], axis=1)
            mean = (weight @ x) / weight.sum()
            covariance = ((x - mean).T * weight) @ (x - mean) / (weight.sum() - (likelihood.divisor == "wishart"))
            for i, name in enumerate(names):
                if likelihood.has_means:
                    yield REGRESSION, nodes[name], 0, 0, FIXED, mean[i]
                for j in range(i + 1):
                    ends = nodes[name], nodes[names[j]]
                    yield COVARIANCE, max(ends), min(ends), level, FIXED, covariance[i, j]


def _without_given_moments(information: np.ndarray, here: Evaluation, p: int) -> None:
    """Recompute, in place, the rows of cells that point at covariates, without what they change among these.

    I_aj = n (½ tr W D_a W ∂_jΣ + (W ∂_aμ)'∂_jμ), D_a being ∂_aΣ with zeros among the covariates, the nodes from p on.
    """
    graph, moments = here.graph, here.moments
    toward = np.flatnonzero((graph.row >= p) & (graph.row < graph.p))
    if not len(toward):
        return
    a, b, h = here.forms
    kappa = graph.kappa
    a = a.copy()
    a[p:, toward] = 0.0
    full = here.forms[0]
    rows = np.zeros((len(toward), len(graph.free)))
    for k, n in enumerate(moments.n):
        W, bk = here.W[k], b[k if len(b) > 1 else 0]
        D = np.zeros((len(toward), graph.p, graph.p))
        for t, j in enumerate(toward):
            if j < graph.n_moving:
                half = kappa[j] * np.outer(full[:, j], bk[:, j])
                D[t] = half + half.T
        D[:, p:, p:] = 0.0
        M = W @ D @ W
        c = graph.n_moving
        covariance = kappa * np.einsum("pj,tpq,qj->tj", full[:, :c], M, bk)
        own = toward < c
        covariance[:, toward[own]] = 0.5 * np.einsum("tpq,uqp->tu", M, D[own])
        rows[:, :c] += n * covariance
        if h.size:
            rows += n * (a[:, toward].T @ W @ a) * (h[:, toward].T @ moments.xx[k] @ h)
    numbers = graph.number[toward]
    rows = graph.to_parameters(rows)
    information[numbers] = rows
    information[:, numbers] = rows.T
