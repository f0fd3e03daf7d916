"""Diagram to text: what the round trips of tests/grammar do not show."""

import math
import random

import pytest

from semgllamm.diagram import expressions as ex
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.parts import Block, Definition, Path
from semgllamm.syntax.build import read
from semgllamm.syntax.write import expression, write


def test_neighbouring_paths_share_a_line():
    assert write(read("f =~ x1\nf =~ a*x2\ny ~ 1\ny ~ x")) == "f =~ x1 + a*x2\ny ~ 1 + x\n"


def test_blocks_are_headed():
    text = "y ~ x\n\n@level(school) @group(a)\ny ~~ y\n\n@level(row)\nz ~ x\n"
    assert write(read(text)) == text


def test_odd_names_stand_in_backticks():
    assert write(read("`a b` ~ x + `NA`")) == "`a b` ~ x + `NA`\n"


def test_long_statements_are_folded():
    written = write(read("y ~ " + " + ".join(f"a_rather_long_name_{i}" for i in range(20))))
    assert max(map(len, written.splitlines())) <= 102
    assert len(read(written).paths) == 20


NUMBERS = [0.1, 1 / 3, 1e-300, 1e300, -2.5e-7, 123456789.123456789, math.inf, -math.inf, 1e15, -0.0]


@pytest.mark.parametrize("value", NUMBERS)
def test_numbers_keep_every_digit(value):
    diagram = PathDiagram(paths=(Path("y", "~", "x", fixed=(value,)),))
    assert read(write(diagram)).paths[0].fixed == (value,)


def test_a_diagram_made_by_hand():
    paths = (
        Path("f", "=~", "y1", fixed=(math.nan,), start=(0.5, None)),
        Path("f", "~~", "f", Block(level="school"), label=("v", None), lower=(0.0,)),
        Path("f", "~1", "", Block(level="school"), fixed=(0.0, math.nan)),
    )
    back = read(write(PathDiagram(paths=paths))).paths
    assert [(path.lhs, path.op, path.rhs, path.block) for path in back] == [
        (path.lhs, path.op, path.rhs, path.block) for path in paths
    ]
    assert back[0].start == (0.5, None) and back[1].label == ("v", None) and back[1].lower == (0.0,)
    assert back[2].fixed[0] == 0 and math.isnan(back[2].fixed[1])


def random_expression(draw, depth):
    if depth == 0:
        return draw.choice([ex.Number(float(draw.randrange(10)) / 4), ex.Name(draw.choice(["a", "b.1", "y~x"]))])
    kind = draw.randrange(7)
    if kind == 0:
        return ex.Negative(random_expression(draw, depth - 1))
    if kind == 1:
        return ex.Call(draw.choice(["exp", "pnorm"]), random_expression(draw, depth - 1))
    return ex.Binary("+-*/^"[kind - 2], random_expression(draw, depth - 1), random_expression(draw, depth - 1))


def without_spans(node):
    match node:
        case ex.Number(value):
            return value
        case ex.Name(name):
            return name
        case ex.Negative(operand):
            return ("neg", without_spans(operand))
        case ex.Call(function, argument):
            return (function, without_spans(argument))
    return (node.op, without_spans(node.left), without_spans(node.right))


def test_expressions_get_just_the_parentheses_they_need():
    draw = random.Random(3)
    for _ in range(300):
        node = random_expression(draw, draw.randrange(5))
        text = write(PathDiagram(definitions=(Definition("d", node),)))
        assert without_spans(read(text).definitions[0].expression) == without_spans(node), text
    plain = ex.Binary("+", ex.Binary("*", ex.Name("a"), ex.Name("b")), ex.Name("c"))
    assert expression(plain) == "a*b + c"
