"""Scores of one latent variable: published values, definitions, and draws from the posterior."""

import time
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit
from scipy.stats import kstest

import semgllamm as sg
from semgllamm.errors import ModelError

ITEMS = ["y1", "y2", "y3", "y4", "y5"]


@cache
def one_parameter():
    text = "theta =~ NA*y1 + a*y1 + a*y2 + a*y3 + a*y4 + a*y5  @family(bernoulli(logit))\ntheta ~~ 1*theta"
    return sg.fit(text, sg.load_dataset("lsat6"))


@cache
def with_guessing():
    text = """
    f =~ NA*y1 + a*y1 + a*y2 + a*y3 + a*y4 + a*y5 @family(bernoulli3pl)
    f ~~ 1*f
    y1 + y2 + y3 + y4 + y5 ~ 1
    @guessing(y1 + y2 + y3 + y4 + y5 ~ g*1)
    """
    return sg.fit(text, sg.load_dataset("lsat6"))


def of_pattern(scores: pd.DataFrame, pattern: str) -> np.ndarray:
    data = sg.load_dataset("lsat6")
    return scores[(data[ITEMS] == [int(digit) for digit in pattern]).all(axis=1)].to_numpy()[0]


def test_posterior_modes_and_means_of_the_one_parameter_model():
    """Rizopoulos (2006), Journal of Statistical Software 17(5): modes with curvatures; means of the same posteriors."""
    modes, means = one_parameter().latent("mode"), one_parameter().latent()
    assert of_pattern(modes, "00000") == pytest.approx([-1.910, 0.790], abs=6e-4)
    assert of_pattern(modes, "11111") == pytest.approx([0.593, 0.862], abs=6e-4)
    assert of_pattern(means, "00000") == pytest.approx([-1.910, 0.797], abs=6e-4)
    assert of_pattern(means, "11111") == pytest.approx([0.632, 0.864], abs=6e-4)


def curve(fit):
    """log P of an answer pattern at θ, written anew."""
    coef = fit.coef

    def log(theta, pattern):
        total = 0.0
        for name, digit in zip(ITEMS, pattern):
            p = expit(coef["a"] * theta + coef[f"{name}~1"])
            total += np.log(p if digit == "1" else 1 - p)
        return total

    return log


def test_maximum_likelihood_and_its_infinite_estimates():
    fit = one_parameter()
    scores = fit.latent("ml")
    assert np.isnan(of_pattern(scores, "11111")).all() and np.isnan(of_pattern(scores, "00000")).all()
    log = curve(fit)
    for pattern in ("00001", "10110", "11110"):
        best = minimize_scalar(lambda t, pattern=pattern: -log(t, pattern), bounds=(-12, 12), options={"xatol": 1e-9})
        value, error = of_pattern(scores, pattern)
        assert value == pytest.approx(best.x, abs=1e-5)
        p = expit(fit.coef["a"] * value + fit.coef[[f"{name}~1" for name in ITEMS]].to_numpy())
        assert error == pytest.approx((fit.coef["a"] ** 2 * (p * (1 - p)).sum()) ** -0.5, rel=1e-6)


def test_weighted_likelihood_maximises_the_likelihood_times_the_root_of_the_information():
    """Warm (1989), for logistic items without asymptotes."""
    fit = one_parameter()
    log, a, d = curve(fit), fit.coef["a"], fit.coef[[f"{name}~1" for name in ITEMS]].to_numpy()

    def weighted(theta, pattern):
        p = expit(a * theta + d)
        return log(theta, pattern) + 0.5 * np.log(a**2 * (p * (1 - p)).sum())

    scores = fit.latent("wle")
    for pattern in ("00000", "10110", "11111"):
        best = minimize_scalar(lambda t, pattern=pattern: -weighted(t, pattern), bounds=(-12, 12),
                               options={"xatol": 1e-9}, method="bounded")  # fmt: skip
        assert of_pattern(scores, pattern)[0] == pytest.approx(best.x, abs=1e-5)
    assert np.isfinite(scores).all(axis=None)


def test_modes_with_guessing_are_maxima():
    fit = with_guessing()
    table = fit.items(se=False)
    modes = fit.latent("mode")
    theta = np.linspace(-6, 6, 24_001)
    p = table["guessing"].to_numpy() + (1 - table["guessing"].to_numpy()) * expit(
        theta[:, None] * table["a"].to_numpy() + table["d"].to_numpy()
    )
    data = sg.load_dataset("lsat6")[ITEMS].to_numpy()
    for row in range(0, 1000, 90):
        posterior = np.log(np.where(data[row] == 1, p, 1 - p)).sum(axis=1) - theta**2 / 2
        assert modes["f"].iloc[row] == pytest.approx(theta[np.argmax(posterior)], abs=3e-4)


