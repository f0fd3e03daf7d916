"""Standard errors by the scores of units, what compare() refuses, and what the summary says."""

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg

PAIR = """
    visual  =~ x1 + x2 + x3
    textual =~ x4 + x5 + x6
"""


@pytest.fixture(scope="module")
def pupils():
    return sg.load_dataset("holzinger")


def test_kinds_of_covariance_matrices_by_their_definition(pupils):
    fit = sg.cfa(PAIR, pupils)
    scores = fit.likelihood.unit_scores(fit.free)
    A, B = fit.likelihood.information(fit.free), scores.T @ scores
    bread = np.linalg.inv(A)
    np.testing.assert_allclose(fit.vcov("observed"), bread, rtol=1e-8)
    np.testing.assert_allclose(fit.vcov("first.order"), np.linalg.inv(B), rtol=1e-8)
    np.testing.assert_allclose(fit.vcov("sandwich"), bread @ B @ bread, rtol=1e-8)
    np.testing.assert_allclose(fit.vcov("expected"), fit.vcov(), rtol=1e-8)
    with pytest.raises(sg.ModelError, match="unknown"):
        fit.vcov("hessian")


def test_sandwich_of_a_fit_by_quadrature():
    data = sg.load_dataset("cbpp")
    text = "incidence ~ 1 + period + (1 | herd)  @family(binomial(logit))\n@trials(incidence, size)"
    fit = sg.fit(text, data)
    robust = sg.fit(text, data, se="robust")
    np.testing.assert_allclose(robust.vcov(), fit.vcov("sandwich"), rtol=1e-6)
    scores = fit.likelihood.unit_scores(fit.free, fit.points)
    bread = np.linalg.inv(fit.information)
    J = fit._working.jacobian(fit._inner) @ fit._working.K
    np.testing.assert_allclose(fit.vcov("sandwich"), J @ bread @ scores.T @ scores @ bread @ J.T, rtol=1e-6)
    assert "Sandwich" in str(robust.summary())


