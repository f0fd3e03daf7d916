"""Products of latent variables: dense grids, differences, and what does not change anything."""

import numpy as np
import pandas as pd
import pytest
from brute_force import Unit, log_density, log_likelihood
from walk import differences, walk

import semgllamm as sg
from semgllamm.errors import DataError, ModelError, ModelSyntaxError
from semgllamm.estimation.normal_products import NormalProducts, has_normal_products

KENNY_JUDD = """
f1 =~ y1 + y2
f2 =~ y3 + y4
f3 =~ y5 + y6
f3 ~ f1 + f2 + f1:f2 + f1:f1
"""
MODELS = {
    "interaction": KENNY_JUDD,
    "covariates and causes": KENNY_JUDD + "f1 ~ x\nf2 ~ f1 + x\ny5 ~ f2:f2 + x",
    "binary outcome": "f1 =~ y1 + y2\nf2 =~ y3 + y4\nb ~ f1 + f1:f2  @family(bernoulli)\nf1 ~ x\nf2 ~ 1",
    "square behind a binary answer": "f1 =~ y1 + y2\nb ~ f1 + f1:f1  @family(bernoulli)\nf1 ~ x",
    "two levels": "f1 =~ y1 + y2\nb ~ f1 + g + g:f1  @family(bernoulli)\ny3 ~ 1\ny4 ~ 1\n@level(c)\ng =~ y3 + y4",
    "random slope of a factor": 'f1 =~ y1 + y2\ny3 ~ rv("s")*f1\n@level(c)\ns ~~ s',
    "residual covariance": KENNY_JUDD + "y5 ~~ y1",
}


