"""Nominal responses, choices and rankings: likelihoods from their definition, scores, information, invariances."""

import numpy as np
import pandas as pd
import pytest
from brute_force import Unit, log_likelihood
from scipy.special import logsumexp
from walk import differences, walk

import semgllamm as sg

SCHOOL, CHILD = np.repeat([0, 1], 6), np.repeat([0, 1, 2, 3], 3)
MODES = ("bus", "car", "train")
NINE = sg.Adaptive(points=9)


def log_share(chosen, utilities):
    """log P(chosen) where utilities are arrays, or numbers, over the grid."""
    utilities = np.stack(np.broadcast_arrays(*utilities))
    return utilities[chosen] - logsumexp(utilities, axis=0)


def log_ranking(ranks, utilities):
    """log P of a ranking, NaN below all ranks."""
    ranks, total = np.array(ranks), 0.0
    for s in range(1, int(np.nanmax(ranks)) + 1):
        left = np.flatnonzero(np.isnan(ranks) | (ranks >= s))
        total = total + log_share(int(np.flatnonzero(ranks[left] == s)[0]), [utilities[a] for a in left])
    return total


def wide(n=12, seed=1):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"u": rng.choice(MODES, n), "x": rng.normal(size=n), "child": CHILD[:n], "school": SCHOOL[:n]})
    data.loc[:2, "u"] = MODES
    return data


def long(cases=8, seed=2, ranking=False):
    """Choice sets of two to four alternatives, in scattered rows; two cases a person."""
    rng, rows = np.random.default_rng(seed), []
    for case in range(cases):
        size = 2 + case % 3
        offered = rng.choice(4, size, replace=False)
        ranks = 1.0 + rng.permutation(size)
        if ranking and case % 2:
            ranks[ranks > max(1, size - 2)] = np.nan
        for alternative, rank in zip(offered, ranks):
            y = rank if ranking else float(rank == 1)
            rows.append((case, case // 2, "abcd"[alternative], y, rng.normal(), (case // 2) % 2 - 0.5))
    data = pd.DataFrame(rows, columns=["id", "person", "alt", "y", "cost", "income"])
    return data.sample(frac=1.0, random_state=3)


# ---------------------------------------------------------------------------------------------- wide form


def test_categories_with_random_intercepts_at_two_levels():
    data = wide()
    found = walk("u ~ x + (1 | school/child)  @family(multinomial)", data)
    names = [f"u[{mode}].{cluster}.intercept" for cluster in ("school", "child") for mode in MODES[1:]]
    Psi = {"school": np.array([[0.6, 0.2], [0.2, 0.5]]), "child": np.array([[0.4, -0.1], [-0.1, 0.3]])}
    values = {"u[car]~1": 0.3, "u[train]~1": -0.2, "u[car]~x": 0.5, "u[train]~x": -0.7}
    for k, cluster in enumerate(("school", "child")):
        car, train = names[2 * k : 2 * k + 2]
        values |= {f"{car}~~{car}": Psi[cluster][0, 0], f"{train}~~{train}": Psi[cluster][1, 1]}
        values |= {f"{car}~~{train}": Psi[cluster][0, 1]}

    def answer(row):
        def log_f(car, train, above_car, above_train):
            nu = [0.0, 0.3 + 0.5 * row.x + car + above_car, -0.2 - 0.7 * row.x + train + above_train]
            return log_share(MODES.index(row.u), nu)

        return log_f

    children = [Unit(Psi["child"], [answer(row) for row in data[c == CHILD].itertuples()]) for c in range(4)]
    units = [Unit(Psi["school"], units=children[:2]), Unit(Psi["school"], units=children[2:])]
    expected = log_likelihood(units, size=25)
    assert found.value(found.free(values), found.points(25)) == pytest.approx(expected, abs=1e-7)


ITEMS = "f =~ u + v + b\n@family(u + v, multinomial)\n@family(b, bernoulli)\nf ~ x"


def items(n=40, seed=4):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"u": rng.choice(MODES, n), "v": rng.choice([1, 2, 5], n), "b": rng.integers(0, 2, n),
                         "x": rng.normal(size=n)})  # fmt: skip
    data.loc[3, "u"] = None
    return data


