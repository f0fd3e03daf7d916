"""Replicate weights: a column for each half, or sample of a sample, of a survey, and what variances they give.

With θ̂_r the estimates under the weights of replicate r, and θ̄ their mean (or the estimates of all data),

    V = c Σ_r a_r (θ̂_r − θ̄)(θ̂_r − θ̄)'                                              (Wolter 2007, chapters 3, 4 and 5)

    BRR        c = 1/R                    half-samples of strata with two units (McCarthy 1969)
    Fay        c = 1/(R (1 − ρ)²)         the weights of the other half times ρ, not 0 (Judkins 1990)
    JK1        c = (R − 1)/R              one unit left out at a time
    JKn        a_r = (n_h − 1)/n_h        one unit of stratum h left out at a time
    bootstrap  c = 1/(R − 1)              (Rao & Wu 1988)
    SDR        c = 4/R                    successive differences (Fay & Train 1995)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.data import columns
from semgllamm.data.weights import RowWeights, read_weights, scaled
from semgllamm.errors import DataError, ModelError

if TYPE_CHECKING:
    from semgllamm.data.binding import Binding
    from semgllamm.data.design import Design
    from semgllamm.diagram.diagram import PathDiagram

__all__ = ["ReplicateWeights", "Replicates", "with_replicates"]

KINDS = ("BRR", "Fay", "JK1", "JKn", "bootstrap", "SDR")


@dataclass(frozen=True)
class Replicates:
    """Columns of replicate weights, and how variances come from them.

    Parameters
    ----------
    columns : sequence of str
        Each holds whole weights, which take the place of the sampling weights.
    kind : {"BRR", "Fay", "JK1", "JKn", "bootstrap", "SDR"}
    rho : float
        Of Fay's method: by what the weights of the half that is not drawn are multiplied.
    scale : float, optional
        c, in place of that of the kind.
    rscales : sequence of float, optional
        a_r, one a column; those of JKn are needed.
    mse : bool
        Whether differences are those from the estimates of all data, not from the mean of the replicates.

    Raises
    ------
    ModelError
        For an unknown kind, a number of factors that is not that of the columns, or factors that are negative.
    """

    columns: Sequence[str]
    kind: str = "BRR"
    rho: float = 0.0
    scale: float | None = None
    rscales: Sequence[float] | None = None
    mse: bool = False

    def __post_init__(self):
        names = (self.columns,) if isinstance(self.columns, str) else tuple(self.columns)
        if len(names) < 2 or not all(isinstance(name, str) for name in names):
            raise ModelError(f"replicate weights are in two columns or more, not in {names!r}",
                             remedy='Name them all: sg.Replicates([f"rep{k}" for k in range(1, 81)], "BRR").')
        if len(set(names)) < len(names):
            raise ModelError("a column of replicate weights is named twice")
        object.__setattr__(self, "columns", names)
        if self.kind not in KINDS:
            raise ModelError(f"kind of replicates '{self.kind}' is unknown", remedy=f"Known: {', '.join(KINDS)}.")
        if not isinstance(self.rho, Real) or not 0 <= self.rho < 1:
            raise ModelError(f"rho is {self.rho!r}", remedy="Fay's factor is 0 or more, and less than 1.")
        if (self.kind == "Fay") != (self.rho > 0):
            raise ModelError("rho goes with kind='Fay', which has one above 0", remedy="Write rho=0.5, say.")
        if self.scale is not None and not (isinstance(self.scale, Real) and isfinite(self.scale) and self.scale > 0):
            raise ModelError(f"scale is {self.scale!r}", remedy="Give a positive number.")
        if self.rscales is None and self.kind == "JKn":
            raise ModelError("kind='JKn' needs rscales", remedy="Give (n - 1)/n of the stratum of each column's unit.")
        if self.rscales is not None:
            factors = np.asarray(self.rscales, dtype=float)
            if factors.shape != (len(names),) or not (np.isfinite(factors) & (factors >= 0)).all():
                raise ModelError(f"rscales are {len(names)} numbers, one a column, 0 or more")
            object.__setattr__(self, "rscales", tuple(factors.tolist()))

    def covariance(self, estimates: np.ndarray, of_all: np.ndarray) -> np.ndarray:
        """V of estimates, (R, p), of which rows of NaN are left out; c counts the others."""
        good = np.isfinite(estimates).all(axis=1)
        found, R = estimates[good], int(good.sum())
        a = np.ones(R) if self.rscales is None else np.array(self.rscales)[good]
        c = {
            "BRR": 1 / R, "Fay": 1 / (R * (1 - self.rho) ** 2), "JK1": (R - 1) / R, "JKn": 1.0,
            "bootstrap": 1 / (R - 1), "SDR": 4 / R,
        }[self.kind]  # fmt: skip
        if self.scale is not None:
            c = self.scale * len(estimates) / R
        from_ = of_all if self.mse else found[a > 0].mean(axis=0)
        off = found - from_
        return c * (off.T * a) @ off


@dataclass(frozen=True)
class ReplicateWeights:
    """Replicate weights of the rows of a design.

    Attributes
    ----------
    given : Replicates
    of_row : (R, n_rows) array
    level : int
        Of the units that they belong to.
    others : RowWeights
        All other weights, of the rows of the design.
    scaling : str
        As of `scaled`.
    """

    given: Replicates
    of_row: np.ndarray
    level: int
    others: RowWeights
    scaling: str

    def weighted(self, design: Design, rows: np.ndarray, r: int):
        """The weights of the units of a design of `rows` under replicate r."""
        sampling, frequency = (
            {level: w[rows] for level, w in found.items()} for found in (self.others.sampling, self.others.frequency)
        )
        whole = RowWeights({**sampling, self.level: self.of_row[r, rows]}, frequency)
        weights = scaled(whole, np.arange(len(rows)), design.codes, design.first_row, self.scaling)
        return replace(design, weights=weights, replicates=None)


def with_replicates(
    design: Design, binding: Binding, diagram: PathDiagram, given: Replicates, name: str | None, scaling: str
) -> Design:
    """The design with replicate weights, of the highest level that has sampling weights.

    Parameters
    ----------
    name : str, optional
        Column of ``sampling_weights=``; without it they are those of ``@weight``.

    Raises
    ------
    ModelError
        Without sampling weights.
    DataError
        For columns that are no weights, or vary within units.
    """
    rows = read_weights(diagram, binding)
    level = 0 if name is not None else max(rows.sampling, default=-1)
    if level < 0:
        raise ModelError("replicate_weights= stand in the place of sampling weights, and there are none",
                         remedy='Name those of all data: sampling_weights="w", or @weight in the model text.')
    of_row = np.stack([columns.unit_weights(binding.frame, column, whole=False) for column in given.columns])
    of_row = of_row[:, design.kept]
    odd = of_row[:, design.first_row[level]][:, design.codes[level]] != of_row
    if odd.any():
        r, k = np.argwhere(odd)[0]
        name = binding.levels[level]
        where = binding.units.label(name, int(binding.units.codes[name][design.kept[k]]))
        raise DataError(f"replicate weights '{given.columns[r]}' vary within {where}",
                        remedy="They are in the place of the weights of the highest level that has some.")
    others = RowWeights(*({k: w[design.kept] for k, w in found.items()} for found in (rows.sampling, rows.frequency)))
    return replace(design, replicates=ReplicateWeights(given, of_row, level, others, scaling))
