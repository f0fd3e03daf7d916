"""A fit does not stop at a false zero: the maximum is the same from standard deviations 0, .1 and 4."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from walk import walk


def clusters(sd, seed, n_clusters=60, size=6, sd_above=0.0):
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(n_clusters), size)
    x = rng.normal(size=len(unit))
    above = unit // 6
    nu = 0.3 + 0.5 * x + sd * rng.normal(size=n_clusters)[unit] + sd_above * rng.normal(size=n_clusters)[above]
    y = 1.0 * (rng.random(len(unit)) < expit(nu))
    return pd.DataFrame({"y": y, "count": rng.poisson(np.exp(nu)), "x": x, "unit": unit, "above": above})


def loglik(text, data, sds, points):
    """The maximum from starts at these standard deviations, by the name of the variance."""
    found = walk(text, data)
    inner = found.working.inner(found.start)
    for name, sd in sds.items():
        inner[found.model.names.index(name)] = sd  # the diagonal of the Cholesky factor
    solution = found.solve(found.points(*points), found.working.free_from_inner(inner))
    assert solution.optimum.convergence.converged
    return solution.optimum.loglik


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sd", [0.0, 0.25])
@pytest.mark.parametrize("response, family", [("y", "bernoulli"), ("count", "poisson")])
def test_two_levels(response, family, sd, seed):
    data, text = clusters(sd, seed), f"{response} ~ x + (1 | unit)  @family({family})"
    found = [loglik(text, data, {"unit.intercept~~unit.intercept": start}, (11,)) for start in (0.0, 0.1, 4.0)]
    assert found == pytest.approx([found[1]] * 3, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sds", [(0.0, 0.0), (0.3, 0.0), (0.0, 0.3)])
def test_three_levels(sds, seed):
    data = clusters(sds[0], seed, sd_above=sds[1])
    text = "y ~ x + (1 | above/unit)  @family(bernoulli)"
    found = [
        loglik(text, data, {"unit.intercept~~unit.intercept": low, "above.intercept~~above.intercept": high}, (9, 7))
        for low, high in ((0.0, 0.0), (0.1, 0.1), (4.0, 4.0), (0.2, 4.0))
    ]
    assert found == pytest.approx([found[1]] * 4, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_random_slope_without_variance(seed):
    data, text = clusters(0.5, seed), "y ~ x + (1 + x | unit)  @family(bernoulli)"
    names = ["unit.intercept~~unit.intercept", "unit.x~~unit.x"]
    found = [loglik(text, data, dict.fromkeys(names, start), (9,)) for start in (0.0, 0.1, 4.0)]
    assert found == pytest.approx([found[1]] * 3, abs=1e-6)


@pytest.mark.parametrize("variance", [0.0, 0.01, 16.0])
def test_start_values_are_variances(variance):
    """A start at exactly zero, where the score vanishes, is moved away."""
    found = walk("y ~ x + (1 | unit)  @family(bernoulli)", clusters(0.5, 1),
                 start={"unit.intercept~~unit.intercept": variance})  # fmt: skip
    started = found.cells(found.start)["unit.intercept~~unit.intercept"]
    assert started == pytest.approx(variance) if variance else started > 0
