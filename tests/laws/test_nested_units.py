"""Gaussian responses in nested units, in closed form: the density of the model's definition, the engine's value, and
the derivatives of it."""

import re

import numpy as np
import pytest
from closed_form import log_density
from walk import differences, walk
from zoo import pupils, with_missing_cells

import semgllamm as sg
from semgllamm import api
from semgllamm.estimation.nested import NestedLikelihood, has_nested_form

MODELS = {
    "three levels": """
        f =~ g1 + g2 + g3
        f ~ w + fc
        @level(class)
        fc =~ k1 + k2 + k3
        fc ~ x + fs
        g2 ~~ g2
        @level(school)
        fs =~ 0
        g1 ~~ g1
    """,
    "random slopes": """
        f =~ g1 + g2 + g3
        f ~ v
        g4 ~ w + rv("slope")*w + f
        g5 ~ 1
        g4 ~~ g5
        @level(class)
        slope ~ x
        slope ~~ g4
        g4 ~~ g4
        k1 ~ slope
    """,
    "loadings that vary with covariates": "f =~ g1 + g2 + g3\ng2 ~ f:w + w\nf ~ v\ng1 ~~ g3",
    "a level between": """
        f =~ g1 + g2 + g3
        @level(school)
        g1 ~~ g1
        g2 ~~ g2
        g1 ~~ g2
        g3 ~~ g3
    """,
    "feedback": """
        g1 ~ g2 + w + c
        g2 ~ g1 + v
        @level(class)
        c =~ k1 + k2
    """,
}


def holed(classes=12, seed=1):
    data = with_missing_cells(pupils(classes, seed))
    rng = np.random.default_rng(seed + 5)
    for name in ("k1", "k2", "k3"):
        empty = rng.choice(classes, 2, replace=False)
        data.loc[data["class"].isin(empty), name] = np.nan
    return data


def bound(text, data, **arguments):
    settings = {"family": None, "cluster": None, "group": None, "constraints": None, "ordered": (), "like": "fit",
                "missing": "ml"} | arguments  # fmt: skip
    diagram, model, design, *_ = api._bound(text, data, switches={}, start=None, **settings)
    assert has_nested_form(model, design, diagram)
    return NestedLikelihood(model, design)


def some_cells(likelihood, seed=3):
    """Values at which Ψ and Θ are positive definite."""
    rng = np.random.default_rng(seed)
    values = []
    for name in likelihood.model.names:
        left, _, right = re.sub(r"\.[lg]\d", "", name).partition("~~")
        variance = bool(right) and left == right
        values.append(rng.uniform(0.4, 0.9) if variance else rng.uniform(-0.15, 0.15) if right else rng.normal(0, 0.4))
    return np.array(values)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("group", [None, "half"])
def test_one_adaptive_point_gives_the_same(model, group):
    data = holed()
    if group and model not in ("loadings that vary with covariates", "feedback"):
        data["half"] = np.where(data["school"] % 2, "odd", "even")  # units lie within one group
    if group and model == "feedback":
        data["half"] = np.where(data["class"] % 2, "odd", "even")
    likelihood = bound(MODELS[model], data, group=group)
    cells = some_cells(likelihood)
    found = walk(MODELS[model], data, group=group)
    free = found.free(dict(zip(likelihood.model.names, cells)))
    assert likelihood.value(cells) == pytest.approx(found.value(free, found.points(1)), abs=1e-8)


@pytest.mark.parametrize("model", MODELS)
def test_score(model):
    likelihood = bound(MODELS[model], holed())
    cells = some_cells(likelihood)
    value, score = likelihood.score(cells)
    assert value == pytest.approx(likelihood.value(cells), abs=1e-10)
    assert score == pytest.approx(differences(likelihood.value, cells), rel=1e-6, abs=1e-6)
    units = likelihood.unit_scores(cells)
    assert units.shape == (likelihood.design.unit_counts[likelihood.n_levels - 1], len(cells))
    assert units.sum(axis=0) == pytest.approx(score, rel=1e-9, abs=1e-9)


def test_score_of_a_unit_is_lost_with_the_unit():
    data = holed()
    whole = bound(MODELS["three levels"], data)
    cells = some_cells(whole)
    units = whole.unit_scores(cells)
    for k, school in enumerate(sorted(data["school"].unique())):
        rest = bound(MODELS["three levels"], data[data["school"] != school])
        assert whole.score(cells)[1] - rest.score(cells)[1] == pytest.approx(units[k], abs=1e-9)


