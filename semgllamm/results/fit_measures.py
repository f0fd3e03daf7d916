"""Measures of the fit of Gaussian models, by lavaan's names (Rosseel 2012).

With N rows in G groups, χ² = 2 (log L1 − log L0) on df degrees of freedom against the saturated model, and χ²_b, df_b
of the independence model:

    CFI = 1 − max(χ² − df, 0) / max(χ² − df, χ²_b − df_b, 0)            Bentler (1990)
    TLI = (χ²_b/df_b − χ²/df) / (χ²_b/df_b − 1)                         Tucker & Lewis (1973)
    NFI = (χ²_b − χ²) / χ²_b                                            Bentler & Bonett (1980)
    RMSEA = [G max(χ² − df, 0) / (N df)]^½                              Steiger & Lind (1980), Steiger (1998)
    SRMR = [mean of squared standardised differences of moments]^½      Bentler (1995); of each level: of correlations
    GFI = 1 − (s − σ)'V(s − σ) / s'Vs, V = ½D'(Σ⁻¹ ⊗ Σ⁻¹)D or the         Jöreskog & Sörbom (1982), Tanaka & Huba (1985)
          weight of least squares
    MFI = exp(−½(χ² − df)/N)                                            McDonald (1989)
    ECVI = (χ² + 2 npar)/N                                              Browne & Cudeck (1989)
    CN = χ²_{1−α}(df) / (χ²/N) + 1                                      Hoelter (1983)
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.estimation.benchmarks import independence
from semgllamm.estimation.gaussian import has_saturated
from semgllamm.estimation.least_squares import LeastSquares, least_squares_independence
from semgllamm.estimation.weight_matrices import sample_moments
from semgllamm.results.moments import Block, blocks, correlations, saturated_of, standardized_differences

if TYPE_CHECKING:
    from semgllamm.results.fit import Fit

__all__ = ["Against", "against_saturated", "exogenous", "fit_measures", "rmsea"]

CLOSE, NOT_CLOSE, LEVEL = 0.05, 0.08, 0.90
OF_RMSEA = ("rmsea", "rmsea.ci.lower", "rmsea.ci.upper", "rmsea.pvalue", "rmsea.notclose.pvalue")


class Against:
    """χ² of a fit and of the independence model against the saturated model.

    Attributes
    ----------
    chisq, df, pvalue : float, int, float
    loglik : float
        log L1.
    baseline_chisq, baseline_df, baseline_pvalue
    by_group : tuple of float
        Contributions of the groups to χ².
    """

    def __init__(self, fit: Fit):
        likelihood = fit.likelihood
        if isinstance(likelihood, LeastSquares):
            self._least_squares(fit)
            return
        full = saturated_of(fit)
        self.loglik = full.maximum[1]
        self.n_moments = len(full.c)
        here, there = likelihood.at(fit.free), full.at_maximum
        # lavaan counts n rows where Wishart's likelihood has n − 1
        sizes = [len(sample.rows) for sample in likelihood.samples]
        share = np.array([1.0 if likelihood.divisor == "normal" else (n - 1) / n for n in sizes])
        self.by_group = tuple(2 * (b.loglik - a.loglik) * k for a, b, k in zip(here, there, share))
        self.chisq = max(float(sum(self.by_group)), 0.0)
        self.df = self.n_moments - fit.design.held - fit.npar
        self.pvalue = _survival(self.chisq, self.df)
        alone = independence(likelihood, fit.free, together=exogenous(fit))
        apart = zip(alone.at_maximum, there, share)
        self.baseline_chisq = float(sum(2 * (b.loglik - a.loglik) * k for a, b, k in apart))
        self.baseline_df = self.n_moments - len(alone.c)
        self.baseline_pvalue = _survival(self.baseline_chisq, self.baseline_df)

    def _least_squares(self, fit: Fit) -> None:
        likelihood = fit.likelihood
        self.loglik, self.n_moments = np.nan, sum(len(V) for V in likelihood.weights)
        self.by_group = likelihood.statistics(fit.free)
        self.chisq, self.df = float(sum(self.by_group)), self.n_moments - fit.npar
        self.baseline_chisq, free = least_squares_independence(likelihood, exogenous(fit))
        self.baseline_df = self.n_moments - free
        # that of unweighted least squares has no known distribution
        known = likelihood.kind != "ULS"
        self.pvalue = _survival(self.chisq, self.df) if known else np.nan
        self.baseline_pvalue = _survival(self.baseline_chisq, self.baseline_df) if known else np.nan


def exogenous(fit: Fit) -> tuple[str, ...]:
    """Covariates that are responses (`fixed_x=False`): the independence model lets them covary, as lavaan's does."""
    return tuple(name for name in fit.likelihood.responses if name in fit.diagram.covariates)


