"""Fits of Gaussian responses in nested units: what is reported, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg

TWO = """
level: 1
  fw =~ y1 + y2 + y3
  fw ~ x1 + x2
level: 2
  fb =~ y1 + y2 + y3
  fb ~ w1
"""
SLOPES = """
Reaction ~ rv("slope")*Days
@level(Subject)
slope ~ 1
slope ~~ slope + Reaction
Reaction ~~ Reaction
"""
REFERENCE = Path(__file__).parents[1] / "reference"


def holed():
    data = sg.load_dataset("demo_twolevel").iloc[:1200].copy()
    rng = np.random.default_rng(3)
    for name in ("y1", "y2", "y3"):
        data.loc[rng.random(len(data)) < 0.15, name] = np.nan
    return data


@pytest.fixture(scope="module")
def fit():
    return sg.sem(TWO, holed(), cluster="cluster", missing="ml")


def test_incomplete_clusters_are_fitted_in_closed_form(fit):
    assert fit.converged
    assert fit.method == "closed form (Gaussian responses)"
    integrated = sg.sem(TWO, holed(), cluster="cluster", missing="ml", quadrature=sg.Adaptive(1))
    assert fit.loglik == pytest.approx(integrated.loglik, abs=1e-7)
    assert fit.parameters["est"].to_numpy() == pytest.approx(integrated.parameters["est"].to_numpy(), abs=1e-5)
    assert fit.parameters["se"].to_numpy() == pytest.approx(integrated.parameters["se"].to_numpy(), abs=1e-5)


def test_the_saturated_model_fits_no_worse_and_independence_no_better(fit):
    measures = fit.fit_measures()
    assert measures["unrestricted.logl"] >= fit.loglik
    assert fit.test.df == measures["df"] == 6
    assert measures["baseline.df"] == 15
    assert fit.loglik >= fit.loglik + 0.5 * (measures["chisq"] - measures["baseline.chisq"])
    assert fit.test.statistic == pytest.approx(2 * (measures["unrestricted.logl"] - fit.loglik))


def test_moments_of_each_level(fit):
    found = fit.residuals()
    assert list(found) == ["within", "cluster"]
    assert list(found["within"]["cov"]) == ["y1", "y2", "y3", "x1", "x2"]
    assert list(found["cluster"]["cov"]) == ["y1", "y2", "y3", "w1"]


def test_robust_errors_and_the_scaled_test():
    """Of complete clusters they are those by moments."""
    data = sg.load_dataset("demo_twolevel").iloc[:1200].copy()
    complete = sg.sem(TWO, data, cluster="cluster", estimator="MLR")
    data.loc[0, "y1"] = np.nan
    one_hole = sg.sem(TWO, data, cluster="cluster", estimator="MLR", missing="ml")
    assert one_hole.method == complete.method
    assert one_hole.parameters["se"].to_numpy() == pytest.approx(complete.parameters["se"].to_numpy(), rel=0.02)
    assert one_hole.scaled_test.scaling_factor == pytest.approx(complete.scaled_test.scaling_factor, rel=0.02)


def test_random_slopes_are_those_of_mixed_models():
    stored = json.loads((REFERENCE / "sleepstudy" / "values.json").read_text())["results"]["lme4"]
    fit = sg.fit(SLOPES, sg.load_dataset("sleepstudy"))
    assert fit.method == "closed form (Gaussian responses)"
    assert fit.loglik == pytest.approx(stored["loglik"], rel=1e-9)
    names = {"Reaction~1": "Reaction~1", "slope~1": "Reaction~Days", "Reaction~~Reaction": "Reaction~~Reaction",
             "Reaction~~Reaction.l2": "Subject.intercept~~Subject.intercept",
             "slope~~Reaction": "Subject.intercept~~Subject.Days",
             "slope~~slope": "Subject.Days~~Subject.Days"}  # fmt: skip
    assert set(fit.coef.index) == set(names)
    errors = dict(zip(fit.coef.index, np.sqrt(np.diag(fit.vcov()))))
    for ours, theirs in names.items():
        assert fit.coef[ours] == pytest.approx(stored["estimates"][theirs], rel=1e-4)
        assert errors[ours] == pytest.approx(stored["se"][theirs], rel=1e-4)


def test_varying_coefficients_have_no_saturated_model():
    fit = sg.fit(SLOPES, sg.load_dataset("sleepstudy"))
    assert fit.test is None
    assert "Model Test" not in str(fit.summary())
    for report in (fit.residuals, fit.standardized, fit.modification_indices, fit.rsquare):
        with pytest.raises(sg.ModelError, match="same coefficients in every row: here some vary with Days"):
            report()


def test_three_levels_have_moments_of_each():
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1] / "laws"))
    from zoo import pupils

    text = """
        f =~ g1 + g2 + g3
        f ~ w + 1*fc
        @level(class)
        fc =~ 0
        fc ~ x + 1*fs
        @level(school)
        fs =~ 0
    """
    fit = sg.fit(text, pupils(60))
    assert list(fit.residuals()) == ["within", "class", "school"]
    measures = fit.fit_measures()
    # three variances and covariances of each level for the loadings, variances and the residuals
    assert measures["df"] == 3 * 6 + 2 * 3 + 3 - fit.npar
    assert measures["srmr"] == pytest.approx(
        measures["srmr_within"] + measures["srmr_class"] + measures["srmr_school"]
    )


REFUSED = {
    "least squares": ({"estimator": "GLS"}, "estimator='GLS' needs complete rows of one level"),
    "weights": ({"sampling_weights": "x3"}, "sampling_weights= is for models of one level"),
    "wishart": ({"likelihood": "wishart"}, "likelihood='wishart' is for complete rows of one level"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_there_is_refused(case):
    arguments, message = REFUSED[case]
    data = holed()
    data["x3"] = data["x3"].abs()
    with pytest.raises(sg.SemgllammError, match=message):
        sg.sem(TWO, data, cluster="cluster", missing="ml", **arguments)


def test_expected_information(fit):
    by_expectation = sg.sem(TWO, holed(), cluster="cluster", missing="ml", information="expected")
    assert by_expectation.free == pytest.approx(fit.free, rel=1e-5, abs=1e-6)
    assert by_expectation.information_kind == "Expected"
    expected = np.linalg.inv(fit.likelihood.information(fit.free, expected=True))
    assert fit.vcov("expected").to_numpy() == pytest.approx(expected, rel=1e-8, abs=1e-12)
    assert by_expectation.vcov().to_numpy() == pytest.approx(expected, rel=1e-3, abs=1e-7)


def test_modification_indices_are_near_the_drop_of_chi_square(fit):
    found = fit.modification_indices().set_index(["lhs", "op", "rhs", "level"])["mi"].sort_index()
    for name in ("y1 ~~ y3", "y2 ~~ y3"):
        larger = sg.sem(TWO.replace("level: 2", f"{name}\nlevel: 2"), holed(), cluster="cluster", missing="ml")
        lhs, op, rhs = name.split()
        assert found.loc[(lhs, op, rhs)].iloc[0] == pytest.approx(2 * (larger.loglik - fit.loglik), rel=0.1)


def test_bartletts_scores_of_complete_clusters_are_those_by_moments(monkeypatch):
    data = sg.load_dataset("demo_twolevel").iloc[:1200]
    by_moments = sg.sem(TWO, data, cluster="cluster")
    monkeypatch.setattr("semgllamm.estimation.gaussian.has_closed_form", lambda *_: False)
    nested = sg.sem(TWO, data, cluster="cluster")
    assert type(nested.likelihood) is not type(by_moments.likelihood)
    for level in (1, 2):
        for name, expected in by_moments.latent("bartlett", level=level, se=False).items():
            found = nested.latent("bartlett", level=level, se=False)[name]
            assert found.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-5, abs=1e-6)


def by_least_squares(y, Lambda, Theta, offset=0.0):
    """The latent variable that explains the responses that are seen best."""
    seen = ~np.isnan(y)
    W = np.linalg.inv(Theta[np.ix_(seen, seen)])
    return (Lambda[seen] @ W @ (y - offset)[seen]) / (Lambda[seen] @ W @ Lambda[seen])


def test_bartletts_scores_of_rows_need_nothing_of_the_levels_above():
    """A factor that has all from above itself: least squares of the row's answers give it whole."""
    rng = np.random.default_rng(4)
    school = np.repeat(np.arange(40), 24)
    data = pd.DataFrame({"school": school, "class": np.repeat(np.arange(160), 6), "w": rng.normal(size=960)})
    f = 0.5 * data["w"] + rng.normal(size=40)[school] + 0.7 * rng.normal(size=160)[data["class"]]
    f += rng.normal(size=960)
    for name, loading in (("g1", 1.0), ("g2", 0.8), ("g3", 1.2)):
        data[name] = loading * f + 0.6 * rng.normal(size=960)
        data.loc[rng.random(960) < 0.15, name] = np.nan
    text = "f =~ g1 + g2 + g3\nf ~ w + fc\n@level(class)\nfc ~ fs\nfc =~ 0\n@level(school)\nfs =~ 0"
    fit = sg.fit(text.replace("f ~ w + fc", "f ~ w + 1*fc").replace("fc ~ fs", "fc ~ 1*fs"), data)
    value = fit.parameters.set_index(["lhs", "op", "rhs"])["est"]
    Lambda = np.array([1.0, value["f", "=~", "g2"], value["f", "=~", "g3"]])
    Theta = np.diag([value[name, "~~", name] for name in ("g1", "g2", "g3")])
    nu = np.array([value[name, "~1", ""] for name in ("g1", "g2", "g3")])
    found = fit.latent("bartlett")["f"]
    y = data[["g1", "g2", "g3"]].to_numpy()
    kept = ~np.isnan(y).all(axis=1)
    expected = [by_least_squares(row, Lambda, Theta, nu) for row in y[kept]]
    assert found.to_numpy() == pytest.approx(np.array(expected), rel=1e-8, abs=1e-8)
    above = fit.latent("bartlett", level="class", se=False)["fc"]
    # unbiased, and so wider than the posterior means
    shrunken = fit.latent(level="class", se=False)["fc"]
    assert np.isfinite(above).all()
    assert above.corr(shrunken) > 0.95


