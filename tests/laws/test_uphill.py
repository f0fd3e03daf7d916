"""Modes of responses that are not log-concave: found from wherever the search starts, and the value with them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from walk import walk

TEXTS = {
    "inverse Gaussian": "ig ~ 1 + (1 | unit)  @family(inversegaussian)",
    "zero-inflated": "count ~ 1 + (1 | unit)  @family(zinbinom1)",
    "beta": "share ~ 1 + (1 | unit)  @family(beta)",
}


def data():
    rng = np.random.default_rng(8)
    unit = np.repeat(np.arange(12), 4)
    mean = np.exp(rng.normal(size=12)[unit])
    return pd.DataFrame({
        "unit": unit, "ig": rng.wald(mean, 1.5), "share": rng.beta(mean, 1.0),
        "count": np.where(rng.random(48) < 0.4, 0, rng.poisson(3 * mean)),
    })  # fmt: skip


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_mode_is_found_from_far_away(text):
    found = walk(text, data())
    free, points = found.start, found.points(9)
    expected = found.value(free, points)
    assert np.isfinite(expected)
    # these have one mode, though nobody knows it beforehand: a search from the last one would do
    predictor = found.likelihood.predictor
    predictor.program = replace(predictor.program, one_mode=True)
    rng = np.random.default_rng(3)
    for size in (1.0, 3.0, 6.0):
        found.likelihood.workspace.m[:] = size * rng.choice([-1.0, 1.0], size=len(found.likelihood.workspace.m))
        assert found.likelihood.value(free, points) == pytest.approx(expected, abs=1e-9)


def test_the_hessian_is_indefinite_on_the_way():
    """Where the search above starts, some response has negative curvature."""
    from semgllamm.responses import registry

    family = registry.lookup("inversegaussian", "log")
    assert family.terms(1.0, 1.0, 4.0, 0.0, 0.0)[2] < 0


def test_the_value_does_not_depend_on_the_way():
    """Where two rows without a success are slips of a unit, or its failures: it has modes at −1.03 and −0.07."""
    rows = pd.DataFrame({"unit": np.repeat(np.arange(20), 2), "x": np.tile([-1.0, 1.0], 20), "y": 0.0})
    rows.loc[30:, "y"] = 1.0
    found = walk("y ~ x + (1 | unit)  @family(bernoulli3plu(cloglog))", rows)
    truth = {"y~x": 3.0, "unit.intercept~~unit.intercept": 9.0, "y@ceiling~1": np.log(1.5), "y~1": 0.0}
    free, points = found.free(truth), found.points(7)
    expected = found.value(free, points)
    found.likelihood.workspace.m[:] = -1.5
    assert found.likelihood.value(free, points) == expected
    # a search from there would end at another mode
    workspace, predictor = found.likelihood.workspace, found.likelihood.predictor
    predictor.program = replace(predictor.program, one_mode=True)
    workspace.m[:] = -1.5
    assert abs(found.likelihood.value(free, points) - expected) > 1e-3
