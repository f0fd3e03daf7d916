"""What each switch of completion does to a fit: it changes it, or provably does not, or is refused."""

import numpy as np
import pytest

import semgllamm as sg

DATA = sg.load_dataset("holzinger")
CFA = "f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6"
ORDINAL = ["u1", "u2", "u3"]
MEASURED = "f =~ u1 + u2 + u3"


@pytest.fixture(scope="module")
def ordinal():
    return DATA.assign(**{
        f"u{k}": np.digitize(DATA[f"x{k}"], DATA[f"x{k}"].quantile([0.3, 0.7])) for k in (1, 2, 3)
    })  # fmt: skip


def same(one, other):
    assert one.loglik == pytest.approx(other.loglik, abs=1e-7)
    assert one.npar == other.npar


# ---------------------------------------------------------------------------------------------- the same model


@pytest.mark.parametrize(
    ("written", "switches"),
    [
        # what a switch does, done by hand
        ("f =~ NA*x1 + x2 + x3\ng =~ NA*x4 + x5 + x6\nf ~~ 1*f\ng ~~ 1*g", {"std_lv": True}),
        (CFA + "\nf ~~ 0*g", {"orthogonal": True}),
        (CFA + "\nf ~~ 0*g", {"orthogonal_x": True}),
        (CFA + "\nf ~~ 0*g", {"auto_cov_lv_x": False}),
        (
            "f =~ NA*x1 + a*x1 + b*x2 + c*x3\ng =~ NA*x4 + d*x4 + e*x5 + h*x6\na + b + c == 3\nd + e + h == 3",
            {"effect_coding": "loadings"},
        ),
    ],
)
def test_a_switch_is_the_model_that_it_stands_for(written, switches):
    same(sg.cfa(CFA, DATA, **switches), sg.cfa(written, DATA))


@pytest.mark.parametrize("switches", [{"std_lv": True}, {"effect_coding": "loadings"}])
def test_another_scale_of_factors_is_the_same_distribution(switches):
    same(sg.cfa(CFA, DATA), sg.cfa(CFA, DATA, **switches))


def test_without_markers_the_scale_is_what_the_text_says():
    text = CFA + "\nf ~~ 1*f\ng ~~ 1*g"
    free = sg.cfa(text, DATA, auto_fix_first=False)
    same(free, sg.cfa(CFA, DATA))
    held = sg.cfa(text, DATA)
    assert held.npar == free.npar - 2
    assert held.loglik < free.loglik - 0.1


def test_automatic_variances_are_those_that_could_be_written():
    variances = "".join(f"\n{name} ~~ {name}" for name in ("f", "g", *(f"x{k}" for k in range(1, 7))))
    same(sg.cfa(CFA + variances, DATA, auto_var=False), sg.cfa(CFA, DATA))
    assert sg.cfa(CFA + variances.replace("\nx1 ~~ x1", ""), DATA, auto_var=False).npar == sg.cfa(CFA, DATA).npar - 1


def test_the_residual_of_a_single_measure_adds_to_its_variance():
    text = CFA + "\nh =~ x9"
    held = sg.sem(text, DATA)
    assert held.coef["h~~h"] == pytest.approx(DATA["x9"].var(ddof=0), rel=1e-6)
    split = sg.sem(text + "\nh ~~ 0.5*h", DATA, auto_fix_single=False)
    same(split, held)
    assert split.coef["x9~~x9"] == pytest.approx(DATA["x9"].var(ddof=0) - 0.5, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "switch", "name"),
    [("x1 ~ x9\nx4 ~ x9", "auto_cov_y", "x1~~x4"), (CFA + "\nf + g ~ x9", "auto_cov_y", "f~~g")],
)
def test_dependents_covary_unless_they_are_told_not_to(text, switch, name):
    free, held = sg.sem(text, DATA), sg.sem(text, DATA, **{switch: False})
    assert name in free.coef.index and name not in held.coef.index
    assert held.loglik < free.loglik - 1
    left, right = name.split("~~")
    same(held, sg.sem(f"{text}\n{left} ~~ 0*{right}", DATA))


