"""Free discrete distributions: the directional derivative, which tells whether one more mass point would help.

    D(z) = Σ_j w_j f_j(z) / f_j − Σ_j w_j,

the derivative of log L when mass is moved from all mass points alike to one at z (the Gateaux derivative of Lindsay
1983); f_j(z) is the density of unit j's answers if its latent variable is z. With the nonparametric maximum likelihood
estimate D is nowhere positive, and zero at the mass points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import EstimationError, ModelError
from semgllamm.results.classes import membership_of

if TYPE_CHECKING:
    from semgllamm.diagram.diagram import PathDiagram
    from semgllamm.results.fit import Fit

__all__ = ["directional_derivative", "mass_by_mass", "without_number"]

POINTS = 81  # of a search for the maximum along one axis
BEYOND = 1.0  # ranges of the mass points on either side in which z is sought
NOWHERE = 1e-2  # D below it is not positive
MOST_MASSES = 20
SMALL = 0.05  # share of a new mass at first


def directional_derivative(fit: Fit, z: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """z and D(z) of the model's only free distribution, of one latent variable.

    Raises
    ------
    ModelError
        Where there is no such distribution, several, or one of several latent variables.
    """
    likelihood = membership_of(fit)
    variables = fit.model.classes
    if len(variables) != 1 or len(variables[0].masses_of) != 1 or len(fit.model.group_labels) > 1:
        raise ModelError(
            "the directional derivative is for models of one group with one free distribution, of one latent variable",
            remedy="Declare one: @latent(eta, npml(3)).",
        )
    inner = likelihood.working.inner(fit.free)
    own = next(c for c in fit.model.groups[0].Gamma if (c.row, c.column) == (variables[0].masses_of[0], "1"))
    if z is None:
        masses = _masses(fit)
        reach = BEYOND * max(np.ptp(masses), 1.0)
        z = np.linspace(masses.min() - reach, masses.max() + reach, POINTS)
    _, members = likelihood.members(fit.free, fit.points)
    level, weight = likelihood.mixing.levels[0], likelihood.mixing.weight
    out = np.full(len(z), -weight.sum())
    for k, at in enumerate(z):
        moved = inner.copy()
        moved[own.number] = at
        F = likelihood.log_densities(moved, fit.points)
        if F is not None:
            out[k] += weight @ np.exp(level.densities(F)[:, 0] - members.loglik)
    return np.asarray(z, dtype=float), out


def _masses(fit: Fit) -> np.ndarray:
    cells, name = fit._cells, fit.model.classes[0].masses_of[0]
    return np.array([c.at(cells) for g in fit.model.groups for c in g.Gamma if (c.row, c.column) == (name, "1")])


def without_number(diagram: PathDiagram) -> int | None:
    """The place of a free distribution whose number of mass points is not given, among the latent declarations.

    Raises
    ------
    ModelError
        If there are several, or other categorical latent variables beside it.
    """
    open_ones = [place for place, d in enumerate(diagram.latents) if d.kind == "npml" and d.count is None]
    if not open_ones:
        return None
    declared = diagram.latents[open_ones[0]]
    if len(diagram.latents) > 1 or len(declared.names) > 1:
        raise ModelError(
            "the number of mass points is found for one latent variable in a model without other classes",
            text=diagram.text, span=declared.span, remedy="Write the number: npml(3).",
        )  # fmt: skip
    return open_ones[0]


def mass_by_mass(diagram: PathDiagram, fitted: Callable[..., Fit]) -> Fit:
    """Add mass points where the directional derivative is largest, until it is nowhere positive.

    Parameters
    ----------
    diagram : PathDiagram
        With one free distribution without a number.
    fitted : callable
        ``fitted(diagram, begin)`` fits the model, from parameters by name beside random starts.
    """
    place = without_number(diagram)
    said, best, begin = [], None, None
    for count in range(2, MOST_MASSES + 1):
        latents = list(diagram.latents)
        latents[place] = replace(latents[place], count=count)
        try:
            fit = fitted(replace(diagram, latents=tuple(latents)), begin)
        except EstimationError:
            if best is None:
                raise
            break  # the answers do not tell so many apart
        if best is not None and fit.problems:
            rise = fit.loglik - best.loglik
            said.append(f"{count}: {fit.loglik:.3f}, without a finite maximum")
            notes = f"one more mass point would go to infinity, where log L is {rise:.3f} higher"
            best.notes = (*best.notes, notes)
            break
        if best is not None and fit.loglik < best.loglik + 1e-4:
            break
        best = fit
        z, D = directional_derivative(fit)
        top = float(D.max())
        said.append(f"{count}: {fit.loglik:.3f} ({top:.2g})")
        if top < NOWHERE or fit.problems:
            break
        begin = _with_one_more(fit, float(z[D.argmax()]))
    best.notes = (*best.notes, "log-likelihood by number of mass points, with the largest directional derivative: "
                  + ", ".join(said))
    return best


def _with_one_more(fit: Fit, z: float) -> dict[str, float]:
    """Parameters by name with one more mass point, the first, at z."""
    variable = fit.model.classes[0]
    name, of = variable.masses_of[0], variable.name
    values = dict(zip(fit.model.names, fit._cells))
    masses = _masses(fit)
    logits = np.array([*(values.pop(f"{of}[{k}]~1", 0.0) for k in variable.classes[:-1]), 0.0])
    share = np.exp(logits - logits.max())
    share = np.concatenate([[SMALL], (1 - SMALL) * share / share.sum()])
    values = {key: value for key, value in values.items() if not key.startswith(f"{name}~1")}
    for k, (at, p) in enumerate(zip([z, *masses], share), start=1):
        values[f"{name}~1.{of}{k}"] = at
        values[f"{of}[{k}]~1"] = float(np.log(p / share[-1]))
    return values
