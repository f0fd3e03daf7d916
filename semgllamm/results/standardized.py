"""Standardised solutions: estimates in units of standard deviations, and explained variance.

With the variances of all nodes v of a group's graph at a level, covariates included,

    V = E S E' + ν C ν',   E = (I − B)⁻¹,   ν = EΓ,   C = cov x,

an estimate is multiplied by σ_k = √V_kk of its cause and divided by that of its effect; variances are divided by V_kk,
and covariances of residuals by the residual standard deviations √S_ii √S_jj, so that they become correlations (Bollen
1989, chapters 4 and 8; std.lv, std.all and std.nox of lavaan, Rosseel 2012). All are products of an estimate and powers
of scales, so that

    est.std = est · exp(A log σ),   ∂ est.std = exp(A log σ) ∂ est + est.std · A ∂ log σ,

and standard errors are exact derivatives in the delta method: no differences are taken. With ∂V_kk = 2 E_kr V_ck for a
path from c to r, 2 E_kr (Cν')_ck for a regression of r on covariate c, and 2κ E_kr E_kc (κ = ½ on the diagonal) for a
cell of S. The moments of covariates are constants.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.estimation.gaussian import GaussianLikelihood
from semgllamm.model.lower import level_index

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.diagram.parts import Parameter
    from semgllamm.results.fit import Fit

__all__ = ["KINDS", "Roles", "Scales", "closed_form_of", "explained", "roles_of", "scales_of", "standardized"]

KINDS = ("std.all", "std.lv", "std.nox")
NO_ERROR = 1e-7  # a standard error below this, relative to the estimate, is rounding: the value cannot vary


def closed_form_of(fit: Fit, what: str, varying: bool = False) -> GaussianLikelihood:
    """The fit's likelihood, which must be in closed form, with the same coefficients in every row unless `varying`.

    Raises
    ------
    ModelError
        For fits by quadrature, and for coefficients that vary with covariates.
    """
    if not isinstance(fit.likelihood, GaussianLikelihood):
        other = next((r for r in fit.model.responses if not r.family.is_linear), None)
        remedy = "Random terms go through integration; write levels as blocks."
        if other is not None:
            remedy = f"There is no closed form with '{other.name}', which is {other.family.name}({other.family.link})."
        raise ModelError(
            f"{what} for fits of Gaussian models in closed form only; this one is fitted by integration", remedy=remedy
        )
    if fit.likelihood.times and not varying:
        raise ModelError(
            f"{what} for models with the same coefficients in every row: here some vary with "
            f"{', '.join(fit.likelihood.times)}"
        )
    return fit.likelihood


@dataclass(frozen=True)
class Roles:
    """The variables of one block (group and level), in the order of its statements.

    `latents` are factors and `composites`, `measured` are indicators of whatever kind, `indicators` the observed ones,
    `causes` what explains something or is part of a composite, `exogenous` the covariates that nothing explains,
    `endogenous` all other observed variables.
    """

    latents: tuple[str, ...]
    composites: tuple[str, ...]
    measured: tuple[str, ...]
    indicators: tuple[str, ...]
    effects: tuple[str, ...]
    causes: tuple[str, ...]
    exogenous: tuple[str, ...]
    endogenous: tuple[str, ...]

    @property
    def in_equations(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.composites, *self.effects, *self.causes)))


def roles_of(fit: Fit, group: int, level: int) -> Roles:
    """Who is what among the rows of a block."""
    rows = [r for r in fit.diagram.parameters if r.group == group and level_index(r.level, fit.model.levels) == level]
    latents = tuple(dict.fromkeys(row.lhs for row in rows if row.op in ("=~", "<~")))
    composites = tuple(dict.fromkeys(row.lhs for row in rows if row.op == "<~"))
    measured = tuple(dict.fromkeys(row.rhs for row in rows if row.op == "=~" and row.rhs))
    effects = tuple(dict.fromkeys(row.lhs for row in rows if row.op == "~"))
    causes = tuple(dict.fromkeys(row.rhs for row in rows if row.op in ("<~", "~")))
    written = [r for r in rows if r.op in ("~~", "~1") and r.source == "user" and not r.exogenous]
    spoken = {name for row in written for name in (row.lhs, row.rhs)}
    named = dict.fromkeys((*measured, *effects, *causes, *(n for r in rows for n in (r.lhs, r.rhs) if r.op == "~~")))
    observed = [name for name in named if name not in latents and name not in fit.model.eta]
    exogenous = [n for n in observed if n in causes and n not in effects and n not in measured and n not in spoken]
    endogenous = tuple(name for name in observed if name not in exogenous)
    return Roles(
        latents, composites, measured, tuple(n for n in measured if n not in latents), effects, causes,
        tuple(exogenous), endogenous,
    )  # fmt: skip


class Scales:
    """Standard deviations of the variables of one block, and their slopes in the parameters.

    Parameters
    ----------
    fit : Fit
        In closed form.
    group : int
        Counts from 1.
    level : int
    """

    def __init__(self, fit: Fit, group: int, level: int):
        likelihood = fit.likelihood
        self.fit, self.group, self.level = fit, group, level
        self.roles = roles_of(fit, group, level)
        self.graph, self.here = likelihood.graphs[group - 1], likelihood.at(fit.free)[group - 1]
        self.node = {name: k for k, name in enumerate((*likelihood.responses, *fit.model.eta))}
        names = likelihood.covariates[group - 1]
        # what varies at a level is what its equations name
        self.place = {name: k for k, name in enumerate(names) if name in self.roles.causes or self._alone}
        self.covariates = tuple(self.place)

    @property
    def _alone(self) -> bool:
        return self.fit.likelihood.n_levels == 1

    @cached_property
    def covariate_moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Means (m,) and covariances (m, m) of the covariates at this level, with the divisor of the likelihood."""
        likelihood = self.fit.likelihood
        sample, design = likelihood.samples[self.group - 1], likelihood.design
        rows = sample.rows
        weight = np.ones(len(rows)) if sample.weight is None else sample.weight
        if self.level and not self._alone:
            _, first = np.unique(design.codes[self.level][rows], return_index=True)
            rows, weight = rows[first], weight[first]
        if not self.covariates:
            return np.zeros(0), np.zeros((0, 0))
        x = np.stack([design.column(name)[rows] for name in self.covariates], axis=1)
        mean = (weight @ x) / weight.sum()
        x = x - mean
        divisor = weight.sum() - (likelihood.divisor == "wishart")
        return mean, (x.T * weight) @ x / divisor

    @cached_property
    def _nu(self) -> np.ndarray:
        return self.here.nu[:, [self.place[name] for name in self.covariates]]

    @cached_property
    def residual(self) -> np.ndarray:
        """S of this level, (v, v)."""
        _, S, _ = self.graph.matrices(self.fit._cells)
        return S[0 if self._alone else self.level]

    @cached_property
    def total(self) -> np.ndarray:
        """V, (v, v)."""
        E = self.here.E
        return E @ self.residual @ E.T + self._nu @ self.covariate_moments[1] @ self._nu.T

    @cached_property
    def means(self) -> np.ndarray:
        """Means of the nodes, (v,)."""
        likelihood = self.fit.likelihood
        mean = self._nu @ self.covariate_moments[0]
        return mean + self.here.nu[:, -1] if likelihood.has_means else mean

    @cached_property
    def total_slope(self) -> np.ndarray:
        """∂ diag V, (v, q)."""
        g, E = self.graph, self.here.E
        out = np.zeros((g.v, len(g.free)))
        paths, covariances, regressions = g.paths, g.covariances, g.regressions
        out[:, paths] = 2 * E[:, g.row[paths]] * self.total[:, g.column[paths]]
        here = 2 * g.kappa[covariances] * E[:, g.row[covariances]] * E[:, g.column[covariances]]
        out[:, covariances] = here if self._alone else here * (g.level[covariances] == self.level)
        if self.covariates:
            toward = np.zeros((g.v, g.m))
            toward[:, [self.place[name] for name in self.covariates]] = self._nu @ self.covariate_moments[1]
            out[:, regressions] = 2 * E[:, g.row[regressions]] * toward[:, g.column[regressions]]
        return g.to_parameters(out)

    def variance(self, name: str) -> tuple[float, np.ndarray]:
        """The variance of a variable and its slope."""
        if name in self.node:
            k = self.node[name]
            return self.total[k, k], self.total_slope[k]
        if name in self.covariates:
            k = self.covariates.index(name)
            return self.covariate_moments[1][k, k], np.zeros(self.graph.q)
        return np.nan, np.zeros(self.graph.q)

    @cached_property
    def residual_rows(self) -> dict[str, tuple[float, np.ndarray]]:
        """The variances of residuals among the rows of the block, with their slopes."""
        fit, out = self.fit, {}
        q = self.graph.q
        for row, number in zip(fit.diagram.parameters, fit.model.rows):
            inside = row.group == self.group and level_index(row.level, fit.model.levels) == self.level
            if inside and row.op == "~~" and row.lhs == row.rhs:
                if row.exogenous:
                    out[row.lhs] = self.variance(row.lhs)
                elif number >= 0:
                    out[row.lhs] = fit._cells[number], np.eye(q)[number]
                else:
                    out[row.lhs] = np.nan if row.fixed is None else float(row.fixed), np.zeros(q)
        return out

    def residual_variance(self, name: str) -> tuple[float, np.ndarray]:
        found = self.residual_rows.get(name)
        return (np.nan, np.zeros(self.graph.q)) if found is None else found

    def factor(self, lhs: str, op: str, rhs: str, kind: str) -> tuple[float, np.ndarray]:
        """What an estimate is multiplied by, and the slope of its logarithm, (q,)."""
        log, slope = 0.0, np.zeros(self.graph.q)
        for name, power, of_residual in _powers(lhs, op, rhs):
            # an effect is divided by its deviation whatever it is; covariates are left alone as causes
            effect = op == "~" and power < 0 and kind != "std.lv"
            if not (effect or self._standardizes(name, kind)):
                continue
            value, change = self.residual_variance(name) if of_residual else self.variance(name)
            if of_residual:
                # a residual variance below zero has the size of its root as its scale
                value, change = abs(value), np.sign(value) * change
            if not value > 0:
                return np.nan, slope
            log += 0.5 * power * np.log(value)
            slope = slope + 0.5 * power * change / value
        return float(np.exp(log)), slope

    def _standardizes(self, name: str, kind: str) -> bool:
        if name in self.roles.latents or name in self.fit.model.eta:
            return True
        return kind == "std.all" or (kind == "std.nox" and name not in self.roles.exogenous)

    def moment(self, row: Parameter) -> float:
        """The sample moment that an exogenous row stands for."""
        mean, covariance = self.covariate_moments
        if row.lhs not in self.covariates:
            return np.nan
        i = self.covariates.index(row.lhs)
        return mean[i] if row.op == "~1" else covariance[i, self.covariates.index(row.rhs)]


