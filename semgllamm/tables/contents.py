"""Contents of the printed report, in lavaan's order of sections, with what models of several levels add."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import isnan, nan, sqrt

from semgllamm.tables.fit_sections import fit_sections, user_test
from semgllamm.tables.numbers import rounded_up
from semgllamm.tables.report import Estimate, Report
from semgllamm.tables.table import Block, Cell, Fact, Facts, Heading, Row, Section, Statement, Table

__all__ = ["brief", "contents"]

WALD = ("Estimate", "Std.Err", "z-value", "P(>|z|)")
LIMITS = ("ci.lower", "ci.upper")
STANDARDIZED = ("Std.lv", "Std.all")


def contents(report: Report) -> list[Block]:
    """Everything: what went wrong, how the fit was made, its measures, its parameters, its notes."""
    return [
        *opening(report),
        how(report),
        *sample(report),
        *responses(report),
        *integration(report),
        *warnings(report),
        *user_test(report),
        *(fit_sections(report) if report.has_fit_sections else measures(report)),
        *classes(report),
        estimates(report),
        *parameters(report),
        *ratios(report),
        *profiles(report),
        *intraclass(report),
        *defined(report),
        *constraints(report),
        *notes(report),
    ]


def brief(report: Report) -> list[Block]:
    """What a user wants to see at once: did it converge, how well does it fit, what are the parameters."""
    return [
        *opening(report), *warnings(report), *user_test(report), *measures(report), *classes(report),
        *parameters(report),
        *defined(report),
    ]  # fmt: skip


# ---- what was done


def opening(report: Report) -> Iterator[Block]:
    """A failure is the first thing said."""
    for problem in report.problems:
        yield Statement(problem, "problem")
    if not report.converged and not report.problems:
        yield Statement("The optimiser stopped before it reached a maximum of the likelihood.", "problem")
    if not report.trustworthy:
        yield Statement("Standard errors are withheld.", "problem")
    ending = "ended normally" if report.converged else "did NOT end normally"
    name = f"{report.title} {report.version}".strip()
    yield Statement(f"{name} {ending} after {report.iterations} iteration{plural(report.iterations)}", "title")


def how(report: Report) -> Facts:
    rows = [Fact("Estimator", (report.estimator,))]
    if report.method:
        rows.append(Fact("Likelihood", (report.method,)))
    if report.optimizer:
        rows.append(Fact("Optimization method", (report.optimizer,)))
    rows.append(Fact("Number of model parameters", (report.npar,)))
    if report.n_constraints:
        rows.append(Fact("Number of equality constraints", (report.n_constraints,)))
    if report.n_inequalities:
        rows.append(Fact("Number of inequality constraints", (report.n_inequalities,)))
    return Facts(tuple(rows))


def sample(report: Report) -> Iterator[Facts]:
    """Observations (used and total where rows were lost), units of every level, missing values."""
    used = report.nobs if report.n_used is None else report.n_used
    total = used if report.n_total is None else report.n_total
    lost = total != used or report.group_used != (report.group_total or report.group_used)
    rows: list[Fact] = []
    if report.group_used:
        rows.append(Fact("Number of observations per group:"))
        totals = report.group_total or report.group_used
        for label, n, all_rows in zip(report.group_labels, report.group_used, totals, strict=True):
            rows.append(Fact(label, (n, all_rows) if lost else (n,), sub=True))
    else:
        rows.append(Fact("Number of observations", (used, total) if lost else (used,)))
    if report.rows_left_out:
        rows.append(Fact("Number of rows left out:"))
        rows += [Fact(reason, (count,), sub=True) for reason, count in report.rows_left_out]
    if len(report.units) > 1:
        rows.append(Fact("Number of units:"))
        rows += [Fact(level, (count,), sub=True) for level, count in report.units]
    if report.weights is not None:
        rows.append(Fact("Sampling weights variable", (report.weights,)))
        if report.weights_scaling != "raw":
            rows.append(Fact("Scaling of sampling weights", (report.weights_scaling,)))
    if report.strata is not None:
        rows.append(Fact("Strata variable", (report.strata,)))
    if report.fpc is not None:
        rows.append(Fact("Finite-population correction", (report.fpc,)))
    if report.replicates is not None:
        rows.append(Fact("Replicate weights", (report.replicates,)))
    if report.frequencies is not None:
        rows.append(Fact("Frequencies variable", (report.frequencies,)))
    if report.missing:
        rows.append(Fact("Missing values", (report.missing,)))
    yield Facts(tuple(rows), columns=("Used", "Total") if lost else (), caption="The data")


def responses(report: Report) -> Iterator[Table]:
    """Each response with its family, level and number of values; neighbours that agree share a line."""
    rows = []
    for (family, level, count), run in groupby(report.responses, key=lambda response: response[1:]):
        names = [response[0] for response in run]
        name = names[0] if len(names) == 1 else f"{names[0]} .. {names[-1]}"
        rows.append(Row(name, (len(names), family, level, count)))
    if rows:
        yield Table("Responses:", ("Number", "Family", "Level", "Values"), (Section(tuple(rows)),), whole_names=True)


def integration(report: Report) -> Iterator[Facts]:
    """Points of quadrature, and how far the answer may be from that with infinitely many."""
    if not report.quadrature:
        return
    rows = [Fact(f"Level {level}", (dimensions, points)) for level, dimensions, points in report.quadrature]
    if report.quadrature_error is None:
        rows.append(Fact("Remaining error", ("not assessed",)))
    else:
        estimate_error, loglik_error = report.quadrature_error
        rows.append(Fact("Remaining error:"))
        rows.append(Fact("of the loglikelihood", (rounded_up(loglik_error),), sub=True))
        rows.append(Fact("of an estimate, in standard errors", (rounded_up(estimate_error),), sub=True))
    yield Facts(tuple(rows), title="Integration:", columns=("Dimensions", "Points"))


def measures(report: Report) -> Iterator[Facts]:
    """The log-likelihood, which least squares do not have."""
    if report.estimator != "ML":
        return
    size = f", n = {report.bic_n}" if report.bic_n else ""
    rows = (
        Fact("Loglikelihood", (report.loglik,)),
        Fact("Akaike (AIC)", (report.aic,)),
        Fact(f"Bayesian (BIC{size})", (report.bic,)),
        *(Fact(name, (value,)) for name, value in report.criteria),
    )
    yield Facts(rows, title="Loglikelihood and Information Criteria:")
    yield from contingency(report)


def contingency(report: Report) -> Iterator[Table | Facts]:
    """How far the table of all answers is from what is expected of it."""
    if not report.contingency:
        return
    rows = tuple(Row(name, numbers) for name, *numbers in report.contingency)
    seen, cells = report.patterns
    notes = (f"{seen} of {cells} patterns of answers were seen.",)
    if report.sparse:
        notes = (f"{notes[0]} With fewer than five answers to a pattern the p-values mean little.",)
    columns = ("Statistic", "df", "P-value")
    yield Table("Table of All Answers:", columns, (Section(rows),), whole_names=True, notes=notes)


def classes(report: Report) -> Iterator[Table]:
    """How large the classes are, and how clearly the answers tell them apart."""
    if not report.classes:
        return
    rows = tuple(Row(f"{variable}={klass}", numbers) for variable, klass, *numbers in report.classes)
    yield Table("Classes:", ("Share", "Expected", "Most likely"), (Section(rows),), whole_names=True)
    yield Facts(tuple(Fact(f"Entropy R-square of {name}", (value,)) for name, value in report.entropy))


def profiles(report: Report) -> Iterator[Table]:
    """What members of each class answer: of two categories the second, of means one line."""
    groups = {group for _, group, *_ in report.profiles}
    for variable, group, names, found in report.profiles:
        where = f", Group {group} [{report.group_labels[group - 1]}]" if len(groups) > 1 else ""
        columns = tuple(f"{variable}={name}" for name in names)
        pairs = {response for response, category, _ in found if category == "0"}
        pairs -= {response for response, category, _ in found if category not in ("0", "1")}
        kinds = {
            "Response Probabilities by Class": [
                (response if response in pairs else f"{response}={category}", values)
                for response, category, values in found if category and not (response in pairs and category == "0")
            ],
            "Response Means by Class": [(response, values) for response, category, values in found if not category],
        }  # fmt: skip
        for title, rows in kinds.items():
            if rows:
                yield Table(f"{title}{where}:", columns, (Section(tuple(Row(*row) for row in rows)),), whole_names=True)


# as lavaan prints them; scores of rows are in the line below
ERRORS = {"robust.huber.white": "Sandwich", "first.order": "Standard"}


def estimates(report: Report) -> Facts:
    kind = ERRORS.get(report.standard_errors, report.standard_errors.capitalize())
    rows = [Fact("Standard errors", (kind if report.trustworthy else "Withheld",))]
    if report.information and report.trustworthy and report.standard_errors not in ("none", "bootstrap", "replicates"):
        what = "Information bread" if report.standard_errors == "robust.huber.white" else "Information"
        rows.append(Fact(what, (report.information,)))
    return Facts(tuple(rows), title="Parameter Estimates:")


def warnings(report: Report) -> Iterator[Statement]:
    return (Statement(text, "warning") for text in report.warnings)


def notes(report: Report) -> Iterator[Statement]:
    return (Statement(text, "note") for text in report.notes)


# ---- the parameters


@dataclass(frozen=True)
class Setting:
    """What the tables of parameters have in common."""

    ci: bool
    trustworthy: bool
    standardized: bool = False
    endogenous: frozenset[str] = frozenset()
    # (name, group, level) -> variance; empty where standard deviations are not shown
    variances: dict[tuple[str, int, str | None], float] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        return WALD + (LIMITS if self.ci else ()) + (STANDARDIZED if self.standardized else ())

    def cells(self, row: Estimate) -> tuple[Cell, ...]:
        """Estimate and inference; a parameter that is held fast has none, and nor has any after a failure."""
        limits = (row.ci_lower, row.ci_upper) if row.free else (row.est, row.est)
        limits = limits if self.ci else ()
        standard = (row.std_lv, row.std_all) if self.standardized else ()
        if not self.trustworthy:
            return (row.est, *[None] * (len(WALD) - 1 + len(limits)), *standard)
        wald = (row.se, nan, nan) if row.boundary else (row.se, row.z, row.pvalue)
        if not row.free or row.se == 0:
            wald = (None, None, None)
        return (row.est, *wald, *limits, *standard)


def parameters(report: Report) -> Iterator[Block]:
    """The sections of every group and level, each group and level under its heading where there are several."""
    shown = [row for row in report.parameters if printed(row)]
    lowest = report.units[0][0] if report.units else None
    order = list(dict.fromkeys([*(name for name, _ in report.units), *(row.level or lowest for row in shown)]))
    levels = [name for name in order if any((row.level or lowest) == name for row in shown)]
    several_groups = len(report.group_labels) > 1
    setting = Setting(
        ci=report.ci,
        trustworthy=report.trustworthy,
        standardized=report.standardized,
        endogenous=endogenous(report.parameters),
        variances=variances(shown, lowest) if len(order) > 1 and report.level_style == "at" else {},
    )
    for group in sorted({row.group for row in shown}):
        if several_groups:
            yield Heading(f"Group {group} [{report.group_labels[group - 1]}]:", 1)
        for level in levels:
            rows = [row for row in shown if row.group == group and (row.level or lowest) == level]
            if not rows:
                continue
            if len(levels) > 1:
                yield Heading(level_heading(report, level, order.index(level), several_groups), 2)
            yield from sections([row for row in rows if not (row.klass or row.membership)], setting, level)
            yield from membership([row for row in rows if row.membership], setting)
            masses = [row for row in rows if is_mass_point(row)]
            located = [replace(row, op="=", rhs=row.klass.rpartition("=")[2]) for row in masses]
            yield from table("Mass Points:", located, setting, headed=True)
            in_classes = [row for row in rows if row.klass and not is_mass_point(row)]
            for klass in dict.fromkeys(row.klass for row in in_classes):
                yield Heading(f"Class {klass}:", 2)
                yield from sections([row for row in in_classes if row.klass == klass], setting, level)
            here = [row for row in report.rsquare if row[1] == group and (row[2] or lowest) == level]
            yield from explained(here)
    if at_boundary := [
        f"{row.lhs}{row.op}{row.rhs}" + (f" ({row.klass})" if row.klass else "") for row in shown if row.boundary
    ]:
        tested = any(row.boundary and not isnan(row.se) for row in shown)
        verb = "lies" if len(at_boundary) == 1 else "lie"
        untold = "no test is shown" if tested else "no standard error and no test are shown"
        yield Statement(f"{', '.join(at_boundary)} {verb} on the boundary of the parameter space: {untold}.")


def printed(row: Estimate) -> bool:
    """Not the loadings of random terms, the moments of covariates, or the zero means and unit scales of completion."""
    if (row.source == "random" and row.op in ("=~", "~")) or row.exogenous:
        return False
    silent = row.source in ("default", "random") and not row.free
    return not (silent and ((row.op == "~1" and row.est == 0) or (row.op == "~*~" and row.est == 1)))


def endogenous(rows: Iterable[Estimate]) -> frozenset[str]:
    """Names with a disturbance: what is regressed, and what measures a latent variable."""
    return frozenset(row.lhs if row.op == "~" else row.rhs for row in rows if row.op in ("~", "=~"))


def variances(rows: Iterable[Estimate], lowest: str | None) -> dict[tuple[str, int, str | None], float]:
    return {(row.lhs, row.group, row.level or lowest): row.est for row in rows if row.op == "~~" and row.lhs == row.rhs}


def level_heading(report: Report, level: str, depth: int, several_groups: bool) -> str:
    if report.level_style == "lavaan":
        return f"Level {depth + 1} [{'within' if depth == 0 else level}]:"
    count = dict(report.units).get(level)
    if several_groups or count is None:
        return f"Level {level}:"
    return f"Level {level} ({count} unit{plural(count)}):"


def sections(rows: list[Estimate], setting: Setting, level: str | None) -> Iterator[Table]:
    """The sections of one group and level, in lavaan's order."""
    by_left_side = {"Latent Variables:": "=~", "Composites:": "<~", "Regressions:": "~"}
    for title, op in by_left_side.items():
        yield from table(title, [row for row in rows if row.op == op], setting, headed=True)
    covariances = [row for row in rows if row.op == "~~" and row.lhs != row.rhs]
    yield from table("Covariances:", covariances, setting, headed=True, extra=correlation_column(setting, level))
    yield from table("Intercepts:", [row for row in rows if row.op == "~1"], setting)
    cut = [row for row in rows if row.op == "|"]
    names = list(dict.fromkeys(row.lhs for row in cut))
    # those of a class come after those that all classes share
    yield from table("Thresholds:", sorted(cut, key=lambda row: names.index(row.lhs)), setting)
    yield from table("Effects on Thresholds:", [row for row in rows if row.op.startswith("|t")], setting)
    own = [row for row in rows if row.op == "~~" and row.lhs == row.rhs]
    yield from table("Variances:", own, setting, extra=deviation_column(setting))
    predictors = {
        "Dispersions (log):": "@dispersion", "Zeros (logit):": "@inflation",
        "Lower Asymptotes (logit):": "@guessing", "Upper Asymptotes (logit):": "@ceiling",
    }  # fmt: skip
    for title, op in predictors.items():
        own = [row for row in rows if row.op.startswith(op)]
        names = list(dict.fromkeys(row.lhs for row in own))
        yield from table(title, sorted(own, key=lambda row: (names.index(row.lhs), row.rhs != "")), setting)
    yield from table("Scales y*:", [row for row in rows if row.op == "~*~"], setting)


