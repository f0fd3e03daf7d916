"""What a diagram cannot say: each error names its place and what to write."""

import pytest

from semgllamm.diagram.checks import check, check_against_columns, check_estimable
from semgllamm.diagram.defaults import complete
from semgllamm.errors import DataError, ModelError
from semgllamm.syntax.build import read


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("f =~ y1 + y2\n@level(g)\nz1 ~ f", "'f' varies over rows and cannot predict 'z1'", (3, 6)),
        ("f =~ y1 + y2\n@level(g)\nh =~ y1 + y2\nh ~ f", "'f' varies over rows and cannot predict 'h'", (4, 5)),
        ("f =~ y1 + y2\nf ~~ h\n@level(g)\nh =~ y1", "'h' varies over units of 'g' and has no", (2, 6)),
        ("y1 + y2 ~ x @family(poisson)\ny1 ~~ y2", r"'y1' is poisson\(log\) and has no residual", (2, 7)),
        ("y1 ~ x @family(poisson)\ny1 ~~ y1", "extra =~ 1\\*y1", (2, 7)),
        ("y ~ a*x\nd := aa*2", "Did you mean 'a'", (2, 6)),
        ("y ~ a*x + b*z\na == c", "No parameter has the label or name 'c'", (2, 6)),
        ("y ~ a*x\na := 2*a", "'a' is the label of a parameter", (2, 1)),
        ("y1 ~ (1 | s)\ny2 ~ (1 | s)\ns.intercept ~ w", "Write y1.s.intercept or y2.s.intercept", (3, 15)),
        ("y ~ (1 | s) + (1 | s)", "Two random terms make the same latent variable", (1, 5)),
        ("y1 ~ y2 @family(bernoulli)\ny2 ~ y1", "is a cycle, and 'y1' is bernoulli", (2, 6)),
    ],
)
def test_contradictions(text, message, place):
    with pytest.raises(ModelError, match=message) as caught:
        check(complete(read(text)))
    assert (caught.value.span.line, caught.value.span.column) == place
    assert f"line {place[0]}, column {place[1]}" in str(caught.value)


def test_nested_levels_are_in_order():
    text = "y ~ (1 | school/class)\n@level(class)\nf =~ y\n@level(school)\ng =~ y\n"
    check(complete(read(text + "@level(row)\nf ~ g")))
    with pytest.raises(ModelError, match="'f' varies over units of 'class' and cannot predict 'g'"):
        check(complete(read(text + "@level(row)\ng ~ f")))


def test_clusters_given_in_order_tell_the_levels():
    text = "y ~ x\n@level(school)\ng =~ y\n@level(class)\nf =~ y\n@level(row)\ng ~ f"
    with pytest.raises(ModelError, match="cannot predict 'g', which varies over units of 'school'"):
        check(complete(read(text), cluster=("class", "school")))
    check(complete(read(text), cluster=("school", "class")))


def test_thresholds_that_nobody_frees():
    diagram = complete(read("f =~ u1 + u2"), ordered=("u1",), categories={"u1": 3}, auto_th=False)
    with pytest.raises(ModelError, match=r"u1 \| t1 is neither written nor automatic"):
        check(diagram)


@pytest.mark.parametrize(
    "text",
    [
        "y ~ x + (1 | g)",
        "f =~ NA*y1 + a*y1 + a*y2\nf ~~ 1*f",
        "f =~ y1 + 1*y2 + a*y3\nd := 2*a\na == 3*d",
        "u ~ x @family(ordinal(probit))\nu | t1 + t2\nu ~~ 1*u",
        "y1 ~ x\n@level(g)\ny1 ~~ y1",
        "y ~ a*x\n`y~x` == 2",
        "y ~ x\nd := `y~x` - 1",
    ],
)
def test_sound_models_pass_in_silence(text):
    try:
        diagram = read(text)
    except ModelError:
        pytest.fail("the text is read")
    assert check(complete(diagram)) == ()


def test_a_label_on_the_marker_holds_its_namesakes():
    (warning,) = check(complete(read("f =~ a*y1 + a*y2 + y3")))
    assert "all 2 parameters of that label are held at 1" in warning
    assert "f =~ NA*y1 + a*y1" in warning


# ------------------------------------------------------------------------------------------------- columns


BLOCKS = "group: 1\nf =~ x1 + {0}x2 + x3\ngroup: 2\nf =~ x1 + {1}x2 + x3"


@pytest.mark.parametrize("labels", [("a*", ""), ("", "a*")])
def test_a_label_in_the_block_of_one_group_is_warned_of(labels):
    own, other = ("1", "2") if labels[0] else ("2", "1")
    (warning,) = check(complete(read(BLOCKS.format(*labels)), n_groups=2))
    assert f"the label 'a' of f=~x2 is used in group '{own}' only" in warning
    assert f"of group '{other}' is free" in warning


