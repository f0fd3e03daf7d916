"""Simulated data give back their parameters, and confidence intervals cover them as often as they say."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import simulate
from mixed_responses import MIXED
from scipy import stats

import semgllamm

REFERENCE = Path(simulate.__file__).parent


def model(name):
    return (REFERENCE / name / "model.sem").read_text(encoding="utf-8")


def ordinal_growth(seed, n=400):
    """Four ordinal answers of a person, growing at a rate of their own."""
    rng = np.random.default_rng(seed)
    person, time = np.repeat(np.arange(n), 4), np.tile([0.0, 1.0, 2.0, 3.0], n)
    truth = {"u~time": 0.5, "u|t1": -0.5, "u|t2": 1.2, "id.intercept~~id.intercept": 1.0,
             "id.intercept~~id.time": 0.2, "id.time~~id.time": 0.25}  # fmt: skip
    Psi = np.array([[1.0, 0.2], [0.2, 0.25]])
    b = rng.multivariate_normal([0, 0], Psi, n)[person]
    latent = 0.5 * time + b[:, 0] + b[:, 1] * time + rng.normal(size=len(time))
    return {"u": np.digitize(latent, [-0.5, 1.2]), "time": time, "id": person}, truth


def counts_in_three_levels(seed, n=40):
    rng = np.random.default_rng(seed)
    school, klass = np.repeat(np.arange(n), 15), np.repeat(np.arange(3 * n), 5)
    x = rng.normal(size=15 * n)
    truth = {"y~1": 0.5, "y~x": 0.3, "school.intercept~~school.intercept": 0.25,
             "class.intercept~~class.intercept": 0.16}  # fmt: skip
    nu = 0.5 + 0.3 * x + 0.5 * rng.normal(size=n)[school] + 0.4 * rng.normal(size=3 * n)[klass]
    return {"y": rng.poisson(np.exp(nu)), "x": x, "school": school, "class": klass}, truth


EXAMPLES = {
    "direct effect": (model("mimic_dif"), lambda seed: simulate.mimic_dif(1000, seed)),
    "random intercepts": (
        "y ~ 1 + x + (1 | id)  @family(bernoulli)", lambda seed: simulate.random_intercept_logit(200, 10, seed)
    ),
    "multilevel structural equations, binary": (
        model("multilevel_sem_binary"), lambda seed: simulate.multilevel_sem("bernoulli", 300, 6, seed)
    ),
    "multilevel structural equations, gaussian": (
        model("multilevel_sem_gaussian"), lambda seed: simulate.multilevel_sem("gaussian", 150, 6, seed)
    ),
    "ordinal growth": ("u ~ time + (1 + time | id)  @family(ordinal(probit))", ordinal_growth),
    "counts in three levels": ("y ~ 1 + x + (1 | school/class)  @family(poisson)", counts_in_three_levels),
    **{name: (text, generate) for name, (text, generate, *_) in MIXED.items()},
}  # fmt: skip


def errors(name, seed):
    """(estimate − truth) / SE of each parameter; NaN where its standard error is withheld."""
    text, generate = EXAMPLES[name]
    data, truth = generate(seed)
    fit = semgllamm.fit(text, pd.DataFrame(data))
    assert fit.converged
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (fit.coef - pd.Series(truth)[fit.coef.index]) / np.sqrt(np.diag(fit.vcov()))
    return z


@pytest.mark.parametrize("name", EXAMPLES)
def test_recovery(name):
    z = errors(name, seed=1)
    assert z.notna().all()
    assert z.abs().max() < 4
    # the sum of squares of the fixed effects and loadings is near its number of degrees of freedom
    fixed = z[["~~" not in name for name in z.index]]
    assert stats.chi2.sf((fixed**2).sum(), len(fixed)) > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_coverage_of_95_percent_intervals(name):
    repetitions = 100
    z = pd.DataFrame([errors(name, seed) for seed in range(100, 100 + repetitions)])
    covered = (z.abs() < stats.norm.ppf(0.975)).sum() / z.notna().sum()
    # a Wald interval of a variance is skewed and covers a little less
    low = [0.85 if "~~" in name else 0.88 for name in z]
    assert (covered >= low).all(), covered
    assert abs(covered.mean() - 0.95) < 0.02
    fixed = z[[name for name in z if "~~" not in name]]
    assert (fixed.mean().abs() < 4 / np.sqrt(repetitions) + 0.1).all()
    assert fixed.std().between(0.75, 1.3).all()