def against_saturated(fit: Fit) -> Against:
    """The tests of a fit, made once."""
    if fit._against is None:
        fit._against = Against(fit)
    return fit._against


def _survival(statistic: float, df: int) -> float:
    from scipy.special import chdtrc

    return float(chdtrc(df, statistic)) if df > 0 else np.nan


def fit_measures(fit: Fit, names=None) -> dict[str, float]:
    """The measures as a dict; see `Fit.fit_measures`."""
    found = _information_criteria(fit)
    if has_saturated(fit.likelihood):
        found = _all(fit, found)
    if fit.model.classes:
        from semgllamm.results.class_fit import mixture_measures

        found |= mixture_measures(fit)
    if names is None:
        return found
    wanted = (names,) if isinstance(names, str) else tuple(names)
    for name in wanted:
        if name not in found:
            near = get_close_matches(str(name), found, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(found)}."
            if not has_saturated(fit.likelihood):
                hint = f"This fit has no saturated model to be compared with. It has {', '.join(found)}."
            raise ModelError(f"there is no fit measure '{name}'", remedy=hint)
    return {name: found[name] for name in wanted}


def _information_criteria(fit: Fit) -> dict[str, float]:
    n = fit.nobs
    return {
        "npar": fit.npar, "logl": fit.loglik, "aic": fit.aic, "bic": fit.bic, "ntotal": n,
        "bic2": -2 * fit.loglik + np.log((n + 2) / 24) * fit.npar,
    }  # fmt: skip


def _all(fit: Fit, criteria: dict[str, float]) -> dict[str, float]:
    test = against_saturated(fit)
    groups = len(fit.model.groups)
    # Wishart's likelihood has one row less in each group
    n = criteria["ntotal"] - (0 if fit.likelihood.divisor == "normal" else groups)
    chisq, df, base, base_df = test.chisq, test.df, test.baseline_chisq, test.baseline_df
    rows = n if np.isfinite(fit.loglik) else criteria["ntotal"]
    out = {
        "npar": fit.npar, "fmin": 0.5 * chisq / rows, "chisq": chisq, "df": df, "pvalue": test.pvalue,
        "baseline.chisq": base, "baseline.df": base_df, "baseline.pvalue": test.baseline_pvalue,
        **_incremental(chisq, df, base, base_df),
        "logl": fit.loglik, "unrestricted.logl": test.loglik,
        **{name: criteria[name] for name in ("aic", "bic", "ntotal", "bic2")},
        **rmsea(chisq, df, n, groups),
    }  # fmt: skip
    if fit.scaled_test is not None:
        out |= _scaled(fit, n, groups)
    out |= _robust(fit, n, groups)
    found = blocks(fit)
    if fit.likelihood.n_levels > 1:
        out["fmin"] = _minimum(fit, found)
        return out | _residuals_by_level(found, fit.model.levels)
    out |= _root_mean_squares(found, criteria["ntotal"])
    out |= _critical_n(chisq, df, n)
    out |= _goodness(fit, found, test)
    out["mfi"] = float(np.exp(-0.5 * (chisq - df) / n))
    out["ecvi"] = chisq / n + 2 * fit.npar / n
    return out


