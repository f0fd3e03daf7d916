"""Items that differ between groups."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg
from semgllamm.errors import ModelError

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
