"""Standard errors and tests that do not rely on the normal distribution of what is observed.

With A the information of the model, B the cross product of its units' scores, and A₁, B₁ those of the saturated
model at its own maximum,

    sandwich    A⁻¹BA⁻¹                                                          (Huber 1967; White 1982)
    of strata   B = Σ_h (1 − f_h) n_h/(n_h − 1) Σ_i (s_hi − s̄_h)(s_hi − s̄_h)'       (Binder 1983)
    X²_YB = X²/c,  c = (tr A₁⁻¹B₁ − tr A⁻¹B)/df                                  (Yuan & Bentler 2000; Asparouhov &
                                                                                 Muthén 2005, the form of Mplus)

and with the moments s of `weight_matrices`, Δ = ∂σ/∂ϑ', V the weight of normal theory at Σ(ϑ), E = Δ'VΔ,
U = V − VΔE⁻¹Δ'V, t₁ = tr UΓ, t₂ = tr (UΓ)²,

    cov ϑ = E⁻¹Δ'VΓVΔE⁻¹/n,    X²_SB = X²·df/t₁                                  (Satorra & Bentler 1994)
    adjusted: X²·t₁/t₂ with t₁²/t₂ degrees of freedom                            (Satorra & Bentler 1994)
    shifted:  X²·(df/t₂)^½ + df − t₁(df/t₂)^½                                     (Asparouhov & Muthén 2010)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import chdtrc

from semgllamm.errors import EstimationError
from semgllamm.estimation.benchmarks import MomentModel
from semgllamm.estimation.gaussian import Sample
from semgllamm.estimation.weight_matrices import asymptotic_covariance, joint_covariance, normal_weight

__all__ = ["ChiSquare", "MomentTraces", "cross_product", "scaled", "trace_of_units"]

MEAN_VARIANCE = ("satorra.bentler", "scaled.shifted", "mean.var.adjusted")


@dataclass(frozen=True, slots=True)
class ChiSquare:
    """A test of a model against the saturated one.

    Attributes
    ----------
    name : str
        "standard", "satorra.bentler", "yuan.bentler.mplus", "scaled.shifted" or "mean.var.adjusted".
    statistic, df, pvalue : float
        The p-value is NaN with 0 degrees of freedom, and for unweighted least squares.
    scaling_factor : float
        By which the standard statistic was divided.
    shift_parameter : float
        What was added then.
    trace, trace_squared : float
        tr UΓ (for yuan.bentler.mplus the difference of traces) and tr (UΓ)².
    """

    name: str
    statistic: float
    df: float
    pvalue: float
    scaling_factor: float = 1.0
    shift_parameter: float = 0.0
    trace: float = np.nan
    trace_squared: float = np.nan


def _pvalue(statistic: float, df: float) -> float:
    return float(chdtrc(df, max(statistic, 0.0))) if df > 0 else np.nan


def scaled(name: str, test: ChiSquare, trace: float, trace_squared: float = np.nan) -> ChiSquare:
    """The scaled statistic of `name` by its traces."""
    df, statistic = test.df, test.statistic
    if df == 0:
        return ChiSquare(name, statistic, df, np.nan, np.nan, 0.0, trace, trace_squared)
    shift = 0.0
    if name == "mean.var.adjusted":
        df = trace**2 / trace_squared
        factor = trace / df
    elif name == "scaled.shifted":
        factor = float(np.sqrt(trace_squared / df))
        shift = df - trace / factor
    else:
        factor = trace / df
    if not factor > 0:
        return ChiSquare(name, np.nan, df, np.nan, np.nan, shift, trace, trace_squared)
    value = statistic / factor + shift
    return ChiSquare(name, value, df, _pvalue(value, df), factor, shift, trace, trace_squared)


def cross_product(
    scores: np.ndarray, cluster: np.ndarray | None = None, group: np.ndarray | None = None,
    repeats: np.ndarray | None = None, drawn: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """B of units, or of clusters of them; in each group m clusters count m/(m − 1) times.

    The scores have the units' weights: w²ss' of a sampling weight w. Of f units that are alike they are f times that of
    one, and B has fss'.

    Parameters
    ----------
    scores : (n, q) array
    cluster, group : (n,) int arrays, optional
    repeats : (n,) array, optional
        How many independent units each unit, or its cluster, stands for.
    drawn : (strata,) array, optional
        The share f of its clusters that was drawn in each stratum; `group` are the strata then, and B is about their
        means.
    """
    if cluster is None:
        return scores.T @ (scores if repeats is None else scores / repeats[:, None])
    out = np.zeros((scores.shape[1],) * 2)
    for g in np.unique(group):
        mine = group == g
        _, first, code = np.unique(cluster[mine], return_index=True, return_inverse=True)
        alike = np.ones(len(first)) if repeats is None else repeats[mine][first]
        m = alike.sum()
        if drawn is not None and drawn[g] >= 1:
            continue
        if m < 2:
            raise EstimationError("robust standard errors need two clusters or more in each group")
        sums = np.zeros((len(first), scores.shape[1]))
        np.add.at(sums, code, scores[mine])
        if drawn is not None:
            sums -= alike[:, None] * (sums.sum(axis=0) / m)
        share = 1.0 if drawn is None else 1.0 - drawn[g]
        out += share * m / (m - 1) * (sums.T @ (sums / alike[:, None]))
    return out


def trace_of_units(inverse: np.ndarray, scores: np.ndarray, *clusters: np.ndarray | None) -> float:
    """tr A⁻¹B, what is NaN in A⁻¹ left out."""
    B = cross_product(scores, *clusters)
    return float(np.nansum(inverse * B))


class MomentTraces:
    """Δ, V, Γ and the traces of UΓ of a model of complete rows of one level.

    Parameters
    ----------
    samples : tuple of Sample
    Delta, V : sequence of (m, q) and (m, m) arrays
        One a group.
    vcov : (q, q) array, optional
        E⁻¹/n, where constraints have changed it, or the information is the observed one.
    less : int
        Rows that `vcov` does not count.

    Raises
    ------
    EstimationError
        For incomplete or weighted data, or several levels.
    """

    def __init__(
        self, samples: Sequence[Sample], Delta: Sequence[np.ndarray], V: Sequence[np.ndarray],
        vcov: np.ndarray | None = None, less: int = 0,
    ):  # fmt: skip
        _check_rows(samples)
        n = np.array([len(s.y) for s in samples], dtype=float)
        self.n, self.share = float(n.sum()), n / n.sum()
        self.Delta, self.V = Delta, V
        self.Gamma = [asymptotic_covariance(s) for s in samples]
        if vcov is None:
            E = sum(f * D.T @ V @ D for f, D, V in zip(self.share, self.Delta, self.V))
            vcov = np.linalg.inv(E) / (self.n - less)
        self.given, self.rows = np.nan_to_num(vcov), self.n - less
        self.lost = np.isnan(np.diag(vcov))

    @classmethod
    def normal(
        cls, model: MomentModel, free: np.ndarray, vcov: np.ndarray | None = None, less: int = 0
    ) -> MomentTraces:
        """Those of a likelihood, whose weight is that of normal theory at the model."""
        _check_rows(model.samples)
        evaluations = model.at(free)
        V = [
            normal_weight(joint_covariance(e.implied(), e.moments), e.graph.p, e.moments.has_means)
            for e in evaluations
        ]
        return cls(model.samples, [model.on_free(e.jacobian()) for e in evaluations], V, vcov, less)

    @property
    def inverse(self) -> np.ndarray:
        """E⁻¹."""
        return self.given * self.rows

    @cached_property
    def vcov(self) -> np.ndarray:
        """Covariance matrix of the estimates."""
        meat = sum(f * D.T @ V @ G @ V @ D for f, D, V, G in zip(self.share, self.Delta, self.V, self.Gamma))
        out = self.inverse @ meat @ self.given
        out[self.lost] = np.nan
        out[:, self.lost] = np.nan
        return out

    @cached_property
    def traces(self) -> tuple[float, float]:
        """tr UΓ and tr (UΓ)², over all groups together."""
        D = np.concatenate(self.Delta)
        V = _diagonal([f * V for f, V in zip(self.share, self.V)])
        G = _diagonal([G / f for f, G in zip(self.share, self.Gamma)])
        VD = V @ D
        UG = (V - VD @ self.inverse @ VD.T) @ G
        return float(np.trace(UG)), float((UG * UG.T).sum())


def _check_rows(samples: Sequence[Sample]) -> None:
    for sample in samples:
        if sample.share is not None or not sample.moments.complete or sample.weight is not None:
            raise EstimationError(
                "standard errors and tests by Satorra and Bentler need complete, unweighted data of one level",
                remedy="Use estimator='MLR'.",
            )


def _diagonal(blocks: list[np.ndarray]) -> np.ndarray:
    size = sum(len(block) for block in blocks)
    out, at = np.zeros((size, size)), 0
    for block in blocks:
        out[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    return out
