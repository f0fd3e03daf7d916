"""What the programs in tests/grammar cannot show: places, sizes, and that nothing is run."""

import contextlib
import math
import random
import time
import tracemalloc
from pathlib import Path

import pytest

from semgllamm.diagram.parts import Block
from semgllamm.errors import ModelError, ModelSyntaxError, Span
from semgllamm.syntax import tree
from semgllamm.syntax.build import build, read
from semgllamm.syntax.parser import LONGEST_TEXT, parse

PROGRAMS = sorted((Path(__file__).parents[1] / "grammar" / "good").glob("*.sem"))


def only_path(text):
    (path,) = read(text).paths
    return path


# ---------------------------------------------------------------------------------------------- the tree


def test_every_node_knows_its_place():
    model = parse("f =~ a*x1 +\n  x2  # here\n")
    (statement,) = model.lines
    assert statement.operator == tree.Operator("=~", Span(1, 3, 1, 5))
    chain, word = statement.right.terms
    assert chain.span == Span(1, 6, 1, 10)
    assert word == tree.Word("x2", False, Span(2, 3, 2, 5))
    assert statement.span == Span(1, 1, 2, 5)


def test_the_tree_is_frozen():
    (statement,) = parse("y ~ x").lines
    with pytest.raises(AttributeError):
        statement.left = None


def test_build_takes_the_tree():
    assert build(parse("y ~ x")) == read("y ~ x")


def test_line_ends_count_as_one():
    assert [path.span.line for path in read("a ~ x\r\nb ~ x\rc ~ x\nd ~ x").paths] == [1, 2, 3, 4]


def test_letters_are_normalised():
    assert only_path("e\u0301 ~ x").lhs == "\u00e9"


# ---------------------------------------------------------------------------------------------- meaning


def test_modifiers_of_a_repeated_term_gather_at_its_first_place():
    diagram = read("f =~ a*x1 + x2 + NA*x1\nf =~ 0.5?x1")
    assert [path.rhs for path in diagram.paths] == ["x1", "x2"]
    first = diagram.paths[0]
    assert first.label == ("a",) and math.isnan(first.fixed[0]) and first.start == (0.5,)
    assert first.span == Span(1, 8, 1, 10)


def test_saying_the_same_twice_is_no_conflict():
    diagram = read("f =~ a*x1 + a*x1 + NA*x2 + NA*x2")
    assert diagram.notes == ()


def test_the_same_term_in_two_blocks_stays_two_paths():
    diagram = read("y ~ x\n@group(a)\ny ~ 2*x")
    assert [path.block.group for path in diagram.paths] == [None, "a"]


def test_covariances_are_symmetric():
    (path,) = read("x ~~ y\ny ~~ a*x").paths
    assert (path.lhs, path.rhs, path.label) == ("x", "y", ("a",))


def test_a_header_is_the_whole_address():
    diagram = read("@level(school) @group(a)\ny ~~ y\n@group(b)\ny ~~ y\n@level(row)\nz ~ x")
    assert [path.block for path in diagram.paths] == [Block("school", "a"), Block(None, "b"), Block()]


def test_a_trailing_block_keeps_the_rest_of_the_address():
    (path,) = read("@group(a)\ny ~~ y @level(school)").paths
    assert path.block == Block("school", "a")


def test_a_group_named_level_is_no_header():
    assert [path.lhs for path in read("level ~ x\nclass ~~ group").paths] == ["level", "class"]
    assert read("level := 2*a").definitions[0].name == "level"


def test_a_small_letter_header_after_a_plus_is_a_product():
    assert only_path("y ~\n group:x").rhs == "group:x"


def test_infinite_bounds():
    path = only_path("y ~ lower(-Inf)*upper(Inf)*x")
    assert (path.lower, path.upper) == ((-math.inf,), (math.inf,))


def test_no_text_is_run(tmp_path):
    mark = tmp_path / "mark"
    for text in (
        f"a := __import__('os').system('touch {mark}')",
        f"a := system('touch {mark}')",
        f"y ~ open('{mark}', 'w')*x",
        f"y ~ (lambda: open('{mark}', 'w'))()*x",
        f"y ~ eval(\"open('{mark}', 'w')\")*x",
        f"y ~ prior(\"open('{mark}', 'w')\")*x",
        f"tau :~ open('{mark}')",
    ):
        with contextlib.suppress(ModelSyntaxError):
            read(text)
        assert not mark.exists()


