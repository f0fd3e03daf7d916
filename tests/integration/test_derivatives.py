"""R is the derivative of log L, with the points moving or held."""

import numpy as np
import pytest
from forests import CODES, SHAPES, forest, weighted, written_out

H = 2e-3


def along(trees, program, direction, value):
    """Fourth-order difference of value(lin, D) along a direction of the features of the program's cells."""
    lin, D = trees.predictors(program)
    P = program.depth

    def at(h):
        moved = np.column_stack([lin[:, :1], D, lin[:, 1:]]) + h * direction
        return value(np.column_stack([moved[:, 0], moved[:, P + 1 :]]), moved[:, 1 : P + 1])

    return (8 * (at(H) - at(-H)) - (at(2 * H) - at(-2 * H))) / (12 * H)


def check(trees, points, directions=4, **options):
    program = trees.program()
    points = (points,) * program.n_rules
    R = program.evaluate(*trees.predictors(program), points, moments=2, **options).R
    free = trees.free()[program.cells]
    rng = np.random.default_rng(0)
    for _ in range(directions):
        direction = np.where(free, rng.normal(size=free.shape), 0.0)
        difference = along(trees, program, direction, lambda lin, D: program.evaluate(lin, D, points, **options).loglik)
        assert np.where(free, R * direction, 0.0).sum() == pytest.approx(difference, abs=1e-6, rel=1e-8)


@pytest.mark.parametrize("points", [1, 3, 7])
@pytest.mark.parametrize("shape", SHAPES)
def test_total_derivative_is_that_of_replaced_points(shape, points):
    check(forest(SHAPES[shape]), points)


@pytest.mark.parametrize("code", CODES)
def test_total_derivative_of_every_family(code):
    check(forest(SHAPES["two levels"], codes=[code]), 2)


@pytest.mark.parametrize("shape", SHAPES)
def test_total_derivative_with_weights_at_every_level(shape):
    trees = written_out(weighted(forest(SHAPES[shape], cells=2)))
    check(trees, 2)
    assert len(trees.program().tree) < len(trees.parent)


@pytest.mark.parametrize("shape", SHAPES)
def test_derivative_at_ordinary_points(shape):
    check(forest(SHAPES[shape]), 5, ordinary=True)


def test_derivative_at_fixed_points_is_the_posterior_mean_of_the_score():
    # with many points it makes no difference whether they move
    trees = forest(SHAPES["three levels"], loading=0.5)
    program = trees.program()
    lin, D = trees.predictors(program)
    fixed, moving = (program.evaluate(lin, D, (25,) * 3, moments=k).R for k in (1, 2))
    np.testing.assert_allclose(fixed, moving, atol=1e-7)
    assert not np.allclose(*(program.evaluate(lin, D, (3,) * 3, moments=k).R for k in (1, 2)), atol=1e-5)
