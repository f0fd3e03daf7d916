"""At every maximum under constraints: the conditions of Karush, Kuhn & Tucker, by differences of the log-likelihood.

The slope of log L is −A'λ with A the derivatives of the constraints; an inequality that pushes (λ > 0) has no slack.
And where constraints can be solved for a parameter, the maximum is that of the model without it.
"""

import numpy as np
import pytest
from scipy.optimize import minimize
from walk import differences, walk
from zoo import answers, pupils, with_missing_cells

import semgllamm
from semgllamm import Ordinary

ITEMS = "f =~ NA*b1 + p*b1 + q*b2 + r*b3\nf ~~ 1*f\nf ~ s*w + z*v\n@family(b1 + b2 + b3, bernoulli)\n"
MARKED = "f =~ b1 + q*b2 + r*b3 @family(bernoulli)\nf ~~ v*f\nf ~ s*w\n"
COUNTS = "c1 ~ a*w + b*v + (1 + w | class) @family(poisson)\n"
MIXED = "f =~ g1 + q*g2 + r*g3\nh =~ b4 + t*b5 + u*b6 @family(bernoulli)\nh ~ k*f\n"

CASES = {
    "linear inequality, active": (ITEMS, "p < q - 0.2"),
    "linear inequality, inactive": (ITEMS, "p > -5"),
    "product": (ITEMS, "p*q == r"),
    "product and inequality": (ITEMS, "p*q == r\ns > z + 0.3"),
    "equation, curve and inequality": (ITEMS, "p == 2*q\np*z == s^2 - 0.1\nr < 0.7"),
    "variance, active": (MARKED, "v < 0.3"),
    "variance in a product": (MARKED, "q*v == r"),
    "identified by a constraint": (ITEMS.replace("f ~~ 1*f", "f ~~ f"), "p*q*r == 1"),
    "random coefficients": (COUNTS, "a*b > 0.2"),
    "ratio of random variances": (COUNTS, "`class.w~~class.w` < 0.1*`class.intercept~~class.intercept`"),
    "covariance of random coefficients": (COUNTS, "`class.intercept~~class.w`^2 == 0.01"),
    "bounds": (COUNTS + "c1 ~ lower(0.9)*w + upper(1)*v", ""),
    "gaussian and binary": (MIXED, "q*r > 1.1\nk == t*u"),
    "definitions": (MIXED, "d := q*r\ne := d + k\ne < 0.5*exp(d)\nlog(t) == 0"),
}


def data_for(name):
    return with_missing_cells(pupils(60)) if "gaussian" in name else pupils(60)


@pytest.mark.parametrize("points", [3, 7])
@pytest.mark.parametrize("name", CASES)
def test_karush_kuhn_tucker(name, points):
    text, constraints = CASES[name]
    found = walk(f"{text}{constraints}\n", data_for(name))
    rule = found.points(points, min(points, 3))
    solution = found.solve(rule)
    optimum = solution.optimum
    assert optimum.convergence.converged, optimum.convergence.message
    free, multipliers = optimum.free, optimum.multipliers

    def constrained(x):
        return found.constraints.at(found.working.cells(found.working.inner(x)))[0]

    values, equality = constrained(free), found.constraints.equality
    A = np.array([differences(lambda x, j=j: constrained(x)[j], free) for j in range(len(values))])
    slope = differences(lambda x: found.value(x, rule), free)
    se = 1 / np.sqrt(np.abs(np.diag(solution.information)))
    assert np.all(np.abs(slope + A.T @ multipliers) * se <= 1e-4)
    assert values[equality] == pytest.approx(0, abs=1e-9)
    assert (values[~equality] >= -1e-9).all() and (multipliers[~equality] >= 0).all()
    assert values[~equality] * multipliers[~equality] == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(
    "name", ["linear inequality, active", "variance, active", "bounds", "ratio of random variances"]
)
def test_what_pushes_does_so(name):
    """The maximum is lower than without the constraint, and the multiplier says by how much to first order."""
    text, constraints = CASES[name]
    found = walk(f"{text}{constraints}\n", data_for(name))
    solution = found.solve(found.points(5, 3))
    free = walk(text.replace("lower(0.9)*", "").replace("upper(1)*", ""), data_for(name))
    assert solution.optimum.loglik < free.solve(free.points(5, 3)).optimum.loglik - 1e-3
    assert (solution.optimum.multipliers > 0).any()
    assert len(solution.optimum.convergence.active) == (solution.optimum.multipliers > 0).sum()


