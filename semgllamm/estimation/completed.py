"""The complete data that incomplete rows stand for, and what is lost of them.

With s̃ the moments of the saturated model by maximum likelihood from incomplete rows of one level, a model's distance
from the moments of as many complete rows is

    T = 2(log L(s̃) − log L(σ(ϑ̂))) of complete rows with moments s̃,

which in large samples does not depend on what is missing, as χ² of the incomplete rows does. Where the model holds
the mean of T is

    k = tr W⁻¹V W⁻¹UΓU,   U = W − WΔ(Δ'WΔ)⁻¹Δ'W,   Γ = W⁻¹JW⁻¹,

with W the observed information of the incomplete rows about their moments, V that of the complete ones, both at s̃,
Δ = ∂σ/∂ϑ', and J the cross product of the scores at s̃, under normality W itself, so that k = tr VW⁻¹UW⁻¹ (Zhang &
Savalei 2022, the corrections FIML-C of RMSEA and CFI).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from semgllamm.estimation.benchmarks import MomentModel
from semgllamm.estimation.robust import ChiSquare, cross_product
from semgllamm.integration.gaussian import Evaluation, Moments

__all__ = ["Completed", "completed_moments"]


def completed_moments(here: Evaluation) -> Moments:
    """The moments of complete rows that an evaluation of one level implies, as many as the rows it is made of."""
    old = here.moments
    if old.complete:
        return old
    n = old.n.sum()
    xx = np.einsum("k,kab->ab", old.n, old.xx) / n
    Pi = here.nu_shifted[: here.graph.p].copy()
    if old.has_means:
        Pi[:, -1] -= old.shift_y
    yx = Pi @ xx
    yy = here.Sigma[0] + yx @ Pi.T
    seen = np.ones((1, len(yy)), dtype=bool)
    return Moments(
        np.array([n]), seen, np.ones((1, 1)), yy[None], yx[None], xx[None], old.shift_y, old.shift_x, old.has_means
    )


class Completed:
    """Moments, weights and statistics of complete rows in the place of incomplete ones.

    Parameters
    ----------
    full : MomentModel
        The saturated model of rows of one level.
    cross : bool
        Whether Γ is the covariance matrix by the scores of the rows, or of clusters of them, and not by W⁻¹.
    *clusters : arrays, optional
        As `cross_product` takes them.

    Attributes
    ----------
    moments : list of Moments
        s̃ of each group, of complete rows.
    jacobians : list of (m, cells) arrays
        The derivatives of a group's moments in the cells of the saturated model.
    """

    def __init__(self, full: MomentModel, cross: bool = False, *clusters: np.ndarray | None):
        free = full.maximum[0]
        here = full.at(free)
        self.moments = [completed_moments(e) for e in here]
        self.there = [graph.at(free, m) for graph, m in zip(full.graphs, self.moments)]
        self.jacobians = [e.jacobian() for e in self.there]
        self.loglik = sum(e.loglik for e in self.there)
        # the map from cells to moments is one to one: what is observed of the cells is observed of the moments
        back = np.linalg.inv(np.concatenate(self.jacobians))
        self.W = back.T @ sum(e.information() for e in here) @ back
        self.V = back.T @ sum(e.information() for e in self.there) @ back
        inverse = np.linalg.pinv(self.W, hermitian=True)
        self.inverse = inverse
        self.Gamma = inverse
        if cross:
            J = back.T @ cross_product(full.unit_scores(free), *clusters) @ back
            self.Gamma = inverse @ J @ inverse

    def evaluations(self, model: MomentModel, free: np.ndarray) -> list[Evaluation]:
        """Those of a model at complete rows with moments s̃."""
        cells = model.inner(free)
        return [graph.at(cells, m) for graph, m in zip(model.graphs, self.moments)]

    def projection(self, Delta: np.ndarray, invert: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """(Δ'WΔ)⁻¹Δ'W."""
        along = Delta.T @ self.W
        return invert(along @ Delta) @ along

    def test(self, model: MomentModel, free: np.ndarray, df: int, invert: Callable = np.linalg.pinv) -> ChiSquare:
        """T and k of a model at its estimates.

        Parameters
        ----------
        model : MomentModel
        free : (n,) array
        df : int
        invert : callable
            Inverts an information matrix within the constraints of the model.

        Returns
        -------
        ChiSquare
            T with k for its trace, not compared with a distribution.
        """
        here = self.evaluations(model, free)
        statistic = 2 * (self.loglik - sum(e.loglik for e in here))
        Delta = stacked_slopes(here, model)
        U = self.W - self.W @ Delta @ self.projection(Delta, invert)
        lost = self.inverse @ self.V @ self.inverse
        k = float(np.einsum("ab,bc,cd,da->", lost, U, self.Gamma, U, optimize=True))
        return ChiSquare("completed", statistic, df, np.nan, trace=k)


def stacked_slopes(here: Sequence[Evaluation], model: MomentModel) -> np.ndarray:
    """Δ of all groups, one below the other, in the free parameters."""
    return model.on_free(np.concatenate([e.jacobian() for e in here]))
