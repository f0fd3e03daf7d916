"""Every test of a family runs over the registry; the cells below are responses that the family itself draws."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from semgllamm.responses import registry

REPOSITORY = Path(__file__).parents[2]
THRESHOLDS = np.array([-1.3, -0.4, 0.1, 0.15, 1.6])
LOG_VARIANCE = np.array(0.4)


@dataclass(frozen=True)
class Cell:
    y: float
    n: float
    tau1: float
    tau2: float


def own_of(family):
    return (None, LOG_VARIANCE, THRESHOLDS)[family.own]


def cell(family, y, n=1.0):
    """The response y with the own parameters that belong to it."""
    if family.own == 2:
        edges = np.array([-math.inf, *THRESHOLDS, math.inf])
        return Cell(y, 1.0, edges[int(y)], edges[int(y) + 1])
    return Cell(y, n, float(LOG_VARIANCE) if family.own else 0.0, 0.0)


@pytest.fixture(params=registry.FAMILIES, ids=lambda family: f"{family.name}-{family.link}")
def family(request):
    return request.param


@pytest.fixture
def trials(family):
    return 5.0 if family.name == "binomial" else 1.0


@pytest.fixture
def cells(family, trials):
    """One cell for each answer that turned up in 200 draws (at most 8 of them)."""
    rng = np.random.default_rng(20250)
    draws = family.simulate(rng.normal(size=200), own_of(family), np.full(200, trials), rng)
    return [cell(family, float(y), trials) for y in np.unique(draws)[:: max(1, len(np.unique(draws)) // 8)][:8]]