def _powers(lhs: str, op: str, rhs: str):
    """(variable, power of its standard deviation, whether that of its residual) for a row."""
    if op == "=~":
        return (lhs, 1, False), (rhs, -1, False)
    if op in ("<~", "~"):
        return (lhs, -1, False), (rhs, 1, False)
    if op == "~~":
        return ((lhs, -2, False),) if lhs == rhs else ((lhs, -1, True), (rhs, -1, True))
    return ((lhs, -1, False),)


def scales_of(fit: Fit) -> dict[tuple[int, int], Scales]:
    """The scales of every block, by group (from 1) and level; made once a fit."""
    found = fit.__dict__.get("_scales")
    if found is None:
        blocks = {(row.group, level_index(row.level, fit.model.levels)) for row in fit.diagram.parameters}
        found = fit.__dict__["_scales"] = {key: Scales(fit, *key) for key in sorted(blocks)}
    return found


def standardized_values(fit: Fit, kind: str) -> tuple[list[tuple], np.ndarray, np.ndarray]:
    """Keys (the row, or the name of a definition), values (r,), and slopes in the parameters (r, q)."""
    from semgllamm.diagram.expressions import evaluate, gradient

    scales, q = scales_of(fit), fit.model.n_parameters
    keys, values, slopes = [], [], []
    of_number: dict[int, tuple[float, np.ndarray]] = {}
    for row, number in zip(fit.diagram.parameters, fit.model.rows):
        if row.op not in ("=~", "<~", "~", "~~", "~1"):
            continue
        block = scales[row.group, level_index(row.level, fit.model.levels)]
        factor, log_slope = block.factor(row.lhs, row.op, row.rhs, kind)
        if row.exogenous:
            est = block.moment(row)
        elif number >= 0:
            est = fit._cells[number]
        else:
            est = np.nan if row.fixed is None else float(row.fixed)
        value = 0.0 if est == 0 and np.isnan(factor) else est * factor
        slope = value * log_slope
        if number >= 0:
            slope[number] += factor
            of_number.setdefault(number, (value, slope))
        keys.append(row)
        values.append(value)
        slopes.append(slope)
    # a definition is computed again, of standardised values
    known = {
        **fit.label_values,
        **{name: of_number[k][0] for name, k in fit._label_numbers.items() if k in of_number},
    }
    change = {name: of_number[k][1] for name, k in fit._label_numbers.items() if k in of_number}
    for definition in fit.diagram.definitions:
        value = evaluate(definition.expression, known)
        slope = np.zeros(q)
        for name, s in gradient(definition.expression, known).items():
            if name in change:
                slope = slope + s * change[name]
        known[definition.name], change[definition.name] = value, slope
        keys.append(definition.name)
        values.append(value)
        slopes.append(slope)
    return keys, np.array(values), np.array(slopes).reshape(len(keys), q)


