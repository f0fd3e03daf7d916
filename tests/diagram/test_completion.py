"""What `fit` adds to a model text."""

import pytest

from semgllamm.diagram.defaults import complete
from semgllamm.errors import ModelError
from semgllamm.syntax.build import read


def completed(text, **call):
    return complete(read(text), **call)


def rows(diagram, *ops):
    """Rows as text: ``y ~~ y [school] = 1``, with the level, and the value if it is fixed."""
    return [shown(row) for row in diagram.parameters if not ops or row.op in ops]


def shown(row):
    level = f" [{row.level}]" if row.level else ""
    value = "" if row.fixed is None else f" = {row.fixed:g}"
    return f"{row.lhs} {row.op} {row.rhs}".rstrip() + level + value


# ------------------------------------------------------------------------------------------------- random terms


def test_random_intercept_and_slope():
    diagram = completed("y ~ 1 + x + (1 + x | school)")
    assert rows(diagram) == [
        "y ~1",
        "y ~ x",
        "y ~ school.intercept = 1",
        "y ~ school.x:x = 1",
        "school.intercept ~~ school.intercept [school]",
        "school.x ~~ school.x [school]",
        "school.intercept ~~ school.x [school]",
        "school.intercept ~1 [school] = 0",
        "school.x ~1 [school] = 0",
        "y ~~ y",
    ]
    assert {row.source for row in diagram.parameters if "school" in row.name} == {"random"}


def test_two_bars_leave_out_the_covariance():
    assert rows(completed("y ~ x + (x || school)"), "~~") == [
        "school.intercept ~~ school.intercept [school]",
        "school.x ~~ school.x [school]",
        "y ~~ y",
    ]


def test_nested_random_intercepts():
    diagram = completed("y ~ (1 | school/class)")
    assert rows(diagram, "~~") == [
        "school.intercept ~~ school.intercept [school]",
        "class.intercept ~~ class.intercept [class]",
        "y ~~ y",
    ]
    assert diagram.clusters == ("school", "class")


def test_names_begin_with_the_left_side_where_there_are_two():
    diagram = completed("y1 ~ (1 | s)\ny2 ~ (1 | s)\ny1.s.intercept ~~ y2.s.intercept")
    assert diagram.latent_names == ("y1.s.intercept", "y2.s.intercept")
    assert "y1.s.intercept ~~ y2.s.intercept [s]" in rows(diagram)


def test_written_covariance_replaces_that_of_the_parenthesis():
    diagram = completed("y ~ x + (x | s)\ns.intercept ~~ 0*s.x")
    assert [row for row in rows(diagram, "~~") if "s.x" in row and "intercept" in row] == ["s.intercept ~~ s.x [s] = 0"]


@pytest.mark.parametrize("like", ["fit", "sem", "growth", "lavaan"])
def test_a_statement_with_a_random_term_has_its_intercept(like):
    diagram = completed("y ~ x + (1 | s)", like=like)
    assert "y ~1" in rows(diagram)
    assert "s.intercept ~~ s.intercept [s]" in rows(diagram)
    assert "s.intercept ~1 [s] = 0" in rows(diagram)


def test_unless_it_is_taken_out():
    assert rows(completed("y ~ 0 + x + (1 | s)"), "~1") == ["y ~1 = 0", "s.intercept ~1 [s] = 0"]


def test_random_slope_of_a_categorical_covariate():
    diagram = completed("y ~ site + (0 + site | s)", dummies={"site": ("b", "c")})
    fixed, random = ["y ~ site[b]", "y ~ site[c]"], ["y ~ s.site[b]:site[b] = 1", "y ~ s.site[c]:site[c] = 1"]
    assert rows(diagram, "~") == fixed + random
    assert diagram.covariates == ("site",)


def test_label_and_value_repeat_over_dummies():
    diagram = completed("y ~ a*site + 2*site:x", dummies={"site": ("b", "c")})
    assert [(row.rhs, row.label, row.fixed) for row in diagram.parameters if row.op == "~"] == [
        ("site[b]", "a", None),
        ("site[c]", "a", None),
        ("site[b]:x", None, 2.0),
        ("site[c]:x", None, 2.0),
    ]


# ------------------------------------------------------------------------------------------------- random slopes, named


def test_rv_is_a_latent_variable_times_a_covariate():
    diagram = completed('y ~ rv("s")*x\n@level(school)\ns ~~ s\ny ~~ y')
    assert rows(diagram) == ["y ~ s:x = 1", "s ~~ s [school]", "y ~~ y [school]", "y ~~ y", "y ~1", "s ~1 [school]"]


def test_rv_under_lavaans_headers():
    diagram = completed('level: 1\ny ~ rv("s")*x\nlevel: 2\ny ~~ s\ns ~ w', cluster=("g",))
    assert diagram.latent_level("s") == "g"
    assert rows(diagram, "~~") == ["y ~~ y", "s ~~ y [g]", "y ~~ y [g]", "s ~~ s [g]"]
    assert rows(diagram, "~1") == ["y ~1 [g]", "s ~1 [g]"]


