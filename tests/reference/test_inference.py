"""What follows from fits of Gaussian models, against lavaan 0.6-14: `inference/make.R` stores its values.

Estimates agree to 1e-5, standard errors to 1e-4, modification indices and tests to 1e-3, scores to 1e-4, relative to
values above one in size and absolute below.
"""

import functools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg

STORED = json.loads((Path(__file__).parent / "inference" / "values.json").read_text(encoding="utf-8"))
CASES = {case["name"]: case for case in STORED["cases"]}
ESTIMATES, SE, STATISTICS = 1e-5, 1e-4, 1e-3


@functools.cache
def fit(name):
    case = CASES[name]
    return sg.sem(case["model"], sg.load_dataset(case["data"]), **dict(case["args"] or {}))


def keyed(table):
    """By lhs, op, rhs, group and number of the level, whichever side of a covariance is written first."""
    table = table.copy()
    table["rhs"] = table["rhs"].where(table["op"] != ":=", "").fillna("")
    table["level"] = [level if isinstance(level, (int, float)) else 1 + (level != "") for level in table["level"]]
    swap = (table["op"] == "~~") & (table["lhs"] > table["rhs"])
    table.loc[swap, ["lhs", "rhs"]] = table.loc[swap, ["rhs", "lhs"]].to_numpy()
    return table.set_index(["lhs", "op", "rhs", "group", "level"])


def stored(table):
    found = pd.DataFrame(table["rows"], columns=table["columns"])
    return keyed(found.astype({c: float for c in found if c not in ("lhs", "op", "rhs")}))


def agree(found, expected, tolerance):
    wanted = expected.dropna()
    assert len(wanted)
    assert found.loc[wanted.index].to_dict() == pytest.approx(wanted.to_dict(), rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("name", CASES)
def test_loglik(name):
    assert fit(name).loglik == pytest.approx(CASES[name]["loglik"], rel=1e-8)


@pytest.mark.parametrize("kind", ["std.lv", "std.all", "std.nox"])
@pytest.mark.parametrize("name", CASES)
def test_standardized(name, kind):
    expected = stored(CASES[name]["solutions"][kind])
    found = keyed(fit(name).standardized(kind))
    assert set(found.index) == set(expected.index)
    agree(found["est.std"], expected["est.std"], ESTIMATES)
    agree(found["se"], expected["se"], SE)
    agree(found["pvalue"], expected["pvalue"], SE)


@pytest.mark.parametrize("name", CASES)
def test_rsquare(name):
    found = fit(name).rsquare()
    blocks = CASES[name]["rsquare"]
    for block, expected in enumerate(blocks, start=1):
        here = found[found["block"] == block].set_index("name")["rsquare"]
        assert here.to_dict() == pytest.approx(expected, abs=ESTIMATES)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case["modification"]])
def test_modification_indices(name):
    expected = stored(CASES[name]["modification"])
    found = keyed(fit(name).modification_indices())
    # a regression and its reverse are told apart, a covariance is not: the same rows, none besides
    assert set(found.index) == set(expected.index)
    for column in ("mi", "epc", "sepc.lv", "sepc.all", "sepc.nox"):
        agree(found[column], expected[column], STATISTICS)


def test_modification_indices_are_chosen_and_sorted():
    found = fit("hs").modification_indices(sort=True, minimum=10, op="=~")
    assert [(r.lhs, r.rhs) for r in found.itertuples()] == [("visual", "x9"), ("visual", "x7")]
    assert found["mi"].is_monotonic_decreasing


def test_a_modification_index_foretells_the_likelihood_ratio():
    """At the estimates of the larger model the smaller one's index is close to twice the difference."""
    found = fit("hs").modification_indices(op="~~").set_index(["lhs", "rhs"]).loc[("x7", "x8"), "mi"]
    case = CASES["hs"]
    freed = sg.sem(case["model"] + "\nx7 ~~ x8", sg.load_dataset("holzinger"))
    assert found == pytest.approx(2 * (freed.loglik - fit("hs").loglik), rel=0.1)


