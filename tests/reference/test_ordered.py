"""Ordered answers and asymptotes against MASS, ordinal, and likelihoods written out in R."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import semgllamm
from semgllamm.responses import registry
from semgllamm.responses.adjacent import probabilities

HERE = Path(__file__).parent / "ordered"
CASES = json.loads((HERE / "values.json").read_text(encoding="utf-8"))


@cache
def data(name):
    return pd.read_csv(HERE / f"{name}.csv")


@pytest.mark.parametrize("name", CASES)
def test_ordered(name):
    case = CASES[name]
    quadrature = {"quadrature": semgllamm.Adaptive(case["points"])} if case.get("points") else {}
    # a decrement of 1e-12 leaves estimates 1e-6 standard errors from the maximum
    settings = semgllamm.Settings(tolerance=1e-18)
    fit = semgllamm.fit(case["text"], data(case["data"]), settings=settings, **quadrature)
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


def test_adjacent_categories_of_two_answers_are_bernoulli():
    fits = [
        semgllamm.fit(f"f =~ y1 + y2 + y3 + y4 + y5  @family({family})", semgllamm.load_dataset("lsat6"),
                      quadrature=semgllamm.Adaptive(9))
        for family in ("adjacent", "bernoulli")
    ]
    assert fits[0].loglik == pytest.approx(fits[1].loglik, abs=1e-7)


def test_a_rating_scale_has_thresholds_that_differ_by_a_shift():
    """Labels and an intercept: the partial credit model with equal steps, log odds of neighbours written out."""
    rng = np.random.default_rng(4)
    theta = rng.normal(size=150)
    steps = np.array([-0.8, 0.1, 0.9])
    adjacent = registry.lookup("adjacent")
    items = pd.DataFrame({
        f"u{k}": adjacent.simulate(theta + shift, steps, None, rng) for k, shift in enumerate((0.0, 0.5, -0.4), 1)
    })  # fmt: skip
    text = "f =~ 1*u1 + 1*u2 + 1*u3  @family(adjacent)"
    rating = semgllamm.fit(
        text + "".join(f"\nu{k} | a*t1 + b*t2 + c*t3" for k in (1, 2, 3)) + "\nu2 ~ 1\nu3 ~ 1", items,
        quadrature=semgllamm.Adaptive(15),
    )  # fmt: skip
    partial = semgllamm.fit(text, items, quadrature=semgllamm.Adaptive(15))
    assert (rating.npar, partial.npar) == (6, 10)
    assert rating.loglik < partial.loglik
    found = rating.coef
    x, w = np.polynomial.hermite_e.hermegauss(61)
    at = np.sqrt(found["f~~f"]) * x
    p = np.ones((150, len(x)))
    for name in items:
        nu = at + (found[f"{name}~1"] if name != "u1" else 0.0)
        p *= probabilities(nu, found[["a", "b", "c"]].to_numpy())[:, items[name].astype(int)].T
    expected = np.log(p @ (w / w.sum())).sum()
    assert rating.loglik == pytest.approx(expected, abs=1e-6)