def test_rv_without_a_level():
    with pytest.raises(ModelError, match="Nothing says at which level the random slope 's' varies"):
        completed('y ~ rv("s")*x')


# ------------------------------------------------------------------------------------------------- levels


SCHOOL = """
eta =~ y1 + y2 + y3
eta ~ w1 + eta_class + 1*class_effect
@level(class)
eta_class =~ y4 + y5 + y6
eta_class ~ w2
class_effect =~ 0
"""


def test_multilevel_structural_equation_model():
    diagram = completed(SCHOOL)
    assert rows(diagram, "~~") == [
        "y1 ~~ y1",
        "y2 ~~ y2",
        "y3 ~~ y3",
        "y4 ~~ y4 [class]",
        "y5 ~~ y5 [class]",
        "y6 ~~ y6 [class]",
        "eta ~~ eta",
        "eta_class ~~ eta_class [class]",
        "class_effect ~~ class_effect [class]",
    ]
    assert rows(diagram, "~") == [
        "eta ~ w1",
        "eta ~ eta_class",
        "eta ~ class_effect = 1",
        "eta_class ~ w2 [class]",
    ]
    assert diagram.responses == ("y1", "y2", "y3", "y4", "y5", "y6")
    assert diagram.covariates == ("w1", "w2")
    assert [diagram.latent_level(name) for name in diagram.latent_names] == [None, "class", "class"]


def test_data_may_know_better_where_a_response_is():
    diagram = completed(SCHOOL, response_levels={"y4": None})
    assert "y4 ~~ y4" in rows(diagram)
    assert "y5 ~~ y5 [class]" in rows(diagram)


def test_nothing_is_added_in_a_level_block():
    diagram = completed("y1 ~ x\ny2 ~ x\n@level(g)\ny1 ~~ y1\ny1 ~~ y2")
    assert [row for row in rows(diagram, "~~") if "[g]" in row] == ["y1 ~~ y1 [g]", "y1 ~~ y2 [g]"]


def test_lavaans_level_adds_the_variances_of_its_responses():
    diagram = completed("level: 1\nf =~ y1 + y2 + y3\nlevel: 2\ng =~ y1 + y2 + y3", cluster=("school",))
    assert [row for row in rows(diagram, "~~") if "[school]" in row] == [
        "y1 ~~ y1 [school]",
        "y2 ~~ y2 [school]",
        "y3 ~~ y3 [school]",
        "g ~~ g [school]",
    ]
    assert [row for row in rows(diagram, "~1") if row.startswith("y")] == [f"y{k} ~1 [school]" for k in (1, 2, 3)]


def test_namesakes_of_two_levels_are_told_apart():
    diagram = completed("level: 1\nf =~ y1 + y2 + y3\nlevel: 2\nf =~ y1 + y2 + y3\nf ~ w", cluster=("school",))
    assert diagram.latent_names == ("f", "school.f")
    assert rows(diagram, "~") == ["school.f ~ w [school]"]
    assert diagram.notes == ("'f' of the level 'school' is called school.f",)


def test_lavaans_levels_need_the_cluster_column():
    with pytest.raises(ModelError, match="block for level 2, but the cluster column is not named"):
        completed("level: 1\ny ~ x\nlevel: 2\ny ~ w")


def test_a_factor_above_its_only_indicator_leaves_the_residual():
    assert "y1 ~~ y1" in rows(completed("y1 ~ x\nmean =~ y1 @level(school)"))
    assert "y1 ~~ y1 = 0" in rows(completed("f =~ y1\nf ~ x"))


def test_latent_variables_of_one_level_covary():
    diagram = completed("f =~ a1 + a2\ng =~ b1 + b2\np =~ 0\nb1 ~ p\n@level(s)\nh =~ a1 + a2\nk =~ b1 + b2")
    between = [row for row in rows(diagram, "~~") if row.split()[0] != row.split()[2]]
    assert between == ["f ~~ g", "h ~~ k [s]"]


# ------------------------------------------------------------------------------------------------- families


def test_only_gaussian_responses_have_residuals():
    diagram = completed("f =~ y + u + n\nu ~ x @family(bernoulli)\nn ~ x @family(poisson)")
    assert rows(diagram, "~~") == ["y ~~ y", "f ~~ f"]
    assert rows(diagram, "~1") == ["y ~1", "u ~1", "n ~1", "f ~1 = 0"]


def test_ordinal_responses_have_thresholds_in_place_of_an_intercept():
    call = {"ordered": ("u1",), "family": {"u2": "ordinal(logit)"}, "categories": {"u1": 3, "u2": 2}}
    diagram = completed("f =~ u1 + u2 + y", **call)
    assert rows(diagram, "|") == ["u1 | t1", "u1 | t2", "u2 | t1"]
    assert rows(diagram, "~1") == ["y ~1", "f ~1 = 0"]
    assert rows(diagram, "~~", "~*~") == ["y ~~ y", "f ~~ f"]
    assert (diagram.family_of("u1").link, diagram.family_of("u2").link) == ("probit", "logit")


