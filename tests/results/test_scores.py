"""Scores of latent variables and disturbances: modes, draws, kinds of standard errors, and rows that are new."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import poisson

import semgllamm as sg

DEMOCRACY = "ind60 =~ x1 + x2 + x3\ndem60 =~ y1 + y2 + y3 + y4\ndem60 ~ ind60"
LEVELS = "level: 1\nfw =~ y1 + y2 + y3\nfw ~ x1\nlevel: 2\nfb =~ y1 + y2 + y3\nfb ~ w1"


@cache
def epil():
    return sg.fit("y ~ 1 + trt + lage + (1 | subject) @family(poisson)", sg.load_dataset("epil"))


@cache
def democracy():
    return sg.sem(DEMOCRACY, sg.load_dataset("political_democracy"), meanstructure=True)


@cache
def two_levels():
    return sg.sem(LEVELS, sg.load_dataset("demo_twolevel"), cluster="cluster")


@cache
def lsat():
    return sg.fit("t =~ y1 + y2 + y3 + y4 + y5 @family(bernoulli)", sg.load_dataset("lsat6"), std_lv=True)


@cache
def classes():
    text = "@latent(c, classes(2))\nc =~ y1 + y2 + y3 + y4 + y5 @family(bernoulli)"
    return sg.fit(text, sg.load_dataset("lsat6"), n_starts=4, settings=sg.Settings(seed=1))


def test_modes_and_curvature_of_a_random_intercept():
    fit = epil()
    found = fit.latent("mode").iloc[4]
    rows = fit.binding.frame.query("subject == subject.unique()[4]")
    fixed = fit.predict(latent="zero")["y"].loc[rows.index]
    variance = fit.coef["subject.intercept~~subject.intercept"]

    def minus(b):
        return -poisson.logpmf(rows["y"], np.exp(fixed + b)).sum() + b**2 / (2 * variance)

    best = minimize_scalar(minus, bracket=(-1, 1), tol=1e-12).x
    assert found["subject.intercept"] == pytest.approx(best, abs=1e-5)
    curvature = np.exp(fixed + best).sum() + 1 / variance
    assert found["subject.intercept.se"] == pytest.approx(curvature**-0.5, rel=1e-4)
    means = fit.latent()
    assert 0.001 < abs(means["subject.intercept"].iloc[4] - best) < 0.1


@pytest.mark.parametrize("fit", [democracy, two_levels])
def test_modes_of_gaussian_models_are_their_means(fit):
    pd.testing.assert_frame_equal(fit().latent("mode"), fit().latent(), rtol=1e-5, atol=1e-7)


def test_disturbances_are_what_equations_leave():
    fit = democracy()
    eta, zeta = fit.latent(), fit.latent(disturbances=True)
    np.testing.assert_allclose(zeta["dem60"], eta["dem60"] - fit.coef["dem60~ind60"] * eta["ind60"], atol=1e-8)
    np.testing.assert_allclose(zeta["ind60"], eta["ind60"], atol=1e-8)
    # the posterior variance of a difference needs their covariance, which draws have
    draws = fit.latent("plausible", n=100, seed=2)
    left = (draws["dem60"] - fit.coef["dem60~ind60"] * draws["ind60"]).unstack() - zeta["dem60"]
    assert left.to_numpy().std() == pytest.approx(zeta["dem60.se"].iloc[0], rel=0.025)
    assert zeta["dem60.se"].iloc[0] > 1.02 * eta["dem60.se"].iloc[0]


def test_disturbances_of_both_levels():
    fit = two_levels()
    frame = fit.binding.frame
    within, between = (fit.latent(level=level, disturbances=True) for level in (1, 2))
    np.testing.assert_allclose(within["fw"], fit.latent(level=1)["fw"] - fit.coef["fw~x1"] * frame["x1"], atol=1e-7)
    w = frame.groupby("cluster")["w1"].first()
    np.testing.assert_allclose(between["fb"], fit.latent(level=2)["fb"] - fit.coef["fb~w1"] * w, atol=1e-7)


@pytest.mark.parametrize("fit, name", [(epil, "subject.intercept"), (democracy, "ind60"), (lsat, "t")])
def test_comparative_and_diagnostic_errors_make_up_the_variance(fit, name):
    fit = fit()
    posterior, diagnostic = fit.latent(se="comparative"), fit.latent(se="diagnostic")
    pd.testing.assert_series_equal(posterior[f"{name}.se"], fit.latent()[f"{name}.se"])
    prior = 1.0 if name == "t" else fit.coef[f"{name}~~{name}"]
    total = posterior[f"{name}.se"] ** 2 + diagnostic[f"{name}.se"] ** 2
    np.testing.assert_allclose(total, prior, rtol=2e-3)
    # the spread of the scores over units
    spread = (diagnostic[f"{name}.se"] ** 2).mean() ** 0.5
    assert diagnostic[name].std() == pytest.approx(spread, rel=0.1)


def test_draws_have_the_posterior_moments():
    found = epil().latent("plausible", n=400, seed=1).iloc[:, 0].unstack()
    assert found.shape == (400, 59)
    scores = epil().latent()
    assert (found.std() / scores["subject.intercept.se"]).mean() == pytest.approx(1.0, abs=0.02)
    z = (found.mean() - scores["subject.intercept"]) / (scores["subject.intercept.se"] / 400**0.5)
    assert np.abs(z).max() < 4.5
    again = epil().latent("plausible", n=400, seed=1).iloc[:, 0].unstack()
    pd.testing.assert_frame_equal(found, again)


def test_reliability_of_scores_of_each_level():
    fit = two_levels()
    for level in (1, 2):
        scores, table = fit.latent(level=level), fit.score_reliability(level).set_index("latent")
        name = "fw" if level == 1 else "fb"
        spread, error = scores[name].var(), (scores[f"{name}.se"] ** 2).mean()
        assert table.loc[name, "empirical"] == pytest.approx(spread / (spread + error), rel=1e-10)


@pytest.mark.parametrize("fit", [epil, democracy, lsat, two_levels])
@pytest.mark.parametrize("kind", ["eb", "mode"])
def test_rows_of_the_fit_are_scored_alike_when_they_are_new(fit, kind):
    fit = fit()
    level = fit.model.levels[-1]
    known, found = (fit.latent(kind, level=level, newdata=new) for new in (None, fit.binding.frame))
    assert list(found.index) == list(known.index) and found.index.name == known.index.name
    np.testing.assert_allclose(found, known, rtol=1e-4, atol=1e-5)


def test_new_rows_have_their_own_answers_and_clusters():
    fit = epil()
    rows = fit.binding.frame
    one = rows[rows["subject"] == rows["subject"].iloc[0]]
    # the same number, other answers
    doubled = fit.latent(newdata=one.assign(y=one["y"] * 2))
    assert list(doubled.index) == [one["subject"].iloc[0]]
    assert doubled["subject.intercept"].iloc[0] > fit.latent()["subject.intercept"].iloc[0] + 0.3
    half = fit.latent(newdata=one.iloc[:2])
    assert half["subject.intercept.se"].iloc[0] > fit.latent()["subject.intercept.se"].iloc[0]


def test_items_and_classes_of_new_persons():
    person = pd.DataFrame({f"y{k}": [1, 0] for k in range(1, 6)}, index=["right", "wrong"])
    frame = sg.load_dataset("lsat6")
    every = frame[[f"y{k}" for k in range(1, 6)]].sum(axis=1)
    scores = lsat().latent(newdata=person)
    assert list(scores.index) == ["right", "wrong"]
    for label, total in (("right", 5), ("wrong", 0)):
        known = lsat().latent()[every == total].iloc[0]
        np.testing.assert_allclose(scores.loc[label], known, atol=1e-6)
        p = classes().class_probabilities()[(every == total).to_numpy()].iloc[0]
        np.testing.assert_allclose(classes().class_probabilities(newdata=person).loc[label], p, atol=1e-8)
    assert np.isnan(lsat().latent("ml", newdata=person)["t"]).all()
    draws = lsat().latent("plausible", n=2, seed=1, newdata=person)
    assert list(draws.index) == [(1, "right"), (1, "wrong"), (2, "right"), (2, "wrong")]


def test_what_new_rows_must_have():
    with pytest.raises(sg.DataError, match="no column 'subject'"):
        epil().latent(newdata=pd.DataFrame({"y": [1], "trt": [0], "lage": [0.0]}))
    with pytest.raises(sg.DataError, match="no column 'lage'"):
        epil().latent(newdata=pd.DataFrame({"y": [1], "trt": [0], "subject": [1]}))
    data = pd.DataFrame({"x": np.tile([0, 1, 2], 60), "f": np.repeat(np.arange(60), 3)})
    rng = np.random.default_rng(1)
    for k in range(3):
        data[f"o{k}"] = rng.integers(0, 3, 180)
    graded = sg.fit("t =~ o0 + o1 + o2 @family(ordinal)", data, std_lv=True)
    with pytest.raises(sg.DataError, match="categories of o1 that the fit has not seen"):
        graded.latent(newdata=pd.DataFrame({"o0": [0], "o1": [7], "o2": [1]}))


def test_what_scores_cannot_be():
    with pytest.raises(sg.ModelError, match="se='sampling' is unknown"):
        epil().latent(se="sampling")
    with pytest.raises(sg.ModelError, match="diagnostic standard errors are of posterior means"):
        epil().latent("mode", se="diagnostic")
    with pytest.raises(sg.ModelError, match="disturbances have no scores of kind 'ml'"):
        lsat().latent("ml", disturbances=True)
    with pytest.raises(sg.ModelError):
        epil().latent("ml")
    with pytest.raises(sg.ModelError, match="from 1, not 0"):
        epil().latent("plausible", n=0)