@pytest.mark.parametrize("method", ["regression", "Bartlett"])
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case["scores"]])
def test_scores(name, method):
    found_fit, levels = fit(name), CASES[name]["scores"][method]
    for level, stored_level in enumerate(levels, start=1):
        if (name, method, level) == ("two_levels", "regression", 2):
            continue  # lavaan's do not use the covariates of clusters: see the next test
        found = found_fit.latent(method.lower(), level=level)
        latents = [column for column in found if not column.endswith(".se") and "@" not in column]
        for group, scores in enumerate(stored_level["score"]):
            here = found if len(stored_level["score"]) == 1 else found[found_fit.design.group_of == group]
            expected = np.array(scores, dtype=float)
            given = here[latents].to_numpy(copy=True)[: len(expected)]
            if name == "second_order" and method == "Bartlett":
                # lavaan gives zero to a factor without items, of which there is no such score
                assert np.isnan(given[:, latents.index("ability")]).all()
                given[:, latents.index("ability")] = 0.0
            np.testing.assert_allclose(given, expected, rtol=ESTIMATES, atol=10 * ESTIMATES)
            if "se" in stored_level and not (name == "second_order" and method == "Bartlett"):
                se = here[[f"{latent}.se" for latent in latents]].to_numpy()
                wanted = np.array(stored_level["se"][group], dtype=float)
                np.testing.assert_allclose(se[: len(wanted)], np.broadcast_to(wanted, se[: len(wanted)].shape), atol=SE)


def test_scores_of_clusters_use_their_covariates():
    """E(η | y, w) from the joint normal density of a cluster's rows, written out."""
    found_fit = fit("two_levels")
    value = dict(found_fit.coef)
    data = sg.load_dataset("demo_twolevel")
    unit = data["cluster"].iloc[0]
    rows = data[data["cluster"] == unit]
    s, names = len(rows), ["y1", "y2", "y3"]
    within = np.array([1.0, value["fw=~y2"], value["fw=~y3"]])
    between = np.array([1.0, value["fb=~y2"], value["fb=~y3"]])
    est = found_fit.parameters.set_index(["lhs", "op", "rhs", "level"])["est"]
    residual = {level: np.diag([est[n, "~~", n, level] for n in names]) for level in ("", "cluster")}
    mean_w = rows[["x1", "x2"]].to_numpy() @ [value["fw~x1"], value["fw~x2"]]
    prior = rows["w1"].iloc[0] * value["fb~w1"]
    intercepts = np.array([est[n, "~1", "", "cluster"] for n in names])
    mu = np.concatenate([intercepts + prior * between + m * within for m in mean_w])
    W = value["fw~~fw"] * np.outer(within, within) + residual[""]
    Sb = value["fb~~fb"] * np.outer(between, between) + residual["cluster"]
    V = np.kron(np.eye(s), W) + np.kron(np.ones((s, s)), Sb)
    c = np.tile(value["fb~~fb"] * between, s)
    gain = np.linalg.solve(V, c)
    expected = prior + gain @ (rows[names].to_numpy().ravel() - mu)
    found = found_fit.latent("regression", level=2).iloc[0]
    assert found["fb"] == pytest.approx(expected, abs=1e-9)
    assert found["fb.se"] == pytest.approx(np.sqrt(value["fb~~fb"] - gain @ c), abs=1e-9)


WALD = [(name, test) for name, case in CASES.items() for test in case["wald"] or []]


@pytest.mark.parametrize(("name", "expected"), WALD)
def test_wald(name, expected):
    found = fit(name).wald_test(expected["text"])
    assert found.df == expected["df"]
    assert (found.stat, found.pvalue) == pytest.approx((expected["stat"], expected["p"]), rel=STATISTICS)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case["score"]])
def test_score(name):
    expected = CASES[name]["score"]
    found = fit(name).score_test(**expected["call"] if expected["call"] else {})
    assert found.df == expected["df"]
    assert (found.stat, found.pvalue) == pytest.approx((expected["stat"], expected["p"]), rel=STATISTICS)
    assert list(found.each["stat"]) == pytest.approx(np.atleast_1d(expected["each"]), rel=STATISTICS)
