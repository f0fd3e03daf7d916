"""Tests of nested fits against each other.

With T₀, T₁ the chi-squares on d₀ > d₁ degrees of freedom and c₀, c₁ their scaling factors, m = d₀ − d₁,

    lr                     T₀ − T₁
    satorra.bentler.2001   (T₀ − T₁)/c,  c = (d₀c₀ − d₁c₁)/m       (Satorra & Bentler 2001)
    satorra.bentler.2010   the same with c₁ of the larger model at the estimates of the smaller, by which c > 0
                           asymptotically                           (Satorra & Bentler 2010)
    bootstrap              the share of 2 (log L₁ − log L₀) in samples of the smaller model beyond that of the data
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from semgllamm.errors import ModelError
from semgllamm.estimation.resampling import likelihood_ratios
from semgllamm.results.fit import Fit

__all__ = ["compare"]

SCALED = ("satorra.bentler.2001", "satorra.bentler.2010")
METHODS = ("lr", "scaled", *SCALED, "bootstrap")
COLUMNS = ("npar", "df", "aic", "bic", "loglik", "chisq", "chisq_diff", "rmsea", "df_diff", "pvalue")


def compare(
    *fits: Fit, method: str | None = None, names: Sequence[str] | None = None, n: int = 1000, seed: int | None = None,
    workers: int | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Compare nested fits of the same data by likelihood-ratio tests.

    Parameters
    ----------
    *fits : Fit
        Two or more; the table has them from the least to the most restricted, each tested against the one before.
    method : {"lr", "scaled", "satorra.bentler.2001", "satorra.bentler.2010", "bootstrap"}, optional
        "scaled", which is that of 2001, if the fits have scaled tests, else "lr".
    names : sequence of str, optional
        Of the rows, in the order of `fits`; by default "fit1", "fit2", …
    n, seed, workers
        Samples of a parametric bootstrap, its seed and its processes; see `Fit.bootstrap`.

    Returns
    -------
    DataFrame
        npar, df, aic, bic, loglik, chisq (unscaled; df and chisq are NaN without a closed form), chisq_diff, rmsea (of
        the difference; NaN where it is scaled), df_diff, pvalue.

    Raises
    ------
    ModelError
        If the fits are not of the same data, are not nested, or cannot be compared by the method.
    """
    if len(fits) < 2:
        raise ModelError("compare() needs two fits or more", remedy="Write compare(fit0, fit1).")
    for fit in fits:
        if not isinstance(fit, Fit):
            raise ModelError(f"compare() takes fits, not {type(fit).__name__}")
        if not fit.converged:
            raise ModelError("a fit that has not converged cannot be compared")
    labels = [f"fit{k}" for k in range(1, len(fits) + 1)] if names is None else [str(name) for name in names]
    if len(labels) != len(fits):
        raise ModelError(f"{len(labels)} names are given for {len(fits)} fits")
    method = _method(fits, method)
    order = sorted(range(len(fits)), key=lambda k: -fits[k].npar)
    rows = []
    for place, k in enumerate(order):
        row = _row(fits[k])
        if place:
            before = fits[order[place - 1]]
            _check_pair(before, fits[k], (labels[order[place - 1]], labels[k]))
            row |= _difference(before, fits[k], method, n, seed, workers)
        rows.append(row)
    return pd.DataFrame(rows, index=[labels[k] for k in order], columns=list(COLUMNS))


def _method(fits: Sequence[Fit], method: str | None) -> str:
    tests = {fit.request.chosen_test if fit.scaled_test is not None else "standard" for fit in fits}
    if len(tests) > 1:
        raise ModelError(
            f"the fits have different tests: {', '.join(sorted(tests))}", remedy="Fit them by the same estimator."
        )
    has_scaled = tests != {"standard"}
    if any(fit.request.weighted for fit in fits) and not has_scaled:
        raise ModelError("the likelihood ratio has no distribution that is known under sampling weights",
                         remedy="Use wald_test() of the larger fit.")
    if method is None:
        method = "scaled" if has_scaled else "lr"
    if method not in METHODS:
        raise ModelError(f"method '{method}' is unknown", remedy=f"Known: {', '.join(METHODS)}.")
    if method == "scaled":
        method = "satorra.bentler.2001"
    if method in SCALED and not has_scaled:
        raise ModelError("these fits have no scaled test", remedy="Fit them with estimator='MLR' or 'MLM'.")
    if method in SCALED and not tests <= {"satorra.bentler", "yuan.bentler.mplus"}:
        raise ModelError(
            f"differences of chi-squares by '{tests.pop()}' have no simple scaling",
            remedy="Fit them with estimator='MLR' or 'MLM'.",
        )
    return method