def test_nominal_items_of_a_factor():
    data = items(12)
    values = {"f=~u[train]": 0.7, "f=~v[2]": -0.4, "f=~v[5]": 0.9, "f=~b": 1.2, "f~x": 0.5, "f~~f": 0.8,
              "u[car]~1": 0.1, "u[train]~1": -0.3, "v[2]~1": 0.4, "v[5]~1": 0.2, "b~1": -0.1}  # fmt: skip
    found = walk(ITEMS, data)

    def unit(row):
        def log_f(zeta):
            f = 0.5 * row.x + zeta
            out = log_share([1, 2, 5].index(row.v), [0 * f, 0.4 - 0.4 * f, 0.2 + 0.9 * f])
            out = out - np.logaddexp(0, -(2 * row.b - 1) * (-0.1 + 1.2 * f))
            return out if pd.isna(row.u) else out + log_share(MODES.index(row.u), [0 * f, 0.1 + f, -0.3 + 0.7 * f])

        return Unit([[0.8]], [log_f])

    expected = log_likelihood([unit(row) for row in data.itertuples()], size=81)
    assert found.value(found.free(values), found.points(25)) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("reference", MODES[1:])
def test_the_reference_decides_nothing(reference):
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(30), 6)
    effect, x = rng.normal(size=(30, 3))[group], rng.normal(size=180)
    utility = effect + np.outer(x, [0.0, 0.6, -0.5]) + rng.gumbel(size=(180, 3))
    data = pd.DataFrame({"u": np.array(MODES)[utility.argmax(axis=1)], "x": x, "g": group})
    loglik = [
        sg.fit(f"u ~ x + (1 | g)  @family(multinomial(logit, reference={name}))", data, quadrature=NINE).loglik
        for name in (MODES[0], reference)
    ]
    assert loglik[1] == pytest.approx(loglik[0], abs=1e-6)


# ---------------------------------------------------------------------------------------------- long form

TASTES = "y ~ alt + cost + alt:income + (0 + cost | person)  {}\n@alternatives(y, case=id, alternative=alt)"
CONSTANTS, EFFECTS = (0.0, 0.4, -0.3, 0.2), (0.0, 0.5, -0.2, 0.3)
TASTE = {"y~alt[b]": 0.4, "y~alt[c]": -0.3, "y~alt[d]": 0.2, "y~alt[b]:income": 0.5, "y~alt[c]:income": -0.2,
         "y~alt[d]:income": 0.3, "y~cost": -0.6, "person.cost~~person.cost": 0.5}  # fmt: skip


def utilities(rows, taste):
    rows = rows.assign(k=["abcd".index(alt) for alt in rows["alt"]])
    return [CONSTANTS[r.k] + EFFECTS[r.k] * r.income + (taste - 0.6) * r.cost for r in rows.itertuples()]


@pytest.mark.parametrize("ranking", [False, True])
def test_tastes_of_persons_over_choice_sets_of_varying_size(ranking):
    data = long(ranking=ranking)
    found = walk(TASTES.format("@family(ranking)" if ranking else ""), data)

    def answer(rows):
        y = rows["y"].to_numpy()
        if ranking:
            return lambda taste: log_ranking(y, utilities(rows, taste))
        return lambda taste: log_share(int(y.argmax()), utilities(rows, taste))

    units = [
        Unit([[0.5]], [answer(rows) for _, rows in mine.groupby("id")]) for _, mine in data.groupby("person")
    ]
    assert found.value(found.free(TASTE), found.points(25)) == pytest.approx(log_likelihood(units, 81), abs=1e-8)


