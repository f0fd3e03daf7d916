"""The package against lavaan: every case of `lavaan/cases`, one kind of value after the other.

Tolerances are those of `lavaan/README.md`; a value that lavaan does not give (null) is not compared.
"""

import numpy as np
import pandas as pd
import pytest
from lavaan_cases import NAMES, case, fit, frame, keyed, square, stored

import semgllamm as sg

LOGLIK, ESTIMATES, SE, MEASURES, INDICES = 1e-6, 1e-5, 1e-4, 1e-4, 1e-3

CASES = {name: case(name) for name in NAMES}
TESTS = stored("tests")


def having(*keys):
    """The cases for which lavaan gives a value, as an argument of tests."""

    def given(values):
        for key in keys:
            values = values.get(key) if isinstance(values, dict) else None
        return values not in (None, [], {})

    return pytest.mark.parametrize("name", [name for name in NAMES if given(CASES[name].values)])


def close(expected, relative, absolute=None):
    """approx(): relative to values above one in size, absolute below."""
    return pytest.approx(expected, rel=relative, abs=relative if absolute is None else absolute, nan_ok=True)


def assert_columns(found: pd.DataFrame, expected: pd.DataFrame, pairs, relative, absolute=None):
    """Columns of tables with the same key, where lavaan has numbers."""
    missing = expected.index.difference(found.index)
    assert missing.empty, f"no rows {list(missing)}"
    for ours, theirs in pairs:
        wanted = expected[theirs].dropna()
        assert found.loc[wanted.index, ours].to_dict() == close(wanted.to_dict(), relative, absolute), theirs


def assert_blocks(found, expected, relative, absolute=None):
    """Covariances and means block by block: {block: {"cov": DataFrame, "mean": Series}} against the stored."""
    found, expected = list(found.values()), list(expected.values() if isinstance(expected, dict) else expected)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected):
        if "cov" in theirs:
            wanted = square(theirs["cov"])
            given = ours["cov"].loc[wanted.index, wanted.columns].to_numpy().copy()
            given[wanted.isna()] = np.nan
            np.testing.assert_allclose(given, wanted, rtol=relative, atol=absolute or relative)
        if "mean" in theirs:
            wanted = pd.Series(theirs["mean"], dtype=float).dropna()
            np.testing.assert_allclose(ours["mean"][wanted.index], wanted, rtol=relative, atol=absolute or relative)


@pytest.mark.parametrize("name", NAMES)
def test_counts(name):
    values, found = CASES[name].values, fit(name)
    assert found.converged
    assert (found.npar, found.df) == (values["npar"], values["df"])


@having("loglik")
def test_loglik(name):
    assert fit(name).loglik == pytest.approx(CASES[name].values["loglik"], rel=LOGLIK)


@pytest.mark.parametrize("name", NAMES)
def test_estimates(name):
    expected, found = CASES[name].parameters(), keyed(fit(name).parameters)
    # lavaan lists the sample moments of fixed covariates among the fixed parameters
    moment = expected.index.get_level_values("op").isin(["~~", "~1"]) & (expected["se"] == 0)
    expected = expected[~moment | expected.index.isin(found.index)]
    assert_columns(found, expected, [("est", "est")], ESTIMATES)


