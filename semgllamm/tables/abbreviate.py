"""Shorten a name so that it stays readable: what the eye reconstructs goes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

__all__ = ["abbreviate", "abbreviate_all"]


def drop_from_right(letters: list[str], width: int, droppable: str | None) -> list[str]:
    """Drop letters, rightmost first and never the first one, until `width` remain or none is droppable."""
    kept = list(letters)
    for i in range(len(letters) - 1, 0, -1):
        if len(kept) <= width:
            break
        if (droppable == "vowel" and letters[i] in "aeiou") or (droppable == "lower" and letters[i].islower()):
            del kept[i]
        elif droppable is None:
            kept.pop()
    return kept


def abbreviate(name: str, width: int) -> str:
    """`name` in at most `width` characters, as R's ``abbreviate`` does it.

    Lower-case vowels go first, then lower-case letters, then the end of the word: ``discrimination`` in four is
    ``dscr``.
    """
    letters = list(name)
    for droppable in ("vowel", "lower", None):
        letters = drop_from_right(letters, width, droppable)
    return "".join(letters)


def abbreviate_all(names: Iterable[str], width: int) -> dict[str, str]:
    """Short forms that differ where the names differ: those that would coincide are given more room."""
    names = list(dict.fromkeys(names))
    short = {name: abbreviate(name, width) for name in names}
    while clash := coinciding(short):
        width += 1
        short |= {name: abbreviate(name, width) for name in clash}
    return short


def coinciding(short: dict[str, str]) -> list[str]:
    """The names whose short form another name has as well."""
    forms = Counter(short.values())
    return [name for name, form in short.items() if forms[form] > 1]
