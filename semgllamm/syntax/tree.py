"""The model text as written: one frozen dataclass per rule of the grammar, each with its place in the text."""

from __future__ import annotations

from dataclasses import dataclass

from semgllamm.errors import Span

__all__ = [
    "Call",
    "Chain",
    "Directive",
    "DirectiveLine",
    "Formula",
    "Group",
    "Keyword",
    "LavaanHeader",
    "ModelText",
    "Negative",
    "Node",
    "Numeral",
    "Operator",
    "Power",
    "Product",
    "RandomEffects",
    "Statement",
    "Sum",
    "Text",
    "Word",
]


@dataclass(frozen=True, slots=True)
class Word:
    """A name; `quoted` if it stood in backticks."""

    name: str
    quoted: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number, with the digits as written (a group may be called ``01``)."""

    value: float
    digits: str
    span: Span


@dataclass(frozen=True, slots=True)
class Text:
    """A string in single or double quotes, without them."""

    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class Negative:
    operand: Node
    span: Span


@dataclass(frozen=True, slots=True)
class Power:
    base: Node
    exponent: Node
    span: Span


@dataclass(frozen=True, slots=True)
class Product:
    """``x1:x2``, two or more factors."""

    factors: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Chain:
    """Factors joined by ``*``, ``/`` or ``?``: modifiers before a term, or arithmetic. One sign fewer than factors."""

    factors: tuple[Node, ...]
    signs: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Sum:
    """Terms with the ``+`` or ``-`` before each (the first has a ``+`` that may be unwritten)."""

    terms: tuple[Node, ...]
    signs: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Group:
    """Something in parentheses."""

    inner: Node
    span: Span


@dataclass(frozen=True, slots=True)
class RandomEffects:
    """``(1 + x | school)``; `bar` is ``|`` or ``||``."""

    terms: Node
    bar: str
    cluster: Node
    span: Span


@dataclass(frozen=True, slots=True)
class Keyword:
    """``name = value`` among the arguments of a call."""

    name: Word
    value: Node
    span: Span


@dataclass(frozen=True, slots=True)
class Formula:
    """``y ~ x`` among the arguments of a directive."""

    left: Node
    right: Node
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Node | Keyword | Formula, ...]
    span: Span


Node = Word | Numeral | Text | Negative | Power | Product | Chain | Sum | Group | RandomEffects | Call


@dataclass(frozen=True, slots=True)
class Directive:
    """``@name(arguments)``; `arguments` is None without parentheses."""

    name: str
    arguments: tuple[Node | Keyword | Formula, ...] | None
    span: Span


@dataclass(frozen=True, slots=True)
class Operator:
    """The relation of a statement, such as ``=~``."""

    symbol: str
    span: Span


@dataclass(frozen=True, slots=True)
class Statement:
    left: Node
    operator: Operator
    right: Node
    directives: tuple[Directive, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class DirectiveLine:
    """A line that begins with a directive."""

    directives: tuple[Directive, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class LavaanHeader:
    """``group: 1``, ``level: within``: the keyword in lower case, the rest of the line as written."""

    keyword: str
    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class ModelText:
    """A whole model; `text` is what the spans count in (line ends and letters in normal form)."""

    text: str
    lines: tuple[Statement | DirectiveLine | LavaanHeader, ...]
