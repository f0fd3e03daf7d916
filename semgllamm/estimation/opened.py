"""A fitted model with further cells free, at the estimates of the model without them, whatever its likelihood.

Score tests ask how steep log L is there in the cells that were fixed, or equal, and how much the data tell of them
(Rao 1948). Of a likelihood by integration the information is the observed one,

    −∂²log L/∂ϑ∂ϑ'      or      Σ_j s_j s_j',

the outer product of the scores s_j of the independent units (Berndt, Hall, Hall & Hausman 1974), in the working
parameters ϑ of the model with those cells free. The score is not zero there, so that the observed information depends
on the parameters in which log L is differentiated; they are the cells γ(ϑ), whatever moves them:

    (∂γ/∂ϑ)' (−∂²log L/∂γ∂γ') (∂γ/∂ϑ) = −∂²log L/∂ϑ∂ϑ' + Σ_k (∂log L/∂γ_k) ∂²γ_k/∂ϑ∂ϑ'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from semgllamm.data.binding import Binding
from semgllamm.data.design import design
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.parts import Parameter
from semgllamm.errors import ModelError
from semgllamm.estimation.covariances import clusters_of
from semgllamm.estimation.gaussian import GaussianLikelihood
from semgllamm.estimation.grid import shared_grid
from semgllamm.estimation.information import observed
from semgllamm.estimation.inner_classes import InnerClasses, refused
from semgllamm.estimation.least_squares import LeastSquares
from semgllamm.estimation.likelihood import Likelihood
from semgllamm.estimation.mixture import MixtureLikelihood
from semgllamm.estimation.nested import NestedLikelihood
from semgllamm.estimation.predictor import Predictor, plan_tree
from semgllamm.estimation.robust import cross_product
from semgllamm.estimation.settings import Request
from semgllamm.model.lower import level_index, lower
from semgllamm.model.matrices import Model
from semgllamm.model.transforms import working_parameters

__all__ = ["Opened", "bound_like", "with_cells_apart"]

POINTS = (15, 9, 5)  # a latent variable, where a shared grid does not carry over to the larger model
MOVED = 1e-6  # a cell that the larger model's parameters cannot put where it is


def with_cells_apart(
    original: Model, diagram: PathDiagram, cells: np.ndarray, extra: Sequence[Parameter], apart: bool,
    responses: tuple | None = None,
) -> tuple[Model, np.ndarray, tuple[int, ...], np.ndarray]:  # fmt: skip
    """The larger model, its cells at the estimates, and the numbers of the rows of the diagram and of the extra ones.

    Parameters
    ----------
    extra : sequence of Parameter
        The further cells, each with a label of its own; they start at 0, or where they were fixed.
    apart : bool
        Whether each free row of the diagram is a parameter by itself, whatever it shares a label with.
    responses : tuple of Response, optional
        By default those of the model.
    """
    kept = [(row, number) for row, number in zip(diagram.parameters, original.rows) if not row.exogenous]
    rows = [row for row, _ in kept]
    if apart:
        rows = [replace(row, label=f".row{k}.") if number >= 0 else row for k, (row, number) in enumerate(kept)]
    freed = {_place(row, original.levels) for row in extra}
    stay = [number >= 0 or _place(row, original.levels) not in freed for row, number in kept]
    rows = [row for row, stays in zip(rows, stay) if stays]
    numbers = [number for (_, number), stays in zip(kept, stay) if stays]
    model = lower(
        replace(diagram, parameters=(*rows, *extra)), original.levels, responses or original.responses,
        original.group_labels,
    )  # fmt: skip
    values = np.zeros(model.n_parameters)
    for number, new in zip(numbers, model.rows):
        if new >= 0:
            values[new] = cells[number]
    extra_numbers = np.array(model.rows[len(rows) :], dtype=int)
    was = {_place(row, original.levels): row.fixed for row, number in kept if number < 0}
    for row, new in zip(extra, extra_numbers):
        values[new] = was.get(_place(row, original.levels)) or 0.0
    return model, values, model.rows[: len(rows)], extra_numbers


def _place(row: Parameter, levels: Sequence[str]) -> tuple:
    """Which cell a row is."""
    ends = tuple(sorted((row.lhs, row.rhs))) if row.op == "~~" else (row.lhs, row.rhs)
    return row.op, ends, row.group, level_index(row.level, levels), row.klass


class Opened:
    """Score and information of the larger model.

    Parameters
    ----------
    likelihood : Likelihood or GaussianLikelihood
        Of the fitted model.
    model : Model
    diagram : PathDiagram
        Completed.
    binding : Binding
    request : Request
    free : (n_free,) array
        The estimates, as the likelihood's working parameters.
    points : tuple of int
    extra, apart
        As for `with_cells_apart`.
    by_louis : bool
        Whether Louis' formula is right with these points; otherwise the information is differences of the score.

    Attributes
    ----------
    model : Model
        Its parameters are those of the model, in their order, and then the further ones; with `apart` a row each.
    row_numbers, extra_numbers
    chain : (n, n_free) array
        The derivative of its cells in its working parameters; a cell that these cannot move to first order, such as a
        variance at 0, has a row of zeros.

    Raises
    ------
    ModelError
        Where a cell cannot be free at the value that it has: a covariance of what does not vary.
    """

    def __init__(
        self, likelihood: Likelihood | GaussianLikelihood, model: Model, diagram: PathDiagram, binding: Binding,
        request: Request, free: np.ndarray, points: tuple[int, ...], extra: Sequence[Parameter] = (),
        apart: bool = False, by_louis: bool = True,
    ):  # fmt: skip
        self.request, self.by_louis = request, by_louis
        old = likelihood.working.inner(np.asarray(free, dtype=float))
        self.model, cells, self.row_numbers, self.extra_numbers = with_cells_apart(
            model, diagram, likelihood.working.cells(old), extra, apart
        )
        closed = isinstance(likelihood, GaussianLikelihood)
        self.likelihood, self.points = bound_like(likelihood, self.model, diagram, binding, request, tuple(points))
        working = self.likelihood.working
        inner = working.inner_from_cells(cells)
        if not closed:
            _keep_factors(likelihood, old, self.likelihood, inner, self._pairs(diagram, model.rows))
        self.free = working.free_from_inner(inner)
        inner = working.inner(self.free)
        moved = np.abs(working.cells(inner) - cells) > MOVED * np.maximum(1.0, np.abs(cells))
        if moved.any():
            names = ", ".join(row.full_name for row in extra)
            raise ModelError(
                f"{names} cannot be tested by the score: the larger model has no place for the estimates inside its "
                "parameter space",
                remedy="Fit the larger model, and compare.",
            )
        self.chain = working.jacobian(inner) @ working.K

    def _pairs(self, diagram: PathDiagram, rows: Sequence[int]) -> dict[int, int]:
        """The number of each old parameter in the new model."""
        old = [number for row, number in zip(diagram.parameters, rows) if not row.exogenous and number >= 0]
        return dict(zip(old, [number for number in self.row_numbers if number >= 0]))

    def score(self) -> np.ndarray:
        """∂ log L/∂ϑ, (n_free,)."""
        return self.likelihood.score(self.free, self.points)[1]

    def information(self, kind: str = "observed") -> np.ndarray:
        """The observed information about ϑ or, as "first.order", the outer product of the units' scores."""
        likelihood = self.likelihood
        if kind == "first.order":
            return cross_product(
                likelihood.unit_scores(self.free, self.points), *clusters_of(likelihood, self.request)
            )
        if isinstance(likelihood, GaussianLikelihood):
            return likelihood.information(self.free, expected=kind == "expected")
        working = likelihood.working
        inner = working.inner(self.free)
        slope = np.linalg.lstsq(self.chain.T, self.score(), rcond=1e-8)[0]
        bend = working.K.T @ working.curvature(inner, slope) @ working.K
        return observed(likelihood, self.free, self.points, self.by_louis) + bend


