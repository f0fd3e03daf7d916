"""The information J = −∂²log L/∂ϑ∂ϑ' of the working parameters ϑ: its spectrum, its inverse, and what is missing.

Parameters have different units, so J is scaled before its eigenvalues are taken,

    J = D V diag(λ) V' D,   D_ii = |J_ii|^½   (in a Cholesky factor the largest of its row, which shares the unit),
    Newton's step  Δ = D⁻¹ V diag(1/max(|λ|, ε)) V' D⁻¹ g,   decrement g'Δ,   SE_i² = [D⁻¹ V diag(1/|λ|) V' D⁻¹]_ii.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Curvature", "NullDirection", "covariance", "differences", "louis_points", "observed"]

SINGULAR = 1e-7  # a scaled eigenvalue below it is none: the standard error would be 3000 times the conditional one
FLOOR = 1e-8  # ε, the least curvature that a step relies on
LOADS = 0.1  # a parameter is named when its loading on a null vector is this large, relative to the largest


@dataclass(frozen=True, slots=True)
class NullDirection:
    """A combination of parameters about which the data say nothing, or at which the log-likelihood curves upwards.

    Parameters
    ----------
    names : tuple of str
        The parameters that load on it, the largest loading first.
    loadings : tuple of float
        Their loadings in the parameters' own units of information, the largest 1.
    value : float
        The scaled eigenvalue or singular value.
    """

    names: tuple[str, ...]
    loadings: tuple[float, ...]
    value: float

    @classmethod
    def of(cls, vector: np.ndarray, names: Sequence[str], value: float) -> NullDirection:
        """Name what loads on `vector`."""
        size = np.abs(vector)
        order = [i for i in np.argsort(-size, kind="stable") if size[i] >= LOADS * size.max()]
        sign = vector[order[0]]
        return cls(tuple(names[i] for i in order), tuple(float(vector[i] / sign) for i in order), float(value))

    def __str__(self) -> str:
        listed = ", ".join(self.names)
        if self.value < -SINGULAR:
            return f"the log-likelihood is no maximum in {listed} (scaled curvature {-self.value:.1e})"
        what = "is not identified" if len(self.names) == 1 else "are not identified separately"
        return f"{listed} {what} (scaled information {self.value:.1e})"


class Curvature:
    """The spectrum of a scaled information matrix, or its inverse alone as long as that will do.

    Parameters
    ----------
    information : (p, p) array
    blocks : sequence of numpy.ndarray
        The Cholesky factors among the parameters (positions, −1 for none).

    Attributes
    ----------
    scale : (p,) array
        D_ii.
    """

    def __init__(self, information: np.ndarray, blocks: Sequence[np.ndarray] = ()):
        diagonal = np.abs(np.diag(information))
        for block in blocks:
            for row in block:
                cells = row[row >= 0]
                if cells.size:
                    diagonal[cells] = diagonal[cells].max()
        self.scale = np.sqrt(np.where(diagonal > np.finfo(float).tiny, diagonal, 1.0))
        self._scaled = information / np.outer(self.scale, self.scale)

    @cached_property
    def _spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        return np.linalg.eigh(self._scaled)

    @property
    def values(self) -> np.ndarray:
        """λ, ascending."""
        return self._spectrum[0]

    @property
    def vectors(self) -> np.ndarray:
        return self._spectrum[1]

    @cached_property
    def _inverse(self) -> np.ndarray | None:
        """The inverse of the scaled matrix where it is regular beyond doubt: with traces t and t' of a positive
        definite matrix and its inverse, λ_min ≥ 1/t' and λ_max ≤ t."""
        try:
            np.linalg.cholesky(self._scaled)  # or it is not positive definite
            inverse = np.linalg.inv(self._scaled)
        except np.linalg.LinAlgError:
            return None
        inverse = 0.5 * (inverse + inverse.T)
        # of a matrix that is singular but for rounding the inverse may be anything, its diagonal below zero too
        regular = np.diag(inverse).min(initial=np.inf) > 0
        return inverse if regular and np.trace(inverse) * np.trace(self._scaled) < 1 / SINGULAR else None

    @property
    def _sizes(self) -> np.ndarray:
        size = np.abs(self.values)
        return np.maximum(size, FLOOR * max(size.max(initial=0.0), np.finfo(float).tiny))

    def solve(self, gradient: np.ndarray, damping: float = 0.0) -> np.ndarray:
        """(|J| + μD²)⁻¹g, uphill whatever the signs of λ, with a damping of μ."""
        if not damping and self._inverse is not None:
            return self._inverse @ (gradient / self.scale) / self.scale
        return self.vectors @ (self.vectors.T @ (gradient / self.scale) / (self._sizes + damping)) / self.scale

    @cached_property
    def variances(self) -> np.ndarray:
        """Diagonal of |J|⁻¹."""
        if self._inverse is not None:
            return np.diag(self._inverse) / self.scale**2
        return (self.vectors**2 / self._sizes).sum(axis=1) / self.scale**2

    def inverse(self, floor: float = FLOOR) -> np.ndarray:
        """|J|⁻¹, eigenvalues below `floor` times the largest raised to that."""
        if floor <= SINGULAR and self._inverse is not None:
            return self._inverse / np.outer(self.scale, self.scale)
        sizes = np.maximum(self._sizes, floor * self._sizes.max(initial=0.0))
        half = self.vectors / np.sqrt(sizes) / self.scale[:, None]
        return half @ half.T

    def below(self, bound: float) -> np.ndarray:
        """Which λ are below `bound`, a number less than or equal to zero."""
        return np.zeros(0, dtype=int) if self._inverse is not None else np.flatnonzero(self.values < bound)

    @property
    def singular(self) -> np.ndarray:
        """Which λ are none, or negative."""
        if self._inverse is not None:
            return np.zeros(0, dtype=int)
        return np.flatnonzero(self.values < SINGULAR * self.values[-1])

    def direction(self, k: int) -> np.ndarray:
        """Eigenvector k in the parameters' units, D⁻¹V_k."""
        return self.vectors[:, k] / self.scale


