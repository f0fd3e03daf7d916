"""Expectations given latent variables, averaged over categorical ones:

    E h(ν) = Σ_c w_c E[h(ν) | c],        var = Σ_c w_c {var[h(ν) | c] + (E[h(ν) | c] − E h(ν))²},

the law of total variance. The weights of the classes of a row are, from the highest level down, products of

    p(k | h', y)    of units of the fit given the data,
    π(k | h')       of new units, and of those of levels over whose population is averaged,

k a unit's class and h' those above it; where some classes are chosen, they are scaled up to add up to one among the
combinations that have these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from semgllamm.data.design import Design
from semgllamm.errors import ModelError
from semgllamm.estimation.conditional import Answer, Engine, Over, expectation
from semgllamm.estimation.membership import Membership
from semgllamm.integration.posterior_points import PosteriorPoints

__all__ = ["averaged_over_classes", "pattern_weights"]


def pattern_weights(
    engine: Engine, free: np.ndarray, design: Design, unit: tuple[np.ndarray, ...], given: frozenset[int],
    chosen: Mapping[int, int],
) -> np.ndarray:  # fmt: skip
    """The weights of the patterns of classes in each row of a target, (rows, patterns).

    Parameters
    ----------
    engine : Engine
        Of a model with classes outside its integrals.
    free : (n_free,) array
    design : Design
        Of the target, each row a unit of every level.
    unit : tuple of (rows,) int arrays
        The fitted unit of each row at each level, −1 for new ones.
    given : frozenset of int
        Levels whose units of the fit have their posterior probabilities.
    chosen : mapping of int to int
        The class of some categorical latent variables, by number.

    Raises
    ------
    ModelError
        Where the parameters leave the model without a density.
    """
    likelihood, model = engine.mixture, engine.predictor.model
    try:
        _, members = likelihood.members(free, engine.mixture_points)
    except np.linalg.LinAlgError as failure:
        raise ModelError("the classes have no posterior probabilities at these parameters") from failure
    inner = likelihood.working.inner(np.asarray(free, dtype=float))
    w = np.ones((design.n_rows, 1))
    for a in reversed(range(len(likelihood.heights))):
        level, here = likelihood.heights[a], likelihood.mixing.levels[a]
        membership = Membership(model, design, level, likelihood.class_of[a], np.arange(design.n_rows))
        p = np.exp(membership.unknown_log_probabilities(inner))
        seen = unit[level] >= 0
        if level in given and seen.any():
            p[seen] = members.shares[a][likelihood.kept_of(a)[unit[level][seen]]]
        w = np.repeat(w, here.own, axis=1) * p
    w = w[:, likelihood.pattern_classes]
    if not chosen:
        return w
    patterns = np.array(model.patterns)
    same = np.all([patterns[:, v] == k for v, k in chosen.items()], axis=0)
    if same.sum() == 1:
        # whatever its probability
        return np.broadcast_to(same.astype(float), w.shape)
    w = w * same
    total = w.sum(axis=1, keepdims=True)
    if (total <= 0).any():
        row = int(np.argmax(total[:, 0] <= 0))
        raise ModelError(f"row {row + 1} cannot be in the class that was chosen, and its other classes are not known",
                         remedy="Choose the classes of all categorical latent variables.")
    return w / total


def averaged_over_classes(
    engine: Engine, answers: tuple[Answer, ...], unit: tuple[np.ndarray, ...], posterior: PosteriorPoints | None,
    over: Over, h: Callable, weights: np.ndarray | None, spread: bool = False,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Mean and variance of h(ν) as `expectation` has them, over the patterns of classes.

    Parameters
    ----------
    engine : Engine
    answers : tuple of Answer
        The same answers in every pattern.
    unit : tuple of int arrays
        Of the rows of all patterns (`Engine.units`).
    posterior, over, h
        As for `expectation`.
    weights : (rows, patterns) array, optional
        None without classes.
    spread : bool
        Whether the variance has the part between classes.

    Returns
    -------
    mean, variance : (n, K) arrays
    """
    found = [expectation(engine, answer, unit, posterior, over, h) for answer in answers]
    if weights is None:
        return found[0]
    w = weights[answers[0].rows[:, 0]].T[:, :, None]
    means, variances = (np.stack(part) for part in zip(*found))
    mean, variance = (w * means).sum(axis=0), (w * variances).sum(axis=0)
    if spread:
        variance = variance + (w * (means - mean) ** 2).sum(axis=0)
    return mean, variance
