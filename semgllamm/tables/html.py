"""Tables as HTML that a screen reader can walk: captions, and header cells with their scope."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from semgllamm.tables.numbers import cell
from semgllamm.tables.table import Block, Facts, Heading, Row, Section, Statement, Table

__all__ = ["render"]

STYLE = """<style>
.semgllamm table { border-collapse: collapse; margin: 0 0 1em; }
.semgllamm caption { text-align: left; font-weight: bold; }
.semgllamm th, .semgllamm td { padding: 0.1em 0.6em; font-variant-numeric: tabular-nums; }
.semgllamm th[scope="row"], .semgllamm th[scope="rowgroup"] { text-align: left; font-weight: normal; }
.semgllamm th[scope="rowgroup"] { font-style: italic; }
.semgllamm th[scope="col"], .semgllamm td { text-align: right; min-width: 4em; }
.semgllamm th[scope="row"] { min-width: 12em; }
.semgllamm thead { border-bottom: 1px solid; }
.semgllamm .sub { padding-left: 2em; }
.semgllamm .problem { font-weight: bold; }
</style>"""


def render(blocks: Iterable[Block]) -> str:
    """The report as one ``<div>``."""
    parts = ['<div class="semgllamm">', STYLE]
    for block in blocks:
        match block:
            case Statement():
                parts.append(statement(block))
            case Facts():
                parts.append(facts(block))
            case Heading():
                parts.append(f"<h{2 + block.depth}>{escape(block.text.rstrip(':'))}</h{2 + block.depth}>")
            case Table():
                parts.append(table(block))
    return "\n".join([*parts, "</div>", ""])


def statement(block: Statement) -> str:
    role = ' role="alert"' if block.kind == "problem" else ""
    word = {"warning": "Warning: ", "note": "Note: "}.get(block.kind, "")
    return f'<p class="{block.kind}"{role}>{word}{escape(block.text)}</p>'


def facts(block: Facts) -> str:
    width = max([len(block.columns), *(len(fact.values) for fact in block.rows)])
    lines = ["<table>", caption(block.title or block.caption)]
    if block.columns:
        lines.append(column_heads(block.columns))
    lines.append("<tbody>")
    for fact in block.rows:
        css = ' class="sub"' if fact.sub else ""
        cells = [*map(cell, fact.values), *[""] * (width - len(fact.values))]
        lines.append(f'<tr><th scope="row"{css}>{escape(fact.label)}</th>{data_cells(cells)}</tr>')
    return "\n".join([*lines, "</tbody>", "</table>"])


def table(block: Table) -> str:
    lines = ["<table>", caption(block.title), column_heads(block.columns)]
    for section in block.sections:
        lines += ["<tbody>", *section_rows(section, len(block.columns)), "</tbody>"]
    lines.append("</table>")
    return "\n".join([*lines, *(f"<p>{escape(note)}</p>" for note in block.notes)])


def section_rows(section: Section, width: int) -> list[str]:
    lines = []
    if section.header:
        dot = "." if section.residual else ""
        lines.append(f'<tr><th scope="rowgroup" colspan="{width + 1}">{dot}{escape(section.header)}</th></tr>')
    for row in section.rows:
        css = ' class="sub"' if section.header else ""
        lines.append(f'<tr><th scope="row"{css}>{row_name(row)}</th>{data_cells(map(cell, row.cells))}</tr>')
    return lines


def row_name(row: Row) -> str:
    label = f" ({escape(row.label)})" if row.label else ""
    return f"{'.' if row.residual else ''}{escape(row.name)}{label}"


def caption(title: str) -> str:
    return f"<caption>{escape(title.rstrip(':'))}</caption>"


def column_heads(columns: Iterable[str]) -> str:
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    return f"<thead><tr><td></td>{heads}</tr></thead>"


def data_cells(cells: Iterable[str]) -> str:
    return "".join(f"<td>{escape(value)}</td>" for value in cells)
