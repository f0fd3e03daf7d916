"""Likelihood ratios of samples drawn from a model with fewer classes.

2 (log L₁ − log L₀) has no χ² distribution where L₁ has more classes: L₀ is L₁ at a boundary, where parameters of the
class that is not there are not identified. Its distribution is that in samples of the smaller model (McLachlan 1987),
each of which is fitted by the smaller model from its estimates, and by the larger from several starts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from semgllamm.data.design import Design
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.errors import DataError, EstimationError, ModelError
from semgllamm.estimation.drawing import answered_by, simulated
from semgllamm.estimation.mixture_search import search
from semgllamm.estimation.resampling import Refit, over_seeds
from semgllamm.estimation.settings import Settings

__all__ = ["ratios_of_classes"]

ATTEMPTS = 3  # at a maximum of the larger model that is not below that of the smaller
SHORT = 1e-3


@dataclass(frozen=True)
class ClassPair:
    """Two models of the same rows, the first of which draws the samples."""

    small: Refit
    large: Refit
    diagram: PathDiagram
    n_starts: int

    def many(self, seeds: list[np.random.SeedSequence]) -> list[tuple[np.ndarray, float]]:
        source = self.small.likelihood(self.small.design, collapse=False)
        return [self._one(seed, source) for seed in seeds]

    def _one(self, seed: np.random.SeedSequence, source) -> tuple[np.ndarray, float]:
        rng = np.random.default_rng(seed)
        drawn = simulated(source, self.small.free, rng)
        try:
            low = self.small.fitted(drawn)[1]
            if not np.isfinite(low):
                return np.full(1, np.nan), np.nan
            likelihood = self.large.likelihood(_answers_of(drawn, self.large))
            for _ in range(ATTEMPTS):
                settings = Settings(threads=1, seed=int(rng.integers(2**31)))
                points = self.large.points or (1,) * len(likelihood.levels)
                high = search(likelihood, self.diagram, settings, self.n_starts, points)[1].loglik[0]
                if high > low - SHORT:
                    return np.zeros(1), 2 * (high - low)
        except (EstimationError, ModelError, DataError, np.linalg.LinAlgError):
            pass
        return np.full(1, np.nan), np.nan


def _answers_of(drawn: Design, large: Refit) -> Design:
    """The larger model's design with the answers that were drawn."""
    if not np.array_equal(drawn.kept, large.design.kept):
        return answered_by(drawn, large.design, large.model, large.tree is None)
    blocks = tuple(replace(b, response=large.model.response(b.response.name)) for b in drawn.blocks)
    return replace(large.design, blocks=blocks)


def ratios_of_classes(
    small: Refit, large: Refit, diagram: PathDiagram, n: int, n_starts: int, seed=None, workers: int | None = None
) -> np.ndarray:
    """2 (log L₁ − log L₀) of `n` samples of the smaller model, (n,); NaN where a fit failed.

    Parameters
    ----------
    small, large : Refit
        Of the same rows and responses; the larger is a mixture.
    diagram : PathDiagram
        Of the larger model.
    n_starts : int
        Of the larger model, in each sample.
    """
    pair = ClassPair(small, large, diagram, n_starts)
    return np.array([statistic for _, statistic in over_seeds(pair, n, seed, workers, None)])
