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
def fitted(name):
    return semgllamm.fit(BASE + CASES[name], semgllamm.load_dataset("holzinger"))


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