def _scaled(fit: Fit, n: float, groups: int) -> dict[str, float]:
    """The measures of the scaled statistics (``.scaled``)."""
    test, base, plain = fit.scaled_test, fit.scaled_baseline_test, fit.test
    out = {
        "chisq.scaled": test.statistic, "df.scaled": test.df, "pvalue.scaled": test.pvalue,
        "chisq.scaling.factor": test.scaling_factor, "baseline.chisq.scaled": base.statistic,
        "baseline.df.scaled": base.df, "baseline.pvalue.scaled": base.pvalue,
        "baseline.chisq.scaling.factor": base.scaling_factor,
    }  # fmt: skip
    measures = _incremental(test.statistic, test.df, base.statistic, base.df)
    close = rmsea(test.statistic, test.df, n, groups)
    if test.name != "scaled.shifted" and plain.df > 0:
        # χ² itself, on as many degrees of freedom as it has on average
        close |= {key: v for key, v in rmsea(plain.statistic, test.trace, n, groups).items() if key != "rmsea"}
    measures |= {name: close[name] for name in OF_RMSEA}
    out |= {f"{name}.scaled": value for name, value in measures.items()}
    if fit._tests.scaling_factors is not None:
        out["scaling.factor.h0"], out["scaling.factor.h1"] = fit._tests.scaling_factors
    return out


def _robust(fit: Fit, n: float, groups: int) -> dict[str, float]:
    """CFI, TLI, RNI and RMSEA as they would be of complete and normal data.

    With k = tr UΓ the mean of a statistic T where the model holds, T − k is in the place of χ² − df, and of the
    independence model T_b − k_b (Brosseau-Liard, Savalei & Li 2012; Brosseau-Liard & Savalei 2014); the robust RMSEA is
    [G max(T − k, 0) / (N df)]^½. T is χ², and of incomplete rows that of `estimation.completed` (Zhang & Savalei 2022).
    """
    tests = fit._tests.robust
    if tests is None:
        return {}
    test, base, scaled, factor = tests
    if test.df == 0:
        close = rmsea(0.0, 0, n, groups)
        return {f"{name}.robust": close[name] for name in OF_RMSEA}
    excess, base_excess = test.statistic - test.trace, base.statistic - base.trace
    worst = max(excess, base_excess, 0.0)
    tli = 1 - excess / test.df / (base_excess / base.df)
    # what is noncentral of the scaled statistic T/c + shift is that of T over c (Savalei 2018)
    close = dict.fromkeys(OF_RMSEA, np.nan) if not factor > 0 else rmsea(scaled, test.df, n / factor, groups)
    return {
        "cfi.robust": 1.0 if worst == 0.0 else 1 - max(excess, 0.0) / worst,
        "tli.robust": tli, "nnfi.robust": tli, "rni.robust": 1 - excess / base_excess,
        **{f"{name}.robust": close[name] for name in OF_RMSEA},
    }  # fmt: skip


def _incremental(chisq: float, df: int, base: float, base_df: int) -> dict[str, float]:
    excess, base_excess = chisq - df, base - base_df
    worst = max(excess, base_excess, 0.0)
    cfi = 1.0 if worst == 0.0 else 1 - max(excess, 0.0) / worst
    ratio = base / base_df if base_df > 0 else np.nan
    if df > 0 and base_df > 0:
        tli = (ratio - chisq / df) / (ratio - 1) if ratio != 1 else np.nan
        rfi = (ratio - chisq / df) / ratio
    else:
        tli = rfi = 1.0
    nfi = (base - chisq) / base if base > 0 else np.nan
    ifi = (base - chisq) / (base - df) if base != df else np.nan
    rni = (base_excess - excess) / base_excess if base_excess != 0 else np.nan
    pnfi = df / base_df * nfi if base_df > 0 else np.nan
    return {"cfi": cfi, "tli": tli, "nnfi": tli, "rfi": rfi, "nfi": nfi, "pnfi": pnfi, "ifi": ifi, "rni": rni}


