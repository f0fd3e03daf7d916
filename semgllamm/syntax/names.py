"""Names in a model text: which are plain, which are reserved, which one was probably meant; and errors at a place."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from contextlib import contextmanager

from semgllamm.errors import ModelError, ModelSyntaxError, Span
from semgllamm.syntax.tree import Word

__all__ = ["RESERVED", "checked_word", "fault", "in_text", "is_plain", "meant", "misfit", "near", "quoting"]

RESERVED = frozenset({"NA", "NaN", "Inf", "TRUE", "FALSE", "NULL"})

# letters, marks and digits by Unicode category
_INSIDE = ("L", "M", "Nd", "Nl")


@contextmanager
def quoting(text: str):
    """Errors raised inside with a span alone leave with `text`, so that they quote their line."""
    try:
        yield
    except (ModelSyntaxError, ModelError) as error:
        if error.text is not None or error.span is None:
            raise
        raise type(error)(error.message, text=text, span=error.span, remedy=error.remedy) from None


def fault(message: str, node, remedy: str | None = None) -> ModelSyntaxError:
    """The error for text that cannot be read at `node` (anything with a span)."""
    return ModelSyntaxError(message, span=node.span, remedy=remedy)


def misfit(message: str, node, remedy: str | None = None) -> ModelError:
    """The error for text that can be read at `node` but is no model."""
    return ModelError(message, span=node.span, remedy=remedy)


def stray_character(name: str) -> str | None:
    """The first character of `name` that a plain name cannot hold."""
    for character in name:
        if character not in "._" and not unicodedata.category(character).startswith(_INSIDE):
            return character
    return None


def checked_word(name: str, span: Span) -> Word:
    """A plain name as a node, or the error that names the character that no name holds."""
    word = Word(name, False, span)
    if not name.isascii() and (stray := stray_character(name)):
        message = f"The character {describe(stray)} cannot stand in a name"
        raise fault(message, word, f"Write the column name in backticks: `{name}`")
    return word


def describe(character: str) -> str:
    """A character with its Unicode name: '“' (left double quotation mark)."""
    return f"'{character}' ({unicodedata.name(character, f'U+{ord(character):04X}').lower()})"


def is_plain(name: str) -> bool:
    """Whether `name` can be written without backticks."""
    first = name[1:2] if name.startswith(".") else name[:1]
    return (
        bool(first)
        and unicodedata.category(first).startswith("L")
        and stray_character(name) is None
        and name not in RESERVED
        and unicodedata.is_normalized("NFC", name)
    )


def in_text(name: str) -> str:
    """`name` as it stands in a model text: in backticks unless it is plain."""
    return name if is_plain(name) else f"`{name}`"


def near(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that was probably meant by `name`, or None."""
    lowered = {candidate.lower(): candidate for candidate in candidates}
    found = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return lowered[found[0]] if found else None


def meant(name: str, candidates: Iterable[str], prefix: str = "") -> str:
    """A remedy: the nearest candidate, and the list of all."""
    candidates = list(candidates)
    known = f"Known: {', '.join(prefix + candidate for candidate in candidates)}."
    found = near(name, candidates)
    return f"Did you mean {prefix}{found}? {known}" if found else known
