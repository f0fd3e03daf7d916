"""Each stage of the walk can be printed, with data or without."""

import pytest

import semgllamm as sg

MODEL = """
eta =~ y1 + y2 + a*y3       @family(bernoulli(logit))
eta ~ w + (1 + w | school)
"""


def test_the_diagram_says_who_wrote_each_row():
    lines = sg.explain(MODEL, stage="diagram").splitlines()
    rows = {tuple(line.split()[:3]): line.split()[-1] for line in lines[2:]}
    assert rows["eta", "=~", "y2"] == "user"
    assert rows["eta", "~", "school.w:w"] == "random"
    assert rows["eta", "~~", "eta"] == "default"


def test_matrices_have_symbols_in_their_cells():
    text = sg.explain(MODEL, stage="matrices")
    assert "where λ1 = eta=~y2, λ2 = a" in text
    assert "1·w" in text  # the slope of w in B
    loadings = text.split("Λ: ν on η")[1].split("where")[0].splitlines()
    assert [line.split()[:2] for line in loadings[3:6]] == [["y1", "1"], ["y2", "λ1"], ["y3", "λ2"]]


def test_matrices_in_latex():
    text = sg.explain(MODEL, stage="matrices", latex=True)
    assert r"\text{y2} & \lambda_{1}" in text
    assert r"1\,\text{w}" in text
    assert text.count(r"\begin{array}") == text.count(r"\end{array}") == 5


def test_the_tree_puts_schools_above_pupils():
    lines = sg.explain(MODEL, stage="tree").splitlines()
    depth = {line.split()[0]: len(line) - len(line.lstrip()) for line in lines[1:4]}
    assert depth["school.intercept"] < depth["school.w"] < depth["eta"]
    assert lines[3].endswith("<- y1, y2, y3")


def test_a_fit_on_a_shared_grid_says_so():
    fit = sg.fit("theta =~ y1 + y2 + y3 + y4 + y5  @family(bernoulli)", sg.load_dataset("lsat6"))
    lines = fit.explain("tree").splitlines()
    assert lines[0].startswith(f"All units share one grid, of {fit.points[0]} points an axis.")
    assert lines[2] == "theta  [row]  <- y1, y2, y3, y4, y5"


def test_a_fit_explains_its_own_points_and_cost():
    fit = sg.fit("incidence ~ period + (1 | herd) @family(binomial)\n@trials(incidence, size)", sg.load_dataset("cbpp"))
    assert f"herd.intercept  [herd]  {fit.points[0]} points  <- incidence" in fit.explain("tree")
    assert f"Cost: {56 * fit.points[0]} densities" in fit.explain("tree")


def test_an_unknown_stage_names_the_nearest():
    with pytest.raises(sg.ModelError, match="Did you mean 'matrices'"):
        sg.explain(MODEL, stage="matrixes")
