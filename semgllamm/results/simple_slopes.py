"""Simple slopes: the effect of one latent variable on another variable at values of those it is multiplied with.

Where y = … + b_1 η_1 + Σ_m b_1m η_1 η_m + b_11 η_1², the slope of y in η_1 is

    b_1 + Σ_m b_1m η_m + 2 b_11 η_1        (Aiken & West 1991),

at η_m = E η_m + k_m sd(η_m), the moments being those of the model over the units that were seen,

    E η = mean of A(α + Γw),   var η = (A Ψ A')_mm + variance of the same.

Standard errors are by the delta method, in all parameters that slope, mean and standard deviation depend on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["simple_slopes", "standard_deviation"]

STEP = 1e-6  # of the differences of slopes in the parameters


class _Slope:
    """The slope of a variable in a latent variable, as a function of the parameters."""

    def __init__(self, fit: Fit, outcome: str, focal: str, group: int):
        self.fit, self.focal = fit, focal
        if not 1 <= group <= fit.model.n_groups:
            raise ModelError(f"there is no group {group}", remedy=f"Groups count from 1 to {fit.model.n_groups}.")
        self.group = group
        self.cells = cells = fit.model.of_group(group - 1)
        self.main = [
            c for c in (*cells.B, *cells.Lambda) if (c.row, c.column) == (outcome, focal) and c.times is None
        ]
        self.products = [c for c in cells.products if c.row == outcome and focal in (c.column, c.times)]
        if not self.products:
            known = ", ".join(f"{c.row} ~ {c.column}:{c.times}" for c in cells.products) or "none"
            raise ModelError(f"{outcome} depends on no product with {focal}", remedy=f"Products of the model: {known}.")

    def other(self, cell) -> str:
        return cell.times if cell.column == self.focal else cell.column

    def moments(self, name: str, values: np.ndarray) -> tuple[float, float]:
        """Mean and standard deviation of a latent variable."""
        model, design = self.fit.model, self.fit.design
        index = {latent: k for k, latent in enumerate(model.eta)}
        B, Psi = np.zeros((2, len(index), len(index)))
        for cell in self.cells.B:
            if cell.times is not None:
                raise ModelError("simple slopes need paths among latent variables that no covariate multiplies")
            B[index[cell.row], index[cell.column]] += cell.at(values)
        for cell in self.cells.Psi:
            Psi[index[cell.row], index[cell.column]] = Psi[index[cell.column], index[cell.row]] = cell.at(values)
        A = np.linalg.inv(np.eye(len(index)) - B)
        rows = design.first_row[model.eta_level[index[name]]]
        rows = rows[design.group_of[rows] == self.group - 1]
        mean = np.zeros(len(rows))
        for cell in self.cells.Gamma:
            w = 1.0 if cell.column == "1" else design.column(cell.column)[rows]
            mean += A[index[name], index[cell.row]] * cell.at(values) * w
        return float(mean.mean()), float(np.sqrt((A @ Psi @ A.T)[index[name], index[name]] + mean.var()))

    def at(self, values: np.ndarray, places: Mapping[str, float]) -> float:
        total = sum(cell.at(values) for cell in self.main)
        for cell in self.products:
            name = self.other(cell)
            mean, sd = self.moments(name, values)
            twice = 2.0 if name == self.focal else 1.0
            total += twice * cell.at(values) * (mean + places.get(name, 0.0) * sd)
        return float(total)

    def gradient(self, places: Mapping[str, float]) -> np.ndarray:
        centre = self.fit._cells
        out = np.zeros(len(centre))
        for k in range(len(centre)):
            up, down = centre.copy(), centre.copy()
            h = STEP * max(1.0, abs(centre[k]))
            up[k] += h
            down[k] -= h
            out[k] = (self.at(up, places) - self.at(down, places)) / (2 * h)
        return out


def simple_slopes(
    fit: Fit, outcome: str, focal: str, at: Mapping[str, Sequence[float]] | None = None, group: int = 1,
    level: float = 0.95,
) -> pd.DataFrame:  # fmt: skip
    """The slopes as a table; see `Fit.simple_slopes`."""
    import pandas as pd
    from scipy.special import ndtri

    from semgllamm.results.fit import _tested
    from semgllamm.results.standardized import errors_of

    if not 0 < level < 1:
        raise ModelError(f"a confidence level lies between 0 and 1, not {level}")
    slope = _Slope(fit, outcome, focal, group)
    partners = list(dict.fromkeys(slope.other(cell) for cell in slope.products))
    at = {name: (-1.0, 0.0, 1.0) for name in partners} if at is None else dict(at)
    unknown = [name for name in at if name not in partners]
    if unknown:
        remedy = f"It is multiplied with {', '.join(partners)}."
        raise ModelError(f"{focal} is not multiplied with {unknown[0]} in {outcome}", remedy=remedy)
    places = [dict(zip(at, values)) for values in product(*(np.atleast_1d(v).astype(float) for v in at.values()))]
    values = np.array([slope.at(fit._cells, place) for place in places])
    errors = errors_of(fit, values, np.array([slope.gradient(place) for place in places]))
    width = ndtri(0.5 + level / 2)
    return pd.DataFrame([
        {**place, **_tested(value, float(se), width)} for place, value, se in zip(places, values, errors)
    ])  # fmt: skip


def standard_deviation(fit: Fit, outcome: str, focal: str, group: int = 1) -> float:
    """The standard deviation of a latent variable whose products an outcome depends on, by the estimates."""
    return _Slope(fit, outcome, focal, group).moments(focal, fit._cells)[1]
