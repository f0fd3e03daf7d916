"""From a likelihood to all that a fit reports of it: the maximum, the points, the information, and what went wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.estimation.admissible import improper
from semgllamm.estimation.automatic import RemainingError, estimate
from semgllamm.estimation.constrained import Restrictions, restricted
from semgllamm.estimation.covariances import Inverse, by_expectation, kind_of_errors, standard_errors
from semgllamm.estimation.gaussian import GaussianLikelihood
from semgllamm.estimation.identification import Identification, identification
from semgllamm.estimation.information import Curvature
from semgllamm.estimation.inner_classes import InnerClasses, start_of_parts
from semgllamm.estimation.least_squares import LeastSquares
from semgllamm.estimation.likelihood import Likelihood
from semgllamm.estimation.mixture import MixtureLikelihood
from semgllamm.estimation.mixture_search import search
from semgllamm.estimation.moment_start import moment_start_values
from semgllamm.estimation.normal_products import NormalProducts
from semgllamm.estimation.samples import check_model, check_samples
from semgllamm.estimation.settings import Adaptive, Grid, Ordinary, Request, Settings
from semgllamm.estimation.start import start_values
from semgllamm.estimation.vanishing import vanishing
from semgllamm.model.constraints import Constraints

__all__ = ["identification_near", "maximum_likelihood", "start_of"]

EDGE = 1e-4  # smallest eigenvalue of a correlation matrix of latent variables that is not called singular

FAR = 12.0  # a logit, and its standard error, beyond which a probability is 0 or 1

BREAKING = 0.05  # det(I − B) of feedback that breaks

N_STARTS = 20  # of a mixture

NOTABLE = 0.1  # standard errors, or units of the log-likelihood, that automatic points leave and a reader must know of

DOUBTFUL = 1e-5  # a scaled eigenvalue that is so much smaller than the largest: standard errors 300 times too large

MOST_NODES = 10_000  # a unit, to look for what is not identified


def maximum_likelihood(
    likelihood: Likelihood | GaussianLikelihood, diagram: PathDiagram, rule: Adaptive | Grid | Ordinary | None,
    settings: Settings, request: Request, progress=None, constraints: Constraints | None = None,
    begin: dict[str, float] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Maximise, choose the points if they are free, and invert the information.

    Parameters
    ----------
    likelihood : Likelihood or GaussianLikelihood
    diagram : PathDiagram
    rule : Adaptive, Grid or Ordinary, optional
        None for the closed form.
    settings : Settings
    request : Request
    progress : callable, optional
    constraints : Constraints, optional
        Of the cells, beside the linear equations that the working parameters obey.
    begin : dict of str to float, optional
        Parameters of one more start of a mixture, by name.

    Returns
    -------
    dict
        The arguments of `Fit` that estimation supplies.
    """
    closed = isinstance(likelihood, GaussianLikelihood)
    doubts = check_samples(likelihood) if closed else ()
    found = None
    if isinstance(likelihood, MixtureLikelihood) and not all(v.summed for v in likelihood.model.classes):
        n_starts = N_STARTS if request.n_starts is None else request.n_starts
        start, found = search(likelihood, diagram, settings, n_starts, rule.points, progress, begin)
    elif isinstance(likelihood, InnerClasses):
        n_starts = N_STARTS if request.n_starts is None else request.n_starts
        start, found = start_of_parts(likelihood, diagram, settings, n_starts, progress, begin)
    else:
        start = start_of(likelihood, diagram)
    if closed:
        check_model(likelihood, start)
    points = (1,) * len(likelihood.levels) if likelihood.exact else rule.points
    restrictions = None if constraints is None else Restrictions(constraints, likelihood.working)
    solution = estimate(likelihood, start, points, settings, progress, restrictions)
    optimum, error = solution.optimum, solution.error
    convergence = optimum.convergence
    problems = _singular_covariances(likelihood, optimum.free)
    if not convergence.converged:
        problems += [convergence.message, *(_breaking_feedback(likelihood, optimum.free) if closed else ())]
    notes: list[str] = []
    if found is not None:
        inside = isinstance(likelihood, InnerClasses)
        notes.append(f"without the latent variables above the classes, {found}" if inside else str(found))
    boundary, directions = convergence.boundary, None
    gone = ()
    if isinstance(likelihood, MixtureLikelihood):
        gone, held, directions = vanishing(likelihood, np.asarray(optimum.free))
        boundary = (*boundary, *held)
    invert = Inverse(
        likelihood, np.asarray(optimum.free), optimum.points, boundary, optimum.multipliers, restrictions, directions
    )
    vcov, kind = None, ""
    if solution.information is not None:
        if closed:
            kind, information = _closed_information(likelihood, optimum.free, request)
        else:
            trusted = bool(error is not None and error.met and optimum.by_louis)
            kind = "Observed (Louis)" if trusted else "Observed (differences of the score)"
            information = solution.information
        vcov, null, said = invert(information)
        notes += said
        if null:
            vcov = None
            problems += [f"the information matrix cannot be inverted (is the model identified?): {d}" for d in null]
        elif not (problems or closed or gone) and restrictions is None and _nearly_singular(likelihood, information):
            # points that do not follow the parameters make a little information of none
            problems += _not_identified(likelihood, optimum.free)
            vcov = None if problems else standard_errors(invert, vcov, request, settings.seed)
            notes += invert.notes
        elif not problems:
            vcov = standard_errors(invert, vcov, request, settings.seed)
            notes += invert.notes
    if request.chosen_information == "first.order":
        kind = "First.order"
    if isinstance(likelihood, MixtureLikelihood | InnerClasses) and vcov is not None:
        far = tuple(dict.fromkeys((*gone, *_at_infinity(likelihood, optimum.free, vcov))))
        boundary = (*boundary, *far)
        if far:
            notes.append(f"{', '.join(far)}: a probability of 0 or 1, of which the logit has no bound")
    # constraints may identify what the scores do not
    if problems and restrictions is None and convergence.iterations <= settings.iterations:
        problems = _not_identified(likelihood, optimum.free) or problems
    if _top_units(likelihood) < likelihood.n_free:
        notes.append(
            f"there are fewer independent units ({_top_units(likelihood)}) than parameters ({likelihood.n_free})"
        )
    return {
        "convergence": convergence, "free": np.asarray(optimum.free), "points": optimum.points,
        "information": solution.information, "vcov_free": vcov, "information_kind": kind,
        "se_kind": kind_of_errors(likelihood, request), "inverse": invert, "problems": problems,
        "boundary": boundary,
        "method": _method(likelihood, optimum.points),
        "quadrature_error": None if error is None or likelihood.exact else (error.estimates, error.loglik),
        "notes": notes,
        "warnings": (
            *doubts, *([] if closed or rule.points else _too_few_points(error, optimum.points)),
            *(improper(likelihood, optimum.free) if closed and not problems else ()),
        ),
        "constraints": constraints,
        "restricted": None if optimum.multipliers is None else restricted(
            restrictions, optimum.free, optimum.multipliers
        ),
    }  # fmt: skip


