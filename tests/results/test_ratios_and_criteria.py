"""Exponentiated coefficients, information criteria, and likelihood ratios of a variance on its boundary."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import chdtrc, expit

import semgllamm as sg
from semgllamm.errors import ModelError

CBPP = "incidence ~ 1 + period {} @family(binomial(logit)) @trials(size)"
SLEEP = "Reaction ~ 1 + Days {}"


@pytest.fixture(scope="module")
def cbpp():
    return sg.fit(CBPP.format("+ (1 | herd)"), sg.load_dataset("cbpp"))


@pytest.fixture(scope="module")
def sleep():
    data = sg.load_dataset("sleepstudy")
    return [sg.fit(SLEEP.format(term), data) for term in ("+ (1 + Days | Subject)", "+ (1 | Subject)", "")]


# ---- ratios


def test_odds_ratios_of_a_two_by_two_table():
    """ad/bc, with Woolf's (1955) standard error of its logarithm, and limits by it."""
    a, b, c, d = 30, 20, 15, 35
    rows = pd.DataFrame({"y": [1] * a + [0] * b + [1] * c + [0] * d, "x": [1] * (a + b) + [0] * (c + d)})
    found = sg.fit("y ~ 1 + x @family(bernoulli(logit))", rows).eform().set_index("kind")
    ratio, se = a * d / (b * c), np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    row = found.loc["odds ratio"]
    assert (row["est"], row["se"]) == pytest.approx((ratio, ratio * se), rel=1e-6)
    assert (row["ci_lower"], row["ci_upper"]) == pytest.approx(
        (ratio * np.exp(-1.959964 * se), ratio * np.exp(1.959964 * se)), rel=1e-5
    )
    assert row["z"] == pytest.approx(np.log(ratio) / se, rel=1e-6)
    assert found.loc["odds", "est"] == pytest.approx(c / d, rel=1e-6)


def test_what_the_exponentials_are():
    rng = np.random.default_rng(8)
    x = rng.normal(size=400)
    data = pd.DataFrame({
        "x": x, "event": 1.0 * (rng.random(400) < 1 - np.exp(-np.exp(-0.5 + 0.5 * x))), "n": rng.poisson(np.exp(x / 3)),
        "time": rng.weibull(1.5, 400) * np.exp(0.4 * x), "seen": 1, "cost": rng.gamma(2.0, np.exp(0.2 * x)),
        "grade": np.digitize(x + rng.logistic(size=400), [-1, 1]), "w": rng.normal(size=400),
    })  # fmt: skip
    text = """
    event ~ x @family(bernoulli(cloglog))
    n ~ x @family(poisson)
    time ~ x @family(weibull) @event(seen)
    cost ~ x @family(gamma)
    grade ~ x @family(ordinal(logit))
    w ~ x
    """
    fit = sg.fit(text, data)
    found = fit.eform(level=0.9)
    kinds = found[found["op"] == "~"].set_index("lhs")["kind"].to_dict()
    assert kinds == {"event": "hazard ratio", "n": "rate ratio", "time": "time ratio", "cost": "mean ratio",
                     "grade": "odds ratio"}  # fmt: skip
    assert set(found[found["op"] == "~1"]["kind"]) == {"hazard", "rate", "time", "mean"}
    table = found[found["op"] == "~"].set_index("lhs")
    limits = np.exp(fit.confint(level=0.9).loc["n~x"])
    assert table.loc["n", ["ci_lower", "ci_upper"]].to_list() == pytest.approx(limits.to_list(), rel=1e-12)
    assert table.loc["n", "est"] == pytest.approx(np.exp(fit.coef["n~x"]))


def test_ratios_of_classes_and_zeros():
    rng = np.random.default_rng(3)
    x = rng.normal(size=500)
    n = np.where(rng.random(500) < expit(x - 0.5), 0, rng.poisson(3.0, 500))
    fit = sg.fit("n ~ 1 + x @family(zipoisson)\n@inflation(n ~ 1 + x)", pd.DataFrame({"n": n, "x": x}))
    found = fit.eform()
    assert set(found["kind"]) == {"rate", "rate ratio", "odds", "odds ratio"}
    printed = str(fit.summary(eform=True))
    assert "Rate Ratios:" in printed and "Odds Ratios:" in printed


def test_the_printed_table(cbpp):
    printed = str(cbpp.summary(eform=True))
    lines = printed[printed.index("Odds Ratios:") :].splitlines()
    assert lines[1].split() == ["Estimate", "Std.Err", "z-value", "P(>|z|)", "ci.lower", "ci.upper"]
    row = cbpp.eform().set_index("rhs").loc["period[2]"]
    numbers = [float(x) for x in lines[3].split()[1:]]
    wanted = row[["est", "se", "z", "pvalue", "ci_lower", "ci_upper"]].to_list()
    assert numbers == pytest.approx(wanted, abs=5.1e-4)
    assert "Odds Ratios:" not in str(cbpp.summary())
    assert "Odds Ratios" in cbpp.summary(eform=True).to_latex()


def test_a_model_without_ratios_is_refused(sleep):
    with pytest.raises(ModelError, match="logarithm of a ratio"):
        sleep[0].eform()
    with pytest.raises(ModelError, match="logarithm of a ratio"):
        sleep[0].summary(eform=True)


# ---- criteria