# ---------------------------------------------------------------------------------------------- means, covariates


def test_a_saturated_mean_structure_changes_counts_and_nothing_else():
    plain, means = sg.cfa(CFA, DATA), sg.cfa(CFA, DATA, meanstructure=True)
    assert means.npar == plain.npar + 6
    assert means.loglik == pytest.approx(plain.loglik, abs=1e-8)
    assert means.coef["x1~1"] == pytest.approx(DATA["x1"].mean())


def test_intercepts_that_are_not_free_are_zero():
    held = sg.cfa(CFA, DATA, meanstructure=True, int_ov_free=False)
    same(held, sg.cfa(CFA + "".join(f"\nx{k} ~ 0*1" for k in range(1, 7)), DATA))
    assert held.loglik < sg.cfa(CFA, DATA).loglik - 100


def test_free_latent_means_take_the_place_of_an_intercept():
    anchored = CFA + "\nx1 ~ 0*1\nx4 ~ 0*1"
    free = sg.cfa(anchored, DATA, int_lv_free=True)
    assert free.loglik == pytest.approx(sg.cfa(CFA, DATA).loglik, abs=1e-7)
    assert free.coef["f~1"] == pytest.approx(DATA["x1"].mean(), rel=1e-6)
    assert sg.cfa(anchored, DATA).loglik < free.loglik - 100


def test_random_covariates_add_their_own_density_and_nothing_else():
    fixed, random = sg.sem(CFA + "\nf ~ x9", DATA), sg.sem(CFA + "\nf ~ x9", DATA, fixed_x=False)
    alone = sg.sem("x9 ~~ x9", DATA)
    assert random.npar == fixed.npar + 1
    assert random.loglik == pytest.approx(fixed.loglik + alone.loglik, abs=1e-7)
    assert random.coef["f~x9"] == pytest.approx(fixed.coef["f~x9"], rel=1e-6)


# ---------------------------------------------------------------------------------------------- groups


@pytest.mark.parametrize(
    ("equal", "labels", "fewer"),
    [
        ("loadings", "f =~ x1 + c(a, a)*x2 + c(b, b)*x3", 2),
        ("residuals", CFA[:17] + "".join(f"\nx{k} ~~ c(r{k}, r{k})*x{k}" for k in (1, 2, 3)), 3),
        ("intercepts", CFA[:17] + "".join(f"\nx{k} ~ c(i{k}, i{k})*1" for k in (1, 2, 3)) + "\nf ~ c(0, NA)*1", 2),
        ("lv.variances", CFA[:17] + "\nf ~~ c(v, v)*f", 1),
    ],
)
def test_equal_groups_are_those_that_labels_make_equal(equal, labels, fewer):
    text = "f =~ x1 + x2 + x3"
    held, free = (sg.cfa(text, DATA, group="school", **more) for more in ({"group_equal": equal}, {}))
    assert held.npar == free.npar - fewer
    assert held.loglik < free.loglik
    same(held, sg.cfa(labels, DATA, group="school"))


@pytest.mark.parametrize("name", ["f=~x2", "f =~ x2"])
def test_what_is_released_from_equality_is_free(name):
    partly = sg.cfa(CFA, DATA, group="school", group_equal="loadings", group_partial=[name])
    fully = sg.cfa(CFA, DATA, group="school", group_equal="loadings")
    assert partly.npar == fully.npar + 1
    assert partly.loglik > fully.loglik
    same(partly, sg.cfa(CFA.replace("x3", "c(a, a)*x3").replace("x5", "c(b, b)*x5").replace("x6", "c(d, d)*x6"), DATA,
                        group="school"))  # fmt: skip


# ---------------------------------------------------------------------------------------------- ordinal responses


