"""Newton's step under constraints: a quadratic programme, solved by least distances (Lawson & Hanson 1974, chapter 23).

With g the score, W the curvature, r the values of the constraints and A their derivatives,

    max g'd − ½ d'Wd   subject to   r_j + A_j d = 0 (equations),  r_j + A_j d ≥ 0 (inequalities).

The equations leave d = a + Zy. On the basis Z the curvature is made positive, Z'WZ = V diag(|λ|) V', and with
x = diag(|λ|)^½ V'y − (the step without inequalities) what is left is: the shortest x with Bx ≥ b. Its multipliers are
those of the programme. All of it in parameters that are scaled to unit information.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semgllamm.estimation.information import FLOOR

__all__ = ["DEPENDENT", "ConstrainedStep", "Tangent", "constrained_step"]

DEPENDENT = 1e-8  # a singular value of scaled derivatives below it is none
INCONSISTENT = 1e-8


@dataclass(frozen=True, slots=True)
class ConstrainedStep:
    """The solution d of the programme.

    Attributes
    ----------
    step : (p,) array
    multipliers : (m,) array
        λ of g − Wd + A'λ = 0, not negative for inequalities.
    decrement : float
        d'|W|d: what the unconstrained g'J⁻¹g is, with the way back to the constraints added.
    """

    step: np.ndarray
    multipliers: np.ndarray
    decrement: float


@dataclass(frozen=True, slots=True)
class Tangent:
    """The spectrum of a curvature on the directions that leave A constant; λ ascend.

    Attributes
    ----------
    basis : (p, k) array
        Its eigenvectors there, in the parameters' own units: basis' W basis = diag(values).
    values : (k,) array
    scale : (p,) array
    """

    basis: np.ndarray
    values: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, matrix: np.ndarray, jacobian: np.ndarray, scale: np.ndarray) -> Tangent:
        """Decompose `matrix` on the null space of `jacobian`, (m, p), in parameters times `scale`."""
        Z = _affine(_scaled_rows(jacobian / scale)[0], np.zeros(len(jacobian)))[1]
        values, vectors = np.linalg.eigh(Z.T @ (matrix / np.outer(scale, scale)) @ Z)
        along = Z @ vectors
        along[np.linalg.norm(along, axis=1) < DEPENDENT] = 0.0  # held fast, but for rounding
        return cls(along / scale[:, None], values, scale)

    @property
    def sizes(self) -> np.ndarray:
        size = np.abs(self.values)
        return np.maximum(size, FLOOR * max(size.max(initial=0.0), np.finfo(float).tiny))

    @property
    def half(self) -> np.ndarray:
        """H with HH' = Z (Z'|W|Z)⁻¹ Z'."""
        return self.damped(0.0)

    def damped(self, damping: float) -> np.ndarray:
        """H with HH' = Z (Z'|W|Z + μI)⁻¹ Z', for a damping of μ."""
        return self.basis / np.sqrt(self.sizes + damping)

    @property
    def inverse(self) -> np.ndarray:
        """Z (Z'|W|Z)⁻¹ Z', the covariance matrix of estimates that obey the constraints (Aitchison & Silvey 1958)."""
        return self.half @ self.half.T

    @property
    def variances(self) -> np.ndarray:
        return (self.half**2).sum(axis=1)

    def solve(self, gradient: np.ndarray) -> np.ndarray:
        """The step along the constraints, Z (Z'|W|Z)⁻¹ Z'g."""
        return self.half @ (self.half.T @ gradient)


def constrained_step(
    gradient: np.ndarray,
    matrix: np.ndarray,
    scale: np.ndarray,
    values: np.ndarray,
    jacobian: np.ndarray,
    equality: np.ndarray,
    damping: float = 0.0,
) -> ConstrainedStep | None:
    """Solve the programme; None if its constraints have no common solution.

    Parameters
    ----------
    gradient : (p,) array
        g.
    matrix : (p, p) array
        W.
    scale : (p,) array
        Roots of the information about each parameter.
    values, jacobian : (m,) and (m, p) arrays
        r and A.
    equality : (m,) bool array
        Which are equations.
    damping : float
        μ: |W| + μD² in place of |W| along the equations, D² the squares of `scale`.
    """
    g, W = gradient / scale, matrix / np.outer(scale, scale)
    A, length = _scaled_rows(jacobian / scale)
    r = values / length
    A_eq, A_in, r_eq, r_in = A[equality], A[~equality], r[equality], r[~equality]
    particular, _ = _affine(A_eq, -r_eq)
    if np.abs(A_eq @ particular + r_eq).max(initial=0.0) > INCONSISTENT * (1.0 + np.abs(r_eq).max(initial=0.0)):
        return None
    half = Tangent.of(W, A_eq, np.ones(len(g))).damped(damping)
    along = half.T @ (g - W @ particular)
    B = A_in @ half
    found = _shortest(B, -(r_in + A_in @ particular + B @ along))
    if found is None:
        return None
    x, pushed = found
    along = along + x
    moved = half @ along
    d = particular + moved
    multipliers = np.zeros(len(r))
    multipliers[~equality] = pushed
    multipliers[equality] = np.linalg.lstsq(A_eq.T, W @ d + damping * moved - g - A_in.T @ pushed, rcond=None)[0]
    return ConstrainedStep(d / scale, multipliers / length, float(along @ along + particular @ particular))


def _scaled_rows(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of length one, and their lengths (one for a row of zeros)."""
    length = np.linalg.norm(A, axis=1)
    length = np.where(length > np.finfo(float).tiny, length, 1.0)
    return A / length[:, None], length


def _affine(A: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shortest solution of Ax = b in least squares, and an orthonormal basis of the null space of A."""
    if len(A) == 0:
        return np.zeros(A.shape[1]), np.eye(A.shape[1])
    U, size, Vt = np.linalg.svd(A, full_matrices=True)
    rank = int((size > DEPENDENT).sum())
    return Vt[:rank].T @ ((U[:, :rank].T @ b) / size[:rank]), Vt[rank:].T


def _shortest(B: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The shortest x with Bx ≥ b and its multipliers, x = B'u; None if there is none."""
    if len(b) == 0 or (b <= 0).all():
        return np.zeros(B.shape[1]), np.zeros(len(b))
    from scipy.optimize import nnls

    # lengths of b say nothing of whether a solution exists
    size = np.abs(b).max()
    E = np.vstack([B.T, b / size])
    f = np.append(np.zeros(B.shape[1]), 1.0)
    u, _ = nnls(E, f)
    rest = 1.0 - (b / size) @ u
    if rest <= 1e-12:
        return None
    u = size * u / rest
    # once more with those that push, as equations
    pushing = u > 0
    exact = np.linalg.lstsq(B[pushing] @ B[pushing].T, b[pushing], rcond=None)[0]
    if (exact >= 0).all():
        u[pushing] = exact
    return B.T @ u, u
