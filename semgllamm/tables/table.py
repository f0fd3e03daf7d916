"""What a printed report is made of: statements, facts, headings and tables, before anyone decides how they look."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Block", "Cell", "Fact", "Facts", "Heading", "Row", "Section", "Statement", "Table"]

# a number is printed by its kind (a float with three decimals, an int as a count), text as it is, None as a blank
Cell = float | int | str | None


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of the report; `kind` is "problem", "title", "warning" or "note"."""

    text: str
    kind: str = "note"


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and its one or two values; `sub` marks an item of the fact above it."""

    label: str
    values: tuple[Cell, ...] = ()
    sub: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """A list of facts; `columns` names the values where there are two, `caption` the list where it has no title."""

    rows: tuple[Fact, ...]
    title: str = ""
    columns: tuple[str, ...] = ()
    caption: str = "The fit"


@dataclass(frozen=True, slots=True)
class Heading:
    """Opens the tables of a group or of a level; `depth` 1 is the outer one."""

    text: str
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table; `residual` marks what belongs to a disturbance (lavaan's leading dot)."""

    name: str
    cells: tuple[Cell, ...]
    label: str = ""
    residual: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under one sub-header (``visual =~``), or under none."""

    rows: tuple[Row, ...]
    header: str = ""
    residual: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table: named columns, rows gathered in sections, notes below.

    Row names may be abbreviated in text, as in lavaan, unless `whole_names`.
    """

    title: str
    columns: tuple[str, ...]
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()
    whole_names: bool = False

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows, whatever their section."""
        return tuple(row for section in self.sections for row in section.rows)


Block = Statement | Facts | Heading | Table
