"""Covariance matrices of the estimates: A⁻¹, B⁻¹ or the sandwich A⁻¹BA⁻¹, under the constraints of the fit.

A is an information matrix, B the cross product of the scores of independent units (White 1982, theorem 3.2), and the
inverse of either is that in the space which constraints and boundaries leave.
"""

from __future__ import annotations

import numpy as np

from semgllamm.errors import EstimationError
from semgllamm.estimation.benchmarks import MomentModel
from semgllamm.estimation.constrained import Restrictions, restricted_covariance
from semgllamm.estimation.gaussian import GaussianLikelihood
from semgllamm.estimation.information import Curvature, covariance
from semgllamm.estimation.least_squares import LeastSquares
from semgllamm.estimation.likelihood import Likelihood
from semgllamm.estimation.robust import MomentTraces, cross_product
from semgllamm.estimation.settings import Request

__all__ = ["Inverse", "by_expectation", "by_scores", "clusters_of", "kind_of_errors", "moment_traces",
           "standard_errors"]  # fmt: skip

BOOTSTRAPS = 1000  # draws behind se="bootstrap"

_HELD = "the information is not positive definite unless parameters at their bounds are held there: so were they"


class Inverse:
    """The inverse of an information matrix at the maximum of a fit.

    Parameters
    ----------
    likelihood : Likelihood or GaussianLikelihood
    free : (n_free,) array
    points : tuple of int
    boundary : tuple of str
        Parameters at zero.
    multipliers : (m,) array, optional
        Of the restrictions.
    restrictions : Restrictions, optional
    unbounded : (n_free, m) array, optional
        Directions of length 1 that log L does not feel, of parameters that are not at a boundary.

    Attributes
    ----------
    notes : list of str
        What came up on the way to standard errors.
    """

    def __init__(
        self, likelihood: Likelihood | GaussianLikelihood, free: np.ndarray, points: tuple[int, ...],
        boundary: tuple[str, ...], multipliers: np.ndarray | None, restrictions: Restrictions | None,
        unbounded: np.ndarray | None = None,
    ):  # fmt: skip
        self.likelihood, self.free, self.points = likelihood, free, points
        self.unbounded = np.zeros((len(free), 0)) if unbounded is None else unbounded
        self.notes: list[str] = []
        self.boundary, self.multipliers, self.restrictions = boundary, multipliers, restrictions

    def __call__(self, information: np.ndarray) -> tuple[np.ndarray | None, tuple, list[str]]:
        """(covariance matrix with NaN at boundaries, what is not identified, notes)."""
        likelihood, free = self.likelihood, self.free
        if self.restrictions is None:
            normals = likelihood.working.normals(free)
            notes = _singular_by_rank(likelihood, free) if normals.size else []
            normals = np.column_stack([normals, self.unbounded])
            vcov, null = covariance(information, likelihood.names, self.boundary, likelihood.blocks, normals)
            return vcov, null, notes
        scale = Curvature(information, likelihood.blocks).scale
        vcov, null, held = restricted_covariance(
            information, scale, likelihood.names, self.boundary, self.restrictions, free, self.multipliers
        )
        return vcov, null, [_HELD] * held


def by_expectation(likelihood: GaussianLikelihood, request: Request) -> bool:
    """Whether the bread of the standard errors is the expected information."""
    # as lavaan does: the expectation is at hand where rows are complete and of one level
    default = "expected" if request.like != "fit" and _plain(likelihood) else "observed"
    return (request.chosen_information or default) == "expected"


def _plain(likelihood) -> bool:
    """Whether rows are complete and of one level, and the likelihood has a closed form."""
    closed = isinstance(likelihood, GaussianLikelihood)
    return closed and likelihood.n_levels == 1 and all(s.moments.complete for s in likelihood.samples)


def kind_of_errors(likelihood, request: Request) -> str:
    """The kind of standard errors of a request, its defaults settled."""
    return request.standard_errors(_plain(likelihood))


def standard_errors(
    invert: Inverse, vcov: np.ndarray, request: Request, seed: int | None = None
) -> np.ndarray | None:  # fmt: skip
    """The covariance matrix that was asked for.

    Parameters
    ----------
    invert : Inverse
    vcov : (n_free, n_free) array
        The inverse of the information, NaN at boundaries.
    request : Request
    seed : int, optional
        Of bootstrap samples.

    Returns
    -------
    (n_free, n_free) array or None
        None where there is none.
    """
    kind = kind_of_errors(invert.likelihood, request)
    if kind == "none":
        return None
    if kind in ("robust.huber.white", "robust.cluster"):
        return by_scores(invert, "sandwich", vcov, request)
    if kind == "first.order" or request.chosen_information == "first.order":
        return by_scores(invert, "first.order", vcov, request)
    if kind == "robust.sem":
        return moment_traces(_closed(invert.likelihood), invert.free, vcov).vcov
    if kind == "bootstrap":
        return _by_draws(invert, vcov, request, seed)
    if kind == "replicates":
        return _by_replicates(invert, vcov)
    return vcov


