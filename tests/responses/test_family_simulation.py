"""Draws have the stated mean, and the score of the drawn data vanishes where they were drawn."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import cell, own_of

from semgllamm.responses import registry

DRAWS = 40_000


@pytest.mark.parametrize("nu", [-1.0, 0.6])
def test_draws_have_the_stated_mean(family, trials, nu):
    rng = np.random.default_rng(7)
    draws = family.simulate(np.full(DRAWS, nu), own_of(family), np.full(DRAWS, trials), rng) / trials
    expected = float(family.mean(np.array([nu]), own_of(family))[0])
    assert abs(draws.mean() - expected) < 4 * draws.std() / np.sqrt(DRAWS)
    family.check(draws * trials, np.full(DRAWS, trials), "y")


def test_the_score_vanishes_on_average_and_its_variance_is_the_curvature(family, trials):
    """E(s) = 0 and E(s²) = E(w), for ν and for every own parameter: Bartlett's identities."""
    nu, rng = 0.4, np.random.default_rng(11)
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
        assert abs(shares @ mean_zero) < 4 * spread
    if family.own == 1:
        g, h = terms[:, 4], terms[:, 10]
        for mean_zero in (g, g * g + h):
            assert abs(shares @ mean_zero) < 4 * np.sqrt(shares @ mean_zero**2 / DRAWS)


def test_the_linear_predictor_is_recovered(family, trials):
    """Newton's method on simulated answers, from 0, ends near the ν that made them."""
    true, rng = 0.8, np.random.default_rng(3)
    draws = family.simulate(np.full(DRAWS, true), own_of(family), np.full(DRAWS, trials), rng)
    answers, counts = np.unique(draws, return_counts=True)
    cells = [cell(family, y, trials) for y in answers]
    nu = 0.0
    for _ in range(25):
        terms = np.array([registry.terms(family.code, c.y, c.n, nu, c.tau1, c.tau2) for c in cells])
        score, information = counts @ terms[:, 1], counts @ terms[:, 2]
        nu += score / information
    assert abs(score) < 1e-6 * DRAWS
    assert abs(nu - true) < 4 / np.sqrt(information)
