"""Predictions and draws of models with products of latent variables, against dense grids and moments."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import norm

import semgllamm as sg

TEXT = """
f1 =~ y1 + y2
f2 =~ y3 + y4
f1 ~ x
f1 ~~ f2
y5 ~ f1 + f2 + f1:f2
b ~ f1 + f1:f1  @family(bernoulli)
"""
LATENT = "f1 =~ y1 + y2\nf2 =~ y3 + y4\nf3 =~ y5 + y6\nf3 ~ f1 + f2 + f1:f2"
VALUES = {
    "f1=~y2": 0.9, "f2=~y4": 1.1, "f3=~y6": 0.8, "f3~f1": 0.4, "f3~f2": 0.3, "f3~f1:f2": 0.5, "f1~~f2": 0.4,
    "f3~~f3": 0.4,
}  # fmt: skip


def data(n=150, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    f1 = 0.5 * x + rng.normal(size=n)
    f2 = 0.3 * f1 + rng.normal(size=n)
    out = {"x": x, "y5": 1 + 0.5 * f1 - 0.4 * f2 + 0.6 * f1 * f2 + rng.normal(size=n)}
    out["b"] = 1.0 * (rng.random(n) < expit(-0.5 + 0.5 * f1 + 0.5 * f1**2))
    for k, f in enumerate((f1, f1, f2, f2), start=1):
        out[f"y{k}"] = f + 0.7 * rng.normal(size=n)
    return pd.DataFrame(out)


@cache
def fitted():
    return sg.fit(TEXT, data(), quadrature=sg.Adaptive(points=11))


def grid(row, c):
    """Points of both factors and their posterior weights, given the answers of a row."""
    u = np.linspace(-6, 6, 401)
    S = np.array([[c["f1~~f1"], c["f1~~f2"]], [c["f1~~f2"], c["f2~~f2"]]])
    L = np.linalg.cholesky(S)
    z1, z2 = np.meshgrid(u, u, indexing="ij")
    f1, f2 = c["f1~x"] * row.x + L[0, 0] * z1, L[1, 0] * z1 + L[1, 1] * z2
    log = norm.logpdf(z1) + norm.logpdf(z2)
    for name, f, loading in (("y1", f1, 1), ("y2", f1, c["f1=~y2"]), ("y3", f2, 1), ("y4", f2, c["f2=~y4"])):
        log = log + norm.logpdf(row[name], c[f"{name}~1"] + loading * f, np.sqrt(c[f"{name}~~{name}"]))
    y5 = c["y5~1"] + c["y5~f1"] * f1 + c["y5~f2"] * f2 + c["y5~f1:f2"] * f1 * f2
    b = c["b~1"] + c["b~f1"] * f1 + c["b~f1:f1"] * f1**2
    log = log + norm.logpdf(row.y5, y5, np.sqrt(c["y5~~y5"])) + np.log(expit((2 * row.b - 1) * b))
    w = np.exp(log - log.max())
    return y5, b, w / w.sum(), norm.pdf(z1) * norm.pdf(z2) / (norm.pdf(z1) * norm.pdf(z2)).sum()


def test_predictions_are_averages_over_the_posterior_and_the_population():
    fit, rows = fitted(), data().head(4)
    assert fit.converged
    c = fit.coef
    linear, mean, marginal = (fit.predict(kind=kind).head(4) for kind in ("linear", "mean", "marginal"))
    for k, (_, row) in enumerate(rows.iterrows()):
        y5, b, posterior, prior = grid(row, c)
        assert linear["y5"].iloc[k] == pytest.approx((posterior * y5).sum(), abs=1e-4)
        assert linear["b"].iloc[k] == pytest.approx((posterior * b).sum(), abs=1e-4)
        assert mean["b"].iloc[k] == pytest.approx((posterior * expit(b)).sum(), abs=1e-4)
        assert marginal["y5"].iloc[k] == pytest.approx((prior * y5).sum(), abs=1e-5)
        assert marginal["b"].iloc[k] == pytest.approx((prior * expit(b)).sum(), abs=1e-5)
    # a new unit is one of the population
    new = fit.predict(rows.drop(columns=["y5"]), kind="mean")
    np.testing.assert_allclose(new["b"], marginal["b"], atol=1e-9)


def test_predictions_at_chosen_values_follow_the_equations():
    fit = fitted()
    c = fit.coef
    held = fit.predict(latent={"f1": 1.2, "f2": -0.5})
    y5 = c["y5~1"] + 1.2 * c["y5~f1"] - 0.5 * c["y5~f2"] - 0.6 * c["y5~f1:f2"]
    np.testing.assert_allclose(held["y5"], y5, atol=1e-12)
    np.testing.assert_allclose(held["b"], c["b~1"] + 1.2 * c["b~f1"] + 1.44 * c["b~f1:f1"], atol=1e-12)
    # the other at its mean
    f1 = c["f1~x"] * data()["x"]
    one = fit.predict(latent={"f2": 2.0})["y5"]
    np.testing.assert_allclose(one, c["y5~1"] + c["y5~f1"] * f1 + 2 * c["y5~f2"] + 2 * f1 * c["y5~f1:f2"], atol=1e-12)
    np.testing.assert_allclose(fit.predict(latent="zero")["b"], c["b~1"] + c["b~f1"] * f1 + c["b~f1:f1"] * f1**2)


def test_products_in_equations_of_latent_variables():
    fit = sg.fit(LATENT, sg.simulate(LATENT, n_units=150, values=VALUES, seed=3), quadrature=sg.Adaptive(points=3))
    c = fit.coef
    f3 = 1.5 * c["f3~f1"] - c["f3~f2"] - 1.5 * c["f3~f1:f2"]
    np.testing.assert_allclose(fit.predict(latent={"f1": 1.5, "f2": -1})["y6"], c["y6~1"] + c["f3=~y6"] * f3)
    held = fit.predict(latent={"f1": 1.5, "f2": -1, "f3": 0.7})
    np.testing.assert_allclose(held["y6"], c["y6~1"] + 0.7 * c["f3=~y6"])
    mean = c["y6~1"] + c["f3=~y6"] * c["f3~f1:f2"] * c["f1~~f2"]
    np.testing.assert_allclose(fit.predict(kind="marginal")["y6"], mean, rtol=1e-9)
    with pytest.raises(sg.ModelError, match="f3 depends on products"):
        fit.residuals("latent")
    residuals = fit.residuals("quantile", latent="marginal")
    assert residuals["y5"].std() == pytest.approx(1.0, abs=0.15)


def test_draws_have_the_moments_of_products():
    drawn = sg.simulate(LATENT, n_units=100_000, values=VALUES, seed=2)
    # E f3 = c ρ,  E f1 f2 f3 = c (1 + 2ρ²),  f1 and f2 of unit variance
    assert drawn["y5"].mean() == pytest.approx(0.5 * 0.4, abs=0.02)
    third = (drawn["y1"] * drawn["y3"] * drawn["y5"]).mean()
    assert third == pytest.approx(0.5 * (1 + 2 * 0.4**2), abs=0.05)
    f3 = 0.4**2 + 0.3**2 + 2 * 0.4 * 0.3 * 0.4 + 0.5**2 * (1 + 0.4**2) + 0.4
    assert np.cov(drawn["y5"], drawn["y6"])[0, 1] == pytest.approx(0.8 * f3, abs=0.03)


def test_draws_given_the_data():
    fit = fitted()
    drawn = fit.simulate(300, seed=1, latent="posterior")["y5"].groupby(level=1).mean()
    given = fit.predict()["y5"]
    # by means and covariances of factors, on which a product depends alone but for a normal posterior's third moments
    assert np.corrcoef(drawn, given)[0, 1] > 0.98
    assert (drawn - given).mean() == pytest.approx(0.0, abs=0.05)


def test_scores_of_what_depends_on_products():
    """η_3 integrated on a grid of its own, beside those of its factors."""
    rng = np.random.default_rng(3)
    f1, f2 = rng.normal(size=(2, 120))
    f3 = 0.4 * f1 + 0.3 * f2 + 0.5 * f1 * f2 + 0.6 * rng.normal(size=120)
    rows = {f"y{k + 1}": f + 0.6 * rng.normal(size=120) for k, f in enumerate((f1, f1, f2, f2, f3, f3))}
    fit = sg.fit(LATENT, pd.DataFrame(rows))
    scores, c = fit.latent(), fit.coef
    root = np.linalg.cholesky([[c["f1~~f1"], c["f1~~f2"]], [c["f1~~f2"], c["f2~~f2"]]])
    z = np.meshgrid(*[np.linspace(-5.5, 5.5, n) for n in (61, 61, 41)], indexing="ij")
    g1, g2 = root[0, 0] * z[0], root[1, 0] * z[0] + root[1, 1] * z[1]
    g3 = c["f3~f1"] * g1 + c["f3~f2"] * g2 + c["f3~f1:f2"] * g1 * g2 + np.sqrt(c["f3~~f3"]) * z[2]
    for k in range(3):
        log = -0.5 * sum(x * x for x in z)
        for j, g in enumerate((g1, g1, g2, g2, g3, g3), start=1):
            mean = c[f"y{j}~1"] + c.get(f"f{(j + 1) // 2}=~y{j}", 1.0) * g
            log -= 0.5 * (rows[f"y{j}"][k] - mean) ** 2 / c[f"y{j}~~y{j}"]
        w = np.exp(log - log.max())
        w /= w.sum()
        mean = (w * g3).sum()
        assert scores["f3"][k] == pytest.approx(mean, abs=1e-5)
        assert scores["f3.se"][k] == pytest.approx(np.sqrt((w * (g3 - mean) ** 2).sum()), abs=1e-5)


def test_scores_with_factors_of_another_level_are_refused():
    frame = data(60).assign(c=np.repeat(range(12), 5))
    frame["b"], frame["x"] = (frame.groupby("c")[name].transform("mean") for name in ("b", "x"))
    text = "f1 =~ y1 + y2\nf3 =~ y3 + y4\nf3 ~ f1 + g + g:f1\n@level(c)\ng =~ b + x"
    fit = sg.fit(text, frame, quadrature=sg.Adaptive(points=3))
    with pytest.raises(sg.ModelError, match="the level of g is another"):
        fit.latent(level="row")
