"""lavaan's parameter table of a completed diagram, as a data frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.equalities import automatic_name, level_numbers
from semgllamm.diagram.expressions import Binary, Call, Expression, Name, Negative, Number
from semgllamm.diagram.families import family_in, has_thresholds
from semgllamm.diagram.parts import Parameter

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "frame", "written"]

COLUMNS = ("lhs", "op", "rhs", "user", "block", "group", "level", "free", "fixed", "label", "start", "exo")


def frame(diagram: PathDiagram, conditional_x: bool | None = None, outside: bool = True) -> pd.DataFrame:
    """The parameters, definitions and constraints of a completed diagram.

    Parameters
    ----------
    diagram : PathDiagram
    conditional_x : bool, optional
        Whether regressions on exogenous covariates are marked ``exo`` too; by default with ordinal responses, as in
        lavaan.
    outside : bool
        Whether there are exogenous rows at all.
    """
    import pandas as pd

    levels = level_numbers(diagram)
    numbers = _free_numbers(diagram.parameters)
    marked = _conditioned(diagram, conditional_x) if outside else frozenset()
    blocks: dict[tuple, int] = {}
    rows = []
    for row, number in zip(diagram.parameters, numbers):
        level = levels.get(row.level, row.level)
        block = blocks.setdefault((row.group, level if diagram.style == "lavaan" else None), len(blocks) + 1)
        exo = row.exogenous or (row.op in ("~", "<~") and row.rhs in marked)
        user = int(row.source == "user")
        where = (row.group, level if diagram.style == "lavaan" else row.level or "")
        cells = (number, row.fixed, row.label or "", row.start, int(exo))
        rows.append((row.lhs, row.op, row.rhs, user, block, *where, *cells))
    places = _places(diagram)
    for part in (*diagram.constraints, *diagram.definitions):
        rows.append(_statement(part, places, diagram.style))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"fixed": float, "start": float})


def _free_numbers(rows: Sequence[Parameter]) -> list[int]:
    """Free parameters counted in order of appearance, equal ones with one number; 0 for what is not free."""
    count: dict[object, int] = {}
    keys = (row.label or place for place, row in enumerate(rows))
    return [count.setdefault(key, len(count) + 1) if row.free else 0 for key, row in zip(keys, rows)]


def _conditioned(diagram: PathDiagram, conditional_x: bool | None) -> frozenset[str]:
    """Covariates on which the model is conditional, moments and all."""
    if conditional_x is None:
        conditional_x = any(has_thresholds(family_in(diagram, name)) for name in diagram.responses)
    covariates = (row.lhs for row in diagram.parameters if row.exogenous and row.lhs == row.rhs)
    return frozenset(covariates) if conditional_x else frozenset()


def _places(diagram: PathDiagram) -> dict[str, str]:
    """``.p7.`` for the automatic name of the seventh row, as lavaan calls it in constraints."""
    names = [row.label or automatic_name(row, diagram) for row in diagram.parameters]
    return {name: f".p{place}." for place, name in reversed(list(enumerate(names, start=1)))}


def _statement(part, places: Mapping[str, str], style: str) -> tuple:
    """A constraint or definition as a row."""
    block = (0, 0, 0 if style == "lavaan" else "")
    nothing = (0, None)
    if hasattr(part, "name"):
        return part.name, ":=", written(part.expression), 1, *block, *nothing, part.name, None, 0
    added = part.span is None
    names = places if added else {}
    left, right = written(part.left, names), written(part.right, names)
    return left, part.op, right, 2 if added else 1, *block, *nothing, "", None, 0


_TIGHTNESS = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 4}


def written(expression: Expression, names: Mapping[str, str] | None = None) -> str:
    """An expression as text without blanks, with no more brackets than it needs."""
    return _written(expression, names or {})[0]


def _written(expression: Expression, names: Mapping[str, str]) -> tuple[str, int]:
    match expression:
        case Number(value):
            return f"{value:.15g}", 9
        case Name(name):
            return names.get(name, name), 9
        case Call(function, argument):
            return f"{function}({_written(argument, names)[0]})", 9
        case Negative(operand):
            text, tightness = _written(operand, names)
            return f"-{text if tightness >= 3 else f'({text})'}", 3
        case Binary(op, left, right):
            own = _TIGHTNESS[op]
            (one, of_one), (other, of_other) = _written(left, names), _written(right, names)
            one = f"({one})" if of_one < own + (op == "^") else one
            other = f"({other})" if of_other < own + (op in "-/") else other
            return f"{one}{op}{other}", own
    raise TypeError(f"not an expression: {expression!r}")
