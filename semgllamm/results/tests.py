"""Tests of a fit against the saturated model, and covariance matrices of its estimates of every kind."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.estimation.benchmarks import MomentModel, independence
from semgllamm.estimation.completed import Completed
from semgllamm.estimation.covariances import by_scores, clusters_of, moment_traces
from semgllamm.estimation.gaussian import GaussianLikelihood, has_saturated
from semgllamm.estimation.least_squares import LeastSquares, independence_jacobians
from semgllamm.estimation.nested import NestedLikelihood
from semgllamm.estimation.robust import MEAN_VARIANCE, ChiSquare, MomentTraces, scaled, trace_of_units
from semgllamm.results.fit_measures import against_saturated, exogenous
from semgllamm.results.moments import saturated_of

if TYPE_CHECKING:
    from semgllamm.results.fit import Fit

__all__ = ["Tests", "covariance_of_kind", "not_by_likelihood", "trace_of_scores"]

KINDS = ("observed", "expected", "first.order", "sandwich")


class Tests:
    """The chi-squares of a model and of its independence model, standard and scaled, computed when asked for.

    Each is None for a likelihood without a closed form, and where coefficients vary with covariates.
    """

    def __init__(self, fit: Fit):
        self.fit, self.likelihood = fit, fit.likelihood
        self.closed = has_saturated(self.likelihood)
        name = fit.request.chosen_test
        self.name = name if self.closed and name != "standard" and not fit.problems else None
        self.clusters = clusters_of(self.likelihood, fit.request)

    @cached_property
    def standard(self) -> ChiSquare | None:
        if not self.closed:
            return None
        test = against_saturated(self.fit)
        return ChiSquare("standard", test.chisq, test.df, test.pvalue)

    @cached_property
    def baseline(self) -> ChiSquare | None:
        if not self.closed:
            return None
        test = against_saturated(self.fit)
        return ChiSquare("standard", test.baseline_chisq, test.baseline_df, test.baseline_pvalue)

    @cached_property
    def scaled(self) -> ChiSquare | None:
        if self.name is None:
            return None
        return scaled(self.name, self.standard, *self.traces)

    @cached_property
    def traces(self) -> tuple[float, float]:
        """tr UΓ and tr (UΓ)² of the model; of yuan.bentler.mplus the former only."""
        return self._traces(self.fit.free)

    def traces_at(self, cells: np.ndarray) -> tuple[float, float]:
        """The traces at other values of all cells."""
        return self._traces(self.likelihood.working.free_from_inner(cells))

    def _traces(self, free: np.ndarray) -> tuple[float, float]:
        if self.name in MEAN_VARIANCE:
            vcov = self._inverse(self.likelihood.standard(free, expected=True))
            return moment_traces(self.likelihood, free, vcov).traces
        return self.trace_saturated - self._trace_of_model(free), np.nan

    @cached_property
    def scaled_baseline(self) -> ChiSquare | None:
        if self.name is None:
            return None
        fit, likelihood = self.fit, self.likelihood
        if isinstance(likelihood, LeastSquares):
            Delta = independence_jacobians(likelihood, exogenous(fit))
            traces = MomentTraces(likelihood.samples, Delta, likelihood.weights).traces
            return scaled(self.name, self.baseline, *traces)
        model = independence(likelihood, fit.free, together=exogenous(fit))
        free = model.maximum[0]
        if self.name in MEAN_VARIANCE:
            return scaled(self.name, self.baseline, *MomentTraces.normal(model, free).traces)
        return scaled(self.name, self.baseline, self.trace_saturated - self._trace(model, free))

    @cached_property
    def robust(self) -> tuple[ChiSquare, ChiSquare, float, float] | None:
        """What robust measures are made of: a statistic with its trace, that of the independence model, the scaled
        statistic and what it was divided by; None where there are none."""
        if not self.closed or self.fit.problems or isinstance(self.likelihood, NestedLikelihood):
            return None
        complete = all(sample.moments.complete for sample in self.likelihood.samples)
        if complete or self.likelihood.n_levels > 1:
            if self.name is None:
                return None
            scaled_test = self.scaled
            test = replace(self.standard, trace=scaled_test.trace)
            base = replace(self.baseline, trace=self.scaled_baseline.trace)
            if self.name == "scaled.shifted":
                return test, base, scaled_test.statistic, scaled_test.scaling_factor
        elif not np.isfinite(saturated_of(self.fit).maximum[1]):
            return None
        else:
            test, base = self._completed
        c = test.trace / test.df if test.df else np.nan
        return test, base, test.statistic / c, c

    @cached_property
    def _completed(self) -> tuple[ChiSquare, ChiSquare]:
        fit, likelihood = self.fit, self.likelihood
        completed = Completed(saturated_of(fit), self.name is not None, *self.clusters)
        model = MomentModel.of(likelihood, fit.free)
        alone = independence(likelihood, fit.free, together=exogenous(fit))
        test = completed.test(model, fit.free, self.standard.df, self._inverse)
        return test, completed.test(alone, alone.maximum[0], self.baseline.df)

    @cached_property
    def trace_model(self) -> float:
        """tr A⁻¹B of the model."""
        return self._trace_of_model(self.fit.free)

    def _trace_of_model(self, free: np.ndarray) -> float:
        scores = self.likelihood.unit_scores(free)
        return trace_of_units(self._inverse(self._information(free)), scores, *self.clusters)

    @cached_property
    def trace_saturated(self) -> float:
        """tr A₁⁻¹B₁."""
        full = saturated_of(self.fit)
        return self._trace(full, full.maximum[0])

    @cached_property
    def scaling_factors(self) -> tuple[float, float] | None:
        """Of the log-likelihoods of the model and of the saturated one, for yuan.bentler.mplus."""
        if self.name != "yuan.bentler.mplus":
            return None
        # equal cells count apart, as lavaan counts parameters before its constraints
        cells = sum(number >= 0 for number in self.fit.model.rows)
        return self.trace_model / cells, self.trace_saturated / len(saturated_of(self.fit).c)

    def _expected(self) -> bool:
        return self.fit.request.chosen_information == "expected"

    def _information(self, free: np.ndarray) -> np.ndarray:
        likelihood = self.likelihood
        clustered = self.fit.request.clustered and not self.fit.request.by_design and likelihood.n_levels == 1
        if clustered and not self._expected():
            # as lavaan does for clusters: moments as if linear in the parameters
            total = sum(e.information(straight=True) for e in likelihood.at(free))
            return likelihood.K.T @ total @ likelihood.K
        return likelihood.information(free, expected=self._expected())

    def _inverse(self, information: np.ndarray) -> np.ndarray:
        """Within the constraints; of what may be indefinite away from the maximum as well."""
        vcov, null, _ = self.fit._inverse(information)
        return np.linalg.pinv(information, hermitian=True) if null else vcov

    def _trace(self, model: MomentModel, free: np.ndarray) -> float:
        inverse = np.linalg.pinv(model.information(free, self._expected()), hermitian=True)
        return trace_of_units(inverse, model.unit_scores(free), *self.clusters)


def not_by_likelihood(fit: Fit) -> str | None:
    """Why differences of log-likelihoods have no chi-square distribution; None where they have."""
    if fit.request.weighted:
        return "sampling weights make it a pseudo-likelihood"
    if fit.request.by_design or fit.request.clustered:
        return "units that the model takes for independent were drawn in clusters or strata"
    return None


def trace_of_scores(fit: Fit) -> float:
    """tr A⁻¹B of a likelihood."""
    inverse = covariance_of_kind(fit, "observed")
    if inverse is None:
        raise ModelError("a fit without standard errors has no scaled test")
    scores = fit.likelihood.unit_scores(fit.free, fit.points)
    return trace_of_units(inverse, scores, *clusters_of(fit.likelihood, fit.request))


def covariance_of_kind(fit: Fit, kind: str) -> np.ndarray | None:
    """The covariance matrix of the free parameters; None where the fit has no information.

    Raises
    ------
    ModelError
        For an unknown kind, or one that the likelihood does not have.
    """
    if kind not in KINDS:
        raise ModelError(f"vcov kind '{kind}' is unknown", remedy=f"Use {', '.join(KINDS)}, or none.")
    likelihood = fit.likelihood
    closed = isinstance(likelihood, GaussianLikelihood)
    if isinstance(likelihood, LeastSquares) and kind != "expected":
        raise ModelError(f"vcov kind '{kind}' needs a likelihood", remedy="Use kind='expected'.")
    if kind == "expected" and not closed:
        raise ModelError("the expected information is for Gaussian models in closed form", remedy="Use 'observed'.")
    if fit.information is None or fit.problems:
        return None
    information = likelihood.standard(fit.free, expected=kind == "expected") if closed else fit.information
    vcov, null, _ = fit._inverse(information)
    if null:
        return None
    if kind in ("observed", "expected"):
        return vcov
    return by_scores(fit._inverse, kind, vcov, fit.request)
