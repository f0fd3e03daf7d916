"""Tests of nested fits against each other.

With T₀, T₁ the chi-squares on d₀ > d₁ degrees of freedom and c₀, c₁ their scaling factors, m = d₀ − d₁,

    lr                     T₀ − T₁
    satorra.bentler.2001   (T₀ − T₁)/c,  c = (d₀c₀ − d₁c₁)/m       (Satorra & Bentler 2001)
    satorra.bentler.2010   the same with c₁ of the larger model at the estimates of the smaller, by which c > 0
                           asymptotically                           (Satorra & Bentler 2010)
    scaled                 of fits with a sandwich A⁻¹BA⁻¹ and no saturated likelihood 2 (log L₁ − log L₀)/c,
                           c = (tr A₁⁻¹B₁ − tr A₀⁻¹B₀)/m (Satorra & Bentler 2001, traces of Yuan & Bentler 2000)
    boundary               ½ χ²(m − 1) + ½ χ²(m) in place of χ²(m), if the smaller model sets one variance of a latent
                           variable to 0 that cannot be negative, with its covariances   (Self & Liang 1987, case 6;
                           Stram & Lee 1994, case 3)
    bootstrap              the share of 2 (log L₁ − log L₀) in samples of the smaller model beyond that of the data
    vlmr, lmr, vuong       of fits with classes: see `semgllamm.results.class_tests`
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import chdtrc, ndtr

from semgllamm.errors import ModelError
from semgllamm.estimation.gaussian import GaussianLikelihood
from semgllamm.estimation.resampling import likelihood_ratios
from semgllamm.results.class_tests import classes_differ, classes_drawn, vuong, vuong_lo_mendell_rubin
from semgllamm.results.fit import Fit
from semgllamm.results.tests import not_by_likelihood, trace_of_scores

__all__ = ["compare", "equivalent", "fingerprint", "why_not_comparable"]

SCALED = ("satorra.bentler.2001", "satorra.bentler.2010")
SAME = 1e-7  # relative difference of log-likelihoods that are equal
# families whose likelihood is a density, not a probability
CONTINUOUS = {"gaussian", "gamma", "inversegaussian", "beta", "exponential", "weibull", "censored"}
NOTHING = 1e-6  # a statistic that rounding leaves of 0
BY_SCORES = ("robust.huber.white", "robust.cluster")
OF_CLASSES = ("vlmr", "lmr", "vuong")
METHODS = ("lr", "scaled", *SCALED, "bootstrap", *OF_CLASSES)
COLUMNS = ("npar", "df", "aic", "bic", "loglik", "chisq", "chisq_diff", "rmsea", "df_diff", "pvalue", "null")


def compare(
    *fits: Fit, method: str | None = None, names: Sequence[str] | None = None, n: int = 1000, seed: int | None = None,
    workers: int | None = None, boundary: bool = True, n_starts: int | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Compare nested fits of the same data by likelihood-ratio tests.

    Parameters
    ----------
    *fits : Fit
        Two or more; the table has them from the least to the most restricted, each tested against the one before.
    method : str, optional
        "lr", "scaled", "satorra.bentler.2001", "satorra.bentler.2010", "bootstrap", "vlmr", "lmr", "vuong"; by default
        "scaled", which is that of 2001, if the fits have scaled tests or come from a survey or clusters of rows, else
        "lr"; without scaled tests it takes the scores of the sandwich. Between fits with different numbers
        of classes there is no chi-square, and without a method no p-value: "bootstrap" draws samples of the smaller
        (McLachlan 1987), "vlmr" holds the ratio, and "lmr" the adjusted ratio, against a weighted sum of chi-squares
        (Lo, Mendell & Rubin 2001). "vuong" (1989) is for fits that are not nested. Fits by integration with robust
        standard errors have a scaled ratio as well.
    names : sequence of str, optional
        Of the rows, in the order of `fits`; by default "fit1", "fit2", …
    n, seed, workers
        Samples of a parametric bootstrap, its seed and its processes; see `Fit.bootstrap`.
    boundary : bool
        Whether method "lr" heeds that a variance of 0 is on the boundary: without one random effect of k + 1 that may
        covary, the statistic is distributed as χ² on k or k + 1 degrees of freedom, with probability ½ each.
    n_starts : int, optional
        Starts of the fit with more classes in each sample of its bootstrap, by default 10.

    Returns
    -------
    DataFrame
        npar, df, aic, bic, loglik, chisq (unscaled; df and chisq are NaN without a closed form), chisq_diff, rmsea (of
        the difference; NaN where it is scaled), df_diff, pvalue, null (the distribution that the p-value is of).
        Bootstraps add `failed`, the samples that could not be fitted, and Vuong's test `z`, positive where
        the fit above is nearer to the truth, with the `variance` of the difference of the units' log-likelihoods and
        `pvalue_variance`, of the hypothesis that it is 0 and the fits cannot be told apart, which comes first.

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
    if n_starts is not None and (isinstance(n_starts, bool) or not isinstance(n_starts, int) or n_starts < 1):
        raise ModelError(f"n_starts is {n_starts!r}", remedy="Give a whole number, 1 or more.")
    if n_starts is not None and not (method == "bootstrap" and any(fit.model.classes for fit in fits)):
        raise ModelError("n_starts is for the bootstrap of fits with classes", remedy="Leave it out.")
    order = sorted(range(len(fits)), key=lambda k: -fits[k].npar)
    rows = []
    for place, k in enumerate(order):
        row = _row(fits[k])
        if place:
            before = fits[order[place - 1]]
            pair = labels[order[place - 1]], labels[k]
            _check_data(before, fits[k], pair)
            if method == "vuong":
                z, variance, p = vuong(before, fits[k])
                row |= {"z": z, "pvalue": float(2 * ndtr(-abs(z))), "variance": variance, "pvalue_variance": p}
            else:
                _check_nested(before, fits[k], pair)
                if classes_differ(before, fits[k]):
                    row |= _difference_of_classes(before, fits[k], method, n, seed, workers, n_starts)
                else:
                    row |= _difference(before, fits[k], method, n, seed, workers, boundary)
        rows.append(row)
    more = [name for name in ("failed", "z", "variance", "pvalue_variance") if any(name in row for row in rows)]
    return pd.DataFrame(rows, index=[labels[k] for k in order], columns=[*COLUMNS, *more])


def _method(fits: Sequence[Fit], method: str | None) -> str:
    tests = {fit.request.chosen_test if fit.scaled_test is not None else "standard" for fit in fits}
    if len(tests) > 1:
        raise ModelError(
            f"the fits have different tests: {', '.join(sorted(tests))}", remedy="Fit them by the same estimator."
        )
    has_scaled = tests != {"standard"}
    why = next((reason for fit in fits if (reason := not_by_likelihood(fit)) is not None), None)
    some = any(classes_differ(fits[0], fit) for fit in fits)
    by_scores = not has_scaled and not some and all(fit.se_kind in BY_SCORES for fit in fits)
    integrated = by_scores and not any(isinstance(fit.likelihood, GaussianLikelihood) for fit in fits)
    if why is not None and not has_scaled and not by_scores:
        raise ModelError(f"the likelihood ratio has no distribution that is known: {why}",
                         remedy="Use wald_test() of the larger fit.")
    if method is None:
        method = "scaled" if has_scaled or integrated or (why is not None and by_scores) else "none" if some else "lr"
        if some:
            return method
    if method not in METHODS:
        raise ModelError(f"method '{method}' is unknown", remedy=f"Known: {', '.join(METHODS)}.")
    if why is not None and method not in ("scaled", *SCALED):
        raise ModelError(f"the likelihood ratio of method='{method}' is not for these fits: {why}",
                         remedy="Use method='scaled', or wald_test() of the larger fit.")
    if method == "scaled" and by_scores:
        return "scores"
    if method == "scaled":
        method = "satorra.bentler.2001"
    if method in SCALED and integrated:
        raise ModelError(f"method '{method}' is for Gaussian models in closed form", remedy="Use 'scaled'.")
    if method in SCALED and not has_scaled:
        raise ModelError("these fits have no scaled test", remedy="Fit them with estimator='MLR' or 'MLM', or, where "
                         "there is no closed form, se='robust' and method='scaled'.")  # fmt: skip
    if method in SCALED and not tests <= {"satorra.bentler", "yuan.bentler.mplus"}:
        raise ModelError(
            f"differences of chi-squares by '{tests.pop()}' have no simple scaling",
            remedy="Fit them with estimator='MLR' or 'MLM'.",
        )
    return method


def _row(fit: Fit) -> dict:
    closed = fit.test is not None
    likelihood = {"aic": fit.aic, "bic": fit.bic, "loglik": fit.loglik}
    df, chisq = (fit.test.df, fit.test.statistic) if closed else (np.nan, np.nan)
    return {"npar": fit.npar, "df": df, **likelihood, "chisq": chisq, "null": ""}


def _check_data(large: Fit, small: Fit, labels: tuple[str, str]) -> None:
    first, second = labels
    if large.request.objective != small.request.objective:
        raise ModelError(f"{first} and {second} minimise different functions")
    if (reason := why_not_comparable(large, small, first, second)) is not None:
        raise ModelError(f"{first} and {second} are not fits of the same data: {reason}",
                         remedy="Nested models have the same responses, and use the same rows.")  # fmt: skip


def _check_nested(large: Fit, small: Fit, labels: tuple[str, str]) -> None:
    first, second = labels
    if large.npar == small.npar:
        hint = ""
        if large.request.objective == "ML" and equivalent(large, small):
            hint = "; their likelihoods are equal: they may be the same model written in two ways"
        raise ModelError(f"{first} and {second} have equally many parameters, and so are not nested{hint}",
                         remedy="Fits that are not nested have method='vuong' and information_criteria().")  # fmt: skip
    if large.request.objective == "ML":
        gain = large.loglik - small.loglik
    else:
        gain = small.test.statistic - large.test.statistic
    if gain < -1e-6 * max(1.0, abs(small.loglik) if np.isfinite(small.loglik) else 1.0):
        raise ModelError(
            f"{second} fits better than {first} although it has fewer parameters: it is not nested in it"
        )


def fingerprint(fit: Fit) -> tuple:
    """Rows, their weight, and the sums of each response in each group."""
    sums: dict[tuple[str, int], float] = {}
    for block in fit.design.blocks:
        key = block.response.name, block.group
        sums[key] = sums.get(key, 0.0) + float(np.sum(block.y)) + 1e3 * block.category * len(block.y)
    design = fit.design
    weight = float(design.weight(0, len(design.codes), design.first_row[0]).sum())
    return design.n_rows, round(weight, 6), tuple(sorted((key, round(value, 6)) for key, value in sums.items()))


def why_not_comparable(first: Fit, second: Fit, one: str, other: str) -> str | None:
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


def equivalent(one: Fit, other: Fit) -> bool:
    """Whether two fits have equally many parameters and the same likelihood: a hint that they are one model."""
    close = abs(one.loglik - other.loglik) <= SAME * max(1.0, abs(one.loglik))
    return one.npar == other.npar and bool(close)


def _difference(large: Fit, small: Fit, method: str, n: int, seed, workers, boundary: bool) -> dict:
    m = large.npar - small.npar
    if method in OF_CLASSES:
        raise ModelError(f"method '{method}' is for fits with different numbers of classes", remedy="Use method='lr'.")
    if large.request.objective != "ML":
        if method != "lr":
            raise ModelError(f"method '{method}' needs fits of maximum likelihood")
        statistic = small.test.statistic - large.test.statistic
        return _tested(statistic, m, large)
    if method in SCALED:
        unscaled = small.test.statistic - large.test.statistic
        factor = _factor(large, small, m, method)
        if not factor > 0:
            return {"chisq_diff": np.nan, "rmsea": np.nan, "df_diff": m, "pvalue": np.nan, "null": ""}
        statistic = unscaled / factor
        return {**_tested(statistic, m, large), "rmsea": np.nan}
    if method == "scores":
        factor = (trace_of_scores(large) - trace_of_scores(small)) / m
        statistic = 2 * (large.loglik - small.loglik)
        if not factor > 0:
            return {"chisq_diff": np.nan, "rmsea": np.nan, "df_diff": m, "pvalue": np.nan, "null": ""}
        return {**_tested(statistic / factor, m, large), "rmsea": np.nan}
    # Wishart's likelihood has chi-squares of its own
    closed = large.test is not None and small.test is not None
    statistic = small.test.statistic - large.test.statistic if closed else 2 * (large.loglik - small.loglik)
    out = _tested(statistic, m, large)
    if method == "lr" and boundary and len(_variances_at_zero(large, small)) == 1:
        out["pvalue"] = 0.5 * (_survival(statistic, m - 1) + _survival(statistic, m))
        out["null"] = f"0.5 chisq({m - 1}) + 0.5 chisq({m})"
    if method == "bootstrap":
        out["null"] = "bootstrap"
        drawn = likelihood_ratios(
            small.likelihood, small.free, large.likelihood, large.free, n, seed, workers,
            (small.points, large.points), (small._constraints, large._constraints),
        )  # fmt: skip
        good = drawn[np.isfinite(drawn)]
        out["pvalue"] = float((good >= statistic).mean()) if len(good) else np.nan
        out["failed"] = int(len(drawn) - len(good))
    return out


def _difference_of_classes(
    large: Fit, small: Fit, method: str, n: int, seed, workers, n_starts: int | None
) -> dict[str, float]:
    """2 LR, and its p-value by what is known of its distribution."""
    statistic = 2 * (large.loglik - small.loglik)
    out = {"chisq_diff": statistic, "rmsea": np.nan, "df_diff": large.npar - small.npar, "pvalue": np.nan}
    if method == "bootstrap":
        drawn = classes_drawn(large, small, n, 10 if n_starts is None else n_starts, seed, workers)
        good = drawn[np.isfinite(drawn)]
        # of n samples and the data themselves (Davison & Hinkley 1997, equation 4.11)
        out["pvalue"] = (1 + float((good >= statistic).sum())) / (1 + len(good)) if len(good) else np.nan
        out["failed"] = int(len(drawn) - len(good))
    elif method in ("vlmr", "lmr"):
        plain, adjusted, of_adjusted = vuong_lo_mendell_rubin(large, small)
        out |= {"pvalue": plain} if method == "vlmr" else {"chisq_diff": adjusted, "pvalue": of_adjusted}
    elif method != "none":
        raise ModelError(
            "the likelihood ratio of fits with different numbers of classes has no chi-square distribution",
            remedy="Use method='bootstrap', 'vlmr' or 'lmr'.",
        )
    return out


def _tested(statistic: float, m: int, fit: Fit) -> dict:
    groups = fit.model.n_groups
    rmsea = float(np.sqrt(max(statistic - m, 0.0) * groups / (m * fit.nobs)))
    return {
        "chisq_diff": statistic, "rmsea": rmsea, "df_diff": m, "pvalue": _survival(statistic, m), "null": f"chisq({m})"
    }  # fmt: skip


def _variances_at_zero(large: Fit, small: Fit) -> list[tuple]:
    """Variances of latent variables of the larger model that cannot be negative and are 0 in the smaller one.

    Not those of variables with loadings or coefficients of their own, which the smaller model does not identify.
    """
    positive, latent = large.likelihood.working.positive(), set(large.model.eta)
    there = {_key(row) for row in small._rows() if row["free"] or row["est"] != 0}
    rows = [(row, n) for row, n in zip(large.diagram.parameters, large.model.rows) if n >= 0]
    added = [(row, n) for row, n in rows if _key_of(row) not in there]
    with_others = {
        name for row, _ in added if row.op in ("=~", "~", "~1", "<~") for name in (row.lhs, row.rhs)
    }
    return [
        _key_of(row)
        for row, number in added
        if row.op == "~~" and row.lhs == row.rhs and row.lhs in latent and positive[number]
        and row.lhs not in with_others
    ]  # fmt: skip


def _survival(statistic: float, df: int) -> float:
    """P(χ² ≥ statistic); no degree of freedom is all at 0."""
    return float(chdtrc(df, max(statistic, 0.0))) if df else float(statistic <= NOTHING)


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
            cells[number] = estimate.get(_key_of(row), 0.0)
    return cells


def _key_of(row) -> tuple:
    """The key of a row of a diagram."""
    return _key({"lhs": row.lhs, "op": row.op, "rhs": row.rhs, "group": row.group, "level": row.level or ""})


def _key(row) -> tuple:
    ends = tuple(sorted((row["lhs"], row["rhs"]))) if row["op"] == "~~" else (row["lhs"], row["rhs"])
    return (*ends, row["op"], row["group"], row["level"])
