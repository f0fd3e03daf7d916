"""Gaussian responses that cause each other: the closed form Σ = (I − B)⁻¹Θ(I − B)⁻ᵀ."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import semgllamm as sg
from semgllamm.diagram.checks import check
from semgllamm.syntax.build import read

MODEL = """
y1 ~ b*y2 + g*x1
y2 ~ c*y1 + h*x2
y1 ~~ r*y2
"""


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 2))
    e = rng.multivariate_normal([0, 0], [[1.0, 0.3], [0.3, 0.8]], 300)
    B = np.array([[0, 0.4], [-0.3, 0]])
    y = (x * [0.7, 0.9] + e) @ np.linalg.inv(np.eye(2) - B).T
    return {"y1": y[:, 0], "y2": y[:, 1], "x1": x[:, 0], "x2": x[:, 1]}


def test_loglikelihood_is_that_of_the_implied_distribution(data):
    fit = sg.fit(MODEL, data)
    p = fit.coef
    A = np.linalg.inv(np.eye(2) - np.array([[0, p["b"]], [p["c"], 0]]))
    Theta = np.array([[p["y1~~y1"], p["r"]], [p["r"], p["y2~~y2"]]])
    fixed = np.stack([p["y1~1"] + p["g"] * data["x1"], p["y2~1"] + p["h"] * data["x2"]], axis=1)
    residual = np.stack([data["y1"], data["y2"]], axis=1) - fixed @ A.T
    expected = multivariate_normal([0, 0], A @ Theta @ A.T).logpdf(residual).sum()
    assert fit.converged
    assert fit.loglik == pytest.approx(expected, abs=1e-8)


def test_a_saturated_cycle_fits_as_well_as_the_reduced_form(data):
    # as many structural as reduced-form parameters: the maxima of the two likelihoods are one
    cycle = sg.fit(MODEL, data)
    reduced = sg.fit("y1 ~ x1 + x2\ny2 ~ x1 + x2\ny1 ~~ y2", data)
    assert cycle.npar == reduced.npar
    assert cycle.loglik == pytest.approx(reduced.loglik, abs=1e-7)
    assert cycle.coef["b"] == pytest.approx(0.4, abs=4 * np.sqrt(cycle.vcov().loc["b", "b"]))


def test_a_cycle_through_another_family_is_refused(data):
    with pytest.raises(sg.ModelError, match="cycle"):
        check(read(MODEL.replace("y1 ~~ r*y2", "@family(y1, poisson)")))


FACTORS = "dem60 =~ y1 + y2 + y3 + y4\ndem65 =~ y5 + y6 + y7 + y8\n"


@pytest.mark.parametrize(
    ("paths", "loglik"),
    [
        # maxima that lavaan 0.6-14 finds too
        ("dem60 ~ dem65 + x1\ndem65 ~ dem60 + x2", -1322.91672),
        ("dem60 ~ dem65 + x3\ndem65 ~ dem60 + x1", -1323.44682),
        ("dem60 ~ dem65 + x1\ndem65 ~ dem60 + x3\ndem60 ~~ dem65", -1323.39294),
        ("dem60 ~ dem65 + x3\ndem65 ~ dem60 + x1\ndem60 ~~ dem65", -1323.39294),
    ],
)
def test_feedback_between_factors_reaches_the_maximum_where_it_comes_to_rest(paths, loglik):
    fit = sg.sem(FACTORS + paths, sg.load_dataset("political_democracy"))
    assert fit.converged
    assert fit.loglik == pytest.approx(loglik, abs=1e-5)
    assert fit.coef["dem60~dem65"] * fit.coef["dem65~dem60"] < 1


@pytest.mark.parametrize("slack", ["a > -1000", "a*b < 1", "a > -50\nb < 50"])
def test_constraints_that_are_far_from_holding_anything_change_nothing(slack):
    # without damping a step along what is hardly determined does not end
    paths = "dem60 ~ a*dem65 + x3\ndem65 ~ b*dem60 + x1\ndem60 ~~ dem65\n"
    fit = sg.sem(FACTORS + paths + slack, sg.load_dataset("political_democracy"))
    assert fit.converged
    assert fit.loglik == pytest.approx(-1323.39294, abs=1e-5)


def test_covariates_that_change_places_change_no_more_than_names():
    # one model written twice: which factor is the first does not matter
    data = sg.load_dataset("political_democracy")
    one = sg.sem(FACTORS + "dem60 ~ dem65 + x1\ndem65 ~ dem60 + x3", data)
    other = sg.sem(FACTORS + "dem65 ~ x3 + dem60\ndem60 ~ x1 + dem65", data)
    assert other.loglik == pytest.approx(one.loglik, abs=1e-8)


def test_a_fit_stays_on_the_side_of_a_singular_feedback_where_it_starts():
    data = sg.load_dataset("political_democracy")
    model = FACTORS + "dem60 ~ dem65 + x1\ndem65 ~ dem60 + x2"
    restless = sg.sem(model, data, start={"dem60~dem65": 1.2, "dem65~dem60": 1.3})
    assert restless.converged
    assert restless.coef["dem60~dem65"] * restless.coef["dem65~dem60"] > 1
    assert restless.loglik < sg.sem(model, data).loglik - 0.5


def test_the_end_of_a_flat_ridge_is_no_maximum_at_infinity():
    # standard errors grow a thousandfold on the way (y1 ~~ y1 ends at 151 with one of 1916)
    model = "y1 ~ y5 + x1\ny5 ~ y1 + x2 + x3\ny1 ~~ y5"
    fit = sg.sem(model, sg.load_dataset("political_democracy"))
    assert fit.converged
    assert fit.loglik == pytest.approx(-311.381197519, abs=1e-8)
    errors = np.sqrt(np.diag(fit.vcov()))
    assert errors.max() > 1000
    for direction in np.random.default_rng(1).normal(size=(20, errors.size)):
        assert fit.likelihood.value(fit.free + 1e-2 * errors * direction / np.linalg.norm(direction)) < fit.loglik


def test_feedback_without_a_finite_maximum_says_so():
    fit = sg.sem(FACTORS + "dem60 ~ dem65 + x1\ndem65 ~ dem60", sg.load_dataset("political_democracy"))
    assert not fit.converged
    assert "no finite maximum" in fit.problems[0] and "dem60~dem65 (" in fit.problems[0]


def test_feedback_that_breaks_is_named():
    model = "y4 ~ y8 + x2\ny8 ~ y4 + x1 + x3\ny4 ~~ y8"
    fit = sg.sem(model, sg.load_dataset("political_democracy"))
    assert not fit.converged
    assert any("I - B of y4, y8" in problem for problem in fit.problems)


def test_an_equation_between_paths_of_feedback_keeps_the_side(data):
    equal = sg.sem(MODEL + "b == -c", data)
    bent = sg.sem(MODEL + "b + c == 0*g", data)
    assert equal.converged and bent.converged
    assert bent.loglik == pytest.approx(equal.loglik, abs=1e-7)
    assert equal.coef["b"] * equal.coef["c"] < 1


def test_the_engine_stays_on_the_side_too(data):
    closed = sg.fit(MODEL, data)
    engine = sg.fit(MODEL, data, quadrature="laplace")
    assert engine.converged
    assert engine.loglik == pytest.approx(closed.loglik, abs=1e-6)
    assert engine.likelihood.side(engine.free) == (True,)
    across = engine.free.copy()
    across[[engine.likelihood.names.index(name) for name in ("b", "c")]] = 1.5
    assert engine.likelihood.side(across) == (False,)
