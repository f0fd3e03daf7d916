"""Least squares of the moments: GLS, ULS, WLS and DWLS, behind the interface of a likelihood.

    F_g = (s − σ(ϑ))'V(s − σ(ϑ)),   minimised is  ½ Σ_g (n_g − 1) F_g,   X² = Σ_g (n_g − 1) F_g,

with S divided by n − 1, and V of `weight_matrices`. Gauss and Newton's matrix Σ_g (n_g − 1) Δ'VΔ, Δ = ∂σ/∂ϑ', is
that of the standard errors (Browne 1984).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from semgllamm.errors import EstimationError
from semgllamm.estimation.gaussian import GaussianLikelihood
from semgllamm.estimation.weight_matrices import (
    asymptotic_covariance,
    joint_covariance,
    normal_weight,
    sample_moments,
)

__all__ = ["LeastSquares", "independence_jacobians", "least_squares_independence", "weights_of"]


def weights_of(kind: str, samples) -> tuple[np.ndarray, ...]:
    """V of each group.

    Raises
    ------
    EstimationError
        If there are too few rows for Γ̂⁻¹.
    """
    out = []
    for sample in samples:
        moments = sample.moments
        p = moments.yy.shape[1]
        s = sample_moments(moments)
        if kind == "GLS":
            out.append(normal_weight(joint_covariance(s, moments), p, moments.has_means))
        elif kind == "ULS":
            out.append(np.eye(len(s)))
        elif kind == "DWLS":
            out.append(np.diag(1 / np.diag(asymptotic_covariance(sample))))
        else:
            if len(sample.y) <= len(s):
                raise EstimationError(
                    f"estimator='WLS' needs more rows than the {len(s)} moments of the responses, not {len(sample.y)}",
                    remedy="Use another estimator, such as MLM or ULS.",
                )
            out.append(np.linalg.inv(asymptotic_covariance(sample)))
    return tuple(out)


class LeastSquares(GaussianLikelihood):
    """−½ Σ_g (n_g − 1) F_g and its derivatives, of complete rows of one level.

    Parameters
    ----------
    kind : {"GLS", "ULS", "WLS", "DWLS"}
    model, design, constraint
        As of `GaussianLikelihood`.

    Raises
    ------
    EstimationError
        For incomplete data, several levels, or too few rows.
    """

    def __init__(self, kind: str, model, design, constraint=None):
        super().__init__(model, design, constraint, divisor="wishart")
        self.kind = kind
        if self.n_levels > 1 or not all(s.moments.complete for s in self.samples):
            raise EstimationError(
                f"estimator='{kind}' needs complete data of one level", remedy="Use estimator='ML' or 'MLR'."
            )
        self.weights = weights_of(kind, self.samples)
        self.counts = tuple(len(s.rows) - 1 for s in self.samples)

    def standard(self, free, expected: bool = True) -> np.ndarray:
        """Gauss and Newton's matrix as lavaan weighs the groups: by n_g (N − G)/N in place of n_g − 1."""
        sizes = np.array(self.counts) + 1
        return self._normal_equations(free, sizes * (1 - len(sizes) / sizes.sum()))

    def _residuals(self, free) -> list[np.ndarray]:
        return [sample_moments(e.moments) - e.implied() for e in self.at(free)]

    def statistics(self, free) -> tuple[float, ...]:
        """(n_g − 1) F_g of each group."""
        left = self._residuals(free)
        return tuple(float(n * d @ V @ d) for n, d, V in zip(self.counts, left, self.weights))

    def value(self, free, points=()) -> float:
        try:
            return -0.5 * sum(self.statistics(free))
        except np.linalg.LinAlgError:
            return -np.inf

    def score(self, free, points=()) -> tuple[float, np.ndarray]:
        value = self.value(free)
        if not np.isfinite(value):
            return value, np.full(self.n_free, np.nan)
        slope = np.zeros(len(self.K))
        for e, d, V, n in zip(self.at(free), self._residuals(free), self.weights, self.counts):
            slope += n * (e.jacobian().T @ (V @ d))
        return value, self._to_free(slope)

    def information(self, free, expected: bool = True) -> np.ndarray:
        """Gauss and Newton's matrix."""
        return self._normal_equations(free, self.counts)

    def _normal_equations(self, free, counts) -> np.ndarray:
        total = np.zeros((len(self.K), len(self.K)))
        for e, V, n in zip(self.at(free), self.weights, counts):
            J = e.jacobian()
            total += n * (J.T @ V @ J)
        return self.K.T @ total @ self.K

    def louis(self, free, points=()) -> tuple[float, np.ndarray, np.ndarray]:
        value, gradient = self.score(free)
        if not np.isfinite(value):
            return value, gradient, np.full((self.n_free, self.n_free), np.nan)
        return value, gradient, self.information(free)

    def unit_scores(self, free, points: Sequence[int] = ()) -> np.ndarray:
        raise EstimationError(f"estimator='{self.kind}' has no scores of single rows")


def least_squares_independence(likelihood: LeastSquares, together: Sequence[str] = ()) -> tuple[float, int]:
    """X² and parameters of the independence model, whose moments are linear in its variances, in its means, and in the
    covariances of the responses `together`."""
    total, count = 0.0, 0
    for sample, V, n, free in zip(
        likelihood.samples, likelihood.weights, likelihood.counts, _left_free(likelihood, together)
    ):
        s = sample_moments(sample.moments)
        # the best values of the free moments, given what the others leave
        left = np.where(free, 0.0, s)
        left[free] = -np.linalg.solve(V[np.ix_(free, free)], V[np.ix_(free, ~free)] @ s[~free])
        total += n * left @ V @ left
        count += int(free.sum())
    return float(total), count


def independence_jacobians(likelihood: LeastSquares, together: Sequence[str] = ()) -> list[np.ndarray]:
    """Δ of the independence model in each group, (m, parameters of all groups)."""
    free = _left_free(likelihood, together)
    ends = np.concatenate([[0], np.cumsum([f.sum() for f in free])])
    out = []
    for g, here in enumerate(free):
        Delta = np.zeros((len(here), ends[-1]))
        Delta[np.flatnonzero(here), np.arange(ends[g], ends[g + 1])] = 1.0
        out.append(Delta)
    return out


def _left_free(likelihood: LeastSquares, together: Sequence[str]) -> list[np.ndarray]:
    """Which moments of each group the independence model leaves free."""
    joint = np.array([name in together for name in likelihood.responses])
    row, column = np.tril_indices(len(joint))
    out = []
    for V in likelihood.weights:
        free = np.ones(len(V), dtype=bool)
        free[: len(row)] = (row == column) | (joint[row] & joint[column])
        out.append(free)
    return out
