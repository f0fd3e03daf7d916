"""Score tests and modification indices of fits by integration."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg

TWO = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nvisual ~~ 0*textual\n"
ITEMS = "f =~ u0 + u1 + u2 + u3 @family(bernoulli)\nf ~ g\n"
CLASSES = "@latent(c, classes(2))\nc =~ u0 + u1 + u2 + u3 @family(bernoulli)\n"
HERDS = "incidence ~ 1 + {}period + (1 | herd)  @family(binomial(logit)) @trials(size)"
PUPILS = "@level(row)\nfw =~ u0 + u1 + u2 + u3 @family(bernoulli)\n@level(school)\nfb =~ u0 + u1 + u2 + u3\nfb ~ w\n"
KEY = ["lhs", "op", "rhs"]


@cache
def answers(n=1500, effect=0.25, seed=8):
    """Four items, of which `u2` is easier in group 1 than the latent variable says."""
    rng = np.random.default_rng(seed)
    g = rng.integers(0, 2, n)
    f = 0.4 * g + rng.normal(size=n)
    u = {f"u{k}": (1.2 * f + 0.3 * k + effect * g * (k == 2) + rng.logistic(size=n) > 0).astype(int) for k in range(4)}
    return pd.DataFrame(u).assign(g=g)


@cache
def pupils(seed=5, schools=120, size=6):
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(schools), size)
    w = rng.normal(size=schools)[school]
    f = rng.normal(size=school.size) + (0.8 * rng.normal(size=schools))[school]
    u = {f"u{k}": (f + 0.25 * w * (k == 1) + rng.logistic(size=school.size) > 0).astype(int) for k in range(4)}
    return pd.DataFrame(u).assign(school=school, w=w)


@cache
def engine(how):
    return sg.fit(TWO, sg.load_dataset("holzinger"), **({"quadrature": "laplace"} if how == "engine" else {}))


@cache
def without_direct_effect():
    return sg.fit(ITEMS, answers())


@pytest.mark.parametrize("information", ["observed", "first.order"])
def test_gaussian_models_have_the_indices_of_the_closed_form(information):
    """Through the engine variances are moved by roots and logarithms; in closed form they are what they are."""
    found, closed = (engine(how).modification_indices(information=information).set_index(KEY)
                     for how in ("engine", "closed"))  # fmt: skip
    assert ("visual", "~~", "textual") in found.index and len(found) == 16
    for column in ("mi", "epc"):
        np.testing.assert_allclose(found[column], closed.loc[found.index, column], rtol=1e-5, err_msg=column)


def test_the_expected_information_of_the_closed_form_is_not_far():
    found = engine("engine").modification_indices().set_index(KEY)
    expected = engine("closed").modification_indices().set_index(KEY).loc[found.index]
    small = expected["mi"] < 4
    assert small.sum() > 5
    np.testing.assert_allclose(found["mi"][small], expected["mi"][small], atol=0.6)


@pytest.mark.parametrize("information", [None, "first.order"])
def test_a_parameter_that_is_held_at_its_estimate_has_no_score(information):
    free = sg.fit(ITEMS + "u2 ~ g", answers())
    held = sg.fit(ITEMS + f"u2 ~ {float(free.coef['u2~g'])!r}*g", answers())
    assert held.score_test(add="u2 ~ g", information=information).stat < 1e-8
    row = held.modification_indices().set_index(KEY).loc[("u2", "~", "g")]
    assert abs(row["mi"]) < 1e-8 and abs(row["epc"]) < 1e-4


def test_the_index_is_the_score_test_and_near_the_likelihood_ratio_and_walds_test():
    """All three are the same to first order: a small effect, and many persons."""
    held, free = (sg.fit(text, answers(48_000, 0.1)) for text in (ITEMS, ITEMS + "u2 ~ g"))
    row = held.modification_indices().set_index(KEY).loc[("u2", "~", "g")]
    test = held.score_test(add="u2 ~ g")
    ratio, wald = 2 * (free.loglik - held.loglik), free.wald_test("`u2~g` == 0").stat
    assert test.stat == pytest.approx(row["mi"], rel=1e-8) and test.information == row["information"] == "observed"
    assert 3 < ratio < 30
    assert row["mi"] == pytest.approx(ratio, rel=0.03) and wald == pytest.approx(ratio, rel=0.03)
    assert row["epc"] == pytest.approx(free.coef["u2~g"], rel=0.1)
    assert held.score_test(add="u2 ~ g", information="first.order").stat == pytest.approx(ratio, rel=0.1)


def test_items_are_screened():
    found = without_direct_effect().modification_indices(sort=True)
    assert set(found["op"]) == {"~"} and set(found["rhs"]) == {"g"} and len(found) == 4
    only = without_direct_effect().modification_indices(op="=~")
    assert only.empty and list(only.columns) == list(found.columns)


def test_coefficients_of_covariates_at_zero():
    herds = sg.load_dataset("cbpp")
    held, free = sg.fit(HERDS.format("0*"), herds), sg.fit(HERDS.format(""), herds)
    test = held.score_test(add="incidence ~ `period[2]` + `period[3]` + `period[4]`")
    assert test.df == 3 and list(test.each["rhs"]) == ["0"] * 3
    assert test.stat == pytest.approx(2 * (free.loglik - held.loglik), rel=0.15)
    np.testing.assert_allclose(test.each["stat"], held.modification_indices()["mi"], rtol=1e-8)


def test_equal_loadings_and_groups_are_released():
    data = sg.load_dataset("lsat6")
    text = "theta =~ {0}y1 + {0}y2 + {0}y3 + {0}y4 + {0}y5 @family(bernoulli)"
    equal, free = (sg.fit(text.format(label), data, std_lv=True) for label in ("a*", ""))
    test = equal.score_test()
    assert test.df == 4 and len(test.each) == 4
    assert test.stat == pytest.approx(2 * (free.loglik - equal.loglik), rel=0.1)
    groups = sg.fit("f =~ u0 + u1 + u2 + u3 @family(bernoulli)", answers(), group="g",
                    group_equal=("loadings", "intercepts"))  # fmt: skip
    apart = sg.fit("f =~ u0 + u1 + u2 + u3 @family(bernoulli)", answers(), group="g",
                   group_equal=("loadings", "intercepts"), group_partial=("u2~1",))  # fmt: skip
    each = groups.score_test().each
    number = 1 + list(each["lhs"]).index("u2~1")
    one = groups.score_test(release=number, information="first.order")
    assert one.stat == pytest.approx(each["stat"][number - 1], rel=1e-8)
    assert groups.score_test(release=number).stat == pytest.approx(2 * (apart.loglik - groups.loglik), rel=0.1)


def test_what_is_not_identified_when_all_is_released_does_not_count():
    """Three loadings are measured in units of the marker; of four intercepts and a mean one is not needed."""
    groups = sg.fit("f =~ u0 + u1 + u2 + u3 @family(bernoulli)", answers(), group="g",
                    group_equal=("loadings", "intercepts"))  # fmt: skip
    test = groups.score_test()
    assert len(test.each) == 7 and test.df == 6 and test.information == "first.order"
    apart = sg.fit("f =~ u0 + u1 + u2 + u3 @family(bernoulli)", answers(), group="g")
    assert test.stat == pytest.approx(2 * (apart.loglik - groups.loglik), rel=0.1)


def test_mixtures():
    held, free = (sg.fit(CLASSES + f"u0 ~ {zero}g", answers(), settings=sg.Settings(seed=1), n_starts=3)
                  for zero in ("0*", ""))  # fmt: skip
    row = held.modification_indices().iloc[0]
    assert (row["lhs"], row["op"], row["rhs"]) == ("u0", "~", "g")
    assert row["mi"] == pytest.approx(2 * (free.loglik - held.loglik), rel=0.05)


def test_two_levels():
    held, free = (sg.fit(PUPILS + more, pupils(), cluster="school") for more in ("", "u1 ~ w"))
    found = held.modification_indices().set_index(KEY)
    assert set(found.index) == {(f"u{k}", "~", "w") for k in range(4)}
    assert held.score_test(add="@level(school)\nu1 ~ w").stat == pytest.approx(found.loc[("u1", "~", "w"), "mi"])
    assert found.loc[("u1", "~", "w"), "mi"] == pytest.approx(2 * (free.loglik - held.loglik), rel=0.2)


def test_an_information_that_is_not_positive_is_replaced_unless_it_was_asked_for():
    """A large effect that is left out may bend the log-likelihood upwards at the estimates (Freedman 2007)."""
    rng = np.random.default_rng(1)
    school = np.repeat(np.arange(150), 5)
    f = rng.normal(size=150)[school] * 0.8 + rng.normal(size=750)
    w = rng.normal(size=150)[school]
    data = pd.DataFrame({f"u{k}": (f + 0.4 * w * (k == 1) + rng.logistic(size=750) > 0).astype(int) for k in range(4)})
    fit = sg.fit(PUPILS, data.assign(school=school, w=w), cluster="school")
    row = fit.modification_indices().set_index(KEY).loc[("u1", "~", "w")]
    assert row["information"] == "first.order" and row["mi"] > 10
    assert fit.score_test(add="@level(school)\nu1 ~ w").information == "first.order"
    assert ("u1", "~", "w") not in fit.modification_indices(information="observed").set_index(KEY).index


def test_what_has_no_score_test():
    fit = without_direct_effect()
    for call in (fit.score_test, fit.modification_indices):
        with pytest.raises(sg.ModelError, match="closed form"):
            call(information="expected")
        with pytest.raises(sg.ModelError, match="'fisher' is unknown"):
            call(information="fisher")
    with pytest.raises(sg.ModelError, match="'g' is given here"):
        fit.score_test(add="g ~ u1")
    with pytest.raises(sg.ModelError, match="free already"):
        fit.score_test(add="f ~ g")
    herds = sg.load_dataset("cbpp")
    none = sg.fit("@level(herd)\nincidence ~~ 0*incidence\n@level(row)\n"
                  "incidence ~ 1 + period @family(binomial(logit)) @trials(size)", herds, cluster="herd")  # fmt: skip
    with pytest.raises(sg.ModelError, match="is a variance of 0"):
        none.score_test(add="@level(herd)\nincidence ~~ incidence")
