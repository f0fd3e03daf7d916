"""Standard errors of the differences e = s − σ(ϑ̂) between moments of the saturated model and of a model.

With Γ the covariance matrix of s, V what the estimator weighs the moments by, and Δ = ∂σ/∂ϑ',

    cov e = QΓQ',   Q = I − Δ(Δ'VΔ)⁻¹Δ'V

(Browne 1984; Ogasawara 2001; Maydeu-Olivares 2017). Of a likelihood V is the information about the moments at σ(ϑ̂),
expected or observed as for the standard errors, or the cross product of the scores, and Γ the inverse of that at s;
with robust standard errors Γ is the sandwich at s. Of least squares V is the weight matrix; its inverse is Γ where it
is meant to be (GLS, WLS), for ULS that of normal theory, and for DWLS the one that has the weights for its diagonal.
Groups that share parameters are one vector of moments. The moments of covariates are given and do not vary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semgllamm.estimation.benchmarks import MomentModel
from semgllamm.estimation.completed import completed_moments
from semgllamm.estimation.covariances import by_expectation, clusters_of, kind_of_errors
from semgllamm.estimation.least_squares import LeastSquares
from semgllamm.estimation.robust import cross_product
from semgllamm.estimation.weight_matrices import asymptotic_covariance, joint_covariance, normal_weight, sample_moments
from semgllamm.integration.gaussian import REGRESSION, Evaluation

if TYPE_CHECKING:
    from semgllamm.results.fit import Fit
    from semgllamm.results.moments import Block

__all__ = ["variances_of_residuals"]

ROBUST = ("robust.sem", "robust.huber.white", "robust.cluster")


def variances_of_residuals(fit: Fit, full: MomentModel, found: list[Block], kind: str) -> list[np.ndarray]:
    """The variances of each block's residuals: vech by rows of the lower triangle of all names, then the means.

    Parameters
    ----------
    fit : Fit
        In closed form, of one level.
    full : MomentModel
        Its saturated model.
    found : list of Block
        One a group.
    kind : {"normalized", "standardized"}
        Whether those of s, Γ, or of e.
    """
    from scipy.linalg import block_diag

    free = full.maximum[0]
    there = full.at(free)
    moments = [completed_moments(e) for e in there]
    likelihood = fit.likelihood
    if isinstance(likelihood, LeastSquares):
        Gamma = block_diag(*[_of_least_squares(likelihood, g) / block.n for g, block in enumerate(found)])
    else:
        Gamma = _of_likelihood(fit, full, free, moments)
    variance = np.diag(Gamma)
    if kind == "standardized":
        model = MomentModel.of(likelihood, fit.free)
        here = [graph.at(fit._cells, m) for graph, m in zip(model.graphs, moments)]
        Delta = np.concatenate([e.jacobian() for e in here]) @ likelihood.K
        if isinstance(likelihood, LeastSquares):
            V = block_diag(*[block.n * V for block, V in zip(found, likelihood.weights)])
        else:
            V = _about_moments(fit, full, _cells_of(full, here), moments, straight=True)
        along = Delta.T @ V
        bread, null, _ = fit._inverse(along @ Delta)
        if null:
            bread = np.linalg.pinv(along @ Delta, hermitian=True)
        # parameters at their bounds are held there
        Q = np.eye(len(Delta)) - Delta @ np.nan_to_num(bread) @ along
        variance = np.einsum("ab,bc,ac->a", Q, Gamma, Q, optimize=True)
    ends = np.cumsum([len(e.implied()) for e in there])
    return [_with_covariates(v, block) for v, block in zip(np.split(variance, ends[:-1]), found)]


def _about_moments(fit: Fit, full: MomentModel, cells: np.ndarray, moments, straight: bool = False) -> np.ndarray:
    """The information of all rows about the moments of all groups, at cells of the saturated model.

    Away from the maximum the observed information about the moments is not that about the cells: with `straight` it is
    freed of what the moments bend.
    """
    here = full.at(cells)
    back = _back(full, cells, moments)
    if _first_order(fit):
        return back.T @ _crossed(fit, full, cells) @ back
    if by_expectation(fit.likelihood, fit.request):
        return back.T @ sum(e.information(expected=True) for e in here) @ back
    return back.T @ sum(e.information(straight=straight) for e in here) @ back


def _back(full: MomentModel, cells: np.ndarray, moments) -> np.ndarray:
    """The derivatives of the cells of the saturated model in the moments, which they give one to one."""
    return np.linalg.inv(np.concatenate([graph.at(cells, m).jacobian() for graph, m in zip(full.graphs, moments)]))


def _first_order(fit: Fit) -> bool:
    return "first.order" in (fit.request.chosen_information, kind_of_errors(fit.likelihood, fit.request))


def _crossed(fit: Fit, full: MomentModel, cells: np.ndarray) -> np.ndarray:
    return cross_product(full.unit_scores(cells), *clusters_of(fit.likelihood, fit.request))


def _of_likelihood(fit: Fit, full: MomentModel, free: np.ndarray, moments) -> np.ndarray:
    inverse = np.linalg.pinv(_about_moments(fit, full, free, moments), hermitian=True)
    if kind_of_errors(fit.likelihood, fit.request) not in ROBUST:
        return inverse
    back = _back(full, free, moments)
    return inverse @ (back.T @ _crossed(fit, full, free) @ back) @ inverse


def _of_least_squares(likelihood: LeastSquares, g: int) -> np.ndarray:
    sample = likelihood.samples[g]
    if likelihood.kind == "DWLS":
        return asymptotic_covariance(sample)
    if likelihood.kind != "ULS":
        return np.linalg.inv(likelihood.weights[g])
    S = joint_covariance(sample_moments(sample.moments), sample.moments)
    return np.linalg.inv(normal_weight(S, sample.y.shape[1], sample.moments.has_means))


def _cells_of(full: MomentModel, here: list[Evaluation]) -> np.ndarray:
    """The cells of the saturated model that give the moments of a model."""
    out = np.zeros(len(full.c))
    for graph, e in zip(full.graphs, here):
        cells = graph.cells
        slopes = cells.kind == REGRESSION
        out[cells.number[slopes]] = e.Pi[cells.row[slopes], cells.column[slopes]]
        out[cells.number[~slopes]] = e.Sigma[0][cells.row[~slopes], cells.column[~slopes]]
    return out


def _with_covariates(variance: np.ndarray, block: Block) -> np.ndarray:
    """In the order of a block's moments, 0 for those of covariates."""
    p, size = block.n_y, len(block.names)
    of_y = p * (p + 1) // 2
    of_x = of_y + p * (size - p)
    cells = np.zeros((size, size))
    cells[np.tril_indices(p)] = variance[:of_y]
    cells[p:, :p] = variance[of_y:of_x].reshape(p, size - p).T
    parts = [cells[np.tril_indices(size)]]
    if block.model_mean is not None:
        parts += [variance[of_x:], np.zeros(size - p)]
    return np.concatenate(parts)