def test_factors_over_alternatives_at_two_levels():
    data = long(12)
    text = """
        y ~ cost + 1*f:alt + 1*(g:cost)
        @alternatives(y, case=id, alternative=alt)
        @level(id)
        f =~ 0
        @level(person)
        g =~ 0
    """.replace("1*f:alt", "f:alt").replace("1*(g:cost)", "1*g:cost") + "\n        f ~~ 1*f @level(id)"
    values = {"y~cost": -0.5, "y~f:alt[b]": 0.8, "y~f:alt[c]": -0.6, "y~f:alt[d]": 1.1, "g~~g": 0.4}
    found = walk(text, data)
    loading = {"a": 0.0, "b": 0.8, "c": -0.6, "d": 1.1}

    def case(rows):
        def log_f(f, g):
            nu = [(g - 0.5) * r.cost + loading[r.alt] * f for r in rows.itertuples()]
            return log_share(int(rows["y"].to_numpy().argmax()), nu)

        return Unit([[1.0]], [log_f])

    units = [
        Unit([[0.4]], units=[case(rows) for _, rows in mine.groupby("id")]) for _, mine in data.groupby("person")
    ]
    assert found.value(found.free(values), found.points(25)) == pytest.approx(log_likelihood(units, 61), abs=1e-8)


def test_the_order_of_rows_and_alternatives_decides_nothing():
    data = long(30, seed=6)
    text = TASTES.format("")
    found = walk(text, data)
    free, points = found.start + 0.1, found.points(5)
    for seed in (1, 2):
        again = walk(text, data.sample(frac=1.0, random_state=seed))
        assert again.value(free, points) == pytest.approx(found.value(free, points), abs=1e-10)


def test_a_ranking_of_the_first_alone_is_a_choice():
    data = long()
    first = data.assign(y=data["y"].where(data["y"] == 1))
    choice, ranking = walk(TASTES.format(""), data), walk(TASTES.format("@family(ranking)"), first)
    points = choice.points(5)
    assert ranking.value(ranking.free(TASTE), points) == pytest.approx(choice.value(choice.free(TASTE), points))


def test_identical_choices_are_integrated_once():
    data = long(6)
    twice = pd.concat([data, data.assign(id=data["id"] + 100, person=data["person"] + 100)])
    one, two = walk(TASTES.format(""), data), walk(TASTES.format(""), twice)
    points = one.points(5)
    assert len(two.likelihood.predictor.program.code) == len(one.likelihood.predictor.program.code)
    assert two.value(two.free(TASTE), points) == pytest.approx(2 * one.value(one.free(TASTE), points), rel=1e-12)


# ---------------------------------------------------------------------------------------------- derivatives