def test_bartletts_scores_where_loadings_vary():
    rng = np.random.default_rng(6)
    n = 400
    data = pd.DataFrame({"v": rng.normal(size=n)})
    f = 0.5 * data["v"] + rng.normal(size=n)
    data["g1"] = f + 0.6 * rng.normal(size=n)
    data["g2"] = (0.8 + 0.3 * data["v"]) * f + 0.6 * rng.normal(size=n)
    data["g3"] = 1.2 * f + 0.6 * rng.normal(size=n)
    data.loc[rng.random(n) < 0.2, "g3"] = np.nan
    fit = sg.fit("f =~ g1 + g2 + g3\ng2 ~ b*f:v\nf ~ v", data)
    value = fit.parameters.set_index(["lhs", "op", "rhs"])["est"]
    varying = fit.parameters.query("label == 'b'")["est"].iloc[0]
    Theta = np.diag([value[name, "~~", name] for name in ("g1", "g2", "g3")])
    nu = np.array([value[name, "~1", ""] for name in ("g1", "g2", "g3")])
    expected, errors = [], []
    for v, *y in data[["v", "g1", "g2", "g3"]].to_numpy():
        y = np.array(y)
        Lambda = np.array([1.0, value["f", "=~", "g2"] + varying * v, value["f", "=~", "g3"]])
        expected.append(by_least_squares(y, Lambda, Theta, nu))
        seen = ~np.isnan(y)
        errors.append((Lambda[seen] ** 2 / np.diag(Theta)[seen]).sum() ** -0.5)
    found = fit.latent("bartlett")
    assert found["f"].to_numpy() == pytest.approx(np.array(expected), rel=1e-8, abs=1e-8)
    assert found["f.se"].to_numpy() == pytest.approx(np.array(errors), rel=1e-8)


