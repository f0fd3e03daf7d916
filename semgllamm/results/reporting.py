"""The report of a fit: all that its summary prints, as numbers and words without layout."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.estimation.inner_classes import InnerClasses
from semgllamm.results.classes import class_sizes, entropy
from semgllamm.results.intraclass import intraclass_correlations

if TYPE_CHECKING:
    from semgllamm.results.fit import Fit
    from semgllamm.tables.report import Report

__all__ = ["report"]


def report(
    fit: Fit, ci: bool = False, standardized: bool = False, rsquare: bool = False,
    fit_measures: bool = False, eform: bool = False,
) -> Report:  # fmt: skip
    """All that the summary prints."""
    from importlib.metadata import PackageNotFoundError, version

    from semgllamm.tables.report import Estimate, Report

    try:
        number = version("semgllamm")
    except PackageNotFoundError:
        number = ""
    model, design = fit.model, fit.design
    hidden = set(model.hidden)
    logits = {f"{variable.name}[{name}]" for variable in model.classes for name in variable.classes}
    estimates, definitions = [], []
    standard = _standardised(fit) if standardized else repeat((None, None))
    for row, extra, (std_lv, std_all) in zip(fit._rows(), _flags(fit), standard):
        record = Estimate(
            lhs=row["lhs"],
            op=row["op"],
            rhs=row["rhs"],
            group=row["group"],
            level=row["level"] or None,
            label="" if row["op"] == ":=" else row["label"],
            free=bool(row["free"]) or row["op"] == ":=",
            est=row["est"],
            se=row["se"],
            z=row["z"],
            pvalue=row["pvalue"],
            ci_lower=row["ci_lower"],
            ci_upper=row["ci_upper"],
            source=row["source"],
            boundary=extra,
            klass=row["class"],
            membership=row["lhs"] in logits,
            std_lv=std_lv,
            std_all=std_all,
        )
        (definitions if row["op"] == ":=" else estimates).append(record)
    latent_classes = [v for v, variable in enumerate(model.classes) if not variable.summed]
    counts = design.response_counts
    dims = {
        level: sum(1 for k in fit.tree.order if model.levels[model.eta_level[k]] == level)
        for level in fit.likelihood.levels
    }
    units = tuple(zip(model.levels, design.counted)) if len(model.levels) > 1 else ()
    repeats = design.repeats(0)
    several = len(model.group_labels) > 1
    used = ()
    if several:
        used = tuple(map(int, np.bincount(design.group_of // len(model.holes), repeats, model.n_groups)))
    notes = [*fit.binding.notes, *fit.diagram.notes, *fit.notes, *_at_bounds(fit)]
    icc = [
        (level if len(model.responses) == 1 else f"{level} ({name})", value, se)
        for name, level, value, se in intraclass_correlations(fit)
    ]
    quadrature = () if fit.likelihood.exact else tuple(zip(fit.likelihood.levels, dims.values(), fit.points))
    return Report(
        version=number,
        converged=fit.converged,
        problems=fit.problems,
        iterations=fit.convergence.iterations,
        method=fit.method,
        optimizer=_optimizer(fit),
        npar=model.n_parameters,
        n_constraints=model.n_parameters - fit.npar,
        n_inequalities=sum(constraint.op != "==" for constraint in fit.diagram.constraints),
        constraints=tuple((text, abs(slack)) for text, _, slack, *_ in fit._slacks(bounds=False)),
        nobs=fit.nobs,
        n_used=design.counted[0],
        n_total=design.n_total,
        group_labels=model.group_labels if several else (),
        group_used=used,
        group_total=used,
        rows_left_out=design.left_out,
        missing=fit.missing,
        units=units,
        responses=tuple(dict.fromkeys(
            (r.answer or r.name, f"{r.family.name}({r.family.link})", model.levels[r.level], counts.get(r.name, 0))
            for r in model.responses
            if r.name not in hidden
        )),
        quadrature=quadrature,
        quadrature_error=fit.quadrature_error,
        loglik=fit.loglik,
        aic=fit.aic,
        bic=fit.bic,
        bic_n=f"{fit.nobs} {'rows' if fit.nobs == design.counted[0] else 'cases'}",
        **_tests(fit, fit_measures),
        information=fit.information_kind,
        estimator=fit.request.objective,
        standard_errors=fit.se_kind,
        weights=fit.request.weights,
        frequencies=fit.request.frequencies,
        weights_scaling=fit.request.weights_scaling,
        strata=fit.request.strata,
        fpc=fit.request.fpc,
        replicates=fit.request.replicates,
        parameters=tuple(estimates),
        definitions=tuple(definitions),
        classes=tuple(class_sizes(fit)) if latent_classes else (),
        entropy=tuple((model.classes[v].name, entropy(fit, v)) for v in latent_classes),
        **(_mixture(fit) if latent_classes else {}),
        icc=tuple(icc),
        notes=tuple(dict.fromkeys(notes)),
        warnings=fit.warnings,
        level_style=fit.diagram.style,
        ci=ci,
        standardized=standardized,
        rsquare=_explained(fit) if rsquare else (),
        ratios=_ratios(fit) if eform else (),
    )


def _tests(fit: Fit, full: bool) -> dict:
    """The arguments of the report that tell of the fit; none after a failure, or without a saturated model."""
    from semgllamm.estimation.gaussian import has_saturated
    from semgllamm.results.fit_measures import against_saturated, fit_measures

    if not has_saturated(fit.likelihood) or not fit.converged or fit.problems:
        return {}
    test, scaled = fit.test, fit.scaled_test
    if np.isnan(test.statistic):
        return {}
    found = {"chisq": test.statistic, "df": test.df, "pvalue": test.pvalue}
    if scaled is not None:
        found |= {
            "chisq.scaled": scaled.statistic, "df.scaled": scaled.df, "pvalue.scaled": scaled.pvalue,
            "chisq.scaling.factor": scaled.scaling_factor,
        }  # fmt: skip
    return {
        "measures": fit_measures(fit) if full else found, "test_name": "" if scaled is None else scaled.name,
        "test_shift": np.nan if scaled is None else scaled.shift_parameter,
        "test_by_group": tuple(against_saturated(fit).by_group),
    }  # fmt: skip


def _mixture(fit: Fit) -> dict:
    """The arguments of the report that tell of classes: criteria, tests of the table, and what members answer."""
    from semgllamm.results.class_fit import contingency, mixture_measures, why_no_table
    from semgllamm.results.class_profiles import profiles

    criteria = mixture_measures(fit)
    sabic = -2 * fit.loglik + np.log((fit.nobs + 2) / 24) * fit.npar
    out = {"criteria": (("Sample-size adjusted (SABIC)", sabic), ("Consistent AIC (CAIC)", criteria["caic"]),
                        ("Integrated (ICL)", criteria["icl"]))}  # fmt: skip
    if fit.converged and why_no_table(fit) is None:
        table = contingency(fit)
        tests = (("Pearson chi-square", table.pearson), ("Likelihood ratio (G2)", table.deviance))
        out["contingency"] = tuple((name, x, table.df, p) for (name, x), p in zip(tests, table.pvalues))
        out["patterns"], out["sparse"] = (table.patterns, table.cells), table.sparse
    if isinstance(fit.likelihood, InnerClasses):
        return out  # what members answer depends on the latent variables above them
    tables: dict[tuple[str, int], dict[tuple[str, str], dict[str, float]]] = {}
    for one in profiles(fit, se=False):
        rows = tables.setdefault((one.variable, one.group), {})
        rows.setdefault((one.response, one.category), {})[one.klass] = one.estimate
    out["profiles"] = tuple(
        (variable, group + 1, classes, tuple((*key, tuple(values.values())) for key, values in rows.items()))
        for (variable, group), rows in tables.items() if (classes := tuple(next(iter(rows.values()))))
    )  # fmt: skip
    return out


def _standardised(fit: Fit) -> list[tuple[float, float]]:
    """(std.lv, std.all) of each row that is shown; of definitions by their own names, as there are no others."""
    from semgllamm.results.standardized import closed_form_of, standardized_values

    closed_form_of(fit, "standardised solutions are")
    found = []
    for kind in ("std.lv", "std.all"):
        keys, values, _ = standardized_values(fit, kind)
        found.append({key if isinstance(key, str) else id(key): float(value) for key, value in zip(keys, values)})
    shown = [id(row) for row in fit.diagram.parameters if not row.exogenous]
    shown += [definition.name for definition in fit.diagram.definitions]
    return [(found[0].get(key), found[1].get(key)) for key in shown]


def _explained(fit: Fit) -> tuple[tuple[str, int, str | None, float], ...]:
    from semgllamm.results.standardized import explained

    return tuple((name, group, level or None, value) for name, group, level, value in explained(fit))


def _ratios(fit: Fit):
    """Exponentiated coefficients as (what they are, estimate)."""
    from semgllamm.results.ratios import ratios
    from semgllamm.tables.report import Estimate

    return tuple(
        (row["kind"], Estimate(
            lhs=row["lhs"], op=row["op"], rhs=row["rhs"], group=row["group"], level=row["level"] or None,
            label=row["label"], klass=row["class"],
            **{name: row[name] for name in ("est", "se", "z", "pvalue", "ci_lower", "ci_upper")},
        ))
        for row in ratios(fit)
    )  # fmt: skip


def _optimizer(fit: Fit) -> str:
    """Newton's steps take an information each; after quasi-Newton steps there are one or two at the end."""
    return "Newton" if fit.convergence.evaluations.informations > 2 else "BFGS, then Newton"


def _at_bounds(fit: Fit):
    """What the estimates at their bounds mean for the standard errors."""
    names = [name for name, at in zip(fit.model.names, fit._at_bound_cells, strict=True) if at]
    if names:
        verb = "is at its bound" if len(names) == 1 else "are at their bounds"
        yield f"{', '.join(names)} {verb}; standard errors are those of a model without bounds at these estimates"


def _flags(fit: Fit):
    """Whether each row of the parameter table rests on a boundary."""
    for row, number in zip(fit.diagram.parameters, fit.model.rows):
        if not row.exogenous:
            yield number >= 0 and bool(fit._on_boundary_cells[number] or fit._at_bound_cells[number])
    for _ in fit.diagram.definitions:
        yield False
