"""Posterior means and covariances are those of the definition."""

import numpy as np
import pytest
from dense_grid import posterior
from forests import SHAPES, forest, weighted, written_out


def check(trees, points=35, **options):
    """The forest's kept nodes are its own, whatever was written out of it."""
    program = trees.program()
    mean, covariance = program.posterior(*trees.predictors(program), (points,) * program.n_rules, **options)
    for n, (expected_mean, expected_covariance) in posterior(trees).items():
        kept = program.representative[n]
        size = len(expected_mean)
        assert mean[kept] == pytest.approx(expected_mean[-1], abs=1e-7)
        np.testing.assert_allclose(covariance[kept, :size, :size], expected_covariance, atol=1e-7)
        assert not covariance[kept, size:].any()


@pytest.mark.parametrize("shape", SHAPES)
def test_moments_on_the_path_of_every_node(shape):
    check(forest(SHAPES[shape]))


def test_moments_at_ordinary_points():
    check(forest(SHAPES["two levels"], loading=0.5), points=45, ordinary=True)


def test_moments_of_units_that_stand_for_others():
    check(written_out(weighted(forest(SHAPES["two levels"], cells=2))))
