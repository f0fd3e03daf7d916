"""Laws of the bootstrap: what normal data and the model's own samples must give, and the same draws however divided."""

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg

MODEL = """
    f =~ y1 + y2 + y3 + y4
    f ~ b*x
    indirect := b * 2
"""


def sample(n=2000, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    f = 0.5 * x + rng.standard_normal(n)
    return pd.DataFrame({f"y{k}": w * f + rng.standard_normal(n) for k, w in enumerate((1.0, 0.8, 1.2, 0.9), 1)} | {
        "x": x
    })  # fmt: skip


@pytest.fixture(scope="module")
def fit():
    return sg.sem(MODEL, sample())


@pytest.fixture(scope="module")
def drawn(fit):
    return fit.bootstrap(400, seed=5)


@pytest.mark.parametrize("method", ["percentile", "basic", "normal", "bc", "bca.simple"])
def test_limits_are_near_those_of_wald_in_a_large_normal_sample(fit, drawn, method):
    wald, limits = fit.confint(), drawn.confint(method)
    width = (wald["upper"] - wald["lower"]).to_numpy()[:, None]
    # of 400 draws a limit has a standard error of some 0.06 of the width
    assert (np.abs(limits.loc[wald.index] - wald) / width < 0.25).all().all()


def test_standard_errors_are_near_those_of_the_information(fit, drawn):
    expected = np.sqrt(np.diag(fit.vcov()))
    assert drawn.se[list(fit.coef.index)].to_numpy() == pytest.approx(expected, rel=0.2)


def test_defined_parameters_and_statistics_are_drawn():
    fit = sg.sem(MODEL, sample(200))
    drawn = fit.bootstrap(20, seed=1, statistic=lambda coef: {"square": coef["b"] ** 2})
    assert drawn.draws["indirect"].to_numpy() == pytest.approx(2 * drawn.draws["b"].to_numpy())
    assert drawn.draws["square"].to_numpy() == pytest.approx(drawn.draws["b"].to_numpy() ** 2)
    assert drawn.estimates["indirect"] == pytest.approx(2 * fit.coef["b"])


def test_draws_do_not_depend_on_the_number_of_workers():
    fit = sg.sem(MODEL, sample(200))
    one, two = (fit.bootstrap(30, seed=2, workers=workers).draws for workers in (1, 2))
    pd.testing.assert_frame_equal(one, two)
    assert not one.equals(fit.bootstrap(30, seed=3).draws)


def test_an_ordinary_draw_is_a_fit_of_rows_drawn_with_replacement():
    data = sample(150)
    fit = sg.sem(MODEL, data, meanstructure=True)
    rng = np.random.default_rng(np.random.SeedSequence(4).spawn(1)[0])
    rows = np.repeat(np.arange(150), np.bincount(rng.integers(0, 150, 150), minlength=150))
    again = sg.sem(MODEL, data.iloc[rows].reset_index(drop=True), meanstructure=True)
    drawn = fit.bootstrap(1, seed=4).draws.iloc[0]
    assert drawn[again.coef.index].to_numpy() == pytest.approx(again.coef.to_numpy(), abs=1e-6)


def test_draws_of_incomplete_rows_and_of_clusters():
    data = sample(300)
    data.loc[::7, "y2"] = np.nan
    holes = sg.sem(MODEL, data, missing="ml")
    expected = holes.parameters.set_index("label").loc["b", "se"]
    assert holes.bootstrap(60, seed=1).se["b"] == pytest.approx(expected, rel=0.4)
    text = """
        level: 1
          fw =~ y1 + y2 + y3
        level: 2
          fb =~ y1 + y2 + y3
    """
    two = sg.sem(text, sg.load_dataset("demo_twolevel"), cluster="cluster")
    drawn = two.bootstrap(40, seed=1)
    assert drawn.failed == 0
    assert drawn.se["fw=~y2"] == pytest.approx(np.sqrt(two.vcov("sandwich").loc["fw=~y2", "fw=~y2"]), rel=0.5)


def test_bollen_stine_is_near_the_chi_square_in_normal_data(fit):
    drawn = fit.bootstrap(300, kind="bollen.stine", seed=1)
    assert drawn.pvalue == pytest.approx(fit.test.pvalue, abs=0.1)
    # of samples in which the model holds, with 5 degrees of freedom
    assert drawn.chisq.mean() == pytest.approx(fit.test.df, abs=4 * np.sqrt(2 * fit.test.df / 300) + 0.2)


def test_parametric_draws_are_centred_at_the_estimates(fit):
    drawn = fit.bootstrap(200, kind="parametric", seed=1)
    distance = (drawn.draws.mean() - drawn.estimates) / (drawn.se / np.sqrt(200))
    assert distance.abs().max() < 4


def test_bootstrap_of_a_likelihood_ratio_is_near_the_chi_square(fit):
    smaller = sg.sem("f =~ y1 + 0.8*y2 + y3 + y4\nf ~ b*x", sample())
    expected = sg.compare(fit, smaller)["pvalue"].iloc[1]
    found = sg.compare(fit, smaller, method="bootstrap", n=200, seed=1)["pvalue"].iloc[1]
    assert found == pytest.approx(expected, abs=0.12)


def test_bootstrap_standard_errors_of_a_fit():
    fit = sg.sem(MODEL, sample(400), se="bootstrap")
    plain = sg.sem(MODEL, sample(400))
    assert fit.parameters["se"].to_numpy() == pytest.approx(plain.parameters["se"].to_numpy(), rel=0.2)
    assert "Bootstrap" in str(fit.summary())


@pytest.mark.parametrize("arguments, message", [
    ({"kind": "jackknife"}, "unknown"), ({"n": 0}, "1 or more"), ({"workers": 0}, "workers"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_said(fit, arguments, message):
    with pytest.raises(sg.ModelError, match=message):
        fit.bootstrap(**arguments)


def test_what_a_draw_cannot_tell_is_said(drawn):
    with pytest.raises(sg.ModelError, match="unknown"):
        drawn.confint("wald")
    with pytest.raises(sg.ModelError, match="too few"):
        drawn.confint(level=0.9999)


def test_kinds_that_the_data_do_not_allow():
    data = sample(100)
    data.loc[::7, "y2"] = np.nan
    with pytest.raises(sg.EstimationError, match="complete"):
        sg.sem(MODEL, data, missing="ml").bootstrap(5, kind="bollen.stine")
    with pytest.raises(sg.ModelError, match="closed form"):
        sg.fit("y1 ~ x + (1 | g)", sample(60).assign(g=np.arange(60) % 6)).bootstrap(5)