def start_of(likelihood: Likelihood | GaussianLikelihood, diagram: PathDiagram) -> np.ndarray:
    """Start values of the working parameters, from the data."""
    if isinstance(likelihood, GaussianLikelihood):
        return moment_start_values(likelihood, diagram)
    if likelihood.shared or isinstance(likelihood, NormalProducts):
        return likelihood.start_values(diagram)
    return start_values(likelihood.predictor, diagram)


def _closed_information(
    likelihood: GaussianLikelihood, free: np.ndarray, request: Request
) -> tuple[str, np.ndarray]:
    """Which information gives the standard errors, and the matrix."""
    expected = by_expectation(likelihood, request)
    return "Expected" if expected else "Observed", likelihood.standard(free, expected=expected)


def _too_few_points(error: RemainingError | None, points: tuple[int, ...]) -> list[str]:
    """A warning where the automatic rule ended with an error that a reader of the estimates would want to know of."""
    if error is None or max(error.estimates, abs(error.loglik)) <= NOTABLE:
        return []
    found = f"{' and '.join(map(str, points))} quadrature points are too few for this likelihood"
    if np.isfinite(error.estimates) and np.isfinite(error.loglik):
        found += f": with more, an estimate may move by about {error.estimates:.1g} standard errors"
        found += f" and the log-likelihood by about {abs(error.loglik):.1g}"
    return [f"{found}; estimates that run off to infinity, or nearly known latent variables, make it so"]


def _not_identified(likelihood: Likelihood, free: np.ndarray) -> list[str]:
    """What the scores around the estimates say of identification, where that is quickly found out."""
    found = identification_near(likelihood, free)
    return [f"the model is not identified: {d}; fix or equate some of them" for d in found.directions]


def _nearly_singular(likelihood: Likelihood, information: np.ndarray) -> bool:
    """Whether standard errors are so large that identification is in doubt."""
    values = np.abs(Curvature(information, likelihood.blocks).values)
    return bool(values.min(initial=np.inf) < DOUBTFUL * values.max(initial=0.0))