def test_one_family_for_all_that_have_none():
    diagram = completed("f =~ y1 + y2\ny2 ~ x @family(poisson)", family="bernoulli(probit)")
    assert [diagram.family_of(name).name for name in ("y1", "y2")] == ["bernoulli", "poisson"]


def test_families_of_text_and_call_agree():
    diagram = completed("y ~ x @family(bernoulli)", family={"y": "bernoulli(logit)"})
    assert diagram.family_of("y").name == "bernoulli"
    with pytest.raises(ModelError, match=r"poisson\(log\) here, bernoulli in family="):
        completed("y ~ x @family(poisson)", family={"y": "bernoulli"})


def test_final_dependents_covary_if_both_are_gaussian_and_neither_has_a_random_term():
    text = "y1 ~ x\ny2 ~ x\n"
    assert "y1 ~~ y2" in rows(completed(text))
    assert "y1 ~~ y2" not in rows(completed(text, family={"y1": "poisson"}))
    assert "y1 ~~ y2" not in rows(completed(text + "y1 ~ (1 | s)"))


def test_covariates_are_conditioned_on():
    diagram = completed("x ~ z\ny ~ x + z")
    assert rows(diagram) == ["x ~ z", "y ~ x", "y ~ z", "x ~~ x", "y ~~ y", "x ~1", "y ~1"]
    assert diagram.covariates == ("z",)


def test_latent_variable_times_covariate_is_written_latent_first():
    diagram = completed("theta =~ 0\ny ~ 0 + d1 + 1*d1:theta + d2:theta", family="bernoulli")
    assert rows(diagram, "~") == ["y ~ d1", "y ~ theta:d1 = 1", "y ~ theta:d2"]
    assert rows(diagram, "=~") == []


# ------------------------------------------------------------------------------------------------- groups, switches


def test_a_path_of_a_group_replaces_the_common_one():
    diagram = completed("f =~ y1 + y2 + y3\n@group(b)\nf =~ 2*y2\ny1 ~ z", n_groups=2, group_labels=("a", "b"))
    second = [shown(row) for row in diagram.parameters if row.group == 2 and row.op in ("=~", "~")]
    assert second == ["f =~ y1 = 1", "f =~ y2 = 2", "f =~ y3", "y1 ~ z"]
    assert "y1 ~ z" not in [shown(row) for row in diagram.parameters if row.group == 1]


def test_unknown_group():
    with pytest.raises(ModelError, match="There is no group 'c'"):
        completed("f =~ y1 + y2\n@group(c)\nf =~ 2*y2", n_groups=2, group_labels=("a", "b"))


def test_group_blocks_without_groups():
    with pytest.raises(ModelError, match="blocks for 2 groups, the data have 1"):
        completed("group: 1\ny ~ x\ngroup: 2\ny ~ x")


def test_equal_labels_are_one_parameter():
    diagram = completed("f =~ a*y1 + a*y2 + b*y3")
    assert rows(diagram, "=~") == ["f =~ y1 = 1", "f =~ y2 = 1", "f =~ y3"]


@pytest.mark.parametrize(
    ("switch", "value", "remedy"),
    [
        ("std_lw", True, "Did you mean 'std_lv'"),
        ("group_equal", "loading", "Did you mean 'loadings'"),
        ("effect_coding", "loading", "Did you mean 'loadings'"),
        ("parameterization", "gamma", '"delta" or "theta"'),
        ("auto_var", "yes", "True or False"),
        ("meanstructure", False, "always has the means"),
    ],
)
def test_unknown_switches_are_errors(switch, value, remedy):
    with pytest.raises(ModelError, match=remedy):
        completed("f =~ y1 + y2", **{switch: value})


def test_unknown_function():
    with pytest.raises(ModelError, match="Did you mean 'sem'"):
        completed("f =~ y1 + y2", like="semm")


def test_a_modifier_has_an_entry_per_group():
    with pytest.raises(ModelError, match="2 entries for 3 groups"):
        completed("f =~ y1 + c(a, b)*y2", n_groups=3)


def test_thresholds_are_one_less_than_categories():
    with pytest.raises(ModelError, match="has 3 categories and so 2 thresholds; t3"):
        completed("f =~ u1 + u2\nu1 | t1 + t2 + t3", categories={"u1": 3})


def test_a_large_model_is_completed_in_time():
    text = "\n".join(f"f{k} =~ " + " + ".join(f"y{k}_{j}" for j in range(20)) for k in range(40))
    diagram = completed(text)
    assert len(diagram.parameters) == 800 + 800 + 40 + 40 * 39 // 2 + 800 + 40
