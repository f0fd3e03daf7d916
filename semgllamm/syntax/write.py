"""Diagram to text: a model string that reads back as the same diagram."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from semgllamm.diagram import expressions as ex
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.parts import (
    AuxiliaryPredictor,
    Block,
    ColumnRole,
    FamilyChoice,
    FamilySpec,
    LatentDeclaration,
    Path,
    RandomTerm,
)
from semgllamm.syntax.names import in_text, is_plain

__all__ = ["write"]

WIDEST = 100


def write(diagram: PathDiagram) -> str:
    """The model text of a diagram: ``read(write(diagram))`` is `diagram` again, spans and notes apart.

    Parameters
    ----------
    diagram : PathDiagram
        As written or as completed; what completion added is not in the text.

    Returns
    -------
    str
    """
    lavaan = diagram.style == "lavaan"
    start = Block(style="lavaan" if lavaan else "at")
    standing = [diagram.latents, diagram.paths, diagram.random_terms, diagram.predictors, diagram.columns]
    # under lavaan's headers nothing leads back to the start, so what stands there comes first
    passes = (True, False) if lavaan else (None,)
    lines: list[str] = []
    here = start
    for at_start in passes:
        for parts in standing:
            chosen = [part for part in parts if at_start is None or (part.block == start) is at_start]
            for block, members in groupby(chosen, key=lambda part: part.block):
                if block != here:
                    lines += ["", *header(block)]
                    here = block
                lines += statements(members)
    lines += families(diagram.families)
    lines += [f"{in_text(part.name)} := {expression(part.expression)}" for part in diagram.definitions]
    lines += [f"{expression(part.left)} {part.op} {expression(part.right)}" for part in diagram.constraints]
    return "\n".join(lines).strip("\n") + "\n"


# ---------------------------------------------------------------------------------------------- blocks


def header(block: Block) -> list[str]:
    """The lines that lead to `block` from anywhere."""
    if block.style == "lavaan":
        named = {"group": block.group, "class": block.klass and block.klass[1], "level": block.level}
        return [f"{keyword}: {lavaan_name(value)}" for keyword, value in named.items() if value is not None]
    parts = []
    if block.level is not None:
        parts.append(f"@level({in_text(block.level)})")
    if block.group is not None:
        parts.append(f"@group({name_or_text(block.group)})")
    if block.klass is not None:
        parts.append(f"@class({in_text(block.klass[0])}, {name_or_text(block.klass[1])})")
    return [" ".join(parts) or "@level(row)"]


def lavaan_name(value: str) -> str:
    return value if re.fullmatch(r"[\w.]+", value) else quoted(value)


def name_or_text(value: str) -> str:
    """A group, class or category: bare if it is a plain name or a whole number."""
    return value if is_plain(value) or re.fullmatch(r"[0-9]+", value) else quoted(value)


def quoted(value: str) -> str:
    return f"'{value}'" if '"' in value else f'"{value}"'


# ---------------------------------------------------------------------------------------------- statements


def statements(parts: Iterable) -> Iterator[str]:
    """Parts of one kind and block as lines; neighbouring paths with one left side share a line."""
    for key, members in groupby(parts, key=left_side):
        members = list(members)
        first = members[0]
        match first:
            case Path():
                lhs, op, _ = key
                yield folded(f"{lhs} {op} ", [term(path) for path in members])
            case RandomTerm():
                yield f"{variable(first.lhs, leading=True)} ~ {random_term(first)}"
            case LatentDeclaration():
                yield latent(first)
            case AuxiliaryPredictor():
                yield f"@{first.kind}({in_text(first.response)} ~ {' + '.join(map(term, first.paths))})"
            case ColumnRole():
                yield column(first)


def left_side(part):
    """What neighbouring paths must share to stand in one statement; every other part stands alone."""
    if not isinstance(part, Path):
        return id(part)
    alone = id(part) if part.op == ":~" or (part.op == "=~" and not part.rhs) else None
    lhs = variable(part.lhs, leading=True)
    return f"efa({quoted(part.efa)})*{lhs}" if part.efa is not None else lhs, part.op.removesuffix("1"), alone


def folded(start: str, terms: list[str]) -> str:
    """``start t1 + t2 + ...``, going on in a new line where the line is full."""
    lines = [start + terms[0]]
    for text in terms[1:]:
        if len(lines[-1]) + len(text) + 5 > WIDEST:
            lines[-1] += " +"
            lines.append(" " * 4 + text)
        else:
            lines[-1] += f" + {text}"
    return "\n".join(lines)


def term(path: Path) -> str:
    """The right-hand side of one path, with its modifiers."""
    if path.op == ":~":
        return path.rhs
    if path.op == "~1":
        target = "1"
    elif path.op == "=~" and not path.rhs:
        target = "0"
    else:
        target = variable(path.rhs)
    return "*".join([*modifiers(path), target])


def variable(name: str, leading: bool = False) -> str:
    """A variable or a product; a `leading` product must not look like lavaan's ``group:``."""
    factors = name.split(":")
    if leading and len(factors) > 1 and factors[0].lower() in ("group", "level", "block", "class"):
        return f"`{factors[0]}`:{in_text(factors[1])}"
    return ":".join(map(in_text, factors))