def test_thresholds_that_are_written_are_those_that_come_by_themselves(ordinal):
    written = MEASURED + "".join(f"\nu{k} | t1 + t2" for k in (1, 2, 3))
    same(sg.cfa(written, ordinal, ordered=ORDINAL, auto_th=False), sg.cfa(MEASURED, ordinal, ordered=ORDINAL))
    with pytest.raises(sg.ModelError, match=r"threshold u1 \| t1 is neither written nor automatic"):
        sg.cfa(MEASURED, ordinal, ordered=ORDINAL, auto_th=False)


def test_the_parameterization_is_about_equal_thresholds_only(ordinal):
    delta = sg.cfa(MEASURED, ordinal, ordered=ORDINAL)
    theta = sg.cfa(MEASURED, ordinal, ordered=ORDINAL, parameterization="theta")
    same(theta, delta)
    np.testing.assert_allclose(theta.coef, delta.coef, atol=1e-7)


def test_equal_thresholds_free_a_scale_or_a_variance_or_nothing(ordinal):
    equal = {"group": "school", "group_equal": ["loadings", "thresholds"], "ordered": ORDINAL}
    with pytest.raises(sg.ModelError, match="free or non-unit scale"):
        sg.cfa(MEASURED, ordinal, **equal)
    with pytest.raises(sg.ModelError, match="parameterization='theta'"):
        sg.cfa(MEASURED, ordinal, parameterization="theta", **equal)
    held = sg.cfa(MEASURED, ordinal, auto_delta=False, **equal)
    # two loadings and six thresholds are shared, and the mean of the second group is free
    assert held.npar == sg.cfa(MEASURED, ordinal, group="school", ordered=ORDINAL).npar - 8 + 1


# ---------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("function", "switches", "message"),
    [
        ("cfa", {"group_equal": "loadings"}, "there is one group"),
        ("cfa", {"group": "school", "group_partial": ["f=~x2"]}, "no parameters are equal"),
        ("cfa", {"group": "school", "group_equal": "loadings", "group_partial": ["f=~x9"]}, "group_partial names"),
        ("cfa", {"group": "school", "group_equal": "loadings", "group_partial": ["x1~1"]}, "group_partial names"),
        ("cfa", {"group": "school", "group_equal": "intercepts", "meanstructure": False}, "leaves none"),
        ("cfa", {"missing": "ml", "meanstructure": False}, "has means"),
        ("cfa", {"int_lv_free": True}, "this model has none"),
        ("cfa", {"int_ov_free": False}, "this model has none"),
        ("cfa", {"effect_coding": "intercepts"}, "this model has none"),
        ("cfa", {"estimator": "GLS", "fixed_x": True}, "covariates are random"),
        ("fit", {"parameterization": "theta"}, "scales of ordinal"),
        ("fit", {"auto_delta": False}, "scales of ordinal"),
        ("fit", {"fixed_x": False}, "conditions on covariates"),
        ("fit", {"meanstructure": False}, "always has the means"),
        ("cfa", {"conditional_x": True}, "unknown argument"),
    ],
)
def test_a_switch_that_would_be_ignored_is_refused(function, switches, message):
    with pytest.raises(sg.ModelError, match=message):
        getattr(sg, function)(CFA, DATA, **switches)


# ---------------------------------------------------------------------------------------------- labels


def test_a_label_of_one_group_is_warned_of_where_it_is_fitted():
    text = "@group(Pasteur)\nf =~ x1 + a*x2 + x3\n@group(Grant-White)\nf =~ x1 + x2 + x3"
    text = text.replace("Grant-White", '"Grant-White"')
    with pytest.warns(sg.SemgllammWarning, match="'a' of f=~x2 is used in group 'Pasteur' only.*'Grant-White' is free"):
        fit = sg.cfa(text, DATA, group="school")
    assert "the label 'a'" in " ".join(str(fit.summary()).split())