def bound_like(
    likelihood, model: Model, diagram: PathDiagram, binding: Binding, request: Request, points: tuple[int, ...]
) -> tuple[Likelihood | GaussianLikelihood, tuple[int, ...]]:
    """A likelihood of the same kind for another model of the same data, all its cells free, and its points.

    Raises
    ------
    ModelError
        For least squares, models with @unseen, and if the model would use other rows.
    """
    old = likelihood.design
    closed = isinstance(likelihood, GaussianLikelihood)
    bound = design(model, diagram, binding, request.missing, closed, request.weights_scaling)
    if bound.n_rows != old.n_rows:
        raise ModelError("the larger model would use other rows of the data", remedy="Fit both, and compare.")
    bound = replace(bound, weights=old.weights)
    if isinstance(likelihood, LeastSquares):
        raise ModelError("least squares have the expected information only", remedy="Leave information= out.")
    if isinstance(likelihood, NestedLikelihood):
        return NestedLikelihood(model, bound), points
    if isinstance(likelihood, GaussianLikelihood):
        weight = bound.weight(0, len(bound.codes), bound.first_row[0]) if bound.weights else None
        return GaussianLikelihood(model, bound, None, weight, likelihood.divisor), points
    if isinstance(likelihood, InnerClasses):
        raise refused(likelihood, "score tests are")
    tree = plan_tree(model, bound)
    working = working_parameters(model, tuple(model.eta[k] for k in tree.order), None)
    if isinstance(likelihood, MixtureLikelihood):
        return MixtureLikelihood(model, working, tree, bound, likelihood.ordinary), points
    if likelihood.shared:
        found = shared_grid(model, working, bound, likelihood.threads)
        if found is not None:
            return found, points
        found = Likelihood(Predictor(model, working, tree, bound))
        return found, (POINTS[min(found.depth, len(POINTS)) - 1],) * len(found.levels)
    if type(likelihood) is not Likelihood:
        raise ModelError("score tests are not available with @unseen yet", remedy="Fit both models, and compare.")
    found = Likelihood(Predictor(model, working, tree, bound), likelihood.ordinary)
    if len(points) != len(found.levels):
        points = (max(points, default=POINTS[0]),) * len(found.levels)
    return found, points


def _keep_factors(old_likelihood, old: np.ndarray, likelihood, inner: np.ndarray, pairs: dict[int, int]) -> None:
    """Put factors of covariance matrices that both models move alike where they were, singular ones among them."""
    before, after = old_likelihood.working, likelihood.working
    for blocks_before, blocks_after in zip(before.blocks, after.blocks):
        known = {block.latents: block for block in blocks_before if block.cholesky or block.spherical}
        for block in blocks_after:
            mine = known.get(block.latents)
            if mine is None or (mine.cholesky, mine.spherical) != (block.cholesky, block.spherical):
                continue
            for place, cell in block.cells.items():
                source = mine.cells.get(place, cell)
                if cell.is_free and source.is_free and pairs.get(source.number) == cell.number:
                    inner[cell.number] = old[source.number]
