"""Predictive checks: a statistic of the data among those of data that the fit generates (Rubin 1984; Gelman, Meng &
Stern 1996), at the estimates of the parameters.

The p-value is (1 + #{T(y_rep) ≥ T(y)}) / (1 + n); values near 0 or 1 are surprising. The parameters have been chosen to
fit the data, so that it lies nearer to ½ than uniform numbers would.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.results.simulation import as_frame

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["predictive_check"]


def predictive_check(
    fit: Fit, statistic: Callable[[pd.DataFrame], Any], n: int, seed: int | None, latent: str, level: float
) -> pd.DataFrame:
    """The table of a check; the arguments and columns are those of `Fit.predictive_check`.

    Raises
    ------
    ModelError
        For statistics that are no numbers, or not the same ones in all data sets, and as `Fit.simulate`.
    """
    import pandas as pd

    if not 0 < level < 1:
        raise ModelError(f"a level lies between 0 and 1, not {level}")
    drawn = fit.simulate(n, seed, latent)
    observed = _numbers(statistic(as_frame(fit.diagram, fit.binding, fit.design, fit.design)))
    found = [_numbers(statistic(drawn.xs(k, level="draw"))) for k in range(n)]
    if any(not one.index.equals(observed.index) for one in found):
        raise ModelError("the statistic has other numbers in data that are drawn than in those of the fit")
    values = np.array(found)
    tail = (1 - level) / 2
    return pd.DataFrame({
        "observed": observed, "mean": values.mean(axis=0), "sd": values.std(axis=0, ddof=1),
        "lower": np.quantile(values, tail, axis=0), "upper": np.quantile(values, 1 - tail, axis=0),
        "pvalue": (1 + (values >= observed.to_numpy()).sum(axis=0)) / (1 + n),
    }, index=observed.index)  # fmt: skip


def _numbers(value: Any) -> pd.Series:
    import pandas as pd

    found = value if isinstance(value, pd.Series) else pd.Series(np.atleast_1d(np.asarray(value)))
    if not pd.api.types.is_numeric_dtype(found):
        raise ModelError("a statistic is a number, or a Series or sequence of numbers")
    return found.astype(float)
