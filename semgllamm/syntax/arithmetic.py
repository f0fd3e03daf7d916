"""From the tree to expressions: the two sides of constraints, the right of ``:=``, and constants before a term."""

from __future__ import annotations

import math

from semgllamm.diagram import expressions as ex
from semgllamm.syntax import tree
from semgllamm.syntax.names import RESERVED, fault, meant

__all__ = ["constant", "expression"]

# an expression is walked by recursion wherever it is used, so its depth has a bound
DEEPEST = 200


def expression(node: tree.Node, depth: int = 0) -> ex.Expression:
    """The expression that `node` says, labels as names."""
    if depth > DEEPEST:
        raise fault("This expression is nested too deeply", node, "Name its parts first, each with `part := ...`.")
    match node:
        case tree.Numeral(value):
            return ex.Number(value, node.span)
        case tree.Word(name, quoted):
            if name in RESERVED and not quoted:
                raise fault(f"'{name}' is a reserved word and no label", node, "Give the label another name.")
            return ex.Name(name, node.span)
        case tree.Negative(operand):
            return ex.Negative(expression(operand, depth + 1), node.span)
        case tree.Group(inner):
            return expression(inner, depth + 1)
        case tree.Power(base, exponent):
            return ex.Binary("^", expression(base, depth + 1), expression(exponent, depth + 1), node.span)
        case tree.Sum(terms, signs):
            return _joined(node, terms, signs[1:], depth, minus_first=signs[0] == "-")
        case tree.Chain(factors, signs):
            if "?" in signs:
                raise fault("'?' gives a start value; it is no arithmetic", node, "Use + - * / ^ and functions here.")
            return _joined(node, factors, signs, depth)
        case tree.Call(function, arguments):
            return _call(node, function, arguments, depth)
        case tree.Text(value):
            remedy = f"A label stands bare, or in backticks if it is no plain name: `{value}`"
            raise fault("A text in quotes cannot be computed with", node, remedy)
        case tree.Product():
            raise fault("':' is the product of two variables", node, "Labels are multiplied with *: a*b")
    raise fault("This cannot be part of an expression", node, "Expressions are arithmetic in labels: a*b + c")


def _joined(node, operands, signs, depth, minus_first=False) -> ex.Expression:
    """Operators of one rank, from left to right."""
    if len(operands) > DEEPEST:
        remedy = "Sum up parts first, each with `part := ...`."
        raise fault(f"More than {DEEPEST} operands in one expression", node, remedy)
    depth += len(operands)
    result = expression(operands[0], depth)
    if minus_first:
        result = ex.Negative(result, node.span)
    for sign, operand in zip(signs, operands[1:]):
        result = ex.Binary(sign, result, expression(operand, depth), node.span)
    return result


def _call(node, function, arguments, depth) -> ex.Call:
    if function not in ex.FUNCTIONS:
        raise fault(f"Unknown function '{function}'", node, meant(function, ex.FUNCTIONS))
    if len(arguments) != 1 or isinstance(arguments[0], tree.Keyword | tree.Formula):
        raise fault(f"{function}() takes one argument", node, f"For instance {function}(a + b)")
    return ex.Call(function, expression(arguments[0], depth + 1), node.span)


def constant(node: tree.Node) -> float:
    """The value of a numeric expression, in which the only names are ``pi`` and ``Inf``."""
    named = _label_within(node)
    if named is not None:
        message = f"'{named.name}' stands in the arithmetic of a modifier, which holds numbers only"
        remedy = f"Name the path with a label of its own, then constrain it: label == ... {named.name} ..."
        raise fault(message, named, remedy)
    value = ex.evaluate(expression(_infinite(node)), {"pi": math.pi, _INFINITY: math.inf})
    if math.isnan(value):
        raise fault("This arithmetic has no value", node, "Write the number itself.")
    return value


_INFINITY = "infinity"


def _infinite(node):
    """`node`, or for a bare ``Inf`` or ``-Inf`` a name that evaluates to it."""
    match node:
        case tree.Word("Inf", False):
            return tree.Word(_INFINITY, True, node.span)
        case tree.Negative(tree.Word("Inf", False)):
            return tree.Negative(tree.Word(_INFINITY, True, node.operand.span), node.span)
    return node


def _label_within(node) -> tree.Word | None:
    """The first name in `node` that is no constant, found without recursion."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        match node:
            case tree.Word(name):
                if name not in ("pi", "Inf"):
                    return node
            case tree.Negative(inner) | tree.Group(inner) | tree.Keyword(_, inner):
                waiting.append(inner)
            case tree.Power(base, exponent):
                waiting += [exponent, base]
            case tree.Sum(parts) | tree.Chain(parts) | tree.Product(parts) | tree.Call(_, parts):
                waiting += reversed(parts)
    return None
