"""Items that differ between groups."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg
from semgllamm.errors import ModelError
from semgllamm.results.item_screens import adjusted

TEXT = "f =~ u0 + u1 + u2 + u3 + u4 @family({})"


@cache
def data(shift=0.0, seed=11, n=1600, categories=2):
    """The second half is abler by 0.5 and wider; `u4` is harder for it by `shift`."""
    rng = np.random.default_rng(seed)
    second = np.arange(n) >= n // 2
    theta = np.where(second, 0.5 + 1.3 * rng.normal(size=n), rng.normal(size=n))
    cuts = [0.0] if categories == 2 else [-0.8, 0.8]
    made = {f"u{k}": np.digitize((1 + 0.1 * k) * theta - 0.2 * k - (k == 4) * shift * second
                                 + rng.logistic(size=n), cuts) for k in range(5)}  # fmt: skip
    return pd.DataFrame(made).assign(g=np.where(second, "second", "first"))


def fitted(data, family, *free):
    equal = ("loadings", "intercepts") if family == "bernoulli" else ("loadings", "thresholds")
    return sg.fit(TEXT.format(family), data, group="g", group_equal=equal, group_partial=free)


def test_the_test_is_walds_of_the_items_own_parameters():
    fit = fitted(data(1.0), "bernoulli", "f=~u4", "u4~1")
    row = fit.dif()
    assert list(row["item"]) == ["u4"] and list(row["group"]) == ["second"] and list(row["df"]) == [2]
    table = fit.parameters
    cells = table[(table.lhs + table.op + table.rhs).isin(["f=~u4", "u4~1"])]
    est = cells["est"].to_numpy().reshape(2, 2)
    names = fit.coef.index[cells["free"].to_numpy() - 1]
    V, R = fit.vcov().loc[names, names].to_numpy(), np.array([[-1.0, 0, 1, 0], [0, -1, 0, 1]])
    h = est[1] - est[0]
    assert row["stat"][0] == pytest.approx(h @ np.linalg.solve(R @ V @ R.T, h), rel=1e-4)
    assert row["pvalue"][0] < 1e-4 and row["signed"][0] < -0.1
    assert row["unsigned"][0] >= -row["signed"][0] - 1e-12


def test_it_agrees_with_the_likelihood_ratio_near_the_null():
    """To first order both are the same: a small difference, and many persons."""
    many = data(0.15, n=16_000)
    apart, held = fitted(many, "bernoulli", "f=~u4", "u4~1"), fitted(many, "bernoulli")
    assert apart.dif()["stat"][0] == pytest.approx(2 * (apart.loglik - held.loglik), rel=0.05)


def test_ordered_items_and_items_that_do_not_differ():
    fit = fitted(data(0.8, categories=3), "ordinal", "f=~u4", "u4|t1", "u4|t2", "f=~u2", "u2|t1", "u2|t2")
    table = fit.dif().set_index("item")
    assert list(table.index) == ["u2", "u4"] and list(table["df"]) == [3, 3]
    assert table.loc["u4", "pvalue"] < 1e-4 < 1e-3 < table.loc["u2", "pvalue"]
    assert abs(table.loc["u2", "signed"]) < 0.12 < abs(table.loc["u4", "signed"])


def test_refusals():
    with pytest.raises(ModelError, match="of several groups"):
        sg.fit(TEXT.format("bernoulli"), data()).dif()
    free = sg.fit(TEXT.format("bernoulli"), data(), group="g", std_lv=True)
    with pytest.raises(ModelError, match="no common scale"):
        free.dif()


@pytest.mark.parametrize("method", ["lr", "score", "wald"])
def test_a_screen_holds_each_item_against_all_others(method):
    """What `group_partial` and a comparison of fits say, one item at a time; in large samples all three agree."""
    many = data(0.15, n=16_000)
    held = fitted(many, "bernoulli")
    table = held.dif(method, items=["u1", "u4"])
    assert list(table["item"]) == ["u1", "u4"] and list(table["df"]) == [2, 2] and table["anchor"].all()
    for name, stat in zip(table["item"], table["stat"]):
        apart = fitted(many, "bernoulli", f"f=~{name}", f"{name}~1")
        ratio = 2 * (apart.loglik - held.loglik)
        assert stat == pytest.approx(ratio, rel={"lr": 1e-4, "score": 0.05, "wald": 0.05}[method])
        if method == "wald":
            assert stat == pytest.approx(apart.dif()["stat"][0], rel=1e-3)


def test_a_loading_that_fixes_the_scale_is_not_tested_and_thresholds_are():
    table = fitted(data(0.8, categories=3), "ordinal").dif("score").set_index("item")
    assert table.loc["u0", "df"] == 2 and (table.loc[["u1", "u4"], "df"] == 3).all()
    assert table["pvalue"].idxmin() == "u4"


def test_anchors_carry_the_scale_alone():
    """The items that are no anchors differ in both models of each test."""
    some = data(1.0)
    held = fitted(some, "bernoulli")
    free = [part for name in ("u2", "u3", "u4") for part in (f"f=~{name}", f"{name}~1")]
    table = held.dif("lr", anchors=("u0", "u1")).set_index("item")
    assert list(table.index) == ["u2", "u3", "u4"] and not table["anchor"].any()
    large = fitted(some, "bernoulli", *free)
    small = fitted(some, "bernoulli", *free[:4])
    assert table.loc["u4", "stat"] == pytest.approx(2 * (large.loglik - small.loglik), rel=1e-4)
    assert table.loc["u4", "pvalue"] < 0.001


@cache
def two_harder_items(seed=12, n=3000):
    """Two of six items are harder for the second group, so much that innocent items look easier at first."""
    rng = np.random.default_rng(seed)
    second = np.arange(n) >= n // 2
    theta = rng.normal(size=n)
    made = {f"u{k}": (1.3 * theta - 1.2 * second * (k >= 4) + rng.logistic(size=n) > 0).astype(int) for k in range(6)}
    return pd.DataFrame(made).assign(g=np.where(second, "second", "first"))


@pytest.mark.parametrize("method", ["lr", "score"])
def test_purification_acquits_items_that_only_seem_to_differ(method):
    text = "f =~ u0 + u1 + u2 + u3 + u4 + u5 @family(bernoulli)"
    fit = sg.fit(text, two_harder_items(), group="g", group_equal=("loadings", "intercepts"), std_lv=True)
    at_first = fit.dif(method, adjust="holm").set_index("item")["differs"]
    assert at_first[["u4", "u5"]].all() and at_first[["u0", "u1", "u2", "u3"]].any()
    table = fit.dif(method, purify=True, adjust="holm").set_index("item")
    assert list(table.index[table["differs"]]) == ["u4", "u5"] == list(table.index[~table["anchor"]])
    assert table.attrs["rounds"] > 1


def test_adjusted_p_values():
    p = np.array([0.01, np.nan, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(adjusted(p, "holm"), [0.03, np.nan, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(adjusted(p, "bh"), [0.02, np.nan, 0.04, 0.04, 0.02])
    fit = fitted(data(1.0), "bernoulli", "f=~u3", "u3~1", "f=~u4", "u4~1")
    table = fit.dif(adjust="bh")
    np.testing.assert_allclose(table["padj"], adjusted(table["pvalue"].to_numpy(), "bh"))


def test_what_a_screen_refuses():
    fit = fitted(data(), "bernoulli")
    for wrong, message in (
        ({"method": "chi"}, "'chi' is unknown"), ({"method": "lr", "adjust": "bonferroni"}, "adjust="),
        ({"method": "lr", "anchors": "u9"}, "'u9', which is no item"), ({"method": "lr", "alpha": 5}, "alpha"),
        ({"method": "lr", "anchors": "u1", "purify": True}, "which are given"),
        ({"method": "lr", "anchors": [f"u{k}" for k in range(5)]}, "none is left to test"),
    ):  # fmt: skip
        with pytest.raises(ModelError, match=message):
            fit.dif(**wrong)
    apart = sg.fit(TEXT.format("bernoulli"), data(), group="g")
    with pytest.raises(ModelError, match="the mean of 'f' is not free in group 'second'"):
        apart.dif("lr")
