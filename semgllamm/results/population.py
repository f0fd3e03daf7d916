"""How many units there are, with those that were not seen: N = Σ_i 1/(1 − F_i⁰) over the units that were.

The variance is that of Huggins (1989) with the model's own covariance matrix, Σ_i F_i⁰/(1 − F_i⁰)² + g'Vg,
g = ∂N/∂ϑ. The interval takes N − n to be log-normal, so that it does not reach below the n units that were seen
(Chao 1987): n + (N − n)/C and n + (N − n) C, with C = exp(z √log(1 + var/(N − n)²)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.estimation.unseen import SeenLikelihood

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["population"]


def population(fit: Fit, level: float) -> pd.DataFrame:
    """See `Fit.population`."""
    import pandas as pd
    from scipy.stats import norm

    likelihood = fit.likelihood
    if not isinstance(likelihood, SeenLikelihood):
        raise ModelError("population() is for models with @unseen",
                         remedy="Name the level of units that are in the data only if they were seen.")  # fmt: skip
    if not 0 < level < 1:
        raise ModelError(f"level={level!r} is no probability")
    total, variance, slope = likelihood.population(fit.free, fit.points)
    variance += _of_the_estimates(fit._vcov_free, slope)
    seen = likelihood.n_seen
    unseen = total - seen
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = np.exp(norm.ppf(0.5 + level / 2) * np.sqrt(np.log1p(variance / unseen**2)))
    return pd.DataFrame([{
        "seen": seen, "unseen": unseen, "total": total, "se": np.sqrt(variance),
        "ci.lower": seen + unseen / factor, "ci.upper": seen + unseen * factor,
    }])  # fmt: skip


def _of_the_estimates(vcov: np.ndarray | None, slope: np.ndarray) -> float:
    """g'Vg; a standard deviation of 0 has no part in it, as N is even in it."""
    if vcov is None:
        return np.nan
    known = ~np.isnan(np.diag(vcov))
    return float(slope[known] @ vcov[np.ix_(known, known)] @ slope[known])
