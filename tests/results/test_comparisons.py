"""Comparisons of fits: scaled ratios by integration, Vuong's tests, log-likelihoods of units, and what is refused."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, kstest, norm, poisson

import semgllamm as sg
from semgllamm.estimation.drawing import independent_level
from semgllamm.estimation.unit_logliks import unit_logliks

TWO = "visual =~ {0}x1 + x2 + x3\ntextual =~ x4 + x5 + x6\n"
LEVELS = "level: 1\nfw =~ y1 + y2 + y3\nfw ~ x1\nlevel: 2\nfb =~ y1 + y2 + y3\nfb ~ w1"
FITS = {
    "two groups": (TWO.format(""), "holzinger", {"group": "school"}),
    "residual covariances": (TWO.format("") + "x1 ~~ x4", "holzinger", {"quadrature": "laplace"}),
    "items on a grid": ("t =~ y1 + y2 + y3 + y4 + y5 @family(bernoulli)", "lsat6", {}),
    "a random intercept": ("y ~ 1 + trt + (1 | subject) @family(poisson)", "epil", {}),
    "no latent variable": ("y ~ 1 + trt + lage @family(poisson)", "epil", {}),
    "two levels": (LEVELS, "demo_twolevel", {"cluster": "cluster"}),
}


@cache
def fitted(name):
    text, data, arguments = FITS[name]
    return (sg.sem if name == "two levels" else sg.fit)(text, sg.load_dataset(data), **arguments)


@cache
def counts(n=400, seed=3):
    """Counts that grow with x, and less than with their correlate z."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    z = 0.6 * x + 0.8 * rng.normal(size=n)
    return pd.DataFrame({"x": x, "z": z, "y": rng.poisson(np.exp(0.4 + 0.4 * z)), "group": np.arange(n) // 8})


@pytest.mark.parametrize("name", FITS)
def test_units_add_up_to_the_log_likelihood(name):
    fit = fitted(name)
    found = unit_logliks(fit.likelihood, fit.free, fit.points, independent_level(fit.likelihood))
    assert len(found) > 10 and np.ptp(found) > 0
    assert found.sum() == pytest.approx(fit.loglik, rel=1e-9)


def test_vuongs_tests_by_hand():
    data = counts()
    one, other = (sg.fit(f"y ~ {name} @family(poisson)", data) for name in ("z", "x"))
    units, scores, inverses = [], [], []
    for name, fit in (("z", one), ("x", other)):
        X = np.column_stack([np.ones(len(data)), data[name]])
        mean = np.exp(X @ fit.coef[["y~1", f"y~{name}"]])
        units.append(poisson.logpmf(data["y"], mean))
        scores.append(X * (data["y"].to_numpy() - mean)[:, None])
        inverses.append(np.linalg.inv(X.T @ (X * mean[:, None])))
    d = units[0] - units[1]
    row = sg.compare(one, other, method="vuong").iloc[1]
    assert row["z"] == pytest.approx(d.sum() / (np.sqrt(len(d)) * d.std()), rel=1e-6) and row["z"] > 2
    assert row["pvalue"] == pytest.approx(2 * norm.sf(row["z"]), rel=1e-6)
    assert row["variance"] == pytest.approx(d.var(), rel=1e-6)
    f, g = scores
    W = np.block([[f.T @ f @ inverses[0], f.T @ g @ inverses[1]], [-g.T @ f @ inverses[0], -g.T @ g @ inverses[1]]])
    squares = np.linalg.eigvals(W).real ** 2
    # a smaller statistic of the same weights, whose tail can be drawn
    from semgllamm.results.class_tests import survival_of_weighted_sum

    drawn = np.random.default_rng(0).chisquare(1, size=(200_000, 4)) @ squares
    assert survival_of_weighted_sum(3.0, squares) == pytest.approx((drawn > 3.0).mean(), abs=0.005)
    assert row["pvalue_variance"] == pytest.approx(survival_of_weighted_sum(len(d) * d.var(), squares), abs=1e-6)


@pytest.mark.slow
def test_fits_that_cannot_be_told_apart():
    """Two irrelevant covariates: the p-values of the variance are uniform."""
    rng = np.random.default_rng(7)
    p = []
    for seed in range(40):
        data = counts(300, seed).assign(u=rng.normal(size=300), v=rng.normal(size=300))
        fits = [sg.fit(f"y ~ z + {name} @family(poisson)", data) for name in "uv"]
        p.append(sg.compare(*fits, method="vuong")["pvalue_variance"].iloc[1])
    assert kstest(p, "uniform").pvalue > 0.01
    assert np.mean(np.array(p) < 0.1) < 0.25


def test_vuongs_test_counts_independent_units():
    """A fit with clusters and one without are compared by clusters; and families may differ."""
    data = counts()
    clusters = sg.fit("y ~ x + (1 | group) @family(poisson)", data)
    rows = sg.fit("y ~ x @family(nbinom2)", data)
    row = sg.compare(clusters, rows, method="vuong").iloc[1]
    rowwise = unit_logliks(rows.likelihood, rows.free, rows.points, 0).reshape(50, 8).sum(axis=1)
    own = unit_logliks(clusters.likelihood, clusters.free, clusters.points, 1)
    d = own - rowwise
    assert abs(row["z"]) == pytest.approx(abs(d.sum()) / (np.sqrt(50) * d.std()), rel=1e-6)


def test_the_scaled_ratio_is_that_of_the_closed_form():
    """Satorra and Bentler's (2001) factor is the difference of tr A⁻¹B, which needs no saturated model."""
    data = sg.load_dataset("holzinger")
    texts = TWO.format(""), TWO.format("") + "visual ~~ 0*textual"
    closed = sg.compare(*(sg.fit(text, data, estimator="MLR") for text in texts))
    found = sg.compare(*(sg.fit(text, data, estimator="MLR", quadrature="laplace") for text in texts))
    assert found["chisq_diff"].iloc[1] == pytest.approx(closed["chisq_diff"].iloc[1], rel=1e-4)
    assert found["pvalue"].iloc[1] == pytest.approx(chi2.sf(found["chisq_diff"].iloc[1], 1), rel=1e-9)
    plain = sg.compare(*(sg.fit(text, data, quadrature="laplace") for text in texts))
    assert abs(plain["chisq_diff"].iloc[1] / found["chisq_diff"].iloc[1] - 1) > 0.02
    forced = sg.compare(
        *(sg.fit(text, data, estimator="MLR", quadrature="laplace") for text in texts), method="lr"
    )  # fmt: skip
    assert forced["chisq_diff"].iloc[1] == pytest.approx(plain["chisq_diff"].iloc[1], rel=1e-6)


def test_the_scaled_ratio_under_overdispersion():
    """Poisson regressions of counts that vary more than they should: Wald's robust test is nearly the same."""
    rng = np.random.default_rng(5)
    data = counts(3000).assign(y=lambda d: rng.negative_binomial(1.0, 1 / (1 + np.exp(0.4 + 0.08 * d.x))))
    large, small = (sg.fit(f"y ~ {term} @family(poisson)", data, se="robust") for term in ("x", "1"))
    scaled = sg.compare(large, small)["chisq_diff"].iloc[1]
    ratio = sg.compare(large, small, method="lr")["chisq_diff"].iloc[1]
    assert scaled == pytest.approx(large.wald_test("`y~x` == 0").stat, rel=0.05)
    assert ratio > 1.7 * scaled


def test_sampling_weights_have_the_scaled_ratio():
    data = counts().assign(w=lambda d: np.where(d.x > 0, 2.0, 0.5))
    large, small = (sg.fit(f"y ~ {term} @family(poisson)", data, sampling_weights="w") for term in ("z", "1"))
    row = sg.compare(large, small).iloc[1]
    assert row["chisq_diff"] > 10 and row["pvalue"] < 0.01
    with pytest.raises(sg.ModelError, match="sampling weights make it a pseudo-likelihood"):
        sg.compare(large, small, method="lr")


def test_products_may_be_tested():
    data = sg.load_dataset("epil")
    fit = sg.fit("y ~ 1 + a*trt + b*lage + (1 | subject) @family(poisson)", data)
    test = fit.wald_test("a*b == 0")
    a, b = fit.label_values["a"], fit.label_values["b"]
    V = fit.vcov().loc[["a", "b"], ["a", "b"]].to_numpy()
    slope = np.array([b, a])
    assert test.stat == pytest.approx((a * b) ** 2 / (slope @ V @ slope), rel=1e-8)


def test_what_cannot_be_compared_is_said():
    data = counts()
    fit = sg.fit("y ~ z @family(poisson)", data)
    others = {
        "the values of y": sg.fit("y ~ 1 @family(poisson)", data.assign(y=data.y + 1)),
        "has 400 rows and fit2 has 390": sg.fit("y ~ 1 @family(poisson)", data.iloc[:390]),
        "w, y are responses of one": sg.fit("w ~ 1 @family(poisson)", data.assign(w=data.y)),
        "a density in one and a probability": sg.fit("y ~ 1 @family(gaussian)", data),
    }
    for reason, other in others.items():
        for compare in (sg.compare, sg.information_criteria):
            with pytest.raises(sg.ModelError, match=reason):
                compare(fit, other)


def test_models_that_may_be_the_same():
    data = sg.load_dataset("holzinger")
    one, other = (sg.sem(text, data, fixed_x=False) for text in ("x1 ~ x2", "x2 ~ x1"))
    assert one.loglik == pytest.approx(other.loglik, abs=1e-8)
    with pytest.raises(sg.ModelError, match="they may be the same model written in two ways"):
        sg.compare(one, other)
    assert list(sg.information_criteria(one, other)["same"]) == ["", "fit1"]
    third = sg.sem("x1 ~~ 0*x2\nx1 ~~ x1\nx2 ~~ x2", data)
    assert "same" not in sg.information_criteria(one, third)
