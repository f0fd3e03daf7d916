"""Linear equality constraints are an affine map from the free parameters to all of them."""

import numpy as np
import pytest

from semgllamm import fit
from semgllamm.api import _names, lowered
from semgllamm.errors import ModelError
from semgllamm.model.constraints import equality_map

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


@pytest.mark.parametrize("text, message", [
    ("a == b\na == b + 1", "contradict"),
    ("a*b == 1", "linear"),
    ("a == exp(b)", "linear"),
    ("product := a*b\nproduct == 1", "linear"),
])  # fmt: skip
def test_what_cannot_hold_or_be_fitted_is_refused(text, message):
    with pytest.raises(ModelError, match=message) as error:
        constrained(text)
    assert error.value.span is not None


def test_a_fit_obeys_its_constraints_and_counts_them():
    rng = np.random.default_rng(5)
    eta = rng.normal(size=200)
    data = {f"y{k}": eta * k / 2 + rng.normal(size=200) for k in range(1, 5)}
    free, held = fit(BASE, data), fit(BASE + "a + b == 2*c", data)
    assert held.npar == free.npar - 1
    assert held.coef["a"] + held.coef["b"] == pytest.approx(2 * held.coef["c"], abs=1e-10)
    assert held.loglik < free.loglik
