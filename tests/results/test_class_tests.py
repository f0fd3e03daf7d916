"""Drawing from mixtures, tests of the number of classes, and tests of fits that are not nested."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import chi2
from test_classes import SOLDIERS, table

import semgllamm as sg
from semgllamm.estimation.drawing import drawn_patterns, simulated, units_drawn
from semgllamm.estimation.mixture import MixtureLikelihood
from semgllamm.results.class_tests import survival_of_weighted_sum

BINARY = "@family(bernoulli(logit))"


def clustered(n=4000, seed=2):
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(n // 4), 4)
    high = rng.random(n // 4) < 0.4
    kind = rng.random(n) < np.where(high[school], 0.8, 0.25)
    data = pd.DataFrame({f"u{k}": 1.0 * (rng.random(n) < np.where(kind, 0.85, 0.15)) for k in range(1, 5)})
    data["v"] = 1.0 * (rng.random(n // 4) < np.where(high, 0.9, 0.2))[school]
    known = np.where(rng.random(n // 4) < 0.2, 1 + high, np.nan)[school]
    return data.assign(school=school, known=known)


def uncollapsed(fit):
    return MixtureLikelihood(*fit.likelihood._walked, collapse=False)


def test_classes_of_two_levels_are_drawn_by_their_probabilities():
    data = clustered()
    text = (f"@latent(c, classes(2))\nc =~ u1 + u2 + u3 + u4 {BINARY}\nc ~ C\n@level(school)\n"
            f"@latent(C, classes(2), known=known)\nC =~ v {BINARY}")  # fmt: skip
    fit = sg.fit(text, data, n_starts=2)
    likelihood, rng = uncollapsed(fit), np.random.default_rng(5)
    found = np.array(fit.model.patterns)[drawn_patterns(likelihood, fit.free, rng)]
    names = [variable.name for variable in fit.model.classes]
    c, C = found[:, names.index("c")], found[:, names.index("C")]
    assert pd.Series(C).groupby(data.school.to_numpy()).nunique().max() == 1
    seen = data.known.notna().to_numpy()
    np.testing.assert_array_equal(C[seen] + 1, data.known[seen])
    p = expit(next(value for name, value in fit.coef.items() if name.startswith("C[1]~1")))
    first = ~seen & (data.groupby("school").cumcount() == 0).to_numpy()
    assert (C[first] == 0).mean() == pytest.approx(p, abs=4 * 0.5 / first.sum() ** 0.5)
    slope = next(value for name, value in fit.coef.items() if name.startswith("c[1]~C[1]"))
    for klass, logit in ((0, fit.coef["c[1]~1"] + slope), (1, fit.coef["c[1]~1"])):
        mine = klass == C
        assert (c[mine] == 0).mean() == pytest.approx(expit(logit), abs=4 * 0.5 / mine.sum() ** 0.5)
    # the answers are those of the class that was drawn
    drawn = simulated(likelihood, fit.free, np.random.default_rng(5))
    y = next(block for block in drawn.blocks if block.response.name == "u1")
    assert len(y.y) == len(data)
    for klass in (0, 1):
        expected = expit(fit.coef[f"u1~1.c{klass + 1}"])
        assert y.y[c[y.rows] == klass].mean() == pytest.approx(expected, abs=4 * 0.5 / (c == klass).sum() ** 0.5)


def test_units_are_drawn_with_what_is_known_of_them():
    data = clustered(400)
    text = f"u1 + u2 + u3 + u4 ~ C {BINARY}\n@level(school)\n@latent(C, classes(2), known=known)"
    fit = sg.fit(text, data, n_starts=2)
    drawn = units_drawn(fit.design, 1, np.random.default_rng(0))
    np.testing.assert_array_equal(
        drawn.known["C"], np.nan_to_num(data.known.to_numpy()[drawn.kept] - 1, nan=-1).astype(int)
    )


def test_simulated_answers_have_the_table_of_the_model(soldiers):
    _, two = soldiers
    drawn = pd.concat([two.simulate(seed=k) for k in range(10)])
    profile = two.class_profiles().set_index(["response", "category", "class"])["estimate"]
    share = two.class_sizes()["share"].to_numpy()
    for one, other in (("u1", "u2"), ("u3", "u4")):
        both = sum(s * profile[one, "1", k] * profile[other, "1", k] for s, k in zip(share, "12"))
        assert (drawn[one] * drawn[other]).mean() == pytest.approx(both, abs=4 * 0.5 / 100)


@pytest.mark.parametrize("kind", ["parametric", "ordinary"])
def test_draws_of_a_mixture_have_the_spread_of_the_information(kind):
    rng = np.random.default_rng(3)
    group = rng.random(300) < 0.4
    data = pd.DataFrame({f"y{k}": rng.normal(size=300) + 3.0 * group for k in (1, 2)})
    data["t"] = np.array(["bus", "car", "foot"])[np.clip((3 * rng.random(300) + 0.6 * group).astype(int), 0, 2)]
    data["o"] = np.digitize(rng.normal(size=300) + group, [0, 1])
    text = "@latent(c, classes(2))\nc =~ y1 + y2\nt ~ c @family(multinomial)\no ~ c @family(ordinal(probit))"
    fit = sg.fit(text, data.astype({"o": float}), n_starts=2)
    found = fit.bootstrap(60, kind=kind, seed=1, workers=1)
    assert found.failed <= 3
    se = np.sqrt(np.diag(fit.vcov()))
    with_spread = [k for k, name in enumerate(fit.coef.index) if name.startswith(("y", "c[", "o"))]
    ratio = found.se.to_numpy()[with_spread] / se[with_spread]
    assert 0.7 < ratio.min() < ratio.max() < 1.4
    z = (found.draws.median() - found.estimates).to_numpy() / se
    # a median of 60 draws has a standard error of 1.25/60^½; the logits of rare categories are skewed
    assert np.abs(z[with_spread]).max() < 3.5 * 1.2533 / np.sqrt(60)


def test_weighted_sums_of_chi_squares():
    for df in (1, 2, 5):
        assert survival_of_weighted_sum(3.0, np.ones(df)) == pytest.approx(chi2.sf(3.0, df), abs=1e-6)
    assert survival_of_weighted_sum(30.0, np.full(6, 2.0)) == pytest.approx(chi2.sf(15.0, 6), abs=1e-7)
    draws = np.random.default_rng(1).chisquare(1, (1_000_000, 4)) @ [2.0, 1.0, 0.3, -0.5]
    assert survival_of_weighted_sum(4.0, np.array([2.0, 1.0, 0.3, -0.5])) == pytest.approx((draws > 4).mean(), abs=2e-3)


@pytest.fixture(scope="module")
def soldiers():
    data, items = table(SOLDIERS), "u1 + u2 + u3 + u4"
    one = sg.fit(f"@family({items}, bernoulli(logit))\nu1 ~ 1\nu2 ~ 1\nu3 ~ 1\nu4 ~ 1", data)
    two = sg.fit(f"@latent(c, classes(2))\nc =~ {items} {BINARY}", data, n_starts=2)
    return one, two


def test_numbers_of_classes_by_lo_mendell_rubin(soldiers):
    one, two = soldiers
    ratio = 2 * (two.loglik - one.loglik)
    plain = sg.compare(one, two, method="vlmr", names=["one", "two"])
    adjusted = sg.compare(one, two, method="lmr", names=["one", "two"])
    assert plain.loc["one", "chisq_diff"] == pytest.approx(ratio)
    assert adjusted.loc["one", "chisq_diff"] == pytest.approx(ratio / (1 + 1 / (5 * np.log(1000))))
    assert plain.loc["one", "pvalue"] < 1e-6
    without = sg.compare(one, two)
    assert np.isnan(without["pvalue"]).all()
    assert without["bic"].to_list() == [two.bic, one.bic]
    with pytest.raises(sg.ModelError, match="has no chi-square distribution"):
        sg.compare(one, two, method="lr")


def test_weights_of_nested_models_without_boundaries_are_those_of_the_chi_square(soldiers):
    from semgllamm.results.class_tests import vuong_lo_mendell_rubin

    # equal and free error rates, both with two classes: a case of the ordinary theorem
    _, two = soldiers
    equal = sg.fit(
        "@family(u1 + u2 + u3 + u4, bernoulli(logit))\n@latent(c, classes(2))\n@class(c, 1)\nu1 + u2 ~ a*1\n"
        "u3 + u4 ~ b*1\n@class(c, 2)\nu1 + u2 ~ d*1\nu3 + u4 ~ e*1", two.binding.frame, n_starts=2,
    )  # fmt: skip
    p, *_ = vuong_lo_mendell_rubin(two, equal)
    ratio = 2 * (two.loglik - equal.loglik)
    assert p == pytest.approx(chi2.sf(ratio, 4), abs=1e-6)
    assert sg.compare(two, equal).iloc[1]["pvalue"] == pytest.approx(chi2.sf(ratio, 4))
    with pytest.raises(sg.ModelError, match="is for fits with different numbers of classes"):
        sg.compare(two, equal, method="vlmr")


def test_numbers_of_classes_by_drawing(soldiers):
    one, two = soldiers
    found = sg.compare(one, two, method="bootstrap", n=5, seed=1, workers=1, n_starts=2)
    assert found.iloc[1]["pvalue"] == pytest.approx(1 / 6)
    assert found.iloc[1]["failed"] == 0
    with pytest.raises(sg.ModelError, match="n_starts is 0"):
        sg.compare(one, two, method="bootstrap", n_starts=0)
    with pytest.raises(sg.ModelError, match="n_starts is for the bootstrap"):
        sg.compare(one, two, n_starts=3)


def test_fits_that_are_not_nested(soldiers):
    _, two = soldiers
    data = two.binding.frame
    other = sg.fit(f"@latent(c, classes(2))\nu1 ~ c {BINARY}\nu2 ~ c {BINARY}\nu3 ~ 1 {BINARY}\nu4 ~ c {BINARY}", data,
                   n_starts=2)  # fmt: skip
    found = sg.compare(two, other, method="vuong")
    a = fit_units(two)
    b = fit_units(other)
    d = a - b
    assert found.iloc[1]["z"] == pytest.approx(d.sum() / (d.std() * np.sqrt(len(d))), rel=1e-6)
    assert found.iloc[1]["z"] > 0


def fit_units(fit):
    """log Σ π f of each row from the profiles."""
    profile = fit.class_profiles().set_index(["response", "category", "class"])["estimate"]
    out = []
    for row in fit.binding.frame.itertuples(index=False):
        total = 0.0
        for k, share in zip("12", fit.class_sizes()["share"]):
            terms = [profile[name, f"{value:g}", k] if (name, "0", k) in profile.index else expit(
                (1 if value else -1) * fit.coef[f"{name}~1"]) for name, value in zip(row._fields, row)]  # fmt: skip
            total += share * np.prod(terms)
        out.append(np.log(total))
    return np.array(out)
