"""What predictions, simulations and diagnostics must satisfy whatever the data."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit, ndtr

import semgllamm as sg

PROBIT = "y ~ 1 + x + (1 | school)  @family(bernoulli(probit))"


@cache
def probit():
    text = "y ~ -0.3*1 + 0.5*x + (1 | school)  @family(bernoulli(probit))"
    variance = {"school.intercept~~school.intercept": 0.7}
    data = sg.simulate(text, n_units={"school": 60, "row": 8}, values=variance, seed=3)
    return sg.fit(PROBIT, data), data


@cache
def cbpp():
    text = "incidence ~ 1 + period + (1 | herd)  @family(binomial(logit))\n@trials(incidence, size)"
    data = sg.load_dataset("cbpp")
    return sg.fit(text, data), data


def posterior_on_a_dense_grid(fit, data):
    """(u, weights by herd): the posterior of cbpp's random intercepts from the definition."""
    f = fit.predict(latent="zero")["incidence"].to_numpy()
    sd = np.sqrt(fit.coef["herd.intercept~~herd.intercept"])
    u = np.linspace(-8, 8, 3001) * sd
    log = pd.DataFrame(stats.binom.logpmf(data["incidence"].to_numpy()[:, None], data["size"].to_numpy()[:, None],
                                          expit(f[:, None] + u)))  # fmt: skip
    total = log.groupby(data["herd"].to_numpy()).sum() + stats.norm.logpdf(u, 0, sd)
    weight = np.exp(total.sub(total.max(axis=1), axis=0))
    return u, f, weight.div(weight.sum(axis=1), axis=0)


def test_means_given_the_data_are_averages_over_the_posterior():
    fit, data = cbpp()
    u, f, weight = posterior_on_a_dense_grid(fit, data)
    w = weight.loc[data["herd"]].to_numpy()
    exact = (w * expit(f[:, None] + u)).sum(axis=1)
    found = fit.predict(kind="mean")["incidence"]
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-9)
    plugged_in = expit(f + (w * u).sum(axis=1))
    np.testing.assert_allclose(fit.predict(kind="mean", latent="eb-plugin")["incidence"], plugged_in, atol=1e-9)
    assert np.abs(found - plugged_in).max() > 1e-3, "the two differ"


def test_standard_errors_given_the_data_have_the_posterior_variance():
    """Without uncertainty of the parameters they would be it."""
    fit, data = cbpp()
    u, f, weight = posterior_on_a_dense_grid(fit, data)
    w = weight.loc[data["herd"]].to_numpy()
    p = expit(f[:, None] + u)
    variance = (w * p**2).sum(axis=1) - (w * p).sum(axis=1) ** 2
    se = fit.predict(kind="mean", se=True)["incidence.se"]
    assert (se**2 > variance).all()
    assert (se**2 < 3 * variance).all()


def test_marginal_means_of_a_probit_in_closed_form():
    fit, data = probit()
    c = fit.coef
    exact = ndtr((c["y~1"] + c["y~x"] * data["x"]) / np.sqrt(1 + c["school.intercept~~school.intercept"]))
    np.testing.assert_allclose(fit.predict(kind="marginal")["y"], exact, rtol=0, atol=1e-13)
    # a new school is one of the population
    new = data.drop(columns="school")
    np.testing.assert_allclose(fit.predict(new, kind="mean")["y"], exact, rtol=0, atol=1e-13)


def test_the_mean_of_a_marginal_prediction_over_levels_is_the_marginal_one():
    """Averaging over both levels at once, or over the lower one given a draw of the higher one, is the same."""
    text = "y ~ 0.2*1 + 0.4*x + (1 | a/b)  @family(poisson)"
    data = sg.simulate(text, n_units={"a": 20, "b": 4, "row": 5}, seed=5,
                       values={"a.intercept~~a.intercept": 0.3, "b.intercept~~b.intercept": 0.2})  # fmt: skip
    fit = sg.fit("y ~ 1 + x + (1 | a/b)  @family(poisson)", data)
    c = fit.coef
    f = c["y~1"] + c["y~x"] * data["x"]
    va, vb = (c[f"{name}.intercept~~{name}.intercept"] for name in "ab")
    np.testing.assert_allclose(fit.predict(kind="marginal")["y"], np.exp(f + (va + vb) / 2), rtol=1e-10)
    over = fit.predict(kind="marginal", over="b", latent="zero")["y"]
    np.testing.assert_allclose(over, np.exp(f + vb / 2), rtol=1e-10)
    given = fit.predict(data.drop(columns="b"), kind="mean")["y"]
    np.testing.assert_allclose(given, fit.predict(kind="marginal", over="b")["y"], rtol=1e-10)


