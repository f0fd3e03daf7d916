"""What stands before a term, joined with ``*`` or ``?``: fixed values, labels, start values, bounds and the like."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields

from semgllamm.diagram.expressions import FUNCTIONS
from semgllamm.diagram.parts import Path
from semgllamm.syntax import tree
from semgllamm.syntax.arithmetic import constant
from semgllamm.syntax.names import RESERVED, fault, meant

__all__ = ["CALLS", "KINDS", "Modifiers", "bare", "combine", "read", "split"]

# field of Path -> how a person calls it
KINDS = {
    "fixed": "fixed value",
    "label": "label",
    "start": "start value",
    "lower": "lower bound",
    "upper": "upper bound",
    "equal": "equality",
    "random_slope": "random slope",
    "efa": "efa block",
    "prior": "prior",
}
assert set(KINDS) < {field.name for field in fields(Path)}

Modifiers = dict[str, tuple | str]

CALLS = ("start", "fixed", "lower", "upper", "label", "equal", "rv", "efa", "prior", "c", "rep")
MOST_GROUPS = 1000
ONE_TEXT = {"rv": "random_slope", "efa": "efa", "prior": "prior"}


def bare(node: tree.Node) -> tree.Node:
    """`node` without parentheses around a single thing."""
    inner = node
    while isinstance(inner, tree.Group):
        inner = inner.inner
    return inner if isinstance(inner, tree.Word | tree.Product | tree.RandomEffects) else node


def split(term: tree.Node) -> tuple[list[tuple[tree.Node, str]], tree.Node]:
    """A term as its modifiers, each with the sign after it (``*`` or ``?``), and the variable they modify."""
    if not isinstance(term, tree.Chain):
        return [], term
    modifiers: list[tuple[tree.Node, str]] = []
    current = term.factors[0]
    for sign, factor in zip(term.signs, term.factors[1:]):
        if sign == "/":
            span = tree.Span(current.span.line, current.span.column, factor.span.end_line, factor.span.end_column)
            current = tree.Chain((current, factor), ("/",), span)
        else:
            modifiers.append((current, sign))
            current = factor
    if isinstance(current, tree.Chain):
        remedy = "Divide the column in the data first; a modifier is written before its term, as in (1/2)*x."
        raise fault("A term is no quotient", current, remedy)
    return modifiers, current


def read(written: Sequence[tuple[tree.Node, str]], clash: Callable[[str, tree.Node], None]) -> Modifiers:
    """The modifiers of one term; `clash(kind, node)` is told when one replaces an earlier one of its kind."""
    result: Modifiers = {}
    number_before = False
    for node, sign in written:
        if sign == "?":
            one = {"start": _numbers("start", node, [node])}
        elif _is_number(node):
            value = constant(node)
            if number_before:
                value *= result.pop("fixed")[0]
            one = {"fixed": (value,)}
        else:
            one = _one(node)
        number_before = sign == "*" and _is_number(node)
        combine(result, one, lambda kind, node=node: clash(kind, node))
    return result


def combine(into: Modifiers, more: Modifiers, clash: Callable[[str], None]) -> None:
    """Add `more`; where a kind is there with another value, the later one holds and `clash(kind)` is called."""
    for kind, value in more.items():
        if kind in into and not _same(into[kind], value):
            clash(kind)
        into[kind] = value


def _same(one, other) -> bool:
    def comparable(entry):
        return "NA" if isinstance(entry, float) and math.isnan(entry) else entry

    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return tuple(map(comparable, one)) == tuple(map(comparable, other))


def _one(node: tree.Node) -> Modifiers:
    """What a single modifier says."""
    match node := bare(node):
        case tree.Call("start" | "lower" | "upper" | "fixed" as kind, arguments):
            return {kind: _numbers(kind, node, _positional(node, arguments))}
        case tree.Call("label" | "equal" as kind, arguments):
            return {kind: _names(kind, node, _positional(node, arguments))}
        case tree.Call("rv" | "efa" | "prior" as function, arguments):
            return {ONE_TEXT[function]: _one_text(node, function, arguments)}
        case tree.Call() | tree.Word() | tree.Text():
            return _by_group(entries(node))
    remedy = "Before * stands a number, NA, a label, or start(), lower(), upper(), c() and the like."
    raise fault("This is no modifier", node, remedy)


def _by_group(written: list[tree.Node]) -> Modifiers:
    """``c(a, 1, NA)``: numbers and NA fix or free, names and texts label; one entry per group."""
    fixed: list[float | None] = []
    label: list[str | None] = []
    for node in written:
        name = _label(node)
        if name is None:
            fixed.append(_number_or_na(node))
            label.append(None)
        else:
            fixed.append(None)
            label.append(name or None)
    result: Modifiers = {}
    if any(value is not None for value in fixed):
        result["fixed"] = tuple(fixed)
    if any(label):
        result["label"] = tuple(label)
    return result


def entries(node: tree.Node) -> list[tree.Node]:
    """The entries of ``c(...)`` or ``rep(...)``, flattened; of anything else, itself."""
    waiting, found = [node], []
    while waiting:
        node = waiting.pop()
        match node:
            case tree.Call("c", arguments):
                if not arguments:
                    raise fault("c() is empty", node, "Give one entry per group: c(a, b), c(1, NA).")
                waiting += reversed(_positional(node, arguments))
            case tree.Call("rep", arguments):
                waiting += reversed(_repeated(node, arguments))
            case _:
                found.append(node)
        if len(found) + len(waiting) > MOST_GROUPS:
            raise fault(f"c() has more than {MOST_GROUPS:,} entries", node, "It has one per group.")
    return found


def _repeated(node, arguments) -> list[tree.Node]:
    match arguments:
        case [what, tree.Numeral(times) | tree.Keyword(tree.Word("times"), tree.Numeral(times))]:
            if times == int(times) and 1 <= times <= MOST_GROUPS:
                return entries(what) * int(times)
        case [what, tree.Keyword(tree.Word("each"), tree.Numeral(times))]:
            if times == int(times) and 1 <= times <= MOST_GROUPS:
                return [entry for entry in entries(what) for _ in range(int(times))]
    raise fault("rep() takes what to repeat and how often", node, 'For instance rep("a", 3) or rep(c("a", "b"), 2).')


def _positional(node, arguments):
    for argument in arguments:
        if isinstance(argument, tree.Keyword | tree.Formula):
            remedy = f"Its arguments stand one after the other: {node.function}(a, b)"
            raise fault(f"{node.function}() takes no argument of this form", argument, remedy)
    return list(arguments)


def _is_number(node) -> bool:
    """Arithmetic without a label: ``2``, ``-1``, ``(1/3)``, ``sqrt(2)``."""
    match bare(node):
        case tree.Call(function):
            return function in FUNCTIONS
        case tree.Word() | tree.Text() | tree.Product() | tree.RandomEffects():
            return False
    return True


def _number_or_na(node) -> float:
    match node:
        case tree.Word("NA", False) | tree.Call("as.numeric" | "as.integer", (tree.Word("NA", False),)):
            return math.nan
        case tree.Word(name, False) if name in RESERVED and name != "Inf":
            raise fault(f"'{name}' is a reserved word and no modifier", node, "To free a parameter, write NA*.")
        case tree.Call(function) if function not in FUNCTIONS:
            message = f"{function}() is no modifier"
            remedy = meant(function, (*CALLS, *FUNCTIONS))
            if function in CALLS:
                message = f"{function}() cannot stand inside another modifier"
                remedy = "Write them one after the other: start(0.5)*lower(0)*x"
            raise fault(message, node, remedy)
    return constant(node)


def _label(node) -> str | None:
    """The label that `node` says, "" for an empty one, None if it is no label."""
    match node:
        case tree.Text(value):
            return value
        case tree.Word(name, quoted) if quoted or name not in RESERVED:
            return name
    return None


def _numbers(kind: str, node, arguments: list[tree.Node]) -> tuple[float | None, ...]:
    """The entries of ``start()``, ``lower()``, ``upper()``, ``fixed()``; NA says nothing, but frees in ``fixed()``."""
    remedy = f"For instance {kind}(0.5) or, with one number per group, {kind}(c(0.5, 0.8))."
    if len(arguments) != 1:
        raise fault(f"{kind}() takes one number", node, remedy)
    numbers = []
    for entry in entries(arguments[0]):
        if _label(entry) is not None:
            raise fault(f"{kind}() takes a number", entry, remedy)
        value = _number_or_na(entry)
        numbers.append(None if math.isnan(value) and kind != "fixed" else value)
    return tuple(numbers)


def _names(kind: str, node, arguments) -> tuple[str | None, ...]:
    if len(arguments) != 1:
        raise fault(f"{kind}() takes one text, or c() with one per group", node, f'For instance {kind}("a").')
    result = []
    for entry in entries(arguments[0]):
        name = _label(entry)
        if name is None and not isinstance(entry, tree.Word):
            raise fault(f"{kind}() takes a text", entry, f'For instance {kind}("a").')
        result.append(name or None)
    return tuple(result)


def _one_text(node, function, arguments) -> str:
    match arguments:
        case [tree.Text(value)] | [tree.Word(value)] if value:
            return value
    example = {"rv": 'rv("s")*x', "efa": 'efa("block")*f1', "prior": 'prior("normal(0,1)")*x'}[function]
    raise fault(f"{function}() takes one text", node, f"For instance {example}.")
