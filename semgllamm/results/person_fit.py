"""How the answers of each unit fit: Zh, infit and outfit.

With ℓ = Σ_i log P_i(y_i | θ̂) over the answers that were given (Drasgow, Levine & Williams 1985),

    Zh = (ℓ − E ℓ) / √var ℓ,   E ℓ = ΣΣ_k P_ik log P_ik,   var ℓ = Σ [Σ_k P_ik (log P_ik)² − (Σ_k P_ik log P_ik)²],

large negative values being unlikely patterns. At the estimate θ̂, here the posterior mean, its variance is below 1
(Molenaar & Hoijtink 1990). Infit and outfit are of a unit's codes what they are of an item's (`item_fit`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semgllamm.results.item_fit import moments_of_codes
from semgllamm.results.items import answers, item_model, whole
from semgllamm.results.latent import unit_ids

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["person_fit"]


def person_fit(fit: Fit) -> pd.DataFrame:
    """Zh, infit and outfit, a row a unit; infit and outfit are NaN with nominal items.

    Raises
    ------
    ModelError, DataError
        As `semgllamm.results.items.whole`.
    """
    import pandas as pd

    first = whole(fit, "the fit of persons", given=True)
    codes = answers(fit, first)
    theta = fit.latent(se=False)[list(first.latents)].to_numpy()
    log, expected, variance, squares, standard, spread, number = np.zeros((7, len(codes)))
    for g in range(len(fit.model.groups)):
        rows = np.flatnonzero(fit.design.group_of == g)
        for i, item in enumerate(item_model(fit, g).items):
            mine = rows[~np.isnan(codes[rows, i])]
            p = np.maximum(item.probabilities(theta[mine]), 1e-300)
            y = codes[mine, i].astype(np.int64)
            logs = np.log(p)
            mean = (p * logs).sum(axis=1)
            log[mine] += logs[np.arange(len(mine)), y]
            expected[mine] += mean
            variance[mine] += (p * logs**2).sum(axis=1) - mean**2
            mean, V = moments_of_codes(p) if not item.family.is_joint else np.full((2, len(mine)), np.nan)
            squares[mine] += (y - mean) ** 2
            standard[mine] += (y - mean) ** 2 / V
            spread[mine] += V
            number[mine] += 1
    out = dict(zip(first.latents, theta.T))
    with np.errstate(divide="ignore", invalid="ignore"):
        out |= {"zh": (log - expected) / np.sqrt(variance), "infit": squares / spread, "outfit": standard / number}
    return pd.DataFrame(out, index=unit_ids(fit, 0))
