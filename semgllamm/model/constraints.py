"""Linear equality constraints among parameters as an affine map: cells = c + K free."""

from __future__ import annotations

import numpy as np

from semgllamm.diagram.diagram import PathDiagram
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
    from semgllamm.diagram.expressions import evaluate, gradient

    rng = np.random.default_rng(1)
    equations, constants = [], []
    for constraint in diagram.constraints:
        if constraint.op != "==":
            continue
        points = []
        for _ in range(3):
            values = rng.uniform(0.5, 2.0, q)
            by_name = {name: values[k] for name, k in number.items()}
            by_name.update(_definitions(diagram, by_name))
            row = np.zeros(q)
            level = 0.0
            for side, sign in ((constraint.left, 1.0), (constraint.right, -1.0)):
                level += sign * evaluate(side, by_name)
                for name, slope in gradient(side, by_name).items():
                    if name in number:
                        row[number[name]] += sign * slope
            points.append((row, level - row @ values))
        if any(not np.allclose(row, points[0][0], atol=1e-9) for row, _ in points):
            raise ModelError(
                "a non-linear equality constraint cannot be fitted yet", text=diagram.text, span=constraint.span,
                remedy="Linear equality constraints can: a == b, a == 2*b, a + b == 1.",
            )  # fmt: skip
        equations.append(points[0][0])
        constants.append(-points[0][1])
    if not equations:
        return None
    return _solve(np.array(equations), np.array(constants), diagram)


def _definitions(diagram: PathDiagram, values: dict[str, float]) -> dict[str, float]:
    from semgllamm.diagram.expressions import evaluate

    out: dict[str, float] = {}
    for definition in diagram.definitions:
        try:
            out[definition.name] = evaluate(definition.expression, {**values, **out})
        except ModelError:
            continue
    return out


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
