"""What predict, residuals, influence, marginal_effects and simulate take, give and refuse."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg
from semgllamm.errors import DataError, ModelError

CBPP = "incidence ~ 1 + period + (1 | herd)  @family(binomial(logit))\n@trials(incidence, size)"


@cache
def cbpp():
    return sg.fit(CBPP, sg.load_dataset("cbpp"))


@cache
def groups():
    data = sg.load_dataset("holzinger")
    return sg.cfa("visual =~ x1 + x2 + x3 + x9\nx1 ~~ x2", data, group="school", meanstructure=True,
                  group_equal="loadings"), data  # fmt: skip


@cache
def answers():
    """Ordered text, a two-level category and a measurement, of persons in clusters."""
    text = """
    grade ~ 0.5*x + (1 | class)
    grade | -0.7*t1 + 0.6*t2
    passed ~ -0.4*x + (1 | class)
    score ~ 0.3*x + 0.8*passed
    @family(grade, ordinal(logit))
    @family(passed, bernoulli)
    """
    made = sg.simulate(text, n_units={"class": 40, "row": 8}, seed=5)
    grades = pd.Categorical.from_codes(made["grade"].astype(int), ["low", "middle", "high"], ordered=True)
    data = made.assign(grade=grades, passed=np.where(made["passed"] == 1, "yes", "no"))
    data["passed"] = data["passed"].astype("category")
    data.index = [f"p{k}" for k in range(len(data))]
    data.loc["p3", "x"] = np.nan
    data.loc["p5", "grade"] = np.nan
    fit = sg.fit("""
    grade ~ x + (1 | class)
    passed ~ 1 + x + (1 | class)
    @family(grade, ordinal(logit))
    @family(passed, bernoulli)
    """, data)
    return fit, data


def test_rows_are_those_of_the_data():
    fit, data = answers()
    found = fit.predict(kind="mean")
    assert list(found.index) == list(data.index)
    assert list(found.columns) == ["grade", "passed"]
    assert found.loc["p3"].isna().all(), "a covariate is missing"
    assert found.loc["p5"].notna().all(), "only an answer is"
    pd.testing.assert_frame_equal(fit.predict(kind="mean", responses="passed"), found[["passed"]])


def test_new_rows_with_the_old_clusters_are_predicted_alike():
    fit, data = answers()
    shuffled = data.sample(frac=1, random_state=1)
    found = fit.predict(shuffled, kind="mean", se=True)
    pd.testing.assert_frame_equal(found.loc[data.index], fit.predict(kind="mean", se=True))


def test_probabilities_are_named_by_the_categories_and_add_up():
    fit, _ = answers()
    found = fit.predict(kind="probabilities").drop(index="p3")
    assert list(found.columns) == [
        "grade[low]", "grade[middle]", "grade[high]", "passed[no]", "passed[yes]"
    ]  # fmt: skip
    np.testing.assert_allclose(found.iloc[:, :3].sum(axis=1), 1.0, atol=1e-12)
    mean = fit.predict(kind="mean").drop(index="p3")
    np.testing.assert_allclose(found["grade[middle]"] + 2 * found["grade[high]"], mean["grade"], atol=1e-12)
    np.testing.assert_allclose(found["passed[yes]"], mean["passed"], atol=1e-12)


def test_limits_lie_inside_the_range_of_the_means():
    found = cbpp().predict(kind="marginal", se=True, level=0.999)
    assert (found["incidence.lower"] > 0).all()
    assert (found["incidence.lower"] < found["incidence"]).all()
    assert (found["incidence"] < found["incidence.upper"]).all()
    linear = cbpp().predict(se=True)
    np.testing.assert_allclose(linear["incidence.upper"] + linear["incidence.lower"], 2 * linear["incidence"])


def test_groups_have_their_own_parameters():
    fit, data = groups()
    found = fit.predict(latent="zero")
    c = fit.coef
    for name, suffix in zip(dict.fromkeys(data["school"]), ("", ".g2")):
        mine = found[data["school"] == name]
        np.testing.assert_allclose(mine["x3"], c[f"x3~1{suffix}"], atol=1e-10)
    pd.testing.assert_frame_equal(fit.predict(data.iloc[[0, -1]], latent="zero"), found.iloc[[0, -1]])
    with pytest.raises(DataError, match="'Elsewhere' is no group of the fit"):
        fit.predict(data.head(2).assign(school="Elsewhere"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "median"}, "cannot be of kind 'median'"),
        ({"latent": "mode"}, "latent='mode' is not available"),
        ({"latent": {"cow": 1}}, "there is no latent variable 'cow'"),
        ({"latent": {"herd.intercept": [1, 2]}}, "has 2 values for 56 rows"),
        ({"latent": {"herd.intercept": "high"}}, "are no numbers"),
        ({"latent": {"herd.intercept": np.nan}}, "not all finite"),
        ({"latent": {"herd.intercept": 1}, "kind": "marginal"}, "not both"),
        ({"over": "farm"}, "there is no level 'farm'"),
        ({"responses": "size"}, "there is no response 'size'"),
        ({"new": "drop"}, "new units cannot be 'drop'"),
        ({"se": True, "level": 95}, "between 0 and 1"),
        ({"newdata": pd.DataFrame({"herd": [1]})}, "'period' is not in the data"),
        ({"newdata": pd.DataFrame({"period": [1, 9]}, index=["a", "b"])}, "'period', row b: level '9'"),
        ({"newdata": pd.DataFrame({"period": [1], "herd": [99]}), "new": "refuse"}, "row 0 has the herd"),
    ],
)
def test_what_predict_refuses(arguments, message):
    with pytest.raises((ModelError, DataError), match=message):
        cbpp().predict(**arguments)


def test_predictions_need_a_distribution_of_the_responses():
    data = sg.load_dataset("holzinger")
    with pytest.raises(ModelError, match="need their means"):
        sg.cfa("visual =~ x1 + x2 + x3", data).predict()
    with pytest.raises(ModelError, match="cause each other"):
        sg.sem("x1 ~ x2 + x4\nx2 ~ x1 + x5", data, meanstructure=True).predict()
    with pytest.raises(ModelError, match="has no categories"):
        groups()[0].predict(kind="probabilities")


def test_influence_refuses_classes():
    fit = sg.fit("@latent(c, classes(2))\nc =~ x1 + x2 + x3", sg.load_dataset("holzinger"), n_starts=2)
    with pytest.raises(ModelError, match="classes"):
        fit.influence()


def test_a_unit_is_not_put_into_another_cluster():
    text = "y ~ 1 + (1 | a/b)"
    data = sg.simulate("y ~ 0.5*1 + (1 | a/b)", n_units={"a": 12, "b": 3, "row": 4}, seed=1)
    fit = sg.fit(text, data)
    new = data.iloc[[0, 40]]
    np.testing.assert_allclose(fit.predict(new.drop(columns="a"))["y"], fit.predict()["y"].iloc[[0, 40]])
    with pytest.raises(DataError, match="puts b 11 into a 1"):
        fit.predict(new.assign(a=1))


@pytest.mark.parametrize("kind", ["pearson", "deviance", "anscombe", "quantile", "latent"])
def test_residuals_of_answers_and_of_latent_variables(kind):
    found = cbpp().residuals(kind, seed=1)
    assert len(found) == (15 if kind == "latent" else 56)
    assert np.isfinite(found.to_numpy()).all()
    assert abs(found.to_numpy().mean()) < 0.5
    assert 0.5 < found.to_numpy().std() < 1.5


def test_what_residuals_refuse():
    fit, _ = answers()
    with pytest.raises(ModelError, match="'grade', which is ordinal, has no deviance residuals"):
        fit.residuals("deviance")
    assert list(fit.residuals("deviance", responses="passed").columns) == ["passed"]
    with pytest.raises(ModelError, match="latent='mode'"):
        fit.residuals("pearson", latent="mode")
    with pytest.raises(ModelError, match="given the latent variables"):
        fit.residuals("anscombe", latent="marginal")
    one, two = (fit.residuals("quantile", seed=k) for k in (1, 1))
    pd.testing.assert_frame_equal(one, two)
    assert one.loc["p5"].isna().tolist() == [True, False]


def test_simulated_data_are_like_the_data():
    fit, data = answers()
    found = fit.simulate(seed=1)
    assert list(found.index) == [name for name in data.index if name != "p3"]
    assert list(found.columns) == list(data.columns)
    assert found["grade"].dtype == data["grade"].dtype
    assert found["passed"].dtype == data["passed"].dtype
    assert found["grade"].isna().sum() == 1, "what was missing still is"
    pd.testing.assert_frame_equal(found, fit.simulate(seed=1))
    several = fit.simulate(2, seed=1, missing={"passed": 0.5})
    assert several.index.names[0] == "draw"
    assert 0.3 < several["passed"].isna().mean() < 0.7
    emptied = fit.simulate(seed=1, missing=lambda frame, rng: frame.assign(passed=np.nan))
    assert emptied["passed"].isna().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "positive whole number"),
        ({"latent": "mode"}, "not drawn from 'mode'"),
        ({"missing": {"size": 0.2}}, "no response 'size'"),
        ({"missing": {"incidence": 2}}, "is 2"),
        ({"missing": 0.2}, "no mapping"),
        ({"missing": lambda frame, rng: None}, "not the DataFrame"),
    ],
)
def test_what_simulate_refuses(arguments, message):
    with pytest.raises((ModelError, DataError), match=message):
        cbpp().simulate(**arguments)


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("y ~ 1 + x", {"n_units": 50}, "these parameters have no value: y~1, y~x"),
        ("y ~ 0.5*x", {}, "needs data, or a number of units"),
        ("y ~ 0.5*x", {"n_units": {"school": 3}}, "the levels are row"),
        ("y ~ 0.5*x", {"n_units": 0}, "is 0"),
        ("y ~ 0.5*x", {"n_units": 50, "values": {"y~~y": -1}}, "variance 'y~~y' is -1"),
        ("y ~ 0.5*x\nz ~ 0.5*x\ny ~~ 3*z", {"n_units": 50}, "not positive definite"),
        ("f =~ 1*y + 1*z\ng =~ 1*u + 1*v\nf ~~ start(3)*g", {"n_units": 50}, "covariances too large"),
        ("y ~ 0.5*x", {"data": {"z": [1.0, 2.0, 3.0]}}, "There is no column 'x'"),
    ],
)
def test_what_texts_need_to_be_simulated(text, arguments, message):
    with pytest.raises((ModelError, DataError), match=message):
        sg.simulate(text, seed=1, **arguments)


def test_a_text_is_drawn_at_its_values():
    text = "f =~ 1*y1 + 0.8*y2 + 0.6*y3\nf ~~ 2*f\ny1 ~~ 0.5*y1\ny2 ~~ 0.4*y1\ny1 ~ 3*1"
    data = sg.simulate(text, n_units=40_000, seed=2)
    implied = np.array([[2.5, 2.0, 1.2], [2.0, 2.28, 0.96], [1.2, 0.96, 1.72]])
    np.testing.assert_allclose(data.cov(), implied, atol=0.06)
    assert data["y1"].mean() == pytest.approx(3.0, abs=0.03)


def test_covariates_and_clusters_may_be_given():
    given = pd.DataFrame({"x": [0.0, 1.0] * 600, "g": np.repeat(np.arange(60), 20)})
    data = sg.simulate("y ~ 2*x + (1 | g)", given, values={"y~~y": 0.25}, seed=3)
    assert list(data["g"]) == list(given["g"])
    within = data["y"] - data.groupby(["g", "x"])["y"].transform("mean")
    assert within.var() == pytest.approx(0.25 * 0.9, rel=0.15)


def test_marginal_effects_of_numbers_and_of_categories():
    fit, _ = answers()
    found = fit.marginal_effects()
    assert list(found["response"]) == ["grade", "passed"]
    assert set(found["contrast"]) == {"dy/dx"}
    by_category = fit.marginal_effects("x", kind="probabilities", responses="grade")
    assert by_category["est"].sum() == pytest.approx(0.0, abs=1e-10)
    assert by_category["est"] @ [0, 1, 2] == pytest.approx(found["est"].iloc[0], abs=1e-10)
    with pytest.raises(ModelError, match="'size' is no covariate"):
        cbpp().marginal_effects("size")


def test_influences_have_a_row_for_each_independent_unit():
    found = cbpp().influence()
    assert list(found.columns) == ["cook", *cbpp().coef.index]
    assert (found["cook"] >= 0).all()
    fit, data = groups()
    assert len(fit.influence()) == len(data)


def test_intervals_by_simulation():
    data = sg.load_dataset("cbpp")
    fit = sg.fit("incidence ~ 1 + period + (1 | herd)  @family(binomial(logit))\n@trials(incidence, size)", data)
    draws = {"interval": "simulation", "draws": 400, "seed": 1}
    linear, plain = fit.predict(latent="zero", **draws), fit.predict(latent="zero", se=True)
    assert list(linear.columns) == list(plain.columns)
    # a linear function of the parameters; 400 draws tell a standard error to 4 %
    np.testing.assert_allclose(linear["incidence.se"], plain["incidence.se"], rtol=0.15)
    # the same draws of what rises with it
    mean = fit.predict(kind="mean", latent="zero", **draws)
    for side in ("", ".lower", ".upper"):
        np.testing.assert_allclose(mean[f"incidence{side}"], 1 / (1 + np.exp(-linear[f"incidence{side}"])), atol=2e-3)
    given = fit.predict(kind="mean", **draws)
    pd.testing.assert_frame_equal(given, fit.predict(kind="mean", **draws))
    assert (given["incidence.lower"] < given["incidence"]).all()
    assert (given["incidence"] < given["incidence.upper"]).all()
    # the posterior is in them
    assert given["incidence.se"].mean() > 1.1 * mean["incidence.se"].mean()
    for message, arguments in {
        "interval='bayes' is not available": {"interval": "bayes"}, "seed is of the draws": {"seed": 1},
        "draws is 3": {"interval": "simulation", "draws": 3},
    }.items():
        with pytest.raises(sg.ModelError, match=message):
            fit.predict(**arguments)


def test_linear_predictors_are_those_at_posterior_means():
    data = sg.load_dataset("cbpp")
    text = "incidence ~ 1 + period + (1 | herd)  @family(binomial(logit))\n@trials(incidence, size)"
    fit = sg.fit(text, data, quadrature=sg.Adaptive(25))
    # the delta method takes the mean over the posterior's points
    np.testing.assert_allclose(fit.predict()["incidence"], fit.predict(se=True)["incidence"], atol=1e-6)
