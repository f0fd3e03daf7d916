"""Mixtures against other programs: regressions by flexmix, Gaussian profiles by mclust."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg

HERE = Path(__file__).parent / "mixtures"
CASES = json.loads((HERE / "values.json").read_text(encoding="utf-8"))


SLOW = {"iris_VVV", "iris_EEE"}
NAMES = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in CASES]


@pytest.mark.parametrize("name", NAMES)
def test_mixture(name):
    case = CASES[name]
    data = pd.read_csv(HERE / case["data"])
    fit = sg.fit(case["text"], data, n_starts=10)
    assert fit.converged
    assert fit.loglik == pytest.approx(case["loglik"], rel=1e-6)
    # blocks keep their classes as they are numbered, in whatever order these are found
    order = np.argsort(-fit.class_sizes()["share"].to_numpy())
    np.testing.assert_allclose(fit.class_sizes()["share"].to_numpy()[order], case["shares"], atol=1e-4)
    for cell, values in case["estimates"].items():
        found = [fit.coef[f"{cell}.c{k + 1}"] for k in order] if isinstance(values, list) else fit.coef[cell]
        np.testing.assert_allclose(found, values, atol=1e-4, err_msg=cell)
