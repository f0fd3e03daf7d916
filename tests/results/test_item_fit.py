"""The fit of items, persons and contingency tables against sums over all answer patterns, and under the null."""

from functools import cache
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import semgllamm as sg
from semgllamm.errors import DataError, ModelError
from semgllamm.results.contingency import margins, pattern_probabilities, tabulated
from semgllamm.results.items import item_model

TWO = "f =~ {} @family({})"
LSAT = [f"y{k}" for k in range(1, 6)]


@cache
def lsat(text="theta =~ y1 + y2 + y3 + y4 + y5 @family(bernoulli)", **options):
    return sg.fit(text, sg.load_dataset("lsat6"), std_lv=True)


@cache
def one_parameter():
    return lsat("theta =~ a*y1 + a*y2 + a*y3 + a*y4 + a*y5 @family(bernoulli)")


def answered(n, items, seed, categories=2, extra=0.0):
    """Answers to items of one latent variable; `extra` is what the first two share beyond it."""
    rng = np.random.default_rng(seed)
    theta, shared = rng.normal(size=n), rng.normal(size=n)
    data = {}
    for k in range(items):
        latent = (1.0 + 0.15 * (k % 4)) * theta + extra * shared * (k < 2) + rng.logistic(size=n)
        cut = np.linspace(-1.2, 1.2, categories - 1) + 0.4 * (k % 3) - 0.4 if categories > 2 else [0.4 * (k % 3) - 0.4]
        data[f"u{k}"] = np.digitize(latent, cut)
    return pd.DataFrame(data)


def fitted(data, family="bernoulli"):
    return sg.fit(TWO.format(" + ".join(data.columns), family), data, std_lv=True)


@cache
def graded():
    return fitted(answered(700, 4, 5, categories=3), "ordinal")


def all_patterns(fit):
    """Every answer pattern and its probability, summed over a dense grid anew."""
    model = item_model(fit)
    theta = np.linspace(-9, 9, 3001)
    weight = np.exp(-(theta**2) / 2) / np.exp(-(theta**2) / 2).sum()
    p = [item.probabilities(theta[:, None]) for item in model.items]
    patterns = np.array(list(product(*[range(item.n_categories) for item in model.items])))
    inside = np.stack([np.prod([p[i][:, y] for i, y in enumerate(row)], axis=0) for row in patterns])
    return model, patterns, inside @ weight


@pytest.mark.parametrize("fit", [lsat, graded])
def test_expected_proportions_are_those_of_a_dense_grid(fit):
    model, patterns, expected = all_patterns(fit())
    np.testing.assert_allclose(pattern_probabilities(model, patterns), expected, rtol=1e-9)
    assert expected.sum() == pytest.approx(1.0, abs=1e-10)


@pytest.mark.parametrize("fit", [lsat, graded])
def test_statistics_of_the_whole_table(fit):
    fit = fit()
    model, patterns, expected = all_patterns(fit)
    data = fit.binding.frame[[item.name for item in model.items]].to_numpy()
    observed = np.array([(data == row).all(axis=1).mean() for row in patterns])
    n, measures = len(data), fit.gof()
    assert measures["x2"] == pytest.approx(n * ((observed - expected) ** 2 / expected).sum(), rel=1e-7)
    some = observed > 0
    saturated = n * (observed[some] * np.log(observed[some])).sum()
    assert measures["g2"] == pytest.approx(2 * (saturated - fit.loglik), abs=1e-3)
    assert measures["x2.df"] == measures["g2.df"] == len(patterns) - 1 - fit.npar