def rmsea(chisq: float, df: int, n: float, groups: int) -> dict[str, float]:
    """RMSEA with its interval and tests from the noncentral χ² distribution (Browne & Cudeck 1993)."""
    from scipy.special import chndtr, chndtrinc

    tail = (1 - LEVEL) / 2
    if df == 0:
        value = lower = upper = 0.0
        close = far = np.nan
    else:
        scale = groups / (n * df)
        value = float(np.sqrt(max(chisq - df, 0.0) * scale))

        def limit(probability):
            inside = _survival(chisq, df) < 1 - probability
            return float(np.sqrt(chndtrinc(chisq, df, probability) * scale)) if inside else 0.0

        lower, upper = limit(1 - tail), limit(tail)
        close = float(1 - chndtr(chisq, df, CLOSE**2 / scale))
        far = float(chndtr(chisq, df, NOT_CLOSE**2 / scale))
    return {
        "rmsea": value, "rmsea.ci.lower": lower, "rmsea.ci.upper": upper, "rmsea.ci.level": LEVEL,
        "rmsea.pvalue": close, "rmsea.close.h0": CLOSE, "rmsea.notclose.pvalue": far, "rmsea.notclose.h0": NOT_CLOSE,
    }  # fmt: skip


def _root_mean_squares(found: list[Block], n: float) -> dict[str, float]:
    """RMR and SRMR in lavaan's variants; groups by their share of the rows."""
    totals: dict[str, float] = {}
    for block in found:
        for name, value in _root_mean_squares_of(block).items():
            totals[name] = totals.get(name, 0.0) + block.n / n * value
    return totals


def _root_mean_squares_of(block: Block) -> dict[str, float]:
    k = len(block.names)
    lower = np.tril_indices(k)
    raw = (block.sample_cov - block.model_cov)[lower]
    bentler, bentler_mean = standardized_differences(block)
    cor, cor_mean = correlations(block)
    mplus = cor.copy()
    mplus[np.diag_indices(k)] = np.diag(bentler)
    cells = len(raw)
    no_mean = block.model_mean is None

    def root(differences, means, number):
        squares = float((differences[lower] ** 2).sum() if differences.ndim == 2 else (differences**2).sum())
        alone = np.sqrt(squares / number) if number else 0.0
        if no_mean:
            return alone, alone
        return float(np.sqrt((squares + (means**2).sum()) / (number + k))), alone

    raw_mean = None if no_mean else block.sample_mean - block.model_mean
    rmr, rmr_alone = root(raw, raw_mean, cells)
    srmr, srmr_alone = root(bentler, bentler_mean, cells)
    crmr, crmr_alone = root(cor, bentler_mean, cells - k)
    other, other_alone = root(mplus, cor_mean, cells)
    return {
        "rmr": rmr, "rmr_nomean": rmr_alone, "srmr": srmr, "srmr_bentler": srmr, "srmr_bentler_nomean": srmr_alone,
        "crmr": crmr, "crmr_nomean": crmr_alone, "srmr_mplus": other, "srmr_mplus_nomean": other_alone,
    }  # fmt: skip


def _residuals_by_level(found: list[Block], levels: Sequence[str]) -> dict[str, float]:
    """SRMR of each level, [Σ (r_ij − ρ_ij)² / ½k(k+1)]^½ over i ≥ j, and their sum; groups by their share of the rows.

    Means have no part in it: of a response with a part at each level only their sum is known.
    """
    rows = {block.group: block.n for block in found if block.level == 0}
    heights = sorted({block.level for block in found})
    names = ("within", "between") if len(heights) == 2 else ("within", *(levels[k] for k in heights[1:]))
    named = {level: f"srmr_{name}" for level, name in zip(heights, names)}
    parts = dict.fromkeys(named.values(), 0.0)
    for block in found:
        lower = correlations(block)[0][np.tril_indices(len(block.names))]
        share = rows[block.group] / sum(rows.values())
        parts[named[block.level]] += share * float(np.sqrt((lower**2).mean()))
    return {"srmr": sum(parts.values()), **parts}