def test_negative_variances_are_allowed_while_the_covariance_matrix_is_positive_definite():
    """A random intercept of negative variance: responses of a class that are alike less than by chance."""
    data = holed()
    likelihood = bound("g1 ~ w\n@level(class)\ng1 ~~ g1", data)
    for between in (0.3, 0.0, -0.05):
        expected = 0.0
        for _, rows in data.groupby("class"):
            covariance = between + 0.6 * np.eye(len(rows))
            expected += log_density(rows["g1"], 0.2 + 0.5 * rows["w"].to_numpy(), covariance)
        values = {"g1~w": 0.5, "g1~1": 0.2, "g1~~g1": 0.6, "g1~~g1.l2": between}
        cells = np.array([values[name] for name in likelihood.model.names])
        assert likelihood.value(cells) == pytest.approx(expected, abs=1e-10)
        assert likelihood.score(cells)[1] == pytest.approx(differences(likelihood.value, cells), rel=1e-6, abs=1e-6)
    # a class of five: 0.6 - 5 * 0.2 < 0
    cells[likelihood.model.names.index("g1~~g1.l2")] = -0.2
    assert likelihood.value(cells) == -np.inf


@pytest.mark.parametrize("between", [(-0.2, -0.2), (-0.14, -0.14)])
def test_two_negative_eigenvalues_do_not_pass_for_positive(between):
    """The determinant of I + SA is positive with two negative eigenvalues too."""
    rng = np.random.default_rng(1)
    data = sg.load_dataset("demo_twolevel").iloc[:40].copy()
    data["cluster"] = np.repeat(np.arange(10), 4)
    data.loc[rng.random(40) < 0.1, "y1"] = np.nan
    text = "y1 ~ 1\ny2 ~ 1\n@level(cluster)\ny1 ~~ y1\ny2 ~~ y2"
    likelihood = bound(text, data)
    order = {"y1~1": 0.0, "y2~1": 0.0, "y1~~y1": 0.6, "y2~~y2": 0.6}
    cells = np.array([order[n] if n in order else between[0] for n in likelihood.model.names])
    assert np.isfinite(likelihood.value(cells)) == (between[0] > -0.15)


def test_posterior_moments_are_those_of_the_joint_normal_distribution():
    data = holed(8)
    text = "f =~ g1 + g2\nf ~ c + w\n@level(class)\nc =~ k1 + k2\nc ~ x"
    likelihood = bound(text, data)
    values = {"f=~g2": 0.8, "f~c": 0.7, "f~w": 0.3, "c=~k2": 1.1, "c~x": 0.4, "g1~~g1": 0.5, "g2~~g2": 0.4,
              "k1~~k1": 0.3, "k2~~k2": 0.35, "f~~f": 0.6, "c~~c": 0.5, "g1~1": 0.1, "g2~1": 0.2, "k1~1": 0.3,
              "k2~1": 0.4}  # fmt: skip
    cells = np.array([values[n] for n in likelihood.model.names])
    mean, variance = likelihood.posterior(cells)[0]
    place = {name: k for k, name in enumerate((*likelihood.responses, *likelihood.model.eta))}
    rows = likelihood.design.kept
    first = 0
    for _, unit in data.iloc[rows].groupby("class", sort=False):
        n, x, w = len(unit), unit["x"].iloc[0], unit["w"].to_numpy()
        # (c, f_1 … f_n)' and the responses
        prior = np.zeros((n + 1, n + 1))
        prior[0, 0] = 0.5
        prior[0, 1:] = prior[1:, 0] = 0.7 * 0.5
        prior[1:, 1:] = 0.49 * 0.5 + 0.6 * np.eye(n)
        prior_mean = np.r_[0.4 * x, 0.28 * x + 0.3 * w]
        load = np.zeros((2 + 2 * n, n + 1))
        load[0, 0], load[1, 0] = 1.0, 1.1
        for i in range(n):
            load[2 + 2 * i, 1 + i], load[3 + 2 * i, 1 + i] = 1.0, 0.8
        theta = np.r_[0.3, 0.35, np.tile([0.5, 0.4], n)]
        intercept = np.r_[0.3, 0.4, np.tile([0.1, 0.2], n)]
        y = np.r_[unit["k1"].iloc[0], unit["k2"].iloc[0], unit[["g1", "g2"]].to_numpy().ravel()]
        seen = ~np.isnan(y)
        covariance = (load @ prior @ load.T + np.diag(theta))[np.ix_(seen, seen)]
        gain = prior @ load[seen].T @ np.linalg.inv(covariance)
        expected = prior_mean + gain @ (y - intercept - load @ prior_mean)[seen]
        spread = np.diag(prior - gain @ load[seen] @ prior)
        here = slice(first, first + n)
        assert mean[here, place["f"]] == pytest.approx(expected[1:], abs=1e-10)
        assert variance[here, place["f"]] == pytest.approx(spread[1:], abs=1e-10)
        assert mean[here, place["c"]] == pytest.approx(np.full(n, expected[0]), abs=1e-10)
        assert variance[here, place["c"]] == pytest.approx(np.full(n, spread[0]), abs=1e-10)
        first += n