@pytest.mark.parametrize("fit", [lsat, one_parameter, graded])
def test_m2_is_the_quadratic_form_of_the_margins(fit):
    """By the matrix that maps all patterns to the margins: Ξ = T(diag π − ππ')T'."""
    fit = fit()
    model, patterns, expected = all_patterns(fit)
    T = []
    for i, item in enumerate(model.items):
        T += [patterns[:, i] == k for k in range(1, item.n_categories)]
    for i, first in enumerate(model.items):
        for j in range(i + 1, len(model.items)):
            T += [(patterns[:, i] == k) & (patterns[:, j] == m)
                  for k in range(1, first.n_categories) for m in range(1, model.items[j].n_categories)]
    T = np.array(T, dtype=float)
    Xi = T @ (np.diag(expected) - np.outer(expected, expected)) @ T.T
    _, p, weight = tabulated(model)
    parts = margins(model)
    ours = parts.covariance(p, weight)
    assert np.sort(np.linalg.eigvalsh(ours)) == pytest.approx(np.sort(np.linalg.eigvalsh(Xi)), abs=1e-9)
    working = fit._working
    Delta = []
    for h in 1e-4 * np.eye(len(fit.free)):
        sides = [T @ pattern_probabilities(item_model(fit, 0, working.cells(working.inner(fit.free + s * h))), patterns)
                 for s in (1, -1)]  # fmt: skip
        Delta.append((sides[0] - sides[1]) / 2e-4)
    Delta = np.array(Delta).T
    data = fit.binding.frame[[item.name for item in model.items]].to_numpy()
    observed = np.array([(data == row).all(axis=1).mean() for row in patterns])
    e, inverse = T @ (observed - expected), np.linalg.inv(Xi)
    C = inverse - inverse @ Delta @ np.linalg.solve(Delta.T @ inverse @ Delta, Delta.T @ inverse)
    measures = fit.gof()
    assert measures["m2"] == pytest.approx(len(data) * e @ C @ e, rel=1e-5)
    assert measures["m2.df"] == len(T) - len(fit.free)


def test_m2_does_not_depend_on_how_the_model_is_written():
    text = "theta =~ y1 + y2 + y3 + y4 + y5  @family({})"
    data = sg.load_dataset("lsat6")
    there = lsat().gof()
    for other in (sg.fit(text.format("bernoulli"), data), sg.fit(text.format("ordinal"), data, std_lv=True)):
        pd.testing.assert_series_equal(other.gof(), there, rtol=2e-4)
        np.testing.assert_allclose(other.item_fit()["s_x2"], lsat().item_fit()["s_x2"], rtol=1e-3)
        assert list(other.item_fit()["df"]) == list(lsat().item_fit()["df"])


def test_margins_of_three_items_are_saturated():
    measures = lsat("theta =~ y1 + y2 + y3 @family(bernoulli)").gof()
    assert measures["m2.df"] == 0 and measures["m2"] == 0 and np.isnan(measures["m2.pvalue"])
    # six margins are fitted by six parameters
    assert measures["srmsr"] < 1e-3


def test_dependent_items_are_found():
    fit = fitted(answered(1500, 6, 3, extra=1.5))
    measures, pairs = fit.gof(), fit.local_dependence()
    assert measures["m2.pvalue"] < 1e-4 and measures["rmsea2.ci.lower"] > 0.02 and measures["cfi2"] < 0.99
    apart = fitted(answered(1500, 6, 3)).gof()
    assert apart["m2.pvalue"] > 0.01 and apart["cfi2"] > 0.99
    fixed = sg.fit("f =~ a*u0 + a*u1 + a*u2 + a*u3 + a*u4 + a*u5 @family(bernoulli)", answered(1500, 6, 3, extra=1.5),
                   std_lv=True).local_dependence()  # fmt: skip
    for column in ("q3", "x2", "residual_cor"):
        assert fixed.loc[fixed[column].idxmax(), ["item1", "item2"]].to_list() == ["u0", "u1"]
    assert list(pairs["df"]) == [1] * 15


def _null(replications, seed):
    rows = []
    for k in range(replications):
        fit = fitted(answered(800, 6, seed + k))
        rows.append([fit.gof()["m2"], *fit.item_fit()["s_x2"]])
        df = fit.gof()["m2.df"], fit.item_fit()["df"]
    return np.array(rows), df


def test_statistics_under_the_null_have_about_their_degrees_of_freedom():
    """Mean of χ² over 20 samples: its standard error is √(2 df/20)."""
    rows, (df, item_df) = _null(20, 100)
    assert df == 9
    assert rows[:, 0].mean() == pytest.approx(df, abs=3 * np.sqrt(2 * df / 20))
    total, total_df = rows[:, 1:].sum(axis=1), item_df.sum()
    assert total.mean() == pytest.approx(total_df, abs=0.25 * total_df)


