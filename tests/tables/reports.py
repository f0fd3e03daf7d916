"""Reports filled in by hand, as a fit would fill them: good fits and failed ones."""

from __future__ import annotations

import csv
from dataclasses import replace
from math import nan
from pathlib import Path

from semgllamm.tables.report import Estimate, Report

LAVAAN = Path(__file__).parent / "lavaan"


def lavaan_estimates(name: str, levels: dict[str, str | None] | None = None) -> tuple[list[Estimate], list[Estimate]]:
    """Parameters and definitions that lavaan wrote to ``name.csv``."""
    rows = []
    with open(LAVAAN / f"{name}.csv", newline="") as file:
        for line in csv.DictReader(file):
            free, defined = line["free"] == "TRUE", line["op"] == ":="
            number = {key: float(line[key] or "nan") for key in ("est", "se", "z", "pvalue", "ci.lower", "ci.upper")}
            zero_mean = line["op"] == "~1" and not free and number["est"] == 0
            rows.append(
                Estimate(
                    line["lhs"],
                    line["op"],
                    line["rhs"],
                    level=(levels or {}).get(line.get("level", "")),
                    label="" if defined else line.get("label", ""),
                    free=free or defined,
                    exogenous=line["exo"] == "TRUE",
                    source="default" if zero_mean else "user",
                    **{key.replace(".", "_"): value for key, value in number.items()},
                )
            )
    return [row for row in rows if row.op != ":="], [row for row in rows if row.op == ":="]


def holzinger(ci: bool = False) -> Report:
    rows, _ = lavaan_estimates("hs1939")
    return Report(
        version="0.1.0",
        iterations=6,
        method="Laplace approximation (exact: all responses Gaussian)",
        optimizer="Newton",
        npar=30,
        nobs=301,
        missing="none",
        units=(("row", 301),),
        responses=tuple((f"x{i}", "gaussian(identity)", "row", 301) for i in range(1, 10)),
        loglik=-3737.744927,
        aic=7535.489853,
        bic=7646.703,
        bic_n="301",
        information="Observed",
        parameters=tuple(rows),
        ci=ci,
    )


def two_level() -> Report:
    rows, definitions = lavaan_estimates("twolevel", {"1": None, "2": "cluster"})
    return Report(
        version="0.1.0",
        iterations=9,
        npar=20,
        n_constraints=1,
        nobs=2500,
        units=(("row", 2500), ("cluster", 200)),
        information="Observed",
        parameters=tuple(rows),
        definitions=tuple(definitions),
        level_style="lavaan",
    )


def covariances() -> Report:
    rows, _ = lavaan_estimates("covariances")
    return Report(units=(("row", 301),), parameters=tuple(rows))


def wald(lhs: str, op: str, rhs: str, est: float, se: float, **more) -> Estimate:
    z = est / se
    pvalue = 0.0 if abs(z) > 4 else 0.0123
    return Estimate(
        lhs, op, rhs, est=est, se=se, z=z, pvalue=pvalue, ci_lower=est - 1.96 * se, ci_upper=est + 1.96 * se, **more
    )


def fixed(lhs: str, op: str, rhs: str, est: float, **more) -> Estimate:
    return Estimate(lhs, op, rhs, free=False, est=est, **more)


def guatemala() -> Report:
    """Three levels: children of mothers in communities."""
    return Report(
        version="0.1.0",
        iterations=8,
        method="Adaptive quadrature",
        optimizer="Newton",
        npar=6,
        nobs=2159,
        n_used=2159,
        n_total=2162,
        rows_left_out=(("rural missing", 3),),
        missing="responses missing at random are used",
        units=(("row", 2159), ("mom", 1595), ("comm", 161)),
        responses=(("immun", "bernoulli(logit)", "row", 2159),),
        quadrature=(("mom", 1, 21), ("comm", 1, 7)),
        quadrature_error=(0.00213, 0.0000401),
        loglik=-1323.952432,
        aic=2681.904864,
        bic=2734.2886,
        bic_n="161 comm",
        information="Observed (Louis)",
        parameters=(
            wald("immun", "~1", "", -1.0541, 0.4071),
            wald("immun", "~", "kid2p", 1.7135, 0.2166),
            wald("immun", "~", "rural", -0.9938, 0.3056),
            wald("immun", "~", "pcInd81", -1.1656, 0.5113),
            fixed("mom.intercept", "=~", "immun", 1.0, level="mom", source="random"),
            wald("mom.intercept", "~~", "mom.intercept", 5.3694, 0.9803, level="mom", source="random"),
            fixed("comm.intercept", "=~", "immun", 1.0, level="comm", source="random"),
            wald("comm.intercept", "~~", "comm.intercept", 1.0504, 0.2991, level="comm", source="random"),
        ),
        icc=(("mom", 0.6612, 0.0311), ("comm", 0.1082, 0.0273)),
        notes=("Identifiers of mom are reused in other units of comm and are read as nested.",),
    )


