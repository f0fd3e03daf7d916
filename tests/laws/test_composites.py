"""Composite links: likelihoods from their definition, reduction to single rows, scores, information, invariances."""

import numpy as np
import pandas as pd
import pytest
from brute_force import DENSITY, INVERSE_LINK, Unit, log_likelihood
from scipy import stats
from walk import differences, walk

import semgllamm as sg

SUM = "\n@composite(y, case=id, weight=w)"


def rows(family="poisson", cases=12, seed=1, total=None):
    """Cases of one to three rows with weights, scattered; two cases a child, two children a school."""
    rng, out = np.random.default_rng(seed), []
    for case in range(cases):
        size = 1 + case % 3
        weights = rng.uniform(0.4, 1.6, size)
        if total is not None:
            weights *= total / weights.sum()
        y = {"poisson": rng.poisson(3.0), "binomial": rng.integers(0, 5), "gaussian": rng.normal(1.0), "nbinom2":
             rng.poisson(3.0), "gamma": rng.gamma(2.0), "bernoulli": case % 2}[family]  # fmt: skip
        for weight in weights:
            out.append((case, case // 2, case // 4, float(y), rng.normal(), weight, 4.0, (case % 4) - 1.5))
    data = pd.DataFrame(out, columns=["id", "child", "school", "y", "x", "w", "n", "z"])
    return data.sample(frac=1.0, random_state=3)


def log_f(family, link, mine, predictor, dispersion=1.0):
    """log f of a case by the latent variables, `predictor` giving ν of a row."""
    y, n = mine["y"].iloc[0], mine["n"].iloc[0]

    def value(*eta):
        mu = sum(row.w * INVERSE_LINK[link](predictor(row, *eta)) for row in mine.itertuples())
        if family in ("bernoulli", "binomial"):
            return stats.binom.logpmf(y, 1 if family == "bernoulli" else n, mu)
        if family == "gaussian":
            return stats.norm.logpdf(y, mu, np.sqrt(dispersion))
        return DENSITY[family](y, mu, dispersion, n)

    return value


def cases_of(data, *arguments):
    return [log_f(*arguments[:2], mine, *arguments[2:]) for _, mine in data.groupby("id")]


@pytest.mark.parametrize("family, link, dispersion", [
    ("poisson", "log", None), ("bernoulli", "logit", None), ("binomial", "probit", None), ("binomial", "cloglog", None),
    ("binomial", "loglog", None), ("nbinom2", "log", 0.3), ("gamma", "log", -0.2), ("gaussian", "identity", 0.7),
])  # fmt: skip
def test_random_intercepts_at_three_levels(family, link, dispersion):
    data = rows(family, total=0.9 if family in ("bernoulli", "binomial") else None)
    trials = "\n@trials(y, n)" if family == "binomial" else ""
    found = walk(f"y ~ x + (1 | school/child)  @family({family}({link})){SUM}{trials}", data)
    values = {"y~1": -0.3, "y~x": 0.5, "school.intercept~~school.intercept": 0.4,
              "child.intercept~~child.intercept": 0.3}  # fmt: skip
    if family == "gaussian":
        values["y~~y"] = dispersion
    elif dispersion is not None:
        values["y@dispersion~1"] = dispersion
        dispersion = np.exp(dispersion)

    def predictor(row, child, school):
        return -0.3 + 0.5 * row.x + child + school

    parameters = (family, link, predictor, 1.0 if dispersion is None else dispersion)
    schools = [
        Unit([[0.4]], units=[Unit([[0.3]], cases_of(mine, *parameters)) for _, mine in of_school.groupby("child")])
        for _, of_school in data.groupby("school")
    ]
    expected = log_likelihood(schools, size=101)
    assert found.value(found.free(values), found.points(25)) == pytest.approx(expected, abs=1e-7)


def test_each_row_has_its_own_latent_variables():
    """A factor that enters some rows only, beside single answers that measure it."""
    data = rows(seed=5).assign(b=lambda d: (d["id"] % 2).where(d["id"] != d["id"].shift()))
    text = "y ~ x + f:x\nf =~ 1*b\n@family(y, poisson)\n@family(b, bernoulli)" + SUM
    text = text.replace("f =~ 1*b", "@level(child)\nf =~ 0\n@level(row)\nb ~ 1*f\nb ~ 1") + "\nf ~~ f @level(child)"
    found = walk(text, data)
    values = {"y~1": 0.2, "y~x": 0.3, "y~f:x": 0.8, "b~1": 0.1, "f~~f": 0.6}

    def item(row):
        return lambda f: -np.logaddexp(0, -(2 * row.b - 1) * (0.1 + f))

    units = []
    for _, mine in data.groupby("child"):
        sums = cases_of(mine, "poisson", "log", lambda row, f: 0.2 + 0.3 * row.x + 0.8 * f * row.x)
        units.append(Unit([[0.6]], [*sums, *(item(row) for row in mine.itertuples() if not np.isnan(row.b))]))
    expected = log_likelihood(units, size=201)
    assert found.value(found.free(values), found.points(49)) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("family", [
    "poisson(log)", "poisson(identity)", "bernoulli(logit)", "binomial(probit)", "binomial(cloglog)",
    "binomial(loglog)", "gaussian(identity)", "nbinom1(log)", "nbinom2(log)", "gamma(log)", "gamma(reciprocal)",
    "inversegaussian(log)", "inversegaussian(inverse_square)",
])  # fmt: skip
def test_one_row_of_weight_one_is_the_plain_family(family):
    name, positive = family.split("(")[0], "identity" in family or "reciprocal" in family or "inverse_" in family
    data = rows({"nbinom1": "poisson", "inversegaussian": "gamma"}.get(name, name), cases=16)
    data = data.drop_duplicates("id").assign(w=1.0)
    text = f"y ~ x + (1 | school/child)  @family({family})" + ("\n@trials(y, n)" if name == "binomial" else "")
    plain, summed = walk(text, data), walk(text + SUM, data)
    values = {row: 0.2 for row in plain.model.names}
    values |= {"y~1": 3.0 if positive and name != "gaussian" else 0.3, "y~x": 0.1}
    values |= {key: 0.05 if positive else 0.4 for key in values if key.startswith(("school", "child"))}
    free, rule = plain.free(values), plain.points(5)
    assert summed.value(free, rule) == pytest.approx(plain.value(free, rule), rel=1e-12, abs=1e-10)
    np.testing.assert_allclose(summed.score(free, rule), plain.score(free, rule), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        summed.likelihood.louis(free, rule)[2], plain.likelihood.louis(free, rule)[2], rtol=1e-8, atol=1e-8
    )


def test_weights_that_sum_to_one_keep_the_tails():
    """Two equal halves of a probability are the probability, where 1 − μ is below the precision of 1."""
    data = rows("bernoulli", cases=8).drop_duplicates("id")
    data = data.assign(o=np.where(data["y"] > 0, -60.0, 60.0))
    halves = pd.concat([data.assign(w=0.5), data.assign(w=0.5)])
    text = "y ~ x  @family(bernoulli)\n@offset(y, o)"
    plain, summed = walk(text, data), walk(text + SUM, halves)
    free = np.array([0.3, 0.2])
    assert plain.value(free, ()) < -400
    assert summed.value(free, ()) == pytest.approx(plain.value(free, ()), rel=1e-12)
    np.testing.assert_allclose(summed.score(free, ()), plain.score(free, ()), rtol=1e-9)


def test_classes_of_persons():
    """Sums of two counts, two of them a person, in two classes: the likelihood from its definition at the estimates."""
    rng = np.random.default_rng(3)
    case = np.repeat(np.arange(400), 2)
    high, x = rng.random(200) < 0.4, rng.normal(size=800)
    counts = rng.poisson(np.exp(np.where(high[case // 2], 1.5, 0.0) + 0.4 * x))
    y = counts.reshape(-1, 2).sum(axis=1)
    data = pd.DataFrame({"id": case, "person": case // 2, "x": x, "y": y[case]})
    text = "@level(person)\n@latent(c, classes(2))\n@level(row)\ny ~ x + c  @family(poisson)\n@composite(y, case=id)"
    fit = sg.fit(text, data, se="none")
    slope, *places, logit = fit.parameters["est"]
    by_class = [
        stats.poisson.logpmf(y, np.exp(at + slope * x).reshape(-1, 2).sum(axis=1)).reshape(-1, 2).sum(axis=1)
        for at in places
    ]
    share = 1 / (1 + np.exp(-logit))
    expected = np.logaddexp(np.log(share) + by_class[0], np.log(1 - share) + by_class[1]).sum()
    assert fit.converged
    assert fit.loglik == pytest.approx(expected, abs=1e-8)


# ---------------------------------------------------------------------------------------------- invariances

NESTED = "y ~ x + (1 | school/child)  @family(poisson)" + SUM


def test_the_order_of_rows_decides_nothing():
    data = rows(cases=24, seed=6)
    found = walk(NESTED, data)
    free, points = found.start + 0.1, found.points(5)
    for seed in (1, 2):
        again = walk(NESTED, data.sample(frac=1.0, random_state=seed))
        assert again.value(free, points) == pytest.approx(found.value(free, points), abs=1e-10)
        np.testing.assert_allclose(again.score(free, points), found.score(free, points), rtol=1e-9, atol=1e-9)


def test_the_value_stands_in_one_row_or_in_all():
    data = rows()
    once = data.assign(y=data["y"].where(~data["id"].duplicated()))
    one, all_rows = walk(NESTED, once), walk(NESTED, data)
    free, points = one.start, one.points(5)
    assert one.value(free, points) == all_rows.value(free, points)


def test_identical_cases_are_integrated_once():
    data = rows(cases=8)
    twice = pd.concat([data, data.assign(id=data["id"] + 100, child=data["child"] + 100, school=data["school"] + 100)])
    one, two = walk(NESTED, data), walk(NESTED, twice)
    free, points = one.start + 0.1, one.points(5)
    assert len(two.likelihood.predictor.program.code) == len(one.likelihood.predictor.program.code)
    assert two.value(free, points) == pytest.approx(2 * one.value(free, points), rel=1e-12)
    np.testing.assert_allclose(two.score(free, points), 2 * one.score(free, points), rtol=1e-9, atol=1e-9)


def test_cases_without_value_and_with_a_missing_covariate_are_left_out():
    data = rows()
    lost = data.assign(y=data["y"].where(data["id"] != 2))
    lost.loc[lost.index[(lost["id"] == 5).to_numpy()][0], "x"] = np.nan
    fewer, without = walk(NESTED, lost), walk(NESTED, data[~data["id"].isin([2, 5])])
    free, points = without.start, without.points(5)
    assert fewer.value(free, points) == pytest.approx(without.value(free, points), abs=1e-12)


# ---------------------------------------------------------------------------------------------- derivatives

MODELS = {
    "counts": (NESTED, lambda: rows()),
    "shares": (
        "y ~ x + (1 | school/child)  @family(binomial)\n@trials(y, n)" + SUM, lambda: rows("binomial", total=0.8)
    ),
    "slopes of rows": ("y ~ x + (1 + x | child)  @family(poisson)" + SUM, lambda: rows()),
    "dispersion": ("y ~ x + (1 | child)  @family(gamma)\n@dispersion(y ~ 1 + z)" + SUM, lambda: rows("gamma")),
    "residual variance": ("y ~ x + (0 + x | child)" + SUM, lambda: rows("gaussian")),
    "no latent variables": ("y ~ x  @family(nbinom2)" + SUM, lambda: rows("nbinom2")),
    "above other answers": (
        "y ~ x + (1 | school)\nb ~ x + (1 | school/child)\n@family(y, nbinom2)\n@family(b, bernoulli)" + SUM,
        lambda: rows("nbinom2").assign(b=lambda d: d["id"] % 2),
    ),
    "beside steps of partial credit": (
        "y ~ x + (1 | child)\np ~ x + (1 | child)\n@family(y, gamma)\n@family(p, adjacent)" + SUM,
        lambda: rows("gamma").assign(p=lambda d: np.arange(len(d)) % 5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("ordinary", [False, True])
@pytest.mark.parametrize("points", [1, 4])
@pytest.mark.parametrize("name", MODELS)
def test_the_score_is_the_derivative_of_the_reported_log_likelihood(name, points, ordinary):
    text, data = MODELS[name]
    found = walk(text, data(), ordinary=ordinary)
    rule = found.points(points)
    free = found.start + 0.1 * np.random.default_rng(1).normal(size=len(found.start))
    score = found.score(free, rule)
    np.testing.assert_allclose(score, differences(lambda x: found.value(x, rule), free), rtol=1e-6, atol=1e-6)
    units = found.likelihood.unit_scores(free, rule)
    np.testing.assert_allclose(units.sum(axis=0), score, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_the_information_is_the_derivative_of_the_score(name):
    text, data = MODELS[name]
    found = walk(text, data(), ordinary=True)
    rule = found.points(6)
    free = found.start + 0.1 * np.random.default_rng(2).normal(size=len(found.start))
    expected = np.array([
        differences(lambda x, k=k: found.score(x, rule)[k], free) for k in range(len(free))
    ])  # fmt: skip
    np.testing.assert_allclose(found.likelihood.louis(free, rule)[2], -expected, rtol=2e-6, atol=2e-6)


def test_a_mean_that_is_no_probability_is_an_impossible_point():
    data = rows("bernoulli").assign(w=1.0)
    found = walk("y ~ x  @family(bernoulli)" + SUM, data)
    assert found.value(found.free({"y~1": 2.0, "y~x": 0.0}), ()) == -np.inf
    assert np.isfinite(found.value(found.free({"y~1": -2.0, "y~x": 0.0}), ()))


@pytest.mark.parametrize("name", ["counts", "shares", "slopes of rows", "dispersion"])
def test_the_mode_is_found_from_far_away(name):
    text, data = MODELS[name]
    found = walk(text, data())
    free, points = found.start, found.points(9)
    expected = found.value(free, points)
    assert np.isfinite(expected)
    rng = np.random.default_rng(3)
    for size in (1.0, 3.0, 6.0):
        found.likelihood.workspace.m[:] = size * rng.choice([-1.0, 1.0], size=len(found.likelihood.workspace.m))
        assert found.likelihood.value(free, points) == pytest.approx(expected, abs=1e-9)


# ---------------------------------------------------------------------------------------------- recovery


def test_what_made_the_data_is_found():
    """Counts of three kinds seen only in pairs, with persons' propensities: within four standard errors."""
    rng = np.random.default_rng(7)
    person = np.repeat(np.arange(400), 6)
    case = np.repeat(np.arange(1200), 2)
    kind = np.tile([0, 1, 0, 2, 1, 2], 400)
    x, ability = rng.normal(size=2400), 0.6 * rng.normal(size=400)
    count = rng.poisson(np.exp(np.array([0.4, 1.0, -0.3])[kind] + 0.4 * x + ability[person]))
    y = np.repeat(count.reshape(-1, 2).sum(axis=1), 2)
    data = pd.DataFrame({"y": y, "x": x, "k1": kind == 1, "k2": kind == 2, "person": person, "id": case})
    data = data.astype({"k1": float, "k2": float})
    fit = sg.fit("y ~ k1 + k2 + x + (1 | person)  @family(poisson)\n@composite(y, case=id)", data)
    assert fit.converged and fit.nobs == 1200
    truth = {"k1": 0.6, "k2": -0.7, "x": 0.4, "": 0.4, "person.intercept": 0.36}
    for row in fit.parameters[fit.parameters.free > 0].itertuples():
        assert abs(row.est - truth[row.rhs]) < 4 * row.se
    assert np.corrcoef(fit.latent(level="person")["person.intercept"], ability)[0, 1] > 0.6
