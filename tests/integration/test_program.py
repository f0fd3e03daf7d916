"""How units are put in order and collapsed, and how a program is run."""

import numpy as np
import pytest
from dense_grid import LOGIT, POISSON
from forests import SHAPES, forest, weighted, written_out

from semgllamm.integration.program import DEPTH, END, FIRST, LAST, PARENT, build


@pytest.mark.parametrize("shape", SHAPES)
def test_nodes_are_in_preorder_and_their_cells_together(shape):
    trees = forest(SHAPES[shape])
    program = trees.program()
    tree = program.tree
    for n in range(len(tree)):
        assert (tree[n + 1 : tree[n, END], DEPTH] > tree[n, DEPTH]).all()
        assert tree[n, END] == len(tree) or tree[tree[n, END], DEPTH] <= tree[n, DEPTH]
        assert tree[n, PARENT] < n
    given = np.argsort(program.representative)
    np.testing.assert_array_equal(tree[program.representative, DEPTH], trees.depth)
    for n in range(len(tree)):
        cells = program.cells[tree[n, FIRST] : tree[n, LAST]]
        assert set(trees.cell_node[cells]) <= {given[n]}
        if tree[n, PARENT] >= 0:
            assert trees.parent[given[n]] == given[tree[n, PARENT]]
    assert sorted(program.cells) == list(range(len(trees.code)))


@pytest.mark.parametrize("shape", SHAPES)
def test_identical_units_are_kept_once_with_their_number(shape):
    trees = weighted(forest(SHAPES[shape], cells=2))
    out = written_out(trees)
    program, full = out.program(), out.distinct(np.random.default_rng(1)).program()
    assert len(program.tree) == len(trees.parent)
    assert len(full.tree) == len(out.parent) == pytest.approx(program.share.sum())
    share_of_cell = np.repeat(program.share, program.tree[:, LAST] - program.tree[:, FIRST])
    assert (share_of_cell * program.cell[:, 2]).sum() == len(out.code)
    assert sorted(program.weight) == sorted(trees.node_weight)

    points = (3,) * program.n_rules
    few, many = (p.evaluate(*out.predictors(p), points, moments=2) for p in (program, full))
    assert few.loglik == pytest.approx(many.loglik, rel=1e-13)
    for feature in range(few.R.shape[1]):
        for y in np.unique(out.y):  # the derivatives of the copies add up
            assert few.R[program.cell[:, 0] == y, feature].sum() == pytest.approx(
                many.R[full.cell[:, 0] == y, feature].sum(), rel=1e-9, abs=1e-9
            )


def test_every_unit_finds_the_one_that_stands_for_it():
    trees = written_out(weighted(forest(SHAPES["three levels"], cells=2)))
    program, full = trees.program(), trees.distinct(np.random.default_rng(1)).program()
    mean, _ = program.posterior(*trees.predictors(program), (3,) * 3)
    mean_full, _ = full.posterior(*trees.predictors(full), (3,) * 3)
    np.testing.assert_allclose(mean[program.representative], mean_full[full.representative], rtol=1e-10)


def test_units_of_another_kind_or_rule_are_not_identical():
    def size(kind=(0, 0), rule=(0, 0)):
        zeros = np.zeros(2)
        return len(build([-1, -1], rule, kind, [0, 1], [1, 1], zeros, zeros + 1, zeros, np.zeros((2, 2))).tree)

    assert size() == 1
    assert size(kind=(0, 1)) == 2
    assert size(rule=(0, 1)) == 2


def large(n=400):
    """Enough work for two threads: a three-level and a two-level forest side by side."""
    parent = [-1] * n + [k % n for k in range(2 * n)] + [-1] * n
    return forest(parent, cells=4)


def test_any_number_of_threads_gives_the_same_digits():
    trees = large()
    program = trees.program()
    lin, D = trees.predictors(program)
    nnz = np.arange(len(lin) + 1)
    J = nnz, nnz[:-1] % 3, np.zeros(len(lin), dtype=int), np.ones(len(lin))
    results = []
    for threads in (1, 2, 3):
        workspace = program.workspace(threads)
        e = program.evaluate(lin, D, (7, 7), moments=2, workspace=workspace)
        louis = program.louis(lin, D, (7, 7), J, 3, workspace=workspace)
        results.append((np.array([e.loglik]), e.roots_loglik, e.R, *louis))
    for other in results[1:]:
        for mine, first in zip(other, results[0]):
            np.testing.assert_array_equal(mine, first)


def test_a_reset_workspace_gives_the_digits_of_a_new_one():
    trees = forest(SHAPES["three levels"])
    program = trees.program()
    lin, D = trees.predictors(program)
    workspace = program.workspace()
    fresh = program.evaluate(lin, D, (5,) * 3, workspace=workspace).loglik
    assert program.evaluate(lin + 0.3, 1.2 * D, (5,) * 3, workspace=workspace).loglik != fresh
    workspace.reset()
    assert program.evaluate(lin, D, (5,) * 3, workspace=workspace).loglik == fresh


def test_the_points_follow_from_the_parameters_alone():
    trees = forest(SHAPES["three levels"], loading=1.5)
    program = trees.program()
    lin, D = trees.predictors(program)
    workspace = program.workspace()
    fresh = program.evaluate(lin, D, (1,) * 3).loglik
    program.evaluate(lin + 1.0, 0.3 * D, (1,) * 3, workspace=workspace)
    assert program.evaluate(lin, D, (1,) * 3, workspace=workspace).loglik == pytest.approx(fresh, rel=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_impossible_unit_gives_minus_infinity_and_leaves_no_trace(bad):
    trees = forest([-1, 0, -1, 2, -1])
    program = trees.program()
    lin, D = trees.predictors(program)
    workspace = program.workspace()
    broken = lin.copy()
    broken[4, 0] = bad
    result = program.evaluate(broken, D, (5, 5), moments=2, workspace=workspace)
    assert result.loglik == -np.inf and result.R is None
    assert np.isfinite(result.roots_loglik).sum() == len(program.roots) - 1
    J = np.arange(len(lin) + 1), np.zeros(len(lin)), np.zeros(len(lin)), np.ones(len(lin))
    assert np.isnan(program.louis(broken, D, (5, 5), J, 1)[0]).all()
    mean, _ = program.posterior(broken, D, (5, 5))
    assert 0 < np.isnan(mean).sum() < len(mean)
    fresh = program.evaluate(lin, D, (5, 5)).loglik
    assert program.evaluate(lin, D, (5, 5), workspace=workspace).loglik == pytest.approx(fresh, rel=1e-13)


def test_modes_are_found_from_afar():
    # 300 equal answers and large coefficients: Newton's full steps overshoot from u = 0
    trees = forest([-1, 0], codes=[LOGIT, POISSON], cells=150, loading=4.0)
    trees.y[:] = trees.trials
    program = trees.program()
    result = program.evaluate(*trees.predictors(program), (7, 7))
    assert np.isfinite(result.loglik)


def test_arrays_of_the_wrong_shape_are_refused():
    trees = forest(SHAPES["two levels"])
    program = trees.program()
    lin, D = trees.predictors(program)
    with pytest.raises(ValueError, match="12 cells"):
        program.evaluate(lin[:-1], D, (3, 3))
