"""Values and derivatives of the expressions of ``:=`` and of constraints."""

import math
import random

import pytest

from semgllamm.diagram import expressions as ex
from semgllamm.errors import ModelError
from semgllamm.syntax.build import read

VALUES = {"a": 0.3, "b": 1.7, "c": -0.6}


def parsed(text):
    return read(f"d := {text}").definitions[0].expression


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2*3", 7),
        ("(1 + 2)*3", 9),
        ("2 - 3 - 4", -5),
        ("2/4/2", 0.25),
        ("-2^2", -4),
        ("2^-1", 0.5),
        ("2^3^2", 512),
        ("-a*b", -0.51),
        ("a - (b - c)", 0.3 - 1.7 - 0.6),
        ("exp(log(b))", 1.7),
        ("sqrt(abs(c))", math.sqrt(0.6)),
        ("tanh(atanh(a))", 0.3),
        ("pnorm(1.96)", 0.9750021048517795),
        ("pnorm(-40)", 3.655893540915029e-350),
        ("plogis(0)", 0.5),
        ("plogis(-800) + plogis(800)", 1),
        ("exp(1000)", math.inf),
    ],
)
def test_value(text, value):
    assert ex.evaluate(parsed(text), VALUES) == pytest.approx(value, rel=1e-14, abs=1e-300)


@pytest.mark.parametrize("text", ["log(c)", "sqrt(c)", "1/(a - a)", "c^0.5", "atanh(b)"])
def test_undefined_is_nan(text):
    assert math.isnan(ex.evaluate(parsed(text), VALUES))
    assert all(map(math.isnan, ex.gradient(parsed(text), VALUES).values()))


@pytest.mark.parametrize(
    "text",
    [
        "a*b - c", "a/b + b/a", "(a + b)^2", "b^a", "b^c^2", "exp(a*b)", "log(b)/b", "sqrt(a*b)", "abs(c)*a",
        "tanh(a - b)", "atanh(a*c)", "pnorm(a + b*c)", "plogis(a - 2*c)", "-a^2*b", "(a*b)/(a*b + c^2)", "3",
        "a^0 + c^2 + c^3", "a - a",
    ],
)  # fmt: skip
def test_gradient_equals_differences(text):
    node = parsed(text)
    slopes = ex.gradient(node, VALUES)
    assert set(slopes) == set(ex.names(node))
    step = 1e-5
    for name, slope in slopes.items():
        up, down = (ex.evaluate(node, VALUES | {name: VALUES[name] + h}) for h in (step, -step))
        assert slope == pytest.approx((up - down) / (2 * step), rel=1e-7, abs=1e-9)


def test_sum_and_product_rules_on_random_expressions():
    draw = random.Random(1)
    for _ in range(50):
        one, other = (parsed(draw.choice(["a*b", "exp(c)", "b - c^2", "pnorm(a)"])) for _ in range(2))
        product = ex.gradient(ex.Binary("*", one, other), VALUES)
        f, g = ex.evaluate(one, VALUES), ex.evaluate(other, VALUES)
        df, dg = ex.gradient(one, VALUES), ex.gradient(other, VALUES)
        for name, slope in product.items():
            assert slope == pytest.approx(df.get(name, 0) * g + f * dg.get(name, 0), rel=1e-13)


def test_names_from_left_to_right():
    assert ex.names(parsed("b*a + exp(b) - `y~x`")) == ("b", "a", "y~x")


def test_an_unknown_name_is_an_error_with_a_place():
    with pytest.raises(ModelError, match="'zz'") as caught:
        ex.evaluate(parsed("a + zz"), VALUES)
    assert caught.value.span.column == 10
    with pytest.raises(ModelError, match="'zz'"):
        ex.gradient(parsed("zz*a"), VALUES)
