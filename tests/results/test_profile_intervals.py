"""Profile intervals: the deviance at their limits is the quantile of χ², by fits with the parameter fixed there."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

import semgllamm as sg
from semgllamm.errors import ModelError

QUANTILE = 3.841458820694124  # of χ² on one degree of freedom
BINARY = "@family(bernoulli(logit))"


def holed():
    data = sg.load_dataset("demo_twolevel").iloc[:400].copy()
    data.loc[::7, "y1"] = np.nan
    return data


CASES = {
    "closed form": (
        "visual =~ x1 + {}x2 + x3\nvisual ~ ageyr", "visual=~x2", lambda: sg.load_dataset("holzinger"), {}
    ),
    "constraints": (
        "visual =~ x1 + a*x2 + b*x3\nvisual ~ {}ageyr\nb == a^2", "visual~ageyr", lambda: sg.load_dataset("holzinger"),
        {},
    ),
    "nested": ("y1 ~ 1 + {}x1 + (1 | cluster)", "y1~x1", holed, {}),
    "grid": (f"theta =~ {{}}y1 + y2 + y3 + y4 {BINARY}", "theta=~y1", lambda: sg.load_dataset("lsat6"),
             {"std_lv": True}),
    "engine": ("incidence ~ {}1 + (1 | herd) @family(binomial(logit)) @trials(size)", "incidence~1",
               lambda: sg.load_dataset("cbpp"), {"quadrature": sg.Adaptive(9)}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_deviance_at_the_limits(case):
    text, name, read, options = CASES[case]
    data = read()
    fit = sg.fit(text.format("NA*" if case == "grid" else ""), data, **options)
    lower, upper = fit.confint("profile", parameters=name).loc[name]
    assert lower < fit.coef[name] < upper
    for limit in (lower, upper):
        fixed = sg.fit(text.format(f"{float(limit)!r}*"), data, **options)
        assert 2 * (fit.loglik - fixed.loglik) == pytest.approx(QUANTILE, abs=2e-3)


def test_a_profile_leaves_the_fit_as_it_was():
    fit = sg.fit(CASES["engine"][0].format(""), sg.load_dataset("cbpp"))
    before = fit.predict()
    fit.confint("profile", parameters="incidence~1")
    pd.testing.assert_frame_equal(fit.predict(), before, rtol=1e-9)


def test_the_profile_of_a_gaussian_mean_is_its_t_statistic():
    """With n rows ζ² = n log(1 + (c − ȳ)²/s²), s² with divisor n."""
    y = np.random.default_rng(1).normal(2.0, 3.0, 50)
    fit = sg.fit("y ~ 1", pd.DataFrame({"y": y}))
    table = fit.profile("y~1")
    exact = np.sign(table["value"] - y.mean()) * np.sqrt(50 * np.log1p((table["value"] - y.mean()) ** 2 / y.var()))
    assert table["zeta"].to_numpy() == pytest.approx(exact.to_numpy(), abs=1e-5)
    assert table["loglik"].max() == fit.loglik
    z = np.sqrt(y.var() * np.expm1(QUANTILE / 50))
    assert fit.confint("profile").loc["y~1"].to_list() == pytest.approx([y.mean() - z, y.mean() + z], abs=1e-4)


def test_a_variance_of_zero_has_the_lower_limit_zero():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"y": rng.normal(size=80), "g": np.repeat(np.arange(20), 4)})
    data["y"] -= data.groupby("g")["y"].transform("mean")
    fit = sg.fit("y ~ 1 + (1 | g)", data, quadrature=sg.Adaptive(3))
    assert fit.coef["g.intercept~~g.intercept"] == 0
    lower, upper = fit.confint("profile", parameters="g.intercept~~g.intercept").iloc[0]
    assert lower == 0 and 0 < upper < 1
    fixed = sg.fit(f"y ~ 1 + (1 | g)\ng.intercept ~~ {float(upper)!r}*g.intercept", data, quadrature=sg.Adaptive(3))
    assert 2 * (fit.loglik - fixed.loglik) == pytest.approx(QUANTILE, abs=2e-3)


def test_methods_levels_and_names():
    fit = sg.cfa("visual =~ x1 + a*x2 + x3", sg.load_dataset("holzinger"))
    wald = fit.confint()
    assert fit.confint(parameters="visual=~x2").equals(wald.loc[["a"]])
    narrow = fit.confint("profile", level=0.5, parameters=["a"])
    wide = fit.confint("profile", level=0.9, parameters=["a"])
    assert (wide["lower"] < narrow["lower"]).all() and (narrow["upper"] < wide["upper"]).all()
    drawn = fit.confint("bootstrap", n=60, seed=1)
    assert list(drawn.index) == list(wald.index)
    assert drawn.equals(fit.bootstrap(60, seed=1).confint().loc[list(wald.index)])
    with pytest.raises(ModelError, match="Methods: 'wald', 'profile', 'bootstrap'"):
        fit.confint("likelihood")
    with pytest.raises(ModelError, match="no free parameter 'visual=~x4'"):
        fit.confint("profile", parameters="visual=~x4")
    with pytest.raises(ModelError, match="n and seed are of bootstrap samples"):
        fit.confint("profile", seed=1)
    with pytest.raises(ModelError, match="least squares have no likelihood"):
        sg.cfa("visual =~ x1 + x2 + x3\nspeed =~ x7 + x8 + x9", sg.load_dataset("holzinger"),
               estimator="GLS").confint("profile")  # fmt: skip


def test_the_plot_shows_the_profile_and_its_limits():
    matplotlib = pytest.importorskip("matplotlib", reason="plots are an extra")
    matplotlib.use("Agg")
    fit = sg.fit("y ~ 1", pd.DataFrame({"y": np.arange(12.0)}))
    ax = fit.plot_profile("y~1")
    value, zeta = ax.lines[0].get_data()
    assert np.array_equal(value, fit.profile("y~1")["value"]) and zeta.min() < -2 < 2 < zeta.max()
    marks = sorted(line.get_xdata()[0] for line in ax.lines[1:] if line.get_xdata()[0] == line.get_xdata()[1])
    assert marks == pytest.approx(fit.confint("profile").loc["y~1"].to_list())


def test_profiles_of_what_is_defined():
    rng = np.random.default_rng(6)
    x = rng.normal(size=60)
    m = 0.4 * x + rng.normal(size=60)
    data = pd.DataFrame({"x": x, "m": m, "y": 0.5 * m + 0.2 * x + rng.normal(size=60)})
    text = "m ~ a*x\ny ~ b*m + c*x\nindirect := a*b\nsame := a"
    fit = sg.sem(text, data, meanstructure=True)
    found = fit.confint("profile", parameters=["indirect", "same", "a"])
    # a definition that is a parameter has its limits
    np.testing.assert_allclose(found.loc["same"], found.loc["a"], rtol=1e-4)
    # at the limits of the indirect effect the likelihood ratio is the quantile: of fits that hold both factors fast
    for limit in found.loc["indirect"]:
        def deviance(a, limit=limit):
            held = sg.sem(f"m ~ {float(a)!r}*x\ny ~ {float(limit / a)!r}*m + c*x", data, meanstructure=True)
            return 2 * (fit.loglik - held.loglik)

        grid = np.geomspace(limit, 1.2, 25)
        k = int(np.argmin([deviance(a) for a in grid]))
        least = minimize_scalar(deviance, bounds=(grid[k - 1], grid[k + 1]), method="bounded", options={"xatol": 1e-6})
        assert least.fun == pytest.approx(QUANTILE, abs=1e-3)
    wald = fit.confint(parameters=["indirect"]).iloc[0]
    row = fit.parameters.set_index("lhs").loc["indirect"]
    np.testing.assert_allclose(wald, row[["ci_lower", "ci_upper"]].astype(float))
    # the distribution of a product leans to the right
    assert found.loc["indirect", "upper"] - row["est"] > row["est"] - found.loc["indirect", "lower"]
    assert set(fit.confint("bootstrap", parameters="indirect", n=60, seed=1).index) == {"indirect"}
    assert fit.profile("indirect")["zeta"].is_monotonic_increasing
    with pytest.raises(sg.ModelError, match="Did you mean 'indirect'"):
        fit.confint("profile", parameters="indirekt")
