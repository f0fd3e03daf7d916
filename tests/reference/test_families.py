"""Every family against R: without latent variables its generalized linear or survival model, with a random intercept
the Laplace approximation."""

import json
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

import semgllamm
from semgllamm.responses import registry

HERE = Path(__file__).parent / "families"
CASES = json.loads((HERE / "values.json").read_text(encoding="utf-8"))


@cache
def data():
    return pd.read_csv(HERE / "data.csv")


@pytest.mark.parametrize("name", CASES)
def test_family(name):
    case = CASES[name]
    # a decrement of 1e-12 leaves estimates 1e-6 standard errors from the maximum, and these are compared to 1e-8
    settings = semgllamm.Settings(tolerance=1e-18)
    quadrature = "laplace" if case["laplace"] else "auto"
    fit = semgllamm.fit(case["text"], data(), quadrature=quadrature, settings=settings)
    assert fit.converged
    assert fit.loglik == pytest.approx(case["loglik"], abs=1e-8 if case["tolerance"] <= 1e-8 else 1e-6, rel=0)
    free = fit.parameters[fit.parameters.free > 0]
    found = dict(zip(free.lhs + free.op + free.rhs, free.est))
    assert found == pytest.approx(case["estimates"], abs=case["tolerance"], rel=0)


def test_every_family_is_compared_with_another_program():
    """Those that are not here have references of their own."""
    texts = " ".join(case["text"].replace("negbinomial", "nbinom2") for case in CASES.values())
    elsewhere = {"gaussian", "binomial", "poisson", "bernoulli", "ordinal", "zipoisson", "multinomial", "ranking"}
    elsewhere |= {"sequential", "adjacent", "bernoulli3pl", "bernoulli3plu", "bernoulli4pl"}
    # the same answers as those of rows of one trial: tests/laws/test_invariances.py
    elsewhere |= {"binomial3pl", "binomial3plu", "binomial4pl"}
    assert {name for name in registry.names() if f"family({name}" not in texts} <= elsewhere