def differences(
    gradient: Callable[[np.ndarray], np.ndarray], free: np.ndarray, steps: np.ndarray | None = None
) -> np.ndarray:
    """J from central differences of the total score, symmetrised, over `steps` or h = 1e-4 max(1, |ϑ|)."""
    p = free.size
    J = np.empty((p, p))
    h = 1e-4 * np.maximum(1.0, np.abs(free)) if steps is None else steps
    for i in range(p):
        up, down = free.copy(), free.copy()
        up[i] += h[i]
        down[i] -= h[i]
        J[i] = (gradient(down) - gradient(up)) / (up[i] - down[i])
    return (J + J.T) / 2


def louis_points(likelihood, points: tuple[int, ...]) -> tuple[int, ...]:
    """Points for Louis' information: of Gaussian responses log L is exact with one, products of scores with three."""
    return tuple(max(k, 3) for k in points) if likelihood.exact else points


def observed(likelihood, free: np.ndarray, points: tuple[int, ...], met: bool) -> np.ndarray:
    """The observed information at `free`.

    Parameters
    ----------
    likelihood : Likelihood
        What is differentiated.
    free : numpy.ndarray
        Working parameters.
    points : tuple of int
        Points a level, the lowest first.
    met : bool
        Whether these points meet the target of the automatic rule. If so this is Louis' information, which is as good
        as the posterior distribution that the points represent; otherwise central differences of the total score.

    Returns
    -------
    numpy.ndarray
    """
    if met and likelihood.has_louis:
        return likelihood.louis(free, louis_points(likelihood, points))[2]
    return differences(lambda at: likelihood.score(at, points)[1], free)


def covariance(
    information: np.ndarray,
    names: Sequence[str],
    boundary: Sequence[str] = (),
    blocks: Sequence[np.ndarray] = (),
    normals: np.ndarray | None = None,
) -> tuple[np.ndarray, tuple[NullDirection, ...]]:
    """Invert the information, or say why it cannot be.

    Parameters
    ----------
    information : numpy.ndarray
        Observed information.
    names : sequence of str
        Working parameters.
    boundary : sequence of str
        Those on the boundary. The cross terms with the others vanish, so these keep their standard errors; their own
        rows and columns are NaN.
    blocks : sequence of numpy.ndarray
        Cholesky factors among the parameters.
    normals : (p, m) array, optional
        Orthonormal directions that leave the boundary, none of them in `boundary`; the covariance is that within it.

    Returns
    -------
    vcov : numpy.ndarray
        All NaN when the information is singular or indefinite.
    problems : tuple of NullDirection
        What loads on the null vectors and on those where the log-likelihood curves upwards.
    """
    vcov = np.full(information.shape, np.nan)
    inside = [i for i, name in enumerate(names) if name not in boundary]
    if not inside:
        return vcov, ()
    kept = [names[i] for i in inside]
    if not np.isfinite(information).all():
        bad = [i for i in inside if not np.isfinite(information[i]).all()]
        return vcov, tuple(NullDirection((names[i],), (1.0,), 0.0) for i in bad)
    place = {old: new for new, old in enumerate(inside)}
    shrunk = [np.array([[place.get(cell, -1) for cell in row] for row in block], dtype=int) for block in blocks]
    information = information[np.ix_(inside, inside)]
    within = None
    if normals is not None and normals.size:
        N = normals[inside]
        within = np.eye(len(inside)) - N @ N.T
        # as much information across the boundary as there is along it, so that only what is within can be singular
        information = within @ information @ within + np.abs(np.diag(information)).max() * N @ N.T
    curvature = Curvature(information, shrunk)
    problems = tuple(
        NullDirection.of(curvature.vectors[:, k], kept, curvature.values[k]) for k in curvature.singular
    )
    if not problems:
        inverse = curvature.inverse()
        vcov[np.ix_(inside, inside)] = inverse if within is None else within @ inverse @ within
    return vcov, problems
