"""Laws of the bootstrap: what normal data and the model's own samples must give, and the same draws however divided."""

import subprocess
import sys

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


def test_bootstrap_standard_errors_of_any_fit(monkeypatch):
    monkeypatch.setattr("semgllamm.estimation.covariances.BOOTSTRAPS", 24)
    data = sample(150).assign(g=[f"{k:03d}" for k in np.arange(150) // 5])
    for text, arguments in (
        (MODEL, {"estimator": "GLS"}), (MODEL, {"cluster": "g"}), ("y1 ~ x + (1 | g)", {}), (MODEL + "b > 0.1", {}),
    ):  # fmt: skip
        fit, plain = (sg.sem(text, data, se=se, **arguments) for se in ("bootstrap", "standard"))
        assert fit.se_kind == "bootstrap"
        ratio = (fit.parameters["se"] / plain.parameters["se"]).dropna()
        assert len(ratio) and ratio.between(0.5, 2).all()
        assert not ratio.eq(1).all()


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
    herds = sg.fit(HERDS, sg.load_dataset("cbpp"))
    with pytest.raises(sg.EstimationError, match="independent rows"):
        herds.bootstrap(5, kind="bollen.stine")


# ---------------------------------------------------------------------------------------------- any model

HERDS = """
    incidence ~ 1 + period + (1 | herd)    @family(binomial(logit))
    @trials(incidence, size)
"""


def assert_draws_are(drawn, again):
    """The first draw is the fit of the rows that were drawn."""
    assert drawn.failed == 0
    assert drawn.draws.iloc[0][again.coef.index].to_numpy() == pytest.approx(again.coef.to_numpy(), abs=2e-5)


def chosen(seed, units, draw=0):
    """The units that a draw takes, of one group."""
    return np.random.default_rng(np.random.SeedSequence(seed).spawn(draw + 1)[draw]).choice(np.arange(units), units)


def of_units(data, column, units):
    """The rows of units, each time that a unit is drawn as a unit of its own."""
    labels = np.sort(data[column].unique())
    return pd.concat(
        [data[data[column] == labels[k]].assign(**{column: f"{draw:03d}"}) for draw, k in enumerate(units)],
        ignore_index=True,
    )


def test_a_draw_of_clusters_is_the_fit_of_clusters_drawn_with_replacement():
    data = sg.load_dataset("cbpp")
    fit = sg.fit(HERDS, data, quadrature=sg.Adaptive(7))
    labels = fit.binding.frame["herd"].to_numpy()[fit.design.kept[fit.design.first_row[1]]]
    rows = pd.concat(
        [data[data["herd"] == labels[k]].assign(herd=f"{draw:03d}") for draw, k in enumerate(chosen(3, 15))],
        ignore_index=True,
    )
    assert_draws_are(fit.bootstrap(1, seed=3), sg.fit(HERDS, rows, quadrature=sg.Adaptive(7)))


@pytest.mark.parametrize("estimator", ["GLS", "ULS", "DWLS"])
def test_a_draw_of_least_squares_is_the_fit_of_rows_drawn_with_replacement(estimator):
    data = sample(200)
    fit = sg.sem(MODEL, data, estimator=estimator)
    again = sg.sem(MODEL, data.iloc[chosen(4, 200)].reset_index(drop=True), estimator=estimator)
    assert_draws_are(fit.bootstrap(1, seed=4), again)


def test_a_draw_of_rows_in_clusters_is_one_of_clusters():
    data = sample(200).assign(g=[f"{k:03d}" for k in np.arange(200) // 8])
    fit = sg.sem(MODEL, data, cluster="g")
    drawn = of_units(data, "g", chosen(5, 25))
    assert_draws_are(fit.bootstrap(1, seed=5), sg.sem(MODEL, drawn, cluster="g"))


def test_draws_obey_constraints():
    fit = sg.sem("f =~ y1 + a*y2 + c*y3 + y4\nf ~ b*x\na*c == 1\nb > 0.6", sample(300))
    drawn = fit.bootstrap(20, seed=1).draws
    assert (drawn["a"] * drawn["c"]).to_numpy() == pytest.approx(1.0, abs=1e-7)
    assert (drawn["b"] >= 0.6 - 1e-8).all()


def test_draws_of_the_engine_have_the_spread_of_the_sandwich():
    fit = sg.fit(HERDS, sg.load_dataset("cbpp"))
    drawn = fit.bootstrap(80, seed=1)
    expected = np.sqrt(np.diag(fit.vcov("sandwich")))[:4]
    assert drawn.se.iloc[:4].to_numpy() == pytest.approx(expected, rel=0.35)


@pytest.mark.parametrize("text, arguments", [
    (HERDS, {}),
    ("u ~ x + (1 | g)\nu | t1 + t2", {"ordered": ["u"]}),
    ("y ~ x + (1 + x | g)", {}),
    ("u ~ (1 | g)  @family(sequential)\n@thresholds(u ~ x)", {}),
    ("u ~ x + (1 | g)  @family(ordinal) @dispersion(x)", {}),
    ("u ~ x + (1 | g)  @family(adjacent)", {}),
])  # fmt: skip
def test_parametric_draws_of_the_engine_are_centred_at_the_estimates(text, arguments):
    data = sg.load_dataset("cbpp")
    if text is not HERDS:
        rng = np.random.default_rng(2)
        g = np.repeat(np.arange(40), 10)
        x, u = rng.standard_normal(400), rng.standard_normal((40, 2))
        y = 0.5 * x + u[g, 0] + 0.5 * x * u[g, 1] + rng.standard_normal(400)
        data = pd.DataFrame({"x": x, "g": g, "y": y, "u": np.digitize(0.5 * x + u[g, 0] + rng.logistic(size=400),
                                                                      [-0.7, 0.9])})  # fmt: skip
    fit = sg.fit(text, data, quadrature=sg.Adaptive(5), **arguments)
    drawn = fit.bootstrap(60, kind="parametric", seed=1)
    assert drawn.failed <= 3
    slopes = [name for name in fit.coef.index if "~~" not in name]
    distance = (drawn.draws.mean() - drawn.estimates)[slopes] / (drawn.se[slopes] / np.sqrt(60))
    assert distance.abs().max() < 4
    # as wide as the model says
    expected = pd.Series(np.sqrt(np.diag(fit.vcov())), fit.coef.index)[slopes]
    assert drawn.se[slopes].to_numpy() == pytest.approx(expected.to_numpy(), rel=0.4)


def test_parametric_draws_of_two_levels_are_centred_at_the_estimates():
    text = """
        level: 1
          fw =~ y1 + y2 + y3
          fw ~ x1
        level: 2
          fb =~ y1 + y2 + y3
          fb ~ w1
    """
    fit = sg.sem(text, sg.load_dataset("demo_twolevel"), cluster="cluster")
    drawn = fit.bootstrap(40, kind="parametric", seed=1)
    assert drawn.failed == 0
    distance = (drawn.draws.mean() - drawn.estimates) / (drawn.se / np.sqrt(40))
    assert distance.abs().max() < 4.5
    expected = np.sqrt(np.diag(fit.vcov()))
    assert drawn.se[list(fit.coef.index)].to_numpy() == pytest.approx(expected, rel=0.5)


def test_draws_of_the_engine_do_not_depend_on_the_number_of_workers():
    fit = sg.fit(HERDS, sg.load_dataset("cbpp"), quadrature=sg.Adaptive(3))
    for kind in ("ordinary", "parametric"):
        one, two = (fit.bootstrap(6, kind=kind, seed=2, workers=workers).draws for workers in (1, 2))
        pd.testing.assert_frame_equal(one, two)


def test_a_script_without_a_guard_may_use_all_cores(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import semgllamm as sg\n"
        "print('once')\n"
        "fit = sg.cfa('f =~ x1 + x2 + x3', sg.load_dataset('holzinger'))\n"
        "print(fit.bootstrap(60, seed=1, workers=2))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("once") == 1 and "<Bootstrap: 60 samples" in done.stdout


def test_progress_and_failures_are_told(capsys):
    # one group of answers has a single success: many samples have none
    rng = np.random.default_rng(1)
    x = np.repeat([0.0, 1.0], 30)
    y = np.where(x == 0, rng.random(60) < 0.5, np.arange(60) == 59).astype(float)
    fit = sg.fit("y ~ x @family(bernoulli(logit))", {"x": x, "y": y})
    drawn = fit.bootstrap(40, seed=1, progress=True, workers=1)
    assert 5 < drawn.failed < 30
    assert len(drawn.draws) == 40 - drawn.failed
    told = capsys.readouterr().err
    assert f"bootstrap 40/40, {drawn.failed} without a maximum" in told
    assert f"40 samples, ordinary, {drawn.failed} of them without a maximum" in repr(drawn)
    fit.bootstrap(10, seed=1, workers=1)
    assert capsys.readouterr().err == ""
