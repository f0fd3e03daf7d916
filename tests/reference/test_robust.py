"""lavaan's numbers for robust standard errors, scaled tests, least squares, clusters, weights and their differences."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg

VALUES = json.loads((Path(__file__).parent / "robust" / "values.json").read_text(encoding="utf-8"))
FACTORS = """
    visual  =~ x1 + x2 + x3
    textual =~ x4 + x5 + x6
    speed   =~ x7 + x8 + x9
"""
PAIR = """
    visual  =~ x1 + x2 + x3
    textual =~ x4 + x5 + x6
"""
CAUSES = PAIR + "visual + textual ~ age + x9"
SEX = PAIR + "visual + textual ~ age + sex"
REGRESSION = """
    x1 ~ x4 + age
    x7 ~ x1 + x9
"""
SINGLE = """
    f =~ y1 + y2 + y3 + y4 + y5 + y6
    f ~ x1 + x2
"""
SCHOOL = {"group": "school"}
METRIC = {"group": "school", "group_equal": "loadings"}


@cache
def data(which):
    if which == "clusters":
        return sg.load_dataset("demo_twolevel")
    frame = sg.load_dataset("holzinger").copy()
    number = np.arange(1, len(frame) + 1)
    frame["age"] = frame["ageyr"] - 13 + frame["agemo"] / 12
    frame["w"] = 0.5 + (number % 7) / 6
    if which == "holes":
        for k in range(1, 10):
            frame.loc[((number + 3 * k) % 11 == 0), f"x{k}"] = np.nan
    return frame


def cases():
    """(name, model text, data, arguments)."""
    for e in ("ML", "MLR", "MLM", "MLMV", "MLMVS", "MLF", "GLS", "ULS", "WLS"):
        yield f"factors_{e}", FACTORS, "all", {"estimator": e}
    for e in ("MLR", "MLM", "MLMV", "GLS", "ULS", "WLS"):
        yield f"means_{e}", FACTORS, "all", {"estimator": e, "meanstructure": True}
        yield f"causes_{e}", CAUSES, "all", {"estimator": e}
        yield f"causes_means_{e}", CAUSES, "all", {"estimator": e, "meanstructure": True}
        yield f"groups_{e}", PAIR, "all", {"estimator": e, **SCHOOL}
    for e in ("ML", "MLR", "MLM", "MLMV", "GLS", "ULS", "WLS"):
        yield f"metric_{e}", PAIR, "all", {"estimator": e, **METRIC}
    for e in ("MLR", "GLS", "WLS"):
        yield f"regression_{e}", REGRESSION, "all", {"estimator": e}
    yield "groups_ML", PAIR, "all", SCHOOL
    yield "holes_MLR", FACTORS, "holes", {"estimator": "MLR", "missing": "ml"}
    yield "holes_causes_MLR", SEX, "holes", {"estimator": "MLR", "missing": "ml"}
    yield "holes_MLF", FACTORS, "holes", {"estimator": "MLF", "missing": "ml"}
    yield "clusters", SINGLE, "clusters", {"cluster": "cluster"}
    yield "clusters_school", FACTORS, "all", {"cluster": "agemo"}
    yield "weights", FACTORS, "all", {"sampling_weights": "w"}
    yield "weights_groups", PAIR, "all", {"sampling_weights": "w", **SCHOOL}
    yield "weights_holes", FACTORS, "holes", {"sampling_weights": "w", "missing": "ml"}
    yield "weights_clusters", FACTORS, "all", {"sampling_weights": "w", "cluster": "agemo"}
    yield "huber_white", FACTORS, "all", {"se": "robust.huber.white"}
    yield "expected_bread", FACTORS, "all", {"estimator": "MLR", "information": "expected"}
    yield "wishart_MLM", FACTORS, "all", {"estimator": "MLM", "likelihood": "wishart"}


CASES = {name: rest for name, *rest in cases()}


@cache
def run(name):
    text, which, arguments = CASES[name]
    return sg.sem(text, data(which), **arguments)


every = pytest.mark.parametrize("name", list(CASES))


def tables(name):
    """(ours, lavaan's) by lhs, op, rhs and group; the sample moments of covariates are in lavaan's alone."""
    ours = run(name).parameters.set_index(["lhs", "op", "rhs", "group"])
    theirs = pd.DataFrame(VALUES["fits"][name]["table"])
    theirs["group"] = theirs.get("group", 1)
    theirs = theirs.set_index(["lhs", "op", "rhs", "group"])
    covariates = {x for names in run(name).likelihood.covariates for x in names}
    mine = [not {key[0], key[2] or key[0]} <= covariates for key in theirs.index]
    return ours, theirs[mine]


@every
def test_estimates(name):
    ours, theirs = tables(name)
    expected = theirs["est"]
    np.testing.assert_allclose(ours.loc[expected.index, "est"], expected, rtol=1e-5, atol=1e-5)


@every
def test_standard_errors(name):
    ours, theirs = tables(name)
    expected = theirs["se"][theirs["se"] > 0]
    np.testing.assert_allclose(ours.loc[expected.index, "se"], expected, rtol=1e-4, atol=1e-6)


@every
def test_chi_squares(name):
    fit, expected = run(name), VALUES["fits"][name]["measures"]
    found = {
        "npar": fit.npar, "chisq": fit.test.statistic, "df": fit.test.df, "pvalue": fit.test.pvalue,
        "baseline.chisq": fit.baseline_test.statistic, "baseline.df": fit.baseline_test.df,
        "baseline.pvalue": fit.baseline_test.pvalue,
    }  # fmt: skip
    if "logl" in expected:
        found["logl"] = fit.loglik
    if "chisq.scaled" in expected:
        test, baseline = fit.scaled_test, fit.scaled_baseline_test
        found |= {
            "chisq.scaled": test.statistic, "df.scaled": test.df, "pvalue.scaled": test.pvalue,
            "chisq.scaling.factor": test.scaling_factor, "baseline.chisq.scaled": baseline.statistic,
            "baseline.df.scaled": baseline.df, "baseline.chisq.scaling.factor": baseline.scaling_factor,
        }  # fmt: skip
    if "shift.parameter" in expected:
        found["shift.parameter"] = fit.scaled_test.shift_parameter
    # lavaan gives no p-value where there is no distribution
    expected = {key: np.nan if value is None else value for key, value in expected.items()}
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("name", list(VALUES["differences"]))
def test_differences(name):
    estimator, method = name.split("_", 1)
    strong = sg.cfa(PAIR, data("all"), estimator=estimator, group="school", group_equal=("loadings", "intercepts"))
    method = None if method == "default" else method
    found = sg.compare(strong, run(f"groups_{estimator}"), run(f"metric_{estimator}"), method=method)
    expected = pd.DataFrame(VALUES["differences"][name])
    for ours, theirs in [("df", "Df"), ("aic", "AIC"), ("bic", "BIC"), ("chisq", "Chisq"), ("chisq_diff", "Chisq diff"),
                         ("df_diff", "Df diff"), ("pvalue", "Pr(>Chisq)"), ("rmsea", "RMSEA")]:  # fmt: skip
        if theirs in expected:
            np.testing.assert_allclose(found[ours], expected[theirs].astype(float), rtol=1e-4, atol=1e-6)
    assert list(found.index) == ["fit2", "fit3", "fit1"]


def test_scaled_difference_is_the_default_of_scaled_fits():
    default = sg.compare(run("groups_MLR"), run("metric_MLR"))
    pd.testing.assert_frame_equal(default, sg.compare(run("groups_MLR"), run("metric_MLR"), method="scaled"))
