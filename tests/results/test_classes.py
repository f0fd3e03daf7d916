"""Latent classes of published tables, and what is reported of classes."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import minimize
from scipy.special import log_expit, logsumexp
from scipy.stats import multivariate_normal

import semgllamm as sg

# Lazarsfeld (1950), The American Soldier, vol. IV: attitudes of 1000 soldiers to the army, four items
SOLDIERS = """1111 75, 1110 69, 1101 55, 1011 42, 0111 3, 1100 96, 1010 60, 1001 45, 0110 16, 0101 8, 0011 10, 1000 199,
              0100 52, 0010 25, 0001 16, 0000 229"""
# Dayton (1998): three readings of 1692 radiographs for pleural thickening
READINGS = "000 1513, 001 23, 010 59, 011 12, 100 21, 101 19, 110 11, 111 34"


def table(text: str) -> pd.DataFrame:
    rows = []
    for part in text.split(","):
        pattern, count = part.split()
        rows += [[float(digit) for digit in pattern]] * int(count)
    return pd.DataFrame(rows, columns=[f"u{k + 1}" for k in range(len(rows[0]))])


def test_soldiers():
    fit = sg.fit("@latent(c, classes(2))\nc =~ u1 + u2 + u3 + u4 @family(bernoulli(logit))", table(SOLDIERS))
    assert -2 * fit.loglik == pytest.approx(4696.444, abs=5e-4)
    assert fit.class_sizes()["share"].to_list() == pytest.approx([0.5560, 0.4440], abs=1e-3)
    assert fit.converged
    assert "20 of 20 starts" in str(fit.summary())


def test_readings():
    data = table(READINGS)
    free = sg.fit("@latent(c, classes(2))\nc =~ u1 + u2 + u3 @family(bernoulli(logit))", data)
    assert free.loglik == pytest.approx(-891.14280, abs=1e-5)
    assert free.class_sizes()["share"].to_list() == pytest.approx([0.9455, 0.0545], abs=5e-5)
    text = """
    @family(u1 + u2 + u3, bernoulli(logit))
    @latent(c, classes(2))
    @class(c, 1)
    u1 + u2 + u3 ~ false_alarm*1
    @class(c, 2)
    u1 + u2 + u3 ~ hit*1
    """
    equal = sg.fit(text, data)
    assert equal.npar == 3
    assert equal.loglik == pytest.approx(-904.84848, abs=1e-5)
    # the unrestricted model of three items fits perfectly, and the other's G² has 4 degrees of freedom
    assert 2 * (free.loglik - equal.loglik) == pytest.approx(27.4114, abs=1e-4)


def test_probabilities_of_zero_and_one_leave_the_other_standard_errors():
    rng = np.random.default_rng(5)
    never = np.where(rng.random(300)[:, None] < 0.4, [1.0, 0.8, 0.7, 0.9], [0.2, 0.3, 0.2, 0.0])
    data = pd.DataFrame(1.0 * (rng.random((300, 4)) < never), columns=["u1", "u2", "u3", "u4"])
    fit = sg.fit("@latent(c, classes(2))\nc =~ u1 + u2 + u3 + u4 @family(bernoulli(logit))", data)
    assert fit.converged
    table = fit.parameters.set_index(["lhs", "class"])
    assert fit.boundary == {"u4~1.c1", "u1~1.c2"}
    assert np.isnan(table.loc[("u4", "c=1"), "se"])
    assert (table["se"].drop([("u4", "c=1"), ("u1", "c=2")]) < 0.5).all()
    assert "u4~1 (c=1)" in str(fit.summary())


def test_growth_in_classes_has_the_maximum_of_a_normal_mixture():
    rng = np.random.default_rng(7)
    low = rng.random(400) < 0.35
    first = np.where(low, 2.0, 0.0) + 0.7 * rng.normal(size=400)
    slope = np.where(low, -0.3, 0.6) + 0.3 * rng.normal(size=400)
    data = pd.DataFrame({f"t{k}": first + slope * k + 0.5 * rng.normal(size=400) for k in range(4)})
    text = """
    i =~ 1*t0 + 1*t1 + 1*t2 + 1*t3
    s =~ 0*t0 + 1*t1 + 2*t2 + 3*t3
    @latent(c, classes(2))
    i + s ~ c
    """
    begin = {"i~1.c1": 0.0, "i~1.c2": 2.0, "s~1.c1": 0.6, "s~1.c2": -0.3}
    fit = sg.growth(text, data, n_starts=1, start=begin)
    Lambda = np.column_stack([np.ones(4), np.arange(4)])
    y = data.to_numpy()

    def deviance(t):
        C = np.array([[t[0], 0.0], [t[1], t[2]]])
        Sigma = Lambda @ C @ C.T @ Lambda.T + np.diag(np.exp(t[3:7]))
        one, two = (multivariate_normal(Lambda @ t[at : at + 2], Sigma).logpdf(y) for at in (7, 9))
        return -np.logaddexp(one - np.logaddexp(0, -t[11]), two - np.logaddexp(0, t[11])).sum()

    start = np.array([0.7, 0.0, 0.3, *[np.log(0.25)] * 4, 0.0, 0.6, 2.0, -0.3, 0.6])
    assert fit.loglik == pytest.approx(-minimize(deviance, start).fun, abs=1e-5)


def test_sandwich_of_classes_of_persons_by_their_scores_written_out():
    rng = np.random.default_rng(1)
    person = np.repeat(np.arange(150), 4)
    x = rng.normal(size=600)
    rate = np.exp(np.array([0.2, 1.5])[rng.integers(0, 2, 150)[person]] + 0.3 * x)
    data = pd.DataFrame({"person": person, "x": x, "y": rng.poisson(rate)})
    text = "y ~ c + x @family(poisson)\n@level(person)\n@latent(c, classes(2))"
    fit = sg.fit(text, data, n_starts=2)
    assert fit.likelihood.model.names == ("y~1.c1", "y~1.c2", "y~x", "c[1]~1.l2")

    def of_units(cells):
        nu = cells[:2] + cells[2] * x[:, None]
        logf = stats.poisson.logpmf(data.y.to_numpy()[:, None], np.exp(nu))
        of_person = np.add.reduceat(logf, np.arange(0, 600, 4))
        return logsumexp(of_person + log_expit(cells[3] * np.array([1, -1])), axis=1)

    at, h = fit.coef.to_numpy(), 1e-4 * np.eye(4)
    scores = np.array([(of_units(at + e) - of_units(at - e)) / 2e-4 for e in h]).T
    bends = [[(of_units(at + e + d) - of_units(at + e - d) - of_units(at - e + d) + of_units(at - e - d)).sum() / 4e-8
              for d in h] for e in h]  # fmt: skip
    bread = np.linalg.inv(-np.array(bends))
    assert of_units(at).sum() == pytest.approx(fit.loglik, abs=1e-8)
    np.testing.assert_allclose(fit.vcov(), bread, rtol=1e-4, atol=1e-8)
    sandwich = bread @ scores.T @ scores @ bread
    np.testing.assert_allclose(fit.vcov("sandwich"), sandwich, rtol=1e-4, atol=1e-8)
    robust = sg.fit(text, data, n_starts=2, se="robust")
    np.testing.assert_allclose(robust.vcov(), sandwich, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("shares", [([0.5, 0.5, 0.0], [0.1, 0.2, 0.7]), ([0.0, 0.5, 0.5], [0.7, 0.2, 0.1])])
def test_a_category_that_nobody_in_a_class_chooses(shares):
    """Its logit, or where it is the reference all of them, have no standard errors; everything else has."""
    rng = np.random.default_rng(3)
    n = 300
    kind = (rng.random(n) < 0.5).astype(int)
    words = np.array(list("xyz"))[(rng.random(n)[:, None] > np.array(shares)[kind].cumsum(axis=1)[:, :2]).sum(axis=1)]
    data = pd.DataFrame({f"u{j}": 1.0 * (rng.random(n) < np.where(kind == 0, 0.97, 0.03)) for j in range(5)})
    items = " + ".join(data)
    data["a"] = words
    text = f"@latent(c, classes(2))\nc =~ a @family(multinomial)\nc =~ {items} @family(bernoulli(logit))"
    fit = sg.fit(text, data, n_starts=3)
    lost = fit.parameters[fit.parameters.se.isna()]
    assert len(lost) == (1 if shares[0][2] == 0 else 2)
    assert set(lost.lhs) <= {"a[y]", "a[z]"}
    assert any("a probability of 0 or 1" in note for note in fit.notes)
    # the probabilities of the other categories are those of binary answers
    profile = fit.class_profiles()
    mine = profile[profile.response == "a"]
    none = mine[mine.estimate < 1e-4]
    assert len(none) == 1
    others = mine[(mine["class"] == none["class"].item()) & (mine.estimate > 1e-4)]
    assert others.estimate.sum() == pytest.approx(1.0, abs=1e-6)
    assert others.se.iloc[0] == pytest.approx(others.se.iloc[1], rel=1e-6)
    size = fit.class_sizes().set_index("class").expected[none["class"].item()]
    assert others.se.iloc[0] == pytest.approx(np.sqrt(others.estimate.prod() / size), rel=0.05)


def test_a_class_without_variance_is_no_maximum():
    """Five equal answers give a class of their own a likelihood without bound, which is no answer."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": np.concatenate([rng.normal(size=60), np.full(5, 0.3)])})
    text = "@latent(c, classes(2))\n@class(c, 1)\ny ~ 1\ny ~~ y\n@class(c, 2)\ny ~ 1\ny ~~ y"
    fit = sg.fit(text, data, n_starts=8)
    assert fit.converged
    assert np.isfinite(fit.loglik)
    assert (fit.parameters.query("op == '~~'").est > 1e-5).all()