def test_criteria_by_their_formulas(sleep):
    table = sg.information_criteria(*sleep, names=["slopes", "intercepts", "none"])
    deviance = -2 * np.array([fit.loglik for fit in sleep])
    p, n = np.array([6, 4, 3]), 180
    assert table["npar"].to_list() == p.tolist()
    assert table["aic"].to_numpy() == pytest.approx(deviance + 2 * p)
    assert table["aicc"].to_numpy() == pytest.approx(deviance + 2 * p * n / (n - p - 1))
    assert table["bic"].to_numpy() == pytest.approx(deviance + p * np.log(n))
    assert table["sabic"].to_numpy() == pytest.approx(deviance + p * np.log((n + 2) / 24))
    assert table["weight"].sum() == pytest.approx(1)
    assert np.log(table.loc["intercepts", "weight"] / table.loc["slopes", "weight"]) == pytest.approx(
        -(table.loc["intercepts", "aic"] - table.loc["slopes", "aic"]) / 2
    )
    assert list(table.index) == ["slopes", "intercepts", "none"]


def test_sabic_is_lavaans_bic2():
    fit = sg.cfa("visual =~ x1 + x2 + x3\nspeed =~ x7 + x8 + x9", sg.load_dataset("holzinger"))
    assert sg.information_criteria(fit)["sabic"].iloc[0] == pytest.approx(fit.fit_measures()["bic2"])


def test_what_cannot_be_compared_is_refused_with_the_reason(sleep, cbpp):
    data = sg.load_dataset("sleepstudy")
    none = sleep[2]
    with pytest.raises(ModelError, match="fit1 has 180 rows and fit2 has 170"):
        sg.information_criteria(none, sg.fit(SLEEP.format(""), data.iloc[10:]))
    with pytest.raises(ModelError, match="Reaction, incidence are responses of one of them only"):
        sg.information_criteria(none, cbpp)
    with pytest.raises(ModelError, match="the values of Reaction, or their groups, differ"):
        sg.information_criteria(none, sg.fit(SLEEP.format(""), data.assign(Reaction=data["Reaction"] / 1000)))
    whole = data.assign(Reaction=data["Reaction"].round())
    with pytest.raises(ModelError, match="density in one and a probability in the other"):
        sg.information_criteria(sg.fit(SLEEP.format(""), whole), sg.fit(SLEEP.format("@family(poisson)"), whole))
    with pytest.raises(ModelError, match="least squares"):
        sg.information_criteria(sg.cfa("f =~ x1 + x2 + x3 + x4", sg.load_dataset("holzinger"), estimator="GLS"))
    with pytest.raises(ModelError, match="takes fits, not str"):
        sg.information_criteria("fit")
    with pytest.raises(ModelError, match="needs fits"):
        sg.information_criteria()


# ---- variances on their boundary


def test_a_random_effect_less_has_a_mixture_of_chi_squares(sleep):
    slopes, intercepts, none = sleep
    table = sg.compare(slopes, intercepts, none)
    assert table["null"].to_list() == ["", "0.5 chisq(1) + 0.5 chisq(2)", "0.5 chisq(0) + 0.5 chisq(1)"]
    statistic = 2 * (slopes.loglik - intercepts.loglik)
    wanted = 0.5 * chdtrc(1, statistic) + 0.5 * chdtrc(2, statistic)
    assert table["pvalue"].iloc[1] == pytest.approx(wanted, rel=1e-10)
    assert table["pvalue"].iloc[2] == pytest.approx(0.5 * chdtrc(1, 2 * (intercepts.loglik - none.loglik)), rel=1e-10)
    plain = sg.compare(slopes, intercepts, boundary=False)
    assert plain["null"].iloc[1] == "chisq(2)"
    assert plain["pvalue"].iloc[1] == pytest.approx(chdtrc(2, statistic), rel=1e-10)


def test_two_random_effects_less_have_no_mixture_of_two(sleep):
    assert sg.compare(sleep[0], sleep[2])["null"].iloc[1] == "chisq(3)"


def test_coefficients_have_chi_squares(cbpp):
    less = sg.fit("incidence ~ 1 + (1 | herd) @family(binomial(logit)) @trials(size)", sg.load_dataset("cbpp"))
    assert sg.compare(cbpp, less)["null"].iloc[1] == "chisq(3)"


def test_a_variance_that_may_be_negative_has_no_boundary():
    """The factor variance of a model in closed form is not kept from being negative."""
    data = sg.load_dataset("holzinger")
    free = sg.cfa("f =~ 1*x1 + 1*x2 + 1*x3", data)
    none = sg.cfa("f =~ 1*x1 + 1*x2 + 1*x3\nf ~~ 0*f", data)
    assert sg.compare(free, none)["null"].iloc[1] == "chisq(1)"


def test_an_estimate_of_zero_has_the_p_value_one():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"y": rng.normal(size=80), "g": np.repeat(np.arange(20), 4)})
    data["y"] -= data.groupby("g")["y"].transform("mean")
    table = sg.compare(sg.fit("y ~ 1 + (1 | g)", data), sg.fit("y ~ 1", data))
    assert table["chisq_diff"].iloc[1] == pytest.approx(0, abs=1e-8)
    assert table["pvalue"].iloc[1] > 0.999


@pytest.mark.slow
def test_the_mixture_is_the_distribution_of_the_ratio():
    """Of 400 samples with nothing between units, the p-values of a random intercept that are below one half."""
    rng = np.random.default_rng(11)
    group = np.repeat(np.arange(40), 5)
    found = []
    for _ in range(400):
        data = pd.DataFrame({"y": rng.normal(size=200), "g": group})
        fits = sg.fit("y ~ 1 + (1 | g)", data), sg.fit("y ~ 1", data)
        found.append(sg.compare(*fits)["pvalue"].iloc[1])
    for at in (0.05, 0.1, 0.25, 0.4):
        assert np.mean(np.array(found) < at) == pytest.approx(at, abs=3 * np.sqrt(at * (1 - at) / 400))