MODELS = {
    "random intercepts of categories": ("u ~ x + (1 | school/child)  @family(multinomial)", wide),
    "nominal items": (ITEMS, items),
    "tastes": (TASTES.format(""), lambda: long(20)),
    "tastes, ranked": (TASTES.format("@family(ranking)"), lambda: long(20, ranking=True)),
    "no latent variables": ("u ~ x  @family(multinomial)", wide),
    # answers with four own parameters
    "beside steps of partial credit": (
        "f =~ u + p\n@family(u, multinomial)\n@family(p, adjacent)", lambda: items().assign(p=np.arange(40) % 5)
    ),
    "above steps of partial credit": (
        "u ~ x + (1 | school)\np ~ x + (1 | school/child)\n@family(u, multinomial)\n@family(p, adjacent)",
        lambda: wide().assign(p=np.arange(12) % 5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("ordinary", [False, True])
@pytest.mark.parametrize("points", [1, 4])
@pytest.mark.parametrize("name", MODELS)
def test_the_score_is_the_derivative_of_the_reported_log_likelihood(name, points, ordinary):
    text, data = MODELS[name]
    found = walk(text, data(), ordinary=ordinary)
    rule = found.points(points)
    free = found.start + 0.15 * np.random.default_rng(1).normal(size=len(found.start))
    score = found.score(free, rule)
    np.testing.assert_allclose(score, differences(lambda x: found.value(x, rule), free), rtol=1e-6, atol=1e-6)
    units = found.likelihood.unit_scores(free, rule)
    np.testing.assert_allclose(units.sum(axis=0), score, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_the_information_is_the_derivative_of_the_score(name):
    text, data = MODELS[name]
    found = walk(text, data(), ordinary=True)
    rule = found.points(6)
    free = found.start + 0.15 * np.random.default_rng(2).normal(size=len(found.start))
    expected = np.array([
        differences(lambda x, k=k: found.score(x, rule)[k], free) for k in range(len(free))
    ])  # fmt: skip
    np.testing.assert_allclose(found.likelihood.louis(free, rule)[2], -expected, rtol=2e-6, atol=2e-6)


def test_the_independent_units_of_choices_without_latent_variables_are_the_cases():
    data = long(20, ranking=True)
    text = "y ~ alt + cost  @family(ranking)\n@alternatives(y, case=id, alternative=alt)"
    found = walk(text, data)
    free, points = found.start + 0.1, found.points(1)
    scores = found.likelihood.unit_scores(free, points)
    assert len(scores) == len(data)
    of_a_case = np.abs(scores).max(axis=1) > 0
    assert of_a_case.sum() == 20
    scores = scores[of_a_case]
    without = walk(text, data[data["id"] != 3])
    lost = found.score(free, points) - without.score(free, points)
    np.testing.assert_allclose(scores[3], lost, rtol=1e-9, atol=1e-12)


def test_identical_answers_in_wide_form_are_integrated_once():
    data = items(20)
    data["x"] = np.round(data["x"])
    one, two = walk(ITEMS, data), walk(ITEMS, pd.concat([data, data.iloc[::-1]], ignore_index=True))
    free, points = one.start + 0.1, one.points(5)
    assert len(two.likelihood.predictor.program.code) == len(one.likelihood.predictor.program.code)
    assert two.value(free, points) == pytest.approx(2 * one.value(free, points), rel=1e-12)
    np.testing.assert_allclose(two.score(free, points), 2 * one.score(free, points), rtol=1e-9, atol=1e-9)


def test_groups_share_nothing_but_what_is_said():
    data = wide(12).assign(g=np.tile(["k", "l"], 6))
    text = "u ~ x  @family(multinomial)"
    parts = sum(sg.fit(text, data[data["g"] == g]).loglik for g in "kl")
    assert sg.fit(text, data, group="g").loglik == pytest.approx(parts, abs=1e-8)


def test_the_tastes_and_constants_that_made_the_data_are_found():
    """2000 cases of 500 persons: estimates lie within four standard errors of the truth."""
    rng = np.random.default_rng(7)
    person = np.repeat(np.arange(500), 12)
    case = np.repeat(np.arange(2000), 3)
    cost, taste = rng.normal(size=6000), -0.7 + 0.8 * rng.normal(size=500)
    utility = np.tile([0.0, 0.5, -0.4], 2000) + taste[person] * cost + rng.gumbel(size=6000)
    chosen = (utility.reshape(-1, 3) == utility.reshape(-1, 3).max(axis=1, keepdims=True)).ravel().astype(int)
    table = {"id": case, "person": person, "alt": np.tile(["a", "b", "c"], 2000), "cost": cost, "y": chosen}
    text = "y ~ alt + cost + (0 + cost | person)\n@alternatives(y, case=id, alternative=alt)"
    fit = sg.fit(text, pd.DataFrame(table))
    found = fit.parameters[fit.parameters.free > 0]
    truth = {"alt[b]": 0.5, "alt[c]": -0.4, "cost": -0.7, "person.cost": 0.64}
    assert fit.converged and fit.nobs == 2000
    for row in found.itertuples():
        assert abs(row.est - truth[row.rhs]) < 4 * row.se
    scores = fit.latent(level="person")["person.cost"]
    assert np.corrcoef(scores, taste)[0, 1] > 0.6
