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
from semgllamm.results.compare import equivalent, why_not_comparable
from semgllamm.results.fit import Fit

__all__ = ["information_criteria"]


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
        two rows more than parameters. Where fits have equally many parameters and the same likelihood, a column `same`
        names the first of them: they may be one model written twice, which no data can tell apart.

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
        if (reason := why_not_comparable(fits[0], fit, labels[0], label)) is not None:
            raise ModelError(f"{labels[0]} and {label} cannot be compared: {reason}")
    table = pd.DataFrame([_row(fit) for fit in fits], index=labels)
    weight = np.exp(-(table["aic"] - table["aic"].min()) / 2)
    table = table.assign(weight=weight / weight.sum())
    same = [
        next((labels[j] for j in range(k) if equivalent(fits[j], fit)), "") for k, fit in enumerate(fits)
    ]  # fmt: skip
    return table.assign(same=same) if any(same) else table


def _row(fit: Fit) -> dict[str, float]:
    p, n = fit.npar, fit.nobs
    deviance = -2 * fit.loglik
    return {
        "npar": p, "loglik": fit.loglik, "aic": fit.aic,
        "aicc": fit.aic + 2 * p * (p + 1) / (n - p - 1) if n > p + 1 else np.nan, "bic": fit.bic,
        "sabic": deviance + p * np.log((n + 2) / 24),
    }  # fmt: skip
