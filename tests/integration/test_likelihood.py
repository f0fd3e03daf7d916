"""log L by the recursion is log L by brute force."""

import numpy as np
import pytest
from dense_grid import GAUSSIAN, LOGIT, log_likelihood
from forests import CODES, SHAPES, forest, weighted, written_out


def loglik(forest, points, **options):
    program = forest.program()
    return program.evaluate(*forest.predictors(program), (points,) * program.n_rules, **options).loglik


@pytest.mark.parametrize("shape", SHAPES)
def test_many_adaptive_points_give_the_integral(shape):
    trees = forest(SHAPES[shape])
    assert loglik(trees, 41) == pytest.approx(log_likelihood(trees), abs=1e-8)


@pytest.mark.parametrize("code", CODES)
def test_every_family_on_inner_nodes_and_on_leaves(code):
    trees = forest(SHAPES["two levels"], codes=[code], cells=4)
    assert loglik(trees, 41) == pytest.approx(log_likelihood(trees, 81), abs=1e-8)


def test_many_ordinary_points_give_the_integral():
    trees = forest(SHAPES["three levels"], loading=0.4)
    assert loglik(trees, 41, ordinary=True) == pytest.approx(log_likelihood(trees), abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_weights_multiply_logs_at_every_level(shape):
    trees = weighted(forest(SHAPES[shape], cells=2))
    assert loglik(written_out(trees), 41) == pytest.approx(log_likelihood(trees, 81), rel=1e-9)


def test_one_point_is_exact_for_gaussian_responses():
    trees = forest(SHAPES["one dimension above two"], codes=[GAUSSIAN])
    assert loglik(trees, 1) == pytest.approx(loglik(trees, 15), rel=1e-12)


def test_cells_without_latent_variables_hang_on_a_dummy_root():
    trees = forest([-1, -1, -1])
    trees.D[:] = 0.0
    assert loglik(trees, 1) == pytest.approx(log_likelihood(trees), rel=1e-12)


def test_a_node_without_cells_changes_nothing():
    trees = forest([-1, 0])
    program = trees.program()
    with_bare_leaf = type(trees)(**{**vars(trees), "parent": np.array([-1, 0, 0])})
    bare = with_bare_leaf.program()
    assert len(bare.tree) == len(program.tree) + 1
    assert loglik(with_bare_leaf, 5) == pytest.approx(loglik(trees, 5), rel=1e-13)


def test_long_leaves_do_not_overflow():
    # more answers than factors are multiplied before a logarithm is taken
    trees = forest([-1], codes=[LOGIT], cells=1301)
    trees.trials[:] = 1.0
    trees.y[:] = trees.y > 0
    assert loglik(trees, 25) == pytest.approx(log_likelihood(trees, 2001), rel=1e-9)
