"""The log-likelihood of Gaussian responses from the model's definition: the multivariate normal density of all the
observed responses of a top-level unit, from their means and covariances given the covariates."""

import numpy as np
from scipy import stats


def log_density(y, mean, covariance) -> float:
    """Missing responses are marginalised: their rows and columns are left out."""
    y = np.asarray(y, dtype=float)
    seen = ~np.isnan(y)
    if not seen.any():
        return 0.0
    return float(stats.multivariate_normal.logpdf(y[seen], np.asarray(mean)[seen], covariance[np.ix_(seen, seen)]))


def structural(B, Psi):
    """(A, AΨA') with A = (I − B)⁻¹: total effects, and covariances of latent variables given covariates."""
    A = np.linalg.inv(np.eye(len(B)) - B)
    return A, A @ Psi @ A.T