def answers(n=8, seed=4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    f1, x = rng.normal(size=(2, n))
    f2 = 0.4 * f1 + 0.9 * rng.normal(size=n)
    f3 = 0.3 * f1 - 0.2 * f2 + 0.5 * f1 * f2 + 0.3 * f1**2 + 0.7 * rng.normal(size=n)
    data = {"x": x, "c": np.arange(n) // 2, "b": 1.0 * (rng.logistic(size=n) < f1 * f2)}
    for k, f in enumerate((f1, f1, f2, f2, f3, f3)):
        data[f"y{k + 1}"] = 0.3 * (k % 2) + f * (1 + 0.1 * (k % 2)) + 0.6 * rng.normal(size=n)
    return pd.DataFrame(data)


def somewhere(found, seed=3) -> np.ndarray:
    return found.start + 0.2 * np.random.default_rng(seed).normal(size=len(found.start))


@pytest.mark.parametrize("name", MODELS)
def test_score_is_the_derivative_with_points_that_move(name):
    found = walk(MODELS[name], answers())
    free = somewhere(found)
    for points in (found.points(1), found.points(3), found.points(7, 5)):
        expected = differences(lambda x, points=points: found.value(x, points), free)
        np.testing.assert_allclose(found.score(free, points), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "residual covariance"])
def test_information_is_the_derivative_of_the_score(name):
    found = walk(MODELS[name], answers())
    free, points = somewhere(found), found.points(21)
    _, _, information = found.likelihood.louis(free, points)
    h, expected = 1e-4, np.zeros_like(information)
    for k in range(len(free)):
        e = h * np.eye(len(free))[k]
        expected[k] = -(found.score(free + e, points) - found.score(free - e, points)) / (2 * h)
    np.testing.assert_allclose(information, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["interaction", "binary outcome", "two levels", "random slope of a factor"])
def test_scores_of_units_add_up(name):
    found = walk(MODELS[name], answers())
    free, points = somewhere(found), found.points(5)
    total = found.likelihood.unit_scores(free, points).sum(axis=0)
    np.testing.assert_allclose(total, found.score(free, points), rtol=1e-8, atol=1e-8)


def test_coefficient_of_zero_is_the_linear_model():
    linear = "f1 =~ y1 + y2 + y3\nf2 =~ y4 + y5 + y6\nf3 =~ y7 + y8 + y9\nf3 ~ f1 + f2\n"
    data = simulated(100)
    plain = sg.fit(linear, data)
    bent = sg.fit(linear + "f3 ~ 0*f1:f2 + 0*f1:f1", data)
    assert bent.points and not plain.points
    assert bent.loglik == pytest.approx(plain.loglik, abs=1e-8)
    found = walk(linear + "f3 ~ 0*f1:f2 + 0*f1:f1", data)
    cells = found.free(plain.coef.to_dict())
    assert found.value(cells, found.points(5)) == pytest.approx(plain.loglik, abs=1e-10 * abs(plain.loglik))


NORMAL = {
    "interaction": KENNY_JUDD,
    "covariates and causes": KENNY_JUDD + "f1 ~ x\nf2 ~ f1 + x\ny5 ~ f2:f2 + x",
    "two that depend on products": KENNY_JUDD + "y6 ~ f1:f2\nf4 =~ y7 + y8\nf4 ~ f2:f2",
    "of measures": "f1 =~ y1 + y2\nf2 =~ y3 + y4\nf3 =~ y5 + y6\ny5 ~ f1:f2\nf1 ~~ f2",
}


def normal(name, n=9) -> tuple[NormalProducts, np.ndarray, object]:
    """The likelihood that sums over the factors alone, of rows some of whose answers are missing."""
    data = answers(n)
    rng = np.random.default_rng(2)
    data["y7"], data["y8"] = data["y3"] ** 2 + rng.normal(size=n), data["y4"] ** 2 + rng.normal(size=n)
    for column in ("y2", "y3", "y6"):
        data[column] = data[column].mask(rng.random(n) < 0.25)
    found = walk(NORMAL[name], data)
    assert has_normal_products(found.likelihood.predictor)
    return NormalProducts(found.likelihood.predictor), somewhere(found), found


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if "two" in name else name for name in NORMAL]
)
def test_derivatives_of_the_sum_over_factors(name):
    likelihood, free, _ = normal(name)
    points = (3,)
    score = likelihood.score(free, points)[1]
    np.testing.assert_allclose(score, differences(lambda x: likelihood.value(x, points), free), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(likelihood.unit_scores(free, points).sum(axis=0), score, rtol=1e-8, atol=1e-8)
    points = (21,)
    columns = [
        likelihood.score(free - h, points)[1] - likelihood.score(free + h, points)[1] for h in 1e-4 * np.eye(len(free))
    ]
    np.testing.assert_allclose(likelihood.louis(free, points)[2], np.array(columns) / 2e-4, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", ["interaction", "covariates and causes"])
def test_sum_over_factors_has_the_value_of_adaptive_and_of_ordinary_points(name):
    """Points that the linear measures place, that each unit's mode places, and that stay where the prior has them."""
    likelihood, _, found = normal(name, 6)
    free = well_measured(found)
    value = likelihood.value(free, (41,))
    assert found.value(free, found.points(41)) == pytest.approx(value, abs=1e-8)
    found.likelihood.ordinary = True
    assert found.value(free, found.points(101)) == pytest.approx(value, abs=1e-6)


def test_which_models_are_summed_over_factors():
    for name in ("binary outcome", "two levels", "random slope of a factor", "residual covariance"):
        assert not has_normal_products(walk(MODELS[name], answers()).likelihood.predictor), name
    # measures that are far better than the linear ones leave the points where nothing is
    rng = np.random.default_rng(1)
    f1 = rng.normal(size=200)
    sharp = {f"y{k}": f1 + 2.0 * rng.normal(size=200) for k in (1, 2, 3)}
    sharp |= {f"y{k}": f1 + 0.5 * f1**2 + 0.1 * rng.normal(size=200) for k in (4, 5, 6)}
    text = "f1 =~ y1 + y2 + y3\nf2 =~ y4 + y5 + y6\nf2 ~ f1 + f1:f1"
    for frame, reached in ((pd.DataFrame(sharp), False), (simulated(200), True)):
        found = walk(text, frame)
        likelihood = NormalProducts(found.likelihood.predictor)
        assert likelihood.reaches(likelihood.start_values(found.diagram)) is reached
    # no linear measure tells where f1 is
    found = walk("f1 =~ y1 + y2\nf2 =~ y3 + y4\ny1 ~ f1:f2\ny2 ~ f1:f2", answers())
    assert not has_normal_products(found.likelihood.predictor)


def well_measured(found) -> np.ndarray:
    """Where posteriors are far from having two modes, and 31 points are plenty."""
    values = {name: 0.2 for name in found.model.names}
    values |= {name: 0.9 for name in values if "=~" in name}
    values |= {name: 0.4 for name in values if "~~" in name}
    values |= {"f1~~f1": 1.0, "f2~~f2": 0.8, "g~~g": 0.6, "f1~~f2": 0.3, "f3~f2": -0.2}
    values |= {"f3~f1:f1": 0.2, "f3~f1:f2": 0.3, "b~g:f1": 0.7}
    return found.free({name: values[name] for name in found.model.names})


def gaussian(y, intercept, theta, predictor):
    return lambda *eta: log_density("gaussian", y, intercept + predictor(*eta), theta=theta)


def test_dense_grid_interaction_of_gaussian_measures():
    """f3 integrated on the grid as well, as η_3 = disturbance beside the polynomial."""
    data = answers(3)
    found = walk(KENNY_JUDD, data)
    free = well_measured(found)
    v = found.cells(free)
    Psi = np.diag([v["f1~~f1"], v["f2~~f2"], v["f3~~f3"]])
    Psi[0, 1] = Psi[1, 0] = v["f1~~f2"]

    def f3(f1, f2, zeta):
        linear = v["f3~f1"] * f1 + v["f3~f2"] * f2
        return linear + v["f3~f1:f2"] * f1 * f2 + v["f3~f1:f1"] * f1**2 + zeta

    loads = {
        "y1": lambda f1, f2, z: f1, "y2": lambda f1, f2, z: v["f1=~y2"] * f1, "y3": lambda f1, f2, z: f2,
        "y4": lambda f1, f2, z: v["f2=~y4"] * f2, "y5": f3, "y6": lambda *eta: v["f3=~y6"] * f3(*eta),
    }  # fmt: skip
    units = [
        Unit(Psi, [gaussian(row[y], v[f"{y}~1"], v[f"{y}~~{y}"], nu) for y, nu in loads.items()])
        for _, row in data.iterrows()
    ]
    expected = log_likelihood(units, 121)
    assert found.value(free, found.points(31)) == pytest.approx(expected, abs=1e-7)


def test_dense_grid_product_of_two_levels_in_a_binary_answer():
    data = answers(6)
    found = walk(MODELS["two levels"], data)
    free = well_measured(found)
    v = found.cells(free)

    def rows(row):
        def nu(f1, g):
            return v["b~1"] + v["b~f1"] * f1 + v["b~g"] * g + v["b~g:f1"] * g * f1

        return Unit(np.array([[v["f1~~f1"]]]), [
            gaussian(row.y1, v["y1~1"], v["y1~~y1"], lambda f1, g: f1),
            gaussian(row.y2, v["y2~1"], v["y2~~y2"], lambda f1, g: v["f1=~y2"] * f1),
            gaussian(row.y3, v["y3~1"], v["y3~~y3"], lambda f1, g: g),
            gaussian(row.y4, v["y4~1"], v["y4~~y4"], lambda f1, g: v["g=~y4"] * g),
            lambda f1, g: log_density("bernoulli(logit)", row.b, nu(f1, g)),
        ])  # fmt: skip

    units = [
        Unit(np.array([[v["g~~g"]]]), (), [rows(row) for row in group.itertuples()]) for _, group in data.groupby("c")
    ]
    assert found.value(free, found.points(31)) == pytest.approx(log_likelihood(units, 201), abs=1e-7)


def test_order_of_rows_factors_and_statements_changes_nothing():
    data = answers()
    found = walk(MODELS["binary outcome"], data)
    free, points = well_measured(found), found.points(15)
    value = found.value(free, points)
    cells = found.cells(free)
    turned = walk(MODELS["binary outcome"].replace("f1:f2", "f2:f1"), data.sample(frac=1, random_state=1))
    renamed = {name.replace("f1:f2", "f2:f1"): x for name, x in cells.items()}
    assert turned.value(turned.free(renamed), points) == pytest.approx(value, abs=1e-9)

    def swapped(text):
        return text.replace("f1", "f0").replace("f2", "f1").replace("f0", "f2")

    other = walk(swapped(MODELS["binary outcome"]), data)
    names = {swapped(name): x for name, x in cells.items()}
    assert other.value(other.free(names), points) == pytest.approx(value, abs=1e-7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("f3 ~ f1:f2\nf4 =~ y7 + y8\nf4 ~ f3:f1", "higher degree"),
        ("f3 ~ f1:f2\nf1 ~ f3", "feedback loop"),
        ("f3 ~ f1:f2:f1", "two factors.* degree two"),
        ("f3 ~ f1:zz", "zz"),
        ("@level(c)\ng =~ y7 + y8\ng ~ f1:f2", "varies"),
    ],
)
def test_products_that_are_refused(text, message):
    data = answers().assign(y7=lambda d: d.c % 2, y8=lambda d: d.c % 3)
    with pytest.raises((ModelError, DataError, ModelSyntaxError), match=message):
        walk("f1 =~ y1 + y2\nf2 =~ y3 + y4\nf3 =~ y5 + y6\n" + text, data)


def simulated(n=600, seed=1) -> pd.DataFrame:
    """Three measures each of two factors, and of a third that depends on their product with the coefficient .3."""
    rng = np.random.default_rng(seed)
    f1, f2 = rng.multivariate_normal([0, 0], [[1, 0.4], [0.4, 1]], n).T
    f3 = 0.4 * f1 + 0.3 * f2 + 0.3 * f1 * f2 + 0.6 * rng.normal(size=n)
    factors = (f1, f1, f1, f2, f2, f2, f3, f3, f3)
    return pd.DataFrame({f"y{k + 1}": 1 + f + 0.5 * rng.normal(size=n) for k, f in enumerate(factors)})


@pytest.mark.slow
def test_coverage_of_a_latent_interaction():
    """Kenny & Judd's model: 95 % intervals of 100 samples; of so many, 4 standard errors are 0.087."""
    truth = {"f3~f1": 0.4, "f3~f2": 0.3, "f3~f1:f2": 0.4, "f3~~f3": 0.36, "f1~~f2": 0.3, "f1=~y2": 1.0}
    found = []
    for seed in range(1000, 1100):
        rng = np.random.default_rng(seed)
        f1, f2 = rng.multivariate_normal([0, 0], [[1, 0.3], [0.3, 1]], 400).T
        f3 = 0.4 * f1 + 0.3 * f2 + 0.4 * f1 * f2 + 0.6 * rng.normal(size=400)
        rows = {f"y{k + 1}": f + 0.6 * rng.normal(size=400) for k, f in enumerate((f1, f1, f2, f2, f3, f3))}
        fit = sg.fit(KENNY_JUDD.replace(" + f1:f1", ""), pd.DataFrame(rows))
        errors = pd.Series(np.sqrt(np.diag(fit.vcov())), fit.coef.index)
        found.append([(fit.coef[name] - value) / errors[name] for name, value in truth.items()])
    found = np.array(found)
    assert np.abs((np.abs(found) < 1.96).mean(axis=0) - 0.95).max() < 0.087
    assert np.abs(found.mean(axis=0)).max() < 4 / np.sqrt(len(found))


def test_recovery_and_simple_slopes():
    fit = sg.fit("f1 =~ y1 + y2 + y3\nf2 =~ y4 + y5 + y6\nf3 =~ y7 + y8 + y9\nf3 ~ f1 + f2 + f1:f2", simulated())
    assert fit.converged
    estimates = fit.coef
    errors = pd.Series(np.sqrt(np.diag(fit.vcov())), index=estimates.index)
    for name, truth in {"f3~f1": 0.4, "f3~f2": 0.3, "f3~f1:f2": 0.3, "f3~~f3": 0.36, "f1~~f2": 0.4}.items():
        assert abs(estimates[name] - truth) < 3 * errors[name], name
    slopes = fit.simple_slopes("f3", "f1", at={"f2": (-1, 0, 1)})
    sd = np.sqrt(estimates["f2~~f2"])
    np.testing.assert_allclose(slopes["est"], estimates["f3~f1"] + estimates["f3~f1:f2"] * sd * np.array([-1, 0, 1]))
    assert slopes["se"][1] == pytest.approx(errors["f3~f1"], rel=1e-6)
    with pytest.raises(ModelError, match="no product"):
        fit.simple_slopes("f1", "f2")
    with pytest.raises(ModelError, match="simple_slopes"):
        fit.effects("f1", "f3")