def test_predictions_at_chosen_values_of_a_factor_follow_the_equations():
    text = "f =~ y1 + y2 + y3\ng =~ y4 + y5 + y6\ng ~ f + x"
    values = {"g~f": 0.6, "g~x": 0.4, "f=~y2": 0.9, "f=~y3": 1.1, "g=~y5": 0.8, "g=~y6": 1.2}
    fit = sg.fit(text, sg.simulate(text, n_units=400, values=values, seed=2))
    c = fit.coef
    x = fit.binding.frame["x"]
    found = fit.predict(latent={"f": 1.5})
    np.testing.assert_allclose(found["y3"], c["y3~1"] + 1.5 * c["f=~y3"], atol=1e-12)
    g = 1.5 * c["g~f"] + c["g~x"] * x
    np.testing.assert_allclose(found["y5"], c["y5~1"] + c["g=~y5"] * g, atol=1e-12)
    held = fit.predict(latent={"f": 1.5, "g": x.to_numpy()})
    np.testing.assert_allclose(held["y6"], c["y6~1"] + c["g=~y6"] * x, atol=1e-12)
    # given the data: the regression scores
    scores = fit.latent()
    np.testing.assert_allclose(fit.predict()["y2"], c["y2~1"] + c["f=~y2"] * scores["f"], atol=1e-10)


def test_marginal_means_of_items_are_their_shares():
    data = sg.load_dataset("lsat6")
    items = [name for name in data.columns if data[name].isin([0, 1]).all()]
    fit = sg.fit(f"f =~ {' + '.join(items)}", data, family="bernoulli(logit)")
    marginal = fit.predict(kind="marginal").iloc[0]
    # the margins of binary items are all but fitted exactly
    np.testing.assert_allclose(marginal[items], data[items].mean(), atol=2e-3)
    given = fit.predict(kind="mean")[items].mean()
    np.testing.assert_allclose(given, marginal[items], atol=2e-3)


def test_simulation_and_fit_recover_the_values():
    fit, _ = probit()
    estimates = [sg.fit(PROBIT, fit.simulate(seed=k)).coef for k in range(12)]
    z = (np.mean(estimates, axis=0) - fit.coef) / (np.sqrt(np.diag(fit.vcov()) / 12))
    assert (np.abs(z) < 4).all(), z


def test_draws_from_the_posterior_have_its_moments():
    data = sg.load_dataset("sleepstudy")
    fit = sg.fit("Reaction ~ 1 + Days + (1 + Days | Subject)", data)
    drawn = fit.simulate(400, seed=1, latent="posterior")["Reaction"]
    mean = drawn.groupby(level=1).mean()
    given = fit.predict()["Reaction"]
    spread = fit.residuals("pearson")
    sd = np.sqrt(fit.coef["Reaction~~Reaction"])
    assert np.abs(mean - given).max() < 5 * 1.5 * sd / np.sqrt(400)
    assert spread["Reaction"].std() == pytest.approx(((data["Reaction"] - given) / sd).std(), rel=1e-8)


def test_causes_are_drawn_before_their_effects():
    text = "m ~ 0.5*x\ny ~ 1.5*m + 0.3*x\n@family(m, bernoulli)"
    fit = sg.fit("m ~ 1 + x\ny ~ 1 + m + x\n@family(m, bernoulli)", sg.simulate(text, n_units=3000, seed=1))
    drawn = fit.simulate(seed=4)
    difference = np.diff(drawn.groupby("m")["y"].mean())[0]
    assert difference == pytest.approx(1.5 + 0.3 * np.diff(drawn.groupby("m")["x"].mean())[0], abs=0.15)


def test_quantile_residuals_of_a_true_model_are_standard_normal():
    text = "y ~ 0.5*1 + 0.4*x + (1 | g)  @family(nbinom2)\n@dispersion(y ~ 0.3*1)"
    data = sg.simulate(text, n_units={"g": 300, "row": 3}, values={"g.intercept~~g.intercept": 0.5}, seed=11)
    fit = sg.fit("y ~ 1 + x + (1 | g)  @family(nbinom2)", data)
    found = fit.residuals("quantile", seed=1)["y"]
    assert stats.kstest(found, "norm").pvalue > 0.01
    pearson = fit.residuals("pearson", latent="marginal")["y"]
    assert pearson.std() == pytest.approx(1.0, abs=0.12)


def test_an_influence_is_newtons_step_of_the_likelihood_without_the_unit():
    fit, data = cbpp()
    found = fit.influence()
    text = "incidence ~ 1 + period + (1 | herd)  @family(binomial(logit))\n@trials(incidence, size)"
    for herd in (1, 8, 14):
        without = sg.fit(text, data[data["herd"] != herd]).likelihood
        score = without.score(fit.free, fit.points)[1]
        H = np.empty((5, 5))
        for k, e in enumerate(1e-4 * np.eye(5)):
            H[:, k] = (without.score(fit.free - e, fit.points)[1] - without.score(fit.free + e, fit.points)[1]) / 2e-4
        step = np.linalg.solve(H, score)
        working = fit.likelihood.working
        change = fit.coef - working.cells(working.inner(fit.free + step))
        se = np.sqrt(np.diag(fit.vcov()))
        np.testing.assert_allclose(found.loc[herd, list(fit.coef.index)], change / se, atol=1e-5)
        assert found.loc[herd, "cook"] == pytest.approx(step @ np.linalg.inv(fit._vcov_free) @ step / 5, rel=1e-3)


