"""Correlations of 1: the maximum on the edge of the cone of covariance matrices, whatever the scale of the factors."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import semgllamm as sg

FAMILY = "\n@family(b1 + b2 + b3 + b4 + b5 + b6, bernoulli)"
TWO = "f =~ b1 + b2 + b3\ng =~ b4 + b5 + b6" + FAMILY


def items(eta, seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({f"b{k + 1}": 1.0 * (rng.random(len(x)) < expit(x)) for k, x in enumerate(eta.T)})


@pytest.fixture(scope="module")
def one_factor():
    rng = np.random.default_rng(0)
    f = rng.normal(size=300)
    return items(np.outer(f, [1.0, 0.8, 1.2, 1.0, 0.7, 1.1]), 1)


def fit(text, data, **arguments):
    """By the same points, so that log-likelihoods compare to the last digits."""
    return sg.fit(text, data, progress=False, quadrature=sg.Adaptive(21), **arguments)


@pytest.mark.parametrize("sign", [1, -1])
def test_two_factors_that_are_one_fit_as_one_with_its_standard_errors(one_factor, sign):
    data = one_factor.copy()
    if sign < 0:
        data[["b4", "b5", "b6"]] = 1 - data[["b4", "b5", "b6"]]
    two, one = fit(TWO, data, std_lv=True), fit("f =~ b1 + b2 + b3 + b4 + b5 + b6" + FAMILY, data, std_lv=True)
    assert two.converged and not two.problems
    assert two.boundary == {"f~~g"}
    assert two.coef["f~~g"] == sign
    assert two.loglik == pytest.approx(one.loglik, abs=1e-7)
    loads = [f"b{k}" for k in range(1, 7)]
    for column in ("est", "se"):
        here, there = (m.parameters[m.parameters.op == "=~"].set_index("rhs")[column][loads] for m in (two, one))
        np.testing.assert_allclose(np.abs(here), np.abs(there), rtol=1e-4)
    row = two.parameters[(two.parameters.lhs == "f") & (two.parameters.rhs == "g")].iloc[0]
    assert np.isnan(row.se)
    assert "f~~g lies on the boundary" in " ".join(str(two.summary()).split())


@pytest.mark.parametrize("scale", ["f ~~ v*f\ng ~~ v*g", "g =~ NA*b4\ng ~~ 1*g"])
def test_other_patterns_of_variances_reach_the_edge(one_factor, scale):
    free, patterned = fit(TWO, one_factor), fit(f"{TWO}\n{scale}", one_factor)
    assert patterned.converged and not patterned.problems
    assert patterned.boundary == {"f~~g"} and free.boundary == {"g~~g"}
    slack = 1e-6 if "NA" in scale else 5.0
    assert free.loglik - slack <= patterned.loglik <= free.loglik + 1e-6


@pytest.mark.parametrize("order", ["fgh", "hfg"])
def test_three_factors_in_a_plane(order):
    """The matrix has rank 2 while no correlation is 1; standard errors do not depend on which factor comes last."""
    rng = np.random.default_rng(1)
    f = rng.normal(size=300)
    g = 0.6 * f + 0.8 * rng.normal(size=300)
    data = items(1.5 * np.stack([f, f, g, g, f + g, f + g], axis=1), 3)
    measures = {"f": "f =~ b1 + b2", "g": "g =~ b3 + b4", "h": "h =~ b5 + b6"}
    text = "\n".join(measures[name] for name in order) + FAMILY
    unit, free = fit(text, data, std_lv=True), fit(text, data)
    assert unit.converged and not unit.problems and not unit.boundary
    assert unit.loglik == pytest.approx(free.loglik, abs=1e-6)
    assert any("rank 2" in note for note in unit.notes)
    table = unit.parameters
    between = table[(table.op == "~~") & (table.lhs != table.rhs)]
    R = np.eye(3)
    for row in between.itertuples():
        a, b = "fgh".index(row.lhs), "fgh".index(row.rhs)
        R[a, b] = R[b, a] = row.est
    assert np.linalg.eigvalsh(R)[0] == pytest.approx(0.0, abs=1e-9)
    assert (between.se > 0).all()
    # the gradient of det R is normal to the edge: its standard error there is zero
    numbers = [list(unit.coef.index).index(f"{row.lhs}~~{row.rhs}") for row in between.itertuples()]
    V = unit.vcov().to_numpy()[np.ix_(numbers, numbers)]
    adjugate = [2 * _cofactor(R, "fgh".index(row.lhs), "fgh".index(row.rhs)) for row in between.itertuples()]
    assert np.array(adjugate) @ V @ np.array(adjugate) == pytest.approx(0.0, abs=1e-9)


def _cofactor(R, a, b):
    rest = np.delete(np.delete(R, a, axis=0), b, axis=1)
    return (-1) ** (a + b) * np.linalg.det(rest)
