"""Choices and rankings that are drawn from a model have its probabilities; bootstrap samples of them its errors."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from walk import walk

import semgllamm as sg
from semgllamm.estimation.drawing import answered_by, simulated, units_drawn
from semgllamm.estimation.likelihood import Likelihood
from semgllamm.estimation.predictor import Predictor

LONG = "{} ~ alt + cost{}  @family({})\n@alternatives({}, case=id, alternative=alt)"
CONSTANTS = {"a": 0.0, "b": 0.4, "c": -0.3, "d": 0.2}
COST = -0.8


def choices(cases, seed=5):
    """Choice sets of two to four of the alternatives a, b, c, d, five cases a person, in scattered rows."""
    rng, rows = np.random.default_rng(seed), []
    for case in range(cases):
        offered = rng.choice(list(CONSTANTS), 2 + case % 3, replace=False)
        cost = rng.normal(size=len(offered))
        utility = [CONSTANTS[a] + COST * c for a, c in zip(offered, cost)] + rng.gumbel(size=len(offered))
        rank = 1.0 + np.argsort(np.argsort(-utility))
        for alternative, c, r in zip(offered, cost, rank):
            rows.append((case, case // 5, alternative, float(r == 1), r if r <= 2 else np.nan, c))
    data = pd.DataFrame(rows, columns=["id", "person", "alt", "y", "rank", "cost"])
    return data.sample(frac=1.0, random_state=2).reset_index(drop=True)


def wide(rows=300, seed=6):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"x": rng.normal(size=rows), "g": np.repeat(np.arange(rows // 5), 5)})
    utility = np.stack([0 * data.x, 0.3 + 0.5 * data.x, -0.2 - 0.4 * data.x], 1) + rng.gumbel(size=(rows, 3))
    return data.assign(u=np.array(["bus", "car", "train"])[utility.argmax(axis=1)])


def drawn(text, data, values, seed=1):
    found = walk(text, data)
    apart = Predictor(found.model, found.working, found.tree, found.likelihood.predictor.design, False)
    return simulated(Likelihood(apart), found.free(values), np.random.default_rng(seed))


def assert_frequencies(observed, expected):
    """Pearson's chi-square of independent tables, each with its own total; a bound that one in ten thousand exceeds."""
    observed, expected = np.asarray(observed, dtype=float), np.asarray(expected, dtype=float)
    chi_square = ((observed - expected) ** 2 / expected).sum()
    assert chi_square < stats.chi2.isf(1e-4, observed.size - len(observed))
    assert observed.sum(axis=1) == pytest.approx(expected.sum(axis=1))


