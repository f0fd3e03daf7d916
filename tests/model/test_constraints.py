"""Linear equality constraints are an affine map from the free parameters to all of them; others, functions of cells."""

import numpy as np
import pytest

from semgllamm import fit
from semgllamm.api import _names, lowered
from semgllamm.errors import ModelError
from semgllamm.model.constraints import constraints_of_cells, equality_map, slacks

BASE = "f =~ y1 + a*y2 + b*y3 + c*y4\n"


def constrained(text):
    diagram, model, _ = lowered(BASE + text)
    numbers = {name: number for name, number in _names(diagram, model).items() if number >= 0}
    return model, equality_map(diagram, numbers, model.n_parameters)


def values(text, seed=1):
    """Named values of the parameters at a random point of the constrained space."""
    model, (K, c) = constrained(text)
    free = np.random.default_rng(seed).normal(size=K.shape[1])
    return dict(zip(model.names, c + K @ free)), K.shape


def test_without_constraints_there_is_no_map():
    assert constrained("")[1] is None


@pytest.mark.parametrize("text, holds", [
    ("a == b", lambda v: v["a"] - v["b"]),
    ("a == 2*b - 1", lambda v: v["a"] - 2 * v["b"] + 1),
    ("a + b + c == 3", lambda v: v["a"] + v["b"] + v["c"] - 3),
    ("a == 0.5", lambda v: v["a"] - 0.5),
    ("mean := (a + b)/2\nc == mean", lambda v: v["c"] - (v["a"] + v["b"]) / 2),
    ("`y1~~y1` == `y2~~y2`", lambda v: v["y1~~y1"] - v["y2~~y2"]),
    ("total := a + b\nmean := total/2\nc == mean", lambda v: v["c"] - (v["a"] + v["b"]) / 2),
    ("f =~ m*y1\na == 2*m", lambda v: v["a"] - 2),  # m labels the marker, which is 1
    ("a == exp(log(2))*b", lambda v: v["a"] - 2 * v["b"]),
])  # fmt: skip
def test_constraint_holds_everywhere(text, holds):
    found, (q, p) = values(text)
    assert holds(found) == pytest.approx(0, abs=1e-12)
    assert p == q - 1


def test_several_constraints():
    found, (q, p) = values("a == b\nb == c")
    assert found["a"] == pytest.approx(found["b"]) == pytest.approx(found["c"])
    assert p == q - 2


def test_a_constraint_that_follows_from_others_counts_once():
    _, (q, p) = values("a == b\nb == c\na == c")
    assert p == q - 2


def of_cells(text, positive=()):
    diagram, model, _ = lowered(BASE + text)
    numbers = {name: number for name, number in _names(diagram, model).items() if number >= 0}
    q = model.n_parameters
    affine = equality_map(diagram, numbers, q) or (np.eye(q), np.zeros(q))
    sure = np.array([name in positive for name in model.names])
    return model, numbers, diagram, constraints_of_cells(diagram, numbers, model.rows, affine, sure)


@pytest.mark.parametrize("text, lines", [
    ("a == b\na == b + 1", (2, 3)),
    ("a > 1\nb > 0\na < 0.5", (2, 4)),
    ("a == b\nc > 0\na > b + 1", (2, 4)),
    ("a > b\nb > c\nd := c - 1\nd > a", (2, 3, 5)),
    ("a == 1\nb == c\nc == 2*a\nb < 1", (2, 3, 4, 5)),
    ("1 == 2", (2,)),
    ("f =~ m*y1\nm > 2", (3,)),
    ("f =~ m*y1\nm == 2", (3,)),
    ("2 < 1", (2,)),
])  # fmt: skip
def test_linear_constraints_that_cannot_hold_are_quoted(text, lines):
    with pytest.raises(ModelError) as error:
        of_cells(text)
    quoted = [int(line.split()[1].rstrip(",")) for line in str(error.value).splitlines() if line.startswith("  line ")]
    assert sorted(quoted) == list(lines)


