"""A diagram as lines that a person can check: one part a line, what is not said left out, the place last."""

from __future__ import annotations

import math
from dataclasses import MISSING, fields, is_dataclass, replace

from semgllamm.diagram import expressions as ex
from semgllamm.diagram.parts import Block, FamilySpec

PARTS = (
    "latents", "paths", "random_terms", "families", "predictors", "columns", "definitions", "constraints",
)  # fmt: skip


def readable(diagram) -> str:
    lines = [f"style {diagram.style}"]
    for name in PARTS:
        for part in getattr(diagram, name):
            lines.append(line(part))
            lines += ["    " + line(path) for path in getattr(part, "paths", ())]
    lines += [f"note: {note}" for note in diagram.notes]
    return "\n".join(lines) + "\n"


def line(part) -> str:
    said = [f"{field.name}={shown(getattr(part, field.name))}" for field in fields(part) if is_said(part, field)]
    span = part.span
    place = f"  @ {span.line}:{span.column}-{span.end_line}:{span.end_column}"
    return f"{type(part).__name__} {' '.join(said)}{place}"


def is_said(part, field) -> bool:
    if field.name in ("span", "paths"):
        return False
    return field.default is MISSING or getattr(part, field.name) != field.default


def shown(value) -> str:
    match value:
        case None:
            return "-"
        case float() if math.isnan(value):
            return "NA"
        case float():
            return f"{value:.10g}"
        case str():
            return value or "''"
        case tuple():
            return f"({', '.join(map(shown, value))})"
        case Block(level, group, klass, style):
            named = {"level": level, "group": group, "class": klass and "=".join(klass)}
            return f"{style}[{' '.join(f'{key}:{name}' for key, name in named.items() if name is not None)}]"
        case FamilySpec(name, link, options):
            inside = ", ".join([link or "-", *(f"{key}={shown(option)}" for key, option in options)])
            return f"{name}({inside})"
        case ex.Number(number):
            return shown(float(number))
        case ex.Name(name):
            return f"[{name}]"
        case ex.Negative(operand):
            return f"neg({shown(operand)})"
        case ex.Binary(op, left, right):
            return f"({shown(left)} {op} {shown(right)})"
        case ex.Call(function, argument):
            return f"{function}({shown(argument)})"
    return str(value)


def bare(value):
    """`value` without spans, text and notes: what a round trip keeps."""
    if isinstance(value, tuple):
        return tuple(map(bare, value))
    if not is_dataclass(value):
        return value
    empty = {"span": None, "text": "", "notes": ()}
    kept = {field.name: empty.get(field.name, bare(getattr(value, field.name))) for field in fields(value)}
    return replace(value, **{name: empty[name] if name in empty else kept[name] for name in kept})
