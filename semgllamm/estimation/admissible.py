"""Solutions that maximise the likelihood and cannot be true: negative variances, and covariance matrices of latent
variables or residuals with negative eigenvalues (Heywood 1931)."""

from __future__ import annotations

import numpy as np

from semgllamm.estimation.gaussian import GaussianLikelihood

__all__ = ["improper"]

LOADS = 0.3  # a variable is named where its loading on the eigenvector is this large


def improper(likelihood: GaussianLikelihood, free: np.ndarray) -> tuple[str, ...]:
    """A warning for every kind of impossible variance."""
    model, inner = likelihood.model, likelihood.working.inner(np.asarray(free))
    out: dict[str, None] = {}
    for g, (group, here) in enumerate(zip(model.groups, likelihood.at(free))):
        where = f" in group {model.group_labels[g]}" if len(model.groups) > 1 else ""
        for cells, kind in ((group.Theta, "residual"), (group.Psi, "latent")):
            low = [f"{c.row} ({c.at(inner):.3g})" for c in cells if c.row == c.column and c.at(inner) < 0]
            if low:
                out[f"some estimated {kind} variances are negative{where}: {', '.join(low)}"] = None
        p = len(likelihood.responses)
        for level in range(likelihood.n_levels):
            mine = [k for k, at in enumerate(model.eta_level) if at == level]
            names = [model.eta[k] for k in mine]
            latent = here.P[-1][np.ix_([p + k for k in mine], [p + k for k in mine])]
            _name_negative(latent, names, f"latent variables{where}", out)
    return tuple(out)


def _name_negative(matrix: np.ndarray, names: list[str], what: str, out: dict[str, None]) -> None:
    live = np.diag(matrix) > 0
    if live.sum() < 2:
        return
    names = [name for name, alive in zip(names, live) if alive]
    matrix = matrix[np.ix_(live, live)]
    scale = np.sqrt(np.diag(matrix))
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    if values[0] < -1e-8:
        guilty = [name for name, x in zip(names, vectors[:, 0]) if abs(x) > LOADS]
        out[f"the covariance matrix of {what} is not positive definite: look at {', '.join(guilty)}"] = None
