"""What can go wrong, and where: every error carries its place and what to try."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "DataError",
    "EstimationError",
    "ModelError",
    "ModelSyntaxError",
    "SemgllammError",
    "SemgllammWarning",
    "Span",
]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the model text; lines and columns count from 1, the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


def quote(text: str, span: Span) -> str:
    """The line of `text` at `span`, with a caret under the column."""
    lines = text.splitlines() or [""]
    line = lines[min(span.line, len(lines)) - 1]
    width = max(1, span.end_column - span.column) if span.end_line == span.line else 1
    start = max(0, span.column - 1 - 60)
    shown = line[start : start + 120].replace("\t", " ")
    caret = " " * (span.column - 1 - start) + "^" * min(width, max(1, 120 - (span.column - 1 - start)))
    return f"  line {span.line}, column {span.column}:\n    {shown}\n    {caret}"


class SemgllammError(Exception):
    """Base of all errors that the package raises on purpose.

    Parameters
    ----------
    message : str
        What is wrong.
    text : str, optional
        The model text; with `span` the message quotes the line.
    span : Span, optional
        The place in the model text.
    remedy : str, optional
        What to write or try instead.
    """

    def __init__(self, message: str, *, text: str | None = None, span: Span | None = None, remedy: str | None = None):
        self.message, self.text, self.span, self.remedy = message, text, span, remedy
        parts = [message]
        if text is not None and span is not None:
            parts.append(quote(text, span))
        if remedy:
            parts.append(f"  {remedy}")
        super().__init__("\n".join(parts))


class ModelSyntaxError(SemgllammError):
    """The model text cannot be read."""


class ModelError(SemgllammError):
    """The model text can be read, but what it says cannot be a model, or not one that can be fitted."""


class DataError(SemgllammError):
    """The data do not fit the model; the message names the column, and the row or unit."""


class EstimationError(SemgllammError):
    """The likelihood could not be evaluated or maximised."""


class SemgllammWarning(UserWarning):
    """Something the user should know; also printed in the summary of the fit."""
