"""Completed diagrams become the matrices of the model's equations, cell by cell."""

import pytest

from semgllamm.api import lowered
from semgllamm.errors import ModelError

MULTILEVEL = """
    eta =~ y1 + y2 + y3
    eta ~ w1 + eta_class + 1*class_effect
    @level(class)
    eta_class =~ y4 + y5 + y6
    eta_class ~ w2
    class_effect =~ 0
"""


def cells(text, matrix, group=0, **arguments):
    """{(row, column): name of the parameter, or the constant} of one matrix; times a column, (row, column, times)."""
    _, model, _ = lowered(text, **arguments)
    return {
        (cell.row, cell.column, *([cell.times] if cell.times else [])):
            model.names[cell.number] if cell.is_free else cell.value
        for cell in getattr(model.groups[group], matrix)
    }  # fmt: skip


def test_multilevel_structural_equation_model():
    assert cells(MULTILEVEL, "Lambda") == {
        ("y1", "eta"): 1.0, ("y2", "eta"): "eta=~y2", ("y3", "eta"): "eta=~y3",
        ("y4", "eta_class"): 1.0, ("y5", "eta_class"): "eta_class=~y5", ("y6", "eta_class"): "eta_class=~y6",
    }  # fmt: skip
    assert cells(MULTILEVEL, "B") == {("eta", "eta_class"): "eta~eta_class", ("eta", "class_effect"): 1.0}
    assert cells(MULTILEVEL, "Gamma") == {
        ("eta", "w1"): "eta~w1", ("eta_class", "w2"): "eta_class~w2",
        ("eta", "1"): 0.0, ("eta_class", "1"): 0.0, ("class_effect", "1"): 0.0,
    }  # fmt: skip
    assert cells(MULTILEVEL, "Psi") == {
        (name, name): f"{name}~~{name}" for name in ("eta", "eta_class", "class_effect")
    }
    assert cells(MULTILEVEL, "Theta") == {(f"y{k}", f"y{k}"): f"y{k}~~y{k}" for k in range(1, 7)}
    assert cells(MULTILEVEL, "beta") == {(f"y{k}", "1"): f"y{k}~1" for k in range(1, 7)}


def test_levels_of_latent_variables():
    _, model, _ = lowered(MULTILEVEL)
    assert model.levels == ("row", "class")
    assert dict(zip(model.eta, model.eta_level)) == {"eta": 0, "eta_class": 1, "class_effect": 1}


def test_random_coefficients_load_on_the_response_times_their_covariates():
    text = "y ~ x + (1 + x | school/class)"
    assert cells(text, "Lambda") == {
        ("y", "school.intercept"): 1.0, ("y", "school.x", "x"): 1.0,
        ("y", "class.intercept"): 1.0, ("y", "class.x", "x"): 1.0,
    }  # fmt: skip
    off_diagonal = {places for places in cells(text, "Psi") if places[0] != places[1]}
    assert {frozenset(places) for places in off_diagonal} == {
        frozenset({f"{cluster}.intercept", f"{cluster}.x"}) for cluster in ("school", "class")
    }


def test_independent_random_coefficients_do_not_covary():
    assert all(row == column for row, column in cells("y ~ x + (1 + x || class)", "Psi"))


def test_latent_times_observed():
    text = "f =~ y1 + y2 + y3\nh =~ y4 + y5 + y6\ny2 ~ f:x\nh ~ f:z"
    assert cells(text, "Lambda")["y2", "f", "x"] == "y2~f:x"
    assert cells(text, "B") == {("h", "f", "z"): "h~f:z"}


def test_second_order_factor_is_a_regression_among_latent_variables():
    text = "f =~ y1 + y2\ng =~ y3 + y4\nh =~ f + g"
    assert cells(text, "B") == {("f", "h"): 1.0, ("g", "h"): "h=~g"}


def test_a_higher_block_splits_a_response():
    """``y ~~ y`` above the level of y is its random intercept there."""
    text = "f =~ y1 + y2 + y3\n@level(class)\ny1 ~~ y1\ny2 ~~ y2\ny1 ~~ y2"
    loads = cells(text, "Lambda")
    assert loads["y1", "y1@class"] == loads["y2", "y2@class"] == 1.0
    assert ("y1@class", "y2@class") in cells(text, "Psi")
    assert ("y1", "y1") in cells(text, "Theta")


def test_one_label_is_one_parameter_in_every_matrix_level_and_group():
    text = "f =~ y1 + a*y2 + a*y3\n@level(class)\nh =~ y1 + a*y2 + y3"
    loads = cells(text, "Lambda")
    assert {loads["y2", "f"], loads["y3", "f"], loads["y2", "h"]} == {"a"}
    assert loads["y3", "h"] == "h=~y3"


def test_thresholds_of_an_ordinal_response_stand_in_kappa():
    text = "f =~ u1 + u2 + u3  @family(ordinal)\nu1 | t1 + t2\nu2 | t1 + t2 + t3"
    kappa = cells(text, "kappa")
    assert [name for name in kappa.values() if name.startswith("u1")] == ["u1|t1", "u1|t2"]
    assert kappa["u2", "t3"] == "u2|t3"
    assert not any(isinstance(cell, str) and cell.endswith("~1") for cell in cells(text, "beta").values())


@pytest.mark.parametrize("text, message", [
    ("f =~ y1 + y2 + y3  @family(bernoulli)\ny1 ~~ y2", "no residual"),
    ("f =~ y1 + y2 + y3\nf ~~ 0*f + z\nz ~ x", "f has no disturbance"),
    ("f =~ y1 + y2 + y3\nf ~~ z\nz ~ x  @family(poisson)", "no residual"),
    ("z ~ x + h\nz ~~ h\n@level(class)\nh =~ k1 + k2 + k3", "varies over units of 'class'"),
])  # fmt: skip
def test_what_has_no_place_in_the_matrices_is_refused(text, message):
    with pytest.raises(ModelError, match=message) as error:
        lowered(text)
    assert error.value.span is not None


def test_a_residual_covaries_with_a_disturbance():
    text = "f =~ u1 + u2 + u3  @family(bernoulli)\nf ~ x\nz ~ x"
    assert cells(text, "Omega") == {("z", "f"): "f~~z"}
    assert cells(text, "Psi") == {("f", "f"): "f~~f"}
    assert cells(text, "Theta") == {("z", "z"): "z~~z"}
    assert cells(text + "\nz ~~ 0.3*f", "Omega") == {("z", "f"): 0.3}
    assert cells(text + "\nf ~~ 0*z", "Omega") == {}