@pytest.mark.slow
def test_statistics_under_the_null_in_many_samples():
    rows, (df, item_df) = _null(300, 1000)
    assert rows[:, 0].mean() == pytest.approx(df, abs=3 * np.sqrt(2 * df / 300))
    assert (rows[:, 0] > 16.919).mean() == pytest.approx(0.05, abs=0.03)
    assert rows[:, 1:].mean(axis=0) == pytest.approx(item_df.to_numpy(), rel=0.2)


def test_s_x2_from_all_patterns():
    fit = one_parameter()
    _, patterns, expected = all_patterns(fit)
    data = sg.load_dataset("lsat6")[LSAT].to_numpy()
    stat = 0.0
    for k in range(1, 5):
        among = patterns.sum(axis=1) == k
        share = expected[among & (patterns[:, 0] == 1)].sum() / expected[among].sum()
        mine = data[data.sum(axis=1) == k, 0]
        stat += len(mine) * (mine.mean() - share) ** 2 / (share * (1 - share))
    row = fit.item_fit().iloc[0]
    assert row["s_x2"] == pytest.approx(stat, rel=1e-7)
    # four scores, and an intercept of its own; the slope is everybody's
    assert row["df"] == 3
    assert lsat().item_fit()["df"][0] == 2


def test_s_x2_of_several_categories_finds_a_wrong_curve():
    data = answered(2500, 6, 9, categories=3)
    rng = np.random.default_rng(2)
    theta = data[["u1", "u2", "u3", "u4", "u5"]].sum(axis=1)
    # the first item is answered highest by those in the middle
    data["u0"] = np.digitize(-((theta - 5) ** 2) / 4 + rng.logistic(size=2500), [-3.0, -0.5])
    table = fitted(data, "ordinal").item_fit()
    assert table["pvalue"][0] < 1e-6
    right = fitted(answered(2500, 6, 9, categories=3), "ordinal").item_fit()
    assert (right["pvalue"] > 1e-3).all() and (right["df"] > 8).all()


def test_person_fit_by_hand():
    fit = one_parameter()
    data = sg.load_dataset("lsat6")[LSAT].to_numpy()
    table, theta = fit.person_fit(), fit.latent()["theta"].to_numpy()
    for row in (0, 10, 500):
        p = expit(fit.coef["a"] * theta[row] + fit.coef[[f"{name}~1" for name in LSAT]].to_numpy())
        y, q = data[row], 1 - p
        log = (y * np.log(p) + (1 - y) * np.log(q)).sum()
        mean, variance = (p * np.log(p) + q * np.log(q)).sum(), (p * q * np.log(p / q) ** 2).sum()
        assert table["zh"].iloc[row] == pytest.approx((log - mean) / np.sqrt(variance))
        assert table["outfit"].iloc[row] == pytest.approx(((y - p) ** 2 / (p * q)).mean())
        assert table["infit"].iloc[row] == pytest.approx(((y - p) ** 2).sum() / (p * q).sum())
    # the easiest item wrong and the hardest right is less likely than the reverse
    patterns = pd.Series(["".join(map(str, map(int, y))) for y in data])
    zh = table["zh"].groupby(patterns.to_numpy()).first()
    assert zh["00100"] < zh["10000"]


def test_infit_and_outfit_of_items_by_hand():
    fit = one_parameter()
    y = sg.load_dataset("lsat6")["y2"].to_numpy()
    p = expit(fit.coef["a"] * fit.latent()["theta"].to_numpy() + fit.coef["y2~1"])
    row = fit.item_fit().iloc[1]
    assert row["outfit"] == pytest.approx(((y - p) ** 2 / (p * (1 - p))).mean())
    assert row["infit"] == pytest.approx(((y - p) ** 2).sum() / (p * (1 - p)).sum())


def test_pairs_by_hand():
    fit = one_parameter()
    data = sg.load_dataset("lsat6")[LSAT].to_numpy()
    theta = fit.latent()["theta"].to_numpy()
    r = data - expit(fit.coef["a"] * theta[:, None] + fit.coef[[f"{name}~1" for name in LSAT]].to_numpy())
    row = fit.local_dependence().query("item1 == 'y2' and item2 == 'y4'").iloc[0]
    assert row["q3"] == pytest.approx(np.corrcoef(r[:, 1], r[:, 3])[0, 1])
    _, patterns, expected = all_patterns(fit)
    stat = 0.0
    for k, m in product((0, 1), (0, 1)):
        pi = expected[(patterns[:, 1] == k) & (patterns[:, 3] == m)].sum()
        stat += (((data[:, 1] == k) & (data[:, 3] == m)).sum() - 1000 * pi) ** 2 / (1000 * pi)
    assert row["x2"] == pytest.approx(stat, rel=1e-7)


