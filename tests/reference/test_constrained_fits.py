"""Estimates, standard errors, counts and printed slacks under constraints and bounds, against lavaan."""

import functools
import json
from pathlib import Path

import pytest

import semgllamm

HERE = Path(__file__).parent / "constraints"
CASES = {case["name"]: case["text"] for case in json.loads((HERE / "cases.json").read_text(encoding="utf-8"))}
LAVAAN = json.loads((HERE / "lavaan.json").read_text(encoding="utf-8"))["results"]
BASE = "visual =~ x1 + a*x2 + b*x3\ntextual =~ x4 + c*x5 + d*x6\nvisual ~~ e*textual\n"


@functools.cache
def fitted(name, quadrature="auto"):
    return semgllamm.fit(BASE + CASES[name], semgllamm.load_dataset("holzinger"), quadrature=quadrature)


def named(fit, column):
    rows = fit.parameters
    names = [lhs if op == ":=" else lhs + op + rhs for lhs, op, rhs in zip(rows.lhs, rows.op, rows.rhs)]
    return dict(zip(names, rows[column]))


@pytest.mark.parametrize("name", CASES)
def test_maximum(name):
    fit, lavaan = fitted(name), LAVAAN[name]
    assert fit.converged and fit.problems == ()
    # lavaan's outer iterations end when the multipliers have settled to 1e-6
    assert fit.loglik == pytest.approx(lavaan["loglik"], abs=5e-6, rel=0)
    found = named(fit, "est")
    assert {key: found[key] for key in lavaan["estimates"]} == pytest.approx(lavaan["estimates"], abs=3e-5, rel=0)


@pytest.mark.parametrize("name", CASES)
def test_standard_errors(name):
    """Inequalities without slack count as equations there, bounds do not count."""
    found, lavaan = named(fitted(name), "se"), LAVAAN[name]["se"]
    assert {key: found[key] for key in lavaan} == pytest.approx(lavaan, abs=5e-6, rel=0)


@pytest.mark.parametrize("name", CASES)
def test_parameters_are_counted_less_equations_only(name):
    assert fitted(name).npar == LAVAAN[name]["npar"]


@pytest.mark.parametrize("name", CASES)
def test_slacks_are_printed_as_lavaan_prints_them(name):
    lines = [line for line in str(fitted(name).summary()).splitlines() if line]
    printed = lines[lines.index("Constraints:") :] if "Constraints:" in lines else []
    assert [line for line in printed if not line.startswith(("Note: ", "   bounds"))] == LAVAAN[name]["printed"]


@pytest.mark.parametrize("name", CASES)
def test_working_parameters_make_no_difference(name):
    """Quadrature moves variances through logarithms and Cholesky factors, the closed form as they are."""
    closed, exact = fitted(name), fitted(name, semgllamm.Adaptive(1))
    assert closed.method != exact.method
    assert exact.loglik == pytest.approx(closed.loglik, abs=1e-8)
    assert named(exact, "est") == pytest.approx(named(closed, "est"), abs=1e-6, nan_ok=True)
    assert named(exact, "se") == pytest.approx(named(closed, "se"), abs=1e-6, nan_ok=True)
    multipliers = (fit.constraints.multiplier.to_numpy() for fit in (closed, exact))
    assert next(multipliers) == pytest.approx(next(multipliers), abs=1e-4, nan_ok=True)


def test_a_start_that_no_covariance_matrix_has_is_no_obstacle():
    """The covariance alone at 5 is beyond its variances; the maximum has larger ones."""
    data = semgllamm.load_dataset("holzinger")
    closed, exact = (semgllamm.fit(f"{BASE}e > 5", data, quadrature=q) for q in ("auto", semgllamm.Adaptive(1)))
    assert closed.converged and exact.converged
    assert closed.loglik == pytest.approx(exact.loglik, abs=1e-6)


def test_what_cannot_hold_where_the_likelihood_is_defined_is_told():
    fit = semgllamm.fit("x1 ~ x2\nx1 ~~ v*x1\nv < -1", semgllamm.load_dataset("holzinger"))
    assert not fit.converged
    assert "-1 - (v) ≥ 0 (line 3, column 1)" in fit.convergence.message
