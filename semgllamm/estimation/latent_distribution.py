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
        A, all_M, all_Sigma = self._structure(values)
        Sigma = all_Sigma[np.ix_(self.at_axes, self.at_axes)]
        half = np.linalg.inv(np.linalg.cholesky(Sigma))
        log_det = 2.0 * float(np.log(np.diag(half)).sum())
        return Distribution(all_M[self.at_axes], Sigma, half.T @ half, log_det, all_M, all_Sigma, A)

    def _structure(self, values: np.ndarray):
        """A, and mean coefficients and covariances of all latent variables."""
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
        return A, A @ G, A @ Psi @ A.T

    def slopes(self, A: np.ndarray, all_M: np.ndarray, all_Sigma: np.ndarray):
        """(parameter, ∂M, ∂Σ) of each cell that is free."""
        axes = self.at_axes
        for cell in self.group.Psi:
            if cell.is_free:
                a, b = A[axes, self.index[cell.row]], A[axes, self.index[cell.column]]
                outer = np.outer(a, b)
                yield cell.number, None, outer if cell.row == cell.column else outer + outer.T
        for cell in self.group.Gamma:
            if cell.is_free:
                change = np.zeros((len(axes), all_M.shape[1]))
                change[:, self.column[cell.column]] = A[axes, self.index[cell.row]]
                yield cell.number, change, None
        for cell in self.group.B:
            if cell.is_free:
                a, c = A[axes, self.index[cell.row]], self.index[cell.column]
                outer = np.outer(a, all_Sigma[c, axes])
                yield cell.number, np.outer(a, all_M[c]), outer + outer.T

    def gradient(self, here: Distribution, totals: Totals, q: int) -> np.ndarray:
        """Derivative (q,) of Σ w E[log N] with the posterior held."""
        return self._along(*self._adjoints(here, totals), (here.A, here.all_M, here.all_Sigma), q)

    @staticmethod
    def _adjoints(here: Distribution, totals: Totals) -> tuple[np.ndarray, np.ndarray]:
        """The derivatives in M and Σ."""
        K = here.precision
        return K @ totals.ew, 0.5 * (K @ totals.ee @ K - totals.n * K)

    def _along(self, in_M: np.ndarray, in_Sigma: np.ndarray, structure, q: int) -> np.ndarray:
        out = np.zeros(q)
        for number, dM, dSigma in self.slopes(*structure):
            if dM is not None:
                out[number] += np.vdot(in_M, dM)
            if dSigma is not None:
                out[number] += np.vdot(in_Sigma, dSigma)
        return out

    def hessian(self, values: np.ndarray, here: Distribution, totals: Totals) -> np.ndarray:
        """Second derivatives (q, q) of Σ w E[log N] with the posterior held.

        With C = Σ w E[e]w' and T = Σ w E[ee'] they are, of parameters k and l,

            (n/2) tr KΣ_k KΣ_l − tr KΣ_k KΣ_l KT − tr M_k'K M_l ww' − tr M_k'KΣ_l KC − tr M_l'KΣ_k KC,   K = Σ⁻¹,

        and what the second derivatives of M and Σ add, which only effects among latent variables give them.
        """
        q, K = len(values), here.precision
        P, width = here.M.shape
        numbers = list(self.numbers)
        dM, dS = np.zeros((len(numbers), P, width)), np.zeros((len(numbers), P, P))
        for number, change_M, change_S in self.slopes(here.A, here.all_M, here.all_Sigma):
            k = numbers.index(number)
            dM[k] += 0.0 if change_M is None else change_M
            dS[k] += 0.0 if change_S is None else change_S
        KS, KM = K @ dS, K @ dM
        KSKT = KS @ (K @ totals.ee)
        inside = 0.5 * totals.n * np.einsum("kab,lba->kl", KS, KS) - np.einsum("kab,lba->kl", KS, KSKT)
        inside -= np.einsum("kab,lab->kl", KM, dM @ totals.ww)
        across = np.einsum("kab,lab->kl", dM, KS @ (K @ totals.ew))
        inside -= across + across.T
        out = np.zeros((q, q))
        at = np.ix_(self.numbers, self.numbers)
        out[at] = inside
        if any(cell.is_free for cell in self.group.B):
            bent = np.zeros((q, q))
            adjoints = self._adjoints(here, totals)
            for number in self.numbers:
                h = 1e-5 * max(1.0, abs(values[number]))
                sides = []
                for sign in (1.0, -1.0):
                    moved = values.copy()
                    moved[number] += sign * h
                    sides.append(self._along(*adjoints, self._structure(moved), q))
                bent[number] = (sides[0] - sides[1]) / (2 * h)
            out += bent
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
        for number, dM, dSigma in self.slopes(here.A, here.all_M, here.all_Sigma):
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