def modifiers(path: Path) -> Iterator[str]:
    """``a``, ``c(1, NA)``, ``start(0.5)``: what stands before the term."""
    label, fixed = path.label, path.fixed
    if label and fixed and len(label) == len(fixed) and all((a is None) != (b is None) for a, b in zip(label, fixed)):
        yield by_group([label_text(a) if a is not None else number(b) for a, b in zip(label, fixed)])
        label = fixed = None
    if label and None in label:
        yield f"label({by_group([quoted(a) if a is not None else 'NA' for a in label])})"
    elif label:
        yield by_group([label_text(a) for a in label])
    if fixed:
        yield by_group(['""' if value is None else number(value) for value in fixed])
    for kind in ("start", "lower", "upper"):
        if values := getattr(path, kind):
            yield f"{kind}({by_group(['NA' if value is None else number(value) for value in values])})"
    if path.equal:
        yield f"equal({by_group(['NA' if name is None else quoted(name) for name in path.equal])})"
    if path.random_slope is not None:
        yield f"rv({quoted(path.random_slope)})"
    if path.prior is not None:
        yield f"prior({quoted(path.prior)})"


def by_group(entries: list[str]) -> str:
    return entries[0] if len(entries) == 1 else f"c({', '.join(entries)})"


def label_text(label: str) -> str:
    return label if is_plain(label) else quoted(label)


def number(value: float) -> str:
    if math.isnan(value):
        return "NA"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def random_term(part: RandomTerm) -> str:
    terms = part.terms if "1" in part.terms else ("0", *part.terms)
    inside = " + ".join(name if name in ("0", "1") else variable(name) for name in terms)
    cluster = ":".join(map(in_text, (*part.within, part.cluster)))
    return f"({inside} {'||' if part.independent else '|'} {cluster})"


# ---------------------------------------------------------------------------------------------- directives


def latent(part: LatentDeclaration) -> str:
    names = " + ".join(map(in_text, part.names))
    if part.kind == "npml":
        return f"@latent({names}, npml{'' if part.count is None else f'({part.count})'})"
    numbered = part.classes == tuple(str(k) for k in range(1, len(part.classes) + 1))
    classes = str(part.count) if numbered else ", ".join(map(class_name, part.classes))
    known = f", known={in_text(part.known)}" if part.known is not None else ""
    return f"@latent({names}, classes({classes}){known})"


def class_name(name: str) -> str:
    """A class name among others; a number would be their count."""
    return name if is_plain(name) else quoted(name)


def column(part: ColumnRole) -> str:
    arguments = [in_text(part.target)]
    if part.column is not None:
        arguments.append(in_text(part.column))
    if part.number is not None:
        arguments.append(number(part.number))
    arguments += [f"{key}={in_text(value)}" for key, value in part.options]
    return f"@{part.kind}({', '.join(arguments)})"


def families(choices: Iterable[FamilyChoice]) -> Iterator[str]:
    for spec, members in groupby(choices, key=lambda choice: family(choice.family)):
        yield f"@family({' + '.join(in_text(choice.response) for choice in members)}, {spec})"


def family(spec: FamilySpec) -> str:
    inside = [spec.link] if spec.link is not None else []
    for key, value in spec.options:
        inside.append(f"{key}={name_or_text(value) if isinstance(value, str) else number(value)}")
    return f"{spec.name}({', '.join(inside)})" if inside else spec.name


# ---------------------------------------------------------------------------------------------- expressions

SUM, PRODUCT, SIGN, POWER, ATOM = range(5)


def expression(node: ex.Expression, place: int = SUM) -> str:
    """`node` with parentheses only where it binds less tightly than its `place` asks."""
    match node:
        case ex.Number(value):
            return number(value)
        case ex.Name(name):
            return in_text(name)
        case ex.Call(function, argument):
            return f"{function}({expression(argument)})"
        case ex.Negative(operand):
            rank, text = SIGN, f"-{expression(operand, SIGN)}"
        case ex.Binary("+" | "-" as op, left, right):
            rank, text = SUM, f"{expression(left, SUM)} {op} {expression(right, PRODUCT)}"
        case ex.Binary("*" | "/" as op, left, right):
            rank, text = PRODUCT, f"{expression(left, PRODUCT)}{op}{expression(right, SIGN)}"
        case ex.Binary(op, base, exponent):
            rank, text = POWER, f"{expression(base, ATOM)}{op}{expression(exponent, SIGN)}"
    return f"({text})" if rank < place else text
