"""What the parser did not expect, in sentences.

Errors are told by example. Each message below has broken texts that call for it. Parsing those gives the situation
(where in a statement the parser stood), the token it had read last, and the one it could not use; an error in a model
text gets the message of the example that agrees with it in all three, else in situation and token, else in situation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from semgllamm.errors import ModelSyntaxError, Span
from semgllamm.syntax import tree
from semgllamm.syntax.names import describe

__all__ = ["MESSAGES", "Message", "explain"]


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence and a remedy, with the broken texts that call for them; ``{}`` stands for the unexpected token."""

    sentence: str
    remedy: str
    examples: tuple[str, ...]


SIDE_BY_SIDE = "Join terms with +, a modifier and its term with *; a column name with a blank stands in backticks."

MESSAGES = (
    # ------------------------------------------------------------------------------- at the start of a line
    Message(
        "Nothing stands left of '{}'",
        "A statement is a left side, an operator and a right side: y ~ x",
        ("~ x", "=~ x", "| t1", "; ~ x"),
    ),
    Message("A statement cannot begin with '{}'", "It begins with a name, as in y ~ x", ("* x", ", x", ": x", "^ x")),
    Message("This parenthesis was never opened", "Take it out, or open it before.", (") ~ x", "y) ~ x", "y ~ x)")),
    # ------------------------------------------------------------------------------- on the left side
    Message(
        "A single = is no operator",
        "Write ~ for a regression, =~ for measurement, == for a constraint.",
        ("y = x", "= x", "y ~ x = z", "y ~ = x"),
    ),
    Message(
        "This line has no operator",
        "A statement has one, as in y ~ x or f =~ y1 + y2; a line goes on if the one before ends with +",
        ("x", "x1 + x2", "x; y ~ z", "x @family(poisson)"),
    ),
    Message(
        "'{}' follows a name without a sign between them",
        SIDE_BY_SIDE,
        ("f g =~ x", "y ~ x z", "y ~ (x z | g)", 'y ~ x "a"', "y ~ `x` z", "y ~ x `z`", "`x` z ~ w", 'x "a" ~ y'),
    ),
    Message(
        "The number '{}' follows a name without a sign between them",
        "A modifier stands before its term: 0.5*x; a header has a colon: level: 1",
        ("level 1", "y ~ x 1", "y ~ (x 1 | g)"),
    ),
    Message(
        "A name cannot begin with a digit",
        "For a fixed coefficient write 2*x; a column name that begins with a digit stands in backticks: `2x`",
        ("2x ~ y", "y ~ 2x", "y ~ x + 1 z", "y ~ (2x | g)"),
    ),
    Message(
        "Terms are joined with +, not with commas",
        "Write f =~ y1 + y2 + y3; one value per group is c(a, b)*x",
        ("y, x ~ z", "y ~ x, z", "y ~ (x, z)", "y ~ , z"),
    ),
    # ------------------------------------------------------------------------------- on the right side
    Message(
        "'{}' is a second operator in this statement",
        "Each statement has one. A line goes on if it ends in an operator or +, or if the next one begins with one.",
        ("y ~ x ~ z", "y ~ x =~ z", "a == b == c", "y ~~ x := z"),
    ),
    Message(
        "A bar cannot stand here",
        "A random-effect term stands in parentheses: y ~ x + (x | g); thresholds are u | t1 + t2",
        ("y ~ x | g", "y ~ x || g", "y || x", "y ~ | g", "y ~ || g"),
    ),
    Message(
        "A sign is missing before this parenthesis",
        "Join terms with +, a modifier and its term with *",
        ("y ~ (1 | g) (1 | h)", "y ~ 2 (x)", "y ~ 'a' (x)"),
    ),
    Message(
        "A sign is missing before '{}'",
        SIDE_BY_SIDE,
        ("y ~ (1 | g) x", "y ~ (1 | g) 2", 'y ~ "a" x', 'y ~ "a" 2', "y ~ c(a) x", "y ~ 2 3", "y ~ 2 `x`"),
    ),
    Message(
        "Only directives can follow a directive on its line",
        "A header has a line of its own; a directive for one statement stands at the end of that statement.",
        ("@level(g) y ~ x", "y ~ x @a(b) + z", "@level(g), x", "@level(g) ~ x", "@level y", "y ~ x @a(b) =~"),
    ),
    # ------------------------------------------------------------------------------- where a term must come
    Message(
        "Nothing stands right of the operator",
        "Write what stands there, as in y ~ x; a latent variable without measures is f =~ 0",
        ("y ~", "y ~ ; z ~ x", "f =~", "u |", "y ~ @family(poisson)", "y ~ )", "f =~ )", "f =~ @level(g)"),
    ),
    Message(
        "A term must follow the +",
        "Take the + out, or write the term.",
        ("y ~ x +", "y ~ x + ; z ~ w", "y ~ x + )", "y ~ x + + z", "y ~ (1 + | g)", "y ~ (1 + || g)", "c(a + , b)"),
    ),
    Message(
        "A term must follow the *",
        "A modifier stands before its term: a*x",
        ("y ~ a*", "y ~ a* ; z ~ w", "y ~ a*+x", "y ~ a*)"),
    ),
    Message("'**' is no operator", "A power is written ^, and in := and constraints only.", ("y ~ a**x",)),
    Message(
        "A modifier must stand before the *",
        "Write a*x, or leave the * out.",
        ("y ~ *x", "y ~ x + *z", "y ~ (*x"),
    ),
    Message(
        "'>=' and '<=' are written > and <",
        "A bound includes its limit: a > 0",
        ("a >= 0", "a <= 0"),
    ),
    Message("'->' is no operator", "For a regression of y on x write y ~ x", ("x -> y", "y ~ x -> z")),
    Message(
        "Two operators in a row",
        "An operator is written without blanks: =~ not = ~",
        ("y ~ =~ x", "y =~ ~ x", "y ~ ~ x", "y =~ =~ x", "f =~ = x"),
    ),
    Message(
        "A product lacks a factor",
        "Write x:z",
        ("y ~ x:", "y ~ x: ; z ~ w", "y ~ x:+z", "y ~ :x", "y ~ x::z"),
    ),
    Message("A number or name must follow the -", "Write -1*x", ("y ~ -", "y ~ x - ; z ~ w", "y ~ -*x", "y ~ -)")),
    Message("Nothing stands between these parentheses", "Write what belongs there.", ("y ~ ()", "() ~ x")),
    Message("The cluster is missing", "A random intercept is (1 | school).", ("y ~ (1 | )", "y ~ (1 || )")),
    Message("Nothing stands left of the bar", "A random intercept is (1 | school).", ("y ~ ( | g)", "y ~ (|| g)")),
    Message("A number or name must follow here", "Write it.", ("y ~ x^", "y ~ x/", "y ~ 1?", "y ~ x^*z")),
    Message(
        "An argument is missing",
        "Take the comma out, or write the argument.",
        ("@a(b,)", "@a(,b)", "y ~ c(a,,b)*x"),
    ),
    Message("A value must follow the =", "Write it, as in known=group", ("@a(b=)", "@a(b=,c)")),
    # ------------------------------------------------------------------------------- in parentheses
    Message(
        "This term has two bars",
        "One bar and one cluster: (1 | school); nested clusters are (1 | school/class).",
        ("y ~ (1 | a | b)", "y ~ (1 | a || b)"),
    ),
    Message(
        "'{}' cannot stand in parentheses",
        "Parentheses hold arithmetic or a random-effect term: (1/2)*x, (1 | g)",
        ("(y ~ x)", "y ~ (x =~ z)", "y ~ (1 | g ~ x)", "y ~ (1 | g =~ x)", "y ~ (x = 1)"),
    ),
    Message(
        "A comma is missing between these arguments",
        "Write c(a, b)",
        ("y ~ c(a b)*x", "@a(b c)", "@a(b 1)", '@a("b" c)', "@a(1 b)", "@a(b(c) d)", "@a('b' 'c')"),
    ),
    Message(
        "'{}' cannot stand between arguments",
        "Arguments are separated by commas.",
        ("@a(b == c)", "@a(b =~ c)", "@a(b | c)", "@a(b || c)", "@a(b ~ c ~ d)", "@a(b = c = d)"),
    ),
)

