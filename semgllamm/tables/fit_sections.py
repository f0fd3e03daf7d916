"""The sections on the fit of Gaussian models, in lavaan's order and words; scaled statistics in a second column."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan

from semgllamm.tables.report import Report
from semgllamm.tables.table import Fact, Facts

__all__ = ["fit_sections", "user_test"]

CORRECTIONS = {
    "satorra.bentler": "Satorra-Bentler correction",
    "yuan.bentler.mplus": "Yuan-Bentler correction (Mplus variant)",
    "scaled.shifted": "simple second-order correction",
    "mean.var.adjusted": "mean and variance adjusted correction",
}


def _both(report: Report, label: str, name: str, sub: bool = False) -> Fact:
    """A measure, and its scaled form where the test is scaled."""
    found = report.measures
    values = (found[name], found.get(f"{name}.scaled", found[name])) if report.test_name else (found[name],)
    return Fact(label, values, sub=sub)


def user_test(report: Report) -> Iterator[Facts]:
    """The test of the model against the saturated one."""
    found = report.measures
    if "chisq" not in found:
        return
    rows = [_both(report, "Test Statistic", "chisq"), _both(report, "Degrees of freedom", "df")]
    if found["df"] > 0 and not isnan(found["pvalue"]):
        rows.append(_both(report, "P-value (Chi-square)", "pvalue"))
    columns: tuple[str, ...] = ()
    if report.test_name:
        columns = ("Standard", "Scaled")
        if found["df"] > 0:
            rows.append(Fact("Scaling correction factor", ("", found["chisq.scaling.factor"])))
            if report.test_name == "scaled.shifted":
                rows.append(Fact("Shift parameter", ("", report.test_shift)))
            rows.append(Fact(CORRECTIONS.get(report.test_name, report.test_name), sub=True))
    if len(report.test_by_group) > 1:
        rows.append(Fact("Test statistic for each group:"))
        for label, statistic in zip(report.group_labels, report.test_by_group, strict=True):
            # shifts belong to no group
            plain = report.test_name and report.test_name != "scaled.shifted" and found["df"] > 0
            scaled = (statistic / found["chisq.scaling.factor"],) if plain else ()
            rows.append(Fact(label, (statistic, *scaled), sub=True))
    yield Facts(tuple(rows), title="Model Test User Model:", columns=columns)


def fit_sections(report: Report) -> Iterator[Facts]:
    """Baseline model, incremental indices, information criteria, RMSEA and SRMR."""
    found = report.measures
    if "baseline.chisq" not in found:
        return
    rows = [
        _both(report, "Test statistic", "baseline.chisq"), _both(report, "Degrees of freedom", "baseline.df"),
        _both(report, "P-value", "baseline.pvalue"),
    ]  # fmt: skip
    if report.test_name:
        rows.append(Fact("Scaling correction factor", ("", found["baseline.chisq.scaling.factor"])))
    yield Facts(tuple(rows), title="Model Test Baseline Model:")
    rows = [_both(report, "Comparative Fit Index (CFI)", "cfi"), _both(report, "Tucker-Lewis Index (TLI)", "tli")]
    if "cfi.robust" in found:
        rows.append(_robust(report, "Robust Comparative Fit Index (CFI)", "cfi"))
        rows.append(_robust(report, "Robust Tucker-Lewis Index (TLI)", "tli"))
    yield Facts(tuple(rows), title="User Model versus Baseline Model:")
    yield from _information(report)
    yield _closeness(report)
    levels = [("SRMR (within covariance matrix)", "srmr_within"), ("SRMR (between covariance matrix)", "srmr_between")]
    rows = [_both(report, label, name) for label, name in levels if name in found] or [_both(report, "SRMR", "srmr")]
    yield Facts(tuple(rows), title="Standardized Root Mean Square Residual:")


def _information(report: Report) -> Iterator[Facts]:
    found = report.measures
    if isnan(found["logl"]):
        return
    factors = [found.get("scaling.factor.h0"), found.get("scaling.factor.h1")]
    rows = []
    hypotheses = [("user model (H0)", "logl"), ("unrestricted model (H1)", "unrestricted.logl")]
    for (label, name), factor in zip(hypotheses, factors):
        rows.append(_both(report, f"Loglikelihood {label}", name))
        if factor is not None:
            rows.append(Fact("Scaling correction factor", ("", factor)))
    rows += [
        _both(report, "Akaike (AIC)", "aic"), _both(report, "Bayesian (BIC)", "bic"),
        _both(report, "Sample-size adjusted Bayesian (SABIC)", "bic2"),
    ]  # fmt: skip
    yield Facts(tuple(rows), title="Loglikelihood and Information Criteria:")


def _closeness(report: Report) -> Facts:
    found = report.measures
    lines = [
        ("{}RMSEA", "rmsea"), ("90 Percent confidence interval - lower", "rmsea.ci.lower"),
        ("90 Percent confidence interval - upper", "rmsea.ci.upper"), ("P-value H_0: {}RMSEA <= 0.050", "rmsea.pvalue"),
        ("P-value H_0: {}RMSEA >= 0.080", "rmsea.notclose.pvalue"),
    ]  # fmt: skip
    shown = [(label, name) for label, name in lines if not isnan(found[name])]
    rows = [_both(report, label.format(""), name) for label, name in shown]
    if "rmsea.robust" in found:
        rows += [_robust(report, label.format("Robust "), name) for label, name in shown]
    return Facts(tuple(rows), title="Root Mean Square Error of Approximation:")


def _robust(report: Report, label: str, name: str) -> Fact:
    """Below the scaled measures where there are any; of incomplete rows there may be none."""
    value = report.measures[f"{name}.robust"]
    return Fact(label, ("", value) if report.test_name else (value,))