def test_missing_answers_and_groups():
    data = answered(600, 5, 4, categories=3).astype(float)
    data.loc[::9, "u2"] = np.nan
    fit = fitted(data, "ordinal")
    with pytest.raises(DataError, match="complete rows; 67 rows are not"):
        fit.gof()
    with pytest.raises(DataError, match="complete rows"):
        fit.item_fit()
    assert np.isfinite(fit.person_fit()).all(axis=None) and np.isfinite(fit.local_dependence()["q3"]).all()
    grouped = sg.fit(TWO.format("u0 + u1 + u2 + u3 + u4", "ordinal"), data.assign(g=np.arange(600) % 2), group="g")
    assert grouped.person_fit()["zh"].mean() == pytest.approx(fit.person_fit()["zh"].mean(), abs=0.1)
    with pytest.raises(ModelError, match="several groups"):
        grouped.local_dependence()


def in_groups(equal=(), categories=2):
    """Two groups, of which the second is abler and has 500 rows of 1200."""
    data = pd.concat([answered(700, 4, 3, categories), answered(500, 4, 8, categories)], ignore_index=True)
    family = "bernoulli" if categories == 2 else "ordinal"
    data["g"] = np.arange(1200) >= 700
    return data, sg.fit(TWO.format("u0 + u1 + u2 + u3", family), data, group="g", std_lv=True, group_equal=equal)


@pytest.mark.parametrize("categories", [2, 3])
def test_groups_that_share_nothing_are_a_table_each(categories):
    data, fit = in_groups(categories=categories)
    alone = [fitted(data[data.g == g].drop(columns="g"), "bernoulli" if categories == 2 else "ordinal")
             for g in (False, True)]  # fmt: skip
    found, parts = fit.gof(), [one.gof() for one in alone]
    for name in ("n", "patterns", "cells", "x2", "x2.df", "g2", "g2.df", "m2", "m2.df"):
        assert found[name] == pytest.approx(sum(part[name] for part in parts), rel=1e-5), name
    items = fit.item_fit().set_index("group")
    for label, one in zip(fit.model.group_labels, alone):
        for name in ("s_x2", "df", "infit", "outfit"):
            np.testing.assert_allclose(items.loc[label, name], one.item_fit()[name], rtol=1e-4, err_msg=name)


def test_what_groups_share_is_not_counted_twice():
    _, apart = in_groups()
    _, alike = in_groups(equal=("loadings", "intercepts"))
    one, other = apart.gof(), alike.gof()
    # two sets of four slopes and intercepts; or one, and a mean and a variance
    for name in ("x2", "g2", "m2"):
        assert other[f"{name}.df"] == one[f"{name}.df"] + 6, name
        assert other[f"{name}.pvalue"] > 0.001
    ratio = 2 * (apart.loglik - alike.loglik)
    assert other["g2"] - one["g2"] == pytest.approx(ratio, rel=1e-6)
    assert other["m2"] - one["m2"] == pytest.approx(ratio, rel=0.25)
    assert (alike.item_fit()["df"] >= apart.item_fit()["df"]).all()


def test_refusals():
    data = answered(400, 4, 6).assign(x=np.arange(400) % 3)
    with pytest.raises(ModelError, match="'f' depends on 'x'"):
        sg.fit("f =~ u0 + u1 + u2 + u3 @family(bernoulli)\nf ~ x", data).gof()
    with pytest.raises(ModelError, match="'x' is none"):
        sg.fit("f =~ u0 + u1 + u2 + x\n@family(u0 + u1 + u2, bernoulli)\n@family(x, poisson)", data).gof()
    with pytest.raises(ModelError, match="nominal"):
        fitted(answered(400, 4, 6, categories=3), "multinomial").item_fit()
