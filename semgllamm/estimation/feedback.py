"""Observed Gaussian responses that cause each other: y = B y + … + ε has the density of ε times |det(I − B)|.

Each response's own density conditions on the observed values of the others, so a unit's log-likelihood gains
log |det(I − B)|, which vanishes where no response is its own cause (Bollen 1989, chapter 4).
"""

from __future__ import annotations

import numpy as np

from semgllamm.data.design import Design
from semgllamm.model.matrices import Cell, Model

__all__ = ["Feedback"]


class Feedback:
    """log |det(I − B)| over the units of a design, and its derivatives.

    Parameters
    ----------
    model : Model
    design : Design

    Attributes
    ----------
    loops : list of (group, names, units, cells)
        For each group with a cycle: the responses on cycles, the number (or weight) of units that have them, and the
        cells of B.
    """

    def __init__(self, model: Model, design: Design):
        self.loops: list[tuple[int, list[str], float, list[Cell]]] = []
        responses = {response.name for response in model.responses}
        for g, group in enumerate(model.groups):
            cells = [c for c in group.beta if c.column in responses and (c.is_free or c.value != 0.0)]
            names = sorted(_on_cycles(cells))
            if names:
                units = max(design.weight(b.response.level, len(design.codes), b.rows).sum()
                            for b in design.blocks if b.group == g and b.response.name == names[0])
                self.loops.append((g, names, units, [c for c in cells if c.row in names and c.column in names]))

    def __bool__(self) -> bool:
        return bool(self.loops)

    def log_volume(self, inner: np.ndarray) -> float:
        """Σ over units of log |det(I − B)|; −inf where I − B is singular."""
        logs = [np.linalg.slogdet(self._matrix(names, cells, inner))[1] for _, names, _, cells in self.loops]
        return sum(units * log for (_, _, units, _), log in zip(self.loops, logs))

    def sides(self, inner: np.ndarray) -> tuple[bool, ...]:
        """Whether det(I − B) is positive, for each group with a cycle."""
        return tuple(bool(np.linalg.slogdet(self._matrix(n, cells, inner))[0] > 0) for _, n, _, cells in self.loops)

    def add_slope(self, inner: np.ndarray, gradient: np.ndarray) -> None:
        """Add its derivative in the inner parameters to `gradient`."""
        units = {group: units for group, _, units, _ in self.loops}
        for number, slope, group, _ in self.slopes(inner):
            gradient[number] += units[group] * slope

    def slopes(self, inner: np.ndarray):
        """(parameter, ∂ log |det(I − B)| / ∂b_rc = −[(I − B)⁻¹]_cr, group, a response of its units) of free cells."""
        for group, names, _, cells in self.loops:
            inverse = np.linalg.inv(self._matrix(names, cells, inner))
            for cell in cells:
                if cell.is_free:
                    yield cell.number, -inverse[names.index(cell.column), names.index(cell.row)], group, names[0]

    def solve(self, g: int, inner: np.ndarray, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """y of y = By + e, from the e of the responses of a group that are on cycles, of the same units."""
        out = dict(values)
        for group, names, _, cells in self.loops:
            if group == g:
                solved = np.linalg.solve(self._matrix(names, cells, inner), np.stack([values[name] for name in names]))
                out |= dict(zip(names, solved))
        return out

    @staticmethod
    def _matrix(names, cells, inner) -> np.ndarray:
        out = np.eye(len(names))
        for cell in cells:
            out[names.index(cell.row), names.index(cell.column)] -= cell.at(inner)
        return out


def _on_cycles(cells: list[Cell]) -> set[str]:
    """Responses that are among their own causes."""
    causes: dict[str, set[str]] = {}
    for cell in cells:
        causes.setdefault(cell.row, set()).add(cell.column)
    out = set()
    for name in causes:
        seen: set[str] = set()
        todo = list(causes[name])
        while todo:
            cause = todo.pop()
            if cause not in seen:
                seen.add(cause)
                todo += causes.get(cause, ())
        if name in seen:
            out.add(name)
    return out
