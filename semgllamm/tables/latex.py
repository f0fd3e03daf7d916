"""Tables as LaTeX with booktabs rules; long ones break over pages (longtable)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from unicodedata import name as character_name

from semgllamm.tables.numbers import cell
from semgllamm.tables.table import Block, Facts, Heading, Row, Section, Statement, Table

__all__ = ["escape", "render"]

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"$\sim$",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "*": "$*$",
    "−": "$-$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "ς": r"$\varsigma$",
}
# Greek capitals that TeX has; the others look like a Latin letter, and so does the small omicron
CAPITALS = {"gamma", "delta", "theta", "lamda", "xi", "pi", "sigma", "upsilon", "phi", "psi", "omega"}
LATIN = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧο", "ABEZHIKMNOPTXo"))


def render(blocks: Iterable[Block]) -> str:
    """The report as LaTeX source; neighbouring tables with the same columns are set as one."""
    parts = [r"% needs \usepackage{booktabs,longtable}"]
    for _, run in groupby(blocks, key=lambda block: block.columns if isinstance(block, Table) else id(block)):
        run = list(run)
        match run[0]:
            case Table():
                parts.append(tables(run))
            case Facts():
                parts.append(facts(run[0]))
            case Heading():
                size = r"\large" if run[0].depth == 1 else ""
                parts.append(rf"\noindent{{{size}\bfseries {escape(run[0].text)}}}\par")
            case Statement():
                parts.append(statement(run[0]))
    return "\n\n".join(parts) + "\n"


def statement(block: Statement) -> str:
    text = escape(block.text)
    match block.kind:
        case "problem":
            text = rf"\textbf{{{text}}}"
        case "warning":
            text = rf"\emph{{Warning:}} {text}"
        case "note":
            text = rf"\emph{{Note:}} {text}"
    return rf"\noindent {text}\par"


def facts(block: Facts) -> str:
    width = max([1, len(block.columns), *(len(fact.values) for fact in block.rows)])
    lines = [r"\toprule"]
    if block.title:
        lines.append(rf"\multicolumn{{{width + 1}}}{{l}}{{\textbf{{{escape(block.title)}}}}} \\")
    if block.columns:
        lines.append(line("", *map(escape, block.columns)))
    if block.title or block.columns:
        lines.append(r"\midrule")
    for fact in block.rows:
        values = [*map(number, fact.values), *[""] * (width - len(fact.values))]
        lines.append(line((r"\quad " if fact.sub else "") + escape(fact.label), *values))
    return longtable("l" + "r" * width, [*lines, r"\bottomrule"])


def tables(blocks: list[Table]) -> str:
    """Tables with the same columns under one row of column names, which is repeated on every page."""
    columns = blocks[0].columns
    lines = [r"\toprule", line("", *map(escape, columns)), r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot"]
    for i, block in enumerate(blocks):
        if i:
            lines.append(r"\addlinespace")
        lines.append(rf"\multicolumn{{{len(columns) + 1}}}{{l}}{{\textbf{{{escape(block.title)}}}}} \\*")
        for section in block.sections:
            lines += section_lines(section, len(columns))
    notes = [rf"\noindent {escape(note)}\par" for block in blocks for note in block.notes]
    return "\n\n".join([longtable("l" + "r" * len(columns), lines), *notes])


def section_lines(section: Section, width: int) -> Iterator[str]:
    if section.header:
        dot = "." if section.residual else ""
        yield rf"\multicolumn{{{width + 1}}}{{l}}{{\quad {dot}{escape(section.header)}}} \\*"
    indent = r"\qquad " if section.header else r"\quad "
    for row in section.rows:
        yield line(indent + row_name(row), *map(number, row.cells))


def row_name(row: Row) -> str:
    label = f" ({escape(row.label)})" if row.label else ""
    return f"{'.' if row.residual else ''}{escape(row.name)}{label}"


def longtable(columns: str, lines: list[str]) -> str:
    return "\n".join([rf"\begin{{longtable}}[l]{{{columns}}}", *lines, r"\end{longtable}"])


def line(*cells: str) -> str:
    return " & ".join(cells) + r" \\"


def number(value: object) -> str:
    """A cell, with a minus sign instead of a hyphen."""
    shown = escape(cell(value))
    return "$-$" + shown[1:] if shown.startswith("-") and not isinstance(value, str) else shown


def escape(text: str) -> str:
    """Text that TeX sets as written, Greek letters included."""
    return "".join(SPECIAL.get(character) or greek(character) for character in text)


def greek(character: str) -> str:
    """``\\theta`` for θ; any other character is left alone."""
    words = character_name(character, "").split()
    if words[:1] != ["GREEK"] or words[2:3] != ["LETTER"] or len(words) != 4:
        return character
    case, letter = words[1], words[3].lower()
    if character in LATIN:
        return f"${LATIN[character]}$"
    if case == "SMALL":
        return rf"$\{latex_spelling(letter)}$"
    return rf"$\{latex_spelling(letter).capitalize()}$" if letter in CAPITALS else character


def latex_spelling(letter: str) -> str:
    return "lambda" if letter == "lamda" else letter
