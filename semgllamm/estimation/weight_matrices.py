"""Weight matrices of moments, and what sampling makes of them.

The moments of a group are s = (vech S_yy, vec S_yx, ȳ), those of the covariates x taken as they are. With Γ the
covariance matrix of √n s and V a weight matrix,

    V_GLS: ½D'(W ⊗ W)D with W the inverse of S or Σ, and W_yy for the means   (Browne 1974),
    V_WLS: Γ̂⁻¹, Γ̂ = mean of (s_i − s)(s_i − s)', s_i the products of row i    (Browne 1984),
    V_ULS: 1 for each moment.
"""

from __future__ import annotations

import numpy as np

from semgllamm.estimation.gaussian import Sample
from semgllamm.integration.gaussian import Moments

__all__ = ["asymptotic_covariance", "joint_covariance", "normal_weight", "sample_moments"]


def sample_moments(moments: Moments) -> np.ndarray:
    """s of complete data, its means less `shift_y`."""
    m = moments.xx.shape[1] - moments.has_means
    p = moments.yy.shape[1]
    parts = [moments.yy[0][np.tril_indices(p)], moments.yx[0, :, :m].ravel()]
    if moments.has_means:
        parts.append(np.zeros(p))
    return np.concatenate(parts)


def joint_covariance(implied: np.ndarray, moments: Moments) -> np.ndarray:
    """The covariance matrix of (y, x) whose part with y is `implied` and whose part of x is observed."""
    m = moments.xx.shape[1] - moments.has_means
    p = moments.yy.shape[1]
    out = np.zeros((p + m, p + m))
    row, column = np.tril_indices(p)
    out[row, column] = out[column, row] = implied[: len(row)]
    out[:p, p:] = implied[len(row) : len(row) + p * m].reshape(p, m)
    out[p:, :p] = out[:p, p:].T
    out[p:, p:] = moments.xx[0, :m, :m]
    return out


def normal_weight(covariance: np.ndarray, p: int, has_means: bool) -> np.ndarray:
    """V_GLS at a covariance matrix of (y, x), y the first p."""
    W = np.linalg.inv(covariance)
    row, column = np.tril_indices(p)
    row = np.concatenate([row, np.repeat(np.arange(p), len(W) - p)])
    column = np.concatenate([column, np.tile(np.arange(p, len(W)), p)])
    kappa = np.where(row == column, 0.5, 1.0)
    straight, crossed = W[np.ix_(row, row)] * W[np.ix_(column, column)], W[np.ix_(row, column)]
    V = np.outer(kappa, kappa) * (straight + crossed * crossed.T)
    if not has_means:
        return V
    out = np.zeros((len(V) + p, len(V) + p))
    out[: len(V), : len(V)] = V
    out[len(V) :, len(V) :] = W[:p, :p]
    return out


def asymptotic_covariance(sample: Sample) -> np.ndarray:
    """Γ̂ of complete rows; of what the covariates leave over, as they are fixed."""
    p, has_means = sample.y.shape[1], sample.moments.has_means
    x = sample.x[:, :-1] if has_means else sample.x
    y, x = sample.y - sample.y.mean(axis=0), x - x.mean(axis=0)
    fitted = x @ np.linalg.lstsq(x, y, rcond=None)[0] if x.shape[1] else np.zeros_like(y)
    left = y - fitted
    row, column = np.tril_indices(p)
    parts = [y[:, row] * y[:, column] - fitted[:, row] * fitted[:, column]]
    parts.append((left[:, :, None] * x[:, None, :]).reshape(len(y), -1))
    if has_means:
        parts.append(left)
    Z = np.concatenate(parts, axis=1)
    Z -= Z.mean(axis=0)
    return Z.T @ Z / len(Z)
