"""The score is the derivative of the log-likelihood as reported, for every rule and number of points."""

import numpy as np
import pandas as pd
import pytest
from walk import differences, walk
from zoo import ZOO, pupils


def point_near_the_start(found, rng):
    """Random working parameters at which the likelihood is positive."""
    start = found.start
    for size in (0.3, 0.15, 0.05, 0.01):
        free = start + size * rng.normal(size=len(start))
        if np.isfinite(found.value(free, found.points(3))):
            return free
    raise AssertionError("no point of the parameter space near the start values")


def assert_score(found, free, points):
    expected = differences(lambda x: found.value(x, points), free)
    np.testing.assert_allclose(found.score(free, points), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rule", ["1", "3", "7 x 3", "5 ordinary"])
@pytest.mark.parametrize("name", ZOO)
def test_zoo(name, rule):
    example = ZOO[name]
    found = walk(example.text, example.data(), ordinary="ordinary" in rule, **example.arguments)
    free = point_near_the_start(found, np.random.default_rng(len(name)))
    numbers = [int(k) for k in rule.replace(" ordinary", "").split(" x ")]
    assert_score(found, free, found.points(*numbers))


@pytest.mark.parametrize("name", ZOO)
def test_scores_of_units_add_up_to_the_score(name):
    example = ZOO[name]
    found = walk(example.text, example.data(), **example.arguments)
    free = point_near_the_start(found, np.random.default_rng(2))
    points = found.points(3)
    scores = found.likelihood.unit_scores(free, points)
    np.testing.assert_allclose(scores.sum(axis=0), found.score(free, points), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ["residual covariances and missing cells", "one factor, every family"])
def test_score_of_a_unit_is_lost_with_the_unit(name):
    text, data = ZOO[name].text, ZOO[name].data()
    found = walk(text, data)
    free, points = point_near_the_start(found, np.random.default_rng(2)), found.points(3)
    scores, total = found.likelihood.unit_scores(free, points), found.score(free, points)
    kept = found.likelihood.predictor.design.kept
    for row in (0, 3, len(kept) - 1):
        others = walk(text, data.drop(index=data.index[kept[row]]))
        np.testing.assert_allclose(scores[row], total - others.score(free, points), rtol=1e-7, atol=1e-7)


def test_responses_without_latent_variables_have_a_unit_for_each_row():
    found = walk("f =~ b1 + b2 + b3  @family(bernoulli)\ng1 ~ w + v + x", pupils())
    scores = found.likelihood.unit_scores(found.start + 0.1, found.points(3))
    assert len(scores) == len(pupils())
    about_g1 = [name.startswith("g1") for name in found.likelihood.names]
    assert np.linalg.matrix_rank(scores[:, about_g1]) == sum(about_g1) == 5


def test_scores_of_identical_units_are_kept_apart():
    """Each person twice is twice the products of scores, not four times."""
    once = pupils()[["b1", "b2", "b3"]]
    twice = pd.concat([once, once], ignore_index=True)
    text = "f =~ b1 + b2 + b3  @family(bernoulli)"
    products = []
    for data in (once, twice):
        found = walk(text, data)
        scores = found.likelihood.unit_scores(found.start + 0.1, found.points(5))
        assert len(scores) == len(data)
        products.append(scores.T @ scores)
    np.testing.assert_allclose(products[1], 2 * products[0], rtol=1e-9)


def test_independent_latent_variables_of_a_row_belong_to_one_unit():
    found = walk("f =~ b1 + b2\ng =~ b4 + b5\nf ~~ 0*g\n@family(b1 + b2 + b4 + b5, bernoulli)", pupils())
    scores = found.likelihood.unit_scores(found.start + 0.1, found.points(5))
    assert len(scores) == len(pupils())
