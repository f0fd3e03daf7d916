"""Linear equality constraints among parameters as an affine map: cells = c + K free."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.expressions import evaluate, gradient
from semgllamm.diagram.parts import Constraint
from semgllamm.errors import ModelError

__all__ = ["equality_map"]


def equality_map(diagram: PathDiagram, number: dict[str, int], q: int) -> tuple[np.ndarray, np.ndarray] | None:
    """(K, c) of the diagram's ``==`` constraints, K of shape (q, p); None if there are none.

    Parameters
    ----------
    number : dict
        Parameter number of each label and automatic name.
    q : int
        Number of parameters before constraints.

    Raises
    ------
    ModelError
        If a constraint is not linear, contradicts the others, or names a fixed parameter only.
    """
    rng = np.random.default_rng(1)
    equations, constants = [], []
    for constraint in diagram.constraints:
        if constraint.op != "==":
            continue
        points = [_tangent(constraint, diagram, number, rng.uniform(0.5, 2.0, q)) for _ in range(3)]
        row, constant = points[0]
        if any(not np.allclose(other, row, atol=1e-9) or abs(c - constant) > 1e-9 for other, c in points):
            raise ModelError(
                "a non-linear equality constraint cannot be fitted yet", text=diagram.text, span=constraint.span,
                remedy="Linear equality constraints can: a == b, a == 2*b, a + b == 1.",
            )  # fmt: skip
        equations.append(row)
        constants.append(constant)
    if not equations:
        return None
    return _solve(np.array(equations), np.array(constants), diagram)


def _tangent(constraint: Constraint, diagram: PathDiagram, number: dict[str, int], cells: np.ndarray):
    """(row, constant) of the equation row · cells = constant that touches the constraint at these cells."""
    values = {row.label or row.name: row.fixed for row in diagram.parameters if row.fixed is not None}
    values |= {name: cells[k] for name, k in number.items()}
    slopes = {name: np.eye(len(cells))[k] for name, k in number.items()}

    def slope(expression) -> np.ndarray:
        found = gradient(expression, values)
        return sum((s * slopes[name] for name, s in found.items() if name in slopes), np.zeros(len(cells)))

    for definition in diagram.definitions:
        with suppress(ModelError):  # one without a value here matters only if the constraint names it
            values[definition.name] = evaluate(definition.expression, values)
            slopes[definition.name] = slope(definition.expression)
    row = slope(constraint.left) - slope(constraint.right)
    return row, row @ cells - evaluate(constraint.left, values) + evaluate(constraint.right, values)


def _solve(R: np.ndarray, r: np.ndarray, diagram: PathDiagram) -> tuple[np.ndarray, np.ndarray]:
    """Gauss–Jordan elimination of R cells = r, the last named parameter of each equation expressed by the others."""
    R, r = R.copy(), r.copy()
    q = R.shape[1]
    pivots: list[tuple[int, int]] = []
    used: set[int] = set()
    for k in range(len(R)):
        live = np.flatnonzero(np.abs(R[k]) > 1e-10)
        if live.size == 0:
            if abs(r[k]) > 1e-10:
                raise ModelError(
                    "the equality constraints contradict each other",
                    text=diagram.text,
                    span=diagram.constraints[k].span,
                )
            continue
        pivot = int(live[-1])
        r[k] /= R[k, pivot]
        R[k] /= R[k, pivot]
        for other in range(len(R)):
            if other != k:
                r[other] -= R[other, pivot] * r[k]
                R[other] -= R[other, pivot] * R[k]
        pivots.append((k, pivot))
        used.add(pivot)
    free = [j for j in range(q) if j not in used]
    K, c = np.zeros((q, len(free))), np.zeros(q)
    for column, j in enumerate(free):
        K[j, column] = 1.0
    for k, pivot in pivots:
        c[pivot] = r[k]
        K[pivot] = -R[k, free]
    return K, c
