"""Answers in steps: products over the steps that were taken, by cells of the ordinal family."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from conftest import THRESHOLDS
from exact_densities import SHARES

from semgllamm.responses import registry
from semgllamm.responses.sequential import probabilities

TOP = len(THRESHOLDS)


@pytest.fixture(params=registry.links_of("sequential"))
def family(request):
    return registry.lookup("sequential", request.param)


def exact(link, y, nu):
    with mp.workdps(40):
        p = mp.mpf(1)
        for k in range(min(y + 1, TOP)):
            stops, goes_on = SHARES[link](mp.mpf(THRESHOLDS[k]) - nu)
            p *= stops if k == y else goes_on
        return p


def steps(y):
    """(τ1, τ2) of the cells of an answer."""
    return [(-math.inf, THRESHOLDS[k]) if k == y else (THRESHOLDS[k], math.inf) for k in range(min(y + 1, TOP))]


@pytest.mark.parametrize("nu", [-6.5, -0.3, 2.5, 30.0])
def test_cells_multiply_to_the_density(family, nu):
    for y in range(TOP + 1):
        cells = [registry.value(family.code, 1.0, 1.0, nu, *own) for own in steps(y)]
        score = mp.diff(lambda x, y=y: mp.log(exact(family.link, y, x)), mp.mpf(nu))
        assert sum(value[0] for value in cells) == pytest.approx(float(mp.log(exact(family.link, y, nu))), rel=1e-11)
        assert sum(value[1] for value in cells) == pytest.approx(float(score), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("nu", [-1.5, 0.4])
def test_probabilities_are_those_of_the_density_and_add_up_to_one(family, nu):
    p = probabilities(np.array([nu]), THRESHOLDS, family.link)[0]
    np.testing.assert_allclose(p, [float(exact(family.link, y, nu)) for y in range(TOP + 1)], rtol=1e-12)
    assert p.sum() == pytest.approx(1.0, abs=1e-14)
    assert family.mean(np.array([nu]), THRESHOLDS)[0] == pytest.approx(p @ np.arange(TOP + 1))


def test_draws_have_these_probabilities(family):
    n = 40_000
    draws = family.simulate(np.full(n, 0.4), THRESHOLDS, np.ones(n), np.random.default_rng(5))
    shares = np.bincount(draws.astype(int), minlength=TOP + 1) / n
    p = probabilities(np.array([0.4]), THRESHOLDS, family.link)[0]
    assert np.all(np.abs(shares - p) < 4 * np.sqrt(p * (1 - p) / n))
    family.check(draws, None, "y")


def test_steps_of_proportional_hazards_are_cumulative():
    """Under the complementary log-log link: κ of the steps from those of the whole (Läärä & Matthews 1985)."""
    hazards = np.exp(THRESHOLDS)
    whole = np.log(np.cumsum(hazards))
    ordinal = registry.lookup("ordinal", "cloglog")
    for nu in (-1.0, 0.7):
        edges = np.array([-math.inf, *whole, math.inf])
        cumulative = [math.exp(registry.value(ordinal.code, y, 1.0, nu, edges[y], edges[y + 1])[0])
                      for y in range(TOP + 1)]
        np.testing.assert_allclose(probabilities(np.array([nu]), THRESHOLDS, "cloglog")[0], cumulative, rtol=1e-12)