def _minimum(fit: Fit, found: list[Block]) -> float:
    """What lavaan minimises with two levels: −(log L + ½ v log 2π)/N of responses and covariates, v values together,
    of all groups (lavaan weights the groups by their shares of N once more).

    Covariates of a level have the log-likelihood −½ n (k log 2π + log|S_xx| + k) at their own moments.
    """
    values = sum(fit.design.response_counts.values())
    total = fit.loglik + sum(fit.design.given) + 0.5 * values * np.log(2 * np.pi)
    for block in found:
        xx = block.sample_cov[block.n_y :, block.n_y :]
        total -= 0.5 * block.n * (np.linalg.slogdet(xx)[1] + len(xx))
    return float(-total / sum(block.n for block in found if block.level == 0))


def _critical_n(chisq: float, df: int, n: float) -> dict[str, float]:
    from scipy.special import chdtri

    per_row = chisq / n
    return {
        name: float(chdtri(df, alpha) / per_row + 1) if df > 0 and per_row > 0 else 1.0
        for name, alpha in (("cn_05", 0.05), ("cn_01", 0.01))
    }


def _goodness(fit: Fit, found: list[Block], test: Against) -> dict[str, float]:
    """GFI by groups, each by its share of the rows; of incomplete rows s are the moments of the saturated model."""
    if isinstance(fit.likelihood, LeastSquares):
        parts = _weighted_squares(fit)
    else:
        parts = [(_distance(block, *_gap(block)), _distance(block, block.sample_cov, block.sample_mean))
                 for block in found]  # fmt: skip
    n = np.array([block.n for block in found])
    gfi = float(n @ [1 - off / whole for off, whole in parts] / n.sum())
    moments = sum(_counted(block) for block in found)
    agfi = 1 - moments / test.df * (1 - gfi) if test.df > 0 else 1.0
    return {"gfi": gfi, "agfi": float(agfi), "pgfi": float(test.df / moments * gfi)}


def _gap(block: Block) -> tuple[np.ndarray, np.ndarray | None]:
    mean = None if block.model_mean is None else block.sample_mean - block.model_mean
    return block.sample_cov - block.model_cov, mean


def _weighted_squares(fit: Fit) -> list[tuple[float, float]]:
    """(s − σ)'V(s − σ) and s'Vs of each group, V the weight of the estimator."""
    out = []
    for e, V in zip(fit.likelihood.at(fit.free), fit.likelihood.weights):
        s = sample_moments(e.moments)
        left = s - e.implied()
        if e.moments.has_means:
            s[-e.graph.p :] = e.moments.shift_y
        out.append((float(left @ V @ left), float(s @ V @ s)))
    return out


def _distance(block: Block, D: np.ndarray, mean: np.ndarray | None) -> float:
    """d'Vd of moments d, V the information of normal y given x: with W the inverse of the residual covariances and D_e
    what D adds to them, ½ tr(W D_e W D_e) + tr(W D_yx S_xx⁻¹ D_xy), and m'Wm for means."""
    p, S = block.n_y, block.model_cov
    to_x, xx = S[:p, p:], S[p:, p:]
    Pi = np.linalg.solve(xx, to_x.T).T if to_x.size else to_x
    W = np.linalg.inv(S[:p, :p] - Pi @ to_x.T)
    along = Pi @ D[p:, :p]
    turned = W @ (D[:p, :p] - along - along.T)
    value = 0.5 * np.trace(turned @ turned)
    if to_x.size:
        value += np.trace(W @ D[:p, p:] @ np.linalg.solve(xx, D[p:, :p]))
    return float(value if mean is None else value + mean[:p] @ W @ mean[:p])


def _counted(block: Block) -> int:
    """Moments, those of the covariates among themselves included."""
    k = len(block.names)
    return k * (k + 1) // 2 + (0 if block.model_mean is None else k)