def sets(orders, repeats):
    """The same three alternatives in every case, with one cost each, in rows that follow each other."""
    names, costs = "abc", np.array([0.3, -0.2, 0.6])
    case = np.repeat(np.arange(repeats), 3)
    data = pd.DataFrame({"id": case, "person": case // 2, "alt": np.tile(list(names), repeats)})
    data["cost"] = costs[np.tile(np.arange(3), repeats)]
    # any answers: what is drawn takes their place
    first = np.random.default_rng(0).permuted(np.tile(np.arange(3.0), (repeats, 1)), axis=1).ravel()
    return data.assign(y=1.0 * (first == 0), rank=np.where(first < orders, first + 1, np.nan)), costs


VALUES = {"{}~alt[b]": 0.4, "{}~alt[c]": -0.3, "{}~cost": COST}


def test_choices_have_the_probabilities_of_the_model():
    data, costs = sets(3, 4000)
    design = drawn(LONG.format("y", "", "multinomial", "y"), data, {k.format("y"): v for k, v in VALUES.items()})
    y = np.zeros(len(data))
    for block in design.blocks:
        y[block.rows] = block.y
    y = y.reshape(-1, 3)
    assert (y.sum(axis=1) == 1).all()
    p = np.exp([0.0, 0.4, -0.3] + COST * costs)
    assert_frequencies([y.sum(axis=0)], [4000 * p / p.sum()])


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_rankings_have_the_probabilities_of_choices_in_turn(depth):
    data, costs = sets(depth, 4000)
    design = drawn(LONG.format("rank", "", "ranking", "rank"), data, {k.format("rank"): v for k, v in VALUES.items()})
    (block,) = design.blocks
    # each cell with 1 is the next of its case
    order = [[] for _ in range(4000)]
    for number in np.argsort(block.choice, kind="stable"):
        if block.y[number]:
            order[block.rows[number] // 3].append(block.rows[number] % 3)
    p = np.exp([0.0, 0.4, -0.3] + COST * costs)
    found, expected = [], []
    for some in permutations(range(3), min(depth, 2)):
        found.append(sum(tuple(one) == some for one in order))
        left, share = p.sum(), 1.0
        for a in some:
            share, left = share * p[a] / left, left - p[a]
        expected.append(4000 * share)
    assert_frequencies([found], [expected])
    # nobody is chosen twice, and each choice is among all that are left
    assert all(len(set(one)) == len(one) == min(depth, 2) for one in order)
    sizes = np.unique(block.choice, return_counts=True)[1]
    assert sorted(set(sizes)) == ([3] if depth == 1 else [2, 3])


def test_choice_sets_stay_as_they_are():
    data = choices(60)
    found = walk(LONG.format("rank", " + (0 + cost | person)", "ranking", "rank"), data)
    values = {f"rank~alt[{a}]": v for a, v in CONSTANTS.items() if a != "a"}
    values |= {"rank~cost": COST, "person.cost~~person.cost": 0.5}
    before = found.likelihood.predictor.design
    after = drawn(LONG.format("rank", " + (0 + cost | person)", "ranking", "rank"), data, values)

    def shape(design):
        (block,) = design.blocks
        sizes = [(block.case[block.choice == k][0], int((block.choice == k).sum())) for k in np.unique(block.choice)]
        return sorted(sizes)

    assert shape(before) == shape(after)
    for block in after.blocks:
        assert (np.bincount(block.choice, block.y)[np.unique(block.choice)] == 1).all()


def test_answers_in_wide_form_have_the_probabilities_of_the_model_over_its_latent_variables():
    n = 6000
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"u": rng.choice(["bus", "car", "train"], n), "v": rng.choice([1, 2], n)})
    text = "f =~ NA*u + 1*v  @family(multinomial)\nf ~~ 1*f"
    found = walk(text, data)
    values = {name: 0.0 for name in found.model.names}
    values |= {"u[car]~1": 0.4, "u[train]~1": -0.5, "v[2]~1": 0.2, "f=~u[car]": 1.2, "f=~u[train]": -0.8}
    assert sorted(values) == sorted(found.model.names)
    design = drawn(text, data, values, seed=2)
    y = {block.response.name: block.y for block in design.blocks}
    for answer, names in (("u", ["u[bus]", "u[car]", "u[train]"]), ("v", ["v[1]", "v[2]"])):
        assert (sum(y[name] for name in names) == 1).all(), answer
    table = np.array([[(y[a] * y[b]).sum() for b in ("v[1]", "v[2]")] for a in ("u[bus]", "u[car]", "u[train]")])
    t, weight = np.polynomial.hermite_e.hermegauss(40)
    one = np.exp(np.stack([0 * t, 0.4 + 1.2 * t, -0.5 - 0.8 * t]))
    two = np.exp(np.stack([0 * t, 0.2 + t]))
    expected = (one / one.sum(axis=0) * weight) @ (two / two.sum(axis=0)).T / np.sqrt(2 * np.pi)
    assert_frequencies([table.ravel()], [n * expected.ravel()])


MODELS = {
    "choices": (LONG.format("y", "", "multinomial", "y"), choices(150), "id"),
    "rankings": (LONG.format("rank", "", "ranking", "rank"), choices(150), "id"),
    "tastes of persons": (LONG.format("y", " + (0 + cost | person)", "multinomial", "y"), choices(150), "person"),
    "wide": ("u ~ x  @family(multinomial)", wide(), None),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_draw_is_the_fit_of_cases_rows_or_clusters_drawn_with_replacement(name):
    text, data, column = MODELS[name]
    rule = {"quadrature": sg.Adaptive(7)} if name == "tastes of persons" else {}
    fit = sg.fit(text, data, progress=False, **rule)
    data = data.assign(row=np.arange(len(data)))
    unit = data[column or "row"].to_numpy()
    units = len(np.unique(unit))
    seed = np.random.SeedSequence(3)
    taken = np.random.default_rng(seed.spawn(1)[0]).choice(np.arange(units), units)
    parts = []
    for draw, k in enumerate(taken):
        part = data[unit == np.unique(unit)[k]]
        if column:
            part = part.assign(**{c: part[c] + 1000 * draw for c in ("id", "person")})
        parts.append(part)
    again = sg.fit(text, pd.concat(parts, ignore_index=True), progress=False, **rule)
    first = fit.bootstrap(1, seed=3)
    assert first.failed == 0
    assert first.draws.iloc[0][again.coef.index].to_numpy() == pytest.approx(again.coef.to_numpy(), abs=2e-5)


@pytest.mark.parametrize("kind", ["ordinary", "parametric"])
@pytest.mark.parametrize("name", ["choices", "rankings", "wide"])
def test_bootstrap_errors_are_near_those_of_the_model(name, kind):
    text, data, _ = MODELS[name]
    fit = sg.fit(text, data, progress=False)
    found = fit.bootstrap(120, kind=kind, seed=1)
    assert found.failed == 0
    errors = pd.Series(np.sqrt(np.diag(fit.vcov())), fit.coef.index)
    # a standard deviation of 120 draws has an error of 6 per cent
    assert found.se[errors.index].to_numpy() == pytest.approx(errors.to_numpy(), rel=0.25)
    distance = (found.draws.mean() - found.estimates)[errors.index] / errors
    assert distance.abs().max() < 0.5


def test_a_case_that_is_drawn_twice_is_two_choices():
    found = walk(LONG.format("rank", "", "ranking", "rank"), choices(20))
    design = units_drawn(found.likelihood.predictor.design, 0, np.random.default_rng(1))
    (block,) = design.blocks
    assert (np.diff(block.choice) >= 0).all()
    for number in np.unique(block.choice):
        mine = block.choice == number
        assert block.y[mine].sum() == 1 and len(set(block.rows[mine])) == mine.sum()
    assert set(block.case) <= set(block.rows)


@pytest.mark.parametrize("text, more, frame", [
    (LONG.format("y", "{}", "multinomial", "y"), " + (0 + cost | person)", choices),
    (LONG.format("rank", "{}", "ranking", "rank"), " + (0 + cost | person)", choices),
    ("u ~ x{}  @family(multinomial)", " + (1 || g)", wide),
])  # fmt: skip
def test_answers_move_between_models_of_other_levels(text, more, frame):
    """The likelihood of a model with random effects, given the answers as the model without them holds them."""
    data = frame(60).sample(frac=1.0, random_state=4).reset_index(drop=True)
    if frame is choices:
        data["person"] = data["id"] % 12  # cases of a person are apart, and stand in another order than their numbers
    small, large = walk(text.format(""), data), walk(text.format(more), data)
    before, after = (found.likelihood.predictor.design for found in (small, large))
    assert not np.array_equal(before.kept, after.kept)
    moved = answered_by(before, after, large.model, False)
    likelihood = Likelihood(Predictor(large.model, large.working, large.tree, moved))
    points, start = large.points(5), large.start
    assert likelihood.value(start, points) == pytest.approx(large.value(start, points), abs=1e-9)
