"""From a likelihood to all that a fit reports of it: the maximum, the points, the information, and what went wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.estimation.automatic import estimate
from semgllamm.estimation.information import covariance
from semgllamm.estimation.likelihood import Likelihood
from semgllamm.estimation.settings import Adaptive, Ordinary, Settings
from semgllamm.estimation.start import start_values

__all__ = ["maximum_likelihood"]


def maximum_likelihood(
    likelihood: Likelihood, diagram: PathDiagram, rule: Adaptive | Ordinary, settings: Settings, progress=None
) -> dict[str, Any]:
    """Maximise, choose the points if they are free, and invert the information.

    Returns
    -------
    dict
        The arguments of `Fit` that estimation supplies.
    """
    start = start_values(likelihood.predictor, diagram)
    points = (1,) * len(likelihood.levels) if likelihood.exact else rule.points
    solution = estimate(likelihood, start, points, settings, progress)
    optimum, error = solution.optimum, solution.error
    convergence = optimum.convergence
    problems = [] if convergence.converged else [convergence.message]
    notes: list[str] = []
    vcov, kind = None, ""
    if solution.information is not None:
        trusted = bool(error is not None and error.met and optimum.by_louis)
        kind = "Observed (Louis)" if trusted else "Observed (differences of the score)"
        vcov, null = covariance(solution.information, likelihood.names, convergence.boundary, likelihood.blocks)
        if null:
            vcov = None
            problems += [f"the information matrix cannot be inverted (is the model identified?): {d}" for d in null]
    for name in convergence.boundary:
        notes.append(f"{name} is on the boundary (zero variance): its standard error is withheld")
    if likelihood.levels and _top_units(likelihood) < likelihood.n_free:
        notes.append(
            f"there are fewer independent units ({_top_units(likelihood)}) than parameters ({likelihood.n_free})"
        )
    return {
        "convergence": convergence, "free": np.asarray(optimum.free), "points": optimum.points,
        "information": solution.information, "vcov_free": vcov, "information_kind": kind, "problems": problems,
        "boundary": convergence.boundary,
        "method": _method(likelihood, optimum.points),
        "quadrature_error": None if error is None or likelihood.exact else (error.estimates, error.loglik),
        "notes": notes,
    }  # fmt: skip


def _method(likelihood: Likelihood, points: tuple[int, ...]) -> str:
    if not likelihood.levels:
        return "closed form (no latent variables)"
    if likelihood.exact:
        return "exact (Gaussian responses)"
    if likelihood.ordinary:
        return "ordinary quadrature"
    return "Laplace approximation" if all(k == 1 for k in points) else "adaptive quadrature"


def _top_units(likelihood: Likelihood) -> int:
    """Units of the highest level with latent variables."""
    predictor = likelihood.predictor
    highest = max(predictor.model.eta_level[k] for k in predictor.tree.order)
    return predictor.design.unit_counts[highest]
