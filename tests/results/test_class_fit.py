"""Fit measures of mixtures, contingency tables, and what members of classes answer."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import chi2
from test_classes import SOLDIERS, table

import semgllamm as sg

BINARY = "@family(bernoulli(logit))"
GOLDEN = Path(__file__).parent / "golden" / "classes.txt"


@pytest.fixture(scope="module")
def soldiers():
    return sg.fit(f"@latent(c, classes(2))\nc =~ u1 + u2 + u3 + u4 {BINARY}", table(SOLDIERS), n_starts=3)


@pytest.fixture(scope="module")
def mixed():
    rng = np.random.default_rng(1)
    n = 400
    kind = rng.integers(0, 2, n)
    data = pd.DataFrame({f"o{k}": np.clip(np.floor(kind * 1.5 + rng.normal(size=n)) + 1, 0, 2) for k in (1, 2)})
    data["b"] = 1.0 * (rng.random(n) < 0.3 + 0.4 * kind)
    data["t"] = np.array(["bus", "car", "foot"])[np.clip((rng.random(n) * 3 + 0.8 * kind).astype(int), 0, 2)]
    data["x"] = rng.normal(size=n)
    data["y"] = 2.0 * kind + 0.5 * data.x + rng.normal(size=n)
    data["k"] = rng.poisson(1 + 2 * kind)
    return data


ITEMS = f"@latent(c, classes(2))\nc =~ o1 + o2 @family(ordinal(logit))\nb ~ c {BINARY}\nt ~ c @family(multinomial)"


def test_measures(soldiers):
    found = soldiers.fit_measures()
    p = soldiers.class_probabilities().to_numpy()
    EN = -(p * np.log(p)).sum()
    n, q = 1000, 9
    assert found["caic"] == pytest.approx(-2 * soldiers.loglik + q * (np.log(n) + 1))
    assert found["bic2"] == pytest.approx(-2 * soldiers.loglik + q * np.log((n + 2) / 24))
    assert found["icl"] == pytest.approx(found["bic"] + 2 * EN)
    assert found["entropy"] == pytest.approx(1 - EN / (n * np.log(2)))
    # the G² of these data on 6 degrees of freedom
    assert found["g2"] == pytest.approx(8.523, abs=1e-3)
    assert (found["table.df"], found["table.cells"], found["table.patterns"]) == (6, 16, 16)
    assert found["g2.pvalue"] == pytest.approx(chi2.sf(found["g2"], 6))


def test_table_and_pairs_by_hand(mixed):
    fit = sg.fit(ITEMS, mixed, n_starts=4)
    share = fit.class_sizes()["share"].to_numpy()
    shares = fit.class_profiles().pivot(index=["response", "category"], columns="class", values="estimate")
    codes = mixed[["o1", "o2", "b"]].astype(int).astype(str).assign(t=mixed.t)
    kinds = [sorted(codes[name].unique()) for name in codes]
    X2 = G2 = 0.0
    for pattern in product(*kinds):
        p = np.prod([shares.loc[key].to_numpy() for key in zip(codes, pattern)], axis=0)
        E, observed = 400 * share @ p, (codes == list(pattern)).all(axis=1).sum()
        X2 += (observed - E) ** 2 / E
        G2 += 2 * observed * np.log(observed / E) if observed else 0.0
    found = fit.fit_measures()
    assert found["table.df"] == 3 * 3 * 2 * 3 - 1 - fit.npar
    assert found["pearson"] == pytest.approx(X2, rel=1e-9)
    assert found["g2"] == pytest.approx(G2, rel=1e-9)
    pairs = fit.bivariate_residuals().set_index(["item1", "item2"])
    assert len(pairs) == 6
    for one, other in pairs.index:
        x2 = 0.0
        for a, b in product(sorted(codes[one].unique()), sorted(codes[other].unique())):
            E = 400 * share @ (shares.loc[one, a].to_numpy() * shares.loc[other, b].to_numpy())
            x2 += (((codes[one] == a) & (codes[other] == b)).sum() - E) ** 2 / E
        assert pairs.loc[(one, other), "x2"] == pytest.approx(x2, rel=1e-9)
    assert pairs["df"].to_list() == [4, 2, 4, 2, 4, 2]


def test_pairs_of_incomplete_answers_and_factors_within_classes(mixed):
    rng = np.random.default_rng(3)
    data = mixed[["o1", "o2", "b"]].mask(rng.random((400, 3)) < 0.1)
    text = f"@latent(c, classes(2))\nf =~ o1 + o2 @family(ordinal(logit))\nb ~ c {BINARY}\nf ~ c\nf ~~ 0.5*f"
    fit = sg.fit(text, data, n_starts=2)
    with pytest.raises(sg.ModelError, match="no fit measure 'g2'"):
        fit.fit_measures("g2")
    pairs = fit.bivariate_residuals()
    assert pairs["n"].to_list() == [len(data[[a, b]].dropna()) for a, b in zip(pairs.item1, pairs.item2)]
    # the marginal probabilities of an item follow from the pairs and from the profile alike
    profile = fit.class_profiles()
    assert set(profile["response"]) == {"o1", "o2", "b"}
    total = profile.groupby(["response", "class"])["estimate"].sum()
    np.testing.assert_allclose(total, 1.0, atol=1e-12)


def test_no_table(mixed):
    fit = sg.fit("@latent(c, classes(2))\nc =~ y + x", mixed, n_starts=2)
    with pytest.raises(sg.ModelError, match="'y' is not categorical"):
        fit.bivariate_residuals()
    fit = sg.fit(f"{ITEMS}\nc ~ x", mixed, n_starts=2)
    with pytest.raises(sg.ModelError, match="there are covariates"):
        fit.bivariate_residuals()
    assert "g2" not in fit.fit_measures()


def test_classification_table(soldiers):
    found = soldiers.classification_table()
    p = soldiers.class_probabilities()
    modal = p.to_numpy().argmax(axis=1)
    for k in (0, 1):
        np.testing.assert_allclose(found.iloc[k, 1:].to_numpy(dtype=float), p[modal == k].mean())
    assert found["units"].to_list() == [(modal == k).sum() for k in (0, 1)]
    with pytest.raises(sg.ModelError, match="no categorical latent variable 'd'"):
        soldiers.classification_table("d")


def test_profile_of_answers(soldiers):
    found = soldiers.class_profiles().set_index(["response", "class", "category"])
    se = np.sqrt(np.diag(soldiers.vcov()))
    for name, estimate, error in zip(soldiers.coef.index, soldiers.coef, se):
        if name.startswith("u"):
            item, klass = name.split("~1.c")
            p = expit(estimate)
            row = found.loc[item, klass, "1"]
            assert row["estimate"] == pytest.approx(p, abs=1e-12)
            assert row["se"] == pytest.approx(error * p * (1 - p), rel=1e-6)
            assert found.loc[item, klass, "0"]["estimate"] == pytest.approx(1 - p, abs=1e-12)


def test_profile_of_means_at_covariates_means(mixed):
    fit = sg.fit("@latent(c, classes(2))\ny ~ c + x\nk ~ c @family(poisson)", mixed.assign(x=mixed.x + 3), n_starts=4)
    found = fit.class_profiles().set_index(["response", "class"])
    slope, at = fit.coef["y~x"], mixed.x.mean() + 3
    V = fit.vcov()
    for c in ("1", "2"):
        assert found.loc[("y", c), "estimate"] == pytest.approx(fit.coef[f"y~1.c{c}"] + slope * at, abs=1e-9)
        both = V.loc[[f"y~1.c{c}", "y~x"], [f"y~1.c{c}", "y~x"]].to_numpy()
        assert found.loc[("y", c), "se"] == pytest.approx(np.sqrt([1, at] @ both @ [1, at]), rel=1e-6)
        rate = np.exp(fit.coef[f"k~1.c{c}"])
        assert found.loc[("k", c), "estimate"] == pytest.approx(rate, abs=1e-9)
        assert found.loc[("k", c), "se"] == pytest.approx(rate * np.sqrt(V.loc[f"k~1.c{c}", f"k~1.c{c}"]), rel=1e-6)


def test_profile_integrates_over_factors_within_classes():
    rng = np.random.default_rng(8)
    f = rng.normal(size=500) + 2.0 * (rng.random(500) < 0.5)
    data = pd.DataFrame({f"u{k}": 1.0 * (rng.random(500) < expit(f - 1)) for k in range(1, 6)})
    fit = sg.fit(f"@latent(c, classes(2))\nf =~ {' + '.join('1*' + u for u in data)} {BINARY}\nf ~ c\nf ~~ 1*f", data,
                 n_starts=2)  # fmt: skip
    z = np.linspace(-8, 8, 4001)
    weight = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    found = fit.class_profiles().set_index(["response", "class", "category"])["estimate"]
    mean = fit.coef["f~1.c1"]
    assert found["u2", "1", "1"] == pytest.approx(weight @ expit(fit.coef["u2~1"] + mean + z), abs=1e-7)
    assert found["u2", "2", "1"] == pytest.approx(weight @ expit(fit.coef["u2~1"] + z), abs=1e-7)


def test_profiles_are_drawn(soldiers):
    pyplot = pytest.importorskip("matplotlib", reason="profiles are drawn by matplotlib")
    pyplot.use("Agg")
    ax = soldiers.plot_profiles()
    lines = {bars.get_label(): bars.lines[0].get_ydata() for bars in ax.containers}
    np.testing.assert_allclose(lines["c=1"][0], expit(soldiers.coef["u1~1.c1"]))
    assert [text.get_text() for text in ax.get_xticklabels()] == ["u1", "u2", "u3", "u4"]


def test_printed_classes(mixed):
    fit = sg.fit(ITEMS, mixed, n_starts=4)
    assert str(fit.summary()) == GOLDEN.read_text()