def test_the_warning_of_a_label_names_all_groups_as_the_data_do():
    text = "f =~ x1 + x2 + x3\n@group(south)\nf =~ a*x2"
    labels = ("north", "south", "west")
    (warning,) = check(complete(read(text), n_groups=3, group_labels=labels), labels)
    assert "'a' of f=~x2 is used in group 'south' only, and f=~x2 of groups 'north', 'west' is free" in warning


@pytest.mark.parametrize(
    "text",
    [
        "f =~ x1 + a*x2 + x3", "f =~ x1 + c(a, NA)*x2 + x3", "f =~ x1 + c(a, b)*x2 + x3", BLOCKS.format("a*", "a*"),
        BLOCKS.format("a*", "b*"), BLOCKS.format("a*", "0.5*"), BLOCKS.format("", ""),
    ],
)  # fmt: skip
def test_labels_that_say_what_groups_share_are_not_warned_of(text):
    assert check(complete(read(text), n_groups=2)) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y ~ foo", "no column 'foo'(.|\n)*Did you mean 'Foo'(.|\n)*foo =~ 0"),
        ("y ~ x + (1 | schol)", "no column 'schol'(.|\n)*Did you mean 'school'"),
        ("y ~ x + (foo | school)", "no column 'foo'"),
        ("@level(klass)\ny ~ x", "no column 'klass'"),
        ("y ~ x @offset(log_t)", "no column 'log_t'"),
        ("@latent(c, classes(2), known=seen)\nc =~ y", "no column 'seen'"),
        ("f =~ y + z\ny ~ x:w", "no column 'w'"),
        ("y ~ x + (1 + x | school)\nz ~ school.slope", "random effects of school are school.intercept, school.x"),
    ],
)
def test_unknown_columns(text, message):
    with pytest.raises(DataError, match=message):
        check_against_columns(read(text), ("y", "x", "z", "Foo", "school"))


def test_unknown_group_column():
    with pytest.raises(DataError, match=r"no column 'grp'(.|\n)*Did you mean 'group'"):
        check_against_columns(read("y ~ x"), ("y", "x", "group"), also=("grp",))


def test_names_that_are_columns_too():
    (label,) = check_against_columns(read("y ~ x*z"), ("y", "x", "z"))
    assert "'x' before * is the label of z" in label and "x:z" in label
    (latent,) = check_against_columns(read("f =~ y + z"), ("y", "z", "f"))
    assert "'f' is called like a column" in latent
    assert check_against_columns(read("y ~ a*x + (x | school)"), ("y", "x", "school")) == ()


# ------------------------------------------------------------------------------------------------- not estimated yet


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("@latent(c, classes(1))\nc =~ y1 + y2", "'c' with one class"),
        ('efa("b")*f =~ y1 + y2 + y3', "rotated factor 'f'"),
        ('y ~ prior("normal(0,1)")*x', "prior of y ~ x"),
        ("f =~ u1 + u2\nu1 | t1\nu1 ~*~ u1", r"scale u1 ~\*~ u1"),
    ],
)
def test_what_is_not_estimated_is_refused_by_name(text, part):
    diagram = read(text)
    with pytest.raises(ModelError, match=part) as caught:
        check_estimable(diagram)
    assert "cannot be estimated yet" in str(caught.value)
    assert caught.value.span is not None


@pytest.mark.parametrize(
    ("text", "part", "fitting"),
    [
        ("u ~ x @family(poisson)\n@dispersion(u ~ z)", "'u' is poisson(log), which has no @dispersion", "nbinom2"),
        ("u ~ x @family(poisson)\n@thresholds(u ~ z)", "'u' is poisson(log), which has no @thresholds",
         "Families with one: ordinal, sequential, adjacent."),
        ("u ~ x @family(ordinal)\n@guessing(u ~ 1)", "'u' is ordinal(logit), which has no @guessing",
         "Families with one: bernoulli, binomial."),
        ("u ~ x @family(beta)\n@ceiling(u ~ 1)", "'u' is beta(logit), which has no @ceiling", ": bernoulli, binomial."),
        ("u ~ x @family(gamma)\n@inflation(u ~ z)", "'u' is gamma(log), which has no @inflation",
         "Families with one: poisson, nbinom2, nbinom1, hurdlepoisson, hurdlenbinom1, hurdlenbinom2."),
        ("u ~ x @family(gamma) @event(z)", "'u' is gamma(log), which has no @event",
         "Families with @event: exponential, weibull."),
        ("u ~ x @family(weibull) @trials(z)", "'u' is weibull(log), which has no @trials", "binomial"),
        ("u ~ x @family(bernoulli(log))\n@dispersion(u ~ z)", "'u' is bernoulli(log), which has no @dispersion",
         "which there is under logit, probit, cloglog, loglog."),
        ("y ~ x @family(gamma(probit))", "The link probit does not fit 'y', which is gamma", "Links of gamma: log"),
        ("y ~ x @family(ordinal(log))", "The link log does not fit 'y', which is ordinal", "Links of ordinal: logit"),
        ("y ~ x @family(weibull(sqrt))", "The link sqrt does not fit 'y', which is weibull",
         "The link sqrt fits poisson, nbinom2."),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_with_what_does(text, part, fitting):
    with pytest.raises(ModelError) as caught:
        check_estimable(read(text))
    assert caught.value.message == part and caught.value.span is not None
    assert fitting in caught.value.remedy


@pytest.mark.parametrize("family", ["ordinal", "sequential(probit)", "adjacent"])
def test_a_covariate_that_moves_mean_and_thresholds_is_refused_with_both_places(family):
    with pytest.raises(ModelError, match="'x' moves the mean of 'u' and each of its thresholds") as caught:
        check_estimable(read(f"u ~ x + z @family({family})\n@thresholds(u ~ w + x)"))
    assert "line 1, column 5" in str(caught.value) and "line 2, column 21" in str(caught.value)
    assert "u ~ 0*x" in caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "u ~ z @family(ordinal)\n@thresholds(u ~ x)",
        "u ~ 0.5*x @family(ordinal)\n@thresholds(u ~ x)",
        "u ~ x @family(ordinal)\n@thresholds(u ~ 0.2*x)",
        "u ~ b*x @family(ordinal)\nv ~ b*x @family(ordinal)\n@thresholds(u ~ x)",
        "u ~ b*x @family(ordinal)\n@thresholds(u ~ d*x)\nb == 2*d",
    ],
)
def test_effects_on_thresholds_beside_those_that_something_else_identifies_pass(text):
    check_estimable(read(text))