def is_mass_point(row: Estimate) -> bool:
    """Whether a row is the location of a class of a free distribution, which has the name of what it locates."""
    return row.op == "~1" and row.lhs in row.klass.rpartition("=")[0].split("+")


def membership(rows: list[Estimate], setting: Setting) -> Iterator[Table]:
    """The logits of classes against the last."""
    rows = [replace(row, op="~", rhs=row.rhs or "1") for row in rows]
    yield from table("Membership (logit):", rows, setting, headed=True)


# a further column of a table: its title, and its cell in a row
Extra = tuple[str, Callable[[Estimate], Cell]]


def deviation_column(setting: Setting) -> Extra | None:
    return ("Std.Dev.", lambda row: square_root(row.est)) if setting.variances else None


def correlation_column(setting: Setting, level: str | None) -> Extra | None:
    def correlation(row: Estimate) -> float:
        scale = [square_root(setting.variances.get((name, row.group, level), nan)) for name in (row.lhs, row.rhs)]
        return row.est / (scale[0] * scale[1]) if scale[0] * scale[1] > 0 else nan

    return ("Corr.", correlation) if setting.variances else None


def table(
    title: str, rows: list[Estimate], setting: Setting, *, headed: bool = False, extra: Extra | None = None
) -> Iterator[Table]:
    """One table, or nothing where there are no rows; `headed` gathers them under their left sides."""
    if not rows:
        return

    def line(row: Estimate) -> Row:
        cells = setting.cells(row) + ((extra[1](row),) if extra else ())
        return Row(shown_name(row), cells, row.label or "", has_disturbance(row, setting.endogenous))

    columns = setting.columns + ((extra[0],) if extra else ())
    if headed:
        runs = groupby(rows, key=lambda row: (row.lhs, row.op))
        gathered = tuple(
            Section(tuple(map(line, run)), f"{lhs} {op}", residual=op == "~~" and lhs in setting.endogenous)
            for (lhs, op), run in runs
        )
    else:
        gathered = (Section(tuple(map(line, rows))),)
    yield Table(title, columns, gathered)


