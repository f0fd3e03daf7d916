"""Hazards in discrete time: R's glm on rows that R made itself, and the likelihood from its definition."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg

HERE = Path(__file__).parent / "survival"
VALUES = json.loads((HERE / "values.json").read_text(encoding="utf-8"))
DATA = pd.read_csv(HERE / "data.csv")
ENDS = (1, 2, 3.5, 5, 8)
MADE = {
    "intervals": {"time": "time", "periods": ENDS},
    "entries": {"time": "time", "periods": ENDS, "entry": "entry"},
    "whole": {"time": "month"},
}


@pytest.mark.filterwarnings("ignore:.*left out, at risk in no whole period")
@pytest.mark.parametrize("name", MADE)
def test_hazards_of_glm(name):
    rows, expected = sg.person_periods(DATA, event="died", id="id", **MADE[name]), VALUES[name]
    assert (len(rows), rows.died.sum()) == (expected["rows"], expected["events"])
    assert list(rows.period.cat.categories) == expected["periods"]
    fit = sg.fit("died ~ period + x  @family(bernoulli(cloglog))", rows)
    assert fit.loglik == pytest.approx(expected["loglik"], abs=1e-8)
    free = fit.parameters[fit.parameters.free > 0].set_index("rhs").est
    levels = [free[""] + (free[f"period[{label}]"] if k else 0.0) for k, label in enumerate(rows.period.cat.categories)]
    assert [*levels, free["x"]] == pytest.approx(expected["coefficients"], abs=1e-6)


def test_hazards_with_a_frailty_have_the_likelihood_of_their_definition():
    """Families share u ~ N(0, ψ); each member contributes h_k Π (1 − h_j), or the probability of surviving so far."""
    data = DATA.assign(family=np.arange(len(DATA)) // 4)[:80]
    rows = sg.person_periods(data, time="month", event="died", id="id")
    fit = sg.fit("died ~ period + x + (1 | family)  @family(bernoulli(cloglog))", rows, quadrature=sg.Adaptive(25))
    level = np.array([-1.6, 0.3, 0.8, 0.9, 1.5])
    values = {"died~1": level[0], "died~x": 0.7, "family.intercept~~family.intercept": 0.6}
    values |= {f"died~period[{k}]": level[k - 1] for k in range(2, 6)}
    assert sorted(fit.model.names) == sorted(values)

    u = np.linspace(-8, 8, 801) * np.sqrt(0.6)
    density = np.exp(-0.5 * u**2 / 0.6) / np.sqrt(2 * np.pi * 0.6)
    eta = np.array([0.0, *level[1:]]) + level[0]
    total = 0.0
    for _, members in data.groupby("family"):
        likelihood = density.copy()
        for person in members.itertuples():
            k = person.month - 1
            hazard = -np.expm1(-np.exp(eta[:, None] + 0.7 * person.x + u))
            survived = (1 - hazard[: k + (1 - person.died)]).prod(axis=0)
            likelihood *= survived * (hazard[k] if person.died else 1.0)
        total += np.log(likelihood.sum() * (u[1] - u[0]))
    working = fit.likelihood.working
    free = working.free_from_inner(working.inner_from_cells(np.array([values[name] for name in fit.model.names])))
    fit.likelihood.cold()
    assert fit.likelihood.value(free, (25,)) == pytest.approx(total, abs=1e-8)