def test_residuals_around_a_curve_do_not_covary_and_its_responses_are_in_no_cycle():
    for text, message in (
        ("y1 ~ x @family(gaussian(log))\ny2 ~ x\ny1 ~~ y2", r"gaussian\(log\), and its residual cannot covary"),
        ("y1 ~ y2 @family(gaussian(log))\ny2 ~ y1", r"is a cycle, and 'y1' is gaussian\(log\)"),
    ):
        with pytest.raises(ModelError, match=message):
            check(complete(read(text)))
    completed = complete(read("y1 + y2 ~ x @family(gaussian(log))\ny3 ~ x"))
    assert not [row for row in completed.parameters if row.op == "~~" and row.lhs != row.rhs]
    assert [row.lhs for row in completed.parameters if row.op == "~~"] == ["y1", "y2", "y3"]


def test_every_such_part_is_named():
    with pytest.raises(ModelError) as caught:
        check_estimable(read('y ~ prior("normal(0,1)")*x @family(gamma(logit))\nefa("b")*f =~ u1 + u2'))
    parts = (
        "The link logit does not fit 'y', which is gamma (line 1)",
        "The prior of y ~ x cannot be estimated yet (line 1)",
        "The rotated factor 'f' (efa) cannot be estimated yet (line 2)",
    )
    for part in parts:
        assert part in str(caught.value)


def test_a_link_that_does_not_fit_is_told_with_those_that_do():
    with pytest.raises(ModelError) as caught:
        check_estimable(read("y ~ x @family(gamma(probit))"))
    assert "Links of gamma: log, reciprocal, identity, inverse_square." in str(caught.value)
    fitting = "bernoulli, binomial, ordinal, sequential, beta."
    assert f"The link probit fits {fitting}" in str(caught.value)


def test_the_language_knows_the_families_that_are_fitted_with_their_links():
    from semgllamm.diagram.families import FAMILIES
    from semgllamm.responses import registry

    assert set(FAMILIES) == set(registry.names())
    for family in registry.FAMILIES:
        known = FAMILIES[family.name]
        assert known.links == registry.links_of(family.name) and known.links[0] == family.default_link
        # a residual variance gives way to a dispersion only where one is written
        own = known.written if family.has_residual else known.own
        assert (own, known.beside) == (family.predictors, family.beside)


@pytest.mark.parametrize(
    "text",
    [
        "y ~ x + (1 + x | school/class)",
        "y ~ x\n@dispersion(y ~ z)",
        "u ~ x @family(poisson)\n@inflation(u ~ z)",
        "u ~ x @family(weibull(event=z)) @dispersion(x)",
        "u ~ x @family(censored(lower=0))",
        "f =~ u1 + u2 + u3 @family(bernoulli(cloglog))\nf ~ x\nu1 ~ x",
        "y ~ a*x + b*z\n2*a == b/2 + d + 1\nd := a*3",
        "f =~ u1 + u2\nu1 | t1 + t2\nu1 ~*~ 1*u1",
        "n ~ x @family(poisson) @exposure(t)",
        "y ~ a*x + b*z\na == b^2\nc := a*b\nc < exp(a)\na > 0",
        "y ~ lower(0)*x + upper(1)*z",
    ],
)
def test_what_is_estimated_passes(text):
    check_estimable(read(text))
