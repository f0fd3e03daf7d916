"""Nominal responses, choices and rankings without latent variables against nnet and survival."""

import json
from pathlib import Path

import pandas as pd
import pytest

import semgllamm

HERE = Path(__file__).parent / "choices"
CASES = json.loads((HERE / "values.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CASES)
def test_choices(name):
    case = CASES[name]
    exact = semgllamm.Settings(tolerance=1e-18)
    fit = semgllamm.fit(case["text"], pd.read_csv(HERE / case["data"]), settings=exact)
    assert fit.converged
    assert fit.loglik == pytest.approx(case["loglik"], abs=1e-8, rel=0)
    free = fit.parameters[fit.parameters.free > 0]
    names = free.lhs + free.op + free.rhs
    assert dict(zip(names, free.est)) == pytest.approx(case["estimates"], abs=case["tolerance"], rel=0)
    assert dict(zip(names, free.se)) == pytest.approx(case["se"], abs=case["tolerance"], rel=0)
