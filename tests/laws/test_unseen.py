"""Units that are in the data only if they were seen: likelihood, score and information, and how many there are."""

from math import comb

import numpy as np
import pandas as pd
import pytest
from brute_force import Unit, log_likelihood
from scipy import stats
from scipy.optimize import minimize
from scipy.special import expit
from walk import Walk, differences, walk

import semgllamm as sg
from semgllamm import DataError, EstimationError, ModelError, ModelSyntaxError
from semgllamm.estimation.unseen import SeenLikelihood

ITEMS = """
theta =~ 1*c1 + 1*c2 + c3     @family(bernoulli)
theta ~ x
@unseen(row)
"""
COUNTS = "y ~ x + (1 + x | animal)  @family(poisson)\n@unseen(animal)"


def seen_walk(text, data, ordinary=False) -> Walk:
    found = walk(text, data, ordinary=ordinary)
    predictor = found.likelihood.predictor
    likelihood = SeenLikelihood(predictor, ordinary, 1)
    return Walk(found.diagram, found.model, found.tree, found.working, likelihood, found.constraints)


def items(n=40, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.integers(-1, 2, 3 * n).astype(float)
    theta = 0.5 * x + rng.normal(size=3 * n)
    data = pd.DataFrame({f"c{k}": (rng.logistic(size=3 * n) < theta - 0.3 * k).astype(float) for k in (1, 2, 3)})
    data["x"] = x
    data = data[data[["c1", "c2", "c3"]].sum(axis=1) > 0].head(n).reset_index(drop=True)
    data.loc[data.index[data[["c1", "c2"]].sum(axis=1) > 0][0], "c3"] = np.nan
    return data


def counts(animals=20, seed=2):
    rng = np.random.default_rng(seed)
    animal = np.repeat(np.arange(animals), 3)
    x = rng.normal(size=len(animal)).round(1)
    y = rng.poisson(np.exp(0.2 + 0.4 * x + 0.5 * rng.normal(size=animals)[animal]))
    data = pd.DataFrame({"animal": animal, "x": x, "y": y.astype(float)})
    return data[data.groupby("animal")["y"].transform("sum") > 0].reset_index(drop=True)


MODELS = {"items": (ITEMS, items), "counts": (COUNTS, counts)}


def test_likelihood_from_its_definition():
    data = items(15)
    values = {"theta=~c3": 0.8, "theta~x": 0.5, "theta~~theta": 0.9, "c1~1": 0.2, "c2~1": -0.4, "c3~1": -0.9}
    found = seen_walk(ITEMS, data)
    beta, lam = (0.2, -0.4, -0.9), (1.0, 1.0, 0.8)

    def unit(row, answers):
        def log_f(zeta):
            theta = 0.5 * row.x + zeta
            return sum(-np.logaddexp(0, -(2 * y - 1) * (b + l * theta))
                       for y, b, l in zip(answers, beta, lam) if not np.isnan(y))  # fmt: skip
        return Unit([[0.9]], [log_f])

    expected = 0.0
    for row in data.itertuples():
        answers = np.array([row.c1, row.c2, row.c3])
        expected += log_likelihood([unit(row, answers)], 401)
        expected -= np.log1p(-np.exp(log_likelihood([unit(row, 0.0 * answers)], 401)))
    assert found.value(found.free(values), found.points(31)) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("ordinary", [False, True])
@pytest.mark.parametrize("points", [1, 4])
@pytest.mark.parametrize("name", MODELS)
def test_the_score_is_the_derivative_of_the_reported_log_likelihood(name, points, ordinary):
    text, data = MODELS[name]
    found = seen_walk(text, data(), ordinary)
    rule = found.points(points)
    free = found.start + 0.1 * np.random.default_rng(1).normal(size=len(found.start))
    score = found.score(free, rule)
    np.testing.assert_allclose(score, differences(lambda x: found.value(x, rule), free), rtol=1e-6, atol=1e-6)
    units = found.likelihood.unit_scores(free, rule)
    assert len(units) == found.likelihood.n_seen
    np.testing.assert_allclose(units.sum(axis=0), score, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_the_information_is_the_derivative_of_the_score(name):
    text, data = MODELS[name]
    found = seen_walk(text, data(), ordinary=True)
    rule = found.points(6)
    free = found.start + 0.1 * np.random.default_rng(2).normal(size=len(found.start))
    expected = np.array([
        differences(lambda x, k=k: found.score(x, rule)[k], free) for k in range(len(free))
    ])  # fmt: skip
    np.testing.assert_allclose(found.likelihood.louis(free, rule)[2], -expected, rtol=2e-6, atol=2e-6)


def test_the_number_of_units_moves_as_its_derivative_says():
    found = seen_walk(ITEMS, items())
    rule = found.points(5)
    free = found.start + 0.1
    found.likelihood.cold()
    total, variance, slope = found.likelihood.population(free, rule)
    assert total > found.likelihood.n_seen and variance > 0

    def number(x):
        found.likelihood.cold()
        return found.likelihood.population(x, rule)[0]

    np.testing.assert_allclose(slope, differences(number, free), rtol=1e-6, atol=1e-6)


def test_hares_with_normal_log_odds_of_being_caught():
    """68 hares on six occasions (Cormack 1989): the maximum of the same likelihood on a dense grid, by SciPy."""
    caught = np.repeat(np.arange(1, 7), [25, 22, 13, 5, 1, 2])
    data = pd.DataFrame({"y": caught, "hare": np.arange(68), "n": 6})
    fit = sg.fit("y ~ (1 | hare)  @family(binomial)\n@trials(y, n)\n@unseen(hare)", data, progress=False,
                 quadrature=sg.Adaptive(points=31), settings=sg.Settings(tolerance=1e-16))  # fmt: skip
    z = np.linspace(-8, 8, 4001)
    w = stats.norm.pdf(z) * (z[1] - z[0])

    def shares(x):
        p = expit(x[0] + x[1] * z)
        return np.array([comb(6, k) * (w * p**k * (1 - p) ** (6 - k)).sum() for k in range(7)])

    def minus_log_likelihood(x):
        f = shares(x)
        return 68 * np.log1p(-f[0]) - np.log(f[caught]).sum()

    best = minimize(minus_log_likelihood, [-1.2, 0.8], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13})
    assert fit.loglik == pytest.approx(-best.fun, abs=1e-7)
    found = fit.population().iloc[0]
    assert found.total == pytest.approx(68 / (1 - shares(best.x)[0]), abs=1e-2)
    assert found.seen == 68 and 68 < found["ci.lower"] < found.total < found["ci.upper"]


def test_the_animals_that_were_drawn_are_counted():
    """1000 animals, of which 7 in 10 are seen: their number lies within three standard errors."""
    rng = np.random.default_rng(5)
    theta = rng.normal(size=1000)
    data = pd.DataFrame({f"c{k}": (rng.logistic(size=1000) < theta - 1.2 + 0.1 * k).astype(int) for k in range(1, 6)})
    seen = data[data.sum(axis=1) > 0]
    text = "theta =~ 1*c1 + 1*c2 + 1*c3 + 1*c4 + 1*c5  @family(bernoulli)\n@unseen(row)"
    fit = sg.fit(text, seen, progress=False)
    found = fit.population().iloc[0]
    assert fit.converged and found.seen == len(seen)
    assert abs(found.total - 1000) < 3 * found.se
    for row in fit.parameters[fit.parameters.free > 0].itertuples():
        truth = 1.0 if row.op == "~~" else -1.2 + 0.1 * int(row.lhs[1])
        assert abs(row.est - truth) < 4 * row.se
    robust = sg.fit(text, seen, progress=False, se="robust").parameters
    assert np.isfinite(robust.se[robust.free > 0]).all()


REFUSED = {
    "a unit that was not seen": (ITEMS, items().assign(c1=0.0, c2=0.0, c3=0.0), DataError, ("40 units of 'row'",)),
    "a family without zeros": ("f =~ c1 + c2 + x\n@family(c1 + c2, bernoulli)\n@unseen(row)", items(), ModelError,
                               ("'x' is gaussian", "line 3", "bernoulli")),
    "another level": (COUNTS.replace("unseen(animal)", "unseen(row)"), counts(), ModelError,
                      ("units of 'row'", "'animal'", "line 2")),
    "nothing latent": ("c1 ~ x  @family(bernoulli)\n@unseen(row)", items(), ModelError, ("nothing latent", "line 2")),
    "classes": ("@latent(k, classes(2))\nk =~ c1 + c2 + c3\n@family(c1 + c2 + c3, bernoulli)\n@unseen(row)", items(),
                ModelError, ("classes of 'k'", "line 4", "@composite")),
    "two levels": (COUNTS + "\n@unseen(row)", counts(), ModelError, ("Two different @unseen",)),
    "no level": (COUNTS + "\n@unseen(animal, x)", counts(), ModelSyntaxError, ("@unseen takes one level",)),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_with_place_and_remedy(case):
    text, data, kind, said = REFUSED[case]
    with pytest.raises(kind) as caught:
        sg.fit(text, data, progress=False)
    for words in said:
        assert words in str(caught.value)


def test_what_needs_unseen_units_is_refused():
    fit = sg.fit(COUNTS.replace("1 + x |", "1 |"), counts(60), progress=False)
    with pytest.raises(EstimationError, match="no bootstrap samples"):
        fit.bootstrap(n=2)
    plain = sg.fit("y ~ x + (1 | animal)  @family(poisson)", counts(60), progress=False)
    with pytest.raises(ModelError, match="@unseen"):
        plain.population()


def test_what_is_drawn_was_seen():
    """The share of animals that are caught once, twice, … among those that are caught at all."""
    data = pd.DataFrame({"hare": np.arange(4000), "n": 4, "y": 1})
    drawn = sg.simulate(
        "y ~ (-1.0)*1 + (1 | hare)  @family(binomial)\n@trials(y, n)\n@unseen(hare)", data, seed=1,
        values={"hare.intercept~~hare.intercept": 0.8},
    )  # fmt: skip
    z = np.linspace(-8, 8, 2001)
    p = expit(-1.0 + np.sqrt(0.8) * z)
    shares = np.array([comb(4, k) * (stats.norm.pdf(z) * p**k * (1 - p) ** (4 - k)).sum() for k in range(5)])
    expected = 4000 * shares[1:] / shares[1:].sum()
    observed = np.bincount(drawn["y"].astype(int), minlength=5)
    assert observed[0] == 0
    assert ((observed[1:] - expected) ** 2 / expected).sum() < stats.chi2.isf(1e-4, 3)


def test_fits_of_units_that_were_seen_are_drawn_and_judged_as_such():
    data = counts(60)
    fit = sg.fit(COUNTS.replace("1 + x |", "1 |"), data, progress=False)
    for latent in ("prior", "posterior"):
        drawn = fit.simulate(5, seed=1, latent=latent)
        assert (drawn["y"].groupby([drawn.index.get_level_values("draw"), drawn["animal"]]).sum() > 0).all()
    assert np.isfinite(fit.residuals("quantile", latent="eb", seed=1)).all(axis=None)
    with pytest.raises(ModelError, match="population of all"):
        fit.residuals("quantile")