def _row(fit: Fit) -> dict[str, float]:
    closed = fit.test is not None
    likelihood = {"aic": fit.aic, "bic": fit.bic, "loglik": fit.loglik}
    df, chisq = (fit.test.df, fit.test.statistic) if closed else (np.nan, np.nan)
    return {"npar": fit.npar, "df": df, **likelihood, "chisq": chisq}


def _check_pair(large: Fit, small: Fit, labels: tuple[str, str]) -> None:
    first, second = labels
    if large.npar == small.npar:
        raise ModelError(f"{first} and {second} have equally many parameters, and so are not nested")
    if large.request.objective != small.request.objective:
        raise ModelError(f"{first} and {second} minimise different functions")
    if _fingerprint(large) != _fingerprint(small):
        raise ModelError(
            f"{first} and {second} are not fits of the same data",
            remedy="Nested models have the same responses, and use the same rows.",
        )
    if large.request.objective == "ML":
        gain = large.loglik - small.loglik
    else:
        gain = small.test.statistic - large.test.statistic
    if gain < -1e-6 * max(1.0, abs(small.loglik) if np.isfinite(small.loglik) else 1.0):
        raise ModelError(
            f"{second} fits better than {first} although it has fewer parameters: it is not nested in it"
        )


def _fingerprint(fit: Fit) -> tuple:
    """Rows, their weight, and the sums of each response in each group."""
    sums: dict[tuple[str, int], float] = {}
    for block in fit.design.blocks:
        key = block.response.name, block.group
        sums[key] = sums.get(key, 0.0) + float(np.sum(block.y)) + 1e3 * block.category * len(block.y)
    design = fit.design
    weight = float(design.weight(0, len(design.codes), design.first_row[0]).sum())
    return design.n_rows, round(weight, 6), tuple(sorted((key, round(value, 6)) for key, value in sums.items()))


def _difference(large: Fit, small: Fit, method: str, n: int, seed, workers) -> dict[str, float]:
    m = large.npar - small.npar
    if large.request.objective != "ML":
        if method != "lr":
            raise ModelError(f"method '{method}' needs fits of maximum likelihood")
        statistic = small.test.statistic - large.test.statistic
        return _tested(statistic, m, large)
    if method in SCALED:
        unscaled = small.test.statistic - large.test.statistic
        factor = _factor(large, small, m, method)
        if not factor > 0:
            return {"chisq_diff": np.nan, "rmsea": np.nan, "df_diff": m, "pvalue": np.nan}
        statistic = unscaled / factor
        return {"chisq_diff": statistic, "rmsea": np.nan, "df_diff": m, "pvalue": _survival(statistic, m)}
    # Wishart's likelihood has chi-squares of its own
    closed = large.test is not None and small.test is not None
    statistic = small.test.statistic - large.test.statistic if closed else 2 * (large.loglik - small.loglik)
    out = _tested(statistic, m, large)
    if method == "bootstrap":
        drawn = likelihood_ratios(
            small.likelihood, small.free, large.likelihood, large.free, n, seed, workers,
            (small.points, large.points), (small._constraints, large._constraints),
        )  # fmt: skip
        good = drawn[np.isfinite(drawn)]
        out["pvalue"] = float((good >= statistic).mean()) if len(good) else np.nan
    return out


def _tested(statistic: float, m: int, fit: Fit) -> dict[str, float]:
    groups = len(fit.model.groups)
    rmsea = float(np.sqrt(max(statistic - m, 0.0) * groups / (m * fit.nobs)))
    return {"chisq_diff": statistic, "rmsea": rmsea, "df_diff": m, "pvalue": _survival(statistic, m)}


def _survival(statistic: float, df: int) -> float:
    return float(chdtrc(df, max(statistic, 0.0)))


def _factor(large: Fit, small: Fit, m: int, method: str) -> float:
    """c; traces d c are 0 of a saturated model."""
    trace_small, trace_large = small._tests.traces[0], large._tests.traces[0]
    if method == "satorra.bentler.2010":
        trace_large = large._tests.traces_at(_cells_of(large, small))[0]
    return (trace_small - (trace_large if large.test.df > 0 else 0.0)) / m


def _cells_of(large: Fit, small: Fit) -> np.ndarray:
    """The cells of the larger model at the estimates of the smaller; 0 for what this does not have."""
    estimate = {_key(row): row["est"] for row in small._rows()}
    cells = np.zeros(large.model.n_parameters)
    for row, number in zip(large.diagram.parameters, large.model.rows):
        if number >= 0:
            key = _key({"lhs": row.lhs, "op": row.op, "rhs": row.rhs, "group": row.group, "level": row.level or ""})
            cells[number] = estimate.get(key, 0.0)
    return cells


def _key(row) -> tuple:
    ends = tuple(sorted((row["lhs"], row["rhs"]))) if row["op"] == "~~" else (row["lhs"], row["rhs"])
    return (*ends, row["op"], row["group"], row["level"])
