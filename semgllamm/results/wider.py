"""The model of a fit with more cells free, as score tests need it: slopes, information, and what stays in force.

Gaussian models in closed form have the expected information (`semgllamm.estimation.extended`), which is also lavaan's;
other likelihoods, and these if they are asked to, the observed one or the outer product of the units' scores
(`semgllamm.estimation.opened`). At the estimates of a model that is far from right the observed information need not be
positive (Freedman 2007); unless it was asked for, the outer product, which is, stands for it there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.diagram.parts import Parameter
from semgllamm.errors import ModelError
from semgllamm.estimation.extended import Extended
from semgllamm.estimation.gaussian import GaussianLikelihood
from semgllamm.estimation.opened import Opened

if TYPE_CHECKING:
    from semgllamm.model.matrices import Model
    from semgllamm.results.fit import Fit

__all__ = ["Wider", "by_expectation", "in_force", "null_space", "wider"]

INFORMATION = ("expected", "observed", "first.order")


@dataclass(frozen=True)
class Wider:
    """The larger model at the estimates of the smaller.

    Attributes
    ----------
    model : Model
        Its parameters are those of the model, in their order, and then the further ones; with cells apart a row each.
    row_numbers, extra_numbers : sequences of int
        Of the rows of the diagram, and of the further cells.
    score : (p,) array
        ∂ log L/∂ϑ of its working parameters.
    information : (p, p) array
    chain : (n, p) array
        ∂ cells/∂ϑ.
    counted : float
        What score statistics are multiplied by.
    kind : {"expected", "observed", "first.order"}
        Of the information.
    otherwise : callable, optional
        Gives the outer product that stands for an observed information that is not positive, if it may.
    """

    model: Model
    row_numbers: Sequence[int]
    extra_numbers: np.ndarray
    score: np.ndarray
    information: np.ndarray
    chain: np.ndarray
    counted: float
    kind: str
    otherwise: Callable[[], np.ndarray] | None = None


def by_expectation(fit: Fit, information: str | None) -> bool:
    """Whether the expected information is meant.

    Raises
    ------
    ModelError
        For a kind of information that is unknown or not available.
    """
    closed = isinstance(fit.likelihood, GaussianLikelihood)
    if len(fit.model.holes) > 1 or any(variable.summed for variable in fit.model.classes):
        raise ModelError("score tests are not available where covariates that have a model are missing yet",
                         remedy="Fit the larger model, and compare.")  # fmt: skip
    if information is None:
        return closed
    if information not in INFORMATION:
        raise ModelError(f"information='{information}' is unknown", remedy=f"Use {', '.join(map(repr, INFORMATION))}.")
    if information == "expected" and not closed:
        raise ModelError("the expected information is for Gaussian models in closed form", remedy="Use 'observed'.")
    return information == "expected"


def wider(fit: Fit, information: str | None, extra: Sequence[Parameter] = (), apart: bool = False) -> Wider:
    """Free further cells, or let each row be a parameter by itself.

    Parameters
    ----------
    information : {"expected", "observed", "first.order"}, optional
        By default expected in closed form, else observed where that is positive.
    extra, apart
        As for `semgllamm.estimation.opened.Opened`.

    Raises
    ------
    ModelError
        For fits without a maximum, and as `by_expectation`.
    """
    from semgllamm.results.modification import rows_counted
    from semgllamm.results.standardized import closed_form_of

    if by_expectation(fit, information):
        likelihood = closed_form_of(fit, "score tests are")
        found = Extended(likelihood, fit.diagram, fit._cells, extra, apart)
        n = found.model.n_parameters
        return Wider(found.model, found.row_numbers, found.extra_numbers, found.score(), found.information(), np.eye(n),
                     rows_counted(fit), "expected")  # fmt: skip
    if not fit.converged:
        raise ModelError("a fit that has not converged has no score tests")
    opened = Opened(
        fit.likelihood, fit.model, fit.diagram, fit.binding, fit.request, fit.free, fit.points, extra, apart,
        fit.information_kind != "Observed (differences of the score)",
    )  # fmt: skip
    kind = information or "observed"
    counted = rows_counted(fit) if isinstance(fit.likelihood, GaussianLikelihood) else 1.0
    return Wider(
        opened.model, opened.row_numbers, opened.extra_numbers, opened.score(), opened.information(kind), opened.chain,
        counted, kind, None if information else lambda: opened.information("first.order"),
    )  # fmt: skip


def in_force(fit: Fit) -> np.ndarray:
    """Equations among the cells that the fit obeys, (m, q): constraints, and variances at 0, which stay there."""
    if isinstance(fit.likelihood, GaussianLikelihood):
        return null_space(fit.likelihood.K.T).T
    tangent = fit._working.jacobian(fit._inner) @ fit._working.K
    if fit._restricted is not None:
        tangent = tangent @ null_space(fit._restricted.jacobian[fit._restricted.touching])
    return null_space(tangent.T).T


def null_space(R: np.ndarray) -> np.ndarray:
    """A basis of the directions in which the equations R do not change."""
    if not len(R):
        return np.eye(R.shape[1])
    _, size, vectors = np.linalg.svd(R)
    return vectors[int((size > 1e-9 * size[0]).sum()) :].T