@pytest.mark.parametrize("model", ["three levels", "random slopes"])
def test_order_of_rows(model):
    data = holed()
    cells = some_cells(bound(MODELS[model], data))
    shuffled = data.sample(frac=1.0, random_state=2)
    for name in ("class", "school"):
        shuffled[name] = 100 - shuffled[name]
    assert bound(MODELS[model], shuffled).value(cells) == pytest.approx(bound(MODELS[model], data).value(cells))


def test_complete_clusters_agree_with_their_moments():
    data = sg.load_dataset("demo_twolevel")
    text = "level: 1\nfw =~ y1 + y2 + y3\nfw ~ x1 + x2\nlevel: 2\nfb =~ y1 + y2 + y3\nfb ~ w1\n"
    fit = sg.sem(text, data, cluster="cluster")
    nested = NestedLikelihood(fit.model, fit.design)
    assert nested.value(fit.free) == pytest.approx(fit.loglik, abs=1e-8)
    away = fit.free + 0.05
    assert nested.score(away)[1] == pytest.approx(fit.likelihood.score(away)[1], rel=1e-8, abs=1e-8)
    assert nested.unit_scores(away) == pytest.approx(fit.likelihood.unit_scores(away), abs=1e-9)
    scale = np.sqrt(np.diag(fit.likelihood.information(fit.free)))
    difference = (nested.information(fit.free) - fit.likelihood.information(fit.free)) / np.outer(scale, scale)
    assert np.abs(difference).max() < 1e-6


def definition(likelihood, cells, g=0):
    """For each unit of the highest level its observed responses' means, covariance matrix, and the derivatives of both
    in the cells, from the graph of all its units at once: v = Bv + γ + ε."""
    model, design, group = likelihood.model, likelihood.design, likelihood.model.groups[g]
    height = {r.name: r.level for r in model.responses} | dict(zip(model.eta, model.eta_level))
    column = {name: design.column(name) for name in (*likelihood.covariates[g], *likelihood.times)}
    y = {}
    for block in design.blocks:
        if block.group == g:
            for row, value in zip(block.rows, block.y - block.offset):
                y[block.response.name, design.codes[height[block.response.name]][row]] = value
    q = model.n_parameters
    top = design.codes[likelihood.n_levels - 1]
    for unit in np.unique(top[design.group_of == g]):
        rows = np.flatnonzero(top == unit)
        nodes = {(name, design.codes[level][row]): None for name, level in height.items() for row in rows}
        nodes = {key: k for k, key in enumerate(nodes)}
        first = {(name, design.codes[height[name]][row]): row for name in height for row in rows[::-1]}
        B, S, gamma = np.zeros((len(nodes), len(nodes))), np.zeros((len(nodes), len(nodes))), np.zeros(len(nodes))
        dB, dS, dgamma = np.zeros((q, *B.shape)), np.zeros((q, *B.shape)), np.zeros((q, len(nodes)))

        def put(matrix, slope, cell, at, times=1.0):
            if cell.number >= 0:
                matrix[at] += times * cells[cell.number]
                slope[(cell.number, *np.atleast_1d(at))] += times
            else:
                matrix[at] += times * cell.value

        for (name, code), k in nodes.items():
            row = first[name, code]
            for cell in (*group.Lambda, *group.B, *group.beta, *group.Gamma):
                if cell.row != name:
                    continue
                times = column[cell.times][row] if getattr(cell, "times", None) else 1.0
                if cell.column in height:
                    put(B, dB, cell, (k, nodes[cell.column, design.codes[height[cell.column]][row]]), times)
                else:
                    put(gamma, dgamma, cell, k, 1.0 if cell.column == "1" else column[cell.column][row])
            for cell in (*group.Psi, *group.Theta, *group.Omega):
                if cell.row == name:
                    other = nodes[cell.column, code]
                    put(S, dS, cell, (k, other))
                    if other != k:
                        put(S, dS, cell, (other, k))
        E = np.linalg.inv(np.eye(len(nodes)) - B)
        P, mean = E @ S @ E.T, E @ gamma
        seen = [k for key, k in nodes.items() if key in y]
        dP, dmean = np.zeros((q, *B.shape)), np.zeros((q, len(nodes)))
        for j in range(q):
            half = E @ dB[j] @ P
            dP[j] = half + half.T + E @ dS[j] @ E.T
            dmean[j] = E @ (dgamma[j] + dB[j] @ mean)
        at = np.ix_(seen, seen)
        values = np.array([y[key] for key, k in nodes.items() if key in y])
        yield values, mean[seen], P[at], dmean[:, seen], dP[:, at[0], at[1]]


