"""Data that are drawn from fits and texts: causes before effects, choices, feedback, in the form of the data."""

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg


def test_responses_that_cause_each_other_have_their_covariances():
    text = "y1 ~ 0.5*y2 + 0.6*x\ny2 ~ -0.4*y1 + 0.7*z"
    data = sg.simulate(text, n_units=40_000, seed=1)
    A = np.linalg.inv(np.array([[1.0, -0.5], [0.4, 1.0]]))
    implied = A @ np.diag([1 + 0.6**2, 1 + 0.7**2]) @ A.T
    np.testing.assert_allclose(data[["y1", "y2"]].cov(), implied, atol=0.04)
    with_x = (data[["y1", "y2"]].to_numpy() * data[["x"]].to_numpy()).mean(axis=0)
    np.testing.assert_allclose(with_x, 0.6 * A[:, 0], atol=0.03)


def test_what_is_drawn_by_the_closed_form_and_by_the_engine_has_one_law():
    text = "f =~ y1 + y2 + y3\nf ~ x\n@level(school)\nf ~~ f"
    rng = np.random.default_rng(2)
    school = np.repeat(np.arange(150), 6)
    f = rng.normal(size=150)[school] + rng.normal(size=900)
    data = pd.DataFrame({"school": school, "x": rng.normal(size=900)})
    for k in (1, 2, 3):
        data[f"y{k}"] = f + 0.4 * data["x"] + 0.5 * rng.normal(size=900)
    closed, engine = sg.fit(text, data), sg.fit(text, data, quadrature=sg.Adaptive(points=3))
    assert closed.method.startswith("closed form") and not engine.method.startswith("closed form")
    y = ["y1", "y2", "y3"]
    found = []
    for fit in (closed, engine):
        drawn = fit.simulate(30, seed=1)
        of_school = drawn.groupby([drawn.index.get_level_values("draw"), "school"])[y].mean()
        found.append((drawn[y].cov().to_numpy(), of_school.cov().to_numpy()))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=0.05)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=0.08)


def causes(n=2000, seed=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    m = rng.logistic(size=n) < x
    grade = 1 + np.digitize(x + rng.logistic(size=n), [-1.0, 1.0])
    y = 1.5 * m - 0.5 * grade + rng.normal(size=n)
    return pd.DataFrame({"x": x, "m": pd.Categorical(np.where(m, "yes", "no")), "grade": grade, "y": y})


def test_causes_in_words_and_in_grades_are_drawn_before_their_effects():
    text = "m ~ x  @family(bernoulli(logit))\ngrade ~ x  @family(ordinal(logit))\ny ~ m + grade + x"
    data = causes()
    fit = sg.fit(text, data)
    drawn = fit.simulate(seed=4)
    assert (drawn["m"] != data["m"]).mean() > 0.2 and (drawn["grade"] != data["grade"]).mean() > 0.2
    again = sg.fit(text, drawn)
    z = (again.coef - fit.coef) / np.sqrt(np.diag(fit.vcov()))
    assert np.abs(z).max() < 4
    assert fit.coef["y~m"] == pytest.approx(1.5, abs=0.2)
    given = fit.predict(data.head(3), kind="mean", responses="y")["y"]
    np.testing.assert_allclose(given, fit.predict(kind="mean", responses="y")["y"].head(3))


def test_causes_of_more_levels_must_be_numbers():
    data = causes().assign(m=lambda d: pd.Categorical(d["grade"].map(str), ordered=True))
    with pytest.raises(sg.DataError, match="'m' explains others and is a response with 3 levels"):
        sg.fit("m ~ x  @family(ordinal(logit))\ny ~ m + x", data)


def choices(cases=400, seed=5):
    rng = np.random.default_rng(seed)
    case = np.repeat(np.arange(cases), 3)
    cost = rng.normal(size=(cases, 3))
    utility = np.array([0.0, 0.4, -0.3]) - 0.8 * cost + rng.gumbel(size=(cases, 3))
    rank = 1.0 + np.argsort(np.argsort(-utility, axis=1), axis=1)
    # some rank all of them, some two, some the best alone
    rank[rank > np.array([3, 2, 1])[np.arange(cases) % 3][:, None]] = np.nan
    data = pd.DataFrame({"id": case, "alt": np.tile(list("abc"), cases), "cost": cost.ravel(), "rank": rank.ravel()})
    return data.assign(y=(data["rank"] == 1).astype(int)).sample(frac=1.0, random_state=1)


@pytest.mark.parametrize(("name", "family"), [("y", "multinomial"), ("rank", "ranking")])
def test_choices_in_long_form_are_like_the_data(name, family):
    data = choices()
    text = f"{name} ~ alt + cost  @family({family})\n@alternatives({name}, case=id, alternative=alt)"
    fit = sg.fit(text, data)
    drawn = fit.simulate(seed=1)
    assert list(drawn.index) == list(data.index) and drawn[name].dtype == data[name].dtype
    assert (drawn[name].fillna(0) != data[name].fillna(0)).mean() > 0.1
    # as many ranks, or choices, as every case had
    pd.testing.assert_series_equal(
        drawn[name].fillna(0).groupby(drawn["id"]).sum(), data[name].fillna(0).groupby(data["id"]).sum()
    )
    again = sg.fit(text, drawn)
    z = (again.coef - fit.coef) / np.sqrt(np.diag(fit.vcov()))
    assert np.abs(z).max() < 4


def test_choices_in_wide_form_are_categories():
    rng = np.random.default_rng(6)
    x = rng.normal(size=1500)
    utility = np.stack([0 * x, 0.3 + 0.5 * x, -0.2 - 0.4 * x], axis=1) + rng.gumbel(size=(1500, 3))
    u = np.array(["bus", "car", "train"])[utility.argmax(axis=1)]
    data = pd.DataFrame({"x": x, "u": pd.Categorical(u)})
    fit = sg.fit("u ~ x  @family(multinomial)", data)
    drawn = fit.simulate(20, seed=1)
    assert drawn["u"].dtype == data["u"].dtype
    np.testing.assert_allclose(
        drawn["u"].value_counts(normalize=True), data["u"].value_counts(normalize=True), atol=0.02
    )
    lost = fit.simulate(seed=1, missing={"u": 0.3})["u"].isna()
    assert 0.2 < lost.mean() < 0.4
    z = (sg.fit("u ~ x  @family(multinomial)", fit.simulate(seed=2)).coef - fit.coef) / np.sqrt(np.diag(fit.vcov()))
    assert np.abs(z).max() < 4