def test_bartletts_scores_of_slopes_are_refused():
    fit = sg.fit(SLOPES, sg.load_dataset("sleepstudy"))
    with pytest.raises(sg.ModelError, match="only how rows change with Days"):
        fit.latent("bartlett")


def test_a_response_that_is_constant_within_clusters_is_named():
    data = holed()
    data["y1"] = data.groupby("cluster")["y1"].transform("mean")
    data.loc[5, "y2"] = np.nan
    with pytest.raises(sg.DataError, match="'y1' does not vary within 'cluster'"):
        sg.sem(TWO, data, cluster="cluster", missing="ml")


def test_modification_indices_are_those_of_moments_where_there_is_hardly_a_hole():
    data = sg.load_dataset("demo_twolevel").iloc[:1200].copy()
    complete = sg.sem(TWO, data, cluster="cluster").modification_indices()
    data.loc[0, "y1"] = np.nan
    fit = sg.sem(TWO, data, cluster="cluster", missing="ml")
    found = fit.modification_indices()
    keys = ["lhs", "op", "rhs", "level"]
    both = complete.merge(found, on=keys, suffixes=("", ".hole"))
    assert len(both) == len(found) >= 3
    assert not {"x1", "x2", "w1"} & set(found["lhs"])
    large = both[both["mi"] > 0.5]
    assert len(large) == 3
    assert large["mi.hole"].to_numpy() == pytest.approx(large["mi"].to_numpy(), rel=0.1)
    # the score test of one of them is the same number
    row = found.sort_values("mi").iloc[-1]
    text = f"level: {2 if row['level'] else 1}\n{row['lhs']} {row['op']} {row['rhs']}"
    assert fit.score_test(add=text).stat == pytest.approx(row["mi"], rel=1e-6)


def test_a_covariate_that_is_given_cannot_be_explained(fit):
    with pytest.raises(sg.ModelError, match="covariate 'x1' is given here"):
        fit.score_test(add="level: 1\nx1 ~ y1")