@pytest.mark.parametrize("name", NAMES)
def test_standard_errors(name):
    expected = CASES[name].parameters()
    # lavaan gives fixed parameters a standard error of zero
    expected = expected[expected["se"] > 0]
    assert_columns(keyed(fit(name).parameters), expected, [("se", "se")], SE, 1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_tests_and_intervals(name):
    expected = CASES[name].parameters()
    expected = expected[expected["se"] > 0]
    pairs = [("z", "z"), ("pvalue", "pvalue"), ("ci_lower", "ci.lower"), ("ci_upper", "ci.upper")]
    assert_columns(keyed(fit(name).parameters), expected, pairs, SE)


GOODNESS = {"gfi", "agfi", "pgfi"}


def assert_measures(name, chosen):
    expected = CASES[name].values["fit_measures"]
    expected = {key: value for key, value in expected.items() if value is not None and chosen(key)}
    found = dict(fit(name).fit_measures())
    assert {key: found.get(key) for key in expected} == close(expected, MEASURES, 1e-6)


@having("fit_measures")
def test_fit_measures(name):
    assert_measures(name, lambda key: key not in GOODNESS and not key.endswith(".robust"))


@having("fit_measures", "rmsea.robust")
def test_robust_fit_measures(name):
    assert_measures(name, lambda key: key.endswith(".robust"))


@having("fit_measures", "gfi")
def test_goodness_of_fit_indices(name):
    assert_measures(name, GOODNESS.__contains__)


@pytest.mark.parametrize("kind", ["std.lv", "std.all", "std.nox"])
@pytest.mark.parametrize("name", NAMES)
def test_standardized(name, kind):
    expected = CASES[name].parameters()
    if kind not in expected:
        pytest.skip("lavaan has no standardised solution of this model")
    found = keyed(fit(name).standardized(kind))
    assert_columns(found, expected, [("est.std", kind)], ESTIMATES)
    if f"se.{kind}" in expected:
        assert_columns(found, expected[expected[f"se.{kind}"] > 1e-8], [("se", f"se.{kind}")], SE, 1e-6)


@having("rsquare")
def test_rsquare(name):
    found = fit(name).rsquare()
    for block, expected in enumerate(CASES[name].values["rsquare"], start=1):
        here = found[found["block"] == block].set_index("name")["rsquare"]
        if expected is None:
            assert here.empty
            continue
        expected = {key: value for key, value in expected.items() if value is not None}
        if expected:
            assert {key: here[key] for key in expected} == close(expected, ESTIMATES)


@having("modification_indices")
def test_modification_indices(name):
    expected = keyed(frame(CASES[name].values["modification_indices"]))
    found = keyed(fit(name).modification_indices())
    columns = ["mi", "epc", "sepc.lv", "sepc.all", "sepc.nox"]
    if CASES[name].values["options"]["estimator"] != "ML":
        # of least squares lavaan has the slope of (n - 1)/n times the objective whose information it takes; the
        # standardised change of a variance is made of its present value
        n = sum(CASES[name].values["nobs"])
        variance = [op == "~~" and lhs == rhs for lhs, op, rhs, *_ in expected.index]
        expected[columns[:2]] *= n / (n - 1)
        expected.loc[np.logical_not(variance), columns[2:]] *= n / (n - 1)
    assert_columns(found, expected, [(column, column) for column in columns], INDICES)


@having("implied")
def test_implied_moments(name):
    assert_blocks(fit(name).implied(), CASES[name].values["implied"], ESTIMATES)


@having("sample")
def test_sample_moments(name):
    found, expected = fit(name).sample_moments(), CASES[name].values["sample"]
    if of_two_levels(name):
        found, expected = with_sums(found), with_sums(expected)
    assert_blocks(found, expected, ESTIMATES)


@pytest.mark.parametrize("kind", ["raw", "normalized", "standardized", "cor", "cor.bentler"])
@having("residuals")
def test_residuals(name, kind):
    expected = CASES[name].values["residuals"][kind]
    if expected is None:
        pytest.skip("lavaan has no residuals of this kind")
    found = fit(name).residuals(kind)
    if of_two_levels(name):
        # means as they are: those of the other kinds are in units of the sample's standard deviations
        units = (None, None) if kind == "raw" else (fit(name).sample_moments(), CASES[name].values["sample"])
        found, expected = with_sums(found, units[0]), with_sums(expected, units[1])
    assert_blocks(found, expected, INDICES if kind in ("normalized", "standardized") else ESTIMATES)


def of_two_levels(name):
    return "level:" in CASES[name].model


def with_sums(blocks, units=None):
    """The blocks of two levels, the mean of a response of both as the sum of its parts, in the block within.

    How the saturated mean is split does not change the likelihood. In lavaan the parts are those at which EM ends that
    starts at zero: for y1 ~ x1 + x2 within and y1 ~ w1 + w2 between, which fits exactly, its residuals of the two means
    are 0.006 and -0.006, and 0.38 and -0.38 once 5 is added to y1.
    """
    out = {}
    for key, block in blocks.items():
        mean = pd.Series(block["mean"], dtype=float)
        if units is not None:
            cov = units[key]["cov"]
            cov = cov if isinstance(cov, pd.DataFrame) else square(cov)
            mean = mean * pd.Series(np.sqrt(np.diag(cov)), cov.index)
        out[key] = {"cov": block["cov"], "mean": mean}
    found = list(out.values())
    for within, between in zip(found[::2], found[1::2]):
        both = within["mean"].index.intersection(between["mean"].index)
        within["mean"][both] += between["mean"][both]
        between["mean"] = between["mean"].drop(both)
    return out


# latent variables of no responses of their own
UNMEASURED = {"ability", "common", "score"}


@pytest.mark.parametrize("kind", ["regression", "bartlett"])
@having("scores")
def test_scores(name, kind):
    by_level = {level: blocks for level, blocks in CASES[name].values["scores"][kind].items() if blocks}
    if not by_level:
        pytest.skip("lavaan has no scores of this kind")
    for level, blocks in by_level.items():
        found = fit(name).latent(kind=kind, level=level)
        for block in blocks:
            here = found.loc[block["units"]]
            wanted = np.array(block["scores"], dtype=float)
            if kind == "bartlett":
                # where nothing is measured, lavaan has the mean as the score (NA if rows are incomplete)
                wanted[:, [name in UNMEASURED for name in block["names"]]] = np.nan
            given = np.where(np.isnan(wanted), np.nan, here[block["names"]])
            np.testing.assert_allclose(given, wanted, rtol=ESTIMATES, atol=ESTIMATES)
            if block["se"]:
                # one row of standard errors is that of every unit
                errors = here[[f"{latent}.se" for latent in block["names"]]]
                wanted = np.broadcast_to(np.array(block["se"], dtype=float), errors.shape)
                np.testing.assert_allclose(np.where(np.isnan(wanted), np.nan, errors), wanted, rtol=SE, atol=1e-6)


@pytest.mark.parametrize("wanted", TESTS["compare"], ids=lambda wanted: wanted["name"])
def test_comparison_of_nested_fits(wanted):
    """A row a fit, the least restricted first; each is compared with the one before."""
    expected = frame(wanted["table"])
    arguments = {} if wanted["method"] == "default" else {"method": wanted["method"]}
    found = sg.compare(*(fit(name) for name in wanted["fits"]), **arguments)
    for ours, theirs in [("df", "Df"), ("chisq", "Chisq"), ("chisq_diff", "Chisq diff"), ("df_diff", "Df diff"),
                         ("pvalue", "Pr(>Chisq)")]:  # fmt: skip
        assert list(found[ours]) == close(list(expected[theirs]), MEASURES, 1e-6), theirs


@pytest.mark.parametrize("wanted", TESTS["wald"], ids=lambda wanted: wanted["name"])
def test_wald(wanted):
    found = fit(wanted["fit"]).wald_test("\n".join(wanted["constraints"]))
    assert (found.stat, found.pvalue) == close((wanted["stat"], wanted["p"]), SE)
    assert found.df == wanted["df"]


@pytest.mark.parametrize("wanted", TESTS["score"], ids=lambda wanted: wanted["name"])
def test_score(wanted):
    arguments = {key: wanted[key] for key in ("add", "release") if wanted[key] is not None}
    if "add" in arguments:
        arguments["add"] = "\n".join(arguments["add"])
    found = fit(wanted["fit"]).score_test(**arguments)
    total = wanted["total"]
    assert (found.stat, found.df, found.pvalue) == close((total["stat"], total["df"], total["p"]), INDICES)
    expected = frame(wanted["each"])
    assert list(found.each["stat"]) == close(list(expected["X2"]), INDICES)


def test_reliability():
    wanted = stored("reliability")
    found = fit(wanted["fit"]).reliability()
    for factor, expected in wanted["factors"].items():
        assert {key: found.loc[factor, key] for key in expected} == close(expected, ESTIMATES)
    ratios = fit(wanted["fit"]).htmt()
    for pair, expected in wanted["htmt"].items():
        assert ratios.loc[*pair.split("~~")] == close(expected, ESTIMATES)
