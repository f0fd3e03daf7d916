"""Weights of rows against R: glmmTMB's, lme4 of the rows written out, and the sandwich of a weighted glm."""

import json
from pathlib import Path

import numpy as np
import pytest

import semgllamm as sg

VALUES = json.loads((Path(__file__).parent / "weights" / "values.json").read_text(encoding="utf-8"))
HERDS = """
    incidence ~ 1 + period + (1 | herd)    @family(binomial(logit))
    @trials(incidence, size)
    @frequency(row, n)
"""


def cattle():
    data = sg.load_dataset("cbpp")
    data = data.sort_values(["herd", "period"]).reset_index(drop=True)
    number = np.arange(1, len(data) + 1)
    return data.assign(n=1 + number % 3, w=0.4 + (number % 5) / 2)


def test_frequencies_are_those_of_glmmtmb():
    fit, values = sg.fit(HERDS, cattle(), quadrature="laplace"), VALUES["laplace"]
    assert fit.loglik == pytest.approx(values["loglik"], abs=1e-7)
    np.testing.assert_allclose(fit.coef[:4], values["coef"], atol=2e-5)
    assert np.sqrt(fit.coef.iloc[4]) == pytest.approx(values["sd"], abs=2e-5)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.vcov()))[:4], values["se"], rtol=2e-4)


def test_frequencies_are_rows_written_out_in_lme4():
    fit, values = sg.fit(HERDS, cattle(), quadrature=sg.Adaptive(25)), VALUES["written_out"]
    np.testing.assert_allclose(fit.coef[:4], values["coef"], atol=2e-4)
    assert np.sqrt(fit.coef.iloc[4]) == pytest.approx(values["sd"], abs=2e-4)


def test_the_sandwich_of_sampling_weights():
    text = "incidence ~ 1 + period @family(binomial(logit))\n@trials(incidence, size)\n@weight(row, w)"
    fit, values = sg.fit(text, cattle()), VALUES["sandwich"]
    np.testing.assert_allclose(fit.coef, values["coef"], atol=1e-6)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.vcov())), values["se"], rtol=1e-6)
