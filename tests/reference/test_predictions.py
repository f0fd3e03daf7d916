"""Predictions against lme4 and glmmTMB; residuals of models without latent variables against R's glm."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg
from semgllamm.integration.gauss_hermite import rule

HERE = Path(__file__).parent / "predictions"
VALUES = json.loads((HERE / "values.json").read_text(encoding="utf-8"))
EXACT = sg.Settings(tolerance=1e-18)
FAMILIES = {
    "gaussian": "gaussian", "bernoulli": "bernoulli(probit)", "binomial": "binomial(logit)", "poisson": "poisson",
    "gamma": "gamma(log)", "inversegaussian": "inversegaussian(log)",
}  # fmt: skip


@cache
def sleepstudy():
    return sg.fit("Reaction ~ 1 + Days + (1 + Days | Subject)", sg.load_dataset("sleepstudy"))


@cache
def of_family(name):
    trials = "\n@trials(binomial, size)" if name == "binomial" else ""
    text = f"{name} ~ 1 + x @family({FAMILIES[name]}){trials}"
    return sg.fit(text, pd.read_csv(HERE / "data.csv"), settings=EXACT)


def test_linear_predictors_given_the_data_and_without_random_effects():
    fit, values = sleepstudy(), VALUES["sleepstudy"]
    np.testing.assert_allclose(fit.predict()["Reaction"], values["given"], rtol=0, atol=5e-3)
    np.testing.assert_allclose(fit.predict(latent="zero")["Reaction"], values["bare"], rtol=0, atol=1e-4)


def test_new_rows_of_a_known_and_of_a_new_cluster():
    values = VALUES["sleepstudy"]
    new = pd.DataFrame(values["new"]).assign(Subject=[308, 999])
    found = sleepstudy().predict(new, kind="mean")["Reaction"]
    np.testing.assert_allclose(found, values["new_given"], rtol=0, atol=5e-3)


def test_standard_errors_of_a_gaussian_model():
    fit, values = sleepstudy(), VALUES["sleepstudy"]
    np.testing.assert_allclose(fit.predict(se=True)["Reaction.se"], values["given_se"], rtol=2e-3)
    np.testing.assert_allclose(fit.predict(latent="zero", se=True)["Reaction.se"], values["bare_se"], rtol=1e-4)


def test_linear_predictors_and_probabilities_of_cbpp():
    values = VALUES["cbpp"]
    text = "incidence ~ 1 + period + (1 | herd)  @family(binomial(logit))\n@trials(incidence, size)"
    fit = sg.fit(text, sg.load_dataset("cbpp"), quadrature="laplace")
    for kind, name in (("linear", "link"), ("mean", "response")):
        found = fit.predict(kind=kind, latent="zero", se=True)
        np.testing.assert_allclose(found["incidence"], values[name], rtol=1e-4)
        np.testing.assert_allclose(found["incidence.se"], values[f"{name}_se"], rtol=1e-3)


@pytest.mark.parametrize("kind", ["pearson", "deviance"])
@pytest.mark.parametrize("name", FAMILIES)
def test_residuals_without_latent_variables_are_those_of_glm(name, kind):
    fit = of_family(name)
    found = fit.residuals(kind)[name] * np.sqrt(dispersion(fit, name))  # glm's have no dispersion in them
    np.testing.assert_allclose(found, VALUES["residuals"][name][kind], rtol=0, atol=1e-8)


def dispersion(fit, name):
    """The variance of residuals, or the exponential of the log dispersion."""
    if name == "gaussian":
        return fit.coef["gaussian~~gaussian"]
    logs = [value for label, value in fit.coef.items() if "dispersion" in label]
    return np.exp(logs[0]) if logs else 1.0


def test_average_marginal_effect():
    row = of_family("bernoulli").marginal_effects("x").iloc[0]
    assert row.est == pytest.approx(VALUES["effect"]["est"], rel=1e-7)
    assert row.se == pytest.approx(VALUES["effect"]["se"], rel=1e-5)


def test_deaths_of_children_averaged_over_mothers_and_areas():
    # Rodríguez' check of a model of survival in Kenya: log hazards per month in intervals of 1, 5, 6, 12 and 36 months,
    # nested normal effects with deviations .613 and .680, and 12 × 12 ordinary points
    hazard = np.exp(-4.588 + np.array([0.0, -1.642, -1.998, -2.822, -3.632]))
    cumulative = np.cumsum(hazard * np.array([1.0, 5.0, 6.0, 12.0, 36.0]))[[2, 2, 4, 4]]
    data = pd.DataFrame({
        "area": 1, "mother": [1, 1, 2, 2], "dead": [0.0, 1.0, 0.0, 1.0],
        "risk": np.log(cumulative) + np.array([0.15, 0.63, 0.15, 0.63]),
    })  # fmt: skip
    fit = sg.fit(f"""
        dead ~ 0*1 + (1 | area/mother)    @family(bernoulli(cloglog)) @offset(risk)
        @level(area)
        area.intercept ~~ {0.613**2}*area.intercept
        @level(mother)
        mother.intercept ~~ {0.680**2}*mother.intercept
    """, data, quadrature=sg.Ordinary(12))  # fmt: skip
    assert fit.npar == 0 and fit.converged
    published = [0.0473284038, 0.0741351611, 0.0734189461, 0.1132172817]
    np.testing.assert_allclose(fit.predict(kind="marginal")["dead"], published, atol=2e-10)
    # as the rule itself has it, to the last digit that is printed
    z, logw = rule(12)
    w = np.exp(logw - 0.5 * z**2)
    u = 0.613 * z[:, None] + 0.680 * z
    exact = [float((w[:, None] * w * -np.expm1(-np.exp(risk + u))).sum()) for risk in data["risk"]]
    np.testing.assert_allclose(exact, published, atol=6e-11)
