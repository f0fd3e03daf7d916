"""Text to tree: the Lark parser, built when the first model is read, and what it makes of each rule."""

from __future__ import annotations

import unicodedata
from functools import cache

from semgllamm.errors import ModelSyntaxError, Span
from semgllamm.syntax import messages, names, tree

__all__ = ["LONGEST_TEXT", "parse"]

LONGEST_TEXT = 200_000


def parse(text: str) -> tree.ModelText:
    """The tree of a model text.

    Parameters
    ----------
    text : str
        Model syntax, at most 200 000 characters.

    Raises
    ------
    ModelSyntaxError
        With the line quoted, a caret, and what to write instead.
    """
    if not isinstance(text, str):
        raise ModelSyntaxError(f"A model is a string, not {type(text).__name__}")
    if len(text) > LONGEST_TEXT:
        raise ModelSyntaxError(
            f"The model text has {len(text):,} characters; the longest that is read has {LONGEST_TEXT:,}",
            remedy="Is this a data file? The model comes first, the data second: fit(model, data).",
        )
    # one form of every line end and of every letter, so that lines count alike everywhere and é equals é
    text = "\n".join(unicodedata.normalize("NFC", text).removeprefix("\ufeff").splitlines())
    from lark import UnexpectedInput

    with names.quoting(text):
        try:
            lines = lalr().parse(text)
        except UnexpectedInput as unexpected:
            raise messages.explain(unexpected, lalr().parse) from None
        if not lines:
            raise ModelSyntaxError("Model syntax is empty", remedy="Write at least one statement: f =~ y1 + y2 + y3")
    return tree.ModelText(text, lines)


def grammar() -> str:
    """The grammar file: package data, or the folder beside the package in a source checkout."""
    from importlib import resources
    from pathlib import Path

    try:
        return resources.files("semgllamm.grammar").joinpath("semgllamm.lark").read_text(encoding="utf-8")
    except (ModuleNotFoundError, FileNotFoundError):
        return (Path(__file__).parents[2] / "grammar" / "semgllamm.lark").read_text(encoding="utf-8")


@cache
def lalr():
    """The parser; building it takes about 30 ms."""
    from lark import Lark

    return Lark(grammar(), parser="lalr", lexer="contextual", transformer=TreeMaker())


def place(token) -> Span:
    return Span(token.line, token.column, token.end_line, token.end_column)


def across(first: Span, last: Span) -> Span:
    return Span(first.line, first.column, last.end_line, last.end_column)


class TreeMaker:
    """One method for each rule or alias of the grammar, from its children to a node of the tree."""

    def start(self, children):
        return tuple(child for child in children if child is not None)

    def statement(self, children):
        left, operator, right, *directives = children
        span = across(left.span, children[-1].span)
        return tree.Statement(left, operator, right, tuple(directives), span)

    def operator(self, children):
        symbol = str(children[0]).replace("˜", "~")
        return tree.Operator(symbol, place(children[0]))

    def directive_line(self, children):
        return tree.DirectiveLine(tuple(children), across(children[0].span, children[-1].span))

    def directive(self, children):
        name = str(children[0])[1:]
        arguments = children[2] if len(children) > 1 else None
        return tree.Directive(name, arguments, across(place(children[0]), place(children[-1])))

    def lavaan_header(self, children):
        keyword, _, value = str(children[0]).partition(":")
        return tree.LavaanHeader(keyword.strip().lower(), value.strip(), place(children[0]))

    def sum(self, children):
        if not hasattr(children[0], "type"):
            children = ["+", *children]
        signs, terms = tuple(map(str, children[::2])), tuple(children[1::2])
        return tree.Sum(terms, signs, across(terms[0].span, terms[-1].span))

    def chain(self, children):
        factors = tuple(children[::2])
        return tree.Chain(factors, tuple(map(str, children[1::2])), across(factors[0].span, factors[-1].span))

    def product(self, children):
        return tree.Product(tuple(children), across(children[0].span, children[-1].span))

    def negative(self, children):
        return tree.Negative(children[1], across(place(children[0]), children[1].span))

    def power(self, children):
        return tree.Power(children[0], children[2], across(children[0].span, children[2].span))

    def word(self, children):
        return names.checked_word(str(children[0]), place(children[0]))

    def quoted_word(self, children):
        return tree.Word(str(children[0])[1:-1], True, place(children[0]))

    def numeral(self, children):
        return tree.Numeral(float(children[0]), str(children[0]), place(children[0]))

    def text(self, children):
        return tree.Text(str(children[0])[1:-1], place(children[0]))

    def call(self, children):
        function, _, arguments, closing = children
        return tree.Call(str(function), arguments, across(place(function), place(closing)))

    def group(self, children):
        opening, inner, closing = children
        return tree.Group(inner, across(place(opening), place(closing)))

    def random_term(self, children):
        opening, terms, bar, cluster, closing = children
        return tree.RandomEffects(terms, str(bar), cluster, across(place(opening), place(closing)))

    def arguments(self, children):
        return tuple(children)

    def keyword(self, children):
        name = names.checked_word(str(children[0]), place(children[0]))
        return tree.Keyword(name, children[1], across(name.span, children[1].span))

    def formula(self, children):
        left, _, right = children
        return tree.Formula(left, right, across(left.span, right.span))
