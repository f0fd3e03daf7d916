"""Constraints among parameters: linear equations as an affine map, all others as functions of the cells.

Linear equality constraints leave fewer parameters to move,

    cells = c + K free;

the others are equations and inequalities of the cells, with their derivatives,

    g_j(cells) = 0   (non-linear equality),     g_j(cells) ≥ 0   (inequality, lower and upper bound).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.expressions import Expression, evaluate, gradient, names, written
from semgllamm.diagram.parts import Constraint
from semgllamm.errors import ModelError, Span, quote

__all__ = ["Constraints", "Restriction", "constraints_of_cells", "equality_map", "slacks"]

EXACT = 1e-9  # within which tangents at different places are one, and a linear constraint holds


@dataclass(frozen=True, slots=True)
class Restriction:
    """One equation or inequality of the cells.

    Attributes
    ----------
    text : str
        As the summary prints it, what must be zero or positive: ``a - (b*c)``.
    equality : bool
        g = 0, not g ≥ 0.
    bound : tuple of (str, int), optional
        Of ``lower()`` and ``upper()``: the name of the parameter and its number.
    span : Span, optional
    constraint : Constraint, optional
        What is evaluated; None where `row` and `constant` say all.
    sign : float
        −1 for ``left < right``.
    row, constant : (q,) array and float, optional
        g = row · cells − constant, if it is linear.
    """

    text: str
    equality: bool
    bound: tuple[str, int] | None = None
    span: Span | None = None
    constraint: Constraint | None = None
    sign: float = 1.0
    row: np.ndarray | None = None
    constant: float = 0.0

    @property
    def said(self) -> str:
        """Of a bound, which it is, since the place of its term does not tell; nothing of others."""
        if self.bound is None:
            return ""
        value, side = self.sign * self.constant, "lower" if self.sign > 0 else "upper"
        return f"({side}({value:g}) of {self.bound[0]})"


@dataclass(frozen=True)
class Constraints:
    """What must hold of the cells and is not in the affine map.

    Attributes
    ----------
    parts : tuple of Restriction
    diagram : PathDiagram
    number : dict of str to int
        Parameter number of each label and automatic name.
    """

    parts: tuple[Restriction, ...]
    diagram: PathDiagram
    number: dict[str, int]

    @property
    def equality(self) -> np.ndarray:
        """(m,) True where g = 0, False where g ≥ 0."""
        return np.array([part.equality for part in self.parts], dtype=bool)

    @property
    def bound(self) -> np.ndarray:
        """(m,) True for ``lower()`` and ``upper()``."""
        return np.array([part.bound is not None for part in self.parts], dtype=bool)

    @cached_property
    def _formulas(self) -> Formulas:
        return Formulas(self.diagram, self.number, [part.constraint for part in self.parts if part.row is None])

    def at(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """g, (m,), and its derivatives in the cells, (m, q); NaN where a formula is not defined."""
        values, slopes = np.empty(len(self.parts)), np.zeros((len(self.parts), len(cells)))
        named = None
        for j, part in enumerate(self.parts):
            if part.row is not None:
                values[j], slopes[j] = part.row @ cells - part.constant, part.row
                continue
            named = named or self._formulas.named(cells)
            value, slope = self._formulas.difference(part.constraint, named, len(cells))
            values[j], slopes[j] = part.sign * value, part.sign * slope
        return values, slopes

    def curvature(self, cells: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Σ_j w_j ∂²g_j/∂cells∂cells', (q, q), by central differences of the derivatives."""
        out = np.zeros((len(cells), len(cells)))
        weights = np.array([0.0 if part.row is not None else w for part, w in zip(self.parts, weights, strict=True)])
        if not weights.any():
            return out
        for k in np.flatnonzero((self.at(cells)[1][weights != 0] != 0).any(axis=0)):
            h = 1e-5 * max(1.0, abs(cells[k]))
            up, down = cells.copy(), cells.copy()
            up[k] += h
            down[k] -= h
            out[k] = weights @ (self.at(up)[1] - self.at(down)[1]) / (up[k] - down[k])
        return (out + out.T) / 2

    def listed(self, which: Sequence[int]) -> str:
        """These constraints in one line."""
        out = []
        for part in (self.parts[j] for j in which):
            at = f" (line {part.span.line}, column {part.span.column})" if part.span is not None else ""
            out.append(f"{part.text} {'=' if part.equality else '≥'} 0{at}")
        return ", ".join(out)

    def quoted(self, which: Sequence[int]) -> str:
        """The lines of the model text that state these constraints, each with its place."""
        return quoted([(self.parts[j].span, self.parts[j].said) for j in which], self.diagram.text)


