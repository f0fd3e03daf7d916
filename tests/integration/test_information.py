"""Louis' information is minus the derivative of the score at fixed points; its score is the score."""

import numpy as np
import pytest
from forests import CODES, SHAPES, forest, weighted, written_out

from semgllamm.integration.arrays import Rules
from semgllamm.integration.gauss_hermite import rules
from semgllamm.integration.recursion import FIXED_POINTS, integrate_units, layers

P_FREE = 6


class LinearMap:
    """Random derivatives of the features of the cells in a few parameters."""

    def __init__(self, trees, program):
        rng = np.random.default_rng(4)
        free = trees.free()[program.cells]
        entries = []
        for i, features in enumerate(free):
            for parameter in rng.choice(P_FREE, 3, replace=False):
                chosen = rng.choice(np.flatnonzero(features), min(3, features.sum()), replace=False)
                entries += [(i, parameter, feature) for feature in chosen]
        self.cell, self.par, self.feature = np.array(entries).T
        self.value = rng.normal(0, 0.3, len(entries))
        self.ptr = np.searchsorted(self.cell, np.arange(len(free) + 1))
        self.lin, self.D = trees.predictors(program)

    @property
    def J(self):
        return self.ptr, self.par, self.feature, self.value

    def at(self, free):
        """lin and D."""
        P = self.D.shape[1]
        moved = np.zeros((len(self.lin), P + 3))
        np.add.at(moved, (self.cell, self.feature), self.value * free[self.par])
        return self.lin + np.column_stack([moved[:, 0], moved[:, P + 1 :]]), self.D + moved[:, 1 : P + 1]

    def pull_back(self, R):
        out = np.zeros(P_FREE)
        np.add.at(out, self.par, self.value * R[self.cell, self.feature])
        return out


def score_where_the_points_are(program, workspace, lin, D, points):
    F, R = np.empty(len(program.roots)), np.zeros((len(lin), program.depth + 3))
    sums = layers(program.depth, *program.largest, max(points))
    placed = np.ones(len(F), dtype=bool)
    integrate_units(0, len(F), program.roots, program._cells(lin, D), program._trees(), workspace.places,
                    Rules(*rules(points)), sums, FIXED_POINTS, placed, F, R, np.zeros((1, 1)))
    return R


def check(trees, points, ordinary=False):
    program = trees.program()
    points = (points,) * program.n_rules
    to_cells = LinearMap(trees, program)
    workspace = program.workspace()
    score, information = program.louis(
        *to_cells.at(np.zeros(P_FREE)), points, to_cells.J, P_FREE, ordinary=ordinary, workspace=workspace
    )

    def at(free):
        lin, D = to_cells.at(free)
        return to_cells.pull_back(score_where_the_points_are(program, workspace, lin, D, points))

    h = 2e-3
    hessian = np.array([
        (8 * (at(h * e) - at(-h * e)) - (at(2 * h * e) - at(-2 * h * e))) / (12 * h) for e in np.eye(P_FREE)
    ])
    np.testing.assert_allclose(score, at(np.zeros(P_FREE)), atol=1e-10)
    np.testing.assert_allclose(information, -hessian, atol=1e-8 * abs(hessian).max())
    np.testing.assert_array_equal(information, information.T)


@pytest.mark.parametrize("shape", SHAPES)
def test_information_at_adaptive_points(shape):
    check(forest(SHAPES[shape]), 3)


@pytest.mark.parametrize("code", CODES)
def test_information_of_every_family(code):
    check(forest(SHAPES["two levels"], codes=[code]), 3)


@pytest.mark.parametrize("shape", SHAPES)
def test_information_with_weights_at_every_level(shape):
    check(written_out(weighted(forest(SHAPES[shape], cells=2))), 3)


def test_information_at_ordinary_points():
    check(forest(SHAPES["three levels"]), 5, ordinary=True)


def test_units_with_parameters_of_their_own():
    # each tree depends on two of six parameters
    trees = forest([-1, 0, -1, 2, -1, 4])
    program = trees.program()
    lin, D = trees.predictors(program)
    root = np.repeat(np.arange(3), 6)
    nnz = 2 * np.arange(len(lin) + 1)
    par = np.column_stack([root, 3 + root]).ravel()
    J = nnz, par, np.tile([0, 1], len(lin)), np.ones(2 * len(lin))
    _, information = program.louis(lin, D, (5, 5), J, 6)
    assert (information[~(np.arange(6)[:, None] % 3 == np.arange(6) % 3)] == 0).all()
    assert (information[np.arange(6), np.arange(6)] != 0).all()
    _, shared = program.louis(lin, D, (5, 5), (nnz, par // 3, J[2], J[3]), 2)
    blocks = [information[np.ix_([k, k + 3], [k, k + 3])] for k in range(3)]
    np.testing.assert_allclose(sum(blocks), shared, rtol=1e-12)
