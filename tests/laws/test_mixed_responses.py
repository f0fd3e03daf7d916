"""Models of responses of different kinds: at the estimates, and at the truth, the log-likelihood is that of the
definition."""

import pandas as pd
import pytest
from mixed_responses import MIXED
from walk import walk

import semgllamm

# enough persons for a sum in which nothing cancels, few enough for the dense grid
PERSONS = {"dependent dropout": 60, "longitudinal and survival": 60}


@pytest.mark.parametrize("name", MIXED)
def test_the_log_likelihood_is_that_of_the_definition(name):
    text, generate, loglik, points = MIXED[name]
    columns, truth = generate(1, PERSONS.get(name, 500))
    data = pd.DataFrame(columns)
    found = walk(text, data)
    fit = semgllamm.fit(text, data)
    assert fit.converged
    for values in (truth, fit.coef.to_dict()):
        of_cells = {row: values[row] for row in found.model.names}
        value = found.value(found.free(of_cells), found.points(points))
        assert value == pytest.approx(loglik(columns, values), abs=1e-8)
    # what the fit reports differs by the error of its points, which it tells
    assert abs(fit.loglik - loglik(columns, fit.coef)) < 2 * abs(fit.quadrature_error[1]) + 1e-8
