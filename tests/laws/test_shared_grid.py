"""The shared grid: its log-likelihood is the recursion's, its score and information are those of its log-likelihood,
and it knows its error."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from brute_force import Unit, log_density, log_likelihood
from walk import Walk, differences, walk

import semgllamm
from semgllamm import EstimationError, ModelError
from semgllamm.estimation.grid import GridLikelihood, shared_grid
from semgllamm.estimation.likelihood import Likelihood
from semgllamm.estimation.predictor import Predictor
from semgllamm.estimation.resampling import resampled_estimates
from semgllamm.integration import grid


def answers(n=60, seed=3):
    """Nine binary, two graded and one counted item of three correlated traits; covariates, groups, missing answers."""
    rng = np.random.default_rng(seed)
    traits = rng.multivariate_normal(np.zeros(3), 0.5 + 0.5 * np.eye(3), n)
    nu = 1.3 * traits[:, np.repeat([0, 1, 2], 3)] + np.linspace(-1, 1, 9)
    data = pd.DataFrame((rng.random((n, 9)) < 1 / (1 + np.exp(-nu))) * 1.0, columns=[f"b{k}" for k in range(1, 10)])
    data["o1"] = np.digitize(traits[:, 0] + rng.logistic(size=n), [-1, 0.4]) * 1.0
    data["o2"] = np.digitize(traits[:, 1] + rng.normal(size=n), [-0.5, 0.5, 1.5]) * 1.0
    data["c1"] = rng.poisson(np.exp(0.3 + 0.4 * traits[:, 0])).astype(float)
    data["m1"] = rng.binomial(4, 1 / (1 + np.exp(-traits[:, 0]))).astype(float)
    data["w"], data["v"] = rng.normal(size=(2, n))
    data["sex"], data["old"] = (np.arange(n) % 2) * 1.0, (np.arange(n) % 3 == 0) * 1.0
    data["half"] = np.where(np.arange(n) % 2, "a", "b")
    utilities = traits[:, [0, 1], None] * np.array([0.0, 1.0, -0.7]) + rng.gumbel(size=(n, 2, 3))
    data["n1"], data["n2"] = utilities.argmax(axis=2).T
    data["c2"] = rng.poisson(np.exp(0.5 * traits[:, 0] + rng.normal(size=n)) * (rng.random(n) < 0.8)).astype(float)
    data["m2"] = rng.binomial(4, 1 / (1 + np.exp(-traits[:, 0]))).astype(float)
    return data


def with_holes(n=60):
    data = answers(n)
    data.loc[[0, 5], "b1"] = np.nan
    data.loc[[3], ["b2", "b3", "o1"]] = np.nan
    data.loc[[7], ["b4", "b5", "b6", "o2"]] = np.nan
    return data


@dataclass(frozen=True)
class Case:
    text: str
    points: int = 81
    adaptive: int = 25
    arguments: dict = field(default_factory=dict)  # beside the family of the binary items
    data: object = answers

    @property
    def all_arguments(self):
        return {"family": "bernoulli(logit)"} | self.arguments


MIXED = "@family(b1 + b4, bernoulli(logit))\n@family(b2, bernoulli(probit))\n@family(b3, bernoulli(cloglog))\n"
CASES = {
    "one factor": Case("f =~ b1 + b2 + b3 + b4"),
    "equal loadings": Case("f =~ NA*b1 + a*b1 + a*b2 + a*b3\nf ~~ 1*f"),
    "every family that has few answers": Case(
        "f =~ b1 + b2 + b3 + b4 + o1 + c1 + m1\n" + MIXED
        + "@family(o1, ordinal(logit))\n@family(c1, poisson)\n@family(m1, binomial)\n@trials(m1, 4)"
    ),
    "missing answers": Case("f =~ b1 + b2 + b3 + o1\n@family(o1, ordinal(probit))", data=with_holes),
    "a latent regression and effects on items": Case("f =~ b1 + b2 + b3 + b4\nf ~ w + v\nb2 ~ sex\nb3 ~ sex + old"),
    "loadings that depend on a covariate": Case(
        "f =~ b1 + b2 + b3 + b4\nb4 ~ sex + f:sex"
    ),
    "two factors": Case("f =~ b1 + b2 + b3\ng =~ b4 + b5 + o2\n@family(o2, ordinal(probit))", data=with_holes),
    "two groups": Case(
        "f =~ b1 + b2 + b3 + o1\ng =~ b4 + b5 + b6\nf ~ w\n@family(o1, ordinal(logit))", data=with_holes,
        arguments={"group": "half"},
    ),
    "equal in two groups": Case(
        "f =~ c(a, a)*b1 + c(b, b)*b2 + c(d, d)*b3 + b4", arguments={"group": "half"},
    ),
    "a structural model": Case("f =~ b1 + b2 + b3\ng =~ b4 + b5 + b6\ng ~ f + w\nf ~ v"),
    "an item of two factors": Case("f =~ b1 + b2 + b3 + b4\ng =~ b4 + b5 + b6"),
    "three factors": Case("f =~ b1 + b2 + b3\ng =~ b4 + b5 + b6\nh =~ b7 + b8 + b9", 51, 15),
    "a factor of three factors": Case(
        "f =~ b1 + b2 + b3\ng =~ b4 + b5 + b6\nh =~ b7 + b8 + b9\nall =~ f + g + h\nall ~ w", 51, 15
    ),
    "nominal items": Case("f =~ n1 + b2 + n2\n@family(n1 + n2, multinomial)"),
    "nominal items of two factors, with covariates": Case(
        "f =~ n1 + b1 + b2\ng =~ n2 + b4 + b5\nn1 ~ sex\ng ~ w\n@family(n1 + n2, multinomial)", data=with_holes
    ),
    "a nominal item of two factors": Case("f =~ b1 + b2 + n1\ng =~ b4 + b5 + n1\n@family(n1, multinomial)"),
    "nominal items in two groups": Case(
        "f =~ n1 + b2 + n2\n@family(n1 + n2, multinomial)", data=with_holes, arguments={"group": "half"}
    ),
    "negative binomial counts": Case(
        "f =~ c1 + c2 + b2\nf ~ w\n@family(c1, nbinom2)\n@family(c2, nbinom1)\n@dispersion(c1 ~ sex)"
    ),
    "zero-inflated counts": Case(
        "f =~ b1 + c1 + c2\n@family(c1, zipoisson)\n@family(c2, zinbinom2)\n@inflation(c1 ~ 1)", adaptive=41
    ),
    "a residual variance that is a multiple of another": Case(
        "f =~ m1 + m2 + b2\nm1 ~~ v*m1\nm2 ~~ u*m2\n@family(m1 + m2, gaussian)\nu == 2*v"
    ),
    "a general and two special factors": Case(
        "all =~ b1 + b2 + b3 + b4 + b5 + b6\nf =~ 1*b1 + 1*b2 + b3\ng =~ 1*b4 + b5 + b6\n"
        "all ~~ 0*f + 0*g\nf ~~ 0*g", 51, 15
    ),
}  # fmt: skip


def gridded(case: Case) -> tuple[Walk, GridLikelihood, np.ndarray]:
    found = walk(case.text, case.data(), **case.all_arguments)
    likelihood = shared_grid(found.model, found.working, found.likelihood.predictor.design, 1)
    free = found.start + 0.1 * np.random.default_rng(1).normal(size=likelihood.n_free)
    likelihood.place(free)
    return found, likelihood, free


@pytest.mark.parametrize("name", CASES)
def test_the_log_likelihood_is_the_recursions(name):
    case = CASES[name]
    found, likelihood, free = gridded(case)
    expected = found.value(free, found.points(case.adaptive))
    assert likelihood.value(free, (case.points,)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_the_score_is_its_derivative(name):
    case = CASES[name]
    _, likelihood, free = gridded(case)
    points = (21,)  # exact for the grid in use, however coarse
    loglik, score = likelihood.score(free, points)
    assert loglik == pytest.approx(likelihood.value(free, points), abs=1e-9)
    expected = differences(lambda x: likelihood.value(x, points), free)
    np.testing.assert_allclose(score, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_the_information_is_the_derivative_of_the_score(name):
    case = CASES[name]
    _, likelihood, free = gridded(case)
    points = (21,)
    *_, information = likelihood.louis(free, points)
    steps = 1e-3 * np.maximum(1.0, np.abs(free))
    for k, h in enumerate(steps):
        e = np.zeros(len(free))
        e[k] = h
        at = [likelihood.score(free + t * e, points)[1] for t in (1, -1, 2, -2)]
        slope = (8 * (at[0] - at[1]) - (at[2] - at[3])) / (12 * h)
        np.testing.assert_allclose(information[k], -slope, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_scores_of_rows_are_the_recursions_and_add_up(name):
    case = CASES[name]
    found, likelihood, free = gridded(case)
    points = (case.points,)
    scores, total = likelihood.unit_scores(free, points), likelihood.score(free, points)[1]
    np.testing.assert_allclose(scores.sum(axis=0), total, rtol=1e-7, atol=1e-7)
    design = found.likelihood.predictor.design
    assert len(scores) == design.n_rows
    if sum(parent < 0 for parent in found.tree.parent.values()) > 1:
        return  # the recursion takes independent latent variables of a row apart
    # every row has its own score in the recursion if identical ones are not collapsed
    apart = Likelihood(Predictor(found.model, found.working, found.tree, design, False))
    expected = apart.unit_scores(free, found.points(case.adaptive))
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_against_the_definition():
    data = answers(12)
    case = Case(
        "f =~ o1 + b2\ng =~ c1 + b4\n@family(o1, ordinal(logit))\n@family(c1, poisson)\n"
        "@family(b2, bernoulli(probit))\n@family(b4, bernoulli(cloglog))\ng ~ w", data=lambda: data
    )  # fmt: skip
    found, likelihood, _ = gridded(case)
    values = {"f=~b2": 0.7, "g=~b4": -0.9, "g~w": 0.5, "f~~f": 0.8, "g~~g": 0.5, "o1|t1": -0.6, "o1|t2": 0.9,
              "b2~1": 0.2, "c1~1": 0.3, "b4~1": -0.4}  # fmt: skip

    def unit(row):
        def items(f, zeta):
            g = 0.5 * row.w + zeta
            return (
                log_density("ordinal(logit)", row.o1, f, kappa=(-0.6, 0.9))
                + log_density("bernoulli(probit)", row.b2, 0.2 + 0.7 * f)
                + log_density("poisson", row.c1, 0.3 + g)
                + log_density("bernoulli(cloglog)", row.b4, -0.4 - 0.9 * g)
            )

        return Unit([[0.8, 0.0], [0.0, 0.5]], [items])

    free = found.free(values)
    likelihood.place(free)
    expected = log_likelihood([unit(row) for row in data.itertuples()], 61)
    assert likelihood.value(free, (81,)) == pytest.approx(expected, abs=1e-7)


def test_extreme_factors_are_added_up_in_logs():
    case = CASES["three factors"]
    _, likelihood, free = gridded(case)
    at = likelihood._at(free, (31,))
    arguments = (at.axes, at.supports, at.answers, at.tables, likelihood.units, at.priors[0])
    room, by_logs = (grid.room(at.axes, at.supports, False) for _ in range(2))
    steep = at.axes._replace(eta=at.axes.eta * np.array([[1.0], [1e6], [1.0]]))
    for i in range(5):
        value = grid.posterior(i, *arguments, True, room)
        assert grid.fill_by_factors(steep, at.priors[0], room) == np.inf
        assert grid.find_window(i, *arguments, by_logs)
        for a in range(3):
            lo, hi = by_logs.window[a]
            start = by_logs.part[1 << a]
            e = by_logs.e[a, lo:hi]
            by_logs.p[start : start + hi - lo] = by_logs.bound[a, a, lo:hi] - 0.5 * at.priors[0].precision[a, a] * e * e
        top = grid.fill_by_logs(likelihood.units.code[i], at.supports, at.answers, at.tables, at.priors[0], by_logs)
        cells = int(np.diff(by_logs.window, axis=1).prod())
        mass = by_logs.p[by_logs.part[7] :][:cells].sum()
        assert top + np.log(mass) + at.priors[0].constant == pytest.approx(value, abs=1e-10)


def test_identical_rows_are_kept_once_and_count_as_many():
    once = Case("f =~ b1 + b2 + b3\nf ~ sex")
    data = answers(40)
    twice = Case(once.text, data=lambda: pd.concat([data, data], ignore_index=True))
    _, single, free = gridded(Case(once.text, data=lambda: data))
    _, double, _ = gridded(twice)
    assert double.n_units == single.n_units < 40
    double.place(free)
    single.place(free)
    for a, b in zip(single.louis(free, (41,)), double.louis(free, (41,))):
        np.testing.assert_allclose(2 * np.asarray(a), b, rtol=1e-12)


@pytest.mark.parametrize("name", ["one factor", "two factors", "three factors"])
def test_threads_change_no_digit(name):
    case = CASES[name]
    found, one, free = gridded(case)
    two = shared_grid(found.model, found.working, found.likelihood.predictor.design, 2)
    two.place(free)
    assert one.value(free, (case.points,)) == two.value(free, (case.points,))
    np.testing.assert_array_equal(one.louis(free, (41,))[2], two.louis(free, (41,))[2])


@pytest.mark.parametrize("name", ["one factor", "two factors"])
def test_the_error_is_known_before_it_is_measured(name):
    """The bound for normal posteriors holds for steps at which it promises little."""
    _, likelihood, free = gridded(CASES[name])
    sharpness = likelihood.sharpness(free, (101,))
    exact = likelihood.value(free, (201,))
    for error in (1e-2, 1e-3, 1e-4):
        points = likelihood.points_for(likelihood.step_for(sharpness, error))
        assert abs(likelihood.value(free, (points,)) - exact) < error


FITS = ("one factor", "missing answers", "a latent regression and effects on items", "two factors",
        "equal in two groups")  # fmt: skip


@pytest.mark.parametrize("name", FITS)
def test_fits_agree_with_adaptive_quadrature(name):
    case = CASES[name]
    data = with_holes(400) if case.data is with_holes else answers(400)
    ours = semgllamm.fit(case.text, data, **case.all_arguments)
    theirs = semgllamm.fit(case.text, data, quadrature=semgllamm.Adaptive(21), **case.all_arguments)
    assert ours.method == "quadrature on a shared grid" and ours.converged and theirs.converged
    assert ours.loglik == pytest.approx(theirs.loglik, abs=1e-4)
    se = np.sqrt(np.diag(theirs.vcov()))
    assert np.max(np.abs(ours.coef - theirs.coef) / se) < 1e-3
    np.testing.assert_allclose(np.sqrt(np.diag(ours.vcov())), se, rtol=1e-3)
    np.testing.assert_allclose(ours.latent(), theirs.latent(), atol=1e-3)


@pytest.mark.parametrize("kind", ["ordinary", "parametric"])
def test_bootstrap_samples_are_fitted_on_the_grid(kind):
    case, data = CASES["one factor"], answers(400)
    ours = semgllamm.fit(case.text, data, **case.all_arguments)
    theirs = semgllamm.fit(case.text, data, quadrature=semgllamm.Adaptive(21), **case.all_arguments)
    drawn, expected = (
        resampled_estimates(fit.likelihood, ours.free, 6, kind, seed=1, workers=1, points=points).free
        for fit, points in ((ours, (121,)), (theirs, (41,)))
    )  # fmt: skip
    assert np.isfinite(drawn).all()
    np.testing.assert_allclose(drawn, expected, rtol=1e-3, atol=1e-3)


def test_the_remaining_error_is_that_of_the_points():
    data, text = answers(400), CASES["one factor"].text
    fine = semgllamm.fit(text, data, family="bernoulli", quadrature=semgllamm.Grid(points=121))
    coarse = semgllamm.fit(text, data, family="bernoulli", quadrature=semgllamm.Grid(points=17))
    assert coarse.points == (17,)
    estimates, loglik = coarse.quadrature_error
    assert fine.loglik - coarse.loglik == pytest.approx(loglik, rel=0.1)
    se = np.sqrt(np.diag(fine.vcov()))
    assert np.max(np.abs(fine.coef - coarse.coef) / se) == pytest.approx(estimates, rel=0.2)


def test_a_grid_of_given_points_lies_where_the_estimates_are():
    text, data = CASES["one factor"].text, answers(200)
    fits = [
        semgllamm.fit(text, data, family="bernoulli", quadrature=semgllamm.Grid(points=17), start=start)
        for start in ({}, {"f~~f": 3.0, "f=~b2": 0.4})
    ]  # fmt: skip
    assert fits[0].loglik == pytest.approx(fits[1].loglik, abs=1e-7)
    np.testing.assert_allclose(fits[0].coef, fits[1].coef, rtol=1e-4, atol=1e-4)
    placed = fits[0].likelihood
    there = placed.value(fits[0].free, (17,))
    placed.place(fits[0].free)
    assert placed.value(fits[0].free, (17,)) == pytest.approx(there, abs=1e-7)
    placed.place(placed.start_values(fits[0].diagram))
    assert abs(placed.value(fits[0].free, (17,)) - there) > 1e-6  # few points: the place matters


def test_a_variance_of_zero_is_left_to_adaptive_quadrature():
    rng = np.random.default_rng(4)
    data = pd.DataFrame(rng.integers(0, 2, (300, 3)) * 1.0, columns=["b1", "b2", "b3"])
    text = "f =~ 1*b1 + 1*b2 + 1*b3"
    data.loc[:149, "b2"] = 1 - data.loc[:149, "b1"]  # answers that agree less than by chance
    ours = semgllamm.fit(text, data, family="bernoulli")
    theirs = semgllamm.fit(text, data, family="bernoulli", quadrature=semgllamm.Adaptive())
    assert theirs.boundary and ours.boundary == theirs.boundary
    assert ours.loglik == pytest.approx(theirs.loglik, abs=1e-8)


WITHOUT = {
    "an item with a continuous covariate": ("f =~ b1 + b2 + b3\nb2 ~ w", {}),
    "a response without a latent variable": ("f =~ b1 + b2 + b3\nb4 ~ w", {}),
    "rows in clusters": ("b1 ~ sex + (1 | half)".replace("b2 + b3 + b4 + b5 + b6 + b7 + b8 + b9", "b1"), {}),
    "four factors": ("f =~ b1 + b2\ng =~ b3 + b4\nh =~ b5 + b6\ni =~ b7 + b8 + b9", {}),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_models_without_a_grid(name):
    text, arguments = WITHOUT[name]
    if name != "rows in clusters":
        found = walk(text, answers(300), family="bernoulli", **arguments)
        assert shared_grid(found.model, found.working, found.likelihood.predictor.design) is None
    with pytest.raises(ModelError, match="no shared grid"):
        semgllamm.fit(text, answers(300), quadrature=semgllamm.Grid(), family="bernoulli", **arguments)


@pytest.mark.parametrize("points", [3, 0, 2.5, 10_000])
def test_points_of_a_grid_are_checked(points):
    with pytest.raises(EstimationError, match="points"):
        semgllamm.fit(CASES["one factor"].text, answers(), family="bernoulli", quadrature=semgllamm.Grid(points=points))
