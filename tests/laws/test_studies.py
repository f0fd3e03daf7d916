"""Simulation studies: how often 95% intervals cover what was drawn, and how often true hypotheses are rejected.

With R independent samples the share that covers has the standard deviation (0.95 · 0.05 / R)^½, of one parameter; the
average over parameters is bounded by it. Shares between 0.93 and 0.97 are asked for, where R is 500 or more: two of
these standard deviations to each side.
Sizes of tests at 0.05 are asked to lie within 2.6 standard deviations of their number of samples, beside what each test
is known to be off in samples of its size.

The seeds are fixed: a study tells of the code, not of the day.
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest

import semgllamm as sg

pytestmark = pytest.mark.slow


# ---- what is drawn


def logistic_clusters(rng):
    """120 clusters of 8 binary answers."""
    group = np.repeat(np.arange(120), 8)
    x = rng.normal(size=group.size)
    nu = -0.3 + 0.6 * x + 0.9 * rng.normal(size=120)[group]
    data = pd.DataFrame({"y": (nu + rng.logistic(size=group.size) > 0).astype(int), "x": x, "group": group})
    return data, {"y~1": -0.3, "y~x": 0.6, "group.intercept~~group.intercept": 0.81}


def two_parameter_items(rng):
    """800 persons, six items."""
    a, d = np.array([1.0, 1.3, 0.8, 1.6, 1.1, 0.9]), np.array([0.0, 0.5, -0.6, 0.3, -1.0, 1.0])
    theta = rng.normal(size=(800, 1))
    u = (theta * a + d + rng.logistic(size=(800, 6)) > 0).astype(int)
    names = [f"u{k}" for k in range(6)]
    truth = {f"t=~{name}": v for name, v in zip(names, a)} | {f"{name}~1": v for name, v in zip(names, d)}
    return pd.DataFrame(u, columns=names), truth


def two_factors(rng):
    """300 rows, two correlated factors of three indicators."""
    f = rng.multivariate_normal([0, 0], [[1.0, 0.4], [0.4, 1.0]], 300)
    loadings = [0.8, 0.7, 0.9]
    x = np.column_stack([f[:, k // 3] * loadings[k % 3] + 0.6 * rng.normal(size=300) for k in range(6)])
    names = [f"x{k}" for k in range(6)]
    truth = {f"{'fg'[k // 3]}=~{name}": loadings[k % 3] for k, name in enumerate(names)}
    return pd.DataFrame(x, columns=names), truth | {"f~~g": 0.4} | {f"{name}~~{name}": 0.36 for name in names}


def factors_of_two_levels(rng):
    """120 clusters of 6 rows, one factor of three indicators at each level, a covariate between."""
    group = np.repeat(np.arange(120), 6)
    w = rng.normal(size=120)
    between = 0.5 * w + 0.7 * rng.normal(size=120)
    within = rng.normal(size=group.size)
    data = {}
    for k, (low, high) in enumerate(zip([1.0, 0.8, 1.2], [1.0, 0.9, 1.1])):
        own = 0.3 * rng.normal(size=120)
        data[f"y{k}"] = low * within + high * between[group] + own[group] + 0.8 * rng.normal(size=group.size)
    truth = {"fw=~y1": 0.8, "fw=~y2": 1.2, "fb=~y1": 0.9, "fb=~y2": 1.1, "fb~w": 0.5, "fw~~fw": 1.0, "fb~~fb": 0.49}
    return pd.DataFrame(data).assign(w=w[group], group=group), truth


P = np.array([[0.2, 0.85], [0.3, 0.8], [0.15, 0.7], [0.25, 0.9], [0.3, 0.75]])


def two_classes(rng):
    """600 persons in two classes of 40 and 60 in a hundred, five items."""
    klass = (rng.random(600) < 0.6).astype(int)
    u = (rng.random((600, 5)) < P[:, klass].T).astype(int)
    names = [f"u{k}" for k in range(5)]
    logit = np.log(P / (1 - P))
    truth = {f"{name}~1.c{c + 1}": logit[k, c] for k, name in enumerate(names) for c in (0, 1)}
    return pd.DataFrame(u, columns=names), truth | {"c[1]~1": np.log(0.4 / 0.6)}


ITEMS = " + ".join(f"u{k}" for k in range(6))
STUDIES = {
    "logistic regression with a random intercept": (
        "y ~ 1 + x + (1 | group) @family(bernoulli)", logistic_clusters, sg.fit, {}, 600,
    ),
    "two-parameter items": (f"t =~ {ITEMS} @family(bernoulli)", two_parameter_items, sg.fit, {"std_lv": True}, 600),
    "confirmatory factor analysis": (
        "f =~ x0 + x1 + x2\ng =~ x3 + x4 + x5", two_factors, sg.cfa, {"std_lv": True}, 600,
    ),
    "structural equations of two levels": (
        "level: 1\nfw =~ y0 + y1 + y2\nlevel: 2\nfb =~ y0 + y1 + y2\nfb ~ w", factors_of_two_levels, sg.sem,
        {"cluster": "group"}, 500,
    ),
    "latent classes": (
        "@latent(c, classes(2))\nc =~ u0 + u1 + u2 + u3 + u4 @family(bernoulli)", two_classes, sg.fit,
        {"n_starts": 2, "settings": sg.Settings(seed=1)}, 500,
    ),
}  # fmt: skip


def in_order(fit):
    """Estimates and standard errors, with the class of the lower probabilities the first."""
    est, se = fit.coef.copy(), pd.Series(np.sqrt(np.diag(fit.vcov())), fit.coef.index)
    if fit.model.classes and est["u0~1.c1"] > est["u0~1.c2"]:
        swap = {name: name[:-1] + "21"[int(name[-1]) - 1] for name in est.index if name.startswith("u")}
        est, se = est.rename(swap), se.rename(swap)
        est["c[1]~1"] *= -1
    return est, se


@cache
def coverage(name):
    """(share of covered parameters, the lowest of one parameter, samples without standard errors)."""
    text, draw, function, arguments, samples = STUDIES[name]
    rng = np.random.default_rng(20_260)
    covered, lost = [], 0
    for _ in range(samples):
        data, truth = draw(rng)
        fit = function(text, data, **arguments)
        est, se = in_order(fit)
        names = list(truth)
        if not fit.converged or not np.isfinite(se[names]).all():
            lost += 1
            continue
        covered.append(np.abs(est[names] - pd.Series(truth)) <= 1.959964 * se[names])
    each = np.mean(covered, axis=0)
    return each.mean(), each.min(), each.max(), lost


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.filterwarnings("ignore::semgllamm.SemgllammWarning")
def test_intervals_cover(name):
    average, lowest, highest, lost = coverage(name)
    print(f"\n{name}: {average:.4f} of the parameters, {lowest:.3f} to {highest:.3f}, {lost} lost")
    assert 0.93 < average < 0.97
    assert lowest > 0.90  # of one parameter, 4 standard deviations
    assert lost <= 0.02 * STUDIES[name][-1]


# ---- sizes


def within(rejected, samples, off=0.0):
    """Whether a share is that of tests at 0.05, but for chance and `off`."""
    return abs(rejected - 0.05) < off + 2.6 * np.sqrt(0.05 * 0.95 / samples)


@cache
def p_of_a_direct_effect(samples=500):
    """p-values of a direct effect that is not there, on one of five items of 500 persons in two groups."""
    rng = np.random.default_rng(77)
    text = "t =~ u0 + u1 + u2 + u3 + u4 @family(bernoulli)\nt ~ g\n"
    out = []
    for _ in range(samples):
        g = rng.integers(0, 2, 500)
        t = 0.5 * g + rng.normal(size=500)
        data = pd.DataFrame({f"u{k}": (t + 0.2 * k - 0.4 + rng.logistic(size=500) > 0).astype(int) for k in range(5)})
        data["g"] = g
        small, large = sg.fit(text, data), sg.fit(text + "u2 ~ g", data)
        ratio = sg.compare(large, small)["pvalue"].iloc[1]
        out.append((
            ratio, large.wald_test("`u2~g` == 0").pvalue, small.score_test(add="u2 ~ g").pvalue,
            small.score_test(add="u2 ~ g", information="first.order").pvalue,
        ))  # fmt: skip
    return np.array(out)


@pytest.mark.parametrize("k, name", enumerate(["likelihood ratio", "Wald", "score", "score, by products of scores"]))
def test_sizes_of_tests_of_a_direct_effect(k, name):
    p = p_of_a_direct_effect()[:, k]
    print(f"\n{name}: rejected {np.mean(p < 0.05):.4f} at 0.05, {np.mean(p < 0.1):.4f} at 0.1")
    assert within(np.mean(p < 0.05), len(p))
    assert kstest(p, "uniform").pvalue > 0.005


@cache
def p_of_tables(samples=500):
    """p-values of M2 of one group and of two that are alike, 700 persons, five items that the model is right for."""
    rng = np.random.default_rng(78)
    text = "t =~ u0 + u1 + u2 + u3 + u4 @family(bernoulli)"
    out = []
    for _ in range(samples):
        t = rng.normal(size=700)
        data = pd.DataFrame({f"u{k}": (t + 0.2 * k - 0.4 + rng.logistic(size=700) > 0).astype(int) for k in range(5)})
        data["g"] = np.arange(700) % 2
        one = sg.fit(text, data, std_lv=True)
        two = sg.fit(text, data, std_lv=True, group="g", group_equal=("loadings", "intercepts"))
        out.append((one.gof()["m2.pvalue"], two.gof()["m2.pvalue"], one.item_fit()["pvalue"][2]))
    return np.array(out)


@pytest.mark.parametrize("k, name", enumerate(["M2", "M2 of two groups", "S-X2 of an item"]))
def test_sizes_of_tests_of_items(k, name):
    p = p_of_tables()[:, k]
    print(f"\n{name}: rejected {np.mean(p < 0.05):.4f} at 0.05, {np.mean(p < 0.1):.4f} at 0.1")
    # S-X² takes estimates by maximum likelihood for those by its own minimum
    assert within(np.mean(p < 0.05), len(p), off=0.02 if name.startswith("S-X2") else 0.0)


def test_the_size_of_a_variance_on_its_boundary():
    """150 clusters of 6 counts that do not differ."""
    rng = np.random.default_rng(79)
    plain, mixed, zero = [], [], 0
    for _ in range(500):
        data = pd.DataFrame({"y": rng.poisson(2.0, 900), "group": np.arange(900) // 6})
        large, small = (sg.fit(text, data, family="poisson") for text in ("y ~ 1 + (1 | group)", "y ~ 1"))
        row = sg.compare(large, small).iloc[1]
        mixed.append(row["pvalue"])
        plain.append(sg.compare(large, small, boundary=False)["pvalue"].iloc[1])
        zero += row["chisq_diff"] < 1e-6
    size, conservative = np.mean(np.array(mixed) < 0.05), np.mean(np.array(plain) < 0.05)
    print(f"\nboundary: rejected {size:.4f}, by the plain chi-square {conservative:.4f}; at 0 in {zero / 500:.3f}")
    assert within(size, 500)
    assert conservative < 0.04
    assert 0.43 < zero / 500 < 0.60  # half, and more in small samples