@pytest.mark.parametrize(
    "text", ["y ~ x + z  @family(bernoulli)", "y ~ x + z\n@alternatives(y, case=id, alternative=alt)"]
)
def test_rows_and_cases_in_clusters_by_the_scores_of_the_clusters(text):
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"id": np.repeat(np.arange(90), 3), "alt": np.tile(["a", "b", "c"], 90)})
    data = data.assign(g=data["id"] // 6, x=rng.normal(size=270), z=rng.normal(size=270))
    utility = (0.8 + 0.9 * rng.normal(size=15)[data["g"]]) * data["x"] + rng.gumbel(size=270)
    data["y"] = (utility == utility.groupby(data["id"]).transform("max")).astype(float)
    data = data.sample(frac=1.0, random_state=1)
    fit, plain = sg.fit(text, data, cluster="g"), sg.fit(text, data)
    X = data[["x", "z"]].to_numpy()
    if "@alternatives" in text:
        b = plain.coef[["y~x", "y~z"]].to_numpy()
        p = np.exp(X @ b)
        p /= pd.Series(p, data.index).groupby(data["id"]).transform("sum").to_numpy()
    else:
        X, b = np.column_stack([X, np.ones(270)]), plain.coef[["y~x", "y~z", "y~1"]].to_numpy()
        p = 1 / (1 + np.exp(-X @ b))
    scores = pd.DataFrame((data["y"].to_numpy() - p)[:, None] * X).groupby(data["g"].to_numpy()).sum().to_numpy()
    V = plain.vcov().to_numpy()
    np.testing.assert_allclose(fit.vcov(), 15 / 14 * V @ scores.T @ scores @ V, rtol=1e-4, atol=1e-8)


def test_restrictions_hold_in_every_kind(pupils):
    text = "visual =~ x1 + a*x2 + b*x3\na == b"
    robust = sg.cfa(text, pupils, estimator="MLR").vcov()
    assert robust.iloc[0, 0] == pytest.approx(robust.iloc[1, 1]) == pytest.approx(robust.iloc[0, 1])


def test_linear_constraints_written_as_curves_have_the_same_robust_results(pupils):
    line = "visual =~ x1 + a*x2 + b*x3\ntextual =~ x4 + x5 + x6\na == b"
    curve = line.replace("a == b", "a^3 == b^3")
    for estimator in ("MLR", "MLM"):
        straight, bent = (sg.cfa(text, pupils, estimator=estimator) for text in (line, curve))
        np.testing.assert_allclose(bent.vcov(), straight.vcov(), rtol=1e-4, atol=1e-8)
        assert bent.scaled_test.statistic == pytest.approx(straight.scaled_test.statistic, rel=1e-5)


def test_rows_that_are_their_own_clusters(pupils):
    """n clusters of one count n/(n − 1) times."""
    rows = pupils.assign(row=np.arange(len(pupils)))
    plain = sg.cfa(PAIR, rows, estimator="MLR", meanstructure=True)
    clusters = sg.cfa(PAIR, rows, cluster="row")
    n = len(rows)
    np.testing.assert_allclose(clusters.vcov(), plain.vcov() * n / (n - 1), rtol=1e-8)


def test_equal_weights_are_none(pupils):
    weighted = sg.cfa(PAIR, pupils.assign(w=3.0), sampling_weights="w")
    plain = sg.cfa(PAIR, pupils, estimator="MLR")
    np.testing.assert_allclose(weighted.vcov(), plain.vcov(), rtol=1e-8)
    assert weighted.loglik == pytest.approx(plain.loglik)
    with pytest.raises(sg.DataError, match="not positive"):
        sg.cfa(PAIR, pupils.assign(w=0.0), sampling_weights="w")


@pytest.mark.parametrize("arguments, words", [
    ({"estimator": "MLR"}, ("Sandwich", "Information bread", "Observed")),
    ({"estimator": "MLM"}, ("Robust.sem", "Expected")),
    ({"estimator": "MLF"}, ("First.order",)),
    ({"cluster": "agemo"}, ("Robust.cluster",)),
    ({"estimator": "GLS"}, ("GLS", "Expected")),
])  # fmt: skip
def test_summary_says_which(pupils, arguments, words):
    printed = str(sg.cfa(PAIR, pupils, **arguments).summary())
    assert all(word in printed for word in words)
    assert ("Loglikelihood" in printed) == (arguments.get("estimator") != "GLS")


@pytest.mark.parametrize("arguments, message", [
    ({"estimator": "MRL"}, "Did you mean"), ({"se": "sandwich"}, "unknown"), ({"test": "wald"}, "unknown"),
    ({"estimator": "GLS", "likelihood": "wishart"}, "is not for"),
    ({"estimator": "WLS", "se": "robust.cluster"}, "is not for"),
    ({"estimator": "GLS", "missing": "ml", "hole": True}, "complete"),
    ({"estimator": "MLM", "missing": "ml", "hole": True}, "complete"),
])  # fmt: skip
def test_words_that_are_refused(pupils, arguments, message):
    arguments = dict(arguments)
    data = pupils.copy()
    if arguments.pop("hole", False):
        data.loc[0, "x1"] = np.nan
    with pytest.raises(sg.SemgllammError, match=message):
        sg.cfa(PAIR, data, **arguments)


def test_too_few_rows_for_wls(pupils):
    with pytest.raises(sg.EstimationError, match="more rows"):
        sg.cfa(PAIR, pupils.head(20), estimator="WLS")


def test_sample_moments_have_no_rows_to_be_robust_with(pupils):
    columns = [f"x{k}" for k in range(1, 7)]
    arguments = {"sample_cov": pupils[columns].cov(), "sample_nobs": len(pupils)}
    with pytest.raises(sg.DataError, match="rows of data"):
        sg.cfa(PAIR, None, estimator="MLM", **arguments)
    by_moments, by_rows = sg.cfa(PAIR, None, estimator="GLS", **arguments), sg.cfa(PAIR, pupils, estimator="GLS")
    np.testing.assert_allclose(by_moments.coef, by_rows.coef, rtol=1e-6)


def test_what_cannot_be_compared(pupils):
    one, two = sg.cfa(PAIR, pupils), sg.cfa(PAIR, pupils, orthogonal=True)
    with pytest.raises(sg.ModelError, match="equally many"):
        sg.compare(one, one)
    with pytest.raises(sg.ModelError, match="same data"):
        sg.compare(one, sg.cfa(PAIR, pupils.head(200), orthogonal=True))
    with pytest.raises(sg.ModelError, match="no scaled test"):
        sg.compare(one, two, method="scaled")
    with pytest.raises(sg.ModelError, match="different tests"):
        sg.compare(one, sg.cfa(PAIR, pupils, orthogonal=True, estimator="MLR"))
    with pytest.raises(sg.ModelError, match="two fits"):
        sg.compare(one)
    wrong = sg.cfa("visual =~ x1 + x2 + x4\ntextual =~ x3 + x5 + x6\nx1 ~~ x3", pupils)
    with pytest.raises(sg.ModelError, match="not nested"):
        sg.compare(wrong, sg.cfa(PAIR, pupils))


def test_quadrature_fits_are_compared_by_their_likelihoods():
    data = sg.load_dataset("cbpp")
    family = "  @family(binomial(logit))\n@trials(incidence, size)"
    fits = [sg.fit(f"incidence ~ {x}(1 | herd){family}", data) for x in ("1 + period + ", "1 + ")]
    found = sg.compare(*fits, names=["period", "none"])
    assert found.loc["none", "chisq_diff"] == pytest.approx(2 * (fits[0].loglik - fits[1].loglik))
    assert found.loc["none", "df_diff"] == 3
    assert pd.isna(found["chisq"]).all()
