"""What the optimiser moves and what the user reads: maps there and back, and their Jacobian."""

import numpy as np
import pytest

from semgllamm.api import lowered
from semgllamm.model.transforms import CELL, CHOLESKY, EQUATOR, LOG_VARIANCE, SPHERE, working_parameters

MODELS = {
    "free blocks": "f =~ y1 + y2 + y3\nh =~ y4 + y5 + y6",
    "variances only": "f =~ y1 + y2 + y3\nh =~ y4 + y5 + y6\nf ~~ 0*h",
    "a fixed covariance": "f =~ y1 + y2 + y3\nh =~ y4 + y5 + y6\nf ~~ 0.2*h",
    "equal variances": "f =~ y1 + y2 + y3\nh =~ y4 + y5 + y6\nf ~~ v*f\nh ~~ v*h\nf ~~ 0*h",
    "unit variances": "f =~ NA*y1 + y2\ng =~ NA*y3 + y4\nh =~ NA*y5 + y6\nf ~~ 1*f\ng ~~ 4*g\nh ~~ 1*h",
    "one unit variance": "f =~ NA*y1 + y2 + y3\nh =~ y4 + y5 + y6\nf ~~ 1*f",
    "equal variances, free covariances": "f =~ y1 + y2\ng =~ y3 + y4\nh =~ y5 + y6\nf ~~ v*f\ng ~~ v*g",
    "residual covariance": "f =~ y1 + y2 + y3\ny1 ~~ y2",
    "one label for two kinds": "f =~ y1 + y2 + y3\nf ~~ e*f\ny1 ~~ e*y1",
    "random coefficients": "y ~ x + z + (1 + x + z | class) + (1 | school)",
}


def working(text):
    _, model, _ = lowered(text)
    return model, working_parameters(model, model.eta, None)


def possible_cells(model):
    """Variances 1 to 2, covariances small, the rest anything."""
    rng = np.random.default_rng(3)
    cells = rng.normal(size=model.n_parameters)
    for group in model.groups:
        for cell in (*group.Psi, *group.Theta):
            if cell.is_free:
                cells[cell.number] = rng.uniform(1, 2) if cell.row == cell.column else rng.uniform(-0.3, 0.3)
    return cells


@pytest.mark.parametrize("name", MODELS)
def test_there_and_back(name):
    model, w = working(MODELS[name])
    cells = possible_cells(model)
    inner = w.inner_from_cells(cells)
    np.testing.assert_allclose(w.cells(inner), cells, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(w.inner(w.free_from_inner(inner)), inner, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_jacobian_is_the_derivative_of_the_cells(name):
    model, w = working(MODELS[name])
    inner = w.inner_from_cells(possible_cells(model))
    steps = 1e-6 * np.eye(len(inner))
    differences = np.column_stack([(w.cells(inner + h) - w.cells(inner - h)) / 2e-6 for h in steps])
    np.testing.assert_allclose(w.jacobian(inner), differences, atol=1e-8)


def kinds(text):
    model, w = working(text)
    return dict(zip(model.names, w.kind))


def test_free_blocks_move_through_their_cholesky_factor():
    found = kinds(MODELS["free blocks"])
    assert {name for name, kind in found.items() if kind == CHOLESKY} == {"f~~f", "f~~h", "h~~h"}
    assert {name for name, kind in found.items() if kind == LOG_VARIANCE} == {f"y{k}~~y{k}" for k in range(1, 7)}


def test_patterned_blocks_stay_in_their_cells():
    found = kinds(MODELS["a fixed covariance"])
    assert found["f~~f"] == found["h~~h"] == CELL


def test_equal_variances_are_one_standard_deviation():
    model, w = working(MODELS["equal variances"])
    assert kinds(MODELS["equal variances"])["v"] == CHOLESKY
    inner = w.inner_from_cells(possible_cells(model))
    cells = w.cells(inner)
    number = model.names.index("v")
    assert cells[number] == pytest.approx(inner[number] ** 2)


def test_a_label_for_two_kinds_of_variance_stays_a_cell():
    assert kinds(MODELS["one label for two kinds"])["e"] == CELL


def test_the_likelihood_is_even_in_standard_deviations_alone():
    model, w = working(MODELS["random coefficients"])
    signed = {name for name, even in zip(w.names, w.signed()) if even}
    variances = {name for name in model.names if "~~" in name and len(set(name.split("~~"))) == 1}
    assert signed == variances - {"y~~y"}


def test_a_factor_with_columns_of_zero_is_a_singular_covariance_matrix():
    model, w = working(MODELS["random coefficients"])
    inner = np.zeros(model.n_parameters)
    cells = dict(zip(model.names, w.cells(inner)))
    assert cells["class.x~~class.x"] == 0.0


@pytest.mark.parametrize("name", ["unit variances", "one unit variance", "equal variances, free covariances"])
def test_free_covariances_of_variances_that_are_not_move_on_spheres(name):
    found = kinds(MODELS[name])
    assert all(kind == SPHERE for name, kind in found.items() if name in ("f~~g", "f~~h", "g~~h"))
    assert all(kind == CHOLESKY for name, kind in found.items() if name in ("v", "h~~h"))


@pytest.mark.parametrize("rows", [{1}, {2}, {1, 2}])
def test_rows_on_the_equator_make_a_singular_matrix_with_the_same_variances(rows):
    model, w = working(MODELS["unit variances"])
    (block,) = w.blocks[0]
    inner = w.inner_from_cells(possible_cells(model) * 0.5)
    before = block.matrix(inner)
    for number, x in block.on_equator(inner, rows).items():
        inner[number] = x
    L = block.matrix(inner)
    np.testing.assert_allclose(np.diag(L @ L.T), [1, 4, 1], rtol=1e-14)
    assert np.linalg.matrix_rank(L @ L.T, tol=1e-12) == 3 - len(rows)
    for a in rows:
        assert np.abs(L[:, a]).max() < 1e-15
        if a == 1:
            assert (L @ L.T)[1, 0] == pytest.approx(2 * np.sign(before[1, 0]))
    # one way off for each zero on the diagonal, and for each cell below it; a correlation alone is no direction
    expected = {1: 1, 2: 1}
    assert w.normals(w.free_from_inner(inner)).shape[1] == (2 if rows == {1, 2} else expected[min(rows)])


def test_the_equator_is_crossed_smoothly():
    model, w = working(MODELS["one unit variance"])
    inner = w.inner_from_cells(possible_cells(model))
    at = model.names.index("f~~h")
    values = []
    for off in (-1e-3, 1e-3):
        inner[at] = EQUATOR + off
        values.append(w.cells(inner)[at])
    assert values[0] == pytest.approx(values[1], abs=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_curvature_is_the_derivative_of_the_jacobian(name):
    model, w = working(MODELS[name])
    inner = w.inner_from_cells(possible_cells(model))
    weights = np.random.default_rng(8).normal(size=len(inner))
    differences = [
        weights @ (w.jacobian(inner + e) - w.jacobian(inner - e)) / 2e-6 for e in 1e-6 * np.eye(len(inner))
    ]
    assert w.curvature(inner, weights) == pytest.approx(np.array(differences), abs=1e-7)


@pytest.mark.parametrize("name", MODELS)
def test_cells_that_cannot_be_negative_are_not(name):
    model, w = working(MODELS[name])
    rng = np.random.default_rng(9)
    for _ in range(20):
        assert (w.cells(rng.normal(size=model.n_parameters))[w.positive()] >= 0).all()