def identification_near(likelihood: Likelihood | GaussianLikelihood, free: np.ndarray) -> Identification:
    """What the scores around some parameters say of identification; unchecked where that would take long."""
    points, confirm = (1, 1) if likelihood.exact else (15, 21)
    shared = getattr(likelihood, "shared", False)
    placed_at = likelihood.placed_at if shared else None
    if shared:
        points, confirm = 31, 41  # the scores do not depend on points that resolve posteriors
        likelihood.place(free)
    if not np.isfinite(free).all() or confirm**likelihood.depth > MOST_NODES:
        return Identification(False, (), np.array([]))
    found = identification(likelihood, free, points, confirm)
    if placed_at is not None:
        likelihood.place(placed_at)
    return found


def _at_infinity(likelihood: MixtureLikelihood, free: np.ndarray, vcov: np.ndarray) -> tuple[str, ...]:
    """Parameters of probabilities of zero or one: so large that the log-likelihood does not feel them any more."""
    with np.errstate(invalid="ignore"):
        lost = getattr(likelihood, "may_be_infinite", True) & (np.abs(free) > FAR) & (np.sqrt(np.diag(vcov)) > FAR)
    return tuple(name for name, is_lost in zip(likelihood.names, lost) if is_lost)


def _singular_covariances(likelihood: Likelihood, free: np.ndarray) -> list[str]:
    """Blocks of Ψ kept in their cells (fixed or labelled ones among them) that have ended on the edge of their cone."""
    working = likelihood.working
    inner = working.inner(np.asarray(free))
    out = []
    for group in working.blocks:
        for block in group:
            if block.cholesky or block.spherical or not any(cell.is_free for cell in block.cells.values()):
                continue
            Psi = block.matrix(inner)
            scale = np.sqrt(np.maximum(np.diag(Psi), 1e-12))
            values, vectors = np.linalg.eigh(Psi / np.outer(scale, scale))
            if values[0] < EDGE:
                names = [name for name, x in zip(block.latents, vectors[:, 0]) if abs(x) > 0.1]
                out.append(
                    f"the covariance matrix of {', '.join(names)} is singular (a correlation of 1 or a variance "
                    "of 0): fewer latent variables would fit as well"
                )
    return out


def _breaking_feedback(likelihood: GaussianLikelihood, free: np.ndarray) -> list[str]:
    """Groups of variables that cause each other whose I − B is nearly singular."""
    out = []
    names = (*likelihood.responses, *likelihood.model.eta)
    inner = likelihood.working.inner(np.asarray(free))
    for graph in likelihood.graphs:
        if likelihood.times or not graph.has_feedback:
            continue
        B = graph.matrices(inner)[0]
        among = np.flatnonzero(graph.in_feedback)
        part = np.eye(among.size) - B[np.ix_(among, among)]
        left = abs(np.linalg.det(part))  # whatever the units
        if left < BREAKING:
            listed = ", ".join(names[k] for k in among)
            out.append(
                f"I - B of {listed}, which cause each other, is nearly singular (det {left:.2g}): the "
                "feedback comes to no rest; try to leave out a path or a covariance"
            )
    return out


def _method(likelihood: Likelihood | GaussianLikelihood, points: tuple[int, ...]) -> str:
    if isinstance(likelihood, LeastSquares):
        return ""
    if isinstance(likelihood, GaussianLikelihood):
        return "closed form (Gaussian responses)"
    if not likelihood.levels:
        sums = isinstance(likelihood, MixtureLikelihood)
        return "exact (sums over classes)" if sums else "closed form (no latent variables)"
    if likelihood.exact:
        return "exact (Gaussian responses)"
    if likelihood.shared:
        return "quadrature on a shared grid"
    if isinstance(likelihood, NormalProducts):
        return "quadrature over the factors of products, closed form beside them"
    if likelihood.ordinary:
        return "ordinary quadrature"
    return "Laplace approximation" if all(k == 1 for k in points) else "adaptive quadrature"


def _top_units(likelihood: Likelihood) -> int:
    """Units of the highest level with latent variables; rows if there are none."""
    if isinstance(likelihood, GaussianLikelihood):
        return likelihood.design.counted[likelihood.n_levels - 1]
    if likelihood.shared:
        return likelihood.design.counted[0]
    if isinstance(likelihood, MixtureLikelihood):
        return likelihood.design.counted[likelihood.unit_level]
    predictor = likelihood.predictor
    highest = max((predictor.model.eta_level[k] for k in predictor.tree.order), default=0)
    return predictor.design.counted[highest]
