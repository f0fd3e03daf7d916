"""Means of functions over the points of a path are those of a dense grid, and their moments those of the posterior."""

import numpy as np
import pytest
from dense_grid import grid, log_integrands
from forests import SHAPES, forest
from scipy.special import expit, logsumexp


def posterior_mean(trees, n, h, size=61):
    """E h(u on the path of node n), by the definition on a dense grid."""
    integrands = log_integrands(trees, size)
    path = [n]
    while trees.parent[path[0]] >= 0:
        path.insert(0, trees.parent[path[0]])
    log = 0.0
    for o, node in enumerate(path):
        total = logsumexp(integrands[node], axis=-1, keepdims=True)
        # where the density is no number above zero an ancestor has no weight
        share = integrands[node] - np.where(np.isfinite(total), total, 0.0)
        log = log + share.reshape(share.shape + (1,) * (len(path) - 1 - o))
    u, _ = grid(size)
    axes = np.meshgrid(*[u] * len(path), indexing="ij")
    return float((np.exp(log) * h(axes)).sum())


@pytest.mark.parametrize("shape", SHAPES)
def test_means_of_a_function_of_the_whole_path(shape):
    trees = forest(SHAPES[shape])
    program = trees.program()
    found = program.posterior_points(*trees.predictors(program), (31,) * program.n_rules)
    h = lambda u: expit(0.4 + sum((0.9 - 0.5 * a) * x for a, x in enumerate(u)))  # noqa: E731
    for n in range(len(trees.parent)):
        w, u = found.path(np.array([program.representative[n]]))
        assert w.sum() == pytest.approx(1.0, abs=1e-12)
        assert (w * h(u)).sum() == pytest.approx(posterior_mean(trees, n, h), abs=1e-7)


def test_moments_are_those_of_the_posterior():
    trees = forest(SHAPES["three levels"])
    program = trees.program()
    points = (7,) * program.n_rules
    mean, covariance = program.posterior(*trees.predictors(program), points)
    found = program.posterior_points(*trees.predictors(program), points)
    for n in range(len(program.tree)):
        w, u = found.path(np.array([n]))
        center = (w * u).sum(axis=-1)[:, 0]
        assert center[-1] == pytest.approx(mean[n], abs=1e-12)
        second = np.einsum("s,as,bs->ab", w[0], u[:, 0], u[:, 0]) - np.outer(center, center)
        np.testing.assert_allclose(second, covariance[n, : len(u), : len(u)], atol=1e-12)
