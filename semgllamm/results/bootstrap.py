"""Bootstrap draws of the estimates: intervals, standard errors, and Bollen and Stine's p-value.

With order statistics t₍₁₎ ≤ … ≤ t₍ₙ₎ of n draws, the quantile α is interpolated on the normal scale between
k = ⌊(n + 1)α⌋ and k + 1 (Davison & Hinkley 1997, equation 5.8). Limits of level 1 − 2α are

    percentile      t(α), t(1 − α)                                     (Efron 1979)
    basic           2t − t(1 − α), 2t − t(α)                           (Davison & Hinkley 1997, equation 5.6)
    normal          t − bias ± z s
    bc, bca.simple  t(Φ(2z₀ ± z)), z₀ = Φ⁻¹(share of draws below t)      (Efron 1981)
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from semgllamm.diagram.expressions import evaluate
from semgllamm.errors import EstimationError, ModelError
from semgllamm.estimation.resampling import KINDS, resampled_estimates

if TYPE_CHECKING:
    from semgllamm.results.fit import Fit

__all__ = ["Bootstrap", "bootstrap"]

METHODS = ("percentile", "basic", "normal", "bc", "bca.simple")


@dataclass(frozen=True)
class Bootstrap:
    """Draws of the estimates.

    Attributes
    ----------
    draws : DataFrame
        A row for each sample that was fitted: the free parameters, the defined ones, and the statistics asked for.
    estimates : Series
        The same of the data.
    n : int
        Samples drawn.
    failed : int
        Samples without a maximum.
    kind : str
    chisq : (n − failed,) array
        Chi-squares of the draws; NaN but for "bollen.stine".
    pvalue : float
        Share of these beyond the chi-square of the data (Bollen & Stine 1992); NaN for other kinds.
    """

    draws: pd.DataFrame
    estimates: pd.Series
    n: int
    failed: int
    kind: str
    chisq: np.ndarray
    pvalue: float

    @property
    def se(self) -> pd.Series:
        """Standard deviations of the draws."""
        return self.draws.std()

    @property
    def vcov(self) -> pd.DataFrame:
        """Covariances of the draws."""
        return self.draws.cov()

    def confint(self, method: str = "percentile", level: float = 0.95) -> pd.DataFrame:
        """Confidence limits, a row for each column of `draws`.

        Parameters
        ----------
        method : {"percentile", "basic", "normal", "bc", "bca.simple"}
            "bca.simple" is lavaan's name of "bc".

        Raises
        ------
        ModelError
            For an unknown method, a level outside (0, 1), or too few draws for the level.
        """
        if method not in METHODS:
            raise ModelError(f"bootstrap interval '{method}' is unknown", remedy=f"Known: {', '.join(METHODS)}.")
        if not 0 < level < 1:
            raise ModelError(f"a confidence level lies between 0 and 1, not {level}")
        tails = np.array([(1 - level) / 2, (1 + level) / 2])
        if method != "normal" and (len(self.draws) + 1) * tails[0] < 1:
            raise ModelError(
                f"{len(self.draws)} draws are too few for limits of {level:.0%}",
                remedy=f"Draw {int(np.ceil(1 / tails[0]))} or more.",
            )
        limits = [self._limits(self.draws[name].to_numpy(), self.estimates[name], method, tails) for name in self.draws]
        return pd.DataFrame(limits, columns=["lower", "upper"], index=self.draws.columns)

    def _limits(self, draws: np.ndarray, estimate: float, method: str, tails: np.ndarray):
        if method == "normal":
            return 2 * estimate - draws.mean() + ndtri(tails) * draws.std(ddof=1)
        if method == "basic":
            return 2 * estimate - _quantile(draws, tails[::-1])
        if method in ("bc", "bca.simple"):
            below = np.clip((draws < estimate).mean(), 0.5 / len(draws), 1 - 0.5 / len(draws))
            tails = ndtr(2 * ndtri(below) + ndtri(tails))
        return _quantile(draws, tails)

    def __repr__(self) -> str:
        lost = f", {self.failed} of them without a maximum" if self.failed else ""
        tail = f"; Bollen-Stine p = {self.pvalue:.4f}" if self.kind == "bollen.stine" else ""
        return f"<Bootstrap: {self.n} samples, {self.kind}{lost}{tail}>"


def _quantile(draws: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    ordered, n = np.sort(draws), len(draws)
    out = np.empty(len(probabilities))
    for i, p in enumerate(probabilities):
        k = int(np.floor((n + 1) * p))
        if k < 1 or k >= n:
            out[i] = ordered[0 if k < 1 else -1]
            continue
        low, here, high = ndtri(k / (n + 1)), ndtri(p), ndtri((k + 1) / (n + 1))
        out[i] = ordered[k - 1] + (here - low) / (high - low) * (ordered[k] - ordered[k - 1])
    return out


def bootstrap(
    fit: Fit, n: int, kind: str, seed: int | None, statistic: Callable | None, workers: int | None, progress
) -> Bootstrap:
    """See `Fit.bootstrap`.

    Raises
    ------
    ModelError
        For an unknown kind, or a fit that has failed.
    EstimationError
        For a kind that the data do not allow, or if no sample could be fitted.
    """
    if kind not in KINDS:
        raise ModelError(f"bootstrap kind '{kind}' is unknown", remedy=f"Known: {', '.join(KINDS)}.")
    if not isinstance(n, int) or n < 1:
        raise ModelError(f"a bootstrap has 1 or more samples, not {n!r}")
    if workers is not None and workers < 1:
        raise ModelError(f"workers is {workers!r}", remedy="Use 1 or more.")
    fit.binding.need_rows("bootstrap samples")
    if not fit.converged:
        raise ModelError("the fit has not converged: there are no estimates to draw")
    found = resampled_estimates(
        fit.likelihood, fit.free, n, kind, seed, workers, _progress(progress), fit.points,
        fit._constraints, fit.request.clustered,
    )  # fmt: skip
    good = np.isfinite(found.free).all(axis=1)
    if not good.any():
        raise EstimationError(f"none of the {n} samples has a maximum")
    rows = [_values(fit, free, statistic) for free in found.free[good]]
    chisq, pvalue = found.statistic[good], np.nan
    if kind == "bollen.stine":
        pvalue = float((chisq >= fit.test.statistic).mean())
    return Bootstrap(
        pd.DataFrame(rows), pd.Series(_values(fit, fit.free, statistic)), n, int(n - good.sum()), kind, chisq, pvalue
    )


def _values(fit: Fit, free: np.ndarray, statistic: Callable | None) -> dict[str, float]:
    """Free and defined parameters, and the statistics of them."""
    working = fit.likelihood.working
    cells = working.cells(working.inner(free))
    out = dict(zip(fit.model.names, cells.tolist()))
    if fit.diagram.definitions:
        values = fit.label_values
        values |= {name: float(cells[k]) for name, k in fit._label_numbers.items() if k >= 0}
        for definition in fit.diagram.definitions:
            values[definition.name] = out[definition.name] = float(evaluate(definition.expression, values))
    if statistic is not None:
        found = statistic(pd.Series(cells, index=list(fit.model.names)))
        if isinstance(found, pd.Series | dict):
            out |= {str(name): float(value) for name, value in dict(found).items()}
        else:
            several = np.atleast_1d(np.asarray(found, dtype=float))
            names = ["statistic"] if len(several) == 1 else [f"statistic[{k}]" for k in range(1, len(several) + 1)]
            out |= dict(zip(names, several.tolist()))
    return out


def _progress(progress):
    if progress is False or (progress == "auto" and not (sys.stderr is not None and sys.stderr.isatty())):
        return None

    def line(done, failed, n):
        lost = f", {failed} without a maximum" if failed else ""
        print(f"\rbootstrap {done}/{n}{lost}", end="\n" if done == n else "", file=sys.stderr, flush=True)

    return line
