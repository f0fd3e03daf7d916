"""The normal distribution of the latent variables that items load on, and its derivatives.

With A = (I − B)⁻¹, all latent variables η_all have mean A(α + Γw) and covariance AΨA'; the axes η are some of them,

    μ_i = M w_i,   w_i = (1, covariates),      Σ = (AΨA') over the axes,      e = η − μ_i,
    log N(η; μ_i, Σ) = −½ log |2πΣ| − ½ e'Σ⁻¹e,
    d log N = e'Σ⁻¹ dM w_i + ½ e'Σ⁻¹ dΣ Σ⁻¹ e − ½ tr Σ⁻¹dΣ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semgllamm.model.matrices import Matrices

__all__ = ["Distribution", "LatentDistribution", "Totals"]


@dataclass(frozen=True)
class Distribution:
    """The distribution at one parameter vector.

    Attributes
    ----------
    M : (P, 1 + m) array
        Coefficients of the mean.
    Sigma, precision : (P, P) arrays
    log_det : float
        log |Σ⁻¹|.
    all_M, all_Sigma : (n_eta, 1 + m) and (n_eta, n_eta) arrays
        The same of all latent variables.
    A : (n_eta, n_eta) array
    """

    M: np.ndarray
    Sigma: np.ndarray
    precision: np.ndarray
    log_det: float
    all_M: np.ndarray
    all_Sigma: np.ndarray
    A: np.ndarray


@dataclass(frozen=True)
class Totals:
    """Sums over the units of a group: of weights, w w', E[e] w' and E[ee']."""

    n: float
    ww: np.ndarray
    ew: np.ndarray
    ee: np.ndarray

    def shifted(self, change: np.ndarray) -> Totals:
        """The same where the coefficients of the mean are `change` larger, and the posterior is held."""
        moved = change @ self.ww
        across = change @ self.ew.T
        return Totals(self.n, self.ww, self.ew - moved, self.ee - across - across.T + moved @ change.T)


class LatentDistribution:
    """Maps the cells of one group's B, Γ and Ψ to the distribution of the axes.

    Parameters
    ----------
    group : Matrices
    eta : sequence of str
        All latent variables.
    axes : sequence of str
        Those that items load on.
    covariates : sequence of str
        w but for the constant.
    """

    def __init__(self, group: Matrices, eta: Sequence[str], axes: Sequence[str], covariates: Sequence[str]):
        self.index = {name: k for k, name in enumerate(eta)}
        self.n_eta, self.at_axes = len(eta), [self.index[name] for name in axes]
        self.column = {name: k for k, name in enumerate(("1", *covariates))}
        self.group = group
        cells = (*group.B, *group.Gamma, *group.Psi)
        self.numbers = np.array(sorted({cell.number for cell in cells if cell.is_free}), dtype=np.int64)

    def at(self, values: np.ndarray) -> Distribution:
        """The distribution at these values of the parameters.

        Raises
        ------
        LinAlgError
            If Σ is not positive definite, or I − B is singular.
        """
        A = np.eye(self.n_eta)
        for cell in self.group.B:
            A[self.index[cell.row], self.index[cell.column]] -= cell.at(values)
        A = np.linalg.inv(A) if self.group.B else A
        Psi = np.zeros((self.n_eta, self.n_eta))
        for cell in self.group.Psi:
            a, b = self.index[cell.row], self.index[cell.column]
            Psi[a, b] = Psi[b, a] = cell.at(values)
        G = np.zeros((self.n_eta, len(self.column)))
        for cell in self.group.Gamma:
            G[self.index[cell.row], self.column[cell.column]] += cell.at(values)
        all_M, all_Sigma = A @ G, A @ Psi @ A.T
        Sigma = all_Sigma[np.ix_(self.at_axes, self.at_axes)]
        half = np.linalg.inv(np.linalg.cholesky(Sigma))
        log_det = 2.0 * float(np.log(np.diag(half)).sum())
        return Distribution(all_M[self.at_axes], Sigma, half.T @ half, log_det, all_M, all_Sigma, A)

    def slopes(self, here: Distribution):
        """(parameter, ∂M, ∂Σ) of each cell that is free."""
        axes = self.at_axes
        for cell in self.group.Psi:
            if cell.is_free:
                a, b = here.A[axes, self.index[cell.row]], here.A[axes, self.index[cell.column]]
                outer = np.outer(a, b)
                yield cell.number, None, outer if cell.row == cell.column else outer + outer.T
        for cell in self.group.Gamma:
            if cell.is_free:
                change = np.zeros_like(here.M)
                change[:, self.column[cell.column]] = here.A[axes, self.index[cell.row]]
                yield cell.number, change, None
        for cell in self.group.B:
            if cell.is_free:
                a, c = here.A[axes, self.index[cell.row]], self.index[cell.column]
                outer = np.outer(a, here.all_Sigma[c, axes])
                yield cell.number, np.outer(a, here.all_M[c]), outer + outer.T

    def gradient(self, here: Distribution, totals: Totals, q: int) -> np.ndarray:
        """Derivative (q,) of Σ w E[log N] with the posterior held."""
        K = here.precision
        in_M, in_Sigma = K @ totals.ew, 0.5 * (K @ totals.ee @ K - totals.n * K)
        out = np.zeros(q)
        for number, dM, dSigma in self.slopes(here):
            if dM is not None:
                out[number] += np.vdot(in_M, dM)
            if dSigma is not None:
                out[number] += np.vdot(in_Sigma, dSigma)
        return out

    def hessian(self, values: np.ndarray, here: Distribution, totals: Totals) -> np.ndarray:
        """Second derivatives (q, q) of Σ w E[log N] with the posterior held: differences of the gradient."""
        q = len(values)
        out = np.zeros((q, q))
        for number in self.numbers:
            h = 1e-5 * max(1.0, abs(values[number]))
            sides = []
            for sign in (1.0, -1.0):
                moved = values.copy()
                moved[number] += sign * h
                there = self.at(moved)
                sides.append(self.gradient(there, totals.shifted(there.M - here.M), q))
            out[number] = (sides[0] - sides[1]) / (2 * h)
        return 0.5 * (out + out.T)

    def coefficients(self, here: Distribution, q: int) -> tuple[list[np.ndarray], dict, np.ndarray]:
        """d log N as a linear form of e_a w, e_a² and e_a e_b, a < b.

        Returns
        -------
        single : list of (1 + m + 1, q) arrays
            Of e_a w and of e_a², for each axis a.
        pair : dict of (a, b) to (q,) arrays
        constant : (q,) array
            −½ tr Σ⁻¹dΣ.
        """
        K, P = here.precision, len(self.at_axes)
        single = [np.zeros((here.M.shape[1] + 1, q)) for _ in range(P)]
        pair = {(a, b): np.zeros(q) for b in range(P) for a in range(b)}
        constant = np.zeros(q)
        for number, dM, dSigma in self.slopes(here):
            if dM is not None:
                KM = K @ dM
                for a in range(P):
                    single[a][:-1, number] += KM[a]
            if dSigma is not None:
                KSK = K @ dSigma @ K
                constant[number] -= 0.5 * np.vdot(K, dSigma)
                for a in range(P):
                    single[a][-1, number] += 0.5 * KSK[a, a]
                for a, b in pair:
                    pair[a, b][number] += KSK[a, b]
        return single, pair, constant
