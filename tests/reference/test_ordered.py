"""Ordered answers and asymptotes against MASS, ordinal, and likelihoods written out in R."""

import json
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

import semgllamm

HERE = Path(__file__).parent / "ordered"
CASES = json.loads((HERE / "values.json").read_text(encoding="utf-8"))


@cache
def data(name):
    return pd.read_csv(HERE / f"{name}.csv")


@pytest.mark.parametrize("name", CASES)
def test_ordered(name):
    case = CASES[name]
    quadrature = {"quadrature": semgllamm.Adaptive(case["points"])} if case.get("points") else {}
    fit = semgllamm.fit(case["text"], data(case["data"]), **quadrature)
    assert fit.converged
    assert fit.loglik == pytest.approx(case["loglik"], abs=case["loglik_tolerance"], rel=0)
    free = fit.parameters[fit.parameters.free > 0]
    found = dict(zip(free.lhs + free.op + free.rhs, free.est))
    assert found == pytest.approx(case["estimates"], abs=case["tolerance"], rel=0)


def test_steps_of_proportional_hazards_are_cumulative():
    text = "rating ~ warm + contact + (1 | judge)  @family({}(cloglog))"
    steps, cumulative = (semgllamm.fit(text.format(name), data("wine")) for name in ("sequential", "ordinal"))
    assert steps.loglik == pytest.approx(cumulative.loglik, abs=1e-8)


def test_effects_on_all_thresholds_that_are_equal_are_an_effect_on_the_mean():
    steps = semgllamm.fit("rating ~ contact  @family(ordinal)\n@thresholds(rating ~ d*warm)", data("wine"))
    assert steps.loglik == pytest.approx(CASES["cumulative logit"]["loglik"], abs=1e-8)
    effect = steps.parameters[steps.parameters.label == "d"]
    assert list(effect.lhs + effect.op + effect.rhs) == [f"rating|t{k}~warm" for k in range(1, 5)]
    assert effect.est.to_numpy() == pytest.approx(-CASES["cumulative logit"]["estimates"]["rating~warm"], abs=1e-6)


def test_a_fixed_scale_and_fixed_asymptotes():
    """Fixed at nothing they change nothing."""
    plain = semgllamm.fit("rating ~ warm  @family(ordinal)", data("wine"))
    scaled = semgllamm.fit("rating ~ warm  @family(ordinal) @dispersion(0*contact)", data("wine"))
    assert scaled.loglik == pytest.approx(plain.loglik, abs=1e-9)
    plain = semgllamm.fit("u ~ x  @family(bernoulli)", data("psychometric"))
    fixed = semgllamm.fit("u ~ x  @family(bernoulli) @guessing(-40*1) @ceiling(40*1)", data("psychometric"))
    assert fixed.loglik == pytest.approx(plain.loglik, abs=1e-9)
