"""Effects, reliability, hypotheses and standardised columns of fits."""

import numpy as np
import pytest

import semgllamm as sg

HS = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"


@pytest.fixture(scope="module")
def hs():
    return sg.cfa(HS, sg.load_dataset("holzinger"))


@pytest.fixture(scope="module")
def mediation():
    text = "x7 ~ a*x1\nx9 ~ b*x7 + c*x1\nindirect := a*b\ntotal := c + a*b"
    return sg.sem(text, sg.load_dataset("holzinger"))


@pytest.mark.parametrize("name", ["indirect", "total"])
def test_effects_are_those_of_definitions(mediation, name):
    defined = mediation.parameters.set_index("lhs").loc[name]
    found = mediation.effects("x1", "x9").set_index("effect").loc[name]
    for column in ("est", "se", "pvalue", "ci_lower", "ci_upper"):
        assert found[column] == pytest.approx(defined[column], rel=1e-10), column


def test_paths_add_up_to_the_total():
    text = "ind60 =~ x1 + x2 + x3\ndem60 =~ y1 + y2 + y3 + y4\ndem65 =~ y5 + y6 + y7 + y8\ndem60 ~ ind60\n"
    found = sg.sem(text + "dem65 ~ ind60 + dem60", sg.load_dataset("political_democracy")).effects("ind60", "y6")
    assert list(found["path"][found["effect"] == "path"]) == [
        "ind60 -> dem60 -> dem65 -> y6", "ind60 -> dem65 -> y6",
    ]  # fmt: skip
    by_effect = found.groupby("effect")["est"].sum()
    assert by_effect["path"] + by_effect["direct"] == pytest.approx(by_effect["total"], rel=1e-12)


def test_no_path_no_effect(mediation):
    found = mediation.effects("x9", "x1")
    assert list(found["effect"]) == ["total", "direct", "indirect"]
    assert (found["est"] == 0).all()


def test_effects_of_unknown_variables(mediation):
    with pytest.raises(sg.ModelError, match="no variable 'x8'"):
        mediation.effects("x8", "x9")


def test_reliability(hs):
    found = hs.reliability().loc["visual"]
    S = sg.load_dataset("holzinger")[["x1", "x2", "x3"]].cov().to_numpy()
    assert found["alpha"] == pytest.approx(1.5 * (1 - np.trace(S) / S.sum()))
    value = hs.coef
    loading = 1 + value["visual=~x2"] + value["visual=~x3"]
    common = loading**2 * value["visual~~visual"]
    assert found["omega"] == pytest.approx(common / (common + sum(value[f"x{k}~~x{k}"] for k in (1, 2, 3))))
    share = hs.standardized().query("lhs == 'visual' and op == '=~'")["est.std"]
    assert found["ave"] == pytest.approx((share**2).mean())


def test_heterotrait_monotrait(hs):
    R = sg.load_dataset("holzinger")[[f"x{k}" for k in range(1, 10)]].corr().to_numpy()
    within = [R[a : a + 3, a : a + 3][np.tril_indices(3, -1)].mean() for a in (0, 3, 6)]
    assert hs.htmt().loc["visual", "speed"] == pytest.approx(R[:3, 6:].mean() / np.sqrt(within[0] * within[2]))


@pytest.fixture(scope="module")
def with_holes():
    """x2 is seen of pupils with high x1 only, x5 of those with low x3."""
    data = sg.load_dataset("holzinger")
    return data.assign(x2=data.x2.where(data.x1 > 4.5), x5=data.x5.where(data.x3 < 3))


def maximum_likelihood_covariances(y, steps=4000):
    """Of incomplete rows, by the EM algorithm (Little & Rubin 2002, section 11.2)."""
    mean, S = np.nanmean(y, axis=0), np.diag(np.nanvar(y, axis=0))
    patterns, which = np.unique(~np.isnan(y), axis=0, return_inverse=True)
    for _ in range(steps):
        filled, spread = y.copy(), np.zeros_like(S)
        for k, seen in enumerate(patterns):
            mine = np.flatnonzero(which == k)
            slopes = np.linalg.solve(S[np.ix_(seen, seen)], S[np.ix_(seen, ~seen)])
            filled[np.ix_(mine, ~seen)] = mean[~seen] + (y[np.ix_(mine, seen)] - mean[seen]) @ slopes
            spread[np.ix_(~seen, ~seen)] += len(mine) * (
                S[np.ix_(~seen, ~seen)] - S[np.ix_(~seen, seen)] @ slopes
            )
        mean = filled.mean(axis=0)
        change = ((filled - mean).T @ (filled - mean) + spread) / len(y) - S
        S = S + change
        if np.abs(change).max() < 1e-12:
            return S
    raise AssertionError("EM did not end")