def _by_draws(invert: Inverse, vcov: np.ndarray, request: Request, seed: int | None) -> np.ndarray | None:
    """The covariance matrix of bootstrap draws, NaN at boundaries; samples without a maximum are noted."""
    from semgllamm.estimation.resampling import resampled_estimates  # seldom needed

    constraints = None if invert.restrictions is None else invert.restrictions.constraints
    drawn = resampled_estimates(
        invert.likelihood, invert.free, BOOTSTRAPS, seed=seed, points=invert.points, constraints=constraints,
        clustered=request.clustered,
    )  # fmt: skip
    good = drawn.free[np.isfinite(drawn.free).all(axis=1)]
    if len(good) < BOOTSTRAPS:
        invert.notes.append(f"{BOOTSTRAPS - len(good)} of {BOOTSTRAPS} bootstrap samples have no maximum")
    if len(good) < 2:
        return None
    return np.where(np.isnan(vcov), np.nan, np.cov(good, rowvar=False).reshape(vcov.shape))


def _by_replicates(invert: Inverse, vcov: np.ndarray) -> np.ndarray | None:
    """The covariance matrix by replicate weights, NaN at boundaries; those without a maximum are noted."""
    from semgllamm.estimation.resampling import replicated_estimates  # seldom needed

    given = invert.likelihood.design.replicates.given
    constraints = None if invert.restrictions is None else invert.restrictions.constraints
    found = replicated_estimates(invert.likelihood, invert.free, invert.points, constraints)
    good = np.isfinite(found).all(axis=1)
    if not good.all():
        invert.notes.append(
            f"{len(good) - good.sum()} of {len(good)} replicates have no maximum: standard errors rest on the others"
        )
    if good.sum() < 2:
        return None
    return np.where(np.isnan(vcov), np.nan, given.covariance(found, invert.free))


def by_scores(invert: Inverse, kind: str, vcov: np.ndarray, request: Request) -> np.ndarray | None:
    """The covariance matrix by the scores of the units.

    Parameters
    ----------
    invert : Inverse
    kind : {"first.order", "sandwich"}
    vcov : (n_free, n_free) array
        The bread of a sandwich; NaN where withheld.
    request : Request

    Returns
    -------
    (n_free, n_free) array or None
        None if the scores do not tell all parameters apart.
    """
    likelihood = invert.likelihood
    if isinstance(likelihood, LeastSquares):
        raise EstimationError(f"estimator='{likelihood.kind}' has no scores of single rows")
    B = cross_product(likelihood.unit_scores(invert.free, invert.points), *clusters_of(likelihood, request))
    if kind == "first.order":
        inverse, null, _ = invert(B)
        return None if null else inverse
    known = np.ix_(~np.isnan(np.diag(vcov)), ~np.isnan(np.diag(vcov)))
    out = np.full_like(vcov, np.nan)
    out[known] = vcov[known] @ B[known] @ vcov[known]
    return out


def clusters_of(likelihood, request: Request) -> tuple[np.ndarray | None, ...]:
    """What `cross_product` takes of each unit: its cluster and group, where units that the likelihood takes for
    independent lie in clusters, how many independent units it stands for, where there are frequencies, and the share
    that was drawn, where there are strata."""
    design, level = likelihood.design, likelihood.unit_level
    first = design.first_row[level]
    if design.strata is not None:
        strata = design.strata
        return strata.unit[first], strata.of_row[first], strata.alike[first], strata.drawn
    if not request.clustered:
        return None, None, design.repeats(level) if design.weights.frequency else None, None
    top = len(design.codes) - 1
    model = likelihood.model if hasattr(likelihood, "model") else likelihood.predictor.whole
    alike = design.repeats(top)[design.codes[top][first]] if design.weights.frequency else None
    # rows with other covariates missing have groups of their own
    return design.codes[top][first], design.group_of[first] // len(model.holes), alike, None


def moment_traces(likelihood: GaussianLikelihood, free: np.ndarray, vcov: np.ndarray) -> MomentTraces:
    """What Satorra and Bentler's standard errors and tests are made of, `vcov` being the inverse of the information."""
    less = rows_less(likelihood)
    if isinstance(likelihood, LeastSquares):
        Delta = [e.jacobian() @ likelihood.K for e in likelihood.at(free)]
        return MomentTraces(likelihood.samples, Delta, likelihood.weights, vcov, less)
    return MomentTraces.normal(MomentModel.of(likelihood, free), free, vcov, less)


def rows_less(likelihood: GaussianLikelihood) -> int:
    """Rows that the standard errors do not count."""
    return len(likelihood.samples) if likelihood.divisor == "wishart" else 0


def _closed(likelihood) -> GaussianLikelihood:
    if not isinstance(likelihood, GaussianLikelihood):
        raise EstimationError(
            "these standard errors are for Gaussian models in closed form", remedy="Use se='robust.huber.white'."
        )
    return likelihood


def _singular_by_rank(likelihood: Likelihood, free: np.ndarray) -> list[str]:
    """Blocks of Ψ moved on spheres that are singular, though maybe no correlation is 1."""
    inner = likelihood.working.inner(free)
    out = {}
    for block, _, _ in likelihood.working.spheres():
        L = block.matrix(inner)
        rank = int((np.abs(np.diag(L)) > 1e-8 * np.linalg.norm(L, axis=1)).sum())
        if rank < len(L):
            out[block.latents] = (
                f"the covariance matrix of {', '.join(block.latents)} is singular (rank {rank}), on the boundary of "
                "the parameter space: standard errors are those within matrices of this rank"
            )
    return list(out.values())