def shown_name(row: Estimate) -> str:
    """The side of the statement that the sub-header does not name."""
    if row.op == "|":
        return f"{row.lhs}|{row.rhs}"
    if row.op.startswith("|t"):
        return f"{row.lhs}{row.op.removesuffix('~')} ~ {row.rhs}"
    if row.op.startswith("@"):
        return f"{row.lhs} ~ {row.rhs}" if row.rhs else row.lhs
    return row.lhs if row.op in ("~1", ":=", "~*~") else row.rhs


def has_disturbance(row: Estimate, endogenous: frozenset[str]) -> bool:
    return (row.op == "~1" and row.lhs in endogenous) or (row.op == "~~" and row.rhs in endogenous)


def defined(report: Report) -> Iterator[Table]:
    setting = Setting(ci=report.ci, trustworthy=report.trustworthy, standardized=report.standardized)
    yield from table("Defined Parameters:", list(report.definitions), setting)


def constraints(report: Report) -> Iterator[Facts]:
    """What must be zero or positive, and how far it is from zero."""
    rows = tuple(Fact(text, (slack,), sub=True) for text, slack in report.constraints)
    if rows:
        yield Facts(rows, title="Constraints:", columns=("|Slack|",))


def ratios(report: Report) -> Iterator[Block]:
    """Exponentiated coefficients with their limits, a table for each kind; z and p are those of the coefficients."""
    setting = Setting(ci=True, trustworthy=report.trustworthy)
    several = len(report.group_labels) > 1
    for group in dict.fromkeys(row.group for _, row in report.ratios):
        if several:
            yield Heading(f"Group {group} [{report.group_labels[group - 1]}]:", 1)
        own = [(kind.removesuffix(" ratio"), row) for kind, row in report.ratios if row.group == group]
        for kind in dict.fromkeys(kind for kind, _ in own):
            rows = [
                replace(row, lhs=f"{row.lhs} ({row.klass})" if row.klass else row.lhs, op="~", rhs=row.rhs or "1")
                for one, row in own
                if one == kind
            ]
            rows.sort(key=lambda row, order=[row.lhs for row in rows]: (order.index(row.lhs), row.rhs == "1"))
            yield from table(f"{kind.capitalize()} Ratios:", rows, setting, headed=True)


def explained(rsquare: list[tuple[str, int, str | None, float]]) -> Iterator[Table]:
    """Explained variances of one group and level."""
    if rsquare:
        rows = tuple(Row(name, (value,)) for name, _, _, value in rsquare)
        yield Table("R-Square:", ("Estimate",), (Section(rows),))


def intraclass(report: Report) -> Iterator[Table]:
    """Shares of the variance that units of a level have in common."""
    rows = [Row(level, (value, se if report.trustworthy else None)) for level, value, se in report.icc]
    if rows:
        yield Table("Intraclass Correlations:", ("Estimate", "Std.Err"), (Section(tuple(rows)),), whole_names=True)


def square_root(variance: float) -> float:
    return sqrt(variance) if variance >= 0 else nan


def plural(count: int) -> str:
    return "" if count == 1 else "s"