def test_covariates_move_modes():
    rng = np.random.default_rng(12)
    x = rng.normal(size=500)
    theta = 0.8 * x + rng.normal(size=500)
    data = pd.DataFrame({f"u{k}": (1.2 * theta + rng.logistic(size=500) > 0).astype(float) for k in range(4)})
    data.loc[::7, "u1"] = np.nan
    fit = sg.fit("f =~ u0 + u1 + u2 + u3 @family(bernoulli)\nf ~ x", data.assign(x=x))
    modes, means, draws = (fit.latent(kind, n=1, seed=2)["f"] for kind in ("mode", "eb", "plausible"))
    # a posterior of few answers is close to its prior, and symmetric enough for both to agree within a tenth
    np.testing.assert_allclose(modes, means, atol=0.15)
    assert np.polyfit(x, draws, 1)[0] == pytest.approx(fit.coef["f~x"], abs=0.2)


def test_plausible_values_are_from_the_posterior():
    """Against the distribution function of the posterior on a dense grid."""
    fit = one_parameter()
    log = curve(fit)
    draws = fit.latent("plausible", n=40, seed=3)["theta"].unstack("draw")
    data = sg.load_dataset("lsat6")[ITEMS].astype(int).astype(str).agg("".join, axis=1)
    theta = np.linspace(-7, 7, 20_001)
    for pattern in ("11111", "00000", "11011"):
        density = np.exp(log(theta, pattern) - theta**2 / 2)
        cdf = np.cumsum(density) / density.sum()
        mine = draws[(data == pattern).to_numpy()].to_numpy().ravel()
        assert kstest(mine, lambda t, cdf=cdf: np.interp(t, theta, cdf)).pvalue > 0.01


def test_plausible_values_have_the_moments_of_the_posterior():
    fit = one_parameter()
    draws, eb = fit.latent("plausible", n=200, seed=4)["theta"].unstack("draw"), fit.latent()
    np.testing.assert_allclose(draws.mean(axis=1), eb["theta"], atol=0.32)
    assert draws.mean(axis=1).mean() == pytest.approx(eb["theta"].mean(), abs=0.01)
    assert (draws.var(axis=1) / eb["theta.se"] ** 2).mean() == pytest.approx(1.0, abs=0.01)
    pd.testing.assert_frame_equal(fit.latent("plausible", n=2, seed=5), fit.latent("plausible", n=2, seed=5))


@pytest.mark.slow
def test_many_plausible_values_take_seconds():
    rng = np.random.default_rng(7)
    theta = rng.normal(size=100_000)
    data = pd.DataFrame({f"u{k}": (theta + rng.logistic(size=100_000) > 0).astype(float) for k in range(20)})
    text = "f =~ NA*u0 + " + " + ".join(f"a*u{k}" for k in range(20)) + " @family(bernoulli)\nf ~~ 1*f"
    fit = sg.fit(text, data)
    fit.latent("plausible", seed=1)
    start = time.process_time()
    draws = fit.latent("plausible", seed=1)
    assert time.process_time() - start < 4.0  # processor time of all threads; about a second on two idle cores
    assert np.corrcoef(draws["f"], theta)[0, 1] == pytest.approx(fit.score_reliability()["marginal"][0] ** 0.5, abs=0.1)


def test_reliabilities():
    fit = one_parameter()
    table = fit.score_reliability()
    eb = fit.latent()
    share = eb["theta"].var() / (eb["theta"].var() + (eb["theta.se"] ** 2).mean())
    assert table["empirical"][0] == pytest.approx(share)
    theta = np.linspace(-7, 7, 2001)
    information = fit.item_information(theta)["test"]
    weight = np.exp(-(theta**2) / 2)
    assert table["marginal"][0] == pytest.approx((weight * information / (information + 1)).sum() / weight.sum())


def test_groups_have_their_own_priors():
    data = sg.load_dataset("lsat6").assign(side=np.where(np.arange(1000) % 2, "a", "b"))
    fit = sg.fit("f =~ y1 + y2 + y3 + y4 + y5 @family(bernoulli)", data, group="side")
    modes, means = fit.latent("mode")["f"], fit.latent()["f"]
    assert np.corrcoef(modes, means)[0, 1] > 0.995


def test_refusals():
    with pytest.raises(ModelError, match="whole number from 1, not 0"):
        one_parameter().latent("plausible", n=0)
    data = sg.load_dataset("lsat6")
    two = sg.fit("f =~ y1 + y2 + y3\ng =~ y3 + y4 + y5\n@family(y1 + y2 + y3 + y4 + y5, bernoulli)\nf ~~ 0*g", data)
    with pytest.raises(ModelError, match="one latent variable"):
        two.latent("wle")
    with pytest.raises(ModelError, match="Kinds: 'eb'"):
        one_parameter().latent("map")
