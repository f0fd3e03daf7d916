"""Ordered answers and asymptotes that cannot be fitted are refused with their place; recoding is said."""

import numpy as np
import pandas as pd
import pytest

import semgllamm
from semgllamm.errors import DataError, ModelError

RNG = np.random.default_rng(6)
DATA = pd.DataFrame({
    "u": np.arange(60) % 4, "b": np.arange(60) % 2, "x": RNG.normal(size=60), "g": np.repeat(["one", "two"], 30),
    "half": np.arange(60) % 3 / 2,
})  # fmt: skip
GAP = DATA.assign(u=np.array([1, 2, 5])[np.arange(60) % 3])
UNSEEN = DATA.assign(u=np.where((DATA.g == "two") & (DATA.u == 2), 1, DATA.u) + 10)
MODELS = {
    "effects on thresholds of two answers": (
        "b ~ x  @family(bernoulli)\n@thresholds(b ~ x)",
        ("'b' is bernoulli(logit), which has no @thresholds", "ordinal, sequential, adjacent"),
    ),
    "the intercept of thresholds": (
        "u ~ 0  @family(ordinal)\n@thresholds(u ~ 1 + x)", ("are its intercepts already", "u | t1 + t2"),
    ),
    "guessing of ordered answers": (
        "u ~ x  @family(ordinal) @guessing(1)",
        ("'u' is ordinal(logit), which has no @guessing", "bernoulli, binomial"),
    ),
    "a ceiling under a link without one": (
        "b ~ x  @family(bernoulli(log)) @ceiling(1)",
        ("link log does not fit 'b', which is bernoulli3plu (bernoulli with @ceiling)", "logit, probit, cloglog"),
    ),
    "a scale of adjacent categories": (
        "u ~ x  @family(adjacent) @dispersion(x)", ("'u' is adjacent(logit), which has no @dispersion",),
    ),
    "a link of adjacent categories": (
        "u ~ x  @family(adjacent(probit))",
        ("The link probit does not fit 'u', which is adjacent", "Links of adjacent: logit"),
    ),
    "a threshold too many": ("u ~ x  @family(sequential)\nu | t4", ("has 4 categories and so 3 thresholds",)),
    "a residual": ("u ~ x  @family(sequential)\nu ~~ u", ("is sequential(logit) and has no residual",)),
    "two predictors of one kind": (
        "u ~ x  @family(ordinal)\n@dispersion(u ~ x)\n@dispersion(u ~ x)", ("Two @dispersion for 'u'",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_models(name):
    text, parts = MODELS[name]
    with pytest.raises(ModelError) as caught:
        semgllamm.fit(text, DATA)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("family", ["ordinal", "sequential", "adjacent"])
def test_answers_that_are_no_categories(family):
    with pytest.raises(DataError, match=f"1: 0.5 is not a category, as {family} requires"):
        semgllamm.fit(f"half ~ x  @family({family})", DATA)
    unordered = DATA.assign(u=pd.Categorical(DATA.u, ordered=False))
    with pytest.raises(DataError, match=f"'u' is {family}, but its categories have no order"):
        semgllamm.fit(f"u ~ x  @family({family})", unordered)


@pytest.mark.parametrize("family", ["ordinal", "sequential", "adjacent"])
def test_a_category_that_does_not_occur_in_a_group_is_refused_unless_thresholds_are_shared(family):
    with pytest.raises(DataError, match=r"category 12 of response 'u' does not occur in group 'two'.*t2"):
        semgllamm.fit(f"u ~ x  @family({family})", UNSEEN, group="g")
    shared = semgllamm.fit(f"u ~ x  @family({family})\nu | c(a, a)*t1 + c(b, b)*t2 + c(d, d)*t3", UNSEEN, group="g")
    assert shared.converged


def test_a_category_lost_with_missing_covariates_is_refused():
    data = DATA.assign(x=DATA.x.where(DATA.u != 3))
    with pytest.raises(DataError, match="category 3 of response 'u' does not occur in the rows that are used"):
        semgllamm.fit("u ~ x  @family(ordinal)", data)


def test_a_gap_in_the_numbers_and_a_declared_category_without_answers_are_said():
    fit = semgllamm.fit("u ~ x  @family(ordinal)", GAP)
    assert any("no answer 3, 4 between 1 and 5: its categories are the 3 that occur" in text for text in fit.warnings)
    declared = DATA.assign(u=pd.Categorical(DATA.u, categories=[0, 1, 2, 3, 9], ordered=True))
    fit = semgllamm.fit("u ~ x  @family(ordinal)", declared)
    assert any("1 of the declared categories of response 'u' do not occur" in text for text in fit.warnings)
    tens = semgllamm.fit("u ~ x  @family(ordinal)", DATA.assign(u=10 * DATA.u))
    assert not any("no answer" in text for text in tens.warnings)


def test_effects_on_all_thresholds_and_on_the_mean_are_refused_before_the_fit():
    with pytest.raises(ModelError, match="'x' moves the mean of 'u' and each of its thresholds"):
        semgllamm.fit("u ~ x  @family(ordinal)\n@thresholds(u ~ x)", DATA)
