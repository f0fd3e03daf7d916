"""The log-likelihood of each independent unit, log L = Σ_j log L_j, every constant included.

Gaussian models in closed form are evaluated by the recursion, which is exact for them.
"""

from __future__ import annotations

import numpy as np

from semgllamm.errors import EstimationError, ModelError
from semgllamm.estimation.gaussian import GaussianLikelihood
from semgllamm.estimation.inner_classes import InnerClasses, refused
from semgllamm.estimation.least_squares import LeastSquares
from semgllamm.estimation.likelihood import Likelihood
from semgllamm.estimation.mixture import MixtureLikelihood
from semgllamm.estimation.predictor import Predictor, plan_tree
from semgllamm.integration.arrays import FIRST
from semgllamm.model.transforms import working_parameters

__all__ = ["unit_logliks"]

ROUNDING = 1e-6  # of the sum of the units


def unit_logliks(likelihood, free: np.ndarray, points: tuple[int, ...], level: int) -> np.ndarray:
    """log L_j of the units of a level, (units,), none of which depend on each other.

    Raises
    ------
    ModelError
        For least squares, weights, models with @unseen or without means, and responses that cause each other.
    EstimationError
        If the units do not add up to log L.
    """
    design = likelihood.design
    if design.weights:
        raise ModelError("log-likelihoods of single units are not available with weights")
    if isinstance(likelihood, InnerClasses):
        raise refused(likelihood, "log-likelihoods of single units are")
    total = likelihood.value(free, points)
    if isinstance(likelihood, GaussianLikelihood):
        likelihood, free, points = _by_recursion(likelihood, free)
    if isinstance(likelihood, MixtureLikelihood):
        _, members = likelihood.members(free, points)
        own = members.loglik[likelihood.kept_of(len(likelihood.heights) - 1)]
    elif likelihood.shared:
        own = likelihood._sweep(free, points, "value")[1].F[likelihood.unit_of_row]
    elif type(likelihood) is Likelihood:
        own = _of_roots(likelihood, free, points)
    else:
        raise ModelError("log-likelihoods of single units are not available with @unseen yet")
    out = np.zeros(len(design.first_row[level]))
    np.add.at(out, design.codes[level][design.first_row[likelihood.unit_level]], own)
    for block in design.blocks:
        np.add.at(out, design.codes[level][block.rows], block.constant)
    if abs(out.sum() - total) > ROUNDING * max(1.0, abs(total)):
        raise EstimationError("the log-likelihoods of the units do not add up to that of the fit")
    return out


def _of_roots(likelihood: Likelihood, free: np.ndarray, points: tuple[int, ...]) -> np.ndarray:
    """Those of the units of the highest level with latent variables, without constants."""
    old = likelihood.predictor
    # each unit a root of its own, whether it has latent variables or not
    predictor = Predictor(old._whole, old.working, old.tree, old.design, False, old.highest)
    if predictor.feedback:
        raise ModelError("log-likelihoods of single units are not available where responses cause each other")
    state = predictor.at(predictor.working.inner(np.asarray(free, dtype=float)))
    program = predictor.program
    found = program.evaluate(state.lin, state.D, predictor.rules(points), ordinary=likelihood.ordinary)
    unit = predictor._unit_of_cells()
    out = np.zeros(len(predictor.design.first_row[predictor.highest]))
    np.add.at(out, unit[program.tree[program.roots, FIRST]], found.roots_loglik)
    for (_, _, at, _), (L, *_) in zip(predictor.whitening, state.whitening or ()):
        np.add.at(out, unit[at[:, 0]], -predictor.share_of_cells[at[:, 0]] * np.log(np.diag(L)).sum())
    return out


def _by_recursion(likelihood: GaussianLikelihood, free: np.ndarray):
    """The engine's likelihood of a Gaussian model, and its parameters and points."""
    if isinstance(likelihood, LeastSquares):
        raise ModelError("least squares have no likelihood", remedy="Use estimator='ML'.")
    if not likelihood.has_means:
        raise ModelError("log-likelihoods of single units need means", remedy="Use meanstructure=True.")
    model, design = likelihood.model, likelihood.design
    tree = plan_tree(model, design)
    working = working_parameters(model, tuple(model.eta[k] for k in tree.order), None)
    found = Likelihood(Predictor(model, working, tree, design))
    inner = working.inner_from_cells(likelihood.working.inner(np.asarray(free, dtype=float)))
    return found, working.free_from_inner(inner), (1,) * len(found.levels)
