"""The profile of the log-likelihood: its maximum given the value of one cell, or of a function of several.

    ζ(c) = sign(c − θ̂) [2 (log L(θ̂) − max log L given θ_i = c)]^½

is the signed root of the deviance, and the limits of level 1 − α are where ζ is ∓z, the normal quantile (Venzon &
Moolgavkar 1988; Bates & Watts 1988, chapter 6). The search starts at Wald's limits, and each maximum from

    θ + cov(·, i) / var_i (c − θ_i)

at the last θ; a function of cells has its derivatives in the place of i. Variances of latent variables move through
standard deviations and other positive cells through logarithms; where ζ(0) does not reach −z, the lower limit is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.expressions import Name, Number
from semgllamm.diagram.parts import Constraint
from semgllamm.errors import EstimationError, ModelError
from semgllamm.estimation.automatic import ascend_from
from semgllamm.estimation.constrained import Restrictions
from semgllamm.estimation.settings import Settings
from semgllamm.model.constraints import Constraints, Restriction
from semgllamm.model.transforms import LOG_VARIANCE

__all__ = ["Profile"]

CLOSE = 1e-5  # of ζ to what is looked for: the limit is as close, in standard errors
EVALUATIONS = 40  # of one limit
WIDER = 3.0  # times as far from the estimate, at most
FARTHEST = 1e3  # standard errors beyond which there is no limit
NEAR_ZERO = 1e-4  # share of a standard deviation that stands for none
HIGHER = 1e-4  # by which log L may exceed its maximum, for rounding and quadrature


@dataclass
class Profile:
    """Maxima given one cell.

    Parameters
    ----------
    likelihood : the likelihood of a fit
    constraints : Constraints or None
        Of the fit.
    free : (p,) array
        The estimates.
    loglik : float
    points : tuple of int
    vcov : (p, p) array
        Of the estimates, NaN at boundaries.
    number : int or None
        The cell; None for the definition `name`.
    name : str
    diagram : PathDiagram
    numbers : dict of str to int
        The cell of each label and automatic name.

    Attributes
    ----------
    estimate, se : float
    unit : float
        The standard error of the coordinate in which the search moves.
    """

    likelihood: object
    constraints: Constraints | None
    free: np.ndarray
    loglik: float
    points: tuple[int, ...]
    vcov: np.ndarray
    number: int | None
    name: str
    diagram: PathDiagram
    numbers: dict[str, int]

    def __post_init__(self):
        working = self.likelihood.working
        inner = working.inner(self.free)
        self.estimate, slope = self._here(working.cells(inner))
        G = slope @ working.jacobian(inner) @ working.K
        V = np.where(np.isnan(self.vcov), 0.0, self.vcov)
        variance = float(G @ V @ G)
        self.se = np.sqrt(max(variance, 0.0))
        self.along = V @ G / variance if variance > 0 else np.zeros_like(G)
        self.is_log = self.number is not None and bool(working.kind[self.number] == LOG_VARIANCE)
        self.is_sd = self.number is not None and bool(working.positive()[self.number]) and not self.is_log
        self.restart()
        if self.is_log and self.estimate > 0:
            self.unit = self.se / self.estimate
        elif self.is_sd and self.estimate > 0:
            self.unit = self.se / (2 * np.sqrt(self.estimate))
        else:
            self.unit = self.se

    def _here(self, cells: np.ndarray) -> tuple[float, np.ndarray]:
        """The value at some cells, and its derivatives in them."""
        values, slopes = Constraints((self._restriction(0.0),), self.diagram, self.numbers).at(cells)
        return float(values[0]), slopes[0]

    def _restriction(self, value: float) -> Restriction:
        """That the cell, or the definition, has a value."""
        text = f"{self.name} - ({value:g})"
        if self.number is None:
            return Restriction(text, True, constraint=Constraint(Name(self.name), "==", Number(value)))
        row = np.zeros(self.likelihood.working.K.shape[0])
        row[self.number] = 1.0
        return Restriction(text, True, row=row, constant=value)

    # ---- the coordinate of the search

    def coordinate(self, value: float) -> float:
        if self.is_log:
            return float(np.log(value))
        return float(np.sqrt(max(value, 0.0))) if self.is_sd else value

    def value(self, t: float) -> float:
        return float(np.exp(t)) if self.is_log else t * t if self.is_sd else t

    # ---- maxima

    def restart(self) -> None:
        """Go on from the estimates."""
        self._last = self.estimate, np.asarray(self.free)

    def loglik_at(self, value: float) -> float:
        """The maximum given the cell; NaN where none is found.

        Raises
        ------
        EstimationError
            If it is higher than that of the fit.
        """
        likelihood = self.likelihood
        before = () if self.constraints is None else self.constraints.parts
        whole = Constraints((*before, self._restriction(value)), self.diagram, self.numbers)
        from_, at = self._last
        start = at + self.along * (value - from_)
        points = self.points or (1,) * len(likelihood.levels)
        for begin in (start, at, self.free):
            try:
                restrictions = Restrictions(whole, likelihood.working)
                found = ascend_from(likelihood, begin, points, Settings(tolerance=1e-9), restrictions)
            except (EstimationError, ModelError, np.linalg.LinAlgError):
                continue
            if found.convergence.converged and np.isfinite(found.loglik):
                break
        else:
            return np.nan
        if found.loglik > self.loglik + HIGHER:
            raise EstimationError(
                f"with {self.name} at {value:.6g} the log-likelihood is {found.loglik:.6f}, higher than the "
                f"{self.loglik:.6f} of the fit",
                remedy="Fit the model again from there: give start values.",
            )
        self._last = value, np.asarray(found.free)
        return float(found.loglik)

    def zeta(self, t: float) -> float:
        """ζ at a coordinate; that of 0 is taken just above it."""
        here = self.coordinate(self.estimate) if self.estimate > 0 or not self.is_log else -np.inf
        sign = np.sign(t - here)
        if self.is_sd:
            t = max(t, NEAR_ZERO * (np.sqrt(self.estimate) if self.estimate > 0 else 1.0))
        deviance = 2 * (self.loglik - self.loglik_at(self.value(t)))
        return float(sign * np.sqrt(max(deviance, 0.0)))

    def limit(self, z: float) -> float:
        """The value of the cell at which ζ = z; infinite if there is none, NaN if it cannot be found."""
        if not self.unit > 0:
            return self.estimate if not self._at_zero else self._beyond_zero(z)
        here = self.coordinate(self.estimate)
        self.restart()
        if self.is_sd and z < 0:
            lowest = self.zeta(0.0)
            if lowest > z:
                return 0.0
            self.restart()
        t = here + z * self.unit
        if self.is_sd:
            t = max(t, 0.05 * here)
        return self._search(here, t, z)

    @property
    def _at_zero(self) -> bool:
        return self.is_sd and self.estimate <= 0.0

    def _beyond_zero(self, z: float) -> float:
        """Limits of a variance whose estimate is 0."""
        if z < 0:
            return 0.0
        self.unit = 1.0
        return self._search(0.0, 0.1, z)

    def _search(self, here: float, t: float, z: float) -> float:
        """Secants from the estimate, kept within the bracket as soon as there is one."""
        near, far = (here, 0.0), None  # (t, ζ) on this side of z, and beyond
        before: tuple[float, float] = near
        for _ in range(EVALUATIONS):
            zeta = self.zeta(t)
            if np.isnan(zeta):
                t = 0.5 * (near[0] + t)
                if abs(t - near[0]) < CLOSE * self.unit:
                    return np.nan
                continue
            if abs(zeta - z) <= CLOSE:
                return self.value(t)
            if abs(zeta) < abs(z):
                near = t, zeta
            else:
                far = t, zeta
            slope = (zeta - before[1]) / (t - before[0]) if t != before[0] else 0.0
            before = t, zeta
            further = t + (z - zeta) / slope if slope > 0 else np.inf * np.sign(z)
            if far is None:
                longest = WIDER * abs(t - here)
                further = here + np.clip(further - here, -longest, longest)
                if abs(further - here) > FARTHEST * self.unit:
                    return np.inf * np.sign(z) if not self.is_log or z > 0 else 0.0
            elif not min(near[0], far[0]) < further < max(near[0], far[0]):
                further = 0.5 * (near[0] + far[0])
            t = float(further)
        return np.nan
