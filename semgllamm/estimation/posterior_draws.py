"""Coordinates of latent variables drawn from their posterior, by its means and covariances along each path.

    u_n | ancestors a  ~  N(E u_n + c'C⁻¹(a − E a),  var u_n − c'C⁻¹c),      C = cov(a | y),  c = cov(a, u_n | y)

This is exact for Gaussian models. With classes those of a unit are drawn first, from p(k | h', y) downwards, and then
the coordinates given these.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from semgllamm.estimation.conditional import Engine
from semgllamm.estimation.drawing import drawn_patterns
from semgllamm.estimation.mixture import MixtureLikelihood
from semgllamm.integration.posterior_points import PosteriorPoints

__all__ = ["coordinates_drawn", "posterior_patterns"]

ROUNDING = 1e-12


def coordinates_drawn(
    engine: Engine, inner: np.ndarray, rng: np.random.Generator, posterior: PosteriorPoints | None = None
) -> dict[int, np.ndarray]:
    """Coordinates of all units by latent variable (its place in ``eta``), each a (units,) array.

    Parameters
    ----------
    posterior : PosteriorPoints, optional
        That of these parameters, if it is known.

    Raises
    ------
    ModelError
        Where the parameters leave the model without a density.
    """
    predictor = engine.predictor
    program, model = predictor.program, predictor.model
    posterior = posterior or engine.posterior(inner)
    out: dict[int, np.ndarray] = {}
    of_unit: dict[int, np.ndarray] = {}
    for k in predictor.tree.order:
        path = predictor.tree.path(k)
        rows = predictor.node_rows[k]
        node = program.representative[predictor.node_start[k] + np.arange(len(rows))]
        drawn = np.empty(len(rows))
        above = [out[a][of_unit[a][rows]] for a in path[:-1]]
        for lo in range(0, len(rows), 1000):
            part = slice(lo, lo + 1000)
            w, u = posterior.path(node[part])
            mean = np.einsum("ns,ans->na", w, u)
            e = u - mean.T[:, :, None]
            covariance = np.einsum("ns,ans,bns->nab", w, e, e)
            center, variance = mean[:, -1], covariance[:, -1, -1]
            if above:
                a = np.stack([x[part] for x in above], axis=1)
                C = covariance[:, :-1, :-1] + ROUNDING * np.eye(len(above))
                slope = np.linalg.solve(C, covariance[:, :-1, -1:])[..., 0]
                center = center + (slope * (a - mean[:, :-1])).sum(axis=1)
                variance = variance - (slope * covariance[:, :-1, -1]).sum(axis=1)
            drawn[part] = center + np.sqrt(np.maximum(variance, 0.0)) * rng.standard_normal(len(center))
        out[k] = drawn
        of_unit[k] = predictor.design.codes[model.eta_level[k]]
    return out



def posterior_patterns(
    likelihood: MixtureLikelihood, free: np.ndarray, points: tuple[int, ...]
) -> Callable[[np.random.Generator], np.ndarray]:
    """A function of the generator that draws the pattern of classes of each row given all answers, (rows,).

    Parameters
    ----------
    likelihood : MixtureLikelihood
        One in which identical units are kept apart.
    free : (n_free,) array
    points : tuple of int
        Of each class of rules.
    """
    _, members = likelihood.members(free, points)
    return lambda rng: drawn_patterns(likelihood, free, rng, members.shares)
