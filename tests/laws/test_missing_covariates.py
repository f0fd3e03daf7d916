"""Covariates with a model are integrated out where they are missing, and conditioned on where they are seen."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from brute_force import Unit, log_density, log_integral, log_likelihood
from mixtures import walk_mixture
from scipy.special import expit, log_expit, logsumexp
from scipy.stats import norm
from walk import differences, walk

import semgllamm as sg
from semgllamm.estimation.settings import Adaptive

BINARY = "@family(bernoulli(logit))"


def data(n=24, seed=4):
    rng = np.random.default_rng(seed)
    z, w = rng.normal(size=(2, n))
    x = 0.4 + 0.7 * z + rng.normal(size=n)
    m = 0.3 * x + rng.normal(size=n)
    y = 0.2 + 0.6 * x - 0.4 * m + rng.normal(size=n)
    frame = pd.DataFrame({"x": x, "m": m, "z": z, "w": w, "y": y, "school": np.repeat(np.arange(n // 4), 4)})
    frame["u"], frame["v"] = 1.0 * (y > 0), 1.0 * (y + rng.normal(size=n) > 0)
    return frame.assign(x=frame.x.mask(rng.random(n) < 0.4), m=frame.m.mask(rng.random(n) < 0.3))


MODELS = {
    "one covariate": f"x ~ z\nu ~ x + z {BINARY}",
    "a chain": f"x ~ z\nm ~ x\nu ~ x + m {BINARY}",
    "of a factor": f"x ~ z\nf =~ u + v {BINARY}\nf ~ x",
    "in clusters": f"x ~ z + (1 | school)\nu ~ x + (1 | school) {BINARY}",
    "a measure": "f =~ x + u + v\n@family(u + v, bernoulli(logit))\nv ~ x\nf ~ z",
}


@pytest.mark.parametrize("name", MODELS)
def test_score_and_information_are_derivatives(name):
    at = walk(MODELS[name], data())
    free = at.start + 0.2 * np.random.default_rng(1).normal(size=len(at.start))
    points = at.points(41 if name == "a chain" else 15)  # two dimensions, and steep where both are far out
    score = at.score(free, points)
    np.testing.assert_allclose(score, differences(lambda x: at.value(x, points), free), atol=2e-6, rtol=1e-6)
    np.testing.assert_allclose(at.likelihood.unit_scores(free, points).sum(axis=0), score, atol=1e-10)
    information = at.likelihood.louis(free, points)[2]
    columns = [(at.score(free + h, points) - at.score(free - h, points)) / 2e-4 for h in 1e-4 * np.eye(len(free))]
    np.testing.assert_allclose(information, -np.array(columns), atol=5e-3, rtol=1e-3)


def test_gaussian_models_have_the_likelihood_of_their_closed_form():
    frame = data(60)
    text = "x ~ z\nm ~ x\ny ~ x + m + w"
    closed = sg.fit(text, frame)
    engine = sg.fit(text, frame, quadrature=Adaptive(points=1))
    assert closed.method.startswith("closed form")
    assert engine.loglik == pytest.approx(closed.loglik, abs=1e-8)
    np.testing.assert_allclose(engine.coef[closed.coef.index], closed.coef, atol=1e-5)


def test_by_hand():
    frame = data()
    at = walk(MODELS["one covariate"], frame)
    values = {"x~z": 0.6, "u~x": 0.9, "u~z": -0.3, "x~1": 0.2, "u~1": 0.1, "x~~x": 1.3}
    total = 0.0
    for row in frame.itertuples():
        mean = 0.2 + 0.6 * row.z

        def u(x, row=row):
            return log_density("bernoulli(logit)", row.u, 0.1 + 0.9 * x - 0.3 * row.z)

        if np.isnan(row.x):
            total += float(log_integral(Unit(np.array([[1.3]]), [lambda e, u=u, mean=mean: u(mean + e)]), (), 201))
        else:
            total += float(u(row.x)) + norm.logpdf(row.x, mean, np.sqrt(1.3))
    assert at.value(at.free(values), at.points(31)) == pytest.approx(total, abs=1e-8)


def test_in_clusters_by_the_dense_grid():
    frame = data(12)
    at = walk(f"x ~ z\nu ~ x + (1 | school) {BINARY}", frame)
    values = {"x~z": 0.5, "u~x": 0.8, "x~1": 0.1, "u~1": -0.2, "x~~x": 0.9, "school.intercept~~school.intercept": 0.7}
    schools = []
    constant = 0.0
    for _, rows in frame.groupby("school"):
        responses, units = [], []
        for row in rows.itertuples():
            mean = 0.1 + 0.5 * row.z
            if np.isnan(row.x):
                units.append(Unit(np.array([[0.9]]), [
                    lambda e, b, y=row.u, mean=mean: log_density("bernoulli(logit)", y, -0.2 + 0.8 * (mean + e) + b)
                ]))  # fmt: skip
            else:
                constant += norm.logpdf(row.x, mean, np.sqrt(0.9))
                responses.append(
                    lambda b, y=row.u, x=row.x: log_density("bernoulli(logit)", y, -0.2 + 0.8 * x + b)
                )  # fmt: skip
        schools.append(Unit(np.array([[0.7]]), responses, units))
    expected = log_likelihood(schools, 121) + constant
    assert at.value(at.free(values), at.points(25)) == pytest.approx(expected, abs=1e-7)


def test_rows_in_another_order():
    frame = data()
    here, there = walk(MODELS["a chain"], frame), walk(MODELS["a chain"], frame.sample(frac=1.0, random_state=2))
    free = here.start + 0.1
    assert there.value(free, there.points(9)) == pytest.approx(here.value(free, here.points(9)), abs=1e-10)


def test_no_row_is_lost_and_the_report_says_so():
    frame = data(200)
    fit = sg.fit(MODELS["one covariate"], frame)
    assert fit.nobs == 200
    said = str(fit.summary())
    assert f"{int(frame.x.isna().sum())} rows" in said
    assert "does not compare" in " ".join(said.split())
    without = sg.fit(f"u ~ x + z {BINARY}", frame)
    assert without.nobs == int(frame.x.notna().sum())
    said = " ".join(str(without.summary()).split())
    assert f"{int(frame.x.isna().sum())} rows lack a covariate" in said and "x ~ 1" in said
    assert "rows lack" not in str(fit.summary())
    binary = sg.fit(f"v ~ u {BINARY}", frame.assign(u=frame.u.mask(frame.x.isna())))
    assert "u ~ 1 @family(bernoulli(logit))" in " ".join(str(binary.summary()).split())
    counts = frame.assign(k=np.floor(np.exp(0.3 * frame.z + 1)).mask(frame.x.isna()))
    of_counts = sg.fit(f"k ~ z @family(poisson)\nu ~ k {BINARY}", counts)
    assert "'k' is missing it is neither integrated nor summed out" in " ".join(str(of_counts.summary()).split())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"x ~ z\nu ~ x + x:z {BINARY}", "stands in a product"),
        (f"x ~ z\nm ~ z\nx ~~ m\nu ~ x + m {BINARY}", "residual covaries"),
    ],
)
def test_where_it_cannot_be_integrated_out(text, said):
    with pytest.raises(sg.ModelError, match=said):
        sg.fit(text, data())


@pytest.mark.slow
def test_recovery():
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        z = rng.normal(size=800)
        x = 0.5 + 0.8 * z + 1.2 * rng.normal(size=800)
        u = 1.0 * (rng.random(800) < 1 / (1 + np.exp(0.3 - 0.9 * x + 0.5 * z)))
        gone = rng.random(800) < np.where(z > 0, 0.5, 0.2)
        fit = sg.fit(MODELS["one covariate"], pd.DataFrame({"x": np.where(gone, np.nan, x), "z": z, "u": u}))
        table = fit.parameters.set_index(["lhs", "op", "rhs"])
        found.append((table.loc[("u", "~", "x"), "est"] - 0.9) / table.loc[("u", "~", "x"), "se"])
    assert abs(np.mean(found)) < 3 / np.sqrt(40)
    assert 0.7 < np.std(found) < 1.3


# ---- values that are summed over


def categorical(n=40, seed=6):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    b = 1.0 * (rng.random(n) < 1 / (1 + np.exp(-0.3 - 0.8 * z)))
    o = 1.0 * np.digitize(z + rng.logistic(size=n), [-1.0, 0.8])
    frame = pd.DataFrame({"z": z, "b": b, "o": o})
    for k in (1, 2, 3):
        frame[f"u{k}"] = 1.0 * (rng.random(n) < 1 / (1 + np.exp(0.3 - 0.9 * b - 0.4 * o)))
    return frame.assign(b=frame.b.mask(rng.random(n) < 0.3), o=frame.o.mask(rng.random(n) < 0.3))


SUMMED = {
    "binary": f"b ~ z {BINARY}\nu1 ~ b + z {BINARY}",
    "probit, and a product": f"b ~ z @family(bernoulli(probit))\nu1 ~ b + b:z {BINARY}",
    "ordinal": f"o ~ z @family(ordinal(logit))\nu1 ~ o {BINARY}",
    "two": f"b ~ o {BINARY}\no ~ z @family(ordinal(logit))\nu1 ~ b + o {BINARY}",
    "of a factor": f"b ~ z {BINARY}\nf =~ u1 + u2 + u3 {BINARY}\nf ~ b",
}


@pytest.mark.parametrize("name", SUMMED)
def test_derivatives_where_values_are_summed_over(name):
    walk = walk_mixture(SUMMED[name], categorical())
    likelihood, points = walk.likelihood, walk.points(15)
    at = walk.somewhere(1)
    score = likelihood.score(at, points)[1]
    np.testing.assert_allclose(score, differences(lambda x: likelihood.value(x, points), at), atol=2e-6, rtol=1e-6)
    information = likelihood.louis(at, points)[2]
    columns = [
        (likelihood.score(at + h, points)[1] - likelihood.score(at - h, points)[1]) / 2e-4
        for h in 1e-4 * np.eye(len(at))
    ]
    np.testing.assert_allclose(information, -np.array(columns), atol=2e-3 if likelihood.levels else 1e-5, rtol=1e-5)


def test_binary_and_ordinal_by_hand():
    frame = categorical()
    walk = walk_mixture(SUMMED["two"], frame)
    rng = np.random.default_rng(3)
    values = {name: rng.normal() for name in walk.likelihood.model.names}
    values |= {"o|t1": -0.6, "o|t2": 0.9}
    total = 0.0
    for row in frame.itertuples():
        parts = []
        for b in (0.0, 1.0) if np.isnan(row.b) else (row.b,):
            for o in (0.0, 1.0, 2.0) if np.isnan(row.o) else (row.o,):
                of_o = log_density("ordinal(logit)", o, values["o~z"] * row.z, kappa=(-0.6, 0.9))
                of_b = log_expit((2 * b - 1) * (values["b~1"] + values["b~o"] * o))
                of_u = log_expit((2 * row.u1 - 1) * (values["u1~1"] + values["u1~b"] * b + values["u1~o"] * o))
                parts.append(of_o + of_b + of_u)
        total += float(logsumexp(parts))
    assert walk.likelihood.value(walk.free(values), ()) == pytest.approx(total, abs=1e-10)


BOTH = {
    "side by side": f"b ~ z {BINARY}\ng ~ z\nu1 ~ b + g {BINARY}",
    "a binary mediator": f"b ~ z + g {BINARY}\ng ~ z\nu1 ~ b + g {BINARY}",
    "a Gaussian mediator": f"b ~ z {BINARY}\ng ~ z + b\nu1 ~ b + g {BINARY}",
}


def both_kinds(n=30) -> pd.DataFrame:
    frame, rng = categorical(n), np.random.default_rng(9)
    g = 0.5 * frame["z"] + rng.normal(size=n)
    return frame.assign(g=g.mask(rng.random(n) < 0.4))


@pytest.mark.parametrize("name", BOTH)
def test_sums_and_integrals_at_once_by_hand(name):
    frame = both_kinds()
    walk = walk_mixture(BOTH[name], frame)
    rng = np.random.default_rng(3)
    v = {cell: 0.7 * rng.normal() for cell in walk.likelihood.model.names} | {"g~~g": 1.2}
    e = np.linspace(-8, 8, 2001) * np.sqrt(1.2)
    total = 0.0
    for row in frame.itertuples():
        density = 0.0
        for b in (0.0, 1.0) if np.isnan(row.b) else (row.b,):
            mean = v["g~1"] + v["g~z"] * row.z + v.get("g~b", 0.0) * b
            g = mean + e if np.isnan(row.g) else np.array([row.g])
            weight = norm.pdf(g, mean, np.sqrt(1.2)) * (e[1] - e[0] if np.isnan(row.g) else 1.0)
            of_b = expit((2 * b - 1) * (v["b~1"] + v["b~z"] * row.z + v.get("b~g", 0.0) * g))
            density += (weight * of_b * expit((2 * row.u1 - 1) * (v["u1~1"] + v["u1~b"] * b + v["u1~g"] * g))).sum()
        total += np.log(density)
    assert walk.likelihood.value(walk.free(v), walk.points(31)) == pytest.approx(total, abs=1e-8)
    points, at = walk.points(9), walk.somewhere(1)
    score = walk.likelihood.score(at, points)[1]
    np.testing.assert_allclose(score, differences(lambda x: walk.likelihood.value(x, points), at), rtol=1e-6, atol=1e-6)


def test_a_fit_with_sums_and_integrals_uses_all_rows():
    frame = both_kinds(200)
    fit = sg.fit(BOTH["a binary mediator"], frame)
    assert fit.converged and fit.nobs == 200
    said = " ".join(str(fit.summary()).split())
    assert f"g in {int(frame.g.isna().sum())} rows, b in {int(frame.b.isna().sum())} rows" in said
    places = [line for line in fit.explain("matrices").splitlines() if line.startswith("rows")]
    assert places == [
        "rows in which no covariate is integrated out, b = 0", "rows in which no covariate is integrated out, b = 1",
        "rows without g, b = 0", "rows without g, b = 1",
    ]  # fmt: skip
    scores = fit.latent()["g@missing"]
    assert (scores.notna() == frame["g"].isna().to_numpy()).all()


def test_a_fit_that_sums_uses_all_rows():
    frame = categorical(300)
    fit = sg.fit(SUMMED["binary"], frame)
    assert fit.converged
    assert fit.nobs == 300
    assert "Classes:" not in str(fit.summary())
    assert f"b in {int(frame.b.isna().sum())} rows" in " ".join(str(fit.summary()).split())


# ---- what follows from a fit


@cache
def fitted():
    frame = data(200)
    return sg.fit(f"x ~ z\nu ~ x + z {BINARY}", frame, quadrature=Adaptive(points=21)), frame


def of_the_missing(c, row):
    """x and its posterior weights in a row without it."""
    e = np.linspace(-7, 7, 2001) * np.sqrt(c["x~~x"])
    x = c["x~1"] + c["x~z"] * row.z + e
    w = norm.pdf(e, scale=np.sqrt(c["x~~x"]))
    nu = c["u~1"] + c["u~x"] * x + c["u~z"] * row.z
    posterior = w * np.exp(log_expit((2 * row.u - 1) * nu))
    return x, nu, w / w.sum(), posterior / posterior.sum()


def test_predictions_where_a_covariate_is_missing():
    fit, frame = fitted()
    c = fit.coef
    linear, mean, marginal = (fit.predict(kind=kind) for kind in ("linear", "mean", "marginal"))
    new = fit.predict(frame, kind="marginal")
    scores = fit.latent()
    for k, row in enumerate(frame.itertuples()):
        if np.isnan(row.x):
            x, nu, prior, posterior = of_the_missing(c, row)
            assert linear["u"][k] == pytest.approx(posterior @ nu, abs=1e-6)
            assert mean["u"][k] == pytest.approx(posterior @ expit(nu), abs=1e-6)
            assert marginal["u"][k] == pytest.approx(prior @ expit(nu), abs=1e-6)
            assert scores["x@missing"][k] == pytest.approx(posterior @ x, abs=1e-5)
            assert np.isnan(linear["x"][k])
        else:
            nu = c["u~1"] + c["u~x"] * row.x + c["u~z"] * row.z
            assert linear["u"][k] == pytest.approx(nu)
            assert marginal["u"][k] == pytest.approx(expit(nu))
            assert linear["x"][k] == pytest.approx(c["x~1"] + c["x~z"] * row.z)
            assert np.isnan(scores["x@missing"][k])
    pd.testing.assert_frame_equal(new, marginal)


def test_draws_and_residuals_where_a_covariate_is_missing():
    fit, frame = fitted()
    drawn = fit.simulate(200, seed=1)
    assert (drawn["x"].isna().to_numpy().reshape(200, -1) == frame["x"].isna().to_numpy()).all()
    shares = drawn["u"].groupby(level=1).mean()[frame["x"].isna()]
    expected = fit.predict(kind="marginal")["u"][frame["x"].isna()]
    z = (shares - expected) / np.sqrt(expected * (1 - expected) / 200)
    assert np.abs(z).max() < 4.5 and z.std() == pytest.approx(1.0, abs=0.25)
    quantile = fit.residuals("quantile", seed=1)
    assert quantile["u"].notna().all() and (quantile["x"].isna() == frame["x"].isna()).all()


def test_the_matrices_of_groups_and_patterns_are_told_apart():
    frame = data(120).assign(g=np.tile(["a", "b"], 60))
    fit = sg.fit(f"x ~ z\nu ~ x + z {BINARY}", frame, group="g")
    said = fit.explain("matrices")
    places = ["Group 1 [a], rows in which no covariate is missing", "Group 1 [a], rows without x",
              "Group 2 [b], rows in which no covariate is missing", "Group 2 [b], rows without x"]  # fmt: skip
    assert [line for line in said.splitlines() if line.startswith("Group")] == places
    assert "Group 2 [b]" in str(fit.summary())
    assert fit.report().group_used == (60, 60)
    alone = sg.fit(f"x ~ z\nu ~ x + z {BINARY}", frame[frame["g"] == "b"])
    np.testing.assert_allclose(fit.predict()["u"][frame["g"] == "b"], alone.predict()["u"], atol=1e-5)


def test_what_is_refused_where_covariates_are_missing():
    fit, _ = fitted()
    with pytest.raises(sg.ModelError, match="'x' is missing in some rows"):
        fit.marginal_effects()
    for ask in (fit.standardized, fit.rsquare):
        with pytest.raises(sg.ModelError, match="closed form"):
            ask()
    for ask in (fit.modification_indices, lambda: fit.score_test(add="u ~~ x")):
        with pytest.raises(sg.ModelError, match="score tests are not available where covariates"):
            ask()
    summed = sg.fit(SUMMED["binary"], categorical(300))
    for ask in (summed.predict, summed.simulate, summed.influence, lambda: summed.residuals("pearson")):
        with pytest.raises(sg.ModelError, match="missing values of 'b'"):
            ask()
