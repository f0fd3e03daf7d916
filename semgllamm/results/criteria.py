"""Information criteria of several fits of the same answers, which need not be nested.

With p free parameters, n rows (cases of choices) and −2 log L the deviance,

    AIC    −2 log L + 2p                                       (Akaike 1974)
    AICc   AIC + 2p(p + 1)/(n − p − 1)                         (Hurvich & Tsai 1989)
    BIC    −2 log L + p log n                                  (Schwarz 1978)
    SABIC  −2 log L + p log((n + 2)/24)                        (Sclove 1987)
    weight exp(−Δ/2) / Σ exp(−Δ/2),  Δ = AIC − smallest AIC    (Akaike 1978; Burnham & Anderson 2002, ch. 2)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from semgllamm.errors import ModelError
from semgllamm.results.compare import fingerprint
from semgllamm.results.fit import Fit

__all__ = ["information_criteria"]

# families whose likelihood is a density, not a probability
CONTINUOUS = {"gaussian", "gamma", "inversegaussian", "beta", "exponential", "weibull", "censored"}


def information_criteria(*fits: Fit, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Information criteria of fits, and the weight of each among them.

    Parameters
    ----------
    *fits : Fit
        One or more, of the same responses in the same rows; they need not be nested.
    names : sequence of str, optional
        Of the rows; by default "fit1", "fit2", …

    Returns
    -------
    DataFrame
        npar, loglik, aic, aicc, bic, sabic, weight (Akaike's), a row a fit in their order. AICc is NaN with fewer than
        two rows more than parameters.

    Raises
    ------
    ModelError
        If a fit has not converged or has no likelihood, or if likelihoods cannot be compared: other rows, responses or
        values, densities against probabilities, other weights or divisors; it says which.
    """
    if not fits:
        raise ModelError("information_criteria() needs fits", remedy="Write information_criteria(fit1, fit2).")
    for fit in fits:
        if not isinstance(fit, Fit):
            raise ModelError(f"information_criteria() takes fits, not {type(fit).__name__}")
    labels = [f"fit{k}" for k in range(1, len(fits) + 1)] if names is None else [str(name) for name in names]
    if len(labels) != len(fits):
        raise ModelError(f"{len(labels)} names are given for {len(fits)} fits")
    for label, fit in zip(labels, fits):
        if fit.request.objective != "ML":
            raise ModelError(f"{label} is of least squares, and has no likelihood", remedy="Use estimator='ML'.")
        if not fit.converged:
            raise ModelError(f"{label} has not converged")
        if fit.request.weighted:
            raise ModelError(f"{label} has sampling weights: criteria of a pseudo-likelihood say nothing of a model",
                             remedy="Use wald_test().")
    for label, fit in zip(labels[1:], fits[1:]):
        if (reason := _why_not(fits[0], fit, labels[0], label)) is not None:
            raise ModelError(f"{labels[0]} and {label} cannot be compared: {reason}")
    table = pd.DataFrame([_row(fit) for fit in fits], index=labels)
    weight = np.exp(-(table["aic"] - table["aic"].min()) / 2)
    return table.assign(weight=weight / weight.sum())


def _row(fit: Fit) -> dict[str, float]:
    p, n = fit.npar, fit.nobs
    deviance = -2 * fit.loglik
    return {
        "npar": p, "loglik": fit.loglik, "aic": fit.aic,
        "aicc": fit.aic + 2 * p * (p + 1) / (n - p - 1) if n > p + 1 else np.nan, "bic": fit.bic,
        "sabic": deviance + p * np.log((n + 2) / 24),
    }  # fmt: skip


def _why_not(first: Fit, second: Fit, one: str, other: str) -> str | None:
    """Why two likelihoods are not of the same answers; None if they are."""
    (rows, weight, sums), (other_rows, other_weight, other_sums) = fingerprint(first), fingerprint(second)
    responses, others = ({r.answer or r.name for r in fit.model.responses} for fit in (first, second))
    if responses != others:
        odd = sorted(responses ^ others)
        verb = "is a response" if len(odd) == 1 else "are responses"
        return f"{', '.join(odd)} {verb} of one of them only"
    if rows != other_rows:
        return f"{one} has {rows} rows and {other} has {other_rows}"
    kinds, other_kinds = (
        {r.answer or r.name: r.family.name in CONTINUOUS for r in fit.model.responses} for fit in (first, second)
    )
    for name, is_density in kinds.items():
        if is_density != other_kinds[name]:
            return f"the likelihood of {name} is a density in one and a probability in the other"
    if first.request.weights != second.request.weights or weight != other_weight:
        return "their weights differ"
    if first.request.likelihood != second.request.likelihood:
        return "one likelihood is Wishart's"
    if sums != other_sums:
        differing = sorted({name for (name, _), _ in set(sums) ^ set(other_sums)})
        return f"the values of {', '.join(differing)}, or their groups, differ"
    return None
