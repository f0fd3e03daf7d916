"""Effects of one variable on another: total, direct, and along every path.

With the coefficients B of all paths among the nodes (covariates, responses, latent variables), the total effects are

    T = (I − B)⁻¹ − I = B + B² + …

(Bollen 1987), the direct effects B, and the indirect ones T − B. A path's effect is the product of its
coefficients; without feedback the paths add up to the total effect. Standard errors are by the delta method (Sobel
1982): with E = (I − B)⁻¹, ∂T_yx = E_yr E_cx for the coefficient of r on c, and for a path the product of the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["effects"]

MOST_PATHS = 10_000


class Effects:
    """The coefficients of one group's graph, and what follows from them."""

    def __init__(self, fit: Fit, group: int):
        self.fit = fit
        if not 1 <= group <= fit.model.n_groups:
            raise ModelError(f"there is no group {group}", remedy=f"Groups count from 1 to {fit.model.n_groups}.")
        matrices = fit.model.of_group(group - 1)
        if matrices.products:
            raise ModelError(
                "with products of latent variables an effect has no single value", remedy="Use fit.simple_slopes()."
            )
        cells = [c for c in (*matrices.beta, *matrices.Lambda, *matrices.B, *matrices.Gamma) if c.column != "1"]
        self.cells = [c for c in cells if c.is_free or c.value != 0.0]
        known = dict.fromkeys((*(r.name for r in fit.model.responses), *fit.model.eta))
        known.update(dict.fromkeys(name for cell in self.cells for name in (cell.row, cell.column)))
        self.place = {name: k for k, name in enumerate(known)}
        v = len(self.place)
        self.B = np.zeros((v, v))
        self.into: dict[str, list] = {}
        for cell in self.cells:
            self.B[self.place[cell.row], self.place[cell.column]] += cell.at(fit._cells)
            self.into.setdefault(cell.column, []).append(cell)
        self.E = np.linalg.inv(np.eye(v) - self.B)

    def check(self, name: str) -> None:
        if name not in self.place or name in self.fit.model.hidden:
            known = ", ".join(n for n in self.place if n not in self.fit.model.hidden)
            raise ModelError(f"the model has no variable '{name}'", remedy=f"Its variables: {known}.")

    def total(self, start: str, end: str) -> tuple[float, np.ndarray]:
        """T_yx and its slope in the parameters."""
        x, y = self.place[start], self.place[end]
        slope = np.zeros(self.fit.model.n_parameters)
        for cell in self.cells:
            if cell.is_free:
                slope[cell.number] += self.E[y, self.place[cell.row]] * self.E[self.place[cell.column], x]
        return self.E[y, x] - (x == y), slope

    def along(self, path: list) -> tuple[float, np.ndarray]:
        """The product of a path's coefficients and its slope."""
        values = np.array([cell.at(self.fit._cells) for cell in path])
        slope = np.zeros(self.fit.model.n_parameters)
        for k, cell in enumerate(path):
            if cell.is_free:
                slope[cell.number] += np.prod(np.delete(values, k))
        return float(np.prod(values)), slope

    def paths(self, start: str, end: str) -> Iterator[list]:
        """Every path that passes no variable twice, the shorter first branches first."""
        reach = self._reaching(end)
        # an explicit stack: a chain may be longer than Python's recursion allows
        stack = [(start, iter(self.into.get(start, ())))]
        path: list = []
        visited = {start}
        while stack:
            _, cells = stack[-1]
            cell = next((c for c in cells if c.row in reach and (c.row == end or c.row not in visited)), None)
            if cell is None:
                stack.pop()
                if path:
                    visited.discard(path.pop().row)
                continue
            if cell.row == end:
                yield [*path, cell]
                continue
            path.append(cell)
            visited.add(cell.row)
            stack.append((cell.row, iter(self.into.get(cell.row, ()))))

    def _reaching(self, end: str) -> set[str]:
        """The variables from which a path leads to the end, itself among them."""
        found, at = {end}, [end]
        while at:
            here = at.pop()
            for cell in self.cells:
                if cell.row == here and cell.column not in found:
                    found.add(cell.column)
                    at.append(cell.column)
        return found

    def refuse_what_is_no_product(self, path: list, end: str) -> None:
        """A coefficient that varies with a covariate, or a mediator whose response is not its linear predictor."""
        curved = {r.name: r.family for r in self.fit.model.responses if not r.family.is_linear}
        for cell in path:
            if cell.times is not None:
                raise ModelError(
                    f"the effect of {cell.column} on {cell.row} varies with {cell.times}: it is not one number"
                )
            if cell.row != end and cell.row in curved:
                family = curved[cell.row]
                raise ModelError(
                    f"{cell.row} is {family.name}({family.link}): effects that it passes on are no products of "
                    "coefficients"
                )


def effects(fit: Fit, from_: str, to: str, group: int = 1, level: float = 0.95) -> pd.DataFrame:
    """The table of effects; see `Fit.effects`."""
    import pandas as pd
    from scipy.special import ndtri

    from semgllamm.results.fit import _tested
    from semgllamm.results.standardized import errors_of

    if not 0 < level < 1:
        raise ModelError(f"a confidence level lies between 0 and 1, not {level}")
    graph = Effects(fit, group)
    graph.check(from_)
    graph.check(to)
    found = []
    for path in graph.paths(from_, to):
        graph.refuse_what_is_no_product(path, to)
        found.append(path)
        if len(found) > MOST_PATHS:
            raise ModelError(f"more than {MOST_PATHS:,} paths lead from {from_} to {to}")
    q = fit.model.n_parameters
    nothing = (0.0, np.zeros(q))
    total = graph.total(from_, to) if found else nothing
    direct = nothing
    rows: list[tuple[str, str, float, np.ndarray]] = []
    for path in found:
        value, slope = graph.along(path)
        if len(path) == 1:
            direct = direct[0] + value, direct[1] + slope
        names = [from_, *(cell.row for cell in path if cell.row not in fit.model.hidden)]
        if len(path) > 1:
            rows.append(("path", " -> ".join(names), value, slope))
    whole = f"{from_} -> {to}"
    rows = [
        ("total", whole, *total), ("direct", whole, *direct),
        ("indirect", whole, total[0] - direct[0], total[1] - direct[1]), *rows,
    ]  # fmt: skip
    values, slopes = np.array([row[2] for row in rows]), np.array([row[3] for row in rows])
    width = ndtri(0.5 + level / 2)
    return pd.DataFrame([
        {"effect": effect, "path": path, **_tested(value, float(se), width)}
        for (effect, path, value, _), se in zip(rows, errors_of(fit, values, slopes))
    ])  # fmt: skip
