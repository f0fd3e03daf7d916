"""Residuals, modification indices, measures of fit and scores where an exact value is known."""

import numpy as np
import pytest

import semgllamm as sg
from semgllamm.estimation.benchmarks import MomentModel
from semgllamm.estimation.completed import Completed
from semgllamm.results.moments import saturated_of

FACTORS = """
    visual  =~ x1 + x2 + x3
    textual =~ x4 + x5 + x6
    speed   =~ x7 + x8 + x9
"""
PAIRS = """
    x1 ~~ x1
    x2 ~~ x2
    x3 ~~ x3
    x1 ~~ 0*x2
    x1 ~~ x3
    x2 ~~ x3
"""
LEAST_SQUARES = ("GLS", "ULS", "WLS", "DWLS")


@pytest.fixture(scope="module")
def pupils():
    return sg.load_dataset("holzinger")


@pytest.fixture(scope="module")
def holes(pupils):
    return pupils.assign(x5=pupils.x5.where(pupils.x1 > pupils.x1.quantile(0.3)))


def test_residuals_of_equal_groups_compare_their_covariances(pupils):
    """Where all moments are equal, the standardised residual is the z of s1 − s2 of independent groups."""
    text = "x1 ~~ c(a,a)*x1\nx2 ~~ c(b,b)*x2\nx1 ~~ c(d,d)*x2\nx1 ~ 1\nx2 ~ 1"
    fit = sg.lavaan(text, pupils, group="school")
    found = fit.residuals("standardized")
    groups = [rows[["x1", "x2"]] for _, rows in pupils.groupby("school", sort=False)]
    S = [rows.cov(ddof=0).to_numpy() for rows in groups]
    variance = sum((np.outer(np.diag(s), np.diag(s)) + s * s) / len(rows) for s, rows in zip(S, groups))
    z = (S[0] - S[1]) / np.sqrt(variance)
    first, second = (found[label]["cov"].loc[["x1", "x2"], ["x1", "x2"]] for label in found)
    np.testing.assert_allclose(first, z, rtol=1e-6)
    np.testing.assert_allclose(second, -z, rtol=1e-6)


@pytest.mark.parametrize("estimator", ["ULS", "DWLS"])
def test_residuals_of_least_squares(pupils, estimator):
    """A covariance that is fixed at zero, all else being fitted: s12 over its standard error."""
    fit = sg.lavaan(PAIRS, pupils, estimator=estimator)
    x = pupils[["x1", "x2"]] - pupils[["x1", "x2"]].mean()
    n = len(x)
    S = x.cov().to_numpy()
    normal = S[0, 0] * S[1, 1] + S[0, 1] ** 2
    variance = normal if estimator == "ULS" else np.var(x.x1 * x.x2)
    for kind in ("normalized", "standardized"):
        z = fit.residuals(kind)["1"]["cov"].loc["x1", "x2"]
        # the other moments are fitted exactly, whatever this one is
        assert z == pytest.approx(S[0, 1] / np.sqrt(variance / n), rel=1e-6)


@pytest.mark.parametrize("estimator", LEAST_SQUARES)
def test_modification_indices_of_least_squares_are_exact_in_linear_models(pupils, estimator):
    fit = sg.lavaan(PAIRS, pupils, estimator=estimator)
    free = sg.lavaan(PAIRS.replace("0*", ""), pupils, estimator=estimator)
    row = fit.modification_indices(op="~~").set_index(["lhs", "rhs"]).loc[("x1", "x2")]
    assert row["mi"] == pytest.approx(fit.test.statistic - free.test.statistic, rel=1e-6)
    assert row["epc"] == pytest.approx(free.coef["x1~~x2"], rel=1e-6)


def test_modification_indices_heed_constraints_that_are_not_linear(pupils):
    """A product that is held at its own estimate leaves fewer directions, and so more information about a cell."""
    text = FACTORS.replace("x2 + x3", "a*x2 + b*x3")
    plain = sg.cfa(text, pupils)
    product = plain.label_values["a"] * plain.label_values["b"]
    held = sg.cfa(f"{text}\na * b == {product!r}", pupils)
    key = ["lhs", "op", "rhs"]
    one, other = (fit.modification_indices().set_index(key) for fit in (plain, held))
    one, other = one.align(other, join="inner", axis=0)
    information = one["mi"] / one["epc"] ** 2, other["mi"] / other["epc"] ** 2
    assert (information[1] > information[0] * (1 - 1e-6)).all()
    assert (information[1] > information[0] * 1.01).any()


