"""Composite links against published values: ABO gene frequencies, and numbers of snowshoe hares."""

from math import comb

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg

EXACT = sg.Settings(tolerance=1e-18)


def defined(fit, name):
    return fit.parameters[fit.parameters.lhs == name].iloc[0]


def test_gene_frequencies_of_blood_groups():
    """McLachlan & Krishnan (2008), The EM Algorithm and Extensions: 435 persons, p = .26444, q = .09317."""
    data = pd.DataFrame({
        "group": ["O", "A", "A", "B", "B", "AB"], "n": [176, 182, 182, 60, 60, 17], "w": [1, 1, 2, 1, 2, 2],
        "A": [0, 2, 1, 0, 0, 1], "B": [0, 0, 0, 2, 1, 1], "O": [2, 0, 1, 0, 1, 0],
    })  # fmt: skip
    text = """
        n ~ 0 + a*A + b*B + o*O  @family(poisson)
        @composite(n, case=group, weight=w)
        p := exp(a) / (exp(a) + exp(b) + exp(o))
        q := exp(b) / (exp(a) + exp(b) + exp(o))
        total := (exp(a) + exp(b) + exp(o))^2
    """
    fit = sg.fit(text, data, settings=EXACT)
    assert fit.converged
    assert defined(fit, "p").est == pytest.approx(0.26444, abs=5e-6)
    assert defined(fit, "q").est == pytest.approx(0.09317, abs=5e-6)
    assert defined(fit, "total").est == pytest.approx(435, abs=1e-6)
    # gene counting (Smith 1957; Dempster, Laird & Rubin 1977) to its fixed point
    p, q = 0.3, 0.2
    for _ in range(500):
        r = 1 - p - q
        AA, BB = 182 * p / (p + 2 * r), 60 * q / (q + 2 * r)
        p, q = (AA + 182 + 17) / 870, (BB + 60 + 17) / 870
    assert [defined(fit, "p").est, defined(fit, "q").est] == pytest.approx([p, q], abs=1e-9)


CAUGHT = pd.DataFrame({"k": np.arange(1, 7), "n": [25, 22, 13, 5, 1, 2], "w": [comb(6, k) for k in range(1, 7)]})


@pytest.mark.parametrize("term, animals, error", [(None, 75.4, 3.5), ("poisson", 81.5, 5.7), ("darroch", 90.4, 11.6)])
def test_numbers_of_hares(term, animals, error):
    """Rcapture 1.3 (Baillargeon & Rivest 2007), closedp(hare): M0, Mh Poisson2, Mh Darroch, estimates and errors."""
    data = CAUGHT.assign(poisson=2.0 ** CAUGHT["k"] - 1, darroch=CAUGHT["k"] ** 2 / 2)
    terms = "k" if term is None else f"k + {term}"
    text = f"n ~ a*1 + {terms}  @family(poisson)\n@composite(n, case=k, weight=w)\nunseen := exp(a)"
    fit = sg.fit(text, data, settings=EXACT)
    unseen = defined(fit, "unseen")
    assert 68 + unseen.est == pytest.approx(animals, abs=0.05)
    assert np.sqrt(unseen.se**2 + unseen.est) == pytest.approx(error, abs=0.05)


def test_two_kinds_of_hares_by_an_em_algorithm():
    """A mixture of two binomials with the unseen as missing data ends at the same number of animals."""
    data = pd.concat([CAUGHT.assign(c1=1.0, c2=0.0), CAUGHT.assign(c1=0.0, c2=1.0)])
    text = """
        n ~ 0 + a1*c1 + a2*c2 + b1*c1:k + b2*c2:k  @family(poisson)
        @composite(n, case=k, weight=w)
        unseen := exp(a1) + exp(a2)
        p := 1 / (1 + exp(-b1))
    """
    fit = sg.fit(text, data, start={"a1": 2.0, "a2": -10.0}, settings=EXACT)
    k, n = np.arange(7), np.array([0.0, 25, 22, 13, 5, 1, 2])
    share, p = np.array([0.9, 0.1]), np.array([0.3, 0.9])
    for _ in range(3000):
        joint = share[:, None] * np.array([[comb(6, j) * x**j * (1 - x) ** (6 - j) for j in k] for x in p])
        total = joint.sum(axis=0)
        n[0] = 68 * total[0] / (1 - total[0])
        expected = n * joint / total
        share, p = expected.sum(axis=1) / n.sum(), (expected * k).sum(axis=1) / (6 * expected.sum(axis=1))
    assert defined(fit, "unseen").est == pytest.approx(n[0], abs=1e-5)
    assert defined(fit, "p").est == pytest.approx(p[0], abs=1e-6)