def random_slope(ci: bool = False) -> Report:
    """A random intercept and slope: the covariance of two random effects."""
    return Report(
        version="0.1.0",
        iterations=5,
        method="Closed form",
        optimizer="Newton",
        npar=6,
        nobs=180,
        missing="none",
        units=(("row", 180), ("Subject", 18)),
        responses=(("Reaction", "gaussian(identity)", "row", 180),),
        loglik=-875.96967,
        aic=1763.93934,
        bic=1783.09708,
        bic_n="180 rows",
        information="Observed",
        parameters=(
            wald("Reaction", "~1", "", 251.40510, 6.63226),
            wald("Reaction", "~", "Days", 10.46729, 1.50223),
            wald("Reaction", "~~", "Reaction", 654.94103, 77.18544),
            wald("Subject.intercept", "~~", "Subject.intercept", 565.51537, 264.67819, level="Subject"),
            wald("Subject.intercept", "~~", "Subject.Days", 11.05543, 42.86, level="Subject"),
            wald("Subject.Days", "~~", "Subject.Days", 32.68219, 13.56, level="Subject"),
        ),
        ci=ci,
    )


def two_groups() -> Report:
    """Ordinal and binary responses in two groups, with labels, a defined parameter and a warning."""

    def group(number: int, shift: float) -> list[Estimate]:
        return [
            fixed("theta", "=~", "u1", 1.0, group=number),
            wald("theta", "=~", "u2", 0.843 + shift, 0.112, group=number, label="loading_two"),
            wald("theta", "=~", "u3", 1.204 + shift, 0.154, group=number, label="loading_three"),
            wald("theta", "~", "motherseducation", 0.311 - shift, 0.093, group=number, label=f"b{number}"),
            wald("u1", "|", "t1", -0.722, 0.081, group=number),
            wald("u1", "|", "t2", 0.934, 0.092, group=number),
            wald("u2", "~1", "", 0.212, 0.071, group=number),
            wald("u3", "~1", "", -0.101, 0.069, group=number),
            fixed("theta", "~1", "", 0.0, group=number, source="default"),
            fixed("u1", "~*~", "u1", 1.0, group=number, source="default"),
            wald("theta", "~~", "theta", 1.021 + shift, 0.201, group=number),
        ]

    return Report(
        version="0.1.0",
        iterations=11,
        method="Adaptive quadrature",
        optimizer="Newton",
        npar=14,
        n_constraints=2,
        nobs=598,
        group_labels=("Pasteur", "Grant-White"),
        group_used=(298, 300),
        group_total=(301, 300),
        rows_left_out=(("motherseducation missing", 3),),
        missing="responses missing at random are used",
        units=(("row", 598),),
        responses=(
            ("u1", "ordinal(probit)", "row", 590),
            ("u2", "bernoulli(probit)", "row", 598),
            ("u3", "bernoulli(probit)", "row", 598),
        ),
        quadrature=(("row", 1, 15),),
        quadrature_error=(0.0009, 0.000012),
        loglik=-1002.125,
        aic=2032.25,
        bic=2093.76,
        bic_n="598",
        information="Observed (Louis)",
        parameters=tuple(group(1, 0.0) + group(2, 0.05)),
        definitions=(wald("difference", ":=", "b1-b2", 0.05, 0.03),),
        warnings=("u1 has a category with fewer than five observations.",),
        level_style="at",
    )


def not_converged() -> Report:
    return replace(
        guatemala(),
        converged=False,
        iterations=100,
        quadrature_error=None,
        problems=(
            "The optimiser stopped after 100 iterations before it reached a maximum of the likelihood. "
            "The gradient is far from zero at: immun~kid2p, mom.intercept~~mom.intercept. "
            "Give start values, or more iterations in Settings(iterations=...).",
        ),
    )


def singular() -> Report:
    return replace(
        holzinger(ci=True),
        problems=(
            "The information matrix is singular: visual=~x2 and visual~~visual cannot be told apart by these data, "
            "so that the model is not identified. Fix one of them.",
        ),
    )


def boundary() -> Report:
    """A variance that the data put at zero."""
    report = guatemala()
    return replace(
        report,
        parameters=tuple(
            replace(row, est=0.0, se=nan, z=nan, pvalue=nan, ci_lower=nan, ci_upper=nan, boundary=True)
            if row.lhs == row.rhs == "comm.intercept"
            else row
            for row in report.parameters
        ),
        icc=(),
    )


def failed_without_words() -> Report:
    return replace(holzinger(), converged=False, iterations=1)


REPORTS = {
    "holzinger": holzinger,
    "holzinger_ci": lambda: holzinger(ci=True),
    "guatemala": guatemala,
    "random_slope": random_slope,
    "random_slope_ci": lambda: random_slope(ci=True),
    "two_groups": two_groups,
    "two_level": two_level,
    "boundary": boundary,
    "not_converged": not_converged,
    "singular": singular,
    "failed_without_words": failed_without_words,
}

if __name__ == "__main__":  # write the golden files anew: python tests/tables/reports.py
    from semgllamm.tables.contents import contents
    from semgllamm.tables.text import render

    for name, report in REPORTS.items():
        (Path(__file__).parent / "golden" / f"{name}.txt").write_text(render(contents(report())), encoding="utf-8")
