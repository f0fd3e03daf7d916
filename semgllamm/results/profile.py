"""Profile-likelihood intervals, and the profile itself; see `semgllamm.estimation.profile`.

Those of a quantity that ``:=`` defines take the maximum given its value.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtri

from semgllamm.errors import ModelError
from semgllamm.estimation.profile import Profile
from semgllamm.results.plots import axes_for
from semgllamm.results.tests import not_by_likelihood

if TYPE_CHECKING:
    from semgllamm.results.fit import Fit

__all__ = ["named", "plot_profile", "profile", "profile_limits"]

STEP = 0.5  # of a drawn profile, in standard errors
MOST = 40  # steps to either side


def profile_limits(fit: Fit, level: float, parameters: Sequence[str] | str | None) -> pd.DataFrame:
    """`lower` and `upper` of parameters; see `Fit.confint`."""
    z = float(ndtri(0.5 + level / 2))
    chosen = named(fit, parameters)
    rows = []
    for name, number in chosen:
        one = _profile(fit, name, number)
        rows.append((one.limit(-z), one.limit(z)))
    fit.likelihood.cold()
    return pd.DataFrame(rows, columns=["lower", "upper"], index=[name for name, _ in chosen])


def profile(fit: Fit, name: str, reach: float = 0.99) -> pd.DataFrame:
    """See `Fit.profile`."""
    if not 0 < reach < 1:
        raise ModelError(f"a confidence level lies between 0 and 1, not {reach}")
    one, z = _profile(fit, *named(fit, name)[0]), float(ndtri(0.5 + reach / 2))
    if not one.unit > 0:
        raise ModelError(f"'{name}' is held fast or on its boundary: it has no profile")
    here = one.coordinate(one.estimate)
    rows = [(one.estimate, 0.0)]
    for side in (-1.0, 1.0):
        one.restart()
        for k in range(1, MOST + 1):
            t = here + side * k * STEP * one.unit
            ends = one.is_sd and t <= 0
            zeta = one.zeta(0.0 if ends else t)
            if np.isnan(zeta):
                break
            rows.append((0.0 if ends else one.value(t), zeta))
            if ends or abs(zeta) > z:
                break
    fit.likelihood.cold()
    table = pd.DataFrame(sorted(rows), columns=["value", "zeta"])
    table["loglik"] = fit.loglik - 0.5 * table["zeta"] ** 2
    return table


def plot_profile(fit: Fit, name: str, level: float, ax):
    """See `Fit.plot_profile`."""
    table = profile(fit, name, max(level, 0.99))
    lower, upper = profile_limits(fit, level, name).iloc[0]
    ax = axes_for(ax)
    ax.plot(table["value"], table["zeta"], marker=".")
    z = float(ndtri(0.5 + level / 2))
    for limit, at in ((lower, -z), (upper, z)):
        ax.axhline(at, color="0.7", linewidth=0.8)
        if np.isfinite(limit):
            ax.axvline(limit, color="0.7", linewidth=0.8)
    ax.axhline(0.0, color="0.7", linewidth=0.8)
    ax.set_xlabel(name)
    ax.set_ylabel("signed root deviance")
    return ax


def named(fit: Fit, parameters: Sequence[str] | str | None) -> list[tuple[str, int | None]]:
    """Name and number of free parameters, by name or label, all by default; of definitions None for the number."""
    names = list(fit.model.names)
    if parameters is None:
        return [(name, number) for number, name in enumerate(names)]
    defined = [definition.name for definition in fit.diagram.definitions]
    out: list[tuple[str, int | None]] = []
    for name in [parameters] if isinstance(parameters, str) else parameters:
        if name in defined:
            out.append((name, None))
            continue
        number = names.index(name) if name in names else fit._label_numbers.get(name, -1)
        if number < 0:
            near = get_close_matches(str(name), [*names, *fit._label_numbers, *defined], n=1)
            raise ModelError(
                f"there is no free parameter '{name}'", remedy=f"Did you mean '{near[0]}'?" if near else None
            )
        out.append((names[number], number))
    return out


def _profile(fit: Fit, name: str, number: int | None) -> Profile:
    if fit.request.objective != "ML":
        raise ModelError("least squares have no likelihood to profile", remedy="Use method='wald'.")
    if (why := not_by_likelihood(fit)) is not None:
        raise ModelError(f"a profile has no distribution that is known: {why}", remedy="Use method='wald'.")
    if not fit.converged or fit._vcov_free is None:
        raise ModelError("a profile needs a fit that has converged and has standard errors")
    numbers = {label: k for label, k in fit._label_numbers.items() if k >= 0}
    return Profile(
        fit.likelihood, fit._constraints, fit.free, fit.loglik, fit.points, fit._vcov_free, number, name, fit.diagram,
        numbers,
    )  # fmt: skip
