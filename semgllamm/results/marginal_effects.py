"""Average marginal effects: how the population-averaged mean changes with a covariate, averaged over the rows.

    AME = (1/n) Σ_i ∂/∂x ∫ g⁻¹(ν_i) φ(u) du,      or of a category the mean difference from the first.

Derivatives are central differences of the covariate, so that its products and effects on latent variables take part;
standard errors are the delta method's, given the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.data.newdata import coded_levels, fitted_rows, with_covariate
from semgllamm.errors import ModelError
from semgllamm.results.predictions import asked, delta_variance, values_of

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["marginal_effects"]

STEP = 1e-4  # of a covariate, in its standard deviations


def marginal_effects(
    fit: Fit, covariates: str | Sequence[str] | None = None, kind: str = "mean", responses=None, level: float = 0.95
) -> pd.DataFrame:
    """Effects of covariates; the arguments are those of `Fit.marginal_effects`."""
    import pandas as pd
    from scipy.special import ndtr, ndtri

    fit.binding.need_rows("marginal effects")
    if kind not in ("mean", "probabilities"):
        raise ModelError(f"marginal effects are not of kind {kind!r}", remedy="Use 'mean' or 'probabilities'.")
    if not 0 < level < 1:
        raise ModelError(f"a confidence level lies between 0 and 1, not {level}")
    targets = fitted_rows(fit.model, fit.diagram, fit.binding, fit.design)
    question = asked(fit, kind, "eb", fit.model.levels, responses, len(targets.index))
    known = [name for name in fit.diagram.covariates if name in coded_levels(fit.binding, fit.diagram)]
    wanted = known if covariates is None else [covariates] if isinstance(covariates, str) else list(covariates)
    for name in wanted:
        if name not in known:
            raise ModelError(f"'{name}' is no covariate of the model",
                             remedy=f"Covariates: {', '.join(known) or 'none'}.")
    if len(fit.model.holes) > 1:
        missing = ", ".join(f"'{name}'" for name in sorted(frozenset().union(*fit.model.holes)))
        raise ModelError(
            f"marginal effects hold other covariates, but {missing} is missing in some rows and moves with the others",
            remedy="Ask for predictions: fit.predict(newdata, kind='marginal').",
        )
    engine = fit._engine
    contrasts = []
    for name in wanted:
        for label, hi, lo, width in _sides(fit, targets, name):
            contrasts.append((name, label, engine.bound_to(hi), engine.bound_to(lo), width))
    names: list[str] = []

    def effects(free: np.ndarray) -> np.ndarray:
        out = []
        for _, _, hi, lo, width in contrasts:
            sides = []
            for bound in (hi, lo):
                found, values, _ = values_of(fit, engine, bound, targets, question, free)
                names[:] = found
                sides.append(np.nanmean(values, axis=0))
            out.append((sides[0] - sides[1]) / width)
        return np.array(out).reshape(len(contrasts), -1)

    est = effects(np.asarray(fit.free, dtype=float))
    se = np.sqrt(delta_variance(fit, effects)) if len(contrasts) else est
    half = ndtri(0.5 + level / 2)
    rows = []
    for j, response in enumerate(names):
        for k, (name, label, *_) in enumerate(contrasts):
            b, s = est[k, j], se[k, j]
            z = b / s if s > 0 else np.nan
            rows.append((response, name, label, b, s, z, 2 * ndtr(-abs(z)), b - half * s, b + half * s))
    header = ["response", "covariate", "contrast", "est", "se", "z", "pvalue", "ci_lower", "ci_upper"]
    return pd.DataFrame(rows, columns=header)


def _sides(fit: Fit, targets, name: str):
    """(what it is called, designs on both sides, distance) of each effect of a covariate."""
    labels = coded_levels(fit.binding, fit.diagram)[name]
    if labels:
        for label in labels[1:]:
            sides = (with_covariate(targets.design, name, labels, at) for at in (label, labels[0]))
            yield f"{label} - {labels[0]}", *sides, 1.0
        return
    x = targets.design.columns[name]
    seen = x[targets.usable]
    if set(np.unique(seen)) <= {0.0, 1.0}:
        yield "1 - 0", *(with_covariate(targets.design, name, (), np.full_like(x, v)) for v in (1.0, 0.0)), 1.0
        return
    h = STEP * (seen.std() or 1.0)
    yield "dy/dx", *(with_covariate(targets.design, name, (), x + s * h) for s in (1, -1)), 2 * h
