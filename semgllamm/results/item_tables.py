"""Tables of items: their parameters in both parameterisations, their curves and their information.

    ν − κ_k = aθ + d_k = a (θ − b_k),        d_k = β − κ_k,   b_k = −d_k / a

(κ = 0 for two answers without thresholds). Of several latent variables, with a the vector of slopes (Reckase 2009,
equations 5.8 and 5.9),

    MDISC = √(a'a),        MDIFF_k = −d_k / MDISC.

Standardised parameters have latent variables of mean 0 and variance 1: a σ, (b − μ)/σ, d + aμ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import DataError, ModelError
from semgllamm.results.items import ItemModel, item_model, one_dimension

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["grid_of", "item_curves", "item_information", "item_parameters"]


def item_parameters(fit: Fit, standardized: bool = False, se: bool = True) -> pd.DataFrame:
    """Slopes, intercepts, difficulties and asymptotes, a row an item; the arguments are those of `Fit.items`.

    Raises
    ------
    ModelError
        As `item_model`.
    """
    import pandas as pd

    names, values, rows = _values(fit, fit._cells, standardized)
    error = _errors(fit, standardized) if se else None
    several = len(fit.model.groups) > 1
    out = {"item": [name for _, name in rows]}
    if several:
        out = {"group": [fit.model.group_labels[g] for g, _ in rows], **out}
    for k, name in enumerate(names):
        out[name] = values[:, k]
        if se:
            out[f"{name}.se"] = error[:, k]
    return pd.DataFrame(out)


def _errors(fit: Fit, standardized: bool) -> np.ndarray:
    """Standard errors by the delta method, of the same shape as the values; NaN where there are none."""
    from semgllamm.results.predictions import delta_variance

    working = fit._working

    def at(free: np.ndarray) -> np.ndarray:
        return _values(fit, working.cells(working.inner(free)), standardized)[1]

    if fit._vcov_free is None:
        return np.full_like(at(fit.free), np.nan)
    return np.sqrt(delta_variance(fit, at))


def _values(fit: Fit, cells: np.ndarray, standardized: bool):
    """Names of the columns, values (items, columns), and (group, item) of the rows."""
    models = [(g, item_model(fit, g, cells)) for g in range(len(fit.model.groups))]
    table: list[tuple[int, str, dict[str, float]]] = []
    latents = models[0][1].latents
    for g, items in models:
        if items.latents != latents:
            raise ModelError("the items load on different latent variables in the groups")
        table += [(g, name, row) for name, row in _rows_of(items, standardized)]
    steps = max((k for *_, row in table for name, k in row if name == "d"), default=1)
    names: list[tuple[str, int | str]] = [("a", latent) for latent in latents]
    names += [("MDISC", 0)] * (len(latents) > 1)
    names += [(kind, k) for kind in ("b" if len(latents) == 1 else "MDIFF", "d") for k in range(1, steps + 1)]
    names += [(kind, 0) for kind in ("guessing", "ceiling") if any((kind, 0) in row for *_, row in table)]
    values = np.array([[row.get(name, np.nan) for name in names] for *_, row in table])
    return [_column(name, k, steps, latents) for name, k in names], values, [(g, name) for g, name, _ in table]


def _column(name: str, k, steps: int, latents: tuple[str, ...]) -> str:
    if name == "a":
        return "a" if len(latents) == 1 else f"a[{k}]"
    return f"{name}{k}" if name in ("b", "d", "MDIFF") and steps > 1 else name


def _rows_of(items: ItemModel, standardized: bool):
    """(name, values by (kind, number or latent variable)) of each item, or of each alternative of a choice."""
    from scipy.special import expit

    sd = np.sqrt(np.diag(items.covariance))
    for item in items.items:
        joint = item.family.is_joint
        for k in range(len(item.intercept)):
            slopes, at = item.slopes[k], item.intercept[k]
            if standardized:
                slopes, at = slopes * sd, at + slopes @ items.mean
            row = {("a", latent): a for latent, a in zip(items.latents, slopes)}
            length = np.sqrt(slopes @ slopes)
            one = len(slopes) == 1
            if not one:
                row["MDISC", 0] = length
            d = at - item.own if item.family.thresholds else np.array([at])
            for j, value in enumerate(d, start=1):
                row["d", j] = value
                if not joint:
                    with np.errstate(divide="ignore", invalid="ignore"):
                        row["b" if one else "MDIFF", j] = -value / (slopes[0] if one else length)
            for kind, logit in zip(item.family.predictors, item.own):
                row[kind, 0] = expit(logit)
            yield f"{item.name}[{item.labels[k]}]" if joint else item.name, row


def grid_of(items: ItemModel, theta) -> np.ndarray:
    """Values of the latent variable: those given, or 61 over three standard deviations to both sides of the mean.

    Raises
    ------
    DataError
        If they are no finite numbers.
    """
    if theta is None:
        return items.mean[0] + items.sd * np.linspace(-3.0, 3.0, 61)
    try:
        out = np.atleast_1d(np.asarray(theta, dtype=float))
    except (TypeError, ValueError) as failure:
        raise DataError(f"theta holds no numbers: {failure}") from failure
    if out.ndim != 1 or not np.isfinite(out).all():
        raise DataError("theta is one finite number or a sequence of them")
    return out


def item_curves(fit: Fit, theta=None) -> pd.DataFrame:
    """P(y = k | θ) of every item and category; the arguments are those of `Fit.item_curves`."""
    import pandas as pd

    out = []
    for g, items in _by_group(fit, "item curves"):
        at = grid_of(items, theta)
        for item in items.items:
            p = item.probabilities(at[:, None])
            for k, label in enumerate(item.labels):
                part = {"group": fit.model.group_labels[g]} if len(fit.model.groups) > 1 else {}
                part |= {"item": item.name, "category": label, "theta": at, "probability": p[:, k]}
                out.append(pd.DataFrame(part))
    return pd.concat(out, ignore_index=True)


def item_information(fit: Fit, theta=None) -> pd.DataFrame:
    """Information of every item and of the test; the arguments are those of `Fit.item_information`."""
    import pandas as pd

    out = []
    for g, items in _by_group(fit, "item information functions"):
        at = grid_of(items, theta)
        info = items.information(at)
        part = {"group": fit.model.group_labels[g]} if len(fit.model.groups) > 1 else {}
        part |= {"theta": at, **{item.name: info[:, k] for k, item in enumerate(items.items)}}
        part["test"] = info.sum(axis=1)
        with np.errstate(divide="ignore"):
            part["se"] = 1 / np.sqrt(part["test"])
        out.append(pd.DataFrame(part))
    return pd.concat(out, ignore_index=True)


def _by_group(fit: Fit, what: str):
    for g in range(len(fit.model.groups)):
        items = item_model(fit, g)
        one_dimension(items, what)
        yield g, items
