"""Arithmetic in labels: the expressions of ``:=`` and of constraints, evaluated and differentiated here, never as Python."""

from __future__ import annotations

from dataclasses import dataclass

from semgllamm.errors import Span

__all__ = ["Binary", "Call", "Expression", "Name", "Negative", "Number"]


@dataclass(frozen=True, slots=True)
class Number:
    value: float
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Name:
    """A label, an earlier definition, or an automatic name in backticks."""

    name: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Negative:
    operand: Expression
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Binary:
    """`op` is one of ``+ - * / ^``."""

    op: str
    left: Expression
    right: Expression
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """exp, log, sqrt, abs, tanh, atanh, pnorm, plogis."""

    function: str
    argument: Expression
    span: Span | None = None


Expression = Number | Name | Negative | Binary | Call
