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
