"""Item response models against sums over a dense grid in plain NumPy (bfi/make.py)."""

import json
from pathlib import Path

import pandas as pd
import pytest

import semgllamm

HERE = Path(__file__).parent / "bfi"


@pytest.fixture(scope="module")
def stored():
    return json.loads((HERE / "values.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def fit():
    return semgllamm.fit((HERE / "graded.sem").read_text(encoding="utf-8"), pd.read_csv(HERE / "data.csv"))


def test_graded_responses_of_two_factors(fit, stored):
    assert fit.converged and fit.method == "quadrature on a shared grid"
    assert fit.loglik == pytest.approx(stored["loglik"], abs=1e-4)
    _, error = fit.quadrature_error
    assert stored["loglik"] - fit.loglik == pytest.approx(error, abs=2e-6)
    free = fit.parameters[fit.parameters.free > 0]
    names = free.lhs + free.op + free.rhs
    assert dict(zip(names, free.est)) == pytest.approx(stored["estimates"], abs=1e-4)
    assert dict(zip(names, free.se)) == pytest.approx(stored["se"], rel=1e-3)


def test_more_points_give_the_dense_grids_log_likelihood(stored):
    fine = semgllamm.fit(
        (HERE / "graded.sem").read_text(encoding="utf-8"), pd.read_csv(HERE / "data.csv"),
        quadrature=semgllamm.Grid(points=61),
    )  # fmt: skip
    assert fine.loglik == pytest.approx(stored["loglik"], abs=1e-6)
    assert dict(zip(fine.coef.index, fine.coef)) == pytest.approx(
        {name: x for name, x in stored["estimates"].items()}, abs=1e-5
    )
