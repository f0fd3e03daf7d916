"""Is the model identified? The rank of the top-level units' scores at a random point.

With S the matrix of the units' scores, its columns scaled to length one, a combination v of the parameters about which
the data say nothing has Sv = 0. Quadrature makes that a small number that shrinks as points are added (a rotation of
factors: 3e-5 with 9 points, 7e-7 with 15), whereas a weakly identified combination keeps its singular value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from semgllamm.estimation.ascent import Likelihood
from semgllamm.estimation.information import NullDirection

__all__ = ["Identification", "identification"]

LIMIT = 1e-4  # singular values below it are suspect
ROUNDING = 1e-6  # and below this, a standard error a million times the conditional one, need no confirmation
SHRINKS = 0.5
DRAWS = 20


@dataclass(frozen=True, slots=True)
class Identification:
    """What the scores say of identification.

    Parameters
    ----------
    checked : bool
        False when there are fewer distinct units than parameters, or no point near the start values is possible: the
        scores then tell nothing, and the information at the estimates has to.
    directions : tuple of NullDirection
        Combinations of parameters that are not identified.
    singular_values : numpy.ndarray
        Of the scaled scores, the largest first.
    """

    checked: bool
    directions: tuple[NullDirection, ...]
    singular_values: np.ndarray


def identification(
    likelihood: Likelihood, near: np.ndarray, points: int = 15, confirm: int = 21, seed: int = 20040514,
    scores: Callable[[np.ndarray, tuple[int, ...]], np.ndarray] | None = None,
) -> Identification:  # fmt: skip
    """Look for combinations of parameters about which the units' scores say nothing.

    Parameters
    ----------
    likelihood : Likelihood
    near : numpy.ndarray
        Start values; the point is drawn around them, away from the zeros and equalities that start values have.
    points, confirm : int
        Quadrature points at every level, and those that confirm a suspect.
    seed : int
        Of the random point.
    scores : callable, optional
        Scores of units, if not those of `likelihood.unit_scores`.

    Returns
    -------
    Identification
    """
    unknown = Identification(False, (), np.array([]))
    rule = (points,) * len(likelihood.levels)
    unit_scores = scores or likelihood.unit_scores
    rng = np.random.default_rng(seed)
    found = _scores_at_a_random_point(likelihood, unit_scores, np.asarray(near, dtype=float), rule, rng)
    if found is None:
        return unknown
    free, found_scores = found
    if len(found_scores) < likelihood.n_free:
        return unknown
    values, vectors, scale = _spectrum(found_scores)
    suspects = [k for k, value in enumerate(values) if value < LIMIT]
    if suspects and rule and max(values[k] for k in suspects) > ROUNDING:
        finer = unit_scores(free, (confirm,) * len(rule)) / scale
        again = np.linalg.norm(finer @ vectors.T, axis=0)
        suspects = [k for k in suspects if values[k] <= ROUNDING or again[k] < SHRINKS * values[k]]
    directions = tuple(NullDirection.of(vectors[k], likelihood.names, values[k]) for k in suspects)
    return Identification(True, directions, values)


def _spectrum(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Singular values and right vectors (rows) of the scores with columns of length one; and the lengths."""
    length = np.linalg.norm(scores, axis=0)
    scale = np.where(length > 0, length, 1.0)
    _, values, vectors = np.linalg.svd(scores / scale, full_matrices=False)
    return values, vectors, scale


def _scores_at_a_random_point(likelihood, unit_scores, near, rule, rng):
    """Parameters around `near` at which the scores are finite; ever closer to it where draws are impossible."""
    spread = 0.3
    for _ in range(DRAWS):
        wobble = spread * rng.uniform(-1, 1, near.size)
        free = near + np.maximum(1.0, np.abs(near)) * wobble
        free = np.where(likelihood.signed, np.maximum(0.5, np.abs(near)) * (1 + wobble), free)
        if np.isfinite(likelihood.value(free, rule)):
            scores = unit_scores(free, rule)
            if np.isfinite(scores).all():
                return free, scores
        spread *= 0.7
    return None
