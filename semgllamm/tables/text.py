"""Tables as text, laid out as lavaan prints its summary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap

from semgllamm.tables.abbreviate import abbreviate_all
from semgllamm.tables.numbers import cell
from semgllamm.tables.table import Block, Cell, Facts, Heading, Row, Section, Statement, Table

__all__ = ["render"]

LINE = 80
# the first value of a fact ends in column 54, the second in column 66
VALUE_ENDS = (54, 66)
# names stand behind four blanks and leave room for "(labl)" where there are labels
NAME_WIDTH, LABELLED_NAME_WIDTH, LABEL_WIDTH = 14, 7, 4
COLUMN_WIDTH = 8
PREFIX = {"problem": "** ", "title": "", "warning": "Warning: ", "note": "Note: "}


def render(blocks: Iterable[Block]) -> str:
    """The report as text; numbers of one kind stand in columns of one width throughout."""
    blocks = list(blocks)
    widths = column_widths(blocks)
    parts = []
    for block in blocks:
        match block:
            case Statement():
                parts.append(statement(block))
            case Facts():
                parts.append(facts(block))
            case Heading():
                parts.append(f"\n{block.text}")
            case Table():
                parts.append(table(block, widths))
    return "\n\n".join(parts) + "\n"


def statement(block: Statement) -> str:
    return "\n".join(wrap(PREFIX[block.kind] + block.text, LINE, subsequent_indent="   ", break_on_hyphens=False))


def facts(block: Facts) -> str:
    lines = [block.title] if block.title else []
    if block.columns:
        lines.append(aligned("", block.columns))
    elif block.title:
        lines.append("")
    lines += [aligned(("    " if fact.sub else "  ") + fact.label, fact.values) for fact in block.rows]
    return "\n".join(lines)


def aligned(label: str, values: Sequence[Cell]) -> str:
    """The label, then each value right-justified at its column; a text that is too long has lines of its own."""
    if len(values) == 1 and len(label) + 2 + len(cell(values[0])) > VALUE_ENDS[1]:
        return "\n".join([label, *wrap(cell(values[0]), LINE, initial_indent=" " * 4, subsequent_indent=" " * 4)])
    line = label
    for end, value in zip(VALUE_ENDS, values, strict=False):
        shown = cell(value)
        if shown:
            line += " " * max(2, end - len(line) - len(shown)) + shown
    return line


def column_widths(blocks: Iterable[Block]) -> dict[str, int]:
    """The width that each column needs: lavaan's eight characters, or more."""
    widths: dict[str, int] = {}
    for block in blocks:
        if isinstance(block, Table):
            for i, title in enumerate(block.columns):
                needed = max([COLUMN_WIDTH, len(title), *(cell_width(row.cells[i]) for row in block.rows)])
                widths[title] = max(widths.get(title, 0), needed)
    return widths


def cell_width(value: Cell) -> int:
    """Words stand a blank further apart than numbers."""
    return len(cell(value)) + isinstance(value, str)


def table(block: Table, widths: dict[str, int]) -> str:
    """Title, column names, sections; columns beyond the end of the line follow below, as R prints a wide matrix."""
    stubs = left_column(block)
    stub_width = max([4 + NAME_WIDTH, *(len(stub) for stub, row in stubs if row is not None)])
    lines = [block.title]
    for panel, columns in enumerate(panels(block.columns, widths, stub_width)):
        names, room = [block.columns[i] for i in columns], 0 if panel else stub_width
        lines.append(" " * room + "".join(f" {name:>{widths[name]}}" for name in names))
        for stub, row in stubs:
            cells = ["" if row is None else cell(row.cells[i]) for i in columns]
            numbers = "".join(f" {value:>{widths[name]}}" for name, value in zip(names, cells, strict=True))
            lines.append((stub.ljust(room) if panel == 0 else "") + numbers)
    lines += [f"  {line}" for note in block.notes for line in wrap(note, LINE - 2)]
    return "\n".join(line.rstrip() for line in lines)


def panels(columns: Sequence[str], widths: dict[str, int], stub_width: int) -> list[list[int]]:
    """Column numbers, broken where the line is full."""
    broken: list[list[int]] = [[]]
    used = stub_width
    for i, name in enumerate(columns):
        needed = 1 + widths[name]
        if broken[-1] and used + needed > LINE:
            broken.append([])
            used = 0
        broken[-1].append(i)
        used += needed
    return broken


def left_column(block: Table) -> list[tuple[str, Row | None]]:
    """The stub of every line, with the row it belongs to; None for the line of a sub-header."""
    labels = abbreviate_all((row.label for row in block.rows if row.label), LABEL_WIDTH)
    width = LABELLED_NAME_WIDTH if labels else NAME_WIDTH
    names = {row.name: row.name for row in block.rows}
    if not block.whole_names:
        names = abbreviate_all(names, width)
    stubs: list[tuple[str, Row | None]] = []
    for section in block.sections:
        if section.header:
            stubs.append((sub_header(section), None))
        stubs += [(stub(row, names, labels), row) for row in section.rows]
    return stubs


def sub_header(section: Section) -> str:
    return f"{' .' if section.residual else '  '}{section.header}"


def stub(row: Row, names: dict[str, str], labels: dict[str, str]) -> str:
    name = f"{'   .' if row.residual else '    '}{names[row.name]}"
    if not row.label:
        return name
    return f"{name} {f'({labels[row.label]})':>{4 + NAME_WIDTH - len(name) - 1}}"
