"""What pairs of items have in common beyond the latent variables: Q3, and X² of their table.

    Q3    the correlation of y_i − E(y_i | θ̂) and y_j − E(y_j | θ̂), θ̂ the posterior mean (Yen 1984)
    X²    Σ_kl (N p_kl − N π_kl)² / N π_kl of the table of two items, N the units that answered both,
          df = (K_i − 1)(K_j − 1) (Chen & Thissen 1997)

X² is not quite distributed as χ² of these degrees of freedom, the parameters being estimated from the same tables:
large values show where to look. `residual_cor` is the correlation of codes, observed less expected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semgllamm.results.contingency import expected_correlations, tabulated
from semgllamm.results.item_fit import moments_of_codes
from semgllamm.results.items import answers, whole

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["local_dependence"]


def local_dependence(fit: Fit) -> pd.DataFrame:
    """Q3, residual correlations and X², a row a pair of items; the first two are NaN with nominal items.

    Raises
    ------
    ModelError, DataError
        As `semgllamm.results.items.whole`, and for more than three latent variables.
    """
    import pandas as pd
    from scipy.stats import chi2

    items = whole(fit, "tests of local dependence")
    codes = answers(fit, items)
    theta = fit.latent(se=False)[list(items.latents)].to_numpy()
    nominal = [item.family.is_joint for item in items.items]
    residuals = np.stack([
        codes[:, k] - moments_of_codes(item.probabilities(theta))[0] for k, item in enumerate(items.items)
    ], axis=1)  # fmt: skip
    _, p, weight = tabulated(items)
    edges = np.cumsum([0, *(item.n_categories for item in items.items)])
    by_model = expected_correlations(items, p, weight)
    rows = []
    for i, first in enumerate(items.items):
        for j in range(i + 1, len(items.items)):
            second = items.items[j]
            both = ~np.isnan(codes[:, i]) & ~np.isnan(codes[:, j])
            n = int(both.sum())
            expected = n * (weight * p[:, edges[i] : edges[i + 1]].T) @ p[:, edges[j] : edges[j + 1]]
            observed = np.zeros_like(expected)
            np.add.at(observed, (codes[both, i].astype(np.int64), codes[both, j].astype(np.int64)), 1.0)
            x2 = float(((observed - expected) ** 2 / expected).sum()) if n else np.nan
            df = (first.n_categories - 1) * (second.n_categories - 1)
            q3 = residual = np.nan
            if not (nominal[i] or nominal[j]) and n > 2:
                q3 = np.corrcoef(residuals[both, i], residuals[both, j])[0, 1]
                residual = np.corrcoef(codes[both, i], codes[both, j])[0, 1] - by_model[i, j]
            rows.append({
                "item1": first.name, "item2": second.name, "q3": q3, "residual_cor": residual, "x2": x2, "df": df,
                "pvalue": float(chi2.sf(x2, df)),
            })  # fmt: skip
    return pd.DataFrame(rows)
