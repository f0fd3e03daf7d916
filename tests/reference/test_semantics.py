"""What models mean, against lavaan: log-likelihoods, estimates and standard errors of `semantics/cases.json`."""

import json
import warnings
from pathlib import Path

import pandas as pd
import pytest

import semgllamm as sg
from semgllamm.data.datasets import load_dataset
from semgllamm.results.fit_measures import against_saturated

FOLDER = Path(__file__).parent / "semantics"
CASES = {case["name"]: case for case in json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))}
STORED = json.loads((FOLDER / "values.json").read_text(encoding="utf-8"))
VALUES = {fit["name"]: fit for fit in STORED["fits"]}
LOGLIK, ESTIMATES, SE = 1e-6, 1e-5, 1e-4


def call(case):
    data, arguments = load_dataset(case["data"]), dict(case["args"])
    if "moments" in case:
        columns, by = case["moments"], case.get("by")
        parts = {"": data} if by is None else {label: data[data[by] == label] for label in dict.fromkeys(data[by])}
        moments = {
            "sample_cov": {label: part[columns].cov() for label, part in parts.items()},
            "sample_nobs": {label: len(part) for label, part in parts.items()},
        }
        if case.get("means"):
            moments["sample_mean"] = {label: part[columns].mean() for label, part in parts.items()}
        arguments |= moments if by else {name: value[""] for name, value in moments.items()}
        data = None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "some estimated", sg.SemgllammWarning)
        return getattr(sg, case["function"])(case["model"], data, **arguments)


def keyed(rows):
    """By lhs, op, rhs, group and level, covariances from either end; of definitions the name."""
    out = {}
    for lhs, op, rhs, group, level, est, se in rows:
        ends = sorted((lhs, rhs)) if op == "~~" else [lhs, "" if op == ":=" else rhs]
        # lavaan gives definitions no group and no level
        key = (*ends, op) if op == ":=" else (*ends, op, int(group), int(level))
        out[key] = est, se
    return out


@pytest.mark.parametrize("name", CASES)
def test_equals_lavaan(name):
    stored, fit = VALUES[name], call(CASES[name])
    assert fit.npar == stored["npar"]
    assert fit.loglik == pytest.approx(stored["loglik"], rel=LOGLIK)
    table = fit.parameters
    levels = table["level"].map(lambda level: 2 if level else 1)
    columns = ("lhs", "op", "rhs", "group")
    found = keyed(zip(*(table[c] for c in columns), levels, table["est"], table["se"]))
    expected = keyed(stored["rows"])
    assert expected.keys() <= found.keys()
    for key, (estimate, se) in expected.items():
        assert found[key][0] == pytest.approx(estimate, rel=ESTIMATES, abs=ESTIMATES), key
        assert found[key][1] == pytest.approx(se, rel=SE, abs=SE), key


@pytest.mark.parametrize("name", CASES)
def test_chi_square_equals_lavaan(name):
    test = against_saturated(call(CASES[name]))
    assert test.df == VALUES[name]["df"]
    assert test.chisq == pytest.approx(VALUES[name]["chisq"], rel=1e-5, abs=1e-5)


def test_every_case_has_values():
    assert list(VALUES) == list(CASES)


def test_levels_as_headers_and_as_blocks():
    """The same model under lavaan's headers and in `@level` blocks."""
    data = load_dataset("demo_twolevel")
    headers = "level: 1\nf =~ y1 + a*y2 + y3\nf ~ x1\nlevel: 2\nf =~ y1 + a*y2 + y3\nf ~ w1"
    blocks = """
        f =~ y1 + a*y2 + y3
        f ~ x1
        @level(cluster)
        fb =~ y1 + a*y2 + y3
        fb ~ w1
        y1 ~~ y1
        y2 ~~ y2
        y3 ~~ y3
    """
    one, other = sg.sem(headers, data, cluster="cluster"), sg.fit(blocks, data)
    assert one.npar == other.npar
    assert one.loglik == pytest.approx(other.loglik, rel=1e-12)
    renamed = {name: name.replace("cluster.f", "fb").replace("~1.l2", "~1") for name in one.coef.index}
    pd.testing.assert_series_equal(one.coef.rename(renamed)[other.coef.index], other.coef, rtol=1e-6)


def test_names_of_a_level_are_those_of_the_text():
    data = load_dataset("demo_twolevel")
    fit = sg.sem("level: 1\nf =~ y1 + y2 + y3\nlevel: 2\nf =~ y1 + y2 + y3", data, cluster="cluster")
    loadings = fit.parameters.query("op == '=~'")
    assert set(loadings["lhs"]) == {"f"} and set(loadings["level"]) == {"", "cluster"}
    assert "cluster.f =~" not in str(fit.summary())
