"""Items: parameters, curves and information against their definitions."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, ndtr

import semgllamm as sg
from semgllamm.errors import DataError, ModelError

TWO = "theta =~ NA*y1 + y2 + y3 + y4 + y5  @family(bernoulli({}))\ntheta ~~ 1*theta"


@cache
def lsat(link="logit"):
    return sg.fit(TWO.format(link), sg.load_dataset("lsat6"))


@cache
def made(family, n=600):
    rng = np.random.default_rng(3)
    theta = rng.normal(size=n)
    data = {}
    for k, (a, b) in enumerate([(1.2, -0.5), (0.8, 0.2), (1.5, 0.6), (1.0, 0.0)], start=1):
        latent = a * (theta - b) + rng.logistic(size=n)
        data[f"u{k}"] = np.digitize(latent, [-1.0, 0.8]) if family != "bernoulli4pl" else (latent > 0).astype(int)
    return pd.DataFrame(data)


@cache
def graded(family="ordinal(logit)"):
    return sg.fit(f"f =~ u1 + u2 + u3 + u4 @family({family})", made("ordinal"), std_lv=True)


def test_both_parameterisations_of_the_two_parameter_model():
    fit = lsat()
    table = fit.items().set_index("item")
    a, d = fit.coef["theta=~y1"], fit.coef["y1~1"]
    row = table.loc["y1"]
    assert [row["a"], row["d"], row["b"]] == pytest.approx([a, d, -d / a])
    V = fit.vcov().loc[["theta=~y1", "y1~1"], ["theta=~y1", "y1~1"]].to_numpy()
    assert row["a.se"] == pytest.approx(np.sqrt(V[0, 0]), rel=1e-6)
    assert row["d.se"] == pytest.approx(np.sqrt(V[1, 1]), rel=1e-6)
    slope = np.array([d / a**2, -1 / a])
    assert row["b.se"] == pytest.approx(np.sqrt(slope @ V @ slope), rel=1e-4)


def test_standardised_parameters_do_not_depend_on_the_scale():
    other = sg.fit("theta =~ y1 + y2 + y3 + y4 + y5  @family(bernoulli(logit))", sg.load_dataset("lsat6"))
    ours, theirs = (f.items(standardized=True).drop(columns="item") for f in (lsat(), other))
    np.testing.assert_allclose(ours, theirs, rtol=2e-4)
    assert not np.allclose(lsat().items()["a"], other.items()["a"], rtol=0.05)


def test_curves_of_two_answers_are_those_of_the_link():
    for link, F in {"logit": expit, "probit": ndtr}.items():
        fit = lsat(link)
        curves = fit.item_curves([-1.0, 0.5])
        mine = curves[(curves.item == "y3") & (curves.category == "1")]
        expected = F(fit.coef["theta=~y3"] * np.array([-1.0, 0.5]) + fit.coef["y3~1"])
        np.testing.assert_allclose(mine["probability"], expected, rtol=1e-12)


def test_information_of_the_two_parameter_model():
    fit, theta = lsat(), np.linspace(-3, 3, 7)
    table = fit.item_information(theta)
    for name in ("y1", "y4"):
        a = fit.coef[f"theta=~{name}"]
        p = expit(a * theta + fit.coef[f"{name}~1"])
        np.testing.assert_allclose(table[name], a**2 * p * (1 - p), rtol=1e-8)
    np.testing.assert_allclose(table["test"], table[["y1", "y2", "y3", "y4", "y5"]].sum(axis=1))
    np.testing.assert_allclose(table["se"], table["test"] ** -0.5)


@pytest.mark.parametrize("family", ["ordinal(logit)", "ordinal(probit)", "adjacent", "sequential(logit)",
                                    "multinomial"])
def test_information_is_the_expected_curvature(family):
    """Of log P, by differences of the curves that the same fit gives."""
    fit = graded(family)
    h, theta = 1e-3, np.array([-1.5, 0.0, 1.0])
    log = {shift: np.log(_wide(fit, theta + shift)) for shift in (-h, 0.0, h)}
    curvature = (log[h] - 2 * log[0.0] + log[-h]) / h**2
    expected = -(np.exp(log[0.0]) * curvature).sum(axis=2)
    np.testing.assert_allclose(fit.item_information(theta)[["u1", "u2", "u3", "u4"]].T, expected, rtol=2e-5)
    np.testing.assert_allclose(np.exp(log[0.0]).sum(axis=2), 1.0, rtol=1e-12)


def _wide(fit, theta):
    """(items, theta, categories)."""
    curves = fit.item_curves(theta)
    return curves["probability"].to_numpy().reshape(4, -1, len(theta)).swapaxes(1, 2)


def test_cumulative_curves_pass_one_half_at_the_difficulties():
    fit = graded()
    table = fit.items().set_index("item")
    for k in (1, 2):
        p = _wide(fit, table[f"b{k}"].to_numpy())
        above = p[np.arange(4), np.arange(4), k:].sum(axis=1)
        np.testing.assert_allclose(above, 0.5, rtol=1e-10)


def test_adjacent_categories_are_as_likely_at_the_difficulties():
    fit = graded("adjacent")
    table = fit.items().set_index("item")
    p = _wide(fit, table["b2"].to_numpy())[np.arange(4), np.arange(4)]
    np.testing.assert_allclose(p[:, 1], p[:, 2], rtol=1e-10)


def test_asymptotes_are_probabilities_far_out():
    text = """
    f =~ NA*y1 + a*y1 + a*y2 + a*y3 + a*y4 + a*y5 @family(bernoulli3pl)
    f ~~ 1*f
    @guessing(y1 + y2 + y3 + y4 + y5 ~ g*1)
    """
    fit = sg.fit(text, sg.load_dataset("lsat6"))
    table = fit.items(se=False)
    curves = fit.item_curves([-200.0])
    np.testing.assert_allclose(curves[curves.category == "1"]["probability"], table["guessing"], rtol=1e-9)


def test_several_latent_variables():
    fit = sg.fit("f =~ u1 + u2 @family(ordinal)\ng =~ u3 + u4 @family(ordinal)", made("ordinal"))
    table = fit.items()
    assert list(table.columns[:6:2]) == ["item", "a[f].se", "a[g].se"]
    np.testing.assert_allclose(table["MDISC"], np.hypot(table["a[f]"], table["a[g]"]))
    np.testing.assert_allclose(table["MDIFF2"], -table["d2"] / table["MDISC"])
    with pytest.raises(ModelError, match="one latent variable; the items load on f, g"):
        fit.item_curves()


def test_groups_have_their_own_rows():
    data = made("ordinal").assign(side=np.where(np.arange(600) % 2, "left", "right"))
    fit = sg.fit("f =~ u1 + u2 + u3 + u4 @family(ordinal)", data, group="side")
    assert list(fit.items()["group"]) == ["right"] * 4 + ["left"] * 4
    assert set(fit.item_curves([0.0])["group"]) == {"left", "right"}


def test_refusals():
    with pytest.raises(ModelError, match="no categorical items"):
        sg.cfa("visual =~ x1 + x2 + x3", sg.load_dataset("holzinger")).items()
    data = made("ordinal").assign(x=np.arange(600) % 2)
    uneven = sg.fit("f =~ u1 + u2 + u3\nu3 ~ x\n@family(u1 + u2 + u3, ordinal)", data)
    with pytest.raises(ModelError, match="'u3' depends on 'x' beside the latent variables"):
        uneven.items()
    with pytest.raises(DataError, match="theta"):
        lsat().item_curves(["low"])
    with pytest.raises(ModelError, match="no item 'y9'"):
        lsat().plot.icc("y9")


def test_plots_draw_the_tables():
    matplotlib = pytest.importorskip("matplotlib", reason="plots are an optional extra")
    matplotlib.use("Agg")
    ax = lsat().plot.icc(["y1", "y2"])
    assert len(ax.lines) == 2
    curve = lsat().item_curves().query("item == 'y1' and category == '1'")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), curve["probability"])
    test = lsat().plot.information().lines[-1]
    np.testing.assert_allclose(test.get_ydata(), lsat().item_information()["test"])
    assert len(lsat().plot.wright().lines) == 5
    assert len(graded().plot.icc("u1").lines) == 3


def test_without_matplotlib_plots_say_what_to_install(monkeypatch):
    import builtins

    found = builtins.__import__

    def without(name, *rest):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModelError, match="matplotlib"):
        lsat().plot.icc()
