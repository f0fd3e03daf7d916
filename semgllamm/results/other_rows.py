"""Scores of rows that a fit has not seen, at its estimates: nothing is maximised again.

The rows are put below those of the fit, so that categories, levels of covariates and groups are coded as they were,
with clusters of their own whatever these are called; the walk to the likelihood is gone again, and what is wanted is
computed at the estimates of the fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from semgllamm.errors import DataError, ModelError

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["of_other_rows"]


def of_other_rows(fit: Fit, newdata: Any, ask: Callable[[Fit], pd.DataFrame]) -> pd.DataFrame:
    """What `ask` says of the rows of `newdata` and their units, indexed as these are.

    Raises
    ------
    ModelError
        For loaded fits of sample moments, and models whose parameters depend on other rows.
    DataError
        For missing columns, and categories, levels and groups that the fit has not seen.
    """
    import pandas as pd

    from semgllamm.data.frames import to_frame

    fit.binding.need_rows("scores of other rows")
    if fit.again is None:
        raise ModelError("this fit cannot take other rows")
    old, frame = fit.binding.frame, to_frame(newdata)
    clusters = list(dict.fromkeys(n for level in fit.model.levels[1:] for n in fit.binding.units.ids[level].names))
    given = {name.split("[")[0] for name in fit.design.columns} & set(old.columns)
    for name in (*clusters, *sorted(given), *filter(None, [fit.binding.group])):
        if name not in frame.columns:
            raise DataError(f"the new data have no column '{name}'")
    both = pd.concat([old, frame], ignore_index=True)
    names: dict[str, pd.Index] = {}
    for name in clusters:
        code, names[name] = pd.factorize(both[name], sort=True)
        is_new = np.arange(len(both)) >= len(old)
        both[name] = pd.Series(np.where(code < 0, np.nan, code + len(names[name]) * is_new)).astype("Int64")
    other = fit.again(both)
    counts = [[(r.name, r.categories) for r in one.model.responses] for one in (fit, other)]
    if counts[0] != counts[1] or list(fit.likelihood.names) != list(other.likelihood.names):
        odd = sorted({name for name, _ in set(counts[0]) ^ set(counts[1])}) or ["a covariate"]
        raise DataError(f"the new data have categories of {', '.join(odd)} that the fit has not seen")
    if getattr(other.likelihood, "shared", False):
        other.likelihood.place(fit.free)
    table = ask(other)
    levels = [table.index.get_level_values(k) for k in range(table.index.nlevels)]
    of_rows = levels[-1].name not in names
    mine = levels[-1] >= (len(old) if of_rows else len(names[levels[-1].name]))
    table, levels = table[mine], [level[mine] for level in levels]
    back = [
        pd.Index(names[x.name][x.to_numpy(dtype=int) - len(names[x.name])], name=x.name) if x.name in names else x
        for x in levels
    ]
    if of_rows:
        back[-1] = frame.index[levels[-1] - len(old)]
    index = back[0] if len(back) == 1 else pd.MultiIndex.from_arrays(back, names=table.index.names)
    return table.set_axis(index, axis=0)
