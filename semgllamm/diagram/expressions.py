"""Arithmetic in labels (``:=``, constraints): evaluated and differentiated here, never run as Python."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from semgllamm.errors import ModelError, Span

__all__ = ["FUNCTIONS", "Binary", "Call", "Expression", "Name", "Negative", "Number", "evaluate", "gradient", "names",
           "written"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Number:
    value: float
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Name:
    """A label, an earlier definition, or an automatic name in backticks."""

    name: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Negative:
    operand: Expression
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Binary:
    """`op` is one of ``+ - * / ^``."""

    op: str
    left: Expression
    right: Expression
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """exp, log, sqrt, abs, tanh, atanh, pnorm, plogis."""

    function: str
    argument: Expression
    span: Span | None = None


Expression = Number | Name | Negative | Binary | Call


def evaluate(expression: Expression, values: Mapping[str, float]) -> float:
    """The value of an expression.

    Parameters
    ----------
    expression : Expression
    values : mapping of str to float
        The value of each name in it.

    Returns
    -------
    float
        NaN where the expression is not defined, such as ``log(-1)``.

    Raises
    ------
    ModelError
        If a name has no value.
    """
    return _forward(expression, values)[0]


def gradient(expression: Expression, values: Mapping[str, float]) -> dict[str, float]:
    """The derivatives of an expression with respect to each name in it, exact, by forward differentiation.

    Parameters
    ----------
    expression : Expression
    values : mapping of str to float
        The value of each name in it.

    Returns
    -------
    dict of str to float
        One entry per name that the expression contains.
    """
    return _forward(expression, values)[1]


def names(expression: Expression) -> tuple[str, ...]:
    """The names in an expression, each once, from left to right."""
    match expression:
        case Name(name):
            return (name,)
        case Negative(inner) | Call(_, inner):
            return names(inner)
        case Binary(_, left, right):
            return tuple(dict.fromkeys(names(left) + names(right)))
    return ()


def written(expression: Expression, text: str) -> str:
    """The expression as it stands in the model text, without blanks, which is how lavaan prints it."""
    span, lines = expression.span, text.splitlines()
    if span is None:
        return ""
    wanted = lines[span.line - 1 : span.end_line]
    wanted[-1] = wanted[-1][: span.end_column - 1]
    wanted[0] = wanted[0][span.column - 1 :]
    return "".join("".join(wanted).split())


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


# each function with its derivative as a function of (x, f(x))
FUNCTIONS: dict[str, tuple[Callable[[float], float], Callable[[float, float], float]]] = {
    "exp": (math.exp, lambda x, f: f),
    "log": (math.log, lambda x, f: 1 / x),
    "sqrt": (math.sqrt, lambda x, f: 0.5 / f),
    "abs": (abs, lambda x, f: math.copysign(1.0, x) if x else 0.0),
    "tanh": (math.tanh, lambda x, f: 1 - f * f),
    "atanh": (math.atanh, lambda x, f: 1 / (1 - x * x)),
    "pnorm": (_normal, lambda x, f: math.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)),
    "plogis": (_logistic, lambda x, f: f * (1 - f)),
}


def _defined(function: Callable[..., float], *arguments: float) -> float:
    """The value, infinite on overflow, NaN outside the domain."""
    try:
        value = function(*arguments)
    except OverflowError:
        return math.inf
    except (ValueError, ZeroDivisionError):
        return math.nan
    return math.nan if isinstance(value, complex) else value


def _forward(expression: Expression, values: Mapping[str, float]) -> tuple[float, dict[str, float]]:
    match expression:
        case Number(value):
            return value, {}
        case Name(name):
            if name not in values:
                raise ModelError(
                    f"No parameter has the label or name '{name}'",
                    span=expression.span,
                    remedy="Give the label to a term (name*x), or define it with name := ...",
                )
            return float(values[name]), {name: 1.0}
        case Negative(inner):
            value, slopes = _forward(inner, values)
            return -value, {name: -slope for name, slope in slopes.items()}
        case Call(function, inner):
            value, slopes = _forward(inner, values)
            rule, derivative = FUNCTIONS[function]
            result = _defined(rule, value)
            factor = math.nan if math.isnan(result) else _defined(derivative, value, result)
            return result, {name: factor * slope for name, slope in slopes.items()}
        case Binary(op, left, right):
            (x, dx), (y, dy) = _forward(left, values), _forward(right, values)
            value, by_left, by_right = _partials(op, x, y, varying_exponent=bool(dy))
            slopes = {name: by_left * slope for name, slope in dx.items()}
            for name, slope in dy.items():
                slopes[name] = slopes.get(name, 0.0) + by_right * slope
            return value, slopes
    raise TypeError(f"not an expression: {expression!r}")


def _partials(op: str, x: float, y: float, varying_exponent: bool) -> tuple[float, float, float]:
    """``x op y`` and its derivatives with respect to x and y."""
    if op == "+":
        return x + y, 1.0, 1.0
    if op == "-":
        return x - y, 1.0, -1.0
    if op == "*":
        return x * y, y, x
    if op == "/":
        quotient = _defined(lambda: x / y)
        return quotient, _defined(lambda: 1 / y), _defined(lambda: -quotient / y)
    value = _defined(math.pow, x, y)
    by_base = _defined(lambda: y * math.pow(x, y - 1)) if y else 0.0
    by_exponent = _defined(lambda: value * math.log(x)) if varying_exponent else 0.0
    return value, by_base, by_exponent
