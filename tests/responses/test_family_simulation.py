"""Draws have the stated mean, and the score of the drawn data vanishes where they were drawn."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import cell, own_of, within

from semgllamm.responses import registry

DRAWS, FEW = 40_000, 4_000


@pytest.mark.parametrize("nu", [-1.0, 0.6])
def test_draws_have_the_stated_mean(family, trials, nu):
    nu, rng = within(family, nu), np.random.default_rng(7)
    draws = family.simulate(np.full(DRAWS, nu), own_of(family), np.full(DRAWS, trials), rng) / trials
    expected = float(family.mean(np.array([nu]), own_of(family))[0])
    assert abs(draws.mean() - expected) < 4 * draws.std() / np.sqrt(DRAWS)
    family.check(draws * trials, np.full(DRAWS, trials), "y")


def test_the_score_vanishes_on_average_and_its_variance_is_the_curvature(family, trials):
    """E(s) = 0 and E(s²) = E(w), for ν and for every own parameter: Bartlett's identities."""
    nu, rng = within(family, 0.4), np.random.default_rng(11)
    draws = family.simulate(np.full(DRAWS, nu), own_of(family), np.full(DRAWS, trials), rng)
    answers, counts = np.unique(draws, return_counts=True)
    terms = []
    for y in answers:
        response = cell(family, y, trials)
        terms.append(registry.terms(family.code, y, response.n, nu, response.tau1, response.tau2))
    terms, shares = np.array(terms), counts / DRAWS
    s, w = terms[:, 1], terms[:, 2]
    for mean_zero in (s, s * s - w):
        spread = np.sqrt(shares @ mean_zero**2 / DRAWS)
        assert abs(shares @ mean_zero) < 4 * spread + 1e-12
    own = range(len(family.predictors))
    g, cross, h = terms[:, [4, 5]], terms[:, [6, 7]], terms[:, [[10, 11], [11, 12]]]
    identities = [g[:, k] for k in own] + [s * g[:, k] + cross[:, k] for k in own]
    identities += [g[:, k] * g[:, j] + h[:, k, j] for k in own for j in own]
    for mean_zero in identities:
        assert abs(shares @ mean_zero) < 4 * np.sqrt(shares @ mean_zero**2 / DRAWS) + 1e-12


def test_the_linear_predictor_is_recovered(family, trials):
    """Newton's method on simulated answers, from where the family starts, ends near the ν that made them."""
    true, rng = within(family, 0.8), np.random.default_rng(3)
    draws = family.simulate(np.full(FEW, true), own_of(family), np.full(FEW, trials), rng)
    answers, counts = np.unique(draws, return_counts=True)
    cells = [cell(family, y, trials) for y in answers]
    n = np.array([c.n for c in cells])
    nu = family.start(np.repeat(answers, counts), np.repeat(n, counts))[0] if family.start else 0.0
    for _ in range(15):
        terms = np.array([registry.terms(family.code, c.y, c.n, nu, c.tau1, c.tau2) for c in cells])
        score, information = counts @ terms[:, 1], counts @ terms[:, 2]
        nu += score / information
    assert abs(score) < 1e-6 * FEW
    assert abs(nu - true) < 4 / np.sqrt(information)