@pytest.mark.parametrize("text, message", [
    ("f =~ lower(2)*y2 + upper(1)*y2", r"\(lower\(2\) of a\)"),
    ("f =~ lower(1)*y2\na < 0.5", r"\(lower\(1\) of a\)"),
    ("f =~ lower(1)*y2 + upper(1)*y2", "one value only"),
])  # fmt: skip
def test_bounds_that_cannot_hold_are_named(text, message):
    with pytest.raises(ModelError, match=message):
        of_cells(text)


@pytest.mark.parametrize(
    "text", ["", "a == b", "1 < 2", "f =~ m*y1\nm < 3", "f =~ lower(-Inf)*y2", "a + b == 1\nb == 1 - a"]
)
def test_what_the_affine_map_says_already_is_left_out(text):
    assert of_cells(text)[-1] is None


@pytest.mark.parametrize(
    "text", ["`y1~~y1` > 0", "0 < `y1~~y1` + 2*`y2~~y2` + 1", "y1 ~~ lower(0)*y1", "y1 ~~ lower(-1)*y1"]
)
def test_what_cannot_fail_is_left_out(text):
    positive = ("y1~~y1", "y2~~y2")
    assert of_cells(text, positive)[-1] is None
    assert of_cells(text)[-1] is not None


@pytest.mark.parametrize("text, value", [
    ("a == b*c", lambda v: v["a"] - v["b"] * v["c"]),
    ("abs(a) == b", lambda v: abs(v["a"]) - v["b"]),
    ("a > 2", lambda v: v["a"] - 2),
    ("a < 2*b", lambda v: 2 * v["b"] - v["a"]),
    ("exp(a)/2 < b^2 + `f~~f`", lambda v: v["b"] ** 2 + v["f~~f"] - np.exp(v["a"]) / 2),
    ("p := a*b\nq := p + c\nq > p^2", lambda v: v["a"] * v["b"] + v["c"] - (v["a"] * v["b"]) ** 2),
    ("f =~ m*y1\nm*a^2 > 2*m", lambda v: v["a"] ** 2 - 2),
    ("f =~ lower(0.5)*y2", lambda v: v["a"] - 0.5),
    ("f =~ upper(0.5)*y2", lambda v: 0.5 - v["a"]),
    ("f =~ lower(0.5)*y2 + upper(2)*y2\nf =~ lower(0.7)*y2", None),
])  # fmt: skip
def test_values_and_derivatives(text, value):
    model, _, _, found = of_cells(text)
    cells = np.random.default_rng(3).uniform(0.3, 1.5, model.n_parameters)
    g, slopes = found.at(cells)
    if value is not None:
        assert g == pytest.approx([value(dict(zip(model.names, cells)))], abs=1e-12)
    weights = np.arange(1.0, len(g) + 1)
    differences, bends = np.zeros_like(slopes), np.zeros((len(cells), len(cells)))
    for k, e in enumerate(1e-5 * np.eye(len(cells))):
        differences[:, k] = (found.at(cells + e)[0] - found.at(cells - e)[0]) / 2e-5
        bends[k] = weights @ (found.at(cells + e)[1] - found.at(cells - e)[1]) / 2e-5
    assert slopes == pytest.approx(differences, abs=1e-8)
    assert found.curvature(cells, weights) == pytest.approx(bends, abs=1e-8)


def test_slacks_are_told_of_every_constraint_as_written():
    model, numbers, diagram, _ = of_cells("a == 2*b\n a *b <  exp( c )\nd := a - b\nd > 0")
    cells = np.full(model.n_parameters, 0.5)
    assert slacks(diagram, numbers, cells) == [
        ("a - (2*b)", "==", -0.5),
        ("exp(c) - (a*b)", "<", pytest.approx(np.exp(0.5) - 0.25)),
        ("d - 0", ">", 0.0),
    ]


def test_a_fit_obeys_its_constraints_and_counts_them():
    rng = np.random.default_rng(5)
    eta = rng.normal(size=200)
    data = {f"y{k}": eta * k / 2 + rng.normal(size=200) for k in range(1, 5)}
    free, held = fit(BASE, data), fit(BASE + "a + b == 2*c", data)
    assert held.npar == free.npar - 1
    assert held.coef["a"] + held.coef["b"] == pytest.approx(2 * held.coef["c"], abs=1e-10)
    assert held.loglik < free.loglik
