"""Every family under every link: answers drawn at known parameters give these back.

The model is a random intercept, ν = β0 + β1 x + u with u ~ N(0, ψ) of each group; the answers are drawn by the family
itself. A link with restricted range has its means many standard deviations inside.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import semgllamm as sg
from semgllamm.responses import registry

GROUPS, SIZE, TRIALS, LEAVE = 120, 12, 5, 6.0
THRESHOLDS = np.array([-0.6, 0.9])
OWN = {"dispersion": 0.4, "inflation": -0.8, "guessing": -1.2, "ceiling": 2.0}
# spreads that leave the random intercept visible
DISPERSION = {"gaussian": -1.5, "censored": -0.5, "gamma": -1.0, "inversegaussian": -1.5, "beta": 1.5}
# intercept, slope, variance of the random intercept
SETTING = {
    "all": (0.3, 0.5, 0.36), "positive": (2.0, 0.5, 0.09), "negative": (-1.2, 0.3, 0.03), "unit": (0.5, 0.15, 0.006),
}  # fmt: skip

# under this link shares come so near to 1 that doubles, of which none is between 1 - 2^-53 and 1, cannot tell them
# apart: at 0.3 thirty of 1440 are that last double, and drag the slope down by 2 standard errors
BELOW_ONE = {("beta", "cloglog"): -1.0}

CASES = [(family.name, family.link) for family in registry.FAMILIES if not family.is_joint]
# a few of each kind run always
ALWAYS = {
    ("gaussian", "log"), ("poisson", "sqrt"), ("gamma", "reciprocal"), ("bernoulli", "cloglog"), ("weibull", "log"),
    ("ordinal", "probit"), ("nbinom2", "log"), ("censored", "identity"),
}  # fmt: skip


def domain(family):
    own = np.zeros(max(family.own, 2)) if family.own > 1 else 0.0
    own = THRESHOLDS if family.thresholds else own
    has = [bool(np.isfinite(family.mean(np.array([nu]), own)).all()) for nu in (-1.0, 0.5, 2.0)]
    return {(1, 1, 1): "all", (0, 1, 1): "positive", (1, 0, 0): "negative", (0, 1, 0): "unit"}[tuple(map(int, has))]


def drawn(name, link, seed):
    """(text, data, truth)"""
    family, rng = registry.lookup(name, link), np.random.default_rng(seed)
    groups = GROUPS * (4 if "bernoulli" in name else 1)
    n = groups * SIZE
    intercept, slope, variance = SETTING[domain(family)]
    intercept = BELOW_ONE.get((name, link), intercept)
    if "guessing" in family.predictors or "ceiling" in family.predictors:
        slope, variance, groups, n = 1.6, 1.0, 3 * groups, 3 * n
    g, x = np.repeat(np.arange(groups), SIZE), rng.uniform(-1.0, 1.0, n)
    nu = slope * x + np.sqrt(variance) * rng.normal(size=groups)[g]
    truth = {"y~x": slope, "g.intercept~~g.intercept": variance}
    if family.thresholds:
        own = np.broadcast_to(THRESHOLDS, (n, 2))
        truth |= {"y|t1": THRESHOLDS[0], "y|t2": THRESHOLDS[1]}
    else:
        nu += intercept
        truth["y~1"] = intercept
        values = {kind: DISPERSION.get(name, OWN[kind]) if kind == "dispersion" else OWN[kind]
                  for kind in family.predictors}  # fmt: skip
        own = np.array(list(values.values()))
        own = own[0] if family.own == 1 else np.broadcast_to(own, (n, len(own)))
        if family.has_residual:
            truth["y~~y"] = np.exp(values["dispersion"])
        else:
            truth |= {f"y@{kind}~1": value for kind, value in values.items()}
    y = family.simulate(nu, own, np.full(n, float(TRIALS if family.beside == "trials" else 1)), rng)
    data, link_and_options, more = pd.DataFrame({"y": y, "x": x, "g": g}), link, ""
    if family.beside == "trials":
        more = f"@trials({TRIALS})"
    elif family.beside == "event":
        leave = rng.exponential(LEAVE * np.exp(intercept), n)
        data = data.assign(y=np.minimum(y, leave), seen=1.0 * (y <= leave))
        more = "@event(seen)"
    elif family.beside == "interval":
        data, link_and_options = data.assign(y=np.maximum(y, 0.0)), f"{link}, lower=0"
    return f"y ~ x + (1 | g)  @family({name}({link_and_options})) {more}", data, truth


def errors(text, data, truth):
    """(estimate − truth) / SE of each parameter, and twice the log-likelihood ratio of all: they are correlated."""
    fit = sg.fit(text, data, progress=False)
    assert fit.converged
    assert set(fit.coef.index) == set(truth)
    true = pd.Series(truth)[fit.coef.index]
    there = fit._working.free_from_inner(fit._working.inner_from_cells(true.to_numpy()))
    ratio = 2 * (fit.loglik - fit.likelihood.value(there, fit.points))
    return (fit.coef - true) / np.sqrt(np.diag(fit.vcov())), ratio


@pytest.mark.parametrize(
    "name, link", [pytest.param(*case, marks=[] if case in ALWAYS else pytest.mark.slow) for case in CASES]
)
def test_parameters_come_back(name, link):
    z, ratio = errors(*drawn(name, link, seed=1))
    assert z.notna().all()
    assert z.abs().max() < 4
    assert stats.chi2.sf(ratio, len(z)) > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name, link", CASES)
def test_errors_have_mean_zero(name, link):
    """Over eight samples; a variance or another own parameter has a bias of its own, of the order 1/n."""
    z = pd.DataFrame([errors(*drawn(name, link, seed))[0] for seed in range(2, 10)])
    assert z.mean().abs().max() < 4 / np.sqrt(8)


def nominal(seed):
    rng = np.random.default_rng(seed)
    g, n = np.repeat(np.arange(200), 12), 2400
    x = rng.uniform(-1, 1, n)
    Psi = np.array([[0.6, 0.2], [0.2, 0.5]])
    u = rng.multivariate_normal([0, 0], Psi, 200)[g]
    nu = np.stack([np.zeros(n), 0.3 + 0.8 * x + u[:, 0], -0.2 - 0.6 * x + u[:, 1]], axis=1)
    picked = registry.lookup("multinomial").simulate(nu, None, None, rng).argmax(axis=1)
    car, train = "y[car].g.intercept", "y[train].g.intercept"
    truth = {"y[car]~1": 0.3, "y[train]~1": -0.2, "y[car]~x": 0.8, "y[train]~x": -0.6, f"{car}~~{car}": 0.6,
             f"{train}~~{train}": 0.5, f"{car}~~{train}": 0.2}  # fmt: skip
    data = pd.DataFrame({"y": np.array(["bus", "car", "train"])[picked], "x": x, "g": g})
    return "y ~ x + (1 | g)  @family(multinomial)", data, truth


def rankings(seed):
    rng = np.random.default_rng(seed)
    persons, cases, size = 150, 6, 4
    n = persons * cases
    cost = rng.normal(size=(n, size))
    taste = -0.7 + 0.6 * np.repeat(rng.normal(size=persons), cases)
    nu = np.array([0.0, 0.5, -0.3, 0.2]) + cost * taste[:, None]
    ranks = registry.lookup("ranking").simulate(nu, None, None, rng)
    case = np.repeat(np.arange(n), size)
    data = pd.DataFrame({"y": ranks.ravel(), "cost": cost.ravel(), "alt": np.tile(list("abcd"), n), "id": case})
    truth = {"y~alt[b]": 0.5, "y~alt[c]": -0.3, "y~alt[d]": 0.2, "y~cost": -0.7, "person.cost~~person.cost": 0.36}
    text = "y ~ alt + cost + (0 + cost | person)  @family(ranking)\n@alternatives(y, case=id, alternative=alt)"
    return text, data.assign(person=data.id // cases), truth


@pytest.mark.parametrize("joint", [nominal, rankings])
def test_parameters_of_choices_come_back(joint):
    z, ratio = errors(*joint(seed=1))
    assert z.abs().max() < 4
    assert stats.chi2.sf(ratio, len(z)) > 1e-4


def test_every_family_is_drawn():
    assert {name for name, _ in CASES} | {"multinomial", "ranking"} == set(registry.names())