# what stands in for a character that no rule of the language begins with: (sentence, remedy)
CHARACTERS = {
    **dict.fromkeys('“”„«»″', ("{} is a typographic quote", 'Write straight quotes: "a"')),
    **dict.fromkeys("‘’‚′", ("{} is a typographic quote", "Write straight quotes: 'a'")),
    **dict.fromkeys("‐‑‒–—―−", ("{} is no minus sign of the keyboard", "Write the plain hyphen: -")),
    **dict.fromkeys("×·∗⋅", ("{} is no operator", "Write * between a modifier and its term.")),
    **dict.fromkeys("÷⁄", ("{} is no operator", "Write / in arithmetic.")),
    **dict.fromkeys("≤≥", ("{} is no operator", "Write < or >; a bound includes its limit.")),
    **dict.fromkeys("∼∽～", ("{} is no tilde of the keyboard", "Write the plain tilde: ~")),
    '"': ("This quote is not closed on its line", 'Close it: "a"'),
    "'": ("This quote is not closed on its line", "Close it: 'a'"),
    "`": ("This backtick is not closed on its line", "Close it: `column name`"),
    "_": ("A name cannot begin with an underscore", "Write the column name in backticks: `_x`"),
    ".": ("A dot must be followed by a letter or a digit", "Name the columns one by one: y ~ x1 + x2"),
    "@": ("A directive's name must follow the @", "For instance @family(y, poisson), without a blank after the @."),
    "[": ("{} cannot stand in a name", "A column name with brackets stands in backticks: `site[b]`"),
    "]": ("{} cannot stand in a name", "A column name with brackets stands in backticks: `site[b]`"),
    "$": ("{} cannot stand in a name", "Write the column's name alone: x, not data$x"),
    "\\": ("{} has no meaning here", "A line goes on if it ends in + or an operator."),
}
ANY_CHARACTER = ("The character {} has no meaning here", "A column name that is no plain name stands in backticks.")