def test_influences_are_to_second_order_those_of_leaving_units_out():
    fit, data = probit()
    found = fit.influence()
    se = np.sqrt(np.diag(fit.vcov()))
    for school in (*found["cook"].nlargest(2).index, 5):
        without = sg.fit(PROBIT, data[data["school"] != school])
        change = (fit.coef - without.coef) / se
        np.testing.assert_allclose(found.loc[school, list(fit.coef.index)], change, atol=np.abs(change).max() ** 2 / 3)


def test_influences_in_closed_form_are_those_of_regression():
    """Without latent variables: rows left out change the coefficients as the hat matrix says."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"x": rng.normal(size=50)})
    data["y"] = 1 + 0.5 * data["x"] + rng.normal(size=50)
    found = sg.fit("y ~ 1 + x", data).influence()
    X = np.column_stack([np.ones(50), data["x"]])
    b = np.linalg.lstsq(X, data["y"], rcond=None)[0]
    e = data["y"] - X @ b
    sigma2 = (e**2).mean()
    H = np.linalg.inv(X.T @ X)
    h = np.einsum("na,ab,nb->n", X, H, X)
    exact = (X @ H * (e / (1 - h)).to_numpy()[:, None]) / np.sqrt(sigma2 * np.diag(H))
    np.testing.assert_allclose(found[["y~1", "y~x"]], exact, atol=0.15 * np.abs(exact).max())
    assert np.corrcoef(found["y~x"], exact[:, 1])[0, 1] > 0.995


def test_average_marginal_effects_are_differences_of_predictions():
    fit, data = cbpp()
    found = fit.marginal_effects("period").set_index("contrast")
    for period in (2, 3, 4):
        sides = [fit.predict(data.drop(columns="herd").assign(period=p), kind="mean")["incidence"] for p in (period, 1)]
        assert found.loc[f"{period} - 1", "est"] == pytest.approx((sides[0] - sides[1]).mean(), abs=1e-12)


def test_probabilities_of_a_choice_are_averaged_over_correlated_effects():
    """Two latent variables on one answer, against a grid of both from the definition."""
    rng = np.random.default_rng(4)
    n = 400
    data = pd.DataFrame({"x": rng.normal(size=n), "g": np.arange(n) // 8})
    effects = rng.multivariate_normal([0, 0], [[1.2, 0.5], [0.5, 0.8]], size=n // 8)[data["g"]]
    nu = np.column_stack([np.zeros(n), 0.4 + 0.7 * data["x"] + effects[:, 0], -0.2 - 0.4 * data["x"] + effects[:, 1]])
    data["mode"] = np.array(["bus", "car", "train"])[(nu + rng.gumbel(size=nu.shape)).argmax(axis=1)]
    fit = sg.fit("mode ~ 1 + x + (1 | g)\n@family(mode, multinomial)", data)
    c = fit.coef
    a, b = "mode[car].g.intercept", "mode[train].g.intercept"
    cov = np.array([[c[f"{a}~~{a}"], c[f"{a}~~{b}"]], [c[f"{a}~~{b}"], c[f"{b}~~{b}"]]])
    z = np.arange(-8, 8.01, 0.2)
    grid = np.stack(np.meshgrid(z, z, indexing="ij"), axis=-1).reshape(-1, 2)
    weight = np.exp(-0.5 * (grid**2).sum(axis=1))
    u = grid @ np.linalg.cholesky(cov).T
    found = fit.predict(kind="marginal")
    for row in (0, 100, 399):
        x = data["x"][row]
        e = np.exp(np.column_stack([np.zeros(len(u)), c["mode[car]~1"] + c["mode[car]~x"] * x + u[:, 0],
                                    c["mode[train]~1"] + c["mode[train]~x"] * x + u[:, 1]]))  # fmt: skip
        exact = weight @ (e / e.sum(axis=1, keepdims=True)) / weight.sum()
        np.testing.assert_allclose(found.loc[row], exact, atol=2e-6)
    np.testing.assert_allclose(fit.predict(kind="mean").sum(axis=1), 1.0, atol=1e-9)


def test_predictions_of_two_levels_are_sums_of_the_scores_of_both():
    """The engine's posterior of a model in closed form is the closed form's."""
    data = sg.load_dataset("demo_twolevel")
    text = "level: 1\nfw =~ y1 + y2 + y3\nfw ~ x1 + x2\nlevel: 2\nfb =~ y1 + y2 + y3\nfb ~ w1"
    fit = sg.sem(text, data, cluster="cluster")
    loading = {row.lhs: row.est for row in fit.parameters.itertuples() if row.op == "=~" and row.rhs == "y2"}
    within = fit.latent(level=1)["fw"]
    between = fit.latent(level="cluster").loc[data["cluster"]]
    exact = loading["fw"] * within.to_numpy() + loading["fb"] * between["fb"].to_numpy()
    exact = exact + between["y2@cluster"].to_numpy() + fit.coef["y2~1.l2"]
    np.testing.assert_allclose(fit.predict(responses="y2")["y2"], exact, atol=1e-10)