def by_definition(likelihood, cells):
    out = np.zeros((len(cells), len(cells)))
    for g in range(len(likelihood.model.groups)):
        for _, _, Sigma, slope, change in definition(likelihood, cells, g):
            inverse = np.linalg.inv(Sigma)
            moved = inverse @ change
            out += slope @ inverse @ slope.T + 0.5 * np.einsum("aij,bji->ab", moved, moved)
    return out


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("group", [None, "half"])
def test_expected_information_by_definition(model, group):
    data = holed()
    if group:
        data["half"] = np.where(data["class" if model == "feedback" else "school"] % 2, "odd", "even")
    likelihood = bound(MODELS[model], data, group=group)
    cells = some_cells(likelihood)
    expected = by_definition(likelihood, cells)
    scale = np.sqrt(np.diag(expected))
    found = likelihood.information(cells, expected=True)
    assert found / np.outer(scale, scale) == pytest.approx(expected / np.outer(scale, scale), abs=1e-10)


def test_the_definition_is_that_of_the_likelihood():
    for text in MODELS.values():
        likelihood = bound(text, holed())
        cells = some_cells(likelihood)
        total = sum(log_density(y, mean, Sigma) for y, mean, Sigma, *_ in definition(likelihood, cells))
        assert likelihood.value(cells) == pytest.approx(total, abs=1e-8)


def test_expected_information_of_complete_clusters_is_that_of_their_moments():
    data = sg.load_dataset("demo_twolevel")
    text = "level: 1\nfw =~ y1 + y2 + y3\nfw ~ x1 + x2\nlevel: 2\nfb =~ y1 + y2 + y3\nfb ~ w1\n"
    fit = sg.sem(text, data, cluster="cluster")
    nested = NestedLikelihood(fit.model, fit.design)
    for free in (fit.free, fit.free + 0.05):
        expected = fit.likelihood.information(free, expected=True)
        assert nested.information(free, expected=True) == pytest.approx(expected, rel=1e-9, abs=1e-9 * expected.max())


def test_expected_information_is_refused_where_it_does_not_fit(monkeypatch):
    from semgllamm.errors import EstimationError
    from semgllamm.integration import nested_information

    likelihood = bound(MODELS["three levels"], holed())
    cells = some_cells(likelihood)
    assert likelihood.has_expected
    monkeypatch.setattr(nested_information, "LARGEST", 100)
    assert not likelihood.has_expected
    with pytest.raises(EstimationError, match="the expected information needs matrices of"):
        likelihood.information(cells, expected=True)


def test_random_effects_without_paths():
    likelihood = bound("g1 ~ w\n@level(class)\ng1 ~~ g1", holed())
    cells = some_cells(likelihood)
    expected = by_definition(likelihood, cells)
    assert likelihood.information(cells, expected=True) == pytest.approx(expected, abs=1e-10 * expected.max())