class Formulas:
    """Evaluates constraints and differentiates them in the cells, definitions included.

    Parameters
    ----------
    diagram : PathDiagram
    number : dict
        Parameter number of each label and automatic name.
    constraints : sequence of Constraint
        Those that will be asked for; only what they name is looked up.
    """

    def __init__(self, diagram: PathDiagram, number: dict[str, int], constraints: Sequence[Constraint]):
        needed = {name for c in constraints for side in (c.left, c.right) for name in names(side)}
        known = -1
        while known < len(needed):
            known = len(needed)
            self.definitions = [d for d in diagram.definitions if d.name in needed]
            needed |= {name for d in self.definitions for name in names(d.expression)}
        self.number = {name: k for name, k in number.items() if name in needed}
        self.fixed = {}
        for row in diagram.parameters:
            if row.fixed is not None:
                for name in (row.label, row.full_name):
                    if name in needed and name not in self.number:
                        self.fixed.setdefault(name, row.fixed)

    def named(self, cells: np.ndarray) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Value of each name, and its derivatives in the cells where it has some."""
        values: dict[str, float] = {**self.fixed, **{name: float(cells[k]) for name, k in self.number.items()}}
        slopes = {}
        for name, k in self.number.items():
            slopes[name] = np.zeros(len(cells))
            slopes[name][k] = 1.0
        for definition in self.definitions:
            with suppress(ModelError):  # one without a value here matters only if the constraint names it
                values[definition.name] = evaluate(definition.expression, values)
                slopes[definition.name] = _slope(definition.expression, values, slopes, len(cells))
        return values, slopes

    def difference(self, constraint: Constraint, named, q: int) -> tuple[float, np.ndarray]:
        """left − right, and its derivatives in the cells, (q,)."""
        values, slopes = named
        value = evaluate(constraint.left, values) - evaluate(constraint.right, values)
        return value, _slope(constraint.left, values, slopes, q) - _slope(constraint.right, values, slopes, q)

    def linear(self, constraint: Constraint, q: int) -> tuple[np.ndarray, float] | None:
        """(row, constant) with left − right = row · cells − constant everywhere; None if it is not linear."""
        rng = np.random.default_rng(1)
        signs = (np.ones(q), np.ones(q), rng.choice([-1.0, 1.0], q), -np.ones(q))
        found = []
        for sign in signs:
            cells = sign * rng.uniform(0.5, 2.0, q)
            value, row = self.difference(constraint, self.named(cells), q)
            found.append((row, row @ cells - value))
        row, constant = found[0]
        if all(np.allclose(other, row, atol=EXACT) and abs(c - constant) <= EXACT for other, c in found):
            return row, constant
        return None


def _slope(expression: Expression, values, slopes, q: int) -> np.ndarray:
    found = gradient(expression, values)
    return sum((s * slopes[name] for name, s in found.items() if name in slopes), np.zeros(q))


def equality_map(diagram: PathDiagram, number: dict[str, int], q: int) -> tuple[np.ndarray, np.ndarray] | None:
    """(K, c) of the diagram's linear ``==`` constraints, K of shape (q, p); None if there are none.

    Parameters
    ----------
    number : dict
        Parameter number of each label and automatic name.
    q : int
        Number of parameters before constraints.

    Raises
    ------
    ModelError
        If a constraint contradicts others, or does not hold whatever the parameters are; it quotes them.
    """
    equalities = [constraint for constraint in diagram.constraints if constraint.op == "=="]
    if not equalities:
        return None
    formulas = Formulas(diagram, number, equalities)
    linear = [(constraint, formulas.linear(constraint, q)) for constraint in equalities]
    linear = [(constraint, *found) for constraint, found in linear if found is not None]
    if not linear:
        return None
    constraints, rows, constants = zip(*linear)
    return _solve(np.array(rows), np.array(constants), constraints, diagram)


def constraints_of_cells(
    diagram: PathDiagram,
    number: dict[str, int],
    rows: Sequence[int],
    affine: tuple[np.ndarray, np.ndarray],
    positive: np.ndarray,
) -> Constraints | None:
    """The non-linear equalities, the inequalities and the bounds of a diagram; None if none is left to heed.

    Parameters
    ----------
    number : dict
        Parameter number of each label and automatic name.
    rows : sequence of int
        Parameter number of each row of the parameter table, negative for a fixed one.
    affine : (K, c)
        The map of the linear equality constraints.
    positive : (q,) bool array
        Cells that cannot be negative however the parameters are moved. An inequality that says no more is left out.

    Raises
    ------
    ModelError
        If linear constraints and bounds contradict each other, or one does not hold whatever the parameters are; it
        quotes them.
    """
    q = len(positive)
    formulas = Formulas(diagram, number, diagram.constraints)
    parts = []
    for constraint in diagram.constraints:
        found = formulas.linear(constraint, q)
        if constraint.op == "==" and found is not None:
            continue
        sign = -1.0 if constraint.op == "<" else 1.0
        row, constant = (None, 0.0) if found is None else (sign * found[0], sign * found[1])
        part = Restriction(
            _difference_text(constraint, diagram.text), constraint.op == "==", None, constraint.span, constraint, sign,
            row, constant,
        )  # fmt: skip
        if row is None or not _without_parameters(part, diagram):
            parts.append(part)
    parts += _bounds(diagram, rows, q)
    _check_together([part for part in parts if part.row is not None], affine, diagram)
    parts = [part for part in parts if part.row is None or not _goes_without_saying(part, positive)]
    return Constraints(tuple(parts), diagram, number) if parts else None


def _without_parameters(part: Restriction, diagram: PathDiagram) -> bool:
    """Whether an inequality is about fixed values alone; an error if it does not hold."""
    if np.abs(part.row).max(initial=0.0) > EXACT:
        return False
    if part.constant > EXACT:
        raise ModelError(
            "this constraint does not hold, and names no free parameter", text=diagram.text, span=part.span
        )
    return True


def _goes_without_saying(part: Restriction, positive: np.ndarray) -> bool:
    """Whether an inequality asks of cells that cannot be negative to be no less than zero."""
    return bool((part.row >= 0).all() and part.constant <= 0 and positive[part.row != 0].all())


def _bounds(diagram: PathDiagram, rows: Sequence[int], q: int) -> list[Restriction]:
    """Of each parameter the closest bounds that its rows state."""
    closest: dict[tuple[int, str], tuple[float, str, Span | None]] = {}
    for row, number in zip(diagram.parameters, rows, strict=True):
        name = row.label or row.full_name
        for side, value, sign in (("lower", row.lower, 1.0), ("upper", row.upper, -1.0)):
            if number < 0 or value is None or not np.isfinite(value):
                continue
            before = closest.get((number, side))
            if before is None or sign * value > sign * before[0]:
                closest[number, side] = value, name, row.span
    out = []
    for (number, side), (value, name, span) in closest.items():
        sign = 1.0 if side == "lower" else -1.0
        row = np.zeros(q)
        row[number] = sign
        text = f"{name} - ({value:g})" if sign > 0 else f"{value:g} - ({name})"
        out.append(Restriction(text, False, (name, number), span, None, sign, row, sign * value))
        other = closest.get((number, "upper"))
        if sign > 0 and other is not None and other[0] == value:
            raise ModelError(
                f"the bounds of {name} leave it one value only", text=diagram.text, span=span,
                remedy=f"Fix it at {value:g} instead.",
            )  # fmt: skip
    return out


def _difference_text(constraint: Constraint, text: str) -> str:
    """What must be zero or positive, as lavaan prints it: ``a - (b*c)``, and ``d - 0`` for ``d > 0``."""
    left, right = written(constraint.left, text), written(constraint.right, text)
    if constraint.op == "<":
        return f"{right} - ({left})"
    return f"{left} - {right}" if right == "0" else f"{left} - ({right})"


def slacks(diagram: PathDiagram, number: dict[str, int], cells: np.ndarray) -> list[tuple[str, str, float]]:
    """(text, op, left − right or right − left) of every constraint that the model text states, in its order."""
    stated = [constraint for constraint in diagram.constraints if constraint.span is not None]
    formulas = Formulas(diagram, number, stated)
    named = formulas.named(cells)
    out = []
    for constraint in stated:
        value = formulas.difference(constraint, named, len(cells))[0]
        sign = -1.0 if constraint.op == "<" else 1.0
        out.append((_difference_text(constraint, diagram.text), constraint.op, sign * value))
    return out


# ---- contradictions


def quoted(places: Sequence[tuple[Span | None, str]], text: str) -> str:
    """The lines that state constraints, each with what else there is to say."""
    lines = []
    for span, said in places:
        lines += [quote(text, span)] if span is not None else []
        lines += [f"  {said}"] if said else []
    return "\n".join(lines)


def _contradiction(places: Sequence[tuple[Span | None, str]], text: str) -> ModelError:
    return ModelError(
        "these constraints contradict each other\n" + quoted(places, text), remedy="Leave one of them out."
    )


def _check_together(linear: Sequence[Restriction], affine: tuple[np.ndarray, np.ndarray], diagram: PathDiagram) -> None:
    """Raise, with a smallest set that cannot hold together, if the linear inequalities have no common solution."""
    K, c = affine

    def possible(parts) -> bool:
        if not parts:
            return True
        from scipy.optimize import linprog  # slow to load, and few models have inequalities

        R = np.array([part.row for part in parts])
        # the least t for which every g_j ≥ −t
        rows = np.hstack([-R @ K, -np.ones((len(parts), 1))])
        room = R @ c - np.array([part.constant for part in parts])
        goal = np.append(np.zeros(K.shape[1]), 1.0)
        found = linprog(goal, rows, room, bounds=[(None, None)] * K.shape[1] + [(-1.0, None)])
        return found.status != 0 or found.fun <= EXACT

    if possible(linear):
        return
    left = list(linear)
    for part in linear:
        without = [other for other in left if other is not part]
        if not possible(without):
            left = without
    places = [(part.span, part.said) for part in left]
    equations = [(x.span, "") for x in diagram.constraints if x.op == "==" and x.span is not None]
    identity = K.shape[0] == K.shape[1]
    if not identity and (len(left) == 1 or _possible_alone(left)):
        places += equations
    raise _contradiction(places, diagram.text)


def _possible_alone(parts: Sequence[Restriction]) -> bool:
    """Whether inequalities have a common solution when no equation ties the cells."""
    from scipy.optimize import linprog

    R = np.array([part.row for part in parts])
    found = linprog(np.zeros(R.shape[1]), -R, [-part.constant for part in parts], bounds=(None, None))
    return found.status == 0


def _solve(
    R: np.ndarray, r: np.ndarray, constraints: Sequence[Constraint], diagram: PathDiagram
) -> tuple[np.ndarray, np.ndarray]:
    """Gauss–Jordan elimination of R cells = r, the last named parameter of each equation expressed by the others."""
    stated, wanted = R, r
    R, r = R.copy(), r.copy()
    q = R.shape[1]
    pivots: list[tuple[int, int]] = []
    used: set[int] = set()
    for k in range(len(R)):
        live = np.flatnonzero(np.abs(R[k]) > 1e-10)
        if live.size == 0:
            if abs(r[k]) > 1e-10:
                raise _impossible(k, [j for j, _ in pivots], stated, wanted, constraints, diagram)
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


def _impossible(k: int, before: list[int], R, r, constraints, diagram: PathDiagram) -> ModelError:
    """Equation k is a combination of those `before`, but its constant is not."""
    if np.abs(R[k]).max(initial=0.0) <= 1e-10:
        return ModelError(
            "this constraint does not hold, and names no free parameter", text=diagram.text, span=constraints[k].span
        )
    share = np.linalg.lstsq(R[before].T, R[k], rcond=None)[0]
    with_it = [j for j, s in zip(before, share, strict=True) if abs(s) > 1e-9]
    return _contradiction([(constraints[j].span, "") for j in (*with_it, k)], diagram.text)
