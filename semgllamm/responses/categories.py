"""The distribution of a category's code 0, 1, … from the probabilities of the categories."""

from __future__ import annotations

import numpy as np

__all__ = ["Categories"]


class Categories:
    """Mean, variance, probabilities and distribution function, as those of SciPy's distributions.

    Parameters
    ----------
    p : (..., K) array
    """

    def __init__(self, p: np.ndarray):
        self.p = np.asarray(p, dtype=float)

    def mean(self) -> np.ndarray:
        return self.p @ np.arange(self.p.shape[-1])

    def var(self) -> np.ndarray:
        codes = np.arange(self.p.shape[-1])
        return np.maximum(self.p @ codes**2 - self.mean() ** 2, 0.0)

    def cdf(self, y: np.ndarray) -> np.ndarray:
        """P(Y ≤ y); y broadcasts against the leading axes of p."""
        at_most = np.arange(self.p.shape[-1]) <= np.asarray(y, dtype=float)[..., None]
        return np.minimum((self.p * at_most).sum(axis=-1), 1.0)

    def pmf(self, y: np.ndarray) -> np.ndarray:
        """P(Y = y)."""
        return (self.p * (np.arange(self.p.shape[-1]) == np.asarray(y, dtype=float)[..., None])).sum(axis=-1)
