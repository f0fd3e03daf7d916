"""What the optimiser moves and what the user reads: maps there and back, and their Jacobian."""

import numpy as np
import pytest

from semgllamm.api import lowered
from semgllamm.model.transforms import CELL, CHOLESKY, LOG_VARIANCE, working_parameters

MODELS = {
    "free blocks": "f =~ y1 + y2 + y3\nh =~ y4 + y5 + y6",
    "variances only": "f =~ y1 + y2 + y3\nh =~ y4 + y5 + y6\nf ~~ 0*h",
    "a fixed covariance": "f =~ y1 + y2 + y3\nh =~ y4 + y5 + y6\nf ~~ 0.2*h",
    "equal variances": "f =~ y1 + y2 + y3\nh =~ y4 + y5 + y6\nf ~~ v*f\nh ~~ v*h\nf ~~ 0*h",
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
