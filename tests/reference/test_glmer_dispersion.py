"""Laplace approximations of gamma and inverse Gaussian models with a random intercept, by lme4 and glmmTMB.

glmer maximises something else for families with a dispersion: `glmer/make.R` says what. Its conditional modes are those
of a model with the dispersion that it reports, and the Laplace approximation at those modes and parameters is compared;
glmmTMB's maximum is compared as it is.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import semgllamm

HERE = Path(__file__).parent / "glmer"
CASES = json.loads((HERE / "values.json").read_text(encoding="utf-8"))


@cache
def fitted(name):
    return semgllamm.fit(CASES[name]["text"], pd.read_csv(HERE / "data.csv"), quadrature="laplace")


def laplace(fit, parameters):
    assert set(parameters) == set(fit.model.names)
    cells = np.array([parameters[name] for name in fit.model.names])
    working = fit.likelihood.working
    fit.likelihood.cold()
    return fit.likelihood.value(working.free_from_inner(working.inner_from_cells(cells)), (1,))


@pytest.mark.parametrize("name", CASES)
def test_at_the_parameters_of_glmer(name):
    lme4 = CASES[name]["lme4"]
    assert laplace(fitted(name), lme4["parameters"]) == pytest.approx(lme4["loglik"], abs=2e-6, rel=0)


@pytest.mark.parametrize("name", CASES)
def test_glmer_stops_below_the_maximum(name):
    """Its estimates are not those of maximum likelihood, and what it reports is not their log-likelihood."""
    fit, lme4 = fitted(name), CASES[name]["lme4"]
    assert fit.converged
    assert fit.loglik > lme4["loglik"] + 0.01
    assert abs(lme4["reported"] - lme4["loglik"]) > 0.1


@pytest.mark.parametrize("name", [name for name in CASES if "glmmTMB" in CASES[name]])
def test_maximum_of_glmmtmb(name):
    fit, other = fitted(name), CASES[name]["glmmTMB"]
    assert fit.loglik == pytest.approx(other["loglik"], abs=1e-6, rel=0)
    free = fit.parameters[fit.parameters.free > 0]
    assert dict(zip(free.lhs + free.op + free.rhs, free.est)) == pytest.approx(other["parameters"], abs=2e-5, rel=0)