# ---------------------------------------------------------------------------------------------- sizes


def test_a_megabyte_is_refused_at_once():
    started = time.perf_counter()
    with pytest.raises(ModelSyntaxError, match="1,000,000 characters"):
        read("y ~ x\n" * 166_666 + "\n\n\n\n")
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "\n" * LONGEST_TEXT,
        "y ~ x" + "\n# comment" * 6_000 + "\n+ z",
        "y ~ x" + " \n \t" * 15_000,
        "y ~ " + "(" * 50_000,
        "y ~ " + "(" * 30_000 + "a" + ")" * 30_000 + "*x",
        "y ~ " + "(" * 30_000 + "x" + ")" * 30_000,
        "y ~ " + "-" * 50_000 + "1*x",
        "a := " + "-" * 50_000 + "b",
        "a := " + "b^" * 30_000 + "c",
        "a := " + "exp(" * 13_000 + "b" + ")" * 13_000,
        "a == " + "+".join(["b"] * 30_000),
        "y ~ " + "*".join(["b"] * 30_000),
        "y ~ " + ":".join(["b"] * 30_000),
        "y ~ " + "rep(" * 7_000 + "a" + ",9)" * 7_000 + "*x",
        "y ~ " + "rep(rep(rep(a,999),999),999)*x",
        "+".join(["y"] * 13_000) + "~" + "+".join(["x"] * 13_000),
        "y ~ c(" + "a," * 7_000 + "a)*x",
        "y ~ x @a" * 7_000,
        "y ~ " + "`" * 50_000,
        '"' * 50_001,
        "y ~ (1 | " + "/".join(["g"] * 30_000) + ")",
        "@level(x)\n" * 6_000,
        ";" * LONGEST_TEXT,
        "x" * 50_000,
        "1" * 50_000 + "*x",
        "y ~ 1e999*x",
        "y ~ 2^9999*x",
    ],
    ids=lambda text: f"{text[:20]!r}",
)
def test_odd_shapes_end_soon(text):
    started = time.perf_counter()
    with contextlib.suppress(ModelSyntaxError, ModelError):
        read(text)
    assert time.perf_counter() - started < 6


def test_large_models_are_read_in_linear_time():
    def seconds(count):
        text = "\n".join(f"f{i} =~ x{i} + a*z{i}\ny{i} ~ f{i}" for i in range(count))
        started = time.perf_counter()
        assert len(read(text).paths) == 3 * count
        return time.perf_counter() - started

    seconds(10)
    small, large = seconds(300), seconds(3000)
    assert large < 30 * small + 0.5


def test_memory_stays_small():
    text = "\n".join(f"y{i} ~ x{i}" for i in range(5000))
    read("y ~ x")
    tracemalloc.start()
    read(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


@pytest.mark.parametrize("value", [None, 3, ["y ~ x"], b"y ~ x"])
def test_a_model_is_a_string(value):
    with pytest.raises(ModelSyntaxError, match="A model is a string"):
        read(value)


# ---------------------------------------------------------------------------------------------- fuzz


def survives(text):
    """Whatever is wrong with a text, it is said as an error of ours."""
    try:
        read(text)
    except (ModelSyntaxError, ModelError) as error:
        assert error.message
        str(error)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_truncated_texts_are_read_or_refused(path):
    text = path.read_bytes().decode("utf-8")
    draw = random.Random(path.stem)
    for _ in range(25):
        start = draw.randrange(len(text))
        survives(text[:start])
        survives(text[start:])


def test_scrambled_texts_are_read_or_refused():
    draw = random.Random(20240101)
    pieces = [piece for path in PROGRAMS for piece in path.read_text(encoding="utf-8").split()]
    for _ in range(600):
        survives(draw.choice([" ", "", "\n"]).join(draw.choices(pieces, k=draw.randrange(1, 12))))


def test_random_characters_are_read_or_refused():
    draw = random.Random(7)
    alphabet = "yxz01.+-*/^:~=<>|@%?()\"'`,;#!_ \n\t˜“–éΩ²\u0301\u2028\x00\ufeff\U0001f600"
    for _ in range(1500):
        survives("".join(draw.choices(alphabet, k=draw.randrange(1, 15))))