@pytest.mark.parametrize("quadrature", ["auto", "laplace", Ordinary(12)], ids=["auto", "laplace", "ordinary"])
def test_inactive_constraints_change_nothing(quadrature):
    data = pupils(60)
    free = semgllamm.fit(ITEMS, data, quadrature=quadrature)
    held = semgllamm.fit(ITEMS + "p*q > -10\nr < 50\nf =~ lower(-20)*b1\n", data, quadrature=quadrature)
    assert held.loglik == pytest.approx(free.loglik, abs=1e-8)
    assert held.coef.to_numpy() == pytest.approx(free.coef.to_numpy(), abs=1e-5)
    assert held.vcov().to_numpy() == pytest.approx(free.vcov().to_numpy(), abs=1e-5)
    assert held.npar == free.npar and held.convergence.active == ()


def test_solving_for_a_parameter_gives_the_same_maximum():
    """r = p q as a function of the others, maximised by a method of its own."""
    data = pupils(60)
    found = walk(ITEMS, data)
    points = found.points(9)
    names = list(found.model.names)
    at = {name: names.index(name) for name in "pqr"}
    others = [k for k in range(len(names)) if k != at["r"]]

    def complete(x):
        cells = np.zeros(len(names))
        cells[others] = x
        cells[at["r"]] = cells[at["p"]] * cells[at["q"]]
        return cells

    def loss(x):
        free = found.working.free_from_inner(found.working.inner_from_cells(complete(x)))
        return -found.value(free, points) / 100

    fit = semgllamm.fit(ITEMS + "p*q == r", data, quadrature=semgllamm.Adaptive(9))
    best = minimize(loss, fit.coef.to_numpy()[others] + 0.1, method="BFGS", options={"gtol": 1e-7})
    assert fit.loglik == pytest.approx(-100 * best.fun, abs=1e-7)
    assert fit.coef.to_numpy() == pytest.approx(complete(best.x), abs=1e-4)
    assert fit.npar == len(names) - 1


def test_profile_of_a_product_peaks_at_the_constrained_maximum():
    """log L maximised for fixed p q = c, as a function of c, has its maximum at the maximum without constraint."""
    data = answers(200)
    text = "y ~ 0 + a*d1 + b*d2 + d3 + d4 + (1 | person) @family(bernoulli)\n"
    free = semgllamm.fit(text, data)
    top = free.coef["a"] * free.coef["b"]

    def held(product):
        return semgllamm.fit(f"{text}a*b == {product:.12f}", data)

    profile = [held(top + step) for step in (-0.02, 0.0, 0.02)]
    assert profile[1].loglik == pytest.approx(free.loglik, abs=1e-6)
    assert max(profile[0].loglik, profile[2].loglik) < free.loglik
    # the slope of the profile is minus the multiplier
    for step, fit in zip((-0.02, 0.0, 0.02), profile):
        slope = (held(top + step + 1e-3).loglik - held(top + step - 1e-3).loglik) / 2e-3
        assert -fit.constraints.multiplier[0] == pytest.approx(slope, abs=2e-2)


def test_equations_that_follow_from_others_count_once():
    data = pupils(60)
    once = semgllamm.fit(ITEMS + "p*q == r", data)
    thrice = semgllamm.fit(ITEMS + "p*q == r\nq == r/p\np == r/q", data)
    assert thrice.converged and thrice.npar == once.npar
    assert thrice.loglik == pytest.approx(once.loglik, abs=1e-8)
    assert np.sqrt(np.diag(thrice.vcov())) == pytest.approx(np.sqrt(np.diag(once.vcov())), abs=1e-6)


def test_a_bound_is_reported_where_it_holds():
    fit = semgllamm.fit(COUNTS.replace("a*w", "a*w + lower(0.5)*x"), pupils(60))
    assert fit.converged and fit.coef["c1~x"] == pytest.approx(0.5, abs=1e-9)
    row = fit.parameters[fit.parameters.rhs == "x"].iloc[0]
    assert row.se > 0 and np.isnan(row.z) and np.isnan(row.pvalue)
    printed = " ".join(str(fit.summary()).split())
    assert "c1~x is at its bound" in printed
    assert "no slack in c1~x - (0.5)" in fit.convergence.message
    bound = fit.constraints.iloc[-1]
    assert (bound.op, bound.active) == ("lower", True) and bound.multiplier > 0