def explain(unexpected, parse: Callable) -> ModelSyntaxError:
    """The error for what Lark did not expect; `parse` reads the examples when the first one is needed."""
    token = getattr(unexpected, "token", None)
    if token is None:
        span = Span(unexpected.line, unexpected.column, unexpected.line, unexpected.column + 1)
        sentence, remedy = CHARACTERS.get(unexpected.char, ANY_CHARACTER)
        return ModelSyntaxError(sentence.format(describe(unexpected.char)), span=span, remedy=remedy)
    situation, _, kind = standing = stand(unexpected)
    if situation in ("parentheses", "arguments", "operand"):
        opening = unclosed(unexpected)
        if opening is not None and (kind in ("end", "DIRECTIVE_NAME") or token.line > opening.line):
            span = Span(opening.line, opening.column, opening.end_line, opening.end_column)
            return ModelSyntaxError("This parenthesis is not closed", span=span, remedy="Close it with )")
    known = catalogue(parse)
    message = known.get(standing) or known.get((situation, kind)) or known.get(situation)
    if message is None:
        return ModelSyntaxError(f"'{token}' cannot stand here", span=place(token))
    return ModelSyntaxError(message.sentence.replace("{}", str(token)), span=place(token), remedy=message.remedy)


def place(token) -> Span:
    """Where a token stands; the end of a line or of the text is one column behind the last token."""
    if token.type == "$END":
        return Span(token.end_line, token.end_column, token.end_line, token.end_column + 1)
    if token.type == "_NL":
        return Span(token.line, token.column, token.line, token.column + 1)
    return Span(token.line, token.column, token.end_line, token.end_column)


@cache
def catalogue(parse: Callable) -> dict:
    """Each message under what its examples show, first come first served; looser keys come last."""
    from lark import UnexpectedInput

    found: dict = {}
    for message in MESSAGES:
        for example in message.examples:
            try:
                parse(example)
            except UnexpectedInput as unexpected:
                situation, last, kind = stand(unexpected)
                found.setdefault((situation, last, kind), message)
                found.setdefault((situation, kind), message)
                found.setdefault(situation, message)
    return found


def stand(unexpected) -> tuple[str, str, str]:
    """The situation, what was read last, and the kind of the token that was not expected."""
    token, last = unexpected.token, read_last(unexpected)
    kind = "end" if token.type in ("$END", "_NL") else "OPERATOR" if token.type == "TILDE" else token.type
    return situation_of(unexpected), last, kind


def situation_of(unexpected) -> str:
    """Where in a statement the parser stands, from the tokens it could go on with."""
    accepted = unexpected.accepts
    if "LAVAAN_HEADER" in accepted:
        return "start"
    if "OPERATOR" in accepted:
        return "left"
    if "DIRECTIVE_NAME" in accepted:
        return "directive" if any(map(is_directive, stack_of(unexpected))) else "right"
    if "COMMA" in accepted:
        return "arguments"
    if "RPAR" in accepted and "NAME" not in accepted:
        return "parentheses"
    return "operand"


def read_last(unexpected) -> str:
    """What lies on top of the parser's stack: the sign of an operator, the kind of a token or of a term."""
    stack = stack_of(unexpected)
    top = stack[-1] if stack else None
    match top:
        case tree.Operator(symbol):
            return symbol
        case tree.Word():
            return "NAME"
        case tree.Numeral():
            return "NUMBER"
        case tree.Text():
            return "STRING"
        case tree.Group() | tree.Call() | tree.RandomEffects():
            return "RPAR"
    kind = getattr(top, "type", type(top).__name__)
    return str(top) if kind in ("OPERATOR", "TILDE", "BAR") else kind


def stack_of(unexpected) -> list:
    return unexpected.interactive_parser.parser_state.value_stack


def is_directive(value) -> bool:
    """A directive of the line that is being read: its name, itself, or a list of several."""
    if isinstance(value, list):
        return bool(value) and is_directive(value[-1])
    return isinstance(value, tree.Directive) or getattr(value, "type", None) == "DIRECTIVE_NAME"


def unclosed(unexpected):
    """The last parenthesis that is open, or None."""
    return next((value for value in reversed(stack_of(unexpected)) if getattr(value, "type", None) == "LPAR"), None)
