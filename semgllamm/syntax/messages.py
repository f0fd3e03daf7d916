"""Unexpected tokens and characters as sentences: what is wrong, and what to write instead."""

from __future__ import annotations

from semgllamm.errors import ModelSyntaxError, Span

__all__ = ["explain"]


def explain(unexpected, parse) -> ModelSyntaxError:
    """The error a person gets for what Lark did not expect."""
    token = getattr(unexpected, "token", None)
    if token is None:
        span = Span(unexpected.line, unexpected.column, unexpected.line, unexpected.column + 1)
        return ModelSyntaxError(f"The character '{unexpected.char}' cannot stand here", span=span)
    if token.type == "$END":
        span = Span(token.end_line, token.end_column, token.end_line, token.end_column + 1)
        return ModelSyntaxError("The text ends in the middle of a statement", span=span)
    span = Span(token.line, token.column, token.end_line, token.end_column)
    return ModelSyntaxError(f"'{token}' cannot stand here", span=span)