def test_reliability_of_incomplete_rows(with_holes):
    fit = sg.cfa(HS, with_holes, missing="ml")
    S = maximum_likelihood_covariances(with_holes[[f"x{k}" for k in range(1, 10)]].to_numpy(float))
    deviation = np.sqrt(np.diag(S))
    R = S / np.outer(deviation, deviation)
    found = fit.reliability()
    for k, factor in enumerate(("visual", "textual", "speed")):
        at = np.s_[3 * k : 3 * k + 3, 3 * k : 3 * k + 3]
        for column, M in (("alpha", S[at]), ("alpha_standardized", R[at])):
            assert found.loc[factor, column] == pytest.approx(1.5 * (1 - np.trace(M) / M.sum()), rel=1e-8)
    within = [R[a : a + 3, a : a + 3][np.tril_indices(3, -1)].mean() for a in (0, 3)]
    ratio = R[:3, 3:6].mean() / np.sqrt(within[0] * within[1])
    assert fit.htmt().loc["visual", "textual"] == pytest.approx(ratio, rel=1e-8)


def test_reliability_of_one_hole_is_near_that_of_complete_rows(hs):
    data = sg.load_dataset("holzinger")
    none, one = sg.cfa(HS, data, missing="ml"), data.copy()
    one.loc[one.index[7], "x2"] = np.nan
    one = sg.cfa(HS, one, missing="ml")
    for fit, near in ((none, 1e-6), (one, 5e-3)):
        for found, complete in ((fit.reliability(), hs.reliability()), (fit.htmt(), hs.htmt())):
            numbers = complete.columns.drop("level", errors="ignore")
            np.testing.assert_allclose(found[numbers], complete[numbers], rtol=near)


def test_items_that_are_never_seen_together(hs):
    data = sg.load_dataset("holzinger")
    odd = np.arange(len(data)) % 2 == 1
    apart = data.assign(x2=data.x2.where(odd), x3=data.x3.where(~odd))
    fit = sg.cfa(HS, apart, missing="ml")
    assert list(np.isnan(fit.reliability()["alpha"])) == [True, False, False]
    ratios = fit.htmt()
    assert np.isnan(ratios.loc["visual", ["textual", "speed"]]).all()
    assert ratios.loc["textual", "speed"] == pytest.approx(hs.htmt().loc["textual", "speed"], rel=1e-6)


def test_ratios_are_of_a_level_of_the_model(hs):
    with pytest.raises(sg.ModelError, match="no level '2'"):
        hs.htmt(level=2)


def test_standardised_columns_and_explained_variance(hs):
    shown = str(hs.summary(standardized=True, rsquare=True))
    assert "Estimate  Std.Err  z-value  P(>|z|)   Std.lv  Std.all" in shown
    assert "R-Square:" in shown
    assert "x9                0.442" in shown
    plain = str(hs.summary())
    assert "Std.all" not in plain
    assert "R-Square" not in plain


def test_alpha_and_omega_of_psych(hs):
    """R's psych 2.2.9: `alpha` raw and of correlations, and `fa(…, 1, fm="ml")` of all nine, ω = (Σλ)²/((Σλ)² + Σψ)."""
    found = hs.reliability()
    stored = {"visual": (0.6261171319, 0.6271838544), "textual": (0.8827069129, 0.8848435201),
              "speed": (0.6884550230, 0.6896036134)}  # fmt: skip
    for name, (raw, of_correlations) in stored.items():
        assert found.loc[name, "alpha"] == pytest.approx(raw, abs=1e-9)
        assert found.loc[name, "alpha_standardized"] == pytest.approx(of_correlations, abs=1e-9)
    data = sg.load_dataset("holzinger")
    columns = [f"x{k}" for k in range(1, 10)]
    z = (data[columns] - data[columns].mean()) / data[columns].std(ddof=0)
    one = sg.cfa("g =~ " + " + ".join(columns), z)
    assert one.reliability().loc["g", "omega"] == pytest.approx(0.7234613714, abs=2e-5)


def test_hypotheses_are_checked(hs):
    with pytest.raises(sg.ModelError, match="no hypothesis"):
        hs.wald_test("visual ~~ textual")
    with pytest.raises(sg.ModelError, match="'nobody'"):
        hs.wald_test("nobody == 0")
    with pytest.raises(sg.ModelError, match="not independent"):
        hs.wald_test("`visual=~x2` == 1; `visual=~x2` == 0.5")
    with pytest.raises(sg.ModelError, match="no equality constraints"):
        hs.score_test()
    with pytest.raises(sg.ModelError, match="free already"):
        hs.score_test(add="visual =~ x2")
    with pytest.raises(sg.ModelError, match="'std'"):
        hs.standardized("std")


def test_wald_of_one_parameter_is_its_z(hs):
    row = hs.parameters.query("lhs == 'visual' and rhs == 'x2'").iloc[0]
    assert hs.wald_test("`visual=~x2` == 0").stat == pytest.approx(row["z"] ** 2, rel=1e-12)


def test_what_fits_by_integration_have():
    found = sg.fit("Reaction ~ 1 + b*Days + (1 | Subject)", sg.load_dataset("sleepstudy"))
    row = found.parameters.query("label == 'b'").iloc[0]
    assert found.wald_test("b == 0").stat == pytest.approx(row["z"] ** 2, rel=1e-10)
    for call in (found.standardized, found.rsquare, found.reliability):
        with pytest.raises(sg.ModelError, match="closed form only"):
            call()
    with pytest.raises(sg.ModelError, match="no equality constraints"):
        found.score_test()
    with pytest.raises(sg.ModelError, match="closed form only"):
        found.latent("bartlett")