def errors_of(fit: Fit, values: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Standard errors by the delta method: NaN where they rest on a withheld one, 0 where a value cannot vary."""
    V = fit._vcov_cells
    lost = np.isnan(np.diag(V))
    known = slopes[:, ~lost]
    variance = ((known @ V[np.ix_(~lost, ~lost)]) * known).sum(axis=1)
    se = np.sqrt(np.where(variance < 0, np.nan, variance))
    se[se < NO_ERROR * np.maximum(1.0, np.abs(values))] = 0.0
    se[(slopes[:, lost] != 0).any(axis=1)] = np.nan
    return se


def standardized(fit: Fit, kind: str = "std.all", level: float = 0.95) -> pd.DataFrame:
    """The standardised solution as a table; see `Fit.standardized`."""
    import pandas as pd
    from scipy.special import ndtr, ndtri

    from semgllamm.diagram.expressions import written

    closed_form_of(fit, "standardised solutions are")
    if kind not in KINDS:
        raise ModelError(f"there is no standardised solution '{kind}'", remedy=f"Kinds: {', '.join(KINDS)}.")
    if not 0 < level < 1:
        raise ModelError(f"a confidence level lies between 0 and 1, not {level}")
    keys, values, slopes = standardized_values(fit, kind)
    se = errors_of(fit, values, slopes)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(se > 0, values / se, np.nan)
    width = ndtri(0.5 + level / 2)
    definitions = {d.name: written(d.expression, fit.diagram.text) for d in fit.diagram.definitions}
    rows = []
    for key in keys:
        if isinstance(key, str):
            rows.append((key, ":=", definitions[key], 1, "", key))
        else:
            rows.append((key.lhs, key.op, key.rhs, key.group, key.level or "", key.label or ""))
    table = pd.DataFrame(rows, columns=["lhs", "op", "rhs", "group", "level", "label"])
    return table.assign(**{
        "est.std": values, "se": se, "z": z, "pvalue": 2 * ndtr(-np.abs(z)), "ci.lower": values - width * se,
        "ci.upper": values + width * se,
    })  # fmt: skip


def explained(fit: Fit) -> list[tuple[str, int, str, float]]:
    """(variable, group, level, R²) of every variable with causes: 1 less the standardised residual variance.

    NaN where a residual variance is below zero.
    """
    closed_form_of(fit, "explained variance is there")
    out = []
    scales = scales_of(fit)
    for row, number in zip(fit.diagram.parameters, fit.model.rows):
        if row.op != "~~" or row.lhs != row.rhs or row.exogenous:
            continue
        block = scales[row.group, level_index(row.level, fit.model.levels)]
        if row.lhs not in block.roles.effects and row.lhs not in block.roles.measured:
            continue
        est = fit._cells[number] if number >= 0 else float(row.fixed)
        value = 1 - est / block.variance(row.lhs)[0]
        out.append((row.lhs, row.group, row.level or "", float(value) if value <= 1 else np.nan))
    return out
