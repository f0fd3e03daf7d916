"""Every test of a family runs over the registry; the cells below are responses that the family itself draws."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from semgllamm.responses import registry

REPOSITORY = Path(__file__).parents[2]
THRESHOLDS = np.array([-1.3, -0.4, 0.1, 0.15, 1.6])


@dataclass(frozen=True)
class Cell:
    y: float
    n: float
    tau1: float
    tau2: float


# own parameters that have linear predictors
OWN = {"dispersion": 0.4, "inflation": -0.3, "guessing": -1.2, "ceiling": 2.0}


def own_of(family):
    if family.thresholds == "all":  # the kernels are of two
        return THRESHOLDS[[0, 2]]
    if not family.predictors:
        return THRESHOLDS if family.own else None
    own = np.array([OWN[name] for name in family.predictors])
    return own if family.own > 1 else own[0]


def cell(family, y, n=1.0):
    """The response y with the own parameters that belong to it; seen as it is, where answers may be censored."""
    if family.thresholds == "all":
        return Cell(y, 2.0, *own_of(family))
    if family.own == 2 and not family.predictors:
        edges = np.array([-math.inf, *THRESHOLDS, math.inf])
        return Cell(y, 1.0, edges[int(y)], edges[int(y) + 1])
    own = [OWN[name] for name in family.predictors] + [0.0, 0.0]
    return Cell(y, y if family.beside == "interval" else n, own[0], own[1])


def domain(family):
    """Where the link has a mean: "all", "positive", "negative" or "unit"."""
    has = [bool(np.isfinite(family.mean(np.array([nu]), own_of(family))).all()) for nu in (-1.0, 0.5, 2.0)]
    return {(1, 1, 1): "all", (0, 1, 1): "positive", (1, 0, 0): "negative", (0, 1, 0): "unit"}[tuple(map(int, has))]


def within(family, x):
    """A predictor that the link has a mean for: x itself, or x carried into the domain."""
    maps = {
        "all": lambda x: x, "positive": lambda x: math.exp(x / 8), "negative": lambda x: -math.exp(-x / 8),
        "unit": lambda x: 1 / (1 + math.exp(-x / 8)),
    }  # fmt: skip
    return maps[domain(family)](x)


# those whose density is that of one cell: answers in steps have a cell for each step, choices one for each alternative
# (test_shares.py), and tests of their own
ONE_CELL = [family for family in registry.FAMILIES if family.thresholds != "steps" and not family.is_joint]


@pytest.fixture(params=ONE_CELL, ids=lambda family: f"{family.name}-{family.link}")
def family(request):
    return request.param


@pytest.fixture
def trials(family):
    return 5.0 if family.beside == "trials" else 1.0


@pytest.fixture
def cells(family, trials):
    """One cell for each answer that turned up in 200 draws (at most 8 of them), and each kind of censored one."""
    rng = np.random.default_rng(20250)
    nu = np.array([within(family, x) for x in rng.normal(size=200)])
    draws = family.simulate(nu, _rows(own_of(family), 200), np.full(200, trials), rng)
    seen = [cell(family, float(y), trials) for y in np.unique(draws)[:: max(1, len(np.unique(draws)) // 8)][:8]]
    others = {"event": [(0.7, 0.0), (3.0, 0.0)],
              "interval": [(0.3, math.inf), (0.3, -math.inf), (-0.5, 0.8), (0.8, -0.5)]}.get(family.beside, [])
    return seen + [replace(seen[0], y=y, n=n) for y, n in others]


def _rows(own, n):
    """Own parameters for n responses."""
    return own if own is None or np.ndim(own) == 0 else np.broadcast_to(own, (n, len(own)))
