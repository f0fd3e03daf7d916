"""Strata, primary sampling units and populations against R's survey and lavaan, and a sandwich of glmer's model."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg

HERE = Path(__file__).parent / "survey"
VALUES = json.loads((HERE / "values.json").read_text(encoding="utf-8"))
DATA = pd.read_csv(HERE / "data.csv")
MODELS = {
    "gaussian": "y ~ 1 + x", "logit": "b ~ 1 + x @family(bernoulli(logit))", "poisson": "count ~ 1 + x @family(poisson)"
}  # fmt: skip
DESIGNS = {
    "clusters": {"cluster": "unit"},
    "strata": {"cluster": "unit", "strata": "region"},
    "fpc": {"cluster": "unit", "strata": "region", "fpc": "population"},
    "rows": {"strata": "region"},
}


def errors(fit, n=None):
    return np.sqrt(np.diag(fit.vcov()))[:n]


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("model", MODELS)
def test_regressions_are_those_of_svyglm(model, design):
    text, values = f"{MODELS[model]}\n@weight(row, w)", VALUES["svyglm"][design][model]
    fit = sg.fit(text, DATA, **DESIGNS[design])
    np.testing.assert_allclose(fit.coef[:2], values["coef"], atol=1e-6)
    np.testing.assert_allclose(errors(fit, 2), values["se"], rtol=1e-6)


def test_shares_are_populations():
    text, arguments = f"{MODELS['logit']}\n@weight(row, w)", {"cluster": "unit", "strata": "region"}
    one, other = (sg.fit(text, DATA, fpc=fpc, **arguments) for fpc in ("population", "share"))
    np.testing.assert_allclose(one.vcov(), other.vcov(), rtol=1e-10)
    lines = str(one.summary()).splitlines()
    for said in (("Strata variable", "region"), ("Finite-population correction", "population")):
        assert any(line.split() == [*said[0].split(), said[1]] for line in lines)


def test_schools_with_one_name_in_two_strata_are_two():
    text = f"{MODELS['logit']}\n@weight(row, w)"
    one = sg.fit(text, DATA, cluster="school", strata="region")
    np.testing.assert_allclose(errors(one), VALUES["svyglm"]["strata"]["logit"]["se"], rtol=1e-6)
    assert any("one name in several strata" in note for note in one.report().notes)
    with pytest.raises(sg.DataError, match="school 1 lies in several strata of 'region': north, south"):
        sg.fit("b ~ 1 + x + (1 | school) @family(bernoulli(logit))", DATA, strata="region")


def test_a_factor_in_clusters_with_weights_is_lavaans():
    values = VALUES["cfa"]
    text, arguments = "f =~ g1 + g2 + g3 + g4", {"cluster": "unit", "sampling_weights": "w", "meanstructure": True}
    fit = sg.cfa(text, DATA, estimator="MLR", **arguments)
    rows = fit.parameters.set_index(["lhs", "op", "rhs"])
    keys = list(zip(values["lhs"], values["op"], values["rhs"]))
    np.testing.assert_allclose(rows.loc[keys, "est"], values["est"], atol=1e-5)
    np.testing.assert_allclose(rows.loc[keys, "se"], values["se"], rtol=1e-4)
    fit = sg.cfa(text, DATA, strata="region", fpc="population", **arguments)
    free = [key for key, se in zip(keys, values["se"]) if se > 0]
    rows = fit.parameters.set_index(["lhs", "op", "rhs"])
    np.testing.assert_allclose(rows.loc[free, "se"], values["se_strata"], rtol=1e-4)


def test_random_intercepts_of_schools_in_strata():
    values = VALUES["glmer"]
    text = "b ~ 1 + x + (1 | unit) @family(bernoulli(logit))"
    arguments = {"quadrature": sg.Adaptive(25)}
    fit = sg.fit(text, DATA, **arguments)
    np.testing.assert_allclose(fit.coef, values["coef"], atol=1e-5)
    np.testing.assert_allclose(fit.coef[:2], values["glmer_coef"], atol=2e-4)
    np.testing.assert_allclose(errors(fit), values["se_model"], rtol=1e-4)
    np.testing.assert_allclose(errors(sg.fit(text, DATA, se="robust", **arguments)), values["se_robust"], rtol=1e-4)
    fit = sg.fit(text, DATA, strata="region", fpc="population", **arguments)
    np.testing.assert_allclose(errors(fit), values["se_strata"], rtol=1e-4)
    # regions are the independent units where cluster= names them and the model does not
    coarse = sg.fit(text, DATA, cluster=["unit", "region"], **arguments)
    scores = coarse.likelihood.unit_scores(coarse.free, coarse.points)
    sums = pd.DataFrame(scores).groupby(coarse.design.codes[2][coarse.design.first_row[1]]).sum().to_numpy()
    A = np.linalg.inv(coarse.information)
    np.testing.assert_allclose(coarse._vcov_free, 4 / 3 * A @ sums.T @ sums @ A, rtol=1e-8)
    assert coarse.se_kind == "robust.cluster"


@pytest.mark.parametrize("kind", VALUES["replicates"])
def test_replicate_weights_are_those_of_survey(kind, tmp_path):
    values, columns = VALUES["replicates"][kind], pd.read_csv(HERE / f"{kind}.csv").set_index("row")
    data = DATA.iloc[columns.index - 1].reset_index(drop=True).join(columns.reset_index(drop=True))
    names = list(columns.columns)
    given = {"kind": kind, "rho": 0.3 if kind == "Fay" else 0.0}
    if kind == "JKn":
        given["rscales"] = values["rscales"]
    text = "b ~ 1 + x @family(bernoulli(logit))\n@weight(row, w)"
    for mse, se in ((False, "se"), (True, "se_mse")):
        fit = sg.fit(text, data, replicate_weights=sg.Replicates(names, mse=mse, **given))
        # svyglm of replicates stops at a relative change of the deviance of 1e-8
        np.testing.assert_allclose(fit.coef, VALUES["replicates"][kind]["coef"], atol=1e-5)
        np.testing.assert_allclose(errors(fit), values[se], rtol=2e-4)
    assert fit.se_kind == "replicates" and f"{kind} ({len(names)})" in str(fit.summary())
    fit.save(tmp_path / "fit.sg")
    again = sg.load(tmp_path / "fit.sg")
    assert str(again.summary()) == str(fit.summary())