@pytest.mark.parametrize("cross", [False, True])
def test_where_nothing_is_missing_the_completed_statistic_is_that_of_the_rows(pupils, cross):
    fit = sg.cfa(FACTORS, pupils, estimator="MLR", meanstructure=True)
    completed = Completed(saturated_of(fit), cross)
    found = completed.test(MomentModel.of(fit.likelihood, fit.free), fit.free, fit.df)
    assert found.statistic == pytest.approx(fit.test.statistic, rel=1e-8)
    if not cross:
        assert found.trace == pytest.approx(fit.df, rel=1e-8)
    else:
        # tr UΓ with Γ of the products of the data
        assert found.trace == pytest.approx(sg.cfa(FACTORS, pupils, estimator="MLM").scaled_test.trace, rel=0.05)


def test_measures_of_incomplete_rows(pupils, holes):
    """What the fit of complete rows would be, not what that of the rows is which are there."""
    complete, found = (sg.cfa(FACTORS, data, missing="ml").fit_measures() for data in (pupils, holes))
    assert "cfi.robust" not in complete.index
    for name in ("cfi", "rmsea", "gfi"):
        there = f"{name}.robust" if name != "gfi" else name
        assert 0 < found[there] <= 1
    assert found["rmsea.ci.lower.robust"] < found["rmsea.robust"] < found["rmsea.ci.upper.robust"]
    # what a third of x5 carries is lost: its interval is the wider
    width = found["rmsea.ci.upper.robust"] - found["rmsea.ci.lower.robust"]
    assert width > complete["rmsea.ci.upper"] - complete["rmsea.ci.lower"]


def test_goodness_of_fit_of_unweighted_squares(pupils):
    """1 less the share of the squares of the moments that is left over."""
    fit = sg.cfa(FACTORS, pupils, estimator="ULS")
    lower = np.tril_indices(9)
    s = fit.sample_moments()["1"]["cov"].to_numpy()[lower]
    left = fit.residuals()["1"]["cov"].to_numpy()[lower]
    assert fit.fit_measures()["gfi"] == pytest.approx(1 - (left @ left) / (s @ s), rel=1e-8)


def test_residuals_of_incomplete_rows(holes):
    """A mean that is fixed differs from the estimated one by the standard error of that, at both kinds."""
    fit = sg.cfa(FACTORS + "\nx5 ~ 4.3*1", holes, missing="ml")
    kinds = ("raw", "normalized", "standardized")
    raw, normalized, standardized = (fit.residuals(kind)["1"]["mean"]["x5"] for kind in kinds)
    full = saturated_of(fit)
    vcov = np.linalg.inv(full.information(full.maximum[0]))
    graph = full.graphs[0]
    number = next(k for kind, row, k in zip(graph.cells.kind, graph.cells.row, graph.cells.number)
                  if kind == 2 and fit.likelihood.responses[row] == "x5")  # fmt: skip
    assert raw / normalized == pytest.approx(np.sqrt(vcov[number, number]), rel=1e-6)
    assert standardized == pytest.approx(normalized, rel=1e-6)


def test_composites_are_what_they_are_made_of(pupils):
    fit = sg.sem("score <~ 1*x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9\ntextual + speed ~ score",
                 pupils)  # fmt: skip
    weights = np.array([1.0, fit.coef["score<~x2"], fit.coef["score<~x3"]])
    value = pupils[["x1", "x2", "x3"]].to_numpy() @ weights
    for kind in ("regression", "bartlett"):
        scores = fit.latent(kind)
        np.testing.assert_allclose(scores["score"], value, rtol=1e-8)
        np.testing.assert_allclose(scores["score.se"], 0.0, atol=1e-8)
    standardized = fit.standardized("std.all").query("op == '<~'")["est.std"]
    wanted = weights * pupils[["x1", "x2", "x3"]].std(ddof=0) / value.std()
    np.testing.assert_allclose(standardized, wanted, rtol=1e-6)


def test_scores_with_random_covariates_have_the_means_of_fixed_ones(pupils):
    text = FACTORS + "\nvisual + textual + speed ~ ageyr + sex"
    fixed, random = (sg.sem(text, pupils, fixed_x=given) for given in (True, False))
    for kind in ("regression", "bartlett"):
        np.testing.assert_allclose(random.latent(kind), fixed.latent(kind), rtol=1e-5, atol=1e-6)


def test_improper_solutions_have_scores_without_standard_errors(pupils):
    with pytest.warns(sg.SemgllammWarning, match="negative"):
        fit = sg.cfa("f =~ x7 + x4 + x3\ng =~ x5 + x2", pupils)
    scores = fit.latent("regression")
    assert scores["f.se"].isna().all() and (scores["g.se"] > 0).all()
