"""The complier average causal effect: classes that are known in one arm."""

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg

TEXT = """
@latent(c, classes(complier, never), known=status)
c ~ w
y ~ x
@class(c, complier)
y ~ 1 + cace*r
@class(c, never)
y ~ 1 + 0*r
"""
EFFECT = 0.7


def drawn(n, seed):
    rng = np.random.default_rng(seed)
    w, x = rng.normal(size=(2, n))
    complies = rng.random(n) < 1 / (1 + np.exp(-(0.4 + 0.8 * w)))
    r = rng.integers(0, 2, n)
    y = np.where(complies, 1.0 + EFFECT * r, 0.2) + 0.5 * x + rng.normal(size=n)
    status = pd.Series(np.where(complies, "complier", "never")).where(r == 1)
    return pd.DataFrame({"y": y, "r": r, "x": x, "w": w, "status": status})


def test_the_effect_is_recovered_with_its_standard_error():
    found = [sg.fit(TEXT, drawn(500, seed), n_starts=1) for seed in range(30)]
    effect = np.array([fit.coef["cace"] for fit in found])
    se = np.array([np.sqrt(fit.vcov().loc["cace", "cace"]) for fit in found])
    assert all(fit.converged and fit.npar == 7 for fit in found)
    assert effect.mean() == pytest.approx(EFFECT, abs=3 * effect.std() / np.sqrt(30))
    assert effect.std(ddof=1) == pytest.approx(se.mean(), rel=0.3)


def test_shares_are_those_of_the_model_for_known_classes_too():
    data = drawn(800, 1)
    fit = sg.fit(TEXT, data, n_starts=1)
    b = fit.coef
    p = 1 / (1 + np.exp(-(b["c[complier]~1"] + b["c[complier]~w"] * data.w)))
    sizes = fit.class_sizes().set_index("class")
    assert sizes.loc["complier", "share"] == pytest.approx(p.mean(), abs=1e-9)
    known = data.status.notna()
    posterior = fit.class_probabilities()["c=complier"].to_numpy()
    np.testing.assert_allclose(posterior[known], data.status[known] == "complier", atol=1e-12)
