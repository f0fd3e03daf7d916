"""What of a sample's moments, or of a model's, leaves a Gaussian likelihood without a maximum, found before the search.

With the correlation matrix R of all variables of a group, an eigenvalue of zero is a combination of them that does not
vary: a residual variance can follow it to zero, and the likelihood to infinity.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from semgllamm.errors import DataError, ModelError
from semgllamm.estimation.gaussian import GaussianLikelihood, Sample
from semgllamm.estimation.nested import NestedSample

__all__ = ["check_model", "check_samples"]

SINGULAR = 1e-10  # smallest eigenvalue of a correlation matrix that is not called zero
CONSTANT = 1e-12  # smallest variance, in units of the mean square, that is not called zero
LOADS = 0.3  # a variable is named where its loading on the eigenvector is this large


def check_samples(likelihood: GaussianLikelihood) -> tuple[str, ...]:
    """Look for moments that no model can be fitted to.

    Returns
    -------
    tuple of str
        Warnings: groups with fewer rows than variables.

    Raises
    ------
    DataError
        For a response that does not vary in a group or within clusters, or for collinear variables.
    """
    warnings = []
    for g in range(len(likelihood.samples)):
        within = likelihood.n_levels > 1
        warnings += _check_clusters(likelihood, g) if within else _check_rows(likelihood, g)
    return tuple(warnings)


def check_model(likelihood: GaussianLikelihood, free: np.ndarray) -> None:
    """Refuse a model in which some combination of the responses cannot vary.

    Raises
    ------
    ModelError
    """
    inner = likelihood.working.inner(np.asarray(free))
    for g, graph in enumerate(likelihood.graphs):
        B, S, _ = graph.matrices(inner)
        try:
            E = np.linalg.inv(np.eye(graph.v) - B)
        except np.linalg.LinAlgError:
            continue
        Sigma = (E @ S.sum(axis=0) @ E.T)[: graph.p, : graph.p]
        guilty = _without_variation(Sigma, likelihood.responses)
        if guilty:
            raise ModelError(
                f"the model leaves no variation to a combination of {', '.join(guilty)}{_in(likelihood, g)}",
                remedy="Free a residual variance among them.",
            )


def _in(likelihood: GaussianLikelihood, g: int) -> str:
    labels = likelihood.model.group_labels
    return f" in group '{labels[g]}'" if len(labels) > 1 else ""


def _check_rows(likelihood: GaussianLikelihood, g: int) -> list[str]:
    sample, names, where = likelihood.samples[g], likelihood.responses, _in(likelihood, g)
    moments, n = sample.moments, len(sample.y)
    seen = moments.n @ moments.seen
    for name, rows in zip(names, seen):
        if not rows:
            raise DataError(f"response '{name}' has no value{where}", remedy="Leave it out, or the group.")
    if len(likelihood.samples) > 1:
        variance = np.einsum("k,kpp->p", moments.n, moments.yy) / seen
        square = variance + (moments.shift_y if moments.has_means else 0.0) ** 2
        for name, v, size, rows in zip(names, variance, square, seen):
            if rows > 1 and v <= CONSTANT * size:
                raise DataError(f"response '{name}' does not vary{where}", remedy="Leave it out, or the group.")
    if not sample.moments.complete:
        return []
    covariates = likelihood.covariates[g]
    n_variables = len(names) + len(covariates)
    if n <= n_variables:
        return [
            f"there are {n} rows for {n_variables} variables{where}: their covariance matrix is singular, and a "
            "maximum need not exist"
        ]
    k = len(covariates)
    yy, yx, xx = moments.yy[0], moments.yx[0, :, :k], moments.xx[0, :k, :k]
    rest = yy - yx @ np.linalg.lstsq(xx, yx.T, rcond=None)[0] if covariates else yy
    deviation = np.sqrt(np.diag(yy))
    _check_collinear(rest, names, where, deviation, "others or of covariates" if covariates else "others")
    return []


def _check_clusters(likelihood: GaussianLikelihood, g: int) -> list[str]:
    sample, where = likelihood.samples[g], _in(likelihood, g)
    level = likelihood.model.levels[1]
    low = [k for k, r in enumerate(likelihood.model.responses) if r.level == 0]
    names = [likelihood.responses[k] for k in low]
    inside, means = _within_clusters(sample, low)
    n = len(inside) - len(means)
    if not n:
        raise DataError(
            f"each '{level}' has a single row{where}: level 1 cannot be told from level 2",
            remedy="Fit one level, without cluster=.",
        )
    for name, deviation, mean in zip(names, inside.T, means.T):
        square = np.nanmean(deviation**2)
        if square <= CONSTANT * (np.nanmean(mean**2) + square):
            raise DataError(
                f"'{name}' does not vary within '{level}'{where}, and is named at level 1",
                remedy="Name it at level 2 only.",
            )
    if n > len(low) and not np.isnan(inside).any():
        _check_collinear(inside.T @ inside / n, names, f" within '{level}'{where}")
    return []


def _within_clusters(sample: Sample, low: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """The responses of the rows as deviations from the means of their clusters, and these."""
    if not isinstance(sample, NestedSample):
        r = len(sample.rows)
        return sample.y[:r][:, low], sample.y[r:][:, low]
    y, code = sample.y[:, low], sample.codes[1]
    seen = ~np.isnan(y)
    sums, n = (np.zeros((int(code.max()) + 1, len(low))) for _ in range(2))
    np.add.at(sums, code, np.where(seen, y, 0.0))
    np.add.at(n, code, seen)
    with np.errstate(invalid="ignore"):
        means = sums / n
    return y - means[code], means


def _check_collinear(
    covariance: np.ndarray, names: Sequence[str], where: str, deviation: np.ndarray | None = None, of: str = "others"
) -> None:
    guilty = _without_variation(covariance, names, deviation)
    if len(guilty) == 1:
        raise DataError(f"'{guilty[0]}' is a combination of the {of}{where}", remedy="Leave it out.")
    if guilty:
        raise DataError(
            f"{', '.join(guilty)} are collinear{where}: one of them is a combination of the {of}",
            remedy="Leave one of them out.",
        )


def _without_variation(
    covariance: np.ndarray, names: Sequence[str], scale: np.ndarray | None = None
) -> list[str]:
    """The variables of a combination without variance, next to deviations `scale` (by default their own)."""
    scale = np.sqrt(np.diag(covariance)) if scale is None else scale
    if not np.isfinite(scale).all() or (scale <= 0).any():
        return [name for name, x in zip(names, scale) if x == 0]
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    if abs(values[0]) > SINGULAR:
        return []
    return [name for name, x in zip(names, vectors[:, 0]) if abs(x) > LOADS]
