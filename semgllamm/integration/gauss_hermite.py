"""Gauss–Hermite rules for a standard normal latent variable.

    ∫ φ(u) g(u) du = ∫ φ(m + T z) T g(m + T z) dz ≈ Σ_k exp(LW_k + log T − u_k²/2) g(u_k),   u_k = m + T z_k,

with LW_k = log W_k + z_k²/2 − ½ log 2π and (z_k, W_k) the rule of the weight exp(−z²/2). With m = 0 and T = 1
this is the ordinary rule, with the mode and curvature of the integrand the adaptive one (Liu & Pierce 1994).
"""

from __future__ import annotations

from functools import cache

import numpy as np

__all__ = ["rule", "rules"]


@cache
def rule(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes z (points,) and log weights LW (points,) of one rule."""
    z, w = np.polynomial.hermite_e.hermegauss(points)
    with np.errstate(divide="ignore"):
        return z, np.log(w) - 0.5 * np.log(2 * np.pi) + 0.5 * z * z


def rules(points: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One rule per node class, padded: number of points (C,), nodes (C, max) and log weights (C, max)."""
    counts = np.array(points, dtype=np.int64)
    nodes = np.zeros((len(points), counts.max()))
    logs = np.full((len(points), counts.max()), -np.inf)
    for row, k in enumerate(points):
        nodes[row, :k], logs[row, :k] = rule(int(k))
    return counts, nodes, logs
